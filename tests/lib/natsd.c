#include "natsd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVERS_MAX 16
#define START_MS    15000

/* What must be gone at exit; a failed test may have left the caller's struct behind. */
static struct slot {
    bool used;
    pid_t pid;
    char dir[64];
} slots[SERVERS_MAX];

static void die(const char *what)
{
    fprintf(stderr, "natsd: %s: %s\n", what, strerror(errno));
    exit(99);
}

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int natsd_free_port(void)
{
    struct sockaddr_in addr = loopback(0);
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) ||
        getsockname(fd, (struct sockaddr *)&addr, &len))
        die("free port");
    close(fd);
    return ntohs(addr.sin_port);
}

/* True once the server has sent its INFO line. */
static bool answers(int port, int64_t deadline)
{
    struct sockaddr_in addr = loopback(port);
    bool good = false;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char text[4];
        int64_t left = deadline - now_ms();
        good = poll(&p, 1, left > 0 ? (int)left : 0) == 1 && read(fd, text, 4) == 4 &&
               memcmp(text, "INFO", 4) == 0;
    }
    close(fd);
    return good;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void kill_and_wait(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void launch(struct natsd *server)
{
    char config[128], log[128];
    snprintf(config, sizeof config, "%s/nats.conf", server->dir);
    snprintf(log, sizeof log, "%s/log", server->dir);
    server->pid = fork();
    if (server->pid < 0)
        die("fork");
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        execlp("nats-server", "nats-server", "-c", config, (char *)NULL);
        _exit(127);
    }
    slots[server->slot].pid = server->pid;
    int64_t deadline = now_ms() + START_MS;
    while (!answers(server->port, deadline)) {
        if (waitpid(server->pid, NULL, WNOHANG) != 0 || now_ms() > deadline) {
            fprintf(stderr, "natsd: nats-server does not start; see %s\n", log);
            slots[server->slot].used = false; /* the directory is kept for a look */
            kill_and_wait(server->pid);
            exit(99);
        }
        poll(NULL, 0, 5); /* the port cannot tell us when it opens */
    }
}

static void stop_all(void)
{
    for (int i = 0; i < SERVERS_MAX; i++) {
        if (!slots[i].used)
            continue;
        kill_and_wait(slots[i].pid);
        nftw(slots[i].dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        slots[i].used = false;
    }
}

void natsd_start(struct natsd *server, const char *extra)
{
    static bool registered;
    if (!registered)
        atexit(stop_all);
    registered = true;
    memset(server, 0, sizeof *server);
    snprintf(server->dir, sizeof server->dir, "/tmp/natsd-XXXXXX");
    if (!mkdtemp(server->dir))
        die("mkdtemp");
    server->port = natsd_free_port();
    snprintf(server->url, sizeof server->url, "nats://127.0.0.1:%d", server->port);
    char path[128];
    snprintf(path, sizeof path, "%s/nats.conf", server->dir);
    FILE *file = fopen(path, "we");
    if (!file)
        die(path);
    fprintf(file, "listen: \"127.0.0.1:%d\"\n", server->port);
    if (!extra || !strstr(extra, "jetstream"))
        fprintf(file, "jetstream { store_dir: \"%s/store\" }\n", server->dir);
    if (extra) {
        /* "@DIR@" stands for the server's directory */
        for (const char *at = extra, *mark; *at; at = mark + 5) {
            mark = strstr(at, "@DIR@");
            if (!mark) {
                fputs(at, file);
                break;
            }
            fprintf(file, "%.*s%s", (int)(mark - at), at, server->dir);
        }
    }
    fclose(file);
    while (server->slot < SERVERS_MAX && slots[server->slot].used)
        server->slot++;
    if (server->slot == SERVERS_MAX)
        die("too many servers");
    slots[server->slot].used = true;
    memcpy(slots[server->slot].dir, server->dir, sizeof server->dir);
    launch(server);
}

void natsd_kill(struct natsd *server)
{
    kill_and_wait(server->pid);
    server->pid = slots[server->slot].pid = 0;
}

void natsd_restart(struct natsd *server)
{
    natsd_kill(server);
    launch(server);
}

void natsd_freeze(struct natsd *server)
{
    int status;
    kill(server->pid, SIGSTOP);
    waitpid(server->pid, &status, WUNTRACED);
}

void natsd_thaw(struct natsd *server)
{
    kill(server->pid, SIGCONT);
}

void natsd_stop(struct natsd *server)
{
    if (!server->dir[0])
        return;
    natsd_kill(server);
    nftw(server->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    server->dir[0] = '\0';
    slots[server->slot].used = false;
}
