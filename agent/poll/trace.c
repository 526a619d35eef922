/* A trace: what is asked, what comes back, what is made of it, in order, for people who listen (errand.h). Everything in it passes the redactor; what
 * signs somebody in is not shown at all, known or not. io thread of the poller. */
#include "poll/errand.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define BODY_SHOWN 400u
#define BODY_KEPT  65536u    /* of a reply, so that a secret in it is known as one before it is cut */
#define BODY_MOST  1048576u  /* a longer request body is not looked at */

/* ---- a line ------------------------------------------------------------------------------------------------------------------------------- */

static json_t *line_of(const struct sc_poller *p, const char *kind, const char *text)
{
    char at[SC_TIME_TEXT];
    json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:o*}", "at", sc_time_rfc3339(sc_real_ms(), at), "integration", p->inst->config->name, "data_type",
                             p->type->name, "kind", kind, "text", sc_sink_text(sc_str_of(text)));
    if (line && sc_is_dry(p))
        json_object_set_new(line, "dry", json_true());
    return line;
}

static void put(struct sc_poller *p, const char *kind, json_t *more, const char *text)
{
    json_t *line = line_of(p, kind, text);
    if (line && more)
        json_object_update(line, more);
    for (struct sc_listener *l = p->listeners; line && l; l = l->next) {
        if (l->trace)
            sc_sink_put(l->trace, "trace", json_deep_copy(line));
    }
    json_decref(line);
    json_decref(more);
}

void sc_trace(struct sc_poller *p, const char *kind, json_t *more, const char *fmt, ...)
{
    SC_AUTO_BUF struct sc_buf text = {0};
    va_list args;
    va_start(args, fmt);
    sc_buf_addv(&text, fmt, args);
    va_end(args);
    put(p, kind, more, sc_buf_str(&text).ptr);
}

void sc_trace_token(const struct sc_token *t, const char *fmt, ...)
{
    char text[600];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (struct sc_instance *i = t->io->instances; i; i = i->next) {
        if (i->credential != t->credential)
            continue;
        for (unsigned k = 0; k < i->poller_count; k++)
            SC_TRACE(i->pollers[k], "token", NULL, "%s", text);
        for (struct sc_poller *p = i->errands; p; p = p->errand->next)
            SC_TRACE(p, "token", NULL, "%s", text);
    }
}

/* ---- what is not shown --------------------------------------------------------------------------------------------------------------------- */

/* A name that tells of a secret, whatever its value. */
static bool smells(const char *name, size_t len)
{
    static const char *const words[] = {"token", "secret", "password", "passwd", "signature", "sig", "api-key", "apikey", "api_key", "cookie", "credential",
                                        "authorization", "session"};
    static const char *const harmless[] = {"next", "page", "cursor", "skip"}; /* a token that tells where to go on */
    char copy[80];
    if (len >= sizeof copy)
        return true;
    memcpy(copy, name, len);
    copy[len] = '\0';
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        if (strcasestr(copy, harmless[i]))
            return false;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasestr(copy, words[i]))
            return true;
    }
    return false;
}

/* Harmless where the rest of a signature is not. */
static bool is_plain_auth(const char *name, size_t len)
{
    static const char *const names[] = {"date", "x-amz-date", "x-amz-content-sha256"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) == len && strncasecmp(names[i], name, len) == 0)
            return true;
    }
    return false;
}

/* "SSWS 00abc" -> "SSWS [redacted]": the scheme is no secret, and often what is wrong. */
static json_t *masked(const char *line, size_t name_len)
{
    const char *value = line + name_len + 1 + strspn(line + name_len + 1, " ");
    size_t scheme = strcspn(value, " ");
    bool has_scheme = value[scheme] == ' ' && scheme < 24 && strncasecmp(line, "Authorization", name_len) == 0;
    char text[160];
    snprintf(text, sizeof text, "%.*s: %.*s%s[redacted]", (int)(name_len < 80 ? name_len : 80), line, has_scheme ? (int)scheme : 0, value, has_scheme ? " " : "");
    return sc_sink_text(sc_str_of(text));
}

