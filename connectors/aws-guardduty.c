/* Amazon GuardDuty: findings.
 *
 * What is odd about it:
 * - Three steps: ListDetectors says which detector there is (one for an account and region, as a rule; detector_id skips the step), ListFindings
 *   gives ids, GetFindings up to 50 of what they name. Several detectors are read one after the other in one walk, and the position moves when all are
 *   read: no further than the beginning of the walk allows, for what the first one got while the others were read was not looked at again.
 * - A finding that happens again is changed in place: same id, higher count, new updatedAt. Each version is a record of its own. In a list sorted by
 *   updatedAt it moves to the end, and what nextToken is made of is not documented. If it counts places: page 1 is findings 1 to 50, number 7 happens
 *   again, page 2 begins with what was number 52, and 51 is skipped. The upper bound (lessThan, the beginning of the walk) makes that no better, since
 *   the changed finding then leaves the list and its neighbour skips the page all the same; it only lets a walk end. So the lower bound follows the
 *   time, and the token is used only while that stands still (rest/paging.c): within one millisecond, or within the last 5 minutes, which no
 *   position passes and each poll reads again. If it goes over the order that the first page found, findings are younger than what follows
 *   them: behind a token times count only as far as they did for the page that opened it. What remains: more than a page of one millisecond, older
 *   than 5 minutes, of which one happens again in the very seconds in which they are read, where a token counts places.
 * - Details are younger than their list, so that their times count only up to 5 minutes before it. An id without details has
 *   expired: no error.
 * - How long a nextToken lives is not documented. One that is older than 10 minutes is not used any more, one that is refused (400) is dropped, and the
 *   walk goes on by time. Absent and "" are the end; an empty page that has one is not.
 * - Signature V4 for the service guardduty (sign/aws_sigv4.h). base_url replaces the host, not the region that is signed. Regions cn-* lie below
 *   amazonaws.com.cn. Temporary keys (ASIA...) need their session token, and end with it.
 * - The name of an error stands in x-amzn-ErrorType or in __type, behind a '#' or before a ':'. It counts, not the status: which one goes with it is
 *   not sure for the common ones (unverified). Throttling is a 429 or a 400 (unverified) and names no time: 1 second, doubling.
 * - No limits are published: 2 requests a second. Findings are kept for 90 days; archived ones are read too.
 * - Accounts share the host of their region: give two integrations in one region a `source` each. */
#include "rest/parts.h"
#include "sign/aws_sigv4.h"

#include <stdio.h>
#include <strings.h>

#define OVERLAP_S     (5 * 60)
#define TOKEN_MS      (10 * 60 * 1000)
#define CLOCK_MS      60000 /* guesses of the vendor's clock differ by seconds */
#define MAX_EMPTY 1000 /* empty pages in a row */
#define MAX_ID        300
#define MAX_DETECTORS 8000
#define DEFAULT_URL   "https://guardduty.%s.amazonaws.com"
#define NEW_KEYS \
    "Make an access key for an IAM user with AmazonGuardDutyReadOnlyAccess (IAM > Users > Security credentials), or take temporary keys of such a role."

static const char *region_of(const struct sc_host *host)
{
    const char *region = host->api->setting(host, "region");
    return region && *region ? region : "us-east-1";
}

static const char *sign(struct sc_host *host, const struct sc_to_sign *in, struct sc_header out[SC_MAX_SIGN_HEADERS])
{
    const struct aws_keys keys = {
        .service = "guardduty",
        .region = region_of(host),
        .key_id = host->api->setting(host, "access_key_id"),
        .secret = host->api->setting(host, "secret_access_key"),
        .session_token = host->api->setting(host, "session_token"),
    };
    return aws_sigv4(host, in, &keys, out);
}

static enum sc_more no_memory(struct sc_verdict *out)
{
    out->reason = SC_REASON_MEMORY_LIMIT;
    snprintf(out->detail, sizeof out->detail, "memory is short: the page is asked again");
    return SC_BROKEN;
}

/* ---- detectors: SC_WALK "detectors" has those that were listed, a blank between them; "nth" is read now; "more_detectors" leads to the rest --- */

/* Not as items: the same ones may rightly be listed again in a walk. */
static const struct sc_reply detector_list = {.envelope = {"detectorIds", "nextToken"}};

