/* What the examination of an integration says (doctor.h): each line with what was measured, and the cure in the words of log and status. */
#include "poll/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SKEW_TELLS_MS 30000
#define CERT_SOON_MS  (14ll * 86400000)

/* ---- a line ------------------------------------------------------------------------------------------------------------------------------------ */

void sc_doctor_line(struct sc_doctor *d, const char *check, const struct sc_poller *type, enum sc_exam_result result, enum sc_reason reason, const char *cure,
                    const char *fmt, ...)
{
    static const char *const words[] = {"ok", "notice", "bad", "skipped"};
    SC_AUTO_BUF struct sc_buf text = {0};
    va_list args;
    va_start(args, fmt);
    sc_buf_addv(&text, fmt, args);
    va_end(args);
    json_t *line = json_pack("{s:s, s:s, s:o*, s:o*}", "check", check, "result", words[result], "value", sc_sink_text(sc_buf_str(&text)), "cure",
                             sc_sink_text(sc_str_of(cure ? cure : "")));
    if (line && type)
        json_object_set_new(line, "data_type", json_string(type->type->name));
    if (line && reason != SC_REASON_OK)
        json_object_set_new(line, "reason", json_string(sc_reason_code(reason)));
    sc_sink_put(d->asked.sink, "check", line);
}

void sc_doctor_note_told(struct sc_doctor *d, const struct sc_poller *type, const char *sentence)
{
    const char *behind = strstr(sentence, ", request id "); /* of that request alone */
    char **at = &d->told[type ? type->index : d->told_count - 1];
    free(*at);
    *at = sc_dup_str((struct sc_str){sentence, behind ? (size_t)(behind - sentence) : strlen(sentence)});
}

static const char *at_of(int64_t ms, char room[SC_TIME_TEXT])
{
    return sc_time_short(ms, sc_real_ms(), room);
}

/* ---- configuration ------------------------------------------------------------------------------------------------------------------------------ */

static void say_each(struct sc_doctor *d, const char *lines)
{
    while (lines && *lines) {
        size_t n = strcspn(lines, "\n");
        sc_doctor_line(d, "configuration", NULL, SC_EXAM_NOTICE, SC_REASON_CONFIG_INVALID, "", "%.*s", (int)n, lines);
        lines += n + (lines[n] == '\n');
    }
}

void sc_doctor_say_config(struct sc_doctor *d, uint64_t stored_rev)
{
    const struct sc_instance *inst = d->inst;
    const struct sc_integration *c = inst->config;
    char since[SC_TIME_TEXT], odd[400];
    unsigned on = 0;
    for (unsigned i = 0; i < inst->poller_count; i++)
        on += c->types[i].enabled;
    sc_doctor_line(d, "configuration", NULL, SC_EXAM_OK, SC_REASON_OK, "", "revision %llu is in use since %s, %u of %u data types enabled",
                   (unsigned long long)c->rev, at_of(inst->used_since, since), on, inst->poller_count);
    if (inst->refused)
        sc_doctor_line(d, "configuration", NULL, SC_EXAM_BAD, SC_REASON_CONFIG_INVALID, SC_REFUSED_ADVICE, "%s", inst->refused);
    else if (stored_rev > c->rev)
        sc_doctor_line(d, "configuration", NULL, SC_EXAM_NOTICE, SC_REASON_CONFIG_INVALID, "Ask again in a minute; if it stays so, restart the agent and report it.",
                       "revision %llu is stored, and this agent has not seen it yet: it compares each 60 s", (unsigned long long)stored_rev);
    const struct sc_status_facts *paused = &inst->pollers[0]->facts; /* of each the same but for its newest record */
    if (!c->enabled && paused->reason == SC_REASON_DISABLED)
        sc_doctor_line(d, "configuration", NULL, SC_EXAM_NOTICE, SC_REASON_DISABLED, paused->advice, "%s", paused->detail);
    else if (!c->enabled)
        sc_doctor_line(d, "configuration", NULL, SC_EXAM_NOTICE, SC_REASON_DISABLED, sc_reason_row(SC_REASON_DISABLED)->advice, "\"enabled\": false");
    if (sc_integration_odd_form(c, odd, sizeof odd))
        sc_doctor_line(d, "configuration", NULL, SC_EXAM_NOTICE, SC_REASON_CONFIG_INVALID,
                       "Compare it with the vendor's console; where the vendor takes it (see authentication), nothing is to be done.", "%s", odd);
    say_each(d, c->warnings);
    if (inst->io->config.settings->offline_mode)
        sc_doctor_line(d, "configuration", NULL, SC_EXAM_NOTICE, SC_REASON_OFFLINE, sc_reason_row(SC_REASON_OFFLINE)->advice, "offline_mode: no vendor is polled");
}

