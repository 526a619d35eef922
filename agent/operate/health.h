/* The heartbeat file run.dir/health: written every few seconds by the main loop while all loops turn, read by `signal-client health`, and by the next
 * start: it tells how the last one ended. */
#pragma once

#include "base/buf.h"

struct sc_heartbeat {
    bool ok;
    bool stopped;         /* the last one: the agent has ended by itself */
    const char *nats;     /* "connected", or why not */
    const char *detail;
    const char *cause;    /* the oldest that is not well although the loops turn, with its advice; "" = nothing */
    uint64_t resident, limit; /* bytes in memory, bytes there may be (0: no limit) */
};

/* One line of JSON: {"v":1,"at":"…","boot":"<boot id>","boot_ms":…,"pid":…,"ok":true,"stopped":false,"resident":…,"limit":…,"nats":"connected|<why
 * not>","detail":"…","cause":"…"}; written to a temporary file and renamed; mode 0644. The directory is made when only its last part is missing. */
int sc_health_write(const char *run_dir, const struct sc_heartbeat *beat, struct sc_error *err);
/* 0 healthy, 1 not; the line to print in out. Older than 30 s (by boot clock of the same boot) is unhealthy. */
int sc_health_read(const char *run_dir, struct sc_buf *out);

/* How the run before this one ended, by the file that it left. */
struct sc_previous_run {
    bool known;     /* there is such a file, and it can be read */
    bool stopped;   /* by itself */
    bool same_boot; /* the machine has not been restarted since */
    int64_t at_ms;  /* real time of its last heartbeat */
    uint64_t resident, limit;
};
void sc_health_previous(const char *run_dir, struct sc_previous_run *ret);
/* What an operator should know of it: "" when it ended well, or nothing is known. True: it was probably killed for its memory. */
bool sc_previous_run_text(const struct sc_previous_run *run, char *out, size_t cap);
