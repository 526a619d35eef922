/* Life of a transfer: cancelled anywhere, many at once, woken up, fair turns, kept connections,
 * told exactly once. */
#include "client.h"

#include <pthread.h>
#include <semaphore.h>

static const char *at(struct rawhttp *server, const char *path)
{
    return url_of("http", "127.0.0.1", rawhttp_port(server), path);
}

static void hello(struct rawhttp_conn *c)
{
    while (rawhttp_request(c))
        rawhttp_reply(c, "", "hello", 5);
}

static void head_only(struct rawhttp_conn *c)
{
    if (rawhttp_request(c) && rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"))
        rawhttp_wait_close(c);
}

static void half(struct rawhttp_conn *c)
{
    if (rawhttp_request(c) && rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"))
        rawhttp_wait_close(c);
}

static void mute(struct rawhttp_conn *c)
{
    if (rawhttp_request(c))
        rawhttp_wait_close(c);
}

static void one_turn_later(struct sc_http *http, struct fetch *f)
{
    assert_int_equal(f->dones, 0);
    fetch_wait(http, f, 1);
    assert_int_equal(f->dones, 1);
    expect_reason("cancelled", f, SC_REASON_OK);
    assert_true(f->result.aborted);
}

static void test_cancel_before_reply(void **state)
{
    struct rawhttp_silent silent;
    struct rawhttp *m = rawhttp_start(mute, NULL, NULL), *all = rawhttp_start(hello, NULL, NULL);
    struct sc_http *http = client_new(NULL);
    (void)state;
    rawhttp_silent_open(&silent);

    struct fetch fresh = {.url = at(all, "/")}; /* before the first turn */
    fetch_start(http, &fresh);
    sc_http_cancel(fresh.transfer);
    sc_http_cancel(fresh.transfer);
    one_turn_later(http, &fresh);
    assert_int_equal(rawhttp_connections(all), 0);

    struct fetch dns = {.url = "https://no-such-host.invalid/"};
    fetch_start(http, &dns);
    sc_http_turn(http, 0);
    if (dns.dones == 0) {
        sc_http_cancel(dns.transfer);
        one_turn_later(http, &dns);
    }

    struct fetch syn = {.url = url_of("http", "127.0.0.1", silent.port, "/")};
    fetch_start(http, &syn);
    for (int i = 0; i < 5; i++)
        sc_http_turn(http, 10);
    sc_http_cancel(syn.transfer);
    one_turn_later(http, &syn);

    struct fetch sent = {.url = at(m, "/")};
    fetch_start(http, &sent);
    while (rawhttp_requests(m) == 0)
        sc_http_turn(http, 10);
    sc_http_cancel(sent.transfer);
    one_turn_later(http, &sent);
    assert_int_equal(sent.result.status, 0);

    sc_http_free(http);
    rawhttp_silent_close(&silent);
    rawhttp_stop(m), rawhttp_stop(all);
}

static void test_cancel_in_reply(void **state)
{
    struct rawhttp *h = rawhttp_start(head_only, NULL, NULL), *b = rawhttp_start(half, NULL, NULL);
    struct sc_http *http = client_new(NULL);
    (void)state;

    struct fetch head = {.url = at(h, "/")};
    fetch_start(http, &head);
    while (head.heads == 0)
        sc_http_turn(http, 1000);
    sc_http_cancel(head.transfer);
    one_turn_later(http, &head);
    assert_int_equal(head.result.status, 200);

    struct fetch body = {.url = at(b, "/")};
    fetch_start(http, &body);
    while (body.bytes == 0)
        sc_http_turn(http, 1000);
    sc_http_cancel(body.transfer);
    one_turn_later(http, &body);

    struct fetch paused = {.url = at(b, "/"), .most = 2, .hold = true};
    fetch_start(http, &paused);
    while (!paused.paused)
        sc_http_turn(http, 1000);
    sc_http_resume(paused.transfer);
    sc_http_cancel(paused.transfer);
    sc_http_resume(paused.transfer);
    one_turn_later(http, &paused);
    assert_int_equal(paused.bytes, 2);

    fetch_done(&body);
    fetch_done(&paused);
    sc_http_free(http);
    rawhttp_stop(h), rawhttp_stop(b);
}

static struct fetch *other;

static void cancel_other(struct fetch *f, struct sc_transfer *t)
{
    sc_http_cancel(t); /* has no effect any more */
    sc_http_resume(t);
    (void)f;
    if (other && other->transfer)
        sc_http_cancel(other->transfer);
}

static void test_cancel_inside(void **state)
{
    struct rawhttp *b = rawhttp_start(half, NULL, NULL), *all = rawhttp_start(hello, NULL, NULL);
    struct sc_http *http = client_new(NULL);
    (void)state;
    struct fetch in_head = {.url = at(b, "/"), .cancel_in_head = true};
    fetch_run(http, &in_head);
    assert_true(in_head.result.aborted);
    assert_int_equal(in_head.calls, 0);
    struct fetch in_body = {
        .url = at(b, "/"), .cancel_in_body = true, .resume_in_body = true, .most = 1};
    fetch_run(http, &in_body);
    assert_true(in_body.result.aborted);
    assert_int_equal(in_body.calls, 1);

    struct fetch victim = {.url = at(b, "/")};
    struct fetch killer = {.url = at(all, "/"), .in_done = cancel_other};
    other = &victim;
    fetch_start(http, &victim);
    while (victim.bytes == 0)
        sc_http_turn(http, 1000);
    fetch_run(http, &killer);
    expect_reason("killer", &killer, SC_REASON_OK);
    assert_int_equal(victim.dones, 0); /* from a later turn */
    fetch_wait(http, &victim, 1);
    assert_true(victim.result.aborted);
    other = NULL;
    fetch_done(&in_body), fetch_done(&victim), fetch_done(&killer);

    struct fetch left[3] = {{.url = at(b, "/")}, {.url = at(all, "/")}, {.url = at(b, "/")}};
    for (int i = 0; i < 3; i++)
        fetch_start(http, &left[i]);
    sc_http_turn(http, 100);
    unsigned dones = (unsigned)(left[0].dones + left[2].dones);
    sc_http_free(http); /* with transfers under way: nobody is called */
    assert_int_equal(dones, 0);
    assert_int_equal(left[0].dones + left[2].dones, 0);
    for (int i = 0; i < 3; i++)
        fetch_done(&left[i]);
    rawhttp_stop(b), rawhttp_stop(all);
}

static struct sc_http *chain_http;
static struct fetch links[20];
static int link_count;

static void start_next(struct fetch *f, struct sc_transfer *t)
{
    (void)t;
    if (++link_count < 20) {
        links[link_count] = (struct fetch){.url = f->url, .in_done = start_next};
        fetch_start(chain_http, &links[link_count]);
    }
}

static void test_start_in_done(void **state)
{
    struct rawhttp *all = rawhttp_start(hello, NULL, NULL);
    (void)state;
    chain_http = client_new(NULL);
    links[0] = (struct fetch){.url = at(all, "/"), .in_done = start_next};
    fetch_start(chain_http, &links[0]);
    while (link_count < 20)
        sc_http_turn(chain_http, 1000);
    for (int i = 0; i < 20; i++) {
        CHECK_INT("link", links[i].dones, 1);
        expect_reason("link", &links[i], SC_REASON_OK);
        fetch_done(&links[i]);
    }
    assert_int_equal(rawhttp_connections(all), 1);
    assert_int_equal(links[19].result.timing.connect, 0); /* kept connection */
    sc_http_free(chain_http);
    rawhttp_stop(all);
}

static void *wake(void *arg)
{
    sc_http_wakeup(arg);
    return NULL;
}

static void test_wakeup(void **state)
{
    struct sc_http *http = client_new(NULL);
    (void)state;
    sc_http_wakeup(http); /* before the turn */
    int64_t before = sc_mono_ms();
    sc_http_turn(http, 10000);
    assert_in_range(sc_mono_ms() - before, 0, 500);
    int64_t worst = 0;
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        before = sc_mono_ns();
        assert_int_equal(pthread_create(&thread, NULL, wake, http), 0);
        sc_http_turn(http, 10000);
        int64_t took = sc_mono_ns() - before;
        worst = took > worst ? took : worst;
        pthread_join(thread, NULL);
    }
    print_message("      slowest of 100 wake-ups: %lld us\n", (long long)worst / 1000);
    assert_true(worst < 500 * 1000000LL);
    before = sc_mono_ms();
    sc_http_turn(http, 100); /* nobody wakes */
    assert_in_range(sc_mono_ms() - before, 90, 1000);
    sc_http_free(http);
}

static void large(struct rawhttp_conn *c)
{
    static const char block[100000] = {'x'};
    while (rawhttp_request(c))
        if (strstr(c->request, "/big")) {
            rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n");
            for (int i = 0; i < 200 && rawhttp_send(c, block, sizeof(block)); i++)
                ;
        } else {
            rawhttp_reply(c, "", block, 10000);
        }
}

#define MANY 200

static void test_many(void **state)
{
    static struct fetch f[MANY];
    struct rawhttp *server = rawhttp_start(large, NULL, NULL);
    struct sc_http_config config = {.turn_bytes = 3000};
    struct sc_http *http = client_new(&config);
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            f[i] = (struct fetch){.url = at(server, "/x"), .most = i % 3 ? 0 : 500};
            fetch_start(http, &f[i]);
        }
        fetch_wait(http, f, MANY);
        for (int i = 0; i < MANY; i++) {
            expect_reason("one of many", &f[i], SC_REASON_OK);
            CHECK_INT("bytes", f[i].bytes, 10000);
            CHECK_INT("dones", f[i].dones, 1);
            fetch_done(&f[i]);
        }
        for (int i = 0; i < 5; i++)
            sc_http_turn(http, 0);
    }
    print_message("      %u connections for %d transfers\n", rawhttp_connections(server), 3 * MANY);
    assert_in_range(rawhttp_connections(server), MANY, 3 * MANY - 2 * 60);
    sc_http_free(http);
    rawhttp_stop(server);
}

