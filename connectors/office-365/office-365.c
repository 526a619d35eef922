/* Office 365 Management Activity API: the unified audit log, in five content types.
 *
 * What is odd about it:
 * - Content comes as blobs of events: a list names them by the moment at which each became available (contentCreated), a request of its own
 *   fetches each. Windows go over contentCreated, so it does not matter how late an event gets into a blob (60 to 90 minutes, some take longer).
 *   A window has at most 24 hours, none begins more than 7 days back; 167 h 55 min are asked, what lies before is recorded as a gap.
 *   Each poll reads the last hour of the list again; blobs that were read are known by contentId and not fetched twice. A window ends only
 *   when each of its blobs was read: one that the vendor no longer has (AF20050, AF20051, AF20052) is recorded and passed over.
 * - One event may stand in several blobs, by design, under the same Id. Ids are kept for 24 hours of contentCreated (and 1,048,576 of them a
 *   data type, the agent's most), so a copy that comes within a day is dropped; one that comes later is published again. Nothing says that
 *   such copies differ; one that does is published beside the first (identity_collision), since a difference might matter.
 * - CreationTime is UTC without a zone.
 * - A content type has to be subscribed to before it is collected; its first blobs take up to 12 hours. What is subscribed to is asked when it is
 *   not known, and after AF20022 or AF20023, which say that the subscription is gone; what was collected by nobody meanwhile is recorded as a
 *   gap. A start is sent at most once in 15 minutes, over restarts too: SC_POSITION says when, before it is sent.
 * - Throttling is a 403 or 429 with the code AF429 in its body, without a time: 30 s doubling to 10 min. Statuses are not documented; codes
 *   decide, wherever they come. The body may be JSON in single quotes or text (the vendor's own sample is): a code is found there too.
 * - PublisherIdentifier is on every request, that for a blob and for a next page too: without it all anonymous callers share one budget.
 * - The baseline is 2,000 requests a minute for a tenant, more with seats. Taken is half, at most 4 at a time.
 * - NextPageUri, in some texts NextPageUrl, is a header with a whole URL, which may say /api/v1/: it is asked as it is, but at the base URL; no
 *   other host ever gets the token.
 * - Clouds differ in base_url and auth_url, and in the resource that the token is for: the cloud's own address, whatever gateway base_url may name.
 *   So it is a setting of its own.
 * - The list of subscriptions may lack "status" (the vendor's sample does): then a start is sent, which AF20024 answers as good. */
#include "office.h"

#include <stdio.h>
#include <strings.h>

#define ROOT    "/api/v1.0/{tenant_id}/activity/feed"
#define REACH_S (167 * 3600 + 55 * 60)

const char *office_content_type(const struct sc_host *host)
{
    return ((const struct office_feed *)host->type->engine)->content_type;
}

/* ---- what else is not as the tables say -------------------------------------------------------------------------------------------- */

/* A window that was frozen long ago, by a walk that was broken off: the next request freezes one that the vendor still has. */
static bool clamp(struct sc_host *host, const char *code, struct sc_verdict *out)
{
    static const char *const window[] = {"from", "to", "top", "cut", "next", "pages", "reached", "lost"};
    const char *from = host->api->get(host, SC_WALK, "from");
    int64_t begin = from ? host->api->parse_time(host, sc_str_of(from), SC_TIME_RFC3339) : SC_TIME_NONE;
    if (!office_is_one_of(code, (const char *const[]){"AF20030", "AF20055", NULL}) || begin == SC_TIME_NONE ||
        begin >= host->api->now(host) - REACH_S * 1000ll)
        return false;
    out->action = SC_AGAIN;
    out->reason = SC_REASON_OK;
    out->advice[0] = '\0';
    snprintf(out->detail, sizeof out->detail, "%s: the window from %.40s lies too far back by now: on with what the vendor still keeps", code, from);
    for (size_t i = 0; i < sizeof window / sizeof *window; i++)
        host->api->set(host, SC_WALK, window[i], NULL);
    return true;
}

static void refused(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    char code[OFFICE_CODE];
    bool blob = host->api->items(host) && host->api->get(host, SC_PAGE, "at");
    if (!in->status)
        return;
    office_read_code(in->body_prefix, code);
    if (office_lose_subscription(host, code, out) || clamp(host, code, out))
        return;
    if (blob && office_is_one_of(code, (const char *const[]){"AF20050", "AF20051", "AF20052", NULL}))
        out->action = SC_PASS_OVER;
    else
        office_judge(in->body_prefix, code, out);
}

