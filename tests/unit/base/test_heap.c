/* The timer heap: order of firing, what a timer may do inside fire, and long random runs against a
 * plain list. */
#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"

#include <stdlib.h>

/* What fired, as letters. */
static char fired[256];

struct named {
    struct sc_timer timer;
    char name;
};

static void note(struct sc_timer *timer, void *arg)
{
    (void)arg;
    size_t len = strlen(fired);
    fired[len] = ((struct named *)timer)->name;
    fired[len + 1] = '\0';
}

static struct named named(char name)
{
    return (struct named){.timer.fire = note, .name = name};
}

static int setup(void **state)
{
    (void)state;
    fired[0] = '\0';
    return 0;
}

static void test_heap_order(void **state)
{
    (void)state;
    struct sc_heap heap = {0};
    struct named a = named('a'), b = named('b'), c = named('c'), d = named('d');
    CHECK_INT("nothing due", sc_heap_run(&heap, 1000), INT64_MAX);
    sc_heap_set(&heap, &c.timer, 30);
    sc_heap_set(&heap, &a.timer, 10);
    sc_heap_set(&heap, &b.timer, 10);
    sc_heap_set(&heap, &d.timer, 40);
    CHECK_INT("not yet", sc_heap_run(&heap, 9), 10);
    CHECK_INT("due now", sc_heap_run(&heap, 10), 30);
    CHECK_TEXT("equal times in the order of arming", fired, "ab");
    CHECK_INT("fired is not armed", sc_timer_armed(&a.timer), false);
    sc_heap_set(&heap, &d.timer, 20);
    CHECK_INT("moved before c", sc_heap_run(&heap, 100), INT64_MAX);
    CHECK_TEXT("moved before c", fired, "abdc");
    sc_heap_done(&heap);
}

static void test_heap_move_renews_order(void **state)
{
    (void)state;
    struct sc_heap heap = {0};
    struct named a = named('a'), b = named('b');
    sc_heap_set(&heap, &a.timer, 10);
    sc_heap_set(&heap, &b.timer, 10);
    sc_heap_set(&heap, &a.timer, 10);
    sc_heap_run(&heap, 10);
    CHECK_TEXT("armed again is armed last", fired, "ba");
    sc_heap_done(&heap);
}

static void test_heap_remove(void **state)
{
    (void)state;
    struct sc_heap heap = {0};
    struct named a = named('a'), b = named('b');
    sc_heap_remove(&heap, &a.timer);
    sc_heap_set(&heap, &a.timer, 1);
    sc_heap_set(&heap, &b.timer, 2);
    sc_heap_remove(&heap, &a.timer);
    sc_heap_remove(&heap, &a.timer);
    CHECK_INT("b is left", sc_heap_run(&heap, 1), 2);
    sc_heap_done(&heap);
    sc_heap_remove(&heap, &b.timer);
    CHECK_INT("removing from a heap that is gone", sc_timer_armed(&b.timer), false);
    sc_heap_done(NULL);
}

/* ---- inside fire ---- */

struct actor {
    struct named named;
    struct sc_heap *heap;
    int64_t again_at;        /* arms itself; 0: not */
    struct sc_timer *victim; /* removes it */
    struct sc_timer *starts; /* arms it at again_at */
};

static void act(struct sc_timer *timer, void *arg)
{
    struct actor *me = (struct actor *)timer;
    note(timer, arg);
    if (me->victim)
        sc_heap_remove(me->heap, me->victim);
    if (me->starts)
        sc_heap_set(me->heap, me->starts, me->again_at);
    else if (me->again_at)
        sc_heap_set(me->heap, timer, me->again_at);
}

static struct actor actor(struct sc_heap *heap, char name)
{
    return (struct actor){
        .named = {.timer.fire = act, .name = name},
          .heap = heap
    };
}

