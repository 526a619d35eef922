/* Identities (exactness.md 4): recipe's id, message id. Pure.
 *   message id = {integration}.{data_type}[.{partition}].{recipe's id}[#n]
 * In integration and partition '.' and '=' are written =XX. Parts of a recipe are joined by '~'; a '~' inside a part is written =7E (and a
 * "=7E" or "=3D" of the vendor's own is kept apart by writing its '=' as =3D). The recipe's id is printable ASCII without blanks, at most 128
 * bytes, else "h:" + 32 hex digits of the SHA-256 of that text. */
#pragma once

#include "base/buf.h"

#define SC_RECIPE_ID_MAX 128
#define SC_MSG_ID_MAX    512

/* "okta-prod.system_log." Appends. */
int sc_msg_id_prefix(const char *integration, const char *data_type, const char *partition, struct sc_buf *out);
/* Joins the parts; the result (at most SC_RECIPE_ID_MAX bytes) is written to out, terminated. Returns its length. */
size_t sc_recipe_id(const struct sc_str *parts, size_t count, char out[SC_RECIPE_ID_MAX + 1]);
/* Header value: space, '"', '%' and bytes outside 0x21..0x7E percent-encoded. Returns the length, or 0 when it does not fit. */
size_t sc_header_encode(struct sc_str value, char *out, size_t cap);
/* KV key of a checkpoint: escaped parts joined by '.'. Appends. */
int sc_checkpoint_key(const char *integration, const char *data_type, const char *partition, struct sc_buf *out);
/* Splits "id~hash~version[#n]" of a snapshot from the right. false: it is not of that form. */
bool sc_snapshot_id_split(struct sc_str recipe_id, struct sc_str *ret_id, unsigned char hash[16], struct sc_str *ret_version, unsigned *ret_n);
