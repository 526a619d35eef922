/* Link headers on any bytes. Input: a base URL's line, then the header line. What is found lies within the input; what is followed
 * begins with '/', is printable, and put behind the base it leads back to itself. */
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

static bool lies_within(struct sc_str part, struct sc_str whole)
{
    return part.ptr >= whole.ptr && part.len <= whole.len && (size_t)(part.ptr - whole.ptr) <= whole.len - part.len;
}

static void check_below(const char *base, struct sc_str target)
{
    struct sc_str below = {0}, again = {0};
    char *joined = NULL;

    if (rest_link_below(base, target, &below) != NULL)
        return;
    CHECK(lies_within(below, target));
    CHECK(below.len > 0 && below.ptr[0] == '/' && !memchr(below.ptr, '#', below.len));
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    if (strpbrk(base, "?#"))
        return;
    CHECK(asprintf(&joined, "%.*s%.*s", (int)len, base, (int)below.len, below.ptr) >= 0);
    if (rest_link_below(base, sc_str_of(joined), &again) == NULL)
        CHECK(sc_str_eq(again, below));
    else
        CHECK(target.ptr[0] == '/'); /* only a base that is no printable URL itself */
    free(joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = size ? memchr(text, '\n', size) : NULL;
    size_t base_len = end ? (size_t)(end - text) : 0;
    struct sc_str line = {text + base_len + (end != NULL), size - base_len - (end != NULL)};
    char *base = strndup(text, base_len);
    char member[32];

    struct sc_str target = rest_link_target(line, "next");
    if (target.ptr) {
        CHECK(lies_within(target, line));
        check_below(base, target);
    }
    check_below(base, line);
    CHECK(rest_error_member(line, "errorCode", member, sizeof member) < sizeof member);
    for (const char *c = member; *c; c++)
        CHECK(*c >= ' ' && *c <= '~');
    (void)rest_is_web_page(line);
    free(base);
    return 0;
}
