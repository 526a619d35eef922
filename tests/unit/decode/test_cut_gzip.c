/* Bodies that are gzip by their first bytes, in each format: the same as without, split at every byte, with pauses; what is broken,
 * cut short or too large. And JSON through sc_cut: what is absent, long fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "any_harness.h"
#include "check.h"
#include "xml_random.h"

#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const struct sc_cut_spec json = {.records = "items[]", .fields = {"id"}, .envelope = {"next", "error"}};
static const struct sc_cut_spec lines = {.format = SC_CUT_NDJSON, .records = "result", .envelope = {"preview"}};
static const struct sc_cut_spec xml = {.format = SC_CUT_XML, .records = "L.R", .nested = "D", .envelope = {"L.next", "E.code"}};

static const struct {
    const char *why;
    const struct sc_cut_spec *spec;
    const char *body, *want;
} rows[] = {
    {"JSON", &json, "{\"items\":[{\"id\":1},2],\"next\":\"n\"}", "record {\"id\":1} [n:1]\nrecord 2 [-]\ngood [n|-]\n"},
    {"JSON, null", &json, "{\"items\":null}", "good [-|-]\n"},
    {"JSON, not there", &json, "{\"error\":{\"code\":1}}", "absent: no member \"items\" [-|o:{\"code\":1}]\n"},
    {"JSON, another kind", &json, "{\"items\":{},\"error\":\"e\"}", "absent: \"items\" is an object, not an array [-|e]\n"},
    {"JSON, not even that", &json, "7", "absent: no member \"items\": the body is a number [-|-]\n"},
    {"JSON, cut short", &json, "{\"items\":{},\"error\":\"e\"", "failed: ended after 23 bytes, before the records [-|e]\n"},
    {"JSON, broken", &json, "{\"items\":[1}", "record 1 [-]\nfailed: unexpected '}' at byte 11: ',' or ']' was expected [-|-]\n"},
    {"empty", &json, "", "failed: the body is empty [-|-]\n"},
    {"lines", &lines, "{\"preview\":true,\"result\":{}}\n{\"result\":{\"a\":1}}", "line [t:true]\nline [-]\nrecord {\"a\":1}\ngood [-]\n"},
    {"no lines", &lines, "", "good [-]\n"},
    {"XML", &xml, "<L><R a='1'><D/><D><b>2</b></D></R><next>n</next></L>", "record {\"@a\":\"1\"}\nrecord {\"@a\":\"1\",\"b\":\"2\"}\ngood [n|-]\n"},
    {"XML, an error", &xml, "<E><code>7</code></E>", "absent: no element <L>: the document is <E> [-|7]\n"},
};

static void test_gzip_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].body);
        struct sc_buf got = {0}, packed = {0};

        any_cut(&got, rows[i].spec, rows[i].body, len, (struct how){0});
        CHECK_TEXT(rows[i].why, got.ptr, rows[i].want);
        any_check(rows[i].spec, rows[i].body, len, 200);
        any_gzip(&packed, rows[i].body, len / 2);
        any_gzip(&packed, "", 0);
        any_gzip(&packed, rows[i].body + len / 2, len - len / 2);
        any_cut(&got, rows[i].spec, packed.ptr, packed.len, (struct how){0});
        CHECK_TEXT(rows[i].why, got.ptr, rows[i].want);
        any_check(rows[i].spec, packed.ptr, packed.len, 200);
        sc_buf_done(&got);
        sc_buf_done(&packed);
    }
}

static const char text[] = "{\"items\":[1,2,3]}";

static void check_broken(const char *why, const struct sc_buf *packed, const char *want)
{
    struct sc_buf got = {0};

    any_cut(&got, &json, packed->ptr, packed->len, (struct how){0});
    if (!strstr(got.ptr, want))
        CHECK_TEXT(why, got.ptr, want);
    any_check(&json, packed->ptr, packed->len, 200);
    sc_buf_done(&got);
}

static void test_gzip_broken(void **state)
{
    struct sc_buf packed = {0};

    (void)state;
    any_gzip(&packed, text, sizeof(text) - 1);
    for (size_t len = packed.len; --len > 1;) {
        struct sc_buf cut = {0};

        sc_buf_add(&cut, packed.ptr, len);
        check_broken("cut short", &cut, "failed: ended in the middle of the compressed data at byte ");
        sc_buf_done(&cut);
    }
    sc_buf_add_str(&packed, "\n");
    check_broken("something behind", &packed, "record 3 [-]\nfailed: something else behind the compressed data at byte ");
    packed.len--;
    sc_buf_add_str(&packed, "\x1F");
    check_broken("half a mark behind", &packed, "failed: ended in the middle of the compressed data");
    packed.len--;
    sc_buf_add_str(&packed, "\x1F\x8C");
    check_broken("no mark behind", &packed, "failed: corrupt compressed data at byte ");
    packed.len -= 2;
    packed.ptr[packed.len - 1] ^= 1;
    check_broken("wrong length", &packed, "record 3 [-]\nfailed: corrupt compressed data at byte ");
    packed.ptr[packed.len - 1] ^= 1;
    packed.ptr[packed.len - 8] ^= 1;
    check_broken("wrong checksum", &packed, "record 3 [-]\nfailed: corrupt compressed data at byte ");
    packed.ptr[packed.len - 8] ^= 1;
    packed.ptr[12] ^= 0x40;
    check_broken("a changed bit", &packed, "failed: ");
    packed.ptr[2] = 7;
    check_broken("another method", &packed, "failed: corrupt compressed data at byte ");
    sc_buf_clear(&packed);
    sc_buf_add_str(&packed, "\x1F");
    check_broken("the first byte alone", &packed, "failed: unexpected byte 0x1f at byte 0: neither text nor gzip");
    sc_buf_add_str(&packed, "{}");
    check_broken("the first byte and another", &packed, "failed: unexpected byte 0x1f at byte 0: neither text nor gzip");
    sc_buf_done(&packed);
}

/* What little input becomes a large text is handed over as far as it goes, wherever it is cut short. */
static void test_gzip_cut_short(void **state)
{
    struct sc_buf body = {0}, packed = {0};

    (void)state;
    sc_buf_add_str(&body, "{\"items\":[");
    for (unsigned i = 0; i < 20; i++)
        sc_buf_addf(&body, "%*u,", 13000, i);
    sc_buf_add_str(&body, "7]}");
    any_gzip(&packed, body.ptr, body.len);
    for (size_t len = 12; len < packed.len; len += 11)
        any_check(&json, packed.ptr, len, 0);
    sc_buf_done(&body);
    sc_buf_done(&packed);
}

