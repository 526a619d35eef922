/* Where a dry walk does otherwise than a live one (errand.h): its waits, its failures, what becomes of its records. io thread of the source. */
#include "operate/words.h"
#include "poll/answer.h"
#include "poll/errand.h"

#include <stdio.h>
#include <stdlib.h>

#define CAREFUL_MS 10000 /* between tries with a credential, or at a host, that the live walks wait for: accounts are locked after a few */

/* ---- not before --------------------------------------------------------------------------------------------------------------------------- */

static int64_t wait_until(struct sc_poller *p, enum sc_reason reason, int64_t until, int64_t until_real, const char *why)
{
    char at[SC_TIME_TEXT], detail[300];
    snprintf(detail, sizeof detail, "%s: asks at %s", why, sc_time_short(until_real, sc_real_ms(), at));
    sc_poller_say(p, reason, until_real, detail, NULL);
    return until;
}

static bool in_force(const struct sc_hold *hold, int64_t now)
{
    return hold->until_ms > now;
}

/* The next try with this credential that nobody is disturbed by. */
static int64_t careful(struct sc_poller *p, const char *why)
{
    struct sc_io *io = p->inst->io;
    struct sc_credential *c = p->inst->credential;
    int64_t until = c->tried_ms && !p->errand->may_try ? c->tried_ms + CAREFUL_MS : 0;
    if (until > io->now)
        return wait_until(p, SC_REASON_BUDGET_WAIT, until, sc_real_ms() + (until - io->now), why);
    c->tried_ms = io->now;
    p->errand->may_try = true; /* also when it has to wait for its budget first */
    return 0;
}

/* Its account would be locked: nobody tries it before the integration is saved. */
static bool login_is_refused(struct sc_poller *p)
{
    const struct sc_credential *c = p->inst->credential;
    char detail[420];
    if (!c->refused_real || !in_force(&c->hold, p->inst->io->now) || sc_auth_needs_token(p) || !sc_worked_locks(p->inst))
        return false;
    sc_worked_refused_words(p, detail, sizeof detail);
    struct sc_news news = {.what = SC_HEARD_FAILED, .reason = c->hold.reason, .until_real = SC_TIME_NONE, .detail = detail};
    char room[256];
    news.advice = sc_poller_advice(p, c->hold.reason, room);
    if (!news.advice)
        news.advice = sc_reason_row(c->hold.reason)->advice;
    sc_errand_end(p, &news);
    return true;
}

int64_t sc_dry_not_before(struct sc_poller *p)
{
    const struct sc_poller *live = p->errand->live;
    int64_t now = p->inst->io->now;
    bool by_vendor = live->hold.named || sc_reason_class(live->hold.reason) == SC_CLASS_THROTTLED;
    if (by_vendor && in_force(&live->hold, now))
        return wait_until(p, live->hold.reason, live->hold.until_ms, live->hold.until_real, "the vendor has said when it may be asked again");
    if (p->errand->requests)
        return 0;
    if (login_is_refused(p))
        return now + 1; /* it is over */
    if (in_force(&live->hold, now) || in_force(&p->inst->source->hold, now) || in_force(&p->inst->credential->hold, now))
        return careful(p, "a try with this credential was made just now, and it is in trouble");
    return 0;
}

/* ---- failures ------------------------------------------------------------------------------------------------------------------------------ */

