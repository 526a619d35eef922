/* What a poll spends its time on. io thread of the poller. */
#include "poll/poller.h"

#define SURE_MS 60000 /* a walk shorter than this foretells nothing */

void sc_pace_fold(struct sc_poller *p)
{
    struct sc_pace *pace = &p->pace;
    int64_t now = p->inst->io->now;
    if (!pace->waits_since)
        return;
    if (now > pace->waits_since) {
        pace->now.ms[pace->waits_for] += (uint64_t)(now - pace->waits_since);
        if (pace->waits_for == SC_SPENT_BUDGET_WAIT)
            sc_meter_waited(&pace->meter, pace->waits_since, now);
    }
    pace->waits_since = now;
}

void sc_pace_wait(struct sc_poller *p, enum sc_spent what)
{
    p->pace.waits_for = what;
    p->pace.waits_since = p->inst->io->now;
}

void sc_pace_step(struct sc_poller *p)
{
    sc_pace_fold(p);
    p->pace.waits_since = 0;
}

void sc_pace_begin(struct sc_poller *p)
{
    struct sc_pace *pace = &p->pace;
    pace->now = (struct sc_poll_times){0};
    pace->waits_since = 0;
    pace->began_real = sc_real_ms();
    pace->began_covered = p->covered_ms;
    pace->byte_ms = 0;
    pace->due_since = 0;
    pace->future = 0;
    pace->future_newest = 0;
    sc_meter_begin(&pace->meter, p->inst->io->now);
}

void sc_pace_end(struct sc_poller *p)
{
    struct sc_pace *pace = &p->pace;
    int64_t now = p->inst->io->now;
    pace->now.total_ms = now > p->walk_began ? (uint64_t)(now - p->walk_began) : 1;
    pace->last = pace->now;
    pace->good_ms = now;
    sc_pace_good(p);
}

void sc_pace_paused(struct sc_poller *p)
{
    int64_t now = p->inst->io->now;
    if (!p->paused || now <= p->pause_began)
        return;
    uint64_t ms = (uint64_t)(now - p->pause_began);
    p->pace.now.ms[SC_SPENT_NATS_WAIT] += ms;
    p->pace.paused_ms += ms;
    p->counts.nats_wait_ms += ms;
    p->pause_began = now; /* counted */
}

void sc_pace_request(struct sc_poller *p, const struct sc_http_result *result)
{
    const struct sc_http_timing *t = &result->timing;
    struct sc_poll_times *times = &p->pace.now;
    struct sc_source *source = p->inst->source;
    sc_pace_paused(p);
    times->requests++;
    times->ms[SC_SPENT_DNS] += t->dns;
    times->ms[SC_SPENT_CONNECT] += t->connect;
    times->ms[SC_SPENT_TLS] += t->tls;
    times->ms[SC_SPENT_FIRST_BYTE] += t->first_byte;
    times->ms[SC_SPENT_TRANSFER] += t->transfer > p->pace.paused_ms ? t->transfer - p->pace.paused_ms : 0;
    p->pace.paused_ms = 0;
    sc_meter_request(&p->pace.meter, p->inst->io->now);
    if (result->status)
        sc_samples_add(&source->first_bytes, t->first_byte);
    if (t->dns)
        sc_samples_add(&source->lookups, t->dns);
}

void sc_pace_failed(struct sc_poller *p, enum sc_reason reason)
{
    if (sc_reason_class(reason) == SC_CLASS_THROTTLED)
        sc_meter_throttle(&p->pace.meter, p->inst->io->now);
    if (p->pace.failures++ == 0)
        p->pace.failing_since = sc_real_ms();
}

void sc_pace_good(struct sc_poller *p)
{
    p->pace.failures = 0;
    p->pace.failing_since = 0;
}

/* Where the walk began to read: what was covered, else what it froze, else as far back as a first poll looks. */
static int64_t begin_of(const struct sc_poller *p)
{
    const char *since = json_string_value(json_object_get(p->walk, "since"));
    int64_t at = since ? sc_time_parse_rfc3339(sc_str_of(since)) : SC_TIME_NONE;
    if (p->pace.began_covered != SC_TIME_NONE)
        return p->pace.began_covered;
    return at != SC_TIME_NONE ? at : p->pace.began_real - (int64_t)p->inst->config->types[p->index].lookback_s * 1000;
}

unsigned sc_pace_percent(const struct sc_poller *p, int64_t *ret_left_ms)
{
    int64_t begin = begin_of(p), all = p->pace.began_real - begin, done = p->covered_ms - begin, taken = p->inst->io->now - p->walk_began;
    *ret_left_ms = 0;
    if (p->phase != SC_WALKING || p->type->shape != SC_SHAPE_LOG || p->covered_ms == SC_TIME_NONE || p->covered_ms == p->pace.began_covered)
        return 0;
    if (all < 1000 || done <= 0 || done >= all)
        return 0;
    unsigned percent = (unsigned)(done * 100 / all);
    if (percent >= 1 && taken >= SURE_MS)
        *ret_left_ms = taken * (all - done) / done;
    return percent;
}
