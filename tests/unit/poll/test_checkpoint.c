/* The checkpoint: what is written is read again; each member missing, of another type, huge, twice
 * or cut anywhere is checkpoint_invalid and leaks nothing; the trail against a plain list; every
 * allocation failing in turn, jansson's too. */
#include "poll/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "check.h"
#include "failalloc.h"
#include "guard.h"
#include "random.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static const char example[] =
    "{\"v\":1,\"connector\":\"okta\",\"source\":\"https://acme.okta.com\",\"recipe\":2,"
    "\"position\":{\"next\":\"/api/v1/logs?after=1777\",\"time\":\"2026-11-21T10:15:02.123Z\"},"
    "\"walk\":{\"from\":\"2026-11-21T10:00:00.000Z\",\"page\":12,\"state\":{\"job\":\"7\"}},"
    "\"open\":true,"
    "\"floor\":{\"page\":81233,\"walk\":80111},"
    "\"proof\":{\"stream_created\":\"2026-10-01T00:00:00Z\",\"seq\":81240,\"msg_id\":\"okta-prod."
    "system_log.7c0f5a52\"},"
    "\"trail\":[{\"at\":\"2026-11-21T10:14:50.000Z\",\"position\":{\"next\":\"1\"},\"floor\":{"
    "\"page\":79000,\"walk\":78000},\"seq\":79002,"
    "\"msg_id\":\"okta-prod.system_log.1\",\"map\":3},"
    "{\"at\":\"2026-11-21T10:15:00.000Z\",\"position\":{},\"floor\":{\"page\":0,\"walk\":0},"
    "\"seq\":80000,\"msg_id\":\"\"}],"
    "\"seen\":{\"first\":5,\"end\":9},\"whole\":{\"first\":5,\"end\":8},\"map\":4,\"gaps\":[{\"from\":\"a\",\"certain\":false}],"
    "\"waits\":{\"logs\":\"2026-11-21T11:00:00Z\"},\"not_before\":\"2026-11-21T10:17:00.000Z\","
    "\"backfill\":{\"state\":\"open\"},\"count\":{\"records\":1000,\"pages\":13,"
    "\"bytes\":1234567},"
    "\"writer\":{\"agent\":\"edge-1\",\"epoch\":7,\"n\":991},\"saved\":\"2026-11-21T10:15:02."
    "200Z\"}";

static const char smallest[] =
    "{\"v\":1,\"connector\":\"a\",\"source\":\"b\",\"recipe\":1,\"position\":{},\"open\":false,"
    "\"floor\":{\"page\":0,\"walk\":0},"
    "\"writer\":{\"agent\":\"a\",\"epoch\":1,\"n\":1},\"saved\":\"1970-01-01T00:00:00Z\"}";

/* Parses, checks that it is or is not one, and what an error says. */
static void check_parse(const char *why, const char *text, size_t len, bool want)
{
    struct guard g = guard_copy(text, len);
    struct sc_checkpoint cp;
    struct sc_error err = SC_ERROR_INIT;
    int rc = sc_checkpoint_parse(&cp, (struct sc_str){g.ptr, g.len}, &err);
    if (rc != (want ? 0 : -1))
        print_error("%.*s\n%s\n", len < 2000 ? (int)len : 2000, text, err.text);
    CHECK_INT(why, rc, want ? 0 : -1);
    CHECK_INT(why, err.reason, want ? SC_REASON_OK : SC_REASON_CHECKPOINT_INVALID);
    CHECK_INT(why, err.text[0] != '\0', !want);
    if (want)
        CHECK_TRUE("never NULL", json_is_object(cp.position));
    sc_checkpoint_done(&cp);
    guard_done(&g);
}

static char *written(const struct sc_checkpoint *cp)
{
    struct sc_buf buf = {0};
    CHECK_INT("written", sc_checkpoint_write(cp, &buf), 0);
    char *text = sc_buf_take(&buf);
    assert_non_null(text);
    return text;
}

