/* How an exchange ended: curl's code, the system's errno and what was noted on the way, as a reason
 * and one sentence for the operator. No URL path, query, credential or proxy password gets into a
 * sentence. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/reach.h"
#include "base/redact.h"
#include "http/transfer.h"

bool sc_outcome_via_proxy(const struct sc_transfer *t)
{
    if (!t->proxy.name[0])
        return false;
    if (!t->proxy.from_env || t->address_port == 0)
        return true;
    /* NO_PROXY may have kept it out: the port connected to tells */
    return t->address_port == t->proxy.port || t->address_port != t->place.port;
}

const char *sc_outcome_where(struct sc_transfer *t, char out[SC_WHERE])
{
    const char *host = t->place.host;
    if (sc_outcome_via_proxy(t))
        snprintf(out, SC_WHERE, "%.100s port %u through proxy %.80s", host, t->place.port,
                 t->proxy.name);
    else if (t->address[0] && !sc_host_is_address(host))
        snprintf(out, SC_WHERE, "%.120s (%s) port %u", host, t->address, t->place.port);
    else
        snprintf(out, SC_WHERE, "%.120s port %u", host, t->place.port);
    return out;
}

/* "proxy:3128", with its address where one was tried */
static const char *proxy_where(const struct sc_transfer *t, char out[SC_WHERE])
{
    bool known = t->address[0] && !strstr(t->proxy.name, t->address);
    snprintf(out, SC_WHERE, known ? "%.100s (%s)" : "%.100s", t->proxy.name, t->address);
    return out;
}

/* ---- sentences used in more than one place ---- */

void sc_outcome_too_large(struct sc_transfer *t)
{
    char size[64] = "";
    if (t->length > 0)
        snprintf(size, sizeof(size), " (it says %lld bytes)", (long long)t->length);
    sc_transfer_fail(t, SC_REASON_RESPONSE_TOO_LARGE,
                     "%s: the answer is over %llu bytes%s, the most that is taken: ask for smaller "
                     "pages, or raise the limit",
                     t->place.host, (unsigned long long)t->max_body, size);
}

void sc_outcome_proxy_auth(struct sc_transfer *t)
{
    struct sc_str wants = sc_head_get(&t->head, "Proxy-Authenticate", 0);
    sc_transfer_fail(t, SC_REASON_PROXY_AUTH,
                     "Proxy %.80s wants %.*s: %s user and password set; give the proxy as "
                     "http://user:password@host:port",
                     t->proxy.name, wants.ptr ? (int)(wants.len > 80 ? 80 : wants.len) : 13,
                     wants.ptr ? wants.ptr : "a password", t->proxy.has_user ? "a wrong" : "no");
}

/* ---- a proxy's fault ---- */

static void proxy_answer(struct sc_transfer *t, int status)
{
    struct sc_str squid = sc_head_get(&t->head, "X-Squid-Error", 0);
    t->result.lasting = status >= 400 && status < 500;
    if (status == 407) {
        sc_outcome_proxy_auth(t);
        return;
    }
    sc_transfer_fail(t, SC_REASON_PROXY_REFUSED,
                     "Proxy %.80s answered %d%s%.*s to CONNECT %.80s:%u: %s", t->proxy.name, status,
                     squid.ptr ? " " : "", squid.ptr ? (int)(squid.len > 40 ? 40 : squid.len) : 0,
                     squid.ptr ? squid.ptr : "", t->place.host, t->place.port,
                     status == 403   ? "allow that host in the proxy"
                     : status >= 500 ? "it cannot reach that host itself"
                                     : "is it a proxy at all? check host and port");
}

static void proxy_refused(struct sc_transfer *t, const char *what, const char *cure)
{
    char where[SC_WHERE];
    sc_transfer_fail(t, SC_REASON_PROXY_REFUSED, "Proxy %s %s: %s", proxy_where(t, where), what,
                     cure);
}

/* The tunnel did not come up. false: it was not the proxy. */
static bool proxy_connect(struct sc_transfer *t, CURLcode code)
{
    long status = t->connect_status;
    char what[160];
    if (status == 0)
        curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    if (status >= 300) {
        proxy_answer(t, (int)status);
        return true;
    }
    if (status != 0 || code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_OUT_OF_MEMORY ||
        code == CURLE_COULDNT_RESOLVE_HOST) /* the proxy's own name has another code */
        return false;
    if (code == CURLE_COULDNT_CONNECT) {
        snprintf(what, sizeof(what), "cannot be reached (%s)", strerror((int)sc_outcome_os_error(t)));
        proxy_refused(t, what, "is it running, and is host and port right?");
    } else if (code == CURLE_OPERATION_TIMEDOUT && !sc_outcome_tcp_connected(t)) {
        snprintf(what, sizeof(what), "does not answer in %s", sc_outcome_took(t).text);
        proxy_refused(t, what, "let this host out to it, or correct the proxy setting");
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        snprintf(what, sizeof(what), "did not connect to %.60s in %s", t->place.host, sc_outcome_took(t).text);
        proxy_refused(t, what, "it cannot reach that host, or it is overloaded");
    } else if (code == CURLE_SSL_CONNECT_ERROR && t->proxy.tls) {
        proxy_refused(t, "does not speak TLS", "give it as http://host:port");
    } else {
        proxy_refused(t, "closed the connection or did not answer as a proxy",
                      "check its host, port and kind");
    }
    return true;
}

