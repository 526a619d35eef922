#include "config/url.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

static struct sc_str cut(struct sc_str text, size_t from, size_t to)
{
    return (struct sc_str){text.ptr + from, to - from};
}

static size_t find(struct sc_str text, size_t from, const char *set)
{
    while (from < text.len && !memchr(set, text.ptr[from], strlen(set)))
        from++;
    return from;
}

static const char *check_bytes(struct sc_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= 0x20 || c == 0x7F)
            return "contains a blank or a control character";
        if (c > 0x7F)
            return "contains a letter outside ASCII (write a host name in its xn-- form)";
        if (strchr("\\\"<>^`{|}", c))
            return "contains a character that no URL may have";
    }
    return NULL;
}

static const char *check_host(const struct sc_url *url)
{
    struct sc_str host = url->host;
    if (!host.len)
        return "has no host";
    if (host.len > 253)
        return "has a host name of more than 253 characters";
    if (url->bracketed) {
        char text[64];
        struct in6_addr address;
        if (host.len >= sizeof text)
            return "has no IPv6 address in its brackets";
        memcpy(text, host.ptr, host.len);
        text[host.len] = '\0';
        return inet_pton(AF_INET6, text, &address) == 1 ? NULL : "has no IPv6 address in its brackets";
    }
    char before = '.';
    for (size_t i = 0; i < host.len; before = host.ptr[i++]) {
        char c = host.ptr[i];
        if (!isalnum((unsigned char)c) && c != '-' && c != '_' && c != '.')
            return "has a host name with a character that none may have";
        if (c == '.' && before == '.')
            return "has a host name with an empty part";
    }
    return NULL;
}

static const char *parse_authority(struct sc_str text, struct sc_url *url)
{
    size_t at = text.len, end;
    while (at && text.ptr[at - 1] != '@')
        at--;
    if (at) {
        url->userinfo = cut(text, 0, at - 1);
        text = cut(text, at, text.len);
    }
    url->bracketed = text.len && text.ptr[0] == '[';
    if (url->bracketed) {
        end = find(text, 0, "]");
        if (end == text.len)
            return "has a '[' without ']'";
        url->host = cut(text, 1, end++);
    } else {
        end = find(text, 0, ":");
        url->host = cut(text, 0, end);
    }
    if (end < text.len) {
        int64_t port;
        if (text.ptr[end] != ':')
            return "has something between ']' and the port";
        url->port = cut(text, end + 1, text.len);
        if (!isdigit((unsigned char)(url->port.len ? url->port.ptr[0] : 0)) || !sc_parse_int(url->port, &port) || port < 1 || port > 65535)
            return "has a port that is not from 1 to 65535";
    }
    return check_host(url);
}

const char *sc_setting_url_parse(struct sc_str text, struct sc_url *ret)
{
    struct sc_url url = {0};
    const char *why = check_bytes(text);
    if (why)
        return why;
    const char *colon = text.len ? memmem(text.ptr, text.len, "://", 3) : NULL;
    if (colon && find(text, 0, "/?#@") > (size_t)(colon - text.ptr)) {
        url.scheme = cut(text, 0, (size_t)(colon - text.ptr));
        text = cut(text, url.scheme.len + 3, text.len);
    }
    size_t end = find(text, 0, "/?#"), tail = find(text, end, "?#");
    if (tail > end)
        url.path = cut(text, end, tail);
    if (tail < text.len)
        url.tail = cut(text, tail, text.len);
    why = parse_authority(cut(text, 0, end), &url);
    if (!why)
        *ret = url;
    return why;
}

