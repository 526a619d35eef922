/* How a data type gets on: what its polls spend their time on, what it asked and waited for lately, what failed in a row. Counted here, told by status.c,
 * judged by judge.c. */
#pragma once

#include "base/error.h"
#include "poll/meter.h"
#include "operate/times.h"

struct sc_pace {
    struct sc_poll_times now, last; /* of the walk under way; of the last poll that ended well */
    struct sc_meter meter;
    enum sc_spent waits_for; /* while waits_since is set */
    int64_t waits_since;     /* monotonic; 0: it does not wait */
    uint64_t paused_ms;      /* of the request under way: pauses of ours */
    int64_t byte_ms;         /* when the newest byte came, monotonic */
    int64_t began_real, began_covered; /* of the walk: when, and what was covered then (SC_TIME_NONE: nothing) */
    int64_t good_ms;         /* of the last good poll, monotonic; before one, and while it is not to run: since when it is watched */
    uint32_t overruns;       /* polls in a row that took longer than their interval */
    uint32_t lagging;        /* and that ended further behind than the one before */
    int64_t lag_ms;          /* at the end of the last one that brought records */
    uint32_t failures;       /* in a row */
    int64_t failing_since;   /* real: the first of them */
    int64_t due_since;       /* real: waits for another poll to end; 0: it does not */
    uint64_t future;         /* records of this walk that are dated in the future */
    int64_t future_newest;
    enum sc_reason overdue;  /* the notice that says how long ago the last good poll was; OK: there is none */
};
