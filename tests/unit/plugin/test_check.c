/* A good connector, then one mistake at a time. */
#include "plugin/plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

static enum sc_next request(struct sc_host *host, struct sc_request *out)
{
    (void)host, (void)out;
    return SC_DONE;
}

static void response(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    (void)host, (void)in, (void)out;
}

static enum sc_more page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    (void)host, (void)in, (void)out;
    return SC_WALKED;
}

/* Everything that a mistake may touch, in writable memory. */
struct tables {
    struct sc_connector connector;
    struct sc_connector_ops ops;
    struct sc_field settings[5], credentials[3];
    struct sc_pool pools[3];
    struct sc_data_type types[3];
    const char *aliases[3], *choices[3];
    struct sc_oauth2 oauth2;
    struct sc_auth ways[6];
    struct sc_oauth2_error token_errors[3];
    struct sc_history history;
    struct sc_place places[3];
};

static void make_good(struct tables *t)
{
    *t = (struct tables){
        .ops = {request, response, page},
        .settings = {{.name = "fqdn", .title = "Host", .kind = SC_HOST, .required = true},
                     {.name = "region", .title = "Region", .kind = SC_CHOICE, .def = "eu"},
                     {.name = "depth", .title = "Depth", .kind = SC_INTEGER, .def = "3", .min = 1, .max = 9}},
        .credentials = {{.name = "api_token", .title = "Token", .secret = true}, {.name = "client_id", .title = "Client"}},
        .pools = {{.name = "logs", .requests = 60, .per_s = 60, .reset_header = "X-Reset", .reset_unit = SC_RESET_SECONDS},
                  {.name = "unused"}},
        .types = {{.name = "log",
                   .title = "Log",
                   .noun = "events",
                   .interval_s = 300,
                   .recipe = 1,
                   .records = "data.items[]",
                   .id = {"id", "actor.id", "a\\.b", "c"},
                   .time = "at",
                   .envelope = {"next"}},
                  {.name = "list",
                   .title = "List",
                   .noun = "items",
                   .interval_s = 3600,
                   .recipe = 1,
                   .records = "[]",
                   .shape = SC_SHAPE_SNAPSHOT,
                   .id = {"id"},
                   .version = {"version", "released"},
                   .count = "count"}},
        .aliases = {"old_name", "old-er"},
        .choices = {"eu", "us"},
    };
    t->settings[1].choices = t->choices;
    t->connector = (struct sc_connector){
        .abi = SC_CONNECTOR_ABI,
        .size = sizeof t->connector,
        .name = "vendor-1",
        .title = "Vendor",
        .category = "Tests",
        .aliases = t->aliases,
        .base_url = "https://{fqdn}/{region}",
        .source = "{fqdn}",
        .auth = {SC_AUTH_HEADER, "Authorization", "Bearer {api_token}"},
        .settings = t->settings,
        .credentials = t->credentials,
        .pools = t->pools,
        .data_types = t->types,
        .ops = &t->ops,
    };
}

/* The same with the other kind of authentication. */
static void make_oauth2(struct tables *t)
{
    t->oauth2 = (struct sc_oauth2){
        .token_url = "/{region}/token",
        .body = SC_OAUTH2_JSON,
        .client = SC_OAUTH2_CLIENT_BASIC,
        .client_id = "client_id",
        .client_secret = "api_token",
        .params = {{"grant_type", "client_credentials"}, {"scope", "{scope}/.default"}, {"who", "{client_id}@{region}"}},
        .pool = "logs",
        .errors = t->token_errors,
    };
    t->token_errors[0] = (struct sc_oauth2_error){400, "invalid_client", SC_REASON_OAUTH_INVALID_CLIENT, NULL};
    t->token_errors[1] = (struct sc_oauth2_error){-1, NULL, SC_REASON_VENDOR_ERROR, NULL};
    t->types[0].scope = "https://logs.example";
    t->connector.auth = (struct sc_auth){SC_AUTH_OAUTH2_CLIENT, "Authorization", "Bearer {token}", &t->oauth2};
}

static const char *sign(struct sc_host *host, const struct sc_to_sign *in, struct sc_header out[SC_MAX_SIGN_HEADERS])
{
    (void)host, (void)in, (void)out;
    return NULL;
}

