/* OAuth 2.0 client credentials (RFC 6749 4.4), and vendors' own logins (sc_oauth2.token_member): the request as bytes, its reply as a token or a
 * reason. Pure: no I/O, no clock, nothing kept; any thread. */
#pragma once

#include "base/buf.h"
#include <signal/connector.h>

#define SC_OAUTH2_TOKEN_MAX 16384u
#define SC_OAUTH2_BODY_MAX  (64u * 1024) /* of a reply that is read */

/* What the call is to people: "token request" or "login". */
const char *sc_oauth2_call(const struct sc_oauth2 *table);

/* Where values come from: a setting or credential of the integration, "base_url", or "scope"; NULL: not set. */
struct sc_oauth2_values {
    const char *(*lookup)(void *arg, const char *name);
    void *arg;
};

struct sc_oauth2_request {
    char *url;
    char *headers[4]; /* "Name: value", NULL ends */
    struct sc_buf body;
};

/* 0, or -1 + err (config_invalid: a setting is missing; memory_limit). What was composed holds secrets: done() wipes it. */
int sc_oauth2_compose(const struct sc_oauth2 *table, struct sc_oauth2_values values, struct sc_oauth2_request *ret, struct sc_error *err) SC_WARN_UNUSED;
void sc_oauth2_request_done(struct sc_oauth2_request *request);

struct sc_oauth2_reply {
    enum sc_reason reason; /* OK: there is a token */
    char *token;           /* printable ASCII without blanks; the caller's, wiped and freed with sc_secret_free */
    int64_t lifetime_ms;
    bool lifetime_said;    /* by the reply; else the table's */
    char detail[256];      /* for people: what the endpoint said, printable; no secret of ours beyond what it echoes (redaction by value) */
    char advice[256];      /* empty: the reason's own */
};

/* Reads a complete reply. status: of the reply, not 0. cut: the body was longer than what is here. */
void sc_oauth2_read(const struct sc_oauth2 *table, int status, struct sc_str body, bool cut, struct sc_oauth2_reply *ret);
