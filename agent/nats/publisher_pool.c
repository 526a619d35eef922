/* What other threads call: batches and credits, facts and news. Everything here is guarded by the
 * publisher's lock, which is never held over anything that blocks. */
#include "nats/publisher_private.h"

#include <stdarg.h>

/* ---- facts and news ----------------------------------------------------------------------- */

/* Under the lock. */
static void tell(const struct sc_broker_facts *facts, struct sc_mailbox *box)
{
    struct sc_broker_news *news = malloc(sizeof *news);
    if (!news) {
        SC_SAY(SC_ERROR, "nats", "no memory to tell an io thread the broker's state");
        return;
    }
    news->mail = (struct sc_mail){.kind = SC_MAIL_BROKER};
    news->facts = *facts;
    sc_mailbox_return(box, &news->mail);
}

static void give_credits(struct sc_publisher *p)
{
    for (uint32_t i = 0; i < p->waiting_count; i++) {
        struct sc_credit *credit = p->waiting[i].credit;
        credit->mail.kind = SC_MAIL_CREDIT;
        sc_mailbox_return(p->waiting[i].home, &credit->mail);
    }
    p->waiting_count = 0;
}

void sc_pub_state(struct sc_publisher *p, enum sc_broker_state state, enum sc_reason reason,
                  const char *fmt, ...)
{
    char text[sizeof p->facts.text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);

    pthread_mutex_lock(&p->lock);
    struct sc_broker_facts *facts = &p->facts;
    bool moved = facts->state != state || facts->reason != reason;
    bool news = moved || facts->generation != p->generation;
    facts->state = state;
    facts->reason = reason;
    facts->generation = p->generation;
    facts->epoch = p->epoch;
    memcpy(facts->text, text, sizeof text);
    if (moved)
        facts->since_real_ms = sc_real_ms();
    if (news) {
        for (uint32_t i = 0; i < p->sink_count; i++)
            tell(facts, p->sinks[i]);
    }
    if (state == SC_BROKER_READY)
        give_credits(p);
    pthread_mutex_unlock(&p->lock);
}

void sc_pub_stream_facts(struct sc_publisher *p)
{
    const struct sc_stream_info *s = &p->stream;
    pthread_mutex_lock(&p->lock);
    struct sc_broker_facts *facts = &p->facts;
    memcpy(facts->stream, s->name, sizeof facts->stream);
    memcpy(facts->stream_created, s->created, sizeof facts->stream_created);
    facts->retention = s->retention;
    facts->discard_old_limits =
        !s->discard_new &&
        (s->max_msgs > 0 || s->max_bytes > 0 || s->max_age_ns > 0 || s->max_msgs_per_subject > 0);
    facts->duplicate_window_ms = s->duplicate_window_ns / 1000000;
    facts->max_payload = p->max_payload;
    facts->last_seq = s->last_seq;
    pthread_mutex_unlock(&p->lock);
}

void sc_publisher_facts(struct sc_publisher *p, struct sc_broker_facts *ret)
{
    pthread_mutex_lock(&p->lock);
    *ret = p->facts;
    pthread_mutex_unlock(&p->lock);
}

/* Room for one more element; false: out of memory. */
static bool grow(void **array, uint32_t count, uint32_t *cap, size_t size)
{
    if (count < *cap)
        return true;
    uint32_t wanted = *cap ? *cap * 2 : 8;
    void *grown = realloc(*array, wanted * size);
    if (!grown)
        return false;
    *array = grown;
    *cap = wanted;
    return true;
}

void sc_publisher_subscribe(struct sc_publisher *p, struct sc_mailbox *box)
{
    pthread_mutex_lock(&p->lock);
    void *sinks = p->sinks;
    bool room = grow(&sinks, p->sink_count, &p->sink_cap, sizeof(struct sc_mailbox *));
    p->sinks = sinks;
    if (room) {
        p->sinks[p->sink_count++] = box;
        tell(&p->facts, box);
    }
    pthread_mutex_unlock(&p->lock);
    if (!room)
        SC_SAY(SC_ERROR, "nats", "no memory for another io thread");
}

uint64_t sc_publisher_known_seq(const struct sc_publisher *p)
{
    return atomic_load_explicit(&p->known_seq, memory_order_acquire);
}

const struct sc_publisher_counts *sc_publisher_counts(const struct sc_publisher *p)
{
    return &p->counts;
}

/* ---- batches ------------------------------------------------------------------------------ */

static struct sc_batch *make_batch(uint32_t cap)
{
    struct sc_batch *batch = malloc(sizeof *batch);
    char *bytes = batch ? malloc(cap) : NULL;
    if (!bytes) {
        free(batch);
        return NULL;
    }
    batch->bytes = bytes;
    batch->cap = cap;
    return batch;
}

static void free_batch(struct sc_batch *batch)
{
    free(batch->bytes);
    free(batch);
}

/* Under the lock. One that is free, a new one while the pool is not complete, or a larger one
 * beyond it. */
static struct sc_batch *find_batch(struct sc_publisher *p, uint32_t need)
{
    struct sc_batch *batch = NULL;
    if (need > SC_BATCH_BYTES) {
        if (!p->large_out)
            batch = make_batch(need);
        p->large_out |= batch != NULL;
    } else if (p->free_batches) {
        batch = (struct sc_batch *)p->free_batches; /* mail is its first member */
        p->free_batches = p->free_batches->next;
    } else if (p->allocated < p->batches) {
        batch = make_batch(SC_BATCH_BYTES);
        p->allocated += batch != NULL;
    }
    return batch;
}

