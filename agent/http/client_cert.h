/* Client certificates: PEM files of an integration, parsed once, read again when they change, and shared by its requests. The key stays in OpenSSL's
 * hands; nothing of it is logged. Belongs to one struct sc_http. */
#pragma once

#include "base/error.h"

#include <openssl/ssl.h>

struct sc_client_cert;

/* A new reference; NULL + config_invalid: a file that is missing, holds no certificate or no key, a key with a password, or one of another
 * certificate. key_file NULL or empty: the key is in cert_file. */
struct sc_client_cert *sc_client_cert_get(struct sc_client_cert **cache, const char *cert_file, const char *key_file, struct sc_error *err);
struct sc_client_cert *sc_client_cert_unref(struct sc_client_cert *cert); /* NULL is fine; returns NULL */
void sc_client_cert_cache_free(struct sc_client_cert **cache);
int sc_client_cert_attach(SSL_CTX *ctx, const struct sc_client_cert *cert); /* NULL: nothing to do; -1: OpenSSL will not have it */
/* It was asked for, and answers came: it is accepted. NULL is fine. */
void sc_client_cert_worked(struct sc_client_cert *cert);
bool sc_client_cert_has_worked(const struct sc_client_cert *cert); /* false: NULL */
uint64_t sc_client_cert_serial(const struct sc_client_cert *cert);          /* unlike for each that was read; 0: NULL */
int64_t sc_client_cert_until(const struct sc_client_cert *cert);            /* its end; SC_TIME_NONE: NULL, or unreadable */
const char *sc_client_cert_name(const struct sc_client_cert *cert, char *out, size_t cap); /* whom it is for */
