#include "poll/snapshot.h"

#include "base/clock.h"
#include <stdlib.h>

#define ENTRY_BYTES      26
#define ENTRIES_PER_PART 2400u /* 62,400 bytes and a head */
#define DEFAULT_MAX      1048576u

void sc_map_init(struct sc_map *map, uint64_t max_entries)
{
    *map = (struct sc_map){.max = max_entries ? max_entries : DEFAULT_MAX};
}

void sc_map_done(struct sc_map *map)
{
    free(map->entries);
    uint64_t max = map->max;
    *map = (struct sc_map){.max = max};
}

static uint64_t nonzero(uint64_t fingerprint)
{
    return fingerprint ? fingerprint : 1;
}

static struct sc_map_entry *cell(struct sc_map_entry *entries, uint32_t size, uint64_t fingerprint)
{
    uint32_t at = (uint32_t)(fingerprint >> 7) & (size - 1);
    while (entries[at].fingerprint && entries[at].fingerprint != fingerprint)
        at = (at + 1) & (size - 1);
    return &entries[at];
}

static int rebuild(struct sc_map *map, uint32_t size)
{
    struct sc_map_entry *entries = calloc(size, sizeof *entries);
    if (!entries)
        return -1;
    for (uint32_t i = 0; i < map->size; i++) {
        if (map->entries[i].fingerprint)
            *cell(entries, size, map->entries[i].fingerprint) = map->entries[i];
    }
    free(map->entries);
    map->entries = entries;
    map->size = size;
    return 0;
}

static struct sc_map_entry *find(const struct sc_map *map, uint64_t fingerprint)
{
    if (!map->size)
        return NULL;
    struct sc_map_entry *e = cell(map->entries, map->size, nonzero(fingerprint));
    return e->fingerprint ? e : NULL;
}

static struct sc_map_entry *add(struct sc_map *map, uint64_t fingerprint)
{
    if (map->used >= map->max)
        return NULL;
    if (map->size == 0 || map->used + 1 > map->size / 2) {
        if (rebuild(map, map->size ? map->size * 2 : 256))
            return NULL;
    }
    struct sc_map_entry *e = cell(map->entries, map->size, nonzero(fingerprint));
    *e = (struct sc_map_entry){.fingerprint = nonzero(fingerprint)};
    map->used++;
    return e;
}

void sc_map_begin(struct sc_map *map)
{
    map->walk++;
}

void sc_map_version(struct sc_map *map, const char *version)
{
    size_t len = strnlen(version, SC_MAP_VERSION_MAX);
    if (strlen(map->version) == len && memcmp(map->version, version, len) == 0)
        return;
    memcpy(map->version, version, len);
    map->version[len] = '\0';
    for (uint32_t i = 0; i < map->size; i++)
        map->entries[i].changes = 0;
}

/* An entry's state, beside the one that it had before; walk 0: it had none. */
static void replace(struct sc_map *map, struct sc_map_entry *e, const unsigned char hash[16], uint32_t walk)
{
    memcpy(e->before, e->hash, 16);
    e->replaced = walk;
    memcpy(e->hash, hash, 16);
    map->changed = true;
}

enum sc_map_verdict sc_map_meet(struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16], unsigned *ret_changes)
{
    struct sc_map_entry *e = find(map, fingerprint);
    if (e && memcmp(e->hash, hash, 16) == 0) {
        e->walk = map->walk;
        return SC_MAP_SAME;
    }
    bool known = e != NULL;
    if (!e)
        e = add(map, fingerprint);
    if (!e)
        return SC_MAP_FULL;
    replace(map, e, hash, known ? map->walk : 0);
    e->walk = map->walk;
    e->in_flight = true;
    if (e->changes < UINT16_MAX)
        e->changes++;
    *ret_changes = e->changes;
    return SC_MAP_PUBLISH;
}

bool sc_map_holds(const struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16])
{
    const struct sc_map_entry *e = find(map, fingerprint);
    return e && memcmp(e->hash, hash, 16) == 0;
}

