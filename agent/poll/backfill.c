#include "poll/backfill.h"

#include <stdio.h>
#include <stdlib.h>

#define TELL_MS   3600000
#define LOOK_MS   60000
#define RETRY_MS  900000
#define NAME      ".=backfill"

static const char *const state_names[] = {"open", "done", "stopped"};

const char *sc_backfill_state_name(enum sc_backfill_state state)
{
    return state_names[state];
}

bool sc_backfill_parse_state(const char *text, enum sc_backfill_state *ret)
{
    for (int i = 0; text && i < 3; i++) {
        if (strcmp(text, state_names[i]) == 0) {
            *ret = (enum sc_backfill_state)i;
            return true;
        }
    }
    return false;
}

bool sc_is_backfill(const struct sc_poller *p)
{
    return p->errand && p->errand->kind == SC_ERRAND_BACKFILL;
}

bool sc_backfill_is_open(const struct sc_poller *live)
{
    return live->backfill != NULL;
}

/* ---- its birth ---------------------------------------------------------------------------------------------------------------------------- */

struct sc_poller *sc_backfill_new(struct sc_poller *live, struct sc_window past)
{
    struct sc_instance *inst = live->inst;
    struct sc_poller *p = sc_poller_new(inst, live->index);
    struct sc_errand *e = p ? calloc(1, sizeof *e) : NULL;
    struct sc_backfill *b = e ? calloc(1, sizeof *b) : NULL;
    char *label = b ? sc_printf("%s/backfill", live->type->name) : NULL, *key = label ? sc_printf("%s" NAME, live->key) : NULL;
    if (!key) {
        free(label);
        free(b);
        free(e);
        sc_poller_free(p);
        return NULL;
    }
    *e = (struct sc_errand){.kind = SC_ERRAND_BACKFILL, .live = live, .backfill = b, .from_ms = SC_TIME_NONE, .next = inst->errands};
    p->errand = e;
    p->label = label;
    free(p->key);
    p->key = key;
    p->past = past;
    b->told_ms = inst->io->now;
    inst->errands = p;
    live->backfill = p;
    sc_poller_wake(p);
    return p;
}

void sc_backfill_forget(struct sc_poller *p)
{
    struct sc_errand *e = p->errand;
    if (e->live && e->live->backfill == p)
        e->live->backfill = NULL;
    free(e->backfill->late);
    free(e->backfill);
}

/* ---- what is stored of it ------------------------------------------------------------------------------------------------------------------ */

static int64_t time_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? sc_time_parse_rfc3339(sc_str_of(text)) : SC_TIME_NONE;
}

static uint64_t number_of(const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(object, name));
    return n > 0 ? (uint64_t)n : 0;
}

static bool read_facts(const json_t *object, struct sc_backfill *b, struct sc_window *past)
{
    *past = (struct sc_window){time_of(object, "from"), time_of(object, "to")};
    b->asked_ms = time_of(object, "asked");
    b->ended_ms = time_of(object, "ended");
    b->allow_doubles = json_is_true(json_object_get(object, "allow_doubles"));
    b->known = number_of(object, "known");
    b->left_out = number_of(object, "left_out");
    b->worked_ms = (int64_t)number_of(object, "worked_s") * 1000;
    return sc_backfill_parse_state(json_string_value(json_object_get(object, "state")), &b->state) && past->from_ms > 0 && past->to_ms > past->from_ms;
}

static int64_t worked_ms(const struct sc_poller *p)
{
    const struct sc_backfill *b = p->errand->backfill;
    bool walks = p->phase == SC_WALKING || p->phase == SC_CLOSING;
    return b->worked_ms + (walks ? p->inst->io->now - p->walk_began : 0);
}

