/* A thread with a connection of its own, and how it ends in time: what lease, watch and reader are
 * made of. The thread calls everything here except start, stop and poke.
 *
 * Stopping: a call that waits on the connection is ended by closing the connection. Only connecting
 * itself cannot be interrupted (nats.c hands out no handle before it is done); a thread that is
 * found there when the time is up is left to itself: it touches nothing but its own memory, frees
 * that and ends. For this the configuration is a copy. */
#pragma once

#include "nats/session.h"
#include <pthread.h>

#define SC_BACKOFF_FIRST_MS 200
#define SC_BACKOFF_LAST_MS  5000

struct sc_worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* CLOCK_MONOTONIC */
    struct sc_nats_config *config;
    struct sc_session *session; /* the thread's; others only end it, under the lock */
    int64_t backoff_ms;
    bool stopping, lost, poked, connecting, ended, abandoned;
    void (*run)(void *arg);
    void (*free)(void *arg); /* of the object that the worker is part of; calls sc_worker_done() */
    void *arg;
};

/* Copies the configuration and starts the thread. On -1 the worker needs sc_worker_done() all the
 * same. */
int sc_worker_start(struct sc_worker *worker, const struct sc_nats_config *config,
                    void (*run)(void *arg), void (*free_arg)(void *arg), void *arg,
                    struct sc_error *err);
/* Tells the thread to end and waits: grace_ms for it to finish by itself, then its connection is
 * closed. True: it ended. False: it still connects after limit_ms in all. */
bool sc_worker_end(struct sc_worker *worker, int64_t grace_ms, int64_t limit_ms);
/* After sc_worker_end(): the object is freed now, or later by the thread that still connects. */
void sc_worker_leave(struct sc_worker *worker);
void sc_worker_done(struct sc_worker *worker);
void sc_worker_poke(struct sc_worker *worker); /* ends a wait; any thread */

bool sc_worker_stopping(struct sc_worker *worker);
/* Connected, and the connection has not broken. */
bool sc_worker_connected(struct sc_worker *worker);
/* Opens the session (an old one is closed). -1 + err; when sc_worker_stopping() is true afterwards
 * the thread must call nobody any more. */
int sc_worker_connect(struct sc_worker *worker, const char *role, uint32_t timeout_ms,
                      struct sc_error *err) SC_WARN_UNUSED;
void sc_worker_disconnect(struct sc_worker *worker);
/* Until that monotonic time, a poke, the end of the connection or of the worker. */
void sc_worker_wait(struct sc_worker *worker, int64_t until_ms);
/* After a failure: 0.2 s doubling to 5 s, and no longer than most_ms; ended by a stop alone. */
void sc_worker_back_off(struct sc_worker *worker, int64_t most_ms);
void sc_worker_went_well(struct sc_worker *worker); /* the next back-off is the first again */
