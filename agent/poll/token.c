/* Tokens and sessions: fetched when a request needs one, shared by everything with the same credential and scope, renewed ahead of their end and
 * once when the vendor refuses one. One call at a time for each, with its own time limit, back-off and budget. It lives in memory alone.
 * A login that is refused is not tried again before the integration is saved: vendors lock accounts after a few.
 * io thread of the source. */
#include "auth/claims.h"
#include "operate/words.h"
#include "poll/answer.h"
#include "poll/errand.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_BYTE_S 30
#define CALL_MS      60000 /* for the whole of a call */
#define LAST_MS      1000  /* a token that has less left is not used while a new one is on its way */
#define SKEW_MS      30000

static struct sc_log_cx token_cx(const struct sc_token *t)
{
    return (struct sc_log_cx){t->connector, t->integration, NULL};
}

static bool is_login(const struct sc_token *t)
{
    return t->table->token_member != NULL;
}

static void forget(char **value)
{
    if (*value)
        sc_redact_remove(*value, strlen(*value));
    sc_secret_free(*value);
    *value = NULL;
}

static void drop_value(struct sc_token *t)
{
    if (!t->value)
        return;
    forget(&t->old);
    t->old = t->value;
    t->value = NULL;
}

void sc_tokens_free(struct sc_credential *credential)
{
    while (credential->tokens) {
        struct sc_token *t = credential->tokens;
        credential->tokens = t->next;
        sc_heap_remove(&t->io->heap, &t->deadline);
        forget(&t->value);
        forget(&t->old);
        free(t->scope);
        free(t->integration);
        free(t);
    }
}

/* However slowly it answers. */
static void on_deadline(struct sc_timer *timer, void *arg)
{
    struct sc_token *t = arg;
    (void)timer;
    if (!t->transfer)
        return;
    t->overdue = true;
    sc_http_cancel(t->transfer);
}

static struct sc_token *token_of(struct sc_poller *p)
{
    struct sc_credential *credential = p->inst->credential;
    const struct sc_oauth2 *table = sc_auth_of(p->inst->config)->oauth2;
    const char *scope = p->type->scope ? p->type->scope : "";
    for (struct sc_token *t = credential->tokens; t; t = t->next) {
        if (strcmp(t->scope, scope) == 0 && t->table == table)
            return t;
    }
    struct sc_token *t = calloc(1, sizeof *t);
    if (!t || !(t->scope = sc_dup(scope))) {
        free(t);
        return NULL;
    }
    t->credential = credential;
    t->io = p->inst->io;
    t->table = table;
    t->deadline = (struct sc_timer){.fire = on_deadline, .arg = t};
    t->connector = p->inst->config->connector->name;
    t->next = credential->tokens;
    credential->tokens = t;
    return t;
}

/* ---- sessions that end too soon ------------------------------------------------------------------------------------------------------ */

#define MANY_ENDED 4u
#define HOUR_MS    3600000

/* Sessions that end again and again before their time: work goes on, and somebody should know. */
static void judge_ended(struct sc_instance *inst, const struct sc_token *t)
{
    unsigned ended = 0;
    for (unsigned i = 0; i < SC_TOKEN_REFUSALS; i++)
        ended += t->refusals[i] && t->io->now - t->refusals[i] < HOUR_MS;
    struct sc_notices *set = &inst->notices;
    char detail[300];
    if (ended <= MANY_ENDED) {
        if (sc_notice_find(set, SC_REASON_AUTH_INVALID))
            sc_notice_clear(set, SC_REASON_AUTH_INVALID);
        return;
    }
    snprintf(detail, sizeof detail, "the vendor ended %u %s%s of this credential within the hour, before their time; each was renewed once", ended,
             is_login(t) ? "session" : "token", ended == 1 ? "" : "s");
    sc_notice_set(set, SC_REASON_AUTH_INVALID, detail,
                  is_login(t) ? "Look for another program that logs in with this user: give this agent a user of its own."
                              : "Look for another program that renews tokens of this client, or for a limit of tokens at the vendor.",
                  sc_real_ms());
}

