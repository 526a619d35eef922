/* The buffer: cap, stickiness, all-or-nothing appends, encodings, and every allocation failing in
 * turn. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"
#include "guard.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void test_buf_empty(void **state)
{
    (void)state;
    struct sc_buf buf = {0};
    CHECK_TEXT("all zero is empty", sc_buf_str(&buf).ptr, "");
    CHECK_INT("all zero is empty", sc_buf_str(&buf).len, 0);
    sc_buf_clear(&buf);
    char *text = sc_buf_take(&buf);
    CHECK_TEXT("taken from nothing", text, "");
    free(text);
    sc_buf_done(&buf);
    sc_buf_done(&buf);
    sc_buf_done(NULL);
}

static void test_buf_grow(void **state)
{
    (void)state;
    SC_AUTO_BUF struct sc_buf buf = {0};
    for (int i = 0; i < 10000; i++)
        CHECK_INT("grows", sc_buf_addf(&buf, "%04d", i), 0);
    CHECK_INT("all of it", buf.len, 40000);
    CHECK_INT("terminated", buf.ptr[buf.len], 0);
    CHECK_BYTES("in order", buf.ptr + 4 * 1234, 4, "1234", 4);
    sc_buf_clear(&buf);
    CHECK_TEXT("cleared", buf.ptr, "");
}

static void test_buf_cap(void **state)
{
    (void)state;
    static const struct {
        size_t max, first, second;
        int want;
        const char *why;
    } rows[] = {
        {8,   4,  4,  0,  "exactly full"                       },
        {8,   4,  5,  -1, "one over"                           },
        {8,   0,  8,  0,  "exactly full at once"               },
        {8,   0,  9,  -1, "one over at once"                   },
        {8,   8,  0,  0,  "nothing onto a full one"            },
        {1,   0,  2,  -1, "smallest"                           },
        {100, 60, 41, -1, "over the cap after the first growth"},
        {100, 60, 40, 0,  "growth ends at the cap"             },
    };
    static const char x[128] = "xxxxxxxxxxxxxxxx";
    for (size_t i = 0; i < ROWS(rows); i++) {
        SC_AUTO_BUF struct sc_buf buf;
        sc_buf_init(&buf, rows[i].max);
        CHECK_INT(rows[i].why, sc_buf_add(&buf, x, rows[i].first), 0);
        CHECK_INT(rows[i].why, sc_buf_add(&buf, x, rows[i].second), rows[i].want);
        CHECK_INT(rows[i].why, buf.len, rows[i].first + (rows[i].want ? 0 : rows[i].second));
        CHECK_INT(rows[i].why, buf.failed, rows[i].want != 0);
        CHECK_TRUE(rows[i].why, buf.cap <= rows[i].max + 1);
    }
}

static void test_buf_failed_sticks(void **state)
{
    (void)state;
    struct sc_buf buf;
    sc_buf_init(&buf, 4);
    sc_buf_add_str(&buf, "abc");
    CHECK_INT("does not fit", sc_buf_add_str(&buf, "de"), -1);
    CHECK_INT("would fit, but one before did not", sc_buf_add_char(&buf, 'd'), -1);
    CHECK_TEXT("unchanged", buf.ptr, "abc");
    CHECK_TEXT("half a text is no text", sc_buf_take(&buf), NULL);
    CHECK_INT("usable again", sc_buf_add_str(&buf, "abcd"), 0);
    CHECK_INT("the cap stays", sc_buf_add_char(&buf, 'e'), -1);
    sc_buf_clear(&buf);
    CHECK_INT("clear forgets the failure", sc_buf_add_str(&buf, "xy"), 0);
    char *text = sc_buf_take(&buf);
    CHECK_TEXT("taken", text, "xy");
    free(text);
    CHECK_INT("SIZE_MAX does not wrap", sc_buf_reserve(&buf, SIZE_MAX), -1);
    sc_buf_done(&buf);
}

static void test_buf_json(void **state)
{
    (void)state;
    static const struct {
        struct sc_str in;
        const char *want, *why;
    } rows[] = {
        {{NULL, 0},                                   "\"\"",                                     "absent"                                 },
        {{"plain", 5},                                "\"plain\"",                                "plain"                                  },
        {{"a\"b\\c/", 6},                             "\"a\\\"b\\\\c/\"",                         "quote, backslash; slash as it is"       },
        {{"\b\f\n\r\t", 5},                           "\"\\b\\f\\n\\r\\t\"",                      "short escapes"                          },
        {{"\0\x01\x1f\x7f", 4},                       "\"\\u0000\\u0001\\u001f\x7f\"",            "other control characters"               },
        {{"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9},
         "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"",                                              "2, 3, 4 bytes"                          },
        {{"\x80", 1},                                 "\"\xEF\xBF\xBD\"",                         "continuation alone"                     },
        {{"a\xC3", 2},                                "\"a\xEF\xBF\xBD\"",                        "cut at the end"                         },
        {{"\xC0\xAF", 2},                             "\"\xEF\xBF\xBD\xEF\xBF\xBD\"",             "overlong 2"                             },
        {{"\xE0\x80\xAF", 3},                         "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"", "overlong 3"                             },
        {{"\xED\xA0\x80", 3},                         "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"", "surrogate"                              },
        {{"\xF4\x90\x80\x80", 4},
         "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"",                                  "above U+10FFFF"                         },
        {{"\xE2\x82"
          "A",
          3},
         "\"\xEF\xBF\xBD\xEF\xBF\xBD"
         "A\"",                                                                                   "third byte missing"                     },
        {{"\xC3\x22", 2},                             "\"\xEF\xBF\xBD\\\"\"",                     "a quote is not swallowed by a lead byte"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        SC_AUTO_BUF struct sc_buf buf = {0};
        struct guard g = guard_copy(rows[i].in.ptr, rows[i].in.len);
        CHECK_INT(rows[i].why, sc_buf_add_json(&buf, (struct sc_str){g.ptr, g.len}), 0);
        CHECK_TEXT(rows[i].why, buf.ptr, rows[i].want);
        guard_done(&g);
    }
}

static void test_buf_json_all_or_nothing(void **state)
{
    (void)state;
    struct sc_str text = sc_str_of("one\ntwo\x01three");
    for (size_t max = 4; max < 26; max++) {
        SC_AUTO_BUF struct sc_buf buf;
        sc_buf_init(&buf, max);
        sc_buf_add_str(&buf, "key=");
        CHECK_INT("too long by a bit", sc_buf_add_json(&buf, text), max < 25 ? -1 : 0);
        CHECK_TEXT("nothing or all", buf.ptr, max < 25 ? "key=" : "key=\"one\\ntwo\\u0001three\"");
    }
}

static void test_buf_encodings(void **state)
{
    (void)state;
    static const struct {
        const char *in, *base64, *base64_url, *hex, *url;
    } rows[] = {
        {"",                 "",             "",            "",                 ""                  },
        {"f",                "Zg==",         "Zg",          "66",               "f"                 },
        {"fo",               "Zm8=",         "Zm8",         "666f",             "fo"                },
        {"foo",              "Zm9v",         "Zm9v",        "666f6f",           "foo"               },
        {"foob",             "Zm9vYg==",     "Zm9vYg",      "666f6f62",         "foob"              },
        {"fooba",            "Zm9vYmE=",     "Zm9vYmE",     "666f6f6261",       "fooba"             },
        {"foobar",           "Zm9vYmFy",     "Zm9vYmFy",    "666f6f626172",     "foobar"            },
        {"\xFB\xEF\xBE\xFF", "++++/w==",     "----_w",      "fbefbeff",         "%FB%EF%BE%FF"      },
        {"aZ09-._~",         "YVowOS0uX34=", "YVowOS0uX34", "615a30392d2e5f7e", "aZ09-._~"          },
        {" +/%&=",           "ICsvJSY9",     "ICsvJSY9",    "202b2f25263d",     "%20%2B%2F%25%26%3D"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct guard g = guard_copy(rows[i].in, strlen(rows[i].in));
        SC_AUTO_BUF struct sc_buf base64 = {0}, base64_url = {0}, hex = {0}, url = {0};
        sc_buf_add_base64(&base64, g.ptr, g.len, false);
        sc_buf_add_base64(&base64_url, g.ptr, g.len, true);
        sc_buf_add_hex(&hex, g.ptr, g.len);
        sc_buf_add_urlencoded(&url, (struct sc_str){g.ptr, g.len});
        CHECK_TEXT(rows[i].in, base64.ptr, rows[i].base64);
        CHECK_TEXT(rows[i].in, base64_url.ptr, rows[i].base64_url);
        CHECK_TEXT(rows[i].in, hex.ptr, rows[i].hex);
        CHECK_TEXT(rows[i].in, url.ptr, rows[i].url);
        guard_done(&g);
    }
}

static void test_buf_copies(void **state)
{
    (void)state;
    SC_AUTO_FREE char *a = sc_dup("text"), *b = sc_dup_str((struct sc_str){"texture", 4}),
                      *c = sc_dup_str((struct sc_str){0});
    SC_AUTO_FREE char *d = sc_printf("%s-%d", "a", 7);
    CHECK_TEXT("dup", a, "text");
    CHECK_TEXT("dup of a view", b, "text");
    CHECK_TEXT("dup of absent", c, "");
    CHECK_TEXT("printf", d, "a-7");
    CHECK_TEXT("dup of NULL", sc_dup(NULL), NULL);
}

/* Uses everything that allocates; 0 only when all succeeded. */
static int use_all(char **ret_text)
{
    struct sc_buf buf = {0};
    struct sc_str long_text =
        sc_str_of("0123456789012345678901234567890123456789012345678901234567890123456789");
    sc_buf_add_str(&buf, "x");
    sc_buf_addf(&buf, "%s", long_text.ptr);
    sc_buf_add_json(&buf, long_text);
    sc_buf_add_urlencoded(&buf, long_text);
    sc_buf_add_base64(&buf, long_text.ptr, long_text.len, false);
    sc_buf_add_hex(&buf, long_text.ptr, long_text.len);
    *ret_text = sc_buf_take(&buf);
    sc_buf_done(&buf);
    SC_AUTO_FREE char *a = sc_dup("a"), *b = sc_dup_str(long_text), *c = sc_printf("%d", 1);
    return *ret_text && a && b && c ? 0 : -1;
}