/* Holds of the live walk stay as they are; what the vendor names is kept by all who use the pool. */
void sc_dry_failed(struct sc_poller *p, enum sc_reason reason, int64_t until_real, const char *wait_header, const char *detail, const char *advice)
{
    char line[1100], at[SC_TIME_TEXT], room[256], known[280];
    bool throttled = sc_reason_class(reason) == SC_CLASS_THROTTLED;
    if (reason == SC_REASON_AUTH_INVALID && p->asked_with && p->asked_with->worked)
        reason = SC_REASON_AUTH_EXPIRED;
    if (throttled && until_real == SC_TIME_NONE)
        until_real = sc_real_ms() + sc_wait_throttle(p->inst->io, 0, 0, 0);
    bool named = until_real != SC_TIME_NONE && (throttled || sc_reason_class(reason) == SC_CLASS_RETRY);
    if (named)
        sc_poller_hold_pools(p, until_real);
    const char *said = detail && detail[0] ? detail : sc_reason_meaning(reason);
    size_t len = sc_words_open(said);
    if (sc_wait_would_lock(p, reason) && p->errand->requests) { /* the live walks do not try it either */
        struct sc_credential *c = p->inst->credential;
        c->refused_real = c->refused_real ? c->refused_real : sc_real_ms();
        c->hold = (struct sc_hold){.until_ms = p->inst->io->now + SC_NEVER_MS, .until_real = SC_TIME_NONE, .reason = reason};
    }
    sc_wait_known(p, reason, known, sizeof known);
    snprintf(line, sizeof line, "%.*s%s%s%s%s%s%s", len < 700 ? (int)len : 700, said, known, named ? ", may be asked again at " : "",
             named ? sc_time_short(until_real, sc_real_ms(), at) : "", wait_header ? " (" : "", wait_header ? wait_header : "", wait_header ? ")" : "");
    sc_answer_add_request_id(p, reason, line, sizeof line);
    if (!advice || !advice[0])
        advice = sc_poller_advice(p, reason, room);
    if (!advice || !advice[0])
        advice = sc_reason_row(reason)->advice;
    struct sc_news news = {.what = SC_HEARD_FAILED, .reason = reason, .until_real = named ? until_real : SC_TIME_NONE, .detail = line, .advice = advice};
    SC_TRACE(p, "decision", NULL, "a dry run ends at its first failure: %s", line);
    sc_errand_end(p, &news);
}

bool sc_dry_kept_by_token(struct sc_poller *p, const struct sc_token *t, bool login_refused)
{
    struct sc_io *io = p->inst->io;
    bool by_vendor = t->hold.named || sc_reason_class(t->hold.reason) == SC_CLASS_THROTTLED;
    if (login_refused) {
        char detail[760];
        snprintf(detail, sizeof detail, "%s; a dry run does not try it either", t->detail);
        sc_dry_failed(p, t->hold.reason, SC_TIME_NONE, NULL, detail, t->advice);
        return true;
    }
    int64_t until = by_vendor ? wait_until(p, t->hold.reason, t->hold.until_ms, t->hold.until_real, "the vendor has said when a token may be asked for again")
                              : careful(p, "a token was asked for just now with this credential, and it is in trouble");
    if (until > io->now)
        sc_heap_set(&io->heap, &p->timer, until);
    return until > io->now;
}

/* All dry walks that wait for it: none of them asks again. */
void sc_dry_token_failed(struct sc_token *t, enum sc_reason reason, int64_t until_real, const char *detail, const char *advice)
{
    for (struct sc_instance *i = t->io->instances; i; i = i->next) {
        for (struct sc_poller *p = i->credential == t->credential ? i->errands : NULL; p; p = p->errand->next) {
            if (p->errand->kind == SC_ERRAND_DRY && !p->errand->over && p->asked_token == t && !p->transfer)
                sc_dry_failed(p, reason, until_real, NULL, detail, advice);
        }
    }
}

void sc_dry_would_make(struct sc_poller *p, const struct sc_request *rq)
{
    char url[300], detail[460];
    SC_AUTO_BUF struct sc_buf whole = {0};
    if (sc_url_join(p->inst->config->base_url, rq->url, &whole) == 0)
        sc_redact_url(whole.ptr, url, sizeof url);
    else
        snprintf(url, sizeof url, "?");
    snprintf(detail, sizeof detail, "the next request, %s %s, makes something at the vendor (a job, an export, a subscription): a dry run stops here",
             sc_method_name(rq->method), url);
    SC_TRACE(p, "decision", NULL, "%s", detail);
    struct sc_news news = {.what = SC_HEARD_ENDED, .until_real = SC_TIME_NONE, .detail = detail, .advice = ""};
    sc_errand_end(p, &news);
}

/* ---- records ------------------------------------------------------------------------------------------------------------------------------- */

