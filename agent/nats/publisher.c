/* The publisher's thread: mailbox, lease, connection, sending; start and stop. See publisher.h for
 * the contract and publisher_private.h for the way of a message and for the other files.
 *
 * A turn of the loop never sleeps in the middle: it takes what there is (mail, acknowledgements,
 * lease news), moves on by one phase where it can, sends while the window has room, and then waits
 * for any of these or for a time. Connecting, binding and reading back block this thread only;
 * whoever holds the lease is known by the fence all the same, which is looked at before each
 * message. */
#include "nats/publisher_private.h"

#include <signal.h>
#include <stdarg.h>

#define BATCHES_MIN            4
#define CONNECT_BACKOFF_MIN_MS 200
#define CONNECT_BACKOFF_MAX_MS 5000
#define TRY_MS                 1000 /* for the message to ourselves */
#define IDLE_MS                1000
#define FENCED_MS              100
#define GATHER_MS              2  /* how long a few acknowledgements may wait for more */
#define GATHER_FROM            16 /* in flight */

/* ---- the end of a connection, the end of a generation ------------------------------------- */

static void close_session(struct sc_publisher *p)
{
    struct sc_session *session = p->session;
    p->link = sc_link_close(p->link, session);
    pthread_mutex_lock(&p->lock);
    p->session = NULL;
    pthread_mutex_unlock(&p->lock);
    sc_session_close(session);
    p->give_up = NULL;
    p->no_responders = false;
}

static void fly_to_unknown(struct sc_publisher *p)
{
    for (uint32_t i = 0; i < p->window; i++) {
        if (p->slots[i].state == SC_PUB_FLYING) {
            p->slots[i].state = SC_PUB_UNKNOWN;
            p->unknown++;
        }
    }
    p->flying = 0;
}

static void begin_outage(struct sc_publisher *p, enum sc_reason reason)
{
    if (p->outage.on)
        return;
    p->outage.on = true;
    p->outage.reason = reason;
    p->outage.since_mono_ms = sc_mono_ms();
    p->outage.since_real_ms = sc_real_ms();
    p->outage.unacknowledged = p->unknown;
    p->note[0] = '\0';
}

/* State of an outage: what is wrong, since when, how much hangs on it. */
static void say_down(struct sc_publisher *p, enum sc_reason reason, const char *what)
{
    char since[SC_TIME_TEXT];
    int64_t now = sc_real_ms();
    sc_time_short(p->outage.on ? p->outage.since_real_ms : now, now, since);
    if (p->unknown)
        sc_pub_state(p, SC_BROKER_DOWN, reason,
                     "%s; since %s, %u records and writes wait for their acknowledgement, the rest "
                     "waits at the vendors, none is lost",
                     what, since, p->unknown);
    else
        sc_pub_state(p, SC_BROKER_DOWN, reason,
                     "%s; since %s, what is new waits at the vendors, nothing is lost", what,
                     since);
}

void sc_pub_lose(struct sc_publisher *p, enum sc_reason reason, const char *fmt, ...)
{
    char what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);

    if (p->link) {
        sc_link_detach(p->link);
        if (!p->give_up) /* what came in before the end still counts */
            sc_pub_take_acks(p);
    }
    fly_to_unknown(p);
    close_session(p);
    sc_pub_gates_open(p);
    begin_outage(p, reason);
    p->phase = SC_PUB_CONNECT;
    p->backoff_ms = CONNECT_BACKOFF_MIN_MS;
    p->retry_ms = sc_mono_ms() + p->backoff_ms;
    say_down(p, reason, what);
    SC_SAY(SC_WARN, "nats", "connection given up with %u messages unacknowledged: %s", p->unknown,
           what);
}

/* Marks the batch as dropped and puts it on the list, unless it is there already. */
static void collect(struct sc_batch *batch, struct sc_batch **list, uint32_t *count)
{
    if (batch->dropped)
        return;
    batch->dropped = true;
    batch->mail.next = (struct sc_mail *)*list;
    *list = batch;
    (*count)++;
}

