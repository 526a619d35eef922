/* Office 365, module and engine, as a script of exchanges: subscriptions, PublisherIdentifier, what its codes mean, windows and blobs. */
#include "fake_host.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define TENANT     "41463f53-8812-40f4-890f-865bf6e35190"
#define ROOT       "/api/v1.0/" TENANT "/activity/feed"
#define BY         "PublisherIdentifier=" TENANT
#define LIST       ROOT "/subscriptions/list?" BY
#define START      ROOT "/subscriptions/start?contentType=Audit.Exchange&" BY
#define CONTENT    ROOT "/subscriptions/content?contentType=Audit.Exchange&startTime="
#define WINDOW     CONTENT "2026-05-01T08%3A00%3A00&endTime=2026-05-01T10%3A00%3A00&" BY
#define BLOB(id)   "https://manage.office.com" ROOT "/audit/" id "|" id "|2026-05-01T09:04:51.748Z"
#define ENABLED    "[{\"contentType\":\"Audit.Exchange\",\"status\":\"enabled\",\"webhook\":null}]"
#define ERROR(code) "{\"error\":{\"code\":\"" code "\",\"message\":\"as the vendor says\"}}"
#define MIN(n)     ((int64_t)(n) * 60000)
#define HOUR       MIN(60)
#define T(ms)      sc_time_rfc3339((ms), (char[SC_TIME_TEXT]){0})

static void open_feed(struct fake *f)
{
    fake_open(f, MODULE, "exchange");
    fake_set(f, FAKE_SETTING, "tenant_id", TENANT);
    f->base_url = "https://manage.office.com";
}

static void open_subscribed(struct fake *f)
{
    open_feed(f);
    fake_set(f, FAKE_POSITION, "subscription", T(FAKE_NOW - HOUR));
    fake_set(f, FAKE_POSITION, "time", T(FAKE_NOW - HOUR));
}

static enum sc_action ask(struct fake *f, const char *why, const char *url, int status, const char *body)
{
    CHECK_INT(why, fake_request(f), SC_SEND);
    CHECK_TEXT(why, f->url, url);
    return fake_reply(f, status, body);
}

/* ---- subscriptions ---------------------------------------------------------------------------------------------------------- */

static void test_office_enabled(void **state)
{
    (void)state;
    struct fake f;
    open_feed(&f);
    CHECK_INT("the list comes first", ask(&f, "list", LIST, 200, ENABLED), SC_AGAIN);
    CHECK_TRUE("a GET that is not saved for", f.method == SC_GET && !f.after_save);
    CHECK_TRUE("the window was frozen before anything was asked", fake_get(&f, FAKE_WALK, "from") && fake_get(&f, FAKE_WALK, "to"));
    CHECK_TEXT("known from now on", fake_get(&f, FAKE_POSITION, "subscription"), T(FAKE_NOW));
    CHECK_TRUE("no start was planned", !fake_get(&f, FAKE_POSITION, "started"));
    CHECK_INT("content", fake_request(&f), SC_SEND);
    CHECK_TEXT("a day back", f.url, CONTENT "2026-04-30T10%3A00%3A00&endTime=2026-05-01T10%3A00%3A00&" BY);
    CHECK_TEXT("pool", f.pools, "api");
    fake_close(&f);
}

static void test_office_started(void **state)
{
    (void)state;
    struct fake f;
    open_feed(&f);
    CHECK_INT("nothing is subscribed to", ask(&f, "list", LIST, 200, "[]"), SC_AGAIN);
    CHECK_INT("start", fake_request(&f), SC_SEND);
    CHECK_TEXT("start", f.url, START);
    CHECK_TRUE("an empty POST, sent when the bucket knows of it", f.method == SC_POST && !f.body && f.after_save);
    CHECK_INT("it is", fake_reply(&f, 200, "{\"contentType\":\"Audit.Exchange\",\"status\":\"enabled\",\"webhook\":null}"), SC_AGAIN);
    CHECK_TRUE("told once", strstr(f.verdict.detail, "up to 12 hours"));
    CHECK_INT("a first one is no loss", (int)f.gaps, 0);
    CHECK_INT("content", fake_request(&f), SC_SEND);
    CHECK_INT("empty", fake_reply(&f, 200, NULL), SC_CUT);
    fake_list(&f, "");
    CHECK_INT("and normal", fake_page(&f, 0, NULL), SC_WALKED);
    fake_close(&f);
}

