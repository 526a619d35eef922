/* Redaction by value.
 *
 * A secret is looked for in several forms: as it is, and as base64 at each of the three alignments,
 * of the value itself and of its percent-encoding (OAuth's client_secret_basic). A base64 form
 * holds only the characters that depend on nothing but the secret; the one beside it at either end
 * is swallowed with it. In each form any character may also stand percent-encoded or JSON-escaped.
 *
 * Search: the first four characters, with characters that two spellings share made equal, select a
 * bucket; almost every place of a text ends there. Where a '%' or '\' stands among the four, the
 * decoded four are looked up as well.
 *
 * All state is under one lock for reading and writing; the count of secrets can be read without it.
 */
#include "base/redact.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MIN_SECRET  6 /* bytes; shorter values would redact ordinary words */
#define KEY_LEN     4
#define BUCKET_BITS 12
#define BUCKETS     (1u << BUCKET_BITS)
#define MAX_FORMS   7 /* text, 3 x base64, 3 x base64 of the percent-encoding */

static const char mark[] = "[redacted]";
#define MARK_LEN (sizeof mark - 1)

struct secret;

struct form {
    struct form *next; /* in the bucket */
    struct secret *owner;
    const char *bytes; /* base64: in the standard alphabet */
    size_t len;
    uint32_t key;
    bool is_base64;
    bool swallow_before, swallow_after; /* base64: the neighbour holds bits of the secret */
};

/* One allocation, wiped as a whole. */
struct secret {
    size_t refs, size;
    unsigned form_count;
    struct form forms[MAX_FORMS];
    char bytes[];
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct form *buckets[BUCKETS];
static atomic_uint secret_count;

/* ---- keys ---- */

/* What one of our forms may spell differently: '-' '+' and ' ' (a form's blank), '_' and '/'. */
static unsigned char canonical(unsigned char c)
{
    return c == '-' || c == ' ' ? '+' : c == '_' ? '/' : c;
}

static uint32_t key_of(const char *p)
{
    uint32_t key = 0;
    for (int i = 0; i < KEY_LEN; i++)
        key = key << 8 | canonical((unsigned char)p[i]);
    return key;
}

static struct form **bucket_of(uint32_t key)
{
    return &buckets[(key * 2654435761u) >> (32 - BUCKET_BITS)];
}

/* ---- decoding ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_byte(const char *p)
{
    int high = hex_digit(p[0]), low = hex_digit(p[1]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* The byte that stands at p in an encoding, and how many characters it takes; -1: none. */
typedef int (*decode_fn)(const char *p, const char *end, size_t *used);

static int decode_none(const char *p, const char *end, size_t *used)
{
    (void)end;
    *used = 1;
    return (unsigned char)*p;
}

static int decode_percent(const char *p, const char *end, size_t *used)
{
    *used = 1;
    if (*p != '%')
        return (unsigned char)*p;
    *used = 3;
    return end - p >= 3 ? hex_byte(p + 1) : -1;
}

static int decode_json(const char *p, const char *end, size_t *used)
{
    static const char letters[] = "bfnrt", bytes[] = "\b\f\n\r\t";
    *used = 1;
    if (*p != '\\')
        return (unsigned char)*p;
    if (end - p < 2)
        return -1;
    *used = 2;
    if (p[1] == 'u') {
        *used = 6;
        return end - p >= 6 && p[2] == '0' && p[3] == '0' && p[4] < '8' ? hex_byte(p + 4) : -1;
    }
    const char *letter = p[1] ? strchr(letters, p[1]) : NULL;
    return letter ? bytes[letter - letters] : (unsigned char)p[1];
}

/* ---- matching ---- */

/* The length matched at p, 0 for none. */
static size_t match(const struct form *form, const char *p, const char *end, decode_fn decode)
{
    const char *at = p;
    for (size_t i = 0; i < form->len; i++) {
        size_t used;
        if (at == end)
            return 0;
        int c = decode(at, end, &used), want = (unsigned char)form->bytes[i];
        if (form->is_base64)
            c = c == '-' ? '+' : c == '_' ? '/' : c;
        else if (want == ' ' && *at == '+' && decode == decode_percent)
            c = want;
        if (c != want)
            return 0;
        at += used;
    }
    return (size_t)(at - p);
}

static bool is_base64_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("+/-_", c));
}

struct region {
    const char *from, *to;
};

static void widen(struct region *region, const char *from, const char *to)
{
    if (!region->from || from < region->from)
        region->from = from;
    if (to > region->to)
        region->to = to;
}

