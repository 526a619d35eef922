/* 1Password Events Reporting, module and engine, as a script of exchanges: chains, their end and loss, introspection. */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define FIRST      "{\"limit\":1000,\"start_time\":\"2026-04-30T10:00:00Z\"}"
#define URL        "/api/v2/signinattempts"
#define INTROSPECT "/api/v2/auth/introspect"

static void open_events(struct fake *f)
{
    fake_open(f, MODULE, "sign_in_attempts");
    fake_set(f, FAKE_SETTING, "host", "events.1password.com");
    f->base_url = "https://events.1password.com";
}

static void open_at(struct fake *f, const char *cursor)
{
    open_events(f);
    fake_set(f, FAKE_POSITION, "cursor", cursor);
    fake_set(f, FAKE_POSITION, "time", "2026-05-01T09:00:00Z");
}

/* Asked, answered with so many records, the cursor and has_more, judged. */
static enum sc_more chain(struct fake *f, uint64_t records, const char *newest, const char *cursor, const char *more)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    fake_envelope(f, "cursor", cursor);
    fake_envelope(f, "has_more", more);
    return fake_page(f, records, newest);
}

static void test_events_chain(void **state)
{
    (void)state;
    struct fake f;
    open_events(&f);
    CHECK_INT("goes on", chain(&f, 1000, "2026-05-01T09:00:00.5Z", "c1", "true"), SC_MORE);
    CHECK_TEXT("address", f.url, URL);
    CHECK_TEXT("opens a chain, a day back, whole seconds", f.body, FIRST);
    CHECK_TRUE("POST of JSON", f.method == SC_POST && strcmp(fake_asked(&f, "Content-Type"), "application/json") == 0);
    CHECK_TRUE("a repeated cursor is a loop", !f.may_repeat);
    CHECK_TEXT("both windows", f.pools, "minute,hour");
    CHECK_TEXT("the cursor is the position", fake_show(&f, FAKE_POSITION), "cursor=c1 time=2026-05-01T09:00:00.5Z");
    CHECK_INT("the end", chain(&f, 2, "2026-05-01T09:30:00Z", "c2", "false"), SC_WALKED);
    CHECK_TEXT("nothing beside the cursor", f.body, "{\"cursor\":\"c1\"}");
    fake_new_walk(&f);
    CHECK_INT("nothing new", chain(&f, 0, NULL, "c3", "false"), SC_WALKED);
    CHECK_TEXT("goes on from the end of the last walk", f.body, "{\"cursor\":\"c2\"}");
    CHECK_TEXT("an empty page moves the cursor", fake_show(&f, FAKE_POSITION), "cursor=c3 time=2026-05-01T09:30:00Z");
    fake_close(&f);
}

