/* Ephemeral consumers made by hand: the library's own ordered consumer hides holes and does not
 * survive a bucket that was made anew. Used by the read-back and by passes over a bucket (pull) and
 * by the watch (push). One thread.
 *
 * Pull bounds what lies in memory by the batch; with push, flow control does (it counts bytes), so
 * the subscription itself has no limit and the library drops nothing. Should something be missing
 * all the same, the consumer's own sequence in the reply subject shows it. */
#include "base/clock.h"
#include "nats/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define MISSED_HEARTBEATS 3
#define PULLS_AHEAD       2
#define INACTIVE_NS       10000000000LL

/* ---- reply subjects ----------------------------------------------------------------------- */

#define ACK_TOKENS      9 /* $JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<cseq>.<time>.<pending> */
#define ACK_TOKENS_LONG 11 /* $JS.ACK.<domain>.<account>.<stream>… and maybe more at the end */

static bool number(const char *text, uint64_t *ret)
{
    uint64_t value = 0;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *ret = value;
    return *text == '.' || *text == '\0';
}

bool sc_ack_subject_parse(const char *reply, struct sc_ack_subject *ret)
{
    if (!reply || strncmp(reply, "$JS.ACK.", 8) != 0)
        return false;
    const char *token[ACK_TOKENS_LONG];
    int count = 0;
    for (const char *at = reply; at; count++) {
        if (count < ACK_TOKENS_LONG)
            token[count] = at;
        at = strchr(at, '.');
        if (at)
            at++;
    }
    if (count != ACK_TOKENS && count < ACK_TOKENS_LONG)
        return false;
    const char **t = count == ACK_TOKENS ? token + 4 : token + 6;
    struct sc_ack_subject at;
    uint64_t time_ns;
    if (!number(t[0], &at.delivered) || !number(t[1], &at.stream_seq) ||
        !number(t[2], &at.consumer_seq) || !number(t[3], &time_ns) || !number(t[4], &at.pending))
        return false;
    at.time_ms = (int64_t)(time_ns / 1000000);
    *ret = at;
    return true;
}

/* ---- making ------------------------------------------------------------------------------- */

static char *request_body(const struct sc_consumer_config *config, const char *inbox)
{
    json_t *c = json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:b}", "deliver_policy", config->deliver,
                          "ack_policy", "none", "replay_policy", "instant", "filter_subject",
                          config->subject, "inactive_threshold", (json_int_t)INACTIVE_NS,
                          "max_deliver", 1, "mem_storage", 1);
    if (c && config->headers_only)
        json_object_set_new(c, "headers_only", json_true());
    if (c && config->start_seq)
        json_object_set_new(c, "opt_start_seq", json_integer((json_int_t)config->start_seq));
    if (c && config->batch == 0) {
        json_object_set_new(c, "deliver_subject", json_string(inbox));
        json_object_set_new(c, "flow_control", json_true());
        json_object_set_new(c, "idle_heartbeat",
                            json_integer((json_int_t)(config->heartbeat_ms * 1000000)));
    }
    json_t *body = json_pack("{s:s, s:o*}", "stream_name", config->stream, "config", c);
    char *text = body && c ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}

/* Asks for one more batch; what does not arrive is noticed by the silence. */
static void pull(struct sc_consumer *consumer)
{
    char body[64];
    SC_AUTO_FREE char *subject =
        sc_printf("%s.CONSUMER.MSG.NEXT.%s.%s", sc_session_api(consumer->session), consumer->stream,
                  consumer->name);
    if (!subject)
        return;
    snprintf(body, sizeof body, "{\"batch\":%d,\"no_wait\":true}", consumer->batch);
    natsConnection_PublishRequestString(sc_session_conn(consumer->session), subject,
                                        consumer->inbox, body);
    consumer->asked++;
}

