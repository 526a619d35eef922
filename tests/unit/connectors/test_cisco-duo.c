/* Cisco Duo, module and engine, as a script of exchanges: windows and their next_offset, seconds without a cursor, errors inside a success. */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define AUTH       "/admin/v2/logs/authentication?limit="
#define BOUNDS     "&maxtime=1777629480000&mintime=1777543200000"
#define ASC        "&sort=ts%3Aasc"
#define NEXT       "response.metadata.next_offset"
#define ADMIN      "/admin/v1/logs/administrator?mintime="

static void open_log(struct fake *f, const char *name)
{
    fake_open(f, MODULE, name);
    fake_set(f, FAKE_SETTING, "fqdn", "api-1a2b3c4d.duosecurity.com");
    f->base_url = "https://api-1a2b3c4d.duosecurity.com";
}

/* Asked, answered with so many records and that next_offset, judged. */
static enum sc_more read_page(struct fake *f, uint64_t records, const char *newest, const char *next)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    fake_envelope(f, "stat", "OK");
    fake_envelope(f, NEXT, next);
    return fake_page(f, records, newest);
}

static void test_duo_window(void **state)
{
    (void)state;
    struct fake f;
    open_log(&f, "auth_logs");
    CHECK_INT("goes on", read_page(&f, 1000, NULL, "[\"1777629600271\",\"0b6f-1\"]"), SC_MORE);
    CHECK_TEXT("a day back, up to 2 minutes ago, in canonical order", f.url, AUTH "1000" BOUNDS ASC);
    CHECK_TRUE("GET, one pool for each log", f.method == SC_GET && !f.body && strcmp(f.pools, "authentication") == 0);
    CHECK_INT("identities as old as the window's end", f.remember_as, FAKE_NOW - 120000);
    CHECK_INT("the end", read_page(&f, 3, NULL, NULL), SC_WALKED);
    CHECK_TEXT("in its place among the parameters", f.url, AUTH "1000" BOUNDS "&next_offset=1777629600271%2C0b6f-1" ASC);
    CHECK_TEXT("the window's end", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:58:00.000Z");
    fake_new_walk(&f);
    f.now += 300999;
    fake_request(&f);
    CHECK_TEXT("2 minutes before it, whole seconds", f.url, AUTH "1000&maxtime=1777629780000&mintime=1777629360000" ASC);
    fake_close(&f);
}

static void test_duo_offsets(void **state)
{
    (void)state;
    static const struct {
        const char *came, *sent; /* NULL: cannot be used */
    } rows[] = {
        {"[\"1\",\"a\"]", "1%2Ca"},
        {"[ \"1\" , \"a\" ]", "1%2Ca"},
        {"[1547486297000,\"a\"]", "1547486297000%2Ca"},
        {"[\"1\",\"a\",\"b\"]", "1%2Ca%2Cb"},
        {"1547486297000,a", "1547486297000%2Ca"},
        {"x y&z", "x%20y%26z"},
        {"[]", NULL},
        {"[\"1\",\"\"]", NULL},
        {"[\"1\",\"a\\u0041\"]", NULL},
        {"[\"1\",\"a\"", NULL},
        {"[", NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        char want[200];
        open_log(&f, "auth_logs");
        CHECK_INT(rows[i].came, read_page(&f, 1, NULL, rows[i].came), rows[i].sent ? SC_MORE : SC_BROKEN);
        snprintf(want, sizeof want, "%s%s%s%s", AUTH "1000" BOUNDS, rows[i].sent ? "&next_offset=" : "", rows[i].sent ? rows[i].sent : "", ASC);
        fake_request(&f);
        CHECK_TEXT(rows[i].came, f.url, want);
        fake_close(&f);
    }
}

#define QUARTER "&maxtime=1777564800000&mintime=1777543200000" /* halved twice: 6 hours of the day */

static void test_duo_limit_is_frozen(void **state)
{
    (void)state;
    struct fake f;
    open_log(&f, "auth_logs");
    f.halvings = 2;
    CHECK_INT("goes on", read_page(&f, 250, NULL, "[\"1\",\"a\"]"), SC_MORE);
    f.halvings = 0; /* pages may be larger again */
    CHECK_INT("goes on", read_page(&f, 250, NULL, "[\"2\",\"b\"]"), SC_MORE);
    CHECK_TEXT("the same limit", f.url, AUTH "250" QUARTER "&next_offset=1%2Ca" ASC);
    f.halvings = 3; /* and have to be smaller */
    fake_request(&f);
    CHECK_TEXT("the same window from its beginning", f.url, AUTH "125" QUARTER ASC);
    CHECK_INT("the rest of the day follows", read_page(&f, 3, NULL, NULL), SC_MORE);
    f.halvings = 0;
    fake_new_walk(&f);
    f.now += 600000;
    fake_request(&f);
    CHECK_TRUE("the next window as large as it may be", strncmp(f.url, AUTH "1000&", strlen(AUTH "1000&")) == 0);
    fake_close(&f);
}

static void test_duo_lost_offset(void **state)
{
    (void)state;
    struct fake f;
    open_log(&f, "activity_logs");
    CHECK_INT("goes on", read_page(&f, 9, NULL, "1777629600271,a"), SC_MORE);
    fake_request(&f);
    CHECK_INT("not Duo's word", fake_reply(&f, 400, "<html>"), SC_REFUSE);
    CHECK_INT("again", fake_reply(&f, 400, "{\"stat\":\"FAIL\",\"code\":40002,\"message\":\"Invalid request parameters\"}"), SC_AGAIN);
    CHECK_INT("why", f.verdict.reason, SC_REASON_CURSOR_EXPIRED);
    fake_request(&f);
    CHECK_TEXT("the same window from its beginning", f.url, "/admin/v2/logs/activity?limit=1000" BOUNDS ASC);
    CHECK_INT("goes on", read_page(&f, 9, NULL, "1777629600271,a"), SC_MORE);
    CHECK_INT("names itself", read_page(&f, 9, NULL, "1777629600271,a"), SC_LOOP);
    CHECK_TEXT("nothing is passed", fake_get(&f, FAKE_POSITION, "time"), NULL);
    fake_close(&f);
}

static void test_duo_seconds(void **state)
{
    (void)state;
    /* A page from 1777629000 on (09:50:00). */
    static const struct {
        uint64_t records;
        const char *newest; /* epoch s */
        enum sc_more want;
        const char *next, *time, *why;
    } rows[] = {
        {99, "1777629400", SC_WALKED, NULL, "2026-05-01T09:56:40.000Z", "short, however little a page holds"},
        {999, "1777629400", SC_MORE, "1777629400", "2026-05-01T09:56:40.000Z", "full, where a page holds 999"},
        {1000, "1777629400", SC_MORE, "1777629400", "2026-05-01T09:56:40.000Z", "full: from its last second on"},
        {1001, "1777629400", SC_MORE, "1777629400", "2026-05-01T09:56:40.000Z", "more than a page was thought to hold"},
        {300, "1777629400", SC_MORE, "1777629400", "2026-05-01T09:56:40.000Z", "full, where a page holds 300"},
        {1000, "1777629590", SC_MORE, "1777629590", "2026-05-01T09:58:00.000Z", "the walk goes on, the position keeps 2 minutes"},
        {3, "1777629590", SC_WALKED, NULL, "2026-05-01T09:58:00.000Z", "the position keeps 2 minutes"},
        {1000, "1777629000", SC_BROKEN, NULL, NULL, "one second holds more than a page"},
        {100, "1777629000", SC_BROKEN, NULL, NULL, "the same, of 100"},
        {1000, NULL, SC_BROKEN, NULL, NULL, "a full page without any time"},
        {99, "1777629000", SC_WALKED, NULL, "2026-05-01T09:50:00.000Z", "one second, not full"},
        {250, "1777629000", SC_WALKED, NULL, "2026-05-01T09:50:00.000Z", "one second, no size that a page has"},
        {0, NULL, SC_WALKED, NULL, NULL, "nothing"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_log(&f, "admin_logs");
        f.lookback_s = 600;
        CHECK_INT(rows[i].why, read_page(&f, rows[i].records, rows[i].newest, NULL), rows[i].want);
        CHECK_TEXT("from the lookback on", f.url, ADMIN "1777629000");
        CHECK_TEXT(rows[i].why, fake_get(&f, FAKE_POSITION, "time"), rows[i].time);
        CHECK_TEXT("the first bound stays as long as there is no time", fake_get(&f, FAKE_POSITION, "since"),
                   rows[i].time || rows[i].want == SC_BROKEN ? NULL : "2026-05-01T09:50:00.000Z");
        if (rows[i].want == SC_BROKEN)
            CHECK_TRUE("what is done", strstr(f.page.detail, "nothing is skipped") && f.page.advice[0]);
        if (rows[i].next) {
            char want[80];
            snprintf(want, sizeof want, "%s%s", ADMIN, rows[i].next);
            fake_request(&f);
            CHECK_TEXT(rows[i].why, f.url, want);
        }
        fake_close(&f);
    }
}

static void test_duo_seconds_go_on(void **state)
{
    (void)state;
    struct fake f;
    open_log(&f, "offline_enrollment_logs");
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:50:00.000Z");
    CHECK_INT("full", read_page(&f, 1000, "1777629400", NULL), SC_MORE);
    CHECK_TEXT("2 minutes before", f.url, "/admin/v1/logs/offline_enrollment?mintime=1777628880");
    CHECK_INT("the last second alone", read_page(&f, 7, "1777629400", NULL), SC_WALKED);
    CHECK_TEXT("the second that was cut", f.url, "/admin/v1/logs/offline_enrollment?mintime=1777629400");
    CHECK_TEXT("the position", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:56:40.000Z");
    fake_new_walk(&f);
    CHECK_INT("older than what is known: never back", read_page(&f, 2, "1777629390", NULL), SC_WALKED);
    CHECK_TEXT("2 minutes before", f.url, "/admin/v1/logs/offline_enrollment?mintime=1777629280");
    CHECK_TEXT("the position", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:56:40.000Z");
    fake_close(&f);
}

static void test_duo_clock_ahead_at_first(void **state)
{
    (void)state;
    struct fake f;
    open_log(&f, "admin_logs");
    f.now += 2 * 86400000ll;
    fake_request(&f);
    fake_reply(&f, 200, NULL);
    fake_envelope(&f, "stat", "OK");
    f.now = FAKE_NOW; /* the reply's Date */
    CHECK_INT("from earlier on", fake_page(&f, 0, NULL), SC_MORE);
    CHECK_TEXT("nothing is remembered", fake_show(&f, FAKE_POSITION), "");
    CHECK_INT("once", read_page(&f, 0, NULL, NULL), SC_WALKED);
    CHECK_TEXT("a day back by Duo's clock", f.url, ADMIN "1777543200");
    fake_close(&f);
}

static void test_duo_stat(void **state)
{
    (void)state;
    static const struct {
        const char *stat, *code, *text, *more;
        enum sc_reason reason;
        const char *detail;
    } rows[] = {
        {"FAIL", "40103", "Invalid signature in request credentials", NULL, SC_REASON_AUTH_INVALID, "40103 Invalid signature in request credentials"},
        {"FAIL", "40105", "Bad request timestamp", NULL, SC_REASON_CLOCK_SKEW, "40105 Bad request timestamp"},
        {"FAIL", "40301", "Access forbidden", "Grant read log", SC_REASON_PERMISSION_DENIED, "40301 Access forbidden: Grant read log"},
        {"FAIL", "42901", "Too Many Requests", NULL, SC_REASON_RATE_LIMITED, "42901 Too Many Requests"},
        {"FAIL", "50000", NULL, NULL, SC_REASON_VENDOR_ERROR, "nothing of it counts: 50000"},
        {"FAIL", "40002", NULL, NULL, SC_REASON_CONFIG_INVALID, "40002"},
        {"FAIL", "403", NULL, NULL, SC_REASON_BAD_RESPONSE, "no code of five digits"},
        {"FAIL", NULL, "a\nb\x7f", NULL, SC_REASON_BAD_RESPONSE, "a?b?"},
        {"ok", NULL, NULL, NULL, SC_REASON_BAD_RESPONSE, "stat is \"ok\""},
        {NULL, NULL, NULL, NULL, SC_REASON_BAD_RESPONSE, "stat is \"\""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        static const char *const logs[] = {"auth_logs", "admin_logs"};
        for (size_t log = 0; log < ROWS(logs); log++) {
            struct fake f;
            open_log(&f, logs[log]);
            fake_request(&f);
            fake_reply(&f, 200, NULL);
            fake_envelope(&f, "stat", rows[i].stat);
            fake_envelope(&f, "code", rows[i].code);
            fake_envelope(&f, "message", rows[i].text);
            fake_envelope(&f, "message_detail", rows[i].more);
            CHECK_INT(rows[i].detail, fake_page(&f, 0, NULL), SC_BROKEN);
            CHECK_INT(rows[i].detail, f.page.reason, rows[i].reason);
            CHECK_TRUE(f.page.detail, strstr(f.page.detail, rows[i].detail) || strcmp(rows[i].code ? rows[i].code : "", "403") == 0);
            CHECK_TEXT("the position stays", fake_show(&f, FAKE_POSITION), "");
            fake_close(&f);
        }
    }
}

static void test_duo_errors(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum sc_action want;
        enum sc_reason reason;
    } rows[] = {
        {400, "{\"stat\":\"FAIL\",\"code\":40002}", SC_REFUSE, SC_REASON_CONFIG_INVALID},
        {401, "{\"stat\":\"FAIL\",\"code\":40101}", SC_REFUSE, SC_REASON_AUTH_INVALID},
        {401, "{\"stat\":\"FAIL\",\"code\":40102}", SC_REFUSE, SC_REASON_AUTH_INVALID},
        {401, "{\"stat\":\"FAIL\",\"code\":40103}", SC_REFUSE, SC_REASON_AUTH_INVALID},
        {401, "{\"stat\":\"FAIL\",\"code\":\"40104\"}", SC_REFUSE, SC_REASON_CLOCK_SKEW},
        {401, "{\"stat\":\"FAIL\",\"code\":40105}", SC_REFUSE, SC_REASON_CLOCK_SKEW},
        {401, "<html>", SC_REFUSE, SC_REASON_AUTH_INVALID},
        {401, "", SC_REFUSE, SC_REASON_AUTH_INVALID},
        {403, "{\"stat\":\"FAIL\",\"code\":40301}", SC_REFUSE, SC_REASON_PERMISSION_DENIED},
        {404, "{\"stat\":\"FAIL\",\"code\":40401}", SC_REFUSE, SC_REASON_WRONG_HOST},
        {429, "{\"stat\":\"FAIL\",\"code\":42901}", SC_REFUSE, SC_REASON_RATE_LIMITED},
        {500, "{\"stat\":\"FAIL\",\"code\":50000}", SC_BY_STATUS, 0},
        {503, "<html>", SC_BY_STATUS, 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_log(&f, "auth_logs");
        fake_request(&f);
        CHECK_INT(rows[i].body, fake_reply(&f, rows[i].status, rows[i].body), rows[i].want);
        CHECK_INT(rows[i].body, f.verdict.reason, rows[i].reason);
        CHECK_TRUE("what to do", rows[i].want != SC_REFUSE || rows[i].status == 429 || f.verdict.advice[0]);
        fake_close(&f);
    }
}

static void try_without_memory(const char *log, long n, bool *ret_failed)
{
    struct fake f;
    open_log(&f, log);
    f.fail_at = n;
    bool v1 = strcmp(log, "admin_logs") == 0;
    fake_request(&f);
    fake_reply(&f, 200, NULL);
    fake_envelope(&f, "stat", "OK");
    fake_envelope(&f, NEXT, "[\"1\",\"a\"]");
    enum sc_more more = fake_page(&f, 1000, v1 ? "1777629400" : NULL);
    CHECK_TRUE("goes on, or is asked again", more == SC_MORE || (more == SC_BROKEN && f.failed));
    fake_request(&f);
    CHECK_TRUE("no address without its parameters", f.failed || strstr(f.url, v1 ? "mintime=1777629400" : "next_offset=1%2Ca"));
    *ret_failed = f.failed;
    fake_close(&f);
}

static void test_duo_no_memory(void **state)
{
    (void)state;
    static const char *const logs[] = {"auth_logs", "admin_logs"};
    for (size_t log = 0; log < ROWS(logs); log++) {
        long n = 1;
        for (bool failed = true; failed; n++)
            try_without_memory(logs[log], n, &failed);
        CHECK_TRUE("every place was tried", n > 8);
    }
}

static void test_duo_table(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool off;
        uint32_t interval_s;
        enum sc_identity identity;
        const char *records, *id;
    } rows[] = {
        {"auth_logs", false, 300, SC_IMMUTABLE, "response.authlogs[]", "txid"},
        {"admin_logs", false, 3600, SC_CONTENT, "response[]", NULL},
        {"activity_logs", true, 300, SC_IMMUTABLE, "response.items[]", "activity_id"},
        {"telephony_logs", true, 3600, SC_IMMUTABLE, "response.items[]", "telephony_id"},
        {"offline_enrollment_logs", true, 3600, SC_CONTENT, "response[]", NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        fake_open(&f, MODULE, rows[i].name);
        const struct sc_data_type *t = f.host.type;
        CHECK_INT(rows[i].name, t->off_by_default, rows[i].off);
        CHECK_INT(rows[i].name, t->interval_s, rows[i].interval_s);
        CHECK_INT(rows[i].name, t->identity, rows[i].identity);
        CHECK_TEXT(rows[i].name, t->records, rows[i].records);
        CHECK_TEXT(rows[i].name, t->id[0], rows[i].id);
        CHECK_INT("late by", t->lag_s, 120);
        CHECK_TRUE("identities are kept as long as they may come again", t->overlap_s >= 120);
        CHECK_TRUE("secret", f.connector->credentials[0].secret && f.connector->credentials[1].secret);
        CHECK_INT("signed", f.connector->auth.kind, SC_AUTH_SIGNED);
        for (const struct sc_pool *p = f.connector->pools; p->name; p++) /* less a fifth, never below 1, 2, 4 ... 32 */
            CHECK_TRUE("half a request a second, and waits as Duo wants them", p->requests == 1 && p->per_s == 2 && p->throttle_s * 8 >= 10 && p->throttle_max_s * 8 >= 320);
        fake_close(&f);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duo_window),
        cmocka_unit_test(test_duo_offsets),
        cmocka_unit_test(test_duo_limit_is_frozen),
        cmocka_unit_test(test_duo_lost_offset),
        cmocka_unit_test(test_duo_seconds),
        cmocka_unit_test(test_duo_seconds_go_on),
        cmocka_unit_test(test_duo_clock_ahead_at_first),
        cmocka_unit_test(test_duo_stat),
        cmocka_unit_test(test_duo_errors),
        cmocka_unit_test(test_duo_no_memory),
        cmocka_unit_test(test_duo_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
