/* The agent's looks at itself, beside which it works: memory, loops, NATS, the stream, the heartbeat file. Main thread, but for what is said below. */
#pragma once

#include "config/settings.h"
#include "nats/lease.h"
#include "nats/publisher.h"
#include "operate/memory.h"
#include "poll/io.h"
#include "poll/registry.h"
#include "self/facts.h"

struct sc_self_config { /* all of it outlives the looks */
    const struct sc_settings *settings;
    const struct sc_nats_config *nats;
    const struct sc_fence *fence;
    struct sc_publisher *publisher;
    struct sc_io *const *ios;
    unsigned io_count;
    struct sc_memory *memory;
    struct sc_registry *registry;
};

struct sc_self;
/* Before anything else is started: how did the run before end? Says so in the log. NULL + err. */
struct sc_self *sc_self_new(const struct sc_settings *settings, struct sc_error *err);
struct sc_facts *sc_self_facts(struct sc_self *self); /* any thread */
int sc_self_start(struct sc_self *self, const struct sc_self_config *config, struct sc_error *err);
/* About once a second. */
void sc_self_turn(struct sc_self *self);
/* Ends the looks. */
void sc_self_stop(struct sc_self *self);
/* The agent has ended by itself: the mark for the next start. Returns NULL; NULL is fine. */
struct sc_self *sc_self_free(struct sc_self *self);
