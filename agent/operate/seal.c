/* The form of sealed values and their cipher. What is opened comes from a bucket that others write: nothing here may assert, and nothing is
 * handed out before its tag was checked. */
#include "operate/seal.h"

#include "base/hash.h"
#include "base/redact.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define ANY_VERSION "sealed:v"
#define PREFIX      "sealed:v1:"
#define NONCE_BYTES 12
#define TAG_BYTES   16
#define MIN_BYTES   (NONCE_BYTES + 1 + TAG_BYTES)
#define MAX_BYTES   (NONCE_BYTES + SC_SEAL_MAX_BYTES + TAG_BYTES)

/* ---- keys -------------------------------------------------------------------------------------------------------- */

int sc_seal_key_set(struct sc_seal_key *ret, const unsigned char bytes[SC_SEAL_KEY_BYTES], struct sc_error *err)
{
    unsigned char digest[64];
    const struct sc_str key = {(const char *)bytes, SC_SEAL_KEY_BYTES};
    if (!sc_hmac_of(SC_SHA256, key, sc_str_of("signal-client seal key id"), digest))
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    memcpy(ret->bytes, bytes, sizeof ret->bytes);
    sc_hex(digest, SC_SEAL_ID_CHARS / 2, ret->id);
    return 0;
}

void sc_seal_keys_clear(struct sc_seal_keys *keys)
{
    explicit_bzero(keys, sizeof *keys);
}

bool sc_is_sealed(const char *text)
{
    size_t len = strlen(ANY_VERSION);
    return strncmp(text, ANY_VERSION, len) == 0 && text[len] >= '0' && text[len] <= '9';
}

void sc_seal_key_id(const char *sealed, char ret[SC_SEAL_ID_CHARS + 1])
{
    const char *id = sealed + strlen(PREFIX);
    bool good = strncmp(sealed, PREFIX, strlen(PREFIX)) == 0 && strspn(id, "0123456789abcdef") == SC_SEAL_ID_CHARS && id[SC_SEAL_ID_CHARS] == ':';
    size_t len = good ? SC_SEAL_ID_CHARS : 0;
    memcpy(ret, id, len);
    ret[len] = '\0';
}

/* ---- the cipher -------------------------------------------------------------------------------------------------- */

static bool add_place(EVP_CIPHER_CTX *cx, bool seals, const char *integration, const char *field)
{
    struct sc_buf place SC_AUTO_BUF = {0};
    int done;
    if (sc_buf_addf(&place, "%s/%s", integration, field) || place.len > INT_MAX)
        return false;
    const unsigned char *bytes = (const unsigned char *)place.ptr;
    return seals ? EVP_EncryptUpdate(cx, NULL, &done, bytes, (int)place.len) == 1 : EVP_DecryptUpdate(cx, NULL, &done, bytes, (int)place.len) == 1;
}

/* out: nonce, ciphertext, tag; the nonce stands there already. */
static bool encrypt(const struct sc_seal_key *key, const char *integration, const char *field, struct sc_str plain, unsigned char *out)
{
    EVP_CIPHER_CTX *cx = EVP_CIPHER_CTX_new();
    unsigned char *text = out + NONCE_BYTES;
    int done = 0, rest = 0;
    bool good = cx && EVP_EncryptInit_ex(cx, EVP_aes_256_gcm(), NULL, key->bytes, out) == 1 && add_place(cx, true, integration, field) &&
                EVP_EncryptUpdate(cx, text, &done, (const unsigned char *)plain.ptr, (int)plain.len) == 1 &&
                EVP_EncryptFinal_ex(cx, text + done, &rest) == 1 && (size_t)(done + rest) == plain.len &&
                EVP_CIPHER_CTX_ctrl(cx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, text + plain.len) == 1;
    EVP_CIPHER_CTX_free(cx);
    return good;
}

