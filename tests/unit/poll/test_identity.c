/* Identities: what a record's id looks like, that no two different ones become the same, that
 * everything stays within its length, and that a snapshot's id can be taken apart again. */
#include "poll/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"
#include "check.h"
#include "failalloc.h"
#include "guard.h"
#include "random.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* "h:" and the first half of the SHA-256 of a text. */
static void hash_id(const char *text, size_t len, char out[SC_RECIPE_ID_MAX + 1])
{
    unsigned char sum[32];
    sc_sha256(text, len, sum);
    memcpy(out, "h:", 2);
    sc_hex(sum, 16, out + 2);
}

static void test_identity_recipe(void **state)
{
    (void)state;
    static const struct {
        const char *parts[4];
        const char *want, *hashed, *why; /* want NULL: the hash of `hashed` */
    } rows[] = {
        {{"7c0f5a52"},                     "7c0f5a52",                     NULL,        "plain"                                     },
        {{"a", "b"},                       "a~b",                          NULL,        "two"                                       },
        {{"a", "b", "c", "d"},             "a~b~c~d",                      NULL,        "four"                                      },
        {{"a~b"},                          "a=7Eb",                        NULL,        "own joiner"                                },
        {{"a=7Eb"},                        "a=3D7Eb",                      NULL,        "own escape of the joiner"                  },
        {{"a=3Db"},                        "a=3D3Db",                      NULL,        "own escape of the escape"                  },
        {{"a=7eb", "=", "=7"},             "a=7eb~=~=7",                   NULL,        "not an escape: as it is"                   },
        {{"==7E"},                         "==3D7E",                       NULL,        "only what would be read as one"            },
        {{"=~7E"},                         "==7E7E",                       NULL,        "before a joiner"                           },
        {{"=7", "E"},                      "=7~E",                         NULL,        "an escape over two parts is none"          },
        {{"", "a"},                        "~a",                           NULL,        "empty first"                               },
        {{"a", ""},                        "a~",                           NULL,        "empty last"                                },
        {{"", ""},                         "~",                            NULL,        "two empty"                                 },
        {{""},                             NULL,                           "",          "nothing at all"                            },
        {{"!#$%&'()*+,-./:;<>?@[]^_`{|}"}, "!#$%&'()*+,-./:;<>?@[]^_`{|}", NULL,        "all printable"                             },
        {{"a b"},                          NULL,                           "a b",       "blank"                                     },
        {{"a\tb"},                         NULL,                           "a\tb",      "tab"                                       },
        {{"a\x7f"},                        NULL,                           "a\x7f",     "DEL"                                       },
        {{"\xC3\xA9"},                     NULL,                           "\xC3\xA9",  "beyond ASCII"                              },
        {{"a b", "c~d"},                   NULL,                           "a b~c=7Ed", "the joined text is hashed, escapes and all"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct guard guards[4];
        struct sc_str parts[4];
        size_t count = 0;
        char out[SC_RECIPE_ID_MAX + 1], hashed[SC_RECIPE_ID_MAX + 1];
        for (; count < 4 && rows[i].parts[count]; count++) {
            guards[count] = guard_copy(rows[i].parts[count], strlen(rows[i].parts[count]));
            parts[count] = (struct sc_str){guards[count].ptr, guards[count].len};
        }
        size_t len = sc_recipe_id(parts, count, out);
        if (rows[i].hashed)
            hash_id(rows[i].hashed, strlen(rows[i].hashed), hashed);
        CHECK_TEXT(rows[i].why, out, rows[i].want ? rows[i].want : hashed);
        CHECK_INT(rows[i].why, len, strlen(out));
        while (count)
            guard_done(&guards[--count]);
    }
}

/* Exactly as long as an id may be, and one byte more, made in every way. */
static void test_identity_length(void **state)
{
    (void)state;
    static const struct {
        size_t first, second; /* second 0: one part */
        char last;            /* of the last part */
        size_t want;
        const char *why;
    } rows[] = {
        {127,   0,     'x', 127, "room left"                   },
        {128,   0,     'x', 128, "full"                        },
        {129,   0,     'x', 34,  "one over"                    },
        {63,    64,    'x', 128, "full with a joiner"          },
        {64,    64,    'x', 34,  "one over with a joiner"      },
        {127,   1,     'x', 34,  "full at the joiner"          },
        {126,   1,     'x', 128, "full right behind the joiner"},
        {128,   1,     'x', 34,  "full before the joiner"      },
        {126,   0,     '~', 128, "full with an escape"         },
        {127,   0,     '~', 34,  "an escape one over"          },
        {128,   0,     '~', 34,  "an escape two over"          },
        {5000,  0,     'x', 34,  "far over"                    },
        {70000, 70000, '~', 34,  "farther than any field"      },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t lens[2] = {rows[i].first, rows[i].second}, count = rows[i].second ? 2 : 1, n = 0;
        char *text = malloc(lens[0] + lens[1] + 16), out[SC_RECIPE_ID_MAX + 1],
             hashed[SC_RECIPE_ID_MAX + 1];
        struct sc_str parts[2];
        struct guard guards[2];
        assert_non_null(text);
        for (size_t p = 0; p < count; p++) {
            memset(text, 'a' + (int)p, lens[p]);
            if (p + 1 == count)
                text[lens[p] - 1] = rows[i].last;
            guards[p] = guard_copy(text, lens[p]);
            parts[p] = (struct sc_str){guards[p].ptr, lens[p]};
        }
        CHECK_INT(rows[i].why, sc_recipe_id(parts, count, out), rows[i].want);
        CHECK_INT(rows[i].why, strlen(out), rows[i].want);
        for (size_t p = 0; p < count; p++) { /* the joined text, by hand */
            memcpy(text + n, parts[p].ptr, parts[p].len);
            n += parts[p].len;
            if (p + 1 < count)
                text[n++] = '~';
        }
        if (rows[i].last == '~') {
            memcpy(text + n - 1, "=7E", 3);
            n += 2;
        }
        hash_id(text, n, hashed);
        CHECK_TRUE(rows[i].why,
                   rows[i].want == 34 ? strcmp(out, hashed) == 0 : memcmp(out, text, n) == 0);
        for (size_t p = 0; p < count; p++)
            guard_done(&guards[p]);
        free(text);
    }
}

/* ---- no two are the same ---- */

#define ID_TEXT 40

struct ids {
    char (*text)[ID_TEXT];
    size_t count, cap;
};

static void add_id(struct ids *ids, const struct sc_str *parts, size_t count)
{
    char out[SC_RECIPE_ID_MAX + 1];
    if (ids->count == ids->cap) {
        ids->cap = ids->cap ? ids->cap * 2 : 4096;
        ids->text = realloc(ids->text, ids->cap * sizeof *ids->text);
        assert_non_null(ids->text);
    }
    CHECK_TRUE("short", sc_recipe_id(parts, count, out) < ID_TEXT);
    memcpy(ids->text[ids->count++], out, ID_TEXT);
}

/* The n-th text of that length over the alphabet. */
static void spell(uint64_t n, size_t len, const char *alphabet, size_t letters, char *out)
{
    for (size_t i = 0; i < len; i++, n /= letters)
        out[i] = alphabet[n % letters];
}

/* Every way to cut a text of len bytes into count parts. */
static void add_cuts(struct ids *ids, const char *text, size_t len, size_t count)
{
    for (size_t a = 0; a <= (count > 1 ? len : 0); a++) {
        for (size_t b = a; b <= (count > 2 ? len : a); b++) {
            struct sc_str parts[3] = {
                {text,     count > 1 ? a : len        },
                {text + a, count > 2 ? b - a : len - a},
                {text + b, len - b                    }
            };
            add_id(ids, parts, count);
        }
    }
}

static void add_all(struct ids *ids, const char *alphabet, size_t longest, size_t count)
{
    size_t letters = strlen(alphabet);
    uint64_t total = 1;
    for (size_t len = 0; len <= longest; len++, total *= letters) {
        for (uint64_t n = 0; n < total; n++) {
            char text[8];
            spell(n, len, alphabet, letters, text);
            add_cuts(ids, text, len, count);
        }
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void check_distinct(struct ids *ids)
{
    qsort(ids->text, ids->count, sizeof *ids->text, by_text);
    for (size_t i = 1; i < ids->count; i++)
        CHECK_TRUE(ids->text[i], strcmp(ids->text[i - 1], ids->text[i]) != 0);
    free(ids->text);
}

static void test_identity_injective(void **state)
{
    (void)state;
    static const char nasty[] = "~=7E3Da \x80";
    struct ids ids = {0};
    add_all(&ids, nasty, 5, 1);
    add_all(&ids, nasty, 4, 2);
    add_all(&ids, nasty, 3, 3);
    CHECK_INT("all of them", ids.count, 66430 + 35983 + 7804);
    check_distinct(&ids);
}

static void test_identity_injective_escapes(void **state)
{
    (void)state;
    struct ids ids = {0};
    add_all(&ids, "~=7E3D", 6, 1);
    add_all(&ids, "~=7E3D", 5, 2);
    check_distinct(&ids);
}

/* ---- message ids and keys ---- */

static void test_identity_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *integration, *data_type, *partition, *want, *why;
    } rows[] = {
        {"okta-prod", "system_log", NULL,  "okta-prod.system_log.",    "plain"                      },
        {"okta-prod", "system_log", "eu",  "okta-prod.system_log.eu.", "partition"                  },
        {"a.b",       "t",          "c.d", "a=2Eb.t.c=2Ed.",           "dots"                       },
        {"a=2Eb",     "t",          "=",   "a=3D2Eb.t.=3D.",           "escapes of their own"       },
        {"a",         "t",          "",    "a.t..",                    "empty partition is not none"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        SC_AUTO_BUF struct sc_buf buf = {0};
        sc_buf_add_str(&buf, ">");
        CHECK_INT(rows[i].why,
                  sc_msg_id_prefix(rows[i].integration, rows[i].data_type, rows[i].partition, &buf),
                  0);
        CHECK_TEXT(rows[i].why, buf.ptr + 1, rows[i].want);
    }
    SC_AUTO_BUF struct sc_buf small;
    sc_buf_init(&small, 20);
    CHECK_INT("fits", sc_msg_id_prefix("okta-prod", "system_lo", NULL, &small), 0);
    sc_buf_clear(&small);
    CHECK_INT("does not", sc_msg_id_prefix("okta-prod", "system_log", NULL, &small), -1);
}

static void test_identity_checkpoint_key(void **state)
{
    (void)state;
    static const struct {
        const char *integration, *data_type, *partition, *want, *why;
    } rows[] = {
        {"okta-prod", "system_log", NULL,  "okta-prod.system_log",    "plain"                       },
        {"okta-prod", "system_log", "12",  "okta-prod.system_log.12", "shard"                       },
        {"a.b",       "c d",        "e*f", "a=2Eb.c=20d.e=2Af",       "all that a key must not hold"},
        {"a=2Eb",     "t",          ">",   "a=3D2Eb.t.=3E",           "escapes of their own"        },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        SC_AUTO_BUF struct sc_buf buf = {0};
        CHECK_INT(
            rows[i].why,
            sc_checkpoint_key(rows[i].integration, rows[i].data_type, rows[i].partition, &buf), 0);
        CHECK_TEXT(rows[i].why, buf.ptr, rows[i].want);
    }
}

static void test_identity_out_of_memory(void **state)
{
    (void)state;
    for (int what = 0; what < 2; what++) {
        long rounds = 0;
        for (bool failed = true; failed; rounds++) {
            struct sc_buf buf = {0};
            static char longer[100];
            memset(longer, '.', sizeof longer - 1);
            failalloc_arm(rounds + 1);
            int rc = what ? sc_msg_id_prefix(longer, "t", longer, &buf)
                          : sc_checkpoint_key("a", longer, longer, &buf);
            failed = failalloc_disarm();
            CHECK_INT("told", rc, failed ? -1 : 0);
            sc_buf_done(&buf);
        }
        CHECK_TRUE("allocations were made to fail", rounds > 2);
    }
    char out[SC_RECIPE_ID_MAX + 1], again[SC_RECIPE_ID_MAX + 1];
    struct sc_str part = sc_str_of("with blank");
    sc_recipe_id(&part, 1, again);
    failalloc_arm(1);
    sc_recipe_id(&part, 1, out);
    CHECK_TRUE("an ordinary id needs no memory", !failalloc_disarm());
    CHECK_TEXT("the hash of nothing else", out, again);
}

/* ---- headers ---- */

static void test_identity_header(void **state)
{
    (void)state;
    static const struct {
        struct sc_str in;
        const char *want, *why;
    } rows[] = {
        {{"plain~#1", 8},         "plain~#1",        "as it is"          },
        {{"a b", 3},              "a%20b",           "blank"             },
        {{"a\"b%c", 5},           "a%22b%25c",       "quote and percent" },
        {{"\x00\r\n\x1f\x7f", 5}, "%00%0D%0A%1F%7F", "control characters"},
        {{"\xC3\xA9\xff", 3},     "%C3%A9%FF",       "beyond ASCII"      },
        {{"", 0},                 "",                "nothing"           },
        {{NULL, 0},               "",                "absent"            },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t want = strlen(rows[i].want);
        struct guard in = guard_copy(rows[i].in.ptr ? rows[i].in.ptr : "", rows[i].in.len);
        for (size_t cap = 0; cap < want + 3; cap++) {
            char room[64];
            memset(room, 'x', sizeof room);
            size_t n = sc_header_encode((struct sc_str){rows[i].in.ptr ? in.ptr : NULL, in.len},
                                        room, cap);
            CHECK_INT(rows[i].why, n, cap > want ? want : 0);
            if (cap > want)
                CHECK_TEXT(rows[i].why, room, rows[i].want);
            CHECK_INT("nothing behind the room", room[cap], 'x');
        }
        guard_done(&in);
    }
}

/* ---- snapshots ---- */

#define HEX "000102030405060708090a0b0c0d0e0f"

static void test_identity_split(void **state)
{
    (void)state;
    static const struct {
        const char *in, *id, *version; /* id NULL: not of that form */
        unsigned n;
        const char *why;
    } rows[] = {
        {"CVE-1~" HEX "~2026.01.01",             "CVE-1", "2026.01.01",             1,     "plain"                    },
        {"CVE-1~" HEX "~2026.01.01#2",           "CVE-1", "2026.01.01",             2,     "changed again"            },
        {"CVE-1~" HEX "~v#65535",                "CVE-1", "v",                      65535, "often"                    },
        {"a~b~" HEX "~v",                        "a~b",   "v",                      1,     "two parts"                },
        {"a#2~" HEX "~v",                        "a#2",   "v",                      1,     "mark of the id's own"     },
        {"a#2~" HEX "~v#3",                      "a#2",   "v",                      3,     "both"                     },
        {"~" HEX "~v",                           "",      "v",                      1,     "no id"                    },
        {"a~" HEX "~",                           "a",     "",                       1,     "no version"               },
        {"a~" HEX "~#2",                         "a",     "",                       2,     "no version, changed"      },
        {"a~" HEX "~v#",                         "a",     "v#",                     1,     "mark of the version's own"},
        {"a~" HEX "~v#rc1",                      "a",     "v#rc1",                  1,     "no number"                },
        {"a~" HEX "~v#rc#2",                     "a",     "v#rc",                   2,     "no number, then one"      },
        {"a~" HEX "~v#02",                       "a",     "v#02",                   1,     "not as it is written"     },
        {"a~" HEX "~v#1",                        "a",     "v#1",                    1,     "the first has none"       },
        {"a~" HEX "~v#0",                        "a",     "v#0",                    1,     "never zero"               },
        {"a~" HEX "~v#99999999999999999999",     "a",     "v#99999999999999999999", 1,     "no number of ours"        },
        {"a~0001~v",                             NULL,    NULL,                     0,     "short hash"               },
        {"a~" HEX "00~v",                        NULL,    NULL,                     0,     "long hash"                },
        {"a~g00102030405060708090a0b0c0d0e0f~v", NULL,    NULL,                     0,     "no hash"                  },
        {HEX "~v",                               NULL,    NULL,                     0,     "one joiner"               },
        {"abc",                                  NULL,    NULL,                     0,     "none"                     },
        {"",                                     NULL,    NULL,                     0,     "nothing"                  },
        {"gap~" HEX,                             NULL,    NULL,                     0,     "a gap"                    },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct guard g = guard_copy(rows[i].in, strlen(rows[i].in));
        struct sc_str id = {0}, version = {0};
        unsigned char hash[16];
        unsigned n = 0;
        bool good = sc_snapshot_id_split((struct sc_str){g.ptr, g.len}, &id, hash, &version, &n);
        CHECK_INT(rows[i].why, good, rows[i].id != NULL);
        if (good) {
            CHECK_BYTES(rows[i].why, id.ptr, id.len, rows[i].id, strlen(rows[i].id));
            CHECK_BYTES(rows[i].why, version.ptr, version.len, rows[i].version,
                        strlen(rows[i].version));
            CHECK_INT(rows[i].why, n, rows[i].n);
            CHECK_BYTES(rows[i].why, hash, 16, "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16);
        }
        guard_done(&g);
    }
}

/* What is put together comes apart as it was, whatever the vendor's ids and versions look like. */
static void test_identity_split_random(void **state)
{
    (void)state;
    static const char letters[] = "~=7E#2a.";
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char own[2][6], id[SC_RECIPE_ID_MAX + 1], version[SC_RECIPE_ID_MAX + 1], hex[33],
            whole[400];
        unsigned char hash[16], got_hash[16];
        struct sc_str parts[2], got_id, got_version;
        unsigned n = 1 + (unsigned)random_below(&seed, 4), got_n;
        for (int p = 0; p < 2; p++) {
            size_t len = 1 + random_below(&seed, 5);
            for (size_t i = 0; i < len; i++)
                own[p][i] = letters[random_below(&seed, sizeof letters - 1)];
            parts[p] = (struct sc_str){own[p], len};
        }
        if (memchr(parts[1].ptr, '#',
                   parts[1].len)) /* "v#2" and the second change of "v" look the same */
            continue;
        for (int i = 0; i < 16; i++)
            hash[i] = (unsigned char)random_next(&seed);
        size_t id_len = sc_recipe_id(parts, 1, id),
               version_len = sc_recipe_id(parts + 1, 1, version);
        sc_hex(hash, 16, hex);
        int len = snprintf(whole, sizeof whole, "%s~%s~%s", id, hex, version);
        if (n > 1)
            len += snprintf(whole + len, sizeof whole - (size_t)len, "#%u", n);
        CHECK_TRUE(whole, sc_snapshot_id_split((struct sc_str){whole, (size_t)len}, &got_id,
                                               got_hash, &got_version, &got_n));
        CHECK_BYTES(whole, got_id.ptr, got_id.len, id, id_len);
        CHECK_BYTES(whole, got_version.ptr, got_version.len, version, version_len);
        CHECK_BYTES(whole, got_hash, 16, hash, 16);
        CHECK_INT(whole, got_n, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity_recipe),
        cmocka_unit_test(test_identity_length),
        cmocka_unit_test(test_identity_injective),
        cmocka_unit_test(test_identity_injective_escapes),
        cmocka_unit_test(test_identity_prefix),
        cmocka_unit_test(test_identity_checkpoint_key),
        cmocka_unit_test(test_identity_out_of_memory),
        cmocka_unit_test(test_identity_header),
        cmocka_unit_test(test_identity_split),
        cmocka_unit_test(test_identity_split_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
