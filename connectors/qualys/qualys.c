/* Qualys VMDR: detections of vulnerabilities on hosts.
 *
 * What is odd about it:
 * - Replies are XML, often tens of MB, and are cut while they come: one record is one HOST with one DETECTION of its list, as JSON. A page ends
 *   with a host.
 * - A page that is not the last one ends with a WARNING that names the whole URL of the next page, behind all hosts. It is followed as it
 *   stands, at the configured host, and kept for the walk, so that a restart goes on there: hosts come in ascending order of id (documented for
 *   the host list, assumed here), and id_min alone finds the place. A next page that begins no further than this one ends the walk as an error.
 *   A WARNING that speaks of a limit and brings no URL is no end either: the page is asked again. API 5.0 may name the next page in a Link
 *   header instead (unverified): followed too.
 * - vm_processed_after chooses hosts, not detections: all detections of each host come, also those that have not changed since. Whether it
 *   counts its bound in is not documented, nor how long processed results may stay invisible: 15 minutes of lag and 15 more of overlap are taken.
 *   The window has no end (vm_processed_before): a host that is processed again while the walk is open would drop out of it, and one that is
 *   processed often would never be read. What changes behind the walk's back is read by the next one, which begins where this one began.
 *   So most of what comes was published long ago: the agent remembers of each host when it was read last (`whole`), not each detection. With other
 *   extra_params detections may be shown that were not before, however old: what was read says nothing then, and a detection that did not
 *   change may be published once more, with the same id.
 * - A detection is an artifact once for each LAST_UPDATE_DATETIME and STATUS; one without LAST_UPDATE_DATETIME goes by LAST_FOUND_DATETIME. The
 *   newer UNIQUE_VULN_ID (unverified) is no part of the identity: the day it comes each detection would be another. Detections of a host that are
 *   equal in all of it are counted, #2 is the second.
 * - Throttling is 409 with an XML code: 1965 rate, 1960 and 1920 another call is running. A vendor table has 400 for 1965, and errors may come
 *   inside a 200, so the code is read everywhere. X-RateLimit-ToWait-Sec says how long; above 15 minutes it is a quota.
 * - A call that timed out here goes on there, and a retry meanwhile is refused (1960): so replies may take 10 minutes to begin, after a
 *   time-out 5 minutes pass, and there is never more than one call.
 * - 300 calls an hour for a subscription and API function; half is taken. Old subscriptions have 300 a day: where the headers tell of a window of
 *   more than an hour and half of it is used, pages come no faster than the window allows.
 * - A 401 counts towards a lock of the account (unverified): the agent does not ask again before a put.
 * - The header X-Requested-With is mandatory, its text is free.
 * - settings.extra_params goes into the query as it is, and takes the place of the connector's own show_igs, show_reopened_info and status.
 *   What would break paging or the window is refused at the first reply, before anything of it is read.
 * - Subscriptions of one platform share its host: with two of them give each integration its own `source`.
 * The knowledge base (what a QID means) is not read: it costs calls, and the QID is the key to it. The JSON API (limited release) is not used. */
#include "qualys/params.h"
#include "qualys/simple_return.h"
#include "rest/parts.h"
#include "rest/rest.h"

#include <stdio.h>
#include <strings.h>

#define HOSTS     1000 /* a page */
#define MINUTES   60
#define MINUTE_MS INT64_C(60000)

#define LIST_OUTPUT   "HOST_LIST_VM_DETECTION_OUTPUT.RESPONSE"
#define NEXT_URL      LIST_OUTPUT ".WARNING.URL"
#define WARNING_CODE  LIST_OUTPUT ".WARNING.CODE"
#define WARNING_TEXT  LIST_OUTPUT ".WARNING.TEXT"
#define RETURN_CODE   "SIMPLE_RETURN.RESPONSE.CODE"
#define RETURN_TEXT   "SIMPLE_RETURN.RESPONSE.TEXT"
#define TO_WAIT       "X-RateLimit-ToWait-Sec"
#define NEW_LOGIN                                                                                                                  \
    "Log in to Qualys as that user: unlock it or set a new password, have API access given to it, and save it. host has to be the API " \
    "server of its platform."
