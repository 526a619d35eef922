/* The identities that a data type has handed over or knows to be in the stream: keyed 64-bit fingerprints in segments in the order of
 * hand-over. "Seen" means acknowledged: an entry is in flight until sc_seen_stored(). Beside each fingerprint a 32-bit hash of the body (0 =
 * unknown, after a read-back). Owned by one io thread.
 *
 * Segments are what is kept in bucket SEEN: 4,096 entries, 12 bytes each and a head, under 64 KiB. Dropped oldest first, when the position can no
 * longer reach them, or when the cap is passed (then `overflowed` and the promise is "at least once").
 *
 * A `dated` set holds what was read as a whole instead (struct sc_data_type.whole), and when: the hash of an entry is that time, in seconds, kept in
 * the segment too (16 bytes an entry, so 3,072 of them). A later reading is a further entry, the one before stays in its segment: where the later one
 * is left out after a rewind, it counts again. Segments that hold little that is still valid are dropped by sc_seen_compact(). */
#pragma once

#include "base/buf.h"

#define SC_SEEN_SEGMENT 4096u
#define SC_SEEN_NONE    UINT64_MAX

struct sc_seen {
    struct sc_seen_segment **segments; /* ring by number: segments[(number - first) ...] */
    uint32_t first, count, cap;        /* number of the first one, how many */
    uint32_t *table;                   /* open addressing: entry number + 1 relative to `base` */
    uint32_t table_size, used;
    uint64_t max;
    bool overflowed;
    bool dated;
    bool spares_unmet;  /* above the cap, what is known from a read-back or of another walk and was not met yet stays, before what was met or handed over */
    int64_t passed_ms;  /* of such a set: records before it are not met any more; SC_TIME_NONE: not known */
};

void sc_seen_init(struct sc_seen *seen, uint64_t max_entries); /* for a dated one set `dated` then */
void sc_seen_done(struct sc_seen *seen);

/* Entry number of a fingerprint, or SC_SEEN_NONE. */
uint64_t sc_seen_find(const struct sc_seen *seen, uint64_t fingerprint);
/* Adds one that is in flight. Number, or SC_SEEN_NONE when out of memory. The fingerprint must not be there. */
uint64_t sc_seen_add(struct sc_seen *seen, uint64_t fingerprint, uint32_t hash, uint64_t page);
/* It is in the stream at seq (0: known to be there, place unknown). time_ms of the record, SC_TIME_NONE. Numbers of dropped entries are ignored. */
void sc_seen_stored(struct sc_seen *seen, uint64_t number, uint64_t seq, int64_t time_ms);
bool sc_seen_is_stored(const struct sc_seen *seen, uint64_t number);
uint32_t sc_seen_hash(const struct sc_seen *seen, uint64_t number);
void sc_seen_set_hash(struct sc_seen *seen, uint64_t number, uint32_t hash);
/* Takes in one that a read-back found; nothing when it is there already (then it is marked stored). */
int sc_seen_found(struct sc_seen *seen, uint64_t fingerprint, uint64_t seq, int64_t time_ms);

/* Dated: it was read at that time, which counts once the messages up to seq are in the stream (0: it relies on none). Nothing when a later reading
 * is known. -1: out of memory, and as before. */
int sc_seen_renew(struct sc_seen *seen, uint64_t fingerprint, uint32_t seconds, uint64_t seq);
/* Dated: while more than half of the entries, and more than a segment of them, are superseded: those of the oldest segment that are not become
 * entries of the newest one, and it is dropped. Their keys are still named by the stored checkpoint. */
void sc_seen_compact(struct sc_seen *seen);

/* Drops whole segments from the oldest on whose entries are all stored, older than before_ms (newest time of the segment; where times are not
 * known: of the next segment with a time; INT64_MAX: all are older), and of pages below `page`. Calls dropped(number) for each. */
void sc_seen_drop(struct sc_seen *seen, int64_t before_ms, uint64_t page, void (*dropped)(void *arg, uint32_t segment), void *arg);

/* Persistence. Dirty = has stored entries that the last encode did not hold, or was loaded without some of what is kept. */
bool sc_seen_dirty(const struct sc_seen *seen, uint32_t segment);
/* Encodes the stored entries of a segment and marks it clean. */
int sc_seen_encode(struct sc_seen *seen, uint32_t segment, struct sc_buf *out);
void sc_seen_mark_dirty(struct sc_seen *seen, uint32_t segment); /* the write failed */
/* Takes in an encoded segment; entries beyond max_seq are left out. Segments must be loaded in order of number into an empty set. -1: not a
 * segment of that number (foreign, torn or too new). */
int sc_seen_load(struct sc_seen *seen, uint32_t segment, struct sc_str value, uint64_t max_seq);
uint32_t sc_seen_stored_in(const struct sc_seen *seen, uint32_t segment); /* entries of it that encode() writes; 0: no such segment */
uint32_t sc_seen_first(const struct sc_seen *seen);
uint32_t sc_seen_end(const struct sc_seen *seen); /* one past the last */
uint64_t sc_seen_entries(const struct sc_seen *seen);
