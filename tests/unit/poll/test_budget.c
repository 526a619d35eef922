/* Budget pools with a clock of our own: never more than allowed in any window, whatever the vendor,
 * the operator and memory do; and never less than there is, once the window before the start is
 * over. */
#include "poll/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"
#include "random.h"

#include <stdlib.h>

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define NONE       SC_TIME_NONE

static int64_t now;
static uint64_t seed;

static uint64_t below(uint64_t n)
{
    return random_below(&seed, n);
}

static void begin(struct sc_budget *b, uint32_t requests, uint32_t per_s, uint32_t concurrency)
{
    static struct sc_pool pool;
    pool = (struct sc_pool){
        .name = "api", .requests = requests, .per_s = per_s, .concurrency = concurrency};
    CHECK_INT("begins", sc_budget_init(b, "api", &pool, now), 0);
    sc_budget_override(b, 0, 0, 0, now); /* no reserve, if the test names none */
}

/* Sends as fast as it may for so long; returns how many. */
static uint32_t send_for(struct sc_budget *b, int64_t ms, uint32_t most)
{
    uint32_t n = 0;
    for (int64_t end = now + ms; n < most;) {
        int64_t when = sc_budget_when(b, now);
        CHECK_TRUE("nobody else is in flight", when != INT64_MAX);
        if (when >= end) {
            now = end;
            break;
        }
        now = when > now ? when : now;
        sc_budget_take(b, now);
        sc_budget_release(b);
        n++;
    }
    return n;
}

/* ---- limits ---- */

