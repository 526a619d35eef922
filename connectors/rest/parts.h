/* The engine's parts, apart so that the pure ones are tested and fuzzed alone. Private to connectors/rest. */
#pragma once

#include "rest/rest.h"

/* link.c: the target of the first link of that relation in one header line, which may hold several, comma-joined. Absent: none, or
 * the line is malformed before it. A link with an anchor speaks of another resource and is passed over. */
struct sc_str rest_link_target(struct sc_str line, const char *relation);
/* link.c: what of `target` (absolute, or from the root) follows the base URL; begins with '/', without fragment. Returns NULL, or
 * why it is not taken: another origin, not below the base URL's path, not a URL. */
const char *rest_link_below(const char *base, struct sc_str target, struct sc_str *ret);

/* template.c: fills in a template; lives like host->text(). NULL: out of memory, too long, or a name without value. */
const char *rest_expand(struct sc_host *host, const char *text);
/* template.c: percent-encoded. NULL: out of memory, or longer than REST_MAX_CURSOR. */
#define REST_MAX_CURSOR 2600
const char *rest_encode(struct sc_host *host, const char *value);
/* template.c: a body: {items} becomes this JSON as it is, other names as rest_expand() knows them. NULL as there. */
const char *rest_body(struct sc_host *host, const char *text, const char *items);
/* template.c: {page_size} of the next request for a page. */
uint32_t rest_limit(const struct sc_host *host);
/* template.c: the walk's lower bound as text, frozen in SC_WALK when it is not yet. NULL: out of memory. */
const char *rest_since(struct sc_host *host);
/* template.c: freezes it in any case, from the position as it is now; a gap where the vendor's reach does not go back so far. NULL: out
 * of memory. */
const char *rest_freeze_since(struct sc_host *host);
/* template.c: the lower bound that the position gives: newest record time less the overlap; the first walk's bound while there was
 * no record; else the lookback. */
int64_t rest_lower_bound(const struct sc_host *host);
/* template.c: time of SC_POSITION "time"; SC_TIME_NONE: none. */
int64_t rest_position_time(const struct sc_host *host);
/* template.c: the same, or the first walk's bound while there was no record; SC_TIME_NONE: nothing was ever read to its end. */
int64_t rest_known_time(const struct sc_host *host);
/* template.c: the walk is over a closed window of the past, and what comes behind this page lies beyond it: of lists in order of time. Vendors that
 * promise no order are read on by the data type's overlap. */
bool rest_past_reached(const struct sc_host *host, const struct sc_page *in);
/* template.c: this walk reads everything there is. */
bool rest_is_whole(const struct sc_host *host);

/* errorbody.c: as rest_error_member (rest.h), by a path of member names joined by '.'. */
size_t rest_error_path(struct sc_str body, const char *path, char *out, size_t cap);
/* errorbody.c: from the first element of a list that says anything on to the end of what is here, as rest_first_fault() takes a list. */
struct sc_str rest_first_element(struct sc_str list);
/* errorbody.c: the HTTP status that a code stands for: 401 of 401 and of 4010010; 0: none. */
int rest_status_of(const char *code);
/* errorbody.c: a list of errors as JSON, which may be cut short: says whether it holds any, and what the first one says. An object is
 * a list of one; text is an error without code; nothing, null, false, "" and what is empty are none. */
struct rest_fault {
    char code[64], text[160];
};
bool rest_first_fault(struct sc_str list, const char *code, const char *text, struct rest_fault *ret);
/* errorbody.c: a web page, so not the vendor's API that speaks. */
bool rest_is_web_page(struct sc_str body);
/* errorbody.c: of decimal digits alone; false for anything else, or more than an int64_t holds. */
bool rest_number(struct sc_str text, int64_t *ret);

/* window.c: the window that is to be read now is in SC_WALK; or there is none, the present being reached; or memory is short. */
enum rest_opened {
    REST_WINDOW,
    REST_NO_WINDOW,
    REST_WINDOW_FAILED
};
enum rest_opened rest_window_open(struct sc_host *host);
/* window.c: its end, ms. */
int64_t rest_window_end_of(const struct sc_host *host);
/* window.c: what is covered lies ahead of this time of the vendor's: it, or an earlier one, was wrong. */
bool rest_window_is_behind(const struct sc_host *host, int64_t now);
/* window.c: a reply of this window came, dated `answered`: the first one bounds the position. False: memory is short. */
bool rest_window_answered(struct sc_host *host, int64_t answered);
/* window.c: it is read to its end: the position moves, and the walk goes on to the next one (SC_MORE), or ends (SC_WALKED). SC_BROKEN: memory
 * is short, nothing moved. */
enum sc_more rest_window_done(struct sc_host *host);

/* link.c: what to ask below the base URL for an absolute URL of the vendor's. On the base URL's own host what follows its path; of another host path
 * and query, which are then asked at the base URL: credentials go nowhere else. Returns NULL, or why it is not taken. */
const char *rest_url_below(const char *base, struct sc_str url, struct sc_str *ret);

/* paging.c: a number in one of the maps; `none` when it is absent or none. */
int64_t rest_get_number(const struct sc_host *host, enum sc_keep keep, const char *name, int64_t none);
bool rest_set_number(struct sc_host *host, enum sc_keep keep, const char *name, int64_t value);
/* paging.c: the request for a page, or for the details of one. False: there is nothing to ask. */
bool rest_page_request(struct sc_host *host, struct sc_request *out);
/* paging.c: the cursor or offset of the next page, of this walk or kept from walk to walk; NULL: none. */
const char *rest_cursor(const struct sc_host *host);
/* paging.c: the details of a page are being read. */
bool rest_in_details(const struct sc_host *host);
/* paging.c: what a reply leads to, where pages have offsets, cursors, URLs, lists or windows. */
enum sc_more rest_page_read(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out);
/* paging.c: a refused details request is asked again in smaller pieces. */
bool rest_halve_batch(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out);
/* paging.c: the cursor is refused: forgotten, and the walk begun again by time. */
bool rest_forget_cursor(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out);

/* rest.c: the newest record time becomes the position's. */
void rest_remember_time(struct sc_host *host, const struct sc_page *in);