static const char *set_detector(const struct sc_host *host)
{
    const char *set = host->api->setting(host, "detector_id");
    return set && *set ? set : NULL;
}

static bool asks_detectors(const struct sc_host *host)
{
    return !set_detector(host) && (!host->api->get(host, SC_WALK, "detectors") || host->api->get(host, SC_WALK, "more_detectors"));
}

/* The nth of those that were listed; absent: there are no more. */
static struct sc_str listed_detector(const struct sc_host *host, int64_t nth)
{
    const char *at = host->api->get(host, SC_WALK, "detectors");
    for (; at && nth > 0; nth--) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at ? (struct sc_str){at, strcspn(at, " ")} : (struct sc_str){0};
}

static bool has_several(const struct sc_host *host)
{
    return !set_detector(host) && listed_detector(host, 1).ptr;
}

/* Which one the paths name. */
static bool choose_detector(struct sc_host *host)
{
    const char *set = set_detector(host);
    struct sc_str listed = listed_detector(host, rest_get_number(host, SC_WALK, "nth", 0));
    const char *id = set ? set : host->api->text(host, "%.*s", (int)listed.len, listed.ptr ? listed.ptr : "");
    return id && *id && host->api->set(host, SC_WALK, "detector", id);
}

static void ask_detectors(struct sc_host *host, struct sc_request *out)
{
    const struct rest_data_type *row = host->type->engine;
    const char *token = host->api->get(host, SC_WALK, "more_detectors"), *encoded = rest_encode(host, token ? token : "");
    out->method = SC_GET;
    out->url = encoded ? host->api->text(host, "/detector?maxResults=50%s%s", *encoded ? "&nextToken=" : "", encoded) : NULL;
    out->headers[0] = (struct sc_header){"Accept", "application/json"};
    out->reply = &detector_list;
    out->may_repeat = true;
    out->pools[0] = row->pools[0];
}

static bool is_id(struct sc_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~' || id.ptr[i] == '\\')
            return false;
    }
    return id.len && id.len <= MAX_ID;
}

static enum sc_more not_enabled(const struct sc_host *host, struct sc_verdict *out)
{
    out->reason = SC_REASON_FEATURE_OFF;
    snprintf(out->detail, sizeof out->detail, "GuardDuty is not enabled in %.60s: the account has no detector there", region_of(host));
    snprintf(out->advice, sizeof out->advice,
             "Enable GuardDuty in that region (GuardDuty console > Get started), or set region to the one where it is.");
    return SC_BROKEN;
}

/* ["a","b"] behind those that are known already. False: one of them is no id, or they are too many. */
static bool add_detectors(struct sc_str list, char all[MAX_DETECTORS])
{
    size_t len = strlen(all);
    const char *at = list.ptr + 1, *end = list.ptr + list.len - 1;
    while (at < end) {
        const char *quote = memchr(at, '"', (size_t)(end - at)), *close = quote ? memchr(quote + 1, '"', (size_t)(end - quote - 1)) : NULL;
        struct sc_str id = {quote + 1, close ? (size_t)(close - quote - 1) : 0};
        if (!quote)
            return true;
        if (!is_id(id) || len + id.len + 2 > MAX_DETECTORS)
            return false;
        len += (size_t)snprintf(all + len, MAX_DETECTORS - len, "%s%.*s", len ? " " : "", (int)id.len, id.ptr);
        at = close + 1;
    }
    return true;
}

static enum sc_more detectors_listed(struct sc_host *host, struct sc_verdict *out)
{
    char all[MAX_DETECTORS];
    const char *known = host->api->get(host, SC_WALK, "detectors"), *used = host->api->get(host, SC_WALK, "more_detectors");
    struct sc_str token = host->api->envelope(host, "nextToken"), list = host->api->envelope(host, "detectorIds");
    snprintf(all, sizeof all, "%s", known ? known : "");
    if (list.len < 2 || list.ptr[0] != '[' || list.ptr[list.len - 1] != ']' || !add_detectors(list, all)) {
        snprintf(out->detail, sizeof out->detail, "ListDetectors: the reply holds no usable list \"detectorIds\"");
        return SC_BROKEN;
    }
    if (token.len && used && sc_str_is(token, used)) {
        snprintf(out->detail, sizeof out->detail, "ListDetectors names the page that was just read as the next one");
        return SC_LOOP;
    }
    if (!all[0] && !token.len)
        return not_enabled(host, out);
    const char *more = token.len ? host->api->text(host, "%.*s", (int)token.len, token.ptr) : "";
    if (!more || !host->api->set(host, SC_WALK, "detectors", all) || !host->api->set(host, SC_WALK, "more_detectors", *more ? more : NULL))
        return no_memory(out);
    return SC_MORE;
}