static struct sc_checkpoint parsed(const char *text)
{
    struct sc_checkpoint cp;
    struct sc_error err = SC_ERROR_INIT;
    int rc = sc_checkpoint_parse(&cp, sc_str_of(text), &err);
    CHECK_TEXT(text, err.text, "");
    CHECK_INT(text, rc, 0);
    return cp;
}

/* ---- written and read again ---- */

static void test_checkpoint_members(void **state)
{
    (void)state;
    struct sc_checkpoint cp = parsed(example);
    CHECK_TEXT("connector", cp.connector, "okta");
    CHECK_TEXT("source", cp.source, "https://acme.okta.com");
    CHECK_INT("recipe", cp.recipe, 2);
    CHECK_TEXT("position", json_string_value(json_object_get(cp.position, "next")),
               "/api/v1/logs?after=1777");
    CHECK_TEXT("walk", json_string_value(json_object_get(cp.walk, "job")), "7");
    CHECK_INT("walk", cp.walk_page, 12);
    CHECK_TEXT("walk", cp.walk_from, "2026-11-21T10:00:00.000Z");
    CHECK_INT("open", cp.open, true);
    CHECK_INT("floor", cp.floor.page, 81233);
    CHECK_INT("floor", cp.floor.walk, 80111);
    CHECK_TEXT("proof", cp.stream_created, "2026-10-01T00:00:00Z");
    CHECK_INT("proof", cp.proof_seq, 81240);
    CHECK_TEXT("proof", cp.proof_msg_id, "okta-prod.system_log.7c0f5a52");
    CHECK_INT("trail", cp.trail_count, 2);
    CHECK_INT("trail", cp.trail[0].at_ms, sc_time_parse_rfc3339(sc_str_of("2026-11-21T10:14:50Z")));
    CHECK_INT("trail", cp.trail[0].map, 3);
    CHECK_INT("trail", cp.trail[1].seq, 80000);
    CHECK_INT("segments", cp.seen_first, 5);
    CHECK_INT("segments", cp.seen_end, 9);
    CHECK_INT("segments of readings", cp.whole_first, 5);
    CHECK_INT("segments of readings", cp.whole_end, 8);
    CHECK_INT("map", cp.map, 4);
    CHECK_INT("gaps", json_array_size(cp.gaps), 1);
    CHECK_INT("not before", cp.not_before_ms, sc_time_parse_rfc3339(sc_str_of("2026-11-21T10:17:00Z")));
    CHECK_TEXT("backfill", json_string_value(json_object_get(cp.backfill, "state")), "open");
    CHECK_TEXT("waits", json_string_value(json_object_get(cp.waits, "logs")),
               "2026-11-21T11:00:00Z");
    CHECK_INT("count", cp.records + cp.pages + cp.bytes, 1000 + 13 + 1234567);
    CHECK_TEXT("writer", cp.agent, "edge-1");
    CHECK_INT("writer", cp.epoch, 7);
    CHECK_INT("writer", cp.n, 991);
    CHECK_INT("saved", cp.saved_ms, sc_time_parse_rfc3339(sc_str_of("2026-11-21T10:15:02.2Z")));
    SC_AUTO_FREE char *text = written(&cp);
    CHECK_TEXT("as it was", text, example);
    sc_checkpoint_done(&cp);
    sc_checkpoint_done(&cp);
}

static void test_checkpoint_empty(void **state)
{
    (void)state;
    struct sc_checkpoint cp;
    sc_checkpoint_init(&cp);
    SC_AUTO_FREE char *text = written(&cp);
    struct sc_checkpoint again = parsed(text);
    CHECK_INT("recipe", again.recipe, 1);
    CHECK_INT("nothing is open", again.open, false);
    CHECK_TRUE("no walk", !again.walk && !again.walk_from && !again.stream_created && !again.gaps &&
                              !again.waits);
    sc_checkpoint_done(&again);
    sc_checkpoint_done(&cp);
    check_parse("the smallest", smallest, strlen(smallest), true);
}

