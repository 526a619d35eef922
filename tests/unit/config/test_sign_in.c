/* Several ways to sign in, fields with two names, fields that stand for tls. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/redact.h"
#include "check.h"
#include "failalloc.h"

/* A token, else user and password as Basic where that is asked for, else a login. */
static const struct sc_oauth2 login = {
    .token_url = "/login",
    .client = SC_OAUTH2_CLIENT_NONE,
    .params = {{"username", "{username}"}, {"password", "{password}"}, {"realm", "{region}"}},
    .token_member = "key",
};
static const struct sc_auth by_login = {.kind = SC_AUTH_LOGIN, .header = "Authorization", .value = "Gate {token}", .oauth2 = &login};
static const struct sc_auth by_basic = {.kind = SC_AUTH_BASIC, .user = "username", .password = "password", .when = "basic_auth", .otherwise = &by_login};
static const struct sc_field settings[] = {
    {.name = "url", .title = "Address", .kind = SC_URL, .required = true},
    {.name = "basic_auth", .title = "Basic", .kind = SC_BOOL, .def = "false"},
    {.name = "region", .title = "Region", .def = "eu"},
    {.name = "verify_tls", .title = "Check certificates", .kind = SC_BOOL, .def = "true"},
    {.name = "ca_file", .title = "CA file"},
    {0},
};
static const struct sc_field credentials[] = {
    {.name = "auth_token", .title = "Token", .secret = true, .alias = "access_key"},
    {.name = "username", .title = "User", .secret = true},
    {.name = "password", .title = "Password", .secret = true, .alias = "secret_key"},
    {0},
};
static const struct sc_data_type data_types[] = {
    {.name = "events", .title = "Events", .noun = "events", .interval_s = 300, .recipe = 1, .records = "[]", .id = {"id"}}, {0}};
static const struct sc_connector gate = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof gate,
    .name = "gate",
    .title = "Gate",
    .category = "Tests",
    .base_url = "{url}",
    .auth = {.kind = SC_AUTH_HEADER, .header = "Authorization", .value = "Bearer {auth_token}", .when = "auth_token", .otherwise = &by_basic},
    .settings = settings,
    .credentials = credentials,
    .data_types = data_types,
};
/* One way alone, its fields not required by themselves. */
static const struct sc_connector plain = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof plain,
    .name = "plain",
    .title = "Plain",
    .category = "Tests",
    .base_url = "{url}",
    .auth = {.kind = SC_AUTH_BASIC, .user = "username", .password = "password"},
    .settings = settings,
    .credentials = credentials,
    .data_types = data_types,
};

static const struct sc_connector *find(void *arg, const char *type)
{
    (void)arg;
    return strcmp(type, "gate") == 0 ? &gate : &plain;
}

static struct sc_integration *parse(const char *type, const char *setting, const char *credential, const char *rest, struct sc_error *err)
{
    SC_AUTO_FREE char *json = sc_printf("{\"integration_type\":\"%s\",\"settings\":{\"url\":\"https://gate.test:8089\"%s%s},\"credentials\":{%s}%s}", type,
                                        *setting ? "," : "", setting, credential, rest);
    return sc_integration_parse("gate-1", sc_str_of(json), 1, find, NULL, err);
}

#define TOKEN "\"auth_token\":\"tok-123456\""
#define BOTH  "\"username\":\"svc\",\"password\":\"hunter2pass\""
#define WAYS  ": give auth_token, or username and password"

