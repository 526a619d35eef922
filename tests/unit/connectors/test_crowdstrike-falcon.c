/* CrowdStrike Falcon, module and engine, as a script of exchanges. test_falcon_walk.c has the walks by chance. */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows)   (sizeof(rows) / sizeof((rows)[0]))
#define ALERTS       "/alerts/queries/alerts/v2?sort=updated_timestamp%7Casc&limit="
#define HIDDEN       "&include_hidden=true&filter=updated_timestamp%3A%3E%3D%27"
#define FIRST_SINCE  "2026-04-30T10%3A00%3A00.000Z%27"
#define ALERT_POST   "/alerts/entities/alerts/v2"
#define SCROLL       "/devices/queries/devices-scroll/v1?sort=modified_timestamp.asc&limit=1000"
#define DEVICE_POST  "/devices/entities/devices/v2"
#define COMBINED     "/devices/combined/devices/v1?sort=modified_timestamp.asc&limit=5000"
#define CHANGED      "&filter=modified_timestamp%3A%3E%3D%27"
#define TOTAL        "meta.pagination.total"
#define OFFSET       "meta.pagination.offset"
#define NEXT         "meta.pagination.next"

static void open_falcon(struct fake *f, const char *type, unsigned halvings)
{
    fake_open(f, MODULE, type);
    fake_set(f, FAKE_SETTING, "client_id", "id-1");
    fake_set(f, FAKE_SETTING, "client_secret", "secret-1");
    f->base_url = "https://api.crowdstrike.com";
    f->halvings = halvings;
}

/* The list of a page: asked, answered with these ids and this member of the envelope, judged. */
static enum sc_more list(struct fake *f, const char *ids, const char *path, const char *value, const char *newest)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_TRUE("for a list", f->reply_table && f->method == SC_GET && !f->body);
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    fake_list(f, ids);
    fake_envelope(f, "errors", "[]");
    if (path)
        fake_envelope(f, path, value);
    return fake_page(f, 0, newest);
}

/* The details of what was listed. */
static enum sc_more details(struct fake *f, uint64_t records, const char *newest)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_TRUE("for details", !f->reply_table && f->method == SC_POST && f->body && f->may_repeat);
    CHECK_TEXT("JSON", fake_asked(f, "Content-Type"), "application/json");
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    fake_envelope(f, "errors", "[]");
    return fake_page(f, records, newest);
}

/* ---- detections --------------------------------------------------------------------------------------------------------- */

static void test_falcon_first_poll(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "detections", 0);
    CHECK_INT("a list", list(&f, "a:ind:1 b:ind:2", TOTAL, "2", NULL), SC_PART);
    CHECK_TEXT("24 h back, encoded, no offset", f.url, ALERTS "1000" HIDDEN FIRST_SINCE);
    CHECK_TRUE("no content", !fake_asked(&f, "Content-Type"));
    CHECK_TEXT("pool", f.pools, "api");
    CHECK_INT("all of the list are there: the end", details(&f, 2, "2026-05-01T09:30:00.123456789Z"), SC_WALKED);
    CHECK_TEXT("details", f.url, ALERT_POST);
    CHECK_TEXT("details", f.body, "{\"composite_ids\":[\"a:ind:1\",\"b:ind:2\"]}");
    CHECK_INT("younger than the list is not counted", f.newest_until, FAKE_NOW - 300000);
    CHECK_TEXT("the newest time", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:30:00.123456789Z");
    fake_new_walk(&f);
    f.now += 600000;
    CHECK_INT("nothing new", list(&f, "", TOTAL, "0", "2026-05-01T09:30:00.123456789Z"), SC_WALKED);
    CHECK_TEXT("5 minutes before, floored to ms", f.url, ALERTS "1000" HIDDEN "2026-05-01T09%3A25%3A00.123Z%27");
    CHECK_TEXT("stays", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:30:00.123456789Z");
    fake_set(&f, FAKE_SETTING, "include_hidden", "false");
    fake_new_walk(&f);
    fake_request(&f);
    CHECK_TRUE("a setting", strstr(f.url, "&include_hidden=false&"));
    fake_close(&f);
}

static void test_falcon_no_alert_yet(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "detections", 0);
    CHECK_INT("empty", list(&f, "", NULL, NULL, NULL), SC_WALKED);
    CHECK_TEXT("the first bound holds", fake_show(&f, FAKE_POSITION), "since=2026-04-30T10:00:00.000Z");
    fake_new_walk(&f);
    f.now += 7 * 86400000LL;
    CHECK_INT("one, edited a moment ago", list(&f, "a", TOTAL, "1", NULL), SC_PART);
    CHECK_TEXT("from the first bound", f.url, ALERTS "1000" HIDDEN FIRST_SINCE);
    CHECK_INT("its time does not count", details(&f, 1, NULL), SC_WALKED);
    CHECK_TEXT("the first bound still holds", fake_show(&f, FAKE_POSITION), "since=2026-04-30T10:00:00.000Z");
    fake_close(&f);
}