static void test_office_lists(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        int status;
        const char *body, *then; /* the next request; NULL: refused */
    } rows[] = {
        {"enabled among others", 200, "[{\"contentType\":\"DLP.All\",\"status\":\"disabled\"}, " "{\"webhook\":null,\"status\":\"enabled\",\"contentType\":\"Audit.Exchange\"}]", "content"},
        {"braces, quotes and another's status in a webhook", 200,
         "[{\"webhook\":{\"address\":\"https://x/}]\\\"}\",\"status\":\"disabled\"},\"contentType\":\"Audit.Exchange\",\"status\":\"enabled\"}]", "content"},
        {"other letters", 200, " \r\n[{\"contentType\":\"audit.exchange\",\"status\":\"Enabled\"}]", "content"},
        {"disabled", 200, "[{\"contentType\":\"Audit.Exchange\",\"status\":\"disabled\"}]", "start"},
        {"without status, as in the vendor's sample", 200, "[{\"contentType\":\"Audit.Exchange\",\"webhook\":null}]", "start"},
        {"one that begins with the same letters", 200, "[{\"contentType\":\"Audit.ExchangeX\",\"status\":\"enabled\"}]", "start"},
        {"cut in the middle", 200, "[{\"contentType\":\"Audit.Exchange\",\"status\":\"enab", NULL},
        {"cut behind what is wanted", 200, "[{\"contentType\":\"Audit.Exchange\",\"status\":\"enabled\"},", "content"},
        {"an object", 200, "{\"value\":[]}", NULL},
        {"an error inside a success", 200, ERROR("AF50000"), NULL},
        {"a web page", 200, "<html>proxy</html>", NULL},
        {"nothing", 204, "", NULL},
        {"a refusal", 403, ERROR("AF10001"), NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_feed(&f);
        enum sc_action action = ask(&f, rows[i].why, LIST, rows[i].status, rows[i].body);
        CHECK_INT(rows[i].why, action, rows[i].then ? SC_AGAIN : SC_REFUSE);
        CHECK_INT(rows[i].why, fake_request(&f), SC_SEND);
        CHECK_TRUE(rows[i].why, strstr(f.url, rows[i].then ? rows[i].then : "/subscriptions/list"));
        fake_close(&f);
    }
}

static void test_office_start_replies(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        int status;
        const char *body;
        enum sc_reason transport;
        enum sc_action want;
        const char *then;
    } rows[] = {
        {"started", 200, "{\"status\":\"enabled\"}", SC_REASON_OK, SC_AGAIN, "content"},
        {"started, in other words", 204, "", SC_REASON_OK, SC_AGAIN, "content"},
        {"it was already", 400, ERROR("AF20024"), SC_REASON_OK, SC_AGAIN, "content"},
        {"disabled by an administrator", 400, ERROR("AF20023"), SC_REASON_OK, SC_REFUSE, "list"},
        {"throttled", 403, ERROR("AF429"), SC_REASON_OK, SC_REFUSE, "list"},
        {"an error inside a success", 200, ERROR("AF50000"), SC_REASON_OK, SC_REFUSE, "list"},
        {"a server's failure", 503, "", SC_REASON_OK, SC_BY_STATUS, "list"},
        {"it may have arrived", 0, NULL, SC_REASON_READ_TIMEOUT, SC_BY_STATUS, "list"},
        {"it may have arrived too", 0, NULL, SC_REASON_CONNECTION_LOST, SC_BY_STATUS, "list"},
        {"it was not sent", 0, NULL, SC_REASON_DNS_FAILURE, SC_BY_STATUS, "start"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_feed(&f);
        CHECK_INT(rows[i].why, ask(&f, rows[i].why, LIST, 200, "[]"), SC_AGAIN);
        CHECK_INT(rows[i].why, fake_request(&f), SC_SEND);
        enum sc_action got = rows[i].status ? fake_reply(&f, rows[i].status, rows[i].body) : fake_no_reply(&f, rows[i].transport);
        CHECK_INT(rows[i].why, got, rows[i].want);
        CHECK_INT(rows[i].why, fake_request(&f), SC_SEND);
        CHECK_TRUE(rows[i].why, strstr(f.url, rows[i].then));
        fake_close(&f);
    }
}

