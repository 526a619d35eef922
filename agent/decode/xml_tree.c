/* Growing the tree of one element. */
#include "decode/xml_tree.h"
#include "base/hash.h"

#include <stdlib.h>

#define FIRST_NODES 256
#define FIRST_BYTES 4096

/* The key keeps a vendor from choosing names that all fall into one slot. */
int sc_xml_tree_init(struct sc_xml_tree *tree)
{
    *tree = (struct sc_xml_tree){.turn = 1};
    return sc_random(tree->key, sizeof(tree->key));
}

void sc_xml_tree_done(struct sc_xml_tree *tree)
{
    free(tree->nodes);
    free(tree->bytes);
    free(tree->index);
    *tree = (struct sc_xml_tree){0};
}

void sc_xml_tree_clear(struct sc_xml_tree *tree)
{
    tree->count = tree->len = tree->used = tree->blanks = 0;
    tree->failed = false;
    if (++tree->turn == 0) {
        memset(tree->index, 0, tree->slots * sizeof(*tree->index));
        tree->turn = 1;
    }
}

size_t sc_xml_tree_size(const struct sc_xml_tree *tree)
{
    return tree->count * sizeof(*tree->nodes) + tree->len;
}

static size_t room_for(size_t need, size_t room, size_t first)
{
    size_t more = room ? room : first;

    while (more < need)
        more *= 2;
    return more;
}

static bool add_bytes(struct sc_xml_tree *tree, const char *bytes, size_t len)
{
    size_t room = room_for(tree->len + len, tree->room, FIRST_BYTES);

    if (room > tree->room) {
        char *grown = room > UINT32_MAX ? NULL : realloc(tree->bytes, room);

        if (!grown) {
            tree->failed = true;
            return false;
        }
        tree->bytes = grown;
        tree->room = room;
    }
    memcpy(tree->bytes + tree->len, bytes, len);
    tree->len += len;
    return true;
}

/* The place of a new node; 0 is never one. */
static uint32_t add_node(struct sc_xml_tree *tree)
{
    size_t room = room_for(tree->count + 2, tree->count_room, FIRST_NODES);

    if (room > tree->count_room) {
        struct sc_xml_node *grown = room > UINT32_MAX ? NULL : realloc(tree->nodes, room * sizeof(*grown));

        if (!grown) {
            tree->failed = true;
            return 0;
        }
        tree->nodes = grown;
        tree->count_room = room;
    }
    tree->nodes[++tree->count] = (struct sc_xml_node){0};
    return (uint32_t)tree->count;
}

/* ---- which sibling is the first of its name --------------------------------------------------- */

/* The slot that has it, or the free one where it belongs. */
static struct sc_xml_slot *slot_of(const struct sc_xml_tree *tree, uint32_t parent, const char *name, size_t len)
{
    uint64_t hash = sc_siphash(tree->key, name, len) + parent * UINT64_C(0x9E3779B97F4A7C15);

    for (size_t i = (size_t)(hash ^ hash >> 32);; i++) {
        struct sc_xml_slot *slot = &tree->index[i & (tree->slots - 1)];
        const struct sc_xml_node *node = &tree->nodes[slot->node];

        if (slot->turn != tree->turn || (slot->parent == parent && node->name_len == len && memcmp(tree->bytes + node->name, name, len) == 0))
            return slot;
    }
}

/* Half of the slots stay free. */
static bool grow_index(struct sc_xml_tree *tree)
{
    struct sc_xml_slot *old = tree->index;
    size_t count = tree->slots;

    if (2 * (tree->used + 1) <= count)
        return true;
    tree->index = calloc(count ? count * 2 : 2 * FIRST_NODES, sizeof(*tree->index));
    if (!tree->index) {
        tree->index = old;
        tree->failed = true;
        return false;
    }
    tree->slots = count ? count * 2 : 2 * FIRST_NODES;
    for (size_t i = 0; i < count; i++)
        if (old[i].turn == tree->turn)
            *slot_of(tree, old[i].parent, tree->bytes + tree->nodes[old[i].node].name, tree->nodes[old[i].node].name_len) = old[i];
    free(old);
    return true;
}

uint32_t sc_xml_tree_find(const struct sc_xml_tree *tree, uint32_t parent, const char *name, size_t len)
{
    const struct sc_xml_slot *slot = tree->slots ? slot_of(tree, parent, name, len) : NULL;

    return slot && slot->turn == tree->turn ? slot->node : 0;
}

