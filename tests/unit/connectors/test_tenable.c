/* Tenable, module and engine: the job's steps as a script of exchanges, what proves an export to be ours, what a finished one lacks, memory that runs
 * out at each step. */
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
#define HOUR       3600000
#define T(ms)      sc_time_rfc3339((ms), (char[SC_TIME_TEXT]){0})

static void open_vulns(struct fake *f)
{
    fake_open(f, MODULE, "vulnerabilities");
    f->base_url = "https://cloud.tenable.com";
    fake_set(f, FAKE_SETTING, "num_assets", "500");
    fake_set(f, FAKE_SETTING, "include_unlicensed", "false");
    fake_set(f, FAKE_SETTING, "finding_filter", "since");
    fake_set(f, FAKE_POSITION, "time", T(FAKE_NOW - 2 * HOUR));
}

static enum sc_more make(struct fake *f, const char *id)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_TEXT("for an export", f->url, "/vulns/export");
    CHECK_TRUE("saved before, by POST", f->after_save && f->method == SC_POST && f->may_repeat);
    CHECK_INT("cut", fake_reply(f, 200, NULL), SC_CUT);
    fake_list(f, "");
    fake_envelope(f, "export_uuid", id);
    return fake_page(f, 0, NULL);
}

static enum sc_more look(struct fake *f, const char *status, const char *chunks)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_TRUE("for the status", strstr(f->url, "/status") && f->method == SC_GET);
    if (f->not_before > f->now)
        f->now = f->not_before;
    CHECK_INT("cut", fake_reply(f, 200, NULL), SC_CUT);
    fake_list(f, chunks);
    fake_envelope(f, "status", status);
    return fake_page(f, 0, NULL);
}

static enum sc_more chunk(struct fake *f, const char *url)
{
    CHECK_INT("asks", fake_request(f), SC_SEND);
    CHECK_TEXT("for the chunk", f->url, url);
    CHECK_INT("cut", fake_reply(f, 200, NULL), SC_CUT);
    return fake_page(f, 10, NULL);
}

static void test_tenable_steps(void **state)
{
    (void)state;
    struct fake f;
    open_vulns(&f);
    CHECK_INT("made", make(&f, "e-1"), SC_MORE);
    CHECK_TEXT("what is asked", f.body, "{\"num_assets\":500,\"include_unlicensed\":false,\"filters\":{\"since\":1777622400,"
                                       "\"state\":[\"OPEN\",\"REOPENED\",\"FIXED\"]}}");
    CHECK_TEXT("JSON", fake_asked(&f, "Content-Type"), "application/json");
    CHECK_TEXT("one budget", f.pools, "api");
    static const int64_t pauses[] = {2, 4, 8, 16, 30, 30};
    for (size_t i = 0; i < ROWS(pauses); i++) {
        int64_t before = f.now;
        CHECK_INT("waits", look(&f, "QUEUED", ""), SC_MORE);
        CHECK_INT("so many seconds", f.now - before, pauses[i] * 1000);
    }
    CHECK_INT("two are there", look(&f, "PROCESSING", "7 3"), SC_MORE);
    CHECK_INT("the lower one first", chunk(&f, "/vulns/export/e-1/chunks/3"), SC_MORE);
    CHECK_INT("kept by the end of the export", f.remember_as, FAKE_NOW - HOUR);
    fake_drop_page(&f); /* a restart */
    CHECK_INT("and the other", chunk(&f, "/vulns/export/e-1/chunks/7"), SC_MORE);
    CHECK_TEXT("what is read", fake_get(&f, FAKE_WALK, "job_done"), "3,7");
    CHECK_INT("one more", look(&f, "FINISHED", "3 4 7"), SC_MORE);
    CHECK_INT("the last", chunk(&f, "/vulns/export/e-1/chunks/4"), SC_WALKED);
    CHECK_TEXT("covered until it was made, less the lag", fake_get(&f, FAKE_POSITION, "time"), T(FAKE_NOW - HOUR));
    fake_close(&f);
}

