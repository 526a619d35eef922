#include "cli/ask.h"

#include "base/clock.h"
#include "cli/own_agent.h"
#include "nats/caller.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define LEASES      "INTEGRATION_LEASES"
#define LEASE_KEY   "agent"
#define TICK_MS     100   /* how soon Ctrl-C is noticed */
#define FIRST_MS    2000  /* an agent that answers does so within this */
#define KEEP_MS     5000
#define SILENT_MS   12000 /* alive comes every 2 s */
#define OWN_MS      20000 /* for an own agent to answer, beside the time that a lease takes to expire */
#define ANSWER_MOST (2u * 1024 * 1024)

struct sc_asker {
    const struct sc_cli *cli;
    struct sc_session *session;
    struct sc_caller *caller;
    struct sc_own_agent *own;
    bool running_only; /* no agent is started */
    char subject[300];
    char id[20]; /* of the request, once somebody works at it */
    bool ended;
    int64_t heard_ms, kept_ms;
    struct sc_buf text;
};

struct holder { /* of the lease, as it was read */
    bool free;  /* never taken, or given back */
    uint64_t rev;
    char agent[128], renewed[64];
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

/* The second signal of a kind ends the process at once, should something hang. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESETHAND};
    stopped = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* what was started must be ended */
}

/* ---- sending -------------------------------------------------------------------------------------------------------------------------------- */

static int send_json(struct sc_asker *a, json_t *request, bool answer, struct sc_error *err)
{
    if (request)
        json_object_set_new(request, "v", json_integer(1));
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (!text)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    int rc = sc_caller_send(a->caller, a->subject, sc_str_of(text), answer, err);
    free(text);
    return rc;
}

static void say_of_open(struct sc_asker *a, const char *op)
{
    struct sc_error unsaid = SC_ERROR_INIT;
    if (a->id[0])
        (void)!send_json(a, json_pack("{s:s, s:s}", "op", op, "id", a->id), false, &unsaid);
}

/* ---- is there somebody? ---------------------------------------------------------------------------------------------------------------------- */

/* 1: an agent answers; 0: none does within the time; -1 + err. */
static int ping(struct sc_asker *a, int64_t timeout_ms, struct sc_error *err)
{
    int64_t until = sc_mono_ms() + timeout_ms;
    if (send_json(a, json_pack("{s:s}", "op", "agent"), true, err))
        return -1;
    while (sc_mono_ms() < until && !stopped) {
        enum sc_call got = sc_caller_next(a->caller, TICK_MS, &a->text, err);
        if (got == SC_CALL_LOST)
            return -1;
        if (got == SC_CALL_NOBODY)
            return 0;
        json_t *answer = got == SC_CALL_ANSWER ? json_loadb(a->text.ptr, a->text.len, 0, NULL) : NULL;
        bool end = json_object_get(answer, "end") != NULL;
        json_decref(answer);
        if (end) /* the line before it says what it is */
            return 1;
    }
    return stopped ? sc_fail(err, SC_REASON_OFFLINE, "stopped") : 0;
}

static int read_lease(struct sc_asker *a, struct holder *ret, struct sc_error *err)
{
    struct sc_kv_entry entry = {0};
    struct sc_stream_info info;
    *ret = (struct holder){.free = true};
    int rc = sc_kv_info(a->session, LEASES, &info, err);
    if (rc == 0)
        rc = sc_kv_get(a->session, LEASES, LEASE_KEY, &entry, err);
    if (rc == 0 && !entry.deleted) {
        json_t *value = json_loadb(sc_buf_str(&entry.value).ptr, entry.value.len, 0, NULL);
        ret->free = json_is_true(json_object_get(value, "released"));
        ret->rev = entry.rev;
        snprintf(ret->agent, sizeof ret->agent, "%s", sc_json_text(value, "agent"));
        snprintf(ret->renewed, sizeof ret->renewed, "%s", sc_json_text(value, "renewed"));
        json_decref(value);
    }
    sc_kv_entry_done(&entry);
    return rc < 0 ? -1 : 0;
}

