/* The server dies, freezes, or its answers get lost: nothing is missing and nothing stands there
 * twice. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

static struct rig rig;

static int setup(void **state)
{
    (void)state;
    rig_open(&rig, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

#define PRODUCERS 3

static void kill_again_and_again(int64_t window_ms, int kills)
{
    static const char *const names[] = {"okta.system_log", "github.audit", "cisco.events"};
    struct producer producers[PRODUCERS], *list[PRODUCERS];
    const struct sc_publisher_counts *counts;
    rig_make_stream(&rig, window_ms);
    rig_run(&rig);
    rig_wait_ready(&rig);
    counts = sc_publisher_counts(rig.p);
    for (int i = 0; i < PRODUCERS; i++) {
        list[i] = &producers[i];
        producer_init(list[i], &rig, names[i], 5000, 400);
        atomic_store(&producers[i].until_told, true);
        producer_start(list[i]);
    }
    for (int i = 0; i < kills; i++) {
        rig_wait_handed(&rig, atomic_load(&counts->handed_over) + 2500 + 613 * (unsigned)i);
        natsd_kill(&rig.server);
        rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_BROKER_UNAVAILABLE);
        natsd_restart(&rig.server);
        rig_wait_ready(&rig);
        CHECK_INT("generation", rig.facts.generation, 1);
    }
    for (int i = 0; i < PRODUCERS; i++)
        atomic_store(&producers[i].enough, true);
    for (int i = 0; i < PRODUCERS; i++)
        producer_join(list[i]);
    rig_reconnect(&rig);
    check_stream(&rig, list, PRODUCERS);
    uint32_t made = 0, done = 0, duplicates = 0;
    for (int i = 0; i < PRODUCERS; i++) {
        made += producers[i].made;
        done += producers[i].stored + producers[i].found;
        duplicates += producers[i].duplicates;
        producer_done(list[i]);
    }
    print_message("  %u records, %d kills: %d found, %d resent, %u duplicates\n", made, kills,
                  (int)counts->found, (int)counts->resent, duplicates);
    CHECK_INT("outcomes", done, made);
    CHECK_INT("messages", rig_last_seq(&rig), made);
    CHECK_INT("reconnects at least", counts->reconnects >= (unsigned)kills, 1);
}

static void test_kill_window_100ms(void **state)
{
    (void)state;
    kill_again_and_again(100, 10);
}

static void test_kill_window_2s(void **state)
{
    (void)state;
    kill_again_and_again(2000, 10);
}

/* All stored, every acknowledgement lost, and the server has forgotten the ids when we come back.
 */
static void test_lost_acks_are_found(void **state)
{
    struct producer before, producer, *list[] = {&before, &producer};
    (void)state;
    rig_make_stream(&rig, 100);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&before, &rig, "a.before", 100, 100);
    producer_run(&before);
    producer_init(&producer, &rig, "a.b", 400, 100);
    atomic_store(&rig.relay.mute, true);
    while (producer.made < producer.count)
        producer_turn(&producer, 1000);
    while (rig_last_seq(&rig) < 500) /* all are stored */
        producer_turn(&producer, 1);
    atomic_store(&rig.relay.refuse, true);
    relay_cut(&rig.relay);
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_BROKER_UNAVAILABLE);
    for (int64_t until = sc_mono_ms() + 300; sc_mono_ms() < until;) /* the window passes */
        producer_turn(&producer, 10);
    atomic_store(&rig.relay.mute, false);
    atomic_store(&rig.relay.refuse, false);
    producer_run(&producer);
    rig_wait_ready(&rig);
    CHECK_INT("found", producer.found, 400);
    CHECK_INT("counted", sc_publisher_counts(rig.p)->found, 400);
    CHECK_INT("resent", sc_publisher_counts(rig.p)->resent, 0);
    CHECK_INT("known sequence", sc_publisher_known_seq(rig.p), 500);
    check_stream(&rig, list, 2);
    producer_done(&before);
    producer_done(&producer);
}

