/* Facts and notices of the whole agent: what the log is told and when, what others read. */
#include "self/facts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <jansson.h>

#include "check.h"

static char lines[4096];

static void keep(const char *line, void *arg)
{
    (void)arg;
    const char *level = strchr(line, '['); /* without the time */
    snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "%s\n", level ? level : line);
}

static void check_lines(const char *why, const char *want)
{
    CHECK_TEXT(why, lines, want);
    lines[0] = '\0';
}

static void test_facts_log(void **state)
{
    (void)state;
    struct sc_facts *facts = sc_facts_new();
    struct sc_buf text = {0};
    assert_non_null(facts);
    sc_log_set_sink(keep, NULL);
    sc_facts_oldest(facts, &text);
    CHECK_TEXT("nothing", sc_buf_str(&text).ptr, "");
    sc_facts_notice(facts, SC_REASON_STREAM_UNREAD, "nobody reads", "Start it.");
    check_lines("begins", "[WARN] agent: stream_unread: nobody reads; Start it.\n");
    sc_facts_notice(facts, SC_REASON_STREAM_UNREAD, "nobody reads, 7 wait", "Start it.");
    sc_facts_remind(facts, sc_mono_ms());
    check_lines("other figures are no news", "");
    sc_facts_oldest(facts, &text);
    CHECK_TRUE(text.ptr, strncmp(text.ptr, "since ", 6) == 0 && strstr(text.ptr, " stream_unread: nobody reads, 7 wait; Start it."));
    sc_facts_notice(facts, SC_REASON_CONFIG_LOST, "gone", "");
    sc_facts_notice(facts, SC_REASON_CLOCK_SKEW, "late", "");
    sc_facts_oldest(facts, &text);
    CHECK_TRUE(text.ptr, strstr(text.ptr, "; also ") && strstr(text.ptr, "config_lost") && strstr(text.ptr, "clock_skew") && strstr(text.ptr, "stream_unread"));
    sc_facts_clear(facts, SC_REASON_CONFIG_LOST);
    sc_facts_clear(facts, SC_REASON_CLOCK_SKEW);
    lines[0] = '\0';
    sc_facts_remind(facts, sc_mono_ms() + 3600001);
    CHECK_TRUE(lines, strncmp(lines, "[WARN] agent: stream_unread since ", 34) == 0 && strstr(lines, ": nobody reads, 7 wait; Start it.\n"));
    lines[0] = '\0';
    sc_facts_remind(facts, sc_mono_ms() + 3600002);
    check_lines("once an hour", "");
    sc_facts_clear(facts, SC_REASON_STREAM_UNREAD);
    check_lines("ends", "[INFO] agent: stream_unread no longer: it was \"nobody reads, 7 wait\"\n");
    sc_facts_clear(facts, SC_REASON_STREAM_UNREAD);
    sc_facts_remind(facts, sc_mono_ms() + 7300000);
    check_lines("once", "");
    sc_log_set_sink(NULL, NULL);
    sc_buf_done(&text);
    sc_facts_free(facts);
}

static void test_facts_json(void **state)
{
    (void)state;
    struct sc_facts *facts = sc_facts_new();
    struct sc_buf text = {0}, value = {0};
    assert_non_null(facts);
    sc_log_set_sink(keep, NULL);
    CHECK_INT("empty", sc_facts_json(facts, &text), 0);
    CHECK_TEXT("empty", text.ptr, "{\"notices\":[]}");
    sc_buf_add_str(&value, "{\"resident\":5}");
    sc_facts_put(facts, SC_FACT_MEMORY, &value);
    CHECK_TRUE("moved", value.ptr == NULL && value.len == 0);
    sc_buf_add_str(&value, "half");
    value.failed = true;
    sc_facts_put(facts, SC_FACT_MEMORY, &value);
    CHECK_INT("known", sc_redact_add("hunter2hunter2", 14), 0);
    sc_facts_notice(facts, SC_REASON_CLOCK_SKEW, "the clock of hunter2hunter2 is wrong", NULL);
    sc_buf_clear(&text);
    CHECK_INT("full", sc_facts_json(facts, &text), 0);
    json_t *json = json_loads(text.ptr, 0, NULL);
    const json_t *notice = json_array_get(json_object_get(json, "notices"), 0);
    CHECK_INT("the fact", json_integer_value(json_object_get(json_object_get(json, "memory"), "resident")), 5);
    CHECK_TEXT("reason", json_string_value(json_object_get(notice, "reason")), "clock_skew");
    CHECK_TEXT("no secret leaves", json_string_value(json_object_get(notice, "detail")), "the clock of [redacted] is wrong");
    CHECK_TRUE("advice of the reason", strstr(json_string_value(json_object_get(notice, "advice")), "chronyc"));
    json_decref(json);
    sc_redact_remove("hunter2hunter2", 14);
    sc_log_set_sink(NULL, NULL);
    sc_buf_done(&text);
    sc_facts_free(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_facts_log), cmocka_unit_test(test_facts_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
