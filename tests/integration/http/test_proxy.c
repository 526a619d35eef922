/* Proxies: which one is used, and what each of their refusals is called. The proxy is a small one
 * of this test's own. */
#include "client.h"

#include "base/reach.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certs.h"

/* What the mini proxy does, and what it saw. */
struct mini {
    const char *answer; /* to CONNECT, in place of a tunnel; NULL: tunnel to `port` */
    uint16_t port;
    char seen[256], auth[128];
};

static void pump(int a, int b)
{
    struct pollfd p[2] = {
        {.fd = a, .events = POLLIN},
        {.fd = b, .events = POLLIN}
    };
    char block[16384];
    while (poll(p, 2, -1) > 0)
        for (int i = 0; i < 2; i++) {
            if (!p[i].revents)
                continue;
            ssize_t n = recv(p[i].fd, block, sizeof(block), 0);
            if (n <= 0 || send(p[1 - i].fd, block, (size_t)n, MSG_NOSIGNAL) != n)
                return;
        }
}

static void proxy(struct rawhttp_conn *c)
{
    struct mini *m = c->arg;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(m->port)};
    while (rawhttp_request(c)) {
        snprintf(m->seen, sizeof(m->seen), "%.*s", (int)strcspn(c->request, "\r"), c->request);
        rawhttp_header(c, "Proxy-Authorization", m->auth, sizeof(m->auth));
        if (m->answer) {
            rawhttp_say(c, "%s", m->answer);
        } else if (strncmp(c->request, "CONNECT", 7) != 0) {
            rawhttp_reply(c, "Via: mini\r\n", "by proxy", 8);
        } else {
            int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            rawhttp_say(
                c, "HTTP/1.1 200 Connection established\r\nX-Proxy: mini\r\nLocation: /x\r\n\r\n");
            if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
                pump(c->fd, fd);
            close(fd);
            return;
        }
    }
}

static char dir[] = "/tmp/http-proxy-XXXXXX", ca_file[64];
static struct cert ca, leaf, home;
static SSL_CTX *tls;
static struct rawhttp *vendor;

static void hello(struct rawhttp_conn *c)
{
    while (rawhttp_request(c))
        rawhttp_reply(c, "", "hello", 5);
}

static int start_all(void **state)
{
    if (setup_all(state) != 0 || !mkdtemp(dir))
        return -1;
    snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", dir);
    ca = cert_make(&(struct cert_want){.name = "Lab Root", .ca = true});
    home = cert_make(&(struct cert_want){.name = "Home Grown", .ca = true});
    leaf = cert_make(&(struct cert_want){
        .name = "v", .san = "DNS:vendor.test,DNS:other.test,IP:127.0.0.1", .issuer = &ca});
    cert_write(ca_file, &ca, NULL);
    tls = cert_server(&leaf, NULL, 0);
    vendor = rawhttp_start(hello, NULL, tls);
    return 0;
}

static int stop_all(void **state)
{
    rawhttp_stop(vendor);
    SSL_CTX_free(tls);
    cert_done(&ca);
    cert_done(&home);
    cert_done(&leaf);
    unlink(ca_file);
    rmdir(dir);
    return teardown_all(state);
}

static void test_tunnel(void **state)
{
    struct mini m = {.port = rawhttp_port(vendor)};
    struct rawhttp *server = rawhttp_start(proxy, &m, NULL);
    struct sc_http *http = client_new(NULL);
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct fetch f = {
            .url = "https://vendor.test/x",
            .proxy = url_of("http", "user:pass%20word@127.0.0.1", rawhttp_port(server), ""),
            .ca_file = ca_file,
            .watch = "X-Proxy"};
        fetch_run(http, &f);
        expect_reason("tunnel", &f, SC_REASON_OK);
        CHECK_BYTES("tunnel", f.body.ptr, f.body.len, "hello", 5);
        assert_int_equal(f.heads, 1);
        assert_int_equal(f.watched, 0);
        fetch_done(&f);
    }
    assert_int_equal(rawhttp_connections(server), 1); /* the tunnel is kept, too */
    sc_http_free(http);
    rawhttp_stop(server);
    assert_string_equal(m.seen, "CONNECT vendor.test:443 HTTP/1.1");
    assert_string_equal(m.auth, "Basic dXNlcjpwYXNzIHdvcmQ=");
}

