/* Tenable Vulnerability Management: findings and assets, by export jobs.
 *
 * What is odd about it:
 * - Nothing is listed: an export is asked for, made within seconds or hours, looked at, fetched chunk by chunk (bare arrays, any order, also while
 *   it is being made), and gone after about 24 hours (unverified). A 404 on it means that: it is made anew with the same filter.
 * - An export holds what the vendor knew when it was made. So a poll covers everything up to that moment, less the lag, and that is the next
 *   filter: findings by `since` (open ones last found, fixed ones last fixed at or after it), assets by `updated_at` (later than it). last_found is
 *   the time of the scan, a finding is indexed after it: an hour is taken for that, 10 minutes for assets.
 * - A finding comes again with each scan that sees it, and with each export whose filter it passes: its identity is finding, last_found and state; a
 *   finding without finding_id is told by asset, plugin, port and protocol. A FIXED finding has an old last_found, and comes because of its
 *   last_fixed: so identities are kept by the end of the export they came with, not by their own time. What an export held was found or fixed before
 *   its end; the next filters reach back to an hour before the end of the one before: kept for that and as much again, in case a scanner's clock
 *   is ahead.
 * - A second export with the filters of one that is running is refused (409, with its id). Ours is found again in this way when its reply was lost:
 *   we have asked for it and do not know what became of that, it was made since, and where the status shows its filters (unverified), they name our
 *   second. Then it is read as ours, up to the moment when we asked. Any other is somebody else's: whatever the 409 says of its filters, it holds
 *   nothing of the time since it was made, and may leave out unlicensed assets. It is waited for, never read, never cancelled, and then ours is
 *   made. So is one whose status does not say when it was made.
 * - At most 10 exports of each kind run at once in a tenant, those of others count (an older page says 2): one of each kind at a time is made here.
 *   Beyond, and beyond the rate, which moves (300 to 500 requests a minute for a user): 429 with Retry-After and a web page.
 * - ERROR, CANCELLED, and a finished export that names chunks as failed or cancelled: nothing of it counts, the position stays, the next poll makes
 *   it anew. One still QUEUED after an hour is cancelled and made anew, one of which nothing moves in six hours too.
 * - The number of records in a chunk is a setting; out of its range is a 400. Other counters in a status are indicative and are not used.
 * - Findings by `indexed_at` instead of `since` catch late ones without a lag (in the vendor's SDK, unverified): a setting. The lag stays.
 * - Without a filter of time the vendor exports 30 days (unverified): so far looks the first poll. Open findings are kept 15 months (unverified).
 * - deleted_at and terminated_at of assets are filters of their own, and are not asked.
 * - Keys are a pair for a user; a new pair kills the old one. All tenants share one host: with two give each integration its own `source`.
 * - The vendor wishes for a User-Agent that names the integration: http.user_agent can be set to "Integration/1.0 (Acme; signal-client; Build/1.0)". */
#include "rest/job.h"

#include <stdio.h>

#define NEW_KEYS \
    "Generate API keys (Settings > My Account > API Keys) as an Administrator whom nothing else uses: each new pair ends that user's old one. Save both."
#define FOUND_LATE_S   3600
#define UPDATED_LATE_S 600

static const char *const finding_filters[] = {"since", "indexed_at", NULL};

static const struct sc_field settings[] = {
    {
        .name = "fqdn",
        .title = "API host",
        .help = "Without https://; of FedRAMP fedcloud.tenable.com. Two tenants on one host: give each integration a source of its own",
        .example = "cloud.tenable.com",
        .def = "cloud.tenable.com",
        .kind = SC_HOST,
    },
    {
        .name = "num_assets",
        .title = "Assets in a chunk of findings",
        .help = "How many assets' findings one part of an export holds; smaller parts cost less when a connection breaks",
        .def = "500",
        .kind = SC_INTEGER,
        .min = 50,
        .max = 5000,
    },
    {
        .name = "chunk_size",
        .title = "Assets in a chunk",
        .help = "How many assets one part of their export holds",
        .def = "1000",
        .kind = SC_INTEGER,
        .min = 100,
        .max = 10000,
    },
    {
        .name = "include_unlicensed",
        .title = "Unlicensed assets too",
        .help = "Findings of assets that are not licensed as well; assets themselves come in any case",
        .def = "false",
        .kind = SC_BOOL,
    },
    {
        .name = "finding_filter",
        .title = "Findings by",
        .help = "since: by the time of the scan; indexed_at: by when the vendor stored them, which misses none that is late (not offered to every tenant)",
        .def = "since",
        .kind = SC_CHOICE,
        .choices = finding_filters,
    },
    {0},
};

