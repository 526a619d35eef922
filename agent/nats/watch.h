/* Watch of one KV bucket on its own thread and connection: initial values, puts, deletes, purges; rebuilt on every reconnect and on
 * every error; compared in full every `compare_ms`; a bucket that is missing is waited for; one that was made anew is told. */
#pragma once

#include "nats/session.h"

enum sc_watch_event {
    SC_WATCH_PUT,     /* key, value, rev: new or changed */
    SC_WATCH_DELETED, /* key: a delete or purge marker, or absent from a full compare of a bucket whose creation time is unchanged */
    SC_WATCH_SYNCED,  /* all values of the bucket were told (after start, reconnect or compare) */
    SC_WATCH_LOST,    /* the bucket is missing or was made anew without the keys: what was told stays (config_lost); detail in value */
    SC_WATCH_DOWN,    /* no connection; detail in value */
    SC_WATCH_MISSING  /* the bucket does not exist (and create = false); told once until it changes */
};

struct sc_watch_config {
    const struct sc_nats_config *nats;
    const char *bucket;
    bool create;        /* make it when missing */
    uint32_t compare_ms; /* 60000 */
    void *arg;
    /* On the watch thread. value is borrowed; saved_ms: when the revision was written, by the server's clock; 0: none. */
    void (*event)(void *arg, enum sc_watch_event event, const char *key, struct sc_str value, uint64_t rev, int64_t saved_ms);
};

struct sc_watch;
struct sc_watch *sc_watch_start(const struct sc_watch_config *config, struct sc_error *err);
struct sc_watch *sc_watch_stop(struct sc_watch *watch); /* returns NULL within a second */
