#include "poll/budget.h"

#include "base/buf.h"
#include <stdlib.h>

static void log_clear(struct sc_budget *b)
{
    b->log_head = b->log_count = b->slot_fill = 0;
}

static void log_put(struct sc_budget *b, int64_t at)
{
    if (b->log_count == b->log_size) { /* cannot hold more than the limit; the oldest goes */
        b->log_head = (b->log_head + 1) % b->log_size;
        b->log_count--;
    }
    b->sent[(b->log_head + b->log_count) % b->log_size] = at;
    b->log_count++;
}

uint32_t sc_budget_allowed(const struct sc_budget *b)
{
    if (!b->requests)
        return 0;
    uint64_t reserve = (uint64_t)b->requests * b->reserve_percent / 100;
    return b->requests - reserve ? (uint32_t)(b->requests - reserve) : 1;
}

/* Sizes the log to the limit and fills it as if the whole window had been used evenly, but for one probe. */
static int begin_empty(struct sc_budget *b, int64_t now_ms)
{
    uint32_t allowed = sc_budget_allowed(b);
    b->per_slot = allowed > SC_BUDGET_LOG ? (allowed + SC_BUDGET_LOG - 1) / SC_BUDGET_LOG : 1;
    uint32_t size = allowed ? (allowed + b->per_slot - 1) / b->per_slot : 0;
    if (size != b->log_size) {
        int64_t *sent = size ? realloc(b->sent, size * sizeof *sent) : NULL;
        if (size && !sent)
            return -1;
        if (!size)
            free(b->sent);
        b->sent = sent;
        b->log_size = size;
    }
    log_clear(b);
    for (uint32_t i = 1; i < size; i++)
        log_put(b, now_ms - b->window_ms + (int64_t)((uint64_t)b->window_ms * i / size));
    return 0;
}

int sc_budget_init(struct sc_budget *b, const char *key, const struct sc_pool *pool, int64_t now_ms)
{
    *b = (struct sc_budget){.pool = pool, .vendor_left = -1, .reserve_percent = 10};
    b->key = sc_dup(key);
    b->requests = pool->requests;
    b->window_ms = pool->per_s ? pool->per_s * 1000u : 60000u;
    b->concurrency = pool->concurrency;
    return b->key && begin_empty(b, now_ms) == 0 ? 0 : -1;
}

void sc_budget_done(struct sc_budget *b)
{
    free(b->key);
    free(b->sent);
    *b = (struct sc_budget){0};
}

void sc_budget_override(struct sc_budget *b, uint32_t requests, uint32_t per_s, uint32_t reserve_percent, int64_t now_ms)
{
    uint32_t before = sc_budget_allowed(b), window = b->window_ms;
    if (requests) {
        /* compared as rates, so that 100/60 s and 5000/3600 s can be told apart */
        uint64_t mine = (uint64_t)requests * b->window_ms, theirs = (uint64_t)b->requests * per_s * 1000;
        if (!b->overridden || b->requests == 0 || mine < theirs) {
            b->requests = requests;
            b->window_ms = per_s ? per_s * 1000u : 60000u;
        }
        b->overridden = true;
    }
    if (reserve_percent > b->reserve_percent || !b->used)
        b->reserve_percent = reserve_percent;
    if (before != sc_budget_allowed(b) || window != b->window_ms)
        begin_empty(b, now_ms);
}

int64_t sc_budget_when(const struct sc_budget *b, int64_t now_ms)
{
    int64_t when = now_ms;
    if (b->wait_until > when)
        when = b->wait_until;
    if (b->vendor_left >= 0 && now_ms < b->vendor_reset) {
        int64_t reserve = (int64_t)b->requests * b->reserve_percent / 100;
        if (b->vendor_left <= reserve && b->vendor_reset > when)
            when = b->vendor_reset;
    }
    if (b->log_size && b->log_count == b->log_size) {
        int64_t free_at = b->sent[b->log_head] + b->window_ms;
        if (free_at > when)
            when = free_at;
    }
    if (b->concurrency && b->in_flight >= b->concurrency)
        return INT64_MAX;
    return when;
}

void sc_budget_take(struct sc_budget *b, int64_t now_ms)
{
    b->in_flight++;
    b->used++;
    if (b->vendor_left > 0)
        b->vendor_left--;
    if (!b->log_size)
        return;
    while (b->log_count && b->sent[b->log_head] + b->window_ms <= now_ms) {
        b->log_head = (b->log_head + 1) % b->log_size;
        b->log_count--;
    }
    if (++b->slot_fill >= b->per_slot) {
        log_put(b, now_ms);
        b->slot_fill = 0;
    }
}

void sc_budget_release(struct sc_budget *b)
{
    if (b->in_flight)
        b->in_flight--;
}

void sc_budget_learn(struct sc_budget *b, int64_t limit, int64_t remaining, int64_t reset_ms, int64_t now_ms)
{
    if (limit > 0 && limit <= UINT32_MAX && (uint32_t)limit != b->requests && (!b->overridden || (uint32_t)limit < b->requests)) {
        /* A limit of the vendor's own window. What was sent before stays counted when the log can hold it; a raise begins from there. */
        uint32_t before = b->log_count;
        b->requests = (uint32_t)limit;
        begin_empty(b, now_ms);
        if (remaining >= 0)
            log_clear(b); /* the vendor's own count holds: vendor_left below */
        for (uint32_t i = 0; remaining < 0 && i < before && b->log_count < b->log_size; i++)
            log_put(b, now_ms);
    } else if (remaining >= 0 && b->vendor_left < 0 && b->log_size) {
        log_clear(b); /* first word of the vendor after the start: the window before it is known now */
    }
    if (remaining >= 0 && reset_ms != SC_TIME_NONE && reset_ms > now_ms) {
        /* The reply counts itself; of those still in flight the vendor may know nothing yet. */
        b->vendor_left = remaining > (int64_t)b->in_flight ? remaining - (int64_t)b->in_flight : 0;
        b->vendor_reset = reset_ms;
    } else if (remaining >= 0) {
        b->vendor_left = -1;
    }
}

void sc_budget_wait(struct sc_budget *b, int64_t until_ms, int64_t until_real_ms)
{
    if (until_ms <= b->wait_until)
        return;
    b->wait_until = until_ms;
    b->wait_until_real = until_real_ms;
}
