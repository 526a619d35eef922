/* Signatures against published vectors, those of the vendors' sheets, and what must not be signed. */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "sign/aws_sigv4.h"
#include "sign/canonical.h"
#include "sign/duo.h"

#include <strings.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The host of any module will do. */
static void open_host(struct fake *f)
{
    fake_open(f, MODULE, "system_log");
}

static const char *value_of(const struct sc_header *out, const char *name)
{
    for (; out->name; out++)
        if (strcasecmp(out->name, name) == 0)
            return out->value;
    return NULL;
}

static struct sc_to_sign to_sign(const char *method, const char *host, const char *path, const char *query, const char *body,
                                 const struct sc_header *headers, int64_t now)
{
    static const struct sc_header none[1];
    return (struct sc_to_sign){method,
                               host,
                               sc_str_of(path),
                               sc_str_of(query),
                               body ? sc_str_of(body) : (struct sc_str){0},
                               headers ? headers : none,
                               now};
}

/* ---- canonical forms -------------------------------------------------------------------------------------------------------------- */

static void test_sign_query(void **state)
{
    static const struct {
        const char *query, *want, *why;
    } rows[] = {
        {"", "", NULL},
        {"a=1", "a=1", NULL},
        {"b=2&a=1", "a=1&b=2", NULL},
        {"a", "a=", NULL},
        {"a=&a", "a=&a=", NULL},
        {"&&a=1&", "a=1", NULL},
        {"a=2&a=10&a=1", "a=1&a=10&a=2", NULL},
        {"ab=1&a=2&a-b=3", "a=2&a-b=3&ab=1", NULL},
        {"B=1&a=2&A=3", "A=3&B=1&a=2", NULL},
        {"t=a b", "t=a%20b", NULL},
        {"t=a%20b", "t=a%20b", NULL},
        {"t=%7e%7E~", "t=~~~", NULL},
        {"t=x,y:z/", "t=x%2Cy%3Az%2F", NULL},
        {"t=%2c%2C", "t=%2C%2C", NULL},
        {"t=\xC3\xA9&t=%c3%a8", "t=%C3%A8&t=%C3%A9", NULL},
        {"a=b=c", "a=b%3Dc", NULL},
        {"t=%00", "t=%00", NULL},
        {"A-Za.z_0~9=*", "A-Za.z_0~9=%2A", NULL},
        {"t=a+b", NULL, "a '+' in the query may mean a blank or itself: write %20 or %2B"},
        {"t=%2", NULL, "a '%' in the query has no two hex digits behind it"},
        {"t=%", NULL, "a '%' in the query has no two hex digits behind it"},
        {"t=%gg", NULL, "a '%' in the query has no two hex digits behind it"},
    };
    char out[SIGN_MAX_TEXT], longer[SIGN_MAX_TEXT + 16], many[1024] = "";
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *why = sign_canonical_query(sc_str_of(rows[i].query), out);
        CHECK_TEXT(rows[i].query, why ? why : "", rows[i].why ? rows[i].why : "");
        if (!why)
            CHECK_TEXT(rows[i].query, out, rows[i].want);
    }
    memset(longer, 'a', sizeof longer);
    CHECK_TRUE("the longest", !sign_canonical_query((struct sc_str){longer, SIGN_MAX_TEXT - 2}, out));
    CHECK_TEXT("too long", sign_canonical_query((struct sc_str){longer, SIGN_MAX_TEXT - 1}, out), "the address is too long to be signed");
    CHECK_TEXT("too long", sign_canonical_query((struct sc_str){longer, sizeof longer}, out), "the address is too long to be signed");
    for (int i = 0; i < SIGN_MAX_PARAMS + 1; i++)
        strcat(many, i ? "&x=1" : "x=1");
    CHECK_TEXT("too many", sign_canonical_query(sc_str_of(many), out), "the query has too many parameters to be signed");
    CHECK_TRUE("just enough", !sign_canonical_query((struct sc_str){many, strlen(many) - 4}, out));
}

static void test_sign_path(void **state)
{
    static const struct {
        const char *path, *want;
    } rows[] = {{"/", "/"}, {"/a/b", "/a/b"}, {"/a%20b", "/a%2520b"}, {"/\xE1\x88\xB4", "/%E1%88%B4"}, {"/a:b,c", "/a%3Ab%2Cc"}};
    char out[SIGN_MAX_TEXT];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        CHECK_TRUE("done", !sign_canonical_path(sc_str_of(rows[i].path), out));
        CHECK_TEXT(rows[i].path, out, rows[i].want);
    }
}

/* ---- AWS ----------------------------------------------------------------------------------------------------------------------------- */

