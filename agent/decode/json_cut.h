/* Incremental JSON cutter: bytes in (split anywhere), records out, no tree, no allocation after init but for a field that is
 * longer than any before it.
 *
 * Given where the records are ("[]" the top-level array, "vulnerabilities[]", "data.items[]"), it hands each element's exact
 * bytes to the sink as they arrive, captures named members inside the record (id, time) and named members beside the records
 * (envelope), and checks that the whole text is one well-formed JSON value (RFC 8259): tokens, structure, UTF-8.
 * One thread, one body at a time; sc_json_cut_reset() for the next.
 *
 * Paths: member names joined by '.', at most 16 of 255 bytes; "\." is a dot in a name ("@odata\\.nextLink" in C), the backslash
 * takes the meaning from any byte. '[' ']' '*' are kept for later. Names match by their unescaped text, at exactly that depth.
 * Of members with one name the last counts, with all that is in it, as for nearly every reader of the record; a second member at
 * the records' path is an error. Something else than an array there is an error told by finish(), so that what an error reply
 * says can be read as envelope. null there is an empty list.
 * A member beside the records that is an array or object is captured as raw text. Never so what stands at the records' path or on
 * the way to it ("data" and "data.items" for "data.items[]"): an array or object there is told by its kind alone, whether records
 * are in it or not. Raw text is copied as it passes, at most SC_CUT_VALUE_MAX bytes of each.
 * Depth is counted from the record on inside one (a flat object is 1 deep), from the body on outside. */
#pragma once

#include "decode/cut.h"

struct sc_json_spec {
    const char *records;                    /* path; borrowed for the cutter's life */
    const char *fields[SC_CUT_FIELDS];      /* NULL ends */
    const char *envelope[SC_CUT_ENVELOPE];  /* NULL ends */
    uint32_t max_depth;                     /* 0: 128; at most 4096, beyond which nothing is followed */
    bool whole;                             /* a path without [] is the record itself, an object there; "": the body, whatever it is */
    uint32_t field_max;                     /* 0: SC_CUT_VALUE_MAX; at most SC_CUT_FIELD_LIMIT */
};

struct sc_json_cut; /* opaque, heap: about 60 KiB, and what longer fields need */

/* NULL + err: bad path or out of memory. */
struct sc_json_cut *sc_json_cut_new(const struct sc_json_spec *spec, struct sc_cut_sink sink, struct sc_error *err);
void sc_json_cut_free(struct sc_json_cut *cut);
void sc_json_cut_reset(struct sc_json_cut *cut);

/* Feeds bytes; *ret_used is how many were consumed (all of them unless paused or failed). Returns 0, SC_CUT_PAUSE, or -1 with err
 * (reason bad_response; text says what and at which byte of the body, e.g. "unexpected '<' at byte 0: not JSON"). A structural error
 * (also nesting beyond the cap outside records, text after the value) ends the body; a record with bad UTF-8 or too deep is still
 * delimited exactly and reported by its flags. Records that end before an error have been handed over, the rest of the chunk not.
 * After -1 every feed and finish says the same until reset. -1 from the sink gives internal_error, unless it set *err itself. */
int sc_json_cut_feed(struct sc_json_cut *cut, const char *bytes, size_t len, size_t *ret_used, struct sc_error *err) SC_WARN_UNUSED;
/* The body is over: 0 when exactly one complete JSON value was read and the record array (or null) was present, else -1 with err
 * (bad_response: "ended after 60 bytes in the middle of record 3", "no member \"vulnerabilities\""). */
int sc_json_cut_finish(struct sc_json_cut *cut, struct sc_error *err) SC_WARN_UNUSED;
/* See sc_cut_absent(). */
bool sc_json_cut_absent(const struct sc_json_cut *cut);
uint64_t sc_json_cut_records(const struct sc_json_cut *cut); /* completed */
bool sc_json_cut_in_record(const struct sc_json_cut *cut);
/* Captured so far; kind ABSENT when not (yet) seen, to its end if it has a text. Its text is valid until the next feed or reset.
 * index as in the spec. */
const struct sc_cut_value *sc_json_cut_envelope(const struct sc_json_cut *cut, unsigned index);
