/* From the cutter to the publisher and back: bytes of a record go straight into a batch, its identity decides, its outcome is counted.
 * io thread of the poller. */
#include "poll/poller.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_TWINS  64u   /* states of one id in one document that are told apart */
#define MAX_HOLES  3u    /* places without a state in a row: nothing lies behind */
#define FIRST_ROOM 4096u /* least room for a new record before another batch is taken */

static uint32_t record_limit(const struct sc_poller *p)
{
    int64_t limit = p->inst->io->config.settings->http_max_record_bytes;
    int64_t payload = p->inst->io->broker.max_payload - SC_ID_ROOM;
    if (payload > 0 && payload < limit)
        limit = payload;
    return limit > 0 && limit < UINT32_MAX / 4 ? (uint32_t)limit : UINT32_MAX / 4;
}

/* No more than half of the batches while somebody waits for one. */
static bool over_share(const struct sc_poller *p)
{
    const struct sc_io *io = p->inst->io;
    return io->waiting > 0 && !p->paused && p->out >= sc_publisher_batches(io->config.publisher) / 2;
}

/* What a crash may double stays below what is promised: records whose acknowledgement is not saved, those under way included. However long the
 * save takes, no more are handed over. */
static bool over_bound(const struct sc_poller *p)
{
    if (!p->bounded)
        return false;
    uint64_t most = SC_BOUNDED_ACKS + (uint64_t)p->inst->io->config.settings->nats_window_messages;
    return p->unsaved_acks >= SC_BOUNDED_ACKS || (uint64_t)p->unsaved_acks + p->handed + SC_BATCH_RECORDS > most;
}

static bool take_batch(struct sc_poller *p, uint32_t need)
{
    struct sc_io *io = p->inst->io;
    if (over_bound(p)) {
        sc_save_want(p);
        return false;
    }
    if (over_share(p))
        return false;
    p->batch = sc_publisher_batch(io->config.publisher, &io->box, need, &io->credit);
    if (!p->batch)
        return false;
    if (p->batch->generation != p->generation) { /* news of it is in the mailbox */
        sc_publisher_batch_put(io->config.publisher, p->batch);
        p->batch = NULL;
        return false;
    }
    p->batch->owner = p;
    p->batch->stamp = &p->stamp;
    return true;
}

void sc_record_post(struct sc_poller *p)
{
    struct sc_batch *batch = p->batch;
    if (!batch)
        return;
    p->batch = NULL;
    if (batch->count == 0) {
        sc_publisher_batch_put(p->inst->io->config.publisher, batch);
        return;
    }
    batch->page = p->page->number;
    p->page->outstanding++;
    p->out++;
    p->handed += batch->count;
    sc_publisher_post(p->inst->io->config.publisher, batch);
}

/* The record's bytes so far leave the batch, so that nothing is held while somebody is waited for. */
static int spill(struct sc_poller *p)
{
    if (!p->batch)
        return 0;
    if (p->in_record && !p->dead) {
        sc_buf_clear(&p->spill);
        if (sc_buf_add(&p->spill, p->batch->bytes + p->record_at, p->batch->used - p->record_at))
            return -1;
        p->batch->used = p->record_at;
    }
    sc_record_post(p);
    return 0;
}

void sc_record_flush(struct sc_timer *timer, void *arg)
{
    struct sc_poller *p = arg;
    (void)timer;
    if (p->batch && spill(p))
        sc_poller_wake(p);
}

/* Makes sure that a batch holds the record so far and `more` bytes fit behind it, and the identity. */
static int make_room(struct sc_poller *p, size_t more)
{
    struct sc_batch *batch = p->batch;
    if (batch && batch->count < SC_BATCH_RECORDS && batch->used + more + SC_ID_ROOM <= batch->cap)
        return 0;
    if (batch && spill(p))
        return -1;
    size_t need = p->spill.len + more + SC_ID_ROOM;
    if (need > SC_BATCH_BYTES)
        need += need / 2;
    size_t most = (size_t)record_limit(p) + 2 * SC_ID_ROOM;
    if (!take_batch(p, (uint32_t)(need < most ? need : most)))
        return SC_CUT_PAUSE;
    batch = p->batch;
    p->record_at = batch->used;
    memcpy(batch->bytes + batch->used, p->spill.ptr ? p->spill.ptr : "", p->spill.len);
    batch->used += (uint32_t)p->spill.len;
    sc_buf_clear(&p->spill);
    return 0;
}

