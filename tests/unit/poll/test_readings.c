/* The dated set (what was read as a whole, and when) against a plain list: random readings, compaction, segments written and read again with and
 * without a limit; what a rewind leaves out makes the reading before count again; the cap; memory that runs out. */
#include "poll/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"
#include "random.h"

#define ROOM  3072u /* entries of a segment */
#define HOSTS 5000u
#define SLOTS 64u

static uint64_t print_of(uint64_t host)
{
    uint64_t seed = host + 1;
    return random_next(&seed);
}

static void begin(struct sc_seen *set, uint64_t max)
{
    sc_seen_init(set, max);
    set->dated = true;
}

/* 0: not known. */
static uint32_t when(const struct sc_seen *set, uint64_t host)
{
    uint64_t n = sc_seen_find(set, print_of(host));
    return n == SC_SEEN_NONE ? 0 : sc_seen_hash(set, n);
}

/* ---- a bucket ------------------------------------------------------------------------------------------------------------- */

struct bucket {
    struct sc_buf slots[SLOTS];
    uint32_t first, end;
};

static void save(struct sc_seen *set, struct bucket *to)
{
    to->first = sc_seen_first(set);
    to->end = sc_seen_end(set);
    assert_true(to->end - to->first <= SLOTS);
    for (uint32_t n = to->first; n != to->end; n++) {
        if (!sc_seen_dirty(set, n))
            continue;
        sc_buf_clear(&to->slots[n % SLOTS]);
        CHECK_INT("encoded", sc_seen_encode(set, n, &to->slots[n % SLOTS]), 0);
        CHECK_TRUE("below 64 KiB", to->slots[n % SLOTS].len < 65536);
    }
}

static void load(struct sc_seen *set, const struct bucket *from, uint64_t max_seq)
{
    sc_seen_done(set);
    set->first = from->first;
    for (uint32_t n = from->first; n != from->end; n++)
        CHECK_INT("loaded", sc_seen_load(set, n, sc_buf_str(&from->slots[n % SLOTS]), max_seq), 0);
}

static void empty(struct bucket *b)
{
    for (uint32_t i = 0; i < SLOTS; i++)
        sc_buf_done(&b->slots[i]);
}

/* ---- tests ----------------------------------------------------------------------------------------------------------------- */

static void test_readings_renew(void **state)
{
    (void)state;
    struct sc_seen set;
    struct bucket bucket = {0};
    begin(&set, 0);
    CHECK_INT("first", sc_seen_renew(&set, print_of(1), 1000, 7), 0);
    CHECK_INT("later", sc_seen_renew(&set, print_of(1), 2000, 9), 0);
    CHECK_INT("earlier: as if it were not there", sc_seen_renew(&set, print_of(1), 1500, 11), 0);
    CHECK_INT("relies on nothing", sc_seen_renew(&set, print_of(2), 1200, 0), 0);
    CHECK_INT("the latest", when(&set, 1), 2000);
    CHECK_INT("one each", sc_seen_entries(&set), 2);
    save(&set, &bucket);
    static const struct {
        uint64_t max_seq;
        uint32_t one, two;
        const char *why;
    } rows[] = {
        {UINT64_MAX, 2000, 1200, "nothing is left out"},
        {9, 2000, 1200, "up to that message"},
        {8, 1000, 1200, "the reading before counts again"},
        {6, 0, 1200, "none is proved"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        load(&set, &bucket, rows[i].max_seq);
        CHECK_INT(rows[i].why, when(&set, 1), rows[i].one);
        CHECK_INT(rows[i].why, when(&set, 2), rows[i].two);
    }
    CHECK_INT("what was left out is to be written without it", sc_seen_dirty(&set, 0), true);
    save(&set, &bucket);
    load(&set, &bucket, UINT64_MAX);
    CHECK_INT("it does not come back", when(&set, 1), 0);
    struct sc_seen other;
    sc_seen_init(&other, 0);
    CHECK_INT("not a set of identities", sc_seen_load(&other, 0, sc_buf_str(&bucket.slots[0]), UINT64_MAX), -1);
    sc_seen_done(&other);
    sc_seen_done(&set);
    empty(&bucket);
}

static struct {
    uint32_t seconds[HOSTS];
    uint64_t seq[HOSTS];
} model;

static void compare(const struct sc_seen *set, const char *why)
{
    for (uint32_t h = 0; h < HOSTS; h++)
        CHECK_INT(why, when(set, h), model.seconds[h]);
}

/* Fleets of which a part is read in each round; every now and then the agent starts again. */
static void test_readings_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct sc_seen set;
        struct bucket bucket = {0};
        uint64_t dice = seed, seq = 0;
        uint32_t now = 1000, fleet = seed % 2 ? HOSTS : 200, dropped = 0;
        memset(&model, 0, sizeof model);
        begin(&set, 0);
        for (unsigned round = 0; round < 120; round++) {
            uint64_t part = random_below(&dice, fleet / 2) + 1;
            now += 1800;
            seq += random_below(&dice, 3) * 50;
            for (uint64_t i = 0; i < part; i++) {
                uint32_t h = (uint32_t)random_below(&dice, fleet);
                CHECK_INT("renewed", sc_seen_renew(&set, print_of(h), now, seq), 0);
                model.seconds[h] = now;
                model.seq[h] = seq;
            }
            uint32_t first = sc_seen_first(&set);
            sc_seen_compact(&set);
            dropped += sc_seen_first(&set) - first;
            uint64_t segments = sc_seen_end(&set) - sc_seen_first(&set);
            CHECK_TRUE("bounded", segments * ROOM <= 2 * sc_seen_entries(&set) + 3 * ROOM);
            save(&set, &bucket);
            if (random_below(&dice, 10) == 0)
                load(&set, &bucket, UINT64_MAX);
            if (round % 20 == 19)
                compare(&set, "as in the list");
        }
        CHECK_TRUE("segments were dropped", dropped > 0);
        load(&set, &bucket, seq ? seq - 1 : 0);
        for (uint32_t h = 0; h < HOSTS; h++)
            CHECK_TRUE("never later than what is proved", when(&set, h) <= model.seconds[h] && (model.seq[h] < seq || when(&set, h) < now || !seq));
        sc_seen_done(&set);
        empty(&bucket);
    }
}