static json_t *facts_of(const struct sc_poller *p)
{
    const struct sc_backfill *b = p->errand->backfill;
    char from[SC_TIME_TEXT], to[SC_TIME_TEXT], asked[SC_TIME_TEXT], ended[SC_TIME_TEXT];
    json_t *facts = json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I}", "state", sc_backfill_state_name(b->state), "from", sc_time_rfc3339(p->past.from_ms, from), "to",
                              sc_time_rfc3339(p->past.to_ms, to), "asked", sc_time_rfc3339(b->asked_ms, asked), "allow_doubles", b->allow_doubles, "known",
                              (json_int_t)b->known, "left_out", (json_int_t)b->left_out, "worked_s", (json_int_t)(worked_ms(p) / 1000));
    if (facts && b->state != SC_BACKFILL_OPEN)
        json_object_set_new(facts, "ended", json_string(sc_time_rfc3339(b->ended_ms, ended)));
    return facts;
}

void sc_backfill_note(struct sc_poller *p)
{
    json_t *facts = facts_of(p);
    if (!facts) /* no memory: what stood there before */
        return;
    json_decref(p->cp.backfill);
    p->cp.backfill = facts;
}

static void tell_unreadable(const struct sc_poller *live, const char *why)
{
    struct sc_log_cx cx = sc_poller_cx(live);
    SC_LOG(SC_ERROR, &cx, NULL, "checkpoint_invalid: that of its backfill (key %s" NAME ") cannot be read: %s; it is not gone on with, the live walk is not concerned; "
           "`signal-client checkpoint show %s` shows it, another backfill takes its place", live->key, why, live->inst->config->name);
}

void sc_backfill_found(struct sc_poller *live, const struct sc_recover *job)
{
    struct sc_checkpoint cp;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_backfill facts = {0};
    struct sc_window past;
    json_decref(live->backfill_past);
    live->backfill_past = NULL;
    if (live->backfill) {
        sc_poller_wake(live->backfill);
        return;
    }
    if (!job->beside.len)
        return;
    int rc = sc_checkpoint_parse(&cp, sc_buf_str(&job->beside), &err);
    if (rc || !read_facts(cp.backfill, &facts, &past)) {
        tell_unreadable(live, rc ? err.text : "it says nothing of a window");
    } else if (facts.state == SC_BACKFILL_OPEN || cp.seen_first != cp.seen_end) {
        struct sc_poller *p = sc_backfill_new(live, past);
        if (p) {
            *p->errand->backfill = facts;
            p->errand->backfill->told_ms = live->inst->io->now;
            p->errand->backfill->kept = facts.state != SC_BACKFILL_OPEN;
            p->errand->backfill->ended_mono = live->inst->io->now;
        }
    } else {
        live->backfill_past = json_incref(cp.backfill);
        json_object_set_new(live->backfill_past, "records", json_integer((json_int_t)cp.records));
    }
    sc_checkpoint_done(&cp);
}

static void give_up(struct sc_poller *p, const char *why)
{
    sc_backfill_answer(p, false, why);
    p->errand->over = true;
    sc_poller_wake(p);
}

void sc_backfill_unreadable(struct sc_poller *p, const char *why)
{
    tell_unreadable(p->errand->live, why);
    give_up(p, "its checkpoint cannot be read");
}

/* A stream that was made anew, or has lost more than can be proven, tells no live walk's story here. */
static void put_right(struct sc_poller *p, struct sc_recover *job)
{
    char from[SC_TIME_TEXT], to[SC_TIME_TEXT];
    bool begun;
    int64_t at = sc_checkpoint_covers(&job->cp, &begun);
    if (job->lost || job->foreign) {
        json_decref(job->cp.position);
        job->cp.position = json_pack("{s:s}", "since", sc_time_rfc3339(p->past.from_ms, from));
        job->gap_from[0] = '\0';
        if (!job->foreign)
            snprintf(job->note, sizeof job->note, "the stream lost messages and no earlier position can be proven: the window is read again from its beginning, what is in the stream is recognised");
    } else if (job->gap_from[0] && begun && at > p->past.from_ms) { /* what the old stream held of it */
        snprintf(job->gap_from, sizeof job->gap_from, "%s", sc_time_rfc3339(p->past.from_ms, from));
        snprintf(job->gap_to, sizeof job->gap_to, "%s", sc_time_rfc3339(at < p->past.to_ms ? at : p->past.to_ms, to));
    } else {
        job->gap_from[0] = '\0';
    }
}

