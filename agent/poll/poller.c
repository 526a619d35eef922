/* The life of one data type: phases, waits, the walk. io thread of its source. */
#include "poll/errand.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const phase_names[] = {"off", "loading", "idle", "walking", "closing"};

void sc_poller_phase(struct sc_poller *p, enum sc_phase phase)
{
    struct sc_log_cx cx = sc_poller_cx(p);
    if (p->phase == phase)
        return;
    SC_LOG(SC_DEBUG, &cx, NULL, "%s -> %s", phase_names[p->phase], phase_names[phase]);
    if (phase == SC_WALKING && !p->errand) /* errands are few, and take no other's place */
        p->inst->io->walking++;
    else if (p->phase == SC_WALKING && !p->errand)
        p->inst->io->walking--;
    p->phase = phase;
    if (!p->errand)
        sc_status_touch(p->inst, false);
}

void sc_poller_wake(struct sc_poller *p)
{
    sc_heap_set(&p->inst->io->heap, &p->timer, p->inst->io->now);
}

void sc_poller_unpause(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    if (!p->paused)
        return;
    sc_pace_paused(p);
    p->paused = false;
    io->waiting--;
    if (p->transfer)
        sc_http_resume(p->transfer);
    else if (p->finishing)
        sc_poller_wake(p);
}

bool sc_poller_is_enabled(const struct sc_poller *p)
{
    const struct sc_integration *config = p->inst->config;
    return !p->retired && config->enabled && config->types[p->index].enabled;
}

bool sc_poller_should_run(const struct sc_poller *p)
{
    const struct sc_io *io = p->inst->io;
    if (io->stopping || io->config.settings->offline_mode || p->edit)
        return false;
    if (sc_is_backfill(p))
        return sc_backfill_may_run(p);
    if (p->errand)
        return !p->retired;
    return sc_poller_is_enabled(p) && (!io->config.on_request || p->listeners || p->attended);
}

/* ---- what is told -------------------------------------------------------------------------------------------------------------- */

/* What goes wrong again is counted by the log, whenever it is tried next and for however often. */
static void log_trouble(const struct sc_poller *p, enum sc_level level)
{
    const struct sc_status_facts *f = &p->facts;
    struct sc_log_cx cx = sc_poller_cx(p);
    char sentence[sizeof f->detail];
    const char *next = strstr(f->detail, ", next request at ");
    snprintf(sentence, sizeof sentence, "%.*s", (int)(next ? next - f->detail : (ptrdiff_t)strlen(f->detail)), f->detail);
    cx.reason = f->reason;
    cx.same = sentence;
    SC_LOG(level, &cx, NULL, "%s%s%s", f->detail, f->advice[0] ? "; " : "", f->advice);
}

static bool is_failure(enum sc_reason reason)
{
    enum sc_class cls = sc_reason_class(reason);
    return cls == SC_CLASS_RETRY || cls == SC_CLASS_AUTH || cls == SC_CLASS_CONFIG || cls == SC_CLASS_BROKER ||
           (cls == SC_CLASS_LOCAL && reason != SC_REASON_STARTING && reason != SC_REASON_LEASE_HELD);
}

static void tell_over(struct sc_poller *p)
{
    const struct sc_status_facts *f = &p->facts;
    struct sc_log_cx cx = sc_poller_cx(p);
    char took[SC_TIME_TEXT];
    uint64_t times, all;
    cx.reason = f->reason;
    bool told = sc_log_over(&cx, &times);
    if (!told && times == 0 && sc_real_ms() - f->since_real >= 3600000) { /* the log has forgotten the line, the operator has not */
        told = true;
        times = 1;
    }
    sc_log_over(&(struct sc_log_cx){cx.component, cx.integration, cx.data_type}, &all); /* what else there was */
    if (!told || (!is_failure(f->reason) && times < 2)) /* a wait that the vendor named ends by itself */
        return;
    SC_LOG_EACH(SC_INFO, &cx, NULL, "good again after %s (%llu time%s)", sc_duration_text(sc_real_ms() - f->since_real, took),
                (unsigned long long)times, times == 1 ? "" : "s");
}