static void test_budget_allowed(void **state)
{
    (void)state;
    static const struct {
        uint32_t requests, reserve, want;
        const char *why;
    } rows[] = {
        {0,          10,  0,          "unlimited"        },
        {100,        0,   100,        "no reserve"       },
        {100,        10,  90,         "reserve"          },
        {9,          10,  9,          "reserve below one"},
        {1,          90,  1,          "at least one"     },
        {2,          90,  1,          "most of little"   },
        {10,         100, 1,          "all of it"        },
        {10,         200, 1,          "more than all"    },
        {UINT32_MAX, 10,  3865470566, "the largest"      },
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_INT(rows[i].why,
                  sc_budget_allowed(&(struct sc_budget){.requests = rows[i].requests,
                                                        .reserve_percent = rows[i].reserve}),
                  rows[i].want);
}

/* One probe, then the rate, then whatever the window allows. */
static void test_budget_begins_empty(void **state)
{
    (void)state;
    static const struct {
        uint32_t requests, per_s;
        const char *why;
    } rows[] = {
        {1,    1,          "one a second"               },
        {2,    60,         "two a minute"               },
        {60,   60,         "one a second, by the minute"},
        {100,  60,         "no whole ms"                },
        {4096, 60,         "a full log"                 },
        {600,  0,          "a minute when not told"     },
        {1000, 86400,      "a day"                      },
        {7,    31 * 86400, "a month"                    },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_budget b;
        int64_t window = rows[i].per_s ? rows[i].per_s * 1000ll : 60000;
        now = 5000000;
        begin(&b, rows[i].requests, rows[i].per_s, 0);
        int64_t began = now;
        CHECK_INT(rows[i].why, sc_budget_when(&b, now), now);
        for (uint32_t n = 0; n < rows[i].requests; n++) {
            int64_t earliest = began + (int64_t)((double)window * n / rows[i].requests) - 1;
            send_for(&b, window + 1, 1);
            CHECK_TRUE("not before the rate has it",
                       n == 0 ? now == began : now >= earliest && now <= earliest + 2);
        }
        now = began + 3 * window;
        CHECK_INT("rested: all at once", send_for(&b, 1, UINT32_MAX), rows[i].requests);
        CHECK_INT("and then a whole window later", sc_budget_when(&b, now), now - 1 + window);
        CHECK_INT("as many again", send_for(&b, window, UINT32_MAX), rows[i].requests);
        sc_budget_done(&b);
        sc_budget_done(&b);
    }
}

/* Limits beyond the log are kept in slices: never over, and not much below. */
static void test_budget_large(void **state)
{
    (void)state;
    static const uint32_t limits[] = {4097, 5000, 8191, 8193, 10000, 100000, 12345678};
    for (size_t i = 0; i < ROWS(limits); i++) {
        struct sc_budget b;
        now = 1000;
        begin(&b, limits[i], 60, 0);
        CHECK_INT("one probe", send_for(&b, 1, UINT32_MAX), 1);
        now += 200000;
        uint32_t sent = send_for(&b, 1, UINT32_MAX);
        CHECK_TRUE("not more", sent <= limits[i]);
        CHECK_TRUE("most of it", sent > limits[i] / 100 * (limits[i] < 10000 ? 50 : 95));
        CHECK_INT("nothing more in the window", send_for(&b, 59998, UINT32_MAX), 0);
        sc_budget_done(&b);
    }
}

static void test_budget_unlimited(void **state)
{
    (void)state;
    struct sc_budget b;
    now = 1;
    begin(&b, 0, 0, 0);
    CHECK_INT("no limit", send_for(&b, 10, 100000), 100000);
    CHECK_INT("counted", b.used, 100000);
    sc_budget_learn(&b, 50, -1, NONE, now);
    CHECK_TRUE("a limit that a header names", send_for(&b, 60000, UINT32_MAX) <= 51);
    sc_budget_done(&b);
}

static void test_budget_concurrency(void **state)
{
    (void)state;
    struct sc_budget b;
    now = 1;
    begin(&b, 0, 0, 2);
    sc_budget_take(&b, now);
    CHECK_INT("room", sc_budget_when(&b, now), now);
    sc_budget_take(&b, now);
    CHECK_INT("until one ends", sc_budget_when(&b, now), INT64_MAX);
    sc_budget_release(&b);
    CHECK_INT("room", sc_budget_when(&b, now), now);
    sc_budget_release(&b);
    sc_budget_release(&b);
    CHECK_INT("one too many is none", b.in_flight, 0);
    sc_budget_done(&b);
}

/* What a walk behind the others may take: half of what there is, never the last place, nothing that the vendor keeps for later. */
static void test_budget_spare(void **state)
{
    (void)state;
    struct sc_budget b;
    now = 1000000;
    begin(&b, 10, 60, 0);
    now += 60000; /* the window before the start is over */
    for (int i = 0; i < 5; i++) {
        CHECK_INT("the first half", sc_budget_when_spare(&b, now), now);
        sc_budget_take(&b, now);
        sc_budget_release(&b);
    }
    CHECK_INT("not the second", sc_budget_when_spare(&b, now), now + 60000);
    CHECK_INT("which is for others", sc_budget_when(&b, now), now);
    sc_budget_wait(&b, now + 70000, 77);
    CHECK_INT("nor before what was named", sc_budget_when_spare(&b, now), now + 70000);
    sc_budget_done(&b);
    begin(&b, 0, 0, 2);
    CHECK_INT("one of two at once", sc_budget_when_spare(&b, now), now);
    sc_budget_take(&b, now);
    CHECK_INT("never the last place", sc_budget_when_spare(&b, now), INT64_MAX);
    CHECK_INT("which is for others", sc_budget_when(&b, now), now);
    sc_budget_done(&b);
    begin(&b, 0, 0, 1);
    CHECK_INT("the only place, when nobody has it", sc_budget_when_spare(&b, now), now);
    sc_budget_take(&b, now);
    CHECK_INT("until it is free", sc_budget_when_spare(&b, now), INT64_MAX);
    sc_budget_done(&b);
    begin(&b, 100, 60, 0);
    now += 60000;
    sc_budget_learn(&b, 100, 51, now + 30000, now);
    CHECK_INT("more than half is left by the vendor's word", sc_budget_when_spare(&b, now), now);
    sc_budget_learn(&b, 100, 50, now + 30000, now);
    CHECK_INT("half", sc_budget_when_spare(&b, now), now + 30000);
    sc_budget_done(&b);
}

static void test_budget_wait(void **state)
{
    (void)state;
    struct sc_budget b;
    now = 1000;
    begin(&b, 0, 0, 1);
    sc_budget_wait(&b, 5000, 77);
    CHECK_INT("named", sc_budget_when(&b, now), 5000);
    sc_budget_wait(&b, 4000, 66);
    CHECK_INT("never shortened", sc_budget_when(&b, now), 5000);
    CHECK_INT("nor its real time", b.wait_until_real, 77);
    sc_budget_wait(&b, 6000, 88);
    CHECK_INT("made longer", sc_budget_when(&b, now), 6000);
    CHECK_INT("made longer", b.wait_until_real, 88);
    CHECK_INT("over", sc_budget_when(&b, 6000), 6000);
    sc_budget_take(&b, 6000);
    sc_budget_wait(&b, 9000, 99);
    CHECK_INT("until the other one ends", sc_budget_when(&b, 6000), INT64_MAX);
    sc_budget_done(&b);
}

/* ---- what the vendor says ---- */

static void test_budget_remaining(void **state)
{
    (void)state;
    static const struct {
        uint32_t reserve, in_flight;
        int64_t remaining, reset; /* ms from now; NONE: not named */
        int64_t want;             /* ms from now until the next may go */
        const char *why;
    } rows[] = {
        {10, 0, 50, 30000, 0,     "room"                                },
        {10, 0, 10, 30000, 30000, "the reserve is not for us"           },
        {10, 0, 11, 30000, 0,     "one above the reserve"               },
        {10, 1, 11, 30000, 30000, "and that one is under way"           },
        {0,  0, 0,  30000, 30000, "nothing left"                        },
        {0,  0, 1,  30000, 0,     "the last"                            },
        {0,  5, 3,  30000, 30000, "more under way than are left"        },
        {0,  0, 0,  NONE,  0,     "nothing left, until when is not said"},
        {0,  0, 0,  0,     0,     "resets now"                          },
        {0,  0, 0,  -5000, 0,     "has been reset"                      },
        {0,  0, -1, 30000, 0,     "not named"                           },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_budget b;
        now = 1000;
        begin(&b, 100, 60, 0);
        sc_budget_override(&b, 0, 0, rows[i].reserve, now);
        now += 120000;
        for (uint32_t n = 0; n < rows[i].in_flight; n++)
            sc_budget_take(&b, now);
        sc_budget_learn(&b, -1, rows[i].remaining,
                        rows[i].reset == NONE ? NONE : now + rows[i].reset, now);
        CHECK_INT(rows[i].why, sc_budget_when(&b, now) - now, rows[i].want);
        if (rows[i].reset != NONE && rows[i].reset > 0)
            CHECK_INT("after the reset", sc_budget_when(&b, now + rows[i].reset),
                      now + rows[i].reset);
        sc_budget_done(&b);
    }
}

/* What people are told of it. */
static void test_budget_words(void **state)
{
    (void)state;
    static const struct {
        const char *why, *want;
        uint32_t requests, per_s, concurrency, reserve, override, sent;
        int64_t limit, remaining;
        int outside;
        uint64_t hourly;
    } rows[] = {
        {"the connector's", "api: 90 of 100 a minute (as the connector knows it), 0 used, 10 kept for others", 100, 60, 0, 10, 0, 0, -1, -1, -1, 5400},
        {"the vendor's header", "api: 540 of 600 a minute (X-Limit), 30 used, 60 kept for others", 100, 60, 0, 10, 0, 30, 600, -1, -1, 32400},
        {"what others have used", "api: 600 of 600 a minute (X-Limit), 30 used, 0 kept for others, others have used 35 %", 100, 60, 0, 0, 0, 30, 600, 360, 35, 36000},
        {"nobody else", "api: 600 of 600 a minute (X-Limit), 30 used, 0 kept for others", 100, 60, 0, 0, 0, 30, 600, 570, 0, 36000},
        {"the operator's, which is lower", "api: 50 of 50 a minute (rate_limit of the integration), 3 used, 0 kept for others", 100, 60, 0, 0, 50, 3, 600, -1, -1, 3000},
        {"another window", "api: 5000 of 5000 an hour (as the connector knows it), 0 used, 0 kept for others", 5000, 3600, 0, 0, 0, 0, -1, -1, -1, 5000},
        {"an odd one", "api: 3 of 3 in 90 s (as the connector knows it), 0 used, 0 kept for others, 2 at once", 3, 90, 2, 0, 0, 0, -1, -1, -1, 120},
        {"a day", "api: 100 of 100 a day (as the connector knows it), 0 used, 0 kept for others", 100, 86400, 0, 0, 0, 0, -1, -1, -1, 4},
        {"none", "api: no limit in time is known", 0, 60, 0, 0, 0, 5, -1, -1, -1, 0},
        {"at once alone", "api: no limit in time, 4 at once", 0, 60, 4, 0, 0, 5, -1, -1, -1, 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_budget b;
        struct sc_buf words = {0};
        const struct sc_pool pool = {.name = "api", .requests = rows[i].requests, .per_s = rows[i].per_s, .concurrency = rows[i].concurrency, .limit_header = "X-Limit"};
        now = 1000;
        CHECK_INT("begins", sc_budget_init(&b, "api", &pool, now), 0);
        sc_budget_override(&b, rows[i].override, 60, rows[i].reserve, now);
        now += 2 * (int64_t)rows[i].per_s * 1000;
        sc_budget_learn(&b, rows[i].limit, -1, NONE, now);
        for (uint32_t n = 0; n < rows[i].sent; n++) {
            sc_budget_take(&b, now);
            sc_budget_release(&b);
        }
        sc_budget_learn(&b, rows[i].limit, rows[i].remaining, now + 30000, now);
        sc_budget_describe(&b, now, &words);
        CHECK_TEXT(rows[i].why, sc_buf_str(&words).ptr, rows[i].want);
        CHECK_INT(rows[i].why, sc_budget_outside(&b, now), rows[i].outside);
        CHECK_INT(rows[i].why, sc_budget_hourly(&b), rows[i].hourly);
        sc_buf_done(&words);
        sc_budget_done(&b);
    }
}

/* Replies that name what is left but not until when: the window is ours to keep, at every reply. */
static void test_budget_remaining_without_reset(void **state)
{
    (void)state;
    struct sc_budget b;
    now = 1000;
    begin(&b, 10, 60, 0);
    uint32_t sent = 0;
    for (int64_t end = now + 60000; now < end; now += 100) {
        if (sc_budget_when(&b, now) > now)
            continue;
        sc_budget_take(&b, now);
        sc_budget_release(&b);
        sent++;
        sc_budget_learn(&b, 10, 9, NONE, now);
    }
    CHECK_INT("no more than the limit", sent, 10);
    sc_budget_done(&b);
}

/* The first reply says what the time before the start was like. */
static void test_budget_first_word(void **state)
{
    (void)state;
    static const struct {
        int64_t limit, remaining, reset;
        uint32_t want; /* that may go at once after the probe */
        const char *why;
    } rows[] = {
        {100,       99,        30000, 99,  "nobody used it"                           },
        {100,       99,        NONE,  99,  "nobody used it, reset not named"          },
        {100,       40,        30000, 40,  "others use it"                            },
        {100,       40,        NONE,  40,  "others use it, reset not named"           },
        {100,       0,         30000, 0,   "used up"                                  },
        {-1,        99,        NONE,  99,  "the limit is not named"                   },
        {50,        49,        NONE,  49,  "a lower limit"                            },
        {200,       199,       30000, 199, "a higher limit"                           },
        {200,       -1,        NONE,  0,   "a higher limit and nothing else: the rate"},
        {50,        -1,        NONE,  0,   "a lower limit and nothing else: the rate" },
        {-1,        -1,        30000, 0,   "nothing"                                  },
        {-1,        INT64_MAX, NONE,  99,  "absurdly much"                            },
        {INT64_MAX, 99,        NONE,  99,  "an absurd limit"                          },
        {0,         99,        NONE,  99,  "a limit of nothing is none"               },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_budget b;
        now = 100000;
        begin(&b, 100, 60, 0);
        CHECK_INT("the probe", send_for(&b, 1, UINT32_MAX), 1);
        now += 50;
        sc_budget_learn(&b, rows[i].limit, rows[i].remaining,
                        rows[i].reset == NONE ? NONE : now + rows[i].reset, now);
        CHECK_INT(rows[i].why, send_for(&b, 1, UINT32_MAX), rows[i].want);
        sc_budget_done(&b);
    }
}

/* A limit that changes does not forget what was sent. */
static void test_budget_limit_changes(void **state)
{
    (void)state;
    static const struct {
        uint32_t before, after;
        int64_t remaining;
        uint32_t want; /* that may go at once after `before` were sent */
        const char *why;
    } rows[] = {
        {100, 50,  -1, 0,  "lower"                          },
        {100, 50,  50, 0,  "lower, and the vendor has room" },
        {50,  100, -1, 50, "higher: the difference"         },
        {50,  100, 90, 50, "higher, and the vendor has room"},
        {50,  100, 20, 20, "higher, and the vendor has less"},
        {100, 1,   -1, 0,  "down to one"                    },
        {1,   100, -1, 99, "up from one"                    },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_budget b;
        now = 100000;
        begin(&b, rows[i].before, 60, 0);
        now += 120000;
        CHECK_INT(rows[i].why, send_for(&b, 1, UINT32_MAX), rows[i].before);
        sc_budget_learn(&b, rows[i].after, rows[i].remaining, now + 60000, now);
        CHECK_INT(rows[i].why, send_for(&b, 1, UINT32_MAX), rows[i].want);
        if (rows[i].after < rows[i].before)
            CHECK_INT("until the old ones are out of the window", sc_budget_when(&b, now),
                      100000 + 120000 + 60000);
        sc_budget_done(&b);
    }
}

static void test_budget_limit_changes_large(void **state)
{
    (void)state;
    struct sc_budget b;
    now = 100000;
    begin(&b, 10000, 60, 0);
    now += 120000;
    uint32_t sent = send_for(&b, 1, UINT32_MAX);
    CHECK_TRUE("most of it", sent > 9000 && sent <= 10000);
    sc_budget_learn(&b, 6000, -1, NONE, now);
    CHECK_INT("lower: nothing", send_for(&b, 1, UINT32_MAX), 0);
    sc_budget_learn(&b, 20000, -1, NONE, now);
    uint32_t more = send_for(&b, 1, UINT32_MAX);
    CHECK_TRUE("higher: no more than that together", sent + more <= 20000);
    CHECK_TRUE("but some", more > 0);
    sc_budget_done(&b);
}

/* ---- what the operator says ---- */

static void test_budget_override(void **state)
{
    (void)state;
    static const struct {
        struct {
            uint32_t requests, per_s, reserve;
        } calls[3];
        uint32_t want, per_s, reserve;
        const char *why;
    } rows[] = {
        {{{50, 60, 0}},                   50,   60,   0,  "lower than the connector's"          },
        {{{500, 60, 0}},                  500,  60,   0,  "higher: the operator knows better"   },
        {{{50, 60, 0}, {40, 60, 0}},      40,   60,   0,  "two: the lower"                      },
        {{{40, 60, 0}, {50, 60, 0}},      40,   60,   0,  "in either order"                     },
        {{{100, 60, 0}, {5000, 3600, 0}}, 5000, 3600, 0,  "compared as rates"                   },
        {{{5000, 3600, 0}, {100, 60, 0}}, 5000, 3600, 0,  "in either order"                     },
        {{{10, 1, 0}, {300, 0, 0}},       300,  60,   0,  "a minute when not told"              },
        {{{300, 0, 0}, {10, 1, 0}},       300,  60,   0,  "in either order"                     },
        {{{0, 0, 30}, {0, 0, 0}},         100,  60,   30, "reserve: the higher"                 },
        {{{0, 0, 5}, {0, 0, 30}},         100,  60,   30, "in either order"                     },
        {{{0, 0, 5}},                     100,  60,   5,  "lower than when nobody says anything"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_budget b;
        static const struct sc_pool pool = {.name = "api", .requests = 100, .per_s = 60};
        now = 1000;
        sc_budget_init(&b, "api", &pool, now);
        CHECK_INT("reserve when nobody says anything", sc_budget_allowed(&b), 90);
        for (size_t n = 0; n < 3; n++) {
            if (rows[i].calls[n].requests || rows[i].calls[n].reserve || n == 0)
                sc_budget_override(&b, rows[i].calls[n].requests, rows[i].calls[n].per_s,
                                   rows[i].calls[n].reserve, now);
        }
        if (i == 8)
            sc_budget_override(&b, 0, 0, 0, now);
        CHECK_INT(rows[i].why, b.requests, rows[i].want);
        CHECK_INT(rows[i].why, b.window_ms, rows[i].per_s * 1000);
        CHECK_INT(rows[i].why, b.reserve_percent, rows[i].reserve);
        CHECK_INT("still one probe", send_for(&b, 1, UINT32_MAX), 1);
        sc_budget_done(&b);
    }
}

static void test_budget_override_and_headers(void **state)
{
    (void)state;
    struct sc_budget b;
    now = 1000;
    begin(&b, 100, 60, 0);
    sc_budget_override(&b, 50, 60, 0, now);
    sc_budget_learn(&b, 80, -1, NONE, now);
    CHECK_INT("not raised by a header", sc_budget_allowed(&b), 50);
    sc_budget_learn(&b, 20, -1, NONE, now);
    CHECK_INT("lowered by a header", sc_budget_allowed(&b), 20);
    sc_budget_done(&b);
}

/* A longer window, in the middle: the time before the old one is as unknown as that before the
 * start. */
static void test_budget_longer_window(void **state)
{
    (void)state;
    struct sc_budget b;
    now = 100000;
    begin(&b, 100, 60, 0);
    now += 120000;
    send_for(&b, 1, UINT32_MAX);
    sc_budget_override(&b, 1000, 3600, 0, now);
    CHECK_TRUE("not all of it at once", send_for(&b, 1, UINT32_MAX) <= 1);
    sc_budget_done(&b);
}

/* ---- any window ---- */

#define SENT_MAX 200000

static int64_t sent_at[SENT_MAX];
static uint32_t sent_count,
    sent_unlimited; /* those that went while there was no limit are not counted */

static uint32_t in_window(int64_t window)
{
    uint32_t n = 0;
    while (n < sent_count - sent_unlimited && sent_at[sent_count - 1 - n] > now - window)
        n++;
    return n;
}

static void take_and_check(struct sc_budget *b)
{
    sc_budget_take(b, now);
    sent_at[sent_count++ % SENT_MAX] = now;
    assert_true(sent_count < SENT_MAX);
    if (!b->requests) {
        sent_unlimited = sent_count;
    } else {
        uint32_t n = in_window(b->window_ms), allowed = sc_budget_allowed(b);
        if (n > allowed)
            print_error("%u in %u ms, allowed %u\n", n, b->window_ms, allowed);
        CHECK_TRUE("never more in any window", n <= allowed);
    }
}

static void random_word(struct sc_budget *b)
{
    int64_t limit = below(3) ? -1 : (int64_t)below(120);
    int64_t remaining = below(3) ? -1 : (int64_t)below(150),
            reset = below(3) ? NONE : now + (int64_t)below(20000) - 5000;
    sc_budget_learn(b, limit, remaining, reset, now);
}

static void any_clock(uint64_t a_seed, uint32_t requests, uint32_t per_s, uint32_t concurrency,
                      bool words, bool out_of_memory)
{
    struct sc_budget b;
    seed = a_seed;
    sent_count = sent_unlimited = 0;
    now = (int64_t)below(1000000);
    begin(&b, requests, per_s, concurrency);
    for (int step = 0; step < 4000; step++) {
        now += below(30) == 0 ? (int64_t)below(3 * b.window_ms)
               : below(3)     ? 0
                              : (int64_t)below(b.window_ms / (requests + 1) + 2);
        int64_t when = sc_budget_when(&b, now);
        CHECK_TRUE("never in the past", when >= now);
        CHECK_INT("only when others are in flight", when == INT64_MAX,
                  concurrency && b.in_flight >= concurrency);
        if (when != INT64_MAX && below(2)) {
            now = when; /* exactly when it said */
            CHECK_INT("then it may", sc_budget_when(&b, now), now);
        }
        if (sc_budget_when(&b, now) <= now)
            take_and_check(&b);
        CHECK_TRUE("in flight", !concurrency || b.in_flight <= concurrency);
        if (b.in_flight && below(2))
            sc_budget_release(&b);
        if (out_of_memory)
            failalloc_arm(1 + (long)below(2));
        if (words && below(10) == 0)
            random_word(&b);
        if (words && below(400) == 0)
            sc_budget_override(&b, 1 + (uint32_t)below(150), per_s, (uint32_t)below(91), now);
        failalloc_disarm();
        if (below(500) == 0)
            sc_budget_wait(&b, now + (int64_t)below(5000), 1);
    }
    CHECK_INT("counted", b.used, sent_count);
    CHECK_TRUE("something was sent", sent_count > 100);
    sc_budget_done(&b);
}

static void test_budget_any_window(void **state)
{
    (void)state;
    static const uint32_t limits[] = {1, 2, 3, 10, 97, 600};
    for (size_t i = 0; i < ROWS(limits); i++) {
        for (uint64_t s = 1; s <= 6; s++) {
            any_clock(s, limits[i], 10, (uint32_t)s % 3, false, false);
            any_clock(100 + s, limits[i], 10, (uint32_t)s % 3, true, false);
            any_clock(200 + s, limits[i], 10, (uint32_t)s % 3, true, true);
        }
    }
    any_clock(300, 0, 0, 3, true, false);
}

/* As fast as it may, all the time: at every moment no more than allowed, and over a long time
 * nearly as many. */
static void test_budget_greedy(void **state)
{
    (void)state;
    static const uint32_t limits[] = {1, 7, 100, 4096, 5000, 9000};
    for (size_t i = 0; i < ROWS(limits); i++) {
        struct sc_budget b;
        now = 0;
        sent_count = sent_unlimited = 0;
        begin(&b, limits[i], 10, 0);
        for (int64_t end = 15 * 10000; now < end;) {
            int64_t when = sc_budget_when(&b, now);
            now = when;
            if (now >= end)
                break;
            take_and_check(&b);
            sc_budget_release(&b);
        }
        CHECK_TRUE("not more", sent_count <= 15 * limits[i]);
        CHECK_TRUE("not much less",
                   sent_count >= 14 * (limits[i] > SC_BUDGET_LOG ? limits[i] / 2 : limits[i]));
        sc_budget_done(&b);
    }
}

/* ---- memory ---- */

static void test_budget_out_of_memory(void **state)
{
    (void)state;
    static const struct sc_pool limited = {.name = "api", .requests = 100, .per_s = 60},
                                unlimited = {.name = "api"};
    for (int which = 0; which < 2; which++) {
        long rounds = 0;
        for (bool failed = true; failed; rounds++) {
            struct sc_budget b;
            failalloc_arm(rounds + 1);
            int rc = sc_budget_init(&b, "api", which ? &unlimited : &limited, 0);
            failed = failalloc_disarm();
            CHECK_INT("told", rc, failed ? -1 : 0);
            if (rc == 0)
                sc_budget_done(&b); /* else there is nothing to be done */
        }
        CHECK_TRUE("allocations were made to fail", rounds > 2);
    }
    static const uint32_t limits[] = {1, 50, 100, 5000, 100000};
    for (size_t i = 0; i < ROWS(limits);
         i++) { /* from each pool to each limit, without memory for it */
        for (int which = 0; which < 2; which++) {
            struct sc_budget b;
            now = 1000;
            CHECK_INT("begins", sc_budget_init(&b, "api", which ? &unlimited : &limited, now), 0);
            now += 600000;
            failalloc_arm(1);
            sc_budget_learn(&b, limits[i], -1, NONE, now);
            failalloc_disarm();
            uint32_t n = send_for(&b, 59999, UINT32_MAX);
            CHECK_TRUE("not more than the limit", n <= sc_budget_allowed(&b));
            now += 60000;
            n = send_for(&b, 60000, UINT32_MAX);
            CHECK_TRUE("not more than the limit", n <= sc_budget_allowed(&b));
            CHECK_TRUE("but it goes on", n > 0);
            sc_budget_done(&b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget_allowed),
        cmocka_unit_test(test_budget_begins_empty),
        cmocka_unit_test(test_budget_large),
        cmocka_unit_test(test_budget_unlimited),
        cmocka_unit_test(test_budget_concurrency),
        cmocka_unit_test(test_budget_spare),
        cmocka_unit_test(test_budget_wait),
        cmocka_unit_test(test_budget_remaining),
        cmocka_unit_test(test_budget_words),
        cmocka_unit_test(test_budget_remaining_without_reset),
        cmocka_unit_test(test_budget_first_word),
        cmocka_unit_test(test_budget_limit_changes),
        cmocka_unit_test(test_budget_limit_changes_large),
        cmocka_unit_test(test_budget_override),
        cmocka_unit_test(test_budget_override_and_headers),
        cmocka_unit_test(test_budget_longer_window),
        cmocka_unit_test(test_budget_any_window),
        cmocka_unit_test(test_budget_greedy),
        cmocka_unit_test(test_budget_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
