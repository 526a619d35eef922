/* XML on any bytes. Input: one byte that chooses paths and limits, then the body. However it is fed, and whenever the sink pauses, the
 * same must be seen; each record must be an object that another reader of JSON takes, without a name that is there twice. */
#include "any_harness.h"

#include <jansson.h>

static const struct sc_cut_spec specs[] = {
    {.format = SC_CUT_XML, .records = "L.R"},
    {.format = SC_CUT_XML, .records = "L.R", .nested = "D"},
    {.format = SC_CUT_XML, .records = "L.R", .nested = "N.D", .envelope = {"L.n", "L.n.@a", "E.c"}},
    {.format = SC_CUT_XML, .records = "L.R", .nested = "N.D", .record_max = 150},
    {.format = SC_CUT_XML, .records = "R", .record_max = 300, .max_depth = 2},
    {.format = SC_CUT_XML, .records = "L.R", .fields = {"a", "D.a", "@a", "#text"}, .field_max = 5, .envelope = {"L", "L.@a", "L.R.a"}},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Without fields each line of what is seen is "record", the object, perhaps "deep"; behind them one that says how it ended. */
static void check_objects(const struct sc_buf *said)
{
    static const char begin[] = "record {", deep[] = " deep";

    for (const char *p = said->ptr; strncmp(p, begin, sizeof(begin) - 1) == 0;) {
        const char *eol = strchr(p, '\n');
        size_t len = (size_t)(eol - p);
        json_t *object;

        if (memcmp(eol - 5, deep, 5) == 0)
            len -= 5;
        object = json_loadb(p + 7, len - 7, JSON_REJECT_DUPLICATES, NULL);
        HARNESS_CHECK(json_is_object(object));
        json_decref(object);
        p = eol + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sc_cut_spec *spec;
    struct sc_buf said = {0};

    if (size < 1)
        return 0;
    spec = &specs[data[0] % (sizeof(specs) / sizeof(*specs))];
    if (spec->record_max)
        any_check_roughly(spec, (const char *)data + 1, size - 1);
    else
        any_check(spec, (const char *)data + 1, size - 1, 0);
    any_cut(&said, spec, (const char *)data + 1, size - 1, (struct how){0});
    if (!spec->fields[0])
        check_objects(&said);
    sc_buf_done(&said);
    return 0;
}