/* Pages of 3 (1000 >> 8). */
static void test_falcon_filter_follows_time(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "detections", 8);
    CHECK_INT("page 1", list(&f, "a b c", TOTAL, "9", NULL), SC_PART);
    CHECK_TEXT("3 at a time", f.url, ALERTS "3" HIDDEN FIRST_SINCE);
    CHECK_INT("more", details(&f, 3, "2026-05-01T09:00:00.123999Z"), SC_MORE);
    CHECK_TEXT("the position moves", fake_get(&f, FAKE_POSITION, "time"), "2026-05-01T09:00:00.123999Z");
    CHECK_INT("page 2", list(&f, "c d", TOTAL, "7", "2026-05-01T09:00:00.123999Z"), SC_PART);
    CHECK_TEXT("from the newest time, offset 0, one less", f.url, ALERTS "2" HIDDEN "2026-05-01T09%3A00%3A00.123Z%27");
    CHECK_INT("the time stands still: more than a page in one ms", details(&f, 2, "2026-05-01T09:00:00.123999Z"), SC_MORE);
    CHECK_INT("page 3", list(&f, "d e g", TOTAL, "7", "2026-05-01T09:00:00.123999Z"), SC_PART);
    CHECK_TEXT("by offset, from the last one of the page before", f.url,
               ALERTS "3" HIDDEN "2026-05-01T09%3A00%3A00.123Z%27&offset=1");
    CHECK_INT("still", details(&f, 3, "2026-05-01T09:00:00.123999Z"), SC_MORE);
    CHECK_INT("page 4", list(&f, "g h", TOTAL, "7", "2026-05-01T09:00:00.123999Z"), SC_PART);
    CHECK_TEXT("on", f.url, ALERTS "2" HIDDEN "2026-05-01T09%3A00%3A00.123Z%27&offset=3");
    CHECK_INT("it moves on", details(&f, 2, "2026-05-01T09:01:00Z"), SC_MORE);
    CHECK_INT("page 5", list(&f, "h i", TOTAL, "2", "2026-05-01T09:01:00Z"), SC_PART);
    CHECK_TEXT("no offset", f.url, ALERTS "3" HIDDEN "2026-05-01T09%3A01%3A00.000Z%27");
    CHECK_INT("total says so", details(&f, 2, "2026-05-01T09:01:00Z"), SC_WALKED);
    fake_close(&f);
}

