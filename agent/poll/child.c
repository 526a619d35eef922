/* Children: files or blobs that a page names and that are fetched by a request each (sc_request.child). When one fails for good, what is told of it
 * instead; which ones were read. io thread of the poller. */
#include "poll/errand.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES    5u
#define SPAN_MS  600000  /* a child that is refused is asked for so long */
#define ALONE_MS 3600000 /* and one that the vendor fails at, when nothing else was answered well since: that may be the whole vendor */
#define LETTER_MS 30000  /* a letter that cannot be kept is tried again */

#define ADVICE                                                                                                                                      \
    "Nothing to do yet: if it fails for good it is passed over after 10 minutes or more, named in the dead letters and recorded as a gap; the rest goes on."

/* ---- which child is asked for ------------------------------------------------------------------------------------------------------ */

int sc_child_ask(struct sc_poller *p, const struct sc_request *rq)
{
    struct sc_child *c = &p->child;
    c->asked = rq->child != NULL;
    if (!rq->child || (c->name && strcmp(c->name, rq->child) == 0)) {
        c->time_ms = rq->child ? rq->child_time : c->time_ms;
        return 0;
    }
    free(c->name);
    c->name = sc_dup(rq->child);
    c->time_ms = rq->child_time;
    c->passing = c->lettered = false;
    return c->name ? 0 : -1;
}

static bool is_failing(const struct sc_child *c)
{
    return c->failing && strcmp(c->failing, c->name) == 0;
}

static void forget_failures(struct sc_child *c)
{
    free(c->failing);
    c->failing = NULL;
    c->failures = 0;
}

void sc_child_done(struct sc_poller *p)
{
    forget_failures(&p->child);
    free(p->child.name);
    p->child = (struct sc_child){0};
}

/* ---- those that were read ----------------------------------------------------------------------------------------------------------- */

/* Beside the identities of records, and never equal to one: those hold no blank. */
static uint64_t fingerprint_of(const struct sc_poller *p, struct sc_str name)
{
    char text[SC_RECIPE_ID_MAX + 8] = "child ";
    size_t len = 6 + sc_recipe_id(&name, 1, text + 6);
    return sc_siphash(p->fingerprint_key, text, len);
}

void sc_child_read(struct sc_poller *p)
{
    struct sc_children *list = &p->page->children;
    if (!p->child.asked)
        return;
    p->child.asked = false;
    if (is_failing(&p->child))
        forget_failures(&p->child);
    if (list->count == list->cap) {
        uint32_t cap = list->cap ? list->cap * 2 : 16;
        struct sc_child_seen *grown = realloc(list->seen, cap * sizeof *grown);
        if (!grown) /* it is read once more, and its records are recognised */
            return;
        list->seen = grown;
        list->cap = cap;
    }
    list->seen[list->count++] = (struct sc_child_seen){fingerprint_of(p, sc_str_of(p->child.name)), p->child.time_ms};
}

void sc_children_forget(struct sc_children *list)
{
    free(list->seen);
    *list = (struct sc_children){0};
}

/* The page is covered. An entry stands as high as the newest record that is known to be stored: when the stream loses its tail it is forgotten with
 * the records that it stands for. */
void sc_children_keep(struct sc_poller *p, struct sc_open_page *page)
{
    for (uint32_t i = 0; i < page->children.count; i++) {
        const struct sc_child_seen *c = &page->children.seen[i];
        uint64_t number = sc_seen_find(&p->seen, c->fingerprint);
        if (number == SC_SEEN_NONE)
            number = sc_seen_add(&p->seen, c->fingerprint, 1, page->number);
        if (number != SC_SEEN_NONE)
            sc_seen_stored(&p->seen, number, p->cp.proof_seq, c->time_ms);
        p->dirty = true;
    }
    sc_children_forget(&page->children);
}

bool sc_child_was_read(const struct sc_poller *p, struct sc_str name)
{
    uint64_t fingerprint = fingerprint_of(p, name);
    if (!name.len)
        return false;
    for (uint32_t i = 0; i < p->page_count; i++) {
        const struct sc_children *list = &p->pages[(p->page_head + i) % SC_OPEN_PAGES].children;
        for (uint32_t k = 0; k < list->count; k++) {
            if (list->seen[k].fingerprint == fingerprint)
                return true;
        }
    }
    return sc_seen_find(sc_is_dry(p) ? sc_dry_seen(p, &p->seen) : &p->seen, fingerprint) != SC_SEEN_NONE;
}

/* ---- failures ------------------------------------------------------------------------------------------------------------------------- */

