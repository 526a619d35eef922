/* agent/http's functions as the agent sees them, played from a script (http.h is their manual). */
#include "vendor.h"

#include "base/clock.h"
#include "script.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX_MAX 65536

struct sc_http {
    struct sc_transfer *first, **last;
    void (*done)(struct sc_transfer *transfer, const struct sc_http_result *result);
    struct sc_http_config config;
    size_t chunk;
    unsigned matches;
    bool in_turn;
    char *unseen;
};

struct sc_transfer {
    struct sc_transfer *next;
    struct sc_http *http;
    char *method, *url;
    struct sc_buf headers, content;
    struct sc_http_request request; /* callbacks, arg and limits; its texts are not used */
    unsigned matched;               /* 0: the script has not looked at it; else the order */
    bool has_reply, head_done, wants_body, paused, in_body, resume_asked, cancelled, ended;
    struct ex_reply reply;
    size_t offered;
    int64_t began_ms, answered_ms; /* by the script's clock: what the request took */
    struct sc_http_result result;
};

/* ---- the agent's side --------------------------------------------------------------------------------------------------------- */

struct sc_http *sc_http_new(const struct sc_http_config *config, struct sc_error *err)
{
    struct sc_http *http = calloc(1, sizeof *http);
    if (!http) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
        return NULL;
    }
    http->config = *config;
    http->last = &http->first;
    return http;
}

static void transfer_free(struct sc_transfer *t)
{
    free(t->method);
    free(t->url);
    sc_buf_done(&t->headers);
    sc_buf_done(&t->content);
    free(t);
}

struct sc_http *sc_http_free(struct sc_http *http)
{
    while (http && http->first) {
        struct sc_transfer *next = http->first->next;
        transfer_free(http->first);
        http->first = next;
    }
    if (http)
        free(http->unseen);
    free(http);
    return NULL;
}

void sc_http_adopt(struct sc_http *http)
{
    (void)http;
}

void sc_http_wakeup(struct sc_http *http)
{
    (void)http; /* nothing ever waits here */
}

void sc_http_set_done(struct sc_http *http, void (*done)(struct sc_transfer *transfer, const struct sc_http_result *result))
{
    http->done = done;
}

/* A connection alone: the script does not see it, the way is always good. */
static void connect_only(struct sc_transfer *t)
{
    struct sc_http_wire *w = &t->result.wire;
    snprintf(w->address, sizeof w->address, "192.0.2.7");
    snprintf(w->tried, sizeof w->tried, "192.0.2.7");
    snprintf(w->tls, sizeof w->tls, "TLSv1.3");
    snprintf(w->subject, sizeof w->subject, "*.example.com");
    snprintf(w->issuer, sizeof w->issuer, "Example CA");
    w->port = 443;
    w->chain = 2;
    w->verified = t->request.verify;
    w->not_after_ms = sc_real_ms() + INT64_C(90) * 86400000 + 1000;
    t->matched = ++t->http->matches;
    t->ended = true;
}

struct sc_transfer *sc_http_start(struct sc_http *http, const struct sc_http_request *request, struct sc_error *err)
{
    char origin[512];
    if (sc_url_origin(request->url, origin, sizeof origin)) {
        sc_fail(err, SC_REASON_CONFIG_INVALID, "not a usable http or https URL: check host and base URL");
        return NULL;
    }
    if (sc_url_is_plain_http(request->url) && !request->allow_plain_http && !sc_url_is_loopback(request->url)) {
        sc_fail(err, SC_REASON_CONFIG_INVALID, "http:// to %s would send credentials in the clear", origin);
        return NULL;
    }
    struct sc_transfer *t = calloc(1, sizeof *t);
    if (!t) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
        return NULL;
    }
    t->http = http;
    t->began_ms = sc_mono_ms();
    t->request = *request;
    t->method = sc_dup(request->method ? request->method : "GET");
    t->url = sc_dup(request->url);
    for (const char *const *line = request->headers; line && *line; line++)
        sc_buf_addf(&t->headers, "%s\n", *line);
    sc_buf_add(&t->content, request->content.ptr ? request->content.ptr : "", request->content.len);
    t->result = (struct sc_http_result){.arg = request->arg, .date_ms = SC_TIME_NONE, .wire.clock_off_ms = SC_TIME_NONE};
    *http->last = t;
    http->last = &t->next;
    if (request->connect_only)
        connect_only(t);
    return t;
}

void sc_http_cancel(struct sc_transfer *t)
{
    t->cancelled = true;
}

void sc_http_resume(struct sc_transfer *t)
{
    if (t->paused || t->in_body)
        t->resume_asked = true;
}

struct sc_str sc_http_header(const struct sc_transfer *t, const char *name, unsigned nth)
{
    return t->head_done ? ex_header(t->reply.headers, name, nth) : (struct sc_str){0};
}

int sc_http_headers(const struct sc_transfer *t, struct sc_buf *out)
{
    if (t->head_done && t->reply.headers[0])
        sc_buf_addf(out, "%s\n", t->reply.headers);
    return out->failed ? -1 : 0;
}

/* ---- a turn -------------------------------------------------------------------------------------------------------------------- */

