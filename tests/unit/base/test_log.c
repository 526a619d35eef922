/* The log: form of a line, what never reaches it, and the repeat counter on a clock of our own. */
#include "base/log.h"
#include "base/clock.h"
#include "base/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- clock and sink ---- */

/* The module itself is compiled here, on this clock; nothing else of the library needs the log. */
static int64_t mono_ms, wall_ms;

#define sc_mono_ms() mono_ms
#define sc_real_ms() wall_ms
#include "base/log.c"
#include "base/log_form.c"
#include "base/log_repeat.c"

#include <jansson.h>

#define STAMP "2026-11-21T10:15:02.123Z "
enum { MINUTE = 60 * 1000 };

/* All lines since the last look, each ended by '|'. */
static char lines[64 * 1024];

static void keep(const char *line, void *arg)
{
    (void)arg;
    size_t len = strlen(lines);
    if (len + strlen(line) + 2 < sizeof lines)
        snprintf(lines + len, sizeof lines - len, "%s|", line);
}

static int setup(void **state)
{
    (void)state;
    lines[0] = '\0';
    mono_ms = 0;
    wall_ms = INT64_C(1795256102123);
    sc_log_set_format(SC_LOG_TEXT);
    sc_log_init(SC_INFO, STDERR_FILENO);
    sc_log_set_sink(keep, NULL);
    return 0;
}

static void check_lines(const char *why, const char *want)
{
    CHECK_TEXT(why, lines, want);
    lines[0] = '\0';
}

static const struct sc_log_cx okta = {"okta", "okta-prod", "system_log"};

/* ---- one line ---- */

static void test_log_form(void **state)
{
    (void)state;
    SC_LOG(SC_INFO, &okta, "read=50 pages=1", "fetched %d events", 42);
    check_lines("as documented",
                STAMP "[INFO] okta: fetched 42 events integration=okta-prod data_type=system_log "
                      "read=50 pages=1|");
    SC_SAY(SC_WARN, "nats", "slow");
    check_lines("without context", STAMP "[WARN] nats: slow|");
    sc_log_write(SC_ERROR, &(struct sc_log_cx){0}, "", "x");
    check_lines("without component", STAMP "[ERROR] agent: x|");
    sc_log_write(SC_DEBUG, &(struct sc_log_cx){.component = "c", .data_type = "t"}, NULL, "x");
    check_lines("below the level of the settings", "");
    sc_log_set_level(SC_DEBUG);
    sc_log_write(SC_DEBUG, &(struct sc_log_cx){.component = "c", .data_type = "t", .reason = SC_REASON_RATE_LIMITED}, NULL, "x");
    check_lines("data type alone, with a reason", STAMP "[DEBUG] c: x data_type=t reason=rate_limited|");
}

static void test_log_flat(void **state)
{
    (void)state;
    SC_SAY(SC_INFO, "a",
           "one\ntwo\r\t\x1b[31m\x7f end \xC2\x9B"
           "2J \xC3\xA9\xC2\xA0.");
    check_lines("control characters are blanks, letters stay",
                STAMP "[INFO] a: one two   [31m  end   2J \xC3\xA9\xC2\xA0.|");
    SC_LOG(SC_INFO, (&(struct sc_log_cx){"a", "x\ny", NULL}), "k=v\nfake=1", "m");
    check_lines("in every part", STAMP "[INFO] a: m integration=x y k=v fake=1|");
}

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

