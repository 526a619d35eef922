/* integrations show: the stored value with every secret hidden, what validation says of it, and its status. Hidden is what the
 * connector calls a secret wherever it stands, everything under `credentials` that the connector does not call open, and whatever is
 * named like a secret. A sealed value is none and is shown. What is hidden is also told to the redactor, so that no copy of it elsewhere in the value is shown. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/redact.h"
#include "config/integration.h"
#include "config/url.h"
#include "nats/session.h"

#include <stdio.h>
#include <stdlib.h>

static bool sounds_secret(const char *name)
{
    static const char *const words[] = {"token", "secret", "password", "passwd", "passphrase", "private", "credential", "key", "auth"};
    static const char *const open[] = {"auth_url", "key_id", "api_key_id", "access_key_id", NULL};
    for (const char *const *o = open; *o; o++)
        if (strcasecmp(name, *o) == 0)
            return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

static bool is_secret(const struct sc_connector *connector, const char *name, bool in_credentials)
{
    const struct sc_field *field = connector ? sc_integration_field(connector, name, NULL) : NULL;
    if (field)
        return field->secret;
    return in_credentials || sounds_secret(name);
}

static json_t *hidden(const json_t *value)
{
    const char *text = json_string_value(value);
    char id[SC_SEAL_ID_CHARS + 1] = "";
    if (text)
        sc_seal_key_id(text, id);
    if (*id)
        return json_string(text);
    size_t characters = 0;
    char out[64] = "[set]";
    if (text) {
        sc_redact_add(text, strlen(text)); /* for the rest of this process */
        for (const char *c = text; *c; c++)
            characters += ((unsigned char)*c & 0xC0) != 0x80;
        snprintf(out, sizeof out, "[set, %zu characters]", characters);
    }
    return json_string(text && !*text ? "" : out);
}

static int forget_in_output(const char *value, size_t len)
{
    return sc_redact_add(value, len);
}

static json_t *masked_url(const json_t *value)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_url_each_secret(json_string_value(value), true, forget_in_output);
    sc_url_mask(json_string_value(value), &out);
    return json_string(sc_buf_str(&out).ptr);
}

/* A copy without secrets. */
static json_t *mask(const struct sc_connector *connector, const json_t *value, bool in_credentials, unsigned depth)
{
    const char *name;
    json_t *item, *copy;
    size_t i;
    if (depth > 32)
        return json_string("[nested too deeply]");
    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach(value, i, item) json_array_append_new(
            copy, in_credentials && !json_is_object(item) ? hidden(item) : mask(connector, item, in_credentials, depth + 1));
        return copy;
    }
    if (!json_is_object(value))
        return json_is_string(value) && strstr(json_string_value(value), "://") ? masked_url(value) : json_deep_copy(value);
    copy = json_object();
    for (void *at = json_object_iter((json_t *)(uintptr_t)value); at; at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
        name = json_object_iter_key(at);
        item = json_object_iter_value(at);
        bool nested = json_is_object(item) || json_is_array(item);
        bool below = in_credentials || strcmp(name, "credentials") == 0;
        if (!nested && strcmp(name, "proxy") == 0 && json_is_string(item))
            item = masked_url(item);
        else if (nested || json_is_null(item) || json_is_boolean(item) || !is_secret(connector, name, in_credentials))
            item = mask(connector, item, below, depth + 1);
        else
            item = hidden(item);
        json_object_set_new(copy, name, item);
    }
    return copy;
}

struct shown {
    const char *name;
    const struct sc_kv_entry *entry;
    bool earlier;  /* not what stands there now */
    json_t *value; /* masked; NULL: no JSON */
    char *problem; /* NULL: valid */
    struct sc_integration *integration;
    json_t *status;
    struct sc_sealed_facts sealed;
};

static void examine(const struct sc_cli *cli, struct shown *shown)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_str text = sc_buf_str(&shown->entry->value);
    json_t *raw = json_loadb(text.ptr, text.len, 0, NULL);
    const char *type = json_string_value(json_object_get(raw, "integration_type"));
    shown->integration = sc_integration_parse(shown->name, text, shown->entry->rev, sc_find_connector, cli->plugins, &err);
    shown->problem = shown->integration ? NULL : sc_dup(err.text);
    const struct sc_connector *connector = type ? sc_plugins_find(cli->plugins, type) : NULL;
    shown->value = raw ? mask(connector, raw, false, 0) : NULL;
    sc_value_tell_sealed(raw, connector, &shown->sealed);
    json_decref(raw);
}

