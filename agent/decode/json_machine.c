/* The grammar of RFC 8259 as one state machine, driven by the bytes at hand. `sc_json_machine_run`
 * is the way through it; the functions above it do what is seldom: wanted members, records, errors.
 * Strings without escapes that lie in one chunk never leave the machine; everything else about
 * strings is in json_string.c. */
#include "decode/json_machine.h"
#include "decode/json_scan.h"

/* ---- errors --------------------------------------------------------------------------------- */

static int fail_at(struct sc_json_cut *cut, const char *p, const char *what)
{
    unsigned char c = (unsigned char)*p;
    uint64_t at = sc_json_at(cut, p);

    cut->failed_at = at;
    if (c > 0x20 && c < 0x7F)
        return sc_fail(&cut->failure, SC_REASON_BAD_RESPONSE, "unexpected '%c' at byte %llu: %s", c,
                       (unsigned long long)at, what);
    return sc_fail(&cut->failure, SC_REASON_BAD_RESPONSE, "unexpected byte 0x%02x at byte %llu: %s",
                   c, (unsigned long long)at, what);
}

static const char *expected_value(const struct sc_json_cut *cut, uint32_t level)
{
    return level == 0       ? "not JSON"
           : cut->in_object ? "a value was expected after ':'"
                            : "a value was expected";
}

static const char *expected_after(const struct sc_json_cut *cut)
{
    return cut->in_object ? "',' or '}' was expected" : "',' or ']' was expected";
}

static int aborted(struct sc_json_cut *cut, const char *p)
{
    return sc_fail(&cut->failure, SC_REASON_INTERNAL,
                   "the receiver of the records gave up at byte %llu",
                   (unsigned long long)sc_json_at(cut, p));
}

/* ---- wanted members ------------------------------------------------------------------------- */

static enum sc_cut_kind kind_of(char first)
{
    switch (first) {
    case '"':
        return SC_CUT_STRING;
    case '{':
        return SC_CUT_OBJECT;
    case '[':
        return SC_CUT_ARRAY;
    case 't':
        return SC_CUT_TRUE;
    case 'f':
        return SC_CUT_FALSE;
    case 'n':
        return SC_CUT_NULL;
    default:
        return first == '-' || (first >= '0' && first <= '9') ? SC_CUT_NUMBER : SC_CUT_ABSENT;
    }
}

static void set_values(struct sc_json_cut *cut, uint32_t slots, struct sc_cut_value value)
{
    struct sc_cut_value *values = cut->in_record ? cut->fields : cut->envelope;

    for (; slots; slots &= slots - 1)
        values[__builtin_ctz(slots)] = value;
}

/* Where the text of the wanted scalar goes: the first of its slots has the room, the others look at
 * it. */
static struct sc_json_room *room_of(struct sc_json_cut *cut, const struct sc_json_node *node)
{
    return &(cut->in_record ? cut->field_rooms : cut->envelope_rooms)[__builtin_ctz(node->slots)];
}

/* The text of a wanted string or number is complete in cut->string. */
static int keep(struct sc_json_cut *cut, enum sc_cut_kind kind)
{
    const struct sc_json_string *s = &cut->string;

    if (s->no_memory)
        return sc_fail(&cut->failure, SC_REASON_MEMORY_LIMIT, "no memory for a field of %zu bytes of record %llu", s->len,
                       (unsigned long long)cut->records + 1);
    set_values(cut, cut->want->slots,
               (struct sc_cut_value){
                   .kind = kind, .cut = s->cut, .text = {s->room->ptr, s->len}
    });
    cut->want = NULL;
    return 0;
}

/* The wanted string is [from, to) as it stands: ASCII without escapes. */
static int keep_slice(struct sc_json_cut *cut, const char *from, const char *to)
{
    sc_json_string_begin(&cut->string, room_of(cut, cut->want));
    sc_json_string_add(&cut->string, from, (size_t)(to - from));
    return keep(cut, SC_CUT_STRING);
}