/* ---- what came of a call ------------------------------------------------------------------------------------------------------------- */

static void wake_all(struct sc_token *t, bool good)
{
    for (struct sc_instance *i = t->io->instances; i; i = i->next) {
        if (i->credential != t->credential)
            continue;
        for (unsigned k = 0; k < i->poller_count; k++) {
            struct sc_poller *p = i->pollers[k];
            if (p->phase != SC_WALKING || p->transfer)
                continue;
            if (!good)
                sc_pace_failed(p, t->hold.reason);
            if (good && p->facts.reason == t->hold.reason && p->facts.reason != SC_REASON_OK)
                sc_poller_say(p, SC_REASON_OK, SC_TIME_NONE, "", NULL);
            sc_poller_wake(p);
        }
        for (struct sc_poller *p = i->errands; p; p = p->errand->next)
            sc_poller_wake(p);
    }
}

/* Renewed ahead of its end by a tenth of its life, at most a minute: nothing is asked with a token about to end. */
static void take_token(struct sc_token *t, struct sc_oauth2_reply *reply)
{
    int64_t now = t->io->now, ahead = reply->lifetime_ms / 10;
    struct sc_log_cx cx = token_cx(t);
    drop_value(t);
    sc_redact_add(reply->token, strlen(reply->token));
    t->value = reply->token;
    reply->token = NULL;
    t->serial++;
    t->credential->refused_real = 0;
    if (is_login(t) || sc_claims_scopes(sc_str_of(t->value), t->grants, sizeof t->grants))
        t->grants[0] = '\0';
    t->expires_ms = now + reply->lifetime_ms;
    t->renew_ms = t->expires_ms - (ahead < 60000 ? ahead : 60000);
    t->attempts = t->throttles = 0;
    SC_LOG(SC_DEBUG, &cx, NULL, "%s received, good for %lld s%s", is_login(t) ? "session" : "token", (long long)(reply->lifetime_ms / 1000),
           reply->lifetime_said ? "" : " (not said by the vendor: assumed)");
    sc_trace_token(t, "%s received, good for %lld s", is_login(t) ? "session" : "token", (long long)(reply->lifetime_ms / 1000));
    for (struct sc_instance *i = t->io->instances; i; i = i->next) {
        if (i->credential == t->credential && sc_notice_find(&i->notices, SC_REASON_AUTH_INVALID))
            judge_ended(i, t);
    }
    wake_all(t, true);
    t->hold = (struct sc_hold){0};
}

static int64_t hold_ms(struct sc_token *t, enum sc_reason reason, int64_t until_real)
{
    int64_t named = until_real == SC_TIME_NONE ? 0 : until_real - sc_real_ms(), wait;
    const struct sc_pool *pool = t->budget ? t->budget->pool : NULL;
    switch (sc_wait_class(sc_reason_class(reason), t->lasting, t->open)) {
    case SC_CLASS_THROTTLED:
        wait = named > 0 ? named : sc_wait_throttle(t->io, t->throttles++, pool ? pool->throttle_s : 0, pool ? pool->throttle_max_s : 0);
        return wait < 3600000 ? wait : 3600000; /* one probe an hour */
    case SC_CLASS_AUTH:
        return is_login(t) && reason != SC_REASON_PROXY_AUTH ? SC_NEVER_MS : 900000; /* of a proxy's refusal the vendor knows nothing */
    case SC_CLASS_CONFIG:
        return 3600000;
    case SC_CLASS_LOCAL:
    case SC_CLASS_BROKER:
        return 30000;
    case SC_CLASS_OK:
    case SC_CLASS_RETRY:
    case SC_CLASS_DATA:
    case SC_CLASS_NOTICE:
        break;
    }
    wait = sc_wait_retry(t->io, t->attempts++);
    return named > wait ? named : wait;
}

