/* Writes to the buckets: a publish to the key's subject that names the revision it expects there,
 * so that nothing newer is ever overwritten. Whatever is unclear afterwards is settled by reading
 * the key: our bytes stand there, or somebody else's, or the old ones. The publisher's thread;
 * reading blocks for a round trip, and happens only before the first write of a key whose revision
 * its owner does not know, and after trouble. */
#include "nats/publisher_private.h"

#define HEADERS_MAX 256 /* encoded; generous */

static natsStatus set_headers(natsMsg *msg, const struct sc_kv_write *kv, uint64_t expected)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, expected);
    natsStatus s = natsMsgHeader_Set(msg, "Nats-Expected-Last-Subject-Sequence", number);
    if (s == NATS_OK && kv->purge)
        s = natsMsgHeader_Set(msg, "KV-Operation", "PURGE");
    if (s == NATS_OK && kv->purge)
        s = natsMsgHeader_Set(msg, "Nats-Rollup", "sub");
    return s;
}

static natsStatus make_message(struct sc_publisher *p, uint32_t index, natsMsg **ret)
{
    const struct sc_pub_slot *slot = &p->slots[index];
    const struct sc_kv_write *kv = slot->kv;
    natsMsg *msg = NULL;
    sc_buf_clear(&p->kv_subject);
    if (sc_session_kv_subject(p->session, kv->bucket, kv->key, &p->kv_subject))
        return NATS_NO_MEMORY;
    struct sc_str value = kv->purge ? (struct sc_str){"", 0} : sc_buf_str(&kv->value);
    natsStatus s =
        natsMsg_Create(&msg, p->kv_subject.ptr, sc_pub_reply(p, index), value.ptr, (int)value.len);
    if (s == NATS_OK)
        s = set_headers(msg, kv, slot->floor);
    if (s != NATS_OK) {
        natsMsg_Destroy(msg);
        return s;
    }
    *ret = msg;
    return NATS_OK;
}

/* The revision there is, for a writer that does not know it. 0; 1: refused, kept; -1: the
 * connection was given up. */
static int find_revision(struct sc_publisher *p, uint32_t index)
{
    struct sc_pub_slot *slot = &p->slots[index];
    struct sc_kv_entry entry = {0};
    struct sc_error err = SC_ERROR_INIT;
    int rc = sc_kv_get(p->session, slot->kv->bucket, slot->kv->key, &entry, &err);
    uint64_t rev = entry.rev;
    sc_kv_entry_done(&entry);
    if (rc >= 0) {
        slot->floor = rc == 0 ? rev : SC_KV_REV_ABSENT;
        return 0;
    }
    if (sc_session_alive(p->session)) {
        enum sc_reason reason =
            err.reason == SC_REASON_NO_STREAM ? SC_REASON_NO_STREAM : SC_REASON_BROKER_UNAVAILABLE;
        sc_pub_refused(p, index, reason, "bucket %s cannot be read: %.160s", slot->kv->bucket,
                       err.text);
        return 1;
    }
    sc_pub_again(p, index);
    sc_pub_lose(p, SC_REASON_BROKER_UNAVAILABLE, "%s", err.text);
    return -1;
}

int sc_pub_kv_send(struct sc_publisher *p, uint32_t index)
{
    struct sc_pub_slot *slot = &p->slots[index];
    struct sc_kv_write *kv = slot->kv;
    if (slot->floor == SC_KV_REV_ANY) {
        int rc = find_revision(p, index);
        if (rc)
            return rc;
        if (!sc_pub_fence_open(p)) { /* reading took its time */
            sc_pub_again(p, index);
            return 1;
        }
    }
    if ((int64_t)kv->value.len + HEADERS_MAX > sc_session_max_payload(p->session)) {
        sc_pub_refused(p, index, SC_REASON_STREAM_REFUSED,
                       "a value of %zu bytes for bucket %s is more than the server takes (%" PRId64
                       "); raise max_payload",
                       kv->value.len, kv->bucket, sc_session_max_payload(p->session));
        return 1;
    }
    natsMsg *msg = NULL;
    if (make_message(p, index, &msg) != NATS_OK) {
        sc_pub_refused(p, index, SC_REASON_BROKER_UNAVAILABLE, "no memory for a message");
        return 1;
    }
    if (sc_pub_hand_over(p, index, msg))
        return -1;
    if (strcmp(kv->bucket, "CHECKPOINTS") == 0)
        SC_FAULT("checkpoint.sent");
    return 0;
}

