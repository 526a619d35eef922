/* The watch of a bucket. See watch.h.
 *
 * Pass: look which bucket it is (its creation time), make a consumer that delivers the last message
 * of every key and then whatever comes, and take the first part as a full picture. When the picture
 * is complete and the bucket is still the same one, keys that were not in it are gone (each is
 * asked for once more: a picture believed too early would stop an integration). After that the
 * consumer tells changes as they happen. The periodic compare is the next pass: with a new consumer
 * there is one order of events, never two.
 *
 * A bucket made anew: every key told before becomes an orphan, is never told as deleted because it
 * is absent, and is compared by its bytes when it comes again. */
#include "nats/watch.h"
#include "base/clock.h"
#include "base/log.h"
#include "nats/internal.h"
#include "nats/watch_table.h"
#include "nats/worker.h"

#include <stdio.h>
#include <stdlib.h>

#define HEARTBEAT_MS     5000
#define STOP_GRACE_MS    350
#define STOP_LIMIT_MS    700
#define MISSING_EVERY_MS 1000
#define HISTORY          5   /* of a bucket that we make */
#define WAIT_MS          200 /* a stop is noticed within */

struct sc_watch {
    struct sc_worker worker;
    struct sc_watch_config config;
    char *bucket, stream[256];
    char *subject;
    size_t prefix; /* length of "$KV.<bucket>." */
    uint32_t timeout_ms;
    int64_t compare_ms;

    /* the thread's */
    struct sc_watch_table table;
    struct sc_consumer consumer;
    struct sc_buf headers;
    char created[64]; /* of the bucket that was told; empty: none yet */
    uint32_t pass;
    bool comparing; /* a picture is taken of what was followed before: news in it had not arrived */
    unsigned late;
    enum sc_watch_event trouble; /* told last: DOWN, MISSING, LOST; SYNCED: none */
    char detail[400];
};

/* ---- telling ------------------------------------------------------------------------------ */

static void tell(struct sc_watch *watch, enum sc_watch_event event, const char *key,
                 struct sc_str value, uint64_t rev, int64_t saved_ms)
{
    if (!sc_worker_stopping(&watch->worker))
        watch->config.event(watch->config.arg, event, key, value, rev, saved_ms);
}

/* Once, until something else is the matter. */
static void tell_trouble(struct sc_watch *watch, enum sc_watch_event event, const char *detail)
{
    if (watch->trouble == event && strcmp(watch->detail, detail) == 0)
        return;
    watch->trouble = event;
    snprintf(watch->detail, sizeof watch->detail, "%s", detail);
    tell(watch, event, NULL, sc_str_of(watch->detail), 0, 0);
}

static void tell_synced(struct sc_watch *watch)
{
    watch->trouble = SC_WATCH_SYNCED;
    watch->detail[0] = '\0';
    tell(watch, SC_WATCH_SYNCED, NULL, (struct sc_str){0}, 0, 0);
}

static int take_put(struct sc_watch *watch, const char *key, uint64_t rev, int64_t saved_ms,
                    struct sc_str value, struct sc_error *err)
{
    enum sc_watch_change change = sc_watch_table_put(&watch->table, key, rev, value, watch->pass);
    if (change == SC_WATCH_NO_MEMORY)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: watch of %s: out of memory",
                       watch->bucket);
    if (change == SC_WATCH_CHANGED)
        tell(watch, SC_WATCH_PUT, key, value, rev, saved_ms);
    watch->late += change == SC_WATCH_CHANGED && watch->comparing;
    return 0;
}

static void take_deleted(struct sc_watch *watch, const char *key, uint64_t rev)
{
    if (!sc_watch_table_find(&watch->table, key))
        return;
    tell(watch, SC_WATCH_DELETED, key, (struct sc_str){0}, rev, 0);
    sc_watch_table_remove(&watch->table, key);
}

static int take_delivery(struct sc_watch *watch, const struct sc_delivery *delivery,
                         struct sc_error *err)
{
    const char *subject = natsMsg_GetSubject(delivery->msg);
    if (strlen(subject) <= watch->prefix)
        return 0;
    const char *key = subject + watch->prefix;
    if (sc_delivery_headers(&watch->consumer, delivery, &watch->headers, err))
        return -1;
    if (sc_kv_marker(sc_buf_str(&watch->headers))) {
        take_deleted(watch, key, delivery->at.stream_seq);
        return 0;
    }
    struct sc_str value = {natsMsg_GetData(delivery->msg),
                           (size_t)natsMsg_GetDataLength(delivery->msg)};
    return take_put(watch, key, delivery->at.stream_seq, delivery->at.time_ms, value, err);
}

/* ---- a pass ------------------------------------------------------------------------------- */

enum step {
    STEP_GOOD,
    STEP_AGAIN, /* the consumer or the bucket is no longer what it was */
    STEP_MISSING
};