/* A large body, as it is and in gzip, in chunks that end anywhere. */
static void test_gzip_large(void **state)
{
    struct sc_buf body = {0}, packed = {0}, plain = {0}, got = {0};
    uint64_t seed = 1;

    (void)state;
    sc_buf_add_str(&body, "{\"items\":[0");
    for (unsigned i = 0; i < 20000; i++)
        sc_buf_addf(&body, ",{\"id\":%u,\"x\":\"%u\"}", i, harness_random(&seed, 1000000));
    sc_buf_add_str(&body, "]}");
    any_gzip(&packed, body.ptr, body.len);
    any_cut(&plain, &json, body.ptr, body.len, (struct how){0});
    for (unsigned turn = 0; turn < 3; turn++) {
        any_cut(&got, &json, packed.ptr, packed.len, (struct how){.chunk = turn ? 0 : 16384, .random_chunks = turn == 2, .pause_percent = turn * 20});
        CHECK_BYTES("the same", got.ptr, got.len, plain.ptr, plain.len);
    }
    sc_buf_done(&body);
    sc_buf_done(&packed);
    sc_buf_done(&plain);
    sc_buf_done(&got);
}

static void test_gzip_limits(void **state)
{
    struct sc_cut_spec spec = json;
    struct sc_buf packed = {0}, got = {0}, blanks = {0};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_cut *cut;
    size_t used, at = 0;
    int r = 0;

    (void)state;
    any_gzip(&packed, text, sizeof(text) - 1);
    spec.body_max = sizeof(text) - 1;
    any_cut(&got, &spec, packed.ptr, packed.len, (struct how){0});
    CHECK_TEXT("just so much", got.ptr, "record 1 [-]\nrecord 2 [-]\nrecord 3 [-]\ngood [-|-]\n");
    spec.body_max--;
    any_cut(&got, &spec, packed.ptr, packed.len, (struct how){0});
    CHECK_TEXT("one byte more", got.ptr,
               "record 1 [-]\nrecord 2 [-]\nrecord 3 [-]\nresponse_too_large: inflated, the answer is over 16 bytes, the most that is taken: "
               "ask for smaller pages, or raise the limit [-|-]\n");
    any_check(&spec, packed.ptr, packed.len, 200);
    /* a bomb: a hundred MiB of blanks */
    sc_buf_clear(&packed);
    blanks.max = 100u << 20;
    sc_buf_reserve(&blanks, 100u << 20);
    memset(blanks.ptr, ' ', 100u << 20);
    any_gzip(&packed, blanks.ptr, 100u << 20);
    cut = sc_cut_new(&json, xml_deaf_sink(), &err);
    for (; r == 0 && at < packed.len; at += used)
        r = sc_cut_feed(cut, packed.ptr + at, packed.len - at < 1000 ? packed.len - at : 1000, &used, &err);
    CHECK_INT("refused", r, -1);
    CHECK_INT("why", err.reason, SC_REASON_RESPONSE_TOO_LARGE);
    CHECK_TRUE("why", strstr(err.text, "compressed bytes became over 64 MiB, more than 200 times as much: not an honest answer"));
    CHECK_TRUE("at once", at < packed.len * 7 / 10);
    sc_cut_free(cut);
    sc_buf_done(&blanks);
    sc_buf_done(&packed);
    sc_buf_done(&got);
}

