/* The reply to one request: what its headers say of budgets, judging the head, cutting the body, judging the end.
 * io thread of the poller. */
#include "operate/words.h"
#include "poll/answer.h"
#include "poll/errand.h"
#include "poll/foreign.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what headers say of budgets and waits --------------------------------------------------------------------------------------- */

static int64_t header_number(const struct sc_poller *p, const char *name)
{
    int64_t n = -1;
    if (name && !sc_parse_int(sc_http_header(p->transfer, name, 0), &n))
        n = -1;
    return n;
}

/* Milliseconds from now until the pool's reset header says; SC_TIME_NONE when it says nothing believable. Epochs are compared with the
 * vendor's own Date. */
static int64_t reset_after_ms(const struct sc_poller *p, const struct sc_pool *pool, int64_t vendor_now)
{
    if (!pool->reset_header || pool->reset_unit == SC_RESET_NONE)
        return SC_TIME_NONE;
    int64_t ms = sc_parse_seconds_ms(sc_http_header(p->transfer, pool->reset_header, 0));
    if (ms < 0)
        return SC_TIME_NONE;
    switch (pool->reset_unit) {
    case SC_RESET_EPOCH_S:
        ms -= vendor_now;
        break;
    case SC_RESET_EPOCH_MS:
        ms = ms / 1000 - vendor_now;
        break;
    case SC_RESET_MILLISECONDS:
        ms /= 1000;
        break;
    case SC_RESET_SECONDS:
    case SC_RESET_NONE:
        break;
    }
    return ms >= 0 && ms <= 86400000 ? ms : SC_TIME_NONE;
}

static void learn_budgets(struct sc_poller *p, const struct sc_http_result *result)
{
    int64_t now = p->inst->io->now;
    int64_t vendor_now = result->date_ms != SC_TIME_NONE ? result->date_ms : sc_source_now(p->inst->source);
    for (unsigned i = 0; p->request_pools[i]; i++) {
        struct sc_budget *b = sc_budget_of(p, p->request_pools[i]);
        if (!b)
            continue;
        sc_budget_release(b);
        if (!result->status || result->status == 429)
            continue; /* a concurrency limit answers 429 with numbers that mean nothing */
        int64_t after = reset_after_ms(p, b->pool, vendor_now);
        sc_budget_learn(b, header_number(p, b->pool->limit_header), header_number(p, b->pool->remaining_header),
                        after == SC_TIME_NONE ? SC_TIME_NONE : now + after, now);
    }
}

/* When throttled: Retry-After, else the reset header of one of the request's pools. After a failure of the vendor's: Retry-After alone. A refused
 * credential or a wrong setting does not get better by waiting. */
#define QUOTA_MS 900000 /* who names a later time has a long window that is used up */

struct wait {
    struct sc_wait wait;
    char said[96]; /* "Retry-After: 7"; "": nobody named a time */
};

/* As it came: a wait that looks odd can be compared with what the vendor sent. */
static void quote(struct sc_transfer *transfer, const char *name, char *out, size_t cap)
{
    char value[48];
    struct sc_str text = name ? sc_http_header(transfer, name, 0) : (struct sc_str){0};
    out[0] = '\0';
    if (name)
        snprintf(out, cap, sc_words_plain(text, value, sizeof value) ? "%.40s: %s" : "%.40s", name, value);
}

static struct sc_wait named_wait(struct sc_poller *p, struct sc_transfer *transfer, const struct sc_http_result *result, enum sc_class cls)
{
    if (cls != SC_CLASS_THROTTLED && cls != SC_CLASS_RETRY)
        return (struct sc_wait){.until_ms = SC_TIME_NONE};
    struct sc_str retry_after = sc_http_header(transfer, "Retry-After", 0), reset = {0};
    const char *name = NULL;
    enum sc_reset_unit unit = SC_RESET_NONE;
    for (unsigned i = 0; cls == SC_CLASS_THROTTLED && p->request_pools[i] && !name; i++) {
        struct sc_budget *b = sc_budget_of(p, p->request_pools[i]);
        if (b && b->pool->reset_header) {
            name = b->pool->reset_header;
            unit = b->pool->reset_unit;
            reset = sc_http_header(transfer, name, 0);
        }
    }
    return sc_read_wait(retry_after, reset, name, unit, sc_real_ms(), result->date_ms);
}

