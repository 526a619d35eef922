/* The map of a snapshot against a plain array: random walks over documents that change, lose and
 * regain records, with versions, broken walks, restarts in the middle, and crowded tables; what a
 * stored part may not be; the order of versions. */
#include "poll/snapshot.h"

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

static void content(unsigned body, unsigned char hash[16])
{
    memset(hash, 0, 16);
    memcpy(hash, &body, sizeof body);
    hash[15] = 0xAA;
}

static enum sc_map_verdict meet(struct sc_map *map, uint64_t fingerprint, unsigned body,
                                unsigned *ret_changes)
{
    unsigned char hash[16];
    content(body, hash);
    return sc_map_meet(map, fingerprint, hash, ret_changes);
}

/* ---- by hand ---- */

static void test_map_changes(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        unsigned body;
        enum sc_map_verdict want;
        unsigned changes;
        const char *why;
    } rows[] = {
        {"1", 'A', SC_MAP_PUBLISH, 1, "new"                              },
        {"1", 'A', SC_MAP_SAME,    0, "same"                             },
        {"1", 'B', SC_MAP_PUBLISH, 2, "changed within the version"       },
        {"1", 'A', SC_MAP_PUBLISH, 3, "and back: not what was sent first"},
        {"1", 'A', SC_MAP_SAME,    0, "same"                             },
        {"2", 'A', SC_MAP_SAME,    0, "same in the next version"         },
        {"2", 'B', SC_MAP_PUBLISH, 1, "counted anew"                     },
        {"2", 'A', SC_MAP_PUBLISH, 2, "and back in one version"          },
        {"",  'C', SC_MAP_PUBLISH, 1, "no version is one too"            },
    };
    struct sc_map map;
    sc_map_init(&map, 0);
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned changes = 0;
        sc_map_begin(&map);
        sc_map_version(&map, rows[i].version);
        CHECK_INT(rows[i].why, meet(&map, 77, rows[i].body, &changes), rows[i].want);
        CHECK_INT(rows[i].why, changes, rows[i].changes);
        sc_map_stored(&map, 77);
        if (i % 2)
            CHECK_INT("nothing vanished", sc_map_commit(&map), 0);
    }
    sc_map_done(&map);
    sc_map_done(&map);
}

