/* The publisher: one thread, one connection, one in-flight window. Takes batches of records and KV writes from io threads, hands
 * them to NATS with its own reply subjects, collects acknowledgements, and returns each batch when every record of it has an outcome.
 *
 * Generation: while the publisher can prove that nothing acknowledged was lost, the generation stays; an outage of NATS is survived
 * inside one (read-back to the new connection's last sequence, then only what is missing is sent). It becomes another one when the
 * lease was lost, the stream is another, or its tail was lost (exactness.md 3, "proof"): then batches in flight come back DROPPED, KV
 * writes come back SC_KV_DROPPED, and everybody starts again from the checkpoints.
 *
 * Ownership: a batch belongs to the io thread from sc_publisher_batch() to sc_publisher_post(), then to the publisher until it comes
 * back as mail SC_MAIL_BATCH, then to the io thread until sc_publisher_batch_put(). A KV write likewise. */
#pragma once

#include "base/mailbox.h"
#include "nats/lease.h"
#include "nats/session.h"

#define SC_BATCH_RECORDS 256
#define SC_BATCH_BYTES (256u * 1024)

enum sc_mail_kind {
    SC_MAIL_BATCH = 1, /* struct sc_batch: all outcomes known, or dropped */
    SC_MAIL_KV,        /* struct sc_kv_write: done */
    SC_MAIL_CREDIT,    /* struct sc_credit: batches are free again (sent once after a refused sc_publisher_batch()) */
    SC_MAIL_BROKER,    /* struct sc_broker_news: state changed */
    SC_MAIL_POLL = 100 /* and up: kinds of the io thread's own */
};

enum sc_record_outcome {
    SC_RECORD_PENDING,
    SC_RECORD_STORED,    /* acknowledged; fresh or duplicate */
    SC_RECORD_FOUND,     /* not acknowledged, but a read-back found it */
    SC_RECORD_TOO_LARGE  /* the server will never take it (10054, max_payload): the io thread dead-letters it */
};

/* Headers that all records of a batch share; immutable, outlives every batch that names it (the io thread keeps it until the last
 * batch is back). Values are already percent-encoded. NULL = not sent. */
struct sc_stamp {
    const char *ce_source, *ce_type, *content_type;
};

struct sc_record {
    uint32_t body_at, body_len; /* in batch->bytes */
    uint32_t msg_id_at;         /* terminated; Nats-Msg-Id */
    uint32_t ce_id_at;          /* terminated; inside the message id or on its own, percent-encoded */
    uint32_t ce_time_at;        /* terminated; UINT32_MAX: none */
    uint32_t extra_at;          /* "Name\0value\0Name\0value\0\0"; UINT32_MAX: none (ce-sckey …) */
    uint64_t fingerprint;       /* the io thread's, not read by the publisher */
    uint64_t collate;           /* the io thread's: e.g. its entry in the identity set */
    int64_t time_ms;            /* the io thread's */
    uint32_t hash;              /* the io thread's */
    uint8_t outcome;            /* enum sc_record_outcome, written by the publisher */
    bool duplicate;             /* the server said so */
    uint64_t seq;               /* where it stands (SC_RECORD_STORED: of the ack — an old one when duplicate) */
};

struct sc_batch {
    struct sc_mail mail;
    struct sc_mailbox *home;    /* where it returns to */
    void *owner;                /* the io thread's */
    uint64_t page;              /* the io thread's: number of the page it belongs to */
    uint64_t generation;        /* of the publisher when it was taken; others come back dropped */
    const struct sc_stamp *stamp;
    uint32_t count;
    struct sc_record records[SC_BATCH_RECORDS];
    char *bytes;
    uint32_t used, cap;         /* SC_BATCH_BYTES, or more for one large record */
    bool dropped;               /* came back without outcomes: the generation ended */
    /* publisher's */
    uint32_t sent, settled;
};

enum sc_kv_result {
    SC_KV_OK,
    SC_KV_CONFLICT, /* another writer's value stands there: current/current_rev hold it */
    SC_KV_DROPPED   /* the generation ended */
};

#define SC_KV_REV_ANY UINT64_MAX /* "read its revision first": for keys that only the lease holder writes */

struct sc_kv_write {
    struct sc_mail mail;
    struct sc_mailbox *home;
    void *owner;
    uint64_t generation;
    const char *bucket; /* static */
    char *key;          /* owned by the writer */
    struct sc_buf value;
    bool purge;         /* leave a purge marker instead of a value */
    uint64_t expected_rev;
    /* results */
    enum sc_kv_result result;
    uint64_t rev;            /* OK: the new revision */
    struct sc_buf current;   /* CONFLICT */
    uint64_t current_rev;
    int kind;                /* the io thread's */
    void *arg;               /* the io thread's */
};

