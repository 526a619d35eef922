/* The JSON cutter beside the records: what is captured of the envelope, arrays and objects as raw
 * text among it, when it can be read, and what is never captured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "cut_harness.h"

#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const struct how whole = {0};

static void test_json_cut_envelope(void **state)
{
    static const char body[] = "{\"count\":2,\"meta\":{\"next\":\"a\\/"
                               "b\",\"deep\":{\"er\":[1]}},\"items\":[{\"count\":9,\"meta\":{\"next\":\"no\"}}],"
                               "\"list\":[{\"x\":1}],\"done\":false,\"@odata.nextLink\":\"https:\\/\\/"
                               "x\",\"total\":1.0e2}";
    struct sc_json_spec spec = {.records = "items[]",
                                .fields = {"count"},
                                .envelope = {"count", "meta.next", "meta.deep.er", "list.x", "done", "@odata\\.nextLink", "items", "total"}};
    static const struct {
        enum sc_cut_kind kind;
        const char *text;
    } want[] = {{SC_CUT_NUMBER, "2"},    {SC_CUT_STRING, "a/b"},       {SC_CUT_ARRAY, "[1]"}, {SC_CUT_ABSENT, ""},
                {SC_CUT_FALSE, "false"}, {SC_CUT_STRING, "https://x"}, {SC_CUT_ARRAY, ""},    {SC_CUT_NUMBER, "1.0e2"}};

    (void)state;
    for (size_t chunk = 0; chunk < sizeof(body); chunk++) {
        struct how how = {.chunk = chunk, .pause_percent = 30, .seed = chunk};
        struct seen seen;

        harness_cut(&seen, &spec, body, sizeof(body) - 1, how);
        CHECK_TEXT("envelope", seen.err.text, "");
        for (size_t i = 0; i < COUNT(want); i++) {
            CHECK_INT(spec.envelope[i], seen.envelope[i].kind, want[i].kind);
            CHECK_BYTES(spec.envelope[i], seen.envelope[i].text, seen.envelope[i].len, want[i].text, strlen(want[i].text));
        }
        CHECK_BYTES("field of the same name", seen.records[0].fields[0].text, seen.records[0].fields[0].len, "9", 1);
        harness_done(&seen);
    }
}

/* An error reply where an array should be: what it says can still be read. */
static void test_json_cut_envelope_of_an_error(void **state)
{
    static const char body[] = "{\"resources\":false,\"errors\":[],\"error\":{\"code\":403}}";
    struct sc_json_spec spec = {.records = "resources[]", .envelope = {"error.code"}};
    struct seen seen;

    (void)state;
    harness_cut(&seen, &spec, body, sizeof(body) - 1, whole);
    CHECK_TEXT("no array", seen.err.text, "\"resources\" is false, not an array");
    CHECK_BYTES("code", seen.envelope[0].text, seen.envelope[0].len, "403", 3);
    harness_done(&seen);
    spec.records = "[]";
    harness_cut(&seen, &spec, body, sizeof(body) - 1, whole);
    CHECK_TEXT("top-level object", seen.err.text, "the body is an object, not an array");
    CHECK_BYTES("code", seen.envelope[0].text, seen.envelope[0].len, "403", 3);
    harness_done(&seen);
}

/* Seen only when complete, and readable between feeds. */
static void test_json_cut_envelope_so_far(void **state)
{
    struct sc_json_spec spec = {.records = "items[]", .envelope = {"next"}};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_json_cut *cut = sc_json_cut_new(&spec, (struct sc_cut_sink){0}, &err);
    size_t used;

    (void)state;
    CHECK_INT("half", sc_json_cut_feed(cut, "{\"next\":\"ab", 11, &used, &err), 0);
    CHECK_INT("half", sc_json_cut_envelope(cut, 0)->kind, SC_CUT_ABSENT);
    CHECK_INT("whole", sc_json_cut_feed(cut, "c\"", 2, &used, &err), 0);
    CHECK_INT("whole", sc_json_cut_envelope(cut, 0)->kind, SC_CUT_STRING);
    CHECK_BYTES("whole", sc_json_cut_envelope(cut, 0)->text.ptr, sc_json_cut_envelope(cut, 0)->text.len, "abc", 3);
    CHECK_INT("number, end not known", sc_json_cut_feed(cut, ",\"next\":12", 10, &used, &err), 0);
    CHECK_INT("number, end not known", sc_json_cut_envelope(cut, 0)->kind, SC_CUT_ABSENT);
    CHECK_INT("number", sc_json_cut_feed(cut, ",", 1, &used, &err), 0);
    CHECK_INT("number", sc_json_cut_envelope(cut, 0)->kind, SC_CUT_NUMBER);
    CHECK_INT("no such index", sc_json_cut_envelope(cut, 99)->kind, SC_CUT_ABSENT);
    sc_json_cut_free(cut);
}

