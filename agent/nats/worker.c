#include "nats/worker.h"
#include "base/clock.h"
#include "nats/internal.h"

#include <errno.h>

static void wait_until(struct sc_worker *worker, int64_t until_ms)
{
    struct timespec ts = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_cond_timedwait(&worker->wake, &worker->lock, &ts);
}

/* On a library thread. */
static void on_lost(void *arg)
{
    struct sc_worker *worker = arg;
    pthread_mutex_lock(&worker->lock);
    worker->lost = true;
    pthread_cond_broadcast(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
}

static void *thread_main(void *arg)
{
    struct sc_worker *worker = arg;
    worker->run(worker->arg);
    sc_worker_disconnect(worker);
    nats_ReleaseThreadMemory();
    pthread_mutex_lock(&worker->lock);
    worker->ended = true;
    bool abandoned = worker->abandoned;
    pthread_cond_broadcast(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
    if (abandoned)
        worker->free(worker->arg);
    return NULL;
}

int sc_worker_start(struct sc_worker *worker, const struct sc_nats_config *config,
                    void (*run)(void *arg), void (*free_arg)(void *arg), void *arg,
                    struct sc_error *err)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->wake, &attr);
    pthread_condattr_destroy(&attr);
    worker->run = run;
    worker->free = free_arg;
    worker->arg = arg;
    worker->backoff_ms = SC_BACKOFF_FIRST_MS;
    worker->config = sc_nats_config_dup(config);
    if (!worker->config || pthread_create(&worker->thread, NULL, thread_main, worker))
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: no memory for a thread");
    return 0;
}

void sc_worker_done(struct sc_worker *worker)
{
    worker->config = sc_nats_config_free(worker->config);
    pthread_cond_destroy(&worker->wake);
    pthread_mutex_destroy(&worker->lock);
}

bool sc_worker_end(struct sc_worker *worker, int64_t grace_ms, int64_t limit_ms)
{
    int64_t start = sc_mono_ms();
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_cond_broadcast(&worker->wake);
    while (!worker->ended && sc_mono_ms() < start + grace_ms)
        wait_until(worker, start + grace_ms);
    if (!worker->ended && worker->session)
        sc_session_abort(worker->session);
    while (!worker->ended && !(worker->connecting && sc_mono_ms() >= start + limit_ms))
        wait_until(worker, worker->connecting ? start + limit_ms : sc_mono_ms() + 1000);
    bool ended = worker->ended;
    pthread_mutex_unlock(&worker->lock);
    return ended;
}

void sc_worker_leave(struct sc_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool ended = worker->ended;
    worker->abandoned = !ended;
    pthread_t thread = worker->thread;
    pthread_mutex_unlock(&worker->lock);
    if (!ended) {
        pthread_detach(thread);
        return;
    }
    pthread_join(thread, NULL);
    worker->free(worker->arg);
}

void sc_worker_poke(struct sc_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->poked = true;
    pthread_cond_broadcast(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
}

bool sc_worker_stopping(struct sc_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool stopping = worker->stopping;
    pthread_mutex_unlock(&worker->lock);
    return stopping;
}

bool sc_worker_connected(struct sc_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool good = worker->session && !worker->lost;
    pthread_mutex_unlock(&worker->lock);
    return good && sc_session_alive(worker->session);
}

int sc_worker_connect(struct sc_worker *worker, const char *role, uint32_t timeout_ms,
                      struct sc_error *err)
{
    sc_worker_disconnect(worker);
    pthread_mutex_lock(&worker->lock);
    worker->lost = false;
    worker->connecting = true;
    pthread_mutex_unlock(&worker->lock);
    worker->config->request_timeout_ms = timeout_ms;
    struct sc_session *session = sc_session_open(worker->config, role, on_lost, worker, err);
    pthread_mutex_lock(&worker->lock);
    worker->connecting = false;
    worker->session = session;
    bool stopping = worker->stopping;
    pthread_mutex_unlock(&worker->lock);
    if (stopping)
        sc_worker_disconnect(worker);
    return session && !stopping ? 0 : sc_fail(err, SC_REASON_OFFLINE, "stopped");
}

void sc_worker_disconnect(struct sc_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    struct sc_session *session = worker->session;
    worker->session = NULL;
    pthread_mutex_unlock(&worker->lock);
    sc_session_close(session);
}

void sc_worker_wait(struct sc_worker *worker, int64_t until_ms)
{
    pthread_mutex_lock(&worker->lock);
    while (!worker->stopping && !worker->lost && !worker->poked && sc_mono_ms() < until_ms)
        wait_until(worker, until_ms);
    worker->poked = false;
    pthread_mutex_unlock(&worker->lock);
}

void sc_worker_back_off(struct sc_worker *worker, int64_t most_ms)
{
    int64_t until = sc_mono_ms() + (worker->backoff_ms < most_ms ? worker->backoff_ms : most_ms);
    worker->backoff_ms =
        worker->backoff_ms * 2 > SC_BACKOFF_LAST_MS ? SC_BACKOFF_LAST_MS : worker->backoff_ms * 2;
    pthread_mutex_lock(&worker->lock);
    while (!worker->stopping && sc_mono_ms() < until)
        wait_until(worker, until);
    pthread_mutex_unlock(&worker->lock);
}

void sc_worker_went_well(struct sc_worker *worker)
{
    worker->backoff_ms = SC_BACKOFF_FIRST_MS;
}
