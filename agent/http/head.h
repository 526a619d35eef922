/* The head of one reply: every header line as it came, in one capped buffer, and an index of where
 * names and values are. Fed line by line by curl's header callback. Pure: no I/O, no curl. */
#pragma once

#include "base/buf.h"

struct sc_head_line {
    uint32_t name, name_len, value, value_len; /* offsets into text */
};

/* All zero = valid and empty, but for max. */
struct sc_head {
    struct sc_buf text;
    struct sc_head_line *lines;
    uint32_t count, cap;
    uint32_t max;   /* most bytes of all heads of one exchange together */
    uint32_t total; /* bytes seen so far: interim heads and trailers count too */
    int status;
    bool closed; /* its blank line has come; what follows is the next head or a trailer */
};

enum sc_head_step {
    SC_HEAD_MORE,
    SC_HEAD_END,       /* that was the blank line: status and lines are complete */
    SC_HEAD_TOO_LARGE, /* over max */
    SC_HEAD_BAD,       /* not a status line where one is due */
    SC_HEAD_NO_MEMORY
};

/* One line with its line end. A line that begins with "HTTP/" after a closed head begins the next
 * head. */
enum sc_head_step sc_head_add(struct sc_head *head, const char *line, size_t len);
/* Ready for another exchange (a redirect): as fresh, keeps its memory and max. */
void sc_head_reset(struct sc_head *head);
void sc_head_done(struct sc_head *head);
struct sc_str sc_head_get(const struct sc_head *head, const char *name, unsigned nth);
