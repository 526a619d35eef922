/* Bodies: however they are framed, coded, split and paused, the same bytes come out, once. */
#include "client.h"

#include <zlib.h>

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

/* What each path of the server answers. */
struct reply {
    const char *path, *head;
    struct sc_buf body;
    size_t split; /* bytes a send; 0: all */
    bool closes;
};

static struct reply replies[16];
static size_t reply_count;

static struct reply *add_reply(const char *path, const char *head)
{
    struct reply *r = &replies[reply_count++];
    *r = (struct reply){.path = path, .head = head};
    sc_buf_init(&r->body, 64u << 20);
    return r;
}

static void pack(struct sc_buf *out, const void *bytes, size_t len)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(sc_buf_reserve(out, deflateBound(&z, len)), 0);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)out->ptr;
    z.avail_out = (uInt)deflateBound(&z, len);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len = z.total_out;
    deflateEnd(&z);
}

static void fill(struct sc_buf *out, size_t len)
{
    uint32_t x = 12345;
    while (out->len < len) {
        x = x * 1664525 + 1013904223;
        sc_buf_add_char(out, alphabet[x >> 26]);
    }
}

static void serve(struct rawhttp_conn *c)
{
    while (rawhttp_request(c)) {
        struct reply *r = NULL;
        for (size_t i = 0; i < reply_count; i++) {
            size_t len = strlen(replies[i].path);
            if (strncmp(c->request + 4, replies[i].path, len) == 0 && c->request[4 + len] == ' ')
                r = &replies[i];
        }
        if (!r) /* POST: what came goes back */
            rawhttp_reply(c, "", c->request + c->body_at, c->request_len - c->body_at);
        if (!r)
            continue;
        if (r->body.len && !strstr(r->head, "\r\n\r\n"))
            rawhttp_say(c, "%sContent-Length: %zu\r\n\r\n", r->head, r->body.len);
        else
            rawhttp_send(c, r->head, strlen(r->head));
        size_t step = r->split ? r->split : r->body.len;
        for (size_t at = 0; at < r->body.len; at += step)
            if (!rawhttp_send(c, r->body.ptr + at,
                              step < r->body.len - at ? step : r->body.len - at))
                return;
        if (r->closes)
            return;
    }
}

static struct rawhttp *server;
static struct sc_buf big;