static void make_login(struct tables *t)
{
    t->oauth2 = (struct sc_oauth2){
        .token_url = "/login",
        .client = SC_OAUTH2_CLIENT_NONE,
        .params = {{"username", "{client_id}"}, {"password", "{api_token}"}},
        .token_member = "sessionKey",
    };
    t->connector.auth = (struct sc_auth){SC_AUTH_LOGIN, "Authorization", "Session {token}", &t->oauth2};
}

static void make_basic(struct tables *t)
{
    t->connector.auth = (struct sc_auth){.kind = SC_AUTH_BASIC, .user = "client_id", .password = "api_token"};
}

/* A token, else Basic where the region is given, else nothing. */
static void make_ways(struct tables *t)
{
    t->ways[0] = (struct sc_auth){.kind = SC_AUTH_BASIC, .user = "client_id", .password = "api_token", .when = "region", .otherwise = &t->ways[1]};
    t->ways[1] = (struct sc_auth){.kind = SC_AUTH_NONE};
    t->connector.auth.when = "api_token";
    t->connector.auth.otherwise = &t->ways[0];
}

static void make_format(struct tables *t, enum sc_format format, const char *records)
{
    t->types[0].format = format;
    t->types[0].records = records;
}

static void make_content(struct tables *t)
{
    t->types[0].identity = SC_CONTENT;
}

static void make_history(struct tables *t)
{
    t->places[0] = (struct sc_place){"time", SC_PLACE_TIME, false};
    t->places[1] = (struct sc_place){"next", SC_PLACE_LINK, true};
    t->history = (struct sc_history){.places = t->places, .by_time = true, .past = SC_PAST_TIME};
    t->types[0].history = &t->history;
}

#define MISTAKE(name, ...)                                                                                                                 \
    static void name(struct tables *t)                                                                                                     \
    {                                                                                                                                      \
        __VA_ARGS__;                                                                                                                       \
    }

MISTAKE(no_mistake, (void)t)
MISTAKE(upper_name, t->connector.name = "Vendor")
MISTAKE(no_name, t->connector.name = NULL)
MISTAKE(no_title, t->connector.title = "")
MISTAKE(bad_alias, t->aliases[1] = "Old")
MISTAKE(field_name, t->settings[0].name = "FQDN")
MISTAKE(field_title, t->settings[0].title = NULL)
MISTAKE(field_kind, t->settings[0].kind = (enum sc_field_kind)99)
MISTAKE(field_twice, t->credentials[1].name = "fqdn")
MISTAKE(no_choices, t->choices[0] = NULL)
MISTAKE(other_default, t->settings[1].def = "mars")
MISTAKE(range_default, t->settings[2].def = "12")
MISTAKE(range_turned, t->settings[2].min = 20)
MISTAKE(secret_default, t->credentials[0].def = "x")
MISTAKE(form_turned, t->credentials[0].forms[0] = (struct sc_form){.least = 40, .most = 32})
MISTAKE(form_begins, t->credentials[0].forms[1] = (struct sc_form){.begins = "abc", .most = 2})
static const struct sc_region hosts[] = {{"eu", "eu.test"}, {0}}, no_hosts[] = {{0}}, bad_hosts[] = {{"eu", "https://eu.test"}, {0}};
static const struct sc_regions good_regions = {"fqdn", "X-Region", hosts}, strange_regions = {"planet", NULL, hosts}, empty_regions = {"fqdn", NULL, no_hosts},
                               url_regions = {"fqdn", NULL, bad_hosts}, header_regions = {"fqdn", "X Region", hosts};
