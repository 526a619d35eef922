/* Learning where a data type stands: the job for the reader's thread (recover.h) goes out, what it found is taken in. io thread of the poller. */
#include "poll/backfill.h"

#include <stdio.h>

static struct sc_recover *new_job(struct sc_poller *p, enum sc_recover_kind kind)
{
    struct sc_io *io = p->inst->io;
    struct sc_recover *r = sc_recover_new(kind);
    if (!r)
        return NULL;
    r->job.mail.kind = SC_MAIL_POLL;
    r->job.home = &io->box;
    r->owner = p;
    r->generation = io->broker.generation;
    r->facts = io->broker;
    r->key = sc_dup(p->key);
    r->connector = sc_dup(p->inst->config->connector->name);
    r->source = sc_dup(p->inst->config->source);
    r->recipe = p->type->recipe;
    r->prefix = sc_dup(p->prefix);
    r->subject = sc_dup(io->config.settings->nats_subject);
    r->snapshot = p->type->shape == SC_SHAPE_SNAPSHOT;
    r->spares_unmet = sc_is_backfill(p);
    r->keeps_seen = p->type->overlap_s > 0 || sc_is_backfill(p);
    r->published_ever = p->cp.records + (sc_is_backfill(p) ? p->errand->live->cp.records : 0);
    r->keeps_whole = p->type->whole;
    r->max_identities = (uint64_t)io->config.settings->poll_max_identities;
    r->places = p->type->history ? p->type->history->places : NULL;
    memcpy(r->fingerprint_key, p->fingerprint_key, sizeof r->fingerprint_key);
    if (r->key && r->connector && r->source && r->prefix && r->subject)
        return r;
    return sc_recover_free(r);
}

static void post(struct sc_poller *p, struct sc_recover *job)
{
    if (!p->errand && p->type->history && p->type->history->past != SC_PAST_NONE) /* without memory it is found with the next start */
        job->beside_key = sc_printf("%s.=backfill", p->key);
    p->job = job;
    p->out++;
    p->generation = p->inst->io->broker.generation;
    sc_poller_phase(p, SC_LOADING);
    sc_heap_set(&p->inst->io->heap, &p->timer, p->inst->io->now + 10000);
    sc_reader_post(p->inst->io->config.reader, &job->job);
}

void sc_poller_load(struct sc_poller *p)
{
    struct sc_recover *job = new_job(p, SC_RECOVER_LOAD);
    if (job)
        post(p, job);
    else
        sc_heap_set(&p->inst->io->heap, &p->timer, p->inst->io->now + 1000);
}

int sc_poller_load_elsewhere(struct sc_poller *p, struct sc_relocate *relocate)
{
    struct sc_recover *job = relocate->position ? new_job(p, SC_RECOVER_LOAD) : NULL;
    if (!job) {
        json_decref(relocate->position);
        return -1;
    }
    job->relocate = *relocate;
    post(p, job);
    return 0;
}

/* Before a fall-back by time: what the stream holds from the lowest place that this data type may go back to. */
void sc_poller_read_back(struct sc_poller *p)
{
    struct sc_recover *job = p->type->overlap_s && !p->job && !sc_is_dry(p) ? new_job(p, SC_RECOVER_READBACK) : NULL;
    if (!job)
        return;
    job->from_seq = p->cp.floor.walk;
    p->job = job;
    p->out++;
    p->reading_back = true;
    sc_reader_post(p->inst->io->config.reader, &job->job);
}

json_t *sc_gap_new(const struct sc_poller *p, const char *from, const char *to, const char *reason, bool certain)
{
    return json_pack("{s:s, s:s, s:n, s:s, s:s, s:s, s:b}", "integration", p->inst->config->name, "data_type", p->type->name, "partition", "from",
                     from, "to", to, "reason", reason, "certain", certain);
}

