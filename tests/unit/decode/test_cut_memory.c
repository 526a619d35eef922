/* The n-th allocation fails, in each format and inside expat: it is said, nothing leaks, and a body after it is cut as ever. Once the
 * buffers have grown, nothing allocates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "any_harness.h"
#include "check.h"
#include "failalloc.h"
#include "xml_random.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* Feeds in small pieces, so that lines are held. */
static int cut_all(struct sc_cut *cut, const struct sc_buf *body, struct sc_error *err)
{
    size_t used;
    int r = 0;

    for (size_t at = 0; r == 0 && at < body->len; at += used)
        r = sc_cut_feed(cut, body->ptr + at, body->len - at < 100 ? body->len - at : 100, &used, err);
    return r == 0 ? sc_cut_finish(cut, err) : r;
}

static void fail_each(const char *why, const struct sc_cut_spec *spec, const struct sc_buf *body, uint64_t records)
{
    bool failed = true;

    for (long n = 1; failed; n++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_cut *cut;
        int r = -1;

        failalloc_arm(n);
        cut = sc_cut_new(spec, xml_deaf_sink(), &err);
        if (cut)
            r = cut_all(cut, body, &err);
        failed = failalloc_disarm();
        CHECK_INT(why, r == -1, failed);
        CHECK_INT(why, err.reason, failed ? SC_REASON_MEMORY_LIMIT : SC_REASON_OK);
        if (cut) {
            sc_error_clear(&err);
            sc_cut_reset(cut);
            CHECK_INT("after it", cut_all(cut, body, &err), 0);
            CHECK_INT("after it", sc_cut_records(cut), records);
            sc_cut_reset(cut);
            if (spec->format != SC_CUT_XML) { /* expat makes anew what it needs for each body */
                failalloc_arm(1);
                CHECK_INT("nothing more is needed", cut_all(cut, body, &err), 0);
                CHECK_TRUE("nothing more is needed", !failalloc_disarm());
            }
        }
        sc_cut_free(cut);
    }
}

static void repeat(struct sc_buf *body, const char *before, const char *record, unsigned count, const char *behind)
{
    sc_buf_clear(body);
    sc_buf_add_str(body, before);
    for (unsigned i = 0; i < count; i++)
        sc_buf_add_str(body, record);
    sc_buf_add_str(body, behind);
}

static void test_memory(void **state)
{
    struct sc_cut_spec json = {.records = "a[]", .fields = {"id", "x"}, .envelope = {"b"}, .field_max = 100000};
    struct sc_cut_spec lines = {.format = SC_CUT_NDJSON, .records = "r", .records_else = "s[]", .fields = {"id"}, .envelope = {"b"}};
    struct sc_cut_spec xml = {.format = SC_CUT_XML, .records = "L.R", .nested = "W.D", .fields = {"id"}, .envelope = {"L.b"}};
    struct sc_buf body = {0}, packed = {0}, field = {0}, line = {0};

    (void)state;
    repeat(&field, "{\"id\":\"", "0123456789abcdef", 1000, "\"}");
    repeat(&body, "{\"a\":[1,", field.ptr, 1, ",2]}");
    fail_each("JSON", &json, &body, 3);
    any_gzip(&packed, body.ptr, body.len);
    fail_each("gzip", &json, &packed, 3);
    repeat(&line, "{\"r\":{\"id\":\"", "0123456789abcdef", 1000, "\"}}\n{\"s\":[1,2]}\n");
    fail_each("lines", &lines, &line, 3);
    repeat(&body, "<L><R><x>1</x><W>", "<D><id>0123456789</id><y/><id/></D>", 1000, "</W></R></L>");
    fail_each("XML", &xml, &body, 1000);
    xml.nested = NULL;
    repeat(&body, "<L><R>", "<D>0123456789<y/>a</D>", 1000, "</R></L>");
    fail_each("XML, large", &xml, &body, 1);
    sc_buf_done(&body);
    sc_buf_done(&packed);
    sc_buf_done(&field);
    sc_buf_done(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
