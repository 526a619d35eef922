/* What expat tells: elements and text, into the tree of the record at hand, or into the envelope; and what is refused at once. A
 * complete record makes the parser stand still. */
#include "decode/xml_state.h"

#include <stdio.h>
#include <strings.h>

uint64_t sc_xml_at(const struct sc_xml_cut *xml)
{
    XML_Index at = XML_GetCurrentByteIndex(xml->parser);

    return at < 0 ? 0 : (uint64_t)at;
}

static void stop(struct sc_xml_cut *xml)
{
    (void)XML_StopParser(xml->parser, XML_FALSE);
}

static void refuse(struct sc_xml_cut *xml, const char *what)
{
    (void)sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "%s at byte %llu", what, (unsigned long long)sc_xml_at(xml));
    stop(xml);
}

/* After a refusal expat may still tell the rest of what it has at hand. */
static bool deaf(struct sc_xml_cut *xml)
{
    xml->quiet = 0;
    return xml->failure.reason != SC_REASON_OK;
}

static void suspend(struct sc_xml_cut *xml)
{
    xml->ready = true;
    xml->turn = xml->first_inner;
    if (XML_StopParser(xml->parser, XML_TRUE) != XML_STATUS_OK)
        refuse(xml, "cannot stand still");
}

/* ---- envelope --------------------------------------------------------------------------------- */

static void set_values(struct sc_xml_cut *xml, uint32_t slots, struct sc_cut_value value)
{
    for (; slots; slots &= slots - 1)
        xml->envelope[__builtin_ctz(slots)] = value;
}