void sc_poller_add_gap(struct sc_poller *p, const char *from, const char *to, const char *reason, bool certain)
{
    SC_TRACE(p, "decision", NULL, "a gap from %s to %s, %s", from, to, reason);
    if (sc_is_dry(p)) {
        p->errand->gaps++;
        return;
    }
    if (!p->cp.gaps)
        p->cp.gaps = json_array();
    if (!p->cp.gaps || json_array_size(p->cp.gaps) >= SC_GAPS_MAX)
        return;
    json_array_append_new(p->cp.gaps, sc_gap_new(p, from, to, reason, certain));
    p->dirty = true;
    p->anchored = false; /* it is saved before it is published */
}

static void restore_waits(struct sc_poller *p)
{
    const char *pool;
    json_t *value;
    int64_t now_real = sc_real_ms();
    json_object_foreach (p->cp.waits, pool, value) {
        struct sc_budget *b = sc_budget_of(p, pool);
        int64_t until = sc_time_parse_rfc3339(sc_str_of(json_string_value(value)));
        if (b && until != SC_TIME_NONE && until > now_real && until - now_real <= 86400000)
            sc_budget_wait(b, p->inst->io->now + (until - now_real), until);
    }
}

static void adopt(struct sc_poller *p, struct sc_recover *job)
{
    sc_checkpoint_done(&p->cp);
    p->cp = job->cp;
    sc_checkpoint_init(&job->cp);
    sc_seen_done(&p->seen);
    p->seen = job->seen;
    job->seen = (struct sc_seen){0};
    sc_seen_done(&p->whole);
    p->whole = job->whole;
    job->whole = (struct sc_seen){0};
    p->whole_purged = p->save_whole_first = sc_seen_first(&p->whole);
    sc_map_done(&p->map);
    p->map = job->map;
    job->map = (struct sc_map){0};
    memcpy(p->fingerprint_key, job->fingerprint_key, sizeof p->fingerprint_key);
    p->rev = job->rev;
    bool begun = json_object_size(p->cp.position) || p->cp.walk; /* one that was put back to the beginning is as none */
    p->exists = job->exists && !job->lost && !job->foreign && begun;
    p->never = !job->exists || !begun;
    p->disk_open = job->exists && job->cp.open;
    free(p->cp.connector);
    p->cp.connector = sc_dup(job->connector);
    free(p->cp.source);
    p->cp.source = sc_dup(job->source);
    p->cp.recipe = job->recipe;
    p->bounded = p->inst->io->broker.retention != SC_RETENTION_LIMITS || job->by_get; /* what was consumed cannot be read back */
    p->floor_gone = job->floor_gone;
    p->loose = p->cp.open; /* what the read-back found may lie beyond the position until a walk has passed it */
    p->loose_floor = p->cp.floor.page;
    p->seen.spares_unmet = p->loose || sc_is_backfill(p);
    p->disk_open = p->exists && job->was_open;
    p->disk_walk = p->exists && p->cp.walk;
    p->covered_ms = sc_poller_position_time(p);
    p->seen.passed_ms = p->covered_ms == SC_TIME_NONE ? SC_TIME_NONE : p->covered_ms - (int64_t)p->type->overlap_s * 1000;
    p->mark_count = 0;
    p->marks[p->mark_count++] = (struct sc_floor_mark){p->covered_ms, p->cp.floor.walk};
    p->unsaved_acks = 0;
    p->dirty = job->rewound || job->lost || job->foreign || job->gap_seen;
}

static void tell_loaded(struct sc_poller *p, const struct sc_recover *job)
{
    struct sc_log_cx cx = sc_poller_cx(p);
    char fields[160];
    if (job->note[0])
        SC_LOG(SC_WARN, &cx, NULL, "%s", job->note);
    if (job->floor_gone)
        SC_LOG(SC_WARN, &cx, NULL,
               "the stream has discarded messages that the open page may need for the read-back (its first is beyond %llu): identities in bucket SEEN are "
               "used instead, records of that page may come twice; give the stream more room",
               (unsigned long long)p->cp.floor.page);
    if (!job->exists) {
        SC_LOG(SC_INFO, &cx, NULL, "no checkpoint: begins by the lookback");
        return;
    }
    snprintf(fields, sizeof fields, "read_back=%llu found=%llu ms=%lld", (unsigned long long)job->read_messages,
             (unsigned long long)job->read_ours, (long long)job->read_ms);
    const char *time = json_string_value(json_object_get(p->cp.position, "time"));
    SC_LOG(SC_INFO, &cx, p->cp.open ? fields : NULL, "goes on from %s%s", time ? time : "its position", p->cp.open ? ", in the middle of a walk" : "");
}

