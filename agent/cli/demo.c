/* demo: finds what the demonstration needs (its Python files, python3, nats-server) and becomes it. The story itself is told by
 * tests/simulator/demo, which shares no code with the agent: who counts must not be who is counted. */
#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES      "share/signal-client/simulator/demo/demo.py"
#define LONGEST_S  (7L * 24 * 3600)
#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin"

/* ---- finding --------------------------------------------------------------------------------------------------------- */

/* Where this program lies: *ret_self is its path, the result its folder. Both to be freed; NULL: cannot be found out. */
static char *find_self(char **ret_self)
{
    char *self = realpath("/proc/self/exe", NULL);
    const char *slash = self ? strrchr(self, '/') : NULL;
    char *folder = slash ? sc_dup_str((struct sc_str){self, (size_t)(slash - self)}) : NULL;
    if (!folder) {
        free(self);
        return NULL;
    }
    *ret_self = self;
    return folder;
}

/* In a build tree share/ lies beside the program, installed it lies beside bin/. */
static char *find_files(const char *folder)
{
    static const char *const places[] = {"", "../"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        SC_AUTO_FREE char *path = sc_printf("%s/%s" FILES, folder, places[i]);
        char *plain = path ? realpath(path, NULL) : NULL;
        if (plain && access(plain, R_OK) == 0)
            return plain;
        free(plain);
    }
    return NULL;
}

static char *program_in(struct sc_str folder, const char *name)
{
    struct stat info;
    char *path = sc_printf("%.*s/%s", (int)folder.len, folder.ptr, name);
    if (path && stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

/* In PATH, and in the sbin beside each bin of it: Debian installs servers there, where users do not look. */
static char *find_program(const char *name)
{
    const char *at = getenv("PATH");
    if (!at || !*at)
        at = USUAL_PATH;
    for (char *found; *at; at += strspn(at, ":")) {
        struct sc_str folder = {at, strcspn(at, ":")};
        at += folder.len;
        if (folder.len && (found = program_in(folder, name)))
            return found;
        if (folder.len < 3 || memcmp(folder.ptr + folder.len - 3, "bin", 3) != 0)
            continue;
        SC_AUTO_FREE char *sbin = sc_printf("%.*ssbin", (int)folder.len - 3, folder.ptr);
        if (sbin && (found = program_in((struct sc_str){sbin, strlen(sbin)}, name)))
            return found;
    }
    return NULL;
}

/* ---- options --------------------------------------------------------------------------------------------------------- */

/* "20s", "5m", "1h" -> seconds; -1: no such time. */
static long parse_for(const char *text)
{
    int64_t ms = sc_parse_span_ms(text);
    return ms >= 1000 && ms / 1000 <= LONGEST_S ? (long)(ms / 1000) : -1;
}

/* The server's folder goes first, so that the demonstration starts the one found here. */
static int prepare_environment(const char *server)
{
    const char *path = getenv("PATH");
    SC_AUTO_FREE char *first = sc_printf("%.*s:%s", (int)(strrchr(server, '/') - server), server, path && *path ? path : USUAL_PATH);
    return first && setenv("PATH", first, 1) == 0 && setenv("PYTHONDONTWRITEBYTECODE", "1", 1) == 0 ? 0 : -1;
}

int sc_command_demo(struct sc_cli *cli)
{
    static char option_agent[] = "--agent", option_for[] = "--for", option_keep[] = "--keep"; /* execv takes no const text */
    struct sc_args args SC_AUTO_ARGS = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    const char *span = sc_args_get(&args, "for");
    long seconds = span ? parse_for(span) : 0;
    if (seconds < 0)
        return sc_usage_error(cli, "--for takes a time from 1s to 168h, such as 20s, 5m or 1h, not \"%s\"", span);
    if (cli->json)
        return sc_usage_error(cli, "demo tells a story to people and has no --json");

    SC_AUTO_FREE char *self = NULL;
    SC_AUTO_FREE char *folder = find_self(&self);
    if (!folder)
        return sc_say(SC_EXIT_BAD, "cannot find out where this program lies (/proc/self/exe): is /proc mounted?");
    SC_AUTO_FREE char *files = find_files(folder);
    if (!files)
        return sc_say(SC_EXIT_BAD, "the demo's files are not there (looked for %s/../" FILES "): install again with `cmake --install`", folder);
    SC_AUTO_FREE char *python = find_program("python3");
    if (!python)
        return sc_say(SC_EXIT_BAD, "demo needs python3, which is not installed: apt-get install python3");
    SC_AUTO_FREE char *server = find_program("nats-server");
    if (!server)
        return sc_say(SC_EXIT_BAD, "demo needs nats-server, which is not installed: apt-get install nats-server");
    SC_AUTO_FREE char *limit = sc_printf("%ld", seconds);
    if (!limit || prepare_environment(server))
        return sc_say(SC_EXIT_BAD, "out of memory");

    char *argv[] = {python, files, option_agent, self, option_for, limit, sc_args_get(&args, "keep") ? option_keep : NULL, NULL};
    execv(python, argv);
    return sc_say(SC_EXIT_BAD, "cannot start %s: %s", python, strerror(errno));
}
