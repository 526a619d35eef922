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
#include "base/reach.h"
#include "http/transfer.h"

#define CLOCK_OFF_MS 60000

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

/* How many other hosts have shown that untrusted CA? */
static unsigned signs_others(const char *issuer, const char *host)
{
    return sc_host_is_loopback(host) ? 0 : sc_reach_mark(host, SC_MARK_ISSUER, issuer);
}

/* By the clocks of others the certificate is good: it is ours that is wrong. */
static bool own_clock(struct sc_transfer *t, const char *who, int64_t now_ms)
{
    const struct sc_peer *peer = t->peer;
    char now[SC_TIME_TEXT], off[SC_TIME_TEXT];
    int64_t error = sc_reach_own_error();
    int64_t from = peer->cert ? sc_peer_time_ms(X509_get0_notBefore(peer->cert)) : SC_TIME_NONE;
    int64_t until = peer->cert ? sc_peer_time_ms(X509_get0_notAfter(peer->cert)) : SC_TIME_NONE;
    if (error == SC_TIME_NONE || (error < CLOCK_OFF_MS && error > -CLOCK_OFF_MS) || from == SC_TIME_NONE || until == SC_TIME_NONE ||
        now_ms + error < from || now_ms + error > until)
        return false;
    sc_transfer_fail(t, SC_REASON_CLOCK_SKEW,
                     "The certificate of %.80s only looks %s: this host's clock says %s, which is %s %s what NATS and others say; repair its time "
                     "(chronyc sources -v)",
                     who, peer->code == X509_V_ERR_CERT_NOT_YET_VALID ? "not yet valid" : "expired", sc_time_rfc3339(now_ms, now),
                     sc_duration_text(error < 0 ? -error : error, off), error < 0 ? "ahead of" : "behind");
    return true;
}

static void expired(struct sc_transfer *t, const char *who)
{
    const struct sc_peer *peer = t->peer;
    bool early = peer->code == X509_V_ERR_CERT_NOT_YET_VALID;
    const ASN1_TIME *at = NULL;
    char date[SC_PEER_DATE], now[SC_TIME_TEXT], doubt[160];
    int64_t now_ms = sc_real_ms();
    if (own_clock(t, who, now_ms))
        return;
    if (peer->cert)
        at = early ? X509_get0_notBefore(peer->cert) : X509_get0_notAfter(peer->cert);
    int64_t at_ms = sc_peer_time_ms(at);
    long long days =
        at_ms == SC_TIME_NONE ? 0 : (early ? at_ms - now_ms : now_ms - at_ms) / 86400000;
    t->result.open = sc_reach_own_error() == SC_TIME_NONE; /* nobody has told the time yet */
    unsigned alike = sc_reach_mark(t->place.host, SC_MARK_DATES, early ? "early" : "late");
    sc_time_rfc3339(now_ms, now);
    if (!t->result.open)
        snprintf(doubt, sizeof doubt, "this host's clock agrees with what NATS and others say");
    else if (alike)
        snprintf(doubt, sizeof doubt, "as %u other host%s this too, perhaps the clock of this host (%s) is wrong", alike, alike == 1 ? " shows" : "s show", now);
    else
        snprintf(doubt, sizeof doubt, "if several hosts show this, the clock of this host (%s) is wrong", now);
    sc_transfer_fail(t, SC_REASON_TLS_EXPIRED,
                     "%s of %.80s %s %s (%s%lld days%s): its owner must renew it; %s",
                     peer->depth > 0 ? "A CA certificate" : "Certificate", who,
                     early ? "is not valid before" : "expired", sc_peer_date(at, date),
                     early ? "in " : "", days, early ? "" : " ago", doubt);
}

static bool is_unknown(int code)
{
    return code == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || code == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE || code == X509_V_ERR_CERT_UNTRUSTED;
}

/* Somebody on the way signs for the vendors. false: nothing says so. */
static bool intercepted(struct sc_transfer *t, const char *who, const char *issuer, const char *file)
{
    unsigned others = signs_others(issuer, t->place.host);
    if (others)
        sc_transfer_fail(t, SC_REASON_TLS_INTERCEPTED,
                         "The certificates of %.70s and %u other host%s are all signed by \"%.60s\", whom nobody here trusts: TLS is being opened on the way; "
                         "exempt %.60s there, or add that CA's PEM to %.70s", who, others, others == 1 ? "" : "s", issuer, who, file);
    else if (is_inspection(issuer))
        sc_transfer_fail(t, SC_REASON_TLS_INTERCEPTED,
                         "The certificate of %.70s is signed by \"%.60s\", which inspects traffic: TLS is being opened on the way; exempt %.60s there, or add "
                         "that CA's PEM to %.70s", who, issuer, who, file);
    return others || is_inspection(issuer);
}

