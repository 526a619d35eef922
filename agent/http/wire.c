/* What an exchange was like on the wire: addresses, connection, TLS, clock, times. Noted while it
 * goes on, because curl forgets a connection with its transfer. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "http/transfer.h"

void sc_wire_tried(struct sc_transfer *t)
{
    struct sc_http_wire *w = &t->result.wire;
    size_t len = strlen(w->tried);
    if (strstr(w->tried, t->address)) /* a redirect, or once more */
        return;
    int n = snprintf(w->tried + len, sizeof(w->tried) - len, "%s%s", len ? ", " : "", t->address);
    if (n < 0 || (size_t)n >= sizeof(w->tried) - len)
        w->tried[len] = '\0';
}

/* Since when this connection stands: curl says whether it is a new one. */
static void note_connection(struct sc_transfer *t, uint16_t own_port)
{
    struct sc_http *http = t->http;
    struct sc_connection *c = NULL;
    long fresh = 0;
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &fresh);
    for (unsigned i = 0; i < SC_CONNECTIONS && !c; i++)
        if (http->connections[i].local_port == own_port)
            c = &http->connections[i];
    t->result.wire.reused = fresh == 0;
    if (fresh == 0) {
        t->born_ms = c ? c->born_ms : 0;
        return;
    }
    if (!c)
        c = &http->connections[http->connections_next++ % SC_CONNECTIONS];
    *c = (struct sc_connection){own_port, http->now_ms};
    t->born_ms = http->now_ms;
}

static void note_certificate(struct sc_http_wire *w, X509 *leaf)
{
    if (!leaf)
        return;
    sc_peer_names(leaf, w->subject, sizeof(w->subject));
    sc_peer_issuer(leaf, w->issuer, sizeof(w->issuer));
    w->not_before_ms = sc_peer_time_ms(X509_get0_notBefore(leaf));
    w->not_after_ms = sc_peer_time_ms(X509_get0_notAfter(leaf));
}

static void note_tls(struct sc_transfer *t)
{
    struct sc_http_wire *w = &t->result.wire;
    struct curl_tlssessioninfo *info = NULL;
    if (!t->place.tls || curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK ||
        !info || info->backend != CURLSSLBACKEND_OPENSSL || !info->internals)
        return;
    SSL *ssl = info->internals;
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    snprintf(w->tls, sizeof(w->tls), "%s", SSL_get_version(ssl));
    w->chain = chain ? (unsigned)sk_X509_num(chain) : 0;
    w->verified = t->verify;
    w->cert_sent = t->peer->wanted && SSL_get_certificate(ssl);
    note_certificate(w, SSL_get0_peer_certificate(ssl));
}

void sc_wire_connected(struct sc_transfer *t, const char *own_ip, uint16_t own_port)
{
    struct sc_http_wire *w = &t->result.wire;
    snprintf(w->local, sizeof(w->local), "%s", own_ip ? own_ip : "");
    note_connection(t, own_port);
    note_tls(t);
}

/* Date is when the answer was made: a cache on the way adds Age. The middle of the second is the
 * best guess. */
void sc_wire_answered(struct sc_transfer *t)
{
    int64_t age_s = 0, date_ms = t->result.date_ms;
    struct sc_str age = sc_head_get(&t->head, "Age", 0);
    if (age.ptr && (!sc_parse_int(age, &age_s) || age_s < 0 || age_s > 365 * 86400))
        age_s = 0;
    if (date_ms != SC_TIME_NONE)
        t->result.wire.clock_off_ms = date_ms + age_s * 1000 + 500 - sc_real_ms();
}

static uint32_t span_ms(curl_off_t from, curl_off_t to)
{
    return to > from ? (uint32_t)((to - from) / 1000) : 0;
}

static void fill_timing(struct sc_transfer *t)
{
    struct sc_http_timing *out = &t->result.timing;
    curl_off_t dns = 0, tcp = 0, tls = 0, sent = 0, first = 0, total = 0;
    long fresh = 0;
    curl_easy_getinfo(t->easy, CURLINFO_NAMELOOKUP_TIME_T, &dns);
    curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &tcp);
    curl_easy_getinfo(t->easy, CURLINFO_APPCONNECT_TIME_T, &tls);
    curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    curl_easy_getinfo(t->easy, CURLINFO_STARTTRANSFER_TIME_T, &first);
    curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &total);
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &fresh);
    if (fresh > 0) {
        out->dns = span_ms(0, dns);
        out->connect = dns > 0 ? span_ms(dns, tcp) : 0;
        out->tls = tcp > 0 ? span_ms(tcp, tls) : 0;
    }
    out->first_byte = sent > 0 ? span_ms(sent, first) : 0;
    out->transfer = first > 0 ? span_ms(first, total) : 0;
}

void sc_wire_fill(struct sc_transfer *t)
{
    struct sc_http_wire *w = &t->result.wire;
    fill_timing(t);
    snprintf(w->address, sizeof(w->address), "%s", t->address);
    w->port = t->address_port;
    if (sc_outcome_via_proxy(t))
        snprintf(w->proxy, sizeof(w->proxy), "%s", t->proxy.name);
    w->connection_ms = t->born_ms ? t->http->now_ms - t->born_ms : 0;
    w->cert_wanted = t->peer->wanted;
    w->cert_until_ms = sc_client_cert_until(t->cert);
    if (!w->subject[0]) { /* the handshake failed, perhaps because of it */
        note_certificate(w, t->peer->leaf);
        w->chain = t->peer->chain;
    }
}
