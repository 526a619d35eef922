/* The plain way: everything stored once, with its headers, and all batches back. */
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

static void test_publish_three_producers(void **state)
{
    static const char *const names[] = {"okta.system_log", "github.audit", "cisco.events"};
    struct producer producers[3], *list[3];
    (void)state;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    for (int i = 0; i < 3; i++) {
        list[i] = &producers[i];
        producer_init(list[i], &rig, names[i], i == 0 ? 6668 : 6666, i == 2 ? 3000 : 300);
        producer_start(list[i]);
    }
    for (int i = 0; i < 3; i++)
        producer_join(list[i]);
    check_stream(&rig, list, 3);
    CHECK_INT("messages", rig_last_seq(&rig), 20000);
    CHECK_INT("known sequence", sc_publisher_known_seq(rig.p), 20000);
    const struct sc_publisher_counts *counts = sc_publisher_counts(rig.p);
    CHECK_INT("handed over", counts->handed_over, 20000);
    CHECK_INT("stored", counts->stored, 20000);
    CHECK_INT("resent", counts->resent, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_INT("batches out", producers[i].batches_out, 0);
        CHECK_INT("dropped", producers[i].dropped, 0);
        producer_done(list[i]);
    }
}

static void test_publish_duplicates_are_stored(void **state)
{
    struct producer first, second, *list = &second;
    (void)state;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&first, &rig, "a.b", 700, 100);
    producer_run(&first);
    producer_init(&second, &rig, "a.b", 1000, 100);
    producer_run(&second);
    CHECK_INT("first time", first.duplicates, 0);
    CHECK_INT("second time", second.duplicates, 700);
    CHECK_INT("stored", second.stored, 1000);
    CHECK_INT("sequence of the first", second.seq[13], first.seq[13]);
    CHECK_INT("messages", rig_last_seq(&rig), 1000);
    check_stream(&rig, &list, 1);
    producer_done(&first);
    producer_done(&second);
}

static void test_publish_extra_headers(void **state)
{
    static const char extra[] = "ce-sckey\0eyJrIjoxfQ\0";
    struct producer producer, *list = &producer;
    (void)state;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&producer, &rig, "a.b", 500, 100);
    producer.extra = extra;
    producer.extra_len = sizeof extra;
    producer_run(&producer);
    check_stream(&rig, &list, 1);
    producer_done(&producer);
}

/* Larger than the server takes, and larger than the stream takes: never handed over, the others
 * unharmed. */
static void test_publish_too_large(void **state)
{
    static const char *const subject[] = {"edge-1.data.>"};
    struct producer small, large, *list[] = {&small, &large};
    jsStreamConfig config;
    (void)state;
    rig_stream_config(&config, subject);
    config.MaxMsgSize = 4000;
    js_AddStream(NULL, rig.js, &config, NULL, NULL);
    rig_run(&rig);
    rig_wait_ready(&rig);
    struct sc_broker_facts facts;
    sc_publisher_facts(rig.p, &facts);
    CHECK_INT("max_payload", facts.max_payload, 4000);
    producer_init(&small, &rig, "a.small", 300, 3000);
    producer_init(&large, &rig, "a.large", 3, 3900); /* too large by its headers */
    producer_start(&small);
    producer_run(&large);
    producer_join(&small);
    CHECK_INT("too large", large.too_large, 3);
    CHECK_INT("stored", small.stored, 300);
    CHECK_INT("handed over", sc_publisher_counts(rig.p)->handed_over, 300);
    check_stream(&rig, list, 2);
    producer_done(&small);
    producer_done(&large);
}

/* The stream's limit was lowered behind our back: the server refuses, the record is too large. */
static void test_publish_too_large_for_the_server(void **state)
{
    static const char *const subject[] = {"edge-1.data.>"};
    struct producer producer, *list = &producer;
    jsStreamConfig config;
    (void)state;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    rig_stream_config(&config, subject);
    config.MaxMsgSize = 2000;
    CHECK_INT("update", js_UpdateStream(NULL, rig.js, &config, NULL, NULL), NATS_OK);
    producer_init(&producer, &rig, "a.b", 5, 3000);
    producer_run(&producer);
    CHECK_INT("too large", producer.too_large, 5);
    check_stream(&rig, &list, 1);
    producer_done(&producer);
}

/* One record larger than a batch: a private buffer, one at a time. */
static void test_publish_large_batches(void **state)
{
    struct producer one, two, *list[] = {&one, &two};
    (void)state;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&one, &rig, "a.one", 10, 700000);
    producer_init(&two, &rig, "a.two", 10, 900000);
    producer_start(&one);
    producer_start(&two);
    producer_join(&one);
    producer_join(&two);
    CHECK_INT("stored", one.stored + two.stored, 20);
    check_stream(&rig, list, 2);
    producer_done(&one);
    producer_done(&two);
}

static void test_publish_window_of_one(void **state)
{
    struct producer producer, *list = &producer;
    (void)state;
    rig.config.window_messages = 1;
    rig.config.window_bytes = 1;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    CHECK_INT("batches at least", sc_publisher_batches(rig.p), 4);
    producer_init(&producer, &rig, "a.b", 300, 100);
    producer.per_batch = 1;
    producer_run(&producer);
    check_stream(&rig, &list, 1);
    producer_done(&producer);
}

