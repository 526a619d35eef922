#include "poll/recover.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "poll/identity.h"
#include <stdio.h>
#include <stdlib.h>

#define SEEN_BUCKET        "SEEN"
#define CHECKPOINT_BUCKET  "CHECKPOINTS"
#define FINGERPRINT_KEY    "fingerprint-key"
#define READBACK_NEAR      500000ull /* messages: two seconds */

int sc_seen_key(const char *checkpoint_key, uint32_t segment, struct sc_buf *out)
{
    return sc_buf_addf(out, "%s.seen-%u", checkpoint_key, segment % SC_SEEN_SLOTS);
}

int sc_whole_key(const char *checkpoint_key, uint32_t segment, struct sc_buf *out)
{
    return sc_buf_addf(out, "%s.whole-%u", checkpoint_key, segment % SC_SEEN_SLOTS);
}

int sc_map_key(const char *checkpoint_key, uint32_t map, uint32_t part, struct sc_buf *out)
{
    return sc_buf_addf(out, "%s.map-%u.%u", checkpoint_key, map % SC_MAP_SLOTS, part);
}

/* ---- the fingerprint key: one for the bucket, made once --------------------------------------------------------------------- */

static int load_fingerprint_key(struct sc_recover *r, struct sc_session *session, struct sc_error *err)
{
    struct sc_kv_entry entry = {0};
    for (int attempt = 0; attempt < 3; attempt++) {
        int rc = sc_kv_get(session, SEEN_BUCKET, FINGERPRINT_KEY, &entry, err);
        if (rc < 0)
            break;
        if (rc == 0 && !entry.deleted) {
            bool good = sc_unhex(sc_buf_str(&entry.value), r->fingerprint_key, 16);
            sc_kv_entry_done(&entry);
            if (good)
                return 0;
            return sc_fail(err, SC_REASON_CHECKPOINT_INVALID,
                           "key %s in bucket %s is not 32 hex digits: restore it, or delete it (identities seen so far are then unknown)",
                           FINGERPRINT_KEY, SEEN_BUCKET);
        }
        unsigned char fresh[16];
        char hex[33];
        uint64_t rev;
        if (sc_random(fresh, sizeof fresh))
            return sc_fail(err, SC_REASON_INTERNAL, "no random bytes");
        sc_hex(fresh, 16, hex);
        rc = sc_kv_put(session, SEEN_BUCKET, FINGERPRINT_KEY, hex, 32, rc == 0 ? entry.rev : SC_KV_REV_ABSENT, &rev, err);
        sc_kv_entry_done(&entry);
        if (rc < 0)
            return -1;
        /* 0: ours; 1: somebody else was first. Either way read what stands there. */
    }
    sc_kv_entry_done(&entry);
    return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "key %s in bucket %s cannot be made", FINGERPRINT_KEY, SEEN_BUCKET);
}

/* ---- read-back ------------------------------------------------------------------------------------------------------------------ */

static int keep_found(struct sc_recover *r, uint64_t fingerprint, uint64_t seq)
{
    if (r->found_count == r->found_cap) {
        size_t cap = r->found_cap ? r->found_cap * 2 : 1024;
        struct sc_found *grown = realloc(r->found, cap * sizeof *grown);
        if (!grown)
            return -1;
        r->found = grown;
        r->found_cap = cap;
    }
    r->found[r->found_count++] = (struct sc_found){fingerprint, seq};
    return 0;
}

static int map_found(struct sc_recover *r, struct sc_str recipe_id)
{
    struct sc_str id, version;
    unsigned char hash[16];
    unsigned n;
    if (!sc_snapshot_id_split(recipe_id, &id, hash, &version, &n))
        return 0;
    char encoded[SC_RECIPE_ID_MAX + 1];
    struct sc_str own = sc_str_of(r->map.version);
    sc_recipe_id(&own, 1, encoded);
    return sc_map_found(&r->map, sc_siphash(r->fingerprint_key, id.ptr, id.len), hash, n, sc_str_is(version, encoded));
}

