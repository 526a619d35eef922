#include "poll/seen.h"

#include <stdlib.h>

/* seq is kept as an offset from the segment's base. */
enum {
    OFFSET_IN_FLIGHT = 0,     /* not stored */
    OFFSET_UNPLACED = 1       /* stored, place unknown */
};
#define OFFSET_FAR UINT32_MAX /* stored, at this distance or beyond */

struct entry {
    uint64_t fingerprint;
    uint32_t hash;
    uint32_t offset; /* 0 in flight, 1 unplaced, else seq - base + 2 */
};

struct sc_seen_segment {
    uint64_t base;    /* lowest seq; 0: none yet */
    int64_t newest;   /* record time */
    uint64_t page;    /* newest page of an entry */
    uint32_t number, count, stored;
    bool dirty;
    bool undated;     /* holds a stored entry whose time is not known */
    bool found;       /* begun by a read-back, or with what is taken over */
    struct entry entries[SC_SEEN_SEGMENT];
};

#define DEFAULT_MAX 1048576u

#define DATED_SEGMENT (SC_SEEN_SEGMENT / 4 * 3) /* the same bytes */

void sc_seen_init(struct sc_seen *seen, uint64_t max_entries)
{
    *seen = (struct sc_seen){.max = max_entries ? max_entries : DEFAULT_MAX, .passed_ms = SC_TIME_NONE};
}

void sc_seen_done(struct sc_seen *seen)
{
    for (uint32_t i = 0; i < seen->count; i++)
        free(seen->segments[i]);
    free(seen->segments);
    free(seen->table);
    *seen = (struct sc_seen){.max = seen->max, .dated = seen->dated, .spares_unmet = seen->spares_unmet, .passed_ms = seen->passed_ms};
}

static struct sc_seen_segment *segment_of(const struct sc_seen *seen, uint32_t number)
{
    uint32_t i = number - seen->first;
    return i < seen->count ? seen->segments[i] : NULL;
}

static struct entry *entry_of(const struct sc_seen *seen, uint64_t number)
{
    bool is_number = number / SC_SEEN_SEGMENT <= UINT32_MAX; /* SC_SEEN_NONE is none */
    struct sc_seen_segment *s = is_number ? segment_of(seen, (uint32_t)(number / SC_SEEN_SEGMENT)) : NULL;
    uint32_t i = (uint32_t)(number % SC_SEEN_SEGMENT);
    return s && i < s->count ? &s->entries[i] : NULL;
}

/* Entries of a segment. Numbers go on by SC_SEEN_SEGMENT in any case. */
static uint32_t room_of(const struct sc_seen *seen)
{
    return seen->dated ? DATED_SEGMENT : SC_SEEN_SEGMENT;
}

/* Table cells hold the low 31 bits of the entry number + 1 (0 = empty); far fewer entries live at a time, so the full number is found again
 * from the first segment's. */
#define LOW_BITS 0x7fffffffu

static uint32_t cell_of(uint64_t number)
{
    return ((uint32_t)number & LOW_BITS) + 1;
}

static uint64_t number_of(const struct sc_seen *seen, uint32_t cell)
{
    uint64_t base = (uint64_t)seen->first * SC_SEEN_SEGMENT;
    uint64_t number = base + ((cell - 1 - (uint32_t)base) & LOW_BITS);
    return number & ((uint64_t)UINT32_MAX * SC_SEEN_SEGMENT + SC_SEEN_SEGMENT - 1); /* as numbers of segments wrap around */
}

static uint32_t home(const struct sc_seen *seen, uint64_t fingerprint)
{
    return (uint32_t)(fingerprint >> 7) & (seen->table_size - 1);
}

static uint64_t fingerprint_at(const struct sc_seen *seen, uint32_t cell)
{
    const struct entry *e = entry_of(seen, number_of(seen, cell));
    return e ? e->fingerprint : 0;
}

static void table_put(struct sc_seen *seen, uint64_t fingerprint, uint32_t cell)
{
    uint32_t at = home(seen, fingerprint);
    while (seen->table[at])
        at = (at + 1) & (seen->table_size - 1);
    seen->table[at] = cell;
    seen->used++;
}

static uint32_t table_find(const struct sc_seen *seen, uint64_t fingerprint, uint32_t *ret_at)
{
    if (!seen->table_size)
        return 0;
    for (uint32_t at = home(seen, fingerprint); seen->table[at]; at = (at + 1) & (seen->table_size - 1)) {
        if (fingerprint_at(seen, seen->table[at]) == fingerprint) {
            *ret_at = at;
            return seen->table[at];
        }
    }
    return 0;
}

