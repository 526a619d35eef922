#include "certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "certs: %s\n", what);
    abort();
}

static void extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    need(ext && X509_add_ext(cert, ext, -1), value);
    X509_EXTENSION_free(ext);
}

struct cert cert_make(const struct cert_want *want)
{
    static long serial = 1000;
    struct cert made = {X509_new(), EVP_EC_gen("P-256")};
    X509 *issuer = want->issuer ? want->issuer->x509 : made.x509;
    bool dated = want->from_s || want->until_s;
    need(made.x509 && made.key, "key");
    X509_set_version(made.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.x509), dated ? want->from_s : -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.x509), dated ? want->until_s : 86400);
    X509_NAME *name = X509_get_subject_name(made.x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)want->name, -1, -1,
                               0);
    X509_set_issuer_name(made.x509, X509_get_subject_name(issuer));
    X509_set_pubkey(made.x509, made.key);
    extension(made.x509, issuer, NID_basic_constraints, want->ca ? "critical,CA:TRUE" : "CA:FALSE");
    extension(made.x509, issuer, NID_subject_key_identifier, "hash");
    if (want->san)
        extension(made.x509, issuer, NID_subject_alt_name, want->san);
    need(X509_sign(made.x509, want->issuer ? want->issuer->key : made.key, EVP_sha256()) > 0,
         "sign");
    return made;
}

void cert_done(struct cert *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
    *cert = (struct cert){0};
}

void cert_write(const char *path, const struct cert *a, const struct cert *b)
{
    FILE *f = fopen(path, "w");
    need(f != NULL, path);
    need(PEM_write_X509(f, a->x509) == 1, path);
    if (b)
        need(PEM_write_X509(f, b->x509) == 1, path);
    fclose(f);
}

SSL_CTX *cert_server(const struct cert *leaf, const struct cert *chain, int max_version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    need(ctx && SSL_CTX_use_certificate(ctx, leaf->x509) == 1 &&
             SSL_CTX_use_PrivateKey(ctx, leaf->key) == 1,
         "server");
    if (chain)
        need(SSL_CTX_add1_chain_cert(ctx, chain->x509) == 1, "chain");
    if (max_version) {
        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_min_proto_version(ctx, 0);
        SSL_CTX_set_max_proto_version(ctx, max_version);
    }
    return ctx;
}

SSL_CTX *cert_server_wanting(const struct cert *leaf, const struct cert *ca, int max_version)
{
    SSL_CTX *ctx = cert_server(leaf, NULL, max_version);
    need(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca->x509) == 1 && SSL_CTX_add_client_CA(ctx, ca->x509) == 1, "wanting");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return ctx;
}

void cert_write_key(const char *path, const struct cert *cert, const char *password)
{
    FILE *f = fopen(path, "w");
    need(f != NULL, path);
    need(PEM_write_PKCS8PrivateKey(f, cert->key, password ? EVP_aes_128_cbc() : NULL, password, password ? (int)strlen(password) : 0, NULL, NULL) == 1, path);
    fclose(f);
}
