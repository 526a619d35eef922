/* Splunk, module and engine, as a script of exchanges. test_splunk_text.c has what it reads of texts. */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"

#define EXPORT "/services/search/v2/jobs/export"
#define OLD    "/services/search/jobs/export"
#define JOBS   "/services/search/jobs"
#define TAIL   "&output_mode=json&preview=0"
#define NOW    1777629600 /* FAKE_NOW in s */
#define FROM   (NOW - 24 * 3600)

static void open_search(struct fake *f, const char *search, const char *mode)
{
    fake_open(f, MODULE, "search");
    f->base_url = "https://splunk.acme.test:8089";
    fake_set(f, FAKE_SETTING, "url", f->base_url);
    fake_set(f, FAKE_SETTING, "custom_search", search);
    fake_set(f, FAKE_SETTING, "mode", mode);
    f->answered = FAKE_NOW;
}

static const char *bounds(int64_t from, int64_t to)
{
    static char text[160];
    snprintf(text, sizeof text, "search=search%%20index%%3Dmain&earliest_time=%lld&latest_time=%lld" TAIL, (long long)from, (long long)to);
    return text;
}

/* Asks for the next page and takes it. */
static enum sc_more read_page(struct fake *f, uint64_t records)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    return fake_page(f, records, NULL);
}

static void test_windows_tile(void **state)
{
    (void)state;
    struct fake f;
    open_search(&f, NULL, NULL);
    CHECK_INT("a day, by the hour", read_page(&f, 5), SC_MORE);
    CHECK_TEXT("the export", f.url, EXPORT);
    CHECK_INT("by", f.method, SC_POST);
    CHECK_TEXT("as", fake_asked(&f, "Content-Type"), "application/x-www-form-urlencoded");
    CHECK_TEXT("the first hour", f.body, bounds(FROM, FROM + 3600));
    CHECK_INT("kept by their own time", f.remember_as, 0);
    for (int hour = 1; hour < 23; hour++)
        CHECK_INT("and on", read_page(&f, 0), SC_MORE);
    CHECK_TEXT("one behind the other", f.body, bounds(FROM + 22 * 3600, FROM + 23 * 3600));
    CHECK_INT("the last one", read_page(&f, 1), SC_WALKED);
    CHECK_TEXT("a minute before the present", f.body, bounds(FROM + 23 * 3600, NOW - 60));
    CHECK_TEXT("is where it stands", fake_show(&f, FAKE_POSITION), "api=v2 time=2026-05-01T09:59:00.000Z");
    fake_new_walk(&f);
    f.now = f.answered = FAKE_NOW + 900000;
    CHECK_INT("15 minutes later", read_page(&f, 9), SC_WALKED);
    CHECK_TEXT("with 15 minutes read again", f.body, bounds(NOW - 60 - 900, NOW + 840));
    fake_close(&f);
}

/* A vendor's clock that is behind: nothing is covered that its reply could not hold. */
static void test_ends_by_their_date(void **state)
{
    (void)state;
    struct fake f;
    open_search(&f, NULL, NULL);
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:30:00.000Z");
    f.answered = FAKE_NOW - 600000;
    CHECK_INT("read", read_page(&f, 1), SC_WALKED);
    CHECK_TEXT("by their date, less the lag", fake_get(&f, FAKE_POSITION, "time"), "2026-05-01T09:49:00.000Z");
    fake_close(&f);
}

