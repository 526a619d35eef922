/* The publisher of agent/nats without NATS: batches become records in order, each is acknowledged, a known message id as a duplicate with its
 * old sequence as long as the duplicate window lasts; writes are compared and set. */
#include "broker.h"
#include "broker_private.h"

#include "base/clock.h"
#include "base/hash.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct sc_publisher *ex_broker_new(const char *subject)
{
    struct sc_publisher *b = calloc(1, sizeof *b);
    if (!b)
        abort();
    b->subject = sc_dup(subject);
    b->batches = 32;
    b->facts = (struct sc_broker_facts){.state = SC_BROKER_READY,
                                        .generation = 1,
                                        .epoch = 1,
                                        .stream = "DATA",
                                        .stream_created = "2026-01-01T00:00:00Z",
                                        .duplicate_window_ms = 120000,
                                        .max_payload = 1048576};
    b->reader.broker = b->status.broker = b->session.broker = b;
    b->first_seq = 1;
    return b;
}

static void record_free(struct ex_record *r)
{
    free(r->msg_id);
    free(r->ce_id);
    free(r->ce_time);
    free(r->ce_type);
    free(r->ce_source);
    free(r->body);
    free(r);
}

struct sc_publisher *ex_broker_free(struct sc_publisher *b)
{
    if (!b)
        return NULL;
    ex_broker_forget_agent(b);
    while (b->spare) {
        struct sc_batch *batch = (struct sc_batch *)b->spare;
        b->spare = b->spare->next;
        free(batch->bytes);
        free(batch);
    }
    for (size_t i = 0; i < b->record_count; i++)
        record_free(b->records[i]);
    ex_store_free(b);
    free(b->records);
    free(b->find);
    free(b->stream);
    free(b->subject);
    free(b);
    return NULL;
}

int ex_broker_set(struct sc_publisher *b, const char *key, const char *value)
{
    static const char *const retentions[] = {"limits", "interest", "workqueue"};
    int64_t n = 0;
    bool number = sc_parse_int(sc_str_of(value), &n) && n > 0;
    for (int i = 0; i < 3; i++) {
        if (strcmp(key, "retention") == 0 && strcmp(value, retentions[i]) == 0) {
            b->facts.retention = (enum sc_retention)i;
            return 0;
        }
    }
    if (strcmp(key, "created") == 0 && sc_time_parse_rfc3339(sc_str_of(value)) != SC_TIME_NONE)
        snprintf(b->facts.stream_created, sizeof b->facts.stream_created, "%s", value);
    else if (strcmp(key, "max_payload") == 0 && number)
        b->facts.max_payload = n;
    else if (strcmp(key, "duplicate_window_s") == 0 && number)
        b->facts.duplicate_window_ms = n * 1000;
    else if (strcmp(key, "batches") == 0 && number)
        b->batches = (uint32_t)n;
    else if (strcmp(key, "spoil") == 0 && strcmp(value, "body") == 0) /* for the self-test */
        b->spoils = true;
    else if (strcmp(key, "purged") == 0 && number) /* up to and with that sequence */
        b->first_seq = (uint64_t)n + 1;
    else if (strcmp(key, "lacks") == 0 && number) /* so many were deleted from the middle */
        b->lacks = (uint64_t)n;
    else
        return -1;
    return 0;
}

/* ---- what the agent is told ----------------------------------------------------------------------------------------------------- */

static void tell(struct sc_publisher *b)
{
    struct sc_broker_news *news = calloc(1, sizeof *news);
    if (!news)
        abort();
    news->mail.kind = SC_MAIL_BROKER;
    news->facts = b->facts;
    sc_mailbox_return(b->box, &news->mail);
}

void sc_publisher_subscribe(struct sc_publisher *b, struct sc_mailbox *box)
{
    b->box = box;
    b->facts.last_seq = b->stream_count;
    b->known_seq = b->stream_count;
    tell(b);
}

static void give_credit(struct sc_publisher *b)
{
    struct sc_credit *credit = b->credit;
    if (!credit || b->facts.state != SC_BROKER_READY)
        return;
    b->credit = NULL;
    credit->mail.kind = SC_MAIL_CREDIT;
    sc_mailbox_return(b->credit_home, &credit->mail);
}

void ex_broker_state(struct sc_publisher *b, enum sc_broker_state state, enum sc_reason reason, const char *text)
{
    b->facts.state = state;
    b->facts.reason = reason;
    b->facts.since_real_ms = sc_real_ms();
    snprintf(b->facts.text, sizeof b->facts.text, "%s", text);
    if (b->box)
        tell(b);
    give_credit(b);
}

static void drop(struct sc_mail *mail)
{
    if (mail->kind == SC_MAIL_BATCH) {
        struct sc_batch *batch = (struct sc_batch *)mail;
        batch->dropped = true;
        sc_mailbox_return(batch->home, &batch->mail);
    } else {
        struct sc_kv_write *write = (struct sc_kv_write *)mail;
        write->result = SC_KV_DROPPED;
        sc_mailbox_return(write->home, &write->mail);
    }
}

