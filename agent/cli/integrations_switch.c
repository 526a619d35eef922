/* integrations enable, disable, remove. Enabling changes the one member; whoever changes something else at the same moment loses
 * nothing: the write is a compare-and-set and is made again on what stands there now. */
#include "cli/commands.h"

#include "config/integration.h"
#include "nats/session.h"

#define MAX_TRIES 5

static int print_done(const struct sc_cli *cli, const char *name, const char *what, uint64_t rev)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    if (cli->json)
        return sc_print_json(json_pack("{s:s, s:s, s:I}", "name", name, "result", what, "revision", (json_int_t)rev));
    sc_buf_addf(&out, "%s %s", name, what);
    if (rev)
        sc_buf_addf(&out, " (revision %llu)", (unsigned long long)rev);
    sc_buf_add_char(&out, '\n');
    return sc_print(&out);
}

/* 0 changed to *out; 1 it is so already; -1 + err. */
static int change_enabled(struct sc_str value, bool enabled, struct sc_buf *out, struct sc_error *err)
{
    json_t *before = json_loadb(value.ptr, value.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(before)) {
        json_decref(before);
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "the stored value is no JSON object: put it again");
    }
    const json_t *now = json_object_get(before, "enabled");
    bool same = enabled ? !now || json_is_true(now) : json_is_false(now);
    json_decref(before);
    if (same)
        return 1;
    int rc = sc_splice_enabled(value, enabled, out);
    json_t *after = rc ? NULL : json_loadb(sc_buf_str(out).ptr, out->len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *then = json_object_get(after, "enabled");
    bool good = enabled ? json_is_true(then) : json_is_false(then);
    json_decref(after);
    return good ? 0 : sc_fail(err, SC_REASON_CONFIG_INVALID, "the member \"enabled\" cannot be changed in this value: put it again");
}

/* 0 done, *ret_what says how; 1 changed meanwhile; -1 + err. */
static int try_switch(struct sc_session *session, const char *name, bool enabled, const char **ret_what, uint64_t *ret_rev,
                      struct sc_error *err)
{
    struct sc_kv_entry entry = {0};
    struct sc_buf value SC_AUTO_BUF = {0};
    int rc = sc_get_integration(session, name, &entry, err) ? -1 : 0;
    if (rc == 0)
        rc = change_enabled(sc_buf_str(&entry.value), enabled, &value, err);
    if (rc == 1) {
        *ret_what = enabled ? "is enabled already" : "is disabled already";
        *ret_rev = entry.rev;
        rc = 0;
    } else if (rc == 0) {
        *ret_what = enabled ? "enabled" : "disabled";
        rc = sc_put_integration(session, name, sc_buf_str(&value), entry.rev, ret_rev, err);
    }
    if (value.ptr)
        explicit_bzero(value.ptr, value.len);
    sc_kv_entry_done(&entry);
    return rc;
}

static int switch_integration(struct sc_cli *cli, bool enabled)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_error err = SC_ERROR_INIT;
    const char *what = "";
    uint64_t rev = 0;
    int rc = 1;
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    struct sc_session *session = sc_open_bucket(cli, false, &err);
    if (!session)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    for (int tries = 0; rc == 1 && tries < MAX_TRIES; tries++) {
        if (tries)
            sc_say(0, "%s was changed by somebody else at the same moment: trying again on the new revision", args.words[0]);
        rc = try_switch(session, args.words[0], enabled, &what, &rev, &err);
    }
    sc_session_close(session);
    if (rc)
        return sc_say(SC_EXIT_BAD, "%s",
                      rc < 0 ? err.text : "somebody else keeps changing this integration; nothing was written: try again");
    return print_done(cli, args.words[0], what, rev);
}

int sc_command_integrations_enable(struct sc_cli *cli)
{
    return switch_integration(cli, true);
}

int sc_command_integrations_disable(struct sc_cli *cli)
{
    return switch_integration(cli, false);
}

/* SC_EXIT_GOOD: go on. */
static int confirm(const struct sc_cli *cli, const struct sc_args *args)
{
    if (sc_args_get(args, "yes"))
        return SC_EXIT_GOOD;
    if (!sc_can_ask())
        return sc_usage_error(cli, "nobody can be asked here: confirm with --yes");
    SC_AUTO_FREE char *question = sc_printf("Remove integration %s? Its checkpoints are kept.", args->words[0]);
    return question && sc_ask_yes(question) ? SC_EXIT_GOOD : sc_say(SC_EXIT_BAD, "nothing was removed");
}

int sc_command_integrations_remove(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_kv_entry entry = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    if (!sc_args_get(&args, "yes") && !sc_can_ask())
        return confirm(cli, &args);
    struct sc_session *session = sc_open_bucket(cli, false, &err);
    if (!session)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    int rc = sc_get_integration(session, args.words[0], &entry, &err) ? sc_say(SC_EXIT_BAD, "%s", err.text) : confirm(cli, &args);
    if (rc == SC_EXIT_GOOD) {
        int deleted = sc_kv_delete(session, SC_INTEGRATIONS, args.words[0], entry.rev, &err);
        if (deleted < 0)
            rc = sc_say(SC_EXIT_BAD, "%s; `signal-client integrations list` shows whether it was removed", err.text);
        else if (deleted > 0)
            rc = sc_say(SC_EXIT_BAD, "%s was changed by somebody else since it was read; nothing was removed: look at it and try again",
                        args.words[0]);
        else
            rc = print_done(cli, args.words[0], "removed", 0);
        if (deleted == 0)
            sc_say(0,
                   "older revisions, with their credentials, stay in the bucket's history: `nats kv purge " SC_INTEGRATIONS
                   " %s` ends that",
                   args.words[0]);
    }
    sc_session_close(session);
    sc_kv_entry_done(&entry);
    return rc;
}