/* One mail that is used again and again, so it must never be sent while it is still on its way: `waiting` is set when it is
 * registered, and cleared by the io thread when it reads SC_MAIL_CREDIT. Until then a refusal registers nothing. It and the mailbox
 * live until the publisher has ended. */
struct sc_credit {
    struct sc_mail mail;
    bool waiting;
};

enum sc_broker_state {
    SC_BROKER_DOWN,   /* reason and text say why (broker_unavailable, broker_stalled, no_stream, stream_full, stream_refused, lease_held, starting) */
    SC_BROKER_READY   /* batches and writes are taken and sent */
};

/* Facts about the stream that the pollers need; by value. */
struct sc_broker_facts {
    enum sc_broker_state state;
    enum sc_reason reason;
    char text[320];
    int64_t since_real_ms;
    uint64_t generation, epoch;
    char stream[256];
    char stream_created[64];
    enum sc_retention retention;
    bool discard_old_limits; /* discard old with any limit set: the stream may forget unread messages */
    int64_t duplicate_window_ms;
    int64_t max_payload;     /* least of server and stream; headers included */
    uint64_t last_seq;       /* when it was bound */
};

struct sc_broker_news {
    struct sc_mail mail;
    struct sc_broker_facts facts;
};

struct sc_publisher_config {
    const struct sc_nats_config *nats;
    const char *subject;        /* artifacts */
    bool create;                /* make the stream when missing */
    const char *create_subject; /* "{appliance_id}.data.>" */
    uint32_t window_messages;   /* 1024 */
    uint32_t window_bytes;      /* 8 MiB: batches = window_bytes / SC_BATCH_BYTES */
    uint32_t stall_ms;          /* 30000: no progress while something is in flight */
    const struct sc_fence *fence;
};

struct sc_publisher;
struct sc_publisher *sc_publisher_start(const struct sc_publisher_config *config, struct sc_error *err);
/* Waits up to timeout_ms for what is in flight (batches and KV writes), then ends the thread. Returns NULL. */
struct sc_publisher *sc_publisher_stop(struct sc_publisher *publisher, int64_t timeout_ms);
/* Lease thread: held with this epoch / lost, and why (lease_held: another agent holds it). */
void sc_publisher_lease(struct sc_publisher *publisher, bool held, uint64_t epoch, enum sc_reason reason, const char *detail);
/* An io thread makes itself known before anything else and gets SC_MAIL_BROKER at once and at every change (the mail is owned by the
 * receiver: free()). */
void sc_publisher_subscribe(struct sc_publisher *publisher, struct sc_mailbox *box);
/* A batch for the present generation, with room for `need` bytes (<= max_payload + 64 KiB); NULL: none free or not READY, then
 * *credit is registered and comes back as SC_MAIL_CREDIT (once) when it is worth trying again. Any io thread. */
struct sc_batch *sc_publisher_batch(struct sc_publisher *publisher, struct sc_mailbox *home, uint32_t need, struct sc_credit *credit);
void sc_publisher_batch_put(struct sc_publisher *publisher, struct sc_batch *batch);
void sc_publisher_post(struct sc_publisher *publisher, struct sc_batch *batch);
/* Batches in all, for fair shares. */
uint32_t sc_publisher_batches(const struct sc_publisher *publisher);
void sc_publisher_kv(struct sc_publisher *publisher, struct sc_kv_write *write);
/* Highest stream sequence known from any ack or look at the stream: a floor for what is published from now on. Any thread. */
uint64_t sc_publisher_known_seq(const struct sc_publisher *publisher);
/* What a checkpoint of this generation proves: message msg_id stands at seq. Before the publisher has an acknowledgement of its own, this is what
 * shows after an outage that the stream lost its tail. Any thread; the highest counts. */
void sc_publisher_prove(struct sc_publisher *publisher, uint64_t generation, uint64_t seq, const char *msg_id);
void sc_publisher_facts(struct sc_publisher *publisher, struct sc_broker_facts *ret);

#define SC_PUBLISH_BUCKETS 8
extern const uint32_t sc_publish_bucket_ms[SC_PUBLISH_BUCKETS]; /* upper bounds; one more bucket is above them */

struct sc_publisher_counts {
    _Atomic uint64_t handed_over, stored, duplicates, found, resent, reconnects, stalls, kv_writes, kv_conflicts;
    _Atomic int64_t waits_since_ms; /* monotonic: nothing was acknowledged since then, although something is in flight; 0: nothing is */
    _Atomic uint64_t outstanding; /* now: handed over or about to be, without an outcome; records and KV writes */
    _Atomic uint64_t latency[SC_PUBLISH_BUCKETS + 1], latency_us; /* of records, from the hand-over to the acknowledgement */
};
const struct sc_publisher_counts *sc_publisher_counts(const struct sc_publisher *publisher);
