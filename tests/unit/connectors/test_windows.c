/* Windows of time: what is asked, what is covered at the end, by whose clock, over days, restarts, lost cursors; lists of files. */
#include "fake_host.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"

#define MIN(n) ((int64_t)(n) * 60000)
#define HOUR   MIN(60)
#define DAY    (24 * HOUR)
#define T(ms)  sc_time_rfc3339((ms), (char[SC_TIME_TEXT]){0})

static void open_at(struct fake *f, const char *type, const char *covered)
{
    fake_open(f, MODULE, type);
    f->base_url = "https://api.acme.test";
    fake_set(f, FAKE_POSITION, "time", covered);
}

static void expect_tile(struct fake *f, const char *why, int64_t from, int64_t to, const char *rest)
{
    char want[200];
    snprintf(want, sizeof want, "/tiles?max=%lld&min=%lld%s", (long long)to, (long long)from, rest);
    CHECK_INT(why, fake_request(f), SC_SEND);
    CHECK_TEXT(why, f->url, want);
    CHECK_INT(why, f->remember_as, to);
}

static enum sc_more page(struct fake *f, uint64_t records, const char *next)
{
    CHECK_INT("a page", fake_reply(f, 200, NULL), SC_CUT);
    if (next)
        fake_envelope(f, "next", next);
    return fake_page(f, records, NULL);
}

static void test_windows_tile(void **state)
{
    (void)state;
    struct fake f;
    open_at(&f, "tiles", NULL);
    expect_tile(&f, "the first goes back by the lookback", FAKE_NOW - HOUR, FAKE_NOW - MIN(2), "");
    CHECK_INT("a page", page(&f, 100, "1,a"), SC_MORE);
    CHECK_TEXT("what it begins with is kept, should the walk be given up", fake_get(&f, FAKE_POSITION, "since"), T(FAKE_NOW - HOUR));
    CHECK_TRUE("nothing is covered yet", !fake_get(&f, FAKE_POSITION, "time"));
    f.now += MIN(1);
    expect_tile(&f, "frozen", FAKE_NOW - HOUR, FAKE_NOW - MIN(2), "&next=1%2Ca");
    CHECK_INT("the last", page(&f, 3, NULL), SC_WALKED);
    CHECK_TEXT("covered", fake_show(&f, FAKE_POSITION), fake_show(&f, FAKE_POSITION));
    CHECK_TEXT("covered", fake_get(&f, FAKE_POSITION, "time"), T(FAKE_NOW - MIN(2)));
    CHECK_TRUE("since is done with", !fake_get(&f, FAKE_POSITION, "since"));
    CHECK_TEXT("the walk leaves nothing", fake_show(&f, FAKE_WALK), "");
    f.now = FAKE_NOW + MIN(5);
    expect_tile(&f, "the next begins behind it", FAKE_NOW - MIN(2), FAKE_NOW + MIN(3), "");
    CHECK_INT("an empty one moves too", page(&f, 0, NULL), SC_WALKED);
    CHECK_TEXT("covered", fake_get(&f, FAKE_POSITION, "time"), T(FAKE_NOW + MIN(3)));
    fake_new_walk(&f);
    f.now -= 2000; /* the fake asks once more a second later */
    CHECK_INT("at once again: nothing to ask", fake_request(&f), SC_DONE);
    fake_close(&f);
}

/* The agent's clock is 10 minutes ahead; what is covered goes by the vendor's. */
static void test_windows_clock(void **state)
{
    (void)state;
    struct fake f;
    open_at(&f, "tiles", T(FAKE_NOW - MIN(20)));
    f.now = FAKE_NOW + MIN(10);
    expect_tile(&f, "own clock, nothing better is known", FAKE_NOW - MIN(20), FAKE_NOW + MIN(8), "");
    f.answered = FAKE_NOW;
    CHECK_INT("first page", page(&f, 100, "x"), SC_MORE);
    f.answered = FAKE_NOW + MIN(30);
    CHECK_INT("last page, much later", page(&f, 1, NULL), SC_WALKED);
    CHECK_TEXT("the first reply's Date less the lag", fake_get(&f, FAKE_POSITION, "time"), T(FAKE_NOW - MIN(2)));
    fake_new_walk(&f);
    f.answered = FAKE_NOW - HOUR;
    CHECK_INT("asked", fake_request(&f), SC_SEND);
    CHECK_INT("a Date far back", page(&f, 0, NULL), SC_LOOP);
    CHECK_INT("is told", f.page.reason, SC_REASON_CLOCK_SKEW);
    CHECK_TEXT("never back", fake_get(&f, FAKE_POSITION, "time"), T(FAKE_NOW - MIN(2)));
    fake_close(&f);

    open_at(&f, "tiles", T(FAKE_NOW - MIN(20)));
    f.now = FAKE_NOW + MIN(10);
    expect_tile(&f, "too late an end", FAKE_NOW - MIN(20), FAKE_NOW + MIN(8), "");
    CHECK_INT("is refused", fake_reply(&f, 400, "{}"), SC_BY_STATUS);
    f.now = FAKE_NOW + 77;
    expect_tile(&f, "and moves down while nothing of it was read", FAKE_NOW - MIN(20), FAKE_NOW + 77 - MIN(2), "");
    fake_close(&f);
}

