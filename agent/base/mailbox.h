/* Messages between threads. A message is the sender's until posted, the receiver's after. The receiver takes the whole
 * list under the lock and works unlocked. A mailbox is bounded: post() to a full or closed one fails and the message stays
 * the sender's, except for messages posted with sc_mailbox_return(), which are objects whose number is bounded elsewhere. */
#pragma once

#include <pthread.h>
#include <signal/types.h>

struct sc_mail {
    struct sc_mail *next;
    uint32_t kind;
};

struct sc_mailbox {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* CLOCK_MONOTONIC */
    struct sc_mail *head, **tail;
    uint32_t count, capacity; /* count: posted and not taken; what was returned does not count */
    bool closed, poked;
    void (*notify)(void *arg); /* called outside the lock after a post to an empty mailbox, a poke, a close; may be NULL */
    void *notify_arg;
};

int sc_mailbox_init(struct sc_mailbox *box, uint32_t capacity, void (*notify)(void *), void *arg);
void sc_mailbox_done(struct sc_mailbox *box); /* must be empty; senders are joined before */
bool sc_mailbox_post(struct sc_mailbox *box, struct sc_mail *mail);
void sc_mailbox_return(struct sc_mailbox *box, struct sc_mail *mail);
/* All messages in order of arrival, or NULL. Never blocks. */
struct sc_mail *sc_mailbox_take(struct sc_mailbox *box);
/* The same, waiting up to timeout_ms for the first message or a poke. */
struct sc_mail *sc_mailbox_wait(struct sc_mailbox *box, int64_t timeout_ms);
/* Ends a wait without a message: the one under way, else the next. Any thread. */
void sc_mailbox_poke(struct sc_mailbox *box);
void sc_mailbox_close(struct sc_mailbox *box); /* post fails from now on, return still works */
