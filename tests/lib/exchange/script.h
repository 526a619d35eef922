/* A script as it was written: steps in order, each with its words, its indented lines and its body. format.md says what they mean. */
#pragma once

#include "base/buf.h"

enum ex_word {
    EX_INTEGRATION, EX_CLOCK, EX_SETTING, EX_NATS, EX_STORED, EX_GIVEN, EX_CHUNKS, /* before the agent starts */
    EX_REQUEST, EX_REPLY, EX_FAIL, EX_WAIT, EX_AFTER, EX_RECORD, EX_DUPLICATE, EX_CHECKPOINT, EX_STATUS, EX_LOG, EX_LETTER,
    EX_PUT, EX_DELETE, EX_WRITE, EX_HOLD, EX_RELEASE, EX_BROKER, EX_REFUSE, EX_CRASH, EX_RESTART, EX_HOST_CLOCK,
    EX_POLL, EX_DRY, EX_SAID, EX_ENDED, EX_GIVE_UP, EX_UNTOUCHED, EX_MEMORY, EX_ASK, EX_AGAIN,
    EX_BODY, EX_CUT, EX_FAILS, /* parts of the step above, or of the script: no steps of their own */
    EX_END                     /* added behind the last line */
};

struct ex_step {
    enum ex_word word;
    unsigned line;
    char *args;          /* rest of the line; "" */
    char *block;         /* indented lines, joined by \n; NULL: none */
    unsigned block_line; /* of its first line */
    bool has_body;
    char *body;
    size_t body_len;
    unsigned body_line;
    char *cut;           /* arguments of `cut`; NULL: none */
};

struct ex_script {
    char *path;
    struct ex_step *steps;
    size_t count, cap;
    char *fails[16]; /* what a script of the self-test must be told */
    size_t fails_count;
};

/* -1: `report` says where and why. The script is to be freed either way. */
int ex_script_read(struct ex_script *script, const char *path, struct sc_buf *report);
void ex_script_done(struct ex_script *script);
bool ex_word_is_setup(enum ex_word word);

/* Header lines ("Name: value") of a block: the nth of that name, case ignored; absent: {NULL, 0}. */
struct sc_str ex_header(const char *block, const char *name, unsigned nth);
/* Takes the next line of a block; false at its end. */
bool ex_next_line(const char **at, struct sc_str *line);
/* Takes the next blank-separated word of a text; "" at its end. `rest` is moved behind it. */
void ex_take_word(const char **rest, char *out, size_t cap);