static void keep_literal(struct sc_json_cut *cut)
{
    const char *text = cut->literal_kind == SC_CUT_TRUE    ? "true"
                       : cut->literal_kind == SC_CUT_FALSE ? "false"
                                                           : "null";

    set_values(cut, cut->want->slots,
               (struct sc_cut_value){.kind = cut->literal_kind, .text = sc_str_of(text)});
    cut->want = NULL;
}

/* The container that begins at level - 1 is looked into, or its end is waited for. */
static void track(struct sc_json_cut *cut, const struct sc_json_node *node, uint32_t level)
{
    cut->tracked = level;
    cut->nodes[level] = node;
}

/* ---- wanted arrays and objects beside the records -------------------------------------------- */

/* Copies what the bytes at hand, up to p, have of the text, as far as it fits. */
static void capture_copy(struct sc_json_cut *cut, const struct sc_json_capture *c, const char *p)
{
    uint64_t from = c->at > cut->base ? c->at : cut->base, done = from - c->at;
    uint64_t len = sc_json_at(cut, p) - from;

    if (done >= SC_CUT_VALUE_MAX)
        return;
    if (len > SC_CUT_VALUE_MAX - done)
        len = SC_CUT_VALUE_MAX - done;
    memcpy(room_of(cut, c->node)->ptr + done, cut->chunk + (from - cut->base), (size_t)len);
}

static void capture_begin(struct sc_json_cut *cut, const struct sc_json_node *node,
                          enum sc_cut_kind kind, uint64_t at, uint32_t level)
{
    cut->captures[cut->capture_count++] =
        (struct sc_json_capture){.node = node, .kind = kind, .level = level, .at = at};
    cut->capture_level = level;
    track(cut, node, level);
}

/* p is behind the byte that closes the innermost one. */
static void capture_end(struct sc_json_cut *cut, const char *p)
{
    const struct sc_json_capture *c = &cut->captures[--cut->capture_count];
    uint64_t len = sc_json_at(cut, p) - c->at;
    bool too_long = len > SC_CUT_VALUE_MAX;

    capture_copy(cut, c, p);
    set_values(cut, c->node->slots,
               (struct sc_cut_value){
                   .kind = c->kind,
                   .cut = too_long,
                   .text = {room_of(cut, c->node)->ptr, too_long ? SC_CUT_VALUE_MAX : (size_t)len}
    });
    cut->capture_level = cut->capture_count ? c[-1].level : SC_JSON_NO_LEVEL;
}

/* The bytes at hand end inside them all. */
static void capture_wait(struct sc_json_cut *cut, const char *end)
{
    for (unsigned i = 0; i < cut->capture_count; i++)
        capture_copy(cut, &cut->captures[i], end);
}

/* A value at the records' place begins at p. 1: it is a record itself. */
static int at_records(struct sc_json_cut *cut, const struct sc_json_node *node, enum sc_cut_kind kind, const char *p, uint32_t level)
{
    bool second = cut->array_seen && (node->records || node->record);

    for (unsigned i = 0; i < SC_JSON_WATCHED; i++)
        if (node->watch >> i & 1) {
            second |= cut->watched[i] != SC_CUT_ABSENT;
            cut->watched[i] = kind;
        }
    cut->failed_at = sc_json_at(cut, p);
    if (second)
        return sc_fail(&cut->failure, SC_REASON_BAD_RESPONSE, "second \"%s\" at byte %llu: which are the records is not clear",
                       cut->records_path, (unsigned long long)sc_json_at(cut, p));
    if (node->watch)
        return 0;
    cut->array_seen = true;
    cut->array_kind = kind;
    if (kind != (node->records ? SC_CUT_ARRAY : SC_CUT_OBJECT))
        return 0;
    cut->array_level = level + node->records;
    cut->outer_tracked = cut->tracked;
    return node->record;
}

/* The value that begins at p is the one that the last name (or being the root) led to. Of members
 * with the same name the last counts, with all that is in it: that is how nearly every reader of
 * the record will see it. 1: it is a record. */
