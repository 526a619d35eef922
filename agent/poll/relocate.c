#include "poll/recover.h"

#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>

#define ALWAYS INT64_MIN

/* ---- words ------------------------------------------------------------------------------------------------------------------------------- */

/* Reasons, one behind the other. */
static void add(struct sc_relocate *l, const char *fmt, ...) SC_PRINTF(2, 3);

static void add(struct sc_relocate *l, const char *fmt, ...)
{
    size_t n = strlen(l->said);
    va_list args;
    if (n && n < sizeof l->said)
        n += (size_t)snprintf(l->said + n, sizeof l->said - n, "; ");
    va_start(args, fmt);
    if (n < sizeof l->said)
        vsnprintf(l->said + n, sizeof l->said - n, fmt, args);
    va_end(args);
}

static const char *seconds_of(int64_t ms, char out[SC_TIME_TEXT])
{
    sc_time_rfc3339(ms, out);
    char *dot = strchr(out, '.');
    if (dot && strcmp(dot, ".000Z") == 0)
        memcpy(dot, "Z", 2);
    return out;
}

/* ---- the stream ------------------------------------------------------------------------------------------------------------------------------ */

static int64_t stored_at(const struct sc_stored_msg *msg)
{
    return sc_time_parse_rfc3339(sc_str_of(msg->time));
}

/* The first message of artifacts that was stored at that time or later: *ret is a sequence below it and above all that are older. */
static int floor_by_time(struct sc_recover *r, struct sc_session *session, const struct sc_stream_info *info, int64_t ms, uint64_t *ret,
                         struct sc_error *err)
{
    uint64_t from = info->first_seq ? info->first_seq : 1, to = info->last_seq + 1;
    struct sc_stored_msg msg = {0};
    int rc = 0;
    while (ms != ALWAYS && from < to && rc >= 0) {
        uint64_t middle = from + (to - from) / 2;
        rc = sc_stream_get(session, r->facts.stream, middle, r->subject, &msg, err);
        int64_t at = rc == 0 ? stored_at(&msg) : SC_TIME_NONE;
        if (rc == 0 && at != SC_TIME_NONE && at < ms)
            from = msg.seq + 1;
        else
            to = middle;
    }
    sc_stored_msg_done(&msg);
    *ret = from ? from - 1 : 0;
    return rc < 0 ? -1 : 0;
}

/* The stream no longer holds everything that was stored at that time or later. */
static int find_holes(struct sc_recover *r, struct sc_session *session, const struct sc_stream_info *info, int64_t ms, struct sc_error *err)
{
    struct sc_relocate *l = &r->relocate;
    char begins[SC_TIME_TEXT], wanted[SC_TIME_TEXT];
    struct sc_stored_msg msg = {0};
    if (info->retention != SC_RETENTION_LIMITS)
        add(l, "the stream is %s: what was consumed is no longer in it",
            info->retention == SC_RETENTION_WORKQUEUE ? "a work queue" : "an interest stream");
    uint64_t there = info->last_seq >= info->first_seq && info->first_seq ? info->last_seq - info->first_seq + 1 : 0;
    if (info->retention == SC_RETENTION_LIMITS && info->messages < there)
        add(l, "%llu messages were deleted from the middle of the stream (by hand, or by a limit for each subject)",
            (unsigned long long)(there - info->messages));
    if (info->first_seq <= 1 || info->retention != SC_RETENTION_LIMITS)
        return 0;
    int rc = there ? sc_stream_get(session, r->facts.stream, info->first_seq, NULL, &msg, err) : 1;
    int64_t at = rc == 0 ? stored_at(&msg) : SC_TIME_NONE;
    sc_stored_msg_done(&msg);
    if (rc < 0)
        return -1;
    if (at == SC_TIME_NONE)
        add(l, "the stream was emptied, or its first message is just going: what it held is not known");
    else if (ms == ALWAYS)
        add(l, "the stream begins at %s, what it held before is gone, and how far back the position leads is not known", seconds_of(at, begins));
    else if (at > ms)
        add(l, "the stream begins at %s, and what was stored from %s on would be needed (a day before the earliest record)", seconds_of(at, begins),
            seconds_of(ms, wanted));
    return 0;
}

int sc_relocate_plan(struct sc_recover *r, struct sc_session *session, const struct sc_stream_info *info, uint64_t *ret_from, struct sc_error *err)
{
    struct sc_relocate *l = &r->relocate;
    bool begun;
    l->said[0] = '\0';
    l->refused = false;
    l->was_ms = r->exists && !r->foreign ? sc_checkpoint_covers(&r->cp, &begun) : SC_TIME_NONE;
    int64_t ms = r->snapshot || l->reach_ms == SC_TIME_NONE ? ALWAYS : l->reach_ms - SC_RELOCATE_SLACK_MS;
    bool back = !r->snapshot && (l->was_ms == SC_TIME_NONE || l->at_ms == SC_TIME_NONE || l->at_ms < l->was_ms);
    *ret_from = info->last_seq;
    if (r->snapshot && !l->forget) /* its map knows what was published */
        return 0;
    if (floor_by_time(r, session, info, ms, ret_from, err))
        return -1;
    l->from_seq = *ret_from;
    if (!back || l->forget)
        return 0;
    if (l->doubles[0])
        add(l, "%s", l->doubles);
    return find_holes(r, session, info, ms, err);
}