static void test_buf_out_of_memory(void **state)
{
    (void)state;
    long rounds = 0;
    for (bool failed = true; failed; rounds++) {
        char *text = NULL;
        failalloc_arm(rounds + 1);
        int rc = use_all(&text);
        failed = failalloc_disarm();
        CHECK_INT("a failed allocation is told", rc, failed ? -1 : 0);
        if (text)
            CHECK_INT("never half a text", strlen(text), 1 + 70 + 72 + 70 + 96 + 140);
        free(text);
    }
    CHECK_TRUE("allocations were made to fail", rounds > 6);
}

static void test_buf_sizes(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *want;
    } rows[] = {{0, "0 bytes"}, {999, "999 bytes"}, {1000, "1.0 KiB"}, {1536, "1.5 KiB"}, {490u << 20, "490 MiB"}, {UINT64_C(2) << 30, "2.0 GiB"},
                {UINT64_C(1023) << 20, "1.0 GiB"}, {UINT64_MAX, "16777216 TiB"}};
    char out[SC_SIZE_TEXT];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_TEXT("size", sc_size_text(rows[i].bytes, out), rows[i].want);
    CHECK_TEXT("both in one unit", sc_size_pair(490u << 20, 512u << 20, out), "490 of 512 MiB");
    CHECK_TEXT("a digit below ten", sc_size_pair(UINT64_C(2147000000), UINT64_C(2) << 30, out), "2.0 of 2.0 GiB");
    CHECK_TEXT("bytes", sc_size_pair(5, 300, out), "5 of 300 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_empty),         cmocka_unit_test(test_buf_grow),
        cmocka_unit_test(test_buf_cap),           cmocka_unit_test(test_buf_failed_sticks),
        cmocka_unit_test(test_buf_json),          cmocka_unit_test(test_buf_json_all_or_nothing),
        cmocka_unit_test(test_buf_encodings),     cmocka_unit_test(test_buf_copies),
        cmocka_unit_test(test_buf_out_of_memory),
        cmocka_unit_test(test_buf_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
