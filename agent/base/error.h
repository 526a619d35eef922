/* What went wrong, for the caller and for the operator. The first error set wins, so deep callers need no care. */
#pragma once

#include <signal/reason.h>
#include <signal/types.h>

#define SC_WARN_UNUSED __attribute__((warn_unused_result))
#define SC_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

struct sc_error {
    enum sc_reason reason; /* SC_REASON_OK: none */
    int http_status;       /* 0: none */
    int64_t retry_at;      /* real time in ms named by the other side; SC_TIME_NONE when unset by sc_error_init */
    char text[320];        /* what failed and what to do; no secrets */
};

#define SC_ERROR_INIT                                                                                                  \
    {                                                                                                                  \
        .retry_at = SC_TIME_NONE                                                                                       \
    }

/* Sets *err unless it holds an error already or is NULL. Always returns -1, so that callers write `return sc_fail(...)`. */
int sc_fail(struct sc_error *err, enum sc_reason reason, const char *fmt, ...) SC_PRINTF(3, 4);
void sc_error_clear(struct sc_error *err);

/* Tables made from SC_REASONS. */
const char *sc_reason_code(enum sc_reason reason);
const char *sc_reason_meaning(enum sc_reason reason);
enum sc_class sc_reason_class(enum sc_reason reason);
const char *sc_class_name(enum sc_class cls);
