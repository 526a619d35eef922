/* Saving where a data type stands (exactness.md 3): first what the checkpoint relies on (segments of identities, the snapshot map), then the
 * checkpoint, by compare-and-set, one at a time, at most five a second. The anchor and the last save of a walk do not wait for their turn.
 * io thread of the poller. */
#include "poll/poller.h"

#include <stdlib.h>

enum {
    WRITE_PART = 1,
    WRITE_READINGS,
    WRITE_CHECKPOINT,
    WRITE_PURGE
};

static void write_free(struct sc_kv_write *w)
{
    if (!w)
        return;
    free(w->key);
    sc_buf_done(&w->value);
    sc_buf_done(&w->current);
    free(w);
}

static struct sc_kv_write *write_new(struct sc_poller *p, const char *bucket, int kind, uint64_t expected)
{
    struct sc_kv_write *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->mail.kind = SC_MAIL_KV;
    w->home = &p->inst->io->box;
    w->owner = p;
    w->generation = p->generation;
    w->bucket = bucket;
    w->kind = kind;
    w->expected_rev = expected;
    return w;
}

static void post(struct sc_poller *p, struct sc_kv_write *w)
{
    p->out++;
    sc_publisher_kv(p->inst->io->config.publisher, w);
}

static bool keeps_seen(const struct sc_poller *p)
{
    return p->type->shape == SC_SHAPE_LOG && (p->type->overlap_s > 0 || p->bounded || sc_is_backfill(p));
}

/* Records are in the stream that the position does not cover, and may come to be while the walk goes on. */
static bool must_be_open(const struct sc_poller *p)
{
    return p->page_count > 0 || p->loose || sc_is_backfill(p) || (p->phase == SC_WALKING && (p->anchored || p->anchor_wanted));
}

/* A walk that was interrupted (stop, pause) is kept, so that what it froze is not chosen anew; one that ended is not. */
static bool keeps_walk(const struct sc_poller *p)
{
    return p->phase == SC_WALKING || (p->cp.walk && (!p->finish || p->page_count > 0));
}

bool sc_save_settled(const struct sc_poller *p)
{
    if (sc_is_dry(p))
        return true;
    return !p->saving && !p->dirty && !p->anchor_wanted && p->disk_open == must_be_open(p) && p->disk_walk == keeps_walk(p);
}

static void set_floors(struct sc_poller *p)
{
    uint64_t floor = sc_publisher_known_seq(p->inst->io->config.publisher);
    if (p->page_count && p->pages[p->page_head].floor < floor)
        floor = p->pages[p->page_head].floor;
    if (sc_is_backfill(p)) {
        p->cp.floor.page = sc_backfill_floor(p, floor);
        return; /* that of the walk is where it was begun */
    }
    if (p->loose && p->loose_floor < floor)
        floor = p->loose_floor;
    p->cp.floor.page = floor;
    p->cp.floor.walk = p->type->shape == SC_SHAPE_SNAPSHOT ? 0 : p->mark_count && p->marks[0].floor < floor ? p->marks[0].floor : floor;
}

/* What the connector has put down, as one number. */
static uint64_t memory_hash(const struct sc_poller *p, const json_t *position, const json_t *walk)
{
    uint64_t hash[2] = {0};
    const json_t *both[2] = {position, walk};
    for (int i = 0; i < 2; i++) {
        char *text = both[i] ? json_dumps(both[i], JSON_COMPACT | JSON_SORT_KEYS) : sc_dup("");
        if (!text)
            return 0;
        hash[i] = sc_siphash(p->fingerprint_key, text, strlen(text));
        free(text);
    }
    return sc_siphash(p->fingerprint_key, hash, sizeof hash) | 1;
}

bool sc_save_holds_walk(const struct sc_poller *p)
{
    return p->disk_memory && p->disk_walk && p->disk_memory == memory_hash(p, p->position, p->walk);
}

void sc_save_walk(struct sc_poller *p)
{
    sc_poller_cover_pages(p);
    if (p->page_count > (p->page ? 1u : 0u)) /* their acknowledgements wake it */
        return;
    json_decref(p->cp.position);
    p->cp.position = json_deep_copy(p->position);
    json_decref(p->cp.walk);
    p->cp.walk = json_deep_copy(p->walk);
    p->anchored = false;
    sc_save_anchor(p);
}

