/* What control groups say of memory, in all the forms that they have, and when it is short. */
#include "operate/memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "check.h"

#define MIB UINT64_C(1048576)

struct file {
    const char *path, *text;
};

static void make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0755) && errno != EEXIST)
            fail_msg("%s", path);
        *slash = '/';
    }
}

static void put_file(const char *root, const struct file *file)
{
    SC_AUTO_FREE char *path = sc_printf("%s%s", root, file->path);
    make_parents(path);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(file->text, out);
    fclose(out);
}

static void remove_files(const char *root, const struct file *files)
{
    for (; files->path; files++) {
        SC_AUTO_FREE char *path = sc_printf("%s%s", root, files->path);
        unlink(path);
        for (char *slash = strrchr(path, '/'); slash > path + strlen(root); slash = strrchr(path, '/')) {
            *slash = '\0';
            rmdir(path);
        }
    }
}

static void test_memory_cgroup(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        struct file files[5];
        uint64_t want;
        const char *where;
    } rows[] = {
        {"nothing there", {{0}}, 0, ""},
        {"version 2, own group", {{"/proc/self/cgroup", "0::/a.slice/b.scope\n"}, {"/sys/fs/cgroup/a.slice/b.scope/memory.max", "536870912\n"}}, 512 * MIB,
         "/sys/fs/cgroup/a.slice/b.scope/memory.max"},
        {"version 2, no limit", {{"/proc/self/cgroup", "0::/a\n"}, {"/sys/fs/cgroup/a/memory.max", "max\n"}}, 0, ""},
        {"version 2, a group above has the least",
         {{"/proc/self/cgroup", "0::/a/b\n"}, {"/sys/fs/cgroup/a/b/memory.max", "1073741824\n"}, {"/sys/fs/cgroup/a/memory.max", "268435456\n"}},
         256 * MIB, "/sys/fs/cgroup/a/memory.max"},
        {"version 2 in a container: the group is the host's, the top is ours",
         {{"/proc/self/cgroup", "0::/docker/0123\n"}, {"/sys/fs/cgroup/memory.max", "67108864\n"}}, 64 * MIB, "/sys/fs/cgroup/memory.max"},
        {"version 1", {{"/proc/self/cgroup", "9:cpu,cpuacct:/\n8:memory:/docker/0123\n0::/x\n"},
                       {"/sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes", "134217728\n"}}, 128 * MIB,
         "/sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes"},
        {"version 1, none", {{"/proc/self/cgroup", "8:memory:/\n"}, {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}}, 0, ""},
        {"version 1, joined controllers", {{"/proc/self/cgroup", "8:cpu,memory:/\n"}, {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576"}}, MIB,
         "/sys/fs/cgroup/memory/memory.limit_in_bytes"},
        {"another controller's name ends so", {{"/proc/self/cgroup", "8:xmemory:/\n"}, {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576"}}, 0, ""},
        {"hostile: out of the tree", {{"/proc/self/cgroup", "0::/../../etc\n"}, {"/etc/memory.max", "5\n"}}, 0, ""},
        {"hostile: no form", {{"/proc/self/cgroup", "memory\n::\n:\n0:\n"}}, 0, ""},
        {"hostile: no number", {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "much\n"}}, 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char root[] = "/tmp/signal-memory-XXXXXX";
        struct sc_buf where SC_AUTO_BUF = {0};
        assert_non_null(mkdtemp(root));
        for (const struct file *f = rows[i].files; f->path; f++)
            put_file(root, f);
        CHECK_INT(rows[i].why, (int64_t)sc_memory_cgroup_limit(root, &where), (int64_t)rows[i].want);
        CHECK_TEXT(rows[i].why, where.len ? where.ptr + strlen(root) : "", rows[i].where);
        remove_files(root, rows[i].files);
        CHECK_INT("all removed", rmdir(root), 0);
    }
}

static void test_memory_level(void **state)
{
    (void)state;
    static const struct {
        uint64_t percent;
        enum sc_memory_level before, want;
    } rows[] = {
        {10, SC_MEMORY_AMPLE, SC_MEMORY_AMPLE}, {84, SC_MEMORY_AMPLE, SC_MEMORY_AMPLE}, {85, SC_MEMORY_AMPLE, SC_MEMORY_NEAR},
        {84, SC_MEMORY_NEAR, SC_MEMORY_NEAR},   {80, SC_MEMORY_NEAR, SC_MEMORY_NEAR},   {79, SC_MEMORY_NEAR, SC_MEMORY_AMPLE},
        {93, SC_MEMORY_NEAR, SC_MEMORY_FULL},   {92, SC_MEMORY_FULL, SC_MEMORY_FULL},   {89, SC_MEMORY_FULL, SC_MEMORY_NEAR},
        {10, SC_MEMORY_FULL, SC_MEMORY_AMPLE},  {140, SC_MEMORY_AMPLE, SC_MEMORY_FULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SC_AUTO_FREE char *why = sc_printf("row %zu", i);
        CHECK_INT(why, sc_memory_level(rows[i].percent * 5 * MIB, 500 * MIB, rows[i].before), rows[i].want);
    }
    CHECK_INT("no limit", sc_memory_level(500 * MIB, 0, SC_MEMORY_FULL), SC_MEMORY_AMPLE);
    CHECK_INT("a limit of nothing", sc_memory_level(500 * MIB, 1, SC_MEMORY_AMPLE), SC_MEMORY_FULL);
}

static void test_memory_measure(void **state)
{
    (void)state;
    struct sc_memory memory = {0};
    char text[96];
    CHECK_TRUE("this process is somewhere", sc_memory_resident() > 100 * 1024);
    CHECK_TRUE("far over a limit of 4 KiB", sc_memory_measure(&memory, 4096));
    CHECK_INT("and so", memory.level, SC_MEMORY_FULL);
    CHECK_TRUE("told once", !sc_memory_measure(&memory, 4096));
    CHECK_TRUE("with room", sc_memory_measure(&memory, UINT64_C(1) << 45));
    sc_memory_text(490 * MIB, 512 * MIB, text);
    CHECK_TEXT("figures", text, "490 of 512 MiB in use");
    sc_memory_text(38 * MIB, 0, text);
    CHECK_TEXT("no limit", text, "38 MiB in use, no limit is set");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_cgroup),
        cmocka_unit_test(test_memory_level),
        cmocka_unit_test(test_memory_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
