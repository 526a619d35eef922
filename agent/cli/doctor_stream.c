/* doctor: the stream that takes the artifacts, who reads it, and where its message ids go. */
#include "cli/doctor.h"

#include "base/clock.h"
#include "nats/session.h"

#include <stdio.h>
#include <stdlib.h>

#define SHORT_WINDOW_MS 10000
#define NEAR_PERCENT    90
#define IDLE_MS         300000 /* a consumer with work that has not been seen for so long */
#define SUBJECTS_MAX    32
#define OURS            "signal-client/" /* ce-source begins so */

/* ---- limits ------------------------------------------------------------------------------------------------------------ */

static bool find_stream(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    const struct sc_settings *s = &d->cli->settings;
    int rc = sc_stream_find(d->session, s->nats_subject, &d->stream, &err);
    d->stream_known = rc == 0;
    if (rc < 0)
        sc_check(d, "stream", strstr(err.text, "permission denied") ? SC_CHECK_SKIPPED : SC_CHECK_BAD, "Look at the server's log.", "%s", err.text);
    else if (rc > 0)
        sc_check(d, "stream", SC_CHECK_BAD,
                 s->nats_create ? "The agent makes it when it starts (nats.create is true); if it runs already, look at its log."
                                : "Make one (`nats stream add DATA`), or let the agent do it with nats.create = true (NATS_CREATE=true); if one is there, its subjects or "
                                  "nats.subject (appliance_id) are not what is meant.",
                 "no stream takes %s: polling waits, nothing is lost", s->nats_subject);
    return rc == 0;
}

static void check_limits(struct sc_doctor *d)
{
    const struct sc_stream_info *s = &d->stream;
    char size[SC_SIZE_TEXT], age[SC_TIME_TEXT];
    struct sc_buf text SC_AUTO_BUF = {0};
    bool bytes = s->max_bytes > 0 && s->bytes / NEAR_PERCENT >= (uint64_t)s->max_bytes / 100;
    bool messages = s->max_msgs > 0 && s->messages / NEAR_PERCENT >= (uint64_t)s->max_msgs / 100;
    bool limited = s->max_bytes > 0 || s->max_msgs > 0 || s->max_age_ns > 0 || s->max_msgs_per_subject > 0;
    bool at_limit = s->max_msgs > 0 && s->messages >= (uint64_t)s->max_msgs;
    const char *full = !s->discard_new || !(bytes || messages) ? "" : at_limit ? " is full" : " is nearly full";
    sc_buf_addf(&text, "%s%s: %llu messages, ", s->name, full, (unsigned long long)s->messages);
    if (s->max_bytes > 0)
        sc_buf_add_str(&text, sc_size_pair(s->bytes, (uint64_t)s->max_bytes, size));
    else
        sc_buf_addf(&text, "%s, no limit in bytes", sc_size_text(s->bytes, size));
    if (s->max_msgs > 0)
        sc_buf_addf(&text, ", at most %lld messages", (long long)s->max_msgs);
    if (s->max_age_ns > 0)
        sc_buf_addf(&text, ", at most %s old", sc_duration_text(s->max_age_ns / 1000000, age));
    if (s->max_msgs_per_subject > 0)
        sc_buf_addf(&text, ", at most %lld for each subject", (long long)s->max_msgs_per_subject);
    sc_buf_addf(&text, ", discards %s", s->discard_new ? "new" : "old");
    if ((bytes || messages) && s->discard_new)
        sc_check(d, "stream", SC_CHECK_BAD, "Raise max_bytes or max_msgs, or start what reads the stream: at the limit it refuses, and polling pauses (nothing is lost).", "%s",
                 text.ptr);
    else if (!s->discard_new && limited)
        sc_check(d, "stream", SC_CHECK_NOTICE, "With `discard: old` or an age it deletes what nobody has read; use `discard: new` with room where that matters.", "%s",
                 text.ptr);
    else
        sc_check(d, "stream", SC_CHECK_OK, NULL, "%s", sc_buf_str(&text).ptr);
}

