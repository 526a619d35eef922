/* Sealed values: a secret as a bucket may hold it, `sealed:v1:{key id}:{base64url(nonce, ciphertext, tag)}`. AES-256-GCM; what it was sealed
 * for, `{integration}/{field}`, is authenticated with it, so that a sealed value copied to another place does not open there. Bytes in, bytes
 * out: no file, no clock; any thread. The sealed text is no secret. */
#pragma once

#include "base/buf.h"

#define SC_SEAL_KEY_BYTES 32
#define SC_SEAL_ID_CHARS  16
#define SC_SEAL_MAX_BYTES (64u * 1024) /* of a secret */
#define SC_SEAL_MAX_KEYS  2

struct sc_seal_key {
    unsigned char bytes[SC_SEAL_KEY_BYTES];
    char id[SC_SEAL_ID_CHARS + 1]; /* derived from the bytes; says nothing about them */
};

struct sc_seal_keys { /* the first one seals; all of them open */
    struct sc_seal_key at[SC_SEAL_MAX_KEYS];
    size_t count;
};

/* -1 + err: out of memory. */
int sc_seal_key_set(struct sc_seal_key *ret, const unsigned char bytes[SC_SEAL_KEY_BYTES], struct sc_error *err) SC_WARN_UNUSED;
/* Overwrites them. */
void sc_seal_keys_clear(struct sc_seal_keys *keys);

/* Does it begin as a sealed value of any version does? No credential of a vendor does. */
bool sc_is_sealed(const char *text);
/* The key id that a sealed value names; "" where it is not of the form. */
void sc_seal_key_id(const char *sealed, char ret[SC_SEAL_ID_CHARS + 1]);

/* Appends the sealed value, with a fresh nonce. -1 + err: empty, over SC_SEAL_MAX_BYTES, a zero byte in it, sealed already, no random numbers. */
int sc_seal(const struct sc_seal_key *key, const char *integration, const char *field, struct sc_str plain, struct sc_buf *out,
            struct sc_error *err) SC_WARN_UNUSED;

enum sc_unseal {
    SC_UNSEALED,
    SC_UNSEAL_FORM,      /* not of the form, cut short, too long, another version */
    SC_UNSEAL_NO_KEY,    /* none of the keys has the id that it names */
    SC_UNSEAL_REFUSED,   /* sealed for another place, or changed since; GCM cannot tell the two */
    SC_UNSEAL_NO_MEMORY
};
/* *ret_plain: terminated, the caller's, to be freed with sc_secret_free(); written only on SC_UNSEALED. */
enum sc_unseal sc_unseal(const struct sc_seal_keys *keys, const char *integration, const char *field, const char *sealed,
                         char **ret_plain) SC_WARN_UNUSED;
