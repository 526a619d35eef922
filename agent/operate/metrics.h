/* The metrics: one table of what there is (for /metrics and docs/metrics.md), and a writer of the Prometheus text format 0.0.4. Names, types and
 * labels are a contract with dashboards: rows are added, never changed. Nothing here knows where a value comes from. */
#pragma once

#include "base/buf.h"

enum sc_metric_type {
    SC_METRIC_COUNTER,
    SC_METRIC_GAUGE,
    SC_METRIC_HISTOGRAM,
    SC_METRIC_UNTYPED
};

/* X(NAME, "name", TYPE, "labels", "help") */
#define SC_METRICS(X)                                                                                                                              \
    X(BUILD_INFO, "signal_client_build_info", GAUGE, "version connector_abi", "Always 1; which program this is")                                   \
    X(START_TIME, "signal_client_start_time_seconds", GAUGE, "", "When this process started")                                                      \
    X(IO_AGE, "signal_client_io_turn_age_seconds", GAUGE, "thread", "Time since the loop of an io thread turned; health fails at 30")              \
    X(VIEW_AGE, "signal_client_view_age_seconds", GAUGE, "thread", "How old the io thread's figures below are; about 1 when all is well")          \
    X(LEASE_HELD, "signal_client_lease_held", GAUGE, "", "1: this agent polls; 0: another one does, or the lease cannot be had")                   \
    X(LEASE_EPOCH, "signal_client_lease_epoch", GAUGE, "", "Number of the newest holding by this agent; grows with each taking")                   \
    X(NATS_READY, "signal_client_nats_ready", GAUGE, "", "1: connected, stream found, records are taken")                                          \
    X(NATS_REASON, "signal_client_nats_reason", GAUGE, "reason", "1 for the reason that holds (ok, broker_unavailable, stream_full, ...)")          \
    X(NATS_OUTSTANDING, "signal_client_nats_outstanding_messages", GAUGE, "", "Records and saves without an acknowledgement")                      \
    X(NATS_SEQUENCE, "signal_client_nats_stream_sequence", GAUGE, "", "Highest sequence of the stream that is known")                              \
    X(NATS_HANDED, "signal_client_nats_handed_over_total", COUNTER, "", "Records handed to NATS, those that were sent again included")             \
    X(NATS_STORED, "signal_client_nats_acknowledged_total", COUNTER, "", "Records that JetStream acknowledged, duplicates included")               \
    X(NATS_DUPLICATES, "signal_client_nats_duplicates_total", COUNTER, "", "Of these, what JetStream knew already: not stored again")              \
    X(NATS_FOUND, "signal_client_nats_found_total", COUNTER, "", "Records without an acknowledgement that a read-back found in the stream")        \
    X(NATS_RESENT, "signal_client_nats_resent_total", COUNTER, "", "Records handed over once more after a refusal or an outage")                   \
    X(NATS_RECONNECTS, "signal_client_nats_reconnects_total", COUNTER, "", "Connections of the publisher after its first")                         \
    X(NATS_STALLS, "signal_client_nats_stalls_total", COUNTER, "", "Connections given up because no acknowledgement came")                         \
    X(NATS_SAVES, "signal_client_nats_saves_total", COUNTER, "outcome", "Writes of positions and identities: ok, conflict")                        \
    X(NATS_LATENCY, "signal_client_nats_publish_seconds", HISTOGRAM, "", "From handing a record over to its acknowledgement")                      \
    X(STATE, "signal_client_state", GAUGE, "connector data_type integration state", "1 for the state that holds, 0 for the others")                \
    X(REASON, "signal_client_reason", GAUGE, "connector data_type integration reason", "1 for the reason that holds; docs/metrics.md lists them")  \
    X(PROMISE, "signal_client_promise", GAUGE, "connector data_type integration promise",                                                          \
      "1 for the promise in force: exact, bounded, at_least_once")                                                                                 \
    X(OVERFLOW, "signal_client_identities_overflowed", GAUGE, "connector data_type integration",                                                   \
      "1: more identities than poll.max_identities, older ones are forgotten")                                                                     \
    X(READ, "signal_client_records_read_total", COUNTER, "connector data_type integration", "Records read from the vendor, overlaps included")     \
    X(RECOGNISED, "signal_client_records_recognised_total", COUNTER, "connector data_type integration",                                            \
      "Of these, what was published before and is not sent again")                                                                                 \
    X(RECORDS, "signal_client_records_total", COUNTER, "connector data_type integration", "Records newly published and acknowledged")              \
    X(PAGES, "signal_client_pages_total", COUNTER, "connector data_type integration", "Pages of which every record has its outcome")               \
    X(BYTES, "signal_client_record_bytes_total", COUNTER, "connector data_type integration", "Bytes of the records on these pages")                \
    X(POLLS, "signal_client_polls_total", COUNTER, "connector data_type integration outcome", "Polls that ended: success, incomplete")             \
    X(FAILURES, "signal_client_failures_total", COUNTER, "class connector data_type integration",                                                  \
      "Requests and pages that failed and are waited for, by class of the reason")                                                                 \
    X(THROTTLED, "signal_client_throttled_total", COUNTER, "connector data_type integration", "Times that the vendor told us to wait")             \
    X(GAPS, "signal_client_gaps_total", COUNTER, "connector data_type integration", "Gap artifacts: something could not be fetched")               \
    X(DEAD_LETTERS, "signal_client_dead_letters_total", COUNTER, "connector data_type integration",                                                \
      "Records that could not be published and lie in dead_letter.dir")                                                                            \
    X(COLLISIONS, "signal_client_identity_collisions_total", COUNTER, "connector data_type integration",                                           \
      "Same identity with other bytes, published as #2")                                                                                           \
    X(NATS_WAIT, "signal_client_nats_wait_seconds_total", COUNTER, "connector data_type integration",                                              \
      "Time in which the vendor's answer was not read on because NATS was behind")                                                                 \
    X(INTERVAL, "signal_client_poll_interval_seconds", GAUGE, "connector data_type integration", "Time between polls as it is set")                \
    X(LAST_POLL, "signal_client_last_poll_timestamp_seconds", GAUGE, "connector data_type integration", "End of the newest poll; absent: none yet") \
    X(LAST_SUCCESS, "signal_client_last_success_timestamp_seconds", GAUGE, "connector data_type integration",                                      \
      "End of the newest good poll; absent: none since the start")                                                                                 \
    X(LAST_RECORD, "signal_client_last_record_timestamp_seconds", GAUGE, "connector data_type integration",                                        \
      "Own time of the newest record that the position covers; absent: not known")                                                                 \
    X(LAG, "signal_client_lag_seconds", GAUGE, "connector data_type integration",                                                                  \
      "Now less the time of that record: grows as well where the vendor has nothing new")                                                          \
    X(NEXT_POLL, "signal_client_next_poll_timestamp_seconds", GAUGE, "connector data_type integration",                                            \
      "When the next poll or request is due; absent: at work, or not known")                                                                       \
    X(REQUESTS, "signal_client_requests_total", COUNTER, "class connector source",                                                                 \
      "Requests by class of their status; 4xx without 429; none: no answer")                                                                       \
    X(REQUEST_TIME, "signal_client_request_seconds", HISTOGRAM, "connector source", "Duration of requests, from name to last byte")                \
    X(REQUEST_PHASE, "signal_client_request_phase_seconds_total", COUNTER, "connector phase source",                                               \
      "Where that time went: dns, connect, tls, first_byte, transfer")                                                                             \
    X(BUDGET_WAITS, "signal_client_budget_waits_total", COUNTER, "connector source", "Times that a request waited for the request budget")         \
    X(BUDGET_WAIT, "signal_client_budget_wait_seconds_total", COUNTER, "connector source", "How long they waited, all added up")                   \
    X(PIPELINE, "pipeline_stage_count", UNTYPED, "stage status",                                                                                   \
      "Artifacts at this stage since the start: success (newly stored), duplicate (known to JetStream), dead_letter")

