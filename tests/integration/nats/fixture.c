#include "fixture.h"

#include <stdio.h>

struct sc_nats_config fx_config(const struct natsd *server)
{
    return (struct sc_nats_config){
        .url = server->url, .name = "signal-client test", .request_timeout_ms = 5000};
}

struct sc_session *fx_open(const struct natsd *server)
{
    struct sc_nats_config config = fx_config(server);
    struct sc_error err = SC_ERROR_INIT;
    struct sc_session *session = sc_session_open(&config, "test", NULL, NULL, &err);
    if (!session)
        fail_msg("%s", err.text);
    return session;
}

void fx_publish(struct sc_session *session, const char *subject, const char *id, int first,
                int count)
{
    natsConnection *conn = sc_session_conn(session);
    for (int i = first; i < first + count; i++) {
        natsMsg *msg = NULL, *reply = NULL;
        char text[128];
        snprintf(text, sizeof text, "%s.%d", id, i);
        assert_int_equal(natsMsg_Create(&msg, subject, NULL, text, (int)strlen(text)), NATS_OK);
        assert_int_equal(natsMsgHeader_Set(msg, "Nats-Msg-Id", text), NATS_OK);
        assert_int_equal(natsMsgHeader_Set(msg, "ce-id", text), NATS_OK);
        if (i < first + count - 1)
            assert_int_equal(natsConnection_PublishMsg(conn, msg), NATS_OK);
        else
            assert_int_equal(natsConnection_RequestMsg(&reply, conn, msg, WITHIN_MS), NATS_OK);
        natsMsg_Destroy(msg);
        natsMsg_Destroy(reply);
    }
}

void fx_api(struct sc_session *session, const char *api, const char *json)
{
    struct sc_error err = SC_ERROR_INIT;
    json_t *reply = NULL;
    if (sc_session_call(session, api, json, &reply, NULL, &err))
        fail_msg("%s", err.text);
    json_decref(reply);
}

uint64_t fx_put(struct sc_session *session, const char *bucket, const char *key, const char *value)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_kv_entry entry = {0};
    uint64_t rev = 0;
    int rc = sc_kv_get(session, bucket, key, &entry, &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    rc = sc_kv_put(session, bucket, key, value, strlen(value), rc ? 0 : entry.rev, &rev, &err);
    if (rc)
        fail_msg("put: %d %s", rc, err.text);
    sc_kv_entry_done(&entry);
    return rev;
}

void fx_foreign_put(struct sc_session *session, const char *bucket, const char *key,
                    const char *value, const char *op)
{
    char subject[256];
    natsMsg *msg = NULL, *reply = NULL;
    snprintf(subject, sizeof subject, "$KV.%s.%s", bucket, key);
    assert_int_equal(natsMsg_Create(&msg, subject, NULL, value, (int)strlen(value)), NATS_OK);
    if (op)
        natsMsgHeader_Set(msg, "KV-Operation", op);
    if (op && strcmp(op, "PURGE") == 0)
        natsMsgHeader_Set(msg, "Nats-Rollup", "sub");
    assert_int_equal(natsConnection_RequestMsg(&reply, sc_session_conn(session), msg, WITHIN_MS),
                     NATS_OK);
    natsMsg_Destroy(msg);
    natsMsg_Destroy(reply);
}

uint64_t fx_last_seq(struct sc_session *session, const char *stream)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_stream_info info;
    if (sc_stream_info(session, stream, &info, &err))
        fail_msg("%s", err.text);
    return info.last_seq;
}

void fx_log_init(struct fx_log *log)
{
    pthread_condattr_t attr;
    memset(log, 0, sizeof *log);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->wake, &attr);
    pthread_condattr_destroy(&attr);
}

void fx_log_add(struct fx_log *log, const char *fmt, ...)
{
    va_list args;
    pthread_mutex_lock(&log->lock);
    if (log->count < 512) {
        va_start(args, fmt);
        vsnprintf(log->lines[log->count], sizeof log->lines[0], fmt, args);
        va_end(args);
        log->at_ms[log->count++] = sc_mono_ms();
    }
    pthread_cond_broadcast(&log->wake);
    pthread_mutex_unlock(&log->lock);
}

const char *fx_log_wait(struct fx_log *log, const char *start, int64_t ms)
{
    int64_t until = sc_mono_ms() + ms;
    struct timespec ts = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    const char *found = NULL;
    pthread_mutex_lock(&log->lock);
    while (!found) {
        while (!found && log->taken < log->count) {
            const char *line = log->lines[log->taken++];
            if (strncmp(line, start, strlen(start)) == 0)
                found = line;
        }
        if (found || sc_mono_ms() >= until)
            break;
        pthread_cond_timedwait(&log->wake, &log->lock, &ts);
    }
    if (!found)
        for (int i = 0; i < log->count; i++)
            print_error("  %lld %s\n", (long long)(log->at_ms[i] - log->at_ms[0]), log->lines[i]);
    pthread_mutex_unlock(&log->lock);
    if (!found)
        fail_msg("nothing that begins with \"%s\" within %lld ms", start, (long long)ms);
    return found;
}

int64_t fx_log_time(struct fx_log *log)
{
    pthread_mutex_lock(&log->lock);
    int64_t at = log->at_ms[log->taken - 1];
    pthread_mutex_unlock(&log->lock);
    return at;
}

int fx_log_count(struct fx_log *log, int from, const char *start)
{
    int n = 0;
    pthread_mutex_lock(&log->lock);
    for (int i = from; i < log->count; i++)
        n += strncmp(log->lines[i], start, strlen(start)) == 0;
    pthread_mutex_unlock(&log->lock);
    return n;
}

int fx_log_mark(struct fx_log *log)
{
    pthread_mutex_lock(&log->lock);
    int mark = log->count;
    pthread_mutex_unlock(&log->lock);
    return mark;
}
