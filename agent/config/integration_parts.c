/* The members of an integration beside settings and credentials. */
#include "config/parse.h"

#include "base/clock.h"
#include "base/redact.h"
#include "config/url.h"

#include <stdio.h>
#include <stdlib.h>

#define MINUTE_MS       60000.0
#define MIN_INTERVAL_MS 600
#define MAX_INTERVAL_MS (INT64_C(7) * 24 * 3600 * 1000)
#define MAX_LOOKBACK_S  (INT64_C(87600) * 3600)
#define MAX_AHEAD_MS    (INT64_C(24) * 3600 * 1000)
#define CLOCK_IS_SET_MS INT64_C(1704067200000) /* 2024-01-01: a machine that shows less was never told the time */

/* ---- data types ------------------------------------------------------------------------------------------------------ */

static int read_interval(struct sc_parse *parse, const json_t *object, const char *where, int64_t *ret_ms)
{
    return sc_parse_scaled(parse, object, where, "poll_interval_minutes", MINUTE_MS, MIN_INTERVAL_MS, MAX_INTERVAL_MS,
                           "0.01 to 10080 (600 ms to 7 days)", ret_ms);
}

static int read_lookback(struct sc_parse *parse, const json_t *object, const char *where, struct sc_integration_type *type)
{
    int64_t lookback = -1;
    if (sc_parse_scaled(parse, object, where, "lookback_hours", 3600.0, 0, MAX_LOOKBACK_S, "0 to 87600 (10 years)", &lookback))
        return -1;
    if (lookback < 0)
        return 0;
    if (!type->type->lookback_s)
        sc_parse_warn(parse, "%slookback_hours does not apply to this data type and is ignored", where);
    else
        type->lookback_s = (uint32_t)lookback;
    return 0;
}

static int read_start(struct sc_parse *parse, const json_t *object, const char *where, struct sc_integration_type *type)
{
    const json_t *value = sc_parse_member(object, "start");
    int64_t now = sc_real_ms(), start = SC_TIME_NONE;
    if (!value)
        return 0;
    if (json_is_string(value))
        start = sc_time_parse_rfc3339((struct sc_str){json_string_value(value), json_string_length(value)});
    if (start == SC_TIME_NONE)
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%sstart must be a time such as \"2026-11-22T10:15:00Z\"", where);
    if (now >= CLOCK_IS_SET_MS && start - now > MAX_AHEAD_MS)
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID,
                       "%sstart lies more than a day in the future: what comes before it would never be read", where);
    type->start_ms = start;
    return 0;
}

static int read_type(struct sc_parse *parse, const json_t *value, struct sc_integration_type *type)
{
    char where[SC_WHERE_MAX];
    snprintf(where, sizeof where, "data_types.%s.", type->type->name);
    if (json_is_boolean(value)) {
        type->enabled = json_is_true(value);
        return 0;
    }
    if (!json_is_object(value))
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "data_types.%s must be an object {…}, true or false", type->type->name);
    sc_parse_unknown(parse, value, where, "data_types.T.");
    return sc_parse_bool(parse, value, where, "enabled", &type->enabled) || read_interval(parse, value, where, &type->interval_ms) ||
                   read_lookback(parse, value, where, type) || read_start(parse, value, where, type)
               ? -1
               : 0;
}

static int fail_unknown_type(struct sc_parse *parse, const char *name)
{
    const struct sc_integration *to = parse->integration;
    struct sc_buf known SC_AUTO_BUF = {0};
    for (size_t i = 0; i < to->type_count; i++)
        sc_buf_addf(&known, "%s%s", i ? ", " : "", to->types[i].type->name);
    return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "data_types.%.64s is unknown; %s has: %s", name, to->connector->title,
                   sc_buf_str(&known).ptr);
}

static struct sc_integration_type *find_type(const struct sc_integration *integration, const char *name)
{
    for (size_t i = 0; i < integration->type_count; i++)
        if (strcmp(integration->types[i].type->name, name) == 0)
            return &integration->types[i];
    return NULL;
}

static int make_types(struct sc_parse *parse)
{
    struct sc_integration *to = parse->integration;
    const struct sc_data_type *row = to->connector->data_types;
    int64_t interval_ms = 0;
    size_t count = 0;
    if (read_interval(parse, parse->root, "", &interval_ms))
        return -1;
    while (row && row[count].name)
        count++;
    to->types = calloc(count + 1, sizeof *to->types);
    if (!to->types)
        return sc_parse_no_memory(parse);
    for (to->type_count = 0; to->type_count < count; to->type_count++, row++)
        to->types[to->type_count] = (struct sc_integration_type){
            .type = row,
            .enabled = !row->off_by_default,
            .interval_ms = interval_ms ? interval_ms : (int64_t)row->interval_s * 1000,
            .lookback_s = row->lookback_s,
            .start_ms = SC_TIME_NONE,
        };
    return 0;
}

int sc_parse_data_types(struct sc_parse *parse)
{
    struct sc_integration *to = parse->integration;
    const json_t *object;
    bool any = false;
    if (make_types(parse) || sc_parse_object(parse, parse->root, "", "data_types", &object))
        return -1;
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        struct sc_integration_type *type = find_type(to, json_object_iter_key(at));
        if (!type)
            return fail_unknown_type(parse, json_object_iter_key(at));
        if (!json_is_null(json_object_iter_value(at)) && read_type(parse, json_object_iter_value(at), type))
            return -1;
    }
    for (size_t i = 0; i < to->type_count; i++) {
        const struct sc_integration_type *type = &to->types[i];
        any |= type->enabled;
        if (type->enabled && type->interval_ms < (int64_t)type->type->min_interval_s * 1000)
            sc_parse_warn(parse, "data type %s is polled more often than every %u s, which this vendor may not like", type->type->name,
                          type->type->min_interval_s);
    }
    if (!any)
        sc_parse_warn(parse, "no data type is enabled: nothing will be polled");
    return 0;
}

