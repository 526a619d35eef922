#include "nats/look.h"

#include "base/clock.h"
#include "base/reach.h"
#include "nats/internal.h"
#include "nats/worker.h"

#include <stdio.h>
#include <stdlib.h>

#define STOP_GRACE_MS 100
#define STOP_LIMIT_MS 400
#define STEP_MS       1000 /* the lease is looked for */
#define CLOCK_EVERY   5    /* looks */

struct sc_look {
    struct sc_worker worker;
    struct sc_look_config config;
    char *subject;
    uint32_t looks;
    struct sc_look_report report;
};

static bool leads(const struct sc_look *look)
{
    return sc_boot_ms() <
           atomic_load_explicit(&look->config.fence->valid_until_boot_ms, memory_order_acquire);
}

/* What may not be asked leaves the rest as it is; only a stream that cannot be asked for ends the
 * look. */
static void ask_consumers(struct sc_look *look, struct sc_session *session)
{
    struct sc_look_report *r = &look->report;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_buf names SC_AUTO_BUF = {0};
    r->consumers_known = sc_stream_consumers(session, r->stream.name, &r->consumers, &err) == 0;
    snprintf(r->consumers_why, sizeof r->consumers_why, "%s", err.text);
    r->copies[0] = '\0';
    if (r->consumers_known && r->consumers.total == 0 &&
        sc_stream_copies(session, r->stream.name, &names, &err) == 0)
        snprintf(r->copies, sizeof r->copies, "%s", sc_buf_str(&names).ptr);
}

static int take_look(struct sc_look *look, struct sc_session *session, struct sc_error *err)
{
    struct sc_look_report *r = &look->report;
    struct sc_error why = SC_ERROR_INIT;
    int rc = sc_stream_find(session, look->subject, &r->stream, err);
    if (rc < 0)
        return -1;
    r->found = rc == 0;
    if (r->found)
        ask_consumers(look, session);
    r->account_known = sc_account_info(session, &r->account, &why) == 0;
    sc_error_clear(&why);
    if (look->looks++ % CLOCK_EVERY == 0)
        r->clock_known = sc_nats_clock(session, look->config.bucket, &r->clock, &why) == 0;
    if (r->clock_known && why.reason == SC_REASON_OK)
        sc_reach_nats_clock(r->clock.offset_ms);
    if (!sc_session_alive(session))
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "the connection was lost");
    r->mono_ms = sc_mono_ms();
    r->real_ms = sc_real_ms();
    return 0;
}

static int turn(struct sc_look *look, struct sc_error *err)
{
    struct sc_worker *worker = &look->worker;
    if (!leads(look)) {
        sc_worker_disconnect(worker);
        sc_worker_wait(worker, sc_mono_ms() + STEP_MS);
        return 0;
    }
    if (!sc_worker_connected(worker) &&
        sc_worker_connect(worker, "look", look->config.nats->request_timeout_ms, err))
        return -1;
    if (take_look(look, worker->session, err))
        return -1;
    if (!sc_worker_stopping(worker))
        look->config.seen(look->config.arg, &look->report);
    sc_worker_went_well(worker);
    sc_worker_wait(worker, sc_mono_ms() + look->config.every_ms);
    return 0;
}

/* Outages are the publisher's to tell. */
static void run(void *arg)
{
    struct sc_look *look = arg;
    while (!sc_worker_stopping(&look->worker)) {
        struct sc_error err = SC_ERROR_INIT;
        if (turn(look, &err) == 0)
            continue;
        sc_worker_disconnect(&look->worker);
        sc_worker_back_off(&look->worker, INT64_MAX);
    }
}

static void free_look(void *arg)
{
    struct sc_look *look = arg;
    sc_worker_done(&look->worker);
    free(look->subject);
    free(look);
}

struct sc_look *sc_look_start(const struct sc_look_config *config, struct sc_error *err)
{
    struct sc_look *look = calloc(1, sizeof *look);
    if (!look || !(look->subject = sc_dup(config->subject))) {
        free(look);
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
        return NULL;
    }
    look->config = *config;
    if (sc_worker_start(&look->worker, config->nats, run, free_look, look, err)) {
        free_look(look);
        return NULL;
    }
    return look;
}

struct sc_look *sc_look_stop(struct sc_look *look)
{
    if (!look)
        return NULL;
    sc_worker_end(&look->worker, STOP_GRACE_MS, STOP_LIMIT_MS);
    sc_worker_leave(&look->worker);
    return NULL;
}
