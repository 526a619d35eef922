/* The watch through everything that can happen to a bucket and its server. */
#include "fixture.h"
#include "nats/watch.h"

#include <stdio.h>

static struct natsd server;
static struct fx_log events;
static struct sc_error err;

#define MANY  20000
#define LARGE 900
static int large; /* the watch's thread */

static void on_event(void *arg, enum sc_watch_event event, const char *key, struct sc_str value,
                     uint64_t rev, int64_t saved_ms)
{
    int64_t age = sc_real_ms() - saved_ms;
    (void)arg;
    (void)rev;
    if (value.len == LARGE) {
        if (++large == MANY)
            fx_log_add(&events, "many");
        return;
    }
    if (event == SC_WATCH_PUT && (age < -1000 || age > 600000))
        fx_log_add(&events, "%s was saved %lld ms ago", key, (long long)age);
    switch (event) {
    case SC_WATCH_PUT:
        fx_log_add(&events, "put %s=%.*s", key, (int)value.len, value.ptr);
        break;
    case SC_WATCH_DELETED:
        fx_log_add(&events, "deleted %s", key);
        break;
    case SC_WATCH_SYNCED:
        fx_log_add(&events, "synced");
        break;
    case SC_WATCH_LOST:
        fx_log_add(&events, "lost %.*s", (int)value.len, value.ptr);
        break;
    case SC_WATCH_DOWN:
        fx_log_add(&events, "down %.*s", (int)value.len, value.ptr);
        break;
    case SC_WATCH_MISSING:
        fx_log_add(&events, "missing %.*s", (int)value.len, value.ptr);
        break;
    }
}

static int setup(void **state)
{
    (void)state;
    natsd_start(&server, NULL);
    fx_log_init(&events);
    err = (struct sc_error)SC_ERROR_INIT;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    natsd_stop(&server);
    return 0;
}

static struct sc_watch *start(bool create, uint32_t compare_ms)
{
    static struct sc_nats_config config;
    config = fx_config(&server);
    struct sc_watch_config watch = {.nats = &config,
                                    .bucket = "I",
                                    .create = create,
                                    .compare_ms = compare_ms,
                                    .event = on_event};
    struct sc_watch *ret = sc_watch_start(&watch, &err);
    assert_non_null(ret);
    return ret;
}

static void stop(struct sc_watch *watch)
{
    int64_t began = sc_mono_ms();
    assert_null(sc_watch_stop(watch));
    assert_true(sc_mono_ms() - began < 1000);
}

static struct sc_session *bucket(void)
{
    struct sc_session *session = fx_open(&server);
    assert_int_equal(sc_kv_ensure(session, "I", 5, NULL, &err), 0);
    return session;
}

static void test_watch_initial_and_changes(void **state)
{
    (void)state;
    struct sc_session *session = bucket();
    fx_put(session, "I", "a", "1");
    fx_put(session, "I", "b", "1");
    fx_put(session, "I", "b", "2");
    fx_put(session, "I", "c", "1");
    fx_foreign_put(session, "I", "c", "", "DEL");
    struct sc_watch *watch = start(false, 60000);
    fx_log_wait(&events, "synced", WITHIN_MS);
    assert_int_equal(fx_log_count(&events, 0, "put"), 2);
    assert_int_equal(fx_log_count(&events, 0, "put a=1"), 1);
    assert_int_equal(fx_log_count(&events, 0, "put b=2"), 1);
    assert_int_equal(fx_log_count(&events, 0, "deleted"), 0);

    int64_t worst = 0;
    for (int i = 0; i < 50; i++) {
        char value[16], want[32];
        snprintf(value, sizeof value, "x%d", i);
        snprintf(want, sizeof want, "put d=%s", value);
        int64_t began = sc_mono_ms();
        fx_put(session, "I", "d", value);
        fx_log_wait(&events, want, WITHIN_MS);
        int64_t ms = fx_log_time(&events) - began;
        worst = ms > worst ? ms : worst;
    }
    print_message("    put to event: at most %lld ms\n", (long long)worst);
    assert_true(worst < 200);

    fx_put(session, "I", "a", "1"); /* the same value put again is a put */
    fx_log_wait(&events, "put a=1", WITHIN_MS);
    fx_foreign_put(session, "I", "a", "", "DEL");
    fx_log_wait(&events, "deleted a", WITHIN_MS);
    fx_foreign_put(session, "I", "b", "", "PURGE");
    fx_log_wait(&events, "deleted b", WITHIN_MS);
    fx_put(session, "I", "a", "1");
    fx_log_wait(&events, "put a=1", WITHIN_MS);
    fx_put(session, "I", "e.f", "");
    fx_log_wait(&events, "put e.f=", WITHIN_MS);
    stop(watch);
    sc_session_close(session);
}