void sc_poller_say(struct sc_poller *p, enum sc_reason reason, int64_t until_real, const char *detail, const char *advice)
{
    struct sc_status_facts *f = &p->facts;
    const struct sc_reason_row *row = sc_reason_row(reason);
    char shown[sizeof f->detail];
    snprintf(shown, sizeof shown, "%s", detail ? detail : "");
    bool changed = f->reason != reason;
    bool told = !changed && f->until_real == until_real && strcmp(f->detail, shown) == 0; /* the same wait, looked at again */
    if (changed && reason == SC_REASON_OK && f->reason != SC_REASON_STARTING)
        tell_over(p);
    if (changed)
        f->since_real = sc_real_ms();
    f->reason = reason;
    f->until_real = until_real;
    memcpy(f->detail, shown, sizeof shown);
    snprintf(f->advice, sizeof f->advice, "%s", advice && advice[0] ? advice : row->advice);
    if (reason != SC_REASON_OK && detail && !told)
        log_trouble(p, !sc_is_dry(p) && (changed || row->level >= SC_WARN) ? row->level : SC_DEBUG);
    if (!p->errand) {
        sc_status_touch(p->inst, changed);
        sc_around_watch(p);
    }
    if (p->listeners)
        sc_listeners_said(p, reason, until_real, detail);
}

/* ---- the walk ---------------------------------------------------------------------------------------------------------------------- */

static void begin_walk(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    json_decref(p->position);
    p->position = json_deep_copy(p->cp.position);
    json_decref(p->walk);
    p->walk = p->cp.walk ? json_deep_copy(p->cp.walk) : json_object();
    json_decref(p->cp.walk);
    p->cp.walk = json_deep_copy(p->walk);
    p->walk_page = p->cp.walk_page;
    p->walk_began = io->now;
    p->waits_until = 0;
    p->anchored = p->disk_open && p->disk_walk; /* an anchor of the same walk stands already */
    p->walk_failed = p->walk_whole = p->want_readback = p->finish = p->commit_map = p->last_page_hashed = false;
    p->scan_only = p->second_pass = p->version_known = p->older = false;
    p->last_list = 0;
    sc_reply_forget_page(p);
    p->walk_read = p->walk_published = p->walk_dead = p->walk_gaps = p->walk_pages = 0;
    sc_request_forget_asked(p);
    p->again = 0;
    p->left = p->limited = p->interrupted = false;
    if (sc_is_dry(p)) /* nothing is saved before anything */
        p->anchored = true;
    sc_pace_begin(p);
    sc_poller_phase(p, SC_WALKING);
    if (p->traced)
        sc_trace_begin(p);
}

/* A frozen gap goes out as a page of its own before anything else, so that it is acknowledged before the position passes it. */
static bool gap_under_way(struct sc_poller *p)
{
    if (!p->cp.gaps || json_array_size(p->cp.gaps) == 0)
        return false;
    if (p->page) /* it will not be read on: what comes after the gap is asked anew */
        sc_poller_give_up_page(p);
    sc_poller_cover_pages(p);
    if (p->page_count) { /* handed over: its outcome comes */
        sc_pace_wait(p, SC_SPENT_NATS_WAIT);
        return true;
    }
    if (!p->anchored) { /* everything before is covered: what the connector froze stands with the gap, so that a restart makes no second one */
        json_decref(p->cp.position);
        p->cp.position = json_deep_copy(p->position);
        json_decref(p->cp.walk);
        p->cp.walk = json_deep_copy(p->walk);
        sc_save_anchor(p);
        return true;
    }
    struct sc_io *io = p->inst->io;
    p->page = &p->pages[p->page_head];
    *p->page = (struct sc_open_page){.number = p->next_page++, .floor = sc_publisher_known_seq(io->config.publisher), .newest_ms = SC_TIME_NONE};
    p->page_count = 1;
    if (sc_record_publish_gap(p) == 0) {
        sc_record_post(p);
        p->page->complete = true;
        p->page->position = json_deep_copy(p->cp.position);
        p->page->walk = json_deep_copy(p->cp.walk);
        p->page->walk_page = p->walk_page;
    } else {
        p->page_count = 0;
        sc_heap_set(&io->heap, &p->timer, io->now + 250);
    }
    p->page = NULL;
    return true;
}

