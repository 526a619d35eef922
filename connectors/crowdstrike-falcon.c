/* CrowdStrike Falcon: alerts (here `detections`), and hosts in two forms.
 *
 * What is odd about it:
 * - Two steps: a list gives ids alone, a POST gives what they name. An id without details is no error. How many ids a POST takes is
 *   not sure (1,000 is documented, 100 is said of GovCloud, unverified): detail_batch, and fewer after a 400.
 * - An alert comes again with each update, under the same id with a new updated_timestamp, and moves to the end of the list that is
 *   sorted by it: an alert edited while offsets are counted makes its neighbour skip a page. So the filter follows the time (>=), and
 *   offsets are used only within one millisecond. Offset and limit beyond 10,000 are refused (unverified) and never asked. Details
 *   may be younger than the list: what was edited within the last 5 minutes before the list moves no position. (rest/paging.c)
 * - How late an alert may be indexed is not documented: 5 minutes are taken, and read again by each poll.
 * - Devices scroll: an opaque offset, which may stay the same from page to page and is forgotten after 2 minutes; then the walk is
 *   read again from its own beginning, and known versions are recognised. Hosts come whole, with a cursor `next`.
 * - devices and hosts: the order is not relied on (a device changes while the walk is open), so the position moves when a walk has
 *   been read to its end, and never past the time at which it began. The first walk has no filter: the whole inventory once, then
 *   what changed. Interrupted, it goes on at its cursor; with the cursor lost it begins again. modified_timestamp has whole seconds:
 *   of two changes within one second only the first that was seen is published.
 * - An error may stand inside a 200 (`errors` not empty: a shard failed): such a page does not count. The codes in it are
 *   statuses; the texts are not relied on.
 * - Token: 201, no grant_type. A wrong client is a 400, 401 or 403. Requests with a bad token are allowed 15 times a minute and
 *   address, so nothing is asked with one that was refused.
 * - 6,000 requests a minute for all API clients of an account together. Taken is a tenth: walks ask one request after another, three
 *   at most at a time, and a page of 1,000 is 2 requests; the rest is the customer's. X-RateLimit-Limit is not read, as it would raise
 *   that. A 429 names its end in X-RateLimit-RetryAfter, epoch seconds; one of the token endpoint may not (unverified): 60 s.
 * - Wrong cloud looks like a wrong client (401, 403); X-Cs-Region may name the right one.
 * - Two accounts in one cloud have the same address: give each integration its own `source`.
 * - Guides say "Detections: Read" where the Alerts API wants "Alerts: Read" (unverified): both are named. The old Detects API is gone. */
#include "rest/rest.h"

#define NEW_CLIENT "Make an API client (Support and resources > API clients and keys) and save its id and secret."
#define OVERLAP_S  (5 * 60)

/* ---- the right cloud --------------------------------------------------------------------------------------------------- */

static const struct sc_region clouds[] = {
    {"us-1", "api.crowdstrike.com"},
    {"us-2", "api.us-2.crowdstrike.com"},
    {"eu-1", "api.eu-1.crowdstrike.com"},
    {"us-gov-1", "api.laggar.gcw.crowdstrike.com"},
    {0},
};

static const struct sc_regions regions = {.setting = "fqdn", .header = "X-Cs-Region", .rows = clouds};

/* ---- tables ---------------------------------------------------------------------------------------------------------------- */

static const struct sc_field settings[] = {
    {
        .name = "fqdn",
        .title = "API host",
        .help = "Of the customer's cloud: api.crowdstrike.com (US-1), api.us-2..., api.eu-1..., api.laggar.gcw.crowdstrike.com (US-GOV-1)",
        .def = "api.crowdstrike.com",
        .kind = SC_HOST,
    },
    {
        .name = "include_hidden",
        .title = "Hidden alerts too",
        .help = "Fetch alerts that were hidden in the console as well",
        .def = "true",
        .kind = SC_BOOL,
    },
    {
        .name = "detail_batch",
        .title = "Details in one request",
        .help = "How many ids a request for details names; halved by itself when the vendor refuses it",
        .def = "1000",
        .kind = SC_INTEGER,
        .min = 1,
        .max = 1000,
    },
    {0},
};

