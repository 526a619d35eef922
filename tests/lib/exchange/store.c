/* The buckets, and the stream as those see it who read it back: session.h's functions that recover.c calls, and the status writer. */
#include "broker_private.h"

#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>

#define STATUS "INTEGRATION_STATUS"

struct ex_value *ex_broker_value(struct sc_publisher *b, const char *bucket, const char *key)
{
    for (struct ex_value *v = b->values; v; v = v->next) {
        if (strcmp(v->key, key) == 0 && strcmp(v->bucket, bucket) == 0)
            return v;
    }
    return NULL;
}

struct ex_value *ex_broker_values(struct sc_publisher *b)
{
    return b->values;
}

/* NULL value: a marker. */
static uint64_t set(struct sc_publisher *b, const char *bucket, const char *key, const char *value, size_t len)
{
    struct ex_value *v = ex_broker_value(b, bucket, key);
    if (!v) {
        v = calloc(1, sizeof *v);
        if (!v)
            abort();
        v->bucket = sc_dup(bucket);
        v->key = sc_dup(key);
        v->next = b->values;
        b->values = v;
    }
    sc_buf_clear(&v->value);
    if (value)
        sc_buf_add(&v->value, value, len);
    v->deleted = !value;
    return v->rev = ++b->kv_seq;
}

void ex_broker_write(struct sc_publisher *b, const char *bucket, const char *key, const char *value)
{
    set(b, bucket, key, value, strlen(value));
}

void ex_store_free(struct sc_publisher *b)
{
    while (b->values) {
        struct ex_value *v = b->values;
        b->values = v->next;
        free(v->bucket);
        free(v->key);
        sc_buf_done(&v->value);
        free(v);
    }
}

/* ---- the publisher's writes ---------------------------------------------------------------------------------------------------- */

void ex_store_write(struct sc_publisher *b, struct sc_kv_write *write)
{
    struct ex_value *v = ex_broker_value(b, write->bucket, write->key);
    uint64_t rev = v ? v->rev : SC_KV_REV_ABSENT;
    if (write->expected_rev != SC_KV_REV_ANY && write->expected_rev != rev) {
        write->result = SC_KV_CONFLICT;
        write->current_rev = rev;
        if (v)
            sc_buf_add(&write->current, v->value.ptr ? v->value.ptr : "", v->value.len);
    } else {
        write->result = SC_KV_OK;
        write->rev = set(b, write->bucket, write->key, write->purge ? NULL : write->value.ptr, write->value.len);
    }
    sc_mailbox_return(write->home, &write->mail);
}

/* ---- reader and status writer ---------------------------------------------------------------------------------------------------- */

struct sc_reader *ex_broker_reader(struct sc_publisher *b)
{
    return &b->reader;
}

void sc_reader_post(struct sc_reader *reader, struct sc_read_job *job)
{
    ex_queue_put(&reader->broker->jobs, &job->mail);
}

struct sc_status_writer *ex_broker_status(struct sc_publisher *b)
{
    return &b->status;
}

void sc_status_post(struct sc_status_writer *w, const char *integration, char *json)
{
    set(w->broker, STATUS, integration, json, json ? strlen(json) : 0);
    free(json);
}

const char *ex_broker_status_of(struct sc_publisher *b, const char *integration)
{
    const struct ex_value *v = ex_broker_value(b, STATUS, integration);
    return v && !v->deleted ? v->value.ptr : NULL;
}

/* ---- session.h, as far as recover.c uses it ---------------------------------------------------------------------------------------- */

/* What the linker puts in the place of agent/nats's own. */
int __wrap_sc_kv_get(struct sc_session *session, const char *bucket, const char *key, struct sc_kv_entry *ret, struct sc_error *err);
int __wrap_sc_kv_put(struct sc_session *session, const char *bucket, const char *key, const void *value, size_t len, uint64_t expected_rev,
                     uint64_t *ret_rev, struct sc_error *err);
int __wrap_sc_kv_info(struct sc_session *session, const char *bucket, struct sc_stream_info *ret, struct sc_error *err);
int __wrap_sc_kv_ensure(struct sc_session *session, const char *bucket, int history, char *ret_created, struct sc_error *err);
int __wrap_sc_stream_info(struct sc_session *session, const char *name, struct sc_stream_info *ret, struct sc_error *err);
int __wrap_sc_stream_get(struct sc_session *session, const char *stream, uint64_t seq, const char *next_subject, struct sc_stored_msg *ret,
                         struct sc_error *err);
