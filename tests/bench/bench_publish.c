/* How much of a bare nats.c publisher's speed does ours keep?
 *
 *   bench_publish [--records 100000] [--size 1024] [--window 1024] [--rounds 5] [--warm 100000]
 *                 [--url nats://host:port [--stream NAME --subject SUBJECT]]
 *                 [--only bare|ours] [--min-ratio 0.80]
 *
 * "bare" is the shortest program that publishes the same messages with js_PublishMsgAsync: same
 * bodies, headers and window, all of them acknowledged. "ours" fills batches on this thread, as an
 * io thread does, and the publisher sends them. Both run alternately in one process against one
 * server, its own unless --url is given, and the stream is emptied in between, so that a slow
 * moment of the machine meets both. --stream names one that is there already and takes the
 * subject; else one is made and deleted. --warm: records of the first round, which does not count.
 * The headers are the agent's for a System Log of Okta, value by value of the same length. CPU is
 * that of all threads of this process. The last line is JSON; the exit status is 1 below
 * --min-ratio. */
#include "base/clock.h"
#include "natsd.h"
#include "nats/publisher.h"

#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define OWN_STREAM "BENCH"
#define ROUNDS_MAX 99

static struct {
    int records, size, window, rounds, warm;
    const char *url, *only, *stream, *subject;
    double min_ratio;
} opt = {.records = 100000,
         .size = 1024,
         .window = 1024,
         .rounds = 5,
         .stream = OWN_STREAM,
         .subject = "bench.data.records"};

static int records; /* of the present round */
static char *body;
static unsigned long run_number; /* ids must not repeat */

static void must(natsStatus s, const char *what)
{
    if (s == NATS_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(s));
    exit(2);
}

