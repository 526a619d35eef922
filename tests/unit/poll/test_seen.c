/* The set of identities against a plain list: long random runs with numbers near 2^31, 2^32 and the
 * end, clustered tables, overflow, segments written and read again; what a segment may not be; and
 * what is left out after a rewind stays out. */
#include "poll/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"
#include "guard.h"
#include "random.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define SEG        SC_SEEN_SEGMENT

/* ---- the model: one list in order of number ---- */

struct known {
    uint64_t number, fingerprint, seq, page;
    int64_t time;
    uint32_t hash;
    bool stored, dated;
};

#define MODEL_MAX 40000

static struct {
    struct known list[MODEL_MAX];
    size_t count;
    uint32_t first, end; /* segments */
    uint64_t max;
    bool overflowed;
    uint64_t seed;
    bool dirty[64]; /* by segment - first */
    uint64_t fresh; /* fingerprints made so far */
    uint64_t (*fingerprint)(uint64_t n);
    uint64_t seq, page;
    int64_t time;
} m;

static uint64_t scattered(uint64_t n)
{
    uint64_t seed = n;
    return random_next(&seed);
}

/* All in a few places of the table, its end among them: long runs that wrap around. */
static uint64_t crowded(uint64_t n)
{
    return (n << 40) | ((0x1ffffff - n % 3) << 7) | (n & 127);
}

static uint64_t half_crowded(uint64_t n)
{
    return n % 64 == 0 ? crowded(n) : scattered(n);
}

static void model_begin(uint64_t seed, uint32_t first, uint64_t max,
                        uint64_t (*fingerprint)(uint64_t))
{
    memset(&m, 0, sizeof m);
    m.seed = seed;
    m.first = m.end = first;
    m.max = max;
    m.fingerprint = fingerprint;
    m.seq = 1000;
}

static uint64_t below(uint64_t n)
{
    return random_below(&m.seed, n);
}

static uint32_t segment_of(const struct known *k)
{
    return (uint32_t)(k->number / SEG);
}

static void model_drop_first(void)
{
    size_t n = 0;
    while (n < m.count && segment_of(&m.list[n]) == m.first)
        n++;
    m.count -= n;
    memmove(m.list, m.list + n, m.count * sizeof m.list[0]);
    m.first++;
    memmove(m.dirty, m.dirty + 1, sizeof m.dirty - sizeof m.dirty[0]);
}

static struct known *model_add(uint64_t fingerprint, uint32_t hash, uint64_t page)
{
    if (m.count + 1 > m.max && m.end - m.first > 1) {
        model_drop_first();
        m.overflowed = true;
    }
    uint32_t last = m.end - 1, n = m.end == m.first ? SEG : 0;
    if (n == 0 && m.count && segment_of(&m.list[m.count - 1]) == last)
        n = (uint32_t)(m.list[m.count - 1].number % SEG) + 1;
    if (n == SEG) {
        last = m.end++;
        n = 0;
        m.dirty[last - m.first] = false;
    }
    assert_true(m.count < MODEL_MAX);
    m.list[m.count] = (struct known){.number = (uint64_t)last * SEG + n,
                                     .fingerprint = fingerprint,
                                     .hash = hash,
                                     .page = page,
                                     .time = SC_TIME_NONE};
    return &m.list[m.count++];
}

static void model_stored(struct known *k, uint64_t seq, int64_t time)
{
    if (!k->stored)
        k->dated = time != SC_TIME_NONE;
    k->stored = true;
    if (seq)
        k->seq = seq;
    if (time != SC_TIME_NONE && time > k->time)
        k->time = time;
    m.dirty[segment_of(k) - m.first] = true;
}

struct facts {
    int64_t newest;
    uint64_t page;
    bool undated, in_flight;
};

static struct facts facts_of(uint32_t segment)
{
    struct facts f = {.newest = SC_TIME_NONE};
    for (size_t i = 0; i < m.count; i++) {
        const struct known *k = &m.list[i];
        if (segment_of(k) != segment)
            continue;
        f.newest = k->time > f.newest ? k->time : f.newest;
        f.page = k->page > f.page ? k->page : f.page;
        f.undated |= k->stored && !k->dated;
        f.in_flight |= !k->stored;
    }
    return f;
}

