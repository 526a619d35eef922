#include "json_build.h"

#include <stdio.h>
#include <stdlib.h>

struct builder {
    struct built *out;
    const struct sc_json_spec *spec;
    uint64_t *seed;
    unsigned budget; /* values that may still be made */
    bool nasty;
    bool in_record;
};

static unsigned pick(struct builder *b, unsigned n)
{
    return harness_random(b->seed, n);
}

static void add(struct builder *b, const char *bytes, size_t len)
{
    struct built *out = b->out;

    if (out->len + len > out->room) {
        out->room = (out->len + len) * 2;
        out->text = realloc(out->text, out->room);
    }
    memcpy(out->text + out->len, bytes, len);
    out->len += len;
}

static void add_text(struct builder *b, const char *text)
{
    add(b, text, strlen(text));
}

static void blanks(struct builder *b)
{
    if (pick(b, 4) == 0)
        for (unsigned n = pick(b, pick(b, 10) ? 3 : 40); n; n--)
            add(b, &" \n\t\r"[pick(b, 4)], 1);
}

static void any_character(struct builder *b)
{
    static const char *const pieces[] = {
        "\\\"",
        "\\\\",
        "\\/",
        "\\b",
        "\\n",
        "\\t",
        "\\u0041",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\udE00",
        "\\u0000",
        "\\u2028",
        "\xC3\xA9",
        "\xE2\x82\xAC",
        "\xF0\x9F\x98\x80",
        "\xEF\xBF\xBF",
        "\xF4\x8F\xBF\xBF",
        "\xED\x9F\xBF",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\xE0\xA0\x80",
        "\\\\\\\"",
    };
    static const char *const bad[] = {
        "\xFF",         "\x80",         "\xC0\x80",         "\xC3",
        "\xED\xA0\x80", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xE2\x82",     "\xF8",
    };
    char plain = (char)('a' + pick(b, 26));

    if (b->nasty && b->in_record && pick(b, 200) == 0)
        add_text(b, bad[pick(b, sizeof(bad) / sizeof(*bad))]);
    else if (pick(b, 5) == 0)
        add_text(b, pieces[pick(b, sizeof(pieces) / sizeof(*pieces))]);
    else
        add(b, &plain, 1);
}

static void string(struct builder *b)
{
    unsigned n = pick(b, 12) ? pick(b, 12) : pick(b, b->nasty && pick(b, 4) == 0 ? 6000 : 100);

    add_text(b, "\"");
    if (pick(b, 30) == 0)
        add_text(b, "{\\\"items\\\":[{\\\"id\\\":1}],\\\"data\\\":[");
    while (n--)
        any_character(b);
    add_text(b, "\"");
}

/* The name, some of its characters written as escapes. */
static void name(struct builder *b, const char *text, size_t len)
{
    bool escaped = pick(b, 4) == 0;

    add_text(b, "\"");
    for (size_t i = 0; i < len; i++) {
        char escape[8];

        if (text[i] == '\\')
            continue;
        snprintf(escape, sizeof(escape), pick(b, 2) ? "\\u%04x" : "\\u%04X", (unsigned)text[i]);
        if (escaped && pick(b, 3) == 0)
            add_text(b, escape);
        else
            add(b, &text[i], 1);
    }
    add_text(b, "\"");
    blanks(b);
    add_text(b, ":");
    blanks(b);
}

/* A name that is a part of some path of the spec, or next to one. */
static void decoy_name(struct builder *b)
{
    static const char *const names[] = {"id",    "uuid", "actor",  "data", "items", "next",
                                        "count", "item", "itemss", "",     "a.b",   "[]"};
    const char *text = names[pick(b, sizeof(names) / sizeof(*names))];

    name(b, text, strlen(text));
}

static void number(struct builder *b)
{
    static const char *const numbers[] = {
        "0",   "-0",       "1",    "42",   "-17",  "9007199254740993",
        "0.5", "-1.25e10", "1E+2", "3e-7", "10.0", "0e0"};

    add_text(b, numbers[pick(b, sizeof(numbers) / sizeof(*numbers))]);
}

