/* Files that others write and we read again when they have changed. */
#pragma once

#include "base/error.h"

/* One number for what these files are like now (device, inode, size, time of change; or that one is missing). NULL and "" are left out. Another number:
 * at least one has changed. Any thread. */
uint64_t sc_files_stamp(const char *const *paths, size_t count);
long sc_file_size(const char *path); /* of a regular file; LONG_MAX for anything else */
