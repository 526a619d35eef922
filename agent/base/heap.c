/* Binary heap of timers over an array of pointers; a timer knows its place, so moving and removing
 * need no search. */
#include "base/heap.h"

#include <stdlib.h>

void sc_heap_done(struct sc_heap *heap)
{
    if (!heap)
        return;
    /* Timers are not touched: their owners may be gone. sc_heap_remove() on the empty heap is
     * harmless. */
    free(heap->nodes);
    *heap = (struct sc_heap){0};
}

static bool before(const struct sc_timer *a, const struct sc_timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void place(struct sc_heap *heap, uint32_t at, struct sc_timer *timer)
{
    heap->nodes[at] = timer;
    timer->index = at + 1;
}

static void sift_up(struct sc_heap *heap, uint32_t at, struct sc_timer *timer)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (!before(timer, heap->nodes[parent]))
            break;
        place(heap, at, heap->nodes[parent]);
        at = parent;
    }
    place(heap, at, timer);
}

static void sift_down(struct sc_heap *heap, uint32_t at, struct sc_timer *timer)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!before(heap->nodes[child], timer))
            break;
        place(heap, at, heap->nodes[child]);
        at = child;
    }
    place(heap, at, timer);
}

/* Puts the timer where it belongs, beginning at a free place. */
static void settle(struct sc_heap *heap, uint32_t at, struct sc_timer *timer)
{
    if (at > 0 && before(timer, heap->nodes[(at - 1) / 2]))
        sift_up(heap, at, timer);
    else
        sift_down(heap, at, timer);
}

static int grow(struct sc_heap *heap)
{
    if (heap->cap > UINT32_MAX / 4)
        return -1;
    uint32_t cap = heap->cap ? heap->cap * 2 : 16;
    struct sc_timer **nodes = realloc(heap->nodes, cap * sizeof *nodes);
    if (!nodes)
        return -1;
    heap->nodes = nodes;
    heap->cap = cap;
    return 0;
}

int sc_heap_set(struct sc_heap *heap, struct sc_timer *timer, int64_t due_ms)
{
    if (!timer->index) {
        if (heap->count == heap->cap && grow(heap) < 0)
            return -1;
        place(heap, heap->count++, timer);
    }
    timer->due_ms = due_ms;
    timer->order = heap->next_order++;
    settle(heap, timer->index - 1, timer);
    return 0;
}

void sc_heap_remove(struct sc_heap *heap, struct sc_timer *timer)
{
    uint32_t index = timer->index;
    timer->index = 0;
    if (index == 0 || index > heap->count)
        return;
    struct sc_timer *last = heap->nodes[--heap->count];
    if (index <= heap->count)
        settle(heap, index - 1, last);
}

/* The next to fire among those armed before `limit`. That is the root, unless a timer was armed
 * during this run for a time already past and stands before older ones; only then all are looked
 * at. */
static struct sc_timer *next_due(const struct sc_heap *heap, int64_t now_ms, uint64_t limit)
{
    if (!heap->count || heap->nodes[0]->due_ms > now_ms)
        return NULL;
    if (heap->nodes[0]->order < limit)
        return heap->nodes[0];
    struct sc_timer *best = NULL;
    for (uint32_t i = 1; i < heap->count; i++) {
        struct sc_timer *timer = heap->nodes[i];
        if (timer->due_ms <= now_ms && timer->order < limit && (!best || before(timer, best)))
            best = timer;
    }
    return best;
}

int64_t sc_heap_run(struct sc_heap *heap, int64_t now_ms)
{
    uint64_t limit = heap->next_order;
    struct sc_timer *timer;
    while ((timer = next_due(heap, now_ms, limit)) != NULL) {
        sc_heap_remove(heap, timer);
        timer->fire(timer, timer->arg); /* may free it */
    }
    return heap->count ? heap->nodes[0]->due_ms : INT64_MAX;
}