/* Back-pressure: remembers since when, so that status can say "waiting for NATS". */
static int paused(struct sc_poller *p, int rc)
{
    if (rc == SC_CUT_PAUSE && !p->paused) {
        p->paused = true;
        p->pause_began = p->inst->io->now;
        p->inst->io->waiting++;
    }
    return rc;
}

static int on_begin(void *arg)
{
    struct sc_poller *p = arg;
    p->in_record = false;
    int rc = make_room(p, FIRST_ROOM);
    if (rc)
        return paused(p, rc);
    p->record_at = p->batch->used;
    p->in_record = true;
    return 0;
}

/* The record will not fit into a message: what is here and what comes goes to a file. */
static int begin_dead(struct sc_poller *p)
{
    p->dead = sc_dead_letter_open(p->inst->io->config.settings->dead_letter_dir, &p->cut_error);
    if (!p->dead)
        return -1;
    if (p->batch) {
        if (sc_dead_letter_add(p->dead, p->batch->bytes + p->record_at, p->batch->used - p->record_at, &p->cut_error))
            return -1;
        p->batch->used = p->record_at;
    } else if (sc_dead_letter_add(p->dead, p->spill.ptr ? p->spill.ptr : "", p->spill.len, &p->cut_error)) {
        return -1;
    }
    sc_buf_clear(&p->spill);
    return 0;
}

static int on_data(void *arg, const char *bytes, size_t len)
{
    struct sc_poller *p = arg;
    if (!p->dead) {
        size_t have = p->batch ? p->batch->used - p->record_at : p->spill.len;
        if (have + len > record_limit(p) && begin_dead(p))
            return -1;
    }
    if (p->dead)
        return sc_dead_letter_add(p->dead, bytes, len, &p->cut_error);
    int rc = make_room(p, len);
    if (rc)
        return paused(p, rc);
    memcpy(p->batch->bytes + p->batch->used, bytes, len);
    p->batch->used += (uint32_t)len;
    return 0;
}

/* ---- identity ------------------------------------------------------------------------------------------------------------ */

struct identity {
    char text[SC_RECIPE_ID_MAX + 16]; /* recipe's id, "#n" included */
    size_t len;
    uint64_t fingerprint;
    uint64_t known;      /* entry in the set, SC_SEEN_NONE: to be published */
    uint32_t hash;
    unsigned char content[16]; /* of a snapshot's record */
};

static unsigned id_parts(const struct sc_poller *p, const struct sc_cut_record *record, struct sc_str parts[SC_MAX_ID_PARTS])
{
    unsigned n = 0;
    for (; n < SC_MAX_ID_PARTS && p->type->id[n]; n++) {
        const struct sc_cut_value *v = &record->fields[n];
        bool usable = (v->kind == SC_CUT_STRING || v->kind == SC_CUT_NUMBER) && !v->cut && v->text.len > 0;
        if (!usable)
            return 0;
        parts[n] = v->text;
    }
    return n;
}

static uint64_t fingerprint_of(const struct sc_poller *p, const char *text, size_t len)
{
    return sc_siphash(p->fingerprint_key, text, len);
}

/* Same identity: same bytes -> seen; other bytes in an immutable type -> the next "#n". */
static void find_in_set(struct sc_poller *p, struct identity *id, size_t base_len)
{
    for (unsigned n = 1; n < 100; n++) {
        id->len = base_len;
        if (n > 1)
            id->len += (size_t)snprintf(id->text + base_len, sizeof id->text - base_len, "#%u", n);
        id->fingerprint = fingerprint_of(p, id->text, id->len);
        id->known = sc_seen_find(&p->seen, id->fingerprint);
        if (id->known == SC_SEEN_NONE)
            break;
        uint32_t hash = sc_seen_hash(&p->seen, id->known);
        if (hash == 0) /* known from a segment or a read-back: the first sight of its bytes */
            sc_seen_set_hash(&p->seen, id->known, id->hash);
        if (hash == 0 || hash == id->hash || p->type->identity != SC_IMMUTABLE)
            return;
    }
    if (id->len > base_len && p->anchored) {
        struct sc_log_cx cx = sc_poller_cx(p);
        p->collisions++;
        SC_LOG(SC_WARN, &cx, NULL, "identity_collision: id %.*s came with other bytes; published as %s", (int)base_len, id->text, id->text);
    }
}