static void test_falcon_end_of_list(void **state)
{
    (void)state;
    static const struct {
        const char *ids, *total;
        enum sc_more want;
        const char *why;
    } rows[] = {
        {"a b c", "3", SC_WALKED, "full, and all there are"},
        {"a b c", "2", SC_WALKED, "more than there are"},
        {"a b c", "4", SC_MORE, "full"},
        {"a b", "9", SC_MORE, "a vendor that gives less than asked for, and says that there is more"},
        {"a b", NULL, SC_WALKED, "short, no total"},
        {"a b c", NULL, SC_MORE, "full, no total"},
        {"a b c", "null", SC_MORE, "a total that is none"},
        {"a b", "-1", SC_WALKED, "a total that is none, short"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_falcon(&f, "detections", 8);
        CHECK_INT(rows[i].why, list(&f, rows[i].ids, rows[i].total ? TOTAL : NULL, rows[i].total, NULL), SC_PART);
        CHECK_INT(rows[i].why, details(&f, 2, "2026-05-01T09:00:00Z"), rows[i].want);
        fake_close(&f);
    }
}

/* A list that moves while offsets are used: back to offset 0, and after the eighth time the walk ends. */
static void test_falcon_list_moves(void **state)
{
    (void)state;
    struct fake f;
    const char *t = "2026-05-01T09:00:00Z";
    open_falcon(&f, "detections", 8);
    fake_set(&f, FAKE_POSITION, "time", t);
    fake_set(&f, FAKE_WALK, "since", "2026-05-01T09:00:00.000Z");
    for (int round = 0; round < 8; round++) {
        CHECK_INT("a page of one ms", list(&f, "a b c", TOTAL, "9", t), SC_PART);
        CHECK_TRUE("no offset", !strstr(f.url, "offset="));
        CHECK_INT("more", details(&f, 3, t), SC_MORE);
        CHECK_INT("c has gone to the end", list(&f, "e g h", TOTAL, "9", t), SC_MORE);
        CHECK_TRUE("asked from c on", strstr(f.url, "offset=2"));
        CHECK_TRUE("forgotten", !fake_get(&f, FAKE_WALK, "cursor") && !fake_get(&f, FAKE_WALK, "last"));
    }
    list(&f, "a b c", TOTAL, "9", t);
    details(&f, 3, t);
    CHECK_INT("it never stands still: the next poll goes on", list(&f, "", TOTAL, "9", t), SC_WALKED);
    CHECK_TEXT("before it", fake_get(&f, FAKE_POSITION, "time"), t);
    fake_close(&f);
}

static void test_falcon_too_many_in_one_ms(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "detections", 0);
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:00:00Z");
    fake_set(&f, FAKE_WALK, "since", "2026-05-01T09:00:00.000Z");
    fake_set(&f, FAKE_WALK, "cursor", "8000");
    fake_set(&f, FAKE_WALK, "last", "a");
    CHECK_INT("8000 to 9001", list(&f, "a b", TOTAL, "20000", "2026-05-01T09:00:00Z"), SC_PART);
    CHECK_INT("the next one still fits", details(&f, 2, "2026-05-01T09:00:00Z"), SC_MORE);
    fake_set(&f, FAKE_WALK, "cursor", "9000");
    fake_set(&f, FAKE_WALK, "last", "a");
    list(&f, "a b", TOTAL, "20000", "2026-05-01T09:00:00Z");
    CHECK_INT("never beyond 10,000", details(&f, 2, "2026-05-01T09:00:00Z"), SC_BROKEN);
    CHECK_TRUE("says what it is", strstr(f.page.detail, "more than 10000 detections have one and the same time, 2026-05-01T09:00:00.000Z"));
    CHECK_INT("asked again", fake_request(&f), SC_SEND);
    fake_close(&f);
}

static void test_falcon_resume(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "detections", 8);
    list(&f, "a b c", TOTAL, "9", NULL);
    fake_drop_page(&f); /* list read, details open: stopped */
    f.now += 3600000;
    CHECK_INT("the page begins again", list(&f, "a b c", TOTAL, "9", NULL), SC_PART);
    CHECK_TEXT("with its list", f.url, ALERTS "3" HIDDEN FIRST_SINCE);
    CHECK_INT("more", details(&f, 3, "2026-05-01T09:00:00Z"), SC_MORE);
    CHECK_INT("details are younger than this list", f.newest_until, FAKE_NOW + 3600000 - 300000);
    fake_drop_page(&f);
    fake_request(&f);
    CHECK_TEXT("between two pages", f.url, ALERTS "2" HIDDEN "2026-05-01T09%3A00%3A00.000Z%27");
    fake_close(&f);
}

/* The own clock runs 10 minutes ahead until the first reply has a Date. */
static void test_falcon_clock_ahead(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "detections", 0);
    f.now += 600000;
    CHECK_INT("asks", fake_request(&f), SC_SEND);
    f.now -= 600000;
    CHECK_INT("cuts", fake_reply(&f, 200, NULL), SC_CUT);
    fake_list(&f, "a");
    CHECK_INT("a list", fake_page(&f, 0, NULL), SC_PART);
    fake_request(&f);
    CHECK_INT("by the vendor's clock", f.newest_until, FAKE_NOW - 300000);
    fake_close(&f);
}

/* ---- details in batches ------------------------------------------------------------------------------------------------------ */

