/* Outcomes: what the server answered, what is refused and waits, what goes back to the io threads.
 * The publisher's thread. */
#include "nats/publisher_private.h"

#include <stdarg.h>

/* ---- slots and queues --------------------------------------------------------------------- */

int sc_pub_queue_init(struct sc_pub_queue *queue, uint32_t cap)
{
    *queue = (struct sc_pub_queue){.at = calloc(cap, sizeof *queue->at), .cap = cap};
    return queue->at ? 0 : -1;
}

void sc_pub_queue_push(struct sc_pub_queue *queue, uint32_t slot)
{
    assert(queue->count < queue->cap);
    queue->at[(queue->head + queue->count++) % queue->cap] = slot;
}

int64_t sc_pub_queue_pop(struct sc_pub_queue *queue)
{
    if (queue->count == 0)
        return -1;
    uint32_t slot = queue->at[queue->head];
    queue->head = (queue->head + 1) % queue->cap;
    queue->count--;
    return slot;
}

void sc_pub_queue_clear(struct sc_pub_queue *queue)
{
    queue->head = queue->count = 0;
}

static void note_outstanding(struct sc_publisher *p)
{
    atomic_store_explicit(&p->counts.outstanding, p->window - p->free_count, memory_order_relaxed);
}

uint32_t sc_pub_slot_take(struct sc_publisher *p)
{
    assert(p->free_count > 0);
    uint32_t slot = p->free_slots[--p->free_count];
    note_outstanding(p);
    return slot;
}

void sc_pub_slot_free(struct sc_publisher *p, uint32_t slot)
{
    assert(p->slots[slot].state != SC_PUB_FREE && p->free_count < p->window);
    p->slots[slot] = (struct sc_pub_slot){.nonce = p->slots[slot].nonce};
    p->free_slots[p->free_count++] = slot;
    note_outstanding(p);
}

void sc_pub_again(struct sc_publisher *p, uint32_t slot)
{
    p->slots[slot].state = SC_PUB_AGAIN;
    sc_pub_queue_push(&p->again[p->slots[slot].kind], slot);
}

/* ---- back to the io threads --------------------------------------------------------------- */

void sc_pub_return_batch(struct sc_publisher *p, struct sc_batch *batch)
{
    sc_wire_forget(&p->wire, batch);
    batch->mail.kind = SC_MAIL_BATCH;
    sc_mailbox_return(batch->home, &batch->mail);
}

void sc_pub_return_kv(struct sc_kv_write *kv, enum sc_kv_result result)
{
    kv->result = result;
    kv->mail.kind = SC_MAIL_KV;
    sc_mailbox_return(kv->home, &kv->mail);
}

void sc_pub_settle(struct sc_publisher *p, struct sc_batch *batch, uint32_t record,
                   enum sc_record_outcome outcome, uint64_t seq, bool duplicate)
{
    struct sc_record *r = &batch->records[record];
    r->outcome = (uint8_t)outcome;
    r->duplicate = duplicate;
    r->seq = seq;
    if (++batch->settled == batch->count)
        sc_pub_return_batch(p, batch);
}

void sc_pub_known(struct sc_publisher *p, uint64_t seq)
{
    if (seq > atomic_load_explicit(&p->known_seq, memory_order_relaxed))
        atomic_store_explicit(&p->known_seq, seq,
                              memory_order_release); /* only this thread writes */
}

void sc_pub_prove(struct sc_publisher *p, uint64_t seq, const char *msg_id)
{
    size_t len = strlen(msg_id);
    if (seq <= p->proof.seq || len >= sizeof p->proof.msg_id)
        return;
    p->proof.seq = seq;
    memcpy(p->proof.msg_id, msg_id, len + 1);
}

/* ---- refusals ----------------------------------------------------------------------------- */

void sc_pub_gates_open(struct sc_publisher *p)
{
    for (int kind = 0; kind < SC_PUB_KINDS; kind++)
        p->gates[kind] = (struct sc_pub_gate){.probe = -1};
}

bool sc_pub_gate_lets(const struct sc_pub_gate *gate, int64_t now_ms)
{
    return !gate->shut || (gate->probe < 0 && now_ms >= gate->next_ms);
}

void sc_pub_accepted(struct sc_publisher *p, uint32_t slot)
{
    struct sc_pub_gate *gate = &p->gates[p->slots[slot].kind];
    if (!gate->shut || gate->probe != slot)
        return;
    SC_SAY(SC_INFO, "nats", "%s accepted again",
           p->slots[slot].kind == SC_PUB_KV ? "writes to the buckets are" : "records are");
    *gate = (struct sc_pub_gate){.probe = -1};
    sc_pub_run_state(p);
}

