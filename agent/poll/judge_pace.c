/* How fast a data type gets on, judged: it falls behind, or the vendor's limit is under what it needs. io thread. */
#include "poll/poller.h"

#include <stdio.h>

#define IN_A_ROW       3
#define LONG_MS        1800000 /* a poll that goes on for so long is worth a word */
#define PLACE_MS       60000
#define SHORT_MS       10000   /* a poll that takes no longer is not slow, whatever its interval */
#define LAG_LEAST_MS   900000
#define SLOW_LOOKUP_MS 2000
#define LOOKUPS_LEAST  5
#define FULL_HOUR_MS   3000000 /* that much of the last hour is known */
#define SOME_REQUESTS  10
#define NO_LIMIT       36000000 /* requests an hour: a pool that large is none */

/* ---- it falls behind ------------------------------------------------------------------------------------------------------------------------ */

struct words {
    char detail[420], advice[300];
};

static void seconds_text(uint64_t ms, char room[SC_CLOCK_TEXT])
{
    if (ms >= 60000)
        sc_duration_text((int64_t)ms / 1000 * 1000, room);
    else if (ms < 1000)
        snprintf(room, SC_CLOCK_TEXT, "%llu ms", (unsigned long long)ms);
    else
        snprintf(room, SC_CLOCK_TEXT, "%llu.%llu s", (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000 / 100));
}

/* ", 62 % of it waiting for the vendor's first byte, 1.9 s a request" */
static enum sc_spent add_most(const struct sc_poll_times *times, char *out, size_t cap)
{
    unsigned percent = 0;
    char each[SC_CLOCK_TEXT];
    enum sc_spent most = sc_times_most(times, &percent);
    int n = 0;
    if (most != SC_SPENT_KINDS)
        n = snprintf(out, cap, ", %u %% of it %s", percent, sc_spent_words(most));
    if (most <= SC_SPENT_TRANSFER && times->requests && n > 0 && (size_t)n < cap) {
        seconds_text(times->ms[most] / times->requests, each);
        snprintf(out + n, cap - (size_t)n, ", %s a request", each);
    }
    return most;
}

/* Longer without a byte than a reply may be; it is about to be ended. */
static bool is_stalled(const struct sc_poller *p)
{
    const struct sc_settings *s = p->inst->io->config.settings;
    bool begun = p->pace.byte_ms > p->asked_ms;
    int64_t quiet = p->inst->io->now - (begun ? p->pace.byte_ms : p->asked_ms);
    return p->transfer && !p->paused && quiet > (begun ? s->http_stall_timeout_s : s->http_first_byte_timeout_s) * 1000;
}

/* A poll that has gone on for half an hour: is it working, and how long will it be? */
static bool is_long(const struct sc_poller *p, struct words *w)
{
    int64_t now = p->inst->io->now, taken = now - p->walk_began, left = 0;
    char pages[SC_CLOCK_TEXT], records[SC_CLOCK_TEXT], clock[SC_CLOCK_TEXT], left_text[SC_TIME_TEXT], since[SC_TIME_TEXT], ago[SC_TIME_TEXT] = "none yet";
    if (p->phase != SC_WALKING || p->facts.reason != SC_REASON_OK || taken < LONG_MS)
        return false;
    if (p->pace.byte_ms)
        sc_duration_text(now - p->pace.byte_ms, ago);
    unsigned percent = sc_pace_percent(p, &left);
    const char *doing = p->paused ? "waits for NATS" : is_stalled(p) ? "stalled: given up and asked again by itself" : p->pace.waits_since ? sc_spent_words(p->pace.waits_for) : "working";
    struct sc_poll_times times = p->pace.now;
    times.total_ms = (uint64_t)taken;
    int n = snprintf(w->detail, sizeof w->detail, "polling since %.19sZ (%s): page %s, %s %s, last byte %s%s, %s", sc_time_rfc3339(p->pace.began_real, since),
                     sc_clock_text(taken, clock), sc_count_text(p->walk_page + 1, pages), sc_count_text(p->walk_read, records), p->type->noun, ago,
                     p->pace.byte_ms ? " ago" : "", doing);
    if (percent && n > 0 && (size_t)n < sizeof w->detail)
        n += snprintf(w->detail + n, sizeof w->detail - (size_t)n, "; %u %% done%s%s%s", percent, left ? ", about " : "",
                      left ? sc_duration_text(left, left_text) : "", left ? " left" : "");
    enum sc_spent most = SC_SPENT_KINDS;
    if (n > 0 && (size_t)n < sizeof w->detail)
        most = add_most(&times, w->detail + n, sizeof w->detail - (size_t)n);
    snprintf(w->advice, sizeof w->advice, "Stopping loses nothing, it resumes where it is.%s%s", most == SC_SPENT_KINDS ? "" : " ",
             most == SC_SPENT_KINDS ? "" : sc_spent_advice(most));
    return true;
}

