/* Since when and until when the vendor took a credential: tells one that never worked from one that has come to its end, over restarts too. Kept in
 * the checkpoint under the revision of the integration, never with a trace of the credential: a value that was saved while no agent looked may
 * hold another one, so what was seen before counts for the very same revision alone. io thread of the poller. */
#include "poll/errand.h"

#include <stdio.h>

#define KEEP_MS 3600000 /* how old the time of the last good answer may be in the bucket */

bool sc_worked_locks(const struct sc_instance *inst)
{
    const struct sc_auth *auth = sc_auth_of(inst->config);
    return auth->kind == SC_AUTH_LOGIN || (auth->kind == SC_AUTH_BASIC && !auth->password_is_key);
}

/* While records are on their way it is saved with them, at the walk's end at the latest: a walk's own saves are timed by what is acknowledged. */
static void keep(struct sc_poller *p)
{
    const struct sc_credential *c = p->inst->credential;
    if (!p->loaded || sc_is_dry(p))
        return;
    p->cp.worked = (struct sc_worked){p->inst->config->rev, c->since_real, c->until_real, c->refused_real};
    p->dirty = true;
    if (!p->page && p->page_count == 0)
        sc_save_want(p);
}

void sc_worked_loaded(struct sc_poller *p)
{
    struct sc_credential *c = p->inst->credential;
    const struct sc_worked *kept = &p->cp.worked;
    if (kept->rev != p->inst->config->rev)
        return;
    if (kept->since_ms) {
        c->worked = true;
        c->since_real = !c->since_real || kept->since_ms < c->since_real ? kept->since_ms : c->since_real;
        c->until_real = kept->until_ms > c->until_real ? kept->until_ms : c->until_real;
    }
    if (!kept->refused_ms || !sc_worked_locks(p->inst) || c->tokens || c->good_by)
        return;
    c->refused_real = kept->refused_ms;
    c->hold = (struct sc_hold){.until_ms = p->inst->io->now + SC_NEVER_MS, .until_real = SC_TIME_NONE,
                               .reason = c->worked ? SC_REASON_AUTH_EXPIRED : SC_REASON_AUTH_INVALID};
}

void sc_worked_good(struct sc_poller *p)
{
    struct sc_credential *c = p->asked_with;
    int64_t now = sc_real_ms();
    c->worked = true;
    c->refused_real = 0;
    c->until_real = now;
    if (!c->since_real || c->since_real > now)
        c->since_real = now;
    if (c != p->inst->credential)
        return;
    const struct sc_worked *kept = &p->cp.worked;
    if (kept->rev != p->inst->config->rev || !kept->since_ms || kept->refused_ms || now - kept->until_ms > KEEP_MS || now < kept->until_ms)
        keep(p);
}

void sc_worked_refused(struct sc_poller *p, bool login)
{
    struct sc_credential *c = p->inst->credential;
    const struct sc_worked *kept = &p->cp.worked;
    if (login && !c->refused_real)
        c->refused_real = sc_real_ms();
    bool same = kept->rev == p->inst->config->rev;
    if ((c->until_real && (!same || kept->until_ms != c->until_real)) || (c->refused_real && (!same || kept->refused_ms != c->refused_real)))
        keep(p);
}

void sc_worked_fill(struct sc_poller *p)
{
    const struct sc_credential *c = p->inst->credential;
    if (p->cp.worked.rev == p->inst->config->rev && c->since_real)
        p->cp.worked = (struct sc_worked){p->cp.worked.rev, c->since_real, c->until_real, c->refused_real};
}

void sc_worked_put(struct sc_poller *p, uint64_t old_rev, bool same_credential)
{
    p->inst->credential->refused_real = 0;
    p->refused_at = 0;
    if (same_credential && p->cp.worked.rev == old_rev && p->loaded)
        keep(p);
}

void sc_worked_refused_words(const struct sc_poller *p, char *out, size_t cap)
{
    const struct sc_credential *c = p->inst->credential;
    char at[SC_TIME_TEXT], worked[240];
    sc_worked_words(p, c->hold.reason, worked, sizeof worked);
    snprintf(out, cap, "the login was refused at %s and is not tried again before the integration is saved, so that the account is not locked%s",
             sc_time_short(c->refused_real, sc_real_ms(), at), worked);
}

void sc_worked_tell_refused(struct sc_poller *p)
{
    const struct sc_credential *c = p->inst->credential;
    char room[256], detail[420];
    sc_worked_refused_words(p, detail, sizeof detail);
    sc_poller_say(p, c->hold.reason, SC_TIME_NONE, detail, sc_poller_advice(p, c->hold.reason, room));
}

void sc_worked_words(const struct sc_poller *p, enum sc_reason reason, char *out, size_t cap)
{
    const struct sc_credential *c = p->inst->credential;
    char until[SC_TIME_TEXT], span[SC_TIME_TEXT];
    int64_t now = sc_real_ms();
    out[0] = '\0';
    if (c->since_real) {
        bool brief = c->until_real - c->since_real < 60000;
        snprintf(out, cap, "; the credential had worked%s%s%s until %s and was not changed here", brief ? "" : " for ",
                 brief ? "" : sc_duration_text(c->until_real - c->since_real, span), brief ? "" : ",", sc_time_short(c->until_real, now, until));
    } else if (reason == SC_REASON_AUTH_INVALID || reason == SC_REASON_OAUTH_INVALID_CLIENT || reason == SC_REASON_OAUTH_INVALID_GRANT) {
        const struct sc_worked *before = &p->cp.worked; /* of an older revision */
        bool other = before->since_ms && before->rev != p->inst->config->rev;
        snprintf(out, cap, "; the credential has not worked yet (revision %llu)%s%s", (unsigned long long)p->inst->config->rev,
                 other ? ", the one before it did until " : "", other ? sc_time_short(before->until_ms, now, until) : "");
    }
}
