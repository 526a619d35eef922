/* CISA Known Exploited Vulnerabilities catalogue: one public document, no account.
 *
 * What is odd about it:
 * - The whole catalogue comes each time, 1,500 records and more, and old entries are edited without touching `dateAdded` or, on
 *   the same day, the catalogue's version: hashes alone say what changed. An older document than the last one is a lagging copy.
 *   Entries vanish now and then (retracted).
 * - `dateReleased` comes with 3 or 4 digits of fraction; `dateAdded` is a bare date.
 * - The content network in front answers 403 to some address ranges and to requests without User-Agent: a block of the address,
 *   no matter of credentials. CISA's own repository on GitHub has a copy, which may lag: it is asked once in the same poll when
 *   the main address gives 403, 404, 5xx or no answer. Each address has its own validators.
 * - That the site sends ETag and Last-Modified, and honours them, is unverified: without them every poll reads the document.
 * - No rate limit is published. It changes a few times a week. */
#include "rest/rest.h"

#include <stdio.h>
#include <stdlib.h>

#define FEED "/sites/default/files/feeds/known_exploited_vulnerabilities.json"

static const struct rest_error errors[] = {
    {403, NULL, SC_REASON_IP_NOT_ALLOWED, "Allow egress to www.cisa.gov or try another egress address, or set use_mirror: true."},
    {404, NULL, SC_REASON_NOT_FOUND,
     "The feed has moved: set base_url or mirror_url; look at https://www.cisa.gov/known-exploited-vulnerabilities-catalog"},
    {0},
};

/* ---- the mirror: SC_WALK "mirror" is set while it is asked, "main_reason" and "main_said" tell why ------------------------- */

static struct rest_place place(const struct sc_host *host)
{
    if (!host->api->get(host, SC_WALK, "mirror"))
        return (struct rest_place){0};
    return (struct rest_place){"mirror", host->api->setting(host, "mirror_url")};
}

static bool has_mirror(const struct sc_host *host)
{
    const char *use = host->api->setting(host, "use_mirror"), *url = host->api->setting(host, "mirror_url");
    return use && strcmp(use, "true") == 0 && url && *url;
}

