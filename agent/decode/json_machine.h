/* Private to the cutter: its state, and the state machine that reads the body. */
#pragma once

#include "decode/json_cut.h"
#include "decode/json_path.h"
#include "decode/json_string.h"

#define SC_JSON_LEVELS   4096 /* nothing is followed deeper than this, not even inside a record */
#define SC_JSON_NO_LEVEL UINT32_MAX
#define SC_JSON_WATCHED  2 /* places whose kind a probe tells */

enum sc_json_state {
    SC_JSON_START,       /* nothing read, or part of a byte order mark */
    SC_JSON_VALUE,       /* a value must come */
    SC_JSON_FIRST_VALUE, /* after '[': a value or ']' */
    SC_JSON_FIRST_NAME,  /* after '{': a name or '}' */
    SC_JSON_NAME,        /* after ',' in an object: a name */
    SC_JSON_COLON,       /* after a name */
    SC_JSON_AFTER,       /* after a value: ',' or what closes the container */
    SC_JSON_IN_STRING,
    SC_JSON_IN_NUMBER,
    SC_JSON_IN_LITERAL,
    SC_JSON_AT_RECORD,     /* at a record's first byte: begin() is to be called */
    SC_JSON_AT_RECORD_END, /* behind a record's last byte: end() is to be called */
    SC_JSON_DONE           /* the value is complete: only blanks may follow */
};

enum sc_json_number { /* what was read last */
                      SC_JSON_MINUS,
                      SC_JSON_ZERO, /* 0 first: no digit may follow */
                      SC_JSON_DIGITS,
                      SC_JSON_POINT,
                      SC_JSON_FRACTION,
                      SC_JSON_E,
                      SC_JSON_E_SIGN,
                      SC_JSON_EXPONENT
};

/* An array or object beside the records whose text is wanted and whose end is not reached. Those
 * that are open are inside each other, so each is another node with slots of its own: there are
 * never more than slots. None is open while a record is: no pause falls into one, and a feed that
 * does not fail takes all its bytes. */
struct sc_json_capture {
    const struct sc_json_node *node;
    enum sc_cut_kind kind;
    uint32_t level; /* inside it */
    uint64_t at;    /* place of its first byte; each byte's copy has its place by it */
};

/* A place in the tree is kept as a level: 0 outside everything, 1 inside the outermost container,
 * and so on. The levels on the way to something that is wanted are "tracked": 1 to `tracked` around
 * the records; from the record's own on inside one. Names are compared at level `tracked` only.
 * What is captured is tracked too: so its end is noticed where nothing else is asked for. */
struct sc_json_cut {
    struct sc_cut_sink sink;
    const char *records_path;
    uint32_t max_depth;

    /* the machine */
    enum sc_json_state state;
    uint32_t level;
    uint32_t level_limit; /* opening a container at this level is not allowed (yet) */
    uint32_t tracked;
    uint32_t outer_tracked; /* what `tracked` was around the record */
    uint32_t array_level;   /* of the record array while inside it, of what is around a single record, else SC_JSON_NO_LEVEL */
    bool single;            /* the body has one record, which no array holds */
    bool in_object;         /* the innermost container is an object */
    bool name;              /* SC_JSON_IN_STRING: it is a name */
    bool in_record;         /* begin() was accepted, end() was not yet */
    bool array_seen;
    uint8_t marks;               /* SC_JSON_START: bytes of the byte order mark read */
    enum sc_cut_kind top_kind;   /* of the whole body */
    enum sc_cut_kind array_kind; /* of what is at the records' path */
    enum sc_json_number number;
    const char *literal; /* SC_JSON_IN_LITERAL: what must follow */
    enum sc_cut_kind literal_kind;
    const struct sc_json_node *hit;  /* the value that comes next is this one */
    const struct sc_json_node *want; /* the scalar being read is this one, and kept */
    struct sc_json_string string;
    struct sc_json_capture captures[SC_CUT_ENVELOPE]; /* the innermost last */
    unsigned capture_count;
    uint32_t capture_level; /* of the innermost, else SC_JSON_NO_LEVEL */

    /* places in the body */
    const char *chunk; /* the bytes at hand begin here, only valid inside feed */
    uint64_t base;     /* place of the chunk = bytes consumed before it */
    size_t pending;    /* bytes of the next chunk that are read already but not taken by data() */
    uint64_t record_at;
    struct sc_cut_record record;
    uint64_t records;
    struct sc_error failure;
    uint64_t failed_at; /* what the text of the body is wrong with */

    uint64_t objects[SC_JSON_LEVELS / 64]; /* bit level - 1: that container is an object */
    const struct sc_json_node *nodes[2 * SC_JSON_PATH_MAX + 4]; /* of the tracked levels */
    struct sc_json_paths paths;
    char name_text[SC_JSON_NAME_MAX]; /* what does not fit matches nothing */
    struct sc_json_room name_room;
    struct sc_cut_value fields[SC_CUT_FIELDS], envelope[SC_CUT_ENVELOPE];
    struct sc_json_room field_rooms[SC_CUT_FIELDS], envelope_rooms[SC_CUT_ENVELOPE];
    char envelope_text[SC_CUT_ENVELOPE][SC_CUT_VALUE_MAX];

    /* a probe: reads the text alone, hands nothing over; what it does not keep may be deep and may hold anything */
    bool probe;
    enum sc_cut_kind watched[SC_JSON_WATCHED]; /* what is at its watched places */
};

/* A cutter without records, for a text that is read twice: the envelope of `spec`, and of what kind the values at its `records` and at
 * `records_else` (NULL: nowhere) are. */
struct sc_json_cut *sc_json_probe_new(const struct sc_json_spec *spec, const char *records_else, struct sc_error *err);
/* Begins a text at that place of the body; a byte order mark may stand before the first alone. */
void sc_json_cut_begin(struct sc_json_cut *cut, uint64_t at);
/* The value is complete, whatever is in it. */
bool sc_json_cut_complete(const struct sc_json_cut *cut);
const char *sc_json_kind_name(enum sc_cut_kind kind);

/* Reads from *p on until `end`, a pause, or an error; *p becomes the first byte that is not
 * consumed. 0, SC_CUT_PAUSE, or -1 with cut->failure set. */
int sc_json_machine_run(struct sc_json_cut *cut, const char **p, const char *end);
/* The bytes that end a number at the end of a body make it complete or not. */
bool sc_json_number_complete(enum sc_json_number number);

static inline uint64_t sc_json_at(const struct sc_json_cut *cut, const char *p)
{
    return cut->base + (uint64_t)(p - cut->chunk);
}