int sc_gap_id(const json_t *gap, char out[SC_GAP_ID])
{
    unsigned char digest[32];
    char hex[65];
    char *body = json_dumps(gap, JSON_COMPACT);
    if (!body)
        return -1;
    sc_sha256(body, strlen(body), digest);
    sc_hex(digest, 20, hex);
    free(body);
    return snprintf(out, SC_GAP_ID, "gap~%s", hex);
}

/* A frozen gap that the stream holds already is not sent again. */
static bool gap_found(struct sc_recover *r, struct sc_str recipe_id)
{
    char id[SC_GAP_ID];
    if (recipe_id.len < 4 || memcmp(recipe_id.ptr, "gap~", 4) != 0)
        return false;
    for (size_t i = 0; i < json_array_size(r->cp.gaps); i++) {
        if (sc_gap_id(json_array_get(r->cp.gaps, i), id) > 0 && sc_str_is(recipe_id, id)) {
            json_array_remove(r->cp.gaps, i);
            r->gap_seen = true;
            return true;
        }
    }
    return false; /* of a page: known as its records are */
}

static int on_message(void *arg, uint64_t seq, struct sc_str msg_id, struct sc_str headers)
{
    (void)headers;
    struct sc_recover *r = arg;
    size_t prefix = strlen(r->prefix);
    if (msg_id.len <= prefix || memcmp(msg_id.ptr, r->prefix, prefix) != 0)
        return 0;
    struct sc_str recipe_id = {msg_id.ptr + prefix, msg_id.len - prefix};
    r->read_ours++;
    if (gap_found(r, recipe_id))
        return 0;
    if (seq > r->newest_seq && msg_id.len < sizeof r->newest_id) {
        r->newest_seq = seq;
        memcpy(r->newest_id, msg_id.ptr, msg_id.len);
        r->newest_id[msg_id.len] = '\0';
    }
    if (r->snapshot && r->kind == SC_RECOVER_LOAD)
        return map_found(r, recipe_id);
    uint64_t fingerprint = sc_siphash(r->fingerprint_key, recipe_id.ptr, recipe_id.len);
    if (r->kind == SC_RECOVER_LOAD)
        return sc_seen_found(&r->seen, fingerprint, seq, SC_TIME_NONE); /* what it was remembered as is not in the stream */
    return keep_found(r, fingerprint, seq);
}

static int on_progress(void *arg, uint64_t at_seq, uint64_t to)
{
    struct sc_recover *r = arg;
    atomic_store(&r->at_seq, at_seq);
    atomic_store(&r->to_seq, to);
    return atomic_load(&r->stop) ? 1 : 0;
}

static int read_back(struct sc_recover *r, struct sc_session *session, uint64_t from, uint64_t to, struct sc_error *err)
{
    int64_t began = sc_mono_ms();
    struct sc_readback job = {.from = from, .to = to, .stream = r->facts.stream, .subject = r->subject, .arg = r, .message = on_message,
                              .progress = on_progress};
    r->read_ours = r->newest_seq = r->found_count = 0;
    int rc = sc_stream_readback(session, &job, err);
    r->read_messages = job.seen;
    r->floor_gone = job.floor_gone;
    r->by_get = job.by_get;
    r->read_to = to;
    r->read_ms = sc_mono_ms() - began;
    return rc;
}

/* ---- proof ----------------------------------------------------------------------------------------------------------------------- */

enum proof {
    PROOF_GOOD,  /* the message stands there, or was deleted */
    PROOF_LOST,  /* the tail was cut, or another message stands there */
    PROOF_ERROR
};

static enum proof prove(struct sc_recover *r, struct sc_session *session, uint64_t seq, const char *msg_id, uint64_t last_seq,
                        struct sc_error *err)
{
    char seen[SC_MSG_ID_MAX + 1];
    if (seq == 0)
        return PROOF_GOOD;
    if (seq > last_seq)
        return PROOF_LOST;
    struct sc_stored_msg msg = {0};
    int rc = sc_stream_get(session, r->facts.stream, seq, NULL, &msg, err);
    enum proof proof = PROOF_ERROR;
    if (rc == 1)
        proof = PROOF_GOOD; /* consumed, purged or rolled over: a deletion is never a rewind */
    else if (rc == 0)
        proof = sc_stored_header(sc_buf_str(&msg.headers), "Nats-Msg-Id", seen, sizeof seen) && strcmp(seen, msg_id) == 0 ? PROOF_GOOD : PROOF_LOST;
    sc_stored_msg_done(&msg);
    return proof;
}

