#include "http/stream.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/reach.h"

#define REFUSE 0 /* fewer than offered: curl ends the transfer with CURLE_WRITE_ERROR */

/* ---- connection ---- */

static bool blocks(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        uint32_t v4 = ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);
        return v4 == 0 || v4 >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        const struct in6_addr *v6 =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        return IN6_IS_ADDR_UNSPECIFIED(v6) || IN6_IS_ADDR_LOOPBACK(v6);
    }
    return false;
}

static bool is_private(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        uint32_t v4 = ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);
        return v4 >> 24 == 10 || v4 >> 20 == 0xac1 || v4 >> 16 == 0xc0a8 || v4 >> 16 == 0xa9fe ||
               v4 >> 22 == 0x64400000 >> 22;
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return address->sa_family == AF_INET6 && ((v6->s6_addr[0] & 0xfe) == 0xfc || IN6_IS_ADDR_LINKLOCAL(v6));
}

static void note_address(struct sc_transfer *t, const struct sockaddr *address)
{
    const char *host = t->place.host;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &v4->sin_addr, t->address, sizeof(t->address));
        t->address_port = ntohs(v4->sin_port);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, t->address, sizeof(t->address));
        t->address_port = ntohs(v6->sin6_port);
    }
    bool named = !sc_host_is_address(host) && !sc_host_is_loopback(host);
    t->blocked_address = named && blocks(address);
    t->private_address = named && t->public_host && is_private(address);
}

curl_socket_t sc_stream_on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct sc_transfer *t = arg;
    if (purpose == CURLSOCKTYPE_IPCXN) {
        note_address(t, &address->addr);
        sc_wire_tried(t);
    }
    if (t->state == SC_TRANSFER_SENT)
        t->state = SC_TRANSFER_CONNECTING; /* the idle connection was dead: curl tries once more
                                              with a new one */
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