#define RIGHT_PLACE "Set host to the API server of your platform (signal-client connectors show qualys lists them), not to the console."

/* ---- request ------------------------------------------------------------------------------------------------------------- */

static uint32_t hosts_of_page(const struct sc_host *host)
{
    int64_t n;
    const char *text = host->api->setting(host, "truncation_limit");
    return host->api->page_size(host, rest_number(sc_str_of(text), &n) && n > 0 && n <= UINT32_MAX ? (uint32_t)n : HOSTS);
}

/* The operator's own parameters. */
static const char *extra_params(const struct sc_host *host)
{
    const char *extra = host->api->setting(host, "extra_params");
    return extra ? extra + strspn(extra, "&") : "";
}

static const char *first_url(struct sc_host *host, const char *url)
{
    static const char *const defaults[][2] = {
        {"show_igs", "&show_igs=0"}, {"show_reopened_info", "&show_reopened_info=1"}, {"status", "&status=New,Active,Fixed,Re-Opened"}};
    const char *extra = extra_params(host), *own[3];
    for (size_t i = 0; i < 3; i++)
        own[i] = qualys_params_name(extra, defaults[i][0]) ? "" : defaults[i][1];
    return host->api->text(host, "%s&truncation_limit=%u%s%s%s%s%s", url, hosts_of_page(host), own[0], own[1], own[2], *extra ? "&" : "", extra);
}

/* The vendor's own address, but for a page size above what is wanted now: pages become smaller after one that was too large. */
static const char *next_url(struct sc_host *host, const char *url)
{
    uint32_t limit = hosts_of_page(host);
    struct sc_str value = qualys_limit_above(url, limit);
    return value.ptr ? host->api->text(host, "%.*s%u%s", (int)(value.ptr - url), url, limit, value.ptr + value.len) : url;
}

/* The filter that the walk began with: the addresses of its pages repeat it, whatever the operator has set since. */
static const char *view_of(struct sc_host *host, bool follows)
{
    const char *extra = extra_params(host);
    if (!follows && !host->api->set(host, SC_WALK, "view", extra))
        return extra;
    const char *view = host->api->get(host, SC_WALK, "view");
    return view ? host->api->text(host, "%s", view) : extra;
}

static void add_header(struct sc_request *out, const char *name, const char *value)
{
    unsigned n = 0;
    while (n + 1 < SC_MAX_REQUEST_HEADERS && out->headers[n].name)
        n++;
    out->headers[n] = (struct sc_header){name, value};
}

static enum sc_next request(struct sc_host *host, struct sc_request *out)
{
    char why[200];
    bool follows = rest_cursor(host);
    if (qualys_params_wrong(extra_params(host), why, sizeof why)) {
        out->why = host->api->text(host, "%s: take it out of extra_params and save the integration", why);
        return SC_UNABLE;
    }
    if (rest_ops.request(host, out) == SC_DONE)
        return SC_DONE;
    if (*out->url == '/')
        out->url = follows ? next_url(host, out->url) : first_url(host, out->url);
    add_header(out, "X-Requested-With", "signal-client");
    out->first_byte_s = 10 * MINUTES;
    /* The window's end is where a walk began; what is read late in a long walk must be known to the next one as well. */
    out->remember_as = host->api->now(host);
    out->not_before = rest_get_number(host, SC_WALK, "not_before", 0);
    out->view = view_of(host, follows);
    out->waits_for = "the subscription's allowance of calls, half of which is used";
    return SC_SEND;
}

/* ---- errors --------------------------------------------------------------------------------------------------------------- */