static void call_failed(struct sc_token *t, enum sc_reason reason, struct sc_wait named, const char *detail, const char *advice)
{
    char at[SC_TIME_TEXT];
    if (is_login(t) && reason == SC_REASON_AUTH_INVALID && (t->serial || t->credential->worked))
        reason = SC_REASON_AUTH_EXPIRED;
    if (is_login(t) && sc_reason_class(reason) == SC_CLASS_AUTH && !t->credential->refused_real)
        t->credential->refused_real = sc_real_ms();
    const struct sc_token before = *t;
    int64_t wait = hold_ms(t, reason, named.until_ms), real = wait < SC_NEVER_MS ? sc_real_ms() + wait : SC_TIME_NONE;
    t->hold = (struct sc_hold){t->io->now + wait, real, reason, named.until_ms != SC_TIME_NONE};
    if (t->budget && sc_reason_class(reason) == SC_CLASS_THROTTLED)
        sc_budget_wait(t->budget, t->hold.until_ms, real);
    char plain[sizeof t->detail];
    snprintf(plain, sizeof plain, "%s %s %s: %s", sc_oauth2_call(t->table), is_login(t) ? "at" : "to", t->host, detail);
    int n = snprintf(t->detail, sizeof t->detail, "%.*s, ", (int)sc_words_open(plain), plain);
    size_t used = n < 0 ? 0 : (size_t)n < sizeof t->detail ? (size_t)n : sizeof t->detail - 1;
    if (real == SC_TIME_NONE)
        snprintf(t->detail + used, sizeof t->detail - used, "not tried again before the integration is saved, so that the account is not locked");
    else
        snprintf(t->detail + used, sizeof t->detail - used, "next one at %s%s%s%s", sc_time_short(real, sc_real_ms(), at), named.header ? " (" : "",
                 named.header ? named.header : "", named.header ? ")" : "");
    snprintf(t->advice, sizeof t->advice, "%s", advice ? advice : "");
    sc_trace_token(t, "%s", t->for_dry ? plain : t->detail);
    sc_dry_token_failed(t, reason, named.until_ms, plain, t->advice);
    bool for_all = sc_reason_class(reason) == SC_CLASS_THROTTLED || t->hold.named || (is_login(t) && sc_reason_class(reason) == SC_CLASS_AUTH);
    if (t->for_dry && !for_all) { /* those who poll wait as long as before, and for what they waited for */
        t->hold = before.hold;
        t->attempts = before.attempts;
        memcpy(t->detail, before.detail, sizeof t->detail);
        memcpy(t->advice, before.advice, sizeof t->advice);
    }
    if (t->value && t->io->now < t->expires_ms) { /* the old one is still good: nobody else says it */
        struct sc_log_cx cx = token_cx(t);
        SC_LOG(SC_WARN, &cx, NULL, "%s; the %s at hand is used until it ends", t->detail, is_login(t) ? "session" : "token");
    }
    wake_all(t, false);
}

static struct sc_wait named_wait(const struct sc_token *t, const struct sc_http_result *result, enum sc_class cls)
{
    if (cls != SC_CLASS_THROTTLED && cls != SC_CLASS_RETRY)
        return (struct sc_wait){.until_ms = SC_TIME_NONE};
    const struct sc_pool *pool = t->budget ? t->budget->pool : NULL;
    const char *name = cls == SC_CLASS_THROTTLED && pool ? pool->reset_header : NULL;
    struct sc_str reset = name ? sc_http_header(t->transfer, name, 0) : (struct sc_str){0};
    return sc_read_wait(sc_http_header(t->transfer, "Retry-After", 0), reset, name, pool ? pool->reset_unit : SC_RESET_NONE, sc_real_ms(), result->date_ms);
}

/* Some integration that uses the token. */
static const struct sc_integration *config_of(const struct sc_token *t)
{
    for (const struct sc_instance *i = t->io->instances; i; i = i->next) {
        if (i->credential == t->credential && !i->retired)
            return i->config;
    }
    return NULL;
}

