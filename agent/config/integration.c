/* One integration: read, checked, counted. The value comes from outside, so nothing here may assert, and no text made here holds what
 * stands in a credential. */
#include "config/integration.h"

#include "base/redact.h"
#include "base/template.h"
#include "config/parse.h"
#include "config/url.h"

#include <ctype.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MAX_VALUE_BYTES (256 * 1024)
#define MAX_NAME_BYTES  512

static bool is_legal_name(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    if (len == 0 || len > MAX_NAME_BYTES || name[0] == '.' || name[len - 1] == '.' || strstr(name, ".."))
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-/_=.", *c))
            return false;
    return true;
}

static json_t *load(struct sc_str json, struct sc_error *err)
{
    json_error_t why;
    if (json.len > MAX_VALUE_BYTES) {
        sc_fail(err, SC_REASON_CONFIG_INVALID, "the value has %zu bytes: 256 KiB are the most", json.len);
        return NULL;
    }
    json_t *root = json_loadb(json.ptr ? json.ptr : "", json.len, JSON_REJECT_DUPLICATES, &why);
    if (root && json_is_object(root))
        return root;
    if (root) {
        json_decref(root);
        sc_fail(err, SC_REASON_CONFIG_INVALID, "the value must be one JSON object {…}");
        return NULL;
    }
    char *near = strstr(why.text, " near '"); /* what stands there may be a credential; a doubled member's name is none */
    if (near && json_error_code(&why) != json_error_duplicate_key)
        *near = '\0';
    sc_fail(err, SC_REASON_CONFIG_INVALID, "the value is no valid JSON: line %d, column %d: %s", why.line, why.column, why.text);
    return NULL;
}

static int read_type(struct sc_parse *parse, const struct sc_connector *(*find)(void *arg, const char *type), void *arg)
{
    const json_t *type = sc_parse_member(parse->root, "integration_type");
    if (!json_is_string(type) || !*json_string_value(type))
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID,
                       "integration_type is missing: give the name of a connector (`signal-client connectors list`)");
    parse->integration->connector = find(arg, json_string_value(type));
    if (!parse->integration->connector)
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID,
                       "integration_type \"%.64s\" is unknown: `signal-client connectors list` shows the known ones",
                       json_string_value(type));
    return 0;
}

static int read_title(struct sc_parse *parse)
{
    const json_t *name = sc_parse_member(parse->root, "name");
    struct sc_integration *to = parse->integration;
    if (name && !json_is_string(name))
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "name must be a text in quotes");
    to->title = sc_dup(name && *json_string_value(name) ? json_string_value(name) : to->name);
    if (!to->title)
        return sc_parse_no_memory(parse);
    for (char *c = to->title; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = ' ';
    return 0;
}

static void find_expiry(struct sc_integration *to)
{
    to->expiry.at_ms = SC_TIME_NONE;
    for (size_t i = 0; i < to->value_count; i++) {
        struct sc_expiry one = to->values[i].secret ? sc_expiry_of(sc_str_of(to->values[i].text)) : (struct sc_expiry){SC_TIME_NONE, ""};
        if (one.at_ms == SC_TIME_NONE || (to->expiry.at_ms != SC_TIME_NONE && to->expiry.at_ms <= one.at_ms))
            continue;
        to->expiry = one;
        to->expiry_field = to->values[i].name;
    }
}

static int read_all(struct sc_parse *parse, const struct sc_connector *(*find)(void *arg, const char *type), void *arg)
{
    struct sc_integration *to = parse->integration;
    to->enabled = true;
    if (read_type(parse, find, arg) || read_title(parse) || sc_parse_bool(parse, parse->root, "", "enabled", &to->enabled) ||
        sc_parse_fields(parse) || sc_parse_sign_in(parse) || sc_parse_data_types(parse) || sc_parse_rate_limit(parse) || sc_parse_tls_and_proxy(parse) ||
        sc_parse_derived(parse) || sc_parse_check(parse))
        return -1;
    sc_parse_unknown(parse, parse->root, "", "");
    if (sc_parse_tell_plain(parse))
        return -1;
    find_expiry(to);
    if (parse->warnings.len) {
        to->warnings = sc_buf_take(&parse->warnings);
        if (!to->warnings)
            return sc_parse_no_memory(parse);
    }
    return 0;
}

struct sc_integration *sc_integration_parse(const char *name, struct sc_str json, uint64_t rev,
                                            const struct sc_connector *(*find)(void *arg, const char *type), void *arg,
                                            struct sc_error *err)
{
    if (!is_legal_name(name)) {
        sc_fail(err, SC_REASON_CONFIG_INVALID,
                "\"%.64s\" cannot be a name: use letters, digits and - _ / = . (no dot at the ends, none doubled)", name ? name : "");
        return NULL;
    }
    struct sc_integration *integration = calloc(1, sizeof *integration);
    if (integration)
        integration->name = sc_dup(name);
    if (!integration || !integration->name) {
        free(integration);
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading integration %s", name);
        return NULL;
    }
    atomic_store(&integration->refs, 1);
    integration->rev = rev;
    json_t *root = load(json, err);
    struct sc_parse parse = {.integration = integration, .root = root, .err = err};
    if (!root || read_all(&parse, find, arg)) {
        sc_integration_unref(integration);
        integration = NULL;
    }
    sc_buf_done(&parse.warnings);
    sc_buf_done(&parse.plain);
    json_decref(root);
    return integration;
}

struct sc_integration *sc_integration_ref(struct sc_integration *integration)
{
    atomic_fetch_add_explicit(&integration->refs, 1, memory_order_relaxed);
    return integration;
}

static int forget(const char *value, size_t len)
{
    sc_redact_retire(value, len);
    return 0;
}

void sc_integration_unref(struct sc_integration *integration)
{
    if (!integration || atomic_fetch_sub_explicit(&integration->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < integration->value_count; i++) {
        struct sc_value *value = &integration->values[i];
        if (value->secret)
            sc_redact_retire(value->text, strlen(value->text));
        free(value->name);
        sc_secret_free(value->text);
    }
    if (integration->basic)
        sc_redact_retire(integration->basic, strlen(integration->basic));
    sc_secret_free(integration->basic);
    if (integration->proxy)
        sc_url_each_secret(integration->proxy, false, forget);
    sc_secret_free(integration->proxy);
    free(integration->values);
    free(integration->types);
    free(integration->name);
    free(integration->title);
    free(integration->ca_file);
    free(integration->cert_file);
    free(integration->key_file);
    free(integration->base_url);
    free(integration->origin);
    free(integration->source);
    free(integration->unsealed);
    free(integration->warnings);
    free(integration);
}

const char *sc_integration_value(const struct sc_integration *integration, const char *name)
{
    for (size_t i = 0; i < integration->value_count; i++)
        if (strcmp(integration->values[i].name, name) == 0)
            return integration->values[i].text;
    return NULL;
}

static const char *value_named(void *arg, const char *name)
{
    return sc_integration_value(arg, name);
}

int sc_integration_expand(const struct sc_integration *integration, const char *template_text, struct sc_buf *out, struct sc_error *err)
{
    char missing[64];
    if (sc_template_expand(template_text, value_named, (void *)(uintptr_t)integration, out, missing) == 0)
        return 0;
    if (!out->failed)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s is not set: give it in settings or credentials", missing);
    return sc_fail(err, SC_REASON_MEMORY_LIMIT, "a text made of settings is too long");
}