/* twin: the document holds the id more than once with different bytes; its nth state is known as id#n. */
static void snapshot_identity(const struct sc_poller *p, struct identity *id, const struct sc_str *parts, unsigned count, unsigned twin,
                              const unsigned char hash[16])
{
    char own[SC_RECIPE_ID_MAX + 16], version[SC_RECIPE_ID_MAX + 1], hex[33];
    size_t len = sc_recipe_id(parts, count, own);
    if (twin > 1)
        len += (size_t)snprintf(own + len, sizeof own - len, "#%u", twin);
    struct sc_str v = sc_str_of(p->version[0]);
    size_t version_len = sc_recipe_id(&v, 1, version);
    sc_hex(hash, 16, hex);
    if (len + 34 + version_len > SC_RECIPE_ID_MAX) { /* the id gives way: its hash stands for it */
        unsigned char digest[16];
        sc_content_hash(own, len, digest);
        memcpy(own, "h:", 2);
        sc_hex(digest, 16, own + 2);
        len = 34;
    }
    id->fingerprint = fingerprint_of(p, own, len);
    id->len = (size_t)snprintf(id->text, sizeof id->text, "%s~%s~%s", own, hex, version);
    if (id->len >= sizeof id->text)
        id->len = sizeof id->text - 1;
}

/* ---- one record complete ---------------------------------------------------------------------------------------------------- */

static int64_t record_time(const struct sc_poller *p, const struct sc_cut_value *value)
{
    if (value->kind != SC_CUT_STRING && value->kind != SC_CUT_NUMBER)
        return SC_TIME_NONE;
    return sc_host_services.parse_time(&p->host, value->text, p->type->time_format);
}

/* ce-time: the vendor's text where it is RFC 3339, else converted. Returns 0 when there is none. */
static size_t time_text(const struct sc_poller *p, const struct sc_cut_value *value, int64_t ms, char out[80])
{
    if (ms == SC_TIME_NONE)
        return 0;
    char utc[SC_TIME_TEXT];
    bool own = p->type->time_format == SC_TIME_RFC3339 && value->text.len < 40 && sc_time_is_rfc3339(value->text);
    struct sc_str text = value->text;
    if (p->type->time_format == SC_TIME_DATE) {
        int n = snprintf(utc, sizeof utc, "%.*sT00:00:00Z", (int)(text.len < 10 ? text.len : 10), text.ptr);
        text = (struct sc_str){utc, (size_t)n};
    } else if (!own) {
        text = sc_str_of(sc_time_rfc3339(ms, utc));
    }
    return sc_header_encode(text, out, 80);
}

static uint32_t put_text(struct sc_batch *batch, const char *text, size_t len)
{
    uint32_t at = batch->used;
    memcpy(batch->bytes + at, text, len);
    batch->bytes[at + len] = '\0';
    batch->used += (uint32_t)len + 1;
    return at;
}

/* Message id, ce-id and ce-time behind the body. */
static void finish_record(struct sc_poller *p, const struct identity *id, const struct sc_cut_value *time, int64_t time_ms)
{
    struct sc_batch *batch = p->batch;
    struct sc_record *r = &batch->records[batch->count];
    char text[3 * sizeof id->text];
    *r = (struct sc_record){.body_at = p->record_at, .body_len = batch->used - p->record_at, .extra_at = UINT32_MAX, .ce_time_at = UINT32_MAX};
    r->msg_id_at = put_text(batch, p->prefix, p->prefix_len);
    batch->used--; /* the id goes on where the prefix ends */
    put_text(batch, id->text, id->len);
    r->ce_id_at = r->msg_id_at + (uint32_t)p->prefix_len;
    size_t n = sc_header_encode((struct sc_str){id->text, id->len}, text, sizeof text);
    if (n != id->len)
        r->ce_id_at = put_text(batch, text, n);
    n = time_text(p, time, time_ms, text);
    if (n)
        r->ce_time_at = put_text(batch, text, n);
    r->fingerprint = id->fingerprint;
    r->collate = id->known;
    r->time_ms = time_ms;
    r->hash = id->hash;
    batch->count++;
}