static int create(struct sc_consumer *consumer, const struct sc_consumer_config *config,
                  const char *inbox, int *ret_code, struct sc_error *err)
{
    SC_AUTO_FREE char *body = request_body(config, inbox);
    if (!body)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "NATS: subject is not UTF-8 text");
    char api[300];
    snprintf(api, sizeof api, "CONSUMER.CREATE.%s", config->stream);
    json_t *reply = NULL;
    if (sc_session_call(consumer->session, api, body, &reply, ret_code, err))
        return -1;
    const char *name = json_string_value(json_object_get(reply, "name"));
    const json_t *delivered = json_object_get(reply, "delivered");
    snprintf(consumer->name, sizeof consumer->name, "%s", name ? name : "");
    /* What was delivered while the answer was under way no longer counts as pending. */
    consumer->initial = (uint64_t)json_integer_value(json_object_get(reply, "num_pending")) +
                        (uint64_t)json_integer_value(json_object_get(delivered, "consumer_seq"));
    json_decref(reply);
    return 0;
}

int sc_consumer_open(struct sc_consumer *consumer, struct sc_session *session,
                     const struct sc_consumer_config *config, int *ret_code, struct sc_error *err)
{
    *consumer = (struct sc_consumer){
        .session = session,
        .batch = config->batch,
        .silence_ms = config->batch ? sc_session_timeout_ms(session)
                                    : MISSED_HEARTBEATS * config->heartbeat_ms,
    };
    if (ret_code)
        *ret_code = 0;
    if (!sc_token_legal(config->stream))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "NATS: \"%.80s\" is not a stream name",
                       config->stream);
    snprintf(consumer->stream, sizeof consumer->stream, "%s", config->stream);
    natsInbox *inbox = NULL;
    natsStatus s = natsInbox_Create(&inbox);
    if (s == NATS_OK) {
        snprintf(consumer->inbox, sizeof consumer->inbox, "%s", inbox);
        s = natsConnection_SubscribeSync(&consumer->sub, sc_session_conn(session), inbox);
    }
    natsInbox_Destroy(inbox);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(consumer->sub, -1, -1);
    int rc = s == NATS_OK ? create(consumer, config, consumer->inbox, ret_code, err)
                          : sc_session_fail(session, s, "subscribe", err);
    if (rc) {
        sc_consumer_close(consumer);
        return rc;
    }
    for (int i = 0; consumer->batch && consumer->initial && i < PULLS_AHEAD; i++)
        pull(consumer);
    consumer->last_heard_ms = sc_mono_ms();
    return 0;
}

void sc_consumer_close(struct sc_consumer *consumer)
{
    if (!consumer->session)
        return;
    if (consumer->name[0] && sc_session_alive(consumer->session)) {
        SC_AUTO_FREE char *subject =
            sc_printf("%s.CONSUMER.DELETE.%s.%s", sc_session_api(consumer->session),
                      consumer->stream, consumer->name);
        /* The answer goes nowhere; should this be lost, the server forgets the consumer by itself.
         */
        if (subject)
            natsConnection_PublishRequestString(sc_session_conn(consumer->session), subject,
                                                "_INBOX.signal-client.none", "");
    }
    sc_session_drop(consumer->session, consumer->sub);
    *consumer = (struct sc_consumer){0};
}

/* ---- taking ------------------------------------------------------------------------------- */

static const char *header(natsMsg *msg, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(msg, name, &value) == NATS_OK ? value : NULL;
}

/* A heartbeat of a push consumer. */
static int take_heartbeat(struct sc_consumer *consumer, natsMsg *msg)
{
    natsConnection *conn = sc_session_conn(consumer->session);
    const char *reply = natsMsg_GetReply(msg);
    if (reply && reply[0]) {
        natsConnection_Publish(conn, reply, NULL, 0); /* flow control asks whether we keep up */
        return SC_CONSUMER_NOTHING;
    }
    const char *stalled = header(msg, "Nats-Consumer-Stalled");
    const char *last = header(msg, "Nats-Last-Consumer");
    uint64_t seq;
    if (stalled)
        natsConnection_Publish(conn, stalled, NULL, 0);
    if (last && number(last, &seq) && seq > consumer->consumer_seq)
        return SC_CONSUMER_HOLE;
    return stalled ? SC_CONSUMER_NOTHING : SC_CONSUMER_DRAINED;
}

