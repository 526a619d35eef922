/* doctor: the buckets, who polls, where the positions stand, and the agent's last word on each integration. */
#include "cli/doctor.h"

#include "base/clock.h"
#include "config/integration.h"
#include "nats/session.h"

#include <stdio.h>
#include <stdlib.h>

#define LEASE_OLD_MS  15000
#define STATUS_OLD_MS 120000 /* an agent that runs has written within */
#define NAMES_MAX     20     /* integrations named one by one when they are well */

/* ---- the lease --------------------------------------------------------------------------------------------------------- */

static void say_holder(struct sc_doctor *d, const struct sc_kv_entry *entry)
{
    json_t *value = json_loadb(sc_buf_str(&entry->value).ptr, entry->value.len, 0, NULL);
    const char *agent = sc_json_text(value, "agent"), *renewed = sc_json_text(value, "renewed");
    int64_t at = sc_time_parse_rfc3339(sc_str_of(renewed)), now = sc_real_ms();
    char ago[48];
    if (entry->deleted || json_is_true(json_object_get(value, "released"))) {
        sc_check(d, "lease", SC_CHECK_BAD, "Start the agent (`signal-client run`): nobody polls.", "free: the last holder was agent %s, which was stopped %s", *agent ? agent : "?",
                 sc_ago_text(at, now, ago));
    } else if (at == SC_TIME_NONE || now - at > LEASE_OLD_MS) {
        sc_check(d, "lease", SC_CHECK_BAD,
                 "Start the agent, or look why it cannot renew: it was killed, its machine is down, or NATS is out of its reach. Another agent would have taken over.",
                 "agent %s held it last, renewed %s: nobody polls", *agent ? agent : "?", at == SC_TIME_NONE ? "never" : sc_ago_text(at, now, ago));
    } else {
        d->agent_leads = true;
        sc_check(d, "lease", SC_CHECK_OK, NULL, "agent %s polls (epoch %lld), renewed %s", agent, (long long)json_integer_value(json_object_get(value, "epoch")),
                 sc_ago_text(at, now, ago));
    }
    json_decref(value);
}

void sc_doctor_lease(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_kv_entry entry = {0};
    int rc = sc_kv_get(d->session, "INTEGRATION_LEASES", "agent", &entry, &err);
    if (rc == 0)
        say_holder(d, &entry);
    else if (rc > 0 || err.reason == SC_REASON_NO_STREAM)
        sc_check(d, "lease", SC_CHECK_BAD, "Start the agent (`signal-client run`).", "no agent has ever run with these buckets");
    else
        sc_check(d, "lease", SC_CHECK_SKIPPED, NULL, "who polls is not known: %s", err.text);
    sc_kv_entry_done(&entry);
}

/* ---- the buckets ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *what;
    bool operators; /* the agent does not make it */
} buckets[] = {
    {SC_INTEGRATIONS, "what is to be polled", true},       {SC_CHECKPOINTS, "positions", false},
    {"SEEN", "identities", false},                         {"CREDENTIAL_STATE", "tokens that are renewed", false},
    {SC_INTEGRATION_STATUS, "the agent's word", false},    {"INTEGRATION_LEASES", "who polls", false},
};

static void say_missing(struct sc_doctor *d, size_t i)
{
    if (buckets[i].operators)
        sc_check(d, "buckets", SC_CHECK_BAD, "Make it (`nats kv add INTEGRATIONS --history=5`), or let the first `integrations put` make it with nats.create = true.",
                 "there is no bucket %s (%s)", buckets[i].name, buckets[i].what);
    else if (d->agent_leads && strcmp(buckets[i].name, "CREDENTIAL_STATE") != 0)
        sc_check(d, "buckets", SC_CHECK_BAD, "Somebody deleted it: the agent makes it again; look at the statuses below, and at docs/nats.md for what was in it.",
                 "there is no bucket %s (%s) although an agent runs", buckets[i].name, buckets[i].what);
}

