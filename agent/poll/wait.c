/* Waits: how long after what, for whom, and what is told of it. io thread of the poller. */
#include "operate/words.h"
#include "poll/answer.h"
#include "poll/errand.h"

#include <stdio.h>

static int64_t jitter(struct sc_io *io, int64_t ms, unsigned percent)
{
    int64_t span = ms * percent / 100;
    return span ? ms - span + (int64_t)(sc_io_random(io) % (uint64_t)(2 * span + 1)) : ms;
}

static int64_t doubled(int64_t first, uint32_t times, int64_t most)
{
    int64_t ms = first;
    while (times-- && ms < most)
        ms *= 2;
    return ms < most ? ms : most;
}

int64_t sc_wait_retry(struct sc_io *io, uint32_t n)
{
    static const int64_t quick[] = {1000, 2000, 4000};
    return n < 3 ? jitter(io, quick[n], 20) : jitter(io, doubled(15000, n - 3, 900000), 20);
}

/* What is due to a vendor that has refused: never less than that. */
static int64_t jitter_up(struct sc_io *io, int64_t ms, unsigned percent)
{
    int64_t span = ms * percent / 100;
    return ms + (int64_t)(sc_io_random(io) % (uint64_t)(span + 1));
}

int64_t sc_wait_throttle(struct sc_io *io, uint32_t n, uint32_t first_s, uint32_t most_s)
{
    int64_t first = first_s ? first_s * 1000ll : 30000, most = most_s ? most_s * 1000ll : 900000;
    return jitter_up(io, doubled(first, n, most > first ? most : first), 20);
}

static int64_t throttle_wait(struct sc_poller *p, int64_t until_real, bool *ret_probe)
{
    uint32_t first_s = 0, most_s = 0;
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && p->request_pools[i]; i++) {
        const struct sc_budget *b = sc_budget_of(p, p->request_pools[i]);
        if (b && b->pool->throttle_s > first_s)
            first_s = b->pool->throttle_s;
        if (b && b->pool->throttle_max_s > most_s)
            most_s = b->pool->throttle_max_s;
    }
    int64_t ms = until_real != SC_TIME_NONE ? until_real - sc_real_ms() : sc_wait_throttle(p->inst->io, p->throttles++, first_s, most_s);
    *ret_probe = ms > 3600000;
    return *ret_probe ? 3600000 : ms < 0 ? 0 : ms;
}

void sc_poller_keep_wait(struct sc_poller *p, const char *pool, int64_t until_real)
{
    char text[SC_TIME_TEXT];
    if (sc_is_dry(p))
        return;
    sc_time_rfc3339(until_real, text);
    if (!p->cp.waits)
        p->cp.waits = json_object();
    const char *kept = json_string_value(json_object_get(p->cp.waits, pool));
    if (!p->cp.waits || (kept && strcmp(kept, text) == 0))
        return;
    json_object_set_new(p->cp.waits, pool, json_string(text));
    p->dirty = true;
    sc_save_want(p);
}

const char *sc_poller_advice(const struct sc_poller *p, enum sc_reason reason, char *room)
{
    bool credential = reason == SC_REASON_AUTH_INVALID || reason == SC_REASON_AUTH_EXPIRED || reason == SC_REASON_OAUTH_INVALID_CLIENT ||
                      reason == SC_REASON_OAUTH_INVALID_GRANT;
    bool right = reason == SC_REASON_PERMISSION_DENIED || reason == SC_REASON_CONSENT_MISSING;
    if (credential)
        return p->inst->config->connector->auth_advice;
    if (!right || !p->type->permission)
        return NULL;
    snprintf(room, 256, "Grant \"%.120s\" at the vendor, where needed by an administrator, and save the integration; the other data types go on.",
             p->type->permission);
    return room;
}

static void hold_pools(struct sc_poller *p, int64_t until, int64_t until_real)
{
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && p->request_pools[i]; i++) {
        struct sc_budget *b = sc_budget_of(p, p->request_pools[i]);
        if (b)
            sc_budget_wait(b, until, until_real);
    }
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && p->request_pools[i]; i++)
        sc_poller_keep_wait(p, p->request_pools[i], until_real);
}