static void load_failed(struct sc_poller *p, const struct sc_recover *job)
{
    sc_poller_phase(p, SC_OFF);
    p->loaded = false;
    if (sc_is_backfill(p) && job->job.error.reason == SC_REASON_CHECKPOINT_INVALID)
        sc_backfill_unreadable(p, job->job.error.text);
    else
        sc_poller_fail(p, job->job.error.reason, SC_TIME_NONE, NULL, job->job.error.text, NULL);
}

static void taken_in(struct sc_poller *p, const struct sc_recover *job)
{
    for (size_t i = 0; i < job->found_count; i++)
        sc_seen_found(&p->seen, job->found[i].fingerprint, job->found[i].seq, SC_TIME_NONE);
}

/* It is saved as it is now, before anything else. */
static void loaded_elsewhere(struct sc_poller *p, struct sc_recover *job)
{
    if (!(p->errand ? sc_backfill_loaded(p, job) : sc_edit_loaded(p, job))) {
        sc_poller_phase(p, SC_OFF);
        return;
    }
    adopt(p, job);
    if (p->errand)
        sc_backfill_taken_in(p);
    p->loaded = p->dirty = true;
    if (p->cp.proof_seq)
        sc_publisher_prove(p->inst->io->config.publisher, p->generation, p->cp.proof_seq, p->cp.proof_msg_id);
    if (job->gap_from[0])
        sc_poller_add_gap(p, job->gap_from, job->gap_to, job->gap_reason, job->gap_certain);
    p->hold = (struct sc_hold){0};
    sc_poller_phase(p, SC_IDLE);
}

void sc_poller_loaded(struct sc_poller *p, struct sc_recover *job)
{
    struct sc_io *io = p->inst->io;
    bool current = p->job == job && job->generation == io->broker.generation && !job->job.cancelled && !p->retired;
    p->out--;
    if (p->job == job)
        p->job = NULL;
    if (job->kind == SC_RECOVER_READBACK) {
        p->reading_back = false;
        if (current && job->job.error.reason == SC_REASON_OK)
            taken_in(p, job);
        else if (current) { /* again: without it a fall-back could double */
            p->want_readback = true;
            p->hold = (struct sc_hold){io->now + 1000, sc_real_ms() + 1000, SC_REASON_BROKER_UNAVAILABLE};
        }
    } else if (current && job->relocate.wanted) {
        loaded_elsewhere(p, job);
    } else if (current && job->job.error.reason) {
        load_failed(p, job);
    } else if (current && sc_is_backfill(p) && !sc_backfill_resumed(p, job)) {
        sc_poller_phase(p, SC_OFF);
    } else if (current) {
        adopt(p, job);
        p->loaded = true;
        if (p->cp.proof_seq)
            sc_publisher_prove(io->config.publisher, p->generation, p->cp.proof_seq, p->cp.proof_msg_id);
        tell_loaded(p, job);
        if (job->gap_from[0])
            sc_poller_add_gap(p, job->gap_from, job->gap_to, job->gap_reason, job->gap_certain);
        restore_waits(p);
        sc_worked_loaded(p);
        if (sc_is_backfill(p))
            sc_backfill_taken_in(p);
        else
            sc_backfill_found(p, job);
        if (!sc_backfill_waits_loaded(p))
            p->hold = (struct sc_hold){0};
        p->due_ms = io->now + (int64_t)(sc_io_random(io) % 50);
        sc_poller_phase(p, SC_IDLE);
    } else if (p->phase == SC_LOADING) {
        sc_poller_phase(p, SC_OFF);
    }
    sc_recover_free(job);
    sc_poller_wake(p);
    for (struct sc_poller *e = p->attended ? p->inst->errands : NULL; e; e = e->errand->next)
        sc_poller_wake(e);
}
