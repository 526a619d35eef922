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

static enum sc_more page(struct sc_host *host, const struct sc_page *in, char *detail)
{
    (void)host, (void)in, (void)detail;
    return SC_WALKED;
}

/* Everything that a mistake may touch, in writable memory. */
struct tables {
    struct sc_connector connector;
    struct sc_connector_ops ops;
    struct sc_field settings[4], credentials[3];
    struct sc_pool pools[3];
    struct sc_data_type types[3];
    const char *aliases[3], *choices[3];
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
MISTAKE(id_content, t->types[0].id[0] = NULL; t->types[0].identity = SC_CONTENT)
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
    {id_content, "log: identity SC_CONTENT is not supported by this agent yet"},
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