static void test_map_long_version(void **state)
{
    (void)state;
    char text[SC_MAP_VERSION_MAX + 20];
    struct sc_map map;
    unsigned changes;
    sc_map_init(&map, 0);
    memset(text, 'v', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (unsigned i = 1; i <= 3; i++) {
        sc_map_version(&map, text);
        meet(&map, 1, i, &changes);
        CHECK_INT("a version too long to be kept is still the same one", changes, i);
    }
    text[SC_MAP_VERSION_MAX] = '\0';
    text[3] = 'w';
    sc_map_version(&map, text);
    meet(&map, 1, 9, &changes);
    CHECK_INT("another one, as long as may be", changes, 1);
    sc_map_done(&map);
}

/* A record that went and one that came in its place have nothing to do with each other. */
static void test_map_retraction(void **state)
{
    (void)state;
    struct sc_map map;
    unsigned changes;
    sc_map_init(&map, 0);
    sc_map_version(&map, "1");
    sc_map_begin(&map);
    for (unsigned i = 0; i < 5; i++)
        meet(&map, 1 << 7, i, &changes);
    CHECK_INT("often changed", changes, 5);
    CHECK_INT("stays", sc_map_commit(&map), 0);
    sc_map_begin(&map);
    CHECK_INT("not met", sc_map_unmet(&map), 1);
    CHECK_INT("vanished", sc_map_commit(&map), 1);
    CHECK_INT("empty", map.used, 0);
    sc_map_begin(&map);
    CHECK_INT("another one in the same place", meet(&map, (1 << 7) | 1, 4, &changes),
              SC_MAP_PUBLISH);
    CHECK_INT("counted from one", changes, 1);
    CHECK_INT("the first one again", meet(&map, 1 << 7, 4, &changes), SC_MAP_PUBLISH);
    CHECK_INT("counted from one", changes, 1);
    sc_map_done(&map);
}

static void test_map_is_same(void **state)
{
    (void)state;
    struct sc_map map;
    unsigned char a[16], b[16];
    unsigned changes;
    content('A', a);
    content('B', b);
    sc_map_init(&map, 0);
    CHECK_INT("empty", sc_map_is_same(&map, 1, a), false);
    CHECK_INT("not made by asking", map.used, 0);
    sc_map_begin(&map);
    sc_map_meet(&map, 0, a, &changes);
    sc_map_begin(&map);
    CHECK_INT("not met yet", sc_map_unmet(&map), 1);
    CHECK_INT("changed", sc_map_is_same(&map, 0, b), false);
    CHECK_INT("not met by that", sc_map_unmet(&map), 1);
    CHECK_INT("same", sc_map_is_same(&map, 0, a), true);
    CHECK_INT("met by that", sc_map_unmet(&map), 0);
    CHECK_INT("changes nothing", sc_map_meet(&map, 0, b, &changes), SC_MAP_PUBLISH);
    CHECK_INT("changes nothing", changes, 2);
    sc_map_done(&map);
}

static void test_map_found(void **state)
{
    (void)state;
    static const struct {
        unsigned body, changes;
        bool same_version;
        unsigned met, want; /* what is met afterwards; 0: same */
        const char *why;
    } rows[] = {
        {'A', 1,     true,  'A', 0,     "what was sent before the crash"          },
        {'B', 2,     true,  'A', 3,     "the newest state counts, and its number" },
        {'A', 7,     false, 'B', 4,     "a number of another version says nothing"},
        {'C', 1,     true,  'A', 5,     "numbers never fall"                      },
        {'A', 70000, true,  'B', 65535, "as many as can be kept"                  },
        {'A', 65535, true,  'B', 65535, "and no more"                             },
    };
    struct sc_map map;
    sc_map_init(&map, 0);
    sc_map_version(&map, "1");
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char hash[16];
        unsigned changes = 0;
        content(rows[i].body, hash);
        sc_map_begin(&map);
        CHECK_INT(rows[i].why, sc_map_found(&map, 5, hash, rows[i].changes, rows[i].same_version),
                  0);
        CHECK_INT(rows[i].why, meet(&map, 5, rows[i].met, &changes),
                  rows[i].want ? SC_MAP_PUBLISH : SC_MAP_SAME);
        CHECK_INT(rows[i].why, changes, rows[i].want);
    }
    sc_map_begin(&map);
    unsigned char hash[16];
    content(1, hash);
    sc_map_found(&map, 6, hash, 1, true);
    CHECK_INT("found and not in the document", sc_map_commit(&map), 2);
    sc_map_done(&map);
}

static void test_map_full(void **state)
{
    (void)state;
    struct sc_map map;
    unsigned changes;
    unsigned char hash[16];
    content(1, hash);
    sc_map_init(&map, 3);
    sc_map_begin(&map);
    for (uint64_t f = 0; f < 2; f++)
        CHECK_INT("room", meet(&map, f * 1000, 1, &changes), SC_MAP_PUBLISH);
    CHECK_INT("room", sc_map_found(&map, 2000, hash, 1, true), 0);
    CHECK_INT("full", meet(&map, 3000, 1, &changes), SC_MAP_FULL);
    CHECK_INT("full", sc_map_found(&map, 3000, hash, 1, true), -1);
    CHECK_INT("known ones may change", meet(&map, 1000, 2, &changes), SC_MAP_PUBLISH);
    CHECK_INT("2000 went", sc_map_commit(&map), 1);
    CHECK_INT("room again", meet(&map, 3000, 1, &changes), SC_MAP_PUBLISH);
    sc_map_done(&map);
}

/* ---- the model ---- */

#define IDS 6000

struct record {
    bool known, met;
    unsigned body, changes;
};

static struct record model[IDS];
static unsigned ids;
static uint64_t seed;
static uint64_t (*fingerprint)(unsigned id);

static uint64_t below(uint64_t n)
{
    return random_below(&seed, n);
}

static uint64_t scattered(unsigned id)
{
    uint64_t s = id;
    return random_next(&s);
}

/* Runs that wrap around the end of every table; 0 and 1 share a name, so 0 is left out. */
static uint64_t crowded(unsigned id)
{
    return ((uint64_t)id << 40 | (0x1ffffffu - id % 5) << 7) + 2;
}

