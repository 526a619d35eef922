#include "poll/budget.h"

#include "base/buf.h"
#include <stdlib.h>

static void log_drop_oldest(struct sc_budget *b)
{
    b->log_head = (b->log_head + 1) % b->log_size;
    b->log_count--;
    if (b->log_guessed)
        b->log_guessed--;
}

static void log_put(struct sc_budget *b, int64_t at)
{
    if (b->log_count == b->log_size) /* cannot hold more than the limit; the oldest goes */
        log_drop_oldest(b);
    b->sent[(b->log_head + b->log_count) % b->log_size] = at;
    b->log_count++;
}

uint32_t sc_budget_allowed(const struct sc_budget *b)
{
    if (!b->requests)
        return 0;
    uint64_t reserve = (uint64_t)b->requests * b->reserve_percent / 100;
    return reserve < b->requests ? (uint32_t)(b->requests - reserve) : 1;
}

uint32_t sc_budget_sent(const struct sc_budget *b, int64_t now_ms)
{
    uint32_t entries = 0;
    for (uint32_t i = b->log_guessed; i < b->log_count; i++)
        entries += b->sent[(b->log_head + i) % b->log_size] + b->window_ms > now_ms;
    return entries * b->per_slot;
}

/* As if the window before the start had been used evenly, but for one probe. Guesses are older than everything that was sent. */
static void put_guesses(struct sc_budget *b, uint32_t most, int64_t now_ms)
{
    uint32_t from = b->log_size - (most < b->log_size - 1 ? most : b->log_size - 1);
    for (uint32_t i = from; i < b->log_size; i++) {
        int64_t at = b->begun_ms - b->window_ms + (int64_t)((uint64_t)b->window_ms * i / b->log_size);
        if (at + b->window_ms <= now_ms)
            continue;
        log_put(b, at);
        b->log_guessed++;
    }
}

/* What was sent, in entries of the new size: each old one becomes as many as hold its requests. */
static void put_sent(struct sc_budget *b, const struct sc_budget *old, uint32_t per_entry)
{
    for (uint32_t i = old->log_guessed; i < old->log_count; i++) {
        for (uint32_t n = 0; n < per_entry && n < b->log_size; n++)
            log_put(b, old->sent[(old->log_head + i) % old->log_size]);
    }
}

/* The new log from the old one. */
static void refill(struct sc_budget *b, const struct sc_budget *old, int64_t now_ms)
{
    uint32_t per_entry = old->log_size && b->used ? (old->per_slot + b->per_slot - 1) / b->per_slot : 0;
    uint32_t unlogged = b->used ? old->slot_fill : 0;
    uint64_t real = (uint64_t)(old->log_count - old->log_guessed) * per_entry + (unlogged ? 1 : 0);
    if (!old->log_size) { /* nothing was noted until now */
        b->begun_ms = now_ms;
        b->log_known = false;
    }
    if (!b->log_known && real < b->log_size)
        put_guesses(b, (uint32_t)(b->log_size - real), now_ms);
    put_sent(b, old, per_entry);
    for (uint32_t n = 0; n < unlogged; n += b->per_slot)
        log_put(b, now_ms);
    if (!b->used)
        b->slot_fill = b->per_slot - 1; /* one probe */
}

/* Makes the log fit the limit. What was sent stays counted. Without memory the old log is used with coarser entries, all of them taken. */
static int resize(struct sc_budget *b, int64_t now_ms)
{
    struct sc_budget old = *b;
    uint32_t allowed = sc_budget_allowed(b);
    uint32_t per_slot = allowed > SC_BUDGET_LOG ? (allowed + SC_BUDGET_LOG - 1) / SC_BUDGET_LOG : 1, size = allowed / per_slot;
    int64_t *sent = malloc((size ? size : 1) * sizeof *sent);
    if (!sent) {
        if (!b->sent)
            return -1;
        b->log_size = size < b->log_cap ? size : b->log_cap;
        b->per_slot = size ? allowed / b->log_size : 1;
        b->log_head = b->log_count = b->log_guessed = b->slot_fill = 0;
        b->log_known = true;
        while (b->log_count < b->log_size)
            log_put(b, now_ms);
        return -1;
    }
    b->sent = sent;
    b->log_size = size;
    b->log_cap = size ? size : 1;
    b->per_slot = per_slot;
    b->log_head = b->log_count = b->log_guessed = b->slot_fill = 0;
    if (size)
        refill(b, &old, now_ms);
    free(old.sent);
    return 0;
}