static void begin_reply(struct sc_transfer *t)
{
    t->head_done = true;
    t->result.status = t->reply.status;
    t->result.date_mono_ms = t->answered_ms = sc_mono_ms();
    t->result.timing.first_byte = (uint32_t)(t->answered_ms - t->began_ms);
    int64_t dns;
    if (sc_parse_int(sc_http_header(t, "Exchange-Dns-Ms", 0), &dns))
        t->result.timing.dns = (uint32_t)dns;
    struct sc_str date = sc_http_header(t, "Date", 0);
    t->result.date_ms = date.ptr ? sc_time_parse_http(date) : SC_TIME_NONE;
    if (t->result.date_ms != SC_TIME_NONE)
        t->result.wire.clock_off_ms = t->result.date_ms + 500 - sc_real_ms();
    if (t->reply.status)
        t->wants_body = t->request.head && t->request.head(t->request.arg, t, t->reply.status);
}

static void feed(struct sc_transfer *t)
{
    const struct sc_http *http = t->http;
    size_t left = http->config.turn_bytes, most = t->reply.body_len;
    while (t->offered < most && left && !t->cancelled) {
        size_t n = most - t->offered;
        if (http->chunk && n > http->chunk)
            n = http->chunk;
        n = n < left ? n : left;
        /* A copy of exactly that size, so that a sanitizer sees whoever reads further. */
        char *piece = malloc(n);
        if (!piece)
            abort();
        memcpy(piece, t->reply.body + t->offered, n);
        t->in_body = true;
        ptrdiff_t used = t->request.body(t->request.arg, t, piece, n);
        t->in_body = false;
        free(piece);
        assert(used <= (ptrdiff_t)n);
        if (used < 0) {
            t->result.aborted = t->ended = true;
            return;
        }
        t->offered += (size_t)used;
        left -= (size_t)used;
        if ((size_t)used < n) {
            t->paused = true;
            return;
        }
    }
    t->ended = t->offered == most;
}

static void advance(struct sc_transfer *t)
{
    if (!t->head_done)
        begin_reply(t);
    if (t->wants_body && !t->ended)
        feed(t);
    else
        t->ended = true;
    if (!t->ended || t->result.aborted)
        return;
    t->result.timing.transfer = (uint32_t)(sc_mono_ms() - t->answered_ms);
    t->result.reason = t->reply.reason;
    snprintf(t->result.text, sizeof t->result.text, "%s", t->reply.reason ? t->reply.text : "");
    t->result.bytes_decoded = t->result.bytes_wire = t->reply.body_len;
    if (!t->wants_body)
        t->result.prefix = (struct sc_str){t->reply.body ? t->reply.body : "", t->reply.body_len < PREFIX_MAX ? t->reply.body_len : PREFIX_MAX};
}

static void end(struct sc_http *http, struct sc_transfer *t)
{
    struct sc_transfer **at = &http->first;
    if (t->cancelled) {
        t->result.aborted = true;
        t->result.reason = SC_REASON_OK;
        if (!t->matched && !http->unseen)
            http->unseen = sc_printf("%s %s", t->method, t->url);
    }
    if (t->request.done)
        t->request.done(t, &t->result);
    else
        http->done(t, &t->result);
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    if (http->last == &t->next)
        http->last = at;
    transfer_free(t);
}

void sc_http_turn(struct sc_http *http, int64_t timeout_ms)
{
    (void)timeout_ms; /* time passes when the script says so */
    struct sc_transfer *next;
    assert(!http->in_turn);
    http->in_turn = true;
    for (struct sc_transfer *t = http->first; t; t = next) {
        next = t->next;
        if (t->resume_asked)
            t->paused = t->resume_asked = false;
        if (t->has_reply && !t->paused && !t->cancelled)
            advance(t);
        if (t->ended || t->cancelled)
            end(http, t); /* what is started in there has its first turn later */
    }
    http->in_turn = false;
}

/* ---- the script's side -------------------------------------------------------------------------------------------------------- */

struct sc_transfer *ex_vendor_pending(const struct sc_http *http)
{
    for (struct sc_transfer *t = http->first; t; t = t->next) {
        if (!t->matched && !t->cancelled)
            return t;
    }
    return NULL;
}

unsigned ex_vendor_pending_count(const struct sc_http *http)
{
    unsigned n = 0;
    for (const struct sc_transfer *t = http->first; t; t = t->next)
        n += !t->matched && !t->cancelled;
    return n;
}

void ex_vendor_match(struct sc_http *http, struct sc_transfer *t)
{
    t->matched = ++http->matches;
}

struct sc_transfer *ex_vendor_matched(const struct sc_http *http)
{
    struct sc_transfer *newest = NULL;
    for (struct sc_transfer *t = http->first; t; t = t->next) {
        if (t->matched && !t->has_reply && !t->cancelled && (!newest || t->matched > newest->matched))
            newest = t;
    }
    return newest;
}

void ex_vendor_reply(struct sc_transfer *t, const struct ex_reply *reply)
{
    t->reply = *reply;
    t->has_reply = true;
}

const char *ex_vendor_method(const struct sc_transfer *t)
{
    return t->method;
}

const char *ex_vendor_url(const struct sc_transfer *t)
{
    return t->url;
}

const char *ex_vendor_headers(const struct sc_transfer *t)
{
    return t->headers.ptr ? t->headers.ptr : "";
}

struct sc_str ex_vendor_body(const struct sc_transfer *t)
{
    return sc_buf_str(&t->content);
}

bool ex_vendor_busy(const struct sc_http *http)
{
    for (const struct sc_transfer *t = http->first; t; t = t->next) {
        if (t->cancelled || t->ended || t->resume_asked || (t->has_reply && !t->paused))
            return true;
    }
    return false;
}

void ex_vendor_chunk(struct sc_http *http, size_t bytes)
{
    http->chunk = bytes;
}

const char *ex_vendor_unseen(const struct sc_http *http)
{
    return http->unseen;
}
