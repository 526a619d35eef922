#include "rawhttp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct entry {
    struct entry *next;
    struct rawhttp_conn conn;
    pthread_t thread;
    bool over;
};

struct rawhttp {
    rawhttp_script script;
    void *arg;
    SSL_CTX *tls;
    int fd;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    struct entry *entries;
    unsigned connections, requests;
    bool stopping;
};

static void die(const char *what)
{
    fprintf(stderr, "rawhttp: %s: %s\n", what, strerror(errno));
    abort();
}

static int listen_local(int backlog, uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, backlog) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        die("listen");
    *ret_port = ntohs(at.sin_port);
    return fd;
}

uint16_t rawhttp_closed_port(void)
{
    uint16_t port;
    close(listen_local(1, &port));
    return port;
}

void rawhttp_silent_open(struct rawhttp_silent *silent)
{
    silent->fds[0] = listen_local(0, &silent->port);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(silent->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 1; i < sizeof(silent->fds) / sizeof(*silent->fds); i++) {
        silent->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(silent->fds[i], (struct sockaddr *)&at, sizeof(at)) != 0 &&
            errno != EINPROGRESS)
            die("connect");
    }
}

void rawhttp_silent_close(struct rawhttp_silent *silent)
{
    for (size_t i = 0; i < sizeof(silent->fds) / sizeof(*silent->fds); i++)
        close(silent->fds[i]);
}

static void *run_script(void *arg)
{
    struct entry *entry = arg;
    struct rawhttp_conn *conn = &entry->conn;
    struct rawhttp *server = conn->server;
    bool ready = true;
    if (server->tls) {
        conn->ssl = SSL_new(server->tls);
        SSL_set_fd(conn->ssl, conn->fd);
        ready = SSL_accept(conn->ssl) == 1;
    }
    if (ready)
        server->script(conn);
    if (conn->ssl && ready)
        SSL_shutdown(conn->ssl);
    SSL_free(conn->ssl);
    pthread_mutex_lock(&server->lock);
    entry->over = true;
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static void begin(struct rawhttp *server, int fd)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    int on = 1;
    if (!entry)
        die("memory");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    entry->conn.server = server;
    entry->conn.arg = server->arg;
    entry->conn.fd = fd;
    pthread_mutex_lock(&server->lock);
    if (server->stopping) {
        pthread_mutex_unlock(&server->lock);
        close(fd);
        free(entry);
        return;
    }
    entry->conn.number = ++server->connections;
    entry->next = server->entries;
    server->entries = entry;
    if (pthread_create(&entry->thread, NULL, run_script, entry) != 0)
        die("thread");
    pthread_mutex_unlock(&server->lock);
}

static void *accept_all(void *arg)
{
    struct rawhttp *server = arg;
    for (;;) {
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            begin(server, fd);
        else if (errno != EINTR && errno != ECONNABORTED)
            return NULL;
    }
}

struct rawhttp *rawhttp_start(rawhttp_script script, void *arg, SSL_CTX *tls)
{
    struct rawhttp *server = calloc(1, sizeof(*server));
    if (!server)
        die("memory");
    server->script = script;
    server->arg = arg;
    server->tls = tls;
    server->fd = listen_local(512, &server->port);
    pthread_mutex_init(&server->lock, NULL);
    if (pthread_create(&server->thread, NULL, accept_all, server) != 0)
        die("thread");
    return server;
}

