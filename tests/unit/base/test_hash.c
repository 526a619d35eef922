/* Hashes against published vectors: FIPS 180-2 for SHA-256, the reference vectors of SipHash-2-4.
 */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"

#include <pthread.h>

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void test_hash_sha256(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"",                                                         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc",                                                      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"                                                            },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char out[32], content[16];
        char hex[65];
        sc_sha256(rows[i].in, strlen(rows[i].in), out);
        sc_hex(out, 32, hex);
        CHECK_TEXT(rows[i].in, hex, rows[i].want);
        sc_content_hash(rows[i].in, strlen(rows[i].in), content);
        CHECK_BYTES("content hash is its first half", content, 16, out, 16);
    }
}

static void test_hash_sha256_stream(void **state)
{
    (void)state;
    static char million[1000000];
    memset(million, 'a', sizeof million);
    static const size_t pieces[] = {1, 63, 64, 65, 4096, sizeof million};
    struct sc_sha256_stream *s = sc_sha256_new();
    assert_non_null(s);
    for (size_t i = 0; i < ROWS(pieces); i++) {
        unsigned char out[32], whole[32];
        char hex[65];
        for (size_t at = 0; at < sizeof million; at += pieces[i])
            sc_sha256_add(s, million + at,
                          at + pieces[i] < sizeof million ? pieces[i] : sizeof million - at);
        sc_sha256_finish(s, out);
        sc_hex(out, 32, hex);
        CHECK_TEXT("a million a's", hex,
                   "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
        sc_sha256(million, sizeof million, whole);
        CHECK_BYTES("one-shot", out, 32, whole, 32);
    }
    sc_sha256_free(s);
    sc_sha256_free(NULL);
}

static void *hash_abc(void *arg)
{
    for (int i = 0; i < 1000; i++)
        sc_sha256("abc", 3, arg);
    return NULL;
}

/* Each thread has a context of its own, freed at its end (the address sanitizer looks). */
static void test_hash_sha256_threads(void **state)
{
    (void)state;
    unsigned char out[4][32], want[32];
    pthread_t threads[4];
    sc_sha256("abc", 3, want);
    for (int i = 0; i < 4; i++)
        CHECK_INT("thread", pthread_create(&threads[i], NULL, hash_abc, out[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK_BYTES("same in every thread", out[i], 32, want, 32);
    }
}

/* Key 00 01 .. 0f; the n-th input is the n bytes 00 01 .. */
static const uint64_t siphash_vectors[64] = {
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
    0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
    0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
    0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
    0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
    0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
    0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad,
    0xde4daaaca71dc9a5, 0xa6a2506687956571, 0xad87a3535c49ef28, 0x32d892fad841c342,
    0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
    0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
    0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95,
    0xf935451de4f21df2, 0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
    0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72, 0xa192d576b245165a,
    0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea, 0x245731c13ca42499,
    0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
    0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
};

static void test_hash_siphash(void **state)
{
    (void)state;
    unsigned char key[16], in[64];
    for (unsigned i = 0; i < 64; i++)
        in[i] = (unsigned char)i;
    memcpy(key, in, sizeof key);
    for (size_t len = 0; len < 64; len++) {
        struct guard g = guard_copy(in, len);
        CHECK_INT("vector", sc_siphash(key, g.ptr, len), siphash_vectors[len]);
        guard_done(&g);
    }
}

/* FIPS 180-2. */
static void test_hash_digest(void **state)
{
    (void)state;
    static const struct {
        enum sc_digest kind;
        const char *in, *want;
    } rows[] = {
        {SC_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {SC_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {SC_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {SC_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {SC_SHA512, "", "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
         "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
        {SC_SHA512, "abc", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char out[64];
        char hex[129];
        size_t len = sc_digest_of(rows[i].kind, i ? sc_str_of(rows[i].in) : (struct sc_str){0}, out);
        CHECK_INT("length", len, strlen(rows[i].want) / 2);
        sc_hex(out, len, hex);
        CHECK_TEXT(rows[i].in, hex, rows[i].want);
    }
    CHECK_INT("no such kind", sc_digest_of((enum sc_digest)9, sc_str_of("abc"), (unsigned char[64]){0}), 0);
}

/* RFC 2202 and 4231: keys shorter and longer than a block; and nothing with nothing. */
static void test_hash_hmac(void **state)
{
    (void)state;
    static char ones[20], long_key[131];
    memset(ones, 0x0b, sizeof ones);
    memset(long_key, 0xaa, sizeof long_key);
    const struct sc_str keys[] = {{ones, sizeof ones}, sc_str_of("Jefe"), {long_key, sizeof long_key}, {0}};
    const struct sc_str texts[] = {sc_str_of("Hi There"), sc_str_of("what do ya want for nothing?"),
                                   sc_str_of("Test Using Larger Than Block-Size Key - Hash Key First"), {0}};
    static const struct {
        enum sc_digest kind;
        unsigned test;
        const char *want;
    } rows[] = {
        {SC_SHA1, 0, "b617318655057264e28bc0b6fb378c8ef146be00"},
        {SC_SHA1, 1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
        {SC_SHA1, 2, "90d0dace1c1bdc957339307803160335bde6df2b"},
        {SC_SHA1, 3, "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d"},
        {SC_SHA256, 0, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {SC_SHA256, 1, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {SC_SHA256, 2, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {SC_SHA256, 3, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
        {SC_SHA512, 0, "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
         "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
        {SC_SHA512, 1, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
         "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
        {SC_SHA512, 2, "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
         "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
        {SC_SHA512, 3, "b936cee86c9f87aa5d3c6f2e84cb5a4239a5fe50480a6ec66b70ab5b1f4ac673"
         "0c6c515421b327ec1d69402e53dfb49ad7381eb067b338fd7b0cb22247225d47"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char out[64];
        char hex[129];
        size_t len = sc_hmac_of(rows[i].kind, keys[rows[i].test], texts[rows[i].test], out);
        CHECK_INT("length", len, strlen(rows[i].want) / 2);
        sc_hex(out, len, hex);
        CHECK_TEXT(rows[i].want, hex, rows[i].want);
    }
    CHECK_INT("no such kind", sc_hmac_of((enum sc_digest)9, keys[1], texts[1], (unsigned char[64]){0}), 0);
}

static void test_hash_hash32(void **state)
{
    (void)state;
    CHECK_INT("low half of XXH3 of nothing", sc_hash32("", 0), 0x38d394c2);
    CHECK_TRUE("differs", sc_hash32("a", 1) != sc_hash32("b", 1));
}

static void test_hash_hex(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t n;
        bool good;
        const char *why;
    } rows[] = {
        {"00ff7f80",   4, true,  "lower"        },
        {"00FF7F80",   4, true,  "upper"        },
        {"",           0, true,  "nothing"      },
        {"00ff7f8",    4, false, "a digit short"},
        {"00ff7f8000", 4, false, "a byte long"  },
        {"00ff7f8",    3, false, "a digit long" },
        {"00ff7f8g",   4, false, "no digit"     },
        {" 0ff7f80",   4, false, "blank"        },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char out[4] = {1, 2, 3, 4};
        struct guard g = guard_copy(rows[i].in, strlen(rows[i].in));
        CHECK_INT(rows[i].why, sc_unhex((struct sc_str){g.ptr, g.len}, out, rows[i].n),
                  rows[i].good);
        CHECK_BYTES(rows[i].why, out, 4,
                    rows[i].good && rows[i].n ? "\x00\xff\x7f\x80" : "\x01\x02\x03\x04", 4);
        guard_done(&g);
    }
    char hex[9];
    sc_hex((const unsigned char *)"\x00\xff\x7f\x80", 4, hex);
    CHECK_TEXT("back", hex, "00ff7f80");
}

/* RFC 4648, section 10, and what is none. */
static void test_hash_base64(void **state)
{
    (void)state;
    static const struct {
        const char *text, *bytes;
        bool any, strict; /* taken */
        const char *why;
    } rows[] = {
        {"",         "",       true,  true,  "nothing"},
        {"Zg",       "f",      true,  true,  "one byte"},
        {"Zm8",      "fo",     true,  true,  "two"},
        {"Zm9vYmFy", "foobar", true,  true,  "six"},
        {"Zg==",     "f",      true,  false, "padded"},
        {"Zm8=",     "fo",     true,  false, "padded"},
        {"Zh",       "f",      true,  false, "bits left over"},
        {"_-_-",     "\xff\xef\xfe", true, true, "base64url"},
        {"/+/+",     "\xff\xef\xfe", true, false, "the other alphabet"},
        {"Z",        "",       false, false, "half a byte"},
        {"Zm9vY",    "",       false, false, "half a byte behind three"},
        {"Zm 9",     "",       false, false, "a blank"},
        {"Zm=9",     "",       false, false, "padding inside"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (int strict = 0; strict < 2; strict++) {
            unsigned char out[16];
            size_t len = 0;
            struct guard g = guard_copy(rows[i].text, strlen(rows[i].text));
            bool good = sc_from_base64((struct sc_str){g.ptr, g.len}, strict, out, &len);
            CHECK_INT(rows[i].why, good, strict ? rows[i].strict : rows[i].any);
            if (good)
                CHECK_BYTES(rows[i].why, out, len, rows[i].bytes, strlen(rows[i].bytes));
            guard_done(&g);
        }
    }
}

static void test_hash_random(void **state)
{
    (void)state;
    unsigned char a[64] = {0}, b[64] = {0};
    CHECK_INT("read", sc_random(a, sizeof a), 0);
    CHECK_INT("read", sc_random(b, sizeof b), 0);
    CHECK_TRUE("not the same twice", memcmp(a, b, sizeof a) != 0);
    CHECK_INT("nothing", sc_random(NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_sha256),         cmocka_unit_test(test_hash_sha256_stream),
        cmocka_unit_test(test_hash_sha256_threads), cmocka_unit_test(test_hash_siphash),
        cmocka_unit_test(test_hash_hash32),         cmocka_unit_test(test_hash_hex),
        cmocka_unit_test(test_hash_random),         cmocka_unit_test(test_hash_digest),
        cmocka_unit_test(test_hash_hmac),           cmocka_unit_test(test_hash_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
