/* Any body through sc_cut, in pieces directly before a page without access, with a sink that pauses at random. All that is seen
 * becomes one text, so that two ways of feeding are compared by comparing texts. A broken promise of cut.h prints itself and aborts. */
#pragma once

#include "cut_harness.h"

#include "base/buf.h"
#include "decode/cut.h"

/* What was seen, a line each:
 *   line [texts of the envelope]                  the sink's line(); it skips where the first text is "true", gives up where it is "stop"
 *   record JSON [fields] and its flags
 *   good | absent: ERROR | failed: ERROR          with the envelope behind it */
void any_cut(struct sc_buf *ret, const struct sc_cut_spec *spec, const char *body, size_t len, struct how how);
/* The same as when it is fed whole: split at every byte (of bodies up to `splits` bytes), byte by byte with pauses, and at random. */
void any_check(const struct sc_cut_spec *spec, const char *body, size_t len, size_t splits);
/* The same, but that it fails is enough: of two things that are wrong expat may find the later one first, as the chunks fall. */
void any_check_roughly(const struct sc_cut_spec *spec, const char *body, size_t len);
/* gzip of the bytes, as one member. */
void any_gzip(struct sc_buf *ret, const char *bytes, size_t len);