/* No segments now, but there were: the next must not get the number of an old one. */
static void test_checkpoint_segment_numbers_go_on(void **state)
{
    (void)state;
    struct sc_checkpoint cp;
    sc_checkpoint_init(&cp);
    cp.seen_first = cp.seen_end = 70;
    SC_AUTO_FREE char *text = written(&cp);
    struct sc_checkpoint again = parsed(text);
    CHECK_INT("first", again.seen_first, 70);
    CHECK_INT("end", again.seen_end, 70);
    sc_checkpoint_done(&again);
    sc_checkpoint_done(&cp);
}

static uint64_t seed;

static uint64_t below(uint64_t n)
{
    return random_below(&seed, n);
}

static uint64_t any_number(void)
{
    static const uint64_t edges[] = {0, 1, UINT32_MAX, 1ull << 32, 1ull << 53, INT64_MAX};
    return below(2) ? edges[below(ROWS(edges))] : random_next(&seed) >> (1 + below(63));
}

static char *any_text(void)
{
    static const char *const pieces[] = {
        "a", "\"", "\\", "\n", "\x01", "/", "\xC3\xA9", "\xF0\x9F\x98\x80", "{}", " ", "\x7f"};
    SC_AUTO_BUF struct sc_buf buf = {0};
    for (uint64_t n = below(12); n > 0; n--)
        sc_buf_add_str(&buf, pieces[below(ROWS(pieces))]);
    return sc_buf_take(&buf);
}

static json_t *any_texts(void)
{
    json_t *object = json_object();
    for (uint64_t n = below(4); n > 0; n--) {
        SC_AUTO_FREE char *key = any_text(), *value = any_text();
        json_object_set_new(object, key, json_string(value));
    }
    return object;
}

static struct sc_floor any_floor(void)
{
    return (struct sc_floor){any_number(), any_number()};
}

static int64_t any_time(void)
{
    return (int64_t)below(4102444800000);
}

static void fill(struct sc_checkpoint *cp)
{
    sc_checkpoint_init(cp);
    json_decref(cp->position);
    *cp = (struct sc_checkpoint){.connector = any_text(),
                                 .source = any_text(),
                                 .agent = any_text(),
                                 .position = any_texts(),
                                 .recipe = (uint32_t)any_number(),
                                 .open = below(2),
                                 .floor = any_floor(),
                                 .records = any_number(),
                                 .pages = any_number(),
                                 .bytes = any_number(),
                                 .epoch = any_number(),
                                 .n = any_number(),
                                 .saved_ms = any_time(),
                                 .map = (uint32_t)any_number()};
    if (below(2)) {
        cp->walk = any_texts();
        cp->walk_page = any_number();
        cp->walk_from = below(2) ? any_text() : NULL;
    }
    if (below(2)) {
        cp->stream_created = any_text();
        cp->proof_seq = any_number();
        cp->proof_msg_id = cp->proof_seq ? any_text() : NULL;
    }
    for (uint64_t n = below(SC_TRAIL_MAX + 1); n > 0; n--)
        cp->trail[cp->trail_count++] = (struct sc_trail_entry){.at_ms = any_time(),
                                                               .position = any_texts(),
                                                               .floor = any_floor(),
                                                               .seq = any_number(),
                                                               .msg_id = any_text(),
                                                               .map = (uint32_t)any_number()};
    cp->seen_first = (uint32_t)below(1u << 30);
    cp->seen_end = cp->seen_first + (uint32_t)below(SC_CHECKPOINT_SEGMENTS_MAX + 1);
    if (below(2)) {
        cp->whole_first = (uint32_t)below(1u << 30);
        cp->whole_end = cp->whole_first + (uint32_t)below(SC_CHECKPOINT_SEGMENTS_MAX) + 1;
    }
    if (below(2))
        cp->gaps = json_pack("[o, {s:b, s:n, s:I, s:f, s:[o, []]}]", any_texts(), "certain",
                             (int)below(2), "none", "n", (json_int_t)random_next(&seed), "f",
                             (double)(int64_t)random_next(&seed) / 7, "all", any_texts());
    if (below(2))
        cp->waits = any_texts();
}