/* Far more than the server sends without being asked whether we keep up. */
static void test_watch_many(void **state)
{
    (void)state;
    struct sc_session *session = bucket();
    char subject[64], value[LARGE];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < MANY; i++) {
        snprintf(subject, sizeof subject, "$KV.I.k%d", i);
        assert_int_equal(natsConnection_Publish(sc_session_conn(session), subject, value, LARGE),
                         NATS_OK);
    }
    fx_put(session, "I", "last", "1");
    large = 0;
    int64_t began = sc_mono_ms();
    struct sc_watch *watch = start(false, 60000);
    fx_log_wait(&events, "many", WITHIN_MS);
    fx_log_wait(&events, "synced", WITHIN_MS);
    print_message("    %d values of %d bytes in %lld ms\n", MANY, LARGE,
                  (long long)(fx_log_time(&events) - began));
    stop(watch);
    sc_session_close(session);
}

static void test_watch_compare(void **state)
{
    (void)state;
    struct sc_session *session = bucket();
    fx_put(session, "I", "a", "1");
    fx_put(session, "I", "b", "1");
    struct sc_watch *watch = start(false, 100);
    fx_log_wait(&events, "synced", WITHIN_MS);
    int mark = fx_log_mark(&events);
    for (int i = 0; i < 5; i++)
        fx_log_wait(&events, "synced", WITHIN_MS);
    assert_int_equal(fx_log_count(&events, mark, "put"), 0); /* nothing changed, nothing told */
    assert_int_equal(fx_log_count(&events, mark, "deleted"), 0);
    /* gone without a marker: no event of the server tells it */
    fx_api(session, "STREAM.PURGE.KV_I", "{\"filter\":\"$KV.I.b\"}");
    fx_log_wait(&events, "deleted b", WITHIN_MS);
    fx_log_wait(&events, "synced", WITHIN_MS);
    assert_int_equal(fx_log_count(&events, mark, "deleted"), 1);
    stop(watch);
    sc_session_close(session);
}

static void test_watch_server_restart(void **state)
{
    (void)state;
    struct sc_session *session = bucket();
    fx_put(session, "I", "a", "1");
    fx_put(session, "I", "b", "1");
    fx_put(session, "I", "c", "1");
    struct sc_watch *watch = start(false, 60000);
    fx_log_wait(&events, "synced", WITHIN_MS);
    for (int round = 0; round < 3; round++) {
        char value[16], want[32];
        int mark = fx_log_mark(&events);
        natsd_kill(&server);
        fx_log_wait(&events, "down", WITHIN_MS);
        sc_session_close(session);
        natsd_restart(&server);
        session = fx_open(&server);
        snprintf(value, sizeof value, "r%d", round);
        snprintf(want, sizeof want, "put b=%s", value);
        fx_put(session, "I", "b", value); /* before or after the watch is back */
        fx_log_wait(&events, want, WITHIN_MS);
        snprintf(value, sizeof value, "s%d", round);
        snprintf(want, sizeof want, "put b=%s", value);
        if (fx_log_count(&events, mark, "synced") == 0)
            fx_log_wait(&events, "synced", WITHIN_MS);
        fx_put(session, "I", "b", value);
        fx_log_wait(&events, want, WITHIN_MS);
        assert_int_equal(fx_log_count(&events, mark, "put"), 2);
        assert_int_equal(fx_log_count(&events, mark, "deleted"), 0);
    }
    stop(watch);
    sc_session_close(session);
}

