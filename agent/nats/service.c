/* on_message and on_complete run on a thread of the library, the rest on the service's own. The library says when the callback will not come again,
 * so the last of the two sides frees the inbox. */
#include "nats/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "nats/internal.h"
#include "nats/worker.h"

#include <stdlib.h>

#define IDLE_MS       1000
#define STOP_GRACE_MS 400
#define STOP_LIMIT_MS 500
#define FLUSH_MS      300

/* What the library may keep until on_message has had it; by itself it would keep 64 MiB. */
#define PENDING_MESSAGES 1024
#define PENDING_BYTES    (4 * 1024 * 1024)

struct request {
    struct request *next;
    char *reply;
    struct sc_str body;
    char bytes[];
};

struct inbox { /* one subscription */
    _Atomic uint32_t refs;
    pthread_mutex_t lock;
    struct request *head, **tail;
    uint32_t count;
    size_t max_body;
    struct sc_worker *worker; /* to be woken; NULL: nobody */
};

struct sc_service {
    struct sc_worker worker;
    struct sc_service_config config;
    char *subject;
    natsSubscription *sub;
    struct inbox *inbox;
    bool told; /* of the present trouble */
};

/* ---- the subscription ------------------------------------------------------------------------------------------------------------------- */

static void unref(struct inbox *inbox)
{
    if (atomic_fetch_sub_explicit(&inbox->refs, 1, memory_order_acq_rel) != 1)
        return;
    while (inbox->head) {
        struct request *next = inbox->head->next;
        free(inbox->head->reply);
        free(inbox->head);
        inbox->head = next;
    }
    pthread_mutex_destroy(&inbox->lock);
    free(inbox);
}

static struct request *copy_of(const natsMsg *msg, size_t max_body)
{
    int len = natsMsg_GetDataLength(msg);
    bool fits = len >= 0 && (size_t)len <= max_body;
    const char *reply = natsMsg_GetReply(msg);
    struct request *r = malloc(sizeof *r + (fits ? (size_t)len : 0));
    if (!r)
        return NULL;
    *r = (struct request){.reply = sc_dup(reply ? reply : "")};
    if (fits && len)
        memcpy(r->bytes, natsMsg_GetData(msg), (size_t)len);
    r->body = fits ? (struct sc_str){r->bytes, (size_t)len} : (struct sc_str){0};
    if (r->reply)
        return r;
    free(r);
    return NULL;
}

static void on_message(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *arg)
{
    struct inbox *inbox = arg;
    struct request *r = copy_of(msg, inbox->max_body);
    (void)conn, (void)sub;
    natsMsg_Destroy(msg);
    pthread_mutex_lock(&inbox->lock);
    bool taken = r && inbox->worker && inbox->count < SC_SERVICE_WAITING;
    if (taken) {
        *inbox->tail = r;
        inbox->tail = &r->next;
        inbox->count++;
        sc_worker_poke(inbox->worker);
    }
    pthread_mutex_unlock(&inbox->lock);
    if (taken || !r)
        return;
    free(r->reply);
    free(r);
}

static void on_complete(void *arg)
{
    unref(arg);
}

static struct inbox *inbox_new(struct sc_service *service)
{
    struct inbox *inbox = calloc(1, sizeof *inbox);
    if (!inbox)
        return NULL;
    pthread_mutex_init(&inbox->lock, NULL);
    atomic_init(&inbox->refs, 1);
    inbox->tail = &inbox->head;
    inbox->max_body = service->config.max_body;
    inbox->worker = &service->worker;
    return inbox;
}

static int subscribe(struct sc_service *service, struct sc_error *err)
{
    natsConnection *conn = sc_session_conn(service->worker.session);
    struct inbox *inbox = inbox_new(service);
    if (!inbox)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
    service->inbox = inbox;
    natsStatus s = natsConnection_Subscribe(&service->sub, conn, service->subject, on_message, inbox);
    if (s == NATS_OK) {
        atomic_fetch_add(&inbox->refs, 1); /* the library's side */
        s = natsSubscription_SetOnCompleteCB(service->sub, on_complete, inbox);
        if (s != NATS_OK)
            atomic_fetch_sub(&inbox->refs, 1);
    }
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(service->sub, PENDING_MESSAGES, PENDING_BYTES);
    if (s == NATS_OK)
        s = natsConnection_FlushTimeout(conn, sc_session_timeout_ms(service->worker.session));
    return s == NATS_OK ? 0 : sc_session_fail(service->worker.session, s, service->subject, err);
}

static void unsubscribe(struct sc_service *service)
{
    struct inbox *inbox = service->inbox;
    if (inbox) {
        pthread_mutex_lock(&inbox->lock);
        inbox->worker = NULL;
        pthread_mutex_unlock(&inbox->lock);
    }
    if (service->sub)
        sc_session_drop(service->worker.session, service->sub);
    service->sub = NULL;
    if (inbox)
        unref(inbox);
    service->inbox = NULL;
}

static struct request *take_request(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    struct request *r = inbox->head;
    if (r) {
        inbox->head = r->next;
        if (!inbox->head)
            inbox->tail = &inbox->head;
        inbox->count--;
    }
    pthread_mutex_unlock(&inbox->lock);
    return r;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-_=", c));
}

