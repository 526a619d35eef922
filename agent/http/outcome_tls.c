/* How a TLS handshake failed: version, no TLS at all, whom the certificate is from, for and until
 * when. */
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>
#include <openssl/err.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "http/transfer.h"

/* "... error:0A000102:SSL routines::unsupported protocol" -> "unsupported protocol", 0x102 */
const char *sc_outcome_openssl_text(const char *error, unsigned long *ret_reason)
{
    const char *at = strstr(error, "error:");
    const char *words = at ? strstr(at, "::") : NULL;
    *ret_reason = 0;
    if (!words)
        return "closed";
    *ret_reason = (unsigned long)ERR_GET_REASON(strtoul(at + 6, NULL, 16));
    return words + 2;
}

/* CAs known to open TLS on the way. */
static bool is_inspection(const char *issuer)
{
    static const char *const known[] = {
        "mitmproxy",     "zscaler",      "netskope",       "fortinet",      "fortigate",
        "palo alto",     "blue coat",    "bluecoat",       "forcepoint",    "websense",
        "cisco umb",     "sophos",       "barracuda",      "sonicwall",     "watchguard",
        "check point",   "mcafee web",   "skyhigh",        "iboss",         "smoothwall",
        "untangle",      "symantec web", "menlo security", "cato networks", "squid proxy",
        "charles proxy", "burp",         "kaspersky",
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strcasestr(issuer, known[i]))
            return true;
    return false;
}

/* Has that untrusted CA shown up for another host, too? Remembers this one. */
static bool signs_others(struct sc_http *http, const char *issuer, const char *host)
{
    const unsigned places = sizeof(http->seen) / sizeof(*http->seen);
    bool others = false, known = false;
    if (sc_host_is_loopback(host) || strlen(issuer) >= sizeof(http->seen[0].issuer) ||
        strlen(host) >= sizeof(http->seen[0].host))
        return false;
    for (unsigned i = 0; i < places; i++) {
        if (strcmp(http->seen[i].issuer, issuer) != 0)
            continue;
        if (strcmp(http->seen[i].host, host) == 0)
            known = true;
        else
            others = true;
    }
    if (!known) {
        struct sc_issuer_seen *place = &http->seen[http->seen_next++ % places];
        snprintf(place->issuer, sizeof(place->issuer), "%.95s", issuer);
        snprintf(place->host, sizeof(place->host), "%.127s", host);
    }
    return others;
}

static void expired(struct sc_transfer *t, const char *who)
{
    const struct sc_peer *peer = t->peer;
    bool early = peer->code == X509_V_ERR_CERT_NOT_YET_VALID;
    const ASN1_TIME *at = NULL;
    char date[SC_PEER_DATE], now[SC_TIME_TEXT];
    if (peer->cert)
        at = early ? X509_get0_notBefore(peer->cert) : X509_get0_notAfter(peer->cert);
    int64_t at_ms = sc_peer_time_ms(at), now_ms = sc_real_ms();
    long long days =
        at_ms == SC_TIME_NONE ? 0 : (early ? at_ms - now_ms : now_ms - at_ms) / 86400000;
    sc_transfer_fail(t, SC_REASON_TLS_EXPIRED,
                     "%s of %.100s %s %s (%s%lld days%s): its owner must renew it; if several "
                     "hosts show this, the "
                     "clock of this host (%s) is wrong",
                     peer->depth > 0 ? "A CA certificate" : "Certificate", who,
                     early ? "is not valid before" : "expired", sc_peer_date(at, date),
                     early ? "in " : "", days, early ? "" : " ago", sc_time_rfc3339(now_ms, now));
}

