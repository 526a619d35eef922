/* One request: asking the connector, the budgets, the token, sending. Its reply is reply.c.
 * io thread of the poller. */
#include "poll/errand.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- budgets ----------------------------------------------------------------------------------------------------------------- */

int64_t sc_request_when(struct sc_poller *p, const struct sc_request *request)
{
    int64_t when = p->inst->io->now;
    if (sc_is_backfill(p))
        return sc_backfill_when(p, request);
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && request->pools[i]; i++) {
        const struct sc_budget *b = sc_budget_of(p, request->pools[i]);
        /* No memory for a pool: asking without one would break the vendor's limit. */
        int64_t t = b ? sc_budget_when(b, p->inst->io->now) : p->inst->io->now + 1000;
        if (t > when)
            when = t;
    }
    return when;
}

void sc_request_take(struct sc_poller *p, const struct sc_request *request)
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
static void remember(struct sc_poller *p, uint64_t hash)
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
    uint64_t *cell = url_cell(p->walk_urls, p->url_cap, hash);
    p->url_count += *cell == 0;
    *cell = hash;
}

void sc_request_remember(struct sc_poller *p)
{
    remember(p, p->request_hash);
    if (p->list_hash)
        remember(p, p->list_hash);
}

void sc_request_forget_asked(struct sc_poller *p)
{
    free(p->walk_urls);
    p->walk_urls = NULL;
    p->url_count = p->url_cap = 0;
}

/* ---- sending ------------------------------------------------------------------------------------------------------------------ */

/* The vendor's own host, and not one that the operator named in its place, or runs. */
static bool is_public(const struct sc_integration *config)
{
    return !sc_integration_value(config, "base_url") && strncmp(config->connector->base_url, "https://", 8) == 0;
}

void sc_request_connects(const struct sc_integration *config, struct sc_http_request *hr)
{
    hr->proxy = config->proxy;
    hr->ca_file = config->ca_file;
    hr->cert_file = config->cert_file;
    hr->key_file = config->key_file;
    hr->verify = config->tls_verify;
    hr->allow_plain_http = config->allow_insecure_http;
    hr->public_host = is_public(config);
}

static int start(struct sc_poller *p, const struct sc_request *rq, const char *url, char *headers[], struct sc_error *err)
{
    const struct sc_integration *config = p->inst->config;
    struct sc_http_request hr = {
        .method = sc_method_name(rq->method),
        .url = url,
        .headers = (const char *const *)headers,
        .content = rq->body,
        .first_byte_timeout_s = rq->first_byte_s,
        .no_redirects = !rq->no_auth && sc_auth_is_signed(p),
        .arg = p,
        .head = sc_reply_head,
        .body = sc_reply_body,
    };
    sc_request_connects(config, &hr);
    p->transfer = sc_http_start(p->inst->io->http, &hr, err);
    return p->transfer ? 0 : -1;
}

/* Into identities, so nothing that they may not hold. */
static int take_suffix(struct sc_poller *p, const char *suffix, struct sc_error *err)
{
    size_t len = suffix ? strlen(suffix) : 0;
    bool good = len <= SC_ID_SUFFIX_MAX && (!len || p->type->identity == SC_CONTENT);
    for (size_t i = 0; i < len && good; i++)
        good = suffix[i] >= '!' && suffix[i] <= '~';
    if (!good)
        return sc_fail(err, SC_REASON_INTERNAL, "the connector gives identities an ending that they cannot have");
    memcpy(p->id_suffix, suffix ? suffix : "", len + 1);
    return 0;
}

