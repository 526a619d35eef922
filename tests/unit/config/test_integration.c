/* An integration as a whole: what a good one becomes, what its keys are, what it remembers and forgets. */
#include "fixture.h"

#include "base/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"

static struct sc_integration *parse(const char *json)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_integration *got = sc_integration_parse("acme-prod", sc_str_of(json), 7, fixture_find, NULL, &err);
    if (!got)
        CHECK_TEXT(json, err.text, "");
    return got;
}

/* The least that is valid, with more members added. */
#define WITH(more)                                                                                                                         \
    "{\"integration_type\":\"acme\",\"settings\":{\"fqdn\":\"a.acme.test\"},\"credentials\":{\"api_token\":\"tok-123456\"}" more "}"

static void test_integration_least(void **state)
{
    (void)state;
    struct sc_integration *i = parse(WITH(""));
    CHECK_TEXT("name", i->name, "acme-prod");
    CHECK_TEXT("title", i->title, "acme-prod");
    CHECK_INT("revision", i->rev, 7);
    CHECK_TRUE("enabled", i->enabled);
    CHECK_TEXT("address", i->base_url, "https://a.acme.test/api");
    CHECK_TEXT("origin", i->origin, "https://a.acme.test");
    CHECK_TEXT("source: the tenant only repeats the host", i->source, "acme|https://a.acme.test");
    CHECK_TEXT("default", sc_integration_value(i, "region"), "eu");
    CHECK_TEXT("no default", sc_integration_value(i, "org"), NULL);
    CHECK_TEXT("unknown", sc_integration_value(i, "nothing"), NULL);
    CHECK_INT("two types", i->type_count, 2);
    CHECK_TEXT("in order", i->types[0].type->name, "events");
    CHECK_TRUE("on and off", i->types[0].enabled && !i->types[1].enabled);
    CHECK_INT("interval", i->types[0].interval_ms, 300000);
    CHECK_INT("lookback", i->types[0].lookback_s, 86400);
    CHECK_TRUE("no start", i->types[0].start_ms == SC_TIME_NONE && i->types[1].start_ms == SC_TIME_NONE);
    CHECK_INT("reserve", i->reserve_percent, 10);
    CHECK_INT("no limit of its own", i->rate_requests + i->rate_per_s, 0);
    CHECK_TRUE("verified", i->tls_verify && !i->ca_file && !i->proxy && !i->allow_insecure_http);
    CHECK_INT("credential key", strlen(i->credential_key), 32);
    CHECK_TEXT("no warnings", i->warnings, NULL);
    sc_integration_unref(i);
}

