/* What the server's answers and header blocks say. */
#include "nats/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"
#include "guard.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define BLOCK                                                                                      \
    "NATS/1.0\r\nNats-Msg-Id: okta.log.1\r\nce-id:7\r\nempty:\r\nwide: \t x y \t\r\nce-id: "       \
    "8\r\n\r\n"

static void test_stored_header(void **state)
{
    (void)state;
    static const struct {
        const char *block, *name, *want, *why;
    } rows[] = {
        {BLOCK,                                     "Nats-Msg-Id", "okta.log.1",      "first"                                     },
        {BLOCK,                                     "ce-id",       "7",               "no blank after the colon; the first of two"},
        {BLOCK,                                     "empty",       "",                "empty value"                               },
        {BLOCK,                                     "wide",        "x y",             "blanks around"                             },
        {BLOCK,                                     "nats-msg-id", NULL,              "names are case sensitive"                  },
        {BLOCK,                                     "Nats-Msg",    NULL,              "a part of a name"                          },
        {BLOCK,                                     "NATS/1.0",    NULL,              "the first line is none"                    },
        {"NATS/1.0\r\nx: 0123456789abcdef\r\n\r\n", "x",           NULL,              "too long for the caller"                   },
        {"NATS/1.0\r\nx: 0123456789abcde\r\n\r\n",  "x",           "0123456789abcde", "just fits"                                 },
        {"NATS/1.0\nx: 1\n\n",                      "x",           "1",               "bare line feeds"                           },
        {"NATS/1.0\r\nx: 1",                        "x",           "1",               "cut short"                                 },
        {"NATS/1.0",                                "x",           NULL,              "no header"                                 },
        {"",                                        "x",           NULL,              "nothing"                                   },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t len = strlen(rows[i].block);
        char out[16];
        struct guard g = guard_copy(rows[i].block, len);
        bool found = sc_stored_header((struct sc_str){g.ptr, g.len}, rows[i].name, out, sizeof out);
        CHECK_TEXT(rows[i].why, found ? out : NULL, rows[i].want);
        guard_done(&g);
        for (size_t cut = 0; cut < len; cut++) {
            g = guard_copy(rows[i].block, cut);
            (void)sc_stored_header((struct sc_str){g.ptr, g.len}, rows[i].name, out, sizeof out);
            guard_done(&g);
        }
    }
    char out[4];
    assert_false(sc_stored_header((struct sc_str){0}, "x", out, sizeof out));
}

static void test_stored_marker(void **state)
{
    (void)state;
    assert_true(sc_kv_marker(sc_str_of("NATS/1.0\r\nKV-Operation: DEL\r\n\r\n")));
    assert_true(
        sc_kv_marker(sc_str_of("NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n")));
    assert_true(sc_kv_marker(sc_str_of("NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\n\r\n")));
    assert_false(sc_kv_marker(sc_str_of("NATS/1.0\r\nKV-Operation: PUT\r\n\r\n")));
    assert_false(sc_kv_marker((struct sc_str){0}));
}

static void test_stored_base64(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want; /* NULL: refused */
    } rows[] = {
        {"",         ""            },
        {"Zg==",     "f"           },
        {"Zm8=",     "fo"          },
        {"Zm9v",     "foo"         },
        {"Zm9vYg",   "foob"        },
        {"-_-_",     "\xfb\xff\xbf"},
        {"+/+/",     "\xfb\xff\xbf"},
        {"Z",        NULL          },
        {"Zm9v!A==", NULL          },
        {"Zm 9v",    NULL          },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        SC_AUTO_BUF struct sc_buf out = {0};
        struct guard g = guard_copy(rows[i].in, strlen(rows[i].in));
        int rc = sc_base64_decode((struct sc_str){g.ptr, g.len}, &out);
        CHECK_INT(rows[i].in, rc, rows[i].want ? 0 : -1);
        if (rows[i].want)
            CHECK_BYTES(rows[i].in, out.ptr, out.len, rows[i].want, strlen(rows[i].want));
        guard_done(&g);
    }
    for (long n = 1, failed = 1; failed; n++) {
        SC_AUTO_BUF struct sc_buf out = {0};
        failalloc_arm(n);
        int rc = sc_base64_decode(sc_str_of("Zm9vYg"), &out);
        failed = failalloc_disarm();
        assert_int_equal(rc, failed ? -1 : 0);
    }
    /* against the encoder of base, over every length and more than one inner block */
    unsigned char bytes[9000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 131 + i / 256);
    for (size_t len = 0; len <= sizeof bytes; len += len < 40 ? 1 : 997) {
        SC_AUTO_BUF struct sc_buf text = {0}, back = {0};
        assert_int_equal(sc_buf_add_base64(&text, bytes, len, false), 0);
        assert_int_equal(sc_base64_decode(sc_buf_str(&text), &back), 0);
        CHECK_BYTES("round trip", back.ptr, back.len, bytes, len);
    }
}

