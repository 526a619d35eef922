/* The engine's pure parts, apart so that they are tested and fuzzed alone. Private to
 * connectors/rest. */
#pragma once

#include <signal/connector.h>

/* link.c: the target of the first link of that relation in one header line, which may hold several,
 * comma-joined. Absent: none, or the line is malformed before it. A link with an anchor speaks of
 * another resource and is passed over. */
struct sc_str rest_link_target(struct sc_str line, const char *relation);
/* link.c: what of `target` (absolute, or from the root) follows the base URL; begins with '/',
 * without fragment. Returns NULL, or why it is not taken: another origin, not below the base URL's
 * path, not a URL. */
const char *rest_link_below(const char *base, struct sc_str target, struct sc_str *ret);

/* template.c: fills in a template; lives like host->text(). NULL: out of memory, too long, or a
 * name without value. */
const char *rest_expand(struct sc_host *host, const char *text);
/* template.c: the walk's lower bound as text, frozen in SC_WALK when it is not yet. NULL: out of
 * memory. */
const char *rest_since(struct sc_host *host);
/* template.c: the lower bound that the position gives: newest record time less the overlap; the
 * first walk's bound while there was no record; else the lookback. */
int64_t rest_lower_bound(const struct sc_host *host);
/* template.c: time of SC_POSITION "time"; SC_TIME_NONE: none. */
int64_t rest_position_time(const struct sc_host *host);

/* errorbody.c: a top-level member of a JSON object that may be cut short, as printable ASCII (the
 * rest becomes ' ' or '?'). Length, 0 when it is absent or neither text nor number. `out` is always
 * terminated. */
size_t rest_error_member(struct sc_str body, const char *name, char *out, size_t cap);
/* errorbody.c: a web page, so not the vendor's API that speaks. */
bool rest_is_web_page(struct sc_str body);
