/* From look to look: who reads the stream, what is deleted unread, when is it full. The clock is the reports'. */
#include "self/unread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"

#define LOOK_MS 60000
#define BEGIN   1795345200000 /* 2026-11-22T11:00:00Z */
#define OURS    "local.data.artifacts.raw"

struct scene {
    struct sc_unread unread;
    struct sc_look_report report;
    struct sc_unread_verdict verdict;
};

static void begin(struct scene *s)
{
    *s = (struct scene){0};
    s->report.found = s->report.consumers_known = true;
    s->report.real_ms = BEGIN;
    s->report.mono_ms = 5000;
    snprintf(s->report.stream.name, sizeof s->report.stream.name, "DATA");
    snprintf(s->report.stream.created, sizeof s->report.stream.created, "2026-11-22T10:00:00Z");
    s->report.stream.max_bytes = s->report.stream.max_msgs = -1;
    s->report.stream.first_seq = 1;
}

static struct sc_consumer_info *add(struct scene *s, const char *name)
{
    struct sc_consumer_info *c = &s->report.consumers.at[s->report.consumers.count++];
    s->report.consumers.total = s->report.consumers.count;
    *c = (struct sc_consumer_info){.durable = true, .acks = true, .max_ack_pending = 1000, .active_ms = SC_TIME_NONE};
    snprintf(c->name, sizeof c->name, "%s", name);
    return c;
}

/* So many messages of 1 KiB more, and a look a minute later. */
static void look(struct scene *s, uint64_t more)
{
    s->report.stream.messages += more;
    s->report.stream.last_seq += more;
    s->report.stream.bytes += 1024 * more;
    s->report.mono_ms += LOOK_MS;
    s->report.real_ms += LOOK_MS;
    sc_unread_look(&s->unread, &s->report, OURS, &s->verdict);
}

static void test_unread_nobody(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    look(&s, 0);
    for (int i = 0; i < 9; i++)
        look(&s, 0);
    CHECK_INT("an empty stream is nobody's business", s.verdict.unread, false);
    for (int i = 0; i < 4; i++)
        look(&s, 60);
    CHECK_INT("four looks are not enough", s.verdict.unread, false);
    look(&s, 60);
    CHECK_INT("five are", s.verdict.unread, true);
    CHECK_TEXT("text", s.verdict.unread_text, "nobody reads stream DATA: it has no consumer and 300 messages; 0.4 records/s come in");
    snprintf(s.report.copies, sizeof s.report.copies, "COPY");
    look(&s, 60);
    CHECK_INT("another stream copies it", s.verdict.unread, false);
    s.report.copies[0] = '\0';
    s.report.consumers_known = false;
    for (int i = 0; i < 9; i++)
        look(&s, 60);
    CHECK_INT("what may not be seen is not judged", s.verdict.unread, false);
}

static void test_unread_idle(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    s.report.stream.max_bytes = 100 * 1024 * 1024;
    struct sc_consumer_info *c = add(&s, "exp");
    for (int i = 0; i < 6; i++) {
        c->pending += 600;
        look(&s, 600);
        CHECK_INT("patience", s.verdict.unread, i == 5);
    }
    CHECK_TEXT("text", s.verdict.unread_text,
               "3600 artifacts unread, consumer exp idle since 2026-11-22T11:01:00.000Z; 10.0 records/s come in, at this rate DATA is full in about 2 h 45 min");
    c->delivered_seq = 100;
    c->ack_floor_seq = 100;
    look(&s, 600);
    CHECK_INT("it reads again", s.verdict.unread, false);
    c->pending = 0;
    for (int i = 0; i < 9; i++)
        look(&s, 0);
    CHECK_INT("nothing waits", s.verdict.unread, false);
}

/* A job that comes every twenty minutes is not idle after five. */
static void test_unread_habit(void **state)
{
    (void)state;
    struct scene s;
    unsigned told = 0;
    begin(&s);
    struct sc_consumer_info *c = add(&s, "nightly");
    for (int i = 1; i <= 200; i++) {
        c->pending += 10;
        if (i % 20 == 0) {
            c->delivered_seq = c->ack_floor_seq = s.report.stream.last_seq;
            c->pending = 10;
        }
        look(&s, 10);
        told += i > 60 && s.verdict.unread;
    }
    CHECK_INT("its pauses are known after three of them", told, 0);
    for (int i = 1; i <= 70; i++) {
        c->pending += 10;
        look(&s, 10);
    }
    CHECK_INT("three times as long is idle", s.verdict.unread, true);
}

