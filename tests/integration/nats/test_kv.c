/* Buckets: compare-and-set, markers, and that other clients find nothing to object to. */
#include "fixture.h"

#include <stdio.h>

static struct natsd server;
static struct sc_session *session;
static struct sc_error err;

static int setup(void **state)
{
    (void)state;
    natsd_start(&server, NULL);
    session = fx_open(&server);
    err = (struct sc_error)SC_ERROR_INIT;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    session = sc_session_close(session);
    natsd_stop(&server);
    return 0;
}

static void test_kv_compare_and_set(void **state)
{
    (void)state;
    struct sc_kv_entry entry = {0};
    uint64_t rev = 0, other = 0;
    assert_int_equal(sc_kv_get(session, "B", "k", &entry, &err), -1);
    assert_int_equal(err.reason, SC_REASON_NO_STREAM);
    sc_error_clear(&err);
    assert_int_equal(sc_kv_put(session, "B", "k", "v", 1, 0, &rev, &err), -1);
    assert_int_equal(err.reason, SC_REASON_NO_STREAM);
    sc_error_clear(&err);

    assert_int_equal(sc_kv_ensure(session, "B", 5, NULL, &err), 0);
    assert_int_equal(sc_kv_get(session, "B", "k", &entry, &err), 1);
    assert_int_equal(sc_kv_put(session, "B", "k", "one", 3, SC_KV_REV_ABSENT, &rev, &err), 0);
    assert_int_equal(sc_kv_put(session, "B", "k", "two", 3, SC_KV_REV_ABSENT, &other, &err), 1);
    assert_int_equal(sc_kv_put(session, "B", "k", "two", 3, rev + 1, &other, &err), 1);
    assert_int_equal(err.reason, SC_REASON_OK); /* a conflict is no error */
    assert_int_equal(sc_kv_get(session, "B", "k", &entry, &err), 0);
    assert_int_equal(entry.rev, rev);
    assert_string_equal(entry.value.ptr, "one");
    assert_false(entry.deleted);
    assert_int_equal(sc_kv_put(session, "B", "k", "two", 3, rev, &rev, &err), 0);
    assert_int_equal(sc_kv_put(session, "B", "other", "x", 1, 0, &other, &err), 0);

    assert_int_equal(sc_kv_delete(session, "B", "k", rev - 1, &err), 1);
    assert_int_equal(sc_kv_delete(session, "B", "k", rev, &err), 0);
    assert_int_equal(sc_kv_get(session, "B", "k", &entry, &err), 0);
    assert_true(entry.deleted);
    assert_int_equal(entry.value.len, 0);
    assert_int_equal(sc_kv_put(session, "B", "k", "three", 5, 0, &rev, &err), 1);
    assert_int_equal(sc_kv_put(session, "B", "k", "three", 5, entry.rev, &rev, &err), 0);
    assert_int_equal(sc_kv_put(session, "B", "k", "", 0, rev, &rev, &err),
                     0); /* empty is a value */
    assert_int_equal(sc_kv_get(session, "B", "k", &entry, &err), 0);
    assert_false(entry.deleted);
    assert_int_equal(entry.value.len, 0);
    fx_foreign_put(session, "B", "k", "", "PURGE");
    assert_int_equal(sc_kv_get(session, "B", "k", &entry, &err), 0);
    assert_true(entry.deleted);

    assert_int_equal(sc_kv_put(session, "B", "a b", "x", 1, 0, &rev, &err), -1);
    assert_int_equal(err.reason, SC_REASON_CONFIG_INVALID);
    sc_kv_entry_done(&entry);
}

