/* Walks beside the live one of a data type (errand.h): their birth, their end. io thread of the source. */
#include "poll/backfill.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS 250

static void copy_position(struct sc_poller *p)
{
    const struct sc_poller *live = p->errand->live;
    bool from_start = p->errand->from_ms != SC_TIME_NONE;
    p->errand->placed = true;
    p->cp.recipe = live->cp.recipe;
    memcpy(p->fingerprint_key, live->fingerprint_key, sizeof p->fingerprint_key);
    p->never = live->never || from_start;
    p->cp.worked = live->cp.worked;
    if (from_start)
        return;
    json_decref(p->cp.position);
    p->cp.position = json_deep_copy(live->cp.position);
    json_decref(p->cp.reached);
    p->cp.reached = live->cp.reached ? json_deep_copy(live->cp.reached) : NULL;
    p->covered_ms = live->covered_ms;
}

struct sc_poller *sc_errand_dry(struct sc_instance *inst, unsigned index, int64_t from_ms, struct sc_error *err)
{
    struct sc_poller *live = inst->pollers[index], *p = sc_poller_new(inst, index);
    struct sc_errand *e = p ? calloc(1, sizeof *e) : NULL;
    char *label = e ? sc_printf("%s/dry-run", live->type->name) : NULL;
    if (!label) {
        free(e);
        sc_poller_free(p);
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for a dry run");
        return NULL;
    }
    *e = (struct sc_errand){.kind = SC_ERRAND_DRY, .live = live, .from_ms = from_ms, .oldest_ms = SC_TIME_NONE, .newest_ms = SC_TIME_NONE, .clock_off_ms = SC_TIME_NONE};
    p->errand = e;
    p->label = label;
    live->attended++;
    sc_poller_wake(live);
    sc_seen_init(&p->seen, (uint64_t)inst->io->config.settings->poll_max_identities);
    p->generation = inst->io->broker.generation;
    p->loaded = p->exists = true;
    p->phase = SC_IDLE;
    e->next = inst->errands;
    inst->errands = p;
    sc_poller_wake(p);
    return p;
}

struct sc_poller *sc_errand_way(struct sc_instance *inst, unsigned index, struct sc_error *err)
{
    struct sc_way *way = calloc(1, sizeof *way);
    struct sc_poller *p = way ? sc_errand_dry(inst, index, SC_TIME_NONE, err) : NULL;
    if (!way)
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    if (p)
        p->errand->way = way;
    else
        free(way);
    return p;
}

/* ---- the way alone ------------------------------------------------------------------------------------------------------------------------ */

static void on_way(struct sc_transfer *transfer, const struct sc_http_result *result)
{
    struct sc_poller *p = result->arg;
    struct sc_way *way = p->errand->way;
    struct sc_news good = {.what = SC_HEARD_ENDED, .until_real = SC_TIME_NONE, .detail = "", .advice = ""};
    (void)transfer;
    p->out--;
    way->transfer = NULL;
    way->timing = result->timing;
    way->wire = result->wire;
    if (result->aborted)
        sc_poller_wake(p);
    else if (result->reason)
        sc_dry_failed(p, result->reason, SC_TIME_NONE, NULL, result->text, NULL);
    else
        sc_errand_end(p, &good);
}

static void look_at_way(struct sc_poller *p)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_http_request hr = {.connect_only = true, .url = p->inst->config->base_url, .arg = p, .done = on_way};
    if (p->errand->way->begun)
        return;
    p->errand->way->begun = true;
    sc_request_connects(p->inst->config, &hr);
    p->errand->way->transfer = sc_http_start(p->inst->io->http, &hr, &err);
    if (p->errand->way->transfer)
        p->out++;
    else
        sc_dry_failed(p, err.reason, SC_TIME_NONE, NULL, err.text, NULL);
}

/* ---- the end ------------------------------------------------------------------------------------------------------------------------------- */

