/* The JSON cutter against the reference reader and against texts whose records are known: random
 * texts in random pieces with random pauses, every way to split a text, every prefix, every wrong
 * byte; and a real catalogue when it is at hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "json_build.h"

#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const struct sc_json_spec specs[] = {
    {.records = "[]",                                                   .fields = {"id", "actor.id", "uuid"}, .envelope = {"next"}},
    {.records = "items[]",
     .fields = {"id", "data.items", "actor"},
     .envelope = {"next", "meta.id", "count", "last", "meta", "items"}},
    {.records = "data.items[]",
     .fields = {"uuid", "actor.actor.id"},
     .envelope = {"next", "data.next", "data.last", "data.meta.count", "meta", "data.meta",
                  "data"}},
    {.records = "a\\.b.items[]",
     .fields = {"a\\.b", "id", "id.id", "data.id"},
     .envelope = {"a\\.b", "a\\.b.count", "x", "meta", "meta.data.actor", "meta.data"}},
    {.records = "a.b.c.d[]",
     .fields = {"id", "id"},
     .envelope = {"a.e", "a.b.e", "a.b.c.e", "a.b.c", "a.b.c.d", "a.b.meta", "a.b.x", "x"},
     .max_depth = 20},
    {.records = "[]",                                                                 .max_depth = 1                                                                               },
};

static size_t raw_whole, raw_cut; /* arrays and objects captured in the texts below */

static void count_raw(const struct seen *seen)
{
    for (unsigned i = 0; i < SC_CUT_ENVELOPE; i++) {
        const struct seen_value *v = &seen->envelope[i];

        if ((v->kind == SC_CUT_ARRAY || v->kind == SC_CUT_OBJECT) && v->len)
            *(v->cut ? &raw_cut : &raw_whole) += 1;
    }
}

/* A text made on purpose: its records are where they were put, whatever the reference says. */
static void check_built(const struct built *built, const struct reference *reference, const struct sc_json_spec *spec,
                        struct how how)
{
    struct seen seen;

    harness_cut(&seen, spec, built->text, built->len, how);
    harness_compare(&seen, reference, spec, built->text, built->len, how);
    CHECK_TEXT("a good text", seen.err.text, "");
    CHECK_INT("all records", seen.count, built->count);
    count_raw(&seen);
    for (size_t i = 0; i < seen.count; i++) {
        CHECK_INT("where it was put", seen.records[i].at, built->records[i].at);
        CHECK_INT("where it was put", seen.records[i].len, built->records[i].len);
    }
    harness_done(&seen);
}

static void test_json_cut_every_split(void **state)
{
    uint64_t seed = 1;
    size_t splits = 0;

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        const struct sc_json_spec *spec = &specs[round % COUNT(specs)];
        struct reference reference;
        struct built built;

        build_document(&built, spec, &seed, 4, round % 2);
        reference_read(&reference, spec, built.text, built.len);
        for (size_t split = 1; split < built.len && built.len < 1500; split++, splits++)
            check_built(
                &built, &reference, spec,
                (struct how){.split = split, .pause_percent = split % 3 ? 0 : 40, .seed = split});
        for (size_t chunk = 1; chunk <= 64; chunk++)
            check_built(
                &built, &reference, spec,
                (struct how){.chunk = chunk, .pause_percent = chunk % 2 ? 0 : 30, .seed = chunk});
        reference_done(&reference);
        built_done(&built);
    }
    print_message("%zu splits\n", splits);
}

static void test_json_cut_random_pieces(void **state)
{
    uint64_t seed = 2;

    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        const struct sc_json_spec *spec = &specs[round % COUNT(specs)];
        struct reference reference;
        struct built built;

        build_document(&built, spec, &seed, 12, true);
        reference_read(&reference, spec, built.text, built.len);
        check_built(&built, &reference, spec, (struct how){0});
        check_built(&built, &reference, spec, (struct how){.pause_percent = 50, .seed = round});
        check_built(&built, &reference, spec, (struct how){.random_chunks = true, .seed = round});
        check_built(&built, &reference, spec,
                    (struct how){.random_chunks = true, .pause_percent = 40, .seed = round});
        reference_done(&reference);
        built_done(&built);
    }
    print_message("%zu arrays and objects captured whole, %zu cut\n", raw_whole, raw_cut);
    CHECK_TRUE("the texts have enough of both", raw_whole > 1000 && raw_cut > 100);
}

/* A text that is cut short is never taken for a whole one. */
static void test_json_cut_every_prefix(void **state)
{
    uint64_t seed = 3;
    size_t prefixes = 0;

    (void)state;
    for (unsigned round = 0; round < 150; round++) {
        const struct sc_json_spec *spec = &specs[round % COUNT(specs)];
        struct built built;
        size_t whole;

        build_document(&built, spec, &seed, 4, round % 2);
        for (whole = built.len; strchr(" \n\t\r", built.text[whole - 1]); whole--)
            ;
        for (size_t len = 0; len < whole && len < 3000; len++, prefixes++) {
            struct how how = {.chunk = round % 4, .pause_percent = round % 3 ? 0 : 30, .seed = len};
            struct reference reference;
            struct seen seen;

            reference_read(&reference, spec, built.text, len);
            harness_cut(&seen, spec, built.text, len, how);
            CHECK_TRUE("a prefix is no whole text", seen.verdict == REFERENCE_TRUNCATED);
            harness_compare(&seen, &reference, spec, built.text, len, how);
            harness_done(&seen);
            reference_done(&reference);
        }
        built_done(&built);
    }
    print_message("%zu prefixes\n", prefixes);
}

