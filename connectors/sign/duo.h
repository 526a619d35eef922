/* Duo's request signature, the form of five lines: Basic with the integration key and an HMAC-SHA1 over date, method, host, path, parameters. */
#pragma once

#include <signal/connector.h>

/* As sc_auth.sign. Only GET, and only with the parameters in the order and escaping that are signed: sorted by name, then value; all but
 * A-Z a-z 0-9 - _ . ~ percent-encoded in capitals. Any other query is an error: it would be sent otherwise than it is signed. */
const char *duo_sign(struct sc_host *host, const struct sc_to_sign *in, const char *integration_key, const char *secret_key,
                     struct sc_header out[SC_MAX_SIGN_HEADERS]);
