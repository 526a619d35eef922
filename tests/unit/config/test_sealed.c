/* Sealed values where an integration is read: opened, or refused in words that say which key is missing and never what is sealed. */
#include "fixture.h"

#include "base/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"

#define KEY_1 "354e57c6051f6cfc"
#define KEY_2 "6617e63698d0e090"
#define TEXT_1 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define TEXT_2 "/v/pkoZlcxxtao+UZzCDCP7/6ZKGZXMcbWqPlGcwgwg=\n"
#define SECRET "tok-123456"

static struct sc_seal_keys keys;
static const char *file_1, *file_2, *file_bad;

static int prepare(void **state)
{
    struct sc_error err = SC_ERROR_INIT;
    (void)state;
    file_1 = fixture_file("key-1", TEXT_1);
    file_2 = fixture_file("key-2", TEXT_2);
    file_bad = fixture_file("key-bad", "AAECAwQF\n");
    keys.count = 2;
    return chmod(file_1, 0600) || chmod(file_2, 0600) || chmod(file_bad, 0600) || sc_seal_file_read(file_1, &keys.at[0], &err) ||
           sc_seal_file_read(file_2, &keys.at[1], &err);
}

static int forget(void **state)
{
    (void)state;
    sc_integration_seal_files((struct sc_seal_files){NULL, NULL});
    fixture_done();
    return 0;
}

/* Sealed with key 1 or 2 for a place. */
static char *seal(unsigned key, const char *integration, const char *field, const char *plain)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_buf out = {0};
    assert_int_equal(sc_seal(&keys.at[key - 1], integration, field, sc_str_of(plain), &out, &err), 0);
    return sc_buf_take(&out);
}

static struct sc_integration *parse(struct sc_error *err, const char *fmt, const char *sealed)
{
    struct sc_buf json SC_AUTO_BUF = {0};
    const char *hole = strchr(fmt, '@');
    sc_buf_add_str(&json, "{\"integration_type\":\"acme\",");
    sc_buf_add(&json, fmt, (size_t)(hole - fmt));
    sc_buf_add_str(&json, sealed);
    sc_buf_add_str(&json, hole + 1);
    sc_buf_add_char(&json, '}');
    return sc_integration_parse("acme-prod", sc_buf_str(&json), 7, fixture_find, NULL, err);
}

#define TOKEN_AT "\"settings\":{\"fqdn\":\"a.acme.test\"},\"credentials\":{\"api_token\":\"@\"}"

static const char *redacted(const char *text)
{
    static char out[256];
    snprintf(out, sizeof out, "%s", text);
    out[sc_redact(out, strlen(out), sizeof out)] = '\0';
    return out;
}

/* Sealed or not, sealed with this key or that: the same credential, so nothing that polls with it is disturbed by a new seal. */
static void test_sealed_opened(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    SC_AUTO_FREE char *first = seal(1, "acme-prod", "api_token", SECRET), *second = seal(2, "acme-prod", "api_token", SECRET);
    sc_integration_seal_files((struct sc_seal_files){file_1, file_2});
    struct sc_integration *a = parse(&err, TOKEN_AT, first), *b = parse(&err, TOKEN_AT, second), *c = parse(&err, TOKEN_AT, SECRET);
    CHECK_TRUE(err.text, a && b && c);
    CHECK_TEXT("key 1", sc_integration_value(a, "api_token"), SECRET);
    CHECK_TEXT("the older key", sc_integration_value(b, "api_token"), SECRET);
    CHECK_TEXT("the same credential", a->credential_key, c->credential_key);
    CHECK_TEXT("the same credential", b->credential_key, c->credential_key);
    CHECK_TEXT("a sealed one is nothing to warn of", a->warnings, NULL);
    CHECK_TRUE("one that is not is", c->warnings && strstr(c->warnings, "not sealed, though there is a key: credentials.api_token; who may read"));
    sc_integration_unref(c);
    sc_integration_unref(b);
    sc_redact_let_go();
    CHECK_TEXT("known to the redactor", redacted("x " SECRET " x"), "x [redacted] x");
    sc_integration_unref(a);
    sc_redact_let_go();
    CHECK_TEXT("and forgotten", redacted(SECRET), SECRET);
}

