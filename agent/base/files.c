#include "base/files.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/hash.h"

uint64_t sc_files_stamp(const char *const *paths, size_t count)
{
    static const unsigned char key[16] = "files' stamp";
    uint64_t stamp = 0;
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        int64_t facts[6] = {(int64_t)i, -1};
        if (!paths[i] || !*paths[i])
            continue;
        if (stat(paths[i], &st) == 0) {
            facts[1] = (int64_t)st.st_dev;
            facts[2] = (int64_t)st.st_ino;
            facts[3] = st.st_size;
            facts[4] = st.st_mtim.tv_sec;
            facts[5] = st.st_mtim.tv_nsec;
        }
        stamp ^= sc_siphash(key, facts, sizeof facts);
    }
    return stamp;
}

long sc_file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (long)st.st_size : LONG_MAX;
}
