/* Lines of JSON on any bytes. Input: one byte that chooses paths and limits, then the body. However it is fed, and whenever the sink
 * pauses, the same must be seen; and where each line is the record, the JSON cutter must see the same records in an array of them. */
#include "any_harness.h"

#include <stdlib.h>

static const struct sc_cut_spec specs[] = {
    {.format = SC_CUT_NDJSON, .records = "", .fields = {"id", "a.b"}},
    {.format = SC_CUT_NDJSON, .records = "result", .records_else = "results[]", .fields = {"id"}, .envelope = {"preview", "messages", "a.b"}},
    {.format = SC_CUT_NDJSON, .records = "results[]", .records_else = "a.b", .fields = {"id"}, .envelope = {"a", "n"}, .max_depth = 3},
    {.format = SC_CUT_NDJSON, .records = "result", .records_else = "results[]", .envelope = {"n", "preview"}, .record_max = 20},
    {.format = SC_CUT_NDJSON, .records = "", .fields = {"id"}, .envelope = {"preview"}, .record_max = 5, .field_max = 3},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void keep_records(struct sc_buf *to, const struct sc_buf *said)
{
    static const char begin[] = "record ";

    for (const char *p = said->ptr, *end = said->ptr + said->len; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));

        if ((size_t)(end - p) > sizeof(begin) - 1 && memcmp(p, begin, sizeof(begin) - 1) == 0)
            HARNESS_CHECK(sc_buf_add(to, p, (size_t)(eol - p) + 1) == 0);
        p = eol + 1;
    }
}

/* The lines that are not blank, as an array. */
static void join(struct sc_buf *to, const char *body, size_t len)
{
    const char *end = body + len;
    bool first = true;

    if (len >= 3 && memcmp(body, "\xEF\xBB\xBF", 3) == 0)
        body += 3;
    sc_buf_add_char(to, '[');
    while (body < end) {
        const char *eol = memchr(body, '\n', (size_t)(end - body)), *stop = eol ? eol : end, *p = body;

        while (p < stop && (*p == ' ' || *p == '\t' || *p == '\r'))
            p++;
        if (p < stop) {
            if (!first)
                sc_buf_add_char(to, ',');
            sc_buf_add(to, body, (size_t)(stop - body));
            first = false;
        }
        body = eol ? eol + 1 : end;
    }
    sc_buf_add_char(to, ']');
}

static void compare_with_array(const char *body, size_t len)
{
    static const struct sc_cut_spec array = {.records = "[]", .fields = {"id", "a.b"}};
    struct sc_buf said = {0}, other = {0}, text = {0}, mine = {0}, theirs = {0};

    any_cut(&said, &specs[0], body, len, (struct how){0});
    if (said.len >= 8 && memcmp(said.ptr + said.len - 8, "good []\n", 8) == 0) {
        join(&text, body, len);
        any_cut(&other, &array, text.ptr, text.len, (struct how){0});
        HARNESS_CHECK(other.len >= 8 && memcmp(other.ptr + other.len - 8, "good []\n", 8) == 0);
        keep_records(&mine, &said);
        keep_records(&theirs, &other);
        HARNESS_CHECK(mine.len == theirs.len && (mine.len == 0 || memcmp(mine.ptr, theirs.ptr, mine.len) == 0));
    }
    sc_buf_done(&said);
    sc_buf_done(&other);
    sc_buf_done(&text);
    sc_buf_done(&mine);
    sc_buf_done(&theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *body = (const char *)data + 1;

    if (size < 1)
        return 0;
    any_check(&specs[data[0] % (sizeof(specs) / sizeof(*specs))], body, size - 1, 0);
    if (data[0] % 5 == 0)
        compare_with_array(body, size - 1);
    return 0;
}