static void test_falcon_batches(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "detections", 0);
    fake_set(&f, FAKE_SETTING, "detail_batch", "2");
    list(&f, "a b c d e", TOTAL, "5", NULL);
    CHECK_INT("1 and 2", details(&f, 2, "2026-05-01T09:00:00Z"), SC_PART);
    CHECK_TEXT("1 and 2", f.body, "{\"composite_ids\":[\"a\",\"b\"]}");
    CHECK_INT("asked", fake_request(&f), SC_SEND);
    fake_set(&f, FAKE_SETTING, "detail_batch", "3"); /* a put while it is under way: what was asked counts */
    fake_reply(&f, 200, NULL);
    CHECK_INT("3 and 4; one has no details", fake_page(&f, 1, "2026-05-01T09:00:00Z"), SC_PART);
    CHECK_INT("the last one", details(&f, 0, "2026-05-01T09:00:00Z"), SC_WALKED);
    CHECK_TEXT("the last one", f.body, "{\"composite_ids\":[\"e\"]}");
    CHECK_TEXT("nothing is left", fake_show(&f, FAKE_PAGE), "");
    fake_close(&f);
}

static void test_falcon_batch_refused(void **state)
{
    (void)state;
    static const char *const wants[] = {"[\"a\",\"b\",\"c\",\"d\",\"e\",\"g\",\"h\"]", "[\"a\"]"};
    struct fake f;
    open_falcon(&f, "detections", 0);
    list(&f, "a b c d e g h", TOTAL, "7", NULL);
    for (int i = 0; i < 2; i++) {
        fake_request(&f);
        CHECK_TRUE(wants[i], strstr(f.body, wants[i]));
        enum sc_action want = i == 0 ? SC_AGAIN : SC_BY_STATUS;
        CHECK_INT("7, then 1", fake_reply(&f, 400, "{\"errors\":[{\"code\":400,\"message\":\"too many ids\"}]}"), want);
    }
    CHECK_TEXT("one alone is a real error", f.verdict.detail, "400 too many ids");
    CHECK_INT("it goes on with one at a time", details(&f, 1, NULL), SC_PART);
    CHECK_TEXT("for this walk", fake_get(&f, FAKE_WALK, "batch"), "1");
    fake_close(&f);
}

static void test_falcon_batch_steps(void **state)
{
    (void)state;
    static const char *const wants[] = {"500", "250", "125", "62", "12", "2", "1"};
    static char ids[5000];
    size_t n = 0;
    struct fake f;
    open_falcon(&f, "detections", 0);
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(ids + n, sizeof ids - n, "%s%d", i ? " " : "", i);
    list(&f, ids, TOTAL, "1000", NULL);
    for (size_t i = 0; i < ROWS(wants); i++) { /* the agent lets a request be changed 8 times in a row */
        fake_request(&f);
        CHECK_INT("fewer", fake_reply(&f, 400, "{}"), SC_AGAIN);
        CHECK_TEXT("fewer", fake_get(&f, FAKE_WALK, "batch"), wants[i]);
        CHECK_TRUE("says so", strstr(f.verdict.detail, "detail_batch"));
    }
    fake_request(&f);
    CHECK_INT("no further", fake_reply(&f, 400, "{}"), SC_BY_STATUS);
    CHECK_INT("a web page is not the vendor's word", fake_reply(&f, 400, "<html>"), SC_BY_STATUS);
    fake_close(&f);
}

/* ---- errors ------------------------------------------------------------------------------------------------------------------- */

