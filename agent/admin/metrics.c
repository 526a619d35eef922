/* /metrics: the pages of all io threads laid together, sorted by name, one family after another. A name may stand on two pages for a moment, while an
 * integration moves between threads; the newer page counts, for two samples of one series would spoil the whole scrape. */
#include "admin/admin.h"

#include "base/clock.h"
#include "operate/metrics.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX    (256u * 1024 * 1024)
#define MAX_THREADS 64

struct row { /* one data type, or one source */
    const struct sc_board_type *type;
    const struct sc_board_source *source;
    int64_t made_ms;
    size_t labels_at, labels_len;
};

struct sheet {
    const struct sc_admin_view *view;
    struct sc_buf *out;
    const struct sc_board_page *pages[MAX_THREADS];
    unsigned page_count;
    struct row *types, *sources;
    size_t type_count, source_count;
    struct sc_buf labels;
    int64_t real_ms;
};

static const struct sc_str no_labels = {"", 0};

/* ---- rows -------------------------------------------------------------------------------------------------------------------------------- */

static int by_type(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    int order = strcmp(a->type->integration, b->type->integration);
    if (order == 0)
        order = strcmp(a->type->data_type, b->type->data_type);
    return order ? order : a->made_ms > b->made_ms ? -1 : a->made_ms < b->made_ms;
}

static int by_source(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    int order = strcmp(a->source->source, b->source->source);
    return order ? order : a->made_ms > b->made_ms ? -1 : a->made_ms < b->made_ms;
}

static void drop_older(struct row *rows, size_t *count, bool types)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        const struct row *last = kept ? &rows[kept - 1] : NULL;
        bool same = last && (types ? strcmp(last->type->integration, rows[i].type->integration) == 0 &&
                                         strcmp(last->type->data_type, rows[i].type->data_type) == 0
                                   : strcmp(last->source->source, rows[i].source->source) == 0);
        if (!same)
            rows[kept++] = rows[i];
    }
    *count = kept;
}

static void label_row(struct sheet *s, struct row *row)
{
    struct sc_buf one SC_AUTO_BUF = {0};
    sc_label_add(&one, "connector", row->type ? row->type->connector : row->source->connector);
    if (row->type) {
        sc_label_add(&one, "data_type", row->type->data_type);
        sc_label_add(&one, "integration", row->type->integration);
    } else {
        sc_label_add(&one, "source", row->source->source);
    }
    row->labels_at = s->labels.len;
    row->labels_len = one.len;
    sc_buf_add(&s->labels, sc_buf_str(&one).ptr, one.len);
}

static struct sc_str labels_of(const struct sheet *s, const struct row *row)
{
    return (struct sc_str){s->labels.ptr + row->labels_at, row->labels_len};
}

static int collect(struct sheet *s)
{
    size_t types = 0, sources = 0;
    for (unsigned i = 0; i < sc_board_threads(s->view->board) && i < MAX_THREADS; i++) {
        s->pages[i] = sc_board_take(s->view->board, i);
        s->page_count = i + 1;
        types += s->pages[i] ? s->pages[i]->type_count : 0;
        sources += s->pages[i] ? s->pages[i]->source_count : 0;
    }
    s->types = calloc(types + 1, sizeof *s->types);
    s->sources = calloc(sources + 1, sizeof *s->sources);
    if (!s->types || !s->sources)
        return -1;
    for (unsigned i = 0; i < s->page_count; i++) {
        const struct sc_board_page *page = s->pages[i];
        for (uint32_t k = 0; page && k < page->type_count; k++)
            s->types[s->type_count++] = (struct row){.type = &page->types[k], .made_ms = page->made_ms};
        for (uint32_t k = 0; page && k < page->source_count; k++)
            s->sources[s->source_count++] = (struct row){.source = &page->sources[k], .made_ms = page->made_ms};
    }
    qsort(s->types, s->type_count, sizeof *s->types, by_type);
    qsort(s->sources, s->source_count, sizeof *s->sources, by_source);
    drop_older(s->types, &s->type_count, true);
    drop_older(s->sources, &s->source_count, false);
    for (size_t i = 0; i < s->type_count; i++)
        label_row(s, &s->types[i]);
    for (size_t i = 0; i < s->source_count; i++)
        label_row(s, &s->sources[i]);
    return s->labels.failed ? -1 : 0;
}

static void let_go(struct sheet *s)
{
    for (unsigned i = 0; i < s->page_count; i++)
        if (s->pages[i])
            sc_board_give_back(s->view->board, s->pages[i]);
    free(s->types);
    free(s->sources);
    sc_buf_done(&s->labels);
}

/* ---- the agent ---------------------------------------------------------------------------------------------------------------------------- */

