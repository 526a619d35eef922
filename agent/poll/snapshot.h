/* What a snapshot data type has published: id -> content hash, and how often the record changed within the document's version. A walk
 * compares each record of the document with it; the map is committed once, after the last acknowledgement and the count check.
 * Owned by one io thread. Entries that are published but not committed (an interrupted walk) stay, so that the next walk knows them.
 *
 * Kept in bucket SEEN in parts of under 64 KiB: "SCM1", map number, part, parts, entries, highest acknowledged sequence, version text; then 26
 * bytes an entry. Eight slots are used in turn, so that the maps of the last commits stay for a rewind. */
#pragma once

#include "base/buf.h"

#define SC_MAP_SLOTS 8
#define SC_MAP_VERSION_MAX 128

struct sc_map_entry {
    uint64_t fingerprint;   /* of the record's id; 0 = free */
    unsigned char hash[16]; /* of its bytes, as last published */
    uint16_t changes;       /* of this id within `version`, from 1 */
    bool in_flight;         /* published in this walk, no outcome yet */
    bool committed;         /* part of the committed map */
    uint32_t walk;          /* last walk that met it */
    unsigned char before[16]; /* what it held until walk `replaced` gave it another state: that state may still come, under another place */
    uint32_t replaced;
};

struct sc_map {
    struct sc_map_entry *entries;
    uint32_t size, used;
    uint64_t max;
    uint32_t walk;                     /* of the present walk */
    bool changed;                      /* differs from what was committed last; the caller clears it when it encodes */
    char version[SC_MAP_VERSION_MAX + 1]; /* of the document that `changes` count for */
};

void sc_map_init(struct sc_map *map, uint64_t max_entries);
void sc_map_done(struct sc_map *map);

/* A new walk over a document of this version. */
void sc_map_begin(struct sc_map *map);
/* Sets the version; when it differs from the map's, counts of changes begin anew. */
void sc_map_version(struct sc_map *map, const char *version);

enum sc_map_verdict {
    SC_MAP_SAME,     /* published already */
    SC_MAP_PUBLISH,  /* new or changed: *ret_changes is its number within the version */
    SC_MAP_FULL
};
enum sc_map_verdict sc_map_meet(struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16], unsigned *ret_changes);
void sc_map_stored(struct sc_map *map, uint64_t fingerprint);
/* A read-back found this state of the record in the stream (in order of sequence). version: whether it is of the map's version. */
int sc_map_found(struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16], unsigned changes, bool same_version);
/* Entries that the present walk has not met. */
uint32_t sc_map_unmet(const struct sc_map *map);
/* Would sc_map_meet() say SC_MAP_SAME? Marks it met then, changes nothing else. */
bool sc_map_is_same(struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16]);
/* Is there an entry that the present walk has met already? */
bool sc_map_is_met(const struct sc_map *map, uint64_t fingerprint);
bool sc_map_has(const struct sc_map *map, uint64_t fingerprint);
bool sc_map_holds(const struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16]); /* in this state; nothing is marked */
/* Did the present walk put another state in the place of this one? */
bool sc_map_was(const struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16]);
/* It is known to be published: takes the (free) place without being published again. -1: no room. */
int sc_map_settle(struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16]);
/* The walk is complete: entries that it did not meet are dropped (returns how many), the others are committed. */
uint32_t sc_map_commit(struct sc_map *map);

/* ---- persistence --------------------------------------------------------------------------------------------------- */
uint32_t sc_map_parts(const struct sc_map *map);
int sc_map_encode(const struct sc_map *map, uint32_t number, uint32_t part, uint64_t highest_seq, struct sc_buf *out);
/* Loads one part. *ret_parts and *ret_seq tell the whole. -1: not part `part` of map `number`. */
int sc_map_load(struct sc_map *map, uint32_t number, uint32_t part, struct sc_str value, uint32_t *ret_parts, uint64_t *ret_seq);

/* Order of document versions: RFC 3339 as time, else as text. -1, 0, 1. */
int sc_version_compare(struct sc_str a, struct sc_str b);
