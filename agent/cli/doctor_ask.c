/* doctor: what the running agent says of itself, and the checks of one integration, which it makes. */
#include "cli/ask.h"
#include "cli/doctor.h"

#include "base/clock.h"
#include "config/integration.h"
#include "nats/caller.h"
#include "nats/session.h"

#include <stdio.h>

#define ANSWER_MS   2000
#define ANSWER_MOST (2u * 1024 * 1024)

/* ---- the agent's word on itself ------------------------------------------------------------------------------------------ */

/* Only who runs already is asked: nothing is started for this. NULL: nobody answered; err says what NATS said, if anything. */
static json_t *ask_agent(struct sc_doctor *d, struct sc_error *err)
{
    struct sc_buf text SC_AUTO_BUF = {0};
    char subject[300];
    json_t *facts = NULL;
    int64_t until = sc_mono_ms() + ANSWER_MS;
    struct sc_caller *caller = sc_caller_open(d->session, err);
    sc_buf_init(&text, ANSWER_MOST);
    snprintf(subject, sizeof subject, "signal-client.%s.control", d->cli->settings.appliance_id);
    if (!caller || sc_caller_send(caller, subject, sc_str_of("{\"v\":1,\"op\":\"agent\"}"), true, err)) {
        sc_caller_close(caller);
        return NULL;
    }
    for (int64_t left; !facts && (left = until - sc_mono_ms()) > 0;) {
        enum sc_call got = sc_caller_next(caller, left, &text, err);
        if (got == SC_CALL_NOBODY || got == SC_CALL_LOST)
            break;
        json_t *answer = got == SC_CALL_ANSWER ? json_loadb(text.ptr, text.len, 0, NULL) : NULL;
        facts = json_incref(json_object_get(answer, "line"));
        json_decref(answer);
    }
    if (!facts && *sc_caller_complaint(caller))
        sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "NATS says: %s", sc_caller_complaint(caller));
    sc_caller_close(caller);
    return facts;
}

static void tell_notices(struct sc_doctor *d, const json_t *facts)
{
    size_t i;
    const json_t *notice;
    json_array_foreach (json_object_get(facts, "notices"), i, notice) {
        /* the stream was looked at above, with the same words and newer figures */
        const char *reason = sc_json_text(notice, "reason");
        sc_check(d, "agent says", SC_CHECK_NOTICE, sc_json_text(notice, "advice"), "%s since %s: %s", reason, sc_json_text(notice, "since"),
                 sc_json_text(notice, "detail"));
    }
}

static void tell_acks(struct sc_doctor *d, const json_t *nats)
{
    json_int_t count = json_integer_value(json_object_get(nats, "acks_lately")), p95 = json_integer_value(json_object_get(nats, "ack_p95_ms"));
    char bound[SC_TIME_TEXT];
    if (count)
        sc_check(d, "acknowledgements", p95 > 1000 ? SC_CHECK_NOTICE : SC_CHECK_OK, "Check the disk and the load of the NATS server.",
                 "%lld records lately, 95 of 100 acknowledged within %s", (long long)count,
                 p95 >= UINT32_MAX ? "more than 10 s" : sc_duration_text(p95, bound));
}

void sc_doctor_agent(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    char up[48];
    if (!d->agent_leads)
        return;
    json_t *facts = ask_agent(d, &err);
    if (!facts) {
        sc_check(d, "agent", SC_CHECK_NOTICE,
                 "Commands that ask it (poll, doctor NAME, checkpoint, backfill) do not work until it answers: let both users use that subject (docs/nats.md), or update the "
                 "agent.",
                 "it holds the lease and does not answer on signal-client.%s.control%s%s", d->cli->settings.appliance_id, err.text[0] ? "; " : "", err.text);
        return;
    }
    const json_t *broker = json_object_get(facts, "broker"), *memory = json_object_get(facts, "memory");
    bool ready = json_is_true(json_object_get(broker, "ready"));
    sc_check(d, "agent", ready ? SC_CHECK_OK : SC_CHECK_BAD, "See the checks of NATS and the stream here; it goes on by itself.", "version %s, started %s, %lld integrations%s%s%s%s",
             sc_json_text(facts, "version"), sc_ago_text(sc_time_parse_rfc3339(sc_str_of(sc_json_text(facts, "started"))), sc_real_ms(), up),
             (long long)json_integer_value(json_object_get(facts, "integrations")), *sc_json_text(memory, "text") ? ", " : "", sc_json_text(memory, "text"),
             ready ? "" : "; does not publish: ", ready ? "" : sc_json_text(broker, "text"));
    tell_acks(d, json_object_get(facts, "nats"));
    tell_notices(d, facts);
    json_decref(facts);
}

