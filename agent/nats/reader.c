/* See reader.h. The connection is made for the first job and kept; a job stands in the queue until
 * it is done, so that whatever breaks, it is run again. */
#include "nats/reader.h"
#include "base/clock.h"
#include "nats/internal.h"
#include "nats/worker.h"

#include <stdlib.h>

#define STOP_GRACE_MS 200
#define STOP_LIMIT_MS 1000
#define IDLE_MS       3600000

struct sc_reader {
    struct sc_worker worker;
    struct sc_mail *head, **tail; /* under the worker's lock */
    uint32_t timeout_ms;
};

static struct sc_read_job *first_job(struct sc_reader *reader)
{
    pthread_mutex_lock(&reader->worker.lock);
    struct sc_mail *head = reader->head;
    pthread_mutex_unlock(&reader->worker.lock);
    return head ? (struct sc_read_job *)((char *)head - offsetof(struct sc_read_job, mail)) : NULL;
}

static void give_back(struct sc_reader *reader, struct sc_read_job *job)
{
    pthread_mutex_lock(&reader->worker.lock);
    reader->head = job->mail.next;
    if (!reader->head)
        reader->tail = &reader->head;
    pthread_mutex_unlock(&reader->worker.lock);
    job->mail.next = NULL;
    sc_mailbox_return(job->home, &job->mail);
}

static void cancel_all(struct sc_reader *reader)
{
    for (struct sc_read_job *job; (job = first_job(reader));) {
        job->cancelled = true;
        give_back(reader, job);
    }
}

static void run_one(struct sc_reader *reader, struct sc_read_job *job)
{
    struct sc_worker *worker = &reader->worker;
    sc_error_clear(&job->error);
    int rc = job->run(job, worker->session, &job->error);
    bool broken = !sc_worker_connected(worker) ||
                  job->error.reason == SC_REASON_BROKER_UNAVAILABLE ||
                  job->error.reason == SC_REASON_BROKER_STALLED;
    if (rc && broken && !sc_worker_stopping(worker)) {
        sc_worker_disconnect(worker);
        sc_worker_back_off(worker, INT64_MAX);
        return;
    }
    job->cancelled = rc && broken;
    sc_worker_went_well(worker);
    give_back(reader, job);
}

static void run(void *arg)
{
    struct sc_reader *reader = arg;
    struct sc_worker *worker = &reader->worker;
    while (!sc_worker_stopping(worker)) {
        struct sc_read_job *job = first_job(reader);
        if (!job) {
            sc_worker_wait(worker, sc_mono_ms() + IDLE_MS);
            if (worker->session && !sc_worker_connected(worker))
                sc_worker_disconnect(worker);
        } else if (sc_worker_connected(worker)) {
            run_one(reader, job);
        } else {
            struct sc_error err = SC_ERROR_INIT;
            if (sc_worker_connect(worker, "reader", reader->timeout_ms, &err) &&
                !sc_worker_stopping(worker))
                sc_worker_back_off(worker, INT64_MAX);
        }
    }
}

static void free_reader(void *arg)
{
    struct sc_reader *reader = arg;
    sc_worker_done(&reader->worker);
    free(reader);
}

struct sc_reader *sc_reader_start(const struct sc_nats_config *config, struct sc_error *err)
{
    struct sc_reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
        return NULL;
    }
    reader->tail = &reader->head;
    reader->timeout_ms = config->request_timeout_ms;
    if (sc_worker_start(&reader->worker, config, run, free_reader, reader, err)) {
        free_reader(reader);
        return NULL;
    }
    return reader;
}

struct sc_reader *sc_reader_stop(struct sc_reader *reader)
{
    if (!reader)
        return NULL;
    sc_worker_end(&reader->worker, STOP_GRACE_MS, STOP_LIMIT_MS);
    cancel_all(reader);
    sc_worker_leave(&reader->worker);
    return NULL;
}

void sc_reader_post(struct sc_reader *reader, struct sc_read_job *job)
{
    job->cancelled = false;
    job->mail.next = NULL;
    pthread_mutex_lock(&reader->worker.lock);
    *reader->tail = &job->mail;
    reader->tail = &job->mail.next;
    pthread_mutex_unlock(&reader->worker.lock);
    sc_worker_poke(&reader->worker);
}
