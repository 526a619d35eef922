/* What a search in Splunk's language (SPL) says about itself, as far as its text shows it: pure, no parser of the whole language. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SPL_UNKNOWN (-1)

struct spl {
    bool is_bare; /* begins with neither `search` nor `|`: "search " goes before it */
    /* Not sure to give events as they are indexed, each once with its own members: it computes or multiplies rows, begins with `|`, or has a
     * command that is not known to leave events alone. */
    bool makes_rows;
    bool has_bounds; /* words earliest= or latest= of its own, which override those of the request */
    int64_t reach_s; /* has_bounds: no event can come that is older than now less this, up to an hour of clocks; or SPL_UNKNOWN */
};

/* NULL and blanks alone: a bare one of nothing. */
struct spl spl_read(const char *text);