/* ---- several detectors: SC_WALK "begin" is the lower bound that each of them begins at, "high" the time that they have reached: the position's when
 * all are read ----------------------------------------------------------------------------------------- */

static bool note_begin(struct sc_host *host)
{
    const char *since = host->api->get(host, SC_WALK, "since"), *text = since ? host->api->text(host, "%s", since) : NULL;
    return host->api->get(host, SC_WALK, "begin") || (text && host->api->set(host, SC_WALK, "begin", text));
}

struct kept {
    const char *time, *since; /* of the position */
};

static bool keep_position(struct sc_host *host, struct kept *ret)
{
    const char *time = host->api->get(host, SC_POSITION, "time"), *since = host->api->get(host, SC_POSITION, "since");
    *ret = (struct kept){time ? host->api->text(host, "%s", time) : NULL, since ? host->api->text(host, "%s", since) : NULL};
    return !time == !ret->time && !since == !ret->since;
}

/* What the page would have moved the position to is kept for the end. */
static bool hold_back(struct sc_host *host, const struct kept *before)
{
    const char *now = host->api->get(host, SC_POSITION, "time"), *high = host->api->get(host, SC_WALK, "high");
    int64_t reached = rest_position_time(host), most = high ? host->api->parse_time(host, sc_str_of(high), SC_TIME_RFC3339) : SC_TIME_NONE;
    bool moved = now && (!before->time || strcmp(now, before->time) != 0);
    if (moved && (most == SC_TIME_NONE || reached > most)) {
        const char *text = host->api->text(host, "%s", now);
        if (!text || !host->api->set(host, SC_WALK, "high", text))
            return false;
    }
    return host->api->set(host, SC_POSITION, "time", before->time) && host->api->set(host, SC_POSITION, "since", before->since);
}

static bool begin_next(struct sc_host *host, int64_t nth)
{
    static const char *const names[] = {"cursor", "got_at", "opened", "empties", "fewer", "pages", "reached", "lost", "batch"};
    const char *begin = host->api->get(host, SC_WALK, "begin"), *text = begin ? host->api->text(host, "%s", begin) : NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        host->api->set(host, SC_WALK, names[i], NULL);
    return text && host->api->set(host, SC_WALK, "since", text) && rest_set_number(host, SC_WALK, "nth", nth);
}

/* GuardDuty that was switched off and on has another one: they are asked for again, and all of them read again. */
static void forget_detectors(struct sc_host *host)
{
    if (host->api->get(host, SC_WALK, "begin") && !begin_next(host, 0))
        return; /* memory is short: after the next refusal */
    host->api->set(host, SC_WALK, "detectors", NULL);
}

/* All are read. */
static bool move_position(struct sc_host *host)
{
    const char *name = host->api->get(host, SC_WALK, "high") ? "high" : "begin", *value = host->api->get(host, SC_WALK, name);
    const char *text = value ? host->api->text(host, "%s", value) : NULL;
    int64_t time = text ? host->api->parse_time(host, sc_str_of(text), SC_TIME_RFC3339) : SC_TIME_NONE, known = rest_position_time(host);
    bool first = known == SC_TIME_NONE;
    if (strcmp(name, "begin") == 0)
        return !first || host->api->get(host, SC_POSITION, "since") || (text && host->api->set(host, SC_POSITION, "since", text));
    if (!first && time <= known)
        return text;
    return text && host->api->set(host, SC_POSITION, "time", text) && host->api->set(host, SC_POSITION, "since", NULL);
}

static enum sc_more one_of_several(struct sc_host *host, const struct kept *before, enum sc_more more, struct sc_verdict *out)
{
    int64_t nth = rest_get_number(host, SC_WALK, "nth", 0) + 1;
    if (more != SC_MORE && more != SC_WALKED)
        return more;
    if (!hold_back(host, before))
        return no_memory(out);
    if (more == SC_MORE)
        return SC_MORE;
    if (listed_detector(host, nth).ptr)
        return begin_next(host, nth) ? SC_MORE : no_memory(out);
    return move_position(host) ? SC_WALKED : no_memory(out);
}

