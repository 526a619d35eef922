/* Defaults that depend on the machine: looked at, never made. */
#include "config/settings_table.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_DIR  "/run/signal-client"
#define DATA_DIR "/data"

static bool can_write(const char *dir)
{
    return access(dir, W_OK | X_OK) == 0;
}

static bool is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *sc_default_run_dir(void)
{
    bool usable = is_dir(RUN_DIR) ? can_write(RUN_DIR) : access(RUN_DIR, F_OK) != 0 && can_write("/run");
    return sc_dup(usable ? RUN_DIR : DATA_DIR);
}

char *sc_default_dead_letter_dir(const char *run_dir)
{
    return can_write(DATA_DIR) ? sc_dup(DATA_DIR "/dead-letters") : sc_printf("%s/dead-letters", run_dir);
}

/* Where the binary lies; "" when that cannot be found out. */
static char *binary_dir(const char *argv0)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (len > 0)
        path[len] = '\0';
    else if (!argv0 || !strchr(argv0, '/') || !realpath(argv0, path))
        return sc_dup("");
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return sc_dup(path);
}

char *sc_default_connectors_path(const char *argv0)
{
    SC_AUTO_FREE char *bin = binary_dir(argv0);
    SC_AUTO_FREE char *installed = bin ? sc_printf("%s/../lib/signal-client/connectors", bin) : NULL;
    SC_AUTO_FREE char *built = bin ? sc_printf("%s/connectors", bin) : NULL;
    if (!installed || !built)
        return NULL;
    if (is_dir(installed) || !is_dir(built)) {
        char *plain = realpath(installed, NULL);
        return plain ? plain : sc_dup(installed);
    }
    return sc_dup(built);
}