static int add_part(struct sc_kv_write **list, struct sc_kv_write *w, bool composed)
{
    if (!w || !composed || w->value.failed || !w->key) {
        write_free(w);
        return -1;
    }
    w->mail.next = *list ? &(*list)->mail : NULL;
    *list = w;
    return 0;
}

/* The segments of a set that differ from what is in the bucket. */
static int compose_set(struct sc_poller *p, struct sc_seen *set, int kind, struct sc_kv_write **list)
{
    bool readings = kind == WRITE_READINGS;
    for (uint32_t n = sc_seen_first(set); n != sc_seen_end(set); n++) {
        if (!sc_seen_dirty(set, n))
            continue;
        struct sc_buf key = {0};
        struct sc_kv_write *w = write_new(p, "SEEN", kind, SC_KV_REV_ANY);
        int rc = readings ? sc_whole_key(p->key, n, &key) : sc_seen_key(p->key, n, &key);
        bool ok = w && rc == 0 && sc_seen_encode(set, n, &w->value) == 0;
        if (w) {
            w->key = sc_buf_take(&key);
            w->arg = (void *)(uintptr_t)n;
            w->expected_rev = sc_part_rev(readings ? p->whole_revs : p->part_revs, n);
        } else {
            sc_buf_done(&key);
        }
        if (add_part(list, w, ok))
            return -1;
    }
    return 0;
}

static int compose_readings(struct sc_poller *p, struct sc_kv_write **list)
{
    if (!p->type->whole)
        return 0;
    sc_seen_compact(&p->whole);
    p->cp.whole_first = p->save_whole_first = sc_seen_first(&p->whole);
    p->cp.whole_end = sc_seen_end(&p->whole);
    return compose_set(p, &p->whole, WRITE_READINGS, list);
}

static int compose_segments(struct sc_poller *p, struct sc_kv_write **list)
{
    p->cp.seen_first = sc_seen_first(&p->seen);
    p->cp.seen_end = sc_seen_end(&p->seen);
    if (compose_set(p, &p->seen, WRITE_PART, list))
        return -1;
    uint32_t count = p->cp.seen_end - p->cp.seen_first, tail = count < SC_SEEN_TAIL ? count : SC_SEEN_TAIL;
    p->cp.seen_tail_count = tail;
    for (uint32_t i = 0; i < tail; i++)
        p->cp.seen_tail[i] = sc_seen_stored_in(&p->seen, p->cp.seen_end - tail + i);
    return 0;
}

static int compose_map(struct sc_poller *p, struct sc_kv_write **list)
{
    uint32_t number = p->cp.map + 1 ? p->cp.map + 1 : 1;
    p->vanished = p->walk_whole ? sc_map_commit(&p->map) : 0; /* what a part of the document did not show has not vanished */
    p->map.changed = false; /* a write that fails ends in a reload */
    for (uint32_t part = 0; part < sc_map_parts(&p->map); part++) {
        struct sc_buf key = {0};
        struct sc_kv_write *w = write_new(p, "SEEN", WRITE_PART, SC_KV_REV_ANY);
        bool ok = w && sc_map_key(p->key, number, part, &key) == 0 && sc_map_encode(&p->map, number, part, p->cp.proof_seq, &w->value) == 0;
        if (w)
            w->key = sc_buf_take(&key);
        else
            sc_buf_done(&key);
        if (add_part(list, w, ok))
            return -1;
    }
    p->cp.map = number;
    return 0;
}

static int compose_checkpoint(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    struct sc_checkpoint *cp = &p->cp;
    cp->open = must_be_open(p);
    if (p->phase == SC_WALKING && p->walk_pages == 0 && p->walk) { /* frozen by the first request, nothing read yet */
        json_decref(cp->walk);
        cp->walk = json_deep_copy(p->walk);
    }
    if (!keeps_walk(p)) {
        json_decref(cp->walk);
        cp->walk = NULL;
        cp->walk_page = 0;
    }
    if (sc_is_backfill(p))
        sc_backfill_note(p);
    free(cp->stream_created);
    cp->stream_created = sc_dup(io->broker.stream_created);
    free(cp->agent);
    cp->agent = sc_dup(io->config.agent);
    cp->epoch = io->broker.epoch;
    cp->n++;
    sc_worked_fill(p);
    cp->saved_ms = sc_real_ms();
    sc_checkpoint_trail(cp, cp->saved_ms, p->type->shape == SC_SHAPE_SNAPSHOT ? SC_MAP_SLOTS - 2 : SC_TRAIL_MAX);
    struct sc_kv_write *w = write_new(p, "CHECKPOINTS", WRITE_CHECKPOINT, p->rev);
    if (!w)
        return -1;
    w->key = sc_dup(p->key);
    if (!w->key || sc_checkpoint_write(cp, &w->value)) {
        write_free(w);
        return -1;
    }
    p->save_cp = w;
    return 0;
}