/* ---- request ---------------------------------------------------------------------------------------------------------------------- */

/* The walk goes on by time, with a page of another length: the same list twice in a row would be taken for a loop. */
static void drop_old_token(struct sc_host *host)
{
    int64_t got = rest_get_number(host, SC_WALK, "got_at", 0);
    if (!host->api->get(host, SC_WALK, "cursor") || rest_in_details(host) || host->api->now(host) - got <= TOKEN_MS)
        return;
    uint32_t limit = rest_limit(host);
    bool fewer = host->api->get(host, SC_WALK, "fewer") || limit < 3 || !rest_set_number(host, SC_WALK, "fewer", limit - 1);
    if (fewer)
        host->api->set(host, SC_WALK, "fewer", NULL);
    host->api->set(host, SC_WALK, "cursor", NULL);
    host->api->set(host, SC_WALK, "opened", NULL);
    host->api->trace(host, "the nextToken is more than 10 minutes old: going on by time");
}

/* SC_WALK "until", the upper bound: when the walk began, and never before its lower one, whatever the clock does. */
static bool freeze_until(struct sc_host *host)
{
    const char *since = rest_since(host);
    int64_t from = since ? host->api->parse_time(host, sc_str_of(since), SC_TIME_RFC3339) : SC_TIME_NONE, now = host->api->now(host);
    int64_t begin, end;
    if (host->api->past(host, &begin, &end) && end < now)
        now = end;
    const char *until = host->api->rfc3339(host, from < now ? now : from + 1);
    return since && until && (host->api->get(host, SC_WALK, "until") || host->api->set(host, SC_WALK, "until", until));
}

/* Nothing beyond the upper bound counts; of several detectors nothing that the first one may have got since it was read. */
static void limit_times(struct sc_host *host, struct sc_request *out)
{
    const char *until = host->api->get(host, SC_WALK, "until");
    int64_t less = has_several(host) ? OVERLAP_S * 1000 : 1;
    int64_t end = until ? host->api->parse_time(host, sc_str_of(until), SC_TIME_RFC3339) - less : 1;
    if (out->newest_until && end < out->newest_until)
        out->newest_until = end;
}

/* The host of regions in China. */
static const char *full_url(struct sc_host *host, const char *url)
{
    const char *region = region_of(host), *base = host->api->base_url(host), *usual = host->api->text(host, DEFAULT_URL, region);
    if (strncasecmp(region, "cn-", 3) != 0 || !url)
        return url;
    if (!usual || strncasecmp(base, usual, strlen(usual)) != 0 || base[strlen(usual) + strspn(base + strlen(usual), "/")])
        return usual ? url : NULL;
    return host->api->text(host, "%s.cn%s", usual, url);
}

static enum sc_next request(struct sc_host *host, struct sc_request *out)
{
    if (asks_detectors(host)) {
        ask_detectors(host, out);
    } else {
        drop_old_token(host);
        bool ready = choose_detector(host) && freeze_until(host);
        rest_ops.request(host, out);
        if (!ready || (has_several(host) && !note_begin(host)))
            out->url = NULL;
        limit_times(host, out);
    }
    out->url = full_url(host, out->url);
    return SC_SEND;
}

/* ---- response --------------------------------------------------------------------------------------------------------------------- */

#define CLOCK      "Compare the clock of this host (chronyc tracking): AWS refuses signatures that are more than 5 minutes off."

#define INCOMPLETE "A proxy may have removed headers of the request; access_key_id must hold the id alone. " NEW_KEYS