static void note_time(struct sc_poller *p, const struct sc_cut_value *value, int64_t ms)
{
    if (ms == SC_TIME_NONE || ms > sc_source_now(p->inst->source)) /* dated in the future: published, not used for the position */
        return;
    if (ms > p->page->newest_ms) /* how far a fall-back by time must reach to read it again */
        p->page->newest_ms = ms;
    if (p->newest_until && ms > p->newest_until)
        return;
    if (ms > p->newest_ms) {
        p->newest_ms = ms;
        snprintf(p->newest_text, sizeof p->newest_text, "%.*s", (int)value->text.len, value->text.ptr);
    }
}

/* File name of a dead letter: the message id, with what a file name should not hold written =XX. */
static void dead_name(const struct sc_poller *p, const char *id, size_t len, char *out, size_t cap)
{
    size_t n = 0;
    const char *sources[2] = {p->prefix, id};
    size_t lens[2] = {p->prefix_len, len};
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < lens[s] && n + 4 < cap; i++) {
            unsigned char c = (unsigned char)sources[s][i];
            bool fine = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-_.~#:", c);
            if (fine && c)
                out[n++] = (char)c;
            else
                n += (size_t)snprintf(out + n, cap - n, "=%02X", c);
        }
    }
    out[n] = '\0';
}

struct refusal {
    enum sc_reason reason;
    const char *why;
    uint64_t bytes;
};

static int keep_dead(struct sc_poller *p, struct sc_dead_letter *letter, const char *id, size_t len, struct refusal refusal, struct sc_error *err)
{
    char name[220], file[300];
    bool known = false;
    struct sc_log_cx cx = sc_poller_cx(p);
    dead_name(p, id, len, name, sizeof name);
    if (sc_dead_letter_keep(letter, name, file, &known, err))
        return -1;
    p->walk_dead += !known;
    SC_LOG(SC_WARN, &cx, NULL, "%s: record %.*s (%llu bytes) %s; kept as %s/%s", sc_reason_code(refusal.reason), (int)len, id,
           (unsigned long long)refusal.bytes, refusal.why, p->inst->io->config.settings->dead_letter_dir, file);
    return 0;
}

/* A record that cannot be published: to a file, then it counts as done. */
static int refuse_record(struct sc_poller *p, const struct sc_cut_record *record, const struct sc_str *parts, unsigned count)
{
    char id[SC_RECIPE_ID_MAX + 1];
    char why[160] = "is larger than a message may be";
    enum sc_reason reason = p->dead ? SC_REASON_RECORD_TOO_LARGE : SC_REASON_RECORD_INVALID;
    if (!p->dead) {
        if (record->bad_utf8)
            snprintf(why, sizeof why, "is not UTF-8 at byte %llu", (unsigned long long)record->bad_at);
        else
            snprintf(why, sizeof why, record->too_deep ? "is nested too deep" : "has no %s", p->type->id[0] ? p->type->id[0] : "id");
    }
    size_t len;
    if (count) {
        len = sc_recipe_id(parts, count, id);
    } else if (p->batch && !p->dead) {
        unsigned char hash[16];
        sc_content_hash(p->batch->bytes + p->record_at, p->batch->used - p->record_at, hash);
        memcpy(id, "c:", 2);
        sc_hex(hash, 16, id + 2);
        len = 34;
    } else {
        len = (size_t)snprintf(id, sizeof id, "page-%llu-record-%llu", (unsigned long long)p->page->number, (unsigned long long)p->page_records);
    }
    if (!p->dead && begin_dead(p))
        return -1;
    struct sc_dead_letter *letter = p->dead;
    p->dead = NULL;
    return keep_dead(p, letter, id, len, (struct refusal){reason, why, record->bytes}, &p->cut_error);
}

static void page_mix(struct sc_poller *p, uint32_t hash)
{
    p->page_hash = (p->page_hash ^ hash) * 0x9E3779B97F4A7C15ull;
}

static void count_record(struct sc_poller *p, uint64_t bytes)
{
    p->in_record = false;
    p->page_records++;
    p->page->records++;
    p->page->bytes += bytes;
    p->walk_read++;
}