static void test_refusals(void **state)
{
    static const struct {
        const char *answer;
        bool with_user, plain;
        enum sc_reason want;
        const char *text;
    } rows[] = {
        {"HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\nContent-Length: "
         "4\r\n\r\nbody",                                 .want = SC_REASON_PROXY_REFUSED,
         .text = "answered 403 ERR_ACCESS_DENIED 0 to CONNECT vendor.test:443: allow that host"                                                 },
        {"HTTP/1.1 503 Unavailable\r\n\r\n",                       .want = SC_REASON_PROXY_REFUSED,
         .text = "cannot reach that host itself"                                                                                                },
        {"HTTP/1.1 400 Bad Request\r\n\r\n",                       .want = SC_REASON_PROXY_REFUSED,
         .text = "is it a proxy at all"                                                                                                         },
        {"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n", .want = SC_REASON_PROXY_REFUSED,
         .text = "302"                                                                                                                          },
        {"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm=\"lab\"\r\nContent-Length: "
         "0\r\n\r\n",                                     .want = SC_REASON_PROXY_AUTH,    .text = "wants Basic realm=\"lab\": no user"},
        {"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm=\"lab\"\r\nContent-Length: "
         "0\r\n\r\n",                                     .with_user = true,               .want = SC_REASON_PROXY_AUTH,                 .text = "a wrong user and password"},
        {"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm=\"lab\"\r\nContent-Length: "
         "0\r\n\r\n",                                                        .plain = true,                                                                    .want = SC_REASON_PROXY_AUTH,                                            .text = "no user"},
        {"HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\nContent-Length: "
         "0\r\n\r\n",                                       .plain = true,                                                                      .want = SC_REASON_PROXY_REFUSED,                                                    .text = "ERR_ACCESS_DENIED"},
        {"220 mail ready\r\n",                         .want = SC_REASON_PROXY_REFUSED,.text = "as a proxy"},
        {"", .want = SC_REASON_PROXY_REFUSED,                                                     .text = "did not connect to vendor.test in 1 s"                                                                                                                                                },
    };
    struct sc_http_config config = {.connect_timeout_s = 1};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct mini m = {.answer = rows[i].answer};
        struct rawhttp *server = rawhttp_start(proxy, &m, NULL);
        struct sc_http *http = client_new(&config);
        struct fetch f = {.url = rows[i].plain ? "http://vendor.test/x" : "https://vendor.test/x",
                          .plain = true};
        f.proxy = url_of("http", rows[i].with_user ? "user:pw-s3cret@127.0.0.1" : "127.0.0.1",
                         rawhttp_port(server), "");
        fetch_run(http, &f);
        expect_reason(rows[i].text, &f, rows[i].want);
        expect_text(rows[i].text, &f, rows[i].text);
        assert_int_equal(f.heads, 0);
        assert_int_equal(f.result.status, 0);
        assert_null(strstr(f.result.text, "s3cret"));
        fetch_done(&f);
        sc_http_free(http);
        rawhttp_stop(server);
    }
}