static int start_all(void **state)
{
    struct reply *r;
    if (setup_all(state) != 0)
        return -1;
    sc_buf_init(&big, 64u << 20);
    fill(&big, 3000000);
    r = add_reply(
        "/plain",
        "HTTP/1.1 200 OK\r\nX-Two: a\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nx-two: b\r\n");
    sc_buf_add_str(&r->body, alphabet);
    r = add_reply("/split", "HTTP/1.1 200 OK\r\n");
    sc_buf_add_str(&r->body, alphabet);
    r->split = 1;
    r = add_reply("/chunked", CHUNKED);
    for (const char *p = alphabet; *p; p += 8)
        sc_buf_addf(&r->body, "8;ext=1\r\n%.8s\r\n", p);
    sc_buf_add_str(&r->body, "0\r\nX-Trailer: t\r\n\r\n");
    r->split = 3;
    r = add_reply("/broken-chunk", CHUNKED);
    sc_buf_add_str(&r->body, "5\r\nhello\r\nzz\r\n");
    r = add_reply("/cut-chunk", CHUNKED);
    sc_buf_add_str(&r->body, "5\r\nhello\r\n");
    r->closes = true;
    r = add_reply("/close", "HTTP/1.1 200 OK\r\n\r\n");
    sc_buf_add_str(&r->body, alphabet);
    r->closes = true;
    r = add_reply("/short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    sc_buf_add_str(&r->body, alphabet);
    r->closes = true;
    r = add_reply("/gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n");
    pack(&r->body, big.ptr, big.len);
    r = add_reply("/gzip-small", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n");
    pack(&r->body, alphabet, sizeof(alphabet) - 1);
    r->split = 1;
    r = add_reply("/gzip-bad", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n");
    sc_buf_add_str(&r->body, "this is not gzip at all");
    r = add_reply("/big", "HTTP/1.1 200 OK\r\n");
    sc_buf_add(&r->body, big.ptr, big.len);
    add_reply("/204", "HTTP/1.1 204 No Content\r\n\r\n");
    add_reply("/304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"e\"\r\n\r\n");
    add_reply("/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    add_reply("/interim",
              "HTTP/1.1 103 Early Hints\r\nX-Two: hint\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
              "HTTP/1.1 200 OK\r\nX-Two: real\r\nContent-Length: 2\r\n\r\nok");
    server = rawhttp_start(serve, NULL, NULL);
    return 0;
}

static int stop_all(void **state)
{
    rawhttp_stop(server);
    for (size_t i = 0; i < reply_count; i++)
        sc_buf_done(&replies[i].body);
    sc_buf_done(&big);
    return teardown_all(state);
}

static const char *at(const char *path)
{
    return url_of("http", "127.0.0.1", rawhttp_port(server), path);
}

static void expect_body(const char *why, const struct fetch *f, const char *want, size_t len)
{
    CHECK_BYTES(why, f->body.ptr ? f->body.ptr : "", f->body.len, want, len);
    CHECK_INT(why, f->result.bytes_decoded, len);
}

static void test_framing(void **state)
{
    static const struct {
        const char *path;
        int status;
        enum sc_reason reason;
        bool alphabet;
    } rows[] = {
        {"/plain",        200, SC_REASON_OK,              true },
        {"/split",        200, SC_REASON_OK,              true },
        {"/chunked",      200, SC_REASON_OK,              true },
        {"/close",        200, SC_REASON_OK,              true },
        {"/gzip-small",   200, SC_REASON_OK,              true },
        {"/short",        200, SC_REASON_CONNECTION_LOST, true },
        {"/cut-chunk",    200, SC_REASON_CONNECTION_LOST, false},
        {"/broken-chunk", 200, SC_REASON_BAD_RESPONSE,    false},
        {"/gzip-bad",     200, SC_REASON_BAD_RESPONSE,    false},
        {"/204",          204, SC_REASON_OK,              false},
        {"/304",          304, SC_REASON_OK,              false},
        {"/empty",        200, SC_REASON_OK,              false},
    };
    struct sc_http *http = client_new(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fetch f = {.url = at(rows[i].path)};
        fetch_run(http, &f);
        expect_reason(rows[i].path, &f, rows[i].reason);
        CHECK_INT(rows[i].path, f.result.status, rows[i].status);
        CHECK_INT(rows[i].path, f.status, rows[i].status);
        CHECK_INT(rows[i].path, f.heads, 1);
        CHECK_INT(rows[i].path, f.dones, 1);
        if (rows[i].alphabet)
            expect_body(rows[i].path, &f, alphabet, sizeof(alphabet) - 1);
        if (f.result.text[0])
            expect_text(rows[i].path, &f, "127.0.0.1");
        fetch_done(&f);
    }
    sc_http_free(http);
}

/* body() takes k bytes at a time, for every k; turns may also deliver one byte at most. */
static void test_pauses(void **state)
{
    static const char *const paths[] = {"/plain", "/split", "/chunked", "/close", "/gzip-small"};
    (void)state;
    for (uint32_t turn = 1; turn < 70; turn += turn < 3 ? 1 : 33) {
        struct sc_http_config config = {.turn_bytes = turn};
        struct sc_http *http = client_new(&config);
        for (size_t p = 0; p < sizeof(paths) / sizeof(*paths); p++) {
            for (size_t k = 1; k <= sizeof(alphabet); k++) {
                struct fetch f = {.url = at(paths[p]), .most = k, .resume_in_body = k % 2};
                fetch_run(http, &f);
                expect_reason(paths[p], &f, SC_REASON_OK);
                expect_body(paths[p], &f, alphabet, sizeof(alphabet) - 1);
                assert_true(f.largest <= turn);
                fetch_done(&f);
            }
        }
        sc_http_free(http);
    }
}

static void test_big(void **state)
{
    static const struct {
        const char *path;
        size_t most;
        uint32_t turn;
    } rows[] = {
        {"/big",  0,      0     },
        {"/gzip", 0,      0     },
        {"/big",  100000, 0     },
        {"/gzip", 1000,   0     },
        {"/gzip", 0,      5000  },
        {"/big",  7777,   10000 },
        {"/gzip", 65536,  100000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sc_http_config config = {.turn_bytes = rows[i].turn};
        struct sc_http *http = client_new(&config);
        struct fetch f = {.url = at(rows[i].path), .most = rows[i].most};
        fetch_run(http, &f);
        expect_reason(rows[i].path, &f, SC_REASON_OK);
        assert_int_equal(f.body.len, big.len);
        assert_memory_equal(f.body.ptr, big.ptr, big.len);
        assert_true(strcmp(rows[i].path, "/gzip") != 0 ||
                    f.result.bytes_wire < f.result.bytes_decoded);
        fetch_done(&f);
        sc_http_free(http);
    }
}

static void test_heads(void **state)
{
    struct sc_http *http = client_new(NULL);
    struct fetch f = {.url = at("/plain"), .watch = "X-TWO"};
    (void)state;
    fetch_run(http, &f);
    assert_string_equal(f.header, "a");
    assert_int_equal(f.watched, 2);
    assert_true(f.result.date_ms == 784111777000);
    assert_true(f.result.date_mono_ms > 0);
    fetch_done(&f);
    struct fetch g = {.url = at("/interim"), .watch = "x-two"};
    fetch_run(http, &g);
    expect_reason("interim", &g, SC_REASON_OK);
    assert_int_equal(g.heads, 1);
    assert_string_equal(g.header, "real");
    assert_int_equal(g.watched, 1);
    assert_true(g.result.date_ms == SC_TIME_NONE);
    expect_body("interim", &g, "ok", 2);
    fetch_done(&g);
    sc_http_free(http);
}

static void test_prefix(void **state)
{
    struct sc_http *http = client_new(NULL);
    struct fetch f = {.url = at("/big"), .refuse_body = true},
                 g = {.url = at("/plain"), .refuse_body = true};
    (void)state;
    fetch_run(http, &f);
    expect_reason("long", &f, SC_REASON_OK);
    assert_int_equal(f.calls, 0);
    assert_int_equal(f.prefix.len, 65536);
    assert_memory_equal(f.prefix.ptr, big.ptr, 65536);
    assert_false(f.result.aborted);
    fetch_run(http, &g);
    expect_reason("short", &g, SC_REASON_OK);
    CHECK_BYTES("short", g.prefix.ptr, g.prefix.len, alphabet, sizeof(alphabet) - 1);
    fetch_done(&f);
    fetch_done(&g);
    sc_http_free(http);
}

static void test_abort(void **state)
{
    struct sc_http *http = client_new(NULL);
    struct fetch f = {.url = at("/big"), .abort_after = 500000};
    (void)state;
    fetch_run(http, &f);
    expect_reason("abort", &f, SC_REASON_OK);
    assert_true(f.result.aborted);
    assert_int_equal(f.result.status, 200);
    assert_int_equal(f.bytes, f.result.bytes_decoded);
    fetch_done(&f);
    sc_http_free(http);
}

static void test_request(void **state)
{
    static const char *const headers[] = {"X-Empty: ", "Content-Type: text/x", "X-Full: v", NULL};
    struct sc_http *http = client_new(NULL);
    char sent[64];
    (void)state;
    memcpy(sent, "key=value&more=1", 17);
    struct fetch f = {
        .url = at("/post"), .method = "POST", .content = sc_str_of(sent), .headers = headers};
    fetch_start(http, &f);
    memset(sent, 'x', sizeof(sent)); /* was copied */
    fetch_wait(http, &f, 1);
    expect_reason("post", &f, SC_REASON_OK);
    expect_body("post", &f, "key=value&more=1", 16);
    fetch_done(&f);
    sc_http_free(http);
}

static void show_request(struct rawhttp_conn *c)
{
    while (rawhttp_request(c))
        rawhttp_reply(c, "", c->request, strncmp(c->request, "HEAD", 4) == 0 ? 0 : c->request_len);
}

static void test_request_head(void **state)
{
    static const char *const headers[] = {"X-Empty: ", "X-Full: v", NULL};
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "HEAD"};
    struct rawhttp *echo = rawhttp_start(show_request, NULL, NULL);
    struct sc_http *http = client_new(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        struct fetch f = {.url = url_of("http", "127.0.0.1", rawhttp_port(echo), "/p?q=1"),
                          .method = methods[i],
                          .headers = headers};
        fetch_run(http, &f);
        expect_reason(methods[i], &f, SC_REASON_OK);
        if (strcmp(methods[i], "HEAD") != 0) {
            char first[64];
            snprintf(first, sizeof(first), "%s /p?q=1 HTTP/1.1\r\n", methods[i]);
            assert_non_null(f.body.ptr);
            assert_memory_equal(f.body.ptr, first, strlen(first));
            assert_non_null(strstr(f.body.ptr, "\r\nX-Empty:\r\n"));
            assert_non_null(strstr(f.body.ptr, "\r\nX-Full: v\r\n"));
            assert_non_null(strstr(f.body.ptr, "\r\nUser-Agent: signal-client/test\r\n"));
            assert_non_null(strstr(f.body.ptr, "\r\nAccept-Encoding: gzip, deflate\r\n"));
            assert_null(strstr(f.body.ptr, "Expect:"));
            assert_null(strstr(f.body.ptr, "Content-Type:"));
        }
        fetch_done(&f);
    }
    assert_int_equal(rawhttp_connections(echo), 1);
    sc_http_free(http);
    rawhttp_stop(echo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framing), cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_big),     cmocka_unit_test(test_heads),
        cmocka_unit_test(test_prefix),  cmocka_unit_test(test_abort),
        cmocka_unit_test(test_request), cmocka_unit_test(test_request_head),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
