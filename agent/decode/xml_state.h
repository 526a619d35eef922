/* Private to the XML cutter: its state, between what reads the body (xml_cut.c) and what expat calls (xml_events.c). */
#pragma once

#include "decode/json_path.h"
#include "decode/xml_cut.h"
#include "decode/xml_memory.h"
#include "decode/xml_tree.h"

#include <expat.h>

#define SC_XML_HEAD 64 /* of the body: kept to say what it begins with */
#define SC_XML_FIRST 4 /* bytes that expat is given first, at once: by them it knows the encoding */

struct sc_xml_level {
    const struct sc_json_node *node; /* on the way to something that is wanted */
    uint32_t place;                  /* inside a record: in the tree */
};

struct sc_xml_cut {
    XML_Parser parser;
    struct sc_xml_memory memory; /* of the parser */
    struct sc_json_cut *json; /* hands the made object over, and finds the fields in it */
    struct sc_json_paths paths;
    const char *records_path;
    bool nested;
    size_t held_max, single_max; /* nested records are handed over when so much is held; nothing may grow beyond the other */

    /* where we are */
    struct sc_xml_level levels[SC_XML_LEVELS + 1];
    unsigned depth, record_depth, nested_depth; /* 0: not inside one */
    bool begun; /* expat has been given the first bytes */
    bool root_seen, wrong_root, done; /* done: the root element is closed */
    bool external; /* there is more to the DTD than is read: expat takes references that it does not know for declared there */
    bool ended;
    char root[64];   /* its name, where it is the wrong one */
    uint64_t end;    /* of the root element */
    uint64_t quiet;  /* bytes since anything was heard of */

    /* the element at hand */
    struct sc_xml_tree around, inner; /* the record's, and the nested ones in it */
    uint32_t first_inner, last_inner; /* roots in `inner` */
    bool handed;     /* nested records of this element have been handed over: nothing may join it that they should have had */
    bool ready;      /* the parser stands still until what is complete is handed over */
    bool complete;   /* the element is: not only some of its nested ones */
    uint32_t turn;   /* the nested one whose turn it is */
    bool suspended;
    struct sc_buf out;
    bool made;       /* `out` is the record whose turn it is */
    size_t given;    /* bytes of it that are taken */

    uint64_t bytes, made_bytes, records;
    char head[SC_XML_HEAD];
    struct sc_error failure;

    struct sc_cut_value envelope[SC_CUT_ENVELOPE];
    char envelope_text[SC_CUT_ENVELOPE][SC_CUT_VALUE_MAX];
    struct {
        size_t len;
        bool cut, elements;
    } kept[SC_CUT_ENVELOPE];
};

void sc_xml_listen(struct sc_xml_cut *xml);
uint64_t sc_xml_at(const struct sc_xml_cut *xml); /* the byte of what expat tells of */