/* Every byte of a text replaced by every other byte: no crash, no record that is not the
 * reference's. */
static void test_json_cut_every_corruption(void **state)
{
    static const char body[] =
        "\xEF\xBB\xBF {\"next\":\"a\\u00e9\\ud83d\\ude00\",\"items\":[ "
        "{\"id\":\"x\xC3\xA9\\n\",\"actor\":[{}]},-1.5e+7,true,"
        "\"\xF0\x9F\x98\x80\"],\"meta\":{ \"id\":[null,false,{}]},\"count\":[]} ";
    char *copy = malloc(sizeof(body));

    (void)state;
    memcpy(copy, body, sizeof(body));
    for (size_t at = 0; at < sizeof(body) - 1; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            copy[at] = (char)byte;
            harness_check(&specs[1], copy, sizeof(body) - 1, (struct how){0});
            harness_check(&specs[1], copy, sizeof(body) - 1,
                          (struct how){.chunk = 1 + byte % 5, .pause_percent = byte % 2 * 30});
        }
        copy[at] = body[at];
    }
    free(copy);
}

/* Bytes replaced, dropped, doubled, pieces moved: the same. */
static void test_json_cut_random_corruption(void **state)
{
    uint64_t seed = 4;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        const struct sc_json_spec *spec = &specs[round % COUNT(specs)];
        struct how how = {
            .random_chunks = round % 2, .pause_percent = round % 3 ? 0 : 30, .seed = round};
        struct built built;

        build_document(&built, spec, &seed, 3, true);
        for (unsigned n = 1 + harness_random(&seed, 3); n && built.len > 1; n--) {
            size_t at = harness_random(&seed, (unsigned)built.len),
                   to = harness_random(&seed, (unsigned)built.len);

            switch (harness_random(&seed, 4)) {
            case 0:
                built.text[at] = "{}[]\",:\\0tn.-eE u\n\x80\xC3"[harness_random(&seed, 20)];
                break;
            case 1:
                built.text[at] = built.text[to];
                break;
            case 2:
                memmove(built.text + at, built.text + at + 1, built.len - at - 1);
                built.len--;
                break;
            default:
                memmove(built.text + at, built.text + to, built.len - (at > to ? at : to));
                break;
            }
        }
        harness_check(spec, built.text, built.len, how);
        built_done(&built);
    }
}

/* ---- CISA's catalogue of known exploited vulnerabilities ------------------------------------ */

static char *load(const char *path, size_t *ret_len)
{
    FILE *f = path ? fopen(path, "rb") : NULL;
    char *text;

    if (!f)
        return NULL;
    text = malloc(64 << 20);
    *ret_len = fread(text, 1, 64 << 20, f);
    fclose(f);
    return text;
}

static void test_json_cut_catalogue(void **state)
{
    static const struct how hows[] = {
        {0                   },
        {.chunk = 16384      },
        {.chunk = 4096,        .pause_percent = 20},
        {.random_chunks = true,                    .pause_percent = 10},
        {.chunk = 1}
    };
    struct sc_json_spec spec = {
        .records = "vulnerabilities[]",
        .fields = {"cveID",          "dateAdded"},
        .envelope = {"catalogVersion", "count"    }
    };
    const char *path = getenv("SIGNAL_TEST_CATALOGUE");
    struct reference reference;
    size_t len = 0;
    char *text = load(path ? path : CATALOGUE, &len);

    (void)state;
    if (!text) {
        print_message("SKIPPED: no catalogue at %s (SIGNAL_TEST_CATALOGUE names another place)\n",
                      path ? path : CATALOGUE);
        skip();
    }
    reference_read(&reference, &spec, text, len);
    for (size_t h = 0; h < COUNT(hows); h++) {
        struct seen seen;

        harness_cut(&seen, &spec, text, len, hows[h]);
        harness_compare(&seen, &reference, &spec, text, len, hows[h]);
        CHECK_TEXT("catalogue", seen.err.text, "");
        char count[24];
        snprintf(count, sizeof(count), "%.*s", (int)seen.envelope[1].len, seen.envelope[1].text);
        CHECK_INT("as many as it says", seen.count, strtoul(count, NULL, 10));
        CHECK_TRUE("many", seen.count > 1000);
        for (size_t i = 0; i < seen.count; i++) {
            CHECK_TRUE("an object", text[seen.records[i].at] == '{' &&
                                        text[seen.records[i].at + seen.records[i].len - 1] == '}');
            CHECK_TRUE("with an id", seen.records[i].fields[0].len > 8 &&
                                         memcmp(seen.records[i].fields[0].text, "CVE-", 4) == 0);
            CHECK_INT("with a date", seen.records[i].fields[1].len, 10);
        }
        harness_done(&seen);
    }
    print_message("%zu records\n", reference.count);
    reference_done(&reference);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_cut_every_split),
        cmocka_unit_test(test_json_cut_random_pieces),
        cmocka_unit_test(test_json_cut_every_prefix),
        cmocka_unit_test(test_json_cut_every_corruption),
        cmocka_unit_test(test_json_cut_random_corruption),
        cmocka_unit_test(test_json_cut_catalogue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
