#include "http/client_cert.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/files.h"
#include "http/trust.h"

#define MAX_FILE  (1024L * 1024)
#define MAX_CERTS 64

/* One pair of files as it was read; the cache holds a reference of its own. */
struct sc_client_cert {
    struct sc_client_cert *next; /* in the cache */
    unsigned refs;
    char *cert_file, *key_file; /* the latter is the former where both are in one */
    uint64_t stamp;             /* of the files when they were read */
    uint64_t serial;
    bool worked;
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};

struct sc_client_cert *sc_client_cert_unref(struct sc_client_cert *cert)
{
    if (!cert || --cert->refs > 0)
        return NULL;
    X509_free(cert->leaf);
    sk_X509_pop_free(cert->chain, X509_free);
    EVP_PKEY_free(cert->key);
    free(cert->cert_file);
    free(cert->key_file);
    free(cert);
    return NULL;
}

void sc_client_cert_cache_free(struct sc_client_cert **cache)
{
    while (*cache) {
        struct sc_client_cert *cert = *cache;
        *cache = cert->next;
        sc_client_cert_unref(cert);
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------------- */

static BIO *open_pem(const char *what, const char *path, struct sc_error *err)
{
    BIO *bio = BIO_new_file(path, "r");
    if (!bio)
        sc_fail(err, SC_REASON_CONFIG_INVALID, "%s %s: %s; in a container this is the container's path", what, path, strerror(errno));
    else if (sc_file_size(path) > MAX_FILE) {
        sc_fail(err, SC_REASON_CONFIG_INVALID, "%s %s is over 1 MiB, or no file", what, path);
        BIO_free(bio);
        bio = NULL;
    }
    ERR_clear_error();
    return bio;
}

static int read_certs(struct sc_client_cert *cert, struct sc_error *err)
{
    BIO *bio = open_pem("tls.cert_file", cert->cert_file, err);
    cert->chain = sk_X509_new_null();
    if (!bio)
        return -1;
    cert->leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    X509 *more;
    while (cert->leaf && cert->chain && sk_X509_num(cert->chain) < MAX_CERTS && (more = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        if (!sk_X509_push(cert->chain, more))
            X509_free(more);
    BIO_free(bio);
    ERR_clear_error();
    if (!cert->leaf)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "tls.cert_file %s: no certificate in it; it must hold PEM, \"-----BEGIN CERTIFICATE-----\"", cert->cert_file);
    return 0;
}

/* Asked for where the key is encrypted: nobody is there to type it. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag;
    *(bool *)arg = true;
    return -1;
}

static int read_key(struct sc_client_cert *cert, struct sc_error *err)
{
    bool locked = false;
    BIO *bio = open_pem("tls.key_file", cert->key_file, err);
    if (!bio)
        return -1;
    cert->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &locked);
    BIO_free(bio);
    ERR_clear_error();
    if (locked)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "tls.key_file %s: the key is encrypted with a password: store it without one, in a file of mode 0600",
                       cert->key_file);
    if (!cert->key)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "tls.key_file %s: no private key in it; it must hold PEM, \"-----BEGIN PRIVATE KEY-----\"", cert->key_file);
    bool fits = X509_check_private_key(cert->leaf, cert->key) == 1;
    ERR_clear_error();
    return fits ? 0 : sc_fail(err, SC_REASON_CONFIG_INVALID, "tls.key_file %s: the key does not belong to the certificate in %s", cert->key_file, cert->cert_file);
}

static uint64_t stamp_of(const char *cert_file, const char *key_file)
{
    const char *const paths[] = {cert_file, key_file};
    return sc_files_stamp(paths, 2);
}

static struct sc_client_cert *read_pair(const char *cert_file, const char *key_file, struct sc_error *err)
{
    static _Atomic uint64_t serial;
    struct sc_client_cert *cert = calloc(1, sizeof *cert);
    if (!cert) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
        return NULL;
    }
    cert->refs = 1;
    cert->cert_file = sc_dup(cert_file);
    cert->key_file = sc_dup(key_file);
    if (!cert->cert_file || !cert->key_file) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
        return sc_client_cert_unref(cert);
    }
    cert->stamp = stamp_of(cert_file, key_file); /* before: a change in between is seen the next time */
    if (read_certs(cert, err) || read_key(cert, err))
        return sc_client_cert_unref(cert);
    cert->serial = ++serial;
    return cert;
}

struct sc_client_cert *sc_client_cert_get(struct sc_client_cert **cache, const char *cert_file, const char *key_file, struct sc_error *err)
{
    struct sc_client_cert **at = cache, *old = NULL;
    const char *key = key_file && *key_file ? key_file : cert_file;
    while (*at && (strcmp((*at)->cert_file, cert_file) != 0 || strcmp((*at)->key_file, key) != 0))
        at = &(*at)->next;
    old = *at;
    if (!old || old->stamp != stamp_of(cert_file, key)) {
        struct sc_client_cert *cert = read_pair(cert_file, key, err);
        if (!cert)
            return NULL;
        if (old) {
            *at = old->next;
            sc_client_cert_unref(old);
        }
        cert->next = *cache;
        *cache = cert;
        old = cert;
    }
    old->refs++;
    return old;
}

/* ---- using ------------------------------------------------------------------------------------------------------------------------- */

int sc_client_cert_attach(SSL_CTX *ctx, const struct sc_client_cert *cert)
{
    if (!cert)
        return 0;
    if (SSL_CTX_use_certificate(ctx, cert->leaf) != 1 || SSL_CTX_use_PrivateKey(ctx, cert->key) != 1)
        return -1;
    for (int i = 0; i < sk_X509_num(cert->chain); i++)
        if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(cert->chain, i)) != 1)
            return -1;
    return 0;
}

void sc_client_cert_worked(struct sc_client_cert *cert)
{
    if (cert)
        cert->worked = true;
}

bool sc_client_cert_has_worked(const struct sc_client_cert *cert)
{
    return cert && cert->worked;
}

uint64_t sc_client_cert_serial(const struct sc_client_cert *cert)
{
    return cert ? cert->serial : 0;
}

int64_t sc_client_cert_until(const struct sc_client_cert *cert)
{
    return cert ? sc_peer_time_ms(X509_get0_notAfter(cert->leaf)) : SC_TIME_NONE;
}

const char *sc_client_cert_name(const struct sc_client_cert *cert, char *out, size_t cap)
{
    return sc_peer_subject(cert ? cert->leaf : NULL, out, cap);
}
