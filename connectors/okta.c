/* Okta System Log.
 *
 * What is odd about it:
 * - The next link never ends: without `until` every reply names a next page, an empty one too. Only an empty page ends a walk
 *   (nothing is promised about short ones), and the link itself is the checkpoint.
 * - That kind of query follows the time at which Okta stored an event, so late events are not lost; in exchange `published` is
 *   not in order. A query with `until` is in order of `published`, ends by itself, and may miss events that come late: it is asked for closed windows of
 *   the past alone, never by the walk that goes on.
 * - The link is opaque and followed as it comes; `after` is never built by hand. How long Okta knows it is not documented
 *   (unverified); a refused one is replaced by the newest `published` less 5 minutes, and what comes again is recognised by uuid.
 * - Times: Okta keeps 90 days; `since` more than 180 days back is a 400 (E0000053).
 * - Rate limits are per organisation and endpoint, in windows of a minute; how many depends on the plan (120 is quoted,
 *   unverified), so the headers decide. No Retry-After; X-Rate-Limit-Reset is in epoch seconds. A 429 of the other limit, on
 *   parallel transactions, has the same form, its headers mean nothing (unverified).
 * - The host is the organisation's, never its "-admin" twin.
 * - A token has the rights of the administrator who made it and dies with that account, or unused after 30 days (unverified).
 *   What E0000006 and E0000011 mean is common knowledge, not documented (unverified). */
#include "rest/rest.h"

#define NEW_TOKEN "Make a new API token (Security > API > Tokens) and save it."

static const struct sc_field settings[] = {
    {
        .name = "fqdn",
        .title = "Okta domain",
        .help = "Host of the organisation, or its custom domain; not the -admin host",
        .example = "acme.okta.com",
        .kind = SC_HOST,
        .required = true,
    },
    {0},
};

static const struct sc_field credentials[] = {
    {
        .name = "api_token",
        .title = "API token",
        .help = "SSWS token, made by a Read-Only or Super Administrator",
        .required = true,
        .secret = true,
        .forms = {{.begins = "00"}},
    },
    {0},
};

static const struct sc_pool pools[] = {
    {
        .name = "logs",
        .scope = SC_PER_SOURCE,
        .requests = 120,
        .per_s = 60,
        .limit_header = "X-Rate-Limit-Limit",
        .remaining_header = "X-Rate-Limit-Remaining",
        .reset_header = "X-Rate-Limit-Reset",
        .reset_unit = SC_RESET_EPOCH_S,
    },
    {0},
};

static const struct rest_error errors[] = {
    {400, "E0000001", SC_REASON_CONFIG_INVALID, "Look at page_size and lookback_hours: Okta calls a parameter wrong."},
    {400, "E0000031", SC_REASON_CONFIG_INVALID, "Look at page_size and lookback_hours: Okta calls a parameter wrong."},
    {400, "E0000053", SC_REASON_CONFIG_INVALID, "Lower lookback_hours: Okta keeps 90 days and refuses to look back further than 180."},
    {401, "E0000011", SC_REASON_AUTH_INVALID, NEW_TOKEN},
    {403, "E0000006", SC_REASON_PERMISSION_DENIED, "Use the API token of a Read-Only or Super Administrator."},
    {429, "E0000047", SC_REASON_RATE_LIMITED, NULL},
    {500, "E0000009", SC_REASON_VENDOR_ERROR, "Okta gives up on a query after 30 s: set a smaller page_size if this lasts.", .narrower = true},
    {0},
};

static const struct sc_place places[] = {REST_PLACES, {"next", SC_PLACE_LINK, false}, {0}};
static const struct sc_history history = {.places = places, .by_time = true, .past = SC_PAST_TIME, .reach_s = 90 * 24 * 3600};

static const struct sc_data_type data_types[] = {
    {
        .name = "system_log",
        .title = "System Log",
        .noun = "events",
        .help = "Sign-ins, administration and everything else that Okta records",
        .permission = "Read-Only Administrator or Super Administrator",
        .interval_s = 5 * 60,
        .lookback_s = 24 * 3600,
        .overlap_s = 5 * 60,
        .recipe = 1,
        .shape = SC_SHAPE_LOG,
        .identity = SC_IMMUTABLE,
        .records = "[]",
        .id = {"uuid"},
        .time = "published",
        .time_format = SC_TIME_RFC3339,
        .history = &history,
        .engine =
            &(const struct rest_data_type){
                .method = SC_GET,
                .path = "/api/v1/logs",
                .query = "sortOrder=ASCENDING&limit={page_size}&since={since|rfc3339ms}{&until=past_end}",
                .pools = {"logs"},
                .page_size = 1000,
                .reach_s = 179 * 24 * 3600,
                .next = REST_NEXT_LINK_HEADER,
                .stop = REST_STOP_EMPTY_PAGE,
                .checkpoint = REST_CHECKPOINT_NEXT,
                .cursor_lost = {400, 404},
                .error_code = "errorCode",
                .error_text = "errorSummary",
                .errors = errors,
            },
    },
    {0},
};

static const struct sc_connector okta = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "okta",
    .title = "Okta",
    .category = "Identity & Access",
    .vendor_docs = "https://developer.okta.com/docs/reference/api/system-log/",
    .base_url = "https://{fqdn}",
    .source = "{fqdn}",
    .auth = {SC_AUTH_HEADER, "Authorization", "SSWS {api_token}"},
    .auth_advice = NEW_TOKEN,
    .settings = settings,
    .credentials = credentials,
    .pools = pools,
    .data_types = data_types,
    .ops = &rest_ops,
};

SC_CONNECTOR_EXPORT(okta)