static bool model_droppable(int64_t before, uint64_t page)
{
    struct facts f = facts_of(m.first);
    if (m.end - m.first < 2 || f.in_flight || f.page >= page ||
        (f.newest != SC_TIME_NONE && f.newest >= before))
        return false;
    if (!f.undated || before == INT64_MAX)
        return true;
    for (uint32_t s = m.first + 1; s != m.end; s++) {
        struct facts later = facts_of(s);
        if (later.newest != SC_TIME_NONE)
            return later.newest < before;
    }
    return false;
}

/* ---- comparing ---- */

static void compare_one(const struct sc_seen *seen, const struct known *k)
{
    uint64_t number = sc_seen_find(seen, k->fingerprint);
    CHECK_INT("number", number, k->number);
    CHECK_INT("stored", sc_seen_is_stored(seen, number), k->stored);
    CHECK_INT("hash", sc_seen_hash(seen, number), k->hash);
}

static void compare(const struct sc_seen *seen, bool whole)
{
    CHECK_INT("entries", sc_seen_entries(seen), m.count);
    CHECK_INT("first", sc_seen_first(seen), m.first);
    CHECK_INT("end", sc_seen_end(seen), m.end);
    CHECK_INT("overflow", seen->overflowed, m.overflowed);
    for (size_t i = 0; i < m.count; i += whole ? 1 : 1 + below(m.count))
        compare_one(seen, &m.list[i]);
    for (uint32_t s = m.first; s != m.end; s++)
        CHECK_INT("dirty", sc_seen_dirty(seen, s), m.dirty[s - m.first]);
    CHECK_INT("no such segment", sc_seen_dirty(seen, m.end), false);
    CHECK_INT("before the first", sc_seen_dirty(seen, m.first - 1), false);
}

/* ---- steps ---- */

static void step_add(struct sc_seen *seen)
{
    uint64_t many = below(20) == 0 ? 1 + below(3000) : 1 + below(20);
    if (m.count + many + SEG > MODEL_MAX)
        return;
    for (uint64_t i = 0; i < many; i++) {
        uint64_t f = m.fingerprint(++m.fresh);
        uint32_t hash = (uint32_t)below(UINT32_MAX);
        CHECK_INT("not there", sc_seen_find(seen, f), SC_SEEN_NONE);
        uint64_t number = sc_seen_add(seen, f, hash, m.page);
        CHECK_INT("number", number, model_add(f, hash, m.page)->number);
        if (below(3) == 0)
            m.page++;
    }
}

static uint64_t any_seq(void)
{
    switch (below(8)) {
    case 0:
        return 0;
    case 1:
        return 1 + below(m.seq); /* a duplicate's, long before */
    default:
        return m.seq += 1 + below(3);
    }
}

static void step_stored(struct sc_seen *seen)
{
    if (!m.count)
        return;
    for (uint64_t i = below(below(20) == 0 ? m.count + 1 : 40); i > 0; i--) {
        struct known *k = &m.list[below(m.count)];
        uint64_t seq = any_seq();
        int64_t time = below(500) == 0 ? SC_TIME_NONE : (m.time += (int64_t)below(100) - 20);
        sc_seen_stored(seen, k->number, seq, time);
        model_stored(k, seq, time);
    }
}

static void step_all_stored(struct sc_seen *seen)
{
    uint32_t upto = m.first + (uint32_t)below(3);
    for (size_t i = 0; i < m.count; i++) {
        struct known *k = &m.list[i];
        if (k->stored || segment_of(k) - m.first > upto - m.first)
            continue;
        sc_seen_stored(seen, k->number, ++m.seq, ++m.time);
        model_stored(k, m.seq, m.time);
    }
}

static void step_found(struct sc_seen *seen)
{
    uint64_t seq = 1 + below(m.seq);
    struct known *k = m.count && below(2) ? &m.list[below(m.count)] : NULL;
    uint64_t f = k ? k->fingerprint : m.fingerprint(++m.fresh);
    if (!k && m.count + SEG > MODEL_MAX)
        return;
    CHECK_INT("found", sc_seen_found(seen, f, seq, SC_TIME_NONE), 0);
    model_stored(k ? k : model_add(f, 0, 0), seq, SC_TIME_NONE);
}

