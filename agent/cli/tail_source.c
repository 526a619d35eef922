/* The stream as `tail` reads it. Where consumers are allowed, by an ephemeral one that acknowledges nothing and is deleted at the end
 * (should that fail, the server forgets it by itself); on a work queue, which a consumer would empty, by asking for one sequence after
 * the other. `at` is the one position: whatever breaks, reading goes on behind it. */
#include "cli/tail.h"

#include "base/clock.h"
#include "nats/consumer.h"

#include <poll.h>
#include <stdlib.h>

#define TIMEOUT_MS   2000
#define HEARTBEAT_MS 1000
#define FIRST_SPAN   1000 /* messages looked at for --last, doubled each time */
#define MAX_SPAN     1000000
#define IDLE_LOOKS   10 /* without a message, before the stream itself is looked at again */

struct sc_tail_source {
    const struct sc_cli *cli;
    struct sc_session *session;
    struct sc_stream_info stream;
    bool begun;       /* `at` is known */
    uint64_t at;      /* everything up to here was told */
    uint64_t goal;    /* the last message there was at the beginning */
    bool caught_up;
    bool by_get, consuming;
    unsigned idle;    /* looks in a row that found nothing */
    struct sc_consumer consumer;
    natsMsg *held;    /* what the last message handed out points into */
    struct sc_stored_msg stored;
    struct sc_buf headers;
};

/* ---- where to begin ---------------------------------------------------------------------------------------------------- */

static uint64_t before_first(const struct sc_stream_info *stream)
{
    return stream->first_seq ? stream->first_seq - 1 : 0;
}

static int get(struct sc_tail_source *source, uint64_t seq, struct sc_error *err)
{
    return sc_stream_get(source->session, source->stream.name, seq, source->cli->settings.nats_subject, &source->stored, err);
}

/* Halves what may still hold the first message stored at that time or later. */
static int seek_time(struct sc_tail_source *source, int64_t since_ms, struct sc_error *err)
{
    uint64_t low = before_first(&source->stream) + 1, high = source->stream.last_seq + 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int rc = get(source, middle, err);
        if (rc < 0)
            return -1;
        if (rc > 0 || sc_time_parse_rfc3339(sc_str_of(source->stored.time)) >= since_ms)
            high = middle;
        else
            low = source->stored.seq + 1;
    }
    source->at = low - 1;
    return 0;
}

/* Sequences of the newest messages that match, of one span. */
struct newest {
    const struct sc_tail_start *start;
    struct sc_artifact artifact;
    uint64_t *ring;
    uint64_t room, found;
};

static int keep_match(void *arg, uint64_t seq, struct sc_str msg_id, struct sc_str headers)
{
    struct newest *newest = arg;
    (void)msg_id;
    if (sc_artifact_read(&newest->artifact, headers))
        return -1;
    if (sc_artifact_matches(&newest->artifact, newest->start->integration, newest->start->data_type))
        newest->ring[newest->found++ % newest->room] = seq;
    return 0;
}

/* Spans from the end backwards, until enough messages match. */
static int seek_newest(struct sc_tail_source *source, const struct sc_tail_start *start, struct sc_error *err)
{
    struct newest newest = {.start = start, .ring = calloc(start->last, sizeof(uint64_t)), .room = start->last};
    uint64_t first = before_first(&source->stream), to = source->stream.last_seq, span = FIRST_SPAN;
    int rc = newest.ring ? 0 : sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    source->at = first;
    while (rc == 0 && to > first) {
        struct sc_readback job = {.from = to - first > span ? to - span : first,
                                  .to = to,
                                  .stream = source->stream.name,
                                  .subject = source->cli->settings.nats_subject,
                                  .arg = &newest,
                                  .message = keep_match};
        newest.found = 0;
        rc = sc_stream_readback(source->session, &job, err);
        if (rc == 0 && newest.found >= newest.room) {
            source->at = newest.ring[newest.found % newest.room] - 1;
            break;
        }
        newest.room -= newest.found;
        to = job.from;
        span = span < MAX_SPAN ? 2 * span : span;
    }
    sc_artifact_done(&newest.artifact);
    free(newest.ring);
    return rc;
}

