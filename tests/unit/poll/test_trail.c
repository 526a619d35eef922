/* The trail of a checkpoint: its steps, a clock that is set back, random steps and rewinds against
 * a plain list, and every allocation failing in turn, jansson's too. */
#include "poll/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"
#include "random.h"

#define NOON 1795262400000 /* 2026-11-21T12:00:00Z */

static uint64_t seed;

static uint64_t below(uint64_t n)
{
    return random_below(&seed, n);
}

static void set_proof(struct sc_checkpoint *cp, uint64_t seq)
{
    free(cp->proof_msg_id);
    cp->proof_seq = seq;
    cp->proof_msg_id = sc_printf("id-%llu", (unsigned long long)seq);
    cp->floor = (struct sc_floor){seq / 2, seq / 3};
    cp->map = (uint32_t)seq;
    json_decref(cp->position);
    cp->position = json_pack("{s:s}", "at", cp->proof_msg_id);
}

static void check_entry(const struct sc_trail_entry *t, int64_t at, uint64_t seq)
{
    char id[40];
    snprintf(id, sizeof id, "id-%llu", (unsigned long long)seq);
    CHECK_INT("time", t->at_ms, at);
    CHECK_INT("sequence", t->seq, seq);
    CHECK_TEXT("message", t->msg_id, id);
    CHECK_TEXT("position", json_string_value(json_object_get(t->position, "at")), id);
    CHECK_INT("floor", t->floor.page, seq / 2);
    CHECK_INT("map", t->map, (uint32_t)seq);
}

static void test_trail_steps(void **state)
{
    (void)state;
    struct sc_checkpoint cp;
    sc_checkpoint_init(&cp);
    sc_checkpoint_trail(&cp, NOON, SC_TRAIL_MAX);
    CHECK_INT("nothing published yet: nothing to prove", cp.trail_count, 0);
    set_proof(&cp, 1);
    sc_checkpoint_trail(&cp, NOON, SC_TRAIL_MAX);
    CHECK_INT("the first at once", cp.trail_count, 1);
    set_proof(&cp, 2);
    sc_checkpoint_trail(&cp, NOON + 9999, SC_TRAIL_MAX);
    CHECK_INT("too soon", cp.trail_count, 1);
    sc_checkpoint_trail(&cp, NOON + 10000, SC_TRAIL_MAX);
    CHECK_INT("10 s later", cp.trail_count, 2);
    check_entry(&cp.trail[0], NOON, 1);
    check_entry(&cp.trail[1], NOON + 10000, 2);
    sc_checkpoint_trail(&cp, NOON + 10000 + SC_TRAIL_KEEP_MS, SC_TRAIL_MAX);
    check_entry(&cp.trail[0], NOON, 1); /* the anchor for rewinds at the edge of the 5 minutes */
    CHECK_INT("kept", cp.trail_count, 3);
    sc_checkpoint_trail(&cp, NOON + 10001 + SC_TRAIL_KEEP_MS, SC_TRAIL_MAX);
    CHECK_INT("the next is an anchor by now", cp.trail[0].at_ms, NOON + 10000);
    set_proof(&cp, 9);
    sc_checkpoint_trail(&cp, NOON + 90 * 86400000ll, SC_TRAIL_MAX);
    CHECK_INT("after a long time: one anchor and the present", cp.trail_count, 2);
    check_entry(&cp.trail[1], NOON + 90 * 86400000ll, 9);
    sc_checkpoint_done(&cp);
}

static void test_trail_clock_set_back(void **state)
{
    (void)state;
    struct sc_checkpoint cp;
    sc_checkpoint_init(&cp);
    for (int i = 0; i < 5; i++) {
        set_proof(&cp, 1 + (uint64_t)i);
        sc_checkpoint_trail(&cp, NOON + i * 10000, SC_TRAIL_MAX);
    }
    set_proof(&cp, 6);
    sc_checkpoint_trail(&cp, NOON - 3600000, SC_TRAIL_MAX);
    CHECK_INT("not due", cp.trail_count, 5);
    sc_checkpoint_trail(&cp, NOON - 3600000 + 10000, SC_TRAIL_MAX);
    CHECK_INT("goes on with the new time", cp.trail_count, 6);
    check_entry(&cp.trail[5], NOON - 3590000, 6);
    sc_checkpoint_done(&cp);
}

static void test_trail_few(void **state)
{
    (void)state;
    struct sc_checkpoint cp;
    sc_checkpoint_init(&cp);
    for (uint64_t i = 1; i <= 20; i++) {
        set_proof(&cp, i);
        sc_checkpoint_trail(&cp, NOON + (int64_t)i * 10000, 3);
        CHECK_TRUE("no more than asked for", cp.trail_count <= 3);
        CHECK_INT("the newest is there", cp.trail[cp.trail_count - 1].seq, i);
    }
    set_proof(&cp, 21);
    sc_checkpoint_trail(&cp, NOON + 210000, 0);
    CHECK_INT("none asked for: one", cp.trail_count, 1);
    check_entry(&cp.trail[0], NOON + 210000, 21);
    sc_checkpoint_trail(&cp, NOON + 220000, 1000);
    CHECK_INT("more than there is room for", cp.trail_count, 2);
    sc_checkpoint_done(&cp);
}

