#include "nats/reach.h"

#include "base/clock.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define URLS_MAX      8
#define ADDRESSES_MAX 4
#define GREETING_MAX  (64u * 1024)

/* ---- the URL ------------------------------------------------------------------------------ */

static void copy(char *out, size_t cap, const char *text, size_t len)
{
    size_t n = len < cap - 1 ? len : cap - 1;
    memcpy(out, text, n);
    out[n] = '\0';
}

static void split_url(const char *url, size_t len, struct sc_reach *ret)
{
    const char *end = url + len, *scheme = memmem(url, len, "://", 3);
    const char *host = scheme ? scheme + 3 : url, *at = memrchr(host, '@', (size_t)(end - host));
    host = at ? at + 1 : host;
    const char *slash = memchr(host, '/', (size_t)(end - host));
    end = slash ? slash : end;
    const char *close = *host == '[' ? memchr(host, ']', (size_t)(end - host)) : NULL;
    const char *from = close ? close : host, *colon = memrchr(from, ':', (size_t)(end - from));
    const char *host_end = close ? close : colon ? colon : end;
    host += close != NULL;
    copy(ret->host, sizeof ret->host, host, (size_t)(host_end - host));
    if (colon && colon + 1 < end)
        copy(ret->port, sizeof ret->port, colon + 1, (size_t)(end - colon - 1));
    else
        copy(ret->port, sizeof ret->port, "4222", 4);
}

/* ---- TCP ---------------------------------------------------------------------------------- */

static void fail(struct sc_reach *ret, enum sc_reach_result result, const char *what)
{
    bool named = ret->address[0] && strcmp(ret->address, ret->host) != 0;
    ret->result = result;
    snprintf(ret->what, sizeof ret->what, "%s", what);
    snprintf(ret->text, sizeof ret->text, "%.90s:%s%s%s%s: %s", ret->host, ret->port,
             named ? " (" : "", named ? ret->address : "", named ? ")" : "", what);
}

static void fail_connect(struct sc_reach *ret, int error)
{
    char what[80];
    switch (error) {
    case ECONNREFUSED:
        fail(ret, SC_REACH_REFUSED, "connection refused, nothing listens there");
        break;
    case ENETUNREACH:
    case EHOSTUNREACH:
        fail(ret, SC_REACH_UNREACHABLE, "there is no route to it");
        break;
    case ETIMEDOUT:
        fail(ret, SC_REACH_TIMEOUT, "no answer to TCP, a firewall or a host that is down");
        break;
    default:
        snprintf(what, sizeof what, "cannot connect: %s", strerror(error));
        fail(ret, SC_REACH_ERROR, what);
    }
}

static int wait_for(int fd, short events, int64_t until)
{
    for (;;) {
        int64_t left = until - sc_mono_ms();
        struct pollfd poll_fd = {.fd = fd, .events = events};
        int rc = left <= 0 ? 0 : poll(&poll_fd, 1, (int)left);
        if (rc >= 0 || errno != EINTR)
            return rc;
    }
}

/* A connected socket, or -1 with errno. */
static int connect_to(const struct addrinfo *to, int64_t until)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
    socklen_t len = sizeof error;
    if (fd < 0)
        return -1;
    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
        return fd;
    error = errno;
    if (error == EINPROGRESS) {
        int rc = wait_for(fd, POLLOUT, until);
        if (rc <= 0)
            error = rc == 0 ? ETIMEDOUT : errno;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
            error = errno;
    }
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static bool resolve(struct sc_reach *ret, struct addrinfo **list)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int64_t began = sc_mono_ms();
    int rc = getaddrinfo(ret->host, ret->port, &hints, list);
    ret->resolve_ms = sc_mono_ms() - began;
    if (rc == 0)
        return true;
    bool none = rc == EAI_NONAME || rc == EAI_NODATA;
    fail(ret, none ? SC_REACH_NO_NAME : SC_REACH_NO_DNS,
         none ? "the name does not resolve (no such name)"
              : "the name does not resolve (no name server answers, or it failed)");
    return false;
}

/* ---- the greeting ------------------------------------------------------------------------- */

static bool read_line(int fd, int64_t until, struct sc_buf *out)
{
    sc_buf_clear(out);
    while (out->len < GREETING_MAX && !(out->len && memchr(out->ptr, '\n', out->len))) {
        char chunk[4096];
        if (wait_for(fd, POLLIN, until) <= 0)
            return false;
        ssize_t got = recv(fd, chunk, sizeof chunk, 0);
        if (got <= 0 || sc_buf_add(out, chunk, (size_t)got))
            return false;
    }
    return true;
}

