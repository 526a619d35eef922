/* From what was gathered to rows in the order of urgency. Pure. */
#include "cli/status.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define LEASE_FRESH_MS 20000  /* renewed each 5 s, and clocks differ a little */
#define WRITTEN_MS     120000 /* a change stands in the bucket by then */
#define WORKING_MS     180000 /* a long poll is written at least each minute */

static bool is_lease_fresh(const struct sc_status_view *view)
{
    int64_t renewed = sc_json_time(view->lease, "renewed");
    return renewed != SC_TIME_NONE && !json_is_true(json_object_get(view->lease, "released")) && view->now_ms - renewed < LEASE_FRESH_MS;
}

/* An agent that answers, or at least renews the lease, writes what changes; then only what is overdue is stale. */
bool sc_status_is_stale(const struct sc_status_view *view, const struct sc_status_one *one, const json_t *facts)
{
    const char *state = sc_json_text(facts, "state");
    int64_t updated = sc_json_time(one->status, "updated"), due = sc_json_time(facts, "until");
    if (view->agent || !one->rev || strcmp(state, "paused") == 0)
        return false;
    if (!is_lease_fresh(view))
        return true;
    if (due == SC_TIME_NONE)
        due = sc_json_time(facts, "next_poll");
    if (strcmp(state, "processing") == 0 && updated != SC_TIME_NONE)
        due = updated + WORKING_MS;
    return due != SC_TIME_NONE && view->now_ms - due > WRITTEN_MS;
}

static enum sc_row_kind kind_of(const struct sc_status_view *view, const struct sc_status_one *one, const json_t *facts)
{
    const char *state = sc_json_text(facts, "state"), *reason = sc_json_text(facts, "reason");
    bool good = strcmp(reason, "ok") == 0;
    if (!one->rev)
        return SC_ROW_LEFT_OVER;
    if (!facts)
        return one->readable && !one->enabled ? SC_ROW_PAUSED : one->readable ? SC_ROW_SILENT : SC_ROW_ERROR;
    if (sc_status_is_stale(view, one, facts))
        return SC_ROW_STALE;
    if (strcmp(state, "error") == 0 || strcmp(reason, "config_invalid") == 0)
        return SC_ROW_ERROR;
    if (strcmp(state, "rate_limited") == 0)
        return SC_ROW_LIMITED;
    if (strcmp(state, "paused") == 0)
        return SC_ROW_PAUSED;
    if (strcmp(state, "waiting") == 0)
        return json_array_size(json_object_get(facts, "notices")) ? SC_ROW_NOTICE : SC_ROW_WAITING;
    if (!good && strcmp(reason, "starting") != 0 && strcmp(reason, "waits_for_vendor") != 0)
        return SC_ROW_NOTICE;
    return strcmp(state, "processing") == 0 ? SC_ROW_PROCESSING : SC_ROW_GOOD;
}

static int by_urgency(const void *left, const void *right)
{
    const struct sc_status_row *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    int order = strcmp(a->one->name, b->one->name);
    return order ? order : strcmp(a->data_type, b->data_type);
}

static size_t types_of(const struct sc_status_one *one)
{
    return json_object_size(json_object_get(one->status, "data_types"));
}

/* A put that was refused is told for the integration alone, while its data types go on by the last good value. */
static bool has_own_row(const struct sc_status_one *one)
{
    return types_of(one) == 0 || strcmp(sc_json_text(one->status, "reason"), "config_invalid") == 0;
}