void sc_pub_refused(struct sc_publisher *p, uint32_t slot, enum sc_reason reason, const char *fmt,
                    ...)
{
    struct sc_pub_gate *gate = &p->gates[p->slots[slot].kind];
    va_list args;
    va_start(args, fmt);
    vsnprintf(gate->text, sizeof gate->text, fmt, args);
    va_end(args);
    gate->reason = reason;
    bool first = !gate->shut;
    if (first) {
        gate->shut = true;
        gate->probe = -1;
        gate->backoff_ms = SC_PUB_BACKOFF_MIN_MS;
        gate->next_ms = sc_mono_ms() + gate->backoff_ms;
    } else if (gate->probe == slot) {
        gate->probe = -1;
        gate->backoff_ms *= 2;
        if (gate->backoff_ms > SC_PUB_BACKOFF_MAX_MS)
            gate->backoff_ms = SC_PUB_BACKOFF_MAX_MS;
        gate->next_ms = sc_mono_ms() + gate->backoff_ms;
    }
    sc_pub_again(p, slot);
    if (first && reason == SC_REASON_STREAM_FULL && p->slots[slot].kind == SC_PUB_RECORD)
        p->look_ms = 0; /* how full is it? What is found is told with it, in this turn. */
    if (p->look_ms != 0)
        sc_pub_run_state(p);
}

/* "stream DATA refuses records: maximum bytes exceeded (10077), 2.0 of 2.0 GiB" */
static void add_usage(const struct sc_publisher *p, const struct sc_pub_gate *gate, char *out,
                      size_t cap)
{
    const struct sc_stream_info *s = &p->stream;
    char size[SC_SIZE_TEXT];
    int n = snprintf(out, cap, "%s", gate->text);
    if (n < 0 || (size_t)n >= cap || gate->reason != SC_REASON_STREAM_FULL ||
        gate != &p->gates[SC_PUB_RECORD])
        return;
    if (s->max_bytes > 0)
        n += snprintf(out + n, cap - (size_t)n, ", %s",
                      sc_size_pair(s->bytes, (uint64_t)s->max_bytes, size));
    if (s->max_msgs > 0 && (size_t)n < cap)
        n += snprintf(out + n, cap - (size_t)n, ", %" PRIu64 " of %" PRId64 " messages",
                      s->messages, s->max_msgs);
    if (s->max_bytes <= 0 && s->max_msgs <= 0 && (size_t)n < cap)
        n += snprintf(out + n, cap - (size_t)n,
                      "; the stream itself has no limit and holds %s: a limit of the account or of "
                      "the server's storage is reached",
                      sc_size_text(s->bytes, size));
    if ((size_t)n < cap)
        snprintf(out + n, cap - (size_t)n, "; nothing is lost");
}

static void tell_gate(struct sc_publisher *p, struct sc_pub_gate *gate)
{
    char text[sizeof p->facts.text];
    add_usage(p, gate, text, sizeof text);
    sc_pub_state(p, SC_BROKER_DOWN, gate->reason, "%s", text);
    if (gate->told)
        return;
    gate->told = true;
    SC_SAY(SC_WARN, "nats", "%s: %s; tried again until it is accepted",
           sc_reason_code(gate->reason), text);
}

void sc_pub_shut(struct sc_publisher *p, enum sc_pub_kind kind, const char *why, int64_t backoff_ms)
{
    struct sc_pub_gate *gate = &p->gates[kind];
    *gate = (struct sc_pub_gate){.shut = true, .reason = SC_REASON_BROKER_UNAVAILABLE, .probe = -1};
    gate->backoff_ms = backoff_ms < SC_PUB_BACKOFF_MIN_MS   ? SC_PUB_BACKOFF_MIN_MS
                       : backoff_ms > SC_PUB_BACKOFF_MAX_MS ? SC_PUB_BACKOFF_MAX_MS
                                                            : backoff_ms;
    gate->next_ms = sc_mono_ms() + gate->backoff_ms;
    snprintf(gate->text, sizeof gate->text, "%s", why);
}

void sc_pub_run_state(struct sc_publisher *p)
{
    if (p->phase != SC_PUB_RUN)
        return;
    for (int kind = 0; kind < SC_PUB_KINDS; kind++) {
        if (p->gates[kind].shut) {
            tell_gate(p, &p->gates[kind]);
            return;
        }
    }
    sc_pub_state(p, SC_BROKER_READY, SC_REASON_OK, "stream %s%s%s", p->stream.name,
                 p->note[0] ? "; " : "", p->note);
}