CURLcode sc_stream_on_tls(CURL *easy, void *ssl_ctx, void *arg)
{
    struct sc_transfer *t = arg;
    (void)easy;
    sc_peer_attach(ssl_ctx, t->trust, t->peer);
    return sc_client_cert_attach(ssl_ctx, t->cert) == 0 ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

/* ---- request ---- */

static void arm(struct sc_transfer *t, uint32_t seconds)
{
    if (sc_heap_set(&t->http->timers, &t->timer, t->http->now_ms + (int64_t)seconds * 1000) != 0)
        sc_transfer_fail(t, SC_REASON_MEMORY_LIMIT, "out of memory");
}

/* The connection stands; the request goes out now. */
int sc_stream_on_request(void *arg, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    struct sc_transfer *t = arg;
    t->state = SC_TRANSFER_SENT;
    t->sent_ms = t->http->now_ms;
    if (peer_ip && *peer_ip) {
        snprintf(t->address, sizeof(t->address), "%s", peer_ip);
        t->address_port = (uint16_t)peer_port;
    }
    sc_wire_connected(t, own_ip, (uint16_t)own_port);
    arm(t, t->first_byte_timeout_s);
    return t->stopped ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

int sc_stream_on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
                          curl_off_t ulnow)
{
    struct sc_transfer *t = arg;
    (void)dltotal, (void)dlnow, (void)ultotal;
    if (ulnow != t->uploaded) {
        t->uploaded = ulnow;
        t->sent_ms = t->http->now_ms;
    }
    return 0;
}

/* ---- head ---- */

static int64_t content_length(const struct sc_transfer *t)
{
    int64_t length;
    if (strcmp(t->method, "HEAD") == 0 || t->head.status == 204 || t->head.status == 304)
        return -1; /* there is no body it could be of */
    if (sc_head_get(&t->head, "Transfer-Encoding", 0).ptr)
        return -1;
    struct sc_str text = sc_head_get(&t->head, "Content-Length", 0);
    return text.ptr && sc_parse_int(text, &length) && length >= 0 ? length : -1;
}

static bool may_follow(const struct sc_transfer *t)
{
    bool safe = strcmp(t->method, "GET") == 0 || strcmp(t->method, "HEAD") == 0;
    switch (t->head.status) {
    case 301:
    case 302:
    case 303:
        return safe;
    case 307:
    case 308:
        return true;
    default:
        return false;
    }
}

/* The reply leads elsewhere: notes where, or fails it. */
static void redirected(struct sc_transfer *t, struct sc_str location)
{
    char here[300] = "", there[300] = "";
    char *url = sc_url_follow(t->url, location);
    t->result.redirect = t->head.status;
    if (!url || sc_url_origin(url, there, sizeof(there)) != 0 ||
        sc_url_origin(t->url, here, sizeof(here)) != 0) {
        sc_transfer_fail(t, SC_REASON_BAD_RESPONSE,
                         "%s redirects (%d) to something that is no http URL", t->place.host,
                         t->head.status);
    } else if (strcmp(here, there) != 0) {
        unsigned others = sc_reach_mark(here, SC_MARK_REDIRECT, there);
        if (others)
            sc_transfer_fail(t, SC_REASON_BAD_RESPONSE,
                             "%.80s redirects (%d) to %.80s, as %u other vendor%s: that is the login page of this network (captive portal) or of a "
                             "proxy; log in there, or have these hosts exempted",
                             here, t->head.status, there, others, others == 1 ? " does" : "s do");
        else
            sc_transfer_fail(t, SC_REASON_BAD_RESPONSE,
                             "%.90s redirects (%d) to %.90s: not followed, credentials are for the first only; if the vendor has moved, set base_url to "
                             "the new host",
                             here, t->head.status, there);
    } else if (t->max_redirects == 0) {
        sc_transfer_fail(t, SC_REASON_BAD_RESPONSE,
                         "%s redirects (%d) a request that must not be redirected: check its address",
                         t->place.host, t->head.status);
    } else if (t->redirects >= t->max_redirects) {
        sc_transfer_fail(t, SC_REASON_BAD_RESPONSE,
                         "%s redirects (%d) more than %u times in a row: check the base URL",
                         t->place.host, t->head.status, t->max_redirects);
    } else {
        t->redirect = url;
        t->result.redirect = 0;
        return;
    }
    free(url);
}

/* Plain http: the proxy answers in the vendor's place. */
static bool proxy_answered(struct sc_transfer *t)
{
    if (t->place.tls || !sc_outcome_via_proxy(t))
        return false;
    if (t->head.status == 407) {
        sc_outcome_proxy_auth(t);
    } else {
        struct sc_str code = sc_head_get(&t->head, "X-Squid-Error", 0);
        if (!code.ptr || t->head.status < 400)
            return false;
        sc_transfer_fail(t, SC_REASON_PROXY_REFUSED,
                         "Proxy %s answered %d %.*s for %s: allow that host in the proxy",
                         t->proxy.name, t->head.status, (int)(code.len > 60 ? 60 : code.len),
                         code.ptr, t->place.host);
    }
    return true;
}

static void final_head(struct sc_transfer *t)
{
    struct sc_str date = sc_head_get(&t->head, "Date", 0);
    t->final = true;
    t->state = SC_TRANSFER_BODY;
    t->length = content_length(t);
    t->encoded = sc_head_get(&t->head, "Content-Encoding", 0).ptr != NULL;
    t->progress_ms = t->http->now_ms;
    t->result.status = t->head.status;
    t->result.date_ms = date.ptr ? sc_time_parse_http(date) : SC_TIME_NONE;
    t->result.date_mono_ms = sc_mono_ms();
    sc_wire_answered(t);
    arm(t, t->http->config.stall_timeout_s);
    if (t->stopped)
        return;
    t->wanted = t->on_head ? t->on_head(t->result.arg, t, t->head.status) : true;
    if (!t->stopped && t->wanted && t->length > 0 && (uint64_t)t->length > t->max_body)
        sc_outcome_too_large(t);
}

/* A whole head is there: the proxy's, an interim one, one that leads elsewhere, or the one that
 * counts. */
static void head_ended(struct sc_transfer *t)
{
    if (t->state == SC_TRANSFER_CONNECTING) {
        t->connect_status = t->head.status;
        return;
    }
    if (t->head.status < 200)
        return;
    struct sc_str location = sc_head_get(&t->head, "Location", 0);
    if (proxy_answered(t))
        return;
    if (location.ptr && may_follow(t))
        redirected(t, location);
    else
        final_head(t);
}

size_t sc_stream_on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct sc_transfer *t = arg;
    size_t len = size * count;
    if (t->stopped)
        return REFUSE;
    switch (sc_head_add(&t->head, bytes, len)) {
    case SC_HEAD_MORE:
        break;
    case SC_HEAD_END:
        if (!t->final && !t->redirect)
            head_ended(t);
        break;
    case SC_HEAD_TOO_LARGE:
        sc_transfer_fail(t, SC_REASON_BAD_RESPONSE,
                         "%s sent over %u KiB of headers: not a sound answer", t->place.host,
                         t->head.max / 1024);
        break;
    case SC_HEAD_BAD:
        if (t->state == SC_TRANSFER_CONNECTING)
            sc_transfer_fail(t, SC_REASON_PROXY_REFUSED,
                             "Proxy %s does not answer as a proxy: check its host, port and kind",
                             t->proxy.name);
        else
            sc_transfer_fail(t, SC_REASON_BAD_RESPONSE,
                             "%s port %u sent a head that is not HTTP: check host and port",
                             t->place.host, t->place.port);
        break;
    case SC_HEAD_NO_MEMORY:
        sc_transfer_fail(t, SC_REASON_MEMORY_LIMIT, "out of memory for the head of an answer");
        break;
    }
    return t->stopped ? REFUSE : len;
}