static void step_hash(struct sc_seen *seen)
{
    struct known *k = m.count ? &m.list[below(m.count)] : NULL;
    if (k)
        sc_seen_set_hash(seen, k->number, k->hash = (uint32_t)below(UINT32_MAX));
}

static uint32_t dropped_next;

static void on_dropped(void *arg, uint32_t segment)
{
    (void)arg;
    CHECK_INT("each once, in order", segment, dropped_next);
    dropped_next++;
}

static void step_drop(struct sc_seen *seen)
{
    int64_t before = below(4) == 0 ? INT64_MAX : m.time - (int64_t)below(2000);
    uint64_t page = below(4) == 0 ? below(m.page + 1) : m.page + 1;
    dropped_next = m.first;
    sc_seen_drop(seen, before, page, on_dropped, NULL);
    while (model_droppable(before, page))
        model_drop_first();
    CHECK_INT("dropped", dropped_next, m.first);
}

/* Numbers that are not there any more, or never were. */
static void step_stale(struct sc_seen *seen)
{
    uint64_t numbers[] = {SC_SEEN_NONE, (uint64_t)m.end * SEG,
                          (uint64_t)(m.first - 1) * SEG + below(SEG),
                          m.count ? m.list[m.count - 1].number + 1 : 0};
    for (size_t i = 0; i < ROWS(numbers); i++) {
        sc_seen_stored(seen, numbers[i], 7, 7);
        sc_seen_set_hash(seen, numbers[i], 7);
        CHECK_INT("no such number", sc_seen_is_stored(seen, numbers[i]), false);
    }
}

/* Writes all segments and begins again from them, as after a restart, perhaps without what lies
 * beyond a sequence. */
static void step_reload(struct sc_seen *seen)
{
    uint64_t max_seq = below(2) ? UINT64_MAX : below(m.seq + 1);
    struct sc_seen fresh;
    sc_seen_init(&fresh, m.max);
    fresh.first = m.first;
    for (uint32_t s = m.first; s != m.end; s++) {
        SC_AUTO_BUF struct sc_buf buf = {0};
        CHECK_INT("written", sc_seen_encode(seen, s, &buf), 0);
        CHECK_INT("clean", sc_seen_dirty(seen, s), false);
        CHECK_TRUE("small enough for a bucket", buf.len < 64 * 1024);
        CHECK_INT("read", sc_seen_load(&fresh, s, sc_buf_str(&buf), max_seq), 0);
    }
    sc_seen_done(seen);
    *seen = fresh;
    size_t kept = 0;
    uint32_t next = 0, segment = m.first;
    memset(m.dirty, 0, sizeof m.dirty);
    for (uint32_t s = m.first; s != m.end;
         s++) { /* a segment with one entry of unknown time is of unknown time */
        bool undated = facts_of(s).undated;
        int64_t newest = facts_of(s).newest;
        for (size_t i = 0; i < m.count; i++) {
            if (segment_of(&m.list[i]) == s) {
                m.list[i].dated = !undated;
                m.list[i].time = undated ? SC_TIME_NONE : newest;
            }
        }
    }
    for (size_t i = 0; i < m.count; i++) {
        struct known k = m.list[i];
        if (segment_of(&k) != segment) {
            segment = segment_of(&k);
            next = 0;
        }
        if (k.stored && k.seq > max_seq)
            m.dirty[segment - m.first] = true;
        if (!k.stored || k.seq > max_seq)
            continue;
        k.number = (uint64_t)segment * SEG + next++;
        k.hash = 0;
        k.page = 0;
        m.list[kept++] = k;
    }
    m.count = kept;
    m.overflowed = false;
}

/* Times and pages of a segment outlive the entries that were left out, so runs with reloads do not
 * drop. */
