/* Qualys' error bodies on any bytes: what comes of them is bounded, printable text; of a code of digits a prefix
 * has a beginning; and the reader stops at the end of what is here. */
#include "qualys/simple_return.h"

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

static void check_fault(const struct qualys_fault *fault)
{
    check_text(fault->code, sizeof fault->code);
    check_text(fault->text, sizeof fault->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size ? size : 1); /* a sanitizer sees a byte too far */
    struct qualys_fault whole, part, copy = {0};
    if (!exact)
        return 0;
    if (size)
        memcpy(exact, data, size);
    bool is_one = qualys_simple_return((struct sc_str){exact, size}, &whole);
    check_fault(&whole);
    CHECK(is_one || (!whole.code[0] && !whole.text[0]));
    CHECK(!is_one || !qualys_is_web_page((struct sc_str){exact, size}));
    char *half = malloc(size / 2 + 1);
    if (half) {
        if (size / 2)
            memcpy(half, data, size / 2);
        (void)qualys_simple_return((struct sc_str){half, size / 2}, &part);
        check_fault(&part);
        size_t len = strlen(part.code);
        if (is_one && strspn(part.code, "0123456789") == len) /* what was cut is a beginning of it */
            CHECK(strncmp(part.code, whole.code, len) == 0);
    }
    qualys_fault_set(&copy, (struct sc_str){exact, size}, (struct sc_str){exact, size});
    check_fault(&copy);
    free(half);
    free(exact);
    return 0;
}
