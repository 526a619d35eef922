/* Key-value buckets: streams KV_<bucket>, written by compare-and-set, read past every cache. See
 * session.h. */
#include "base/hash.h"
#include "nats/internal.h"

#include <inttypes.h>
#include <stdio.h>

#define HISTORY_MAX         64
#define KEY_MAX             512
#define PART_MAX            64
#define DUPLICATE_WINDOW_NS 120000000000LL
#define BATCH               32 /* values may be large */
#define WAIT_MS             1000

/* ---- names -------------------------------------------------------------------------------- */

static bool plain(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

int sc_key_escape(struct sc_str part, struct sc_buf *out)
{
    size_t len = 0;
    for (size_t i = 0; i < part.len; i++)
        len += plain((unsigned char)part.ptr[i]) ? 1 : 3;
    if (len > PART_MAX) {
        unsigned char sum[32];
        char hex[33];
        sc_sha256(part.ptr, part.len, sum);
        sc_hex(sum, 16, hex);
        return sc_buf_addf(out, "=h%s", hex);
    }
    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.ptr[i];
        if (plain(c) ? sc_buf_add_char(out, (char)c) : sc_buf_addf(out, "=%02X", c))
            return -1;
    }
    return 0;
}

bool sc_key_legal(const char *key)
{
    size_t len = key ? strlen(key) : 0;
    if (len == 0 || len > KEY_MAX || key[0] == '.' || key[len - 1] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)key[i];
        if (!plain(c) && c != '/' && c != '=' && c != '.')
            return false;
        if (c == '.' && key[i + 1] == '.')
            return false;
    }
    return true;
}

int sc_kv_stream(const char *bucket, char out[256], struct sc_error *err)
{
    size_t len = bucket ? strlen(bucket) : 0;
    bool good = len > 0 && len <= 200;
    for (size_t i = 0; good && i < len; i++)
        good = plain((unsigned char)bucket[i]);
    if (!good)
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "NATS: \"%.80s\" is not a bucket name: letters, digits, _ and - only",
                       bucket ? bucket : "");
    snprintf(out, 256, "KV_%s", bucket);
    return 0;
}

static int check(const char *bucket, const char *key, char stream[256], struct sc_error *err)
{
    if (sc_kv_stream(bucket, stream, err))
        return -1;
    if (!sc_key_legal(key))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "NATS: \"%.80s\" is not a legal key", key);
    return 0;
}

/* ---- one key ------------------------------------------------------------------------------ */

void sc_kv_entry_done(struct sc_kv_entry *entry)
{
    if (entry)
        sc_buf_done(&entry->value);
}

int sc_kv_get(struct sc_session *session, const char *bucket, const char *key,
              struct sc_kv_entry *ret, struct sc_error *err)
{
    char stream[256];
    if (check(bucket, key, stream, err))
        return -1;
    SC_AUTO_FREE char *subject = sc_printf("$KV.%s.%s", bucket, key);
    if (!subject)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
    struct sc_stored_msg msg = {0};
    int rc = sc_stream_get_last(session, stream, subject, &msg, err);
    if (rc == 0) {
        struct sc_buf old = ret->value;
        ret->rev = msg.seq;
        ret->deleted = sc_kv_marker(sc_buf_str(&msg.headers));
        ret->value = msg.data;
        msg.data = old; /* freed below */
        memcpy(ret->created, msg.time, sizeof ret->created);
    }
    sc_stored_msg_done(&msg);
    return rc;
}

static int make_write(struct sc_session *session, const char *bucket, const char *key,
                      const void *value, size_t len, uint64_t expected_rev, natsMsg **ret,
                      struct sc_error *err)
{
    SC_AUTO_BUF struct sc_buf subject = {0};
    char rev[24];
    snprintf(rev, sizeof rev, "%" PRIu64, expected_rev);
    natsMsg *msg = NULL;
    natsStatus s = sc_session_kv_subject(session, bucket, key, &subject) ? NATS_NO_MEMORY : NATS_OK;
    if (s == NATS_OK)
        s = natsMsg_Create(&msg, subject.ptr, sc_session_reply(session), value, (int)len);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(msg, "Nats-Expected-Last-Subject-Sequence", rev);
    if (s == NATS_OK && !value)
        s = natsMsgHeader_Set(msg, "KV-Operation", "DEL");
    if (s != NATS_OK) {
        natsMsg_Destroy(msg);
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: %s/%s: %s", bucket, key,
                       natsStatus_GetText(s));
    }
    *ret = msg;
    return 0;
}

