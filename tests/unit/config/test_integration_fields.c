/* What is refused, in the words that the operator reads. No word of a credential may stand in them. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

#define SECRET "S3cr3tValue"

static void check_refused(const char *json, const char *want)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_integration *got = sc_integration_parse("acme", sc_str_of(json), 1, fixture_find, NULL, &err);
    CHECK_TEXT(json, err.text, want);
    CHECK_INT(json, got != NULL, !*want);
    CHECK_INT(json, err.reason, *want ? SC_REASON_CONFIG_INVALID : SC_REASON_OK);
    CHECK_TRUE("no secret in the text", !strstr(err.text, SECRET));
    CHECK_TRUE("nor in a warning", !got || !got->warnings || !strstr(got->warnings, SECRET));
    sc_integration_unref(got);
}

static void test_fields_json(void **state)
{
    (void)state;
    static const struct {
        const char *json, *want;
    } rows[] = {
        {"", "the value is no valid JSON: line 1, column 0: '[' or '{' expected near end of file"},
        {"{", "the value is no valid JSON: line 1, column 1: string or '}' expected near end of file"},
        {"{\n\"credentials\":{\"api_token\":\"" SECRET "\n\"}}", "the value is no valid JSON: line 2, column 39: unexpected newline"},
        {"{\"credentials\":{\"api_token\":" SECRET "}}", "the value is no valid JSON: line 1, column 29: invalid token"},
        {"{\"a\":1,\"a\":2}", "the value is no valid JSON: line 1, column 10: duplicate object key near '\"a\"'"},
        {"{\"settings\":{\"fqdn\":\"a\\u0000b\"}}",
         "the value is no valid JSON: line 1, column 30: \\u0000 is not allowed without JSON_ALLOW_NUL"},
        {"{\"a\":99999999999999999999}", "the value is no valid JSON: line 1, column 25: too big integer"},
        {"{} x", "the value is no valid JSON: line 1, column 4: end of file expected"},
        {"[]", "the value must be one JSON object {…}"},
        {"{}", "integration_type is missing: give the name of a connector (`signal-client connectors list`)"},
        {"{\"integration_type\":7}", "integration_type is missing: give the name of a connector (`signal-client connectors list`)"},
        {"{\"integration_type\":\"oktaa\"}", "integration_type \"oktaa\" is unknown: `signal-client connectors list` shows the known ones"},
        {"{\"integration_type\":\"acme\",\"name\":5}", "name must be a text in quotes"},
        {"{\"integration_type\":\"acme\",\"enabled\":\"perhaps\"}", "enabled must be true or false"},
        {"{\"integration_type\":\"acme\",\"enabled\":2}", "enabled must be true or false"},
        {"{\"integration_type\":\"acme\",\"settings\":[]}", "settings must be an object {…}"},
        {"{\"integration_type\":\"acme\",\"credentials\":\"x\"}", "credentials must be an object {…}"},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        check_refused(rows[i].json, rows[i].want);
    struct sc_error err = SC_ERROR_INIT;
    char *large = calloc(1, 256 * 1024 + 2);
    memset(large, ' ', 256 * 1024 + 1);
    CHECK_TRUE("size", !sc_integration_parse("acme", sc_str_of(large), 1, fixture_find, NULL, &err));
    CHECK_TEXT("size", err.text, "the value has 262145 bytes: 256 KiB are the most");
    free(large);
    const char deep[] = "{\"integration_type\":\"acme\",\"settings\":{\"fqdn\":\"a.test\"},\"credentials\":{\"api_token\":\"t\"}}\0x";
    sc_error_clear(&err);
    CHECK_TRUE("a zero byte", !sc_integration_parse("acme", (struct sc_str){deep, sizeof deep - 1}, 1, fixture_find, NULL, &err));
}

static void test_fields_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool legal;
    } rows[] = {
        {"okta-prod", true}, {"a/b=c_d.e", true}, {"A9", true},  {"", false},    {".a", false},       {"a.", false},
        {"a..b", false},     {"a b", false},      {"a*", false}, {"a>b", false}, {"\xc3\xbc", false}, {"a\n", false},
    };
    const char *json = "{\"integration_type\":\"acme\",\"settings\":{\"fqdn\":\"a.test\"},\"credentials\":{\"api_token\":\"t\"}}";
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_integration *got = sc_integration_parse(rows[i].name, sc_str_of(json), 1, fixture_find, NULL, &err);
        CHECK_INT(rows[i].name, got != NULL, rows[i].legal);
        CHECK_INT(err.text, strstr(err.text, "cannot be a name: use letters, digits and - _ / = .") != NULL, !rows[i].legal);
        sc_integration_unref(got);
    }
}

/* One member of settings beside a good rest. */
static const struct {
    const char *settings, *want;
} settings_rows[] = {
    {"", "settings.fqdn is missing: give the Acme domain, such as x.acme.test"},
    {"\"fqdn\":null", "settings.fqdn is missing: give the Acme domain, such as x.acme.test"},
    {"\"base_url\":\"https://gateway.acme.test\"", ""}, /* takes the place of what fqdn makes */
    {"\"base_url\":\"\"", "settings.fqdn is missing: give the Acme domain, such as x.acme.test"},
    {"\"fqdn\":\"\"", "settings.fqdn is empty: give the Acme domain, such as x.acme.test"},
    {"\"fqdn\":\"https://a.acme.test/admin\"", "settings.fqdn is \"https://a.acme.test/admin\": give the host alone: a.acme.test"},
    {"\"fqdn\":\"https://a.acme.test:8443\"", ""},
    {"\"fqdn\":\"a.acme.test/\"", ""},
    {"\"fqdn\":\"https://\"", "settings.fqdn has no host: give a host name such as acme.example.com"},
    {"\"fqdn\":\"http://a.acme.test\"", "settings.fqdn is \"http://a.acme.test\": give the host alone: a.acme.test"},
    {"\"fqdn\":\"ftp://a.acme.test\"", "settings.fqdn is \"ftp://a.acme.test\": give the host alone: a.acme.test"},
    {"\"fqdn\":\"a.acme.test//\"", "settings.fqdn is \"a.acme.test//\": give the host alone: a.acme.test"},
    {"\"fqdn\":\"https://a.acme.test/?x=1\"", "settings.fqdn is \"https://a.acme.test/?x=1\": give the host alone: a.acme.test"},
    {"\"fqdn\":\"a.acme.test?x=1\"", "settings.fqdn is \"a.acme.test?x=1\": give the host alone: a.acme.test"},
    {"\"fqdn\":\" a.acme.test\\n\"", "settings.fqdn is \" a.acme.test\n\": give the host alone: a.acme.test"},
    {"\"fqdn\":\"http://[::1]:1/\"", "settings.fqdn is \"http://[::1]:1/\": give the host alone: [::1]:1"},
    {"\"fqdn\":\"https://u:" SECRET "@a.test\"", "settings.fqdn holds a user name or password: give the host alone"},
    {"\"fqdn\":\"a b\"", "settings.fqdn contains a blank or a control character: give a host name such as acme.example.com"},
    {"\"fqdn\":\"a..b\"", "settings.fqdn has a host name with an empty part: give a host name such as acme.example.com"},
    {"\"fqdn\":\"a.test:99999\"", "settings.fqdn has a port that is not from 1 to 65535: give a host name such as acme.example.com"},
    {"\"fqdn\":[\"a\"]", "settings.fqdn must be a text in quotes"},
    {"\"fqdn\":1.5", "settings.fqdn must be a text in quotes"},
    {"\"fqdn\":\"a.test\",\"depth\":10", "settings.depth must be a whole number from 1 to 9"},
    {"\"fqdn\":\"a.test\",\"depth\":\"1x\"", "settings.depth must be a whole number from 1 to 9"},
    {"\"fqdn\":\"a.test\",\"depth\":2.5", "settings.depth must be a text in quotes"},
    {"\"fqdn\":\"a.test\",\"offset\":\"x\"", "settings.offset must be a whole number"},
    {"\"fqdn\":\"a.test\",\"use_mirror\":\"x\"", "settings.use_mirror must be true or false"},
    {"\"fqdn\":\"a.test\",\"region\":\"asia\"", "settings.region must be one of: eu, us-gov"},
    {"\"fqdn\":\"a.test\",\"org\":\" x\"", "settings.org begins or ends with white space or holds a line end: copy it without"},
    {"\"fqdn\":\"a.test\",\"org\":\"x\\ny\"", "settings.org begins or ends with white space or holds a line end: copy it without"},
    {"\"fqdn\":\"a.test\",\"page_size\":0", "settings.page_size must be a whole number from 1 to 1000000"},
    {"\"fqdn\":\"a.test\",\"api_token\":\"other\"", "settings.api_token and credentials.api_token differ: remove one of them"},
    {"\"fqdn\":\"a.test\",\"api_token\":\"" SECRET "\"", ""},
    {"\"fqdn\":\"a.test\",\"mirror_url\":\"m.test\"",
     "settings.mirror_url has no scheme: give https://host, where needed with :port and /path"},
    {"\"fqdn\":\"a.test\",\"mirror_url\":\"ftp://m.test\"",
     "settings.mirror_url has a scheme other than http and https: give https://host, where needed with :port and /path"},
    {"\"fqdn\":\"a.test\",\"mirror_url\":\"http://m.test\"",
     "settings.mirror_url is plain http to another machine: use https://, or set \"allow_insecure_http\": true"},
    {"\"fqdn\":\"a.test\",\"mirror_url\":\"http://m.test\",\"allow_insecure_http\":true", ""},
    {"\"fqdn\":\"a.test\",\"mirror_url\":\"https://m.test/#x\"",
     "settings.mirror_url has a query or fragment: give https://host, where needed with :port and /path"},
    {"\"fqdn\":\"a.test\",\"base_url\":\"http://127.0.0.1:80\"", ""},
    {"\"fqdn\":\"a.test\",\"base_url\":\"http://localhost:80/x\"", ""},
    {"\"fqdn\":\"a.test\",\"base_url\":\"http://127.0.0.1.evil.test\"",
     "settings.base_url is plain http to another machine: use https://, or set \"allow_insecure_http\": true"},
    {"\"fqdn\":\"a.test\",\"base_url\":\"https://u:" SECRET "@a.test\"",
     "settings.base_url holds a user name or password (they belong into credentials): give https://host, where needed with :port and "
     "/path"},
    {"\"fqdn\":\"a.test\",\"base_url\":\"https://a.test/?x=1\"",
     "settings.base_url has a query or fragment: give https://host, where needed with :port and /path"},
    {"\"fqdn\":\"a.test\",\"auth_url\":\"http://a.test\"",
     "settings.auth_url is plain http to another machine: use https://, or set \"allow_insecure_http\": true"},
    {"\"fqdn\":\"a.test\",\"base_url\":\"https:///x\"",
     "settings.base_url has no host: give https://host, where needed with :port and /path"},
    {"\"fqdn\":\"a.test\",\"allow_insecure_http\":\"x\"", "settings.allow_insecure_http must be true or false"},
};

