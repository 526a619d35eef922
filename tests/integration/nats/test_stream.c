/* Streams: finding, stored messages, read-back. */
#include "fixture.h"

#include <stdio.h>

static struct natsd server;
static struct sc_session *session;

static int setup(void **state)
{
    (void)state;
    natsd_start(&server, NULL);
    session = fx_open(&server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    session = sc_session_close(session);
    natsd_stop(&server);
    return 0;
}

static void make(const char *name, const char *json)
{
    char api[128];
    snprintf(api, sizeof api, "STREAM.CREATE.%s", name);
    fx_api(session, api, json);
}

static void test_stream_find(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_stream_info info;
    assert_int_equal(sc_stream_find(session, "edge.data.artifacts.raw", &info, &err), 1);
    make("OTHER", "{\"name\":\"OTHER\",\"subjects\":[\"edge.other\",\"edge.data.x.*\"]}");
    assert_int_equal(sc_stream_find(session, "edge.data.artifacts.raw", &info, &err), 1);
    make("DATA", "{\"name\":\"DATA\",\"subjects\":[\"edge.data.artifacts.>\"],\"retention\":"
                 "\"interest\",\"max_bytes\":"
                 "1000000,\"no_ack\":true,\"discard\":\"new\",\"duplicate_window\":5000000000}");
    make("COPY", "{\"name\":\"COPY\",\"sources\":[{\"name\":\"DATA\"}]}");
    assert_int_equal(sc_stream_find(session, "edge.data.artifacts.raw", &info, &err), 0);
    assert_string_equal(info.name, "DATA");
    assert_int_equal(info.retention, SC_RETENTION_INTEREST);
    assert_true(info.no_ack);
    assert_true(info.discard_new);
    assert_int_equal(info.max_bytes, 1000000);
    assert_int_equal(info.max_msgs, -1);
    assert_int_equal(info.max_msg_size, -1);
    assert_int_equal(info.duplicate_window_ns, 5000000000);
    assert_int_equal(info.last_seq, 0);
    assert_true(strlen(info.created) >= 20);
    /* a stream that takes only a part of what a wildcard names does not hold it */
    assert_int_equal(sc_stream_find(session, "edge.data.>", &info, &err), 1);
    assert_int_equal(sc_stream_info(session, "NONE", &info, &err), -1);
    assert_int_equal(err.reason, SC_REASON_NO_STREAM);
}

static void test_stream_create_and_get(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_stream_info info;
    struct sc_stored_msg msg = {0};
    char text[64];
    assert_int_equal(sc_stream_create(session, "DATA", "local.data.>", 120000000000LL, &err), 0);
    assert_int_equal(sc_stream_find(session, "local.data.artifacts.raw", &info, &err), 0);
    assert_int_equal(info.duplicate_window_ns, 120000000000LL);
    assert_int_equal(info.retention, SC_RETENTION_LIMITS);
    assert_int_equal(sc_stream_create(session, "DATA2", "local.data.x", 120000000000LL, &err), -1);
    sc_error_clear(&err);

    fx_publish(session, "local.data.a", "a", 0, 3);
    fx_publish(session, "local.data.b", "b", 0, 1);
    assert_int_equal(sc_stream_get(session, "DATA", 2, NULL, &msg, &err), 0);
    assert_int_equal(msg.seq, 2);
    assert_string_equal(msg.subject.ptr, "local.data.a");
    assert_string_equal(msg.data.ptr, "a.1");
    assert_true(sc_stored_header(sc_buf_str(&msg.headers), "Nats-Msg-Id", text, sizeof text));
    assert_string_equal(text, "a.1");
    assert_int_equal(sc_stream_get(session, "DATA", 1, "local.data.b", &msg, &err), 0);
    assert_int_equal(msg.seq, 4);
    assert_int_equal(sc_stream_get(session, "DATA", 4, "local.data.a", &msg, &err), 1);
    assert_int_equal(sc_stream_get(session, "DATA", 9, NULL, &msg, &err), 1);
    assert_int_equal(sc_stream_get_last(session, "DATA", "local.data.a", &msg, &err), 0);
    assert_int_equal(msg.seq, 3);
    fx_api(session, "STREAM.MSG.DELETE.DATA", "{\"seq\":3}");
    assert_int_equal(sc_stream_get(session, "DATA", 3, NULL, &msg, &err), 1);
    assert_int_equal(sc_stream_get_last(session, "DATA", "local.data.none", &msg, &err), 1);
    assert_int_equal(sc_stream_get(session, "NONE", 3, NULL, &msg, &err), -1);
    assert_int_equal(err.reason, SC_REASON_NO_STREAM);
    sc_stored_msg_done(&msg);
}

/* ---- read-back ---------------------------------------------------------------------------- */

struct seen {
    uint64_t count, last_seq, wrong;
    char first[64], last[64];
    uint64_t stop_at;
};

static int on_message(void *arg, uint64_t seq, struct sc_str msg_id, struct sc_str headers)
{
    struct seen *seen = arg;
    char id[64] = "";
    if (seq <= seen->last_seq || !sc_stored_header(headers, "ce-id", id, sizeof id) ||
        !sc_str_is(msg_id, id))
        seen->wrong++;
    seen->last_seq = seq;
    memcpy(seen->count++ ? seen->last : seen->first, id, sizeof id);
    return seen->stop_at && seq >= seen->stop_at;
}

static struct sc_readback job(struct seen *seen, uint64_t from, uint64_t to)
{
    *seen = (struct seen){0};
    return (struct sc_readback){.from = from,
                                .to = to,
                                .stream = "DATA",
                                .subject = "d.ours",
                                .arg = seen,
                                .message = on_message};
}

static void read_back(struct sc_readback *job)
{
    struct sc_error err = SC_ERROR_INIT;
    if (sc_stream_readback(session, job, &err))
        fail_msg("%s", err.text);
    assert_int_equal(((struct seen *)job->arg)->count, job->seen);
    assert_int_equal(((struct seen *)job->arg)->wrong, 0);
}

static void test_readback_many(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    struct seen seen;
    assert_int_equal(sc_stream_create(session, "DATA", "d.>", 100000000, &err), 0);
    for (int i = 0; i < 100; i++) {
        fx_publish(session, "d.ours", "a", i * 1000, 1000);
        fx_publish(session, "d.theirs", "b", i * 100, 100);
    }
    uint64_t last = fx_last_seq(session, "DATA");
    assert_int_equal(last, 110000);
    struct sc_readback pass = job(&seen, 0, last);
    int64_t start = sc_mono_ms();
    read_back(&pass);
    int64_t ms = sc_mono_ms() - start;
    print_message("    read back 100,000 of 110,000 in %lld ms: %lld/s\n", (long long)ms,
                  100000 * 1000LL / (long long)(ms ? ms : 1));
    assert_int_equal(pass.seen, 100000);
    assert_string_equal(seen.first, "a.0");
    assert_string_equal(seen.last, "a.99999");
    assert_int_equal(pass.first_seq, 1);
    assert_false(pass.floor_gone);
    assert_false(pass.by_get);
    assert_true(ms < WITHIN_MS);

    pass = job(&seen, 500, 1000); /* both ends inside */
    read_back(&pass);
    assert_int_equal(pass.seen, 500);
    assert_string_equal(seen.first, "a.500");
    assert_string_equal(seen.last, "a.999");
    pass = job(&seen, 500, 1050); /* `to` stands on another subject */
    read_back(&pass);
    assert_int_equal(pass.seen, 500);
    pass = job(&seen, 1000, 1100); /* nothing of ours between */
    read_back(&pass);
    assert_int_equal(pass.seen, 0);
    pass = job(&seen, last - 100, last); /* nothing of ours up to the end */
    read_back(&pass);
    assert_int_equal(pass.seen, 0);
    pass = job(&seen, last + 5, last + 9); /* beyond the end */
    read_back(&pass);
    assert_int_equal(pass.seen, 0);
    assert_false(pass.floor_gone);
    pass = job(&seen, last - 101, last + 1000); /* `to` beyond the end */
    read_back(&pass);
    assert_int_equal(pass.seen, 1);

    pass = job(&seen, 0, last);
    seen.stop_at = 10;
    assert_int_equal(sc_stream_readback(session, &pass, &err), -1);
    assert_string_equal(err.text, "stopped");

    /* no consumer of ours is left behind */
    json_t *reply = NULL;
    sc_error_clear(&err);
    for (int64_t until = sc_mono_ms() + WITHIN_MS, left = 1; left && sc_mono_ms() < until;) {
        assert_int_equal(sc_session_call(session, "CONSUMER.NAMES.DATA", "{}", &reply, NULL, &err),
                         0);
        left = json_integer_value(json_object_get(reply, "total"));
        json_decref(reply);
        if (left && sc_mono_ms() >= until - 100)
            fail_msg("%d consumers left", (int)left);
    }
}

/* Passes that are given up while messages are on their way: the library crashes when a subscription
 * is destroyed then. */
static void test_readback_given_up(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    struct seen seen;
    assert_int_equal(sc_stream_create(session, "DATA", "d.>", 100000000, &err), 0);
    fx_publish(session, "d.ours", "a", 0, 20000);
    for (uint64_t round = 0; round < 500; round++) {
        struct sc_readback pass = job(&seen, 0, 20000);
        seen.stop_at = 1 + round * 37 % 3000;
        sc_error_clear(&err);
        assert_int_equal(sc_stream_readback(session, &pass, &err), -1);
        assert_string_equal(err.text, "stopped");
        assert_int_equal(pass.seen, seen.stop_at);
    }
}

static void test_readback_deleted(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    struct seen seen;
    assert_int_equal(sc_stream_create(session, "DATA", "d.>", 100000000, &err), 0);
    fx_publish(session, "d.ours", "a", 0, 100);
    for (int i = 1; i <= 100; i++) {
        char json[32];
        if (i % 3 && i != 100 && i != 1)
            continue;
        snprintf(json, sizeof json, "{\"seq\":%d}", i);
        fx_api(session, "STREAM.MSG.DELETE.DATA", json);
    }
    struct sc_readback pass = job(&seen, 0, 100); /* first and last are deleted as well */
    read_back(&pass);
    assert_int_equal(pass.seen, 65);
    assert_true(pass.floor_gone); /* the stream begins at 2: what stood at 1 cannot be known */
    pass = job(&seen, 10, 50);
    read_back(&pass);
    assert_int_equal(pass.seen, 27);
    assert_false(pass.floor_gone);
    fx_api(session, "STREAM.PURGE.DATA", NULL);
    pass = job(&seen, 10, 100);
    read_back(&pass);
    assert_int_equal(pass.seen, 0);
    assert_true(pass.floor_gone);
    assert_int_equal(pass.first_seq, 101);
}

static void test_readback_discard_old(void **state)
{
    (void)state;
    struct seen seen;
    make("DATA", "{\"name\":\"DATA\",\"subjects\":[\"d.>\"],\"max_msgs\":50,\"discard\":\"old\"}");
    fx_publish(session, "d.ours", "a", 0, 120);
    struct sc_readback pass = job(&seen, 10, 120);
    read_back(&pass);
    assert_int_equal(pass.seen, 50);
    assert_true(pass.floor_gone);
    assert_int_equal(pass.first_seq, 71);
    assert_string_equal(seen.first, "a.70");
    pass = job(&seen, 10, 40); /* all of it is gone */
    read_back(&pass);
    assert_int_equal(pass.seen, 0);
    assert_true(pass.floor_gone);
    pass = job(&seen, 70, 120);
    read_back(&pass);
    assert_int_equal(pass.seen, 50);
    assert_false(pass.floor_gone);
}

static void test_readback_work_queue(void **state)
{
    (void)state;
    struct seen seen;
    make("DATA", "{\"name\":\"DATA\",\"subjects\":[\"d.>\"],\"retention\":\"workqueue\"}");
    fx_publish(session, "d.ours", "a", 0, 20);
    fx_publish(session, "d.theirs", "b", 0, 20);
    fx_publish(session, "d.ours", "a", 20, 20);
    struct sc_readback pass = job(&seen, 5, 55);
    read_back(&pass); /* nobody consumes yet */
    assert_true(pass.by_get);
    assert_int_equal(pass.seen, 30);
    fx_api(session, "CONSUMER.DURABLE.CREATE.DATA.c",
           "{\"stream_name\":\"DATA\",\"config\":{\"durable_name\":\"c\",\"ack_policy\":"
           "\"explicit\"}}");
    pass = job(&seen, 5, 55);
    read_back(&pass);
    assert_true(pass.by_get);
    assert_int_equal(pass.seen, 30);
    assert_string_equal(seen.last, "a.34");
}

static void test_readback_interest(void **state)
{
    (void)state;
    struct seen seen;
    make("DATA", "{\"name\":\"DATA\",\"subjects\":[\"d.>\"],\"retention\":\"interest\"}");
    fx_api(session, "CONSUMER.DURABLE.CREATE.DATA.c",
           "{\"stream_name\":\"DATA\",\"config\":{\"durable_name\":\"c\",\"ack_policy\":"
           "\"explicit\"}}");
    fx_publish(session, "d.ours", "a", 0, 5000);
    struct sc_readback pass = job(&seen, 0, 5000);
    read_back(&pass);
    assert_false(pass.by_get);
    assert_int_equal(pass.seen, 5000);
    /* reading back took nothing away from those whose messages they are */
    struct sc_error err = SC_ERROR_INIT;
    struct sc_stream_info info;
    assert_int_equal(sc_stream_info(session, "DATA", &info, &err), 0);
    assert_int_equal(info.messages, 5000);
}

/* Another program's message with an empty header value: the library refuses to decode it. */
static void test_readback_foreign_headers(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    struct seen seen;
    assert_int_equal(sc_stream_create(session, "DATA", "d.>", 100000000, &err), 0);
    fx_publish(session, "d.ours", "a", 0, 1);
    natsMsg *msg = NULL, *reply = NULL;
    assert_int_equal(natsMsg_Create(&msg, "d.ours", NULL, "x", 1), NATS_OK);
    natsMsgHeader_Set(msg, "Nats-Msg-Id", "a.1");
    natsMsgHeader_Set(msg, "ce-id", "a.1");
    natsMsgHeader_Set(msg, "empty", "");
    assert_int_equal(natsConnection_RequestMsg(&reply, sc_session_conn(session), msg, WITHIN_MS),
                     NATS_OK);
    natsMsg_Destroy(msg);
    natsMsg_Destroy(reply);
    fx_publish(session, "d.ours", "a", 2, 1);
    struct sc_readback pass = job(&seen, 0, 3);
    read_back(&pass);
    assert_int_equal(pass.seen, 3);
}

static int kill_at(void *arg, uint64_t seq, struct sc_str msg_id, struct sc_str headers)
{
    (void)msg_id;
    (void)headers;
    if (seq == 1000)
        natsd_kill(&server);
    ++*(uint64_t *)arg;
    return 0;
}

static int freeze_at(void *arg, uint64_t seq, struct sc_str msg_id, struct sc_str headers)
{
    (void)msg_id;
    (void)headers;
    if (seq == 1000)
        natsd_freeze(&server);
    ++*(uint64_t *)arg;
    return 0;
}

/* A pass that cannot be finished fails; it never ends as if it were whole. */
static void test_readback_broken_off(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    uint64_t told = 0;
    assert_int_equal(sc_stream_create(session, "DATA", "d.>", 100000000, &err), 0);
    fx_publish(session, "d.ours", "a", 0, 20000);
    sc_session_set_timeout(session, 500);
    struct sc_readback pass = {
        .to = 20000, .stream = "DATA", .subject = "d.ours", .arg = &told, .message = freeze_at};
    assert_int_equal(sc_stream_readback(session, &pass, &err), -1);
    assert_int_equal(err.reason, SC_REASON_BROKER_STALLED);
    assert_true(told >= 1000 && told < 20000);
    natsd_thaw(&server);
    sc_session_close(session);
    session = fx_open(&server);

    sc_error_clear(&err);
    told = 0;
    pass = (struct sc_readback){
        .to = 20000, .stream = "DATA", .subject = "d.ours", .arg = &told, .message = kill_at};
    assert_int_equal(sc_stream_readback(session, &pass, &err), -1);
    assert_int_equal(err.reason, SC_REASON_BROKER_UNAVAILABLE);
    assert_true(told >= 1000 && told < 20000);
}

/* The library drops on a slow subscription and says so at most once: the consumer's own sequence
 * shows it. */
static void test_consumer_hole(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    assert_int_equal(sc_stream_create(session, "DATA", "d.>", 100000000, &err), 0);
    struct sc_consumer_config config = {.stream = "DATA",
                                        .subject = "d.ours",
                                        .deliver = "by_start_sequence",
                                        .start_seq = 1,
                                        .heartbeat_ms = 200};
    struct sc_consumer consumer;
    assert_int_equal(sc_consumer_open(&consumer, session, &config, NULL, &err), 0);
    assert_int_equal(consumer.initial, 0);
    assert_int_equal(natsSubscription_SetPendingLimits(consumer.sub, 10, -1), NATS_OK);
    fx_publish(session, "d.ours", "a", 0, 500);
    uint64_t taken = 0;
    for (int64_t until = sc_mono_ms() + WITHIN_MS;;) {
        struct sc_delivery delivery;
        int got = sc_consumer_next(&consumer, 1000, &delivery, &err);
        assert_true(got >= 0 && sc_mono_ms() < until);
        if (got == SC_CONSUMER_HOLE)
            break;
        if (got != SC_CONSUMER_MESSAGE)
            continue;
        assert_int_equal(delivery.at.stream_seq, ++taken);
        natsMsg_Destroy(delivery.msg);
    }
    assert_true(taken < 500);
    sc_consumer_close(&consumer);

    /* one message less, and nobody says so */
    natsMsg *stolen = NULL;
    config.heartbeat_ms = 60000;
    assert_int_equal(sc_consumer_open(&consumer, session, &config, NULL, &err), 0);
    assert_int_equal(natsSubscription_NextMsg(&stolen, consumer.sub, WITHIN_MS), NATS_OK);
    natsMsg_Destroy(stolen);
    struct sc_delivery none;
    assert_int_equal(sc_consumer_next(&consumer, WITHIN_MS, &none, &err), SC_CONSUMER_HOLE);
    sc_consumer_close(&consumer);
    config.heartbeat_ms = 200;

    /* one that is gone is noticed by its silence */
    assert_int_equal(sc_consumer_open(&consumer, session, &config, NULL, &err), 0);
    char api[256];
    snprintf(api, sizeof api, "CONSUMER.DELETE.DATA.%s", consumer.name);
    fx_api(session, api, NULL);
    int got;
    for (int64_t until = sc_mono_ms() + WITHIN_MS;;) {
        struct sc_delivery delivery;
        got = sc_consumer_next(&consumer, 100, &delivery, &err);
        assert_true(got >= 0 && sc_mono_ms() < until);
        if (got == SC_CONSUMER_HOLE)
            break;
        if (got == SC_CONSUMER_MESSAGE)
            natsMsg_Destroy(delivery.msg);
    }
    sc_consumer_close(&consumer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_stream_find),          TEST(test_stream_create_and_get),
        TEST(test_readback_many),        TEST(test_readback_deleted),
        TEST(test_readback_discard_old), TEST(test_readback_work_queue),
        TEST(test_readback_interest),    TEST(test_readback_foreign_headers),
        TEST(test_readback_broken_off),  TEST(test_consumer_hole),
        TEST(test_readback_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