static void forget_pages(struct sc_poller *p)
{
    for (uint32_t i = 0; i < p->page_count; i++) {
        struct sc_open_page *page = &p->pages[(p->page_head + i) % SC_OPEN_PAGES];
        json_decref(page->position);
        json_decref(page->walk);
        sc_children_forget(&page->children);
        sc_whole_forget(&page->readings);
        *page = (struct sc_open_page){0};
    }
    p->page_count = 0;
    p->page = NULL;
}

static void mark_floor(struct sc_poller *p, const struct sc_open_page *page)
{
    int64_t reach = p->covered_ms == SC_TIME_NONE ? SC_TIME_NONE : p->covered_ms - (int64_t)p->type->overlap_s * 1000;
    while (p->mark_count > 1 && p->marks[0].newest_ms != SC_TIME_NONE && reach != SC_TIME_NONE && p->marks[0].newest_ms < reach) {
        memmove(p->marks, p->marks + 1, (p->mark_count - 1) * sizeof p->marks[0]);
        p->mark_count--;
    }
    if (p->mark_count > 1 && p->marks[0].newest_ms == SC_TIME_NONE && !p->loose && reach != SC_TIME_NONE) { /* nothing lay before it */
        memmove(p->marks, p->marks + 1, (p->mark_count - 1) * sizeof p->marks[0]);
        p->mark_count--;
    }
    if (page->published == 0) { /* all of it was in the stream before: it lies above the newest mark's floor */
        if (p->mark_count && page->newest_ms > p->marks[p->mark_count - 1].newest_ms)
            p->marks[p->mark_count - 1].newest_ms = page->newest_ms;
        return;
    }
    if (p->mark_count == SC_FLOOR_MARKS) { /* two become one: the lower floor, the later time */
        p->mark_count /= 2;
        for (uint32_t i = 0; i < p->mark_count; i++) {
            const struct sc_floor_mark a = p->marks[2 * i], b = p->marks[2 * i + 1];
            p->marks[i] = (struct sc_floor_mark){a.newest_ms > b.newest_ms ? a.newest_ms : b.newest_ms, a.floor};
        }
    }
    p->marks[p->mark_count++] = (struct sc_floor_mark){page->newest_ms, page->floor};
}

/* What the position says, not what was seen: a walk in no order covers nothing before its end. */
int64_t sc_poller_position_time(const struct sc_poller *p)
{
    struct sc_str text = sc_str_of(json_string_value(json_object_get(p->cp.position, "time")));
    int64_t ms = text.ptr ? sc_time_parse_rfc3339(text) : SC_TIME_NONE;
    return text.ptr && ms == SC_TIME_NONE ? sc_time_parse_date(text) : ms;
}

static void cover(struct sc_poller *p, struct sc_open_page *page)
{
    SC_FAULT("page.acked");
    if (!json_equal(p->cp.position, page->position) || page->records)
        p->dirty = true;
    json_decref(p->cp.position);
    p->cp.position = page->position;
    json_decref(p->cp.walk);
    p->cp.walk = page->walk;
    p->cp.walk_page = page->walk_page;
    p->cp.records += page->published - page->gaps;
    p->cp.bytes += page->bytes;
    p->cp.pages++;
    p->counts.pages++;
    p->counts.bytes += page->bytes;
    int64_t reached = p->type->shape == SC_SHAPE_SNAPSHOT ? page->newest_ms : sc_poller_position_time(p);
    if (reached > p->covered_ms)
        p->covered_ms = reached;
    p->seen.passed_ms = p->covered_ms == SC_TIME_NONE ? SC_TIME_NONE : p->covered_ms - (int64_t)p->type->overlap_s * 1000;
    mark_floor(p, page);
    if (page->published > page->gaps && !p->errand)
        sc_judge_came(p, page->published - page->gaps);
    sc_children_keep(p, page);
    sc_whole_keep(p, page);
    *page = (struct sc_open_page){0};
    p->page_head = (p->page_head + 1) % SC_OPEN_PAGES;
    p->page_count--;
}