void sc_reply_keep_named_wait(struct sc_poller *p, struct sc_transfer *transfer, const struct sc_http_result *result)
{
    struct sc_status_reading reading = sc_read_status(result->status, true);
    struct sc_wait wait = named_wait(p, transfer, result, sc_reason_class(reading.reason));
    if (wait.until_ms != SC_TIME_NONE)
        sc_poller_hold_pools(p, wait.until_ms);
}

/* ---- the head ------------------------------------------------------------------------------------------------------------------- */

static bool is_success(int status)
{
    return status >= 200 && status < 300;
}

void sc_reply_open_page(struct sc_poller *p)
{
    if (p->page)
        return; /* the same page again */
    uint32_t at = (p->page_head + p->page_count++) % SC_OPEN_PAGES;
    p->page = &p->pages[at];
    *p->page = (struct sc_open_page){.number = p->next_page++,
                                     .floor = sc_publisher_known_seq(p->inst->io->config.publisher),
                                     .newest_ms = SC_TIME_NONE};
    p->newest_ms = SC_TIME_NONE;
    p->newest_text[0] = '\0';
}

void sc_reply_forget_page(struct sc_poller *p)
{
    sc_items_clear(&p->items);
    json_decref(p->page_keep);
    p->page_keep = NULL;
    p->list_hash = 0;
    sc_twins_forget(&p->twins);
    if (!p->page)
        return;
    p->page->part_records = p->page->part_bytes = p->page->part_hash = 0;
    sc_children_forget(&p->page->children);
    sc_whole_forget(&p->page->readings);
}

static bool ready_to_cut(struct sc_poller *p)
{
    if (sc_cutter_take(p))
        return false;
    sc_record_drop_partial(p);
    sc_reply_open_page(p);
    p->page->records = p->page->part_records;
    p->page->bytes = p->page->part_bytes;
    p->page_new = 0;
    sc_twins_undo(&p->twins);
    sc_whole_begin(p);
    if (sc_reply_lists(p))
        sc_items_clear(&p->items);
    if (!sc_reply_publishes(p))
        return true;
    if (p->type->shape == SC_SHAPE_SNAPSHOT) {
        sc_map_begin(&p->map);
        if (!p->second_pass)
            p->version_known = p->scan_only = p->older = false;
    }
    return true;
}

/* Date has whole seconds: the middle of the second is the best guess; a cache on the way says how long ago that was. Kept against the time that
 * passes, as this host's clock may be set. */
static void learn_clock(struct sc_source *source, int64_t date_ms, struct sc_str age)
{
    int64_t age_s = 0;
    if (date_ms == SC_TIME_NONE)
        return;
    if (age.ptr && (!sc_parse_int(age, &age_s) || age_s < 0 || age_s > 365 * 86400))
        age_s = 0;
    source->offset_ms = date_ms + age_s * 1000 + 500 - sc_boot_ms();
    source->offset_known = true;
}

bool sc_reply_head(void *arg, struct sc_transfer *transfer, int status)
{
    struct sc_poller *p = arg;
    struct sc_verdict verdict = {.wait_until = SC_TIME_NONE};
    struct sc_response response = {.status = status};
    if (p->transfer != transfer)
        return false;
    int64_t date_ms = sc_time_parse_http(sc_http_header(transfer, "Date", 0));
    learn_clock(p->inst->source, date_ms, sc_http_header(transfer, "Age", 0));
    p->status = status;
    p->answered_ms = date_ms != SC_TIME_NONE ? date_ms : sc_source_now(p->inst->source);
    sc_host_release(p);
    p->inst->config->connector->ops->response(&p->host, &response, &verdict);
    p->cutting = verdict.action == SC_CUT || (verdict.action == SC_BY_STATUS && is_success(status));
    p->cut_now = NULL;
    return p->cutting && ready_to_cut(p);
}

/* ---- the body -------------------------------------------------------------------------------------------------------------------- */

