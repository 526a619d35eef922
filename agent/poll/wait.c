/* Waits: how long after what, for whom, and what is told of it. io thread of the poller. */
#include "poll/errand.h"

#include <stdio.h>

static int64_t jitter(struct sc_io *io, int64_t ms, unsigned percent)
{
    int64_t span = ms * percent / 100;
    return span ? ms - span + (int64_t)(sc_io_random(io) % (uint64_t)(2 * span + 1)) : ms;
}

static int64_t doubled(int64_t first, uint32_t times, int64_t most)
{
    int64_t ms = first;
    while (times-- && ms < most)
        ms *= 2;
    return ms < most ? ms : most;
}

int64_t sc_wait_retry(struct sc_io *io, uint32_t n)
{
    static const int64_t quick[] = {1000, 2000, 4000};
    return n < 3 ? jitter(io, quick[n], 20) : jitter(io, doubled(15000, n - 3, 900000), 20);
}

/* What is due to a vendor that has refused: never less than that. */
static int64_t jitter_up(struct sc_io *io, int64_t ms, unsigned percent)
{
    int64_t span = ms * percent / 100;
    return ms + (int64_t)(sc_io_random(io) % (uint64_t)(span + 1));
}

int64_t sc_wait_throttle(struct sc_io *io, uint32_t n, uint32_t first_s, uint32_t most_s)
{
    int64_t first = first_s ? first_s * 1000ll : 30000, most = most_s ? most_s * 1000ll : 900000;
    return jitter_up(io, doubled(first, n, most > first ? most : first), 20);
}

static int64_t throttle_wait(struct sc_poller *p, int64_t until_real, bool *ret_probe)
{
    uint32_t first_s = 0, most_s = 0;
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && p->request_pools[i]; i++) {
        const struct sc_budget *b = sc_budget_of(p, p->request_pools[i]);
        if (b && b->pool->throttle_s > first_s)
            first_s = b->pool->throttle_s;
        if (b && b->pool->throttle_max_s > most_s)
            most_s = b->pool->throttle_max_s;
    }
    int64_t ms = until_real != SC_TIME_NONE ? until_real - sc_real_ms() : sc_wait_throttle(p->inst->io, p->throttles++, first_s, most_s);
    *ret_probe = ms > 3600000;
    return *ret_probe ? 3600000 : ms < 0 ? 0 : ms;
}

void sc_poller_keep_wait(struct sc_poller *p, const char *pool, int64_t until_real)
{
    char text[SC_TIME_TEXT];
    if (sc_is_dry(p))
        return;
    sc_time_rfc3339(until_real, text);
    if (!p->cp.waits)
        p->cp.waits = json_object();
    const char *kept = json_string_value(json_object_get(p->cp.waits, pool));
    if (!p->cp.waits || (kept && strcmp(kept, text) == 0))
        return;
    json_object_set_new(p->cp.waits, pool, json_string(text));
    p->dirty = true;
    sc_save_want(p);
}

const char *sc_poller_advice(const struct sc_poller *p, enum sc_reason reason, char *room)
{
    bool credential = reason == SC_REASON_AUTH_INVALID || reason == SC_REASON_AUTH_EXPIRED || reason == SC_REASON_OAUTH_INVALID_CLIENT ||
                      reason == SC_REASON_OAUTH_INVALID_GRANT;
    bool right = reason == SC_REASON_PERMISSION_DENIED || reason == SC_REASON_CONSENT_MISSING;
    if (credential)
        return p->inst->config->connector->auth_advice;
    if (!right || !p->type->permission)
        return NULL;
    snprintf(room, 256, "Grant \"%.120s\" at the vendor, where needed by an administrator, and save the integration; the other data types go on.",
             p->type->permission);
    return room;
}

static void hold_pools(struct sc_poller *p, int64_t until, int64_t until_real)
{
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && p->request_pools[i]; i++) {
        struct sc_budget *b = sc_budget_of(p, p->request_pools[i]);
        if (b)
            sc_budget_wait(b, until, until_real);
    }
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && p->request_pools[i]; i++)
        sc_poller_keep_wait(p, p->request_pools[i], until_real);
}

void sc_poller_hold_pools(struct sc_poller *p, int64_t until_real)
{
    hold_pools(p, p->inst->io->now + (until_real - sc_real_ms()), until_real);
}

static int64_t at_least(int64_t ms, int64_t until_real)
{
    int64_t named = until_real != SC_TIME_NONE ? until_real - sc_real_ms() : 0;
    return named > ms ? named : ms;
}