static void gap_since(struct sc_recover *r, const char *reason)
{
    const char *time = json_string_value(json_object_get(r->cp.position, "time"));
    char now[SC_TIME_TEXT], saved[SC_TIME_TEXT];
    snprintf(r->gap_from, sizeof r->gap_from, "%s", time ? time : sc_time_rfc3339(r->cp.saved_ms, saved));
    snprintf(r->gap_to, sizeof r->gap_to, "%s", sc_time_rfc3339(sc_real_ms(), now));
    snprintf(r->gap_reason, sizeof r->gap_reason, "%s", reason);
}

/* The position is unknown: begin by the lookback, but keep the key's revision and counters. */
static void begin_anew(struct sc_recover *r)
{
    struct sc_checkpoint fresh;
    sc_checkpoint_init(&fresh);
    fresh.records = r->cp.records;
    fresh.pages = r->cp.pages;
    fresh.bytes = r->cp.bytes;
    fresh.n = r->cp.n;
    fresh.seen_first = fresh.seen_end = r->cp.seen_end; /* slots go on */
    fresh.whole_first = fresh.whole_end = r->cp.whole_end;
    fresh.map = 0;
    fresh.gaps = json_incref(r->cp.gaps);
    fresh.waits = json_incref(r->cp.waits);
    fresh.worked = r->cp.worked;
    fresh.open = true; /* the lookback may reach anything that is in the stream: all of it is read back */
    sc_checkpoint_done(&r->cp);
    r->cp = fresh;
    r->lost = true;
}

static int rewind_to_trail(struct sc_recover *r, struct sc_session *session, uint64_t last_seq, struct sc_error *err)
{
    r->rewound = true;
    for (uint32_t i = r->cp.trail_count; i-- > 0;) {
        enum proof p = prove(r, session, r->cp.trail[i].seq, r->cp.trail[i].msg_id, last_seq, err);
        if (p == PROOF_ERROR)
            return -1;
        if (p != PROOF_GOOD)
            continue;
        char at[SC_TIME_TEXT];
        snprintf(r->note, sizeof r->note,
                 "the stream lost its newest messages (message %llu was acknowledged, the stream ends at %llu or holds another there): going back "
                 "to the position of %s and reading back what is there",
                 (unsigned long long)r->cp.proof_seq, (unsigned long long)last_seq, sc_time_rfc3339(r->cp.trail[i].at_ms, at));
        sc_checkpoint_rewind(&r->cp, i);
        return 0;
    }
    snprintf(r->note, sizeof r->note,
             "the stream lost its newest messages (message %llu was acknowledged, the stream ends at %llu) and no earlier position of the last "
             "minutes can be proven: beginning again%s",
             (unsigned long long)r->cp.proof_seq, (unsigned long long)last_seq,
             r->snapshot ? ", the whole document is compared with the stream" : " by the lookback, recorded as a gap");
    if (!r->snapshot)
        gap_since(r, "stream lost acknowledged messages");
    begin_anew(r);
    return 0;
}

static int check_provenance(struct sc_recover *r)
{
    bool connector = strcmp(r->cp.connector, r->connector) == 0, source = strcmp(r->cp.source, r->source) == 0;
    if (connector && source)
        return 0;
    snprintf(r->note, sizeof r->note,
             "the checkpoint belongs to %s at %s, this integration is %s at %s: beginning anew by the lookback, recorded as a gap%s%s",
             r->cp.connector, r->cp.source, r->connector, r->source, connector ? "; if only the address changed, set settings.source to " : "",
             connector ? r->cp.source : "");
    gap_since(r, "the integration reads another source now");
    begin_anew(r);
    r->foreign = true;
    return 1;
}