/* A field as long as the spec allows; beyond it is cut at a whole character. */
static void test_field_max(void **state)
{
    static const struct {
        uint32_t max;
        unsigned len;
        bool cut;
    } sizes[] = {
        {0, 4096, false}, {0, 4097, true}, {10, 10, false}, {10, 11, true}, {100000, 100000, false}, {100000, 100001, true}, {8u << 20, 5000000, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct sc_cut_spec spec = {.records = "[]", .fields = {"a", "b"}, .field_max = sizes[i].max};
        struct sc_buf body = {.max = 64u << 20}, want = {.max = 64u << 20}, got = {0};
        size_t most = sizes[i].max ? sizes[i].max : 4096;

        sc_buf_add_str(&body, "[{\"a\":\"");
        for (unsigned n = 0; n < sizes[i].len; n++)
            sc_buf_add_char(&body, 'x');
        sc_buf_addf(&body, "\",\"b\":\"%.*s\\u00e9\"},{\"b\":1}]", (int)(most < 9 ? most : 9), "123456789");
        sc_buf_add(&want, body.ptr + 7, sizes[i].len < most ? sizes[i].len : most);
        any_cut(&got, &spec, body.ptr, body.len, (struct how){.chunk = 10000});
        CHECK_BYTES("text", strstr(got.ptr, " [") + 2, want.len, want.ptr, want.len);
        sc_buf_clear(&want);
        sc_buf_addf(&want, "%s|123456789%s]\nrecord {\"b\":1} [-|n:1]\ngood []\n", sizes[i].cut ? "..." : "", sizes[i].max == 10 ? "..." : "\xC3\xA9");
        CHECK_TEXT("the rest", strstr(got.ptr, " [") + 2 + (sizes[i].len < most ? sizes[i].len : most), want.ptr);
        sc_buf_done(&body);
        sc_buf_done(&want);
        sc_buf_done(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip_rows),   cmocka_unit_test(test_gzip_broken), cmocka_unit_test(test_gzip_large),
        cmocka_unit_test(test_gzip_limits), cmocka_unit_test(test_field_max),       cmocka_unit_test(test_gzip_cut_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
