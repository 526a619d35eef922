/* The JSON cutter and its surroundings: the sink that pauses or gives up, reset, bad specs, no
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"

#include "decode/json_cut.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* ---- the sink ------------------------------------------------------------------------------- */

/* Writes down what is called; answers from a script, then 0. */
struct script {
    const int *answers;
    unsigned count, next;
    char said[512];
};

static int answer(struct script *script)
{
    return script->next < script->count ? script->answers[script->next++] : 0;
}

static int script_begin(void *arg)
{
    struct script *script = arg;

    strcat(script->said, "<");
    return answer(script);
}

static int script_data(void *arg, const char *bytes, size_t len)
{
    struct script *script = arg;

    strcat(script->said, "(");
    strncat(script->said, bytes, len);
    strcat(script->said, ")");
    return answer(script);
}

static int script_end(void *arg, const struct sc_cut_record *record)
{
    struct script *script = arg;

    (void)record;
    strcat(script->said, ">");
    return answer(script);
}

static const struct sc_json_spec top = {.records = "[]"};

static void test_json_cut_pause(void **state)
{
    static const int answers[] = {
        SC_CUT_PAUSE, SC_CUT_PAUSE, 0, SC_CUT_PAUSE, SC_CUT_PAUSE, 0, SC_CUT_PAUSE, 0};
    struct script script = {.answers = answers, .count = COUNT(answers)};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_json_cut *cut = sc_json_cut_new(
        &top, (struct sc_cut_sink){&script, script_begin, script_data, script_end}, &err);
    size_t used;
#define FEED(text) sc_json_cut_feed(cut, text, strlen(text), &used, &err)

    (void)state;
    CHECK_INT("begin pauses", FEED("[ {\"a\":1} ,7]"), SC_CUT_PAUSE);
    CHECK_INT("before the record's first byte", used, 2);
    CHECK_TRUE("not begun", !sc_json_cut_in_record(cut));
    CHECK_INT("begin pauses again", FEED("{\"a\":1} ,7]"), SC_CUT_PAUSE);
    CHECK_INT("nothing more", used, 0);
    CHECK_INT("no bytes, no call", FEED(""), 0);
    CHECK_INT("data pauses", FEED("{\"a\":1} ,7]"), SC_CUT_PAUSE);
    CHECK_INT("before the bytes offered", used, 0);
    CHECK_TRUE("begun", sc_json_cut_in_record(cut));
    CHECK_INT("data pauses again, fewer bytes at hand", FEED("{\"a"), SC_CUT_PAUSE);
    CHECK_INT("before them", used, 0);
    CHECK_INT("part of them", FEED("{\"a"), 0);
    CHECK_INT("taken", used, 3);
    CHECK_INT("data pauses for the rest", FEED("\":1} ,7]"), SC_CUT_PAUSE);
    CHECK_INT("before the rest", used, 0);
    CHECK_INT("the rest of the record", FEED("\":1}"), 0);
    CHECK_INT("taken with end", used, 4);
    CHECK_INT("one record", sc_json_cut_records(cut), 1);
    CHECK_TEXT("calls", script.said, "<<<({\"a\":1})({\"a)({\"a)(\":1})(\":1})>");
    sc_json_cut_free(cut);
}

