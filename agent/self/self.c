#include "self/self.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/redact.h"
#include "operate/expiry.h"
#include "operate/health.h"
#include "operate/reasons.h"
#include "self/unread.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define BEAT_MS       5000
#define TRIM_MS       5000
#define LOOP_MS       30000 /* a loop that has not turned for so long is not well */
#define UNACKED_MS    10000 /* something waits for its acknowledgement: told from then on */
#define SLOW_ACK_MS   1000  /* for 95 of 100 records of a minute */
#define SLOW_ACK_LEAST 20   /* acknowledgements, to judge by */
#define SKEW_MS       30000
#define FILES_MS      3600000
#define BUCKET        "INTEGRATIONS"
#define REMEMBER_MS   (24 * INT64_C(3600000)) /* the run before is told for a day */

struct sc_self {
    const struct sc_settings *settings;
    struct sc_self_config config;
    struct sc_facts *facts;
    struct sc_previous_run before;
    char before_text[400]; /* "" = it ended well */
    bool before_memory;
    int64_t started_ms, beat_ms, trim_ms, files_ms;
    enum sc_broker_state beat_state; /* as the last heartbeat told it */
    enum sc_reason beat_reason;
    bool running;
    struct { /* of acknowledgements: counters at the begin of the present stretch (nats.look_s, a minute), figures of the last whole one */
        int64_t since_ms;
        uint64_t latency[SC_PUBLISH_BUCKETS + 1];
        uint32_t p50_ms, p95_ms; /* upper bounds; 0: unknown */
        uint64_t count;
    } acks;
    struct sc_look *look;
    /* the look's thread alone */
    struct sc_unread unread;
    bool consumers_told;
};

/* ---- the run before ---------------------------------------------------------------------------------------------- */

static void add_member(struct sc_buf *out, const char *name, const char *text)
{
    sc_buf_addf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
    sc_buf_add_json(out, sc_str_of(text));
}

static void look_back(struct sc_self *self)
{
    struct sc_buf json = {0};
    char at[SC_TIME_TEXT];
    sc_health_previous(self->settings->run_dir, &self->before);
    self->before_memory = sc_previous_run_text(&self->before, self->before_text, sizeof self->before_text);
    if (!self->before.known)
        return;
    sc_buf_addf(&json, "{\"stopped\":%s,\"last_beat\":\"%s\",\"resident\":%" PRIu64 ",\"limit\":%" PRIu64, self->before.stopped ? "true" : "false",
                sc_time_rfc3339(self->before.at_ms, at), self->before.resident, self->before.limit);
    add_member(&json, "text", self->before_text);
    sc_buf_add_char(&json, '}');
    sc_facts_put(self->facts, SC_FACT_PREVIOUS_RUN, &json);
    if (self->before_text[0] && !self->before_memory)
        SC_SAY(SC_WARN, "agent", "%s", self->before_text);
}

struct sc_self *sc_self_new(const struct sc_settings *settings, struct sc_error *err)
{
    struct sc_self *self = calloc(1, sizeof *self);
    if (self)
        self->facts = sc_facts_new();
    if (!self || !self->facts) {
        free(self);
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
        return NULL;
    }
    self->settings = settings;
    self->started_ms = self->acks.since_ms = sc_mono_ms();
    self->beat_ms = self->trim_ms = self->started_ms - BEAT_MS;
    look_back(self);
    return self;
}

