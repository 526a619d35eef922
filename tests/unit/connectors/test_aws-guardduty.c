/* Amazon GuardDuty, module and engine, as a script of exchanges: detectors, lists by time and by token, the names of errors. */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define A          "12abc34d567e8fa901bc2d34e56789f0"
#define B          "aaaabbbbccccddddeeeeffff00001111"
#define ORDER      "\"sortCriteria\":{\"attributeName\":\"updatedAt\",\"orderBy\":\"ASC\"}"
#define MINUTE     60000

static void open_findings(struct fake *f, const char *detector)
{
    fake_open(f, MODULE, "findings");
    fake_set(f, FAKE_SETTING, "region", "eu-west-1");
    fake_set(f, FAKE_SETTING, "detector_id", detector);
    f->base_url = "https://guardduty.eu-west-1.amazonaws.com";
    f->halvings = 4; /* pages of 3 */
}

static enum sc_more list_detectors(struct fake *f, const char *ids, const char *token)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_TRUE("which detectors there are", strncmp(f->url, "/detector?maxResults=50", 23) == 0 && f->method == SC_GET && !f->body);
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    fake_envelope(f, "detectorIds", ids);
    fake_envelope(f, "nextToken", token);
    return fake_page(f, 0, NULL);
}

/* The list, and where it names anything its details; "": an empty list. */
static enum sc_more read_page(struct fake *f, const char *ids, const char *newest, const char *token)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    fake_envelope(f, "nextToken", token);
    fake_list(f, ids);
    enum sc_more more = fake_page(f, 0, NULL);
    if (!*ids || more != SC_PART)
        return more;
    CHECK_INT("asks for details", fake_request(f), SC_SEND);
    CHECK_TRUE("by POST", f->method == SC_POST && strstr(f->url, "/findings/get") && strstr(f->body, "{\"findingIds\":[\""));
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    return fake_page(f, f->item_count, newest);
}

/* The body of the list that is asked for next. */
static void check_list(struct fake *f, const char *why, const char *detector, unsigned limit, long long since, const char *token)
{
    char url[120], body[400];
    fake_request(f);
    snprintf(url, sizeof url, "/detector/%s/findings", detector);
    snprintf(body, sizeof body,
             "{\"maxResults\":%u," ORDER ",\"findingCriteria\":{\"criterion\":{\"updatedAt\":{\"greaterThanOrEqual\":%lld,\"lessThan\":%lld}}}%s%s%s}", limit,
             since, (long long)FAKE_NOW, token ? ",\"nextToken\":\"" : "", token ? token : "", token ? "\"" : "");
    CHECK_TEXT(why, f->url, url);
    CHECK_TEXT(why, f->body, body);
}