static void test_json_cut_pause_at_end(void **state)
{
    static const int answers[] = {0, 0, SC_CUT_PAUSE, SC_CUT_PAUSE, 0};
    struct script script = {.answers = answers, .count = COUNT(answers)};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_json_cut *cut = sc_json_cut_new(
        &top, (struct sc_cut_sink){&script, script_begin, script_data, script_end}, &err);
    size_t used;

    (void)state;
    CHECK_INT("end pauses", FEED("[{} "), SC_CUT_PAUSE);
    CHECK_INT("behind the record", used, 3);
    CHECK_TRUE("still in it", sc_json_cut_in_record(cut));
    CHECK_INT("not counted", sc_json_cut_records(cut), 0);
    CHECK_INT("end pauses again, even without bytes", FEED(""), SC_CUT_PAUSE);
    CHECK_INT("finish says where we are", sc_json_cut_finish(cut, &err), -1);
    CHECK_TEXT("finish says where we are", err.text,
               "ended after 3 bytes in the middle of record 1");
    CHECK_INT("end is taken", FEED(""), 0);
    CHECK_INT("counted", sc_json_cut_records(cut), 1);
    CHECK_INT("the rest", FEED(" ,7]"), 0);
    CHECK_TEXT("calls", script.said, "<({})>>><(7)>");
    sc_error_clear(&err);
    CHECK_INT("finish", sc_json_cut_finish(cut, &err), 0);
    sc_json_cut_free(cut);
}

/* The number's end is known only with the byte behind it: no empty slice then. */
static void test_json_cut_number_over_chunks(void **state)
{
    struct script script = {0};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_json_cut *cut = sc_json_cut_new(
        &top, (struct sc_cut_sink){&script, script_begin, script_data, script_end}, &err);
    size_t used;

    (void)state;
    CHECK_INT("first", FEED("[12"), 0);
    CHECK_INT("more", FEED("34"), 0);
    CHECK_INT("last", FEED("]"), 0);
    CHECK_TEXT("calls", script.said, "<(12)(34)>");
    sc_json_cut_free(cut);
}

static void test_json_cut_abort(void **state)
{
    static const struct {
        const char *why;
        int answers[3];
        size_t used;
    } rows[] = {
        {"begin", {-1},       1},
        {"data",  {0, -1},    1},
        {"end",   {0, 0, -1}, 3}
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct script script = {.answers = rows[i].answers, .count = 3};
        struct sc_error err = SC_ERROR_INIT, own = SC_ERROR_INIT;
        struct sc_json_cut *cut = sc_json_cut_new(
            &top, (struct sc_cut_sink){&script, script_begin, script_data, script_end}, &err);
        size_t used;

        CHECK_INT(rows[i].why, FEED("[{},{}]"), -1);
        CHECK_INT(rows[i].why, used, rows[i].used);
        CHECK_INT(rows[i].why, err.reason, SC_REASON_INTERNAL);
        CHECK_TRUE(rows[i].why, strstr(err.text, "gave up at byte "));
        CHECK_INT("stays so", FEED("[{},{}]"), -1);
        CHECK_INT("finish too", sc_json_cut_finish(cut, NULL), -1);
        (void)sc_fail(&own, SC_REASON_RECORD_TOO_LARGE, "the sink's own words");
        CHECK_INT("the first error stays", sc_json_cut_feed(cut, "x", 1, &used, &own), -1);
        CHECK_TEXT("the first error stays", own.text, "the sink's own words");
        sc_json_cut_free(cut);
    }
}

static void test_json_cut_abort_after_pause(void **state)
{
    static const int answers[] = {0, SC_CUT_PAUSE, -1};
    struct script script = {.answers = answers, .count = COUNT(answers)};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_json_cut *cut = sc_json_cut_new(
        &top, (struct sc_cut_sink){&script, script_begin, script_data, script_end}, &err);
    size_t used;

    (void)state;
    CHECK_INT("pauses", FEED(" [{}]"), SC_CUT_PAUSE);
    CHECK_INT("pauses", used, 2);
    CHECK_INT("gives up", FEED("{}]"), -1);
    CHECK_INT("gives up", used, 0);
    CHECK_TEXT("gives up", err.text, "the receiver of the records gave up at byte 2");
    CHECK_INT("stays so", FEED("{}]"), -1);
    sc_json_cut_free(cut);
}

