/* Writes to the buckets: compare-and-set, and what stands there after a lost answer. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

static struct rig rig;
static struct home *home;
static struct sc_session
    *session; /* straight to the server, to look and to write like somebody else */
static struct sc_nats_config straight;

static void open_session(void)
{
    struct sc_error err = SC_ERROR_INIT;
    session = sc_session_open(&straight, "test", NULL, NULL, &err);
    CHECK_TEXT("session", err.text, "");
}

static int setup(void **state)
{
    struct sc_error err = SC_ERROR_INIT;
    (void)state;
    rig_open(&rig, NULL);
    straight = (struct sc_nats_config){.url = rig.server.url, .name = "test"};
    open_session();
    CHECK_INT(err.text, sc_kv_ensure(session, "CHECKPOINTS", 64, NULL, &err), 0);
    home = rig_home(&rig);
    rig_make_stream(&rig, 120000);
    rig_run(&rig);
    rig_wait_ready(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    session = sc_session_close(session);
    rig_close(&rig);
    return 0;
}

static struct sc_kv_write *make_write(const char *bucket, const char *key, const char *value,
                                      uint64_t expected)
{
    struct sc_kv_write *kv = calloc(1, sizeof *kv);
    struct sc_broker_facts facts;
    sc_publisher_facts(rig.p, &facts);
    kv->home = &home->box;
    kv->generation = facts.generation;
    kv->bucket = bucket;
    kv->key = sc_dup(key);
    if (value)
        sc_buf_add_str(&kv->value, value);
    kv->purge = !value;
    kv->expected_rev = expected;
    return kv;
}

static void free_write(struct sc_kv_write *kv)
{
    free(kv->key);
    sc_buf_done(&kv->value);
    sc_buf_done(&kv->current);
    free(kv);
}

static struct sc_kv_write *wait_write(void)
{
    struct sc_mail *mail = sc_mailbox_wait(&home->box, RIG_WAIT_MS);
    CHECK_TRUE("a write came back", mail && mail->kind == SC_MAIL_KV && !mail->next);
    return (struct sc_kv_write *)mail;
}

/* Writes and waits; the result, *ret_rev the new or the current revision. */
static enum sc_kv_result put(const char *key, const char *value, uint64_t expected,
                             uint64_t *ret_rev, char current[64])
{
    sc_publisher_kv(rig.p, make_write("CHECKPOINTS", key, value, expected));
    struct sc_kv_write *kv = wait_write();
    enum sc_kv_result result = kv->result;
    *ret_rev = result == SC_KV_OK ? kv->rev : kv->current_rev;
    snprintf(current, 64, "%s", kv->current.ptr ? kv->current.ptr : "");
    free_write(kv);
    return result;
}

static void check_key(const char *key, const char *want, uint64_t rev)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_kv_entry entry = {0};
    CHECK_INT(key, sc_kv_get(session, "CHECKPOINTS", key, &entry, &err), 0);
    CHECK_INT(key, entry.deleted, want == NULL);
    if (want)
        CHECK_BYTES(key, entry.value.ptr, entry.value.len, want, strlen(want));
    CHECK_INT(key, entry.rev, rev);
    sc_kv_entry_done(&entry);
}

static void test_kv_compare_and_set(void **state)
{
    uint64_t rev, other = 0;
    char current[64];
    struct sc_error err = SC_ERROR_INIT;
    (void)state;
    CHECK_INT("first", put("a.b", "one", SC_KV_REV_ABSENT, &rev, current), SC_KV_OK);
    CHECK_INT("second", put("a.b", "two", rev, &rev, current), SC_KV_OK);
    check_key("a.b", "two", rev);
    CHECK_INT("absent, but it is there", put("a.b", "three", SC_KV_REV_ABSENT, &other, current),
              SC_KV_CONFLICT);
    CHECK_TEXT("current", current, "two");
    CHECK_INT("current revision", other, rev);
    CHECK_INT("somebody else",
              sc_kv_put(session, "CHECKPOINTS", "a.b", "theirs", 6, rev, &other, &err), 0);
    CHECK_INT("stale", put("a.b", "three", rev, &rev, current), SC_KV_CONFLICT);
    CHECK_TEXT("current", current, "theirs");
    CHECK_INT("current revision", rev, other);
    check_key("a.b", "theirs", other);
    CHECK_INT("stale, but the same bytes", put("a.b", "theirs", 1, &rev, current), SC_KV_OK);
    CHECK_INT("revision", rev, other);
    CHECK_INT("writes", sc_publisher_counts(rig.p)->kv_writes, 3);
    CHECK_INT("conflicts", sc_publisher_counts(rig.p)->kv_conflicts, 2);
}