static const char *advice_for(enum sc_reason reason)
{
    for (const struct rest_error *e = errors; e->status; e++) {
        if (e->reason == reason)
            return e->advice;
    }
    return "";
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One character of a web page, which may be written as "&#46;". */
static char take_char(struct sc_str *text)
{
    const char *c = text->ptr;
    bool entity = text->len > 4 && c[0] == '&' && c[1] == '#' && is_digit(c[2]) && is_digit(c[3]) && c[4] == ';';
    size_t used = entity ? 5 : 1;
    *text = (struct sc_str){c + used, text->len - used};
    return entity ? (char)((c[2] - '0') * 10 + (c[3] - '0')) : *c;
}

/* The block page says "Reference #18.2f...". "" when it does not. */
static void read_reference(struct sc_str body, char out[64])
{
    static const char word[] = "Reference";
    size_t n = 0, len = sizeof word - 1;
    while (body.len >= len && memcmp(body.ptr, word, len) != 0)
        take_char(&body);
    bool found = body.len >= len;
    for (size_t i = 0; found && i < len; i++)
        take_char(&body);
    while (found && body.len && n < 63) {
        char c = take_char(&body);
        if (c == ' ' && n == 0)
            continue;
        if (!c || !strchr(n ? ".0123456789abcdefABCDEF" : "#", c))
            break;
        out[n++] = c;
    }
    out[n] = '\0';
}

static void turn_to_mirror(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    char said[160], number[16];
    const char *main = host->api->base_url(host);
    enum sc_reason by_rule = in->status ? SC_REASON_VENDOR_ERROR : in->transport;
    enum sc_reason reason = out->action == SC_REFUSE ? out->reason : by_rule;
    snprintf(number, sizeof number, "%d", (int)reason);
    if (in->status)
        snprintf(said, sizeof said, "%.40s answered %d%s%.90s", main, in->status, out->detail[0] ? ": " : "", out->detail);
    else
        snprintf(said, sizeof said, "%.40s gave no answer", main);
    if (!host->api->set(host, SC_WALK, "main_reason", number) || !host->api->set(host, SC_WALK, "main_said", said) ||
        !host->api->set(host, SC_WALK, "mirror", "1"))
        return; /* memory is short: refused as it is */
    out->action = SC_AGAIN;
    out->reason = reason;
    out->advice[0] = '\0';
    snprintf(out->detail, sizeof out->detail, "%s; asking the mirror %.75s", said, host->api->setting(host, "mirror_url"));
}

/* Both failed: told is what the main address said; the next try begins there. */
static void give_up_mirror(struct sc_host *host, struct sc_verdict *out)
{
    const char *number = host->api->get(host, SC_WALK, "main_reason"), *said = host->api->get(host, SC_WALK, "main_said");
    unsigned long reason = number ? strtoul(number, NULL, 10) : 0;
    out->action = SC_REFUSE;
    out->reason = reason > 0 && reason < SC_REASON_COUNT ? (enum sc_reason)reason : SC_REASON_VENDOR_ERROR;
    snprintf(out->detail, sizeof out->detail, "from the mirror; before it %s", said ? said : "the main address failed");
    snprintf(out->advice, sizeof out->advice, "%s", advice_for(out->reason));
    host->api->set(host, SC_WALK, "mirror", NULL);
    host->api->set(host, SC_WALK, "main_reason", NULL);
    host->api->set(host, SC_WALK, "main_said", NULL);
}

static void refused(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    char reference[64];
    if (host->api->get(host, SC_WALK, "mirror")) {
        give_up_mirror(host, out);
        return;
    }
    if (in->status == 403) {
        read_reference(in->body_prefix, reference);
        snprintf(out->detail, sizeof out->detail, "the address or agent is blocked%s%s", reference[0] ? ", reference " : "", reference);
    }
    bool worth = in->status == 0 || in->status == 403 || in->status == 404 || in->status >= 500;
    if (worth && has_mirror(host))
        turn_to_mirror(host, in, out);
}

/* ---- tables ---------------------------------------------------------------------------------------------------------------- */

static const struct sc_field settings[] = {
    {
        .name = "mirror_url",
        .title = "Mirror",
        .help = "Full address of the copy that is asked when the main one fails",
        .def = "https://raw.githubusercontent.com/cisagov/kev-data/develop/known_exploited_vulnerabilities.json",
        .kind = SC_URL,
    },
    {
        .name = "use_mirror",
        .title = "Use the mirror",
        .help = "Ask the mirror once in the same poll when the main address gives 403, 404, 5xx or no answer",
        .def = "true",
        .kind = SC_BOOL,
    },
    {0},
};

static const struct sc_history history = {.why_not = "the catalogue is one document, shown as it is now"};

static const struct sc_data_type data_types[] = {
    {
        .name = "vulnerabilities",
        .title = "Known exploited vulnerabilities",
        .noun = "vulnerabilities",
        .help = "Every entry that is new or was edited; on the first poll the whole catalogue",
        .interval_s = 60 * 60,
        .min_interval_s = 15 * 60,
        .recipe = 1,
        .shape = SC_SHAPE_SNAPSHOT,
        .identity = SC_VERSIONED,
        .records = "vulnerabilities[]",
        .id = {"cveID"},
        .time = "dateAdded",
        .time_format = SC_TIME_DATE,
        .version = {"dateReleased", "catalogVersion"},
        .count = "count",
        .history = &history,
        .engine =
            &(const struct rest_data_type){
                .method = SC_GET,
                .path = FEED,
                .stop = REST_STOP_FIRST_PAGE,
                .checkpoint = REST_CHECKPOINT_VALIDATORS,
                .errors = errors,
                .place = place,
                .refused = refused,
            },
    },
    {0},
};

static const struct sc_connector cisa_kev = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "cisa-kev",
    .title = "CISA Known Exploited Vulnerabilities",
    .category = "Vulnerability intelligence feed",
    .vendor_docs = "https://www.cisa.gov/known-exploited-vulnerabilities-catalog",
    .base_url = "https://www.cisa.gov",
    .auth = {.kind = SC_AUTH_NONE},
    .settings = settings,
    .data_types = data_types,
    .ops = &rest_ops,
};

SC_CONNECTOR_EXPORT(cisa_kev)
