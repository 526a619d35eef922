/* INTEGRATION_STATUS (design 1.6): composed on the io thread, written by the status writer. On a change of state at once, else at most every 10 s
 * while something changes. */
#include "poll/poller.h"

#include <stdio.h>
#include <stdlib.h>

#define STEP_MS       10000

enum sc_poll_state sc_poller_state(const struct sc_poller *p)
{
    const struct sc_status_facts *f = &p->facts;
    switch (sc_reason_class(f->reason)) {
    case SC_CLASS_THROTTLED:
        return SC_STATE_RATE_LIMITED;
    case SC_CLASS_RETRY:
    case SC_CLASS_AUTH:
    case SC_CLASS_CONFIG:
    case SC_CLASS_BROKER:
        return SC_STATE_ERROR;
    case SC_CLASS_LOCAL:
        return f->reason == SC_REASON_STARTING || f->reason == SC_REASON_LEASE_HELD ? SC_STATE_WAITING : SC_STATE_ERROR;
    case SC_CLASS_DATA:
    case SC_CLASS_NOTICE:
        if (f->reason == SC_REASON_DISABLED || f->reason == SC_REASON_OFFLINE)
            return SC_STATE_PAUSED;
        break;
    case SC_CLASS_OK:
        break;
    }
    if (p->phase == SC_WALKING && p->inst->io->now - p->walk_began > SC_PROCESSING_MS)
        return SC_STATE_PROCESSING;
    return f->last_poll ? SC_STATE_ACTIVE : SC_STATE_WAITING;
}

static void add_time(struct sc_buf *out, const char *name, int64_t ms)
{
    char text[SC_TIME_TEXT];
    if (ms > 0)
        sc_buf_addf(out, ",\"%s\":\"%s\"", name, sc_time_rfc3339(ms, text));
}

static void add_text(struct sc_buf *out, const char *name, const char *text)
{
    sc_buf_addf(out, ",\"%s\":", name);
    sc_buf_add_json(out, sc_str_of(text));
}

enum sc_promise sc_poller_promise(const struct sc_poller *p)
{
    /* A document's map is saved when the document is read: on a stream whose past cannot be read a crash before that doubles all of it. */
    if (p->seen.overflowed || p->whole.overflowed || (p->bounded && p->type->shape == SC_SHAPE_SNAPSHOT))
        return SC_PROMISE_AT_LEAST_ONCE;
    return p->bounded || p->floor_gone ? SC_PROMISE_BOUNDED : SC_PROMISE_EXACT;
}

void sc_poller_position_words(const struct sc_poller *p, char *out, size_t cap)
{
    const char *time = json_string_value(json_object_get(p->cp.position, "time"));
    const char *version = json_string_value(json_object_get(p->cp.position, "version0"));
    const char *from = json_string_value(json_object_get(p->cp.walk, "since"));
    if (!p->loaded && !p->cp.saved_ms)
        snprintf(out, cap, "not read yet");
    else if (version)
        snprintf(out, cap, "document of %s, %u entries known", version, p->map.used);
    else if (time)
        snprintf(out, cap, "everything up to the cursor, newest record of %s%s", time, p->cp.open ? ", a walk is open" : "");
    else if (from)
        snprintf(out, cap, "first walk, since %s", from);
    else
        snprintf(out, cap, "nothing read yet");
}

struct sc_shown sc_poller_shown(const struct sc_poller *p)
{
    const struct sc_status_facts *f = &p->facts;
    const struct sc_notice *n = p->notices.first ? p->notices.first : p->inst->notices.first;
    if (f->reason == SC_REASON_OK && n)
        return (struct sc_shown){n->reason, n->detail, n->advice, n->since_ms};
    enum sc_reason reason = f->reason == SC_REASON_OK && !f->last_poll ? SC_REASON_STARTING : f->reason;
    return (struct sc_shown){reason, f->detail, f->advice, f->since_real};
}

static void add_notices(struct sc_buf *out, const struct sc_notices *set)
{
    if (!set->first)
        return;
    sc_buf_add_str(out, ",\"notices\":");
    sc_notices_json(set, out);
}

static void add_number(struct sc_buf *out, const char *name, uint64_t n)
{
    sc_buf_addf(out, ",\"%s\":%llu", name, (unsigned long long)n);
}

