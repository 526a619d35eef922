/* 1Password Events Reporting: sign-in attempts, item usages, audit events.
 *
 * What is odd about it:
 * - All three are a POST whose body is one of two: "from this time on" opens a chain, {"cursor": ...} goes on with it. Nothing may stand
 *   beside a cursor; the page size is fixed by the request that opened the chain, so a changed page_size has no effect while one lives.
 * - Every reply names a cursor, an empty one too. It is a durable position and the checkpoint; has_more alone says whether a walk goes on.
 *   A cursor has been seen to come back unchanged with has_more: that ends the walk as an error.
 * - How long a cursor lives is not documented. A refused one (400) is replaced by the newest timestamp less 15 minutes, since records are
 *   indexed with some delay (no figure is given) and their order is implied, not promised; what comes again is recognised by uuid.
 *   A cursor itself is taken to go over them as they were indexed: nothing is read again before it, as the vendor's contract needs no overlap.
 * - 120 days can be read: no more than 119 are asked for, so that no clock makes them too many. start_time is inclusive, and sent in whole
 *   seconds, rounded down (fractions are unverified). Where a cursor is lost after the newest record has left these days, a gap is told from
 *   the last walk on that came to its end.
 * - A 401 is a token that is revoked or expired, or one that was given without the feature of this data type, or one of another region
 *   (its host is another one, unverified). So after a 401 auth/introspect is asked which features the token has: without the feature only
 *   this data type stops. Where introspect does not know better, the token counts as refused.
 * - 403: the account's plan has no Events Reporting.
 * - 600 requests a minute and 30,000 an hour; that they count by account is from a secondary source. Taken is a third: the rest is for the
 *   customer's other readers. A 429 names no time (none is documented; Retry-After is honoured).
 * - Error bodies are {"status", "message"}, in some versions {"Error": {"Message"}} (unverified): both are read.
 * - The host is that of the region, the same for all accounts there: with two accounts give each integration its own `source`.
 * - v1 has the same contract with fewer members. Changing api_version changes the bytes of records that are read again. */
#include "rest/rest.h"

#include <stdio.h>

#define NEW_TOKEN \
    "Issue a bearer token with the features that are wanted (Integrations > Events Reporting) and save it; host is that of the account's region."
#define NOT_THIS "The other data types go on; to leave this one out set it to \"enabled\": false. "

/* ---- introspect: SC_WALK "introspect" is "asked" after a 401, "first" while the token is known to lack something (each probe begins with
 * it), "useless" when it does not know better ---------------------------------------------------------------------------------------- */

static bool is_state(const struct sc_host *host, const char *state)
{
    const char *now = host->api->get(host, SC_WALK, "introspect");
    return now && strcmp(now, state) == 0;
}

static bool is_introspecting(const struct sc_host *host)
{
    return is_state(host, "asked") || is_state(host, "first");
}

/* As the token's features are called: the last part of the path. */
static const char *feature_of(const struct sc_host *host)
{
    const struct rest_data_type *row = host->type->engine;
    return strrchr(row->path, '/') + 1;
}

static enum sc_next request(struct sc_host *host, struct sc_request *out)
{
    const struct rest_data_type *row = host->type->engine;
    if (!is_introspecting(host))
        return rest_ops.request(host, out);
    out->method = SC_GET;
    out->url = host->api->text(host, "/api/%s/auth/introspect", host->api->setting(host, "api_version"));
    out->headers[0] = (struct sc_header){"Accept", "application/json"};
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS; i++)
        out->pools[i] = row->pools[i];
    return SC_SEND;
}

static void refuse(struct sc_verdict *out, enum sc_reason reason, const char *advice)
{
    out->action = SC_REFUSE;
    out->reason = reason;
    snprintf(out->advice, sizeof out->advice, "%s", advice);
}

