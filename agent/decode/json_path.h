/* Paths of member names, compiled into two small trees: one for the body around the records, one
 * for the inside of a record.
 *
 *   path  = names [ "[]" ] | "[]"          "[]" = the elements of the array; only for the records,
 * only at the end (for now) names = name *( "." name ) name  = 1*( any byte but . [ ] * \ | "\" any
 * byte )       "@odata\.nextLink" is one name
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
    uint8_t slots;          /* bit i: the value is wanted as value i */
    uint8_t below;          /* slots of this node and all below */
    bool records;           /* the elements of this array are the records */
    bool way;               /* the records are here or further down: its text is never kept */
    uint8_t child, sibling; /* places in `nodes`; 0: none */
};

struct sc_json_paths {
    struct sc_json_node nodes[SC_JSON_NODES_MAX];
    unsigned count;
    char pool[SC_JSON_POOL_BYTES]; /* the names */
    size_t pool_used;
};

void sc_json_paths_init(struct sc_json_paths *paths);
/* slot < 0: the path of the records. */
int sc_json_paths_add(struct sc_json_paths *paths, unsigned root, const char *path, int slot,
                      struct sc_error *err) SC_WARN_UNUSED;

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