static void send_it(struct sc_poller *p, const struct sc_request *rq)
{
    struct sc_error err = SC_ERROR_INIT;
    SC_AUTO_BUF struct sc_buf url = {0};
    char *headers[SC_HEADER_LINES] = {NULL};
    char shown[512];
    int rc = sc_url_join(p->inst->config->base_url, rq->url, &url);
    if (rc == 0)
        rc = sc_authorize(p, rq, url.ptr, headers, &err);
    if (rc == 0)
        p->request_hash = request_hash(url.ptr, rq);
    sc_secret_free(p->asked_url);
    p->asked_url = rc == 0 ? sc_dup(url.ptr) : NULL; /* without memory for it a sentence says less */
    bool loop = rc == 0 && !rq->may_repeat && asked_before(p);
    if (rc == 0 && !loop && sc_child_ask(p, rq))
        rc = sc_fail(&err, SC_REASON_MEMORY_LIMIT, "out of memory for a request");
    if (rc == 0 && !loop)
        rc = take_suffix(p, rq->id_suffix, &err);
    if (rc == 0 && !loop) {
        sc_poller_waited(p);
        sc_request_take(p, rq);
        p->asked_with = p->inst->credential;
        p->asked_rev = p->inst->config->rev;
        p->asked_serial = p->asked_token ? p->asked_token->serial : 0;
        p->reply = rq->reply;
        p->may_repeat = rq->may_repeat;
        p->newest_until = rq->newest_until;
        p->asked_at = sc_source_now(p->inst->source);
        p->asked_ms = p->inst->io->now;
        p->remember_as = rq->remember_as;
        p->view = rq->view ? sc_siphash(p->fingerprint_key, rq->view, strlen(rq->view)) : 0;
        p->cutting = p->count_failed = false;
        p->page_records = p->page_new = 0;
        p->page_hash = p->page ? p->page->part_hash : 0;
        sc_error_clear(&p->cut_error);
        rc = start(p, rq, url.ptr, headers, &err);
        if (rc)
            sc_request_release(p);
    }
    if (rc == 0 && !loop && p->traced)
        sc_trace_request(p, rq, url.ptr, headers);
    for (unsigned i = 0; headers[i]; i++)
        sc_secret_free(headers[i]);
    if (loop) {
        char detail[700];
        snprintf(detail, sizeof detail, "the vendor named %s as the next page, which this walk has read already: stopped, the next poll goes on from its position",
                 sc_redact_url(url.ptr, shown, sizeof shown));
        p->walk_failed = p->finish = true;
        sc_poller_say(p, SC_REASON_PAGING_LOOP, SC_TIME_NONE, detail, NULL);
        sc_poller_wake(p);
    } else if (rc == 0) {
        struct sc_log_cx cx = sc_poller_cx(p);
        p->out++;
        if (p->errand)
            p->errand->requests++;
        SC_LOG(SC_DEBUG, &cx, NULL, "request %s", sc_redact_url(url.ptr, shown, sizeof shown));
    } else {
        sc_poller_fail(p, err.reason ? err.reason : SC_REASON_MEMORY_LIMIT, SC_TIME_NONE, NULL, err.text[0] ? err.text : "out of memory", NULL);
    }
}

/* The connector says that it is too early. The walk stays open; how long it may take in all is limited as ever. */
static bool too_early(struct sc_poller *p, const struct sc_request *rq)
{
    struct sc_io *io = p->inst->io;
    int64_t left = rq->not_before ? rq->not_before - sc_source_now(p->inst->source) : 0;
    char until[SC_TIME_TEXT], detail[300];
    if (left <= 0)
        return false;
    if (sc_poller_capped(p))
        return true;
    int64_t real = sc_real_ms() + left, cap_left = p->walk_began + io->config.settings->poll_max_time_s * 1000 - io->now;
    snprintf(detail, sizeof detail, "waits until %s%s%.200s", sc_time_short(real, sc_real_ms(), until), rq->waits_for ? " for " : "",
             rq->waits_for ? rq->waits_for : "");
    if (left > 1000)
        sc_poller_say(p, SC_REASON_WAITS_FOR_VENDOR, real, detail, NULL);
    sc_pace_wait(p, SC_SPENT_VENDOR_WAIT);
    left = left < cap_left ? left : cap_left;
    sc_heap_set(&io->heap, &p->timer, io->now + (left < 3600000 ? left : 3600000));
    return true;
}

