/* CISA KEV, module and engine, as a script of exchanges. */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define BASE       "https://www.cisa.gov"
#define FEED       "/sites/default/files/feeds/known_exploited_vulnerabilities.json"
#define MIRROR     "https://raw.githubusercontent.com/cisagov/kev-data/develop/known_exploited_vulnerabilities.json"
#define MODIFIED   "Mon, 02 Mar 2026 17:55:03 GMT"
#define BLOCKED                                                                                                        \
    "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\n\nYou don't have permission to access "           \
    "\"http&#58;&#47;&#47;www&#46;cisa&#46;gov&#47;\" on this server.<P>\nReference&#32;&#35;18&#46;d5f13217&#46;1777629600&#46;1a2b3c4\n" \
    "<P>\nhttps&#58;&#47;&#47;errors&#46;edgesuite&#46;net&#47;18\n</BODY>\n</HTML>\n"

static void open_kev(struct fake *f)
{
    fake_open(f, MODULE, "vulnerabilities");
    f->base_url = BASE;
}

static enum sc_more document(struct fake *f, const char *etag, const char *modified)
{
    CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
    if (etag)
        fake_header(f, "ETag", etag);
    if (modified)
        fake_header(f, "Last-Modified", modified);
    return fake_page(f, 2, "2026-03-02");
}

static void test_kev_validators(void **state)
{
    (void)state;
    struct fake f;
    open_kev(&f);
    CHECK_INT("asks", fake_request(&f), SC_SEND);
    CHECK_TEXT("the feed, below the base URL", f.url, FEED);
    CHECK_TEXT("header", fake_asked(&f, "Accept"), "application/json");
    CHECK_TRUE("no condition", !fake_asked(&f, "If-None-Match") && !fake_asked(&f, "If-Modified-Since"));
    CHECK_TRUE("nothing is stored before the page counts", fake_show(&f, FAKE_POSITION)[0] == '\0');
    CHECK_INT("one document", document(&f, "\"1a2b3c-62f0\"", MODIFIED), SC_WALKED);
    CHECK_TEXT("validators", fake_show(&f, FAKE_POSITION),
               "answered=" BASE FEED " etag=\"1a2b3c-62f0\" last_modified=" MODIFIED " time=2026-03-02 url=" BASE FEED);
    fake_new_walk(&f);
    fake_request(&f);
    CHECK_TEXT("condition", fake_asked(&f, "If-None-Match"), "\"1a2b3c-62f0\"");
    CHECK_TEXT("condition", fake_asked(&f, "If-Modified-Since"), MODIFIED);
    CHECK_INT("nothing new", fake_reply(&f, 304, NULL), SC_FINISHED);
    fake_new_walk(&f);
    fake_request(&f);
    CHECK_INT("next one has a time alone", document(&f, NULL, MODIFIED), SC_WALKED);
    fake_new_walk(&f);
    fake_request(&f);
    CHECK_TRUE("the old tag is gone", !fake_asked(&f, "If-None-Match") && fake_asked(&f, "If-Modified-Since"));
    CHECK_INT("next one has none", document(&f, NULL, NULL), SC_WALKED);
    fake_new_walk(&f);
    fake_request(&f);
    CHECK_TRUE("no condition", !fake_asked(&f, "If-None-Match") && !fake_asked(&f, "If-Modified-Since"));
    fake_close(&f);
}

static void test_kev_other_url(void **state)
{
    (void)state;
    struct fake f;
    open_kev(&f);
    fake_request(&f);
    document(&f, "\"a\"", MODIFIED);
    fake_new_walk(&f);
    f.base_url = "http://127.0.0.1:1234";
    fake_request(&f);
    CHECK_TRUE("validators of another address are not used", !fake_asked(&f, "If-None-Match") && !fake_asked(&f, "If-Modified-Since"));
    CHECK_INT("so a 304 was not asked for", fake_reply(&f, 304, NULL), SC_AGAIN);
    fake_close(&f);
}

static void test_kev_first_304(void **state)
{
    (void)state;
    struct fake f;
    open_kev(&f);
    fake_request(&f);
    CHECK_TRUE("plain", !fake_asked(&f, "Cache-Control"));
    CHECK_INT("a proxy answers", fake_reply(&f, 304, NULL), SC_AGAIN);
    fake_request(&f);
    CHECK_TEXT("past the proxy", fake_asked(&f, "Cache-Control"), "no-cache");
    CHECK_INT("and again", fake_reply(&f, 304, NULL), SC_REFUSE);
    CHECK_INT("and again", f.verdict.reason, SC_REASON_BAD_RESPONSE);
    fake_request(&f);
    CHECK_INT("the document", document(&f, "\"a\"", NULL), SC_WALKED);
    fake_close(&f);
}

