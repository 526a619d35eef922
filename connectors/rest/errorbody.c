/* What an error body says, read from its first bytes without a parser: tolerant, bounded, fit for a log line. Pure. */
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
    while (r->at < r->end && *r->at && strchr(" \t\r\n", *r->at))
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

/* Moves to the value of a top-level member. What begins with anything but '{' or '[' is no error body. */
static bool find_member(struct reader *r, const char *name)
{
    unsigned depth = 0;
    for (skip_blank(r); r->at < r->end; skip_blank(r)) {
        char c = peek(r);
        if (c != '"') {
            depth += c == '{' || c == '[';
            depth -= depth && (c == '}' || c == ']');
            if (depth == 0)
                return false;
            r->at++;
            continue;
        }
        struct sc_str key = take_string(r);
        skip_blank(r);
        if (depth != 1 || peek(r) != ':' || !sc_str_is(key, name))
            continue;
        r->at++;
        skip_blank(r);
        return true;
    }
    return false;
}

size_t rest_error_member(struct sc_str body, const char *name, char *out, size_t cap)
{
    struct reader r = {body.ptr, body.ptr + body.len};
    out[0] = '\0';
    return find_member(&r, name) ? copy(peek(&r) == '"' ? take_string(&r) : take_number(&r), out, cap) : 0;
}

struct sc_str rest_error_value(struct sc_str body, const char *name)
{
    struct reader r = {body.ptr, body.ptr + body.len};
    return find_member(&r, name) && r.at < r.end ? (struct sc_str){r.at, (size_t)(r.end - r.at)} : (struct sc_str){0};
}

size_t rest_error_path(struct sc_str body, const char *path, char *out, size_t cap)
{
    char name[64];
    out[0] = '\0';
    for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
        size_t len = (size_t)(dot - path);
        if (len >= sizeof name)
            return 0;
        memcpy(name, path, len);
        name[len] = '\0';
        body = rest_error_value(body, name);
    }
    return body.len ? rest_error_member(body, path, out, cap) : 0;
}

bool rest_list_has(struct sc_str list, const char *text)
{
    struct reader r = {list.ptr, list.ptr + list.len};
    skip_blank(&r);
    if (peek(&r) != '[')
        return false;
    for (r.at++; r.at < r.end && *r.at != ']' && *r.at != '[' && *r.at != '{';) {
        if (*r.at != '"')
            r.at++;
        else if (sc_str_is(take_string(&r), text))
            return true;
    }
    return false;
}

/* Past '[', blanks and nulls: the first element that says anything; false: there is none. */
static bool enter_list(struct reader *r)
{
    skip_blank(r);
    if (peek(r) != '[')
        return r->at < r->end;
    r->at++;
    for (;;) {
        skip_blank(r);
        bool null = r->end - r->at >= 4 && memcmp(r->at, "null", 4) == 0;
        if (!null && peek(r) != ',')
            return r->at < r->end && *r->at != ']';
        r->at += null ? 4 : 1;
    }
}

struct sc_str rest_first_element(struct sc_str list)
{
    struct reader r = {list.ptr, list.ptr + list.len};
    return list.len && enter_list(&r) ? (struct sc_str){r.at, (size_t)(r.end - r.at)} : (struct sc_str){0};
}

static bool is_empty_object(struct reader r)
{
    r.at++;
    skip_blank(&r);
    return peek(&r) == '}';
}

bool rest_first_fault(struct sc_str list, const char *code, const char *text, struct rest_fault *ret)
{
    struct reader r = {list.ptr, list.ptr + list.len};
    *ret = (struct rest_fault){0};
    if (!list.len || !enter_list(&r))
        return false;
    struct sc_str element = {r.at, (size_t)(r.end - r.at)};
    if (peek(&r) == '{') {
        rest_error_member(element, code, ret->code, sizeof ret->code);
        rest_error_member(element, text, ret->text, sizeof ret->text);
        return !is_empty_object(r);
    }
    if (peek(&r) == '"') {
        copy(take_string(&r), ret->text, sizeof ret->text);
        return ret->text[0];
    }
    bool none = (element.len >= 4 && memcmp(element.ptr, "null", 4) == 0) || (element.len >= 5 && memcmp(element.ptr, "false", 5) == 0);
    if (!none) /* a number, true, a list within the list */
        copy((struct sc_str){element.ptr, element.len < 40 ? element.len : 40}, ret->text, sizeof ret->text);
    return !none;
}

bool rest_is_web_page(struct sc_str body)
{
    struct reader r = {body.ptr, body.ptr + body.len};
    skip_blank(&r);
    return peek(&r) == '<';
}

bool rest_number(struct sc_str text, int64_t *ret)
{
    int64_t n = 0;
    if (text.len == 0 || text.len > 18)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        n = n * 10 + (text.ptr[i] - '0');
    }
    *ret = n;
    return true;
}

int rest_status_of(const char *code)
{
    int status = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (code[i] < '0' || code[i] > '9')
            return 0;
        status = status * 10 + (code[i] - '0');
    }
    for (const char *c = code + 3; *c; c++) {
        if (*c < '0' || *c > '9')
            return 0;
    }
    return status >= 100 && status < 600 ? status : 0;
}
