/* Read-back: which of our messages does the stream hold? See session.h and exactness.md 5.
 *
 * The pass ends at a message with a sequence of `to` or more, or when the server says that no more
 * is there. The latter is believed only after a look for the next message by a request: an end seen
 * too early would let a record be sent twice. */
#include "base/clock.h"
#include "nats/internal.h"

#define REPEATS     5
#define BATCH       2000
#define PROGRESS_MS 1000

struct pass {
    struct sc_session *session;
    struct sc_readback *job;
    uint64_t at; /* everything up to here was told */
    int64_t next_progress_ms;
    struct sc_buf headers;
};

static int stopped(struct sc_error *err)
{
    return sc_fail(err, SC_REASON_OFFLINE, "stopped");
}

static int tell(struct pass *pass, uint64_t seq, struct sc_str headers, struct sc_error *err)
{
    char id[1024];
    struct sc_str msg_id = {0};
    if (sc_stored_header(headers, "Nats-Msg-Id", id, sizeof id))
        msg_id = sc_str_of(id);
    pass->job->seen++;
    pass->at = seq;
    if (pass->job->message(pass->job->arg, seq, msg_id, headers))
        return stopped(err);
    return 0;
}

static int progress(struct pass *pass, struct sc_error *err)
{
    int64_t now = sc_mono_ms();
    if (now < pass->next_progress_ms)
        return 0;
    pass->next_progress_ms = now + PROGRESS_MS;
    if (pass->job->progress && pass->job->progress(pass->job->arg, pass->at, pass->job->to))
        return stopped(err);
    return 0;
}

/* The first message after `at`, by a request. 0 told; 1 none up to `to`; -1 + err. */
static int get_next(struct pass *pass, struct sc_stored_msg *msg, struct sc_error *err)
{
    struct sc_readback *job = pass->job;
    int rc = sc_stream_get(pass->session, job->stream, pass->at + 1, job->subject, msg, err);
    if (rc)
        return rc;
    return msg->seq > job->to ? 1 : 0;
}

/* Where no consumer is allowed. */
static int read_by_get(struct pass *pass, struct sc_error *err)
{
    struct sc_stored_msg msg = {0};
    int rc;
    while ((rc = get_next(pass, &msg, err)) == 0) {
        if (tell(pass, msg.seq, sc_buf_str(&msg.headers), err) || progress(pass, err)) {
            rc = -1;
            break;
        }
    }
    sc_stored_msg_done(&msg);
    return rc < 0 ? -1 : 0;
}

/* 0 the end is reached; 1 a hole: go on from pass->at; -1 + err. */
static int drain(struct pass *pass, struct sc_consumer *consumer, struct sc_error *err)
{
    struct sc_readback *job = pass->job;
    for (;;) {
        struct sc_delivery delivery;
        int got = sc_consumer_next(consumer, PROGRESS_MS, &delivery, err);
        if (got < 0)
            return -1;
        if (got == SC_CONSUMER_HOLE)
            return 1;
        bool end = got == SC_CONSUMER_DRAINED;
        if (got == SC_CONSUMER_MESSAGE) {
            uint64_t seq = delivery.at.stream_seq;
            int rc = 0;
            end = delivery.at.pending == 0;
            if (seq <= job->to && seq > pass->at) {
                rc = sc_delivery_headers(consumer, &delivery, &pass->headers, err);
                if (rc == 0)
                    rc = tell(pass, seq, sc_buf_str(&pass->headers), err);
            }
            natsMsg_Destroy(delivery.msg);
            if (rc)
                return -1;
            if (seq >= job->to)
                return 0;
        }
        if (end)
            return 0;
        if (progress(pass, err))
            return -1;
    }
}

static bool refused(int code)
{
    return code == 10084 || (code >= 10098 && code <= 10101);
}

/* 0 the end is reached; 1 again from pass->at; 2 no consumer here; -1 + err. */
static int read_by_consumer(struct pass *pass, struct sc_error *err)
{
    struct sc_consumer_config config = {
        .stream = pass->job->stream,
        .subject = pass->job->subject,
        .deliver = "by_start_sequence",
        .start_seq = pass->at + 1,
        .headers_only = true,
        .batch = BATCH,
    };
    struct sc_consumer consumer;
    struct sc_error why = SC_ERROR_INIT;
    int code = 0;
    if (sc_consumer_open(&consumer, pass->session, &config, &code, &why)) {
        if (refused(code))
            return 2;
        return sc_fail(err, why.reason, "%s", why.text);
    }
    int rc = consumer.initial == 0 ? 0 : drain(pass, &consumer, err);
    sc_consumer_close(&consumer);
    return rc;
}

static int read_all(struct pass *pass, struct sc_error *err)
{
    struct sc_stored_msg msg = {0};
    int rc = -1;
    for (int repeats = 0; repeats <= REPEATS; repeats++) {
        int got = read_by_consumer(pass, err);
        if (got < 0)
            return -1;
        if (got == 2) {
            pass->job->by_get = true;
            return read_by_get(pass, err);
        }
        if (got == 0) {
            if (pass->at >= pass->job->to)
                return 0;
            rc = get_next(pass, &msg, err);
            sc_stored_msg_done(&msg);
            if (rc)
                return rc < 0 ? -1 : 0;
        }
    }
    return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                   "NATS: reading back stream %s: messages were missing %d times after sequence "
                   "%llu",
                   pass->job->stream, REPEATS + 1, (unsigned long long)pass->at);
}

int sc_stream_readback(struct sc_session *session, struct sc_readback *job, struct sc_error *err)
{
    struct sc_stream_info info;
    job->seen = 0;
    job->by_get = job->floor_gone = false;
    if (sc_stream_info(session, job->stream, &info, err))
        return -1;
    job->first_seq = info.first_seq;
    if (job->from >= job->to || job->from >= info.last_seq)
        return 0;
    job->floor_gone = info.first_seq > job->from + 1;
    struct pass pass = {.session = session, .job = job, .at = job->from};
    pass.next_progress_ms = sc_mono_ms() + PROGRESS_MS;
    /* Asked below its first sequence, a stream need not answer from the first one on. */
    if (pass.at + 1 < info.first_seq)
        pass.at = info.first_seq - 1;
    int rc = 0;
    if (pass.at < job->to && info.retention == SC_RETENTION_WORKQUEUE) {
        job->by_get = true; /* not even tried: a consumer there takes messages away */
        rc = read_by_get(&pass, err);
    } else if (pass.at < job->to) {
        rc = read_all(&pass, err);
    }
    sc_buf_done(&pass.headers);
    return rc;
}
