/* Redaction: every form of a secret, wherever it stands; what stays; memory wiped before it is
 * freed. */
#include "base/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"
#include "guard.h"

#include <malloc.h>
#include <stdlib.h>

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void know(const char *secret)
{
    CHECK_INT(secret, sc_redact_add(secret, strlen(secret)), 0);
}

static void forget(const char *secret)
{
    sc_redact_remove(secret, strlen(secret));
}

static const char *redacted(const char *text)
{
    static char out[4096];
    snprintf(out, sizeof out, "%s", text);
    size_t len = sc_redact(out, strlen(out), sizeof out);
    CHECK_INT(text, strlen(out), len);
    return out;
}

struct text_row {
    const char *in, *want, *why;
};

static void check_rows(const struct text_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CHECK_TEXT(rows[i].why, redacted(rows[i].in), rows[i].want);
}

static void test_redact_plain(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"s3cr3t-token",                         "[redacted]",                         "alone"                    },
        {"Authorization: SSWS s3cr3t-token\r\n", "Authorization: SSWS [redacted]\r\n", "inside"                   },
        {"s3cr3t-tokens3cr3t-token",             "[redacted][redacted]",               "twice"                    },
        {"s3cr3t-toke",                          "s3cr3t-toke",                        "not whole"                },
        {"S3CR3T-TOKEN",                         "S3CR3T-TOKEN",                       "letters mind case"        },
        {"s3cs3cr3t-token",                      "s3c[redacted]",                      "after a false start"      },
        {"",                                     "",                                   "empty"                    },
        {"abc",                                  "abc",                                "short"                    },
        {"key=sixsix;",                          "key=[redacted];",                    "six bytes; the text grows"},
        {"key=five5;",                           "key=five5;",                         "five bytes are not known" },
    };
    know("s3cr3t-token");
    know("sixsix");
    know("five5");
    check_rows(rows, ROWS(rows));
    forget("s3cr3t-token");
    forget("sixsix");
    forget("five5");
    CHECK_TEXT("forgotten", redacted("s3cr3t-token sixsix"), "s3cr3t-token sixsix");
}

static void test_redact_encoded(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"p=a%2Fb%2Bc%3D%20d%25e&x",                    "p=[redacted]&x",         "upper-case hex"               },
        {"p=a%2fb%2bc%3d%20d%25e&x",                    "p=[redacted]&x",         "lower-case hex"               },
        {"p=a%2Fb%2bc%3D%20d%25e&x",                    "p=[redacted]&x",         "mixed"                        },
        {"p=a/b%2Bc%3D%20d%25e&x",                      "p=[redacted]&x",         "slash left alone, as in paths"},
        {"p=a%2Fb%2Bc%3D+d%25e&x",                      "p=[redacted]&x",         "plus for blank, as in forms"  },
        {"p=%61%2F%62%2B%63%3D%20%64%25%65&x",          "p=[redacted]&x",         "every byte"                   },
        {"p=a/b+c= d%e&x",                              "p=[redacted]&x",         "plain"                        },
        {"p=a%2Fb%2Bc%3D%20d%25",                       "p=a%2Fb%2Bc%3D%20d%25",  "cut"                          },
        {"p=a%2Fb%2Bc%3D%20d%2",                        "p=a%2Fb%2Bc%3D%20d%2",   "cut in an escape"             },
        {"p=a%2Fb%2Bc%3D%20d%25f",                      "p=a%2Fb%2Bc%3D%20d%25f", "another last byte"            },
        {"{\"k\":\"a\\/b+c= d%e\"}",                    "{\"k\":\"[redacted]\"}", "JSON, escaped slash"          },
        {"{\"k\":\"line1\\nline\\\"2\\\\\"}",           "{\"k\":\"[redacted]\"}", "JSON, escapes"                },
        {"{\"k\":\"line1\\u000aline\\u00222\\u005C\"}", "{\"k\":\"[redacted]\"}",
         "JSON, u escapes"                                                                                       },
        {"%",                                           "%",                      "a percent sign alone"         },
        {"%%%%%%%%\\\\\\\\\\u",                         "%%%%%%%%\\\\\\\\\\u",    "escapes of nothing"           },
    };
    know("a/b+c= d%e");
    know("line1\nline\"2\\");
    check_rows(rows, ROWS(rows));
    forget("a/b+c= d%e");
    forget("line1\nline\"2\\");
}

