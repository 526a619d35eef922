/* Puts a record's headers together and makes the message of them. One thread.
 *
 * The library keeps headers in a hash table, four allocations each, which is 40 % of what a record
 * costs. It writes names and values out as they are, so a "name" that holds several complete header
 * lines makes the same bytes on the wire for the price of one header. That is not documented, so it
 * is tried first, by a message to ourselves; until the headers of that have come back one by one,
 * and with a library that works otherwise, they are set one by one. */
#pragma once

#include "nats/session.h"

#include "base/buf.h"
#include "nats/publisher.h"

struct sc_wire {
    bool packed;                    /* sc_wire_try() found that it works */
    struct sc_buf lines;            /* headers of the record at hand: "Name: value\r\n"... */
    struct sc_buf stamp;            /* headers of the batch at hand, the same form */
    const struct sc_batch *stamped; /* whose headers `stamp` holds */
};

void sc_wire_done(struct sc_wire *wire);
/* Sends one message to an own inbox and looks at what comes back. Blocks up to timeout_ms. */
bool sc_wire_try(struct sc_session *session, int64_t timeout_ms);
/* The batch is gone or new: its headers are made again when it is next seen. */
static inline void sc_wire_forget(struct sc_wire *wire, const struct sc_batch *batch)
{
    if (wire->stamped == batch)
        wire->stamped = NULL;
}
/* Composes the headers; returns the length of the encoded block, or -1 out of memory. Headers with
 * blank values are left out: one of them makes all others of the message unreadable. */
int64_t sc_wire_compose(struct sc_wire *wire, const struct sc_batch *batch,
                        const struct sc_record *record);
/* The message with the headers composed last; the body is copied. */
natsStatus sc_wire_message(struct sc_wire *wire, const char *subject, const char *reply,
                           const void *body, uint32_t len, natsMsg **ret);