static void drop_all(struct sc_publisher *b)
{
    struct ex_queue *queues[] = {&b->posts, &b->acks, &b->writes};
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) {
        for (struct sc_mail *mail; (mail = ex_queue_take(queues[i]));)
            drop(mail);
    }
}

void ex_broker_new_generation(struct sc_publisher *b)
{
    b->facts.generation++;
    b->facts.epoch++;
    drop_all(b);
    if (b->box)
        tell(b);
}

void ex_broker_forget_agent(struct sc_publisher *b)
{
    drop_all(b);
    for (struct sc_mail *mail; (mail = ex_queue_take(&b->jobs));) {
        struct sc_read_job *job = (struct sc_read_job *)mail;
        job->cancelled = true;
        sc_mailbox_return(job->home, &job->mail);
    }
    for (int i = 0; i < EX_HELD_KINDS; i++)
        b->held[i] = false;
    b->credit = NULL;
    b->box = NULL;
}

/* ---- records -------------------------------------------------------------------------------------------------------------------- */

static struct ex_record **cell_of(struct sc_publisher *b, const char *msg_id)
{
    static const unsigned char key[16] = "message ids";
    uint64_t at = sc_siphash(key, msg_id, strlen(msg_id));
    while (b->find[at & (b->find_cap - 1)] && strcmp(b->find[at & (b->find_cap - 1)]->msg_id, msg_id) != 0)
        at++;
    return &b->find[at & (b->find_cap - 1)];
}

static void make_room(struct sc_publisher *b)
{
    if (b->record_count == b->record_cap) {
        b->record_cap = b->record_cap ? b->record_cap * 2 : 64;
        b->records = realloc(b->records, b->record_cap * sizeof(struct ex_record *));
        b->stream = realloc(b->stream, b->record_cap * sizeof(struct ex_record *));
        free(b->find);
        b->find_cap = b->record_cap * 4;
        b->find = calloc(b->find_cap, sizeof(struct ex_record *));
        if (!b->records || !b->stream || !b->find)
            abort();
        for (size_t i = 0; i < b->stream_count; i++)
            *cell_of(b, b->stream[i]->msg_id) = b->stream[i];
    }
}

static void store(struct sc_publisher *b, struct ex_record *r)
{
    make_room(b);
    b->records[b->record_count++] = r;
    if (r->refused)
        return;
    struct ex_record **known = cell_of(b, r->msg_id);
    if (*known && r->at_ms - (*known)->at_ms < b->facts.duplicate_window_ms) {
        r->duplicate = true;
        r->seq = (*known)->seq;
        return;
    }
    r->doubled = *known != NULL;
    b->stream[b->stream_count++] = r;
    r->seq = b->stream_count;
    *known = r;
}

void ex_broker_stored(struct sc_publisher *b, const char *msg_id, const char *ce_time, int64_t stored_ms)
{
    struct ex_record *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->msg_id = sc_dup(msg_id);
    r->ce_time = ce_time && *ce_time ? sc_dup(ce_time) : NULL;
    r->foreign = true;
    r->stored_ms = stored_ms;
    r->at_ms = INT64_MIN / 2;
    store(b, r);
}

static void take_record(struct sc_publisher *b, const struct sc_batch *batch, struct sc_record *from)
{
    struct ex_record *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->msg_id = sc_dup(batch->bytes + from->msg_id_at);
    r->ce_id = sc_dup(batch->bytes + from->ce_id_at);
    r->ce_time = from->ce_time_at == UINT32_MAX ? NULL : sc_dup(batch->bytes + from->ce_time_at);
    r->ce_type = sc_dup(batch->stamp->ce_type);
    r->ce_source = sc_dup(batch->stamp->ce_source);
    r->body = sc_dup_str((struct sc_str){batch->bytes + from->body_at, from->body_len});
    r->body_len = from->body_len;
    if (b->spoils && r->body_len > 1)
        r->body[1] ^= 1;
    r->at_ms = sc_mono_ms();
    r->stored_ms = sc_real_ms();
    r->refused = b->refuse > 0;
    b->refuse -= r->refused;
    store(b, r);
    from->seq = r->seq;
    from->duplicate = r->duplicate;
    from->outcome = r->refused ? SC_RECORD_TOO_LARGE : SC_RECORD_STORED;
}

static void acknowledge(struct sc_publisher *b, struct sc_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->records[i].seq > b->known_seq)
            b->known_seq = batch->records[i].seq;
    }
    sc_mailbox_return(batch->home, &batch->mail);
}

/* ---- batches ---------------------------------------------------------------------------------------------------------------------- */