static int check_proof(struct sc_recover *r, struct sc_session *session, uint64_t last_seq, struct sc_error *err)
{
    if (!r->cp.stream_created)
        return 0;
    if (strcmp(r->cp.stream_created, r->facts.stream_created) != 0) {
        snprintf(r->note, sizeof r->note,
                 "the stream was made anew at %s (the checkpoint knows the one of %s): going on from the position, what the old stream held unread "
                 "is recorded as a gap",
                 r->facts.stream_created, r->cp.stream_created);
        gap_since(r, "the stream was replaced");
        r->cp.floor = (struct sc_floor){0};
        r->cp.proof_seq = 0;
        r->cp.seen_first = r->cp.seen_end; /* what the other stream acknowledged of an open page is not in this one */
        r->cp.whole_first = r->cp.whole_end;
        r->rewound = true;
        while (r->cp.trail_count)
            free(r->cp.trail[--r->cp.trail_count].msg_id), json_decref(r->cp.trail[r->cp.trail_count].position);
        free(r->cp.stream_created);
        r->cp.stream_created = sc_dup(r->facts.stream_created);
        return 0;
    }
    enum proof p = prove(r, session, r->cp.proof_seq, r->cp.proof_msg_id, last_seq, err);
    if (p == PROOF_ERROR)
        return -1;
    return p == PROOF_GOOD ? 0 : rewind_to_trail(r, session, last_seq, err);
}

/* ---- segments and maps -------------------------------------------------------------------------------------------------------------- */

/* How far identities are sure to be in the stream. Segments are written before their checkpoint, and may know of messages that its proof does not: when the
 * stream loses these with its tail nothing else says so, and others may have taken their sequences since. The read-back finds what is still there; where it
 * cannot see all that lies behind the floor, only what is beyond the stream's end is sure to be gone. */
static uint64_t verified_seq(const struct sc_recover *r, const struct sc_stream_info *info)
{
    bool sees_all = r->cp.open && info->retention == SC_RETENTION_LIMITS && info->first_seq <= r->cp.floor.page + 1;
    return r->rewound || sees_all ? r->cp.proof_seq : info->last_seq;
}

/* Entries acknowledged beyond the verified sequence are left out: they may be gone. They are found again by the read-back if not. */
static int load_segments(struct sc_recover *r, struct sc_session *session, const struct sc_stream_info *info, struct sc_error *err)
{
    uint64_t max_seq = verified_seq(r, info);
    sc_seen_init(&r->seen, r->max_identities);
    r->seen.spares_unmet = r->spares_unmet;
    r->seen.first = r->cp.seen_first;
    uint32_t missing = 0;
    bool loaded = false, hole = false;
    for (uint32_t n = r->cp.seen_first; n != r->cp.seen_end; n++) {
        SC_AUTO_BUF struct sc_buf key = {0};
        struct sc_kv_entry entry = {0};
        sc_seen_key(r->key, n, &key);
        int rc = sc_kv_get(session, SEEN_BUCKET, key.ptr, &entry, err);
        if (rc == 0 && (entry.deleted || sc_seen_load(&r->seen, n, sc_buf_str(&entry.value), max_seq)))
            rc = 1;
        sc_kv_entry_done(&entry);
        if (rc < 0)
            return -1;
        loaded = loaded || rc == 0;
        if (rc == 1) { /* not there: begin after it */
            missing++;
            hole = hole || loaded;
            sc_seen_done(&r->seen);
            r->seen.first = n + 1;
        }
    }
    uint32_t count = r->cp.seen_end - r->cp.seen_first;
    /* The oldest are dropped when the position has passed them, the newest never: what is missing in front is no loss. */
    r->seen_stale = hole || (count && !loaded);
    for (uint32_t i = 0; i < r->cp.seen_tail_count && i < count; i++) {
        uint32_t n = r->cp.seen_end - r->cp.seen_tail_count + i;
        r->seen_stale = r->seen_stale || (n - r->seen.first < count && sc_seen_stored_in(&r->seen, n) < r->cp.seen_tail[i]);
    }
    r->seen_stale = r->seen_stale && r->keeps_seen && !r->rewound;
    if (r->seen_stale && !r->note[0])
        snprintf(r->note, sizeof r->note,
                 "bucket SEEN lacks identities that the checkpoint relies on (%u of %u segments are missing): they are read from the stream", missing,
                 count);
    return 0;
}

static void begin_whole(struct sc_recover *r)
{
    sc_seen_init(&r->whole, r->max_identities < SC_WHOLE_MAX ? r->max_identities : SC_WHOLE_MAX);
    r->whole.dated = true;
    r->whole.first = r->cp.whole_first;
}

