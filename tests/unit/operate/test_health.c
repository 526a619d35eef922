/* The heartbeat file: written whole, read by anybody, never through a link. */
#include "operate/health.h"

#include "base/clock.h"

#include <fcntl.h>
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

struct place {
    char dir[64], file[96], temp[96];
};

static void make_place(struct place *place)
{
    snprintf(place->dir, sizeof place->dir, "/tmp/signal-health-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->file, sizeof place->file, "%s/health", place->dir);
    snprintf(place->temp, sizeof place->temp, "%s/health.tmp", place->dir);
}

static void done_place(struct place *place)
{
    unlink(place->file);
    unlink(place->temp);
    rmdir(place->dir);
}

static void put_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void get_file(const char *path, char *out, size_t cap)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    out[fread(out, 1, cap - 1, file)] = '\0';
    fclose(file);
}

static int write_beat(const char *dir, bool ok, const char *nats, const char *detail, struct sc_error *err)
{
    return sc_health_write(dir, &(struct sc_heartbeat){.ok = ok, .nats = nats, .detail = detail}, err);
}

/* The line up to the age, which no test can know. */
static void check_read(const char *why, const struct place *place, int want, const char *want_begin, const char *want_in)
{
    struct sc_buf out = {0};
    CHECK_INT(why, sc_health_read(place->dir, &out), want);
    if (strncmp(out.ptr, want_begin, strlen(want_begin)) != 0)
        CHECK_TEXT(why, out.ptr, want_begin);
    if (!strstr(out.ptr, want_in))
        CHECK_TEXT(why, out.ptr, want_in);
    sc_buf_done(&out);
}

static void test_health_good(void **state)
{
    (void)state;
    struct place place;
    struct stat info;
    struct sc_error err = SC_ERROR_INIT;
    make_place(&place);
    mode_t before = umask(077);
    CHECK_INT("written", write_beat(place.dir, true, "connected", "3 integrations", &err), 0);
    umask(before);
    CHECK_INT("there", stat(place.file, &info), 0);
    CHECK_INT("whatever the umask", info.st_mode & 0777, 0644);
    CHECK_INT("no temporary file stays", access(place.temp, F_OK), -1);
    check_read("good", &place, 0, "healthy: all loops turned ", " ago, NATS connected; 3 integrations");
    CHECK_INT("NATS down is still healthy", write_beat(place.dir, true, "connection \"refused\" since \\ 10:15", "", &err), 0);
    check_read("and said", &place, 0, "healthy: ", "NATS connection \"refused\" since \\ 10:15");
    CHECK_INT("not turning", write_beat(place.dir, false, "connected", "io thread 1 has not turned for 45 s", &err), 0);
    check_read("bad", &place, 1, "unhealthy: a loop does not turn, seen ", "; io thread 1 has not turned for 45 s");
    done_place(&place);
}

static void test_health_link(void **state)
{
    (void)state;
    struct place place;
    char victim[128], text[64];
    struct stat info;
    struct sc_error err = SC_ERROR_INIT;
    make_place(&place);
    snprintf(victim, sizeof victim, "%s/victim", place.dir);
    put_file(victim, "precious");
    assert_int_equal(symlink(victim, place.temp), 0);
    assert_int_equal(symlink(victim, place.file), 0);
    check_read("a link is not read", &place, 1, "unhealthy: no heartbeat in ", "");
    CHECK_INT(err.text, write_beat(place.dir, true, "connected", "", &err), 0);
    get_file(victim, text, sizeof text);
    CHECK_TEXT("what the links named is untouched", text, "precious");
    CHECK_INT("the link is replaced", lstat(place.file, &info), 0);
    CHECK_TRUE("by a file", S_ISREG(info.st_mode));
    check_read("which is read", &place, 0, "healthy: ", "");
    unlink(victim);
    done_place(&place);
}

static void test_health_old(void **state)
{
    (void)state;
    struct place place;
    char text[1024], *at;
    struct sc_error err = SC_ERROR_INIT;
    make_place(&place);
    check_read("none yet", &place, 1, "unhealthy: no heartbeat in ", "is the agent running");
    CHECK_INT("written", write_beat(place.dir, true, "connected", "pretending: \"boot_ms\":1,", &err), 0);
    get_file(place.file, text, sizeof text);
    at = strstr(text, "\"boot_ms\":");
    assert_non_null(at);
    SC_AUTO_FREE char *late = sc_printf("%.*s\"boot_ms\":%lld%s", (int)(at - text), text, (long long)sc_boot_ms() - 30500, strchr(at, ','));
    put_file(place.file, late);
    check_read("over 30 s", &place, 1, "unhealthy: the last heartbeat is 30 s", "restart it");
    SC_AUTO_FREE char *near = sc_printf("%.*s\"boot_ms\":%lld%s", (int)(at - text), text, (long long)sc_boot_ms() - 20000, strchr(at, ','));
    put_file(place.file, near);
    check_read("under 30 s", &place, 0, "healthy: all loops turned 20 s", "");
    SC_AUTO_FREE char *future =
        sc_printf("%.*s\"boot_ms\":%lld%s", (int)(at - text), text, (long long)sc_boot_ms() + 900000, strchr(at, ','));
    put_file(place.file, future);
    check_read("of a longer boot", &place, 1, "unhealthy: the agent has not run since this machine started", "");
    char *boot = strstr(text, "\"boot\":\"");
    boot[8] = boot[8] == 'a' ? 'b' : 'a';
    put_file(place.file, text);
    check_read("of another boot", &place, 1, "unhealthy: the agent has not run since this machine started", "");
    put_file(place.file, "{}");
    check_read("another form", &place, 1, "unhealthy: ", "cannot be read");
    put_file(place.file, "");
    check_read("empty", &place, 1, "unhealthy: ", "cannot be read");
    done_place(&place);
}