bool sc_backfill_resumed(struct sc_poller *p, struct sc_recover *job)
{
    struct sc_backfill *b = p->errand->backfill, facts = {0};
    struct sc_window past;
    if (!job->exists) {
        give_up(p, "none is open");
        return false;
    }
    if (job->cp.backfill && read_facts(job->cp.backfill, &facts, &past)) {
        p->past = past;
        b->asked_ms = facts.asked_ms;
        b->ended_ms = facts.ended_ms;
        b->allow_doubles = facts.allow_doubles;
        b->known = facts.known;
        b->left_out = facts.left_out;
        b->worked_ms = facts.worked_ms;
        b->state = facts.state;
        b->kept = facts.state != SC_BACKFILL_OPEN;
    } else if (!p->past.from_ms) {
        give_up(p, "its checkpoint says nothing of a window");
        return false;
    }
    if (b->kept && b->stop) {
        give_up(p, "it has ended already");
        return false;
    }
    b->stop = b->stop || job->foreign; /* another source: what it would ask is not what it was meant for */
    put_right(p, job);
    return true;
}

/* ---- where the live walk stands -------------------------------------------------------------------------------------------------------------- */

static int64_t limit_by(const struct sc_poller *live, const struct sc_checkpoint *cp)
{
    bool begun;
    int64_t ms = sc_checkpoint_covers(cp, &begun);
    return ms != SC_TIME_NONE && begun ? ms - (int64_t)live->type->overlap_s * 1000 : ms;
}

int64_t sc_backfill_limit(const struct sc_poller *live, bool for_good)
{
    int64_t limit = live->loaded ? limit_by(live, &live->cp) : SC_TIME_NONE;
    for (uint32_t i = 0; for_good && limit != SC_TIME_NONE && i < live->cp.trail_count; i++) { /* a stream that loses its tail leads back to these */
        const struct sc_checkpoint at = {.position = live->cp.trail[i].position, .walk = live->cp.trail[i].walk};
        int64_t earlier = limit_by(live, &at);
        limit = earlier < limit ? earlier : limit;
    }
    return limit;
}

static bool is_behind(const struct sc_poller *p)
{
    int64_t limit = sc_backfill_limit(p->errand->live, false);
    return limit != SC_TIME_NONE && p->past.to_ms <= limit;
}

bool sc_backfill_may_run(const struct sc_poller *p)
{
    const struct sc_backfill *b = p->errand->backfill;
    const struct sc_poller *live = p->errand->live;
    if (p->retired || b->beginning)
        return !p->retired;
    if (b->stop)
        return p->phase != SC_WALKING;
    if (b->kept)
        return true;
    bool walks = p->phase == SC_WALKING, only_on_request = p->inst->io->config.on_request;
    return sc_poller_is_enabled(live) && !live->edit && is_behind(p) && !(walks && only_on_request);
}

bool sc_backfill_waits_loaded(const struct sc_poller *p)
{
    enum sc_class cls = sc_reason_class(p->hold.reason);
    return sc_is_backfill(p) && (cls == SC_CLASS_RETRY || cls == SC_CLASS_AUTH || cls == SC_CLASS_CONFIG || cls == SC_CLASS_THROTTLED);
}

bool sc_backfill_keeps_live(const struct sc_poller *live)
{
    const struct sc_poller *p = live->backfill;
    if (!p || p->loaded || p->errand->over || p->errand->backfill->beginning)
        return false;
    bool fails = p->facts.reason == SC_REASON_CHECKPOINT_INVALID || p->facts.reason == SC_REASON_MEMORY_LIMIT;
    return !fails && (p->errand->backfill->kept || is_behind(p));
}

/* ---- the other walk's identities ------------------------------------------------------------------------------------------------------------ */

