/* Which proxy one request goes through, and what may be said about it. The integration's proxy wins
 * over the whole environment, NO_PROXY included; without one curl looks at the environment itself.
 */
#pragma once

#include "base/buf.h"

struct sc_proxy {
    char *url;      /* for CURLOPT_PROXY; NULL: not set, curl looks at the environment. May hold a
                       password */
    char name[160]; /* host:port for people, no credentials; empty: no proxy in sight */
    uint16_t port;
    bool from_env; /* then NO_PROXY may still keep it out */
    bool has_user, tls, socks;
};

/* wanted as in struct sc_http_request. -1: the integration's proxy is not one (config_invalid), or
 * out of memory. */
int sc_proxy_choose(const char *wanted, bool target_is_tls, struct sc_proxy *ret,
                    struct sc_error *err);
void sc_proxy_done(struct sc_proxy *proxy);
