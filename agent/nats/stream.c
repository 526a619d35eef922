/* Streams: finding, facts, stored messages by STREAM.MSG.GET. See session.h. */
#include "nats/session.h"
#include "nats/internal.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- names -------------------------------------------------------------------------------- */

bool sc_token_legal(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    if (len == 0 || len > 250)
        return false;
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c <= 0x20 || *c == 0x7f || strchr(".*>/\\", *c))
            return false;
    return true;
}

bool sc_subject_covers(const char *pattern, const char *subject)
{
    for (;;) {
        size_t p = strcspn(pattern, "."), s = strcspn(subject, ".");
        if (p == 1 && *pattern == '>')
            return s > 0;
        if (s == 1 && *subject == '>')
            return false;
        bool any = p == 1 && *pattern == '*';
        if (s == 0 || (!any && (p != s || memcmp(pattern, subject, p) != 0)))
            return false;
        pattern += p;
        subject += s;
        if (!*pattern || !*subject)
            return !*pattern && !*subject;
        pattern++;
        subject++;
    }
}

static int check_name(const char *stream, struct sc_error *err)
{
    if (sc_token_legal(stream))
        return 0;
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "NATS: \"%.80s\" is not a stream name", stream);
}

/* ---- facts -------------------------------------------------------------------------------- */

static int64_t limit_of(const json_t *config, const char *name)
{
    int64_t value = json_integer_value(json_object_get(config, name));
    return value > 0 ? value : -1;
}

static uint64_t count_of(const json_t *state, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(state, name));
}

static void copy_text(const json_t *object, const char *name, char *out, size_t cap)
{
    const char *text = json_string_value(json_object_get(object, name));
    snprintf(out, cap, "%s", text ? text : "");
}

static bool text_is(const json_t *object, const char *name, const char *want)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && strcmp(text, want) == 0;
}

int sc_stream_info_parse(const json_t *reply, struct sc_stream_info *ret, struct sc_error *err)
{
    const json_t *config = json_object_get(reply, "config");
    const json_t *state = json_object_get(reply, "state");
    if (!json_is_object(config) || !json_is_object(state))
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS: STREAM.INFO answered without config or state");
    struct sc_stream_info info = {0};
    copy_text(config, "name", info.name, sizeof info.name);
    copy_text(reply, "created", info.created, sizeof info.created);
    info.first_seq = count_of(state, "first_seq");
    info.last_seq = count_of(state, "last_seq");
    info.messages = count_of(state, "messages");
    info.bytes = count_of(state, "bytes");
    info.retention = text_is(config, "retention", "workqueue")  ? SC_RETENTION_WORKQUEUE
                     : text_is(config, "retention", "interest") ? SC_RETENTION_INTEREST
                                                                : SC_RETENTION_LIMITS;
    info.discard_new = text_is(config, "discard", "new");
    info.no_ack = json_is_true(json_object_get(config, "no_ack"));
    info.max_msgs = limit_of(config, "max_msgs");
    info.max_bytes = limit_of(config, "max_bytes");
    info.max_msgs_per_subject = limit_of(config, "max_msgs_per_subject");
    info.max_age_ns = limit_of(config, "max_age");
    info.duplicate_window_ns = json_integer_value(json_object_get(config, "duplicate_window"));
    info.max_msg_size = (int32_t)limit_of(config, "max_msg_size");
    *ret = info;
    return 0;
}

static int fetch_info(struct sc_session *session, const char *name, json_t **ret, int *ret_code,
                      struct sc_error *err)
{
    if (check_name(name, err))
        return -1;
    char api[300];
    snprintf(api, sizeof api, "STREAM.INFO.%s", name);
    return sc_session_call(session, api, NULL, ret, ret_code, err);
}

int sc_stream_info(struct sc_session *session, const char *name, struct sc_stream_info *ret,
                   struct sc_error *err)
{
    json_t *reply = NULL;
    if (fetch_info(session, name, &reply, NULL, err))
        return -1;
    int rc = sc_stream_info_parse(reply, ret, err);
    json_decref(reply);
    return rc;
}

/* 0 covers, 1 does not (or the stream is gone), -1 + err. */
static int try_stream(struct sc_session *session, const char *name, const char *subject,
                      struct sc_stream_info *ret, struct sc_error *err)
{
    struct sc_error why = SC_ERROR_INIT;
    json_t *reply = NULL, *pattern;
    int code = 0, rc = 1;
    if (fetch_info(session, name, &reply, &code, &why)) {
        if (code == SC_JS_NO_STREAM)
            return 1;
        return sc_fail(err, why.reason, "%s", why.text);
    }
    size_t i;
    json_array_foreach(json_object_get(json_object_get(reply, "config"), "subjects"), i, pattern)
    {
        if (rc == 1 && sc_subject_covers(json_string_value(pattern), subject))
            rc = sc_stream_info_parse(reply, ret, err);
    }
    json_decref(reply);
    return rc;
}

int sc_stream_find(struct sc_session *session, const char *subject, struct sc_stream_info *ret,
                   struct sc_error *err)
{
    SC_AUTO_BUF struct sc_buf body = {0};
    sc_buf_add_str(&body, "{\"subject\":");
    sc_buf_add_json(&body, sc_str_of(subject));
    sc_buf_add_char(&body, '}');
    if (body.failed)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
    json_t *reply = NULL, *name;
    if (sc_session_call(session, "STREAM.NAMES", body.ptr, &reply, NULL, err))
        return -1;
    int rc = 1;
    size_t i;
    json_array_foreach(json_object_get(reply, "streams"), i, name)
    {
        if (rc == 1 && json_is_string(name))
            rc = try_stream(session, json_string_value(name), subject, ret, err);
    }
    json_decref(reply);
    return rc;
}