static void test_searches(void **state)
{
    (void)state;
    static const struct {
        const char *search, *begins;
        bool saved_first;
        const char *why;
    } rows[] = {
        {"", "search=search%20index%3Dmain&earliest_time=", false, "none"},
        {" \n", "search=search%20index%3Dmain&earliest_time=", false, "blanks"},
        {"search a=\"b c\"", "search=search%20a%3D%22b%20c%22&earliest_time=", false, "with its command"},
        {"| tstats count", "search=%7C%20tstats%20count&earliest_time=", true, "piped"},
        {"x | stats count", "search=search%20x%20%7C%20stats%20count&earliest_time=", true, "rows: their window is part of them"},
        {"x earliest=-15m", "search=search%20x%20earliest%3D-15m" TAIL, false, "bounds of its own: as it is"},
        {"caf\xC3\xA9+1%", "search=search%20caf%C3%A9%2B1%25&earliest_time=", false, "any byte"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake f;
        open_search(&f, rows[i].search, NULL);
        fake_request(&f);
        f.body[strlen(f.body) < strlen(rows[i].begins) ? strlen(f.body) : strlen(rows[i].begins)] = '\0';
        CHECK_TEXT(rows[i].why, f.body, rows[i].begins);
        CHECK_INT(rows[i].why, f.after_save, rows[i].saved_first);
        fake_close(&f);
    }
}

/* All of it is sent, however long it is. */
static void test_long_search(void **state)
{
    (void)state;
    enum { LONG = 8100 };
    static char search[LONG + 1], want[3 * LONG + 200];
    struct fake f;
    memset(search, '=', LONG);
    size_t n = (size_t)snprintf(want, sizeof want, "search=search%%20");
    for (size_t i = 0; i < LONG; i++, n += 3)
        memcpy(want + n, "%3D", 3);
    open_search(&f, search, NULL);
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:44:00.000Z");
    snprintf(want + n, sizeof want - n, "&earliest_time=1777627740&latest_time=1777629540" TAIL);
    CHECK_INT("asks", fake_request(&f), SC_SEND);
    CHECK_TRUE("all of it", f.body && strcmp(f.body, want) == 0);
    fake_close(&f);
}

static void test_rows_do_not_overlap(void **state)
{
    (void)state;
    struct fake f;
    open_search(&f, "index=main | stats count", NULL);
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:44:00.000Z");
    f.now = FAKE_NOW + 900; /* our idea of the vendor's time is ahead of its Date */
    CHECK_INT("read", read_page(&f, 1), SC_WALKED);
    CHECK_TRUE("from where the last one ended", strstr(f.body, "earliest_time=1777628640&latest_time=1777629538&"));
    CHECK_INT("kept by the window", f.remember_as, (NOW - 62) * 1000ll);
    CHECK_TEXT("nothing of it is asked for again", fake_get(&f, FAKE_POSITION, "time"), "2026-05-01T09:58:58.000Z");
    fake_new_walk(&f);
    f.now = FAKE_NOW - 500;
    CHECK_INT("nothing yet", fake_request(&f), SC_DONE);
    fake_new_walk(&f);
    f.now = f.answered = FAKE_NOW + 60000;
    CHECK_INT("on", read_page(&f, 1), SC_WALKED);
    CHECK_TRUE("from there", strstr(f.body, "earliest_time=1777629538&latest_time=1777629598&"));
    fake_close(&f);
}

static void test_by_index_time(void **state)
{
    (void)state;
    struct fake f;
    open_search(&f, NULL, NULL);
    fake_set(&f, FAKE_SETTING, "index_time", "true");
    fake_set(&f, FAKE_SETTING, "late_hours", "2");
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:44:00.000Z");
    CHECK_INT("read", read_page(&f, 1), SC_WALKED);
    CHECK_TEXT("no overlap, event time is wide", f.body,
               "search=search%20index%3Dmain&earliest_time=1777621440&latest_time=1777636740&index_earliest=1777628640&index_latest=1777629540" TAIL);
    CHECK_INT("kept by the window", f.remember_as, (NOW - 60) * 1000ll);
    fake_close(&f);
}

/* The position is what such a search can never bring again. */
static void test_own_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *search, *first, *second, *why;
    } rows[] = {
        {"x earliest=-15m", "2026-05-01T08:45:00.000Z", "2026-05-01T09:00:00.000Z", "a quarter, an hour for clocks"},
        {"x earliest=-2d", "2026-04-29T09:00:00.000Z", "2026-04-29T09:15:00.000Z", "two days"},
        {"x earliest=-2d | stats count", "2026-05-01T09:00:00.000Z", "2026-05-01T09:15:00.000Z", "rows of a poll never come again"},
        {"x latest=now", NULL, NULL, "everything may"},
        {"x earliest=1700000000", NULL, NULL, "from a date on everything may"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake f;
        open_search(&f, rows[i].search, NULL);
        CHECK_INT(rows[i].why, read_page(&f, 3), SC_WALKED);
        CHECK_TRUE(rows[i].why, !strstr(f.body, "earliest_time") && !strstr(f.body, "latest_time"));
        CHECK_TEXT(rows[i].why, fake_get(&f, FAKE_POSITION, "time"), rows[i].first);
        fake_new_walk(&f);
        f.now = f.answered = FAKE_NOW + 900000;
        CHECK_INT("once each poll", read_page(&f, 3), SC_WALKED);
        CHECK_TEXT(rows[i].why, fake_get(&f, FAKE_POSITION, "time"), rows[i].second);
        fake_close(&f);
    }
}