static void untrusted(struct sc_transfer *t, const char *who)
{
    const struct sc_peer *peer = t->peer;
    char issuer[96];
    const char *file = *t->ca_file ? t->ca_file : "tls.ca_file";
    bool self = peer->code == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
    unsigned roots = t->trust ? t->trust->count : 0;
    sc_peer_issuer(peer->cert, issuer, sizeof(issuer));
    bool unknown = self || peer->code == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
                   peer->code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
                   peer->code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
                   peer->code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
                   peer->code == X509_V_ERR_CERT_UNTRUSTED;
    if (!unknown)
        sc_transfer_fail(t, SC_REASON_TLS_UNTRUSTED, "Certificate of %.100s is not accepted: %s",
                         who, X509_verify_cert_error_string(peer->code));
    else if (!self && (is_inspection(issuer) || signs_others(t->http, issuer, t->place.host)))
        sc_transfer_fail(t, SC_REASON_TLS_INTERCEPTED,
                         "Certificate of %.80s is signed by \"%.60s\", as others are: TLS is being "
                         "opened on the way; "
                         "exempt that host there, or add that CA's PEM to %.70s",
                         who, issuer, file);
    else if (self)
        sc_transfer_fail(t, SC_REASON_TLS_UNTRUSTED,
                         "%.80s shows a self-signed certificate (\"%.60s\"), not among %u trusted "
                         "CAs: add its PEM to "
                         "%.80s (read again without restart)",
                         who, issuer, roots, file);
    else if (peer->chain > 1)
        sc_transfer_fail(t, SC_REASON_TLS_UNTRUSTED,
                         "%.80s is signed by \"%.60s\", not among %u trusted CAs: add that CA's "
                         "PEM to %.80s (read "
                         "again without restart)",
                         who, issuer, roots, file);
    else
        sc_transfer_fail(
            t, SC_REASON_TLS_UNTRUSTED,
            "%.70s is signed by \"%.60s\", not among %u trusted CAs: add that CA's PEM to %.70s "
            "(read "
            "again without restart), or it forgot its intermediate (sent 1 certificate)",
            who, issuer, roots, file);
}

static void not_verified(struct sc_transfer *t)
{
    char names[120];
    const char *who = t->place.host;
    if (t->proxy.tls && t->connect_status == 0 && t->state == SC_TRANSFER_CONNECTING)
        who = t->proxy.name;
    switch (t->peer->code) {
    case X509_V_OK:
        sc_transfer_fail(t, SC_REASON_TLS_HOSTNAME,
                         "The certificate that %.90s shows is for %.90s: check the host name; or "
                         "something on the way "
                         "answers in its place",
                         who, sc_peer_names(t->peer->leaf, names, sizeof(names)));
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        expired(t, who);
        break;
    default:
        untrusted(t, who);
        break;
    }
}

static bool handshake(struct sc_transfer *t)
{
    unsigned long reason;
    const char *words = sc_outcome_openssl_text(t->error, &reason);
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
        sc_transfer_fail(
            t, SC_REASON_TLS_VERSION,
            "%.120s offers TLS 1.1 at most, 1.2 is the least accepted: update the server",
            t->place.host);
        return true;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LENGTH_MISMATCH:
        sc_transfer_fail(
            t, SC_REASON_TLS_VERSION,
            "%.120s does not speak TLS on port %u: check the port, or whether it is http only",
            t->place.host, t->place.port);
        return true;
    case SSL_R_TLSV1_UNRECOGNIZED_NAME:
        sc_transfer_fail(t, SC_REASON_TLS_HOSTNAME,
                         "The server behind %.120s does not know that name: check the host name",
                         t->place.host);
        return true;
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
    case SSL_R_DH_KEY_TOO_SMALL:
        sc_transfer_fail(
            t, SC_REASON_TLS_VERSION,
            "%.120s and this host have no TLS settings in common (%.60s): update the server",
            t->place.host, words);
        return true;
    default:
        return false;
    }
}

bool sc_outcome_tls(struct sc_transfer *t, CURLcode code)
{
    switch ((int)code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        not_verified(t);
        return true;
    case CURLE_SSL_CONNECT_ERROR:
        return handshake(t);
    case CURLE_SSL_CACERT_BADFILE:
        sc_transfer_fail(t, SC_REASON_CONFIG_INVALID, "the CA certificates cannot be used: %.150s",
                         t->error);
        return true;
    default:
        return false;
    }
}