/* ---- arrays and objects --------------------------------------------------------------------- */

static const struct {
    const char *why, *records, *path, *body;
    enum sc_cut_kind kind;
    const char *text;  /* NULL: none */
    const char *error; /* of the body; NULL: none */
} raw_rows[] = {
    {"empty array", "r[]", "errors", "{\"errors\":[],\"r\":[1]}", SC_CUT_ARRAY, "[]"},
    {"empty object", "r[]", "errors", "{\"errors\":{},\"r\":[1]}", SC_CUT_OBJECT, "{}"},
    {"blanks inside are its own, those around are not", "r[]", "errors", "{\"errors\": [ \n\t] ,\"r\":[1]}", SC_CUT_ARRAY, "[ \n\t]"},
    {"what an error says", "r[]", "errors", "{\"r\":\"\",\"errors\":[{\"code\":403,\"message\":\"access denied\"}]}", SC_CUT_ARRAY,
     "[{\"code\":403,\"message\":\"access denied\"}]", "\"r\" is a string, not an array"},
    {"behind the records", "r[]", "errors", "{\"r\":[[],{}],\"errors\":[1, 2]}", SC_CUT_ARRAY, "[1, 2]"},
    {"the last byte of the body but one", "r[]", "a", "{\"r\":[],\"a\":{\"b\":0}}", SC_CUT_OBJECT, "{\"b\":0}"},
    {"brackets and quotes in strings", "r[]", "a", "{\"a\":{\"]}\":\"[{\\\"]\"},\"r\":[1]}", SC_CUT_OBJECT, "{\"]}\":\"[{\\\"]\"}"},
    {"escapes stay as they are", "r[]", "a", "{\"a\":[\"\\u0041\\/\\ud83d\"],\"r\":[1]}", SC_CUT_ARRAY, "[\"\\u0041\\/\\ud83d\"]"},
    {"UTF-8", "r[]", "a", "{\"a\":[\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"],\"r\":[1]}", SC_CUT_ARRAY, "[\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"]"},
    {"numbers and literals", "r[]", "a", "{\"a\":[-1.50E+3,true,false,null,0],\"r\":[1]}", SC_CUT_ARRAY, "[-1.50E+3,true,false,null,0]"},
    {"arrays in arrays", "r[]", "a", "{\"a\":[[[]],[{\"a\":[]}]],\"r\":[1]}", SC_CUT_ARRAY, "[[[]],[{\"a\":[]}]]"},
    {"its own name inside", "r[]", "a", "{\"a\":{\"a\":{\"a\":[1]}},\"r\":[1]}", SC_CUT_OBJECT, "{\"a\":{\"a\":[1]}}"},
    {"the records' name inside", "r[]", "a", "{\"a\":{\"r\":[7,8]},\"r\":[1]}", SC_CUT_OBJECT, "{\"r\":[7,8]}"},
    {"deeper", "r[]", "a.b", "{\"a\":{\"x\":{\"b\":[8]},\"b\":[9]},\"b\":[7],\"r\":[1]}", SC_CUT_ARRAY, "[9]"},
    {"not in an array", "r[]", "a.b", "{\"a\":[{\"b\":[8]}],\"r\":[1]}", SC_CUT_ABSENT, NULL},
    {"name with a dot, written with escapes", "r[]", "a\\.b", "{\"\\u0061.\\u0062\":[1],\"r\":[1]}", SC_CUT_ARRAY, "[1]"},
    {"beside the records inside the same object", "d.r[]", "d.e", "{\"d\":{\"e\":[1],\"r\":[2]}}", SC_CUT_ARRAY, "[1]"},
    {"beside the records, behind them", "d.r[]", "d.e", "{\"d\":{\"r\":[2],\"e\":[1]}}", SC_CUT_ARRAY, "[1]"},
    {"around what is called as the records' object is", "d.r[]", "x", "{\"x\":{\"d\":{\"r\":[3]}},\"d\":{\"r\":[2]}}", SC_CUT_OBJECT,
     "{\"d\":{\"r\":[3]}}"},
    {"of the same name in a record", "r[]", "errors", "{\"r\":[{\"errors\":[1]}]}", SC_CUT_ABSENT, NULL},
    {"of the same name in a record, later", "r[]", "errors", "{\"errors\":[],\"r\":[{\"errors\":[1]}]}", SC_CUT_ARRAY, "[]"},
    {"the top level is not the records", "[]", "errors", "{\"errors\":[{\"code\":1}]}", SC_CUT_ARRAY, "[{\"code\":1}]",
     "the body is an object, not an array"},

    {"last one counts", "r[]", "a", "{\"a\":[1,2,3],\"a\":[4],\"r\":[1]}", SC_CUT_ARRAY, "[4]"},
    {"last one counts, longer", "r[]", "a", "{\"a\":[],\"a\":{\"b\":[4]},\"r\":[1]}", SC_CUT_OBJECT, "{\"b\":[4]}"},
    {"last one counts, a string", "r[]", "a", "{\"a\":[1,2],\"a\":\"x\",\"r\":[1]}", SC_CUT_STRING, "x"},
    {"last one counts, after a string", "r[]", "a", "{\"a\":\"xyz\",\"a\":[],\"r\":[1]}", SC_CUT_ARRAY, "[]"},
    {"last one counts, null", "r[]", "a", "{\"a\":[1],\"r\":[1],\"a\":null}", SC_CUT_NULL, "null"},
    {"last one counts, with what is not in it", "r[]", "a.b", "{\"a\":{\"b\":[1]},\"a\":{},\"r\":[1]}", SC_CUT_ABSENT, NULL},
    {"last one counts, inside one object", "r[]", "a.b", "{\"a\":{\"b\":[1],\"b\":{}},\"r\":[1]}", SC_CUT_OBJECT, "{}"},
    {"both are in the text around them", "r[]", "a", "{\"a\":{\"b\":[1],\"b\":{}},\"r\":[1]}", SC_CUT_OBJECT, "{\"b\":[1],\"b\":{}}"},

    {"the records", "r[]", "r", "{\"r\":[1,2]}", SC_CUT_ARRAY, NULL},
    {"no records", "r[]", "r", "{\"r\":[]}", SC_CUT_ARRAY, NULL},
    {"an object for the records", "r[]", "r", "{\"r\":{\"x\":1}}", SC_CUT_OBJECT, NULL, "\"r\" is an object, not an array"},
    {"a string for the records", "r[]", "r", "{\"r\":\"none\"}", SC_CUT_STRING, "none", "\"r\" is a string, not an array"},
    {"in an object for the records", "r[]", "r.e", "{\"r\":{\"e\":[1]}}", SC_CUT_ARRAY, "[1]", "\"r\" is an object, not an array"},
    {"around the records", "d.r[]", "d", "{\"d\":{\"e\":[1],\"r\":[2]}}", SC_CUT_OBJECT, NULL},
    {"far around the records", "a.b.c.r[]", "a.b", "{\"a\":{\"b\":{\"c\":{\"r\":[2]}}}}", SC_CUT_OBJECT, NULL},
    {"on the way, without records", "d.r[]", "d", "{\"d\":{\"e\":[1]}}", SC_CUT_OBJECT, NULL, "no member \"d.r\""},
    {"on the way, an array", "d.r[]", "d", "{\"d\":[{\"r\":[1]}],\"d\":{\"r\":[1]}}", SC_CUT_OBJECT, NULL},
    {"on the way, an array at last", "d.r[]", "d", "{\"d\":[{\"r\":[1]}]}", SC_CUT_ARRAY, NULL, "no member \"d.r\""},
    {"below the records there is nothing", "r[]", "r.e", "{\"r\":[{\"e\":[1]}]}", SC_CUT_ABSENT, NULL},

    {"ends inside it", "r[]", "a", "{\"r\":[1],\"a\":[[1],", SC_CUT_ABSENT, NULL, "ended after 18 bytes, after the records"},
    {"ends inside the second one", "r[]", "a", "{\"a\":[],\"a\":[[1]", SC_CUT_ABSENT, NULL, "ended after 16 bytes, before the records"},
    {"ends behind it", "r[]", "a", "{\"a\":[[1]]", SC_CUT_ARRAY, "[[1]]", "ended after 10 bytes, before the records"},
    {"wrong byte inside it", "r[]", "a", "{\"a\":[1}", SC_CUT_ABSENT, NULL, "unexpected '}' at byte 7: ',' or ']' was expected"},
    {"wrong byte behind it", "r[]", "a", "{\"a\":[1]]", SC_CUT_ARRAY, "[1]", "unexpected ']' at byte 8: ',' or '}' was expected"},
    {"bad UTF-8 inside it", "r[]", "a", "{\"a\":[\"\xFF\"]}", SC_CUT_ABSENT, NULL, "bad UTF-8 at byte 7"},
};

