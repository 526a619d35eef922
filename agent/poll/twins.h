/* How often each of the equal records of a page was met: the second one is "#2". Counted by request, because a request that fails is asked again and
 * its records with it. Owned by one io thread. */
#pragma once

#include "base/buf.h"

struct sc_twins {
    struct sc_twin { uint64_t fingerprint; uint32_t count; } *cells; /* open addressing; count 0: free */
    uint32_t size, used;
    uint64_t *recent; /* what was counted since the last sc_twins_keep() */
    uint32_t recent_count, recent_cap;
};

/* The number that the next one with this fingerprint has, from 1. */
uint32_t sc_twins_next(const struct sc_twins *twins, uint64_t fingerprint);
int sc_twins_add(struct sc_twins *twins, uint64_t fingerprint) SC_WARN_UNUSED; /* it was met; -1: out of memory */
void sc_twins_keep(struct sc_twins *twins);   /* a request of the page is read to its end */
void sc_twins_undo(struct sc_twins *twins);   /* what was counted since then does not count */
void sc_twins_forget(struct sc_twins *twins); /* the page is over, or begins again */
