/* status --watch (private to agent/cli): on a terminal drawn anew when something changes, elsewhere a line for each change. */
#pragma once

#include "cli/status.h"
#include "nats/session.h"

#define SC_STATUS_MOST (256u * 1024 * 1024) /* bytes of output */

/* Until Ctrl-C: then SC_EXIT_GOOD. Nobody reading on ends it, too. */
int sc_status_watch(const struct sc_cli *cli, const char *name, struct sc_status_view *view);
/* status.c: the view as text. SC_EXIT_GOOD, SC_EXIT_BAD. */
int sc_status_compose(struct sc_status_view *view, bool one, bool json, struct sc_buf *out);
