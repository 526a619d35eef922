/* What the publisher's files share; nobody else includes it.
 *   publisher.c          the thread: its loop, lease, connection; start and stop
 *   publisher_send.c     handing over
 *   publisher_pool.c     what other threads call: batches, credits, news, facts
 *   publisher_settle.c   outcomes: acknowledgements, refusals, what comes back to the io threads
 *   publisher_recover.c  a new connection: the stream, the proof, the read-back
 *   publisher_kv.c       compare-and-set writes
 *   publisher_link.c     acknowledgements from the library's thread
 *   publisher_message.c  headers;  publisher_ack.c  tokens and acknowledgements' text
 *
 * A message that was handed over occupies a slot until its outcome is known:
 *
 *     FREE -> FLYING -> FREE            acknowledged, or too large
 *             FLYING -> AGAIN -> FLYING the answer says "not stored": sent again without more ado
 *             FLYING -> UNKNOWN         the connection was given up: read back, then FREE (found)
 * or AGAIN
 *
 * A generation ends with every slot FREE and every batch and KV write back with its owner. */
#pragma once

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "nats/internal.h"
#include "nats/publisher.h"
#include "nats/publisher_link.h"
#include "nats/publisher_message.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SC_PUB_BACKOFF_MIN_MS 1000
#define SC_PUB_BACKOFF_MAX_MS 30000

enum sc_pub_slot_state {
    SC_PUB_FREE,
    SC_PUB_NEW, /* taken, about to be handed over */
    SC_PUB_FLYING,
    SC_PUB_UNKNOWN,
    SC_PUB_AGAIN
};

enum sc_pub_kind { SC_PUB_RECORD, SC_PUB_KV, SC_PUB_KINDS };

struct sc_pub_slot {
    uint8_t state, kind;
    uint32_t nonce;  /* of the last hand-over */
    uint32_t record; /* index in batch */
    int64_t handed_ns; /* the last hand-over, monotonic */
    union {
        struct sc_batch *batch;
        struct sc_kv_write *kv;
    };
    /* Record: highest sequence known when it was first handed over; it stands behind it, if it
     * stands. KV: expected revision. */
    uint64_t floor;
};

/* Indices of slots, first in first out; holds every slot at most once. */
struct sc_pub_queue {
    uint32_t *at;
    uint32_t head, count, cap;
};

/* The server refuses messages of one kind: one is sent as a probe now and then, the others wait. */
struct sc_pub_gate {
    bool shut, told;
    enum sc_reason reason;
    char text[256];
    int64_t next_ms; /* of the next probe */
    int64_t backoff_ms;
    int64_t probe; /* slot in flight as the probe; -1: none */
};

enum sc_pub_phase {
    SC_PUB_HOLD,    /* the lease is not ours */
    SC_PUB_FENCED,  /* ours, but not renewed in time */
    SC_PUB_CONNECT, /* no session */
    SC_PUB_BIND,    /* session; no stream, or not yet looked */
    SC_PUB_RUN
};

struct sc_pub_waiting {
    struct sc_credit *credit;
    struct sc_mailbox *home;
};

struct sc_publisher {
    struct sc_publisher_config config; /* texts are copies */
    struct sc_nats_config *nats;
    pthread_t thread;
    struct sc_mailbox box;
    struct sc_publisher_counts counts;
    _Atomic uint64_t known_seq;
    _Atomic bool stopping;       /* written under lock */
    _Atomic uint32_t lease_news; /* counts calls of sc_publisher_lease() */
    _Atomic bool lost;           /* hint of the library's thread: ask the session */

    /* ---- any thread, under lock ---- */
    pthread_mutex_t lock;
    pthread_cond_t ended_cond; /* CLOCK_MONOTONIC */
    bool ended;                /* the thread is past its loop */
    int64_t stop_at_ms;
    struct {
        bool held;
        uint64_t epoch;
        enum sc_reason reason; /* why it is not held */
        char detail[256];
    } lease;
    struct sc_broker_facts facts;
    struct sc_mailbox **sinks; /* subscribers */
    uint32_t sink_count, sink_cap;
    struct sc_pub_waiting *waiting;
    uint32_t waiting_count, waiting_cap;
    struct sc_mail *free_batches;
    uint32_t batches, allocated;
    uint32_t out; /* batches with io threads or with us */
    bool large_out;
    bool orphan;                /* stopped while batches were out: the last put frees */
    struct sc_session *session; /* written by the thread */

    /* ---- the thread's own ---- */
    enum sc_pub_phase phase;
    bool held;
    uint32_t lease_seen; /* of lease_news */
    uint64_t epoch, generation;
    struct sc_link *link;
    struct sc_wire wire;
    struct sc_buf kv_subject;
    struct sc_pub_slot *slots;
    uint32_t *free_slots;
    uint32_t window, free_count;
    uint32_t flying, unknown;
    uint32_t nonce;
    struct sc_pub_queue again[SC_PUB_KINDS];
    struct sc_pub_gate gates[SC_PUB_KINDS];
    struct sc_mail *first_batch, **last_batch; /* not wholly sent */
    struct sc_mail *first_kv, **last_kv;       /* not sent */
    uint32_t *find; /* hash table of a read-back: slot + 1 by message id */
    uint32_t find_mask;

    bool bound; /* a stream was found in this generation */
    struct sc_stream_info stream;
    uint32_t stream_hash;
    int64_t max_payload; /* of the stream's messages */
    struct {
        uint64_t seq;
        char msg_id[512];
    } proof, told;      /* highest acknowledged; seq 0: none. told: by a checkpoint (under the lock) */
    uint64_t told_generation;
    bool no_responders; /* for a record: the stream is gone */
    const char *
        give_up; /* an answer after which nothing is sure: why the connection must go; NULL: none */
    bool warned_window;
    char note[224]; /* what an outage left uncertain; shown while ready */

