/* SentinelOne Singularity: threats, activities, agents.
 *
 * What is odd about it:
 * - A threat or agent comes again with each change, under the same id with a new updatedAt, and moves to the end of a list that is sorted by
 *   it. What a cursor is made of is not documented: if it counts places, a record that moves makes its neighbour skip a page. So the filter
 *   follows the time (__gte, inclusive, microseconds), what comes again is recognised by id and time, and the cursor is used only while a
 *   whole page lies in one millisecond, with all other parameters unchanged. The other forms (__gt, __lt, __lte) are unverified and not
 *   used; neither is `skip`, which ends at 1,000 items.
 * - How late a record may appear is not documented: 2 minutes are taken. No position passes what is younger than that, and each poll begins
 *   2 minutes before the position.
 * - A cursor is not a checkpoint, and how long it lives is not documented: after a 400, and in a walk that stood still for a minute (the agent
 *   was off), it is dropped and the walk goes on by time: one that counts places would skip what has moved meanwhile. A last page may be
 *   empty, with a null cursor; totalItems only tells a short last page that still has one.
 * - An error may stand inside a 200 (`errors` not empty). Its codes are statuses with digits behind them, 4010010 (unverified).
 * - Authorization says ApiToken, not Bearer. A service user's token ends at the date chosen with it; a user's after about 30 days
 *   (unverified). Any tier of Singularity with access to the API of its console will do.
 * - limit up to 1000 is confirmed for threats alone; the total of a page that has fewer than asked for tells that there is more.
 * - Each customer has a console host of his own. A token may reach several accounts and sites: account_ids and site_ids narrow that down.
 * - About 1,000 requests a minute (not from the vendor), stricter for some calls (unverified): a fifth is taken. No rate headers are known;
 *   Retry-After is honoured.
 * - Retention depends on the contract (threats about a year, activities 90 to 365 days, unverified). Agents that were not heard of for long
 *   do not change: their first poll looks back 30 days, so that the inventory has them too. */
#include "rest/parts.h"


#define NEW_TOKEN \
    "Generate a new API token for a service user of role Viewer (Settings > Users > Service Users), valid for as long as may be, and save it."
#define LATE_S    (2 * 60)
#define IDLE_MS   (60 * 1000) /* a page that begins so long after the one before does not go on by its cursor */

/* ---- hooks: how long a cursor is good for -------------------------------------------------------------------------------------------
 * SC_WALK "cursor_at": when the page came that named the cursor; "again": what is asked for may rightly have come before. SC_PAGE "begun": it was
 * asked for, and that is kept to, however long it takes: only a start of the agent, or NATS in trouble, parts a page from the one before. */

static int64_t time_of(const struct sc_host *host, enum sc_keep keep, const char *name)
{
    const char *text = host->api->get(host, keep, name);
    return text ? host->api->parse_time(host, sc_str_of(text), SC_TIME_RFC3339) : SC_TIME_NONE;
}

/* Counted as the engine counts lost ones, so that a walk that never gets further ends as an error. */
static void drop_cursor(struct sc_host *host)
{
    static const char *const gone[] = {"cursor", "cursor_at", "opened"};
    if (!host->api->set(host, SC_WALK, "again", "1") || !rest_set_number(host, SC_WALK, "lost", rest_get_number(host, SC_WALK, "lost", 0) + 1))
        return; /* memory is short: with a later request */
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        host->api->set(host, SC_WALK, gone[i], NULL);
    int64_t covered = time_of(host, SC_POSITION, "time"); /* the pages by cursor have moved it: no further back than identities are kept */
    if (covered != SC_TIME_NONE && time_of(host, SC_WALK, "since") < covered - LATE_S * 1000)
        host->api->set(host, SC_WALK, "since", NULL);
    host->api->trace(host, "the cursor is more than %d s old: dropped, the walk goes on by time", IDLE_MS / 1000);
}

static enum sc_next request(struct sc_host *host, struct sc_request *out)
{
    int64_t came = time_of(host, SC_WALK, "cursor_at");
    bool begins = !host->api->get(host, SC_PAGE, "begun"), idle = came == SC_TIME_NONE || host->api->now(host) - came > IDLE_MS;
    if (begins && host->api->get(host, SC_WALK, "cursor") && idle)
        drop_cursor(host);
    host->api->set(host, SC_PAGE, "begun", "1");
    enum sc_next next = rest_ops.request(host, out);
    out->may_repeat = out->may_repeat || host->api->get(host, SC_WALK, "again");
    return next;
}

static enum sc_more page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    enum sc_more more = rest_ops.page(host, in, out);
    if (more == SC_BROKEN)
        return more;
    bool by_cursor = host->api->get(host, SC_WALK, "cursor");
    host->api->set(host, SC_WALK, "again", NULL);
    host->api->set(host, SC_WALK, "cursor_at", by_cursor ? host->api->rfc3339(host, host->api->now(host)) : NULL);
    return more;
}

static void response(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    rest_ops.response(host, in, out);
}

static const struct sc_connector_ops ops = {.request = request, .response = response, .page = page};

/* ---- tables ---------------------------------------------------------------------------------------------------------------- */