static void test_windows_cursor_lost(void **state)
{
    (void)state;
    struct fake f;
    open_at(&f, "tiles", T(FAKE_NOW - MIN(20)));
    expect_tile(&f, "first", FAKE_NOW - MIN(20), FAKE_NOW - MIN(2), "");
    CHECK_INT("page", page(&f, 100, "x"), SC_MORE);
    f.now += DAY; /* the agent was away */
    fake_drop_page(&f);
    expect_tile(&f, "resumed", FAKE_NOW - MIN(20), FAKE_NOW - MIN(2), "&next=x");
    CHECK_INT("the cursor is not known", fake_reply(&f, 400, "{}"), SC_AGAIN);
    CHECK_INT("reason", f.verdict.reason, SC_REASON_CURSOR_EXPIRED);
    expect_tile(&f, "the window again", FAKE_NOW - MIN(20), FAKE_NOW - MIN(2), "");
    CHECK_INT("page", page(&f, 100, "y"), SC_MORE);
    expect_tile(&f, "goes on", FAKE_NOW - MIN(20), FAKE_NOW - MIN(2), "&next=y");
    CHECK_INT("the same cursor again", page(&f, 100, "y"), SC_LOOP);
    fake_close(&f);
}

static void expect_files(struct fake *f, const char *why, int64_t from, int64_t to)
{
    char want[200];
    snprintf(want, sizeof want, "/files?from=%.19s&to=%.19s", T(from), T(to));
    for (char *c; (c = strchr(want, ':'));) {
        memmove(c + 3, c + 1, strlen(c));
        memcpy(c, "%3A", 3);
    }
    CHECK_INT(why, fake_request(f), SC_SEND);
    CHECK_TEXT(why, f->url, want);
}

static enum sc_more list(struct fake *f, const char *items, const char *next)
{
    CHECK_TRUE("a list is asked", f->reply_table != NULL);
    CHECK_INT("a list", fake_reply(f, 200, NULL), SC_CUT);
    if (next)
        fake_header(f, "next-page", next);
    fake_list(f, items);
    return fake_page(f, 0, NULL);
}

static enum sc_more file(struct fake *f, const char *url, const char *name)
{
    CHECK_INT("a file", fake_request(f), SC_SEND);
    CHECK_TEXT("its address", f->url, url);
    CHECK_TEXT("its name", f->child, name);
    CHECK_TRUE("it is no list", !f->reply_table);
    CHECK_INT("its reply", fake_reply(f, 200, NULL), SC_CUT);
    return fake_page(f, 2, NULL);
}

static void test_windows_files(void **state)
{
    (void)state;
    struct fake f;
    open_at(&f, "files", T(FAKE_NOW - HOUR));
    fake_set(&f, FAKE_READ, "b", "1");
    expect_files(&f, "an hour again", FAKE_NOW - 2 * HOUR, FAKE_NOW);
    CHECK_INT("three files, one known, a further page",
              list(&f, "https://vendor.test/f/a?x=1|a|2026-05-01T09:30:00.5Z https://api.acme.test/f/b|b|2026-05-01T09:31:00Z https://api.acme.test/f/c|c|2026-05-01T09:32:00Z",
                   "https://vendor.test/files?page=2"),
              SC_PART);
    CHECK_INT("a", file(&f, "/f/a?x=1", "a"), SC_PART);
    CHECK_INT("its time", f.child_time, sc_time_parse_rfc3339(sc_str_of("2026-05-01T09:30:00.5Z")));
    CHECK_INT("b is passed, c", file(&f, "/f/c", "c"), SC_MORE);
    CHECK_INT("the second page of the list", fake_request(&f), SC_SEND);
    CHECK_TEXT("as the vendor named it, at the base URL", f.url, "/files?page=2");
    CHECK_INT("all of it known", list(&f, "https://api.acme.test/f/b|b|2026-05-01T09:31:00Z", "https://vendor.test/files?page=3"), SC_MORE);
    CHECK_INT("the third", fake_request(&f), SC_SEND);
    CHECK_INT("an empty page that names another", list(&f, "", "https://vendor.test/files?page=4"), SC_MORE);
    CHECK_INT("the fourth", fake_request(&f), SC_SEND);
    CHECK_INT("is lost", fake_reply(&f, 400, "{}"), SC_AGAIN);
    expect_files(&f, "the window again", FAKE_NOW - 2 * HOUR, FAKE_NOW);
    CHECK_INT("nothing", list(&f, "", NULL), SC_WALKED);
    CHECK_TEXT("covered", fake_get(&f, FAKE_POSITION, "time"), T(FAKE_NOW));
    fake_close(&f);
}