static void model_begin(unsigned n, uint64_t a_seed, uint64_t (*f)(unsigned))
{
    memset(model, 0, sizeof model);
    ids = n;
    seed = a_seed;
    fingerprint = f;
}

static void walk_one(struct sc_map *map, unsigned id, unsigned body)
{
    struct record *r = &model[id];
    unsigned changes = 0;
    enum sc_map_verdict got = meet(map, fingerprint(id), body, &changes);
    bool same = r->known && r->body == body;
    if (!r->known)
        *r = (struct record){.known = true};
    r->met = true;
    if (!same)
        r->changes++;
    r->body = body;
    CHECK_INT("verdict", got, same ? SC_MAP_SAME : SC_MAP_PUBLISH);
    CHECK_INT("changes", changes, same ? 0 : r->changes);
    if (!same && below(2))
        sc_map_stored(map, fingerprint(id));
}

static unsigned count_known(bool met_only)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ids; i++)
        n += model[i].known && (model[i].met || !met_only);
    return n;
}

static void commit(struct sc_map *map)
{
    unsigned want = count_known(false) - count_known(true);
    CHECK_INT("not met", sc_map_unmet(map), want);
    CHECK_INT("vanished", sc_map_commit(map), want);
    for (unsigned i = 0; i < ids; i++) {
        if (!model[i].met)
            model[i] = (struct record){0};
    }
    CHECK_INT("left", map->used, count_known(false));
}

static void restart(struct sc_map *map, uint32_t number)
{
    struct sc_map fresh;
    uint32_t parts = sc_map_parts(map), told = 0;
    uint64_t seq = 0;
    sc_map_init(&fresh, 0);
    CHECK_INT("parts", parts, map->used ? (map->used + 2399) / 2400 : 1);
    for (uint32_t part = 0; part < parts; part++) {
        SC_AUTO_BUF struct sc_buf buf = {0};
        CHECK_INT("written", sc_map_encode(map, number, part, 1ull << 40 | part, &buf), 0);
        CHECK_TRUE("small enough for a bucket", buf.len < 64 * 1024);
        CHECK_INT("read", sc_map_load(&fresh, number, part, sc_buf_str(&buf), &told, &seq), 0);
        CHECK_INT("parts", told, parts);
        CHECK_INT("sequence", seq, 1ull << 40 | part);
    }
    CHECK_INT("all of it", fresh.used, map->used);
    CHECK_TEXT("version", fresh.version, map->version);
    sc_map_done(map);
    *map = fresh;
}

/* Every record's state, without changing it. */
static void compare(struct sc_map *map)
{
    unsigned char hash[16];
    uint32_t walk = map->walk;
    for (unsigned i = 0; i < ids; i++) {
        content(model[i].body, hash);
        if (!model[i].known || model[i].met)
            CHECK_INT("known", sc_map_is_same(map, fingerprint(i), hash), model[i].known);
    }
    CHECK_INT("same walk", map->walk, walk);
    CHECK_INT("entries", map->used, count_known(false));
}

static void run(unsigned n, uint64_t a_seed, uint64_t (*f)(unsigned), int walks)
{
    struct sc_map map;
    char version[24] = "";
    model_begin(n, a_seed, f);
    sc_map_init(&map, 0);
    for (int walk = 0; walk < walks; walk++) {
        sc_map_begin(&map);
        for (unsigned i = 0; i < ids; i++)
            model[i].met = false;
        if (below(3) == 0) {
            snprintf(version, sizeof version, "2026.%d", walk);
            for (unsigned i = 0; i < ids; i++)
                model[i].changes = 0;
        }
        sc_map_version(&map, version);
        unsigned absent = (unsigned)below(4) ? (unsigned)below(30) : 100 - (unsigned)below(20),
                 changed = (unsigned)below(40);
        unsigned stop = below(4) ? ids : (unsigned)below(ids); /* the walk broke off */
        for (unsigned i = 0; i < stop; i++) {
            if (below(100) < absent)
                continue;
            walk_one(&map, i,
                     model[i].known && below(100) >= changed ? model[i].body
                                                             : 1 + (unsigned)below(4));
            if (below(50) == 0)
                walk_one(&map, i, model[i].body); /* twice in the document */
        }
        if (stop == ids)
            commit(&map);
        compare(&map);
        if (below(4) == 0)
            restart(&map, (uint32_t)walk);
    }
    sc_map_done(&map);
}