/* The vendor's word on this very child: not on who asks, how often, or whether it can be reached. */
static bool counts(int status, enum sc_reason reason)
{
    enum sc_class cls = sc_reason_class(reason);
    if (cls == SC_CLASS_THROTTLED || cls == SC_CLASS_AUTH || status == 401 || status == 408 || status == 429)
        return false;
    bool read = status >= 200 && status < 300; /* and what it says cannot be used */
    return status >= 400 || (read && reason != SC_REASON_VENDOR_BUSY && (cls == SC_CLASS_RETRY || cls == SC_CLASS_CONFIG || cls == SC_CLASS_DATA));
}

static void gone(struct sc_poller *p, int status, enum sc_reason reason, const char *detail)
{
    struct sc_child *c = &p->child;
    c->passing = true;
    c->status = status;
    c->reason = reason;
    snprintf(c->detail, sizeof c->detail, "%s", detail);
    sc_poller_wake(p);
}

bool sc_child_gone(struct sc_poller *p, int status, const char *detail)
{
    if (!p->child.asked)
        return false;
    gone(p, status, SC_REASON_NOT_FOUND, detail);
    return true;
}

enum sc_child_verdict sc_child_failed(struct sc_poller *p, int status, enum sc_reason reason, const char *detail)
{
    struct sc_child *c = &p->child;
    int64_t now = p->inst->io->now;
    if (!c->asked)
        return SC_CHILD_NONE;
    if (!counts(status, reason)) {
        if (sc_reason_class(reason) != SC_CLASS_THROTTLED) /* something else is wrong: whatever came before may have been that too */
            forget_failures(c);
        return SC_CHILD_NONE;
    }
    if (p->page_new || !is_failing(c)) { /* it got further than last time, or is another one */
        forget_failures(c);
        c->failing = sc_dup(c->name);
    }
    if (c->failures++ == 0)
        c->first_ms = now;
    bool clear = status < 500 && status >= 400;
    c->span_ms = clear || p->inst->source->good_ms > c->first_ms ? SPAN_MS : ALONE_MS;
    if (c->failures < TRIES || now - c->first_ms < c->span_ms)
        return SC_CHILD_AGAIN;
    gone(p, status, reason, detail);
    return SC_CHILD_GONE;
}

/* The last try comes when the time is over, not long after. */
int64_t sc_child_wait(const struct sc_poller *p, int64_t wait)
{
    const struct sc_child *c = &p->child;
    int64_t left = c->first_ms + c->span_ms - p->inst->io->now;
    if (c->passing)
        return 0;
    return c->failures + 1 >= TRIES && left > 0 && left < wait ? left : wait;
}

const char *sc_child_advice(void)
{
    return ADVICE;
}

/* ---- passing over ------------------------------------------------------------------------------------------------------------------------- */

static int write_letter(struct sc_poller *p, struct sc_error *err)
{
    const struct sc_child *c = &p->child;
    SC_AUTO_BUF struct sc_buf text = {0};
    char id[SC_RECIPE_ID_MAX + 8] = "child~", time[SC_TIME_TEXT], why[560];
    struct sc_str name = sc_str_of(c->name);
    size_t len = 6 + sc_recipe_id(&name, 1, id + 6);
    sc_buf_add_str(&text, "{\"integration\":");
    sc_buf_add_json(&text, sc_str_of(p->inst->config->name));
    sc_buf_add_str(&text, ",\"data_type\":");
    sc_buf_add_json(&text, sc_str_of(p->type->name));
    sc_buf_add_str(&text, ",\"reference\":");
    sc_buf_add_json(&text, name);
    if (c->time_ms != SC_TIME_NONE)
        sc_buf_addf(&text, ",\"time\":\"%s\"", sc_time_rfc3339(c->time_ms, time));
    sc_buf_addf(&text, ",\"status\":%d,\"reason\":\"%s\",\"detail\":", c->status, sc_reason_code(c->reason));
    sc_buf_add_json(&text, sc_str_of(c->detail));
    sc_buf_add_char(&text, '}');
    sc_redact_buf(&text);
    if (text.failed)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for a dead letter");
    struct sc_dead_letter *letter = sc_dead_letter_open(p->inst->io->config.settings->dead_letter_dir, err);
    if (!letter)
        return -1;
    if (sc_dead_letter_add(letter, text.ptr, text.len, err)) {
        sc_dead_letter_drop(letter);
        return -1;
    }
    snprintf(why, sizeof why, "cannot be fetched, %s: passed over and recorded as a gap", c->detail[0] ? c->detail : sc_reason_meaning(c->reason));
    struct sc_refusal refusal = {SC_REASON_PASSED_OVER, "child", why, text.len};
    return sc_record_keep_letter(p, letter, (struct sc_str){id, len}, refusal, err);
}