static const struct sc_field credentials[] = {
    {
        .name = "client_id",
        .title = "Access key",
        .help = "Of an Administrator's API keys; some forms say Client ID",
        .required = true,
        .secret = true,
        .alias = "access_key",
    },
    {
        .name = "api_secret",
        .title = "Secret key",
        .help = "Shown once, when the keys are generated; some forms say API Secret",
        .required = true,
        .secret = true,
        .alias = "secret_key",
    },
    {0},
};

static const struct sc_pool pools[] = {
    {.name = "api", .scope = SC_PER_CREDENTIAL, .requests = 200, .per_s = 60, .concurrency = 1},
    {0},
};

static const struct rest_error errors[] = {
    {400, NULL, SC_REASON_CONFIG_INVALID,
     "Look at num_assets (50 to 5000), chunk_size (100 to 10000), finding_filter and lookback_hours: the vendor refuses the export as it is asked for."},
    {401, NULL, SC_REASON_AUTH_INVALID, "The keys are wrong, or were ended by newer ones. " NEW_KEYS},
    {403, NULL, SC_REASON_PERMISSION_DENIED, "Give the keys' user the role Administrator: exports need it. The other data types go on."},
    {404, NULL, SC_REASON_WRONG_HOST, "Set fqdn to the host of the API: cloud.tenable.com, of FedRAMP fedcloud.tenable.com."},
    {0},
};

/* ---- hooks ------------------------------------------------------------------------------------------------------------------ */

static const char *active(struct sc_host *host, const struct sc_response *in)
{
    char id[128];
    if (in->status != 409 || rest_error_member(in->body_prefix, "active_job_id", id, sizeof id) == 0)
        return NULL;
    return host->api->text(host, "%s", id);
}

/* The filters of an export, where its status shows them, name the second that ours begins with. */
static bool has_our_second(const struct sc_host *host)
{
    struct sc_str filters = host->api->envelope(host, "filters");
    const char *from = host->api->get(host, SC_WALK, "from");
    int64_t ms = from ? host->api->parse_time(host, sc_str_of(from), SC_TIME_RFC3339) : SC_TIME_NONE;
    char text[24];
    size_t len = (size_t)snprintf(text, sizeof text, "%lld", (long long)(ms / 1000));
    for (size_t i = 0; i + len <= filters.len; i++) {
        bool begins = i == 0 || filters.ptr[i - 1] < '0' || filters.ptr[i - 1] > '9';
        bool ends = i + len == filters.len || filters.ptr[i + len] < '0' || filters.ptr[i + len] > '9';
        if (begins && ends && memcmp(filters.ptr + i, text, len) == 0)
            return true;
    }
    return filters.len == 0;
}

static int64_t created(const struct sc_host *host)
{
    struct sc_str text = host->api->envelope(host, "created");
    return text.len && has_our_second(host) ? host->api->parse_time(host, text, SC_TIME_EPOCH_MS) : SC_TIME_NONE;
}

/* A list of chunks that holds any. */
static bool has_any(struct sc_str list)
{
    for (size_t i = 0; i < list.len; i++) {
        if (list.ptr[i] >= '0' && list.ptr[i] <= '9')
            return true;
    }
    return false;
}

static const char *missing(struct sc_host *host)
{
    struct sc_str failed = host->api->envelope(host, "chunks_failed"), cancelled = host->api->envelope(host, "chunks_cancelled");
    if (!has_any(failed) && !has_any(cancelled))
        return NULL;
    return host->api->text(host, "finished, but chunks failed (%.*s) or were cancelled (%.*s)", (int)(failed.len < 40 ? failed.len : 40),
                           failed.ptr ? failed.ptr : "", (int)(cancelled.len < 40 ? cancelled.len : 40), cancelled.ptr ? cancelled.ptr : "");
}

/* A web page says nothing of why. */
static void refused(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    if (in->status == 429 && !host->api->get(host, SC_WALK, "job"))
        snprintf(out->detail, sizeof out->detail, "too many requests, or 10 %s of the tenant run already, those of other integrations among them",
                 strcmp(host->type->name, "assets") == 0 ? "exports of assets" : "exports of findings");
    else if (in->status == 409 && out->action != SC_REFUSE)
        snprintf(out->detail, sizeof out->detail, "an export with the same filters runs already, and the vendor does not say which");
}