static void test_checkpoint_round_trip(void **state)
{
    (void)state;
    seed = 1;
    for (int round = 0; round < 2000; round++) {
        struct sc_checkpoint cp;
        fill(&cp);
        SC_AUTO_FREE char *text = written(&cp);
        struct sc_checkpoint again = parsed(text);
        SC_AUTO_FREE char *twice = written(&again);
        CHECK_TEXT("the same", twice, text);
        CHECK_TEXT("source", again.source, cp.source);
        CHECK_TRUE("position", json_equal(again.position, cp.position));
        CHECK_TRUE("gaps", !cp.gaps || json_equal(again.gaps, cp.gaps));
        CHECK_INT("walk", again.walk != NULL, cp.walk != NULL);
        CHECK_INT("trail", again.trail_count, cp.trail_count);
        CHECK_INT("saved", again.saved_ms, cp.saved_ms);
        CHECK_INT("floor", again.floor.walk, cp.floor.walk);
        CHECK_INT("proof", again.proof_seq, cp.proof_seq);
        CHECK_INT("end", again.seen_end, cp.seen_end);
        CHECK_INT("readings", again.whole_first, cp.whole_first);
        CHECK_INT("readings", again.whole_end, cp.whole_end);
        sc_checkpoint_done(&again);
        sc_checkpoint_done(&cp);
    }
}

/* ---- what is none ---- */

enum kind {
    TEXT,
    NUMBER,
    SMALL,
    FLAG,
    TIME,
    TEXTS,  /* object of texts */
    OBJECT, /* with members of its own */
    TRAIL,
    GAPS,
    SEGMENT
};

static const struct member {
    const char *in, *name; /* in "": the root; "trail": its first entry */
    enum kind kind;
    bool required, may_be_null;
} members[] = {
    {"",       "v",              SMALL,   true,  false},
    {"",       "connector",      TEXT,    true,  false},
    {"",       "source",         TEXT,    true,  false},
    {"",       "recipe",         SMALL,   true,  false},
    {"",       "position",       TEXTS,   true,  false},
    {"",       "walk",           OBJECT,  false, true },
    {"walk",   "from",           TEXT,    false, false},
    {"walk",   "page",           NUMBER,  false, false},
    {"walk",   "state",          TEXTS,   true,  false},
    {"",       "open",           FLAG,    true,  false},
    {"",       "floor",          OBJECT,  true,  false},
    {"floor",  "page",           NUMBER,  true,  false},
    {"floor",  "walk",           NUMBER,  true,  false},
    {"",       "proof",          OBJECT,  false, true },
    {"proof",  "stream_created", TEXT,    true,  false},
    {"proof",  "seq",            NUMBER,  false, false},
    {"proof",  "msg_id",         TEXT,    true,  false},
    {"",       "trail",          TRAIL,   false, false},
    {"trail",  "at",             TIME,    true,  false},
    {"trail",  "position",       TEXTS,   true,  false},
    {"trail",  "floor",          OBJECT,  true,  false},
    {"trail",  "seq",            NUMBER,  true,  false},
    {"trail",  "msg_id",         TEXT,    true,  false},
    {"trail",  "map",            SMALL,   false, false},
    {"",       "seen",           OBJECT,  false, false},
    {"seen",   "first",          SEGMENT, true,  false},
    {"seen",   "end",            SEGMENT, true,  false},
    {"",       "whole",          OBJECT,  false, false},
    {"whole",  "first",          SEGMENT, true,  false},
    {"whole",  "end",            SEGMENT, true,  false},
    {"",       "map",            SMALL,   false, false},
    {"",       "gaps",           GAPS,    false, false},
    {"",       "not_before",     TIME,    false, false},
    {"",       "waits",          TEXTS,   false, false},
    {"",       "count",          OBJECT,  false, false},
    {"count",  "records",        NUMBER,  false, false},
    {"count",  "pages",          NUMBER,  false, false},
    {"count",  "bytes",          NUMBER,  false, false},
    {"",       "writer",         OBJECT,  true,  false},
    {"writer", "agent",          TEXT,    true,  false},
    {"writer", "epoch",          NUMBER,  true,  false},
    {"writer", "n",              NUMBER,  true,  false},
    {"",       "saved",          TIME,    true,  false},
};