/* ---- the new checkpoint ------------------------------------------------------------------------------------------------------------------------ */

static bool stays(const struct sc_place *places, const char *name)
{
    for (; places && places->name; places++) {
        if (strcmp(places->name, name) == 0)
            return places->stays;
    }
    return false;
}

/* What says nothing of how far the walk is goes with it. */
static void put_position(struct sc_recover *r)
{
    const char *name;
    json_t *value, *fresh = r->relocate.position;
    json_object_foreach (r->cp.position, name, value) {
        if (!r->foreign && stays(r->places, name) && !json_object_get(fresh, name))
            json_object_set(fresh, name, value);
    }
    json_decref(r->cp.position);
    r->cp.position = json_deep_copy(fresh);
    json_decref(r->cp.walk);
    r->cp.walk = NULL;
    r->cp.walk_page = 0;
    free(r->cp.walk_from);
    r->cp.walk_from = NULL;
}

/* A rewind must not undo it: the trail begins here, provable in any state of the stream. */
static int begin_trail(struct sc_recover *r)
{
    struct sc_checkpoint *cp = &r->cp;
    sc_checkpoint_forget_trail(cp);
    cp->trail[0] = (struct sc_trail_entry){.at_ms = sc_real_ms(), .position = json_deep_copy(cp->position), .floor = cp->floor, .msg_id = sc_dup(""),
                                           .map = cp->map};
    cp->trail_count = 1;
    return cp->trail[0].position && cp->trail[0].msg_id && cp->position ? 0 : -1;
}

/* Nothing is known any more: numbers of segments go on, so that an old one is never taken for a new one. */
static void forget_identities(struct sc_recover *r)
{
    sc_seen_done(&r->seen);
    sc_seen_done(&r->whole);
    r->cp.seen_first = r->seen.first = r->cp.seen_end;
    r->cp.seen_tail_count = 0;
    r->cp.whole_first = r->whole.first = r->cp.whole_end;
    sc_map_done(&r->map);
    r->cp.map = 0;
}

/* The newest message of ours may have been there and be gone: consumed, purged, deleted. */
static bool newest_may_be_gone(const struct sc_recover *r, const struct sc_stream_info *info)
{
    uint64_t there = info->last_seq >= info->first_seq && info->first_seq ? info->last_seq - info->first_seq + 1 : 0;
    bool from_the_front = info->last_seq > 0 && info->first_seq != 1 && !r->newest_seq;
    return info->retention != SC_RETENTION_LIMITS || info->messages < there || from_the_front;
}

/* The server drops a message id that it has had within its window, whether the message is still there or not. */
static int wait_out_window(struct sc_recover *r, struct sc_session *session, const struct sc_stream_info *info, struct sc_error *err)
{
    struct sc_stored_msg msg = {0};
    bool unknown = newest_may_be_gone(r, info);
    if (!r->newest_seq && !unknown)
        return 0;
    int rc = unknown ? 1 : sc_stream_get(session, r->facts.stream, r->newest_seq, NULL, &msg, err);
    int64_t at = rc == 0 ? stored_at(&msg) : SC_TIME_NONE, now = sc_real_ms();
    sc_stored_msg_done(&msg);
    if (rc < 0)
        return -1;
    int64_t until = (at == SC_TIME_NONE || at > now ? now : at) + r->facts.duplicate_window_ms + 1000;
    r->relocate.not_before_ms = until > now ? until : 0;
    return 0;
}

static void refuse(struct sc_recover *r)
{
    struct sc_relocate *l = &r->relocate;
    uint64_t ever = r->published_ever > r->cp.records ? r->published_ever : r->cp.records, lost = ever > r->read_ours ? ever - r->read_ours : 0;
    ever = ever > r->read_ours ? ever : r->read_ours;
    char why[sizeof l->said];
    snprintf(why, sizeof why, "%s", l->said);
    l->refused = true;
    snprintf(l->said, sizeof l->said,
             "nothing is changed, because records could come a second time: %.420s. At most %llu could (%llu published, %llu found in the stream): with "
             "--allow-doubles it is done all the same, and the promise is \"at least once\" for them",
             why, (unsigned long long)(l->doubles[0] ? ever : lost), (unsigned long long)ever, (unsigned long long)r->read_ours);
}

static void note_skipped(struct sc_recover *r)
{
    struct sc_relocate *l = &r->relocate;
    char from[SC_TIME_TEXT], to[SC_TIME_TEXT];
    if (r->snapshot || l->was_ms == SC_TIME_NONE || l->at_ms == SC_TIME_NONE || l->at_ms <= l->was_ms)
        return;
    snprintf(r->gap_from, sizeof r->gap_from, "%s", sc_time_rfc3339(l->was_ms, from));
    snprintf(r->gap_to, sizeof r->gap_to, "%s", sc_time_rfc3339(l->at_ms, to));
    snprintf(r->gap_reason, sizeof r->gap_reason, "skipped by an operator");
    r->gap_certain = true;
}

