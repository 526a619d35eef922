/* What a refusal means and how it is told: reason, wait, sentence. The connector's word comes first, then what every vendor's answer may say: another
 * region, common words, a right by its name, an id of the settings that does not exist, a request id. io thread of the poller; sends nothing,
 * moves nothing. */
#include "operate/words.h"
#include "poll/answer.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define SAID_BYTES 200 /* of an answer that nobody knows */

__attribute__((format(printf, 2, 3))) static void add(struct sc_answer *a, const char *fmt, ...)
{
    size_t used = strlen(a->detail);
    va_list args;
    va_start(args, fmt);
    vsnprintf(a->detail + used, sizeof a->detail - used, fmt, args);
    va_end(args);
}

static struct sc_str header(const struct sc_poller *p, const char *name)
{
    return sc_host_services.header(&p->host, name, 0);
}

/* ---- the request's number at the vendor -------------------------------------------------------------------------------------------------- */

size_t sc_answer_request_id(const struct sc_poller *p, char *out, size_t cap)
{
    static const char *const names[] = {"X-Request-Id", "Request-Id",   "X-Okta-Request-Id", "X-Cs-TraceId",    "X-Amzn-RequestId", "X-Amz-Request-Id",
                                        "X-Request-Uuid", "X-Trace-Id", "X-Correlation-Id",  "X-Ms-Request-Id", "Client-Request-Id", "X-Splunk-Request-Id",
                                        "X-Gravitee-Transaction-Id", "Cf-Ray", "X-Amz-Cf-Id"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct sc_str value = header(p, names[i]);
        if (value.len && sc_words_plain((struct sc_str){value.ptr, value.len < 80 ? value.len : 80}, out, cap))
            return strlen(out);
    }
    out[0] = '\0';
    return 0;
}

void sc_answer_add_request_id(const struct sc_poller *p, enum sc_reason reason, char *detail, size_t cap)
{
    char id[96];
    size_t used = strlen(detail);
    if ((reason == SC_REASON_VENDOR_ERROR || reason == SC_REASON_BAD_RESPONSE || reason == SC_REASON_VENDOR_BUSY) && sc_answer_request_id(p, id, sizeof id))
        snprintf(detail + used, cap - used, ", request id %s", id);
}

/* ---- the right host ----------------------------------------------------------------------------------------------------------------------- */

const struct sc_region *sc_answer_region(const struct sc_integration *config, struct sc_str named)
{
    const struct sc_regions *regions = config->connector->regions;
    const char *set = regions ? sc_integration_value(config, regions->setting) : NULL;
    for (const struct sc_region *r = regions && named.len ? regions->rows : NULL; r && r->name; r++) {
        if (strlen(r->name) == named.len && strncasecmp(r->name, named.ptr, named.len) == 0)
            return set && strcasecmp(set, r->host) == 0 ? NULL : r;
    }
    return NULL;
}

void sc_answer_tell_region(const struct sc_integration *config, const struct sc_region *right, char *detail, size_t detail_cap, char *advice,
                           size_t advice_cap)
{
    const struct sc_regions *regions = config->connector->regions;
    const char *set = sc_integration_value(config, regions->setting);
    size_t used = strlen(detail);
    snprintf(detail + used, detail_cap - used, ": %s does not know this credential, the vendor says region %s (%s)", set ? set : "this host", right->name,
             regions->header);
    snprintf(advice, advice_cap, "Set %s to %s (and base_url or auth_url, where they are set); compare it with the address of your console.",
             regions->setting, right->host);
}

static bool is_wrong_region(const struct sc_poller *p, int status, struct sc_answer *a)
{
    const struct sc_regions *regions = p->inst->config->connector->regions;
    bool asks = status == 401 || status == 403 || (status > 300 && status < 309 && status != 304);
    const struct sc_region *right = asks && regions && regions->header ? sc_answer_region(p->inst->config, header(p, regions->header)) : NULL;
    if (!right)
        return false;
    a->reason = SC_REASON_WRONG_HOST;
    sc_answer_tell_region(p->inst->config, right, a->detail, sizeof a->detail, a->advice, sizeof a->advice);
    return true;
}

/* Never worked, and the host is none of the vendor's that are known. */
static void doubt_host(const struct sc_poller *p, struct sc_answer *a)
{
    const struct sc_regions *regions = p->inst->config->connector->regions;
    const char *set = regions ? sc_integration_value(p->inst->config, regions->setting) : NULL;
    if (!set || p->inst->credential->worked || a->reason != SC_REASON_AUTH_INVALID)
        return;
    for (const struct sc_region *r = regions->rows; r->name; r++) {
        if (strcasecmp(r->host, set) == 0)
            return;
    }
    add(a, "; settings.%s is %.80s, which is none of the vendor's known hosts (%s and others)", regions->setting, set, regions->rows[0].host);
}

