/* Errors: the first one wins. Tables of reasons: complete, distinct, safe for numbers that are
 * none. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

static void test_error_first_wins(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    CHECK_INT("unset", err.retry_at, SC_TIME_NONE);
    CHECK_INT("always -1", sc_fail(&err, SC_REASON_DNS_FAILURE, "no %s", "host"), -1);
    CHECK_INT("second", sc_fail(&err, SC_REASON_GAP, "later"), -1);
    CHECK_INT("first stays", err.reason, SC_REASON_DNS_FAILURE);
    CHECK_TEXT("first stays", err.text, "no host");
    sc_error_clear(&err);
    CHECK_INT("cleared", err.reason, SC_REASON_OK);
    CHECK_INT("cleared", err.retry_at, SC_TIME_NONE);
    CHECK_TEXT("cleared", err.text, "");
    sc_fail(&err, SC_REASON_GAP, "again");
    CHECK_TEXT("usable again", err.text, "again");
}

static void test_error_edges(void **state)
{
    (void)state;
    CHECK_INT("nobody asks", sc_fail(NULL, SC_REASON_GAP, "x"), -1);
    struct sc_error err = {0};
    sc_fail(&err, SC_REASON_OK, "all is well");
    CHECK_INT("a failure is never ok", err.reason, SC_REASON_INTERNAL);
    err = (struct sc_error){0};
    sc_fail(&err, SC_REASON_GAP, "%0400d", 7);
    CHECK_INT("cut, terminated", strlen(err.text), sizeof err.text - 1);
}

static void test_reason_rows(void **state)
{
    (void)state;
    static const struct {
        enum sc_reason reason;
        const char *code, *class_name;
    } rows[] = {
        {SC_REASON_OK,           "ok",             "ok"       },
        {SC_REASON_DNS_FAILURE,  "dns_failure",    "retry"    },
        {SC_REASON_RATE_LIMITED, "rate_limited",   "throttled"},
        {SC_REASON_AUTH_INVALID, "auth_invalid",   "auth"     },
        {SC_REASON_TLS_HOSTNAME, "tls_hostname",   "config"   },
        {SC_REASON_GAP,          "gap",            "data"     },
        {SC_REASON_NO_STREAM,    "no_stream",      "broker"   },
        {SC_REASON_LEASE_HELD,   "lease_held",     "local"    },
        {SC_REASON_SILENT,       "silent",         "notice"   },
        {SC_REASON_INTERNAL,     "internal_error", "retry"    },
        {SC_REASON_COUNT,        "internal_error", "retry"    },
        {(enum sc_reason)12345,  "internal_error", "retry"    },
        {(enum sc_reason) - 1,   "internal_error", "retry"    },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_TEXT(rows[i].code, sc_reason_code(rows[i].reason), rows[i].code);
        CHECK_TEXT(rows[i].code, sc_class_name(sc_reason_class(rows[i].reason)),
                   rows[i].class_name);
    }
    CHECK_TEXT("no class", sc_class_name((enum sc_class)77), "unknown");
}

static void test_reason_distinct(void **state)
{
    (void)state;
    for (int i = 0; i < SC_REASON_COUNT; i++) {
        const char *code = sc_reason_code((enum sc_reason)i);
        CHECK_TRUE(code, *code && strspn(code, "abcdefghijklmnopqrstuvwxyz_") == strlen(code));
        CHECK_TRUE(code, *sc_reason_meaning((enum sc_reason)i));
        for (int j = 0; j < i; j++)
            CHECK_TRUE(code, strcmp(code, sc_reason_code((enum sc_reason)j)) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_first_wins),
        cmocka_unit_test(test_error_edges),
        cmocka_unit_test(test_reason_rows),
        cmocka_unit_test(test_reason_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