static void test_falcon_error_in_success(void **state)
{
    (void)state;
    static const struct {
        const char *errors;
        enum sc_reason reason;
        const char *detail;
    } rows[] = {
        {"[{\"code\":403,\"message\":\"access denied\"}]", SC_REASON_PERMISSION_DENIED, "403 access denied"},
        {"[{\"code\":401}]", SC_REASON_AUTH_INVALID, "401"},
        {"[{\"code\":429,\"message\":\"slow\"}]", SC_REASON_RATE_LIMITED, "429 slow"},
        {"[{\"code\":500,\"message\":\"shard failure\"}]", SC_REASON_VENDOR_ERROR, "500 shard failure"},
        {"[{\"message\":\"no code\"}]", SC_REASON_VENDOR_ERROR, "no code"},
        {"[{\"code\":99999999999999999999}]", SC_REASON_VENDOR_ERROR, "9999"},
        {"[", SC_REASON_OK, NULL},
        {"[]", SC_REASON_OK, NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_falcon(&f, "detections", 0);
        CHECK_INT("asks", fake_request(&f), SC_SEND);
        fake_reply(&f, 200, NULL);
        fake_list(&f, "a");
        fake_envelope(&f, "errors", rows[i].errors);
        CHECK_INT(rows[i].errors, fake_page(&f, 0, NULL), rows[i].detail ? SC_BROKEN : SC_PART);
        CHECK_INT(rows[i].errors, f.page.reason, rows[i].reason);
        if (rows[i].detail) {
            CHECK_TRUE(rows[i].errors, strstr(f.page.detail, rows[i].detail) && strstr(f.page.detail, "inside a reply of status 200"));
            CHECK_INT("asked again", list(&f, "a", NULL, NULL, NULL), SC_PART);
        }
        fake_request(&f);
        fake_reply(&f, 200, NULL);
        fake_envelope(&f, "errors", rows[i].errors);
        CHECK_INT("in the details", fake_page(&f, 1, "2026-05-01T09:00:00Z"), rows[i].detail ? SC_BROKEN : SC_WALKED);
        if (rows[i].detail)
            CHECK_INT("the same details again", details(&f, 1, "2026-05-01T09:00:00Z"), SC_WALKED);
        fake_close(&f);
    }
}

static void test_falcon_errors(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int status;
        const char *body;
        enum sc_action action;
        enum sc_reason reason;
        const char *detail, *advice; /* parts */
    } rows[] = {
        {"detections", 403, "{\"meta\":{},\"errors\":[{\"code\":403,\"message\":\"access denied, authorization failed\"}]}", SC_REFUSE,
         SC_REASON_PERMISSION_DENIED, "403 access denied, authorization failed", "\"Alerts: Read\""},
        {"detections", 403, "", SC_REFUSE, SC_REASON_PERMISSION_DENIED, "", "\"Detections: Read\""},
        {"devices", 403, "{}", SC_REFUSE, SC_REASON_PERMISSION_DENIED, "", "\"Hosts: Read\""},
        {"hosts", 403, "{}", SC_REFUSE, SC_REASON_PERMISSION_DENIED, "", "\"Hosts: Read\""},
        {"hosts", 401, "{\"errors\":[{\"code\":401,\"message\":\"invalid bearer token\"}]}", SC_REFUSE, SC_REASON_AUTH_INVALID,
         "401 invalid bearer token", "API client"},
        {"devices", 429, "{\"errors\":[{\"code\":429,\"message\":\"API rate limit exceeded.\"}]}", SC_BY_STATUS, SC_REASON_OK,
         "429 API rate limit exceeded.", ""},
        {"devices", 400, "{\"errors\":[{\"code\":400,\"message\":\"bad filter\"}]}", SC_BY_STATUS, SC_REASON_OK, "400 bad filter", ""},
        {"devices", 503, "<html>", SC_BY_STATUS, SC_REASON_OK, "", ""},
        {"detections", 404, "{\"errors\":[{\"code\":404,\"message\":\"gone\"}]}", SC_BY_STATUS, SC_REASON_OK, "404 gone", ""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_falcon(&f, rows[i].type, 0);
        fake_request(&f);
        struct sc_response in = {.status = rows[i].status, .body_complete = true, .body_prefix = sc_str_of(rows[i].body)};
        f.verdict = (struct sc_verdict){.wait_until = SC_TIME_NONE};
        f.connector->ops->response(&f.host, &in, &f.verdict);
        CHECK_INT(rows[i].body, f.verdict.action, rows[i].action);
        CHECK_INT(rows[i].body, f.verdict.reason, rows[i].reason);
        CHECK_TRUE(rows[i].body, strstr(f.verdict.detail, rows[i].detail));
        CHECK_TRUE(rows[i].body, strstr(f.verdict.advice, rows[i].advice));
        CHECK_TRUE("no line break of a stranger's", !strpbrk(f.verdict.detail, "\r\n"));
        fake_close(&f);
    }
}

/* ---- devices and hosts ----------------------------------------------------------------------------------------------------------- */

static void test_falcon_devices(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "devices", 0);
    CHECK_INT("the whole inventory", list(&f, "a b", OFFSET, "FGlu+/=", NULL), SC_PART);
    CHECK_TEXT("no filter", f.url, SCROLL);
    CHECK_TRUE("a scroll may repeat itself", f.may_repeat);
    CHECK_INT("details", details(&f, 2, "2026-05-01T09:50:00Z"), SC_MORE);
    CHECK_TEXT("details", f.url, DEVICE_POST);
    CHECK_TEXT("details", f.body, "{\"ids\":[\"a\",\"b\"]}");
    CHECK_TEXT("no position before the end", fake_show(&f, FAKE_POSITION), "");
    f.now += 3600000;
    CHECK_INT("the next page, after a restart", list(&f, "c", OFFSET, "FGlu+/=", "2026-05-01T09:50:00Z"), SC_PART);
    CHECK_TEXT("at its cursor, encoded", f.url, SCROLL "&offset=FGlu%2B%2F%3D");
    CHECK_INT("details", details(&f, 1, "2026-05-01T10:59:00Z"), SC_MORE);
    CHECK_INT("the end", list(&f, "", OFFSET, "", "2026-05-01T10:59:00Z"), SC_WALKED);
    CHECK_TEXT("not past when it began, less 5 minutes", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:55:00.000Z");
    fake_new_walk(&f);
    f.now += 3600000;
    CHECK_INT("what changed", list(&f, "b", OFFSET, NULL, "2026-05-01T09:55:00.000Z"), SC_PART);
    CHECK_TEXT("5 minutes before", f.url, SCROLL CHANGED "2026-05-01T09%3A50%3A00Z%27");
    CHECK_INT("no cursor: the end", details(&f, 1, "2026-05-01T11:30:00Z"), SC_WALKED);
    CHECK_TEXT("the newest", fake_show(&f, FAKE_POSITION), "time=2026-05-01T11:30:00.000Z");
    fake_new_walk(&f);
    CHECK_INT("nothing", list(&f, "", NULL, NULL, "2026-05-01T11:30:00Z"), SC_WALKED);
    CHECK_TEXT("stays", fake_show(&f, FAKE_POSITION), "time=2026-05-01T11:30:00.000Z");
    fake_close(&f);
}

/* A restart in the middle forgets what the agent knew of the newest time; the walk does not. */
static void test_falcon_newest_over_restart(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "devices", 0);
    list(&f, "a", OFFSET, "x", NULL);
    details(&f, 1, "2026-05-01T09:00:00Z");
    list(&f, "b", OFFSET, "", NULL);
    CHECK_INT("the end", details(&f, 1, "2026-05-01T08:00:00Z"), SC_WALKED);
    CHECK_TEXT("the newest of both", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:00:00.000Z");
    fake_close(&f);
}

/* "From now on" is a lookback: no inventory then. */
static void test_falcon_from_now(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "devices", 0);
    f.lookback_s = 60;
    CHECK_INT("nothing yet", list(&f, "", OFFSET, "", NULL), SC_WALKED);
    CHECK_TEXT("since then", f.url, SCROLL CHANGED "2026-05-01T09%3A59%3A00Z%27");
    CHECK_TEXT("remembered", fake_show(&f, FAKE_POSITION), "since=2026-05-01T09:59:00.000Z");
    fake_new_walk(&f);
    f.lookback_s = 0;
    f.now += 3600000;
    list(&f, "a", OFFSET, "", NULL);
    CHECK_TEXT("still since then", f.url, SCROLL CHANGED "2026-05-01T09%3A59%3A00Z%27");
    CHECK_INT("one", details(&f, 1, "2026-05-01T10:30:00Z"), SC_WALKED);
    CHECK_TEXT("its time", fake_get(&f, FAKE_POSITION, "time"), "2026-05-01T10:30:00.000Z");
    fake_close(&f);
}