/* Never worked, and does not look like one of the vendor's. */
static void doubt_form(const struct sc_poller *p, struct sc_answer *a)
{
    char odd[300];
    if (a->reason == SC_REASON_AUTH_INVALID && !p->inst->credential->worked && sc_integration_odd_form(p->inst->config, odd, sizeof odd))
        add(a, "; %s", odd);
}

/* ---- redirects: they are followed within the origin alone ------------------------------------------------------------------------------------ */

static bool path_ends(struct sc_str url, const char *end)
{
    size_t len = 0, n = strlen(end);
    while (len < url.len && !strchr("?#", url.ptr[len]))
        len++;
    return len >= n && strncasecmp(url.ptr + len - n, end, n) == 0;
}

static void judge_redirect(const struct sc_poller *p, int status, bool named, struct sc_answer *a)
{
    struct sc_str location = header(p, "Location");
    char to[120];
    size_t n = 0;
    while (n < location.len && !strchr("?#", location.ptr[n])) /* no query, which may hold anything */
        n++;
    if (named && sc_words_plain((struct sc_str){location.ptr, n}, to, sizeof to))
        add(a, " to %s", to);
    if (path_ends(location, "/403")) {
        a->reason = SC_REASON_PERMISSION_DENIED;
        add(a, ": so the vendor hides what this credential may not read");
    } else if (status == 301 || status == 308) {
        a->reason = SC_REASON_WRONG_HOST;
        snprintf(a->advice, sizeof a->advice, "Set the host in the settings to the one that the vendor names, where it is yours.");
    }
}

/* There is no reply that counts. */
static void judge_silence(const struct sc_poller *p, const struct sc_http_result *result, const struct sc_verdict *verdict, struct sc_answer *a)
{
    const struct sc_regions *regions = p->inst->config->connector->regions;
    if (!a->reason)
        a->reason = result->reason ? result->reason : SC_REASON_CONNECTION_LOST;
    snprintf(a->detail, sizeof a->detail, "%s%s%s", verdict->detail, verdict->detail[0] ? "; " : "", result->text);
    if (!result->redirect || verdict->action == SC_REFUSE)
        return;
    const struct sc_region *right = regions && regions->header ? sc_answer_region(p->inst->config, header(p, regions->header)) : NULL;
    if (!right) {
        judge_redirect(p, result->redirect, false, a);
        return;
    }
    a->reason = SC_REASON_WRONG_HOST;
    snprintf(a->detail, sizeof a->detail, "%d %s", result->redirect, sc_status_phrase(result->redirect));
    sc_answer_tell_region(p->inst->config, right, a->detail, sizeof a->detail, a->advice, sizeof a->advice);
}

/* ---- an id of the settings ----------------------------------------------------------------------------------------------------------------- */

/* The one that stands in the request's address as a part of its own. */
static const struct sc_value *id_in_url(const struct sc_poller *p)
{
    const struct sc_integration *config = p->inst->config;
    const char *url = p->asked_url;
    for (size_t i = 0; url && i < config->value_count; i++) {
        const struct sc_value *v = &config->values[i];
        const struct sc_field *row = sc_integration_field(config->connector, v->name, NULL);
        size_t len = strlen(v->text);
        if (v->secret || !row || row->kind != SC_TEXT || row->def || len < 3)
            continue;
        for (const char *at = url; (at = strstr(at, v->text)) != NULL; at++) {
            if (at > url && strchr("/=,:", at[-1]) && (!at[len] || strchr("/?&,:", at[len])))
                return v;
        }
    }
    return NULL;
}

static void judge_missing(const struct sc_poller *p, struct sc_answer *a, bool said_better)
{
    const struct sc_value *id = said_better ? NULL : id_in_url(p);
    if (!id)
        return;
    a->reason = SC_REASON_NOT_FOUND;
    add(a, "; settings.%s is %.80s: it does not exist, or belongs to another organisation", id->name, id->text);
    snprintf(a->advice, sizeof a->advice, "Copy %.64s anew from the vendor's console and save the integration.", id->name);
}

/* ---- rights ---------------------------------------------------------------------------------------------------------------------------------- */

/* Others are answered with the same credential, since it was refused here for the first time. */
static bool is_good_for_others(const struct sc_poller *p)
{
    const struct sc_credential *c = p->asked_with;
    return c && p->refused_at && c->good_by && c->good_by != p && c->good_at > p->refused_at;
}