static int find_begin(struct sc_tail_source *source, const struct sc_tail_start *start, struct sc_error *err)
{
    struct sc_error none = SC_ERROR_INIT;
    int rc = sc_stream_get_last(source->session, source->stream.name, source->cli->settings.nats_subject, &source->stored, &none);
    if (rc < 0)
        return sc_fail(err, none.reason, "%s", none.text);
    source->goal = rc == 0 ? source->stored.seq : 0;
    source->at = source->stream.last_seq;
    if (start->last && seek_newest(source, start, err))
        return -1;
    uint64_t by_count = start->last ? source->at : 0;
    if (start->since_ms != SC_TIME_NONE && seek_time(source, start->since_ms, err))
        return -1;
    if (by_count > source->at)
        source->at = by_count;
    source->caught_up = source->at >= source->goal;
    source->begun = true;
    return 0;
}

/* ---- attaching --------------------------------------------------------------------------------------------------------- */

static void detach(struct sc_tail_source *source)
{
    natsMsg_Destroy(source->held);
    source->held = NULL;
    if (source->consuming)
        sc_consumer_close(&source->consumer);
    source->consuming = false;
}

/* What a restart, a purge or somebody's hand did to the stream meanwhile. */
static void compare(struct sc_tail_source *source, const struct sc_stream_info *before)
{
    const struct sc_stream_info *now = &source->stream;
    if (strcmp(before->created, now->created) != 0) {
        sc_say(0, "stream %s was made anew: going on at its beginning", now->name);
        source->at = 0;
    } else if (now->last_seq < source->at) {
        sc_say(0, "stream %s lost its end (it reaches to %llu, was read to %llu): going on with what is new", now->name,
               (unsigned long long)now->last_seq, (unsigned long long)source->at);
        source->at = now->last_seq;
    } else if (before_first(now) > source->at && now->messages) {
        sc_say(0, "messages %llu to %llu have left the stream before they were read", (unsigned long long)source->at + 1,
               (unsigned long long)before_first(now));
    }
}

static bool is_refused(int code)
{
    return code == 10084 || (code >= 10098 && code <= 10101);
}

static int attach_consumer(struct sc_tail_source *source, struct sc_error *err)
{
    const struct sc_consumer_config config = {
        .stream = source->stream.name,
        .subject = source->cli->settings.nats_subject,
        .deliver = "by_start_sequence",
        .start_seq = source->at + 1,
        .heartbeat_ms = HEARTBEAT_MS,
    };
    struct sc_error why = SC_ERROR_INIT;
    int code = 0;
    source->by_get = source->stream.retention == SC_RETENTION_WORKQUEUE; /* not even tried: it would take messages away */
    if (!source->by_get && sc_consumer_open(&source->consumer, source->session, &config, &code, &why) == 0)
        source->consuming = true;
    else if (!source->by_get && !is_refused(code))
        return sc_fail(err, why.reason, "%s", why.text);
    source->by_get = !source->consuming;
    return 0;
}

static int attach(struct sc_tail_source *source, const struct sc_tail_start *start, struct sc_error *err)
{
    const struct sc_stream_info before = source->stream;
    const bool known = source->begun;
    const char *subject = source->cli->settings.nats_subject;
    detach(source);
    int rc = sc_stream_find(source->session, subject, &source->stream, err);
    if (rc) {
        source->stream = before;
        return rc < 0 ? -1
                      : sc_fail(err, SC_REASON_NO_STREAM,
                                "no stream takes %s: nothing can have been published. Is nats.subject (appliance_id) that of the agent? "
                                "`signal-client run --nats.create=true` makes the stream",
                                subject);
    }
    if (!known && find_begin(source, start, err))
        return -1;
    if (known)
        compare(source, &before);
    /* asked below its first sequence, a stream need not answer from the first one on */
    if (source->at < before_first(&source->stream))
        source->at = before_first(&source->stream);
    return attach_consumer(source, err);
}

/* ---- life -------------------------------------------------------------------------------------------------------------- */

struct sc_tail_source *sc_tail_source_new(const struct sc_cli *cli)
{
    struct sc_tail_source *source = calloc(1, sizeof *source);
    if (source)
        source->cli = cli;
    return source;
}