bool sc_poller_cover_pages(struct sc_poller *p)
{
    bool covered = false;
    while (p->page_count) {
        struct sc_open_page *page = &p->pages[p->page_head];
        if (!page->complete || page->outstanding)
            break;
        cover(p, page);
        covered = true;
    }
    if (covered && p->type->shape == SC_SHAPE_LOG)
        sc_save_want(p);
    if (covered)
        sc_status_touch(p->inst, false);
    return covered;
}

void sc_poller_page_done(struct sc_poller *p)
{
    bool covered = sc_poller_cover_pages(p);
    if (covered || p->finish || p->phase != SC_WALKING)
        sc_poller_wake(p);
}

/* The page that was not read to its end: what was published of it stays published; until a later walk has passed it the checkpoint stays open
 * with its floor, so that a restart reads back. */
void sc_poller_give_up_page(struct sc_poller *p)
{
    struct sc_open_page *page = p->page;
    sc_record_drop_partial(p);
    sc_record_post(p);
    sc_reply_forget_page(p);
    p->child.passing = false;
    if (!page)
        return;
    p->page = NULL;
    if (page->published || page->outstanding) {
        if (!p->loose || page->floor < p->loose_floor)
            p->loose_floor = page->floor;
        p->loose = true;
    }
    page->complete = true; /* covers nothing more than the page before it */
    page->records = page->bytes = 0;
    page->newest_ms = SC_TIME_NONE;
    page->walk_page = p->walk_page;
    page->position = json_deep_copy(p->position);
    page->walk = json_deep_copy(p->walk);
}

void sc_poller_abandon(struct sc_poller *p)
{
    struct sc_transfer *transfer = p->transfer;
    p->transfer = NULL;
    p->finishing = false;
    if (p->paused) {
        p->paused = false;
        p->inst->io->waiting--;
    }
    sc_poller_give_up_page(p);
    if (transfer) {
        sc_request_release(p);
        sc_http_cancel(transfer);
    }
}

void sc_poller_ask_anew(struct sc_poller *p)
{
    struct sc_log_cx cx = sc_poller_cx(p);
    if (p->phase != SC_WALKING || (!p->transfer && !p->page))
        return;
    SC_LOG(SC_DEBUG, &cx, NULL, "the settings have changed: the page that is being read is asked for anew");
    sc_poller_abandon(p);
    p->second_pass = false;
    sc_poller_wake(p);
}

static void log_walk(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    struct sc_log_cx cx = sc_poller_cx(p);
    char fields[200];
    int n = snprintf(fields, sizeof fields, "read=%llu pages=%llu duration_ms=%lld", (unsigned long long)p->walk_read,
                     (unsigned long long)p->walk_pages, (long long)(io->now - p->walk_began));
    if (p->walk_dead && n < (int)sizeof fields)
        n += snprintf(fields + n, sizeof fields - (size_t)n, " dead_letters=%llu", (unsigned long long)p->walk_dead);
    if (p->walk_gaps && n < (int)sizeof fields)
        n += snprintf(fields + n, sizeof fields - (size_t)n, " gaps=%llu", (unsigned long long)p->walk_gaps);
    if (p->walk_read > p->walk_published + p->walk_dead && n < (int)sizeof fields)
        snprintf(fields + n, sizeof fields - (size_t)n, " recognised=%llu", (unsigned long long)(p->walk_read - p->walk_published - p->walk_dead));
    enum sc_level level = p->walk_dead || p->walk_gaps ? SC_WARN : SC_INFO;
    bool news = p->first_poll || p->walk_published || level == SC_WARN;
    p->first_poll = false;
    cx.same = "fetched"; /* the first 0 after news is no news: one line an hour, with how often */
    if (news)
        SC_LOG_EACH(level, &cx, fields, "fetched %llu %s", (unsigned long long)p->walk_published, p->type->noun);
    else
        SC_LOG(level, &cx, fields, "fetched 0 %s", p->type->noun);
}