ptrdiff_t sc_reply_body(void *arg, struct sc_transfer *transfer, const char *bytes, size_t len)
{
    struct sc_poller *p = arg;
    size_t used = 0;
    if (p->transfer != transfer)
        return -1;
    if (p->traced)
        sc_trace_body(p, bytes, len);
    p->pace.byte_ms = p->inst->io->now;
    if (p->is_web_page)
        return sc_foreign_page_take(p, bytes, len);
    for (size_t i = 0; i < len && !p->body_begun; i++) {
        p->body_begun = !strchr(" \t\r\n", bytes[i]) || bytes[i] == '\0';
        if (p->body_begun && sc_foreign_page_begins(p, bytes + i, len - i))
            return sc_foreign_page_take(p, bytes, len);
    }
    int rc = sc_room_to_read(p) ? sc_cut_feed(p->cut_now, bytes, len, &used, &p->cut_error) : SC_CUT_PAUSE;
    if (rc < 0)
        return -1;
    if (rc == SC_CUT_PAUSE && !p->paused) { /* paused for something else than a batch (the anchor, memory) */
        p->paused = true;
        p->pause_began = p->inst->io->now;
        p->inst->io->waiting++;
    }
    return (ptrdiff_t)used;
}

/* ---- the end --------------------------------------------------------------------------------------------------------------------- */

static int count_matches(struct sc_poller *p)
{
    int64_t count;
    if (p->type->shape != SC_SHAPE_SNAPSHOT || !p->type->count)
        return 0;
    struct sc_str text = sc_host_services.envelope(&p->host, p->type->count);
    if (text.ptr && sc_parse_int(text, &count) && (uint64_t)count == p->page_records)
        return 0;
    return sc_fail(&p->cut_error, SC_REASON_BAD_RESPONSE, "the document says %s = %.*s, but holds %llu records: not counted, asked again",
                   p->type->count, text.ptr ? (int)text.len : 4, text.ptr ? text.ptr : "none", (unsigned long long)p->page_records);
}

/* The document said its version only behind the records: once more, now that it is known. */
static int needs_second_pass(struct sc_poller *p)
{
    if (p->type->shape != SC_SHAPE_SNAPSHOT || !p->scan_only)
        return 0;
    for (unsigned i = 0; i < 2 && p->type->version[i]; i++) {
        struct sc_str v = sc_host_services.envelope(&p->host, p->type->version[i]);
        if (!v.ptr)
            return sc_fail(&p->cut_error, SC_REASON_BAD_RESPONSE, "the document has no member \"%s\"", p->type->version[i]);
    }
    return p->page_records > 0;
}

/* What was taken for the document's version before its records is still what it says. */
static int version_holds(struct sc_poller *p)
{
    if (p->type->shape != SC_SHAPE_SNAPSHOT || !p->version_known)
        return 0;
    for (unsigned i = 0; i < 2 && p->type->version[i]; i++) {
        struct sc_str v = sc_host_services.envelope(&p->host, p->type->version[i]);
        if (!v.ptr || !sc_str_is(v, p->version[i]))
            return sc_fail(&p->cut_error, SC_REASON_BAD_RESPONSE, "the document changed its version while it was read: asked again");
    }
    return 0;
}

static void repeats_itself(struct sc_poller *p)
{
    char detail[256];
    snprintf(detail, sizeof detail, "page %llu of this walk holds the same %llu records as the one before: stopped", (unsigned long long)p->walk_page + 1,
             (unsigned long long)p->page_records);
    p->walk_failed = p->finish = true;
    sc_poller_say(p, SC_REASON_PAGING_LOOP, SC_TIME_NONE, detail, NULL);
}

static void answered_well(struct sc_poller *p)
{
    enum sc_reason told = p->facts.reason;
    p->attempts = p->again = p->throttles = 0;
    sc_pace_good(p);
    p->renewed = p->disbelieved = p->scopes_told = false;
    p->large_tries = 0;
    p->refused_at = 0;
    if (sc_is_dry(p)) /* what holds others is theirs to try */
        return;
    p->hold = (struct sc_hold){0};
    bool waited = told == SC_REASON_WAITS_FOR_VENDOR && sc_reply_publishes(p);
    bool unpublished = sc_reason_class(told) == SC_CLASS_BROKER && p->inst->io->broker.state != SC_BROKER_READY; /* nothing that the vendor says ends it */
    if (waited || (told != SC_REASON_OK && sc_reason_class(told) != SC_CLASS_NOTICE && !unpublished)) /* it is over, not only when the walk ends */
        sc_poller_say(p, SC_REASON_OK, SC_TIME_NONE, "", NULL);
    p->inst->source->failures = 0;
    p->inst->source->hold = (struct sc_hold){0};
}

