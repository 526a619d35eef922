/* While memory is short (operate/memory.h): near the limit a poll begins only where no other reads, at the limit all transfers of the thread but the
 * one of the oldest poll pause. One always goes on, so that what is held comes to its end. io thread of the poller. */
#include "poll/poller.h"

#include <stdio.h>

#define LOOK_MS 1000

static enum sc_memory_level level_of(const struct sc_io *io)
{
    return io->config.memory ? (enum sc_memory_level)atomic_load(&io->config.memory->level) : SC_MEMORY_AMPLE;
}

static bool reads(const struct sc_poller *p)
{
    return p->phase == SC_WALKING && (p->transfer || p->finishing);
}

/* What goes and comes with the poll: records under way, the record that is read, the list of children. */
static uint64_t held_by(const struct sc_poller *p)
{
    return (uint64_t)p->out * SC_BATCH_BYTES + p->spill.cap + p->kept_head.cap;
}

static void say_short(struct sc_poller *p, uint32_t reading, uint32_t held, const struct sc_poller *largest)
{
    const struct sc_memory *memory = p->inst->io->config.memory;
    char detail[300], use[96], size[SC_SIZE_TEXT];
    sc_memory_text(atomic_load(&memory->resident), atomic_load(&memory->limit), use);
    int n = snprintf(detail, sizeof detail, "memory is short: %s; polls under way: %u, held back: %u", use, reading, held);
    if (largest && n > 0 && (size_t)n < sizeof detail)
        snprintf(detail + n, sizeof detail - (size_t)n, "; largest %.60s %.40s %s", largest->inst->config->name, largest->type->name,
                 sc_size_text(held_by(largest), size));
    sc_poller_say(p, SC_REASON_MEMORY_LIMIT, SC_TIME_NONE, detail, NULL);
}

bool sc_room_to_begin(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    const struct sc_poller *largest = NULL;
    uint32_t reading = 0, held = 0;
    if (level_of(io) != SC_MEMORY_AMPLE) {
        for (const struct sc_instance *i = io->instances; i; i = i->next) {
            for (unsigned k = 0; k < i->poller_count; k++) {
                const struct sc_poller *other = i->pollers[k];
                reading += reads(other);
                held += other->no_room;
                if (reads(other) && (!largest || held_by(other) > held_by(largest)))
                    largest = other;
            }
        }
    }
    bool was = p->no_room;
    p->no_room = reading > 0;
    if (p->no_room) {
        say_short(p, reading, held + !was, largest);
        sc_heap_set(&io->heap, &p->timer, io->now + LOOK_MS);
    } else if (was) {
        sc_poller_say(p, SC_REASON_OK, SC_TIME_NONE, "", NULL);
    }
    return !p->no_room;
}

/* The oldest poll of those that read. */
static bool goes_first(const struct sc_poller *p)
{
    for (const struct sc_instance *i = p->inst->io->instances; i; i = i->next) {
        for (unsigned k = 0; k < i->poller_count; k++) {
            const struct sc_poller *other = i->pollers[k];
            if (other != p && reads(other) &&
                (other->walk_began < p->walk_began || (other->walk_began == p->walk_began && (uintptr_t)other < (uintptr_t)p)))
                return false;
        }
    }
    return true;
}

bool sc_room_to_read(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    if (level_of(io) != SC_MEMORY_FULL || goes_first(p))
        return true;
    io->short_of_memory = true;
    sc_heap_set(&io->heap, &p->timer, io->now + LOOK_MS); /* a turn, at the latest then */
    return false;
}

bool sc_room_turn(struct sc_io *io)
{
    if (!io->short_of_memory || (level_of(io) == SC_MEMORY_FULL && io->now - io->room_at < LOOK_MS))
        return false;
    io->room_at = io->now;
    io->short_of_memory = false; /* until one has to pause again */
    return true;
}