struct sc_facts *sc_self_facts(struct sc_self *self)
{
    return self->facts;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void tell_memory(struct sc_self *self, int level)
{
    char use[96], text[300];
    uint64_t resident = atomic_load(&self->config.memory->resident), limit = atomic_load(&self->config.memory->limit);
    sc_memory_text(resident, limit, use);
    if (level != SC_MEMORY_AMPLE) {
        snprintf(text, sizeof text, "memory is short: %s; %s", use,
                 level == SC_MEMORY_FULL ? "one poll and one transfer at a time go on" : "one poll at a time goes on");
        sc_facts_notice(self->facts, SC_REASON_MEMORY_LIMIT, text, NULL);
    } else if (self->before_memory && sc_mono_ms() - self->started_ms < REMEMBER_MS) {
        sc_facts_notice(self->facts, SC_REASON_MEMORY_LIMIT, self->before_text, "Raise the container's memory limit, or lengthen intervals.");
    } else {
        sc_facts_clear(self->facts, SC_REASON_MEMORY_LIMIT);
    }
    struct sc_buf json = {0};
    static const char *const words[] = {"ample", "near", "full"};
    sc_buf_addf(&json, "{\"resident\":%" PRIu64 ",\"limit\":%" PRIu64 ",\"level\":\"%s\"", resident, limit, words[level]);
    add_member(&json, "text", use);
    sc_buf_add_char(&json, '}');
    sc_facts_put(self->facts, SC_FACT_MEMORY, &json);
}

static void look_at_memory(struct sc_self *self, int64_t now)
{
    bool changed = sc_memory_measure(self->config.memory, (uint64_t)self->settings->memory_limit_bytes);
    int level = atomic_load(&self->config.memory->level);
    if (level != SC_MEMORY_AMPLE && now - self->trim_ms >= TRIM_MS) { /* what was freed goes back to the system */
        self->trim_ms = now;
        malloc_trim(0);
    }
    if (changed || now - self->beat_ms >= BEAT_MS)
        tell_memory(self, level);
}

/* ---- NATS -------------------------------------------------------------------------------------------------------- */

/* Upper bound of the bucket in which the `percent`th of a minute's acknowledgements lies. */
static uint32_t percentile(const uint64_t counts[SC_PUBLISH_BUCKETS + 1], uint64_t total, unsigned percent)
{
    uint64_t sum = 0;
    for (int i = 0; i < SC_PUBLISH_BUCKETS; i++) {
        sum += counts[i];
        if (sum * 100 >= total * percent)
            return sc_publish_bucket_ms[i];
    }
    return UINT32_MAX;
}

static void count_acks(struct sc_self *self, int64_t now)
{
    const struct sc_publisher_counts *counts = sc_publisher_counts(self->config.publisher);
    uint64_t minute[SC_PUBLISH_BUCKETS + 1], total = 0;
    if (now - self->acks.since_ms < self->settings->nats_look_s * 1000)
        return;
    for (int i = 0; i <= SC_PUBLISH_BUCKETS; i++) {
        uint64_t at = atomic_load_explicit(&counts->latency[i], memory_order_relaxed);
        minute[i] = at - self->acks.latency[i];
        self->acks.latency[i] = at;
        total += minute[i];
    }
    self->acks.since_ms = now;
    self->acks.count = total;
    self->acks.p50_ms = total ? percentile(minute, total, 50) : 0;
    self->acks.p95_ms = total ? percentile(minute, total, 95) : 0;
}

static const char *bound_text(uint32_t ms, char out[SC_TIME_TEXT])
{
    char bound[SC_TIME_TEXT];
    if (ms == UINT32_MAX)
        snprintf(out, SC_TIME_TEXT, "over %s", sc_duration_text(sc_publish_bucket_ms[SC_PUBLISH_BUCKETS - 1], bound));
    else
        sc_duration_text(ms, out);
    return out;
}

/* Acknowledgements that take their time hold all polls back, whatever each of them says. */
static void judge_acks(struct sc_self *self, const struct sc_broker_facts *broker, int64_t now)
{
    int64_t waits_since = atomic_load(&sc_publisher_counts(self->config.publisher)->waits_since_ms);
    bool waits = waits_since && now - waits_since >= UNACKED_MS && broker->state == SC_BROKER_READY;
    bool slow = self->acks.count >= SLOW_ACK_LEAST && self->acks.p95_ms > SLOW_ACK_MS;
    char text[300], p50[SC_TIME_TEXT], p95[SC_TIME_TEXT];
    if (waits) {
        snprintf(text, sizeof text, "NATS is connected and has acknowledged nothing for %s (given up after %s): what waits is sent again, nothing is lost",
                 sc_duration_text((now - waits_since) / 1000 * 1000, p50), sc_duration_text(self->settings->nats_stall_s * 1000, p95));
        sc_facts_notice(self->facts, SC_REASON_BROKER_STALLED, text, NULL);
    } else {
        sc_facts_clear(self->facts, SC_REASON_BROKER_STALLED);
    }
    if (slow) {
        snprintf(text, sizeof text, "JetStream is slow: of %" PRIu64 " acknowledgements lately half took up to %s, 95 of 100 up to %s", self->acks.count,
                 bound_text(self->acks.p50_ms, p50), bound_text(self->acks.p95_ms, p95));
        sc_facts_notice(self->facts, SC_REASON_FALLING_BEHIND, text, "Check the disk and the load of the NATS server.");
    } else {
        sc_facts_clear(self->facts, SC_REASON_FALLING_BEHIND);
    }
}

static void judge_registry(struct sc_self *self)
{
    char text[400];
    if (sc_registry_lost(self->config.registry, text, sizeof text))
        sc_facts_notice(self->facts, SC_REASON_CONFIG_LOST, text, NULL);
    else
        sc_facts_clear(self->facts, SC_REASON_CONFIG_LOST);
}

static void put_nats(struct sc_self *self, const struct sc_broker_facts *broker)
{
    const struct sc_publisher_counts *counts = sc_publisher_counts(self->config.publisher);
    struct sc_buf json = {0};
    char since[SC_TIME_TEXT];
    sc_buf_addf(&json, "{\"ready\":%s,\"reason\":\"%s\",\"since\":\"%s\",\"epoch\":%" PRIu64 ",\"outstanding\":%" PRIu64 ",\"reconnects\":%" PRIu64 ",\"stalls\":%" PRIu64,
                broker->state == SC_BROKER_READY ? "true" : "false", sc_reason_code(broker->reason), sc_time_rfc3339(broker->since_real_ms, since),
                broker->epoch, atomic_load(&counts->outstanding), atomic_load(&counts->reconnects), atomic_load(&counts->stalls));
    if (self->acks.count)
        sc_buf_addf(&json, ",\"acks_lately\":%" PRIu64 ",\"ack_p50_ms\":%" PRIu32 ",\"ack_p95_ms\":%" PRIu32, self->acks.count, self->acks.p50_ms,
                    self->acks.p95_ms);
    add_member(&json, "text", broker->text);
    add_member(&json, "advice", sc_reason_row(broker->reason)->advice);
    sc_buf_add_char(&json, '}');
    sc_facts_put(self->facts, SC_FACT_NATS, &json);
}

/* ---- the stream: on the look's thread ------------------------------------------------------------------------------ */

static void put_stream(struct sc_self *self, const struct sc_look_report *r, const struct sc_unread_verdict *v)
{
    static const char *const retentions[] = {"limits", "interest", "workqueue"};
    const struct sc_stream_info *s = &r->stream;
    struct sc_buf json = {0};
    if (!r->found)
        return;
    sc_buf_addf(&json, "{\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"max_bytes\":%" PRId64 ",\"max_msgs\":%" PRId64 ",\"max_age_s\":%" PRId64
                ",\"duplicate_window_ms\":%" PRId64 ",\"first_seq\":%" PRIu64 ",\"last_seq\":%" PRIu64,
                s->messages, s->bytes, s->max_bytes, s->max_msgs, s->max_age_ns > 0 ? s->max_age_ns / 1000000000 : -1, s->duplicate_window_ns / 1000000,
                s->first_seq, s->last_seq);
    add_member(&json, "name", s->name);
    add_member(&json, "retention", retentions[s->retention]);
    add_member(&json, "discard", s->discard_new ? "new" : "old");
    if (v->records_per_s >= 0)
        sc_buf_addf(&json, ",\"records_per_s\":%.2f", v->records_per_s);
    if (v->full_in_ms >= 0)
        sc_buf_addf(&json, ",\"full_in_s\":%" PRId64, v->full_in_ms / 1000);
    if (r->consumers_known)
        sc_buf_addf(&json, ",\"consumers\":%u", r->consumers.total);
    else
        add_member(&json, "consumers_unknown", r->consumers_why);
    sc_buf_add_char(&json, '}');
    sc_facts_put(self->facts, SC_FACT_STREAM, &json);
}

static void judge_clock(struct sc_self *self, const struct sc_clock_info *clock)
{
    int64_t off = clock->offset_ms < 0 ? -clock->offset_ms : clock->offset_ms;
    char text[200], by[SC_TIME_TEXT];
    struct sc_buf json = {0};
    sc_buf_addf(&json, "{\"nats_offset_ms\":%" PRId64 ",\"error_ms\":%" PRId64 "}", clock->offset_ms, clock->error_ms);
    sc_facts_put(self->facts, SC_FACT_CLOCK, &json);
    if (off - clock->error_ms <= SKEW_MS) {
        sc_facts_clear(self->facts, SC_REASON_CLOCK_SKEW);
        return;
    }
    snprintf(text, sizeof text, "this host's clock is %s %s NATS'", sc_duration_text(off / 1000 * 1000, by), clock->offset_ms > 0 ? "behind" : "ahead of");
    sc_facts_notice(self->facts, SC_REASON_CLOCK_SKEW, text, "Repair time synchronisation (chronyc sources -v) on whichever of the two hosts is wrong.");
}

static void put_account(struct sc_self *self, const struct sc_account_info *a)
{
    struct sc_buf json = {0};
    sc_buf_addf(&json, "{\"storage\":%" PRIu64 ",\"max_storage\":%" PRId64 ",\"streams\":%" PRIu64 ",\"max_streams\":%" PRId64 "}", a->storage, a->max_storage,
                a->streams, a->max_streams);
    sc_facts_put(self->facts, SC_FACT_ACCOUNT, &json);
}

static void on_look(void *arg, const struct sc_look_report *report)
{
    struct sc_self *self = arg;
    struct sc_unread_verdict verdict;
    sc_unread_look(&self->unread, report, self->settings->nats_subject, &verdict);
    put_stream(self, report, &verdict);
    if (report->account_known)
        put_account(self, &report->account);
    if (verdict.unread)
        sc_facts_notice(self->facts, SC_REASON_STREAM_UNREAD, verdict.unread_text, NULL);
    else
        sc_facts_clear(self->facts, SC_REASON_STREAM_UNREAD);
    if (verdict.filling)
        sc_facts_notice(self->facts, SC_REASON_STREAM_FULL, verdict.filling_text, NULL);
    else
        sc_facts_clear(self->facts, SC_REASON_STREAM_FULL);
    if (report->clock_known)
        judge_clock(self, &report->clock);
    if (report->found && !report->consumers_known && !self->consumers_told) {
        self->consumers_told = true;
        SC_SAY(SC_INFO, "agent", "who reads stream %s is not known: %s", report->stream.name, report->consumers_why);
    }
}

/* ---- files that end ------------------------------------------------------------------------------------------------ */

/* What lets us into NATS, and its CA. The one that ends first is told. */
static void look_at_files(struct sc_self *self, int64_t now)
{
    const struct sc_settings *s = self->settings;
    const struct {
        const char *key, *path;
    } rows[] = {{"nats.creds", s->nats_creds}, {"tls.client_cert", s->tls_client_cert}, {"tls.ca_file", s->tls_ca_file}};
    struct sc_expiry first = {.at_ms = SC_TIME_NONE};
    size_t which = 0;
    if (self->files_ms && now - self->files_ms < FILES_MS)
        return;
    self->files_ms = now;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_error err = SC_ERROR_INIT; /* one that cannot be read is told where it is needed */
        struct sc_expiry one;
        if (!rows[i].path || !*rows[i].path || sc_expiry_file(rows[i].path, &one, &err) || one.at_ms == SC_TIME_NONE)
            continue;
        if (first.at_ms == SC_TIME_NONE || one.at_ms < first.at_ms) {
            first = one;
            which = i;
        }
    }
    if (first.at_ms == SC_TIME_NONE || first.at_ms - sc_real_ms() > SC_EXPIRY_WARN_MS) {
        sc_facts_clear(self->facts, SC_REASON_AUTH_EXPIRING);
        return;
    }
    char text[400], ends[SC_EXPIRY_TEXT];
    snprintf(text, sizeof text, "%s %.160s %s", rows[which].key, rows[which].path, sc_expiry_text(&first, sc_real_ms(), ends));
    sc_facts_notice(self->facts, SC_REASON_AUTH_EXPIRING, text, "Put a new file in its place before that; it is read at the next connection to NATS, without a restart.");
}