/* At most once in 15 minutes: behind a failure, and over a restart, of which the connector knows nothing but what the position says. */
static void test_office_start_pace(void **state)
{
    (void)state;
    struct fake f;
    open_feed(&f);
    ask(&f, "list", LIST, 200, "[]");
    ask(&f, "start", START, 503, "");
    for (int minute = 1; minute < 17; minute++) {
        f.now = FAKE_NOW + MIN(minute);
        CHECK_INT("looked at", ask(&f, "list", LIST, 200, "[]"), SC_REFUSE);
        CHECK_INT("not before a quarter of an hour has passed, and some more", f.verdict.reason, SC_REASON_VENDOR_BUSY);
        fake_drop_page(&f); /* a restart */
        if (minute == 8)
            fake_new_walk(&f);
    }
    f.now = FAKE_NOW + MIN(17);
    CHECK_INT("now", ask(&f, "list", LIST, 200, "[]"), SC_AGAIN);
    CHECK_INT("start", fake_request(&f), SC_SEND);
    CHECK_TEXT("start", f.url, START);
    CHECK_TEXT("written down", fake_get(&f, FAKE_POSITION, "started"), T(FAKE_NOW + MIN(17)));
    f.now += 58000;
    CHECK_INT("it had to wait", fake_request(&f), SC_SEND);
    CHECK_TEXT("and is sent", f.url, START);
    f.now += 2000;
    CHECK_INT("too long: looked at again", ask(&f, "list", LIST, 200, ENABLED), SC_AGAIN);
    fake_close(&f);
}

static void test_office_lost_subscription(void **state)
{
    (void)state;
    static const char *const codes[] = {ERROR("AF20022"), ERROR("AF20023")};
    for (size_t i = 0; i < ROWS(codes); i++) {
        struct fake f;
        open_subscribed(&f);
        CHECK_INT("no subscription", ask(&f, "content", WINDOW, 400, codes[i]), SC_AGAIN);
        f.now += MIN(20);
        CHECK_INT("what is there", ask(&f, "list", LIST, 200, "[]"), SC_AGAIN);
        CHECK_INT("no gap before it is back", (int)f.gaps, 0);
        CHECK_INT("started", ask(&f, "start", START, 200, "{\"status\":\"enabled\"}"), SC_AGAIN);
        CHECK_TRUE("nobody collected meanwhile", f.gaps == 1 && f.gap_from == FAKE_NOW - HOUR && f.gap_to == FAKE_NOW + MIN(20));
        CHECK_INT("content", ask(&f, "content", WINDOW, 400, codes[i]), SC_REFUSE);
        CHECK_INT("too early to believe it", f.verdict.reason, i ? SC_REASON_FEATURE_OFF : SC_REASON_VENDOR_BUSY);
        f.now += MIN(6);
        CHECK_INT("now it is", ask(&f, "content", WINDOW, 400, codes[i]), SC_AGAIN);
        CHECK_INT("asked again", ask(&f, "list", LIST, 200, ENABLED), SC_AGAIN);
        CHECK_TRUE("another gap, behind the first one", f.gaps == 2 && f.gap_from == FAKE_NOW + MIN(20) && f.gap_to == FAKE_NOW + MIN(26));
        CHECK_INT("once more, at once", ask(&f, "content", WINDOW, 400, codes[i]), SC_REFUSE);
        f.now += 9000;
        CHECK_INT("what was listed holds for some seconds", ask(&f, "content", WINDOW, 400, codes[i]), SC_REFUSE);
        f.now += 1000;
        CHECK_INT("no longer", ask(&f, "content", WINDOW, 400, codes[i]), SC_AGAIN);
        fake_close(&f);
    }
}

/* ---- codes -------------------------------------------------------------------------------------------------------------------- */

