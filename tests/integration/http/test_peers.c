/* The same against peers that were not written for this test: nginx as a server, squid as a proxy.
 * What is not installed is skipped, and says so. */
#include "client.h"

#include <poll.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certs.h"

#define PASSWORD_HASH "9MV8p66ATkOc2lhiSdLwO0" /* of pw-s3cret */

static char dir[] = "/tmp/http-peers-XXXXXX";
static struct cert ca, leaf;
static SSL_CTX *tls;
static struct rawhttp *vendor;
static char ca_file[64];

static const char *find_program(const char *const *paths)
{
    for (; *paths; paths++)
        if (access(*paths, X_OK) == 0)
            return *paths;
    return NULL;
}

static void write_file(const char *name, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void write_file(const char *name, const char *fmt, ...)
{
    char path[128];
    va_list args;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    va_start(args, fmt);
    vfprintf(f, fmt, args);
    va_end(args);
    fclose(f);
}

static pid_t spawn(const char *const *argv)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a check fails */
        if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
            _exit(126);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

/* Until it takes connections; at most 20 s. */
static bool wait_port(pid_t pid, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    for (int64_t end = sc_mono_ms() + 20000; sc_mono_ms() < end; poll(NULL, 0, 20)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int rc = connect(fd, (struct sockaddr *)&to, sizeof(to));
        close(fd);
        if (rc == 0)
            return true;
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return false;
    }
    return false;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void hello(struct rawhttp_conn *c)
{
    while (rawhttp_request(c))
        rawhttp_reply(c, "", "hello", 5);
}

static int start_all(void **state)
{
    if (setup_all(state) != 0 || !mkdtemp(dir) || chmod(dir, 0755) != 0)
        return -1;
    snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", dir);
    ca = cert_make(&(struct cert_want){.name = "Lab Root", .ca = true});
    leaf = cert_make(
        &(struct cert_want){.name = "v", .san = "DNS:vendor.test,DNS:auth.test", .issuer = &ca});
    cert_write(ca_file, &ca, NULL);
    tls = cert_server(&leaf, NULL, 0);
    vendor = rawhttp_start(hello, NULL, tls);
    return 0;
}

static int stop_all(void **state)
{
    static const char *const names[] = {"ca.pem", "nginx.conf", "squid.conf", "hosts",
                                        "passwd", "page.json",  "cache.log",  "e.log"};
    char path[128];
    rawhttp_stop(vendor);
    SSL_CTX_free(tls);
    cert_done(&ca);
    cert_done(&leaf);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
    return teardown_all(state);
}

static void nginx_checks(uint16_t port)
{
    static const char *const if_none[] = {"If-Modified-Since: Wed, 01 Jan 2120 00:00:00 GMT", NULL};
    static const struct {
        const char *path;
        const char *const *headers;
        bool refuse;
        int status;
        enum sc_reason want;
        uint64_t decoded;
    } rows[] = {
        {"/page.json",      NULL,    false, 200, SC_REASON_OK,              180000},
        {"/gzip/page.json", NULL,    false, 200, SC_REASON_OK,              180000},
        {"/page.json",      if_none, false, 304, SC_REASON_OK,              0     },
        {"/missing",        NULL,    true,  404, SC_REASON_OK,              0     },
        {"/there",          NULL,    false, 200, SC_REASON_OK,              180000},
        {"/away",           NULL,    false, 0,   SC_REASON_BAD_RESPONSE,    0     },
        {"/busy",           NULL,    true,  429, SC_REASON_OK,              0     },
        {"/cut",            NULL,    true,  0,   SC_REASON_CONNECTION_LOST, 0     },
    };
    struct sc_http *http = client_new(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fetch f = {.url = url_of("http", "127.0.0.1", port, rows[i].path),
                          .headers = rows[i].headers,
                          .refuse_body = rows[i].refuse,
                          .watch = "Content-Encoding"};
        fetch_run(http, &f);
        expect_reason(rows[i].path, &f, rows[i].want);
        CHECK_INT(rows[i].path, f.result.status, rows[i].status);
        if (rows[i].decoded)
            CHECK_INT(rows[i].path, f.result.bytes_decoded, rows[i].decoded);
        if (strncmp(rows[i].path, "/gzip", 5) == 0) {
            CHECK_TEXT(rows[i].path, f.header, "gzip");
            assert_true(f.result.bytes_wire < 50000);
        }
        if (rows[i].status == 404)
            assert_non_null(strstr(f.prefix.ptr, "nginx"));
        if (rows[i].status)
            assert_true(llabs(f.result.date_ms - sc_real_ms()) < 10000);
        fetch_done(&f);
    }
    sc_http_free(http);
}

static void test_nginx(void **state)
{
    static const char *const paths[] = {"/usr/sbin/nginx", "/usr/bin/nginx", NULL};
    const char *program = find_program(paths);
    uint16_t port = rawhttp_closed_port();
    char conf[128];
    (void)state;
    if (!program) {
        print_message("SKIPPED: nginx is not installed\n");
        skip();
    }
    char page[180001];
    for (size_t i = 0; i < 180000; i++)
        page[i] = "{\"id\": 12345, \"text\": \"abc\"}\n   "[i % 32];
    page[180000] = '\0';
    write_file("page.json", "%s", page);
    write_file("nginx.conf",
               "daemon off; master_process off; pid /dev/null; error_log %s/e.log crit;\n"
               "events {} http { access_log off; types { application/json json; }\n"
               "client_body_temp_path %s/t; proxy_temp_path %s/t; fastcgi_temp_path %s/t; "
               "uwsgi_temp_path %s/t;\n"
               "scgi_temp_path %s/t;\n"
               "server { listen 127.0.0.1:%u; root %s; absolute_redirect off;\n"
               "location /gzip/ { alias %s/; gzip on; gzip_types application/json; }\n"
               "if_modified_since before;\n"
               "location = /there { return 302 /page.json; }\n"
               "location = /away { return 302 http://elsewhere.example/; }\n"
               "location = /busy { default_type text/plain; return 429 'slow down'; }\n"
               "location = /cut { return 444; } } }\n",
               dir, dir, dir, dir, dir, dir, port, dir, dir);
    snprintf(conf, sizeof(conf), "%s/nginx.conf", dir);
    pid_t pid = spawn((const char *const[]){program, "-c", conf, "-p", dir, NULL});
    if (!wait_port(pid, port))
        fail_msg("nginx did not start");
    nginx_checks(port);
    stop(pid);
    snprintf(conf, sizeof(conf), "%s/t", dir);
    rmdir(conf);
}

static void squid_checks(uint16_t port)
{
    const struct {
        const char *user, *host;
        uint16_t port;
        bool plain;
        enum sc_reason want;
        const char *text;
    } rows[] = {
        {"",                "vendor.test", rawhttp_port(vendor),  false, SC_REASON_OK,            NULL           },
        {"",                "denied.test", rawhttp_port(vendor),  false, SC_REASON_PROXY_REFUSED,
         "answered 403 ERR_ACCESS_DENIED"                                                                        },
        {"",                "vendor.test", rawhttp_closed_port(), false, SC_REASON_PROXY_REFUSED,
         "answered 503 ERR_CONNECT_FAIL"                                                                         },
        {"",                "auth.test",   rawhttp_port(vendor),  false, SC_REASON_PROXY_AUTH,
         "Basic realm=\"lab\": no user"                                                                          },
        {"user:no-s3cret@", "auth.test",   rawhttp_port(vendor),  false, SC_REASON_PROXY_AUTH,
         "a wrong user"                                                                                          },
        {"user:pw-s3cret@", "auth.test",   rawhttp_port(vendor),  false, SC_REASON_OK,            NULL           },
        {"",                "denied.test", rawhttp_port(vendor),  true,  SC_REASON_PROXY_REFUSED,
         "ERR_ACCESS_DENIED"                                                                                     },
        {"",                "auth.test",   rawhttp_port(vendor),  true,  SC_REASON_PROXY_AUTH,    "realm=\"lab\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sc_http *http = client_new(NULL);
        char proxy[128];
        snprintf(proxy, sizeof(proxy), "http://%s127.0.0.1:%u", rows[i].user, port);
        struct fetch f = {
            .url = url_of(rows[i].plain ? "http" : "https", rows[i].host, rows[i].port, "/x"),
            .proxy = proxy,
            .ca_file = ca_file,
            .plain = true};
        fetch_run(http, &f);
        expect_reason(rows[i].host, &f, rows[i].want);
        if (rows[i].text)
            expect_text(rows[i].host, &f, rows[i].text);
        assert_null(strstr(f.result.text, "s3cret"));
        fetch_done(&f);
        sc_http_free(http);
    }
}

static void test_squid(void **state)
{
    static const char *const paths[] = {"/usr/sbin/squid", NULL};
    static const char *const helpers[] = {"/usr/lib/squid/basic_ncsa_auth",
                                          "/usr/lib64/squid/basic_ncsa_auth", NULL};
    const char *program = find_program(paths), *helper = find_program(helpers);
    uint16_t port = rawhttp_closed_port();
    char conf[128];
    (void)state;
    if (!program || !helper) {
        print_message("SKIPPED: squid is not installed\n");
        skip();
    }
    write_file("hosts", "127.0.0.1 vendor.test denied.test auth.test\n");
    write_file("passwd", "user:$apr1$abcdefgh$%s\n", PASSWORD_HASH);
    write_file(
        "squid.conf",
        "http_port 127.0.0.1:%u\npid_filename none\naccess_log none\ncache_log %s/cache.log\ncache "
        "deny all\n"
        "cache_mem 1 MB\ncoredump_dir %s\nhosts_file %s/hosts\nshutdown_lifetime "
        "0\nvisible_hostname lab\n"
        "pinger_enable off\nlogfile_rotate 0\nmax_filedescriptors 1024\n"
        "auth_param basic program %s %s/passwd\nauth_param basic realm lab\nauth_param basic "
        "children 1\n"
        "acl known proxy_auth REQUIRED\nacl denied dstdomain denied.test\nacl guarded dstdomain "
        "auth.test\n"
        "http_access deny denied\nhttp_access allow guarded known\nhttp_access deny guarded\n"
        "http_access allow all\n",
        port, dir, dir, dir, helper, dir);
    chmod(dir, 0777); /* squid gives up root */
    snprintf(conf, sizeof(conf), "%s/squid.conf", dir);
    pid_t pid = spawn((const char *const[]){program, "-N", "-f", conf, NULL});
    if (!wait_port(pid, port))
        fail_msg("squid did not start");
    squid_checks(port);
    kill(pid, SIGTERM); /* it takes its helpers along */
    waitpid(pid, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nginx),
        cmocka_unit_test(test_squid),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