/* `start` is the first character that may be swallowed. */
static void match_form(const struct form *form, const char *start, const char *p, const char *end,
                       struct region *region)
{
    static const decode_fn spellings[] = {decode_none, decode_percent, decode_json};
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        size_t len = match(form, p, end, spellings[i]);
        if (!len)
            continue;
        const char *from = p, *to = p + len;
        if (form->swallow_before && from > start && is_base64_char(from[-1]))
            from--;
        if (form->swallow_after && to < end && is_base64_char(*to))
            to++;
        for (int pads = 0; form->is_base64 && pads < 2 && to < end && *to == '='; pads++)
            to++;
        widen(region, from, to);
    }
}

static void match_key(uint32_t key, const char *start, const char *p, const char *end,
                      struct region *region)
{
    for (const struct form *form = *bucket_of(key); form; form = form->next)
        if (form->key == key)
            match_form(form, start, p, end, region);
}

static void match_decoded_key(const char *start, const char *p, const char *end, decode_fn decode,
                              struct region *region)
{
    char first[KEY_LEN];
    const char *at = p;
    for (int i = 0; i < KEY_LEN; i++) {
        size_t used;
        int c = at < end ? decode(at, end, &used) : -1;
        if (c < 0)
            return;
        first[i] = (char)c;
        at += used;
    }
    match_key(key_of(first), start, p, end, region);
}

/* The last four characters read. */
struct window {
    uint32_t key;
    int escapes; /* over 0: one of them is a '%' or a '\\' */
};

static void push(struct window *window, char c)
{
    window->key = window->key << 8 | canonical((unsigned char)c);
    if (c == '%' || c == '\\')
        window->escapes = KEY_LEN;
    else if (window->escapes > 0)
        window->escapes--;
}

/* The first region at or after start; secrets that overlap make one region. */
static bool find_region(const char *start, const char *end, struct region *region)
{
    struct window window = {0};
    *region = (struct region){0};
    for (const char *p = start; p < end && p < start + KEY_LEN - 1; p++)
        push(&window, *p);
    for (const char *p = start; end - p >= MIN_SECRET && (!region->from || p < region->to); p++) {
        push(&window, p[KEY_LEN - 1]);
        match_key(window.key, start, p, end, region);
        if (window.escapes > 0) {
            match_decoded_key(start, p, end, decode_percent, region);
            match_decoded_key(start, p, end, decode_json, region);
        }
    }
    return region->from != NULL;
}

/* ---- the known secrets ---- */

static struct sc_str trimmed(const char *value, size_t len)
{
    while (len && strchr(" \t\r\n", value[len - 1]) && value[len - 1])
        len--;
    while (len && strchr(" \t\r\n", *value) && *value)
        value++, len--;
    return (struct sc_str){value, len};
}

static struct secret *find_secret(struct sc_str value)
{
    uint32_t key = key_of(value.ptr);
    for (struct form *form = *bucket_of(key); form; form = form->next)
        if (!form->is_base64 && form->len == value.len &&
            memcmp(form->bytes, value.ptr, value.len) == 0)
            return form->owner;
    return NULL;
}

static void wipe_buf(struct sc_buf *buf)
{
    if (buf->ptr)
        explicit_bzero(buf->ptr, buf->cap);
    sc_buf_done(buf);
}
#define AUTO_WIPE __attribute__((cleanup(wipe_buf)))

/* Forms are laid out one after the other in `bytes` while `secret` is not yet allocated; offsets
 * become pointers later. */
struct layout {
    struct sc_buf bytes;
    struct form forms[MAX_FORMS];
    size_t at[MAX_FORMS];
    unsigned count;
};

static void wipe_layout(struct layout *layout)
{
    wipe_buf(&layout->bytes);
}

static void add_base64_form(struct layout *layout, struct sc_str value, unsigned alignment)
{
    AUTO_WIPE struct sc_buf shifted = {.max = SIZE_MAX / 8}, code = {.max = SIZE_MAX / 8};
    sc_buf_reserve(&shifted, alignment + value.len);
    sc_buf_add(&shifted, "\0\0", alignment);
    sc_buf_add(&shifted, value.ptr, value.len);
    sc_buf_reserve(&code, shifted.len / 3 * 4 + 4);
    sc_buf_add_base64(&code, shifted.ptr, shifted.len, false);
    if (shifted.failed || code.failed) {
        layout->bytes.failed = true;
        return;
    }
    size_t bits = shifted.len * 8, skip = alignment ? alignment + 1 : 0;
    layout->at[layout->count] = layout->bytes.len;
    layout->forms[layout->count++] = (struct form){
        .is_base64 = true,
        .len = bits / 6 - skip,
        .swallow_before = alignment != 0,
        .swallow_after = bits % 6 != 0,
    };
    sc_buf_add(&layout->bytes, code.ptr + skip, bits / 6 - skip);
}

