/* integrations put: a value made of options, of the stored one and options, or of a file; validated by the very code that the agent
 * uses, then written by compare-and-set. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/redact.h"
#include "config/integration.h"
#include "nats/session.h"

#include <stdlib.h>

#define MAX_FILE_BYTES (1024 * 1024) /* the real limit is the parser's, which names it */
#define MAX_TRIES      5

struct put {
    struct sc_cli *cli;
    const struct sc_args *args;
    const char *name;
    char **secrets;    /* by option; NULL where the option is another */
    const char *start; /* of --from-now, or NULL */
    const struct sc_seal_key *key; /* secrets are sealed with it; NULL: they are not */
    struct sc_buf *sealed;         /* which were */
};

/* ---- one option ------------------------------------------------------------------------------------------------------ */

static json_t *typed(const struct sc_field *row, const char *text)
{
    if (row->kind == SC_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        return json_boolean(*text == 't');
    return json_string(text);
}

static int apply_set(json_t *root, const struct sc_connector *connector, const char *text, struct sc_error *err)
{
    const char *equals = strchr(text, '=');
    bool credential;
    if (!equals || equals == text)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "--set %.64s: give it as --set FIELD=VALUE", text);
    SC_AUTO_FREE char *name = sc_dup_str((struct sc_str){text, (size_t)(equals - text)});
    const struct sc_field *row = name ? sc_integration_field(connector, name, &credential) : NULL;
    if (!row)
        return sc_value_fail_field(connector, (struct sc_str){text, (size_t)(equals - text)}, err);
    if (row->secret)
        return sc_fail(
            err, SC_REASON_CONFIG_INVALID,
            "%s is a secret; as an argument it would stay in the shell's history and in the process list: use --secret %s, which "
            "asks or reads standard input",
            name, name);
    json_t *value = typed(row, equals + 1);
    if (!value)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "--set %s: the value is not UTF-8", name);
    sc_value_set_field(root, row, credential, value);
    return 0;
}

static int apply_secret(json_t *root, const struct sc_connector *connector, const char *name, const char *secret, struct sc_error *err)
{
    bool credential;
    const struct sc_field *row = sc_integration_field(connector, name, &credential);
    if (!row)
        return sc_value_fail_field(connector, sc_str_of(name), err);
    json_t *value = json_string(secret);
    if (!value)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "--secret %s: the value is not UTF-8", name);
    sc_value_set_field(root, row, credential, value);
    return 0;
}

static int apply_interval(json_t *root, const char *text, struct sc_error *err)
{
    char *end;
    double minutes = strtod(text, &end);
    if (end == text || *end || strspn(text, "0123456789.") != strlen(text))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "--interval-minutes %.40s: give a number, such as 5 or 0.5", text);
    bool whole = minutes < 1e9 && minutes == (double)(json_int_t)minutes;
    json_object_set_new(root, "poll_interval_minutes", whole ? json_integer((json_int_t)minutes) : json_real(minutes));
    return 0;
}

static int apply_data_type(json_t *root, const char *text, struct sc_error *err)
{
    size_t len = strcspn(text, "=");
    const char *word = text[len] ? text + len + 1 : "on";
    bool on = strcmp(word, "on") == 0 || strcmp(word, "true") == 0;
    SC_AUTO_FREE char *name = sc_dup_str((struct sc_str){text, len});
    if (!name || !len || (!on && strcmp(word, "off") != 0 && strcmp(word, "false") != 0))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "--data-type %.64s: give it as --data-type NAME or --data-type NAME=off", text);
    json_object_set_new(sc_value_object(sc_value_object(root, "data_types"), name), "enabled", json_boolean(on));
    return 0;
}

static int apply_options(const struct put *put, json_t *root, const struct sc_connector *connector, struct sc_error *err)
{
    for (int i = 0; i < put->args->option_count; i++) {
        const struct sc_option *option = &put->args->options[i];
        int rc = 0;
        if (strcmp(option->key, "set") == 0)
            rc = apply_set(root, connector, option->value, err);
        else if (strcmp(option->key, "secret") == 0)
            rc = apply_secret(root, connector, option->value, put->secrets[i], err);
        else if (strcmp(option->key, "interval-minutes") == 0)
            rc = apply_interval(root, option->value, err);
        else if (strcmp(option->key, "data-type") == 0)
            rc = apply_data_type(root, option->value, err);
        else if (strcmp(option->key, "name") == 0)
            rc = json_object_set_new(root, "name", json_string(option->value))
                     ? sc_fail(err, SC_REASON_CONFIG_INVALID, "--name: the value is not UTF-8")
                     : 0;
        else if (strcmp(option->key, "disabled") == 0)
            json_object_set_new(root, "enabled", json_false());
        if (rc)
            return -1;
    }
    return 0;
}