static void test_sign_in_ways(void **state)
{
    (void)state;
    static const struct {
        const char *type, *setting, *credential, *why;
        const struct sc_auth *want;
    } rows[] = {
        {"gate", "", TOKEN, "", &gate.auth},
        {"gate", "", BOTH, "", &by_login},
        {"gate", "\"basic_auth\":true", BOTH, "", &by_basic},
        {"gate", "\"basic_auth\":\"no\"", BOTH, "", &by_login},
        {"gate", "\"basic_auth\":true", TOKEN "," BOTH, "", &gate.auth},
        {"gate", "", "\"access_key\":\"tok-123456\"", "", &gate.auth},
        {"gate", "", "\"auth_token\":\"\"," BOTH, "", &by_login},
        {"gate", "", "\"auth_token\":null," BOTH, "", &by_login},
        {"gate", "\"auth_token\":\"tok-123456\"", "", "", &gate.auth},
        {"gate", "", "", "cannot sign in without username and password" WAYS, NULL},
        {"gate", "", "\"username\":\"svc\"", "cannot sign in without password" WAYS, NULL},
        {"gate", "", "\"password\":\"hunter2pass\"", "cannot sign in without username" WAYS, NULL},
        {"gate", "\"basic_auth\":true", "\"username\":\"svc\"", "cannot sign in without password" WAYS, NULL},
        {"gate", "\"region\":\"\"", BOTH, "", &by_login},
        {"plain", "", BOTH, "", &plain.auth},
        {"plain", "", TOKEN, "cannot sign in without username and password: give username and password", NULL},
        {"plain", "", "\"username\":\"a:b\",\"password\":\"hunter2pass\"",
         "credentials.username holds a ':', which HTTP Basic cannot carry in a user name: give another user", NULL},
        {"plain", "", "\"username\":\"svc\",\"password\":\"a:b:c\"", "", &plain.auth},
        {"gate", "", "\"username\":\"a:b\",\"password\":\"hunter2pass\"", "", &by_login},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_integration *got = parse(rows[i].type, rows[i].setting, rows[i].credential, "", &err);
        CHECK_TEXT(rows[i].credential, err.text, rows[i].why);
        CHECK_TRUE(rows[i].credential, !got == !rows[i].want && (!got || sc_auth_of(got) == rows[i].want));
        CHECK_INT("the pair is kept for Basic alone", got && got->basic, got && sc_auth_of(got)->kind == SC_AUTH_BASIC);
        sc_integration_unref(got);
    }
    sc_redact_let_go();
}

static void test_sign_in_described(void **state)
{
    (void)state;
    SC_AUTO_BUF struct sc_buf ways = {0}, one = {0};
    sc_auth_describe(&gate, &ways);
    sc_auth_describe(&plain, &one);
    CHECK_TEXT("each way once", ways.ptr, "auth_token, or username and password");
    CHECK_TEXT("one alone", one.ptr, "username and password");
}

static const char *redacted(const char *text)
{
    static char out[256];
    snprintf(out, sizeof out, "%s", text);
    out[sc_redact(out, strlen(out), sizeof out)] = '\0';
    return out;
}

/* "svc:hunter2pass" in base64: the password alone stands at another place of three bytes there. */
static void test_sign_in_redacted(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_integration *i = parse("plain", "", "\"username\":\"svc\",\"secret_key\":\"hunter2pass\"", "", &err);
    assert_non_null(i);
    CHECK_TEXT("pair", i->basic, "svc:hunter2pass");
    CHECK_TEXT("as a header", redacted("Basic c3ZjOmh1bnRlcjJwYXNz!"), "Basic [redacted]!");
    CHECK_TEXT("plain, under its alias", redacted("hunter2pass svc"), "[redacted] svc");
    CHECK_TEXT("in a URL", redacted("x=svc%3Ahunter2pass"), "x=[redacted]");
    sc_integration_unref(i);
    sc_redact_let_go();
    CHECK_TEXT("forgotten", redacted("Basic c3ZjOmh1bnRlcjJwYXNz hunter2pass"), "Basic c3ZjOmh1bnRlcjJwYXNz hunter2pass");
    i = parse("plain", "", "\"username\":\"a\",\"password\":\"pass\"", "", &err); /* too short for redaction by itself, together long enough */
    assert_non_null(i);
    CHECK_TEXT("short ones", redacted("Basic YTpwYXNz a pass"), "Basic [redacted] a pass");
    sc_integration_unref(i);
    sc_redact_let_go();
}

static void test_sign_in_alias(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *credential, *value, *why;
    } rows[] = {
        {"", "\"access_key\":\"one\"", "one", ""},
        {"\"access_key\":\"one\"", "", "one", ""},
        {"", "\"access_key\":\"one\",\"auth_token\":\"one\"", "one", ""},
        {"\"auth_token\":\"one\"", "\"access_key\":\"one\"", "one", ""},
        {"", "\"access_key\":\"one\",\"auth_token\":\"two\"", NULL, "credentials.auth_token and credentials.access_key differ: remove one of them"},
        {"\"access_key\":\"one\"", "\"auth_token\":\"two\"", NULL, "credentials.auth_token and settings.access_key differ: remove one of them"},
        {"", "\"access_key\":null,\"auth_token\":\"two\"", "two", ""},
        {"", "\"access_key\":\" x\"", NULL, "credentials.access_key has 2 characters and begins with white space: copy it without"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_integration *got = parse("gate", rows[i].setting, rows[i].credential, "", &err);
        CHECK_TEXT(rows[i].credential, err.text, rows[i].why);
        CHECK_TEXT(rows[i].credential, got ? sc_integration_value(got, "auth_token") : NULL, rows[i].value);
        CHECK_TRUE("nothing is unknown", !got || !got->warnings);
        sc_integration_unref(got);
    }
    bool credential = false;
    CHECK_TRUE("found by its alias", sc_integration_field(&gate, "access_key", &credential) == &credentials[0] && credential);
    CHECK_TRUE("found by its name", sc_integration_field(&gate, "auth_token", NULL) == &credentials[0]);
    sc_redact_let_go();
}

