/* Op "backfill": a walk over the past is begun or stopped (backfill.h). io thread of the source.
 *
 * What it is to begin with is made by the reader first (relocate.h), and answered once it stands in the bucket: from then on it goes on by itself, whoever
 * restarts. */
#include "poll/backfill.h"

#include <stdio.h>
#include <stdlib.h>

#define MARGIN_MS   60000 /* of what the vendor can be asked back: it moves on meanwhile */
#define PATIENCE_MS 60000

struct asked_backfill {
    struct sc_asked asked; /* first */
    struct sc_poller *poller;
    struct sc_timer timer;
    int64_t until_ms;
    bool stop;
    char note[400], said[900]; /* what was clamped; the last word */
};

/* ---- answers ------------------------------------------------------------------------------------------------------------------------------------ */

static void put_line(struct sc_sink *sink, const struct sc_poller *p, const char *result, const char *text)
{
    sc_sink_put(sink, "line", json_pack("{s:s, s:s, s:s, s:o*}", "integration", p->inst->config->name, "data_type", p->type->name, "result", result, "text",
                                        sc_sink_text(sc_str_of(text))));
}

static void let_go(struct asked_backfill *a)
{
    sc_heap_remove(&a->asked.io->heap, &a->timer);
    if (a->poller)
        a->poller->errand->backfill->asked = NULL;
    free(a);
}

void sc_backfill_answer(struct sc_poller *p, bool good, const char *text)
{
    struct asked_backfill *a = p->errand->backfill->asked;
    SC_AUTO_BUF struct sc_buf words = {0};
    if (!a)
        return;
    if (!text && a->stop)
        sc_backfill_words(p, &words);
    put_line(a->asked.sink, p, good ? "ok" : "failed", text ? text : a->stop ? words.ptr : a->said);
    sc_asked_end(&a->asked, good, !good ? a->stop ? "nothing is stopped" : "nothing is begun" : a->stop ? "stopped" : "begun; `signal-client backfill list` shows how far it is");
    let_go(a);
}

static void cancel(struct sc_asked *asked, const char *why)
{
    struct asked_backfill *a = (struct asked_backfill *)asked;
    struct sc_poller *p = a->poller;
    sc_asked_end(asked, false, why);
    if (p->errand->backfill->beginning) { /* nothing of it stands anywhere */
        if (p->job)
            atomic_store(&p->job->stop, true);
        p->errand->over = true;
        sc_poller_wake(p);
    }
    let_go(a);
}

static void on_timer(struct sc_timer *timer, void *arg)
{
    struct asked_backfill *a = arg;
    struct sc_poller *p = a->poller;
    const struct sc_io *io = p->inst->io;
    char text[520];
    const struct sc_recover *job = p->job;
    if (job && atomic_load(&((struct sc_recover *)(uintptr_t)job)->to_seq)) {
        snprintf(text, sizeof text, "reading the stream back: message %llu of %llu", (unsigned long long)atomic_load(&((struct sc_recover *)(uintptr_t)job)->at_seq),
                 (unsigned long long)atomic_load(&((struct sc_recover *)(uintptr_t)job)->to_seq));
        put_line(a->asked.sink, p, "waits", text);
    } else if (io->now >= a->until_ms && !job && !a->stop && p->errand->backfill->beginning) {
        snprintf(text, sizeof text, "NATS could not be used for %d s (%s): nothing is begun", PATIENCE_MS / 1000, io->broker.text);
        p->errand->over = true;
        sc_backfill_answer(p, false, text);
        sc_poller_wake(p);
        return;
    }
    sc_heap_set(&p->inst->io->heap, timer, io->now + 10000);
}

static struct asked_backfill *new_asked(struct sc_io *io, struct sc_poller *p, const struct sc_ask *ask)
{
    struct asked_backfill *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    sc_asked_begin(&a->asked, io, ask, cancel);
    a->poller = p;
    a->timer = (struct sc_timer){.fire = on_timer, .arg = a};
    a->until_ms = io->now + PATIENCE_MS;
    sc_heap_set(&io->heap, &a->timer, io->now + 10000);
    p->errand->backfill->asked = a;
    return a;
}

/* ---- what it begins with ------------------------------------------------------------------------------------------------------------------------ */

/* Of the live walk's position what says nothing of how far it is. */
static json_t *first_position(const struct sc_poller *p)
{
    const struct sc_poller *live = p->errand->live;
    char from[SC_TIME_TEXT];
    json_t *position = json_pack("{s:s}", "since", sc_time_rfc3339(p->past.from_ms, from));
    for (const struct sc_place *place = p->type->history->places; position && place && place->name; place++) {
        json_t *value = place->stays ? json_object_get(live->cp.position, place->name) : NULL;
        if (value)
            json_object_set(position, place->name, value);
    }
    return position;
}