static void test_heap_rearm_in_fire(void **state)
{
    (void)state;
    static const struct {
        int64_t again_at, want_next;
        const char *why;
    } rows[] = {
        {150, 150, "later"                                          },
        {100, 100, "now: at the next run, not in this one"          },
        {5,   5,   "in the past, before the others: they still fire"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sc_heap heap = {0};
        struct actor a = actor(&heap, 'a');
        struct named b = named('b'), c = named('c'), z = named('z');
        a.again_at = rows[i].again_at;
        fired[0] = '\0';
        sc_heap_set(&heap, &z.timer, 1000);
        sc_heap_set(&heap, &c.timer, 30);
        sc_heap_set(&heap, &b.timer, 20);
        sc_heap_set(&heap, &a.named.timer, 10);
        CHECK_INT(rows[i].why, sc_heap_run(&heap, 100), rows[i].want_next);
        CHECK_TEXT(rows[i].why, fired, "abc");
        sc_heap_done(&heap);
    }
}

static void test_heap_change_others_in_fire(void **state)
{
    (void)state;
    struct sc_heap heap = {0};
    struct actor a = actor(&heap, 'a'), b = actor(&heap, 'b');
    struct named c = named('c'), d = named('d'), e = named('e');
    a.victim = &c.timer;
    b.starts = &d.timer; /* d is due in this run already: moved, it belongs to the next */
    b.again_at = 50;
    sc_heap_set(&heap, &a.named.timer, 10);
    sc_heap_set(&heap, &b.named.timer, 11);
    sc_heap_set(&heap, &c.timer, 12);
    sc_heap_set(&heap, &d.timer, 13);
    sc_heap_set(&heap, &e.timer, 60);
    CHECK_INT("d waits", sc_heap_run(&heap, 100), 50);
    CHECK_TEXT("c removed, d moved", fired, "abe");
    CHECK_INT("then d", sc_heap_run(&heap, 100), INT64_MAX);
    CHECK_TEXT("then d", fired, "abed");
    sc_heap_done(&heap);
}

static void fire_and_free(struct sc_timer *timer, void *arg)
{
    note(timer, arg);
    free(timer);
}

static void test_heap_free_in_fire(void **state)
{
    (void)state;
    struct sc_heap heap = {0};
    for (int i = 0; i < 3; i++) {
        struct named *n = calloc(1, sizeof *n);
        assert_non_null(n);
        *n = (struct named){.timer.fire = fire_and_free, .name = (char)('x' + i)};
        sc_heap_set(&heap, &n->timer, i);
    }
    CHECK_INT("all", sc_heap_run(&heap, 10), INT64_MAX);
    CHECK_TEXT("all", fired, "xyz");
    sc_heap_done(&heap);
}

/* ---- random runs ---- */

enum { TIMERS = 200 };

struct model {
    struct sc_heap heap;
    struct sc_timer timers[TIMERS];
    int64_t last_due;
    uint64_t last_order;
    int fired;
};

static void fire_in_order(struct sc_timer *timer, void *arg)
{
    struct model *m = arg;
    CHECK_TRUE("never before an earlier one",
               timer->due_ms > m->last_due ||
                   (timer->due_ms == m->last_due && timer->order > m->last_order));
    m->last_due = timer->due_ms;
    m->last_order = timer->order;
    m->fired++;
}

static void check_run(struct model *m, int64_t now)
{
    int due = 0;
    int64_t next = INT64_MAX;
    for (int i = 0; i < TIMERS; i++) {
        if (!sc_timer_armed(&m->timers[i]))
            continue;
        due += m->timers[i].due_ms <= now;
        if (m->timers[i].due_ms > now && m->timers[i].due_ms < next)
            next = m->timers[i].due_ms;
    }
    m->fired = 0;
    m->last_due = INT64_MIN;
    CHECK_INT("next", sc_heap_run(&m->heap, now), next);
    CHECK_INT("all that are due", m->fired, due);
}

static void test_heap_random(void **state)
{
    (void)state;
    static struct model m;
    uint32_t seed = 1;
    int64_t now = 0;
    for (int i = 0; i < TIMERS; i++)
        m.timers[i] = (struct sc_timer){.fire = fire_in_order, .arg = &m};
    for (int step = 0; step < 200000; step++) {
        seed = seed * 1664525 + 1013904223;
        struct sc_timer *timer = &m.timers[(seed >> 8) % TIMERS];
        switch (seed >> 28) {
        case 0:
            sc_heap_remove(&m.heap, timer);
            break;
        case 1:
            if (step % 20 == 0)
                check_run(&m, now += (seed >> 16) % 50);
            break;
        default:
            CHECK_INT("set", sc_heap_set(&m.heap, timer, now + (seed >> 16) % 100), 0);
            break;
        }
    }
    check_run(&m, INT64_MAX);
    CHECK_INT("empty", m.heap.count, 0);
    sc_heap_done(&m.heap);
}

static void test_heap_out_of_memory(void **state)
{
    (void)state;
    struct sc_heap heap = {0};
    struct sc_timer timers[17] = {0};
    failalloc_arm(1);
    CHECK_INT("first", sc_heap_set(&heap, &timers[0], 1), -1);
    CHECK_TRUE("it was tried", failalloc_disarm());
    CHECK_INT("not armed", sc_timer_armed(&timers[0]), false);
    for (int i = 0; i < 16; i++)
        CHECK_INT("room", sc_heap_set(&heap, &timers[i], i), 0);
    failalloc_arm(1);
    CHECK_INT("growth", sc_heap_set(&heap, &timers[16], 1), -1);
    CHECK_INT("moving needs no memory", sc_heap_set(&heap, &timers[3], 99), 0);
    CHECK_TRUE("it was tried", failalloc_disarm());
    CHECK_INT("not armed", sc_timer_armed(&timers[16]), false);
    CHECK_INT("usable after", sc_heap_set(&heap, &timers[16], 1), 0);
    sc_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_heap_order, setup),
        cmocka_unit_test_setup(test_heap_move_renews_order, setup),
        cmocka_unit_test_setup(test_heap_remove, setup),
        cmocka_unit_test_setup(test_heap_rearm_in_fire, setup),
        cmocka_unit_test_setup(test_heap_change_others_in_fire, setup),
        cmocka_unit_test_setup(test_heap_free_in_fire, setup),
        cmocka_unit_test(test_heap_random),
        cmocka_unit_test(test_heap_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
