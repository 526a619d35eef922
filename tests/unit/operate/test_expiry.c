/* Dates inside credentials: tokens, certificates, NATS credentials; and what anybody may write there instead. */
#include "operate/expiry.h"

#include "base/buf.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW INT64_C(1795256102000) /* 2026-11-21T10:15:02Z */
#define DAY INT64_C(86400)

static char *token(const char *claims)
{
    struct sc_buf out = {0};
    sc_buf_add_base64(&out, "{\"alg\":\"ES256\"}", 15, true);
    sc_buf_add_char(&out, '.');
    sc_buf_add_base64(&out, claims, strlen(claims), true);
    sc_buf_add_str(&out, ".c2lnbmF0dXJl");
    return sc_buf_take(&out);
}

static void test_expiry_token(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        int64_t want;
        const char *why;
    } rows[] = {
        {"{\"exp\":1795256102}", NOW, "as RFC 7519 has it"},
        {"{\"iss\":\"x\",\"exp\":1795256102.75,\"nbf\":1}", NOW, "with a fraction"},
        {"{\"exp\":\"1795256102\"}", SC_TIME_NONE, "a text is no date"},
        {"{\"exp\":0}", SC_TIME_NONE, "never"},
        {"{\"exp\":-5}", SC_TIME_NONE, "before time"},
        {"{\"exp\":1e300}", SC_TIME_NONE, "after it"},
        {"{\"exp\":253402300799}", INT64_C(253402300799000), "the last one"},
        {"{\"exp\":253402300800}", SC_TIME_NONE, "one more"},
        {"{\"exp\":null}", SC_TIME_NONE, "null"},
        {"{\"sub\":1}", SC_TIME_NONE, "none"},
        {"[1795256102]", SC_TIME_NONE, "no object"},
        {"{\"exp\":1795256102", SC_TIME_NONE, "no JSON"},
        {"\xFF\xFE\xFD", SC_TIME_NONE, "no text"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SC_AUTO_FREE char *text = token(rows[i].claims), *padded = sc_printf(" %s\r\n", text);
        CHECK_INT(rows[i].why, sc_expiry_of(sc_str_of(text)).at_ms, rows[i].want);
        CHECK_INT(rows[i].why, sc_expiry_of(sc_str_of(padded)).at_ms, rows[i].want);
    }
}

