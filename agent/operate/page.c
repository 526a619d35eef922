#include "operate/page.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define READ_BYTES 16384u

static struct sc_str beginning(struct sc_str text)
{
    return (struct sc_str){text.ptr, text.len < READ_BYTES ? text.len : READ_BYTES};
}

static const char *find(struct sc_str text, const char *what)
{
    size_t len = strlen(what);
    for (size_t i = 0; i + len <= text.len; i++)
        if (strncasecmp(text.ptr + i, what, len) == 0)
            return text.ptr + i;
    return NULL;
}

/* ---- pages --------------------------------------------------------------------------------------------------------------------------- */

static bool begins(struct sc_str text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && strncasecmp(text.ptr, with, len) == 0;
}

/* Behind byte order mark, blanks, XML declaration and comments. */
static struct sc_str skip_to_element(struct sc_str text)
{
    if (begins(text, "\xef\xbb\xbf"))
        text = (struct sc_str){text.ptr + 3, text.len - 3};
    for (;;) {
        while (text.len && isspace((unsigned char)*text.ptr))
            text.ptr++, text.len--;
        const char *end = begins(text, "<!--") ? "-->" : begins(text, "<?") ? "?>" : NULL;
        const char *at = end ? find(text, end) : NULL;
        if (!at)
            return text;
        size_t skip = (size_t)(at - text.ptr) + strlen(end);
        text = (struct sc_str){text.ptr + skip, text.len - skip};
    }
}

/* Letters and blanks of a title, tags left out; the usual entities. */
static void copy_title(const char *at, const char *end, char title[SC_PAGE_TITLE])
{
    size_t used = 0;
    while (at < end && used + 1 < SC_PAGE_TITLE) {
        unsigned char c = (unsigned char)*at;
        struct sc_str rest = {at, (size_t)(end - at)};
        size_t step = 1;
        if (begins(rest, "&amp;"))
            c = '&', step = 5;
        else if (begins(rest, "&nbsp;"))
            c = ' ', step = 6;
        else if (begins(rest, "&#39;"))
            c = '\'', step = 5;
        bool blank = c <= ' ' || c == 0x7f;
        if (!blank)
            title[used++] = (char)(c == '"' ? '\'' : c);
        else if (used && title[used - 1] != ' ')
            title[used++] = ' ';
        at += step;
    }
    while (used && (title[used - 1] == ' ' || ((unsigned char)title[used - 1] & 0xC0) == 0x80)) /* half a character at the end */
        used--;
    title[used] = '\0';
}

bool sc_page_read(struct sc_str text, char title[SC_PAGE_TITLE])
{
    text = beginning(text);
    struct sc_str body = skip_to_element(text);
    title[0] = '\0';
    bool page = begins(body, "<!doctype html") || begins(body, "<html") || begins(body, "<head") || begins(body, "<body") || begins(body, "<title") ||
                begins(body, "<script") || begins(body, "<center") || begins(body, "<h1");
    const char *at = page ? find(body, "<title") : NULL, *open = NULL, *close = NULL;
    if (at)
        open = memchr(at, '>', body.len - (size_t)(at - body.ptr));
    if (open)
        close = find((struct sc_str){open, body.len - (size_t)(open - body.ptr)}, "</title");
    if (close)
        copy_title(open + 1, close, title);
    return page;
}

bool sc_page_wants_cert(int status, struct sc_str text)
{
    text = beginning(text);
    return status == 495 || status == 496 ||
           (status == 400 && (find(text, "No required SSL certificate was sent") || find(text, "The SSL certificate error")));
}

/* ---- addresses ------------------------------------------------------------------------------------------------------------------------- */

static bool is_address(const char *word)
{
    unsigned char room[16];
    return inet_pton(AF_INET, word, room) == 1 || (strchr(word, ':') && strlen(word) > 4 && inet_pton(AF_INET6, word, room) == 1);
}

/* The first word of it that is one. */
static void find_address(struct sc_str text, char quoted[48])
{
    char word[48];
    size_t len = 0;
    quoted[0] = '\0';
    for (size_t i = 0; i <= text.len; i++) {
        char c = i < text.len ? text.ptr[i] : ' ';
        if (isxdigit((unsigned char)c) || c == '.' || c == ':') {
            if (len < sizeof word - 1)
                word[len++] = c;
            continue;
        }
        bool glued = isalpha((unsigned char)c) || c == '_';
        while (len && (word[len - 1] == '.' || word[len - 1] == ':')) /* the end of a sentence */
            len--;
        word[len] = '\0';
        char *start = word;
        while (*start == ':' && start[1] != ':') /* "ip:192.0.2.1" */
            start++;
        if (len && !glued && is_address(start)) {
            snprintf(quoted, 48, "%s", start);
            return;
        }
        len = 0;
        while (glued && i + 1 < text.len && (isalnum((unsigned char)text.ptr[i + 1]) || text.ptr[i + 1] == '_'))
            i++;
    }
}

bool sc_page_refuses_address(struct sc_str text, char quoted[48])
{
    static const char *const phrases[] = {
        "ip address",    "ip_address",     "ipaddress",      "ip not allowed",   "ip_not_allowed", "ipnotallowed", "ip is not allowed", "source ip",
        "client ip",     "your ip",        "ip range",       "ip restrict",      "ip_restrict",    "ip allow",     "ip white",          "allowlist",
        "allow list",    "allow-list",     "allowed list",   "whitelist",        "white list",     "network policy", "network zone",    "network location",
        "source address", "trusted network", "aadsts53003",  "aadsts500011x",
    };
    text = beginning(text);
    quoted[0] = '\0';
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        if (!find(text, phrases[i]))
            continue;
        find_address(text, quoted);
        return true;
    }
    return false;
}

bool sc_address_is_private(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        uint32_t a = ntohl(v4.s_addr);
        return a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 || a >> 24 == 127 || a >> 16 == 0xa9fe || a >> 22 == 0x64400000u >> 22;
    }
    return inet_pton(AF_INET6, address, &v6) == 1 && ((v6.s6_addr[0] & 0xfe) == 0xfc || IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_LOOPBACK(&v6));
}
