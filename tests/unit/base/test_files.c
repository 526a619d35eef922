/* The stamp of files: another one whenever one of them is another. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include <limits.h>
#include <unistd.h>

#include "base/files.h"
#include "check.h"

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_stamp(void **state)
{
    char dir[] = "/tmp/files-XXXXXX", a[64], b[64];
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(a, sizeof a, "%s/a", dir);
    snprintf(b, sizeof b, "%s/b", dir);
    const char *const both[] = {a, NULL, "", b}, *const turned[] = {b, NULL, "", a};
    CHECK_INT("none is named", sc_files_stamp((const char *const[]){NULL, ""}, 2), 0);
    uint64_t missing = sc_files_stamp(both, 4);
    CHECK_TRUE("missing ones count", missing != 0);
    put(a, "one");
    uint64_t one = sc_files_stamp(both, 4);
    CHECK_TRUE("one came", one != missing);
    CHECK_INT("the same again", sc_files_stamp(both, 4), one);
    put(b, "two");
    uint64_t two = sc_files_stamp(both, 4);
    CHECK_TRUE("another came", two != one);
    CHECK_TRUE("which is which", sc_files_stamp(turned, 4) != two);
    put(b, "three");
    CHECK_TRUE("another size", sc_files_stamp(both, 4) != two);
    unlink(b);
    CHECK_INT("as before", sc_files_stamp(both, 4), one);
    CHECK_INT("size", sc_file_size(a), 3);
    CHECK_INT("no file", sc_file_size(dir), LONG_MAX);
    CHECK_INT("none", sc_file_size(b), LONG_MAX);
    unlink(a);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stamp)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