/* A backfill that is being loaded again goes on to tell what it knew: a live walk that is under way does not wait for it. */
struct sc_poller *sc_beside(const struct sc_poller *p)
{
    struct sc_poller *other = sc_is_backfill(p) ? p->errand->live : p->errand ? NULL : p->backfill;
    bool knew = other && other->errand && other->generation == p->generation && !other->errand->over && !other->errand->backfill->beginning;
    return other && (other->loaded || knew) ? other : NULL;
}

uint64_t sc_beside_find(const struct sc_poller *p, uint64_t fingerprint, const struct sc_seen **ret_set)
{
    const struct sc_poller *other = sc_beside(p);
    if (!other)
        return SC_SEEN_NONE;
    *ret_set = &other->seen;
    return sc_seen_find(&other->seen, fingerprint);
}

/* While it is being loaded, the read-back may have passed the place already. */
static void keep_late(struct sc_backfill *b, const struct sc_record *r)
{
    if (b->late_count == b->late_cap) {
        uint32_t cap = b->late_cap ? b->late_cap * 2 : 64;
        struct sc_found *grown = realloc(b->late, cap * sizeof *grown);
        if (!grown)
            return;
        b->late = grown;
        b->late_cap = cap;
    }
    b->late[b->late_count++] = (struct sc_found){r->fingerprint, r->seq};
}

void sc_beside_stored(struct sc_poller *p, const struct sc_record *r)
{
    struct sc_poller *other = p->errand ? NULL : p->backfill;
    if (!other || (r->time_ms != SC_TIME_NONE && r->time_ms >= other->past.to_ms))
        return;
    if (other->loaded)
        sc_seen_found(&other->seen, r->fingerprint, r->seq, r->time_ms);
    else
        keep_late(other->errand->backfill, r);
}

/* It has left its poller's hands, and is stored all the same. */
void sc_beside_late(struct sc_poller *p, const struct sc_batch *batch)
{
    for (uint32_t i = 0; i < batch->count && batch->stamp == &p->stamp && p->type->shape == SC_SHAPE_LOG; i++) {
        const struct sc_record *r = &batch->records[i];
        if (r->outcome != SC_RECORD_STORED && r->outcome != SC_RECORD_FOUND)
            continue;
        if (sc_is_backfill(p))
            sc_seen_stored(&p->seen, r->collate, r->seq, r->time_ms);
        sc_beside_stored(p, r);
    }
}

/* Its segments hold messages of the live walk: a tail that is lost with one of these has to be noticed here too. */
void sc_beside_proof(struct sc_poller *live)
{
    struct sc_poller *p = live->errand ? NULL : live->backfill;
    if (!p || !p->loaded || !live->loaded || live->generation != p->generation || live->cp.proof_seq <= p->cp.proof_seq)
        return;
    char *id = sc_dup(live->cp.proof_msg_id);
    if (!id)
        return;
    free(p->cp.proof_msg_id);
    p->cp.proof_msg_id = id;
    p->cp.proof_seq = live->cp.proof_seq;
}

/* What the live walk has handed over and not heard of may lie below what is known of the stream. */
uint64_t sc_backfill_floor(const struct sc_poller *p, uint64_t floor)
{
    const struct sc_poller *live = p->errand->live;
    uint64_t open = !live->loaded ? p->cp.floor.page : live->page_count ? live->pages[live->page_head].floor : floor;
    return open < floor ? open : floor;
}

void sc_backfill_taken_in(struct sc_poller *p)
{
    struct sc_backfill *b = p->errand->backfill;
    for (uint32_t i = 0; i < b->late_count; i++)
        sc_seen_found(&p->seen, b->late[i].fingerprint, b->late[i].seq, SC_TIME_NONE);
    b->late_count = 0;
    sc_beside_proof(p->errand->live);
    sc_poller_unpause(p->errand->live);
    sc_poller_wake(p->errand->live);
}

