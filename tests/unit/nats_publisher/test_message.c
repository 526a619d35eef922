/* publisher_message: which headers a record gets. What the server receives is looked at in the
 * integration tests. */
#include "nats/publisher_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

#define NONE UINT32_MAX

/* bytes: body, message id, CE id, time, extras */
static const char bytes[] = "body\0"                                          /* 0 */
                            "in.type.1\0"                                     /* 5 */
                            "1\0"                                             /* 15 */
                            "2026-01-02\0"                                    /* 17 */
                            "ce-sckey\0a b\0ce-empty\0 \0ce-two\0x\ry\nz\0\0" /* 28 */
                            "";

static const struct {
    const char *why;
    struct sc_stamp stamp;
    uint32_t time_at, extra_at;
    const char *want;
} rows[] = {
    {"all",
     {"src", "type", "application/json"},
     17,   28,
     "Nats-Msg-Id: in.type.1\r\nce-id: 1\r\nce-time: 2026-01-02\r\nce-sckey: a b\r\nce-two: x y "
     "z\r\n"
     "ce-source: src\r\nce-type: type\r\nce-datacontenttype: application/json\r\n"
     "content-type: application/json\r\n"                                       },
    {"only what must be",
     {"src", "type", NULL},
     NONE, NONE,
     "Nats-Msg-Id: in.type.1\r\nce-id: 1\r\nce-source: src\r\nce-type: type\r\n"},
    {"blank values are left out: they make the others unreadable",
     {"", " \t", "text/plain"},
     NONE, NONE,
     "Nats-Msg-Id: in.type.1\r\nce-id: 1\r\nce-datacontenttype: text/plain\r\n"
     "content-type: text/plain\r\n"                                             },
};

static struct sc_batch *make_batch(const struct sc_stamp *stamp, uint32_t time_at,
                                   uint32_t extra_at)
{
    struct sc_batch *batch = calloc(1, sizeof *batch);
    assert_non_null(batch);
    batch->bytes = malloc(sizeof bytes);
    assert_non_null(batch->bytes);
    memcpy(batch->bytes, bytes, sizeof bytes);
    batch->stamp = stamp;
    batch->count = 1;
    batch->records[0] = (struct sc_record){
        .body_len = 4, .msg_id_at = 5, .ce_id_at = 15, .ce_time_at = time_at, .extra_at = extra_at};
    return batch;
}

static void free_batch(struct sc_batch *batch)
{
    free(batch->bytes);
    free(batch);
}

static void test_compose_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_wire wire = {0};
        struct sc_batch *batch = make_batch(&rows[i].stamp, rows[i].time_at, rows[i].extra_at);
        int64_t len = sc_wire_compose(&wire, batch, &batch->records[0]);
        CHECK_TEXT(rows[i].why, wire.lines.ptr, rows[i].want);
        /* "NATS/1.0\r\n", the lines, "ce-specversion: 1.0\r\n", "\r\n" */
        CHECK_INT(rows[i].why, len, 10 + strlen(rows[i].want) + 21 + 2);
        sc_wire_done(&wire);
        free_batch(batch);
    }
}

static const char *header_of(natsMsg *msg, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(msg, name, &value) == NATS_OK ? value : NULL;
}

static void test_message_one_by_one(void **state)
{
    struct sc_wire wire = {0};
    struct sc_batch *batch = make_batch(&rows[0].stamp, 17, 28);
    natsMsg *msg = NULL;
    (void)state;
    for (int again = 0; again < 2; again++) { /* composing leaves nothing behind in the buffer */
        sc_wire_compose(&wire, batch, &batch->records[0]);
        CHECK_INT("made", sc_wire_message(&wire, "a.b", "reply", "body", 4, &msg), NATS_OK);
        CHECK_TEXT("id", header_of(msg, "Nats-Msg-Id"), "in.type.1");
        CHECK_TEXT("spec", header_of(msg, "ce-specversion"), "1.0");
        CHECK_TEXT("two", header_of(msg, "ce-two"), "x y z");
        CHECK_TEXT("type", header_of(msg, "content-type"), "application/json");
        CHECK_TEXT("empty", header_of(msg, "ce-empty"), NULL);
        CHECK_TEXT("lines", wire.lines.ptr, rows[0].want);
        CHECK_BYTES("body", natsMsg_GetData(msg), natsMsg_GetDataLength(msg), "body", 4);
        natsMsg_Destroy(msg);
    }
    sc_wire_done(&wire);
    free_batch(batch);
}

/* A batch that comes again with another stamp has another one's headers once the wire was told. */
static void test_compose_stamp_changes(void **state)
{
    struct sc_wire wire = {0};
    struct sc_batch *batch = make_batch(&rows[0].stamp, NONE, NONE);
    (void)state;
    sc_wire_compose(&wire, batch, &batch->records[0]);
    batch->stamp = &rows[1].stamp;
    sc_wire_forget(&wire, batch);
    sc_wire_compose(&wire, batch, &batch->records[0]);
    CHECK_TEXT("second stamp", wire.lines.ptr, rows[1].want);
    sc_wire_done(&wire);
    free_batch(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compose_lines),
        cmocka_unit_test(test_message_one_by_one),
        cmocka_unit_test(test_compose_stamp_changes),
    };
    nats_Open(-1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return failed;
}