/* Nothing of what was sent arrives: all is sent again. */
static void test_lost_records_are_resent(void **state)
{
    struct producer producer, *list = &producer;
    (void)state;
    rig_make_stream(&rig, 100);
    rig_run(&rig);
    rig_wait_ready(&rig);
    atomic_store(&rig.relay.deaf, true);
    producer_init(&producer, &rig, "a.b", 400, 100);
    while (producer.made < producer.count)
        producer_turn(&producer, 1000);
    rig_wait_handed(&rig, 400);
    relay_cut(&rig.relay);
    atomic_store(&rig.relay.deaf, false);
    producer_run(&producer);
    CHECK_INT("stored", producer.stored + producer.found, 400);
    CHECK_INT("resent and found", sc_publisher_counts(rig.p)->resent + producer.found, 400);
    check_stream(&rig, &list, 1);
    producer_done(&producer);
}

/* Connected, but no acknowledgement comes. */
static void test_freeze_stalls_and_resumes(void **state)
{
    struct producer producer, *list = &producer;
    (void)state;
    rig.config.stall_ms = 1000;
    rig.nats.request_timeout_ms = 500;
    rig_make_stream(&rig, 2000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&producer, &rig, "a.b", 5000, 400);
    atomic_store(&producer.until_told, true);
    producer_start(&producer);
    for (int i = 0; i < 3; i++) {
        rig_wait_handed(&rig, atomic_load(&sc_publisher_counts(rig.p)->handed_over) + 1500);
        natsd_freeze(&rig.server);
        rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_BROKER_STALLED);
        natsd_thaw(&rig.server);
        rig_wait_ready(&rig);
    }
    atomic_store(&producer.enough, true);
    producer_join(&producer);
    CHECK_INT("stalls", sc_publisher_counts(rig.p)->stalls, 3);
    CHECK_INT("generation", rig.facts.generation, 1);
    check_stream(&rig, &list, 1);
    CHECK_INT("messages", rig_last_seq(&rig), producer.made);
    producer_done(&producer);
}

/* A work queue shows only what is not consumed yet, and refuses a second consumer: read one by one.
 */
static void test_lost_acks_workqueue(void **state)
{
    static const char *const subject[] = {"edge-1.data.>"};
    struct producer producer;
    jsStreamConfig config;
    natsSubscription *sub = NULL;
    (void)state;
    rig_stream_config(&config, subject);
    config.Retention = js_WorkQueuePolicy;
    config.Duplicates = 100000000;
    js_AddStream(NULL, rig.js, &config, NULL, NULL);
    CHECK_INT("consumer",
              js_PullSubscribe(&sub, rig.js, "edge-1.data.>", "worker", NULL, NULL, NULL), NATS_OK);
    rig_run(&rig);
    rig_wait_ready(&rig);
    atomic_store(&rig.relay.mute, true);
    producer_init(&producer, &rig, "a.b", 100, 100);
    while (producer.made < producer.count)
        producer_turn(&producer, 1000);
    while (rig_last_seq(&rig) < 100)
        producer_turn(&producer, 1);
    relay_cut(&rig.relay);
    atomic_store(&rig.relay.mute, false);
    producer_run(&producer);
    CHECK_INT("found", producer.found, 100);
    CHECK_INT("messages", rig_last_seq(&rig), 100);
    natsSubscription_Destroy(sub);
    producer_done(&producer);
}

/* Stopping while the server is gone: everything comes back dropped, in time. */
static void test_stop_during_an_outage(void **state)
{
    struct producer producer;
    (void)state;
    rig_make_stream(&rig, 2000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    atomic_store(&rig.relay.deaf, true);
    producer_init(&producer, &rig, "a.b", 1000, 100);
    while (producer.made < producer.count)
        producer_turn(&producer, 1000);
    rig_wait_handed(&rig, 512);
    natsd_freeze(&rig.server);
    struct sc_publisher *p = rig.p;
    sc_publisher_stop(p, 300);
    producer_run(&producer);
    rig.p = NULL;
    CHECK_INT("dropped", producer.dropped, 1000);
    natsd_thaw(&rig.server);
    producer_done(&producer);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(test_kill_window_100ms),         WITH_RIG(test_kill_window_2s),
        WITH_RIG(test_lost_acks_are_found),       WITH_RIG(test_lost_records_are_resent),
        WITH_RIG(test_freeze_stalls_and_resumes), WITH_RIG(test_lost_acks_workqueue),
        WITH_RIG(test_stop_during_an_outage),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return failed;
}
