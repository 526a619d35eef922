/* A server of raw bytes on 127.0.0.1: each connection gets a thread that runs the test's script, so
 * that every reply, cut, silence and reset can be produced exactly. Plain or TLS (the test's own
 * SSL_CTX). */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAWHTTP_REQUEST (64 * 1024)

struct rawhttp;

struct rawhttp_conn {
    struct rawhttp *server;
    void *arg;
    unsigned number;         /* of this connection, from 1 */
    unsigned request_number; /* on this connection, from 1 */
    int fd;
    SSL *ssl;
    char request[RAWHTTP_REQUEST]; /* the last one, head and body, terminated */
    size_t request_len, body_at;
};

typedef void (*rawhttp_script)(struct rawhttp_conn *conn);

/* tls NULL: plain; the SSL_CTX stays the caller's. Fails the process when no port is to be had. */
struct rawhttp *rawhttp_start(rawhttp_script script, void *arg, SSL_CTX *tls);
/* Ends all connections, waits for the scripts; returns NULL. */
struct rawhttp *rawhttp_stop(struct rawhttp *server);
uint16_t rawhttp_port(const struct rawhttp *server);
unsigned rawhttp_connections(struct rawhttp *server); /* accepted so far */
unsigned rawhttp_requests(struct rawhttp *server);    /* read whole so far */

/* For scripts. false: the peer has gone. */
bool rawhttp_request(struct rawhttp_conn *conn); /* waits for the next request with its body */
bool rawhttp_send(struct rawhttp_conn *conn, const void *bytes, size_t len);
bool rawhttp_say(struct rawhttp_conn *conn, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* "HTTP/1.1 200 OK" with that body and its length; extra header lines end with \r\n each. */
bool rawhttp_reply(struct rawhttp_conn *conn, const char *extra, const void *body, size_t len);
size_t rawhttp_read(struct rawhttp_conn *conn, void *out, size_t cap); /* 0: closed */
void rawhttp_wait_close(
    struct rawhttp_conn *conn);                /* until the peer closes or the server is stopped */
void rawhttp_reset(struct rawhttp_conn *conn); /* ends it with RST */
const char *rawhttp_header(struct rawhttp_conn *conn, const char *name, char *out,
                           size_t cap); /* "" when absent */

/* Ports: one that refuses, and one whose SYNs are dropped (backlog full). */
uint16_t rawhttp_closed_port(void);
struct rawhttp_silent {
    int fds[8];
    uint16_t port;
};
void rawhttp_silent_open(struct rawhttp_silent *silent);
void rawhttp_silent_close(struct rawhttp_silent *silent);