int __wrap_sc_stream_readback(struct sc_session *session, struct sc_readback *job, struct sc_error *err);

int __wrap_sc_kv_get(struct sc_session *session, const char *bucket, const char *key, struct sc_kv_entry *ret, struct sc_error *err)
{
    const struct ex_value *v = ex_broker_value(session->broker, bucket, key);
    (void)err;
    if (!v)
        return 1;
    ret->rev = v->rev;
    ret->deleted = v->deleted;
    sc_buf_clear(&ret->value);
    sc_buf_add(&ret->value, v->value.ptr ? v->value.ptr : "", v->value.len);
    return 0;
}

int __wrap_sc_kv_put(struct sc_session *session, const char *bucket, const char *key, const void *value, size_t len, uint64_t expected_rev,
                     uint64_t *ret_rev, struct sc_error *err)
{
    const struct ex_value *v = ex_broker_value(session->broker, bucket, key);
    (void)err;
    if ((v ? v->rev : SC_KV_REV_ABSENT) != expected_rev)
        return 1;
    *ret_rev = set(session->broker, bucket, key, value, len);
    return 0;
}

int __wrap_sc_kv_info(struct sc_session *session, const char *bucket, struct sc_stream_info *ret, struct sc_error *err)
{
    (void)session;
    (void)err;
    *ret = (struct sc_stream_info){0};
    snprintf(ret->name, sizeof ret->name, "KV_%s", bucket);
    return 0;
}

int __wrap_sc_kv_ensure(struct sc_session *session, const char *bucket, int history, char *ret_created, struct sc_error *err)
{
    (void)session;
    (void)bucket;
    (void)history;
    (void)err;
    if (ret_created)
        ret_created[0] = '\0';
    return 0;
}

int __wrap_sc_stream_info(struct sc_session *session, const char *name, struct sc_stream_info *ret, struct sc_error *err)
{
    const struct sc_publisher *b = session->broker;
    (void)err;
    uint64_t there = b->stream_count + 1 > b->first_seq ? b->stream_count + 1 - b->first_seq : 0;
    *ret = (struct sc_stream_info){.first_seq = b->first_seq, .last_seq = b->stream_count, .retention = b->facts.retention,
                                   .messages = there > b->lacks ? there - b->lacks : 0};
    snprintf(ret->name, sizeof ret->name, "%s", name);
    snprintf(ret->created, sizeof ret->created, "%s", b->facts.stream_created);
    return 0;
}

static void headers_of(const struct ex_record *r, struct sc_buf *out)
{
    sc_buf_clear(out);
    sc_buf_addf(out, "NATS/1.0\r\nNats-Msg-Id: %s\r\n", r->msg_id);
    if (r->ce_time)
        sc_buf_addf(out, "ce-time: %s\r\n", r->ce_time);
    sc_buf_add_str(out, "\r\n");
}

int __wrap_sc_stream_get(struct sc_session *session, const char *stream, uint64_t seq, const char *next_subject, struct sc_stored_msg *ret,
                         struct sc_error *err)
{
    const struct sc_publisher *b = session->broker;
    (void)stream;
    (void)err;
    if (next_subject && seq < b->first_seq) /* they are all of that subject */
        seq = b->first_seq;
    if (seq < b->first_seq || seq > b->stream_count)
        return 1;
    ret->seq = seq;
    sc_time_rfc3339(b->stream[seq - 1]->stored_ms, ret->time);
    headers_of(b->stream[seq - 1], &ret->headers);
    return 0;
}

int __wrap_sc_stream_readback(struct sc_session *session, struct sc_readback *job, struct sc_error *err)
{
    const struct sc_publisher *b = session->broker;
    struct sc_buf headers = {0};
    uint64_t last = job->to < b->stream_count ? job->to : b->stream_count;
    job->seen = 0;
    job->first_seq = b->first_seq;
    job->floor_gone = job->from < last && b->first_seq > job->from + 1;
    job->by_get = b->facts.retention == SC_RETENTION_WORKQUEUE;
    int rc = 0;
    for (uint64_t seq = job->from + 1; rc == 0 && seq <= last; seq++) {
        if (seq < b->first_seq)
            continue;
        const struct ex_record *r = b->stream[seq - 1];
        headers_of(r, &headers);
        job->seen++;
        if (job->message(job->arg, seq, sc_str_of(r->msg_id), sc_buf_str(&headers)))
            rc = sc_fail(err, SC_REASON_INTERNAL, "stopped");
    }
    sc_buf_done(&headers);
    return rc;
}