/* Decides what to do with a log record: false = known already. */
static bool log_record_is_new(struct sc_poller *p, struct identity *id, const struct sc_str *parts, unsigned count)
{
    size_t base = sc_recipe_id(parts, count, id->text);
    find_in_set(p, id, base);
    return id->known == SC_SEEN_NONE;
}

/* The identity, and whether the map knows this state of the record; the map is not changed yet. */
static bool snapshot_record_is_new(struct sc_poller *p, struct identity *id, const struct sc_str *parts, unsigned count)
{
    struct sc_batch *batch = p->batch;
    if (p->scan_only || p->older)
        return false;
    sc_content_hash(batch->bytes + p->record_at, batch->used - p->record_at, id->content);
    unsigned free_twin = 0, holes = 0;
    bool published = false;
    for (unsigned twin = 1; twin <= MAX_TWINS && holes < MAX_HOLES; twin++) {
        snapshot_identity(p, id, parts, count, twin, id->content);
        if (sc_map_is_same(&p->map, id->fingerprint, id->content))
            return false;
        published = published || sc_map_was(&p->map, id->fingerprint, id->content);
        if (!free_twin && !sc_map_is_met(&p->map, id->fingerprint))
            free_twin = twin;
        holes = sc_map_has(&p->map, id->fingerprint) ? 0 : holes + 1;
    }
    snapshot_identity(p, id, parts, count, free_twin ? free_twin : MAX_TWINS, id->content);
    return !published || sc_map_settle(&p->map, id->fingerprint, id->content);
}

static int snapshot_take_in(struct sc_poller *p, struct identity *id)
{
    unsigned changes = 1;
    if (sc_map_meet(&p->map, id->fingerprint, id->content, &changes) == SC_MAP_FULL)
        return sc_fail(&p->cut_error, SC_REASON_MEMORY_LIMIT, "more than %lld records in the document: raise poll.max_identities",
                       (long long)p->inst->io->config.settings->poll_max_identities);
    if (changes > 1)
        id->len += (size_t)snprintf(id->text + id->len, sizeof id->text - id->len, "#%u", changes);
    return 0;
}

/* -1, 0, 1: the document against the newest version that was read, or begun, before. */
static int version_order(const struct sc_poller *p)
{
    for (unsigned i = 0; i < 2 && p->type->version[i]; i++) {
        char name[16];
        snprintf(name, sizeof name, "version%u", i);
        const char *stored = json_string_value(json_object_get(p->cp.reached, name));
        if (!stored)
            stored = json_string_value(json_object_get(p->cp.position, name));
        int order = stored ? sc_version_compare(sc_str_of(p->version[i]), sc_str_of(stored)) : 1;
        if (order)
            return order;
    }
    return 0;
}

void sc_snapshot_judge(struct sc_poller *p)
{
    int order = version_order(p);
    p->version_known = true;
    p->older = order < 0;
    if (order > 0) { /* noted with the next anchor, so that an older copy is known as one even if this walk is broken off */
        json_decref(p->cp.reached);
        p->cp.reached = json_object();
        for (unsigned i = 0; p->cp.reached && i < 2 && p->type->version[i]; i++)
            json_object_set_new(p->cp.reached, i ? "version1" : "version0", json_string(p->version[i]));
        p->anchored = false;
    }
    if (!p->older)
        sc_map_version(&p->map, p->version[0]);
}

/* The document's version, before its first record is judged. */
static void snapshot_version(struct sc_poller *p)
{
    bool all = true;
    if (p->version_known)
        return;
    for (unsigned i = 0; i < 2 && p->type->version[i]; i++) {
        struct sc_str v = sc_host_services.envelope(&p->host, p->type->version[i]);
        if (!v.ptr)
            all = false;
        else
            snprintf(p->version[i], sizeof p->version[i], "%.*s", (int)v.len, v.ptr);
    }
    if (!all) { /* it stands behind the records: this pass only looks, a second one publishes */
        p->scan_only = true;
        return;
    }
    sc_snapshot_judge(p);
}