/* The search is another one: what was covered stays so. */
static void test_never_back(void **state)
{
    (void)state;
    struct fake f;
    open_search(&f, "x earliest=-2d", NULL);
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:44:00.000Z");
    CHECK_INT("read", read_page(&f, 3), SC_WALKED);
    CHECK_TEXT("the later one", fake_get(&f, FAKE_POSITION, "time"), "2026-05-01T09:44:00.000Z");
    fake_close(&f);
}

static void test_old_paths(void **state)
{
    (void)state;
    struct fake f;
    open_search(&f, "index=main earliest=-1h", NULL);
    fake_request(&f);
    CHECK_TEXT("v2", f.url, EXPORT);
    CHECK_INT("404", fake_reply(&f, 404, "<response/>"), SC_AGAIN);
    CHECK_INT("the old one", read_page(&f, 1), SC_WALKED);
    CHECK_TEXT("without v2", f.url, OLD);
    CHECK_TEXT("is kept", fake_get(&f, FAKE_POSITION, "api"), "v1");
    fake_new_walk(&f);
    fake_request(&f);
    CHECK_TEXT("for good", f.url, OLD);
    CHECK_INT("until it is gone", fake_reply(&f, 404, NULL), SC_AGAIN);
    CHECK_INT("then v2", read_page(&f, 1), SC_WALKED);
    CHECK_TEXT("again", f.url, EXPORT);
    CHECK_TEXT("is kept", fake_get(&f, FAKE_POSITION, "api"), "v2");
    fake_new_walk(&f);
    fake_request(&f);
    CHECK_INT("404 of a path that has answered", fake_reply(&f, 404, "<html>"), SC_REFUSE);
    CHECK_INT("comes back", f.verdict.reason, SC_REASON_VENDOR_ERROR);
    fake_set(&f, FAKE_POSITION, "api", NULL);
    fake_request(&f);
    CHECK_INT("404 before any answer", fake_reply(&f, 404, "<html>"), SC_AGAIN);
    fake_request(&f);
    CHECK_INT("neither is there", fake_reply(&f, 404, "<html>"), SC_REFUSE);
    CHECK_INT("so it is another server", f.verdict.reason, SC_REASON_WRONG_HOST);
    fake_request(&f);
    CHECK_TEXT("from the beginning", f.url, EXPORT);
    fake_close(&f);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum sc_action action;
        enum sc_reason reason;
        const char *says, *why;
    } rows[] = {
        {400, "{\"messages\":[{\"type\":\"FATAL\",\"text\":\"Unknown search command 'x'.\"}]}", SC_REFUSE, SC_REASON_CONFIG_INVALID,
         "FATAL Unknown search command 'x'.", "a search that is none"},
        {400, "{\"messages\":[{\"type\":\"INFO\",\"text\":\"a\"},{\"type\":\"FATAL\",\"text\":\"concurrent searches reached\"}]}", SC_REFUSE,
         SC_REASON_RATE_LIMITED, "FATAL concurrent searches reached", "too many at a time"},
        {401, "{\"messages\":[{\"type\":\"WARN\",\"text\":\"call not properly authenticated\"}]}", SC_REFUSE, SC_REASON_AUTH_INVALID,
         "WARN call not properly authenticated", "token"},
        {403, "{\"messages\":[{\"type\":\"ERROR\",\"text\":\"no\"}]}", SC_REFUSE, SC_REASON_PERMISSION_DENIED, "ERROR no", "role"},
        {503, "{\"messages\":[{\"type\":\"FATAL\",\"text\":\"busy\"}]}", SC_REFUSE, SC_REASON_RATE_LIMITED, "FATAL busy", "concurrency"},
        {503, "<html>maintenance", SC_BY_STATUS, SC_REASON_OK, "", "something else's"},
        {500, "{\"messages\":[{\"type\":\"ERROR\",\"text\":\"disk quota\"}]}", SC_REFUSE, SC_REASON_RATE_LIMITED, "ERROR disk quota", "quota"},
        {500, "{\"messages\":[{\"type\":\"ERROR\",\"text\":\"oops\"}]}", SC_BY_STATUS, SC_REASON_OK, "ERROR oops", "as any"},
        {429, NULL, SC_BY_STATUS, SC_REASON_OK, "", "as any"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake f;
        open_search(&f, NULL, NULL);
        fake_request(&f);
        CHECK_INT(rows[i].why, fake_reply(&f, rows[i].status, rows[i].body), rows[i].action);
        if (rows[i].action == SC_REFUSE)
            CHECK_INT(rows[i].why, f.verdict.reason, rows[i].reason);
        CHECK_TEXT(rows[i].why, f.verdict.detail, rows[i].says);
        fake_close(&f);
    }
}

