/* Messages between threads: an intrusive list under one mutex, detached whole by its one receiver.
 * Posting and taking never allocate. `count` is what counts against the capacity: what was posted,
 * not what was returned. The mailbox outlives its senders: they are joined before
 * sc_mailbox_done(). */
#include "base/mailbox.h"

#include <assert.h>
#include <time.h>

/* So that "for ever" (INT64_MAX) plus now does not overflow. */
#define LONGEST_WAIT_MS ((int64_t)365 * 24 * 3600 * 1000)

int sc_mailbox_init(struct sc_mailbox *box, uint32_t capacity, void (*notify)(void *), void *arg)
{
    *box = (struct sc_mailbox){.capacity = capacity, .notify = notify, .notify_arg = arg};
    box->tail = &box->head;
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return -1;
    int rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (rc == 0)
        rc = pthread_cond_init(&box->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (rc != 0)
        return -1;
    if (pthread_mutex_init(&box->lock, NULL) == 0)
        return 0;
    pthread_cond_destroy(&box->wake);
    return -1;
}

void sc_mailbox_done(struct sc_mailbox *box)
{
    assert(!box->head);
    pthread_cond_destroy(&box->wake);
    pthread_mutex_destroy(&box->lock);
}

/* Under the lock. True when the mailbox was empty. */
static bool append(struct sc_mailbox *box, struct sc_mail *mail)
{
    bool was_empty = !box->head;
    mail->next = NULL;
    *box->tail = mail;
    box->tail = &mail->next;
    pthread_cond_signal(&box->wake);
    return was_empty;
}

static void notify(struct sc_mailbox *box)
{
    if (box->notify)
        box->notify(box->notify_arg);
}

bool sc_mailbox_post(struct sc_mailbox *box, struct sc_mail *mail)
{
    pthread_mutex_lock(&box->lock);
    bool taken = !box->closed && box->count < box->capacity;
    bool was_empty = false;
    if (taken) {
        was_empty = append(box, mail);
        box->count++;
    }
    pthread_mutex_unlock(&box->lock);
    if (was_empty)
        notify(box);
    return taken;
}

void sc_mailbox_return(struct sc_mailbox *box, struct sc_mail *mail)
{
    pthread_mutex_lock(&box->lock);
    bool was_empty = append(box, mail);
    pthread_mutex_unlock(&box->lock);
    if (was_empty)
        notify(box);
}

/* Under the lock. */
static struct sc_mail *detach(struct sc_mailbox *box)
{
    struct sc_mail *list = box->head;
    box->head = NULL;
    box->tail = &box->head;
    box->count = 0;
    return list;
}

struct sc_mail *sc_mailbox_take(struct sc_mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    struct sc_mail *list = detach(box);
    pthread_mutex_unlock(&box->lock);
    return list;
}

static struct timespec deadline_after(int64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(ms / 1000);
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

struct sc_mail *sc_mailbox_wait(struct sc_mailbox *box, int64_t timeout_ms)
{
    int64_t ms = timeout_ms < 0 ? 0 : timeout_ms < LONGEST_WAIT_MS ? timeout_ms : LONGEST_WAIT_MS;
    struct timespec deadline = deadline_after(ms);
    pthread_mutex_lock(&box->lock);
    int rc = 0;
    while (!box->head && !box->poked && rc == 0)
        rc = pthread_cond_timedwait(&box->wake, &box->lock, &deadline);
    struct sc_mail *list = detach(box);
    box->poked =
        false; /* only here: a poke that meets an awake receiver must still end its next wait */
    pthread_mutex_unlock(&box->lock);
    return list;
}

static void poke(struct sc_mailbox *box, bool close)
{
    pthread_mutex_lock(&box->lock);
    box->poked = true;
    box->closed |= close;
    pthread_cond_signal(&box->wake);
    pthread_mutex_unlock(&box->lock);
    notify(box);
}

void sc_mailbox_poke(struct sc_mailbox *box)
{
    poke(box, false);
}

void sc_mailbox_close(struct sc_mailbox *box)
{
    poke(box, true);
}