static void test_map_random(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= 20; s++) {
        run(1 + (unsigned)s * 13, s, scattered, 60);
        run(1 + (unsigned)s * 13, 100 + s, crowded, 60);
    }
    run(IDS, 7, scattered, 40);
}

/* ---- persistence ---- */

static void fill(struct sc_map *map, unsigned n, const char *version)
{
    unsigned changes;
    sc_map_init(map, 0);
    sc_map_version(map, version);
    sc_map_begin(map);
    for (unsigned i = 0; i < n; i++)
        meet(map, scattered(i), i, &changes);
}

static void test_map_parts(void **state)
{
    (void)state;
    static const struct {
        unsigned entries, parts;
        const char *why;
    } rows[] = {
        {0,     1, "an empty map is one part"},
        {1,     1, "one"                     },
        {2400,  1, "one full part"           },
        {2401,  2, "one more"                },
        {4800,  2, "two full"                },
        {12001, 6, "many"                    },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_map map;
        fill(&map, rows[i].entries, "2026.01");
        CHECK_INT(rows[i].why, sc_map_parts(&map), rows[i].parts);
        restart(&map, UINT32_MAX);
        for (unsigned n = 0; n < rows[i].entries; n++) {
            unsigned changes = 0;
            CHECK_INT(rows[i].why, meet(&map, scattered(n), n, &changes), SC_MAP_SAME);
            if (n % 97 == 0) {
                meet(&map, scattered(n), n + 1, &changes);
                CHECK_INT("counts on in the same version", changes, 2);
            }
        }
        sc_map_done(&map);
    }
}

static int load_guarded(const char *bytes, size_t len, uint32_t number, uint32_t part)
{
    struct guard g = guard_copy(bytes, len);
    struct sc_map map;
    uint32_t parts;
    uint64_t seq;
    sc_map_init(&map, 0);
    int rc = sc_map_load(&map, number, part, (struct sc_str){g.ptr, g.len}, &parts, &seq);
    sc_map_done(&map);
    guard_done(&g);
    return rc;
}

static void test_map_load_refused(void **state)
{
    (void)state;
    struct sc_map map;
    SC_AUTO_BUF struct sc_buf buf = {0};
    fill(&map, 3, "2026.01");
    sc_map_encode(&map, 7, 0, 99, &buf);
    sc_map_done(&map);
    for (size_t len = 0; len < buf.len; len++)
        CHECK_INT("cut", load_guarded(buf.ptr, len, 7, 0), -1);
    CHECK_INT("whole", load_guarded(buf.ptr, buf.len, 7, 0), 0);
    CHECK_INT("another map", load_guarded(buf.ptr, buf.len, 8, 0), -1);
    CHECK_INT("another part", load_guarded(buf.ptr, buf.len, 7, 1), -1);
    static const struct {
        size_t at;
        unsigned char byte;
        const char *why;
    } rows[] = {
        {3,  '2',  "a later form"        },
        {0,  's',  "another thing"       },
        {16, 4,    "more than there are" },
        {16, 2,    "fewer than there are"},
        {17, 0x10, "more than a part has"},
        {19, 0xff, "count of billions"   },
        {28, 6,    "shorter version"     },
        {28, 8,    "longer version"      },
        {29, 0xff, "version of 64 KiB"   },
        {12, 0,    "a part of none"      },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char was = buf.ptr[rows[i].at];
        buf.ptr[rows[i].at] = (char)rows[i].byte;
        CHECK_INT(rows[i].why, load_guarded(buf.ptr, buf.len, 7, 0), -1);
        buf.ptr[rows[i].at] = was;
    }
    buf.ptr[8] = 1; /* now part 1 of 1 */
    CHECK_INT("a part beyond the last", load_guarded(buf.ptr, buf.len, 7, 1), -1);
    buf.ptr[8] = 0;
    sc_buf_add_char(&buf, 'x');
    CHECK_INT("a byte too many", load_guarded(buf.ptr, buf.len, 7, 0), -1);
    CHECK_INT("absent", load_guarded("", 0, 7, 0), -1);
}

