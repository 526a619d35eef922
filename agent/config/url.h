/* Private to agent/config: URLs taken apart just far enough to judge what an operator wrote. What is sent goes through libcurl's
 * parser; this one is stricter, so that whatever it lets pass means the same to both. Pure, no allocation. */
#pragma once

#include "base/buf.h"

struct sc_url {
    struct sc_str scheme;   /* absent: none */
    struct sc_str userinfo; /* absent: none */
    struct sc_str host;     /* without brackets */
    struct sc_str port;     /* absent: none */
    struct sc_str path;     /* from the first '/'; may be absent */
    struct sc_str tail;     /* query and fragment with their '?' or '#'; absent: none */
    bool bracketed;         /* an IPv6 address */
};

/* NULL, or what is wrong, as a phrase ("has no host"). A scheme is not required here. */
const char *sc_setting_url_parse(struct sc_str text, struct sc_url *ret);
/* localhost, 127.0.0.0/8 in four decimal parts, ::1. */
bool sc_url_host_is_loopback(const struct sc_url *url);
/* "https://host[:port]": lower case, without the scheme's own port. */
int sc_url_add_origin(const struct sc_url *url, struct sc_buf *out);

/* 0: usable as a proxy, or empty. */
int sc_proxy_check(const char *text);
/* Calls fn for each password in the comma-separated URLs, as written and percent-decoded; lone_too: userinfo without ':' is a
 * secret as well (NATS token). -1 when fn was. */
int sc_url_each_secret(const char *list, bool lone_too, int (*fn)(const char *value, size_t len));
/* Does a URL of the list hold a password? */
bool sc_url_has_secret(const char *list);
/* The list with "[set]" for each userinfo. */
void sc_url_mask(const char *list, struct sc_buf *out);