static int publish_record(struct sc_poller *p, struct identity *id, const struct sc_cut_value *time)
{
    int64_t time_ms = record_time(p, time);
    if (p->type->shape == SC_SHAPE_LOG) {
        id->known = sc_seen_add(&p->seen, id->fingerprint, id->hash, p->page->number);
        if (id->known == SC_SEEN_NONE)
            return sc_fail(&p->cut_error, SC_REASON_MEMORY_LIMIT, "out of memory for identities");
    } else if (snapshot_take_in(p, id)) {
        return -1;
    }
    finish_record(p, id, time, time_ms);
    note_time(p, time, time_ms);
    p->page->published++;
    p->page_new++;
    if (p->batch->count == SC_BATCH_RECORDS || p->batch->used + FIRST_ROOM + SC_ID_ROOM > p->batch->cap)
        sc_record_post(p);
    else if (!sc_timer_armed(&p->flush_timer))
        sc_heap_set(&p->inst->io->heap, &p->flush_timer, p->inst->io->now + SC_FLUSH_MS);
    return 0;
}

static int on_end(void *arg, const struct sc_cut_record *record)
{
    struct sc_poller *p = arg;
    struct sc_str parts[SC_MAX_ID_PARTS];
    struct identity id = {.known = SC_SEEN_NONE};
    unsigned count = id_parts(p, record, parts), time_at = 0;
    while (time_at < SC_MAX_ID_PARTS && p->type->id[time_at])
        time_at++;
    if (!p->dead) {
        int rc = make_room(p, 0);
        if (rc)
            return paused(p, rc);
    }
    if (p->dead || record->bad_utf8 || record->too_deep || !count) {
        if (refuse_record(p, record, parts, count))
            return -1;
        count_record(p, record->bytes);
        return 0;
    }
    if (p->type->shape == SC_SHAPE_SNAPSHOT)
        snapshot_version(p);
    uint32_t len = p->batch->used - p->record_at;
    id.hash = sc_hash32(p->batch->bytes + p->record_at, len);
    id.hash += id.hash == 0;
    bool fresh = p->type->shape == SC_SHAPE_SNAPSHOT ? snapshot_record_is_new(p, &id, parts, count) : log_record_is_new(p, &id, parts, count);
    if (fresh && !p->anchored) { /* nothing of a walk is published before its anchor stands */
        sc_save_anchor(p);
        return paused(p, SC_CUT_PAUSE);
    }
    page_mix(p, id.hash);
    if (!fresh) {
        p->batch->used = p->record_at;
        note_time(p, &record->fields[time_at], record_time(p, &record->fields[time_at]));
    } else if (publish_record(p, &id, &record->fields[time_at])) {
        return -1;
    }
    count_record(p, record->bytes);
    return 0;
}

struct sc_cut_sink sc_record_sink(struct sc_poller *p)
{
    return (struct sc_cut_sink){.arg = p, .begin = on_begin, .data = on_data, .end = on_end};
}

void sc_record_drop_partial(struct sc_poller *p)
{
    if (p->in_record && p->batch)
        p->batch->used = p->record_at;
    p->in_record = false;
    sc_buf_clear(&p->spill);
    p->dead = sc_dead_letter_drop(p->dead);
}

/* ---- outcomes -------------------------------------------------------------------------------------------------------------------- */

static struct sc_open_page *page_of(struct sc_poller *p, uint64_t number)
{
    for (uint32_t i = 0; i < p->page_count; i++) {
        struct sc_open_page *page = &p->pages[(p->page_head + i) % SC_OPEN_PAGES];
        if (page->number == number)
            return page;
    }
    return NULL;
}

/* The server will never take it: to a file. */
static int letter_from_batch(struct sc_poller *p, const struct sc_batch *batch, const struct sc_record *r, struct sc_error *err)
{
    const char *id = batch->bytes + r->msg_id_at + p->prefix_len;
    struct sc_dead_letter *letter = sc_dead_letter_open(p->inst->io->config.settings->dead_letter_dir, err);
    if (!letter)
        return -1;
    if (sc_dead_letter_add(letter, batch->bytes + r->body_at, r->body_len, err)) {
        sc_dead_letter_drop(letter);
        return -1;
    }
    return keep_dead(p, letter, id, strlen(id), (struct refusal){SC_REASON_RECORD_TOO_LARGE, "is larger than the stream takes", r->body_len}, err);
}

static void gap_stored(struct sc_poller *p)
{
    json_array_remove(p->cp.gaps, 0);
    p->walk_gaps++;
    p->dirty = true;
    SC_FAULT("gap.after");
}