/* A URL of the integration's own host with its query, whose values say what is asked for; those of others, and what smells, without values. */
static void add_url(const struct sc_poller *p, const char *url, struct sc_buf *out)
{
    char shown[1024];
    const char *base = p->inst->config->base_url, *query = strchr(url, '?');
    if (strncmp(url, base, strlen(base)) != 0 || strchr(base, '@')) {
        sc_buf_add_str(out, sc_redact_url(url, shown, sizeof shown));
        return;
    }
    sc_buf_add(out, url, query ? (size_t)(query - url) : strlen(url));
    while (query && *query) {
        size_t len = 1 + strcspn(query + 1, "&"), name = strcspn(query + 1, "=&");
        bool hide = smells(query + 1, name) && query[1 + name] == '=';
        sc_buf_add(out, query, hide ? name + 2 : len);
        if (hide)
            sc_buf_add_str(out, "…");
        query += len;
    }
}

/* The beginning of a text, redacted before it is cut. whole: nothing of it is missing. */
static json_t *beginning(struct sc_str bytes, bool whole)
{
    SC_AUTO_BUF struct sc_buf copy = {0};
    sc_buf_add(&copy, bytes.ptr ? bytes.ptr : "", bytes.len);
    sc_redact_buf(&copy);
    if (copy.failed || (!whole && copy.len < bytes.len / 2)) /* what was cut off may have been half a secret, and would come into view */
        return json_string("[not shown]");
    size_t len = copy.len < BODY_SHOWN ? copy.len : BODY_SHOWN;
    while (len && len < copy.len && ((unsigned char)copy.ptr[len] & 0xC0) == 0x80)
        len--;
    return sc_sink_text((struct sc_str){sc_buf_str(&copy).ptr, len});
}

/* ---- requests and replies ------------------------------------------------------------------------------------------------------------------ */

static bool is_own(const struct sc_request *rq, const char *line, size_t name_len)
{
    for (unsigned i = 0; i < SC_MAX_REQUEST_HEADERS && rq->headers[i].name; i++) {
        if (strlen(rq->headers[i].name) == name_len && strncasecmp(rq->headers[i].name, line, name_len) == 0)
            return true;
    }
    return false;
}

static json_t *request_headers(const struct sc_request *rq, char *const lines[])
{
    json_t *list = json_array();
    for (unsigned i = 0; list && lines[i]; i++) {
        size_t len = strcspn(lines[i], ":");
        bool open = (is_own(rq, lines[i], len) && !smells(lines[i], len)) || is_plain_auth(lines[i], len);
        json_array_append_new(list, open ? sc_sink_text(sc_str_of(lines[i])) : masked(lines[i], len));
    }
    return list;
}

void sc_trace_request(struct sc_poller *p, const struct sc_request *rq, const char *url, char *const lines[])
{
    SC_AUTO_BUF struct sc_buf shown = {0};
    SC_AUTO_FREE char *walk = p->walk && json_object_size(p->walk) && !p->walk_read && !p->walk_page ? json_dumps(p->walk, JSON_COMPACT) : NULL;
    sc_buf_done(&p->trace_body);
    sc_buf_init(&p->trace_body, BODY_KEPT);
    p->trace_bytes = 0;
    if (walk)
        sc_trace(p, "decision", NULL, "this walk remembers %s", walk);
    add_url(p, url, &shown);
    json_t *more = json_pack("{s:s, s:o*, s:o*, s:I}", "method", sc_method_name(rq->method), "url", sc_sink_text(sc_buf_str(&shown)), "headers",
                             request_headers(rq, lines), "body_bytes", (json_int_t)rq->body.len);
    if (more && rq->body.len)
        json_object_set_new(more, "body", rq->body.len <= BODY_MOST ? beginning(rq->body, true) : json_string("[not shown]"));
    sc_trace(p, "request", more, "%s %s", sc_method_name(rq->method), sc_buf_str(&shown).ptr);
}

void sc_trace_body(struct sc_poller *p, const char *bytes, size_t len)
{
    size_t room = BODY_KEPT - 1 > p->trace_body.len ? BODY_KEPT - 1 - p->trace_body.len : 0;
    sc_buf_add(&p->trace_body, bytes, len < room ? len : room);
    p->trace_bytes += len;
}

