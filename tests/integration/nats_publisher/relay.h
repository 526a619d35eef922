/* A TCP relay between a client and a server that loses things on demand: what the tests of lost
 * acknowledgements need. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct relay {
    int port; /* where it listens */
    int server_port;
    int listener;
    int wake[2];
    pthread_t thread;
    _Atomic bool mute;   /* what the server says is lost */
    _Atomic bool deaf;   /* what the client says is lost */
    _Atomic bool refuse; /* new connections are closed at once */
    _Atomic bool stop;
    _Atomic unsigned cuts_wanted, cuts_done;
};

void relay_start(struct relay *relay, int server_port);
/* Closes every connection there is; returns when they are closed. */
void relay_cut(struct relay *relay);
void relay_stop(struct relay *relay);