static void test_watch_bucket_made_anew(void **state)
{
    (void)state;
    struct sc_session *session = bucket();
    fx_put(session, "I", "a", "1");
    fx_put(session, "I", "b", "1");
    fx_put(session, "I", "c", "1");
    struct sc_watch *watch = start(false, 300);
    fx_log_wait(&events, "synced", WITHIN_MS);
    int mark = fx_log_mark(&events);

    fx_api(session, "STREAM.DELETE.KV_I", NULL);
    fx_log_wait(&events, "lost", WITHIN_MS);
    assert_int_equal(sc_kv_ensure(session, "I", 5, NULL, &err), 0);
    fx_put(session, "I", "a", "1"); /* the same value: nothing to tell */
    fx_put(session, "I", "b", "new");
    fx_log_wait(&events, "put b=new", WITHIN_MS);
    fx_log_wait(&events, "lost bucket I was made anew without 1 of the keys in use (c)", WITHIN_MS);
    fx_log_wait(&events, "synced", WITHIN_MS);
    fx_log_wait(&events, "synced", WITHIN_MS);
    assert_int_equal(fx_log_count(&events, mark, "put a"), 0);
    assert_int_equal(fx_log_count(&events, mark, "deleted"), 0); /* never because it is absent */

    fx_foreign_put(session, "I", "c", "", "DEL"); /* but by a marker, it is */
    fx_log_wait(&events, "deleted c", WITHIN_MS);
    fx_put(session, "I", "a", "2");
    fx_log_wait(&events, "put a=2", WITHIN_MS);

    /* so fast that only the creation time shows it */
    mark = fx_log_mark(&events);
    fx_api(session, "STREAM.DELETE.KV_I", NULL);
    assert_int_equal(sc_kv_ensure(session, "I", 5, NULL, &err), 0);
    fx_put(session, "I", "n", "1");
    fx_log_wait(&events, "put n=1", WITHIN_MS);
    fx_log_wait(&events, "lost bucket I was made anew without 2 of the keys in use (a, ",
                WITHIN_MS);
    assert_int_equal(fx_log_count(&events, mark, "deleted"), 0);
    /* what was put into the new one and then vanished from it is deleted */
    fx_api(session, "STREAM.PURGE.KV_I", NULL);
    fx_log_wait(&events, "deleted n", WITHIN_MS);
    assert_int_equal(fx_log_count(&events, mark, "deleted"), 1);
    stop(watch);
    sc_session_close(session);
}

static void test_watch_missing(void **state)
{
    (void)state;
    struct sc_watch *watch = start(false, 60000);
    fx_log_wait(&events, "missing bucket I does not exist", WITHIN_MS);
    struct sc_session *session = bucket();
    fx_put(session, "I", "a", "1");
    fx_log_wait(&events, "put a=1", WITHIN_MS);
    assert_int_equal(fx_log_count(&events, 0, "missing"), 1);
    assert_int_equal(fx_log_count(&events, 0, "lost"), 0);
    stop(watch);
    sc_session_close(session);
}

static void test_watch_create(void **state)
{
    (void)state;
    struct sc_watch *watch = start(true, 60000);
    fx_log_wait(&events, "synced", WITHIN_MS);
    struct sc_session *session = fx_open(&server);
    struct sc_stream_info info;
    assert_int_equal(sc_kv_info(session, "I", &info, &err), 0);
    stop(watch);
    sc_session_close(session);
}

static void test_watch_stops_in_time(void **state)
{
    (void)state;
    struct sc_watch *watch = start(true, 60000);
    fx_log_wait(&events, "synced", WITHIN_MS);
    natsd_freeze(&server);
    stop(watch); /* connected, and nothing answers */
    watch = start(true, 60000);
    stop(watch); /* still connecting */
    natsd_thaw(&server);
    natsd_kill(&server);
    int mark = fx_log_mark(&events);
    watch = start(true, 60000);
    fx_log_wait(&events, "down", WITHIN_MS);
    stop(watch); /* in a back-off */
    assert_int_equal(fx_log_count(&events, mark, "down"), fx_log_count(&events, mark, ""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_watch_initial_and_changes),
        TEST(test_watch_compare),
        TEST(test_watch_server_restart),
        TEST(test_watch_bucket_made_anew),
        TEST(test_watch_missing),
        TEST(test_watch_create),
        TEST(test_watch_many),
        TEST(test_watch_stops_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
