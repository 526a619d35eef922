/* Hashes: SHA-256 for identities, SipHash-2-4 for keyed fingerprints, XXH3 for body comparison; digests and HMAC for signatures. Pure. */
#pragma once

#include <signal/connector.h>

/* Aborts when memory runs out at the thread's first call: a wrong hash would lose or double records. */
void sc_sha256(const void *bytes, size_t len, unsigned char out[32]);
struct sc_sha256_stream; /* incremental; heap */
struct sc_sha256_stream *sc_sha256_new(void);
void sc_sha256_add(struct sc_sha256_stream *s, const void *bytes, size_t len);
void sc_sha256_finish(struct sc_sha256_stream *s, unsigned char out[32]); /* and ready for a new one */
void sc_sha256_free(struct sc_sha256_stream *s);
/* Lower-case hex of the first n bytes; out holds 2n + 1. */
void sc_hex(const unsigned char *bytes, size_t n, char *out);
bool sc_unhex(struct sc_str text, unsigned char *out, size_t n);
/* Base64 of either alphabet (RFC 4648), with padding or without; out has room for 3 bytes of each 4 characters begun. strict: base64url without
 * padding, and no bits left over, so that one value has one text. false: it is none. */
bool sc_from_base64(struct sc_str text, bool strict, unsigned char *out, size_t *ret_len);
uint64_t sc_siphash(const unsigned char key[16], const void *bytes, size_t len);
uint32_t sc_hash32(const void *bytes, size_t len);
/* 128-bit content hash of SHA-256, first 16 bytes. */
void sc_content_hash(const void *bytes, size_t len, unsigned char out[16]);
/* One-shot digest, and HMAC (RFC 2104), as connectors get them (struct sc_host_api): out has room for 64. Their length; 0: unknown kind, or out of
 * memory. Absent bytes are empty ones. */
size_t sc_digest_of(enum sc_digest kind, struct sc_str data, unsigned char *out);
size_t sc_hmac_of(enum sc_digest kind, struct sc_str key, struct sc_str data, unsigned char *out);
int sc_random(void *out, size_t len); /* getrandom; -1 never in practice */