static void test_sealed_no_warning_without_key(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    sc_integration_seal_files((struct sc_seal_files){NULL, NULL});
    struct sc_integration *a = parse(&err, TOKEN_AT, SECRET);
    CHECK_TEXT("there is nothing to seal it with", a->warnings, NULL);
    sc_integration_unref(a);
}

/* Where a secret may stand: in the other object, a credential that is no secret by the table, a key of several lines, the proxy. */
static void test_sealed_places(void **state)
{
    static const struct {
        const char *field, *plain, *json;
    } rows[] = {
        {"api_token", SECRET, "\"settings\":{\"fqdn\":\"a.acme.test\",\"api_token\":\"@\"}"},
        {"client_id", "client-4711", "\"settings\":{\"fqdn\":\"a.acme.test\"},\"credentials\":{\"api_token\":\"t\",\"client_id\":\"@\"}"},
        {"private_key", "-----BEGIN K-----\nQUJD\n-----END K-----\n",
         "\"settings\":{\"fqdn\":\"a.acme.test\"},\"credentials\":{\"api_token\":\"t\",\"private_key\":\"@\"}"},
        {"proxy", "http://user:proxy-pass-1@proxy:3128", "\"settings\":{\"fqdn\":\"a.acme.test\"},\"credentials\":{\"api_token\":\"t\"},\"proxy\":\"@\""},
    };
    (void)state;
    sc_integration_seal_files((struct sc_seal_files){file_1, NULL});
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        SC_AUTO_FREE char *sealed = seal(1, "acme-prod", rows[i].field, rows[i].plain);
        struct sc_integration *a = parse(&err, rows[i].json, sealed);
        CHECK_TEXT(rows[i].field, err.text, "");
        bool proxy = strcmp(rows[i].field, "proxy") == 0;
        CHECK_TEXT(rows[i].field, proxy ? a->proxy : sc_integration_value(a, rows[i].field), rows[i].plain);
        CHECK_TRUE(rows[i].field, strstr(redacted(proxy ? "proxy-pass-1" : rows[i].plain), "[redacted]") != NULL);
        sc_integration_unref(a);
        sc_redact_let_go();
    }
}

static void check_refused(const char *why, const struct sc_error *err, struct sc_integration *got, const char *want)
{
    CHECK_TRUE(why, !got);
    CHECK_INT(why, err->reason, SC_REASON_CONFIG_INVALID);
    if (!strstr(err->text, want) || strstr(err->text, SECRET))
        CHECK_TEXT(why, err->text, want);
    CHECK_TRUE("whole", strlen(err->text) < sizeof err->text - 1);
}

static void test_sealed_refused(void **state)
{
    const struct {
        const char *key, *old, *want;
    } rows[] = {
        {NULL, NULL, "credentials.api_token is sealed with key " KEY_1 ", and seal.key_file is not set: set it to the file of that key, or put the secret again"},
        {"", "", "seal.key_file is not set"},
        {"/nowhere/key", "", "credentials.api_token is sealed with key " KEY_1 ", which is not at hand: key file /nowhere/key cannot be read by user "},
        {file_bad, NULL, "which is not at hand: key file "},
        {file_2, NULL, "is sealed with key " KEY_1 "; seal.key_file holds " KEY_2 ": set seal.old_key_file to the file of key " KEY_1 ", or put the secret again"},
        {file_2, file_2, "seal.key_file holds " KEY_2 ", seal.old_key_file " KEY_2 ": set seal.old_key_file"},
        {file_2, "/nowhere/old", "which is not at hand: key file /nowhere/old cannot be read"},
        {"/nowhere/key", file_2, "which is not at hand: key file /nowhere/key cannot be read"},
    };
    (void)state;
    SC_AUTO_FREE char *sealed = seal(1, "acme-prod", "api_token", SECRET);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        sc_integration_seal_files((struct sc_seal_files){rows[i].key, rows[i].old});
        struct sc_integration *got = parse(&err, TOKEN_AT, sealed);
        check_refused(rows[i].want, &err, got, rows[i].want);
    }
    struct sc_error err = SC_ERROR_INIT;
    sc_integration_seal_files((struct sc_seal_files){"/nowhere/key", file_1});
    struct sc_integration *got = parse(&err, TOKEN_AT, sealed);
    CHECK_TEXT("one of the two is enough", got ? sc_integration_value(got, "api_token") : err.text, SECRET);
    sc_integration_unref(got);
}