static bool fits(const struct member *m, const char *value)
{
    bool number = value[0] >= '0' && value[0] <= '9' && !strpbrk(value, ".e");
    if (strcmp(value, "null") == 0)
        return m->may_be_null;
    if (strcmp(m->name, "v") == 0)
        return strcmp(value, "1") == 0;
    switch (m->kind) {
    case TEXT:
        return value[0] == '"';
    case NUMBER:
        return number && strlen(value) < 20;
    case SMALL:
        return number && strlen(value) < 11 && strcmp(value, "4294967296") != 0;
    case SEGMENT:
        return number && strlen(value) == 1 &&
               strcmp(m->name, "first") == 0; /* not behind the end, nor too far before it */
    case FLAG:
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
    case TIME:
        return strcmp(value, "\"2026-11-21T00:00:00Z\"") == 0;
    case TEXTS:
        return strcmp(value, "{}") == 0 || strcmp(value, "{\"a\":\"b\"}") == 0;
    case OBJECT:
        return (strcmp(m->name, "count") == 0) && value[0] == '{';
    case TRAIL:
        return strcmp(value, "[]") == 0;
    case GAPS:
        return strcmp(value, "[]") == 0 || strcmp(value, "[{}]") == 0;
    }
    return false;
}

static json_t *holder(json_t *root, const char *in)
{
    if (!*in)
        return root;
    json_t *v = json_object_get(root, in);
    return json_is_array(v) ? json_array_get(v, 0) : v;
}

static void check_root(const char *why, json_t *root, bool want)
{
    char *text = json_dumps(root, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_non_null(text);
    check_parse(why, text, strlen(text), want);
    free(text);
}

static void test_checkpoint_member_missing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(members); i++) {
        json_t *root = json_loads(example, 0, NULL);
        CHECK_INT(members[i].name, json_object_del(holder(root, members[i].in), members[i].name),
                  0);
        check_root(members[i].name, root, !members[i].required);
        json_decref(root);
    }
}

static void test_checkpoint_member_of_another_type(void **state)
{
    (void)state;
    static const char *const values[] = {
        "null",
        "true",
        "false",
        "\"x\"",
        "\"\"",
        "\"1\"",
        "1",
        "2",
        "-1",
        "0",
        "1.0",
        "1e0",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "{}",
        "[]",
        "[{}]",
        "[1]",
        "[null]",
        "[[]]",
        "{\"a\":\"b\"}",
        "{\"a\":1}",
        "{\"a\":null}",
        "{\"a\":{}}",
        "\"2026-11-21T00:00:00Z\"",
        "\"2026-13-21T00:00:00Z\"",
    };
    for (size_t i = 0; i < ROWS(members); i++) {
        for (size_t k = 0; k < ROWS(values); k++) {
            char why[80];
            json_t *root = json_loads(example, 0, NULL),
                   *value = json_loads(values[k], JSON_DECODE_ANY, NULL);
            assert_non_null(value);
            snprintf(why, sizeof why, "%s.%s = %s", members[i].in, members[i].name, values[k]);
            json_object_set_new(holder(root, members[i].in), members[i].name, value);
            check_root(why, root, fits(&members[i], values[k]));
            json_decref(root);
        }
    }
}

