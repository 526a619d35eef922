/* The last hour and the last day in slots, and percentiles of the newest samples. */
#include "poll/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"

#define MIN  INT64_C(60000)
#define HOUR (60 * MIN)

static void test_meter_slides(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        int64_t at;
        uint64_t hour, day;
    } rows[] = {
        {"all of it", 1000 * HOUR + 9 * MIN, 20, 20},
        {"the first ten have left the hour", 1000 * HOUR + 62 * MIN, 10, 20},
        {"all have", 1000 * HOUR + 3 * HOUR, 0, 20},
        {"and the day", 1000 * HOUR + 24 * HOUR, 0, 0},
        {"a lap later nothing old is taken for new", 1000 * HOUR + 48 * HOUR, 0, 0},
    };
    struct sc_meter m = {0};
    for (int i = 0; i < 10; i++)
        sc_meter_request(&m, 1000 * HOUR + 1 * MIN);
    for (int i = 0; i < 10; i++)
        sc_meter_request(&m, 1000 * HOUR + 8 * MIN);
    sc_meter_throttle(&m, 1000 * HOUR + 8 * MIN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_INT(rows[i].why, sc_meter_hour(&m, rows[i].at).requests, rows[i].hour);
        CHECK_INT(rows[i].why, sc_meter_day(&m, rows[i].at).requests, rows[i].day);
        CHECK_INT(rows[i].why, sc_meter_hour(&m, rows[i].at).throttles, rows[i].hour ? 1 : 0);
    }
}

static void test_meter_span(void **state)
{
    (void)state;
    struct sc_meter m = {0};
    CHECK_INT("nothing noted, no time", sc_meter_hour(&m, 5 * HOUR).span_ms, 0);
    sc_meter_begin(&m, 10 * HOUR);
    CHECK_INT("since it began", sc_meter_hour(&m, 10 * HOUR + 7 * MIN).span_ms, 7 * MIN);
    CHECK_INT("55 minutes and what the slot that fills has", sc_meter_hour(&m, 20 * HOUR + 7 * MIN).span_ms, 57 * MIN);
    CHECK_INT("the day likewise", sc_meter_day(&m, 90 * HOUR + 7 * MIN).span_ms, 23 * HOUR + 7 * MIN);
}

static void test_meter_waits(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        int64_t from, to, at;
        uint64_t hour, day;
    } rows[] = {
        {"inside one slot", 100 * HOUR, 100 * HOUR + 90000, 100 * HOUR + 2 * MIN, 90000, 90000},
        {"over three slots", 100 * HOUR + 4 * MIN, 100 * HOUR + 11 * MIN, 100 * HOUR + 11 * MIN, 7 * MIN, 7 * MIN},
        {"the part that lies in the hour", 98 * HOUR, 100 * HOUR, 100 * HOUR + 1, 55 * MIN, 2 * HOUR},
        {"longer than a day: what the slots hold", 50 * HOUR, 100 * HOUR, 100 * HOUR + 1, 55 * MIN, 23 * HOUR},
        {"backwards is none", 100 * HOUR, 99 * HOUR, 100 * HOUR, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_meter m = {0};
        sc_meter_waited(&m, rows[i].from, rows[i].to);
        CHECK_INT(rows[i].why, sc_meter_hour(&m, rows[i].at).waited_ms, rows[i].hour);
        CHECK_INT(rows[i].why, sc_meter_day(&m, rows[i].at).waited_ms, rows[i].day);
    }
}

static void test_samples(void **state)
{
    (void)state;
    struct sc_samples s = {0};
    CHECK_INT("none", sc_samples_percentile(&s, 95), 0);
    sc_samples_add(&s, 7);
    CHECK_INT("one is all of them", sc_samples_percentile(&s, 50), 7);
    for (uint32_t i = 1; i <= 100; i++) /* 37..100 stay */
        sc_samples_add(&s, i);
    CHECK_INT("half of the newest 64", sc_samples_percentile(&s, 50), 68);
    CHECK_INT("95 of a hundred", sc_samples_percentile(&s, 95), 97);
    CHECK_INT("the largest", sc_samples_percentile(&s, 100), 100);
    CHECK_INT("the smallest", sc_samples_percentile(&s, 0), 37);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meter_slides),
        cmocka_unit_test(test_meter_span),
        cmocka_unit_test(test_meter_waits),
        cmocka_unit_test(test_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
