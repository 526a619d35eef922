/* One connection to NATS that never reconnects by itself: when it breaks it is destroyed, and its owner builds a new one
 * (nats.c would otherwise store what was published during an outage, and CLOSED is terminal anyway). A session is used by one
 * thread; only its `lost` flag and the callback are touched by the library's threads. All calls block with a bound. */
#pragma once

#include "base/buf.h"
#include <nats/nats.h>
#include <stdatomic.h>

struct sc_nats_config {
    const char *url;                /* nats://127.0.0.1:4222; several, comma-separated */
    const char *creds_file;         /* or NULL */
    const char *user, *password;    /* or NULL */
    const char *ca_file;            /* added to the system's roots; or NULL */
    const char *client_cert, *client_key; /* or NULL */
    const char *domain;             /* JetStream domain or NULL */
    const char *name;               /* shown by the server: "signal-client edge-1 publisher" */
    uint32_t request_timeout_ms;    /* 5000 */
};

struct sc_session;

/* lost() is called once on a library thread when the connection breaks after a good connect; it must only post or set a flag.
 * NULL + err (broker_unavailable, or broker_stalled where connections are taken and nothing is answered; text says refused / authentication / TLS / timeout and the URL without password). */
struct sc_session *sc_session_open(const struct sc_nats_config *config, const char *role, void (*lost)(void *arg), void *arg,
                                   struct sc_error *err);
struct sc_session *sc_session_close(struct sc_session *session); /* buffers are thrown away; NULL is fine; returns NULL */
bool sc_session_alive(const struct sc_session *session);
natsConnection *sc_session_conn(struct sc_session *session);
const char *sc_session_api(const struct sc_session *session);      /* "$JS.API" or "$JS.<domain>.API" */
/* Subject to publish a KV key: "$KV.B.k", with a domain "$JS.<domain>.API.$KV.B.k". */
int sc_session_kv_subject(const struct sc_session *session, const char *bucket, const char *key, struct sc_buf *out);
int64_t sc_session_max_payload(const struct sc_session *session);

/* One JetStream API request; the reply's JSON text in *ret (cleared first). -1 + err on timeout (broker_stalled), loss, or an "error" member: then
 * *ret_code (may be NULL) is its err_code (0 otherwise). */
int sc_session_request(struct sc_session *session, const char *api_subject, const char *json, struct sc_buf *ret, int *ret_code,
                       struct sc_error *err) SC_WARN_UNUSED;

/* ---- streams (stream.c) ------------------------------------------------------------------------------------------- */

enum sc_retention {
    SC_RETENTION_LIMITS,
    SC_RETENTION_INTEREST,
    SC_RETENTION_WORKQUEUE
};

struct sc_stream_info {
    char name[256];
    char created[64]; /* as the server writes it */
    uint64_t first_seq, last_seq, messages, bytes;
    enum sc_retention retention;
    bool discard_new, no_ack;
    int64_t max_msgs, max_bytes, max_msgs_per_subject; /* -1: none */
    int64_t max_age_ns, duplicate_window_ns;
    int32_t max_msg_size; /* -1: none */
};

/* The stream that takes the subject. 0; 1: there is none; -1 + err. */
int sc_stream_find(struct sc_session *session, const char *subject, struct sc_stream_info *ret, struct sc_error *err) SC_WARN_UNUSED;
int sc_stream_info(struct sc_session *session, const char *name, struct sc_stream_info *ret, struct sc_error *err) SC_WARN_UNUSED;
int sc_stream_create(struct sc_session *session, const char *name, const char *subject, int64_t duplicate_window_ns, struct sc_error *err) SC_WARN_UNUSED;

struct sc_stored_msg {
    uint64_t seq;
    struct sc_buf subject, headers, data; /* headers: raw NATS/1.0 block */
    char time[64];
};
void sc_stored_msg_done(struct sc_stored_msg *msg);
/* STREAM.MSG.GET. 0; 1: no message there; -1 + err. next_subject non-NULL: the first at or after seq on that subject. */
int sc_stream_get(struct sc_session *session, const char *stream, uint64_t seq, const char *next_subject, struct sc_stored_msg *ret,
                  struct sc_error *err) SC_WARN_UNUSED;