static int take_ack(natsMsg *reply, const char *bucket, const char *key, uint64_t *ret_rev,
                    struct sc_error *err)
{
    char what[160];
    int code = 0;
    snprintf(what, sizeof what, "write of %s/%.100s", bucket, key);
    json_t *ack = json_loadb(natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply), 0, NULL);
    struct sc_error why = SC_ERROR_INIT;
    int rc = 0;
    if (sc_api_error(ack, what, &code, &why)) {
        rc = code == SC_JS_WRONG_LAST_SEQ ? 1 : sc_fail(err, why.reason, "%s", why.text);
    } else if (!json_is_integer(json_object_get(ack, "seq"))) {
        rc = sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "NATS: %s: the answer is not JetStream's",
                     what);
    } else if (ret_rev) {
        *ret_rev = (uint64_t)json_integer_value(json_object_get(ack, "seq"));
    }
    json_decref(ack);
    return rc;
}

int sc_kv_put(struct sc_session *session, const char *bucket, const char *key, const void *value,
              size_t len, uint64_t expected_rev, uint64_t *ret_rev, struct sc_error *err)
{
    char stream[256];
    natsMsg *msg = NULL, *reply = NULL;
    if (check(bucket, key, stream, err))
        return -1;
    if (len > INT32_MAX)
        return sc_fail(err, SC_REASON_RECORD_TOO_LARGE, "NATS: %s/%s: value too large", bucket,
                       key);
    if (make_write(session, bucket, key, value, len, expected_rev, &msg, err))
        return -1;
    natsStatus s = sc_session_exchange(session, msg, &reply);
    natsMsg_Destroy(msg);
    if (s == NATS_NO_RESPONDERS)
        return sc_fail(err, SC_REASON_NO_STREAM,
                       "NATS: bucket %s is missing, or JetStream is not enabled", bucket);
    if (s != NATS_OK) {
        char what[160];
        snprintf(what, sizeof what, "write of %s/%.100s", bucket, key);
        return sc_session_fail(session, s, what, err);
    }
    int rc = take_ack(reply, bucket, key, ret_rev, err);
    natsMsg_Destroy(reply);
    return rc;
}

int sc_kv_delete(struct sc_session *session, const char *bucket, const char *key,
                 uint64_t expected_rev, struct sc_error *err)
{
    return sc_kv_put(session, bucket, key, NULL, 0, expected_rev, NULL, err);
}

/* ---- buckets ------------------------------------------------------------------------------ */

int sc_kv_info(struct sc_session *session, const char *bucket, struct sc_stream_info *ret,
               struct sc_error *err)
{
    char stream[256];
    if (sc_kv_stream(bucket, stream, err))
        return -1;
    struct sc_error why = SC_ERROR_INIT;
    if (sc_stream_info(session, stream, ret, &why) == 0)
        return 0;
    if (why.reason == SC_REASON_NO_STREAM)
        return 1;
    return sc_fail(err, why.reason, "%s", why.text);
}

/* Exactly what the official clients make, so that they find nothing to object to. */
static char *bucket_config(const char *bucket, const char *stream, int history)
{
    SC_AUTO_FREE char *subject = sc_printf("$KV.%s.>", bucket);
    if (!subject)
        return NULL;
    json_t *config =
        json_pack("{s:s, s:[s], s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:b, s:b, "
                  "s:b}",
                  "name", stream, "subjects", subject, "retention", "limits", "storage", "file",
                  "discard", "new", "max_consumers", -1, "max_msgs", -1, "max_bytes", -1, "max_age",
                  0, "max_msgs_per_subject", history, "max_msg_size", -1, "num_replicas", 1,
                  "duplicate_window", (json_int_t)DUPLICATE_WINDOW_NS, "allow_rollup_hdrs", 1,
                  "deny_delete", 1, "allow_direct", 1);
    char *text = config ? json_dumps(config, JSON_COMPACT) : NULL;
    json_decref(config);
    return text;
}

