/* Asking on a subject and taking answers as they come, over one session of the caller's. One thread. Core NATS: what nobody takes is gone. */
#pragma once

#include "nats/session.h"

struct sc_caller;
/* Ready when it returns: answers have a place to come to. NULL + err. */
struct sc_caller *sc_caller_open(struct sc_session *session, struct sc_error *err);
struct sc_caller *sc_caller_close(struct sc_caller *caller); /* before the session; returns NULL, NULL is fine */
/* answer: an answer is wanted. -1 + err: it cannot be sent. */
int sc_caller_send(struct sc_caller *caller, const char *subject, struct sc_str text, bool answer, struct sc_error *err) SC_WARN_UNUSED;

enum sc_call {
    SC_CALL_LOST = -1, /* + err: the connection, or memory */
    SC_CALL_NOTHING,   /* within the time */
    SC_CALL_ANSWER,
    SC_CALL_NOBODY     /* nobody listens on the subject */
};
enum sc_call sc_caller_next(struct sc_caller *caller, int64_t timeout_ms, struct sc_buf *ret, struct sc_error *err);
/* What the server has complained of, such as a missing permission; "" nothing. */
const char *sc_caller_complaint(struct sc_caller *caller);