static void test_integration_full(void **state)
{
    (void)state;
    struct sc_integration *i = parse("{ \"integration_type\": \"acme_old\", \"name\": \"Acme\\tproduction\", \"enabled\": \"false\", "
                                     "\"poll_interval_minutes\": \"0.5\",\n"
                                     "  \"settings\": {\"fqdn\": \"A.Acme.Test:8443\", \"client_id\": 4711, \"depth\": \"9\", "
                                     "\"use_mirror\": 0, \"region\": \"US-Gov\",\n"
                                     "    \"offset\": -5, \"mirror_url\": \"https://m.test/x?y=z\", \"page_size\": 50},\n"
                                     "  \"credentials\": {\"api_token\": \"tok-123456\", \"org\": \"o1\"},\n"
                                     "  \"data_types\": {\"events\": {\"enabled\": \"no\", \"lookback_hours\": 1.5}, \"assets\": true},\n"
                                     "  \"rate_limit\": {\"requests\": 100, \"per_seconds\": \"60\", \"reserve_percent\": 0},\n"
                                     "  \"tls\": {\"ca_file\": \"/certs/ca.crt\", \"verify\": true}, \"proxy\": \"http://proxy:3128\" }");
    CHECK_TEXT("title", i->title, "Acme production");
    CHECK_TRUE("paused", !i->enabled);
    CHECK_TEXT("host in lower case", sc_integration_value(i, "fqdn"), "a.acme.test:8443");
    CHECK_TEXT("a credential among the settings, a number", sc_integration_value(i, "client_id"), "4711");
    CHECK_TEXT("a setting among the credentials", sc_integration_value(i, "org"), "o1");
    CHECK_TEXT("integer as text", sc_integration_value(i, "depth"), "9");
    CHECK_TEXT("without limits", sc_integration_value(i, "offset"), "-5");
    CHECK_TEXT("boolean as number", sc_integration_value(i, "use_mirror"), "false");
    CHECK_TEXT("choice as the table has it", sc_integration_value(i, "region"), "us-gov");
    CHECK_TEXT("common field", sc_integration_value(i, "page_size"), "50");
    CHECK_TEXT("source", i->source, "acme|https://a.acme.test:8443");
    CHECK_TRUE("turned off, turned on", !i->types[0].enabled && i->types[1].enabled);
    CHECK_INT("interval for all", i->types[0].interval_ms, 30000);
    CHECK_INT("interval for all", i->types[1].interval_ms, 30000);
    CHECK_INT("lookback", i->types[0].lookback_s, 5400);
    CHECK_INT("rate", i->rate_requests, 100);
    CHECK_INT("rate", i->rate_per_s, 60);
    CHECK_INT("reserve", i->reserve_percent, 0);
    CHECK_TEXT("ca", i->ca_file, "/certs/ca.crt");
    CHECK_TEXT("proxy", i->proxy, "http://proxy:3128");
    CHECK_TEXT("warnings", i->warnings, NULL);
    sc_integration_unref(i);
}

static void test_integration_source(void **state)
{
    (void)state;
    static const struct {
        const char *settings, *base_url, *source;
    } rows[] = {
        {"\"fqdn\":\"a.test\"", "https://a.test/api", "acme|https://a.test"},
        {"\"fqdn\":\"A.Test\"", "https://a.test/api", "acme|https://a.test"},
        {"\"fqdn\":\"https://A.Test/\"", "https://a.test/api", "acme|https://a.test"},
        {"\"fqdn\":\"HTTPS://a.test:8443\"", "https://a.test:8443/api", "acme|https://a.test:8443"},
        {"\"fqdn\":\"a.test/\"", "https://a.test/api", "acme|https://a.test"},
        {"\"fqdn\":\"https://[::1]:1/\"", "https://[::1]:1/api", "acme|https://[::1]:1"},
        {"\"fqdn\":\"a.test:443\"", "https://a.test:443/api", "acme|https://a.test|a.test:443"},
        {"\"fqdn\":\"a.test\",\"base_url\":\"http://127.0.0.1:8080/\"", "http://127.0.0.1:8080", "acme|http://127.0.0.1:8080|a.test"},
        {"\"fqdn\":\"a.test\",\"base_url\":\"https://gw.test/a/b///\"", "https://gw.test/a/b", "acme|https://gw.test|a.test"},
        {"\"fqdn\":\"a.test\",\"source\":\"acme|https://old.test\"", "https://a.test/api", "acme|https://old.test"},
        {"\"fqdn\":\"a.test\",\"source\":\"\"", "https://a.test/api", "acme|https://a.test"},
    };
    for (size_t r = 0; r < ROWS(rows); r++) {
        SC_AUTO_FREE char *json =
            sc_printf("{\"integration_type\":\"acme\",\"settings\":{%s},\"credentials\":{\"api_token\":\"t\"}}", rows[r].settings);
        struct sc_integration *i = parse(json);
        CHECK_TEXT(rows[r].settings, i->base_url, rows[r].base_url);
        CHECK_TEXT(rows[r].settings, i->source, rows[r].source);
        sc_integration_unref(i);
    }
}