/* ---- body ---- */

static bool over_limits(struct sc_transfer *t, uint64_t decoded)
{
    curl_off_t wire = 0;
    if (t->wanted && decoded > t->max_body) {
        sc_outcome_too_large(t);
        return true;
    }
    if (decoded <= SC_HTTP_RATIO_FROM || !t->encoded)
        return false;
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
    /* curl may not have counted the piece it is decoding */
    if (decoded / SC_HTTP_RATIO <= (uint64_t)wire + CURL_MAX_WRITE_SIZE)
        return false;
    sc_transfer_fail(t, SC_REASON_RESPONSE_TOO_LARGE,
                     "%s: %llu compressed bytes became over %llu MiB, more than %u times as much: "
                     "not an honest answer",
                     t->place.host, (unsigned long long)wire, (unsigned long long)(decoded >> 20),
                     SC_HTTP_RATIO);
    return true;
}

static size_t drain(struct sc_transfer *t, size_t len)
{
    t->drained += len;
    t->drained_enough = t->drained > SC_HTTP_PREFIX;
    return t->drained_enough ? REFUSE : len;
}

static size_t keep_prefix(struct sc_transfer *t, const char *bytes, size_t len)
{
    size_t room = SC_HTTP_PREFIX - t->prefix.len;
    size_t used = len < room ? len : room;
    if (sc_buf_add(&t->prefix, bytes, used) != 0) {
        sc_transfer_fail(t, SC_REASON_MEMORY_LIMIT, "out of memory for an answer");
        return REFUSE;
    }
    t->result.bytes_decoded += used;
    t->progress_ms = t->http->now_ms;
    if (used == len)
        return len;
    t->prefix_full = t->stopped = true;
    return REFUSE;
}

static size_t turn_left(struct sc_transfer *t)
{
    if (t->turn_seen != t->http->turn) {
        t->turn_seen = t->http->turn;
        t->turn_used = 0;
    }
    return t->http->config.turn_bytes - t->turn_used;
}

/* `bytes` are `fresh` unused ones at the end of a chunk of `chunk`. */
static size_t offer(struct sc_transfer *t, const char *bytes, size_t fresh, size_t chunk)
{
    size_t left = turn_left(t), len = fresh < left ? fresh : left;
    if (len > 0 && t->on_body) {
        t->in_body = true;
        ptrdiff_t used = t->on_body(t->result.arg, t, bytes, len);
        t->in_body = false;
        if (used < 0) {
            t->result.aborted = t->stopped = true;
            return REFUSE;
        }
        t->paused = (size_t)used < len;
        len = (size_t)used < len ? (size_t)used : len;
    }
    t->result.bytes_decoded += len;
    t->turn_used += (uint32_t)len;
    t->progress_ms = t->http->now_ms;
    if (t->stopped)
        return REFUSE;
    if (len == fresh) {
        t->resume_asked = false;
        t->skip = 0;
        return chunk;
    }
    t->skip += len;
    t->yielded = !t->paused;
    return CURL_WRITEFUNC_PAUSE;
}

size_t sc_stream_on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct sc_transfer *t = arg;
    size_t len = size * count;
    if (t->stopped)
        return REFUSE;
    if (t->redirect)
        return drain(t, len);
    if (len <= t->skip && t->skip > 0) {
        t->skip -= len;
        return len;
    }
    size_t fresh = len - (size_t)t->skip;
    if (over_limits(t, t->result.bytes_decoded + fresh))
        return REFUSE;
    if (!t->wanted)
        return keep_prefix(t, bytes, len);
    return offer(t, bytes + t->skip, fresh, len);
}