/* Readings that no message of the proven part of the stream vouches for are left out: their page is read again, or lost its records. What is missing
 * in the bucket is published once more after its next change. */
static int load_whole(struct sc_recover *r, struct sc_session *session, struct sc_error *err)
{
    uint32_t missing = 0;
    begin_whole(r);
    for (uint32_t n = r->cp.whole_first; r->keeps_whole && n != r->cp.whole_end; n++) {
        SC_AUTO_BUF struct sc_buf key = {0};
        struct sc_kv_entry entry = {0};
        sc_whole_key(r->key, n, &key);
        int rc = sc_kv_get(session, SEEN_BUCKET, key.ptr, &entry, err);
        if (rc == 0 && (entry.deleted || sc_seen_load(&r->whole, n, sc_buf_str(&entry.value), r->cp.proof_seq)))
            rc = 1;
        sc_kv_entry_done(&entry);
        if (rc < 0)
            return -1;
        if (rc == 1) {
            missing++;
            sc_seen_done(&r->whole);
            r->whole.first = n + 1;
        }
    }
    if (missing && !r->note[0])
        snprintf(r->note, sizeof r->note,
                 "bucket SEEN lacks %u of %u segments that say what was read when: what they stand for may be published once more", missing,
                 r->cp.whole_end - r->cp.whole_first);
    return 0;
}

/* 0 loaded; 1 not there or of another commit; -1 + err. */
static int load_map(struct sc_recover *r, struct sc_session *session, uint32_t number, struct sc_error *err)
{
    uint32_t parts = 1;
    uint64_t seq = 0;
    sc_map_done(&r->map);
    for (uint32_t part = 0; part < parts; part++) {
        SC_AUTO_BUF struct sc_buf key = {0};
        struct sc_kv_entry entry = {0};
        sc_map_key(r->key, number, part, &key);
        int rc = sc_kv_get(session, SEEN_BUCKET, key.ptr, &entry, err);
        if (rc == 0 && (entry.deleted || sc_map_load(&r->map, number, part, sc_buf_str(&entry.value), &parts, &seq)))
            rc = 1;
        sc_kv_entry_done(&entry);
        if (rc)
            return rc;
    }
    return 0;
}

/* The map of the checkpoint; when it is gone: that of an older commit that still verifies, then the empty one with everything read back. */
static int load_maps(struct sc_recover *r, struct sc_session *session, struct sc_error *err)
{
    sc_map_init(&r->map, r->max_identities);
    if (r->cp.map == 0)
        return 0;
    int rc = load_map(r, session, r->cp.map, err);
    for (uint32_t i = r->cp.trail_count; rc == 1 && i-- > 0;) {
        if (r->cp.trail[i].map && r->cp.trail[i].map != r->cp.map) {
            rc = load_map(r, session, r->cp.trail[i].map, err);
            if (rc == 0)
                sc_checkpoint_rewind(&r->cp, i);
        }
    }
    if (rc == 1) {
        sc_map_done(&r->map);
        r->cp.open = true;
        r->cp.floor = (struct sc_floor){0};
        snprintf(r->note, sizeof r->note, "the map of what was published is missing in bucket SEEN: it is made again from the stream");
    }
    return rc < 0 ? -1 : 0;
}

/* ---- the job --------------------------------------------------------------------------------------------------------------------------- */

static void reset_results(struct sc_recover *r)
{
    sc_checkpoint_done(&r->cp);
    sc_checkpoint_init(&r->cp);
    sc_seen_done(&r->seen);
    sc_seen_done(&r->whole);
    sc_map_done(&r->map);
    r->read_ours = 0;
    r->was_open = r->gap_seen = r->seen_stale = false;
    r->exists = r->foreign = r->rewound = r->lost = r->floor_gone = r->by_get = r->unreadable = r->gap_certain = false;
    r->note[0] = r->gap_from[0] = '\0';
}