static const struct sc_field credentials[] = {
    {.name = "client_id", .title = "Client id", .help = "Of an API client of this account", .required = true, .secret = true,
     .forms = {{.least = 32, .most = 32, .hex = true}}},
    {.name = "client_secret", .title = "Client secret", .help = "Shown once, when the API client is made", .required = true, .secret = true,
     .forms = {{.least = 40, .most = 40}}},
    {0},
};

static const struct sc_pool pools[] = {
    {
        .name = "api",
        .scope = SC_PER_SOURCE,
        .requests = 600,
        .per_s = 60,
        .remaining_header = "X-RateLimit-Remaining",
        .reset_header = "X-RateLimit-RetryAfter",
        .reset_unit = SC_RESET_EPOCH_S,
    },
    {
        .name = "token",
        .scope = SC_PER_HOST,
        .requests = 300,
        .per_s = 60,
        .reset_header = "X-RateLimit-RetryAfter",
        .reset_unit = SC_RESET_EPOCH_S,
        .throttle_s = 60,
    },
    {0},
};

#define NO_CLIENT "Compare client id, secret and cloud (fqdn) with the console: a client of another cloud is refused like a wrong one. " NEW_CLIENT

static const struct sc_oauth2_error token_errors[] = {
    {400, NULL, SC_REASON_OAUTH_INVALID_CLIENT, NO_CLIENT},
    {401, NULL, SC_REASON_OAUTH_INVALID_CLIENT, NO_CLIENT},
    {403, NULL, SC_REASON_OAUTH_INVALID_CLIENT, NO_CLIENT},
    {0},
};

static const struct sc_oauth2 oauth2 = {
    .token_url = "/oauth2/token",
    .body = SC_OAUTH2_FORM,
    .client = SC_OAUTH2_CLIENT_IN_BODY,
    .client_id = "client_id",
    .client_secret = "client_secret",
    .lifetime_s = 1799,
    .pool = "token",
    .errors = token_errors,
};

#define REFUSED_TOKEN {401, NULL, SC_REASON_AUTH_INVALID, NO_CLIENT}

static const struct rest_error alert_errors[] = {
    REFUSED_TOKEN,
    {403, NULL, SC_REASON_PERMISSION_DENIED,
     "Give the API client the scope \"Alerts: Read\"; where the console has it, \"Detections: Read\" as well. The other data types go on."},
    {0},
};

static const struct rest_error host_errors[] = {
    REFUSED_TOKEN,
    {403, NULL, SC_REASON_PERMISSION_DENIED, "Give the API client the scope \"Hosts: Read\". The other data types go on."},
    {0},
};

#define ERRORS_OF(table) .error_list = "errors", .error_code = "code", .error_text = "message", .errors = (table)
#define DEVICE_FILTER    "filter=modified_timestamp%3A%3E%3D%27{since|rfc3339s}%27"

static const struct rest_list alert_list = {
    .path = "/alerts/queries/alerts/v2",
    .query = "sort=updated_timestamp%7Casc&limit={page_size}&include_hidden={include_hidden}",
    .reply = {.items = "resources[]", .envelope = {"errors", "meta.pagination.total"}},
    .batch = "detail_batch",
};

static const struct rest_list device_list = {
    .path = "/devices/queries/devices-scroll/v1",
    .query = "sort=modified_timestamp.asc&limit={page_size}",
    .reply = {.items = "resources[]", .envelope = {"errors", "meta.pagination.offset"}},
    .batch = "detail_batch",
};

static const struct sc_place places[] = {REST_PLACES, {0}};
static const struct sc_history alert_history = {.places = places, .by_time = true, .past = SC_PAST_TIME};
static const struct sc_history host_history = {
    .places = places, .by_time = true, .why_not = "each host is shown as it is now, and only where it has not changed since"};

