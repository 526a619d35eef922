/* The way back on one connection: an own inbox, and a bounded ring from the library's thread, which
 * reads the acknowledgements, to the publisher's thread, which acts on them. A link serves one
 * connection and is closed with it. */
#pragma once

#include "base/mailbox.h"
#include "nats/publisher_ack.h"
#include "nats/session.h"

#define SC_LINK_REPLY_MAX 96

struct sc_link;

/* `box` is poked when acknowledgements wait (see sc_link_sleep), never after sc_link_close(). */
struct sc_link *sc_link_open(struct sc_session *session, uint32_t window, struct sc_mailbox *box,
                             struct sc_error *err);
/* Stops the callback's way to `box`; what is in the ring can still be taken. */
void sc_link_detach(struct sc_link *link);
/* NULL is fine. Before the connection is destroyed. Returns NULL. */
struct sc_link *sc_link_close(struct sc_link *link, struct sc_session *session); /* before the session is closed */
/* The reply subject for one use of a slot; valid until the next call. Publisher's thread, like all
 * below. */
const char *sc_link_reply(struct sc_link *link, uint32_t slot, uint32_t nonce);
/* Moves the oldest acknowledgement out; its text is the caller's. */
bool sc_link_take(struct sc_link *link, struct sc_ack *ret);
/* Asks for one poke when `wake_at` acknowledgements wait. false: they do already. */
bool sc_link_sleep(struct sc_link *link, uint32_t wake_at);
void sc_link_awake(struct sc_link *link);
/* More acknowledgements came than the window can have caused: nothing is known any more. */
bool sc_link_overrun(const struct sc_link *link);
