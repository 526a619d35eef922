/* Whom we believe: the system's roots, the agent's CA file and a request's CA file, joined in one
 * OpenSSL store. curl itself loads no roots; its SSL_CTX gets our store, so a handshake parses
 * nothing. Files are looked at again with every start of a transfer and read again when mtime, size
 * or inode changed. And the other direction: what a peer's certificate was like when it failed,
 * because curl keeps nothing of it. Belongs to one struct sc_http. */
#pragma once

#include "base/error.h"

#include <openssl/ssl.h>

#define SC_TRUST_GRACE_MS                                                                          \
    10000 /* a CA file caught half-written: the certificates read before hold that long */

struct sc_trust_cache;

/* Roots as they were at one moment; counted references. */
struct sc_trust {
    unsigned refs;
    X509_STORE *store;
    unsigned count;  /* certificates in it */
    unsigned system; /* of them from the system */
    /* Unlike for each set. Given to curl as CURLOPT_CAPATH (never read), it keeps curl from handing
     * a connection that was verified with one set to a request that trusts another, or to anybody
     * after a CA file changed. */
    char label[48];
};

struct sc_trust_cache *sc_trust_cache_new(const char *ca_file);
struct sc_trust_cache *sc_trust_cache_free(struct sc_trust_cache *cache);
/* A new reference; NULL + config_invalid when a CA file is missing, empty, has no certificate or
 * only expired ones. */
struct sc_trust *sc_trust_get(struct sc_trust_cache *cache, const char *ca_file, int64_t now_ms,
                              struct sc_error *err);
struct sc_trust *sc_trust_unref(struct sc_trust *trust);

/* What the verification of one peer met. Kept alive by the transfer and by the connection. */
struct sc_peer {
    unsigned refs;
    int code;       /* first verify error, X509_V_OK: none */
    int depth;      /* where, 0 = the server's own */
    unsigned chain; /* certificates that the peer sent */
    X509 *cert;     /* the one that failed */
    X509 *leaf;     /* the server's own */
    bool wanted;    /* it asked for a client certificate */
    char wanted_of[120]; /* by which CAs, when it said; empty: did not */
};

int sc_peer_global_init(void);
struct sc_peer *sc_peer_new(void);
struct sc_peer *sc_peer_unref(struct sc_peer *peer);
/* Puts store (NULL: nothing is verified) and callbacks into a fresh SSL_CTX. */
void sc_peer_attach(SSL_CTX *ctx, struct sc_trust *trust, struct sc_peer *peer);
/* Common name, else organisation, else the whole name; control characters and quotes replaced.
 * Returns out. */
const char *sc_peer_issuer(const X509 *cert, char *out, size_t cap);
const char *sc_peer_subject(const X509 *cert, char *out, size_t cap); /* the same of whom it is for */
const char *sc_peer_names(X509 *cert, char *out, size_t cap); /* the first few names it is for */
int64_t sc_peer_time_ms(const ASN1_TIME *time);               /* SC_TIME_NONE: unreadable */
#define SC_PEER_DATE 16
const char *sc_peer_date(const ASN1_TIME *time, char out[SC_PEER_DATE]); /* 2026-11-21 */