/* ---- loops and heartbeat ------------------------------------------------------------------------------------------- */

static void compose_cause(struct sc_self *self, const struct sc_broker_facts *broker, struct sc_buf *out)
{
    char since[SC_TIME_TEXT];
    bool down = broker->state != SC_BROKER_READY && broker->reason != SC_REASON_LEASE_HELD && broker->reason != SC_REASON_STARTING;
    sc_buf_clear(out);
    if (down) /* NATS being away is why the rest is as it is */
        sc_buf_addf(out, "%s since %s; %s", sc_reason_code(broker->reason), sc_time_short(broker->since_real_ms, sc_real_ms(), since),
                    sc_reason_row(broker->reason)->advice);
    else
        sc_facts_oldest(self->facts, out);
}

static void beat(struct sc_self *self, const struct sc_broker_facts *broker, int64_t now)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_buf cause SC_AUTO_BUF = {0}, json = {0};
    int64_t oldest = INT64_MAX;
    unsigned which = 0;
    char detail[160], nats[sizeof broker->text], since[SC_TIME_TEXT];
    for (unsigned i = 0; i < self->config.io_count; i++) {
        int64_t turned = sc_io_turned_at(self->config.ios[i]);
        which = turned < oldest ? i : which;
        oldest = turned < oldest ? turned : oldest;
    }
    bool ok = now - oldest < LOOP_MS;
    if (ok)
        snprintf(detail, sizeof detail, "io threads turned %" PRId64 " ms ago", now - oldest);
    else
        snprintf(detail, sizeof detail, "io thread %u has not turned for %s: restart the agent, and report it with its log", which,
                 sc_duration_text((now - oldest) / 1000 * 1000, since));
    sc_buf_addf(&json, "{\"ok\":%s,\"oldest_ms\":%" PRId64 "}", ok ? "true" : "false", now - oldest);
    sc_facts_put(self->facts, SC_FACT_LOOPS, &json);
    snprintf(nats, sizeof nats, "%s", broker->state == SC_BROKER_READY ? "connected" : broker->text);
    sc_redact(nats, strlen(nats), sizeof nats - 1);
    compose_cause(self, broker, &cause);
    struct sc_heartbeat heartbeat = {
        .ok = ok,
        .nats = nats,
        .detail = detail,
        .cause = sc_buf_str(&cause).ptr,
        .resident = atomic_load(&self->config.memory->resident),
        .limit = atomic_load(&self->config.memory->limit),
    };
    if (sc_health_write(self->settings->run_dir, &heartbeat, &err))
        SC_SAY(SC_WARN, "agent", "%s", err.text);
}

