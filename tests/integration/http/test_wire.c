/* What is noted of each exchange: addresses, connection, certificate, clock; also of those that fail. */
#include "client.h"

#include <time.h>
#include <unistd.h>

#include "certs.h"

#define LOCAL "IP:127.0.0.1,DNS:vendor.test"

static char dir[] = "/tmp/http-wire-XXXXXX", ca_file[64];
static struct cert ca, sub, leaf;

static int start_all(void **state)
{
    if (setup_all(state) != 0 || !mkdtemp(dir))
        return -1;
    snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", dir);
    ca = cert_make(&(struct cert_want){.name = "Lab Root", .ca = true});
    sub = cert_make(&(struct cert_want){.name = "Lab Intermediate", .ca = true, .issuer = &ca});
    leaf = cert_make(&(struct cert_want){
        .name = "s", .san = LOCAL, .issuer = &sub, .from_s = -3600, .until_s = 10 * 86400 + 60});
    cert_write(ca_file, &ca, NULL);
    return 0;
}

static int stop_all(void **state)
{
    unlink(ca_file);
    rmdir(dir);
    cert_done(&ca);
    cert_done(&sub);
    cert_done(&leaf);
    return teardown_all(state);
}

/* Says that it is ten minutes later, less what a cache says it has kept the answer. */
static void ahead(struct rawhttp_conn *c)
{
    char date[64];
    while (rawhttp_request(c)) {
        struct tm tm;
        time_t then = time(NULL) + 600 - 100;
        gmtime_r(&then, &tm);
        strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\nAge: 100\r\n", &tm);
        rawhttp_reply(c, date, "hello", 5);
    }
}

static void test_tls_exchange(void **state)
{
    SSL_CTX *tls = cert_server(&leaf, &sub, 0);
    struct rawhttp *server = rawhttp_start(ahead, NULL, tls);
    struct sc_http *http = client_new(NULL);
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fetch f = {.url = url_of("https", "127.0.0.1", rawhttp_port(server), "/"), .ca_file = ca_file};
        fetch_run(http, &f);
        const struct sc_http_wire *w = &f.result.wire;
        expect_reason("exchange", &f, SC_REASON_OK);
        CHECK_TEXT("address", w->address, "127.0.0.1");
        CHECK_INT("port", w->port, rawhttp_port(server));
        CHECK_TEXT("tried: only by the first", w->tried, i ? "" : "127.0.0.1");
        CHECK_TEXT("local", w->local, "127.0.0.1");
        CHECK_TEXT("proxy", w->proxy, "");
        CHECK_INT("reused", w->reused, i);
        CHECK_TEXT("tls", w->tls, "TLSv1.3");
        CHECK_TEXT("issuer", w->issuer, "Lab Intermediate");
        CHECK_TEXT("subject", w->subject, "vendor.test");
        CHECK_INT("chain", w->chain, 2);
        CHECK_TRUE("verified", w->verified);
        CHECK_INT("days left", (w->not_after_ms - sc_real_ms()) / 86400000, 10);
        CHECK_TRUE("no client certificate", !w->cert_wanted && !w->cert_sent);
        CHECK_TRUE("clock, Age added", w->clock_off_ms > 598000 && w->clock_off_ms < 602000);
        CHECK_TRUE("age", w->connection_ms >= 0 && w->connection_ms < 30000);
        fetch_done(&f);
    }
    sc_http_free(http);
    rawhttp_stop(server);
    SSL_CTX_free(tls);
}

static void test_failed_handshake(void **state)
{
    SSL_CTX *tls = cert_server(&leaf, NULL, 0);
    struct rawhttp *server = rawhttp_start(ahead, NULL, tls);
    struct sc_http *http = client_new(NULL);
    struct fetch f = {.url = url_of("https", "127.0.0.1", rawhttp_port(server), "/")};
    (void)state;
    fetch_run(http, &f);
    expect_reason("unknown CA", &f, SC_REASON_TLS_UNTRUSTED);
    CHECK_TEXT("no TLS", f.result.wire.tls, "");
    CHECK_TEXT("but its issuer", f.result.wire.issuer, "Lab Intermediate");
    CHECK_INT("chain", f.result.wire.chain, 1);
    CHECK_TRUE("not verified", !f.result.wire.verified);
    CHECK_INT("no clock", f.result.wire.clock_off_ms, SC_TIME_NONE);
    fetch_done(&f);
    sc_http_free(http);
    rawhttp_stop(server);
    SSL_CTX_free(tls);
}

static void test_refused(void **state)
{
    struct sc_http *http = client_new(NULL);
    struct fetch f = {.url = url_of("http", "localhost", rawhttp_closed_port(), "/")};
    (void)state;
    fetch_run(http, &f);
    CHECK_TRUE("addresses that were tried", strstr(f.result.wire.tried, "127.0.0.1"));
    CHECK_TEXT("no local end", f.result.wire.local, "");
    CHECK_INT("no certificate", f.result.wire.not_after_ms, SC_TIME_NONE);
    fetch_done(&f);
    sc_http_free(http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls_exchange),
        cmocka_unit_test(test_failed_handshake),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