static void test_kev_mirror(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum sc_reason reason;
        const char *body, *said;
    } rows[] = {
        {403, SC_REASON_IP_NOT_ALLOWED, BLOCKED,
         BASE " answered 403: the address or agent is blocked, reference #18.d5f13217.1777629600.1a2b3c4"},
        {403, SC_REASON_IP_NOT_ALLOWED, "", BASE " answered 403: the address or agent is blocked"},
        {404, SC_REASON_NOT_FOUND, "<html>", BASE " answered 404"},
        {500, SC_REASON_VENDOR_ERROR, "", BASE " answered 500"},
        {503, SC_REASON_VENDOR_ERROR, "<html>", BASE " answered 503"},
        {0, SC_REASON_TLS_UNTRUSTED, NULL, BASE " gave no answer"},
        {0, SC_REASON_CONNECT_TIMEOUT, NULL, BASE " gave no answer"},
        {0, SC_REASON_DNS_FAILURE, NULL, BASE " gave no answer"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_kev(&f);
        fake_request(&f);
        enum sc_action action =
            rows[i].status ? fake_reply(&f, rows[i].status, rows[i].body) : fake_no_reply(&f, rows[i].reason);
        CHECK_INT(rows[i].said, action, SC_AGAIN);
        CHECK_INT(rows[i].said, f.verdict.reason, rows[i].reason);
        CHECK_TRUE(f.verdict.detail, strncmp(f.verdict.detail, rows[i].said, strlen(rows[i].said)) == 0);
        CHECK_TRUE("names the mirror", strstr(f.verdict.detail, "; asking the mirror https://raw.githubusercontent.com/"));
        fake_request(&f);
        CHECK_TEXT(rows[i].said, f.url, MIRROR);
        CHECK_INT("once", fake_reply(&f, 404, "404: Not Found"), SC_REFUSE);
        CHECK_INT("what the main address said is told", f.verdict.reason, rows[i].reason);
        CHECK_TRUE(f.verdict.detail, strncmp(f.verdict.detail, "from the mirror; before it " BASE, 40) == 0);
        CHECK_TEXT("nothing stays", fake_show(&f, FAKE_WALK), "");
        fake_request(&f);
        CHECK_TEXT("the next try begins at the main address", f.url, FEED);
        fake_close(&f);
    }
}

static void test_kev_mirror_validators(void **state)
{
    (void)state;
    struct fake f;
    open_kev(&f);
    fake_set(&f, FAKE_SETTING, "mirror_url", "https://mirror.test/kev.json");
    fake_request(&f);
    document(&f, "\"main\"", NULL);
    fake_new_walk(&f);
    fake_request(&f);
    fake_reply(&f, 503, NULL);
    fake_request(&f);
    CHECK_TEXT("the configured one", f.url, "https://mirror.test/kev.json");
    CHECK_TRUE("has its own validators", !fake_asked(&f, "If-None-Match"));
    CHECK_INT("answers", document(&f, "\"copy\"", MODIFIED), SC_WALKED);
    CHECK_TEXT("both are kept", fake_show(&f, FAKE_POSITION),
               "answered=https://mirror.test/kev.json etag=\"main\" mirror_etag=\"copy\" mirror_last_modified=" MODIFIED
               " mirror_url=https://mirror.test/kev.json time=2026-03-02 url=" BASE FEED);
    fake_new_walk(&f);
    fake_request(&f);
    CHECK_TEXT("the next poll begins at the main address", f.url, FEED);
    CHECK_TEXT("with its tag", fake_asked(&f, "If-None-Match"), "\"main\"");
    fake_no_reply(&f, SC_REASON_READ_TIMEOUT);
    fake_request(&f);
    CHECK_TEXT("the mirror with its own", fake_asked(&f, "If-None-Match"), "\"copy\"");
    CHECK_INT("nothing new there", fake_reply(&f, 304, NULL), SC_FINISHED);
    fake_new_walk(&f);
    fake_set(&f, FAKE_SETTING, "mirror_url", "https://other.test/kev.json");
    fake_request(&f);
    fake_reply(&f, 403, NULL);
    fake_request(&f);
    CHECK_TRUE("another mirror, no condition", !fake_asked(&f, "If-None-Match") && !fake_asked(&f, "If-Modified-Since"));
    fake_reply(&f, 304, NULL);
    CHECK_INT("a proxy before the mirror: given up", fake_reply(&f, 304, NULL), SC_REFUSE);
    fake_request(&f);
    CHECK_TEXT("and the main address again", f.url, FEED);
    fake_close(&f);
}