static void run(uint64_t seed, uint32_t first, uint64_t max, uint64_t (*fingerprint)(uint64_t),
                int steps, bool reloads)
{
    struct sc_seen seen;
    model_begin(seed, first, max, fingerprint);
    sc_seen_init(&seen, max);
    seen.first = first;
    for (int i = 0; i < steps; i++) {
        switch (below(12)) {
        case 0:
        case 1:
        case 2:
            step_add(&seen);
            break;
        case 3:
        case 4:
        case 5:
            step_stored(&seen);
            break;
        case 6:
            step_found(&seen);
            break;
        case 7:
            step_hash(&seen);
            break;
        case 8:
            step_stale(&seen);
            break;
        case 9:
            step_all_stored(&seen);
            break;
        case 10:
            if (!reloads)
                step_drop(&seen);
            break;
        default:
            if (reloads && below(5) == 0)
                step_reload(&seen);
            break;
        }
        compare(&seen, i % 50 == 0 || i + 1 == steps);
    }
    sc_seen_done(&seen);
}

static void test_seen_random(void **state)
{
    (void)state;
    static const uint32_t firsts[] = {0, (1u << 19) - 2, (1u << 20) - 2, (1u << 31) - 2,
                                      UINT32_MAX - 1};
    for (size_t i = 0; i < ROWS(firsts); i++) {
        run(1 + i, firsts[i], 1048576, scattered, 1200, false);
        run(11 + i, firsts[i], 1048576, half_crowded, 400, true);
        run(21 + i, firsts[i], 9000, half_crowded, 700, false);
        run(31 + i, firsts[i], 5000, scattered, 700, true);
    }
}

static void test_seen_random_crowded(void **state)
{
    (void)state;
    run(41, UINT32_MAX, 6000, crowded, 300, false);
}

/* ---- by hand ---- */

static void test_seen_basics(void **state)
{
    (void)state;
    struct sc_seen seen;
    sc_seen_init(&seen, 0);
    CHECK_INT("default cap", seen.max, 1048576);
    CHECK_INT("nothing there", sc_seen_find(&seen, 1), SC_SEEN_NONE);
    CHECK_INT("nothing there", sc_seen_hash(&seen, SC_SEEN_NONE), 0);
    sc_seen_drop(&seen, INT64_MAX, UINT64_MAX, NULL, NULL);
    uint64_t zero = sc_seen_add(&seen, 0, 5, 1), one = sc_seen_add(&seen, UINT64_MAX, 6, 1);
    CHECK_INT("fingerprint 0", sc_seen_find(&seen, 0), zero);
    CHECK_INT("the largest", sc_seen_find(&seen, UINT64_MAX), one);
    CHECK_INT("in flight is not stored", sc_seen_is_stored(&seen, zero), false);
    CHECK_INT("nor worth writing", sc_seen_dirty(&seen, 0), false);
    sc_seen_stored(&seen, zero, 0, SC_TIME_NONE);
    CHECK_INT("place unknown is stored", sc_seen_is_stored(&seen, zero), true);
    CHECK_INT("worth writing", sc_seen_dirty(&seen, 0), true);
    CHECK_INT("body known", sc_seen_hash(&seen, zero), 5);
    SC_AUTO_BUF struct sc_buf buf = {0};
    CHECK_INT("no such segment", sc_seen_encode(&seen, 1, &buf), -1);
    CHECK_INT("written", sc_seen_encode(&seen, 0, &buf), 0);
    CHECK_INT("only what is stored", buf.len, 36 + 12);
    sc_seen_mark_dirty(&seen, 0);
    CHECK_INT("the write failed", sc_seen_dirty(&seen, 0), true);
    sc_seen_mark_dirty(&seen, 1);
    sc_seen_done(&seen);
    sc_seen_done(&seen);
    CHECK_INT("usable again", sc_seen_add(&seen, 9, 0, 0), 0);
    sc_seen_done(&seen);
}

