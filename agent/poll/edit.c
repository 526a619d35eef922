/* Op "checkpoint": a position written by hand (relocate.h says what it is made of). io thread of the source.
 *
 * The live walk of the data type is ended first, as if it were switched off: what was handed over is waited for, its job is taken back, its state is
 * saved. Then the reader makes the new checkpoint of what stands, it is saved like any other, and read again from the bucket by the poll that follows. Where
 * that cannot be begun within a minute, nothing is changed. */
#include "poll/backfill.h"

#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS 60000
#define LOOK_MS     1000
#define MAX_NAMES   32u
#define MAX_VALUE   8192u

enum stage {
    ENDING,  /* the live walk */
    READING, /* by the reader */
    SAVING
};

struct sc_edit {
    struct asked_edit *of;
    struct sc_poller *poller; /* NULL: its word is said */
    enum stage stage;
    bool saved;
    struct sc_timer timer;
    int64_t until_ms;
    json_t *position;
    int64_t at_ms, reach_ms;
    char said[720];
};

struct asked_edit {
    struct sc_asked asked; /* first */
    bool over;             /* nobody listens any more */
    bool anew, forget, allow_doubles, look;
    char *name;
    unsigned count, open, failed;
    struct sc_edit edits[];
};

/* ---- its end ------------------------------------------------------------------------------------------------------------------------------ */

static void free_if_done(struct asked_edit *a)
{
    if (a->open)
        return;
    for (unsigned i = 0; i < a->count; i++)
        json_decref(a->edits[i].position);
    free(a->name);
    free(a);
}

static void say(struct sc_edit *e, const char *result, const char *text)
{
    const struct asked_edit *a = e->of;
    if (!a->over)
        sc_sink_put(a->asked.sink, "line", json_pack("{s:s, s:s, s:s, s:o*}", "integration", a->name, "data_type", e->poller->type->name, "result", result,
                                                     "text", sc_sink_text(sc_str_of(text))));
}

/* The last word on one data type. The poller goes on, from what stands in the bucket. */
static void finish(struct sc_edit *e, bool good, const char *text)
{
    struct sc_poller *p = e->poller;
    struct asked_edit *a = e->of;
    char word[80];
    say(e, good ? "ok" : "failed", text);
    sc_heap_remove(&p->inst->io->heap, &e->timer);
    p->edit = NULL;
    p->first_poll = true;
    e->poller = NULL;
    a->failed += !good;
    a->open--;
    sc_poller_wake(p);
    if (a->open == 0 && !a->over) {
        a->over = true;
        if (a->failed)
            snprintf(word, sizeof word, "failed for %u of %u data types", a->failed, a->count);
        else
            snprintf(word, sizeof word, "%s %u data type%s", a->look ? "looked at" : "written for", a->count, a->count == 1 ? "" : "s");
        sc_asked_end(&a->asked, a->failed == 0, word);
    }
    free_if_done(a);
}

void sc_edit_gone(struct sc_poller *p, const char *why)
{
    char text[200];
    if (!p->edit)
        return;
    snprintf(text, sizeof text, p->edit->stage == SAVING ? "%s while it was saved: look with `checkpoint show` whether it was" : "%s: nothing is changed", why);
    finish(p->edit, false, text);
}

/* Who asked has gone. What is being saved is saved. */
static void cancel(struct sc_asked *asked, const char *why)
{
    struct asked_edit *a = (struct asked_edit *)asked;
    unsigned count = a->count;
    sc_asked_end(asked, false, why);
    a->over = true;
    a->open++; /* it lives until this is done */
    for (unsigned i = 0; i < count; i++) {
        struct sc_edit *e = &a->edits[i];
        if (!e->poller || e->stage == SAVING)
            continue;
        if (e->poller->job)
            atomic_store(&e->poller->job->stop, true);
        finish(e, false, why);
    }
    a->open--;
    free_if_done(a);
}

/* ---- its steps ---------------------------------------------------------------------------------------------------------------------------- */

static const char *why_not_yet(const struct sc_poller *p)
{
    const struct sc_io *io = p->inst->io;
    if (io->broker.state != SC_BROKER_READY)
        return io->broker.text;
    return p->handed ? "records that were handed to NATS are not acknowledged yet" : "the walk that is under way has not ended yet";
}