#define AWS_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define SUITE_TIME 1440938160000 /* 2015-08-30T12:36:00Z */
#define SHEET_TIME 1767323045000 /* 2026-01-02T03:04:05Z */
#define FINDINGS   "/detector/12abc34d567e8fa901bc2d34e56789f0/findings"

static const struct aws_keys suite = {"service", "us-east-1", "AKIDEXAMPLE", AWS_SECRET, NULL};
static const struct sc_header form[] = {{"Accept", "*/*"}, {"Content-Type", " application/x-www-form-urlencoded  "}, {NULL, NULL}};
static const struct sc_header json[] = {{"content-type", "application/json"}, {NULL, NULL}};

/* From AWS's published test suite for Signature Version 4. */
static void test_sign_aws_suite(void **state)
{
    static const struct {
        const char *name, *method, *path, *query, *body;
        const struct sc_header *headers;
        const char *names, *signature;
    } rows[] = {
        {"get-vanilla", "GET", "/", "", NULL, NULL, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", NULL, NULL, "host;x-amz-date",
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {"get-vanilla-query-unreserved", "GET", "/",
         "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", NULL, NULL,
         "host;x-amz-date", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
        {"get-utf8", "GET", "/\xE1\x88\xB4", "", NULL, NULL, "host;x-amz-date", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
        {"post-vanilla", "POST", "/", "", NULL, NULL, "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
        {"post-vanilla-query", "POST", "/", "Param1=value1", NULL, NULL, "host;x-amz-date",
         "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
        {"post-x-www-form-urlencoded", "POST", "/", "", "Param1=value1", form, "content-type;host;x-amz-date",
         "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    };
    struct fake f;
    (void)state;
    open_host(&f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sc_to_sign in = to_sign(rows[i].method, "example.amazonaws.com", rows[i].path, rows[i].query, rows[i].body, rows[i].headers, SUITE_TIME);
        struct sc_header out[SC_MAX_SIGN_HEADERS];
        char want[256];
        CHECK_TRUE(rows[i].name, !aws_sigv4(&f.host, &in, &suite, out));
        snprintf(want, sizeof want, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=%s, Signature=%s",
                 rows[i].names, rows[i].signature);
        CHECK_TEXT(rows[i].name, value_of(out, "Authorization"), want);
        CHECK_TEXT(rows[i].name, value_of(out, "X-Amz-Date"), "20150830T123600Z");
        CHECK_TRUE("no token", !value_of(out, "X-Amz-Security-Token"));
        f.now += 1000; /* nothing of the host's own time may count */
        fake_request(&f); /* what text() gave is gone */
    }
    fake_close(&f);
}

static void test_sign_aws_guardduty(void **state)
{
    static const struct {
        const char *token, *signature;
    } rows[] = {
        {NULL, "SignedHeaders=content-type;host;x-amz-date, Signature=77d9b00da380f27bb2cbcad6683575d506eaf9ace34b3290e58975d22a0b209e"},
        {"", "SignedHeaders=content-type;host;x-amz-date, Signature=77d9b00da380f27bb2cbcad6683575d506eaf9ace34b3290e58975d22a0b209e"},
        {"EXAMPLETOKEN==",
         "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=c1880f527d6fb2a4c87062f2372544d4f7af79376d0bef44d85b656c896e9c2a"},
    };
    struct fake f;
    (void)state;
    open_host(&f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sc_to_sign in = to_sign("POST", "guardduty.us-east-1.amazonaws.com", FINDINGS, "", "{\"maxResults\":50}", json, SHEET_TIME + 999);
        struct aws_keys keys = {"guardduty", "us-east-1", "AKIAEXAMPLE", AWS_SECRET, rows[i].token};
        struct sc_header out[SC_MAX_SIGN_HEADERS];
        CHECK_TRUE("signed", !aws_sigv4(&f.host, &in, &keys, out));
        const char *value = value_of(out, "Authorization"), *names = strstr(value, "SignedHeaders=");
        CHECK_TEXT("as the sheet has it", names, rows[i].signature);
        CHECK_TEXT("token", value_of(out, "X-Amz-Security-Token") ? value_of(out, "X-Amz-Security-Token") : "", rows[i].token ? rows[i].token : "");
        fake_request(&f);
    }
    fake_close(&f);
}

/* Another byte anywhere, another signature; blanks of a header are not one of them. */
static void test_sign_aws_covers(void **state)
{
    static const struct sc_header spaced[] = {{"Content-Type", "text/plain;  charset=x "}, {NULL, NULL}},
                                  tight[] = {{"Content-Type", "text/plain; charset=x"}, {NULL, NULL}};
    const struct aws_keys other[] = {{"s", "eu-west-1", "K", "secret-1", "t"}, {"s", "eu-west-2", "K", "secret-1", "t"},
                                     {"r", "eu-west-1", "K", "secret-1", "t"}, {"s", "eu-west-1", "K", "secret-2", "t"},
                                     {"s", "eu-west-1", "K", "secret-1", "u"}, {"s", "eu-west-1", "K", "secret-1", NULL}};
    const struct sc_to_sign in = to_sign("POST", "h.test", "/a", "b=c", "body", tight, SHEET_TIME);
    struct sc_to_sign changed[] = {in, in, in, in, in, in, in};
    char first[512];
    struct sc_header out[SC_MAX_SIGN_HEADERS];
    struct fake f;
    (void)state;
    open_host(&f);
    assert_null(aws_sigv4(&f.host, &in, &other[0], out));
    snprintf(first, sizeof first, "%s", value_of(out, "Authorization"));
    changed[0].method = "GET";
    changed[1].host = "h.test:8443";
    changed[2].path = sc_str_of("/b");
    changed[3].query = sc_str_of("b=d");
    changed[4].body = sc_str_of("bodz");
    changed[5].headers = json;
    changed[6].now += 1000;
    for (size_t i = 0; i < COUNT(changed); i++) {
        fake_request(&f);
        assert_null(aws_sigv4(&f.host, &changed[i], &other[0], out));
        CHECK_TRUE("it counts", strcmp(strstr(value_of(out, "Authorization"), "Signature="), strstr(first, "Signature=")) != 0);
    }
    for (size_t i = 1; i < COUNT(other); i++) {
        fake_request(&f);
        assert_null(aws_sigv4(&f.host, &in, &other[i], out));
        CHECK_TRUE("it counts", strcmp(strstr(value_of(out, "Authorization"), "Signature="), strstr(first, "Signature=")) != 0);
    }
    changed[0] = in;
    changed[0].headers = spaced;
    assert_null(aws_sigv4(&f.host, &changed[0], &other[0], out));
    CHECK_TEXT("blanks do not count", value_of(out, "Authorization"), first);
    fake_close(&f);
}

static void test_sign_aws_refuses(void **state)
{
    static const struct {
        struct aws_keys keys;
        const char *query, *why;
    } rows[] = {
        {{"s", "r", NULL, "x", NULL}, "", "access key id or secret access key is missing: give both in credentials"},
        {{"s", "r", "x", NULL, NULL}, "", "access key id or secret access key is missing: give both in credentials"},
        {{"s", "r", "", "x", NULL}, "", "access key id or secret access key is missing: give both in credentials"},
        {{"s", NULL, "x", "x", NULL}, "", "the region is missing: give it in settings"},
        {{"s", "r", "x", "x", NULL}, "a=b+c", "a '+' in the query may mean a blank or itself: write %20 or %2B"},
    };
    char longer[300];
    struct sc_header out[SC_MAX_SIGN_HEADERS];
    struct fake f;
    (void)state;
    open_host(&f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sc_to_sign in = to_sign("GET", "h.test", "/", rows[i].query, NULL, NULL, SHEET_TIME);
        CHECK_TEXT("why", aws_sigv4(&f.host, &in, &rows[i].keys, out), rows[i].why);
    }
    memset(longer, 'k', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    struct aws_keys keys = {"s", "r", "x", longer, NULL};
    struct sc_to_sign in = to_sign("GET", "h.test", "/", "", NULL, NULL, SHEET_TIME);
    CHECK_TEXT("why", aws_sigv4(&f.host, &in, &keys, out), "the secret access key is too long: copy it again");
    longer[256] = '\0';
    CHECK_TRUE("the longest", !aws_sigv4(&f.host, &in, &keys, out));
    fake_close(&f);
}

/* ---- Duo ----------------------------------------------------------------------------------------------------------------------------- */

#define DUO_KEY    "DIAAAAAAAAAAAAAAAAAA"
#define DUO_SECRET "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define DUO_TIME   1787333358000 /* 2026-08-21T17:29:18Z */
#define DUO_PATH   "/admin/v2/logs/authentication"
#define DUO_QUERY                                                                                                                            \
    "limit=1000&maxtime=1787333358000&mintime=1787329758000&next_offset=1787330000271%2C0b6f0c5e-1111-4222-8333-944455566677&sort=ts%3Aasc"

static void test_sign_duo(void **state)
{
    static const char *const hosts[] = {"api-1a2b3c4d.duosecurity.com", "api-1a2b3c4d.duosecurity.com:8443"};
    struct sc_header out[SC_MAX_SIGN_HEADERS];
    struct fake f;
    (void)state;
    open_host(&f);
    for (size_t i = 0; i < COUNT(hosts); i++) {
        struct sc_to_sign in = to_sign("GET", hosts[i], DUO_PATH, DUO_QUERY, NULL, NULL, DUO_TIME);
        char pair[128];
        assert_null(duo_sign(&f.host, &in, DUO_KEY, DUO_SECRET, out));
        CHECK_TEXT("date", value_of(out, "Date"), "Fri, 21 Aug 2026 17:29:18 -0000");
        snprintf(pair, sizeof pair, "Basic %s", f.host.api->base64(&f.host, sc_str_of(DUO_KEY ":8b89c2a88f03b6e2737f2bbf2fef1fcb57310fef")));
        CHECK_TEXT("as the sheet has it, without a port", value_of(out, "Authorization"), pair);
        fake_request(&f);
    }
    fake_close(&f);
}

static void test_sign_duo_dates(void **state)
{
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 -0000"},
        {951782400000, "Tue, 29 Feb 2000 00:00:00 -0000"},
        {1798761599999, "Thu, 31 Dec 2026 23:59:59 -0000"},
        {1798761600000, "Fri, 01 Jan 2027 00:00:00 -0000"},
    };
    struct sc_header out[SC_MAX_SIGN_HEADERS];
    struct fake f;
    (void)state;
    open_host(&f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sc_to_sign in = to_sign("GET", "h", "/", "", NULL, NULL, rows[i].ms);
        assert_null(duo_sign(&f.host, &in, DUO_KEY, DUO_SECRET, out));
        CHECK_TEXT("date", value_of(out, "Date"), rows[i].want);
        fake_request(&f);
    }
    fake_close(&f);
}

static void test_sign_duo_refuses(void **state)
{
#define NOT_CANONICAL "the parameters are not in the order and escaping that Duo signs"
    static const struct {
        const char *method, *query, *body, *key, *secret, *why;
    } rows[] = {
        {"GET", "b=1&a=2", NULL, "k", "s", NOT_CANONICAL},
        {"GET", "a=x,y", NULL, "k", "s", NOT_CANONICAL},
        {"GET", "a=%2c", NULL, "k", "s", NOT_CANONICAL},
        {"GET", "a=%41", NULL, "k", "s", NOT_CANONICAL},
        {"GET", "a", NULL, "k", "s", NOT_CANONICAL},
        {"GET", "a=1&", NULL, "k", "s", NOT_CANONICAL},
        {"GET", "a=x+y", NULL, "k", "s", "a '+' in the query may mean a blank or itself: write %20 or %2B"},
        {"GET", "a=1", NULL, NULL, "s", "integration key or secret key is missing: give both in credentials"},
        {"GET", "a=1", NULL, "k", "", "integration key or secret key is missing: give both in credentials"},
        {"POST", "", NULL, "k", "s", "this form of Duo's signature is for GET alone"},
        {"GET", "", "x", "k", "s", "this form of Duo's signature is for GET alone"},
        {"GET", "a=1&a=2&b=", NULL, "k", "s", NULL},
    };
    struct sc_header out[SC_MAX_SIGN_HEADERS];
    struct fake f;
    (void)state;
    open_host(&f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sc_to_sign in = to_sign(rows[i].method, "h", "/", rows[i].query, rows[i].body, NULL, DUO_TIME);
        const char *why = duo_sign(&f.host, &in, rows[i].key, rows[i].secret, out);
        CHECK_TEXT(rows[i].query, why ? why : "", rows[i].why ? rows[i].why : "");
    }
    fake_close(&f);
}

/* Each allocation of the host fails once: never half a signature. */
static void test_sign_memory(void **state)
{
    struct sc_header out[SC_MAX_SIGN_HEADERS];
    struct fake f;
    (void)state;
    open_host(&f);
    for (int vendor = 0; vendor < 2; vendor++) {
        struct sc_to_sign in = to_sign("GET", "h", "/", "a=1", NULL, vendor ? json : NULL, DUO_TIME);
        long n = 0;
        const char *why;
        do {
            fake_request(&f);
            f.failed = false;
            f.fail_at = ++n;
            why = vendor ? aws_sigv4(&f.host, &in, &suite, out) : duo_sign(&f.host, &in, DUO_KEY, DUO_SECRET, out);
            CHECK_TEXT("why", why ? why : "", f.failed ? "out of memory for a signature" : "");
            bool more = f.failed;
            f.fail_at = 0;
            f.failed = false;
            if (!more)
                break;
        } while (n < 40);
        CHECK_TRUE("some failed, then it was good", n > 5 && n < 40 && !why);
    }
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign_query),      cmocka_unit_test(test_sign_path),      cmocka_unit_test(test_sign_aws_suite),
        cmocka_unit_test(test_sign_aws_guardduty), cmocka_unit_test(test_sign_aws_covers), cmocka_unit_test(test_sign_aws_refuses),
        cmocka_unit_test(test_sign_duo),        cmocka_unit_test(test_sign_duo_dates), cmocka_unit_test(test_sign_duo_refuses),
        cmocka_unit_test(test_sign_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
