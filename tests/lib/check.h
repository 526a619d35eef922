/* Checks for table tests: on failure both values and the row's reason are printed. To be included
 * after cmocka.h. CHECK_INT(row->why, got, want);  CHECK_TEXT(row->why, got, want);
 * CHECK_BYTES(row->why, got, len, want, want_len); */
#pragma once

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CHECK_INT(why, got, want)                                                                  \
    check_int((why), (int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)
#define CHECK_TEXT(why, got, want) check_text((why), (got), (want), #got, __FILE__, __LINE__)
#define CHECK_TRUE(why, got)       check_int((why), (got) ? 1 : 0, 1, #got, __FILE__, __LINE__)
#define CHECK_BYTES(why, got, got_len, want, want_len)                                             \
    check_bytes((why), (got), (got_len), (want), (want_len), #got, __FILE__, __LINE__)

static inline void check_int(const char *why, int64_t got, int64_t want, const char *what,
                             const char *file, int line)
{
    if (got == want)
        return;
    print_error("%s: %s is %" PRId64 ", want %" PRId64 "\n", why, what, got, want);
    _fail(file, line);
}

static inline void check_text(const char *why, const char *got, const char *want, const char *what,
                              const char *file, int line)
{
    if (got && want ? strcmp(got, want) == 0 : got == want)
        return;
    print_error("%s: %s is\n  \"%s\", want\n  \"%s\"\n", why, what, got ? got : "(NULL)",
                want ? want : "(NULL)");
    _fail(file, line);
}

static inline void check_print_bytes(const char *label, const unsigned char *bytes, size_t len)
{
    print_error("  %s %zu bytes:", label, len);
    for (size_t i = 0; i < len && i < 128; i++)
        print_error(bytes[i] > 0x20 && bytes[i] < 0x7F ? " %c" : " %02x", bytes[i]);
    print_error("\n");
}

static inline void check_bytes(const char *why, const void *got, size_t got_len, const void *want,
                               size_t want_len, const char *what, const char *file, int line)
{
    if (got_len == want_len && (got_len == 0 || memcmp(got, want, got_len) == 0))
        return;
    print_error("%s: %s differs\n", why, what);
    check_print_bytes("got ", got, got_len);
    check_print_bytes("want", want, want_len);
    _fail(file, line);
}