static void test_windows_hostile_files(void **state)
{
    (void)state;
    static const struct {
        const char *items, *next, *why;
    } rows[] = {
        {"ftp://vendor.test/f/a|a|2026-05-01T09:30:00Z", NULL, "is no web address"},
        {"/f/a|a|2026-05-01T09:30:00Z", NULL, "is no absolute URL"},
        {"https://vendor.test|a|2026-05-01T09:30:00Z", NULL, "has no path"},
        {"https://vendor.test/a", NULL, "has no name"},
        {"https://vendor.test/a/../../b|b|2026-05-01T09:30:00Z", NULL, "holds a part"},
        {"https://api.acme.test@evil.test/../x\x7f|a|2026-05-01T09:30:00Z", NULL, "is no absolute URL"},
        {"", "javascript:alert(1)", "the address of the next page is no absolute URL"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake f;
        open_at(&f, "files", T(FAKE_NOW - HOUR));
        CHECK_INT(rows[i].why, fake_request(&f), SC_SEND);
        CHECK_INT(rows[i].why, list(&f, rows[i].items, rows[i].next), SC_BROKEN);
        CHECK_TRUE(f.page.detail, strstr(f.page.detail, rows[i].why));
        fake_close(&f);
    }
}

/* Ten days away: what the vendor no longer has is a gap, the rest is read day by day, all in one walk. */
static void test_windows_days(void **state)
{
    (void)state;
    struct fake f;
    open_at(&f, "files", T(FAKE_NOW - 10 * DAY));
    int64_t from = FAKE_NOW - 7 * DAY;
    for (int day = 0; day < 7; day++, from += DAY) {
        expect_files(&f, "a day", from, from + DAY);
        CHECK_INT("one gap", f.gaps, day == 0 ? 1 : 0);
        f.gaps = 0;
        CHECK_INT("read", list(&f, "", NULL), day < 6 ? SC_MORE : SC_WALKED);
        CHECK_TEXT("covered", fake_get(&f, FAKE_POSITION, "time"), T(from + DAY));
    }
    fake_close(&f);
}

/* A first walk was broken off, and gone on with only after what it began with had left the vendor: a gap, once. */
static void test_windows_first_broken_off(void **state)
{
    (void)state;
    struct fake f;
    open_at(&f, "files", NULL);
    CHECK_INT("the first", fake_request(&f), SC_SEND);
    CHECK_INT("a page of it", list(&f, "", "https://vendor.test/files?page=2"), SC_MORE);
    CHECK_TEXT("where it began", fake_get(&f, FAKE_POSITION, "since"), T(FAKE_NOW - DAY));
    CHECK_INT("no gap", f.gaps, 0);
    fake_new_walk(&f);
    f.now = FAKE_NOW + 9 * DAY;
    expect_files(&f, "as far back as the vendor has", FAKE_NOW + 2 * DAY, FAKE_NOW + 3 * DAY);
    CHECK_INT("a gap", f.gaps, 1);
    CHECK_TEXT("from", T(f.gap_from), T(FAKE_NOW - DAY));
    CHECK_TEXT("to", T(f.gap_to), T(FAKE_NOW + 2 * DAY));
    CHECK_INT("a page", list(&f, "", "https://vendor.test/files?page=2"), SC_MORE);
    CHECK_TEXT("told once", fake_get(&f, FAKE_POSITION, "since"), T(FAKE_NOW + 2 * DAY));
    fake_close(&f);
}

/* The clock is behind what was covered: only a reply can put it right, so one is asked for. */
static void test_windows_clock_behind(void **state)
{
    (void)state;
    struct fake f;
    int64_t covered = FAKE_NOW - MIN(2);
    open_at(&f, "tiles", T(covered));
    f.now = FAKE_NOW - HOUR;
    expect_tile(&f, "the last millisecond once more", covered - 1, covered, "");
    f.answered = f.now = FAKE_NOW + MIN(5);
    CHECK_INT("the clock is right again", page(&f, 0, NULL), SC_MORE);
    expect_tile(&f, "on as ever", covered, FAKE_NOW + MIN(3), "");
    CHECK_INT("read", page(&f, 3, NULL), SC_WALKED);
    CHECK_TEXT("covered", fake_get(&f, FAKE_POSITION, "time"), T(FAKE_NOW + MIN(3)));
    fake_close(&f);

    open_at(&f, "tiles", T(covered));
    f.now = FAKE_NOW - HOUR;
    CHECK_INT("asked", fake_request(&f), SC_SEND);
    CHECK_INT("the vendor's clock itself is behind", page(&f, 0, NULL), SC_LOOP);
    CHECK_INT("and that is said", f.page.reason, SC_REASON_CLOCK_SKEW);
    CHECK_TEXT("the position stays", fake_get(&f, FAKE_POSITION, "time"), T(covered));
    fake_close(&f);

    open_at(&f, "files", T(FAKE_NOW));
    f.now = FAKE_NOW - DAY;
    expect_files(&f, "a second", FAKE_NOW - 1000, FAKE_NOW);
    f.now = f.answered = FAKE_NOW + MIN(5);
    CHECK_INT("right again", list(&f, "", NULL), SC_MORE);
    expect_files(&f, "with the overlap", FAKE_NOW - HOUR, FAKE_NOW + MIN(5));
    fake_close(&f);
}

/* This host's clock is a day ahead at the very first poll: the lookback counts from the vendor's present. */
static void test_windows_first_ahead(void **state)
{
    (void)state;
    struct fake f;
    open_at(&f, "tiles", NULL);
    f.now = FAKE_NOW + DAY;
    expect_tile(&f, "by the clock of this host", FAKE_NOW + DAY - HOUR, FAKE_NOW + DAY - MIN(2), "");
    f.now = f.answered = FAKE_NOW;
    CHECK_INT("nothing of tomorrow", page(&f, 0, NULL), SC_MORE);
    expect_tile(&f, "the lookback", FAKE_NOW - HOUR, FAKE_NOW - MIN(2), "");
    CHECK_INT("read", page(&f, 2, NULL), SC_WALKED);
    CHECK_TEXT("covered", fake_get(&f, FAKE_POSITION, "time"), T(FAKE_NOW - MIN(2)));
    fake_close(&f);
}

/* Away for longer than the vendor keeps anything, and then the walk fails: the gap is not recorded again with each poll. */
static void test_windows_one_gap(void **state)
{
    (void)state;
    struct fake f;
    open_at(&f, "files", T(FAKE_NOW - 10 * DAY));
    expect_files(&f, "what is left", FAKE_NOW - 7 * DAY, FAKE_NOW - 6 * DAY);
    CHECK_INT("a gap", f.gaps, 1);
    CHECK_INT("first page", list(&f, "", "https://vendor.test/files?page=2"), SC_MORE);
    CHECK_INT("asked", fake_request(&f), SC_SEND);
    CHECK_INT("the same again", list(&f, "", "https://vendor.test/files?page=2"), SC_LOOP);
    fake_new_walk(&f);
    f.now = FAKE_NOW + MIN(5);
    expect_files(&f, "the next poll", FAKE_NOW - 7 * DAY + MIN(5), FAKE_NOW - 6 * DAY + MIN(5));
    CHECK_INT("another gap", f.gaps, 2);
    CHECK_TEXT("begins where the first one ended", T(f.gap_from), T(FAKE_NOW - 7 * DAY));
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_first_broken_off), cmocka_unit_test(test_windows_tile),          cmocka_unit_test(test_windows_clock),         cmocka_unit_test(test_windows_cursor_lost),
        cmocka_unit_test(test_windows_files),         cmocka_unit_test(test_windows_hostile_files), cmocka_unit_test(test_windows_days),
        cmocka_unit_test(test_windows_clock_behind),  cmocka_unit_test(test_windows_first_ahead),   cmocka_unit_test(test_windows_one_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
