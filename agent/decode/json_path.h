/* Paths of member names, compiled into two small trees: one for the body around the records, one
 * for the inside of a record.
 *   path  = names [ "[]" ] | "[]"    "[]" = the elements of the array; only for the records, only at the end
 *   names = name *( "." name )
 *   name  = 1*( any byte but . [ ] * \ | "\" any byte )       "@odata\.nextLink" is one name
 * '[' ']' '*' are kept for what the language may still learn (arrays in the middle, any member).
 * Fixed storage, nothing to free. */
#pragma once

#include "base/error.h"

#define SC_JSON_NAME_MAX   255 /* bytes in a name */
#define SC_JSON_PATH_MAX   16  /* names in a path */
#define SC_JSON_NODES_MAX  128 /* names in all paths */
#define SC_JSON_POOL_BYTES 4096

enum { SC_JSON_BODY, SC_JSON_RECORD, SC_JSON_ROOTS }; /* the roots' places in `nodes` */

struct sc_json_node {
    const char *name;
    uint8_t len;
    uint32_t slots;         /* bit i: the value is wanted as value i */
    uint32_t below;         /* slots of this node and all below */
    bool records;           /* the elements of this array are the records */
    bool record;            /* this object is the record */
    bool way;               /* the records are here or further down: its text is never kept */
    uint8_t watch;          /* bit i: what is here is told as watched kind i */
    uint8_t child, sibling; /* places in `nodes`; 0: none */
};

struct sc_json_paths {
    struct sc_json_node nodes[SC_JSON_NODES_MAX];
    unsigned count;
    char pool[SC_JSON_POOL_BYTES]; /* the names */
    size_t pool_used;
};

void sc_json_paths_init(struct sc_json_paths *paths);
enum sc_json_path_use {
    SC_JSON_PATH_VALUE,   /* wanted as value `slot` */
    SC_JSON_PATH_RECORDS, /* "...[]": the elements are the records */
    SC_JSON_PATH_WHOLE,   /* the same, or without []: what is there is the record, "": the whole text */
    SC_JSON_PATH_WATCH    /* written like WHOLE: the kind of what is there is wanted as watched kind `slot` */
};
int sc_json_paths_add(struct sc_json_paths *paths, enum sc_json_path_use use, const char *path, unsigned slot,
                      struct sc_error *err) SC_WARN_UNUSED;
/* Inside a record. */
int sc_json_paths_add_field(struct sc_json_paths *paths, const char *path, unsigned slot, struct sc_error *err) SC_WARN_UNUSED;

static inline const struct sc_json_node *sc_json_paths_child(const struct sc_json_paths *paths,
                                                             const struct sc_json_node *node,
                                                             const char *name, size_t len)
{
    for (unsigned i = node->child; i; i = paths->nodes[i].sibling) {
        const struct sc_json_node *child = &paths->nodes[i];

        if (child->len == len && memcmp(child->name, name, len) == 0)
            return child;
    }
    return NULL;
}