/* A poll that goes on for a while: how far it is. */
static void add_progress(struct sc_buf *out, const struct sc_poller *p)
{
    int64_t left = 0;
    char since[SC_TIME_TEXT];
    if (sc_poller_state(p) != SC_STATE_PROCESSING)
        return;
    unsigned percent = sc_pace_percent(p, &left);
    sc_buf_addf(out, ",\"progress\":{\"since\":\"%s\"", sc_time_rfc3339(p->pace.began_real, since));
    add_number(out, "page", p->walk_page + 1);
    add_number(out, "records", p->walk_read);
    if (p->pace.byte_ms)
        add_number(out, "last_byte_seconds", (uint64_t)(p->inst->io->now - p->pace.byte_ms) / 1000);
    if (p->newest_ms != SC_TIME_NONE)
        add_time(out, "reached", p->newest_ms);
    if (percent)
        add_number(out, "percent", percent);
    if (left)
        add_number(out, "left_seconds", (uint64_t)left / 1000);
    sc_buf_add_char(out, '}');
}

/* What a poll spends its time on (the last one; before its end the first one), and what was asked lately. */
static void add_pace(struct sc_buf *out, const struct sc_poller *p)
{
    const struct sc_poll_times *t = p->pace.last.total_ms ? &p->pace.last : &p->pace.now;
    struct sc_meter_sum hour = sc_meter_hour(&p->pace.meter, p->inst->io->now), day = sc_meter_day(&p->pace.meter, p->inst->io->now);
    sc_buf_add_str(out, ",\"timing_ms\":{");
    for (unsigned i = 0; i < SC_SPENT_KINDS; i++)
        sc_buf_addf(out, "%s\"%s\":%llu", i ? "," : "", sc_spent_name(i), (unsigned long long)t->ms[i]);
    add_number(out, "total", t->total_ms);
    sc_buf_addf(out, "},\"requests\":{\"last_poll\":%u", t->requests);
    add_number(out, "hour", hour.requests);
    add_number(out, "hour_throttled", hour.throttles);
    add_number(out, "day", day.requests);
    add_number(out, "day_throttled", day.throttles);
    add_number(out, "hour_waiting_percent", hour.span_ms > 0 ? hour.waited_ms * 100 / (uint64_t)hour.span_ms : 0);
    sc_buf_add_char(out, '}');
}

static void add_failures(struct sc_buf *out, const struct sc_poller *p)
{
    char since[SC_TIME_TEXT];
    if (p->pace.failures)
        sc_buf_addf(out, ",\"failures\":{\"count\":%u,\"since\":\"%s\"}", p->pace.failures, sc_time_rfc3339(p->pace.failing_since, since));
}

static void add_type(struct sc_buf *out, const struct sc_poller *p)
{
    const struct sc_status_facts *f = &p->facts;
    const struct sc_shown shown = sc_poller_shown(p);
    char words[300];
    int64_t now = sc_real_ms();
    sc_buf_add_json(out, sc_str_of(p->type->name));
    sc_buf_addf(out, ":{\"state\":\"%s\",\"reason\":\"%s\"", sc_poll_state_name(sc_poller_state(p)), sc_reason_code(shown.reason));
    add_text(out, "detail", shown.detail);
    add_text(out, "advice", shown.advice);
    add_time(out, "since", shown.since_real);
    add_time(out, "until", f->until_real);
    add_notices(out, &p->notices);
    add_failures(out, p);
    add_progress(out, p);
    add_time(out, "last_poll", f->last_poll);
    add_time(out, "last_success", f->last_success);
    if (p->covered_ms != SC_TIME_NONE) {
        add_time(out, "last_record_time", p->covered_ms);
        sc_buf_addf(out, ",\"lag_seconds\":%lld", (long long)((now - p->covered_ms) / 1000));
    }
    if (p->phase == SC_IDLE)
        add_time(out, "next_poll", now + (p->due_ms > p->inst->io->now ? p->due_ms - p->inst->io->now : 0));
    add_number(out, "interval_seconds", (uint64_t)p->inst->config->types[p->index].interval_ms / 1000);
    sc_poller_position_words(p, words, sizeof words);
    sc_buf_addf(out, ",\"records\":%llu,\"pages\":%llu,\"bytes\":%llu", (unsigned long long)p->cp.records, (unsigned long long)p->cp.pages,
                (unsigned long long)p->cp.bytes);
    add_text(out, "checkpoint", words);
    sc_buf_addf(out, ",\"credential_revision\":%llu,\"promise\":\"%s\"", (unsigned long long)p->inst->config->rev, sc_promise_name(sc_poller_promise(p)));
    sc_buf_addf(out, ",\"lag_declared_seconds\":%u", p->type->lag_s);
    sc_backfill_status(p, out);
    if (p->collisions)
        sc_buf_addf(out, ",\"identity_collisions\":%llu", (unsigned long long)p->collisions);
    add_pace(out, p);
    sc_buf_add_char(out, '}');
}