static const struct sc_data_type data_types[] = {
    {
        .name = "detections",
        .title = "Alerts",
        .noun = "detections",
        .help = "Every alert, and each of its later versions",
        .permission = "Alerts: Read (guides also say Detections: Read)",
        .interval_s = 10 * 60,
        .lookback_s = 24 * 3600,
        .overlap_s = OVERLAP_S,
        .lag_s = OVERLAP_S,
        .recipe = 1,
        .shape = SC_SHAPE_LOG,
        .identity = SC_VERSIONED,
        .records = "resources[]",
        .id = {"composite_id", "updated_timestamp"},
        .time = "updated_timestamp",
        .time_format = SC_TIME_RFC3339,
        .envelope = {"errors"},
        .history = &alert_history,
        .engine =
            &(const struct rest_data_type){
                .method = SC_POST,
                .path = "/alerts/entities/alerts/v2",
                .body = "{\"composite_ids\":{items}}",
                .pools = {"api"},
                .page_size = 1000,
                .list = &alert_list,
                .filter = "filter=updated_timestamp%3A%3E%3D%27{since|rfc3339ms}%27",
                .next = REST_NEXT_OFFSET,
                .cursor_param = "offset",
                .total = "meta.pagination.total",
                .offset_limit = 10000,
                ERRORS_OF(alert_errors),
            },
    },
    {
        .name = "devices",
        .title = "Devices",
        .noun = "devices",
        .help = "Every host with a sensor; at first all of them, then each that changed",
        .permission = "Hosts: Read",
        .interval_s = 60 * 60,
        .overlap_s = OVERLAP_S,
        .lag_s = OVERLAP_S,
        .recipe = 1,
        .shape = SC_SHAPE_LOG,
        .identity = SC_VERSIONED,
        .records = "resources[]",
        .id = {"device_id", "modified_timestamp"},
        .time = "modified_timestamp",
        .time_format = SC_TIME_RFC3339,
        .envelope = {"errors"},
        .history = &host_history,
        .engine =
            &(const struct rest_data_type){
                .method = SC_POST,
                .path = "/devices/entities/devices/v2",
                .body = "{\"ids\":{items}}",
                .pools = {"api"},
                .page_size = 1000, /* up to 5000; a page has to be read before its cursor expires */
                .list = &device_list,
                .filter = DEVICE_FILTER,
                .all_first = true,
                .unordered = true,
                .may_repeat = true,
                .next = REST_NEXT_BODY_CURSOR,
                .stop = REST_STOP_EMPTY_PAGE,
                .cursor = "meta.pagination.offset",
                .cursor_param = "offset",
                .cursor_lost = {400, 404, 410},
                ERRORS_OF(host_errors),
            },
    },
    {
        .name = "hosts",
        .title = "Hosts",
        .noun = "hosts",
        .help = "The same hosts from the combined interface, in one step",
        .permission = "Hosts: Read",
        .interval_s = 60 * 60,
        .overlap_s = OVERLAP_S,
        .lag_s = OVERLAP_S,
        .recipe = 1,
        .shape = SC_SHAPE_LOG,
        .identity = SC_VERSIONED,
        .records = "resources[]",
        .id = {"device_id", "modified_timestamp"},
        .time = "modified_timestamp",
        .time_format = SC_TIME_RFC3339,
        .envelope = {"errors", "meta.pagination.next"},
        .history = &host_history,
        .engine =
            &(const struct rest_data_type){
                .method = SC_GET,
                .path = "/devices/combined/devices/v1",
                .query = "sort=modified_timestamp.asc&limit={page_size}",
                .pools = {"api"},
                .page_size = 5000, /* up to 10000 */
                .filter = DEVICE_FILTER,
                .all_first = true,
                .unordered = true,
                .next = REST_NEXT_BODY_CURSOR,
                .cursor = "meta.pagination.next",
                .cursor_param = "offset",
                .cursor_lost = {400, 404, 410},
                ERRORS_OF(host_errors),
            },
    },
    {0},
};

static const struct sc_connector crowdstrike_falcon = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "crowdstrike-falcon",
    .title = "CrowdStrike Falcon",
    .category = "Endpoint security",
    .vendor_docs = "https://developer.crowdstrike.com/",
    .base_url = "https://{fqdn}",
    .source = "{fqdn}",
    .auth = {SC_AUTH_OAUTH2_CLIENT, "Authorization", "Bearer {token}", &oauth2},
    .auth_advice = NO_CLIENT,
    .settings = settings,
    .credentials = credentials,
    .pools = pools,
    .data_types = data_types,
    .ops = &rest_ops,
    .regions = &regions,
};

SC_CONNECTOR_EXPORT(crowdstrike_falcon)
