/* The subscription to a content type: without one nothing is collected. It is looked up when it is not known, and when the vendor says that it is
 * gone; a start is sent at most once in 15 minutes, over restarts too.
 *   SC_POSITION  subscription   when it was last found enabled, or started; "lost": the vendor says that it is gone
 *                started        when a start was sent; in the bucket before it is sent
 *                told           where the last gap ended that says what nobody collected
 *   SC_PAGE      start_at       the list has said that it is wanted: the next request is the start. Gone with a restart, which asks the list first */
#include "office.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define START_EVERY_MS (17 * 60000) /* 15 minutes are asked for; a plan may be a minute old, and clocks differ */
#define PLAN_LIVES_MS  60000
#define LIST_HOLDS_MS  10000
#define START_HOLDS_MS (5 * 60000)
#define ROOT           "/api/v1.0/%s/activity/feed/subscriptions"

/* ---- PublisherIdentifier ----------------------------------------------------------------------------------------------------- */

/* Percent-encoded; an identifier is a GUID, what does not fit is none. */
static const char *encoded(struct sc_host *host, const char *value)
{
    char text[300];
    size_t n = 0;
    for (; value && *value && n + 4 < sizeof text; value++) {
        bool plain = isalnum((unsigned char)*value) || strchr("-._~", *value);
        n += (size_t)snprintf(text + n, sizeof text - n, plain ? "%c" : "%%%02X", (unsigned char)*value);
    }
    return host->api->text(host, "%.*s", (int)n, text);
}

static const char *publisher(struct sc_host *host)
{
    const char *given = host->api->setting(host, "publisher_id");
    return encoded(host, given && *given ? given : host->api->setting(host, "tenant_id"));
}

const char *office_with_publisher(struct sc_host *host, const char *url)
{
    const char *query = url ? strchr(url, '?') : NULL, *id = publisher(host);
    if (!url || !id)
        return NULL;
    if (query && strcasestr(query, "PublisherIdentifier="))
        return url;
    return host->api->text(host, "%s%sPublisherIdentifier=%s", url, !query ? "?" : query[1] ? "&" : "", id);
}

/* ---- what is known --------------------------------------------------------------------------------------------------------------- */

static int64_t time_kept(const struct sc_host *host, const char *name)
{
    const char *text = host->api->get(host, SC_POSITION, name);
    return text ? host->api->parse_time(host, sc_str_of(text), SC_TIME_RFC3339) : SC_TIME_NONE;
}

static bool keep_time(struct sc_host *host, const char *name, int64_t ms)
{
    const char *text = host->api->rfc3339(host, ms);
    return text && host->api->set(host, SC_POSITION, name, text);
}

bool office_is_subscribed(const struct sc_host *host)
{
    return time_kept(host, "subscription") != SC_TIME_NONE;
}

static const char *start_at(const struct sc_host *host)
{
    return host->api->get(host, SC_PAGE, "start_at");
}

/* A plan that had to wait for something else is made anew, or what is written down would be earlier than what is sent. */
static bool is_stale(const struct sc_host *host, const char *at)
{
    return at && host->api->now(host) - host->api->parse_time(host, sc_str_of(at), SC_TIME_RFC3339) >= PLAN_LIVES_MS;
}

/* A start goes out when the bucket knows of it: a restart must not send another one too soon. */
void office_ask_subscription(struct sc_host *host, struct sc_request *out)
{
    const struct rest_data_type *row = host->type->engine;
    const char *tenant = encoded(host, host->api->setting(host, "tenant_id")), *id = publisher(host), *at = start_at(host);
    *out = (struct sc_request){.headers = {{"Accept", "application/json"}}};
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS; i++)
        out->pools[i] = row->pools[i];
    if (is_stale(host, at)) {
        host->api->set(host, SC_PAGE, "start_at", NULL);
        at = NULL;
    }
    if (!tenant || !id)
        return;
    if (!at) {
        out->url = host->api->text(host, ROOT "/list?PublisherIdentifier=%s", tenant, id);
        return;
    }
    out->method = SC_POST;
    out->url = host->api->text(host, ROOT "/start?contentType=%s&PublisherIdentifier=%s", tenant,
                               office_content_type(host), id);
    out->after_save = true;
}

/* What nobody may have collected: from the last window that was read to its end until now, or from where the last such gap ended. A list that says
 * "enabled" proves nothing while content says that there is no subscription. */
static void record_loss(struct sc_host *host)
{
    const char *was = host->api->get(host, SC_POSITION, "subscription");
    int64_t covered = time_kept(host, "time"), told = time_kept(host, "told"), now = host->api->now(host);
    int64_t from = told != SC_TIME_NONE && told > covered ? told : covered;
    if (was && strcmp(was, "lost") == 0 && covered != SC_TIME_NONE && from < now && keep_time(host, "told", now))
        host->api->passed(host, from, now);
}

static void go_on(struct sc_host *host, const char *said, struct sc_verdict *out)
{
    record_loss(host);
    host->api->set(host, SC_PAGE, "start_at", NULL);
    if (!keep_time(host, "subscription", host->api->now(host)))
        return;
    out->action = SC_AGAIN;
    out->reason = SC_REASON_OK;
    out->advice[0] = '\0';
    snprintf(out->detail, sizeof out->detail, "subscription to %s %s", office_content_type(host), said);
}