/* The buckets that are ours to make (design 1.2). */
static int ensure_buckets(struct sc_session *session, struct sc_error *err)
{
    static const char *const buckets[] = {CHECKPOINT_BUCKET, SEEN_BUCKET, "CREDENTIAL_STATE"};
    for (size_t i = 0; i < sizeof buckets / sizeof buckets[0]; i++) {
        struct sc_stream_info info;
        int rc = sc_kv_info(session, buckets[i], &info, err);
        if (rc < 0 || (rc == 1 && sc_kv_ensure(session, buckets[i], 1, NULL, err)))
            return -1;
    }
    return 0;
}

/* What was found counts as acknowledged, so the proof must reach as far: a tail lost later could hold it. */
static void raise_proof(struct sc_recover *r)
{
    if (r->newest_seq <= r->cp.proof_seq)
        return;
    char *id = sc_dup(r->newest_id);
    if (!id)
        return;
    free(r->cp.proof_msg_id);
    r->cp.proof_msg_id = id;
    r->cp.proof_seq = r->newest_seq;
}

/* A tail was lost that no message of ours proves: of a walk of which nothing was acknowledged, or of other data types. What is published next lies below
 * floors that knew of it, those of the trail too: they come down, and the anchor that stands is made anew before anything is published. */
static void lower_floors(struct sc_recover *r)
{
    struct sc_floor *floor = &r->cp.floor;
    for (uint32_t i = 0; floor; floor = i < r->cp.trail_count ? &r->cp.trail[i++].floor : NULL) {
        if (floor->page <= r->last_seq && floor->walk <= r->last_seq)
            continue;
        floor->page = floor->page < r->last_seq ? floor->page : r->last_seq;
        floor->walk = floor->walk < r->last_seq ? floor->walk : r->last_seq;
        r->was_open = false;
    }
}

/* Says which key, and that nothing goes on by itself. */
static int parse_checkpoint(struct sc_recover *r, const struct sc_kv_entry *entry, struct sc_error *err)
{
    struct sc_error why = SC_ERROR_INIT;
    if (sc_checkpoint_parse(&r->cp, sc_buf_str(&entry->value), &why) == 0)
        return 0;
    return sc_fail(err, why.reason, "checkpoint %.120s (revision %llu) cannot be used: %.120s; nothing is asked meanwhile", r->key,
                   (unsigned long long)entry->rev, why.text);
}

/* Numbers of segments go on, nothing else. */
static void forget_old(struct sc_recover *r)
{
    uint32_t end = r->cp.seen_end, whole = r->cp.whole_end;
    sc_checkpoint_done(&r->cp);
    sc_checkpoint_init(&r->cp);
    r->cp.seen_first = r->cp.seen_end = end;
    r->cp.whole_first = r->cp.whole_end = whole;
    r->exists = r->was_open = false;
}

/* A walk over the past may be open beside it. */
static int load_beside(struct sc_recover *r, struct sc_session *session, struct sc_error *err)
{
    struct sc_kv_entry entry = {0};
    sc_buf_clear(&r->beside);
    int rc = r->beside_key ? sc_kv_get(session, CHECKPOINT_BUCKET, r->beside_key, &entry, err) : 1;
    if (rc == 0 && !entry.deleted)
        rc = sc_buf_add(&r->beside, entry.value.ptr, entry.value.len) ? sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for the checkpoint") : 0;
    sc_kv_entry_done(&entry);
    return rc < 0 ? -1 : 0;
}

/* What stands in the bucket. One that cannot be read is as none to somebody who writes another. */
static int load_checkpoint(struct sc_recover *r, struct sc_session *session, struct sc_error *err)
{
    struct sc_kv_entry entry = {0};
    int rc = sc_kv_get(session, CHECKPOINT_BUCKET, r->key, &entry, err);
    if (rc < 0)
        return -1;
    r->rev = rc == 0 ? entry.rev : SC_KV_REV_ABSENT;
    r->exists = rc == 0 && !entry.deleted;
    if (r->exists) {
        sc_checkpoint_done(&r->cp);
        rc = parse_checkpoint(r, &entry, err);
        r->was_open = rc == 0 && r->cp.open;
    }
    sc_kv_entry_done(&entry);
    if (r->exists && rc == 0 && r->relocate.fresh)
        forget_old(r);
    if (!r->exists || rc == 0)
        return 0;
    if (!r->relocate.wanted || err->reason != SC_REASON_CHECKPOINT_INVALID)
        return -1;
    sc_error_clear(err);
    r->unreadable = true;
    sc_checkpoint_done(&r->cp);
    sc_checkpoint_init(&r->cp);
    return sc_relocate_number(r, session, err);
}