int sc_kv_ensure(struct sc_session *session, const char *bucket, int history, char *ret_created,
                 struct sc_error *err)
{
    char stream[256], api[300];
    struct sc_stream_info info;
    struct sc_error why = SC_ERROR_INIT;
    int rc = sc_kv_info(session, bucket, &info, err);
    if (rc < 0 || sc_kv_stream(bucket, stream, err))
        return -1;
    if (rc == 1) {
        int keep = history < 1 ? 1 : history > HISTORY_MAX ? HISTORY_MAX : history;
        SC_AUTO_FREE char *body = bucket_config(bucket, stream, keep);
        if (!body)
            return sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
        json_t *reply = NULL;
        snprintf(api, sizeof api, "STREAM.CREATE.%s", stream);
        bool made = sc_session_call(session, api, body, &reply, NULL, &why) == 0;
        json_decref(reply);
        /* Refused: somebody else may have made it at the same moment. */
        rc = sc_kv_info(session, bucket, &info, err);
        if (rc < 0)
            return -1;
        if (rc == 1)
            return sc_fail(err, made ? SC_REASON_NO_STREAM : why.reason, "%s",
                           made ? "NATS: the bucket vanished right after it was made" : why.text);
    }
    if (ret_created)
        memcpy(ret_created, info.created, sizeof info.created);
    return 0;
}

/* ---- all keys ----------------------------------------------------------------------------- */

struct each {
    struct sc_session *session;
    const char *bucket;
    size_t prefix; /* length of "$KV.<bucket>." */
    int (*fn)(void *arg, const char *key, uint64_t rev, struct sc_str value);
    void *arg;
    struct sc_buf headers;
};

/* 0; 1 the caller wants no more; -1 + err. */
static int tell(struct each *each, struct sc_consumer *consumer, const struct sc_delivery *delivery,
                struct sc_error *err)
{
    const char *subject = natsMsg_GetSubject(delivery->msg);
    if (strlen(subject) <= each->prefix)
        return 0;
    if (sc_delivery_headers(consumer, delivery, &each->headers, err))
        return -1;
    if (sc_kv_marker(sc_buf_str(&each->headers)))
        return 0;
    struct sc_str value = {natsMsg_GetData(delivery->msg),
                           (size_t)natsMsg_GetDataLength(delivery->msg)};
    return each->fn(each->arg, subject + each->prefix, delivery->at.stream_seq, value) ? 1 : 0;
}

/* 0 all told; 1 stopped by the caller; 2 a hole; -1 + err. */
static int pass(struct each *each, const struct sc_consumer_config *config, struct sc_error *err)
{
    struct sc_consumer consumer;
    if (sc_consumer_open(&consumer, each->session, config, NULL, err))
        return -1;
    int rc = 0;
    for (bool end = consumer.initial == 0; !end && rc == 0;) {
        struct sc_delivery delivery;
        int got = sc_consumer_next(&consumer, WAIT_MS, &delivery, err);
        if (got < 0) {
            rc = -1;
        } else if (got == SC_CONSUMER_HOLE) {
            rc = 2;
        } else if (got == SC_CONSUMER_DRAINED) {
            end = true;
        } else if (got == SC_CONSUMER_MESSAGE) {
            rc = tell(each, &consumer, &delivery, err);
            end = delivery.at.pending == 0 || delivery.at.consumer_seq >= consumer.initial;
            natsMsg_Destroy(delivery.msg);
        }
    }
    sc_consumer_close(&consumer);
    return rc;
}

int sc_kv_each(struct sc_session *session, const char *bucket,
               int (*fn)(void *arg, const char *key, uint64_t rev, struct sc_str value), void *arg,
               struct sc_error *err)
{
    char stream[256];
    if (sc_kv_stream(bucket, stream, err))
        return -1;
    SC_AUTO_FREE char *subject = sc_printf("$KV.%s.>", bucket);
    if (!subject)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
    struct sc_consumer_config config = {
        .stream = stream, .subject = subject, .deliver = "last_per_subject", .batch = BATCH};
    struct each each = {session, bucket, strlen(subject) - 1, fn, arg, {0}};
    int rc = pass(&each, &config, err);
    sc_buf_done(&each.headers);
    if (rc == 2)
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS: reading bucket %s: a message was missing", bucket);
    return rc < 0 ? -1 : 0;
}