/* Random steps and rewinds against a list of what was added. */
static void test_trail_random(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= 8; s++) {
        struct sc_checkpoint cp;
        struct {
            int64_t at;
            uint64_t seq;
        } list[SC_TRAIL_MAX + 1];
        uint32_t count = 0, most = s % 2 ? SC_TRAIL_MAX : 6;
        int64_t now = NOON;
        uint64_t seq = 0;
        sc_checkpoint_init(&cp);
        seed = s;
        for (int step = 0; step < 3000; step++) {
            now += below(200) == 0 ? (int64_t)below(1000000) : (int64_t)below(9000);
            set_proof(&cp, seq += 1 + below(100));
            sc_checkpoint_trail(&cp, now, most);
            while (count > 1 && list[1].at < now - SC_TRAIL_KEEP_MS)
                memmove(list, list + 1, --count * sizeof list[0]);
            if (count == 0 || now - list[count - 1].at >= SC_TRAIL_STEP_MS) {
                if (count == most)
                    memmove(list, list + 1, --count * sizeof list[0]);
                list[count].at = now;
                list[count++].seq = seq;
            }
            if (below(100) == 0) {
                uint32_t i = (uint32_t)below(count);
                cp.walk = json_pack("{s:s}", "a", "b");
                cp.walk_from = sc_dup("x");
                cp.walk_page = 3;
                cp.open = false;
                sc_checkpoint_rewind(&cp, i);
                count = i + 1;
                seq = list[i].seq;
                CHECK_INT("rewound", cp.proof_seq, seq);
                CHECK_TRUE("the walk is closed",
                           !cp.walk && !cp.walk_from && !cp.walk_page && cp.open);
                check_entry(&(struct sc_trail_entry){.at_ms = 0,
                                                     .position = cp.position,
                                                     .floor = cp.floor,
                                                     .seq = cp.proof_seq,
                                                     .msg_id = cp.proof_msg_id,
                                                     .map = cp.map},
                            0, seq);
                json_object_set_new(cp.position, "more",
                                    json_string("x")); /* the trail has its own */
            }
            CHECK_INT("entries", cp.trail_count, count);
            for (uint32_t i = 0; i < count; i++) {
                check_entry(&cp.trail[i], list[i].at, list[i].seq);
                CHECK_INT("its own position", json_object_size(cp.trail[i].position), 1);
            }
        }
        sc_checkpoint_done(&cp);
    }
}

/* ---- memory ---- */

static void *any_malloc(size_t size)
{
    return malloc(size); /* the one that can be made to fail */
}

static void test_trail_out_of_memory(void **state)
{
    (void)state;
    for (long n = 1, failed = 1; failed; n++) {
        struct sc_checkpoint cp;
        sc_checkpoint_init(&cp);
        set_proof(&cp, 5);
        sc_checkpoint_trail(&cp, NOON, 1);
        set_proof(&cp, 6);
        failalloc_arm(n);
        sc_checkpoint_trail(&cp, NOON + 10000, 1);
        failed = failalloc_disarm();
        CHECK_INT("one", cp.trail_count, 1);
        check_entry(&cp.trail[0], failed ? NOON : NOON + 10000,
                    failed ? 5 : 6); /* the old one stays, whole */
        sc_checkpoint_done(&cp);
    }
    for (long n = 1, failed = 1; failed; n++) {
        struct sc_checkpoint cp;
        sc_checkpoint_init(&cp);
        for (uint64_t i = 1; i < 5; i++) {
            set_proof(&cp, i);
            sc_checkpoint_trail(&cp, NOON + (int64_t)i * 10000, SC_TRAIL_MAX);
        }
        failalloc_arm(n);
        sc_checkpoint_rewind(&cp, 2);
        failed = failalloc_disarm();
        CHECK_INT("rewound all the same", cp.proof_seq, 3);
        CHECK_TEXT("rewound all the same", cp.proof_msg_id, "id-3");
        CHECK_TEXT("rewound all the same", json_string_value(json_object_get(cp.position, "at")),
                   "id-3");
        CHECK_INT("no half entry", cp.trail_count, failed ? 2 : 3);
        check_entry(&cp.trail[cp.trail_count - 1], NOON + (failed ? 20000 : 30000), failed ? 2 : 3);
        SC_AUTO_BUF struct sc_buf buf = {0};
        CHECK_INT("can be written", sc_checkpoint_write(&cp, &buf), 0);
        sc_checkpoint_done(&cp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trail_steps),         cmocka_unit_test(test_trail_clock_set_back),
        cmocka_unit_test(test_trail_few),           cmocka_unit_test(test_trail_random),
        cmocka_unit_test(test_trail_out_of_memory),
    };
    json_set_alloc_funcs(any_malloc, free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
