/* URL helpers. libcurl's parser decides what a URL is, so that what is checked is what is later
 * connected to. */
#include "http/http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <strings.h>

#include "http/url.h"

CURLU *sc_url_parse(const char *url)
{
    CURLU *u = url ? curl_url() : NULL;
    char *scheme = NULL;
    bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    if (!ok) {
        curl_url_cleanup(u);
        return NULL;
    }
    return u;
}

bool sc_url_place(CURLU *u, struct sc_url_place *ret)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    bool ok = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              (curl_url_get(u, CURLUPART_HOST, &host, CURLU_PUNYCODE) == CURLUE_OK ||
               curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) &&
              strlen(host) < sizeof(ret->host);
    if (ok) {
        ret->tls = strcmp(scheme, "https") == 0;
        ret->port = (uint16_t)strtoul(port, NULL, 10);
        size_t i = 0;
        for (; host[i]; i++)
            ret->host[i] = (char)tolower((unsigned char)host[i]);
        ret->host[i] = '\0';
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return ok;
}

int sc_url_origin(const char *url, char *out, size_t cap)
{
    struct sc_url_place place;
    CURLU *u = sc_url_parse(url);
    bool ok = u && sc_url_place(u, &place);
    curl_url_cleanup(u);
    if (!ok)
        return -1;
    int n;
    if (place.port == (place.tls ? 443 : 80))
        n = snprintf(out, cap, "%s://%s", place.tls ? "https" : "http", place.host);
    else
        n = snprintf(out, cap, "%s://%s:%u", place.tls ? "https" : "http", place.host, place.port);
    return n >= 0 && (size_t)n < cap ? 0 : -1;
}

bool sc_host_is_loopback(const char *host)
{
    size_t len = strlen(host);
    struct in_addr v4;
    struct in6_addr v6;
    char bare[64];
    if (len > 0 && host[len - 1] == '.')
        len--;
    if (len == 9 && strncasecmp(host, "localhost", 9) == 0)
        return true;
    if (len > 10 && strncasecmp(host + len - 10, ".localhost", 10) == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (host[0] != '[' || len < 3 || len - 2 >= sizeof(bare))
        return false;
    memcpy(bare, host + 1, len - 2);
    bare[len - 2] = '\0';
    return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool sc_host_is_address(const char *host)
{
    struct in_addr v4;
    return host[0] == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

bool sc_url_is_loopback(const char *url)
{
    struct sc_url_place place;
    CURLU *u = sc_url_parse(url);
    bool ok = u && sc_url_place(u, &place) && sc_host_is_loopback(place.host);
    curl_url_cleanup(u);
    return ok;
}

bool sc_url_is_plain_http(const char *url)
{
    struct sc_url_place place;
    CURLU *u = sc_url_parse(url);
    bool ok = u && sc_url_place(u, &place) && !place.tls;
    curl_url_cleanup(u);
    return ok;
}

static bool is_absolute(const char *path)
{
    size_t i = 0;
    while (isalnum((unsigned char)path[i]) || path[i] == '+' || path[i] == '-' || path[i] == '.')
        i++;
    return i > 0 && isalpha((unsigned char)path[0]) && strncmp(path + i, "://", 3) == 0;
}

int sc_url_join(const char *base, const char *path, struct sc_buf *out)
{
    CURLU *u = sc_url_parse(is_absolute(path) ? path : base);
    char *text = NULL;
    int rc = -1;
    if (!u)
        return -1;
    if (is_absolute(path)) {
        rc = sc_buf_add_str(out, path);
    } else if (curl_url_set(u, CURLUPART_QUERY, NULL, 0) == CURLUE_OK &&
               curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK &&
               curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK) {
        size_t len = strlen(text);
        while (len > 0 && text[len - 1] == '/')
            len--;
        rc = sc_buf_add(out, text, len);
        if (rc == 0 && path[0] != '/' && path[0] != '?')
            rc = sc_buf_add_char(out, '/');
        if (rc == 0)
            rc = sc_buf_add_str(out, path);
    }
    curl_free(text);
    curl_url_cleanup(u);
    return rc;
}

char *sc_url_follow(const char *current, struct sc_str location)
{
    char *where = sc_dup_str(location), *text = NULL, *copy = NULL;
    CURLU *u = where ? sc_url_parse(current) : NULL;
    if (u && curl_url_set(u, CURLUPART_URL, where, CURLU_URLENCODE) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK)
        copy = sc_dup(text);
    curl_free(text);
    curl_url_cleanup(u);
    free(where);
    return copy;
}