void sc_doctor_say_source(struct sc_doctor *d)
{
    const struct sc_instance *inst = d->inst;
    const struct sc_integration *c = inst->config;
    char url[400];
    unsigned others = 0;
    for (const struct sc_instance *i = inst->io->instances; i; i = i->next)
        others += i != inst && i->source == inst->source && !i->retired;
    bool plain = strncmp(c->base_url, "http://", 7) == 0;
    sc_doctor_line(d, "source", NULL, SC_EXAM_OK, SC_REASON_OK, "", "%s at %s%s", c->connector->name, sc_redact_url(c->base_url, url, sizeof url),
                   plain ? ", not encrypted" : "");
    if (others)
        sc_doctor_line(d, "source", NULL, SC_EXAM_OK, SC_REASON_OK, "", "its budget is shared with %u other integration%s of the same account", others,
                       others == 1 ? "" : "s");
}

/* ---- the way ------------------------------------------------------------------------------------------------------------------------------------ */

/* "api.example.com": the host's name of the base URL. */
static void host_of(const struct sc_integration *config, char *out, size_t cap)
{
    const char *at = strstr(config->base_url, "://");
    at = at ? at + 3 : config->base_url;
    size_t n = *at == '[' ? strcspn(at, "]") + 1 : strcspn(at, ":/?");
    snprintf(out, cap, "%.*s", (int)n, at);
}

static bool is_literal(const char *host)
{
    return host[0] == '[' || host[strspn(host, "0123456789.")] == '\0';
}

static void bad(struct sc_doctor *d, const char *check)
{
    sc_doctor_line(d, check, NULL, SC_EXAM_BAD, d->exam.reason, d->exam.advice, "%s", d->exam.detail);
    sc_doctor_note_told(d, NULL, d->exam.detail);
}

static void say_name(struct sc_doctor *d, const struct sc_way *way, const char *host)
{
    const struct sc_http_wire *w = &way->wire;
    if (w->proxy[0])
        sc_doctor_line(d, "dns", NULL, SC_EXAM_OK, SC_REASON_OK, "", "%s is looked up by the proxy", host);
    else if (is_literal(host))
        sc_doctor_line(d, "dns", NULL, SC_EXAM_OK, SC_REASON_OK, "", "%s is an address: no name is looked up", host);
    else
        sc_doctor_line(d, "dns", NULL, SC_EXAM_OK, SC_REASON_OK, "", "%s is %s (%u ms)", host, w->tried[0] ? w->tried : w->address, way->timing.dns);
}

static void say_proxy(struct sc_doctor *d, const struct sc_way *way, const char *host, bool tls)
{
    const char *from = d->inst->config->proxy ? "the integration" : "the environment";
    if (way->wire.proxy[0])
        sc_doctor_line(d, "proxy", NULL, SC_EXAM_OK, SC_REASON_OK, "", "%s, from %s: it answers%s%s", way->wire.proxy, from, tls ? " and lets this host through to " : "",
                       tls ? host : "");
    else
        sc_doctor_line(d, "proxy", NULL, SC_EXAM_OK, SC_REASON_OK, "", d->inst->config->proxy ? "none (set so in the integration)" : "none");
}