/* Which of the entries stored at `seqs` come back when everything beyond max_seq is left out. */
static void test_seen_left_out(void **state)
{
    (void)state;
    static const uint64_t far = 1ull << 32;
    static const struct {
        uint64_t seqs[4]; /* in this order; 0: place unknown */
        uint64_t max_seq;
        unsigned want; /* bit i: the i-th comes back */
        const char *why;
    } rows[] = {
        {{10, 11, 12, 13},                                             11,         3,  "newest go"                                        },
        {{10, 11, 12, 13},                                             9,          0,  "all go"                                           },
        {{10, 11, 12, 13},                                             0,          0,  "nothing is proven"                                },
        {{10, 11, 12, 13},                                             UINT64_MAX, 15, "all stay"                                         },
        {{1000, 10, 999, 1001},                                        999,        6,  "a lower one afterwards moves the others"          },
        {{1000, 10, 999, 1001},                                        10,         2,  "exactly the lowest"                               },
        {{0, 20, 0, 30},                                               20,         7,  "place unknown stays"                              },
        {{0, 0, 0, 0},                                                 0,          15, "none has a place"                                 },
        {{5, 5 + far, 6, 4 + far},                                     4 + far,    5,  "a place too far to be written is beyond any limit"},
        {{5, 1 + far, 2 + far, 3 + far},                               1 + far,    3,  "the farthest that can be written"                 },
        {{5, 5 + far, 6, 7},                                           UINT64_MAX, 15, "too far and no limit"                             },
        {{5 + far, 5, 6, 7},                                           8,          14, "pushed too far by a lower one"                    },
        {{UINT64_MAX, UINT64_MAX - 1, 1, 2},                           2,          12, "the largest numbers"                              },
        {{UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2, UINT64_MAX - 3},
         UINT64_MAX - 1,
         14,                                                                           "the largest numbers alone"                        },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_seen seen, again, third;
        SC_AUTO_BUF struct sc_buf buf = {0}, rewritten = {0};
        sc_seen_init(&seen, 0);
        sc_seen_init(&again, 0);
        sc_seen_init(&third, 0);
        for (uint64_t n = 0; n < 4; n++)
            sc_seen_stored(&seen, sc_seen_add(&seen, 100 + n, 0, 0), rows[i].seqs[n], 5);
        sc_seen_encode(&seen, 0, &buf);
        CHECK_INT(rows[i].why, sc_seen_load(&again, 0, sc_buf_str(&buf), rows[i].max_seq), 0);
        for (uint64_t n = 0; n < 4; n++)
            CHECK_INT(rows[i].why, sc_seen_find(&again, 100 + n) != SC_SEEN_NONE,
                      rows[i].want >> n & 1);
        /* Another start, nothing left out this time: what was lost with the stream must not be
         * back. */
        CHECK_INT("to be written again when something was left out", sc_seen_dirty(&again, 0),
                  rows[i].want != 15);
        sc_seen_encode(&again, 0, &rewritten);
        CHECK_INT(rows[i].why, sc_seen_load(&third, 0, sc_buf_str(&rewritten), UINT64_MAX), 0);
        for (uint64_t n = 0; n < 4; n++)
            CHECK_INT("stays out", sc_seen_find(&third, 100 + n) != SC_SEEN_NONE,
                      rows[i].want >> n & 1);
        sc_seen_done(&seen);
        sc_seen_done(&again);
        sc_seen_done(&third);
    }
}

/* Three full segments and one begun: which of them go. Time of each segment's entries; NONE:
 * unknown. */