/* With no page open nothing should lie beyond the floor; but the buckets may have lost their tail in a power loss, and then the checkpoint does not
 * know of its newest records. Looked at where that costs little. */
static int read_back_what_matters(struct sc_recover *r, struct sc_session *session, const struct sc_stream_info *info, struct sc_error *err)
{
    bool near = info->last_seq > r->cp.floor.page && info->last_seq - r->cp.floor.page <= READBACK_NEAR, own = r->exists && !r->unreadable;
    bool needed = own && (r->cp.open || near || r->seen_stale);
    uint64_t from = r->seen_stale && r->cp.floor.walk < r->cp.floor.page ? r->cp.floor.walk : r->cp.floor.page, elsewhere;
    int rc = 0;
    if (r->relocate.wanted) {
        if (sc_relocate_plan(r, session, info, &elsewhere, err))
            return -1;
        from = !needed || elsewhere < from ? elsewhere : from;
        needed = needed || elsewhere < info->last_seq;
    }
    if (needed)
        rc = read_back(r, session, from, info->last_seq, err);
    if (!r->cp.open)
        r->floor_gone = false; /* nothing depended on it */
    if (r->read_ours && rc == 0 && !r->relocate.wanted)
        r->cp.open = true; /* beyond the position, whatever the bucket said */
    raise_proof(r);
    SC_FAULT("recover.done");
    return rc;
}

static int load(struct sc_recover *r, struct sc_session *session, struct sc_error *err)
{
    struct sc_stream_info info;
    reset_results(r);
    sc_seen_init(&r->seen, r->max_identities);
    begin_whole(r);
    sc_map_init(&r->map, r->max_identities);
    if (ensure_buckets(session, err) || load_fingerprint_key(r, session, err) || load_checkpoint(r, session, err) || load_beside(r, session, err) ||
        sc_stream_info(session, r->facts.stream, &info, err))
        return -1;
    r->last_seq = info.last_seq;
    if (!r->exists && !r->relocate.wanted)
        return 0;
    if (strcmp(info.created, r->facts.stream_created) != 0)
        return sc_fail(err, SC_REASON_NO_STREAM, "the stream was replaced while it was read: looked at again when the publisher has found the new one");
    bool known = r->exists && !r->unreadable;
    if (known && check_provenance(r) == 0 && check_proof(r, session, info.last_seq, err))
        return -1;
    lower_floors(r);
    SC_FAULT("recover.loaded");
    int rc = r->snapshot ? load_maps(r, session, err) : load_segments(r, session, &info, err);
    if (rc || load_whole(r, session, err))
        return -1;
    if (read_back_what_matters(r, session, &info, err))
        return -1;
    return r->relocate.wanted ? sc_relocate_finish(r, session, &info, err) : 0;
}

static int run(struct sc_read_job *job, struct sc_session *session, struct sc_error *err)
{
    struct sc_recover *r = (struct sc_recover *)job;
    struct sc_stream_info info;
    if (r->kind == SC_RECOVER_LOAD)
        return load(r, session, err);
    if (sc_stream_info(session, r->facts.stream, &info, err))
        return -1;
    r->last_seq = info.last_seq;
    return read_back(r, session, r->from_seq, info.last_seq, err);
}

struct sc_recover *sc_recover_new(enum sc_recover_kind kind)
{
    struct sc_recover *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->kind = kind;
    r->job.run = run;
    sc_checkpoint_init(&r->cp);
    return r;
}

struct sc_recover *sc_recover_free(struct sc_recover *r)
{
    if (!r)
        return NULL;
    free(r->key);
    free(r->connector);
    free(r->source);
    free(r->prefix);
    free(r->subject);
    sc_checkpoint_done(&r->cp);
    sc_seen_done(&r->seen);
    sc_seen_done(&r->whole);
    sc_map_done(&r->map);
    json_decref(r->relocate.position);
    sc_buf_done(&r->beside);
    free(r->beside_key);
    free(r->found);
    free(r);
    return NULL;
}