static int take_hit(struct sc_json_cut *cut, const char *p, uint32_t level)
{
    const struct sc_json_node *node = cut->hit;
    enum sc_cut_kind kind = kind_of(*p);

    if (kind == SC_CUT_ABSENT)
        return 0; /* not the beginning of a value */
    cut->hit = NULL;
    set_values(cut, node->below, (struct sc_cut_value){.kind = SC_CUT_ABSENT});
    if (level == 0)
        cut->top_kind = kind;
    if (node->records || node->record || node->watch) {
        int r = at_records(cut, node, kind, p, level);

        if (r != 0)
            return r;
    }
    if (kind == SC_CUT_OBJECT && node->child)
        track(cut, node, level + 1);
    if (!node->slots)
        return 0;
    if (kind != SC_CUT_OBJECT && kind != SC_CUT_ARRAY)
        cut->want = node;
    else if (cut->in_record || node->way)
        set_values(cut, node->slots, (struct sc_cut_value){.kind = kind});
    else
        capture_begin(cut, node, kind, sc_json_at(cut, p), level + 1);
    return 0;
}

/* ---- records -------------------------------------------------------------------------------- */

/* At the first byte of a record. 0: go on, inside it. */
static int record_begin(struct sc_json_cut *cut, const char *p)
{
    int r = cut->sink.begin(cut->sink.arg);

    if (r == SC_CUT_PAUSE)
        return r;
    if (r != 0)
        return aborted(cut, p);
    cut->in_record = true;
    cut->record_at = sc_json_at(cut, p);
    cut->record = (struct sc_cut_record){.fields = cut->fields};
    cut->hit = &cut->paths.nodes[SC_JSON_RECORD]; /* forgets the last record's fields, too */
    cut->level_limit = cut->max_depth < SC_JSON_LEVELS - cut->array_level
                           ? cut->array_level + cut->max_depth
                           : SC_JSON_LEVELS;
    return 0;
}

/* Hands over the record's bytes in [from, p). */
static int record_data(struct sc_json_cut *cut, const char *from, const char *p)
{
    int r = p == from ? 0 : cut->sink.data(cut->sink.arg, from, (size_t)(p - from));

    if (r == SC_CUT_PAUSE)
        cut->pending = (size_t)(p - from);
    return r == 0 || r == SC_CUT_PAUSE ? r : aborted(cut, from);
}

static int record_end(struct sc_json_cut *cut, const char *p)
{
    int r;

    cut->record.bytes = sc_json_at(cut, p) - cut->record_at;
    r = cut->sink.end(cut->sink.arg, &cut->record);
    if (r == SC_CUT_PAUSE)
        return r;
    if (r != 0)
        return aborted(cut, p);
    cut->in_record = false;
    cut->records++;
    cut->tracked = cut->outer_tracked;
    cut->level_limit = cut->max_depth;
    if (cut->single)
        cut->array_level = SC_JSON_NO_LEVEL;
    return 0;
}

/* A string that is being read or was just read holds something that is not UTF-8. */
static int bad_utf8(struct sc_json_cut *cut)
{
    if (cut->probe && !cut->want && !cut->capture_count)
        return 0;
    cut->failed_at = cut->string.bad_at;
    if (!cut->in_record)
        return sc_fail(&cut->failure, SC_REASON_BAD_RESPONSE, "bad UTF-8 at byte %llu",
                       (unsigned long long)cut->string.bad_at);
    if (!cut->record.bad_utf8) {
        cut->record.bad_utf8 = true;
        cut->record.bad_at = cut->string.bad_at - cut->record_at;
    }
    return 0;
}