static int fail_deaf(const struct sc_asker *a, const struct holder *h, struct sc_error *err)
{
    return sc_fail(err, SC_REASON_LEASE_HELD,
                   "agent %s holds the lease (renewed at %s) and does not answer on %s: it is of an older version, it may not subscribe there, or this user "
                   "may not publish there (docs/nats.md has the permissions)%s%s",
                   h->agent, h->renewed, a->subject, *sc_caller_complaint(a->caller) ? "; NATS says: " : "", sc_caller_complaint(a->caller));
}

/* Nobody answers: a holder that lives renews the lease meanwhile. 1: somebody answers after all; 0: nobody holds it; -1 + err. */
static int wait_for_holder(struct sc_asker *a, struct sc_error *err)
{
    struct holder first, now;
    int64_t until = sc_mono_ms() + a->cli->settings.lease_renew_ms + 1500;
    if (read_lease(a, &first, err))
        return -1;
    while (!first.free && sc_mono_ms() < until) {
        int rc = ping(a, 700, err);
        if (rc || read_lease(a, &now, err))
            return rc ? rc : -1;
        if (now.free)
            return 0;
        if (now.rev != first.rev) {
            rc = ping(a, FIRST_MS, err); /* it may have taken the lease just now */
            return rc ? rc : fail_deaf(a, &now, err);
        }
        struct sc_error unsaid = SC_ERROR_INIT;
        (void)sc_caller_next(a->caller, 300, &a->text, &unsaid); /* what comes late is of no use; a wait that a lost connection ends */
    }
    return 0;
}

/* ---- an agent of our own ----------------------------------------------------------------------------------------------------------------------- */

static int fail_own(const struct sc_asker *a, const char *what, struct sc_error *err)
{
    struct sc_buf log SC_AUTO_BUF = {0};
    sc_own_agent_log(a->own, &log);
    fwrite(sc_buf_str(&log).ptr, 1, log.len, stderr);
    return sc_fail(err, SC_REASON_OFFLINE, "%s%s", what, log.len ? "; its log stands above" : "");
}

static int start_own(struct sc_asker *a, struct sc_error *err)
{
    sc_say(0, "no agent runs: one is started for this command, and ends with it");
    a->own = sc_own_agent_start(a->cli, err);
    if (!a->own)
        return -1;
    int64_t until = sc_mono_ms() + a->cli->settings.lease_take_after_ms + OWN_MS;
    while (sc_mono_ms() < until) {
        struct sc_error unsaid = SC_ERROR_INIT;
        int rc = ping(a, 500, err);
        if (rc)
            return rc > 0 ? 0 : -1;
        if (!sc_own_agent_runs(a->own))
            return fail_own(a, "the agent that was started for this command has ended", err);
        (void)sc_caller_next(a->caller, 200, &a->text, &unsaid);
    }
    return fail_own(a, "the agent that was started for this command does not get the lease, or does not answer", err);
}

/* ---- opening and closing ----------------------------------------------------------------------------------------------------------------------- */

static int find_agent(struct sc_asker *a, struct sc_error *err)
{
    int rc = ping(a, FIRST_MS, err);
    if (rc == 0)
        rc = wait_for_holder(a, err);
    if (rc == 0 && a->running_only)
        return sc_fail(err, SC_REASON_OFFLINE, "no agent runs: nobody holds the lease; start one with `signal-client run`");
    if (rc == 0)
        rc = start_own(a, err) ? -1 : 1;
    return rc > 0 ? 0 : -1;
}

static struct sc_asker *open_asker(const struct sc_cli *cli, json_t *request, bool running_only, struct sc_error *err)
{
    struct sc_asker *a = calloc(1, sizeof *a);
    if (a)
        *a = (struct sc_asker){.cli = cli, .running_only = running_only};
    catch_signals();
    if (a && (a->session = sc_open_nats(cli, SC_TIMEOUT_MS, err))) {
        sc_buf_init(&a->text, ANSWER_MOST);
        snprintf(a->subject, sizeof a->subject, "signal-client.%s.control", cli->settings.appliance_id);
        a->caller = sc_caller_open(a->session, err);
    }
    int rc = a && a->caller ? find_agent(a, err) : sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    if (rc == 0) {
        rc = send_json(a, request, true, err);
        request = NULL;
    }
    json_decref(request);
    if (rc)
        return sc_asker_close(a);
    a->heard_ms = a->kept_ms = sc_mono_ms();
    return a;
}

