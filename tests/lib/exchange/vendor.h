/* The vendor's side: agent/http's functions without a network. A started transfer waits until the script has matched it and gives its reply;
 * the reply is then fed as curl would: head, body in pieces, pauses honoured, at most so many bytes a turn, then the end. */
#pragma once

#include "http/http.h"

struct ex_reply {
    int status;            /* 0: none came */
    const char *headers;   /* header lines */
    const char *body;
    size_t body_len;
    enum sc_reason reason; /* why it is not complete; OK: it is */
    const char *text;      /* of the reason, for the operator */
};

/* The oldest transfer that is not matched yet; NULL: none. */
struct sc_transfer *ex_vendor_pending(const struct sc_http *http);
unsigned ex_vendor_pending_count(const struct sc_http *http);
void ex_vendor_match(struct sc_http *http, struct sc_transfer *transfer);
/* The transfer that was matched last and has no reply; NULL: none, or it was cancelled since. */
struct sc_transfer *ex_vendor_matched(const struct sc_http *http);
void ex_vendor_reply(struct sc_transfer *transfer, const struct ex_reply *reply);

const char *ex_vendor_method(const struct sc_transfer *transfer);
const char *ex_vendor_url(const struct sc_transfer *transfer);
const char *ex_vendor_headers(const struct sc_transfer *transfer); /* lines */
struct sc_str ex_vendor_body(const struct sc_transfer *transfer);

bool ex_vendor_busy(const struct sc_http *http);
/* Bytes offered at a time; 0: all. */
void ex_vendor_chunk(struct sc_http *http, size_t bytes);
/* A request that the agent gave up before the script had looked at it; NULL: none. */
const char *ex_vendor_unseen(const struct sc_http *http);