static void take_greeting(struct sc_reach *ret, int fd, int64_t until, struct sc_buf *greeting)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    bool whole = read_line(fd, until, &line);
    sc_buf_clear(greeting);
    if (whole && line.len > 5 && memcmp(line.ptr, "INFO ", 5) == 0)
        sc_buf_add(greeting, line.ptr + 5, line.len - 5);
    else if (line.len)
        fail(ret, SC_REACH_NOT_NATS, "something else than NATS answers there");
    else
        fail(ret, SC_REACH_MUTE,
             "takes connections and says nothing: the server hangs or is stopped");
}

/* ---- TLS: what certificate is shown ------------------------------------------------------------
 */

static int64_t time_of(const ASN1_TIME *at)
{
    struct tm tm = {0};
    return at && ASN1_TIME_to_tm(at, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : SC_TIME_NONE;
}

static void take_certificate(struct sc_reach *ret, SSL *ssl)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);
    if (!cert)
        return;
    snprintf(ret->tls.version, sizeof ret->tls.version, "%s", SSL_get_version(ssl));
    X509_NAME_oneline(X509_get_subject_name(cert), ret->tls.subject, sizeof ret->tls.subject);
    X509_NAME_oneline(X509_get_issuer_name(cert), ret->tls.issuer, sizeof ret->tls.issuer);
    ret->tls.ends_ms = time_of(X509_get0_notAfter(cert));
    X509_free(cert);
}

/* The server shows its certificate before it asks for ours: a handshake that fails then has told
 * enough. */
static void take_tls(struct sc_reach *ret, int fd, int64_t until)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context ? SSL_new(context) : NULL;
    if (ssl && SSL_set_fd(ssl, fd) == 1) {
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
        if (strcmp(ret->host, ret->address) != 0) /* an address is no server name */
            SSL_set_tlsext_host_name(ssl, ret->host);
        for (int rc; (rc = SSL_connect(ssl)) != 1;) {
            int want = SSL_get_error(ssl, rc);
            short events = want == SSL_ERROR_WANT_READ    ? POLLIN
                           : want == SSL_ERROR_WANT_WRITE ? POLLOUT
                                                          : 0;
            if (!events || wait_for(fd, events, until) <= 0)
                break;
        }
        take_certificate(ret, ssl);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
}

/* ---- together ----------------------------------------------------------------------------- */

static bool wants_tls(const char *url, size_t len, struct sc_str greeting)
{
    static const char required[] = "\"tls_required\":true", available[] = "\"tls_available\":true";
    bool asked = len > 6 && memcmp(url, "tls://", 6) == 0;
    return memmem(greeting.ptr, greeting.len, required, sizeof required - 1) ||
           (asked && memmem(greeting.ptr, greeting.len, available, sizeof available - 1));
}

void sc_reach_try(const char *url, size_t len, uint32_t timeout_ms, struct sc_buf *greeting,
                  struct sc_reach *ret)
{
    struct addrinfo *list = NULL;
    *ret = (struct sc_reach){.resolve_ms = -1, .connect_ms = -1};
    split_url(url, len, ret);
    if (!resolve(ret, &list))
        return;
    int fd = -1, tried = 0;
    for (const struct addrinfo *to = list; to && fd < 0 && tried < ADDRESSES_MAX;
         to = to->ai_next, tried++) {
        int64_t began = sc_mono_ms();
        getnameinfo(to->ai_addr, to->ai_addrlen, ret->address, sizeof ret->address, NULL, 0,
                    NI_NUMERICHOST);
        fd = connect_to(to, began + timeout_ms);
        if (fd >= 0)
            ret->connect_ms = sc_mono_ms() - began;
        else
            fail_connect(ret, errno);
    }
    freeaddrinfo(list);
    if (fd < 0)
        return;
    fail(ret, SC_REACH_GOOD, "takes connections");
    if (greeting)
        take_greeting(ret, fd, sc_mono_ms() + timeout_ms, greeting);
    if (ret->result == SC_REACH_GOOD && greeting && wants_tls(url, len, sc_buf_str(greeting)))
        take_tls(ret, fd, sc_mono_ms() + timeout_ms);
    close(fd);
}

bool sc_reach_explain(const char *urls, uint32_t timeout_ms, char *out, size_t cap)
{
    size_t n = 0;
    bool good = false, several = strchr(urls, ',') != NULL;
    out[0] = '\0';
    for (int i = 0; *urls && i < URLS_MAX; i++) {
        size_t blank = strspn(urls, ", \t"), len = strcspn(urls += blank, ", \t");
        struct sc_reach reach;
        if (!len)
            break;
        sc_reach_try(urls, len, timeout_ms, NULL, &reach);
        good |= reach.result == SC_REACH_GOOD;
        int put = n < cap ? snprintf(out + n, cap - n, "%s%s", n ? "; " : "",
                                     several ? reach.text : reach.what)
                          : 0;
        n += put > 0 ? (size_t)put : 0;
        urls += len;
    }
    return good;
}
