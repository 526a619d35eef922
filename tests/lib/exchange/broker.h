/* NATS's side: the publisher, the reader and the buckets in memory. Publisher and status writer are replaced whole (publisher.h,
 * status_writer.h); the jobs of the real recover.c run, and their calls of session.h lead here (--wrap). */
#pragma once

#include "nats/publisher.h"
#include "nats/reader.h"
#include "poll/status_writer.h"

/* One record as it was handed over. */
struct ex_record {
    char *msg_id, *ce_id, *ce_time, *ce_type, *ce_source; /* ce_time may be NULL */
    char *body;
    size_t body_len;
    uint64_t seq;
    int64_t at_ms;        /* own clock, for the duplicate window */
    int64_t stored_ms;    /* wall clock */
    bool duplicate;       /* the server said so */
    bool doubled;         /* stored a second time: past the duplicate window */
    bool refused;         /* too large for the stream */
    bool foreign;         /* stood there before the play */
};

struct ex_value {
    struct ex_value *next;
    char *bucket, *key;
    struct sc_buf value;
    uint64_t rev;
    bool deleted;
};

enum ex_held {
    EX_HOLD_POSTS, /* records do not reach the stream */
    EX_HOLD_ACKS,  /* they do; the agent does not hear of it */
    EX_HOLD_SAVES, /* bucket writes are not made */
    EX_HOLD_READS, /* the reader does not get on */
    EX_HELD_KINDS
};

struct sc_publisher; /* the broker */
struct sc_publisher *ex_broker_new(const char *subject);
struct sc_publisher *ex_broker_free(struct sc_publisher *broker);
/* 0; -1: no such key, or not a value for it. */
int ex_broker_set(struct sc_publisher *broker, const char *key, const char *value);
struct sc_reader *ex_broker_reader(struct sc_publisher *broker);
struct sc_status_writer *ex_broker_status(struct sc_publisher *broker);

/* What is ready to be done between two turns of the agent; false: nothing was. */
bool ex_broker_turn(struct sc_publisher *broker);
void ex_broker_hold(struct sc_publisher *broker, enum ex_held what, bool on);
void ex_broker_state(struct sc_publisher *broker, enum sc_broker_state state, enum sc_reason reason, const char *text);
void ex_broker_new_generation(struct sc_publisher *broker);
void ex_broker_refuse(struct sc_publisher *broker, unsigned records); /* that many come back "too large" */
/* The agent is gone: what it had handed over and did not hear of goes back undone. */
void ex_broker_forget_agent(struct sc_publisher *broker);
unsigned ex_broker_batches_out(const struct sc_publisher *broker);

size_t ex_broker_records(const struct sc_publisher *broker);
const struct ex_record *ex_broker_record(const struct sc_publisher *broker, size_t n); /* in the order of handing over */
void ex_broker_stored(struct sc_publisher *broker, const char *msg_id, const char *ce_time, int64_t stored_ms); /* stands there before the play */
uint64_t ex_broker_last_seq(const struct sc_publisher *broker);
const char *ex_broker_created(const struct sc_publisher *broker);

struct ex_value *ex_broker_value(struct sc_publisher *broker, const char *bucket, const char *key); /* NULL: never there */
void ex_broker_write(struct sc_publisher *broker, const char *bucket, const char *key, const char *value);
struct ex_value *ex_broker_values(struct sc_publisher *broker);
/* The status that was written last; NULL: none, or removed. */
const char *ex_broker_status_of(struct sc_publisher *broker, const char *integration);
