/* What headers tell of an artifact, and the forms in which it is shown. */
#include "cli/tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"
#include "guard.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define BLOCK(...) "NATS/1.0\r\n" __VA_ARGS__ "\r\n"
#define OKTA                                                                                                                               \
    "Nats-Msg-Id: okta-prod.system_log.id-1\r\nce-id: id-1\r\nce-source: signal-client/okta/okta-prod\r\nce-type: okta.system_log\r\n"          \
    "ce-time: 2026-11-22T10:15:02.123Z\r\n"

static const struct {
    const char *headers, *integration, *data_type, *id, *time;
    bool gap;
    const char *why;
} rows[] = {
    {BLOCK(OKTA), "okta-prod", "system_log", "id-1", "2026-11-22T10:15:02.123Z", false, "as the agent publishes"},
    {BLOCK("ce-id: a%20b%25\r\nce-source: signal-client/okta/a/b.c%22\r\nce-type: okta.system_log\r\n"), "a/b.c\"", "system_log", "a b%", "",
     false, "percent-encoded; an integration may hold slashes"},
    {BLOCK("Nats-Msg-Id: a=2Eb=3D.events.x.y~z\r\n"), "a.b=", "events", "x.y~z", "", false, "the message id alone"},
    {BLOCK("Nats-Msg-Id: okta-prod.system_log.gap~1\r\nce-type: signal-client.gap\r\nce-id: gap~1\r\n"), "okta-prod", "system_log", "gap~1", "",
     true, "a gap's data type stands in its message id"},
    {BLOCK("nats-msg-id: a.b.c\r\nCE-ID: x\r\n"), "", "", "", "", false, "names are case sensitive"},
    {BLOCK("Nats-Msg-Id: just-one\r\nce-source: other/x/y\r\n"), "", "", "", "", false, "somebody else's"},
    {BLOCK("ce-source: signal-client/okta\r\n"), "", "", "", "", false, "cut off"},
    {BLOCK("ce-id:  x  \r\nce-id: y\r\n"), "", "", "x", "", false, "the first one, blanks trimmed"},
    {"", "", "", "", "", false, "no headers"},
    {"NATS/1.0\r\nno colon\r\nce-id: z", "", "", "z", "", false, "broken lines"},
};

static void test_show_read(void **state)
{
    (void)state;
    struct sc_artifact artifact = {0};
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t len = strlen(rows[i].headers);
        struct guard g = guard_copy(rows[i].headers, len);
        CHECK_INT(rows[i].why, sc_artifact_read(&artifact, (struct sc_str){g.ptr, len}), 0);
        CHECK_TEXT(rows[i].why, sc_buf_str(&artifact.integration).ptr, rows[i].integration);
        CHECK_TEXT(rows[i].why, sc_buf_str(&artifact.data_type).ptr, rows[i].data_type);
        CHECK_TEXT(rows[i].why, sc_buf_str(&artifact.id).ptr, rows[i].id);
        CHECK_TEXT(rows[i].why, sc_buf_str(&artifact.time).ptr, rows[i].time);
        CHECK_INT(rows[i].why, artifact.gap, rows[i].gap);
        guard_done(&g);
    }
    sc_artifact_done(&artifact);
}

static void test_show_matches(void **state)
{
    (void)state;
    struct sc_artifact artifact = {0};
    CHECK_INT("read", sc_artifact_read(&artifact, sc_str_of(BLOCK(OKTA))), 0);
    CHECK_TRUE("any", sc_artifact_matches(&artifact, NULL, NULL));
    CHECK_TRUE("both", sc_artifact_matches(&artifact, "okta-prod", "system_log"));
    CHECK_TRUE("whole names alone", !sc_artifact_matches(&artifact, "okta", NULL));
    CHECK_TRUE("the other type", !sc_artifact_matches(&artifact, "okta-prod", "users"));
    sc_artifact_done(&artifact);
}