static int table_grow(struct sc_seen *seen)
{
    uint32_t size = seen->table_size ? seen->table_size * 2 : 256;
    uint32_t *table = calloc(size, sizeof *table);
    if (!table)
        return -1;
    uint32_t *old = seen->table, old_size = seen->table_size;
    seen->table = table;
    seen->table_size = size;
    seen->used = 0;
    for (uint32_t i = 0; i < old_size; i++) {
        if (old[i])
            table_put(seen, fingerprint_at(seen, old[i]), old[i]);
    }
    free(old);
    return 0;
}

/* Backward-shift deletion: no tombstones. */
static void table_remove(struct sc_seen *seen, uint64_t fingerprint)
{
    uint32_t at, mask = seen->table_size - 1;
    if (!table_find(seen, fingerprint, &at))
        return;
    seen->used--;
    for (uint32_t next = (at + 1) & mask;; next = (next + 1) & mask) {
        uint32_t cell = seen->table[next];
        if (!cell)
            break;
        uint32_t want = home(seen, fingerprint_at(seen, cell));
        if (((next - want) & mask) >= ((next - at) & mask)) {
            seen->table[at] = cell;
            at = next;
        }
    }
    seen->table[at] = 0;
}

/* The entry is what counts for its fingerprint: none came later. */
static bool is_latest(const struct sc_seen *seen, const struct sc_seen_segment *s, uint32_t i)
{
    uint32_t at, cell = table_find(seen, s->entries[i].fingerprint, &at);
    return cell == cell_of((uint64_t)s->number * SC_SEEN_SEGMENT + i);
}

static void drop_first(struct sc_seen *seen)
{
    struct sc_seen_segment *s = seen->segments[0];
    for (uint32_t i = 0; i < s->count; i++) {
        if (is_latest(seen, s, i)) /* it was not taken over into a later one */
            table_remove(seen, s->entries[i].fingerprint);
    }
    free(s);
    memmove(seen->segments, seen->segments + 1, (seen->count - 1) * sizeof *seen->segments);
    seen->count--;
    seen->first++;
}

static struct sc_seen_segment *add_segment(struct sc_seen *seen)
{
    if (seen->count == seen->cap) {
        uint32_t cap = seen->cap ? seen->cap * 2 : 8;
        struct sc_seen_segment **grown = realloc(seen->segments, cap * sizeof *grown);
        if (!grown)
            return NULL;
        seen->segments = grown;
        seen->cap = cap;
    }
    struct sc_seen_segment *s = malloc(sizeof *s);
    if (!s)
        return NULL;
    memset(s, 0, offsetof(struct sc_seen_segment, entries));
    s->newest = SC_TIME_NONE;
    s->number = seen->first + seen->count;
    seen->segments[seen->count++] = s;
    return s;
}

uint64_t sc_seen_find(const struct sc_seen *seen, uint64_t fingerprint)
{
    uint32_t at, cell = table_find(seen, fingerprint, &at);
    return cell ? number_of(seen, cell) : SC_SEEN_NONE;
}

/* Into the last segment, not into the table. */
static uint64_t append(struct sc_seen_segment *s, uint64_t fingerprint, uint32_t hash)
{
    s->entries[s->count] = (struct entry){.fingerprint = fingerprint, .hash = hash, .offset = OFFSET_IN_FLIGHT};
    return (uint64_t)s->number * SC_SEEN_SEGMENT + s->count++;
}

/* In the place of what was there under its fingerprint. */
static void table_set(struct sc_seen *seen, uint64_t fingerprint, uint32_t cell)
{
    uint32_t at;
    if (table_find(seen, fingerprint, &at))
        seen->table[at] = cell;
    else
        table_put(seen, fingerprint, cell);
}

static uint64_t seq_of(const struct sc_seen_segment *s, const struct entry *e)
{
    return e->offset < 2 ? 0 : e->offset == OFFSET_FAR ? UINT64_MAX : s->base + e->offset - 2;
}

/* Entries of the oldest segment that are still to be met become entries of the newest one, and it is dropped. How many went. They stay apart from what is
 * handed over, so that they are known for what they are when they are loaded again. */
