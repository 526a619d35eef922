/* One request and its reply: asking the connector, the budgets, sending, judging the head, cutting the body, judging the end.
 * io thread of the poller. */
#include "poll/poller.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- budgets ----------------------------------------------------------------------------------------------------------------- */

int64_t sc_request_when(struct sc_poller *p, const struct sc_request *request)
{
    int64_t when = p->inst->io->now;
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && request->pools[i]; i++) {
        const struct sc_budget *b = sc_budget_of(p, request->pools[i]);
        /* No memory for a pool: asking without one would break the vendor's limit. */
        int64_t t = b ? sc_budget_when(b, p->inst->io->now) : p->inst->io->now + 1000;
        if (t > when)
            when = t;
    }
    return when;
}

static void take_budgets(struct sc_poller *p, const struct sc_request *request)
{
    unsigned n = 0;
    for (; n < SC_MAX_REQUEST_POOLS && request->pools[n]; n++) {
        struct sc_budget *b = sc_budget_of(p, request->pools[n]);
        if (b)
            sc_budget_take(b, p->inst->io->now);
        p->request_pools[n] = b ? b->pool->name : request->pools[n];
    }
    p->request_pools[n] = NULL;
}

void sc_request_release(struct sc_poller *p)
{
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && p->request_pools[i]; i++) {
        struct sc_budget *b = sc_budget_of(p, p->request_pools[i]);
        if (b)
            sc_budget_release(b);
    }
}

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
static struct sc_wait named_wait(struct sc_poller *p, const struct sc_http_result *result, enum sc_class cls)
{
    if (cls != SC_CLASS_THROTTLED && cls != SC_CLASS_RETRY)
        return (struct sc_wait){.until_ms = SC_TIME_NONE};
    struct sc_str retry_after = sc_http_header(p->transfer, "Retry-After", 0), reset = {0};
    const char *name = NULL;
    enum sc_reset_unit unit = SC_RESET_NONE;
    for (unsigned i = 0; cls == SC_CLASS_THROTTLED && p->request_pools[i] && !name; i++) {
        struct sc_budget *b = sc_budget_of(p, p->request_pools[i]);
        if (b && b->pool->reset_header) {
            name = b->pool->reset_header;
            unit = b->pool->reset_unit;
            reset = sc_http_header(p->transfer, name, 0);
        }
    }
    return sc_read_wait(retry_after, reset, name, unit, sc_real_ms(), result->date_ms);
}

/* ---- sending ------------------------------------------------------------------------------------------------------------------ */

static int add_header(char *headers[], unsigned *count, char *line)
{
    if (!line)
        return -1;
    headers[(*count)++] = line;
    headers[*count] = NULL;
    return 0;
}

static int add_auth(struct sc_poller *p, char *headers[], unsigned *count, struct sc_error *err)
{
    const struct sc_auth *auth = &p->inst->config->connector->auth;
    struct sc_buf line = {0};
    if (auth->kind == SC_AUTH_NONE)
        return 0;
    sc_buf_addf(&line, "%s: ", auth->header);
    if (sc_integration_expand(p->inst->config, auth->value, &line, err)) {
        sc_buf_done(&line);
        return -1;
    }
    return add_header(headers, count, sc_buf_take(&line));
}

/* ---- a walk never asks for the same page twice: hashes of what was read to its end -------------------------------------------------- */

static uint64_t request_hash(const char *url, const struct sc_request *rq)
{
    static const unsigned char key[16] = "one walk's urls";
    uint64_t hash = sc_siphash(key, url, strlen(url));
    if (rq->body.len)
        hash ^= sc_siphash(key, rq->body.ptr, rq->body.len) * 3;
    return hash ? hash : 1;
}

static uint64_t *url_cell(uint64_t *cells, uint32_t size, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (size - 1);
    while (cells[at] && cells[at] != hash)
        at = (at + 1) & (size - 1);
    return &cells[at];
}

static bool asked_before(const struct sc_poller *p)
{
    return p->type->shape == SC_SHAPE_LOG && p->url_cap && *url_cell(p->walk_urls, p->url_cap, p->request_hash) == p->request_hash;
}

/* Out of memory only weakens the guard: the page and time caps stay. */
static void remember_asked(struct sc_poller *p)
{
    if (p->url_count + 1 > p->url_cap / 2) {
        uint32_t size = p->url_cap ? p->url_cap * 2 : 64;
        uint64_t *cells = size > 1048576 ? NULL : calloc(size, sizeof *cells);
        if (!cells)
            return;
        for (uint32_t i = 0; i < p->url_cap; i++) {
            if (p->walk_urls[i])
                *url_cell(cells, size, p->walk_urls[i]) = p->walk_urls[i];
        }
        free(p->walk_urls);
        p->walk_urls = cells;
        p->url_cap = size;
    }
    *url_cell(p->walk_urls, p->url_cap, p->request_hash) = p->request_hash;
    p->url_count++;
}