static const struct {
    const char *name, *says; /* says: how its message begins; NULL: any */
    enum sc_reason reason;
    const char *advice;
} faults[] = {
    {"ThrottlingException", NULL, SC_REASON_RATE_LIMITED, NULL},
    {"Throttling", NULL, SC_REASON_RATE_LIMITED, NULL},
    {"TooManyRequestsException", NULL, SC_REASON_RATE_LIMITED, NULL},
    {"RequestLimitExceeded", NULL, SC_REASON_RATE_LIMITED, NULL},
    {"AccessDeniedException", NULL, SC_REASON_PERMISSION_DENIED,
     "Attach the policy AmazonGuardDutyReadOnlyAccess (guardduty:ListDetectors, ListFindings, GetFindings) to the IAM user or role of this key."},
    {"ExpiredTokenException", NULL, SC_REASON_AUTH_EXPIRED, "The session token has ended: save new temporary keys, all three of them."},
    {"UnrecognizedClientException", NULL, SC_REASON_AUTH_INVALID,
     "AWS does not know the access key: deleted, inactive, of another partition, of a region that the account has not enabled, or temporary (ASIA...) "
     "and without its session_token."},
    {"InvalidSignatureException", "Signature expired", SC_REASON_CLOCK_SKEW, CLOCK},
    {"InvalidSignatureException", "Signature not yet current", SC_REASON_CLOCK_SKEW, CLOCK},
    {"InvalidSignatureException", NULL, SC_REASON_AUTH_INVALID,
     "The secret access key is not that of this access key id, or a proxy changes what was signed: copy both again, without blanks."},
    {"IncompleteSignature", NULL, SC_REASON_AUTH_INVALID, INCOMPLETE},
    {"IncompleteSignatureException", NULL, SC_REASON_AUTH_INVALID, INCOMPLETE},
};

/* "BadRequestException:http://...", "com.amazonaws.guardduty#BadRequestException" */
static void fault_name(const struct sc_host *host, struct sc_str body, char out[64])
{
    char type[160];
    struct sc_str said = host->api->header(host, "x-amzn-ErrorType", 0);
    size_t n = said.len < sizeof type ? said.len : sizeof type - 1;
    memcpy(type, said.len ? said.ptr : "", n);
    type[n] = '\0';
    if (!n)
        rest_error_member(body, "__type", type, sizeof type);
    const char *hash = strchr(type, '#'), *from = hash ? hash + 1 : type;
    size_t len = strspn(from, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    snprintf(out, 64, "%.*s", (int)(len < 63 ? len : 63), from);
}

/* By the name of the error, whatever the status. */
static bool is_known_fault(const char *name, const char *message, struct sc_verdict *out)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (strcmp(name, faults[i].name) != 0 || (faults[i].says && strncmp(message, faults[i].says, strlen(faults[i].says)) != 0))
            continue;
        out->action = SC_REFUSE;
        out->reason = faults[i].reason;
        snprintf(out->advice, sizeof out->advice, "%s", faults[i].advice ? faults[i].advice : "");
        return true;
    }
    return false;
}

static void response(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    char name[64], message[150];
    bool detectors = asks_detectors(host), wrong;
    if (!in->status || !in->body_complete) {
        out->action = SC_BY_STATUS;
        return;
    }
    fault_name(host, in->body_prefix, name);
    if (!rest_error_member(in->body_prefix, "message", message, sizeof message))
        rest_error_member(in->body_prefix, "Message", message, sizeof message);
    if (!is_known_fault(name, message, out)) {
        out->action = SC_BY_STATUS;
        if (!detectors)
            rest_ops.response(host, in, out);
    }
    if (out->action == SC_AGAIN)
        return;
    wrong = in->status == 400 && out->reason == SC_REASON_CONFIG_INVALID;
    if (wrong && !detectors && !set_detector(host))
        forget_detectors(host);
    snprintf(out->detail, sizeof out->detail, "%s%s%s%s", detectors ? "ListDetectors: " : "", name, *name && *message ? ": " : "", message);
}

/* ---- page ------------------------------------------------------------------------------------------------------------------------- */

static bool is_list(const struct sc_host *host, const struct sc_page *in)
{
    const struct rest_data_type *row = host->type->engine;
    return in->reply == &row->list->reply && !in->absent;
}

/* An empty page with a token is not the end. */
static bool goes_on_empty(const struct sc_host *host, const struct sc_page *in)
{
    return is_list(host, in) && in->items == 0 && host->api->envelope(host, "nextToken").len;
}

