/* Hashes. The one-shot SHA-256 keeps an OpenSSL context a thread, because making one costs more
 * than hashing a record. */
#include "base/hash.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

/* ---- SHA-256 ---- */

/* A hash that is not the hash would lose or double records; a process that ends does neither. It
 * can happen only when memory runs out at a thread's first hash. */
static void must(bool good)
{
    if (!good)
        abort();
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t context_key; /* frees the thread's context at its end */
static _Thread_local EVP_MD_CTX *context;

static void free_context(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static void make_key(void)
{
    must(pthread_key_create(&context_key, free_context) == 0);
}

static EVP_MD_CTX *thread_context(void)
{
    if (!context) {
        pthread_once(&once, make_key);
        EVP_MD_CTX *fresh = EVP_MD_CTX_new();
        must(fresh && EVP_DigestInit_ex2(fresh, EVP_sha256(), NULL) == 1 &&
             pthread_setspecific(context_key, fresh) == 0);
        context = fresh;
    }
    return context;
}

void sc_sha256(const void *bytes, size_t len, unsigned char out[32])
{
    EVP_MD_CTX *ctx = thread_context();
    must(EVP_DigestInit_ex2(ctx, NULL, NULL) == 1);
    must(EVP_DigestUpdate(ctx, bytes, len) == 1);
    must(EVP_DigestFinal_ex(ctx, out, NULL) == 1);
}

struct sc_sha256_stream {
    EVP_MD_CTX *ctx;
};

struct sc_sha256_stream *sc_sha256_new(void)
{
    struct sc_sha256_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->ctx = EVP_MD_CTX_new();
    if (s->ctx && EVP_DigestInit_ex2(s->ctx, EVP_sha256(), NULL) == 1)
        return s;
    sc_sha256_free(s);
    return NULL;
}

void sc_sha256_add(struct sc_sha256_stream *s, const void *bytes, size_t len)
{
    must(EVP_DigestUpdate(s->ctx, bytes, len) == 1);
}

void sc_sha256_finish(struct sc_sha256_stream *s, unsigned char out[32])
{
    must(EVP_DigestFinal_ex(s->ctx, out, NULL) == 1);
    must(EVP_DigestInit_ex2(s->ctx, NULL, NULL) == 1);
}

void sc_sha256_free(struct sc_sha256_stream *s)
{
    if (!s)
        return;
    EVP_MD_CTX_free(s->ctx);
    free(s);
}

void sc_content_hash(const void *bytes, size_t len, unsigned char out[16])
{
    unsigned char whole[32];
    sc_sha256(bytes, len, whole);
    memcpy(out, whole, 16);
}

/* ---- for signatures ---- */

static const EVP_MD *digest_kind(enum sc_digest kind)
{
    switch (kind) {
    case SC_SHA1:
        return EVP_sha1();
    case SC_SHA256:
        return EVP_sha256();
    case SC_SHA512:
        return EVP_sha512();
    default: /* a module's number */
        return NULL;
    }
}

size_t sc_digest_of(enum sc_digest kind, struct sc_str data, unsigned char *out)
{
    const EVP_MD *md = digest_kind(kind);
    unsigned len = 0;
    return md && EVP_Digest(data.ptr ? data.ptr : "", data.len, out, &len, md, NULL) == 1 ? len : 0;
}

size_t sc_hmac_of(enum sc_digest kind, struct sc_str key, struct sc_str data, unsigned char *out)
{
    const EVP_MD *md = digest_kind(kind);
    unsigned len = 0;
    if (!md || key.len > INT_MAX)
        return 0;
    return HMAC(md, key.ptr ? key.ptr : "", (int)key.len, (const unsigned char *)(data.ptr ? data.ptr : ""), data.len, out, &len) ? len : 0;
}

/* ---- SipHash-2-4 (Aumasson, Bernstein 2012) ---- */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static uint64_t load_le64(const unsigned char *p)
{
    uint64_t x = 0;
    for (int i = 7; i >= 0; i--)
        x = x << 8 | p[i];
    return x;
}

static void sip_rounds(struct sip *s, int rounds)
{
    while (rounds-- > 0) {
        s->v0 += s->v1;
        s->v1 = rotl(s->v1, 13) ^ s->v0;
        s->v0 = rotl(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotl(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotl(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotl(s->v1, 17) ^ s->v2;
        s->v2 = rotl(s->v2, 32);
    }
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_rounds(s, 2);
    s->v0 ^= word;
}

uint64_t sc_siphash(const unsigned char key[16], const void *bytes, size_t len)
{
    uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
    struct sip s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                    k1 ^ 0x7465646279746573};
    const unsigned char *p = bytes;
    uint64_t last = (uint64_t)len << 56;
    for (; len >= 8; p += 8, len -= 8)
        sip_word(&s, load_le64(p));
    for (size_t i = 0; i < len; i++)
        last |= (uint64_t)p[i] << (8 * i);
    sip_word(&s, last);
    s.v2 ^= 0xff;
    sip_rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* ---- the rest ---- */

uint32_t sc_hash32(const void *bytes, size_t len)
{
    return (uint32_t)XXH3_64bits(bytes, len);
}

void sc_hex(const unsigned char *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool sc_unhex(struct sc_str text, unsigned char *out, size_t n)
{
    if (text.len % 2 != 0 || text.len / 2 != n)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (hex_value(text.ptr[i]) < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)(hex_value(text.ptr[2 * i]) << 4 | hex_value(text.ptr[2 * i + 1]));
    return true;
}

static int digit_of(char c, bool strict)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-' || (c == '+' && !strict))
        return 62;
    return c == '_' || (c == '/' && !strict) ? 63 : -1;
}

bool sc_from_base64(struct sc_str text, bool strict, unsigned char *out, size_t *ret_len)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t count = 0;
    while (!strict && text.len && text.ptr[text.len - 1] == '=')
        text.len--;
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i], strict);
        if (digit < 0)
            return false;
        bits = (bits << 6 | (uint32_t)digit) & 0xFFFFFF;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        out[count++] = (unsigned char)(bits >> held);
    }
    *ret_len = count;
    return !strict || (bits & ((1u << held) - 1)) == 0;
}

int sc_random(void *out, size_t len)
{
    unsigned char *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}
