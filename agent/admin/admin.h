/* /healthz, /readyz and /metrics (docs/metrics.md). A thread of its own; see README.md. */
#pragma once

#include "nats/lease.h"
#include "nats/publisher.h"
#include "poll/board.h"
#include "poll/io.h"

/* What may be looked at from any thread. All of it outlives the server. */
struct sc_admin_view {
    const char *run_dir;
    struct sc_board *board;
    struct sc_publisher *publisher;
    const struct sc_lease *lease;
    const struct sc_fence *fence;
    struct sc_io *const *ios;
    unsigned io_count;
    int64_t started_real_ms;
};

struct sc_admin;
/* Takes the address (setting admin.listen) and begins to listen; nobody is answered yet. NULL + err: why it cannot be had, and what to do. */
struct sc_admin *sc_admin_open(const char *listen, struct sc_error *err);
int sc_admin_start(struct sc_admin *admin, const struct sc_admin_view *view, struct sc_error *err);
/* Ends open connections. NULL is fine; returns NULL. */
struct sc_admin *sc_admin_stop(struct sc_admin *admin);

/* The answers: text appended, HTTP status returned. Any thread. */
int sc_admin_health(const struct sc_admin_view *view, struct sc_buf *out);
int sc_admin_ready(const struct sc_admin_view *view, struct sc_buf *out);
int sc_admin_metrics(const struct sc_admin_view *view, struct sc_buf *out);
