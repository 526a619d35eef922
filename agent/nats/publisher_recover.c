/* A new connection, or a new look over the old one: which stream takes the subject, is it the one
 * that we know, does it still hold what it acknowledged, and which of the messages with unknown
 * outcome stand in it. Nothing is sent a second time before this is answered. The publisher's
 * thread; blocks, in steps with a bound each. */
#include "nats/publisher_private.h"

#define STREAM_NAME         "DATA"
#define DUPLICATE_WINDOW_NS (120LL * 1000 * 1000 * 1000)
#define SHORT_WINDOW_MS     10000
#define LOOK_EVERY_MS       30000

/* ---- which stream ------------------------------------------------------------------------- */

static void later(struct sc_publisher *p)
{
    p->backoff_ms =
        p->backoff_ms < SC_PUB_BACKOFF_MIN_MS ? SC_PUB_BACKOFF_MIN_MS : p->backoff_ms * 2;
    if (p->backoff_ms > SC_PUB_BACKOFF_MAX_MS)
        p->backoff_ms = SC_PUB_BACKOFF_MAX_MS;
    p->retry_ms = sc_mono_ms() + p->backoff_ms;
}

/* A request failed. The connection is gone, or it stays and is asked again later. */
static void cannot(struct sc_publisher *p, const struct sc_error *err)
{
    if (!sc_session_alive(p->session)) {
        sc_pub_lose(p, SC_REASON_BROKER_UNAVAILABLE, "%s", err->text);
        return;
    }
    later(p);
    bool stalled = err->reason == SC_REASON_BROKER_STALLED ||
                   (p->outage.on && p->outage.reason == SC_REASON_BROKER_STALLED);
    sc_pub_state(p, SC_BROKER_DOWN,
                 stalled ? SC_REASON_BROKER_STALLED : SC_REASON_BROKER_UNAVAILABLE, "%s",
                 err->text);
}

/* As sc_stream_find(), and makes the stream when that is wanted. */
static int find_stream(struct sc_publisher *p, struct sc_stream_info *ret, struct sc_error *err)
{
    int rc = sc_stream_find(p->session, p->config.subject, ret, err);
    if (rc != 1 || !p->config.create)
        return rc;
    if (sc_stream_create(p->session, STREAM_NAME, p->config.create_subject, DUPLICATE_WINDOW_NS,
                         err))
        return -1;
    SC_SAY(SC_INFO, "nats", "created stream %s for %s", STREAM_NAME, p->config.create_subject);
    return sc_stream_find(p->session, p->config.subject, ret, err);
}

/* ---- the proof ---------------------------------------------------------------------------- */

/* 0: what was acknowledged is there, as far as can be known; 1: it is not; -1 + err. A sequence
 * that holds no message is a deletion (consumed, purged, limits), not a loss. */
void sc_publisher_prove(struct sc_publisher *p, uint64_t generation, uint64_t seq,
                        const char *msg_id)
{
    size_t len = strlen(msg_id);
    pthread_mutex_lock(&p->lock);
    bool newer = generation != p->told_generation || seq > p->told.seq;
    if (seq && newer && len < sizeof p->told.msg_id) {
        p->told_generation = generation;
        p->told.seq = seq;
        memcpy(p->told.msg_id, msg_id, len + 1);
    }
    pthread_mutex_unlock(&p->lock);
}

static int check_tail(struct sc_publisher *p, const struct sc_stream_info *info,
                      struct sc_error *err)
{
    /* The server counts sequences on from what it still has: what was known cannot lie behind it.
     */
    if (info->last_seq < atomic_load(&p->known_seq))
        return 1;
    pthread_mutex_lock(&p->lock);
    if (p->told_generation == p->generation && p->told.seq > p->proof.seq)
        p->proof = p->told;
    pthread_mutex_unlock(&p->lock);
    if (p->proof.seq == 0)
        return 0;
    struct sc_stored_msg msg = {0};
    char id[sizeof p->proof.msg_id] = "";
    int rc = sc_stream_get(p->session, info->name, p->proof.seq, NULL, &msg, err);
    if (rc == 0) {
        rc = !sc_stored_header(sc_buf_str(&msg.headers), "Nats-Msg-Id", id, sizeof id) ||
             strcmp(id, p->proof.msg_id) != 0;
    } else if (rc == 1) {
        rc = 0;
    }
    sc_stored_msg_done(&msg);
    return rc;
}