static void post_checkpoint(struct sc_poller *p)
{
    struct sc_kv_write *w = p->save_cp;
    p->save_cp = NULL;
    SC_FAULT("checkpoint.before");
    if (p->save_is_anchor)
        SC_FAULT("anchor.before");
    post(p, w);
}

/* Composes everything as it is now and sends the parts; the checkpoint follows when they stand. */
static int compose(struct sc_poller *p)
{
    struct sc_kv_write *parts = NULL;
    bool commit = p->type->shape == SC_SHAPE_SNAPSHOT && p->commit_map && p->page_count == 0;
    if (commit && p->cp.map && !p->map.changed && (!p->walk_whole || sc_map_unmet(&p->map) == 0))
        commit = p->commit_map = false; /* the map that stands says the same */
    set_floors(p);
    int rc = 0;
    if (keeps_seen(p))
        rc = compose_segments(p, &parts);
    else
        p->cp.seen_first = p->cp.seen_end = sc_seen_end(&p->seen), p->cp.seen_tail_count = 0;
    if (rc == 0)
        rc = compose_readings(p, &parts);
    if (rc == 0 && commit)
        rc = compose_map(p, &parts);
    if (rc == 0)
        rc = compose_checkpoint(p);
    if (rc) {
        while (parts) {
            struct sc_kv_write *next = (struct sc_kv_write *)parts->mail.next;
            write_free(parts);
            parts = next;
        }
        return -1;
    }
    p->saving = true;
    p->save_failed = false;
    p->save_open = p->cp.open;
    p->save_walk = p->cp.walk != NULL;
    p->save_is_anchor = p->anchor_wanted;
    p->save_memory = memory_hash(p, p->cp.position, p->cp.walk);
    p->save_acks = p->unsaved_acks;
    p->save_gaps = p->cp.gaps ? json_array_size(p->cp.gaps) : 0;
    p->save_covered_ms = p->covered_ms;
    p->save_covered_page = p->page_count ? p->pages[p->page_head].number : p->next_page;
    if (commit)
        p->commit_map = false;
    p->dirty = p->save_wanted = p->anchor_wanted = false;
    p->save_parts = 0;
    if (parts)
        SC_FAULT("seen.before");
    if (commit)
        SC_FAULT("snapshot.map.before");
    while (parts) {
        struct sc_kv_write *next = (struct sc_kv_write *)parts->mail.next;
        p->save_parts++;
        post(p, parts);
        parts = next;
    }
    if (!p->save_parts)
        post_checkpoint(p);
    return 0;
}

static bool final_save_due(const struct sc_poller *p)
{
    return p->phase != SC_WALKING && p->page_count == 0 && !sc_save_settled(p);
}

void sc_save_step(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    if (p->saving || !p->loaded || p->generation != io->broker.generation || sc_is_dry(p))
        return;
    bool final = final_save_due(p);
    if (!p->save_wanted && !p->anchor_wanted && !final)
        return;
    int64_t earliest = p->saved_at + SC_SAVE_STEP_MS;
    bool urgent = p->anchor_wanted || final || p->stopping_save || (p->bounded && p->unsaved_acks >= SC_BOUNDED_ACKS);
    if (!urgent && io->now < earliest) {
        if (!sc_timer_armed(&p->save_timer))
            sc_heap_set(&io->heap, &p->save_timer, earliest);
        return;
    }
    if (compose(p)) {
        sc_poller_say(p, SC_REASON_MEMORY_LIMIT, SC_TIME_NONE, "out of memory for a checkpoint; tried again in a second", NULL);
        sc_heap_set(&io->heap, &p->save_timer, io->now + 1000);
    }
}

