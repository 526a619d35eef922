/* One transfer: its easy handle made from a request, and where it goes after a redirect. What curl
 * calls back is in stream.c. */
#include "http/transfer.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/redact.h"
#include "http/stream.h"

void sc_transfer_fail(struct sc_transfer *t, enum sc_reason reason, const char *fmt, ...)
{
    va_list args;
    t->stopped = true;
    if (t->result.reason != SC_REASON_OK)
        return;
    t->result.reason = reason;
    va_start(args, fmt);
    vsnprintf(t->result.text, sizeof(t->result.text), fmt, args);
    va_end(args);
}

/* Headers and bodies carry credentials. */
static void free_headers(struct curl_slist *list)
{
    for (struct curl_slist *at = list; at; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(list);
}

struct sc_transfer *sc_transfer_free(struct sc_transfer *t)
{
    if (!t)
        return NULL;
    curl_easy_cleanup(t->easy);
    free_headers(t->headers);
    if (t->body)
        explicit_bzero(t->body, t->body_len);
    free(t->body);
    free(t->method);
    sc_secret_free(t->url);
    free(t->ca_file);
    free(t->cert_file);
    free(t->redirect);
    sc_dns_drop(t->looking);
    sc_client_cert_unref(t->cert);
    sc_proxy_done(&t->proxy);
    sc_trust_unref(t->trust);
    sc_peer_unref(t->peer);
    sc_head_done(&t->head);
    if (t->prefix.ptr)
        explicit_bzero(t->prefix.ptr, t->prefix.len); /* a token endpoint's reply */
    sc_buf_done(&t->prefix);
    free(t);
    return NULL;
}

static bool has_line(const char *const *headers, const char *name)
{
    size_t len = strlen(name);
    for (; headers && *headers; headers++)
        if (strncasecmp(*headers, name, len) == 0 && (*headers)[len] == ':')
            return true;
    return false;
}

static int add_line(struct sc_transfer *t, const char *line, struct sc_error *err)
{
    struct curl_slist *list = curl_slist_append(t->headers, line);
    if (!list)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    t->headers = list;
    return 0;
}

/* "Name: value". curl takes "Name:" for "leave it out" and "Name;" for an empty value. */
static int add_header(struct sc_transfer *t, const char *line, struct sc_error *err)
{
    const char *colon = strchr(line, ':');
    if (!colon || colon == line || strpbrk(line, "\r\n"))
        return sc_fail(
            err, SC_REASON_CONFIG_INVALID,
            "a request header is not \"Name: value\" on one line: look for line breaks in settings "
            "and credentials");
    if (colon[1 + strspn(colon + 1, " \t")] != '\0')
        return add_line(t, line, err);
    SC_AUTO_FREE char *empty = sc_printf("%.*s;", (int)(colon - line), line);
    return empty ? add_line(t, empty, err) : sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
}

static int copy_headers(struct sc_transfer *t, const struct sc_http_request *r,
                        struct sc_error *err)
{
    for (const char *const *line = r->headers; line && *line; line++)
        if (add_header(t, *line, err) != 0)
            return -1;
    /* what curl would add by itself */
    if (!has_line(r->headers, "Expect") && add_line(t, "Expect:", err) != 0)
        return -1;
    if (!has_line(r->headers, "Content-Type") && add_line(t, "Content-Type:", err) != 0)
        return -1;
    return 0;
}

static int check_url(struct sc_transfer *t, const struct sc_http_request *r, struct sc_error *err)
{
    CURLU *u = sc_url_parse(r->url);
    char *user = NULL;
    bool ok = u && sc_url_place(u, &t->place);
    bool has_user = ok && curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK;
    curl_free(user);
    curl_url_cleanup(u);
    if (!ok)
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "not a usable http or https URL: check host and base URL");
    if (has_user)
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "the URL for %s holds a user or password: put them under credentials",
                       t->place.host);
    if (!t->place.tls && !r->allow_plain_http && !sc_host_is_loopback(t->place.host))
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "http:// to %s would send credentials in the clear: use https://, or set "
                       "allow_insecure_http",
                       t->place.host);
    return 0;
}

static int check_method(const char *method, struct sc_error *err)
{
    for (const char *p = method; *p; p++)
        if (!isalpha((unsigned char)*p))
            return sc_fail(err, SC_REASON_INTERNAL, "not a request method");
    return *method ? 0 : sc_fail(err, SC_REASON_INTERNAL, "no request method");
}

/* Whom to believe, and who to be. */
static int choose_certificates(struct sc_transfer *t, const struct sc_http_request *r,
                               struct sc_error *err)
{
    if (t->place.tls && r->cert_file && *r->cert_file) {
        t->cert = sc_client_cert_get(&t->http->certs, r->cert_file, r->key_file, err);
        t->cert_file = sc_dup(r->cert_file);
        if (!t->cert || !t->cert_file)
            return t->cert ? sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory") : -1;
    }
    if ((!t->place.tls || !r->verify) && !t->proxy.tls)
        return 0;
    t->trust = sc_trust_get(t->http->trust, r->ca_file && *r->ca_file ? r->ca_file : NULL,
                            sc_mono_ms(), err);
    return t->trust ? 0 : -1;
}

