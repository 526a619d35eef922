/* publisher_ack: reply tokens and acknowledgements as servers write them, whole, damaged and cut at
 * every byte. */
#include "nats/publisher_ack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"

static void test_token_round_trip(void **state)
{
    static const uint32_t rows[][2] = {
        {0,      0         },
        {1,      1         },
        {1023,   0xdeadbeef},
        {65535,  UINT32_MAX},
        {0x0a0b, 0x01020304}
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char token[SC_ACK_TOKEN_LEN];
        uint32_t slot = 0, nonce = 0;
        sc_ack_token_write(token, rows[i][0], rows[i][1]);
        CHECK_TRUE("read", sc_ack_token_read((struct sc_str){token, sizeof token}, &slot, &nonce));
        CHECK_INT("slot", slot, rows[i][0]);
        CHECK_INT("nonce", nonce, rows[i][1]);
    }
}

static void test_token_refused(void **state)
{
    static const char *const rows[] = {"",
                                       "0000",
                                       "00000000000",
                                       "0000000000000",
                                       "00000000000g",
                                       "00000000000A",
                                       "-00000000001",
                                       "0000.0000000"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t slot, nonce;
        CHECK_INT(rows[i], sc_ack_token_read(sc_str_of(rows[i]), &slot, &nonce), false);
    }
}

static const struct {
    const char *why, *in;
    int kind;
    uint64_t seq;
    unsigned code, err_code;
    const char *stream, *text;
} rows[] = {
    {"plain",              "{\"stream\":\"DATA\",\"seq\":123}",                        SC_ACK_STORED,    123,        0,   0,     "DATA", ""                              },
    {"with a blank",       "{\"stream\":\"DATA\", \"seq\":1}",                         SC_ACK_STORED,    1,          0,   0,     "DATA", ""                              },
    {"other order",        "{\"seq\":7,\"stream\":\"X\"}",                             SC_ACK_STORED,    7,          0,   0,     "X",    ""                              },
    {"domain",             "{\"stream\":\"DATA\",\"domain\":\"hub\",\"seq\":5}",       SC_ACK_STORED,    5,          0,   0,     "DATA",
     ""                                                                                                                                                                  },
    {"duplicate",          "{\"stream\":\"DATA\",\"seq\":5,\"duplicate\": true}",      SC_ACK_DUPLICATE, 5,          0,   0,
     "DATA",                                                                                                                             ""                              },
    {"not duplicate",      "{\"stream\":\"DATA\",\"seq\":5,\"duplicate\":false}",      SC_ACK_STORED,    5,          0,   0,
     "DATA",                                                                                                                             ""                              },
    {"unknown members",
     "{\"type\":\"x\",\"list\":[1,{\"seq\":9}],\"stream\":\"DATA\",\"val\":null,\"seq\":5,\"b\":1."
     "5e3}",                                                                           SC_ACK_STORED,    5,          0,   0,     "DATA", ""                              },
    {"largest",            "{\"stream\":\"D\",\"seq\":18446744073709551615}",          SC_ACK_STORED,    UINT64_MAX, 0,   0,
     "D",                                                                                                                                ""                              },
    {"full",
     "{\"error\":{\"code\":503,\"err_code\":10077,\"description\":\"maximum bytes exceeded\"},"
     "\"stream\":\"DATA\",\"seq\":0}",                                                 SC_ACK_ERROR,     0,          503, 10077, "DATA", "maximum bytes exceeded"        },
    {"escape in the text",
     "{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong \\\"last\\\" sequence: "
     "4\"}}",                                                                          SC_ACK_ERROR,     0,          400, 10071, "",     "wrong \\\"last\\\" sequence: 4"},
    {"error wins",         "{\"stream\":\"DATA\",\"seq\":4,\"error\":{\"code\":500}}", SC_ACK_ERROR,     4,          500,
     0,                                                                                                                          "DATA", ""                              },
    {"error null is none", "{\"error\":null,\"stream\":\"DATA\",\"seq\":4}",           SC_ACK_STORED,    4,          0,   0,
     "DATA",                                                                                                                             ""                              },
    {"empty",              "",                                                         SC_ACK_STRANGE,   0,          0,   0,     "",     ""                              },
    {"empty object",       "{}",                                                       SC_ACK_STRANGE,   0,          0,   0,     "",     ""                              },
    {"no stream",          "{\"seq\":4}",                                              SC_ACK_STRANGE,   4,          0,   0,     "",     ""                              },
    {"sequence 0",         "{\"stream\":\"DATA\",\"seq\":0}",                          SC_ACK_STRANGE,   0,          0,   0,     "DATA", ""                              },
    {"negative",           "{\"stream\":\"DATA\",\"seq\":-4}",                         SC_ACK_STRANGE,   0,          0,   0,     "DATA", ""                              },
    {"too large a number", "{\"stream\":\"DATA\",\"seq\":18446744073709551616}",       SC_ACK_STRANGE,   0,
     0,                                                                                                                   0,     "DATA", ""                              },
    {"not JSON",           "+OK",                                                      SC_ACK_STRANGE,   0,          0,   0,     "",     ""                              },
    {"a list",             "[{\"stream\":\"DATA\",\"seq\":4}]",                        SC_ACK_STRANGE,   0,          0,   0,     "",     ""                              },
    {"nested for ever",    "{\"a\":[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]}",    SC_ACK_STRANGE,   0,
     0,                                                                                                                   0,     "",     ""                              },
};

static void test_parse_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_ack ack = {0};
        struct sc_str text;
        struct guard g = guard_copy(rows[i].in, strlen(rows[i].in));
        sc_ack_parse((struct sc_str){g.ptr, strlen(rows[i].in)}, &ack, &text);
        CHECK_INT(rows[i].why, ack.kind, rows[i].kind);
        if (ack.kind != SC_ACK_STRANGE) {
            CHECK_INT(rows[i].why, ack.seq, rows[i].seq);
            CHECK_INT(rows[i].why, ack.code, rows[i].code);
            CHECK_INT(rows[i].why, ack.err_code, rows[i].err_code);
            CHECK_INT(rows[i].why, ack.stream_hash, sc_ack_stream_hash(sc_str_of(rows[i].stream)));
            CHECK_BYTES(rows[i].why, text.ptr, text.len, rows[i].text, strlen(rows[i].text));
        }
        guard_done(&g);
    }
}

/* What is cut off is never taken for an acknowledgement. */
static void test_parse_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t whole = strlen(rows[i].in);
        for (size_t len = 0; len < whole; len++) {
            struct sc_ack ack = {0};
            struct sc_str text;
            struct guard g = guard_copy(rows[i].in, len);
            sc_ack_parse((struct sc_str){g.ptr, len}, &ack, &text);
            CHECK_INT(rows[i].why, ack.kind, SC_ACK_STRANGE);
            guard_done(&g);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_round_trip),
        cmocka_unit_test(test_token_refused),
        cmocka_unit_test(test_parse_table),
        cmocka_unit_test(test_parse_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