static enum sc_more follow_token(struct sc_host *host, struct sc_verdict *out)
{
    struct sc_str came = host->api->envelope(host, "nextToken");
    const char *used = rest_cursor(host), *token = came.len <= REST_MAX_CURSOR ? host->api->text(host, "%.*s", (int)came.len, came.ptr) : NULL;
    if (used && sc_str_is(came, used)) {
        snprintf(out->detail, sizeof out->detail, "the vendor names the empty page that was just read as the next one");
        return SC_LOOP;
    }
    int64_t empties = rest_get_number(host, SC_WALK, "empties", 0) + 1;
    if (empties > MAX_EMPTY) {
        snprintf(out->detail, sizeof out->detail, "%d empty pages in a row, each with a token for the next: tokens may lead round in a circle", MAX_EMPTY);
        return SC_LOOP;
    }
    if (!rest_set_number(host, SC_WALK, "empties", empties))
        return no_memory(out);
    bool opened = used || rest_set_number(host, SC_WALK, "opened", rest_get_number(host, SC_PAGE, "asked", host->api->now(host)));
    return opened && token && host->api->set(host, SC_WALK, "cursor", token) ? SC_MORE : no_memory(out);
}

/* Behind a page that opened a token: when it came; and times count behind it no further than the list allowed that opened it, whose clock may have
 * been corrected by its reply. */
static bool note_token(struct sc_host *host, const char *before, int64_t answered)
{
    const char *token = rest_cursor(host);
    int64_t opened = rest_get_number(host, SC_WALK, "opened", INT64_MIN), listed = rest_get_number(host, SC_PAGE, "listed", INT64_MAX);
    if (!token || strcmp(before, token) == 0)
        return true;
    return (opened <= listed || rest_set_number(host, SC_WALK, "opened", listed)) && rest_set_number(host, SC_WALK, "got_at", answered);
}

/* The bound of the very first walk was made by a clock that is ahead of AWS's, as the list's reply shows: the lookback counts from AWS's present. */
static bool began_too_late(const struct sc_host *host, const struct sc_page *in)
{
    const char *since = host->api->get(host, SC_WALK, "since"), *begin = host->api->get(host, SC_WALK, "begin");
    bool first = rest_position_time(host) == SC_TIME_NONE && !host->api->get(host, SC_POSITION, "since") && !rest_cursor(host);
    if (!first || !since || !is_list(host, in) || (begin && strcmp(begin, since) != 0)) /* of several, it may have followed the time already */
        return false;
    return host->api->parse_time(host, sc_str_of(since), SC_TIME_RFC3339) > rest_lower_bound(host) + CLOCK_MS;
}

static enum sc_more begin_earlier(struct sc_host *host, struct sc_verdict *out)
{
    host->api->set(host, SC_WALK, "until", NULL);
    host->api->set(host, SC_WALK, "begin", NULL);
    return rest_freeze_since(host) ? SC_MORE : no_memory(out);
}

static enum sc_more page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    struct kept before;
    if (in->reply == &detector_list)
        return detectors_listed(host, out);
    if (began_too_late(host, in))
        return begin_earlier(host, out);
    const char *token = rest_cursor(host), *used = token ? host->api->text(host, "%s", token) : "";
    if (!used || !keep_position(host, &before))
        return no_memory(out);
    bool empty = goes_on_empty(host, in);
    enum sc_more more = empty ? follow_token(host, out) : rest_ops.page(host, in, out);
    if (!empty && (more == SC_MORE || more == SC_WALKED)) /* not of a part: nothing of the walk may change before its end */
        host->api->set(host, SC_WALK, "empties", NULL);
    if (more == SC_MORE && !note_token(host, used, in->answered))
        return no_memory(out);
    return has_several(host) ? one_of_several(host, &before, more, out) : more;
}

static const struct sc_connector_ops ops = {.request = request, .response = response, .page = page};

/* ---- tables ------------------------------------------------------------------------------------------------------------------------- */

static const struct sc_field settings[] = {
    {
        .name = "region",
        .title = "AWS region",
        .help = "Where GuardDuty is read, one integration for each; of two accounts in one region give each integration a source of its own; "
                "cn-* is asked below amazonaws.com.cn",
        .example = "eu-west-1",
        .def = "us-east-1",
        .kind = SC_HOST,
    },
    {
        .name = "detector_id",
        .title = "Detector",
        .help = "Only this one; empty: all that the account has in the region, which is one as a rule",
        .example = "12abc34d567e8fa901bc2d34e56789f0",
    },
    {0},
};