static void page_read(struct sc_poller *p)
{
    struct sc_open_page *page = p->page;
    p->walk_page++;
    p->walk_pages++;
    page->complete = true;
    page->position = json_deep_copy(p->position);
    page->walk = json_deep_copy(p->walk);
    page->walk_page = p->walk_page;
    if (p->traced)
        sc_trace_page(p, page);
    sc_request_remember(p);
    if (p->list_hash)
        p->last_list = p->items.hash;
    p->page = NULL; /* before its items are forgotten: what it has read stays with it */
    sc_reply_forget_page(p);
    p->second_pass = false;
    answered_well(p);
    if (p->page_halvings && ++p->good_pages >= 10) {
        p->page_halvings--;
        p->good_pages = 0;
    }
    bool same = p->type->shape == SC_SHAPE_LOG && p->page_records > 0 && p->page_new == 0 && p->last_page_hashed && p->page_hash == p->last_page_hash;
    p->last_page_hashed = p->page_records > 0;
    p->last_page_hash = p->page_hash;
    if (same && !p->finish)
        repeats_itself(p);
}

static void keep_version(struct sc_poller *p)
{
    if (p->type->shape != SC_SHAPE_SNAPSHOT || p->older)
        return;
    for (unsigned i = 0; i < 2 && p->type->version[i]; i++) {
        char name[16];
        snprintf(name, sizeof name, "version%u", i);
        sc_host_services.set(&p->host, SC_POSITION, name, p->version[i]);
    }
    p->commit_map = true;
}

static void say_older(struct sc_poller *p)
{
    struct sc_log_cx cx = sc_poller_cx(p);
    const char *stored = json_string_value(json_object_get(p->cp.reached, "version0"));
    SC_LOG(SC_INFO, &cx, NULL, "the document is older (%s) than the one that was read before (%s): ignored, as a mirror may lag", p->version[0],
           stored ? stored : "?");
}

/* What the connector had put down before it was asked: an answer that does not count changes nothing of it. What it keeps of the page alone is its
 * own: it may say there how the page is to be asked for again; but not when it took for a page what is none. */
struct memory {
    json_t *position, *walk, *page;
};

static struct memory memorise(const struct sc_poller *p)
{
    return (struct memory){json_deep_copy(p->position), json_deep_copy(p->walk), p->page_keep ? json_deep_copy(p->page_keep) : NULL};
}

static void remember_again(struct sc_poller *p, const struct memory *before)
{
    if (!before->position || !before->walk) /* out of memory: what the connector put down is better than nothing */
        return;
    json_decref(p->position);
    p->position = json_incref(before->position);
    json_decref(p->walk);
    p->walk = json_incref(before->walk);
}

static void memory_done(struct memory *memory)
{
    json_decref(memory->position);
    json_decref(memory->walk);
    json_decref(memory->page);
}

/* One of several requests of a page: what it brought is published, the page goes on. Nothing may be remembered before its end, or a restart
 * would begin behind what was not fetched yet. */
static void part_read(struct sc_poller *p, const struct memory *before)
{
    if (!json_equal(p->position, before->position) || !json_equal(p->walk, before->walk)) {
        remember_again(p, before);
        sc_poller_fail(p, SC_REASON_INTERNAL, SC_TIME_NONE, NULL, "the connector moved its position in the middle of a page", NULL);
        return;
    }
    answered_well(p);
    sc_child_read(p);
    sc_twins_keep(&p->twins);
    sc_whole_part(p);
    p->page->part_records = p->page->records;
    p->page->part_bytes = p->page->bytes;
    p->page->part_hash = p->page_hash;
    if (sc_reply_lists(p))
        p->list_hash = p->request_hash;
    sc_poller_wake(p);
}

/* A scroll's address says nothing: what it lists has to differ. */
static bool lists_the_same(struct sc_poller *p)
{
    bool same = sc_reply_lists(p) && p->may_repeat && p->items.count && p->items.hash == p->last_list;
    if (same) {
        char detail[160];
        snprintf(detail, sizeof detail, "the vendor lists the same %u items twice in a row: stopped, the next poll goes on from its position", p->items.count);
        p->walk_failed = p->finish = true;
        sc_poller_say(p, SC_REASON_PAGING_LOOP, SC_TIME_NONE, detail, NULL);
        sc_poller_wake(p);
    }
    return same;
}

