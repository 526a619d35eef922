/* How much memory this process holds, how much it may, and what follows for the polls: near the limit only one poll at a time begins and all transfers
 * but one pause, so that work goes on and the container is not killed. Measured every second by main, looked at by the io threads. */
#pragma once

#include "base/buf.h"

#include <stdatomic.h>

enum sc_memory_level {
    SC_MEMORY_AMPLE,
    SC_MEMORY_NEAR, /* 85 % and more: one poll at a time */
    SC_MEMORY_FULL  /* 93 % and more: one transfer at a time, too */
};

struct sc_memory {
    _Atomic uint64_t resident, limit; /* bytes; limit 0: none is known */
    _Atomic int level;
};

/* By these figures; once near, it is near until it falls below 80 %, once full until below 90 %. Pure. */
enum sc_memory_level sc_memory_level(uint64_t resident, uint64_t limit, enum sc_memory_level before);
/* Bytes in memory of this process. 0: unknown. */
uint64_t sc_memory_resident(void);
/* The least limit of the control groups that this process is in (version 2 or 1); 0: none. `root`: "" but in tests, where the files lie below it.
 * where (may be NULL): which file said so. */
uint64_t sc_memory_cgroup_limit(const char *root, struct sc_buf *where);
/* Measures and sets level. set_limit: the setting memory.limit_bytes, 0: what the control group says. True: the level changed. */
bool sc_memory_measure(struct sc_memory *memory, uint64_t set_limit);
/* "490 of 512 MiB in use", "38 MiB in use, no limit is set". */
void sc_memory_text(uint64_t resident, uint64_t limit, char out[96]);
