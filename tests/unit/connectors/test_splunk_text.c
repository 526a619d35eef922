/* What a search and a reply of Splunk's say of themselves: the connector's pure readers. */
#include "splunk/reply.h"
#include "splunk/spl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define DAY        86400

static void test_kinds_of_search(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool bare, rows, bounds;
    } rows[] = {
        {"index=main", true, false, false},
        {"", true, false, false},
        {NULL, true, false, false},
        {"search index=main", false, false, false},
        {" \n search index=main", false, false, false},
        {"SEARCH index=main", false, false, false},
        {"search", false, false, false},
        {"searchtype=3", true, false, false},
        {"search_name=x", true, false, false},
        {"| tstats count where index=main", false, true, false},
        {"  |savedsearch nightly", false, true, false},
        {"| search index=main", false, false, false},
        {"`my_macro`", true, false, false},
        {"index=a | stats count by host", true, true, false},
        {"index=a | where x>1 | rex \"(?<a>b|c)\" | eval y=\"|stats\" | sort 0 _time", true, false, false},
        {"index=a | mvexpand user", true, true, false},
        {"index=a | table _time host", true, true, false},
        {"index=a | somethingnew", true, true, false},
        {"index=a |", true, true, false},
        {"index=a | fields host user", true, false, false},
        {"index=a | fields - punct", true, false, false},
        {"index=a | fields - _raw", true, true, false},
        {"index=a | fields - *", true, true, false},
        {"index=a | rename host as device", true, false, false},
        {"index=a | rename _* as *", true, true, false},
        {"index=a | lookup users user OUTPUT name | `macro_of_rows`", true, true, false},
        {"index=a [search index=b | stats count] | dedup user", true, false, false},
        {"index=a ```| stats count``` | head 5", true, false, false},
        {"index=main earliest=-15m", true, false, true},
        {"index=main latest=now", true, false, true},
        {"index=main earliest = -1h", true, false, true},
        {"(index=main earliest=-1h)", true, false, true},
        {"search earliest=-15m", false, false, true},
        {"| tstats count where index=main earliest=-1h@h", false, true, true},
        {"index=a | search earliest=-1h", true, false, true},
        {"index=a \"earliest=-15m\"", true, false, false},
        {"index=a \"say \\\" earliest=-15m\"", true, false, false},
        {"index=a `m(earliest=-15m)`", true, false, false},
        {"index=a [search index=b earliest=-1d]", true, false, false},
        {"index=a | eval earliest=5", true, false, false},
        {"index=a | stats latest(x) as latest | search latest=4", true, true, false},
        {"index=a my_earliest=-15m _index_earliest=-1h", true, false, false},
        {"index=a earliest>5", true, false, false},
        {"index=a earliest", true, false, false},
        {"index=a earliest=\"unended", true, false, true},
        {"index=a \"unended earliest=-15m", true, false, false},
        {"index=a [unended earliest=-15m", true, false, false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct spl spl = spl_read(rows[i].text);
        CHECK_INT(rows[i].text, spl.is_bare, rows[i].bare);
        CHECK_INT(rows[i].text, spl.makes_rows, rows[i].rows);
        CHECK_INT(rows[i].text, spl.has_bounds, rows[i].bounds);
    }
}

