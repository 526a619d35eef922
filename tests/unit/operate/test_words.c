/* Common words of refusals, and text from outside made fit for a sentence. */
#include "operate/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"

static void test_words_read(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *text;
        enum sc_reason want;
        const char *name;
    } rows[] = {
        {403, "{\"error\":\"This account is locked until an administrator unlocks it\"}", SC_REASON_ACCOUNT_SUSPENDED, ""},
        {401, "Multi-Factor Authentication needed", SC_REASON_ACCOUNT_SUSPENDED, ""},
        {401, "{\"error\":\"wrong password\",\"mfa\":false}", SC_REASON_OK, ""},
        {403, "{\"errors\":[{\"reason\":\"rateLimitExceeded\"}]}", SC_REASON_RATE_LIMITED, ""},
        {403, "You have exceeded a secondary rate limit.", SC_REASON_RATE_LIMITED, ""},
        {403, "dailyLimitExceeded", SC_REASON_QUOTA_EXHAUSTED, ""},
        {401, "rate limit", SC_REASON_OK, ""},        /* a 401 is no throttle */
        {200, "Too many requests", SC_REASON_OK, ""}, /* nor is a success */
        {403, "{\"code\":\"feature_not_enabled\"}", SC_REASON_FEATURE_OFF, ""},
        {403, "Neither tenant is B2C or Authentication_RequestFromNonPremiumTenantOrB2CTenant", SC_REASON_OK, ""},
        {403, "[API] This action requires merchant approval for read_orders scope.", SC_REASON_PERMISSION_DENIED, "read_orders"},
        {403, "{\"message\":\"Missing required scope(s): 'okta.logs.read'.\"}", SC_REASON_PERMISSION_DENIED, "okta.logs.read"},
        {403, "Insufficient permissions", SC_REASON_PERMISSION_DENIED, ""},
        {403, "required scope is not there", SC_REASON_PERMISSION_DENIED, ""},
        {400, "AADSTS65001: The user or administrator has not consented", SC_REASON_CONSENT_MISSING, ""},
        {401, "The access token has expired", SC_REASON_AUTH_EXPIRED, ""},
        {401, "Token has expired", SC_REASON_AUTH_EXPIRED, ""},
        {401, "The key has been revoked.", SC_REASON_AUTH_EXPIRED, ""},
        {401, "The token is invalid or the token has expired", SC_REASON_OK, ""},
        {401, "<html><body>token has expired</body></html>", SC_REASON_OK, ""},
        {403, "unlocked outer", SC_REASON_OK, ""}, /* words, not letters */
        {403, "", SC_REASON_OK, ""},
        {418, "account is locked", SC_REASON_OK, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_words words = sc_read_words(rows[i].status, sc_str_of(rows[i].text));
        CHECK_INT(rows[i].text, words.reason, rows[i].want);
        CHECK_TEXT(rows[i].text, words.name, rows[i].name);
    }
}

static void test_words_plain(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t cap;
        const char *want;
    } rows[] = {
        {"a b", 10, "a b"},          {"  a \r\n\t b  ", 10, "a b"},       {"", 10, ""},        {" \n", 10, ""}, {"abcdef", 4, "abc"},
        {"gr\xC3\xBC\xC3\x9F", 20, "gr\xC3\xBC\xC3\x9F"}, {"gr\xC3\xBC\xC3\x9F", 4, "gr"}, {"a\xFF\x01z", 10, "a? z"}, {"\xC3", 10, "?"}, {"\xED\xA0\x80", 10, "???"},
        {"\xC2\x85x", 10, "??x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[64];
        size_t n = sc_words_plain(sc_str_of(rows[i].in), out, rows[i].cap);
        CHECK_TEXT(rows[i].in, out, rows[i].want);
        CHECK_INT(rows[i].in, n, strlen(out));
    }
}

static void test_words_open(void **state)
{
    (void)state;
    CHECK_INT("full stop", sc_words_open("too many requests."), 17);
    CHECK_INT("dots and blanks", sc_words_open("retry ... "), 5);
    CHECK_INT("none", sc_words_open("a.b"), 3);
    CHECK_INT("nothing", sc_words_open("."), 0);
}

static void test_words_challenge(void **state)
{
    (void)state;
    static const struct {
        const char *header, *name, *want;
    } rows[] = {
        {"Bearer error=\"insufficient_scope\", scope=\"a.read b.read\"", "scope", "a.read b.read"},
        {"Bearer scope=x, error=y", "scope", "x"},
        {"Bearer no_scope=\"x\"", "scope", ""},
        {"Bearer scope=\"cut", "scope", "cut"},
        {"Bearer scope=", "scope", ""},
        {"", "scope", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[64];
        CHECK_INT(rows[i].header, sc_challenge_value(sc_str_of(rows[i].header), rows[i].name, out, sizeof out), strlen(rows[i].want));
        CHECK_TEXT(rows[i].header, out, rows[i].want);
    }
}

/* Every cut of every text, against a page that may not be read. */
static void test_words_cut(void **state)
{
    (void)state;
    static const char *const texts[] = {"requires merchant approval for read_orders scope.", "Bearer scope=\"a b\", x=y", "\xF0\x9F\x98\x80 account is locked",
                                        "<!DOCTYPE html>", "missing scope \xC3"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t n = 0; n <= strlen(texts[i]); n++) {
            struct guard guard = guard_copy(texts[i], n);
            struct sc_str text = {guard.ptr, n};
            char out[32];
            sc_read_words(403, text);
            sc_challenge_value(text, "scope", out, sizeof out);
            sc_words_plain(text, out, sizeof out);
            guard_done(&guard);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_read),
        cmocka_unit_test(test_words_plain),
        cmocka_unit_test(test_words_open),
        cmocka_unit_test(test_words_challenge),
        cmocka_unit_test(test_words_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