static void test_falcon_scroll_expired(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "devices", 0);
    fake_request(&f);
    CHECK_INT("without a cursor a 404 is no lost one", fake_reply(&f, 404, "{}"), SC_BY_STATUS);
    list(&f, "a b", OFFSET, "x1", NULL);
    fake_request(&f);
    CHECK_INT("nor is one to the details", fake_reply(&f, 404, "{}"), SC_BY_STATUS);
    details(&f, 2, NULL);
    for (int lost = 1; lost <= 5; lost++) {
        fake_request(&f);
        CHECK_TRUE("with the cursor", strstr(f.url, "&offset=x1"));
        CHECK_INT("begun again", fake_reply(&f, 400, "{\"errors\":[{\"code\":400,\"message\":\"scroll expired\"}]}"), SC_AGAIN);
        CHECK_INT("said", f.verdict.reason, SC_REASON_CURSOR_EXPIRED);
        CHECK_TRUE("said", strstr(f.verdict.detail, "behind page 1: the walk is read again from the beginning"));
        CHECK_INT("again", list(&f, "a b", OFFSET, "x1", NULL), SC_PART);
        CHECK_TEXT("from the beginning", f.url, SCROLL);
        CHECK_INT("details", details(&f, 2, NULL), SC_MORE);
    }
    fake_request(&f);
    CHECK_INT("once more", fake_reply(&f, 404, "{}"), SC_AGAIN);
    CHECK_INT("it never gets further: the walk ends as an error", list(&f, "a b", OFFSET, "x1", NULL), SC_LOOP);
    CHECK_TRUE("and why", strstr(f.page.detail, "6 times behind page 1") && strstr(f.page.detail, "page_size"));
    CHECK_TEXT("no position", fake_show(&f, FAKE_POSITION), "");
    fake_close(&f);
    open_falcon(&f, "devices", 0);
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:00:00Z");
    for (int page = 1; page < 20; page++) { /* further each time: never given up */
        list(&f, "a", OFFSET, "x", NULL);
        for (int n = 1; n < page; n++) {
            details(&f, 1, NULL);
            list(&f, "b", OFFSET, "x", NULL);
        }
        details(&f, 1, NULL);
        fake_request(&f);
        CHECK_INT("goes on", fake_reply(&f, 410, "{}"), SC_AGAIN);
        fake_request(&f);
        CHECK_TEXT("from its own bound", f.url, SCROLL CHANGED "2026-05-01T08%3A55%3A00Z%27");
    }
    fake_close(&f);
}

