/* The JSON object made of an element: compact, escapes only where JSON needs them. */
#include "decode/xml_tree.h"

/* An element on one side, and what its members are joined with. */
struct side {
    const struct sc_xml_tree *tree;
    uint32_t place; /* 0: nothing */
};

static void add_value(struct sc_buf *out, const struct sc_xml_tree *tree, uint32_t place);

/* What cannot stand in a string as it is: '"', '\\' and what is below a blank, of which XML has but three. */
static void add_run(struct sc_buf *out, const char *text, size_t len)
{
    for (size_t at = 0, from = 0; at <= len; at++) {
        unsigned char c = at < len ? (unsigned char)text[at] : '"';

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        sc_buf_add(out, text + from, at - from);
        from = at + 1;
        if (at == len)
            break;
        if (c == '\n' || c == '\r' || c == '\t')
            sc_buf_add_str(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else if (c >= 0x20)
            sc_buf_add(out, (const char[]){'\\', (char)c}, 2);
        else
            sc_buf_addf(out, "\\u%04x", c);
    }
}

static bool has_text(struct side s)
{
    const struct sc_xml_node *node = s.place ? &s.tree->nodes[s.place] : NULL;

    for (uint32_t i = node ? node->first : 0; i; i = s.tree->nodes[i].next)
        if (s.tree->nodes[i].kind == SC_XML_TEXT)
            return true;
    return node && node->text_len;
}

/* All runs, joined. */
static void add_text(struct sc_buf *out, const struct sc_xml_tree *tree, uint32_t place)
{
    const struct sc_xml_node *node = &tree->nodes[place];

    sc_buf_add_char(out, '"');
    add_run(out, tree->bytes + node->text, node->text_len);
    for (uint32_t i = node->first; i; i = tree->nodes[i].next)
        if (tree->nodes[i].kind == SC_XML_TEXT)
            add_run(out, tree->bytes + tree->nodes[i].text, tree->nodes[i].text_len);
    sc_buf_add_char(out, '"');
}

/* How many there are of that name and are to be seen: none, one, or more. */
static unsigned count(struct side s, uint32_t first)
{
    unsigned n = 0;

    for (uint32_t i = first; i && n < 2; i = s.tree->nodes[i].same)
        n += !sc_xml_tree_vacant(s.tree, i);
    return n;
}

static void add_key(struct sc_buf *out, const char *name, size_t len)
{
    if (out->len && out->ptr[out->len - 1] != '{')
        sc_buf_add_char(out, ',');
    sc_buf_add_char(out, '"');
    add_run(out, name, len);
    sc_buf_add_str(out, "\":");
}

static void add_chain(struct sc_buf *out, struct side s, uint32_t first)
{
    for (uint32_t i = first; i; i = s.tree->nodes[i].same) {
        if (sc_xml_tree_vacant(s.tree, i))
            continue;
        if (out->len && out->ptr[out->len - 1] != '[' && out->ptr[out->len - 1] != ':')
            sc_buf_add_char(out, ',');
        add_value(out, s.tree, i);
    }
}

static void add_member(struct sc_buf *out, struct side s, struct side other, bool second, uint32_t first)
{
    const struct sc_xml_node *node = &s.tree->nodes[first];
    const char *name = s.tree->bytes + node->name;
    uint32_t theirs = other.place ? sc_xml_tree_find(other.tree, other.place, name, node->name_len) : 0;
    unsigned mine = count(s, first), more = theirs ? count(other, theirs) : 0;

    if (mine == 0 || (second && more))
        return;
    add_key(out, name, node->name_len);
    if (mine + more > 1)
        sc_buf_add_char(out, '[');
    add_chain(out, s, first);
    if (more)
        add_chain(out, other, theirs);
    if (mine + more > 1)
        sc_buf_add_char(out, ']');
}

static void add_text_member(struct sc_buf *out, struct side s, struct side other, bool second)
{
    bool more = has_text(other);

    if (!has_text(s) || (second && more))
        return;
    add_key(out, "#text", 5);
    if (more)
        sc_buf_add_char(out, '[');
    add_text(out, s.tree, s.place);
    if (more) {
        sc_buf_add_char(out, ',');
        add_text(out, other.tree, other.place);
        sc_buf_add_char(out, ']');
    }
}

/* Attributes, text, elements. `second`: what both sides have stands with the other's members already. */
static void add_members(struct sc_buf *out, struct side s, struct side other, bool second)
{
    bool text = false;

    for (uint32_t i = s.tree->nodes[s.place].first; i; i = s.tree->nodes[i].next) {
        const struct sc_xml_node *node = &s.tree->nodes[i];

        if (node->kind != SC_XML_ATTRIBUTE && !text) {
            add_text_member(out, s, other, second);
            text = true;
        }
        if (node->kind != SC_XML_TEXT && !node->follows)
            add_member(out, s, other, second, i);
    }
    if (!text)
        add_text_member(out, s, other, second);
}

static void add_value(struct sc_buf *out, const struct sc_xml_tree *tree, uint32_t place)
{
    if (!tree->nodes[place].named) {
        add_text(out, tree, place);
        return;
    }
    sc_buf_add_char(out, '{');
    add_members(out, (struct side){tree, place}, (struct side){0}, false);
    sc_buf_add_char(out, '}');
}

int sc_xml_write(struct sc_buf *out, const struct sc_xml_tree *tree, uint32_t place, const struct sc_xml_tree *nested, uint32_t inner)
{
    struct side around = {tree, place}, in = {nested, inner};

    sc_buf_add_char(out, '{');
    add_members(out, around, in, false);
    if (inner)
        add_members(out, in, around, true);
    sc_buf_add_char(out, '}');
    return out->failed ? -1 : 0;
}