/* A big body does not keep the others waiting: no turn gives it more than its share. */
static void test_fair(void **state)
{
    struct rawhttp *server = rawhttp_start(large, NULL, NULL);
    struct sc_http_config config = {.turn_bytes = 8192};
    struct sc_http *http = client_new(&config);
    struct fetch big = {.url = at(server, "/big"), .count_only = true};
    (void)state;
    fetch_start(http, &big);
    uint64_t before = 0;
    while (big.dones == 0) {
        sc_http_turn(http, 1000);
        assert_true(big.bytes - before <= 8192);
        before = big.bytes;
        if (before > 10000000)
            break;
    }
    struct fetch small = {.url = at(server, "/x")};
    fetch_run(http, &small);
    expect_reason("small", &small, SC_REASON_OK);
    fetch_wait(http, &big, 1);
    assert_int_equal(big.bytes, 20000000);
    fetch_done(&small), fetch_done(&big);
    sc_http_free(http);
    rawhttp_stop(server);
}

/* The server closes the kept connection: the next request goes out again on a new one, unseen. */
static void once(struct rawhttp_conn *c)
{
    if (rawhttp_request(c))
        rawhttp_reply(c, "", "hello", 5);
}

static void test_dead_connection(void **state)
{
    struct rawhttp *server = rawhttp_start(once, NULL, NULL);
    struct sc_http *http = client_new(NULL);
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct fetch f = {
            .url = at(server, "/"),
            .method = i % 2 ? "POST" : "GET",
            .content = {"abc", i % 2 ? 3 : 0}
        };
        fetch_run(http, &f);
        expect_reason("again", &f, SC_REASON_OK);
        CHECK_BYTES("again", f.body.ptr, f.body.len, "hello", 5);
        fetch_done(&f);
    }
    sc_http_free(http);
    rawhttp_stop(server);
}

static struct sc_http *nested;

static void turn_again(struct fetch *f, struct sc_transfer *t)
{
    (void)f, (void)t;
    sc_http_turn(nested, 10000); /* does nothing, and does not hang */
}

static void test_nested_turn(void **state)
{
    struct rawhttp *server = rawhttp_start(hello, NULL, NULL);
    struct fetch f = {.url = at(server, "/"), .in_done = turn_again};
    (void)state;
    nested = client_new(NULL);
    fetch_run(nested, &f);
    expect_reason("nested", &f, SC_REASON_OK);
    fetch_done(&f);
    sc_http_free(nested);
    rawhttp_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel_before_reply),
        cmocka_unit_test(test_cancel_in_reply),
        cmocka_unit_test(test_cancel_inside),
        cmocka_unit_test(test_start_in_done),
        cmocka_unit_test(test_wakeup),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_fair),
        cmocka_unit_test(test_dead_connection),
        cmocka_unit_test(test_nested_turn),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