void sc_poller_hold_pools(struct sc_poller *p, int64_t until_real)
{
    hold_pools(p, p->inst->io->now + (until_real - sc_real_ms()), until_real);
}

static int64_t at_least(int64_t ms, int64_t until_real)
{
    int64_t named = until_real != SC_TIME_NONE ? until_real - sc_real_ms() : 0;
    return named > ms ? named : ms;
}

/* A user's password, asked again and again, locks the user. */
bool sc_wait_would_lock(const struct sc_poller *p, enum sc_reason reason)
{
    bool login = reason == SC_REASON_AUTH_INVALID || reason == SC_REASON_AUTH_EXPIRED || reason == SC_REASON_ACCOUNT_SUSPENDED;
    return login && !sc_auth_needs_token(p) && sc_worked_locks(p->inst);
}

static int64_t auth_wait(struct sc_poller *p, enum sc_reason reason, int64_t until_real, struct sc_hold **ret_shared)
{
    const struct sc_credential *c = p->asked_with;
    if (reason == SC_REASON_PERMISSION_DENIED || reason == SC_REASON_CONSENT_MISSING) /* of this data type alone */
        return at_least(900000, until_real);
    bool locks = sc_wait_would_lock(p, reason);
    /* One data type that is refused while others are served with the same credential waits alone. */
    if (c && reason != SC_REASON_PROXY_AUTH && (locks || c->good_by == p || !c->good_by || p->inst->io->now - c->good_at > 60000))
        *ret_shared = &p->asked_with->hold;
    if (locks)
        return SC_NEVER_MS;
    return at_least(reason == SC_REASON_ACCOUNT_SUSPENDED ? 3600000 : 900000, until_real);
}

enum sc_class sc_wait_class(enum sc_class cls, bool lasting, bool open)
{
    if (open && cls == SC_CLASS_CONFIG)
        return SC_CLASS_RETRY;
    return lasting && cls == SC_CLASS_RETRY ? SC_CLASS_CONFIG : cls;
}

static int64_t hold_for(struct sc_poller *p, enum sc_class cls, enum sc_reason reason, int64_t until_real, struct sc_hold **ret_shared)
{
    bool probe;
    switch (cls) {
    case SC_CLASS_THROTTLED:
        return throttle_wait(p, until_real, &probe);
    case SC_CLASS_AUTH:
        return auth_wait(p, reason, until_real, ret_shared);
    case SC_CLASS_CONFIG:
        return at_least(reason == SC_REASON_FEATURE_OFF ? 86400000 : 3600000, until_real);
    case SC_CLASS_LOCAL:
        if (reason == SC_REASON_CLOCK_SKEW) /* it is the vendor that refuses, and may count refusals */
            return doubled(30000, p->attempts++, 900000);
        return 30000;
    case SC_CLASS_BROKER:
        return 30000;
    case SC_CLASS_RETRY:
    case SC_CLASS_DATA:
    case SC_CLASS_NOTICE:
    case SC_CLASS_OK:
        break;
    }
    int64_t wait = sc_wait_retry(p->inst->io, p->attempts++);
    return at_least(p->failing_child ? sc_child_wait(p, wait) : wait, until_real);
}

static bool is_transport(enum sc_reason reason)
{
    return reason >= SC_REASON_DNS_FAILURE && reason <= SC_REASON_PROXY_REFUSED && reason != SC_REASON_CONNECTION_LOST &&
           reason != SC_REASON_READ_TIMEOUT;
}

/* ---- less at a time ------------------------------------------------------------------------------------------------------------------------ */

#define HALVINGS       10u
#define HALVINGS_GUESS 3u /* the vendor does not say that it is the size */
#define LARGE_TRIES    3u /* each may be a gigabyte */

/* It was too much at a time, and the agent may ask for less: true. */
static bool ask_for_less(struct sc_poller *p, enum sc_reason reason)
{
    bool large = reason == SC_REASON_RESPONSE_TOO_LARGE;
    uint32_t most = large || p->too_slow_said ? HALVINGS : HALVINGS_GUESS;
    if (!p->sized || !(large || p->too_slow) || p->page_halvings >= most || (large && p->large_tries >= LARGE_TRIES))
        return false;
    p->page_halvings++;
    p->good_pages = 0;
    p->large_tries += large;
    return true;
}

