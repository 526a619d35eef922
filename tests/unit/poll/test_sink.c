/* Lines for somebody who asked: in order, bounded, redacted, and one end. */
#include "poll/sink.h"

#include "base/redact.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

static unsigned notified;

static void on_notify(void *arg)
{
    (void)arg;
    notified++;
}

static void expect(struct sc_sink *sink, const char *why, const char *want, bool want_last)
{
    bool last = false;
    char *text = sc_sink_take(sink, &last);
    CHECK_TEXT(why, text, want);
    CHECK_INT(why, last, want_last);
    free(text);
}

static void test_sink_order(void **state)
{
    struct sc_sink *sink = sc_sink_new(on_notify, NULL);
    (void)state;
    notified = 0;
    expect(sink, "empty", NULL, false);
    sc_sink_put(sink, "line", json_pack("{s:i}", "n", 1));
    sc_sink_put(sink, "trace", json_pack("{s:i}", "n", 2));
    CHECK_INT("told once, as long as there is something", notified, 1);
    sc_sink_end(sink, true, "done");
    sc_sink_end(sink, false, "again");
    sc_sink_put(sink, "line", json_pack("{s:i}", "n", 3));
    expect(sink, "first", "{\"line\":{\"n\":1}}", false);
    expect(sink, "second", "{\"trace\":{\"n\":2}}", false);
    expect(sink, "the first end, last; nothing behind it", "{\"end\":{\"ok\":true,\"text\":\"done\"}}", true);
    expect(sink, "nothing more", NULL, false);
    sc_sink_unref(sink);
}

static void test_sink_bounds(void **state)
{
    struct sc_sink *sink = sc_sink_new(NULL, NULL);
    char large[2049];
    bool last;
    size_t bytes = 0;
    unsigned lines = 0;
    (void)state;
    for (unsigned i = 0; i < SC_SINK_LINES + 7; i++)
        sc_sink_put(sink, "line", json_pack("{s:i}", "n", (int)i));
    sc_sink_end(sink, false, "x");
    for (unsigned i = 0; i < SC_SINK_LINES; i++)
        free(sc_sink_take(sink, &last));
    expect(sink, "what was left out is counted, before the end",
           "{\"line\":{\"left_out\":7,\"text\":\"7 lines were left out: more came than are kept for who reads them\"}}", false);
    expect(sink, "then the end", "{\"end\":{\"ok\":false,\"text\":\"x\"}}", true);
    sc_sink_unref(sink);

    sink = sc_sink_new(NULL, NULL);
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    for (unsigned i = 0; i < 3 * SC_SINK_BYTES / sizeof large; i++)
        sc_sink_put(sink, "line", json_pack("{s:s}", "text", large));
    for (char *text; (text = sc_sink_take(sink, &last)); lines++) {
        bytes += strlen(text);
        free(text);
    }
    CHECK_TRUE("no more bytes than may be", bytes <= SC_SINK_BYTES && bytes > SC_SINK_BYTES - sizeof large - 32);
    sc_sink_put(sink, "line", json_pack("{s:i}", "n", 1));
    expect(sink, "room again once it is taken", "{\"line\":{\"n\":1}}", false);
    sc_sink_unref(sink);
}

static void test_sink_secrets(void **state)
{
    static const char secret[] = "a\"b,{c:1}d", digits[] = "123456789";
    struct sc_sink *sink = sc_sink_new(NULL, NULL);
    (void)state;
    sc_redact_add(secret, strlen(secret));
    sc_redact_add(digits, strlen(digits));
    sc_redact_add("ok\":true", 8); /* one that looks like what stands around it */
    sc_sink_put(sink, "line", json_pack("{s:s, s:[s, {s:s}]}", "text", "before a\"b,{c:1}d behind", "list", "a%22b%2C%7Bc%3A1%7Dd", "more", secret));
    expect(sink, "in every text, and the line stays one",
           "{\"line\":{\"text\":\"before [redacted] behind\",\"list\":[\"[redacted]\",{\"more\":\"[redacted]\"}]}}", false);
    sc_sink_put(sink, "line", json_pack("{s:i}", "bytes", 123456789));
    expect(sink, "digits of a number", "{\"line\":{\"text\":\"[redacted]\"}}", false);
    sc_sink_end(sink, true, secret);
    bool last;
    char *end = sc_sink_take(sink, &last);
    CHECK_TRUE("never half a line", last && end && strstr(end, "[redacted]") && !strstr(end, "c:1"));
    json_t *whole = json_loads(end, 0, NULL);
    CHECK_TRUE("and JSON", json_is_object(whole));
    json_decref(whole);
    free(end);
    sc_redact_remove(secret, strlen(secret));
    sc_redact_remove(digits, strlen(digits));
    sc_redact_remove("ok\":true", 8);
    sc_sink_unref(sink);
}

static void test_sink_text(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *want, *why;
    } rows[] = {
        {"plain", 5, "\"plain\"", "plain"},
        {"a\xff" "b", 3, "\"a\\uFFFDb\"", "not UTF-8"},
        {"\xe2\x80", 2, "\"\\uFFFD\\uFFFD\"", "cut in the middle of a character"},
        {"a\x1b[2J\n", 6, "\"a\\u001B[2J\\n\"", "for a terminal"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *value = sc_sink_text((struct sc_str){rows[i].bytes, rows[i].len});
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
        CHECK_TEXT(rows[i].why, text, rows[i].want);
        free(text);
        json_decref(value);
    }
}

static void test_sink_closed(void **state)
{
    struct sc_sink *sink = sc_sink_new(on_notify, NULL);
    (void)state;
    notified = 0;
    sc_sink_put(sink, "line", json_pack("{s:i}", "n", 1));
    CHECK_INT("open", sc_sink_is_closed(sink), false);
    sc_sink_close(sink);
    CHECK_INT("closed", sc_sink_is_closed(sink), true);
    sc_sink_put(sink, "line", json_pack("{s:i}", "n", 2));
    sc_sink_end(sink, true, "x");
    CHECK_INT("nobody is told any more", notified, 1);
    sc_sink_unref(sc_sink_ref(sink));
    sc_sink_unref(sink);
}

/* Threads put, one takes, the last reference goes wherever it goes. */
static void *put_many(void *arg)
{
    struct sc_sink *sink = arg;
    for (int i = 0; i < 500; i++)
        sc_sink_put(sink, "line", json_pack("{s:i}", "n", i));
    sc_sink_unref(sink);
    return NULL;
}

static void test_sink_threads(void **state)
{
    struct sc_sink *sink = sc_sink_new(NULL, NULL);
    pthread_t threads[3];
    unsigned taken = 0;
    bool last = false;
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, sc_sink_ref(sink)), 0);
    while (taken < 1500) {
        char *text = sc_sink_take(sink, &last);
        taken += text != NULL;
        free(text);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    expect(sink, "all of them", NULL, false);
    sc_sink_unref(sink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sink_order),  cmocka_unit_test(test_sink_bounds), cmocka_unit_test(test_sink_secrets),
        cmocka_unit_test(test_sink_text),   cmocka_unit_test(test_sink_closed), cmocka_unit_test(test_sink_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
