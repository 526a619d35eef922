/* What NATS tells of consumers, accounts and users, good and hostile. */
#include "nats/inspect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"

static void test_inspect_consumers(void **state)
{
    (void)state;
    static const char reply[] =
        "{\"total\":3,\"consumers\":["
        "{\"name\":\"exp\",\"config\":{\"durable_name\":\"exp\",\"ack_policy\":\"explicit\",\"max_ack_pending\":1000},"
        "\"delivered\":{\"consumer_seq\":4,\"stream_seq\":9,\"last_active\":\"2026-11-22T10:00:00.5Z\"},"
        "\"ack_floor\":{\"consumer_seq\":3,\"stream_seq\":8},\"num_ack_pending\":1,\"num_waiting\":2,\"num_pending\":7},"
        "{\"name\":\"p\",\"config\":{\"deliver_subject\":\"x\",\"ack_policy\":\"none\",\"filter_subject\":\"a.>\"},\"push_bound\":true},"
        "5]}";
    struct sc_consumers list;
    CHECK_INT("read", sc_consumers_parse(sc_str_of(reply), &list), 0);
    CHECK_INT("objects alone", list.count, 2);
    CHECK_INT("as the server counts", list.total, 3);
    const struct sc_consumer_info *c = list.at;
    CHECK_TEXT("name", c->name, "exp");
    CHECK_TRUE("pull", c->durable && c->acks && !c->push && !c->bound);
    CHECK_TRUE("figures", c->pending == 7 && c->ack_pending == 1 && c->waiting == 2 && c->delivered_seq == 9 && c->ack_floor_seq == 8 && c->max_ack_pending == 1000);
    CHECK_INT("last seen", c->active_ms % 60000, 500);
    c++;
    CHECK_TRUE("push", !c->durable && !c->acks && c->push && c->bound && c->active_ms == SC_TIME_NONE && c->max_ack_pending == -1);
    CHECK_TEXT("filter", c->filter, "a.>");

    static const char *const bad[] = {"", "[]", "7", "{\"consumers\":{}}", "{\"consumers\":\"x\"}", "{"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(bad[i], sc_consumers_parse(sc_str_of(bad[i]), &list), -1);
    static const char *const odd[] = {"{}", "{\"consumers\":null}", "{\"consumers\":[{}],\"total\":-1}", "{\"consumers\":[{\"num_pending\":-5,\"delivered\":7}]}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        CHECK_INT(odd[i], sc_consumers_parse(sc_str_of(odd[i]), &list), 0);
        CHECK_TRUE(odd[i], list.total == list.count && list.at[0].pending == 0);
    }
}

static void test_inspect_many(void **state)
{
    (void)state;
    struct sc_buf reply SC_AUTO_BUF = {0};
    struct sc_consumers list;
    sc_buf_add_str(&reply, "{\"consumers\":[{}");
    for (int i = 1; i < 5000; i++)
        sc_buf_add_str(&reply, ",{\"name\":\"n\"}");
    sc_buf_add_str(&reply, "],\"total\":5000}");
    CHECK_INT("read", sc_consumers_parse(sc_buf_str(&reply), &list), 0);
    CHECK_INT("no more than there is room for", list.count, SC_CONSUMERS_MAX);
    CHECK_INT("all counted", list.total, 5000);
}

static void test_inspect_account(void **state)
{
    (void)state;
    struct sc_account_info a;
    CHECK_INT("read", sc_account_parse(sc_str_of("{\"storage\":5,\"streams\":2,\"limits\":{\"max_storage\":10,\"max_memory\":-1}}"), &a), 0);
    CHECK_TRUE("figures", a.storage == 5 && a.streams == 2 && a.max_storage == 10 && a.max_memory == -1 && a.max_streams == -1);
    CHECK_INT("none", sc_account_parse(sc_str_of("[]"), &a), -1);
}

static void test_inspect_user(void **state)
{
    (void)state;
#define USER(rights) "{\"data\":{\"user\":\"u\",\"permissions\":" rights "}}"
    static const struct {
        const char *reply, *subject;
        int want;
    } rows[] = {
        {USER("{\"publish\":{\"allow\":[\"a.>\"],\"deny\":[\"a.b\"]}}"), "a.c", 1},
        {USER("{\"publish\":{\"allow\":[\"a.>\"],\"deny\":[\"a.b\"]}}"), "a.b", 0},
        {USER("{\"publish\":{\"allow\":[\"a.>\"]}}"), "b", 0},
        {USER("{\"publish\":{\"allow\":[]}}"), "b", 1},
        {USER("{\"publish\":{\"deny\":[\"$KV.>\"]}}"), "$KV.X.y", 0},
        {USER("{\"subscribe\":{\"allow\":[\"x\"]}}"), "b", 1},
        {USER("null"), "b", 1},
        {USER("{\"publish\":{\"allow\":[5,{}]}}"), "b", 0},
        {"{}", "b", -1},
        {"", "b", -1},
        {"{\"data\":[]}", "b", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(rows[i].reply, sc_user_may(sc_str_of(rows[i].reply), rows[i].subject, true), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_inspect_consumers), cmocka_unit_test(test_inspect_many), cmocka_unit_test(test_inspect_account),
                                       cmocka_unit_test(test_inspect_user)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
