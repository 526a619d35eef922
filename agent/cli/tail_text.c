/* Bytes from outside on their way to a terminal or into JSON. A record may hold anything that somebody managed to have logged. */
#include "cli/tail.h"

#include "base/utf8.h"

#include <stdio.h>

#define MAX_DEPTH 256 /* of JSON; a record has 128 at most */

/* ---- characters ------------------------------------------------------------------------------------------------------- */

static size_t width_of(uint32_t code)
{
    static const struct {
        uint32_t from, to;
        size_t width;
    } rows[] = {{0x300, 0x36F, 0},   {0xFE00, 0xFE0F, 0}, {0x1100, 0x115F, 2}, {0x2E80, 0xA4CF, 2},   {0xAC00, 0xD7A3, 2},
                {0xF900, 0xFAFF, 2}, {0xFE30, 0xFE6F, 2}, {0xFF00, 0xFF60, 2}, {0x1F300, 0x1FAFF, 2}, {0x20000, 0x3FFFF, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (code >= rows[i].from && code <= rows[i].to)
            return rows[i].width;
    return 1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- for people ------------------------------------------------------------------------------------------------------- */

/* What stands for the next character, in piece; how many bytes of text that is, *ret_width how wide. */
static size_t next_piece(struct sc_str text, bool one_line, char piece[16], size_t *ret_width)
{
    uint32_t code = 0;
    size_t used = 0, len;
    while (one_line && used < text.len && is_blank(text.ptr[used]))
        used++;
    if (used) {
        memcpy(piece, " ", 2);
        *ret_width = 1;
        return used;
    }
    used = sc_utf8_take(text, &code);
    if (used && !sc_utf8_is_harmful(code)) {
        memcpy(piece, text.ptr, used);
        piece[used] = '\0';
        *ret_width = width_of(code);
        return used;
    }
    len = (size_t)snprintf(piece, 16, used && code >= 0x100 ? "\\u%04x" : "\\x%02x", used ? (unsigned)code : (unsigned char)*text.ptr);
    *ret_width = len;
    return used ? used : 1;
}

size_t sc_add_visible(struct sc_buf *out, struct sc_str text, size_t columns, bool one_line)
{
    size_t used = 0, width, room_at = out->len, room_used = 0;
    char piece[16];
    while (text.len) {
        size_t taken = next_piece(text, one_line, piece, &width);
        if (used + width > columns) { /* the mark needs a column that may be taken already */
            out->len = room_at;
            if (out->ptr)
                out->ptr[out->len] = '\0';
            if (columns)
                sc_buf_add_str(out, "\xe2\x80\xa6");
            return columns ? room_used + 1 : 0;
        }
        sc_buf_add_str(out, piece);
        used += width;
        if (used < columns) {
            room_at = out->len;
            room_used = used;
        }
        text.ptr += taken;
        text.len -= taken;
    }
    return used;
}

void sc_add_raw(struct sc_buf *out, struct sc_str text, bool terminal)
{
    if (!terminal) {
        sc_buf_add(out, text.ptr, text.len);
        return;
    }
    for (size_t from = 0, at = 0; at <= text.len; at++) {
        if (at < text.len && text.ptr[at] != '\n' && text.ptr[at] != '\t')
            continue;
        sc_add_visible(out, (struct sc_str){text.ptr + from, at - from}, SIZE_MAX, false);
        if (at < text.len)
            sc_buf_add_char(out, text.ptr[at]);
        from = at + 1;
    }
}

void sc_add_unescaped(struct sc_buf *out, struct sc_str text, char mark)
{
    static const char digits[] = "0123456789ABCDEFabcdef";
    for (size_t i = 0; i < text.len; i++) {
        const char *high = i + 2 < text.len && text.ptr[i] == mark && text.ptr[i + 1] ? strchr(digits, text.ptr[i + 1]) : NULL;
        const char *low = high && text.ptr[i + 2] ? strchr(digits, text.ptr[i + 2]) : NULL;
        if (!low) {
            sc_buf_add_char(out, text.ptr[i]);
            continue;
        }
        size_t a = (size_t)(high - digits), b = (size_t)(low - digits);
        sc_buf_add_char(out, (char)((a > 15 ? a - 6 : a) << 4 | (b > 15 ? b - 6 : b)));
        i += 2;
    }
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------- */

struct json {
    const char *at, *end;
};

static void skip_blanks(struct json *j)
{
    while (j->at < j->end && is_blank(*j->at))
        j->at++;
}

static bool take(struct json *j, char c)
{
    bool there = j->at < j->end && *j->at == c;
    j->at += there;
    return there;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool take_escape(struct json *j)
{
    if (j->at >= j->end)
        return false;
    char c = *j->at++;
    if (c != 'u')
        return c && strchr("\"\\/bfnrt", c);
    for (int i = 0; i < 4; i++, j->at++)
        if (j->at >= j->end || !is_hex(*j->at))
            return false;
    return true;
}

static bool take_string(struct json *j)
{
    uint32_t code;
    if (!take(j, '"'))
        return false;
    while (j->at < j->end) {
        if (take(j, '"'))
            return true;
        if (take(j, '\\')) {
            if (!take_escape(j))
                return false;
            continue;
        }
        size_t len = (unsigned char)*j->at < 0x20 ? 0 : sc_utf8_take((struct sc_str){j->at, (size_t)(j->end - j->at)}, &code);
        if (!len)
            return false;
        j->at += len;
    }
    return false;
}

static bool take_digits(struct json *j)
{
    const char *first = j->at;
    while (j->at < j->end && *j->at >= '0' && *j->at <= '9')
        j->at++;
    return j->at > first;
}

static bool take_number(struct json *j)
{
    take(j, '-');
    if (!take(j, '0') && !take_digits(j))
        return false;
    if (take(j, '.') && !take_digits(j))
        return false;
    if (take(j, 'e') || take(j, 'E')) {
        if (!take(j, '+'))
            take(j, '-');
        return take_digits(j);
    }
    return true;
}

static bool take_word(struct json *j, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(j->end - j->at) < len || memcmp(j->at, word, len) != 0)
        return false;
    j->at += len;
    return true;
}

static bool take_value(struct json *j, unsigned depth);

/* Behind '{' or '['. */
static bool take_items(struct json *j, char close, unsigned depth)
{
    skip_blanks(j);
    if (take(j, close))
        return true;
    for (;;) {
        if (close == '}') {
            skip_blanks(j);
            if (!take_string(j))
                return false;
            skip_blanks(j);
            if (!take(j, ':'))
                return false;
        }
        if (!take_value(j, depth + 1))
            return false;
        if (take(j, close))
            return true;
        if (!take(j, ','))
            return false;
    }
}

/* With the blanks around it. */
static bool take_value(struct json *j, unsigned depth)
{
    bool good = false;
    skip_blanks(j);
    if (depth >= MAX_DEPTH || j->at >= j->end)
        return false;
    if (take(j, '{'))
        good = take_items(j, '}', depth);
    else if (take(j, '['))
        good = take_items(j, ']', depth);
    else if (*j->at == '"')
        good = take_string(j);
    else
        good = take_word(j, "true") || take_word(j, "false") || take_word(j, "null") || take_number(j);
    skip_blanks(j);
    return good;
}

bool sc_is_json(struct sc_str text)
{
    struct json j = {text.ptr, text.ptr + text.len};
    return take_value(&j, 0) && j.at == j.end;
}

size_t sc_skip_known(struct sc_str json, bool (*known)(const void *arg, struct sc_str value), const void *arg)
{
    struct json j = {json.ptr, json.ptr + json.len};
    size_t skipped = 0;
    skip_blanks(&j);
    if (!sc_is_json(json) || !take(&j, '{'))
        return 0;
    for (;;) { /* it is valid, so what is looked for is there */
        skip_blanks(&j);
        const char *member = j.at;
        if (!take_string(&j))
            return 0;
        skip_blanks(&j);
        take(&j, ':');
        skip_blanks(&j);
        const char *value = j.at + 1;
        if (*j.at != '"' || !take_string(&j) || !known(arg, (struct sc_str){value, (size_t)(j.at - 1 - value)}))
            return skipped ? (size_t)(member - json.ptr) : 0;
        skip_blanks(&j);
        skipped++;
        if (!take(&j, ','))
            return 0;
    }
}

void sc_add_json_line(struct sc_buf *out, struct sc_str json, bool terminal)
{
    uint32_t code;
    while (json.len) {
        size_t len = sc_utf8_take(json, &code);
        if (*json.ptr == '\n' || *json.ptr == '\r')
            sc_buf_add_char(out, ' '); /* inside a string it cannot stand */
        else if (terminal && len && code > 0xFFFF && sc_utf8_is_harmful(code))
            sc_buf_addf(out, "\\u%04x\\u%04x", 0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF));
        else if (terminal && len && code != '\t' && sc_utf8_is_harmful(code))
            sc_buf_addf(out, "\\u%04x", code);
        else
            sc_buf_add(out, json.ptr, len ? len : 1);
        len = len ? len : 1;
        json.ptr += len;
        json.len -= len;
    }
}