void sc_request_forget_asked(struct sc_poller *p)
{
    free(p->walk_urls);
    p->walk_urls = NULL;
    p->url_count = p->url_cap = 0;
}

static bool on_head(void *arg, struct sc_transfer *transfer, int status);
static ptrdiff_t on_body(void *arg, struct sc_transfer *transfer, const char *bytes, size_t len);

static int start(struct sc_poller *p, const struct sc_request *rq, const char *url, char *headers[], struct sc_error *err)
{
    const struct sc_integration *config = p->inst->config;
    struct sc_http_request hr = {
        .method = rq->method == SC_POST ? "POST" : "GET",
        .url = url,
        .headers = (const char *const *)headers,
        .content = rq->body,
        .proxy = config->proxy,
        .ca_file = config->ca_file,
        .verify = config->tls_verify,
        .allow_plain_http = config->allow_insecure_http,
        .arg = p,
        .head = on_head,
        .body = on_body,
    };
    p->transfer = sc_http_start(p->inst->io->http, &hr, err);
    return p->transfer ? 0 : -1;
}

static void send_it(struct sc_poller *p, const struct sc_request *rq)
{
    struct sc_error err = SC_ERROR_INIT;
    SC_AUTO_BUF struct sc_buf url = {0};
    char *headers[SC_MAX_REQUEST_HEADERS + 3] = {NULL};
    unsigned count = 0;
    char shown[512];
    int rc = sc_url_join(p->inst->config->base_url, rq->url, &url);
    for (unsigned i = 0; rc == 0 && i < SC_MAX_REQUEST_HEADERS && rq->headers[i].name; i++)
        rc = add_header(headers, &count, sc_printf("%s: %s", rq->headers[i].name, rq->headers[i].value));
    if (rc == 0 && !rq->no_auth)
        rc = add_auth(p, headers, &count, &err);
    if (rc == 0)
        p->request_hash = request_hash(url.ptr, rq);
    bool loop = rc == 0 && asked_before(p);
    if (rc == 0 && !loop) {
        take_budgets(p, rq);
        p->asked_with = p->inst->credential;
        p->cutting = p->count_failed = false;
        p->page_records = 0;
        p->page_hash = 0;
        sc_error_clear(&p->cut_error);
        rc = start(p, rq, url.ptr, headers, &err);
        if (rc)
            sc_request_release(p);
    }
    for (unsigned i = 0; i < count; i++)
        sc_secret_free(headers[i]);
    if (loop) {
        char detail[700];
        snprintf(detail, sizeof detail, "the vendor named %s as the next page, which this walk has read already: stopped, the next poll goes on from there",
                 sc_redact_url(url.ptr, shown, sizeof shown));
        p->walk_failed = p->finish = true;
        sc_poller_say(p, SC_REASON_PAGING_LOOP, SC_TIME_NONE, detail, NULL);
        sc_poller_wake(p);
    } else if (rc == 0) {
        struct sc_log_cx cx = sc_poller_cx(p);
        p->out++;
        SC_LOG(SC_DEBUG, &cx, NULL, "request %s", sc_redact_url(url.ptr, shown, sizeof shown));
    } else {
        sc_poller_fail(p, err.reason ? err.reason : SC_REASON_MEMORY_LIMIT, SC_TIME_NONE, NULL, err.text[0] ? err.text : "out of memory", NULL);
    }
}

void sc_request_send(struct sc_poller *p)
{
    struct sc_request rq = {0};
    struct sc_io *io = p->inst->io;
    sc_host_release(p);
    enum sc_next next = p->inst->config->connector->ops->request(&p->host, &rq);
    if (next == SC_SEND && !rq.url) {
        sc_poller_fail(p, SC_REASON_MEMORY_LIMIT, SC_TIME_NONE, NULL, "out of memory for a request", NULL);
        return;
    }
    if (next == SC_DONE) {
        sc_poller_give_up_page(p);
        p->finish = true;
        p->walk_whole = p->type->shape == SC_SHAPE_LOG;
        sc_poller_page_done(p);
        return;
    }
    if (!p->exists && !p->anchored) { /* the very first walk: what it froze stands before anything is asked */
        sc_save_anchor(p);
        return;
    }
    int64_t when = sc_request_when(p, &rq);
    if (when > io->now) {
        char until[SC_TIME_TEXT], detail[200];
        int64_t real = when == INT64_MAX ? SC_TIME_NONE : sc_real_ms() + (when - io->now);
        if (when == INT64_MAX)
            snprintf(detail, sizeof detail, "waits until another request of this source has ended");
        else
            snprintf(detail, sizeof detail, "waits for the request budget until %s", sc_time_short(real, sc_real_ms(), until));
        if (when - io->now > 1000)
            sc_poller_say(p, SC_REASON_BUDGET_WAIT, real, detail, NULL);
        int64_t look_again = when == INT64_MAX ? io->now + 250 : when;
        p->budget_wait_ms += look_again - io->now;
        sc_heap_set(&io->heap, &p->timer, look_again);
        return;
    }
    send_it(p, &rq);
}