static uint32_t drop_met(struct sc_seen *seen)
{
    struct sc_seen_segment *s = seen->segments[0], *last = seen->segments[seen->count - 1];
    bool passed = !s->undated && s->newest != SC_TIME_NONE && seen->passed_ms != SC_TIME_NONE && s->newest < seen->passed_ms;
    uint32_t unmet = 0;
    for (uint32_t i = 0; !passed && i < s->count; i++) {
        const struct entry e = s->entries[i];
        if (e.hash || e.offset == OFFSET_IN_FLIGHT)
            continue;
        if ((!last->found || last->count == room_of(seen)) && !(last = add_segment(seen)))
            break;
        last->found = true;
        uint64_t number = append(last, e.fingerprint, 0);
        table_set(seen, e.fingerprint, cell_of(number));
        sc_seen_stored(seen, number, seq_of(s, &e), s->undated ? SC_TIME_NONE : s->newest);
        unmet++;
    }
    uint32_t met = s->count - unmet;
    drop_first(seen);
    return met;
}

/* Nothing less than a segment is ever forgotten, so a smaller cap means one, however few its entries are. */
static uint64_t cap_of(const struct sc_seen *seen)
{
    return seen->max > SC_SEEN_SEGMENT ? seen->max : SC_SEEN_SEGMENT;
}

/* Above the cap. Where nearly all there is is still to be met, what is oldest goes: else each record that comes would turn over all of it. */
static void make_place(struct sc_seen *seen)
{
    uint32_t turns = seen->spares_unmet ? seen->count : 0, went = 0;
    seen->overflowed = true;
    while (turns && went < SC_SEEN_SEGMENT && seen->count > 1) {
        went += drop_met(seen);
        turns--;
    }
    if (seen->count > 1 && (went == 0 || (went < SC_SEEN_SEGMENT && (uint64_t)seen->used + SC_SEEN_SEGMENT / 4 > cap_of(seen))))
        drop_first(seen);
}

/* The segment that takes the next entry, and room for it in the table where it is a fresh one; `own`: it is handed over. NULL: out of memory. */
static struct sc_seen_segment *make_room(struct sc_seen *seen, bool fresh, bool own)
{
    if (fresh && (uint64_t)seen->used + 1 > cap_of(seen) && seen->count > 1)
        make_place(seen);
    if ((seen->table_size == 0 || seen->used + 1 > seen->table_size / 2) && table_grow(seen))
        return NULL;
    struct sc_seen_segment *s = seen->count ? seen->segments[seen->count - 1] : NULL;
    bool apart = s && s->found && own && seen->spares_unmet;
    return s && !apart && s->count < room_of(seen) ? s : add_segment(seen);
}

static uint64_t add(struct sc_seen *seen, uint64_t fingerprint, uint32_t hash, uint64_t page, bool own)
{
    struct sc_seen_segment *s = make_room(seen, true, own);
    if (!s)
        return SC_SEEN_NONE;
    s->found = s->found || (s->count == 0 && !own);
    uint64_t number = append(s, fingerprint, hash);
    if (page > s->page)
        s->page = page;
    table_put(seen, fingerprint, cell_of(number));
    return number;
}

uint64_t sc_seen_add(struct sc_seen *seen, uint64_t fingerprint, uint32_t hash, uint64_t page)
{
    return add(seen, fingerprint, hash, page, true);
}

static int add_reading(struct sc_seen *seen, uint64_t fingerprint, uint32_t seconds, uint64_t seq)
{
    struct sc_seen_segment *s = make_room(seen, sc_seen_find(seen, fingerprint) == SC_SEEN_NONE, false);
    if (!s)
        return -1;
    uint64_t number = append(s, fingerprint, seconds);
    table_set(seen, fingerprint, cell_of(number));
    sc_seen_stored(seen, number, seq, (int64_t)seconds * 1000);
    return 0;
}

int sc_seen_renew(struct sc_seen *seen, uint64_t fingerprint, uint32_t seconds, uint64_t seq)
{
    uint64_t known = sc_seen_find(seen, fingerprint);
    if (known != SC_SEEN_NONE && sc_seen_hash(seen, known) >= seconds)
        return 0;
    return add_reading(seen, fingerprint, seconds, seq);
}

void sc_seen_compact(struct sc_seen *seen)
{
    while (seen->count > 1) {
        struct sc_seen_segment *s = seen->segments[0];
        uint64_t entries = (uint64_t)(seen->count - 1) * room_of(seen) + seen->segments[seen->count - 1]->count;
        if (entries <= 2ull * seen->used + room_of(seen))
            return;
        for (uint32_t i = 0; i < s->count; i++) {
            const struct entry *e = &s->entries[i];
            if (is_latest(seen, s, i) && add_reading(seen, e->fingerprint, e->hash, seq_of(s, e)))
                return;
        }
        drop_first(seen);
    }
}

