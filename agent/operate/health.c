/* The heartbeat file. Written by one process, read by another: whole or not at all, and never through a link that somebody
 * else put there. What stands in it is our own form, so reading it needs no JSON parser; a file of any other form is "not
 * healthy". */
#include "operate/health.h"

#include "base/clock.h"
#include "operate/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME     "health"
#define TEMP_NAME     "health.tmp"
#define MAX_AGE_MS    30000
#define MAX_BYTES     8192
#define BOOT_ID_BYTES 64

/* "" where the kernel does not tell. */
static void read_boot_id(char out[BOOT_ID_BYTES])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, out, BOOT_ID_BYTES - 1);
    if (fd >= 0)
        close(fd);
    out[got > 0 ? got : 0] = '\0';
    out[strcspn(out, "\n\"\\")] = '\0';
}

static int open_dir(const char *run_dir, struct sc_error *err)
{
    if (mkdir(run_dir, 0755) && errno != EEXIST)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot make run.dir %s: %s; set run.dir to a writable directory", run_dir,
                       strerror(errno));
    int fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot open run.dir %s: %s; set run.dir to a writable directory", run_dir, strerror(errno));
    return fd;
}

/* A temporary file that was not there before: a link left or put at that name is removed, never followed. */
static int open_temp(int dir)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir, TEMP_NAME, flags, 0644);
    if (fd < 0 && errno == EEXIST && unlinkat(dir, TEMP_NAME, 0) == 0)
        fd = openat(dir, TEMP_NAME, flags, 0644);
    return fd;
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t done = write(fd, bytes, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        bytes += done;
        len -= (size_t)done;
    }
    return 0;
}

static int replace_file(int dir, const char *run_dir, struct sc_str text, struct sc_error *err)
{
    int fd = open_temp(dir);
    bool good = fd >= 0 && fchmod(fd, 0644) == 0 && write_all(fd, text.ptr, text.len) == 0;
    int error = errno;
    if (fd >= 0 && close(fd) && good) {
        error = errno;
        good = false;
    }
    if (good && renameat(dir, TEMP_NAME, dir, FILE_NAME) == 0)
        return 0;
    if (good)
        error = errno;
    if (fd >= 0)
        unlinkat(dir, TEMP_NAME, 0);
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot write %s/%s: %s; free space there, or set run.dir", run_dir, FILE_NAME,
                   strerror(error));
}

static void add_text(struct sc_buf *out, const char *name, const char *text)
{
    sc_buf_addf(out, ",\"%s\":", name);
    sc_buf_add_json(out, sc_str_of(text ? text : ""));
}

int sc_health_write(const char *run_dir, const struct sc_heartbeat *beat, struct sc_error *err)
{
    char boot[BOOT_ID_BYTES], at[SC_TIME_TEXT];
    struct sc_buf line SC_AUTO_BUF = {0};
    read_boot_id(boot);
    sc_buf_init(&line, MAX_BYTES);
    sc_buf_addf(&line, "{\"v\":1,\"at\":\"%s\",\"boot\":\"%s\",\"boot_ms\":%lld,\"pid\":%ld,\"ok\":%s,\"stopped\":%s,\"resident\":%llu,\"limit\":%llu",
                sc_time_rfc3339(sc_real_ms(), at), boot, (long long)sc_boot_ms(), (long)getpid(), beat->ok ? "true" : "false",
                beat->stopped ? "true" : "false", (unsigned long long)beat->resident, (unsigned long long)beat->limit);
    add_text(&line, "nats", beat->nats);
    add_text(&line, "detail", beat->detail);
    add_text(&line, "cause", beat->cause);
    sc_buf_add_str(&line, "}\n");
    if (line.failed)
        return sc_fail(err, SC_REASON_INTERNAL, "the heartbeat line does not fit");
    int dir = open_dir(run_dir, err);
    if (dir < 0)
        return -1;
    int rc = replace_file(dir, run_dir, sc_buf_str(&line), err);
    close(dir);
    return rc;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int read_file(const char *run_dir, char *out, size_t cap)
{
    int dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = dir < 0 ? -1 : openat(dir, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int error = errno;
    if (dir >= 0)
        close(dir);
    if (fd < 0) {
        errno = error;
        return -1;
    }
    ssize_t got = read(fd, out, cap - 1);
    error = errno;
    close(fd);
    out[got > 0 ? got : 0] = '\0';
    errno = error;
    return got < 0 ? -1 : 0;
}

/* What follows `"key":` in our own line. The quote before the colon is never escaped there, so no text can pretend to be a key. */
static const char *find_value(const char *line, const char *key)
{
    char pattern[32];
    snprintf(pattern, sizeof pattern, "\"%s\":", key);
    const char *at = strstr(line, pattern);
    return at ? at + strlen(pattern) : NULL;
}

/* A JSON string as we write it; control characters and what is not ASCII are left as they stand escaped. */
static void read_text(const char *line, const char *key, struct sc_buf *out)
{
    const char *p = find_value(line, key);
    sc_buf_clear(out);
    if (!p || *p != '"')
        return;
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && (p[1] == '"' || p[1] == '\\' || p[1] == '/'))
            p++;
        else if (*p == '\\' && p[1])
            sc_buf_add_char(out, *p++);
        sc_buf_add_char(out, *p);
    }
}

