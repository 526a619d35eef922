/* What NATS tells about itself beside the stream: who reads a stream, what the account may use,
 * what time it is there. Reading only. On the session's thread; each call blocks with a bound. */
#pragma once

#include "nats/session.h"

#define SC_CONSUMERS_MAX 64

struct sc_consumer_info {
    char name[128], filter[256]; /* filter: empty = all subjects of the stream */
    bool durable, push, bound;   /* bound: somebody listens (push) */
    bool acks;                   /* it is acknowledged; else it only looks on */
    uint64_t pending, ack_pending,
        waiting; /* not delivered; delivered and not acknowledged; pulls that wait */
    uint64_t delivered_seq, ack_floor_seq; /* of the stream */
    int64_t max_ack_pending;               /* -1: none */
    int64_t active_ms;                     /* real: of its last delivery; SC_TIME_NONE: unknown */
};

struct sc_consumers {
    struct sc_consumer_info at[SC_CONSUMERS_MAX];
    uint32_t count, total; /* total: what the server says there are */
};

/* 0, -1 + err (no permission: broker_unavailable, and the text says so). */
int sc_stream_consumers(struct sc_session *session, const char *stream, struct sc_consumers *ret,
                        struct sc_error *err) SC_WARN_UNUSED;

/* Names of streams that mirror or source `stream`, comma-separated. 0; -1 + err. */
int sc_stream_copies(struct sc_session *session, const char *stream, struct sc_buf *ret,
                     struct sc_error *err) SC_WARN_UNUSED;

struct sc_account_info {
    uint64_t storage, memory, streams, consumers;
    int64_t max_storage, max_memory, max_streams, max_consumers; /* -1: none */
};
int sc_account_info(struct sc_session *session, struct sc_account_info *ret,
                    struct sc_error *err) SC_WARN_UNUSED;

/* The server's clock minus ours, by the time that it gives to a short-lived consumer of the
 * bucket's stream; true within error_ms. */
struct sc_clock_info {
    int64_t offset_ms, error_ms;
};
int sc_nats_clock(struct sc_session *session, const char *bucket, struct sc_clock_info *ret,
                  struct sc_error *err) SC_WARN_UNUSED;

/* Sends `body` to the subject, without waiting for an answer: 1 that is allowed, 0 permission
 * denied, -1 the connection is gone. */
int sc_nats_may_ask(struct sc_session *session, const char *subject, const char *body);

/* What the server says of our user (JSON text); from 2.10 on, and where that may be asked. -1 +
 * err. */
int sc_user_info(struct sc_session *session, struct sc_buf *ret,
                 struct sc_error *err) SC_WARN_UNUSED;
/* By such a text: 1 the user may publish there (subscribe, when !publish), 0 may not, -1 the text
 * does not say. Pure. */
int sc_user_may(struct sc_str user_info, const char *subject, bool publish);

/* Pure parts. -1: not such a reply. */
int sc_consumers_parse(struct sc_str reply, struct sc_consumers *ret);
int sc_account_parse(struct sc_str reply, struct sc_account_info *ret);
