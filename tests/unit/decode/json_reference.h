/* What the cutter must find, found another way: the whole text at once, recursive descent, every
 * member's full path spelled out and compared. Slow and plain on purpose. Used by the unit tests
 * and the fuzzer. */
#pragma once

#include "decode/json_cut.h"

struct reference_value {
    enum sc_cut_kind kind;
    bool cut;
    char *text; /* owned */
    size_t len;
};

struct reference_record {
    size_t at, len;
    bool bad_utf8, too_deep;
    size_t bad_at;
    struct reference_value fields[SC_CUT_FIELDS];
};

enum reference_verdict {
    REFERENCE_GOOD,
    REFERENCE_BAD_BYTE,  /* byte `at` cannot stand there */
    REFERENCE_BAD_TEXT,  /* somewhere before `at`: bad UTF-8, too deep, second array */
    REFERENCE_TRUNCATED, /* good as far as it goes */
    REFERENCE_NO_ARRAY
};

struct reference {
    enum reference_verdict verdict;
    size_t at;
    struct reference_record *records; /* complete ones */
    size_t count;
    struct reference_value envelope[SC_CUT_ENVELOPE];
};

void reference_read(struct reference *ret, const struct sc_json_spec *spec, const char *text,
                    size_t len);
void reference_done(struct reference *reference);
