/* XML in, one JSON object a record out. The contract is that of cut.h; private to it. */
#pragma once

#include "decode/cut.h"

struct sc_xml_cut;

struct sc_xml_cut *sc_xml_cut_new(const struct sc_cut_spec *spec, struct sc_cut_sink sink, struct sc_error *err);
void sc_xml_cut_free(struct sc_xml_cut *xml);
void sc_xml_cut_reset(struct sc_xml_cut *xml);
int sc_xml_cut_feed(struct sc_xml_cut *xml, const char *bytes, size_t len, size_t *ret_used, struct sc_error *err) SC_WARN_UNUSED;
int sc_xml_cut_finish(struct sc_xml_cut *xml, struct sc_error *err) SC_WARN_UNUSED;
bool sc_xml_cut_absent(const struct sc_xml_cut *xml);
uint64_t sc_xml_cut_records(const struct sc_xml_cut *xml);
bool sc_xml_cut_in_record(const struct sc_xml_cut *xml);
const struct sc_cut_value *sc_xml_cut_envelope(const struct sc_xml_cut *xml, unsigned index);