static void test_kv_other_clients(void **state)
{
    (void)state;
    jsCtx *js = NULL;
    kvStore *kv = NULL;
    kvEntry *entry = NULL;
    kvConfig config;
    char created[64];
    uint64_t rev = 0;
    assert_int_equal(sc_kv_info(session, "B", &(struct sc_stream_info){0}, &err), 1);
    assert_int_equal(sc_kv_ensure(session, "B", 5, created, &err), 0);
    assert_true(strlen(created) >= 20);
    char again[64];
    assert_int_equal(sc_kv_ensure(session, "B", 1, again, &err), 0);
    assert_string_equal(created, again);

    assert_int_equal(natsConnection_JetStream(&js, sc_session_conn(session), NULL), NATS_OK);
    kvConfig_Init(&config);
    config.Bucket = "B";
    config.History = 5;
    /* refuses when anything is set differently from what it would make itself */
    assert_int_equal(js_CreateKeyValue(&kv, js, &config), NATS_OK);
    assert_int_equal(kvStore_PutString(&rev, kv, "theirs", "v"), NATS_OK);
    assert_int_equal(sc_kv_put(session, "B", "ours", "w", 1, 0, &rev, &err), 0);
    assert_int_equal(kvStore_Get(&entry, kv, "ours"), NATS_OK);
    assert_string_equal(kvEntry_ValueString(entry), "w");
    kvEntry_Destroy(entry);
    struct sc_kv_entry mine = {0};
    assert_int_equal(sc_kv_get(session, "B", "theirs", &mine, &err), 0);
    assert_string_equal(mine.value.ptr, "v");
    assert_int_equal(kvStore_Delete(kv, "theirs"), NATS_OK);
    assert_int_equal(sc_kv_get(session, "B", "theirs", &mine, &err), 0);
    assert_true(mine.deleted);
    assert_int_equal(sc_kv_delete(session, "B", "ours", rev, &err), 0);
    assert_int_equal(kvStore_Get(&entry, kv, "ours"), NATS_NOT_FOUND);
    sc_kv_entry_done(&mine);
    kvStore_Destroy(kv);
    jsCtx_Destroy(js);

    /* a bucket of somebody else, set otherwise, is used as it is */
    fx_api(session, "STREAM.CREATE.KV_C",
           "{\"name\":\"KV_C\",\"subjects\":[\"$KV.C.>\"],\"max_msgs_per_subject\":1,\"storage\":"
           "\"memory\"}");
    assert_int_equal(sc_kv_ensure(session, "C", 5, NULL, &err), 0);
}

struct all {
    int count, stop_at;
    char last_key[64];
    uint64_t sum;
};

static int on_key(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    struct all *all = arg;
    all->count++;
    all->sum += rev;
    snprintf(all->last_key, sizeof all->last_key, "%s=%.*s", key, (int)value.len, value.ptr);
    return all->count == all->stop_at;
}

static void test_kv_each(void **state)
{
    (void)state;
    struct all all = {0};
    assert_int_equal(sc_kv_each(session, "B", on_key, &all, &err), -1);
    assert_int_equal(err.reason, SC_REASON_NO_STREAM);
    sc_error_clear(&err);
    assert_int_equal(sc_kv_ensure(session, "B", 3, NULL, &err), 0);
    assert_int_equal(sc_kv_each(session, "B", on_key, &all, &err), 0);
    assert_int_equal(all.count, 0);
    for (int i = 0; i < 200; i++) {
        char key[32], value[32];
        snprintf(key, sizeof key, "key.%d", i);
        snprintf(value, sizeof value, "v%d", i);
        fx_put(session, "B", key, "old");
        fx_put(session, "B", key, value);
    }
    fx_foreign_put(session, "B", "key.7", "", "DEL");
    fx_foreign_put(session, "B", "key.8", "", "PURGE");
    assert_int_equal(sc_kv_each(session, "B", on_key, &all, &err), 0);
    assert_int_equal(all.count, 198);
    assert_string_equal(all.last_key, "key.199=v199");
    all = (struct all){.stop_at = 5};
    assert_int_equal(sc_kv_each(session, "B", on_key, &all, &err), 0);
    assert_int_equal(all.count, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kv_compare_and_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kv_other_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kv_each, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
