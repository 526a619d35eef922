/* Certificates made for one test: CAs and servers, with any dates and names; a server's SSL_CTX of
 * them. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

struct cert {
    X509 *x509;
    EVP_PKEY *key;
};

struct cert_want {
    const char
        *name; /* CN, and for servers the SAN: "DNS:localhost,IP:127.0.0.1" style is in `san` */
    const char *san;           /* NULL: none */
    const struct cert *issuer; /* NULL: self-signed */
    bool ca;
    long from_s, until_s; /* relative to now; both 0: valid a day */
};

struct cert cert_make(const struct cert_want *want);
void cert_done(struct cert *cert);
/* Writes PEM of up to two certificates. A path under the test's own directory. */
void cert_write(const char *path, const struct cert *a, const struct cert *b);
/* A server showing `leaf` and, unless NULL, `chain` after it. max_version 0: newest. */
SSL_CTX *cert_server(const struct cert *leaf, const struct cert *chain, int max_version);
/* The same, and it wants a client certificate of that CA; the handshake fails without. */
SSL_CTX *cert_server_wanting(const struct cert *leaf, const struct cert *ca, int max_version);
void cert_write_key(const char *path, const struct cert *cert, const char *password);