static void test_stored_info(void **state)
{
    (void)state;
    static const char text[] =
        "{\"type\":\"io.nats.jetstream.api.v1.stream_info_response\",\"config\":{\"name\":\"DATA\","
        "\"subjects\":[\"d.>\"],"
        "\"retention\":\"workqueue\",\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":1048576,"
        "\"max_age\":3600000000000,"
        "\"max_msgs_per_subject\":5,\"max_msg_size\":4096,\"discard\":\"new\",\"storage\":\"file\","
        "\"num_replicas\":1,"
        "\"duplicate_window\":120000000000,\"no_ack\":true},\"created\":\"2026-10-01T00:00:00."
        "123456789Z\",\"state\":"
        "{\"messages\":2,\"bytes\":100,\"first_seq\":18446744073709,\"last_seq\":18446744073710}}";
    struct sc_error err = SC_ERROR_INIT;
    struct sc_stream_info info;
    json_t *json = json_loads(text, 0, NULL);
    assert_int_equal(sc_stream_info_parse(json, &info, &err), 0);
    assert_string_equal(info.name, "DATA");
    assert_string_equal(info.created, "2026-10-01T00:00:00.123456789Z");
    assert_int_equal(info.retention, SC_RETENTION_WORKQUEUE);
    assert_true(info.discard_new && info.no_ack);
    CHECK_INT("first", info.first_seq, 18446744073709);
    CHECK_INT("last", info.last_seq, 18446744073710);
    CHECK_INT("messages", info.messages, 2);
    CHECK_INT("max_msgs", info.max_msgs, -1);
    CHECK_INT("max_bytes", info.max_bytes, 1048576);
    CHECK_INT("max_age", info.max_age_ns, 3600000000000);
    CHECK_INT("per subject", info.max_msgs_per_subject, 5);
    CHECK_INT("size", info.max_msg_size, 4096);
    CHECK_INT("window", info.duplicate_window_ns, 120000000000);
    json_object_del(json, "state");
    assert_int_equal(sc_stream_info_parse(json, &info, &err), -1);
    json_decref(json);

    /* members that are absent or 0 are no limits */
    sc_error_clear(&err);
    json = json_loads("{\"config\":{\"max_age\":0},\"state\":{}}", 0, NULL);
    assert_int_equal(sc_stream_info_parse(json, &info, &err), 0);
    CHECK_INT("max_age", info.max_age_ns, -1);
    CHECK_INT("max_msgs", info.max_msgs, -1);
    assert_int_equal(info.retention, SC_RETENTION_LIMITS);
    assert_false(info.discard_new || info.no_ack);
    json_decref(json);
}

static void test_stored_api_error(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        int rc, code;
        enum sc_reason reason;
        const char *part;
    } rows[] = {
        {"{\"success\":true}",                                                                       0,  0,     SC_REASON_OK,                 ""                        },
        {"{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}",       -1,
         10059,                                                                                                 SC_REASON_NO_STREAM,          "stream not found (10059)"},
        {"{\"error\":{\"code\":503,\"err_code\":10076,\"description\":\"JetStream not enabled\"}}",
         -1,                                                                                             10076, SC_REASON_BROKER_UNAVAILABLE, "enable JetStream"        },
        {"{\"error\":{\"code\":400,\"err_code\":10077,\"description\":\"maximum bytes exceeded\"}}",
         -1,                                                                                             10077, SC_REASON_STREAM_FULL,        "maximum bytes"           },
        {"{\"error\":{}}",                                                                           -1, 0,     SC_REASON_BROKER_UNAVAILABLE, "refused"                 },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        int code = 0;
        json_t *json = json_loads(rows[i].reply, 0, NULL);
        CHECK_INT(rows[i].reply, sc_api_error(json, "X", &code, &err), rows[i].rc);
        CHECK_INT(rows[i].reply, code, rows[i].code);
        CHECK_INT(rows[i].reply, err.reason, rows[i].reason);
        CHECK_TRUE(rows[i].reply, strstr(err.text, rows[i].part));
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_header),    cmocka_unit_test(test_stored_marker),
        cmocka_unit_test(test_stored_base64),    cmocka_unit_test(test_stored_info),
        cmocka_unit_test(test_stored_api_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