/* ---- tables ----------------------------------------------------------------------------------------------------------------- */

#define EXPORT(what, text)                                                                                                                 \
    &(const struct rest_job)                                                                                                               \
    {                                                                                                                                      \
        .path = "/" what "/export", .body = (text), .made = {.envelope = {"export_uuid"}}, .id = "export_uuid",                            \
        .look_path = "/" what "/export/{job}/status",                                                                                      \
        .look = {.items = "chunks_available[]", .envelope = {"status", "created", "chunks_failed", "chunks_cancelled", "filters"}},                   \
        .state = "status", .queued = {"QUEUED"}, .done = {"FINISHED"}, .failed = {"ERROR", "CANCELLED"}, .leave_method = SC_POST,          \
        .leave_path = "/" what "/export/{job}/cancel", .ends_when_made = true, .noun = "export", .active = active, .created = created,     \
        .missing = missing,                                                                                                                \
    }

#define ROW(what, text)                                                                                                          \
    &(const struct rest_data_type)                                                                                               \
    {                                                                                                                            \
        .method = SC_GET, .path = "/" what "/export/{job}/chunks/{part}", .pools = {"api"}, .job = EXPORT(what, text),           \
        .window = &seconds, .error_text = "message", .errors = errors, .refused = refused,                                       \
    }

static const struct rest_window seconds = {.unit_ms = 1000};

static const struct sc_place places[] = {REST_PLACES, {0}};
static const struct sc_history history = {
    .places = places, .by_time = true, .why_not = "an export holds what the vendor knows when it is made: it has no end in the past"};

static const struct sc_data_type data_types[] = {
    {
        .name = "vulnerabilities",
        .title = "Vulnerabilities",
        .noun = "findings",
        .help = "Findings that were seen, reopened or fixed since the last poll",
        .permission = "role Administrator (export of vulnerabilities)",
        .interval_s = 30 * 60,
        .lookback_s = 30 * 24 * 3600,
        .overlap_s = 2 * FOUND_LATE_S,
        .lag_s = FOUND_LATE_S,
        .recipe = 1,
        .shape = SC_SHAPE_LOG,
        .identity = SC_VERSIONED,
        .records = "[]",
        .id = {"finding_id", "last_found", "state"},
        .id_else = {"asset.uuid", "plugin.id", "?port.port", "?port.protocol", "last_found", "state"},
        .time = "last_found",
        .time_format = SC_TIME_RFC3339,
        .history = &history,
        .engine = ROW("vulns", "{\"num_assets\":{num_assets},\"include_unlicensed\":{include_unlicensed},"
                               "\"filters\":{\"{finding_filter}\":{from|epoch_s},\"state\":[\"OPEN\",\"REOPENED\",\"FIXED\"]}}"),
    },
    {
        .name = "assets",
        .title = "Assets",
        .noun = "assets",
        .help = "Hosts and other assets that changed since the last poll, licensed or not",
        .permission = "role Administrator (export of assets)",
        .interval_s = 60 * 60,
        .lookback_s = 30 * 24 * 3600,
        .overlap_s = 2 * UPDATED_LATE_S,
        .lag_s = UPDATED_LATE_S,
        .recipe = 1,
        .shape = SC_SHAPE_LOG,
        .identity = SC_VERSIONED,
        .records = "[]",
        .id = {"id", "updated_at"},
        .time = "updated_at",
        .time_format = SC_TIME_RFC3339,
        .history = &history,
        .engine = ROW("assets", "{\"chunk_size\":{chunk_size},\"filters\":{\"updated_at\":{from|epoch_s}}}"),
    },
    {0},
};

static const struct sc_connector tenable = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "tenable",
    .title = "Tenable Vulnerability Management",
    .category = "Vulnerability management",
    .vendor_docs = "https://developer.tenable.com/docs",
    .base_url = "https://{fqdn}",
    .source = "{fqdn}",
    .auth = {SC_AUTH_HEADER, "X-ApiKeys", "accessKey={client_id};secretKey={api_secret}"},
    .auth_advice = NEW_KEYS,
    .settings = settings,
    .credentials = credentials,
    .pools = pools,
    .data_types = data_types,
    .ops = &rest_ops,
};

SC_CONNECTOR_EXPORT(tenable)
