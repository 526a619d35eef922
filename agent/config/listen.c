#include "config/listen.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <stdio.h>

static bool parse_port(const char *text, uint16_t *ret)
{
    int64_t port;
    if (*text < '0' || *text > '9' || !sc_parse_int(sc_str_of(text), &port) || port < 1 || port > 65535)
        return false;
    *ret = (uint16_t)port;
    return true;
}

static bool parse_host(const char *host, size_t len, bool v6, struct sc_listen *ret)
{
    unsigned char bytes[16];
    if (len == 0 || len >= sizeof ret->host)
        return false;
    memcpy(ret->host, host, len);
    ret->host[len] = '\0';
    ret->v6 = v6;
    if (inet_pton(v6 ? AF_INET6 : AF_INET, ret->host, bytes) != 1)
        return false;
    static const unsigned char one[16] = {[15] = 1};
    ret->loopback = v6 ? memcmp(bytes, one, sizeof one) == 0 : bytes[0] == 127;
    return true;
}

bool sc_listen_parse(const char *text, struct sc_listen *ret)
{
    *ret = (struct sc_listen){.port = SC_LISTEN_PORT};
    if (*text == '[') {
        const char *end = strchr(text, ']');
        return end && (end[1] == '\0' || (end[1] == ':' && parse_port(end + 2, &ret->port))) &&
               parse_host(text + 1, (size_t)(end - text - 1), true, ret);
    }
    const char *colon = strchr(text, ':');
    if (!colon && !strchr(text, '.'))
        return parse_port(text, &ret->port) && parse_host("127.0.0.1", 9, false, ret);
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    return (!colon || parse_port(colon + 1, &ret->port)) && parse_host(text, len, false, ret);
}