bool sc_dry_take_batch(struct sc_poller *p, uint32_t need)
{
    struct sc_errand *e = p->errand;
    uint32_t want = need > SC_BATCH_BYTES ? need : SC_BATCH_BYTES;
    if (!e->batch && !(e->batch = calloc(1, sizeof *e->batch)))
        return false;
    if (e->batch_cap < want) {
        char *bytes = realloc(e->batch->bytes, want);
        if (!bytes)
            return false;
        e->batch->bytes = bytes;
        e->batch_cap = want;
    }
    *e->batch = (struct sc_batch){.bytes = e->batch->bytes, .cap = e->batch_cap, .owner = p, .generation = p->generation, .stamp = &p->stamp};
    p->batch = e->batch;
    return true;
}

/* As if everything in it were acknowledged: it would have been published. */
void sc_dry_give_batch(struct sc_poller *p)
{
    struct sc_batch *batch = p->batch;
    p->batch = NULL;
    for (uint32_t i = 0; i < batch->count; i++)
        sc_seen_stored(&p->seen, batch->records[i].collate, 0, batch->records[i].time_ms);
    p->walk_published += batch->count;
}

const struct sc_seen *sc_dry_seen(const struct sc_poller *p, const struct sc_seen *own)
{
    return p->errand->live->loaded ? &p->errand->live->seen : own;
}

const struct sc_seen *sc_dry_whole(const struct sc_poller *p, const struct sc_seen *own)
{
    return p->errand->live->loaded ? &p->errand->live->whole : own;
}

/* The document's map, looked at and not touched: states of one id under "#n" are told apart only as far as they stand there. */
static bool map_holds(const struct sc_poller *p, const struct sc_record_name *name, struct sc_record_id *id)
{
    const struct sc_map *map = &p->errand->live->map;
    char own[SC_RECIPE_ID_MAX + 16];
    size_t len = sc_recipe_id(name->parts, name->count, own);
    sc_content_hash(p->batch->bytes + p->record_at, p->batch->used - p->record_at, id->content);
    id->len = (size_t)snprintf(id->text, sizeof id->text, "%.*s", (int)len, own);
    id->fingerprint = sc_siphash(p->fingerprint_key, own, len);
    for (unsigned twin = 1; p->errand->live->loaded && twin < 64; twin++) {
        size_t n = len + (twin > 1 ? (size_t)snprintf(own + len, sizeof own - len, "#%u", twin) : 0);
        uint64_t fingerprint = sc_siphash(p->fingerprint_key, own, n);
        if (!sc_map_has(map, fingerprint))
            break;
        if (sc_map_holds(map, fingerprint, id->content))
            return true;
    }
    return false;
}

bool sc_dry_is_new(struct sc_poller *p, const struct sc_record_name *name, struct sc_record_id *id)
{
    struct sc_str bytes = {p->batch->bytes + p->record_at, p->batch->used - p->record_at};
    bool known;
    id->known = SC_SEEN_NONE;
    if (p->type->shape == SC_SHAPE_SNAPSHOT) {
        known = p->scan_only || p->older || map_holds(p, name, id);
    } else {
        if (!sc_record_identify(p, name, bytes, id))
            return false;
        id->fingerprint = sc_siphash(p->fingerprint_key, id->text, id->len);
        known = sc_seen_find(&p->seen, id->fingerprint) != SC_SEEN_NONE || sc_seen_find(sc_dry_seen(p, &p->seen), id->fingerprint) != SC_SEEN_NONE;
    }
    return !known;
}

void sc_dry_record(struct sc_poller *p, int64_t time_ms, bool fresh)
{
    struct sc_errand *e = p->errand;
    e->fresh += fresh;
    e->known += !fresh;
    if (time_ms == SC_TIME_NONE)
        return;
    if (e->oldest_ms == SC_TIME_NONE || time_ms < e->oldest_ms)
        e->oldest_ms = time_ms;
    if (e->newest_ms == SC_TIME_NONE || time_ms > e->newest_ms)
        e->newest_ms = time_ms;
}