/* in: nonce, ciphertext, tag; plain has room for the ciphertext. */
static bool decrypt(const struct sc_seal_key *key, const char *integration, const char *field, unsigned char *in, size_t len, char *plain)
{
    EVP_CIPHER_CTX *cx = EVP_CIPHER_CTX_new();
    size_t text_len = len - NONCE_BYTES - TAG_BYTES;
    unsigned char *out = (unsigned char *)plain;
    int done = 0, rest = 0;
    bool good = cx && EVP_DecryptInit_ex(cx, EVP_aes_256_gcm(), NULL, key->bytes, in) == 1 && add_place(cx, false, integration, field) &&
                EVP_DecryptUpdate(cx, out, &done, in + NONCE_BYTES, (int)text_len) == 1 &&
                EVP_CIPHER_CTX_ctrl(cx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, in + len - TAG_BYTES) == 1 &&
                EVP_DecryptFinal_ex(cx, out + done, &rest) == 1 && (size_t)(done + rest) == text_len;
    EVP_CIPHER_CTX_free(cx);
    return good;
}

/* ---- the calls --------------------------------------------------------------------------------------------------- */

static int check_plain(struct sc_str plain, struct sc_error *err)
{
    if (plain.len == 0)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "there is nothing to seal: the secret is empty");
    if (plain.len > SC_SEAL_MAX_BYTES)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "the secret has %zu bytes: 64 KiB are the most that can be sealed", plain.len);
    if (memchr(plain.ptr, '\0', plain.len))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "the secret has a zero byte: that is not what is meant");
    if (plain.len > strlen(ANY_VERSION) && sc_is_sealed(plain.ptr))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "this is a sealed value already: it can be used as it is");
    return 0;
}

int sc_seal(const struct sc_seal_key *key, const char *integration, const char *field, struct sc_str plain, struct sc_buf *out,
            struct sc_error *err)
{
    if (check_plain(plain, err))
        return -1;
    size_t len = NONCE_BYTES + plain.len + TAG_BYTES, before = out->len;
    SC_AUTO_FREE unsigned char *bytes = malloc(len);
    if (!bytes)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    if (sc_random(bytes, NONCE_BYTES))
        return sc_fail(err, SC_REASON_INTERNAL, "the kernel gives no random numbers: nothing can be sealed");
    if (!encrypt(key, integration, field, plain, bytes))
        return sc_fail(err, SC_REASON_INTERNAL, "the cipher AES-256-GCM cannot be used here: nothing can be sealed");
    sc_buf_addf(out, PREFIX "%s:", key->id);
    sc_buf_add_base64(out, bytes, len, true);
    if (!out->failed)
        return 0;
    out->len = before;
    return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
}

static const struct sc_seal_key *key_named(const struct sc_seal_keys *keys, const char *id)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->at[i].id, id) == 0)
            return &keys->at[i];
    return NULL;
}

enum sc_unseal sc_unseal(const struct sc_seal_keys *keys, const char *integration, const char *field, const char *sealed, char **ret_plain)
{
    char id[SC_SEAL_ID_CHARS + 1];
    sc_seal_key_id(sealed, id);
    if (!*id)
        return SC_UNSEAL_FORM;
    struct sc_str text = sc_str_of(sealed + strlen(PREFIX) + SC_SEAL_ID_CHARS + 1);
    if (text.len > (MAX_BYTES * 4 + 2) / 3)
        return SC_UNSEAL_FORM;
    SC_AUTO_FREE unsigned char *bytes = malloc(text.len / 4 * 3 + 3);
    if (!bytes)
        return SC_UNSEAL_NO_MEMORY;
    size_t len;
    if (!sc_from_base64(text, true, bytes, &len) || len < MIN_BYTES || len > MAX_BYTES)
        return SC_UNSEAL_FORM;
    const struct sc_seal_key *key = key_named(keys, id);
    if (!key)
        return SC_UNSEAL_NO_KEY;
    size_t plain_len = len - NONCE_BYTES - TAG_BYTES;
    char *plain = calloc(1, plain_len + 1);
    if (!plain)
        return SC_UNSEAL_NO_MEMORY;
    bool good = decrypt(key, integration, field, bytes, len, plain) && !memchr(plain, '\0', plain_len);
    if (!good) {
        explicit_bzero(plain, plain_len); /* deciphered before its tag was known to be wrong */
        free(plain);
        return SC_UNSEAL_REFUSED;
    }
    *ret_plain = plain;
    return SC_UNSEALED;
}
