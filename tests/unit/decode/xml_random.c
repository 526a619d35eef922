/* See xml_random.h. */
#include "xml_random.h"

#include "cut_harness.h"

#include <stdlib.h>

#define MEMBERS 6

/* One way to see a text: as JSON writes it, and as XML may write it. */
static const struct piece {
    const char *json, *wire[3];
} pieces[] = {
    {"a", {"a", "&#97;", "<![CDATA[a]]>"}},
    {"0 1", {"0 1", "0&#32;1", "0<!-- x --> 1"}},
    {"<b>&", {"&lt;b>&amp;", "<![CDATA[<b>&]]>", "&#x3C;b&gt;&#38;"}},
    {"\\\"\\\\/", {"\"\\/", "&quot;\\/", "<![CDATA[\"\\/]]>"}},
    {"\\n\\t", {"\r\n\t", "&#10;&#x9;", "\r\t"}},
    {"\\r", {"&#13;", "&#xD;", "&#xd;"}},
    {"\xC3\xA9\xF0\x9F\x98\x80\xE2\x80\xA8", {"\xC3\xA9\xF0\x9F\x98\x80\xE2\x80\xA8", "&#233;&#x1F600;&#x2028;", "\xC3\xA9<?p i?>\xF0\x9F\x98\x80\xE2\x80\xA8"}},
    {"]]>", {"]]&gt;", "<![CDATA[]]]]><![CDATA[>]]>", "]&#93;>"}},
    {"", {"", "<!---->", "<![CDATA[]]>"}},
};

struct element {
    const char *name;
    struct sc_buf text, text_wire; /* beside elements always with something in it that is no blank, or empty */
    unsigned attribute_count, count;
    struct sc_buf attributes[3], attributes_wire[3];
    struct element *members[MEMBERS];
    bool gone; /* holds nested records alone: not seen in the JSON */
};

static const char *const names[] = {"a", "B", "c-1", "n:d", "\xC3\xA9"};
static const char *const attribute_names[] = {"k", "l", "m:n"};

static void make_text(struct sc_buf *json, struct sc_buf *wire, bool attribute, uint64_t *seed)
{
    for (unsigned i = harness_random(seed, 4); i; i--) {
        const struct piece *p = &pieces[harness_random(seed, sizeof(pieces) / sizeof(*pieces))];
        const char *written = p->wire[harness_random(seed, 3)];

        if (attribute && (strpbrk(written, "<\"'\r\n\t")))
            continue;
        sc_buf_add_str(json, p->json);
        sc_buf_add_str(wire, written);
    }
}

static struct element *make(const char *name, unsigned depth, uint64_t *seed)
{
    struct element *e = calloc(1, sizeof(*e));

    e->name = name;
    e->attribute_count = harness_random(seed, 3) ? 0 : harness_random(seed, 4);
    for (unsigned i = 0; i < e->attribute_count; i++)
        make_text(&e->attributes[i], &e->attributes_wire[i], true, seed);
    e->count = depth && harness_random(seed, 2) ? harness_random(seed, MEMBERS + 1) : 0;
    for (unsigned i = 0; i < e->count; i++)
        e->members[i] = make(names[harness_random(seed, 5)], depth - 1, seed);
    if (e->count && !harness_random(seed, 3)) {
        sc_buf_add_str(&e->text, "t ");
        sc_buf_add_str(&e->text_wire, "t ");
    } else if (!e->count) {
        make_text(&e->text, &e->text_wire, false, seed);
    }
    return e;
}

static void done(struct element *e)
{
    for (unsigned i = 0; i < e->count; i++)
        done(e->members[i]);
    for (unsigned i = 0; i < e->attribute_count; i++) {
        sc_buf_done(&e->attributes[i]);
        sc_buf_done(&e->attributes_wire[i]);
    }
    sc_buf_done(&e->text);
    sc_buf_done(&e->text_wire);
    free(e);
}

static void gap(struct sc_buf *out, uint64_t *seed)
{
    static const char *const gaps[] = {"", "", "\n  ", " ", "<!-- <a> -->", "\r\n\t<?x?> "};

    sc_buf_add_str(out, gaps[harness_random(seed, 6)]);
}

static void write_xml(struct sc_buf *out, const struct element *e, uint64_t *seed)
{
    sc_buf_addf(out, "<%s", e->name);
    for (unsigned i = 0; i < e->attribute_count; i++)
        sc_buf_addf(out, harness_random(seed, 2) ? " %s=\"%s\"" : "\n%s = '%s' ", attribute_names[i],
                    e->attributes_wire[i].ptr ? e->attributes_wire[i].ptr : "");
    if (!e->count && !e->text_wire.len && harness_random(seed, 2)) {
        sc_buf_add_str(out, "/>");
        return;
    }
    sc_buf_add_str(out, ">");
    sc_buf_add(out, e->text_wire.ptr ? e->text_wire.ptr : "", e->text_wire.len);
    for (unsigned i = 0; i < e->count; i++) {
        if (i || !e->text.len)
            gap(out, seed);
        write_xml(out, e->members[i], seed);
    }
    if (e->count)
        gap(out, seed);
    sc_buf_addf(out, "</%s >", e->name);
}

static void write_json(struct sc_buf *out, const struct element *e);