static void tell(struct sc_recover *r)
{
    struct sc_relocate *l = &r->relocate;
    char was[SC_TIME_TEXT], at[SC_TIME_TEXT], until[SC_TIME_TEXT];
    l->said[0] = '\0';
    add(l, "position set from %s to %s", !r->exists ? "nothing" : l->was_ms == SC_TIME_NONE ? "one without a time" : seconds_of(l->was_ms, was),
        l->at_ms == SC_TIME_NONE ? "the beginning" : seconds_of(l->at_ms, at));
    if (r->gap_certain)
        add(l, "what lies between is not asked for: recorded as a gap");
    if (l->forget)
        add(l, "%llu records of it that are in the stream come again", (unsigned long long)r->read_ours);
    else if (r->snapshot)
        add(l, "the next poll compares the whole document with what was published: what has not changed does not come again");
    else if (!r->gap_certain)
        add(l, "%llu records were read back from the stream and are recognised", (unsigned long long)r->read_ours);
    if (l->not_before_ms)
        add(l, "the next poll is at %s: until then the server would drop what it has just had (duplicate window %lld s)",
            seconds_of(l->not_before_ms, until), (long long)(r->facts.duplicate_window_ms / 1000));
}

int sc_relocate_finish(struct sc_recover *r, struct sc_session *session, const struct sc_stream_info *info, struct sc_error *err)
{
    struct sc_relocate *l = &r->relocate;
    bool back = l->at_ms == SC_TIME_NONE || l->was_ms == SC_TIME_NONE || l->at_ms < l->was_ms;
    if (!l->forget && !r->snapshot && (r->seen.overflowed || sc_seen_entries(&r->seen) >= r->max_identities))
        add(l, "the stream holds more of its records from that time on than identities may be kept (%llu, poll.max_identities)",
            (unsigned long long)r->max_identities);
    if (l->said[0] && !l->allow_doubles) {
        refuse(r);
        return 0;
    }
    if (json_array_size(r->cp.gaps) >= SC_GAPS_MAX) {
        l->refused = true;
        snprintf(l->said, sizeof l->said, "nothing is changed: %u gap artifacts wait to be published; they go out with the next poll", SC_GAPS_MAX);
        return 0;
    }
    note_skipped(r);
    put_position(r);
    if (l->anew) {
        json_decref(r->cp.reached);
        r->cp.reached = NULL;
    }
    if (l->forget) {
        forget_identities(r);
        r->cp.open = false;
        r->cp.floor = (struct sc_floor){info->last_seq, info->last_seq};
        if (wait_out_window(r, session, info, err))
            return -1;
        r->cp.not_before_ms = l->not_before_ms;
    } else if (back && !r->snapshot) {
        r->cp.open = true;
        bool fresh = !r->exists || r->unreadable || r->lost;
        if (fresh || l->from_seq < r->cp.floor.page)
            r->cp.floor.page = l->from_seq;
        if (fresh || l->from_seq < r->cp.floor.walk)
            r->cp.floor.walk = l->from_seq;
    }
    tell(r);
    return begin_trail(r) ? sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for the checkpoint") : 0;
}

/* ---- an unreadable one --------------------------------------------------------------------------------------------------------------------------- */

static uint32_t number_in(struct sc_str value)
{
    const unsigned char *p = (const unsigned char *)value.ptr;
    return value.len < 8 ? 0 : (uint32_t)p[4] | (uint32_t)p[5] << 8 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 24;
}

int sc_relocate_number(struct sc_recover *r, struct sc_session *session, struct sc_error *err)
{
    int (*const keys[2])(const char *, uint32_t, struct sc_buf *) = {sc_seen_key, sc_whole_key};
    uint32_t *const ends[2] = {&r->cp.seen_end, &r->cp.whole_end};
    for (int kind = 0; kind < 2; kind++) {
        uint32_t end = 0;
        for (uint32_t slot = 0; slot < SC_SEEN_SLOTS; slot++) {
            SC_AUTO_BUF struct sc_buf key = {0};
            struct sc_kv_entry entry = {0};
            keys[kind](r->key, slot, &key);
            int rc = sc_kv_get(session, "SEEN", key.ptr, &entry, err);
            uint32_t n = rc == 0 && !entry.deleted ? number_in(sc_buf_str(&entry.value)) : 0;
            bool has = rc == 0 && !entry.deleted && n < INT32_MAX - 1 && n % SC_SEEN_SLOTS == slot;
            end = has && n + 1 > end ? n + 1 : end;
            sc_kv_entry_done(&entry);
            if (rc < 0)
                return -1;
        }
        *ends[kind] = end;
    }
    r->cp.seen_first = r->cp.seen_end;
    r->cp.whole_first = r->cp.whole_end;
    return 0;
}