static void test_log_levels(void **state)
{
    (void)state;
    SC_SAY(SC_DEBUG, "a", "%d", evaluate());
    CHECK_INT("arguments of a line below the level", evaluated, 0);
    sc_log_set_level(SC_DEBUG);
    SC_SAY(SC_DEBUG, "a", "%d", evaluate());
    check_lines("now shown", STAMP "[DEBUG] a: 1|");
    sc_log_set_level(SC_ERROR);
    SC_SAY(SC_WARN, "a", "x");
    check_lines("below", "");
    static const struct {
        const char *in;
        bool good;
        enum sc_level want;
    } rows[] = {
        {"debug",   true,  SC_DEBUG},
        {"INFO",    true,  SC_INFO },
        {"Warn",    true,  SC_WARN },
        {"warning", true,  SC_WARN },
        {"error",   true,  SC_ERROR},
        {"",        false, SC_ERROR},
        {"inf",     false, SC_ERROR},
        {"infos",   false, SC_ERROR},
        {"2",       false, SC_ERROR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum sc_level got = SC_ERROR;
        CHECK_INT(rows[i].in, sc_log_parse_level(rows[i].in, &got), rows[i].good);
        CHECK_INT(rows[i].in, got, rows[i].want);
    }
}

static void test_log_long(void **state)
{
    (void)state;
    char *text = malloc(3 * 1024 * 1024);
    assert_non_null(text);
    for (size_t len = 4000; len < 4200; len++) {
        for (size_t i = 0; i < len; i++)
            text[i] = i % 2 ? '\xA9' : '\xC3';
        text[len & ~(size_t)1] = '\0';
        const char *component =
            len % 4 < 2 ? "a" : "ab"; /* the cut comes before and in a character */
        SC_LOG_EACH(SC_INFO, (&(struct sc_log_cx){.component = component}), NULL, "%s", text);
        size_t got = strlen(lines) - 1;
        CHECK_TRUE("4 KiB with the newline", got <= 4095);
        CHECK_TRUE("no more is cut than must be",
                   got == strlen(STAMP "[INFO] : ") + strlen(component) + strlen(text) ||
                       got >= 4094);
        CHECK_INT("no half character", (unsigned char)lines[got - 1], 0xA9);
        lines[0] = '\0';
    }
    memset(text, 'x', 3 * 1024 * 1024 - 1);
    text[3 * 1024 * 1024 - 1] = '\0';
    SC_SAY(SC_INFO, "a", "%s", text);
    check_lines(
        "absurd",
        STAMP "[INFO] agent: a log line was dropped: memory ran out, or it is longer than 1 MiB|");
    free(text);
}

static void test_log_redacted(void **state)
{
    (void)state;
    static const char secret[] = "sEcReT-0123456789\nsecond";
    sc_redact_add(secret, strlen(secret));
    SC_LOG(SC_INFO, &okta, "token=sEcReT-0123456789\nsecond", "got %s.", secret);
    check_lines("message and fields, with a newline in it",
                STAMP "[INFO] okta: got [redacted]. integration=okta-prod "
                      "data_type=system_log token=[redacted]|");
    char text[5000];
    memset(text, 'x', sizeof text);
    for (size_t at = 3900; at < 4110; at++) { /* the cut goes through the secret */
        memset(text, 'x', sizeof text);
        memcpy(text + at, secret, strlen(secret));
        text[sizeof text - 1] = '\0';
        SC_SAY(SC_INFO, "a", "%s", text);
        CHECK_TRUE("not even its beginning", strstr(lines, "sE") == NULL);
        lines[0] = '\0';
    }
    sc_redact_remove(secret, strlen(secret));
}

/* ---- repeats ---- */

#define WARN_429(more) STAMP "[WARN] okta: 429" more " integration=okta-prod data_type=system_log"

static void at(int64_t ms)
{
    wall_ms += ms - mono_ms;
    mono_ms = ms;
}

/* `stamped` with the time of the clock instead of STAMP's. */
static void check_lines_now(const char *why, const char *stamped)
{
    char want[4096] = "", stamp[SC_TIME_TEXT];
    size_t skip = strlen(STAMP) - 1;
    for (const char *from = stamped; *from;) {
        const char *next = strstr(from + 1, STAMP);
        size_t len = next ? (size_t)(next - from) : strlen(from);
        size_t used_up = strlen(want);
        snprintf(want + used_up, sizeof want - used_up, "%s%.*s", sc_time_rfc3339(wall_ms, stamp), (int)(len - skip), from + skip);
        from += len;
    }
    check_lines(why, want);
}

static void test_log_repeats(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        SC_LOG(SC_WARN, &okta, i % 2 ? "n=1" : "n=2", "429");
    check_lines("once", WARN_429("") " n=2|");
    at(60 * MINUTE - 1);
    SC_LOG(SC_WARN, &okta, NULL, "429");
    check_lines("still counted", "");
    at(60 * MINUTE);
    SC_LOG(SC_WARN, &okta, NULL, "429");
    check_lines_now("an hour is over: one line with the count", WARN_429(" (repeated 5 times since 10:15:02Z, last at 11:15:02Z)") " repeated=5|");
    SC_LOG(SC_ERROR, &okta, NULL, "500");
    check_lines_now("another message is written at once",
                    STAMP "[ERROR] okta: 500 integration=okta-prod data_type=system_log|");
    at(120 * MINUTE);
    sc_log_turn();
    check_lines_now("the next hour's, also when nobody writes", WARN_429(" (repeated 1 time since 11:15:02Z, last at 11:15:02Z)") " repeated=1|");
    at(240 * MINUTE);
    SC_LOG(SC_WARN, &okta, NULL, "429");
    check_lines_now("an hour without it: it is new", WARN_429("") "|");
    SC_LOG(SC_WARN, &okta, NULL, "429");
    sc_log_flush();
    check_lines_now("nothing is lost at the stop", WARN_429(" (repeated 1 time since 14:15:02Z, last at 14:15:02Z)") " repeated=1|");
}

/* A peer that fails for an hour, every 15 s: one line, one summary. */
static void test_log_repeat_hour(void **state)
{
    (void)state;
    unsigned count = 0;
    for (int64_t ms = 0; ms < 60 * MINUTE; ms += 15000, count++) {
        char next[SC_TIME_TEXT];
        at(ms);
        SC_LOG(SC_WARN, &okta, NULL, "no answer from acme.okta.com (192.0.2.%d) in %d s, next request at %s, %u tries", (int)(ms / 15000 % 7), 20,
               sc_time_short(wall_ms + 15000, wall_ms, next), count + 2);
        sc_log_turn();
    }
    CHECK_INT("lines in the hour", strchr(lines, '|') == lines + strlen(lines) - 1, 1);
    CHECK_TRUE("the first as it came", strstr(lines, "(192.0.2.0) in 20 s, next request at 10:15:17Z, 2 tries integration") != NULL);
    lines[0] = '\0';
    at(60 * MINUTE);
    sc_log_turn();
    CHECK_TRUE("with its last figures", strstr(lines, "(192.0.2.1) in 20 s, next request at 11:15:02Z, 241 tries (repeated 239 times since 10:15:02Z, "
                                                      "last at 11:14:47Z) integration=okta-prod data_type=system_log repeated=239|") != NULL);
    CHECK_INT("one summary", strchr(lines, '|') == lines + strlen(lines) - 1, 1);
}

/* Rows: two messages, are they the same? */
static void test_log_repeat_same(void **state)
{
    (void)state;
    static const struct {
        enum sc_level level;
        const char *one, *two;
        bool same;
        const char *why;
    } pairs[] = {
        {SC_WARN, "waits 41 s", "waits 1 min 2 s", true, "durations"},
        {SC_WARN, "waits 2.1 s, then", "waits 850 ms, then", true, "durations with a point"},
        {SC_WARN, "next at 10:15:41Z.", "next at 2026-11-21T10:15:02.123Z.", true, "times of two forms"},
        {SC_WARN, "490 MiB of 512 MiB", "501 MiB of 512 MiB", true, "sizes"},
        {SC_WARN, "10.0.0.5:443 is mute", "10.0.0.6:443 is mute", true, "addresses"},
        {SC_WARN, "HTTP 401", "HTTP 403", false, "statuses"},
        {SC_WARN, "proxy answered 403 to CONNECT", "proxy answered 503 to CONNECT", false, "statuses in a sentence"},
        {SC_WARN, "token call: 400", "token call: 401", false, "statuses at the end"},
        {SC_WARN, "x, try 101", "x, try 102", true, "counts of three digits"},
        {SC_WARN, "100 ms", "200 ms", true, "durations of three digits"},
        {SC_WARN, "429 Too Many Requests", "500 Internal Server Error", false, "statuses with their words"},
        {SC_WARN, "AADSTS7000215", "AADSTS700016", false, "codes"},
        {SC_WARN, "E0000011 at 5", "E0000011 at 6", true, "a code that stays"},
        {SC_WARN, "x_1", "x_2", false, "names"},
        {SC_WARN, "a", "b", false, "words"},
        {SC_WARN, "", "1", false, "nothing and a figure"},
        {SC_WARN, "1", "2", true, "figures alone"},
        {SC_INFO, "fetched 1 event", "fetched 2 events", false, "below WARN every figure counts"},
        {SC_INFO, "connected", "connected", true, "below WARN as well"},
        {SC_ERROR, "5 % 6 %", "7 %", true, "rows of figures"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        setup(NULL);
        sc_log_write(pairs[i].level, &okta, NULL, "%s", pairs[i].one);
        lines[0] = '\0';
        sc_log_write(pairs[i].level, &okta, NULL, "%s", pairs[i].two);
        CHECK_INT(pairs[i].why, lines[0] == '\0', pairs[i].same);
        lines[0] = '\0';
    }
    struct sc_log_cx letters = okta;
    letters.same = "record_invalid";
    SC_LOG(SC_WARN, &letters, NULL, "record a is none");
    lines[0] = '\0';
    SC_LOG(SC_WARN, &letters, NULL, "record b is none");
    check_lines("what the caller calls the same", "");
    sc_log_flush();
    CHECK_TRUE("the last one is told", strstr(lines, "record b is none (repeated 1 time") != NULL);
}

static void test_log_repeat_keys(void **state)
{
    (void)state;
    static const struct sc_log_cx cxs[] = {
        {"okta", "a",  "t" },
        {"okta", "b",  "t" },
        {"okta", "a",  "u" },
        {"jira", "a",  "t" },
        {"okta", "a",  NULL},
        {"okta", NULL, "a" },
    };
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof cxs / sizeof cxs[0]; i++)
            sc_log_write(SC_WARN, &cxs[i], NULL, "m");
    check_lines("each context counts for itself",
                STAMP "[WARN] okta: m integration=a data_type=t|" STAMP
                      "[WARN] okta: m integration=b data_type=t|" STAMP
                      "[WARN] okta: m integration=a data_type=u|" STAMP
                      "[WARN] jira: m integration=a data_type=t|" STAMP
                      "[WARN] okta: m integration=a|" STAMP "[WARN] okta: m data_type=a|");
    sc_log_write(SC_ERROR, &cxs[0], NULL, "m");
    check_lines("so does each level", STAMP "[ERROR] okta: m integration=a data_type=t|");
}

static void test_log_each(void **state)
{
    (void)state;
    struct sc_log_cx fetched = okta;
    fetched.same = "fetched";
    for (int i = 0; i < 3; i++)
        SC_LOG_EACH(SC_INFO, &fetched, NULL, "fetched %d events", 42);
    check_lines("each is written", STAMP "[INFO] okta: fetched 42 events integration=okta-prod data_type=system_log|" STAMP
                                         "[INFO] okta: fetched 42 events integration=okta-prod data_type=system_log|" STAMP
                                         "[INFO] okta: fetched 42 events integration=okta-prod data_type=system_log|");
    at(30 * MINUTE);
    SC_LOG(SC_INFO, &fetched, NULL, "fetched 0 events");
    check_lines("the same, but no news: counted", "");
    at(40 * MINUTE);
    SC_LOG_EACH(SC_INFO, &fetched, NULL, "fetched 1 events");
    check_lines_now("what was counted before is told first",
                    STAMP "[INFO] okta: fetched 0 events (repeated 1 time since 10:15:02Z, last at 10:45:02Z) integration=okta-prod "
                          "data_type=system_log repeated=1|" STAMP "[INFO] okta: fetched 1 events integration=okta-prod data_type=system_log|");
    at(99 * MINUTE);
    SC_LOG(SC_INFO, &fetched, NULL, "fetched 0 events");
    check_lines("the hour counts from there", "");
    at(100 * MINUTE);
    sc_log_turn();
    CHECK_TRUE("an hour from there", strstr(lines, "fetched 0 events (repeated 1 time since 10:55:02Z") != NULL);
}

static void test_log_over(void **state)
{
    (void)state;
    uint64_t more;
    CHECK_INT("nothing was wrong", sc_log_over(&okta, &more), false);
    for (int flap = 0; flap < 10; flap++) {
        at((flap + 1) * MINUTE);
        SC_LOG(SC_WARN, &okta, NULL, "down");
        SC_LOG(SC_WARN, &okta, NULL, "down");
        bool shown = strstr(lines, "[WARN] okta: down integration") != NULL;
        CHECK_INT("news again, six times in an hour", shown, flap < 6);
        lines[0] = '\0';
        CHECK_INT("its end is worth a line as well", sc_log_over(&okta, &more), flap < 6);
        CHECK_INT("with how often it came", more, flap < 6 ? 2 : 0);
        CHECK_INT("told once", sc_log_over(&okta, &more), false);
        check_lines("by the caller", "");
    }
    struct sc_log_cx one = okta;
    one.reason = SC_REASON_DNS_FAILURE;
    SC_LOG(SC_WARN, &one, NULL, "no name");
    struct sc_log_cx another = okta;
    another.reason = SC_REASON_SILENT;
    CHECK_INT("another reason", sc_log_over(&another, &more), false);
    CHECK_INT("the reason itself", sc_log_over(&one, &more), true);
    lines[0] = '\0';
    at(61 * MINUTE);
    sc_log_turn();
    CHECK_TRUE("nothing of it is lost", strstr(lines, "down (repeated 8 times since 10:16:02Z, last at 10:25:02Z)") != NULL);
}

static void test_log_anew(void **state)
{
    (void)state;
    for (int put = 0; put < 10; put++) {
        SC_LOG(SC_WARN, &okta, NULL, "refused");
        SC_LOG(SC_WARN, &okta, NULL, "refused");
        CHECK_TRUE("told after each change", strstr(lines, "[WARN] okta: refused integration") != NULL);
        lines[0] = '\0';
        sc_log_anew(&(struct sc_log_cx){"okta", "another", "system_log"});
        check_lines("another's change", "");
        sc_log_anew(&okta);
        CHECK_TRUE("with what was counted", strstr(lines, "refused (repeated 1 time") != NULL);
        lines[0] = '\0';
    }
}

static void test_log_repeat_debug(void **state)
{
    (void)state;
    sc_log_set_level(SC_DEBUG);
    SC_LOG(SC_WARN, &okta, NULL, "429");
    SC_LOG(SC_WARN, &okta, NULL, "429");
    check_lines("who looks for details sees what is counted", WARN_429("") "|" STAMP "[DEBUG] okta: 429 integration=okta-prod data_type=system_log|");
    for (int i = 0; i < 2; i++)
        SC_SAY(SC_DEBUG, "a", "x");
    check_lines("DEBUG is not counted", STAMP "[DEBUG] a: x|" STAMP "[DEBUG] a: x|");
}

static void test_log_repeat_bounded(void **state)
{
    (void)state;
    SC_SAY(SC_WARN, "first", "m");
    SC_SAY(SC_WARN, "first", "m");
    check_lines("counted", STAMP "[WARN] first: m|");
    for (int i = 0; i < ROWS - 1; i++) {
        char component[16];
        snprintf(component, sizeof component, "c%d", i);
        at(mono_ms + 1);
        SC_SAY(SC_WARN, component, "m");
    }
    CHECK_TRUE("room for all", strstr(lines, "first") == NULL);
    lines[0] = '\0';
    at(mono_ms + 1);
    SC_SAY(SC_WARN, "one-more", "m");
    check_lines_now("the oldest gives its place and its count", STAMP "[WARN] first: m (repeated 1 time since 10:15:02Z, last at 10:15:02Z) repeated=1|"
                    STAMP "[WARN] one-more: m|");
    SC_SAY(SC_WARN, "two-more", "m");
    check_lines_now("then the next oldest", STAMP "[WARN] two-more: m|");
    SC_SAY(SC_WARN, "one-more", "m");
    check_lines("not the newest", "");
    SC_SAY(SC_WARN, "c0", "m");
    check_lines_now("c0 it was", STAMP "[WARN] c0: m|");
    at(200 * MINUTE);
    sc_log_turn();
    SC_SAY(SC_WARN, "first", "m");
    CHECK_TRUE("and all places are used again", strstr(lines, "[WARN] first: m|") != NULL);
}

/* ---- levels while it runs ---- */

static void ask(enum sc_level level, const char *integration, int64_t for_ms, bool good)
{
    struct sc_error err = SC_ERROR_INIT;
    CHECK_INT("asked", sc_log_ask_level(level, integration, for_ms, &err) == 0, good);
}

static void check_levels(const char *want)
{
    SC_AUTO_BUF struct sc_buf out = {0};
    sc_log_tell_levels(&out);
    CHECK_TEXT("levels", out.ptr, want);
}

static void test_log_ask_level(void **state)
{
    static const struct sc_log_cx other = {"okta", "okta-test", "system_log"};
    (void)state;
    ask(SC_DEBUG, "okta-prod", 10 * MINUTE, true);
    check_levels("info; okta-prod: debug until 10:25:02Z");
    SC_LOG(SC_DEBUG, &okta, NULL, "d");
    SC_LOG(SC_DEBUG, &other, NULL, "d");
    SC_SAY(SC_DEBUG, "nats", "d");
    check_lines("one integration's alone", STAMP "[DEBUG] okta: d integration=okta-prod data_type=system_log|");
    ask(SC_ERROR, NULL, 0, true);
    check_levels("error; okta-prod: debug until 10:25:02Z");
    SC_LOG(SC_WARN, &other, NULL, "w");
    check_lines("all others", "");
    SC_LOG(SC_DEBUG, &okta, NULL, "d");
    check_lines("not this one", STAMP "[DEBUG] okta: d integration=okta-prod data_type=system_log|");
    at(10 * MINUTE);
    sc_log_turn();
    check_lines_now("its time is over", STAMP "[INFO] agent: the log level of okta-prod has had its time: error again|");
    SC_LOG(SC_DEBUG, &okta, NULL, "d");
    check_lines("as all others", "");
    CHECK_INT("nothing of that name", sc_log_ask_no_more("okta-prod"), false);
    CHECK_INT("all", sc_log_ask_no_more(NULL), true);
    check_levels("info");
    CHECK_INT("as the settings say", sc_log_level_now, SC_INFO);
    ask(SC_DEBUG, NULL, 60 * MINUTE, true);
    ask(SC_DEBUG, NULL, 30 * MINUTE, true);
    check_levels("debug until 10:55:02Z, then info");
    for (int i = 0; i < ASKED_MAX; i++) {
        char name[8];
        snprintf(name, sizeof name, "i%d", i);
        ask(SC_DEBUG, name, MINUTE, i < ASKED_MAX - 1);
    }
}

/* ---- JSON ---- */

static json_t *json_line(const char *why)
{
    json_error_t error;
    char *end = strchr(lines, '|');
    CHECK_TRUE(why, end && !end[1]);
    *end = '\0';
    json_t *object = json_loads(lines, JSON_REJECT_DUPLICATES, &error);
    CHECK_TRUE(why, json_is_object(object));
    lines[0] = '\0';
    return object;
}

static void check_member(json_t *object, const char *name, const char *want)
{
    CHECK_TEXT(name, json_string_value(json_object_get(object, name)), want);
}

static void test_log_json(void **state)
{
    (void)state;
    sc_log_set_format(SC_LOG_JSON);
    struct sc_log_cx cx = okta;
    SC_LOG(SC_INFO, &cx, "read=50 share=-0.5 id=007 at=10:15Z text=x Bad=1 =2 no", "fetched %d \"events\"", 42);
    check_lines("as documented", "{\"time\":\"2026-11-21T10:15:02.123Z\",\"level\":\"INFO\",\"component\":\"okta\",\"integration\":\"okta-prod\","
                                 "\"data_type\":\"system_log\",\"text\":\"fetched 42 \\\"events\\\"\",\"read\":50,\"share\":-0.5,\"id\":\"007\","
                                 "\"at\":\"10:15Z\"}|");
    cx.reason = SC_REASON_DNS_FAILURE;
    SC_LOG(SC_WARN, &cx, NULL, "a\xFF\xC3 \xED\xA0\x80 b\nc\x01 \xC3\xA9 \\ / \xF0\x9F\x98\x80");
    json_t *object = json_line("whatever the vendor sent");
    check_member(object, "reason", "dns_failure");
    check_member(object, "text", "a\xEF\xBF\xBD\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD b c  \xC3\xA9 \\ / \xF0\x9F\x98\x80");
    json_decref(object);
    SC_LOG(SC_WARN, &cx, NULL, "a\xFF\xC3 \xED\xA0\x80 b\nc\x01 \xC3\xA9 \\ / \xF0\x9F\x98\x80");
    sc_log_flush();
    object = json_line("a count is a number");
    CHECK_INT("repeated", json_integer_value(json_object_get(object, "repeated")), 1);
    check_member(object, "data_type", "system_log");
    json_decref(object);
}

static void test_log_json_long(void **state)
{
    (void)state;
    char *text = malloc(100000);
    assert_non_null(text);
    sc_log_set_format(SC_LOG_JSON);
    static const char fill[] = {'\xFF', '"', '\\', 'x', '\xC3'};
    for (size_t i = 0; i < sizeof fill; i++) {
        memset(text, fill[i], 99999);
        text[99999] = '\0';
        struct sc_log_cx cx = {text, text, text, SC_REASON_DNS_FAILURE, "long"};
        SC_AUTO_FREE char *fields = sc_printf("read=1 long=%s", text);
        sc_log_init(SC_INFO, STDERR_FILENO);
        SC_LOG(SC_WARN, &cx, fields, "%s", text);
        CHECK_TRUE("bounded", strlen(lines) <= SC_LOG_JSON_MAX);
        json_t *object = json_line("valid, however long");
        check_member(object, "level", "WARN");
        CHECK_INT("its fields", json_integer_value(json_object_get(object, "read")), 1);
        json_decref(object);
    }
    free(text);
}

static void test_log_json_redacted(void **state)
{
    (void)state;
    static const char secret[] = "sEcReT\"01\\2345";
    sc_redact_add(secret, strlen(secret));
    sc_log_set_format(SC_LOG_JSON);
    SC_LOG(SC_WARN, (&(struct sc_log_cx){.component = "a", .integration = secret, .data_type = secret}), "t=sEcReT\"01\\2345 n=1", "got %s.", secret);
    CHECK_TRUE("nowhere", strstr(lines, "sEc") == NULL);
    json_t *object = json_line("and still JSON");
    check_member(object, "text", "got [redacted].");
    check_member(object, "t", "[redacted]");
    json_decref(object);
    SC_LOG(SC_WARN, (&(struct sc_log_cx){.component = "a", .integration = secret, .data_type = secret}), NULL, "got %s.", secret);
    sc_log_flush();
    CHECK_TRUE("nor in what is kept for a count", strstr(lines, "sEc") == NULL && strstr(lines, "repeated 1 time"));
    sc_redact_remove(secret, strlen(secret));
}

/* ---- descriptor and threads ---- */

enum { THREADS = 4, LINES = 500 };

static void *log_many(void *arg)
{
    for (int i = 0; i < LINES; i++)
        SC_LOG(SC_INFO, (&(struct sc_log_cx){"t", arg, NULL}), NULL, "line %d of a thread", i);
    return NULL;
}

struct reader {
    int fd, good, bad;
};

/* A datagram is what one write(2) wrote. */
static void *read_lines(void *arg)
{
    struct reader *r = arg;
    char line[5000];
    ssize_t len;
    while (r->good + r->bad < THREADS * LINES && (len = read(r->fd, line, sizeof line - 1)) > 0) {
        line[len] = '\0';
        bool good = strncmp(line, STAMP "[INFO] t: line ", strlen(STAMP "[INFO] t: line ")) == 0 &&
                    strchr(line, '\n') == line + len - 1;
        *(good ? &r->good : &r->bad) += 1;
    }
    return NULL;
}

static void test_log_one_write(void **state)
{
    (void)state;
    int fds[2];
    pthread_t threads[THREADS], reader;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    struct reader r = {.fd = fds[1]};
    sc_log_set_sink(NULL, NULL);
    sc_log_init(SC_INFO, fds[0]);
    CHECK_INT("thread", pthread_create(&reader, NULL, read_lines, &r), 0);
    static char names[THREADS][2] = {"0", "1", "2", "3"};
    for (int i = 0; i < THREADS; i++)
        CHECK_INT("thread", pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(reader, NULL);
    CHECK_INT("a line a write", r.good, THREADS * LINES);
    CHECK_INT("torn or joined", r.bad, 0);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_log_form, setup),
        cmocka_unit_test_setup(test_log_flat, setup),
        cmocka_unit_test_setup(test_log_levels, setup),
        cmocka_unit_test_setup(test_log_long, setup),
        cmocka_unit_test_setup(test_log_redacted, setup),
        cmocka_unit_test_setup(test_log_repeats, setup),
        cmocka_unit_test_setup(test_log_repeat_hour, setup),
        cmocka_unit_test_setup(test_log_repeat_same, setup),
        cmocka_unit_test_setup(test_log_each, setup),
        cmocka_unit_test_setup(test_log_over, setup),
        cmocka_unit_test_setup(test_log_anew, setup),
        cmocka_unit_test_setup(test_log_repeat_debug, setup),
        cmocka_unit_test_setup(test_log_ask_level, setup),
        cmocka_unit_test_setup(test_log_json, setup),
        cmocka_unit_test_setup(test_log_json_long, setup),
        cmocka_unit_test_setup(test_log_json_redacted, setup),
        cmocka_unit_test_setup(test_log_repeat_keys, setup),
        cmocka_unit_test_setup(test_log_repeat_bounded, setup),
        cmocka_unit_test_setup(test_log_one_write, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
