/* What was asked and waited for lately, in memory that does not grow: requests, throttles and waits of the last hour and the last 24 hours, and the
 * newest 64 durations of something. Pure: time is an argument (monotonic ms). */
#pragma once

#include <stdint.h>

#define SC_METER_STEP_MS   300000  /* slots of 5 minutes; together with the one that is filling: the last 55 to 60 minutes */
#define SC_METER_STEPS     12
#define SC_METER_HOUR_MS   3600000
#define SC_METER_HOURS     24

struct sc_meter_slot {
    int64_t number; /* time / length of a slot; of another lap: it holds nothing that counts */
    uint32_t requests, throttles, waited_ms;
};

struct sc_meter { /* all zero: begins with the first thing noted */
    int64_t begun_ms;
    struct sc_meter_slot steps[SC_METER_STEPS], hours[SC_METER_HOURS];
};

struct sc_meter_sum {
    uint64_t requests, throttles, waited_ms;
    int64_t span_ms; /* how much time it covers: less than asked for, when it began later */
};

void sc_meter_begin(struct sc_meter *meter, int64_t now_ms); /* from now on time counts; nothing when it has begun already */
void sc_meter_request(struct sc_meter *meter, int64_t now_ms);
void sc_meter_throttle(struct sc_meter *meter, int64_t now_ms);
/* A wait for the vendor's limit that is over; what lies further back than a day is left out. */
void sc_meter_waited(struct sc_meter *meter, int64_t from_ms, int64_t to_ms);
struct sc_meter_sum sc_meter_hour(const struct sc_meter *meter, int64_t now_ms);
struct sc_meter_sum sc_meter_day(const struct sc_meter *meter, int64_t now_ms);

#define SC_SAMPLES 64u

struct sc_samples {
    uint32_t ms[SC_SAMPLES];
    uint32_t count, next;
};
void sc_samples_add(struct sc_samples *samples, uint32_t ms);
/* The smallest of them that is not less than `percent` of all; 0: there are none. */
uint32_t sc_samples_percentile(const struct sc_samples *samples, unsigned percent);