static const struct sc_field credentials[] = {
    {
        .name = "access_key_id",
        .title = "Access key id",
        .help = "Of an IAM user or role with AmazonGuardDutyReadOnlyAccess",
        .example = "AKIAIOSFODNN7EXAMPLE",
        .required = true,
        .secret = true,
        .forms = {{.begins = "AKIA", .least = 16, .most = 128}, {.begins = "ASIA", .least = 16, .most = 128}},
    },
    {.name = "secret_access_key", .title = "Secret access key", .help = "Shown once, when the access key is made", .required = true, .secret = true},
    {.name = "session_token", .title = "Session token", .help = "Of temporary keys (ASIA...) alone; they end with it", .secret = true},
    {0},
};

static const struct sc_pool pools[] = {
    {.name = "api", .scope = SC_PER_CREDENTIAL, .requests = 2, .per_s = 1, .throttle_s = 1, .throttle_max_s = 60},
    {0},
};

static const struct rest_error errors[] = {
    {400, NULL, SC_REASON_CONFIG_INVALID,
     "GuardDuty refuses the request: detector_id has to be one of this account in this region; leave it empty to have it found."},
    {0},
};

#define ORDER    "\"sortCriteria\":{\"attributeName\":\"updatedAt\",\"orderBy\":\"ASC\"}"
#define BOUNDS   "{\"greaterThanOrEqual\":{since|epoch_ms},\"lessThan\":{until|epoch_ms}}"
#define CRITERIA "{\"maxResults\":{page_size}," ORDER ",\"findingCriteria\":{\"criterion\":{\"updatedAt\":" BOUNDS "}}"

static const struct rest_list findings_list = {
    .method = SC_POST,
    .path = "/detector/{detector}/findings",
    .body = CRITERIA "}",
    .cursor_body = CRITERIA ",\"nextToken\":\"{cursor}\"}",
    .reply = {.items = "findingIds[]", .envelope = {"nextToken"}},
    .batch = "page_size",
};

static const struct sc_place places[] = {REST_PLACES, {0}};
static const struct sc_history history = {.places = places, .by_time = true, .past = SC_PAST_TIME, .reach_s = 89 * 24 * 3600};

static const struct sc_data_type data_types[] = {
    {
        .name = "findings",
        .title = "Findings",
        .noun = "findings",
        .help = "Every finding, and each of its later versions: one that happens again counts up; archived ones too",
        .permission = "AmazonGuardDutyReadOnlyAccess (guardduty:ListDetectors, guardduty:ListFindings, guardduty:GetFindings)",
        .interval_s = 5 * 60,
        .lookback_s = 24 * 3600,
        .overlap_s = OVERLAP_S,
        .lag_s = OVERLAP_S,
        .recipe = 1,
        .shape = SC_SHAPE_LOG,
        .identity = SC_VERSIONED,
        .records = "findings[]",
        .id = {"id", "updatedAt"},
        .time = "updatedAt",
        .time_format = SC_TIME_RFC3339,
        .history = &history,
        .engine =
            &(const struct rest_data_type){
                .method = SC_POST,
                .path = "/detector/{detector}/findings/get",
                .body = "{\"findingIds\":{items}," ORDER "}",
                .pools = {"api"},
                .page_size = 50,
                .reach_s = 89 * 24 * 3600,
                .list = &findings_list,
                .next = REST_NEXT_BODY_CURSOR,
                .cursor = "nextToken",
                .follows_time = true,
                .may_repeat = true, /* a page by time may rightly come again behind a token that was dropped */
                .cursor_lost = {400},
                .error_text = "message",
                .errors = errors,
            },
    },
    {0},
};

static const struct sc_connector aws_guardduty = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "aws-guardduty",
    .title = "Amazon GuardDuty",
    .category = "Cloud security",
    .vendor_docs = "https://docs.aws.amazon.com/guardduty/latest/APIReference/Welcome.html",
    .base_url = "https://guardduty.{region}.amazonaws.com",
    .source = "{region}",
    .auth = {.kind = SC_AUTH_SIGNED, .sign = sign},
    .auth_advice = NEW_KEYS,
    .settings = settings,
    .credentials = credentials,
    .pools = pools,
    .data_types = data_types,
    .ops = &ops,
};

SC_CONNECTOR_EXPORT(aws_guardduty)
