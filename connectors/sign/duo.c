#include "sign/duo.h"

#include "sign/canonical.h"

#include <stdlib.h>

#define DAY_MS 86400000

/* "Fri, 21 Aug 2026 17:29:18 -0000"; NULL: out of memory. */
static const char *date_text(struct sc_host *host, int64_t ms)
{
    static const char days[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"}; /* 1970-01-01 was a Thursday */
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const char *t = host->api->rfc3339(host, ms); /* 2026-08-21T17:29:18.000Z */
    if (!t || ms < 0)
        return NULL;
    unsigned month = (unsigned)(t[5] - '0') * 10 + (unsigned)(t[6] - '0');
    return host->api->text(host, "%s, %.2s %s %.4s %.8s -0000", days[ms / DAY_MS % 7], t + 8, months[(month - 1) % 12], t, t + 11);
}

/* As the API host name stands in the settings: without the port that a test may have. */
static int host_length(const char *host)
{
    const char *end = strrchr(host, ':');
    return (int)(end && end[1 + strspn(end + 1, "0123456789")] == '\0' ? (size_t)(end - host) : strlen(host));
}

const char *duo_sign(struct sc_host *host, const struct sc_to_sign *in, const char *integration_key, const char *secret_key,
                     struct sc_header out[SC_MAX_SIGN_HEADERS])
{
    char query[SIGN_MAX_TEXT];
    unsigned char mac[64];
    if (!integration_key || !*integration_key || !secret_key || !*secret_key)
        return "integration key or secret key is missing: give both in credentials";
    if (strcmp(in->method, "GET") != 0 || in->body.len)
        return "this form of Duo's signature is for GET alone";
    const char *why = sign_canonical_query(in->query, query);
    if (why)
        return why;
    if (!sc_str_is(in->query, query))
        return "the parameters are not in the order and escaping that Duo signs";
    const char *date = date_text(host, in->now);
    const char *signing = date ? host->api->text(host, "%s\n%s\n%.*s\n%.*s\n%s", date, in->method, host_length(in->host), in->host, (int)in->path.len,
                                                 in->path.ptr, query)
                               : NULL;
    size_t len = signing ? host->api->hmac(SC_SHA1, sc_str_of(secret_key), sc_str_of(signing), mac) : 0;
    const char *hex = len ? host->api->hex(host, (struct sc_str){(const char *)mac, len}) : NULL;
    const char *pair = hex ? host->api->text(host, "%s:%s", integration_key, hex) : NULL;
    const char *basic = pair ? host->api->base64(host, sc_str_of(pair)) : NULL;
    const char *value = basic ? host->api->text(host, "Basic %s", basic) : NULL;
    if (!value)
        return "out of memory for a signature";
    out[0] = (struct sc_header){"Date", date};
    out[1] = (struct sc_header){"Authorization", value};
    out[2] = (struct sc_header){NULL, NULL};
    return NULL;
}