static void say_certificate(struct sc_doctor *d, const struct sc_way *way, enum sc_exam_result result)
{
    const struct sc_http_wire *w = &way->wire;
    SC_AUTO_BUF struct sc_buf text = {0};
    int64_t left = w->not_after_ms == SC_TIME_NONE ? 0 : w->not_after_ms - sc_real_ms();
    bool soon = result == SC_EXAM_OK && left < CERT_SOON_MS;
    const char *cure = soon ? "Have the certificate renewed before it ends." : "";
    sc_buf_addf(&text, "%s%scertificate of %s, signed by \"%s\", ", w->tls, w->tls[0] ? ", " : "", w->subject, w->issuer);
    if (left < 0)
        sc_buf_addf(&text, "ended %lld days ago", (long long)(-left / 86400000));
    else
        sc_buf_addf(&text, "%lld days left", (long long)(left / 86400000));
    sc_buf_addf(&text, ", chain of %u", w->chain);
    if (w->tls[0])
        sc_buf_addf(&text, " (%u ms)", way->timing.tls);
    if (w->tls[0] && !w->verified)
        sc_buf_add_str(&text, "; NOT verified, as tls.verify is false");
    if (w->cert_wanted)
        sc_buf_add_str(&text, w->cert_sent ? "; it wanted a client certificate and got one" : "; it wanted a client certificate, none is set");
    sc_doctor_line(d, result == SC_EXAM_OK ? "tls" : "certificate", NULL, soon || (result == SC_EXAM_OK && !w->verified) ? SC_EXAM_NOTICE : result, SC_REASON_OK, cure, "%s",
                   sc_buf_str(&text).ptr);
}

/* At which step it ended. */
static const char *step_of(enum sc_reason reason, const struct sc_http_wire *w, bool tls)
{
    if (reason == SC_REASON_DNS_FAILURE)
        return "dns";
    if (reason == SC_REASON_PROXY_REFUSED || reason == SC_REASON_PROXY_AUTH)
        return "proxy";
    if (!w->address[0]) /* nobody was tried: a setting, or no memory */
        return "configuration";
    bool tcp = reason == SC_REASON_CONNECT_TIMEOUT || reason == SC_REASON_CONNECTION_REFUSED || reason == SC_REASON_NETWORK_UNREACHABLE;
    return tcp || !tls ? "tcp" : "tls";
}

void sc_doctor_say_way(struct sc_doctor *d, const struct sc_way *way)
{
    const struct sc_http_wire *w = &way->wire;
    char host[256], took[SC_TIME_TEXT];
    bool tls = strncmp(d->inst->config->base_url, "https://", 8) == 0;
    const char *failed = d->exam.result == SC_EXAM_OK ? "" : d->exam.result == SC_EXAM_SKIPPED ? "way" : step_of(d->exam.reason, w, tls);
    host_of(d->inst->config, host, sizeof host);
    if (strcmp(failed, "configuration") == 0 || strcmp(failed, "dns") == 0 || strcmp(failed, "way") == 0) {
        bad(d, failed);
        return;
    }
    say_name(d, way, host);
    if (strcmp(failed, "proxy") == 0) {
        bad(d, failed);
        return;
    }
    say_proxy(d, way, host, tls);
    if (strcmp(failed, "tcp") == 0) {
        bad(d, failed);
        return;
    }
    sc_doctor_line(d, "tcp", NULL, SC_EXAM_OK, SC_REASON_OK, "", "connected to %s%s port %u (%s)%s%s", w->proxy[0] ? "the proxy, " : "",
                   w->address, w->port, sc_duration_text(way->timing.connect, took),
                   w->local[0] ? ", from " : "", w->local);
    if (strcmp(failed, "tls") == 0 && w->subject[0])
        say_certificate(d, way, SC_EXAM_NOTICE);
    if (strcmp(failed, "tls") == 0)
        bad(d, failed);
    else if (tls)
        say_certificate(d, way, SC_EXAM_OK);
    else
        sc_doctor_line(d, "tls", NULL, SC_EXAM_SKIPPED, SC_REASON_OK, "", "http: nothing is encrypted");
}

/* ---- clock and credential ----------------------------------------------------------------------------------------------------------------------- */

