/* integrations import: many at once. Everything is read and checked by the very code that the agent uses before the first is written;
 * each write is a compare-and-set on what was seen. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/redact.h"
#include "config/integration.h"
#include "nats/session.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE_BYTES (16 * 1024 * 1024)

struct import {
    struct sc_cli *cli;
    const struct sc_args *args;
    struct sc_import items;
    struct sc_session *session;
    const char *start; /* of --from-now, or NULL */
    struct sc_seal_keys keys; /* those that open; the first seals, if `seals` */
    bool seals, dry_run, replace;
    struct sc_buf out;
    json_t *done;
    size_t written, bad;
};

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

/* Secrets that others can read are none. What is no file (a pipe, as <(pass …) makes) is nobody else's. */
static int check_private(const char *path, struct sc_error *err)
{
    struct stat info;
    if (stat(path, &info) || !S_ISREG(info.st_mode) || !(info.st_mode & (S_IRWXG | S_IRWXO)))
        return 0;
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s can be read by others (mode %04o): `chmod 600 %s` first", path,
                   (unsigned)(info.st_mode & 07777), path);
}

static int read_secrets(struct import *import, const char *path)
{
    struct sc_error err = SC_ERROR_INIT, why = SC_ERROR_INIT;
    struct sc_buf text = {0};
    int rc = check_private(path, &err) || sc_read_input(path, MAX_FILE_BYTES, &text, &err) ? -1 : 0;
    if (rc == 0 && sc_import_secrets(&import->items, sc_buf_str(&text), import->cli->plugins, &why))
        rc = sc_fail(&err, why.reason, "%s: %s", path, why.text);
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    sc_buf_done(&text);
    return rc ? sc_say(SC_EXIT_BAD, "%s; nothing was written", err.text) : SC_EXIT_GOOD;
}

static int read_items(struct import *import)
{
    const char *path = import->args->words[0], *prefix = sc_args_get(import->args, "prefix");
    const char *secrets = sc_args_get(import->args, "secrets-file");
    struct sc_error err = SC_ERROR_INIT, why = SC_ERROR_INIT;
    struct sc_buf text = {0};
    int rc = sc_read_input(path, MAX_FILE_BYTES, &text, &err);
    if (rc == 0 && sc_import_read(sc_buf_str(&text), prefix ? prefix : "", &import->items, &why))
        rc = sc_fail(&err, why.reason, "%s: %s", path, why.text);
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    sc_buf_done(&text);
    if (rc)
        return sc_say(SC_EXIT_BAD, "%s; nothing was written", err.text);
    return secrets ? read_secrets(import, secrets) : SC_EXIT_GOOD;
}

/* ---- checking ---------------------------------------------------------------------------------------------------------- */

static void tell_warnings(const char *name, const char *warning)
{
    while (warning && *warning) {
        size_t len = strcspn(warning, "\n");
        sc_say(0, "warning: %s: %.*s", name, (int)len, warning);
        warning += len + (warning[len] == '\n');
    }
}

static const struct sc_connector *connector_of(const struct import *import, const json_t *value)
{
    return sc_plugins_find(import->cli->plugins, sc_json_text(value, "integration_type"));
}

static int check_item(const struct import *import, struct sc_import_item *item)
{
    struct sc_buf where SC_AUTO_BUF = {0};
    const struct sc_connector *connector = connector_of(import, item->value);
    if (item->err.reason != SC_REASON_OK)
        return -1;
    if (sc_value_find_hidden(item->value, &where))
        return sc_value_fail_hidden(sc_buf_str(&where).ptr, "give it with --secrets-file", &item->err);
    if (import->start && connector)
        sc_from_now_set(item->value, connector, import->start);
    char *text = sc_value_dump(item->value);
    if (!text)
        return sc_fail(&item->err, SC_REASON_MEMORY_LIMIT, "out of memory");
    struct sc_integration *integration =
        sc_integration_parse(item->name, sc_str_of(text), 0, sc_find_connector, import->cli->plugins, &item->err);
    int rc = integration ? 0 : -1;
    char odd[400];
    if (integration)
        tell_warnings(item->name, integration->warnings);
    if (integration && !sc_args_get(import->args, "as-is") && sc_integration_odd_form(integration, odd, sizeof odd))
        rc = sc_fail(&item->err, SC_REASON_CONFIG_INVALID, "%s: copy it again; with --as-is it is saved as it stands", odd);
    sc_integration_unref(integration);
    sc_secret_free(text);
    return rc;
}

static int check_all(struct import *import)
{
    for (size_t i = 0; i < import->items.count; i++) {
        struct sc_import_item *item = &import->items.at[i];
        if (check_item(import, item))
            import->bad += (size_t)sc_say(1, "%s: %s", item->key, item->err.text);
    }
    return import->bad ? sc_say(SC_EXIT_BAD, "nothing was written: %zu of %zu integrations are not valid", import->bad, import->items.count)
                       : SC_EXIT_GOOD;
}

/* ---- writing ----------------------------------------------------------------------------------------------------------- */

static void note(struct import *import, const struct sc_import_item *item, const char *what, uint64_t rev, bool starts)
{
    const struct sc_connector *connector = connector_of(import, item->value);
    json_t *done = json_pack("{s:s, s:s, s:I}", "name", item->name, "result", what, "revision", (json_int_t)rev);
    sc_buf_addf(&import->out, "%s %s", item->name, what);
    if (rev)
        sc_buf_addf(&import->out, " (revision %llu)", (unsigned long long)rev);
    if (starts && import->start && connector)
        sc_from_now_tell(import->session, connector, item->name, import->start, &import->out, done);
    sc_buf_add_char(&import->out, '\n');
    json_array_append_new(import->done, done);
}

