/* Cisco Duo, Admin API logs: authentication, activity, telephony (v2), administrator and offline enrollment (v1).
 *
 * What is odd about it:
 * - Every request is signed: Basic with the integration key and an HMAC-SHA1 over date, method, host, path and parameters (sign/duo.h). A newer
 *   form of seven lines exists; this one is accepted as well. Signed is what is sent, so the parameters stand in canonical order, and a retry
 *   has a date of its own. By how much the clock may differ is not sure (5 minutes, unverified).
 * - v2 is read in windows, mintime and maxtime in milliseconds, both counted in. The newest two minutes are withheld, so that a window is final
 *   once it may be asked for. Still windows do not tile with a millisecond between them: times have microseconds, and a record half a
 *   millisecond behind maxtime would be in neither. One window begins where the last one ended, and each poll two minutes before: what is late
 *   all the same is found, what comes again is recognised by its id.
 * - next_offset leads through a window: for authentication logs an array of two strings, sent back with a comma between them, else one string.
 *   mintime, maxtime, limit and sort stay the same meanwhile: limit is frozen with the first page (SC_WALK "limit"); where pages have to become
 *   smaller the window is read again from its beginning. A next_offset that is refused (400) does the same. How long one lives is not known.
 * - v1 has no cursor and no end: mintime in seconds, and the oldest 1,000 from there on (unverified). Behind a full page the walk goes on from the
 *   second of its last record (SC_WALK "at"), which may have been cut in the middle; its records come again. They have no id: their bytes are
 *   hashed, and equal ones of one second counted, which needs that second whole on one page: the next page always begins with it. A second that
 *   holds more than a page cannot be read past without skipping, so it is an error. The page size may be another: behind 100 records or more the walk
 *   goes on as behind a full page, at worst for nothing, and a second that holds a multiple of 100 with nothing behind it counts as more than a page
 *   until something follows.
 * - A reply of status 200 may say "stat":"FAIL": nothing of it counts. The first three digits of a code are its status. Of the codes only 40103 is
 *   sure; 40101 and 40102 are missing and unknown key, any other 401 is taken for a date that is refused: the clock.
 * - No limits are published for logs. Recommended is one request a minute for each log: that is what the interval keeps to; the pages of a poll
 *   come no faster than one in two seconds. A 429 names no time: wanted are 1, 2, 4 up to 32 seconds and a random part on top, then nothing
 *   before the next poll. The agent's waits vary by a fifth, upwards alone: 2 doubling to 5 minutes is on the safe side.
 * - 180 days are kept (v2; of v1 it is not known). The host says which deployment it is; there is no table of regions. */
#include "rest/parts.h"
#include "sign/duo.h"

#include <stdio.h>

#define NEW_KEYS \
    "In the Duo Admin Panel (Applications) add or open an application of type Admin API, tick \"Grant read log\", and save its integration key, secret " \
    "key and API hostname."
#define LATE_S   120
#define V1_PAGE  1000
#define V1_LEAST 100 /* a page that is shorter has all there is */
#define CLOCK_MS 60000 /* guesses of the vendor's clock differ by seconds */

static const char *sign(struct sc_host *host, const struct sc_to_sign *in, struct sc_header out[SC_MAX_SIGN_HEADERS])
{
    return duo_sign(host, in, host->api->setting(host, "integration_key"), host->api->setting(host, "secret_key"), out);
}

/* ---- errors --------------------------------------------------------------------------------------------------------------------- */

#define CLOCK "Compare the clock of this host (chronyc tracking): Duo refuses requests whose date is off by more than a few minutes."

static const struct rest_error errors[] = {
    {400, NULL, SC_REASON_CONFIG_INVALID, "Duo refuses a parameter: it keeps 180 days (lookback_hours), and page_size is at most 1000."},
    {401, "40101", SC_REASON_AUTH_INVALID, NEW_KEYS},
    {401, "40102", SC_REASON_AUTH_INVALID, "Integration key and fqdn have to be those of one and the same Admin API application. " NEW_KEYS},
    {401, "40103", SC_REASON_AUTH_INVALID, "The secret key is not that of this integration key, or a proxy changes what was signed. " NEW_KEYS},
    {401, "", SC_REASON_AUTH_INVALID, NEW_KEYS}, /* not Duo's own words */
    {401, NULL, SC_REASON_CLOCK_SKEW, CLOCK},
    {403, NULL, SC_REASON_PERMISSION_DENIED,
     "Tick \"Grant read log\" in the application, which has to be of the type Admin API, not Auth API. The other data types go on."},
    {404, NULL, SC_REASON_WRONG_HOST, "Set fqdn to the API hostname of the application, for example api-1a2b3c4d.duosecurity.com, without a path."},
    {429, NULL, SC_REASON_RATE_LIMITED, NULL},
    {0},
};

