/* What an error body says, read from its first bytes without a parser: tolerant, bounded, fit for a
 * log line. Pure. */
#include "rest/parts.h"

struct reader {
    const char *at, *end;
};

static char peek(const struct reader *r)
{
    return r->at < r->end ? *r->at : '\0';
}

static void skip_blank(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r' || *r->at == '\n'))
        r->at++;
}

/* From the opening quote to behind the closing one, or to the end of what is here. */
static struct sc_str take_string(struct reader *r)
{
    const char *from = ++r->at;
    while (r->at < r->end && *r->at != '"')
        r->at += *r->at == '\\' && r->end - r->at > 1 ? 2 : 1;
    struct sc_str raw = {from, (size_t)(r->at - from)};
    if (r->at < r->end)
        r->at++;
    return raw;
}

static struct sc_str take_number(struct reader *r)
{
    const char *from = r->at;
    while (r->at < r->end && *r->at && strchr("+-.0123456789eE", *r->at))
        r->at++;
    return (struct sc_str){from, (size_t)(r->at - from)};
}

static char plain(char c)
{
    unsigned char u = (unsigned char)c;
    return u < ' ' ? ' ' : u > '~' ? '?' : c;
}

static char escaped(char c)
{
    return c && strchr("nrtbf", c) ? ' ' : plain(c);
}

static size_t copy(struct sc_str raw, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < raw.len && n + 1 < cap; i++) {
        bool escape = raw.ptr[i] == '\\' && i + 1 < raw.len;
        if (!escape) {
            out[n++] = plain(raw.ptr[i]);
        } else if (raw.ptr[++i] == 'u') {
            out[n++] = '?';
            i += raw.len - i > 4 ? 4 : raw.len - i - 1;
        } else {
            out[n++] = escaped(raw.ptr[i]);
        }
    }
    out[n] = '\0';
    return n;
}

size_t rest_error_member(struct sc_str body, const char *name, char *out, size_t cap)
{
    struct reader r = {body.ptr, body.ptr + body.len};
    unsigned depth = 0;
    out[0] = '\0';
    for (skip_blank(&r); r.at < r.end; skip_blank(&r)) {
        char c = peek(&r);
        if (c != '"') {
            depth += c == '{' || c == '[';
            depth -= depth && (c == '}' || c == ']');
            if (depth == 0) /* what begins with anything but '{' or '[' is no error body */
                break;
            r.at++;
            continue;
        }
        struct sc_str key = take_string(&r);
        skip_blank(&r);
        if (depth != 1 || peek(&r) != ':' || !sc_str_is(key, name))
            continue;
        r.at++;
        skip_blank(&r);
        return copy(peek(&r) == '"' ? take_string(&r) : take_number(&r), out, cap);
    }
    return 0;
}

bool rest_is_web_page(struct sc_str body)
{
    struct reader r = {body.ptr, body.ptr + body.len};
    skip_blank(&r);
    return peek(&r) == '<';
}