MISTAKE(regions_good, t->connector.regions = &good_regions)
MISTAKE(regions_strange, t->connector.regions = &strange_regions)
MISTAKE(regions_empty, t->connector.regions = &empty_regions)
MISTAKE(regions_url, t->connector.regions = &url_regions)
MISTAKE(regions_header, t->connector.regions = &header_regions)
MISTAKE(pool_name, t->pools[0].name = "Logs")
MISTAKE(pool_twice, t->pools[1].name = "logs")
MISTAKE(pool_window, t->pools[0].per_s = 0)
MISTAKE(pool_unit, t->pools[0].reset_unit = SC_RESET_NONE)
MISTAKE(pool_header, t->pools[0].limit_header = "X Limit")
MISTAKE(no_types, t->connector.data_types = NULL)
MISTAKE(type_name, t->types[0].name = "a-b")
MISTAKE(type_twice, t->types[1].name = "log")
MISTAKE(type_noun, t->types[0].noun = NULL)
MISTAKE(type_interval, t->types[0].interval_s = 0)
MISTAKE(type_interval_long, t->types[0].interval_s = 8 * 86400)
MISTAKE(type_min_interval, t->types[0].min_interval_s = 301)
MISTAKE(type_recipe, t->types[0].recipe = 0)
MISTAKE(records_plain, t->types[0].records = "data")
MISTAKE(records_none, t->types[0].records = NULL)
MISTAKE(records_middle, t->types[0].records = "a[].b[]")
MISTAKE(records_empty, t->types[0].records = "a..b[]")
MISTAKE(records_dot, t->types[0].records = ".a[]")
MISTAKE(records_star, t->types[0].records = "*[]")
MISTAKE(records_escape, t->types[0].records = "a\\")
MISTAKE(id_none, t->types[0].id[0] = NULL)
MISTAKE(id_content, make_content(t); t->types[0].id[0] = NULL)
MISTAKE(id_content_else, make_content(t); t->types[0].id_else[0] = "raw"; t->types[0].id_else[1] = "?host")
MISTAKE(id_content_else_alone, make_content(t); t->types[0].id[0] = NULL; t->types[0].id_else[0] = "raw")
MISTAKE(id_content_snapshot, t->types[1].identity = SC_CONTENT)
MISTAKE(id_versioned_else, t->types[0].identity = SC_VERSIONED; t->types[0].id_else[0] = "asset.uuid"; t->types[0].id_else[1] = "?port.port")
MISTAKE(id_optional, t->types[0].id[1] = "?actor.id")
MISTAKE(id_optional_all, t->types[0].id[0] = "?id"; t->types[0].id[1] = NULL)
MISTAKE(id_optional_bare, t->types[0].id[1] = "?")
MISTAKE(id_else_path, t->types[0].id_else[0] = "a..b")
MISTAKE(id_else_optional_all, t->types[0].id_else[0] = "?a"; t->types[0].id_else[1] = "?b")
MISTAKE(format_unknown, t->types[0].format = (enum sc_format)9)
MISTAKE(ndjson_line, make_format(t, SC_NDJSON, ""))
MISTAKE(ndjson_member, make_format(t, SC_NDJSON, "result"); t->types[0].records_else = "results[]")
MISTAKE(ndjson_bad, make_format(t, SC_NDJSON, "a[].b"))
MISTAKE(ndjson_none, make_format(t, SC_NDJSON, NULL))
MISTAKE(ndjson_else_bad, make_format(t, SC_NDJSON, "result"); t->types[0].records_else = "a..b")
MISTAKE(json_else, t->types[0].records_else = "results[]")
MISTAKE(json_line, t->types[0].records = "")
MISTAKE(xml, make_format(t, SC_XML, "OUT.LIST.HOST"); t->types[0].nested = "DETECTION_LIST.DETECTION")
MISTAKE(xml_elements, make_format(t, SC_XML, "OUT.LIST[]"))
MISTAKE(xml_nested_bad, make_format(t, SC_XML, "OUT.LIST.HOST"); t->types[0].nested = "")
MISTAKE(json_nested, t->types[0].nested = "a.b")
MISTAKE(snapshot_format, t->types[1].format = SC_NDJSON)
MISTAKE(whole, t->types[0].whole = "host.id"; t->types[0].lag_s = 60)
MISTAKE(whole_path, t->types[0].whole = "host..id"; t->types[0].lag_s = 60)
MISTAKE(whole_lag, t->types[0].whole = "host.id")
MISTAKE(whole_time, t->types[0].whole = "host.id"; t->types[0].lag_s = 60; t->types[0].time = NULL)
MISTAKE(throttle_max, t->pools[0].throttle_s = 1; t->pools[0].throttle_max_s = 32)
MISTAKE(throttle_max_low, t->pools[0].throttle_s = 60; t->pools[0].throttle_max_s = 59)
MISTAKE(throttle_max_default, t->pools[0].throttle_max_s = 29)
MISTAKE(throttle_over, t->pools[0].throttle_s = 901)
MISTAKE(throttle_max_day, t->pools[0].throttle_max_s = 86401)
MISTAKE(alias, t->credentials[0].alias = "secret_key"; t->settings[0].alias = "host")
MISTAKE(alias_bad, t->credentials[0].alias = "Secret-Key")
MISTAKE(alias_taken, t->credentials[0].alias = "fqdn")
MISTAKE(alias_own, t->credentials[0].alias = "api_token")
MISTAKE(alias_twice, t->settings[0].alias = "x"; t->credentials[1].alias = "x")
MISTAKE(tls_fields, t->settings[3] = (struct sc_field){.name = "verify_tls", .title = "T", .kind = SC_BOOL, .def = "true"})
MISTAKE(tls_verify, t->settings[0].name = "verify_tls")
MISTAKE(tls_ca_file, t->credentials[0].name = "ca_file")
MISTAKE(id_path, t->types[0].id[1] = "actor[].id")
MISTAKE(time_path, t->types[0].time = "")
MISTAKE(envelope_path, t->types[0].envelope[0] = "next.")
MISTAKE(version_of_log, t->types[0].version[0] = "v")
MISTAKE(auth_header, t->connector.auth.header = "Author ization")
MISTAKE(auth_value, t->connector.auth.value = "Bearer {token}")
MISTAKE(auth_brace, t->connector.auth.value = "Bearer {api_token")
MISTAKE(auth_kind, t->connector.auth.kind = (enum sc_auth_kind)77)
MISTAKE(url_scheme, t->connector.base_url = "{fqdn}")
MISTAKE(url_name, t->connector.base_url = "https://{host}")
MISTAKE(url_secret, t->connector.base_url = "https://{api_token}.x")
MISTAKE(source_credential, t->connector.source = "{client_id}")
MISTAKE(pool_throttle, t->pools[0].throttle_s = 86401)
MISTAKE(url_field, t->settings[0].kind = SC_URL; t->connector.base_url = "{fqdn}")
MISTAKE(basic, make_basic(t))
MISTAKE(basic_header, make_basic(t); t->connector.auth.header = "X-Auth")
MISTAKE(basic_header_bad, make_basic(t); t->connector.auth.header = "X Auth")
MISTAKE(basic_user, make_basic(t); t->connector.auth.user = "fqdn")
MISTAKE(basic_password, make_basic(t); t->connector.auth.password = NULL)
MISTAKE(basic_open, make_basic(t); t->connector.auth.password = "client_id")
MISTAKE(basic_value, make_basic(t); t->connector.auth.value = "Basic {api_token}")
MISTAKE(header_user, t->connector.auth.user = "client_id")
MISTAKE(is_signed, t->connector.auth = (struct sc_auth){.kind = SC_AUTH_SIGNED, .sign = sign})
MISTAKE(signed_none, t->connector.auth = (struct sc_auth){.kind = SC_AUTH_SIGNED})
MISTAKE(signed_spare, t->connector.auth.sign = sign)
MISTAKE(login, make_login(t))
MISTAKE(login_member, make_login(t); t->oauth2.token_member = NULL)
MISTAKE(login_member_empty, make_login(t); t->oauth2.token_member = "")
MISTAKE(login_params, make_login(t); t->oauth2.params[0].name = NULL)
MISTAKE(login_client, make_login(t); t->oauth2.client_id = "client_id")
MISTAKE(oauth2_member, make_oauth2(t); t->oauth2.token_member = "key")
MISTAKE(oauth2_client_none, make_oauth2(t); t->oauth2.client = SC_OAUTH2_CLIENT_NONE; t->oauth2.client_id = t->oauth2.client_secret = NULL)
MISTAKE(ways, make_ways(t))
MISTAKE(ways_last, make_ways(t); t->ways[1].when = "region")
MISTAKE(ways_always, make_ways(t); t->connector.auth.when = NULL)
MISTAKE(ways_field, make_ways(t); t->ways[0].when = "other")
MISTAKE(ways_row, make_ways(t); t->ways[0].user = NULL)
MISTAKE(ways_loop, make_ways(t); t->ways[1].when = "region"; t->ways[1].otherwise = &t->ways[0])
MISTAKE(ways_four, make_ways(t); t->ways[1].when = "region"; t->ways[1].otherwise = &t->ways[2])
MISTAKE(auth_spare, t->connector.auth.oauth2 = &t->oauth2)
MISTAKE(auth_spare_scope, t->types[1].scope = "x")
MISTAKE(oauth2, make_oauth2(t))
MISTAKE(oauth2_plain, make_oauth2(t); t->oauth2.params[1].name = NULL; t->types[0].scope = NULL; t->oauth2.errors = NULL;
        t->oauth2.pool = NULL; t->oauth2.token_url = "https://login.example/{region}/token")
