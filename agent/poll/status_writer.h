/* Writes INTEGRATION_STATUS on a thread and connection of its own, so that a slow bucket delays nothing. Only the lease holder writes; every
 * write is a compare-and-set. The newest text of a name wins. */
#pragma once

#include "nats/lease.h"

struct sc_status_writer;
struct sc_status_writer *sc_status_writer_start(const struct sc_nats_config *nats, const struct sc_fence *fence, struct sc_error *err);
/* Writes what waits (bounded by timeout_ms), then ends. Returns NULL. */
struct sc_status_writer *sc_status_writer_stop(struct sc_status_writer *writer, int64_t timeout_ms);
/* Any thread. `json` is taken (freed by the writer); NULL removes the key. */
void sc_status_post(struct sc_status_writer *writer, const char *integration, char *json);
