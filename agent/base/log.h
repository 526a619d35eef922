/* The log: stderr, one line a message, as design 1.5. Thread-safe. Every line passes the redactor.
 *   2026-11-21T10:15:02.123Z [INFO] okta: fetched 42 events integration=okta-prod data_type=system_log read=50
 * A function logs or returns an error, never both; libraries of ours (base, decode, auth, connectors) only return. */
#pragma once

#include "base/error.h"

enum sc_level {
    SC_DEBUG,
    SC_INFO,
    SC_WARN,
    SC_ERROR
};

struct sc_log_cx {
    const char *component;   /* connector slug, or "agent", "nats", "config" ... */
    const char *integration; /* may be NULL */
    const char *data_type;   /* may be NULL */
};

void sc_log_init(enum sc_level level, int fd);
void sc_log_set_level(enum sc_level level);
bool sc_log_parse_level(const char *text, enum sc_level *ret);
extern _Atomic int sc_log_level_now;

/* Writes "<message> integration=… data_type=… <fields>"; fields (may be NULL) is `key=value key=value`. Control characters in
 * the message become blanks; a line is cut at 4 KiB. The same line (component, integration, data type, message) again within
 * 10 minutes at WARN or above is counted, not written; the count (repeated=N) is written when it next appears after that, or
 * changes, or with the next line of anybody after that. */
void sc_log_write(enum sc_level level, const struct sc_log_cx *cx, const char *fields, const char *fmt, ...) SC_PRINTF(4, 5);

#define SC_LOG(level, cx, fields, ...)                                                                                 \
    do {                                                                                                               \
        if ((int)(level) >= sc_log_level_now)                                                                          \
            sc_log_write((level), (cx), (fields), __VA_ARGS__);                                                        \
    } while (0)
/* Without context: SC_SAY(SC_INFO, "nats", "connected to %s", url) */
#define SC_SAY(level, comp, ...)                                                                                       \
    do {                                                                                                               \
        if ((int)(level) >= sc_log_level_now)                                                                          \
            sc_log_write((level), &(const struct sc_log_cx){.component = (comp)}, NULL, __VA_ARGS__);                  \
    } while (0)

/* Tests: every line goes to the sink, without line end, instead of the descriptor. The sink must not log. NULL: back. */
void sc_log_set_sink(void (*sink)(const char *line, void *arg), void *arg);