static void test_redact_base64(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"Basic dXNlcjpzM2NyM3QtdG9rZW4=",         "Basic dXNlcj[redacted]", "after user:, padded"    },
        {"Basic dXNlcjpzM2NyM3QtdG9rZW4",          "Basic dXNlcj[redacted]", "without padding"        },
        {"czNjcjN0LXRva2Vu",                       "[redacted]",             "alone"                  },
        {"x czNjcjN0LXRva2VuLg== y",               "x [redacted]Lg== y",     "something after it"     },
        {"czNjcjN0LXRva2V",                        "czNjcjN0LXRva2V",        "not whole"              },
        {"Pz8_Pz4-Pj8_",                           "[redacted]",             "url alphabet"           },
        {"Pz8/Pz4+Pj8/",                           "[redacted]",             "standard alphabet"      },
        {"Basic aWQ6YSUyRmIlMkJjJTNEJTIwZCUyNWU=", "Basic aWQ6[redacted]",
         "percent-encoded first (OAuth)"                                                              },
        {"t=Pz8%2FPz4%2bPj8%2F&",                  "t=[redacted]&",          "base64, percent-encoded"},
        {"Pz8\\/Pz4+Pj8\\/",                       "[redacted]",             "base64, JSON-escaped"   },
    };
    know("s3cr3t-token");
    know("\?\?\?\?>>>\?\?");
    know("a/b+c= d%e");
    check_rows(rows, ROWS(rows));
    forget("s3cr3t-token");
    forget("\?\?\?\?>>>\?\?");
    forget("a/b+c= d%e");
}

static uint32_t seed = 1;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static void add_random(struct sc_buf *buf, size_t len)
{
    while (len-- > 0)
        sc_buf_add_char(buf, (char)rnd(256));
}

/* Bytes around a random secret, in base64: however it is aligned, nothing of its code may be left
 * but a character that shares its bits with a neighbour. */
static void test_redact_base64_random(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        SC_AUTO_BUF struct sc_buf secret = {0}, bytes = {0}, code = {0};
        size_t len = 6 + rnd(40), before = rnd(8), after = rnd(8);
        add_random(&secret, len);
        secret.ptr[0] |= 0x40; /* no blank at the ends, they are trimmed */
        secret.ptr[len - 1] |= 0x40;
        add_random(&bytes, before);
        sc_buf_add(&bytes, secret.ptr, len);
        add_random(&bytes, after);
        sc_buf_add_base64(&code, bytes.ptr, bytes.len, round % 2);
        size_t first = before * 8 / 6,
               last = ((before + len) * 8 + 5) / 6; /* every character with a bit of it */
        SC_AUTO_BUF struct sc_buf want = {0};
        sc_buf_add(&want, code.ptr, first);
        sc_buf_add_str(&want, "[redacted]");
        if (after)
            sc_buf_add_str(&want, code.ptr + last);
        CHECK_INT("add", sc_redact_add(secret.ptr, len), 0);
        sc_redact_buf(&code);
        CHECK_TEXT("swallowed exactly", code.ptr, want.ptr);
        sc_redact_remove(secret.ptr, len);
    }
}

static void test_redact_overlap(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"xabcdefghx",           "x[redacted]x",     "the longer of two that begin together"},
        {"xabcdefx",             "x[redacted]x",     "the shorter alone"                    },
        {"xabcdefghijklmx",      "x[redacted]x",     "two that overlap are one"             },
        {"xabcdefghijklmnopqrx", "x[redacted]x",     "three in a chain"                     },
        {"xijklmnopqrx",         "xijkl[redacted]x", "the last alone"                       },
    };
    know("abcdef");
    know("abcdefgh");
    know("fghijklm");
    know("mnopqr");
    check_rows(rows, ROWS(rows));
    forget("abcdef");
    forget("abcdefgh");
    forget("fghijklm");
    forget("mnopqr");
}

static void test_redact_counted(void **state)
{
    (void)state;
    know("counted-secret");
    know("counted-secret");
    know("  counted-secret\r\n");
    forget("counted-secret");
    forget("counted-secret");
    CHECK_TEXT("added three times", redacted("counted-secret"), "[redacted]");
    forget("counted-secret");
    CHECK_TEXT("removed three times", redacted("counted-secret"), "counted-secret");
    forget("counted-secret");
    forget("never-added");
    CHECK_INT("nothing", sc_redact_add(NULL, 0), 0);
    CHECK_INT("blanks", sc_redact_add("            ", 12), 0);
    CHECK_TEXT("blanks stay", redacted("a             b"), "a             b");
}