static void put(struct sheet *s, enum sc_metric metric, uint64_t value)
{
    sc_metric_begin(s->out, metric);
    sc_metric_count(s->out, metric, no_labels, NULL, NULL, value);
}

static void put_agent(struct sheet *s)
{
    struct sc_buf labels SC_AUTO_BUF = {0};
    char number[16];
    int64_t now = sc_mono_ms();
    snprintf(number, sizeof number, "%d", SC_CONNECTOR_ABI);
    sc_label_add(&labels, "connector_abi", number);
    sc_label_add(&labels, "version", SIGNAL_VERSION);
    sc_metric_begin(s->out, SC_METRIC_BUILD_INFO);
    sc_metric_count(s->out, SC_METRIC_BUILD_INFO, sc_buf_str(&labels), NULL, NULL, 1);
    sc_metric_begin(s->out, SC_METRIC_START_TIME);
    sc_metric_milli(s->out, SC_METRIC_START_TIME, no_labels, NULL, NULL, s->view->started_real_ms);
    sc_metric_begin(s->out, SC_METRIC_IO_AGE);
    for (unsigned i = 0; i < s->view->io_count; i++) {
        int64_t age = now - sc_io_turned_at(s->view->ios[i]);
        snprintf(number, sizeof number, "%u", i);
        sc_metric_milli(s->out, SC_METRIC_IO_AGE, no_labels, "thread", number, age > 0 ? age : 0);
    }
    sc_metric_begin(s->out, SC_METRIC_VIEW_AGE);
    for (unsigned i = 0; i < s->page_count; i++) {
        if (!s->pages[i])
            continue;
        snprintf(number, sizeof number, "%u", i);
        sc_metric_milli(s->out, SC_METRIC_VIEW_AGE, no_labels, "thread", number, now - s->pages[i]->made_ms);
    }
    bool held = sc_boot_ms() < atomic_load_explicit(&s->view->fence->valid_until_boot_ms, memory_order_acquire);
    put(s, SC_METRIC_LEASE_HELD, held);
    put(s, SC_METRIC_LEASE_EPOCH, atomic_load_explicit(&s->view->fence->epoch, memory_order_acquire));
}

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* A counter of two that are counted one after the other by another thread. */
static uint64_t less(uint64_t all, uint64_t part)
{
    return all > part ? all - part : 0;
}

static void put_nats(struct sheet *s)
{
    const struct sc_publisher_counts *c = sc_publisher_counts(s->view->publisher);
    struct sc_broker_facts facts;
    uint64_t latency[SC_PUBLISH_BUCKETS + 1];
    sc_publisher_facts(s->view->publisher, &facts);
    put(s, SC_METRIC_NATS_READY, facts.state == SC_BROKER_READY);
    sc_metric_begin(s->out, SC_METRIC_NATS_REASON);
    sc_metric_count(s->out, SC_METRIC_NATS_REASON, no_labels, "reason", sc_reason_code(facts.state == SC_BROKER_READY ? SC_REASON_OK : facts.reason), 1);
    put(s, SC_METRIC_NATS_OUTSTANDING, load(&c->outstanding));
    put(s, SC_METRIC_NATS_SEQUENCE, sc_publisher_known_seq(s->view->publisher));
    put(s, SC_METRIC_NATS_HANDED, load(&c->handed_over));
    put(s, SC_METRIC_NATS_STORED, load(&c->stored));
    put(s, SC_METRIC_NATS_DUPLICATES, load(&c->duplicates));
    put(s, SC_METRIC_NATS_FOUND, load(&c->found));
    put(s, SC_METRIC_NATS_RESENT, load(&c->resent));
    put(s, SC_METRIC_NATS_RECONNECTS, load(&c->reconnects));
    put(s, SC_METRIC_NATS_STALLS, load(&c->stalls));
    sc_metric_begin(s->out, SC_METRIC_NATS_SAVES);
    sc_metric_count(s->out, SC_METRIC_NATS_SAVES, no_labels, "outcome", "ok", load(&c->kv_writes));
    sc_metric_count(s->out, SC_METRIC_NATS_SAVES, no_labels, "outcome", "conflict", load(&c->kv_conflicts));
    for (unsigned i = 0; i <= SC_PUBLISH_BUCKETS; i++)
        latency[i] = load(&c->latency[i]);
    sc_metric_begin(s->out, SC_METRIC_NATS_LATENCY);
    sc_metric_histogram(s->out, SC_METRIC_NATS_LATENCY, no_labels, sc_publish_bucket_ms, latency, SC_PUBLISH_BUCKETS, load(&c->latency_us));
}