static void disconnect(struct sc_tail_source *source)
{
    detach(source);
    source->session = sc_session_close(source->session);
}

struct sc_tail_source *sc_tail_source_free(struct sc_tail_source *source)
{
    if (!source)
        return NULL;
    disconnect(source);
    sc_stored_msg_done(&source->stored);
    sc_buf_done(&source->headers);
    free(source);
    return NULL;
}

int sc_tail_source_open(struct sc_tail_source *source, const struct sc_tail_start *start, struct sc_error *err)
{
    bool first = !source->begun;
    disconnect(source);
    source->session = sc_open_nats(source->cli, TIMEOUT_MS, err);
    if (!source->session)
        return -1;
    if (attach(source, start, err)) {
        disconnect(source);
        return -1;
    }
    if (first && source->by_get)
        sc_say(0, "stream %s is a work queue: it is looked at without taking from it; what is consumed within moments may not be seen",
               source->stream.name);
    return 0;
}

bool sc_tail_source_caught_up(const struct sc_tail_source *source)
{
    return source->caught_up;
}

struct sc_session *sc_tail_source_session(struct sc_tail_source *source)
{
    return source->session;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static void move_to(struct sc_tail_source *source, uint64_t seq)
{
    source->at = seq;
    source->caught_up |= seq >= source->goal;
}

/* Where nothing arrives, the last message of the beginning may have left the stream meanwhile. */
static int look_for_goal(struct sc_tail_source *source, struct sc_error *err)
{
    int rc = source->caught_up ? 0 : get(source, source->at + 1, err);
    if (!source->caught_up && (rc == 1 || (rc == 0 && source->stored.seq > source->goal)))
        source->caught_up = true;
    return rc < 0 ? -1 : 0;
}

static const struct sc_tail_start nowhere = {.since_ms = SC_TIME_NONE}; /* it has begun long ago */

static int next_by_get(struct sc_tail_source *source, int64_t timeout_ms, struct sc_tail_message *ret, struct sc_error *err)
{
    int rc = get(source, source->at + 1, err);
    if (rc < 0)
        return -1;
    if (rc > 0) {
        source->caught_up = true;
        if (++source->idle % IDLE_LOOKS == 0 && attach(source, &nowhere, err))
            return -1;
        poll(NULL, 0, (int)timeout_ms);
        return 0;
    }
    source->idle = 0;
    const struct sc_stored_msg *msg = &source->stored;
    move_to(source, msg->seq);
    *ret = (struct sc_tail_message){msg->seq, sc_buf_str(&msg->subject), sc_buf_str(&msg->headers), sc_buf_str(&msg->data)};
    return 1;
}

/* Takes the delivered message. */
static int hand_out(struct sc_tail_source *source, const struct sc_delivery *delivery, struct sc_tail_message *ret, struct sc_error *err)
{
    source->held = delivery->msg;
    if (delivery->at.stream_seq <= source->at)
        return 0;
    if (sc_delivery_headers(&source->consumer, delivery, &source->headers, err))
        return -1;
    move_to(source, delivery->at.stream_seq);
    const char *data = natsMsg_GetData(delivery->msg);
    *ret = (struct sc_tail_message){source->at, sc_str_of(natsMsg_GetSubject(delivery->msg)), sc_buf_str(&source->headers),
                                    (struct sc_str){data ? data : "", (size_t)natsMsg_GetDataLength(delivery->msg)}};
    return 1;
}

int sc_tail_source_next(struct sc_tail_source *source, int64_t timeout_ms, struct sc_tail_message *ret, struct sc_error *err)
{
    struct sc_delivery delivery;
    if (source->by_get)
        return next_by_get(source, timeout_ms, ret, err);
    natsMsg_Destroy(source->held);
    source->held = NULL;
    switch (sc_consumer_next(&source->consumer, timeout_ms, &delivery, err)) {
    case SC_CONSUMER_MESSAGE:
        return hand_out(source, &delivery, ret, err);
    case SC_CONSUMER_HOLE:
        return attach(source, &nowhere, err) ? -1 : 0;
    case SC_CONSUMER_NOTHING:
    case SC_CONSUMER_DRAINED:
        return look_for_goal(source, err);
    default:
        return -1;
    }
}