/* -1 + err, or a step. */
static int find_bucket(struct sc_watch *watch, struct sc_stream_info *ret, struct sc_error *err)
{
    struct sc_session *session = watch->worker.session;
    int rc = sc_kv_info(session, watch->bucket, ret, err);
    if (rc == 1 && watch->config.create) {
        if (sc_kv_ensure(session, watch->bucket, HISTORY, NULL, err))
            return -1;
        rc = sc_kv_info(session, watch->bucket, ret, err);
    }
    if (rc < 0)
        return -1;
    return rc == 1 ? STEP_MISSING : STEP_GOOD;
}

static void tell_missing(struct sc_watch *watch)
{
    char detail[400];
    if (watch->created[0])
        snprintf(detail, sizeof detail,
                 "bucket %s was deleted; what it held last stays in use until it is made again",
                 watch->bucket);
    else
        snprintf(detail, sizeof detail, "bucket %s does not exist; waiting for it", watch->bucket);
    tell_trouble(watch, watch->created[0] ? SC_WATCH_LOST : SC_WATCH_MISSING, detail);
}

/* Another bucket of the same name: nothing of the old one is in it until it is seen there. */
static void enter_bucket(struct sc_watch *watch, const struct sc_stream_info *info)
{
    if (strcmp(watch->created, info->created) == 0)
        return;
    memcpy(watch->created, info->created, sizeof watch->created);
    for (size_t i = 0; i < watch->table.count; i++)
        watch->table.keys[i].orphan = true;
}

static int picture(struct sc_watch *watch, struct sc_error *err)
{
    struct sc_consumer *consumer = &watch->consumer;
    for (bool end = consumer->initial == 0; !end;) {
        struct sc_delivery delivery;
        int got = sc_consumer_next(consumer, WAIT_MS, &delivery, err);
        if (got < 0 || sc_worker_stopping(&watch->worker))
            return -1;
        if (got == SC_CONSUMER_HOLE)
            return STEP_AGAIN;
        end = got == SC_CONSUMER_DRAINED;
        if (got != SC_CONSUMER_MESSAGE)
            continue;
        int rc = take_delivery(watch, &delivery, err);
        end = delivery.at.pending == 0 || delivery.at.consumer_seq >= consumer->initial;
        natsMsg_Destroy(delivery.msg);
        if (rc)
            return -1;
    }
    return STEP_GOOD;
}

/* A key that was not in the picture. */
static int ask_again(struct sc_watch *watch, const char *key, struct sc_error *err)
{
    struct sc_kv_entry entry = {0};
    int rc = sc_kv_get(watch->worker.session, watch->bucket, key, &entry, err);
    if (rc == 1 || (rc == 0 && entry.deleted)) {
        take_deleted(watch, key, rc == 0 ? entry.rev : 0);
        rc = 0;
    } else if (rc == 0) {
        int64_t saved_ms = sc_time_parse_rfc3339(sc_str_of(entry.created));
        rc = take_put(watch, key, entry.rev, saved_ms == SC_TIME_NONE ? 0 : saved_ms,
                      sc_buf_str(&entry.value), err);
    }
    sc_kv_entry_done(&entry);
    return rc;
}

/* Backwards, since a key that is gone leaves the table. */
static int take_absent(struct sc_watch *watch, struct sc_error *err)
{
    for (size_t i = watch->table.count; i-- > 0;) {
        const struct sc_watch_key *known = &watch->table.keys[i];
        if (known->pass == watch->pass || known->orphan)
            continue;
        SC_AUTO_FREE char *key = sc_dup(known->key);
        if (!key)
            return sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
        if (ask_again(watch, key, err))
            return -1;
    }
    return 0;
}

/* The picture is complete; with LOST right after it as long as keys of a former bucket are missing.
 */
static void tell_picture(struct sc_watch *watch)
{
    size_t count = 0;
    const char *first = NULL;
    for (size_t i = 0; i < watch->table.count; i++) {
        if (!watch->table.keys[i].orphan)
            continue;
        first = first ? first : watch->table.keys[i].key;
        count++;
    }
    tell_synced(watch);
    if (count == 0)
        return;
    char detail[400];
    snprintf(detail, sizeof detail,
             "bucket %s was made anew without %zu of the keys in use (%.100s%s); their last values "
             "stay in use; put them again, or put and delete them",
             watch->bucket, count, first, count > 1 ? ", …" : "");
    tell_trouble(watch, SC_WATCH_LOST, detail);
}