bool sc_map_is_same(struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16])
{
    struct sc_map_entry *e = find(map, fingerprint);
    if (!e || memcmp(e->hash, hash, 16) != 0)
        return false;
    e->walk = map->walk;
    return true;
}

bool sc_map_was(const struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16])
{
    const struct sc_map_entry *e = find(map, fingerprint);
    return e && e->replaced == map->walk && memcmp(e->before, hash, 16) == 0;
}

int sc_map_settle(struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16])
{
    struct sc_map_entry *e = find(map, fingerprint);
    bool known = e != NULL;
    if (!e)
        e = add(map, fingerprint);
    if (!e)
        return -1;
    replace(map, e, hash, known ? map->walk : 0);
    e->walk = map->walk;
    if (!e->changes)
        e->changes = 1;
    return 0;
}

bool sc_map_has(const struct sc_map *map, uint64_t fingerprint)
{
    return find(map, fingerprint) != NULL;
}

bool sc_map_is_met(const struct sc_map *map, uint64_t fingerprint)
{
    const struct sc_map_entry *e = find(map, fingerprint);
    return e && e->walk == map->walk;
}

uint32_t sc_map_unmet(const struct sc_map *map)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < map->size; i++)
        n += map->entries[i].fingerprint && map->entries[i].walk != map->walk;
    return n;
}

void sc_map_stored(struct sc_map *map, uint64_t fingerprint)
{
    struct sc_map_entry *e = find(map, fingerprint);
    if (e)
        e->in_flight = false;
}

int sc_map_found(struct sc_map *map, uint64_t fingerprint, const unsigned char hash[16], unsigned changes, bool same_version)
{
    struct sc_map_entry *e = find(map, fingerprint);
    bool known = e != NULL;
    if (!e)
        e = add(map, fingerprint);
    if (!e)
        return -1;
    if (memcmp(e->hash, hash, 16) != 0)
        replace(map, e, hash, known ? map->walk + 1 : 0); /* as if the walk that comes had done it */
    if (same_version && changes > e->changes)
        e->changes = (uint16_t)(changes > UINT16_MAX ? UINT16_MAX : changes);
    return 0;
}

/* Backward-shift deletion: no tombstones, no memory. */
static void remove_at(struct sc_map *map, uint32_t at)
{
    uint32_t mask = map->size - 1;
    for (uint32_t next = (at + 1) & mask; map->entries[next].fingerprint; next = (next + 1) & mask) {
        uint32_t want = (uint32_t)(map->entries[next].fingerprint >> 7) & mask;
        if (((next - want) & mask) >= ((next - at) & mask)) {
            map->entries[at] = map->entries[next];
            at = next;
        }
    }
    map->entries[at] = (struct sc_map_entry){0};
    map->used--;
}

uint32_t sc_map_commit(struct sc_map *map)
{
    uint32_t before = map->used;
    for (uint32_t i = 0; i < map->size;) {
        struct sc_map_entry *e = &map->entries[i];
        if (e->fingerprint && e->walk != map->walk) {
            remove_at(map, i); /* another entry may have moved here: look again */
            continue;
        }
        e->committed = e->fingerprint != 0;
        i++;
    }
    return before - map->used;
}

/* ---- persistence ---------------------------------------------------------------------------------------------------- */

static void put_le(struct sc_buf *out, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        sc_buf_add_char(out, (char)(unsigned char)(v >> (8 * i)));
}