static void test_map_load_garbled(void **state)
{
    (void)state;
    SC_AUTO_BUF struct sc_buf buf = {0};
    struct sc_map map;
    uint64_t s = 5;
    fill(&map, 20, "v");
    sc_map_encode(&map, 7, 0, 99, &buf);
    sc_map_done(&map);
    for (int round = 0; round < 20000; round++) {
        char copy[600];
        uint32_t parts;
        uint64_t seq;
        unsigned changes;
        memcpy(copy, buf.ptr, buf.len);
        for (uint64_t n = 1 + random_below(&s, 4); n > 0; n--)
            copy[random_below(&s, buf.len)] = (char)random_next(&s);
        sc_map_init(&map, 25);
        if (sc_map_load(&map, 7, 0, (struct sc_str){copy, buf.len}, &parts, &seq) == 0) {
            CHECK_TRUE("not more than written", map.used <= 20);
            sc_map_begin(&map);
            for (unsigned i = 0; i < 20; i++)
                meet(&map, scattered(i), i, &changes);
            sc_map_commit(&map);
            CHECK_TRUE("still a map", map.used >= 20);
        }
        sc_map_done(&map);
    }
}

static void test_map_load_over_cap(void **state)
{
    (void)state;
    struct sc_map map, small;
    SC_AUTO_BUF struct sc_buf buf = {0};
    uint32_t parts;
    uint64_t seq;
    fill(&map, 20, "v");
    sc_map_encode(&map, 7, 0, 99, &buf);
    sc_map_init(&small, 19);
    CHECK_INT("more than is allowed", sc_map_load(&small, 7, 0, sc_buf_str(&buf), &parts, &seq),
              -1);
    sc_map_done(&small);
    sc_map_done(&map);
}

static void test_map_out_of_memory(void **state)
{
    (void)state;
    struct sc_map map;
    unsigned changes;
    long failures = 0;
    unsigned char hash[16];
    sc_map_init(&map, 0);
    sc_map_begin(&map);
    for (unsigned i = 0; i < 5000; i++) {
        content(i, hash);
        failalloc_arm(1);
        enum sc_map_verdict v = i % 2 ? meet(&map, scattered(i), i, &changes) : SC_MAP_FULL;
        int rc = i % 2 ? 0 : sc_map_found(&map, scattered(i), hash, 1, true);
        if (failalloc_disarm()) {
            failures++;
            CHECK_TRUE("told", i % 2 ? v == SC_MAP_FULL : rc == -1);
            CHECK_INT("nothing half done", map.used, i);
            CHECK_INT("not there", sc_map_is_same(&map, scattered(i), hash), false);
            CHECK_INT("next time", meet(&map, scattered(i), i, &changes), SC_MAP_PUBLISH);
        }
        CHECK_INT("there", sc_map_is_same(&map, scattered(i), hash), true);
    }
    CHECK_TRUE("allocations were made to fail", failures >= 6);
    for (uint32_t part = 0; part < 3; part++) {
        for (long n = 1, failed = 1; failed; n++) {
            struct sc_buf buf = {0};
            failalloc_arm(n);
            int rc = sc_map_encode(&map, 1, part, 5, &buf);
            failed = failalloc_disarm();
            CHECK_INT("told", rc, failed ? -1 : 0);
            for (long k = 1, load_failed = !failed; load_failed; k++) {
                struct sc_map again;
                uint32_t parts;
                uint64_t seq;
                sc_map_init(&again, 0);
                failalloc_arm(k);
                rc = sc_map_load(&again, 1, part, sc_buf_str(&buf), &parts, &seq);
                load_failed = failalloc_disarm();
                CHECK_INT("told", rc, load_failed ? -1 : 0);
                sc_map_done(&again);
            }
            sc_buf_done(&buf);
        }
    }
    struct sc_buf small;
    sc_buf_init(&small, 100);
    CHECK_INT("does not fit", sc_map_encode(&map, 1, 0, 5, &small), -1);
    sc_buf_done(&small);
    sc_map_done(&map);
}

/* ---- versions ---- */

