/* Lines through sc_cut: which are records, what the sink is asked, which errors say what; each body split at every byte, with pauses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "any_harness.h"
#include "check.h"

#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const struct sc_cut_spec itself = {.format = SC_CUT_NDJSON, .records = "", .fields = {"id"}, .envelope = {"error", "n"}};
static const struct sc_cut_spec member = {.format = SC_CUT_NDJSON, .records = "result", .envelope = {"preview", "n"}};
static const struct sc_cut_spec elements = {.format = SC_CUT_NDJSON, .records = "results[]"};
static const struct sc_cut_spec either = {
    .format = SC_CUT_NDJSON, .records = "result", .records_else = "results[]", .fields = {"id"}, .envelope = {"preview", "messages"}
};
static const struct sc_cut_spec deep = {.format = SC_CUT_NDJSON, .records = "a.b", .fields = {"c.d", "e"}, .max_depth = 3};
static const struct sc_cut_spec small = {
    .format = SC_CUT_NDJSON, .records = "result", .records_else = "results[]", .envelope = {"preview", "n"}, .record_max = 24
};
static const struct sc_cut_spec small_itself = {.format = SC_CUT_NDJSON, .records = "", .envelope = {"x"}, .record_max = 8};

static const struct {
    const char *why;
    const struct sc_cut_spec *spec;
    const char *body, *want;
} rows[] = {
    {"nothing", &itself, "", "good [-|-]\n"},
    {"blank lines", &itself, "\n \r\n\t\n", "good [-|-]\n"},
    {"each line is a record", &itself, "{\"id\":1}\n{\"id\":\"b\"}\n",
     "line [-|-]\nrecord {\"id\":1} [n:1]\nline [-|-]\nrecord {\"id\":\"b\"} [b]\ngood [-|-]\n"},
    {"the last line has no end", &itself, "{\"id\":1}\n{ }", "line [-|-]\nrecord {\"id\":1} [n:1]\nline [-|-]\nrecord { } [-]\ngood [-|-]\n"},
    {"blanks around are nobody's", &itself, " \t{ \"id\" : 1 } \r\n\r\n", "line [-|-]\nrecord { \"id\" : 1 } [n:1]\ngood [-|-]\n"},
    {"any value", &itself, "1\n\"a\\n\"\n[1, 2]\nnull\ntrue",
     "line [-|-]\nrecord 1 [-]\nline [-|-]\nrecord \"a\\n\" [-]\nline [-|-]\nrecord [1, 2] [-]\nline [-|-]\nrecord null [-]\n"
     "line [-|-]\nrecord true [-]\ngood [-|-]\n"},
    {"a number without an end", &itself, "12", "line [-|-]\nrecord 12 [-]\ngood [-|-]\n"},
    {"other ends of lines are none", &itself, "{\"id\":\"\xE2\x80\xA8\xC2\x85\"}\n", "line [-|-]\nrecord {\"id\":\"\xE2\x80\xA8\xC2\x85\"} [\xE2\x80\xA8\xC2\x85]\ngood [-|-]\n"},
    {"carriage return alone ends none", &itself, "1\r2\n", "failed: line 1: unexpected '2' at byte 2: text after the JSON value [-|-]\n"},
    {"byte order mark", &itself, "\xEF\xBB\xBF{}\n{}\n", "line [-|-]\nrecord {} [-]\nline [-|-]\nrecord {} [-]\ngood [-|-]\n"},
    {"byte order mark alone", &itself, "\xEF\xBB\xBF\n{}", "line [-|-]\nrecord {} [-]\ngood [-|-]\n"},
    {"a later byte order mark", &itself, "{}\n\xEF\xBB\xBF{}\n",
     "line [-|-]\nrecord {} [-]\nfailed: line 2: unexpected byte 0xef at byte 3: not JSON [-|-]\n"},
    {"beside the record, in the record", &itself, "{\"n\":[1],\"error\":\"x\"}\n", "line [x|a:[1]]\nrecord {\"n\":[1],\"error\":\"x\"} [-]\ngood [x|a:[1]]\n"},
    {"the envelope is each line's own", &itself, "{\"error\":\"x\"}\n{\"n\":1}\n\n",
     "line [x|-]\nrecord {\"error\":\"x\"} [-]\nline [-|n:1]\nrecord {\"n\":1} [-]\ngood [-|n:1]\n"},
    {"bad UTF-8 in a record is told", &itself, "{\"id\":\"\xFF\"}\n{}\n", "line [-|-]\nrecord {\"id\":\"\xFF\"} [\xFF] bad at 7\nline [-|-]\nrecord {} [-]\ngood [-|-]\n"},
    {"bad UTF-8 in what is asked for", &itself, "{\"error\":\"\xFF\"}\n", "failed: line 1: bad UTF-8 at byte 10 [-|-]\n"},

    {"member", &member, "{\"n\":1,\"result\":{ \"a\":[1]},\"x\":2}\n", "line [-|n:1]\nrecord { \"a\":[1]}\ngood [-|n:1]\n"},
    {"member, before the rest", &member, "{\"result\":{},\"preview\":false}\n", "line [f:false|-]\nrecord {}\ngood [f:false|-]\n"},
    {"skipped", &member, "{\"preview\":true,\"result\":{\"a\":1}}\n{\"preview\":false,\"result\":{\"a\":2}}\n",
     "line [t:true|-]\nline [f:false|-]\nrecord {\"a\":2}\ngood [f:false|-]\n"},
    {"given up", &member, "{\"result\":{\"a\":1}}\n{\"preview\":\"stop\",\"result\":{\"a\":2}}\n",
     "line [-|-]\nrecord {\"a\":1}\nline [stop|-]\nvendor_error: the vendor says stop [stop|-]\n"},
    {"neither", &member, "{\"n\":1}\n{\"result\":null}\n[]\n", "line [-|n:1]\nline [-|-]\nline [-|-]\ngood [-|-]\n"},
    {"only at that depth", &member, "{\"x\":{\"result\":{}}}\n[{\"result\":{}}]\n", "line [-|-]\nline [-|-]\ngood [-|-]\n"},
    {"another kind", &member, "{\"result\":[1]}\n", "failed: line 1: \"result\" is an array, not an object [-|-]\n"},
    {"twice", &member, "{\"result\":{}}\n{\"result\":{},\"result\":{}}\n",
     "line [-|-]\nrecord {}\nfailed: line 2: second \"result\" at byte 36: which are the records is not clear [-|-]\n"},
    {"bad UTF-8 beside the record", &member, "{\"y\":\"\xFF\",\"result\":{}}\n", "line [-|-]\nfailed: line 1: bad UTF-8 at byte 6 [-|-]\n"},

    {"elements", &elements, "{\"results\":[{\"a\":1}, 2]}\n{\"results\":[]}\n", "line []\nrecord {\"a\":1}\nrecord 2\nline []\ngood []\n"},
    {"elements, another kind", &elements, "{\"results\":{}}", "failed: line 1: \"results\" is an object, not an array []\n"},
    {"either", &either, "{\"result\":{\"id\":1}}\n{\"results\":[{\"id\":2},{\"id\":3}]}\n{\"messages\":[{\"type\":\"INFO\"}]}\n",
     "line [-|-]\nrecord {\"id\":1} [n:1]\nline [-|-]\nrecord {\"id\":2} [n:2]\nrecord {\"id\":3} [n:3]\nline [-|a:[{\"type\":\"INFO\"}]]\n"
     "good [-|a:[{\"type\":\"INFO\"}]]\n"},
    {"both", &either, "{\"results\":[{\"id\":2}],\"result\":{\"id\":1}}\n", "line [-|-]\nrecord {\"id\":1} [n:1]\ngood [-|-]\n"},
    {"null and the other", &either, "{\"result\":null,\"results\":[{\"id\":2}]}\n", "line [-|-]\nrecord {\"id\":2} [n:2]\ngood [-|-]\n"},

    {"two levels, fields below", &deep, "{\"a\":{\"x\":1,\"b\":{\"c\":{\"d\":\"\\u00e9\"},\"e\":[]}}}\n",
     "line []\nrecord {\"c\":{\"d\":\"\\u00e9\"},\"e\":[]} [\xC3\xA9|a:]\ngood []\n"},
    {"too deep", &deep, "{\"a\":{\"b\":{\"c\":[[[1]]]}}}\n{\"a\":{\"b\":{}}}\n", "line []\nrecord {\"c\":[[[1]]]} [-|-] deep\nline []\nrecord {} [-|-]\ngood []\n"},
    {"too deep beside the record", &deep, "{\"y\":[[[[1]]]],\"a\":{\"b\":{}}}\n", "line []\nfailed: line 1: nested deeper than 3 levels at byte 7 []\n"},

    {"not JSON", &itself, "{}\nNote: x\n", "line [-|-]\nrecord {} [-]\nfailed: line 2: unexpected 'N' at byte 3: not JSON [-|-]\n"},
    {"a value over two lines", &itself, "{}\n\n{\"a\":\n1}\n", "line [-|-]\nrecord {} [-]\nfailed: line 3: ends at byte 9 in the middle of its value [-|-]\n"},
    {"cut short", &itself, "{\"id\":1}\n{\"id\":2", "line [-|-]\nrecord {\"id\":1} [n:1]\nfailed: line 2: ends at byte 16 in the middle of its value [-|-]\n"},
    {"two values in a line", &itself, "{}{}\n", "failed: line 1: unexpected '{' at byte 2: text after the JSON value [-|-]\n"},
    {"line end in a string", &itself, "\"a\nb\"\n", "failed: line 1: unexpected byte 0x0a at byte 2: control character in a string [-|-]\n"},
    {"a web page", &itself, "<html>\n", "failed: line 1: unexpected '<' at byte 0: not JSON [-|-]\n"},

    {"longer than is held", &small, "{\"n\":1,\"result\":{\"a\":\"0123456789\"},\"n\":2}\n{\"result\":{}}\n",
     "line [-|n:1]\nrecord {\"a\":\"0123456789\"}\nline [-|-]\nrecord {}\ngood [-|-]\n"},
    {"just as long as is held", &small, "{\"n\":1,\"result\":{\"a\":\"\"}}\n", "line [-|n:1]\nrecord {\"a\":\"\"}\ngood [-|n:1]\n"},
    {"longer, without an end", &small, "{\"n\":1,\"result\":{\"a\":\"0123456789\"}}", "line [-|n:1]\nrecord {\"a\":\"0123456789\"}\ngood [-|n:1]\n"},
    {"longer, skipped", &small, "{\"preview\":true,\"result\":{\"a\":\"0123456789\"}}\n{\"result\":{}}\n",
     "line [t:true|-]\nline [-|-]\nrecord {}\ngood [-|-]\n"},
    {"longer, the record begins behind", &small, "{\"n\":\"0123456789 0123456789\",\"result\":{\"a\":1}}\n",
     "line [-|-]\nrecord {\"a\":1}\ngood [-|0123456789 0123456789]\n"},
    {"longer, elements known at once", &small, "{\"results\":[1,2,\"0123456789 0123456789\"]}\n",
     "line [-|-]\nrecord 1\nrecord 2\nrecord \"0123456789 0123456789\"\ngood [-|-]\n"},
    {"longer, elements behind", &small, "{\"n\":\"0123456789 0123456789\",\"results\":[1]}\n",
     "line [-|-]\nrecord_too_large: line 1: longer than 24 bytes, the most that is held, and its records are at \"results[]\" behind them "
     "[-|0123456789 0123456789]\n"},
    {"longer, diagnostics", &small, "{\"n\":\"0123456789 0123456789\"}\n", "line [-|-]\ngood [-|0123456789 0123456789]\n"},
    {"longer, ill-formed behind", &small, "{\"result\":{\"a\":\"0123456789\"},}\n",
     "line [-|-]\nrecord {\"a\":\"0123456789\"}\nfailed: line 1: unexpected '}' at byte 29: a member name was expected [-|-]\n"},
    {"longer, cut short", &small, "{\"result\":{\"a\":\"0123456789\"},\"n\":1",
     "line [-|-]\nrecord {\"a\":\"0123456789\"}\nfailed: line 1: ends at byte 34 in the middle of its value [-|n:1]\n"},
    {"longer, another kind behind", &small, "{\"n\":\"0123456789 0123456789\",\"result\":7}\n",
     "line [-|-]\nfailed: line 1: \"result\" is a number, not an object [-|0123456789 0123456789]\n"},
    {"longer, a number", &small_itself, "12345678901234567890\n1\n", "line [-]\nrecord 12345678901234567890\nline [-]\nrecord 1\ngood [-]\n"},
    {"longer, a number without an end", &small_itself, "12345678901234567890", "line [-]\nrecord 12345678901234567890\ngood [-]\n"},
    {"blanks are not held", &small_itself, "                         \n1\n                           2                              ",
     "line [-]\nrecord 1\nline [-]\nrecord 2\ngood [-]\n"},
};

static void test_ndjson_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sc_buf got = {0};

        any_cut(&got, rows[i].spec, rows[i].body, strlen(rows[i].body), (struct how){0});
        CHECK_TEXT(rows[i].why, got.ptr, rows[i].want);
        any_check(rows[i].spec, rows[i].body, strlen(rows[i].body), 200);
        sc_buf_done(&got);
    }
}

static void test_ndjson_bad_specs(void **state)
{
    static const struct {
        struct sc_cut_spec spec;
        const char *want;
    } bad[] = {
        {{.format = SC_CUT_NDJSON}, "no cutter: no path of the records\n"},
        {{.format = SC_CUT_NDJSON, .records = "", .records_else = "a"}, "no cutter: path \"a\": a line that is the record has no records elsewhere\n"},
        {{.format = SC_CUT_NDJSON, .records = "a[].b"}, "no cutter: path \"a[].b\" of the records: must end with [], once\n"},
        {{.format = SC_CUT_NDJSON, .records = "a", .records_else = "b."}, "no cutter: path \"b.\": a name is missing at 2\n"},
        {{.format = SC_CUT_NDJSON, .records = "a", .max_depth = 5000}, "no cutter: max_depth 5000: at most 4096\n"},
        {{.format = SC_CUT_NDJSON, .records = "a", .field_max = (8u << 20) + 1}, "no cutter: field_max 8388609: at most 8388608\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct sc_buf got = {0};

        any_cut(&got, &bad[i].spec, "", 0, (struct how){0});
        CHECK_TEXT("spec", got.ptr, bad[i].want);
        sc_buf_done(&got);
    }
}

/* Lines made at random, of which it is known what is in them. */
static void test_ndjson_random(void **state)
{
    static const char *const extras[] = {"", "\"x\":[{\"result\":{}}],", "\"n\":\"a\\n\\u2028\",", "\"messages\":[],"};
    uint64_t seed = 20261122;

    (void)state;
    for (unsigned turn = 0; turn < 300; turn++) {
        struct sc_buf body = {0}, want = {0}, got = {0};
        struct sc_cut_spec spec = either;

        spec.record_max = turn % 3 ? 0 : 40 + harness_random(&seed, 60);
        for (unsigned i = harness_random(&seed, 12); i; i--) {
            unsigned kind = spec.record_max ? 2 + harness_random(&seed, 2) : harness_random(&seed, 4), id = harness_random(&seed, 1000000);
            const char *extra = extras[harness_random(&seed, COUNT(extras))];
            const char *preview = kind == 3 ? "true" : "false";

            sc_buf_addf(&want, "line [%c:%s|%s]\n", *preview, preview, strstr(extra, "messages") ? "a:[]" : "-");
            if (kind == 0)
                sc_buf_addf(&body, "{%s\"preview\":false}", extra);
            else if (kind == 1)
                sc_buf_addf(&body, "{%s\"preview\":false,\"results\":[{\"id\":%u},{}]}", extra, id);
            else
                sc_buf_addf(&body, " {%s\"preview\":%s,\"result\":{\"id\":%u}}", extra, preview, id);
            if (kind == 1)
                sc_buf_addf(&want, "record {\"id\":%u} [n:%u]\nrecord {} [-]\n", id, id);
            else if (kind == 2)
                sc_buf_addf(&want, "record {\"id\":%u} [n:%u]\n", id, id);
            sc_buf_add_str(&body, i == 1 && harness_random(&seed, 2) ? "" : harness_random(&seed, 3) ? "\n" : " \r\n\n");
        }
        any_cut(&got, &spec, body.ptr ? body.ptr : "", body.len, (struct how){0});
        CHECK_BYTES("records", got.ptr, got.len > want.len ? want.len : got.len, want.ptr, want.len);
        CHECK_TRUE("good", strncmp(got.ptr + want.len, "good", 4) == 0);
        any_check(&spec, body.ptr ? body.ptr : "", body.len, 60);
        sc_buf_done(&body);
        sc_buf_done(&want);
        sc_buf_done(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ndjson_rows),
        cmocka_unit_test(test_ndjson_bad_specs),
        cmocka_unit_test(test_ndjson_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