int sc_budget_init(struct sc_budget *b, const char *key, const struct sc_pool *pool, int64_t now_ms)
{
    *b = (struct sc_budget){.pool = pool, .vendor_left = -1, .reserve_percent = 10};
    b->key = sc_dup(key);
    b->requests = pool->requests;
    b->window_ms = pool->per_s ? pool->per_s * 1000u : 60000u;
    b->concurrency = pool->concurrency;
    b->begun_ms = now_ms;
    if (b->key && resize(b, now_ms) == 0)
        return 0;
    sc_budget_done(b);
    return -1;
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
    uint32_t new_window = per_s ? per_s * 1000u : 60000u;
    if (requests) {
        /* compared as rates, so that 100/60 s and 5000/3600 s can be told apart */
        uint64_t mine = (uint64_t)requests * b->window_ms, theirs = (uint64_t)b->requests * new_window;
        if (!b->overridden || b->requests == 0 || mine < theirs) {
            b->requests = requests;
            b->window_ms = new_window;
        }
        if (b->window_ms > window && b->used) { /* what was sent before the old window is forgotten already */
            b->begun_ms = now_ms - window;
            b->log_known = false;
        }
        b->overridden = true;
        b->learned = false;
    }
    if (reserve_percent > b->reserve_percent || !b->reserve_named)
        b->reserve_percent = reserve_percent;
    b->reserve_named = true;
    if (before != sc_budget_allowed(b) || window != b->window_ms)
        resize(b, now_ms);
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

/* When fewer than `limit` of the log's entries are left in the window. */
static int64_t room_at(const struct sc_budget *b, uint32_t limit, int64_t now_ms)
{
    if (b->log_count < limit)
        return now_ms;
    int64_t free_at = b->sent[(b->log_head + b->log_count - limit) % b->log_size] + b->window_ms;
    return free_at > now_ms ? free_at : now_ms;
}

int64_t sc_budget_when_spare(const struct sc_budget *b, int64_t now_ms)
{
    int64_t when = sc_budget_when(b, now_ms);
    if (when == INT64_MAX || (b->concurrency > 1 && b->in_flight + 1 >= b->concurrency))
        return INT64_MAX;
    if (b->log_size) {
        int64_t room = room_at(b, b->log_size - b->log_size / 2, now_ms);
        when = room > when ? room : when;
    }
    if (b->vendor_left >= 0 && now_ms < b->vendor_reset) {
        int64_t reserve = (int64_t)b->requests * b->reserve_percent / 100;
        if (b->vendor_left <= reserve + ((int64_t)b->requests - reserve) / 2 && b->vendor_reset > when)
            when = b->vendor_reset;
    }
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
    while (b->log_count && b->sent[b->log_head] + b->window_ms <= now_ms)
        log_drop_oldest(b);
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

/* The vendor counts what was sent before this start as well: guesses give way as far as it says that there is room. */
static void drop_guesses(struct sc_budget *b, uint64_t left)
{
    while (b->log_guessed && (uint64_t)(b->log_size - b->log_count + 1) * b->per_slot <= left)
        log_drop_oldest(b);
    if (b->log_size && !b->log_guessed)
        b->log_known = true;
}

void sc_budget_learn(struct sc_budget *b, int64_t limit, int64_t remaining, int64_t reset_ms, int64_t now_ms)
{
    if (limit > 0 && limit <= UINT32_MAX && (uint32_t)limit != b->requests && (!b->overridden || (uint32_t)limit < b->requests)) {
        /* A limit of the vendor's own window. What was sent before stays counted; a raise begins from there. */
        b->requests = (uint32_t)limit;
        resize(b, now_ms);
    }
    if (limit > 0 && limit <= UINT32_MAX)
        b->learned = (uint32_t)limit == b->requests;
    if (remaining < 0)
        return;
    /* The reply counts itself; of those still in flight the vendor may know nothing yet. */
    int64_t left = remaining > (int64_t)b->in_flight ? remaining - (int64_t)b->in_flight : 0;
    bool holds = reset_ms != SC_TIME_NONE && reset_ms > now_ms;
    drop_guesses(b, (uint64_t)left);
    b->vendor_left = holds ? left : -1;
    b->vendor_reset = holds ? reset_ms : 0;
}

void sc_budget_wait(struct sc_budget *b, int64_t until_ms, int64_t until_real_ms)
{
    if (until_ms <= b->wait_until)
        return;
    b->wait_until = until_ms;
    b->wait_until_real = until_real_ms;
}

/* ---- for people ------------------------------------------------------------------------------------------------------------------------- */

static uint32_t sent_since(const struct sc_budget *b, int64_t from_ms)
{
    uint32_t entries = 0;
    for (uint32_t i = b->log_guessed; i < b->log_count; i++)
        entries += b->sent[(b->log_head + i) % b->log_size] >= from_ms;
    bool probe = b->used && b->slot_fill; /* requests that fill an entry yet to be written */
    uint64_t all = (uint64_t)entries * b->per_slot + (probe && b->per_slot > 1 ? b->slot_fill : 0);
    return all < b->used ? (uint32_t)all : (uint32_t)b->used;
}

uint32_t sc_budget_used(const struct sc_budget *budget, int64_t now_ms)
{
    return budget->log_size ? sent_since(budget, now_ms - budget->window_ms + 1) : 0;
}

int sc_budget_outside(const struct sc_budget *budget, int64_t now_ms)
{
    if (!budget->requests || budget->vendor_left < 0 || now_ms >= budget->vendor_reset)
        return -1;
    int64_t own = sent_since(budget, budget->vendor_reset - budget->window_ms), others = budget->requests - budget->vendor_left - own;
    return others > 0 ? (int)(others * 100 / budget->requests) : 0;
}

uint64_t sc_budget_hourly(const struct sc_budget *budget)
{
    return (uint64_t)sc_budget_allowed(budget) * 3600000 / budget->window_ms;
}

void sc_budget_window(const struct sc_budget *budget, struct sc_buf *out)
{
    static const struct {
        uint32_t ms;
        const char *words;
    } known[] = {{1000, "a second"}, {60000, "a minute"}, {3600000, "an hour"}, {86400000, "a day"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].ms == budget->window_ms) {
            sc_buf_add_str(out, known[i].words);
            return;
        }
    }
    sc_buf_addf(out, budget->window_ms % 60000 ? "in %u s" : "in %u min", budget->window_ms / (budget->window_ms % 60000 ? 1000 : 60000));
}

void sc_budget_describe(const struct sc_budget *budget, int64_t now_ms, struct sc_buf *out)
{
    sc_buf_addf(out, "%s: ", budget->pool->name);
    if (!budget->requests) {
        sc_buf_addf(out, "no limit in time%s", budget->concurrency ? "" : " is known");
    } else {
        sc_buf_addf(out, "%u of %u ", sc_budget_allowed(budget), budget->requests);
        sc_budget_window(budget, out);
        sc_buf_addf(out, " (%s), %u used, %u kept for others",
                    budget->learned      ? budget->pool->limit_header
                    : budget->overridden ? "rate_limit of the integration"
                                         : "as the connector knows it",
                    sc_budget_used(budget, now_ms), budget->requests - sc_budget_allowed(budget));
        if (sc_budget_outside(budget, now_ms) > 0)
            sc_buf_addf(out, ", others have used %d %%", sc_budget_outside(budget, now_ms));
    }
    if (budget->concurrency)
        sc_buf_addf(out, ", %u at once", budget->concurrency);
    if (budget->wait_until > now_ms)
        sc_buf_add_str(out, "; the vendor has named a time, and nobody asks before");
}