void sc_save_want(struct sc_poller *p)
{
    p->save_wanted = true;
    sc_save_step(p);
}

void sc_save_anchor(struct sc_poller *p)
{
    if (p->anchored || p->anchor_wanted)
        return;
    if (p->saving && p->save_is_anchor)
        return;
    p->anchor_wanted = true;
    sc_save_step(p);
}

static void purge(struct sc_poller *p, uint32_t segment, uint64_t **revs, int (*key_of)(const char *, uint32_t, struct sc_buf *))
{
    struct sc_buf key = {0};
    uint64_t rev = sc_part_rev(*revs, segment);
    struct sc_kv_write *w = rev == SC_KV_REV_ANY ? NULL : write_new(p, "SEEN", WRITE_PURGE, rev);
    if (!w)
        return;
    key_of(p->key, segment, &key);
    w->key = sc_buf_take(&key);
    w->purge = true;
    w->arg = (void *)(uintptr_t)segment;
    if (!w->key) {
        write_free(w);
        return;
    }
    sc_part_rev_set(revs, segment, SC_KV_REV_ANY);
    post(p, w);
}

void sc_save_purge_segments(struct sc_poller *p, uint32_t first, uint32_t end)
{
    for (; first != end; first++) {
        struct sc_buf key = {0};
        struct sc_kv_write *w = write_new(p, "SEEN", WRITE_PURGE, SC_KV_REV_ANY);
        if (!w || sc_seen_key(p->key, first, &key)) {
            sc_buf_done(&key);
            write_free(w);
            continue;
        }
        w->key = sc_buf_take(&key);
        w->purge = true;
        post(p, w);
    }
}

static void purge_segment(void *arg, uint32_t segment)
{
    struct sc_poller *p = arg;
    if (keeps_seen(p))
        purge(p, segment, &p->part_revs, sc_seen_key);
}

/* Segments that the stored checkpoint no longer names. Their slots may have been taken again. */
static void purge_readings(struct sc_poller *p)
{
    for (; p->whole_purged != p->save_whole_first; p->whole_purged++) {
        if (sc_seen_end(&p->whole) - p->whole_purged <= SC_SEEN_SLOTS)
            purge(p, p->whole_purged, &p->whole_revs, sc_whole_key);
    }
}

/* What the position can no longer reach goes, now that it is saved. */
static void drop_identities(struct sc_poller *p)
{
    int64_t before = INT64_MAX;
    if (p->type->shape != SC_SHAPE_LOG || p->loose || sc_is_backfill(p)) /* what a read-back found is needed until the walk has passed it */
        return;
    if (p->type->overlap_s && p->save_covered_ms == SC_TIME_NONE)
        return;
    if (p->type->overlap_s)
        before = p->save_covered_ms - (int64_t)p->type->overlap_s * 1000;
    sc_seen_drop(&p->seen, before, p->save_covered_page, purge_segment, p);
}

static void checkpoint_stands(struct sc_poller *p, const struct sc_kv_write *w)
{
    p->rev = w->rev;
    p->disk_open = p->save_open;
    p->disk_walk = p->save_walk;
    p->disk_memory = p->save_memory;
    p->exists = true;
    p->saved_at = p->inst->io->now;
    p->unsaved_acks -= p->save_acks < p->unsaved_acks ? p->save_acks : p->unsaved_acks;
    SC_FAULT("checkpoint.after");
    p->conflicts = 0;
    if (p->save_is_anchor) {
        SC_FAULT("anchor.after");
        p->anchored = (p->cp.gaps ? json_array_size(p->cp.gaps) : 0) <= p->save_gaps; /* a gap found since then is not in it */
    }
    drop_identities(p);
    purge_readings(p);
    sc_edit_saved(p);
    if (sc_is_backfill(p))
        sc_backfill_saved(p);
    sc_status_touch(p->inst, false);
    if (p->traced)
        sc_trace_saved(p);
    if (p->vanished) {
        struct sc_log_cx cx = sc_poller_cx(p);
        SC_LOG_EACH(SC_INFO, &cx, NULL, "%u records are no longer in the document (withdrawn by the vendor); what was published stays", p->vanished);
        p->vanished = 0;
    }
}