bool sc_backfill_leaves_out(struct sc_poller *p, int64_t time_ms)
{
    bool out = p->type->history && p->type->history->past == SC_PAST_TIME && time_ms != SC_TIME_NONE &&
               (time_ms < p->past.from_ms || time_ms >= p->past.to_ms);
    if (out)
        p->errand->backfill->left_out++;
    return out;
}

/* ---- progress --------------------------------------------------------------------------------------------------------------------------------- */

/* In thousandths; -1: nothing says it. */
static int progress(const struct sc_poller *p)
{
    bool begun;
    int64_t at = p->loaded ? sc_checkpoint_covers(&p->cp, &begun) : SC_TIME_NONE;
    if (p->errand->backfill->state == SC_BACKFILL_DONE)
        return 1000;
    if (at == SC_TIME_NONE)
        return -1;
    at = at > p->past.to_ms ? p->past.to_ms : at < p->past.from_ms ? p->past.from_ms : at;
    return (int)((at - p->past.from_ms) * 1000 / (p->past.to_ms - p->past.from_ms));
}

static int64_t left_ms(const struct sc_poller *p)
{
    int done = progress(p);
    int64_t worked = worked_ms(p);
    return done > 0 && worked > 0 ? worked * (1000 - done) / done : -1;
}

void sc_backfill_words(const struct sc_poller *p, struct sc_buf *out)
{
    const struct sc_backfill *b = p->errand->backfill;
    char text[SC_TIME_TEXT];
    int done = progress(p);
    int64_t left = left_ms(p);
    bool begun;
    int64_t at = sc_checkpoint_covers(&p->cp, &begun);
    if (b->state != SC_BACKFILL_OPEN)
        sc_buf_addf(out, "%s, %llu %s published", sc_backfill_state_name(b->state), (unsigned long long)p->cp.records, p->type->noun);
    else if (done < 0)
        sc_buf_addf(out, "%llu %s published", (unsigned long long)p->cp.records, p->type->noun);
    else
        sc_buf_addf(out, "%d %% (%llu %s published)", done / 10, (unsigned long long)p->cp.records, p->type->noun);
    if (b->known)
        sc_buf_addf(out, ", %llu were in the stream already", (unsigned long long)b->known);
    if (b->left_out)
        sc_buf_addf(out, ", %llu outside of the window left out", (unsigned long long)b->left_out);
    if (p->seen.overflowed)
        sc_buf_addf(out, ", more identities than poll.max_identities: what the vendor adds late may come twice");
    if (b->state != SC_BACKFILL_OPEN)
        return;
    if (left >= 0)
        sc_buf_addf(out, ", about %s left", sc_duration_text(left, text));
    if (at != SC_TIME_NONE)
        sc_buf_addf(out, "; stopped or killed, it goes on at %s", sc_time_rfc3339(at, text));
}

static void tell(struct sc_poller *p)
{
    SC_AUTO_BUF struct sc_buf text = {0};
    struct sc_log_cx cx = sc_poller_cx(p);
    sc_backfill_words(p, &text);
    p->errand->backfill->told_ms = p->inst->io->now;
    SC_LOG_EACH(SC_INFO, &cx, NULL, "backfill: %s", text.ptr ? text.ptr : "");
}

static void add_text(struct sc_buf *out, const char *name, const char *text)
{
    sc_buf_addf(out, ",\"%s\":", name);
    sc_buf_add_json(out, sc_str_of(text));
}

static void add_present(const struct sc_poller *p, struct sc_buf *out)
{
    const struct sc_status_facts *f = &p->facts;
    SC_AUTO_BUF struct sc_buf words = {0};
    char text[SC_TIME_TEXT];
    sc_backfill_words(p, &words);
    sc_buf_addf(out, ",\"records\":%llu", (unsigned long long)p->cp.records);
    if (progress(p) >= 0)
        sc_buf_addf(out, ",\"percent\":%d", progress(p) / 10);
    if (left_ms(p) >= 0)
        sc_buf_addf(out, ",\"left_seconds\":%lld", (long long)(left_ms(p) / 1000));
    add_text(out, "text", words.ptr ? words.ptr : "");
    add_text(out, "reason", sc_reason_code(f->reason));
    add_text(out, "detail", f->detail);
    add_text(out, "advice", f->advice);
    if (f->until_real > 0)
        add_text(out, "until", sc_time_rfc3339(f->until_real, text));
}

