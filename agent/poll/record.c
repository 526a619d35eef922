/* From the cutter to the publisher: bytes of a record go straight into a batch, its identity decides. io thread of the poller. */
#include "poll/backfill.h"

#include <stdio.h>

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
    if (sc_is_backfill(p) && !p->paused && p->out > sc_publisher_batches(io->config.publisher) / 4) /* whoever waits: the live walks' come sooner */
        return true;
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

bool sc_record_take_batch(struct sc_poller *p, uint32_t need)
{
    struct sc_io *io = p->inst->io;
    if (sc_is_dry(p))
        return sc_dry_take_batch(p, need);
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
    if (sc_is_dry(p)) {
        sc_dry_give_batch(p);
        return;
    }
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
    if (!sc_record_take_batch(p, (uint32_t)(need < most ? need : most)))
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
    p->dead = sc_dead_letter_open(sc_is_dry(p) ? NULL : p->inst->io->config.settings->dead_letter_dir, &p->cut_error);
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

uint32_t sc_record_put_text(struct sc_batch *batch, const char *text, size_t len)
{
    uint32_t at = batch->used;
    memcpy(batch->bytes + at, text, len);
    batch->bytes[at + len] = '\0';
    batch->used += (uint32_t)len + 1;
    return at;
}

/* Message id, ce-id and ce-time behind the body. */
static void finish_record(struct sc_poller *p, const struct sc_record_id *id, const struct sc_cut_value *time, int64_t time_ms)
{
    struct sc_batch *batch = p->batch;
    struct sc_record *r = &batch->records[batch->count];
    char text[3 * sizeof id->text];
    *r = (struct sc_record){.body_at = p->record_at, .body_len = batch->used - p->record_at, .extra_at = UINT32_MAX, .ce_time_at = UINT32_MAX};
    r->msg_id_at = sc_record_put_text(batch, p->prefix, p->prefix_len);
    batch->used--; /* the id goes on where the prefix ends */
    sc_record_put_text(batch, id->text, id->len);
    r->ce_id_at = r->msg_id_at + (uint32_t)p->prefix_len;
    size_t n = sc_header_encode((struct sc_str){id->text, id->len}, text, sizeof text);
    if (n != id->len)
        r->ce_id_at = sc_record_put_text(batch, text, n);
    n = time_text(p, time, time_ms, text);
    if (n)
        r->ce_time_at = sc_record_put_text(batch, text, n);
    r->fingerprint = id->fingerprint;
    r->collate = id->known;
    r->time_ms = p->remember_as ? p->remember_as : time_ms;
    r->hash = id->hash;
    batch->count++;
}

static void note_time(struct sc_poller *p, const struct sc_cut_value *value, int64_t ms)
{
    if (p->remember_as > p->page->newest_ms && p->remember_as)
        p->page->newest_ms = p->remember_as;
    if (ms != SC_TIME_NONE && ms > sc_source_now(p->inst->source) + (p->type->time_format == SC_TIME_DATE ? SC_FUTURE_DATE_MS : SC_FUTURE_MS)) {
        p->pace.future++;
        p->pace.future_newest = ms > p->pace.future_newest ? ms : p->pace.future_newest;
    }
    if (ms == SC_TIME_NONE || ms > sc_source_now(p->inst->source)) /* dated in the future: published, not used for the position */
        return;
    if (ms > p->page->newest_ms && !p->remember_as) /* how far a fall-back by time must reach to read it again */
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

int sc_record_keep_letter(struct sc_poller *p, struct sc_dead_letter *letter, struct sc_str id, struct sc_refusal refusal, struct sc_error *err)
{
    char name[220], file[300];
    bool known = false;
    struct sc_log_cx cx = sc_poller_cx(p);
    dead_name(p, id.ptr, id.len, name, sizeof name);
    SC_TRACE(p, "decision", NULL, "dead letter: %s %.*s (%llu bytes) %s", refusal.what, (int)id.len, id.ptr, (unsigned long long)refusal.bytes, refusal.why);
    if (sc_is_dry(p)) {
        p->errand->letters++;
        sc_dead_letter_drop(letter);
        return 0;
    }
    if (sc_dead_letter_keep(letter, name, file, &known, err))
        return -1;
    p->walk_dead += !known;
    if (!known && refusal.reason != SC_REASON_PASSED_OVER)
        sc_odd_refused(p, refusal.reason, id, refusal.why);
    if (!known)
        sc_show_dead_letter(p);
    SC_AUTO_FREE char *line = sc_printf("%s: %s %.*s (%llu bytes) %s; kept as %s/%s", sc_reason_code(refusal.reason), refusal.what, (int)id.len, id.ptr,
                                        (unsigned long long)refusal.bytes, refusal.why, p->inst->io->config.settings->dead_letter_dir, file);
    if (known) /* read again, refused again */
        SC_LOG(SC_WARN, &cx, NULL, "%s", line ? line : file);
    else
        SC_LOG_EACH(SC_WARN, &cx, NULL, "%s", line ? line : file);
    return 0;
}

static int count_twin(struct sc_poller *p, const struct sc_record_id *id)
{
    if (!id->twin || sc_twins_add(&p->twins, id->twin) == 0)
        return 0;
    return sc_fail(&p->cut_error, SC_REASON_MEMORY_LIMIT, "out of memory for the identities of a page");
}

/* A record that cannot be published: to a file, then it counts as done. */
static int refuse_record(struct sc_poller *p, const struct sc_cut_record *record, const struct sc_record_name *name)
{
    struct sc_record_id id = {0};
    struct sc_str bytes = {0};
    char why[160] = "is larger than a message may be";
    enum sc_reason reason = p->dead ? SC_REASON_RECORD_TOO_LARGE : SC_REASON_RECORD_INVALID;
    if (!p->dead) {
        if (record->bad_utf8)
            snprintf(why, sizeof why, "is not UTF-8 at byte %llu", (unsigned long long)record->bad_at);
        else
            snprintf(why, sizeof why, record->too_deep ? "is nested too deep" : "has no %s", p->type->id[0] ? p->type->id[0] : "id");
    }
    if (p->batch && !p->dead)
        bytes = (struct sc_str){p->batch->bytes + p->record_at, p->batch->used - p->record_at};
    if (!sc_record_identify(p, name, bytes, &id) && bytes.ptr) {
        unsigned char hash[16];
        sc_content_hash(bytes.ptr, bytes.len, hash);
        memcpy(id.text, "c:", 2);
        sc_hex(hash, 16, id.text + 2);
        id.len = 34;
    } else if (!id.len) {
        id.len = (size_t)snprintf(id.text, sizeof id.text, "page-%llu-record-%llu", (unsigned long long)p->page->number, (unsigned long long)p->page_records);
    }
    if ((!p->dead && begin_dead(p)) || count_twin(p, &id))
        return -1;
    struct sc_dead_letter *letter = p->dead;
    p->dead = NULL;
    return sc_record_keep_letter(p, letter, (struct sc_str){id.text, id.len}, (struct sc_refusal){reason, "record", why, record->bytes}, &p->cut_error);
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
    p->counts.read++;
}

static int publish_record(struct sc_poller *p, struct sc_record_id *id, const struct sc_cut_value *time)
{
    int64_t time_ms = record_time(p, time);
    if (sc_record_take_in(p, id))
        return -1;
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

/* Read, and none of the window. */
static void leave_out(struct sc_poller *p, const struct sc_cut_value *time)
{
    page_mix(p, sc_hash32(p->batch->bytes + p->record_at, p->batch->used - p->record_at));
    p->batch->used = p->record_at;
    note_time(p, time, record_time(p, time));
}

static int on_end(void *arg, const struct sc_cut_record *record)
{
    static const struct sc_cut_value none = {.kind = SC_CUT_ABSENT};
    struct sc_poller *p = arg;
    struct sc_record_name name = sc_record_name(p, record);
    struct sc_record_id id = {.known = SC_SEEN_NONE};
    const struct sc_cut_value *time = p->time_at < SC_CUT_FIELDS ? &record->fields[p->time_at] : &none;
    if (!p->dead) {
        int rc = make_room(p, 0);
        if (rc)
            return paused(p, rc);
    }
    if (p->dead || record->bad_utf8 || record->too_deep || name.by == SC_NAME_NONE) {
        if (refuse_record(p, record, &name))
            return -1;
        count_record(p, record->bytes);
        return 0;
    }
    if (p->type->shape == SC_SHAPE_SNAPSHOT)
        sc_record_version(p);
    if (p->past.to_ms && sc_backfill_leaves_out(p, record_time(p, time))) {
        leave_out(p, time);
        count_record(p, record->bytes);
        return 0;
    }
    bool known = sc_whole_knows(p, record, record_time(p, time)), fresh = sc_record_is_new(p, &name, &id) && !known;
    if (fresh && !p->anchored) { /* nothing of a walk is published before its anchor stands */
        sc_save_anchor(p);
        return paused(p, SC_CUT_PAUSE);
    }
    if (id.waits)
        return paused(p, SC_CUT_PAUSE);
    if (count_twin(p, &id))
        return -1;
    page_mix(p, id.hash);
    if (sc_is_dry(p))
        sc_dry_record(p, record_time(p, time), fresh);
    if (!fresh) {
        if (p->past.to_ms)
            p->errand->backfill->known++;
        p->counts.recognised++;
        p->batch->used = p->record_at;
        note_time(p, time, record_time(p, time));
    } else if (publish_record(p, &id, time)) {
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
