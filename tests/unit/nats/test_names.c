/* Names: keys, subjects, reply subjects, URLs. */
#include "nats/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define TEN        "abcdefghij"
#define SIXTY      TEN TEN TEN TEN TEN TEN

static void test_names_escape(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t len;
        const char *want, *why;
    } rows[] = {
        {"okta-prod",   9,  "okta-prod",   "plain"                       },
        {"a.b",         3,  "a=2Eb",       "a dot would be a token"      },
        {"a=2Eb",       5,  "a=3D2Eb",     "the escape itself"           },
        {"a b*>",       5,  "a=20b=2A=3E", "wildcards and blanks"        },
        {"\xc3\xa9",    2,  "=C3=A9",      "UTF-8 byte by byte"          },
        {"a\0b",        3,  "a=00b",       "NUL"                         },
        {"",            0,  "",            "empty"                       },
        {SIXTY "1234",  64, SIXTY "1234",  "64 stay"                     },
        {SIXTY "12345", 65, "=h",          "65 are hashed"               },
        {SIXTY "12.",   63, "=h",          "65 after escaping are hashed"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        SC_AUTO_BUF struct sc_buf out = {0};
        CHECK_INT(rows[i].why, sc_key_escape((struct sc_str){rows[i].in, rows[i].len}, &out), 0);
        if (strncmp(rows[i].want, "=h", 2) == 0) {
            CHECK_INT(rows[i].why, out.len, 34);
            CHECK_BYTES(rows[i].why, out.ptr, 2, "=h", 2);
        } else {
            CHECK_TEXT(rows[i].why, out.ptr ? out.ptr : "", rows[i].want);
        }
    }
    SC_AUTO_BUF struct sc_buf one = {0}, two = {0};
    assert_int_equal(sc_key_escape(sc_str_of(SIXTY SIXTY "a"), &one), 0);
    assert_int_equal(sc_key_escape(sc_str_of(SIXTY SIXTY "b"), &two), 0);
    assert_string_not_equal(one.ptr, two.ptr);
    assert_true(sc_key_legal(one.ptr));
}

