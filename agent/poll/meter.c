#include "poll/meter.h"

#include <stdlib.h>
#include <string.h>

static struct sc_meter_slot *slot_at(struct sc_meter_slot *slots, unsigned count, int64_t length_ms, int64_t at_ms)
{
    int64_t number = at_ms / length_ms;
    struct sc_meter_slot *slot = &slots[(uint64_t)number % count];
    if (slot->number != number)
        *slot = (struct sc_meter_slot){.number = number};
    return slot;
}

static struct sc_meter_slot *step_at(struct sc_meter *m, int64_t at_ms)
{
    return slot_at(m->steps, SC_METER_STEPS, SC_METER_STEP_MS, at_ms);
}

static struct sc_meter_slot *hour_at(struct sc_meter *m, int64_t at_ms)
{
    return slot_at(m->hours, SC_METER_HOURS, SC_METER_HOUR_MS, at_ms);
}

void sc_meter_begin(struct sc_meter *meter, int64_t now_ms)
{
    if (!meter->begun_ms)
        meter->begun_ms = now_ms;
}

void sc_meter_request(struct sc_meter *meter, int64_t now_ms)
{
    sc_meter_begin(meter, now_ms);
    step_at(meter, now_ms)->requests++;
    hour_at(meter, now_ms)->requests++;
}

void sc_meter_throttle(struct sc_meter *meter, int64_t now_ms)
{
    sc_meter_begin(meter, now_ms);
    step_at(meter, now_ms)->throttles++;
    hour_at(meter, now_ms)->throttles++;
}

/* Each slot gets what lies in it. Slots are gone through oldest first, so that an older lap never takes the place of a newer one. */
static void spread(struct sc_meter_slot *slots, unsigned count, int64_t length_ms, int64_t from_ms, int64_t to_ms)
{
    int64_t oldest = (to_ms / length_ms - (count - 1)) * length_ms;
    for (int64_t at = from_ms > oldest ? from_ms : oldest; at < to_ms;) {
        int64_t end = (at / length_ms + 1) * length_ms;
        if (end > to_ms)
            end = to_ms;
        slot_at(slots, count, length_ms, at)->waited_ms += (uint32_t)(end - at);
        at = end;
    }
}

void sc_meter_waited(struct sc_meter *meter, int64_t from_ms, int64_t to_ms)
{
    if (to_ms <= from_ms || from_ms < 0)
        return;
    sc_meter_begin(meter, from_ms);
    spread(meter->steps, SC_METER_STEPS, SC_METER_STEP_MS, from_ms, to_ms);
    spread(meter->hours, SC_METER_HOURS, SC_METER_HOUR_MS, from_ms, to_ms);
}

static struct sc_meter_sum sum(const struct sc_meter *m, const struct sc_meter_slot *slots, unsigned count, int64_t length_ms, int64_t now_ms)
{
    struct sc_meter_sum all = {0};
    int64_t newest = now_ms / length_ms, oldest = newest - (count - 1);
    for (unsigned i = 0; i < count; i++) {
        if (slots[i].number < oldest || slots[i].number > newest)
            continue;
        all.requests += slots[i].requests;
        all.throttles += slots[i].throttles;
        all.waited_ms += slots[i].waited_ms;
    }
    int64_t from = oldest * length_ms > m->begun_ms ? oldest * length_ms : m->begun_ms;
    all.span_ms = m->begun_ms && now_ms > from ? now_ms - from : 0;
    return all;
}

struct sc_meter_sum sc_meter_hour(const struct sc_meter *meter, int64_t now_ms)
{
    return sum(meter, meter->steps, SC_METER_STEPS, SC_METER_STEP_MS, now_ms);
}

struct sc_meter_sum sc_meter_day(const struct sc_meter *meter, int64_t now_ms)
{
    return sum(meter, meter->hours, SC_METER_HOURS, SC_METER_HOUR_MS, now_ms);
}

void sc_samples_add(struct sc_samples *samples, uint32_t ms)
{
    samples->ms[samples->next] = ms;
    samples->next = (samples->next + 1) % SC_SAMPLES;
    if (samples->count < SC_SAMPLES)
        samples->count++;
}

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

uint32_t sc_samples_percentile(const struct sc_samples *samples, unsigned percent)
{
    uint32_t sorted[SC_SAMPLES];
    if (samples->count == 0)
        return 0;
    memcpy(sorted, samples->ms, samples->count * sizeof *sorted);
    qsort(sorted, samples->count, sizeof *sorted, by_size);
    uint32_t at = (samples->count * percent + 99) / 100;
    return sorted[at ? at - 1 : 0];
}
