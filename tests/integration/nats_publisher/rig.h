/* A publisher against a real server, producers that behave like io threads, and the reading of the
 * stream that decides whether each record stands there once. */
#pragma once

#include "base/clock.h"
#include "nats/publisher.h"

#include "natsd.h"
#include "relay.h"

#define RIG_SUBJECT "edge-1.data.records"
#define RIG_WAIT_MS 60000

#define RIG_HOMES 16

/* What an io thread keeps as long as the publisher lives: it may still be inside a post when the
 * mail has been read. */
struct home {
    struct sc_mailbox box;
    struct sc_credit credit;
};

struct rig {
    struct natsd server;
    struct relay relay; /* between the publisher and the server */
    char url[64];
    struct sc_nats_config nats;
    struct sc_publisher_config config; /* may be changed between rig_open() and rig_run() */
    struct sc_fence fence;
    struct sc_publisher *p;
    struct sc_mailbox news;
    struct sc_mail *unread;
    struct sc_broker_facts facts; /* of the last news read */
    struct home homes[RIG_HOMES];
    uint32_t home_count;
    natsConnection *conn; /* straight to the server */
    jsCtx *js;
};

/* A server and everything but the publisher. */
void rig_open(struct rig *rig, const char *server_config);
struct home *rig_home(struct rig *rig);
/* Straight connection again after the server was killed. */
void rig_reconnect(struct rig *rig);
/* The publisher, with the lease held in epoch 1. */
void rig_run(struct rig *rig);
void rig_lease(struct rig *rig, bool held, uint64_t epoch);
void rig_fence(struct rig *rig, bool open);
/* Reads news until one has this state and reason. Fails the test after RIG_WAIT_MS. */
void rig_wait(struct rig *rig, enum sc_broker_state state, enum sc_reason reason);
void rig_wait_ready(struct rig *rig);
/* Waits until the publisher has handed over so many records in all. */
void rig_wait_handed(struct rig *rig, uint64_t count);
void rig_stop(struct rig *rig);
void rig_close(struct rig *rig);

void rig_stream_config(jsStreamConfig *config, const char *const *subject);
/* Stream DATA over edge-1.data.>, discard new, with this duplicate window. */
void rig_make_stream(struct rig *rig, int64_t window_ms);
uint64_t rig_last_seq(struct rig *rig);

struct producer {
    struct rig *rig;
    const char *prefix;
    uint32_t count, size; /* records wanted (may be raised while it runs), bytes of each body */
    uint32_t per_batch;   /* 0: as many as fit */
    const char *extra;    /* as sc_record.extra_at, or NULL */
    size_t extra_len;
    _Atomic bool until_told; /* goes on beyond count until `enough` */
    _Atomic bool enough;
    /* kept */
    struct sc_stamp stamp;
    struct home *home;
    uint32_t made; /* records put into batches */
    uint32_t back; /* records whose batch came back */
    uint32_t batches_out;
    uint32_t cap;     /* of the arrays */
    uint8_t *outcome; /* enum sc_record_outcome by record; dropped ones stay PENDING */
    uint64_t *seq;
    uint32_t stored, duplicates, found, too_large, dropped;
    pthread_t thread;
};

void producer_init(struct producer *producer, struct rig *rig, const char *prefix, uint32_t count,
                   uint32_t size);
/* One turn: makes what it can, takes what came back; waits for mail up to wait_ms when it could
 * make nothing. */
void producer_turn(struct producer *producer, int64_t wait_ms);
/* Until all is back. Fails the test after RIG_WAIT_MS. */
void producer_run(struct producer *producer);
void producer_start(struct producer *producer); /* producer_run on a thread of its own */
void producer_join(struct producer *producer);
void producer_done(struct producer *producer);

/* The body and the message id of a record. */
size_t producer_body(const struct producer *producer, uint32_t record, char *out);
size_t producer_id(const struct producer *producer, uint32_t record, char out[64]);

/* Reads the stream: each record of the producers whose outcome is STORED or FOUND stands there
 * exactly once, where its outcome says, with its own bytes and headers; nothing else of theirs
 * stands there, unless its batch was dropped: then at most once. */
void check_stream(struct rig *rig, struct producer *const *producers, size_t count);