/* The endpoint says that the account lives elsewhere. */
static bool is_wrong_region(struct sc_token *t, const struct sc_http_result *result)
{
    const struct sc_integration *config = config_of(t);
    const struct sc_regions *regions = config ? config->connector->regions : NULL;
    int status = result->status ? result->status : result->redirect;
    bool refused = status == 400 || status == 401 || status == 403 || (status > 300 && status < 309);
    const struct sc_region *right = refused && regions && regions->header ? sc_answer_region(config, sc_http_header(t->transfer, regions->header, 0)) : NULL;
    char detail[340], advice[256];
    if (!right)
        return false;
    snprintf(detail, sizeof detail, "%d %s", status, sc_status_phrase(status));
    sc_answer_tell_region(config, right, detail, sizeof detail, advice, sizeof advice);
    call_failed(t, SC_REASON_WRONG_HOST, (struct sc_wait){.until_ms = SC_TIME_NONE}, detail, advice);
    return true;
}

/* What the endpoint's code or status leaves open. */
static enum sc_reason sharpen(const struct sc_token *t, const struct sc_http_result *result, struct sc_str body, enum sc_reason reason, char *detail, size_t cap,
                              const char **advice)
{
    char differs[SC_TIME_TEXT];
    int64_t off = result->date_ms == SC_TIME_NONE ? 0 : result->date_ms + 500 - sc_real_ms();
    size_t used = strlen(detail);
    if (reason == SC_REASON_OAUTH_INVALID_GRANT && (off > SKEW_MS || off < -SKEW_MS)) {
        snprintf(detail + used, cap - used, "; this host's clock is %s %s the endpoint's, so an assertion of it is not valid", sc_duration_text(off < 0 ? -off : off, differs),
                 off < 0 ? "ahead of" : "behind");
        *advice = NULL;
        return SC_REASON_CLOCK_SKEW;
    }
    struct sc_words words = sc_read_words(result->status, body);
    bool open = reason == SC_REASON_AUTH_INVALID || reason == SC_REASON_OAUTH_INVALID_CLIENT;
    bool sharper = words.reason == SC_REASON_ACCOUNT_SUSPENDED || words.reason == SC_REASON_RATE_LIMITED || (is_login(t) && words.reason == SC_REASON_AUTH_EXPIRED);
    if (!open || !sharper)
        return reason;
    *advice = words.advice;
    return words.reason;
}

static void on_done(struct sc_transfer *transfer, const struct sc_http_result *result)
{
    struct sc_token *t = result->arg;
    struct sc_oauth2_reply reply = {0};
    (void)transfer;
    if (t->budget)
        sc_budget_release(t->budget);
    sc_show_request(t->credential->source, result);
    t->lasting = result->lasting;
    t->open = result->open;
    sc_heap_remove(&t->io->heap, &t->deadline);
    if (t->overdue) {
        t->transfer = NULL;
        call_failed(t, SC_REASON_READ_TIMEOUT, (struct sc_wait){.until_ms = SC_TIME_NONE}, "no complete answer within 60 s", NULL);
        return;
    }
    if (is_wrong_region(t, result)) {
        t->transfer = NULL;
        return;
    }
    if (result->reason != SC_REASON_OK || result->aborted || result->status == 0) {
        call_failed(t, result->reason ? result->reason : SC_REASON_CONNECTION_LOST, (struct sc_wait){.until_ms = SC_TIME_NONE}, result->text, NULL);
        t->transfer = NULL;
        return;
    }
    SC_AUTO_BUF struct sc_buf body = {.secret = true};
    bool good = result->status >= 200 && result->status < 300;
    if (!good) { /* before anything is cut out of it: half a secret is not recognised */
        sc_buf_add(&body, result->prefix.ptr ? result->prefix.ptr : "", result->prefix.len);
        sc_redact_buf(&body);
    }
    sc_oauth2_read(t->table, result->status, good ? result->prefix : sc_buf_str(&body), result->bytes_decoded > result->prefix.len, &reply);
    if (reply.reason == SC_REASON_OK) {
        take_token(t, &reply);
    } else {
        char detail[440];
        const char *advice = reply.advice[0] ? reply.advice : NULL;
        snprintf(detail, sizeof detail, "%d %s%s%.*s", result->status, sc_status_phrase(result->status), reply.detail[0] ? ": " : "",
                 (int)sc_words_open(reply.detail), reply.detail);
        enum sc_reason reason = sharpen(t, result, sc_buf_str(&body), reply.reason, detail, sizeof detail, &advice);
        call_failed(t, reason, named_wait(t, result, sc_reason_class(reason)), detail, advice);
    }
    t->transfer = NULL;
    sc_secret_free(reply.token);
}