static void test_no_answer(void **state)
{
    (void)state;
    struct fake f;
    open_search(&f, NULL, NULL);
    fake_request(&f);
    fake_no_reply(&f, SC_REASON_TLS_UNTRUSTED);
    CHECK_TRUE("what to do about the certificate", strstr(f.verdict.advice, "ca_file") && strstr(f.verdict.advice, "network."));
    fake_no_reply(&f, SC_REASON_READ_TIMEOUT);
    CHECK_TRUE("a long search", strstr(f.verdict.advice, "mode to job"));
    fake_no_reply(&f, SC_REASON_CONNECT_TIMEOUT);
    CHECK_TEXT("any host", f.verdict.advice, "");
    f.base_url = "https://acme.splunkcloud.com:8089";
    fake_no_reply(&f, SC_REASON_CONNECT_TIMEOUT);
    CHECK_TRUE("Splunk Cloud", strstr(f.verdict.advice, "ticket"));
    fake_close(&f);
}

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *preview, *messages;
        enum sc_line line;
        enum sc_reason reason;
        const char *why;
    } rows[] = {
        {"false", NULL, SC_LINE_TAKE, SC_REASON_OK, "a result"},
        {NULL, NULL, SC_LINE_TAKE, SC_REASON_OK, "not said"},
        {"true", NULL, SC_LINE_SKIP, SC_REASON_OK, "a preview"},
        {"false", "[{\"type\":\"INFO\",\"text\":\"x\"}]", SC_LINE_TAKE, SC_REASON_OK, "diagnostics"},
        {"false", "[{\"type\":\"WARN\",\"text\":\"x\"}]", SC_LINE_TAKE, SC_REASON_OK, "a warning"},
        {"true", "[{\"type\":\"ERROR\",\"text\":\"x\"}]", SC_LINE_BROKEN, SC_REASON_VENDOR_ERROR, "an error in a preview"},
        {NULL, "[{\"type\":\"FATAL\",\"text\":\"maximum number of concurrent searches\"}]", SC_LINE_BROKEN, SC_REASON_RATE_LIMITED, "busy"},
        {NULL, "[{\"type\":\"INFO\",\"text\":\"x\"},", SC_LINE_BROKEN, SC_REASON_VENDOR_ERROR, "too long to say"},
    };
    struct fake f;
    open_search(&f, NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fake_request(&f);
        fake_reply(&f, 200, NULL);
        fake_envelope(&f, "preview", rows[i].preview);
        fake_envelope(&f, "messages", rows[i].messages);
        CHECK_INT(rows[i].why, fake_line(&f), rows[i].line);
        if (rows[i].line == SC_LINE_BROKEN)
            CHECK_INT(rows[i].why, f.page.reason, rows[i].reason);
    }
    fake_close(&f);
}

/* ---- jobs -------------------------------------------------------------------------------------------------------------- */

static enum sc_more look(struct fake *f, const char *entry)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_TEXT("looks", f->url, JOBS "/17.42?output_mode=json");
    f->now = f->not_before > f->now ? f->not_before : f->now;
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    fake_envelope(f, "entry", entry);
    return fake_page(f, 0, NULL);
}

static void make_job(struct fake *f)
{
    fake_set(f, FAKE_POSITION, "time", "2026-05-01T09:44:00.000Z");
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_TEXT("makes", f->url, JOBS);
    CHECK_TEXT("with", f->body,
               "search=search%20index%3Dmain&earliest_time=1777627740&latest_time=1777629540&output_mode=json&exec_mode=normal");
    CHECK_TRUE("the window is kept before", f->after_save && f->method == SC_POST);
    CHECK_INT("cuts", fake_reply(f, 201, NULL), SC_CUT);
    fake_envelope(f, "sid", "17.42");
    CHECK_INT("made", fake_page(f, 0, NULL), SC_MORE);
}