static void test_redact_room(void **state)
{
    (void)state;
    static const struct {
        size_t cap;
        const char *want, *why;
    } rows[] = {
        {64, "a [redacted] b [redacted] c", "room"                     },
        {28, "a [redacted] b [redacted] c", "just enough"              },
        {27, "a [redacted] b [redacted c",  "one short: a shorter mark"},
        {20, "a [redac b [redac c",         "no room to grow"          },
        {19, "a [redac b [redac c",         "nor for the terminator"   },
    };
    know("sixsix");
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[64] = "a sixsix b sixsix c";
        size_t len = sc_redact(text, 19, rows[i].cap);
        CHECK_BYTES(rows[i].why, text, len, rows[i].want, strlen(rows[i].want));
    }
    forget("sixsix");
}

static void test_redact_buf(void **state)
{
    (void)state;
    know("sixsix");
    struct sc_buf buf = {0};
    sc_redact_buf(&buf);
    for (int i = 0; i < 1000; i++)
        sc_buf_add_str(&buf, "sixsix,");
    sc_redact_buf(&buf);
    CHECK_INT("grown", buf.len, 11000);
    CHECK_TRUE("none left", strstr(buf.ptr, "six") == NULL);
    sc_buf_done(&buf);

    sc_buf_init(&buf, 12);
    sc_buf_add_str(&buf, "a=sixsix;b=1");
    sc_redact_buf(&buf);
    CHECK_TEXT("at its cap: shorter mark", buf.ptr, "a=[redac;b=1");
    CHECK_INT("not the fault of the text", buf.failed, false);
    sc_buf_done(&buf);
    forget("sixsix");
}

static void test_redact_guarded(void **state)
{
    (void)state;
    static const char *const texts[] = {"xx s3cr3t-token",
                                        "Basic dXNlcjpzM2NyM3QtdG9rZW4=", "a%2Fb%2Bc%3D%20d%25e",
                                        "line1\\u000aline"};
    know("s3cr3t-token");
    know("a/b+c= d%e");
    know("line1\nline");
    for (size_t i = 0; i < ROWS(texts); i++) {
        for (size_t cut = 0; cut <= strlen(texts[i]); cut++) {
            struct guard g = guard_copy(texts[i], cut);
            CHECK_TRUE("never longer", sc_redact(g.ptr, g.len, g.len) <= cut);
            guard_done(&g);
        }
    }
    forget("s3cr3t-token");
    forget("a/b+c= d%e");
    forget("line1\nline");
}

static void test_redact_many(void **state)
{
    (void)state;
    char secret[32], text[64];
    for (int i = 0; i < 500; i++) {
        snprintf(secret, sizeof secret, "token-%d-%d", i, i * i);
        know(secret);
    }
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "<token-%d-%d>", i, i * i);
        CHECK_TRUE("each is found", strncmp(redacted(text), "<[redacted]", 11) == 0);
    }
    for (int i = 0; i < 500; i++) {
        snprintf(secret, sizeof secret, "token-%d-%d", i, i * i);
        forget(secret);
    }
    CHECK_TEXT("none is left", redacted("token-7-49"), "token-7-49");
}

static void test_redact_url(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t cap;
        const char *want, *why;
    } rows[] = {
        {"https://host/path?since=1&limit=2", 200, "https://host/path?since=…&limit=…", "values"                          },
        {"https://host/path",                 200, "https://host/path",                     "no query"                        },
        {"https://host",                      200, "https://host",                          "no path"                         },
        {"https://user:pa%40ss@host:8443/p",  200, "https://host:8443/p",                   "user and password"               },
        {"https://user:p@ss@host/p@q",        200, "https://host/p@q",                      "@ in the password, @ in the path"},
        {"https://host?x=1",                  200, "https://host?x=…",                    "query without path"              },
        {"https://host/p?token",              200, "https://host/p?…",                    "a value without a name"          },
        {"https://host/p?a=1&&b=&c=x=y",      200, "https://host/p?a=…&&b=…&c=…",     "odd pairs"                       },
        {"https://host/p?",                   200, "https://host/p?",                       "empty query"                     },
        {"https://host/p?a=1#access_token=x", 200, "https://host/p?a=…",                  "fragment after a query"          },
        {"https://host/p#access_token=x",     200, "https://host/p",                        "fragment"                        },
        {"/p?a=b@c",                          200, "/p?a=…",                              "relative"                        },
        {"user:pw@proxy:3128",                200, "proxy:3128",                            "proxy without scheme"            },
        {"https://host/s3cr3t-token/x",       200, "https://host/[redacted]/x",
         "a known secret in the path"                                                                                         },
        {"https://host/s3cr3t-token/x",       18,  "https://host/[red",                     "cut after redaction"             },
        {"https://host/p?a=1&b=2",            19,  "https://host/p?a=",                     "no half character"               },
        {"https://host",                      1,   "",                                      "no room"                         },
        {"",                                  200, "",                                      "empty"                           },
    };
    know("s3cr3t-token");
    for (size_t i = 0; i < ROWS(rows); i++) {
        char out[200];
        CHECK_TEXT(rows[i].why, sc_redact_url(rows[i].in, out, rows[i].cap), rows[i].want);
    }
    CHECK_TRUE("no room at all", sc_redact_url("https://host", NULL, 0) == NULL);
    forget("s3cr3t-token");
}