static double cpu_us(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

struct result {
    double per_s, us;
};

static struct result finish(int64_t began_ns, double began_us)
{
    double seconds = (double)(sc_mono_ns() - began_ns) / 1e9;
    return (struct result){records / seconds, (cpu_us() - began_us) / records};
}

static size_t make_id(char out[96], int record)
{
    return (size_t)snprintf(out, 96, "okta-prod.system_log.%08x-%04lx-11f0-8a3c-%012x",
                            (unsigned)getpid(), run_number & 0xffff, (unsigned)record);
}

#define CE_ID_AT     21 /* behind "okta-prod.system_log." */
#define CE_SOURCE    "signal-client/okta/okta-prod"
#define CE_TYPE      "okta.system_log"
#define CE_TIME      "2026-11-21T10:15:02.123Z"
#define CONTENT_TYPE "application/json"

/* ---- bare ---------------------------------------------------------------------------------- */

static void on_bare_ack(jsCtx *js, natsMsg *msg, jsPubAck *ack, jsPubAckErr *failed, void *arg)
{
    (void)js;
    (void)ack;
    (void)arg;
    if (failed) {
        fprintf(stderr, "bare: %s\n", failed->ErrText ? failed->ErrText : "refused");
        exit(2);
    }
    natsMsg_Destroy(msg);
}

static natsMsg *make_bare(int record)
{
    char id[96];
    natsMsg *msg = NULL;
    make_id(id, record);
    must(natsMsg_Create(&msg, opt.subject, NULL, body, opt.size), "message");
    natsMsgHeader_Set(msg, "Nats-Msg-Id", id);
    natsMsgHeader_Set(msg, "ce-specversion", "1.0");
    natsMsgHeader_Set(msg, "ce-id", id + CE_ID_AT);
    natsMsgHeader_Set(msg, "ce-source", CE_SOURCE);
    natsMsgHeader_Set(msg, "ce-type", CE_TYPE);
    natsMsgHeader_Set(msg, "ce-time", CE_TIME);
    natsMsgHeader_Set(msg, "ce-datacontenttype", CONTENT_TYPE);
    natsMsgHeader_Set(msg, "content-type", CONTENT_TYPE);
    return msg;
}

static struct result run_bare(natsConnection *conn)
{
    jsCtx *js = NULL;
    jsOptions options;
    jsPubOptions wait;
    jsOptions_Init(&options);
    options.PublishAsync.MaxPending = opt.window;
    options.PublishAsync.StallWait = 60000;
    options.PublishAsync.AckHandler = on_bare_ack;
    must(natsConnection_JetStream(&js, conn, &options), "JetStream");
    jsPubOptions_Init(&wait);
    wait.MaxWait = 60000;

    run_number++;
    double us = cpu_us();
    int64_t ns = sc_mono_ns();
    for (int i = 0; i < records; i++) {
        natsMsg *msg = make_bare(i);
        must(js_PublishMsgAsync(js, &msg, NULL), "bare: publish");
    }
    must(js_PublishAsyncComplete(js, &wait), "bare: acknowledgements");
    struct result result = finish(ns, us);
    jsCtx_Destroy(js);
    return result;
}

/* ---- ours ---------------------------------------------------------------------------------- */

static struct sc_fence fence;
static struct sc_mailbox home;
static struct sc_credit credit;
static bool ready;

static const struct sc_stamp stamp = {
    .ce_source = CE_SOURCE, .ce_type = CE_TYPE, .content_type = CONTENT_TYPE};

static uint32_t add_text(struct sc_batch *batch, const char *text, size_t len)
{
    uint32_t at = batch->used;
    memcpy(batch->bytes + at, text, len + 1);
    batch->used += (uint32_t)len + 1;
    return at;
}

static bool add_record(struct sc_batch *batch, int record)
{
    char id[96];
    size_t len = make_id(id, record);
    if (batch->count == SC_BATCH_RECORDS || batch->used + (uint32_t)opt.size + 200 > batch->cap)
        return false;
    struct sc_record *r = &batch->records[batch->count++];
    r->body_at = batch->used;
    r->body_len = (uint32_t)opt.size;
    memcpy(batch->bytes + batch->used, body, (size_t)opt.size);
    batch->used += (uint32_t)opt.size;
    r->msg_id_at = add_text(batch, id, len);
    r->ce_id_at = r->msg_id_at + CE_ID_AT;
    r->ce_time_at = add_text(batch, CE_TIME, sizeof CE_TIME - 1);
    r->extra_at = UINT32_MAX;
    return true;
}

/* Number of records that are done. */
static int take_mail(struct sc_publisher *p, struct sc_mail *mail)
{
    int done = 0;
    while (mail) {
        struct sc_mail *next = mail->next;
        if (mail->kind == SC_MAIL_BATCH) {
            struct sc_batch *batch = (struct sc_batch *)mail;
            for (uint32_t i = 0; i < batch->count; i++) {
                if (batch->dropped || batch->records[i].outcome != SC_RECORD_STORED) {
                    fprintf(stderr, "ours: a record was not stored\n");
                    exit(2);
                }
            }
            done += (int)batch->count;
            sc_publisher_batch_put(p, batch);
        } else if (mail->kind == SC_MAIL_CREDIT) {
            credit.waiting = false;
        } else if (mail->kind == SC_MAIL_BROKER) {
            struct sc_broker_news *news = (struct sc_broker_news *)mail;
            ready = news->facts.state == SC_BROKER_READY;
            free(news);
        }
        mail = next;
    }
    return done;
}

static struct result run_ours(struct sc_publisher *p)
{
    run_number++;
    double us = cpu_us();
    int64_t ns = sc_mono_ns();
    for (int made = 0, done = 0; done < records;) {
        struct sc_batch *batch = NULL;
        if (made < records)
            batch = sc_publisher_batch(p, &home, SC_BATCH_BYTES, &credit);
        if (batch) {
            batch->stamp = &stamp;
            while (made < records && add_record(batch, made))
                made++;
            sc_publisher_post(p, batch);
        }
        done += take_mail(p, batch ? sc_mailbox_take(&home) : sc_mailbox_wait(&home, 1000));
    }
    return finish(ns, us);
}

static struct sc_publisher *start_ours(const struct sc_nats_config *nats)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_publisher_config config = {
        .nats = nats,
        .subject = opt.subject,
        .window_messages = (uint32_t)opt.window,
        .window_bytes = 8u << 20,
        .stall_ms = 30000,
        .fence = &fence,
    };
    atomic_store(&fence.epoch, 1);
    atomic_store(&fence.valid_until_boot_ms, INT64_MAX);
    sc_mailbox_init(&home, 64, NULL, NULL);
    struct sc_publisher *p = sc_publisher_start(&config, &err);
    if (!p) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }
    sc_publisher_subscribe(p, &home);
    sc_publisher_lease(p, true, 1, SC_REASON_OK, "bench");
    while (!ready)
        take_mail(p, sc_mailbox_wait(&home, 1000));
    return p;
}

