/* Qualys: what an error body says, the operator's parameters, and the module as a script of exchanges. */
#include "fake_host.h"

#include "qualys/params.h"
#include "qualys/simple_return.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define LIST       "/api/2.0/fo/asset/host/vm/detection/?action=list&output_format=XML&vm_processed_after="
#define STATUSES   "&show_igs=0&show_reopened_info=1&status=New,Active,Fixed,Re-Opened"
#define OUTPUT     "HOST_LIST_VM_DETECTION_OUTPUT.RESPONSE."
#define MINUTE     60000

/* ---- error bodies ------------------------------------------------------------------------------------------------------- */

#define RETURN(inner) "<SIMPLE_RETURN><RESPONSE>" inner "</RESPONSE></SIMPLE_RETURN>"

static const struct {
    const char *body;
    bool is_one;
    const char *code, *text, *why;
} bodies[] = {
    {RETURN("<DATETIME>2026-11-20T03:00:00Z</DATETIME><CODE>1960</CODE><TEXT>Busy</TEXT>"), true, "1960", "Busy", "as documented"},
    {"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!DOCTYPE SIMPLE_RETURN SYSTEM \"https://x/simple_return.dtd\">\n<!-- > -->"
     RETURN(" <CODE> 1965\n</CODE>"),
     true, "1965", "", "declarations, comments, blanks"},
    {"<!DOCTYPE SIMPLE_RETURN [<!ENTITY x \"]>\">]>" RETURN("<CODE>1</CODE>"), true, "1", "", "an internal subset"},
    {RETURN("<TEXT><![CDATA[a < b & <CODE>7</CODE>]]> c</TEXT><CODE>2</CODE>"), true, "2", "a < b & <CODE>7</CODE> c", "character data"},
    {RETURN("<TEXT>a &lt;b&gt; &amp;&quot;&apos; &#65; \xc3\xa9\x01</TEXT>"), true, "", "a <b> &\"' &#65; ??", "entities; nothing unprintable"},
    {RETURN("<ITEM_LIST><ITEM><CODE>9</CODE><TEXT>deep</TEXT></ITEM></ITEM_LIST><CODE>3</CODE>"), true, "3", "", "only at its own place"},
    {RETURN("<X a='/>' b=\"<CODE>8</CODE>\"/><CODE/><CODE>4</CODE><CODE>5</CODE>"), true, "4", "", "attributes, empty elements, the first that says anything"},
    {"<SIMPLE_RETURN><OTHER><CODE>6</CODE></OTHER><CODE>7</CODE><RESPONSE><CODE>8</CODE></RESPONSE></SIMPLE_RETURN>", true, "8", "", "another parent"},
    {"<SIMPLE_RETURN><RESPONSE><CODE>1965</CODE><TEXT>cut sho", true, "1965", "cut sho", "cut short"},
    {"<SIMPLE_RETURN><RESPONSE><CODE>19", true, "19", "", "cut within the code"},
    {"<SIMPLE_RETURN/>", true, "", "", "says nothing"},
    {"<SIMPLE_RETURN", true, "", "", "cut within the root"},
    {"<SIMPLE_RETURNS><RESPONSE><CODE>1</CODE>", false, "", "", "another root"},
    {"<HOST_LIST_VM_DETECTION_OUTPUT><RESPONSE><CODE>1</CODE>", false, "", "", "a list"},
    {"text " RETURN("<CODE>1</CODE>"), false, "", "", "text before it"},
    {"<html><body>" RETURN("<CODE>1</CODE>"), false, "", "", "a web page"},
    {"{\"CODE\":1}", false, "", "", "JSON"},
    {"", false, "", "", "nothing"},
    {"<", false, "", "", "nearly nothing"},
    {"<!--", false, "", "", "a comment without end"},
};

