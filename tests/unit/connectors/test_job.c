/* Ranges of parts as text (connectors/rest/job.h): by table, and by chance against a plain list of what is in them. */
#include "rest/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define MOST       400

static void test_job_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t n;
        const char *added, *dropped, *why;
        bool in;
    } rows[] = {
        {"", 1, "1", "", "the first", false},
        {"1", 1, "1", "", "it is there", true},
        {"1", 2, "1-2", "1", "behind it", false},
        {"2", 1, "1-2", "2", "before it", false},
        {"1,3", 2, "1-3", "1,3", "between two: one", false},
        {"1-2,4-5", 3, "1-5", "1-2,4-5", "between two ranges: one", false},
        {"1,9", 5, "1,5,9", "1,9", "apart from both", false},
        {"5-9", 7, "5-9", "5-6,8-9", "in the middle", true},
        {"5-9", 5, "5-9", "6-9", "its begin", true},
        {"5-9", 9, "5-9", "5-8", "its end", true},
        {"5-6", 5, "5-6", "6", "one is left", true},
        {"5-9,20", 30, "5-9,20,30", "5-9,20", "behind all", false},
        {"5-9,20", 0, "0,5-9,20", "5-9,20", "nought is a number too", false},
        {"99999999998", 99999999999, "99999999998-99999999999", "99999999998", "large ones", false},
        {"x", 3, "3", "", "what is none is empty", false},
        {"1,x,5", 3, "1,3", "1", "what is behind something else is not read", false},
        {"7-3", 3, "3", "", "backwards is none", false},
    };
    char out[REST_RANGES_MAX + 1];
    for (size_t i = 0; i < ROWS(rows); i++) {
        CHECK_INT(rows[i].why, rest_ranges_have(rows[i].text, rows[i].n), rows[i].in);
        CHECK_TRUE(rows[i].why, rest_ranges_add(rows[i].text, rows[i].n, out));
        CHECK_TEXT(rows[i].why, out, rows[i].added);
        CHECK_TRUE(rows[i].why, rest_ranges_drop(rows[i].text, rows[i].n, out));
        CHECK_TEXT(rows[i].why, out, rows[i].dropped);
    }
}

static void write_plain(const bool *in, char *out)
{
    size_t n = 0;
    out[0] = '\0';
    for (int i = 0; i < MOST; i++) {
        int to = i;
        while (in[i] && to + 1 < MOST && in[to + 1])
            to++;
        if (in[i])
            n += (size_t)snprintf(out + n, REST_RANGES_MAX - n, to > i ? "%s%d-%d" : "%s%d", n ? "," : "", i, to);
        i = in[i] ? to : i;
    }
}

static void test_job_ranges_by_chance(void **state)
{
    (void)state;
    char text[REST_RANGES_MAX + 1], next[REST_RANGES_MAX + 1], want[REST_RANGES_MAX + 1];
    for (unsigned seed = 1; seed <= 8; seed++) {
        bool in[MOST] = {false};
        unsigned random = seed;
        text[0] = '\0';
        for (int step = 0; step < 2000; step++) {
            random = random * 1103515245u + 12345u;
            int n = (int)(random >> 16) % MOST;
            bool add = step < 1000 ? (random >> 8) % 4 != 0 : (random >> 8) % 4 == 0;
            CHECK_INT("is it in", rest_ranges_have(text, n), in[n]);
            CHECK_TRUE("fits", add ? rest_ranges_add(text, n, next) : rest_ranges_drop(text, n, next));
            in[n] = add;
            memcpy(text, next, sizeof text);
            write_plain(in, want);
            CHECK_TEXT("as the plain list", text, want);
        }
    }
}

/* What does not fit is refused, and nothing is written beyond the room. */
static void test_job_ranges_full(void **state)
{
    (void)state;
    struct {
        char text[REST_RANGES_MAX + 1], next[REST_RANGES_MAX + 1], guard[8];
    } room = {.guard = "guarded"};
    int64_t n = 1000;
    while (rest_ranges_add(room.text, n, room.next)) {
        memcpy(room.text, room.next, sizeof room.text);
        n += 2;
    }
    CHECK_TRUE("some 1,600 that are apart", n > 1000 + 2 * 1500 && strlen(room.text) <= REST_RANGES_MAX);
    CHECK_TEXT("not beyond", room.guard, "guarded");
    CHECK_TRUE("one that joins two still fits", rest_ranges_add(room.text, 1001, room.next));
    CHECK_TRUE("dropping an end fits", rest_ranges_drop(room.text, 1000, room.next));
    char wide[REST_RANGES_MAX + 1] = "1-3000";
    CHECK_TRUE("thousands in a row are nothing", rest_ranges_add(wide, 3001, room.next));
    CHECK_TEXT("thousands in a row are nothing", room.next, "1-3001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_ranges),
        cmocka_unit_test(test_job_ranges_by_chance),
        cmocka_unit_test(test_job_ranges_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
