#include "nats/inspect.h"

#include "base/clock.h"
#include "nats/internal.h"

#include <stdio.h>

#define CLOCK_INACTIVE_NS 5000000000LL

/* ---- members ------------------------------------------------------------------------------ */

static uint64_t count_of(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

static int64_t limit_of(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? value : -1;
}

static void copy_text(const json_t *object, const char *name, char *out, size_t cap)
{
    const char *text = json_string_value(json_object_get(object, name));
    snprintf(out, cap, "%s", text ? text : "");
}

static int64_t time_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    int64_t ms = text ? sc_time_parse_rfc3339(sc_str_of(text)) : SC_TIME_NONE;
    return ms != SC_TIME_NONE && ms > 0 ? ms
                                        : SC_TIME_NONE; /* the server's "never" is the year 1 */
}

/* ---- who reads a stream ------------------------------------------------------------------- */

static void take_consumer(const json_t *item, struct sc_consumer_info *ret)
{
    const json_t *config = json_object_get(item, "config");
    const json_t *delivered = json_object_get(item, "delivered"),
                 *floor = json_object_get(item, "ack_floor");
    const char *policy = json_string_value(json_object_get(config, "ack_policy"));
    *ret = (struct sc_consumer_info){0};
    copy_text(item, "name", ret->name, sizeof ret->name);
    copy_text(config, "filter_subject", ret->filter, sizeof ret->filter);
    ret->durable = json_string_length(json_object_get(config, "durable_name")) > 0;
    ret->push = json_string_length(json_object_get(config, "deliver_subject")) > 0;
    ret->bound = json_is_true(json_object_get(item, "push_bound"));
    ret->acks = policy && strcmp(policy, "none") != 0;
    ret->pending = count_of(item, "num_pending");
    ret->ack_pending = count_of(item, "num_ack_pending");
    ret->waiting = count_of(item, "num_waiting");
    ret->delivered_seq = count_of(delivered, "stream_seq");
    ret->ack_floor_seq = count_of(floor, "stream_seq");
    ret->max_ack_pending = limit_of(config, "max_ack_pending");
    ret->active_ms = time_of(delivered, "last_active");
}

static int take_consumers(const json_t *reply, struct sc_consumers *ret)
{
    const json_t *list = json_object_get(reply, "consumers"), *item;
    size_t i;
    *ret = (struct sc_consumers){0};
    if (list && !json_is_array(list) && !json_is_null(list))
        return -1;
    json_array_foreach(list, i, item)
    {
        if (json_is_object(item) && ret->count < SC_CONSUMERS_MAX)
            take_consumer(item, &ret->at[ret->count++]);
    }
    ret->total = (uint32_t)count_of(reply, "total");
    if (ret->total < ret->count)
        ret->total = ret->count;
    return 0;
}

int sc_consumers_parse(struct sc_str text, struct sc_consumers *ret)
{
    json_t *reply = json_loadb(text.ptr, text.len, 0, NULL);
    int rc = json_is_object(reply) ? take_consumers(reply, ret) : -1;
    json_decref(reply);
    return rc;
}

int sc_stream_consumers(struct sc_session *session, const char *stream, struct sc_consumers *ret,
                        struct sc_error *err)
{
    char api[300];
    json_t *reply = NULL;
    if (!sc_token_legal(stream))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "NATS: \"%.80s\" is not a stream name",
                       stream);
    snprintf(api, sizeof api, "CONSUMER.LIST.%s", stream);
    if (sc_session_call(session, api, "{}", &reply, NULL, err))
        return -1;
    int rc = take_consumers(reply, ret);
    json_decref(reply);
    return rc ? sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                        "NATS: %s: the answer is not JetStream's", api)
              : 0;
}

/* ---- who copies it ------------------------------------------------------------------------ */

static bool copies(const json_t *config, const char *stream)
{
    const char *name =
        json_string_value(json_object_get(json_object_get(config, "mirror"), "name"));
    if (name && strcmp(name, stream) == 0)
        return true;
    size_t i;
    const json_t *source;
    json_array_foreach(json_object_get(config, "sources"), i, source)
    {
        name = json_string_value(json_object_get(source, "name"));
        if (name && strcmp(name, stream) == 0)
            return true;
    }
    return false;
}

int sc_stream_copies(struct sc_session *session, const char *stream, struct sc_buf *ret,
                     struct sc_error *err)
{
    json_t *reply = NULL, *item;
    size_t i;
    sc_buf_clear(ret);
    if (sc_session_call(session, "STREAM.LIST", "{}", &reply, NULL, err))
        return -1;
    json_array_foreach(json_object_get(reply, "streams"), i, item)
    {
        const json_t *config = json_object_get(item, "config");
        const char *name = json_string_value(json_object_get(config, "name"));
        if (name && copies(config, stream))
            sc_buf_addf(ret, "%s%.100s", ret->len ? ", " : "", name);
    }
    json_decref(reply);
    return 0;
}

/* ---- the account -------------------------------------------------------------------------- */

