/* Lists of errors inside replies, on any bytes: as an envelope member, and within an error body. Whatever comes is bounded, printable
 * text; and what is none when it is whole is none when blanks surround it. */
#include "rest/parts.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                                         \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t cap)
{
    size_t len = strnlen(text, cap);
    CHECK(len < cap);
    for (size_t i = 0; i < len; i++)
        CHECK(text[i] >= ' ' && text[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size ? size : 1), *wide = NULL; /* a sanitizer sees a byte too far */
    struct rest_fault one, two;
    int64_t n = -1;
    if (size)
        memcpy(exact, data, size);
    struct sc_str input = {exact, size};
    bool any = rest_first_fault(input, "code", "message", &one);
    check_text(one.code, sizeof one.code);
    check_text(one.text, sizeof one.text);
    CHECK(any || (!one.code[0] && !one.text[0]));
    int len = asprintf(&wide, " \n%.*s", (int)strnlen(exact, size), exact);
    CHECK(len >= 0);
    if (strnlen(exact, size) == size)
        CHECK(rest_first_fault((struct sc_str){wide, (size_t)len}, "code", "message", &two) == any && strcmp(one.code, two.code) == 0);
    struct sc_str value = rest_error_value(input, "errors");
    CHECK(!value.ptr || (value.ptr >= exact && value.len && value.ptr + value.len == exact + size));
    if (value.ptr)
        (void)rest_first_fault(value, "code", "message", &two);
    CHECK(!rest_number(input, &n) || n >= 0);
    free(wide);
    free(exact);
    return 0;
}