/* By whose word the export ends where it does: the earlier of when we asked and what the vendor's reply says. */
static void test_tenable_clock(void **state)
{
    (void)state;
    static const struct {
        int64_t answered, want;
        const char *why;
    } rows[] = {
        {FAKE_NOW + 3000, FAKE_NOW, "the reply took its time"},
        {FAKE_NOW - 600000, FAKE_NOW - 600000, "our clock is 10 minutes ahead"},
        {FAKE_NOW + 600000, FAKE_NOW, "our clock is 10 minutes behind"},
        {FAKE_NOW - 1, FAKE_NOW - 1000, "whole seconds, floored"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_vulns(&f);
        f.answered = rows[i].answered;
        CHECK_INT("made", make(&f, "e-1"), SC_MORE);
        f.answered = 0;
        CHECK_INT("over", look(&f, "FINISHED", ""), SC_WALKED);
        CHECK_TEXT(rows[i].why, fake_get(&f, FAKE_POSITION, "time"), T(rows[i].want - HOUR));
        fake_close(&f);
    }
}

static const char conflict[] = "{\"active_job_id\":\"o-1\",\"failure_reason\":\"Duplicate\"}";

/* Before the 409: what became of the request before it. Then what the status of the export in the way says. */
static void test_tenable_whose(void **state)
{
    (void)state;
    static const struct {
        int before; /* status of the reply to the first request; 0: it never came; -1: there was none */
        int64_t created; /* since the first request; -1: not said */
        const char *filters;
        bool ours;
        const char *why;
    } rows[] = {
        {0, 500, NULL, true, "the reply never came, and it was made then"},
        {502, 500, NULL, true, "a gateway gave up"},
        {0, -1500, NULL, true, "our idea of its clock is a little ahead"},
        {0, -5000, NULL, false, "it was there before we asked"},
        {0, -1, NULL, false, "it does not say when"},
        {0, 99 * HOUR, NULL, false, "a time that cannot be"},
        {0, 500, "{\"since\":1777622400,\"state\":[\"OPEN\"]}", true, "our second"},
        {0, 500, "{\"since\":17776224001}", false, "only its digits"},
        {0, 500, "{\"severity\":[\"critical\"]}", false, "other filters"},
        {-1, 500, NULL, false, "we never asked before"},
        {429, 500, NULL, false, "we were refused: nothing was made"},
        {400, 500, NULL, false, "we were refused: nothing was made"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        char text[32];
        open_vulns(&f);
        fake_request(&f);
        if (rows[i].before == 0)
            fake_no_reply(&f, SC_REASON_READ_TIMEOUT);
        else if (rows[i].before > 0)
            fake_reply(&f, rows[i].before, "{}");
        f.now += rows[i].before < 0 ? 0 : 10000;
        fake_request(&f);
        CHECK_INT(rows[i].why, fake_reply(&f, 409, conflict), SC_AGAIN);
        snprintf(text, sizeof text, "%lld", (long long)(FAKE_NOW + rows[i].created));
        CHECK_INT("looks at it", fake_request(&f), SC_SEND);
        CHECK_TEXT("looks at it", f.url, "/vulns/export/o-1/status");
        f.now = f.not_before;
        fake_reply(&f, 200, NULL);
        fake_list(&f, "1");
        fake_envelope(&f, "status", "PROCESSING");
        fake_envelope(&f, "created", rows[i].created == -1 ? NULL : text);
        fake_envelope(&f, "filters", rows[i].filters);
        CHECK_INT(rows[i].why, fake_page(&f, 0, NULL), SC_MORE);
        fake_request(&f);
        CHECK_TEXT(rows[i].why, f.url, rows[i].ours ? "/vulns/export/o-1/chunks/1" : "/vulns/export/o-1/status");
        CHECK_INT("only ours is cancelled", fake_leave(&f), rows[i].ours);
        if (rows[i].ours) {
            CHECK_TEXT("not beyond the moment of asking", fake_get(&f, FAKE_WALK, "to"), T(FAKE_NOW - 2000 - HOUR));
        } else {
            CHECK_INT("it ends", look(&f, "FINISHED", "1"), SC_MORE);
            CHECK_INT("then ours is made", make(&f, "e-1"), SC_MORE);
        }
        fake_close(&f);
    }
}

static void test_tenable_ends(void **state)
{
    (void)state;
    static const struct {
        const char *status, *failed, *cancelled;
        enum sc_more want;
        const char *why;
    } rows[] = {
        {"FINISHED", "[]", "[]", SC_WALKED, "nothing is missing"},
        {"FINISHED", NULL, NULL, SC_WALKED, "the lists are indicative: without them"},
        {"FINISHED", "[4]", "[]", SC_LOOP, "a chunk failed"},
        {"FINISHED", "[]", "[4,5]", SC_LOOP, "chunks were cancelled"},
        {"ERROR", NULL, NULL, SC_LOOP, "it failed"},
        {"CANCELLED", NULL, NULL, SC_LOOP, "it was cancelled"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fake f;
        open_vulns(&f);
        make(&f, "e-1");
        fake_request(&f);
        fake_reply(&f, 200, NULL);
        fake_list(&f, "");
        fake_envelope(&f, "status", rows[i].status);
        fake_envelope(&f, "chunks_failed", rows[i].failed);
        fake_envelope(&f, "chunks_cancelled", rows[i].cancelled);
        CHECK_INT(rows[i].why, fake_page(&f, 0, NULL), rows[i].want);
        bool good = rows[i].want == SC_WALKED;
        CHECK_TEXT(rows[i].why, fake_get(&f, FAKE_POSITION, "time"), T(FAKE_NOW - (good ? 1 : 2) * HOUR));
        CHECK_TRUE("nothing of it is left", !fake_get(&f, FAKE_WALK, "job") && !fake_leave(&f));
        CHECK_INT("what to say", f.page.reason, good ? SC_REASON_OK : SC_REASON_VENDOR_ERROR);
        fake_close(&f);
    }
}

/* An hour QUEUED, six hours without anything new; not while nobody looked. Three are made, then the walk ends. */
static void test_tenable_patience(void **state)
{
    (void)state;
    struct fake f;
    open_vulns(&f);
    for (int i = 1; i <= 3; i++) {
        CHECK_INT("made", make(&f, "e-1"), SC_MORE);
        int64_t began = f.now, patience = i == 1 ? HOUR : 6 * HOUR;
        do {
            CHECK_INT("waits", look(&f, i == 1 ? "QUEUED" : "PROCESSING", ""), SC_MORE);
        } while (!fake_get(&f, FAKE_WALK, "job_quit"));
        CHECK_TRUE("as long as said", f.now - began >= patience && f.now - began < patience + 120000);
        CHECK_INT("asks", fake_request(&f), SC_SEND);
        CHECK_TEXT("takes it back", f.url, "/vulns/export/e-1/cancel");
        CHECK_INT("a POST", f.method, SC_POST);
        if (i == 2) {
            CHECK_INT("a refusal does not matter", fake_reply(&f, 404, "{}"), SC_AGAIN);
            continue;
        }
        CHECK_INT("cut", fake_reply(&f, 200, NULL), SC_CUT);
        CHECK_INT("and on, or over", fake_page(&f, 0, NULL), i < 3 ? SC_MORE : SC_LOOP);
    }
    CHECK_TRUE("why", strstr(f.page.detail, "PROCESSING, and nothing moved in 360 min"));
    fake_new_walk(&f);
    CHECK_INT("made", make(&f, "e-2"), SC_MORE);
    CHECK_INT("queued", look(&f, "QUEUED", ""), SC_MORE);
    f.now += 24 * HOUR;
    CHECK_INT("the agent was away", look(&f, "QUEUED", ""), SC_MORE);
    CHECK_TRUE("that is not the vendor's fault", !fake_get(&f, FAKE_WALK, "job_quit"));
    fake_close(&f);
}

/* Replies that do not fit. */
static void test_tenable_hostile(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "", "a b", "e\n1", "\x80", ".", ".."};
    struct fake f;
    open_vulns(&f);
    for (size_t i = 0; i < ROWS(names); i++)
        CHECK_INT("no name", make(&f, names[i]), SC_BROKEN);
    CHECK_INT("made", make(&f, "../../x?y"), SC_MORE);
    fake_request(&f);
    CHECK_TEXT("a name is no path", f.url, "/vulns/export/..%2F..%2Fx%3Fy/status");
    CHECK_INT("a part that is no number", look(&f, "FINISHED", "1 x"), SC_BROKEN);
    CHECK_INT("no status", look(&f, NULL, "1"), SC_BROKEN);
    f.absent = true;
    CHECK_INT("no list", look(&f, "QUEUED", ""), SC_BROKEN);
    CHECK_INT("busy", f.page.reason, SC_REASON_VENDOR_BUSY);
    for (int i = 0; i < 4; i++) {
        f.absent = true;
        CHECK_INT("an error, and no list", look(&f, "ERROR", ""), SC_BROKEN);
    }
    fake_request(&f);
    CHECK_TEXT("is given up", f.url, "/vulns/export/..%2F..%2Fx%3Fy/cancel");
    fake_close(&f);
}

/* The n-th allocation fails, in each step: asked again, the walk comes to the same end. */
static void test_tenable_memory(void **state)
{
    (void)state;
    for (long n = 1; n < 60; n++) {
        for (int step = 0; step < 3; step++) {
            struct fake f;
            enum sc_more more = SC_MORE;
            open_vulns(&f);
            for (int i = 0; i < 12 && more != SC_WALKED; i++) {
                f.fail_at = i == step ? n : 0;
                fake_request(&f);
                if (f.failed) {
                    f.failed = false;
                    f.fail_at = 0;
                    continue;
                }
                bool made = strcmp(f.url, "/vulns/export") == 0, looks = strstr(f.url, "/status");
                fake_reply(&f, 200, NULL);
                fake_list(&f, looks ? "1" : "");
                fake_envelope(&f, "export_uuid", made ? "e-1" : NULL);
                fake_envelope(&f, "status", looks ? "FINISHED" : NULL);
                more = fake_page(&f, 1, NULL);
                f.failed = false;
                f.fail_at = 0;
            }
            CHECK_INT("read to its end", more, SC_WALKED);
            const char *time = fake_get(&f, FAKE_POSITION, "time");
            CHECK_TRUE("not beyond what the export holds", time && sc_time_parse_rfc3339(sc_str_of(time)) <= FAKE_NOW - HOUR);
            fake_close(&f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tenable_steps),    cmocka_unit_test(test_tenable_clock),   cmocka_unit_test(test_tenable_whose),
        cmocka_unit_test(test_tenable_ends),     cmocka_unit_test(test_tenable_patience), cmocka_unit_test(test_tenable_hostile),
        cmocka_unit_test(test_tenable_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