struct sc_asker *sc_asker_open(const struct sc_cli *cli, json_t *request, struct sc_error *err)
{
    return open_asker(cli, request, false, err);
}

struct sc_asker *sc_asker_close(struct sc_asker *a)
{
    if (!a)
        return NULL;
    if (a->caller && !a->ended)
        say_of_open(a, "cancel");
    sc_caller_close(a->caller);
    sc_session_close(a->session);
    sc_own_agent_stop(a->own);
    sc_buf_done(&a->text);
    free(a);
    return NULL;
}

bool sc_asker_is_own(const struct sc_asker *a)
{
    return a->own != NULL;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------------------------------ */

static bool take_member(json_t *answer, const char *name, json_t **ret)
{
    *ret = json_incref(json_object_get(answer, name));
    if (!*ret)
        return false;
    json_decref(answer);
    return true;
}

/* True: it is for the caller. */
static bool take_answer(struct sc_asker *a, const char **ret_kind, json_t **ret)
{
    static const char *const kinds[] = {"end", "line", "check", "trace"};
    json_t *answer = json_loadb(a->text.ptr, a->text.len, 0, NULL);
    const json_t *alive = json_object_get(answer, "alive");
    a->heard_ms = sc_mono_ms();
    if (alive)
        snprintf(a->id, sizeof a->id, "%s", sc_json_text(alive, "id"));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!take_member(answer, kinds[i], ret))
            continue;
        *ret_kind = kinds[i];
        a->ended = a->ended || i == 0;
        return true;
    }
    json_decref(answer);
    return false;
}

enum sc_answer sc_asker_next(struct sc_asker *a, const char **ret_kind, json_t **ret, struct sc_error *err)
{
    for (;;) {
        if (stopped)
            return SC_ANSWER_STOPPED;
        enum sc_call got = sc_caller_next(a->caller, TICK_MS, &a->text, err);
        int64_t now = sc_mono_ms();
        if (got == SC_CALL_ANSWER && take_answer(a, ret_kind, ret))
            return a->ended ? SC_ANSWER_END : SC_ANSWER_LINE;
        if (got == SC_CALL_LOST)
            return SC_ANSWER_LOST;
        if (got == SC_CALL_NOBODY || now - a->heard_ms > SILENT_MS) {
            sc_fail(err, SC_REASON_OFFLINE, "the agent says nothing any more: it has ended, or lost NATS; ask again");
            return SC_ANSWER_LOST;
        }
        if (now - a->kept_ms > KEEP_MS) {
            say_of_open(a, "keep");
            a->kept_ms = now;
        }
    }
}

static int ask(const struct sc_cli *cli, json_t *request, bool running_only, json_t **ret_line, struct sc_error *err)
{
    struct sc_asker *a = open_asker(cli, request, running_only, err);
    const char *kind;
    json_t *got = NULL;
    enum sc_answer rc = SC_ANSWER_LOST;
    *ret_line = NULL;
    while (a && (rc = sc_asker_next(a, &kind, &got, err)) == SC_ANSWER_LINE) {
        json_decref(*ret_line);
        *ret_line = got;
    }
    int result = -1;
    if (a && rc == SC_ANSWER_END) {
        bool ok = json_is_true(json_object_get(got, "ok"));
        result = ok ? 0 : 1;
        if (!ok)
            sc_fail(err, SC_REASON_CONFIG_INVALID, "%s", sc_json_text(got, "text"));
        json_decref(got);
    } else if (a && rc == SC_ANSWER_STOPPED) {
        sc_fail(err, SC_REASON_OFFLINE, "stopped");
    }
    sc_asker_close(a);
    if (result) {
        json_decref(*ret_line);
        *ret_line = NULL;
    }
    return result;
}

int sc_ask_once(const struct sc_cli *cli, json_t *request, json_t **ret_line, struct sc_error *err)
{
    return ask(cli, request, false, ret_line, err);
}

int sc_ask_running(const struct sc_cli *cli, json_t *request, json_t **ret_line, struct sc_error *err)
{
    return ask(cli, request, true, ret_line, err);
}
