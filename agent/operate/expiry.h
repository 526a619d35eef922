/* When a credential says of itself that it ends: JSON web tokens (`exp`), certificates (notAfter), credentials files of NATS (the `exp` of the user's
 * token). What comes in is anybody's text; nothing of it is believed but the date. Pure but for sc_expiry_file(). */
#pragma once

#include "base/error.h"

#define SC_EXPIRY_WARN_MS (INT64_C(14) * 86400 * 1000) /* so long ahead it is announced */

struct sc_expiry {
    int64_t at_ms;    /* real; SC_TIME_NONE: it does not say */
    const char *what; /* "exp of the JSON web token"; static */
};

/* Of a chain of certificates the one that ends first. */
struct sc_expiry sc_expiry_of(struct sc_str value);
/* The same of a file of at most 1 MiB. -1 + err: it cannot be read. */
int sc_expiry_file(const char *path, struct sc_expiry *ret, struct sc_error *err) SC_WARN_UNUSED;
/* "ends in 13 days, at 2026-12-04T10:00:00.000Z (exp of the JSON web token)", "ended 2 d 3 h ago, at …"; out: 160 bytes; returns it. */
#define SC_EXPIRY_TEXT 160
const char *sc_expiry_text(const struct sc_expiry *expiry, int64_t now_real_ms, char out[SC_EXPIRY_TEXT]);
