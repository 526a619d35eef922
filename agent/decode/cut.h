/* The cutter: the bytes of one body in (split anywhere), its records out, whatever the body is written in.
 *
 * JSON and NDJSON: each record's exact bytes, as they came. XML: one compact JSON object a record (docs/artifacts.md has the rules).
 * A body that begins with 1f 8b is gzip and is inflated on the way, whatever its headers said.
 * Named members inside the record (fields: id, time) and named places beside the records (envelope) are captured. One thread, one
 * body at a time; sc_cut_reset() for the next. No allocation a record once the buffers have grown.
 *
 * Paths: names joined by '.', at most 16 of 255 bytes; "\." is a dot in a name ("@odata\\.nextLink" in C), the backslash takes the
 * meaning from any byte. '[' ']' '*' are kept for later. Names match by their unescaped text, at exactly that depth.
 *   records, JSON    "[]" the top-level array, "vulnerabilities[]", "data.items[]". null there is an empty list.
 *   records, NDJSON  of each line: "" the line is the record, "result" a member that is an object, "results[]" elements
 *   records, XML     the elements' names from the root on: "LIST_OUTPUT.RESPONSE.HOST_LIST.HOST" ([] behind it means nothing)
 *   fields           inside a record; for XML in the JSON object made of it ("QDS.@severity", "QDS.#text")
 *   envelope         JSON: from the body's root on. NDJSON: from the line's. XML: from the root element on, the text of an element
 * What JSON's envelope and the fields keep of arrays, objects and doubled members: see json_cut.h.
 * Depth is counted from the record on inside one (a flat object is 1 deep), from the body on outside. */
#pragma once

#include "base/error.h"

#define SC_CUT_FIELDS 20      /* members captured inside a record */
#define SC_CUT_ENVELOPE 8     /* members captured beside */
#define SC_CUT_VALUE_MAX 4096 /* a longer value of the envelope is marked `cut`; a longer field too, unless field_max says otherwise */
#define SC_CUT_FIELD_LIMIT (8u << 20) /* largest field_max */

enum sc_cut_kind {
    SC_CUT_ABSENT,
    SC_CUT_STRING, /* text = unescaped UTF-8, U+FFFD for a lone surrogate; in a record with bad_utf8 its bytes as they came */
    SC_CUT_NUMBER, /* text = as written */
    SC_CUT_TRUE, /* text = "true", and so on */
    SC_CUT_FALSE,
    SC_CUT_NULL,
    SC_CUT_OBJECT, /* beside the records: text = its bytes as they came, from bracket to bracket; in a record, and at the records' path
                    * or on the way to it: no text, ptr is NULL */
    SC_CUT_ARRAY   /* the same */
};

struct sc_cut_value {
    enum sc_cut_kind kind;
    bool cut; /* longer than it may be: text holds the first part; a string's ends with a whole character, raw text after exactly
               * SC_CUT_VALUE_MAX bytes */
    struct sc_str text;
};

struct sc_cut_record {
    uint64_t bytes;    /* length of the record's text */
    bool bad_utf8;     /* some string in it is not UTF-8 (first place: bad_at, offset in the record) */
    uint64_t bad_at;
    bool too_deep;     /* nested deeper than max_depth */
    const struct sc_cut_value *fields; /* as many as the spec has; valid during the call */
};

/* The sink. begin/data/end for each record in order. Each returns 0 to go on, SC_CUT_PAUSE to stop before the bytes at hand
 * (begin: the record's first byte; data: the bytes offered; end: the byte after the record) — the same call is made again by the
 * next feed — or -1 to abort. */