/* Makes room below the base: all placed offsets move up. */
static void rebase(struct sc_seen_segment *s, uint64_t base)
{
    uint64_t shift = s->base - base;
    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t offset = s->entries[i].offset;
        if (offset >= 2)
            s->entries[i].offset = shift > OFFSET_FAR - offset ? OFFSET_FAR : (uint32_t)(offset + shift);
    }
    s->base = base;
}

void sc_seen_stored(struct sc_seen *seen, uint64_t number, uint64_t seq, int64_t time_ms)
{
    struct sc_seen_segment *s = segment_of(seen, (uint32_t)(number / SC_SEEN_SEGMENT));
    struct entry *e = entry_of(seen, number);
    if (!e)
        return;
    if (e->offset == OFFSET_IN_FLIGHT) {
        s->stored++;
        s->undated |= time_ms == SC_TIME_NONE;
    }
    if (seq == 0) {
        if (e->offset == OFFSET_IN_FLIGHT)
            e->offset = OFFSET_UNPLACED;
    } else {
        if (s->base == 0)
            s->base = seq;
        if (seq < s->base)
            rebase(s, seq);
        uint64_t distance = seq - s->base;
        e->offset = distance > OFFSET_FAR - 2 ? OFFSET_FAR : (uint32_t)distance + 2;
    }
    if (time_ms != SC_TIME_NONE && time_ms > s->newest)
        s->newest = time_ms;
    s->dirty = true;
}

bool sc_seen_is_stored(const struct sc_seen *seen, uint64_t number)
{
    const struct entry *e = entry_of(seen, number);
    return e && e->offset != OFFSET_IN_FLIGHT;
}

uint32_t sc_seen_hash(const struct sc_seen *seen, uint64_t number)
{
    const struct entry *e = entry_of(seen, number);
    return e ? e->hash : 0;
}

void sc_seen_set_hash(struct sc_seen *seen, uint64_t number, uint32_t hash)
{
    struct entry *e = entry_of(seen, number);
    if (e)
        e->hash = hash;
}

int sc_seen_found(struct sc_seen *seen, uint64_t fingerprint, uint64_t seq, int64_t time_ms)
{
    uint64_t number = sc_seen_find(seen, fingerprint);
    if (number == SC_SEEN_NONE)
        number = add(seen, fingerprint, 0, 0, false);
    if (number == SC_SEEN_NONE)
        return -1;
    sc_seen_stored(seen, number, seq, time_ms);
    return 0;
}

/* A segment with entries of unknown time (found by a read-back) is judged by the next one with a time: it was handed over later. */
static bool is_older(const struct sc_seen *seen, uint32_t i, int64_t before_ms)
{
    const struct sc_seen_segment *s = seen->segments[i];
    if (s->newest != SC_TIME_NONE && s->newest >= before_ms)
        return false;
    while (s->undated && ++i < seen->count) {
        const struct sc_seen_segment *later = seen->segments[i];
        if (later->newest != SC_TIME_NONE)
            return later->newest < before_ms;
    }
    return !s->undated || before_ms == INT64_MAX;
}

void sc_seen_drop(struct sc_seen *seen, int64_t before_ms, uint64_t page, void (*dropped)(void *, uint32_t), void *arg)
{
    while (seen->count > 1) { /* the last one is still being filled */
        const struct sc_seen_segment *s = seen->segments[0];
        if (s->stored < s->count || s->page >= page || !is_older(seen, 0, before_ms))
            return;
        uint32_t number = s->number;
        drop_first(seen);
        if (dropped)
            dropped(arg, number);
    }
}

bool sc_seen_dirty(const struct sc_seen *seen, uint32_t segment)
{
    const struct sc_seen_segment *s = segment_of(seen, segment);
    return s && s->dirty;
}

void sc_seen_mark_dirty(struct sc_seen *seen, uint32_t segment)
{
    struct sc_seen_segment *s = segment_of(seen, segment);
    if (s)
        s->dirty = true;
}

/* ---- text form: "SCS1", then little-endian: u32 number, u32 count, u64 base, i64 newest, u64 highest seq; entries u64 + u32 --------
 * Of a dated set: "SCS2"; entries have the time behind, u32. */

#define HEAD_BYTES  36
#define ENTRY_BYTES 12

static const char *magic_of(const struct sc_seen *seen)
{
    return seen->dated ? "SCS2" : "SCS1";
}