static void check_bucket(struct sc_doctor *d, size_t i, struct sc_buf *good)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_stream_info info;
    char age[SC_TIME_TEXT];
    int rc = sc_kv_info(d->session, buckets[i].name, &info, &err);
    if (rc > 0)
        say_missing(d, i);
    else if (rc < 0)
        sc_check(d, "buckets", strstr(err.text, "permission denied") ? SC_CHECK_SKIPPED : SC_CHECK_BAD, "Look at the server's log.", "%s: %s", buckets[i].name, err.text);
    else if (info.max_age_ns > 0)
        sc_check(d, "buckets", SC_CHECK_BAD, "Take the TTL away: what expires there is lost, and is asked for or published again.", "%s (%s) forgets its values after %s",
                 buckets[i].name, buckets[i].what, sc_duration_text(info.max_age_ns / 1000000, age));
    else if (info.max_bytes > 0 && info.bytes / 9 >= (uint64_t)info.max_bytes / 10)
        sc_check(d, "buckets", SC_CHECK_BAD, "Raise its max_bytes: a bucket that refuses stops everything.", "%s (%s) is nearly full: %s", buckets[i].name, buckets[i].what,
                 sc_size_pair(info.bytes, (uint64_t)info.max_bytes, (char[SC_SIZE_TEXT]){""}));
    else
        sc_buf_addf(good, "%s%s (%llu)", good->len ? ", " : "", buckets[i].name, (unsigned long long)info.messages);
}

/* ---- positions --------------------------------------------------------------------------------------------------------- */

struct positions {
    struct sc_doctor *d;
    unsigned count, bad;
};

static int take_position(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    struct positions *p = arg;
    json_error_t where;
    json_t *json = json_loadb(value.ptr ? value.ptr : "", value.len, 0, &where);
    p->count++;
    if (!json_is_object(json) || !json_is_integer(json_object_get(json, "v"))) {
        p->bad++;
        sc_check(p->d, "positions", SC_CHECK_BAD,
                 "`signal-client checkpoint show` tells what stands there; `checkpoint set` or `checkpoint reset` mends it. Until then that data type asks for nothing.",
                 "%.100s (revision %llu) is not a checkpoint: %s", key, (unsigned long long)rev, json ? "it has no version" : where.text);
    }
    json_decref(json);
    return 0;
}

static void check_positions(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    struct positions positions = {.d = d};
    struct sc_stream_info info;
    if (sc_kv_info(d->session, SC_CHECKPOINTS, &info, &err))
        return;
    if (sc_kv_each(d->session, SC_CHECKPOINTS, take_position, &positions, &err))
        sc_check(d, "positions", SC_CHECK_SKIPPED, NULL, "they cannot be read: %s", err.text);
    else if (!positions.bad)
        sc_check(d, "positions", SC_CHECK_OK, NULL, "%u checkpoints, all of them readable", positions.count);
}

/* ---- integrations ------------------------------------------------------------------------------------------------------- */

struct words {
    struct sc_doctor *d;
    json_t *statuses;
    unsigned count, good, unsealed;
    struct sc_buf names, plain; /* of the good ones; "okta-prod (credentials.api_token)" */
};

static bool is_stale(const json_t *status)
{
    int64_t at = sc_time_parse_rfc3339(sc_str_of(sc_json_text(status, "updated")));
    return at == SC_TIME_NONE || sc_real_ms() - at > STATUS_OLD_MS;
}

static enum sc_check_result judge(const char *state, const char *reason)
{
    if (strcmp(state, "error") == 0)
        return SC_CHECK_BAD;
    if ((strcmp(state, "active") == 0 || strcmp(state, "processing") == 0) && strcmp(reason, "ok") == 0)
        return SC_CHECK_OK;
    return SC_CHECK_NOTICE;
}

/* What stands with the integration or one of its data types; the worst of the latter counts for it, so each that is not well is told. */
static bool tell_facts(struct words *w, const char *name, const json_t *facts, const char *type)
{
    char check[140];
    const char *state = sc_json_text(facts, "state"), *reason = sc_json_text(facts, "reason"), *detail = sc_json_text(facts, "detail");
    enum sc_check_result result = judge(state, reason);
    if (result == SC_CHECK_OK)
        return true;
    snprintf(check, sizeof check, "%.100s", name);
    sc_check(w->d, check, result, sc_json_text(facts, "advice"), "%s%s%s, %s%s%s", type, *type ? " " : "", state, reason, *detail ? ": " : "", detail);
    return false;
}

static void tell_status(struct words *w, const char *name, const json_t *status)
{
    const json_t *types = json_object_get(status, "data_types"), *facts;
    const char *type;
    bool good = true, by_type = false;
    json_object_foreach ((json_t *)(uintptr_t)types, type, facts) {
        good &= tell_facts(w, name, facts, type);
        by_type = true;
    }
    if (!by_type || (good && strcmp(sc_json_text(status, "reason"), "ok") != 0))
        good &= tell_facts(w, name, status, "");
    if (good) {
        w->good++;
        if (w->good <= NAMES_MAX)
            sc_buf_addf(&w->names, "%s%s", w->names.len ? ", " : "", name);
    }
}

