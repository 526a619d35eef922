/* The control subject, signal-client.{appliance_id}.control: what the command line, or anybody who may publish there, asks of the running agent. The
 * agent that holds the lease answers, one that stands by does not.
 *
 * A request is one JSON object with "v": 1 and "op" (request.h), sent with a reply subject. Answers are JSON objects with one member each, in order:
 *   {"alive":{"id":"…","agent":"…"}}  at once and every 2 s        {"line":{…}} {"check":{…}} {"trace":{…}}  as they come
 *   {"end":{"ok":true,"text":"…"}}    exactly once, last
 * Who listens for longer than 15 s says {"v":1,"op":"keep","id":"…"} now and then, or what was asked ends; {"op":"cancel"} ends it at once. */
#pragma once

#include "nats/lease.h"
#include "nats/publisher.h"
#include "poll/registry.h"

#include <jansson.h>

#define SC_CONTROL_OPEN 16u /* requests at a time */

struct sc_control_config {
    const struct sc_nats_config *nats;
    const char *appliance_id;
    const struct sc_fence *fence;
    struct sc_registry *registry;
    struct sc_publisher *publisher;
    unsigned io_threads;
    int64_t started_real_ms;
    bool on_request; /* the agent polls nothing by itself */
    /* More members for the answer to op "agent"; the control thread. NULL: none. */
    void (*more_facts)(void *arg, json_t *object);
    void *more_arg;
};

struct sc_control;
struct sc_control *sc_control_start(const struct sc_control_config *config, struct sc_error *err);
/* Says goodbye to who waits, ends what was asked. Before the io threads end. Returns NULL. */
struct sc_control *sc_control_stop(struct sc_control *control);
void sc_control_poke(struct sc_control *control); /* the lease was taken or lost; any thread, NULL is fine */