void sc_doctor_say_clock(struct sc_doctor *d)
{
    const struct sc_notice *told = sc_notice_find(&d->inst->notices, SC_REASON_CLOCK_SKEW);
    int64_t off = d->clock_off_ms, size = off == SC_TIME_NONE ? 0 : off < 0 ? -off : off;
    char text[SC_TIME_TEXT];
    const char *with = sc_auth_is_signed(d->inst->pollers[0]) ? "; requests are signed with the vendor's time" : "";
    if (off == SC_TIME_NONE)
        sc_doctor_line(d, "clock", NULL, SC_EXAM_SKIPPED, SC_REASON_OK, "", "not compared: no answer with a Date came");
    else if (size <= SKEW_TELLS_MS)
        sc_doctor_line(d, "clock", NULL, SC_EXAM_OK, SC_REASON_OK, "", "this host's clock and the vendor's Date differ by %s%lld.%lld s (a Date has whole seconds)", off < 0 ? "-" : "",
                       (long long)(size / 1000), (long long)(size % 1000 / 100));
    else if (!told) /* else it stands among the notices, in the same words as in the status */
        sc_doctor_line(d, "clock", NULL, SC_EXAM_NOTICE, SC_REASON_CLOCK_SKEW, sc_reason_row(SC_REASON_CLOCK_SKEW)->advice, "this host's clock is %s %s that of the vendor%s",
                       sc_duration_text((size + 500) / 1000 * 1000, text), off < 0 ? "ahead of" : "behind", with);
    else
        sc_doctor_line(d, "clock", NULL, SC_EXAM_NOTICE, SC_REASON_CLOCK_SKEW, told->advice, "%s", told->detail);
}

static void add_scopes(struct sc_buf *out, const struct sc_token *t)
{
    if (t->grants[0])
        sc_buf_addf(out, ", with %.200s", t->grants);
}

/* How it signs in, and what is at hand for it. */
static void add_kind(const struct sc_doctor *d, struct sc_buf *out)
{
    const struct sc_auth *auth = sc_auth_of(d->inst->config);
    char left[SC_TIME_TEXT];
    switch (auth->kind) {
    case SC_AUTH_NONE:
        sc_buf_add_str(out, "none is needed");
        return;
    case SC_AUTH_HEADER:
        sc_buf_addf(out, "a key in the header %s", auth->header);
        return;
    case SC_AUTH_BASIC:
        sc_buf_add_str(out, auth->password_is_key ? "an API key (HTTP Basic)" : "user and password (HTTP Basic)");
        return;
    case SC_AUTH_SIGNED:
        sc_buf_add_str(out, "each request is signed");
        return;
    case SC_AUTH_OAUTH2_CLIENT:
    case SC_AUTH_LOGIN:
        break;
    }
    sc_buf_add_str(out, auth->kind == SC_AUTH_LOGIN ? "a session by login" : "an OAuth2 token");
    for (const struct sc_token *t = d->inst->credential->tokens; t; t = t->next) {
        if (!t->value || t->expires_ms <= d->inst->io->now)
            continue;
        sc_buf_addf(out, " of %s, good for %s more", t->host, sc_duration_text((t->expires_ms - d->inst->io->now) / 1000 * 1000, left));
        add_scopes(out, t);
        break;
    }
}

static void add_history(const struct sc_doctor *d, struct sc_buf *out)
{
    const struct sc_credential *c = d->inst->credential;
    char since[SC_TIME_TEXT], until[SC_TIME_TEXT];
    if (c->since_real && c->until_real - c->since_real < 60000)
        sc_buf_addf(out, "; last good answer %s", at_of(c->until_real, until));
    else if (c->since_real)
        sc_buf_addf(out, "; good answers from %s to %s", at_of(c->since_real, since), at_of(c->until_real, until));
}

/* A live walk that knows that the credential is refused. */
static const struct sc_poller *refused_live(const struct sc_doctor *d)
{
    for (unsigned i = 0; i < d->inst->poller_count; i++) {
        const struct sc_poller *p = d->inst->pollers[i];
        bool right = p->facts.reason == SC_REASON_PERMISSION_DENIED || p->facts.reason == SC_REASON_CONSENT_MISSING || p->facts.reason == SC_REASON_PROXY_AUTH;
        if (sc_reason_class(p->facts.reason) == SC_CLASS_AUTH && !right)
            return p;
    }
    return NULL;
}