static bool waits_for_place(const struct sc_poller *p, struct words *w)
{
    const struct sc_settings *s = p->inst->io->config.settings;
    int64_t due = p->pace.due_since, waited = sc_real_ms() - due;
    char since[SC_TIME_TEXT];
    if (!due || p->phase != SC_IDLE || waited < PLACE_MS)
        return false;
    snprintf(w->detail, sizeof w->detail, "due since %.19sZ, waits: %u poll%s under way on this one of %u io threads, which is as many as may be",
             sc_time_rfc3339(due, since), p->inst->io->walking, p->inst->io->walking == 1 ? " is" : "s are", p->inst->io->config.threads);
    snprintf(w->advice, sizeof w->advice, "Raise poll.max_concurrent (now %lld), or lengthen intervals.", (long long)s->poll_max_concurrent);
    return true;
}

static bool overruns(const struct sc_poller *p, struct words *w)
{
    const struct sc_poll_times *last = &p->pace.last;
    char clock[SC_CLOCK_TEXT], interval[SC_CLOCK_TEXT];
    if (p->pace.overruns < IN_A_ROW)
        return false;
    int n = snprintf(w->detail, sizeof w->detail, "the last %u polls took longer than their interval: the newest %s of %s", p->pace.overruns,
                     sc_clock_text((int64_t)last->total_ms, clock), sc_clock_text(p->inst->config->types[p->index].interval_ms, interval));
    enum sc_spent most = add_most(last, w->detail + n, sizeof w->detail - (size_t)n);
    n = (int)strlen(w->detail);
    if (most == SC_SPENT_FIRST_BYTE) {
        const struct sc_samples *s = &p->inst->source->first_bytes;
        seconds_text(sc_samples_percentile(s, 50), clock);
        seconds_text(sc_samples_percentile(s, 95), interval);
        snprintf(w->detail + n, sizeof w->detail - (size_t)n, " (p50 %s, p95 %s)", clock, interval);
    }
    snprintf(w->advice, sizeof w->advice, "%s", sc_spent_advice(most));
    return true;
}

static bool lags(const struct sc_poller *p, struct words *w)
{
    char lag[SC_TIME_TEXT];
    if (p->pace.lagging < IN_A_ROW)
        return false;
    bool late = (int64_t)p->pace.last.total_ms < p->inst->config->types[p->index].interval_ms;
    snprintf(w->detail, sizeof w->detail, "%s behind, and further with each of the last %u polls%s", sc_duration_text(p->pace.lag_ms, lag), p->pace.lagging,
             late ? ", which read everything there was: the vendor gives it out that late" : "");
    snprintf(w->advice, sizeof w->advice, "%s",
             late ? "Ask the vendor why records come late; here nothing waits." : sc_spent_advice(sc_times_most(&p->pace.last, &(unsigned){0})));
    return true;
}

