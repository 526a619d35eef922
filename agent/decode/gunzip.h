/* Inflates a body whose first byte is the one that every gzip file begins with. One piece at a time, so that whoever reads the pieces
 * may pause. Private to the cutter. */
#pragma once

#include "base/error.h"

struct sc_gunzip;

/* max: most bytes that a body may become. */
struct sc_gunzip *sc_gunzip_new(uint64_t max, struct sc_error *err);
void sc_gunzip_free(struct sc_gunzip *gz);
void sc_gunzip_reset(struct sc_gunzip *gz);

#define SC_GUNZIP_MARK '\x1F'

/* The next piece of the text: *ret has it, empty when all of the bytes at hand are used and nothing came of them. It is valid until the
 * next call. *bytes and *len move behind what is used. `over`: the body has no more bytes; one that ends too early is an error then.
 * -1: err, and every later call says the same. */
int sc_gunzip_next(struct sc_gunzip *gz, const char **bytes, size_t *len, bool over, struct sc_str *ret, struct sc_error *err) SC_WARN_UNUSED;
