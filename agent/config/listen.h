/* Where a server of the agent's own listens: the text of setting admin.listen. */
#pragma once

#include "base/error.h"

#define SC_LISTEN_PORT 9850 /* of an address without one */

struct sc_listen {
    char host[48];   /* numeric; without brackets */
    bool v6, loopback;
    uint16_t port;
};

/* "9850" (loopback), "127.0.0.1", "127.0.0.1:9850", "[::1]:9850", "0.0.0.0:9850". A name is not resolved: it is refused, and so is ":9850", which
 * elsewhere means every address. false: none of these. */
bool sc_listen_parse(const char *text, struct sc_listen *ret);