static const struct code {
    const char *code;
    enum sc_reason reason;
    const char *advice; /* NULL: the reason's own */
} codes[] = {
    {"1901", SC_REASON_CONFIG_INVALID, "Qualys does not know a parameter: look at extra_params."},
    {"1903", SC_REASON_CONFIG_INVALID, "Qualys misses a parameter: look at extra_params and api_version."},
    {"1904", SC_REASON_CONFIG_INVALID, "Qualys does not take these parameters together: look at extra_params."},
    {"1905", SC_REASON_CONFIG_INVALID, "Qualys does not take a value: look at extra_params, truncation_limit and lookback_hours."},
    {"1907", SC_REASON_CONFIG_INVALID, "Qualys does not take these parameters together: look at extra_params."},
    {"1908", SC_REASON_CONFIG_INVALID, "Qualys does not take this method: look at api_version, and at a proxy that changes requests."},
    {"1920", SC_REASON_VENDOR_BUSY, "Another call runs: it is waited for. If this stays, look who else uses this subscription's API."},
    {"1960", SC_REASON_VENDOR_BUSY, "Another call runs: it is waited for. If this stays, look who else uses this subscription's API."},
    {"1965", SC_REASON_RATE_LIMITED, NULL},
    {"2000", SC_REASON_AUTH_INVALID, NEW_LOGIN},
};

static void judge(struct sc_verdict *out, enum sc_reason reason, const char *advice)
{
    out->action = SC_REFUSE;
    out->reason = reason;
    snprintf(out->advice, sizeof out->advice, "%s", advice ? advice : "");
}

/* Seconds that the vendor asks for. */
static int64_t to_wait(const struct sc_host *host)
{
    int64_t n;
    return rest_number(host->api->header(host, TO_WAIT, 0), &n) && n <= 86400 ? n : 0;
}

static void wait_at_least(const struct sc_host *host, struct sc_verdict *out, int64_t minutes)
{
    int64_t named = to_wait(host) * 1000, wait = minutes * MINUTE_MS;
    out->wait_until = host->api->now(host) + (named > wait ? named : wait);
}

/* What the code says, wherever it stands. False: it is none that is known. */
static bool judge_code(struct sc_host *host, const char *code, struct sc_verdict *out)
{
    size_t i = 0, count = sizeof codes / sizeof *codes;
    while (i < count && strcmp(codes[i].code, code) != 0)
        i++;
    if (i == count)
        return false;
    judge(out, codes[i].reason, codes[i].advice);
    if (out->reason == SC_REASON_VENDOR_BUSY)
        wait_at_least(host, out, 1);
    if (out->reason == SC_REASON_RATE_LIMITED && to_wait(host) > 15 * MINUTES)
        judge(out, SC_REASON_QUOTA_EXHAUSTED,
              "If it comes each day: old subscriptions have 300 calls a day. Poll less often, or set rate_limit {requests, per_seconds}.");
    return true;
}

static void say(struct sc_verdict *out, const char *before, const struct qualys_fault *fault)
{
    snprintf(out->detail, sizeof out->detail, "%s%s%s%s", before, fault->code, fault->code[0] && fault->text[0] ? " " : "", fault->text);
}

/* A call that was given up here goes on there; one more meanwhile would be refused. */
static void no_reply(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    if (in->transport != SC_REASON_READ_TIMEOUT && in->transport != SC_REASON_CONNECTION_LOST)
        return;
    judge(out, in->transport, NULL);
    wait_at_least(host, out, in->transport == SC_REASON_READ_TIMEOUT ? 5 : 1);
    snprintf(out->detail, sizeof out->detail, "the call may still run at Qualys and is waited for");
}

static bool is_html(const struct sc_host *host)
{
    struct sc_str type = host->api->header(host, "Content-Type", 0);
    return type.len >= 9 && strncasecmp(type.ptr, "text/html", 9) == 0;
}

static bool is_success(int status)
{
    return status >= 200 && status < 300;
}