static uint64_t get_le(const unsigned char *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint32_t sc_map_parts(const struct sc_map *map)
{
    return map->used ? (map->used + ENTRIES_PER_PART - 1) / ENTRIES_PER_PART : 1;
}

/* Entries go to parts in table order. */
int sc_map_encode(const struct sc_map *map, uint32_t number, uint32_t part, uint64_t highest_seq, struct sc_buf *out)
{
    uint32_t skip = part * ENTRIES_PER_PART, n = map->used > skip ? map->used - skip : 0;
    if (n > ENTRIES_PER_PART)
        n = ENTRIES_PER_PART;
    size_t version_len = strlen(map->version);
    sc_buf_add(out, "SCM1", 4);
    put_le(out, number, 4);
    put_le(out, part, 4);
    put_le(out, sc_map_parts(map), 4);
    put_le(out, n, 4);
    put_le(out, highest_seq, 8);
    put_le(out, version_len, 2);
    sc_buf_add(out, map->version, version_len);
    for (uint32_t i = 0; i < map->size && n; i++) {
        const struct sc_map_entry *e = &map->entries[i];
        if (!e->fingerprint)
            continue;
        if (skip) {
            skip--;
            continue;
        }
        put_le(out, e->fingerprint, 8);
        sc_buf_add(out, e->hash, 16);
        put_le(out, e->changes, 2);
        n--;
    }
    return out->failed ? -1 : 0;
}

int sc_map_load(struct sc_map *map, uint32_t number, uint32_t part, struct sc_str value, uint32_t *ret_parts, uint64_t *ret_seq)
{
    const unsigned char *p = (const unsigned char *)value.ptr;
    if (value.len < 30 || memcmp(p, "SCM1", 4) != 0 || get_le(p + 4, 4) != number || get_le(p + 8, 4) != part)
        return -1;
    size_t n = (size_t)get_le(p + 16, 4), version_len = (size_t)get_le(p + 28, 2);
    if (part >= get_le(p + 12, 4) || version_len > SC_MAP_VERSION_MAX || n > ENTRIES_PER_PART || value.len != 30 + version_len + n * ENTRY_BYTES)
        return -1;
    memcpy(map->version, p + 30, version_len);
    map->version[version_len] = '\0';
    p += 30 + version_len;
    for (size_t i = 0; i < n; i++, p += ENTRY_BYTES) {
        uint64_t fingerprint = get_le(p, 8);
        struct sc_map_entry *e = find(map, fingerprint);
        if (!e)
            e = add(map, fingerprint);
        if (!e)
            return -1;
        memcpy(e->hash, p + 8, 16);
        e->changes = (uint16_t)get_le(p + 24, 2);
        e->committed = true;
    }
    const unsigned char *head = (const unsigned char *)value.ptr;
    *ret_parts = (uint32_t)get_le(head + 12, 4);
    *ret_seq = get_le(head + 20, 8);
    return 0;
}

static bool is_digit(struct sc_str s, size_t i)
{
    return i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9';
}

/* The digits at *at without leading zeros; *at moves behind them. */
static struct sc_str take_digits(struct sc_str s, size_t *at)
{
    while (is_digit(s, *at) && s.ptr[*at] == '0')
        ++*at;
    struct sc_str digits = {s.ptr + *at, 0};
    for (; is_digit(s, *at); ++*at)
        digits.len++;
    return digits;
}

int sc_version_compare(struct sc_str a, struct sc_str b)
{
    int64_t ta = sc_time_parse_rfc3339(a), tb = sc_time_parse_rfc3339(b);
    if (ta != SC_TIME_NONE && tb != SC_TIME_NONE)
        return ta < tb ? -1 : ta > tb;
    /* Digits by value, so that 2026.3.10 is after 2026.3.9; the rest by byte. */
    size_t i = 0, j = 0;
    while (i < a.len && j < b.len) {
        if (is_digit(a, i) && is_digit(b, j)) {
            struct sc_str va = take_digits(a, &i), vb = take_digits(b, &j);
            int order = va.len != vb.len ? (va.len < vb.len ? -1 : 1) : memcmp(va.ptr, vb.ptr, va.len);
            if (order)
                return order < 0 ? -1 : 1;
            continue;
        }
        if (a.ptr[i] != b.ptr[j])
            return (unsigned char)a.ptr[i] < (unsigned char)b.ptr[j] ? -1 : 1;
        i++;
        j++;
    }
    return (a.len - i) == (b.len - j) ? 0 : (a.len - i) < (b.len - j) ? -1 : 1;
}