static void test_kev_without_mirror(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum sc_action action;
        enum sc_reason reason;
        const char *detail, *advice;
    } rows[] = {
        {403, BLOCKED, SC_REFUSE, SC_REASON_IP_NOT_ALLOWED,
         "the address or agent is blocked, reference #18.d5f13217.1777629600.1a2b3c4", "Allow egress to www.cisa.gov"},
        {404, "", SC_REFUSE, SC_REASON_NOT_FOUND, "", "https://www.cisa.gov/known-exploited-vulnerabilities-catalog"},
        {503, "", SC_BY_STATUS, SC_REASON_OK, "", ""},
        {0, NULL, SC_BY_STATUS, SC_REASON_OK, "", ""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_kev(&f);
        fake_set(&f, FAKE_SETTING, "use_mirror", "false");
        fake_request(&f);
        enum sc_action action =
            rows[i].status ? fake_reply(&f, rows[i].status, rows[i].body) : fake_no_reply(&f, SC_REASON_DNS_FAILURE);
        CHECK_INT(rows[i].advice, action, rows[i].action);
        CHECK_INT(rows[i].advice, f.verdict.reason, rows[i].reason);
        CHECK_TEXT(rows[i].advice, f.verdict.detail, rows[i].detail);
        CHECK_TRUE(rows[i].advice, strstr(f.verdict.advice, rows[i].advice));
        fake_close(&f);
    }
    struct fake f;
    open_kev(&f);
    fake_request(&f);
    CHECK_INT("429 waits, the mirror is not asked", fake_reply(&f, 429, NULL), SC_BY_STATUS);
    fake_close(&f);
}

static void test_kev_odd_references(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "Reference", "Reference ", "Reference&", "Reference&#", "Reference&#3", "Reference&#35", "Reference&#zz;", "Referenc",
        "Reference &#35;18&#46;&#46", "Reference #1.2 Reference #3",
    };
    for (size_t i = 0; i < ROWS(bodies); i++) {
        struct fake f;
        open_kev(&f);
        fake_set(&f, FAKE_SETTING, "use_mirror", "false");
        fake_request(&f);
        fake_reply(&f, 403, bodies[i]);
        const char *want = i == 8 ? "the address or agent is blocked, reference #18." : i == 9 ? "the address or agent is blocked, reference #1.2" : "the address or agent is blocked";
        CHECK_TEXT(bodies[i], f.verdict.detail, want);
        fake_close(&f);
    }
}

static void test_kev_no_memory(void **state)
{
    (void)state;
    for (long n = 1, failed = 1; failed; n++) {
        struct fake f;
        open_kev(&f);
        fake_request(&f);
        fake_reply(&f, 200, NULL);
        fake_header(&f, "ETag", "\"a\"");
        fake_header(&f, "Last-Modified", MODIFIED);
        f.fail_at = n;
        CHECK_INT("the document counts all the same", fake_page(&f, 2, "2026-03-02"), SC_WALKED);
        failed = f.failed;
        f.fail_at = f.failed = 0;
        fake_new_walk(&f);
        fake_request(&f);
        CHECK_TEXT("and is asked for again", f.url, FEED);
        fake_close(&f);
    }
    for (long n = 1, failed = 1; failed; n++) {
        struct fake f;
        open_kev(&f);
        fake_request(&f);
        f.fail_at = n;
        enum sc_action action = fake_reply(&f, 403, BLOCKED);
        failed = f.failed;
        CHECK_INT("refused, or the mirror", action == SC_AGAIN, !failed);
        f.fail_at = f.failed = 0;
        fake_request(&f);
        CHECK_TEXT("where it stands", f.url, failed ? FEED : MIRROR);
        fake_close(&f);
    }
}

static void test_kev_table(void **state)
{
    (void)state;
    struct fake f;
    open_kev(&f);
    const struct sc_connector *c = f.connector;
    const struct sc_data_type *t = f.host.type;
    CHECK_INT("no credentials", c->auth.kind, SC_AUTH_NONE);
    CHECK_TRUE("no credentials", !c->credentials);
    CHECK_INT("snapshot", t->shape, SC_SHAPE_SNAPSHOT);
    CHECK_TEXT("records", t->records, "vulnerabilities[]");
    CHECK_TEXT("id", t->id[0], "cveID");
    CHECK_TEXT("version", t->version[0], "dateReleased");
    CHECK_TEXT("version", t->version[1], "catalogVersion");
    CHECK_TEXT("count", t->count, "count");
    CHECK_INT("time", t->time_format, SC_TIME_DATE);
    CHECK_INT("interval", t->interval_s, 3600);
    CHECK_INT("warning below", t->min_interval_s, 900);
    CHECK_INT("no lookback", t->lookback_s, 0);
    fake_close(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kev_validators),
        cmocka_unit_test(test_kev_other_url),
        cmocka_unit_test(test_kev_first_304),
        cmocka_unit_test(test_kev_mirror),
        cmocka_unit_test(test_kev_mirror_validators),
        cmocka_unit_test(test_kev_without_mirror),
        cmocka_unit_test(test_kev_odd_references),
        cmocka_unit_test(test_kev_no_memory),
        cmocka_unit_test(test_kev_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