/* ---- the head ------------------------------------------------------------------------------------------------------------------- */

static bool is_success(int status)
{
    return status >= 200 && status < 300;
}

static void open_page(struct sc_poller *p)
{
    if (p->page)
        return; /* the same page again */
    uint32_t at = (p->page_head + p->page_count++) % SC_OPEN_PAGES;
    p->page = &p->pages[at];
    *p->page = (struct sc_open_page){.number = p->next_page++,
                                     .floor = sc_publisher_known_seq(p->inst->io->config.publisher),
                                     .newest_ms = SC_TIME_NONE};
}

static bool ready_to_cut(struct sc_poller *p)
{
    if (!p->cut)
        p->cut = sc_json_cut_new(&p->cut_spec, sc_record_sink(p), &p->cut_error);
    if (!p->cut)
        return false;
    sc_json_cut_reset(p->cut);
    sc_record_drop_partial(p);
    open_page(p);
    p->page->records = p->page->bytes = 0;
    p->page_new = 0;
    if (p->type->shape == SC_SHAPE_SNAPSHOT) {
        sc_map_begin(&p->map);
        if (!p->second_pass)
            p->version_known = p->scan_only = p->older = false;
    }
    return true;
}

/* Date has whole seconds: the middle of the second is the best guess. */
static void learn_clock(struct sc_source *source, int64_t date_ms)
{
    if (date_ms == SC_TIME_NONE)
        return;
    source->offset_ms = date_ms + 500 - sc_real_ms();
    source->offset_known = true;
}

static bool on_head(void *arg, struct sc_transfer *transfer, int status)
{
    struct sc_poller *p = arg;
    struct sc_verdict verdict = {.wait_until = SC_TIME_NONE};
    struct sc_response response = {.status = status};
    if (p->transfer != transfer)
        return false;
    learn_clock(p->inst->source, sc_time_parse_http(sc_http_header(transfer, "Date", 0)));
    sc_host_release(p);
    p->inst->config->connector->ops->response(&p->host, &response, &verdict);
    p->cutting = verdict.action == SC_CUT || (verdict.action == SC_BY_STATUS && is_success(status));
    return p->cutting && ready_to_cut(p);
}

/* ---- the body -------------------------------------------------------------------------------------------------------------------- */

