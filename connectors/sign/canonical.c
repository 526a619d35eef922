#include "sign/canonical.h"

#include <string.h>

#define WHY_LONG "the address is too long to be signed"

/* ---- one byte after the other -------------------------------------------------------------------------------------------------- */

struct line {
    char *text;
    size_t len;
    bool full;
};

static void put(struct line *line, char c)
{
    if (line->len + 1 >= SIGN_MAX_TEXT) {
        line->full = true;
        return;
    }
    line->text[line->len++] = c;
    line->text[line->len] = '\0';
}

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
}

static void put_encoded(struct line *line, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";
    if (is_plain(c)) {
        put(line, (char)c);
        return;
    }
    put(line, '%');
    put(line, hex[c >> 4]);
    put(line, hex[c & 15]);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decoded and encoded again, so that "%2f", "%2F" and "/" are one. */
static const char *put_again(struct line *line, struct sc_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '+')
            return "a '+' in the query may mean a blank or itself: write %20 or %2B";
        if (c == '%') {
            int high = text.len - i > 2 ? hex_digit(text.ptr[i + 1]) : -1, low = text.len - i > 2 ? hex_digit(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return "a '%' in the query has no two hex digits behind it";
            c = (unsigned char)(high << 4 | low);
            i += 2;
        }
        put_encoded(line, c);
    }
    return NULL;
}

/* ---- parameters ------------------------------------------------------------------------------------------------------------------ */

struct param {
    struct sc_str name, value; /* encoded */
};

static int compare(struct sc_str a, struct sc_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

static bool is_before(const struct param *a, const struct param *b)
{
    int order = compare(a->name, b->name);
    return order < 0 || (order == 0 && compare(a->value, b->value) < 0);
}

static void insert(struct param *params, unsigned count, struct param param)
{
    for (; count && is_before(&param, &params[count - 1]); count--)
        params[count] = params[count - 1];
    params[count] = param;
}

static const char *encode(struct line *line, struct sc_str text, struct sc_str *ret)
{
    size_t from = line->len;
    const char *why = put_again(line, text);
    *ret = (struct sc_str){line->text + from, line->len - from};
    return why;
}

static void put_str(struct line *line, struct sc_str text)
{
    for (size_t i = 0; i < text.len; i++)
        put(line, text.ptr[i]);
}

const char *sign_canonical_query(struct sc_str query, char out[SIGN_MAX_TEXT])
{
    char encoded[SIGN_MAX_TEXT] = "";
    struct param params[SIGN_MAX_PARAMS];
    struct line parts = {.text = encoded}, line = {.text = out};
    unsigned count = 0;
    out[0] = '\0';
    for (size_t at = 0, end; at < query.len; at = end + 1) {
        const char *amp = memchr(query.ptr + at, '&', query.len - at);
        end = amp ? (size_t)(amp - query.ptr) : query.len;
        const char *equals = memchr(query.ptr + at, '=', end - at);
        size_t name_end = equals ? (size_t)(equals - query.ptr) : end, value = equals ? name_end + 1 : end;
        struct param param;
        if (end == at)
            continue; /* nothing between two '&' is no parameter */
        if (count == SIGN_MAX_PARAMS)
            return "the query has too many parameters to be signed";
        const char *why = encode(&parts, (struct sc_str){query.ptr + at, name_end - at}, &param.name);
        if (!why)
            why = encode(&parts, (struct sc_str){query.ptr + value, end - value}, &param.value);
        if (why)
            return why;
        insert(params, count++, param);
    }
    for (unsigned i = 0; i < count; i++) {
        if (i)
            put(&line, '&');
        put_str(&line, params[i].name);
        put(&line, '=');
        put_str(&line, params[i].value);
    }
    return parts.full || line.full ? WHY_LONG : NULL;
}

const char *sign_canonical_path(struct sc_str path, char out[SIGN_MAX_TEXT])
{
    struct line line = {.text = out};
    out[0] = '\0';
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '/')
            put(&line, '/');
        else
            put_encoded(&line, (unsigned char)path.ptr[i]);
    }
    return line.full ? WHY_LONG : NULL;
}
