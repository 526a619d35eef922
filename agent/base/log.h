/* The log: stderr, one line a message, as text (design 1.5) or as JSON. Thread-safe. Every line passes the redactor.
 *   2026-11-21T10:15:02.123Z [INFO] okta: fetched 42 events integration=okta-prod data_type=system_log read=50
 *   {"time":"2026-11-21T10:15:02.123Z","level":"INFO","component":"okta","integration":"okta-prod","data_type":"system_log",
 *    "text":"fetched 42 events","read":50}
 * A function logs or returns an error, never both; libraries of ours (base, decode, auth, connectors) only return.
 *
 * A line of INFO or above that was written within the last hour is not written again but counted; when the hour is over, when its place is needed and
 * at the stop the last one is written with its count; when the condition ends the caller of sc_log_over() tells it:
 *   … [WARN] okta: no answer from acme.okta.com (repeated 214 times since 10:15:02Z, last at 11:14:58Z) integration=… repeated=214
 * At DEBUG the lines that are counted are written as well, as DEBUG. The same line: same level, component, integration, data type and
 * message; at WARN and above figures that change with time (times, durations, counts, addresses) do not count, HTTP statuses and codes do. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

enum sc_level {
    SC_DEBUG,
    SC_INFO,
    SC_WARN,
    SC_ERROR
};

enum sc_log_format {
    SC_LOG_TEXT,
    SC_LOG_JSON
};

struct sc_log_cx {
    const char *component;   /* connector slug, or "agent", "nats", "config" ... */
    const char *integration; /* may be NULL */
    const char *data_type;   /* may be NULL */
    enum sc_reason reason;   /* OK: none */
    const char *same;        /* what makes two lines the same, instead of the message, without the figures in it; NULL: the message */
    bool beside;             /* with a reason: a notice, which holds beside the state that other lines with a reason tell */
};

void sc_log_init(enum sc_level level, int fd);
void sc_log_set_format(enum sc_log_format format);
void sc_log_set_level(enum sc_level level);
bool sc_log_parse_level(const char *text, enum sc_level *ret);
const char *sc_log_level_name(enum sc_level level); /* "debug" */
extern _Atomic int sc_log_level_now;                /* the lowest that anybody is to see */

/* Writes "<message> integration=… data_type=… reason=… <fields>"; fields (may be NULL) is `key=value key=value`, without blanks in a value.
 * Control characters in the message become blanks; a line is cut at 4 KiB. */
void sc_log_write(enum sc_level level, const struct sc_log_cx *cx, const char *fields, const char *fmt, ...) SC_PRINTF(4, 5);
/* A line that is news each time, as the outcome of a poll is: never counted; what counts as the same begins its hour anew. */
void sc_log_write_each(enum sc_level level, const struct sc_log_cx *cx, const char *fields, const char *fmt, ...) SC_PRINTF(4, 5);

#define SC_LOG(level, cx, fields, ...)                                                                                 \
    do {                                                                                                               \
        if ((int)(level) >= sc_log_level_now)                                                                          \
            sc_log_write((level), (cx), (fields), __VA_ARGS__);                                                        \
    } while (0)
#define SC_LOG_EACH(level, cx, fields, ...)                                                                            \
    do {                                                                                                               \
        if ((int)(level) >= sc_log_level_now)                                                                          \
            sc_log_write_each((level), (cx), (fields), __VA_ARGS__);                                                   \
    } while (0)
/* Without context: SC_SAY(SC_INFO, "nats", "connected to %s", url) */
#define SC_SAY(level, comp, ...)                                                                                       \
    do {                                                                                                               \
        if ((int)(level) >= sc_log_level_now)                                                                          \
            sc_log_write((level), &(const struct sc_log_cx){.component = (comp)}, NULL, __VA_ARGS__);                  \
    } while (0)

/* What was wrong with this component, integration and data type (for the reason of cx, if it has one) is over: the same line is news again, six
 * times in an hour at the most (as it is after another line with a reason of the same source). true: it was told of, so its end is to be, and how
 * often it came. */
bool sc_log_over(const struct sc_log_cx *cx, uint64_t *ret_count);
/* Somebody has changed something: whatever is wrong now is told anew, however often; counts are written. */
void sc_log_anew(const struct sc_log_cx *cx);
void sc_log_turn(void);  /* now and then: writes the counts of what is an hour old, ends levels whose time is over */
void sc_log_flush(void); /* writes all counts: at the stop */

/* Another level while it runs: of one integration's lines, or (NULL) of all; for so long (0: until the end), then the level of the settings
 * holds again. -1 + err: too many at once, no memory. */
int sc_log_ask_level(enum sc_level level, const char *integration, int64_t for_ms, struct sc_error *err) SC_WARN_UNUSED;
/* Ends what was asked for; NULL: everything. false: there was nothing. */
bool sc_log_ask_no_more(const char *integration);
/* "info; okta-prod: debug until 11:15:02Z" */
void sc_log_tell_levels(struct sc_buf *out);

/* Tests: every line goes to the sink, without line end, instead of the descriptor. The sink must not log. NULL: back. */
void sc_log_set_sink(void (*sink)(const char *line, void *arg), void *arg);