/* What the promise rests on. */
static void check_settings(struct sc_doctor *d)
{
    const struct sc_stream_info *s = &d->stream;
    const json_t *config = json_object_get(d->stream_config, "config");
    const char *storage = sc_json_text(config, "storage");
    char window[SC_TIME_TEXT], size[SC_SIZE_TEXT];
    if (s->no_ack)
        sc_check(d, "stream settings", SC_CHECK_BAD, "Set no_ack to false: without acknowledgements nothing can be promised, and nothing is published.",
                 "%s is set to no_ack: stream_refused", s->name);
    if (json_is_object(json_object_get(config, "mirror")))
        sc_check(d, "stream settings", SC_CHECK_BAD, "Let the agent publish to the origin, not to its mirror.", "%s is a mirror: nothing can be published to it", s->name);
    if (json_is_true(json_object_get(config, "sealed")))
        sc_check(d, "stream settings", SC_CHECK_BAD, "Make another stream for the subject: a sealed one takes nothing any more.", "%s is sealed", s->name);
    if (strcmp(storage, "memory") == 0)
        sc_check(d, "stream storage", SC_CHECK_NOTICE, "Use file storage: a restart of the server loses what lies in memory.", "%s is kept in memory alone", s->name);
    if (s->duplicate_window_ns / 1000000 < SHORT_WINDOW_MS)
        sc_check(d, "stream settings", SC_CHECK_NOTICE, "Set duplicate_window to 2m: what still lies in a broken connection may be stored twice.",
                 "message ids are remembered for %s", sc_duration_text(s->duplicate_window_ns / 1000000, window));
    if (s->retention != SC_RETENTION_LIMITS)
        sc_check(d, "stream settings", SC_CHECK_NOTICE, "Use retention by limits where each record must come exactly once (docs/guarantees.md).",
                 "retention is %s: what was consumed cannot be read back, so the promise is `bounded`", s->retention == SC_RETENTION_WORKQUEUE ? "workqueue" : "interest");
    if (s->max_msg_size > 0 && s->max_msg_size < 65536)
        sc_check(d, "stream settings", SC_CHECK_NOTICE, "Raise max_msg_size: larger records go to the dead letters.", "messages up to %s are taken",
                 sc_size_text((uint64_t)s->max_msg_size, size));
    if (!s->no_ack)
        sc_check(d, "stream settings", SC_CHECK_OK, NULL, "%s storage, %lld replica%s, duplicate window %s, acknowledges", *storage ? storage : "unknown",
                 (long long)json_integer_value(json_object_get(config, "num_replicas")), json_integer_value(json_object_get(config, "num_replicas")) == 1 ? "" : "s",
                 sc_duration_text(s->duplicate_window_ns / 1000000, window));
}

/* ---- who reads --------------------------------------------------------------------------------------------------------- */

static void check_consumer(struct sc_doctor *d, const struct sc_consumer_info *c, unsigned *ret_quiet)
{
    char ago[48];
    int64_t now = sc_real_ms();
    bool waits = c->pending + c->ack_pending > 0, there = c->push ? c->bound : c->waiting > 0;
    bool old = c->active_ms == SC_TIME_NONE || now - c->active_ms > IDLE_MS;
    uint64_t gone = waits && d->stream.first_seq > c->ack_floor_seq + 1 ? d->stream.first_seq - 1 - c->ack_floor_seq : 0;
    if (gone)
        sc_check(d, "readers", SC_CHECK_BAD, "Give the stream more room or `discard: new`, and start what reads it: these artifacts are lost to that reader.",
                 "%s deletes what consumer %s has not read: %llu artifacts are gone, %llu wait", d->stream.name, c->name, (unsigned long long)gone,
                 (unsigned long long)c->pending);
    else if (waits && old && (!there || c->pending))
        sc_check(d, "readers", SC_CHECK_NOTICE, "Start what reads it (the Artifact Exporter), or delete the consumer if it is no longer wanted.",
                 "consumer %s: %llu artifacts unread, %llu not acknowledged, %s%s", c->name, (unsigned long long)c->pending, (unsigned long long)c->ack_pending,
                 c->active_ms == SC_TIME_NONE ? "never seen reading" : "idle since ", c->active_ms == SC_TIME_NONE ? "" : sc_ago_text(c->active_ms, now, ago));
    else
        (*ret_quiet)++;
}

