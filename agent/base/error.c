/* Errors and the tables made from SC_REASONS. Pure but for the caller's struct; any thread. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct reason {
    const char *code;
    const char *meaning;
    enum sc_class cls;
};

static const struct reason reasons[] = {
#define X(name, text, class, sentence)                                                             \
    [SC_REASON_##name] = {.code = (text), .meaning = (sentence), .cls = SC_CLASS_##class},
    SC_REASONS(X)
#undef X
};
_Static_assert(COUNT(reasons) == SC_REASON_COUNT, "one row a reason");

static const char *const class_names[] = {
    [SC_CLASS_OK] = "ok",         [SC_CLASS_RETRY] = "retry",   [SC_CLASS_THROTTLED] = "throttled",
    [SC_CLASS_AUTH] = "auth",     [SC_CLASS_CONFIG] = "config", [SC_CLASS_DATA] = "data",
    [SC_CLASS_BROKER] = "broker", [SC_CLASS_LOCAL] = "local",   [SC_CLASS_NOTICE] = "notice",
};
_Static_assert(COUNT(class_names) == SC_CLASS_NOTICE + 1, "one name a class");

int sc_fail(struct sc_error *err, enum sc_reason reason, const char *fmt, ...)
{
    if (!err || err->reason != SC_REASON_OK)
        return -1;
    /* "It failed because all is well" is a defect of the caller; it must not look like success. */
    err->reason = reason == SC_REASON_OK ? SC_REASON_INTERNAL : reason;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return -1;
}

void sc_error_clear(struct sc_error *err)
{
    *err = (struct sc_error)SC_ERROR_INIT;
}

/* A number that is no reason (a newer agent's, read from a bucket) is shown as a defect, never out
 * of bounds. */
static const struct reason *row(enum sc_reason reason)
{
    return &reasons[(unsigned)reason < SC_REASON_COUNT ? reason : SC_REASON_INTERNAL];
}

const char *sc_reason_code(enum sc_reason reason)
{
    return row(reason)->code;
}

const char *sc_reason_meaning(enum sc_reason reason)
{
    return row(reason)->meaning;
}

enum sc_class sc_reason_class(enum sc_reason reason)
{
    return row(reason)->cls;
}

const char *sc_class_name(enum sc_class cls)
{
    return (unsigned)cls < COUNT(class_names) ? class_names[cls] : "unknown";
}