static void add_forms(struct layout *layout, struct sc_str value)
{
    AUTO_WIPE struct sc_buf encoded = {.max = SIZE_MAX / 8};
    /* Room for all at once: a buffer that moves would leave the secret behind, unwiped. */
    sc_buf_reserve(&layout->bytes, 18 * value.len + 64);
    sc_buf_add_urlencoded(&encoded, value); /* one growth, for the same reason */
    if (encoded.failed) {
        layout->bytes.failed = true;
        return;
    }
    layout->forms[layout->count++] = (struct form){.len = value.len};
    sc_buf_add(&layout->bytes, value.ptr, value.len);
    for (unsigned alignment = 0; alignment < 3; alignment++)
        add_base64_form(layout, value, alignment);
    for (unsigned alignment = 0; alignment < 3 && encoded.len != value.len; alignment++)
        add_base64_form(layout, sc_buf_str(&encoded), alignment);
}

static struct secret *new_secret(struct sc_str value)
{
    __attribute__((cleanup(wipe_layout))) struct layout layout = {.bytes = {.max = SIZE_MAX / 8}};
    add_forms(&layout, value);
    size_t size = sizeof(struct secret) + layout.bytes.len;
    struct secret *secret = layout.bytes.failed ? NULL : malloc(size);
    if (!secret)
        return NULL;
    *secret = (struct secret){.refs = 1, .size = size, .form_count = layout.count};
    memcpy(secret->bytes, layout.bytes.ptr, layout.bytes.len);
    for (unsigned i = 0; i < layout.count; i++) {
        struct form *form = &secret->forms[i];
        *form = layout.forms[i];
        form->owner = secret;
        form->bytes = secret->bytes + layout.at[i];
        form->key = key_of(form->bytes);
    }
    return secret;
}

static void link_forms(struct secret *secret)
{
    for (unsigned i = 0; i < secret->form_count; i++) {
        struct form **bucket = bucket_of(secret->forms[i].key);
        secret->forms[i].next = *bucket;
        *bucket = &secret->forms[i];
    }
}

static void unlink_forms(struct secret *secret)
{
    for (unsigned i = 0; i < secret->form_count; i++) {
        struct form **link = bucket_of(secret->forms[i].key);
        while (*link != &secret->forms[i])
            link = &(*link)->next;
        *link = secret->forms[i].next;
    }
}

int sc_redact_add(const char *bytes, size_t len)
{
    struct sc_str value = trimmed(bytes, len);
    if (value.len < MIN_SECRET)
        return 0;
    int rc = 0;
    pthread_rwlock_wrlock(&lock);
    struct secret *secret = find_secret(value);
    if (secret) {
        secret->refs++;
    } else if ((secret = new_secret(value)) != NULL) {
        link_forms(secret);
        atomic_fetch_add(&secret_count, 1);
    } else {
        rc = -1;
    }
    pthread_rwlock_unlock(&lock);
    return rc;
}

void sc_redact_remove(const char *bytes, size_t len)
{
    struct sc_str value = trimmed(bytes, len);
    if (value.len < MIN_SECRET)
        return;
    pthread_rwlock_wrlock(&lock);
    struct secret *secret = find_secret(value);
    if (secret && --secret->refs == 0) {
        unlink_forms(secret);
        explicit_bzero(secret, secret->size);
        free(secret);
        atomic_fetch_sub(&secret_count, 1);
    }
    pthread_rwlock_unlock(&lock);
}

/* ---- replaced values, known for a while ---- */

#define RETIRED_MAX 256
#define RETIRED_MS  600000

static struct retired {
    char *value;
    int64_t at_ms;
} retired[RETIRED_MAX];
static unsigned retired_first, retired_count;
static pthread_mutex_t retired_lock = PTHREAD_MUTEX_INITIALIZER;

static void let_go(struct retired *r)
{
    sc_redact_remove(r->value, strlen(r->value));
    sc_secret_free(r->value);
    *r = (struct retired){0};
}

