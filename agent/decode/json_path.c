#include "decode/json_path.h"

_Static_assert(SC_JSON_NODES_MAX <= UINT8_MAX, "a node's place is kept in one byte");
_Static_assert(SC_JSON_NAME_MAX <= UINT8_MAX, "a name's length is kept in one byte");

void sc_json_paths_init(struct sc_json_paths *paths)
{
    memset(paths->nodes, 0, sizeof(paths->nodes));
    paths->count = SC_JSON_ROOTS;
    paths->pool_used = 0;
}

/* Reads one name of `path` at *pos into the pool, unescaped; stops at '.', '[' or the end. */
static int read_name(struct sc_json_paths *paths, const char *path, size_t *pos, struct sc_str *ret,
                     struct sc_error *err)
{
    char *name = paths->pool + paths->pool_used;
    size_t len = 0, i = *pos;

    for (; path[i] && path[i] != '.' && path[i] != '['; i++) {
        if (path[i] == ']' || path[i] == '*')
            return sc_fail(
                err, SC_REASON_INTERNAL,
                "path \"%s\": '%c' at %zu has no meaning there (write \\%c for the character)",
                path, path[i], i, path[i]);
        if (path[i] == '\\' && !path[++i])
            return sc_fail(err, SC_REASON_INTERNAL, "path \"%s\": ends with a backslash", path);
        if (len == SC_JSON_NAME_MAX || paths->pool_used + len == sizeof(paths->pool))
            return sc_fail(err, SC_REASON_INTERNAL, "path \"%.80s...\": names are too long", path);
        name[len++] = path[i];
    }
    if (len == 0)
        return sc_fail(err, SC_REASON_INTERNAL, "path \"%s\": a name is missing at %zu", path, i);
    *ret = (struct sc_str){name, len};
    *pos = i;
    return 0;
}

/* The child of that name, made when it is new (the name is then kept in the pool). NULL: full. */
static struct sc_json_node *get_child(struct sc_json_paths *paths, struct sc_json_node *node,
                                      struct sc_str name)
{
    const struct sc_json_node *known = sc_json_paths_child(paths, node, name.ptr, name.len);
    struct sc_json_node *fresh;

    if (known)
        return &paths->nodes[known - paths->nodes];
    if (paths->count == SC_JSON_NODES_MAX)
        return NULL;
    fresh = &paths->nodes[paths->count];
    *fresh =
        (struct sc_json_node){.name = name.ptr, .len = (uint8_t)name.len, .sibling = node->child};
    node->child = (uint8_t)paths->count++;
    paths->pool_used += name.len;
    return fresh;
}

/* What is at the end of the path, [] taken off when `list`. */
static void mark(struct sc_json_node *node, enum sc_json_path_use use, unsigned slot, bool list)
{
    switch (use) {
    case SC_JSON_PATH_VALUE:
        node->below |= UINT32_C(1) << slot;
        node->slots |= UINT32_C(1) << slot;
        break;
    case SC_JSON_PATH_RECORDS:
    case SC_JSON_PATH_WHOLE:
        node->records = list;
        node->record = !list;
        node->way = true;
        break;
    case SC_JSON_PATH_WATCH:
        node->watch |= (uint8_t)(1u << slot);
        node->way = true;
        break;
    }
}

static int add(struct sc_json_paths *paths, unsigned root, enum sc_json_path_use use, const char *path, unsigned slot,
               struct sc_error *err)
{
    struct sc_json_node *node = &paths->nodes[root];
    bool whole = use == SC_JSON_PATH_WHOLE || use == SC_JSON_PATH_WATCH, list;
    struct sc_str name = {0};
    size_t i = 0;

    for (unsigned depth = 0; path[0] != '[' && (path[0] || !whole); depth++) {
        if (depth == SC_JSON_PATH_MAX)
            return sc_fail(err, SC_REASON_INTERNAL, "path \"%.80s...\": more than %d names", path, SC_JSON_PATH_MAX);
        if (read_name(paths, path, &i, &name, err) < 0)
            return -1;
        if (use == SC_JSON_PATH_VALUE)
            node->below |= UINT32_C(1) << slot;
        node = get_child(paths, node, name);
        if (!node)
            return sc_fail(err, SC_REASON_INTERNAL, "path \"%.80s\": more than %d names in all paths", path,
                           SC_JSON_NODES_MAX - SC_JSON_ROOTS);
        if (use != SC_JSON_PATH_VALUE)
            node->way = true;
        if (path[i] != '.')
            break;
        i++;
    }
    list = strcmp(path + i, "[]") == 0;
    if (use == SC_JSON_PATH_VALUE ? path[i] != '\0' : !list && !(whole && !path[i]))
        return use == SC_JSON_PATH_VALUE ? sc_fail(err, SC_REASON_INTERNAL, "path \"%s\": [] is only for the records", path)
                                         : sc_fail(err, SC_REASON_INTERNAL, "path \"%s\" of the records: must end with [], once", path);
    mark(node, use, slot, list);
    return 0;
}

int sc_json_paths_add(struct sc_json_paths *paths, enum sc_json_path_use use, const char *path, unsigned slot, struct sc_error *err)
{
    return add(paths, SC_JSON_BODY, use, path, slot, err);
}

int sc_json_paths_add_field(struct sc_json_paths *paths, const char *path, unsigned slot, struct sc_error *err)
{
    return add(paths, SC_JSON_RECORD, SC_JSON_PATH_VALUE, path, slot, err);
}
