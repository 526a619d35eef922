/* doctor: one check after another, each with its measured value and, where it is not well, the cure. Without a name it looks at everything that all
 * integrations share, in this process, so that it works while the agent is down; it publishes nothing and moves nothing. */
#pragma once

#include "cli/commands.h"

#include "nats/inspect.h"

enum sc_check_result {
    SC_CHECK_OK,
    SC_CHECK_NOTICE, /* works, and should be known */
    SC_CHECK_BAD,
    SC_CHECK_SKIPPED /* could not be looked at */
};

struct sc_doctor {
    const struct sc_cli *cli;
    json_t *checks;  /* all so far: [{"check","result","value","cure"}] */
    bool bad;
    bool colour;     /* on a terminal */
    size_t width;    /* columns */
    bool failed;     /* out of memory, or standard output is gone */
    /* what later checks go by */
    struct sc_session *session;      /* NULL: NATS cannot be asked */
    const char *user;                /* at NATS, for texts */
    bool stream_known, agent_leads;  /* an agent holds the lease and has renewed it lately */
    struct sc_stream_info stream;
    json_t *stream_config;           /* of STREAM.INFO: config, state */
};

/* A check is done: kept, and shown at once unless --json. cure: NULL or "" where there is none. */
void sc_check(struct sc_doctor *d, const char *check, enum sc_check_result result, const char *cure, const char *fmt, ...) SC_PRINTF(5, 6);
/* One that came from the agent, as {"check","result","value","cure"}, with "data_type" and "reason" where it has them; what is not of that form is shown as skipped. */
void sc_check_take(struct sc_doctor *d, const json_t *check);
/* A check in text: "BAD   stream        no stream takes …", wrapped, the cure below it. Pure. */
void sc_check_write(const struct sc_doctor *d, const char *check, enum sc_check_result result, const char *value, const char *cure, struct sc_buf *out);

void sc_doctor_local(struct sc_doctor *d);    /* doctor_local.c: files, directories, memory, proxy, keys */
void sc_doctor_nats(struct sc_doctor *d);     /* doctor_nats.c: address, connection, account, clock, permissions; sets session */
void sc_doctor_permissions(struct sc_doctor *d); /* doctor_nats.c: after stream and lease are known */
void sc_doctor_lease(struct sc_doctor *d);    /* doctor_buckets.c: who polls */
void sc_doctor_stream(struct sc_doctor *d);   /* doctor_stream.c: the stream, who reads it, where its message ids go */
void sc_doctor_buckets(struct sc_doctor *d);  /* doctor_buckets.c: buckets, lease, positions, the agent's word on each integration */
void sc_doctor_agent(struct sc_doctor *d);    /* doctor_ask.c: what the running agent says of itself */
void sc_doctor_integration(struct sc_doctor *d, const struct sc_args *args); /* doctor_ask.c: the checks that the agent makes of one */

/* A JetStream API request: parsed reply, the caller's; NULL + err. */
json_t *sc_doctor_ask(struct sc_doctor *d, const char *api, const char *body, int *ret_code, struct sc_error *err);
/* How long ago, in words; "" for a time that is unknown. */
const char *sc_ago_text(int64_t then_ms, int64_t now_ms, char out[48]);
