/* Every reason has something to say; every status is read. */
#include "operate/reasons.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

static void test_reasons_complete(void **state)
{
    (void)state;
    for (int i = 0; i < SC_REASON_COUNT; i++) {
        const struct sc_reason_row *row = sc_reason_row((enum sc_reason)i);
        const char *code = sc_reason_code((enum sc_reason)i);
        CHECK_INT(code, row->reason, i);
        bool silent = i == SC_REASON_OK || i == SC_REASON_STARTING;
        CHECK_INT(code, *row->advice == '\0', silent);
        CHECK_TRUE(code, silent || row->advice[strlen(row->advice) - 1] == '.');
        CHECK_TRUE("a sentence that status can hold", strlen(row->advice) < 256);
        CHECK_TRUE("nothing left to fill in", !strpbrk(row->advice, "{}%"));
        bool stops = sc_reason_class((enum sc_reason)i) == SC_CLASS_CONFIG || sc_reason_class((enum sc_reason)i) == SC_CLASS_AUTH;
        CHECK_TRUE("what stops until somebody acts is an error", !stops || row->level == SC_ERROR);
    }
    CHECK_INT("unknown", sc_reason_row((enum sc_reason)9999)->reason, SC_REASON_INTERNAL);
}

static void test_reasons_status(void **state)
{
    (void)state;
    static const struct {
        int status;
        bool worked;
        enum sc_reason want;
        const char *phrase;
    } rows[] = {
        {200, true, SC_REASON_OK, "OK"},
        {204, false, SC_REASON_OK, "No Content"},
        {299, false, SC_REASON_OK, "Success"},
        {0, false, SC_REASON_BAD_RESPONSE, "Unknown Status"},
        {100, false, SC_REASON_BAD_RESPONSE, "Unknown Status"},
        {302, false, SC_REASON_BAD_RESPONSE, "Found"},
        {304, false, SC_REASON_BAD_RESPONSE, "Not Modified"},
        {399, false, SC_REASON_BAD_RESPONSE, "Redirect"},
        {400, true, SC_REASON_VENDOR_ERROR, "Bad Request"},
        {401, false, SC_REASON_AUTH_INVALID, "Unauthorized"},
        {401, true, SC_REASON_AUTH_EXPIRED, "Unauthorized"},
        {402, false, SC_REASON_ACCOUNT_SUSPENDED, "Payment Required"},
        {403, true, SC_REASON_PERMISSION_DENIED, "Forbidden"},
        {404, true, SC_REASON_NOT_FOUND, "Not Found"},
        {407, true, SC_REASON_PROXY_AUTH, "Proxy Authentication Required"},
        {408, true, SC_REASON_READ_TIMEOUT, "Request Timeout"},
        {409, true, SC_REASON_VENDOR_BUSY, "Conflict"},
        {410, true, SC_REASON_NOT_FOUND, "Gone"},
        {413, true, SC_REASON_CONFIG_INVALID, "Content Too Large"},
        {414, true, SC_REASON_CONFIG_INVALID, "URI Too Long"},
        {418, true, SC_REASON_VENDOR_ERROR, "Client Error"},
        {423, true, SC_REASON_ACCOUNT_SUSPENDED, "Locked"},
        {429, true, SC_REASON_RATE_LIMITED, "Too Many Requests"},
        {500, true, SC_REASON_VENDOR_ERROR, "Internal Server Error"},
        {503, true, SC_REASON_VENDOR_ERROR, "Service Unavailable"},
        {599, true, SC_REASON_VENDOR_ERROR, "Server Error"},
        {777, true, SC_REASON_BAD_RESPONSE, "Unknown Status"},
        {-1, true, SC_REASON_BAD_RESPONSE, "Unknown Status"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_status_reading got = sc_read_status(rows[i].status, rows[i].worked);
        CHECK_INT(rows[i].phrase, got.reason, rows[i].want);
        CHECK_TEXT("phrase", got.phrase, rows[i].phrase);
        CHECK_TEXT("the same phrase", sc_status_phrase(rows[i].status), rows[i].phrase);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons_complete),
        cmocka_unit_test(test_reasons_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