/* What the server's code says about the stream. */
static enum sc_reason reason_of(const struct sc_ack *ack)
{
    switch (ack->err_code) {
    case 10002: /* resource limits exceeded for account */
    case 10023: /* insufficient resources */
    case 10047: /* insufficient storage resources available */
    case 10077: /* maximum messages, bytes or messages per subject exceeded */
        return SC_REASON_STREAM_FULL;
    default:
        return ack->code == 503 ? SC_REASON_BROKER_UNAVAILABLE : SC_REASON_STREAM_REFUSED;
    }
}

#define TOO_LARGE_CODE 10054

/* ---- acknowledgements --------------------------------------------------------------------- */

static void unsure(struct sc_publisher *p, uint32_t slot, const char *why)
{
    p->slots[slot].state = SC_PUB_UNKNOWN;
    p->unknown++;
    p->give_up = why;
}

const uint32_t sc_publish_bucket_ms[SC_PUBLISH_BUCKETS] = {1, 3, 10, 30, 100, 300, 1000, 10000};

static void note_latency(struct sc_publisher *p, const struct sc_pub_slot *slot)
{
    uint64_t us = (uint64_t)(sc_mono_ns() - slot->handed_ns) / 1000;
    unsigned bucket = 0;
    while (bucket < SC_PUBLISH_BUCKETS && us > sc_publish_bucket_ms[bucket] * 1000ull)
        bucket++;
    atomic_fetch_add_explicit(&p->counts.latency[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->counts.latency_us, us, memory_order_relaxed);
}

static void record_stored(struct sc_publisher *p, uint32_t index, const struct sc_ack *ack)
{
    struct sc_pub_slot *slot = &p->slots[index];
    bool duplicate = ack->kind == SC_ACK_DUPLICATE;
    /* What is stored now stands behind everything that was known when it was handed over, and in
     * the stream that we know. Else the stream is another one, whatever its name: nothing of this
     * is counted before that is looked at. */
    if (ack->stream_hash != p->stream_hash || (!duplicate && ack->seq <= slot->floor)) {
        unsure(p, index, "the stream answers as if it had been made anew");
        return;
    }
    const struct sc_batch *batch = slot->batch;
    sc_pub_known(p, ack->seq);
    sc_pub_prove(p, ack->seq, batch->bytes + batch->records[slot->record].msg_id_at);
    atomic_fetch_add_explicit(&p->counts.stored, 1, memory_order_relaxed);
    note_latency(p, slot);
    if (duplicate)
        atomic_fetch_add_explicit(&p->counts.duplicates, 1, memory_order_relaxed);
    sc_pub_accepted(p, index);
    sc_pub_settle(p, slot->batch, slot->record, SC_RECORD_STORED, ack->seq, duplicate);
    sc_pub_slot_free(p, index);
}

static void record_refused(struct sc_publisher *p, uint32_t index, const struct sc_ack *ack)
{
    struct sc_pub_slot *slot = &p->slots[index];
    if (ack->err_code == TOO_LARGE_CODE) {
        sc_pub_accepted(p, index);
        sc_pub_settle(p, slot->batch, slot->record, SC_RECORD_TOO_LARGE, 0, false);
        sc_pub_slot_free(p, index);
        return;
    }
    sc_pub_refused(p, index, reason_of(ack), "stream %s refuses records: %.120s (%u)",
                   p->stream.name, ack->text ? ack->text : "no reason given", ack->err_code);
}

static void record_answered(struct sc_publisher *p, uint32_t index, const struct sc_ack *ack)
{
    switch ((enum sc_ack_kind)ack->kind) {
    case SC_ACK_STORED:
    case SC_ACK_DUPLICATE:
        record_stored(p, index, ack);
        break;
    case SC_ACK_ERROR:
        record_refused(p, index, ack);
        break;
    case SC_ACK_NO_RESPONDERS:
        if (p->gates[SC_PUB_RECORD].probe == index)
            p->gates[SC_PUB_RECORD].probe = -1;
        sc_pub_again(p, index);
        p->no_responders = true;
        break;
    case SC_ACK_STRANGE:
        unsure(p, index, "an acknowledgement could not be read");
        break;
    }
}

uint32_t sc_pub_take_acks(struct sc_publisher *p)
{
    struct sc_ack ack;
    uint32_t taken = 0;
    while (!p->give_up && sc_link_take(p->link, &ack)) {
        struct sc_pub_slot *slot = ack.slot < p->window ? &p->slots[ack.slot] : NULL;
        if (slot && slot->state == SC_PUB_FLYING && slot->nonce == ack.nonce) {
            SC_FAULT("ack.before");
            p->flying--;
            taken++;
            if (slot->kind == SC_PUB_KV)
                sc_pub_kv_ack(p, ack.slot, &ack);
            else
                record_answered(p, ack.slot, &ack);
        } /* else the answer to an earlier use of the slot */
        free(ack.text);
    }
    if (taken)
        p->progress_ms = sc_mono_ms();
    return taken;
}
