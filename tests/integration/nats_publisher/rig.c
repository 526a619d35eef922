#include "rig.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

static void must(natsStatus s, const char *what)
{
    if (s == NATS_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, natsStatus_GetText(s), nats_GetLastError(NULL));
    exit(99);
}

/* Threads other than cmocka's cannot fail a test by a jump. */
static void give_up(const char *what)
{
    fprintf(stderr, "rig: %s\n", what);
    abort();
}

/* ---- server and publisher ------------------------------------------------------------------ */

void rig_reconnect(struct rig *rig)
{
    if (rig->js)
        jsCtx_Destroy(rig->js);
    if (rig->conn)
        natsConnection_Destroy(rig->conn);
    must(natsConnection_ConnectTo(&rig->conn, rig->server.url), "connect");
    must(natsConnection_JetStream(&rig->js, rig->conn, NULL), "JetStream");
}

void rig_open(struct rig *rig, const char *server_config)
{
    memset(rig, 0, sizeof *rig);
    natsd_start(&rig->server, server_config);
    relay_start(&rig->relay, rig->server.port);
    snprintf(rig->url, sizeof rig->url, "nats://127.0.0.1:%d", rig->relay.port);
    rig->nats =
        (struct sc_nats_config){.url = rig->url, .name = "test", .request_timeout_ms = 2000};
    rig->config = (struct sc_publisher_config){
        .nats = &rig->nats,
        .subject = RIG_SUBJECT,
        .window_messages = 512,
        .window_bytes = 4u << 20,
        .stall_ms = 5000,
        .fence = &rig->fence,
    };
    sc_mailbox_init(&rig->news, 64, NULL, NULL);
    rig_reconnect(rig);
}

void rig_fence(struct rig *rig, bool open)
{
    atomic_store(&rig->fence.valid_until_boot_ms, open ? INT64_MAX : 0);
}

void rig_lease(struct rig *rig, bool held, uint64_t epoch)
{
    atomic_store(&rig->fence.epoch, epoch);
    rig_fence(rig, held);
    sc_publisher_lease(rig->p, held, epoch, held ? SC_REASON_OK : SC_REASON_LEASE_HELD, held ? "held" : "held by edge-2");
}

void rig_run(struct rig *rig)
{
    struct sc_error err = SC_ERROR_INIT;
    rig->p = sc_publisher_start(&rig->config, &err);
    if (!rig->p)
        give_up(err.text);
    sc_publisher_subscribe(rig->p, &rig->news);
    rig_lease(rig, true, 1);
}

void rig_wait(struct rig *rig, enum sc_broker_state state, enum sc_reason reason)
{
    int64_t until = sc_mono_ms() + RIG_WAIT_MS;
    for (;;) {
        if (!rig->unread)
            rig->unread = sc_mailbox_wait(&rig->news, until - sc_mono_ms());
        if (!rig->unread) {
            fprintf(stderr, "waiting for %s; it is %s: %s\n", sc_reason_code(reason),
                    sc_reason_code(rig->facts.reason), rig->facts.text);
            give_up("the state did not come");
        }
        struct sc_broker_news *news = (struct sc_broker_news *)rig->unread;
        rig->unread = rig->unread->next;
        rig->facts = news->facts;
        free(news);
        if (rig->facts.state == state && rig->facts.reason == reason)
            return;
    }
}

struct home *rig_home(struct rig *rig)
{
    if (rig->home_count == RIG_HOMES)
        give_up("too many producers");
    struct home *home = &rig->homes[rig->home_count++];
    sc_mailbox_init(&home->box, 64, NULL, NULL);
    return home;
}

void rig_wait_ready(struct rig *rig)
{
    rig_wait(rig, SC_BROKER_READY, SC_REASON_OK);
}

void rig_wait_handed(struct rig *rig, uint64_t count)
{
    struct sc_mailbox nothing;
    int64_t until = sc_mono_ms() + RIG_WAIT_MS;
    sc_mailbox_init(&nothing, 1, NULL, NULL);
    while (atomic_load(&sc_publisher_counts(rig->p)->handed_over) < count) {
        sc_mailbox_wait(&nothing, 1);
        if (sc_mono_ms() > until)
            give_up("nothing is handed over");
    }
    sc_mailbox_done(&nothing);
}

