/* The mailbox: its rules one by one, then many senders against one receiver (to be run under TSan
 * as well). */
#include "base/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

#include <sched.h>
#include <stdatomic.h>

static void count_up(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* The kinds of a list, as text. */
static const char *kinds(const struct sc_mail *list, char out[64])
{
    size_t len = 0;
    for (; list && len < 63; list = list->next)
        out[len++] = (char)list->kind;
    out[len] = '\0';
    return out;
}

static void test_mailbox_order(void **state)
{
    (void)state;
    struct sc_mailbox box;
    struct sc_mail a = {.kind = 'a'}, b = {.kind = 'b'}, c = {.kind = 'c'};
    char got[64];
    CHECK_INT("init", sc_mailbox_init(&box, 8, NULL, NULL), 0);
    CHECK_TEXT("empty", kinds(sc_mailbox_take(&box), got), "");
    sc_mailbox_post(&box, &a);
    sc_mailbox_return(&box, &b);
    sc_mailbox_post(&box, &c);
    CHECK_TEXT("all, in order", kinds(sc_mailbox_take(&box), got), "abc");
    CHECK_TEXT("taken", kinds(sc_mailbox_take(&box), got), "");
    sc_mailbox_post(&box, &b);
    CHECK_TEXT("again", kinds(sc_mailbox_wait(&box, 1000), got), "b");
    sc_mailbox_done(&box);
}

static void test_mailbox_bounds(void **state)
{
    (void)state;
    struct sc_mailbox box;
    struct sc_mail m[5] = {
        {.kind = 'a'}, {.kind = 'b'}, {.kind = 'c'}, {.kind = 'd'}, {.kind = 'e'}};
    char got[64];
    sc_mailbox_init(&box, 2, NULL, NULL);
    sc_mailbox_return(&box, &m[0]);
    CHECK_INT("what is returned does not count", sc_mailbox_post(&box, &m[1]), true);
    CHECK_INT("second", sc_mailbox_post(&box, &m[2]), true);
    CHECK_INT("full", sc_mailbox_post(&box, &m[3]), false);
    sc_mailbox_return(&box, &m[4]);
    CHECK_TEXT("the refused one is not in it", kinds(sc_mailbox_take(&box), got), "abce");
    CHECK_INT("room again", sc_mailbox_post(&box, &m[3]), true);
    sc_mailbox_close(&box);
    CHECK_INT("closed", sc_mailbox_post(&box, &m[1]), false);
    sc_mailbox_return(&box, &m[0]);
    CHECK_TEXT("return still works", kinds(sc_mailbox_take(&box), got), "da");
    sc_mailbox_done(&box);
    sc_mailbox_init(&box, 0, NULL, NULL);
    CHECK_INT("no capacity", sc_mailbox_post(&box, &m[0]), false);
    sc_mailbox_done(&box);
}

static void test_mailbox_notify(void **state)
{
    (void)state;
    struct sc_mailbox box;
    atomic_int calls = 0;
    struct sc_mail a = {0}, b = {0}, c = {0};
    sc_mailbox_init(&box, 2, count_up, &calls);
    sc_mailbox_post(&box, &a);
    CHECK_INT("into an empty one", calls, 1);
    sc_mailbox_post(&box, &b);
    CHECK_INT("not empty", calls, 1);
    sc_mailbox_post(&box, &c);
    CHECK_INT("refused", calls, 1);
    sc_mailbox_take(&box);
    sc_mailbox_return(&box, &a);
    CHECK_INT("empty again", calls, 2);
    sc_mailbox_poke(&box);
    CHECK_INT("a poke wakes a receiver that waits elsewhere", calls, 3);
    sc_mailbox_close(&box);
    CHECK_INT("so does closing", calls, 4);
    sc_mailbox_take(&box);
    sc_mailbox_done(&box);
}

static void test_mailbox_wait_ends(void **state)
{
    (void)state;
    struct sc_mailbox box;
    char got[64];
    sc_mailbox_init(&box, 2, NULL, NULL);
    CHECK_TEXT("time over", kinds(sc_mailbox_wait(&box, 1), got), "");
    CHECK_TEXT("no time", kinds(sc_mailbox_wait(&box, 0), got), "");
    CHECK_TEXT("less than none", kinds(sc_mailbox_wait(&box, -5), got), "");
    sc_mailbox_poke(&box);
    sc_mailbox_take(&box);
    CHECK_TEXT("a poke outlives a take", kinds(sc_mailbox_wait(&box, INT64_MAX), got), "");
    sc_mailbox_close(&box);
    CHECK_TEXT("closing ends a wait", kinds(sc_mailbox_wait(&box, INT64_MAX), got), "");
    CHECK_TEXT("once", kinds(sc_mailbox_wait(&box, 1), got), "");
    sc_mailbox_done(&box);
}

/* ---- threads ---- */

enum { SENDERS = 4, MAILS = 20000 };

struct numbered {
    struct sc_mail mail; /* kind: the sender */
    uint32_t number;
};

struct sender {
    struct sc_mailbox *box;
    struct numbered *mails;
    uint32_t id;
};

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (uint32_t i = 0; i < MAILS; i++) {
        s->mails[i] = (struct numbered){.mail.kind = s->id, .number = i};
        if (i % 7 == 0)
            sc_mailbox_return(s->box, &s->mails[i].mail);
        else
            while (!sc_mailbox_post(s->box, &s->mails[i].mail))
                sched_yield();
        if (i % 100 == 0)
            sc_mailbox_poke(s->box);
    }
    return NULL;
}

static void receive_all(struct sc_mailbox *box)
{
    uint32_t next[SENDERS] = {0}, total = 0;
    while (total < SENDERS * MAILS) {
        struct sc_mail *mail = total % 2 ? sc_mailbox_take(box) : sc_mailbox_wait(box, INT64_MAX);
        while (mail) {
            struct sc_mail *following = mail->next;
            uint32_t number = ((struct numbered *)mail)->number;
            CHECK_INT("each sender's in its order", number, next[mail->kind]);
            next[mail->kind]++;
            *(struct numbered *)mail = (struct numbered){0}; /* ours now */
            total++;
            mail = following;
        }
    }
}

static void test_mailbox_threads(void **state)
{
    (void)state;
    static struct numbered mails[SENDERS][MAILS];
    static struct sender senders[SENDERS];
    struct sc_mailbox box;
    atomic_int notified = 0;
    pthread_t threads[SENDERS];
    CHECK_INT("init", sc_mailbox_init(&box, 64, count_up, &notified), 0);
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&box, mails[i], i};
        CHECK_INT("thread", pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    receive_all(&box);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_TRUE("notified", notified > 0);
    CHECK_TRUE("nothing left", sc_mailbox_take(&box) == NULL);
    sc_mailbox_done(&box);
}

static void *poke_later(void *arg)
{
    sc_mailbox_poke(arg);
    return NULL;
}

static void test_mailbox_poke_from_elsewhere(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct sc_mailbox box;
        pthread_t thread;
        sc_mailbox_init(&box, 1, NULL, NULL);
        CHECK_INT("thread", pthread_create(&thread, NULL, poke_later, &box), 0);
        CHECK_TRUE("woken without mail", sc_mailbox_wait(&box, INT64_MAX) == NULL);
        pthread_join(thread, NULL);
        sc_mailbox_done(&box);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mailbox_order),   cmocka_unit_test(test_mailbox_bounds),
        cmocka_unit_test(test_mailbox_notify),  cmocka_unit_test(test_mailbox_wait_ends),
        cmocka_unit_test(test_mailbox_threads), cmocka_unit_test(test_mailbox_poke_from_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
