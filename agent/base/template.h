/* Texts with {names} in them, as they stand in connectors' tables. Pure. */
#pragma once

#include "base/buf.h"

/* Appends `text` to `out` with each {name} replaced by what lookup() gives for it. Returns 0; -1 when a name has no value (then
 * ret_missing, 64 bytes, holds it) or out has failed (then it is empty). */
int sc_template_expand(const char *text, const char *(*lookup)(void *arg, const char *name), void *arg, struct sc_buf *out,
                       char ret_missing[64]) SC_WARN_UNUSED;