/* The request has failed; when that is its child's own fault, it is the child that is given up one day. */
static void fail(struct sc_poller *p, enum sc_reason reason, int status, const struct wait *named, const char *detail, const char *advice)
{
    static const struct wait none = {.wait = {.until_ms = SC_TIME_NONE}};
    const struct wait *w = named ? named : &none;
    bool old = p->asked_with != p->inst->credential || (p->again && p->again_for != p->inst->credential);
    if (old && sc_reason_class(reason) == SC_CLASS_AUTH) {
        p->again = 0;
        sc_poller_wake(p); /* the old credential's refusal does not count against the new one, nor what was asked because of it */
        return;
    }
    if (p->asked_rev != p->inst->config->rev && (sc_reason_class(reason) == SC_CLASS_CONFIG || p->lasting || reason == SC_REASON_PROXY_AUTH)) {
        sc_poller_wake(p); /* nor do the old settings' CA, proxy or address: what was saved meanwhile is tried */
        return;
    }
    enum sc_child_verdict child = sc_child_failed(p, status, reason, detail);
    if (child == SC_CHILD_GONE && w->wait.until_ms == SC_TIME_NONE) /* a wait that the vendor named comes first */
        return;
    p->failing_child = child != SC_CHILD_NONE;
    sc_poller_fail(p, reason, w->wait.until_ms, w->said[0] ? w->said : NULL, detail, advice[0] ? advice : p->failing_child ? sc_child_advice() : NULL);
    p->failing_child = false;
}

/* A connector names times by the vendor's clock. */
static int64_t own_time(const struct sc_poller *p, int64_t ms)
{
    return ms == SC_TIME_NONE ? ms : ms - sc_source_now(p->inst->source) + sc_real_ms();
}

static void broken(struct sc_poller *p, const struct sc_verdict *verdict)
{
    enum sc_reason reason = verdict->reason ? verdict->reason : SC_REASON_BAD_RESPONSE;
    bool token = reason == SC_REASON_AUTH_INVALID || reason == SC_REASON_AUTH_EXPIRED;
    p->too_slow = p->too_slow_said = verdict->narrower;
    if (token && sc_token_refused(p))
        sc_poller_wake(p);
    else
        fail(p, reason, 200, &(struct wait){.wait = {.until_ms = own_time(p, verdict->wait_until)}}, verdict->detail[0] ? verdict->detail : p->cut_error.text,
             verdict->advice);
}

enum heard {
    WHOLE,  /* the reply was read to its end */
    ABSENT, /* it is well-formed and lacks what should hold the records */
    PASSED  /* there is none: its child has failed for good */
};

static void ask_connector(struct sc_poller *p, enum heard heard)
{
    bool lists = sc_reply_lists(p), whole = heard == WHOLE;
    struct sc_page in = {.records = !whole ? 0 : lists ? p->items.count : p->page_records,
                         .number = p->walk_page + 1,
                         .newest_time = p->newest_ms,
                         .newest_text = sc_str_of(p->newest_text),
                         .reply = p->reply,
                         .items = whole && lists ? p->items.count : 0,
                         .answered = p->answered_ms,
                         .absent = heard == ABSENT,
                         .passed_over = heard == PASSED};
    struct sc_verdict verdict = {.wait_until = SC_TIME_NONE};
    if (whole && lists_the_same(p))
        return;
    struct memory before = memorise(p);
    enum sc_more more = p->inst->config->connector->ops->page(&p->host, &in, &verdict);
    if (heard == ABSENT && more != SC_BROKEN && (p->reply || !p->type->may_lack_records)) { /* whatever it takes the reply for, nothing may move on it */
        more = SC_BROKEN;
        verdict = (struct sc_verdict){.wait_until = SC_TIME_NONE};
        json_decref(p->page_keep);
        p->page_keep = json_incref(before.page);
    }
    if (whole && more != SC_BROKEN && !sc_is_dry(p))
        p->inst->source->good_ms = p->inst->io->now;
    switch (more) {
    case SC_MORE:
        break;
    case SC_WALKED:
        p->finish = p->walk_whole = true;
        keep_version(p);
        break;
    case SC_LOOP:
        p->walk_failed = p->finish = true;
        break;
    case SC_BROKEN:
        remember_again(p, &before);
        if (heard == PASSED) /* the failure is no child's: passed over for it, it would come here at once */
            p->child.asked = false;
        broken(p, &verdict);
        break;
    case SC_PART:
        part_read(p, &before);
        break;
    }
    memory_done(&before);
    if (more == SC_BROKEN || more == SC_PART)
        return;
    sc_child_read(p);
    page_read(p);
    if (more == SC_LOOP)
        sc_poller_say(p, verdict.reason ? verdict.reason : SC_REASON_PAGING_LOOP, SC_TIME_NONE, verdict.detail, verdict.advice);
    sc_poller_page_done(p);
}

