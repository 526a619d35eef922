/* The checkpoint of one data type (exactness.md 3) and its JSON form. Owned by one io thread; pure but for memory.
 * Beside the members of the schema: "seen" and "whole" (segments in bucket SEEN that belong to it), "map" (number of the snapshot map), "gaps" (frozen gap
 * artifacts that are not acknowledged yet), "waits" (waits that the vendor named), "habit" (how often something comes: habit.h), "credential" (since
 * when and until when the vendor took it), "count" (since the checkpoint began). Unknown members are
 * kept out; a value whose "v" is not 1 is refused. */
#pragma once

#include "poll/habit.h"

#define SC_TRAIL_MAX      40
#define SC_SEEN_TAIL 4
#define SC_TRAIL_STEP_MS  10000
#define SC_TRAIL_KEEP_MS  300000
#define SC_GAPS_MAX       8
#define SC_CHECKPOINT_SEGMENTS_MAX 8192u /* more than the largest set of identities fills */

struct sc_floor {
    uint64_t page, walk;
};

struct sc_trail_entry {
    int64_t at_ms;
    json_t *position;
    json_t *walk;     /* of the first entry, made at the anchor of a walk: what it froze; else NULL */
    struct sc_floor floor;
    uint64_t seq;     /* 0: nothing had been published; verifies in any state of the stream */
    char *msg_id;
    uint32_t map;
};

/* What was seen of the credential: no trace of the credential itself. Real time, ms; 0: never. */
struct sc_worked {
    uint64_t rev;           /* of the integration, whose credential this is */
    int64_t since_ms, until_ms; /* the first and the newest good answer to it */
    int64_t refused_ms;     /* a login that was refused and is not to be tried again with this revision */
};

struct sc_checkpoint {
    char *connector, *source;
    uint32_t recipe;
    json_t *position; /* object of texts; never NULL */
    json_t *walk;     /* object of texts, the connector's state of the open walk; NULL: no walk is open */
    uint64_t walk_page;
    char *walk_from;  /* frozen begin, NULL: none */
    bool open;
    struct sc_floor floor;
    char *stream_created; /* proof; seq 0: nothing published yet */
    uint64_t proof_seq;
    char *proof_msg_id;
    struct sc_trail_entry trail[SC_TRAIL_MAX]; /* oldest first */
    uint32_t trail_count;
    uint32_t seen_first, seen_end; /* segments; equal: none, but numbers go on from there */
    uint32_t seen_tail[SC_SEEN_TAIL], seen_tail_count; /* entries of the newest ones, oldest first: fewer than that in the bucket is a bucket that
                                                          went back */
    uint32_t whole_first, whole_end; /* segments of readings (whole.c), likewise */
    uint32_t map;                  /* 0: none */
    json_t *reached;               /* newest document version ("version0", "version1") that a walk began to publish, also one that was broken
                                      off; NULL: none */
    json_t *gaps;                  /* array, may be NULL */
    json_t *waits;                 /* object: pool name -> RFC 3339 until; may be NULL */
    struct sc_habit habit;
    struct sc_worked worked;
    uint64_t records, pages, bytes;
    int64_t not_before_ms;         /* no walk begins before: the server would drop what is to come again (relocate.h); 0: none */
    json_t *backfill;              /* object: of a walk over a closed window of the past, what it is and how far (backfill.c); NULL: it is none */
    char *agent; /* writer */
    uint64_t epoch, n;
    int64_t saved_ms;
};

void sc_checkpoint_init(struct sc_checkpoint *cp);
void sc_checkpoint_done(struct sc_checkpoint *cp);
/* Parses a value into an uninitialised struct. -1 + err (checkpoint_invalid, or memory_limit): text says what and where; the struct is half filled
 * and waits for sc_checkpoint_done() alone. */
int sc_checkpoint_parse(struct sc_checkpoint *cp, struct sc_str text, struct sc_error *err) SC_WARN_UNUSED;
int sc_checkpoint_write(const struct sc_checkpoint *cp, struct sc_buf *out);
/* Adds the present proof (the first time also without one) to the trail when 10 s have passed since its newest entry; drops entries older than 5 min (one older one stays as an
 * anchor for rewinds at its edge). max_entries limits it further (snapshots: fewer maps are kept). */
void sc_checkpoint_trail(struct sc_checkpoint *cp, int64_t now_ms, uint32_t max_entries);
/* What the position covers, by its "time"; before any record was read (*ret_begun false) the frozen bound of the first walk. SC_TIME_NONE: neither. */
int64_t sc_checkpoint_covers(const struct sc_checkpoint *cp, bool *ret_begun);
void sc_checkpoint_forget_trail(struct sc_checkpoint *cp);
/* Goes back to trail entry i: position, floors, proof, map; later entries are dropped, the walk is closed (or as the entry knows it), `open` set. */
void sc_checkpoint_rewind(struct sc_checkpoint *cp, uint32_t i);