static int print_json(const struct shown *shown)
{
    const struct sc_integration *integration = shown->integration;
    json_t *out = json_pack("{s:s, s:I, s:s, s:b}", "name", shown->name, "revision", (json_int_t)shown->entry->rev, "saved",
                            shown->entry->created, "valid", integration != NULL);
    if (shown->problem)
        json_object_set_new(out, "problem", json_string(shown->problem));
    if (integration && integration->warnings)
        json_object_set_new(out, "warnings", json_string(integration->warnings));
    if (integration)
        json_object_set_new(out, "source", json_string(integration->source));
    json_object_set_new(out, "sealed", json_pack("{s:s, s:s, s:s}", "all", sc_sealed_word(&shown->sealed), "sealed",
                                                 sc_buf_str(&shown->sealed.sealed).ptr, "plain", sc_buf_str(&shown->sealed.plain).ptr));
    json_object_set(out, "value", shown->value ? shown->value : json_null());
    json_object_set(out, "status", shown->status ? shown->status : json_null());
    return sc_print_json(out);
}

static void add_warnings(struct sc_buf *out, const char *warnings)
{
    while (warnings && *warnings) {
        size_t len = strcspn(warnings, "\n");
        sc_buf_addf(out, "warning   %.*s\n", (int)len, warnings);
        warnings += len + (warnings[len] == '\n');
    }
}

static void add_line(struct sc_buf *out, const char *label, const char *text)
{
    if (!*text)
        return;
    sc_buf_addf(out, "%-9s ", label);
    sc_add_clean(out, text);
    sc_buf_add_char(out, '\n');
}

static void add_starts(struct sc_buf *out, const struct sc_integration *integration)
{
    char start[SC_TIME_TEXT];
    for (size_t i = 0; i < integration->type_count; i++)
        if (integration->types[i].start_ms != SC_TIME_NONE)
            sc_buf_addf(out, "%-9s the first poll of %s begins at %s\n", "start", integration->types[i].type->name,
                        sc_time_rfc3339(integration->types[i].start_ms, start));
}

static int print_text(const struct shown *shown)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    SC_AUTO_FREE char *revision = sc_printf("%llu, saved %s", (unsigned long long)shown->entry->rev, shown->entry->created);
    add_line(&out, "name", shown->name);
    add_line(&out, "revision", revision ? revision : "");
    add_line(&out, "valid", shown->problem ? "no" : "yes");
    add_line(&out, "problem", shown->problem ? shown->problem : "");
    add_line(&out, "sealed", sc_buf_str(&shown->sealed.sealed).ptr);
    add_line(&out, "unsealed", sc_buf_str(&shown->sealed.plain).ptr);
    if (shown->integration) {
        add_line(&out, "source", shown->integration->source);
        add_starts(&out, shown->integration);
        add_warnings(&out, shown->integration->warnings);
    }
    if (shown->earlier) {
        add_line(&out, "state", "an earlier revision");
    } else if (shown->status) {
        SC_AUTO_FREE char *state = sc_printf("%s (%s)", sc_json_text(shown->status, "state"), sc_json_text(shown->status, "reason"));
        add_line(&out, "state", state ? state : "");
        add_line(&out, "since", sc_json_text(shown->status, "since"));
        add_line(&out, "detail", sc_json_text(shown->status, "detail"));
        add_line(&out, "advice", sc_json_text(shown->status, "advice"));
    } else {
        add_line(&out, "state", "the agent has said nothing about it yet");
    }
    char *dump = shown->value ? json_dumps(shown->value, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : NULL;
    sc_add_json_clean(&out, dump ? dump : "(the value is no JSON and is not shown: it may hold secrets)");
    sc_buf_add_char(&out, '\n');
    free(dump);
    return sc_print(&out);
}

int sc_command_integrations_show(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_kv_entry entry = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    struct sc_session *session = sc_open_bucket(cli, false, &err);
    if (!session)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    struct shown shown = {.name = args.words[0], .entry = &entry};
    int64_t revision = 0;
    const char *wanted = sc_args_get(&args, "revision");
    if (wanted && (!sc_parse_int(sc_str_of(wanted), &revision) || revision <= 0)) {
        sc_session_close(session);
        return sc_usage_error(cli, "--revision takes a number");
    }
    int rc = wanted ? sc_get_revision(session, shown.name, (uint64_t)revision, &entry, &err) : sc_get_integration(session, shown.name, &entry, &err);
    shown.earlier = wanted != NULL;
    if (rc == 0 && !wanted)
        shown.status = sc_get_status(session, shown.name);
    sc_session_close(session);
    if (rc) {
        rc = sc_say(SC_EXIT_BAD, "%s", err.text);
    } else {
        examine(cli, &shown);
        rc = cli->json ? print_json(&shown) : print_text(&shown);
        if (rc == SC_EXIT_GOOD && shown.problem)
            rc = SC_EXIT_BAD;
    }
    json_decref(shown.value);
    json_decref(shown.status);
    free(shown.problem);
    sc_sealed_facts_done(&shown.sealed);
    sc_integration_unref(shown.integration);
    sc_kv_entry_done(&entry);
    return rc;
}