static void page_complete(struct sc_poller *p)
{
    sc_record_post(p);
    if (p->reply) {
        ask_connector(p, WHOLE);
        return;
    }
    int second = needs_second_pass(p);
    if (second > 0) {
        snprintf(p->version[0], sizeof p->version[0], "%.*s", (int)sc_host_services.envelope(&p->host, p->type->version[0]).len,
                 sc_host_services.envelope(&p->host, p->type->version[0]).ptr);
        if (p->type->version[1])
            snprintf(p->version[1], sizeof p->version[1], "%.*s", (int)sc_host_services.envelope(&p->host, p->type->version[1]).len,
                     sc_host_services.envelope(&p->host, p->type->version[1]).ptr);
        sc_snapshot_judge(p);
        p->scan_only = false;
        p->second_pass = true;
        sc_poller_wake(p);
        return;
    }
    if (second < 0 || count_matches(p) || version_holds(p)) {
        p->second_pass = false;
        sc_poller_fail(p, p->cut_error.reason, SC_TIME_NONE, NULL, p->cut_error.text, NULL);
        return;
    }
    if (p->older) {
        say_older(p);
        p->finish = true;
        page_read(p);
        sc_poller_page_done(p);
        return;
    }
    ask_connector(p, WHOLE);
}

static void ask_again(struct sc_poller *p, const struct sc_verdict *verdict)
{
    struct sc_log_cx cx = sc_poller_cx(p);
    if (p->again == 0)
        p->again_for = p->asked_with;
    if (++p->again > SC_MAX_AGAIN) {
        sc_poller_fail(p, SC_REASON_PAGING_LOOP, SC_TIME_NONE, NULL, verdict->detail, NULL);
        return;
    }
    SC_LOG(sc_is_dry(p) ? SC_DEBUG : sc_reason_row(verdict->reason)->level, &cx, NULL, "%s: %s", sc_reason_code(verdict->reason), verdict->detail);
    SC_TRACE(p, "decision", NULL, "asks again, otherwise (%s): %s", sc_reason_code(verdict->reason), verdict->detail);
    if (verdict->reason == SC_REASON_CURSOR_EXPIRED) {
        sc_request_forget_asked(p); /* pages of this walk may rightly come again */
        p->last_page_hashed = false;
        p->last_list = 0;
        sc_reply_forget_page(p);
        sc_poller_read_back(p);
    }
    sc_poller_wake(p);
}

static void finished(struct sc_poller *p, const struct sc_verdict *verdict)
{
    sc_poller_give_up_page(p); /* of an attempt that was cut; what was published of it keeps the checkpoint open */
    p->finish = true;
    p->attempts = p->again = p->throttles = 0;
    if (verdict->reason) {
        p->walk_failed = true;
        sc_poller_say(p, verdict->reason, SC_TIME_NONE, verdict->detail[0] ? verdict->detail : sc_reason_meaning(verdict->reason), verdict->advice);
    }
    sc_poller_page_done(p);
}

/* A body that was to be cut cannot be read: the connector may know another way. */
static bool has_another_way(struct sc_poller *p, enum sc_reason reason)
{
    struct sc_verdict verdict = {.wait_until = SC_TIME_NONE};
    struct sc_response response = {.status = p->status, .transport = reason, .body_complete = true};
    if (sc_reason_class(reason) == SC_CLASS_LOCAL || reason == SC_REASON_INTERNAL) /* our own trouble */
        return false;
    sc_host_release(p);
    p->inst->config->connector->ops->response(&p->host, &response, &verdict);
    if (verdict.action == SC_AGAIN)
        ask_again(p, &verdict);
    else if (verdict.action == SC_FINISHED)
        finished(p, &verdict);
    return verdict.action == SC_AGAIN || verdict.action == SC_FINISHED;
}

