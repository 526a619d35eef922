#include "nats/watch_table.h"
#include "base/hash.h"

#include <stdlib.h>

void sc_watch_table_done(struct sc_watch_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->keys[i].key);
    free(table->keys);
    *table = (struct sc_watch_table){0};
}

/* Index of the first key that is not less. */
static size_t place(const struct sc_watch_table *table, const char *key)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(table->keys[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct sc_watch_key *sc_watch_table_find(struct sc_watch_table *table, const char *key)
{
    size_t at = place(table, key);
    return at < table->count && strcmp(table->keys[at].key, key) == 0 ? &table->keys[at] : NULL;
}

static struct sc_watch_key *insert(struct sc_watch_table *table, const char *key)
{
    size_t at = place(table, key);
    if (table->count == table->cap) {
        size_t cap = table->cap ? table->cap * 2 : 16;
        struct sc_watch_key *keys = realloc(table->keys, cap * sizeof *keys);
        if (!keys)
            return NULL;
        table->keys = keys;
        table->cap = cap;
    }
    char *copy = sc_dup(key);
    if (!copy)
        return NULL;
    memmove(table->keys + at + 1, table->keys + at, (table->count - at) * sizeof *table->keys);
    table->count++;
    table->keys[at] = (struct sc_watch_key){.key = copy};
    return &table->keys[at];
}

enum sc_watch_change sc_watch_table_put(struct sc_watch_table *table, const char *key, uint64_t rev,
                                        struct sc_str value, uint32_t pass)
{
    unsigned char hash[16];
    sc_content_hash(value.ptr, value.len, hash);
    struct sc_watch_key *known = sc_watch_table_find(table, key);
    bool changed = true;
    if (known) {
        bool other = memcmp(known->hash, hash, sizeof hash) != 0;
        changed = known->orphan || rev <= known->rev ? other : true;
    } else if (!(known = insert(table, key))) {
        return SC_WATCH_NO_MEMORY;
    }
    known->rev = rev;
    known->pass = pass;
    known->orphan = false;
    memcpy(known->hash, hash, sizeof hash);
    return changed ? SC_WATCH_CHANGED : SC_WATCH_SAME;
}

void sc_watch_table_remove(struct sc_watch_table *table, const char *key)
{
    struct sc_watch_key *known = sc_watch_table_find(table, key);
    if (!known)
        return;
    size_t at = (size_t)(known - table->keys);
    free(known->key);
    table->count--;
    memmove(table->keys + at, table->keys + at + 1, (table->count - at) * sizeof *table->keys);
}