/* Behind a start that may have arrived the list is looked at now and then: it may only take its time. */
static void plan_start(struct sc_host *host, struct sc_verdict *out)
{
    int64_t now = host->api->now(host), last = time_kept(host, "started");
    const char *text = host->api->rfc3339(host, now);
    if (last != SC_TIME_NONE && now - last < START_EVERY_MS) {
        office_refuse(out, SC_REASON_VENDOR_BUSY, "Nothing to do: it is looked at again, and started again when a quarter of an hour has passed.");
        snprintf(out->detail, sizeof out->detail, "no subscription to %s yet, though a start was sent at %s", office_content_type(host),
                 host->api->get(host, SC_POSITION, "started"));
        return;
    }
    if (!text || !keep_time(host, "started", now) || !host->api->set(host, SC_PAGE, "start_at", text))
        return;
    out->action = SC_AGAIN;
    snprintf(out->detail, sizeof out->detail, "no subscription to %s: it is started", office_content_type(host));
}

/* The next object of an array of them; false: there is none. Texts are passed over whole, so that no brace in them counts. */
static bool next_object(struct sc_str *rest, struct sc_str *ret)
{
    size_t depth = 0, from = 0;
    bool quoted = false;
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->ptr[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{') {
            from = depth++ ? from : i;
        } else if (c == '}' && depth && --depth == 0) {
            *ret = (struct sc_str){rest->ptr + from, i + 1 - from};
            *rest = (struct sc_str){rest->ptr + i + 1, rest->len - i - 1};
            return true;
        }
    }
    return false;
}

static bool lists_enabled(struct sc_str body, const char *content_type)
{
    struct sc_str one;
    char name[64], status[32];
    while (next_object(&body, &one)) {
        rest_error_member(one, "contentType", name, sizeof name);
        rest_error_member(one, "status", status, sizeof status);
        if (strcasecmp(name, content_type) == 0)
            return strcasecmp(status, "enabled") == 0;
    }
    return false;
}

static bool is_array(struct sc_str body)
{
    size_t i = 0;
    while (i < body.len && isspace((unsigned char)body.ptr[i]))
        i++;
    return i < body.len && body.ptr[i] == '[';
}

/* To its end: what stands behind a cut may be enabled. */
static bool is_whole(const struct sc_response *in)
{
    size_t len = in->body_prefix.len;
    while (len && isspace((unsigned char)in->body_prefix.ptr[len - 1]))
        len--;
    return in->transport == SC_REASON_OK && len && in->body_prefix.ptr[len - 1] == ']';
}

static void listed(struct sc_host *host, const struct sc_response *in, const char *code, struct sc_verdict *out)
{
    bool good = in->status >= 200 && in->status < 300, array = is_array(in->body_prefix);
    if (good && array && lists_enabled(in->body_prefix, office_content_type(host))) {
        go_on(host, "is enabled", out);
    } else if (good && array && is_whole(in)) {
        plan_start(host, out);
    } else if (good && !code[0]) {
        office_refuse(out, SC_REASON_BAD_RESPONSE, NULL);
        snprintf(out->detail, sizeof out->detail, "the list of subscriptions is %s", array ? "cut short" : "no JSON array");
    } else {
        office_judge(in->body_prefix, code, out);
    }
}

/* A start that may have arrived is asked about, never simply sent again. */
static void started(struct sc_host *host, const struct sc_response *in, const char *code, struct sc_verdict *out)
{
    bool good = in->status >= 200 && in->status < 300;
    bool unsent = !in->status && in->transport >= SC_REASON_DNS_FAILURE && in->transport <= SC_REASON_TLS_VERSION &&
                  in->transport != SC_REASON_CONNECTION_LOST && in->transport != SC_REASON_READ_TIMEOUT;
    if (unsent)
        return;
    host->api->set(host, SC_PAGE, "start_at", NULL);
    if (strcmp(code, "AF20024") == 0)
        go_on(host, "is enabled already", out);
    else if (good && !code[0])
        go_on(host, "has been started; its first content may take up to 12 hours, lists are empty until then", out);
    else
        office_judge(in->body_prefix, code, out);
}

static void say_error(struct sc_str body, const char *code, struct sc_verdict *out)
{
    char text[160] = "";
    struct sc_str error = rest_error_value(body, "error");
    if (error.len && *error.ptr == '{')
        rest_error_member(error, "message", text, sizeof text);
    snprintf(out->detail, sizeof out->detail, "%s%s%s", code, code[0] && text[0] ? " " : "", text);
}

/* Replies to questions about subscriptions are not cut: their body is wanted here. */
void office_subscription_answered(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    char code[OFFICE_CODE] = "";
    if (in->status && !in->body_complete) {
        out->action = in->status >= 200 && in->status < 300 ? SC_REFUSE : SC_BY_STATUS;
        return;
    }
    if (in->status && !is_array(in->body_prefix))
        office_read_code(in->body_prefix, code);
    if (in->status)
        say_error(in->body_prefix, code, out);
    if (start_at(host))
        started(host, in, code, out);
    else if (in->status)
        listed(host, in, code, out);
}

/* A start takes effect somewhere later than elsewhere, and what was just listed is not asked again at once. */
static bool is_early(const struct sc_host *host)
{
    int64_t now = host->api->now(host), known = time_kept(host, "subscription"), sent = time_kept(host, "started");
    bool by_start = sent != SC_TIME_NONE && sent <= known && now - sent < START_HOLDS_MS;
    return known != SC_TIME_NONE && now - known < (by_start ? START_HOLDS_MS : LIST_HOLDS_MS);
}

bool office_lose_subscription(struct sc_host *host, const char *code, struct sc_verdict *out)
{
    if (!office_is_one_of(code, (const char *const[]){"AF20022", "AF20023", NULL}) || is_early(host))
        return false;
    if (!host->api->set(host, SC_POSITION, "subscription", "lost"))
        return false;
    out->action = SC_AGAIN;
    out->reason = SC_REASON_OK;
    out->advice[0] = '\0';
    snprintf(out->detail, sizeof out->detail, "%s: the subscription to %s is gone: looking at what is subscribed to", code, office_content_type(host));
    return true;
}
