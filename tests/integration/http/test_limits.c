/* Limits: each of them ends a transfer in time, with its own reason and sentence; and none ends a
 * sound one. */
#include "client.h"

#include <semaphore.h>
#include <sys/socket.h>
#include <zlib.h>

static struct sc_http *small(struct sc_http_config *config)
{
    if (!config->connect_timeout_s)
        config->connect_timeout_s = 1;
    if (!config->first_byte_timeout_s)
        config->first_byte_timeout_s = 1;
    if (!config->stall_timeout_s)
        config->stall_timeout_s = 1;
    return client_new(config);
}

static const char *at(struct rawhttp *server)
{
    return url_of("http", "127.0.0.1", rawhttp_port(server), "/x?token=s3cret-value");
}

static void mute(struct rawhttp_conn *c)
{
    if (rawhttp_request(c))
        rawhttp_wait_close(c);
}

/* One header byte after the other, for ever; the pace is the client's own deadline, not this
 * program's. */
static void dribble_head(struct rawhttp_conn *c)
{
    struct timeval pause = {.tv_usec = 50000};
    char byte;
    if (!rawhttp_request(c))
        return;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof(pause));
    rawhttp_say(c, "HTTP/1.1 200 OK\r\nX-Long: ");
    while (recv(c->fd, &byte, 1, 0) != 0 && rawhttp_say(c, "a"))
        ;
}