/* ---- a call --------------------------------------------------------------------------------------------------------------------------- */

static const char *lookup(void *arg, const char *name)
{
    const struct sc_poller *p = arg;
    if (strcmp(name, "scope") == 0)
        return p->type->scope ? p->type->scope : "";
    if (strcmp(name, "base_url") == 0)
        return p->inst->config->base_url;
    return sc_integration_value(p->inst->config, name);
}

static bool keep_prefix(void *arg, struct sc_transfer *transfer, int status)
{
    (void)arg;
    (void)transfer;
    (void)status;
    return false;
}

static void call(struct sc_poller *p, struct sc_token *t)
{
    const struct sc_integration *config = p->inst->config;
    struct sc_oauth2_request request;
    struct sc_error err = SC_ERROR_INIT;
    char shown[512], origin[64] = "";
    const char *id = t->table->client_id ? sc_integration_value(config, t->table->client_id) : NULL;
    free(t->integration);
    t->integration = sc_dup(config->name);
    t->connector = config->connector->name;
    int rc = sc_oauth2_compose(t->table, (struct sc_oauth2_values){lookup, p}, &request, &err);
    if (rc == 0) {
        if (sc_url_origin(request.url, origin, sizeof origin))
            snprintf(origin, sizeof origin, "its endpoint");
        size_t len = id ? strlen(id) : 0; /* the end of a long id tells which client it is */
        snprintf(t->host, sizeof t->host, "%.60s%s%s%s", origin, len >= 12 ? " (client …" : "", len >= 12 ? id + len - 4 : "", len >= 12 ? ")" : "");
        struct sc_http_request hr = {
            .method = "POST",
            .url = request.url,
            .headers = (const char *const *)request.headers,
            .content = sc_buf_str(&request.body),
            .proxy = config->proxy,
            .ca_file = config->ca_file,
            .cert_file = config->cert_file,
            .key_file = config->key_file,
            .verify = config->tls_verify,
            .allow_plain_http = config->allow_insecure_http,
            .max_body = SC_OAUTH2_BODY_MAX,
            .first_byte_timeout_s = FIRST_BYTE_S,
            .no_redirects = true, /* the body is the secret */
            .arg = t,
            .done = on_done,
            .head = keep_prefix,
        };
        t->transfer = sc_http_start(t->io->http, &hr, &err);
        rc = t->transfer ? 0 : -1;
    }
    if (rc == 0) {
        struct sc_log_cx cx = token_cx(t);
        SC_LOG(SC_DEBUG, &cx, NULL, "%s %s", sc_oauth2_call(t->table), sc_redact_url(request.url, shown, sizeof shown));
        SC_TRACE(p, "token", NULL, "%s: POST %s", sc_oauth2_call(t->table), sc_redact_url(request.url, shown, sizeof shown));
        t->for_dry = sc_is_dry(p);
        if (p->errand)
            p->errand->token_calls++;
        t->overdue = false;
        sc_heap_set(&t->io->heap, &t->deadline, t->io->now + CALL_MS);
        if (t->budget)
            sc_budget_take(t->budget, t->io->now);
    } else {
        call_failed(t, err.reason ? err.reason : SC_REASON_MEMORY_LIMIT, (struct sc_wait){.until_ms = SC_TIME_NONE}, err.text, NULL);
    }
    sc_oauth2_request_done(&request);
}