static void test_sealed_wrong(void **state)
{
    (void)state;
    SC_AUTO_FREE char *good = seal(1, "acme-prod", "api_token", SECRET), *cut = sc_dup(good), *other = seal(1, "acme-test", "api_token", SECRET);
    SC_AUTO_FREE char *field = seal(1, "acme-prod", "private_key", SECRET), *odd = seal(1, "acme-prod", "api_token", " " SECRET);
    SC_AUTO_FREE char *setting = seal(1, "acme-prod", "fqdn", "a.acme.test"), *proxy = seal(1, "acme-prod", "proxy", "gopher://" SECRET);
    cut[strlen(cut) / 2] = '\0';
    const struct {
        const char *text, *json, *want;
    } rows[] = {
        {other, TOKEN_AT, "credentials.api_token does not open with key " KEY_1 ": it was sealed for another place than acme-prod/api_token, or was changed since"},
        {field, TOKEN_AT, "sealed for another place than acme-prod/api_token"},
        {cut, TOKEN_AT, "credentials.api_token "},
        {"sealed:v1:", TOKEN_AT, "credentials.api_token is not a whole sealed value (sealed:v1:, key id, text): copy it again"},
        {"sealed:v2:" KEY_1 ":AAAA", TOKEN_AT, "credentials.api_token is sealed in a form that this version does not know (sealed:v2:35): put the secret again"},
        {odd, TOKEN_AT, "credentials.api_token has 11 characters and begins with white space: copy it without"},
        {setting, "\"settings\":{\"fqdn\":\"@\"},\"credentials\":{\"api_token\":\"t\"}", "settings.fqdn is sealed, and is no secret: give the value itself"},
        {proxy, TOKEN_AT ",\"proxy\":\"@\"", "credentials.api_token does not open"},
        {proxy, "\"settings\":{\"fqdn\":\"a.acme.test\"},\"credentials\":{\"api_token\":\"t\"},\"proxy\":\"@\"", "proxy is not usable: give http://host:port"},
    };
    sc_integration_seal_files((struct sc_seal_files){file_1, NULL});
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_integration *got = parse(&err, rows[i].json, rows[i].text);
        check_refused(rows[i].want, &err, got, rows[i].want);
    }
    sc_redact_let_go();
    CHECK_TEXT("what was refused is not remembered", redacted(SECRET), SECRET);
}

static void test_sealed_no_memory(void **state)
{
    (void)state;
    SC_AUTO_FREE char *sealed = seal(2, "acme-prod", "api_token", SECRET);
    bool failed = true;
    sc_integration_seal_files((struct sc_seal_files){file_1, file_2});
    for (long n = 1; failed; n++) {
        struct sc_error err = SC_ERROR_INIT;
        failalloc_arm(n);
        struct sc_integration *got = parse(&err, TOKEN_AT, sealed);
        failed = failalloc_disarm();
        if (got)
            CHECK_TEXT("a good one is complete", sc_integration_value(got, "api_token"), SECRET);
        else
            CHECK_TRUE("a failed one says so", failed && *err.text);
        sc_integration_unref(got);
    }
    sc_redact_let_go();
    CHECK_TEXT("nothing is left known", redacted(SECRET), SECRET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_opened),  cmocka_unit_test(test_sealed_no_warning_without_key), cmocka_unit_test(test_sealed_places),
        cmocka_unit_test(test_sealed_refused), cmocka_unit_test(test_sealed_wrong),                  cmocka_unit_test(test_sealed_no_memory),
    };
    return cmocka_run_group_tests_name("sealed", tests, prepare, forget);
}