static void key(struct sc_buf *out, const char *at, const char *name)
{
    sc_buf_addf(out, "%s\"%s%s\":", out->ptr[out->len - 1] == '{' ? "" : ",", at, name);
}

/* The values that both sides have of one name, as one value. */
static void write_values(struct sc_buf *out, struct element *const *sides, const char *name)
{
    struct sc_buf values = {0};
    unsigned count = 0;

    for (unsigned s = 0; s < 2 && sides[s]; s++)
        for (unsigned i = 0; i < sides[s]->count; i++)
            if (strcmp(sides[s]->members[i]->name, name) == 0 && !sides[s]->members[i]->gone) {
                if (count++)
                    sc_buf_add_char(&values, ',');
                write_json(&values, sides[s]->members[i]);
            }
    sc_buf_addf(out, count > 1 ? "[%s]" : "%s", values.ptr);
    sc_buf_done(&values);
}

static void write_attributes(struct sc_buf *out, struct element *const *sides, unsigned s)
{
    for (unsigned i = 0; i < sides[s]->attribute_count; i++) {
        const struct element *other = sides[1 - s];
        const char *mine = sides[s]->attributes[i].ptr ? sides[s]->attributes[i].ptr : "";

        if (s == 1 && i < other->attribute_count)
            continue;
        key(out, "@", attribute_names[i]);
        if (s == 0 && other && i < other->attribute_count)
            sc_buf_addf(out, "[\"%s\",\"%s\"]", mine, other->attributes[i].ptr ? other->attributes[i].ptr : "");
        else
            sc_buf_addf(out, "\"%s\"", mine);
    }
}

static bool seen_before(struct element *const *sides, unsigned s, unsigned at)
{
    for (unsigned t = 0; t <= s; t++)
        for (unsigned i = 0; i < (t == s ? at : sides[t]->count); i++)
            if (!sides[t]->members[i]->gone && strcmp(sides[t]->members[i]->name, sides[s]->members[at]->name) == 0)
                return true;
    return false;
}

static void write_object(struct sc_buf *out, struct element *const *sides)
{
    sc_buf_add_char(out, '{');
    for (unsigned s = 0; s < 2 && sides[s]; s++) {
        const struct element *other = sides[1 - s];

        write_attributes(out, sides, s);
        if (sides[s]->text.len && !(s == 1 && other->text.len)) {
            key(out, "", "#text");
            if (s == 0 && other && other->text.len)
                sc_buf_addf(out, "[\"%s\",\"%s\"]", sides[0]->text.ptr, other->text.ptr);
            else
                sc_buf_addf(out, "\"%s\"", sides[s]->text.ptr);
        }
        for (unsigned i = 0; i < sides[s]->count; i++) {
            if (sides[s]->members[i]->gone || seen_before(sides, s, i))
                continue;
            key(out, "", sides[s]->members[i]->name);
            write_values(out, sides, sides[s]->members[i]->name);
        }
    }
    sc_buf_add_char(out, '}');
}

static void write_json(struct sc_buf *out, const struct element *e)
{
    struct element copy = *e, *sides[2] = {&copy, NULL};

    if (e->count || e->attribute_count)
        write_object(out, sides);
    else
        sc_buf_addf(out, "\"%s\"", e->text.ptr ? e->text.ptr : "");
}

/* Lists of nested ones among the members, which the record's text and members know nothing of. */
static void add_lists(struct element *record, uint64_t *seed)
{
    for (unsigned i = 0; i < record->count; i++)
        if (!harness_random(seed, 3)) {
            done(record->members[i]);
            record->members[i] = calloc(1, sizeof(struct element));
            record->members[i]->name = "N";
            record->members[i]->gone = true;
            record->members[i]->count = harness_random(seed, MEMBERS);
            for (unsigned j = 0; j < record->members[i]->count; j++)
                record->members[i]->members[j] = make("D", 2, seed);
        }
}

static void say_record(struct sc_buf *want, struct element *record, struct element *inner)
{
    struct element *sides[2] = {record, inner};

    sc_buf_add_str(want, "record ");
    write_object(want, sides);
    sc_buf_add_char(want, '\n');
}

void xml_random(struct sc_buf *body, struct sc_buf *want, bool nested, uint64_t *seed)
{
    body->max = want->max = 64u << 20;
    sc_buf_add_str(body, harness_random(seed, 2) ? "<L><P>" : "<?xml version='1.0'?>\n<L><o/> <P>");
    sc_buf_add_str(want, "");
    for (unsigned turn = harness_random(seed, 4); turn; turn--) {
        struct element *record = make("R", 3, seed);

        if (nested)
            add_lists(record, seed);
        write_xml(body, record, seed);
        gap(body, seed);
        if (!nested)
            say_record(want, record, NULL);
        for (unsigned i = 0; i < record->count; i++)
            for (unsigned j = 0; record->members[i]->gone && j < record->members[i]->count; j++)
                say_record(want, record, record->members[i]->members[j]);
        done(record);
    }
    sc_buf_add_str(body, "</P></L>");
}

static int take(void *arg)
{
    (void)arg;
    return 0;
}

static int take_data(void *arg, const char *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
    return 0;
}

static int take_end(void *arg, const struct sc_cut_record *record)
{
    (void)arg;
    (void)record;
    return 0;
}

struct sc_cut_sink xml_deaf_sink(void)
{
    return (struct sc_cut_sink){.begin = take, .data = take_data, .end = take_end};
}