static void test_seen_drop(void **state)
{
    (void)state;
    static const int64_t none = SC_TIME_NONE;
    static const struct {
        int64_t times[4];
        int64_t before;
        uint64_t page; /* entries of segment s are of page s */
        int in_flight; /* one entry of that segment; -1: none */
        uint32_t want;
        const char *why;
    } rows[] = {
        {{10, 20, 30, 40},         21,        9, -1, 2, "by time"                                                      },
        {{10, 20, 30, 40},         20,        9, -1, 1, "its newest is still reached"                                  },
        {{10, 20, 30, 40},         INT64_MAX, 9, -1, 3, "the one being filled stays"                                   },
        {{10, 20, 30, 40},         INT64_MAX, 2, -1, 2, "by page"                                                      },
        {{10, 20, 30, 40},         INT64_MAX, 0, -1, 0, "page still open"                                              },
        {{10, 20, 30, 40},         INT64_MAX, 9, 1,  1, "never what is in flight"                                      },
        {{10, 20, 30, 40},         INT64_MAX, 9, 0,  0, "nor what lies behind it"                                      },
        {{none, 20, 30, 40},       15,        9, -1, 0, "unknown: judged by the next, which is reached"                },
        {{none, 20, 30, 40},       25,        9, -1, 2, "unknown: judged by the next, which is not"                    },
        {{none, none, none, 40},
         40,                                  9,
         -1,
         0,                                             "all found by a read-back, and the position still reaches them"},
        {{none, none, none, 40},   41,        9, -1, 3, "all found by a read-back, out of reach"                       },
        {{none, none, none, none}, 1000,      9, -1, 0, "nothing to judge by"                                          },
        {{none, none, none, none}, INT64_MAX, 9, -1, 3, "a type that never falls back"                                 },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_seen seen;
        sc_seen_init(&seen, 0);
        for (uint32_t n = 0; n < 3 * SEG + 5; n++) {
            uint64_t number = sc_seen_add(&seen, scattered(n), 0, n / SEG);
            if (n % SEG != 3 || (int)(n / SEG) != rows[i].in_flight)
                sc_seen_stored(&seen, number, n + 1, rows[i].times[n / SEG]);
        }
        for (int again = 0; again < 2; again++) {
            sc_seen_drop(&seen, rows[i].before, rows[i].page, NULL, NULL);
            CHECK_INT(rows[i].why, sc_seen_first(&seen), rows[i].want);
            CHECK_INT(rows[i].why, sc_seen_entries(&seen), 3 * SEG + 5 - rows[i].want * SEG);
        }
        sc_seen_done(&seen);
    }
}

/* A segment that holds one entry of unknown time keeps saying so after a restart. */
static void test_seen_drop_after_reload(void **state)
{
    (void)state;
    for (int undated = 0; undated < 2; undated++) {
        struct sc_seen seen, again;
        sc_seen_init(&seen, 0);
        sc_seen_init(&again, 0);
        for (uint32_t n = 0; n < SEG + 5; n++) {
            uint64_t number = sc_seen_add(&seen, n, 0, 0);
            sc_seen_stored(&seen, number, n + 1,
                           undated && n == 7 ? SC_TIME_NONE
                           : n < SEG         ? 10
                                             : 20);
        }
        for (uint32_t s = 0; s < 2; s++) {
            SC_AUTO_BUF struct sc_buf buf = {0};
            sc_seen_encode(&seen, s, &buf);
            sc_seen_load(&again, s, sc_buf_str(&buf), UINT64_MAX);
        }
        sc_seen_drop(&again, 15, 1, NULL, NULL);
        CHECK_INT("its time is known: gone", sc_seen_first(&again), undated ? 0 : 1);
        sc_seen_drop(&again, 25, 1, NULL, NULL);
        CHECK_INT("the next one is out of reach: gone", sc_seen_first(&again), 1);
        sc_seen_done(&seen);
        sc_seen_done(&again);
    }
}

static void test_seen_overflow(void **state)
{
    (void)state;
    struct sc_seen seen;
    sc_seen_init(&seen, 2 * SEG);
    for (uint32_t n = 0; n < 2 * SEG; n++)
        sc_seen_add(&seen, n, 0, 0);
    CHECK_INT("full", seen.overflowed, false);
    uint64_t last = sc_seen_add(&seen, 2 * SEG, 0, 0);
    CHECK_INT("one more", seen.overflowed, true);
    CHECK_INT("the oldest segment went", sc_seen_entries(&seen), SEG + 1);
    CHECK_INT("the oldest segment went", sc_seen_find(&seen, SEG - 1), SC_SEEN_NONE);
    CHECK_INT("the next did not", sc_seen_find(&seen, SEG), SEG);
    CHECK_INT("it is there", sc_seen_find(&seen, 2 * SEG), last);
    sc_seen_stored(&seen, 5, 5, 5); /* the ack of one that was dropped */
    sc_seen_done(&seen);
}

/* ---- what is no segment ---- */

