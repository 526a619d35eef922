/* All integrations: what the bucket says, checked, and given to the io thread that owns the source. Runs on the watch thread; looked at by
 * others through the functions here only. */
#pragma once

#include "config/integration.h"
#include "config/settings.h"
#include "nats/watch.h"
#include "plugin/plugin.h"
#include "poll/io.h"

struct sc_registry;
/* status NULL: nothing is written there for integrations that run nowhere. */
struct sc_registry *sc_registry_new(const struct sc_settings *settings, const struct sc_plugins *plugins, struct sc_io **ios, unsigned io_count,
                                    struct sc_status_writer *status, const char *agent);
struct sc_registry *sc_registry_free(struct sc_registry *registry); /* after the watch has stopped */
/* The watch's event function; arg = the registry. */
void sc_registry_event(void *arg, enum sc_watch_event event, const char *key, struct sc_str value, uint64_t rev, int64_t saved_ms);
/* The io thread that has the integration. Any thread. NULL + err: there is none of that name (and which there are), or it never had a value that
 * could be used (and why not). */
struct sc_io *sc_registry_find(struct sc_registry *registry, const char *name, struct sc_error *err);
/* Why the bucket is not what the integrations run by (config_lost); false: it is. Any thread. */
bool sc_registry_lost(struct sc_registry *registry, char *out, size_t cap);
/* Integrations, whatever their values. Any thread. */
uint32_t sc_registry_count(struct sc_registry *registry);