static bool has_spent_enough(const struct sc_poller *p)
{
    const struct sc_errand *e = p->errand;
    return e->request_limit && e->requests >= e->request_limit && !p->transfer && !p->finishing && p->phase == SC_WALKING && !p->finish;
}

void sc_errand_end(struct sc_poller *p, const struct sc_news *news)
{
    if (p->errand->over)
        return;
    p->errand->over = true;
    sc_listeners_last(p, news);
    sc_poller_wake(p); /* its request, if one is under way, is not ended inside of its own callback */
}

static void gone(struct sc_poller *p, const char *why)
{
    if (sc_is_backfill(p)) { /* it outlives what asked for it; what retires with its instance winds up as a live walk does */
        p->retired = p->retired || p->inst->retired;
        p->stopping_save = p->stopping_save || p->retired;
        sc_poller_wake(p);
        return;
    }
    struct sc_news news = {.what = SC_HEARD_GONE, .until_real = SC_TIME_NONE, .detail = why, .advice = ""};
    sc_errand_end(p, &news);
}

bool sc_errand_step(struct sc_poller *p)
{
    const struct sc_io *io = p->inst->io;
    if (sc_is_backfill(p))
        return sc_backfill_step(p);
    if (!p->errand->over && io->stopping)
        gone(p, "the agent stops");
    else if (!p->errand->over && p->generation != io->broker.generation)
        gone(p, "the lease was lost, or the stream is another one: ask again");
    if (!p->errand->over && p->errand->way) {
        look_at_way(p);
        return true;
    }
    if (!p->errand->over && has_spent_enough(p)) {
        struct sc_news enough = {.what = SC_HEARD_ENDED, .until_real = SC_TIME_NONE, .detail = "", .advice = "", .limited = true};
        sc_errand_end(p, &enough);
    }
    if (!p->errand->over)
        return false;
    if (p->errand->way && p->errand->way->transfer)
        sc_http_cancel(p->errand->way->transfer);
    if (p->transfer || p->page || p->finishing)
        sc_poller_abandon(p);
    sc_poller_phase(p, SC_OFF);
    return true;
}

bool sc_errand_waits(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    const struct sc_poller *live = p->errand->live;
    bool soon = live->phase == SC_OFF && sc_poller_should_run(live) && io->broker.state == SC_BROKER_READY && live->hold.until_ms <= io->now;
    if (p->errand->placed)
        return false;
    if (!live->loaded && (live->phase == SC_LOADING || soon)) {
        sc_heap_set(&io->heap, &p->timer, io->now + LOOK_MS);
        return true;
    }
    copy_position(p);
    return false;
}

void sc_errand_free(struct sc_poller *p)
{
    if (!p->errand)
        return;
    p->errand->live->attended--;
    sc_poller_wake(p->errand->live);
    if (p->inst->credential && p->inst->credential->good_by == p)
        p->inst->credential->good_by = NULL;
    if (p->errand->backfill)
        sc_backfill_forget(p);
    if (p->errand->batch)
        free(p->errand->batch->bytes);
    free(p->errand->batch);
    free(p->errand->way);
    free(p->errand);
    p->errand = NULL;
}

void sc_errands_end(struct sc_instance *inst, const char *why)
{
    for (struct sc_poller *p = inst->errands; p; p = p->errand->next)
        gone(p, why);
}

void sc_errands_reap(struct sc_instance *inst)
{
    for (struct sc_poller **at = &inst->errands; *at;) {
        struct sc_poller *p = *at;
        if (p->errand->over && !p->transfer && p->out == 0) {
            *at = p->errand->next;
            sc_poller_free(p);
        } else {
            at = &p->errand->next;
        }
    }
}

bool sc_errands_done(const struct sc_instance *inst)
{
    return inst->errands == NULL;
}

bool sc_is_dry(const struct sc_poller *p)
{
    return p->errand && p->errand->kind == SC_ERRAND_DRY;
}