static void check_raw(size_t row, const struct sc_json_spec *spec, struct how how)
{
    const char *why = raw_rows[row].why, *body = raw_rows[row].body, *text = raw_rows[row].text ? raw_rows[row].text : "";
    struct seen seen;

    harness_cut(&seen, spec, body, strlen(body), how);
    CHECK_TEXT(why, seen.err.text, raw_rows[row].error ? raw_rows[row].error : "");
    for (unsigned i = 1; i <= 3; i += 2) { /* asked for twice: both get it */
        CHECK_INT(why, seen.envelope[i].kind, raw_rows[row].kind);
        CHECK_BYTES(why, seen.envelope[i].text, seen.envelope[i].len, text, strlen(text));
        CHECK_INT(why, seen.envelope[i].cut, false);
    }
    CHECK_INT(why, seen.envelope[0].kind, SC_CUT_ABSENT);
    for (size_t i = 0; i < seen.count; i++) /* in a record: the kind alone */
        CHECK_INT(why, seen.records[i].fields[0].len, 0);
    harness_done(&seen);
    harness_check(spec, body, strlen(body), how);
}

static void test_json_cut_envelope_raw(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(raw_rows); i++) {
        struct sc_json_spec spec = {
            .records = raw_rows[i].records, .fields = {"errors"}, .envelope = {"none", raw_rows[i].path, "none.x", raw_rows[i].path}};
        size_t len = strlen(raw_rows[i].body);

        for (size_t n = 0; n < len; n++) {
            check_raw(i, &spec, (struct how){.chunk = n, .pause_percent = n % 3 * 30, .seed = n});
            check_raw(i, &spec, (struct how){.split = n, .pause_percent = n % 2 * 40, .seed = n});
        }
    }
}