static void test_office_codes(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum sc_reason reason; /* OK: as the status says */
        const char *advice;    /* part of it */
    } rows[] = {
        {401, ERROR("AF10001"), SC_REASON_PERMISSION_DENIED, ""},
        {403, ERROR("AF10001"), SC_REASON_PERMISSION_DENIED, ""},
        {400, ERROR("AF20001"), SC_REASON_CONFIG_INVALID, "publisher_id"},
        {400, ERROR("AF20002"), SC_REASON_CONFIG_INVALID, "publisher_id"},
        {400, ERROR("AF20010"), SC_REASON_CONFIG_INVALID, "tenant_id"},
        {404, ERROR("AF20011"), SC_REASON_NOT_FOUND, "tenant_id"},
        {400, "{\"error\":{\"code\":\"AF20011\",\"message\":\"Tenant x does not exist\"}}", SC_REASON_NOT_FOUND, "tenant_id"},
        {400, ERROR("AF20012"), SC_REASON_CONFIG_INVALID, "tenant_id"},
        {400, ERROR("AF20013"), SC_REASON_CONFIG_INVALID, "tenant_id"},
        {400, ERROR("AF20020"), SC_REASON_FEATURE_OFF, "cloud"},
        {400, ERROR("AF20030"), SC_REASON_VENDOR_ERROR, "clock"},
        {400, ERROR("AF20055"), SC_REASON_VENDOR_ERROR, "clock"},
        {403, ERROR("AF429"), SC_REASON_RATE_LIMITED, ""},
        {429, ERROR("AF429"), SC_REASON_RATE_LIMITED, ""},
        {403, "{'error':{'code':'AF429','message':'Too many requests. Method=GetBlob, PublisherId=0'}}", SC_REASON_RATE_LIMITED, ""},
        {403, "AF429: Too many requests. Method=GetBlob", SC_REASON_RATE_LIMITED, ""},
        {500, ERROR("AF50000"), SC_REASON_VENDOR_ERROR, ""},
        {400, "{\"error\":{\"code\":\"Microsoft.Office.Compliance.Audit.DataServiceException\",\"message\":\"Tenant " TENANT " does not exist\"}}",
         SC_REASON_FEATURE_OFF, "Turn on auditing"},
        {500, "Tenant " TENANT " does not exist", SC_REASON_FEATURE_OFF, "Turn on auditing"},
        {401, "", SC_REASON_AUTH_INVALID, "belong to one cloud"},
        {403, "", SC_REASON_OK, ""},
        {403, "CAF429X AF42 AF1234567 AFX429", SC_REASON_OK, ""},
        {400, ERROR("AF20031"), SC_REASON_OK, ""},
        {400, ERROR("AF20051"), SC_REASON_OK, ""}, /* of a list: nothing is passed over */
        {404, "<html>AF20051</html>", SC_REASON_OK, ""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_subscribed(&f);
        CHECK_INT(rows[i].body, ask(&f, "content", WINDOW, rows[i].status, rows[i].body), rows[i].reason ? SC_REFUSE : SC_BY_STATUS);
        CHECK_INT(rows[i].body, rows[i].reason ? (int)f.verdict.reason : 0, rows[i].reason);
        CHECK_TRUE(rows[i].body, strstr(f.verdict.advice, rows[i].advice));
        CHECK_TRUE("a sentence that ends", strlen(f.verdict.advice) < sizeof f.verdict.advice - 1);
        fake_close(&f);
    }
}

/* ---- windows and blobs --------------------------------------------------------------------------------------------------------- */

static enum sc_more listed(struct fake *f, const char *items, const char *header, const char *next)
{
    CHECK_INT("a list", fake_reply(f, 200, NULL), SC_CUT);
    if (next)
        fake_header(f, header, next);
    fake_list(f, items);
    return fake_page(f, 0, NULL);
}

