/* Okta's System Log, module and engine, as a script of exchanges. */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define BASE       "https://acme.okta.com"
#define FIRST      "/api/v1/logs?sortOrder=ASCENDING&limit=1000&since="
#define LINK(after) "<" BASE "/api/v1/logs?limit=1000&sortOrder=ASCENDING&after=" after ">; rel=\"next\""
#define NEXT(after) "/api/v1/logs?limit=1000&sortOrder=ASCENDING&after=" after
#define T1          "2026-05-01T09:30:00.123Z"
#define T1_LESS_5   "2026-05-01T09:25:00.123Z"

static void open_okta(struct fake *f)
{
    fake_open(f, MODULE, "system_log");
    fake_set(f, FAKE_SETTING, "fqdn", "acme.okta.com");
    fake_set(f, FAKE_SETTING, "api_token", "00secret");
    f->base_url = BASE;
}

/* A request, a 200 with this Link header, and its page. */
static enum sc_more step(struct fake *f, const char *link, uint64_t records, const char *newest)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    if (link)
        fake_header(f, "link", link);
    return fake_page(f, records, newest);
}

static void test_okta_first_request(void **state)
{
    (void)state;
    struct fake f;
    open_okta(&f);
    CHECK_INT("asks", fake_request(&f), SC_SEND);
    CHECK_TEXT("24 h back, frozen, encoded", f.url, FIRST "2026-04-30T10%3A00%3A00.000Z");
    CHECK_TEXT("frozen", fake_show(&f, FAKE_WALK), "since=2026-04-30T10:00:00.000Z");
    CHECK_TEXT("header", fake_asked(&f, "Accept"), "application/json");
    CHECK_TRUE("the agent adds the token", !fake_asked(&f, "Authorization"));
    CHECK_TEXT("pool", f.pools, "logs");
    f.now += 3600000;
    fake_request(&f);
    CHECK_TEXT("an hour later still the same", f.url, FIRST "2026-04-30T10%3A00%3A00.000Z");
    fake_new_walk(&f);
    f.halvings = 2;
    f.lookback_s = 0;
    fake_request(&f);
    CHECK_TEXT("smaller pages, no lookback", f.url,
               "/api/v1/logs?sortOrder=ASCENDING&limit=250&since=2026-05-01T11%3A00%3A00.000Z");
    fake_new_walk(&f);
    f.lookback_s = 400 * 24 * 3600;
    fake_request(&f);
    CHECK_TEXT("never 180 days back", fake_get(&f, FAKE_WALK, "since"), "2025-11-03T11:00:00.000Z");
    fake_close(&f);
}

static void test_okta_walk(void **state)
{
    (void)state;
    struct fake f;
    open_okta(&f);
    CHECK_INT("a full page", step(&f, LINK("1"), 1000, T1), SC_MORE);
    CHECK_TEXT("link and time", fake_show(&f, FAKE_POSITION), "next=" NEXT("1") " time=" T1);
    CHECK_INT("a short page ends nothing", step(&f, LINK("2"), 1, "2026-05-01T09:00:00.000Z"), SC_MORE);
    CHECK_TEXT("followed as given; time never goes back", fake_show(&f, FAKE_POSITION), "next=" NEXT("2") " time=" T1);
    CHECK_INT("an empty page ends it", step(&f, LINK("3"), 0, T1), SC_WALKED);
    CHECK_TEXT("its link is kept", fake_get(&f, FAKE_POSITION, "next"), NEXT("3"));
    fake_new_walk(&f);
    f.now += 300000;
    CHECK_INT("resumes", fake_request(&f), SC_SEND);
    CHECK_TEXT("from the link", f.url, NEXT("3"));
    CHECK_TEXT("nothing is frozen", fake_show(&f, FAKE_WALK), "");
    CHECK_INT("empty, the link as it was", step(&f, LINK("3"), 0, T1), SC_WALKED);
    CHECK_INT("empty, no link at all", step(&f, NULL, 0, T1), SC_WALKED);
    CHECK_TEXT("stays", fake_show(&f, FAKE_POSITION), "next=" NEXT("3") " time=" T1);
    CHECK_INT("records under the link that was used", step(&f, LINK("3"), 5, "2026-05-01T09:40:00.000Z"), SC_LOOP);
    CHECK_TEXT("they count", fake_get(&f, FAKE_POSITION, "time"), "2026-05-01T09:40:00.000Z");
    fake_close(&f);
}