/* The full picture. -1 + err, or a step. */
static int compare(struct sc_watch *watch, struct sc_error *err)
{
    struct sc_stream_info info, after;
    struct sc_consumer_config config = {.stream = watch->stream,
                                        .subject = watch->subject,
                                        .deliver = "last_per_subject",
                                        .heartbeat_ms = HEARTBEAT_MS};
    sc_consumer_close(&watch->consumer);
    int step = find_bucket(watch, &info, err);
    if (step)
        return step;
    enter_bucket(watch, &info);
    watch->pass++;
    if (sc_consumer_open(&watch->consumer, watch->worker.session, &config, NULL, err)) {
        if (err->reason != SC_REASON_NO_STREAM)
            return -1;
        sc_error_clear(err);
        return STEP_AGAIN;
    }
    step = picture(watch, err);
    if (step)
        return step;
    step = find_bucket(watch, &after, err);
    if (step)
        return step;
    if (strcmp(after.created, info.created) != 0)
        return STEP_AGAIN;
    if (take_absent(watch, err))
        return -1;
    tell_picture(watch);
    return STEP_GOOD;
}

/* Changes as they come, until the next compare is due. */
static int follow(struct sc_watch *watch, struct sc_error *err)
{
    int64_t until = sc_mono_ms() + watch->compare_ms;
    for (int64_t now; (now = sc_mono_ms()) < until;) {
        struct sc_delivery delivery;
        int64_t wait = until - now < WAIT_MS ? until - now : WAIT_MS;
        int got = sc_consumer_next(&watch->consumer, wait, &delivery, err);
        if (got < 0 || sc_worker_stopping(&watch->worker))
            return -1;
        if (got == SC_CONSUMER_HOLE)
            return STEP_AGAIN;
        if (got != SC_CONSUMER_MESSAGE)
            continue;
        int rc = take_delivery(watch, &delivery, err);
        natsMsg_Destroy(delivery.msg);
        if (rc)
            return -1;
    }
    return 0;
}

/* ---- the thread --------------------------------------------------------------------------- */

static int turn(struct sc_watch *watch, struct sc_error *err)
{
    int step = compare(watch, err);
    if (step == STEP_MISSING) {
        tell_missing(watch);
        sc_worker_wait(&watch->worker, sc_mono_ms() + MISSING_EVERY_MS);
        return 0;
    }
    if (watch->late)
        SC_SAY(SC_INFO, "config",
               "%u changes in bucket %s are only now seen, by comparing all of it: the watch was "
               "renewed",
               watch->late, watch->bucket);
    watch->late = 0;
    watch->comparing = false;
    if (step == STEP_GOOD) {
        sc_worker_went_well(&watch->worker);
        step = follow(watch, err);
        watch->comparing = step == 0;
    }
    if (step == STEP_AGAIN)
        sc_worker_back_off(&watch->worker, MISSING_EVERY_MS);
    return step < 0 ? -1 : 0;
}

static void run(void *arg)
{
    struct sc_watch *watch = arg;
    struct sc_worker *worker = &watch->worker;
    while (!sc_worker_stopping(worker)) {
        struct sc_error err = SC_ERROR_INIT;
        int rc = 0;
        if (!sc_worker_connected(worker))
            rc = sc_worker_connect(worker, "watch", watch->timeout_ms, &err);
        if (rc == 0)
            rc = turn(watch, &err);
        if (rc == 0 || sc_worker_stopping(worker))
            continue;
        sc_consumer_close(&watch->consumer);
        sc_worker_disconnect(worker);
        tell_trouble(watch, SC_WATCH_DOWN, err.text);
        sc_worker_back_off(worker, INT64_MAX);
    }
    sc_consumer_close(&watch->consumer);
}

static void free_watch(void *arg)
{
    struct sc_watch *watch = arg;
    sc_worker_done(&watch->worker);
    sc_watch_table_done(&watch->table);
    sc_buf_done(&watch->headers);
    free(watch->bucket);
    free(watch->subject);
    free(watch);
}

struct sc_watch *sc_watch_start(const struct sc_watch_config *config, struct sc_error *err)
{
    struct sc_watch *watch = calloc(1, sizeof *watch);
    char stream[256];
    if (sc_kv_stream(config->bucket, stream, err) || !watch) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
        free(watch);
        return NULL;
    }
    watch->config = *config;
    watch->bucket = sc_dup(config->bucket);
    watch->subject = sc_printf("$KV.%s.>", config->bucket);
    memcpy(watch->stream, stream, sizeof stream);
    watch->prefix = watch->subject ? strlen(watch->subject) - 1 : 0;
    watch->timeout_ms = config->nats->request_timeout_ms;
    watch->compare_ms = config->compare_ms ? config->compare_ms : 60000;
    watch->trouble = SC_WATCH_SYNCED;
    int rc = sc_worker_start(&watch->worker, config->nats, run, free_watch, watch, err);
    if (rc) {
        free_watch(watch);
        return NULL;
    }
    return watch;
}

struct sc_watch *sc_watch_stop(struct sc_watch *watch)
{
    if (!watch)
        return NULL;
    sc_worker_end(&watch->worker, STOP_GRACE_MS, STOP_LIMIT_MS);
    sc_worker_leave(&watch->worker);
    return NULL;
}
