/* SentinelOne, module and engine, as a script of exchanges. test_sentinelone_walk.c has the walks by chance. */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define THREATS    "/web/api/v2.1/threats?sortBy=updatedAt&sortOrder=asc&limit="
#define SINCE      "&updatedAt__gte=2026-"
#define NEXT       "pagination.nextCursor"
#define TOTAL      "pagination.totalItems"

static void open_threats(struct fake *f, unsigned halvings)
{
    fake_open(f, MODULE, "threats");
    fake_set(f, FAKE_SETTING, "host", "usea1-acme.sentinelone.net");
    f->base_url = "https://usea1-acme.sentinelone.net";
    f->halvings = halvings;
}

static enum sc_more list(struct fake *f, uint64_t records, const char *newest, const char *cursor, const char *total)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    fake_envelope(f, NEXT, cursor);
    fake_envelope(f, TOTAL, total);
    return fake_page(f, records, newest);
}

static void test_s1_first_poll(void **state)
{
    (void)state;
    struct fake f;
    open_threats(&f, 0);
    CHECK_INT("all there is", list(&f, 1, "2026-05-01T09:00:00.925421Z", NULL, "1"), SC_WALKED);
    CHECK_TEXT("a day back, microseconds", f.url, THREATS "1000" SINCE "04-30T10%3A00%3A00.000000Z");
    CHECK_TRUE("GET", f.method == SC_GET && !f.body && strcmp(f.pools, "api") == 0);
    CHECK_INT("what is younger than 2 minutes does not count", f.newest_until, FAKE_NOW - 120000);
    CHECK_TEXT("the vendor's own text", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:00:00.925421Z");
    fake_new_walk(&f);
    fake_request(&f);
    CHECK_TEXT("2 minutes before it, rounded down", f.url, THREATS "1000" SINCE "05-01T08%3A58%3A00.925000Z");
    fake_close(&f);
}

/* Pages of 3 (1000 >> 8). */
static void test_s1_follows_time(void **state)
{
    (void)state;
    struct fake f;
    open_threats(&f, 8);
    CHECK_INT("full", list(&f, 3, "2026-05-01T09:00:00.123999Z", "a==", "9"), SC_MORE);
    CHECK_INT("the time moves", list(&f, 2, "2026-05-01T09:00:00.123999Z", "b==", "7"), SC_MORE);
    CHECK_TEXT("no cursor, one less", f.url, THREATS "2" SINCE "05-01T09%3A00%3A00.123000Z");
    CHECK_INT("it stands still", list(&f, 2, "2026-05-01T09:00:00.123999Z", "c==", "7"), SC_MORE);
    CHECK_TEXT("the cursor, all else unchanged", f.url, THREATS "2" SINCE "05-01T09%3A00%3A00.123000Z&cursor=b%3D%3D");
    CHECK_INT("still", list(&f, 2, "2026-05-01T09:01:00Z", "d==", "7"), SC_MORE);
    CHECK_TEXT("the next cursor", f.url, THREATS "2" SINCE "05-01T09%3A00%3A00.123000Z&cursor=c%3D%3D");
    CHECK_INT("it moves on", list(&f, 1, "2026-05-01T09:01:00Z", NULL, "1"), SC_WALKED);
    CHECK_TEXT("no cursor", f.url, THREATS "3" SINCE "05-01T09%3A01%3A00.000000Z");
    fake_close(&f);
}

static void test_s1_ends(void **state)
{
    (void)state;
    static const struct {
        uint64_t records;
        const char *cursor, *total;
        enum sc_more want;
        const char *next, *why; /* part of the next address */
    } rows[] = {
        {3, NULL, "9", SC_WALKED, NULL, "null ends, whatever the total says"},
        {3, "c", "9", SC_MORE, "T09%3A00", "full: by time"},
        {3, "c", NULL, SC_MORE, "T09%3A00", "full, no total: by time"},
        {3, "c", "3", SC_MORE, "T09%3A00", "full: totals are only informational"},
        {2, "c", "2", SC_WALKED, NULL, "short, and all there are: the cursor leads to nothing"},
        {2, "c", "0", SC_MORE, "&cursor=c", "a total that cannot be: the cursor knows"},
        {2, "c", "9", SC_MORE, "T09%3A00", "gives less than asked for: by time"},
        {2, "c", NULL, SC_MORE, "&cursor=c", "short, no total: the cursor knows"},
        {2, "c", "many", SC_MORE, "&cursor=c", "a total that is none"},
        {0, "c", "9", SC_MORE, "&cursor=c", "an empty page is no end: null is"},
        {0, NULL, NULL, SC_WALKED, NULL, "an empty page, null"},
        {2, "", NULL, SC_WALKED, NULL, "an empty cursor is none"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_threats(&f, 8);
        CHECK_INT(rows[i].why, list(&f, rows[i].records, rows[i].records ? "2026-05-01T09:00:00Z" : NULL, rows[i].cursor, rows[i].total), rows[i].want);
        if (rows[i].next) {
            fake_request(&f);
            CHECK_TRUE(rows[i].why, strstr(f.url, rows[i].next));
            CHECK_INT("one or the other", strstr(f.url, "&cursor=") != NULL, *rows[i].next == '&');
        }
        fake_close(&f);
    }
}

/* All of the page is younger than 2 minutes: read on by cursor, the position stays. */
static void test_s1_young(void **state)
{
    (void)state;
    struct fake f;
    open_threats(&f, 8);
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:50:00Z");
    CHECK_INT("on", list(&f, 3, NULL, "c", "9"), SC_MORE);
    CHECK_INT("the end", list(&f, 1, NULL, NULL, "9"), SC_WALKED);
    CHECK_TRUE("by cursor", strstr(f.url, "&cursor=c"));
    CHECK_TEXT("stays", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:50:00Z");
    fake_close(&f);
    open_threats(&f, 0);
    CHECK_INT("the first walk", list(&f, 1, NULL, NULL, "1"), SC_WALKED);
    CHECK_TEXT("its bound is kept", fake_show(&f, FAKE_POSITION), "since=2026-04-30T10:00:00.000Z");
    fake_close(&f);
}

static void test_s1_lost_cursor(void **state)
{
    (void)state;
    struct fake f;
    open_threats(&f, 8);
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:00:00Z");
    fake_set(&f, FAKE_WALK, "since", "2026-05-01T09:00:00.000Z");
    fake_set(&f, FAKE_WALK, "cursor", "c");
    fake_set(&f, FAKE_WALK, "cursor_at", "2026-05-01T09:59:58.000Z");
    fake_request(&f);
    CHECK_INT("a web page is not the vendor's word", fake_reply(&f, 400, "<html>"), SC_REFUSE);
    CHECK_INT("dropped", fake_reply(&f, 400, "{\"errors\":[{\"code\":4000010,\"title\":\"Invalid cursor\"}],\"data\":null}"), SC_AGAIN);
    CHECK_INT("why", f.verdict.reason, SC_REASON_CURSOR_EXPIRED);
    fake_request(&f);
    CHECK_TEXT("from where the time stands", f.url, THREATS "3" SINCE "05-01T09%3A00%3A00.000000Z");
    const char *body = "{\"errors\":[{\"code\":4000040,\"detail\":\"siteIds\",\"title\":\"Validation Error\"}]}";
    CHECK_INT("once: without a cursor it is a setting", fake_reply(&f, 400, body), SC_REFUSE);
    CHECK_INT("a setting", f.verdict.reason, SC_REASON_CONFIG_INVALID);
    CHECK_TEXT("title and detail", f.verdict.detail, "4000040 Validation Error: siteIds");
    fake_close(&f);
}

/* The agent was off, or NATS in trouble: by time, from no further back than identities are kept. */
static void test_s1_old_cursor(void **state)
{
    (void)state;
    static const struct {
        const char *came, *position, *fewer, *want, *walk, *why;
    } rows[] = {
        {"2026-05-01T09:59:01.000Z", "2026-05-01T09:00:00Z", NULL, "3" SINCE "05-01T09%3A00%3A00.000000Z&cursor=c", NULL, "a minute is none"},
        {"2026-05-01T09:58:59.000Z", "2026-05-01T09:00:00Z", NULL, "3" SINCE "05-01T09%3A00%3A00.000000Z",
         "again=1 lost=1 since=2026-05-01T09:00:00.000Z", "older: by time"},
        {NULL, "2026-05-01T09:00:00Z", "2", "2" SINCE "05-01T09%3A00%3A00.000000Z", "again=1 fewer=2 lost=1 since=2026-05-01T09:00:00.000Z",
         "of unknown age"},
        {NULL, "2026-05-01T09:02:00Z", NULL, "3" SINCE "05-01T09%3A00%3A00.000000Z", "again=1 lost=1 since=2026-05-01T09:00:00.000Z", "within the overlap"},
        {NULL, "2026-05-01T09:30:00Z", NULL, "3" SINCE "05-01T09%3A28%3A00.000000Z", "again=1 lost=1 since=2026-05-01T09:28:00.000Z", "not beyond it"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_threats(&f, 8);
        fake_set(&f, FAKE_POSITION, "time", rows[i].position);
        fake_set(&f, FAKE_WALK, "since", "2026-05-01T09:00:00.000Z");
        fake_set(&f, FAKE_WALK, "cursor", "c");
        fake_set(&f, FAKE_WALK, "cursor_at", rows[i].came);
        fake_set(&f, FAKE_WALK, "fewer", rows[i].fewer);
        fake_request(&f);
        CHECK_TRUE(rows[i].why, strncmp(f.url, THREATS, strlen(THREATS)) == 0);
        CHECK_TEXT(rows[i].why, f.url + strlen(THREATS), rows[i].want);
        CHECK_INT(rows[i].why, f.may_repeat, rows[i].walk != NULL);
        if (rows[i].walk)
            CHECK_TEXT(rows[i].why, fake_show(&f, FAKE_WALK), rows[i].walk);
        f.now += 3600000; /* a throttle: the page that was begun is kept to */
        fake_request(&f);
        CHECK_TEXT(rows[i].why, f.url + strlen(THREATS), rows[i].want);
        fake_reply(&f, 200, NULL);
        CHECK_INT("the last page", fake_page(&f, 0, NULL), SC_WALKED);
        CHECK_TRUE("no page is a repetition after that", !fake_get(&f, FAKE_WALK, "again"));
        fake_close(&f);
    }
}

static void test_s1_cursor_age(void **state)
{
    (void)state;
    struct fake f;
    open_threats(&f, 8);
    CHECK_INT("by cursor", list(&f, 3, NULL, "c", "9"), SC_MORE);
    CHECK_TEXT("since when", fake_get(&f, FAKE_WALK, "cursor_at"), "2026-05-01T10:00:00.000Z");
    f.now += 59000;
    CHECK_INT("by the next one", list(&f, 3, NULL, "d", "9"), SC_MORE);
    CHECK_TRUE("used", strstr(f.url, "&cursor=c"));
    CHECK_TEXT("since when", fake_get(&f, FAKE_WALK, "cursor_at"), "2026-05-01T10:00:59.000Z");
    CHECK_INT("by time", list(&f, 3, "2026-05-01T10:00:01Z", "e", "9"), SC_MORE);
    CHECK_TRUE("none", !fake_get(&f, FAKE_WALK, "cursor") && !fake_get(&f, FAKE_WALK, "cursor_at"));
    fake_close(&f);
}

/* Progress by time forgives cursors that were lost before it. */
static void test_s1_lost_cursors_count(void **state)
{
    (void)state;
    struct fake f;
    open_threats(&f, 8);
    fake_set(&f, FAKE_WALK, "since", "2026-05-01T09:00:00.000Z");
    fake_set(&f, FAKE_WALK, "lost", "5");
    fake_set(&f, FAKE_WALK, "reached", "3");
    CHECK_INT("goes on", list(&f, 3, "2026-05-01T09:10:00Z", "c", "9"), SC_MORE);
    CHECK_TEXT("forgiven", fake_show(&f, FAKE_WALK), "fewer=2 since=2026-05-01T09:10:00.000Z");
    fake_set(&f, FAKE_WALK, "lost", "6");
    CHECK_INT("never further: an error", list(&f, 3, "2026-05-01T09:10:00Z", "c", "9"), SC_LOOP);
    fake_close(&f);
}

static void test_s1_scopes(void **state)
{
    (void)state;
    static const struct {
        const char *accounts, *sites, *want, *why;
    } rows[] = {
        {NULL, NULL, "limit=1000&updatedAt__gte=", "neither"},
        {"", "", "limit=1000&updatedAt__gte=", "emptied"},
        {"900", NULL, "limit=1000&accountIds=900&updatedAt__gte=", "one"},
        {NULL, "1,2", "limit=1000&siteIds=1%2C2&updatedAt__gte=", "two sites"},
        {"9&x=1", "7", "limit=1000&accountIds=9%26x%3D1&siteIds=7&updatedAt__gte=", "nothing breaks out"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_threats(&f, 0);
        fake_set(&f, FAKE_SETTING, "account_ids", rows[i].accounts);
        fake_set(&f, FAKE_SETTING, "site_ids", rows[i].sites);
        fake_request(&f);
        CHECK_TRUE(rows[i].why, strstr(f.url, rows[i].want));
        fake_close(&f);
    }
}

static void test_s1_error_in_success(void **state)
{
    (void)state;
    static const struct {
        const char *errors;
        enum sc_more want;
        enum sc_reason reason;
        const char *detail;
    } rows[] = {
        {"[]", SC_WALKED, 0, ""},
        {"[{\"code\":4010010,\"detail\":null,\"title\":\"Authentication Failed\"}]", SC_BROKEN, SC_REASON_AUTH_INVALID, "4010010 Authentication Failed"},
        {"[{\"code\":4030010,\"detail\":\"role\",\"title\":\"No\"}]", SC_BROKEN, SC_REASON_PERMISSION_DENIED, "4030010 No: role"},
        {"[{\"code\":4290001,\"title\":\"slow\"}]", SC_BROKEN, SC_REASON_RATE_LIMITED, "4290001 slow"},
        {"[{\"code\":5000010,\"detail\":\"d\"}]", SC_BROKEN, SC_REASON_VENDOR_ERROR, "5000010 d"},
        {"[{\"code\":401,\"title\":\"a plain status\"}]", SC_BROKEN, SC_REASON_AUTH_INVALID, "401 a plain status"},
        {"[{\"code\":\"4010x\",\"title\":\"no status\"}]", SC_BROKEN, SC_REASON_VENDOR_ERROR, "4010x no status"},
        {"[{\"code\":77}]", SC_BROKEN, SC_REASON_VENDOR_ERROR, "77"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_threats(&f, 0);
        fake_request(&f);
        fake_reply(&f, 200, NULL);
        fake_envelope(&f, "errors", rows[i].errors);
        CHECK_INT(rows[i].errors, fake_page(&f, 0, NULL), rows[i].want);
        if (rows[i].want == SC_BROKEN) {
            CHECK_INT(rows[i].errors, f.page.reason, rows[i].reason);
            CHECK_TRUE(rows[i].errors, strstr(f.page.detail, rows[i].detail));
        }
        fake_close(&f);
    }
}

static void test_s1_errors(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum sc_action want;
        enum sc_reason reason;
    } rows[] = {
        {400, SC_REFUSE, SC_REASON_CONFIG_INVALID}, {401, SC_REFUSE, SC_REASON_AUTH_INVALID}, {403, SC_REFUSE, SC_REASON_PERMISSION_DENIED},
        {404, SC_REFUSE, SC_REASON_WRONG_HOST},     {429, SC_BY_STATUS, 0},                   {500, SC_BY_STATUS, 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_threats(&f, 0);
        fake_request(&f);
        CHECK_INT("action", fake_reply(&f, rows[i].status, "{\"errors\":[{\"code\":1,\"title\":\"t\"}]}"), rows[i].want);
        if (rows[i].want == SC_REFUSE)
            CHECK_INT("reason", f.verdict.reason, rows[i].reason);
        fake_close(&f);
    }
}

static void try_without_memory(long n, bool *ret_failed)
{
    struct fake f;
    open_threats(&f, 8);
    f.fail_at = n;
    fake_request(&f);
    fake_reply(&f, 200, NULL);
    fake_envelope(&f, NEXT, "c");
    enum sc_more more = fake_page(&f, 3, "2026-05-01T09:00:00Z");
    CHECK_TRUE("goes on or is asked again", more == SC_MORE || (more == SC_BROKEN && f.failed));
    fake_request(&f);
    fake_reply(&f, 200, NULL);
    fake_envelope(&f, NEXT, "d");
    more = fake_page(&f, 2, "2026-05-01T09:00:00Z");
    CHECK_TRUE("goes on or is asked again", more == SC_MORE || (more == SC_BROKEN && f.failed));
    *ret_failed = f.failed;
    f.fail_at = f.failed = 0;
    const char *since = fake_get(&f, FAKE_WALK, "since");
    CHECK_TRUE("never past what was read", !since || strcmp(since, "2026-05-01T09:00:00.000Z") <= 0);
    fake_request(&f);
    CHECK_TRUE("goes on", strstr(f.url, "__gte="));
    fake_close(&f);
}

static void test_s1_no_memory(void **state)
{
    (void)state;
    long n = 1;
    for (bool failed = true; failed; n++)
        try_without_memory(n, &failed);
    CHECK_TRUE("every place was tried", n > 20);
}

static void test_s1_table(void **state)
{
    (void)state;
    static const struct {
        const char *name, *first, *id, *version, *time;
        uint32_t minutes;
        enum sc_identity identity;
    } rows[] = {
        {"threats", "/web/api/v2.1/threats?sortBy=updatedAt&sortOrder=asc&limit=1000&updatedAt__gte=2026-04-30T", "id", "threatInfo.updatedAt",
         "threatInfo.updatedAt", 5, SC_VERSIONED},
        {"activities", "/web/api/v2.1/activities?sortBy=createdAt&sortOrder=asc&limit=1000&createdAt__gte=2026-04-30T", "id", NULL, "createdAt", 10,
         SC_IMMUTABLE},
        {"agents", "/web/api/v2.1/agents?sortBy=updatedAt&sortOrder=asc&limit=1000&updatedAt__gte=2026-04-01T", "id", "updatedAt", "updatedAt", 60,
         SC_VERSIONED},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        fake_open(&f, MODULE, rows[i].name);
        const struct sc_data_type *t = f.host.type;
        fake_request(&f);
        CHECK_TRUE(f.url, strncmp(f.url, rows[i].first, strlen(rows[i].first)) == 0);
        CHECK_TEXT("id", t->id[0], rows[i].id);
        CHECK_TRUE("version", rows[i].version ? t->id[1] && strcmp(t->id[1], rows[i].version) == 0 : !t->id[1]);
        CHECK_TEXT("time", t->time, rows[i].time);
        CHECK_INT("interval", t->interval_s, rows[i].minutes * 60);
        CHECK_INT("class", t->identity, rows[i].identity);
        CHECK_TRUE("what is late is read again", t->overlap_s >= t->lag_s && t->lag_s == 120);
        CHECK_TEXT("not Bearer", f.connector->auth.value, "ApiToken {api_key}");
        CHECK_TRUE("secret", f.connector->credentials[0].secret);
        CHECK_TRUE("below 1000 a minute", f.connector->pools[0].requests < 1000);
        fake_close(&f);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s1_first_poll),
        cmocka_unit_test(test_s1_follows_time),
        cmocka_unit_test(test_s1_ends),
        cmocka_unit_test(test_s1_young),
        cmocka_unit_test(test_s1_lost_cursor),
        cmocka_unit_test(test_s1_lost_cursors_count),
        cmocka_unit_test(test_s1_old_cursor),
        cmocka_unit_test(test_s1_cursor_age),
        cmocka_unit_test(test_s1_scopes),
        cmocka_unit_test(test_s1_error_in_success),
        cmocka_unit_test(test_s1_errors),
        cmocka_unit_test(test_s1_no_memory),
        cmocka_unit_test(test_s1_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
