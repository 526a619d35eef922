#include "json_reference.h"

#include <stdlib.h>

#define MAX_LEVELS 4096

struct name {
    char *text; /* NULL: an element of an array */
    size_t len, room;
};

struct reader {
    const struct sc_json_spec *spec;
    const unsigned char *text;
    size_t len, at;
    struct reference *out;
    struct name *names; /* of the members around the value being read */
    size_t level;                      /* open containers */
    bool array_seen, array_good;
    struct reference_record *record; /* being read */
    size_t record_level;             /* containers around it */
};

#define TRY(x)                                                                                     \
    do {                                                                                           \
        if (!(x))                                                                                  \
            return false;                                                                          \
    } while (0)

static bool stop(struct reader *r, enum reference_verdict verdict)
{
    r->out->verdict = verdict;
    r->out->at = r->at;
    return false;
}

/* The byte at hand is one of `set`. */
static bool want(struct reader *r, const char *set)
{
    if (r->at == r->len)
        return stop(r, REFERENCE_TRUNCATED);
    return (r->text[r->at] && strchr(set, r->text[r->at])) || stop(r, REFERENCE_BAD_BYTE);
}

static bool expect(struct reader *r, const char *set)
{
    TRY(want(r, set));
    r->at++;
    return true;
}

static bool next_is(const struct reader *r, char c)
{
    return r->at < r->len && r->text[r->at] == (unsigned char)c;
}

static void blanks(struct reader *r)
{
    while (r->at < r->len && strchr(" \t\r\n", r->text[r->at]) && r->text[r->at])
        r->at++;
}

static void put(struct name *to, const void *bytes, size_t len)
{
    if (to->len + len >= to->room) {
        to->room = 2 * (to->len + len) + 16;
        to->text = realloc(to->text, to->room);
    }
    memcpy(to->text + to->len, bytes, len);
    to->len += len;
}

static void put_code(struct name *to, unsigned code)
{
    unsigned char b[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1; code >>= 6)
        b[i] = (unsigned char)(0x80 | (code & 0x3F));
    b[0] = (unsigned char)(n == 1 ? code : (0xF0u << (4 - n) & 0xFF) | code);
    put(to, b, n);
}

/* Length of the UTF-8 character at p, 0: none. Decodes and judges the number, unlike the cutter's
 * table of ranges. */
static size_t character(const unsigned char *p, size_t len)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    unsigned code;

    if (n == 0 || n > len)
        return 0;
    code = n == 1 ? p[0] : p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3F);
    }
    if ((n == 2 && code < 0x80) || (n == 3 && code < 0x800) || (n == 4 && code < 0x10000))
        return 0;
    return code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) ? 0 : n;
}

static bool hex4(struct reader *r, unsigned *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        char digit[2] = {0};

        TRY(expect(r, "0123456789abcdefABCDEF"));
        digit[0] = (char)r->text[r->at - 1];
        *unit = *unit << 4 | (unsigned)strtoul(digit, NULL, 16);
    }
    return true;
}

/* More bytes could make a character of these. */
static bool extendable(const unsigned char *p, size_t len)
{
    unsigned char low[4] = {0x80, 0x80, 0x80, 0x80}, high[4] = {0xBF, 0xBF, 0x80, 0x80};

    if (len > 3)
        return false;
    memcpy(low, p, len);
    memcpy(high, p, len);
    return character(low, 4) > len || character(high, 4) > len;
}

/* The bytes of a string from `from` to where we are. */
static bool check_utf8(struct reader *r, size_t from)
{
    for (size_t n, i = from; i < r->at; i += n) {
        n = character(r->text + i, r->at - i);
        if (n == 0 && r->at == r->len && extendable(r->text + i, r->at - i))
            break;
        if (n == 0 && !r->record)
            return stop(r, REFERENCE_BAD_TEXT);
        if (n == 0 && !r->record->bad_utf8) {
            r->record->bad_utf8 = true;
            r->record->bad_at = i - r->record->at;
        }
        n = n ? n : 1;
    }
    return true;
}

static void flush(struct name *to, unsigned *high)
{
    if (*high)
        put_code(to, 0xFFFD);
    *high = 0;
}