static void note_promise(struct sc_poller *p)
{
    char detail[200], most[SC_CLOCK_TEXT];
    if (!p->seen.overflowed && !p->whole.overflowed) {
        sc_notice_clear(&p->notices, SC_REASON_IDENTITY_OVERFLOW);
        return;
    }
    snprintf(detail, sizeof detail, "more than %s identities would have to be kept: older ones are forgotten, the promise is \"at least once\"",
             sc_count_text(p->seen.max, most));
    sc_notice_set(&p->notices, SC_REASON_IDENTITY_OVERFLOW, detail, NULL, sc_real_ms());
}

/* The state after a good walk, with what an operator should know all the same. */
static void say_good(struct sc_poller *p)
{
    if (p->floor_gone) {
        sc_poller_say(p, SC_REASON_OK, SC_TIME_NONE,
                      "the stream had discarded messages that the read-back needed after the last start: records of one page may have come twice",
                      "Give the stream more room (max_bytes, max_msgs, max_age), so that it does not forget what is younger than a page.");
    } else if (p->walk_pages && !p->inst->source->offset_known) {
        sc_poller_say(p, SC_REASON_OK, SC_TIME_NONE, "the vendor's replies bear no Date: what is covered goes by this host's clock",
                      "Keep this host's clock right (chronyc sources -v): records of the time by which it is ahead may be missed.");
    } else {
        sc_poller_say(p, SC_REASON_OK, SC_TIME_NONE, "", NULL);
    }
}

/* Of a walk over the past: it goes on at once, or is done. */
static void end_past_walk(struct sc_poller *p)
{
    if (!p->walk_failed)
        log_walk(p);
    json_decref(p->walk);
    p->walk = NULL;
    sc_poller_phase(p, SC_IDLE);
    sc_backfill_walked(p);
    sc_poller_wake(p);
}

static void end_walk(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    int64_t interval = p->inst->config->types[p->index].interval_ms;
    SC_FAULT("walk.closed");
    if (sc_is_dry(p)) {
        sc_listeners_walked(p);
        return;
    }
    if (sc_is_backfill(p)) {
        end_past_walk(p);
        return;
    }
    sc_status_touch(p->inst, !p->facts.last_poll || io->now - p->walk_began > SC_PROCESSING_MS); /* it was waiting, or processing, and is active now */
    p->facts.last_poll = sc_real_ms();
    p->due_ms = p->interrupted ? io->now : io->now + interval + (int64_t)(sc_io_random(io) % (uint64_t)(interval / 20 + 1));
    p->counts.polls[p->walk_failed ? SC_POLL_INCOMPLETE : SC_POLL_SUCCESS]++;
    if (p->limited)
        log_walk(p);
    if (!p->walk_failed) {
        p->facts.last_success = p->facts.last_poll;
        if (p->cp.waits && json_object_size(p->cp.waits)) {
            json_object_clear(p->cp.waits);
            p->dirty = true;
        }
        p->dirty = p->dirty || p->cp.not_before_ms;
        p->cp.not_before_ms = 0;
        log_walk(p);
        say_good(p);
        sc_pace_end(p);
        sc_judge_walk(p);
        sc_backfill_live_walked(p, p->walk_began);
    }
    if (p->covered_ms != SC_TIME_NONE)
        p->facts.last_record = p->covered_ms;
    note_promise(p);
    json_decref(p->walk);
    p->walk = NULL;
    sc_poller_phase(p, SC_IDLE);
    if (p->listeners)
        sc_listeners_walked(p);
    sc_poller_wake(p);
    for (struct sc_instance *i = io->instances; i; i = i->next) { /* a place is free */
        for (unsigned k = 0; k < i->poller_count; k++) {
            if (i->pollers[k]->phase == SC_IDLE && i->pollers[k]->due_ms <= io->now)
                sc_poller_wake(i->pollers[k]);
        }
    }
}