int sc_stream_get_last(struct sc_session *session, const char *stream, const char *subject, struct sc_stored_msg *ret, struct sc_error *err) SC_WARN_UNUSED;
/* Value of a header in a raw block, copied to out (terminated). false: absent or too long. */
bool sc_stored_header(struct sc_str headers, const char *name, char *out, size_t cap);

/* Read-back: every message on `subject` with from < seq <= to, headers only, in order. */
struct sc_readback {
    uint64_t from, to;
    const char *stream, *subject;
    void *arg;
    /* return non-0 to stop (the pass then fails with err text "stopped") */
    int (*message)(void *arg, uint64_t seq, struct sc_str msg_id, struct sc_str headers);
    /* every second or so; may be NULL; return non-0 to stop */
    int (*progress)(void *arg, uint64_t at_seq, uint64_t to);
    /* out */
    uint64_t seen;        /* messages delivered */
    uint64_t first_seq;   /* of the stream when it began */
    bool floor_gone;      /* the stream no longer holds from + 1 (discarded): what was there cannot be known */
    bool by_get;          /* a consumer was refused (work queue): unconsumed messages were read one by one; consumed ones are unknown */
};
/* The consumer's stream sequences and its own are checked for holes (nats.c drops silently); a hole repeats the pass from there, at
 * most 5 times. 0, or -1 + err. */
int sc_stream_readback(struct sc_session *session, struct sc_readback *job, struct sc_error *err) SC_WARN_UNUSED;

/* ---- key-value buckets (kv.c): streams KV_<bucket>, written by compare-and-set ------------------------------------- */

#define SC_KV_REV_ABSENT 0 /* expected revision of a key that was never there */

struct sc_kv_entry {
    uint64_t rev;
    bool deleted; /* a delete or purge marker stands there (rev is its) */
    struct sc_buf value;
    char created[64];
};
void sc_kv_entry_done(struct sc_kv_entry *entry);
/* By STREAM.MSG.GET last_by_subj, never a direct get. 0 (entry.deleted possible); 1: never there; -1 + err (no bucket: err->reason NO_STREAM). */
int sc_kv_get(struct sc_session *session, const char *bucket, const char *key, struct sc_kv_entry *ret, struct sc_error *err) SC_WARN_UNUSED;
/* 0 and *ret_rev; 1: another revision stands there (nothing written); -1 + err: unknown whether written. NULL value = delete marker. */
int sc_kv_put(struct sc_session *session, const char *bucket, const char *key, const void *value, size_t len, uint64_t expected_rev,
              uint64_t *ret_rev, struct sc_error *err) SC_WARN_UNUSED;
int sc_kv_delete(struct sc_session *session, const char *bucket, const char *key, uint64_t expected_rev, struct sc_error *err) SC_WARN_UNUSED;
/* Makes it when missing (history 1..64, file storage); an existing one is used as it is. ret_created (64 bytes) may be NULL. */
int sc_kv_ensure(struct sc_session *session, const char *bucket, int history, char *ret_created, struct sc_error *err) SC_WARN_UNUSED;
/* 0 exists, 1 does not, -1 + err. */
int sc_kv_info(struct sc_session *session, const char *bucket, struct sc_stream_info *ret, struct sc_error *err) SC_WARN_UNUSED;
/* Live keys (no markers) with value, in no order, by a headers-and-data pass over last-per-subject. fn non-0 stops. */
int sc_kv_each(struct sc_session *session, const char *bucket, int (*fn)(void *arg, const char *key, uint64_t rev, struct sc_str value),
               void *arg, struct sc_error *err) SC_WARN_UNUSED;

/* Names that may stand in a KV key: every byte outside [A-Za-z0-9_-] written =XX (upper-case hex). Over 64 bytes after escaping:
 * "=h" + 32 hex digits of SHA-256 of the raw text. */
int sc_key_escape(struct sc_str part, struct sc_buf *out);
/* A legal KV key ([A-Za-z0-9-/_=.], no leading, trailing or double dot, 1..512 bytes)? */
bool sc_key_legal(const char *key);