static void test_falcon_cursor_too_long(void **state)
{
    (void)state;
    static char cursor[3000];
    memset(cursor, '+', sizeof cursor - 1);
    struct fake f;
    open_falcon(&f, "devices", 0);
    CHECK_INT("more than can be kept", list(&f, "a", OFFSET, cursor, NULL), SC_BROKEN);
    cursor[2600] = '\0';
    CHECK_INT("the longest", list(&f, "a", OFFSET, cursor, NULL), SC_PART);
    CHECK_INT("the longest", details(&f, 1, NULL), SC_MORE);
    fake_request(&f);
    CHECK_INT("three bytes each", strlen(f.url), strlen(SCROLL "&offset=") + 3 * 2600);
    fake_close(&f);
}

static void test_falcon_hosts(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "hosts", 0);
    CHECK_INT("asks", fake_request(&f), SC_SEND);
    CHECK_TRUE("records, in one step", !f.reply_table && f.method == SC_GET);
    CHECK_TEXT("no filter", f.url, COMBINED);
    fake_reply(&f, 200, NULL);
    fake_envelope(&f, "errors", "[]");
    fake_envelope(&f, NEXT, "b3Blbi1jdXJzb3I=");
    CHECK_INT("more", fake_page(&f, 2, "2026-05-01T09:00:00Z"), SC_MORE);
    CHECK_TEXT("no position before the end", fake_show(&f, FAKE_POSITION), "");
    fake_request(&f);
    CHECK_TEXT("at the cursor", f.url, COMBINED "&offset=b3Blbi1jdXJzb3I%3D");
    CHECK_TRUE("one that comes again is a loop", !f.may_repeat);
    fake_reply(&f, 200, NULL);
    CHECK_INT("no cursor: the end", fake_page(&f, 1, "2026-05-01T09:30:00Z"), SC_WALKED);
    CHECK_TEXT("the newest", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:30:00.000Z");
    fake_new_walk(&f);
    fake_request(&f);
    CHECK_TEXT("what changed", f.url, COMBINED CHANGED "2026-05-01T09%3A25%3A00Z%27");
    fake_reply(&f, 200, NULL);
    fake_envelope(&f, NEXT, "again");
    CHECK_INT("a cursor and no records: not the end", fake_page(&f, 0, NULL), SC_MORE);
    fake_request(&f);
    fake_reply(&f, 200, NULL);
    fake_envelope(&f, NEXT, "");
    CHECK_INT("no cursor: the end", fake_page(&f, 0, NULL), SC_WALKED);
    fake_close(&f);
}

/* ---- memory and tables -------------------------------------------------------------------------------------------------------------- */