/* True: it is the stream that this generation knows, and whole. Else the generation has ended, or a
 * later attempt is due. */
static bool same_stream(struct sc_publisher *p, const struct sc_stream_info *info)
{
    struct sc_error err = SC_ERROR_INIT;
    if (strcmp(info->name, p->stream.name) != 0 || strcmp(info->created, p->stream.created) != 0) {
        sc_pub_end_generation(p, "the stream is another one than before");
        return false;
    }
    int lost = check_tail(p, info, &err);
    if (lost < 0)
        cannot(p, &err);
    else if (lost > 0)
        sc_pub_end_generation(p, "the stream has lost messages that it had acknowledged");
    return lost == 0;
}

static void adopt(struct sc_publisher *p, const struct sc_stream_info *info)
{
    bool first = !p->bound;
    p->stream = *info;
    p->stream_hash = sc_ack_stream_hash(sc_str_of(info->name));
    p->max_payload = sc_session_max_payload(p->session);
    if (info->max_msg_size > 0 && info->max_msg_size < p->max_payload)
        p->max_payload = info->max_msg_size;
    if (first)
        atomic_store(&p->known_seq, info->last_seq);
    else
        sc_pub_known(p, info->last_seq);
    p->bound = true;
    sc_pub_stream_facts(p);
    int64_t window_ms = info->duplicate_window_ns / 1000000;
    if (window_ms < SHORT_WINDOW_MS && !p->warned_window) {
        p->warned_window = true;
        SC_SAY(SC_WARN, "nats",
               "stream %s remembers message ids for %" PRId64
               " ms only: what still lies in a broken connection may be stored twice; 10 s or more "
               "is advised",
               info->name, window_ms);
    }
}

/* ---- the read-back ------------------------------------------------------------------------ */

struct pass {
    struct sc_publisher *p;
    uint32_t found;
};

static const char *msg_id_of(const struct sc_pub_slot *slot)
{
    return slot->batch->bytes + slot->batch->records[slot->record].msg_id_at;
}

static uint32_t hash_id(struct sc_str id)
{
    return sc_ack_stream_hash(id);
}

/* Enters the unknown records by message id. Number of them; *ret_floor is the lowest. */
static uint32_t index_unknown(struct sc_publisher *p, uint64_t *ret_floor)
{
    uint32_t count = 0;
    memset(p->find, 0, (p->find_mask + 1) * sizeof *p->find);
    for (uint32_t i = 0; i < p->window; i++) {
        const struct sc_pub_slot *slot = &p->slots[i];
        if (slot->state != SC_PUB_UNKNOWN || slot->kind != SC_PUB_RECORD)
            continue;
        uint32_t at = hash_id(sc_str_of(msg_id_of(slot))) & p->find_mask;
        while (p->find[at])
            at = (at + 1) & p->find_mask;
        p->find[at] = i + 1;
        if (count++ == 0 || slot->floor < *ret_floor)
            *ret_floor = slot->floor;
    }
    return count;
}

static int found(void *arg, uint64_t seq, struct sc_str msg_id, struct sc_str headers)
{
    struct pass *pass = arg;
    struct sc_publisher *p = pass->p;
    (void)headers;
    sc_pub_known(p, seq);
    if (msg_id.len == 0)
        return 0;
    for (uint32_t at = hash_id(msg_id) & p->find_mask; p->find[at]; at = (at + 1) & p->find_mask) {
        uint32_t index = p->find[at] - 1;
        struct sc_pub_slot *slot = &p->slots[index];
        /* entries stay after they were found, so that others behind them are still reached */
        if (slot->state != SC_PUB_UNKNOWN || slot->kind != SC_PUB_RECORD ||
            !sc_str_is(msg_id, msg_id_of(slot)))
            continue;
        sc_pub_prove(p, seq, msg_id_of(slot));
        sc_pub_settle(p, slot->batch, slot->record, SC_RECORD_FOUND, seq, false);
        sc_pub_slot_free(p, index);
        p->unknown--;
        pass->found++;
    }
    return 0;
}