enum sc_metric {
#define X(name, ...) SC_METRIC_##name,
    SC_METRICS(X)
#undef X
    SC_METRIC_COUNT
};

struct sc_metric_row {
    const char *name;
    enum sc_metric_type type;
    const char *labels; /* in alphabetical order, divided by blanks */
    const char *help;
};
const struct sc_metric_row *sc_metric_row(enum sc_metric metric);
const char *sc_metric_type_name(enum sc_metric_type type);

/* Appends name="value", with a comma before it where labels stand there already. What is not UTF-8 becomes U+FFFD, secrets "[redacted]"; a value over
 * 128 bytes is cut and ends in a hash of the whole. */
void sc_label_add(struct sc_buf *labels, const char *name, const char *value);

/* # HELP and # TYPE; once, before the family's samples. */
void sc_metric_begin(struct sc_buf *out, enum sc_metric metric);
/* A sample: labels as sc_label_add() made them, and one more whose value needs no escaping (NULL: none). */
void sc_metric_count(struct sc_buf *out, enum sc_metric metric, struct sc_str labels, const char *more, const char *more_value, uint64_t value);
/* thousandths / 1000, exactly. */
void sc_metric_milli(struct sc_buf *out, enum sc_metric metric, struct sc_str labels, const char *more, const char *more_value, int64_t thousandths);
/* bounds_ms[n] are the upper bounds; counts[n + 1] are not cumulated, the last one is above them all. */
void sc_metric_histogram(struct sc_buf *out, enum sc_metric metric, struct sc_str labels, const uint32_t *bounds_ms, const uint64_t *counts, unsigned n,
                         uint64_t sum_us);
