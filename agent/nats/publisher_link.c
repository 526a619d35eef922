/* Threads: sc_link_* on the publisher's thread; on_reply and on_complete on one thread of the
 * library. The ring has one writer and one reader and needs no lock; the lock guards only `box`
 * against a poke after the publisher has let go. The library says when the callback will not come
 * again, so the last of the two sides frees the link. */
#include "nats/publisher_link.h"

#include "nats/internal.h"

#include <stdlib.h>

struct sc_link {
    natsSubscription *sub;
    _Atomic uint32_t refs;
    pthread_mutex_t lock;
    struct sc_mailbox *box;
    struct sc_ack *ring;
    uint32_t mask;
    _Atomic uint32_t head;    /* written by the library's thread */
    _Atomic uint32_t tail;    /* written by the publisher's */
    _Atomic uint32_t wake_at; /* 0: awake */
    _Atomic bool overrun;
    size_t prefix_len; /* "_INBOX.<unique>." */
    char reply[SC_LINK_REPLY_MAX];
};

static void unref(struct sc_link *link)
{
    if (atomic_fetch_sub_explicit(&link->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct sc_ack ack;
    while (sc_link_take(link, &ack))
        free(ack.text);
    pthread_mutex_destroy(&link->lock);
    free(link->ring);
    free(link);
}

static void poke(struct sc_link *link)
{
    pthread_mutex_lock(&link->lock);
    if (link->box)
        sc_mailbox_poke(link->box);
    pthread_mutex_unlock(&link->lock);
}

static void push(struct sc_link *link, const struct sc_ack *ack)
{
    uint32_t head = atomic_load_explicit(&link->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&link->tail, memory_order_acquire);
    if (head - tail > link->mask) {
        free(ack->text);
        atomic_store(&link->overrun, true);
        poke(link);
        return;
    }
    link->ring[head & link->mask] = *ack;
    atomic_store(&link->head, head + 1);
    /* Sequentially consistent on both sides: either this load sees the sleeper or the sleeper sees
     * the new head. */
    uint32_t wake_at = atomic_load(&link->wake_at);
    if (wake_at != 0 && head + 1 - tail >= wake_at && atomic_exchange(&link->wake_at, 0) != 0)
        poke(link);
}

static void on_reply(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *arg)
{
    struct sc_link *link = arg;
    struct sc_ack ack = {0};
    struct sc_str subject = sc_str_of(natsMsg_GetSubject(msg)), text = {0};
    (void)conn;
    (void)sub;

    if (subject.len > link->prefix_len &&
        sc_ack_token_read(
            (struct sc_str){subject.ptr + link->prefix_len, subject.len - link->prefix_len},
            &ack.slot, &ack.nonce)) {
        int len = natsMsg_GetDataLength(msg);
        if (len == 0 && natsMsg_IsNoResponders(msg)) {
            ack.kind = SC_ACK_NO_RESPONDERS;
        } else {
            sc_ack_parse((struct sc_str){natsMsg_GetData(msg), (size_t)len}, &ack, &text);
            if (text.len > 0)
                ack.text = strndup(text.ptr, text.len);
        }
        push(link, &ack);
    }
    natsMsg_Destroy(msg);
}

static void on_complete(void *arg)
{
    unref(arg);
}

static struct sc_link *make(uint32_t window, struct sc_mailbox *box)
{
    /* One use of each slot at a time; room for late answers to earlier uses. */
    uint32_t cap = 64;
    while (cap < 4 * window)
        cap *= 2;
    struct sc_link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->ring = calloc(cap, sizeof *link->ring);
    if (!link->ring) {
        free(link);
        return NULL;
    }
    pthread_mutex_init(&link->lock, NULL);
    link->box = box;
    link->mask = cap - 1;
    atomic_init(&link->refs, 1);
    return link;
}

static natsStatus subscribe(struct sc_link *link, natsConnection *conn)
{
    natsInbox *inbox = NULL;
    natsStatus s = natsInbox_Create(&inbox);
    if (s != NATS_OK)
        return s;
    size_t len = strlen(inbox);
    if (len + 1 + SC_ACK_TOKEN_LEN + 1 > sizeof link->reply) {
        natsInbox_Destroy(inbox);
        return NATS_INVALID_ARG;
    }
    memcpy(link->reply, inbox, len);
    memcpy(link->reply + len, ".*", 3);
    natsInbox_Destroy(inbox);
    link->prefix_len = len + 1;
    s = natsConnection_Subscribe(&link->sub, conn, link->reply, on_reply, link);
    if (s != NATS_OK)
        return s;
    atomic_fetch_add(&link->refs, 1); /* the library's side */
    s = natsSubscription_SetOnCompleteCB(link->sub, on_complete, link);
    if (s != NATS_OK)
        atomic_fetch_sub(&link->refs,
                         1); /* already closed; nothing has been asked yet, so no callback runs */
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(link->sub, -1, -1);
    return s;
}

struct sc_link *sc_link_open(struct sc_session *session, uint32_t window, struct sc_mailbox *box,
                             struct sc_error *err)
{
    struct sc_link *link = make(window, box);
    if (!link) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for the acknowledgements' ring");
        return NULL;
    }
    natsStatus s = subscribe(link, sc_session_conn(session));
    if (s != NATS_OK) {
        sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "cannot subscribe to the acknowledgements: %s",
                natsStatus_GetText(s));
        return sc_link_close(link, session);
    }
    return link;
}

void sc_link_detach(struct sc_link *link)
{
    pthread_mutex_lock(&link->lock);
    link->box = NULL;
    pthread_mutex_unlock(&link->lock);
}

struct sc_link *sc_link_close(struct sc_link *link, struct sc_session *session)
{
    if (!link)
        return NULL;
    sc_link_detach(link);
    sc_session_drop(session, link->sub); /* freeing it here could crash the library */
    unref(link);
    return NULL;
}

const char *sc_link_reply(struct sc_link *link, uint32_t slot, uint32_t nonce)
{
    sc_ack_token_write(link->reply + link->prefix_len, slot, nonce);
    link->reply[link->prefix_len + SC_ACK_TOKEN_LEN] = '\0';
    return link->reply;
}

bool sc_link_take(struct sc_link *link, struct sc_ack *ret)
{
    uint32_t tail = atomic_load_explicit(&link->tail, memory_order_relaxed);
    if (tail == atomic_load_explicit(&link->head, memory_order_acquire))
        return false;
    *ret = link->ring[tail & link->mask];
    atomic_store_explicit(&link->tail, tail + 1, memory_order_release);
    return true;
}

bool sc_link_sleep(struct sc_link *link, uint32_t wake_at)
{
    atomic_store(&link->wake_at, wake_at);
    if (atomic_load(&link->head) - atomic_load(&link->tail) < wake_at &&
        !atomic_load(&link->overrun))
        return true;
    sc_link_awake(link);
    return false;
}

void sc_link_awake(struct sc_link *link)
{
    atomic_store(&link->wake_at, 0);
}

bool sc_link_overrun(const struct sc_link *link)
{
    return atomic_load(&link->overrun);
}