static int progress(void *arg, uint64_t at_seq, uint64_t to)
{
    struct pass *pass = arg;
    struct sc_publisher *p = pass->p;
    if (sc_pub_interrupted(p))
        return -1;
    sc_pub_state(p, SC_BROKER_DOWN, p->outage.on ? p->outage.reason : SC_REASON_BROKER_UNAVAILABLE,
                 "reading back what was stored: at %" PRIu64 " of %" PRIu64, at_seq, to);
    return 0;
}

static void send_again(struct sc_publisher *p, enum sc_pub_kind kind)
{
    for (uint32_t i = 0; i < p->window; i++) {
        if (p->slots[i].state != SC_PUB_UNKNOWN || p->slots[i].kind != kind)
            continue;
        p->unknown--;
        sc_pub_again(p, i);
    }
}

static void say_result(struct sc_publisher *p, const struct sc_readback *job, uint32_t count,
                       uint32_t found_count)
{
    uint32_t rest = count - found_count;
    SC_SAY(SC_INFO, "nats", "read back %" PRIu64 " messages, %u of ours found, %u sent again",
           job->seen, found_count, rest);
    if (rest == 0 || (!job->by_get && !job->floor_gone))
        return;
    snprintf(p->note, sizeof p->note, "%u records were sent again without certainty: %s", rest,
             job->by_get ? "the stream shows only what is not consumed yet"
                         : "the stream no longer holds what it had stored meanwhile");
    SC_SAY(SC_WARN, "nats", "%s", p->note);
}

static int recover_records(struct sc_publisher *p, struct sc_error *err)
{
    uint64_t floor = 0;
    uint32_t count = index_unknown(p, &floor);
    if (count == 0)
        return 0;
    struct pass pass = {.p = p};
    struct sc_readback job = {
        .from = floor,
        .to = p->stream.last_seq,
        .stream = p->stream.name,
        .subject = p->config.subject,
        .arg = &pass,
        .message = found,
        .progress = progress,
    };
    if (job.to > job.from && sc_stream_readback(p->session, &job, err))
        return -1;
    atomic_fetch_add_explicit(&p->counts.found, pass.found, memory_order_relaxed);
    say_result(p, &job, count, pass.found);
    send_again(p, SC_PUB_RECORD);
    return 0;
}

static int recover_kv(struct sc_publisher *p, struct sc_error *err)
{
    for (uint32_t i = 0; i < p->window; i++) {
        if (p->slots[i].state != SC_PUB_UNKNOWN || p->slots[i].kind != SC_PUB_KV)
            continue;
        if (sc_pub_interrupted(p))
            return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "interrupted");
        struct sc_error why = SC_ERROR_INIT;
        int rc = sc_pub_kv_look(p, i, &why);
        if (rc < 0 && why.reason != SC_REASON_NO_STREAM)
            return sc_fail(err, why.reason, "%s", why.text);
        p->unknown--;
        if (rc != 0) /* not written, or no bucket: then it is refused as missing, and said so */
            sc_pub_again(p, i);
    }
    return 0;
}

/* ---- together ----------------------------------------------------------------------------- */

static bool find_and_prove(struct sc_publisher *p)
{
    struct sc_stream_info info = {0};
    struct sc_error err = SC_ERROR_INIT;
    int rc = find_stream(p, &info, &err);
    if (rc < 0) {
        cannot(p, &err);
        return false;
    }
    if (rc > 0) {
        later(p);
        sc_pub_state(p, SC_BROKER_DOWN, SC_REASON_NO_STREAM, "no stream takes %s",
                     p->config.subject);
        return false;
    }
    if (info.no_ack) {
        later(p);
        sc_pub_state(p, SC_BROKER_DOWN, SC_REASON_STREAM_REFUSED,
                     "stream %s is set to no_ack: it would not tell what it stored", info.name);
        return false;
    }
    if (p->bound && !same_stream(p, &info))
        return false;
    adopt(p, &info);
    return true;
}

bool sc_pub_bind(struct sc_publisher *p)
{
    struct sc_error err = SC_ERROR_INIT;
    if (!find_and_prove(p) || sc_pub_interrupted(p))
        return false;
    if (p->unknown && (recover_records(p, &err) || recover_kv(p, &err))) {
        if (!sc_pub_interrupted(p))
            cannot(p, &err);
        return false;
    }
    p->backoff_ms = 0;
    p->look_ms = sc_mono_ms() + LOOK_EVERY_MS;
    return true;
}
