#include "relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 16

struct pair {
    int client, server;
};

static void die(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(99);
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static bool write_all(int fd, const char *bytes, ssize_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, (size_t)len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        len -= n;
    }
    return true;
}

/* False: this direction has ended. */
static bool pump(int from, int to, bool lose)
{
    char bytes[65536];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    if (n <= 0)
        return false;
    return lose || write_all(to, bytes, n);
}

static void take_in(struct relay *relay, struct pair *pairs, int *count)
{
    int client = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC); /* servers are forked */
    if (client < 0)
        return;
    struct sockaddr_in addr = loopback(relay->server_port);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server < 0)
        die("socket");
    if (atomic_load(&relay->refuse) || *count == PAIRS_MAX ||
        connect(server, (struct sockaddr *)&addr, sizeof addr)) {
        close(client);
        close(server);
        return;
    }
    pairs[(*count)++] = (struct pair){client, server};
}

static void drop(struct pair *pairs, int *count, int i)
{
    close(pairs[i].client);
    close(pairs[i].server);
    pairs[i] = pairs[--*count];
}

static void *run(void *arg)
{
    struct relay *relay = arg;
    struct pair pairs[PAIRS_MAX];
    int count = 0;
    while (!atomic_load(&relay->stop)) {
        struct pollfd fds[2 + 2 * PAIRS_MAX] = {
            {relay->listener, POLLIN, 0},
            {relay->wake[0],  POLLIN, 0}
        };
        for (int i = 0; i < count; i++) {
            fds[2 + 2 * i] = (struct pollfd){pairs[i].client, POLLIN, 0};
            fds[3 + 2 * i] = (struct pollfd){pairs[i].server, POLLIN, 0};
        }
        int polled = count;
        if (poll(fds, (nfds_t)(2 + 2 * count), -1) < 0)
            die("poll");
        char byte;
        if (fds[1].revents && read(relay->wake[0], &byte, 1) < 0)
            die("wake");
        for (int i = polled - 1; i >= 0; i--) {
            bool ok = true;
            if (fds[2 + 2 * i].revents)
                ok = pump(pairs[i].client, pairs[i].server, atomic_load(&relay->deaf));
            if (ok && fds[3 + 2 * i].revents)
                ok = pump(pairs[i].server, pairs[i].client, atomic_load(&relay->mute));
            if (!ok)
                drop(pairs, &count, i);
        }
        unsigned wanted = atomic_load(&relay->cuts_wanted);
        if (wanted != atomic_load(&relay->cuts_done)) {
            while (count)
                drop(pairs, &count, 0);
            atomic_store(&relay->cuts_done, wanted);
        }
        if (fds[0].revents)
            take_in(relay, pairs, &count);
    }
    while (count)
        drop(pairs, &count, 0);
    return NULL;
}

static void wake(struct relay *relay)
{
    if (write(relay->wake[1], "x", 1) != 1)
        die("wake");
}

void relay_start(struct relay *relay, int server_port)
{
    struct sockaddr_in addr = loopback(0);
    socklen_t len = sizeof addr;
    memset(relay, 0, sizeof *relay);
    relay->server_port = server_port;
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (relay->listener < 0 || bind(relay->listener, (struct sockaddr *)&addr, len) ||
        listen(relay->listener, 16) ||
        getsockname(relay->listener, (struct sockaddr *)&addr, &len) ||
        pipe2(relay->wake, O_CLOEXEC))
        die("start");
    relay->port = ntohs(addr.sin_port);
    if (pthread_create(&relay->thread, NULL, run, relay))
        die("thread");
}

void relay_cut(struct relay *relay)
{
    unsigned wanted = atomic_fetch_add(&relay->cuts_wanted, 1) + 1;
    wake(relay);
    while (atomic_load(&relay->cuts_done) != wanted)
        poll(NULL, 0, 1);
}

void relay_stop(struct relay *relay)
{
    atomic_store(&relay->stop, true);
    wake(relay);
    pthread_join(relay->thread, NULL);
    close(relay->listener);
    close(relay->wake[0]);
    close(relay->wake[1]);
}
