/* A backfill: a second walk of a data type, over a closed window of the past, with a checkpoint and identities of its own (key
 * {integration}.{data_type}.=backfill: "=" without two hex digits never comes of a name). It is an errand (errand.h) that outlives the process: what stands
 * in the bucket is gone on with by whoever polls the data type. io thread of the poller.
 *
 * It publishes what the live walk would have published, under the same ids. So that nothing comes twice
 *   - its window ends before what the live walk may ever read again; where that falls back further, the backfill waits until it has come as far again;
 *   - it knows what the stream holds of that time (relocate.h), and each of the two looks at the other's identities: a vendor may show late records to a walk
 *     by cursor that belong to the window. A record that the other one has just handed over is waited for;
 *   - its identities are kept until a live walk that was begun after its end has been walked to its own.
 * The live walk waits until they are loaded. Where a budget gets short the live walk is served, whatever is left of the backfill. */
#pragma once

#include "poll/errand.h"

enum sc_backfill_state {
    SC_BACKFILL_OPEN,
    SC_BACKFILL_DONE,    /* its window is read and acknowledged */
    SC_BACKFILL_STOPPED  /* by an operator */
};

struct sc_backfill {
    enum sc_backfill_state state;
    bool allow_doubles, kept; /* kept: ended, its identities are still looked at; it goes with the end of a live walk */
    bool beginning, reading; /* nothing of it is in the bucket yet; the reader makes what it begins with */
    bool stop;            /* wanted */
    bool past_use, emptied;  /* kept: no longer needed; its identities are no longer named by what is being saved */
    uint32_t purge_first, purge_end;
    int64_t asked_ms, ended_ms; /* wall clock */
    uint64_t known, left_out;
    int64_t worked_ms;    /* in walks, without the one under way */
    int64_t ended_mono;   /* when it ended, or was found to have ended: live walks begun since then see everything */
    int64_t told_ms;      /* of the progress, monotonic */
    uint32_t failures;    /* walks in a row that got no further */
    char reached[40];     /* position when the walk before ended */
    struct asked_backfill *asked; /* who wants to hear that it has begun or was stopped; NULL: nobody */
    struct sc_found *late; /* what the live walk has published of the window while this was being loaded */
    uint32_t late_count, late_cap;
};

/* NULL: out of memory. On its way with the next turn. */
struct sc_poller *sc_backfill_new(struct sc_poller *live, struct sc_window past);
void sc_backfill_forget(struct sc_poller *p); /* what is the errand's */
/* Records before this time are never read by the live walk again; for_good: also not behind a stream that has lost its tail. SC_TIME_NONE: not known. */
int64_t sc_backfill_limit(const struct sc_poller *live, bool for_good);
void sc_backfill_taken_in(struct sc_poller *p); /* it is loaded */
void sc_backfill_unreadable(struct sc_poller *p, const char *why); /* what stands in the bucket: nothing can be gone on with */

/* asked_backfill.c */
int sc_backfill_read(struct sc_poller *p); /* sends the reader for what it begins with; -1: later */
void sc_backfill_answer(struct sc_poller *p, bool good, const char *text); /* to who asked; text NULL: what there is to say */

const char *sc_backfill_state_name(enum sc_backfill_state state);
bool sc_backfill_parse_state(const char *text, enum sc_backfill_state *ret);

/* "41 % (3,100,000 records), about 2 h 10 min left; read up to 2026-…". */
void sc_backfill_words(const struct sc_poller *p, struct sc_buf *out);