static void test_fields_settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(settings_rows); i++) {
        SC_AUTO_FREE char *json = sc_printf(
            "{\"integration_type\":\"acme\",\"settings\":{%s},\"credentials\":{\"api_token\":\"" SECRET "\"}}", settings_rows[i].settings);
        check_refused(json, settings_rows[i].want);
    }
}

static void test_fields_credentials(void **state)
{
    (void)state;
    static const struct {
        const char *credentials, *want;
    } rows[] = {
        {"", "credentials.api_token is missing: give the API token"},
        {"\"api_token\":\"\"", "credentials.api_token is empty: give the API token"},
        {"\"api_token\":{}", "credentials.api_token must be a text in quotes"},
        {"\"api_token\":\"" SECRET "\\n\"", "credentials.api_token has 12 characters and ends in a line end: copy it without"},
        {"\"api_token\":\"" SECRET "\\r\\n\"", "credentials.api_token has 13 characters and ends in a line end: copy it without"},
        {"\"api_token\":\"" SECRET " \"", "credentials.api_token has 12 characters and ends in white space: copy it without"},
        {"\"api_token\":\"\\t" SECRET "\"", "credentials.api_token has 12 characters and begins with white space: copy it without"},
        {"\"api_token\":\"\\\"" SECRET "\\\"\"", "credentials.api_token has 13 characters and ends in a quote: copy it without"},
        {"\"api_token\":\"'" SECRET "\"", "credentials.api_token has 12 characters and begins with a quote: copy it without"},
        {"\"api_token\":\"\\u00fc" SECRET " \"", "credentials.api_token has 13 characters and ends in white space: copy it without"},
        {"\"api_token\":\"" SECRET "\\n" SECRET "\"",
         "credentials.api_token has a line end or control character in the middle: copy it again"},
        {"\"api_token\":\"$CHANNEL_TOKEN\"",
         "credentials.api_token is the name of a variable, not a value: substitution did not happen where it was written"},
        {"\"api_token\":\"${token}\"",
         "credentials.api_token is the name of a variable, not a value: substitution did not happen where it was written"},
        {"\"api_token\":\"{$CHANNEL_TOKEN}\"",
         "credentials.api_token is the name of a variable, not a value: substitution did not happen where it was written"},
        {"\"api_token\":\"%TOKEN%\"",
         "credentials.api_token is the name of a variable, not a value: substitution did not happen where it was written"},
        {"\"api_token\":\"$ecret-Password\"", ""},
        {"\"api_token\":\"$ecretpassword\"", ""},
        {"\"api_token\":\"100%\"", ""},
        {"\"api_token\":\"sealed:v1:k1:AAAA\"",
         "credentials.api_token is not a whole sealed value (sealed:v1:, key id, text): copy it again from its first to its last character, or put the "
         "secret again"},
        {"\"api_token\":\"sealed:very-secret\"", ""},
        {"\"api_token\":\"x\",\"client_id\":\" c\"", "credentials.client_id has 2 characters and begins with white space: copy it without"},
        {"\"api_token\":\"x\",\"private_key\":\"-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n\"", ""},
        {"\"api_token\":\"x\",\"private_key\":\"{\\n \\\"private_key\\\": 1\\n}\\n\"", ""},
        {"\"api_token\":123456", ""},
        {"\"api_token\":\"x\",\"fqdn\":\"https://a.test\"", "settings.fqdn and credentials.fqdn differ: remove one of them"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        SC_AUTO_FREE char *json =
            sc_printf("{\"integration_type\":\"acme\",\"settings\":{\"fqdn\":\"a.test\"},\"credentials\":{%s}}", rows[i].credentials);
        check_refused(json, rows[i].want);
    }
}

static void test_fields_rest(void **state)
{
    (void)state;
    static const struct {
        const char *members, *want;
    } rows[] = {
        {"\"poll_interval_minutes\":0.009", "poll_interval_minutes must be a number from 0.01 to 10080 (600 ms to 7 days)"},
        {"\"poll_interval_minutes\":0.01", ""},
        {"\"poll_interval_minutes\":10080", ""},
        {"\"poll_interval_minutes\":10081", "poll_interval_minutes must be a number from 0.01 to 10080 (600 ms to 7 days)"},
        {"\"poll_interval_minutes\":-5", "poll_interval_minutes must be a number from 0.01 to 10080 (600 ms to 7 days)"},
        {"\"poll_interval_minutes\":\"five\"", "poll_interval_minutes must be a number from 0.01 to 10080 (600 ms to 7 days)"},
        {"\"poll_interval_minutes\":\"1e3\"", "poll_interval_minutes must be a number from 0.01 to 10080 (600 ms to 7 days)"},
        {"\"poll_interval_minutes\":\"0x10\"", "poll_interval_minutes must be a number from 0.01 to 10080 (600 ms to 7 days)"},
        {"\"poll_interval_minutes\":1e300", "poll_interval_minutes must be a number from 0.01 to 10080 (600 ms to 7 days)"},
        {"\"poll_interval_minutes\":true", "poll_interval_minutes must be a number from 0.01 to 10080 (600 ms to 7 days)"},
        {"\"data_types\":{\"events\":{\"poll_interval_minutes\":0}}",
         "data_types.events.poll_interval_minutes must be a number from 0.01 to 10080 (600 ms to 7 days)"},
        {"\"data_types\":{\"events\":{\"lookback_hours\":-1}}",
         "data_types.events.lookback_hours must be a number from 0 to 87600 (10 years)"},
        {"\"data_types\":{\"events\":{\"lookback_hours\":87601}}",
         "data_types.events.lookback_hours must be a number from 0 to 87600 (10 years)"},
        {"\"data_types\":{\"events\":{\"lookback_hours\":0}}", ""},
        {"\"data_types\":{\"events\":{\"start\":\"2026-11-22T10:15:00Z\"},\"assets\":{\"start\":\"2026-11-22\"}}", ""},
        {"\"data_types\":{\"events\":{\"start\":null}}", ""},
        {"\"data_types\":{\"events\":{\"start\":\"yesterday\"}}",
         "data_types.events.start must be a time such as \"2026-11-22T10:15:00Z\""},
        {"\"data_types\":{\"events\":{\"start\":\"\"}}", "data_types.events.start must be a time such as \"2026-11-22T10:15:00Z\""},
        {"\"data_types\":{\"events\":{\"start\":1763806500}}",
         "data_types.events.start must be a time such as \"2026-11-22T10:15:00Z\""},
        {"\"data_types\":{\"assets\":{\"start\":\"9999-12-31T23:59:59Z\"}}",
         "data_types.assets.start lies more than a day in the future: what comes before it would never be read"},
        {"\"data_types\":{\"events\":{\"enabled\":5}}", "data_types.events.enabled must be true or false"},
        {"\"data_types\":{\"events\":\"on\"}", "data_types.events must be an object {…}, true or false"},
        {"\"data_types\":{\"event\":{}}", "data_types.event is unknown; Acme has: events, assets"},
        {"\"data_types\":[]", "data_types must be an object {…}"},
        {"\"data_types\":{\"events\":null}", ""},
        {"\"rate_limit\":{\"requests\":0,\"per_seconds\":1}", "rate_limit.requests must be a whole number from 1 to 1000000000"},
        {"\"rate_limit\":{\"requests\":5}", "rate_limit.requests and rate_limit.per_seconds belong together: give both"},
        {"\"rate_limit\":{\"requests\":5,\"per_seconds\":1.5}", "rate_limit.per_seconds must be a whole number from 1 to 2678400"},
        {"\"rate_limit\":{\"reserve_percent\":91}", "rate_limit.reserve_percent must be a whole number from 0 to 90"},
        {"\"rate_limit\":{\"reserve_percent\":90.0}", ""},
        {"\"rate_limit\":5", "rate_limit must be an object {…}"},
        {"\"tls\":{\"verify\":\"sometimes\"}", "tls.verify must be true or false"},
        {"\"tls\":{\"ca_file\":1}", "tls.ca_file must be a text in quotes"},
        {"\"tls\":{\"cert_file\":1}", "tls.cert_file must be a text in quotes"},
        {"\"tls\":{\"key_file\":\"/k\"}", "tls.key_file without tls.cert_file: a key is of no use without its certificate"},
        {"\"tls\":{\"cert_file\":\"-----BEGIN CERTIFICATE-----\"}", "tls.cert_file must be the path of a PEM file, not what is in it"},
        {"\"tls\":{\"cert_file\":\"/c\",\"key_file\":\"-----BEGIN PRIVATE KEY-----\"}", "tls.key_file must be the path of a PEM file, not what is in it"},
        {"\"tls\":true", "tls must be an object {…}"},
        {"\"proxy\":\"http://u:" SECRET "@p:x\"",
         "proxy is not usable: give http://host:port, with user:password@ before the host where needed, or \"\" for none"},
        {"\"proxy\":7", "proxy must be a text in quotes"},
        {"\"proxy\":\"\"", ""},
        {"\"proxy\":null", ""},
        {"\"allow_insecure_http\":1", "allow_insecure_http must be true or false"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        SC_AUTO_FREE char *json = sc_printf("{\"integration_type\":\"acme\",\"settings\":{\"fqdn\":\"a.test\"},"
                                            "\"credentials\":{\"api_token\":\"" SECRET "\"},%s}",
                                            rows[i].members);
        check_refused(json, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_json),        cmocka_unit_test(test_fields_names), cmocka_unit_test(test_fields_settings),
        cmocka_unit_test(test_fields_credentials), cmocka_unit_test(test_fields_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