static void note_plain(struct words *w, const char *name, struct sc_str value)
{
    struct sc_sealed_facts facts SC_AUTO_FACTS = {0};
    json_t *json = json_loadb(value.ptr ? value.ptr : "", value.len, 0, NULL);
    if (json_is_object(json)) {
        sc_value_tell_sealed(json, sc_plugins_find(w->d->cli->plugins, sc_json_text(json, "integration_type")), &facts);
        if (facts.plain.len && ++w->unsealed <= NAMES_MAX)
            sc_buf_addf(&w->plain, "%s%s (%s)", w->plain.len ? ", " : "", name, facts.plain.ptr);
    }
    json_decref(json);
}

static int take_integration(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    struct words *w = arg;
    struct sc_error err = SC_ERROR_INIT;
    const json_t *status = json_object_get(w->statuses, key);
    char ago[48];
    w->count++;
    note_plain(w, key, value);
    struct sc_integration *integration = sc_integration_parse(key, value, rev, sc_find_connector, w->d->cli->plugins, &err);
    if (!integration)
        sc_check(w->d, key, SC_CHECK_BAD, "Correct the value and save it (`signal-client integrations put`); the last good one stays in use meanwhile.",
                 "revision %llu cannot be used: %s", (unsigned long long)rev, err.text);
    else if (!status && w->d->agent_leads)
        sc_check(w->d, key, SC_CHECK_NOTICE, "Look again in a few seconds; if it stays so, look at the agent's log.", "the agent has not said anything of it yet");
    else if (!status)
        sc_check(w->d, key, SC_CHECK_NOTICE, "Start the agent.", "never polled");
    else if (!w->d->agent_leads && is_stale(status))
        sc_check(w->d, key, SC_CHECK_NOTICE, "Start the agent: what stands here is its last word.", "was %s, %s %s", sc_json_text(status, "state"), sc_json_text(status, "reason"),
                 sc_ago_text(sc_time_parse_rfc3339(sc_str_of(sc_json_text(status, "updated"))), sc_real_ms(), ago));
    else
        tell_status(w, key, status);
    sc_integration_unref(integration);
    return 0;
}

static void check_integrations(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    struct words w = {.d = d, .statuses = sc_get_statuses(d->session)};
    struct sc_stream_info info;
    bool there = sc_kv_info(d->session, SC_INTEGRATIONS, &info, &err) == 0;
    if (there && sc_kv_each(d->session, SC_INTEGRATIONS, take_integration, &w, &err))
        sc_check(d, "integrations", SC_CHECK_SKIPPED, NULL, "they cannot be read: %s", err.text);
    else if (there && w.count == 0)
        sc_check(d, "integrations", SC_CHECK_NOTICE, "Write one: `signal-client integrations put --help`.", "none yet");
    else if (there)
        sc_check(d, "integrations", w.good < w.count ? SC_CHECK_NOTICE : SC_CHECK_OK, NULL, "%u of %u work%s%s%s", w.good, w.count, w.good ? ": " : "", sc_buf_str(&w.names).ptr, w.good > NAMES_MAX ? ", …" : "");
    if (w.unsealed)
        sc_check(d, "secrets", SC_CHECK_NOTICE,
                 *d->cli->settings.seal_key_file ? "Seal them: `signal-client seal --rotate --unsealed`."
                                                 : "Make a key (`signal-client seal --new-key FILE`), set seal.key_file, and seal them (docs/secrets.md).",
                 "who may read the bucket reads the credentials of %u integrations: %s%s", w.unsealed, sc_buf_str(&w.plain).ptr, w.unsealed > NAMES_MAX ? ", …" : "");
    sc_buf_done(&w.names);
    sc_buf_done(&w.plain);
    json_decref(w.statuses);
}

void sc_doctor_buckets(struct sc_doctor *d)
{
    struct sc_buf good SC_AUTO_BUF = {0};
    for (size_t i = 0; i < sizeof buckets / sizeof *buckets; i++)
        check_bucket(d, i, &good);
    if (good.len)
        sc_check(d, "buckets", SC_CHECK_OK, NULL, "%s", good.ptr);
    check_positions(d);
    check_integrations(d);
}