/* Nobody asked: what is known from before. */
static void say_auth_unasked(struct sc_doctor *d, const char *kind)
{
    const struct sc_poller *live = refused_live(d);
    SC_AUTO_BUF struct sc_buf history = {0};
    add_history(d, &history);
    bool none = sc_auth_of(d->inst->config)->kind == SC_AUTH_NONE, worked = d->inst->credential->worked;
    if (live)
        sc_doctor_line(d, "authentication", NULL, SC_EXAM_BAD, live->facts.reason, live->facts.advice, "%s: %s", kind, live->facts.detail);
    else
        sc_doctor_line(d, "authentication", NULL, none || worked ? SC_EXAM_OK : SC_EXAM_SKIPPED, SC_REASON_OK, "", "%s%s%s", kind, none ? "" : "; not tried now",
                       sc_buf_str(&history).ptr);
    if (live)
        sc_doctor_note_told(d, NULL, live->facts.detail);
}

void sc_doctor_say_auth(struct sc_doctor *d)
{
    const struct sc_exam *e = &d->exam;
    SC_AUTO_BUF struct sc_buf kind = {0};
    bool right = e->reason == SC_REASON_PERMISSION_DENIED || e->reason == SC_REASON_CONSENT_MISSING;
    bool about = sc_reason_class(e->reason) == SC_CLASS_AUTH && !right && e->reason != SC_REASON_PROXY_AUTH;
    add_kind(d, &kind);
    if (kind.failed || !d->way_is_good || (!e->asked && !about)) {
        say_auth_unasked(d, sc_buf_str(&kind).ptr);
        return;
    }
    if (e->result != SC_EXAM_OK && (about || e->reason == SC_REASON_WRONG_HOST)) {
        sc_doctor_line(d, "authentication", NULL, SC_EXAM_BAD, e->reason, e->advice, "%s: %s", sc_buf_str(&kind).ptr, e->detail);
        sc_doctor_note_told(d, NULL, d->exam.detail);
        return;
    }
    bool none = sc_auth_of(d->inst->config)->kind == SC_AUTH_NONE;
    if (!none)
        add_history(d, &kind);
    if (none || e->result == SC_EXAM_OK || right)
        sc_doctor_line(d, "authentication", NULL, SC_EXAM_OK, SC_REASON_OK, "", "%s%s", sc_buf_str(&kind).ptr, none ? "" : "; the vendor takes it");
    else
        sc_doctor_line(d, "authentication", NULL, SC_EXAM_SKIPPED, e->reason, "", "%s; cannot be told from this answer (%s)", sc_buf_str(&kind).ptr, sc_reason_code(e->reason));
}

/* ---- data types ---------------------------------------------------------------------------------------------------------------------------------- */

static void say_read(struct sc_doctor *d, const struct sc_poller *live, const struct sc_poller *errand)
{
    const struct sc_errand *e = errand->errand;
    const char *permission = live->type->permission;
    char first[SC_TIME_TEXT], last[SC_TIME_TEXT];
    SC_AUTO_BUF struct sc_buf text = {0};
    sc_buf_addf(&text, "%llu %s in %u request%s", (unsigned long long)errand->walk_read, live->type->noun, e->requests, e->requests == 1 ? "" : "s");
    if (e->oldest_ms != SC_TIME_NONE)
        sc_buf_addf(&text, ", of %s to %s", sc_time_rfc3339(e->oldest_ms, first), sc_time_rfc3339(e->newest_ms, last));
    if (live->loaded && errand->walk_read)
        sc_buf_addf(&text, ", %llu of them new", (unsigned long long)e->fresh);
    if (e->letters)
        sc_buf_addf(&text, "; %llu cannot be published", (unsigned long long)e->letters);
    if (d->exam.detail[0])
        sc_buf_addf(&text, "; %s", d->exam.detail);
    if (permission)
        sc_buf_addf(&text, "; the vendor allows it, permission: %s", permission);
    sc_doctor_line(d, "page", live, e->letters ? SC_EXAM_NOTICE : SC_EXAM_OK, e->letters ? SC_REASON_RECORD_INVALID : SC_REASON_OK,
                   e->letters ? sc_reason_row(SC_REASON_RECORD_INVALID)->advice : "", "%s", sc_buf_str(&text).ptr);
}

