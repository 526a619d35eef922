/* How long a vendor wants us to wait, in every form that vendors say it. */
#include "operate/reasons.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

#define NOW         INT64_C(1795256102123) /* 2026-11-21T10:15:02.123Z, ours */
#define AHEAD       600000                 /* the vendor's clock is 10 min ahead */
#define HEADER      "X-Rate-Limit-Reset"
#define DISBELIEVED (-1)
#define SILENT      (-2)

struct wait_row {
    const char *retry_after, *reset;
    enum sc_reset_unit unit;
    bool ahead;      /* a Date was sent, 10 min ahead of ours */
    int64_t want_ms; /* from now; or DISBELIEVED, SILENT */
    const char *header;
    const char *why;
};

static const struct wait_row rows[] = {
    {NULL, NULL, SC_RESET_NONE, false, SILENT, NULL, "nothing said"},
    {NULL, NULL, SC_RESET_SECONDS, true, SILENT, NULL, "nothing said, though a header is declared"},
    {"7", NULL, SC_RESET_NONE, false, 8000, "Retry-After", "seconds, and one more"},
    {"7", NULL, SC_RESET_NONE, true, 8000, "Retry-After", "seconds know no clock"},
    {"1.5", NULL, SC_RESET_NONE, false, 2500, "Retry-After", "fraction"},
    {"0.0004", NULL, SC_RESET_NONE, false, 1001, "Retry-After", "fraction below a ms counts as one"},
    {" 30 seconds", NULL, SC_RESET_NONE, false, 31000, "Retry-After", "with its unit"},
    {"86400", NULL, SC_RESET_NONE, false, 86401000, "Retry-After", "a day is the most"},
    {"86401", NULL, SC_RESET_NONE, false, DISBELIEVED, "Retry-After", "over a day"},
    {"0", NULL, SC_RESET_NONE, false, DISBELIEVED, "Retry-After", "zero"},
    {"-5", NULL, SC_RESET_NONE, false, DISBELIEVED, "Retry-After", "negative"},
    {"", NULL, SC_RESET_NONE, false, DISBELIEVED, "Retry-After", "empty"},
    {"soon", NULL, SC_RESET_NONE, false, DISBELIEVED, "Retry-After", "garbage"},
    {"99999999999999999999", NULL, SC_RESET_NONE, false, DISBELIEVED, "Retry-After", "more than fits"},
    {"9223372036854775", NULL, SC_RESET_NONE, false, DISBELIEVED, "Retry-After", "the largest that fits"},
    {"Sat, 21 Nov 2026 10:15:12 GMT", NULL, SC_RESET_NONE, false, 10877, "Retry-After", "date, no Date sent: our clock"},
    {"Sat, 21 Nov 2026 10:25:12 GMT", NULL, SC_RESET_NONE, true, 10877, "Retry-After", "date against the vendor's Date"},
    {"Saturday, 21-Nov-26 10:15:12 GMT", NULL, SC_RESET_NONE, false, 10877, "Retry-After", "RFC 850"},
    {"Sat Nov 21 10:15:12 2026", NULL, SC_RESET_NONE, false, 10877, "Retry-After", "asctime"},
    {"2026-11-21T10:15:12Z", NULL, SC_RESET_NONE, false, 10877, "Retry-After", "RFC 3339"},
    {"Sat, 21 Nov 2026 10:15:00 GMT", NULL, SC_RESET_NONE, false, DISBELIEVED, "Retry-After", "date in the past"},
    {"Sun, 22 Nov 2026 10:15:03 GMT", NULL, SC_RESET_NONE, false, DISBELIEVED, "Retry-After", "date over a day ahead"},
    {"Sat, 21 Nov 2036 10:15:02 GMT", NULL, SC_RESET_NONE, false, DISBELIEVED, "Retry-After", "ten years ahead"},
    {NULL, "1795256141", SC_RESET_EPOCH_S, false, 39877, HEADER, "epoch in seconds"},
    {NULL, "1795256741", SC_RESET_EPOCH_S, true, 39877, HEADER, "epoch in seconds by the vendor's clock"},
    {NULL, "1795256141.5", SC_RESET_EPOCH_S, false, 40377, HEADER, "epoch with a fraction"},
    {NULL, "1795256141000", SC_RESET_EPOCH_MS, false, 39877, HEADER, "epoch in ms"},
    {NULL, "1795256141000", SC_RESET_EPOCH_S, false, DISBELIEVED, HEADER, "ms where seconds are declared: far ahead"},
    {NULL, "1795256141", SC_RESET_EPOCH_MS, false, DISBELIEVED, HEADER, "seconds where ms are declared: 1970"},
    {NULL, "1795256102", SC_RESET_EPOCH_S, false, DISBELIEVED, HEADER, "just passed"},
    {NULL, "60", SC_RESET_SECONDS, true, 61000, HEADER, "relative seconds"},
    {NULL, "1500", SC_RESET_MILLISECONDS, true, 2500, HEADER, "relative ms"},
    {NULL, "0.5", SC_RESET_MILLISECONDS, true, 1001, HEADER, "half a ms"},
    {NULL, "2026-11-21T10:15:12Z", SC_RESET_SECONDS, false, 10877, HEADER, "a date where a number is declared"},
    {NULL, "60", SC_RESET_NONE, false, SILENT, NULL, "no unit declared: not read"},
    {"7", "60", SC_RESET_SECONDS, false, 8000, "Retry-After", "Retry-After comes first"},
    {"0", "60", SC_RESET_SECONDS, false, 61000, HEADER, "the reset where Retry-After is no use"},
    {"x", "y", SC_RESET_SECONDS, false, DISBELIEVED, "Retry-After", "both no use"},
};

static void test_wait_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct wait_row *row = &rows[i];
        struct sc_wait got = sc_read_wait(sc_str_of(row->retry_after), sc_str_of(row->reset), HEADER, row->unit, NOW,
                                          row->ahead ? NOW + AHEAD : SC_TIME_NONE);
        CHECK_INT(row->why, got.until_ms, row->want_ms < 0 ? SC_TIME_NONE : NOW + row->want_ms);
        CHECK_INT(row->why, got.disbelieved, row->want_ms == DISBELIEVED);
        CHECK_TEXT(row->why, got.header, row->header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wait_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