static int compare_guarded(const char *a, const char *b)
{
    struct guard ga = guard_copy(a, strlen(a)), gb = guard_copy(b, strlen(b));
    int order =
        sc_version_compare((struct sc_str){ga.ptr, ga.len}, (struct sc_str){gb.ptr, gb.len});
    guard_done(&ga);
    guard_done(&gb);
    return order;
}

static void test_version_compare(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int want;
        const char *why;
    } rows[] = {
        {"2026-11-21T10:15:02Z",      "2026-11-21T10:15:03Z",    -1, "times"                         },
        {"2026-11-21T10:15:02.5Z",    "2026-11-21T10:15:02.41Z", 1,  "fractions are no whole numbers"},
        {"2026-11-21T12:15:02+02:00", "2026-11-21T10:15:02Z",    0,  "the same moment in two zones"  },
        {"2026-11-21T12:15:02+02:00", "2026-11-21T11:15:02Z",    -1, "zones count"                   },
        {"2026-11-21",                "2026-11-20T23:59:59Z",    1,  "a date is a time"              },
        {"2026.3.10",                 "2026.3.9",                1,  "numbers by value"              },
        {"2026.03.09",                "2026.3.9",                0,  "leading zeros"                 },
        {"v2",                        "v10",                     -1, "numbers behind letters"        },
        {"a",                         "b",                       -1, "text"                          },
        {"a",                         "ab",                      -1, "longer"                        },
        {"",                          "a",                       -1, "nothing comes first"           },
        {"",                          "",                        0,  "nothing at all"                },
        {"10",                        "9",                       1,  "numbers alone"                 },
        {"000",                       "0",                       0,  "zeros"                         },
        {"0",                         "a",                       -1, "a digit and a letter: by byte" },
        {"a\xC3\xA9",                 "az",                      1,  "bytes are unsigned"            },
        {"18446744073709551616",      "1",                       1,  "larger than 64 bits"           },
        {"100000000000000000000",     "99999999999999999999",    1,  "both larger than 64 bits"      },
        {"100000000000000000001",     "100000000000000000000",   1,  "last digit of a long one"      },
        {"1.00000000000000000000000", "1.0",                     0,  "many zeros"                    },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        CHECK_INT(rows[i].why, compare_guarded(rows[i].a, rows[i].b), rows[i].want);
        CHECK_INT(rows[i].why, compare_guarded(rows[i].b, rows[i].a), -rows[i].want);
        CHECK_INT(rows[i].why, compare_guarded(rows[i].a, rows[i].a), 0);
    }
}

/* An order: of two either one comes first, and of three there is no circle. */
static void test_version_compare_is_an_order(void **state)
{
    (void)state;
    static const char letters[] = "0019.a";
    uint64_t s = 9;
    for (int round = 0; round < 50000; round++) {
        char text[3][6];
        for (int t = 0; t < 3; t++) {
            size_t len = random_below(&s, 6);
            for (size_t i = 0; i < len; i++)
                text[t][i] = letters[random_below(&s, sizeof letters - 1)];
            text[t][len] = '\0';
        }
        struct sc_str a = sc_str_of(text[0]), b = sc_str_of(text[1]), c = sc_str_of(text[2]);
        int ab = sc_version_compare(a, b), bc = sc_version_compare(b, c),
            ac = sc_version_compare(a, c);
        CHECK_INT(text[0], sc_version_compare(b, a), -ab);
        if (ab <= 0 && bc <= 0)
            CHECK_INT(text[0], ac, ab || bc ? -1 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_changes),
        cmocka_unit_test(test_map_long_version),
        cmocka_unit_test(test_map_retraction),
        cmocka_unit_test(test_map_is_same),
        cmocka_unit_test(test_map_found),
        cmocka_unit_test(test_map_full),
        cmocka_unit_test(test_map_random),
        cmocka_unit_test(test_map_parts),
        cmocka_unit_test(test_map_load_refused),
        cmocka_unit_test(test_map_load_garbled),
        cmocka_unit_test(test_map_load_over_cap),
        cmocka_unit_test(test_map_out_of_memory),
        cmocka_unit_test(test_version_compare),
        cmocka_unit_test(test_version_compare_is_an_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