static void untrusted(struct sc_transfer *t, const char *who)
{
    const struct sc_peer *peer = t->peer;
    char issuer[96];
    const char *file = *t->ca_file ? t->ca_file : "tls.ca_file";
    bool self = peer->code == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
    unsigned roots = t->trust ? t->trust->count : 0;
    sc_peer_issuer(peer->cert, issuer, sizeof(issuer));
    if (!is_unknown(peer->code)) {
        sc_transfer_fail(t, SC_REASON_TLS_UNTRUSTED, "Certificate of %.100s is not accepted: %s",
                         who, X509_verify_cert_error_string(peer->code));
        return;
    }
    if (!self && intercepted(t, who, issuer, file))
        return;
    if (self)
        sc_transfer_fail(t, SC_REASON_TLS_UNTRUSTED,
                         "%.80s shows a self-signed certificate (\"%.60s\"), not among %u trusted CAs: add its PEM to %.80s (read again without restart)",
                         who, issuer, roots, file);
    else if (peer->chain > 1)
        sc_transfer_fail(t, SC_REASON_TLS_UNTRUSTED,
                         "%.80s is signed by \"%.60s\", not among %u trusted CAs: add that CA's PEM to %.80s (read again without restart)",
                         who, issuer, roots, file);
    else
        sc_transfer_fail(t, SC_REASON_TLS_UNTRUSTED,
                         "%.70s is signed by \"%.60s\", not among %u trusted CAs: add that CA's PEM to %.70s (read again without restart), or it forgot its "
                         "intermediate (sent 1 certificate)", who, issuer, roots, file);
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
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: /* asked for a client certificate: sc_outcome_cert */
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

/* ---- client certificates ---- */

static bool is_alert_about_cert(unsigned long reason)
{
    switch (reason) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
        return true;
    default:
        return false;
    }
}

/* It asked, and then hung up without a word, before or behind the request: its alert may be lost with the connection. */
static bool hung_up(const struct sc_transfer *t, CURLcode code)
{
    bool lost = code == CURLE_SSL_CONNECT_ERROR || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING;
    return lost && !sc_client_cert_has_worked(t->cert) && t->head.total == 0 && !t->result.wire.reused;
}

static void wants_cert(struct sc_transfer *t, const char *what)
{
    char of[140] = "", name[80], until[SC_TIME_TEXT];
    if (t->peer->wanted_of[0])
        snprintf(of, sizeof of, " of %.110s", t->peer->wanted_of);
    if (!t->cert)
        sc_transfer_fail(t, SC_REASON_CONFIG_INVALID,
                         "%.70s wants a client certificate%s, and none is set (%s): give tls.cert_file and tls.key_file in the integration", t->place.host, of, what);
    else
        sc_transfer_fail(t, SC_REASON_CONFIG_INVALID,
                         "%.60s does not accept the client certificate \"%.50s\" of %.60s, good until %.10s (%s)%s%s: give it one that it knows", t->place.host,
                         sc_client_cert_name(t->cert, name, sizeof name), t->cert_file, sc_time_rfc3339(sc_client_cert_until(t->cert), until), what,
                         of[0] ? ", it wants one" : "", of);
}

bool sc_outcome_cert(struct sc_transfer *t, CURLcode code)
{
    unsigned long reason;
    const char *words = sc_outcome_openssl_text(t->error, &reason);
    if (code == CURLE_SSL_CERTPROBLEM) {
        sc_transfer_fail(t, SC_REASON_CONFIG_INVALID, "tls.cert_file %.150s: OpenSSL does not accept that certificate with its key", t->cert_file ? t->cert_file : "");
        return true;
    }
    if (!t->peer->wanted || t->final || code == CURLE_OK || code == CURLE_PEER_FAILED_VERIFICATION)
        return false;
    if (!is_alert_about_cert(reason) && !hung_up(t, code))
        return false;
    wants_cert(t, is_alert_about_cert(reason) ? words : "it ended the connection");
    return true;
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
