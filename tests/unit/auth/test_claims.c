/* Scopes and roles by a token's own claims. */
#include "auth/claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"

/* header.payload.signature with the payload as base64url. */
static char *token_of(const char *payload)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t len = strlen(payload), n = 0;
    char *out = malloc(len * 2 + 32);
    n = (size_t)sprintf(out, "eyJhbGciOiJub25lIn0.");
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < len ? (unsigned char)payload[i + k] : 0);
        for (size_t k = 0; k < 4 && k <= len - i; k++)
            out[n++] = digits[bits >> (18 - 6 * k) & 63];
    }
    sprintf(out + n, ".sig");
    return out;
}

static void test_claims_scopes(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        int rc;
        const char *want;
    } rows[] = {
        {"{\"scope\":\"a.read b.read\"}", 0, "a.read b.read"},
        {"{\"scp\":[\"okta.logs.read\",7,\"x\"]}", 0, "okta.logs.read x"},
        {"{\"roles\":[\"ActivityFeed.Read\"],\"aud\":\"y\"}", 0, "ActivityFeed.Read"},
        {"{\"roles\":[]}", 0, ""},
        {"{\"scope\":\"  a   b \"}", 0, "a b"},
        {"{\"scope\":\"a\\u00fcb\\nc\"}", 0, "a??b?c"},
        {"{\"aud\":\"x\"}", -1, ""},
        {"{\"scope\":7}", -1, ""},
        {"[]", -1, ""},
        {"{\"scope\":\"cut", -1, ""},
        {"", -1, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[64], *token = token_of(rows[i].payload);
        CHECK_INT(rows[i].payload, sc_claims_scopes(sc_str_of(token), out, sizeof out), rows[i].rc);
        CHECK_TEXT(rows[i].payload, out, rows[i].want);
        free(token);
    }
}

static void test_claims_no_token(void **state)
{
    (void)state;
    static const char *const texts[] = {"", ".", "..", "a.b", "a.!!!.c", "opaque-token", "a.e30.c", "a.eyJ.c"};
    char out[16], *token = token_of("{\"scope\":\"one two-that-does-not-fit three\"}");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK_INT(texts[i], sc_claims_scopes(sc_str_of(texts[i]), out, sizeof out), -1);
    CHECK_INT("whole names alone", sc_claims_scopes(sc_str_of(token), out, sizeof out), 0);
    CHECK_TEXT("whole names alone", out, "one three");
    for (size_t n = 0; n < strlen(token); n++) { /* cut anywhere, against a page that may not be read */
        struct guard guard = guard_copy(token, n);
        sc_claims_scopes((struct sc_str){guard.ptr, n}, out, sizeof out);
        guard_done(&guard);
    }
    free(token);
}

static void test_claims_has(void **state)
{
    (void)state;
    CHECK_TRUE("first", sc_claims_has("a b c", "a"));
    CHECK_TRUE("last, another case", sc_claims_has("a b C.Read", "c.read"));
    CHECK_TRUE("a part is none", !sc_claims_has("abc bcd", "bc"));
    CHECK_TRUE("nothing", !sc_claims_has("", "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims_scopes),
        cmocka_unit_test(test_claims_no_token),
        cmocka_unit_test(test_claims_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