/* Whatever fails for want of memory: no crash, never past what was read, and the next try goes on. */
static void try_without_memory(long n, bool *ret_failed)
{
    struct fake f;
    open_falcon(&f, "detections", 8);
    f.fail_at = n;
    enum sc_more more = SC_BROKEN;
    for (int tries = 0; more == SC_BROKEN && tries < 6; tries++) {
        fake_request(&f);
        bool sent = strncmp(f.url, "/alerts", 7) == 0;
        CHECK_TRUE("a URL that is never sent", sent || strcmp(f.url, "memory://none") == 0);
        if (!sent)
            continue;
        fake_reply(&f, 200, NULL);
        if (f.reply_table) {
            fake_list(&f, "a b c");
            fake_envelope(&f, TOTAL, "9");
        }
        more = fake_page(&f, 3, f.reply_table ? NULL : "2026-05-01T09:00:00Z");
        more = more == SC_PART ? SC_BROKEN : more;
    }
    CHECK_INT("the page ends", more, SC_MORE);
    *ret_failed = f.failed;
    f.fail_at = f.failed = 0;
    const char *since = fake_get(&f, FAKE_WALK, "since"), *time = fake_get(&f, FAKE_POSITION, "time");
    CHECK_TRUE("never past what was read", since && strcmp(since, "2026-05-01T09:00:00.000Z") <= 0);
    CHECK_TRUE("never past what was read", !time || strcmp(time, "2026-05-01T09:00:00Z") == 0);
    fake_close(&f);
}

static void test_falcon_no_memory(void **state)
{
    (void)state;
    long n = 1;
    for (bool failed = true; failed; n++)
        try_without_memory(n, &failed);
    CHECK_TRUE("every place was tried", n > 20);
}

static void test_falcon_table(void **state)
{
    (void)state;
    struct fake f;
    open_falcon(&f, "detections", 0);
    const struct sc_connector *c = f.connector;
    const struct sc_oauth2 *o = c->auth.oauth2;
    CHECK_INT("kind", c->auth.kind, SC_AUTH_OAUTH2_CLIENT);
    CHECK_TEXT("header", c->auth.value, "Bearer {token}");
    CHECK_TEXT("token", o->token_url, "/oauth2/token");
    CHECK_TRUE("client in the body, no grant type", o->client == SC_OAUTH2_CLIENT_IN_BODY && o->body == SC_OAUTH2_FORM && !o->params[0].name);
    CHECK_INT("lifetime", o->lifetime_s, 1799);
    for (int i = 0; i < 3; i++)
        CHECK_INT("a wrong client", o->errors[i].reason, SC_REASON_OAUTH_INVALID_CLIENT);
    CHECK_TRUE("secrets", c->credentials[0].secret && c->credentials[1].secret);
    CHECK_INT("token pool", c->pools[1].throttle_s, 60);
    CHECK_TEXT("epoch seconds", c->pools[0].reset_header, "X-RateLimit-RetryAfter");
    CHECK_INT("epoch seconds", c->pools[0].reset_unit, SC_RESET_EPOCH_S);
    const char *ids[] = {"composite_id", "device_id", "device_id"}, *times[] = {"updated_timestamp", "modified_timestamp", "modified_timestamp"};
    for (int i = 0; i < 3; i++) {
        const struct sc_data_type *t = &c->data_types[i];
        CHECK_TEXT(t->name, t->id[0], ids[i]);
        CHECK_TEXT(t->name, t->id[1], times[i]);
        CHECK_TEXT(t->name, t->time, times[i]);
        CHECK_INT(t->name, t->identity, SC_VERSIONED);
        CHECK_TRUE("what is late is read again", t->overlap_s >= t->lag_s && t->lag_s > 0);
    }
    fake_close(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_falcon_first_poll),
        cmocka_unit_test(test_falcon_no_alert_yet),
        cmocka_unit_test(test_falcon_filter_follows_time),
        cmocka_unit_test(test_falcon_end_of_list),
        cmocka_unit_test(test_falcon_list_moves),
        cmocka_unit_test(test_falcon_too_many_in_one_ms),
        cmocka_unit_test(test_falcon_resume),
        cmocka_unit_test(test_falcon_clock_ahead),
        cmocka_unit_test(test_falcon_batches),
        cmocka_unit_test(test_falcon_batch_refused),
        cmocka_unit_test(test_falcon_batch_steps),
        cmocka_unit_test(test_falcon_error_in_success),
        cmocka_unit_test(test_falcon_errors),
        cmocka_unit_test(test_falcon_devices),
        cmocka_unit_test(test_falcon_newest_over_restart),
        cmocka_unit_test(test_falcon_from_now),
        cmocka_unit_test(test_falcon_scroll_expired),
        cmocka_unit_test(test_falcon_cursor_too_long),
        cmocka_unit_test(test_falcon_hosts),
        cmocka_unit_test(test_falcon_no_memory),
        cmocka_unit_test(test_falcon_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
