/* Shared by the files of this folder and by their tests; nobody else includes it. */
#pragma once

#include "nats/consumer.h"
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
/* What the server refused for lack of permission since this was asked last, in its words ("Permissions Violation for Publish to \"x\""): a
 * message that meets this is swallowed. False: nothing. The session's thread. */
bool sc_session_denied(struct sc_session *session, char *out, size_t cap);
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

/* ---- kv.c --------------------------------------------------------------------------------- */

/* "KV_<bucket>" and "$KV.<bucket>.<rest>" as stored (no domain). -1 + err: not a legal bucket. */
int sc_kv_stream(const char *bucket, char out[256], struct sc_error *err);