static void close_walk(struct sc_poller *p)
{
    bool snapshot = p->type->shape == SC_SHAPE_SNAPSHOT;
    /* A snapshot that ended early (nothing new, an older copy): the map holds whatever an interrupted walk published, so saving it covers that. */
    if (!p->walk_failed && p->finish && snapshot && !p->walk_whole)
        p->commit_map = p->map.changed;
    if (!p->walk_failed && (p->walk_whole || (snapshot && p->finish))) {
        p->loose = false; /* the position has passed whatever an earlier walk left behind */
        p->loose_floor = 0;
        p->seen.spares_unmet = sc_is_backfill(p);
    }
    p->anchored = false;
    sc_poller_phase(p, SC_CLOSING);
    sc_poller_wake(p);
}

/* ---- steps: one function a phase ------------------------------------------------------------------------------------------------------ */

static bool broker_ready(const struct sc_poller *p)
{
    return p->inst->io->broker.state == SC_BROKER_READY || sc_is_dry(p);
}

static bool name_is_retiring(const struct sc_poller *p)
{
    struct sc_retiring *r = p->inst->io->config.retiring;
    bool found = false;
    pthread_mutex_lock(&r->lock);
    for (uint32_t i = 0; i < r->count && !found; i++)
        found = strcmp(r->names[i], p->inst->config->name) == 0;
    pthread_mutex_unlock(&r->lock);
    return found;
}

static void say_paused(struct sc_poller *p)
{
    const struct sc_integration *config = p->inst->config;
    char detail[300], at[SC_TIME_TEXT] = "";
    if (p->inst->io->config.settings->offline_mode) {
        sc_poller_say(p, SC_REASON_OFFLINE, SC_TIME_NONE, "offline_mode: no vendor is polled", NULL);
        return;
    }
    bool newest = p->covered_ms != SC_TIME_NONE;
    if (newest)
        sc_time_rfc3339(p->covered_ms / 1000 * 1000, at);
    snprintf(detail, sizeof detail, "paused by revision %llu (%s\"enabled\": false%s); the position is kept%s%.19s%s", (unsigned long long)config->rev,
             config->enabled ? "data type " : "", config->enabled && p->type->off_by_default ? " or not set, which is its default" : "",
             newest ? ", newest record of " : "", at, newest ? "Z" : "");
    sc_poller_say(p, SC_REASON_DISABLED, SC_TIME_NONE, detail, NULL);
}

static void step_off(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    if (p->edit && sc_edit_step(p))
        return;
    if (!sc_poller_should_run(p)) {
        if (p->retired || io->stopping || (io->config.on_request && sc_poller_is_enabled(p)))
            return;
        say_paused(p);
        return;
    }
    if (!broker_ready(p)) {
        sc_poller_say(p, io->broker.reason, SC_TIME_NONE, io->broker.text, NULL);
        return;
    }
    if (p->hold.until_ms > io->now && !sc_backfill_waits_loaded(p)) {
        sc_heap_set(&io->heap, &p->timer, p->hold.until_ms);
        return;
    }
    if (p->out) /* what is still under way comes back first: it may yet reach the stream */
        return;
    if (name_is_retiring(p)) {
        sc_heap_set(&io->heap, &p->timer, io->now + 50);
        return;
    }
    sc_poller_load(p);
}