/* Under the lock. */
static void register_credit(struct sc_publisher *p, struct sc_mailbox *home,
                            struct sc_credit *credit)
{
    if (!credit || credit->waiting) /* registered, or its mail is not read yet */
        return;
    credit->waiting = true;
    void *waiting = p->waiting;
    if (grow(&waiting, p->waiting_count, &p->waiting_cap, sizeof *p->waiting)) {
        p->waiting = waiting;
        p->waiting[p->waiting_count++] = (struct sc_pub_waiting){credit, home};
    } else { /* comes back at once: trying again is all that is left */
        credit->mail.kind = SC_MAIL_CREDIT;
        sc_mailbox_return(home, &credit->mail);
    }
}

struct sc_batch *sc_publisher_batch(struct sc_publisher *p, struct sc_mailbox *home, uint32_t need,
                                    struct sc_credit *credit)
{
    struct sc_batch *batch = NULL;
    pthread_mutex_lock(&p->lock);
    if (!atomic_load(&p->stopping)) {
        if (p->facts.state == SC_BROKER_READY)
            batch = find_batch(p, need);
        if (!batch)
            register_credit(p, home, credit);
    }
    if (batch) {
        p->out++;
        batch->mail = (struct sc_mail){.kind = SC_MAIL_BATCH};
        batch->home = home;
        batch->owner = NULL;
        batch->page = 0;
        batch->generation = p->facts.generation;
        batch->stamp = NULL;
        batch->count = batch->used = 0;
        batch->sent = batch->settled = 0;
        batch->dropped = false;
    }
    pthread_mutex_unlock(&p->lock);
    return batch;
}

void sc_publisher_batch_put(struct sc_publisher *p, struct sc_batch *batch)
{
    struct sc_batch *spare = NULL;
    pthread_mutex_lock(&p->lock);
    assert(p->out > 0);
    p->out--;
    if (batch->cap > SC_BATCH_BYTES) {
        p->large_out = false;
        spare = batch;
    } else {
        batch->mail.next = p->free_batches;
        p->free_batches = &batch->mail;
    }
    if (p->facts.state == SC_BROKER_READY && !atomic_load(&p->stopping))
        give_credits(p);
    bool last = p->orphan && p->out == 0;
    pthread_mutex_unlock(&p->lock);
    if (spare)
        free_batch(spare);
    if (last)
        sc_pub_free(p);
}

/* Under the lock nothing is posted once `stopping` is set, so the thread's last look at its mailbox
 * sees everything. */
void sc_publisher_post(struct sc_publisher *p, struct sc_batch *batch)
{
    batch->mail.kind = SC_MAIL_BATCH;
    pthread_mutex_lock(&p->lock);
    if (atomic_load(&p->stopping)) {
        batch->dropped = true;
        sc_mailbox_return(batch->home, &batch->mail);
    } else {
        sc_mailbox_return(&p->box, &batch->mail);
    }
    pthread_mutex_unlock(&p->lock);
}

void sc_publisher_kv(struct sc_publisher *p, struct sc_kv_write *write)
{
    write->mail.kind = SC_MAIL_KV;
    pthread_mutex_lock(&p->lock);
    if (atomic_load(&p->stopping))
        sc_pub_return_kv(write, SC_KV_DROPPED);
    else
        sc_mailbox_return(&p->box, &write->mail);
    pthread_mutex_unlock(&p->lock);
}

uint32_t sc_publisher_batches(const struct sc_publisher *p)
{
    return p->batches;
}

void sc_pub_post_credits(struct sc_publisher *p)
{
    pthread_mutex_lock(&p->lock);
    if (p->facts.state == SC_BROKER_READY && (p->free_batches || p->allocated < p->batches))
        give_credits(p);
    pthread_mutex_unlock(&p->lock);
}

void sc_publisher_lease(struct sc_publisher *p, bool held, uint64_t epoch, enum sc_reason reason,
                        const char *detail)
{
    pthread_mutex_lock(&p->lock);
    p->lease.held = held;
    p->lease.epoch = epoch;
    p->lease.reason = reason;
    snprintf(p->lease.detail, sizeof p->lease.detail, "%s", detail ? detail : "");
    pthread_mutex_unlock(&p->lock);
    atomic_fetch_add(&p->lease_news, 1);
    sc_mailbox_poke(&p->box);
}

/* ---- the end ------------------------------------------------------------------------------ */

void sc_pub_free(struct sc_publisher *p)
{
    while (p->free_batches) {
        struct sc_batch *batch = (struct sc_batch *)p->free_batches;
        p->free_batches = p->free_batches->next;
        free_batch(batch);
    }
    for (int kind = 0; kind < SC_PUB_KINDS; kind++)
        free(p->again[kind].at);
    char *subject = NULL, *create_subject = NULL;
    memcpy(&subject, &p->config.subject, sizeof subject);
    memcpy(&create_subject, &p->config.create_subject, sizeof create_subject);
    free(subject);
    free(create_subject);
    sc_nats_config_free(p->nats);
    sc_wire_done(&p->wire);
    sc_buf_done(&p->kv_subject);
    free(p->slots);
    free(p->free_slots);
    free(p->find);
    free(p->sinks);
    free(p->waiting);
    sc_mailbox_done(&p->box);
    pthread_cond_destroy(&p->ended_cond);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void sc_pub_release(struct sc_publisher *p)
{
    pthread_mutex_lock(&p->lock);
    p->waiting_count = 0;
    p->orphan = true;
    bool last = p->out == 0;
    pthread_mutex_unlock(&p->lock);
    if (last)
        sc_pub_free(p);
}
