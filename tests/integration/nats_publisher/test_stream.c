/* What happens to the stream itself: full, missing, made anew, with a lost tail. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "check.h"

static struct rig rig;
static const char *const subject[] = {"edge-1.data.>"};

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

static void test_full_then_raised(void **state)
{
    struct producer producer, *list = &producer;
    jsStreamConfig config;
    (void)state;
    rig_stream_config(&config, subject);
    config.MaxBytes = 200 * 1000;
    js_AddStream(NULL, rig.js, &config, NULL, NULL);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&producer, &rig, "a.b", 2000, 1000);
    producer_start(&producer);
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_STREAM_FULL);
    config.MaxBytes = -1;
    CHECK_INT("update", js_UpdateStream(NULL, rig.js, &config, NULL, NULL), NATS_OK);
    rig_wait_ready(&rig);
    producer_join(&producer);
    CHECK_INT("stored", producer.stored, 2000);
    CHECK_INT("generation", rig.facts.generation, 1);
    check_stream(&rig, &list, 1);
    producer_done(&producer);
}

static void test_no_stream_until_created(void **state)
{
    struct producer producer, *list = &producer;
    (void)state;
    rig_run(&rig);
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_NO_STREAM);
    producer_init(&producer, &rig, "a.b", 100, 100);
    producer_turn(&producer, 1);
    CHECK_INT("no batch while down", producer.made, 0);
    CHECK_TRUE("credit waits", producer.home->credit.waiting);
    rig_make_stream(&rig, 120000);
    rig_wait_ready(&rig);
    producer_run(&producer);
    check_stream(&rig, &list, 1);
    producer_done(&producer);
}

static void test_stream_is_created(void **state)
{
    struct producer producer, *list = &producer;
    (void)state;
    rig.config.create = true;
    rig.config.create_subject = "edge-1.data.>";
    rig_run(&rig);
    rig_wait_ready(&rig);
    CHECK_TEXT("stream", rig.facts.stream, "DATA");
    CHECK_INT("duplicate window", rig.facts.duplicate_window_ms, 120000);
    producer_init(&producer, &rig, "a.b", 100, 100);
    producer_run(&producer);
    check_stream(&rig, &list, 1);
    producer_done(&producer);
}

/* Deleted while records come, then made anew: all that is in flight goes back, nothing is counted
 * that is not there. */
static void test_deleted_and_made_anew(void **state)
{
    struct producer producer, *list = &producer;
    (void)state;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&producer, &rig, "a.b", 3000, 100);
    producer_run(&producer);
    CHECK_INT("stored", producer.stored, 3000);
    producer.count += 1000;
    js_DeleteStream(rig.js, "DATA", NULL, NULL);
    producer_turn(&producer, 1);
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_NO_STREAM);
    rig_make_stream(&rig, 120000);
    rig_wait_ready(&rig);
    CHECK_INT("generation", rig.facts.generation, 2);
    producer_run(&producer);
    CHECK_TRUE("some dropped", producer.dropped > 0);
    for (uint32_t i = 0; i < 3000; i++)
        producer.outcome[i] = SC_RECORD_TOO_LARGE; /* went with the old stream */
    check_stream(&rig, &list, 1);
    producer_done(&producer);
}

/* Made anew between two records, under the same name: the answer itself shows it. */
static void test_made_anew_unnoticed(void **state)
{
    struct producer producer;
    (void)state;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&producer, &rig, "a.b", 300, 100);
    producer_run(&producer);
    js_DeleteStream(rig.js, "DATA", NULL, NULL);
    rig_make_stream(&rig, 120000);
    producer.count += 100;
    producer_turn(&producer, 1);
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_STARTING);
    rig_wait_ready(&rig);
    CHECK_INT("generation", rig.facts.generation, 2);
    producer_run(&producer);
    CHECK_INT("nothing of it counted", producer.stored + producer.found, 300);
    CHECK_INT("dropped", producer.dropped, 100);
    producer_done(&producer);
}

static void run_program(const char *name, const char *a, const char *b, const char *c)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        execlp(name, name, a, b, c, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    CHECK_INT(name, status, 0);
}

/* The server comes back with the store of an earlier time, as after a power cut. `regrow`: others
 * have published meanwhile, so that only the message at the proof's place tells. */