/* ---- what is told -------------------------------------------------------------------------------------------------------------------------- */

#define OUTAGE_MS 300000

/* It lasts: no hiccup. */
static bool is_outage(const struct sc_poller *p, enum sc_reason reason)
{
    return sc_reason_class(reason) == SC_CLASS_RETRY && reason != SC_REASON_VENDOR_BUSY && !p->failing_child && p->attempts > 1 &&
           sc_real_ms() - p->failing_real >= OUTAGE_MS;
}

/* Of the tightest pool: what this agent had of it. */
static void add_use(struct sc_poller *p, char *line, size_t cap)
{
    const struct sc_budget *tightest = NULL;
    char window[SC_TIME_TEXT];
    size_t used = strlen(line);
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && p->request_pools[i]; i++) {
        const struct sc_budget *b = sc_budget_of(p, p->request_pools[i]);
        bool tighter = b && b->requests && (!tightest || (uint64_t)b->requests * tightest->window_ms < (uint64_t)tightest->requests * b->window_ms);
        tightest = tighter ? b : tightest;
    }
    if (tightest && tightest->per_slot == 1) /* else they are not counted one by one */
        snprintf(line + used, cap - used, ", %u of %u requests in %s were this agent's", sc_budget_sent(tightest, p->inst->io->now), tightest->requests,
                 sc_duration_text(tightest->window_ms, window));
}

void sc_wait_known(const struct sc_poller *p, enum sc_reason reason, char *out, size_t cap)
{
    bool right = reason == SC_REASON_PERMISSION_DENIED || reason == SC_REASON_CONSENT_MISSING || reason == SC_REASON_PROXY_AUTH;
    bool about = (sc_reason_class(reason) == SC_CLASS_AUTH && !right) || reason == SC_REASON_WRONG_HOST || reason == SC_REASON_NOT_FOUND;
    out[0] = '\0';
    if (about && !p->failing_child)
        sc_worked_words(p, reason, out, cap);
}

/* What changes from one time to the next stands behind the time of the next request, so that the log knows the line again. */
static void tell(struct sc_poller *p, enum sc_reason reason, const struct sc_hold *hold, const char *wait_header, const char *detail, const char *advice, bool less)
{
    char line[1200], at[SC_TIME_TEXT], since[SC_TIME_TEXT], known[280] = "", room[256], tries[96] = "";
    sc_wait_known(p, reason, known, sizeof known);
    const char *said = detail && detail[0] ? detail : sc_reason_meaning(reason);
    size_t len = sc_words_open(said);
    int n = snprintf(line, sizeof line, "%.*s%s%s, ", len < 700 ? (int)len : 700, said, known,
                     less ? ": asked again for half as much at a time" : "");
    if (n < 0 || n >= (int)sizeof line)
        n = (int)sizeof line - 1;
    if (is_outage(p, reason))
        snprintf(tries, sizeof tries, ", try %u, it fails since %s%s", p->attempts, sc_time_short(p->failing_real, sc_real_ms(), since),
                 reason == SC_REASON_VENDOR_ERROR ? " on the vendor's side" : "");
    else if (p->attempts > 1)
        snprintf(tries, sizeof tries, ", try %u", p->attempts);
    if (hold->until_real == SC_TIME_NONE)
        snprintf(line + n, sizeof line - (size_t)n, "not asked again before the integration is saved, so that the account is not locked");
    else
        snprintf(line + n, sizeof line - (size_t)n, "next request at %s%s%s%s%s", sc_time_short(hold->until_real, sc_real_ms(), at), wait_header ? " (" : "",
                 wait_header ? wait_header : "", wait_header ? ")" : "", tries);
    sc_answer_add_request_id(p, reason, line, sizeof line);
    if (reason == SC_REASON_RATE_LIMITED || reason == SC_REASON_QUOTA_EXHAUSTED)
        add_use(p, line, sizeof line);
    if (less)
        advice = "Nothing to do: less is asked for by itself, and more again after ten good pages.";
    sc_poller_say(p, reason, hold->until_real, line, advice ? advice : sc_poller_advice(p, reason, room));
}