static void test_expiry_no_token(void **state)
{
    (void)state;
    SC_AUTO_FREE char *good = token("{\"exp\":1795256102}");
    SC_AUTO_FREE char *four = sc_printf("%s.x", good), *two = sc_dup(good), *bad = sc_dup(good), *bearer = sc_printf("Bearer %s", good);
    *strrchr(two, '.') = '\0';
    *strchr(bad, '.') = '+';
    const char *rows[] = {"", ".", "..", "...", "a.b.c", "00sswsTokenOfDana", four, two, bad, bearer, "-----BEGIN NATS USER JWT-----", "-----BEGIN ", "\n"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(rows[i], sc_expiry_of(sc_str_of(rows[i])).at_ms, SC_TIME_NONE);
    for (size_t cut = 0; cut < strlen(good); cut++) { /* any part of it, at the end of its memory */
        char *part = malloc(cut ? cut : 1);
        memcpy(part, good, cut);
        sc_expiry_of((struct sc_str){part, cut});
        free(part);
    }
    CHECK_INT("nothing", sc_expiry_of((struct sc_str){0}).at_ms, SC_TIME_NONE);
    char *deep = malloc(9000);
    for (int i = 0; i < 9000; i++)
        deep[i] = i < 8999 ? '[' : '\0';
    SC_AUTO_FREE char *nested = token(deep), *large = NULL;
    CHECK_INT("nested", sc_expiry_of(sc_str_of(nested)).at_ms, SC_TIME_NONE);
    free(deep);
    struct sc_buf claims = {0};
    sc_buf_add_str(&claims, "{\"exp\":1795256102,\"x\":\"");
    while (claims.len < 40000)
        sc_buf_add_char(&claims, 'x');
    sc_buf_add_str(&claims, "\"}");
    large = token(claims.ptr);
    CHECK_INT("larger than any", sc_expiry_of(sc_str_of(large)).at_ms, SC_TIME_NONE);
    sc_buf_done(&claims);
}

/* A certificate that ends so many seconds after NOW. */
static char *certificate(int64_t after_s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    time_t at = (time_t)(NOW / 1000 + after_s), from = 0;
    ASN1_TIME_set(X509_getm_notBefore(x), from);
    ASN1_TIME_set(X509_getm_notAfter(x), at);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = sc_dup_str((struct sc_str){bytes, (size_t)len});
    BIO_free(bio);
    X509_free(x);
    EVP_PKEY_free(key);
    return text;
}

static void test_expiry_certificate(void **state)
{
    (void)state;
    SC_AUTO_FREE char *one = certificate(10 * DAY), *two = certificate(3 * DAY), *both = sc_printf("text before\n%s\n%s", one, two);
    CHECK_INT("one", sc_expiry_of(sc_str_of(one)).at_ms, NOW + 10 * DAY * 1000);
    CHECK_INT("of a chain the first to end", sc_expiry_of(sc_str_of(both)).at_ms, NOW + 3 * DAY * 1000);
    CHECK_TEXT("and what it is", sc_expiry_of(sc_str_of(both)).what, "notAfter of the certificate");
    for (size_t cut = 0; cut < strlen(one); cut += 7) {
        char *part = malloc(cut ? cut : 1);
        memcpy(part, one, cut);
        sc_expiry_of((struct sc_str){part, cut});
        free(part);
    }
    one[strlen(one) / 2] ^= 0x5;
    CHECK_TRUE("spoilt or not, it ends", sc_expiry_of(sc_str_of(one)).what != NULL);
    CHECK_INT("a key has no date", sc_expiry_of(sc_str_of("-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n")).at_ms, SC_TIME_NONE);
}

static void test_expiry_file(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_expiry got;
    char path[] = "/tmp/test-expiry-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    SC_AUTO_FREE char *jwt = token("{\"exp\":1795256102}");
    SC_AUTO_FREE char *text = sc_printf("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n************\n-----BEGIN USER NKEY SEED-----\n"
                                        "SUAKEYKEYKEY\n------END USER NKEY SEED------\n", jwt);
    CHECK_INT("written", write(fd, text, strlen(text)), strlen(text));
    close(fd);
    CHECK_INT("read", sc_expiry_file(path, &got, &err), 0);
    CHECK_INT("a NATS credentials file", got.at_ms, NOW);
    CHECK_TEXT("its user", got.what, "exp of the NATS user");
    unlink(path);
    CHECK_INT("gone", sc_expiry_file(path, &got, &err), -1);
    CHECK_TRUE("with its path and why", strstr(err.text, path) && strstr(err.text, "No such file"));
    sc_error_clear(&err);
    CHECK_INT("a folder", sc_expiry_file("/tmp", &got, &err), -1);
    sc_error_clear(&err);
    CHECK_INT("what has no end is cut off", sc_expiry_file("/dev/zero", &got, &err), 0);
    CHECK_INT("and has no date", got.at_ms, SC_TIME_NONE);
}

static void test_expiry_text(void **state)
{
    (void)state;
    static const struct {
        int64_t after_s;
        const char *want;
    } rows[] = {
        {13 * DAY + 5, "ends in 13 days, at 2026-12-04T10:15:07.000Z (exp of the JSON web token)"},
        {2 * DAY, "ends in 2 days, at 2026-11-23T10:15:02.000Z (exp of the JSON web token)"},
        {DAY + 3600, "ends in 1 d 1 h, at 2026-11-22T11:15:02.000Z (exp of the JSON web token)"},
        {0, "ended 0 ms ago, at 2026-11-21T10:15:02.000Z (exp of the JSON web token)"},
        {-2 * DAY, "ended 2 d ago, at 2026-11-19T10:15:02.000Z (exp of the JSON web token)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[SC_EXPIRY_TEXT];
        struct sc_expiry expiry = {NOW + rows[i].after_s * 1000, "exp of the JSON web token"};
        CHECK_TEXT(rows[i].want, sc_expiry_text(&expiry, NOW, out), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expiry_token),       cmocka_unit_test(test_expiry_no_token), cmocka_unit_test(test_expiry_certificate),
        cmocka_unit_test(test_expiry_file), cmocka_unit_test(test_expiry_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