static void test_kv_any_revision_and_purge(void **state)
{
    uint64_t rev, last;
    char current[64];
    (void)state;
    CHECK_INT("absent", put("x", "one", SC_KV_REV_ANY, &rev, current), SC_KV_OK);
    CHECK_INT("there", put("x", "two", SC_KV_REV_ANY, &rev, current), SC_KV_OK);
    CHECK_INT("known", put("x", "three", rev, &rev, current), SC_KV_OK);
    CHECK_INT("purge", put("x", NULL, rev, &last, current), SC_KV_OK);
    CHECK_TRUE("grows", last > rev);
    check_key("x", NULL, last);
    CHECK_INT("over the marker", put("x", "four", SC_KV_REV_ANY, &rev, current), SC_KV_OK);
    check_key("x", "four", rev);
    CHECK_INT("purge of what changed", put("x", NULL, last, &last, current), SC_KV_CONFLICT);
    CHECK_TEXT("current", current, "four");
    CHECK_INT("empty value", put("x", "", rev, &rev, current), SC_KV_OK);
    check_key("x", "", rev);
}

/* Stored, the answer lost: it is ours, so it is done. */
static void test_kv_lost_ack(void **state)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_stream_info info = {0};
    (void)state;
    atomic_store(&rig.relay.mute, true);
    sc_publisher_kv(rig.p, make_write("CHECKPOINTS", "a", "mine", SC_KV_REV_ABSENT));
    while (info.last_seq < 1)
        CHECK_INT(err.text, sc_kv_info(session, "CHECKPOINTS", &info, &err), 0);
    relay_cut(&rig.relay);
    atomic_store(&rig.relay.mute, false);
    struct sc_kv_write *kv = wait_write();
    CHECK_INT("result", kv->result, SC_KV_OK);
    CHECK_INT("revision", kv->rev, 1);
    check_key("a", "mine", 1);
    free_write(kv);
}

/* Not stored, and meanwhile somebody else wrote; or nobody did. */
static void test_kv_lost_write(void **state)
{
    struct sc_error err = SC_ERROR_INIT;
    uint64_t rev;
    (void)state;
    for (int theirs = 0; theirs < 2; theirs++) {
        const char *key = theirs ? "a" : "b";
        uint64_t generation = rig.facts.generation;
        atomic_store(&rig.relay.deaf, true);
        sc_publisher_kv(rig.p, make_write("CHECKPOINTS", key, "mine", SC_KV_REV_ABSENT));
        sc_publisher_kv(rig.p, make_write("CHECKPOINTS", "z", "last", SC_KV_REV_ANY));
        if (theirs)
            CHECK_INT(err.text, sc_kv_put(session, "CHECKPOINTS", key, "theirs", 6, 0, &rev, &err),
                      0);
        relay_cut(&rig.relay);
        atomic_store(&rig.relay.deaf, false);
        int results[2] = {-1, -1};
        for (int n = 0; n < 2;) {
            struct sc_mail *mail = sc_mailbox_wait(&home->box, RIG_WAIT_MS);
            CHECK_TRUE("came back", mail != NULL);
            for (struct sc_mail *next; mail; mail = next, n++) {
                struct sc_kv_write *kv = (struct sc_kv_write *)mail;
                next = mail->next;
                results[kv->key[0] == 'z'] = kv->result;
                free_write(kv);
            }
        }
        CHECK_INT("result", results[0], theirs ? SC_KV_CONFLICT : SC_KV_OK);
        CHECK_INT("the other key", results[1], SC_KV_OK);
        CHECK_INT("generation", rig.facts.generation, generation);
    }
    check_key("a", "theirs", rev);
}

