/* status NAME: everything that is known of one integration; and the document of --json. Pure. */
#include "cli/status.h"

#include "base/clock.h"
#include "operate/times.h"

#include <stdio.h>

#define LABEL 14

/* "  polls       every 5 min; …", wrapped below itself. */
static void add(const struct sc_status_view *view, struct sc_buf *out, const char *label, const char *text)
{
    char first[64];
    snprintf(first, sizeof first, "%-*s", LABEL, label);
    if (*text)
        sc_wrap_add(out, first, text, view->columns);
}

static void add_advice(const struct sc_status_view *view, struct sc_buf *out, const char *advice)
{
    char first[64];
    snprintf(first, sizeof first, "%*s-> ", LABEL, "");
    if (*advice)
        sc_wrap_add(out, first, advice, view->columns);
}

static void add_notices(const struct sc_status_view *view, struct sc_buf *out, const json_t *facts, const char *said)
{
    size_t i;
    const json_t *notice;
    char ago[SC_WORDS];
    json_array_foreach(json_object_get(facts, "notices"), i, notice) {
        struct sc_buf line SC_AUTO_BUF = {0};
        int64_t since = sc_json_time(notice, "since");
        if (strcmp(sc_json_text(notice, "detail"), said) == 0)
            continue;
        sc_buf_addf(&line, "%s: %s", sc_json_text(notice, "reason"), sc_json_text(notice, "detail"));
        if (since != SC_TIME_NONE)
            sc_buf_addf(&line, " (for %s)", sc_span_words(view->now_ms - since, ago));
        add(view, out, "notice", sc_buf_str(&line).ptr);
        add_advice(view, out, sc_json_text(notice, "advice"));
    }
}

/* "2026-11-21T10:15:02Z (3 h ago)", "(in 4 min)" */
static void add_when(const struct sc_status_view *view, struct sc_buf *out, const char *before, int64_t at)
{
    char text[SC_TIME_TEXT], words[SC_WORDS];
    if (at == SC_TIME_NONE)
        return;
    sc_buf_addf(out, "%s%.19sZ", before, sc_time_rfc3339(at, text));
    if (at > view->now_ms)
        sc_buf_addf(out, " (in %s)", sc_span_words(at - view->now_ms, words));
    else
        sc_buf_addf(out, " (%s)", sc_ago_words(view->now_ms - at, words));
}

static void add_state(const struct sc_status_view *view, struct sc_buf *out, const struct sc_status_row *row)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    const json_t *facts = row->facts, *failures = json_object_get(facts, "failures");
    int64_t since = sc_json_time(facts, "since"), until = sc_json_time(facts, "until");
    bool stale = row->kind == SC_ROW_STALE;
    sc_buf_addf(&line, "%s%s", stale ? "stale, was " : "", sc_json_text(facts, "state"));
    if (strcmp(sc_json_text(facts, "reason"), "ok") != 0)
        sc_buf_addf(&line, ", %s", sc_json_text(facts, "reason"));
    add_when(view, &line, " since ", since);
    if (until > view->now_ms)
        add_when(view, &line, ", until ", until);
    if (sc_json_number(failures, "count"))
        sc_buf_addf(&line, "; failed %lld time%s in a row since %.19sZ", (long long)sc_json_number(failures, "count"),
                    sc_json_number(failures, "count") == 1 ? "" : "s", sc_json_text(failures, "since"));
    add(view, out, "state", sc_buf_str(&line).ptr);
    add(view, out, "", sc_json_text(facts, "detail"));
    add_advice(view, out, sc_json_text(facts, "advice"));
}

static void add_polls(const struct sc_status_view *view, struct sc_buf *out, const json_t *facts)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    char words[SC_TIME_TEXT];
    int64_t interval = sc_json_number(facts, "interval_seconds"), last = sc_json_time(facts, "last_poll"), good = sc_json_time(facts, "last_success");
    if (interval)
        sc_buf_addf(&line, "every %s", sc_duration_text(interval * 1000, words));
    add_when(view, &line, "; last ", last);
    if (good != last)
        add_when(view, &line, good == SC_TIME_NONE ? "" : "; last good one ", good);
    add_when(view, &line, "; next ", sc_json_time(facts, "next_poll"));
    add(view, out, "polls", sc_buf_str(&line).ptr);
}