static void settle(struct sc_publisher *p, uint32_t index, enum sc_kv_result result)
{
    struct sc_kv_write *kv = p->slots[index].kv;
    sc_pub_accepted(p, index);
    atomic_fetch_add_explicit(result == SC_KV_OK ? &p->counts.kv_writes : &p->counts.kv_conflicts,
                              1, memory_order_relaxed);
    sc_pub_slot_free(p, index);
    sc_pub_return_kv(kv, result);
}

static bool is_ours(const struct sc_kv_write *kv, const struct sc_kv_entry *entry)
{
    return kv->purge
               ? entry->deleted
               : !entry->deleted && sc_str_eq(sc_buf_str(&kv->value), sc_buf_str(&entry->value));
}

int sc_pub_kv_look(struct sc_publisher *p, uint32_t index, struct sc_error *err)
{
    struct sc_pub_slot *slot = &p->slots[index];
    struct sc_kv_write *kv = slot->kv;
    struct sc_kv_entry entry = {0};
    int rc = sc_kv_get(p->session, kv->bucket, kv->key, &entry, err);
    if (rc > 0)
        entry.rev = SC_KV_REV_ABSENT;
    if (rc < 0) {
        rc = -1;
    } else if (rc == 0 && is_ours(kv, &entry)) {
        kv->rev = entry.rev;
        settle(p, index, SC_KV_OK);
    } else if (entry.rev == slot->floor) {
        rc = 1;
    } else {
        sc_buf_clear(&kv->current);
        sc_buf_add(&kv->current, entry.value.ptr, entry.value.len);
        kv->current_rev = entry.rev;
        settle(p, index, SC_KV_CONFLICT);
        rc = 0;
    }
    sc_kv_entry_done(&entry);
    return rc;
}

static void unsure(struct sc_publisher *p, uint32_t index, const char *why)
{
    p->slots[index].state = SC_PUB_UNKNOWN;
    p->unknown++;
    p->give_up = why;
}

/* Another revision stands there: another writer's, or our own first attempt's, whose
 * acknowledgement was lost. */
static void wrong_revision(struct sc_publisher *p, uint32_t index)
{
    struct sc_error err = SC_ERROR_INIT;
    int rc = sc_pub_kv_look(p, index, &err);
    if (rc < 0)
        unsure(p, index, "a key could not be read after a conflict");
    else if (rc > 0)
        sc_pub_refused(p, index, SC_REASON_BROKER_UNAVAILABLE,
                       "bucket %s refuses the revision that it shows", p->slots[index].kv->bucket);
}

void sc_pub_kv_ack(struct sc_publisher *p, uint32_t index, const struct sc_ack *ack)
{
    struct sc_kv_write *kv = p->slots[index].kv;
    switch ((enum sc_ack_kind)ack->kind) {
    case SC_ACK_STORED:
    case SC_ACK_DUPLICATE:
        kv->rev = ack->seq;
        settle(p, index, SC_KV_OK);
        break;
    case SC_ACK_ERROR:
        if (ack->err_code == SC_JS_WRONG_LAST_SEQ)
            wrong_revision(p, index);
        else
            sc_pub_refused(p, index, SC_REASON_STREAM_FULL, "bucket %s refuses writes: %.120s (%u)",
                           kv->bucket, ack->text ? ack->text : "no reason given", ack->err_code);
        break;
    case SC_ACK_NO_RESPONDERS:
        sc_pub_refused(p, index, SC_REASON_NO_STREAM, "bucket %s is missing", kv->bucket);
        break;
    case SC_ACK_STRANGE:
        unsure(p, index, "an acknowledgement could not be read");
        break;
    }
}