static void test_job(void **state)
{
    (void)state;
    struct fake f;
    open_search(&f, NULL, "job");
    make_job(&f);
    CHECK_INT("waits", look(&f, "[{\"content\":{\"dispatchState\":\"RUNNING\"}}]"), SC_MORE);
    CHECK_INT("done", look(&f, "[{\"content\":{\"dispatchState\":\"DONE\",\"resultCount\":12000}}]"), SC_MORE);
    CHECK_INT("a part", read_page(&f, 10000), SC_PART);
    CHECK_TEXT("from the first", f.url, "/services/search/v2/jobs/17.42/results?output_mode=json&count=10000&offset=0");
    CHECK_INT("by", f.method, SC_GET);
    CHECK_INT("the rest", read_page(&f, 2000), SC_MORE);
    CHECK_TEXT("from there", f.url, "/services/search/v2/jobs/17.42/results?output_mode=json&count=10000&offset=10000");
    CHECK_TEXT("the window is read", fake_get(&f, FAKE_POSITION, "time"), "2026-05-01T09:59:00.000Z");
    CHECK_INT("tidied up", read_page(&f, 0), SC_WALKED);
    CHECK_TEXT("its job", f.url, JOBS "/17.42");
    CHECK_INT("is deleted", f.method, SC_DELETE);
    fake_close(&f);
}

static void test_job_of_nothing(void **state)
{
    (void)state;
    struct fake f;
    open_search(&f, NULL, "job");
    make_job(&f);
    CHECK_INT("nothing to read", look(&f, "[{\"content\":{\"dispatchState\":\"DONE\",\"resultCount\":0}}]"), SC_MORE);
    CHECK_TEXT("the window is read", fake_get(&f, FAKE_POSITION, "time"), "2026-05-01T09:59:00.000Z");
    CHECK_INT("tidied up", read_page(&f, 0), SC_WALKED);
    fake_close(&f);
}

static void test_job_on_old_paths(void **state)
{
    (void)state;
    struct fake f;
    open_search(&f, NULL, "job");
    make_job(&f);
    CHECK_INT("done", look(&f, "[{\"content\":{\"dispatchState\":\"DONE\",\"resultCount\":1}}]"), SC_MORE);
    fake_request(&f);
    CHECK_INT("no v2", fake_reply(&f, 404, NULL), SC_AGAIN);
    CHECK_INT("the same job", read_page(&f, 1), SC_MORE);
    CHECK_TEXT("by the old path", f.url, "/services/search/jobs/17.42/results?output_mode=json&count=10000&offset=0");
    CHECK_TEXT("which is kept", fake_get(&f, FAKE_POSITION, "api"), "v1");
    fake_close(&f);
}

/* It is taken back where the data type is switched off. */
static void test_job_left(void **state)
{
    (void)state;
    struct fake f;
    open_search(&f, NULL, "job");
    CHECK_TRUE("none yet", !fake_leave(&f));
    make_job(&f);
    CHECK_TRUE("deleted", fake_leave(&f));
    CHECK_TEXT("it", f.url, JOBS "/17.42");
    CHECK_INT("by", f.method, SC_DELETE);
    fake_set(&f, FAKE_SETTING, "mode", "export");
    CHECK_TRUE("an export ends with its connection", !fake_leave(&f));
    fake_close(&f);
}

static void test_short_of_memory(void **state)
{
    (void)state;
    for (long n = 1; n < 60; n++) {
        struct fake f;
        open_search(&f, "x | stats count", NULL);
        fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:44:00.000Z");
        f.fail_at = n;
        fake_request(&f);
        bool failed = f.failed;
        if (f.url && f.url[0] == '/')
            CHECK_TRUE("all of the search and its window, or nothing", f.body && strstr(f.body, "search=search%20x%20%7C%20stats%20count&earliest_time="));
        fake_close(&f);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_tile),        cmocka_unit_test(test_ends_by_their_date), cmocka_unit_test(test_searches),
        cmocka_unit_test(test_rows_do_not_overlap), cmocka_unit_test(test_by_index_time),      cmocka_unit_test(test_own_bounds),
        cmocka_unit_test(test_never_back),          cmocka_unit_test(test_old_paths),          cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_answer),           cmocka_unit_test(test_lines),              cmocka_unit_test(test_job),
        cmocka_unit_test(test_job_of_nothing),      cmocka_unit_test(test_job_on_old_paths),   cmocka_unit_test(test_job_left),
        cmocka_unit_test(test_short_of_memory),     cmocka_unit_test(test_long_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