static bool proxy_fault(struct sc_transfer *t, CURLcode code)
{
    long detail = 0;
    if (code == CURLE_COULDNT_RESOLVE_PROXY) {
        t->doubt = SC_DOUBT_PROXY;
        proxy_refused(t, "does not resolve or is not a proxy URL", "correct the proxy setting");
        return true;
    }
    if (!sc_outcome_via_proxy(t))
        return false;
    if (code == CURLE_PROXY) {
        curl_easy_getinfo(t->easy, CURLINFO_PROXY_ERROR, &detail);
        if (detail == CURLPX_USER_REJECTED || detail == CURLPX_NO_AUTH)
            sc_transfer_fail(t, SC_REASON_PROXY_AUTH,
                             "Proxy %.80s refuses: %s user and password set", t->proxy.name,
                             t->proxy.has_user ? "a wrong" : "no");
        else
            proxy_refused(t, "refuses the connection", "allow that host in the proxy");
        return true;
    }
    return t->state == SC_TRANSFER_CONNECTING && proxy_connect(t, code);
}

/* ---- the vendor's ---- */

static void receive_failed(struct sc_transfer *t)
{
    unsigned long reason;
    long error = sc_outcome_os_error(t);
    if (strstr(t->error, "chunked-encoding") || strstr(t->error, "hunk"))
        sc_transfer_fail(t, SC_REASON_BAD_RESPONSE, "%s sent a broken answer (chunked coding)",
                         t->place.host);
    else
        sc_outcome_lost(t, error != 0 ? strerror((int)error) : sc_outcome_openssl_text(t->error, &reason));
}

static void bad_response(struct sc_transfer *t, const char *what)
{
    sc_transfer_fail(t, SC_REASON_BAD_RESPONSE, "%s port %u %s: check host and port", t->place.host,
                     t->place.port, what);
}

static void classify(struct sc_transfer *t, CURLcode code)
{
    if (proxy_fault(t, code) || sc_outcome_cert(t, code) || sc_outcome_tls(t, code))
        return;
    if (code == CURLE_COULDNT_RESOLVE_HOST)
        sc_outcome_no_name(t, false);
    else if (code == CURLE_COULDNT_CONNECT)
        sc_outcome_could_not_connect(t);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        sc_outcome_timed_out(t);
    else if (code == CURLE_PARTIAL_FILE)
        sc_outcome_lost(t, "closed early");
    else if (code == CURLE_GOT_NOTHING)
        sc_outcome_lost(t, "empty reply");
    else if (code == CURLE_SSL_CONNECT_ERROR)
        sc_outcome_lost(t, sc_outcome_os_error(t) ? strerror((int)sc_outcome_os_error(t)) : "closed");
    else if (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_SEND_FAIL_REWIND)
        receive_failed(t);
    else if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY)
        bad_response(t, "does not answer in HTTP");
    else if (code == CURLE_BAD_CONTENT_ENCODING || code == CURLE_WRITE_ERROR)
        bad_response(t, "sent a compressed body that cannot be decoded");
    else if (code == CURLE_FILESIZE_EXCEEDED)
        sc_outcome_too_large(t);
    else if (code == CURLE_OUT_OF_MEMORY && t->state == SC_TRANSFER_SENT && t->head.total > 0)
        bad_response(t, "sent a header line over 100 KiB");
    else if (code == CURLE_OUT_OF_MEMORY)
        sc_transfer_fail(t, SC_REASON_MEMORY_LIMIT, "out of memory during an exchange with %s",
                         t->place.host);
    else
        sc_transfer_fail(t, SC_REASON_INTERNAL, "%s: %s (curl %d)", t->place.host,
                         curl_easy_strerror(code), code);
}

/* curl says all is well: is it? */
static void check_complete(struct sc_transfer *t)
{
    curl_off_t wire = 0;
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
    if (t->connect_only)
        return;
    if (!t->final)
        sc_outcome_lost(t, "closed early"); /* curl takes a head that stops for a whole one */
    else if (t->length >= 0 && wire != t->length)
        sc_outcome_lost(t, "closed early");
}

void sc_outcome_tidy(struct sc_transfer *t)
{
    char *text = t->result.text;
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    sc_redact(text, strlen(text), sizeof t->result.text);
}

/* For whoever else fails. What a proxy says in the vendor's place is no word of the vendor's, and this very host needs no way to the outside. */
static void remember(const struct sc_transfer *t)
{
    const struct sc_http_result *r = &t->result;
    if (t->final && t->peer->wanted)
        sc_client_cert_worked(t->cert);
    if (t->final && r->wire.clock_off_ms != SC_TIME_NONE)
        sc_reach_clock(t->place.host, r->wire.clock_off_ms);
    bool only_connected = t->connect_only && r->reason == SC_REASON_OK;
    if (sc_host_is_loopback(t->place.host) || only_connected)
        return;
    if (t->final)
        sc_reach_answered(t->place.host, !sc_outcome_via_proxy(t));
    else
        sc_reach_failed(t->place.host, r->reason, !sc_outcome_via_proxy(t));
}

void sc_outcome_fill(struct sc_transfer *t, CURLcode code)
{
    struct sc_http_result *r = &t->result;
    curl_off_t wire = 0;
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
    r->bytes_wire = (uint64_t)wire;
    sc_wire_fill(t);
    r->prefix = t->final && !t->wanted ? sc_buf_str(&t->prefix) : (struct sc_str){NULL, 0};
    if (t->cancelled || r->aborted) {
        r->aborted = true;
        r->reason = SC_REASON_OK;
        r->text[0] = '\0';
        return;
    }
    if (r->reason == SC_REASON_OK && !t->prefix_full) {
        if (code == CURLE_OK)
            check_complete(t);
        else
            classify(t, code);
    }
    remember(t);
    sc_outcome_tidy(t);
}