static void on_timer(struct sc_timer *timer, void *arg)
{
    struct sc_edit *e = arg;
    struct sc_poller *p = e->poller;
    struct sc_io *io = p->inst->io;
    char text[520];
    bool late = io->now >= e->until_ms;
    if (e->stage == READING && p->job && atomic_load(&p->job->to_seq)) {
        snprintf(text, sizeof text, "reading the stream back: message %llu of %llu", (unsigned long long)atomic_load(&p->job->at_seq),
                 (unsigned long long)atomic_load(&p->job->to_seq));
        say(e, "waits", text);
    }
    if (late && e->stage == ENDING) {
        snprintf(text, sizeof text, "%s, for %d s: nothing is changed", why_not_yet(p), PATIENCE_MS / 1000);
        finish(e, false, text);
    } else if (late && e->stage == SAVING) {
        snprintf(text, sizeof text, "the new position could not be saved within %d s (%s): look with `checkpoint show` whether it was", PATIENCE_MS / 1000,
                 why_not_yet(p));
        finish(e, false, text);
    } else {
        sc_heap_set(&io->heap, timer, io->now + (e->stage == READING ? 10 * LOOK_MS : LOOK_MS));
    }
}

static void read_it(struct sc_edit *e)
{
    struct sc_poller *p = e->poller;
    const struct sc_history *history = p->type->history;
    const char *doubles = NULL;
    sc_host_release(p);
    if (history && history->doubles)
        doubles = history->doubles(&p->host);
    struct sc_relocate relocate = {.wanted = true, .position = json_deep_copy(e->position), .at_ms = e->at_ms, .reach_ms = e->reach_ms, .anew = e->of->anew,
                                   .forget = e->of->forget, .allow_doubles = e->of->allow_doubles};
    snprintf(relocate.doubles, sizeof relocate.doubles, "%s", doubles ? doubles : "");
    sc_host_release(p);
    if (sc_poller_load_elsewhere(p, &relocate))
        finish(e, false, "out of memory: nothing is changed");
    else
        e->stage = READING;
}

/* Of a poller that is OFF. */
bool sc_edit_step(struct sc_poller *p)
{
    struct sc_edit *e = p->edit;
    struct sc_io *io = p->inst->io;
    if (p->retired || io->stopping) {
        sc_edit_gone(p, io->stopping ? "the agent stops" : "the integration was removed or moved");
        return false;
    }
    if (e->stage == SAVING && e->saved) {
        finish(e, true, e->said);
        return false;
    }
    e->stage = ENDING; /* also what was not saved because somebody else wrote, or the lease was lost: begun anew */
    if (io->broker.state != SC_BROKER_READY || p->out)
        return true;
    read_it(e);
    return true;
}

void sc_edit_saved(struct sc_poller *p)
{
    if (p->edit && p->edit->stage == SAVING)
        p->edit->saved = true;
}

/* What the reader has made is at hand. True: it is to be taken in and saved. */
bool sc_edit_loaded(struct sc_poller *p, struct sc_recover *job)
{
    struct sc_edit *e = p->edit;
    char text[700];
    if (!e || e->stage != READING) /* cancelled */
        return false;
    if (job->job.error.reason) {
        snprintf(text, sizeof text, "%s: nothing is changed", job->job.error.text);
        finish(e, false, text);
        return false;
    }
    snprintf(e->said, sizeof e->said, "%s", job->relocate.said);
    if (job->relocate.refused || e->of->look) {
        finish(e, !job->relocate.refused, e->said);
        return false;
    }
    struct sc_log_cx cx = sc_poller_cx(p);
    e->stage = SAVING;
    e->saved = false;
    e->until_ms = p->inst->io->now + PATIENCE_MS;
    SC_LOG_EACH(job->gap_from[0] || job->relocate.forget ? SC_WARN : SC_INFO, &cx, NULL, "by hand: %s", e->said);
    return true;
}

/* ---- its begin ---------------------------------------------------------------------------------------------------------------------------- */