static void refused(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    struct qualys_fault fault;
    if (in->status == 0) {
        no_reply(host, in, out);
    } else if (qualys_simple_return(in->body_prefix, &fault)) {
        say(out, "", &fault);
        judge_code(host, fault.code, out);
    } else if (in->status < 500 && in->status != 401 && (qualys_is_web_page(in->body_prefix) || (is_success(in->status) && is_html(host)))) {
        bool worked = in->status != 404 && host->api->get(host, SC_POSITION, "time"); /* then something on the way speaks for a while */
        judge(out, worked ? SC_REASON_BAD_RESPONSE : SC_REASON_WRONG_HOST, worked ? NULL : RIGHT_PLACE);
        snprintf(out->detail, sizeof out->detail, "a web page instead of XML");
    }
}

static void response(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    if (is_success(in->status) && !in->body_complete && is_html(host)) {
        out->action = SC_REFUSE;
        out->reason = SC_REASON_BAD_RESPONSE;
        return;
    }
    rest_ops.response(host, in, out);
}

/* ---- page ------------------------------------------------------------------------------------------------------------------ */

static struct sc_str trimmed(struct sc_str text)
{
    while (text.len && text.ptr[text.len - 1] <= ' ')
        text.len--;
    for (; text.len && *text.ptr <= ' '; text.ptr++)
        text.len--;
    return text;
}

static struct sc_str link_of(struct sc_host *host)
{
    struct sc_str line, target = trimmed(host->api->envelope(host, NEXT_URL));
    for (unsigned n = 0; !target.len && (line = host->api->header(host, "Link", n)).ptr; n++)
        target = rest_link_target(line, "next");
    return target;
}

/* An error inside a success. */
static void read_return(struct sc_host *host, struct sc_verdict *out)
{
    struct qualys_fault fault;
    qualys_fault_set(&fault, host->api->envelope(host, RETURN_CODE), host->api->envelope(host, RETURN_TEXT));
    if (!fault.code[0] && !fault.text[0])
        return;
    if (!judge_code(host, fault.code, out))
        out->reason = SC_REASON_VENDOR_ERROR;
    say(out, "an error inside a reply of status 200, nothing of it counts: ", &fault);
    if (out->wait_until == SC_TIME_NONE && to_wait(host))
        wait_at_least(host, out, 0);
}

/* There is more, and nothing says where: no end. */
static bool lacks_link(struct sc_host *host, struct sc_verdict *out)
{
    struct qualys_fault said;
    qualys_fault_set(&said, host->api->envelope(host, WARNING_CODE), host->api->envelope(host, WARNING_TEXT));
    bool more = strcmp(said.code, "1980") == 0 || strstr(said.text, "limit") || strstr(said.text, "next batch");
    if (!more || link_of(host).len)
        return false;
    say(out, "the page says that there is more, and names no address that can be kept: ", &said);
    return true;
}

/* id_min of an address; 0: none. */
static int64_t id_min_of(struct sc_str url)
{
    static const char name[] = "id_min=";
    for (size_t i = 1; i + sizeof name - 1 <= url.len; i++) {
        if ((url.ptr[i - 1] != '?' && url.ptr[i - 1] != '&') || memcmp(url.ptr + i, name, sizeof name - 1) != 0)
            continue;
        struct sc_str value = {url.ptr + i + sizeof name - 1, 0};
        while (value.ptr + value.len < url.ptr + url.len && value.ptr[value.len] >= '0' && value.ptr[value.len] <= '9')
            value.len++;
        int64_t n;
        return rest_number(value, &n) ? n : 0;
    }
    return 0;
}

static bool goes_back(struct sc_host *host, struct sc_verdict *out)
{
    int64_t here = id_min_of(sc_str_of(rest_cursor(host))), next = id_min_of(link_of(host));
    if (!here || !next || next > here)
        return false;
    snprintf(out->detail, sizeof out->detail, "the page that begins with host %lld names one that begins with host %lld as the next", (long long)here,
             (long long)next);
    return true;
}

static int64_t header_number(const struct sc_host *host, const char *name)
{
    int64_t n;
    return rest_number(host->api->header(host, name, 0), &n) ? n : 0;
}

