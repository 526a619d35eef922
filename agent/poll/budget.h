/* One budget pool (exactness.md 2): requests per time, concurrency, what the vendor's headers said, a named wait. Pure: time is an argument.
 * A request takes from each of its pools; it may go only when all of them allow it. Nothing is ever "used up in advance": a pool begins empty
 * (one probe request, then the rate), because the time before this start is unknown. */
#pragma once

#include "base/buf.h"
#include <signal/connector.h>

#define SC_BUDGET_LOG 4096u /* requests remembered in a window; larger limits are kept per slice of the window */

struct sc_budget {
    char *key;              /* pool name and scope */
    const struct sc_pool *pool;
    uint32_t requests;      /* limit in force, before the reserve; 0: unlimited */
    uint32_t window_ms;
    uint32_t reserve_percent;
    bool reserve_named;     /* by the operator */
    bool overridden;        /* the operator's rate_limit: headers may lower it, not raise it */
    bool learned;           /* the limit in force is what the vendor's header said */
    uint32_t in_flight, concurrency;
    /* sliding log of what was sent, oldest first */
    int64_t *sent;          /* monotonic ms */
    uint32_t log_size, log_head, log_count, log_cap;
    uint32_t log_guessed;   /* of log_count, the oldest: not sent by us, assumed for the time before the start */
    bool log_known;         /* nothing needs to be assumed any more */
    int64_t begun_ms;       /* the start */
    uint32_t per_slot;      /* requests one entry stands for */
    uint32_t slot_fill;
    /* what the vendor said */
    int64_t vendor_left;    /* requests left until vendor_reset; -1: not known */
    int64_t vendor_reset;   /* monotonic ms */
    int64_t wait_until;     /* named wait, monotonic ms; 0: none */
    int64_t wait_until_real;
    uint64_t used;          /* since start, for status */
};

/* 0, or -1 out of memory. */
int sc_budget_init(struct sc_budget *budget, const char *key, const struct sc_pool *pool, int64_t now_ms);
void sc_budget_done(struct sc_budget *budget);
/* The operator's limit (0 = none) and reserve. Where two integrations differ the lower limit and the higher reserve hold: call for each. */
void sc_budget_override(struct sc_budget *budget, uint32_t requests, uint32_t per_s, uint32_t reserve_percent, int64_t now_ms);
/* When a request may go: <= now_ms means now. INT64_MAX: when another one ends (concurrency). */
int64_t sc_budget_when(const struct sc_budget *budget, int64_t now_ms);
/* Requests of ours in the window that ends now, as far as they are noted; guesses of what was sent before the start are left out. */
uint32_t sc_budget_sent(const struct sc_budget *budget, int64_t now_ms);
/* For what may wait: when a request may go and leave half of what is allowed to others, and one place where several may run at a time. INT64_MAX: when
 * another one ends. */
int64_t sc_budget_when_spare(const struct sc_budget *budget, int64_t now_ms);
/* Requests allowed in a window after the reserve, at least 1; 0: unlimited. */
uint32_t sc_budget_allowed(const struct sc_budget *budget);
void sc_budget_take(struct sc_budget *budget, int64_t now_ms);
void sc_budget_release(struct sc_budget *budget);
/* Reply headers: limit, remaining (-1: absent) and when it resets (monotonic ms; SC_TIME_NONE: absent). */
void sc_budget_learn(struct sc_budget *budget, int64_t limit, int64_t remaining, int64_t reset_ms, int64_t now_ms);
/* Requests of ours in the window that ends now. */
uint32_t sc_budget_used(const struct sc_budget *budget, int64_t now_ms);
/* How much of the limit others have used in the vendor's window, as far as its headers tell: per cent; -1: not known. */
int sc_budget_outside(const struct sc_budget *budget, int64_t now_ms);
/* Requests allowed in an hour after the reserve; 0: unlimited. */
uint64_t sc_budget_hourly(const struct sc_budget *budget);
/* "a minute", "an hour", "in 90 s": the window behind a number of requests. */
void sc_budget_window(const struct sc_budget *budget, struct sc_buf *out);
/* "okta_logs: 54 of 60 a minute (X-Rate-Limit-Limit), 12 used, 6 kept for others" */
void sc_budget_describe(const struct sc_budget *budget, int64_t now_ms, struct sc_buf *out);
/* The vendor named a time (429, Retry-After) or the back-off did. Never shortens one that is later. */
void sc_budget_wait(struct sc_budget *budget, int64_t until_ms, int64_t until_real_ms);