/* ---- the value ------------------------------------------------------------------------------------------------------- */

/* The stored value (of the same type) or a new one. NULL + err. */
static json_t *base_value(const struct put *put, struct sc_str stored, struct sc_error *err)
{
    const char *type = sc_args_get(put->args, "type");
    if (type)
        return json_pack("{s:s, s:b}", "integration_type", type, "enabled", 1);
    if (!stored.ptr) {
        sc_fail(err, SC_REASON_CONFIG_INVALID, "there is no integration %s yet: say with --type of which kind it is", put->name);
        return NULL;
    }
    json_t *root = json_loadb(stored.ptr, stored.len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(root))
        return root;
    json_decref(root);
    sc_fail(err, SC_REASON_CONFIG_INVALID, "the stored value of %s is no JSON object: write it anew, with --type", put->name);
    return NULL;
}

static int compose(const struct put *put, struct sc_str stored, struct sc_buf *out, struct sc_error *err)
{
    json_t *root = base_value(put, stored, err);
    if (!root)
        return -1;
    const char *type = sc_json_text(root, "integration_type");
    const struct sc_connector *connector = sc_plugins_find(put->cli->plugins, type);
    int rc = connector ? apply_options(put, root, connector, err)
                       : sc_fail(err, SC_REASON_CONFIG_INVALID,
                                 "integration_type \"%.64s\" is unknown: `signal-client connectors list` shows the known ones", type);
    if (rc == 0 && put->start)
        sc_from_now_set(root, connector, put->start);
    if (rc == 0 && put->key)
        rc = sc_value_seal(root, connector, put->name, put->key, put->sealed, err);
    char *text = rc ? NULL : sc_value_dump(root);
    json_decref(root);
    if (rc)
        return -1;
    sc_buf_clear(out);
    if (!text || sc_buf_add_str(out, text))
        rc = sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    sc_secret_free(text);
    return rc;
}

/* A file's value keeps every byte unless a member is added or sealed. */
static int compose_file(const struct put *put, struct sc_buf *value, struct sc_error *err)
{
    struct sc_buf where SC_AUTO_BUF = {0};
    json_t *root = json_loadb(sc_buf_str(value).ptr, value->len, JSON_REJECT_DUPLICATES, NULL);
    const struct sc_connector *connector = sc_plugins_find(put->cli->plugins, sc_json_text(root, "integration_type"));
    int rc = 0;
    if (sc_value_find_hidden(root, &where))
        rc = sc_value_fail_hidden(sc_buf_str(&where).ptr, "write the secret there, or put the integration with --secret", err);
    char *text = NULL;
    bool usable = rc == 0 && json_is_object(root) && connector; /* else the parser says what is wrong */
    if (usable && put->start)
        sc_from_now_set(root, connector, put->start);
    if (usable && put->key)
        rc = sc_value_seal(root, connector, put->name, put->key, put->sealed, err);
    if (usable && rc == 0 && (put->start || put->sealed->len)) {
        text = sc_value_dump(root);
        explicit_bzero(value->ptr, value->len);
        sc_buf_clear(value);
        if (!text || sc_buf_add_str(value, text))
            rc = sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    }
    sc_secret_free(text);
    json_decref(root);
    return rc;
}

