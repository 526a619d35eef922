/* What the watch has told about each key. Pure; one thread. */
#pragma once

#include "base/buf.h"

struct sc_watch_key {
    char *key;
    uint64_t rev;
    unsigned char hash[16];
    uint32_t pass; /* the last pass that saw it */
    bool orphan;   /* told from a bucket that is gone; not in the present one */
};

struct sc_watch_table {
    struct sc_watch_key *keys; /* sorted */
    size_t count, cap;
};

enum sc_watch_change { SC_WATCH_SAME, SC_WATCH_CHANGED, SC_WATCH_NO_MEMORY };

void sc_watch_table_done(struct sc_watch_table *table);
struct sc_watch_key *sc_watch_table_find(struct sc_watch_table *table, const char *key);
/* A value was read in `pass`. A higher revision is a put, equal bytes or not; in a bucket that was
 * made anew revisions start again, so there (orphan) only other bytes are one. A lower revision is
 * one if the bytes differ: the bucket lost its tail. */
enum sc_watch_change sc_watch_table_put(struct sc_watch_table *table, const char *key, uint64_t rev,
                                        struct sc_str value, uint32_t pass);
void sc_watch_table_remove(struct sc_watch_table *table, const char *key);
