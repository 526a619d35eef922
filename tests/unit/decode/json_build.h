/* Random JSON texts with records in known places, full of things that look like records and paths
 * but are none. */
#pragma once

#include "cut_harness.h"

struct built {
    char *text; /* owned */
    size_t len, room;
    struct {
        size_t at, len;
    } * records; /* owned */
    size_t count;
};

/* A text whose records are at spec->records. `nasty`: long strings, deep nesting, bad UTF-8 in
 * records. */
void build_document(struct built *ret, const struct sc_json_spec *spec, uint64_t *seed,
                    unsigned size, bool nasty);
void built_done(struct built *built);
