/* What exchanges tell beside their content, as notices of the integration: a clock that differs (clock_skew), names that take long (falling_behind). And
 * files of the settings that are waited for: a CA or a client certificate that changes ends the wait for it at once. io thread. */
#pragma once

#include "http/dns.h"
#include "base/heap.h"
#include "base/reach.h"

struct sc_io;
struct sc_poller;
struct sc_http_result;

/* Of an io thread: why names take long. */
struct sc_lookups {
    struct sc_reach_lookups newest;
    bool slow;                /* told */
    struct sc_dns_case *look; /* asked why */
    struct sc_timer timer;    /* until there is an answer */
};

void sc_around_learn(struct sc_poller *p, const struct sc_http_result *result);
/* What is told of p has changed: if it waits for a file, that is looked at every two seconds. */
void sc_around_watch(struct sc_poller *p);
void sc_around_files(struct sc_timer *timer, void *io);
void sc_lookups_done(struct sc_io *io);
