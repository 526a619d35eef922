/* What the io threads show of their work to whoever counts it (metrics): each thread puts a page up once in a second, a copy of its counters and
 * states, never changed afterwards. A reader holds the pages that were newest when it asked. Nothing here waits for anything: a thread that hangs
 * leaves its last page, whose age is told. */
#pragma once

#include "base/error.h"

#define SC_BOARD_STEP_MS 1000

enum sc_poll_state { /* by urgency */
    SC_STATE_ACTIVE,
    SC_STATE_PROCESSING,
    SC_STATE_WAITING,
    SC_STATE_PAUSED,
    SC_STATE_RATE_LIMITED,
    SC_STATE_ERROR,
    SC_STATE_COUNT
};
const char *sc_poll_state_name(enum sc_poll_state state);

enum sc_promise {
    SC_PROMISE_EXACT,
    SC_PROMISE_BOUNDED,
    SC_PROMISE_AT_LEAST_ONCE,
    SC_PROMISE_COUNT
};
const char *sc_promise_name(enum sc_promise promise);

enum sc_poll_outcome {
    SC_POLL_SUCCESS,    /* read to its end, everything acknowledged */
    SC_POLL_INCOMPLETE, /* ended before: a cap, a paging loop; the next one goes on from the position */
    SC_POLL_OUTCOMES
};

/* Of one data type, since this process took it up; these only grow. */
struct sc_poll_counts {
    uint64_t read, recognised, published, pages, bytes;
    uint64_t polls[SC_POLL_OUTCOMES];
    uint64_t failures[SC_CLASS_LOCAL + 1]; /* by enum sc_class */
    uint64_t gaps, dead_letters;
    uint64_t nats_wait_ms;
    uint64_t throttled_ms; /* that the vendor let it wait */
};

enum sc_reply_class {
    SC_REPLY_2XX,
    SC_REPLY_3XX,
    SC_REPLY_429,
    SC_REPLY_4XX, /* without 429 */
    SC_REPLY_5XX,
    SC_REPLY_NONE, /* no status, or none of these */
    SC_REPLY_CLASSES
};
const char *sc_reply_class_name(enum sc_reply_class cls);
enum sc_reply_class sc_reply_class(int status);

#define SC_REQUEST_BUCKETS 6
extern const uint32_t sc_request_bucket_ms[SC_REQUEST_BUCKETS]; /* upper bounds; one more bucket is above them */

/* Of one source, token calls included. */
struct sc_source_counts {
    uint64_t requests[SC_REPLY_CLASSES];
    uint64_t bucket[SC_REQUEST_BUCKETS + 1]; /* requests by their duration */
    uint64_t total_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, transfer_ms;
    uint64_t budget_waits, budget_wait_ms;
};

struct sc_board_type {
    const char *integration;           /* lives as long as the page */
    const char *connector, *data_type; /* of the module: as long as the process */
    enum sc_poll_state state;
    enum sc_reason reason;
    enum sc_promise promise;
    bool overflowed;
    int64_t last_poll, last_success, last_record, next_poll; /* real ms; 0: none, or not known */
    int64_t interval_ms;
    uint64_t collisions;
    struct sc_poll_counts counts;
};

struct sc_board_source {
    const char *source, *connector;
    struct sc_source_counts counts;
};

struct sc_board_page {
    uint32_t refs; /* under the board's lock */
    int64_t made_ms; /* monotonic */
    uint64_t dead_letters; /* of all data types that this thread ever had */
    struct sc_board_type *types;
    struct sc_board_source *sources;
    uint32_t type_count, source_count;
    char *names;
};

struct sc_board;
/* NULL: out of memory. */
struct sc_board *sc_board_new(unsigned threads);
struct sc_board *sc_board_free(struct sc_board *board); /* when nobody holds a page; returns NULL */
/* Takes the page. The io thread of that number. */
void sc_board_put(struct sc_board *board, unsigned thread, struct sc_board_page *page);
/* The newest page of a thread; NULL: it has put none up yet. To be given back. Any thread. */
const struct sc_board_page *sc_board_take(struct sc_board *board, unsigned thread);
void sc_board_give_back(struct sc_board *board, const struct sc_board_page *page);
unsigned sc_board_threads(const struct sc_board *board);
/* A page with room; the names' bytes are the caller's to fill. NULL: out of memory. */
struct sc_board_page *sc_board_page_new(uint32_t types, uint32_t sources, size_t name_bytes);
void sc_board_page_free(struct sc_board_page *page);