static void test_names_key_legal(void **state)
{
    (void)state;
    char long_key[514];
    memset(long_key, 'k', sizeof long_key);
    long_key[513] = '\0';
    static const struct {
        const char *key;
        bool want;
    } rows[] = {
        {"a",            true },
        {"a.b-c_d/e=F9", true },
        {"",             false},
        {".a",           false},
        {"a.",           false},
        {"a..b",         false},
        {"a b",          false},
        {"a*",           false},
        {"a.>",          false},
        {"\xc3\xa9",     false},
        {"a\nb",         false},
        {"$a",           false},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_INT(rows[i].key, sc_key_legal(rows[i].key), rows[i].want);
    assert_false(sc_key_legal(NULL));
    assert_false(sc_key_legal(long_key));
    long_key[512] = '\0';
    assert_true(sc_key_legal(long_key));
}

static void test_names_bucket(void **state)
{
    (void)state;
    char out[256];
    struct sc_error err = SC_ERROR_INIT;
    assert_int_equal(sc_kv_stream("CHECKPOINTS", out, &err), 0);
    assert_string_equal(out, "KV_CHECKPOINTS");
    assert_int_equal(sc_kv_stream("a.b", out, &err), -1);
    assert_int_equal(err.reason, SC_REASON_CONFIG_INVALID);
    assert_int_equal(sc_kv_stream("", out, &err), -1);
    assert_int_equal(sc_kv_stream(NULL, out, &err), -1);
    assert_false(sc_token_legal("a.b"));
    assert_false(sc_token_legal("a*"));
    assert_true(sc_token_legal("KV_A-b"));
}

static void test_names_covers(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *subject;
        bool want;
    } rows[] = {
        {"a.b.c",    "a.b.c",    true },
        {"a.b",      "a.b.c",    false},
        {"a.b.c",    "a.b",      false},
        {"a.*.c",    "a.b.c",    true },
        {"a.*",      "a.b.c",    false},
        {"a.>",      "a.b.c",    true },
        {"a.>",      "a",        false},
        {">",        "a.b",      true },
        {"*.data.>", "x.data.y", true },
        {"a.b",      "a.*",      false},
        {"a.*",      "a.*",      true },
        {"a.>",      "a.*",      true },
        {"a.*",      "a.>",      false},
        {"a.>",      "a.>",      true },
        {"a.b.>",    "a.>",      false},
        {"ab",       "a",        false},
        {"a",        "ab",       false},
        {"a.*",      "a.",       false},
        {"a.>",      "a.",       false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char why[64];
        snprintf(why, sizeof why, "%s covers %s", rows[i].pattern, rows[i].subject);
        CHECK_INT(why, sc_subject_covers(rows[i].pattern, rows[i].subject), rows[i].want);
    }
}

static void test_names_ack_subject(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        uint64_t stream_seq, consumer_seq, pending; /* all 0: refused */
        const char *why;
    } rows[] = {
        {"$JS.ACK.DATA.c1.1.81234.17.1700000000000000000.42",           81234,                 17, 42, "plain"                 },
        {"$JS.ACK.hub.ACC.DATA.c1.1.81234.17.1700000000000000000.42",   81234,                 17, 42,
         "domain and account"                                                                                                  },
        {"$JS.ACK._.ACC.DATA.c1.1.81234.17.1700000000000000000.42.rnd", 81234,                 17, 42,
         "and a random token"                                                                                                  },
        {"$JS.ACK.DATA.c1.1.18446744073709551604.17.1.0",               18446744073709551604u, 17, 0,  "64 bits"               },
        {"$JS.ACK.DATA.c1.1.18446744073709551616.17.1.0",               0,                     0,  0,  "more than 64 bits"     },
        {"$JS.ACK.DATA.c1.1.x.17.1.0",                                  0,                     0,  0,  "no number"             },
        {"$JS.ACK.DATA.c1.1.5.17.1.-1",                                 0,                     0,  0,  "negative"              },
        {"$JS.ACK.DATA.c1.1.5.17.1",                                    0,                     0,  0,  "one token less"        },
        {"$JS.ACK.DATA.c1.1.5.17.1.0.0",                                0,                     0,  0,  "ten tokens are no form"},
        {"$JS.FC.DATA.c1.x",                                            0,                     0,  0,  "flow control"          },
        {"",                                                            0,                     0,  0,  "empty"                 },
        {NULL,                                                          0,                     0,  0,  "none"                  },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_ack_subject at = {0};
        CHECK_INT(rows[i].why, sc_ack_subject_parse(rows[i].reply, &at), rows[i].stream_seq != 0);
        CHECK_INT(rows[i].why, at.stream_seq, rows[i].stream_seq);
        CHECK_INT(rows[i].why, at.consumer_seq, rows[i].consumer_seq);
        CHECK_INT(rows[i].why, at.pending, rows[i].pending);
    }
}

static void test_names_url(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"nats://127.0.0.1:4222",     "nats://127.0.0.1:4222"},
        {"nats://u:p@h:4222",         "nats://h:4222"        },
        {"tls://token@h",             "tls://h"              },
        {"u:p@h:4222",                "h:4222"               },
        {"nats://u:p@ss@h",           "nats://h"             },
        {"nats://u:p@a,nats://u:q@b", "nats://a,nats://b"    },
        {"",                          ""                     },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char out[64];
        sc_url_public(rows[i].in, out, sizeof out);
        CHECK_TEXT(rows[i].in, out, rows[i].want);
    }
    char brief[8];
    sc_url_public("nats://host", brief, sizeof brief);
    assert_string_equal(brief, "nats://");
}

static void test_names_config_dup(void **state)
{
    (void)state;
    struct sc_nats_config config = {
        .url = "u", .user = "a", .password = "b", .request_timeout_ms = 7};
    struct sc_nats_config *copy = sc_nats_config_dup(&config);
    assert_string_equal(copy->url, "u");
    assert_ptr_not_equal(copy->url, config.url);
    assert_string_equal(copy->password, "b");
    assert_null(copy->domain);
    assert_int_equal(copy->request_timeout_ms, 7);
    assert_null(sc_nats_config_free(copy));
    assert_null(sc_nats_config_free(NULL));
    for (long n = 1, failed = 1; failed; n++) {
        failalloc_arm(n);
        copy = sc_nats_config_dup(&config);
        failed = failalloc_disarm();
        assert_int_equal(copy == NULL, failed);
        sc_nats_config_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_escape),      cmocka_unit_test(test_names_key_legal),
        cmocka_unit_test(test_names_bucket),      cmocka_unit_test(test_names_covers),
        cmocka_unit_test(test_names_ack_subject), cmocka_unit_test(test_names_url),
        cmocka_unit_test(test_names_config_dup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