static void drop_all(struct sc_publisher *p, uint32_t *ret_batches, uint32_t *ret_writes)
{
    struct sc_batch *list = NULL;
    *ret_batches = *ret_writes = 0;
    while (p->first_batch) { /* those not wholly sent first: the slots may name them too */
        struct sc_mail *mail = p->first_batch;
        p->first_batch = mail->next;
        collect((struct sc_batch *)mail, &list, ret_batches);
    }
    p->last_batch = &p->first_batch;
    for (uint32_t i = 0; i < p->window; i++) {
        struct sc_pub_slot *slot = &p->slots[i];
        if (slot->state == SC_PUB_FREE)
            continue;
        if (slot->kind == SC_PUB_KV) {
            sc_pub_return_kv(slot->kv, SC_KV_DROPPED);
            (*ret_writes)++;
        } else {
            collect(slot->batch, &list, ret_batches);
        }
        sc_pub_slot_free(p, i);
    }
    while (p->first_kv) {
        struct sc_mail *mail = p->first_kv;
        p->first_kv = mail->next;
        sc_pub_return_kv((struct sc_kv_write *)mail, SC_KV_DROPPED);
        (*ret_writes)++;
    }
    p->last_kv = &p->first_kv;
    while (list) {
        struct sc_batch *batch = list;
        list = (struct sc_batch *)batch->mail.next;
        sc_pub_return_batch(p, batch);
    }
    for (int kind = 0; kind < SC_PUB_KINDS; kind++)
        sc_pub_queue_clear(&p->again[kind]);
    p->flying = p->unknown = 0;
}

void sc_pub_end_generation(struct sc_publisher *p, const char *why)
{
    uint32_t batches, writes;
    close_session(p);
    drop_all(p, &batches, &writes);
    sc_pub_gates_open(p);
    p->generation++;
    p->bound = false;
    p->proof.seq = 0;
    p->note[0] = '\0';
    p->phase = SC_PUB_CONNECT;
    p->backoff_ms = 0;
    p->retry_ms = sc_mono_ms();
    sc_pub_state(p, SC_BROKER_DOWN, SC_REASON_STARTING, "beginning again from the checkpoints: %s",
                 why);
    SC_SAY(SC_WARN, "nats",
           "%s: %u batches and %u writes in flight go back, everything begins again from the "
           "checkpoints",
           why, batches, writes);
}

/* ---- lease and fence ---------------------------------------------------------------------- */

static bool lease_changed(const struct sc_publisher *p, uint32_t seen)
{
    return atomic_load(&p->lease_news) != seen;
}

bool sc_pub_interrupted(struct sc_publisher *p)
{
    if (lease_changed(p, p->lease_seen) || !sc_pub_fence_open(p))
        return true;
    if (!atomic_load(&p->stopping))
        return false;
    pthread_mutex_lock(&p->lock);
    bool late = sc_mono_ms() >= p->stop_at_ms;
    pthread_mutex_unlock(&p->lock);
    return late;
}

/* Not renewed in time. Perhaps it will be, under the same epoch: then nobody else had it, and the
 * generation goes on. */
void sc_pub_fence_closed(struct sc_publisher *p)
{
    static const char what[] =
        "the lease was not renewed in time: NATS does not answer, or this process stood still";
    if (p->session)
        sc_pub_lose(p, SC_REASON_BROKER_STALLED, "%s", what);
    p->phase = SC_PUB_FENCED;
    say_down(p, SC_REASON_BROKER_STALLED, what);
}