MISTAKE(oauth2_table, make_oauth2(t); t->connector.auth.oauth2 = NULL)
MISTAKE(oauth2_value, make_oauth2(t); t->connector.auth.value = "Bearer {api_token}")
MISTAKE(oauth2_value_field, make_oauth2(t); t->connector.auth.value = "Bearer {token}{other}")
MISTAKE(oauth2_header, make_oauth2(t); t->connector.auth.header = NULL)
MISTAKE(oauth2_body, make_oauth2(t); t->oauth2.body = (enum sc_oauth2_body)7)
MISTAKE(oauth2_client, make_oauth2(t); t->oauth2.client = (enum sc_oauth2_client)7)
MISTAKE(oauth2_url, make_oauth2(t); t->oauth2.token_url = "oauth2/token")
MISTAKE(oauth2_url_none, make_oauth2(t); t->oauth2.token_url = NULL)
MISTAKE(oauth2_url_http, make_oauth2(t); t->oauth2.token_url = "http://login.example/token")
MISTAKE(oauth2_url_host, make_oauth2(t); t->oauth2.token_url = "//login.example/token")
MISTAKE(oauth2_url_secret, make_oauth2(t); t->oauth2.token_url = "/token?s={api_token}")
MISTAKE(oauth2_id, make_oauth2(t); t->oauth2.client_id = "fqdn")
MISTAKE(oauth2_secret_none, make_oauth2(t); t->oauth2.client_secret = NULL)
MISTAKE(oauth2_secret_open, make_oauth2(t); t->oauth2.client_secret = "client_id")
MISTAKE(oauth2_pool, make_oauth2(t); t->oauth2.pool = "token")
MISTAKE(oauth2_param, make_oauth2(t); t->oauth2.params[0].value = "")
MISTAKE(oauth2_param_name, make_oauth2(t); t->oauth2.params[0].name = "a=b")
MISTAKE(oauth2_param_twice, make_oauth2(t); t->oauth2.params[2].name = "scope")
MISTAKE(oauth2_param_field, make_oauth2(t); t->oauth2.params[2].value = "{audience}")
MISTAKE(oauth2_scope_lost, make_oauth2(t); t->oauth2.params[1].value = "all")
MISTAKE(oauth2_scope_none, make_oauth2(t); t->types[0].scope = NULL)
MISTAKE(oauth2_scope_empty, make_oauth2(t); t->types[0].scope = "")
MISTAKE(oauth2_error_status, make_oauth2(t); t->token_errors[1].status = 42)
MISTAKE(oauth2_error_reason, make_oauth2(t); t->token_errors[1].reason = SC_REASON_OK)
MISTAKE(history_good, make_history(t))
MISTAKE(history_none, make_history(t); t->history = (struct sc_history){.why_not = "it is a document"}; t->types[1].history = &t->history)
MISTAKE(history_place, make_history(t); t->places[1].name = "Next")
MISTAKE(history_place_kind, make_history(t); t->places[1].kind = (enum sc_place_kind)9)
MISTAKE(history_past, make_history(t); t->history.past = (enum sc_past)9)
MISTAKE(history_no_time, make_history(t); t->places[0].name = "when")
MISTAKE(history_time_of_text, make_history(t); t->places[0].kind = SC_PLACE_TEXT)
MISTAKE(history_no_reason, make_history(t); t->history.past = SC_PAST_NONE)
MISTAKE(history_no_record_time, make_history(t); t->types[0].time = NULL)
MISTAKE(history_of_document, make_history(t); t->history.past = SC_PAST_WINDOW; t->types[1].history = &t->history)
MISTAKE(no_url, t->connector.base_url = NULL)
MISTAKE(no_ops, t->connector.ops = NULL)
MISTAKE(no_page, t->ops.page = NULL)