static int64_t hold_for(struct sc_poller *p, enum sc_reason reason, int64_t until_real, struct sc_hold **ret_shared)
{
    bool probe;
    switch (p->failing_child ? SC_CLASS_RETRY : p->lasting && sc_reason_class(reason) == SC_CLASS_RETRY ? SC_CLASS_CONFIG : sc_reason_class(reason)) {
    case SC_CLASS_THROTTLED:
        return throttle_wait(p, until_real, &probe);
    case SC_CLASS_AUTH:
        if (reason == SC_REASON_PERMISSION_DENIED)
            return at_least(3600000, until_real);
        /* One data type that is refused while others are served with the same credential waits alone. */
        if (p->asked_with && (p->asked_with->good_by == p || !p->asked_with->good_by || p->inst->io->now - p->asked_with->good_at > 60000))
            *ret_shared = &p->asked_with->hold;
        return at_least(900000, until_real);
    case SC_CLASS_CONFIG:
        return at_least(3600000, until_real);
    case SC_CLASS_LOCAL:
        if (reason == SC_REASON_CLOCK_SKEW) /* it is the vendor that refuses, and may count refusals */
            return doubled(30000, p->attempts++, 900000);
        return 30000;
    case SC_CLASS_BROKER:
        return 30000;
    case SC_CLASS_RETRY:
    case SC_CLASS_DATA:
    case SC_CLASS_NOTICE:
    case SC_CLASS_OK:
        break;
    }
    int64_t wait = sc_wait_retry(p->inst->io, p->attempts++);
    return at_least(p->failing_child ? sc_child_wait(p, wait) : wait, until_real);
}

static bool is_transport(enum sc_reason reason)
{
    return reason >= SC_REASON_DNS_FAILURE && reason <= SC_REASON_PROXY_REFUSED && reason != SC_REASON_CONNECTION_LOST &&
           reason != SC_REASON_READ_TIMEOUT;
}

void sc_poller_fail(struct sc_poller *p, enum sc_reason reason, int64_t until_real, const char *wait_header, const char *detail,
                    const char *advice)
{
    struct sc_io *io = p->inst->io;
    struct sc_hold *shared = NULL;
    if (sc_is_dry(p)) {
        sc_dry_failed(p, reason, until_real, wait_header, detail, advice);
        return;
    }
    char line[512], at[SC_TIME_TEXT], since[80] = "";
    if (reason == SC_REASON_AUTH_INVALID && p->asked_with && p->asked_with->worked)
        reason = SC_REASON_AUTH_EXPIRED;
    int64_t wait = hold_for(p, reason, until_real, &shared);
    if (sc_reason_class(reason) < sizeof p->counts.failures / sizeof *p->counts.failures)
        p->counts.failures[sc_reason_class(reason)]++;
    if (sc_reason_class(reason) == SC_CLASS_THROTTLED)
        p->counts.throttled_ms += (uint64_t)wait;
    p->again = 0; /* the wait ends the row */
    bool until_put = sc_reason_class(reason) == SC_CLASS_AUTH || sc_reason_class(reason) == SC_CLASS_CONFIG; /* ends with a put, whoever named its time */
    struct sc_hold hold = {.until_ms = io->now + wait, .until_real = sc_real_ms() + wait, .reason = reason,
                           .named = until_real != SC_TIME_NONE && !until_put};
    if (sc_reason_class(reason) == SC_CLASS_THROTTLED || hold.named)
        hold_pools(p, hold.until_ms, hold.until_real);
    if (is_transport(reason) && p->attempts > 3)
        p->inst->source->hold = hold;
    if (shared)
        *shared = hold;
    p->hold = hold;
    if (p->attempts > 1)
        snprintf(since, sizeof since, ", try %u", p->attempts);
    if (reason == SC_REASON_RESPONSE_TOO_LARGE && p->page_halvings < 10) {
        p->page_halvings++;
        p->good_pages = 0;
    }
    snprintf(line, sizeof line, "%s, next request at %s%s%s%s%s", detail && detail[0] ? detail : sc_reason_meaning(reason),
             sc_time_short(hold.until_real, sc_real_ms(), at), wait_header ? " (" : "", wait_header ? wait_header : "", wait_header ? ")" : "", since);
    char room[256];
    if (!advice)
        advice = sc_poller_advice(p, reason, room);
    sc_poller_say(p, reason, hold.until_real, line, advice);
    sc_heap_set(&io->heap, &p->timer, hold.until_ms);
}

/* The latest of all that says "not before"; *ret says which. */
int64_t sc_poller_not_before(const struct sc_poller *p, const struct sc_hold **ret)
{
    const struct sc_hold *holds[3] = {&p->hold, &p->inst->source->hold, p->inst->credential ? &p->inst->credential->hold : &p->hold};
    int64_t until = 0;
    for (int i = 0; i < 3; i++) {
        if (holds[i]->until_ms > until) {
            until = holds[i]->until_ms;
            *ret = holds[i];
        }
    }
    return until;
}