/* Of equal states, the one that has something to say. */
static bool is_worse(const struct sc_poller *a, const struct sc_poller *b)
{
    enum sc_poll_state state = sc_poller_state(a), other = sc_poller_state(b);
    if (state != other)
        return state > other;
    unsigned rank = sc_notice_rank(sc_poller_shown(a).reason);
    return rank < sc_notice_rank(sc_poller_shown(b).reason);
}

static const struct sc_poller *most_urgent(const struct sc_instance *inst)
{
    const struct sc_poller *worst = NULL;
    for (unsigned i = 0; i < inst->poller_count; i++) {
        const struct sc_poller *p = inst->pollers[i];
        if (inst->config->types[i].enabled && (!worst || is_worse(p, worst)))
            worst = p;
    }
    return worst ? worst : inst->pollers[0];
}

/* Of the source: its budgets in words, and what its answers take. */
static void add_source(struct sc_buf *out, const struct sc_source *source, int64_t now)
{
    struct sc_buf words SC_AUTO_BUF = {0};
    sc_buf_add_str(out, ",\"budgets\":[");
    for (uint32_t i = 0; i < source->budget_count; i++) {
        sc_buf_clear(&words);
        sc_budget_describe(source->budgets[i], now, &words);
        sc_buf_add_str(out, i ? "," : "");
        sc_buf_add_json(out, sc_buf_str(&words));
    }
    sc_buf_addf(out, "],\"latency_ms\":{\"first_byte_p50\":%u,\"first_byte_p95\":%u,\"lookup_p95\":%u}",
                sc_samples_percentile(&source->first_bytes, 50), sc_samples_percentile(&source->first_bytes, 95),
                sc_samples_percentile(&source->lookups, 95));
}

static void compose(const struct sc_instance *inst, struct sc_buf *out)
{
    const struct sc_poller *worst = most_urgent(inst);
    const struct sc_shown shown = sc_poller_shown(worst);
    char time[SC_TIME_TEXT];
    bool refused = inst->refused != NULL;
    sc_buf_add_str(out, "{\"v\":1");
    add_text(out, "integration", inst->config->name);
    add_text(out, "connector", inst->config->connector->name);
    add_text(out, "agent", inst->io->config.agent);
    sc_buf_addf(out, ",\"updated\":\"%s\"", sc_time_rfc3339(sc_real_ms(), time));
    sc_buf_addf(out, ",\"state\":\"%s\",\"reason\":\"%s\"", sc_poll_state_name(sc_poller_state(worst)), refused ? "config_invalid" : sc_reason_code(shown.reason));
    add_text(out, "detail", refused ? inst->refused : shown.detail);
    add_text(out, "advice", refused ? SC_REFUSED_ADVICE : shown.advice);
    add_time(out, "since", shown.since_real);
    add_time(out, "until", worst->facts.until_real);
    add_notices(out, &inst->notices);
    add_source(out, inst->source, inst->io->now);
    sc_status_credential(out, inst);
    sc_buf_add_str(out, ",\"data_types\":{");
    for (unsigned i = 0; i < inst->poller_count; i++) {
        if (i)
            sc_buf_add_char(out, ',');
        add_type(out, inst->pollers[i]);
    }
    sc_buf_add_str(out, "}}");
}

void sc_status_fire(struct sc_timer *timer, void *arg)
{
    struct sc_instance *inst = arg;
    struct sc_buf out = {0};
    (void)timer;
    if (inst->retired || inst->poller_count == 0 || (inst->io->config.on_request && !inst->polled_by_hand))
        return;
    compose(inst, &out);
    sc_redact_buf(&out);
    inst->status_at = inst->io->now;
    if (out.failed)
        sc_buf_done(&out);
    else
        sc_status_post(inst->io->config.status, inst->config->name, sc_buf_take(&out));
}

void sc_status_touch(struct sc_instance *inst, bool urgent)
{
    struct sc_io *io = inst->io;
    int64_t due = inst->status_at + STEP_MS;
    if (urgent || due < io->now)
        due = io->now;
    if (inst->retired || (sc_timer_armed(&inst->status_timer) && inst->status_timer.due_ms <= due))
        return;
    sc_heap_set(&io->heap, &inst->status_timer, due);
}