void sc_backfill_status(const struct sc_poller *live, struct sc_buf *out)
{
    const struct sc_poller *p = live->backfill;
    if (p && p->errand->backfill->beginning)
        p = NULL;
    json_t *facts = p ? facts_of(p) : live->backfill_past ? json_incref(live->backfill_past) : NULL;
    char *text = facts ? json_dumps(facts, JSON_COMPACT) : NULL;
    json_decref(facts);
    if (text) {
        text[strlen(text) - 1] = '\0';
        sc_buf_addf(out, ",\"backfill\":%s", text);
        if (p)
            add_present(p, out);
        sc_buf_add_char(out, '}');
    }
    free(text);
}

/* ---- its life ---------------------------------------------------------------------------------------------------------------------------------- */

static void end(struct sc_poller *p, enum sc_backfill_state state)
{
    struct sc_backfill *b = p->errand->backfill;
    b->state = state;
    b->stop = false;
    b->kept = true;
    b->ended_ms = sc_real_ms();
    b->ended_mono = p->inst->io->now;
    p->dirty = true;
    p->loose = false;
    tell(p);
    sc_backfill_answer(p, true, NULL);
    sc_status_touch(p->inst, true);
    sc_poller_wake(p);
}

/* What a record counts as known was found in the own set, or that of the live walk. */
void sc_backfill_walked(struct sc_poller *p)
{
    struct sc_backfill *b = p->errand->backfill;
    struct sc_io *io = p->inst->io;
    const char *now = json_string_value(json_object_get(p->cp.position, "time"));
    bool further = now && strcmp(now, b->reached) != 0;
    b->worked_ms += io->now - p->walk_began;
    snprintf(b->reached, sizeof b->reached, "%s", now ? now : "");
    b->failures = !p->walk_failed || further ? 0 : b->failures + 1;
    p->due_ms = io->now + (b->failures ? RETRY_MS : 1000);
    if (!p->walk_failed && p->finish && p->walk_whole && json_array_size(p->cp.gaps) == 0)
        end(p, SC_BACKFILL_DONE);
}

void sc_backfill_live_walked(struct sc_poller *live, int64_t began_ms)
{
    struct sc_poller *p = live->backfill;
    if (!p || !p->errand->backfill->kept || began_ms < p->errand->backfill->ended_mono)
        return;
    p->errand->backfill->past_use = true;
    sc_poller_wake(p);
}

/* Ended, and no live walk can meet what it has published any more: its identities go, then their segments; what it was stays in the bucket. */
static void tidy_up(struct sc_poller *p)
{
    struct sc_backfill *b = p->errand->backfill;
    if (!b->emptied) {
        b->purge_first = sc_seen_first(&p->seen);
        b->purge_end = sc_seen_end(&p->seen);
        sc_seen_done(&p->seen);
        p->seen.first = b->purge_end;
        b->emptied = p->dirty = true;
        sc_save_step(p);
        return;
    }
    if (!sc_save_settled(p)) {
        sc_save_step(p);
        return;
    }
    if (b->purge_first != b->purge_end) {
        sc_save_purge_segments(p, b->purge_first, b->purge_end);
        b->purge_first = b->purge_end;
        return;
    }
    if (p->out)
        return;
    struct sc_poller *live = p->errand->live;
    json_decref(live->backfill_past);
    live->backfill_past = facts_of(p);
    if (live->backfill_past)
        json_object_set_new(live->backfill_past, "records", json_integer((json_int_t)p->cp.records));
    p->errand->over = true;
    sc_poller_phase(p, SC_OFF);
    sc_poller_wake(p);
}

static bool step_kept(struct sc_poller *p)
{
    if (p->phase != SC_IDLE)
        return false;
    if (p->errand->backfill->past_use)
        tidy_up(p);
    else
        sc_save_step(p);
    return true;
}