struct rawhttp *rawhttp_stop(struct rawhttp *server)
{
    if (!server)
        return NULL;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    for (struct entry *e = server->entries; e; e = e->next)
        if (e->conn.fd >= 0)
            shutdown(e->conn.fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    while (server->entries) {
        struct entry *e = server->entries;
        pthread_join(e->thread, NULL);
        server->entries = e->next;
        free(e);
    }
    pthread_mutex_destroy(&server->lock);
    free(server);
    return NULL;
}

uint16_t rawhttp_port(const struct rawhttp *server)
{
    return server->port;
}

static unsigned read_locked(struct rawhttp *server, const unsigned *what)
{
    pthread_mutex_lock(&server->lock);
    unsigned value = *what;
    pthread_mutex_unlock(&server->lock);
    return value;
}

unsigned rawhttp_connections(struct rawhttp *server)
{
    return read_locked(server, &server->connections);
}

unsigned rawhttp_requests(struct rawhttp *server)
{
    return read_locked(server, &server->requests);
}

size_t rawhttp_read(struct rawhttp_conn *conn, void *out, size_t cap)
{
    ssize_t n;
    if (conn->fd < 0)
        return 0;
    if (conn->ssl)
        n = SSL_read(conn->ssl, out, (int)cap);
    else
        do
            n = recv(conn->fd, out, cap, 0);
        while (n < 0 && errno == EINTR);
    return n > 0 ? (size_t)n : 0;
}

const char *rawhttp_header(struct rawhttp_conn *conn, const char *name, char *out, size_t cap)
{
    size_t len = strlen(name);
    *out = '\0';
    for (const char *line = strstr(conn->request, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *value = line + len + 1 + strspn(line + len + 1, " ");
            snprintf(out, cap, "%.*s", (int)strcspn(value, "\r\n"), value);
            break;
        }
        if (line[0] == '\r')
            break;
    }
    return out;
}

bool rawhttp_request(struct rawhttp_conn *conn)
{
    char text[32];
    size_t want = 0;
    conn->request_len = conn->body_at = 0;
    for (;;) {
        char *end =
            conn->body_at ? NULL : strstr(conn->request_len ? conn->request : "", "\r\n\r\n");
        if (end) {
            conn->body_at = (size_t)(end - conn->request) + 4;
            want = conn->body_at +
                   strtoul(rawhttp_header(conn, "Content-Length", text, sizeof(text)), NULL, 10);
        }
        if (conn->body_at && conn->request_len >= want)
            break;
        if (conn->request_len + 1 >= sizeof(conn->request))
            return false;
        size_t n = rawhttp_read(conn, conn->request + conn->request_len,
                                sizeof(conn->request) - 1 - conn->request_len);
        if (n == 0)
            return false;
        conn->request_len += n;
        conn->request[conn->request_len] = '\0';
    }
    conn->request_number++;
    pthread_mutex_lock(&conn->server->lock);
    conn->server->requests++;
    pthread_mutex_unlock(&conn->server->lock);
    return true;
}

bool rawhttp_send(struct rawhttp_conn *conn, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        size_t some = len < 1 << 20 ? len : 1 << 20;
        ssize_t n = conn->fd < 0 ? -1
                    : conn->ssl  ? SSL_write(conn->ssl, at, (int)some)
                                 : send(conn->fd, at, some, MSG_NOSIGNAL);
        if (n <= 0 && !(n < 0 && !conn->ssl && errno == EINTR))
            return false;
        if (n > 0)
            at += n, len -= (size_t)n;
    }
    return true;
}

bool rawhttp_say(struct rawhttp_conn *conn, const char *fmt, ...)
{
    char text[4096];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return n >= 0 && (size_t)n < sizeof(text) && rawhttp_send(conn, text, (size_t)n);
}

bool rawhttp_reply(struct rawhttp_conn *conn, const char *extra, const void *body, size_t len)
{
    return rawhttp_say(conn, "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n", extra, len) &&
           rawhttp_send(conn, body, len);
}

void rawhttp_wait_close(struct rawhttp_conn *conn)
{
    char sink[4096];
    while (rawhttp_read(conn, sink, sizeof(sink)) > 0)
        ;
}

void rawhttp_reset(struct rawhttp_conn *conn)
{
    struct linger hard = {.l_onoff = 1};
    pthread_mutex_lock(&conn->server->lock);
    if (conn->fd >= 0) {
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        close(conn->fd);
    }
    conn->fd = -1;
    pthread_mutex_unlock(&conn->server->lock);
}
