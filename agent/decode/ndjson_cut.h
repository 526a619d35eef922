/* Texts with one JSON value a line. The contract is that of cut.h; private to it. */
#pragma once

#include "decode/cut.h"

struct sc_ndjson_cut;

struct sc_ndjson_cut *sc_ndjson_cut_new(const struct sc_cut_spec *spec, struct sc_cut_sink sink, struct sc_error *err);
void sc_ndjson_cut_free(struct sc_ndjson_cut *nd);
void sc_ndjson_cut_reset(struct sc_ndjson_cut *nd);
int sc_ndjson_cut_feed(struct sc_ndjson_cut *nd, const char *bytes, size_t len, size_t *ret_used, struct sc_error *err) SC_WARN_UNUSED;
int sc_ndjson_cut_finish(struct sc_ndjson_cut *nd, struct sc_error *err) SC_WARN_UNUSED;
uint64_t sc_ndjson_cut_records(const struct sc_ndjson_cut *nd);
bool sc_ndjson_cut_in_record(const struct sc_ndjson_cut *nd);
const struct sc_cut_value *sc_ndjson_cut_envelope(const struct sc_ndjson_cut *nd, unsigned index);
