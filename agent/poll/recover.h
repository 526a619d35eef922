/* Where a data type stands, found out at start, after a new generation, and before a fall-back by time: the checkpoint is read and proven, its
 * segments or snapshot map are loaded, and the stream is read back from the floor. Runs on the reader's thread, touches nothing of the io thread:
 * everything it needs is copied in, everything it found is handed back. */
#pragma once

#include "nats/publisher.h"
#include "nats/reader.h"
#include "poll/checkpoint.h"
#include <signal/connector.h>
#include "poll/relocate.h"
#include "poll/seen.h"
#include "poll/snapshot.h"

enum sc_recover_kind {
    SC_RECOVER_LOAD,    /* everything */
    SC_RECOVER_READBACK /* only read back from `from_seq` into `found` (before a fall-back) */
};

struct sc_found {
    uint64_t fingerprint, seq;
};

struct sc_recover {
    struct sc_read_job job; /* first member; comes back with this */
    /* in */
    enum sc_recover_kind kind;
    void *owner;
    uint64_t generation;
    char *key;            /* of the checkpoint */
    char *connector, *source;
    uint32_t recipe;
    char *prefix;         /* "okta-prod.system_log." */
    char *subject;
    struct sc_broker_facts facts;
    bool spares_unmet;      /* of the set, while it is made (seen.h) */
    bool snapshot, keeps_seen, keeps_whole; /* keeps_seen: identities older than the open page matter (overlap) */
    uint64_t max_identities;
    uint64_t from_seq;    /* SC_RECOVER_READBACK */
    struct sc_relocate relocate; /* SC_RECOVER_LOAD: goes elsewhere at once */
    const struct sc_place *places; /* of the data type, for that; may be NULL */
    char *beside_key;     /* the checkpoint of a backfill of the data type, read as well; NULL: none is looked for */
    uint64_t published_ever; /* by all walks of the data type, as far as counted */
    /* out (SC_RECOVER_LOAD) */
    bool exists;
    uint64_t rev;         /* of the checkpoint, markers included; 0: never there */
    struct sc_checkpoint cp;
    struct sc_seen seen, whole;
    struct sc_map map;
    unsigned char fingerprint_key[16];
    bool foreign;         /* other connector or source: cp is fresh, `note` says so, a gap is due */
    bool rewound;         /* to a trail entry, or to the beginning */
    bool lost;            /* nothing of the trail verified, or another stream: lookback, and a gap */
    char gap_from[40], gap_to[40], gap_reason[200];
    bool gap_certain, unreadable; /* unreadable: nothing is known of what stood there (relocate alone) */
    bool was_open;        /* as the bucket says; cp.open may be set by what was found */
    bool seen_stale;      /* segments went back, or are gone: everything that may be read again is read back */
    bool gap_seen;        /* a gap of the checkpoint was found in the stream and taken out */
    struct sc_buf beside; /* its value; empty: there is none */
    char note[400];       /* for the log, WARN; empty: none */
    /* out (both) */
    bool floor_gone, by_get;
    uint64_t read_messages, read_ours;
    int64_t read_ms;
    uint64_t read_to;
    uint64_t last_seq;    /* of the stream when it was read */
    /* progress, read by others */
    _Atomic uint64_t at_seq, to_seq;
    _Atomic bool stop;
    /* internal */
    uint64_t newest_seq;          /* of ours that the read-back met */
    char newest_id[520];
    struct sc_found *found;
    size_t found_count, found_cap;
};

/* The caller fills the "in" members (strings are owned) and posts &recover->job; job.run is set here. */
struct sc_recover *sc_recover_new(enum sc_recover_kind kind);
struct sc_recover *sc_recover_free(struct sc_recover *recover);

/* Identity of a gap artifact: "gap~" + 40 hex digits of the SHA-256 of its body. Returns its length, -1 without memory. */
#define SC_GAP_ID 64
int sc_gap_id(const json_t *gap, char out[SC_GAP_ID]);

/* Keys in bucket SEEN. */
#define SC_SEEN_SLOTS 512u
int sc_seen_key(const char *checkpoint_key, uint32_t segment, struct sc_buf *out); /* SC_SEEN_SLOTS slots in turn */
int sc_whole_key(const char *checkpoint_key, uint32_t segment, struct sc_buf *out);
#define SC_WHOLE_MAX 700000u /* readings: their segments, superseded entries included, fit those slots */
int sc_map_key(const char *checkpoint_key, uint32_t map, uint32_t part, struct sc_buf *out); /* 8 slots in turn */