static const struct sc_place *place_named(const struct sc_history *history, const char *name)
{
    for (const struct sc_place *p = history ? history->places : NULL; p && p->name; p++) {
        if (strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
}

static int no_such_place(const struct sc_data_type *type, const char *name, struct sc_error *err)
{
    char list[240] = "";
    size_t n = 0;
    for (const struct sc_place *p = type->history->places; p->name && n < sizeof list; p++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", p->name);
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "a position of %s has no member \"%.64s\"; there are: %s", type->name, name, list);
}

static int check_place(const struct sc_poller *p, const char *name, const json_t *value, struct sc_error *err)
{
    const struct sc_place *place = place_named(p->type->history, name);
    const char *text = json_string_value(value);
    if (!place)
        return no_such_place(p->type, name, err);
    if (!text || json_string_length(value) != strlen(text) || strlen(text) > MAX_VALUE)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "\"%s\" of a position is a text of at most %u bytes", name, MAX_VALUE);
    if (place->kind == SC_PLACE_TIME && sc_time_parse_rfc3339(sc_str_of(text)) == SC_TIME_NONE)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "\"%s\" of a position is a time as 2026-11-22T10:15:00Z", name);
    if (place->kind == SC_PLACE_LINK && (text[0] != '/' || text[1] == '/'))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "\"%s\" of a position is path and query below the base URL: it begins with one '/'", name);
    return 0;
}

static int take_position(struct sc_edit *e, const json_t *position, struct sc_error *err)
{
    const struct sc_poller *p = e->poller;
    const char *name;
    json_t *value;
    if (json_object_size(position) > MAX_NAMES)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "a position has at most %u members", MAX_NAMES);
    json_object_foreach ((json_t *)(uintptr_t)position, name, value) {
        if (check_place(p, name, value, err))
            return -1;
    }
    const char *time = json_string_value(json_object_get(position, "time")), *since = json_string_value(json_object_get(position, "since"));
    if (!time && !since)
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "a position needs \"time\", up to which records are covered, or \"since\", where a first walk begins: without it nobody can tell what is "
                       "skipped or comes again");
    e->at_ms = sc_time_parse_rfc3339(sc_str_of(time ? time : since));
    bool elsewhere = false;
    for (const struct sc_place *place = p->type->history->places; place->name; place++)
        elsewhere = elsewhere || (!place->stays && place->kind != SC_PLACE_TIME && json_object_get(position, place->name));
    e->reach_ms = elsewhere ? SC_TIME_NONE : e->at_ms - (time ? (int64_t)p->type->overlap_s * 1000 : 0);
    e->position = json_deep_copy(position);
    return e->position ? 0 : sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
}

static int take_time(struct sc_edit *e, int64_t at_ms, struct sc_error *err)
{
    const struct sc_poller *p = e->poller;
    char text[SC_TIME_TEXT];
    if (!p->type->history->by_time)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s cannot go by a time: %s", p->type->name, p->type->history->why_not);
    e->position = json_pack("{s:s}", "time", sc_time_rfc3339(at_ms, text));
    e->at_ms = at_ms;
    e->reach_ms = at_ms - (int64_t)p->type->overlap_s * 1000;
    return e->position ? 0 : sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
}

/* As if it began now: by the lookback, or where the integration says. */
static int take_beginning(struct sc_edit *e, struct sc_error *err)
{
    const struct sc_poller *p = e->poller;
    char text[SC_TIME_TEXT];
    uint32_t back_s = sc_host_lookback_anew(p);
    int64_t from = sc_source_now(p->inst->source) - (int64_t)back_s * 1000;
    bool by_time = p->type->shape == SC_SHAPE_LOG && p->type->history && p->type->history->by_time && back_s && place_named(p->type->history, "since");
    e->position = by_time ? json_pack("{s:s}", "since", sc_time_rfc3339(from, text)) : json_object();
    e->at_ms = e->reach_ms = by_time ? from : SC_TIME_NONE;
    return e->position ? 0 : sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
}

static int check_reach(const struct sc_edit *e, struct sc_error *err)
{
    const struct sc_poller *p = e->poller;
    int64_t now = sc_source_now(p->inst->source), reach_s = p->type->history ? p->type->history->reach_s : 0;
    char text[SC_TIME_TEXT];
    if (e->at_ms == SC_TIME_NONE)
        return 0;
    if (e->at_ms > now)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "that time has not come yet: the vendor's clock shows %s", sc_time_rfc3339(now, text));
    if (reach_s && e->at_ms < now - reach_s * 1000)
        return sc_fail(err, SC_REASON_RETENTION_PASSED, "%s can be asked back to %s at most (%lld days)", p->inst->config->connector->title,
                       sc_time_rfc3339(now - reach_s * 1000, text), (long long)(reach_s / 86400));
    return 0;
}