/* Of the pools, the one that makes it wait longest; who shares it, and what others have used. */
static void say_over_budget(struct sc_poller *p, const struct sc_request *rq, int64_t when)
{
    struct sc_io *io = p->inst->io;
    struct sc_budget *latest = NULL;
    struct sc_buf detail SC_AUTO_BUF = {0};
    char until[SC_TIME_TEXT];
    int64_t real = when == INT64_MAX ? SC_TIME_NONE : sc_real_ms() + (when - io->now);
    unsigned sharing = 0;
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && rq->pools[i]; i++) {
        struct sc_budget *b = sc_budget_of(p, rq->pools[i]);
        if (b && (!latest || sc_budget_when(b, io->now) > sc_budget_when(latest, io->now)))
            latest = b;
    }
    for (const struct sc_instance *i = io->instances; i; i = i->next)
        sharing += i->source == p->inst->source && !i->retired && i->config->enabled;
    if (when == INT64_MAX)
        sc_buf_add_str(&detail, "waits until another request of this source has ended");
    else
        sc_buf_addf(&detail, "waits for the request budget until %s", sc_time_short(real, sc_real_ms(), until));
    if (latest) {
        sc_buf_add_str(&detail, "; ");
        sc_budget_describe(latest, io->now, &detail);
    }
    if (sharing > 1)
        sc_buf_addf(&detail, "; %u integrations share it", sharing);
    sc_poller_say(p, SC_REASON_BUDGET_WAIT, real, sc_buf_str(&detail).ptr, NULL);
}

static bool over_budget(struct sc_poller *p, const struct sc_request *rq)
{
    struct sc_io *io = p->inst->io;
    int64_t when = sc_request_when(p, rq);
    p->over_budget = when > io->now;
    if (!p->over_budget)
        return false;
    int64_t look_again = when == INT64_MAX ? io->now + 250 : when;
    if (sc_is_backfill(p)) { /* whose place it is: nothing to be told */
        sc_heap_set(&io->heap, &p->timer, look_again);
        return true;
    }
    if (when - io->now > 1000)
        say_over_budget(p, rq, when);
    sc_pace_wait(p, SC_SPENT_BUDGET_WAIT);
    sc_show_budget_wait(p, look_again);
    sc_heap_set(&io->heap, &p->timer, look_again);
    return true;
}

void sc_request_send(struct sc_poller *p)
{
    struct sc_request rq = {0};
    sc_host_release(p);
    p->sized = false;
    enum sc_next next = p->inst->config->connector->ops->request(&p->host, &rq);
    if (next == SC_SEND && !rq.url) {
        sc_poller_fail(p, SC_REASON_MEMORY_LIMIT, SC_TIME_NONE, NULL, "out of memory for a request", NULL);
        return;
    }
    if (next == SC_UNABLE) {
        sc_poller_fail(p, SC_REASON_CONFIG_INVALID, SC_TIME_NONE, NULL, rq.why ? rq.why : "the settings allow no request", NULL);
        return;
    }
    if (next == SC_DONE) {
        sc_poller_give_up_page(p);
        p->finish = true;
        p->walk_whole = p->type->shape == SC_SHAPE_LOG;
        sc_poller_page_done(p);
        return;
    }
    if (p->cp.gaps && json_array_size(p->cp.gaps)) { /* a gap was found while the request was made: it goes first */
        sc_poller_wake(p);
        return;
    }
    if (!p->exists && !p->anchored) { /* the very first walk: what it froze stands before anything is asked */
        sc_save_anchor(p);
        sc_pace_wait(p, SC_SPENT_NATS_WAIT);
        return;
    }
    if (sc_is_dry(p) && rq.after_save) {
        sc_dry_would_make(p, &rq);
        return;
    }
    if (too_early(p, &rq))
        return;
    if (rq.after_save && !sc_save_holds_walk(p)) {
        sc_save_walk(p);
        sc_pace_wait(p, SC_SPENT_NATS_WAIT);
        return;
    }
    if (over_budget(p, &rq))
        return;
    if (!rq.no_auth && sc_auth_needs_token(p) && !sc_token_ready(p))
        return;
    send_it(p, &rq);
}