static void add_progress(const struct sc_status_view *view, struct sc_buf *out, const json_t *progress)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    char n[SC_WORDS], left[SC_TIME_TEXT];
    if (!progress)
        return;
    sc_buf_addf(&line, "page %s", sc_amount_words((uint64_t)sc_json_number(progress, "page"), n));
    sc_buf_addf(&line, ", %s records", sc_amount_words((uint64_t)sc_json_number(progress, "records"), n));
    if (json_object_get(progress, "last_byte_seconds"))
        sc_buf_addf(&line, ", last byte %lld s before this was written", (long long)sc_json_number(progress, "last_byte_seconds"));
    if (*sc_json_text(progress, "reached"))
        sc_buf_addf(&line, ", newest record of %.19sZ", sc_json_text(progress, "reached"));
    if (sc_json_number(progress, "percent"))
        sc_buf_addf(&line, "; %lld %% done", (long long)sc_json_number(progress, "percent"));
    if (sc_json_number(progress, "left_seconds"))
        sc_buf_addf(&line, ", about %s left", sc_duration_text(sc_json_number(progress, "left_seconds") * 1000, left));
    add_when(view, &line, "; begun ", sc_json_time(progress, "since"));
    add(view, out, "this poll", sc_buf_str(&line).ptr);
}

/* "a poll takes 4:10: waiting for the vendor's first byte 62 %, waiting for the vendor's limit 20 %; 130 requests" */
static void add_times(const struct sc_status_view *view, struct sc_buf *out, const json_t *facts)
{
    const json_t *timing = json_object_get(facts, "timing_ms"), *requests = json_object_get(facts, "requests");
    int64_t total = sc_json_number(timing, "total"), left[SC_SPENT_KINDS];
    struct sc_buf line SC_AUTO_BUF = {0};
    char clock[SC_CLOCK_TEXT];
    if (total <= 0)
        return;
    if (total < 1000)
        sc_buf_addf(&line, "%lld ms", (long long)total);
    else
        sc_buf_add_str(&line, sc_clock_text(total, clock));
    for (unsigned i = 0; i < SC_SPENT_KINDS; i++)
        left[i] = sc_json_number(timing, sc_spent_name(i));
    for (unsigned n = 0; n < SC_SPENT_KINDS; n++) { /* the largest first; what is under a fiftieth is not worth its words */
        unsigned most = 0;
        for (unsigned i = 1; i < SC_SPENT_KINDS; i++)
            most = left[i] > left[most] ? i : most;
        int64_t percent = left[most] * 100 / total;
        if (percent < 2)
            break;
        sc_buf_addf(&line, "%s %s %lld %%", n ? "," : ":", sc_spent_words(most), (long long)(percent > 100 ? 100 : percent));
        left[most] = 0;
    }
    if (sc_json_number(requests, "last_poll"))
        sc_buf_addf(&line, "; %lld request%s", (long long)sc_json_number(requests, "last_poll"), sc_json_number(requests, "last_poll") == 1 ? "" : "s");
    add(view, out, "a poll takes", sc_buf_str(&line).ptr);
}

static void add_requests(const struct sc_status_view *view, struct sc_buf *out, const json_t *requests)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    char n[SC_WORDS], m[SC_WORDS];
    if (!sc_json_number(requests, "day"))
        return;
    sc_buf_addf(&line, "%s in the last hour (%s throttled), ", sc_amount_words((uint64_t)sc_json_number(requests, "hour"), n),
                sc_amount_words((uint64_t)sc_json_number(requests, "hour_throttled"), m));
    sc_buf_addf(&line, "%s in 24 h (%s throttled)", sc_amount_words((uint64_t)sc_json_number(requests, "day"), n),
                sc_amount_words((uint64_t)sc_json_number(requests, "day_throttled"), m));
    if (sc_json_number(requests, "hour_waiting_percent"))
        sc_buf_addf(&line, "; %lld %% of the last hour was waiting for the vendor's limit", (long long)sc_json_number(requests, "hour_waiting_percent"));
    add(view, out, "requests", sc_buf_str(&line).ptr);
}

