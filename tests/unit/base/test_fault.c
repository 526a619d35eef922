/* Crash points and trace: nothing in an ordinary build; in a build with SIGNAL_FAULT_POINTS each in
 * a process of its own. */
#include "base/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef SIGNAL_FAULT_POINTS

/* Passes points in a child; its exit code. */
static int run(const char *crash_at, const char *trace)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (crash_at)
            setenv("SIGNAL_CLIENT_CRASH_AT", crash_at, 1);
        if (trace)
            setenv("SIGNAL_CLIENT_TRACE", trace, 1);
        sc_fault_init();
        for (int i = 0; i < 3; i++) {
            SC_FAULT("publish.before");
            SC_TRACE_SENT(7, i == 0 ? "first" : "next");
            SC_FAULT("publish.after");
        }
        _exit(0);
    }
    int status = 0;
    CHECK_INT("child", waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_fault_points(void **state)
{
    (void)state;
    static const struct {
        const char *crash_at;
        int want;
        const char *why;
    } rows[] = {
        {NULL,              0,   "not set"                   },
        {"",                0,   "empty"                     },
        {"publish.before",  137, "first passing"             },
        {"publish.after:3", 137, "third passing"             },
        {"publish.after:4", 0,   "never passed a fourth time"},
        {"walk.closed",     0,   "another point"             },
        {"publish.befor",   2,   "no such point"             },
        {"publish",         2,   "no such point"             },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(rows[i].why, run(rows[i].crash_at, NULL), rows[i].want);
}

static void test_fault_trace(void **state)
{
    (void)state;
    char path[] = "/tmp/test_fault_XXXXXX", text[512] = "", id[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    CHECK_INT("crash at the second", run("publish.before:2", path), 137);
    CHECK_INT("appends", run("publish.before:2", path), 137);
    ssize_t len = read(fd, text, sizeof text - 1);
    CHECK_TRUE("written", len > 0);
    int64_t boot_ns = 0, second_ns = 0;
    int64_t epoch = 0;
    CHECK_INT(
        "two lines",
        sscanf(text, "%" SCNd64 " %" SCNd64 " %63s\n%" SCNd64, &boot_ns, &epoch, id, &second_ns),
        4);
    CHECK_INT("epoch", epoch, 7);
    CHECK_TEXT("id", id, "first");
    CHECK_TRUE("time", boot_ns > 0 && second_ns > boot_ns);
    close(fd);
    unlink(path);
}

static int listed;

static void count_line(const char *name)
{
    listed += *name != '\0';
}

static void test_fault_list(void **state)
{
    (void)state;
    int want = 0;
#define X(name) want++;
    SC_CRASH_POINTS(X)
#undef X
    sc_fault_list(count_line);
    CHECK_INT("each point once", listed, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_points),
        cmocka_unit_test(test_fault_trace),
        cmocka_unit_test(test_fault_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void test_fault_is_nothing(void **state)
{
    (void)state;
    setenv("SIGNAL_CLIENT_CRASH_AT", "publish.before", 1);
    SC_FAULT("publish.before");
    SC_TRACE_SENT(1, "id");
    CHECK_TRUE("still here", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