static void test_qualys_error_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(bodies); i++) {
        struct qualys_fault fault;
        struct sc_str body = sc_str_of(bodies[i].body);
        CHECK_INT(bodies[i].why, qualys_simple_return(body, &fault), bodies[i].is_one);
        CHECK_TEXT(bodies[i].why, fault.code, bodies[i].code);
        CHECK_TEXT(bodies[i].why, fault.text, bodies[i].text);
        for (size_t cut = 0; cut < body.len; cut++) { /* whatever of it comes: no byte beyond */
            struct guard g = guard_copy(body.ptr, cut);
            (void)qualys_simple_return((struct sc_str){g.ptr, cut}, &fault);
            (void)qualys_is_web_page((struct sc_str){g.ptr, cut});
            guard_done(&g);
        }
    }
    struct qualys_fault fault;
    char deep[4096] = "<SIMPLE_RETURN>", many[600];
    for (int i = 0; i < 200; i++)
        strcat(deep, "<A>");
    CHECK_TRUE("deep", qualys_simple_return(sc_str_of(deep), &fault));
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    qualys_fault_set(&fault, sc_str_of(many), sc_str_of(many));
    CHECK_INT("code is cut", strlen(fault.code), sizeof fault.code - 1);
    CHECK_INT("text is cut", strlen(fault.text), sizeof fault.text - 1);
}