bool sc_xml_tree_vacant(const struct sc_xml_tree *tree, uint32_t place)
{
    const struct sc_xml_node *node = &tree->nodes[place];

    if (!node->way || node->text_len)
        return false;
    for (uint32_t i = node->first; i; i = tree->nodes[i].next)
        if (!sc_xml_tree_vacant(tree, i))
            return false;
    return true;
}

/* Behind the last child of that name, when there is one. */
static bool chain(struct sc_xml_tree *tree, uint32_t parent, uint32_t place)
{
    struct sc_xml_node *node = &tree->nodes[place], *first;
    struct sc_xml_slot *slot;

    if (!grow_index(tree))
        return false;
    slot = slot_of(tree, parent, tree->bytes + node->name, node->name_len);
    if (slot->turn != tree->turn) {
        *slot = (struct sc_xml_slot){tree->turn, parent, place};
        tree->used++;
        node->last_same = place;
        return true;
    }
    first = &tree->nodes[slot->node];
    tree->nodes[first->last_same].same = place;
    first->last_same = place;
    node->follows = true;
    return true;
}

/* ---- growing ---------------------------------------------------------------------------------- */

static bool all_blank(const char *text, size_t len)
{
    while (len && (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t'))
        text++, len--;
    return len == 0;
}

void sc_xml_tree_end(struct sc_xml_tree *tree)
{
    tree->len -= tree->blanks;
    tree->blanks = 0;
}

void sc_xml_tree_has_elements(struct sc_xml_tree *tree, uint32_t place)
{
    struct sc_xml_node *node = &tree->nodes[place];

    sc_xml_tree_end(tree);
    if (!node->elements && all_blank(tree->bytes + node->text, node->text_len)) {
        tree->len -= node->text_len;
        node->text_len = 0;
    }
    node->elements = node->named = true;
}

static void link_child(struct sc_xml_tree *tree, uint32_t parent, uint32_t place)
{
    struct sc_xml_node *up = &tree->nodes[parent];

    if (up->last)
        tree->nodes[up->last].next = place;
    else
        up->first = place;
    up->last = place;
}

uint32_t sc_xml_tree_add(struct sc_xml_tree *tree, uint32_t parent, enum sc_xml_node_kind kind, const char *name, size_t len)
{
    uint32_t place;

    if (parent && kind == SC_XML_ELEMENT)
        sc_xml_tree_has_elements(tree, parent);
    place = add_node(tree);
    if (!place)
        return 0;
    tree->nodes[place].kind = kind;
    tree->nodes[place].name = (uint32_t)tree->len;
    tree->nodes[place].name_len = (uint16_t)(len + (kind == SC_XML_ATTRIBUTE));
    if ((kind == SC_XML_ATTRIBUTE && !add_bytes(tree, "@", 1)) || !add_bytes(tree, name, len))
        return 0;
    if (!parent)
        return place;
    link_child(tree, parent, place);
    if (kind == SC_XML_TEXT)
        return place;
    tree->nodes[parent].named = true;
    return chain(tree, parent, place) ? place : 0;
}

/* The run that these bytes, the last of the tree, continue; NULL: they begin one, or are nothing but blanks so far. */
static struct sc_xml_node *run_for(struct sc_xml_tree *tree, uint32_t place, size_t from)
{
    struct sc_xml_node *node = &tree->nodes[place], *last = &tree->nodes[node->last];
    uint32_t fresh;

    if (!node->elements) {
        if (!node->text_len)
            node->text = (uint32_t)from;
        return node;
    }
    if (node->last && last->kind == SC_XML_TEXT && last->text + last->text_len == from)
        return last;
    if (all_blank(tree->bytes + from, tree->len - from)) {
        tree->blanks += tree->len - from;
        return NULL;
    }
    fresh = sc_xml_tree_add(tree, place, SC_XML_TEXT, "", 0);
    if (!fresh)
        return NULL;
    tree->nodes[fresh].text = (uint32_t)(from - tree->blanks);
    tree->nodes[fresh].text_len = (uint32_t)tree->blanks;
    tree->blanks = 0;
    return &tree->nodes[fresh];
}

void sc_xml_tree_text(struct sc_xml_tree *tree, uint32_t place, const char *text, size_t len)
{
    size_t from = tree->len;
    struct sc_xml_node *run;

    if (!add_bytes(tree, text, len))
        return;
    run = run_for(tree, place, from);
    if (run)
        run->text_len += (uint32_t)len;
}