/* The status that a code of five digits stands for; 0: none. */
static int status_of(const char *code)
{
    bool digits = strlen(code) == 5 && strspn(code, "0123456789") == 5;
    return digits ? (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0') : 0;
}

static void copy(struct sc_host *host, const char *name, char *out, size_t cap)
{
    struct sc_str value = host->api->envelope(host, name);
    size_t n = 0;
    for (size_t i = 0; i < value.len && n + 1 < cap; i++)
        out[n++] = value.ptr[i] >= ' ' && value.ptr[i] <= '~' ? value.ptr[i] : '?';
    out[n] = '\0';
}

/* An error inside a success. */
static bool is_faulty(struct sc_host *host, struct sc_verdict *out)
{
    char stat[16], code[16], text[80], more[80];
    copy(host, "stat", stat, sizeof stat);
    if (strcmp(stat, "OK") == 0)
        return false;
    copy(host, "code", code, sizeof code);
    copy(host, "message", text, sizeof text);
    copy(host, "message_detail", more, sizeof more);
    int status = status_of(code);
    out->reason = status >= 500 ? SC_REASON_VENDOR_ERROR : SC_REASON_BAD_RESPONSE;
    snprintf(out->detail, sizeof out->detail, "a reply of status 200 whose stat is \"%s\", nothing of it counts: %s%s%s%s%s", stat, code,
             code[0] && text[0] ? " " : "", text, more[0] ? ": " : "", more);
    for (const struct rest_error *e = errors; e->status; e++) {
        if (e->status != status || (e->code && strcmp(e->code, code) != 0))
            continue;
        out->reason = e->reason;
        snprintf(out->advice, sizeof out->advice, "%s", e->advice ? e->advice : "");
        break;
    }
    return true;
}

/* ---- v2: windows ----------------------------------------------------------------------------------------------------------------- */

/* ["1547486297000","<txid>"] -> 1547486297000,<txid>; a string is taken as it is. NULL: it is neither. */
static const char *join_offset(struct sc_host *host, struct sc_str came)
{
    char out[512];
    size_t n = 0, parts = 0;
    if (came.ptr[0] != '[')
        return host->api->text(host, "%.*s", (int)came.len, came.ptr);
    const char *at = came.ptr + 1, *end = came.ptr + came.len - 1;
    if (end <= at || *end != ']')
        return NULL;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end;
        while (at < stop && strchr(" \t\r\n\"", *at))
            at++;
        const char *last = stop;
        while (last > at && strchr(" \t\r\n\"", last[-1]))
            last--;
        if (last == at || n + (size_t)(last - at) + 2 > sizeof out || memchr(at, '\\', (size_t)(last - at)) || memchr(at, '"', (size_t)(last - at)))
            return NULL;
        if (parts++)
            out[n++] = ',';
        memcpy(out + n, at, (size_t)(last - at));
        n += (size_t)(last - at);
        at = stop + 1;
    }
    return parts ? host->api->text(host, "%.*s", (int)n, out) : NULL;
}

/* The limit stays as long as there is a next_offset that was made with it. */
static bool freeze_limit(struct sc_host *host)
{
    const struct rest_data_type *row = host->type->engine;
    int64_t limit = host->api->page_size(host, row->page_size);
    if (host->api->get(host, SC_WALK, "cursor")) {
        if (rest_get_number(host, SC_WALK, "limit", 0) <= limit)
            return true;
        host->api->set(host, SC_WALK, "cursor", NULL);
    }
    return rest_set_number(host, SC_WALK, "limit", limit);
}

/* ---- v1: seconds ------------------------------------------------------------------------------------------------------------------ */

static bool is_v1(const struct sc_host *host)
{
    const struct rest_data_type *row = host->type->engine;
    return !row->window;
}

static int64_t walk_time(const struct sc_host *host, const char *name)
{
    const char *text = host->api->get(host, SC_WALK, name);
    return text ? host->api->parse_time(host, sc_str_of(text), SC_TIME_RFC3339) : SC_TIME_NONE;
}

static bool set_time(struct sc_host *host, enum sc_keep keep, const char *name, int64_t ms)
{
    const char *text = host->api->rfc3339(host, ms);
    return text && host->api->set(host, keep, name, text);
}

/* The position covers the newest record, but nothing that was younger than LATE_S when the page was made. */
static bool move_position(struct sc_host *host, int64_t newest, int64_t answered)
{
    int64_t most = answered - LATE_S * 1000, known = rest_position_time(host), to = newest < most ? newest : most;
    to -= to % 1000; /* as the filter: what is read again is still known */
    const char *since = host->api->get(host, SC_WALK, "since");
    if (newest != SC_TIME_NONE && (known == SC_TIME_NONE || to > known)) {
        if (!set_time(host, SC_POSITION, "time", to))
            return false;
        host->api->set(host, SC_POSITION, "since", NULL);
        return true;
    }
    bool first = known == SC_TIME_NONE && since && !host->api->get(host, SC_POSITION, "since");
    return !first || host->api->set(host, SC_POSITION, "since", since);
}