/* What moves the credential's key and what does not. */
static void test_integration_credential_key(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool same;
    } rows[] = {
        {WITH(""), true},
        {WITH(",\"name\":\"x\",\"enabled\":false,\"rate_limit\":{\"reserve_percent\":5},\"proxy\":\"\""), true},
        {"{\"integration_type\":\"acme\",\"credentials\":{\"fqdn\":\"a.acme.test\"},\"settings\":{\"api_token\":\"tok-123456\"}}", true},
        {"{\"integration_type\":\"acme\",\"settings\":{\"fqdn\":\"a.acme.test\",\"org\":\"x\"},\"credentials\":{\"api_token\":\"tok-"
         "123456\"}}",
         true},
        {"{\"integration_type\":\"acme\",\"settings\":{\"fqdn\":\"a.acme.test\"},\"credentials\":{\"api_token\":\"tok-123457\"}}", false},
        {"{\"integration_type\":\"acme\",\"settings\":{\"fqdn\":\"a.acme.test\"},\"credentials\":{\"api_token\":\"tok-123456\",\"client_"
         "id\":\"c\"}}",
         false},
        {"{\"integration_type\":\"acme\",\"settings\":{\"fqdn\":\"b.acme.test\"},\"credentials\":{\"api_token\":\"tok-123456\"}}", false},
        {"{\"integration_type\":\"acme\",\"settings\":{\"fqdn\":\"a.acme.test\",\"auth_url\":\"https://l.test\"},"
         "\"credentials\":{\"api_token\":\"tok-123456\"}}",
         false},
        {WITH(",\"tls\":{\"verify\":false}"), false},
        {WITH(",\"tls\":{\"ca_file\":\"/x\"}"), false},
        {WITH(",\"tls\":{\"cert_file\":\"/x\"}"), false},
        {WITH(",\"tls\":{\"cert_file\":\"\",\"key_file\":\"\"}"), true},
    };
    struct sc_integration *first = parse(rows[0].json);
    for (size_t r = 0; r < ROWS(rows); r++) {
        struct sc_integration *i = parse(rows[r].json);
        CHECK_INT(rows[r].json, strcmp(i->credential_key, first->credential_key) == 0, rows[r].same);
        CHECK_INT("only letters and digits", strspn(i->credential_key, "0123456789abcdef"), 32);
        sc_integration_unref(i);
    }
    sc_integration_unref(first);
}

static void test_integration_start(void **state)
{
    (void)state;
    struct sc_integration *i = parse(WITH(",\"data_types\":{\"events\":{\"start\":\"2026-11-22T11:15:00.1239+01:00\"}}"));
    CHECK_INT("in UTC, floored", i->types[0].start_ms, INT64_C(1795342500123));
    CHECK_INT("the lookback stays", i->types[0].lookback_s, 86400);
    CHECK_TRUE("of this data type alone", i->types[1].start_ms == SC_TIME_NONE);
    CHECK_TEXT("known", i->warnings, NULL);
    sc_integration_unref(i);
    i = parse(WITH(",\"data_types\":{\"assets\":{\"enabled\":true,\"start\":\"2026-11-22T10:15:00Z\"}}"));
    CHECK_INT("a document may have one too", i->types[1].start_ms, INT64_C(1795342500000));
    CHECK_TEXT("without a word", i->warnings, NULL);
    sc_integration_unref(i);
}

