/* One XML element with all that is in it, and the JSON object made of it. Private to the XML cutter.
 *
 * All is kept in two arrays that grow once: nodes, and bytes of names and texts. Nodes are known by their place, 0 is none. The rules
 * of the object are in docs/artifacts.md. */
#pragma once

#include "base/buf.h"

#define SC_XML_LEVELS 512 /* elements inside each other; writing them out recurses as deep */

enum sc_xml_node_kind {
    SC_XML_ELEMENT,
    SC_XML_ATTRIBUTE, /* its name begins with '@' */
    SC_XML_TEXT       /* one more run of its element's text, behind another element */
};

struct sc_xml_node {
    uint32_t name, text, text_len; /* places in `bytes`; of an element: the first run of its text */
    uint32_t next, first, last;    /* sibling; children */
    uint32_t same, last_same;      /* the next sibling of the same name; of the first such one: the last */
    uint16_t name_len;
    uint8_t kind;
    bool way : 1;      /* leads to nested records: left out when nothing else is in it */
    bool elements : 1; /* has an element */
    bool named : 1;    /* has an attribute or an element */
    bool follows : 1;  /* an earlier sibling has this name */
};

struct sc_xml_tree {
    struct sc_xml_node *nodes;
    char *bytes;
    struct sc_xml_slot *index; /* (parent, name): the first child of that name */
    size_t count, count_room, len, room, slots, used;
    size_t blanks;   /* the last bytes are blanks beside elements: text only if more follows */
    uint32_t turn;   /* slots of earlier turns are free */
    bool failed;     /* out of memory; cleared by sc_xml_tree_clear */
    unsigned char key[16];
};

struct sc_xml_slot {
    uint32_t turn, parent, node;
};

int sc_xml_tree_init(struct sc_xml_tree *tree) SC_WARN_UNUSED;
void sc_xml_tree_done(struct sc_xml_tree *tree);
void sc_xml_tree_clear(struct sc_xml_tree *tree);
/* What it holds, in bytes. */
size_t sc_xml_tree_size(const struct sc_xml_tree *tree);
/* A new last child of `parent` (0: a root of its own, whose `next` is the caller's). Its place, or 0: out of memory. An attribute's name
 * comes without its '@'. */
uint32_t sc_xml_tree_add(struct sc_xml_tree *tree, uint32_t parent, enum sc_xml_node_kind kind, const char *name, size_t len);
/* Text of an element or attribute, in pieces. A run of blanks beside elements is none: it is taken away when the next element begins, or
 * the element ends. */
void sc_xml_tree_text(struct sc_xml_tree *tree, uint32_t node, const char *text, size_t len);
void sc_xml_tree_end(struct sc_xml_tree *tree);
/* An element of it is kept elsewhere. */
void sc_xml_tree_has_elements(struct sc_xml_tree *tree, uint32_t node);
/* The first child of that name; 0: none. */
uint32_t sc_xml_tree_find(const struct sc_xml_tree *tree, uint32_t parent, const char *name, size_t len);

/* Led to nested records, and nothing else was in it. */
bool sc_xml_tree_vacant(const struct sc_xml_tree *tree, uint32_t node);

/* The object made of `node`; with `inner` not 0, followed by the members of that node of `nested`: names that both have become an
 * array. -1: out of memory. */
int sc_xml_write(struct sc_buf *out, const struct sc_xml_tree *tree, uint32_t node, const struct sc_xml_tree *nested, uint32_t inner);
