/* Input placed directly before a no-access page, so that one byte of over-read faults:
 *   struct guard g = guard_copy(bytes, len);
 *   parse(g.ptr, g.len);
 *   guard_done(&g); */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    char *ptr; /* ptr + len is the first byte that may not be read */
    size_t len;
    void *map;
    size_t map_len;
};

static inline struct guard guard_copy(const void *bytes, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (len + page - 1) / page * page;
    struct guard g = {.len = len, .map_len = room + page};
    g.map = mmap(NULL, g.map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || mprotect((char *)g.map + room, page, PROT_NONE) != 0)
        abort();
    g.ptr = (char *)g.map + room - len;
    if (len)
        memcpy(g.ptr, bytes, len);
    return g;
}

static inline void guard_done(struct guard *g)
{
    munmap(g->map, g->map_len);
    *g = (struct guard){0};
}