/* Over the cap the oldest go: what is not known is published again, never left out. */
static void test_readings_cap(void **state)
{
    (void)state;
    struct sc_seen set;
    begin(&set, 2 * ROOM);
    for (uint32_t h = 0; h < HOSTS + ROOM; h++)
        CHECK_INT("taken", sc_seen_renew(&set, print_of(h), 1000 + h, h + 1), 0);
    CHECK_TRUE("said", set.overflowed);
    CHECK_TRUE("at most so many", sc_seen_entries(&set) <= 2 * ROOM);
    CHECK_INT("the oldest is gone", when(&set, 0), 0);
    CHECK_INT("the newest is there", when(&set, HOSTS + ROOM - 1), 1000 + HOSTS + ROOM - 1);
    uint64_t entries = sc_seen_entries(&set);
    CHECK_INT("one that is known takes no place", sc_seen_renew(&set, print_of(HOSTS + ROOM - 1), 90000, 90000), 0);
    CHECK_INT("so nothing goes", sc_seen_entries(&set), entries);
    sc_seen_compact(&set);
    CHECK_INT("nothing is superseded", sc_seen_entries(&set), entries);
    sc_seen_done(&set);
}

static void test_readings_out_of_memory(void **state)
{
    (void)state;
    struct sc_seen set;
    unsigned failures = 0;
    begin(&set, 0);
    for (uint32_t n = 0; n < 4 * ROOM; n++) {
        uint32_t h = n % 700, before = when(&set, h);
        failalloc_arm(1);
        int rc = sc_seen_renew(&set, print_of(h), 1000 + n, n + 1);
        bool failed = failalloc_disarm();
        failures += failed;
        CHECK_INT("told", rc, failed ? -1 : 0);
        CHECK_INT("as before, or renewed", when(&set, h), failed ? before : 1000 + n);
        if (failed)
            CHECK_INT("again", sc_seen_renew(&set, print_of(h), 1000 + n, n + 1), 0);
    }
    CHECK_TRUE("allocations were made to fail", failures > 4);
    for (long n = 1, failed = 1; failed; n++) {
        failalloc_arm(n);
        sc_seen_compact(&set);
        failed = failalloc_disarm();
        for (uint32_t h = 0; h < 700; h++)
            CHECK_TRUE("nothing is lost", when(&set, h) >= 1000);
    }
    CHECK_TRUE("compacted", sc_seen_end(&set) - sc_seen_first(&set) <= 2);
    sc_seen_done(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readings_renew),
        cmocka_unit_test(test_readings_random),
        cmocka_unit_test(test_readings_cap),
        cmocka_unit_test(test_readings_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