static void add_records(const struct sc_status_view *view, struct sc_buf *out, const json_t *facts)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    char n[SC_WORDS], lag[SC_WORDS];
    int64_t newest = sc_json_time(facts, "last_record_time");
    sc_buf_addf(&line, "%s in ", sc_amount_words((uint64_t)sc_json_number(facts, "records"), n));
    sc_buf_addf(&line, "%s pages, ", sc_amount_words((uint64_t)sc_json_number(facts, "pages"), n));
    sc_buf_addf(&line, "%s", sc_bytes_words((uint64_t)sc_json_number(facts, "bytes"), n));
    if (newest != SC_TIME_NONE)
        sc_buf_addf(&line, "; the newest is %s old", sc_span_words(view->now_ms - newest, lag));
    if (sc_json_number(facts, "identity_collisions"))
        sc_buf_addf(&line, "; %lld bore an identity that another one has", (long long)sc_json_number(facts, "identity_collisions"));
    add(view, out, "records", sc_buf_str(&line).ptr);
    add(view, out, "position", sc_json_text(facts, "checkpoint"));
    sc_buf_clear(&line);
    sc_buf_addf(&line, "%s", sc_json_text(facts, "promise"));
    if (sc_json_number(facts, "lag_declared_seconds"))
        sc_buf_addf(&line, "; records that come up to %s late are found", sc_span_words(sc_json_number(facts, "lag_declared_seconds") * 1000, n));
    add(view, out, "promise", sc_buf_str(&line).ptr);
}

static void add_type(const struct sc_status_view *view, const struct sc_status_row *row, struct sc_buf *out)
{
    const json_t *facts = row->facts;
    sc_buf_add_char(out, '\n');
    sc_add_clean(out, row->data_type);
    sc_buf_add_char(out, '\n');
    add_state(view, out, row);
    add_notices(view, out, facts, sc_json_text(facts, "detail"));
    add_progress(view, out, json_object_get(facts, "progress"));
    add_polls(view, out, facts);
    add_times(view, out, facts);
    add_requests(view, out, json_object_get(facts, "requests"));
    add_records(view, out, facts);
}

/* ---- the integration ------------------------------------------------------------------------------------------------------ */

static void add_credential(const struct sc_status_view *view, struct sc_buf *out, const struct sc_status_one *one)
{
    const json_t *status = one->status;
    struct sc_buf line SC_AUTO_BUF = {0};
    int64_t ends = sc_json_time(status, "credential_ends");
    add_when(view, &line, "saved ", sc_json_time(status, "credential_saved"));
    add_when(view, &line, line.len ? "; ends " : "ends ", ends);
    if (ends != SC_TIME_NONE)
        sc_buf_addf(&line, " by %s", sc_json_text(status, "credential_ends_by"));
    add(view, out, "credential", sc_buf_str(&line).ptr);
    if (one->unsealed) {
        sc_buf_clear(&line);
        sc_buf_addf(&line, "%s: seal with `signal-client seal --rotate --unsealed`", one->unsealed);
        add(view, out, "not sealed", sc_buf_str(&line).ptr);
    }
}

static void add_source(const struct sc_status_view *view, struct sc_buf *out, const json_t *status)
{
    size_t i;
    const json_t *words, *latency = json_object_get(status, "latency_ms");
    struct sc_buf line SC_AUTO_BUF = {0};
    json_array_foreach(json_object_get(status, "budgets"), i, words)
        add(view, out, i ? "" : "budget", json_string_value(words) ? json_string_value(words) : "");
    if (!sc_json_number(latency, "first_byte_p95"))
        return;
    sc_buf_addf(&line, "begin after %lld ms (p50), %lld ms (p95)", (long long)sc_json_number(latency, "first_byte_p50"),
                (long long)sc_json_number(latency, "first_byte_p95"));
    if (sc_json_number(latency, "lookup_p95"))
        sc_buf_addf(&line, "; looking up the name takes %lld ms (p95)", (long long)sc_json_number(latency, "lookup_p95"));
    add(view, out, "answers", sc_buf_str(&line).ptr);
}