int sc_stream_create(struct sc_session *session, const char *name, const char *subject,
                     int64_t duplicate_window_ns, struct sc_error *err)
{
    if (check_name(name, err))
        return -1;
    json_t *config =
        json_pack("{s:s, s:[s], s:s, s:s, s:s, s:i, s:I}", "name", name, "subjects", subject,
                  "storage", "file", "retention", "limits", "discard", "new", "num_replicas", 1,
                  "duplicate_window", (json_int_t)duplicate_window_ns);
    SC_AUTO_FREE char *body = config ? json_dumps(config, JSON_COMPACT) : NULL;
    json_decref(config);
    if (!body)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "NATS: stream subject is not UTF-8 text");
    char api[300];
    snprintf(api, sizeof api, "STREAM.CREATE.%s", name);
    json_t *reply = NULL;
    if (sc_session_call(session, api, body, &reply, NULL, err))
        return -1;
    json_decref(reply);
    return 0;
}

/* ---- stored messages ---------------------------------------------------------------------- */

int sc_base64_decode(struct sc_str text, struct sc_buf *out)
{
    size_t len;
    if (sc_buf_reserve(out, text.len / 4 * 3 + 3) || !sc_from_base64(text, false, (unsigned char *)out->ptr + out->len, &len))
        return -1;
    out->len += len;
    out->ptr[out->len] = '\0';
    return 0;
}

bool sc_stored_header(struct sc_str headers, const char *name, char *out, size_t cap)
{
    size_t name_len = strlen(name);
    const char *at = headers.ptr, *end = headers.ptr + headers.len;
    for (bool first = true; at && at < end; first = false) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        const char *stop = eol ? eol : end;
        size_t len = (size_t)(stop - at);
        if (len && at[len - 1] == '\r')
            len--;
        /* the first line is "NATS/1.0"; header names are case sensitive */
        if (!first && len > name_len && at[name_len] == ':' && memcmp(at, name, name_len) == 0) {
            const char *value = at + name_len + 1, *value_end = at + len;
            while (value < value_end && (*value == ' ' || *value == '\t'))
                value++;
            while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t'))
                value_end--;
            if ((size_t)(value_end - value) >= cap)
                return false;
            memcpy(out, value, (size_t)(value_end - value));
            out[value_end - value] = '\0';
            return true;
        }
        at = eol ? eol + 1 : end;
    }
    return false;
}

bool sc_kv_marker(struct sc_str headers)
{
    char value[32];
    if (sc_stored_header(headers, "KV-Operation", value, sizeof value))
        return strcmp(value, "DEL") == 0 || strcmp(value, "PURGE") == 0;
    return sc_stored_header(headers, "Nats-Marker-Reason", value, sizeof value);
}

void sc_stored_msg_done(struct sc_stored_msg *msg)
{
    if (!msg)
        return;
    sc_buf_done(&msg->subject);
    sc_buf_done(&msg->headers);
    sc_buf_done(&msg->data);
}

static int decode_member(const json_t *message, const char *name, struct sc_buf *out)
{
    const json_t *text = json_object_get(message, name);
    if (!json_is_string(text))
        return 0;
    return sc_base64_decode((struct sc_str){json_string_value(text), json_string_length(text)},
                            out);
}

static int take_message(const json_t *reply, struct sc_stored_msg *ret, struct sc_error *err)
{
    const json_t *message = json_object_get(reply, "message");
    const char *subject = json_string_value(json_object_get(message, "subject"));
    sc_buf_clear(&ret->subject);
    sc_buf_clear(&ret->headers);
    sc_buf_clear(&ret->data);
    ret->seq = count_of(message, "seq");
    copy_text(message, "time", ret->time, sizeof ret->time);
    if (!subject || ret->seq == 0)
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS: STREAM.MSG.GET answered without a message");
    if (sc_buf_add_str(&ret->subject, subject) || decode_member(message, "hdrs", &ret->headers) ||
        decode_member(message, "data", &ret->data))
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS: message %llu cannot be decoded or is too large",
                       (unsigned long long)ret->seq);
    return 0;
}

static int get_message(struct sc_session *session, const char *stream, json_t *request,
                       struct sc_stored_msg *ret, struct sc_error *err)
{
    SC_AUTO_FREE char *body = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (!body)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "NATS: subject is not UTF-8 text");
    if (check_name(stream, err))
        return -1;
    char api[300];
    snprintf(api, sizeof api, "STREAM.MSG.GET.%s", stream);
    struct sc_error why = SC_ERROR_INIT;
    json_t *reply = NULL;
    int code = 0;
    if (sc_session_call(session, api, body, &reply, &code, &why)) {
        if (code == SC_JS_NO_MESSAGE)
            return 1;
        return sc_fail(err, why.reason, "%s", why.text);
    }
    int rc = take_message(reply, ret, err);
    json_decref(reply);
    return rc;
}

int sc_stream_get(struct sc_session *session, const char *stream, uint64_t seq,
                  const char *next_subject, struct sc_stored_msg *ret, struct sc_error *err)
{
    json_t *request = next_subject ? json_pack("{s:I, s:s}", "seq", (json_int_t)(seq ? seq : 1),
                                               "next_by_subj", next_subject)
                                   : json_pack("{s:I}", "seq", (json_int_t)seq);
    return get_message(session, stream, request, ret, err);
}

int sc_stream_get_last(struct sc_session *session, const char *stream, const char *subject,
                       struct sc_stored_msg *ret, struct sc_error *err)
{
    return get_message(session, stream, json_pack("{s:s}", "last_by_subj", subject), ret, err);
}