/* What cannot begin a value begins no record. */
static void test_json_cut_no_record(void **state)
{
    static const char *const bodies[] = {"[}", "[1,]", "[1, x", "[,", "[1,\x01"};

    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct script script = {0};
        struct sc_error err = SC_ERROR_INIT;
        struct sc_json_cut *cut = sc_json_cut_new(
            &top, (struct sc_cut_sink){&script, script_begin, script_data, script_end}, &err);
        size_t used;

        CHECK_INT(bodies[i], FEED(bodies[i]), -1);
        CHECK_TEXT(bodies[i], script.said, bodies[i][1] == '1' ? "<(1)>" : "");
        CHECK_INT(bodies[i], used, strlen(bodies[i]) - 1);
        sc_json_cut_free(cut);
    }
}

/* Whatever state a body left it in, the next body is read as by a new cutter. */
static void test_json_cut_reset(void **state)
{
    static const char *const first[] = {"{\"a\":{\"b\":[{\"id\":\"x",
                                        "{\"next\":\"n",
                                        "{\"next\":1",
                                        "{\"next\":1}",
                                        "{\"a\":{",
                                        "{\"a\":{\"b\":[1]",
                                        "<html>",
                                        "{\"a\":{\"b\":[1,2]}}",
                                        "{\"a\":{\"b\":[{\"id\":1}",
                                        "\xEF\xBB",
                                        "[[[[[\"\xFF\xC3",
                                        "{\"a\":{\"b\"",
                                        "{\"a\":{\"b\":[{\"id\":7},[[[[[[\"\xFF",
                                        "{\"next\":[",
                                        "{\"next\":{\"x\":[1",
                                        "{\"next\":[{\"x\":{}},}"};
    static const int pauses[] = {0, 0, 0, SC_CUT_PAUSE, 0, 0, 0, 0};
    struct sc_json_spec spec = {
        .records = "a.b[]", .fields = {"id"}, .envelope = {"next"}, .max_depth = 4};

    (void)state;
    for (size_t i = 0; i < COUNT(first) * 4; i++) {
        struct script script = {.answers = pauses + i / COUNT(first),
                                .count = 4}; /* none, end, data, begin */
        struct sc_error err = SC_ERROR_INIT;
        struct sc_json_cut *cut = sc_json_cut_new(
            &spec, (struct sc_cut_sink){&script, script_begin, script_data, script_end}, &err);
        size_t used;

        (void)!FEED(first[i % COUNT(first)]);
        (void)!sc_json_cut_finish(cut, NULL);
        sc_json_cut_reset(cut);
        sc_error_clear(&err);
        script = (struct script){0};
        CHECK_INT("clean",
                  sc_json_cut_records(cut) + sc_json_cut_in_record(cut) +
                      sc_json_cut_envelope(cut, 0)->kind,
                  0);
        CHECK_INT("second body", FEED("\xEF\xBB\xBF{\"x\":\"y\",\"a\":{\"b\":[{},{\"id\":1}]}} "),
                  0);
        CHECK_INT("second body", used, 37);
        CHECK_INT("second body", sc_json_cut_finish(cut, &err), 0);
        CHECK_TEXT("second body", script.said, "<({})><({\"id\":1})>");
        CHECK_INT("second body", sc_json_cut_envelope(cut, 0)->kind, SC_CUT_ABSENT);
        sc_json_cut_reset(cut);
        (void)!FEED(first[i % COUNT(first)]);
        sc_json_cut_reset(cut);
        sc_error_clear(&err);
        script = (struct script){0};
        CHECK_INT("third body", FEED("[{\"b\":[1]},{\"next\":2},\"t\"]"), 0);
        CHECK_INT("third body", sc_json_cut_finish(cut, &err), -1);
        CHECK_TEXT("third body", err.text, "no member \"a.b\": the body is an array");
        CHECK_INT("third body", sc_json_cut_envelope(cut, 0)->kind, SC_CUT_ABSENT);
        sc_json_cut_free(cut);
    }
}

