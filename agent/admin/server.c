/* The server: one thread, libmicrohttpd driven by our own loop, so that a client that takes too long is ended by our clock and not by its own pace.
 * One request a connection, GET and HEAD alone, no body, nothing of what a client sends is kept or logged. */
#include "admin/admin.h"

#include "base/clock.h"
#include "base/log.h"
#include "config/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS   32
#define BACKLOG       128
#define MEMORY        (16u * 1024) /* of a connection: request line and headers */
#define ASK_MS        5000         /* a connection without a whole request is ended */
#define ANSWER_MS     20000        /* so is one that does not read its answer */
#define LOOK_MS       250
#define IDLE_MS       1000

struct client {
    bool used, asked;
    int fd;
    int64_t since_ms;
};

struct sc_admin {
    struct sc_listen listen;
    struct sc_admin_view view;
    int socket, stop; /* stop: an eventfd */
    struct MHD_Daemon *daemon;
    pthread_t thread;
    bool running, ended;
    struct client clients[CONNECTIONS];
};

/* ---- answers ----------------------------------------------------------------------------------------------------------------------------- */

static const char text_type[] = "text/plain; charset=utf-8";

/* Takes the text. */
static enum MHD_Result reply(struct MHD_Connection *connection, int status, const char *type, struct sc_buf *text)
{
    char *body = sc_buf_take(text);
    if (!body)
        return MHD_NO; /* out of memory: the connection ends */
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(body);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Connection", "close");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result rc = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return rc;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, int status, const char *why)
{
    struct sc_buf text SC_AUTO_BUF = {0};
    sc_buf_addf(&text, "%s\n", why);
    return reply(connection, status, text_type, &text);
}

/* A page of some other site may have a browser on this machine ask us under a name of its own that it has pointed here; then the Host says so. Where we
 * listen for others too, names are what they use. */
static bool host_is_fine(const struct sc_admin *a, const char *host)
{
    struct sc_listen named;
    if (!a->listen.loopback || !host)
        return true;
    size_t name = strcspn(host, ":");
    return (name == 9 && strncasecmp(host, "localhost", 9) == 0) || sc_listen_parse(host, &named);
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding") || (length && strcmp(length, "0") != 0);
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                              const char *body, size_t *body_len, void **request)
{
    static const struct {
        const char *path, *type;
        int (*make)(const struct sc_admin_view *view, struct sc_buf *out);
    } pages[] = {
        {"/healthz", text_type, sc_admin_health},
        {"/readyz", text_type, sc_admin_ready},
        {"/metrics", "text/plain; version=0.0.4; charset=utf-8", sc_admin_metrics},
    };
    struct sc_admin *a = arg;
    struct sc_buf text SC_AUTO_BUF = {0};
    (void)version, (void)body, (void)body_len, (void)request;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct client *client = info ? info->socket_context : NULL;
    if (client) {
        client->asked = true;
        client->since_ms = sc_mono_ms();
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only");
    if (has_body(connection))
        return refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, "a request has no body here");
    if (!host_is_fine(a, MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host")))
        return refuse(connection, MHD_HTTP_MISDIRECTED_REQUEST, "this listens on loopback: ask for localhost or a numeric address");
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (strcmp(path, pages[i].path) == 0) {
            int status = pages[i].make(&a->view, &text);
            if (text.failed)
                return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory for the answer");
            return reply(connection, status, pages[i].type, &text);
        }
    }
    return refuse(connection, MHD_HTTP_NOT_FOUND, "there are /healthz, /readyz and /metrics");
}

/* ---- clients ----------------------------------------------------------------------------------------------------------------------------- */

static void on_client(void *arg, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode what)
{
    struct sc_admin *a = arg;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*context)
            *(struct client *)*context = (struct client){0};
        *context = NULL;
        a->ended = true;
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    for (unsigned i = 0; info && i < CONNECTIONS; i++) {
        if (!a->clients[i].used) {
            a->clients[i] = (struct client){.used = true, .fd = info->connect_fd, .since_ms = sc_mono_ms()};
            *context = &a->clients[i];
            return;
        }
    }
}

/* The library then finds the connection ended. True: there are clients to be looked after. */
static bool end_slow_clients(struct sc_admin *a)
{
    bool any = false;
    int64_t now = sc_mono_ms();
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct client *c = &a->clients[i];
        any |= c->used;
        if (c->used && now - c->since_ms > (c->asked ? ANSWER_MS : ASK_MS))
            shutdown(c->fd, SHUT_RDWR);
    }
    return any;
}