/* How long what it brings may come again. Too short loses identities, so what is not sure is unknown. */
static void test_reach(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t reach;
    } rows[] = {
        {"x earliest=-15m", 900},
        {"x earliest=-15min latest=now", 900},
        {"x earliest=-1h@h", 7200},
        {"x earliest=@d", DAY},
        {"x earliest=-1d@d latest=@d", 2 * DAY},
        {"x earliest=-7d@w1", 14 * DAY},
        {"x earliest=-1mon@mon", 62 * DAY},
        {"x earliest=@q", 92 * DAY},
        {"x earliest=-1y", 366 * DAY},
        {"x earliest=-d", DAY},
        {"x earliest=-90", 90},
        {"x earliest=@d+2h", DAY},
        {"x earliest=@d-2h", DAY + 7200},
        {"x earliest=now", 0},
        {"x earliest=now()", 0},
        {"x earliest=\"-15m\"", 900},
        {"(x earliest=-15m)", 900},
        {"(x earliest=-15m) OR (y earliest=-1h)", 3600},
        {"(x earliest=-1h) OR (y earliest=-15m)", 3600},
        {"(x earliest=1795176005) OR (y earliest=-15m)", SPL_UNKNOWN},
        {"x earliest=-15m earliest=what", SPL_UNKNOWN},
        {"x latest=now", SPL_UNKNOWN},
        {"x earliest=1795176005", SPL_UNKNOWN},
        {"x earliest=\"11/20/2026:12:00:00\"", SPL_UNKNOWN},
        {"x earliest=rt-5m", SPL_UNKNOWN},
        {"x earliest=-5parsecs", SPL_UNKNOWN},
        {"x earliest=-", SPL_UNKNOWN},
        {"x earliest=@", SPL_UNKNOWN},
        {"x earliest=", SPL_UNKNOWN},
        {"x earliest=-999999999y", SPL_UNKNOWN},
        {"x earliest=-9999999999s", SPL_UNKNOWN},
        {"x", SPL_UNKNOWN},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_INT(rows[i].text, spl_read(rows[i].text).reach_s, rows[i].reach);
}

static void test_messages(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        enum splunk_tone tone;
        const char *text, *why;
    } rows[] = {
        {NULL, SPLUNK_QUIET, "", "absent"},
        {"[]", SPLUNK_QUIET, "", "none"},
        {"null", SPLUNK_QUIET, "", "null"},
        {"[{\"type\":\"INFO\",\"text\":\"hello\"},{\"type\":\"DEBUG\",\"text\":\"x\"}]", SPLUNK_QUIET, "", "nothing to say"},
        {"[{\"type\":\"WARN\",\"text\":\"a\"},{\"type\":\"WARN\",\"text\":\"b\"}]", SPLUNK_WARNS, "a", "the first warning"},
        {"[{\"type\":\"WARN\",\"text\":\"a\"},{\"text\":\"b ]}\",\"type\":\"ERROR\"}]", SPLUNK_FAILS, "b ]}", "behind a warning"},
        {"[{\"type\":\"INFO\",\"more\":[{}],\"text\":\"a\"},{\"type\":\"FATAL\",\"text\":\"no \\\"x\\\"\"}]", SPLUNK_FAILS, "no \"x\"", "fatal"},
        {"[{\"type\":\"fatal\",\"text\":\"x\"}]", SPLUNK_FAILS, "x", "any case"},
        {"[{\"type\":\"INFO\",\"text\":\"a\"},{\"type\":\"INFO\",\"te", SPLUNK_TOO_LONG, "", "cut short"},
        {"[{\"type\":\"ERROR\",\"text\":\"bad\"},{\"type\":\"INFO\",\"te", SPLUNK_FAILS, "bad", "cut short, and bad all the same"},
        {"[{\"type\":\"ERROR\",\"text\":\"cut he", SPLUNK_FAILS, "cut he", "cut short in the error"},
        {"[", SPLUNK_TOO_LONG, "", "cut at once"},
        {"[\"text\"]", SPLUNK_QUIET, "", "no messages"},
    };
    struct splunk_message message;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CHECK_INT(rows[i].why, splunk_read_messages(sc_str_of(rows[i].list), &message), rows[i].tone);
        CHECK_TEXT(rows[i].why, message.text, rows[i].text);
    }
    CHECK_TRUE("the first of any type", splunk_first_message(sc_str_of("[{\"type\":\"INFO\",\"text\":\"hello\"}]"), &message));
    CHECK_TEXT("the first of any type", message.text, "hello");
    CHECK_TRUE("there is none", !splunk_first_message(sc_str_of("[]"), &message) && !splunk_first_message((struct sc_str){0}, &message));
}

