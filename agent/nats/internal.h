/* Shared by the files of this folder and by their tests; nobody else includes it. */
#pragma once

#include "nats/session.h"
#include <jansson.h>

#define SC_JS_NO_MESSAGE     10037
#define SC_JS_NO_STREAM      10059
#define SC_JS_WRONG_LAST_SEQ 10071

/* ---- session.c ---------------------------------------------------------------------------- */

/* As sc_session_request(), but hands over the parsed reply (the caller's to json_decref). `api` is
 * what follows the API prefix: "STREAM.INFO.X". */
int sc_session_call(struct sc_session *session, const char *api, const char *json, json_t **ret,
                    int *ret_code, struct sc_error *err) SC_WARN_UNUSED;
/* Any thread: ends the connection, so that a call that waits on it returns at once. The session
 * itself stays its owner's to close. */
void sc_session_abort(struct sc_session *session);
/* Ends and frees a subscription. Never natsSubscription_Destroy() itself: up to 3.6.0 the library's
 * reading thread may at that moment be about to put a message into it, and crashes (nats.c issue
 * 637). Costs a round trip. NULL is fine. */
void sc_session_drop(struct sc_session *session, natsSubscription *sub);
uint32_t sc_session_timeout_ms(const struct sc_session *session);
void sc_session_set_timeout(struct sc_session *session,
                            uint32_t ms); /* for its thread's next calls */
/* One request and its answer, over a subscription of our own (see session.c). Reply subject of the
 * next request, to make the message with; then send it and wait. NATS_OK: *ret is the caller's to
 * destroy. */
const char *sc_session_reply(struct sc_session *session);
natsStatus sc_session_exchange(struct sc_session *session, natsMsg *request, natsMsg **ret);
/* What a failed nats.c call means, in err. Always -1. */
int sc_session_fail(struct sc_session *session, natsStatus status, const char *what,
                    struct sc_error *err);
/* The server's "error" member {code, err_code, description}. 0: there is none. */
int sc_api_error(const json_t *reply, const char *what, int *ret_code, struct sc_error *err);
/* URL list without user, password and token. */
void sc_url_public(const char *urls, char *out, size_t cap);
/* Deep copy, for threads that may outlive the caller's. NULL: out of memory. */
struct sc_nats_config *sc_nats_config_dup(const struct sc_nats_config *config);
struct sc_nats_config *sc_nats_config_free(struct sc_nats_config *config);

/* ---- stream.c ----------------------------------------------------------------------------- */

int sc_stream_info_parse(const json_t *reply, struct sc_stream_info *ret, struct sc_error *err);
/* Does a stream's subject (with wildcards) take every subject that `subject` names? */
bool sc_subject_covers(const char *pattern, const char *subject);
int sc_base64_decode(struct sc_str text, struct sc_buf *out);
/* A name that may stand as one token in an API subject. */
bool sc_token_legal(const char *name);
/* KV-Operation DEL or PURGE, or the server's own marker of an expired key. */
bool sc_kv_marker(struct sc_str headers);

/* ---- consumer.c --------------------------------------------------------------------------- */

/* What the reply subject of a delivered message tells; domains and accounts add tokens. */
struct sc_ack_subject {
    uint64_t delivered, stream_seq, consumer_seq, pending;
};
bool sc_ack_subject_parse(const char *reply, struct sc_ack_subject *ret);

struct sc_consumer_config {
    const char *stream, *subject;
    const char *deliver; /* "by_start_sequence" or "last_per_subject" */
    uint64_t start_seq;  /* by_start_sequence */
    bool headers_only;
    int batch; /* pull: messages asked for at a time, twice that many lie in memory; 0: push */
    int64_t heartbeat_ms; /* push */
};

/* An ephemeral consumer without acknowledgements, and its subscription. Pull for what has an end,
 * push (with flow control and heartbeats) for what has none. */
struct sc_consumer {
    struct sc_session *session;
    natsSubscription *sub;
    char stream[256], name[128], inbox[128];
    int batch, asked, taken;
    int64_t silence_ms, last_heard_ms;
    uint64_t consumer_seq; /* of the last message taken */
    uint64_t initial;      /* messages there were when it was made */
};

enum sc_consumer_result {
    SC_CONSUMER_MESSAGE,
    SC_CONSUMER_NOTHING, /* nothing within the time */
    SC_CONSUMER_DRAINED, /* the server says that everything there is has been delivered */
    SC_CONSUMER_HOLE     /* a message is missing, or nothing is heard any more: make a new one */
};

struct sc_delivery {
    natsMsg *msg; /* the caller's to destroy */
    struct sc_ack_subject at;
};

/* -1 + err; *ret_code is the server's err_code when it refused. */
int sc_consumer_open(struct sc_consumer *consumer, struct sc_session *session,
                     const struct sc_consumer_config *config, int *ret_code,
                     struct sc_error *err) SC_WARN_UNUSED;
/* -1 + err: the connection is gone. */
int sc_consumer_next(struct sc_consumer *consumer, int64_t timeout_ms, struct sc_delivery *ret,
                     struct sc_error *err) SC_WARN_UNUSED;
/* Ends the subscription and deletes the consumer without waiting for the answer. */
void sc_consumer_close(struct sc_consumer *consumer);
/* The header block of a delivered message, rebuilt in out; where the library cannot decode it (an
 * empty value makes it refuse all) it is fetched from the stream. */
int sc_delivery_headers(struct sc_consumer *consumer, const struct sc_delivery *delivery,
                        struct sc_buf *out, struct sc_error *err) SC_WARN_UNUSED;

/* ---- kv.c --------------------------------------------------------------------------------- */

/* "KV_<bucket>" and "$KV.<bucket>.<rest>" as stored (no domain). -1 + err: not a legal bucket. */
int sc_kv_stream(const char *bucket, char out[256], struct sc_error *err);
