/* URLs inside agent/http; what others use is in http.h. */
#pragma once

#include "base/buf.h"

#include <curl/curl.h>
#include <stdlib.h>

/* Where a URL leads: host lower-case (IPv6 in brackets), port filled in. */
struct sc_url_place {
    char host[256];
    uint16_t port;
    bool tls;
};

/* NULL: not an absolute http or https URL. The caller cleans up. */
CURLU *sc_url_parse(const char *url);
bool sc_url_place(CURLU *u, struct sc_url_place *ret);
bool sc_host_is_loopback(const char *host);
bool sc_host_is_address(const char *host); /* IPv4, or IPv6 in brackets */
/* A Location seen from the current URL: absolute, without fragment and user. NULL: not a URL, or
 * out of memory. */
char *sc_url_follow(const char *current, struct sc_str location);
