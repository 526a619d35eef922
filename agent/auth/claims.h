/* What an access token says of its own rights, where it is a JWT (RFC 7519): read, never verified, for a sentence and no decision of ours about
 * anybody else. Bytes in, text out. The token comes from outside; no part of it but the names of scopes and roles ever leaves here. */
#pragma once

#include <signal/types.h>

/* Its claims `scope`, `scp`, `roles` and `permissions`, joined by blanks, as printable ASCII; at most cap - 1 bytes, whole names alone. -1: the token is
 * no JWT, or has none of these claims. */
int sc_claims_scopes(struct sc_str token, char *out, size_t cap);
/* A name in such a list; case counts not. */
bool sc_claims_has(const char *scopes, const char *name);