#define SC_CUT_PAUSE 1
#define SC_CUT_LINE_TAKE 0
#define SC_CUT_LINE_SKIP 2
struct sc_cut_sink {
    void *arg;
    int (*begin)(void *arg);
    int (*data)(void *arg, const char *bytes, size_t len);
    int (*end)(void *arg, const struct sc_cut_record *record);
    /* NDJSON; may be NULL. A line is well-formed and read to its end, sc_cut_envelope() is that line's, none of its records has been
     * handed over. Returns SC_CUT_LINE_TAKE, SC_CUT_LINE_SKIP (no record of it is handed over), or -1 (the sink has set the error).
     * A line longer than record_max: called with what its first record_max bytes said; it is read on either way. */
    int (*line)(void *arg);
};

enum sc_cut_format { SC_CUT_JSON, SC_CUT_NDJSON, SC_CUT_XML };

struct sc_cut_spec { /* texts are borrowed for the cutter's life */
    enum sc_cut_format format;
    const char *records;
    const char *records_else; /* NDJSON: where to look in a line that has nothing at `records`; NULL: nowhere */
    const char *nested;       /* XML: path below the record's element ("DETECTION_LIST.DETECTION"): each element there is a record of its
                               * own, what stands around it first, then what is in it, flat; NULL: none */
    const char *fields[SC_CUT_FIELDS];     /* NULL ends */
    const char *envelope[SC_CUT_ENVELOPE]; /* NULL ends */
    uint32_t max_depth;  /* 0: 128; at most 4096, beyond which nothing is followed */
    uint32_t field_max;  /* a longer captured field is `cut`; 0: SC_CUT_VALUE_MAX; at most SC_CUT_FIELD_LIMIT */
    uint32_t record_max; /* most of one line (NDJSON) or of one record's element (XML) that is held; 0: 8 MiB */
    uint64_t body_max;   /* of a body that is gzip by its magic: most bytes decoded; 0: 1 GiB */
};

struct sc_cut; /* opaque, heap: about 70 KiB, and what has grown */

/* NULL + err: bad path or out of memory. */
struct sc_cut *sc_cut_new(const struct sc_cut_spec *spec, struct sc_cut_sink sink, struct sc_error *err);
void sc_cut_free(struct sc_cut *cut);
void sc_cut_reset(struct sc_cut *cut);

/* Feeds bytes; *ret_used is how many were consumed: all of them unless paused or failed, and after a pause never all of them, so that
 * who offers the rest again makes the paused call again. Returns 0, SC_CUT_PAUSE, or -1 with err
 * (reason bad_response; text says what and at which byte of the decoded body, e.g. "unexpected '<' at byte 0: not JSON"). A
 * structural error ends the body; a JSON record with bad UTF-8 or too deep is still delimited exactly and reported by its flags.
 * Records that end before an error have been handed over, the rest of the chunk not. After -1 every feed and finish says the same
 * until reset. -1 from the sink gives internal_error, unless it set *err itself. */
int sc_cut_feed(struct sc_cut *cut, const char *bytes, size_t len, size_t *ret_used, struct sc_error *err) SC_WARN_UNUSED;
/* The body is over: 0 when it was complete and its records were where they should be, else -1 with err (bad_response: "ended after 60
 * bytes in the middle of record 3", "no member \"vulnerabilities\""). NDJSON whose last line has no '\n' hands that line over here, so
 * it may return SC_CUT_PAUSE: call it again. */
int sc_cut_finish(struct sc_cut *cut, struct sc_error *err) SC_WARN_UNUSED;
/* After a finish that failed: the body is well-formed, only what should hold the records is not in it (or is another kind of value).
 * What the envelope has can be read: an error inside a success. */
bool sc_cut_absent(const struct sc_cut *cut);
uint64_t sc_cut_records(const struct sc_cut *cut); /* completed */
bool sc_cut_in_record(const struct sc_cut *cut);
/* Captured so far; kind ABSENT when not (yet) seen, to its end if it has a text. Its text is valid until the next feed or reset.
 * NDJSON: of the line at hand, afterwards of the last line that was not blank. index as in the spec. */
const struct sc_cut_value *sc_cut_envelope(const struct sc_cut *cut, unsigned index);