static void test_office_walk(void **state)
{
    (void)state;
    static const char next[] = "https://manage.office.com/api/v1/" TENANT "/activity/feed/subscriptions/content?contentType=Audit.Exchange&nextPage=R02";
    struct fake f;
    open_subscribed(&f);
    fake_set(&f, FAKE_READ, "2$e", "1");
    CHECK_INT("content", fake_request(&f), SC_SEND);
    CHECK_TEXT("an hour again", f.url, WINDOW);
    CHECK_INT("two blobs, one known", listed(&f, BLOB("1$e") " " BLOB("2$e"), "nextpageuri", next), SC_PART);
    CHECK_INT("a blob", fake_request(&f), SC_SEND);
    CHECK_TEXT("by whom", f.url, ROOT "/audit/1$e?" BY);
    CHECK_TRUE("named", strcmp(f.child, "1$e") == 0 && strcmp(T(f.child_time), "2026-05-01T09:04:51.748Z") == 0);
    CHECK_TRUE("its ids are kept from the end of the window on", f.remember_as == FAKE_NOW);
    CHECK_INT("cut", fake_reply(&f, 200, NULL), SC_CUT);
    CHECK_INT("the other is known", fake_page(&f, 3, "2026-01-05T18:59:19"), SC_MORE);
    CHECK_INT("next page", fake_request(&f), SC_SEND);
    CHECK_TEXT("as it was named, and by whom", f.url, "/api/v1/" TENANT "/activity/feed/subscriptions/content?contentType=Audit.Exchange&nextPage=R02&" BY);
    CHECK_INT("the other name of the header, identifier given", listed(&f, "", "NextPageUrl", "https://manage.office.com/api/v1.0/n?publisheridentifier=x"), SC_MORE);
    CHECK_INT("next page", fake_request(&f), SC_SEND);
    CHECK_TEXT("as it is", f.url, "/api/v1.0/n?publisheridentifier=x");
    CHECK_INT("the end", listed(&f, "", NULL, NULL), SC_WALKED);
    CHECK_TEXT("covered", fake_get(&f, FAKE_POSITION, "time"), T(FAKE_NOW));
    fake_close(&f);
}

static void test_office_blob_replies(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum sc_action want;
    } rows[] = {
        {404, ERROR("AF20050"), SC_PASS_OVER}, {410, ERROR("AF20051"), SC_PASS_OVER},  {400, ERROR("AF20052"), SC_PASS_OVER},
        {404, "{'error':{'code':'AF20050'}}", SC_PASS_OVER}, {404, "", SC_BY_STATUS}, {500, ERROR("AF50000"), SC_REFUSE},
        {403, ERROR("AF429"), SC_REFUSE}, {503, "", SC_BY_STATUS},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_subscribed(&f);
        fake_request(&f);
        CHECK_INT("a blob", listed(&f, BLOB("1$e"), NULL, NULL), SC_PART);
        CHECK_INT("asked", fake_request(&f), SC_SEND);
        CHECK_INT(rows[i].body, fake_reply(&f, rows[i].status, rows[i].body), rows[i].want);
        f.passed_over = true;
        CHECK_INT("on without it", fake_page(&f, 0, NULL), SC_WALKED);
        fake_close(&f);
    }
}

