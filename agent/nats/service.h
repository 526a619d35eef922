/* Answering on a subject: a thread with a connection of its own that listens while it is wanted, hands each request to its owner, and sends what the
 * owner gives it. Everything here but start, stop and poke is called by that thread. Messages are core NATS: what comes while the connection is away
 * is gone, and so are answers; who asked notices the silence. */
#pragma once

#include "nats/session.h"

#define SC_SERVICE_WAITING 256u /* requests that have come and are not looked at yet; more are dropped */

struct sc_service;

struct sc_service_config {
    const struct sc_nats_config *nats; /* copied */
    const char *role;                  /* static: name of the connection and of the thread's log lines */
    const char *subject;               /* copied */
    size_t max_body;                   /* longer requests come as absent texts */
    /* Is it wanted now? Looked at after every wait; false: the subscription ends. */
    bool (*wanted)(void *arg);
    /* A request; `reply` is an inbox, or empty when nobody waits for an answer. Requests with any other reply subject are refused. */
    void (*request)(void *arg, struct sc_service *service, struct sc_str body, const char *reply);
    /* After each wait, connected or not. Returns when it is to be called again, monotonic ms. */
    int64_t (*turn)(void *arg, struct sc_service *service);
    void *arg;
};

struct sc_service;
struct sc_service *sc_service_start(const struct sc_service_config *config, struct sc_error *err);
/* The thread ends, after one more turn where it is connected (goodbyes are sent then), within half a second. Returns NULL. */
struct sc_service *sc_service_stop(struct sc_service *service);
/* May an answer be sent there? Not with our rights to subjects that mean something to others: buckets, the stream, the API of the server. */
bool sc_service_is_inbox(const char *reply);
void sc_service_poke(struct sc_service *service); /* any thread: ends the wait */
bool sc_service_stopping(struct sc_service *service);
/* 0; -1: not connected, or it cannot be sent. */
int sc_service_send(struct sc_service *service, const char *reply, struct sc_str text);
