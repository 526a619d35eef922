#include "poll/identity.h"

#include "base/hash.h"
#include "nats/session.h"
#include <stdlib.h>

static int add_escaped(struct sc_str part, struct sc_buf *out)
{
    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.ptr[i];
        int rc = c == '.' || c == '=' ? sc_buf_addf(out, "=%02X", c) : sc_buf_add_char(out, (char)c);
        if (rc)
            return -1;
    }
    return 0;
}

int sc_msg_id_prefix(const char *integration, const char *data_type, const char *partition, struct sc_buf *out)
{
    int rc = add_escaped(sc_str_of(integration), out);
    rc |= sc_buf_add_char(out, '.');
    rc |= sc_buf_add_str(out, data_type);
    rc |= sc_buf_add_char(out, '.');
    if (partition) {
        rc |= add_escaped(sc_str_of(partition), out);
        rc |= sc_buf_add_char(out, '.');
    }
    return rc ? -1 : 0;
}

static bool plain(unsigned char c)
{
    return c >= 0x21 && c <= 0x7E;
}

/* Escape of one part; returns the bytes it would take, writing what fits. */
static size_t put_part(struct sc_str part, char *out, size_t cap, bool *ret_plain)
{
    size_t n = 0;
    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.ptr[i];
        const char *rest = part.ptr + i + 1;
        bool own_escape = c == '=' && part.len - i > 2 && (!memcmp(rest, "7E", 2) || !memcmp(rest, "3D", 2));
        const char *esc = c == '~' ? "=7E" : own_escape ? "=3D" : NULL;
        size_t need = esc ? 3 : 1;
        if (!plain(c))
            *ret_plain = false;
        if (n + need <= cap)
            memcpy(out + n, esc ? esc : (const char *)&c, need);
        n += need;
    }
    return n;
}

/* All parts joined; returns the bytes it would take, writing what fits. */
static size_t put_parts(const struct sc_str *parts, size_t count, char *out, size_t cap, bool *ret_plain)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (i) {
            if (n < cap)
                out[n] = '~';
            n++;
        }
        size_t room = n < cap ? cap - n : 0;
        n += put_part(parts[i], out + (room ? n : 0), room, ret_plain);
    }
    return n;
}

/* "h:" and the hash of the joined text, n bytes long. A hash of anything else would lose or double records: better no process. */
static void put_hash(const struct sc_str *parts, size_t count, size_t n, char *out)
{
    char small[1024], *text = n <= sizeof small ? small : malloc(n);
    unsigned char digest[32];
    bool is_plain;
    if (!text)
        abort();
    put_parts(parts, count, text, n, &is_plain);
    sc_sha256(text, n, digest);
    if (text != small)
        free(text);
    memcpy(out, "h:", 2);
    sc_hex(digest, 16, out + 2);
}

size_t sc_recipe_id(const struct sc_str *parts, size_t count, char out[SC_RECIPE_ID_MAX + 1])
{
    bool is_plain = true;
    size_t n = put_parts(parts, count, out, SC_RECIPE_ID_MAX, &is_plain);
    if (n == 0 || n > SC_RECIPE_ID_MAX || !is_plain) {
        put_hash(parts, count, n, out);
        n = 34;
    }
    out[n] = '\0';
    return n;
}

size_t sc_header_encode(struct sc_str value, char *out, size_t cap)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        bool encode = !plain(c) || c == '"' || c == '%';
        if (n + (encode ? 3 : 1) >= cap)
            return 0;
        if (encode) {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        } else {
            out[n++] = (char)c;
        }
    }
    if (cap)
        out[n] = '\0';
    return n;
}

int sc_checkpoint_key(const char *integration, const char *data_type, const char *partition, struct sc_buf *out)
{
    int rc = sc_key_escape(sc_str_of(integration), out);
    rc |= sc_buf_add_char(out, '.');
    rc |= sc_key_escape(sc_str_of(data_type), out);
    if (partition) {
        rc |= sc_buf_add_char(out, '.');
        rc |= sc_key_escape(sc_str_of(partition), out);
    }
    return rc ? -1 : 0;
}

static const char *last_of(struct sc_str s, char c)
{
    return s.len ? memrchr(s.ptr, c, s.len) : NULL;
}

/* The n of "#n": from 2, without leading zeros. 0: it is no such number, and the '#' is the version's own. */
static unsigned change_number(const char *p, const char *end)
{
    unsigned n = 0;
    if (p == end || *p == '0' || end - p > 9)
        return 0;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return 0;
        n = n * 10 + (unsigned)(*p - '0');
    }
    return n > 1 ? n : 0;
}

bool sc_snapshot_id_split(struct sc_str id, struct sc_str *ret_id, unsigned char hash[16], struct sc_str *ret_version, unsigned *ret_n)
{
    *ret_n = 1;
    const char *mark = last_of(id, '#');
    const char *tilde = last_of(id, '~');
    if (!tilde)
        return false;
    unsigned n = mark && mark > tilde ? change_number(mark + 1, id.ptr + id.len) : 0;
    if (n) {
        *ret_n = n;
        id.len = (size_t)(mark - id.ptr);
    }
    *ret_version = (struct sc_str){tilde + 1, id.len - (size_t)(tilde + 1 - id.ptr)};
    struct sc_str head = {id.ptr, (size_t)(tilde - id.ptr)};
    const char *second = last_of(head, '~');
    if (!second)
        return false;
    struct sc_str hex = {second + 1, (size_t)(tilde - second - 1)};
    *ret_id = (struct sc_str){id.ptr, (size_t)(second - id.ptr)};
    return hex.len == 32 && sc_unhex(hex, hash, 16);
}