static void take_lease_news(struct sc_publisher *p)
{
    char detail[sizeof p->lease.detail];
    p->lease_seen = atomic_load(&p->lease_news);
    pthread_mutex_lock(&p->lock);
    bool held = p->lease.held;
    uint64_t epoch = p->lease.epoch;
    enum sc_reason reason = p->lease.reason;
    memcpy(detail, p->lease.detail, sizeof detail);
    pthread_mutex_unlock(&p->lock);

    if (p->held && (!held || epoch != p->epoch))
        sc_pub_end_generation(p, held ? "the lease was taken anew" : "the lease was lost");
    if (held && !p->held) {
        p->phase = SC_PUB_CONNECT;
        p->backoff_ms = 0;
        p->retry_ms = sc_mono_ms();
    }
    bool taken = held && (!p->held || epoch != p->epoch);
    p->held = held;
    if (taken) {
        p->epoch = epoch;
        sc_pub_state(p, SC_BROKER_DOWN, SC_REASON_STARTING, "connecting to NATS");
    } else if (!held) {
        p->phase = SC_PUB_HOLD;
        p->outage.on = false;
        sc_pub_state(p, SC_BROKER_DOWN, reason ? reason : SC_REASON_LEASE_HELD, "%s",
                     detail[0] ? detail : "another agent holds the lease");
    }
}

static void check_fence(struct sc_publisher *p)
{
    if (p->phase == SC_PUB_FENCED) {
        if (!sc_pub_fence_open(p))
            return;
        p->phase = SC_PUB_CONNECT;
        p->backoff_ms = 0;
        p->retry_ms = sc_mono_ms();
    } else if (p->phase > SC_PUB_FENCED && !sc_pub_fence_open(p)) {
        sc_pub_fence_closed(p);
    }
}

/* ---- connecting --------------------------------------------------------------------------- */

/* On a thread of the library. */
static void on_lost(void *arg)
{
    struct sc_publisher *p = arg;
    atomic_store(&p->lost, true);
    sc_mailbox_poke(&p->box);
}

static void connect_failed(struct sc_publisher *p, const struct sc_error *err)
{
    enum sc_reason reason = sc_reason_class(err->reason) == SC_CLASS_BROKER
                                ? err->reason
                                : SC_REASON_BROKER_UNAVAILABLE;
    begin_outage(p, reason);
    say_down(p, reason, err->text);
    SC_SAY(SC_WARN, "nats", "%s", err->text);
    p->backoff_ms =
        p->backoff_ms < CONNECT_BACKOFF_MIN_MS ? CONNECT_BACKOFF_MIN_MS : p->backoff_ms * 2;
    if (p->backoff_ms > CONNECT_BACKOFF_MAX_MS)
        p->backoff_ms = CONNECT_BACKOFF_MAX_MS;
    p->retry_ms = sc_mono_ms() + p->backoff_ms;
}