static size_t entry_bytes(const struct sc_seen *seen)
{
    return ENTRY_BYTES + (seen->dated ? 4 : 0);
}

static void put_le(unsigned char *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t get_le(const unsigned char *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

int sc_seen_encode(struct sc_seen *seen, uint32_t segment, struct sc_buf *out)
{
    struct sc_seen_segment *s = segment_of(seen, segment);
    if (!s)
        return -1;
    unsigned char head[HEAD_BYTES] = "";
    uint32_t highest = 0;
    memcpy(head, magic_of(seen), 4);
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->entries[i].offset > highest)
            highest = s->entries[i].offset;
    }
    put_le(head + 4, s->number, 4);
    put_le(head + 8, s->stored, 4);
    put_le(head + 12, s->base, 8);
    put_le(head + 20, (uint64_t)(s->undated ? SC_TIME_NONE : s->newest), 8);
    put_le(head + 28, highest >= 2 ? s->base + highest - 2 : 0, 8);
    if (sc_buf_add(out, head, sizeof head))
        return -1;
    for (uint32_t i = 0; i < s->count; i++) {
        unsigned char cell[ENTRY_BYTES + 4];
        if (s->entries[i].offset == OFFSET_IN_FLIGHT)
            continue;
        put_le(cell, s->entries[i].fingerprint, 8);
        put_le(cell + 8, s->entries[i].offset, 4);
        put_le(cell + 12, s->entries[i].hash, 4);
        if (sc_buf_add(out, cell, entry_bytes(seen)))
            return -1;
    }
    s->dirty = false;
    return 0;
}

/* Where an entry that lies OFFSET_FAR from the base is: not known, so beyond every limit. */
static bool is_beyond(uint64_t base, uint32_t offset, uint64_t max_seq)
{
    if (offset < 2 || max_seq == UINT64_MAX)
        return false;
    return offset == OFFSET_FAR || base > max_seq || offset - 2 > max_seq - base;
}

int sc_seen_load(struct sc_seen *seen, uint32_t segment, struct sc_str value, uint64_t max_seq)
{
    const unsigned char *p = (const unsigned char *)value.ptr;
    if (value.len < HEAD_BYTES || memcmp(p, magic_of(seen), 4) != 0 || get_le(p + 4, 4) != segment)
        return -1;
    uint32_t count = (uint32_t)get_le(p + 8, 4);
    uint64_t base = get_le(p + 12, 8);
    if (count > room_of(seen) || value.len != HEAD_BYTES + count * entry_bytes(seen))
        return -1;
    if (seen->count == 0)
        seen->first = segment;
    else if (seen->first + seen->count != segment)
        return -1;
    struct sc_seen_segment *s = add_segment(seen);
    if (!s)
        return -1;
    s->newest = (int64_t)get_le(p + 20, 8);
    s->base = base;
    s->undated = s->found = count && s->newest == SC_TIME_NONE;
    for (uint32_t i = 0; i < count; i++) {
        const unsigned char *cell = p + HEAD_BYTES + i * entry_bytes(seen);
        uint64_t fingerprint = get_le(cell, 8);
        uint32_t offset = (uint32_t)get_le(cell + 8, 4);
        if (is_beyond(base, offset, max_seq)) {
            s->dirty = true; /* or it would be back after the next start, when nothing is left out any more */
            continue;
        }
        if (offset == OFFSET_IN_FLIGHT || (!seen->dated && sc_seen_find(seen, fingerprint) != SC_SEEN_NONE))
            continue;
        if ((seen->table_size == 0 || seen->used + 1 > seen->table_size / 2) && table_grow(seen))
            return -1;
        uint64_t number = (uint64_t)s->number * SC_SEEN_SEGMENT + s->count;
        s->entries[s->count++] = (struct entry){fingerprint, seen->dated ? (uint32_t)get_le(cell + 12, 4) : 0, offset};
        s->stored++;
        table_set(seen, fingerprint, cell_of(number));
    }
    return 0;
}

uint32_t sc_seen_stored_in(const struct sc_seen *seen, uint32_t segment)
{
    const struct sc_seen_segment *s = segment_of(seen, segment);
    return s ? s->stored : 0;
}

uint32_t sc_seen_first(const struct sc_seen *seen)
{
    return seen->first;
}

uint32_t sc_seen_end(const struct sc_seen *seen)
{
    return seen->first + seen->count;
}

uint64_t sc_seen_entries(const struct sc_seen *seen)
{
    return seen->used;
}
