/* Growing byte buffer. Every append first makes room for all it needs, so a failed one leaves the
 * text as it was. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";

void sc_buf_init(struct sc_buf *buf, size_t max)
{
    *buf = (struct sc_buf){.max = max};
}

void sc_buf_done(struct sc_buf *buf)
{
    if (!buf)
        return;
    if (buf->secret && buf->ptr)
        explicit_bzero(buf->ptr, buf->cap);
    free(buf->ptr);
    *buf = (struct sc_buf){0};
}

void sc_buf_clear(struct sc_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->ptr)
        buf->ptr[0] = '\0';
}

static int fail(struct sc_buf *buf)
{
    buf->failed = true;
    return -1;
}

/* realloc() may leave what it moved behind. */
static char *move(struct sc_buf *buf, size_t cap)
{
    char *ptr = malloc(cap);
    if (!ptr)
        return NULL;
    memcpy(ptr, buf->ptr, buf->len);
    explicit_bzero(buf->ptr, buf->cap);
    free(buf->ptr);
    return ptr;
}

int sc_buf_reserve(struct sc_buf *buf, size_t more)
{
    size_t max = buf->max ? buf->max : SC_BUF_DEFAULT_MAX;
    if (buf->failed || buf->len > max || more > max - buf->len)
        return fail(buf);
    size_t need = buf->len + more + 1;
    if (need <= buf->cap)
        return 0;
    size_t cap = buf->cap < 64 ? 64 : buf->cap * 2;
    if (cap > max + 1)
        cap = max + 1;
    if (cap < need)
        cap = need;
    char *ptr = buf->secret && buf->ptr ? move(buf, cap) : realloc(buf->ptr, cap);
    if (!ptr)
        return fail(buf);
    buf->ptr = ptr;
    buf->cap = cap;
    buf->ptr[buf->len] = '\0';
    return 0;
}

/* Room for `more` bytes, already counted as text and terminated; NULL when there is none. */
static char *extend(struct sc_buf *buf, size_t more)
{
    if (sc_buf_reserve(buf, more) < 0)
        return NULL;
    char *out = buf->ptr + buf->len;
    buf->len += more;
    out[more] = '\0';
    return out;
}

int sc_buf_add(struct sc_buf *buf, const void *bytes, size_t len)
{
    char *out = extend(buf, len);
    if (!out)
        return -1;
    if (len)
        memcpy(out, bytes, len);
    return 0;
}

int sc_buf_add_str(struct sc_buf *buf, const char *text)
{
    return sc_buf_add(buf, text, strlen(text));
}

int sc_buf_add_char(struct sc_buf *buf, char c)
{
    return sc_buf_add(buf, &c, 1);
}

int sc_buf_addv(struct sc_buf *buf, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    char *out = NULL;
    if (len < 0)
        buf->failed = true;
    else
        out = extend(buf, (size_t)len);
    if (out)
        vsnprintf(out, (size_t)len + 1, fmt, again);
    va_end(again);
    return out ? 0 : -1;
}

int sc_buf_addf(struct sc_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int rc = sc_buf_addv(buf, fmt, args);
    va_end(args);
    return rc;
}

/* ---- JSON ---- */

/* Length of the well-formed UTF-8 sequence (Unicode table 3-7) at p, 0 when there is none. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t len = p[0] < 0x80   ? 1
                 : p[0] < 0xC2 ? 0
                 : p[0] < 0xE0 ? 2
                 : p[0] < 0xF0 ? 3
                 : p[0] < 0xF5 ? 4
                               : 0;
    if (len <= 1)
        return len;
    if (len > left)
        return 0;
    if (p[0] == 0xE0)
        low = 0xA0; /* overlong */
    else if (p[0] == 0xED)
        high = 0x9F; /* surrogates */
    else if (p[0] == 0xF0)
        low = 0x90; /* overlong */
    else if (p[0] == 0xF4)
        high = 0x8F; /* above U+10FFFF */
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

/* The letter after the backslash; 'u' for those without a short form; 0: none needed. */
static char json_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return c < 0x20 ? 'u' : 0;
    }
}

static void add_json_escape(struct sc_buf *buf, unsigned char c, char letter)
{
    if (letter == 'u')
        sc_buf_addf(buf, "\\u%04x", c);
    else
        sc_buf_add(buf, (const char[]){'\\', letter}, 2);
}

static void add_json_body(struct sc_buf *buf, const unsigned char *p, size_t left)
{
    while (left && !buf->failed) {
        size_t run = 0, len = 1;
        while (run < left && !json_escape(p[run]) && (len = utf8_len(p + run, left - run)) > 0)
            run += len;
        sc_buf_add(buf, p, run);
        p += run;
        left -= run;
        if (!left)
            break;
        char letter = json_escape(*p);
        if (letter)
            add_json_escape(buf, *p, letter);
        else
            sc_buf_add_str(buf, "\xEF\xBF\xBD");
        p++;
        left--;
    }
}