static void part_stands(struct sc_poller *p, const struct sc_kv_write *w)
{
    uint64_t **revs = w->kind == WRITE_READINGS ? &p->whole_revs : &p->part_revs;
    if (w->result == SC_KV_OK && p->type->shape == SC_SHAPE_LOG)
        sc_part_rev_set(revs, (uint32_t)(uintptr_t)w->arg, w->rev);
    if (w->result != SC_KV_OK)
        p->save_failed = true;
    if (--p->save_parts)
        return;
    SC_FAULT("seen.after");
    if (p->type->shape == SC_SHAPE_SNAPSHOT)
        SC_FAULT("snapshot.map.after");
    if (!p->save_failed)
        post_checkpoint(p);
}

/* ", by edge-2 with epoch 7 at …", as far as the value that stands there tells it. */
static void writer_of(const struct sc_kv_write *w, char *out, size_t cap)
{
    json_t *value = json_loadb(sc_buf_str(&w->current).ptr, w->current.len, 0, NULL);
    const json_t *writer = json_object_get(value, "writer");
    const char *agent = json_string_value(json_object_get(writer, "agent")), *saved = json_string_value(json_object_get(value, "saved"));
    out[0] = '\0';
    if (agent)
        snprintf(out, cap, ", by agent %.60s with epoch %lld at %.40s", agent, (long long)json_integer_value(json_object_get(writer, "epoch")), saved ? saved : "?");
    json_decref(value);
}

static void moved_by_another(struct sc_poller *p, const struct sc_kv_write *w)
{
    struct sc_log_cx cx = sc_poller_cx(p);
    char who[160];
    writer_of(w, who, sizeof who);
    SC_LOG(SC_WARN, &cx, NULL, "key %s in bucket %s was written by somebody else (revision %llu%s): reading everything again", w->key, w->bucket,
           (unsigned long long)w->current_rev, who);
    sc_poller_reset(p);
    /* Two that write the same keys must not chase each other. */
    int64_t wait = 250ll << (p->conflicts < 8 ? p->conflicts : 8);
    p->conflicts++;
    p->hold = (struct sc_hold){p->inst->io->now + wait, sc_real_ms() + wait, SC_REASON_CHECKPOINT_INVALID};
}

void sc_save_written(struct sc_poller *p, struct sc_kv_write *w)
{
    p->out--;
    bool ours = p->loaded && w->generation == p->generation && w->result != SC_KV_DROPPED;
    if (w->kind == WRITE_PURGE || !ours) {
        write_free(w);
        sc_poller_wake(p);
        return;
    }
    if (w->result == SC_KV_CONFLICT) {
        moved_by_another(p, w);
        write_free(w);
        return;
    }
    if (w->kind == WRITE_PART || w->kind == WRITE_READINGS) {
        part_stands(p, w);
    } else {
        checkpoint_stands(p, w);
        p->saving = false;
    }
    write_free(w);
    sc_save_step(p);
    sc_poller_unpause(p);
    sc_poller_wake(p);
}

void sc_save_drop(struct sc_kv_write *w)
{
    write_free(w);
}

void sc_save_forget(struct sc_poller *p)
{
    write_free(p->save_cp);
    p->save_cp = NULL;
    p->saving = p->save_wanted = p->anchor_wanted = p->save_failed = false;
    p->save_parts = 0;
    p->dirty = p->disk_open = p->disk_walk = p->anchored = false;
    p->disk_memory = 0;
    free(p->part_revs); /* somebody else may write them before they are read again */
    p->part_revs = NULL;
    free(p->whole_revs);
    p->whole_revs = NULL;
}

/* ---- revisions of segments ------------------------------------------------------------------------------------------------------- */

uint64_t sc_part_rev(const uint64_t *revs, uint32_t segment)
{
    return revs ? revs[segment % SC_SEEN_SLOTS] : SC_KV_REV_ANY;
}

void sc_part_rev_set(uint64_t **revs, uint32_t segment, uint64_t rev)
{
    if (!*revs) {
        *revs = malloc(SC_SEEN_SLOTS * sizeof **revs);
        for (uint32_t i = 0; *revs && i < SC_SEEN_SLOTS; i++)
            (*revs)[i] = SC_KV_REV_ANY;
    }
    if (*revs)
        (*revs)[segment % SC_SEEN_SLOTS] = rev;
}