static void check_readers(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_buf copies SC_AUTO_BUF = {0};
    struct sc_consumers *list = calloc(1, sizeof *list);
    unsigned quiet = 0;
    if (!list || sc_stream_consumers(d->session, d->stream.name, list, &err)) {
        sc_check(d, "readers", SC_CHECK_SKIPPED, NULL, "who reads %s is not known: %s", d->stream.name, err.text);
        free(list);
        return;
    }
    bool copied = sc_stream_copies(d->session, d->stream.name, &copies, &err) == 0 && copies.len;
    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i].durable || list->at[i].acks)
            check_consumer(d, &list->at[i], &quiet);
        else
            quiet++;
    if (copied)
        sc_check(d, "readers", SC_CHECK_OK, NULL, "%s is copied by stream %s", d->stream.name, copies.ptr);
    if (list->total == 0 && !copied)
        sc_check(d, "readers", SC_CHECK_NOTICE, "Start what reads it (the Artifact Exporter); until then the artifacts wait in the stream.", "nobody reads %s: it has no consumer",
                 d->stream.name);
    else if (quiet)
        sc_check(d, "readers", SC_CHECK_OK, NULL, "%u of %u consumers are up to date or reading", quiet, list->total);
    free(list);
}

/* ---- message ids ------------------------------------------------------------------------------------------------------- */

/* The server remembers ids for a whole stream, whatever the subject: a copy that bears ours is taken for the double of the original, and dropped, or
 * makes the original look so. *ret_id: that of the newest message there. */
static bool bears_ours(struct sc_doctor *d, const char *subject, char *id, size_t cap, char *source, size_t source_cap)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_stored_msg msg = {0};
    bool ours = sc_stream_get_last(d->session, d->stream.name, subject, &msg, &err) == 0 && sc_stored_header(sc_buf_str(&msg.headers), "Nats-Msg-Id", id, cap) &&
                sc_stored_header(sc_buf_str(&msg.headers), "ce-source", source, source_cap) && strncmp(source, OURS, strlen(OURS)) == 0;
    sc_stored_msg_done(&msg);
    return ours;
}

static void check_ids(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    const char *mine = d->cli->settings.nats_subject, *subject;
    char api[300], id[600], source[300];
    unsigned looked = 0, found = 0;
    snprintf(api, sizeof api, "STREAM.INFO.%s", d->stream.name);
    json_t *info = sc_doctor_ask(d, api, "{\"subjects_filter\":\">\"}", NULL, &err), *count;
    json_t *subjects = json_object_get(json_object_get(info, "state"), "subjects");
    json_object_foreach (subjects, subject, count) {
        if (strcmp(subject, mine) == 0 || looked == SUBJECTS_MAX)
            continue;
        looked++;
        if (!bears_ours(d, subject, id, sizeof id, source, sizeof source))
            continue;
        found++;
        sc_check(d, "message ids", SC_CHECK_BAD,
                 "Whoever copies artifacts must leave the header Nats-Msg-Id behind, or use a stream of its own: NATS takes one of the two for a double and drops it.",
                 "subject %.100s of the same stream bears our message ids (\"%.80s\")", subject, id);
    }
    if (!info)
        sc_check(d, "message ids", SC_CHECK_SKIPPED, NULL, "other subjects of the stream cannot be seen: %s", err.text);
    else if (!found)
        sc_check(d, "message ids", SC_CHECK_OK, NULL, "%u other subjects of the stream looked at, none bears ours", looked);
    json_decref(info);
}

void sc_doctor_stream(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    char api[300];
    if (!find_stream(d))
        return;
    snprintf(api, sizeof api, "STREAM.INFO.%s", d->stream.name);
    d->stream_config = sc_doctor_ask(d, api, NULL, NULL, &err);
    check_limits(d);
    check_settings(d);
    check_readers(d);
    check_ids(d);
}