static bool same(struct sc_str text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

bool sc_url_host_is_loopback(const struct sc_url *url)
{
    char text[64];
    struct in_addr v4;
    struct in6_addr v6;
    if (same(url->host, "localhost"))
        return true;
    if (url->host.len >= sizeof text)
        return false;
    memcpy(text, url->host.ptr, url->host.len);
    text[url->host.len] = '\0';
    if (url->bracketed)
        return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    return inet_pton(AF_INET, text, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

static void add_lower(struct sc_buf *out, struct sc_str text)
{
    for (size_t i = 0; i < text.len; i++)
        sc_buf_add_char(out, (char)tolower((unsigned char)text.ptr[i]));
}

int sc_url_add_origin(const struct sc_url *url, struct sc_buf *out)
{
    int64_t port = 0, own = same(url->scheme, "https") ? 443 : 80;
    add_lower(out, url->scheme);
    sc_buf_add_str(out, url->bracketed ? "://[" : "://");
    add_lower(out, url->host);
    sc_buf_add_str(out, url->bracketed ? "]" : "");
    if (url->port.ptr && sc_parse_int(url->port, &port) && port != own)
        sc_buf_addf(out, ":%lld", (long long)port);
    return out->failed ? -1 : 0;
}

int sc_proxy_check(const char *text)
{
    static const char *const schemes[] = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
    struct sc_url url;
    if (!*text)
        return 0;
    if (sc_setting_url_parse(sc_str_of(text), &url) || url.tail.ptr || (url.path.len && !sc_str_is(url.path, "/")))
        return -1;
    bool known = !url.scheme.ptr;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        known |= same(url.scheme, schemes[i]);
    return known ? 0 : -1;
}

/* "user:pass/word@host": no port, and an '@' further on: somebody's password has a '/' that should have been %2F. */
static bool goes_on(struct sc_str item, size_t from, size_t end)
{
    size_t colon = find(item, from, ":");
    bool port = colon + 1 < end;
    for (size_t i = colon + 1; i < end; i++)
        port = port && isdigit((unsigned char)item.ptr[i]);
    return colon < end && !port && item.ptr[from] != '[' && find(item, end, "@") < item.len;
}

/* The userinfo of one URL of the list, as far as it can be found in what may be no URL at all. */
static struct sc_str find_userinfo(struct sc_str item)
{
    const char *scheme = item.len ? memmem(item.ptr, item.len, "://", 3) : NULL;
    size_t from = scheme ? (size_t)(scheme - item.ptr) + 3 : 0, end = find(item, from, "/?#"), at;
    if (goes_on(item, from, end))
        end = item.len;
    at = end;
    while (at > from && item.ptr[at - 1] != '@')
        at--;
    return at > from ? cut(item, from, at - 1) : (struct sc_str){NULL, 0};
}

static int tell_secret(struct sc_str value, int (*fn)(const char *value, size_t len))
{
    struct sc_buf plain SC_AUTO_BUF = {0};
    int rc = fn(value.ptr, value.len);
    for (size_t i = 0; i < value.len; i++) {
        char hex[3] = {0};
        if (value.ptr[i] == '%' && i + 2 < value.len && isxdigit((unsigned char)value.ptr[i + 1]) &&
            isxdigit((unsigned char)value.ptr[i + 2])) {
            memcpy(hex, value.ptr + i + 1, 2);
            sc_buf_add_char(&plain, (char)strtol(hex, NULL, 16));
            i += 2;
        } else {
            sc_buf_add_char(&plain, value.ptr[i]);
        }
    }
    if (!plain.failed && !sc_str_eq(sc_buf_str(&plain), value))
        rc |= fn(plain.ptr, plain.len);
    if (plain.ptr)
        explicit_bzero(plain.ptr, plain.len);
    return rc || plain.failed ? -1 : 0;
}

int sc_url_each_secret(const char *list, bool lone_too, int (*fn)(const char *value, size_t len))
{
    int rc = 0;
    for (struct sc_str rest = sc_str_of(list); rest.len;) {
        size_t end = find(rest, 0, ",");
        struct sc_str userinfo = find_userinfo(cut(rest, 0, end));
        size_t colon = find(userinfo, 0, ":");
        if (userinfo.ptr && colon < userinfo.len)
            rc |= tell_secret(cut(userinfo, colon + 1, userinfo.len), fn);
        else if (userinfo.len && lone_too)
            rc |= tell_secret(userinfo, fn);
        rest = cut(rest, end < rest.len ? end + 1 : end, rest.len);
    }
    return rc ? -1 : 0;
}

static int found_one(const char *value, size_t len)
{
    (void)value, (void)len;
    return -1;
}

bool sc_url_has_secret(const char *list)
{
    return sc_url_each_secret(list, false, found_one) != 0;
}

void sc_url_mask(const char *list, struct sc_buf *out)
{
    for (struct sc_str rest = sc_str_of(list); rest.len;) {
        size_t end = find(rest, 0, ",");
        struct sc_str item = cut(rest, 0, end), userinfo = find_userinfo(item);
        if (userinfo.ptr) {
            sc_buf_add(out, item.ptr, (size_t)(userinfo.ptr - item.ptr));
            sc_buf_add_str(out, "[set]");
            item = cut(item, (size_t)(userinfo.ptr - item.ptr) + userinfo.len, item.len);
        }
        sc_buf_add(out, item.ptr, item.len);
        if (end < rest.len)
            sc_buf_add_char(out, ',');
        rest = cut(rest, end < rest.len ? end + 1 : end, rest.len);
    }
}