/* A chain of writes through kills of the server: each stands there once, in order, none is a
 * conflict. */
static void test_kv_chain_through_kills(void **state)
{
    struct sc_error err = SC_ERROR_INIT;
    uint64_t rev = SC_KV_REV_ABSENT;
    uint64_t last_rev = 0;
    int n = 0;
    (void)state;
    for (int kills = 0; kills < 5; kills++) {
        for (int i = 0; i < 200; i++, n++) {
            char value[32];
            snprintf(value, sizeof value, "value %d", n);
            sc_publisher_kv(rig.p, make_write("CHECKPOINTS", "chain", value, rev));
            if (i == 100)
                natsd_kill(&rig.server);
            if (i == 100)
                natsd_restart(&rig.server);
            struct sc_kv_write *kv = wait_write();
            CHECK_INT(value, kv->result, SC_KV_OK);
            CHECK_TRUE("revisions grow", kv->rev > last_rev);
            rev = last_rev = kv->rev;
            free_write(kv);
        }
    }
    sc_session_close(session);
    open_session();
    struct sc_stream_info info = {0};
    CHECK_INT(err.text, sc_kv_info(session, "CHECKPOINTS", &info, &err), 0);
    CHECK_INT("written once each", info.last_seq, 1000);
    check_key("chain", "value 999", rev);
}

static void test_kv_missing_bucket(void **state)
{
    struct sc_error err = SC_ERROR_INIT;
    (void)state;
    sc_publisher_kv(rig.p, make_write("SEEN", "a", "one", SC_KV_REV_ABSENT));
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_NO_STREAM);
    CHECK_TEXT("text", rig.facts.text, "bucket SEEN is missing");
    CHECK_INT(err.text, sc_kv_ensure(session, "SEEN", 1, NULL, &err), 0);
    rig_wait_ready(&rig);
    struct sc_kv_write *kv = wait_write();
    CHECK_INT("result", kv->result, SC_KV_OK);
    free_write(kv);
    sc_publisher_kv(rig.p, make_write("MISSING", "a", "one", SC_KV_REV_ANY));
    rig_wait(&rig, SC_BROKER_DOWN, SC_REASON_NO_STREAM);
    rig_lease(&rig, false, 1); /* a write that waits goes back with its generation */
    kv = wait_write();
    CHECK_INT("result", kv->result, SC_KV_DROPPED);
    free_write(kv);
    kv = make_write("CHECKPOINTS", "a", "one", SC_KV_REV_ANY);
    kv->generation = 1;
    sc_publisher_kv(rig.p, kv);
    kv = wait_write();
    CHECK_INT("of the old generation", kv->result, SC_KV_DROPPED);
    free_write(kv);
}

/* Checkpoints beside many records. */
static void test_kv_beside_records(void **state)
{
    struct producer producer, *list = &producer;
    uint64_t rev = SC_KV_REV_ABSENT;
    char current[64];
    (void)state;
    producer_init(&producer, &rig, "a.b", 20000, 300);
    producer_start(&producer);
    for (int i = 0; i < 300; i++)
        CHECK_INT("put", put("a", i % 2 ? "odd" : "even", rev, &rev, current), SC_KV_OK);
    producer_join(&producer);
    CHECK_INT("stored", producer.stored, 20000);
    check_stream(&rig, &list, 1);
    producer_done(&producer);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(test_kv_compare_and_set),
        WITH_RIG(test_kv_any_revision_and_purge),
        WITH_RIG(test_kv_lost_ack),
        WITH_RIG(test_kv_lost_write),
        WITH_RIG(test_kv_chain_through_kills),
        WITH_RIG(test_kv_missing_bucket),
        WITH_RIG(test_kv_beside_records),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return failed;
}
