/* The usual pause: what is learnt of feeds of each kind, when it is worth a word, and that nothing of it frightens anybody at night, over a weekend, or
 * after the agent was away. */
#include "poll/habit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/clock.h"
#include "check.h"

#define MIN  INT64_C(60000)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)
#define MONDAY (INT64_C(20577) * DAY) /* 2026-05-04 */

/* Does something come in these five minutes? */
typedef bool (*feed_fn)(int64_t at);

static bool always(int64_t at)
{
    (void)at;
    return true;
}

static bool by_day(int64_t at)
{
    int64_t hour = at % DAY / HOUR;
    return hour >= 8 && hour < 19;
}

static bool office_hours(int64_t at)
{
    return (at - MONDAY) / DAY % 7 < 5 && by_day(at);
}

static bool on_tuesdays(int64_t at)
{
    return (at - MONDAY) % (7 * DAY) == DAY + 9 * HOUR;
}

static bool twice(int64_t at)
{
    return at == MONDAY || at == MONDAY + HOUR;
}

/* Plays the feed and counts how often it would have been called silent although it only did what it always does. */
static unsigned false_alarms(struct sc_habit *h, feed_fn feed, int64_t from, int64_t to)
{
    unsigned alarms = 0;
    bool quiet = false;
    for (int64_t at = from; at < to; at += 5 * MIN) {
        if (feed(at)) {
            sc_habit_came(h, at, 10, true);
            quiet = false;
            continue;
        }
        int64_t patience = sc_habit_patience_ms(h);
        bool alarm = patience && at - h->last_ms > patience;
        alarms += alarm && !quiet;
        quiet = alarm;
    }
    return alarms;
}

static void test_habit_feeds(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        feed_fn feed;
        int64_t patience; /* after six weeks */
        uint64_t rate;    /* thousandths of a record an hour, at least */
    } rows[] = {
        {"all day long: an hour of nothing is worth a word", always, HOUR, 119000},
        {"by day alone: nobody is woken", by_day, 2 * (13 * HOUR + 5 * MIN), 50000},
        {"on working days: not on Saturday either", office_hours, 2 * (2 * DAY + 13 * HOUR + 5 * MIN), 35000},
        {"once a week", on_tuesdays, 14 * DAY, 59},
        {"twice within an hour, then never: nothing is known", twice, 0, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_habit h = {0};
        CHECK_INT(rows[i].why, false_alarms(&h, rows[i].feed, MONDAY, MONDAY + 42 * DAY), 0);
        CHECK_INT(rows[i].why, sc_habit_patience_ms(&h), rows[i].patience);
        CHECK_TRUE(rows[i].why, rows[i].feed == twice || sc_habit_rate_milli(&h) >= rows[i].rate);
    }
}

static void test_habit_outages(void **state)
{
    (void)state;
    struct sc_habit h = {0};
    false_alarms(&h, always, MONDAY, MONDAY + 9 * DAY);
    int64_t before = sc_habit_patience_ms(&h);
    sc_habit_came(&h, MONDAY + 9 * DAY + 20 * HOUR, 5, false);
    CHECK_INT("the agent was away: nothing is learnt of that", sc_habit_patience_ms(&h), before);
    sc_habit_came(&h, MONDAY + 11 * DAY, 5, true);
    CHECK_INT("a silence that was told of: the patience doubles, no more", sc_habit_patience_ms(&h), 2 * before);
    sc_habit_came(&h, MONDAY + 11 * DAY - HOUR, 5, true);
    CHECK_INT("a clock that goes back teaches nothing", sc_habit_patience_ms(&h), 2 * before);
}

static void test_habit_first_week(void **state)
{
    (void)state;
    struct sc_habit h = {0};
    false_alarms(&h, always, MONDAY, MONDAY + 23 * HOUR);
    CHECK_INT("not before a day is known", sc_habit_patience_ms(&h), 0);
    false_alarms(&h, always, MONDAY + 23 * HOUR, MONDAY + 30 * HOUR);
    CHECK_INT("in the first week with more patience", sc_habit_patience_ms(&h), 6 * HOUR);
}

static void test_habit_kept(void **state)
{
    (void)state;
    struct sc_habit h = {0}, back;
    struct sc_buf text = {0};
    false_alarms(&h, office_hours, MONDAY, MONDAY + 42 * DAY);
    sc_habit_write(&h, &text);
    json_t *value = json_loadb(text.ptr, text.len, 0, NULL);
    sc_habit_read(&back, value);
    CHECK_TRUE("it comes back as it was", memcmp(&h, &back, offsetof(struct sc_habit, count) + sizeof h.count) == 0);
    CHECK_INT("and takes little room", text.len < 400, 1);
    json_decref(value);
    sc_buf_done(&text);
}

static void test_habit_hostile(void **state)
{
    (void)state;
    static const struct {
        const char *why, *json;
        int64_t count, begun;
    } rows[] = {
        {"no object", "[1]", 0, 0},
        {"no times", "{\"days\":[[1,2,3]]}", 0, 0},
        {"the end before the beginning", "{\"begun\":\"2026-05-04T00:00:00Z\",\"last\":\"2026-05-03T00:00:00Z\",\"days\":[[1,2,3]]}", 0, 0},
        {"days of all kinds", "{\"begun\":\"2026-05-04T00:00:00Z\",\"last\":\"2026-05-05T00:00:00Z\",\"days\":[[20577,60,5],[20577,1,1],[-1,1,1],"
         "[20578,99999999999,1],[20578,1],\"x\",[20579,30,7,9],[20580,30,7]]}", 2, MONDAY},
        {"too many days", "{\"begun\":\"2026-05-04T00:00:00Z\",\"last\":\"2026-05-05T00:00:00Z\",\"days\":[[1,1,1],[2,1,1],[3,1,1],[4,1,1],[5,1,1],[6,1,1],"
         "[7,1,1],[8,1,1],[9,1,1],[10,1,1],[11,1,1],[12,1,1],[13,1,1],[14,1,1],[15,1,1],[16,1,1],[17,1,1]]}", 15, MONDAY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_habit h;
        json_t *value = json_loads(rows[i].json, 0, NULL);
        assert_non_null(value);
        sc_habit_read(&h, value);
        CHECK_INT(rows[i].why, h.count, rows[i].count);
        CHECK_INT(rows[i].why, h.begun_ms, rows[i].begun);
        json_decref(value);
    }
    struct sc_habit none;
    sc_habit_read(&none, NULL);
    CHECK_INT("none is none", none.begun_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_habit_feeds),      cmocka_unit_test(test_habit_outages), cmocka_unit_test(test_habit_first_week),
        cmocka_unit_test(test_habit_kept),       cmocka_unit_test(test_habit_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