static const struct {
    void (*mistake)(struct tables *);
    const char *want; /* NULL: good */
} checks[] = {
    {no_mistake, NULL},
    {upper_name, "its name is \"Vendor\": use [a-z0-9-]"},
    {no_name, "its name is \"\": use [a-z0-9-]"},
    {no_title, "vendor-1 needs title and category"},
    {bad_alias, "alias \"Old\": use [a-z0-9_-]"},
    {field_name, "settings has a field named \"FQDN\": use [a-z0-9_]"},
    {field_title, "settings.fqdn has no title"},
    {field_kind, "settings.fqdn has unknown kind 99"},
    {field_twice, "field fqdn stands there twice"},
    {no_choices, "settings.region is a choice without choices"},
    {other_default, "settings.region has a default that its kind does not allow"},
    {range_default, "settings.depth has a default that its kind does not allow"},
    {range_turned, "settings.depth: min is above max"},
    {secret_default, "credentials.api_token has a default that its kind does not allow"},
    {form_turned, "credentials.api_token: form 1 fits nothing"},
    {form_begins, "credentials.api_token: form 2 fits nothing"},
    {regions_good, NULL},
    {regions_strange, "regions.setting \"planet\" is no host of the settings"},
    {regions_empty, "regions has no rows"},
    {regions_url, "regions: eu needs a name and a host"},
    {regions_header, "regions: \"X Region\" is no header name"},
    {pool_name, "a pool is named \"Logs\": use [a-z0-9_-]"},
    {pool_twice, "pool logs stands there twice"},
    {pool_window, "pool logs: 60 requests per 0 s"},
    {pool_unit, "pool logs: reset header without unit"},
    {pool_header, "pool logs: \"X Limit\" is no header name"},
    {no_types, "it has no data type"},
    {type_name, "a data type is named \"a-b\": use [a-z0-9_]"},
    {type_twice, "data type log stands there twice"},
    {type_noun, "log needs title and noun"},
    {type_interval, "log.interval_s: 0 is not within 1 s and 7 days"},
    {type_interval_long, "log.interval_s: 691200 is not within 1 s and 7 days"},
    {type_min_interval, "log.min_interval_s is above interval_s"},
    {type_recipe, "log.recipe: versions count from 1"},
    {records_plain, "log.records: \"data\" is no path of an array (\"[]\", \"data.items[]\")"},
    {records_none, "log.records: \"\" is no path of an array (\"[]\", \"data.items[]\")"},
    {records_middle, "log.records: \"a[].b[]\" is no path of an array (\"[]\", \"data.items[]\")"},
    {records_empty, "log.records: \"a..b[]\" is no path of an array (\"[]\", \"data.items[]\")"},
    {records_dot, "log.records: \".a[]\" is no path of an array (\"[]\", \"data.items[]\")"},
    {records_star, "log.records: \"*[]\" is no path of an array (\"[]\", \"data.items[]\")"},
    {records_escape, "log.records: \"a\\\" is no path of an array (\"[]\", \"data.items[]\")"},
    {id_none, "log has no id"},
    {id_content, NULL},
    {id_content_else, NULL},
    {id_content_else_alone, "log has no id"},
    {id_content_snapshot, "list: the entries of a snapshot need an id of their own, not SC_CONTENT"},
    {id_versioned_else, NULL},
    {id_optional, NULL},
    {id_optional_all, "log.id: each part may be absent"},
    {id_optional_bare, "log.id: \"?\" is no path"},
    {id_else_path, "log.id_else: \"a..b\" is no path"},
    {id_else_optional_all, "log.id_else: each part may be absent"},
    {format_unknown, "log: unknown format 9"},
    {ndjson_line, NULL},
    {ndjson_member, NULL},
    {ndjson_bad, "log.records: \"a[].b\" is no path of a line (\"\", \"result\", \"results[]\")"},
    {ndjson_none, "log.records: \"\" is no path of a line (\"\", \"result\", \"results[]\")"},
    {ndjson_else_bad, "log.records_else: \"a..b\" is no path of a line, or the format is not SC_NDJSON"},
    {json_else, "log.records_else: \"results[]\" is no path of a line, or the format is not SC_NDJSON"},
    {json_line, "log.records: \"\" is no path of an array (\"[]\", \"data.items[]\")"},
    {xml, NULL},
    {xml_elements, "log.records: \"OUT.LIST[]\" is no path of elements (\"LIST.RESPONSE.HOST\")"},
    {xml_nested_bad, "log.nested: \"\" is no path of elements, or the format is not SC_XML"},
    {json_nested, "log.nested: \"a.b\" is no path of elements, or the format is not SC_XML"},
    {snapshot_format, "list: a snapshot is one JSON document"},
    {whole, NULL},
    {whole_path, "log.whole: \"host..id\" is no path, or time or lag_s is missing"},
    {whole_lag, "log.whole: \"host.id\" is no path, or time or lag_s is missing"},
    {whole_time, "log.whole: \"host.id\" is no path, or time or lag_s is missing"},
    {throttle_max, NULL},
    {throttle_max_low, "pool logs: waits after throttles begin at 60 s and end at 59 s"},
    {throttle_max_default, "pool logs: waits after throttles begin at 30 s and end at 29 s"},
    {throttle_over, "pool logs: waits after throttles begin at 901 s and end at 900 s"},
    {throttle_max_day, "pool logs: waits after throttles begin at 30 s and end at 86401 s"},
    {alias, NULL},
    {alias_bad, "credentials.api_token: alias \"Secret-Key\": use [a-z0-9_]"},
    {alias_taken, "credentials.api_token: alias fqdn is the name of another field"},
    {alias_own, "credentials.api_token: alias api_token is the name of another field"},
    {alias_twice, "credentials.client_id: alias x is the name of another field"},
    {tls_fields, NULL},
    {tls_verify, "settings.verify_tls must be true or false, as under tls"},
    {tls_ca_file, "credentials.ca_file must be a text that is no secret, as under tls"},
    {id_path, "log.id: \"actor[].id\" is no path"},
    {time_path, "log.time: \"\" is no path"},
    {envelope_path, "log.envelope: \"next.\" is no path"},
    {version_of_log, "log: version and count are paths in the envelope of a snapshot"},
    {auth_header, "auth needs a header's name and value"},
    {auth_value, "auth.value names {token}, which is no field"},
    {auth_brace, "auth.value has a '{' without '}'"},
    {auth_kind, "auth has unknown kind 77"},
    {url_scheme, "base_url \"{fqdn}\" is no http(s) URL"},
    {url_name, "base_url names {host}, which is no field"},
    {url_secret, "base_url names {api_token}, which is a credential"},
    {source_credential, "source names {client_id}, which is a credential"},
    {pool_throttle, "pool logs: a wait of 86401 s after a throttle is over a day"},
    {url_field, NULL},
    {basic, NULL},
    {basic_header, NULL},
    {basic_header_bad, "auth.header: \"X Auth\" is no header name"},
    {basic_user, "auth.user and auth.password name credentials"},
    {basic_password, "auth.user and auth.password name credentials"},
    {basic_open, "auth.user and auth.password: credentials.client_id is not secret"},
    {basic_value, "auth.value belongs to another kind"},
    {header_user, "auth.user and password belongs to another kind"},
    {is_signed, NULL},
    {signed_none, "auth.sign is missing"},
    {signed_spare, "auth.sign belongs to another kind"},
    {login, NULL},
    {login_member, "auth.oauth2.token_member names what the reply to a login holds, and belongs to SC_AUTH_LOGIN"},
    {login_member_empty, "auth.oauth2.token_member names what the reply to a login holds, and belongs to SC_AUTH_LOGIN"},
    {login_params, "auth.oauth2: SC_OAUTH2_CLIENT_NONE has params, and neither client_id nor client_secret"},
    {login_client, "auth.oauth2: SC_OAUTH2_CLIENT_NONE has params, and neither client_id nor client_secret"},
    {oauth2_member, "auth.oauth2.token_member names what the reply to a login holds, and belongs to SC_AUTH_LOGIN"},
    {oauth2_client_none, NULL},
    {ways, NULL},
    {ways_last, "auth: `when` and `otherwise` belong together; the last way has neither"},
    {ways_always, "auth: `when` and `otherwise` belong together; the last way has neither"},
    {ways_field, "auth.when: other is no field"},
    {ways_row, "auth.user and auth.password name credentials"},
    {ways_loop, "auth has more than 4 ways: does `otherwise` end?"},
    {ways_four, NULL},
    {auth_spare, "auth.oauth2 belongs to another kind"},
    {auth_spare_scope, "the scopes of data types belong to another kind of auth"},
    {oauth2, NULL},
    {oauth2_plain, NULL},
    {oauth2_table, "auth.oauth2 is missing"},
    {oauth2_value, "auth.value \"Bearer {api_token}\" does not name {token}"},
    {oauth2_value_field, "auth.value names {other}, which is no field"},
    {oauth2_header, "auth needs a header's name and value"},
    {oauth2_body, "auth.oauth2: unknown body or client"},
    {oauth2_client, "auth.oauth2: unknown body or client"},
    {oauth2_url, "auth.oauth2.token_url \"oauth2/token\" is no path and no https URL"},
    {oauth2_url_none, "auth.oauth2.token_url \"\" is no path and no https URL"},
    {oauth2_url_http, "auth.oauth2.token_url \"http://login.example/token\" is no path and no https URL"},
    {oauth2_url_host, "auth.oauth2.token_url \"//login.example/token\" is no path and no https URL"},
    {oauth2_url_secret, "auth.oauth2.token_url names {api_token}, which is a credential"},
    {oauth2_id, "auth.oauth2: client_id and client_secret name credentials"},
    {oauth2_secret_none, "auth.oauth2: client_id and client_secret name credentials"},
    {oauth2_secret_open, "auth.oauth2: client_id and client_secret: credentials.client_id is not secret"},
    {oauth2_pool, "auth.oauth2.pool: there is no pool token"},
    {oauth2_param, "auth.oauth2.params: \"grant_type\" needs a plain name and a value"},
    {oauth2_param_name, "auth.oauth2.params: \"a=b\" needs a plain name and a value"},
    {oauth2_param_twice, "auth.oauth2.params: scope stands there twice"},
    {oauth2_param_field, "auth.oauth2.params names {audience}, which is no field"},
    {oauth2_scope_lost, "auth.oauth2.params and the data types do not agree: a scope is given and no parameter takes {scope}"},
    {oauth2_scope_none, "auth.oauth2.params and the data types do not agree: {scope} is named and none has one"},
    {oauth2_scope_empty, "log.scope is empty"},
    {oauth2_error_status, "auth.oauth2.errors: 42 is no status"},
    {oauth2_error_reason, "auth.oauth2.errors: status -1 has no reason"},
    {history_good, NULL},
    {history_none, NULL},
    {history_place, "log.history.places: \"Next\" is no place"},
    {history_place_kind, "log.history.places: \"next\" is no place"},
    {history_past, "log.history.past: unknown kind"},
    {history_no_time, "log.history.by_time needs a place \"time\""},
    {history_time_of_text, "log.history.by_time needs a place \"time\""},
    {history_no_reason, "log.history.why_not is missing"},
    {history_no_record_time, "log.history: a window by the records' time needs `time`"},
    {history_of_document, "list.history: a document has no past"},
    {no_url, NULL},
    {no_ops, "ops needs request, response and page"},
    {no_page, "ops needs request, response and page"},
};

static void test_check_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        struct tables t;
        struct sc_error err = SC_ERROR_INIT;
        make_good(&t);
        checks[i].mistake(&t);
        int rc = sc_connector_check(&t.connector, &err);
        CHECK_TEXT("what is said", err.text, checks[i].want ? checks[i].want : "");
        CHECK_INT(err.text, rc, checks[i].want ? -1 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_check_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
