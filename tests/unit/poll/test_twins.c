/* Equal records of a page against a plain list: counted, kept, undone, in long random runs. */
#include "poll/twins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"
#include "random.h"

#define NAMES 700

/* Many on few places of the table, so that runs are long. */
static uint64_t fingerprint(uint64_t n)
{
    return n % 3 ? (n << 20 | (n % 5) << 7) : n * 0x9E3779B97F4A7C15ull;
}

static void compare(const struct sc_twins *twins, const uint32_t *kept, const uint32_t *recent)
{
    for (uint64_t n = 0; n < NAMES; n++)
        CHECK_INT("the next one's number", sc_twins_next(twins, fingerprint(n)), kept[n] + recent[n] + 1);
}

static void test_twins_random(void **state)
{
    (void)state;
    struct sc_twins twins = {0};
    uint32_t kept[NAMES] = {0}, recent[NAMES] = {0};
    uint64_t seed = 7;
    for (int step = 0; step < 60000; step++) {
        uint64_t dice = random_below(&seed, 2000), n = random_below(&seed, NAMES);
        if (dice > 5) {
            CHECK_INT("there is memory", sc_twins_add(&twins, fingerprint(n)), 0);
            recent[n]++;
        } else if (dice == 0) {
            sc_twins_forget(&twins);
            memset(kept, 0, sizeof kept);
            memset(recent, 0, sizeof recent);
        } else if (dice < 3) {
            sc_twins_keep(&twins);
            for (int i = 0; i < NAMES; i++)
                kept[i] += recent[i];
            memset(recent, 0, sizeof recent);
        } else {
            sc_twins_undo(&twins);
            memset(recent, 0, sizeof recent);
        }
        if (dice <= 5)
            compare(&twins, kept, recent);
    }
    sc_twins_forget(&twins);
}

/* Who was counted before memory ran out still counts, and whoever was not, does not. */
static void test_twins_out_of_memory(void **state)
{
    (void)state;
    long rounds = 0;
    for (bool failed = true; failed; rounds++) {
        struct sc_twins twins = {0};
        uint64_t good = 0;
        failalloc_arm(rounds + 1);
        while (good < NAMES && sc_twins_add(&twins, fingerprint(good)) == 0)
            good++;
        failed = failalloc_disarm();
        CHECK_INT("told", good < NAMES, failed);
        for (uint64_t n = 0; n < NAMES; n++)
            CHECK_INT("counted", sc_twins_next(&twins, fingerprint(n)), n < good ? 2 : 1);
        sc_twins_undo(&twins);
        CHECK_INT("undone", sc_twins_next(&twins, fingerprint(0)), 1);
        sc_twins_forget(&twins);
    }
    CHECK_TRUE("allocations were made to fail", rounds > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twins_random),
        cmocka_unit_test(test_twins_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