static void put_pipeline(struct sheet *s)
{
    const struct sc_publisher_counts *c = sc_publisher_counts(s->view->publisher);
    uint64_t duplicates = load(&c->duplicates), stored = load(&c->stored), dead = 0;
    struct sc_str stage = sc_str_of("stage=\"source_client\"");
    for (unsigned i = 0; i < s->page_count; i++)
        dead += s->pages[i] ? s->pages[i]->dead_letters : 0;
    sc_metric_begin(s->out, SC_METRIC_PIPELINE);
    sc_metric_count(s->out, SC_METRIC_PIPELINE, stage, "status", "success", less(stored, duplicates));
    sc_metric_count(s->out, SC_METRIC_PIPELINE, stage, "status", "duplicate", duplicates);
    sc_metric_count(s->out, SC_METRIC_PIPELINE, stage, "status", "dead_letter", dead);
}

/* ---- data types --------------------------------------------------------------------------------------------------------------------------- */

static void put_states(struct sheet *s)
{
    sc_metric_begin(s->out, SC_METRIC_STATE);
    for (size_t i = 0; i < s->type_count; i++)
        for (unsigned k = 0; k < SC_STATE_COUNT; k++)
            sc_metric_count(s->out, SC_METRIC_STATE, labels_of(s, &s->types[i]), "state", sc_poll_state_name(k), s->types[i].type->state == k);
    sc_metric_begin(s->out, SC_METRIC_REASON);
    for (size_t i = 0; i < s->type_count; i++)
        sc_metric_count(s->out, SC_METRIC_REASON, labels_of(s, &s->types[i]), "reason", sc_reason_code(s->types[i].type->reason), 1);
    sc_metric_begin(s->out, SC_METRIC_PROMISE);
    for (size_t i = 0; i < s->type_count; i++)
        for (unsigned k = 0; k < SC_PROMISE_COUNT; k++)
            sc_metric_count(s->out, SC_METRIC_PROMISE, labels_of(s, &s->types[i]), "promise", sc_promise_name(k), s->types[i].type->promise == k);
    sc_metric_begin(s->out, SC_METRIC_OVERFLOW);
    for (size_t i = 0; i < s->type_count; i++)
        sc_metric_count(s->out, SC_METRIC_OVERFLOW, labels_of(s, &s->types[i]), NULL, NULL, s->types[i].type->overflowed);
}

static void put_counts(struct sheet *s)
{
    static const struct {
        enum sc_metric metric;
        size_t at; /* of a uint64_t in struct sc_board_type */
    } plain[] = {
        {SC_METRIC_READ, offsetof(struct sc_board_type, counts.read)},
        {SC_METRIC_RECOGNISED, offsetof(struct sc_board_type, counts.recognised)},
        {SC_METRIC_RECORDS, offsetof(struct sc_board_type, counts.published)},
        {SC_METRIC_PAGES, offsetof(struct sc_board_type, counts.pages)},
        {SC_METRIC_BYTES, offsetof(struct sc_board_type, counts.bytes)},
        {SC_METRIC_THROTTLED, offsetof(struct sc_board_type, counts.failures[SC_CLASS_THROTTLED])},
        {SC_METRIC_GAPS, offsetof(struct sc_board_type, counts.gaps)},
        {SC_METRIC_DEAD_LETTERS, offsetof(struct sc_board_type, counts.dead_letters)},
        {SC_METRIC_COLLISIONS, offsetof(struct sc_board_type, collisions)},
    };
    static const char *const outcomes[] = {"success", "incomplete"};
    _Static_assert(sizeof outcomes / sizeof *outcomes == SC_POLL_OUTCOMES, "each outcome has its name");
    for (size_t m = 0; m < sizeof plain / sizeof *plain; m++) {
        sc_metric_begin(s->out, plain[m].metric);
        for (size_t i = 0; i < s->type_count; i++) {
            const void *value = (const char *)s->types[i].type + plain[m].at;
            sc_metric_count(s->out, plain[m].metric, labels_of(s, &s->types[i]), NULL, NULL, *(const uint64_t *)value);
        }
    }
    sc_metric_begin(s->out, SC_METRIC_POLLS);
    for (size_t i = 0; i < s->type_count; i++)
        for (unsigned k = 0; k < SC_POLL_OUTCOMES; k++)
            sc_metric_count(s->out, SC_METRIC_POLLS, labels_of(s, &s->types[i]), "outcome", outcomes[k], s->types[i].type->counts.polls[k]);
    sc_metric_begin(s->out, SC_METRIC_FAILURES);
    for (size_t i = 0; i < s->type_count; i++)
        for (unsigned k = SC_CLASS_OK + 1; k <= SC_CLASS_LOCAL; k++)
            sc_metric_count(s->out, SC_METRIC_FAILURES, labels_of(s, &s->types[i]), "class", sc_class_name(k), s->types[i].type->counts.failures[k]);
}

