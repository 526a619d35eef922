/* Failures of the network, told apart; and requests that are refused before anything is sent. */
#include "client.h"

#include "base/redact.h"

static void reset_at_once(struct rawhttp_conn *c)
{
    if (rawhttp_request(c))
        rawhttp_reset(c);
}

static void reset_in_body(struct rawhttp_conn *c)
{
    if (rawhttp_request(c) && rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"))
        rawhttp_reset(c);
}

static void empty(struct rawhttp_conn *c)
{
    rawhttp_request(c);
}

static void half_head(struct rawhttp_conn *c)
{
    if (rawhttp_request(c))
        rawhttp_say(c, "HTTP/1.1 200 OK\r\nX-Cut: ye");
}

static void not_http(struct rawhttp_conn *c)
{
    rawhttp_say(c, "220 mail.example ESMTP\r\n");
    rawhttp_wait_close(c);
}

static void bad_length(struct rawhttp_conn *c)
{
    if (rawhttp_request(c))
        rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nx");
    rawhttp_wait_close(c);
}

static void test_lost(void **state)
{
    static const struct {
        rawhttp_script script;
        enum sc_reason want;
        const char *text;
    } rows[] = {
        {reset_at_once, SC_REASON_CONNECTION_LOST, "cut before answering"     },
        {reset_in_body, SC_REASON_CONNECTION_LOST, "of 50 bytes"              },
        {empty,         SC_REASON_CONNECTION_LOST, "empty reply"              },
        {half_head,     SC_REASON_CONNECTION_LOST, "in the head of its answer"},
        {not_http,      SC_REASON_BAD_RESPONSE,    "does not answer in HTTP"  },
        {bad_length,    SC_REASON_BAD_RESPONSE,    "does not answer in HTTP"  },
    };
    struct sc_http *http = client_new(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rawhttp *server = rawhttp_start(rows[i].script, NULL, NULL);
        struct fetch f = {
            .url = url_of("http", "127.0.0.1", rawhttp_port(server), "/path/s3cret?q=s3cret")};
        fetch_run(http, &f);
        expect_reason(rows[i].text, &f, rows[i].want);
        expect_text(rows[i].text, &f, rows[i].text);
        assert_null(strstr(f.result.text, "s3cret"));
        fetch_done(&f);
        rawhttp_stop(server);
    }
    sc_http_free(http);
}

static void test_unreachable(void **state)
{
    struct rawhttp_silent silent;
    struct sc_http_config config = {.connect_timeout_s = 1};
    struct sc_http *http = client_new(&config);
    (void)state;
    rawhttp_silent_open(&silent);
    struct {
        const char *host;
        uint16_t port;
        enum sc_reason want;
        const char *text;
    } rows[] = {
        {"127.0.0.1",            rawhttp_closed_port(), SC_REASON_CONNECTION_REFUSED,  "refuses connections"                },
        {"localhost",            rawhttp_closed_port(), SC_REASON_CONNECTION_REFUSED,  "localhost ("                        },
        {"no-such-host.invalid", 80,                    SC_REASON_DNS_FAILURE,         "Cannot resolve no-such-host.invalid"},
        {"127.0.0.1",            silent.port,           SC_REASON_CONNECT_TIMEOUT,     "in 1 s: let this host out"          },
        {"255.255.255.255",      80,                    SC_REASON_NETWORK_UNREACHABLE, "No way from here"                   },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fetch f = {.url = url_of("http", rows[i].host, rows[i].port, "/"), .plain = true};
        fetch_run(http, &f);
        expect_reason(rows[i].host, &f, rows[i].want);
        expect_text(rows[i].host, &f, rows[i].text);
        assert_int_equal(f.result.status, 0);
        fetch_done(&f);
    }
    sc_http_free(http);
    rawhttp_silent_close(&silent);
}

static void test_refused_requests(void **state)
{
    static const char *const bad_header[] = {"X: a\r\nInjected: b", NULL};
    static const char *const no_colon[] = {"Nonsense", NULL};
    /* clang-format off */
    static const struct {
        const char *url, *method, *proxy, *ca_file;
        const char *const *headers;
        enum sc_reason want;
        const char *text;
    } rows[] = {
        {.url = "http://vendor.example/x",         .want = SC_REASON_CONFIG_INVALID, .text = "allow_insecure_http"},
        {.url = "ftp://127.0.0.1/",                .want = SC_REASON_CONFIG_INVALID, .text = "not a usable"       },
        {.url = "/only/path",                      .want = SC_REASON_CONFIG_INVALID, .text = "not a usable"       },
        {.url = "https://user:pw-s3cret@h/",       .want = SC_REASON_CONFIG_INVALID, .text = "credentials"        },
        {.url = "http://127.0.0.1/", .headers = bad_header, .want = SC_REASON_CONFIG_INVALID, .text = "header"    },
        {.url = "http://127.0.0.1/", .headers = no_colon,   .want = SC_REASON_CONFIG_INVALID, .text = "header"    },
        {.url = "http://127.0.0.1/", .method = "GE T",      .want = SC_REASON_INTERNAL,       .text = "method"    },
        {.url = "http://127.0.0.1/", .proxy = "ftp://u:pw-s3cret@p", .want = SC_REASON_CONFIG_INVALID, .text = "proxy"},
        {.url = "https://h/",  .ca_file = "/nonexistent/ca.pem", .want = SC_REASON_CONFIG_INVALID,
         .text = "/nonexistent/ca.pem: No such file"},
    };
    /* clang-format on */
    struct sc_http *http = client_new(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_http_request r = {.url = rows[i].url,
                                    .method = rows[i].method,
                                    .proxy = rows[i].proxy,
                                    .headers = rows[i].headers,
                                    .ca_file = rows[i].ca_file,
                                    .verify = true};
        assert_null(sc_http_start(http, &r, &err));
        CHECK_INT(rows[i].text, err.reason, rows[i].want);
        assert_non_null(strstr(err.text, rows[i].text));
        assert_null(strstr(err.text, "s3cret"));
        print_message("      %s\n", err.text);
    }
    sc_http_free(http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_refused_requests),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