int sc_status_rows(const struct sc_status_view *view, struct sc_status_rows *ret)
{
    size_t most = 0;
    for (size_t i = 0; i < view->count; i++)
        most += types_of(&view->at[i]) + 1;
    *ret = (struct sc_status_rows){.at = calloc(most + 1, sizeof *ret->at)};
    if (!ret->at)
        return -1;
    for (size_t i = 0; i < view->count; i++) {
        const struct sc_status_one *one = &view->at[i];
        const char *name;
        json_t *facts;
        if (has_own_row(one))
            ret->at[ret->count++] = (struct sc_status_row){one, "", one->status, kind_of(view, one, one->status)};
        json_object_foreach(json_object_get(one->status, "data_types"), name, facts)
            ret->at[ret->count++] = (struct sc_status_row){one, name, facts, kind_of(view, one, facts)};
    }
    qsort(ret->at, ret->count, sizeof *ret->at, by_urgency);
    return 0;
}

int sc_status_exit(const struct sc_status_view *view, const struct sc_status_rows *rows)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    bool bad;
    sc_status_agent_line(view, &line, &bad);
    for (size_t i = 0; i < rows->count && !bad; i++)
        bad = rows->at[i].kind <= SC_ROW_STALE;
    return bad ? SC_EXIT_BAD : SC_EXIT_GOOD;
}

/* ---- the agent ------------------------------------------------------------------------------------------------------------ */

static void add_answer(const struct sc_status_view *view, struct sc_buf *out, bool *ret_bad)
{
    const json_t *a = view->agent, *broker = json_object_get(a, "broker");
    int64_t started = sc_json_time(a, "started");
    char up[SC_WORDS];
    bool ready = json_is_true(json_object_get(broker, "ready"));
    sc_buf_addf(out, "agent %s, version %s, process %lld", sc_json_text(a, "agent"), sc_json_text(a, "version"), (long long)sc_json_number(a, "pid"));
    if (started != SC_TIME_NONE)
        sc_buf_addf(out, view->now_ms - started < 1000 ? ", just started" : ", up %s", sc_span_words(view->now_ms - started, up));
    sc_buf_addf(out, ": holds the lease (epoch %lld); ", (long long)sc_json_number(a, "epoch"));
    if (ready)
        sc_buf_addf(out, "NATS is ready, stream %s; ", sc_json_text(broker, "stream"));
    else
        sc_buf_addf(out, "NATS: %s: %s; ", sc_json_text(broker, "reason"), sc_json_text(broker, "text"));
    sc_buf_addf(out, "%lld integration%s on %lld io thread%s", (long long)sc_json_number(a, "integrations"), sc_json_number(a, "integrations") == 1 ? "" : "s",
                (long long)sc_json_number(a, "io_threads"), sc_json_number(a, "io_threads") == 1 ? "" : "s");
    const char *memory = sc_json_text(json_object_get(a, "memory"), "text");
    if (*memory)
        sc_buf_addf(out, "; memory: %s", memory);
    *ret_bad = !ready;
}

void sc_status_agent_line(const struct sc_status_view *view, struct sc_buf *out, bool *ret_bad)
{
    const char *agent = sc_json_text(view->lease, "agent"), *at = sc_json_text(view->lease, "renewed");
    int64_t renewed = sc_json_time(view->lease, "renewed");
    char ago[SC_WORDS] = "";
    *ret_bad = true;
    if (renewed != SC_TIME_NONE)
        sc_ago_words(view->now_ms - renewed, ago);
    if (view->agent)
        add_answer(view, out, ret_bad);
    else if (!view->lease)
        sc_buf_add_str(out, "no agent answers, and none has ever held the lease here: start one with `signal-client run`");
    else if (json_is_true(json_object_get(view->lease, "released")))
        sc_buf_addf(out, "no agent runs: %s gave the lease back %s (%.19sZ); start it to go on from there", agent, ago, at);
    else if (is_lease_fresh(view))
        sc_buf_addf(out, "agent %s holds the lease (renewed %s) and does not answer on signal-client.%s.control: an older version, or this user may not ask it",
                    agent, ago, agent);
    else
        sc_buf_addf(out, "no agent answers: %s held the lease last and renewed it %s (%.19sZ), not since; see whether it runs and reaches NATS", agent, ago, at);
}
