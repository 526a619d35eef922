#include "poll/status_writer.h"

#include "base/clock.h"
#include "base/log.h"
#include <stdlib.h>

#define BUCKET "INTEGRATION_STATUS"

struct entry { /* one integration; lives until the writer ends */
    struct entry *next;
    char *key;
    char *json;      /* newest text that is not written yet */
    bool waits, remove;
    bool known;      /* rev is what stands there */
    uint64_t rev;
};

struct sc_status_writer {
    const struct sc_nats_config *nats;
    const struct sc_fence *fence;
    struct sc_mailbox box;
    pthread_t thread;
    struct entry *entries;
    _Atomic int stop; /* 1: write what waits; 2: at once */
    int64_t stop_at;
};

struct post {
    struct sc_mail mail;
    char *key, *json;
};

static struct entry *entry_of(struct sc_status_writer *w, const char *key)
{
    for (struct entry *e = w->entries; e; e = e->next) {
        if (strcmp(e->key, key) == 0)
            return e;
    }
    struct entry *e = calloc(1, sizeof *e);
    if (!e || !(e->key = sc_dup(key))) {
        free(e);
        return NULL;
    }
    e->next = w->entries;
    w->entries = e;
    return e;
}

static void take_in(struct sc_status_writer *w, struct sc_mail *mail)
{
    while (mail) {
        struct post *post = (struct post *)mail;
        struct entry *e = entry_of(w, post->key);
        mail = mail->next;
        if (e) {
            free(e->json);
            e->json = post->json;
            e->remove = !post->json;
            e->waits = true;
            post->json = NULL;
        }
        free(post->json);
        free(post->key);
        free(post);
    }
}

static bool holds_lease(const struct sc_status_writer *w)
{
    return sc_boot_ms() < atomic_load_explicit(&w->fence->valid_until_boot_ms, memory_order_acquire);
}

static int learn_rev(struct sc_session *session, struct entry *e, struct sc_error *err)
{
    struct sc_kv_entry found = {0};
    int rc = sc_kv_get(session, BUCKET, e->key, &found, err);
    e->rev = rc == 0 ? found.rev : SC_KV_REV_ABSENT;
    e->known = rc >= 0;
    sc_kv_entry_done(&found);
    return rc < 0 ? -1 : 0;
}

static int write_one(struct sc_session *session, struct entry *e, struct sc_error *err)
{
    for (int attempt = 0; attempt < 3; attempt++) {
        if (!e->known && learn_rev(session, e, err))
            return -1;
        if (e->remove && e->rev == SC_KV_REV_ABSENT)
            return 0;
        int rc = sc_kv_put(session, BUCKET, e->key, e->remove ? NULL : e->json, e->remove ? 0 : strlen(e->json), e->rev, &e->rev, err);
        if (rc <= 0) {
            e->known = rc == 0;
            return rc;
        }
        e->known = false; /* another revision stands there: read it, we hold the lease */
    }
    return 0;
}

static int write_waiting(struct sc_status_writer *w, struct sc_session *session, struct sc_error *err)
{
    for (struct entry *e = w->entries; e; e = e->next) {
        if (!e->waits)
            continue;
        if (!holds_lease(w))
            return 0;
        if (write_one(session, e, err))
            return -1;
        e->waits = false;
        free(e->json);
        e->json = NULL;
    }
    return 0;
}

static bool any_waits(const struct sc_status_writer *w)
{
    for (const struct entry *e = w->entries; e; e = e->next) {
        if (e->waits)
            return true;
    }
    return false;
}

static void *loop(void *arg)
{
    struct sc_status_writer *w = arg;
    struct sc_session *session = NULL;
    int64_t back_off = 200;
    bool ensured = false;
    pthread_setname_np(pthread_self(), "sc-status");
    while (atomic_load(&w->stop) != 2) {
        struct sc_error err = SC_ERROR_INIT;
        int64_t wait = any_waits(w) ? back_off : 1000;
        take_in(w, sc_mailbox_wait(&w->box, atomic_load(&w->stop) ? 0 : wait));
        if (atomic_load(&w->stop) && !any_waits(w))
            break;
        if (!any_waits(w) || !holds_lease(w))
            goto pause;
        if (!session || !sc_session_alive(session)) {
            sc_session_close(session);
            session = sc_session_open(w->nats, "status", NULL, NULL, &err);
        }
        if (session && !ensured)
            ensured = sc_kv_ensure(session, BUCKET, 1, NULL, &err) == 0;
        if (session && ensured && write_waiting(w, session, &err) == 0) {
            back_off = 200;
            continue;
        }
        for (struct entry *e = w->entries; e; e = e->next)
            e->known = false;
        ensured = false;
        back_off = back_off * 2 > 5000 ? 5000 : back_off * 2;
    pause:
        if (atomic_load(&w->stop) && sc_mono_ms() > w->stop_at)
            break;
    }
    sc_session_close(session);
    return NULL;
}

struct sc_status_writer *sc_status_writer_start(const struct sc_nats_config *nats, const struct sc_fence *fence, struct sc_error *err)
{
    struct sc_status_writer *w = calloc(1, sizeof *w);
    if (!w || sc_mailbox_init(&w->box, 65536, NULL, NULL)) {
        free(w);
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for the status writer");
        return NULL;
    }
    w->nats = nats;
    w->fence = fence;
    if (pthread_create(&w->thread, NULL, loop, w)) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "the status thread cannot be started");
        sc_mailbox_done(&w->box);
        free(w);
        return NULL;
    }
    return w;
}

struct sc_status_writer *sc_status_writer_stop(struct sc_status_writer *w, int64_t timeout_ms)
{
    if (!w)
        return NULL;
    w->stop_at = sc_mono_ms() + timeout_ms;
    atomic_store(&w->stop, 1);
    sc_mailbox_poke(&w->box);
    pthread_join(w->thread, NULL);
    take_in(w, sc_mailbox_take(&w->box));
    while (w->entries) {
        struct entry *e = w->entries;
        w->entries = e->next;
        free(e->key);
        free(e->json);
        free(e);
    }
    sc_mailbox_done(&w->box);
    free(w);
    return NULL;
}

void sc_status_post(struct sc_status_writer *w, const char *integration, char *json)
{
    struct post *post = calloc(1, sizeof *post);
    if (!post || !(post->key = sc_dup(integration))) {
        free(post);
        free(json);
        return;
    }
    post->json = json;
    if (!sc_mailbox_post(&w->box, &post->mail)) { /* the thread hangs on a dead broker: the next change is written then */
        free(post->key);
        free(post->json);
        free(post);
    }
}