/* Reads on inside a string. 1: closed, 0: it goes on behind the bytes at hand, -1: failed. */
static int string_run(struct sc_json_cut *cut, const char **p, const char *end)
{
    enum sc_json_string_status status =
        sc_json_string_read(&cut->string, p, end, sc_json_at(cut, *p));

    if (cut->string.bad_utf8 && bad_utf8(cut) < 0)
        return -1;
    switch (status) {
    case SC_JSON_STRING_OPEN:
        return 0;
    case SC_JSON_STRING_CLOSED:
        return 1;
    case SC_JSON_STRING_BAD_ESCAPE:
        return fail_at(cut, *p, "wrong escape in a string");
    case SC_JSON_STRING_CONTROL:
        return fail_at(cut, *p, "control character in a string");
    }
    return -1;
}

/* A container opens at a level where that is not allowed (yet). 0: it is, inside a record. */
static int too_deep(struct sc_json_cut *cut, const char *p)
{
    if (cut->in_record && cut->level_limit < SC_JSON_LEVELS) {
        cut->record.too_deep = true;
        cut->level_limit = SC_JSON_LEVELS;
        return 0;
    }
    cut->failed_at = sc_json_at(cut, p);
    return sc_fail(
        &cut->failure, SC_REASON_BAD_RESPONSE, "nested deeper than %u levels at byte %llu",
        cut->in_record ? SC_JSON_LEVELS : cut->max_depth, (unsigned long long)sc_json_at(cut, p));
}

/* ---- numbers and literals ------------------------------------------------------------------- */

bool sc_json_number_complete(enum sc_json_number n)
{
    return n == SC_JSON_ZERO || n == SC_JSON_DIGITS || n == SC_JSON_FRACTION ||
           n == SC_JSON_EXPONENT;
}

/* Reads on inside a number; returns the first byte that is not part of it, or `end`. */
static const char *number_run(enum sc_json_number *state, const char *p, const char *end)
{
    enum sc_json_number n = *state;

    for (; p != end; p++) {
        char c = *p;

        if (c >= '0' && c <= '9') {
            if (n == SC_JSON_MINUS)
                n = c == '0' ? SC_JSON_ZERO : SC_JSON_DIGITS;
            else if (n == SC_JSON_POINT)
                n = SC_JSON_FRACTION;
            else if (n == SC_JSON_E || n == SC_JSON_E_SIGN)
                n = SC_JSON_EXPONENT;
            else if (n == SC_JSON_ZERO)
                break;
        } else if (c == '.' && (n == SC_JSON_ZERO || n == SC_JSON_DIGITS)) {
            n = SC_JSON_POINT;
        } else if ((c | 0x20) == 'e' && n != SC_JSON_EXPONENT && sc_json_number_complete(n)) {
            n = SC_JSON_E;
        } else if ((c == '+' || c == '-') && n == SC_JSON_E) {
            n = SC_JSON_E_SIGN;
        } else {
            break;
        }
    }
    *state = n;
    return p;
}

static void literal_begin(struct sc_json_cut *cut, char first)
{
    cut->literal_kind = kind_of(first);
    cut->literal = first == 't' ? "rue" : first == 'f' ? "alse" : "ull";
}

/* ---- the machine ---------------------------------------------------------------------------- */

static const char byte_order_mark[3] = {'\xEF', '\xBB', '\xBF'};

/* Moves *p behind a byte order mark, or to `end` while it is not complete. False: *p is a byte that
 * does not belong to it. */
static bool skip_mark(struct sc_json_cut *cut, const char **p, const char *end)
{
    for (; *p != end && cut->marks < sizeof(byte_order_mark); cut->marks++, ++*p)
        if (**p != byte_order_mark[cut->marks])
            return cut->marks == 0; /* there is none */
    return true;
}