/* Bodies that end in the middle of what is captured leave nothing open, however many come. */
static void test_json_cut_reset_captures(void **state)
{
    static const char *const first[] = {"{\"next\":[1,{\"x\":[", "{\"next\":{\"x\":{\"y\":[\"z",
                                        "{\"next\":{\"x\":[2]", "{\"next\":[}"};
    struct sc_json_spec spec = {
        .records = "a.b[]", .envelope = {"next", "next.x", "next.x.y"}
    };

    (void)state;
    for (size_t i = 0; i < COUNT(first); i++) {
        for (unsigned times = 1; times < 20; times++) {
            struct script script = {0};
            struct sc_error err = SC_ERROR_INIT;
            struct sc_json_cut *cut = sc_json_cut_new(
                &spec, (struct sc_cut_sink){&script, script_begin, script_data, script_end}, &err);
            const struct sc_cut_value *next = sc_json_cut_envelope(cut, 0);
            size_t used;

            for (unsigned n = 0; n < times; n++) {
                (void)!FEED(first[i]);
                sc_json_cut_reset(cut);
            }
            sc_error_clear(&err);
            CHECK_INT("good body",
                      FEED("{\"next\":[1],\"a\":{\"c\":[5,6],\"b\":[[2],{}]},\"c\":[3]}"), 0);
            CHECK_INT("good body", sc_json_cut_finish(cut, &err), 0);
            CHECK_TEXT("good body", script.said, "<([2])><({})>");
            CHECK_BYTES("its own", next->text.ptr, next->text.len, "[1]", 3);
            CHECK_INT("not there", sc_json_cut_envelope(cut, 1)->kind, SC_CUT_ABSENT);
            CHECK_INT("not there", sc_json_cut_envelope(cut, 2)->kind, SC_CUT_ABSENT);
            sc_json_cut_free(cut);
        }
    }
}

/* ---- making one ----------------------------------------------------------------------------- */

static void test_json_cut_bad_specs(void **state)
{
    static const struct {
        const char *records, *field, *envelope, *text;
    } rows[] = {
        {NULL,          NULL,                                NULL,    "no path of the records"                                     },
        {"",            NULL,                                NULL,    "path \"\": a name is missing at 0"                          },
        {"items",       NULL,                                NULL,    "path \"items\" of the records: must end with [], once"      },
        {"items[][]",   NULL,                                NULL,    "path \"items[][]\" of the records: must end with [], once"  },
        {"items[].x[]", NULL,                                NULL,    "path \"items[].x[]\" of the records: must end with [], once"},
        {"items[",      NULL,                                NULL,    "path \"items[\" of the records: must end with [], once"     },
        {"items.[]",    NULL,                                NULL,    "path \"items.[]\": a name is missing at 6"                  },
        {".items[]",    NULL,                                NULL,    "path \".items[]\": a name is missing at 0"                  },
        {"a..b[]",      NULL,                                NULL,    "path \"a..b[]\": a name is missing at 2"                    },
        {"a.*[]",       NULL,                                NULL,
         "path \"a.*[]\": '*' at 2 has no meaning there (write \\* for the character)"                                             },
        {"a][]",        NULL,                                NULL,
         "path \"a][]\": ']' at 1 has no meaning there (write \\] for the character)"                                              },
        {"a\\",         NULL,                                NULL,    "path \"a\\\": ends with a backslash"                        },
        {"[]",          "",                                  NULL,    "path \"\": a name is missing at 0"                          },
        {"[]",          "a[]",                               NULL,    "path \"a[]\": [] is only for the records"                   },
        {"[]",          "[]",                                NULL,    "path \"[]\": [] is only for the records"                    },
        {"[]",          "a.",                                NULL,    "path \"a.\": a name is missing at 2"                        },
        {"[]",          NULL,                                "a[].b", "path \"a[].b\": [] is only for the records"                 },
        {"[]",          "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", NULL,
         "path \"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q...\": more than 16 names"                                                       },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sc_json_spec spec = {
            .records = rows[i].records, .fields = {rows[i].field}, .envelope = {rows[i].envelope}};
        struct sc_error err = SC_ERROR_INIT;

        CHECK_TRUE(rows[i].text, !sc_json_cut_new(&spec, (struct sc_cut_sink){0}, &err));
        CHECK_TEXT("path", err.text, rows[i].text);
        CHECK_INT("path", err.reason, SC_REASON_INTERNAL);
    }
}

