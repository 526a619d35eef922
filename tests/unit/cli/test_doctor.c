/* Checks as people read them: aligned, wrapped at the width, the cure below. */
#include "cli/doctor.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

static void test_doctor_text(void **state)
{
    (void)state;
    static const struct {
        const char *check, *value, *cure;
        enum sc_check_result result;
        bool colour;
        const char *want;
    } rows[] = {
        {"lease", "agent edge-1 polls", "", SC_CHECK_OK, false, "ok    lease           agent edge-1 polls\n"},
        {"stream", "no stream takes it", "Make one.", SC_CHECK_BAD, false, "BAD   stream          no stream takes it\n                      -> Make one.\n"},
        {"x", "", NULL, SC_CHECK_SKIPPED, false, "skip  x               \n"},
        {"stream settings", "one two three four five six seven", "eight nine ten eleven twelve thirteen", SC_CHECK_NOTICE, false,
         "note  stream settings one two three four\n                      five six seven\n                      -> eight nine ten\n"
         "                         eleven twelve\n                         thirteen\n"},
        {"a-name-longer-than-the-column", "one two three", NULL, SC_CHECK_OK, false,
         "ok    a-name-longer-than-the-column  one\n                      two three\n"},
        {"word", "averyveryverylongwordthatfitsnowhere b", NULL, SC_CHECK_OK, false,
         "ok    word            averyveryverylongwordthatfitsnowhere\n                      b\n"},
        {"accents", "äöü äöü äöü äöü äöü", NULL, SC_CHECK_OK, false, "ok    accents         äöü äöü äöü äöü\n                      äöü\n"},
        {"clock", "wrong", NULL, SC_CHECK_BAD, true, "\033[1;31mBAD\033[0m   clock           wrong\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_doctor d = {.width = 40, .colour = rows[i].colour};
        struct sc_buf out SC_AUTO_BUF = {0};
        sc_check_write(&d, rows[i].check, rows[i].result, rows[i].value, rows[i].cure, &out);
        CHECK_TEXT(rows[i].check, sc_buf_str(&out).ptr, rows[i].want);
    }
}

static void test_doctor_ago(void **state)
{
    (void)state;
    char out[48];
    CHECK_TEXT("now", sc_ago_text(10000, 10999, out), "just now");
    CHECK_TEXT("past", sc_ago_text(10000, 75500, out), "1 min 5 s ago");
    CHECK_TEXT("to come", sc_ago_text(75500, 10000, out), "1 min 5 s ahead");
    CHECK_TEXT("unknown", sc_ago_text(SC_TIME_NONE, 10000, out), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_doctor_text), cmocka_unit_test(test_doctor_ago)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