void sc_doctor_say_page(struct sc_doctor *d, const struct sc_poller *p, const struct sc_poller *errand)
{
    const struct sc_exam *e = &d->exam;
    const struct sc_poller *live = d->inst->pollers[p->index];
    if (e->result == SC_EXAM_OK && e->asked) {
        say_read(d, live, errand);
        return;
    }
    if (e->result == SC_EXAM_OK) {
        sc_doctor_line(d, "page", p, SC_EXAM_SKIPPED, SC_REASON_OK, "", "not asked: %s%s%s", e->detail, p->type->permission ? "; permission needed: " : "",
                       p->type->permission ? p->type->permission : "");
        return;
    }
    sc_doctor_line(d, "page", p, e->result, e->reason, e->result == SC_EXAM_SKIPPED ? "" : e->advice, "%s%s", e->result == SC_EXAM_SKIPPED ? "not asked: " : "", e->detail);
    if (e->result != SC_EXAM_SKIPPED)
        sc_doctor_note_told(d, p, e->detail);
}

static void say_position(struct sc_doctor *d, const struct sc_poller *p)
{
    char words[300], saved[SC_TIME_TEXT], lag[SC_TIME_TEXT];
    SC_AUTO_BUF struct sc_buf text = {0};
    int64_t now = sc_real_ms();
    if (!p->loaded) {
        bool loading = p->phase == SC_LOADING;
        sc_doctor_line(d, "position", p, loading ? SC_EXAM_NOTICE : SC_EXAM_SKIPPED, SC_REASON_OK, "", "%s",
                       loading ? "is being read, with what the stream holds behind it" : "not read, as this data type is not being polled");
        return;
    }
    sc_poller_position_words(p, words, sizeof words);
    sc_buf_add_str(&text, words);
    if (p->covered_ms != SC_TIME_NONE)
        sc_buf_addf(&text, ", %s behind now", sc_duration_text((now > p->covered_ms ? now - p->covered_ms : 0) / 1000 * 1000, lag));
    if (p->saved_at)
        sc_buf_addf(&text, "; saved %s", at_of(now - (p->inst->io->now - p->saved_at), saved));
    if (p->reading_back)
        sc_buf_add_str(&text, "; the stream is being read back");
    sc_buf_addf(&text, "; promise %s", sc_promise_name(sc_poller_promise(p)));
    sc_doctor_line(d, "position", p, SC_EXAM_OK, SC_REASON_OK, "", "%s", sc_buf_str(&text).ptr);
}

static void say_notices(struct sc_doctor *d, const struct sc_poller *p, const struct sc_notices *set)
{
    char since[SC_TIME_TEXT];
    for (const struct sc_notice *n = set->first; n; n = n->next) {
        if (n->reason != SC_REASON_CLOCK_SKEW || d->clock_off_ms == SC_TIME_NONE)
            sc_doctor_line(d, "notice", p, SC_EXAM_NOTICE, n->reason, n->advice, "%s since %s: %s", sc_reason_code(n->reason), at_of(n->since_ms, since), n->detail);
    }
}

/* How much of the sentence stands in an earlier line; 0: nothing. */
static size_t told_before(const struct sc_doctor *d, const struct sc_poller *p, const char *sentence)
{
    const char *const told[] = {d->told[p->index], d->told[d->told_count - 1]};
    for (size_t i = 0; i < 2; i++) {
        size_t len = told[i] ? strlen(told[i]) : 0;
        if (len && strncmp(sentence, told[i], len) == 0)
            return len;
    }
    return 0;
}