static void test_busy(void **state)
{
    (void)state;
    static const char *const busy[] = {"The maximum number of concurrent historical searches on this instance has been reached.",
                                       "user=\"a\", concurrency_category=\"historical\"", "Disk QUOTA exceeded"};
    static const char *const not[] = {"", "Unknown search command 'frobnicate'.", "Error in 'search' command"};
    struct splunk_message message = {0};
    for (size_t i = 0; i < ROWS(busy); i++) {
        snprintf(message.text, sizeof message.text, "%s", busy[i]);
        CHECK_TRUE(busy[i], splunk_is_busy(&message));
        snprintf(message.text, sizeof message.text, "%s", not[i]);
        CHECK_TRUE(not[i], !splunk_is_busy(&message));
    }
}

#define ENTRY                                                                                                                              \
    "[{\"name\":\"search index=main dispatchState \\\"}\",\"links\":{\"a\":[1]},\"content\":{\"a\":{\"resultCount\":9},\"dispatchState\":" \
    "\"FAILED\",\"resultCount\":123,\"messages\":[{\"type\":\"INFO\",\"text\":\"i\"},{\"type\":\"FATAL\",\"text\":\"why\"}]}}]"

static void test_job_status(void **state)
{
    (void)state;
    struct splunk_job job = splunk_read_entry(sc_str_of(ENTRY));
    CHECK_TEXT("state", job.state, "FAILED");
    CHECK_INT("results", job.results, 123);
    CHECK_TEXT("why", job.message.text, "why");
    job = splunk_read_entry(sc_str_of("[{\"content\":{\"dispatchState\":\"DONE\",\"resultCount\":0,\"messages\":[]}}]"));
    CHECK_INT("none is a number too", job.results, 0);
    CHECK_TEXT("no message", job.message.text, "");
    job = splunk_read_entry(sc_str_of("[]"));
    CHECK_TRUE("no entry", !job.state[0] && job.results == -1);
    job = splunk_read_entry(sc_str_of("[{\"content\":{\"dispatchState\":\"DONE\",\"resultCount\":\"many\"}}]"));
    CHECK_INT("no number", job.results, -1);
}

/* A status that is cut short says less, never something else. */
static void test_job_status_cut(void **state)
{
    (void)state;
    size_t len = strlen(ENTRY);
    for (size_t n = 0; n <= len; n++) {
        char *bytes = malloc(n ? n : 1); /* a sanitizer sees a look behind its end */
        assert_non_null(bytes);
        memcpy(bytes, ENTRY, n);
        struct splunk_job job = splunk_read_entry((struct sc_str){bytes, n});
        if (strncmp(job.state, "FAILED", strlen(job.state)) != 0)
            CHECK_TEXT("state", job.state, "FAILED");
        if (job.results != -1)
            CHECK_INT("results", job.results, 123);
        free(bytes);
    }
}

/* Any text at all: no look behind its end, no endless loop. */
static void test_any_text(void **state)
{
    (void)state;
    static const char alphabet[] = " |\"`[]{}()=-@earliest,latest:search\\1m";
    unsigned seed = 7;
    for (int n = 0; n < 20000; n++) {
        size_t len = (seed = seed * 1103515245 + 12345) % 40;
        char *text = malloc(len + 1);
        assert_non_null(text);
        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[((seed = seed * 1103515245 + 12345) >> 16) % (sizeof alphabet - 1)];
        text[len] = '\0';
        struct splunk_message message;
        struct spl spl = spl_read(text);
        CHECK_TRUE(text, spl.reach_s >= SPL_UNKNOWN && (spl.has_bounds || spl.reach_s == SPL_UNKNOWN));
        splunk_read_messages((struct sc_str){text, len}, &message);
        splunk_read_entry((struct sc_str){text, len});
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_search), cmocka_unit_test(test_reach),          cmocka_unit_test(test_messages), cmocka_unit_test(test_busy),
        cmocka_unit_test(test_job_status),      cmocka_unit_test(test_job_status_cut), cmocka_unit_test(test_any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
