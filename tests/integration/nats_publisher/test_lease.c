/* Lease and fence: who does not hold the lease sends nothing. */
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
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* The fence may be seen before the news. */
static void wait_lost(void)
{
    do
        rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_LEASE_HELD);
    while (rig.facts.generation == 1);
}

static void test_lost_while_in_flight(void **state)
{
    struct producer producer, after, *list[] = {&producer, &after};
    const struct sc_publisher_counts *counts = sc_publisher_counts(rig.p);
    (void)state;
    producer_init(&producer, &rig, "a.b", 100000, 400);
    producer_start(&producer);
    rig_wait_handed(&rig, 3000);
    rig_lease(&rig, false, 1);
    wait_lost();
    uint64_t handed = atomic_load(&counts->handed_over), last = rig_last_seq(&rig);
    CHECK_INT("generation", rig.facts.generation, 2);
    CHECK_TEXT("text", rig.facts.text, "held by edge-2");
    CHECK_TRUE("not more stored than sent", last <= handed);
    struct home *home = rig_home(&rig);
    for (int i = 0; i < 200; i++) {
        CHECK_TRUE("no batch", sc_publisher_batch(rig.p, &home->box, 100, &home->credit) == NULL);
        sc_mailbox_wait(&home->box, 1);
    }
    CHECK_INT("nothing is sent after", atomic_load(&counts->handed_over), handed);

    rig_lease(&rig, true, 2);
    rig_wait_ready(&rig);
    CHECK_INT("epoch", rig.facts.epoch, 2);
    producer_join(&producer); /* goes on with what it had not made yet */
    CHECK_TRUE("dropped", producer.dropped > 0);
    producer_init(&after, &rig, "a.after", 1000, 100);
    producer_run(&after);
    CHECK_INT("stored after", after.stored, 1000);
    check_stream(&rig, list, 2);
    struct sc_mail *mail = sc_mailbox_take(&home->box);
    CHECK_TRUE("credit", mail == &home->credit.mail);
    producer_done(&producer);
    producer_done(&after);
}

/* A batch of the old generation that is posted later comes back as well. */
static void test_old_batch_comes_back(void **state)
{
    struct home *home = rig_home(&rig);
    (void)state;
    struct sc_batch *batch = sc_publisher_batch(rig.p, &home->box, 100, &home->credit);
    CHECK_TRUE("batch", batch != NULL);
    memcpy(batch->bytes, "x\0id", 5);
    batch->count = 1;
    batch->records[0] = (struct sc_record){.body_len = 1,
                                           .msg_id_at = 2,
                                           .ce_id_at = 2,
                                           .ce_time_at = UINT32_MAX,
                                           .extra_at = UINT32_MAX};
    rig_lease(&rig, true, 2); /* taken anew */
    rig_wait_ready(&rig);
    CHECK_INT("generation", rig.facts.generation, 2);
    sc_publisher_post(rig.p, batch);
    struct sc_mail *mail = sc_mailbox_wait(&home->box, RIG_WAIT_MS);
    CHECK_TRUE("back", mail == &batch->mail);
    CHECK_TRUE("dropped", batch->dropped);
    CHECK_INT("nothing stored", rig_last_seq(&rig), 0);
    sc_publisher_batch_put(rig.p, batch);
}

/* Not renewed in time, then renewed under the same epoch: nobody else had it, so nothing is
 * dropped. */
static void test_fence_closes_and_opens(void **state)
{
    struct producer producer, *list = &producer;
    const struct sc_publisher_counts *counts = sc_publisher_counts(rig.p);
    (void)state;
    producer_init(&producer, &rig, "a.b", 5000, 400);
    atomic_store(&producer.until_told, true);
    producer_start(&producer);
    for (int i = 0; i < 3; i++) {
        rig_wait_handed(&rig, atomic_load(&counts->handed_over) + 2000);
        rig_fence(&rig, false);
        rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_BROKER_STALLED);
        uint64_t handed = atomic_load(&counts->handed_over);
        rig_last_seq(&rig);
        CHECK_INT("nothing is sent", atomic_load(&counts->handed_over), handed);
        rig_fence(&rig, true);
        rig_wait_ready(&rig);
        CHECK_INT("generation", rig.facts.generation, 1);
    }
    atomic_store(&producer.enough, true);
    producer_join(&producer);
    CHECK_INT("dropped", producer.dropped, 0);
    check_stream(&rig, &list, 1);
    CHECK_INT("messages", rig_last_seq(&rig), producer.made);
    producer_done(&producer);
}

/* Closed, and then really lost. */
static void test_fence_closes_and_lease_is_lost(void **state)
{
    struct producer producer;
    (void)state;
    atomic_store(&rig.relay.mute, true);
    producer_init(&producer, &rig, "a.b", 300, 400);
    while (producer.made < producer.count)
        producer_turn(&producer, 1000);
    rig_wait_handed(&rig, 300);
    rig_fence(&rig, false);
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_BROKER_STALLED);
    CHECK_INT("generation", rig.facts.generation, 1);
    atomic_store(&rig.relay.mute, false);
    rig_lease(&rig, false, 1);
    wait_lost();
    producer_run(&producer);
    CHECK_INT("dropped", producer.dropped, 300);
    producer_done(&producer);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(test_lost_while_in_flight),
        WITH_RIG(test_old_batch_comes_back),
        WITH_RIG(test_fence_closes_and_opens),
        WITH_RIG(test_fence_closes_and_lease_is_lost),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return failed;
}