void rig_stop(struct rig *rig)
{
    rig->p = sc_publisher_stop(rig->p, 10000);
}

void rig_close(struct rig *rig)
{
    rig_stop(rig);
    struct sc_mail *mail = rig->unread ? rig->unread : sc_mailbox_take(&rig->news);
    while (mail) {
        struct sc_mail *next = mail->next;
        free(mail);
        mail = next ? next : sc_mailbox_take(&rig->news);
    }
    sc_mailbox_done(&rig->news);
    for (uint32_t i = 0; i < rig->home_count; i++) {
        mail = sc_mailbox_take(&rig->homes[i].box);
        if (mail && mail != &rig->homes[i].credit.mail)
            give_up("mail that nobody waited for");
        sc_mailbox_done(&rig->homes[i].box);
    }
    jsCtx_Destroy(rig->js);
    natsConnection_Destroy(rig->conn);
    relay_stop(&rig->relay);
    natsd_stop(&rig->server);
}

void rig_stream_config(jsStreamConfig *config, const char *const *subject)
{
    jsStreamConfig_Init(config);
    config->Name = "DATA";
    memcpy(&config->Subjects, &subject, sizeof subject);
    config->SubjectsLen = 1;
    config->Discard = js_DiscardNew;
    config->Duplicates = 120LL * 1000000000;
}

void rig_make_stream(struct rig *rig, int64_t window_ms)
{
    static const char *const subject[] = {"edge-1.data.>"};
    jsStreamConfig config;
    rig_stream_config(&config, subject);
    config.Duplicates = window_ms * 1000000;
    must(js_AddStream(NULL, rig->js, &config, NULL, NULL), "stream");
}

uint64_t rig_last_seq(struct rig *rig)
{
    jsStreamInfo *info = NULL;
    must(js_GetStreamInfo(&info, rig->js, "DATA", NULL, NULL), "stream info");
    uint64_t seq = info->State.LastSeq;
    jsStreamInfo_Destroy(info);
    return seq;
}

/* ---- producers ----------------------------------------------------------------------------- */

void producer_init(struct producer *producer, struct rig *rig, const char *prefix, uint32_t count,
                   uint32_t size)
{
    memset(producer, 0, sizeof *producer);
    producer->rig = rig;
    producer->prefix = prefix;
    producer->count = count;
    producer->size = size;
    producer->stamp = (struct sc_stamp){.ce_source = "https%3A%2F%2Facme.okta.com",
                                        .ce_type = prefix,
                                        .content_type = "application/json"};
    producer->home = rig_home(rig);
}

void producer_done(struct producer *producer)
{
    free(producer->outcome);
    free(producer->seq);
}

size_t producer_id(const struct producer *producer, uint32_t record, char out[64])
{
    return (size_t)snprintf(out, 64, "%s.%08" PRIu32, producer->prefix, record);
}

size_t producer_body(const struct producer *producer, uint32_t record, char *out)
{
    int n = snprintf(out, 64, "{\"of\":\"%s\",\"n\":%" PRIu32 "}", producer->prefix, record);
    for (uint32_t i = (uint32_t)n; i < producer->size; i++)
        out[i] = (char)('a' + (i * 7 + record) % 26);
    return producer->size > (uint32_t)n ? producer->size : (uint32_t)n;
}

static void make_room(struct producer *producer)
{
    if (producer->made < producer->cap)
        return;
    uint32_t cap = producer->cap ? producer->cap * 2 : 1024;
    producer->outcome = realloc(producer->outcome, cap);
    producer->seq = realloc(producer->seq, cap * sizeof *producer->seq);
    if (!producer->outcome || !producer->seq)
        give_up("memory");
    memset(producer->outcome + producer->cap, 0, cap - producer->cap);
    memset(producer->seq + producer->cap, 0, (cap - producer->cap) * sizeof *producer->seq);
    producer->cap = cap;
}

static uint32_t add(struct sc_batch *batch, const void *bytes, size_t len)
{
    uint32_t at = batch->used;
    memcpy(batch->bytes + at, bytes, len);
    batch->used += (uint32_t)len;
    return at;
}