static int take_request(struct sc_edit *e, const json_t *request, struct sc_error *err)
{
    struct sc_poller *p = e->poller;
    const json_t *position = json_object_get(request, "position");
    const char *time = json_string_value(json_object_get(request, "time")), *unable = NULL;
    const struct sc_history *history = p->type->history;
    if (p->edit)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "somebody else is writing its position at this moment");
    if (p->backfill && p->backfill->errand->backfill->kept)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "a backfill of it has just ended, and its identities are needed until the next poll has ended: %s",
                       sc_poller_is_enabled(p) ? "ask again behind that" : "enable it and ask again behind its next poll");
    if (sc_backfill_is_open(p))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "a backfill of it is open, which would not be told apart: `signal-client backfill stop %s --data-type %s` first",
                       p->inst->config->name, p->type->name);
    if (e->of->anew)
        return take_beginning(e, err) || check_reach(e, err) ? -1 : 0;
    if (!history || !history->places)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "its position cannot be written by hand%s%s; `checkpoint reset` begins anew", history ? ": " : "",
                       history ? history->why_not : "");
    sc_host_release(p);
    if (history->unable && (unable = history->unable(&p->host)))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s cannot be put elsewhere: %s", p->type->name, unable);
    int rc = position ? take_position(e, position, err) : take_time(e, sc_time_parse_rfc3339(sc_str_of(time)), err);
    sc_host_release(p);
    return rc || check_reach(e, err) ? -1 : 0;
}

static void begin(struct sc_edit *e, const json_t *request)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_poller *p = e->poller;
    struct sc_io *io = p->inst->io;
    if (take_request(e, request, &err)) {
        say(e, "failed", err.text);
        e->poller = NULL;
        e->of->failed++;
        e->of->open--;
        return;
    }
    e->timer = (struct sc_timer){.fire = on_timer, .arg = e};
    e->until_ms = io->now + PATIENCE_MS;
    p->edit = e;
    p->interrupted = true;
    sc_heap_set(&io->heap, &e->timer, io->now + LOOK_MS);
    sc_poller_wake(p);
}

/* Which of "time" and "position" has to be there, and what does not go together. */
static const char *what_is_wrong(const json_t *request, const char *action, unsigned count)
{
    if (strcmp(action, "set") != 0 && strcmp(action, "reset") != 0)
        return "a checkpoint is set or reset";
    bool set = strcmp(action, "set") == 0, time = json_object_get(request, "time"), position = json_object_get(request, "position");
    if (set && time == position)
        return "a new position is either a time or an object: give one of the two";
    if (set && count != 1)
        return "name one data type: positions of several are not the same";
    if (!set && (time || position))
        return "a reset takes no position";
    return set && json_is_true(json_object_get(request, "republish")) ? "records come again behind a reset alone" : NULL;
}

void sc_asked_checkpoint(struct sc_io *io, struct sc_instance *inst, const struct sc_ask *ask)
{
    struct sc_error err = SC_ERROR_INIT;
    const char *action = json_string_value(json_object_get(ask->request, "do"));
    unsigned *types = calloc(inst->poller_count ? inst->poller_count : 1, sizeof *types), count = 0;
    int rc = types ? sc_asked_types(inst, ask->request, false, types, &count, &err) : sc_fail(&err, SC_REASON_MEMORY_LIMIT, "out of memory");
    const char *wrong = rc ? err.text : what_is_wrong(ask->request, action ? action : "", count);
    struct asked_edit *a = wrong ? NULL : calloc(1, sizeof *a + count * sizeof *a->edits);
    if (!a || !(a->name = sc_dup(inst->config->name))) {
        sc_sink_end(ask->sink, false, wrong ? wrong : "out of memory");
        free(types);
        free(a);
        return;
    }
    sc_asked_begin(&a->asked, io, ask, cancel);
    a->anew = strcmp(action, "reset") == 0;
    a->forget = json_is_true(json_object_get(ask->request, "republish"));
    a->allow_doubles = json_is_true(json_object_get(ask->request, "allow_doubles"));
    a->look = json_is_true(json_object_get(ask->request, "look"));
    a->count = count;
    a->open = count + 1; /* it lives until all have begun */
    for (unsigned i = 0; i < count; i++) {
        a->edits[i] = (struct sc_edit){.of = a, .poller = inst->pollers[types[i]]};
        begin(&a->edits[i], ask->request);
    }
    free(types);
    a->open--;
    if (a->open == 0 && !a->over) {
        a->over = true;
        sc_asked_end(&a->asked, false, "nothing is changed");
    }
    free_if_done(a);
}
