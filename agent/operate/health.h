/* The heartbeat file run.dir/health: written every few seconds by the main loop while all loops turn, read by `signal-client health`. */
#pragma once

#include "base/buf.h"

/* One line of JSON: {"v":1,"at":"…","boot":"<boot id>","boot_ms":…,"pid":…,"ok":true,"nats":"connected|<why not>","detail":"…"};
 * written to a temporary file and renamed; mode 0644. The directory is made when only its last part is missing. */
int sc_health_write(const char *run_dir, bool ok, const char *nats, const char *detail, struct sc_error *err);
/* 0 healthy, 1 not; the line to print in out. Older than 30 s (by boot clock of the same boot) is unhealthy. */
int sc_health_read(const char *run_dir, struct sc_buf *out);
