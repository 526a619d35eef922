#include "base/reach.h"

#include "base/clock.h"
#include "base/hash.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS   256
#define HOUR_MS 3600000
#define AGREE_MS 15000 /* clocks that differ by less are the same: Date has whole seconds, answers take their time */

struct host {
    char name[256];
    int64_t met_ms;               /* newest of all below; 0: place is free */
    int64_t answered_ms, failed_ms;
    bool direct;                  /* of the newest of the two */
    int64_t clock_ms, clock_off;  /* when it said, and what */
    struct {
        int64_t at_ms;
        uint64_t what;
    } marks[SC_MARKS];
    struct {
        int64_t at_ms, age_ms;
    } cuts[SC_REACH_CUTS];
    unsigned cut_next;
};

static struct {
    pthread_mutex_t lock;
    struct host *hosts;
    uint32_t lookups[SC_REACH_LOOKUPS]; /* the newest one before lookup_next */
    unsigned lookup_count, lookup_next;
    int64_t nats_ms, nats_off; /* its clock: when it said, and what */
} reach = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool lately(int64_t at_ms, int64_t now)
{
    return at_ms && now - at_ms < SC_REACH_MS;
}

/* Times begin at 1, so that 0 is "never". */
static int64_t now_ms(void)
{
    int64_t now = sc_mono_ms();
    return now > 0 ? now : 1;
}

/* Its place, fresh where it had none; NULL: out of memory, or a name that is none. */
static struct host *place(const char *name, int64_t now)
{
    struct host *oldest = NULL;
    if (!reach.hosts)
        reach.hosts = calloc(HOSTS, sizeof *reach.hosts);
    if (!reach.hosts || !*name || strlen(name) >= sizeof oldest->name)
        return NULL;
    for (unsigned i = 0; i < HOSTS; i++) {
        struct host *h = &reach.hosts[i];
        if (h->met_ms && strcmp(h->name, name) == 0) {
            h->met_ms = now;
            return h;
        }
        if (!oldest || h->met_ms < oldest->met_ms)
            oldest = h;
    }
    *oldest = (struct host){.met_ms = now};
    snprintf(oldest->name, sizeof oldest->name, "%s", name);
    return oldest;
}

void sc_reach_answered(const char *host, bool direct)
{
    int64_t now = now_ms();
    pthread_mutex_lock(&reach.lock);
    struct host *h = place(host, now);
    if (h) {
        h->answered_ms = now;
        h->failed_ms = 0;
        h->direct = direct;
        h->marks[SC_MARK_ISSUER].at_ms = h->marks[SC_MARK_DATES].at_ms = 0;
    }
    pthread_mutex_unlock(&reach.lock);
}

void sc_reach_failed(const char *host, enum sc_reason reason, bool direct)
{
    int64_t now = now_ms();
    if (reason < SC_REASON_DNS_FAILURE || reason > SC_REASON_TLS_VERSION)
        return;
    pthread_mutex_lock(&reach.lock);
    struct host *h = place(host, now);
    if (h) {
        h->failed_ms = now;
        h->answered_ms = 0;
        h->direct = direct;
    }
    pthread_mutex_unlock(&reach.lock);
}

struct sc_reach_count sc_reach_others(const char *host)
{
    struct sc_reach_count count = {0};
    int64_t now = now_ms();
    pthread_mutex_lock(&reach.lock);
    for (unsigned i = 0; reach.hosts && i < HOSTS; i++) {
        const struct host *h = &reach.hosts[i];
        if (!h->met_ms || strcmp(h->name, host) == 0)
            continue;
        count.answered += lately(h->answered_ms, now);
        count.failed += lately(h->failed_ms, now);
        count.answered_direct += lately(h->answered_ms, now) && h->direct;
        count.failed_direct += lately(h->failed_ms, now) && h->direct;
    }
    pthread_mutex_unlock(&reach.lock);
    return count;
}

/* ---- marks ----------------------------------------------------------------------------------------------------------------------- */

unsigned sc_reach_mark(const char *host, enum sc_reach_mark mark, const char *what)
{
    uint64_t hash = sc_hash32(what, strlen(what));
    int64_t now = now_ms();
    unsigned others = 0;
    pthread_mutex_lock(&reach.lock);
    struct host *own = place(host, now);
    if (own) {
        own->marks[mark].at_ms = now;
        own->marks[mark].what = hash;
    }
    for (unsigned i = 0; reach.hosts && i < HOSTS; i++) {
        const struct host *h = &reach.hosts[i];
        others += h != own && h->met_ms && lately(h->marks[mark].at_ms, now) && h->marks[mark].what == hash;
    }
    pthread_mutex_unlock(&reach.lock);
    return others;
}

void sc_reach_unmark(const char *host, enum sc_reach_mark mark)
{
    pthread_mutex_lock(&reach.lock);
    for (unsigned i = 0; reach.hosts && i < HOSTS; i++)
        if (reach.hosts[i].met_ms && strcmp(reach.hosts[i].name, host) == 0)
            reach.hosts[i].marks[mark].at_ms = 0;
    pthread_mutex_unlock(&reach.lock);
}