static bool names_are_slow(const struct sc_poller *p, struct words *w)
{
    const struct sc_samples *s = &p->inst->source->lookups;
    char p95[SC_CLOCK_TEXT];
    uint32_t slow = sc_samples_percentile(s, 95);
    if (s->count < LOOKUPS_LEAST || slow < SLOW_LOOKUP_MS)
        return false;
    if (sc_notice_find(&p->inst->notices, SC_REASON_FALLING_BEHIND)) /* told for the whole integration, with what each nameserver says (around.c) */
        return false;
    seconds_text(slow, p95);
    snprintf(w->detail, sizeof w->detail, "names take %s (p95 of the last %u lookups)", p95, s->count);
    snprintf(w->advice, sizeof w->advice, "%s", sc_spent_advice(SC_SPENT_DNS));
    return true;
}

static void judge_behind(struct sc_poller *p)
{
    struct words w = {"", ""};
    if (is_long(p, &w) || waits_for_place(p, &w) || overruns(p, &w) || lags(p, &w) || names_are_slow(p, &w))
        sc_notice_set(&p->notices, SC_REASON_FALLING_BEHIND, w.detail, w.advice, sc_real_ms());
    else
        sc_notice_clear(&p->notices, SC_REASON_FALLING_BEHIND);
}

/* What the walk was in itself, for judge_behind(). Lag grows with the age of the newest record where none comes: only walks that brought some count. */
static void note_walk(struct sc_poller *p)
{
    struct sc_pace *pace = &p->pace;
    int64_t interval = p->inst->config->types[p->index].interval_ms;
    bool over = (int64_t)pace->last.total_ms > interval && pace->last.total_ms > SHORT_MS;
    pace->overruns = over ? pace->overruns + 1 : 0;
    if (!p->walk_published || p->covered_ms == SC_TIME_NONE || p->type->shape != SC_SHAPE_LOG)
        return;
    int64_t lag = sc_real_ms() - p->covered_ms;
    bool far = lag > 2 * interval + (int64_t)p->type->lag_s * 1000 && lag > LAG_LEAST_MS;
    pace->lagging = far && pace->lag_ms && lag > pace->lag_ms + interval / 20 ? pace->lagging + 1 : 0;
    pace->lag_ms = lag;
}

/* ---- the vendor's limit is under the need ------------------------------------------------------------------------------------------------- */

/* The tightest of the pools that its last request took from; NULL: none has a limit. */
static struct sc_budget *tightest(struct sc_poller *p)
{
    struct sc_budget *least = NULL;
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && p->request_pools[i]; i++) {
        struct sc_budget *b = sc_budget_of(p, p->request_pools[i]);
        bool limit = b && b->requests && sc_budget_hourly(b) < NO_LIMIT;
        if (limit && (!least || sc_budget_hourly(b) < sc_budget_hourly(least)))
            least = b;
    }
    return least;
}

static bool takes_from(struct sc_poller *p, const struct sc_budget *b)
{
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS && p->request_pools[i]; i++) {
        if (sc_budget_of(p, p->request_pools[i]) == b)
            return true;
    }
    return false;
}

/* Requests an hour at the present intervals, of all that take from the pool: as many as their last polls took, or the present one so far. */
static uint64_t needed_hourly(const struct sc_poller *like, const struct sc_budget *b)
{
    uint64_t need = 0;
    for (struct sc_instance *i = like->inst->io->instances; i; i = i->next) {
        for (unsigned k = 0; i->source == like->inst->source && k < i->poller_count; k++) {
            struct sc_poller *p = i->pollers[k];
            uint64_t each = p->pace.last.requests > p->pace.now.requests ? p->pace.last.requests : p->pace.now.requests;
            if (sc_poller_should_run(p) && (!b || takes_from(p, b)))
                need += each * 3600000 / (uint64_t)i->config->types[k].interval_ms;
        }
    }
    return need;
}

/* The next round number of minutes from which on the need fits. */
static unsigned fitting_minutes(int64_t interval_ms, uint64_t need, uint64_t allowed)
{
    static const unsigned round[] = {1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 720, 1440};
    uint64_t ms = (uint64_t)interval_ms * need / (allowed ? allowed : 1);
    for (size_t i = 0; i < sizeof round / sizeof *round; i++) {
        if ((uint64_t)round[i] * 60000 >= ms)
            return round[i];
    }
    return 0;
}