/* Old subscriptions: the window is a day. The first half of it goes without a pause. */
static void pace(struct sc_host *host, const struct sc_page *in)
{
    int64_t limit = header_number(host, "X-RateLimit-Limit"), window_s = header_number(host, "X-RateLimit-Window-Sec");
    struct sc_str left = host->api->header(host, "X-RateLimit-Remaining", 0);
    bool slow = window_s > 3600 && window_s <= 31 * 86400 && limit > 0 && left.ptr && header_number(host, "X-RateLimit-Remaining") <= limit / 2;
    if (!slow || !rest_set_number(host, SC_WALK, "not_before", in->answered + window_s * 1000 / limit))
        host->api->set(host, SC_WALK, "not_before", NULL);
}

static enum sc_more page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    if (in->absent) {
        read_return(host, out);
        return SC_BROKEN;
    }
    if (lacks_link(host, out))
        return SC_BROKEN;
    if (goes_back(host, out))
        return SC_LOOP;
    enum sc_more more = rest_ops.page(host, in, out);
    if (more == SC_MORE)
        pace(host, in);
    return more;
}

static const struct sc_connector_ops ops = {.request = request, .response = response, .page = page};

/* ---- tables ---------------------------------------------------------------------------------------------------------------- */

static const struct sc_field settings[] = {
    {
        .name = "host",
        .title = "API server",
        .help = "Of your platform: US1 qualysapi.qualys.com, US2 qualysapi.qg2.apps.qualys.com, US3 qualysapi.qg3.apps.qualys.com, "
                "EU1 qualysapi.qualys.eu, EU2 qualysapi.qg2.apps.qualys.eu, IN qualysapi.qg1.apps.qualys.in, CA qualysapi.qg1.apps.qualys.ca, "
                "AE qualysapi.qg1.apps.qualys.ae; two subscriptions on one platform: give each integration a source of its own",
        .example = "qualysapi.qualys.eu",
        .def = "qualysapi.qualys.com",
        .kind = SC_HOST,
    },
    {
        .name = "truncation_limit",
        .title = "Hosts a page",
        .help = "Each page is one call, and is read again when it breaks off",
        .def = "1000",
        .kind = SC_INTEGER,
        .min = 1,
        .max = 5000,
    },
    {
        .name = "api_version",
        .title = "API version",
        .help = "In the address of the list of detections",
        .def = "2.0",
        .kind = SC_CHOICE,
        .choices = (const char *const[]){"2.0", "5.0", NULL},
    },
    {
        .name = "extra_params",
        .title = "More parameters",
        .help = "Added to the query as they are, percent-encoded, with & between them; show_igs, show_reopened_info and status take the place of "
                "the connector's own; action, output_format, truncation_limit, id_min and vm_processed_* are refused; after a "
                "change of it, detections that did not change may come once more",
        .example = "severities=3-5&show_qds=1",
    },
    {0},
};

static const struct sc_field credentials[] = {
    {
        .name = "username",
        .title = "User name",
        .help = "Of a user with the role Reader or higher and API access; it sees the hosts of its own scope, a Manager all",
        .example = "acme_ab1",
        .required = true,
        .secret = true,
    },
    {
        .name = "password",
        .title = "Password",
        .required = true,
        .secret = true,
    },
    {0},
};

static const struct sc_pool pools[] = {
    {
        .name = "detections",
        .scope = SC_PER_SOURCE,
        .requests = 150,
        .per_s = 3600,
        .concurrency = 1,
        .remaining_header = "X-RateLimit-Remaining",
        .reset_header = TO_WAIT,
        .reset_unit = SC_RESET_SECONDS,
        .throttle_s = 60,
        .throttle_max_s = 3600,
    },
    {0},
};

static const struct rest_error errors[] = {
    {400, NULL, SC_REASON_CONFIG_INVALID,
     "Look at extra_params and api_version; see that the subscription has VM, and that no proxy removes the header X-Requested-With."},
    {401, NULL, SC_REASON_AUTH_INVALID, NEW_LOGIN},
    {403, NULL, SC_REASON_PERMISSION_DENIED,
     "Give the user API access and the VM module; see that no proxy removes the header X-Requested-With."},
    {404, NULL, SC_REASON_WRONG_HOST, RIGHT_PLACE},
    {409, NULL, SC_REASON_RATE_LIMITED, NULL},
    {0},
};