static const struct sc_field settings[] = {
    {
        .name = "host",
        .title = "Console host",
        .help = "Of the management console, as in its address bar, without https://",
        .example = "usea1-acme.sentinelone.net",
        .kind = SC_HOST,
        .required = true,
    },
    {
        .name = "account_ids",
        .title = "Accounts",
        .help = "Only these accounts: ids with commas between them, no blanks; empty: all that the token reaches. Of an account that is added later "
                "comes what happens from then on",
        .example = "900000000000000001,900000000000000002",
    },
    {
        .name = "site_ids",
        .title = "Sites",
        .help = "Only these sites: ids with commas between them, no blanks; empty: all that the token reaches. Of a site that is added later "
                "comes what happens from then on",
        .example = "910000000000000001",
    },
    {0},
};

static const struct sc_field credentials[] = {
    {
        .name = "api_key",
        .title = "API token",
        .help = "Of a service user with the role Viewer: valid until the date chosen with it; a person's own token ends sooner",
        .required = true,
        .secret = true,
    },
    {0},
};

static const struct sc_pool pools[] = {
    {.name = "api", .scope = SC_PER_SOURCE, .requests = 200, .per_s = 60},
    {0},
};

static const struct rest_error errors[] = {
    {400, NULL, SC_REASON_CONFIG_INVALID, "Look at account_ids and site_ids (ids alone, commas between them), and at page_size and lookback_hours."},
    {401, NULL, SC_REASON_AUTH_INVALID, "The token has expired or was revoked. " NEW_TOKEN},
    {403, NULL, SC_REASON_PERMISSION_DENIED,
     "Give the service user the role Viewer on the accounts and sites that are wanted. The other data types go on."},
    {404, NULL, SC_REASON_WRONG_HOST, "Set host to that of your own console, for example usea1-acme.sentinelone.net."},
    {0},
};

/* Rows of the three differ in path and in the member that sorts and filters them. */
#define LIST(what, by)                                                                                                            \
    &(const struct rest_data_type)                                                                                                \
    {                                                                                                                             \
        .method = SC_GET, .path = "/web/api/v2.1/" what,                                                                          \
        .query = "sortBy=" by "&sortOrder=asc&limit={page_size}{&accountIds=account_ids}{&siteIds=site_ids}",                     \
        .filter = by "__gte={since|rfc3339us}", .pools = {"api"}, .page_size = 1000, .next = REST_NEXT_BODY_CURSOR,               \
        .cursor = "pagination.nextCursor", .cursor_param = "cursor", .total = "pagination.totalItems", .follows_time = true,      \
        .checkpoint = REST_CHECKPOINT_TIME, .cursor_lost = {400}, .error_list = "errors", .error_code = "code",                   \
        .error_text = "title", .error_also = "detail", .errors = errors,                                                          \
    }

static const struct sc_place places[] = {REST_PLACES, {0}};
static const struct sc_history history = {.places = places, .by_time = true, .past = SC_PAST_TIME};

#define RECORDS                                                                                                                    \
    .history = &history, .overlap_s = LATE_S, .lag_s = LATE_S, .recipe = 1, .shape = SC_SHAPE_LOG, .records = "data[]", .time_format = SC_TIME_RFC3339, \
    .envelope = {"errors", "pagination.nextCursor", "pagination.totalItems"}

static const struct sc_data_type data_types[] = {
    {
        .name = "threats",
        .title = "Threats",
        .noun = "threats",
        .help = "Every threat, and each of its later versions",
        .permission = "role Viewer (Threats: View)",
        .interval_s = 5 * 60,
        .lookback_s = 24 * 3600,
        RECORDS,
        .identity = SC_VERSIONED,
        .id = {"id", "threatInfo.updatedAt"},
        .time = "threatInfo.updatedAt",
        .engine = LIST("threats", "updatedAt"),
    },
    {
        .name = "activities",
        .title = "Activities",
        .noun = "activities",
        .help = "The console's activity log: what users, agents and the system did",
        .permission = "role Viewer (Activity: View)",
        .interval_s = 10 * 60,
        .lookback_s = 24 * 3600,
        RECORDS,
        .identity = SC_IMMUTABLE,
        .id = {"id"},
        .time = "createdAt",
        .engine = LIST("activities", "createdAt"),
    },
    {
        .name = "agents",
        .title = "Agents",
        .noun = "agents",
        .help = "Every endpoint, and each of its later states; most of the fleet changes each hour",
        .permission = "role Viewer (Endpoints: View)",
        .interval_s = 60 * 60,
        .lookback_s = 30 * 24 * 3600,
        RECORDS,
        .identity = SC_VERSIONED,
        .id = {"id", "updatedAt"},
        .time = "updatedAt",
        .engine = LIST("agents", "updatedAt"),
    },
    {0},
};

static const struct sc_connector sentinelone = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "sentinelone",
    .title = "SentinelOne Singularity",
    .category = "Endpoint security",
    .vendor_docs = "https://usea1.sentinelone.net/api-doc/overview",
    .base_url = "https://{host}",
    .source = "{host}",
    .auth = {SC_AUTH_HEADER, "Authorization", "ApiToken {api_key}"},
    .auth_advice = NEW_TOKEN,
    .settings = settings,
    .credentials = credentials,
    .pools = pools,
    .data_types = data_types,
    .ops = &ops,
};

SC_CONNECTOR_EXPORT(sentinelone)
