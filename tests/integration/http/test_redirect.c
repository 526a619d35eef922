/* Redirects: followed inside one origin, never outside, not for ever, and with the body that was
 * given. */
#include "client.h"

static void serve(struct rawhttp_conn *c)
{
    const char *elsewhere = c->arg;
    char auth[64];
    while (rawhttp_request(c)) {
        char path[64];
        unsigned n = 0;
        int status = 302;
        sscanf(c->request, "%*s %63s", path);
        if (sscanf(path, "/loop/%u", &n) == 1)
            rawhttp_say(
                c, "HTTP/1.1 302 Found\r\nLocation: /loop/%u\r\nContent-Length: 5\r\n\r\nmoved",
                n + 1);
        else if (sscanf(path, "/hops/%u", &n) == 1 && n > 0)
            rawhttp_say(c,
                        "HTTP/1.1 301 Moved\r\nLocation: ../hops/%u\r\nX-Mark: "
                        "hop\r\nContent-Length: 0\r\n\r\n",
                        n - 1);
        else if (sscanf(path, "/status/%d", &status) == 1)
            rawhttp_say(c,
                        "HTTP/1.1 %d Moved\r\nLocation: /end?x=1#frag\r\nContent-Length: 0\r\n\r\n",
                        status);
        else if (strcmp(path, "/long") == 0) {
            char block[1000] = {0};
            rawhttp_say(
                c, "HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 100000000\r\n\r\n");
            while (rawhttp_send(c, block, sizeof(block)))
                ;
            return;
        } else if (strcmp(path, "/away") == 0)
            rawhttp_say(c, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
                        elsewhere);
        else if (strcmp(path, "/none") == 0)
            rawhttp_say(c, "HTTP/1.1 302 Found\r\nContent-Length: 4\r\n\r\nbody");
        else if (strcmp(path, "/odd") == 0)
            rawhttp_say(c,
                        "HTTP/1.1 302 Found\r\nLocation: gopher://x/\r\nContent-Length: 0\r\n\r\n");
        else {
            char out[512];
            snprintf(out, sizeof(out), "%.*s %s auth=%s body=%s", (int)strcspn(c->request, " "),
                     c->request, path, rawhttp_header(c, "Authorization", auth, sizeof(auth)),
                     c->request + c->body_at);
            rawhttp_reply(c, "X-Mark: end\r\n", out, strlen(out));
        }
    }
}

static const char *const headers[] = {"Authorization: Bearer t0ken-value", NULL};

static void never(struct rawhttp_conn *c)
{
    (void)c;
    fail_msg("the other origin was asked");
}

static void test_redirects(void **state)
{
    static const struct {
        const char *path, *method;
        enum sc_reason want;
        int status;
        const char *part; /* of the body, or of the text */
    } rows[] = {
        {"/status/301", "GET",  SC_REASON_OK,           200, "/end?x=1 auth=Bearer t0ken-value"},
        {"/status/302", "GET",  SC_REASON_OK,           200, "/end"                            },
        {"/status/303", "GET",  SC_REASON_OK,           200, "/end"                            },
        {"/status/307", "GET",  SC_REASON_OK,           200, "/end"                            },
        {"/status/308", "GET",  SC_REASON_OK,           200, "/end"                            },
        {"/status/300", "GET",  SC_REASON_OK,           300, NULL                              },
        {"/status/307", "POST", SC_REASON_OK,           200, "body=given"                      },
        {"/status/308", "POST", SC_REASON_OK,           200, "POST"                            },
        {"/status/302", "POST", SC_REASON_OK,           302, NULL                              },
        {"/status/303", "POST", SC_REASON_OK,           303, NULL                              },
        {"/hops/3",     "GET",  SC_REASON_OK,           200, "/hops/0"                         },
        {"/hops/4",     "GET",  SC_REASON_BAD_RESPONSE, 0,   "more than 3 times"               },
        {"/loop/0",     "GET",  SC_REASON_BAD_RESPONSE, 0,   "more than 3 times"               },
        {"/long",       "GET",  SC_REASON_OK,           200, "/end"                            },
        {"/away",       "GET",  SC_REASON_BAD_RESPONSE, 0,   "base_url"                        },
        {"/odd",        "GET",  SC_REASON_BAD_RESPONSE, 0,   "no http URL"                     },
        {"/none",       "GET",  SC_REASON_OK,           302, "body"                            },
    };
    struct rawhttp *other = rawhttp_start(never, NULL, NULL);
    char elsewhere[64];
    (void)state;
    snprintf(elsewhere, sizeof(elsewhere), "%s",
             url_of("http", "127.0.0.1", rawhttp_port(other), "/q?secret=1"));
    struct rawhttp *server = rawhttp_start(serve, elsewhere, NULL);
    struct sc_http *http = client_new(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fetch f = {.url = url_of("http", "127.0.0.1", rawhttp_port(server), rows[i].path),
                          .method = rows[i].method,
                          .headers = headers,
                          .watch = "X-Mark"};
        if (strcmp(rows[i].method, "POST") == 0)
            f.content = sc_str_of("given");
        fetch_run(http, &f);
        expect_reason(rows[i].path, &f, rows[i].want);
        CHECK_INT(rows[i].path, f.result.status, rows[i].status);
        CHECK_INT(rows[i].path, f.heads, rows[i].want == SC_REASON_OK ? 1 : 0);
        if (rows[i].want != SC_REASON_OK)
            expect_text(rows[i].path, &f, rows[i].part);
        else if (rows[i].part)
            assert_non_null(strstr(f.body.ptr, rows[i].part));
        if (rows[i].status == 200)
            CHECK_TEXT(rows[i].path, f.header, "end");
        assert_null(strstr(f.result.text, "secret"));
        fetch_done(&f);
    }
    sc_http_free(http);
    rawhttp_stop(server);
    rawhttp_stop(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_redirects)};
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
