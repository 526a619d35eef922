/* A request of somebody who waits for the answer (agent/control), on its way to the io thread that has the integration. What it may hold was checked
 * before; the io thread answers through the sink and ends it. */
#pragma once

#include "base/mailbox.h"
#include "poll/sink.h"

struct sc_io;

struct sc_ask {
    struct sc_mail mail;
    uint64_t id;       /* of the request, for sc_io_cancel() */
    json_t *request;   /* members by their names; "op" says which (asked.c) */
    struct sc_sink *sink;
};

/* Takes both; a reference to the sink is the ask's own. NULL: out of memory, nothing is taken. */
struct sc_ask *sc_ask_new(uint64_t id, json_t *request, struct sc_sink *sink);
void sc_ask_free(struct sc_ask *ask);
/* Takes the ask. Any thread. */
void sc_io_ask(struct sc_io *io, struct sc_ask *ask);
/* Ends what was asked under that id, if it is still at work. `why` goes into its end. Any thread. */
void sc_io_cancel(struct sc_io *io, uint64_t id, const char *why);