static int validate(const struct put *put, struct sc_str value, bool tell_warnings, struct sc_error *err)
{
    struct sc_integration *integration = sc_integration_parse(put->name, value, 0, sc_find_connector, put->cli->plugins, err);
    if (!integration)
        return -1;
    char odd[400];
    if (!sc_args_get(put->args, "as-is") && sc_integration_odd_form(integration, odd, sizeof odd)) {
        sc_integration_unref(integration);
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: copy it again; with --as-is it is saved as it stands", odd);
    }
    const char *warning = tell_warnings && integration->warnings ? integration->warnings : "";
    while (*warning) {
        size_t len = strcspn(warning, "\n");
        sc_say(0, "warning: %.*s", (int)len, warning);
        warning += len + (warning[len] == '\n');
    }
    sc_integration_unref(integration);
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

/* 0 written; 1 changed meanwhile; -1 + err. file: the value is *value as it is. */
static int try_put(const struct put *put, struct sc_session *session, bool file, struct sc_buf *value, bool first, bool *ret_new,
                   uint64_t *ret_rev, struct sc_error *err)
{
    struct sc_kv_entry entry = {0};
    struct sc_error absent = SC_ERROR_INIT;
    int found = sc_get_integration(session, put->name, &entry, &absent);
    int rc = found < 0 ? sc_fail(err, absent.reason, "%s", absent.text) : 0;
    if (rc == 0 && !file)
        rc = compose(put, found == 0 ? sc_buf_str(&entry.value) : (struct sc_str){NULL, 0}, value, err);
    if (rc == 0)
        rc = validate(put, sc_buf_str(value), first, err);
    *ret_new = found != 0;
    if (rc == 0)
        rc = sc_put_integration(session, put->name, sc_buf_str(value), entry.rev, ret_rev, err);
    if (entry.value.ptr)
        explicit_bzero(entry.value.ptr, entry.value.len);
    sc_kv_entry_done(&entry);
    return rc;
}

static int print_done(const struct put *put, struct sc_session *session, struct sc_str value, const char *what, uint64_t rev)
{
    json_t *root = json_loadb(value.ptr, value.len, 0, NULL);
    const struct sc_connector *connector = sc_plugins_find(put->cli->plugins, sc_json_text(root, "integration_type"));
    json_t *done = json_pack("{s:s, s:s, s:I}", "name", put->name, "result", what, "revision", (json_int_t)rev);
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_buf_addf(&out, "%s %s (revision %llu)", put->name, what, (unsigned long long)rev);
    if (put->sealed->len) {
        sc_buf_addf(&out, ", sealed: %s", put->sealed->ptr);
        json_object_set_new(done, "sealed", json_string(put->sealed->ptr));
    }
    if (put->start && connector)
        sc_from_now_tell(session, connector, put->name, put->start, &out, done);
    sc_buf_add_char(&out, '\n');
    json_decref(root);
    struct sc_buf doubles SC_AUTO_BUF = {0};
    if (strcmp(what, "changed") != 0) /* who changes one knows what else there is; the status goes on to say it */
        sc_find_doubles(put->cli, session, put->name, value, &doubles);
    if (doubles.len) {
        json_object_set_new(done, "doubles", json_string(doubles.ptr));
        sc_say(0, "warning: duplicate_integration: %s and %s read the same data type of the same source: each record is published twice; disable one", put->name,
               doubles.ptr);
    }
    if (put->cli->json)
        return sc_print_json(done);
    json_decref(done);
    return sc_print(&out);
}

static int write_value(const struct put *put, struct sc_session *session, bool file, struct sc_buf *value)
{
    struct sc_error err = SC_ERROR_INIT;
    bool fresh = false, whole = file || sc_args_get(put->args, "type");
    uint64_t rev = 0;
    int rc = try_put(put, session, file, value, true, &fresh, &rev, &err);
    for (int tries = 1; rc == 1 && !whole && tries < MAX_TRIES; tries++) {
        sc_say(0, "%s was changed by somebody else at the same moment: trying again on the new revision", put->name);
        rc = try_put(put, session, file, value, false, &fresh, &rev, &err);
    }
    if (rc < 0)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    if (rc > 0)
        return sc_say(SC_EXIT_BAD,
                      "%s was changed by somebody else at the same moment and nothing was written: look at it "
                      "(`signal-client integrations show %s`) and try again",
                      put->name, put->name);
    return print_done(put, session, sc_buf_str(value), fresh ? "made" : whole ? "replaced" : "changed", rev);
}

/* ---- before anything is sent ------------------------------------------------------------------------------------------ */

static int check_use(const struct sc_cli *cli, const struct sc_args *args)
{
    const char *name = args->words[0];
    if (!sc_key_legal(name))
        return sc_usage_error(cli, "\"%.64s\" cannot be a name: use letters, digits and - _ / = . (no dot at the ends, none doubled)",
                              name);
    if (args->option_count == 0)
        return sc_usage_error(cli, "say what %s shall be: --type with fields, the fields to change, or --file", name);
    if (sc_args_get(args, "file") && args->option_count > 1 + (sc_args_get(args, "from-now") != NULL) + (sc_args_get(args, "plain") != NULL) + (sc_args_get(args, "as-is") != NULL))
        return sc_usage_error(cli, "--file holds everything: give no other option beside it but --from-now, --plain and --as-is");
    return SC_EXIT_GOOD;
}

/* What can be said about the options without the stored value is said before a secret is asked for. */
static int check_options(const struct put *put)
{
    const char *type = sc_args_get(put->args, "type");
    struct sc_error err = SC_ERROR_INIT;
    if (!type)
        return SC_EXIT_GOOD;
    const struct sc_connector *connector = sc_plugins_find(put->cli->plugins, type);
    if (!connector)
        return sc_say(SC_EXIT_USAGE, "unknown type \"%.64s\": `signal-client connectors list` shows the known ones", type);
    json_t *trial = json_object();
    for (int i = 0; i < put->args->option_count; i++)
        put->secrets[i] = sc_dup("-");
    int rc = trial ? apply_options(put, trial, connector, &err) : -1;
    for (int i = 0; i < put->args->option_count; i++) {
        free(put->secrets[i]);
        put->secrets[i] = NULL;
    }
    json_decref(trial);
    return rc ? sc_usage_error(put->cli, "%s", trial ? err.text : "out of memory") : SC_EXIT_GOOD;
}

static int read_secrets(const struct put *put)
{
    struct sc_error err = SC_ERROR_INIT;
    for (int i = 0; i < put->args->option_count; i++) {
        if (strcmp(put->args->options[i].key, "secret") != 0)
            continue;
        put->secrets[i] = sc_read_secret(put->args->options[i].value, &err);
        if (!put->secrets[i])
            return sc_say(SC_EXIT_USAGE, "%s", err.text);
        sc_redact_add(put->secrets[i], strlen(put->secrets[i])); /* for the rest of this process */
    }
    return SC_EXIT_GOOD;
}

static int put_with(const struct put *put, struct sc_buf *value)
{
    struct sc_error err = SC_ERROR_INIT;
    const char *file = sc_args_get(put->args, "file");
    int rc = file ? SC_EXIT_GOOD : check_options(put);
    if (rc == SC_EXIT_GOOD && !file)
        rc = read_secrets(put);
    if (rc != SC_EXIT_GOOD)
        return rc;
    if (file && (sc_read_input(file, MAX_FILE_BYTES, value, &err) || compose_file(put, value, &err) || validate(put, sc_buf_str(value), false, &err)))
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    struct sc_session *session = sc_open_bucket(put->cli, true, &err);
    if (!session)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    rc = write_value(put, session, file != NULL, value);
    sc_session_close(session);
    return rc;
}

int sc_command_integrations_put(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_buf value SC_AUTO_BUF = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    int rc = check_use(cli, &args);
    if (rc != SC_EXIT_GOOD)
        return rc;
    char now[SC_TIME_TEXT];
    struct sc_seal_key key;
    struct sc_buf sealed SC_AUTO_BUF = {0};
    struct sc_error err = SC_ERROR_INIT;
    int keyless = sc_args_get(&args, "plain") ? 1 : sc_seal_key_of(cli, &key, &err);
    if (keyless < 0)
        return sc_say(SC_EXIT_BAD, "%s; nothing was written", err.text);
    struct put put = {cli, &args, args.words[0], calloc((unsigned)args.option_count + 1u, sizeof(char *)),
                      sc_args_get(&args, "from-now") ? sc_time_rfc3339(sc_real_ms(), now) : NULL, keyless ? NULL : &key, &sealed};
    rc = put.secrets ? put_with(&put, &value) : sc_say(SC_EXIT_BAD, "out of memory");
    explicit_bzero(&key, sizeof key);
    for (int i = 0; put.secrets && i < args.option_count; i++)
        sc_secret_free(put.secrets[i]);
    free(put.secrets);
    if (value.ptr)
        explicit_bzero(value.ptr, value.len);
    return rc;
}