static void judge_features(struct sc_host *host, struct sc_str features, struct sc_verdict *out)
{
    const char *feature = feature_of(host);
    if (!rest_list_has(features, feature)) {
        refuse(out, SC_REASON_PERMISSION_DENIED, NOT_THIS NEW_TOKEN);
        snprintf(out->detail, sizeof out->detail, "the token is good, but does not have the feature %s", feature);
        host->api->set(host, SC_WALK, "introspect", "first");
    } else if (is_state(host, "asked")) {
        refuse(out, SC_REASON_AUTH_INVALID, NEW_TOKEN);
        snprintf(out->detail, sizeof out->detail, "401 for %s, though by auth/introspect the token has that feature", host->type->noun);
        host->api->set(host, SC_WALK, "introspect", "useless");
    } else {
        out->action = SC_AGAIN;
        snprintf(out->detail, sizeof out->detail, "the token has the feature %s: asking for %s", feature, host->type->noun);
        host->api->set(host, SC_WALK, "introspect", NULL);
    }
}

/* What auth/introspect says. 429, 5xx and no answer are judged as anywhere else, and it is asked again. */
static void introspected(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    struct sc_str features = rest_error_value(in->body_prefix, "features");
    char said[120];
    if (!in->body_complete) {
        out->action = in->status == 200 ? SC_REFUSE : SC_BY_STATUS; /* not to be cut as records: its body is wanted */
    } else if (in->status == 200 && features.len) {
        judge_features(host, features, out);
    } else if (in->status == 401 || in->status == 403) {
        rest_error_member(in->body_prefix, "message", said, sizeof said);
        refuse(out, SC_REASON_AUTH_INVALID, NEW_TOKEN);
        snprintf(out->detail, sizeof out->detail, "the token is refused, by auth/introspect too%s%s", said[0] ? ": " : "", said);
        host->api->set(host, SC_WALK, "introspect", "first");
    } else if (in->status && in->status < 500 && in->status != 408 && in->status != 429) {
        refuse(out, SC_REASON_AUTH_INVALID, NEW_TOKEN);
        snprintf(out->detail, sizeof out->detail, "401 for %s, and auth/introspect gives no features", host->type->noun);
        host->api->set(host, SC_WALK, "introspect", "useless");
    }
}

static void response(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    if (is_introspecting(host)) {
        introspected(host, in, out);
        return;
    }
    rest_ops.response(host, in, out);
    bool ask = in->status == 401 && in->body_complete && out->action == SC_REFUSE && !is_state(host, "useless");
    if (!ask || !host->api->set(host, SC_WALK, "introspect", "asked"))
        return;
    out->action = SC_AGAIN;
    out->reason = SC_REASON_OK;
    snprintf(out->detail, sizeof out->detail, "401 for %s: asking auth/introspect what the token may read", host->type->noun);
    out->advice[0] = '\0';
}

static enum sc_more page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    return rest_ops.page(host, in, out);
}

static const struct sc_connector_ops ops = {.request = request, .response = response, .page = page};

/* ---- tables ---------------------------------------------------------------------------------------------------------------- */

static const struct sc_field settings[] = {
    {
        .name = "host",
        .title = "Events API host",
        .help = "Of the account's region: events.1password.com (US), events.1password.ca, events.1password.eu, events.ent.1password.com "
                "(Enterprise); two accounts on one host: give each integration a source of its own",
        .example = "events.1password.com",
        .kind = SC_HOST,
        .required = true,
    },
    {
        .name = "api_version",
        .title = "API version",
        .help = "v2 has account_uuid and data of managed accounts as well",
        .def = "v2",
        .kind = SC_CHOICE,
        .choices = (const char *const[]){"v2", "v1", NULL},
    },
    {0},
};

static const struct sc_field credentials[] = {
    {
        .name = "api_token",
        .title = "Bearer token",
        .help = "Of an Events Reporting integration (1Password Business or Enterprise), with the features signinattempts, itemusages, auditevents; "
                "it ends after the lifetime chosen with it",
        .required = true,
        .secret = true,
        .forms = {{.begins = "eyJ"}},
    },
    {0},
};

static const struct sc_region hosts[] = {
    {"US", "events.1password.com"}, {"CA", "events.1password.ca"}, {"EU", "events.1password.eu"}, {"Enterprise", "events.ent.1password.com"}, {0},
};