/* A long pass shows where it is. */
static void step_loading(struct sc_poller *p)
{
    char detail[160];
    if (!p->job)
        return;
    uint64_t at = atomic_load(&p->job->at_seq), to = atomic_load(&p->job->to_seq);
    if (to)
        snprintf(detail, sizeof detail, "reading back what the stream holds of the open page: message %llu of %llu", (unsigned long long)at,
                 (unsigned long long)to);
    else
        snprintf(detail, sizeof detail, "waits for its checkpoint to be read");
    sc_poller_say(p, SC_REASON_STARTING, SC_TIME_NONE, detail, NULL);
    sc_heap_set(&p->inst->io->heap, &p->timer, p->inst->io->now + 10000);
}

/* Nobody's wish brings forward what the server would drop (relocate.h). */
static int64_t due_of(const struct sc_poller *p)
{
    int64_t left = p->cp.not_before_ms ? p->cp.not_before_ms - sc_real_ms() : 0, free_at = p->inst->io->now + left;
    return left > 0 && free_at > p->due_ms ? free_at : p->due_ms;
}

static void step_idle(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    if (sc_leave_stored_due(p)) {
        json_decref(p->position);
        p->position = json_deep_copy(p->cp.position);
        json_decref(p->walk);
        p->walk = json_deep_copy(p->cp.walk);
        p->walk_failed = true;
        p->finish = false;
        sc_poller_phase(p, SC_CLOSING);
        sc_poller_wake(p);
        return;
    }
    if (!sc_poller_should_run(p)) {
        if (sc_save_settled(p)) {
            p->loaded = false;
            sc_poller_phase(p, SC_OFF);
            sc_poller_wake(p);
        } else {
            sc_save_step(p);
        }
        return;
    }
    sc_save_step(p);
    if (!broker_ready(p) || (sc_is_dry(p) ? sc_errand_waits(p) : !p->errand && io->config.on_request && !p->listeners))
        return;
    if (sc_backfill_keeps_live(p)) { /* it loads; what it knows is needed */
        sc_poller_wake(p->backfill);
        sc_heap_set(&io->heap, &p->timer, io->now + 1000);
        return;
    }
    int64_t due = due_of(p);
    if (due > io->now) {
        sc_heap_set(&io->heap, &p->timer, due);
        return;
    }
    uint32_t most = (uint32_t)io->config.settings->poll_max_concurrent / io->config.threads;
    if (io->walking >= (most ? most : 1) && !p->errand) {
        p->pace.due_since = p->pace.due_since ? p->pace.due_since : sc_real_ms() - (io->now - p->due_ms);
        char detail[160];
        snprintf(detail, sizeof detail, "due, waits for %s%u%s under way to end (poll.max_concurrent)", io->walking == 1 ? "the " : "one of ", io->walking,
                 io->walking == 1 ? " poll" : " polls");
        sc_poller_say(p, SC_REASON_STARTING, SC_TIME_NONE, detail, NULL);
        return;
    }
    if (!sc_room_to_begin(p))
        return;
    begin_walk(p);
    sc_poller_wake(p);
}

/* Behind the page in which as much has been read as somebody wanted. The next poll goes on from there. */
static bool limit_reached(struct sc_poller *p)
{
    if (p->page || (!p->limited && !((p->listeners || p->errand) && p->walk_pages && sc_listeners_have_enough(p))))
        return false;
    p->limited = p->walk_failed = true;
    close_walk(p);
    return true;
}

bool sc_poller_capped(struct sc_poller *p)
{
    const struct sc_settings *s = p->inst->io->config.settings;
    if (p->walk_pages < (uint64_t)s->poll_max_pages && p->inst->io->now - p->walk_began < s->poll_max_time_s * 1000)
        return false;
    char detail[200];
    snprintf(detail, sizeof detail, "this poll has read %llu pages in %lld s: it ends here, the next one goes on from its position",
             (unsigned long long)p->walk_pages, (long long)((p->inst->io->now - p->walk_began) / 1000));
    p->walk_failed = true;
    sc_poller_say(p, SC_REASON_FALLING_BEHIND, SC_TIME_NONE, detail, NULL);
    close_walk(p);
    return true;
}

