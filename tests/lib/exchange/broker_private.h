/* What broker.c and store.c share. */
#pragma once

#include "broker.h"

struct ex_queue {
    struct sc_mail *head, *tail;
};

static inline void ex_queue_put(struct ex_queue *queue, struct sc_mail *mail)
{
    mail->next = NULL;
    if (queue->tail)
        queue->tail->next = mail;
    else
        queue->head = mail;
    queue->tail = mail;
}

static inline struct sc_mail *ex_queue_take(struct ex_queue *queue)
{
    struct sc_mail *mail = queue->head;
    if (mail) {
        queue->head = mail->next;
        queue->tail = queue->head ? queue->tail : NULL;
        mail->next = NULL;
    }
    return mail;
}

/* The types that session.h, reader.h and status_writer.h leave open. */
struct sc_session {
    struct sc_publisher *broker;
};

struct sc_reader {
    struct sc_publisher *broker;
};

struct sc_status_writer {
    struct sc_publisher *broker;
};

struct sc_publisher {
    char *subject;
    struct sc_broker_facts facts;
    struct sc_reader reader;
    struct sc_status_writer status;
    struct sc_session session;
    struct sc_mailbox *box; /* the agent's; NULL: it does not run */
    struct sc_credit *credit;
    struct sc_mailbox *credit_home;
    struct sc_mail *spare;  /* batches for the next time */
    uint32_t batches, out;
    bool large_out;
    struct ex_queue posts, acks, writes, jobs;
    bool held[EX_HELD_KINDS];
    unsigned refuse;
    bool spoils;
    /* the stream */
    struct ex_record **records, **stream, **find; /* handed over; stored, by sequence - 1; by message id */
    size_t record_count, stream_count, record_cap, find_cap;
    uint64_t known_seq, first_seq, lacks;
    /* the buckets */
    struct ex_value *values;
    uint64_t kv_seq;
};

/* store.c */
void ex_store_write(struct sc_publisher *broker, struct sc_kv_write *write);
void ex_store_free(struct sc_publisher *broker);