static void judge_right(struct sc_poller *p, const struct sc_words *words, struct sc_answer *a)
{
    char name[SC_WORDS_NAME], claims[160];
    sc_challenge_value(header(p, "WWW-Authenticate"), "scope", name, sizeof name);
    if (!name[0])
        snprintf(name, sizeof name, "%s", words->name);
    if (name[0])
        add(a, "; it asks for \"%s\"", name);
    if (sc_token_lacks(p, claims, sizeof claims))
        add(a, "; %s", claims);
    if (name[0] && !a->advice[0])
        snprintf(a->advice, sizeof a->advice, "Grant \"%.90s\" at the vendor, where needed by an administrator, and save the integration; the other data types go on.",
                 name);
}

static bool is_about_credential(enum sc_reason reason)
{
    return reason == SC_REASON_AUTH_INVALID || reason == SC_REASON_AUTH_EXPIRED;
}

/* ---- the whole --------------------------------------------------------------------------------------------------------------------------------- */

/* More than brackets. */
static bool says_anything(struct sc_str body)
{
    size_t letters = 0;
    for (size_t i = 0; i < body.len && i < SAID_BYTES; i++)
        letters += isalnum((unsigned char)body.ptr[i]) || (unsigned char)body.ptr[i] >= 0x80;
    return letters > 3;
}

/* The status, and what the connector or the vendor says. */
static void begin(const struct sc_poller *p, int status, const struct sc_verdict *verdict, struct sc_str body, struct sc_answer *a)
{
    char said[SAID_BYTES + 4];
    if (sc_status_is_known(status))
        snprintf(a->detail, sizeof a->detail, "%d %s", status, sc_status_phrase(status));
    else
        snprintf(a->detail, sizeof a->detail, "unknown answer %d from %.100s", status, p->inst->config->origin);
    bool page = sc_words_is_page(body) || !says_anything(body);
    if (verdict->detail[0])
        add(a, ": %.*s", (int)sc_words_open(verdict->detail), verdict->detail);
    else if (!page && sc_words_plain((struct sc_str){body.ptr, body.len < SAID_BYTES ? body.len : SAID_BYTES}, said, sizeof said))
        add(a, ": \"%s\"", said);
}

static enum sc_reason by_words(const struct sc_poller *p, const struct sc_verdict *verdict, const struct sc_words *words, enum sc_reason reason)
{
    bool open = verdict->action != SC_REFUSE || verdict->by_status;
    if (!open || !words->reason)
        return reason;
    bool wait = words->reason == SC_REASON_RATE_LIMITED || words->reason == SC_REASON_QUOTA_EXHAUSTED;
    if (wait && verdict->action == SC_REFUSE && reason != SC_REASON_PERMISSION_DENIED) /* the connector knows this status as something else */
        return reason;
    (void)p;
    return words->reason;
}

void sc_answer_judge(struct sc_poller *p, const struct sc_http_result *result, const struct sc_verdict *verdict, struct sc_str body, struct sc_answer *a)
{
    int status = result->status;
    enum sc_reason said = verdict->action == SC_REFUSE ? verdict->reason : SC_REASON_OK;
    *a = (struct sc_answer){.reason = said};
    snprintf(a->advice, sizeof a->advice, "%s", verdict->advice);
    if (status == 0) {
        judge_silence(p, result, verdict, a);
        return;
    }
    struct sc_status_reading reading = sc_read_status(status, p->asked_with && p->asked_with->worked);
    struct sc_words words = sc_read_words(status, body);
    a->reason = said ? said : reading.reason ? reading.reason : SC_REASON_BAD_RESPONSE;
    begin(p, status, verdict, body, a);
    if (is_wrong_region(p, status, a))
        return;
    enum sc_reason sharper = by_words(p, verdict, &words, a->reason);
    if (sharper != a->reason) {
        a->reason = sharper;
        a->advice[0] = '\0';
    }
    if (words.advice && sharper == words.reason)
        snprintf(a->advice, sizeof a->advice, "%s", words.advice);
    bool open = verdict->action != SC_REFUSE;
    if (open && status > 300 && status < 309 && status != 304)
        judge_redirect(p, status, true, a);
    if ((status == 404 || status == 410) && !p->child.asked)
        judge_missing(p, a, !open && a->reason != SC_REASON_NOT_FOUND && !verdict->by_status);
    if (is_about_credential(a->reason) && status == 401 && is_good_for_others(p)) {
        a->reason = SC_REASON_PERMISSION_DENIED;
        a->advice[0] = '\0';
        add(a, "; other data types are answered with the same credential meanwhile: it lacks the right for this one");
    }
    if (a->reason == SC_REASON_PERMISSION_DENIED || a->reason == SC_REASON_CONSENT_MISSING)
        judge_right(p, &words, a);
    doubt_host(p, a);
    doubt_form(p, a);
}