struct sc_batch *sc_publisher_batch(struct sc_publisher *b, struct sc_mailbox *home, uint32_t need, struct sc_credit *credit)
{
    bool large = need > SC_BATCH_BYTES;
    bool room = b->facts.state == SC_BROKER_READY && (large ? !b->large_out : b->out < b->batches);
    if (!room) {
        if (credit && !credit->waiting) {
            credit->waiting = true;
            b->credit = credit;
            b->credit_home = home;
        }
        return NULL;
    }
    struct sc_batch *batch = large ? NULL : (struct sc_batch *)b->spare;
    char *bytes = batch ? batch->bytes : malloc(large ? need : SC_BATCH_BYTES);
    if (batch)
        b->spare = batch->mail.next;
    else
        batch = malloc(sizeof *batch);
    if (!batch || !bytes)
        abort();
    batch->mail = (struct sc_mail){.kind = SC_MAIL_BATCH};
    batch->home = home;
    batch->owner = NULL;
    batch->page = 0;
    batch->generation = b->facts.generation;
    batch->stamp = NULL;
    batch->count = batch->used = 0;
    batch->bytes = bytes;
    batch->cap = large ? need : SC_BATCH_BYTES;
    batch->dropped = false;
    b->large_out |= large;
    b->out += !large;
    return batch;
}

void sc_publisher_batch_put(struct sc_publisher *b, struct sc_batch *batch)
{
    if (batch->cap > SC_BATCH_BYTES) {
        assert(b->large_out);
        b->large_out = false;
        free(batch->bytes);
        free(batch);
    } else {
        assert(b->out > 0);
        b->out--;
        batch->mail.next = b->spare;
        b->spare = &batch->mail;
    }
    give_credit(b);
}

void sc_publisher_post(struct sc_publisher *b, struct sc_batch *batch)
{
    batch->mail.kind = SC_MAIL_BATCH;
    if (batch->generation != b->facts.generation)
        drop(&batch->mail);
    else
        ex_queue_put(&b->posts, &batch->mail);
}

uint32_t sc_publisher_batches(const struct sc_publisher *b)
{
    return b->batches;
}

uint64_t sc_publisher_known_seq(const struct sc_publisher *b)
{
    return b->known_seq;
}

void sc_publisher_prove(struct sc_publisher *b, uint64_t generation, uint64_t seq, const char *msg_id)
{
    (void)b; /* what an outage does to the stream is the publisher's own test */
    (void)generation;
    (void)seq;
    (void)msg_id;
}

void sc_publisher_kv(struct sc_publisher *b, struct sc_kv_write *write)
{
    write->mail.kind = SC_MAIL_KV;
    if (write->generation != b->facts.generation)
        drop(&write->mail);
    else
        ex_queue_put(&b->writes, &write->mail);
}

/* ---- the script's side ------------------------------------------------------------------------------------------------------------- */

bool ex_broker_turn(struct sc_publisher *b)
{
    bool ready = b->facts.state == SC_BROKER_READY, did = false;
    struct sc_mail *mail;
    while (ready && !b->held[EX_HOLD_POSTS] && (mail = ex_queue_take(&b->posts))) {
        struct sc_batch *batch = (struct sc_batch *)mail;
        for (uint32_t i = 0; i < batch->count; i++)
            take_record(b, batch, &batch->records[i]);
        ex_queue_put(&b->acks, mail);
    }
    while (ready && !b->held[EX_HOLD_ACKS] && (mail = ex_queue_take(&b->acks))) {
        acknowledge(b, (struct sc_batch *)mail);
        did = true;
    }
    while (ready && !b->held[EX_HOLD_SAVES] && (mail = ex_queue_take(&b->writes))) {
        ex_store_write(b, (struct sc_kv_write *)mail);
        did = true;
    }
    while (ready && !b->held[EX_HOLD_READS] && (mail = ex_queue_take(&b->jobs))) {
        struct sc_read_job *job = (struct sc_read_job *)mail;
        sc_error_clear(&job->error);
        job->cancelled = false;
        job->run(job, &b->session, &job->error);
        sc_mailbox_return(job->home, &job->mail);
        did = true;
    }
    return did;
}

void ex_broker_hold(struct sc_publisher *b, enum ex_held what, bool on)
{
    b->held[what] = on;
}

void ex_broker_refuse(struct sc_publisher *b, unsigned records)
{
    b->refuse = records;
}

unsigned ex_broker_batches_out(const struct sc_publisher *b)
{
    return b->out + b->large_out;
}

size_t ex_broker_records(const struct sc_publisher *b)
{
    return b->record_count;
}

const struct ex_record *ex_broker_record(const struct sc_publisher *b, size_t n)
{
    return b->records[n];
}

uint64_t ex_broker_last_seq(const struct sc_publisher *b)
{
    return b->stream_count;
}

const char *ex_broker_created(const struct sc_publisher *b)
{
    return b->facts.stream_created;
}