static void test_checkpoint_no_json(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"",                                    "nothing"                },
        {" ",                                   "blank"                  },
        {"null",                                "null"                   },
        {"[]",                                  "an array"               },
        {"\"x\"",                               "a text"                 },
        {"7",                                   "a number"               },
        {"{}",                                  "an empty object"        },
        {"{\"v\":2}",                           "a newer version"        },
        {"{\"v\":1}",                           "nothing but the version"},
        {"{\"v\":1,\"v\":1}",                   "twice"                  },
        {"{\"v\":99999999999999999999}",        "a number too large"     },
        {"{\"v\":1,\"connector\":\"\\u0000\"}", "NUL in a text"          },
        {"{\"v\":1,\"connector\":\"\xff\"}",    "no UTF-8"               },
        {"{\"v\":1,\"connector\":\"\\ud800\"}", "half a pair"            },
        {"\xEF\xBB\xBF{}",                      "byte order mark"        },
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        check_parse(rows[i].why, rows[i].text, strlen(rows[i].text), false);
    struct sc_checkpoint cp;
    struct sc_error err = SC_ERROR_INIT;
    CHECK_INT("absent", sc_checkpoint_parse(&cp, (struct sc_str){0}, &err), -1);
    CHECK_INT("absent", err.reason, SC_REASON_CHECKPOINT_INVALID);
    sc_checkpoint_done(&cp);
    CHECK_INT("nobody asks why", sc_checkpoint_parse(&cp, sc_str_of("{}"), NULL), -1);
    sc_checkpoint_done(&cp);
}

static void test_checkpoint_says_what_and_where(void **state)
{
    (void)state;
    static const struct {
        const char *was, *now, *want, *why;
    } rows[] = {
        {"\"v\":1",               "\"v\":2",
         "version 2 is unknown to this program: run the newer signal-client that wrote it",                    "newer"                },
        {"\"recipe\":2,",         "",                               "member \"recipe\" is missing",            "missing"              },
        {"\"recipe\":2",          "\"recipe\":\"2\"",               "member \"recipe\" is not a whole number", "type"                 },
        {"\"first\":5,\"end\":9", "\"first\":9,\"end\":5",
         "member \"seen\" names an impossible range of segments",                                              "backwards"            },
        {"\"first\":5,\"end\":9", "\"first\":0,\"end\":2147483647",
         "member \"seen\" names an impossible range of segments",                                              "hours of reading"     },
        {"\"end\":9",             "\"end\":4294967297",             "member \"end\" is too large",             "cut off it would be 1"},
        {"\"agent\":\"edge-1\",", "",                               "member \"agent\" is missing",             "deep"                 },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_checkpoint cp;
        struct sc_error err = SC_ERROR_INIT;
        const char *at = strstr(example, rows[i].was);
        assert_non_null(at);
        SC_AUTO_FREE char *text = sc_printf("%.*s%s%s", (int)(at - example), example, rows[i].now,
                                            at + strlen(rows[i].was));
        CHECK_INT(rows[i].why, sc_checkpoint_parse(&cp, sc_str_of(text), &err), -1);
        CHECK_TEXT(rows[i].why, err.text, rows[i].want);
        sc_checkpoint_done(&cp);
    }
}

static void test_checkpoint_cut(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof example - 1; len++)
        check_parse("cut", example, len, false);
    check_parse("whole", example, sizeof example - 1, true);
    SC_AUTO_FREE char *twice = sc_printf("%s%s", example, example);
    check_parse("twice", twice, strlen(twice), false);
    check_parse("a NUL behind it", example, sizeof example, false);
}

static void test_checkpoint_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(members); i++) { /* each member again, at the end of its object */
        json_t *root = json_loads(example, 0, NULL), *in = holder(root, members[i].in);
        char *object = json_dumps(in, JSON_COMPACT), *whole = json_dumps(root, JSON_COMPACT);
        char *value =
            json_dumps(json_object_get(in, members[i].name), JSON_COMPACT | JSON_ENCODE_ANY);
        const char *at = strstr(whole, object);
        size_t end = (size_t)(at - whole) + strlen(object) - 1;
        SC_AUTO_FREE char *text =
            sc_printf("%.*s,\"%s\":%s%s", (int)end, whole, members[i].name, value, whole + end);
        check_parse(members[i].name, text, strlen(text), false);
        free(object);
        free(whole);
        free(value);
        json_decref(root);
    }
}

