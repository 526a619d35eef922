/* Crash points and the hand-over trace for the fault tests. Compiled to nothing unless SIGNAL_FAULT_POINTS.
 * SIGNAL_CLIENT_CRASH_AT=<point>[:n] makes the process _exit(137) at the n-th passing (default 1st) of that point.
 * SIGNAL_CLIENT_TRACE=<path> appends one line for each message handed to NATS: "<boot_ns> <epoch> <msg id>". */
#pragma once

#include <stdint.h>

/* Every crash point there is, in the order of a record's way. */
#define SC_CRASH_POINTS(X)                                                                                             \
    X("anchor.before")       /* anchor composed, not handed over */                                                    \
    X("anchor.after")        /* anchor acknowledged, nothing published */                                              \
    X("publish.before")      /* record cut, not handed to NATS */                                                      \
    X("publish.after")       /* record handed to NATS, no ack yet */                                                   \
    X("ack.before")          /* ack received, not counted */                                                           \
    X("ack.after")           /* ack counted, identity entered */                                                       \
    X("page.acked")          /* all of a page acknowledged, checkpoint not composed */                                 \
    X("seen.before")         /* segment composed, not handed over */                                                   \
    X("seen.after")          /* segment acknowledged, checkpoint not handed over */                                    \
    X("checkpoint.before")   /* checkpoint composed, not handed over */                                                \
    X("checkpoint.sent")     /* checkpoint handed to NATS, no ack yet */                                               \
    X("checkpoint.after")    /* checkpoint acknowledged */                                                             \
    X("walk.closed")         /* last page saved, walk over */                                                          \
    X("snapshot.map.before") /* map composed, not handed over */                                                       \
    X("snapshot.map.after")  /* map acknowledged, checkpoint not handed over */                                        \
    X("deadletter.before")   /* dead letter about to be renamed */                                                     \
    X("deadletter.after")    /* dead letter durable, not counted */                                                    \
    X("gap.before")          /* gap artifact composed */                                                               \
    X("gap.after")           /* gap artifact acknowledged */                                                           \
    X("lease.taken")         /* lease taken, nothing read */                                                           \
    X("recover.loaded")      /* checkpoint read and proven, no read-back yet */                                        \
    X("recover.done")        /* read-back done */

#ifdef SIGNAL_FAULT_POINTS
void sc_fault_init(void);
void sc_fault_point(const char *name);
void sc_fault_trace(uint64_t epoch, const char *msg_id);
/* A replayable delay-free list, one per line, for `version --crash-points`. */
void sc_fault_list(void (*line)(const char *name));
#define SC_FAULT(name) sc_fault_point(name)
#define SC_TRACE_SENT(epoch, id) sc_fault_trace((epoch), (id))
#else
#define SC_FAULT(name) ((void)0)
#define SC_TRACE_SENT(epoch, id) ((void)0)
#endif