/* The token goes to the base URL's host, below /api/, whatever is named. */
static void test_office_hostile(void **state)
{
    (void)state;
    static const struct {
        const char *item, *asked; /* NULL: the list counts for nothing */
    } rows[] = {
        {"https://evil.test/api/v1.0/x|1|2026-05-01T09:04:51Z", "/api/v1.0/x?" BY},
        {"https://evil.test/login|1|2026-05-01T09:04:51Z", NULL},
        {"https://evil.test/x?y=/api/|1|2026-05-01T09:04:51Z", NULL},
        {"https://manage.office.com|1|2026-05-01T09:04:51Z", NULL},
        {"file:///api/etc|1|2026-05-01T09:04:51Z", NULL},
        {"nonsense|1|2026-05-01T09:04:51Z", NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_subscribed(&f);
        fake_request(&f);
        CHECK_INT(rows[i].item, listed(&f, rows[i].item, NULL, NULL), rows[i].asked ? SC_PART : SC_BROKEN);
        if (rows[i].asked) {
            CHECK_INT("asked", fake_request(&f), SC_SEND);
            CHECK_TEXT(rows[i].item, f.url, rows[i].asked);
        }
        fake_close(&f);
    }
}

static void test_office_lost_page(void **state)
{
    (void)state;
    struct fake f;
    open_subscribed(&f);
    fake_request(&f);
    CHECK_INT("a further page", listed(&f, "", "NextPageUri", "https://manage.office.com/api/v1.0/c?nextPage=2"), SC_MORE);
    CHECK_INT("is refused", ask(&f, "next", "/api/v1.0/c?nextPage=2&" BY, 400, ERROR("AF20031")), SC_AGAIN);
    CHECK_INT("reason", f.verdict.reason, SC_REASON_CURSOR_EXPIRED);
    CHECK_INT("the window again", fake_request(&f), SC_SEND);
    CHECK_TEXT("the window again", f.url, WINDOW);
    fake_close(&f);
}

/* A walk that was broken off nine days ago. */
static void test_office_clamp(void **state)
{
    (void)state;
    struct fake f;
    open_subscribed(&f);
    fake_request(&f);
    f.now += 9 * 24 * HOUR;
    CHECK_INT("its window is refused", ask(&f, "frozen", WINDOW, 400, ERROR("AF20030")), SC_AGAIN);
    CHECK_INT("another", fake_request(&f), SC_SEND);
    CHECK_TEXT("from 167 h 55 min ago, one day", f.url, CONTENT "2026-05-03T10%3A05%3A00&endTime=2026-05-04T10%3A05%3A00&" BY);
    CHECK_TRUE("what lies between is told", f.gaps && f.gap_from == FAKE_NOW - HOUR && f.gap_to == f.now - (167 * HOUR + MIN(55)));
    CHECK_INT("and that is the vendor's word", fake_reply(&f, 400, ERROR("AF20030")), SC_REFUSE);
    fake_close(&f);
}

/* ---- settings ------------------------------------------------------------------------------------------------------------------- */

static void test_office_publisher(void **state)
{
    (void)state;
    struct fake f;
    open_feed(&f);
    fake_set(&f, FAKE_SETTING, "publisher_id", "a b&c");
    CHECK_INT("list", fake_request(&f), SC_SEND);
    CHECK_TEXT("encoded", f.url, ROOT "/subscriptions/list?PublisherIdentifier=a%20b%26c");
    fake_set(&f, FAKE_SETTING, "publisher_id", "");
    CHECK_INT("list", fake_request(&f), SC_SEND);
    CHECK_TEXT("empty is not set", f.url, LIST);
    fake_close(&f);
}

static void test_office_content_types(void **state)
{
    (void)state;
    static const struct {
        const char *types;
        enum sc_next want;
    } rows[] = {
        {"Audit.Exchange", SC_SEND}, {"DLP.All, audit.exchange", SC_SEND}, {"exchange", SC_SEND},
        {"Audit.SharePoint,DLP.All", SC_DONE}, {"Audit.ExchangeX", SC_UNABLE}, {"DLP.All,Audit.Exchang", SC_UNABLE}, {" , ", SC_DONE},
        {"exchange,Audit.Exchang", SC_SEND},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_feed(&f);
        fake_set(&f, FAKE_SETTING, "content_types", rows[i].types);
        CHECK_INT(rows[i].types, fake_request(&f), rows[i].want);
        if (rows[i].want == SC_UNABLE)
            CHECK_TRUE(rows[i].types, f.why && strstr(f.why, "settings.content_types names \"Audit.Exchang"));
        fake_close(&f);
    }
}

/* Whatever allocation fails, nothing is said that is not so: no request without PublisherIdentifier, no start that the position does not know. */
static void test_office_no_memory(void **state)
{
    (void)state;
    for (long n = 1; n < 40; n++) {
        struct fake f;
        open_feed(&f);
        f.fail_at = n;
        bool sent = fake_request(&f) == SC_SEND && f.url && strncmp(f.url, "memory:", 7) != 0;
        CHECK_TRUE("whole or not at all", !sent || strcmp(f.url, LIST) == 0);
        if (fake_reply(&f, 200, "[]") == SC_AGAIN)
            CHECK_TRUE("planned and remembered", fake_get(&f, FAKE_POSITION, "started") && fake_get(&f, FAKE_PAGE, "start_at"));
        f.fail_at = 0;
        f.failed = false;
        CHECK_INT("goes on", fake_request(&f), SC_SEND);
        fake_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_office_enabled),       cmocka_unit_test(test_office_started),   cmocka_unit_test(test_office_lists),
        cmocka_unit_test(test_office_start_replies), cmocka_unit_test(test_office_start_pace), cmocka_unit_test(test_office_lost_subscription),
        cmocka_unit_test(test_office_codes),         cmocka_unit_test(test_office_walk),      cmocka_unit_test(test_office_blob_replies),
        cmocka_unit_test(test_office_hostile),       cmocka_unit_test(test_office_lost_page), cmocka_unit_test(test_office_clamp),
        cmocka_unit_test(test_office_publisher),     cmocka_unit_test(test_office_content_types), cmocka_unit_test(test_office_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