static bool escape(struct reader *r, struct name *to, unsigned *high)
{
    static const char from[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    unsigned unit;
    char c;

    TRY(expect(r, "\"\\/bfnrtu"));
    c = (char)r->text[r->at - 1];
    if (c != 'u') {
        flush(to, high);
        put(to, &means[strchr(from, c) - from], 1);
        return true;
    }
    TRY(hex4(r, &unit));
    if (*high && unit >> 10 == 0x37) {
        put_code(to, 0x10000 + ((*high & 0x3FF) << 10 | (unit & 0x3FF)));
        *high = 0;
        return true;
    }
    flush(to, high);
    if (unit >> 10 == 0x36)
        *high = unit;
    else
        put_code(to, unit >> 10 == 0x37 ? 0xFFFD : unit);
    return true;
}

static bool text_to_quote(struct reader *r, struct name *to)
{
    unsigned high = 0;

    while (!next_is(r, '"')) {
        if (r->at == r->len)
            return stop(r, REFERENCE_TRUNCATED);
        if (r->text[r->at] < 0x20)
            return stop(r, REFERENCE_BAD_BYTE);
        if (next_is(r, '\\')) {
            r->at++;
            TRY(escape(r, to, &high));
            continue;
        }
        flush(to, &high);
        put(to, &r->text[r->at++], 1);
    }
    flush(to, &high);
    return true;
}

/* At a quote. Appends the unescaped text to `to`. */
static bool string(struct reader *r, struct name *to)
{
    size_t from = ++r->at;
    bool good = text_to_quote(r, to);

    TRY(check_utf8(r, from)); /* of what was read, good or not */
    TRY(good);
    r->at++;
    return true;
}

/* Is the value being read at `path`, or (below_too) is `path` below it? Names from level `from` on.
 */
static bool at_path(const struct reader *r, size_t from, const char *path, bool below_too)
{
    for (size_t i = from; i < r->level; i++) {
        char name[4096];
        size_t len = 0;

        while (*path && *path != '.' && *path != '[') {
            if (*path == '\\')
                path++;
            name[len++] = *path++;
        }
        if (len == 0 || !r->names[i].text || r->names[i].len != len ||
            memcmp(r->names[i].text, name, len) != 0)
            return false;
        if (i + 1 < r->level) {
            if (*path++ != '.')
                return false;
        }
    }
    return below_too || !*path || strcmp(path, "[]") == 0;
}

static void set_value(struct reference_value *value, enum sc_cut_kind kind, const char *text,
                      size_t len)
{
    free(value->text);
    *value = (struct reference_value){.kind = kind, .len = len};
    value->text = malloc(len + 1);
    memcpy(value->text, text, len);
    if (len > SC_CUT_VALUE_MAX) {
        value->cut = true;
        value->len = 0;
        for (size_t n; value->len < SC_CUT_VALUE_MAX; value->len += n) {
            n = character((const unsigned char *)text + value->len, len - value->len);
            n = n ? n : 1;
            if (value->len + n > SC_CUT_VALUE_MAX)
                break;
        }
    }
}

static void set_raw(struct reference_value *value, enum sc_cut_kind kind, const char *text,
                    size_t len)
{
    set_value(value, kind, "", 0);
    value->cut = len > SC_CUT_VALUE_MAX;
    value->len = value->cut ? SC_CUT_VALUE_MAX : len;
    value->text = realloc(value->text, value->len + 1);
    memcpy(value->text, text, value->len);
}

static void set_all(struct reader *r, enum sc_cut_kind kind, const char *text, size_t len)
{
    const char *const *paths = r->record ? r->spec->fields : r->spec->envelope;
    struct reference_value *values = r->record ? r->record->fields : r->out->envelope;
    size_t from = r->record ? r->record_level : 0;

    for (unsigned i = 0; i < 8 && paths[i]; i++) {
        if (r->level == from)
            continue; /* the record or the body itself has no path */
        if (!at_path(r, from, paths[i], kind == SC_CUT_ABSENT))
            continue;
        if (kind == SC_CUT_OBJECT || kind == SC_CUT_ARRAY)
            set_raw(&values[i], kind, text, len);
        else
            set_value(&values[i], kind, text, len);
    }
}

static bool value(struct reader *r);

static bool digits(struct reader *r)
{
    TRY(want(r, "0123456789"));
    while (r->at < r->len && r->text[r->at] >= '0' && r->text[r->at] <= '9')
        r->at++;
    return true;
}

static bool number(struct reader *r)
{
    size_t from = r->at;

    if (next_is(r, '-'))
        r->at++;
    if (next_is(r, '0'))
        r->at++;
    else
        TRY(digits(r));
    if (next_is(r, '.')) {
        r->at++;
        TRY(digits(r));
    }
    if (next_is(r, 'e') || next_is(r, 'E')) {
        r->at++;
        if (next_is(r, '+') || next_is(r, '-'))
            r->at++;
        TRY(digits(r));
    }
    if (r->level && r->at == r->len)
        return stop(r, REFERENCE_TRUNCATED); /* nobody knows whether it goes on */
    set_all(r, SC_CUT_NUMBER, (const char *)r->text + from, r->at - from);
    return true;
}

static bool literal(struct reader *r, const char *word, enum sc_cut_kind kind)
{
    for (const char *w = word; *w; w++)
        TRY(expect(r, (const char[]){*w, 0}));
    set_all(r, kind, word, strlen(word));
    return true;
}

static bool open_container(struct reader *r)
{
    size_t max = r->spec->max_depth ? r->spec->max_depth : 128;

    if (r->level == MAX_LEVELS || (!r->record && r->level >= max))
        return stop(r, REFERENCE_BAD_TEXT);
    if (r->record && r->level - r->record_level >= max)
        r->record->too_deep = true;
    r->level++;
    r->at++;
    blanks(r);
    return true;
}

static bool object(struct reader *r)
{
    struct name *name = &r->names[r->level];

    TRY(open_container(r));
    for (bool first = true; !(first && next_is(r, '}')); first = false) {
        name->len = 0;
        put(name, "", 0);
        TRY(want(r, first ? "\"}" : "\""));
        TRY(string(r, name));
        blanks(r);
        TRY(expect(r, ":"));
        blanks(r);
        TRY(value(r));
        blanks(r);
        TRY(want(r, ",}"));
        if (next_is(r, '}'))
            break;
        r->at++;
        blanks(r);
    }
    r->at++;
    r->level--;
    free(name->text);
    *name = (struct name){0};
    return true;
}

static bool record(struct reader *r)
{
    struct reference_record fresh = {.at = r->at};
    bool good;

    r->record = &fresh;
    r->record_level = r->level;
    good = value(r);
    r->record = NULL;
    fresh.len = r->at - fresh.at;
    if (good) {
        r->out->records = realloc(r->out->records, (r->out->count + 1) * sizeof(fresh));
        r->out->records[r->out->count++] = fresh;
        return true;
    }
    for (unsigned i = 0; i < SC_CUT_FIELDS; i++)
        free(fresh.fields[i].text);
    return false;
}

static bool array(struct reader *r, bool records)
{
    TRY(open_container(r));
    for (bool first = true; !(first && next_is(r, ']')); first = false) {
        TRY(records ? record(r) : value(r));
        blanks(r);
        TRY(want(r, ",]"));
        if (next_is(r, ']'))
            break;
        r->at++;
        blanks(r);
    }
    r->at++;
    r->level--;
    return true;
}

static bool scalar_string(struct reader *r)
{
    struct name text = {0};
    bool good;

    put(&text, "", 0);
    good = string(r, &text);
    if (good)
        set_all(r, SC_CUT_STRING, text.text, text.len);
    free(text.text);
    return good;
}

/* At a bracket. Its text counts beside the records only, and then when all of it was read. */
static bool container(struct reader *r, enum sc_cut_kind kind, bool records)
{
    bool raw = !r->record && !at_path(r, 0, r->spec->records, true);
    size_t from = r->at;

    if (!raw)
        set_all(r, kind, "", 0);
    TRY(kind == SC_CUT_OBJECT ? object(r) : array(r, records));
    if (raw)
        set_all(r, kind, (const char *)r->text + from, r->at - from);
    return true;
}

static bool value(struct reader *r)
{
    bool records;

    TRY(want(r, "\"{[-0123456789tfn"));
    records = !r->record && at_path(r, 0, r->spec->records, false);
    set_all(r, SC_CUT_ABSENT, "", 0);
    if (records && r->array_seen)
        return stop(r, REFERENCE_BAD_TEXT);
    r->array_seen |= records;
    r->array_good |= records && (next_is(r, '[') || next_is(r, 'n'));
    switch (r->text[r->at]) {
    case '"':
        return scalar_string(r);
    case '{':
        return container(r, SC_CUT_OBJECT, false);
    case '[':
        return container(r, SC_CUT_ARRAY, records);
    case 't':
        return literal(r, "true", SC_CUT_TRUE);
    case 'f':
        return literal(r, "false", SC_CUT_FALSE);
    case 'n':
        return literal(r, "null", SC_CUT_NULL);
    default:
        return number(r);
    }
}

static bool body(struct reader *r)
{
    for (size_t i = 0; i < 3 && next_is(r, "\xEF\xBB\xBF"[i]); i++)
        r->at++;
    if (r->at == 1 || r->at == 2)
        return r->at == r->len ? stop(r, REFERENCE_TRUNCATED) : stop(r, REFERENCE_BAD_BYTE);
    blanks(r);
    TRY(value(r));
    blanks(r);
    if (r->at != r->len)
        return stop(r, REFERENCE_BAD_BYTE);
    return r->array_good || stop(r, REFERENCE_NO_ARRAY);
}

void reference_read(struct reference *ret, const struct sc_json_spec *spec, const char *text,
                    size_t len)
{
    static struct name names[MAX_LEVELS + 1]; /* between two texts without any text */
    struct reader r = {.spec = spec, .text = (const unsigned char *)text, .len = len, .out = ret, .names = names};

    *ret = (struct reference){.verdict = REFERENCE_GOOD};
    if (body(&r))
        ret->at = r.at;
    for (size_t i = 0; i <= r.level && i <= MAX_LEVELS; i++) { /* where it stopped; names further in are gone already */
        free(names[i].text);
        names[i] = (struct name){0};
    }
}

void reference_done(struct reference *reference)
{
    for (size_t i = 0; i < reference->count; i++)
        for (unsigned j = 0; j < SC_CUT_FIELDS; j++)
            free(reference->records[i].fields[j].text);
    for (unsigned j = 0; j < SC_CUT_ENVELOPE; j++)
        free(reference->envelope[j].text);
    free(reference->records);
    *reference = (struct reference){0};
}