/* Many ask for few batches: credits are under way all the time, and no mail is lost for that. */
static void test_publish_many_for_few_batches(void **state)
{
    static const char *const names[] = {"a.a", "a.b", "a.c", "a.d", "a.e", "a.f"};
    struct producer producers[6], *list[6];
    (void)state;
    rig.config.window_bytes = 1;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    for (int i = 0; i < 6; i++) {
        list[i] = &producers[i];
        producer_init(list[i], &rig, names[i], 2000, 100);
        producers[i].per_batch = 3;
        producer_start(list[i]);
    }
    for (int i = 0; i < 6; i++)
        producer_join(list[i]);
    check_stream(&rig, list, 6);
    for (int i = 0; i < 6; i++) {
        CHECK_INT("stored", producers[i].stored, 2000);
        producer_done(list[i]);
    }
}

/* Batches are counted: the pool's number and not one more; a credit comes once. */
static void test_batches_and_credit(void **state)
{
    struct home *home = rig_home(&rig);
    struct sc_batch *batches[64], *none;
    uint32_t n = 0;
    (void)state;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    while (n < 64 && (batches[n] = sc_publisher_batch(rig.p, &home->box, 100, &home->credit)))
        n++;
    CHECK_INT("batches", n, sc_publisher_batches(rig.p));
    CHECK_TRUE("waiting", home->credit.waiting);
    none = sc_publisher_batch(rig.p, &home->box, 100, &home->credit);
    CHECK_TRUE("still none", none == NULL);
    sc_publisher_batch_put(rig.p, batches[0]);
    struct sc_mail *mail = sc_mailbox_wait(&home->box, RIG_WAIT_MS);
    CHECK_TRUE("credit", mail == &home->credit.mail && !mail->next);
    CHECK_INT("kind", mail->kind, SC_MAIL_CREDIT);
    sc_publisher_batch_put(rig.p, batches[1]);
    mail = sc_mailbox_take(&home->box);
    CHECK_TRUE("not again while it is unread", mail == NULL);
    home->credit.waiting = false;
    batches[1] = sc_publisher_batch(rig.p, &home->box, 100, &home->credit);
    CHECK_TRUE("again", batches[1] != NULL);
    batches[0] = sc_publisher_batch(rig.p, &home->box, 100, &home->credit);
    CHECK_TRUE("again", batches[0] != NULL);
    /* an empty one comes straight back */
    sc_publisher_post(rig.p, batches[0]);
    mail = sc_mailbox_wait(&home->box, RIG_WAIT_MS);
    CHECK_TRUE("back", mail == &batches[0]->mail);
    CHECK_TRUE("not dropped", !batches[0]->dropped);
    /* stop while all are out: what is still posted comes back dropped, and all may still be put */
    struct sc_publisher *p = rig.p;
    rig_stop(&rig);
    sc_publisher_post(p, batches[0]);
    mail = sc_mailbox_wait(&home->box, RIG_WAIT_MS);
    CHECK_TRUE("back", mail == &batches[0]->mail);
    CHECK_TRUE("dropped", batches[0]->dropped);
    while (n)
        sc_publisher_batch_put(p, batches[--n]);
}

static void test_publish_workqueue(void **state)
{
    static const char *const subject[] = {"edge-1.data.>"};
    struct producer producer;
    jsStreamConfig config;
    (void)state;
    rig_stream_config(&config, subject);
    config.Retention = js_WorkQueuePolicy;
    js_AddStream(NULL, rig.js, &config, NULL, NULL);
    rig_run(&rig);
    rig_wait_ready(&rig);
    CHECK_INT("retention", rig.facts.retention, SC_RETENTION_WORKQUEUE);
    producer_init(&producer, &rig, "a.b", 1000, 100);
    producer_run(&producer);
    CHECK_INT("stored", producer.stored, 1000);
    CHECK_INT("messages", rig_last_seq(&rig), 1000);
    producer_done(&producer);
}

static void test_no_ack_is_refused(void **state)
{
    static const char *const subject[] = {"edge-1.data.>"};
    jsStreamConfig config;
    (void)state;
    rig_stream_config(&config, subject);
    config.NoAck = true;
    js_AddStream(NULL, rig.js, &config, NULL, NULL);
    rig_run(&rig);
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_STREAM_REFUSED);
    config.NoAck = false;
    CHECK_INT("update", js_UpdateStream(NULL, rig.js, &config, NULL, NULL), NATS_OK);
    rig_wait_ready(&rig);
}

/* What was posted before the stop is stored; nothing is lost on the way out. */
static void test_stop_waits(void **state)
{
    struct producer producer, *list = &producer;
    (void)state;
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    producer_init(&producer, &rig, "a.b", 2000, 500);
    while (producer.made < producer.count)
        producer_turn(&producer, 1000);
    struct sc_publisher *p = rig.p;
    rig_stop(&rig);
    rig.p = p; /* for the batches that are on their way back */
    producer_run(&producer);
    rig.p = NULL;
    CHECK_INT("stored", producer.stored, 2000);
    check_stream(&rig, &list, 1);
    producer_done(&producer);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(test_publish_three_producers),
        WITH_RIG(test_publish_duplicates_are_stored),
        WITH_RIG(test_publish_extra_headers),
        WITH_RIG(test_publish_too_large),
        WITH_RIG(test_publish_too_large_for_the_server),
        WITH_RIG(test_publish_large_batches),
        WITH_RIG(test_publish_window_of_one),
        WITH_RIG(test_publish_many_for_few_batches),
        WITH_RIG(test_batches_and_credit),
        WITH_RIG(test_publish_workqueue),
        WITH_RIG(test_no_ack_is_refused),
        WITH_RIG(test_stop_waits),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return failed;
}