static void lose_tail(bool regrow)
{
    struct producer producer, other;
    char store[128], copy[128];
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&producer, &rig, "a.b", 200, 100);
    producer_run(&producer);

    snprintf(store, sizeof store, "%s/store", rig.server.dir);
    snprintf(copy, sizeof copy, "%s/copy", rig.server.dir);
    natsd_kill(&rig.server);
    run_program("cp", "-a", store, copy);
    natsd_restart(&rig.server);
    rig_wait_ready(&rig);
    producer.count += 200;
    producer_run(&producer);
    CHECK_INT("known sequence", sc_publisher_known_seq(rig.p), 400);

    rig_fence(&rig, false); /* keeps the publisher away meanwhile */
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_BROKER_STALLED);
    natsd_kill(&rig.server);
    run_program("rm", "-r", store, "--");
    run_program("mv", copy, store, "--");
    natsd_restart(&rig.server);
    rig_reconnect(&rig);
    CHECK_INT("last sequence", rig_last_seq(&rig), 200);
    for (int i = 0; regrow && i < 300; i++)
        CHECK_INT("other", js_Publish(NULL, rig.js, RIG_SUBJECT, "x", 1, NULL, NULL), NATS_OK);
    rig_fence(&rig, true);
    rig_wait_ready(&rig);
    CHECK_INT("generation", rig.facts.generation, 2);
    CHECK_INT("known sequence", sc_publisher_known_seq(rig.p), regrow ? 500 : 200);
    producer_init(&other, &rig, "a.other", 50, 100);
    producer_run(&other);
    CHECK_INT("stored", other.stored, 50);
    producer_done(&producer);
    producer_done(&other);
}

static void test_tail_lost(void **state)
{
    (void)state;
    lose_tail(false);
}

static void test_tail_lost_and_grown_again(void **state)
{
    (void)state;
    lose_tail(true);
}

/* Consumed, purged or expired messages are no loss. */
static void test_purge_is_no_loss(void **state)
{
    struct producer producer;
    (void)state;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&producer, &rig, "a.b", 200, 100);
    producer_run(&producer);
    CHECK_INT("purge", js_PurgeStream(rig.js, "DATA", NULL, NULL), NATS_OK);
    relay_cut(&rig.relay);
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_BROKER_UNAVAILABLE);
    rig_wait_ready(&rig);
    CHECK_INT("generation", rig.facts.generation, 1);
    producer.count += 100;
    producer_run(&producer);
    CHECK_INT("stored", producer.stored, 300);
    producer_done(&producer);
}

/* The messages behind the floor are gone: what is not found is sent again, and that is said. */
static void test_floor_gone_is_said(void **state)
{
    struct producer before, producer;
    (void)state;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&before, &rig, "a.before", 10, 100);
    producer_run(&before);
    producer_init(&producer, &rig, "a.b", 20, 100);
    atomic_store(&rig.relay.mute, true);
    while (producer.made < producer.count)
        producer_turn(&producer, 1000);
    while (rig_last_seq(&rig) < 30)
        producer_turn(&producer, 1);
    CHECK_INT("purge", js_PurgeStream(rig.js, "DATA", NULL, NULL), NATS_OK);
    relay_cut(&rig.relay);
    atomic_store(&rig.relay.mute, false);
    producer_run(&producer);
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_BROKER_UNAVAILABLE);
    rig_wait_ready(&rig);
    CHECK_TRUE("said", strstr(rig.facts.text, "20 records were sent again") != NULL);
    CHECK_INT("generation", rig.facts.generation, 1);
    CHECK_INT("duplicates", producer.duplicates, 20); /* the window still knew them */
    producer_done(&before);
    producer_done(&producer);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(test_full_then_raised),          WITH_RIG(test_no_stream_until_created),
        WITH_RIG(test_stream_is_created),         WITH_RIG(test_deleted_and_made_anew),
        WITH_RIG(test_made_anew_unnoticed),       WITH_RIG(test_tail_lost),
        WITH_RIG(test_tail_lost_and_grown_again), WITH_RIG(test_purge_is_no_loss),
        WITH_RIG(test_floor_gone_is_said),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return failed;
}
