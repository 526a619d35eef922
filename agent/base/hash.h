/* Hashes: SHA-256 for identities, SipHash-2-4 for keyed fingerprints, XXH3 for body comparison. Pure. */
#pragma once

#include <signal/types.h>

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
uint64_t sc_siphash(const unsigned char key[16], const void *bytes, size_t len);
uint32_t sc_hash32(const void *bytes, size_t len);
/* 128-bit content hash of SHA-256, first 16 bytes. */
void sc_content_hash(const void *bytes, size_t len, unsigned char out[16]);
int sc_random(void *out, size_t len); /* getrandom; -1 never in practice */