/* ---- together ------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(const double *values, int count)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, values, sizeof *sorted * (size_t)count);
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    return count == 0       ? 0
           : count % 2 == 1 ? sorted[count / 2]
                            : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static void make_stream(jsCtx *js)
{
    jsStreamConfig config;
    const char *subjects[] = {"bench.data.>"};
    jsStreamConfig_Init(&config);
    config.Name = OWN_STREAM;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Duplicates = 120LL * 1000000000;
    must(js_AddStream(NULL, js, &config, NULL, NULL), "stream");
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--records"))
            opt.records = (int)strtol(value, NULL, 10);
        else if (!strcmp(name, "--size"))
            opt.size = (int)strtol(value, NULL, 10);
        else if (!strcmp(name, "--window"))
            opt.window = (int)strtol(value, NULL, 10);
        else if (!strcmp(name, "--rounds"))
            opt.rounds = (int)strtol(value, NULL, 10);
        else if (!strcmp(name, "--warm"))
            opt.warm = (int)strtol(value, NULL, 10);
        else if (!strcmp(name, "--stream"))
            opt.stream = value;
        else if (!strcmp(name, "--subject"))
            opt.subject = value;
        else if (!strcmp(name, "--url"))
            opt.url = value;
        else if (!strcmp(name, "--only"))
            opt.only = value;
        else if (!strcmp(name, "--min-ratio"))
            opt.min_ratio = strtod(value, NULL);
        else
            argc = 0;
    }
    if (argc % 2 == 0 || opt.records < 1 || opt.size < 1 || opt.window < 1 || opt.rounds < 1 ||
        opt.rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: see the head of bench_publish.c\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct natsd server = {0};
    double rate[2][ROUNDS_MAX], us[2][ROUNDS_MAX], ratio[ROUNDS_MAX];
    parse(argc, argv);
    if (!opt.url)
        natsd_start(&server, NULL);
    struct sc_nats_config nats = {.url = opt.url ? opt.url : server.url, .name = "bench"};
    bool both = !opt.only, bare = both || !strcmp(opt.only, "bare"), ours = both || !bare;
    body = malloc((size_t)opt.size);
    memset(body, 'x', (size_t)opt.size);

    natsConnection *conn = NULL;
    jsCtx *js = NULL;
    must(natsConnection_ConnectTo(&conn, nats.url), "connect");
    must(natsConnection_JetStream(&js, conn, NULL), "JetStream");
    bool own_stream = !strcmp(opt.stream, OWN_STREAM);
    if (own_stream)
        make_stream(js);
    struct sc_publisher *p = ours ? start_ours(&nats) : NULL;

    for (int i = -1; i < opt.rounds; i++) { /* the first round warms up */
        records = i < 0 && opt.warm > 0 ? opt.warm : opt.records;
        for (int which = 0; which < 2; which++) {
            if (!(which ? ours : bare))
                continue;
            js_PurgeStream(js, opt.stream, NULL, NULL);
            struct result r = which ? run_ours(p) : run_bare(conn);
            printf("%s %s %8.0f records/s %6.2f us of CPU a record\n", i < 0 ? "warm" : "    ",
                   which ? "ours" : "bare", r.per_s, r.us);
            fflush(stdout);
            if (i >= 0) {
                rate[which][i] = r.per_s;
                us[which][i] = r.us;
            }
        }
        if (i >= 0 && both)
            ratio[i] = rate[1][i] / rate[0][i];
    }
    int n = opt.rounds;
    printf("{\"records\":%d,\"size\":%d,\"window\":%d,\"bare_per_s\":%.0f,\"bare_us\":%.2f,"
           "\"ours_per_s\":%.0f,\"ours_us\":%.2f,\"ratio\":%.3f}\n",
           opt.records, opt.size, opt.window, bare ? median(rate[0], n) : 0,
           bare ? median(us[0], n) : 0, ours ? median(rate[1], n) : 0, ours ? median(us[1], n) : 0,
           both ? median(ratio, n) : 0);
    int status = both && median(ratio, n) < opt.min_ratio;

    sc_publisher_stop(p, 5000);
    struct sc_mail *mail = ours ? sc_mailbox_take(&home) : NULL;
    for (struct sc_mail *next; mail; mail = next) {
        next = mail->next;
        if (mail->kind == SC_MAIL_BROKER)
            free(mail);
    }
    if (own_stream)
        js_DeleteStream(js, OWN_STREAM, NULL, NULL);
    jsCtx_Destroy(js);
    natsConnection_Destroy(conn);
    free(body);
    if (!opt.url)
        natsd_stop(&server);
    return status;
}
