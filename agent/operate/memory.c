#include "operate/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NEAR_PERCENT       85
#define NEAR_UNTIL_PERCENT 80
#define FULL_PERCENT       93
#define FULL_UNTIL_PERCENT 90
#define FILE_MAX           16384
#define UNLIMITED          (UINT64_C(1) << 50) /* version 1 says "none" with a figure near 2^63 */

/* ---- files ------------------------------------------------------------------------------------------------------- */

static bool read_file(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, out, cap - 1);
    if (fd >= 0)
        close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0;
}

uint64_t sc_memory_resident(void)
{
    char text[128];
    char *end;
    if (!read_file("/proc/self/statm", text, sizeof text))
        return 0;
    strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* "max", or none of our business. */
static uint64_t read_limit(const char *path)
{
    char text[64], *end;
    if (!read_file(path, text, sizeof text))
        return 0;
    uint64_t value = strtoull(text, &end, 10);
    return end == text || value >= UNLIMITED ? 0 : value;
}

/* The limit of a group holds for those below it, so each on the way up is looked at. */
static void look_up(const char *root, const char *mount, const char *group, const char *file, uint64_t *least, struct sc_buf *where)
{
    char path[1024], at[512];
    snprintf(at, sizeof at, "%s", group);
    for (;;) {
        bool top = !at[0] || (at[0] == '/' && !at[1]);
        snprintf(path, sizeof path, "%s%s%s/%s", root, mount, top ? "" : at, file);
        uint64_t limit = read_limit(path);
        if (limit && (!*least || limit < *least)) {
            *least = limit;
            if (where) {
                sc_buf_clear(where);
                sc_buf_add_str(where, path);
            }
        }
        if (top)
            return;
        char *slash = strrchr(at, '/');
        *(slash ? slash : at) = '\0';
    }
}

static bool has_memory(const char *controllers)
{
    const char *at = strstr(controllers, "memory");
    return at && (at == controllers || at[-1] == ',') && (at[6] == '\0' || at[6] == ',');
}

/* Lines "0::/group" (version 2) and "8:memory:/group" (version 1). In a container the group may be named as the host sees it, and is not there: then
 * the top of what is mounted is the container's own. */
uint64_t sc_memory_cgroup_limit(const char *root, struct sc_buf *where)
{
    char path[512], text[FILE_MAX], *save = NULL;
    uint64_t least = 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (!read_file(path, text, sizeof text))
        return 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *controllers++ = '\0';
        *group++ = '\0';
        if (strstr(group, ".."))
            *group = '\0';
        if (!*controllers) {
            look_up(root, "/sys/fs/cgroup", group, "memory.max", &least, where);
            look_up(root, "/sys/fs/cgroup/unified", group, "memory.max", &least, where);
        } else if (has_memory(controllers)) {
            look_up(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", &least, where);
        }
    }
    return least;
}

/* ---- the level --------------------------------------------------------------------------------------------------- */

enum sc_memory_level sc_memory_level(uint64_t resident, uint64_t limit, enum sc_memory_level before)
{
    if (limit == 0)
        return SC_MEMORY_AMPLE;
    unsigned percent = (unsigned)(resident / (limit / 100 ? limit / 100 : 1));
    if (percent >= FULL_PERCENT || (before == SC_MEMORY_FULL && percent >= FULL_UNTIL_PERCENT))
        return SC_MEMORY_FULL;
    if (percent >= NEAR_PERCENT || (before != SC_MEMORY_AMPLE && percent >= NEAR_UNTIL_PERCENT))
        return SC_MEMORY_NEAR;
    return SC_MEMORY_AMPLE;
}

bool sc_memory_measure(struct sc_memory *memory, uint64_t set_limit)
{
    uint64_t resident = sc_memory_resident(), limit = set_limit ? set_limit : sc_memory_cgroup_limit("", NULL);
    int before = atomic_load(&memory->level), now = (int)sc_memory_level(resident, limit, (enum sc_memory_level)before);
    atomic_store(&memory->resident, resident);
    atomic_store(&memory->limit, limit);
    atomic_store(&memory->level, now);
    return now != before;
}

void sc_memory_text(uint64_t resident, uint64_t limit, char out[96])
{
    char size[SC_SIZE_TEXT];
    if (limit)
        snprintf(out, 96, "%s in use", sc_size_pair(resident, limit, size));
    else
        snprintf(out, 96, "%s in use, no limit is set", sc_size_text(resident, size));
}