static ptrdiff_t on_body(void *arg, struct sc_transfer *transfer, const char *bytes, size_t len)
{
    struct sc_poller *p = arg;
    size_t used = 0;
    if (p->transfer != transfer)
        return -1;
    int rc = sc_json_cut_feed(p->cut, bytes, len, &used, &p->cut_error);
    if (rc < 0)
        return -1;
    if (rc == SC_CUT_PAUSE && !p->paused) { /* paused for something else than a batch (the anchor) */
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

static void page_read(struct sc_poller *p)
{
    struct sc_open_page *page = p->page;
    p->walk_page++;
    p->walk_pages++;
    page->complete = true;
    page->position = json_deep_copy(p->position);
    page->walk = json_deep_copy(p->walk);
    page->walk_page = p->walk_page;
    p->page = NULL;
    p->second_pass = false;
    remember_asked(p);
    p->attempts = p->again = p->throttles = 0;
    p->hold = (struct sc_hold){0};
    p->inst->source->failures = 0;
    p->inst->source->hold = (struct sc_hold){0};
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

static void page_complete(struct sc_poller *p)
{
    struct sc_page in = {.records = p->page_records, .number = p->walk_page + 1, .newest_time = p->walk_newest};
    char detail[256] = "";
    sc_record_post(p);
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
    in.newest_text = sc_str_of(p->walk_newest_text);
    switch (p->inst->config->connector->ops->page(&p->host, &in, detail)) {
    case SC_MORE:
        break;
    case SC_WALKED:
        p->finish = p->walk_whole = true;
        keep_version(p);
        break;
    case SC_LOOP:
        p->walk_failed = p->finish = true;
        sc_poller_say(p, SC_REASON_PAGING_LOOP, SC_TIME_NONE, detail, NULL);
        break;
    case SC_BROKEN:
        sc_poller_fail(p, SC_REASON_BAD_RESPONSE, SC_TIME_NONE, NULL, detail, NULL);
        return;
    }
    page_read(p);
    sc_poller_page_done(p);
}

static void page_failed(struct sc_poller *p, const struct sc_http_result *result)
{
    p->second_pass = false;
    const struct sc_error *e = &p->cut_error;
    bool ours = e->reason != SC_REASON_OK;
    sc_record_drop_partial(p);
    sc_record_post(p); /* complete records of it count, whatever became of the page */
    enum sc_reason reason = ours ? e->reason : result->reason ? result->reason : SC_REASON_CONNECTION_LOST;
    if (p->page_new) /* the vendor got further than last time: not the same failure again and again */
        p->attempts = 0;
    sc_poller_fail(p, reason, SC_TIME_NONE, NULL, ours ? e->text : result->text, NULL);
}

static void ask_again(struct sc_poller *p, const struct sc_verdict *verdict)
{
    struct sc_log_cx cx = sc_poller_cx(p);
    if (++p->again > SC_MAX_AGAIN) {
        sc_poller_fail(p, SC_REASON_PAGING_LOOP, SC_TIME_NONE, NULL, verdict->detail, NULL);
        return;
    }
    SC_LOG(sc_reason_row(verdict->reason)->level, &cx, NULL, "%s: %s", sc_reason_code(verdict->reason), verdict->detail);
    if (verdict->reason == SC_REASON_CURSOR_EXPIRED) {
        sc_request_forget_asked(p); /* pages of this walk may rightly come again */
        p->last_page_hashed = false;
        sc_poller_read_back(p);
    }
    sc_poller_wake(p);
}

static void judge_refusal(struct sc_poller *p, const struct sc_http_result *result)
{
    struct sc_verdict verdict = {.wait_until = SC_TIME_NONE};
    struct sc_response response = {.status = result->status, .transport = result->reason, .body_prefix = result->prefix, .body_complete = true};
    struct sc_wait wait = {.until_ms = SC_TIME_NONE};
    char detail[640];
    sc_host_release(p);
    if (p->asked_with != p->inst->credential && (result->status == 401 || result->status == 403)) {
        sc_poller_wake(p); /* the old credential's refusal does not count against the new one */
        return;
    }
    p->inst->config->connector->ops->response(&p->host, &response, &verdict);
    if (verdict.action == SC_AGAIN) {
        ask_again(p, &verdict);
        return;
    }
    if (verdict.action == SC_FINISHED) {
        sc_poller_give_up_page(p); /* of an attempt that was cut; what was published of it keeps the checkpoint open */
        p->finish = true;
        p->attempts = p->again = p->throttles = 0;
        sc_poller_page_done(p);
        return;
    }
    enum sc_reason reason = verdict.action == SC_REFUSE ? verdict.reason : SC_REASON_OK;
    if (result->status == 0) {
        reason = reason ? reason : result->reason ? result->reason : SC_REASON_CONNECTION_LOST;
        snprintf(detail, sizeof detail, "%s%s%s", verdict.detail, verdict.detail[0] ? "; " : "", result->text);
    } else {
        struct sc_status_reading reading = sc_read_status(result->status, p->asked_with && p->asked_with->worked);
        reason = reason ? reason : reading.reason ? reading.reason : SC_REASON_BAD_RESPONSE;
        snprintf(detail, sizeof detail, "%d %s%s%s", result->status, reading.phrase, verdict.detail[0] ? ": " : "", verdict.detail);
        wait = named_wait(p, result, sc_reason_class(reason));
    }
    if (verdict.wait_until != SC_TIME_NONE)
        wait.until_ms = verdict.wait_until;
    if (wait.disbelieved) {
        struct sc_log_cx cx = sc_poller_cx(p);
        SC_LOG(SC_WARN, &cx, NULL, "the vendor's %s is not believed (in the past, or over 24 h ahead)", wait.header ? wait.header : "Retry-After");
    }
    sc_poller_fail(p, reason, wait.until_ms, wait.header, detail, verdict.advice[0] ? verdict.advice : NULL);
}

void sc_request_done(struct sc_transfer *transfer, const struct sc_http_result *result)
{
    struct sc_poller *p = result->arg;
    struct sc_io *io = p->inst->io;
    p->out--;
    if (p->transfer != transfer) { /* abandoned */
        sc_poller_wake(p);
        return;
    }
    if (p->paused) {
        p->paused = false;
        io->waiting--;
    }
    learn_budgets(p, result);
    p->timing = result->timing;
    if (is_success(result->status) && p->asked_with)
        p->asked_with->worked = true;
    if (!p->cutting)
        judge_refusal(p, result);
    else if (result->reason != SC_REASON_OK || result->aborted || sc_json_cut_finish(p->cut, &p->cut_error))
        page_failed(p, result);
    else
        page_complete(p);
    p->transfer = NULL;
    sc_host_release(p);
    sc_poller_wake(p);
}
