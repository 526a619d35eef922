/* Link headers (RFC 8288), and what of their targets is followed. Pure. */
#include "rest/parts.h"

#include <strings.h>

/* ---- one header line ---------------------------------------------------------------------------------------------------- */

struct scan {
    const char *at, *end;
};

static bool at_any(const struct scan *s, const char *set)
{
    return s->at < s->end && *s->at && strchr(set, *s->at);
}

static void skip(struct scan *s, const char *set)
{
    while (at_any(s, set))
        s->at++;
}

static struct sc_str take_until(struct scan *s, const char *set)
{
    const char *from = s->at;
    while (s->at < s->end && !at_any(s, set))
        s->at++;
    return (struct sc_str){from, (size_t)(s->at - from)};
}

/* Between quotes; a '\' takes the next byte as it is. */
static bool take_quoted(struct scan *s, struct sc_str *ret)
{
    const char *from = ++s->at;
    for (; s->at < s->end; s->at++) {
        if (*s->at == '"') {
            *ret = (struct sc_str){from, (size_t)(s->at++ - from)};
            return true;
        }
        if (*s->at == '\\' && s->at + 1 < s->end)
            s->at++;
    }
    return false;
}

static bool same_word(struct sc_str a, const char *b)
{
    return a.len == strlen(b) && strncasecmp(a.ptr, b, a.len) == 0;
}

/* A relation may be one of several: rel="first next". */
static bool names_relation(struct sc_str value, const char *relation)
{
    struct scan s = {value.ptr, value.ptr + value.len};
    while (s.at < s.end) {
        skip(&s, " \t");
        if (same_word(take_until(&s, " \t"), relation))
            return true;
    }
    return false;
}

struct link {
    struct sc_str target;
    bool rel_seen, matches, anchored;
};

static bool take_parameter(struct scan *s, const char *relation, struct link *link)
{
    struct sc_str value = {0}, name = take_until(s, " \t=;,");
    skip(s, " \t");
    if (at_any(s, "=")) {
        s->at++;
        skip(s, " \t");
        if (!at_any(s, "\""))
            value = take_until(s, " \t;,");
        else if (!take_quoted(s, &value))
            return false;
    }
    if (same_word(name, "anchor"))
        link->anchored = true;
    if (same_word(name, "rel") && !link->rel_seen) { /* the first one counts */
        link->rel_seen = true;
        link->matches = value.len && names_relation(value, relation);
    }
    return true;
}

/* "<target>" and its parameters, up to the ',' of the next one. */
static bool take_link(struct scan *s, const char *relation, struct link *link)
{
    if (!at_any(s, "<"))
        return false;
    s->at++;
    link->target = take_until(s, ">");
    if (s->at == s->end)
        return false;
    s->at++;
    for (;;) {
        skip(s, " \t");
        if (s->at == s->end || *s->at == ',')
            return true;
        if (*s->at != ';')
            return false;
        skip(s, " \t;");
        if (s->at < s->end && *s->at != ',' && !take_parameter(s, relation, link))
            return false;
    }
}

struct sc_str rest_link_target(struct sc_str line, const char *relation)
{
    struct scan s = {line.ptr, line.ptr + line.len};
    for (skip(&s, " \t,"); s.at < s.end; skip(&s, " \t,")) {
        struct link link = {0};
        if (!take_link(&s, relation, &link))
            break;
        if (link.matches && !link.anchored)
            return link.target;
    }
    return (struct sc_str){0};
}

/* ---- its target --------------------------------------------------------------------------------------------------------- */

struct url {
    struct sc_str scheme, host, port, path; /* path: with query */
};

static bool split(struct sc_str text, struct url *ret)
{
    struct scan s = {text.ptr, text.ptr + text.len};
    struct url u = {.scheme = take_until(&s, ":/?#@")};
    if (u.scheme.len == 0 || s.end - s.at < 3 || memcmp(s.at, "://", 3) != 0)
        return false;
    s.at += 3;
    struct sc_str authority = take_until(&s, "/?#");
    u.path = take_until(&s, "#");
    struct scan a = {authority.ptr, authority.ptr + authority.len};
    u.host = take_until(&a, at_any(&a, "[") ? "]" : ":");
    if (at_any(&a, "]")) {
        a.at++;
        u.host.len++;
    }
    if (at_any(&a, ":"))
        a.at++;
    else if (a.at < a.end)
        return false;
    u.port = (struct sc_str){a.at, (size_t)(a.end - a.at)};
    if (u.port.len == 0)
        u.port = sc_str_of(same_word(u.scheme, "https") ? "443" : "80");
    *ret = u;
    return u.host.len > 0;
}

static bool same_folded(struct sc_str a, struct sc_str b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static bool same_origin(const struct url *a, const struct url *b)
{
    return same_folded(a->scheme, b->scheme) && same_folded(a->host, b->host) && sc_str_eq(a->port, b->port);
}

static bool is_printable(struct sc_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    }
    return true;
}

/* "." and "..", also percent-encoded: whatever sends it takes them out, and with ".." what stands before. */
static bool climbs(struct sc_str path)
{
    struct scan s = {path.ptr, path.ptr + path.len};
    while (s.at < s.end && !at_any(&s, "?")) {
        s.at++; /* a '/' */
        struct sc_str part = take_until(&s, "/?");
        size_t dots = 0, n = 0;
        while (n < part.len) {
            bool coded = part.len - n >= 3 && strncasecmp(part.ptr + n, "%2e", 3) == 0;
            dots += coded || part.ptr[n] == '.' ? 1 : 3;
            n += coded ? 3 : 1;
        }
        if (dots == 1 || dots == 2)
            return true;
    }
    return false;
}

const char *rest_link_below(const char *base_url, struct sc_str target, struct sc_str *ret)
{
    struct url base, to;
    if (!split(sc_str_of(base_url), &base))
        return "is not followed, the base URL being none";
    if (target.len == 0 || !is_printable(target))
        return "is no URL";
    bool rooted = target.ptr[0] == '/' && !(target.len > 1 && target.ptr[1] == '/');
    if (rooted) {
        struct scan s = {target.ptr, target.ptr + target.len};
        to = base;
        to.path = take_until(&s, "#");
    } else if (!split(target, &to)) {
        return "is no absolute URL";
    }
    if (!same_origin(&base, &to))
        return "is on another host, scheme or port";
    while (base.path.len && base.path.ptr[base.path.len - 1] == '/')
        base.path.len--;
    if (to.path.len <= base.path.len || memcmp(to.path.ptr, base.path.ptr, base.path.len) != 0 ||
        to.path.ptr[base.path.len] != '/')
        return "is outside the base URL's path";
    struct sc_str below = {to.path.ptr + base.path.len, to.path.len - base.path.len};
    if (climbs(below))
        return "holds a part \".\" or \"..\"";
    *ret = below;
    return NULL;
}

const char *rest_url_below(const char *base_url, struct sc_str target, struct sc_str *ret)
{
    struct url base, to;
    if (!split(sc_str_of(base_url), &base))
        return "is not followed, the base URL being none";
    if (target.len == 0 || !is_printable(target) || !split(target, &to))
        return "is no absolute URL";
    if (!same_folded(to.scheme, sc_str_of("https")) && !same_folded(to.scheme, sc_str_of("http")))
        return "is no web address";
    if (same_origin(&base, &to))
        return rest_link_below(base_url, target, ret);
    if (to.path.len == 0 || to.path.ptr[0] != '/')
        return "has no path";
    if (climbs(to.path))
        return "holds a part \".\" or \"..\"";
    *ret = to.path;
    return NULL;
}