static void add_record(struct producer *producer, struct sc_batch *batch)
{
    char id[64], at[SC_TIME_TEXT];
    struct sc_record *r = &batch->records[batch->count++];
    make_room(producer);
    r->body_at = batch->used;
    r->body_len = (uint32_t)producer_body(producer, producer->made, batch->bytes + batch->used);
    batch->used += r->body_len;
    size_t id_len = producer_id(producer, producer->made, id);
    r->msg_id_at = add(batch, id, id_len + 1);
    r->ce_id_at = r->msg_id_at + (uint32_t)strlen(producer->prefix) + 1;
    sc_time_rfc3339(1700000000000 + producer->made, at);
    r->ce_time_at = producer->made % 3 ? add(batch, at, strlen(at) + 1) : UINT32_MAX;
    r->extra_at = producer->extra ? add(batch, producer->extra, producer->extra_len) : UINT32_MAX;
    r->hash = producer->made++;
}

static bool wants_more(struct producer *producer)
{
    return producer->made < producer->count ||
           (atomic_load(&producer->until_told) && !atomic_load(&producer->enough));
}

static bool make_batch(struct producer *producer)
{
    uint32_t each = producer->size + (uint32_t)producer->extra_len + 192;
    if (!wants_more(producer))
        return false;
    struct sc_batch *batch =
        sc_publisher_batch(producer->rig->p, &producer->home->box, each, &producer->home->credit);
    if (!batch)
        return false;
    uint32_t most = producer->per_batch ? producer->per_batch : SC_BATCH_RECORDS;
    batch->stamp = &producer->stamp;
    batch->owner = producer;
    while (batch->count < most && batch->used + each <= batch->cap && wants_more(producer))
        add_record(producer, batch);
    producer->batches_out++;
    sc_publisher_post(producer->rig->p, batch);
    return true;
}

static void take_batch(struct producer *producer, struct sc_batch *batch)
{
    if (batch->owner != producer || producer->batches_out-- == 0)
        give_up("a batch that is not ours");
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct sc_record *r = &batch->records[i];
        enum sc_record_outcome outcome = batch->dropped ? SC_RECORD_PENDING : r->outcome;
        producer->outcome[r->hash] = (uint8_t)outcome;
        producer->seq[r->hash] = r->seq;
        producer->stored += outcome == SC_RECORD_STORED;
        producer->duplicates += outcome == SC_RECORD_STORED && r->duplicate;
        producer->found += outcome == SC_RECORD_FOUND;
        producer->too_large += outcome == SC_RECORD_TOO_LARGE;
        producer->dropped += batch->dropped;
        if (!batch->dropped && outcome == SC_RECORD_PENDING)
            give_up("a record came back without outcome");
    }
    producer->back += batch->count;
    sc_publisher_batch_put(producer->rig->p, batch);
}

void producer_turn(struct producer *producer, int64_t wait_ms)
{
    bool made = make_batch(producer);
    struct sc_mail *mail = made ? sc_mailbox_take(&producer->home->box)
                                : sc_mailbox_wait(&producer->home->box, wait_ms);
    while (mail) {
        struct sc_mail *next = mail->next;
        if (mail->kind == SC_MAIL_CREDIT)
            producer->home->credit.waiting = false;
        else
            take_batch(producer, (struct sc_batch *)mail);
        mail = next;
    }
}

void producer_run(struct producer *producer)
{
    int64_t until = sc_mono_ms() + RIG_WAIT_MS;
    while (wants_more(producer) || producer->back < producer->made) {
        uint32_t before = producer->back + producer->made;
        producer_turn(producer, 1000);
        if (producer->back + producer->made != before)
            until = sc_mono_ms() + RIG_WAIT_MS;
        else if (sc_mono_ms() > until)
            give_up("the records do not come back");
    }
}

static void *run(void *arg)
{
    producer_run(arg);
    return NULL;
}

void producer_start(struct producer *producer)
{
    if (pthread_create(&producer->thread, NULL, run, producer))
        give_up("thread");
}

void producer_join(struct producer *producer)
{
    pthread_join(producer->thread, NULL);
}

/* ---- the stream decides -------------------------------------------------------------------- */

static void check_header(natsMsg *msg, const char *name, const char *want)
{
    const char *value = NULL;
    natsMsgHeader_Get(msg, name, &value);
    CHECK_TEXT(name, value, want);
}

