/* What a peer's certificate was like: recorded by OpenSSL's verify callback, told in words after
 * the failure. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "http/trust.h"

static int peer_index = -1;

static void on_ctx_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
                        void *argp)
{
    (void)parent, (void)data, (void)index, (void)argl, (void)argp;
    sc_peer_unref(ptr);
}

int sc_peer_global_init(void)
{
    if (peer_index < 0)
        peer_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_ctx_free);
    return peer_index < 0 ? -1 : 0;
}

struct sc_peer *sc_peer_new(void)
{
    struct sc_peer *peer = calloc(1, sizeof(*peer));
    if (peer)
        peer->refs = 1;
    return peer;
}

struct sc_peer *sc_peer_unref(struct sc_peer *peer)
{
    if (peer && --peer->refs == 0) {
        X509_free(peer->cert);
        X509_free(peer->leaf);
        free(peer);
    }
    return NULL;
}

static void keep(X509 **place, X509 *cert)
{
    if (cert && !*place && X509_up_ref(cert))
        *place = cert;
}

/* Looks on, changes nothing. */
static int on_verify(int ok, X509_STORE_CTX *store_ctx)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store_ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct sc_peer *peer = ssl ? SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), peer_index) : NULL;
    if (!peer)
        return ok;
    keep(&peer->leaf, X509_STORE_CTX_get0_cert(store_ctx));
    if (!ok && peer->code == X509_V_OK) {
        STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store_ctx);
        peer->code = X509_STORE_CTX_get_error(store_ctx);
        peer->depth = X509_STORE_CTX_get_error_depth(store_ctx);
        peer->chain = sent ? (unsigned)sk_X509_num(sent) : 1;
        keep(&peer->cert, X509_STORE_CTX_get_current_cert(store_ctx));
    }
    return ok;
}

static bool name_text(const X509_NAME *name, char *out, size_t cap);

/* The server has asked for a client certificate. Looks on, too. */
static int on_cert_wanted(SSL *ssl, void *arg)
{
    struct sc_peer *peer = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), peer_index);
    const STACK_OF(X509_NAME) *cas = SSL_get0_peer_CA_list(ssl);
    (void)arg;
    if (!peer)
        return 1;
    peer->wanted = true;
    size_t len = 0;
    for (int i = 0; i < sk_X509_NAME_num(cas) && i < 2; i++) {
        char one[64];
        if (!name_text(sk_X509_NAME_value(cas, i), one, sizeof(one)))
            continue;
        int n = snprintf(peer->wanted_of + len, sizeof(peer->wanted_of) - len, "%s\"%s\"",
                         len ? " or " : "", one);
        if (n < 0 || (size_t)n >= sizeof(peer->wanted_of) - len)
            break;
        len += (size_t)n;
    }
    return 1;
}

void sc_peer_attach(SSL_CTX *ctx, struct sc_trust *trust, struct sc_peer *peer)
{
    if (!SSL_CTX_get_ex_data(ctx, peer_index) && SSL_CTX_set_ex_data(ctx, peer_index, peer))
        peer->refs++;
    SSL_CTX_set_cert_cb(ctx, on_cert_wanted, NULL);
    if (!trust)
        return;
    SSL_CTX_set1_cert_store(ctx, trust->store);
    SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx), on_verify);
}

static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f || *text == '"')
            *text = ' ';
}

static bool name_part(const X509_NAME *name, int nid, char *out, size_t cap)
{
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    unsigned char *utf8 = NULL;
    if (at < 0 ||
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))) <= 0)
        return false;
    snprintf(out, cap, "%s", (const char *)utf8);
    OPENSSL_free(utf8);
    return *out != '\0';
}

/* Common name, else organisation, else all of it. false: there is none, out is empty. */
static bool name_text(const X509_NAME *name, char *out, size_t cap)
{
    *out = '\0';
    if (name && !name_part(name, NID_commonName, out, cap) &&
        !name_part(name, NID_organizationName, out, cap))
        X509_NAME_oneline(name, out, (int)cap);
    clean(out);
    return *out != '\0';
}

const char *sc_peer_issuer(const X509 *cert, char *out, size_t cap)
{
    if (!name_text(cert ? X509_get_issuer_name(cert) : NULL, out, cap))
        snprintf(out, cap, "an unnamed CA");
    return out;
}

const char *sc_peer_subject(const X509 *cert, char *out, size_t cap)
{
    if (!name_text(cert ? X509_get_subject_name(cert) : NULL, out, cap))
        snprintf(out, cap, "an unnamed certificate");
    return out;
}

const char *sc_peer_names(X509 *cert, char *out, size_t cap)
{
    GENERAL_NAMES *names = cert ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;
    size_t len = 0;
    *out = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < 3; i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        int n = 0;
        if (type == GEN_DNS)
            n = snprintf(out + len, cap - len, "%s%.*s", len ? ", " : "", ASN1_STRING_length(value),
                         (const char *)ASN1_STRING_get0_data(value));
        if (n < 0 || (size_t)n >= cap - len)
            break;
        len += (size_t)n;
    }
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    if (!*out && !(cert && name_part(X509_get_subject_name(cert), NID_commonName, out, cap)))
        snprintf(out, cap, "no host name");
    clean(out);
    return out;
}

int64_t sc_peer_time_ms(const ASN1_TIME *time)
{
    struct tm tm;
    if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
        return SC_TIME_NONE;
    return (int64_t)timegm(&tm) * 1000;
}

const char *sc_peer_date(const ASN1_TIME *time, char out[SC_PEER_DATE])
{
    char text[SC_TIME_TEXT];
    int64_t ms = sc_peer_time_ms(time);
    snprintf(out, SC_PEER_DATE, "%.10s",
             ms == SC_TIME_NONE ? "unknown" : sc_time_rfc3339(ms, text));
    return out;
}