static char *repeated(const char *before, const char *piece, size_t times, const char *after)
{
    struct sc_buf buf = {0};
    sc_buf_add_str(&buf, before);
    while (times--)
        sc_buf_add_str(&buf, piece);
    sc_buf_add_str(&buf, after);
    return sc_buf_take(&buf);
}

static void test_checkpoint_huge(void **state)
{
    (void)state;
    static const struct {
        const char *was, *before, *piece, *after; /* what replaces `was` */
        size_t times;
        bool want;
        const char *why;
    } rows[] = {
        {"[{\"from\":\"a\",\"certain\":false}]", "",                      "[",       "",    100000,  false, "deep arrays"               },
        {"[{\"from\":\"a\",\"certain\":false}]", "",                      "{\"a\":", "",    100000,  false, "deep objects"              },
        {"{\"job\":\"7\"}",                      "{\"job\":\"",           "x",       "\"}", 1 << 20, true,  "a long text"               },
        {"{\"job\":\"7\"}",                      "{",                     "",        "}",   0,       true,  "no state"                  },
        {"\"n\":991",                            "\"n\":1",               "0",       "",    18,      true,  "the largest power of ten"  },
        {"\"n\":991",                            "\"n\":1",               "0",       "",    19,      false, "beyond 63 bits"            },
        {"\"n\":991",                            "\"n\":1",               "0",       "",    100000,  false, "a number of 100,000 digits"},
        {"\"n\":991",                            "\"n\":9",               "0",       ".5",  30,      false, "no whole number"           },
        {"\"n\":991",                            "\"n\":991,\"later\":[", "7,",      "7]",  100000,  true,
         "members of later versions are kept out"                                                                                       },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *at = strstr(example, rows[i].was);
        assert_non_null(at);
        SC_AUTO_FREE char *middle =
            repeated(rows[i].before, rows[i].piece, rows[i].times, rows[i].after);
        SC_AUTO_FREE char *text =
            sc_printf("%.*s%s%s", (int)(at - example), example, middle, at + strlen(rows[i].was));
        check_parse(rows[i].why, text, strlen(text), rows[i].want);
    }
}

/* Bytes changed, taken out and put in at random: read or refused, never worse. */
static void test_checkpoint_garbled(void **state)
{
    (void)state;
    static const char bytes[] = "{}[]\",:0123456789-.eE\\u\x80\xff ntf";
    int good = 0;
    seed = 2;
    for (int round = 0; round < 30000; round++) {
        char text[sizeof example + 8];
        size_t len = sizeof example - 1;
        memcpy(text, example, len);
        for (uint64_t n = 1 + below(3); n > 0; n--) {
            size_t at = below(len);
            if (below(3) == 0)
                memmove(text + at, text + at + 1, --len - at);
            else if (below(2) && len + 1 < sizeof text)
                memmove(text + at + 1, text + at, len++ - at);
            text[at] = bytes[below(sizeof bytes - 1)];
        }
        struct sc_checkpoint cp;
        struct sc_error err = SC_ERROR_INIT;
        int rc = sc_checkpoint_parse(&cp, (struct sc_str){text, len}, &err);
        CHECK_INT("told", err.reason, rc ? SC_REASON_CHECKPOINT_INVALID : SC_REASON_OK);
        if (rc == 0) { /* what is taken can be written, and is the same then */
            SC_AUTO_FREE char *first = written(&cp);
            struct sc_checkpoint again = parsed(first);
            SC_AUTO_FREE char *second = written(&again);
            CHECK_TEXT("the same", second, first);
            sc_checkpoint_done(&again);
            good++;
        }
        sc_checkpoint_done(&cp);
    }
    CHECK_TRUE("some are taken", good > 1000);
}

