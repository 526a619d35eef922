/* What each reason means to an operator: log level, sentence, advice; and the general reading of an HTTP status. The codes, classes and
 * meanings are in <signal/reason.h>. Used by log, status, doctor, metrics and documents alike. */
#pragma once

#include "base/log.h"
#include <signal/connector.h>

struct sc_reason_row {
    enum sc_reason reason;
    enum sc_level level;   /* of the log line when it begins */
    const char *advice;    /* what to do, one sentence; "" = nothing */
};

const struct sc_reason_row *sc_reason_row(enum sc_reason reason);

/* How a status is read when the connector has no better word. worked: this credential revision has had a good reply before. */
struct sc_status_reading {
    enum sc_reason reason; /* OK for 2xx */
    const char *phrase;    /* "Unauthorized" */
};
struct sc_status_reading sc_read_status(int http_status, bool worked);
const char *sc_status_phrase(int http_status);
bool sc_status_is_known(int http_status); /* by itself, not by its hundred alone */

/* When the vendor wants the next request: Retry-After (seconds or date), else the pool's reset header in its unit. All against the
 * vendor's Date. A result before now or over 24 h ahead is not believed. */
struct sc_wait {
    int64_t until_ms;      /* real time of ours; SC_TIME_NONE: none given or not believed */
    const char *header;    /* name of the header that said so */
    bool disbelieved;
};

/* Reads both. Absent texts ({NULL, 0}) are "not given"; Retry-After comes first, the reset header only where that says nothing usable.
 * Numbers may have a fraction; a date (RFC 9110's three forms, or RFC 3339) is taken wherever a number is expected and none stands.
 * An absolute time is compared with vendor_date_ms (the reply's Date; SC_TIME_NONE: now_real_ms), so that the difference, not the
 * vendor's clock, is what is waited; the result is in our clock, 1 s later than asked. Zero, negative, past, over 24 h ahead and
 * garbage are not believed. disbelieved: something was said and nothing of it could be used; `header` then names what was said first.
 * The names in `header` are static ("Retry-After") or reset_header_name itself. Pure. */
struct sc_wait sc_read_wait(struct sc_str retry_after, struct sc_str reset, const char *reset_header_name, enum sc_reset_unit unit,
                            int64_t now_real_ms, int64_t vendor_date_ms);