/* As many inside each other as there can be, each wanted; some end at the same byte of a chunk. */
static void test_json_cut_envelope_nested(void **state)
{
    static const char body[] = "{\"r\":[{\"a\":{\"b\":[]}}],\"a\":{\"x\":[0],\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{"
                               "\"h\":[ \"y\" ]}}}},\"z\":1}}},\"b\":{\"c\":[]}}";
    static const char *const want[] = {
        "{\"x\":[0],\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":[ \"y\" ]}}}},\"z\":1}}}",
        "{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":[ \"y\" ]}}}},\"z\":1}}",
        "{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":[ \"y\" ]}}}},\"z\":1}",
        "{\"e\":{\"f\":{\"g\":{\"h\":[ \"y\" ]}}}}",
        "{\"f\":{\"g\":{\"h\":[ \"y\" ]}}}",
        "{\"g\":{\"h\":[ \"y\" ]}}",
        "{\"h\":[ \"y\" ]}",
        "[ \"y\" ]",
    };
    struct sc_json_spec spec = {
        .records = "r[]",
        .fields = {"a.b"},
        .envelope = {"a", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e", "a.b.c.d.e.f", "a.b.c.d.e.f.g", "a.b.c.d.e.f.g.h"},
    };

    (void)state;
    for (size_t n = 0; n < 2 * sizeof(body); n++) {
        struct how how = {.chunk = n % 2 ? n / 2 : 0, .split = n % 2 ? 0 : n / 2, .pause_percent = 20, .seed = n};
        struct seen seen;

        harness_cut(&seen, &spec, body, sizeof(body) - 1, how);
        CHECK_TEXT("nested", seen.err.text, "");
        for (size_t i = 0; i < COUNT(want); i++) {
            CHECK_INT(spec.envelope[i], seen.envelope[i].kind, i == 7 ? SC_CUT_ARRAY : SC_CUT_OBJECT);
            CHECK_BYTES(spec.envelope[i], seen.envelope[i].text, seen.envelope[i].len, want[i], strlen(want[i]));
        }
        CHECK_INT("in the record: its kind", seen.records[0].fields[0].kind, SC_CUT_ARRAY);
        CHECK_INT("in the record: no text", seen.records[0].fields[0].len, 0);
        harness_done(&seen);
        harness_check(&spec, body, sizeof(body) - 1, how);
    }
}

/* An array of `len` bytes in an object of six more, then a short one of another name. */
static char *long_body(size_t len, const char *fill, size_t *ret)
{
    char *body = malloc(len + 100);
    size_t at = (size_t)snprintf(body, len + 100, "{\"a\":{\"b\":[\""), n = strlen(fill);

    for (size_t i = 0; i < len - 4; i++)
        body[at++] = fill[i % n];
    *ret = at + (size_t)snprintf(body + at, 80, "\"]},\"r\":[1],\"c\":[2]}");
    return body;
}

static void test_json_cut_envelope_long(void **state)
{
    static const struct {
        const char *why, *fill;
        size_t len;
        size_t outer, inner; /* bytes kept of the object, of the array */
    } rows[] = {
        {"both fit", "x", 4090, 4096, 4090},
        {"the outer one is a byte too long", "x", 4091, 4096, 4091},
        {"the inner one fits", "x", 4096, 4096, 4096},
        {"the inner one is a byte too long", "x", 4097, 4096, 4096},
        {"both are many bytes too long", "[{\x7F", 20001, 4096, 4096},
        {"cut inside a character, as it is", "\xE2\x82\xAC", 4999, 4096, 4096},
        {"cut inside the next one", "\xF0\x9F\x98\x80", 5000, 4096, 4096},
    };
    static const size_t chunks[] = {0, 1, 7, 1000, 4095, 4096, 4097, 4107};
    struct sc_json_spec spec = {.records = "r[]", .envelope = {"a", "a.b", "c"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows) * COUNT(chunks); i++) {
        size_t row = i / COUNT(chunks), len;
        struct how how = {.chunk = chunks[i % COUNT(chunks)], .pause_percent = 10};
        char *body = long_body(rows[row].len, rows[row].fill, &len);
        struct seen seen;

        harness_cut(&seen, &spec, body, len, how);
        CHECK_TEXT(rows[row].why, seen.err.text, "");
        CHECK_BYTES(rows[row].why, seen.envelope[0].text, seen.envelope[0].len, body + 5, rows[row].outer);
        CHECK_INT(rows[row].why, seen.envelope[0].cut, rows[row].len + 6 > rows[row].outer);
        CHECK_BYTES(rows[row].why, seen.envelope[1].text, seen.envelope[1].len, body + 10, rows[row].inner);
        CHECK_INT(rows[row].why, seen.envelope[1].cut, rows[row].len > rows[row].inner);
        CHECK_BYTES("the next is not", seen.envelope[2].text, seen.envelope[2].len, "[2]", 3);
        CHECK_INT("the next is not", seen.envelope[2].cut, false);
        harness_done(&seen);
        harness_check(&spec, body, len, how);
        free(body);
    }
}

/* Where text begins and ends against the end of a chunk, and 4096 bytes: every split around both. */
static void test_json_cut_envelope_long_splits(void **state)
{
    struct sc_json_spec spec = {.records = "r[]", .envelope = {"a", "a.b", "c"}};
    size_t len;
    char *body = long_body(4100, "y", &len);

    (void)state;
    for (size_t split = 1; split < len; split = split == 20 ? 4080 : split + 1)
        for (size_t chunk = 0; chunk < 3; chunk++)
            harness_check(&spec, body, len, (struct how){.split = split, .chunk = chunk, .pause_percent = 20, .seed = split});
    free(body);
}

/* A long one that is replaced by a short one leaves nothing behind, and the other way round. */
static void test_json_cut_envelope_long_then_short(void **state)
{
    struct sc_json_spec spec = {.records = "r[]", .envelope = {"a", "a.b"}};
    size_t len, room;
    char *first = long_body(6000, "z", &len), *body;

    (void)state;
    room = 2 * len + 100;
    body = malloc(room);
    for (unsigned order = 0; order < 2; order++) {
        const char *brief = "\"a\":{\"b\":[3]}", *tail = first + 1;
        int many = (int)(len - 2);
        int n = order == 0 ? snprintf(body, room, "{%.*s,%s}", many, tail, brief) : snprintf(body, room, "{%s,%.*s}", brief, many, tail);

        for (size_t chunk = 0; chunk < 4; chunk++) {
            struct how how = {.chunk = chunk * chunk * 500, .pause_percent = 10};
            struct seen seen;

            harness_cut(&seen, &spec, body, (size_t)n, how);
            CHECK_TEXT("twice", seen.err.text, "");
            CHECK_INT("the last one", seen.envelope[0].cut, order == 1);
            CHECK_INT("the last one", seen.envelope[0].len, order == 1 ? 4096 : 9);
            CHECK_INT("the last one", seen.envelope[1].cut, order == 1);
            CHECK_INT("the last one", seen.envelope[1].len, order == 1 ? 4096 : 3);
            harness_done(&seen);
            harness_check(&spec, body, (size_t)n, how);
        }
    }
    free(body);
    free(first);
}

/* Seen only to its end, readable between feeds, and while records come. */
static void test_json_cut_envelope_raw_so_far(void **state)
{
    struct sc_json_spec spec = {.records = "r[]", .envelope = {"a", "a.b", "r"}};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_json_cut *cut = sc_json_cut_new(&spec, (struct sc_cut_sink){0}, &err);
    const struct sc_cut_value *outer = sc_json_cut_envelope(cut, 0), *inner = sc_json_cut_envelope(cut, 1);
    size_t used;
#define FEED(text) CHECK_INT(text, sc_json_cut_feed(cut, text, strlen(text), &used, &err), 0)

    (void)state;
    FEED("{\"a\":{\"b\":[1");
    CHECK_INT("both are open", outer->kind, SC_CUT_ABSENT);
    CHECK_INT("both are open", inner->kind, SC_CUT_ABSENT);
    FEED("2]");
    CHECK_INT("the outer one is open", outer->kind, SC_CUT_ABSENT);
    CHECK_BYTES("the inner one is whole", inner->text.ptr, inner->text.len, "[12]", 4);
    FEED("");
    FEED(" }");
    CHECK_BYTES("both are whole", outer->text.ptr, outer->text.len, "{\"b\":[12] }", 11);
    FEED(",\"a\":");
    CHECK_BYTES("the next is not there yet", outer->text.ptr, outer->text.len, "{\"b\":[12] }", 11);
    FEED("[");
    CHECK_INT("the next has begun", outer->kind, SC_CUT_ABSENT);
    CHECK_INT("and has nothing in it", inner->kind, SC_CUT_ABSENT);
    FEED("],\"r\":[");
    CHECK_BYTES("whole", outer->text.ptr, outer->text.len, "[]", 2);
    CHECK_INT("the records are told at once", sc_json_cut_envelope(cut, 2)->kind, SC_CUT_ARRAY);
    CHECK_TRUE("without a text", !sc_json_cut_envelope(cut, 2)->text.ptr);
    sc_json_cut_free(cut);
#undef FEED
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_cut_envelope),
        cmocka_unit_test(test_json_cut_envelope_of_an_error),
        cmocka_unit_test(test_json_cut_envelope_so_far),
        cmocka_unit_test(test_json_cut_envelope_raw),
        cmocka_unit_test(test_json_cut_envelope_nested),
        cmocka_unit_test(test_json_cut_envelope_long),
        cmocka_unit_test(test_json_cut_envelope_long_splits),
        cmocka_unit_test(test_json_cut_envelope_long_then_short),
        cmocka_unit_test(test_json_cut_envelope_raw_so_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