int sc_backfill_read(struct sc_poller *p)
{
    const struct sc_history *history = p->type->history;
    sc_host_release(p);
    const char *doubles = history->doubles ? history->doubles(&p->host) : NULL;
    struct sc_relocate relocate = {.wanted = true, .fresh = true, .position = first_position(p), .at_ms = p->past.from_ms,
                                   .reach_ms = p->past.from_ms - (int64_t)p->type->overlap_s * 1000, .allow_doubles = p->errand->backfill->allow_doubles};
    snprintf(relocate.doubles, sizeof relocate.doubles, "%s", doubles ? doubles : "");
    sc_host_release(p);
    return sc_poller_load_elsewhere(p, &relocate);
}

bool sc_backfill_loaded(struct sc_poller *p, struct sc_recover *job)
{
    struct sc_backfill *b = p->errand->backfill;
    char from[SC_TIME_TEXT], to[SC_TIME_TEXT], text[760];
    b->reading = false;
    if (p->errand->over)
        return false;
    if (job->job.error.reason || job->relocate.refused) {
        snprintf(text, sizeof text, "%s%s", job->job.error.reason ? job->job.error.text : job->relocate.said, job->job.error.reason ? ": nothing is begun" : "");
        p->errand->over = true;
        sc_backfill_answer(p, false, text);
        return false;
    }
    b->beginning = false;
    b->state = SC_BACKFILL_OPEN;
    b->asked_ms = sc_real_ms();
    if (b->asked)
        snprintf(b->asked->said, sizeof b->asked->said, "%sfrom %s to %s; %llu records of that time and later are in the stream and are recognised%s", b->asked->note,
                 sc_time_rfc3339(p->past.from_ms, from), sc_time_rfc3339(p->past.to_ms, to), (unsigned long long)job->read_ours,
                 b->allow_doubles ? "; others may come a second time, as it was allowed" : "");
    return true;
}

void sc_backfill_saved(struct sc_poller *p)
{
    struct asked_backfill *a = p->errand->backfill->asked;
    struct sc_log_cx cx = sc_poller_cx(p);
    if (!a || a->stop)
        return;
    SC_LOG_EACH(SC_INFO, &cx, NULL, "backfill begun: %s", a->said);
    sc_backfill_answer(p, true, NULL);
}

/* ---- is it possible? ------------------------------------------------------------------------------------------------------------------------------ */

static int check_type(struct sc_poller *live, struct sc_error *err)
{
    const struct sc_history *history = live->type->history;
    if (!history || history->past == SC_PAST_NONE)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "a window of the past cannot be asked of %s: %s", live->type->name, history ? history->why_not : "the connector does not say how");
    sc_host_release(live);
    const char *unable = history->unable ? history->unable(&live->host) : NULL;
    int rc = unable ? sc_fail(err, SC_REASON_CONFIG_INVALID, "a window of the past cannot be asked of %s: %s", live->type->name, unable) : 0;
    sc_host_release(live);
    if (rc)
        return -1;
    if (!sc_poller_is_enabled(live))
        return sc_fail(err, SC_REASON_DISABLED, "the data type is disabled: a backfill goes beside a live walk, enable it first");
    if (live->inst->io->config.on_request || live->inst->io->config.settings->offline_mode)
        return sc_fail(err, SC_REASON_OFFLINE, "no agent polls at this moment: a backfill is a walk of the running agent, start it first");
    if (live->backfill && live->backfill->errand->backfill->kept)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "the one before has just ended, and its identities are still needed: ask again behind the next poll");
    if (live->backfill)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "a backfill of it is open already: `signal-client backfill stop %s --data-type %s` ends it", live->inst->config->name,
                       live->type->name);
    return live->edit ? sc_fail(err, SC_REASON_CONFIG_INVALID, "its position is being written by hand: ask again") : 0;
}