static struct sc_str next_page(struct sc_host *host)
{
    struct sc_str url = host->api->header(host, "NextPageUri", 0);
    return url.len ? url : host->api->header(host, "NextPageUrl", 0);
}

/* ---- the calls ------------------------------------------------------------------------------------------------------------------------ */

#define ALL_TYPES "Audit.AzureActiveDirectory,Audit.Exchange,Audit.SharePoint,Audit.General,DLP.All"

/* Takes the next name off a list. */
static bool next_name(struct sc_str *rest, struct sc_str *ret)
{
    size_t n = 0;
    while (rest->len && strchr(", \t", *rest->ptr))
        rest->ptr++, rest->len--;
    while (n < rest->len && !strchr(", \t", rest->ptr[n]))
        n++;
    *ret = (struct sc_str){rest->ptr, n};
    rest->ptr += n;
    rest->len -= n;
    return n > 0;
}

static bool is_called(struct sc_str name, const char *what)
{
    return name.len == strlen(what) && strncasecmp(name.ptr, what, name.len) == 0;
}

/* settings.content_types names this one, as the vendor calls it or as the data type is called. */
static bool is_wanted(const struct sc_host *host)
{
    struct sc_str name, rest = sc_str_of(host->api->setting(host, "content_types"));
    while (next_name(&rest, &name)) {
        if (is_called(name, office_content_type(host)) || is_called(name, host->type->name))
            return true;
    }
    return false;
}

/* The first of them that is none of the five; absent: all are. */
static struct sc_str unknown_type(const char *content_types)
{
    static const char *const known[] = {"Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All",
                                        "azure_ad", "exchange", "sharepoint", "general", "dlp"};
    struct sc_str name, rest = sc_str_of(content_types);
    while (next_name(&rest, &name)) {
        size_t i = 0, count = sizeof known / sizeof *known;
        while (i < count && !is_called(name, known[i]))
            i++;
        if (i == count)
            return name;
    }
    return (struct sc_str){0};
}

static bool check(const struct sc_settings_view *saved, char *why)
{
    struct sc_str odd = unknown_type(saved->value(saved, "content_types"));
    if (odd.len)
        snprintf(why, SC_CHECK_TEXT, "settings.content_types names \"%.*s\", which is none of " ALL_TYPES, odd.len < 60 ? (int)odd.len : 60, odd.ptr);
    return !odd.len;
}

/* The engine is asked first in any case: it freezes the window before anything is sent. */
static enum sc_next request(struct sc_host *host, struct sc_request *out)
{
    if (!is_wanted(host)) { /* or it was meant, and is written otherwise */
        struct sc_str odd = unknown_type(host->api->setting(host, "content_types"));
        if (!odd.len)
            return SC_DONE;
        out->why = host->api->text(host, "settings.content_types names \"%.*s\", which is none of " ALL_TYPES ", and not this one: correct it",
                                   odd.len < 60 ? (int)odd.len : 60, odd.ptr);
        return SC_UNABLE;
    }
    enum sc_next next = rest_ops.request(host, out);
    if (next == SC_SEND && office_is_subscribed(host))
        out->url = office_with_publisher(host, out->url);
    else if (next == SC_SEND)
        office_ask_subscription(host, out);
    return next;
}

static void response(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    if (office_is_subscribed(host))
        rest_ops.response(host, in, out);
    else
        office_subscription_answered(host, in, out);
}

/* Where blobs are: below /api/, of whatever host (the engine asks the base URL's alone). */
static bool is_blob(struct sc_str url)
{
    const char *scheme = url.len ? memmem(url.ptr, url.len, "://", 3) : NULL;
    const char *path = scheme ? memchr(scheme + 3, '/', url.len - (size_t)(scheme + 3 - url.ptr)) : NULL;
    size_t len = path ? url.len - (size_t)(path - url.ptr) : 0;
    const char *query = path ? memchr(path, '?', len) : NULL;
    return path && memmem(path, query ? (size_t)(query - path) : len, "/api/", 5);
}

static enum sc_more page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    for (uint32_t n = 0; in->reply && n < host->api->items(host); n++) {
        if (is_blob(host->api->item(host, n)))
            continue;
        snprintf(out->detail, sizeof out->detail, "number %u of the listed blobs has an address that is none of the API's: the list is asked again", n + 1);
        return SC_BROKEN;
    }
    return rest_ops.page(host, in, out);
}