static void *loop(void *arg)
{
    struct sc_admin *a = arg;
    struct pollfd fds[2] = {{.fd = MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, .events = POLLIN},
                            {.fd = a->stop, .events = POLLIN}};
    pthread_setname_np(pthread_self(), "sc-admin");
    while (!fds[1].revents) {
        MHD_UNSIGNED_LONG_LONG wanted;
        int wait = end_slow_clients(a) ? LOOK_MS : IDLE_MS;
        if (MHD_get_timeout(a->daemon, &wanted) == MHD_YES && wanted < LOOK_MS)
            wait = (int)wanted;
        if (poll(fds, 2, wait) < 0 && errno != EINTR)
            break;
        do { /* once all places were taken, the library listens again with the run after the one that ended a client */
            a->ended = false;
            MHD_run(a->daemon);
        } while (a->ended);
    }
    return NULL;
}

/* ---- life -------------------------------------------------------------------------------------------------------------------------------- */

static int bind_socket(struct sc_admin *a, const char *text, struct sc_error *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(a->listen.port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->listen.port)};
    const int yes = 1;
    const struct sockaddr *address = a->listen.v6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;
    socklen_t len = a->listen.v6 ? sizeof v6 : sizeof v4;
    inet_pton(a->listen.v6 ? AF_INET6 : AF_INET, a->listen.host, a->listen.v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr);
    a->socket = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->socket >= 0) {
        setsockopt(a->socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        if (a->listen.v6)
            setsockopt(a->socket, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
        if (bind(a->socket, address, len) == 0 && listen(a->socket, BACKLOG) == 0)
            return 0;
    }
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot listen on admin.listen = %s: %s; choose another address or port, or leave it empty", text,
                   strerror(errno));
}

struct sc_admin *sc_admin_open(const char *text, struct sc_error *err)
{
    struct sc_admin *a = calloc(1, sizeof *a);
    if (!a) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for admin.listen");
        return NULL;
    }
    a->socket = -1;
    a->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!sc_listen_parse(text, &a->listen))
        sc_fail(err, SC_REASON_CONFIG_INVALID, "admin.listen = %s is no numeric address with a port", text);
    else if (a->stop < 0)
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "no event descriptor for admin.listen: %s", strerror(errno));
    else if (bind_socket(a, text, err) == 0)
        return a;
    return sc_admin_stop(a);
}

int sc_admin_start(struct sc_admin *a, const struct sc_admin_view *view, struct sc_error *err)
{
    a->view = *view;
    a->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, a, MHD_OPTION_LISTEN_SOCKET, a->socket, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_NOTIFY_CONNECTION, on_client, a,
                                 MHD_OPTION_END);
    if (!a->daemon)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "the server of admin.listen cannot be started: %s", strerror(errno));
    a->socket = -1; /* the daemon's now */
    if (pthread_create(&a->thread, NULL, loop, a))
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "the thread of admin.listen cannot be started");
    a->running = true;
    SC_SAY(a->listen.loopback ? SC_INFO : SC_WARN, "admin", "/healthz, /readyz and /metrics on %s%s%s port %u%s", a->listen.v6 ? "[" : "", a->listen.host,
           a->listen.v6 ? "]" : "", a->listen.port,
           a->listen.loopback ? "" : ": whoever reaches it reads the names of integrations and vendors' addresses; there is no password, so let only the scraper through");
    return 0;
}

struct sc_admin *sc_admin_stop(struct sc_admin *a)
{
    if (!a)
        return NULL;
    if (a->running) {
        const uint64_t one = 1;
        while (write(a->stop, &one, sizeof one) < 0 && errno == EINTR)
            ;
        pthread_join(a->thread, NULL);
    }
    if (a->daemon)
        MHD_stop_daemon(a->daemon);
    if (a->socket >= 0)
        close(a->socket);
    if (a->stop >= 0)
        close(a->stop);
    free(a);
    return NULL;
}