static void value(struct builder *b, unsigned depth)
{
    unsigned kind = pick(b, depth > 12 || b->budget == 0 ? 5 : 8), n;

    if (b->budget)
        b->budget--;
    switch (kind) {
    case 0:
    case 1:
        string(b);
        return;
    case 2:
    case 3:
        number(b);
        return;
    case 4:
        add_text(b, &"true\0\0false\0null\0"[6 * pick(b, 3)]);
        return;
    case 5:
    case 6:
        add_text(b, "{");
        n = pick(b, 5);
        for (unsigned i = 0; i < n; i++) {
            blanks(b);
            if (pick(b, 2))
                decoy_name(b);
            else {
                string(b);
                add_text(b, ":");
            }
            blanks(b);
            value(b, depth + 1);
            blanks(b);
            if (i + 1 < n)
                add_text(b, ",");
        }
        add_text(b, "}");
        return;
    default:
        n = b->nasty && b->in_record && pick(b, 50) == 0 ? 60 + pick(b, 200) : 0;
        for (unsigned i = 0; i < n; i++)
            add_text(b, pick(b, 2) ? "[" : "[1,");
        for (unsigned i = 0; i < n; i++)
            add_text(b, i == 0 ? "0]" : "]");
        if (n)
            return;
        add_text(b, "[");
        n = pick(b, 5);
        for (unsigned i = 0; i < n; i++) {
            blanks(b);
            value(b, depth + 1);
            blanks(b);
            if (i + 1 < n)
                add_text(b, ",");
        }
        blanks(b);
        add_text(b, "]");
        return;
    }
}

static void records(struct builder *b, unsigned size)
{
    unsigned n = pick(b, size + 1);
    bool scalars = pick(b, 6) == 0;

    add_text(b, "[");
    blanks(b);
    b->out->records = realloc(b->out->records, (n + 1) * sizeof(*b->out->records));
    b->in_record = true;
    for (unsigned i = 0; i < n; i++) {
        size_t at = b->out->len;

        b->budget = 1 + pick(b, 40);
        value(b, scalars || pick(b, 10) == 0 ? 13 : 0);
        b->out->records[i].at = at;
        b->out->records[i].len = b->out->len - at;
        blanks(b);
        if (i + 1 < n) {
            add_text(b, ",");
            blanks(b);
        }
    }
    b->out->count = n;
    b->in_record = false;
    add_text(b, "]");
}

/* An array of many: longer than what is kept of a text, as a rule. */
static void long_array(struct builder *b)
{
    unsigned n = 200 + pick(b, 500);

    add_text(b, "[");
    for (unsigned i = 0; i < n; i++) {
        b->budget = 1;
        value(b, 12);
        blanks(b);
        add_text(b, i + 1 < n ? "," : "]");
    }
}

/* Members around the way to the records; never the way itself. */
static void others(struct builder *b, const char *way, size_t way_len)
{
    static const char *const names[] = {"next", "count", "x", "meta", "id", "Items", "data ", "e"};

    for (unsigned n = pick(b, 3); n; n--) {
        const char *text = names[pick(b, sizeof(names) / sizeof(*names))];

        if (strlen(text) == way_len && memcmp(text, way, way_len) == 0)
            continue;
        blanks(b);
        name(b, text, strlen(text));
        b->budget = pick(b, 15);
        if (b->nasty && pick(b, 25) == 0)
            long_array(b);
        else
            value(b, 4);
        add_text(b, ",");
    }
}

static void way(struct builder *b, const char *path, unsigned size)
{
    size_t len = 0;

    if (path[0] == '[') {
        records(b, size);
        return;
    }
    while (path[len] != '[' && path[len] != '.')
        len += path[len] == '\\' ? 2 : 1;
    add_text(b, "{");
    others(b, path, len);
    blanks(b);
    name(b, path, len);
    way(b, path + len + (path[len] == '.'), size);
    blanks(b);
    if (pick(b, 2)) {
        add_text(b, ",");
        others(b, path, len);
        add_text(b, "\"last\":");
        value(b, 4);
    }
    add_text(b, "}");
}

void build_document(struct built *ret, const struct sc_json_spec *spec, uint64_t *seed,
                    unsigned size, bool nasty)
{
    struct builder b = {.out = ret, .spec = spec, .seed = seed, .nasty = nasty};

    *ret = (struct built){0};
    if (pick(&b, 8) == 0)
        add_text(&b, "\xEF\xBB\xBF");
    blanks(&b);
    way(&b, spec->records, size);
    blanks(&b);
}

void built_done(struct built *built)
{
    free(built->text);
    free(built->records);
    *built = (struct built){0};
}
