/* Reading a stream: ephemeral consumers without acknowledgements, whose sequences are checked, so that nothing is left out unseen. On the
 * session's thread. */
#pragma once

#include "nats/session.h"

/* What the reply subject of a delivered message tells; domains and accounts add tokens. */
struct sc_ack_subject {
    uint64_t delivered, stream_seq, consumer_seq, pending;
    int64_t time_ms; /* when it was stored, by the server's clock */
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
