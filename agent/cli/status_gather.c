/* What status shows, read in a few requests: two passes over buckets, the lease, one question to the agent. */
#include "cli/status.h"

#include "base/clock.h"
#include "nats/caller.h"

#include <stdlib.h>

#define LEASES       "INTEGRATION_LEASES"
#define ANSWER_MS    300 /* an agent that is well answers within a millisecond or two */

void sc_status_view_done(struct sc_status_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        struct sc_status_one *one = &view->at[i];
        free(one->name);
        free(one->type);
        free(one->saved);
        free(one->unsealed);
        json_decref(one->status);
    }
    free(view->at);
    json_decref(view->agent);
    json_decref(view->lease);
    view->at = NULL;
    view->count = view->cap = 0;
    view->agent = view->lease = NULL;
}

/* ---- integrations -------------------------------------------------------------------------------------------------------- */

struct gathering {
    const struct sc_cli *cli;
    struct sc_status_view *view;
};

static struct sc_status_one *add_one(struct sc_status_view *view, const char *name)
{
    if (view->count == view->cap) {
        size_t cap = 2 * view->cap + 64;
        struct sc_status_one *grown = realloc(view->at, cap * sizeof *grown);
        if (!grown) {
            view->failed = true;
            return NULL;
        }
        view->at = grown;
        view->cap = cap;
    }
    struct sc_status_one *one = &view->at[view->count];
    *one = (struct sc_status_one){.name = sc_dup(name)};
    view->failed |= !one->name;
    view->count += one->name != NULL;
    return one->name ? one : NULL;
}

/* Secrets are not kept: only whether they are sealed, where a key file says that they should be. */
static int keep_integration(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    const struct gathering *g = arg;
    struct sc_status_one *one = add_one(g->view, key);
    json_t *root = json_loadb(value.ptr ? value.ptr : "", value.len, 0, NULL);
    if (one) {
        const json_t *enabled = json_object_get(root, "enabled");
        one->rev = rev;
        one->readable = json_is_object(root);
        one->enabled = !json_is_false(enabled) && strcmp(sc_json_text(root, "enabled"), "false") != 0;
        one->type = sc_dup(sc_json_text(root, "integration_type"));
    }
    if (one && *g->cli->settings.seal_key_file) {
        struct sc_sealed_facts facts SC_AUTO_FACTS = {0};
        sc_value_tell_sealed(root, sc_plugins_find(g->cli->plugins, one->type ? one->type : ""), &facts);
        one->unsealed = facts.plain.len ? sc_buf_take(&facts.plain) : NULL;
    }
    json_decref(root);
    return g->view->failed ? -1 : 0;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct sc_status_one *)left)->name, ((const struct sc_status_one *)right)->name);
}

/* Each status to its integration; one that is left over makes a row of its own. */
static void join(struct sc_status_view *view, json_t *statuses)
{
    const char *name;
    json_t *status;
    size_t configured = view->count;
    if (configured)
        qsort(view->at, configured, sizeof *view->at, by_name);
    json_object_foreach(statuses, name, status) {
        struct sc_status_one key = {.name = (char *)(uintptr_t)name};
        struct sc_status_one *one = configured ? bsearch(&key, view->at, configured, sizeof key, by_name) : NULL;
        if (!one)
            one = add_one(view, name);
        if (!one)
            return;
        one->status = json_incref(status);
    }
    if (view->count > configured)
        qsort(view->at, view->count, sizeof *view->at, by_name);
}

static int gather_all(struct gathering *g, struct sc_session *session, struct sc_error *err)
{
    struct sc_stream_info info;
    int there = sc_kv_info(session, SC_INTEGRATIONS, &info, err);
    if (there < 0 || (there == 0 && sc_kv_each(session, SC_INTEGRATIONS, keep_integration, g, err)))
        return -1;
    json_t *statuses = sc_get_statuses(session);
    if (statuses)
        join(g->view, statuses);
    g->view->failed |= !statuses;
    json_decref(statuses);
    return 0;
}

static int gather_one(struct gathering *g, struct sc_session *session, const char *name, struct sc_error *err)
{
    struct sc_kv_entry entry = {0};
    struct sc_error absent = SC_ERROR_INIT;
    int rc = sc_get_integration(session, name, &entry, &absent);
    json_t *status = rc < 0 ? NULL : sc_get_status(session, name);
    if (rc == 0)
        keep_integration(g, name, entry.rev, sc_buf_str(&entry.value));
    else if (status)
        add_one(g->view, name);
    if (g->view->count) {
        g->view->at[0].status = status;
        g->view->at[0].saved = rc == 0 ? sc_dup(entry.created) : NULL;
    }
    if (entry.value.ptr)
        explicit_bzero(entry.value.ptr, entry.value.len);
    sc_kv_entry_done(&entry);
    return g->view->count || g->view->failed ? 0 : sc_fail(err, absent.reason, "%s", absent.text);
}

/* ---- the agent ------------------------------------------------------------------------------------------------------------ */

static json_t *get_lease(struct sc_session *session)
{
    struct sc_kv_entry entry = {0};
    struct sc_error unread = SC_ERROR_INIT;
    json_t *lease = NULL;
    if (sc_kv_get(session, LEASES, "agent", &entry, &unread) == 0 && !entry.deleted)
        lease = json_loadb(sc_buf_str(&entry.value).ptr, entry.value.len, 0, NULL);
    sc_kv_entry_done(&entry);
    return lease;
}

/* The first "line" is the answer; whatever else comes is "alive". */
static json_t *ask(const struct sc_cli *cli, struct sc_caller *caller)
{
    static const char request[] = "{\"v\":1,\"op\":\"agent\"}";
    SC_AUTO_FREE char *subject = sc_printf("signal-client.%s.control", cli->settings.appliance_id);
    struct sc_error err = SC_ERROR_INIT;
    struct sc_buf text SC_AUTO_BUF = {0};
    json_t *line = NULL;
    int64_t until = sc_mono_ms() + ANSWER_MS;
    if (!subject || sc_caller_send(caller, subject, sc_str_of(request), true, &err))
        return NULL;
    for (int64_t left; !line && (left = until - sc_mono_ms()) > 0;) {
        enum sc_call got = sc_caller_next(caller, left, &text, &err);
        if (got == SC_CALL_NOBODY || got == SC_CALL_LOST)
            break;
        json_t *answer = got == SC_CALL_ANSWER ? json_loadb(sc_buf_str(&text).ptr, text.len, 0, NULL) : NULL;
        if (json_is_object(json_object_get(answer, "line")))
            line = json_incref(json_object_get(answer, "line"));
        json_decref(answer);
    }
    return line;
}

static json_t *ask_agent(const struct sc_cli *cli, struct sc_session *session)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_caller *caller = sc_caller_open(session, &err);
    json_t *line = caller ? ask(cli, caller) : NULL;
    sc_caller_close(caller);
    return line;
}

int sc_status_gather(const struct sc_cli *cli, struct sc_session *session, const char *name, struct sc_status_view *view, struct sc_error *err)
{
    struct gathering g = {cli, view};
    if (name ? gather_one(&g, session, name, err) : gather_all(&g, session, err))
        return -1;
    view->agent = ask_agent(cli, session);
    view->lease = get_lease(session);
    view->now_ms = sc_real_ms();
    return view->failed ? sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory") : 0;
}