static void add_title(const struct sc_status_view *view, struct sc_buf *out, const struct sc_status_one *one)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    const char *connector = sc_json_text(one->status, "connector");
    sc_buf_addf(&line, "%s: %s", one->name, one->type && *one->type ? one->type : connector);
    if (one->rev)
        sc_buf_addf(&line, ", revision %llu", (unsigned long long)one->rev);
    if (one->saved)
        add_when(view, &line, " saved ", sc_time_parse_rfc3339(sc_str_of(one->saved)));
    sc_buf_add_str(&line, !one->rev ? ", which is not configured any more" : !one->readable ? ", whose value is no JSON object" : one->enabled ? "" : ", paused");
    sc_wrap_add(out, "", sc_buf_str(&line).ptr, view->columns);
}

void sc_status_detail(const struct sc_status_view *view, const struct sc_status_rows *rows, struct sc_buf *out)
{
    struct sc_buf head SC_AUTO_BUF = {0};
    bool bad;
    sc_status_agent_line(view, &head, &bad);
    sc_wrap_add(out, "", sc_buf_str(&head).ptr, view->columns);
    if (view->away)
        sc_wrap_add(out, "", view->away, view->columns);
    for (size_t i = 0; i < view->count; i++) {
        const struct sc_status_one *one = &view->at[i];
        sc_buf_add_char(out, '\n');
        add_title(view, out, one);
        if (!one->status)
            add(view, out, "state", "no agent has said anything of it yet");
        add_credential(view, out, one);
        add_source(view, out, one->status);
        add_notices(view, out, one->status, "");
    }
    for (size_t i = 0; i < rows->count; i++) {
        if (*rows->at[i].data_type)
            add_type(view, &rows->at[i], out);
        else if (rows->at[i].facts)
            add_state(view, out, &rows->at[i]);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------ */

static json_t *or_null(json_t *value)
{
    return value ? json_incref(value) : json_null();
}

static json_t *one_json(const struct sc_status_view *view, const struct sc_status_one *one)
{
    bool stale = false;
    const char *name;
    json_t *facts, *out = json_object();
    json_object_foreach(json_object_get(one->status, "data_types"), name, facts)
        stale |= sc_status_is_stale(view, one, facts);
    json_object_set_new(out, "revision", json_integer((json_int_t)one->rev));
    json_object_set_new(out, "type", json_string(one->type ? one->type : ""));
    json_object_set_new(out, "enabled", json_boolean(one->enabled));
    json_object_set_new(out, "stale", json_boolean(stale));
    if (one->saved)
        json_object_set_new(out, "saved", json_string(one->saved));
    if (one->unsealed)
        json_object_set_new(out, "unsealed", json_string(one->unsealed));
    json_object_set_new(out, "status", or_null(one->status));
    return out;
}

json_t *sc_status_json(const struct sc_status_view *view, const struct sc_status_rows *rows, bool one)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    bool bad;
    json_t *out = json_object(), *all = json_object();
    sc_status_agent_line(view, &line, &bad);
    json_object_set_new(out, "ok", json_boolean(sc_status_exit(view, rows) == SC_EXIT_GOOD));
    json_object_set_new(out, "agent", or_null(view->agent));
    json_object_set_new(out, "agent_text", json_string(sc_buf_str(&line).ptr));
    json_object_set_new(out, "lease", or_null(view->lease));
    for (size_t i = 0; i < view->count; i++)
        json_object_set_new(all, view->at[i].name, one_json(view, &view->at[i]));
    if (one) {
        json_t *only = json_incref(json_object_get(all, view->count ? view->at[0].name : ""));
        json_decref(all);
        json_object_set_new(out, "integration", only ? only : json_null());
    } else {
        json_object_set_new(out, "integrations", all);
    }
    return out;
}
