/* Out of memory at every single place: an error, no half transfer, no leak. The peer is a port
 * where nobody listens, so that all allocations are this module's. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "failalloc.h"
#include "http/head.h"
#include "http/http.h"

static int dones;
static enum sc_reason last;

static void on_done(struct sc_transfer *t, const struct sc_http_result *result)
{
    (void)t;
    dones++;
    last = result->reason;
}

static void closed_url(char *out, size_t cap)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    snprintf(out, cap, "https://127.0.0.1:%u/x", ntohs(at.sin_port));
}

/* One request from start to end. Returns whether it got as far as being refused by the peer. */
static bool exchange(const char *url)
{
    static const char *const headers[] = {"Authorization: Bearer abc", "X-Empty:", NULL};
    struct sc_http_config config = {.user_agent = "t"};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_http *http = sc_http_new(&config, &err);
    if (!http) {
        CHECK_INT("new", err.reason, SC_REASON_MEMORY_LIMIT);
        return false;
    }
    sc_http_set_done(http, on_done);
    struct sc_http_request r = {.method = "POST",
                                .url = url,
                                .headers = headers,
                                .content = sc_str_of("content"),
                                .proxy = "",
                                .ca_file = "/etc/ssl/certs/ca-certificates.crt",
                                .verify = true};
    if (access(r.ca_file, R_OK) != 0)
        r.ca_file = NULL;
    dones = 0;
    bool started = sc_http_start(http, &r, &err) != NULL;
    if (!started)
        CHECK_INT("start", err.reason, SC_REASON_MEMORY_LIMIT);
    while (started && dones == 0)
        sc_http_turn(http, 1000);
    sc_http_free(http);
    if (started)
        assert_true(last == SC_REASON_CONNECTION_REFUSED || last == SC_REASON_MEMORY_LIMIT);
    return started && last == SC_REASON_CONNECTION_REFUSED;
}

static void test_exchange(void **state)
{
    char url[64];
    long n = 0;
    (void)state;
    closed_url(url, sizeof(url));
    assert_true(exchange(url));
    for (bool failed = true; failed;) {
        failalloc_arm(++n);
        bool ok = exchange(url);
        failed = failalloc_disarm();
        assert_true(ok || failed);
    }
    print_message("      %ld places\n", n - 1);
    assert_true(n > 10);
}

static void test_head(void **state)
{
    static const char *const lines[] = {"HTTP/1.1 200 OK\r\n", "A: b\r\n", " folded\r\n",
                                        "C: d\r\n"};
    (void)state;
    bool failed = true;
    for (long n = 1; failed; n++) {
        struct sc_head head = {.max = 4096};
        bool refused = false;
        failalloc_arm(n);
        for (size_t i = 0; i < 200 && !refused; i++)
            refused = sc_head_add(&head, lines[i ? 1 + i % 3 : 0],
                                  strlen(lines[i ? 1 + i % 3 : 0])) == SC_HEAD_NO_MEMORY;
        failed = failalloc_disarm();
        assert_int_equal(refused, failed);
        sc_head_get(&head, "C", 3);
        sc_head_done(&head);
    }
}

static int setup(void **state)
{
    (void)state;
    return sc_http_global_init(NULL);
}

static int teardown(void **state)
{
    (void)state;
    sc_http_global_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_head),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
