#include "decode/json_string.h"
#include "decode/json_scan.h"

#include <stdlib.h>

enum part { TEXT, ESCAPE, HEX1, HEX2, HEX3, HEX4 };

/* Room for `need` bytes, not more than its most. */
static bool grow(struct sc_json_room *room, size_t need)
{
    size_t cap = room->cap * 2 < need ? need : room->cap * 2;
    char *ptr;

    if (cap > room->max)
        cap = room->max;
    ptr = realloc(room->ptr, cap);
    if (!ptr)
        return false;
    room->ptr = ptr;
    room->cap = cap;
    return true;
}

void sc_json_string_add(struct sc_json_string *s, const char *bytes, size_t len)
{
    if (len > s->max - s->len) {
        len = s->max - s->len;
        s->cut = true;
    }
    if (s->len + len > s->room->cap && !grow(s->room, s->len + len)) {
        s->no_memory = s->cut = true;
        s->max = s->len;
        return;
    }
    memcpy(s->room->ptr + s->len, bytes, len);
    s->len += len;
}

/* All of it or, when it does not fit, nothing of it and nothing after it. */
static void add_char(struct sc_json_string *s, const char *bytes, size_t len)
{
    if (len > s->max - s->len) {
        s->max = s->len;
        s->cut = true;
    }
    sc_json_string_add(s, bytes, s->cut ? 0 : len);
}

static void add_code(struct sc_json_string *s, uint32_t code)
{
    char b[4];

    if (code < 0x80) {
        b[0] = (char)code;
        add_char(s, b, 1);
    } else if (code < 0x800) {
        b[0] = (char)(0xC0 | code >> 6);
        b[1] = (char)(0x80 | (code & 0x3F));
        add_char(s, b, 2);
    } else if (code < 0x10000) {
        b[0] = (char)(0xE0 | code >> 12);
        b[1] = (char)(0x80 | (code >> 6 & 0x3F));
        b[2] = (char)(0x80 | (code & 0x3F));
        add_char(s, b, 3);
    } else {
        b[0] = (char)(0xF0 | code >> 18);
        b[1] = (char)(0x80 | (code >> 12 & 0x3F));
        b[2] = (char)(0x80 | (code >> 6 & 0x3F));
        b[3] = (char)(0x80 | (code & 0x3F));
        add_char(s, b, 4);
    }
}

/* A high surrogate that waits gets no low one: it stands alone. */
static void flush_high(struct sc_json_string *s)
{
    if (s->high && s->room)
        add_code(s, 0xFFFD);
    s->high = 0;
}

static void add_unit(struct sc_json_string *s, uint16_t unit)
{
    if (unit >= 0xDC00 && unit <= 0xDFFF && s->high) {
        add_code(s, 0x10000 + ((uint32_t)(s->high - 0xD800) << 10) + (unit - 0xDC00));
        s->high = 0;
        return;
    }
    flush_high(s);
    if (unit >= 0xD800 && unit <= 0xDBFF)
        s->high = unit;
    else
        add_code(s, unit >= 0xDC00 && unit <= 0xDFFF ? 0xFFFD : unit);
}

/* A text that was cut must not end inside a character. */
static void trim(struct sc_json_string *s)
{
    size_t tail = 0;
    unsigned char lead;

    const char *text = s->room->ptr;

    while (tail < 3 && tail < s->len && ((unsigned char)text[s->len - 1 - tail] & 0xC0) == 0x80)
        tail++;
    if (tail == s->len)
        return;
    lead = (unsigned char)text[s->len - 1 - tail];
    if (lead >= 0xC2 && tail < (lead < 0xE0 ? 1u : lead < 0xF0 ? 2u : 3u))
        s->len -= tail + 1;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of an escape. False: it may not stand there. */
static bool escape_byte(struct sc_json_string *s, char c)
{
    static const char plain[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    int digit;

    if (s->part == ESCAPE) {
        const char *found = c ? strchr(plain, c) : NULL;

        if (found && s->room) {
            flush_high(s);
            add_char(s, &means[found - plain], 1);
        }
        s->part = found ? TEXT : HEX1;
        s->unit = 0;
        return found || c == 'u';
    }
    digit = hex_value(c);
    if (digit < 0)
        return false;
    s->unit = (uint16_t)(s->unit << 4 | digit);
    if (s->part < HEX4) {
        s->part++;
        return true;
    }
    s->part = TEXT;
    if (s->room)
        add_unit(s, s->unit);
    return true;
}

/* What a lead byte asks for (RFC 3629, table in section 4): no overlong form, no surrogate, nothing
 * above U+10FFFF. */
static bool utf8_lead(struct sc_json_string *s, unsigned char c)
{
    s->lo = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    s->hi = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    s->need = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    return c >= 0xC2 && c <= 0xF4;
}

static void utf8_bad(struct sc_json_string *s, uint64_t at)
{
    s->bad_utf8 = true;
    s->bad_at = at;
    s->need = 0;
}

/* Reads the bytes above 0x7F at hand; returns the first one below, or `end`. */
static const char *utf8_run(struct sc_json_string *s, const char *p, const char *end, uint64_t at)
{
    const char *from = p;

    for (; p != end && (unsigned char)*p >= 0x80; p++) {
        unsigned char c = (unsigned char)*p;

        if (s->bad_utf8)
            continue;
        if (s->need == 0) {
            s->lead_at = at + (uint64_t)(p - from);
            if (!utf8_lead(s, c))
                utf8_bad(s, s->lead_at);
        } else if (c < s->lo || c > s->hi) {
            utf8_bad(s, s->lead_at);
        } else {
            s->need--;
            s->lo = 0x80;
            s->hi = 0xBF;
        }
    }
    if (p != end && s->need)
        utf8_bad(s, s->lead_at); /* ends too early */
    return p;
}

enum sc_json_string_status sc_json_string_read(struct sc_json_string *s, const char **pp,
                                               const char *end, uint64_t at)
{
    const char *p = *pp, *const start = p;

    for (;;) {
        const char *from = p;

        for (; s->part != TEXT; p++) {
            if (p == end)
                goto open;
            if (!escape_byte(s, *p)) {
                *pp = p;
                return SC_JSON_STRING_BAD_ESCAPE;
            }
            from = p + 1;
        }
        do { /* `need`: a chunk has ended inside a character */
            p = utf8_run(s, p, end, at + (uint64_t)(p - start));
            p = sc_json_plain_end(p, end);
        } while (p != end && (unsigned char)*p >= 0x80);
        if (s->room && p != from) {
            flush_high(s);
            sc_json_string_add(s, from, (size_t)(p - from));
        }
        if (p == end)
            goto open;
        if (*p == '"') {
            flush_high(s);
            if (s->cut)
                trim(s);
            *pp = p + 1;
            return SC_JSON_STRING_CLOSED;
        }
        if (*p != '\\') {
            *pp = p;
            return SC_JSON_STRING_CONTROL;
        }
        s->part = ESCAPE;
        p++;
    }
open:
    *pp = p;
    return SC_JSON_STRING_OPEN;
}