static int say(struct sc_buf *out, int result, const char *what)
{
    sc_buf_clear(out);
    sc_buf_addf(out, "%s: %s", result ? "unhealthy" : "healthy", what);
    return result;
}

static bool same_boot(const char *line)
{
    char boot[BOOT_ID_BYTES];
    struct sc_buf text SC_AUTO_BUF = {0};
    read_boot_id(boot);
    read_text(line, "boot", &text);
    return sc_str_is(sc_buf_str(&text), boot);
}

static bool is_true(const char *line, const char *key)
{
    const char *at = find_value(line, key);
    return at && strncmp(at, "true", 4) == 0;
}

static int judge(const char *run_dir, const char *line, struct sc_buf *out)
{
    const char *boot_ms = find_value(line, "boot_ms"), *ok = find_value(line, "ok");
    struct sc_buf nats SC_AUTO_BUF = {0}, detail SC_AUTO_BUF = {0}, cause SC_AUTO_BUF = {0}, text SC_AUTO_BUF = {0};
    char age_text[SC_TIME_TEXT];
    if (!boot_ms || !ok) {
        sc_buf_addf(&text, "%s/%s cannot be read; restart the agent", run_dir, FILE_NAME);
        return say(out, 1, text.ptr);
    }
    int64_t age = sc_boot_ms() - strtoll(boot_ms, NULL, 10);
    if (!same_boot(line) || age < 0)
        return say(out, 1, "the agent has not run since this machine started; start it");
    sc_duration_text(age, age_text);
    read_text(line, "nats", &nats);
    read_text(line, "detail", &detail);
    read_text(line, "cause", &cause);
    if (is_true(line, "stopped")) {
        sc_buf_addf(&text, "the agent was stopped %s ago; start it", age_text);
        return say(out, 1, text.ptr);
    }
    if (age > MAX_AGE_MS) {
        sc_buf_addf(&text, "the last heartbeat is %s old; the agent has ended or hangs: look at its log and restart it", age_text);
        return say(out, 1, text.ptr);
    }
    bool good = strncmp(ok, "true", 4) == 0;
    const char *broker = nats.len ? nats.ptr : "unknown";
    if (strncmp(broker, "NATS ", 5) == 0) /* sentences about it begin so themselves */
        broker += 5;
    sc_buf_addf(&text, "%s %s ago, NATS %s%s%s%s%s", good ? "all loops turned" : "a loop does not turn, seen", age_text,
                broker, detail.len ? "; " : "", detail.len ? detail.ptr : "", cause.len ? "; " : "", cause.len ? cause.ptr : "");
    return say(out, good ? 0 : 1, text.ptr);
}

int sc_health_read(const char *run_dir, struct sc_buf *out)
{
    char line[MAX_BYTES + 1];
    struct sc_buf text SC_AUTO_BUF = {0};
    if (read_file(run_dir, line, sizeof line) == 0)
        return judge(run_dir, line, out);
    sc_buf_addf(&text, "no heartbeat in %s/%s (%s); is the agent running, and with the same run.dir?", run_dir, FILE_NAME, strerror(errno));
    return say(out, 1, text.ptr ? text.ptr : "out of memory");
}

/* ---- the run before ---------------------------------------------------------------------------------------------- */

#define KILLED_PERCENT 80 /* of the limit, seen up to five seconds before */

static uint64_t read_count(const char *line, const char *key)
{
    const char *at = find_value(line, key);
    return at && *at >= '0' && *at <= '9' ? strtoull(at, NULL, 10) : 0;
}

void sc_health_previous(const char *run_dir, struct sc_previous_run *ret)
{
    char line[MAX_BYTES + 1];
    struct sc_buf at SC_AUTO_BUF = {0};
    *ret = (struct sc_previous_run){0};
    if (read_file(run_dir, line, sizeof line))
        return;
    read_text(line, "at", &at);
    ret->at_ms = sc_time_parse_rfc3339(sc_buf_str(&at));
    ret->known = ret->at_ms != SC_TIME_NONE && find_value(line, "stopped");
    ret->stopped = is_true(line, "stopped");
    ret->same_boot = same_boot(line);
    ret->resident = read_count(line, "resident");
    ret->limit = read_count(line, "limit");
}

bool sc_previous_run_text(const struct sc_previous_run *run, char *out, size_t cap)
{
    char at[SC_TIME_TEXT], use[96];
    out[0] = '\0';
    if (!run->known || run->stopped)
        return false;
    bool memory = run->same_boot && run->limit && run->resident / KILLED_PERCENT >= run->limit / 100;
    sc_memory_text(run->resident, run->limit, use);
    snprintf(out, cap, "the previous run ended without stopping after %s, %s: %s", sc_time_rfc3339(run->at_ms, at), use,
             !run->same_boot ? "the machine was restarted"
             : memory        ? "probably killed for its memory"
                             : "it was killed or crashed; it goes on where its checkpoints stand, nothing is lost");
    return memory;
}
