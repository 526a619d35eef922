/* The JSON cutter on any bytes. Input: four bytes of how (which paths, bytes a feed, pauses, seed),
 * then the body; with the last choice of paths two more lines come first, the records' path and a
 * field's, which is wanted beside the records, too. The cutter must agree with the reference reader
 * on records, values, verdict and place, keep every promise that the harness checks, and cut the
 * same however it is fed. */
#include "cut_harness.h"

#include <stdlib.h>

static const struct sc_json_spec specs[] = {
    {.records = "[]",                               .fields = {"id", "actor.id", "actor"}, .envelope = {"next", "errors"}},
    {                  .records = "items[]",
     .fields = {"id", "a.b", "items"},
     .envelope = {"next", "meta.id", "count", "meta", "items"}                                                         },
    { .records = "a.b[]",
     .fields = {"id"},
     .envelope = {"a", "a.c", "b", "b.c", "a.c.d"},
     .max_depth = 4},
    {                                                                                                   .records = "a\\.b[]",
     .fields = {"a\\.b"},
     .envelope = {"a.b", "a", "a\\.b"},
     .max_depth = 4096},
};

#define SPECS (sizeof(specs) / sizeof(*specs))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The line at *text as a C string; *text moves behind it. */
static char *take_line(const char **text, size_t *len)
{
    const char *end = memchr(*text, '\n', *len);
    size_t n = end ? (size_t)(end - *text) : *len;
    char *line = strndup(*text, n);

    n += end != NULL;
    *text += n;
    *len -= n;
    return line;
}

static void check(const struct sc_json_spec *spec, const char *body, size_t len, const uint8_t *how)
{
    struct how feeds[] = {
        {0              },
        { .chunk = 1,               .pause_percent = how[2] % 90, .seed = how[3]},
        { .chunk = 1 + how[1] % 70, .pause_percent = how[2] % 90, .seed = how[3]},
        { .random_chunks = true,    .pause_percent = how[2] % 90, .seed = how[3]},
    };
    struct reference reference;

    reference_read(&reference, spec, body, len);
    for (size_t i = 0; i < sizeof(feeds) / sizeof(*feeds); i++) {
        struct seen seen;

        harness_cut(&seen, spec, body, len, feeds[i]);
        harness_compare(&seen, &reference, spec, body, len, feeds[i]);
        harness_done(&seen);
    }
    reference_done(&reference);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *body = (const char *)data + 4;
    size_t len = size - 4;

    if (size < 4)
        return 0;
    if (data[0] % (SPECS + 1) < SPECS) {
        check(&specs[data[0] % (SPECS + 1)], body, len, data);
    } else {
        char *records = take_line(&body, &len), *field = take_line(&body, &len);
        struct sc_json_spec spec = {.records = records, .fields = {field}, .envelope = {field}};
        struct sc_error err = SC_ERROR_INIT;
        struct sc_json_cut *cut = sc_json_cut_new(&spec, (struct sc_cut_sink){0}, &err);

        HARNESS_CHECK((cut != NULL) == (err.reason == SC_REASON_OK));
        sc_json_cut_free(cut);
        if (cut)
            check(&spec, body, len, data);
        free(records);
        free(field);
    }
    return 0;
}