/* transport, text: why the body is not complete, where that is not the cutter's word. */
static void page_failed(struct sc_poller *p, enum sc_reason transport, const char *text)
{
    p->second_pass = false;
    const struct sc_error *e = &p->cut_error;
    bool ours = e->reason != SC_REASON_OK;
    sc_record_drop_partial(p);
    sc_record_post(p); /* complete records of it count, whatever became of the page */
    enum sc_reason reason = ours ? e->reason : transport ? transport : SC_REASON_CONNECTION_LOST;
    if (p->page_new) /* the vendor got further than last time: not the same failure again and again */
        p->attempts = 0;
    if (p->line_broken)
        broken(p, &p->line_verdict);
    else if (!has_another_way(p, reason))
        fail(p, reason, reason == SC_REASON_BAD_RESPONSE ? 200 : 0, NULL, ours ? e->text : text, "");
}

/* All of the body has come. */
static void body_over(struct sc_poller *p)
{
    int rc = p->cut_now ? sc_cut_finish(p->cut_now, &p->cut_error) : -1;
    p->finishing = rc == SC_CUT_PAUSE;
    if (p->finishing)
        return;
    bool bare = p->reply && !p->reply->items, absent = rc && p->cut_now && sc_cut_absent(p->cut_now);
    if (rc && p->cut_now && bare && (absent || !p->body_begun)) { /* as it should be */
        sc_error_clear(&p->cut_error);
        rc = 0;
    }
    if (rc == 0) {
        page_complete(p);
    } else if (absent) {
        p->second_pass = false;
        sc_record_post(p);
        ask_connector(p, ABSENT);
    } else {
        page_failed(p, SC_REASON_OK, "");
    }
}

void sc_reply_passed_over(struct sc_poller *p)
{
    p->page->records = p->page->part_records;
    p->page->bytes = p->page->part_bytes;
    p->page_records = 0;
    p->page_hash = p->page->part_hash;
    p->cut_now = NULL; /* there is no envelope */
    sc_twins_undo(&p->twins);
    sc_host_release(p);
    ask_connector(p, PASSED);
    sc_host_release(p);
    sc_poller_wake(p);
}

/* The last line of a body came without a line end, and there was no room for its records: once more. */
void sc_reply_finish(struct sc_poller *p)
{
    body_over(p);
    sc_host_release(p);
    if (!p->finishing)
        sc_buf_done(&p->kept_head);
    sc_poller_wake(p);
}

static void disbelieve(struct sc_poller *p, const struct wait *named)
{
    struct sc_log_cx cx = sc_poller_cx(p);
    if (!p->disbelieved)
        SC_LOG(SC_WARN, &cx, NULL, "the vendor sent \"%s\", which is not believed (in the past, or over 24 h ahead): waits 30 s, doubling, instead",
               named->said[0] ? named->said : "Retry-After");
    p->disbelieved = true;
}

static struct wait wait_of(struct sc_poller *p, const struct sc_http_result *result, const struct sc_verdict *verdict, enum sc_reason reason)
{
    struct wait named = {.wait = named_wait(p, p->transfer, result, sc_reason_class(reason))};
    quote(p->transfer, named.wait.header, named.said, sizeof named.said);
    if (verdict->wait_until != SC_TIME_NONE) {
        named.wait.until_ms = own_time(p, verdict->wait_until);
        if (!named.wait.header)
            named.said[0] = '\0';
    } else if (named.wait.disbelieved) {
        disbelieve(p, &named);
        named.said[0] = '\0';
    }
    return named;
}

static void refuse(struct sc_poller *p, const struct sc_http_result *result, const struct sc_verdict *verdict, struct sc_str body)
{
    struct sc_answer answer;
    struct wait named = {.wait = {.until_ms = SC_TIME_NONE}};
    sc_answer_judge(p, result, verdict, body, &answer);
    if (result->status == 401 && !p->refused_at)
        p->refused_at = p->inst->io->now ? p->inst->io->now : 1;
    if (result->status)
        named = wait_of(p, result, verdict, answer.reason);
    else if (verdict->wait_until != SC_TIME_NONE)
        named.wait.until_ms = own_time(p, verdict->wait_until);
    if (answer.reason == SC_REASON_RATE_LIMITED && named.wait.until_ms != SC_TIME_NONE && named.wait.until_ms - sc_real_ms() > QUOTA_MS)
        answer.reason = SC_REASON_QUOTA_EXHAUSTED;
    p->too_slow_said = verdict->narrower;
    p->too_slow = verdict->narrower || result->status == 504 || result->status == 408 || answer.reason == SC_REASON_READ_TIMEOUT;
    fail(p, answer.reason, result->status, &named, answer.detail, answer.advice);
}