/* Cut to what can be asked and what is left to it; `note` says so. */
static int fit_window(const struct sc_poller *live, struct sc_window *w, char *note, size_t cap, struct sc_error *err)
{
    char text[SC_TIME_TEXT];
    size_t n = 0;
    int64_t now = sc_source_now(live->inst->source), limit = sc_backfill_limit(live, true), reach_s = live->type->history->reach_s;
    if (w->from_ms >= w->to_ms)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "the window is empty: --from has to be before --to");
    if (limit == SC_TIME_NONE)
        return sc_fail(err, SC_REASON_STARTING, "where the live walk stands is not known yet (%s): ask again when it has been polled", live->facts.detail);
    if (w->to_ms > limit) {
        w->to_ms = limit;
        n += (size_t)snprintf(note + n, cap - n, "the window ends at %s, as the live walk covers what comes behind that, or reads it again; ",
                              sc_time_rfc3339(w->to_ms, text));
    }
    int64_t earliest = reach_s ? now - reach_s * 1000 + MARGIN_MS : INT64_MIN;
    if (w->from_ms < earliest) {
        w->from_ms = earliest;
        snprintf(note + n, cap - n, "%.60s can be asked back %lld days at most, so it begins at %s; ", live->inst->config->connector->title, (long long)(reach_s / 86400),
                 sc_time_rfc3339(w->from_ms, text));
    }
    if (w->from_ms < w->to_ms)
        return 0;
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "%snothing of the window is left", note);
}

static void start(struct sc_io *io, struct sc_poller *live, const struct sc_ask *ask)
{
    struct sc_error err = SC_ERROR_INIT;
    char note[400] = "";
    const char *from = json_string_value(json_object_get(ask->request, "from")), *to = json_string_value(json_object_get(ask->request, "to"));
    struct sc_window w = {from ? sc_time_parse_rfc3339(sc_str_of(from)) : 0, to ? sc_time_parse_rfc3339(sc_str_of(to)) : 0};
    if (!from || !to)
        sc_fail(&err, SC_REASON_CONFIG_INVALID, "a backfill has a window: give --from and --to");
    if (err.reason || check_type(live, &err) || fit_window(live, &w, note, sizeof note, &err)) {
        put_line(ask->sink, live, "failed", err.text);
        sc_sink_end(ask->sink, false, "nothing is begun");
        return;
    }
    struct sc_poller *p = sc_backfill_new(live, w);
    struct asked_backfill *a = p ? new_asked(io, p, ask) : NULL;
    if (!a) {
        if (p)
            p->errand->over = true;
        sc_sink_end(ask->sink, false, "out of memory: nothing is begun");
        return;
    }
    snprintf(a->note, sizeof a->note, "%s", note);
    p->errand->backfill->beginning = true;
    p->errand->backfill->allow_doubles = json_is_true(json_object_get(ask->request, "allow_doubles"));
}

static void stop(struct sc_io *io, struct sc_poller *live, const struct sc_ask *ask)
{
    bool unknown = !live->backfill && !live->loaded; /* disabled, or an agent that polls nothing: it is looked for in the bucket */
    struct sc_poller *p = unknown ? sc_backfill_new(live, (struct sc_window){0, 1}) : live->backfill;
    struct sc_backfill *b = p ? p->errand->backfill : NULL;
    struct asked_backfill *a = b && !b->kept && !b->beginning && !b->asked ? new_asked(io, p, ask) : NULL;
    if (!a) {
        put_line(ask->sink, live, "failed", b && b->kept ? "it has ended already" : b ? "somebody else is asking for it at this moment" : "none is open");
        sc_sink_end(ask->sink, false, "nothing is stopped");
        return;
    }
    a->stop = b->stop = true;
    sc_poller_wake(p);
}

void sc_asked_backfill(struct sc_io *io, struct sc_instance *inst, const struct sc_ask *ask)
{
    struct sc_error err = SC_ERROR_INIT;
    const char *action = json_string_value(json_object_get(ask->request, "do"));
    unsigned *types = calloc(inst->poller_count ? inst->poller_count : 1, sizeof *types), count = 0;
    int rc = types ? sc_asked_types(inst, ask->request, true, types, &count, &err) : sc_fail(&err, SC_REASON_MEMORY_LIMIT, "out of memory");
    if (rc == 0 && count != 1)
        rc = sc_fail(&err, SC_REASON_CONFIG_INVALID, "a backfill is of one data type: name it with --data-type");
    bool begins = action && strcmp(action, "start") == 0, ends = action && strcmp(action, "stop") == 0;
    if (rc == 0 && !begins && !ends)
        rc = sc_fail(&err, SC_REASON_CONFIG_INVALID, "a backfill is started or stopped");
    if (rc)
        sc_sink_end(ask->sink, false, err.text);
    else if (begins)
        start(io, inst->pollers[types[0]], ask);
    else
        stop(io, inst->pollers[types[0]], ask);
    free(types);
}
