/* The slow way through a JSON string: escapes, bytes above 0x7F, chunks that end inside it, and
 * keeping its text. Begun behind the opening quote; may be stopped and continued at any byte.
 * Allocates only to make a room larger. */
#pragma once

#include "base/error.h"

enum sc_json_string_status {
    SC_JSON_STRING_OPEN,       /* all bytes read, the string goes on */
    SC_JSON_STRING_CLOSED,     /* *p is behind the closing quote */
    SC_JSON_STRING_BAD_ESCAPE, /* *p is the wrong byte */
    SC_JSON_STRING_CONTROL     /* *p is a byte below 0x20 */
};

/* Where a kept text goes. Grows from `cap` to `max` when it must, once and for all: only one with max > cap is heap. */
struct sc_json_room {
    char *ptr;
    size_t cap, max;
};

struct sc_json_string {
    struct sc_json_room *room; /* where the unescaped text goes; NULL: it is not kept */
    size_t len, max; /* kept so far, most that may be */
    bool no_memory;  /* the room could not grow */
    bool cut;        /* the text did not fit: its first part is kept */
    uint8_t part;    /* where in an escape we are */
    uint16_t unit;   /* hexadecimal digits of \u so far */
    uint16_t high;   /* a high surrogate waits for its low one; 0: none */
    uint8_t need;    /* continuation bytes that must follow */
    uint8_t lo, hi;  /* range of the next one */
    bool bad_utf8;   /* from here on UTF-8 is not looked at any more */
    uint64_t bad_at; /* first byte of the first bad sequence */
    uint64_t lead_at;
};

static inline void sc_json_string_begin(struct sc_json_string *s, struct sc_json_room *room)
{
    *s = (struct sc_json_string){.room = room, .max = room ? room->max : 0};
}

/* Reads on from *p. `at` is the place of *p in whatever bad_at is counted in. */
enum sc_json_string_status sc_json_string_read(struct sc_json_string *s, const char **p,
                                               const char *end, uint64_t at);
/* Appends to the kept text as far as it fits. */
void sc_json_string_add(struct sc_json_string *s, const char *bytes, size_t len);