int sc_self_start(struct sc_self *self, const struct sc_self_config *config, struct sc_error *err)
{
    struct sc_look_config look = {
        .nats = config->nats,
        .subject = config->settings->nats_subject,
        .bucket = BUCKET,
        .fence = config->fence,
        .every_ms = (uint32_t)(config->settings->nats_look_s * 1000),
        .seen = on_look,
        .arg = self,
    };
    self->config = *config;
    self->look = sc_look_start(&look, err);
    self->running = self->look != NULL;
    return self->look ? 0 : -1;
}

void sc_self_turn(struct sc_self *self)
{
    int64_t now = sc_mono_ms();
    struct sc_broker_facts broker;
    look_at_memory(self, now);
    sc_publisher_facts(self->config.publisher, &broker);
    count_acks(self, now);
    judge_acks(self, &broker, now);
    judge_registry(self);
    look_at_files(self, now);
    bool moved = broker.state != self->beat_state || broker.reason != self->beat_reason;
    if (now - self->beat_ms < BEAT_MS && !moved)
        return;
    self->beat_state = broker.state;
    self->beat_reason = broker.reason;
    self->beat_ms = now;
    put_nats(self, &broker);
    sc_facts_remind(self->facts, now);
    beat(self, &broker, now);
}

void sc_self_stop(struct sc_self *self)
{
    if (self)
        self->look = sc_look_stop(self->look);
}

struct sc_self *sc_self_free(struct sc_self *self)
{
    struct sc_error err = SC_ERROR_INIT;
    if (!self)
        return NULL;
    struct sc_heartbeat last = {.ok = true, .stopped = true};
    if (self->running && sc_health_write(self->settings->run_dir, &last, &err))
        SC_SAY(SC_WARN, "agent", "%s", err.text);
    sc_facts_free(self->facts);
    free(self);
    return NULL;
}