/* Whatever is not a delivery. */
static int take_status(struct sc_consumer *consumer, natsMsg *msg)
{
    const char *status = header(msg, "Status");
    int rc = SC_CONSUMER_HOLE; /* 409 consumer deleted, 503, and what later servers may say */
    if (status && strcmp(status, "100") == 0)
        rc = take_heartbeat(consumer, msg);
    else if (status && (strcmp(status, "404") == 0 || strcmp(status, "408") == 0))
        rc = --consumer->asked > 0 ? SC_CONSUMER_NOTHING : SC_CONSUMER_DRAINED;
    natsMsg_Destroy(msg);
    return rc;
}

int sc_consumer_next(struct sc_consumer *consumer, int64_t timeout_ms, struct sc_delivery *ret,
                     struct sc_error *err)
{
    natsMsg *msg = NULL;
    natsStatus s = natsSubscription_NextMsg(&msg, consumer->sub, timeout_ms > 0 ? timeout_ms : 1);
    if (s == NATS_TIMEOUT) {
        if (!sc_session_alive(consumer->session))
            return sc_session_fail(consumer->session, NATS_CONNECTION_CLOSED, "reading", err);
        return sc_mono_ms() - consumer->last_heard_ms > consumer->silence_ms ? SC_CONSUMER_HOLE
                                                                             : SC_CONSUMER_NOTHING;
    }
    if (s == NATS_SLOW_CONSUMER)
        return SC_CONSUMER_HOLE;
    if (s != NATS_OK)
        return sc_session_fail(consumer->session, s, "reading", err);
    struct sc_ack_subject at;
    consumer->last_heard_ms = sc_mono_ms();
    if (!sc_ack_subject_parse(natsMsg_GetReply(msg), &at))
        return take_status(consumer, msg);
    if (at.consumer_seq != consumer->consumer_seq + 1) {
        natsMsg_Destroy(msg);
        return SC_CONSUMER_HOLE;
    }
    consumer->consumer_seq = at.consumer_seq;
    if (consumer->batch && ++consumer->taken == consumer->batch) {
        consumer->taken = 0;
        consumer->asked--;
        if (at.pending)
            pull(consumer);
    }
    *ret = (struct sc_delivery){.msg = msg, .at = at};
    return SC_CONSUMER_MESSAGE;
}

/* ---- headers ------------------------------------------------------------------------------ */

int sc_delivery_headers(struct sc_consumer *consumer, const struct sc_delivery *delivery,
                        struct sc_buf *out, struct sc_error *err)
{
    const char **names = NULL;
    int count = 0;
    sc_buf_clear(out);
    natsStatus s = natsMsgHeader_Keys(delivery->msg, &names, &count);
    if (s == NATS_NOT_FOUND)
        return 0;
    if (s != NATS_OK) {
        struct sc_stored_msg stored = {0};
        int rc = sc_stream_get(consumer->session, consumer->stream, delivery->at.stream_seq, NULL,
                               &stored, err);
        if (rc == 0)
            sc_buf_add(out, stored.headers.ptr, stored.headers.len);
        sc_stored_msg_done(&stored);
        return rc < 0 ? -1 : 0; /* deleted meanwhile: no headers */
    }
    sc_buf_add_str(out, "NATS/1.0\r\n");
    for (int i = 0; i < count; i++) {
        const char **values = NULL;
        int n = 0;
        if (natsMsgHeader_Values(delivery->msg, names[i], &values, &n) != NATS_OK)
            continue;
        for (int v = 0; v < n; v++) {
            sc_buf_add_str(out, names[i]);
            sc_buf_add_str(out, ": ");
            sc_buf_add_str(out, values[v]);
            sc_buf_add_str(out, "\r\n");
        }
        free(values);
    }
    free(names);
    sc_buf_add_str(out, "\r\n");
    return out->failed ? sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: headers too large") : 0;
}