static void test_sign_in_key(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_integration *rows[] = {
        parse("gate", "", BOTH, "", &err),
        parse("gate", "\"basic_auth\":true", BOTH, "", &err),
        parse("gate", "\"basic_auth\":false", BOTH, "", &err),
        parse("gate", "", "\"username\":\"svc\",\"secret_key\":\"hunter2pass\"", "", &err),
    };
    CHECK_TRUE("a session says nothing of Basic", strcmp(rows[0]->credential_key, rows[1]->credential_key) != 0);
    CHECK_TEXT("the same way", rows[0]->credential_key, rows[2]->credential_key);
    CHECK_TEXT("by its alias", rows[0]->credential_key, rows[3]->credential_key);
    for (size_t i = 0; i < ROWS(rows); i++)
        sc_integration_unref(rows[i]);
    sc_redact_let_go();
}

static void test_sign_in_tls_fields(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *rest, *ca_file;
        bool verify;
        const char *warning;
    } rows[] = {
        {"", "", NULL, true, NULL},
        {"\"verify_tls\":false", "", NULL, false, "settings.verify_tls is false: anybody on the way can read the credential and change the data"},
        {"\"verify_tls\":false", ",\"tls\":{\"verify\":true}", NULL, true, NULL},
        {"\"verify_tls\":true", ",\"tls\":{\"verify\":false}", NULL, false, "tls.verify is false: anybody on the way can read the credential and change the data"},
        {"\"ca_file\":\"/a.pem\"", "", "/a.pem", true, NULL},
        {"\"ca_file\":\"/a.pem\"", ",\"tls\":{\"ca_file\":\"/b.pem\"}", "/b.pem", true, NULL},
        {"\"ca_file\":\"/a.pem\"", ",\"tls\":{\"ca_file\":\"\"}", NULL, true, NULL},
        {"\"ca_file\":\"/a.pem\"", ",\"tls\":{}", "/a.pem", true, NULL},
        {"\"ca_file\":\"\"", "", NULL, true, NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_integration *got = parse("gate", rows[i].setting, TOKEN, rows[i].rest, &err);
        assert_non_null(got);
        CHECK_TEXT(rows[i].setting, got->ca_file, rows[i].ca_file);
        CHECK_INT(rows[i].setting, got->tls_verify, rows[i].verify);
        CHECK_TEXT(rows[i].setting, got->warnings, rows[i].warning);
        CHECK_TEXT("its own address", got->base_url, "https://gate.test:8089");
        sc_integration_unref(got);
    }
    sc_redact_let_go();
}

static void test_sign_in_no_memory(void **state)
{
    (void)state;
    static const char *const given[] = {BOTH, "\"username\":\"svc\""};
    for (size_t i = 0; i < ROWS(given); i++) {
        bool failed = true;
        for (long n = 1; failed; n++) {
            struct sc_error err = SC_ERROR_INIT;
            SC_AUTO_FREE char *json = sc_printf("{\"integration_type\":\"plain\",\"settings\":{\"url\":\"https://g.test\",\"ca_file\":\"/a\"},\"credentials\":{%s},"
                                                "\"tls\":{\"ca_file\":\"/b\"}}", given[i]);
            failalloc_arm(n);
            struct sc_integration *got = sc_integration_parse("p", sc_str_of(json), 1, find, NULL, &err);
            failed = failalloc_disarm();
            if (!got)
                CHECK_TRUE("a failed one says so", *err.text);
            else
                CHECK_TEXT("a good one is complete", got->basic, "svc:hunter2pass");
            CHECK_TRUE("never half a pair", i == 0 || !got);
            sc_integration_unref(got);
        }
    }
    sc_redact_let_go();
    CHECK_TEXT("nothing is left known", redacted("hunter2pass c3ZjOmh1bnRlcjJwYXNz"), "hunter2pass c3ZjOmh1bnRlcjJwYXNz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign_in_ways), cmocka_unit_test(test_sign_in_described), cmocka_unit_test(test_sign_in_redacted),   cmocka_unit_test(test_sign_in_alias),
        cmocka_unit_test(test_sign_in_key),  cmocka_unit_test(test_sign_in_tls_fields), cmocka_unit_test(test_sign_in_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
