/* Identities above the cap (poll/seen.h): what was found in the stream and is still to be met is spared. */
#include "poll/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "random.h"

#define SEG SC_SEEN_SEGMENT

static uint64_t scattered(uint64_t n)
{
    uint64_t seed = n;
    return random_next(&seed);
}

/* What was found and is still to be met stays, whatever comes; met, or passed, it goes as others do. */
static void test_seen_spares_unmet(void **state)
{
    (void)state;
    struct sc_seen seen, again;
    sc_seen_init(&seen, 3 * SEG);
    seen.spares_unmet = true;
    for (uint32_t n = 0; n < 10; n++)
        sc_seen_found(&seen, scattered(n), 1 + n, SC_TIME_NONE);
    for (uint32_t n = 100; n < 100 + 10 * SEG; n++)
        sc_seen_stored(&seen, sc_seen_add(&seen, scattered(n), 7, 1), n, 50);
    CHECK_INT("told", seen.overflowed, true);
    CHECK_INT("no more than may be", sc_seen_entries(&seen) <= 3 * SEG, true);
    for (uint32_t n = 0; n < 10; n++)
        CHECK_INT("still known", sc_seen_is_stored(&seen, sc_seen_find(&seen, scattered(n))), true);
    CHECK_INT("handed over long ago: gone", sc_seen_find(&seen, scattered(100)), SC_SEEN_NONE);
    CHECK_INT("just now: known", sc_seen_find(&seen, scattered(99 + 10 * SEG)) != SC_SEEN_NONE, true);

    sc_seen_init(&again, 3 * SEG); /* after a restart nobody knows the bytes any more, but the times */
    again.spares_unmet = true;
    again.passed_ms = 60;
    for (uint32_t s = sc_seen_first(&seen); s != sc_seen_end(&seen); s++) {
        SC_AUTO_BUF struct sc_buf buf = {0};
        CHECK_INT("written", sc_seen_encode(&seen, s, &buf), 0);
        CHECK_INT("read", sc_seen_load(&again, s, sc_buf_str(&buf), UINT64_MAX), 0);
    }
    for (uint32_t n = 0; n < 5; n++)
        sc_seen_set_hash(&again, sc_seen_find(&again, scattered(n)), 7); /* met */
    for (uint32_t n = 100000; n < 100000 + 10 * SEG; n++)
        sc_seen_stored(&again, sc_seen_add(&again, scattered(n), 7, 1), n, 70);
    for (uint32_t n = 0; n < 10; n++)
        CHECK_INT("known if not met", sc_seen_find(&again, scattered(n)) != SC_SEEN_NONE, n >= 5);
    for (uint32_t n = 200000; n < 200000 + 5 * SEG; n++) /* more of them than may be kept: the oldest go */
        sc_seen_found(&again, scattered(n), n, SC_TIME_NONE);
    CHECK_INT("no more than may be", sc_seen_entries(&again) <= 3 * SEG, true);
    CHECK_INT("the newest is known", sc_seen_find(&again, scattered(199999 + 5 * SEG)) != SC_SEEN_NONE, true);
    sc_seen_done(&seen);
    sc_seen_done(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seen_spares_unmet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