static void wait_for(struct sc_poller *p, enum sc_reason reason, int64_t until, int64_t until_real, const char *detail, const char *advice)
{
    char room[256], line[960], worked[240] = "";
    if (sc_reason_class(reason) == SC_CLASS_AUTH && reason != SC_REASON_PERMISSION_DENIED)
        sc_worked_refused(p, false);
    sc_wait_known(p, reason, worked, sizeof worked);
    snprintf(line, sizeof line, "%s%s", detail, worked);
    bool told = p->facts.reason == reason && p->facts.until_real == until_real && strncmp(p->facts.detail, line, sizeof p->facts.detail - 1) == 0;
    if (!told)
        sc_poller_say(p, reason, until_real, line, advice ? advice : sc_poller_advice(p, reason, room));
    if (reason != SC_REASON_BUDGET_WAIT)
        sc_poller_waits(p, until);
    sc_heap_set(&p->inst->io->heap, &p->timer, until);
}

static const struct sc_token *refused_client(const struct sc_token *t)
{
    for (const struct sc_token *other = t->credential->tokens; other; other = other->next) {
        bool refused = other->hold.reason == SC_REASON_OAUTH_INVALID_CLIENT || (is_login(other) && sc_reason_class(other->hold.reason) == SC_CLASS_AUTH);
        if (other != t && other->table == t->table && refused && other->hold.until_ms > t->io->now)
            return other;
    }
    return NULL;
}

bool sc_token_lacks(const struct sc_poller *p, char *out, size_t cap)
{
    const struct sc_token *t = p->asked_token;
    const char *missing = NULL;
    for (unsigned i = 0; t && t->grants[0] && i < SC_MAX_GRANTS && p->type->grants[i] && !missing; i++)
        missing = sc_claims_has(t->grants, p->type->grants[i]) ? NULL : p->type->grants[i];
    if (missing)
        snprintf(out, cap, "the token has %.100s; %s also needs %.60s", t->grants, p->type->name, missing);
    return missing != NULL;
}

/* Told before the vendor refuses it. Once: should the table be wrong, the vendor's word is asked for after the wait. */
static bool lacks_scope(struct sc_poller *p)
{
    char lacks[260], detail[400], advice[256], at[SC_TIME_TEXT];
    struct sc_io *io = p->inst->io;
    if (p->scopes_told || !sc_token_lacks(p, lacks, sizeof lacks))
        return false;
    p->scopes_told = true;
    p->hold = (struct sc_hold){.until_ms = io->now + 900000, .until_real = sc_real_ms() + 900000, .reason = SC_REASON_PERMISSION_DENIED};
    snprintf(detail, sizeof detail, "%s (by its own claims, the vendor was not asked), next request at %s", lacks,
             sc_time_short(p->hold.until_real, sc_real_ms(), at));
    wait_for(p, SC_REASON_PERMISSION_DENIED, p->hold.until_ms, p->hold.until_real, detail, sc_poller_advice(p, SC_REASON_PERMISSION_DENIED, advice));
    drop_value(p->asked_token); /* a token carries the rights of its day */
    return true;
}