static void try_connect(struct sc_publisher *p)
{
    struct sc_error err = SC_ERROR_INIT;
    atomic_store(&p->lost, false);
    struct sc_session *session = sc_session_open(p->nats, "publisher", on_lost, p, &err);
    if (!session) {
        connect_failed(p, &err);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->session = session;
    pthread_mutex_unlock(&p->lock);
    p->link = sc_link_open(session, p->window, &p->box, &err);
    if (!p->link) {
        close_session(p);
        connect_failed(p, &err);
        return;
    }
    if (!p->wire.packed)
        p->wire.packed = sc_wire_try(session, TRY_MS);
    if (p->connected_before)
        atomic_fetch_add_explicit(&p->counts.reconnects, 1, memory_order_relaxed);
    p->connected_before = true;
    p->phase = SC_PUB_BIND;
    p->backoff_ms = 0;
    p->retry_ms = sc_mono_ms();
}

static void begin_run(struct sc_publisher *p, bool looked)
{
    bool shut = p->gates[SC_PUB_RECORD].shut || p->gates[SC_PUB_KV].shut;
    uint64_t unused;
    p->phase = SC_PUB_RUN;
    sc_log_over(&(const struct sc_log_cx){.component = "nats"}, &unused);
    if (p->outage.on && shut) {
        p->outage.on = false; /* what is refused is told by its gate */
    } else if (p->outage.on) {
        char duration[SC_TIME_TEXT];
        sc_duration_text(sc_mono_ms() - p->outage.since_mono_ms, duration);
        SC_SAY(SC_INFO, "nats",
               "publishing to stream %s again after %s; %u messages had been unacknowledged",
               p->stream.name, duration, p->outage.unacknowledged);
        p->outage.on = false;
    } else if (!looked) {
        SC_SAY(SC_INFO, "nats", "publishing to stream %s, last sequence %" PRIu64, p->stream.name,
               p->stream.last_seq);
    }
    sc_pub_run_state(p);
}

/* ---- the loop ----------------------------------------------------------------------------- */

static void take_batch(struct sc_publisher *p, struct sc_batch *batch)
{
    if (batch->generation != p->generation || batch->count == 0) {
        batch->dropped = batch->generation != p->generation;
        sc_pub_return_batch(p, batch);
        return;
    }
    sc_wire_forget(&p->wire, batch);
    batch->mail.next = NULL;
    *p->last_batch = &batch->mail;
    p->last_batch = &batch->mail.next;
}

static void take_mail(struct sc_publisher *p, struct sc_mail *mail)
{
    while (mail) {
        struct sc_mail *next = mail->next;
        if (mail->kind == SC_MAIL_BATCH) {
            take_batch(p, (struct sc_batch *)mail);
        } else {
            struct sc_kv_write *kv = (struct sc_kv_write *)mail;
            if (kv->generation != p->generation) {
                sc_pub_return_kv(kv, SC_KV_DROPPED);
            } else {
                mail->next = NULL;
                *p->last_kv = mail;
                p->last_kv = &mail->next;
            }
        }
        mail = next;
    }
}

/* A message without permission is swallowed: no acknowledgement would ever come. What was in flight
 * is read back, what follows waits for a probe.
 */
static void denied(struct sc_publisher *p, const char *words)
{
    enum sc_pub_kind kind = strstr(words, p->config.subject) ? SC_PUB_RECORD : SC_PUB_KV;
    if (kind == SC_PUB_KV && !strstr(words, "$KV."))
        return; /* a request's, and told with it */
    int64_t backoff_ms = p->gates[kind].shut ? 2 * p->gates[kind].backoff_ms : 0;
    char why[256];
    snprintf(why, sizeof why,
             "NATS refuses us for lack of permission: %.120s; grant it to the agent's user", words);
    sc_pub_lose(p, SC_REASON_BROKER_UNAVAILABLE, "%s", why);
    sc_pub_shut(p, kind, why, backoff_ms);
}

/* Acknowledgements, and whatever speaks against the connection. */
static void watch_connection(struct sc_publisher *p)
{
    char words[200];
    p->acks_last = p->link ? sc_pub_take_acks(p) : 0;
    atomic_store_explicit(&p->counts.waits_since_ms, p->flying ? p->progress_ms : 0,
                          memory_order_relaxed);
    if (!p->session)
        return;
    if (p->flying && sc_session_denied(p->session, words, sizeof words))
        denied(p, words);
    if (!p->session)
        return;
    if (p->give_up) {
        sc_pub_lose(p, SC_REASON_BROKER_UNAVAILABLE, "%s", p->give_up);
    } else if (sc_link_overrun(p->link)) {
        sc_pub_lose(p, SC_REASON_BROKER_UNAVAILABLE,
                    "more acknowledgements came than messages were sent");
    } else if (atomic_exchange(&p->lost, false) && !sc_session_alive(p->session)) {
        sc_pub_lose(p, SC_REASON_BROKER_UNAVAILABLE, "the connection to NATS was lost");
    } else if (p->flying && sc_mono_ms() - p->progress_ms >= p->config.stall_ms) {
        char duration[SC_TIME_TEXT];
        atomic_fetch_add_explicit(&p->counts.stalls, 1, memory_order_relaxed);
        sc_pub_lose(
            p, SC_REASON_BROKER_STALLED,
            "NATS is connected, but no acknowledgement came for %s: it hangs, or its disk is full",
            sc_duration_text(p->config.stall_ms, duration));
    } else if (p->no_responders) {
        p->no_responders = false;
        begin_outage(p, SC_REASON_NO_STREAM);
        p->phase = SC_PUB_BIND;
        p->backoff_ms = 0;
        p->retry_ms = sc_mono_ms();
        sc_pub_state(p, SC_BROKER_DOWN, SC_REASON_NO_STREAM, "no stream takes %s any more",
                     p->config.subject);
    }
}

static void look_after_credits(struct sc_publisher *p)
{
    int64_t now = sc_mono_ms();
    if (now < p->credit_ms)
        return;
    p->credit_ms = now + IDLE_MS;
    sc_pub_post_credits(p);
}

/* True: there is more to send at once. */
static bool turn(struct sc_publisher *p)
{
    if (lease_changed(p, p->lease_seen))
        take_lease_news(p);
    check_fence(p);
    watch_connection(p);
    look_after_credits(p);
    if (p->phase == SC_PUB_CONNECT && sc_mono_ms() >= p->retry_ms && !sc_pub_interrupted(p))
        try_connect(p);
    bool look = p->phase == SC_PUB_RUN && sc_mono_ms() >= p->look_ms;
    if (look)
        p->phase = SC_PUB_BIND; /* is it still the same stream? */
    if (p->phase == SC_PUB_BIND && (look || sc_mono_ms() >= p->retry_ms) &&
        !sc_pub_interrupted(p) && sc_pub_bind(p))
        begin_run(p, look);
    return p->phase == SC_PUB_RUN && sc_pub_send_some(p);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How long nothing can happen by itself. */
static int64_t rest_ms(const struct sc_publisher *p)
{
    int64_t now = sc_mono_ms(), due = now + IDLE_MS;
    if (p->phase == SC_PUB_FENCED)
        due = now + FENCED_MS;
    if (p->phase == SC_PUB_CONNECT || p->phase == SC_PUB_BIND)
        due = least(due, p->retry_ms);
    if (p->flying)
        due = least(due, p->progress_ms + p->config.stall_ms);
    for (int kind = 0; kind < SC_PUB_KINDS; kind++) {
        if (p->phase == SC_PUB_RUN && p->gates[kind].shut && p->gates[kind].probe < 0)
            due = least(due, p->gates[kind].next_ms);
    }
    return due > now ? due - now : 0;
}

/* Acknowledgements come in bursts; while they do, one wake-up serves many of them. */
static struct sc_mail *rest(struct sc_publisher *p)
{
    int64_t timeout_ms = rest_ms(p);
    uint32_t wake_at = 1;
    if (p->acks_last && p->flying >= GATHER_FROM) {
        wake_at = p->flying / 4;
        timeout_ms = least(timeout_ms, GATHER_MS);
    }
    if (p->link && !sc_link_sleep(p->link, wake_at))
        return sc_mailbox_take(&p->box);
    struct sc_mail *mail = sc_mailbox_wait(&p->box, timeout_ms);
    if (p->link)
        sc_link_awake(p->link);
    return mail;
}

static bool finished(struct sc_publisher *p)
{
    if (p->free_count == p->window && !p->first_batch && !p->first_kv)
        return true;
    pthread_mutex_lock(&p->lock);
    bool late = sc_mono_ms() >= p->stop_at_ms;
    pthread_mutex_unlock(&p->lock);
    return late;
}

static void *run(void *arg)
{
    struct sc_publisher *p = arg;
    bool more = false, stopping;
    do {
        stopping =
            atomic_load(&p->stopping); /* before the mail is taken: nothing is posted after it */
        take_mail(p, more || (stopping && finished(p)) ? sc_mailbox_take(&p->box) : rest(p));
        more = turn(p);
    } while (!stopping || !finished(p));
    uint32_t batches, writes;
    take_mail(p, sc_mailbox_take(&p->box));
    close_session(p);
    drop_all(p, &batches, &writes);
    if (batches || writes)
        SC_SAY(SC_WARN, "nats", "stopped with %u batches and %u writes not confirmed", batches,
               writes);
    pthread_mutex_lock(&p->lock);
    p->ended = true;
    pthread_cond_signal(&p->ended_cond);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- start and stop ----------------------------------------------------------------------- */

static bool make_slots(struct sc_publisher *p)
{
    uint32_t find = 4;
    while (find < 2 * p->window)
        find *= 2;
    p->find_mask = find - 1;
    p->find = calloc(find, sizeof *p->find);
    p->slots = calloc(p->window, sizeof *p->slots);
    p->free_slots = calloc(p->window, sizeof *p->free_slots);
    bool ok = p->find && p->slots && p->free_slots;
    for (int kind = 0; kind < SC_PUB_KINDS; kind++)
        ok &= sc_pub_queue_init(&p->again[kind], p->window) == 0;
    for (uint32_t i = 0; ok && i < p->window; i++)
        p->free_slots[p->free_count++] = p->window - 1 - i;
    return ok;
}

static struct sc_publisher *make(const struct sc_publisher_config *config)
{
    struct sc_publisher *p = calloc(1, sizeof *p);
    pthread_condattr_t attr;
    if (!p)
        return NULL;
    p->config = *config;
    p->nats = sc_nats_config_dup(config->nats);
    p->config.nats = p->nats;
    p->config.subject = sc_dup(config->subject);
    p->config.create_subject = config->create_subject ? sc_dup(config->create_subject) : NULL;
    p->window = config->window_messages ? config->window_messages : 1;
    if (p->window > SC_ACK_SLOTS_MAX)
        p->window = SC_ACK_SLOTS_MAX;
    p->batches = config->window_bytes / SC_BATCH_BYTES;
    if (p->batches < BATCHES_MIN)
        p->batches = BATCHES_MIN;
    p->generation = p->facts.generation = 1;
    p->facts.reason = SC_REASON_STARTING;
    p->facts.since_real_ms = sc_real_ms();
    snprintf(p->facts.text, sizeof p->facts.text, "waiting for the lease");
    p->last_batch = &p->first_batch;
    p->last_kv = &p->first_kv;
    sc_pub_gates_open(p);
    sc_mailbox_init(&p->box, UINT32_MAX, NULL, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->ended_cond, &attr);
    pthread_condattr_destroy(&attr);
    if (make_slots(p) && p->nats && p->config.subject &&
        (!config->create_subject || p->config.create_subject))
        return p;
    sc_pub_free(p);
    return NULL;
}

struct sc_publisher *sc_publisher_start(const struct sc_publisher_config *config,
                                        struct sc_error *err)
{
    struct sc_publisher *p = make(config);
    if (!p) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for the publisher");
        return NULL;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(&p->thread, NULL, run, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "no thread for the publisher: %s", strerror(rc));
        sc_pub_free(p);
        return NULL;
    }
    pthread_setname_np(p->thread, "publisher");
    return p;
}

struct sc_publisher *sc_publisher_stop(struct sc_publisher *p, int64_t timeout_ms)
{
    if (!p)
        return NULL;
    pthread_mutex_lock(&p->lock);
    p->stop_at_ms = sc_mono_ms() + timeout_ms;
    atomic_store(&p->stopping, true);
    pthread_mutex_unlock(&p->lock);
    sc_mailbox_poke(&p->box);

    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&p->lock);
    int rc = 0;
    while (!p->ended && rc == 0)
        rc = pthread_cond_timedwait(&p->ended_cond, &p->lock, &until);
    if (!p->ended && p->session)
        sc_session_abort(p->session); /* ends a request that the thread may be waiting for */
    pthread_mutex_unlock(&p->lock);
    sc_mailbox_poke(&p->box);
    pthread_join(p->thread, NULL);
    sc_pub_release(p);
    return NULL;
}