static int64_t lag_of(const struct sheet *s, const struct sc_board_type *t)
{
    int64_t lag = s->real_ms - t->last_record;
    return lag > 1 ? lag : 1; /* 0 is "not known" */
}

static void put_times(struct sheet *s)
{
    static const enum sc_metric metrics[] = {SC_METRIC_INTERVAL, SC_METRIC_LAST_POLL, SC_METRIC_LAST_SUCCESS, SC_METRIC_LAST_RECORD, SC_METRIC_LAG,
                                             SC_METRIC_NEXT_POLL};
    for (size_t m = 0; m < sizeof metrics / sizeof *metrics; m++) {
        sc_metric_begin(s->out, metrics[m]);
        for (size_t i = 0; i < s->type_count; i++) {
            const struct sc_board_type *t = s->types[i].type;
            const int64_t values[] = {t->interval_ms, t->last_poll, t->last_success, t->last_record, t->last_record ? lag_of(s, t) : 0, t->next_poll};
            if (values[m] > 0)
                sc_metric_milli(s->out, metrics[m], labels_of(s, &s->types[i]), NULL, NULL, values[m]);
        }
    }
    sc_metric_begin(s->out, SC_METRIC_NATS_WAIT);
    for (size_t i = 0; i < s->type_count; i++)
        sc_metric_milli(s->out, SC_METRIC_NATS_WAIT, labels_of(s, &s->types[i]), NULL, NULL, (int64_t)s->types[i].type->counts.nats_wait_ms);
}

/* ---- sources ------------------------------------------------------------------------------------------------------------------------------ */

static void put_sources(struct sheet *s)
{
    static const char *const phases[] = {"dns", "connect", "tls", "first_byte", "transfer"};
    sc_metric_begin(s->out, SC_METRIC_REQUESTS);
    for (size_t i = 0; i < s->source_count; i++)
        for (unsigned k = 0; k < SC_REPLY_CLASSES; k++)
            sc_metric_count(s->out, SC_METRIC_REQUESTS, labels_of(s, &s->sources[i]), "class", sc_reply_class_name(k), s->sources[i].source->counts.requests[k]);
    sc_metric_begin(s->out, SC_METRIC_REQUEST_TIME);
    for (size_t i = 0; i < s->source_count; i++) {
        const struct sc_source_counts *c = &s->sources[i].source->counts;
        sc_metric_histogram(s->out, SC_METRIC_REQUEST_TIME, labels_of(s, &s->sources[i]), sc_request_bucket_ms, c->bucket, SC_REQUEST_BUCKETS,
                            c->total_ms * 1000);
    }
    sc_metric_begin(s->out, SC_METRIC_REQUEST_PHASE);
    for (size_t i = 0; i < s->source_count; i++) {
        const struct sc_source_counts *c = &s->sources[i].source->counts;
        const uint64_t spent[] = {c->dns_ms, c->connect_ms, c->tls_ms, c->first_byte_ms, c->transfer_ms};
        for (unsigned k = 0; k < sizeof phases / sizeof *phases; k++)
            sc_metric_milli(s->out, SC_METRIC_REQUEST_PHASE, labels_of(s, &s->sources[i]), "phase", phases[k], (int64_t)spent[k]);
    }
    sc_metric_begin(s->out, SC_METRIC_BUDGET_WAITS);
    for (size_t i = 0; i < s->source_count; i++)
        sc_metric_count(s->out, SC_METRIC_BUDGET_WAITS, labels_of(s, &s->sources[i]), NULL, NULL, s->sources[i].source->counts.budget_waits);
    sc_metric_begin(s->out, SC_METRIC_BUDGET_WAIT);
    for (size_t i = 0; i < s->source_count; i++)
        sc_metric_milli(s->out, SC_METRIC_BUDGET_WAIT, labels_of(s, &s->sources[i]), NULL, NULL, (int64_t)s->sources[i].source->counts.budget_wait_ms);
}

int sc_admin_metrics(const struct sc_admin_view *view, struct sc_buf *out)
{
    struct sheet s = {.view = view, .out = out, .real_ms = sc_real_ms()};
    out->max = TEXT_MAX;
    sc_buf_init(&s.labels, TEXT_MAX);
    int rc = collect(&s);
    if (rc == 0) {
        put_agent(&s);
        put_nats(&s);
        put_states(&s);
        put_counts(&s);
        put_times(&s);
        put_sources(&s);
        put_pipeline(&s);
    }
    let_go(&s);
    return rc || out->failed ? 503 : 200;
}
