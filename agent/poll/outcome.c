/* What became of the records that the publisher had, and gap artifacts. io thread of the poller. */
#include "poll/record.h"

#include <stdlib.h>

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
    struct sc_refusal refusal = {SC_REASON_RECORD_TOO_LARGE, "record", "is larger than the stream takes", r->body_len};
    return sc_record_keep_letter(p, letter, sc_str_of(id), refusal, err);
}

static void gap_stored(struct sc_poller *p)
{
    json_array_remove(p->cp.gaps, 0);
    p->walk_gaps++;
    p->counts.gaps++;
    p->dirty = true;
    SC_FAULT("gap.after");
}

static int one_outcome(struct sc_poller *p, const struct sc_batch *batch, const struct sc_record *r, const struct sc_record **newest,
                       struct sc_error *err)
{
    if (r->outcome == SC_RECORD_TOO_LARGE && letter_from_batch(p, batch, r, err))
        return -1;
    bool of_child = batch->stamp == &p->child_stamp;
    if (batch->stamp == &p->gap_stamp) {
        gap_stored(p);
    } else if (of_child) {
        sc_seen_stored(&p->seen, r->collate, r->seq, r->time_ms);
        p->walk_gaps++;
        p->counts.gaps++;
    } else if (p->type->shape == SC_SHAPE_SNAPSHOT) {
        sc_map_stored(&p->map, r->fingerprint);
    } else {
        sc_seen_stored(&p->seen, r->collate, r->seq, r->time_ms);
        sc_beside_stored(p, r);
    }
    if (r->outcome == SC_RECORD_TOO_LARGE)
        return 0;
    p->unsaved_acks++;
    if (r->outcome == SC_RECORD_STORED && !r->duplicate && batch->stamp == &p->stamp) {
        p->walk_published++;
        p->counts.published++;
    }
    if (r->seq > p->cp.proof_seq && (!*newest || r->seq > (*newest)->seq))
        *newest = r;
    return 0;
}

/* The page is not done. Everything is read again from the buckets and the stream when the wait is over, and with it what could not be kept. */
void sc_poller_stop_for_letters(struct sc_poller *p, const struct sc_error *err)
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
                sc_poller_stop_for_letters(p, &err);
                return;
            }
        }
        if (newest) {
            free(p->cp.proof_msg_id);
            p->cp.proof_msg_id = sc_dup(batch->bytes + newest->msg_id_at);
            p->cp.proof_seq = p->cp.proof_msg_id ? newest->seq : p->cp.proof_seq;
        }
        sc_beside_proof(p);
        SC_FAULT("ack.after");
        struct sc_open_page *page = page_of(p, batch->page);
        if (page)
            page->outstanding--;
    } else if (!batch->dropped && batch->generation == p->generation) {
        sc_beside_late(p, batch);
    }
    sc_publisher_batch_put(io->config.publisher, batch);
    if (p->bounded && p->unsaved_acks >= SC_BOUNDED_ACKS)
        sc_save_want(p);
    sc_poller_page_done(p);
    sc_poller_unpause(p); /* its own share may have been what it waited for */
    if (sc_beside(p))
        sc_poller_unpause(sc_beside(p));
}

/* ---- gaps --------------------------------------------------------------------------------------------------------------------------- */

void sc_record_put_gap(struct sc_poller *p, const char *body, size_t len, struct sc_str id)
{
    char time[SC_TIME_TEXT];
    struct sc_batch *batch = p->batch;
    struct sc_record *r = &batch->records[batch->count++];
    p->record_at = batch->used;
    memcpy(batch->bytes + batch->used, body, len);
    batch->used += (uint32_t)len;
    *r = (struct sc_record){.body_at = p->record_at, .body_len = (uint32_t)len, .extra_at = UINT32_MAX, .time_ms = SC_TIME_NONE};
    r->msg_id_at = sc_record_put_text(batch, p->prefix, p->prefix_len);
    batch->used--;
    sc_record_put_text(batch, id.ptr, id.len);
    r->ce_id_at = r->msg_id_at + (uint32_t)p->prefix_len;
    sc_time_rfc3339(sc_real_ms(), time);
    r->ce_time_at = sc_record_put_text(batch, time, strlen(time));
}

int sc_record_publish_gap(struct sc_poller *p)
{
    json_t *gap = json_array_get(p->cp.gaps, 0);
    if (!gap)
        return -1;
    if (!sc_record_take_batch(p, SC_BATCH_BYTES))
        return 1;
    char *body = json_dumps(gap, JSON_COMPACT), id[SC_GAP_ID];
    struct sc_batch *batch = p->batch;
    size_t len = body ? strlen(body) : 0;
    if (!body || len + SC_ID_ROOM > batch->cap || sc_gap_id(gap, id) < 0) {
        free(body);
        sc_record_post(p);
        return 1;
    }
    SC_FAULT("gap.before");
    sc_record_put_gap(p, body, len, (struct sc_str){id, strlen(id)});
    free(body);
    batch->stamp = &p->gap_stamp;
    return 0;
}