static void judge_refusal(struct sc_poller *p, const struct sc_http_result *result)
{
    struct sc_verdict verdict = {.wait_until = SC_TIME_NONE};
    SC_AUTO_BUF struct sc_buf body = {0};
    sc_buf_add(&body, result->prefix.ptr ? result->prefix.ptr : "", result->prefix.len);
    sc_redact_buf(&body); /* before anybody cuts it: half a secret is not recognised */
    struct sc_response response = {.status = result->status, .transport = result->reason, .body_prefix = sc_buf_str(&body), .body_complete = true};
    char detail[640];
    sc_host_release(p);
    if (p->asked_with != p->inst->credential && (result->status == 401 || result->status == 403)) {
        sc_poller_wake(p); /* the old credential's refusal does not count against the new one */
        return;
    }
    p->inst->config->connector->ops->response(&p->host, &response, &verdict);
    if (verdict.action == SC_AGAIN || verdict.action == SC_FINISHED || verdict.action == SC_PASS_OVER)
        sc_reply_keep_named_wait(p, p->transfer, result);
    if (verdict.action == SC_AGAIN) {
        ask_again(p, &verdict);
        return;
    }
    if (verdict.action == SC_FINISHED) {
        finished(p, &verdict);
        return;
    }
    if (verdict.action == SC_PASS_OVER) {
        snprintf(detail, sizeof detail, "%d %s%s%s", result->status, sc_status_phrase(result->status), verdict.detail[0] ? ": " : "", verdict.detail);
        if (sc_child_gone(p, result->status, detail))
            return;
    }
    enum sc_reason reason = verdict.action == SC_REFUSE ? verdict.reason : SC_REASON_OK;
    struct sc_foreign foreign;
    if (result->status >= 400 && sc_foreign_refusal(p, result, reason, verdict.detail, sc_buf_str(&body), &foreign)) {
        struct wait named = {.wait = named_wait(p, p->transfer, result, sc_reason_class(foreign.reason))};
        fail(p, foreign.reason, result->status, &named, foreign.detail, foreign.advice);
        return;
    }
    if (sc_signature_refused(p, result, reason)) {
        sc_poller_wake(p);
        return;
    }
    bool about_token = result->status == 401 && (reason == SC_REASON_OK || reason == SC_REASON_AUTH_INVALID || reason == SC_REASON_AUTH_EXPIRED);
    if (about_token && sc_token_refused(p)) {
        sc_poller_wake(p);
        return;
    }
    refuse(p, result, &verdict, sc_buf_str(&body));
}

void sc_reply_done(struct sc_transfer *transfer, const struct sc_http_result *result)
{
    struct sc_poller *p = result->arg;
    struct sc_io *io = p->inst->io;
    p->out--;
    sc_show_request(p->inst->source, result);
    if (p->transfer != transfer) { /* abandoned */
        sc_poller_wake(p);
        return;
    }
    sc_pace_request(p, result);
    if (p->paused) {
        p->paused = false;
        io->waiting--;
    }
    learn_budgets(p, result);
    if (p->errand)
        p->errand->clock_off_ms = result->wire.clock_off_ms;
    if (p->traced)
        sc_trace_response(p, transfer, result);
    if (is_success(result->status) && p->asked_with && !sc_is_dry(p)) {
        p->asked_with->good_at = io->now;
        p->asked_with->good_by = p;
    }
    sc_around_learn(p, result);
    p->lasting = result->lasting;
    p->open = result->open;
    bool is_page = p->is_web_page;
    if (!p->cutting) {
        judge_refusal(p, result);
    } else if (is_page) {
        sc_foreign_page_tell(p);
        page_failed(p, SC_REASON_OK, "");
    } else if (result->reason != SC_REASON_OK || result->aborted) {
        page_failed(p, result->reason, result->text);
    } else {
        body_over(p);
    }
    p->lasting = p->open = false;
    bool refused = p->hold.until_ms > io->now && sc_reason_class(p->hold.reason) == SC_CLASS_AUTH; /* an error inside a success */
    if (is_success(result->status) && p->asked_with && !refused && !is_page && !sc_is_dry(p))
        sc_worked_good(p);
    if (p->finishing) {
        sc_buf_clear(&p->kept_head);
        sc_http_headers(transfer, &p->kept_head);
    }
    p->transfer = NULL;
    sc_host_release(p);
    sc_poller_wake(p);
}