static enum sc_more too_many(struct sc_host *host, uint64_t records, int64_t second, struct sc_verdict *out)
{
    const char *when = host->api->rfc3339(host, second);
    out->reason = SC_REASON_BAD_RESPONSE;
    snprintf(out->detail, sizeof out->detail,
             "a page of %llu %s lies within one second (%s), and Duo shows no more from there on: nothing is skipped, the page is asked again",
             (unsigned long long)records, host->type->noun, when ? when : "?");
    snprintf(out->advice, sizeof out->advice,
             "Nothing behind that second can be read from this log until Duo shows more of it: ask Duo's support. The other logs go on.");
    return SC_BROKEN;
}

/* The bound of the very first walk was made by a clock that is ahead of Duo's, as the reply shows: the lookback counts from Duo's present. */
static bool began_too_late(const struct sc_host *host)
{
    bool known = rest_position_time(host) != SC_TIME_NONE || host->api->get(host, SC_POSITION, "since");
    return !known && walk_time(host, "since") > rest_lower_bound(host) + CLOCK_MS;
}

static enum sc_more v1_page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    if (began_too_late(host) && rest_freeze_since(host))
        return SC_MORE;
    bool full = in->records >= V1_PAGE || (in->records && in->records % V1_LEAST == 0), cut = in->records >= V1_LEAST;
    const char *begin = host->api->get(host, SC_WALK, "at") ? "at" : "since";
    int64_t from = walk_time(host, begin), newest = in->newest_time;
    if (newest != SC_TIME_NONE)
        newest -= newest % 1000;
    bool moves = newest != SC_TIME_NONE && newest > from;
    if (full && !moves)
        return too_many(host, in->records, from, out);
    bool more = cut && moves && !rest_past_reached(host, in);
    if (!move_position(host, newest, in->answered) || (more && !set_time(host, SC_WALK, "at", newest))) {
        out->reason = SC_REASON_MEMORY_LIMIT;
        snprintf(out->detail, sizeof out->detail, "memory is short: the page is asked again");
        return SC_BROKEN;
    }
    return more ? SC_MORE : SC_WALKED;
}

/* The second that this page begins with. */
static const char *v1_url(struct sc_host *host)
{
    const struct rest_data_type *row = host->type->engine;
    int64_t at = walk_time(host, "at");
    return host->api->text(host, "%s?mintime=%lld", row->path, (long long)(at / 1000));
}

/* ---- the three calls --------------------------------------------------------------------------------------------------------------- */

static enum sc_next request(struct sc_host *host, struct sc_request *out)
{
    bool frozen = is_v1(host) || freeze_limit(host);
    enum sc_next next = rest_ops.request(host, out);
    if (!frozen)
        out->url = NULL;
    else if (next == SC_SEND && is_v1(host) && host->api->get(host, SC_WALK, "at"))
        out->url = v1_url(host);
    return next;
}

static void response(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    rest_ops.response(host, in, out);
}

static enum sc_more page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    if (is_faulty(host, out) || in->absent)
        return SC_BROKEN;
    return is_v1(host) ? v1_page(host, in, out) : rest_ops.page(host, in, out);
}

static const struct sc_connector_ops ops = {.request = request, .response = response, .page = page};

/* ---- tables ------------------------------------------------------------------------------------------------------------------------- */

static const struct sc_field settings[] = {
    {
        .name = "fqdn",
        .title = "API hostname",
        .help = "Of the Admin API application, as the Duo Admin Panel shows it beside the keys",
        .example = "api-1a2b3c4d.duosecurity.com",
        .kind = SC_HOST,
        .required = true,
    },
    {0},
};

static const struct sc_field credentials[] = {
    {
        .name = "integration_key",
        .title = "Integration key",
        .help = "Of an Admin API application with \"Grant read log\"; begins with DI",
        .example = "DIXXXXXXXXXXXXXXXXXX",
        .required = true,
        .secret = true,
    },
    {
        .name = "secret_key",
        .title = "Secret key",
        .help = "Of the same application, 40 characters",
        .required = true,
        .secret = true,
    },
    {0},
};

#define POLITE(log) {.name = log, .scope = SC_PER_SOURCE, .requests = 1, .per_s = 2, .concurrency = 1, .throttle_s = 2, .throttle_max_s = 300}

static const struct sc_pool pools[] = {
    POLITE("authentication"), POLITE("administrator"), POLITE("activity"), POLITE("telephony"), POLITE("offline_enrollment"), {0},
};