static enum sc_exam_result weigh(const struct sc_poller *p)
{
    switch (sc_poller_state(p)) {
    case SC_STATE_ERROR:
        return SC_EXAM_BAD;
    case SC_STATE_RATE_LIMITED:
    case SC_STATE_PAUSED:
        return SC_EXAM_NOTICE;
    case SC_STATE_ACTIVE:
    case SC_STATE_PROCESSING:
    case SC_STATE_WAITING:
    case SC_STATE_COUNT:
        break;
    }
    enum sc_class cls = sc_reason_class(p->facts.reason);
    bool good = p->facts.reason == SC_REASON_OK || p->facts.reason == SC_REASON_STARTING || p->facts.reason == SC_REASON_WAITS_FOR_VENDOR;
    return good || cls == SC_CLASS_OK ? SC_EXAM_OK : SC_EXAM_NOTICE;
}

static void add_times(const struct sc_poller *p, struct sc_buf *out)
{
    char at[SC_TIME_TEXT];
    int64_t left = p->due_ms - p->inst->io->now;
    if (p->facts.last_success)
        sc_buf_addf(out, "; last good poll %s", at_of(p->facts.last_success, at));
    if (p->phase == SC_IDLE)
        sc_buf_addf(out, "; next poll %s", at_of(sc_real_ms() + (left > 0 ? left : 0), at));
}

void sc_doctor_say_live(struct sc_doctor *d, const struct sc_poller *p)
{
    const struct sc_status_facts *f = &p->facts;
    SC_AUTO_BUF struct sc_buf text = {0};
    char since[SC_TIME_TEXT];
    say_position(d, p);
    if (p->inst->io->config.on_request && sc_poller_is_enabled(p)) {
        sc_doctor_line(d, "live", p, SC_EXAM_SKIPPED, SC_REASON_OK, "", "no agent is running: nothing is polled");
        return;
    }
    if (f->reason == SC_REASON_DISABLED && !p->inst->config->enabled) { /* stands at the top */
        sc_doctor_line(d, "live", p, SC_EXAM_SKIPPED, SC_REASON_DISABLED, "", "paused, as the integration is");
        return;
    }
    enum sc_exam_result result = weigh(p);
    size_t told = told_before(d, p, f->detail);
    sc_buf_addf(&text, "%s", sc_poll_state_name(sc_poller_state(p)));
    if (f->reason != SC_REASON_OK && f->reason != SC_REASON_STARTING)
        sc_buf_addf(&text, " since %s, %s", at_of(f->since_real, since), sc_reason_code(f->reason));
    if (told)
        sc_buf_addf(&text, ", as above%s", f->detail + told);
    else if (f->detail[0])
        sc_buf_addf(&text, ": %s", f->detail);
    add_times(p, &text);
    sc_doctor_line(d, "live", p, result, f->reason, result == SC_EXAM_OK || told ? "" : f->advice, "%s", sc_buf_str(&text).ptr);
    say_notices(d, p, &p->notices);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------------------------------------ */

void sc_doctor_say_spent(struct sc_doctor *d)
{
    const struct sc_source *source = d->inst->source;
    int64_t now = d->inst->io->now;
    say_notices(d, NULL, &d->inst->notices);
    for (uint32_t i = 0; i < source->budget_count; i++) {
        const struct sc_budget *b = source->budgets[i];
        SC_AUTO_BUF struct sc_buf text = {0};
        sc_budget_describe(b, now, &text);
        if (b->vendor_left >= 0 && b->vendor_reset > now)
            sc_buf_addf(&text, "; the vendor says that %lld are left", (long long)b->vendor_left);
        sc_doctor_line(d, "budget", NULL, SC_EXAM_OK, SC_REASON_OK, "", "%s", sc_buf_str(&text).ptr);
    }
    unsigned spent = d->requests + d->token_calls;
    if (d->token_calls)
        sc_doctor_line(d, "requests", NULL, SC_EXAM_OK, SC_REASON_OK, "", "%u spent on this, %u of them for a token", spent, d->token_calls);
    else
        sc_doctor_line(d, "requests", NULL, SC_EXAM_OK, SC_REASON_OK, "", "%u spent on this", spent);
}