int sc_buf_add_json(struct sc_buf *buf, struct sc_str text)
{
    size_t before = buf->len;
    bool failed_before = buf->failed;
    sc_buf_add_char(buf, '"');
    add_json_body(buf, (const unsigned char *)text.ptr, text.len);
    sc_buf_add_char(buf, '"');
    if (!buf->failed)
        return 0;
    if (!failed_before && buf->ptr) {
        buf->len = before;
        buf->ptr[before] = '\0';
    }
    return -1;
}

/* ---- encodings ---- */

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int sc_buf_add_urlencoded(struct sc_buf *buf, struct sc_str text)
{
    size_t need = 0;
    for (size_t i = 0; i < text.len; i++)
        need += unreserved((unsigned char)text.ptr[i]) ? 1 : 3;
    char *out = extend(buf, need);
    if (!out)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (unreserved(c)) {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%';
        *out++ = hex_upper[c >> 4];
        *out++ = hex_upper[c & 15];
    }
    return 0;
}

/* The last one or two bytes. */
static void base64_tail(const unsigned char *in, size_t len, const char *alphabet, bool pad,
                        char *out)
{
    unsigned bits = (unsigned)in[0] << 16 | (len == 2 ? (unsigned)in[1] << 8 : 0);
    *out++ = alphabet[bits >> 18];
    *out++ = alphabet[bits >> 12 & 63];
    if (len == 2)
        *out++ = alphabet[bits >> 6 & 63];
    if (pad)
        memset(out, '=', 3 - len);
}

int sc_buf_add_base64(struct sc_buf *buf, const void *bytes, size_t len, bool url)
{
    static const char standard[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char for_url[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *alphabet = url ? for_url : standard;
    const unsigned char *in = bytes;
    if (len > SIZE_MAX / 2)
        return fail(buf);
    size_t rest = len % 3;
    char *out = extend(buf, len / 3 * 4 + (rest ? (url ? rest + 1 : 4) : 0));
    if (!out)
        return -1;
    for (size_t i = 0; i < len / 3; i++, in += 3) {
        unsigned bits = (unsigned)in[0] << 16 | (unsigned)in[1] << 8 | in[2];
        *out++ = alphabet[bits >> 18];
        *out++ = alphabet[bits >> 12 & 63];
        *out++ = alphabet[bits >> 6 & 63];
        *out++ = alphabet[bits & 63];
    }
    if (rest)
        base64_tail(in, rest, alphabet, !url, out);
    return 0;
}

int sc_buf_add_hex(struct sc_buf *buf, const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    if (len > SIZE_MAX / 2)
        return fail(buf);
    char *out = extend(buf, len * 2);
    if (!out)
        return -1;
    for (size_t i = 0; i < len; i++) {
        *out++ = hex_lower[in[i] >> 4];
        *out++ = hex_lower[in[i] & 15];
    }
    return 0;
}

/* ---- fresh memory ---- */

char *sc_buf_take(struct sc_buf *buf)
{
    char *text = NULL;
    if (buf->failed)
        free(buf->ptr); /* half a text is no text */
    else
        text = buf->ptr ? buf->ptr : sc_dup("");
    *buf = (struct sc_buf){.max = buf->max};
    return text;
}

/* By malloc and not strdup or vasprintf, so that tests can make each allocation fail. */
char *sc_dup(const char *text)
{
    return text ? sc_dup_str(sc_str_of(text)) : NULL;
}

char *sc_dup_str(struct sc_str text)
{
    char *copy = malloc(text.len + 1);
    if (!copy)
        return NULL;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

char *sc_printf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (!text)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}

void sc_free_ptr(void *ptr_to_ptr)
{
    void **ptr = ptr_to_ptr;
    free(*ptr);
    *ptr = NULL;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static unsigned unit_of(uint64_t bytes, double *ret_one)
{
    unsigned unit = 0;
    for (*ret_one = 1; unit < 4 && bytes >= 10000 * (uint64_t)*ret_one / 10; unit++)
        *ret_one *= 1024;
    return unit;
}

static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};

/* One digit behind the point below ten. */
static int add_amount(char *out, size_t cap, double amount, bool whole)
{
    return snprintf(out, cap, "%.*f", whole || amount >= 9.95 ? 0 : 1, amount);
}

const char *sc_size_text(uint64_t bytes, char out[SC_SIZE_TEXT])
{
    double one;
    unsigned unit = unit_of(bytes, &one);
    int n = add_amount(out, SC_SIZE_TEXT, (double)bytes / one, unit == 0);
    snprintf(out + n, (size_t)(SC_SIZE_TEXT - n), " %s", units[unit]);
    return out;
}

const char *sc_size_pair(uint64_t used, uint64_t most, char out[SC_SIZE_TEXT])
{
    double one;
    unsigned unit = unit_of(most, &one);
    bool whole = unit == 0 || (double)most / one >= 9.95;
    int n = add_amount(out, SC_SIZE_TEXT, (double)used / one, whole);
    n += snprintf(out + n, (size_t)(SC_SIZE_TEXT - n), " of ");
    n += add_amount(out + n, (size_t)(SC_SIZE_TEXT - n), (double)most / one, whole);
    snprintf(out + n, (size_t)(SC_SIZE_TEXT - n), " %s", units[unit]);
    return out;
}