static void test_first_byte(void **state)
{
    static const struct {
        rawhttp_script script;
        const char *why, *text;
    } rows[] = {
        {mute,         "mute",    "no answer in 1 s;"                         },
        {dribble_head, "dribble", "no answer in 1 s (only a part of its head)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sc_http_config config = {.stall_timeout_s = 60};
        struct rawhttp *server = rawhttp_start(rows[i].script, NULL, NULL);
        struct sc_http *http = small(&config);
        struct fetch f = {.url = at(server)};
        int64_t before = sc_mono_ms();
        fetch_run(http, &f);
        int64_t took = sc_mono_ms() - before;
        expect_reason(rows[i].why, &f, SC_REASON_READ_TIMEOUT);
        expect_text(rows[i].why, &f, rows[i].text);
        assert_null(strstr(f.result.text, "token"));
        assert_int_equal(f.result.status, 0);
        assert_int_equal(f.heads, 0);
        assert_in_range(took, 950, 3000);
        fetch_done(&f);
        sc_http_free(http);
        rawhttp_stop(server);
    }
}

static void stall(struct rawhttp_conn *c)
{
    if (rawhttp_request(c) && rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"))
        rawhttp_wait_close(c);
}

static void test_stall(void **state)
{
    struct sc_http_config config = {.first_byte_timeout_s = 60};
    struct rawhttp *server = rawhttp_start(stall, NULL, NULL);
    struct sc_http *http = small(&config);
    struct fetch f = {.url = at(server)};
    (void)state;
    int64_t before = sc_mono_ms();
    fetch_run(http, &f);
    int64_t took = sc_mono_ms() - before;
    expect_reason("stall", &f, SC_REASON_READ_TIMEOUT);
    expect_text("stall", &f, "stopped after 5 bytes, nothing came for 1 s");
    assert_int_equal(f.result.status, 200);
    assert_in_range(took, 950, 3000);
    fetch_done(&f);
    sc_http_free(http);
    rawhttp_stop(server);
}

static void two_parts(struct rawhttp_conn *c)
{
    sem_t *second = c->arg;
    while (rawhttp_request(c)) {
        rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        sem_wait(second);
        rawhttp_say(c, "world");
    }
}

/* Paused for longer than the stall time by the one who reads: no stall. Then it goes on, and it is
 * watched again. */
static void test_pause_is_no_stall(void **state)
{
    struct sc_http_config config = {0};
    sem_t second;
    (void)state;
    sem_init(&second, 0, 0);
    struct rawhttp *server = rawhttp_start(two_parts, &second, NULL);
    struct sc_http *http = small(&config);
    struct fetch f = {.url = at(server), .most = 2, .hold = true};
    fetch_start(http, &f);
    while (!f.paused)
        sc_http_turn(http, 1000);
    for (int64_t end = sc_mono_ms() + 1500; sc_mono_ms() < end;)
        sc_http_turn(http, 100);
    assert_int_equal(f.dones, 0);
    assert_int_equal(f.bytes, 2);
    f.hold = false;
    sem_post(&second);
    fetch_wait(http, &f, 1);
    expect_reason("paused", &f, SC_REASON_OK);
    CHECK_BYTES("paused", f.body.ptr, f.body.len, "helloworld", 10);
    fetch_done(&f);

    struct fetch g = {.url = at(server), .most = 5};
    fetch_start(http, &g); /* never gets its second part */
    fetch_wait(http, &g, 1);
    expect_reason("then stalled", &g, SC_REASON_READ_TIMEOUT);
    sem_post(&second); /* lets the script go */
    fetch_done(&g);
    sc_http_free(http);
    rawhttp_stop(server);
    sem_destroy(&second);
}

static void flood(struct rawhttp_conn *c)
{
    const char *kind = c->arg;
    char block[1024];
    memset(block, 'h', sizeof(block));
    if (!rawhttp_request(c))
        return;
    if (strcmp(kind, "interim") == 0)
        while (rawhttp_say(c, "HTTP/1.1 102 Processing\r\nX: y\r\n\r\n"))
            ;
    rawhttp_say(c, "HTTP/1.1 200 OK\r\n");
    if (strcmp(kind, "line") == 0)
        for (rawhttp_say(c, "X: "); rawhttp_send(c, block, sizeof(block));)
            ;
    if (strcmp(kind, "trailers") == 0)
        rawhttp_say(c, "Transfer-Encoding: chunked\r\n\r\n0\r\n");
    while (rawhttp_say(c, "X-Flood: %.1000s\r\n", block))
        ;
}

static void test_header_flood(void **state)
{
    static const char *const kinds[] = {"lines", "line", "interim", "trailers"};
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        struct sc_http_config config = {.max_headers = 64 * 1024, .first_byte_timeout_s = 20};
        struct rawhttp *server = rawhttp_start(flood, (void *)(uintptr_t)kinds[i], NULL);
        struct sc_http *http = small(&config);
        struct fetch f = {.url = at(server)};
        fetch_run(http, &f);
        expect_reason(kinds[i], &f, SC_REASON_BAD_RESPONSE);
        expect_text(kinds[i], &f, "header");
        fetch_done(&f);
        sc_http_free(http);
        rawhttp_stop(server);
    }
}

static void long_heads(struct rawhttp_conn *c)
{
    char line[1001];
    memset(line, 'v', sizeof(line) - 1);
    line[1000] = '\0';
    while (rawhttp_request(c)) {
        rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n");
        for (int i = 0; i < 200; i++)
            rawhttp_say(c, "X-%d: %s\r\n", i, line);
        rawhttp_say(c, "\r\nok");
    }
}

static void test_long_head_is_fine(void **state)
{
    struct sc_http_config config = {0};
    struct rawhttp *server = rawhttp_start(long_heads, NULL, NULL);
    struct sc_http *http = small(&config);
    struct fetch f = {.url = at(server), .watch = "X-199"};
    (void)state;
    fetch_run(http, &f);
    expect_reason("200 KiB", &f, SC_REASON_OK);
    assert_int_equal(f.watched, 1);
    fetch_done(&f);
    sc_http_free(http);
    rawhttp_stop(server);
}

static void big_body(struct rawhttp_conn *c)
{
    const char *kind = c->arg;
    char block[10000];
    memset(block, 'b', sizeof(block));
    if (!rawhttp_request(c))
        return;
    if (strcmp(kind, "announced") == 0) {
        rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n");
        rawhttp_wait_close(c); /* not a byte of it: the length is enough */
    } else if (strcmp(kind, "refused") == 0) {
        rawhttp_say(c, "HTTP/1.1 500 No\r\nContent-Length: 5000000\r\n\r\n");
    } else {
        rawhttp_say(c, "HTTP/1.1 200 OK\r\n\r\n");
    }
    while (rawhttp_send(c, block, sizeof(block)))
        ;
}

static void test_max_body(void **state)
{
    static const struct {
        const char *kind;
        enum sc_reason want;
    } rows[] = {
        {"announced", SC_REASON_RESPONSE_TOO_LARGE},
        {"endless",   SC_REASON_RESPONSE_TOO_LARGE},
        {"refused",   SC_REASON_OK                },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sc_http_config config = {.max_body = 1000000};
        struct rawhttp *server = rawhttp_start(big_body, (void *)(uintptr_t)rows[i].kind, NULL);
        struct sc_http *http = small(&config);
        struct fetch f = {.url = at(server), .refuse_body = i == 2};
        fetch_run(http, &f);
        expect_reason(rows[i].kind, &f, rows[i].want);
        if (i < 2)
            expect_text(rows[i].kind, &f, "over 1000000 bytes");
        assert_true(f.bytes <= 1000000);
        fetch_done(&f);
        struct fetch g = {.url = at(server), .max_body = 1234, .refuse_body = i == 2};
        fetch_run(http, &g);
        expect_reason(rows[i].kind, &g, rows[i].want);
        assert_true(g.bytes <= 1234);
        fetch_done(&g);
        sc_http_free(http);
        rawhttp_stop(server);
    }
}

struct bomb {
    struct sc_buf packed;
    bool chunked;
};

/* `pieces` MiB of one byte, or of text that packs about 100 to 1 */
static void make_bomb(struct sc_buf *out, int pieces, bool honest)
{
    z_stream z = {0};
    static char block[1 << 20];
    uint32_t x = 1;
    memset(block, 'z', sizeof(block));
    if (honest)
        for (size_t i = 0; i < sizeof(block); i += 200)
            x = x * 1664525 + 1013904223, memcpy(block + i, &x, 3);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    sc_buf_init(out, 64u << 20);
    for (int i = 0; i <= pieces; i++) {
        z.next_in = (Bytef *)block;
        z.avail_in = i < pieces ? sizeof(block) : 0;
        do {
            assert_int_equal(sc_buf_reserve(out, 65536), 0);
            z.next_out = (Bytef *)out->ptr + out->len;
            z.avail_out = 65536;
            deflate(&z, i < pieces ? Z_NO_FLUSH : Z_FINISH);
            out->len += 65536 - z.avail_out;
        } while (z.avail_out == 0);
    }
    deflateEnd(&z);
}

static void send_bomb(struct rawhttp_conn *c)
{
    struct bomb *b = c->arg;
    if (!rawhttp_request(c))
        return;
    rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n");
    if (b->chunked)
        rawhttp_say(c, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", b->packed.len);
    else
        rawhttp_say(c, "Content-Length: %zu\r\n\r\n", b->packed.len);
    rawhttp_send(c, b->packed.ptr, b->packed.len);
    if (b->chunked)
        rawhttp_say(c, "\r\n0\r\n\r\n");
    rawhttp_wait_close(c);
}

static void test_bomb(void **state)
{
    static const struct {
        const char *why;
        int mib;
        bool honest, chunked;
        enum sc_reason want;
    } rows[] = {
        {"1000 to 1",          80, false, false, SC_REASON_RESPONSE_TOO_LARGE},
        {"1000 to 1, chunked", 80, false, true,  SC_REASON_RESPONSE_TOO_LARGE},
        {"the first 64 MiB",   64, false, false, SC_REASON_OK                },
        {"packs well, honest", 80, true,  true,  SC_REASON_OK                },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sc_http_config config = {.turn_bytes = 4 << 20};
        struct bomb b = {.chunked = rows[i].chunked};
        make_bomb(&b.packed, rows[i].mib, rows[i].honest);
        struct rawhttp *server = rawhttp_start(send_bomb, &b, NULL);
        struct sc_http *http = small(&config);
        struct fetch f = {.url = at(server), .count_only = true};
        fetch_run(http, &f);
        expect_reason(rows[i].why, &f, rows[i].want);
        if (rows[i].want == SC_REASON_OK)
            assert_int_equal(f.bytes, (uint64_t)rows[i].mib << 20);
        else
            assert_in_range(f.bytes, 60u << 20, 70u << 20);
        fetch_done(&f);
        sc_http_free(http);
        rawhttp_stop(server);
        sc_buf_done(&b.packed);
    }
}

static void slow_reader(struct rawhttp_conn *c)
{
    /* takes the head of a big POST, and its body only when told */
    char sink[65536];
    size_t got = 0, n;
    sem_wait(c->arg);
    while (got < 8000000 && (n = rawhttp_read(c, sink, sizeof(sink))) > 0)
        got += n;
    rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    rawhttp_wait_close(c);
}

static void test_upload_moves_first_byte(void **state)
{
    struct sc_http_config config = {.stall_timeout_s = 60};
    sem_t go;
    char *content = calloc(1, 8000000);
    (void)state;
    sem_init(&go, 0, 0);
    struct rawhttp *server = rawhttp_start(slow_reader, &go, NULL);
    struct sc_http *http = small(&config);
    struct fetch f = {
        .url = at(server), .method = "POST", .content = {content, 8000000}
    };
    fetch_start(http, &f);
    for (int64_t end = sc_mono_ms() + 700; sc_mono_ms() < end;)
        sc_http_turn(http, 50);
    sem_post(&go);
    fetch_wait(http, &f, 1);
    expect_reason("upload", &f, SC_REASON_OK);
    fetch_done(&f);
    sc_http_free(http);
    rawhttp_stop(server);
    sem_destroy(&go);
    free(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_byte),
        cmocka_unit_test(test_stall),
        cmocka_unit_test(test_pause_is_no_stall),
        cmocka_unit_test(test_header_flood),
        cmocka_unit_test(test_long_head_is_fine),
        cmocka_unit_test(test_max_body),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_upload_moves_first_byte),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