static void take_account(const json_t *reply, struct sc_account_info *ret)
{
    const json_t *limits = json_object_get(reply, "limits");
    *ret = (struct sc_account_info){
        .storage = count_of(reply, "storage"),
        .memory = count_of(reply, "memory"),
        .streams = count_of(reply, "streams"),
        .consumers = count_of(reply, "consumers"),
        .max_storage = limit_of(limits, "max_storage"),
        .max_memory = limit_of(limits, "max_memory"),
        .max_streams = limit_of(limits, "max_streams"),
        .max_consumers = limit_of(limits, "max_consumers"),
    };
}

int sc_account_parse(struct sc_str text, struct sc_account_info *ret)
{
    json_t *reply = json_loadb(text.ptr, text.len, 0, NULL);
    bool good = json_is_object(reply);
    if (good)
        take_account(reply, ret);
    json_decref(reply);
    return good ? 0 : -1;
}

int sc_account_info(struct sc_session *session, struct sc_account_info *ret, struct sc_error *err)
{
    json_t *reply = NULL;
    if (sc_session_call(session, "INFO", NULL, &reply, NULL, err))
        return -1;
    take_account(reply, ret);
    json_decref(reply);
    return 0;
}

/* ---- the clock ---------------------------------------------------------------------------- */

int sc_nats_clock(struct sc_session *session, const char *bucket, struct sc_clock_info *ret,
                  struct sc_error *err)
{
    char stream[256], api[300], body[512];
    json_t *reply = NULL;
    if (sc_kv_stream(bucket, stream, err))
        return -1;
    snprintf(api, sizeof api, "CONSUMER.CREATE.%s", stream);
    snprintf(body, sizeof body,
             "{\"stream_name\":\"%s\",\"config\":{\"deliver_policy\":\"new\",\"ack_policy\":"
             "\"none\",\"replay_policy\":\"instant\",\"max_deliver\":1,"
             "\"mem_storage\":true,\"inactive_threshold\":%lld}}",
             stream, CLOCK_INACTIVE_NS);
    int64_t before = sc_real_ms();
    if (sc_session_call(session, api, body, &reply, NULL, err))
        return -1;
    int64_t after = sc_real_ms(), created = time_of(reply, "created");
    const char *name = json_string_value(json_object_get(reply, "name"));
    SC_AUTO_FREE char *subject =
        name && sc_token_legal(name) ? sc_printf("CONSUMER.DELETE.%s.%s", stream, name) : NULL;
    json_decref(reply);
    reply = NULL;
    struct sc_error ignored = SC_ERROR_INIT; /* should it stay, the server forgets it by itself */
    if (subject && sc_session_call(session, subject, NULL, &reply, NULL, &ignored) == 0)
        json_decref(reply);
    if (created == SC_TIME_NONE)
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "NATS: %s: the answer bears no time",
                       api);
    *ret = (struct sc_clock_info){created - (before + after) / 2, (after - before) / 2 + 1};
    return 0;
}

/* ---- permission --------------------------------------------------------------------------- */

/* The server answers in order: when its PONG is here, a refusal has been taken in before. */
int sc_nats_may_ask(struct sc_session *session, const char *subject, const char *body)
{
    const char *last = NULL;
    char quoted[600];
    natsConnection *conn = sc_session_conn(session);
    snprintf(quoted, sizeof quoted, "\"%.500s\"", subject);
    if (natsConnection_PublishRequestString(conn, subject, "_INBOX.signal-client.none", body) !=
            NATS_OK ||
        natsConnection_FlushTimeout(conn, sc_session_timeout_ms(session)) != NATS_OK)
        return -1;
    natsConnection_GetLastError(conn, &last);
    return !(last && strcasestr(last, "permissions violation") && strstr(last, quoted));
}

/* ---- the user ----------------------------------------------------------------------------- */

int sc_user_info(struct sc_session *session, struct sc_buf *ret, struct sc_error *err)
{
    return sc_session_request(session, "$SYS.REQ.USER.INFO", NULL, ret, NULL, err);
}

static bool listed(const json_t *list, const char *subject)
{
    size_t i;
    const json_t *pattern;
    json_array_foreach(list, i, pattern)
    {
        if (json_is_string(pattern) && sc_subject_covers(json_string_value(pattern), subject))
            return true;
    }
    return false;
}

/* No permissions at all means all of them; an empty list of what is allowed likewise. */
int sc_user_may(struct sc_str user_info, const char *subject, bool publish)
{
    json_t *reply = json_loadb(user_info.ptr, user_info.len, 0, NULL);
    const json_t *data = json_object_get(reply, "data"),
                 *rights = json_object_get(data, "permissions");
    const json_t *side = json_object_get(rights, publish ? "publish" : "subscribe"),
                 *allow = json_object_get(side, "allow");
    int may = 1;
    if (!json_is_object(data))
        may = -1;
    else if (listed(json_object_get(side, "deny"), subject) ||
             (json_array_size(allow) && !listed(allow, subject)))
        may = 0;
    json_decref(reply);
    return may;
}