static int copy_request(struct sc_transfer *t, const struct sc_http_request *r,
                        struct sc_error *err)
{
    const char *method = r->method ? r->method : "GET";
    t->verify = r->verify;
    t->max_body = r->max_body ? r->max_body : t->http->config.max_body;
    t->first_byte_timeout_s = r->first_byte_timeout_s ? r->first_byte_timeout_s : t->http->config.first_byte_timeout_s;
    t->public_host = r->public_host;
    t->connect_only = r->connect_only;
    t->max_redirects = r->no_redirects ? 0 : t->http->config.max_redirects;
    t->on_done = r->done ? r->done : t->http->done;
    t->on_head = r->head;
    t->on_body = r->body;
    t->result.arg = r->arg;
    t->result.date_ms = SC_TIME_NONE;
    t->result.wire = (struct sc_http_wire){.not_before_ms = SC_TIME_NONE, .not_after_ms = SC_TIME_NONE, .clock_off_ms = SC_TIME_NONE, .cert_until_ms = SC_TIME_NONE};
    t->head.max = t->http->config.max_headers;
    sc_buf_init(&t->prefix, SC_HTTP_PREFIX + 1);
    if (check_method(method, err) != 0 || check_url(t, r, err) != 0 ||
        copy_headers(t, r, err) != 0 ||
        sc_proxy_choose(r->proxy, t->place.tls, &t->proxy, err) != 0)
        return -1;
    t->method = sc_dup(method);
    t->url = sc_dup(r->url);
    t->ca_file = sc_dup(r->ca_file && *r->ca_file ? r->ca_file : t->http->ca_file);
    t->body = malloc(r->content.len + 1);
    if (!t->method || !t->url || !t->ca_file || !t->body)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    if (r->content.len)
        memcpy(t->body, r->content.ptr, r->content.len);
    t->body_len = r->content.len;
    return choose_certificates(t, r, err);
}

#define SET(option, value) (curl_easy_setopt(t->easy, option, value) == CURLE_OK)

static bool set_request(struct sc_transfer *t)
{
    bool get = strcmp(t->method, "GET") == 0, post = strcmp(t->method, "POST") == 0;
    bool ok = SET(CURLOPT_URL, t->url) && SET(CURLOPT_HTTPHEADER, t->headers);
    ok = ok && SET(CURLOPT_USERAGENT, t->http->config.user_agent);
    if (strcmp(t->method, "HEAD") == 0)
        ok = ok && SET(CURLOPT_NOBODY, 1L);
    else if (t->body_len > 0 || post)
        ok = ok && SET(CURLOPT_POST, 1L) &&
             SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_len) &&
             SET(CURLOPT_POSTFIELDS, t->body) && (post || SET(CURLOPT_CUSTOMREQUEST, t->method));
    else
        ok = ok && SET(CURLOPT_HTTPGET, 1L) && (get || SET(CURLOPT_CUSTOMREQUEST, t->method));
    /* the clock of the first byte starts when the last byte of a body has left */
    if (t->body_len > 0)
        ok = ok && SET(CURLOPT_NOPROGRESS, 0L) &&
             SET(CURLOPT_XFERINFOFUNCTION, sc_stream_on_progress) && SET(CURLOPT_XFERINFODATA, t);
    return ok;
}

static bool set_connection(struct sc_transfer *t)
{
    bool ok =
        SET(CURLOPT_PROTOCOLS_STR, "http,https") && SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    ok = ok && SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_NOSIGNAL, 1L) &&
         SET(CURLOPT_QUICK_EXIT, 1L);
    /* 1.1: h2 was slower, buffers up to 32 MiB of a paused stream in memory instead of stopping the
     * sender, and takes all transfers of a host down with one connection */
    ok = ok && SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
         SET(CURLOPT_TCP_KEEPALIVE, 1L);
    ok = ok && SET(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    ok = ok && SET(CURLOPT_CONNECTTIMEOUT_MS, (long)t->http->config.connect_timeout_s * 1000);
    ok = ok && SET(CURLOPT_OPENSOCKETFUNCTION, sc_stream_on_socket) &&
         SET(CURLOPT_OPENSOCKETDATA, t);
    ok = ok && SET(CURLOPT_PREREQFUNCTION, sc_stream_on_request) && SET(CURLOPT_PREREQDATA, t);
    if (t->proxy.url)
        ok = ok && SET(CURLOPT_PROXY, t->proxy.url);
    if (t->proxy.url && !t->proxy.from_env)
        ok = ok && SET(CURLOPT_NOPROXY, ""); /* the integration's own: NO_PROXY has no say */
    return ok;
}

/* As the first connection of all: nothing that is known already is taken for an answer. */
static bool set_afresh(struct sc_transfer *t)
{
    return !t->connect_only || (SET(CURLOPT_CONNECT_ONLY, 1L) && SET(CURLOPT_FRESH_CONNECT, 1L) && SET(CURLOPT_FORBID_REUSE, 1L) &&
                                SET(CURLOPT_DNS_CACHE_TIMEOUT, 0L) && SET(CURLOPT_SSL_SESSIONID_CACHE, 0L));
}

