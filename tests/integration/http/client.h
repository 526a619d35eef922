/* The client's side of these tests: one loop, and fetches that note all they were told. */
#pragma once

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/clock.h"
#include "check.h"
#include "http/http.h"
#include "rawhttp.h"

struct fetch {
    /* what to ask for */
    const char *url, *method, *proxy, *ca_file, *cert_file, *key_file;
    const char *const *headers;
    struct sc_str content;
    bool no_verify, refuse_body, plain;
    uint64_t max_body;
    size_t most;         /* body() uses at most that many bytes a call and pauses; 0: all */
    bool hold;           /* after a pause the test resumes, not the fetch */
    int64_t abort_after; /* body() returns -1 once that many bytes came; < 0: never */
    bool cancel_in_head, cancel_in_body, resume_in_body;
    void (*in_done)(struct fetch *f, struct sc_transfer *t);
    bool count_only; /* the body is counted, not kept */

    /* what came */
    struct sc_transfer *transfer;
    int heads, calls, dones, status;
    bool paused;
    size_t largest; /* most bytes offered at once */
    uint64_t bytes;
    struct sc_buf body, prefix;
    struct sc_http_result result;
    char header[256]; /* first line of `watch`, and how many there are */
    const char *watch;
    unsigned watched;
};

struct sc_http *client_new(const struct sc_http_config *config); /* NULL: defaults */
/* Starts it; fails the test when that fails. */
void fetch_start(struct sc_http *http, struct fetch *f);
/* Turns until all are done; at most 30 s. */
void fetch_wait(struct sc_http *http, struct fetch *f, size_t count);
void fetch_run(struct sc_http *http, struct fetch *f); /* both */
void fetch_done(struct fetch *f);
/* "http://127.0.0.1:port/path" in a ring of static buffers */
const char *url_of(const char *scheme, const char *host, uint16_t port, const char *path);
void expect_reason(const char *why, const struct fetch *f, enum sc_reason want);
void expect_text(const char *why, const struct fetch *f, const char *part);

int setup_all(void **state);
int teardown_all(void **state);