static const struct {
    struct sc_tail_style style;
    const char *headers, *body, *want, *why;
} shown[] = {
    {{0}, BLOCK(OKTA), "{\"a\":\n 1}", "2026-11-22T10:15:02.123Z  okta-prod  system_log  id-1  {\"a\": 1}\n", "a line"},
    {{0}, BLOCK(OKTA), "{ \"uuid\": \"id-1\", \"published\":\"2026-11-22T10:15:02.123Z\",\n\"a\": \"id-1\", \"b\":{\"c\":1}}",
     "2026-11-22T10:15:02.123Z  okta-prod  system_log  id-1  {\xe2\x80\xa6 \"b\":{\"c\":1}}\n", "what the line tells is not told again"},
    {{0}, BLOCK("ce-id: A~B\r\n"), "{\"x\":\"B\",\"y\":\"A\",\"z\":\"\"}", "-                         -  -  A~B  {\xe2\x80\xa6 \"z\":\"\"}\n",
     "parts of the id"},
    {{0}, BLOCK("ce-id: A\r\n"), "{\"x\":\"A\"}", "-                         -  -  A  {\"x\":\"A\"}\n", "nothing else in it"},
    {{0}, BLOCK("ce-id: A\r\n"), "{\"x\":\"A\",\"y\":1", "-                         -  -  A  {\"x\":\"A\",\"y\":1\n", "no JSON"},
    {{0}, BLOCK("ce-id: A\r\n"), "[\"A\",1]", "-                         -  -  A  [\"A\",1]\n", "no object"},
    {{0}, BLOCK("ce-id: A\r\n"), "{}", "-                         -  -  A  {}\n", "empty"},
    {{0}, "", "", "-                         -  -  -\n", "nothing known, nothing in it"},
    {{.columns = 79, .terminal = true}, BLOCK(OKTA), "0123456789abcdefghijklmnopqrstuvwxyz",
     "2026-11-22T10:15:02.123Z  okta-prod  system_log  id-1  0123456789abcdefghijklm\xe2\x80\xa6\n", "as wide as the terminal"},
    {{.headers = true}, BLOCK(OKTA "x: \x1b[m\r\n"), "1",
     "2026-11-22T10:15:02.123Z  okta-prod  system_log  id-1  1\n    Nats-Msg-Id: okta-prod.system_log.id-1\n    ce-id: id-1\n"
     "    ce-source: signal-client/okta/okta-prod\n    ce-type: okta.system_log\n    ce-time: 2026-11-22T10:15:02.123Z\n    x: \\x1b[m\n",
     "with headers"},
    {{.raw = true}, BLOCK(OKTA), "a\x1b\nb", "a\x1b\nb\n", "raw"},
    {{.raw = true, .terminal = true}, BLOCK(OKTA), "a\x1b\nb", "a\\x1b\nb\n", "raw on a terminal"},
    {{.json = true}, BLOCK("x: 1\r\ny: \"\r\nx: 2\r\n"), "no JSON\x01",
     "{\"seq\":7,\"time\":null,\"integration\":null,\"data_type\":null,\"id\":null,\"subject\":\"s\",\"headers\":{\"x\":[\"1\",\"2\"],"
     "\"y\":\"\\\"\"},\"body\":\"no JSON\\u0001\"}\n", "JSON; a header that stands there twice"},
    {{.json = true}, BLOCK("ce-id: 1\r\n"), " [1.50,\n2] ",
     "{\"seq\":7,\"time\":null,\"integration\":null,\"data_type\":null,\"id\":\"1\",\"subject\":\"s\",\"headers\":{\"ce-id\":\"1\"},"
     "\"body\": [1.50, 2] }\n", "a body that is JSON stays its text"},
    {{0}, BLOCK("ce-type: signal-client.gap\r\n"), "{\"from\":\"A\",\"to\":\"B\",\"reason\":\"r\\u001b\",\"certain\":true}",
     "-                         -  -  -  GAP from A to B: r\\x1b (records are missing)\n", "a gap"},
    {{0}, BLOCK("ce-type: signal-client.gap\r\n"), "odd", "-                         -  -  -  GAP odd\n", "a gap that is none"},
};

static void test_show_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(shown); i++) {
        struct sc_artifact artifact = {0};
        struct sc_tail_style style = shown[i].style;
        struct sc_buf out = {0};
        const struct sc_tail_message message = {7, sc_str_of("s"), sc_str_of(shown[i].headers), sc_str_of(shown[i].body)};
        CHECK_INT(shown[i].why, sc_artifact_read(&artifact, message.headers), 0);
        sc_tail_show(&style, &artifact, &message, &out);
        CHECK_TEXT(shown[i].why, sc_buf_str(&out).ptr, shown[i].want);
        sc_buf_done(&out);
        sc_artifact_done(&artifact);
    }
}

/* Columns grow with what was seen, up to a limit. */
static void test_show_columns(void **state)
{
    (void)state;
    struct sc_artifact artifact = {0};
    struct sc_tail_style style = {0};
    struct sc_buf out = {0};
    const char *ids[] = {"Nats-Msg-Id: long-name.t.1", "Nats-Msg-Id: a.tt.2"};
    for (size_t i = 0; i < 2; i++) {
        const struct sc_tail_message message = {1, sc_str_of("s"), sc_str_of(ids[i]), sc_str_of("x")};
        CHECK_INT("read", sc_artifact_read(&artifact, message.headers), 0);
        sc_tail_show(&style, &artifact, &message, &out);
    }
    CHECK_TEXT("aligned", out.ptr, "-                         long-name  t  1  x\n-                         a          tt  2  x\n");
    sc_buf_done(&out);
    sc_artifact_done(&artifact);
}

static void test_show_memory(void **state)
{
    (void)state;
    const struct sc_tail_message message = {7, sc_str_of("s"), sc_str_of(BLOCK(OKTA)), sc_str_of("{}")};
    for (int json = 0; json < 2; json++)
        for (long n = 1, failed = 1; failed; n++) {
            struct sc_artifact artifact = {0};
            struct sc_tail_style style = {.json = json};
            struct sc_buf out = {0};
            failalloc_arm(n);
            int rc = sc_artifact_read(&artifact, message.headers);
            if (rc == 0)
                sc_tail_show(&style, &artifact, &message, &out);
            failed = failalloc_disarm();
            CHECK_TRUE("a failure is known, and nothing else is one", failed == (rc != 0 || out.failed));
            sc_buf_done(&out);
            sc_artifact_done(&artifact);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_show_read),    cmocka_unit_test(test_show_matches), cmocka_unit_test(test_show_forms),
        cmocka_unit_test(test_show_columns), cmocka_unit_test(test_show_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
