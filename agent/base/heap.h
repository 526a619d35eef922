/* Intrusive binary heap of timers. The node lives in the owner's struct; one heap belongs to one thread. */
#pragma once

#include <signal/types.h>

struct sc_timer {
    int64_t due_ms; /* monotonic */
    uint32_t index; /* place in the heap + 1; 0: not armed */
    uint64_t order; /* equal times fire in the order they were armed */
    void (*fire)(struct sc_timer *timer, void *arg);
    void *arg;
};

struct sc_heap {
    struct sc_timer **nodes;
    uint32_t count, cap;
    uint64_t next_order;
};

void sc_heap_done(struct sc_heap *heap);
/* Arms or moves the timer. -1: out of memory (the timer is not armed). */
int sc_heap_set(struct sc_heap *heap, struct sc_timer *timer, int64_t due_ms);
void sc_heap_remove(struct sc_heap *heap, struct sc_timer *timer);
static inline bool sc_timer_armed(const struct sc_timer *timer)
{
    return timer->index != 0;
}
/* Fires all timers due at now_ms that were armed before the call (a timer may arm itself again without looping). In fire, a
 * timer is not armed; it may arm, move or remove itself and others, and free itself.
 * Returns the due time of the next one, or INT64_MAX. */
int64_t sc_heap_run(struct sc_heap *heap, int64_t now_ms);