static void quota_advice(const struct sc_poller *p, uint64_t need, uint64_t allowed, bool is_limit, char *out, size_t cap)
{
    int64_t interval = p->inst->config->types[p->index].interval_ms;
    const char *vendor = p->inst->config->connector->title;
    char need_text[SC_CLOCK_TEXT], allowed_text[SC_CLOCK_TEXT];
    unsigned minutes = fitting_minutes(interval, need, allowed);
    sc_count_text(need, need_text);
    sc_count_text(allowed, allowed_text);
    if (!allowed || !need || (!is_limit && need <= allowed))
        snprintf(out, cap, "Lengthen poll_interval_minutes, or ask %s for a higher limit.", vendor);
    else if (need <= allowed)
        snprintf(out, cap, "This agent needs about %s requests an hour of %s: other programs use up the limit of %s; give this agent credentials of its own, or have them ask less.",
                 need_text, allowed_text, vendor);
    else if (minutes)
        snprintf(out, cap, "Set poll_interval_minutes to %u, or ask %s for %s requests an hour (allowed are %s).", minutes, vendor, need_text, allowed_text);
    else
        snprintf(out, cap, "Ask %s for %s requests an hour (allowed are %s): no interval up to a day fits.", vendor, need_text, allowed_text);
}

static void tell_quota(struct sc_poller *p, const struct sc_meter_sum *hour)
{
    struct sc_meter_sum day = sc_meter_day(&p->pace.meter, p->inst->io->now);
    struct sc_budget *b = tightest(p);
    struct sc_buf detail SC_AUTO_BUF = {0};
    char advice[400], n[SC_CLOCK_TEXT], m[SC_CLOCK_TEXT], each[SC_TIME_TEXT];
    uint64_t allowed = b ? sc_budget_hourly(b) : hour->requests - (hour->throttles < hour->requests ? hour->throttles : hour->requests);
    uint64_t need = needed_hourly(p, b);
    if (hour->span_ms)
        sc_buf_addf(&detail, "%llu %% of the last hour was waiting for the vendor's limit", (unsigned long long)(hour->waited_ms * 100 / (uint64_t)hour->span_ms));
    if (b) {
        sc_buf_addf(&detail, " of %u ", b->requests);
        sc_budget_window(b, &detail);
    }
    sc_buf_addf(&detail, "; %s of %s requests were throttled in the last 24 h", sc_count_text(day.throttles, n), sc_count_text(day.requests, m));
    if (need)
        sc_buf_addf(&detail, "; polling every %s needs about %s an hour", sc_duration_text(p->inst->config->types[p->index].interval_ms, each),
                    sc_count_text(need, n));
    quota_advice(p, need, allowed, b != NULL, advice, sizeof advice);
    sc_notice_set(&p->notices, SC_REASON_QUOTA_EXHAUSTED, sc_buf_str(&detail).ptr, advice, sc_real_ms());
}

/* Over an hour: one request in twenty is throttled, or half of the time is waiting. It is over when both are half as bad. */
static void judge_quota(struct sc_poller *p)
{
    struct sc_meter_sum hour = sc_meter_hour(&p->pace.meter, p->inst->io->now);
    uint64_t span = hour.span_ms > 0 ? (uint64_t)hour.span_ms : 1;
    bool known = hour.span_ms >= FULL_HOUR_MS, told = sc_notice_find(&p->notices, SC_REASON_QUOTA_EXHAUSTED) != NULL;
    bool throttled = hour.requests >= SOME_REQUESTS && hour.throttles * (told ? 40 : 20) > hour.requests;
    bool waiting = hour.waited_ms * (told ? 4 : 2) > span;
    if (known && (throttled || waiting))
        tell_quota(p, &hour);
    else if (told)
        sc_notice_clear(&p->notices, SC_REASON_QUOTA_EXHAUSTED);
}

void sc_judge_pace(struct sc_poller *p, bool walk_ended)
{
    if (walk_ended)
        note_walk(p);
    judge_behind(p);
    judge_quota(p);
}