static const struct sc_place places[] = {REST_PLACES, {0}};
static const struct sc_history history = {
    .places = places, .by_time = true, .why_not = "a host is shown with all of its detections as they are now"};

static const struct sc_data_type data_types[] = {
    {
        .name = "host_detections",
        .title = "Detections on hosts",
        .noun = "detections",
        .help = "Each vulnerability that was found on a host, and each of its later states, with what is known of the host",
        .permission = "role Reader with API access, VM module",
        .interval_s = 30 * MINUTES,
        .min_interval_s = 10 * MINUTES,
        .lookback_s = 24 * 3600,
        .overlap_s = 30 * MINUTES,
        .lag_s = 15 * MINUTES,
        .recipe = 1,
        .shape = SC_SHAPE_LOG,
        .identity = SC_VERSIONED,
        .format = SC_XML,
        .records = LIST_OUTPUT ".HOST_LIST.HOST",
        .nested = "DETECTION_LIST.DETECTION",
        .id = {"ID", "QID", "?PORT", "?PROTOCOL", "?SSL", "LAST_UPDATE_DATETIME", "?STATUS"},
        .id_else = {"ID", "QID", "?PORT", "?PROTOCOL", "?SSL", "?LAST_FOUND_DATETIME", "?STATUS"},
        .time = "LAST_UPDATE_DATETIME",
        .whole = "ID",
        .time_format = SC_TIME_RFC3339,
        .history = &history,
        .envelope = {NEXT_URL, WARNING_CODE, WARNING_TEXT, RETURN_CODE, RETURN_TEXT},
        .engine =
            &(const struct rest_data_type){
                .method = SC_GET,
                .path = "/api/{api_version}/fo/asset/host/vm/detection/",
                .query = "action=list&output_format=XML&vm_processed_after={from|rfc3339s}",
                .accept = "application/xml",
                .pools = {"detections"},
                .page_size = HOSTS,
                .next = REST_NEXT_URL,
                .checkpoint = REST_CHECKPOINT_TIME,
                .window = &(const struct rest_window){.overlap_s = 15 * MINUTES, .unit_ms = 1000},
                .errors = errors,
                .refused = refused,
                .link = link_of,
            },
    },
    {0},
};

static const struct sc_region platforms[] = {
    {"US1", "qualysapi.qualys.com"},
    {"US2", "qualysapi.qg2.apps.qualys.com"},
    {"US3", "qualysapi.qg3.apps.qualys.com"},
    {"EU1", "qualysapi.qualys.eu"},
    {"EU2", "qualysapi.qg2.apps.qualys.eu"},
    {"IN", "qualysapi.qg1.apps.qualys.in"},
    {"CA", "qualysapi.qg1.apps.qualys.ca"},
    {"AE", "qualysapi.qg1.apps.qualys.ae"},
    {0},
};

static const struct sc_regions regions = {.setting = "host", .rows = platforms};

static bool check(const struct sc_settings_view *saved, char *why)
{
    char wrong[200];
    const char *extra = saved->value(saved, "extra_params");
    if (!extra || !qualys_params_wrong(extra + strspn(extra, "&"), wrong, sizeof wrong))
        return true;
    snprintf(why, SC_CHECK_TEXT, "%.190s: take it out of extra_params", wrong);
    return false;
}

static const struct sc_connector qualys = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "qualys",
    .title = "Qualys VMDR",
    .category = "Vulnerability management",
    .vendor_docs = "https://docs.qualys.com/en/vm/api/",
    .base_url = "https://{host}",
    .source = "{host}",
    .auth = {.kind = SC_AUTH_BASIC, .user = "username", .password = "password"},
    .auth_advice = NEW_LOGIN,
    .settings = settings,
    .credentials = credentials,
    .pools = pools,
    .data_types = data_types,
    .ops = &ops,
    .regions = &regions,
    .check = check,
};

SC_CONNECTOR_EXPORT(qualys)