void sc_poller_fail(struct sc_poller *p, enum sc_reason reason, int64_t until_real, const char *wait_header, const char *detail,
                    const char *advice)
{
    struct sc_io *io = p->inst->io;
    struct sc_hold *shared = NULL;
    if (sc_is_dry(p)) {
        sc_dry_failed(p, reason, until_real, wait_header, detail, advice);
        return;
    }
    if (reason == SC_REASON_AUTH_INVALID && p->asked_with && p->asked_with->worked)
        reason = SC_REASON_AUTH_EXPIRED;
    if (p->attempts == 0)
        p->failing_real = sc_real_ms();
    enum sc_class cls = sc_reason_class(reason);
    bool less = ask_for_less(p, reason), login = sc_wait_would_lock(p, reason) && until_real == SC_TIME_NONE;
    int64_t wait = hold_for(p, p->failing_child || less ? SC_CLASS_RETRY : sc_wait_class(cls, p->lasting, p->open), reason, until_real, &shared);
    if (sc_is_backfill(p)) /* its trouble is its own, but for what the vendor says to all */
        shared = NULL;
    bool never = wait >= SC_NEVER_MS;
    if (cls < sizeof p->counts.failures / sizeof *p->counts.failures)
        p->counts.failures[cls]++;
    if (cls == SC_CLASS_THROTTLED)
        p->counts.throttled_ms += (uint64_t)wait;
    sc_pace_failed(p, reason);
    p->again = 0; /* the wait ends the row */
    p->too_slow = p->too_slow_said = false;
    bool until_put = cls == SC_CLASS_AUTH || cls == SC_CLASS_CONFIG; /* ends with a put, whoever named its time */
    struct sc_hold hold = {.until_ms = io->now + wait, .until_real = never ? SC_TIME_NONE : sc_real_ms() + wait, .reason = reason,
                           .named = until_real != SC_TIME_NONE && !until_put};
    if (cls == SC_CLASS_THROTTLED || hold.named)
        hold_pools(p, hold.until_ms, hold.until_real);
    if (is_transport(reason) && p->attempts > 3 && !p->errand)
        p->inst->source->hold = hold;
    if (shared)
        *shared = hold;
    p->hold = hold;
    bool right = reason == SC_REASON_PERMISSION_DENIED || reason == SC_REASON_CONSENT_MISSING;
    if (cls == SC_CLASS_AUTH && !right && reason != SC_REASON_PROXY_AUTH) /* the vendor has not seen it */
        sc_worked_refused(p, login);
    p->denied_serial = right ? p->asked_serial : 0;
    tell(p, reason, &hold, wait_header, detail, advice && advice[0] ? advice : NULL, less);
    sc_poller_waits(p, hold.until_ms);
    sc_heap_set(&io->heap, &p->timer, hold.until_ms);
}

void sc_poller_waits(struct sc_poller *p, int64_t until)
{
    int64_t now = p->inst->io->now, from = p->waits_until > now ? p->waits_until : now;
    if (until <= from)
        return;
    p->walk_began += until - from;
    p->waits_until = until;
}

void sc_poller_waited(struct sc_poller *p)
{
    int64_t now = p->inst->io->now;
    if (p->waits_until > now)
        p->walk_began -= p->waits_until - now;
    p->waits_until = 0;
}

/* The latest of all that says "not before"; *ret says which. */
int64_t sc_poller_not_before(const struct sc_poller *p, const struct sc_hold **ret)
{
    const struct sc_hold *holds[3] = {&p->hold, &p->inst->source->hold, p->inst->credential ? &p->inst->credential->hold : &p->hold};
    int64_t until = 0;
    for (int i = 0; i < 3; i++) {
        if (holds[i]->until_ms > until) {
            until = holds[i]->until_ms;
            *ret = holds[i];
        }
    }
    return until;
}
