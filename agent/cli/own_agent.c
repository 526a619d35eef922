#include "cli/own_agent.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_MS   10000
#define LOOK_MS   20
#define LOG_LINES 12u
#define LOG_BYTES 8192

struct sc_own_agent {
    pid_t pid;
    int log_fd;
    bool ended;
};

/* "--nats.url=…" for each setting that this command was given, so that both talk to the same server. */
static char **arguments(const struct sc_cli *cli)
{
    char **argv = calloc(cli->option_count + 4, sizeof *argv);
    size_t n = 0;
    if (!argv)
        return NULL;
    argv[n++] = sc_dup(cli->argv0 ? cli->argv0 : "signal-client");
    argv[n++] = sc_dup("run");
    argv[n++] = sc_dup("--on-request");
    for (size_t i = 0; i < cli->option_count; i++)
        argv[n++] = sc_printf("--%s=%s", cli->options[i].key, cli->options[i].value);
    return argv;
}

static void arguments_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        free(argv[i]);
    free(argv);
}

/* Nobody else reads it; it is gone when the last descriptor is. */
static int open_log(struct sc_error *err)
{
    const char *dir = getenv("TMPDIR");
    SC_AUTO_FREE char *path = sc_printf("%s/signal-client-XXXXXX", dir && *dir ? dir : "/tmp");
    int fd = path ? mkostemp(path, O_CLOEXEC | O_APPEND) : -1;
    if (fd < 0)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot make a file for a log in %s: %s", dir && *dir ? dir : "/tmp", strerror(errno));
    unlink(path);
    return fd;
}

/* In the child: it ends with the command whatever becomes of that, and is not meant by Ctrl-C. */
static void become(char **argv, int log_fd, pid_t parent)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || null < 0 || dup2(null, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0)
        return;
    execv("/proc/self/exe", argv);
}

struct sc_own_agent *sc_own_agent_start(const struct sc_cli *cli, struct sc_error *err)
{
    struct sc_own_agent *agent = calloc(1, sizeof *agent);
    char **argv = arguments(cli);
    pid_t parent = getpid();
    int fd = agent && argv ? open_log(err) : -1;
    if (fd >= 0)
        agent->pid = fork();
    if (fd >= 0 && agent->pid == 0) {
        become(argv, fd, parent);
        kill(getpid(), SIGKILL); /* nothing of the command may run twice */
    }
    arguments_free(argv);
    if (fd < 0 || agent->pid < 0) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "no process can be started for this command");
        if (fd >= 0)
            close(fd);
        free(agent);
        return NULL;
    }
    agent->log_fd = fd;
    return agent;
}

bool sc_own_agent_runs(struct sc_own_agent *agent)
{
    if (!agent->ended && waitpid(agent->pid, NULL, WNOHANG) == agent->pid)
        agent->ended = true;
    return !agent->ended;
}

void sc_own_agent_log(const struct sc_own_agent *agent, struct sc_buf *out)
{
    char text[LOG_BYTES + 1];
    off_t size = lseek(agent->log_fd, 0, SEEK_END), from = size > LOG_BYTES ? size - LOG_BYTES : 0;
    ssize_t len = pread(agent->log_fd, text, LOG_BYTES, from);
    if (len <= 0)
        return;
    text[len] = '\0';
    unsigned lines = 0;
    const char *at = text + len;
    while (at > text && (at == text + len || at[-1] != '\n' || ++lines < LOG_LINES))
        at--;
    while (*at) {
        size_t n = strcspn(at, "\n");
        sc_buf_addf(out, "  %.*s\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
}

struct sc_own_agent *sc_own_agent_stop(struct sc_own_agent *agent)
{
    if (!agent)
        return NULL;
    int64_t until = sc_mono_ms() + STOP_MS;
    if (sc_own_agent_runs(agent))
        kill(agent->pid, SIGTERM);
    while (sc_own_agent_runs(agent) && sc_mono_ms() < until)
        poll(NULL, 0, LOOK_MS);
    if (sc_own_agent_runs(agent)) {
        kill(agent->pid, SIGKILL);
        waitpid(agent->pid, NULL, 0);
    }
    close(agent->log_fd);
    free(agent);
    return NULL;
}
