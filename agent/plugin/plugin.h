/* Find, load and check connectors. Loaded once at start, never unloaded; read-only afterwards, so any thread may look. */
#pragma once

#include "base/error.h"
#include <signal/connector.h>

struct sc_plugins;

struct sc_plugin {
    const struct sc_connector *connector;
    const char *path;
};

/* Loads every *.so in the colon-separated directories. A module that is broken or of another ABI is an error for that module alone: it
 * is reported through `bad` (path, why, what to do) and left out. A directory that does not exist is reported likewise.
 * NULL + err only when out of memory. */
struct sc_plugins *sc_plugins_load(const char *dirs, void (*bad)(void *arg, const char *path, const char *why), void *arg,
                                   struct sc_error *err);
struct sc_plugins *sc_plugins_free(struct sc_plugins *plugins);
/* By name or alias; '_' and '-' mean the same, case ignored. NULL: unknown. */
const struct sc_connector *sc_plugins_find(const struct sc_plugins *plugins, const char *type);
size_t sc_plugins_count(const struct sc_plugins *plugins);
const struct sc_plugin *sc_plugins_at(const struct sc_plugins *plugins, size_t index); /* in order of name */
/* Checks the tables of one connector (names legal and unique, pools exist, paths parse, required parts present). -1 + err. */
int sc_connector_check(const struct sc_connector *connector, struct sc_error *err) SC_WARN_UNUSED;
