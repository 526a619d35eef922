/* Queries as signatures want them: names and values in RFC 3986 encoding (all but A-Z a-z 0-9 - _ . ~, capitals in hex), sorted by name, then by
 * value. Pure. */
#pragma once

#include <signal/connector.h>

#define SIGN_MAX_PARAMS 64
#define SIGN_MAX_TEXT   8192

/* The query (without '?') as one line, empty for none. NULL, or why it cannot be done. */
const char *sign_canonical_query(struct sc_str query, char out[SIGN_MAX_TEXT]);
/* Every byte of the path encoded but '/', also the '%' of what is encoded already. */
const char *sign_canonical_path(struct sc_str path, char out[SIGN_MAX_TEXT]);