static void check_headers(const struct producer *producer, uint32_t record, natsMsg *msg)
{
    char id[64], at[SC_TIME_TEXT];
    int count = 0, want = producer->extra ? 1 : 0;
    producer_id(producer, record, id);
    sc_time_rfc3339(1700000000000 + record, at);
    check_header(msg, "Nats-Msg-Id", id);
    check_header(msg, "ce-specversion", "1.0");
    check_header(msg, "ce-id", id + strlen(producer->prefix) + 1);
    check_header(msg, "ce-source", producer->stamp.ce_source);
    check_header(msg, "ce-type", producer->stamp.ce_type);
    check_header(msg, "ce-datacontenttype", producer->stamp.content_type);
    check_header(msg, "content-type", producer->stamp.content_type);
    check_header(msg, "ce-time", record % 3 ? at : NULL);
    if (producer->extra)
        check_header(msg, producer->extra, producer->extra + strlen(producer->extra) + 1);
    const char **keys = NULL;
    natsMsgHeader_Keys(msg, &keys, &count);
    CHECK_INT("number of headers", count, 7 + (record % 3 ? 1 : 0) + want);
    free(keys);
}

/* Which record of which producer; NULL: none of theirs. */
static struct producer *find(struct producer *const *producers, size_t count, const char *id,
                             uint32_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(producers[i]->prefix);
        if (strncmp(id, producers[i]->prefix, len) == 0 && id[len] == '.') {
            *ret = (uint32_t)strtoul(id + len + 1, NULL, 10);
            return *ret < producers[i]->made ? producers[i] : NULL;
        }
    }
    return NULL;
}

static void check_message(struct producer *const *producers, size_t count, natsMsg *msg,
                          uint64_t seq, uint8_t **seen)
{
    const char *id = NULL;
    uint32_t record = 0;
    if (natsMsgHeader_Get(msg, "Nats-Msg-Id", &id) != NATS_OK)
        return;
    struct producer *producer = find(producers, count, id, &record);
    if (!producer)
        return;
    size_t which = 0;
    while (producers[which] != producer)
        which++;
    CHECK_INT(id, seen[which][record], 0);
    seen[which][record] = 1;
    if (producer->outcome[record] != SC_RECORD_PENDING)
        CHECK_INT(id, producer->seq[record], seq);
    char *want = malloc(producer->size + 64);
    size_t len = producer_body(producer, record, want);
    CHECK_BYTES(id, natsMsg_GetData(msg), natsMsg_GetDataLength(msg), want, len);
    free(want);
    check_headers(producer, record, msg);
}

static void read_stream(struct rig *rig, struct producer *const *producers, size_t count,
                        uint8_t **seen)
{
    natsSubscription *sub = NULL;
    jsSubOptions options;
    uint64_t last = rig_last_seq(rig), seq = 0;
    jsSubOptions_Init(&options);
    options.Ordered = true;
    options.Stream = "DATA";
    must(js_SubscribeSync(&sub, rig->js, "edge-1.data.>", NULL, &options, NULL),
         "reading the stream");
    must(natsSubscription_SetPendingLimits(sub, -1, -1), "pending limits");
    while (seq < last) {
        natsMsg *msg = NULL;
        jsMsgMetaData *meta = NULL;
        must(natsSubscription_NextMsg(&msg, sub, 10000), "next message");
        must(natsMsg_GetMetaData(&meta, msg), "sequence");
        seq = meta->Sequence.Stream;
        jsMsgMetaData_Destroy(meta);
        check_message(producers, count, msg, seq, seen);
        natsMsg_Destroy(msg);
    }
    natsSubscription_Destroy(sub);
}

void check_stream(struct rig *rig, struct producer *const *producers, size_t count)
{
    uint8_t *seen[16];
    for (size_t i = 0; i < count; i++)
        seen[i] = calloc(1, producers[i]->made + 1);
    read_stream(rig, producers, count, seen);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t record = 0; record < producers[i]->made; record++) {
            char id[64];
            producer_id(producers[i], record, id);
            if (producers[i]->outcome[record] == SC_RECORD_TOO_LARGE)
                CHECK_INT(id, seen[i][record], 0);
            else if (producers[i]->outcome[record] != SC_RECORD_PENDING)
                CHECK_INT(id, seen[i][record], 1);
        }
        free(seen[i]);
    }
}
