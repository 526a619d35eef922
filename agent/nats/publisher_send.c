/* Handing over: what goes next, with which headers, while the window has room and the fence is
 * open. The publisher's thread. */
#include "nats/publisher_private.h"

#define TURN_MESSAGES 256 /* handed over before mail and acknowledgements are looked at again */

const char *sc_pub_reply(struct sc_publisher *p, uint32_t slot)
{
    p->slots[slot].nonce = ++p->nonce;
    return sc_link_reply(p->link, slot, p->nonce);
}

int sc_pub_hand_over(struct sc_publisher *p, uint32_t slot, natsMsg *msg)
{
    struct sc_pub_gate *gate = &p->gates[p->slots[slot].kind];
    p->slots[slot].state = SC_PUB_FLYING;
    p->slots[slot].handed_ns = sc_mono_ns();
    if (p->flying++ == 0)
        p->progress_ms = sc_mono_ms();
    if (gate->shut)
        gate->probe = slot;
    natsStatus s = natsConnection_PublishMsg(sc_session_conn(p->session), msg);
    natsMsg_Destroy(msg);
    if (s == NATS_OK)
        return 0;
    sc_pub_lose(p, s == NATS_TIMEOUT ? SC_REASON_BROKER_STALLED : SC_REASON_BROKER_UNAVAILABLE,
                "handing over failed: %s", natsStatus_GetText(s));
    return -1;
}

/* 0; -1: the connection was given up. */
static int send_record(struct sc_publisher *p, uint32_t index)
{
    struct sc_pub_slot *slot = &p->slots[index];
    const struct sc_record *record = &slot->batch->records[slot->record];
    natsMsg *msg = NULL;
    int64_t header_len = sc_wire_compose(&p->wire, slot->batch, record);
    if (header_len >= 0 && header_len + record->body_len > p->max_payload) {
        sc_pub_settle(p, slot->batch, slot->record, SC_RECORD_TOO_LARGE, 0, false);
        sc_pub_slot_free(p, index);
        return 0;
    }
    assert(slot->batch->bytes[record->msg_id_at]); /* without an id nothing could be found again */
    bool again = slot->state == SC_PUB_AGAIN;
    if (header_len < 0 ||
        sc_wire_message(&p->wire, p->config.subject, sc_pub_reply(p, index),
                        slot->batch->bytes + record->body_at, record->body_len, &msg) != NATS_OK) {
        sc_pub_refused(p, index, SC_REASON_BROKER_UNAVAILABLE, "no memory for a message");
        return 0;
    }
    atomic_fetch_add_explicit(&p->counts.handed_over, 1, memory_order_relaxed);
    if (again)
        atomic_fetch_add_explicit(&p->counts.resent, 1, memory_order_relaxed);
    SC_TRACE_SENT(p->epoch, slot->batch->bytes + record->msg_id_at);
    SC_FAULT("publish.before");
    int rc = sc_pub_hand_over(p, index, msg);
    SC_FAULT("publish.after");
    return rc;
}

static uint32_t take_record(struct sc_publisher *p)
{
    struct sc_batch *batch = (struct sc_batch *)p->first_batch;
    uint32_t index = sc_pub_slot_take(p);
    p->slots[index] = (struct sc_pub_slot){
        .state = SC_PUB_NEW,
        .kind = SC_PUB_RECORD,
        .batch = batch,
        .record = batch->sent,
        .floor = atomic_load_explicit(&p->known_seq, memory_order_relaxed),
    };
    batch->records[batch->sent].outcome = SC_RECORD_PENDING;
    if (++batch->sent == batch->count) {
        p->first_batch = batch->mail.next;
        if (!p->first_batch)
            p->last_batch = &p->first_batch;
    }
    return index;
}

static uint32_t take_kv(struct sc_publisher *p)
{
    struct sc_kv_write *kv = (struct sc_kv_write *)p->first_kv;
    uint32_t index = sc_pub_slot_take(p);
    p->first_kv = kv->mail.next;
    if (!p->first_kv)
        p->last_kv = &p->first_kv;
    p->slots[index] = (struct sc_pub_slot){
        .state = SC_PUB_NEW,
        .kind = SC_PUB_KV,
        .kv = kv,
        .floor = kv->expected_rev,
    };
    return index;
}

/* What may go next: KV writes before records, what was refused before what is new. 0; 1: nothing
 * may; -1: connection given up. */
static int send_next(struct sc_publisher *p, int64_t now)
{
    struct sc_pub_gate *kv = &p->gates[SC_PUB_KV], *records = &p->gates[SC_PUB_RECORD];
    if (sc_pub_gate_lets(kv, now)) {
        if (p->again[SC_PUB_KV].count)
            return sc_pub_kv_send(p, (uint32_t)sc_pub_queue_pop(&p->again[SC_PUB_KV])) < 0 ? -1 : 0;
        if (p->first_kv && p->free_count)
            return sc_pub_kv_send(p, take_kv(p)) < 0 ? -1 : 0;
    }
    if (sc_pub_gate_lets(records, now)) {
        if (p->again[SC_PUB_RECORD].count)
            return send_record(p, (uint32_t)sc_pub_queue_pop(&p->again[SC_PUB_RECORD]));
        if (p->first_batch && p->free_count)
            return send_record(p, take_record(p));
    }
    return 1;
}

bool sc_pub_send_some(struct sc_publisher *p)
{
    int64_t now = sc_mono_ms();
    for (int n = 0; n < TURN_MESSAGES; n++) {
        if (!sc_pub_fence_open(p)) {
            sc_pub_fence_closed(p);
            return false;
        }
        if (send_next(p, now))
            return false;
    }
    return true;
}
