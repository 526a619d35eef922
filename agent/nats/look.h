/* A look at NATS every minute, on a thread and connection of its own: the stream that takes our
 * subject and its limits, who reads it, what the account may still use, what time it is there. Only
 * while this agent holds the lease; changes nothing. */
#pragma once

#include "nats/inspect.h"
#include "nats/lease.h"

struct sc_look_report {
    int64_t mono_ms, real_ms; /* when it was looked */
    bool found;               /* a stream takes the subject */
    struct sc_stream_info stream;
    bool consumers_known;
    struct sc_consumers consumers;
    char consumers_why[320]; /* why they are not known */
    char copies[256];        /* streams that mirror or source it; empty: none, or not known */
    bool account_known;
    struct sc_account_info account;
    bool clock_known;
    struct sc_clock_info clock;
};

struct sc_look_config {
    const struct sc_nats_config *nats;
    const char *subject,
        *bucket; /* bucket: by whose stream the clock is asked; outlives the look */
    const struct sc_fence *fence; /* as the publisher looks at it; outlives the look */
    uint32_t every_ms;
    void (*seen)(void *arg, const struct sc_look_report *report); /* on the look's thread */
    void *arg;
};

struct sc_look;
struct sc_look *sc_look_start(const struct sc_look_config *config, struct sc_error *err);
struct sc_look *sc_look_stop(struct sc_look *look); /* NULL is fine; returns NULL within a second */