static void test_integration_warnings(void **state)
{
    (void)state;
    struct sc_integration *i = parse("{\"integration_type\":\"acme\",\"typo\":1,\"settings\":{\"fqdn\":\"a.test\",\"fqnd\":\"x\"},"
                                     "\"credentials\":{\"api_token\":\"t\",\"tokn\":\"never-shown\"},\"tls\":{\"verify\":false,\"mode\":1},"
                                     "\"rate_limit\":{\"burst\":2},\"data_types\":{\"events\":{\"poll_interval_minutes\":0.1,\"x\":1},"
                                     "\"assets\":{\"lookback_hours\":2}}}");
    CHECK_TEXT("all of them", i->warnings,
               "settings.fqnd is unknown and ignored\n"
               "credentials.tokn is unknown and ignored\n"
               "data_types.events.x is unknown and ignored\n"
               "data_types.assets.lookback_hours does not apply to this data type and is ignored\n"
               "data type events is polled more often than every 60 s, which this vendor may not like\n"
               "rate_limit.burst is unknown and ignored\n"
               "tls.mode is unknown and ignored\n"
               "tls.verify is false: anybody on the way can read the credential and change the data\n"
               "typo is unknown and ignored");
    sc_integration_unref(i);
    i = parse(WITH(",\"data_types\":{\"events\":false}"));
    CHECK_TEXT("nothing to do", i->warnings, "no data type is enabled: nothing will be polled");
    sc_integration_unref(i);
    struct sc_buf many = {0};
    sc_buf_add_str(&many, "{\"integration_type\":\"acme\",\"settings\":{\"fqdn\":\"a.test\"},\"credentials\":{\"api_token\":\"t\"}");
    for (int n = 0; n < 500; n++)
        sc_buf_addf(&many, ",\"m%d\\n\":%d", n, n);
    sc_buf_add_char(&many, '}');
    i = parse(many.ptr);
    int lines = 1;
    for (const char *c = i->warnings; *c; c++)
        lines += *c == '\n';
    CHECK_INT("they are bounded, and a name cannot begin a line", lines, 20);
    sc_integration_unref(i);
    sc_buf_done(&many);
}

static void test_integration_expand(void **state)
{
    (void)state;
    static const struct {
        const char *template_text, *want, *error;
    } rows[] = {
        {"SSWS {api_token}", "SSWS tok-123456", ""},
        {"", "", ""},
        {"{fqdn}{region}", "a.acme.testeu", ""},
        {"plain", "plain", ""},
        {"{org}", "", "org is not set: give it in settings or credentials"},
        {"x{unknown}y", "x", "unknown is not set: give it in settings or credentials"},
        {"x{", "x", " is not set: give it in settings or credentials"},
    };
    struct sc_integration *i = parse(WITH(""));
    for (size_t r = 0; r < ROWS(rows); r++) {
        struct sc_buf out = {0};
        struct sc_error err = SC_ERROR_INIT;
        CHECK_INT(rows[r].template_text, sc_integration_expand(i, rows[r].template_text, &out, &err), *rows[r].error ? -1 : 0);
        CHECK_TEXT(rows[r].template_text, sc_buf_str(&out).ptr, rows[r].want);
        CHECK_TEXT(rows[r].template_text, err.text, rows[r].error);
        sc_buf_done(&out);
    }
    sc_integration_unref(i);
}

static const char *redacted(const char *text)
{
    static char out[256];
    snprintf(out, sizeof out, "%s", text);
    out[sc_redact(out, strlen(out), sizeof out)] = '\0';
    return out;
}

static void test_integration_secrets(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_integration *a = parse(WITH(",\"proxy\":\"http://u:proxypass@p:1\""));
    struct sc_integration *b = parse(WITH(""));
    CHECK_TEXT("known", redacted("tok-123456 proxypass a.acme.test"), "[redacted] [redacted] a.acme.test");
    CHECK_TRUE("the same object", sc_integration_ref(a) == a);
    sc_integration_unref(a);
    CHECK_TEXT("still held", redacted("proxypass"), "[redacted]");
    sc_integration_unref(a);
    CHECK_TEXT("an answer may still quote it", redacted("proxypass"), "[redacted]");
    sc_redact_let_go();
    CHECK_TEXT("the other one's is still known", redacted("tok-123456 proxypass"), "[redacted] proxypass");
    sc_integration_unref(b);
    sc_redact_let_go();
    CHECK_TEXT("forgotten", redacted("tok-123456"), "tok-123456");
    CHECK_TRUE("a refused one", !sc_integration_parse("x", sc_str_of(WITH(",\"tls\":5")), 1, fixture_find, NULL, &err));
    sc_redact_let_go();
    CHECK_TEXT("is forgotten too", redacted("tok-123456"), "tok-123456");
    sc_integration_unref(NULL);
}