/* ---- cuts ------------------------------------------------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct sc_reach_cuts sc_reach_cut(const char *host, int64_t age_ms)
{
    struct sc_reach_cuts result = {.count = 1};
    int64_t now = now_ms(), ages[SC_REACH_CUTS];
    unsigned known = 0;
    pthread_mutex_lock(&reach.lock);
    struct host *h = place(host, now);
    if (h) {
        unsigned at = h->cut_next++ % SC_REACH_CUTS;
        h->cuts[at].at_ms = now;
        h->cuts[at].age_ms = age_ms;
        result.count = 0;
        for (unsigned i = 0; i < SC_REACH_CUTS; i++) {
            if (!h->cuts[i].at_ms || now - h->cuts[i].at_ms >= HOUR_MS)
                continue;
            result.count++;
            if (h->cuts[i].age_ms > 0)
                ages[known++] = h->cuts[i].age_ms;
        }
    }
    pthread_mutex_unlock(&reach.lock);
    qsort(ages, known, sizeof *ages, by_size);
    result.median_age_ms = known ? ages[known / 2] : 0;
    return result;
}

/* ---- clocks ---------------------------------------------------------------------------------------------------------------------- */

void sc_reach_clock(const char *host, int64_t off_ms)
{
    int64_t now = now_ms();
    pthread_mutex_lock(&reach.lock);
    struct host *h = place(host, now);
    if (h) {
        h->clock_ms = now;
        h->clock_off = off_ms;
    }
    pthread_mutex_unlock(&reach.lock);
}

void sc_reach_nats_clock(int64_t off_ms)
{
    pthread_mutex_lock(&reach.lock);
    reach.nats_ms = now_ms();
    reach.nats_off = off_ms;
    pthread_mutex_unlock(&reach.lock);
}

static bool agree(int64_t a, int64_t b)
{
    return (a > b ? a - b : b - a) <= AGREE_MS;
}

struct sc_reach_clocks sc_reach_clocks(const char *host, int64_t off_ms)
{
    struct sc_reach_clocks c = {0};
    int64_t now = now_ms();
    pthread_mutex_lock(&reach.lock);
    for (unsigned i = 0; reach.hosts && i < HOSTS; i++) {
        const struct host *h = &reach.hosts[i];
        if (!h->met_ms || !lately(h->clock_ms, now) || strcmp(h->name, host) == 0)
            continue;
        c.with_us += agree(h->clock_off, 0);
        c.with_it += agree(h->clock_off, off_ms);
    }
    if (lately(reach.nats_ms, now)) {
        c.nats_with_us = agree(reach.nats_off, 0);
        c.nats_with_it = agree(reach.nats_off, off_ms);
    }
    pthread_mutex_unlock(&reach.lock);
    return c;
}

int64_t sc_reach_own_error(void)
{
    int64_t now = now_ms(), error = SC_TIME_NONE;
    pthread_mutex_lock(&reach.lock);
    if (lately(reach.nats_ms, now))
        error = reach.nats_off;
    for (unsigned i = 0; reach.hosts && error == SC_TIME_NONE && i < HOSTS; i++) {
        const struct host *h = &reach.hosts[i];
        unsigned alike = 0;
        for (unsigned k = 0; h->met_ms && lately(h->clock_ms, now) && k < HOSTS; k++) {
            const struct host *other = &reach.hosts[k];
            alike += other->met_ms && lately(other->clock_ms, now) && agree(other->clock_off, h->clock_off);
        }
        if (alike >= 3)
            error = h->clock_off;
    }
    pthread_mutex_unlock(&reach.lock);
    return error;
}

static int by_length(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

struct sc_reach_lookups sc_reach_lookup(uint32_t ms)
{
    struct sc_reach_lookups l = {0};
    uint32_t sorted[SC_REACH_LOOKUPS];
    pthread_mutex_lock(&reach.lock);
    reach.lookups[reach.lookup_next] = ms;
    reach.lookup_next = (reach.lookup_next + 1) % SC_REACH_LOOKUPS;
    reach.lookup_count += reach.lookup_count < SC_REACH_LOOKUPS;
    l.count = reach.lookup_count;
    for (unsigned i = 0; i < l.count; i++) {
        sorted[i] = reach.lookups[(reach.lookup_next + SC_REACH_LOOKUPS - 1 - i) % SC_REACH_LOOKUPS];
        l.slow += sorted[i] >= SC_REACH_SLOW_MS;
        l.newest_slow += i < SC_REACH_LOOKUPS / 2 && sorted[i] >= SC_REACH_SLOW_MS;
    }
    pthread_mutex_unlock(&reach.lock);
    qsort(sorted, l.count, sizeof *sorted, by_length);
    l.p95_ms = sorted[(l.count * 95 + 99) / 100 - 1];
    return l;
}

void sc_reach_forget(void)
{
    pthread_mutex_lock(&reach.lock);
    reach.lookup_count = reach.lookup_next = 0;
    free(reach.hosts);
    reach.hosts = NULL;
    reach.nats_ms = 0;
    pthread_mutex_unlock(&reach.lock);
}