    int64_t retry_ms, backoff_ms; /* of connecting or binding */
    int64_t progress_ms;          /* last acknowledgement, or first message in flight */
    int64_t look_ms;              /* next look whether the stream is still the same */
    int64_t credit_ms;            /* next look after credits */
    uint32_t acks_last;           /* taken in the last turn */
    struct {
        bool on;
        enum sc_reason reason;
        int64_t since_mono_ms, since_real_ms;
        uint32_t unacknowledged;
    } outage;
    bool connected_before;
};

/* ---- publisher.c ---- */
/* Gives the connection up: what is in flight becomes unknown. */
void sc_pub_lose(struct sc_publisher *p, enum sc_reason reason, const char *fmt, ...)
    SC_PRINTF(3, 4);
/* Everything goes back undone. */
void sc_pub_end_generation(struct sc_publisher *p, const char *why);
/* A long step should end early: stop, lease, fence. */
bool sc_pub_interrupted(struct sc_publisher *p);
/* The lease is ours and was renewed in time. */
static inline bool sc_pub_fence_open(const struct sc_publisher *p)
{
    return sc_fence_open(p->config.fence, p->epoch, sc_boot_ms());
}
/* It is not: the connection goes, with all that lies in its buffers. */
void sc_pub_fence_closed(struct sc_publisher *p);

/* ---- publisher_send.c ---- */
/* Hands the slot's message, which was made with sc_pub_reply(), to the connection and destroys it.
 * 0, or -1: the connection broke over it and was given up; the slot is unknown. */
int sc_pub_hand_over(struct sc_publisher *p, uint32_t slot, natsMsg *msg);
/* Reply subject for the slot's next hand-over. */
const char *sc_pub_reply(struct sc_publisher *p, uint32_t slot);
/* Sends what may be sent, a turn's worth. True: there is more. */
bool sc_pub_send_some(struct sc_publisher *p);

/* ---- publisher_pool.c ---- */
/* Sets the facts' state and tells the subscribers when more than the text changed. READY also gives
 * the credits out. */
void sc_pub_state(struct sc_publisher *p, enum sc_broker_state state, enum sc_reason reason,
                  const char *fmt, ...) SC_PRINTF(4, 5);
/* Copies what is known of the stream to the facts. */
void sc_pub_stream_facts(struct sc_publisher *p);
/* Credits that wait although there is room (memory was short). */
void sc_pub_post_credits(struct sc_publisher *p);
/* After the thread's end: all memory, at once or with the last batch that comes back. */
void sc_pub_release(struct sc_publisher *p);
void sc_pub_free(struct sc_publisher *p);

/* ---- publisher_settle.c ---- */
int sc_pub_queue_init(struct sc_pub_queue *queue, uint32_t cap);
void sc_pub_queue_push(struct sc_pub_queue *queue, uint32_t slot);
int64_t sc_pub_queue_pop(struct sc_pub_queue *queue); /* -1: empty */
void sc_pub_queue_clear(struct sc_pub_queue *queue);
uint32_t sc_pub_slot_take(struct sc_publisher *p); /* there must be one */
void sc_pub_slot_free(struct sc_publisher *p, uint32_t slot);
/* Takes what the link holds. Number of acknowledgements. */
uint32_t sc_pub_take_acks(struct sc_publisher *p);
/* The outcome of a record; its batch goes back with the last one. */
void sc_pub_known(struct sc_publisher *p, uint64_t seq);
/* The highest acknowledged message, for the proof. */
void sc_pub_prove(struct sc_publisher *p, uint64_t seq, const char *msg_id);
void sc_pub_settle(struct sc_publisher *p, struct sc_batch *batch, uint32_t record,
                   enum sc_record_outcome outcome, uint64_t seq, bool duplicate);
void sc_pub_return_batch(struct sc_publisher *p, struct sc_batch *batch);
void sc_pub_return_kv(struct sc_kv_write *kv, enum sc_kv_result result);
/* Not stored: the slot waits for its next hand-over. */
void sc_pub_again(struct sc_publisher *p, uint32_t slot);
void sc_pub_refused(struct sc_publisher *p, uint32_t slot, enum sc_reason reason, const char *fmt,
                    ...) SC_PRINTF(4, 5);
/* Shut from the start of the next connection: a message of that kind was swallowed. */
void sc_pub_shut(struct sc_publisher *p, enum sc_pub_kind kind, const char *why, int64_t backoff_ms);
/* The server took it: when it was the probe, the others may follow. */
void sc_pub_accepted(struct sc_publisher *p, uint32_t slot);
void sc_pub_gates_open(struct sc_publisher *p);
bool sc_pub_gate_lets(const struct sc_pub_gate *gate, int64_t now_ms);
/* State of a running publisher from its gates. */
void sc_pub_run_state(struct sc_publisher *p);

/* ---- publisher_kv.c ---- */
/* Hands the write over. 0; 1: not now (kept); -1: the connection was given up. */
int sc_pub_kv_send(struct sc_publisher *p, uint32_t slot);
void sc_pub_kv_ack(struct sc_publisher *p, uint32_t slot, const struct sc_ack *ack);
/* Nobody knows whether the write was done: looks what stands under the key. 0: settled; 1: nothing
 * was written, the slot is as it was; -1 + err: cannot say, likewise. */
int sc_pub_kv_look(struct sc_publisher *p, uint32_t slot, struct sc_error *err) SC_WARN_UNUSED;

/* ---- publisher_recover.c ---- */
/* Finds the stream, proves that nothing acknowledged was lost, reads back what is unknown. True:
 * may run. Else the phase, the state and the time of the next attempt are set. */
bool sc_pub_bind(struct sc_publisher *p);