static json_t *reply_headers(const struct sc_transfer *transfer)
{
    SC_AUTO_BUF struct sc_buf lines = {0};
    json_t *list = json_array();
    sc_http_headers(transfer, &lines);
    for (char *at = lines.ptr; list && at && *at;) {
        char *end = strchrnul(at, '\n');
        bool more = *end != '\0';
        *end = '\0';
        size_t len = strcspn(at, ":");
        bool leads = strncasecmp(at, "Location", len) == 0 && len == 8;
        char url[600], line[640];
        if (leads)
            snprintf(line, sizeof line, "Location: %s", sc_redact_url(at + len + 1 + strspn(at + len + 1, " "), url, sizeof url));
        json_array_append_new(list, leads ? sc_sink_text(sc_str_of(line)) : smells(at, len) ? masked(at, len) : sc_sink_text(sc_str_of(at)));
        at = end + more;
    }
    return list;
}

void sc_trace_response(struct sc_poller *p, struct sc_transfer *transfer, const struct sc_http_result *result)
{
    const struct sc_http_timing *t = &result->timing;
    char what[200];
    bool cut = p->cutting;
    struct sc_str body = cut ? sc_buf_str(&p->trace_body) : result->prefix;
    bool whole = cut ? p->trace_bytes == p->trace_body.len : result->bytes_decoded <= result->prefix.len;
    json_t *more = json_pack("{s:i, s:s, s:o*, s:{s:i, s:i, s:i, s:i, s:i}, s:I, s:o*}", "status", result->status, "reason", sc_reason_code(result->reason), "headers",
                             reply_headers(transfer), "timing_ms", "dns", (int)t->dns, "connect", (int)t->connect, "tls", (int)t->tls, "first_byte",
                             (int)t->first_byte, "transfer", (int)t->transfer, "bytes", (json_int_t)result->bytes_decoded, "body", beginning(body, whole));
    if (result->status)
        snprintf(what, sizeof what, "%d %s, %llu bytes", result->status, sc_status_phrase(result->status), (unsigned long long)result->bytes_decoded);
    else
        snprintf(what, sizeof what, "no reply");
    unsigned long long ms = (unsigned long long)t->dns + t->connect + t->tls + t->first_byte + t->transfer;
    sc_trace(p, "response", more, "%s in %llu ms (dns %u, connect %u, TLS %u, first byte %u, transfer %u)%s%s", what, ms, t->dns, t->connect, t->tls,
             t->first_byte, t->transfer, result->text[0] ? ": " : "", result->text);
    sc_buf_clear(&p->trace_body);
}

/* ---- decisions ----------------------------------------------------------------------------------------------------------------------------- */

void sc_trace_begin(struct sc_poller *p)
{
    SC_AUTO_FREE char *position = json_object_size(p->cp.position) ? json_dumps(p->cp.position, JSON_COMPACT) : NULL;
    if (position)
        sc_trace(p, "decision", NULL, "a walk begins at %s%s", position, json_object_size(p->walk) ? ", in the middle of one that was begun before" : "");
    else
        sc_trace(p, "decision", NULL, "a first walk begins: there is no position yet");
}

/* Before the page is put away. */
void sc_trace_page(struct sc_poller *p, const struct sc_open_page *page)
{
    uint64_t fresh = page->published - page->gaps, read = page->records;
    json_t *more = json_pack("{s:I, s:I, s:I}", "page", (json_int_t)p->walk_page, "records", (json_int_t)read, "new", (json_int_t)fresh);
    SC_AUTO_FREE char *position = json_object_size(p->position) ? json_dumps(p->position, JSON_COMPACT) : NULL;
    sc_trace(p, "page", more, "page %llu: %llu records, %llu of them new, %llu known; %s%s%s", (unsigned long long)p->walk_page, (unsigned long long)read,
             (unsigned long long)fresh, (unsigned long long)(read > fresh ? read - fresh : 0),
             p->finish ? "it is the last one" : "there is another one", position ? "; the position behind it is " : "", position ? position : "");
}

void sc_trace_saved(struct sc_poller *p)
{
    SC_AUTO_FREE char *position = json_dumps(p->cp.position, JSON_COMPACT);
    sc_trace(p, "save", NULL, "checkpoint saved%s: %s", p->save_open ? ", in the middle of the walk" : "", position ? position : "?");
}