static const char *walk_bound(const struct sc_poller *p, const char *name)
{
    const char *text = json_string_value(json_object_get(p->walk, name));
    return text && sc_time_parse_rfc3339(sc_str_of(text)) != SC_TIME_NONE ? text : NULL;
}

/* Of its own time; without one, of all that the walk reads. */
static json_t *gap_of(const struct sc_poller *p)
{
    char from[SC_TIME_TEXT], to[SC_TIME_TEXT];
    const char *code = sc_reason_code(SC_REASON_PASSED_OVER);
    if (p->child.time_ms != SC_TIME_NONE) {
        sc_time_rfc3339(p->child.time_ms, from);
        return sc_gap_new(p, from, from, code, true);
    }
    const char *begin = walk_bound(p, "from"), *end = walk_bound(p, "to");
    const char *position = json_string_value(json_object_get(p->position, "time"));
    sc_time_rfc3339(p->answered_ms, to);
    begin = begin ? begin : position ? position : to;
    return sc_gap_new(p, begin, end ? end : to, code, true);
}

/* 0: the gap is under way or known; 1: later; -1: out of memory. It belongs to the page, whose position waits for it. */
static int publish_gap(struct sc_poller *p)
{
    json_t *gap = gap_of(p);
    char *body = gap ? json_dumps(gap, JSON_COMPACT) : NULL, id[SC_GAP_ID];
    int len = gap ? sc_gap_id(gap, id) : -1, rc = body && len > 0 ? 0 : -1;
    uint64_t fingerprint = len > 0 ? sc_siphash(p->fingerprint_key, id, (size_t)len) : 0;
    if (rc == 0 && sc_seen_find(&p->seen, fingerprint) == SC_SEEN_NONE) {
        sc_record_post(p);
        rc = sc_record_take_batch(p, SC_BATCH_BYTES) ? 0 : 1;
        uint64_t number = rc == 0 ? sc_seen_add(&p->seen, fingerprint, 1, p->page->number) : SC_SEEN_NONE;
        if (number != SC_SEEN_NONE) {
            sc_record_put_gap(p, body, strlen(body), (struct sc_str){id, (size_t)len});
            struct sc_record *r = &p->batch->records[p->batch->count - 1];
            r->collate = number;
            r->fingerprint = fingerprint;
            r->time_ms = p->child.time_ms;
            p->batch->stamp = &p->child_stamp;
            p->page->published++;
            p->page->gaps++;
        } else if (rc == 0) {
            rc = -1;
        }
        sc_record_post(p);
    }
    json_decref(gap);
    free(body);
    return rc;
}

/* The page stays as it is: the vendor, who can do nothing about it, is not asked for all of it again and again. */
static void wait_for_room(struct sc_poller *p, const struct sc_error *err)
{
    char line[512], at[SC_TIME_TEXT];
    int64_t until = sc_real_ms() + LETTER_MS;
    p->hold = (struct sc_hold){.until_ms = p->inst->io->now + LETTER_MS, .until_real = until, .reason = SC_REASON_DEAD_LETTER_FAILED};
    snprintf(line, sizeof line, "%s, tried again at %s; nothing is asked for before", err->text, sc_time_short(until, sc_real_ms(), at));
    sc_poller_say(p, SC_REASON_DEAD_LETTER_FAILED, until, line, NULL);
    sc_heap_set(&p->inst->io->heap, &p->timer, p->hold.until_ms);
}

void sc_child_pass(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    struct sc_error err = SC_ERROR_INIT;
    if (p->hold.until_ms > io->now) { /* for room in the directory; a put ends it */
        sc_heap_set(&io->heap, &p->timer, p->hold.until_ms);
        return;
    }
    sc_reply_open_page(p);
    if (sc_is_dry(p)) {
        p->errand->letters++;
        p->errand->gaps++;
        p->child.passing = false;
        sc_reply_passed_over(p);
        return;
    }
    if (!p->child.lettered && write_letter(p, &err)) {
        wait_for_room(p, &err);
        return;
    }
    p->child.lettered = true;
    if (!p->anchored) {
        sc_save_anchor(p);
        return;
    }
    if (publish_gap(p)) {
        sc_heap_set(&io->heap, &p->timer, io->now + 250);
        return;
    }
    p->child.passing = p->child.lettered = false;
    sc_reply_passed_over(p);
}
