/* Token requests to the byte, and what replies mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/oauth2.h"
#include "base/redact.h"
#include "check.h"
#include "failalloc.h"

#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

struct values {
    const char *base_url, *auth_url, *client_id, *client_secret, *tenant, *scope;
};

static const char *lookup(void *arg, const char *name)
{
    const struct values *v = arg;
    const char *names[] = {"base_url", "auth_url", "client_id", "client_secret", "tenant", "scope"};
    const char *texts[] = {v->base_url, v->auth_url, v->client_id, v->client_secret, v->tenant, v->scope};
    for (unsigned i = 0; i < COUNT(names); i++) {
        if (strcmp(names[i], name) == 0)
            return texts[i];
    }
    return NULL;
}

static const struct sc_oauth2 falcon = {
    .token_url = "/oauth2/token",
    .client_id = "client_id",
    .client_secret = "client_secret",
    .lifetime_s = 1799,
};

static const struct sc_oauth2 entra = {
    .token_url = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
    .client_id = "client_id",
    .client_secret = "client_secret",
    .params = {{"grant_type", "client_credentials"}, {"scope", "{scope}"}},
};

static const struct sc_oauth2 basic = {
    .token_url = "https://id.example.com/token",
    .client = SC_OAUTH2_CLIENT_BASIC,
    .client_id = "client_id",
    .client_secret = "client_secret",
    .params = {{"grant_type", "client_credentials"}},
};

static const struct sc_oauth2 json = {
    .token_url = "/oauth/token",
    .body = SC_OAUTH2_JSON,
    .client_id = "client_id",
    .client_secret = "client_secret",
    .params = {{"grant_type", "client_credentials"}, {"audience", "{base_url}/"}, {"scope", "{scope}"}},
};

static const struct sc_oauth2 login = {
    .token_url = "/services/auth/login",
    .client = SC_OAUTH2_CLIENT_NONE,
    .params = {{"username", "{client_id}"}, {"password", "{client_secret}"}, {"output_mode", "json"}},
    .lifetime_s = 600,
    .token_member = "sessionKey",
};

static void test_oauth2_compose(void **state)
{
    static const struct {
        const struct sc_oauth2 *table;
        struct values values;
        const char *url, *type, *authorization, *body, *why;
    } rows[] = {
        {&falcon, {"https://api.example.com", NULL, "id", "s3cret", NULL, NULL}, "https://api.example.com/oauth2/token",
         "Content-Type: application/x-www-form-urlencoded", NULL, "client_id=id&client_secret=s3cret", "below the base URL"},
        {&falcon, {"https://api.example.com/", NULL, "a b", "&=+%\xC3\xA9", NULL, NULL}, "https://api.example.com/oauth2/token",
         "Content-Type: application/x-www-form-urlencoded", NULL, "client_id=a%20b&client_secret=%26%3D%2B%25%C3%A9", "encoded; one slash"},
        {&falcon, {"https://api.example.com", "https://auth.example.com:8443", "id", "s", NULL, NULL}, "https://auth.example.com:8443/oauth2/token",
         "Content-Type: application/x-www-form-urlencoded", NULL, "client_id=id&client_secret=s", "auth_url elsewhere"},
        {&falcon, {"https://api.example.com", "http://127.0.0.1:9/oauth2/token", "id", "s", NULL, NULL}, "http://127.0.0.1:9/oauth2/token",
         "Content-Type: application/x-www-form-urlencoded", NULL, "client_id=id&client_secret=s", "auth_url names the endpoint"},
        {&falcon, {"https://api.example.com", "", "id", "s", NULL, NULL}, "https://api.example.com/oauth2/token",
         "Content-Type: application/x-www-form-urlencoded", NULL, "client_id=id&client_secret=s", "an empty auth_url is none"},
        {&entra, {"https://graph.example.com", NULL, "id", "s", "t-1", "https://graph.example.com/.default"},
         "https://login.microsoftonline.com/t-1/oauth2/v2.0/token", "Content-Type: application/x-www-form-urlencoded", NULL,
         "grant_type=client_credentials&scope=https%3A%2F%2Fgraph.example.com%2F.default&client_id=id&client_secret=s", "absolute, scope"},
        {&entra, {"https://graph.example.com", "http://127.0.0.1:81/", "id", "s", "t-1", ""}, "http://127.0.0.1:81/t-1/oauth2/v2.0/token",
         "Content-Type: application/x-www-form-urlencoded", NULL, "grant_type=client_credentials&client_id=id&client_secret=s",
         "auth_url instead of the host; no empty scope"},
        {&basic, {"https://api.example.com", NULL, "a:b", "p w", NULL, NULL}, "https://id.example.com/token",
         "Content-Type: application/x-www-form-urlencoded", "Authorization: Basic YSUzQWI6cCUyMHc=", "grant_type=client_credentials", "basic"},
        {&json, {"https://acme.example.com", NULL, "id", "q\"\\", NULL, ""}, "https://acme.example.com/oauth/token", "Content-Type: application/json", NULL,
         "{\"grant_type\":\"client_credentials\",\"audience\":\"https://acme.example.com/\",\"client_id\":\"id\",\"client_secret\":\"q\\\"\\\\\"}", "JSON"},
        {&login, {"https://gate.test:8089", NULL, "svc", "p&w", NULL, NULL}, "https://gate.test:8089/services/auth/login",
         "Content-Type: application/x-www-form-urlencoded", NULL, "username=svc&password=p%26w&output_mode=json", "a login, no client"},
    };
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct sc_oauth2_request request;
        struct sc_error err = SC_ERROR_INIT;
        struct values values = rows[i].values;
        CHECK_INT(rows[i].why, sc_oauth2_compose(rows[i].table, (struct sc_oauth2_values){lookup, &values}, &request, &err), 0);
        CHECK_TEXT(rows[i].why, request.url, rows[i].url);
        CHECK_TEXT(rows[i].why, request.headers[0], rows[i].type);
        CHECK_TEXT(rows[i].why, request.headers[1], "Accept: application/json");
        CHECK_TEXT(rows[i].why, request.headers[2] ? request.headers[2] : "none", rows[i].authorization ? rows[i].authorization : "none");
        CHECK_TEXT(rows[i].why, request.body.ptr, rows[i].body);
        sc_oauth2_request_done(&request);
    }
}

static void test_oauth2_compose_missing(void **state)
{
    struct values no_secret = {"https://a.example", NULL, "id", NULL, NULL, NULL}, no_tenant = {"https://a.example", NULL, "id", "s", NULL, ""};
    struct sc_oauth2_request request;
    struct sc_error err = SC_ERROR_INIT;
    (void)state;
    CHECK_INT("no secret", sc_oauth2_compose(&falcon, (struct sc_oauth2_values){lookup, &no_secret}, &request, &err), -1);
    CHECK_TEXT("no secret", err.text, "client_secret is not set: give it in credentials");
    sc_error_clear(&err);
    CHECK_INT("no tenant", sc_oauth2_compose(&entra, (struct sc_oauth2_values){lookup, &no_tenant}, &request, &err), -1);
    CHECK_TEXT("no tenant", err.text, "tenant is not set: give it in settings or credentials");
    CHECK_INT("no tenant", err.reason, SC_REASON_CONFIG_INVALID);
}

static const struct sc_oauth2_error errors[] = {
    {403, NULL, SC_REASON_OAUTH_INVALID_CLIENT, "another cloud?"},
    {-1, "AADSTS65001", SC_REASON_CONSENT_MISSING, NULL},
    {0},
};

static void test_oauth2_read(void **state)
{
    static const struct {
        int status;
        const char *body, *token, *detail;
        enum sc_reason reason;
        int64_t lifetime_ms;
    } rows[] = {
        {200, "{\"access_token\":\"abc\",\"token_type\":\"bearer\",\"expires_in\":1799}", "abc", "", SC_REASON_OK, 1799000},
        {201, "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":\"60\"}", "abc", "", SC_REASON_OK, 60000},
        {200, "{\"access_token\":\"abc\"}", "abc", "", SC_REASON_OK, 600000},
        {200, "{\"access_token\":\"abc\",\"expires_in\":0}", "abc", "", SC_REASON_OK, 600000},
        {200, "{\"access_token\":\"abc\",\"expires_in\":-5}", "abc", "", SC_REASON_OK, 600000},
        {200, "{\"access_token\":\"abc\",\"expires_in\":5.9}", "abc", "", SC_REASON_OK, 5000},
        {200, "{\"access_token\":\"abc\",\"expires_in\":9223372036854775807}", "abc", "", SC_REASON_OK, 31622400000},
        {200, "{\"access_token\":\"abc\",\"expires_in\":null}", "abc", "", SC_REASON_OK, 600000},
        {200, "{\"access_token\":12}", NULL, "the reply holds no usable access_token (it is no text)", SC_REASON_BAD_RESPONSE, 0},
        {200, "{\"access_token\":\"\"}", NULL, "the reply holds no usable access_token (it is empty)", SC_REASON_BAD_RESPONSE, 0},
        {200, "{\"token\":\"x\"}", NULL, "the reply holds no usable access_token (it is missing)", SC_REASON_BAD_RESPONSE, 0},
        {200, "{\"access_token\":\"a\\r\\nX: y\"}", NULL, "the reply holds no usable access_token (it is over 16 KiB, or holds blanks or unprintable bytes)",
         SC_REASON_BAD_RESPONSE, 0},
        {200, "{\"access_token\":\"abc\",\"token_type\":\"mac\"}", NULL, "the token is of type \"mac\", not a bearer token", SC_REASON_BAD_RESPONSE, 0},
        {200, "[]", NULL, "the reply is not a JSON object", SC_REASON_BAD_RESPONSE, 0},
        {200, "", NULL, "the reply is not a JSON object", SC_REASON_BAD_RESPONSE, 0},
        {200, " \n<html>", NULL, "a web page came instead of a token", SC_REASON_BAD_RESPONSE, 0},
        {200, "{\"error\":\"invalid_client\"}", NULL, "invalid_client", SC_REASON_OAUTH_INVALID_CLIENT, 0},
        {401, "{\"error\":\"invalid_client\",\"error_description\":\"no such client\"}", NULL, "invalid_client: no such client", SC_REASON_OAUTH_INVALID_CLIENT, 0},
        {400, "{\"error\":\"invalid_grant\"}", NULL, "invalid_grant", SC_REASON_OAUTH_INVALID_GRANT, 0},
        {400, "{\"error\":\"unauthorized_client\"}", NULL, "unauthorized_client", SC_REASON_CONSENT_MISSING, 0},
        {400, "{\"error\":\"invalid_scope\"}", NULL, "invalid_scope", SC_REASON_CONSENT_MISSING, 0},
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS65001: no consent\"}", NULL, "invalid_grant: AADSTS65001: no consent",
         SC_REASON_CONSENT_MISSING, 0},
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS650011: another\"}", NULL, "invalid_grant: AADSTS650011: another",
         SC_REASON_OAUTH_INVALID_GRANT, 0},
        {400, "", NULL, "", SC_REASON_OAUTH_INVALID_CLIENT, 0},
        {403, "{\"errors\":[{\"code\":403,\"message\":\"access denied,\\u0007 authorization failed\"}]}", NULL, "access denied,  authorization failed",
         SC_REASON_OAUTH_INVALID_CLIENT, 0},
        {403, "<html>blocked</html>", NULL, "a web page came instead of a token", SC_REASON_BAD_RESPONSE, 0},
        {404, "", NULL, "", SC_REASON_NOT_FOUND, 0},
        {429, "<html>", NULL, "", SC_REASON_RATE_LIMITED, 0},
        {503, "<html>", NULL, "", SC_REASON_VENDOR_ERROR, 0},
        {302, "", NULL, "", SC_REASON_BAD_RESPONSE, 0},
    };
    struct sc_oauth2 table = {.lifetime_s = 600, .errors = errors};
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct sc_oauth2_reply reply;
        sc_oauth2_read(&table, rows[i].status, sc_str_of(rows[i].body), false, &reply);
        CHECK_INT(rows[i].body, reply.reason, rows[i].reason);
        CHECK_TEXT(rows[i].body, reply.token ? reply.token : "none", rows[i].token ? rows[i].token : "none");
        CHECK_TEXT(rows[i].body, reply.detail, rows[i].detail);
        CHECK_INT(rows[i].body, reply.lifetime_ms, rows[i].lifetime_ms);
        CHECK_TEXT(rows[i].body, reply.advice, rows[i].status == 403 && rows[i].body[0] == '{' ? "another cloud?" : "");
        sc_secret_free(reply.token);
    }
    struct sc_oauth2_reply reply;
    sc_oauth2_read(&table, 200, sc_str_of("{\"access_token\":\"abc\"}"), true, &reply);
    CHECK_INT("cut", reply.reason, SC_REASON_BAD_RESPONSE);
    CHECK_TRUE("cut", !reply.token);
}

static void test_oauth2_read_login(void **state)
{
    static const struct {
        int status;
        const char *body, *token, *detail;
        enum sc_reason reason;
    } rows[] = {
        {200, "{\"sessionKey\":\"00aa11bb\",\"message\":\"\",\"code\":\"\"}", "00aa11bb", "", SC_REASON_OK},
        {200, "{\"sessionKey\":\"k\",\"token_type\":\"mac\"}", "k", "", SC_REASON_OK},
        {200, "{\"access_token\":\"k\"}", NULL, "the reply holds no usable sessionKey (it is missing)", SC_REASON_BAD_RESPONSE},
        {200, "<response><sessionKey>k</sessionKey></response>", NULL, "a web page came instead of a session", SC_REASON_BAD_RESPONSE},
        {200, "{\"error\":\"no\"}", NULL, "no", SC_REASON_BAD_RESPONSE},
        {401, "{\"messages\":[{\"type\":\"WARN\",\"text\":\"Login failed\"}]}", NULL, "Login failed", SC_REASON_AUTH_INVALID},
        {401, "{\"messages\":[]}", NULL, "", SC_REASON_AUTH_INVALID},
        {401, "{\"messages\":{\"text\":7},\"message\":\"m\"}", NULL, "m", SC_REASON_AUTH_INVALID},
        {401, "", NULL, "", SC_REASON_AUTH_INVALID},
        {400, "{\"messages\":[{\"text\":\"missing username\"}]}", NULL, "missing username", SC_REASON_AUTH_INVALID},
        {403, "", NULL, "", SC_REASON_AUTH_INVALID},
        {423, "", NULL, "", SC_REASON_ACCOUNT_SUSPENDED},
        {404, "", NULL, "", SC_REASON_NOT_FOUND},
        {429, "", NULL, "", SC_REASON_RATE_LIMITED},
        {503, "", NULL, "", SC_REASON_VENDOR_ERROR},
    };
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct sc_oauth2_reply reply;
        sc_oauth2_read(&login, rows[i].status, sc_str_of(rows[i].body), false, &reply);
        CHECK_INT(rows[i].body, reply.reason, rows[i].reason);
        CHECK_TEXT(rows[i].body, reply.token ? reply.token : "none", rows[i].token ? rows[i].token : "none");
        CHECK_TEXT(rows[i].body, reply.detail, rows[i].detail);
        CHECK_INT(rows[i].body, reply.lifetime_ms, rows[i].token ? 600000 : 0);
        sc_secret_free(reply.token);
    }
    CHECK_TEXT("for people", sc_oauth2_call(&login), "login");
    CHECK_TEXT("for people", sc_oauth2_call(&falcon), "token request");
}

/* With the nth allocation failing: an error or the right answer, nothing half, nothing leaked (ASan). */
static void test_oauth2_out_of_memory(void **state)
{
    struct values values = {"https://a.example", NULL, "id", "s", NULL, "x"};
    bool failed = true;
    (void)state;
    for (long n = 1; failed; n++) {
        struct sc_oauth2_request request;
        struct sc_error err = SC_ERROR_INIT;
        failalloc_arm(n);
        int rc = sc_oauth2_compose(&json, (struct sc_oauth2_values){lookup, &values}, &request, &err);
        failed = failalloc_disarm();
        if (rc == 0) {
            CHECK_TEXT("whole", request.body.ptr,
                       "{\"grant_type\":\"client_credentials\",\"audience\":\"https://a.example/\",\"scope\":\"x\",\"client_id\":\"id\","
                       "\"client_secret\":\"s\"}");
            sc_oauth2_request_done(&request);
        } else {
            CHECK_TRUE("an allocation failed", failed);
            CHECK_INT("says so", err.reason, SC_REASON_MEMORY_LIMIT);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oauth2_compose),
        cmocka_unit_test(test_oauth2_compose_missing),
        cmocka_unit_test(test_oauth2_read),
        cmocka_unit_test(test_oauth2_read_login),
        cmocka_unit_test(test_oauth2_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