static void test_events_ends(void **state)
{
    (void)state;
    static const struct {
        uint64_t records;
        const char *cursor, *has_more;
        enum sc_more want;
        const char *position, *why;
    } rows[] = {
        {0, "new", "true", SC_MORE, "new", "an empty page with more behind it"},
        {9, "new", "false", SC_WALKED, "new", "the end"},
        {9, "new", NULL, SC_WALKED, "new", "no has_more: the next poll goes on"},
        {9, "new", "1", SC_WALKED, "new", "a has_more that is none"},
        {9, "old", "true", SC_LOOP, "old", "the cursor that was used, and more"},
        {0, "old", "true", SC_LOOP, "old", "the same, with nothing"},
        {0, "old", "false", SC_WALKED, "old", "nothing new, nothing moves"},
        {9, "old", "false", SC_WALKED, "old", "records, and the cursor stays: read again by the next poll"},
        {9, NULL, "false", SC_BROKEN, "old", "records and no cursor"},
        {0, NULL, "true", SC_BROKEN, "old", "more, and no cursor"},
        {0, NULL, "false", SC_WALKED, "old", "nothing at all"},
        {9, "", "false", SC_BROKEN, "old", "an empty cursor is none"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_at(&f, "old");
        const char *newest = rows[i].records ? "2026-05-01T09:30:00Z" : NULL;
        CHECK_INT(rows[i].why, chain(&f, rows[i].records, newest, rows[i].cursor, rows[i].has_more), rows[i].want);
        CHECK_TEXT(rows[i].why, fake_get(&f, FAKE_POSITION, "cursor"), rows[i].position);
        bool moved = strcmp(rows[i].position, "new") == 0 && rows[i].records;
        CHECK_TEXT("the time moves with the cursor alone: identities of what comes again are kept", fake_get(&f, FAKE_POSITION, "time"),
                   moved ? "2026-05-01T09:30:00Z" : "2026-05-01T09:00:00Z");
        fake_close(&f);
    }
}

static void test_events_odd_cursors(void **state)
{
    (void)state;
    static char longest[2601], longer[2602];
    memset(longest, 'x', sizeof longest - 1);
    memset(longer, 'x', sizeof longer - 1);
    struct fake f;
    open_at(&f, "a\"b\\c\n\x01/{items}{since}");
    fake_request(&f);
    CHECK_TEXT("escaped, and not expanded", f.body, "{\"cursor\":\"a\\\"b\\\\c\\u000a\\u0001/{items}{since}\"}");
    fake_close(&f);
    open_at(&f, "old");
    CHECK_INT("too long to keep", chain(&f, 1, NULL, longer, "false"), SC_BROKEN);
    CHECK_INT("the longest", chain(&f, 1, NULL, longest, "true"), SC_MORE);
    CHECK_INT("goes back", fake_request(&f), SC_SEND);
    CHECK_INT("whole", (int)strlen(f.body), 2600 + 13);
    fake_close(&f);
}

static void test_events_lost_cursor(void **state)
{
    (void)state;
    struct fake f;
    open_at(&f, "old");
    fake_request(&f);
    CHECK_INT("a web page is not the vendor's word", fake_reply(&f, 400, "<html>"), SC_REFUSE);
    CHECK_TEXT("kept", fake_get(&f, FAKE_POSITION, "cursor"), "old");
    CHECK_INT("again", fake_reply(&f, 400, "{\"status\":400,\"message\":\"bad cursor\"}"), SC_AGAIN);
    CHECK_INT("why", f.verdict.reason, SC_REASON_CURSOR_EXPIRED);
    CHECK_TRUE("says from where", strstr(f.verdict.detail, "position of 2026-05-01T09:00:00Z: going on by time from 2026-05-01T08:45:00.000Z"));
    CHECK_TEXT("forgotten", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:00:00Z");
    fake_request(&f);
    CHECK_TEXT("a new chain, 15 minutes before", f.body, "{\"limit\":1000,\"start_time\":\"2026-05-01T08:45:00Z\"}");
    CHECK_INT("no cursor any more that could be lost", fake_reply(&f, 400, "{\"status\":400}"), SC_REFUSE);
    CHECK_INT("a setting", f.verdict.reason, SC_REASON_CONFIG_INVALID);
    fake_close(&f);
}

/* A vendor that refuses every cursor that it gives must not be asked for ever. */
static void test_events_cursor_never_good(void **state)
{
    (void)state;
    struct fake f;
    enum sc_more more = SC_MORE;
    int turns = 0;
    open_at(&f, "c");
    while (more == SC_MORE && turns++ < 20) {
        CHECK_INT("asks", fake_request(&f), SC_SEND);
        CHECK_INT("refused", fake_reply(&f, 400, "{}"), SC_AGAIN);
        more = chain(&f, 3, "2026-05-01T09:00:00Z", "c", "true");
    }
    CHECK_INT("ends", more, SC_LOOP);
    CHECK_INT("soon", turns, 7);
    CHECK_TRUE("no cursor: the next poll begins by time", !fake_get(&f, FAKE_POSITION, "cursor"));
    fake_close(&f);
}

static void test_events_out_of_reach(void **state)
{
    (void)state;
    struct fake f;
    open_at(&f, "old");
    fake_set(&f, FAKE_POSITION, "time", "2025-12-01T00:00:00Z");
    fake_request(&f);
    CHECK_INT("lost", fake_reply(&f, 400, "{}"), SC_AGAIN);
    CHECK_INT("a gap", f.gaps, 1);
    CHECK_INT("up to 119 days ago", f.gap_to, FAKE_NOW - 119 * 86400000LL);
    fake_close(&f);
}

static void refuse_with(struct fake *f, int status, const char *body, enum sc_action want)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_INT(f->url, fake_reply(f, status, body), want);
}

static void test_events_introspect(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum sc_action want;
        enum sc_reason reason;
        const char *next, *why;
    } rows[] = {
        {200, "{\"features\":[\"itemusages\",\"auditevents\"]}", SC_REFUSE, SC_REASON_PERMISSION_DENIED, INTROSPECT, "without the feature"},
        {200, "{\"features\":[]}", SC_REFUSE, SC_REASON_PERMISSION_DENIED, INTROSPECT, "without any"},
        {200, "{\"features\":[\"signinattemptsx\",\"x\"]}", SC_REFUSE, SC_REASON_PERMISSION_DENIED, INTROSPECT, "not a prefix"},
        {200, "{\"features\":[\"signinattempts\"]}", SC_REFUSE, SC_REASON_AUTH_INVALID, URL, "with it"},
        {200, "{\"uuid\":\"signinattempts\"}", SC_REFUSE, SC_REASON_AUTH_INVALID, URL, "no list"},
        {200, "<html>", SC_REFUSE, SC_REASON_AUTH_INVALID, URL, "a web page"},
        {401, "{\"status\":401,\"message\":\"no\"}", SC_REFUSE, SC_REASON_AUTH_INVALID, INTROSPECT, "refused too"},
        {403, "", SC_REFUSE, SC_REASON_AUTH_INVALID, INTROSPECT, "refused too"},
        {404, "", SC_REFUSE, SC_REASON_AUTH_INVALID, URL, "not known there"},
        {400, "{}", SC_REFUSE, SC_REASON_AUTH_INVALID, URL, "not known there; the cursor stays"},
        {429, "", SC_BY_STATUS, 0, INTROSPECT, "throttled: asked again"},
        {500, "", SC_BY_STATUS, 0, INTROSPECT, "failed: asked again"},
        {302, "", SC_REFUSE, SC_REASON_AUTH_INVALID, URL, "led away"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_at(&f, "old");
        refuse_with(&f, 401, "{\"status\":401,\"message\":\"Unauthorized\"}", SC_AGAIN);
        CHECK_TRUE("no alarm yet", f.verdict.reason == SC_REASON_OK && !f.verdict.advice[0]);
        refuse_with(&f, rows[i].status, rows[i].body, rows[i].want);
        CHECK_TEXT("by GET, without body", f.url, INTROSPECT);
        CHECK_TRUE("by GET, without body", f.method == SC_GET && !f.body && strcmp(f.pools, "minute,hour") == 0);
        if (rows[i].want == SC_REFUSE) {
            CHECK_INT(rows[i].why, f.verdict.reason, rows[i].reason);
            CHECK_TRUE("what to do", strstr(f.verdict.advice, "Issue a bearer token"));
        }
        fake_request(&f);
        CHECK_TEXT(rows[i].why, f.url, rows[i].next);
        CHECK_TEXT("the position stays", fake_show(&f, FAKE_POSITION), "cursor=old time=2026-05-01T09:00:00Z");
        fake_close(&f);
    }
}

/* Hourly probes for a day: no turn ends in "again", of which the agent allows 8 without a good page. */
static void test_events_introspect_lasts(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{\"features\":[\"auditevents\"]}", "{\"features\":[\"signinattempts\"]}"};
    for (int which = 0; which < 2; which++) {
        struct fake f;
        open_at(&f, "old");
        int again = 0;
        for (int probe = 0; probe < 24; probe++) {
            CHECK_INT("asks", fake_request(&f), SC_SEND);
            bool introspects = strstr(f.url, "introspect");
            enum sc_action action = introspects ? fake_reply(&f, 200, bodies[which]) : fake_reply(&f, 401, "{}");
            again += action == SC_AGAIN;
        }
        CHECK_INT("once", again, 1);
        fake_close(&f);
    }
    struct fake f;
    open_at(&f, "old");
    refuse_with(&f, 401, "{}", SC_AGAIN);
    refuse_with(&f, 200, bodies[0], SC_REFUSE);
    refuse_with(&f, 200, bodies[1], SC_AGAIN); /* another token */
    CHECK_INT("goes on", chain(&f, 1, "2026-05-01T09:30:00Z", "new", "false"), SC_WALKED);
    CHECK_TEXT("where it stood", f.body, "{\"cursor\":\"old\"}");
    fake_close(&f);
}

static void test_events_errors(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum sc_action want;
        enum sc_reason reason;
        const char *detail;
    } rows[] = {
        {403, "{\"status\":403,\"message\":\"no plan\"}", SC_REFUSE, SC_REASON_FEATURE_OFF, "no plan"},
        {403, "{\"Error\":{\"Message\":\"no plan\"}}", SC_REFUSE, SC_REASON_FEATURE_OFF, "no plan"},
        {404, "", SC_REFUSE, SC_REASON_WRONG_HOST, ""},
        {429, "{\"status\":429,\"message\":\"slow\"}", SC_BY_STATUS, 0, "slow"},
        {500, "{\"Error\":\"x\"}", SC_BY_STATUS, 0, ""},
        {503, "<html>", SC_BY_STATUS, 0, ""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_at(&f, "old");
        refuse_with(&f, rows[i].status, rows[i].body, rows[i].want);
        if (rows[i].want == SC_REFUSE)
            CHECK_INT("reason", f.verdict.reason, rows[i].reason);
        CHECK_TEXT("detail", f.verdict.detail, rows[i].detail);
        fake_close(&f);
    }
}

static void try_without_memory(long n, bool *ret_failed)
{
    struct fake f;
    open_events(&f);
    f.fail_at = n;
    fake_request(&f);
    CHECK_TRUE("an address, or none", f.failed || strcmp(f.url, URL) == 0);
    fake_reply(&f, 200, NULL);
    fake_envelope(&f, "cursor", "c1");
    fake_envelope(&f, "has_more", "true");
    enum sc_more more = fake_page(&f, 1, "2026-05-01T09:00:00Z");
    CHECK_TRUE("goes on or is asked again", more == SC_MORE || (more == SC_BROKEN && f.failed));
    CHECK_TRUE("the time never moves without the cursor", !fake_get(&f, FAKE_POSITION, "time") || fake_get(&f, FAKE_POSITION, "cursor"));
    fake_request(&f);
    fake_reply(&f, 401, "{}");
    fake_request(&f);
    fake_reply(&f, 200, "{\"features\":[]}");
    *ret_failed = f.failed;
    fake_close(&f);
}

static void test_events_no_memory(void **state)
{
    (void)state;
    long n = 1;
    for (bool failed = true; failed; n++)
        try_without_memory(n, &failed);
    CHECK_TRUE("every place was tried", n > 15);
}

static void test_events_table(void **state)
{
    (void)state;
    static const char *const paths[] = {"/api/v1/signinattempts", "/api/v1/itemusages", "/api/v1/auditevents"};
    static const char *const names[] = {"sign_in_attempts", "item_usages", "audit_events"};
    for (size_t i = 0; i < ROWS(names); i++) {
        struct fake f;
        fake_open(&f, MODULE, names[i]);
        fake_set(&f, FAKE_SETTING, "api_version", "v1");
        const struct sc_data_type *t = f.host.type;
        fake_request(&f);
        CHECK_TEXT("v1", f.url, paths[i]);
        CHECK_INT(names[i], t->identity, SC_IMMUTABLE);
        CHECK_INT(names[i], t->interval_s, 300);
        CHECK_INT(names[i], t->lookback_s, 86400);
        CHECK_TEXT(names[i], t->id[0], "uuid");
        CHECK_TEXT(names[i], t->time, "timestamp");
        CHECK_TEXT(names[i], t->records, "items[]");
        CHECK_TEXT("header", f.connector->auth.value, "Bearer {api_token}");
        CHECK_TRUE("secret", f.connector->credentials[0].secret);
        CHECK_TRUE("below 600 a minute and 30,000 an hour", f.connector->pools[0].requests <= 600 && f.connector->pools[1].requests <= 30000);
        fake_close(&f);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_chain),
        cmocka_unit_test(test_events_ends),
        cmocka_unit_test(test_events_odd_cursors),
        cmocka_unit_test(test_events_lost_cursor),
        cmocka_unit_test(test_events_cursor_never_good),
        cmocka_unit_test(test_events_out_of_reach),
        cmocka_unit_test(test_events_introspect),
        cmocka_unit_test(test_events_introspect_lasts),
        cmocka_unit_test(test_events_errors),
        cmocka_unit_test(test_events_no_memory),
        cmocka_unit_test(test_events_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
