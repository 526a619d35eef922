/* Compressed bodies. Input: one byte of how, then bytes. Even: they are the body, behind the two bytes of gzip: however fed, the same must
 * be seen. Odd: they are a text; in gzip, as one member or as two, it must be seen as it is without. */
#include "any_harness.h"

static const struct sc_cut_spec specs[] = {
    {.records = "[]", .fields = {"id"}, .envelope = {"a"}},
    {.records = "a[]", .envelope = {"a", "b"}, .body_max = 64},
    {.format = SC_CUT_NDJSON, .records = "a", .envelope = {"b"}},
    {.format = SC_CUT_XML, .records = "L.R", .envelope = {"L.n"}},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const struct sc_cut_spec *spec, const char *body, size_t len, size_t at)
{
    struct sc_cut_spec free_spec = *spec;
    struct sc_buf packed = {0}, plain = {0}, got = {0};

    free_spec.body_max = 0;
    any_gzip(&packed, body, at);
    if (at < len || at % 2)
        any_gzip(&packed, body + at, len - at);
    any_cut(&plain, &free_spec, body, len, (struct how){0});
    any_cut(&got, &free_spec, packed.ptr, packed.len, (struct how){0});
    HARNESS_CHECK(got.len == plain.len && memcmp(got.ptr, plain.ptr, got.len) == 0);
    any_check(spec, packed.ptr, packed.len, 0);
    sc_buf_done(&packed);
    sc_buf_done(&plain);
    sc_buf_done(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sc_cut_spec *spec;
    struct sc_buf body = {0};

    if (size < 1)
        return 0;
    spec = &specs[data[0] / 2 % (sizeof(specs) / sizeof(*specs))];
    if (data[0] % 2) {
        if (size < 2 || data[1] != 0x1F) /* a text that is gzip itself is no text */
            compare(spec, (const char *)data + 1, size - 1, (size - 1) * (data[0] / 16) / 15);
        return 0;
    }
    sc_buf_add_str(&body, "\x1F\x8B");
    sc_buf_add(&body, data + 1, size - 1);
    any_check(spec, body.ptr, body.len, 0);
    sc_buf_done(&body);
    return 0;
}