static void test_json_cut_big_specs(void **state)
{
    struct sc_json_spec spec = {.records = "[]"};
    struct sc_error err = SC_ERROR_INIT;
    char paths[16][16 * 2 + 1];
    struct sc_json_cut *cut;

    (void)state;
    for (unsigned i = 0; i < 8; i++) { /* 8 * 16 names: more than there is room for */
        for (unsigned j = 0; j < 16; j++) {
            paths[i][2 * j] = (char)('a' + i);
            paths[i][2 * j + 1] = j == 15 ? '\0' : '.';
        }
        spec.fields[i] = paths[i];
    }
    CHECK_TRUE("too many", !sc_json_cut_new(&spec, (struct sc_cut_sink){0}, &err));
    CHECK_TRUE("too many", strstr(err.text, "more than 126 names in all paths"));
    spec.fields[7] = NULL;
    sc_error_clear(&err);
    cut = sc_json_cut_new(&spec, (struct sc_cut_sink){0}, &err);
    CHECK_TRUE("all eight fields but one, sixteen deep", cut);
    sc_json_cut_free(cut);
    spec.max_depth = 4097;
    CHECK_TRUE("too deep", !sc_json_cut_new(&spec, (struct sc_cut_sink){0}, &err));
    CHECK_TEXT("too deep", err.text, "max_depth 4097: at most 4096");
    sc_json_cut_free(NULL);
}

static void test_json_cut_out_of_memory(void **state)
{
    static const char body[] =
        "{\"next\":\"\\u0041\",\"e\":{\"f\":[1,{}]},\"a\":[{\"id\":\"x\\u0041\"}]}";
    struct sc_json_spec spec = {
        .records = "a[]", .fields = {"id"  },
             .envelope = { "next", "e", "e.f"}
    };
    long n = 1, failed = 1;

    (void)state;
    for (; failed; n++) {
        struct script script = {0};
        struct sc_error err = SC_ERROR_INIT;
        struct sc_json_cut *cut;
        size_t used;

        failalloc_arm(n);
        cut = sc_json_cut_new(
            &spec, (struct sc_cut_sink){&script, script_begin, script_data, script_end}, &err);
        if (cut) { /* nothing is allocated from here on */
            failalloc_disarm();
            failalloc_arm(1);
            CHECK_INT("feed", sc_json_cut_feed(cut, body, sizeof(body) - 1, &used, &err), 0);
            CHECK_INT("finish", sc_json_cut_finish(cut, &err), 0);
            CHECK_INT("captured", sc_json_cut_envelope(cut, 1)->text.len, 12);
            sc_json_cut_reset(cut);
        }
        failed = failalloc_disarm();
        CHECK_INT("told", !cut, failed);
        if (!cut)
            CHECK_INT("told", err.reason, SC_REASON_MEMORY_LIMIT);
        sc_json_cut_free(cut);
    }
    CHECK_INT("one allocation, and one for the field", n, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_cut_pause),
        cmocka_unit_test(test_json_cut_pause_at_end),
        cmocka_unit_test(test_json_cut_number_over_chunks),
        cmocka_unit_test(test_json_cut_abort),
        cmocka_unit_test(test_json_cut_abort_after_pause),
        cmocka_unit_test(test_json_cut_no_record),
        cmocka_unit_test(test_json_cut_reset),
        cmocka_unit_test(test_json_cut_reset_captures),
        cmocka_unit_test(test_json_cut_bad_specs),
        cmocka_unit_test(test_json_cut_big_specs),
        cmocka_unit_test(test_json_cut_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
