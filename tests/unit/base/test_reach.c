/* What is remembered of hosts, for how long, and whom it is compared with. The clock is turned by hand. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/reach.h"
#include "check.h"

static int64_t now = 1000;
int64_t __wrap_sc_mono_ms(void);
int64_t __wrap_sc_mono_ms(void)
{
    return now;
}

static int fresh(void **state)
{
    (void)state;
    sc_reach_forget();
    now = 1000;
    return 0;
}

static void test_others(void **state)
{
    (void)state;
    CHECK_INT("nobody is known", sc_reach_others("a").answered + sc_reach_others("a").failed, 0);
    sc_reach_answered("a", true);
    sc_reach_answered("b", true);
    sc_reach_failed("c", SC_REASON_CONNECT_TIMEOUT, true);
    sc_reach_failed("d", SC_REASON_PROXY_REFUSED, false);
    sc_reach_failed("e", SC_REASON_RATE_LIMITED, true);
    struct sc_reach_count c = sc_reach_others("a");
    CHECK_INT("all but itself", c.answered, 1);
    CHECK_INT("failures of the way alone", c.failed, 2);
    CHECK_INT("without a proxy", c.failed_direct, 1);
    CHECK_INT("without a proxy", c.answered_direct, 1);
    sc_reach_answered("b", false);
    CHECK_INT("through one", sc_reach_others("a").answered_direct, 0);
    sc_reach_answered("c", true);
    c = sc_reach_others("a");
    CHECK_INT("the newest end counts", c.answered, 2);
    CHECK_INT("the newest end counts", c.failed, 1);
    now += SC_REACH_MS;
    c = sc_reach_others("a");
    CHECK_INT("lately is over", c.answered + c.failed, 0);
}

static void test_marks(void **state)
{
    (void)state;
    CHECK_INT("the first", sc_reach_mark("a", SC_MARK_ISSUER, "Acme CA"), 0);
    CHECK_INT("again", sc_reach_mark("a", SC_MARK_ISSUER, "Acme CA"), 0);
    CHECK_INT("another thing", sc_reach_mark("b", SC_MARK_ISSUER, "Other CA"), 0);
    CHECK_INT("the same thing", sc_reach_mark("c", SC_MARK_ISSUER, "Acme CA"), 1);
    CHECK_INT("another kind", sc_reach_mark("d", SC_MARK_PAGE, "Acme CA"), 0);
    sc_reach_answered("a", true);
    CHECK_INT("its certificate was good since", sc_reach_mark("c", SC_MARK_ISSUER, "Acme CA"), 0);
    CHECK_INT("the page is no certificate", sc_reach_mark("e", SC_MARK_PAGE, "Acme CA"), 1);
    sc_reach_unmark("d", SC_MARK_PAGE);
    CHECK_INT("unmarked", sc_reach_mark("e", SC_MARK_PAGE, "Acme CA"), 0);
    now += SC_REACH_MS;
    CHECK_INT("lately is over", sc_reach_mark("f", SC_MARK_ISSUER, "Acme CA"), 0);
}

static void test_cuts(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 5; i++) {
        struct sc_reach_cuts cuts = sc_reach_cut("a", i == 3 ? 0 : 60000 + i);
        CHECK_INT("counted", cuts.count, i);
    }
    CHECK_INT("median of the known ages", sc_reach_cut("a", 1).median_age_ms, 60002);
    CHECK_INT("another host's are its own", sc_reach_cut("b", 0).count, 1);
    CHECK_INT("no age is known", sc_reach_cut("b", 0).median_age_ms, 0);
    now += 3600000;
    CHECK_INT("an hour later", sc_reach_cut("a", 5).count, 1);
    for (unsigned i = 0; i < 40; i++)
        sc_reach_cut("c", 7);
    CHECK_INT("no more than are remembered", sc_reach_cut("c", 7).count, SC_REACH_CUTS);
}

static void test_clocks(void **state)
{
    (void)state;
    CHECK_INT("nobody can say", sc_reach_own_error(), SC_TIME_NONE);
    sc_reach_clock("a", 372000);
    sc_reach_clock("b", 1000);
    sc_reach_clock("c", -2000);
    sc_reach_clock("d", 90000);
    struct sc_reach_clocks c = sc_reach_clocks("a", 372000);
    CHECK_INT("with us", c.with_us, 2);
    CHECK_INT("with it: nobody but itself", c.with_it, 0);
    CHECK_TRUE("NATS has not said", !c.nats_with_us && !c.nats_with_it);
    CHECK_INT("two are not three", sc_reach_own_error(), SC_TIME_NONE);
    sc_reach_nats_clock(370000);
    c = sc_reach_clocks("a", 372000);
    CHECK_TRUE("NATS agrees with it", c.nats_with_it && !c.nats_with_us);
    CHECK_INT("NATS' word", sc_reach_own_error(), 370000);
    now += SC_REACH_MS;
    CHECK_INT("long ago", sc_reach_own_error(), SC_TIME_NONE);
    sc_reach_clock("a", 60000);
    sc_reach_clock("b", 61000);
    sc_reach_clock("c", 59000);
    CHECK_TRUE("three that agree", sc_reach_own_error() >= 59000 && sc_reach_own_error() <= 61000);
}

static void test_lookups(void **state)
{
    (void)state;
    CHECK_INT("one", sc_reach_lookup(5000).p95_ms, 5000);
    for (unsigned i = 0; i < 10; i++)
        sc_reach_lookup(20 + i);
    struct sc_reach_lookups l = sc_reach_lookup(1000);
    CHECK_INT("count", l.count, 12);
    CHECK_INT("slow", l.slow, 2);
    CHECK_INT("of the newest eight", l.newest_slow, 1);
    CHECK_INT("p95 of twelve is the longest", l.p95_ms, 5000);
    for (unsigned i = 0; i < 16; i++)
        l = sc_reach_lookup(999);
    CHECK_INT("no more than are remembered", l.count, SC_REACH_LOOKUPS);
    CHECK_INT("all are quick", l.slow, 0);
}

static void test_room(void **state)
{
    char name[32];
    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        now++;
        snprintf(name, sizeof name, "host-%u", i);
        sc_reach_answered(name, true);
    }
    CHECK_INT("the newest are remembered", sc_reach_others("x").answered, 256);
    CHECK_INT("the oldest are not", sc_reach_mark("host-0", SC_MARK_PAGE, "p"), 0);
    sc_reach_answered("", true);
    sc_reach_answered("a name that is longer than any name of a host can be, which is 253 bytes: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                      "cccccccccccccccccccccccccccccc", true);
    CHECK_INT("no names; host-0 has been met, and has not answered", sc_reach_others("x").answered, 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_others, fresh), cmocka_unit_test_setup(test_marks, fresh),  cmocka_unit_test_setup(test_cuts, fresh),
        cmocka_unit_test_setup(test_clocks, fresh), cmocka_unit_test_setup(test_room, fresh), cmocka_unit_test_setup(test_lookups, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sc_reach_forget();
    return failed;
}