int sc_json_machine_run(struct sc_json_cut *cut, const char **pp, const char *const end)
{
    const char *p = *pp, *q;
    const char *at;       /* p for those who move it: p itself stays in a register */
    const char *from = p; /* inside a record: its bytes from here on are not handed over */
    uint32_t level = cut->level;
    bool in_object = cut->in_object;
    int r;

/* Out of bytes: the next feed goes on in this state. */
#define WAIT(s)                                                                                    \
    do {                                                                                           \
        cut->state = (s);                                                                          \
        goto out;                                                                                  \
    } while (0)
#define FAIL(what)                                                                                 \
    do {                                                                                           \
        cut->in_object = in_object;                                                                \
        r = fail_at(cut, p, what);                                                                 \
        goto stop;                                                                                 \
    } while (0)

    switch (cut->state) {
    case SC_JSON_START:
        goto start;
    case SC_JSON_VALUE:
        goto value;
    case SC_JSON_FIRST_VALUE:
        goto first_value;
    case SC_JSON_FIRST_NAME:
        goto first_name;
    case SC_JSON_NAME:
        goto name;
    case SC_JSON_COLON:
        goto colon;
    case SC_JSON_AFTER:
        goto after_record;
    case SC_JSON_IN_STRING:
        goto string;
    case SC_JSON_IN_NUMBER:
        goto number;
    case SC_JSON_IN_LITERAL:
        goto literal;
    case SC_JSON_AT_RECORD:
        goto value;
    case SC_JSON_AT_RECORD_END:
        goto end_record;
    case SC_JSON_DONE:
        goto done;
    }

start:
    at = p;
    if (!skip_mark(cut, &at, end)) {
        p = at;
        FAIL("not JSON");
    }
    p = at;
    if (p == end)
        WAIT(cut->marks == sizeof(byte_order_mark) ? SC_JSON_VALUE : SC_JSON_START);

value:
    p = sc_json_skip_blanks(p, end);
    if (p == end)
        WAIT(SC_JSON_VALUE);
value_at_hand:
    if (level == cut->array_level) {
        if (kind_of(*p) == SC_CUT_ABSENT)
            FAIL(expected_value(cut, level));
    record:
        cut->state = SC_JSON_AT_RECORD;
        r = record_begin(cut, p);
        if (r != 0)
            goto stop;
        from = p;
    }
    if (cut->hit) {
        r = take_hit(cut, p, level);
        if (r < 0)
            goto stop;
        if (r > 0)
            goto record;
    }
    switch (*p) {
    case '"':
        q = sc_json_plain_end(++p, end);
        if (q != end && *q == '"') {
            if (cut->want && keep_slice(cut, p, q) < 0) {
                r = -1;
                goto stop;
            }
            p = q + 1;
            goto after;
        }
        sc_json_string_begin(&cut->string, cut->want ? room_of(cut, cut->want) : NULL);
        cut->name = false;
        if (!cut->want)
            p = q;
        goto string;
    case '{':
    case '[':
        if (level >= cut->level_limit) {
            r = too_deep(cut, p);
            if (r < 0)
                goto stop;
        }
        in_object = *p++ == '{';
        if (in_object)
            cut->objects[level / 64] |= UINT64_C(1) << (level % 64);
        else
            cut->objects[level / 64] &= ~(UINT64_C(1) << (level % 64));
        level++;
        if (in_object)
            goto first_name;
        goto first_value;
    case 't':
    case 'f':
    case 'n':
        literal_begin(cut, *p++);
        goto literal;
    case '0':
        cut->number = SC_JSON_ZERO;
        goto number_begins;
    case '-':
        cut->number = SC_JSON_MINUS;
        goto number_begins;
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        cut->number = SC_JSON_DIGITS;
    number_begins:
        if (cut->want) {
            sc_json_string_begin(&cut->string, room_of(cut, cut->want));
            sc_json_string_add(&cut->string, p, 1);
        }
        p++;
        goto number;
    default:
        FAIL(expected_value(cut, level));
    }

string:
    at = p;
    r = string_run(cut, &at, end);
    p = at;
    if (r < 0)
        goto stop;
    if (r == 0)
        WAIT(SC_JSON_IN_STRING);
    if (cut->name) {
        if (cut->string.room && !cut->string.cut)
            cut->hit = sc_json_paths_child(&cut->paths, cut->nodes[level], cut->name_text, cut->string.len);
        goto colon;
    }
    if (cut->want && keep(cut, SC_CUT_STRING) < 0) {
        r = -1;
        goto stop;
    }
    goto after;

number:
    q = number_run(&cut->number, p, end);
    if (cut->want)
        sc_json_string_add(&cut->string, p, (size_t)(q - p));
    p = q;
    if (p == end)
        WAIT(SC_JSON_IN_NUMBER);
    if (!sc_json_number_complete(cut->number))
        FAIL("wrong number");
    if (cut->want && keep(cut, SC_CUT_NUMBER) < 0) {
        r = -1;
        goto stop;
    }
    goto after;

literal:
    for (; *cut->literal; cut->literal++, p++) {
        if (p == end)
            WAIT(SC_JSON_IN_LITERAL);
        if (*p != *cut->literal)
            FAIL(level == 0 ? "not JSON" : "true, false or null was expected");
    }
    if (cut->want)
        keep_literal(cut);
    goto after;

first_value:
    p = sc_json_skip_blanks(p, end);
    if (p == end)
        WAIT(SC_JSON_FIRST_VALUE);
    if (*p == ']')
        goto close;
    goto value_at_hand;

first_name:
    p = sc_json_skip_blanks(p, end);
    if (p == end)
        WAIT(SC_JSON_FIRST_NAME);
    if (*p == '}')
        goto close;
    goto name_at_hand;

name:
    p = sc_json_skip_blanks(p, end);
    if (p == end)
        WAIT(SC_JSON_NAME);
name_at_hand:
    if (*p != '"')
        FAIL("a member name was expected");
    q = sc_json_plain_end(++p, end);
    if (q != end && *q == '"') {
        if (level == cut->tracked)
            cut->hit = sc_json_paths_child(&cut->paths, cut->nodes[level], p, (size_t)(q - p));
        p = q + 1;
        goto colon;
    }
    sc_json_string_begin(&cut->string, level == cut->tracked ? &cut->name_room : NULL);
    cut->name = true;
    goto string;

colon:
    if (p == end || *p != ':')
        p = sc_json_skip_blanks(p, end);
    if (p == end)
        WAIT(SC_JSON_COLON);
    if (*p != ':')
        FAIL("':' was expected");
    p++;
    goto value;

close: /* at the byte that closes the innermost container */
    p++;
    if (level == cut->tracked) {
        cut->tracked--;
        if (level == cut->capture_level)
            capture_end(cut, p);
    }
    if (level == cut->array_level)
        cut->array_level = SC_JSON_NO_LEVEL;
    level--;
    in_object = level != 0 && (cut->objects[(level - 1) / 64] >> ((level - 1) % 64) & 1);

after:
    if (level == cut->array_level) {
        cut->state = SC_JSON_AT_RECORD_END;
        r = record_data(cut, from, p);
        if (r != 0) {
            p = from;
            goto stop;
        }
        goto end_record;
    }
after_record:
    if (level == 0)
        goto done;
    p = sc_json_skip_blanks(p, end);
    if (p == end)
        WAIT(SC_JSON_AFTER);
    if (*p == ',') {
        p++;
        if (in_object)
            goto name;
        goto value;
    }
    if (*p == (in_object ? '}' : ']'))
        goto close;
    FAIL(expected_after(cut));

end_record:
    cut->state = SC_JSON_AT_RECORD_END;
    r = record_end(cut, p);
    if (r != 0)
        goto stop;
    goto after_record;

done:
    p = sc_json_skip_blanks(p, end);
    if (p == end)
        WAIT(SC_JSON_DONE);
    FAIL("text after the JSON value");

out:
    r = 0;
    if (cut->in_record) {
        r = record_data(cut, from, p);
        if (r != 0)
            p = from;
    } else if (cut->capture_count) {
        capture_wait(cut, p);
    }
stop:
    cut->level = level;
    cut->in_object = in_object;
    *pp = p;
    return r;
#undef WAIT
#undef FAIL
}