/* ---- memory ---- */

void __real_free(void *ptr);
void __wrap_free(void *ptr);

static const char *watched; /* must not be in a block that is freed */
static int seen_in_freed;

void __wrap_free(void *ptr)
{
    if (ptr && watched && memmem(ptr, malloc_usable_size(ptr), watched, strlen(watched)))
        seen_in_freed++;
    __real_free(ptr);
}

/* A buffer that says it holds a secret leaves none behind where it grew, nor where it ends. */
static void test_redact_buf_wiped(void **state)
{
    (void)state;
    for (int wiped = 0; wiped < 2; wiped++) {
        seen_in_freed = 0;
        watched = "wipe me/please";
        struct sc_buf buf = {.secret = wiped};
        for (int i = 0; i < 1000; i++)
            sc_buf_add_str(&buf, watched);
        CHECK_INT("all of it is there", buf.len, 14000);
        sc_buf_done(&buf);
        watched = NULL;
        CHECK_INT("seen in what was freed", seen_in_freed != 0, !wiped);
        CHECK_INT("the next use begins anew", buf.secret, false);
    }
    seen_in_freed = 0;
}

static void test_redact_wiped(void **state)
{
    (void)state;
    static const char *const forms[] = {"wipe me/please", "wipe%20me%2Fplease",
                                        "d2lwZSBtZS9wbGVhc2", "ZSUyMG1lJTJGcGxlYXNl"};
    for (size_t i = 0; i < ROWS(forms); i++) {
        watched = forms[i];
        know("wipe me/please");
        know("wipe me/please");
        forget("wipe me/please");
        forget("wipe me/please");
        char *copy = sc_dup("wipe me/please");
        sc_secret_free(copy);
        watched = NULL;
        CHECK_INT(forms[i], seen_in_freed, 0);
    }
    sc_secret_free(NULL);
}

static void test_redact_out_of_memory(void **state)
{
    (void)state;
    long rounds = 0;
    watched = "wipe me/please";
    for (bool failed = true; failed; rounds++) {
        failalloc_arm(rounds + 1);
        int rc = sc_redact_add(watched, strlen(watched));
        failed = failalloc_disarm();
        CHECK_INT("told", rc, failed ? -1 : 0);
        CHECK_TEXT("known or not", redacted("a wipe me/please b"),
                   failed ? "a wipe me/please b" : "a [redacted] b");
    }
    forget(watched);
    CHECK_INT("wiped on the way out as well", seen_in_freed, 0);
    watched = NULL;
    CHECK_TRUE("allocations were made to fail", rounds > 5);

    know("sixsix");
    struct sc_buf buf = {0};
    for (int i = 0; i < 9; i++)
        sc_buf_add_str(&buf, "sixsix,");
    failalloc_arm(1);
    sc_redact_buf(&buf);
    CHECK_TRUE("no memory to grow", failalloc_disarm());
    CHECK_TRUE("redacted all the same", strstr(buf.ptr, "six") == NULL);
    sc_buf_done(&buf);
    char url[64];
    failalloc_arm(1);
    sc_redact_url("https://user:sixsix@host/", url, sizeof url);
    CHECK_TRUE("no memory to look", failalloc_disarm());
    CHECK_TEXT("nothing is shown", url, "[url]");
    forget("sixsix");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redact_plain),         cmocka_unit_test(test_redact_encoded),
        cmocka_unit_test(test_redact_base64),        cmocka_unit_test(test_redact_base64_random),
        cmocka_unit_test(test_redact_overlap),       cmocka_unit_test(test_redact_counted),
        cmocka_unit_test(test_redact_room),          cmocka_unit_test(test_redact_buf),
        cmocka_unit_test(test_redact_guarded),       cmocka_unit_test(test_redact_many),
        cmocka_unit_test(test_redact_url),           cmocka_unit_test(test_redact_wiped),
        cmocka_unit_test(test_redact_buf_wiped),
        cmocka_unit_test(test_redact_buf_wiped),
        cmocka_unit_test(test_redact_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
