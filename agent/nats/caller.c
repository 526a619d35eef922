#include "nats/caller.h"

#include "nats/internal.h"

#include <stdio.h>
#include <stdlib.h>

struct sc_caller {
    struct sc_session *session;
    natsSubscription *sub;
    char inbox[96];
};

struct sc_caller *sc_caller_open(struct sc_session *session, struct sc_error *err)
{
    struct sc_caller *caller = calloc(1, sizeof *caller);
    natsInbox *inbox = NULL;
    natsStatus s = caller ? natsInbox_Create(&inbox) : NATS_NO_MEMORY;
    if (s == NATS_OK) {
        caller->session = session;
        snprintf(caller->inbox, sizeof caller->inbox, "%s", inbox);
        s = natsConnection_SubscribeSync(&caller->sub, sc_session_conn(session), caller->inbox);
    }
    natsInbox_Destroy(inbox);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(caller->sub, -1, -1);
    if (s == NATS_OK)
        return caller;
    sc_session_fail(session, s, "a place for answers", err);
    return sc_caller_close(caller);
}

struct sc_caller *sc_caller_close(struct sc_caller *caller)
{
    if (!caller)
        return NULL;
    if (caller->sub)
        sc_session_drop(caller->session, caller->sub);
    free(caller);
    return NULL;
}

int sc_caller_send(struct sc_caller *caller, const char *subject, struct sc_str text, bool answer, struct sc_error *err)
{
    natsConnection *conn = sc_session_conn(caller->session);
    natsStatus s = natsConnection_PublishRequest(conn, subject, answer ? caller->inbox : NULL, text.ptr, (int)text.len);
    if (s == NATS_OK) /* at once; by itself the library waits a millisecond for more */
        s = natsConnection_FlushTimeout(conn, sc_session_timeout_ms(caller->session));
    return s == NATS_OK ? 0 : sc_session_fail(caller->session, s, subject, err);
}

enum sc_call sc_caller_next(struct sc_caller *caller, int64_t timeout_ms, struct sc_buf *ret, struct sc_error *err)
{
    natsMsg *msg = NULL;
    natsStatus s = natsSubscription_NextMsg(&msg, caller->sub, timeout_ms > 0 ? timeout_ms : 1);
    sc_buf_clear(ret);
    if (s == NATS_TIMEOUT && sc_session_alive(caller->session))
        return SC_CALL_NOTHING;
    if (s == NATS_NO_RESPONDERS)
        return SC_CALL_NOBODY;
    if (s != NATS_OK) {
        sc_session_fail(caller->session, s == NATS_TIMEOUT ? NATS_CONNECTION_CLOSED : s, "waiting for an answer", err);
        return SC_CALL_LOST;
    }
    bool nobody = natsMsg_IsNoResponders(msg);
    if (!nobody)
        sc_buf_add(ret, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
    natsMsg_Destroy(msg);
    if (ret->failed) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for an answer");
        return SC_CALL_LOST;
    }
    return nobody ? SC_CALL_NOBODY : SC_CALL_ANSWER;
}

const char *sc_caller_complaint(struct sc_caller *caller)
{
    const char *last = NULL;
    natsConnection_GetLastError(sc_session_conn(caller->session), &last);
    return last ? last : "";
}