static void say_why_not(struct sc_poller *p)
{
    const struct sc_poller *live = p->errand->live;
    const char *why = !sc_poller_is_enabled(live) ? "waits: the data type is disabled"
                      : live->edit                ? "waits: the position of the live walk is being written"
                      : !live->loaded             ? "waits for the live walk to know where it stands"
                                                  : "waits: the live walk has gone back into the window, and comes first";
    sc_poller_say(p, SC_REASON_STARTING, SC_TIME_NONE, why, NULL);
    sc_heap_set(&p->inst->io->heap, &p->timer, p->inst->io->now + 1000);
}

static void begin(struct sc_poller *p)
{
    struct sc_backfill *b = p->errand->backfill;
    if (p->inst->io->broker.state != SC_BROKER_READY || p->out || b->reading)
        return;
    b->reading = sc_backfill_read(p) == 0;
}

bool sc_backfill_step(struct sc_poller *p)
{
    struct sc_backfill *b = p->errand->backfill;
    struct sc_io *io = p->inst->io;
    bool goes = p->retired || io->stopping;
    if (p->errand->over || (goes && p->phase == SC_OFF && !p->out)) {
        sc_backfill_answer(p, false, io->stopping ? "the agent stops" : "the integration was removed or moved");
        p->errand->over = true;
        return true;
    }
    if (p->phase == SC_OFF && b->beginning) {
        begin(p);
        return true;
    }
    if (p->phase == SC_OFF && !goes && !sc_backfill_may_run(p)) {
        say_why_not(p);
        return true;
    }
    if (b->kept && p->loaded && !goes)
        return step_kept(p);
    if (b->stop && p->phase == SC_IDLE && p->loaded) {
        end(p, SC_BACKFILL_STOPPED);
        return true;
    }
    if (p->phase == SC_IDLE && io->config.on_request && !goes)
        return true;
    if (io->now - b->told_ms >= TELL_MS)
        tell(p);
    return false;
}

/* ---- behind the live walks -------------------------------------------------------------------------------------------------------------------- */

/* A live walk of the source would ask now, or is about to within this time. */
static bool live_wants(const struct sc_poller *p, int64_t within_ms, int64_t *ret_due)
{
    const struct sc_io *io = p->inst->io;
    for (const struct sc_instance *i = io->instances; i; i = i->next) {
        for (unsigned k = 0; i->source == p->inst->source && k < i->poller_count; k++) {
            const struct sc_poller *q = i->pollers[k];
            bool asks = q->phase == SC_WALKING && q->over_budget, due = q->phase == SC_IDLE && q->loaded && q->due_ms <= io->now + within_ms;
            if (asks || (due && sc_poller_should_run(q))) {
                *ret_due = asks ? io->now : q->due_ms;
                return true;
            }
        }
    }
    return false;
}

static bool another_asks(const struct sc_poller *p)
{
    for (const struct sc_instance *i = p->inst->io->instances; i; i = i->next) {
        for (const struct sc_poller *q = i->source == p->inst->source ? i->errands : NULL; q; q = q->errand->next) {
            if (q != p && sc_is_backfill(q) && q->transfer)
                return true;
        }
    }
    return false;
}

int64_t sc_backfill_when(struct sc_poller *p, const struct sc_request *rq)
{
    int64_t now = p->inst->io->now, when = now, due, within = 0;
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && rq->pools[i]; i++) {
        const struct sc_budget *b = sc_budget_of(p, rq->pools[i]);
        int64_t t = b ? sc_budget_when_spare(b, now) : now + 1000;
        when = t > when ? t : when;
        if (b && b->log_size == 1 && (int64_t)b->window_ms > within) /* there is no half of one */
            within = b->window_ms;
    }
    if (another_asks(p))
        return INT64_MAX;
    if (live_wants(p, within, &due))
        return due > now && due + 1 > when ? due + 1 : INT64_MAX;
    return when;
}