static void test_qualys_web_pages(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool is_one;
    } rows[] = {
        {"<html>", true},      {" <!DOCTYPE html>\n<HTML lang=en>", true}, {"<?xml version='1.0'?><!-- x --><html xmlns='x'>", true},
        {"<htmlx>", false},    {"<SIMPLE_RETURN>", false},                 {"html", false},
        {"<!DOCTYPE html>", false}, {"", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_INT(rows[i].body, qualys_is_web_page(sc_str_of(rows[i].body)), rows[i].is_one);
}

/* ---- parameters ------------------------------------------------------------------------------------------------------------ */

static void test_qualys_params(void **state)
{
    (void)state;
    static const struct {
        const char *extra, *wrong; /* part of what is said; NULL: fine */
    } rows[] = {
        {NULL, NULL},
        {"", NULL},
        {"severities=3-5&show_qds=1", NULL},
        {"&status=Active,New&", NULL},
        {"qids=1%2C2&ids=5-9&id_max=100", NULL},
        {"show_id_min=1&x=id_min", NULL},
        {"id_min=5", "id_min"},
        {"severities=5&ID_MIN=5", "id_min"},
        {"id%5Fmin=5", "id_min"},
        {"id%5fmin", "id_min"},
        {"truncation_limit=0", "truncation_limit"},
        {"a=1&&action=list", "action"},
        {"output_format=CSV", "output_format"},
        {"vm_processed_after=2026", "vm_processed_after"},
        {"vm_processed_before=2026", "vm_processed_before"},
        {"?severities=5", "another character"},
        {"severities=5 &x=1", "another character"},
        {"severities=5#x", "another character"},
        {"tag=\xc3\xa9", "another character"},
        {"a=\r\nX: y", "another character"},
        {"a%5", NULL},
        {"%", NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char why[200] = "";
        const char *row = rows[i].extra ? rows[i].extra : "none";
        CHECK_INT(row, qualys_params_wrong(rows[i].extra, why, sizeof why), rows[i].wrong != NULL);
        CHECK_TRUE(row, strstr(why, rows[i].wrong ? rows[i].wrong : ""));
    }
    CHECK_TRUE("named", qualys_params_name("a=1&Status=New", "status"));
    CHECK_TRUE("not named", !qualys_params_name("statuses=1&x=status&status2", "status"));
}

static void test_qualys_limits(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        uint32_t limit;
        const char *digits; /* "": stays */
    } rows[] = {
        {"/x?action=list&truncation_limit=1000&id_min=5", 500, "1000"},
        {"/x?truncation_limit=1000", 500, "1000"},
        {"/x?truncation_limit=500&id_min=5", 500, ""},
        {"/x?truncation_limit=0&id_min=5", 500, "0"},
        {"/x?truncation_limit=99999999999999999999&a", 500, "99999999999999999999"},
        {"/x?truncation_limit=many", 500, ""},
        {"/x?truncation_limit=9x9", 5, ""},
        {"/x?truncation_limit=", 5, ""},
        {"/x?xtruncation_limit=1000", 5, ""},
        {"/truncation_limit=1000?a=1", 5, ""},
        {"/truncation_limit=1000", 5, ""},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_TRUE(rows[i].url, sc_str_is(qualys_limit_above(rows[i].url, rows[i].limit), rows[i].digits));
}

/* ---- the module ------------------------------------------------------------------------------------------------------------- */

static void open_list(struct fake *f)
{
    fake_open(f, MODULE, "host_detections");
    fake_set(f, FAKE_SETTING, "host", "qualysapi.qualys.eu");
    fake_set(f, FAKE_SETTING, "truncation_limit", "1000");
    fake_set(f, FAKE_SETTING, "api_version", "2.0");
    f->base_url = "https://qualysapi.qualys.eu";
}

static void expect(struct fake *f, const char *why, const char *url)
{
    CHECK_INT(why, fake_request(f), SC_SEND);
    CHECK_TEXT(why, f->url, url);
    CHECK_TEXT("mandatory", fake_asked(f, "X-Requested-With"), "signal-client");
    CHECK_INT("patience", f->first_byte_s, 600);
    CHECK_TEXT("one pool", f->pools, "detections");
}

static void test_qualys_walk(void **state)
{
    (void)state;
    struct fake f;
    open_list(&f);
    expect(&f, "a day back", LIST "2026-04-30T10%3A00%3A00Z&truncation_limit=1000" STATUSES);
    CHECK_INT("cut", fake_reply(&f, 200, NULL), SC_CUT);
    fake_envelope(&f, OUTPUT "WARNING.CODE", "1980");
    fake_envelope(&f, OUTPUT "WARNING.URL", "\n https://qualysapi.qualys.com/api/2.0/x/?truncation_limit=1000&id_min=50\n");
    CHECK_INT("more", fake_page(&f, 9, "2026-05-01T09:59:00Z"), SC_MORE);
    CHECK_TRUE("the position waits for the end", !fake_get(&f, FAKE_POSITION, "time"));
    f.now += 30 * MINUTE;
    expect(&f, "as it stands, here", "/api/2.0/x/?truncation_limit=1000&id_min=50");
    f.halvings = 2;
    expect(&f, "smaller after one that was too large", "/api/2.0/x/?truncation_limit=250&id_min=50");
    f.halvings = 0;
    CHECK_INT("cut", fake_reply(&f, 200, NULL), SC_CUT);
    CHECK_INT("the last", fake_page(&f, 0, NULL), SC_WALKED);
    CHECK_TEXT("when it began, less the lag", fake_get(&f, FAKE_POSITION, "time"), "2026-05-01T09:45:00.000Z");
    fake_new_walk(&f);
    expect(&f, "a quarter of an hour before", LIST "2026-05-01T09%3A30%3A00Z&truncation_limit=1000" STATUSES);
    fake_close(&f);
}

static void test_qualys_settings(void **state)
{
    (void)state;
    static const struct {
        const char *extra, *limit, *rest;
    } rows[] = {
        {"severities=3-5&show_qds=1", "200", "&truncation_limit=200" STATUSES "&severities=3-5&show_qds=1"},
        {"&status=Active", "0", "&truncation_limit=1000&show_igs=0&show_reopened_info=1&status=Active"},
        {"SHOW_IGS=1&show_reopened_info=0", "junk",
         "&truncation_limit=1000&status=New,Active,Fixed,Re-Opened&SHOW_IGS=1&show_reopened_info=0"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        char want[400];
        open_list(&f);
        fake_set(&f, FAKE_SETTING, "extra_params", rows[i].extra);
        fake_set(&f, FAKE_SETTING, "truncation_limit", rows[i].limit);
        snprintf(want, sizeof want, LIST "2026-04-30T10%%3A00%%3A00Z%s", rows[i].rest);
        expect(&f, rows[i].extra, want);
        CHECK_INT(rows[i].extra, fake_reply(&f, 200, NULL), SC_CUT);
        fake_close(&f);
    }
    struct fake f;
    open_list(&f);
    fake_set(&f, FAKE_SETTING, "extra_params", "id_min=5");
    CHECK_INT("nothing is asked", fake_request(&f), SC_UNABLE);
    CHECK_TRUE("why", f.why && strstr(f.why, "settings.extra_params names id_min"));
    fake_close(&f);
}

static void test_qualys_refusals(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body, *to_wait;
        enum sc_reason reason;
        int64_t wait_ms; /* 0: none named by the connector */
    } rows[] = {
        {409, RETURN("<CODE>1965</CODE>"), "120", SC_REASON_RATE_LIMITED, 0},
        {400, RETURN("<CODE>1965</CODE>"), "120", SC_REASON_RATE_LIMITED, 0},
        {409, RETURN("<CODE>1965</CODE>"), "1000", SC_REASON_QUOTA_EXHAUSTED, 0},
        {409, RETURN("<CODE>1960</CODE>"), "0", SC_REASON_VENDOR_BUSY, MINUTE},
        {409, RETURN("<CODE>1920</CODE>"), "300", SC_REASON_VENDOR_BUSY, 5 * MINUTE},
        {409, RETURN("<CODE>1960</CODE>"), "junk", SC_REASON_VENDOR_BUSY, MINUTE},
        {409, "<SIMPLE_RETURN/>", NULL, SC_REASON_RATE_LIMITED, 0},
        {401, RETURN("<CODE>2000</CODE><TEXT>Bad Login/Password</TEXT>"), NULL, SC_REASON_AUTH_INVALID, 0},
        {401, "<html>no</html>", NULL, SC_REASON_AUTH_INVALID, 0},
        {400, RETURN("<CODE>1905</CODE>"), NULL, SC_REASON_CONFIG_INVALID, 0},
        {400, RETURN("<CODE>1</CODE>"), NULL, SC_REASON_CONFIG_INVALID, 0},
        {403, RETURN("<CODE>1</CODE>"), NULL, SC_REASON_PERMISSION_DENIED, 0},
        {403, "<html>no</html>", NULL, SC_REASON_WRONG_HOST, 0},
        {404, NULL, NULL, SC_REASON_WRONG_HOST, 0},
        {200, "<html>no</html>", NULL, SC_REASON_WRONG_HOST, 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        char why[40];
        snprintf(why, sizeof why, "row %zu", i);
        open_list(&f);
        fake_request(&f);
        f.headers_first = true;
        if (rows[i].to_wait)
            fake_header(&f, "X-RateLimit-ToWait-Sec", rows[i].to_wait);
        if (rows[i].status == 200)
            fake_header(&f, "Content-Type", "text/html; charset=utf-8");
        CHECK_INT(why, fake_reply(&f, rows[i].status, rows[i].body), SC_REFUSE);
        CHECK_INT(why, f.verdict.reason, rows[i].reason);
        CHECK_INT(why, f.verdict.wait_until, rows[i].wait_ms ? f.now + rows[i].wait_ms : SC_TIME_NONE);
        fake_close(&f);
    }
}

static void test_qualys_no_reply(void **state)
{
    (void)state;
    static const struct {
        enum sc_reason transport;
        int64_t wait_ms; /* 0: the agent decides */
    } rows[] = {{SC_REASON_READ_TIMEOUT, 5 * MINUTE}, {SC_REASON_CONNECTION_LOST, MINUTE}, {SC_REASON_DNS_FAILURE, 0}, {SC_REASON_CONNECTION_REFUSED, 0}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_list(&f);
        fake_request(&f);
        CHECK_INT("no reply", fake_no_reply(&f, rows[i].transport), rows[i].wait_ms ? SC_REFUSE : SC_BY_STATUS);
        CHECK_INT("waits", f.verdict.wait_until, rows[i].wait_ms ? f.now + rows[i].wait_ms : SC_TIME_NONE);
        if (rows[i].wait_ms)
            CHECK_INT("the same reason", f.verdict.reason, rows[i].transport);
        fake_close(&f);
    }
}

static void test_qualys_pages(void **state)
{
    (void)state;
    static const struct {
        const char *code, *text, *url, *link; /* of the page */
        enum sc_more want;
        const char *why;
    } rows[] = {
        {NULL, NULL, NULL, NULL, SC_WALKED, "no WARNING: the end"},
        {"1981", "Some notice.", NULL, NULL, SC_WALKED, "one that speaks of something else"},
        {"1980", "x", NULL, NULL, SC_BROKEN, "more, and no address"},
        {"7", "2 record limit exceeded. Use URL to get next batch of results.", NULL, NULL, SC_BROKEN, "by its text, as the code is unverified"},
        {"1980", "x", "ftp://x/y?id_min=9", NULL, SC_BROKEN, "not followed"},
        {"1980", "x", "https://q/api/x?id_min=9", NULL, SC_MORE, "followed"},
        {"1980", "x", "https://q/api/x?id_min=5", NULL, SC_LOOP, "the page that was just read"},
        {"1980", "x", "https://q/api/x?id_min=4", NULL, SC_LOOP, "one before it"},
        {"1980", "x", "https://q/api/x?page=2", NULL, SC_MORE, "without id_min: the agent looks at the address"},
        {NULL, NULL, NULL, "<https://q/api/x?id_min=9>; rel=\"next\"", SC_MORE, "a header"},
        {NULL, NULL, NULL, "<https://q/api/x?id_min=9>; rel=\"prev\"", SC_WALKED, "another header"},
        {"1980", "x", "https://q/api/x?id_min=9", "<https://q/api/x?id_min=3>; rel=\"next\"", SC_MORE, "the body's counts"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_list(&f);
        fake_set(&f, FAKE_POSITION, "time", "2026-05-01T09:00:00.000Z");
        fake_set(&f, FAKE_WALK, "from", "2026-05-01T08:45:00.000Z");
        fake_set(&f, FAKE_WALK, "to", "2026-05-01T09:45:00.000Z");
        fake_set(&f, FAKE_WALK, "next", "/api/x?a=1&id_min=5");
        expect(&f, "resumed", "/api/x?a=1&id_min=5");
        CHECK_INT("cut", fake_reply(&f, 200, NULL), SC_CUT);
        if (rows[i].link)
            fake_header(&f, "Link", rows[i].link);
        fake_envelope(&f, OUTPUT "WARNING.CODE", rows[i].code);
        fake_envelope(&f, OUTPUT "WARNING.TEXT", rows[i].text);
        fake_envelope(&f, OUTPUT "WARNING.URL", rows[i].url);
        CHECK_INT(rows[i].why, fake_page(&f, 3, "2026-05-01T09:30:00Z"), rows[i].want);
        if (rows[i].want == SC_BROKEN || rows[i].want == SC_LOOP)
            CHECK_TRUE("says why", f.page.detail[0]);
        fake_close(&f);
    }
}

/* An error inside a success, and a root that is none of Qualys'. */
static void test_qualys_absent(void **state)
{
    (void)state;
    static const struct {
        const char *code, *text;
        enum sc_reason reason;
    } rows[] = {{"1965", "Blocked", SC_REASON_RATE_LIMITED}, {"1960", "Busy", SC_REASON_VENDOR_BUSY}, {"999", "Internal", SC_REASON_VENDOR_ERROR},
                {NULL, "Something", SC_REASON_VENDOR_ERROR}, {"2000", "Bad Login", SC_REASON_AUTH_INVALID}, {NULL, NULL, SC_REASON_OK}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_list(&f);
        fake_request(&f);
        CHECK_INT("cut", fake_reply(&f, 200, NULL), SC_CUT);
        fake_envelope(&f, "SIMPLE_RETURN.RESPONSE.CODE", rows[i].code);
        fake_envelope(&f, "SIMPLE_RETURN.RESPONSE.TEXT", rows[i].text);
        f.absent = true;
        CHECK_INT("no page", fake_page(&f, 0, NULL), SC_BROKEN);
        CHECK_INT("reason", f.page.reason, rows[i].reason);
        CHECK_TEXT("nothing moves", fake_show(&f, FAKE_POSITION), "");
        fake_close(&f);
    }
}

static void test_qualys_pace(void **state)
{
    (void)state;
    static const struct {
        const char *limit, *window, *left;
        int64_t wait_ms;
    } rows[] = {
        {"300", "86400", "150", 288000}, {"300", "86400", "151", 0}, {"300", "3600", "10", 0},
        {"300", "86400", NULL, 0},       {"0", "86400", "0", 0},     {"300", "99999999", "1", 0}, {NULL, NULL, NULL, 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_list(&f);
        fake_request(&f);
        fake_reply(&f, 200, NULL);
        const char *const headers[][2] = {
            {"X-RateLimit-Limit", rows[i].limit}, {"X-RateLimit-Window-Sec", rows[i].window}, {"X-RateLimit-Remaining", rows[i].left}};
        for (size_t h = 0; h < 3; h++) {
            if (headers[h][1])
                fake_header(&f, headers[h][0], headers[h][1]);
        }
        fake_envelope(&f, OUTPUT "WARNING.URL", "https://q/api/x?id_min=9");
        CHECK_INT("more", fake_page(&f, 3, NULL), SC_MORE);
        fake_request(&f);
        CHECK_INT("not before", f.not_before, rows[i].wait_ms ? FAKE_NOW + rows[i].wait_ms : 0);
        fake_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qualys_error_bodies), cmocka_unit_test(test_qualys_web_pages), cmocka_unit_test(test_qualys_params),
        cmocka_unit_test(test_qualys_limits),       cmocka_unit_test(test_qualys_walk),      cmocka_unit_test(test_qualys_settings),
        cmocka_unit_test(test_qualys_refusals),     cmocka_unit_test(test_qualys_no_reply),  cmocka_unit_test(test_qualys_pages),
        cmocka_unit_test(test_qualys_absent),       cmocka_unit_test(test_qualys_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