/* ---- one integration ------------------------------------------------------------------------------------------------------ */

/* What no agent could say: that there is none of that name, or that its value cannot be used. False: nothing more can be learnt. */
static bool check_value(struct sc_doctor *d, const char *name, uint64_t *ret_rev)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_kv_entry entry = {0};
    char ago[48];
    int rc = sc_get_integration(d->session, name, &entry, &err);
    if (rc) {
        sc_check(d, "integration", SC_CHECK_BAD, "`signal-client integrations list` shows what there is.", "%s", err.text);
        sc_kv_entry_done(&entry);
        return false;
    }
    *ret_rev = entry.rev;
    struct sc_integration *integration = sc_integration_parse(name, sc_buf_str(&entry.value), entry.rev, sc_find_connector, d->cli->plugins, &err);
    if (!integration)
        sc_check(d, "stored value", SC_CHECK_BAD, "Correct it and save it (`signal-client integrations put`); the last good one, if there was one, stays in use meanwhile.",
                 "revision %llu, saved %s, cannot be used: %s", (unsigned long long)entry.rev,
                 sc_ago_text(sc_time_parse_rfc3339(sc_str_of(entry.created)), sc_real_ms(), ago), err.text);
    sc_integration_unref(integration);
    sc_kv_entry_done(&entry);
    return true;
}

static json_t *request_of(const char *name, uint64_t rev, const struct sc_args *args)
{
    json_t *request = json_pack("{s:s, s:s, s:I}", "op", "doctor", "integration", name, "revision", (json_int_t)rev), *types = json_array();
    for (int i = 0; i < args->option_count; i++) {
        if (strcmp(args->options[i].key, "data-type") == 0)
            json_array_append_new(types, json_string(args->options[i].value));
    }
    if (json_array_size(types))
        json_object_set(request, "data_type", types);
    json_decref(types);
    return request;
}

static void follow(struct sc_doctor *d, struct sc_asker *asker)
{
    struct sc_error err = SC_ERROR_INIT;
    const char *kind;
    json_t *value = NULL;
    enum sc_answer got;
    while ((got = sc_asker_next(asker, &kind, &value, &err)) == SC_ANSWER_LINE) {
        if (strcmp(kind, "check") == 0)
            sc_check_take(d, value);
        json_decref(value);
    }
    if (got == SC_ANSWER_LOST)
        sc_check(d, "agent", SC_CHECK_BAD, "Ask again; `signal-client doctor` without a name looks at what both need.", "%s", err.text);
    else if (got == SC_ANSWER_STOPPED)
        sc_check(d, "agent", SC_CHECK_SKIPPED, NULL, "stopped before the end");
    if (got != SC_ANSWER_END)
        return;
    if (!json_is_true(json_object_get(value, "ok")))
        sc_check(d, "agent", SC_CHECK_BAD, NULL, "%s", sc_json_text(value, "text"));
    json_decref(value);
}

void sc_doctor_integration(struct sc_doctor *d, const struct sc_args *args)
{
    struct sc_error err = SC_ERROR_INIT;
    d->session = sc_open_bucket(d->cli, false, &err);
    if (!d->session) {
        sc_doctor_nats(d);
        if (d->session)
            sc_check(d, "integration", SC_CHECK_BAD, NULL, "%s", err.text);
        return;
    }
    uint64_t rev = 0;
    if (!check_value(d, args->words[0], &rev))
        return;
    struct sc_asker *asker = sc_asker_open(d->cli, request_of(args->words[0], rev, args), &err);
    if (asker)
        follow(d, asker);
    else
        sc_check(d, "agent", SC_CHECK_BAD, "`signal-client doctor` without a name looks at what both need.", "%s", err.text);
    sc_asker_close(asker);
}