/* The first part of a text that ends with a whole character. */
static size_t whole_characters(const char *text, size_t len)
{
    while (len && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

static void keep_text(struct sc_xml_cut *xml, const struct sc_json_node *node, const char *text, size_t len)
{
    int slot = __builtin_ctz(node->slots);
    size_t room = SC_CUT_VALUE_MAX - xml->kept[slot].len;

    if (xml->kept[slot].cut)
        return;
    if (len > room) {
        len = whole_characters(text, room);
        xml->kept[slot].cut = true;
    }
    memcpy(xml->envelope_text[slot] + xml->kept[slot].len, text, len);
    xml->kept[slot].len += len;
}

static void keep_end(struct sc_xml_cut *xml, const struct sc_json_node *node)
{
    int slot = __builtin_ctz(node->slots);
    struct sc_cut_value value = {.kind = SC_CUT_OBJECT};

    if (!xml->kept[slot].elements)
        value = (struct sc_cut_value){
            .kind = SC_CUT_STRING, .cut = xml->kept[slot].cut, .text = {xml->envelope_text[slot], xml->kept[slot].len}
        };
    set_values(xml, node->slots, value);
}

static void keep_begin(struct sc_xml_cut *xml, const struct sc_json_node *node)
{
    set_values(xml, node->below, (struct sc_cut_value){.kind = SC_CUT_ABSENT});
    if (node->slots)
        memset(&xml->kept[__builtin_ctz(node->slots)], 0, sizeof(xml->kept[0]));
}

static void keep_attribute(struct sc_xml_cut *xml, const struct sc_json_node *node, const char *name, const char *value)
{
    char marked[SC_JSON_NAME_MAX + 1] = "@";
    size_t len = strlen(name);
    const struct sc_json_node *wanted;

    if (len >= SC_JSON_NAME_MAX)
        return;
    memcpy(marked + 1, name, len);
    wanted = sc_json_paths_child(&xml->paths, node, marked, len + 1);
    if (!wanted || !wanted->slots)
        return;
    keep_begin(xml, wanted);
    keep_text(xml, wanted, value, strlen(value));
    keep_end(xml, wanted);
}

/* ---- the record at hand ----------------------------------------------------------------------- */

static void check_held(struct sc_xml_cut *xml)
{
    if (xml->around.failed || xml->inner.failed)
        (void)sc_fail(&xml->failure, SC_REASON_MEMORY_LIMIT, "no memory for record %llu", (unsigned long long)xml->records + 1);
    else if (sc_xml_tree_size(&xml->around) + sc_xml_tree_size(&xml->inner) > xml->single_max)
        (void)sc_fail(&xml->failure, SC_REASON_RECORD_TOO_LARGE, "record %llu is too large: more than %zu bytes would have to be held",
                      (unsigned long long)xml->records + 1, xml->single_max);
    else
        return;
    stop(xml);
}

static void add_attributes(struct sc_xml_tree *tree, uint32_t place, const char **attributes)
{
    for (; *attributes; attributes += 2) {
        uint32_t at = sc_xml_tree_add(tree, place, SC_XML_ATTRIBUTE, attributes[0], strlen(attributes[0]));

        if (!at)
            return;
        sc_xml_tree_text(tree, at, attributes[1], strlen(attributes[1]));
    }
}

static void late(struct sc_xml_cut *xml, const char *what)
{
    (void)sc_fail(&xml->failure, SC_REASON_RECORD_TOO_LARGE,
                  "%.60s behind record %llu belongs to records that had to be handed over before it: what is around them is longer than %zu bytes",
                  what, (unsigned long long)xml->records, xml->held_max);
    stop(xml);
}

static void begin_nested(struct sc_xml_cut *xml, const char *name, const char **attributes)
{
    uint32_t place = sc_xml_tree_add(&xml->inner, 0, SC_XML_ELEMENT, name, strlen(name));

    sc_xml_tree_has_elements(&xml->around, xml->levels[xml->depth - 1].place);
    xml->nested_depth = xml->depth;
    xml->levels[xml->depth].place = place;
    if (!place)
        return;
    if (xml->last_inner)
        xml->inner.nodes[xml->last_inner].next = place;
    else
        xml->first_inner = place;
    xml->last_inner = place;
    add_attributes(&xml->inner, place, attributes);
}

/* One that leads to nested records. Those of one name that have nothing else in them are one. */
static uint32_t begin_way(struct sc_xml_cut *xml, uint32_t parent, const char *name)
{
    uint32_t known = sc_xml_tree_find(&xml->around, parent, name, strlen(name)), place;

    known = known ? xml->around.nodes[known].last_same : 0;
    if (known && sc_xml_tree_vacant(&xml->around, known))
        return known;
    place = sc_xml_tree_add(&xml->around, parent, SC_XML_ELEMENT, name, strlen(name));
    if (place)
        xml->around.nodes[place].way = true;
    return place;
}

/* An element inside a record. */
static void begin_inside(struct sc_xml_cut *xml, const struct sc_json_node *node, const char *name, const char **attributes)
{
    struct sc_xml_tree *tree = xml->nested_depth ? &xml->inner : &xml->around;
    uint32_t parent = xml->levels[xml->depth - 1].place, place;
    bool way = !xml->nested_depth && node && node->way;

    if (!xml->nested_depth && node && node->watch) {
        begin_nested(xml, name, attributes);
        return;
    }
    if (xml->handed && !xml->nested_depth && (!way || *attributes)) {
        late(xml, name);
        return;
    }
    place = way ? begin_way(xml, parent, name) : sc_xml_tree_add(tree, parent, SC_XML_ELEMENT, name, strlen(name));
    xml->levels[xml->depth].place = place;
    if (place)
        add_attributes(tree, place, attributes);
}

static void begin_record(struct sc_xml_cut *xml, const char *name, const char **attributes)
{
    uint32_t place;

    sc_xml_tree_clear(&xml->around);
    sc_xml_tree_clear(&xml->inner);
    xml->first_inner = xml->last_inner = 0;
    xml->handed = false;
    xml->record_depth = xml->depth;
    place = sc_xml_tree_add(&xml->around, 0, SC_XML_ELEMENT, name, strlen(name));
    xml->levels[xml->depth].place = place;
    if (place)
        add_attributes(&xml->around, place, attributes);
}

/* ---- what expat calls ------------------------------------------------------------------------- */

static void refuse_html(struct sc_xml_cut *xml, const char *what, const char *name)
{
    (void)sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "unexpected '<%s%.20s>': a web page, not the vendor's XML", what, name);
    stop(xml);
}

static void on_doctype(void *arg, const char *name, const char *system, const char *public, int internal)
{
    struct sc_xml_cut *xml = arg;

    (void)public;
    xml->external = system || internal;
    if (!deaf(xml) && strcasecmp(name, "html") == 0)
        refuse_html(xml, "!DOCTYPE ", name);
}

static void on_entity(void *arg, const char *name, int parameter, const char *value, int len, const char *base, const char *system,
                      const char *public, const char *notation)
{
    (void)name;
    (void)parameter;
    (void)value;
    (void)len;
    (void)base;
    (void)system;
    (void)public;
    (void)notation;
    if (!deaf(arg))
        refuse(arg, "the DOCTYPE declares an entity");
}

static void on_attlist(void *arg, const char *element, const char *name, const char *type, const char *value, int required)
{
    (void)element;
    (void)name;
    (void)type;
    (void)required;
    if (!deaf(arg) && value)
        refuse(arg, "the DOCTYPE declares an attribute with a value");
}

static void on_skipped(void *arg, const char *name, int parameter)
{
    (void)name;
    (void)parameter;
    if (!deaf(arg))
        refuse(arg, "a reference to an entity that nothing declares");
}

/* All else: heard, so that it is known how long nothing was. */
static void on_other(void *arg, const char *text, int len)
{
    (void)text;
    (void)len;
    (void)deaf(arg);
}

/* Behind a '&': what every XML knows. */
static bool is_known_reference(const char *name, size_t len)
{
    static const char *const known[] = {"lt;", "gt;", "amp;", "apos;", "quot;"};

    if (len && *name == '#')
        return true;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (len >= strlen(known[i]) && memcmp(name, known[i], strlen(known[i])) == 0)
            return true;
    return false;
}

/* With a DTD elsewhere expat leaves unknown references inside attributes out and tells nobody: looks at the tag as it came. */
static bool has_unknown_reference(struct sc_xml_cut *xml)
{
    int offset = 0, size = 0, len = XML_GetCurrentByteCount(xml->parser);
    const char *tag = XML_GetInputContext(xml->parser, &offset, &size);
    int step, low, high; /* UTF-16 has two bytes a character */

    if (!tag || len < 2 || len > size - offset)
        return false;
    tag += offset;
    step = tag[0] && tag[1] ? 1 : 2;
    low = tag[0] == '\0';
    high = step == 1 ? 0 : 1 - low;
    for (int i = 0; i + step <= len; i += step) {
        char name[6];
        size_t n = 0;

        if (tag[i + low] != '&' || (step == 2 && tag[i + high]))
            continue;
        for (int j = i + low + step; j < len && n < sizeof(name); j += step)
            name[n++] = tag[j];
        if (!is_known_reference(name, n))
            return true;
    }
    return false;
}

static void begin_root(struct sc_xml_cut *xml, const char *name)
{
    xml->root_seen = true;
    xml->wrong_root = xml->levels[1].node == NULL || !xml->levels[1].node->way;
    snprintf(xml->root, sizeof(xml->root), "%s", name);
    if (strcasecmp(name, "html") == 0)
        refuse_html(xml, "", name);
}

static bool names_fit(const char *name, const char **attributes)
{
    if (strlen(name) > SC_JSON_NAME_MAX)
        return false;
    for (; *attributes; attributes += 2)
        if (strlen(*attributes) >= SC_JSON_NAME_MAX)
            return false;
    return true;
}

static void on_start(void *arg, const char *name, const char **attributes)
{
    struct sc_xml_cut *xml = arg;
    struct sc_xml_level *level;
    const struct sc_json_node *up = xml->depth ? xml->levels[xml->depth].node : &xml->paths.nodes[SC_JSON_BODY];

    if (deaf(xml))
        return;
    if (xml->depth == SC_XML_LEVELS || !names_fit(name, attributes)) {
        refuse(xml, xml->depth == SC_XML_LEVELS ? "elements are nested too deep" : "a name is longer than 255 bytes");
        return;
    }
    if (xml->external && *attributes && has_unknown_reference(xml)) {
        refuse(xml, "a reference to an entity that nothing declares, in an attribute of the element");
        return;
    }
    level = &xml->levels[++xml->depth];
    *level = (struct sc_xml_level){.node = up ? sc_json_paths_child(&xml->paths, up, name, strlen(name)) : NULL};
    if (xml->depth == 1)
        begin_root(xml, name);
    if (xml->record_depth) {
        begin_inside(xml, level->node, name, attributes);
        check_held(xml);
        return;
    }
    if (up && up->slots)
        xml->kept[__builtin_ctz(up->slots)].elements = true;
    if (level->node && level->node->record) {
        begin_record(xml, name, attributes);
        check_held(xml);
    } else if (level->node) {
        keep_begin(xml, level->node);
        for (; level->node->child && *attributes; attributes += 2)
            keep_attribute(xml, level->node, attributes[0], attributes[1]);
    }
}

static void on_end(void *arg, const char *name)
{
    struct sc_xml_cut *xml = arg;
    unsigned depth = xml->depth;
    const struct sc_json_node *node = xml->levels[depth].node;

    (void)name;
    if (deaf(xml))
        return;
    xml->depth--;
    if (xml->depth == 0) {
        xml->done = true;
        xml->end = sc_xml_at(xml) + (uint64_t)XML_GetCurrentByteCount(xml->parser);
    }
    if (!xml->record_depth) {
        if (node && node->slots)
            keep_end(xml, node);
        return;
    }
    sc_xml_tree_end(xml->nested_depth ? &xml->inner : &xml->around);
    if (!xml->nested_depth && node && node->way && depth != xml->record_depth)
        sc_xml_tree_has_elements(&xml->around, xml->levels[depth].place); /* blanks alone are nothing in it */
    if (depth == xml->nested_depth) {
        xml->nested_depth = 0;
        if (sc_xml_tree_size(&xml->around) + sc_xml_tree_size(&xml->inner) > xml->held_max)
            suspend(xml);
    } else if (depth == xml->record_depth) {
        xml->record_depth = 0;
        xml->complete = true;
        suspend(xml);
    }
}

static bool is_blank(const char *text, size_t len)
{
    size_t i = 0;

    while (i < len && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t'))
        i++;
    return i == len;
}

static void on_text(void *arg, const char *text, int len)
{
    struct sc_xml_cut *xml = arg;
    const struct sc_xml_level *level = &xml->levels[xml->depth];

    if (deaf(xml))
        return;
    if (!xml->record_depth) {
        if (level->node && level->node->slots)
            keep_text(xml, level->node, text, (size_t)len);
        return;
    }
    if (xml->handed && !xml->nested_depth) {
        if (!is_blank(text, (size_t)len))
            late(xml, "text");
        return;
    }
    sc_xml_tree_text(xml->nested_depth ? &xml->inner : &xml->around, level->place, text, (size_t)len);
    check_held(xml);
}

void sc_xml_listen(struct sc_xml_cut *xml)
{
    XML_SetUserData(xml->parser, xml);
    XML_SetElementHandler(xml->parser, on_start, on_end);
    XML_SetCharacterDataHandler(xml->parser, on_text);
    XML_SetStartDoctypeDeclHandler(xml->parser, on_doctype);
    XML_SetEntityDeclHandler(xml->parser, on_entity);
    XML_SetAttlistDeclHandler(xml->parser, on_attlist);
    XML_SetSkippedEntityHandler(xml->parser, on_skipped);
    XML_SetDefaultHandlerExpand(xml->parser, on_other);
}