static const struct sc_connector_ops ops = {.request = request, .response = response, .page = page};

/* ---- tables ---------------------------------------------------------------------------------------------------------------------------- */

static const struct sc_field settings[] = {
    {
        .name = "tenant_id",
        .title = "Tenant id",
        .help = "Directory (tenant) id, the GUID: Entra admin center > Overview; not a domain name",
        .example = "41463f53-8812-40f4-890f-865bf6e35190",
        .required = true,
    },
    {
        .name = "base_url",
        .title = "Address of the cloud",
        .help = "GCC: https://manage-gcc.office.com, GCC High: https://manage.office365.us, DoD: https://manage.protection.apps.mil; set resource to the "
                "same",
        .def = "https://manage.office.com",
        .kind = SC_URL,
    },
    {
        .name = "auth_url",
        .title = "Token address",
        .help = "GCC High and DoD: https://login.microsoftonline.us (unverified)",
        .def = "https://login.microsoftonline.com",
        .kind = SC_URL,
    },
    {
        .name = "resource",
        .title = "What the token is for",
        .help = "Of GCC, GCC High and DoD the address of the cloud, as under base_url",
        .def = "https://manage.office.com",
        .kind = SC_URL,
    },
    {
        .name = "publisher_id",
        .title = "Publisher identifier",
        .help = "GUID by which the vendor counts requests, sent with each of them; by default the tenant id",
        .example = "41463f53-8812-40f4-890f-865bf6e35190",
    },
    {
        .name = "content_types",
        .title = "Content types",
        .help = "Only these, with commas between them; the data types of the others ask nothing. To switch one off and have status say so, set "
                "data_types.NAME.enabled to false instead",
        .def = ALL_TYPES,
    },
    {0},
};

static const struct sc_field credentials[] = {
    {
        .name = "client_id",
        .title = "Application (client) id",
        .help = "Of the app registration: Entra admin center > App registrations > the app > Overview",
        .required = true,
        .secret = true,
    },
    {
        .name = "client_secret",
        .title = "Client secret",
        .help = "The secret's value, shown once under Certificates & secrets; not the secret's id",
        .required = true,
        .secret = true,
    },
    {0},
};

static const struct sc_pool pools[] = {
    {
        .name = "api",
        .scope = SC_PER_SOURCE,
        .requests = 1000,
        .per_s = 60,
        .concurrency = 4,
        .throttle_s = 30,
        .throttle_max_s = 600,
    },
    {0},
};

static const struct sc_oauth2_error token_errors[] = {
    {-1, "AADSTS7000215", SC_REASON_OAUTH_INVALID_CLIENT, "The secret is wrong: its value is wanted, not its id. " OFFICE_NEW_SECRET},
    {-1, "AADSTS7000222", SC_REASON_OAUTH_INVALID_CLIENT, "The secret has expired. " OFFICE_NEW_SECRET},
    {-1, "AADSTS700016", SC_REASON_OAUTH_INVALID_CLIENT, "The tenant does not know client_id: it was deleted, or is of another tenant or cloud. " OFFICE_OWN_TENANT},
    {-1, "AADSTS90002", SC_REASON_OAUTH_INVALID_CLIENT, "There is no such tenant in this cloud: compare tenant_id and auth_url. " OFFICE_OWN_TENANT},
    {-1, "AADSTS65001", SC_REASON_CONSENT_MISSING, "An administrator grants consent: App registrations > the app > API permissions > Grant admin consent."},
    {0},
};

static const struct sc_oauth2 oauth2 = {
    .token_url = "https://login.microsoftonline.com/{tenant_id}/oauth2/v2.0/token",
    .body = SC_OAUTH2_FORM,
    .client = SC_OAUTH2_CLIENT_IN_BODY,
    .client_id = "client_id",
    .client_secret = "client_secret",
    .params = {{"grant_type", "client_credentials"}, {"scope", "{resource}/.default"}},
    .lifetime_s = 3599,
    .errors = token_errors,
};

static const struct rest_error errors[] = {
    {401, NULL, SC_REASON_AUTH_INVALID, "A new token is refused as well: compare tenant_id, base_url, auth_url and resource, which belong to one cloud. " OFFICE_NEW_SECRET},
    {0},
};

static const struct rest_window window = {.overlap_s = 3600, .longest_s = 24 * 3600, .unit_ms = 1000};