bool sc_service_is_inbox(const char *reply)
{
    static const char own[] = "_INBOX", routed[] = "_R_"; /* a custom prefix of a user begins like the usual one; the other is the server's, between accounts */
    size_t first = strcspn(reply, "."), parts = 0;
    if (strncmp(reply, own, sizeof own - 1) != 0 && !(first == sizeof routed - 1 && strncmp(reply, routed, first) == 0))
        return false;
    for (const char *at = reply;; at++) {
        size_t len = 0;
        while (is_name(at[len]))
            len++;
        at += len;
        parts++;
        if (!len || (*at && *at != '.'))
            return false;
        if (!*at)
            return parts > 1;
    }
}

/* An answer is written with the agent's rights: whoever may ask must not choose where to. */
static bool is_refused(const struct sc_service *service, const char *reply)
{
    if (!*reply || sc_service_is_inbox(reply))
        return false;
    const struct sc_log_cx cx = {.component = service->config.role};
    struct sc_buf field SC_AUTO_BUF = {0}; /* not in the text: many of them are still one line, and counted */
    sc_buf_addf(&field, "reply_subject=%.100s", reply);
    SC_LOG(SC_WARN, &cx, sc_buf_str(&field).ptr,
           "a request on %s was refused: its reply subject is no inbox (_INBOX...), and what is answered there could be taken for something else",
           service->subject);
    return true;
}

/* No more than may wait, so that those who flood us keep nobody from being looked after. */
static void hand_over(struct sc_service *service)
{
    struct request *r;
    unsigned n = 0;
    for (; n < SC_SERVICE_WAITING && service->inbox && !sc_worker_stopping(&service->worker) && (r = take_request(service->inbox)); n++) {
        if (!is_refused(service, r->reply))
            service->config.request(service->config.arg, service, r->body, r->reply);
        free(r->reply);
        free(r);
    }
    if (n == SC_SERVICE_WAITING)
        sc_worker_poke(&service->worker);
}

/* ---- the thread --------------------------------------------------------------------------------------------------------------------------- */

static void disconnect(struct sc_service *service)
{
    if (service->worker.session)
        unsubscribe(service);
    sc_worker_disconnect(&service->worker);
}

/* Listening, or on the way to it. */
static void keep_listening(struct sc_service *service)
{
    struct sc_worker *worker = &service->worker;
    struct sc_error err = SC_ERROR_INIT;
    bool wanted = service->config.wanted(service->config.arg);
    if (worker->session && (!wanted || !sc_worker_connected(worker)))
        disconnect(service);
    if (!wanted || worker->session)
        return;
    int rc = sc_worker_connect(worker, service->config.role, worker->config->request_timeout_ms, &err);
    if (rc == 0)
        rc = subscribe(service, &err);
    if (sc_worker_stopping(worker))
        return;
    if (rc == 0) {
        sc_worker_went_well(worker);
        service->told = false;
        return;
    }
    disconnect(service);
    if (!service->told) /* NATS being away is told by others already */
        SC_SAY(SC_DEBUG, service->config.role, "nobody can ask on %s now: %s", service->subject, err.text);
    service->told = true;
    sc_worker_back_off(worker, IDLE_MS);
}

static void run(void *arg)
{
    struct sc_service *service = arg;
    struct sc_worker *worker = &service->worker;
    while (!sc_worker_stopping(worker)) {
        keep_listening(service);
        if (sc_worker_stopping(worker))
            break;
        hand_over(service);
        int64_t next = service->config.turn(service->config.arg, service), idle = sc_mono_ms() + IDLE_MS;
        sc_worker_wait(worker, next < idle ? next : idle);
    }
    if (sc_worker_connected(worker)) { /* else it may have been left alone while it connected, and its owner is gone */
        service->config.turn(service->config.arg, service);
        natsConnection_FlushTimeout(sc_session_conn(worker->session), FLUSH_MS);
    }
    disconnect(service);
}

static void free_service(void *arg)
{
    struct sc_service *service = arg;
    sc_worker_done(&service->worker);
    free(service->subject);
    free(service);
}

struct sc_service *sc_service_start(const struct sc_service_config *config, struct sc_error *err)
{
    struct sc_service *service = calloc(1, sizeof *service);
    if (!service || !(service->subject = sc_dup(config->subject))) {
        free(service);
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
        return NULL;
    }
    service->config = *config;
    if (sc_worker_start(&service->worker, config->nats, run, free_service, service, err)) {
        free_service(service);
        return NULL;
    }
    return service;
}

struct sc_service *sc_service_stop(struct sc_service *service)
{
    if (!service)
        return NULL;
    sc_worker_end(&service->worker, STOP_GRACE_MS, STOP_LIMIT_MS);
    sc_worker_leave(&service->worker);
    return NULL;
}

void sc_service_poke(struct sc_service *service)
{
    sc_worker_poke(&service->worker);
}

bool sc_service_stopping(struct sc_service *service)
{
    return sc_worker_stopping(&service->worker);
}

int sc_service_send(struct sc_service *service, const char *reply, struct sc_str text)
{
    if (!*reply || !sc_worker_connected(&service->worker))
        return -1;
    return natsConnection_Publish(sc_session_conn(service->worker.session), reply, text.ptr, (int)text.len) == NATS_OK ? 0 : -1;
}