static int one_outcome(struct sc_poller *p, const struct sc_batch *batch, const struct sc_record *r, const struct sc_record **newest,
                       struct sc_error *err)
{
    if (r->outcome == SC_RECORD_TOO_LARGE && letter_from_batch(p, batch, r, err))
        return -1;
    if (batch->stamp == &p->gap_stamp) {
        gap_stored(p);
    } else if (p->type->shape == SC_SHAPE_SNAPSHOT) {
        sc_map_stored(&p->map, r->fingerprint);
    } else {
        sc_seen_stored(&p->seen, r->collate, r->seq, r->time_ms);
    }
    if (r->outcome == SC_RECORD_TOO_LARGE)
        return 0;
    p->unsaved_acks++;
    if (r->outcome == SC_RECORD_STORED && !r->duplicate && batch->stamp != &p->gap_stamp)
        p->walk_published++;
    if (r->seq > p->cp.proof_seq && (!*newest || r->seq > (*newest)->seq))
        *newest = r;
    return 0;
}

/* A letter that cannot be kept: the page is not done. Everything is read again from the buckets and the stream when the wait is over, and with it the
 * record that could not be kept. */
static void stop_for_letters(struct sc_poller *p, const struct sc_error *err)
{
    sc_poller_fail(p, SC_REASON_DEAD_LETTER_FAILED, SC_TIME_NONE, NULL, err->text, NULL);
    sc_poller_reset(p);
}

void sc_record_outcomes(struct sc_poller *p, struct sc_batch *batch)
{
    struct sc_io *io = p->inst->io;
    const struct sc_record *newest = NULL;
    struct sc_error err = SC_ERROR_INIT;
    p->out--;
    p->handed -= batch->count;
    if (!batch->dropped && batch->generation == p->generation && p->loaded) {
        for (uint32_t i = 0; i < batch->count; i++) {
            if (one_outcome(p, batch, &batch->records[i], &newest, &err)) {
                sc_publisher_batch_put(io->config.publisher, batch);
                stop_for_letters(p, &err);
                return;
            }
        }
        if (newest) {
            free(p->cp.proof_msg_id);
            p->cp.proof_msg_id = sc_dup(batch->bytes + newest->msg_id_at);
            p->cp.proof_seq = p->cp.proof_msg_id ? newest->seq : p->cp.proof_seq;
        }
        SC_FAULT("ack.after");
        struct sc_open_page *page = page_of(p, batch->page);
        if (page)
            page->outstanding--;
    }
    sc_publisher_batch_put(io->config.publisher, batch);
    if (p->bounded && p->unsaved_acks >= SC_BOUNDED_ACKS)
        sc_save_want(p);
    sc_poller_page_done(p);
    sc_poller_unpause(p); /* its own share may have been what it waited for */
}

/* ---- gaps --------------------------------------------------------------------------------------------------------------------------- */

int sc_record_publish_gap(struct sc_poller *p)
{
    json_t *gap = json_array_get(p->cp.gaps, 0);
    if (!gap)
        return -1;
    if (!take_batch(p, SC_BATCH_BYTES))
        return 1;
    char *body = json_dumps(gap, JSON_COMPACT), id[SC_GAP_ID], time[SC_TIME_TEXT];
    struct sc_batch *batch = p->batch;
    size_t len = body ? strlen(body) : 0;
    if (!body || len + SC_ID_ROOM > batch->cap || sc_gap_id(gap, id) < 0) {
        free(body);
        sc_record_post(p);
        return 1;
    }
    SC_FAULT("gap.before");
    int n = sc_gap_id(gap, id);
    p->record_at = batch->used;
    memcpy(batch->bytes + batch->used, body, len);
    batch->used += (uint32_t)len;
    free(body);
    struct sc_record *r = &batch->records[batch->count++];
    *r = (struct sc_record){.body_at = p->record_at, .body_len = (uint32_t)len, .extra_at = UINT32_MAX, .time_ms = SC_TIME_NONE};
    r->msg_id_at = put_text(batch, p->prefix, p->prefix_len);
    batch->used--;
    put_text(batch, id, (size_t)n);
    r->ce_id_at = r->msg_id_at + (uint32_t)p->prefix_len;
    sc_time_rfc3339(sc_real_ms(), time);
    r->ce_time_at = put_text(batch, time, strlen(time));
    batch->stamp = &p->gap_stamp;
    return 0;
}