static void answers_plainly(struct rawhttp_conn *c)
{
    if (rawhttp_read(c, c->request, 100) > 0)
        rawhttp_say(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

static void test_unreachable_proxy(void **state)
{
    struct rawhttp_silent silent;
    struct sc_http_config config = {.connect_timeout_s = 1};
    struct sc_http *http = client_new(&config);
    (void)state;
    rawhttp_silent_open(&silent);
    const struct {
        const char *proxy, *text;
    } rows[] = {
        {url_of("http",                                   "u:pw-s3cret@127.0.0.1", rawhttp_closed_port(), ""),
         "cannot be reached (Connection refused)"                                                                                                         },
        {url_of("http",                                   "u:pw-s3cret@127.0.0.1", silent.port,           ""), "does not answer in 1 s"                   },
        {"http://u:pw-s3cret@no-such-proxy.invalid:3128", "does not resolve"     },
        {url_of("https",                                            "127.0.0.1",                                                         rawhttp_port(vendor),                      ""),            "Lab Root"},
        {url_of("socks5h",                                            "127.0.0.1",                                                rawhttp_closed_port(),                                                         ""),                                  "cannot be reached"                      },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fetch f = {.url = "https://vendor.test/x", .proxy = rows[i].proxy};
        fetch_run(http, &f);
        expect_reason(rows[i].text, &f,
                      strstr(rows[i].text, "Root") ? SC_REASON_TLS_UNTRUSTED
                                                   : SC_REASON_PROXY_REFUSED);
        expect_text(rows[i].text, &f, rows[i].text);
        assert_null(strstr(f.result.text, "s3cret"));
        fetch_done(&f);
    }
    sc_http_free(http);
    rawhttp_silent_close(&silent);

    struct rawhttp *plain = rawhttp_start(answers_plainly, NULL, NULL);
    struct fetch f = {.url = "https://vendor.test/x",
                      .proxy = url_of("https", "127.0.0.1", rawhttp_port(plain), "")};
    http = client_new(&config);
    fetch_run(http, &f);
    expect_reason("https:// for a plain proxy", &f, SC_REASON_PROXY_REFUSED);
    expect_text("https:// for a plain proxy", &f, "does not speak TLS: give it as http://");
    fetch_done(&f);
    sc_http_free(http);
    rawhttp_stop(plain);
}

/* The environment's proxy, NO_PROXY, and the integration's own that wins over both. */
static void test_environment(void **state)
{
    struct mini m = {.port = rawhttp_port(vendor)}, n = {.port = rawhttp_port(vendor)};
    struct rawhttp *env = rawhttp_start(proxy, &m, NULL), *own = rawhttp_start(proxy, &n, NULL);
    char env_url[64], own_url[64], direct[64];
    (void)state;
    snprintf(env_url, sizeof(env_url), "%s", url_of("http", "127.0.0.1", rawhttp_port(env), ""));
    snprintf(own_url, sizeof(own_url), "%s", url_of("http", "127.0.0.1", rawhttp_port(own), ""));
    snprintf(direct, sizeof(direct), "%s",
             url_of("https", "127.0.0.1", rawhttp_port(vendor), "/x"));
    const struct {
        const char *why, *url, *https_proxy, *http_proxy, *no_proxy, *proxy;
        enum sc_reason want;
        unsigned env, own; /* connections they got */
    } rows[] = {
        {"https",            "https://vendor.test/", env_url, NULL,    NULL,          NULL,    SC_REASON_OK, 1, 0},
        {"http",             "http://vendor.test/",  NULL,    env_url, NULL,          NULL,    SC_REASON_OK, 1, 0},
        {"http, not for it", "http://vendor.test/",  env_url, NULL,    NULL,          NULL,
         SC_REASON_DNS_FAILURE,                                                                              0, 0},
        {"NO_PROXY",         direct,                 env_url, NULL,    "127.0.0.1,x", NULL,    SC_REASON_OK, 0, 0},
        {"NO_PROXY, domain", "https://vendor.test/", env_url, NULL,    ".test",       NULL,
         SC_REASON_DNS_FAILURE,                                                                              0, 0},
        {"NO_PROXY, http",   "http://vendor.test/",  NULL,    env_url, "vendor.test", NULL,
         SC_REASON_DNS_FAILURE,                                                                              0, 0},
        {"own wins",         "https://vendor.test/", env_url, NULL,    NULL,          own_url, SC_REASON_OK, 0, 1},
        {"own and NO_PROXY", "https://vendor.test/", env_url, NULL,    "*",           own_url, SC_REASON_OK, 0,
         1                                                                                                       },
        {"none",             direct,                 env_url, NULL,    NULL,          "",      SC_REASON_OK, 0, 0},
    };
    unsigned env_count = 0, own_count = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sc_http *http = client_new(NULL);
        rows[i].https_proxy ? setenv("HTTPS_PROXY", rows[i].https_proxy, 1)
                            : unsetenv("HTTPS_PROXY");
        rows[i].http_proxy ? setenv("HTTP_PROXY", rows[i].http_proxy, 1) : unsetenv("HTTP_PROXY");
        rows[i].no_proxy ? setenv("NO_PROXY", rows[i].no_proxy, 1) : unsetenv("NO_PROXY");
        struct fetch f = {
            .url = rows[i].url, .proxy = rows[i].proxy, .ca_file = ca_file, .plain = true};
        fetch_run(http, &f);
        expect_reason(rows[i].why, &f, rows[i].want);
        CHECK_INT(rows[i].why, rawhttp_connections(env), env_count += rows[i].env);
        CHECK_INT(rows[i].why, rawhttp_connections(own), own_count += rows[i].own);
        fetch_done(&f);
        sc_http_free(http);
    }
    unsetenv("HTTPS_PROXY"), unsetenv("HTTP_PROXY"), unsetenv("NO_PROXY");
    rawhttp_stop(env);
    rawhttp_stop(own);
}

/* One CA that nobody trusts signs two hosts: somebody opens TLS on the way. */
static void test_intercepted(void **state)
{
    struct mini m = {.port = rawhttp_port(vendor)};
    struct rawhttp *server = rawhttp_start(proxy, &m, NULL);
    struct sc_http *http = client_new(NULL);
    static const struct {
        const char *url;
        enum sc_reason want;
    } steps[] = {
        {"https://vendor.test/", SC_REASON_TLS_UNTRUSTED  },
        {"https://vendor.test/", SC_REASON_TLS_UNTRUSTED  },
        {"https://other.test/",  SC_REASON_TLS_INTERCEPTED},
        {"https://vendor.test/", SC_REASON_TLS_INTERCEPTED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        struct fetch f = {.url = steps[i].url,
                          .proxy = url_of("http", "127.0.0.1", rawhttp_port(server), "")};
        fetch_run(http, &f);
        expect_reason(steps[i].url, &f, steps[i].want);
        expect_text(steps[i].url, &f, "\"Lab Root\"");
        fetch_done(&f);
    }
    sc_http_free(http);
    rawhttp_stop(server);
}

/* Certificates of two hosts that have expired at once: it may be our own clock; and when others have told the time, it is, or is not. */
static void test_expired_at_once(void **state)
{
    struct cert old = cert_make(&(struct cert_want){.name = "old", .san = "DNS:vendor.test,DNS:other.test", .issuer = &ca, .from_s = -864000, .until_s = -432000});
    SSL_CTX *stale = cert_server(&old, NULL, 0);
    struct rawhttp *expired = rawhttp_start(hello, NULL, stale);
    struct mini m = {.port = rawhttp_port(expired)};
    struct rawhttp *server = rawhttp_start(proxy, &m, NULL);
    struct sc_http *http = client_new(NULL);
    static const struct {
        const char *url;
        int64_t nats_off_ms; /* SC_TIME_NONE: it has not said */
        enum sc_reason want;
        const char *text;
        bool open;
    } steps[] = {
        {"https://vendor.test/", SC_TIME_NONE, SC_REASON_TLS_EXPIRED, "if several hosts show this, the clock of this host", true},
        {"https://other.test/", SC_TIME_NONE, SC_REASON_TLS_EXPIRED, "as 1 other host shows this too, perhaps the clock of this host", true},
        {"https://other.test/", 0, SC_REASON_TLS_EXPIRED, "this host's clock agrees with what NATS and others say", false},
        {"https://other.test/", -600000, SC_REASON_TLS_EXPIRED, "(5 days ago)", false},
        {"https://other.test/", -7 * 86400000ll, SC_REASON_CLOCK_SKEW, "of other.test only looks expired", false},
    };
    (void)state;
    sc_reach_forget();
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (steps[i].nats_off_ms != SC_TIME_NONE)
            sc_reach_nats_clock(steps[i].nats_off_ms);
        struct fetch f = {.url = steps[i].url, .proxy = url_of("http", "127.0.0.1", rawhttp_port(server), ""), .ca_file = ca_file};
        fetch_run(http, &f);
        expect_reason(steps[i].text, &f, steps[i].want);
        expect_text(steps[i].text, &f, steps[i].text);
        CHECK_INT("looked at again soon", f.result.open, steps[i].open);
        fetch_done(&f);
    }
    sc_reach_forget();
    sc_http_free(http);
    rawhttp_stop(server);
    rawhttp_stop(expired);
    SSL_CTX_free(stale);
    cert_done(&old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_unreachable_proxy),
        cmocka_unit_test(test_intercepted), cmocka_unit_test(test_expired_at_once),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