static void test_checkpoint_long_trail(void **state)
{
    (void)state;
    json_t *root = json_loads(example, 0, NULL), *trail = json_object_get(root, "trail");
    while (json_array_size(trail) < SC_TRAIL_MAX + 7)
        json_array_append_new(trail, json_deep_copy(json_array_get(trail, 0)));
    json_object_set_new(json_array_get(trail, SC_TRAIL_MAX + 6), "seq", json_integer(4711));
    char *text = json_dumps(root, 0);
    struct sc_checkpoint cp = parsed(text);
    CHECK_INT("as many as there is room for", cp.trail_count, SC_TRAIL_MAX);
    CHECK_INT("the newest", cp.trail[SC_TRAIL_MAX - 1].seq, 4711);
    sc_checkpoint_done(&cp);
    free(text);
    json_decref(root);
}

/* ---- memory ---- */

static void *any_malloc(size_t size)
{
    return malloc(size); /* the one that can be made to fail */
}

static void test_checkpoint_parse_out_of_memory(void **state)
{
    (void)state;
    long rounds = 0;
    for (bool failed = true; failed; rounds++) {
        struct sc_checkpoint cp;
        struct sc_error err = SC_ERROR_INIT;
        failalloc_arm(rounds + 1);
        int rc = sc_checkpoint_parse(&cp, sc_str_of(example), &err);
        failed = failalloc_disarm();
        if (rc == 0) { /* nothing that is needed failed: then all of it is there */
            SC_AUTO_FREE char *text = written(&cp);
            CHECK_TEXT("never half a checkpoint", text, example);
        } else {
            CHECK_TRUE("told", failed);
            CHECK_INT("not the value's fault", err.reason, SC_REASON_MEMORY_LIMIT);
        }
        sc_checkpoint_done(&cp);
    }
    CHECK_TRUE("allocations were made to fail", rounds > 100);
}

static void test_checkpoint_write_out_of_memory(void **state)
{
    (void)state;
    struct sc_checkpoint cp = parsed(example);
    for (long n = 1, failed = 1; failed; n++) {
        struct sc_buf buf = {0};
        failalloc_arm(n);
        int rc = sc_checkpoint_write(&cp, &buf);
        failed = failalloc_disarm();
        CHECK_INT("told", rc, failed ? -1 : 0);
        sc_buf_done(&buf);
    }
    struct sc_buf small;
    sc_buf_init(&small, sizeof example - 2);
    CHECK_INT("one byte short", sc_checkpoint_write(&cp, &small), -1);
    sc_buf_done(&small);
    sc_buf_init(&small, sizeof example - 1);
    CHECK_INT("fits", sc_checkpoint_write(&cp, &small), 0);
    sc_buf_done(&small);
    sc_checkpoint_done(&cp);

    failalloc_arm(1);
    sc_checkpoint_init(&cp);
    CHECK_TRUE("no memory for a position", failalloc_disarm());
    CHECK_INT("an empty one is not written in its place", sc_checkpoint_write(&cp, &small), -1);
    sc_checkpoint_done(&cp);
    sc_buf_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoint_members),
        cmocka_unit_test(test_checkpoint_empty),
        cmocka_unit_test(test_checkpoint_segment_numbers_go_on),
        cmocka_unit_test(test_checkpoint_round_trip),
        cmocka_unit_test(test_checkpoint_member_missing),
        cmocka_unit_test(test_checkpoint_member_of_another_type),
        cmocka_unit_test(test_checkpoint_no_json),
        cmocka_unit_test(test_checkpoint_says_what_and_where),
        cmocka_unit_test(test_checkpoint_cut),
        cmocka_unit_test(test_checkpoint_twice),
        cmocka_unit_test(test_checkpoint_huge),
        cmocka_unit_test(test_checkpoint_garbled),
        cmocka_unit_test(test_checkpoint_long_trail),
        cmocka_unit_test(test_checkpoint_parse_out_of_memory),
        cmocka_unit_test(test_checkpoint_write_out_of_memory),
    };
    json_set_alloc_funcs(any_malloc, free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
