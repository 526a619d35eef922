/* Crash points and hand-over trace; nothing of it is in a release. Any thread, after
 * sc_fault_init() on the main one. A name that is not in the list ends the process at once: a fault
 * test with a misspelt point must not pass. */
#include "base/fault.h"

#ifdef SIGNAL_FAULT_POINTS

#include "base/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const points[] = {
#define X(name) name,
    SC_CRASH_POINTS(X)
#undef X
};
#define POINT_COUNT (sizeof points / sizeof points[0])

static const char *crash_at; /* one of points[], or NULL */
static atomic_long passings_left;
static int trace_fd = -1;

static const char *find_point(const char *name, size_t len)
{
    for (size_t i = 0; i < POINT_COUNT; i++)
        if (strlen(points[i]) == len && memcmp(points[i], name, len) == 0)
            return points[i];
    dprintf(STDERR_FILENO, "fault: no crash point \"%.*s\"\n", (int)len, name);
    _exit(2);
}

void sc_fault_init(void)
{
    const char *spec = getenv("SIGNAL_CLIENT_CRASH_AT");
    if (spec && *spec) {
        size_t len = strcspn(spec, ":");
        long n = spec[len] ? strtol(spec + len + 1, NULL, 10) : 1;
        atomic_store(&passings_left, n > 0 ? n : 1);
        crash_at = find_point(spec, len);
    }
    const char *path = getenv("SIGNAL_CLIENT_TRACE");
    if (path && *path && trace_fd < 0) {
        trace_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (trace_fd < 0) {
            dprintf(STDERR_FILENO, "fault: cannot open the trace %s\n", path);
            _exit(2);
        }
    }
}

void sc_fault_point(const char *name)
{
    const char *point = find_point(name, strlen(name));
    if (point == crash_at && atomic_fetch_sub(&passings_left, 1) == 1)
        _exit(137);
}

void sc_fault_trace(uint64_t epoch, const char *msg_id)
{
    if (trace_fd < 0)
        return;
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    int64_t boot_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    char line[4096];
    int len = snprintf(line, sizeof line, "%" PRId64 " %" PRIu64 " %s\n", boot_ns, epoch, msg_id);
    if (len < 0 || (size_t)len >= sizeof line || write(trace_fd, line, (size_t)len) != len) {
        dprintf(STDERR_FILENO, "fault: the trace cannot be written\n");
        _exit(2);
    }
}

void sc_fault_list(void (*line)(const char *name))
{
    for (size_t i = 0; i < POINT_COUNT; i++)
        line(points[i]);
}

#endif