/* ---- budget ---------------------------------------------------------------------------------------------------------- */

int sc_parse_rate_limit(struct sc_parse *parse)
{
    struct sc_integration *to = parse->integration;
    const json_t *object;
    to->reserve_percent = 10;
    if (sc_parse_object(parse, parse->root, "", "rate_limit", &object))
        return -1;
    if (!object)
        return 0;
    sc_parse_unknown(parse, object, "rate_limit.", "rate_limit.");
    if (sc_parse_uint(parse, object, "rate_limit.", "requests", 1, 1000000000, &to->rate_requests) ||
        sc_parse_uint(parse, object, "rate_limit.", "per_seconds", 1, 31 * 86400, &to->rate_per_s) ||
        sc_parse_uint(parse, object, "rate_limit.", "reserve_percent", 0, 90, &to->reserve_percent))
        return -1;
    if (!to->rate_requests != !to->rate_per_s)
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "rate_limit.requests and rate_limit.per_seconds belong together: give both");
    return 0;
}

/* ---- TLS and proxy --------------------------------------------------------------------------------------------------- */

static int read_text(struct sc_parse *parse, const json_t *object, const char *prefix, const char *name, char **ret)
{
    char where[SC_WHERE_MAX];
    const json_t *value = sc_parse_member(object, name);
    if (!value)
        return 0;
    snprintf(where, sizeof where, "%s%s", prefix, name);
    if (!json_is_string(value))
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s must be a text in quotes", where);
    *ret = sc_dup(json_string_value(value));
    return *ret ? 0 : sc_parse_no_memory(parse);
}

/* Some connectors declare them as fields of their own, as their guides do; what stands under `tls` wins. */
static int take_tls_fields(struct sc_parse *parse)
{
    struct sc_integration *to = parse->integration;
    const char *verify = sc_integration_value(to, "verify_tls"), *ca_file = sc_integration_value(to, "ca_file");
    if (verify)
        to->tls_verify = strcmp(verify, "false") != 0;
    if (!ca_file)
        return 0;
    to->ca_file = sc_dup(ca_file);
    return to->ca_file ? 0 : sc_parse_no_memory(parse);
}

/* Whether the files are there is for the machine that polls to find out. */
static int read_client_cert(struct sc_parse *parse, const json_t *object)
{
    struct sc_integration *to = parse->integration;
    char **const files[] = {&to->cert_file, &to->key_file};
    if (read_text(parse, object, "tls.", "cert_file", &to->cert_file) || read_text(parse, object, "tls.", "key_file", &to->key_file))
        return -1;
    for (size_t i = 0; i < 2; i++) {
        if (*files[i] && !**files[i]) { /* "": none */
            free(*files[i]);
            *files[i] = NULL;
        }
    }
    if (to->key_file && !to->cert_file)
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "tls.key_file without tls.cert_file: a key is of no use without its certificate");
    if (to->cert_file && strstr(to->cert_file, "-----BEGIN"))
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "tls.cert_file must be the path of a PEM file, not what is in it");
    if (to->key_file && strstr(to->key_file, "-----BEGIN"))
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "tls.key_file must be the path of a PEM file, not what is in it");
    return 0;
}

static int read_tls(struct sc_parse *parse)
{
    struct sc_integration *to = parse->integration;
    const json_t *object;
    char *ca_file = NULL;
    to->tls_verify = true;
    if (take_tls_fields(parse) || sc_parse_object(parse, parse->root, "", "tls", &object))
        return -1;
    if (object) {
        sc_parse_unknown(parse, object, "tls.", "tls.");
        if (read_text(parse, object, "tls.", "ca_file", &ca_file) || sc_parse_bool(parse, object, "tls.", "verify", &to->tls_verify)) {
            free(ca_file);
            return -1;
        }
        if (read_client_cert(parse, object)) {
            free(ca_file);
            return -1;
        }
    }
    if (ca_file) {
        free(to->ca_file);
        to->ca_file = *ca_file ? ca_file : NULL;
        if (!to->ca_file)
            free(ca_file);
    }
    if (!to->tls_verify)
        sc_parse_warn(parse, "%s is false: anybody on the way can read the credential and change the data",
                      sc_parse_member(object, "verify") ? "tls.verify" : "settings.verify_tls");
    return 0;
}

int sc_parse_tls_and_proxy(struct sc_parse *parse)
{
    struct sc_integration *to = parse->integration;
    char *proxy = NULL;
    bool sealed = false;
    if (read_tls(parse) || read_text(parse, parse->root, "", "proxy", &proxy))
        return -1;
    if (!proxy)
        return 0;
    if (sc_parse_open(parse, "proxy", NULL, "proxy", &proxy, &sealed)) {
        free(proxy);
        return -1;
    }
    if (!sealed && sc_url_has_secret(proxy))
        sc_parse_note_plain(parse, "proxy");
    if (sc_proxy_check(proxy)) {
        sc_secret_free(proxy);
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID,
                       "proxy is not usable: give http://host:port, with user:password@ before the host where needed, or \"\" for none");
    }
    to->proxy = proxy;
    return sc_url_each_secret(proxy, false, sc_redact_add) ? sc_parse_no_memory(parse) : 0;
}