static void test_integration_no_memory(void **state)
{
    (void)state;
    const char *json =
        "{\"integration_type\":\"acme\",\"name\":\"A\",\"settings\":{\"fqdn\":\"a.test\",\"depth\":2,\"use_mirror\":false},"
        "\"credentials\":{\"api_token\":\"tok-123456\"},\"proxy\":\"http://u:proxypass@p:1\",\"tls\":{\"ca_file\":\"/c\"},\"odd\":1}";
    bool failed = true;
    for (long n = 1; failed; n++) {
        struct sc_error err = SC_ERROR_INIT;
        failalloc_arm(n);
        struct sc_integration *i = sc_integration_parse("acme-prod", sc_str_of(json), 1, fixture_find, NULL, &err);
        failed = failalloc_disarm();
        if (!i)
            CHECK_TRUE("a failed one says so", failed && *err.text);
        else
            CHECK_TEXT("a good one is complete", i->source, "acme|https://a.test");
        sc_integration_unref(i);
    }
    sc_redact_let_go();
    CHECK_TEXT("nothing is left known", redacted("tok-123456 proxypass"), "tok-123456 proxypass");
}

/* {"T":{"x":[]}} for "T." and "x"; the value fits no member. */
static void add_unfit(struct sc_buf *out, const struct sc_member *row)
{
    static const char types[] = "data_types.T.";
    const char *group = strcmp(row->group, types) == 0 ? "data_types\":{\"events" : strcmp(row->group, "rate_limit.") == 0 ? "rate_limit" : "tls";
    int depth = !*row->group ? 0 : strcmp(row->group, types) == 0 ? 2 : 1;
    if (depth)
        sc_buf_addf(out, ",\"%s\":{\"%s\":[]%s", group, row->name, depth == 2 ? "}}" : "}");
    else
        sc_buf_addf(out, ",\"%s\":[]", row->name);
}

/* What the table says is read: each member, with a value that fits none, is refused by its name. */
static void test_integration_members(void **state)
{
    static const char *const least[][2] = {
        {"integration_type", "\"acme\""}, {"settings", "{\"fqdn\":\"a.acme.test\"}"}, {"credentials", "{\"api_token\":\"tok-123456\"}"}};
    size_t rows = 0;
    (void)state;
    for (const struct sc_member *row = sc_integration_members(); row->name; row++, rows++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_buf text SC_AUTO_BUF = {0};
        sc_buf_add_str(&text, "{\"name\":\"x\"");
        if (strcmp(row->name, "name") == 0)
            text.len = 0, sc_buf_add_str(&text, "{\"enabled\":true");
        for (size_t i = 0; i < ROWS(least); i++)
            if (*row->group || strcmp(row->name, least[i][0]) != 0)
                sc_buf_addf(&text, ",\"%s\":%s", least[i][0], least[i][1]);
        add_unfit(&text, row);
        sc_buf_add_char(&text, '}');
        CHECK_TRUE(text.ptr, !sc_integration_parse("acme-prod", sc_buf_str(&text), 7, fixture_find, NULL, &err));
        CHECK_TRUE(err.text, strstr(err.text, row->name) != NULL);
        CHECK_TRUE("it is explained", *row->def && *row->help);
    }
    CHECK_TRUE("there are some", rows > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integration_least),    cmocka_unit_test(test_integration_full),
        cmocka_unit_test(test_integration_source),   cmocka_unit_test(test_integration_credential_key),
        cmocka_unit_test(test_integration_start),    cmocka_unit_test(test_integration_members),
        cmocka_unit_test(test_integration_warnings), cmocka_unit_test(test_integration_expand),
        cmocka_unit_test(test_integration_secrets),  cmocka_unit_test(test_integration_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