static const struct sc_regions regions = {.setting = "host", .rows = hosts};

static const struct sc_pool pools[] = {
    {.name = "minute", .scope = SC_PER_CREDENTIAL, .requests = 200, .per_s = 60},
    {.name = "hour", .scope = SC_PER_CREDENTIAL, .requests = 10000, .per_s = 3600},
    {0},
};

static const struct rest_error errors[] = {
    {400, NULL, SC_REASON_CONFIG_INVALID, "1Password refuses the request: it keeps 120 days (lookback_hours), and api_version is v2 or v1."},
    {401, NULL, SC_REASON_AUTH_INVALID, NEW_TOKEN},
    {403, NULL, SC_REASON_FEATURE_OFF, "Events Reporting is part of 1Password Business and Enterprise: have the plan changed, or disable the data type."},
    {404, NULL, SC_REASON_WRONG_HOST, "Set host to the Events API of the account's region, for example events.1password.eu, without a path."},
    {0},
};

#define CHAIN(type_path)                                                              \
    &(const struct rest_data_type)                                                    \
    {                                                                                 \
        .method = SC_POST, .path = "/api/{api_version}/" type_path,                   \
        .body = "{\"limit\":{page_size},\"start_time\":\"{since|rfc3339s}\"}",        \
        .cursor_body = "{\"cursor\":\"{cursor}\"}", .pools = {"minute", "hour"},      \
        .page_size = 1000, .reach_s = 119 * 24 * 3600, .next = REST_NEXT_BODY_CURSOR, \
        .cursor = "cursor", .more = "has_more", .checkpoint = REST_CHECKPOINT_NEXT,   \
        .cursor_lost = {400}, .error_text = "message", .error_also = "Error.Message", \
        .errors = errors,                                                             \
    }

static const struct sc_place places[] = {REST_PLACES, {"cursor", SC_PLACE_TEXT, false}, {0}};
static const struct sc_history history = {.places = places, .by_time = true, .past = SC_PAST_TIME, .reach_s = 119 * 24 * 3600};

#define RECORDS                                                                                                      \
    .history = &history, .interval_s = 5 * 60, .lookback_s = 24 * 3600, .overlap_s = 15 * 60, .recipe = 1, .shape = SC_SHAPE_LOG,         \
    .identity = SC_IMMUTABLE, .records = "items[]", .id = {"uuid"}, .time = "timestamp",                             \
    .time_format = SC_TIME_RFC3339, .envelope = {"cursor", "has_more"}, .may_lack_records = true

static const struct sc_data_type data_types[] = {
    {
        .name = "sign_in_attempts",
        .title = "Sign-in attempts",
        .noun = "sign-in attempts",
        .help = "Who signed in or tried to, from where, and with what result",
        .permission = "feature signinattempts of the token",
        RECORDS,
        .engine = CHAIN("signinattempts"),
    },
    {
        .name = "item_usages",
        .title = "Item usages",
        .noun = "item usages",
        .help = "Items of shared vaults that were filled in, revealed, copied or changed",
        .permission = "feature itemusages of the token",
        RECORDS,
        .engine = CHAIN("itemusages"),
    },
    {
        .name = "audit_events",
        .title = "Audit events",
        .noun = "audit events",
        .help = "What administrators and members did to the account, its people, groups and vaults",
        .permission = "feature auditevents of the token",
        RECORDS,
        .engine = CHAIN("auditevents"),
    },
    {0},
};

static const struct sc_connector onepassword_events = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "1password-events",
    .title = "1Password Events Reporting",
    .category = "Identity & Access",
    .vendor_docs = "https://developer.1password.com/docs/events-api/",
    .base_url = "https://{host}",
    .source = "{host}",
    .auth = {SC_AUTH_HEADER, "Authorization", "Bearer {api_token}"},
    .auth_advice = NEW_TOKEN,
    .settings = settings,
    .credentials = credentials,
    .pools = pools,
    .data_types = data_types,
    .ops = &ops,
    .regions = &regions,
};

SC_CONNECTOR_EXPORT(onepassword_events)
