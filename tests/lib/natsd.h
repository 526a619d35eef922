/* A private nats-server with JetStream for one test program: free port, own directory, all gone at
 * exit. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct natsd {
    pid_t pid;
    int port, slot;
    char dir[64]; /* store, log and configuration */
    char url[64]; /* nats://127.0.0.1:<port> */
};

/* `extra` is added to the configuration file (authorization { … }, jetstream domain …); may be
 * NULL. It replaces the default jetstream block when it holds the word "jetstream". Ends the test
 * program when the server does not start. */
void natsd_start(struct natsd *server, const char *extra);
/* kill -9, and the end waited for. */
void natsd_kill(struct natsd *server);
/* The same configuration, store and port; returns when it answers. */
void natsd_restart(struct natsd *server);
void natsd_freeze(struct natsd *server); /* SIGSTOP; returns when it stands still */
void natsd_thaw(struct natsd *server);
/* SIGKILL and everything removed. */
void natsd_stop(struct natsd *server);
/* A TCP port of the loopback that nobody listens on at this moment. */
int natsd_free_port(void);