static void test_unread_taken(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    struct sc_consumer_info *c = add(&s, "exp");
    c->ack_pending = 1000;
    c->pending = 50;
    c->waiting = 1;
    for (int i = 0; i < 7; i++)
        look(&s, 0);
    CHECK_TEXT("text", s.verdict.unread_text,
               "consumer exp has taken 1000 artifacts and acknowledges none since 2026-11-22T11:01:00.000Z, 50 wait behind them; 0.0 records/s come in");
}

static void test_unread_deleted(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    struct sc_consumer_info *c = add(&s, "exp");
    c->pending = 10;
    c->ack_floor_seq = 5;
    s.report.stream.first_seq = 31;
    look(&s, 40);
    CHECK_INT("at once", s.verdict.unread, true);
    CHECK_TEXT("text", s.verdict.unread_text, "DATA deletes what consumer exp has not read: 25 artifacts are gone");
    c->ack_floor_seq = 30;
    look(&s, 0);
    CHECK_INT("read on", s.verdict.unread, false);
    c->ack_floor_seq = 5;
    c->pending = 0;
    look(&s, 0);
    CHECK_INT("nothing waits for it: what went was not for it", s.verdict.unread, false);
    c->pending = 3;
    snprintf(c->filter, sizeof c->filter, "local.other");
    look(&s, 0);
    CHECK_INT("not of our subject", s.verdict.unread, false);
    c->filter[0] = '\0';
    c->durable = c->acks = false;
    look(&s, 0);
    CHECK_INT("who only looks on keeps no place", s.verdict.unread, false);
}

static void test_unread_filling(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    s.report.stream.discard_new = true;
    s.report.stream.max_bytes = 1024 * 1000;
    look(&s, 800);
    CHECK_INT("80 %", s.verdict.filling, false);
    look(&s, 100);
    CHECK_INT("90 %", s.verdict.filling, true);
    CHECK_TEXT("text", s.verdict.filling_text,
               "stream DATA holds 0.9 of 1.0 MiB: when it is full it refuses, and polling pauses; 1.7 records/s come in, at this rate DATA is full in about 2 min");
    s.report.stream.discard_new = false;
    look(&s, 0);
    CHECK_INT("one that discards old refuses nothing", s.verdict.filling, false);
    s.report.account_known = true;
    s.report.account = (struct sc_account_info){.storage = 95, .max_storage = 100};
    look(&s, 0);
    CHECK_INT("the account", s.verdict.filling, true);
    snprintf(s.report.stream.created, sizeof s.report.stream.created, "2026-11-22T12:00:00Z");
    s.report.account_known = false;
    look(&s, 0);
    CHECK_TRUE("another stream: its rate is not known yet", s.verdict.records_per_s < 0);
    s.report.found = false;
    look(&s, 0);
    CHECK_INT("no stream", s.verdict.unread || s.verdict.filling, false);
}

/* Consumers that come and go do not fill the table for good. */
static void test_unread_many(void **state)
{
    (void)state;
    struct scene s;
    char name[32];
    begin(&s);
    for (int i = 0; i < 1000; i++) {
        s.report.consumers.count = 0;
        snprintf(name, sizeof name, "short-%d", i);
        add(&s, name)->pending = 1;
        look(&s, 1);
    }
    s.report.consumers.count = 0;
    struct sc_consumer_info *c = add(&s, "stays");
    c->pending = 1;
    for (int i = 0; i < 7; i++)
        look(&s, 1);
    CHECK_INT("seen all the same", s.verdict.unread, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unread_nobody), cmocka_unit_test(test_unread_idle),    cmocka_unit_test(test_unread_habit), cmocka_unit_test(test_unread_taken),
        cmocka_unit_test(test_unread_deleted), cmocka_unit_test(test_unread_filling), cmocka_unit_test(test_unread_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