static bool set_tls(struct sc_transfer *t)
{
    bool ok = SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    ok = ok && SET(CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    ok = ok && SET(CURLOPT_SSL_VERIFYPEER, t->verify ? 1L : 0L) &&
         SET(CURLOPT_SSL_VERIFYHOST, t->verify ? 2L : 0L);
    ok = ok && SET(CURLOPT_SSL_CTX_FUNCTION, sc_stream_on_tls) && SET(CURLOPT_SSL_CTX_DATA, t);
    if (!t->trust && !t->cert)
        return ok;
    /* Never read: with it curl tells connections apart (struct sc_trust). */
    char label[96];
    snprintf(label, sizeof(label), "%s-cert-%llu", t->trust ? t->trust->label : "/nonexistent/roots",
             (unsigned long long)sc_client_cert_serial(t->cert));
    ok = ok && SET(CURLOPT_CAINFO, NULL) && SET(CURLOPT_CAPATH, label);
    if (!t->trust)
        return ok;
    return ok && SET(CURLOPT_PROXY_CAINFO, NULL) && SET(CURLOPT_PROXY_CAPATH, t->trust->label);
}

static bool set_stream(struct sc_transfer *t)
{
    bool ok = SET(CURLOPT_PRIVATE, t) && SET(CURLOPT_ERRORBUFFER, t->error);
    ok = ok && SET(CURLOPT_HEADERFUNCTION, sc_stream_on_header) && SET(CURLOPT_HEADERDATA, t);
    return ok && SET(CURLOPT_WRITEFUNCTION, sc_stream_on_body) && SET(CURLOPT_WRITEDATA, t);
}

struct sc_transfer *sc_transfer_new(struct sc_http *http, const struct sc_http_request *request,
                                    struct sc_error *err)
{
    struct sc_transfer *t = calloc(1, sizeof(*t));
    if (!t) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
        return NULL;
    }
    t->http = http;
    t->length = -1;
    t->timer.fire = sc_transfer_on_timer;
    t->timer.arg = t;
    if (copy_request(t, request, err) != 0)
        return sc_transfer_free(t);
    t->peer = sc_peer_new();
    t->easy = curl_easy_init();
    if (!t->peer || !t->easy || !set_request(t) || !set_connection(t) || !set_tls(t) ||
        !set_stream(t) || !set_afresh(t)) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while preparing a request");
        return sc_transfer_free(t);
    }
    return t;
}

int sc_transfer_follow(struct sc_transfer *t)
{
    sc_secret_free(t->url);
    t->url = t->redirect;
    t->redirect = NULL;
    t->redirects++;
    t->drained = 0;
    t->drained_enough = false;
    t->connect_status = 0;
    t->uploaded = 0;
    t->born_ms = 0;
    t->error[0] = '\0';
    sc_head_reset(&t->head);
    if (SET(CURLOPT_URL, t->url))
        return 0;
    sc_transfer_fail(t, SC_REASON_MEMORY_LIMIT, "out of memory while following a redirect");
    return -1;
}

void sc_transfer_on_timer(struct sc_timer *timer, void *arg)
{
    struct sc_transfer *t = arg;
    const struct sc_http_config *config = &t->http->config;
    bool body = t->state == SC_TRANSFER_BODY;
    uint32_t limit_s = body ? config->stall_timeout_s : t->first_byte_timeout_s;
    curl_off_t wire = 0;
    char where[SC_WHERE];

    if (t->looking) { /* nameservers have had their time */
        t->looked_enough = t->http->work = true;
        return;
    }
    if (t->paused || t->yielded || t->state == SC_TRANSFER_CONNECTING)
        return; /* armed again when it goes on; curl watches the connect time */
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
    if (body && t->encoded && wire > t->wire_seen)
        t->progress_ms = t->http->now_ms; /* bytes came that did not decode to anything yet */
    t->wire_seen = wire;
    int64_t due = (body ? t->progress_ms : t->sent_ms) + (int64_t)limit_s * 1000;
    if (due > t->http->now_ms) {
        if (sc_heap_set(&t->http->timers, timer, due) == 0)
            return;
        sc_transfer_fail(t, SC_REASON_MEMORY_LIMIT, "out of memory");
    } else if (body) {
        sc_transfer_fail(
            t, SC_REASON_READ_TIMEOUT,
            "%s: the answer stopped after %llu bytes, nothing came for %u s; if it goes on, "
            "something on the way holds it up",
            sc_outcome_where(t, where), (unsigned long long)wire, limit_s);
    } else {
        sc_transfer_fail(
            t, SC_REASON_READ_TIMEOUT,
            "%s: connected and asked, but no answer in %u s%s; if it goes on, ask for less "
            "at once or look at the vendor's status page",
            sc_outcome_where(t, where), limit_s, t->head.total ? " (only a part of its head)" : "");
    }
    sc_http_end(t, CURLE_OPERATION_TIMEDOUT);
}