static void step_walking(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    const struct sc_hold *hold = NULL;
    sc_save_step(p);
    if (!sc_poller_should_run(p)) {
        p->walk_failed = true;
        sc_poller_abandon(p);
        close_walk(p);
        return;
    }
    if (p->finishing && !p->paused && broker_ready(p))
        sc_reply_finish(p);
    if (p->transfer || p->finishing || p->reading_back)
        return;
    if (p->finish) {
        close_walk(p);
        return;
    }
    if (!broker_ready(p) || p->page_count == SC_OPEN_PAGES) {
        sc_pace_wait(p, SC_SPENT_NATS_WAIT);
        return;
    }
    if (!p->page && (limit_reached(p) || sc_poller_capped(p)))
        return;
    if (p->child.passing) {
        sc_child_pass(p);
        return;
    }
    if (gap_under_way(p))
        return;
    int64_t until = sc_is_dry(p) ? sc_dry_not_before(p) : sc_poller_not_before(p, &hold);
    if (until > io->now) {
        bool told = !hold || hold == &p->hold || p->facts.reason == hold->reason;
        if (!told && hold == &p->inst->credential->hold && p->inst->credential->refused_real)
            sc_worked_tell_refused(p);
        else if (!told)
            sc_poller_say(p, hold->reason, hold->until_real, "another data type of the same source or credential met it; waits with it", NULL);
        sc_poller_waits(p, until);
        sc_pace_wait(p, hold && sc_reason_class(hold->reason) == SC_CLASS_THROTTLED ? SC_SPENT_BUDGET_WAIT : SC_SPENT_BACK_OFF);
        sc_heap_set(&io->heap, &p->timer, until);
        return;
    }
    if (p->want_readback) {
        p->want_readback = false;
        sc_poller_read_back(p);
        return;
    }
    sc_request_send(p);
}

static void step_closing(struct sc_poller *p)
{
    if (p->page)
        sc_poller_give_up_page(p);
    sc_poller_cover_pages(p);
    if (p->page_count) { /* the acknowledgements wake it */
        sc_pace_wait(p, SC_SPENT_NATS_WAIT);
        return;
    }
    if (!p->leaving && sc_leave_due(p))
        sc_leave_send(p);
    sc_save_step(p);
    if (!p->leaving && sc_save_settled(p))
        end_walk(p);
    else
        sc_pace_wait(p, SC_SPENT_NATS_WAIT);
}

void sc_poller_step(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    sc_pace_step(p);
    if (io->stopping)
        sc_leave_cancel(p);
    if (p->errand && sc_errand_step(p))
        return;
    if (p->loaded && p->generation != io->broker.generation && broker_ready(p)) {
        sc_poller_reset(p);
        return;
    }
    switch (p->phase) {
    case SC_OFF:
        step_off(p);
        break;
    case SC_LOADING:
        step_loading(p);
        break;
    case SC_IDLE:
        step_idle(p);
        break;
    case SC_WALKING:
        step_walking(p);
        break;
    case SC_CLOSING:
        step_closing(p);
        break;
    }
    sc_instance_free_if_done(p->inst);
}

void sc_poller_reset(struct sc_poller *p)
{
    sc_poller_abandon(p);
    forget_pages(p);
    p->leave_stale = true;
    sc_save_forget(p);
    p->loaded = p->loose = p->finish = p->reading_back = false;
    if (p->job)
        atomic_store(&p->job->stop, true);
    p->job = NULL; /* its answer is recognised as stale */
    p->attempts = 0;
    if (sc_reason_class(p->hold.reason) == SC_CLASS_BROKER && !p->hold.named)
        p->hold = (struct sc_hold){0};
    sc_poller_phase(p, SC_OFF);
    sc_poller_wake(p);
    if (p->backfill) /* it waits until this one knows where it stands */
        sc_poller_wake(p->backfill);
}
