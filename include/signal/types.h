/* Small types that a connector and the agent share. Part of the connector ABI: members never move. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view of bytes that somebody else owns; not terminated. {NULL, 0} is "absent". */
struct sc_str {
    const char *ptr;
    size_t len;
};

static inline struct sc_str sc_str_of(const char *text)
{
    return (struct sc_str){text, text ? strlen(text) : 0};
}

static inline bool sc_str_eq(struct sc_str a, struct sc_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool sc_str_is(struct sc_str a, const char *text)
{
    return sc_str_eq(a, sc_str_of(text));
}

/* Times are milliseconds since 1970-01-01T00:00:00Z, whatever the vendor's form; SC_TIME_NONE is "unknown". */
#define SC_TIME_NONE INT64_MIN