#define ERRORS .error_code = "code", .error_text = "message", .error_also = "message_detail", .errors = errors

/* Whole seconds: an authentication has its time in seconds too, and by which one Duo compares is not known. */
static const struct rest_window window = {.overlap_s = LATE_S, .longest_s = 24 * 3600, .unit_ms = 1000};

#define V2(log)                                                                                                                       \
    &(const struct rest_data_type)                                                                                                    \
    {                                                                                                                                 \
        .method = SC_GET, .path = "/admin/v2/logs/" log,                                                                              \
        .query = "limit={limit}&maxtime={to|epoch_ms}&mintime={from|epoch_ms}{&next_offset=cursor}&sort=ts%3Aasc", .pools = {log},    \
        .page_size = 1000, .reach_s = 179 * 24 * 3600, .window = &window, .next = REST_NEXT_BODY_CURSOR,                              \
        .cursor = "response.metadata.next_offset", .cursor_form = join_offset, .cursor_lost = {400}, ERRORS,                          \
    }

#define V1(log)                                                                                                                       \
    &(const struct rest_data_type)                                                                                                    \
    {                                                                                                                                 \
        .method = SC_GET, .path = "/admin/v1/logs/" log, .query = "mintime={since|epoch_s}", .pools = {log}, .next = REST_NEXT_NONE,  \
        ERRORS,                                                                                                                       \
    }

static const struct sc_place places[] = {REST_PLACES, {0}};
static const struct sc_history history = {.places = places, .by_time = true, .past = SC_PAST_TIME, .reach_s = 179 * 24 * 3600};

#define RECORDS                                                                                                                       \
    .history = &history, .permission = "Grant read log (Admin API application; Duo Essentials, Advantage, Premier or a trial)", .min_interval_s = 60,      \
    .lookback_s = 24 * 3600, .overlap_s = LATE_S, .lag_s = LATE_S, .recipe = 1, .shape = SC_SHAPE_LOG
#define SAID       "stat", "code", "message", "message_detail"
#define V2_RECORDS RECORDS, .identity = SC_IMMUTABLE, .time_format = SC_TIME_RFC3339, .envelope = {SAID, "response.metadata.next_offset"}
#define V1_RECORDS                                                                                                                    \
    RECORDS, .interval_s = 60 * 60, .identity = SC_CONTENT, .records = "response[]", .time = "timestamp",                             \
    .time_format = SC_TIME_EPOCH_S, .envelope = {SAID}

static const struct sc_data_type data_types[] = {
    {
        .name = "auth_logs",
        .title = "Authentication log",
        .noun = "authentications",
        .help = "Who signed in where, by which factor and device, and with what result",
        .interval_s = 5 * 60,
        V2_RECORDS,
        .records = "response.authlogs[]",
        .id = {"txid"},
        .time = "isotimestamp",
        .engine = V2("authentication"),
    },
    {
        .name = "admin_logs",
        .title = "Administrator log",
        .noun = "administrator actions",
        .help = "What administrators did to users, devices, applications and settings",
        V1_RECORDS,
        .engine = V1("administrator"),
    },
    {
        .name = "activity_logs",
        .title = "Activity log",
        .noun = "activities",
        .help = "Actions of administrators and users in their newer, more detailed form",
        .interval_s = 5 * 60,
        V2_RECORDS,
        .records = "response.items[]",
        .id = {"activity_id"},
        .time = "ts",
        .off_by_default = true,
        .engine = V2("activity"),
    },
    {
        .name = "telephony_logs",
        .title = "Telephony log",
        .noun = "calls and messages",
        .help = "Telephone calls and text messages that Duo made, and the credits they cost",
        .interval_s = 60 * 60,
        V2_RECORDS,
        .records = "response.items[]",
        .id = {"telephony_id"},
        .time = "ts",
        .off_by_default = true,
        .engine = V2("telephony"),
    },
    {
        .name = "offline_enrollment_logs",
        .title = "Offline enrollment log",
        .noun = "offline enrollments",
        .help = "Enrollments and activations of offline access on Windows computers",
        V1_RECORDS,
        .off_by_default = true,
        .engine = V1("offline_enrollment"),
    },
    {0},
};

static const struct sc_connector cisco_duo = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "cisco-duo",
    .title = "Cisco Duo",
    .category = "Identity & Access",
    .vendor_docs = "https://duo.com/docs/adminapi",
    .base_url = "https://{fqdn}",
    .source = "{fqdn}",
    .auth = {.kind = SC_AUTH_SIGNED, .sign = sign},
    .auth_advice = NEW_KEYS,
    .settings = settings,
    .credentials = credentials,
    .pools = pools,
    .data_types = data_types,
    .ops = &ops,
};

SC_CONNECTOR_EXPORT(cisco_duo)