static void test_gd_follows_time(void **state)
{
    (void)state;
    struct fake f;
    open_findings(&f, A);
    long long nine = FAKE_NOW - 60 * MINUTE;
    check_list(&f, "a day back, up to the beginning of the walk", A, 3, FAKE_NOW - 24ll * 60 * MINUTE, NULL);
    CHECK_TRUE("JSON", strcmp(fake_asked(&f, "Content-Type"), "application/json") == 0 && strcmp(f.pools, "api") == 0);
    CHECK_INT("full", read_page(&f, "a b c", "2026-05-01T09:00:00.000Z", "t1"), SC_MORE);
    CHECK_INT("what is younger than 5 minutes does not count", f.newest_until, FAKE_NOW - 5 * MINUTE);
    check_list(&f, "by time, one less, no token", A, 2, nine, NULL);
    CHECK_INT("the time stands still", read_page(&f, "c d", "2026-05-01T09:00:00.000Z", "t2"), SC_MORE);
    check_list(&f, "the token, all else unchanged", A, 2, nine, "t2");
    f.now += 7 * MINUTE;
    CHECK_INT("still", read_page(&f, "e f", "2026-05-01T09:00:00.000Z", "t3"), SC_MORE);
    CHECK_INT("behind a token times count as for the page that opened it", f.newest_until, FAKE_NOW - 5 * MINUTE);
    CHECK_INT("the end", read_page(&f, "g", "2026-05-01T09:10:00.000Z", ""), SC_WALKED);
    CHECK_TEXT("the newest that counts", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:10:00.000Z");
    fake_close(&f);
}

/* Two empty pages that name each other: not for ever; one with findings between them begins the count anew. */
static void test_gd_empty_circle(void **state)
{
    (void)state;
    struct fake f;
    open_findings(&f, A);
    for (int n = 0; n < 999; n++)
        CHECK_INT("goes on", read_page(&f, "", NULL, n % 2 ? "t1" : "t2"), SC_MORE);
    CHECK_INT("findings", read_page(&f, "a", NULL, "t3"), SC_MORE);
    for (int n = 0; n < 1000; n++)
        CHECK_INT("goes on", read_page(&f, "", NULL, n % 2 ? "t1" : "t2"), SC_MORE);
    CHECK_INT("ends", read_page(&f, "", NULL, "t2"), SC_LOOP);
    CHECK_TRUE("nothing has moved", !fake_get(&f, FAKE_POSITION, "time"));
    fake_close(&f);
}

static void test_gd_tokens(void **state)
{
    (void)state;
    struct fake f;
    open_findings(&f, A);
    CHECK_INT("an empty page with a token goes on", read_page(&f, "", NULL, "t1"), SC_MORE);
    check_list(&f, "behind it", A, 3, FAKE_NOW - 24ll * 60 * MINUTE, "t1");
    CHECK_INT("names itself", read_page(&f, "", NULL, "t1"), SC_LOOP);
    f.now += 9 * MINUTE;
    check_list(&f, "9 minutes old", A, 3, FAKE_NOW - 24ll * 60 * MINUTE, "t1");
    f.now += 2 * MINUTE;
    check_list(&f, "older than 10: by time, another length", A, 2, FAKE_NOW - 24ll * 60 * MINUTE, NULL);
    fake_close(&f);
    open_findings(&f, A);
    CHECK_INT("more", read_page(&f, "a", NULL, "t1"), SC_MORE);
    fake_request(&f);
    CHECK_INT("refused", fake_reply(&f, 400, "{\"__type\":\"BadRequestException\",\"message\":\"nextToken\"}"), SC_AGAIN);
    check_list(&f, "by time", A, 3, FAKE_NOW - 24ll * 60 * MINUTE, NULL);
    CHECK_INT("without a token it is about the settings", fake_reply(&f, 400, "{\"__type\":\"BadRequestException\"}"), SC_REFUSE);
    CHECK_INT("why", f.verdict.reason, SC_REASON_CONFIG_INVALID);
    fake_close(&f);
}

static void test_gd_detectors(void **state)
{
    (void)state;
    static const struct {
        const char *ids, *token;
        enum sc_more want;
        enum sc_reason reason;
        const char *next; /* the address that is asked then */
    } rows[] = {
        {"[\"" A "\"]", "", SC_MORE, 0, "/detector/" A "/findings"},
        {"[ \"" A "\" , \"" B "\" ]", NULL, SC_MORE, 0, "/detector/" A "/findings"},
        {"[\"a/b c\"]", "", SC_BROKEN, 0, NULL},
        {"[\"a/../b\"]", "", SC_MORE, 0, "/detector/a%2F..%2Fb/findings"},
        {"[]", "", SC_BROKEN, SC_REASON_FEATURE_OFF, "/detector?maxResults=50"},
        {"[]", "x/y+", SC_MORE, 0, "/detector?maxResults=50&nextToken=x%2Fy%2B"},
        {"[\"\"]", "", SC_BROKEN, 0, NULL},
        {"[\"a\\u0041\"]", "", SC_BROKEN, 0, NULL},
        {"[\"a", "", SC_BROKEN, 0, NULL},
        {"\"a\"", "", SC_BROKEN, 0, NULL},
        {NULL, "", SC_BROKEN, 0, NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_findings(&f, NULL);
        CHECK_INT(rows[i].ids, list_detectors(&f, rows[i].ids, rows[i].token), rows[i].want);
        if (rows[i].want == SC_BROKEN)
            CHECK_TRUE("says why", f.page.reason == rows[i].reason && f.page.detail[0]);
        fake_request(&f);
        CHECK_TEXT(rows[i].ids, f.url, rows[i].next ? rows[i].next : "/detector?maxResults=50");
        CHECK_TRUE("may be asked again", f.may_repeat);
        CHECK_TEXT("nothing is remembered for good", fake_show(&f, FAKE_POSITION), "");
        fake_close(&f);
    }
    struct fake f;
    open_findings(&f, NULL);
    CHECK_INT("a token", list_detectors(&f, "[\"" A "\"]", "t"), SC_MORE);
    CHECK_INT("once more", list_detectors(&f, "[\"" B "\"]", "t"), SC_LOOP);
    fake_close(&f);
}

static void test_gd_several_detectors(void **state)
{
    (void)state;
    struct fake f;
    open_findings(&f, NULL);
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:30:00.000Z");
    long long begin = FAKE_NOW - 35 * MINUTE;
    CHECK_INT("one", list_detectors(&f, "[\"" A "\"]", "t"), SC_MORE);
    CHECK_INT("and another", list_detectors(&f, "[\"" B "\"]", NULL), SC_MORE);
    check_list(&f, "the first", A, 3, begin, NULL);
    CHECK_INT("full", read_page(&f, "a b c", "2026-05-01T09:40:00.000Z", "x"), SC_MORE);
    CHECK_TEXT("the position waits", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:30:00.000Z");
    f.now += 20 * MINUTE;
    CHECK_INT("its end", read_page(&f, "c", "2026-05-01T09:40:00.000Z", NULL), SC_MORE);
    CHECK_INT("nothing younger than the walk's beginning less 5 minutes counts", f.newest_until, FAKE_NOW - 5 * MINUTE);
    check_list(&f, "the second, from where the first began", B, 3, begin, NULL);
    CHECK_INT("its end", read_page(&f, "d", "2026-05-01T09:35:00.000Z", NULL), SC_WALKED);
    CHECK_INT("nothing younger than the walk's beginning less 5 minutes counts", f.newest_until, FAKE_NOW - 5 * MINUTE);
    CHECK_TEXT("the newest of all", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:40:00.000Z");
    fake_close(&f);
    open_findings(&f, NULL);
    CHECK_INT("two", list_detectors(&f, "[\"" A "\",\"" B "\"]", NULL), SC_MORE);
    CHECK_INT("full", read_page(&f, "a b c", "2026-05-01T09:40:00.000Z", "x"), SC_MORE);
    CHECK_TEXT("nothing yet", fake_show(&f, FAKE_POSITION), "");
    CHECK_INT("its end, by time", read_page(&f, "c", "2026-05-01T09:40:00.000Z", NULL), SC_MORE);
    CHECK_INT("nothing", read_page(&f, "", NULL, NULL), SC_WALKED);
    CHECK_TEXT("the first walk of all moves at its end too", fake_show(&f, FAKE_POSITION), "time=2026-05-01T09:40:00.000Z");
    fake_close(&f);
    open_findings(&f, NULL);
    CHECK_INT("two", list_detectors(&f, "[\"" A "\",\"" B "\"]", NULL), SC_MORE);
    CHECK_INT("nothing", read_page(&f, "", NULL, NULL), SC_MORE);
    CHECK_INT("nothing", read_page(&f, "", NULL, NULL), SC_WALKED);
    CHECK_TEXT("the first bound is kept", fake_show(&f, FAKE_POSITION), "since=2026-04-30T10:00:00.000Z");
    fake_close(&f);
}

static void test_gd_detector_is_gone(void **state)
{
    (void)state;
    struct fake f;
    open_findings(&f, NULL);
    CHECK_INT("two", list_detectors(&f, "[\"" A "\",\"" B "\"]", NULL), SC_MORE);
    CHECK_INT("the first", read_page(&f, "a", "2026-05-01T09:40:00.000Z", NULL), SC_MORE);
    fake_request(&f);
    CHECK_INT("refused", fake_reply(&f, 400, "{\"__type\":\"BadRequestException\",\"message\":\"not owned by the current account\"}"), SC_REFUSE);
    CHECK_INT("asked anew", list_detectors(&f, "[\"" B "\",\"c\"]", NULL), SC_MORE);
    check_list(&f, "all of them, from the beginning", B, 3, FAKE_NOW - 24ll * 60 * MINUTE, NULL);
    fake_close(&f);
}

static void test_gd_clock_ahead_at_first(void **state)
{
    (void)state;
    struct fake f;
    open_findings(&f, A);
    f.now += 2 * 24ll * 60 * MINUTE;
    fake_request(&f);
    fake_reply(&f, 200, NULL);
    fake_list(&f, "");
    f.now = FAKE_NOW; /* the reply's Date */
    CHECK_INT("from earlier on", fake_page(&f, 0, NULL), SC_MORE);
    CHECK_TEXT("nothing is remembered", fake_show(&f, FAKE_POSITION), "");
    check_list(&f, "a day back by the vendor's clock", A, 3, FAKE_NOW - 24ll * 60 * MINUTE, NULL);
    CHECK_INT("once", read_page(&f, "", NULL, NULL), SC_WALKED);
    fake_close(&f);
}

static void test_gd_errors(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *type, *body; /* type: header */
        enum sc_action want;
        enum sc_reason reason;
        const char *detail;
    } rows[] = {
        {429, "TooManyRequestsException", "{\"message\":\"Rate exceeded\"}", SC_REFUSE, SC_REASON_RATE_LIMITED, "TooManyRequestsException: Rate exceeded"},
        {400, "ThrottlingException:http://internal.amazon.com/coral/", "", SC_REFUSE, SC_REASON_RATE_LIMITED, "ThrottlingException"},
        {400, NULL, "{\"__type\":\"com.amazon#ThrottlingException\",\"Message\":\"Rate exceeded\"}", SC_REFUSE, SC_REASON_RATE_LIMITED,
         "ThrottlingException: Rate exceeded"},
        {403, NULL, "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}", SC_REFUSE, SC_REASON_PERMISSION_DENIED, "AccessDeniedException: no"},
        {400, "AccessDeniedException", "{}", SC_REFUSE, SC_REASON_PERMISSION_DENIED, "AccessDeniedException"},
        {403, "UnrecognizedClientException", "{}", SC_REFUSE, SC_REASON_AUTH_INVALID, "UnrecognizedClientException"},
        {403, "ExpiredTokenException", "{}", SC_REFUSE, SC_REASON_AUTH_EXPIRED, "ExpiredTokenException"},
        {403, "InvalidSignatureException", "{\"message\":\"Signature expired: 2026\"}", SC_REFUSE, SC_REASON_CLOCK_SKEW,
         "InvalidSignatureException: Signature expired: 2026"},
        {403, "InvalidSignatureException", "{\"message\":\"Signature not yet current: 2026\"}", SC_REFUSE, SC_REASON_CLOCK_SKEW,
         "InvalidSignatureException: Signature not yet current: 2026"},
        {403, "InvalidSignatureException", "{\"message\":\"The request signature we calculated\"}", SC_REFUSE, SC_REASON_AUTH_INVALID,
         "InvalidSignatureException: The request signature we calculated"},
        {403, "IncompleteSignature", "{}", SC_REFUSE, SC_REASON_AUTH_INVALID, "IncompleteSignature"},
        {400, "BadRequestException", "{\"message\":\"x\"}", SC_REFUSE, SC_REASON_CONFIG_INVALID, "BadRequestException: x"},
        {403, NULL, "<html>", SC_BY_STATUS, 0, ""},
        {500, "InternalServerErrorException", "{\"message\":\"x\"}", SC_BY_STATUS, 0, "InternalServerErrorException: x"},
        {503, NULL, "", SC_BY_STATUS, 0, ""},
        {429, NULL, "", SC_BY_STATUS, 0, ""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (unsigned step = 0; step < 2; step++) { /* a list of findings, of detectors */
            struct fake f;
            char want[200];
            open_findings(&f, step ? NULL : A);
            fake_request(&f);
            f.headers_first = true;
            if (rows[i].type)
                fake_header(&f, "x-amzn-ErrorType", rows[i].type);
            bool about_settings = step && rows[i].reason == SC_REASON_CONFIG_INVALID; /* ListDetectors names none */
            CHECK_INT(rows[i].detail, fake_reply(&f, rows[i].status, rows[i].body), about_settings ? SC_BY_STATUS : rows[i].want);
            CHECK_INT(rows[i].detail, f.verdict.reason, about_settings ? 0 : rows[i].reason);
            snprintf(want, sizeof want, "%s%s", step ? "ListDetectors: " : "", rows[i].detail);
            CHECK_TEXT(rows[i].detail, f.verdict.detail, want);
            fake_close(&f);
        }
    }
}

/* A throttle is not about the token, and not about the size of a batch. */
static void test_gd_throttled_behind_a_token(void **state)
{
    (void)state;
    static const char body[] = "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}";
    struct fake f;
    open_findings(&f, A);
    CHECK_INT("more", read_page(&f, "a", NULL, "t1"), SC_MORE);
    fake_request(&f);
    CHECK_INT("throttled", fake_reply(&f, 400, body), SC_REFUSE);
    check_list(&f, "the token stays", A, 3, FAKE_NOW - 24ll * 60 * MINUTE, "t1");
    fake_reply(&f, 200, NULL);
    fake_list(&f, "b c");
    CHECK_INT("a list", fake_page(&f, 0, NULL), SC_PART);
    fake_request(&f);
    CHECK_INT("throttled", fake_reply(&f, 400, body), SC_REFUSE);
    fake_request(&f);
    CHECK_TEXT("the batch stays", f.body, "{\"findingIds\":[\"b\",\"c\"]," ORDER "}");
    fake_close(&f);
}

static void test_gd_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *region, *base, *url;
    } rows[] = {
        {"cn-north-1", "https://guardduty.cn-north-1.amazonaws.com", "https://guardduty.cn-north-1.amazonaws.com.cn/detector/" A "/findings"},
        {"cn-north-1", "https://guardduty.cn-north-1.amazonaws.com/", "https://guardduty.cn-north-1.amazonaws.com.cn/detector/" A "/findings"},
        {"cn-north-1", "https://guardduty.cn-north-1.amazonaws.com.cn", "/detector/" A "/findings"},
        {"cn-north-1", "http://127.0.0.1:8080/aws", "/detector/" A "/findings"},
        {"eu-west-1", "https://guardduty.eu-west-1.amazonaws.com", "/detector/" A "/findings"},
        {NULL, "https://guardduty.us-east-1.amazonaws.com", "/detector/" A "/findings"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_findings(&f, A);
        fake_set(&f, FAKE_SETTING, "region", rows[i].region);
        f.base_url = rows[i].base;
        fake_request(&f);
        CHECK_TEXT(rows[i].base, f.url, rows[i].url);
        fake_close(&f);
    }
}

static void try_without_memory(long n, bool *ret_failed)
{
    struct fake f;
    open_findings(&f, NULL);
    fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:30:00.000Z");
    f.fail_at = n;
    enum sc_more more = SC_MORE;
    static const char *const newest[] = {"2026-05-01T09:40:00.000Z", "2026-05-01T09:35:00.000Z"};
    for (int page = -1; page < 2 && more == SC_MORE && !f.failed; page++) {
        fake_request(&f);
        if (f.failed)
            break;
        fake_reply(&f, 200, NULL);
        fake_envelope(&f, "detectorIds", "[\"" A "\",\"" B "\"]");
        if (page >= 0)
            fake_list(&f, "a");
        more = fake_page(&f, 0, NULL);
        if (more != SC_PART || f.failed)
            continue;
        fake_request(&f);
        fake_reply(&f, 200, NULL);
        more = fake_page(&f, 1, newest[page]);
    }
    CHECK_TRUE("goes on, or is asked again", f.failed || more == SC_WALKED);
    const char *time = fake_get(&f, FAKE_POSITION, "time"); /* of a page that does not count the agent undoes what was set */
    CHECK_TRUE("moves at the end alone", more == SC_BROKEN || strcmp(time, more == SC_WALKED ? "2026-05-01T09:40:00.000Z" : "2026-05-01T09:30:00.000Z") == 0);
    *ret_failed = f.failed;
    fake_close(&f);
}

static void test_gd_no_memory(void **state)
{
    (void)state;
    long n = 1;
    for (bool failed = true; failed; n++)
        try_without_memory(n, &failed);
    CHECK_TRUE("every place was tried", n > 40);
}

static void test_gd_table(void **state)
{
    (void)state;
    struct fake f;
    fake_open(&f, MODULE, "findings");
    const struct sc_data_type *t = f.host.type;
    CHECK_INT("versions", t->identity, SC_VERSIONED);
    CHECK_TRUE("id and its time", strcmp(t->id[0], "id") == 0 && strcmp(t->id[1], "updatedAt") == 0 && strcmp(t->time, "updatedAt") == 0);
    CHECK_INT("5 minutes", t->interval_s, 300);
    CHECK_INT("a day", t->lookback_s, 86400);
    CHECK_INT("overlap", t->overlap_s, 300);
    CHECK_INT("signed", f.connector->auth.kind, SC_AUTH_SIGNED);
    for (const struct sc_field *c = f.connector->credentials; c->name; c++)
        CHECK_TRUE("secret", c->secret);
    CHECK_TRUE("2 a second", f.connector->pools[0].requests <= 2 * f.connector->pools[0].per_s);
    fake_close(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gd_follows_time),
        cmocka_unit_test(test_gd_empty_circle), cmocka_unit_test(test_gd_tokens),
        cmocka_unit_test(test_gd_detectors),
        cmocka_unit_test(test_gd_several_detectors),
        cmocka_unit_test(test_gd_detector_is_gone),
        cmocka_unit_test(test_gd_clock_ahead_at_first),
        cmocka_unit_test(test_gd_errors),
        cmocka_unit_test(test_gd_throttled_behind_a_token),
        cmocka_unit_test(test_gd_hosts),
        cmocka_unit_test(test_gd_no_memory),
        cmocka_unit_test(test_gd_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