bool sc_token_ready(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    struct sc_token *t = token_of(p);
    if (!t) {
        wait_for(p, SC_REASON_MEMORY_LIMIT, io->now + 1000, SC_TIME_NONE, "out of memory for a token", NULL);
        return false;
    }
    p->asked_token = t;
    if (p->denied_serial && p->denied_serial == t->serial && !t->transfer)
        drop_value(t);
    p->denied_serial = 0;
    bool usable = t->value && io->now < t->expires_ms;
    if (usable && io->now < t->renew_ms)
        return !lacks_scope(p);
    if (t->transfer) {
        if (!usable && (p->facts.reason == SC_REASON_OK || p->facts.reason == SC_REASON_STARTING))
            snprintf(p->facts.detail, sizeof p->facts.detail, "waits for a %s from %s", is_login(t) ? "session" : "token", t->host);
        return usable && t->expires_ms - io->now > LAST_MS;
    }
    if (t->hold.until_ms > io->now && sc_is_dry(p)) {
        if (usable)
            return true;
        if (sc_dry_kept_by_token(p, t, is_login(t) && sc_reason_class(t->hold.reason) == SC_CLASS_AUTH))
            return false;
    } else if (t->hold.until_ms > io->now) {
        if (!usable && t->hold.named && t->table->pool)
            sc_poller_keep_wait(p, t->table->pool, t->hold.until_real);
        if (!usable)
            wait_for(p, t->hold.reason, t->hold.until_ms, t->hold.until_real, t->detail, t->advice[0] ? t->advice : NULL);
        return usable;
    }
    const struct sc_token *refused = refused_client(t);
    if (refused && sc_is_dry(p) && !usable) {
        if (sc_dry_kept_by_token(p, refused, is_login(refused) && sc_reason_class(refused->hold.reason) == SC_CLASS_AUTH))
            return false;
    } else if (refused) { /* the client is refused whatever is asked for */
        if (!usable)
            wait_for(p, refused->hold.reason, refused->hold.until_ms, refused->hold.until_real, refused->detail, refused->advice[0] ? refused->advice : NULL);
        return usable;
    }
    t->budget = t->table->pool ? sc_budget_of(p, t->table->pool) : NULL;
    int64_t when = t->budget ? sc_budget_when(t->budget, io->now) : io->now;
    int64_t calm = t->refusals[t->refusal_head] ? t->refusals[t->refusal_head] + 60000 : 0;
    if (calm > when && when != INT64_MAX)
        when = calm;
    if (when > io->now) {
        char until[SC_TIME_TEXT], detail[200];
        int64_t next = when == INT64_MAX ? io->now + 250 : when, real = sc_real_ms() + (next - io->now);
        snprintf(detail, sizeof detail, "%s until %s",
                 calm <= io->now ? "waits for the budget of token requests"
                 : is_login(t)   ? "the vendor ends sessions soon after it gave them (another login with this user?): no more than 12 logins a minute, waits"
                                 : "the vendor refuses tokens soon after it gave them: a new one is asked for no more than 12 times a minute, waits",
                 sc_time_short(real, sc_real_ms(), until));
        if (!usable && next - io->now > 1000)
            wait_for(p, SC_REASON_BUDGET_WAIT, next, real, detail, NULL);
        else if (!usable)
            sc_heap_set(&io->heap, &p->timer, next);
        return usable;
    }
    call(p, t);
    return usable && (t->transfer == NULL || t->expires_ms - io->now > LAST_MS);
}

bool sc_token_refused(struct sc_poller *p)
{
    struct sc_token *t = p->asked_token;
    struct sc_log_cx cx = sc_poller_cx(p);
    if (!t || !sc_auth_needs_token(p))
        return false;
    if (!t->value || t->serial != p->asked_serial) /* somebody was faster */
        return true;
    const struct sc_credential *c = t->credential;
    bool good_for_others = p->renewed && c->good_by && c->good_by != p && t->io->now - c->good_at < 60000;
    if (!good_for_others)
        drop_value(t); /* never asked with again, also not by the probe after a wait */
    if (p->renewed)
        return false;
    p->renewed = true;
    t->refusals[t->refusal_head] = t->io->now ? t->io->now : 1;
    t->refusal_head = (t->refusal_head + 1) % SC_TOKEN_REFUSALS;
    SC_LOG(SC_DEBUG, &cx, NULL, "401: the vendor no longer takes the %s; a new one is fetched, once", is_login(t) ? "session" : "token");
    if (!sc_is_dry(p))
        judge_ended(p->inst, t);
    return true;
}

void sc_token_put(struct sc_instance *inst)
{
    struct sc_credential *credential = inst->credential;
    bool refused = sc_reason_class(credential->hold.reason) == SC_CLASS_AUTH && credential->hold.until_ms;
    for (unsigned i = 0; i < inst->poller_count; i++) {
        const struct sc_hold *hold = &inst->pollers[i]->hold;
        refused = refused || (hold->until_ms && sc_reason_class(hold->reason) == SC_CLASS_AUTH);
        inst->pollers[i]->renewed = false;
    }
    for (struct sc_token *t = credential->tokens; t; t = t->next) {
        if (refused && !t->transfer) /* rights may have changed, and a token carries those of its day */
            drop_value(t);
        if (t->hold.until_ms && !t->hold.named && sc_reason_class(t->hold.reason) != SC_CLASS_THROTTLED) {
            t->hold = (struct sc_hold){0};
            t->attempts = 0;
        }
    }
}