/* Apart from where it starts, which an import that is repeated must not move, and from how it is sealed. */
static bool is_same(const struct import *import, const struct sc_import_item *item, const struct sc_buf *stored)
{
    json_t *there = json_loadb(sc_buf_str(stored).ptr, stored->len, 0, NULL), *wanted = json_deep_copy(item->value);
    sc_value_open(there, connector_of(import, there), item->name, &import->keys);
    sc_value_open(wanted, connector_of(import, wanted), item->name, &import->keys);
    sc_from_now_clear(there);
    sc_from_now_clear(wanted);
    bool same = there && wanted && json_equal(there, wanted);
    json_decref(there);
    json_decref(wanted);
    return same;
}

static int write_item(struct import *import, const struct sc_import_item *item, uint64_t before, bool exists, struct sc_error *err)
{
    struct sc_buf sealed SC_AUTO_BUF = {0};
    uint64_t rev = 0;
    if (import->dry_run) {
        note(import, item, exists ? "would be replaced" : "would be made", 0, true);
        return 0;
    }
    if (import->seals && sc_value_seal(item->value, connector_of(import, item->value), item->name, &import->keys.at[0], &sealed, err))
        return -1;
    char *text = sc_value_dump(item->value);
    int rc = text ? sc_put_integration(import->session, item->name, sc_str_of(text), before, &rev, err)
                  : sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    sc_secret_free(text);
    if (rc > 0) {
        note(import, item, "was changed by somebody else at the same moment: not written", 0, false);
        import->bad++;
    } else if (rc == 0) {
        note(import, item, exists ? "replaced" : "made", rev, true);
        import->written++;
    }
    return rc < 0 ? -1 : 0;
}

static int put_item(struct import *import, const struct sc_import_item *item, struct sc_error *err)
{
    struct sc_kv_entry entry = {0};
    struct sc_error absent = SC_ERROR_INIT;
    int found = sc_get_integration(import->session, item->name, &entry, &absent), rc = 0;
    if (found < 0 && import->dry_run && absent.reason == SC_REASON_NO_STREAM)
        found = 1;
    if (found < 0)
        rc = sc_fail(err, absent.reason, "%s", absent.text);
    else if (found == 0 && !import->replace && is_same(import, item, &entry.value))
        note(import, item, "is there already", entry.rev, false);
    else if (found == 0 && !import->replace) {
        note(import, item, "exists with another value: left as it is (--replace overwrites it)", entry.rev, false);
        import->bad++;
    } else {
        rc = write_item(import, item, entry.rev, found == 0, err);
    }
    if (entry.value.ptr)
        explicit_bzero(entry.value.ptr, entry.value.len);
    sc_kv_entry_done(&entry);
    return rc;
}

static int put_all(struct import *import)
{
    struct sc_error err = SC_ERROR_INIT;
    int rc = 0;
    bool only_look = import->dry_run && import->cli->settings.nats_create; /* then the bucket need not be there yet */
    import->session = only_look ? sc_open_nats(import->cli, SC_TIMEOUT_MS, &err) : sc_open_bucket(import->cli, !import->dry_run, &err);
    if (!import->session)
        return sc_say(SC_EXIT_BAD, "%s; nothing was written", err.text);
    for (size_t i = 0; rc == 0 && i < import->items.count; i++)
        rc = put_item(import, &import->items.at[i], &err);
    sc_session_close(import->session);
    if (import->cli->json)
        sc_print_json(json_incref(import->done));
    else
        sc_print(&import->out);
    if (rc)
        return sc_say(SC_EXIT_BAD, "%s; %zu of %zu were written: the same command again goes on with the rest", err.text, import->written,
                      import->items.count);
    return import->bad ? SC_EXIT_BAD : SC_EXIT_GOOD;
}

/* With --plain keys are read all the same, to compare with what is sealed; then one that cannot be read does not matter. */
static int read_keys(struct import *import)
{
    const struct sc_settings *settings = &import->cli->settings;
    struct sc_error err = SC_ERROR_INIT, old = SC_ERROR_INIT;
    bool plain = sc_args_get(import->args, "plain");
    int rc = sc_seal_key_of(import->cli, &import->keys.at[0], &err);
    if (rc < 0 && !plain)
        return sc_say(SC_EXIT_BAD, "%s; nothing was written", err.text);
    import->keys.count = rc == 0;
    import->seals = rc == 0 && !plain;
    if (*settings->seal_old_key_file && sc_seal_file_read(settings->seal_old_key_file, &import->keys.at[import->keys.count], &old) == 0)
        import->keys.count++;
    return SC_EXIT_GOOD;
}

int sc_command_integrations_import(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    char now[SC_TIME_TEXT];
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    const char *secrets = sc_args_get(&args, "secrets-file");
    if (secrets && strcmp(secrets, "-") == 0 && strcmp(args.words[0], "-") == 0)
        return sc_usage_error(cli, "integrations and secrets cannot both come from standard input");
    struct import import = {.cli = cli, .args = &args, .done = json_array()};
    import.start = sc_args_get(&args, "from-now") ? sc_time_rfc3339(sc_real_ms(), now) : NULL;
    import.dry_run = sc_args_get(&args, "dry-run");
    import.replace = sc_args_get(&args, "replace");
    int rc = read_keys(&import);
    if (rc == SC_EXIT_GOOD)
        rc = read_items(&import);
    if (rc == SC_EXIT_GOOD)
        rc = check_all(&import);
    if (rc == SC_EXIT_GOOD)
        rc = put_all(&import);
    sc_seal_keys_clear(&import.keys);
    sc_import_done(&import.items);
    sc_buf_done(&import.out);
    json_decref(import.done);
    return rc;
}