void sc_redact_retire(const char *value, size_t len)
{
    int64_t now = sc_mono_ms();
    char *copy = len >= MIN_SECRET ? sc_dup_str((struct sc_str){value, len}) : NULL;
    pthread_mutex_lock(&retired_lock);
    while (retired_count && (retired_count == RETIRED_MAX || now - retired[retired_first].at_ms >= RETIRED_MS)) {
        let_go(&retired[retired_first]);
        retired_first = (retired_first + 1) % RETIRED_MAX;
        retired_count--;
    }
    if (copy)
        retired[(retired_first + retired_count++) % RETIRED_MAX] = (struct retired){copy, now};
    pthread_mutex_unlock(&retired_lock);
    if (!copy)
        sc_redact_remove(value, len);
}

void sc_redact_let_go(void)
{
    pthread_mutex_lock(&retired_lock);
    for (; retired_count; retired_count--) {
        let_go(&retired[retired_first]);
        retired_first = (retired_first + 1) % RETIRED_MAX;
    }
    pthread_mutex_unlock(&retired_lock);
}

/* ---- replacing ---- */

size_t sc_redact(char *text, size_t len, size_t cap)
{
    if (len < MIN_SECRET || atomic_load(&secret_count) == 0)
        return len;
    bool terminate = cap > len;
    char *at = text;
    struct region region;
    pthread_rwlock_rdlock(&lock);
    while (find_region(at, text + len, &region)) {
        size_t from = (size_t)(region.from - text), old = (size_t)(region.to - region.from);
        size_t room = terminate ? cap - 1 - (len - old) : old;
        size_t put =
            MARK_LEN <= room ? MARK_LEN : room; /* no room: a shorter mark, never the secret */
        memmove(text + from + put, text + from + old, len - from - old);
        memcpy(text + from, mark, put);
        len = len - old + put;
        at = text + from + put;
    }
    pthread_rwlock_unlock(&lock);
    if (terminate)
        text[len] = '\0';
    return len;
}

/* How many bytes longer the text can become. */
static size_t growth_of(const char *text, size_t len)
{
    size_t growth = 0;
    const char *at = text;
    struct region region;
    pthread_rwlock_rdlock(&lock);
    while (find_region(at, text + len, &region)) {
        size_t old = (size_t)(region.to - region.from);
        growth += old < MARK_LEN ? MARK_LEN - old : 0;
        at = region.to;
    }
    pthread_rwlock_unlock(&lock);
    return growth;
}

void sc_redact_buf(struct sc_buf *buf)
{
    if (buf->len < MIN_SECRET || atomic_load(&secret_count) == 0)
        return;
    bool failed = buf->failed;
    size_t growth = growth_of(buf->ptr, buf->len);
    if (growth)
        sc_buf_reserve(buf, growth); /* without the room the marks are shorter */
    buf->failed = failed;
    buf->len = sc_redact(buf->ptr, buf->len, buf->cap);
}

/* ---- URLs ---- */

/* Scheme and authority without user and password; returns what follows. Without a scheme it is a
 * path, or a proxy's "user:password@host:port". */
static const char *add_authority(struct sc_buf *out, const char *url)
{
    size_t until_path = strcspn(url, "/?#");
    const char *authority = url;
    if (until_path > 0 && url[until_path - 1] == ':' && url[until_path] == '/' &&
        url[until_path + 1] == '/')
        authority = url + until_path + 2;
    sc_buf_add(out, url, (size_t)(authority - url));
    size_t len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', len);
    const char *host = at ? at + 1 : authority;
    sc_buf_add(out, host, (size_t)(authority + len - host));
    return authority + len;
}

/* From the '?': names stay, values go; what has no name goes. */
static void add_query(struct sc_buf *out, const char *query)
{
    while (*query && *query != '#') {
        sc_buf_add_char(out, *query++);
        size_t len = strcspn(query, "&#");
        const char *equals = memchr(query, '=', len);
        if (equals)
            sc_buf_add(out, query, (size_t)(equals + 1 - query));
        if (len)
            sc_buf_add_str(out, "…");
        query += len;
    }
}

const char *sc_redact_url(const char *url, char *out, size_t cap)
{
    AUTO_WIPE struct sc_buf whole = {0};
    const char *path = add_authority(&whole, url);
    size_t path_len = strcspn(path, "?#");
    sc_buf_add(&whole, path, path_len);
    add_query(&whole, path + path_len);
    sc_redact_buf(&whole); /* before it is cut: half a secret would not be known again */
    struct sc_str text = whole.failed ? sc_str_of("[url]") : sc_buf_str(&whole);
    if (cap == 0)
        return out;
    size_t len = text.len < cap ? text.len : cap - 1;
    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--;
    memcpy(out, text.ptr, len);
    out[len] = '\0';
    return out;
}

void sc_secret_free(char *secret)
{
    if (!secret)
        return;
    explicit_bzero(secret, strlen(secret));
    free(secret);
}