#define LIST_OF(type)                                                                                                                   \
    &(const struct rest_list)                                                                                                           \
    {                                                                                                                                   \
        .path = ROOT "/subscriptions/content", .query = "contentType=" type "&startTime={from|utc_s}&endTime={to|utc_s}",                \
        .reply = {.items = "[]", .item = "contentUri", .more = {"contentId", "contentCreated"}, .envelope = {"error"}}, .each = true,   \
    }

#define FEED(type)                                                                                                                      \
    &(const struct office_feed)                                                                                                                \
    {                                                                                                                                   \
        .rest = {.path = ROOT "/audit", .pools = {"api"}, .reach_s = REACH_S, .next = REST_NEXT_URL, .list = LIST_OF(type),             \
                 .window = &window, .link = next_page, .cursor_lost = {400, 404}, .error_list = "error", .error_code = "code",          \
                 .error_text = "message", .errors = errors, .refused = refused},                                                        \
        .content_type = type,                                                                                                           \
    }

/* Windows go over contentCreated: so does one of the past. */
static const char *unable(const struct sc_host *host)
{
    return is_wanted(host) ? NULL : "settings.content_types does not name it";
}

static const struct sc_place places[] = {
    REST_PLACES, {"subscription", SC_PLACE_TEXT, true}, {"started", SC_PLACE_TIME, true}, {"told", SC_PLACE_TIME, true}, {0}};
static const struct sc_history history = {.places = places, .by_time = true, .past = SC_PAST_WINDOW, .reach_s = REACH_S, .unable = unable};

#define EVENTS                                                                                                                          \
    .history = &history, .interval_s = 5 * 60, .lookback_s = 24 * 3600, .overlap_s = 24 * 3600, .recipe = 1, .shape = SC_SHAPE_LOG, .identity = SC_IMMUTABLE, \
    .records = "[]", .id = {"Id"}, .time = "CreationTime", .time_format = SC_TIME_RFC3339, .envelope = {"error"}

#define READ "ActivityFeed.Read (application permission of Office 365 Management APIs), with admin consent"

static const struct sc_data_type data_types[] = {
    {
        .name = "azure_ad",
        .title = "Azure AD",
        .noun = "Azure AD events",
        .help = "Audit.AzureActiveDirectory: sign-ins and changes in Entra ID, as the unified audit log has them",
        .permission = READ,
        .grants = {"ActivityFeed.Read"},
        EVENTS,
        .engine = FEED("Audit.AzureActiveDirectory"),
    },
    {
        .name = "exchange",
        .title = "Exchange",
        .noun = "Exchange events",
        .help = "Audit.Exchange: mailboxes and the administration of Exchange Online",
        .permission = READ,
        .grants = {"ActivityFeed.Read"},
        EVENTS,
        .engine = FEED("Audit.Exchange"),
    },
    {
        .name = "sharepoint",
        .title = "SharePoint",
        .noun = "SharePoint events",
        .help = "Audit.SharePoint: SharePoint and OneDrive",
        .permission = READ,
        .grants = {"ActivityFeed.Read"},
        EVENTS,
        .engine = FEED("Audit.SharePoint"),
    },
    {
        .name = "general",
        .title = "General",
        .noun = "general events",
        .help = "Audit.General: everything else, Teams among it",
        .permission = READ,
        .grants = {"ActivityFeed.Read"},
        EVENTS,
        .engine = FEED("Audit.General"),
    },
    {
        .name = "dlp",
        .title = "Data loss prevention",
        .noun = "DLP events",
        .help = "DLP.All: matches of data loss prevention policies in all services",
        .permission = "ActivityFeed.Read and ActivityFeed.ReadDlp (of Office 365 Management APIs), with admin consent",
        .grants = {"ActivityFeed.Read", "ActivityFeed.ReadDlp"},
        EVENTS,
        .engine = FEED("DLP.All"),
    },
    {0},
};

static const struct sc_connector office_365 = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "office-365",
    .title = "Office 365",
    .category = "SaaS audit",
    .vendor_docs = "https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference",
    .base_url = "https://manage.office.com",
    .source = "{tenant_id}",
    .auth = {SC_AUTH_OAUTH2_CLIENT, "Authorization", "Bearer {token}", &oauth2},
    .auth_advice = "Entra admin center > App registrations > the app: under Certificates & secrets make a client secret and save its value; under API "
                   "permissions add Office 365 Management APIs (application permissions) and grant admin consent.",
    .settings = settings,
    .credentials = credentials,
    .pools = pools,
    .data_types = data_types,
    .ops = &ops,
    .check = check,
};

SC_CONNECTOR_EXPORT(office_365)