static void test_okta_links(void **state)
{
    (void)state;
    static const struct {
        const char *base, *first, *second, *want, *why; /* want NULL: broken */
    } rows[] = {
        {BASE, "<" BASE "/api/v1/logs?limit=2>; rel=\"self\"", LINK("7"), NEXT("7"), "two lines"},
        {BASE, LINK("7"), "<" BASE "/api/v1/logs?limit=2>; rel=\"self\"", NEXT("7"), "two lines, next first"},
        {BASE, "<" BASE "/a>; rel=\"self\", " LINK("7"), NULL, NEXT("7"), "one line"},
        {BASE, "junk", LINK("7"), NEXT("7"), "a malformed line spoils only itself"},
        {BASE, "</api/v1/logs?after=7>; rel=next", NULL, "/api/v1/logs?after=7", "from the root"},
        {"http://127.0.0.1:1234/okta", "<http://127.0.0.1:1234/okta/api/v1/logs?after=7>; rel=next", NULL, "/api/v1/logs?after=7",
         "below a base with a path"},
        {"http://127.0.0.1:1234/okta", "<http://127.0.0.1:1234/api/v1/logs?after=7>; rel=next", NULL, NULL, "outside it"},
        {BASE, "<https://evil.example/api/v1/logs?after=7>; rel=\"next\"", NULL, NULL, "another host"},
        {BASE, "<http://acme.okta.com/api/v1/logs?after=7>; rel=\"next\"", NULL, NULL, "without TLS"},
        {BASE, "<" BASE "/a>; rel=\"self\"", NULL, NULL, "records and no next"},
        {BASE, NULL, NULL, NULL, "records and no Link"},
        {BASE, "<>; rel=next", NULL, NULL, "an empty link"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_okta(&f);
        f.base_url = rows[i].base;
        fake_request(&f);
        fake_reply(&f, 200, NULL);
        if (rows[i].first)
            fake_header(&f, "Link", rows[i].first);
        if (rows[i].second)
            fake_header(&f, "LINK", rows[i].second);
        CHECK_INT(rows[i].why, fake_page(&f, 2, T1), rows[i].want ? SC_MORE : SC_BROKEN);
        CHECK_TEXT(rows[i].why, fake_get(&f, FAKE_POSITION, "next"), rows[i].want);
        CHECK_TRUE("queries are not told", !strstr(f.page.detail, "after="));
        fake_close(&f);
    }
}

static void test_okta_base_url_changes(void **state)
{
    (void)state;
    struct fake f;
    open_okta(&f);
    step(&f, LINK("7"), 2, T1);
    f.base_url = "http://127.0.0.1:1234/okta";
    fake_request(&f);
    CHECK_TEXT("stored without scheme and host", f.url, NEXT("7"));
    fake_close(&f);
}

static void test_okta_long_link(void **state)
{
    (void)state;
    struct fake f;
    static char link[9000];
    size_t n = (size_t)snprintf(link, sizeof link, "<" BASE "/api/v1/logs?after=");
    memset(link + n, 'x', 8500);
    memcpy(link + n + 8500, ">; rel=next", 12);
    open_okta(&f);
    CHECK_INT("more than can be kept", step(&f, link, 2, T1), SC_BROKEN);
    fake_close(&f);
}

/* No record was ever seen: the first walk's bound holds, however long ago that was. */
static void test_okta_nothing_yet(void **state)
{
    (void)state;
    struct fake f;
    open_okta(&f);
    CHECK_INT("empty from the start", step(&f, LINK("1"), 0, NULL), SC_WALKED);
    CHECK_TEXT("link and bound", fake_show(&f, FAKE_POSITION), "next=" NEXT("1") " since=2026-04-30T10:00:00.000Z");
    fake_new_walk(&f);
    f.now += 3 * 86400000LL;
    fake_request(&f);
    CHECK_INT("link lost", fake_reply(&f, 400, "{\"errorCode\":\"E0000001\"}"), SC_AGAIN);
    fake_request(&f);
    CHECK_TEXT("from the first bound, not from 24 h ago", f.url, FIRST "2026-04-30T10%3A00%3A00.000Z");
    CHECK_INT("a record", step(&f, LINK("2"), 1, T1), SC_MORE);
    CHECK_TEXT("its time takes the bound's place", fake_show(&f, FAKE_POSITION), "next=" NEXT("2") " time=" T1);
    fake_close(&f);
    open_okta(&f);
    CHECK_INT("empty, without a link", step(&f, NULL, 0, NULL), SC_WALKED);
    fake_new_walk(&f);
    f.now += 86400000;
    fake_request(&f);
    CHECK_TEXT("again from the first bound", f.url, FIRST "2026-04-30T10%3A00%3A00.000Z");
    fake_close(&f);
}

static void test_okta_cursor_lost(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        bool lost;
        const char *why;
    } rows[] = {
        {400, "{\"errorCode\":\"E0000001\",\"errorSummary\":\"Api validation failed\"}", true, "400"},
        {400, NULL, true, "400 without body"},
        {404, "{\"errorCode\":\"E0000007\",\"errorSummary\":\"Not found\"}", true, "404"},
        {404, "<html>nothing here</html>", false, "a web page is not Okta's word"},
        {401, "{\"errorCode\":\"E0000011\"}", false, "401"},
        {410, "{}", false, "410 is not in the sheet"},
        {500, "{\"errorCode\":\"E0000053\"}", false, "500"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_okta(&f);
        fake_set(&f, FAKE_POSITION, "next", NEXT("old"));
        fake_set(&f, FAKE_POSITION, "time", T1);
        fake_request(&f);
        bool lost = fake_reply(&f, rows[i].status, rows[i].body) == SC_AGAIN;
        CHECK_INT(rows[i].why, lost, rows[i].lost);
        fake_request(&f);
        CHECK_TEXT(rows[i].why, f.url, lost ? FIRST "2026-05-01T09%3A25%3A00.123Z" : NEXT("old"));
        if (lost) {
            CHECK_INT(rows[i].why, f.verdict.reason, SC_REASON_CURSOR_EXPIRED);
            CHECK_TRUE("says from where to where", strstr(f.verdict.detail, "position of " T1) && strstr(f.verdict.detail, T1_LESS_5));
            CHECK_TEXT("next alone is forgotten", fake_show(&f, FAKE_POSITION), "time=" T1);
            CHECK_INT("and refused again: an error", fake_reply(&f, 400, "{\"errorCode\":\"E0000001\"}"), SC_REFUSE);
            CHECK_INT("goes on", step(&f, LINK("new"), 3, T1), SC_MORE);
            CHECK_TEXT("on the new chain", fake_get(&f, FAKE_POSITION, "next"), NEXT("new"));
            fake_request(&f);
            CHECK_INT("refused on the new chain: once more", fake_reply(&f, 400, ""), SC_AGAIN);
        }
        fake_close(&f);
    }
}

/* The fallback was cut short (agent stopped): the position has a time and no link. */
static void test_okta_resume_by_time(void **state)
{
    (void)state;
    struct fake f;
    open_okta(&f);
    fake_set(&f, FAKE_POSITION, "time", T1);
    fake_request(&f);
    CHECK_TEXT("not by the lookback", f.url, FIRST "2026-05-01T09%3A25%3A00.123Z");
    CHECK_INT("nothing is left out", f.gaps, 0);
    f.now += 400 * 86400000LL;
    fake_new_walk(&f);
    fake_request(&f);
    CHECK_TEXT("after more than a year: as far back as Okta lets", fake_get(&f, FAKE_WALK, "since"), "2026-12-08T10:00:00.000Z");
    CHECK_INT("what lies between is said, once", f.gaps, 1);
    CHECK_INT("from the position", f.gap_from, FAKE_NOW - 1799877);
    CHECK_INT("to the bound", f.gap_to, FAKE_NOW + 221 * 86400000LL);
    fake_new_walk(&f);
    fake_set(&f, FAKE_WALK, "since", "2026-04-01T00:00:00.000Z");
    fake_request(&f);
    CHECK_TEXT("a walk that was cut short keeps its bound", f.url, FIRST "2026-04-01T00%3A00%3A00.000Z");
    fake_close(&f);
}

static void test_okta_errors(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum sc_action action;
        enum sc_reason reason;
        const char *detail, *advice; /* advice: a part of it */
    } rows[] = {
        {400, "{\"errorCode\":\"E0000053\",\"errorSummary\":\"Invalid time range\",\"errorCauses\":[{\"errorSummary\":\"x\"}]}", SC_REFUSE,
         SC_REASON_CONFIG_INVALID, "E0000053 Invalid time range", "lookback_hours"},
        {400, "{\"errorCode\":\"E0000031\",\"errorSummary\":\"Invalid search criteria.\"}", SC_REFUSE, SC_REASON_CONFIG_INVALID,
         "E0000031 Invalid search criteria.", "page_size"},
        {400, "{\"errorCode\":\"E9999999\",\"errorSummary\":\"new\"}", SC_BY_STATUS, SC_REASON_OK, "E9999999 new", ""},
        {401, "{\"errorCode\":\"E0000011\",\"errorSummary\":\"Invalid token provided\",\"errorLink\":\"E0000011\"}", SC_REFUSE,
         SC_REASON_AUTH_INVALID, "E0000011 Invalid token provided", "Security > API > Tokens"},
        {401, "", SC_BY_STATUS, SC_REASON_OK, "", ""},
        {403, "{\"errorCode\":\"E0000006\",\"errorSummary\":\"You do not have permission\"}", SC_REFUSE, SC_REASON_PERMISSION_DENIED,
         "E0000006 You do not have permission", "Read-Only or Super"},
        {429, "{\"errorCode\":\"E0000047\",\"errorSummary\":\"API call exceeded rate limit due to too many requests.\"}", SC_REFUSE,
         SC_REASON_RATE_LIMITED, "E0000047 API call exceeded rate limit due to too many requests.", ""},
        {429, "slow down", SC_BY_STATUS, SC_REASON_OK, "", ""},
        {500, "{\"errorCode\":\"E0000009\",\"errorSummary\":\"Internal Server Error\"}", SC_REFUSE, SC_REASON_VENDOR_ERROR,
         "E0000009 Internal Server Error", "page_size"},
        {502, "<html>{\"errorCode\":\"E0000011\"}", SC_BY_STATUS, SC_REASON_OK, "", ""},
        {304, "", SC_BY_STATUS, SC_REASON_OK, "", ""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_okta(&f);
        fake_request(&f);
        CHECK_INT(rows[i].body, fake_reply(&f, rows[i].status, rows[i].body), rows[i].action);
        CHECK_INT(rows[i].body, f.verdict.reason, rows[i].reason);
        CHECK_TEXT(rows[i].body, f.verdict.detail, rows[i].detail);
        CHECK_TRUE(rows[i].body, strstr(f.verdict.advice, rows[i].advice) && (rows[i].advice[0] || !f.verdict.advice[0]));
        CHECK_INT("the agent reads the wait from the headers", f.verdict.wait_until == SC_TIME_NONE, 1);
        fake_close(&f);
    }
}

static void test_okta_no_reply(void **state)
{
    (void)state;
    struct fake f;
    open_okta(&f);
    fake_request(&f);
    CHECK_INT("the agent knows better", fake_no_reply(&f, SC_REASON_DNS_FAILURE), SC_BY_STATUS);
    fake_close(&f);
}

/* Whatever fails for want of memory: no crash, nothing half remembered, and the next try is as if nothing had been. */
static void test_okta_no_memory(void **state)
{
    (void)state;
    for (long n = 1, failed = 1; failed; n++) {
        struct fake f;
        open_okta(&f);
        f.fail_at = n;
        fake_request(&f);
        if (f.failed && strncmp(f.url, "/api", 4) != 0)
            CHECK_TEXT("a URL that is never sent", f.url, "memory://none");
        failed = f.failed;
        f.fail_at = f.failed = 0;
        fake_request(&f);
        CHECK_TEXT("the next try", f.url, FIRST "2026-04-30T10%3A00%3A00.000Z");
        fake_close(&f);
    }
    for (long n = 1, failed = 1; failed; n++) {
        struct fake f;
        open_okta(&f);
        fake_request(&f);
        fake_reply(&f, 200, NULL);
        fake_header(&f, "Link", LINK("1"));
        f.fail_at = n;
        enum sc_more more = fake_page(&f, 2, T1);
        failed = f.failed;
        CHECK_INT("counted only with its link", fake_get(&f, FAKE_POSITION, "next") != NULL, more == SC_MORE);
        fake_close(&f);
    }
    for (long n = 1, failed = 1; failed; n++) {
        struct fake f;
        open_okta(&f);
        fake_set(&f, FAKE_POSITION, "next", NEXT("old"));
        fake_set(&f, FAKE_POSITION, "time", T1);
        fake_request(&f);
        f.fail_at = n;
        enum sc_action action = fake_reply(&f, 400, "{}");
        failed = f.failed;
        CHECK_INT("forgotten only with its bound", fake_get(&f, FAKE_POSITION, "next") == NULL, action == SC_AGAIN);
        CHECK_INT("forgotten only with its bound", fake_get(&f, FAKE_WALK, "since") != NULL, action == SC_AGAIN);
        fake_close(&f);
    }
}

static void test_okta_table(void **state)
{
    (void)state;
    struct fake f;
    open_okta(&f);
    const struct sc_connector *c = f.connector;
    const struct sc_data_type *t = f.host.type;
    CHECK_TEXT("header", c->auth.value, "SSWS {api_token}");
    CHECK_TEXT("base", c->base_url, "https://{fqdn}");
    CHECK_TRUE("token is a required secret", c->credentials[0].secret && c->credentials[0].required);
    CHECK_INT("interval", t->interval_s, 300);
    CHECK_INT("lookback", t->lookback_s, 86400);
    CHECK_INT("overlap", t->overlap_s, 300);
    CHECK_TEXT("records", t->records, "[]");
    CHECK_TEXT("id", t->id[0], "uuid");
    CHECK_TEXT("time", t->time, "published");
    CHECK_INT("reset", c->pools[0].reset_unit, SC_RESET_EPOCH_S);
    CHECK_TEXT("pool", c->pools[0].name, "logs");
    fake_close(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_okta_first_request),
        cmocka_unit_test(test_okta_walk),
        cmocka_unit_test(test_okta_links),
        cmocka_unit_test(test_okta_base_url_changes),
        cmocka_unit_test(test_okta_long_link),
        cmocka_unit_test(test_okta_nothing_yet),
        cmocka_unit_test(test_okta_cursor_lost),
        cmocka_unit_test(test_okta_resume_by_time),
        cmocka_unit_test(test_okta_errors),
        cmocka_unit_test(test_okta_no_reply),
        cmocka_unit_test(test_okta_no_memory),
        cmocka_unit_test(test_okta_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