static void segment_with(uint32_t number, uint32_t entries, struct sc_buf *out)
{
    struct sc_seen seen;
    sc_seen_init(&seen, 0);
    seen.first = number;
    for (uint32_t n = 0; n < entries; n++)
        sc_seen_stored(&seen, sc_seen_add(&seen, scattered(n), 0, 0), 100 + n, 5);
    CHECK_INT("written", sc_seen_encode(&seen, number, out), 0);
    sc_seen_done(&seen);
}

static int load_guarded(const char *bytes, size_t len, uint32_t number)
{
    struct guard g = guard_copy(bytes, len);
    struct sc_seen seen;
    sc_seen_init(&seen, 0);
    int rc = sc_seen_load(&seen, number, (struct sc_str){g.ptr, g.len}, UINT64_MAX);
    sc_seen_done(&seen);
    guard_done(&g);
    return rc;
}

static void test_seen_load_refused(void **state)
{
    (void)state;
    SC_AUTO_BUF struct sc_buf buf = {0};
    segment_with(7, 3, &buf);
    for (size_t len = 0; len < buf.len; len++)
        CHECK_INT("cut", load_guarded(buf.ptr, len, 7), -1);
    CHECK_INT("whole", load_guarded(buf.ptr, buf.len, 7), 0);
    CHECK_INT("another number", load_guarded(buf.ptr, buf.len, 8), -1);
    CHECK_INT("absent", sc_seen_load(&(struct sc_seen){.max = 10}, 7, (struct sc_str){0}, 0), -1);
    static const struct {
        size_t at;
        unsigned char byte;
        const char *why;
    } rows[] = {
        {3,  '2',  "a later form"        },
        {0,  's',  "another thing"       },
        {8,  4,    "more than there are" },
        {8,  2,    "fewer than there are"},
        {11, 0xff, "count of billions"   },
        {9,  0x10, "count over a segment"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char was = buf.ptr[rows[i].at];
        buf.ptr[rows[i].at] = (char)rows[i].byte;
        CHECK_INT(rows[i].why, load_guarded(buf.ptr, buf.len, 7), -1);
        buf.ptr[rows[i].at] = was;
    }
    sc_buf_add_char(&buf, 'x');
    CHECK_INT("a byte too many", load_guarded(buf.ptr, buf.len, 7), -1);
}

static void test_seen_load_order(void **state)
{
    (void)state;
    struct sc_seen seen;
    sc_seen_init(&seen, 0);
    SC_AUTO_BUF struct sc_buf a = {0}, b = {0}, c = {0};
    segment_with(7, SEG, &a);
    segment_with(8, 2, &b);
    sc_buf_add(&c, "SCS1\x09", 5);
    while (c.len < 36)
        sc_buf_add_char(&c, 0);
    CHECK_INT("any may be first", sc_seen_load(&seen, 7, sc_buf_str(&a), UINT64_MAX), 0);
    CHECK_INT("one left out", sc_seen_load(&seen, 9, sc_buf_str(&c), UINT64_MAX), -1);
    CHECK_INT("the same again", sc_seen_load(&seen, 7, sc_buf_str(&a), UINT64_MAX), -1);
    CHECK_INT("the next", sc_seen_load(&seen, 8, sc_buf_str(&b), UINT64_MAX), 0);
    CHECK_INT("the same fingerprints: counted once", sc_seen_entries(&seen), SEG);
    CHECK_INT("empty", sc_seen_load(&seen, 9, sc_buf_str(&c), UINT64_MAX), 0);
    CHECK_INT("end", sc_seen_end(&seen), 10);
    CHECK_INT("goes on in the last", sc_seen_add(&seen, 5, 0, 0), 9 * SEG);
    sc_seen_done(&seen);
}

/* Bytes of a segment changed at random: refused or taken, never read beyond. */
static void test_seen_load_garbled(void **state)
{
    (void)state;
    uint64_t seed = 3;
    SC_AUTO_BUF struct sc_buf buf = {0};
    segment_with(7, 20, &buf);
    for (int round = 0; round < 20000; round++) {
        char copy[36 + 20 * 12];
        assert_int_equal(buf.len, sizeof copy);
        memcpy(copy, buf.ptr, sizeof copy);
        for (uint64_t n = 1 + random_below(&seed, 4); n > 0; n--)
            copy[random_below(&seed, sizeof copy)] = (char)random_next(&seed);
        struct sc_seen seen;
        sc_seen_init(&seen, 0);
        if (sc_seen_load(&seen, 7, (struct sc_str){copy, sizeof copy}, random_next(&seed)) == 0) {
            uint64_t entries = sc_seen_entries(&seen);
            CHECK_TRUE("not more than written", entries <= 20);
            for (uint64_t n = 0; n < 30; n++)
                sc_seen_found(&seen, scattered(n), random_next(&seed) | 1, (int64_t)n);
            CHECK_TRUE("still a set", sc_seen_entries(&seen) >= 30);
        }
        sc_seen_done(&seen);
    }
}

/* ---- memory ---- */

static void test_seen_out_of_memory(void **state)
{
    (void)state;
    long failures = 0;
    struct sc_seen seen;
    sc_seen_init(&seen, 0);
    for (uint32_t n = 0; n < 9 * SEG; n++) { /* every growth of table and list fails once */
        failalloc_arm(1);
        uint64_t number = n % 2 ? sc_seen_add(&seen, scattered(n), 7, 0) : SC_SEEN_NONE;
        int rc = n % 2 ? 0 : sc_seen_found(&seen, scattered(n), n + 1, 1);
        bool failed = failalloc_disarm();
        if (failed) {
            failures++;
            CHECK_TRUE("told", n % 2 ? number == SC_SEEN_NONE : rc == -1);
            CHECK_INT("not there", sc_seen_find(&seen, scattered(n)), SC_SEEN_NONE);
            CHECK_INT("nothing half done", sc_seen_entries(&seen), n);
            number = sc_seen_add(&seen, scattered(n), 7, 0);
            sc_seen_stored(&seen, number, n + 1, 1);
        }
        CHECK_INT("in its place", sc_seen_find(&seen, scattered(n)), n);
        sc_seen_stored(&seen, n, n + 1, 1);
    }
    CHECK_TRUE("allocations were made to fail", failures > 10);
    for (uint32_t s = 0; s < 9; s++) {
        for (long n = 1, failed = 1; failed; n++) {
            struct sc_buf buf = {0};
            failalloc_arm(n);
            int rc = sc_seen_encode(&seen, s, &buf);
            failed = failalloc_disarm();
            CHECK_INT("told", rc, failed ? -1 : 0);
            CHECK_INT("still to be written", sc_seen_dirty(&seen, s), failed);
            for (long k = 1, load_failed = !failed && s < 2; load_failed; k++) {
                struct sc_seen again;
                sc_seen_init(&again, 0);
                failalloc_arm(k);
                rc = sc_seen_load(&again, s, sc_buf_str(&buf), UINT64_MAX);
                load_failed = failalloc_disarm();
                CHECK_INT("told", rc, load_failed ? -1 : 0);
                sc_seen_done(&again);
            }
            sc_buf_done(&buf);
        }
    }
    sc_seen_done(&seen);
    struct sc_buf small;
    sc_buf_init(&small, 40);
    sc_seen_init(&seen, 0);
    sc_seen_found(&seen, 1, 1, 1);
    CHECK_INT("does not fit", sc_seen_encode(&seen, 0, &small), -1);
    CHECK_INT("still to be written", sc_seen_dirty(&seen, 0), true);
    sc_buf_done(&small);
    sc_seen_done(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seen_basics),        cmocka_unit_test(test_seen_left_out),
        cmocka_unit_test(test_seen_drop),          cmocka_unit_test(test_seen_drop_after_reload),
        cmocka_unit_test(test_seen_overflow),      cmocka_unit_test(test_seen_load_refused),
        cmocka_unit_test(test_seen_load_order),    cmocka_unit_test(test_seen_load_garbled),
        cmocka_unit_test(test_seen_random),        cmocka_unit_test(test_seen_random_crowded),
        cmocka_unit_test(test_seen_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