static void test_health_directory(void **state)
{
    (void)state;
    struct place place;
    char below[96], deep[128];
    struct sc_error err = SC_ERROR_INIT;
    make_place(&place);
    snprintf(below, sizeof below, "%s/run", place.dir);
    snprintf(deep, sizeof deep, "%s/a/b", place.dir);
    CHECK_INT("the last part is made", write_beat(below, true, "", "", &err), 0);
    CHECK_INT("more is not", write_beat(deep, true, "", "", &err), -1);
    CHECK_INT("reason", err.reason, SC_REASON_CONFIG_INVALID);
    CHECK_TRUE(err.text, strstr(err.text, "cannot make run.dir ") && strstr(err.text, "set run.dir to a writable directory"));
    SC_AUTO_FREE char *file = sc_printf("%s/health", below);
    unlink(file);
    rmdir(below);
    done_place(&place);
}

static void test_health_cause(void **state)
{
    (void)state;
    struct place place;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_heartbeat beat = {.ok = true, .nats = "connected", .detail = "d", .cause = "since 10:15:02Z stream_unread: nobody reads"};
    make_place(&place);
    CHECK_INT("written", sc_health_write(place.dir, &beat, &err), 0);
    check_read("still healthy, and said", &place, 0, "healthy: ", "; d; since 10:15:02Z stream_unread: nobody reads");
    beat = (struct sc_heartbeat){.ok = true, .stopped = true};
    CHECK_INT("written", sc_health_write(place.dir, &beat, &err), 0);
    check_read("stopped by itself", &place, 1, "unhealthy: the agent was stopped ", "; start it");
    done_place(&place);
}

static void test_health_previous(void **state)
{
    (void)state;
    static const uint64_t mib = 1 << 20;
    static const struct {
        const char *why;
        struct sc_previous_run run;
        const char *want;
        bool memory;
    } rows[] = {
        {"nothing known", {0}, "", false},
        {"stopped", {.known = true, .stopped = true, .same_boot = true}, "", false},
        {"for its memory", {.known = true, .same_boot = true, .at_ms = 0, .resident = 490 * mib, .limit = 512 * mib},
         "the previous run ended without stopping after 1970-01-01T00:00:00.000Z, 490 of 512 MiB in use: probably killed for its memory", true},
        {"with room", {.known = true, .same_boot = true, .resident = 40 * mib, .limit = 512 * mib},
         "the previous run ended without stopping after 1970-01-01T00:00:00.000Z, 40 of 512 MiB in use: it was killed or crashed; it goes on where its "
         "checkpoints stand, nothing is lost", false},
        {"no limit", {.known = true, .same_boot = true, .resident = 40 * mib},
         "the previous run ended without stopping after 1970-01-01T00:00:00.000Z, 40 MiB in use, no limit is set: it was killed or crashed; it goes on "
         "where its checkpoints stand, nothing is lost", false},
        {"another boot", {.known = true, .resident = 490 * mib, .limit = 512 * mib},
         "the previous run ended without stopping after 1970-01-01T00:00:00.000Z, 490 of 512 MiB in use: the machine was restarted", false},
    };
    char text[400];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_INT(rows[i].why, sc_previous_run_text(&rows[i].run, text, sizeof text), rows[i].memory);
        CHECK_TEXT(rows[i].why, text, rows[i].want);
    }
    struct place place;
    struct sc_previous_run run;
    struct sc_error err = SC_ERROR_INIT;
    make_place(&place);
    sc_health_previous(place.dir, &run);
    CHECK_INT("no file", run.known, false);
    struct sc_heartbeat beat = {.ok = true, .resident = 7 * mib, .limit = 9 * mib};
    CHECK_INT("written", sc_health_write(place.dir, &beat, &err), 0);
    sc_health_previous(place.dir, &run);
    CHECK_TRUE("read back", run.known && !run.stopped && run.same_boot && run.resident == 7 * mib && run.limit == 9 * mib);
    beat.stopped = true;
    CHECK_INT("written", sc_health_write(place.dir, &beat, &err), 0);
    sc_health_previous(place.dir, &run);
    CHECK_TRUE("stopped", run.known && run.stopped);
    put_file(place.file, "{\"at\":\"2026-01-01T00:00:00Z\",\"ok\":true}");
    sc_health_previous(place.dir, &run);
    CHECK_INT("of a version that said nothing of it", run.known, false);
    done_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health_good),
        cmocka_unit_test(test_health_link),
        cmocka_unit_test(test_health_old),
        cmocka_unit_test(test_health_directory),
        cmocka_unit_test(test_health_cause),
        cmocka_unit_test(test_health_previous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
