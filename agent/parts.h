/* The agent's parts, and how each is started and ended; in which order is main.c. Main thread, but for sc_agent_on_lease. */
#pragma once

#include "admin/admin.h"
#include "control/control.h"
#include "nats/lease.h"
#include "nats/publisher.h"
#include "nats/reader.h"
#include "nats/watch.h"
#include "self/self.h"
#include "poll/io.h"
#include "poll/registry.h"

#define MAX_IO_THREADS 64 /* the most that setting io.threads takes */

struct agent {
    const struct sc_settings *settings;
    struct sc_nats_config nats;
    struct sc_fence fence;
    struct sc_retiring retiring;
    pthread_mutex_t lease_lock; /* the lease outlives publisher and control: it is released last */
    struct sc_control *control;
    struct sc_publisher *publisher;
    struct sc_reader *reader;
    struct sc_status_writer *status;
    struct sc_lease *lease;
    struct sc_io *ios[MAX_IO_THREADS];
    unsigned io_count;
    struct sc_registry *registry;
    struct sc_watch *watch;
    struct sc_admin *admin;
    struct sc_board *board; /* NULL: nobody would look */
    struct sc_memory memory;
    struct sc_self *self;
    uint64_t hours_said;
    char create_subject[300];
    bool on_request; /* nothing is polled but what a command asks for */
};

/* Settings in the forms that the parts take them in; the proxies go to where libcurl looks for them. */
void sc_agent_fill_nats(struct agent *a);
void sc_agent_export_proxies(const struct sc_settings *s);
/* 0, or -1 + err: then the agent cannot start. */
int sc_agent_start_io(struct agent *a, struct sc_error *err);
int sc_agent_start_control(struct agent *a, struct sc_error *err);
int sc_agent_start_self(struct agent *a, struct sc_error *err);  /* nothing to do for an agent that a command has for itself */
int sc_agent_open_admin(struct agent *a, struct sc_error *err);  /* first of all: an address that cannot be had ends the start */
int sc_agent_start_admin(struct agent *a, struct sc_error *err); /* last: then there is something to look at */
/* The lease's thread: tells publisher and control. */
void sc_agent_on_lease(void *arg, enum sc_lease_state state, uint64_t epoch, enum sc_reason reason, const char *detail);
/* The lease may still be told of while these end. */
void sc_agent_stop_control(struct agent *a);
void sc_agent_stop_publisher(struct agent *a);
