/* What follows from what is known, and goes into notices (notice.h): who reads the same, what has fallen silent, whose last good poll is long ago,
 * which records are odd. How fast it gets on is judge_pace.c. io thread. */
#include "poll/poller.h"

#include <stdio.h>

#define AWAY_MS    600000  /* polls further apart than two intervals and this: nobody watched */
#define OVERDUE_MS 3600000

/* ---- telling ------------------------------------------------------------------------------------------------------------------------ */

/* known: the code has been told already, as what holds it up; the notice only adds for how long. */
static void say(struct sc_log_cx *cx, const struct sc_notice *n, enum sc_notice_event event, bool known)
{
    char lasted[SC_TIME_TEXT];
    uint64_t times;
    cx->reason = n->reason;
    cx->beside = true;
    const char *code = sc_reason_code(n->reason);
    if (event == SC_NOTICE_BEGINS)
        SC_LOG(known ? SC_INFO : sc_reason_row(n->reason)->level, cx, NULL, "%s: %s%s%s", code, n->detail, n->advice[0] ? "; " : "", n->advice);
    else if (event == SC_NOTICE_ENDS && sc_log_over(cx, &times)) /* where its beginning was only counted, so is its end */
        SC_LOG_EACH(SC_INFO, cx, NULL, "%s is over, after %s", code, sc_duration_text(sc_real_ms() - n->since_ms, lasted));
}

void sc_judge_told(void *poller, const struct sc_notice *notice, enum sc_notice_event event)
{
    const struct sc_poller *p = poller;
    struct sc_log_cx cx = sc_poller_cx(p);
    say(&cx, notice, event, p->facts.reason == notice->reason);
    sc_status_touch(p->inst, event != SC_NOTICE_CHANGES);
}

void sc_judge_told_instance(void *instance, const struct sc_notice *notice, enum sc_notice_event event)
{
    struct sc_instance *inst = instance;
    struct sc_log_cx cx = {inst->config->connector->name, inst->config->name, NULL};
    say(&cx, notice, event, false);
    sc_status_touch(inst, event != SC_NOTICE_CHANGES);
}

/* ---- two integrations that read the same: each record is published twice --------------------------------------------------------------- */

static bool reads(const struct sc_instance *inst, const struct sc_instance *like, unsigned type)
{
    const struct sc_integration *c = inst->config;
    return inst->source == like->source && !inst->retired && c->connector == like->config->connector && c->enabled && c->types[type].enabled;
}

/* Its key without the connector's name, which everybody sees already. */
static void account_of(const struct sc_integration *config, char *out, size_t cap)
{
    const char *bar = strchr(config->source, '|');
    snprintf(out, cap, "%s", bar && bar[1] ? bar + 1 : config->source);
    for (char *c = out; *c; c++)
        *c = *c == '|' ? ' ' : *c;
}

static void tell_double(struct sc_poller *p, const char *other)
{
    char detail[600], account[300];
    if (!other) {
        sc_notice_clear(&p->notices, SC_REASON_DUPLICATE_INTEGRATION);
        return;
    }
    account_of(p->inst->config, account, sizeof account);
    snprintf(detail, sizeof detail, "%.100s and %.100s both read %s of %s: each record is published twice", p->inst->config->name, other, p->type->name, account);
    sc_notice_set(&p->notices, SC_REASON_DUPLICATE_INTEGRATION, detail, NULL, sc_real_ms());
}

static void judge_doubles(const struct sc_instance *like, unsigned type)
{
    struct sc_instance *all = like->io->instances;
    const char *readers[2] = {NULL, NULL}; /* any two of them: each is told of one that is not itself */
    for (const struct sc_instance *i = all; i && !readers[1]; i = i->next) {
        if (reads(i, like, type))
            readers[readers[0] != NULL] = i->config->name;
    }
    for (struct sc_instance *i = all; i; i = i->next) {
        if (i->source != like->source || i->retired || i->config->connector != like->config->connector)
            continue;
        bool alone = !readers[1] || !reads(i, like, type);
        tell_double(i->pollers[type], alone ? NULL : readers[readers[0] == i->config->name]);
    }
}

void sc_judge_doubles(const struct sc_instance *inst)
{
    for (unsigned i = 0; i < inst->poller_count; i++)
        judge_doubles(inst, i);
}

/* ---- nothing comes ------------------------------------------------------------------------------------------------------------------------ */

/* To two digits: nobody knows it better. */
static uint64_t about(uint64_t n)
{
    uint64_t step = 1;
    while (n / step >= 100)
        step *= 10;
    return (n + step / 2) / step * step;
}

static void rate_words(uint64_t milli, char *out, size_t cap)
{
    char n[SC_CLOCK_TEXT];
    const char *span = milli >= 1000 ? "an hour" : milli * 24 >= 1000 ? "a day" : "a week";
    unsigned hours = milli >= 1000 ? 1 : milli * 24 >= 1000 ? 24 : 168;
    snprintf(out, cap, "about %s %s", sc_count_text(about((milli * hours + 500) / 1000), n), span);
}

/* After a good poll alone: its answer covers whatever time has passed since something came. */
static void judge_silent(struct sc_poller *p)
{
    const struct sc_habit *h = &p->cp.habit;
    int64_t now = sc_real_ms(), patience = sc_habit_patience_ms(h), quiet = now - h->last_ms;
    char detail[400], advice[300], rate[80], for_text[SC_TIME_TEXT], longest[SC_TIME_TEXT], since[SC_TIME_TEXT];
    if (!patience || quiet <= patience) {
        sc_notice_clear(&p->notices, SC_REASON_SILENT);
        return;
    }
    rate_words(sc_habit_rate_milli(h), rate, sizeof rate);
    sc_time_rfc3339(h->last_ms / 1000 * 1000, since);
    snprintf(detail, sizeof detail, "0 %s in %s; usual are %s and no pause over %s (%u days with %s are known); the vendor's answers are good", p->type->noun,
             sc_duration_text(quiet, for_text), rate, sc_duration_text((int64_t)sc_habit_longest_s(h) * 1000, longest), h->count, p->type->noun);
    snprintf(advice, sizeof advice, "Look in the vendor's console for what happened since %.19sZ: a filter, a changed plan or a permission that was taken away also does this.",
             since);
    sc_notice_set(&p->notices, SC_REASON_SILENT, detail, advice, now);
}

void sc_judge_came(struct sc_poller *p, uint64_t records)
{
    int64_t interval = p->inst->config->types[p->index].interval_ms, away = p->walk_began - p->pace.good_ms;
    bool watched = p->facts.last_success && away <= 2 * interval + AWAY_MS;
    if (p->errand)
        return;
    sc_habit_came(&p->cp.habit, sc_real_ms(), records, watched);
    sc_notice_clear(&p->notices, SC_REASON_SILENT);
}

/* ---- the last good poll is long ago -------------------------------------------------------------------------------------------------------- */

static void overdue_over(struct sc_poller *p)
{
    if (p->pace.overdue)
        sc_notice_clear(&p->notices, p->pace.overdue);
    p->pace.overdue = SC_REASON_OK;
}

static bool gets_on(const struct sc_poller *p)
{
    enum sc_class cls = sc_reason_class(p->facts.reason);
    return p->phase == SC_WALKING && (cls == SC_CLASS_OK || cls == SC_CLASS_NOTICE);
}

/* Told under the code that holds it up; where none does, it is silent for no reason that is known. */
static void judge_overdue(struct sc_poller *p)
{
    const struct sc_status_facts *f = &p->facts;
    int64_t interval = p->inst->config->types[p->index].interval_ms, ago = p->inst->io->now - p->pace.good_ms;
    bool overdue = ago > 4 * interval && ago > OVERDUE_MS && !gets_on(p);
    bool known = f->reason != SC_REASON_OK && f->reason != SC_REASON_STARTING;
    enum sc_reason reason = known ? f->reason : SC_REASON_SILENT;
    char detail[300], for_text[SC_TIME_TEXT], at[SC_TIME_TEXT] = "", tries[SC_CLOCK_TEXT];
    if (!overdue || (p->pace.overdue && p->pace.overdue != reason))
        overdue_over(p);
    if (!overdue)
        return;
    sc_duration_text(ago, for_text);
    if (f->last_success)
        snprintf(detail, sizeof detail, "last good poll %s ago (%.19sZ), ", for_text, sc_time_rfc3339(f->last_success, at));
    else
        snprintf(detail, sizeof detail, "no good poll in the %s since it was taken up, ", for_text);
    size_t used = strlen(detail);
    snprintf(detail + used, sizeof detail - used, "%s %s since, now %s", sc_count_text(p->pace.failures, tries),
             p->pace.failures == 1 ? "failure" : "failures", sc_reason_code(known ? reason : f->reason));
    p->pace.overdue = reason;
    sc_notice_set(&p->notices, reason, detail, f->advice[0] ? f->advice : "Look at the log for what it does; where it does nothing, restart the agent and report it.",
                  sc_real_ms());
}

/* ---- records that are odd ------------------------------------------------------------------------------------------------------------------- */

static void judge_records(struct sc_poller *p)
{
    char detail[600], at[SC_TIME_TEXT], n[SC_CLOCK_TEXT], all[SC_CLOCK_TEXT];
    if (sc_odd_words(p, SC_REASON_RECORD_TOO_LARGE, detail, sizeof detail))
        sc_notice_set(&p->notices, SC_REASON_RECORD_TOO_LARGE, detail, NULL, sc_real_ms());
    else
        sc_notice_clear(&p->notices, SC_REASON_RECORD_TOO_LARGE);
    if (sc_odd_words(p, SC_REASON_RECORD_INVALID, detail, sizeof detail)) {
        sc_notice_set(&p->notices, SC_REASON_RECORD_INVALID, detail, NULL, sc_real_ms());
        return;
    }
    if (!p->walk_read)
        return;
    if (!p->pace.future) {
        sc_notice_clear(&p->notices, SC_REASON_RECORD_INVALID);
        return;
    }
    snprintf(detail, sizeof detail, "of the last poll's %s %s %s %s dated ahead of the vendor's clock, up to %.19sZ: published, but not used for the position",
             sc_count_text(p->walk_read, all), p->type->noun, sc_count_text(p->pace.future, n),
             p->pace.future == 1 ? "is" : "are", sc_time_rfc3339(p->pace.future_newest, at));
    sc_notice_set(&p->notices, SC_REASON_RECORD_INVALID, detail, "Have the dates corrected at the source; nothing is lost.", sc_real_ms());
}

/* ---- when ----------------------------------------------------------------------------------------------------------------------------------- */

void sc_judge_walk(struct sc_poller *p)
{
    if (p->errand) /* beside the live one, and not what the integration does */
        return;
    overdue_over(p);
    judge_silent(p);
    judge_records(p);
    sc_judge_pace(p, true);
}

/* What was so before it was paused is no longer of interest; judged anew when it polls again. */
static void forget_pace(struct sc_poller *p)
{
    static const enum sc_reason of_polls[] = {SC_REASON_SILENT, SC_REASON_FALLING_BEHIND, SC_REASON_QUOTA_EXHAUSTED, SC_REASON_RECORD_INVALID};
    for (size_t i = 0; i < sizeof of_polls / sizeof *of_polls; i++)
        sc_notice_clear(&p->notices, of_polls[i]);
    p->pace.overruns = p->pace.lagging = 0;
    p->pace.due_since = p->pace.lag_ms = 0;
}

static void judge_now(struct sc_poller *p)
{
    if (p->retired)
        return;
    if (!sc_poller_should_run(p))
        forget_pace(p);
    if (!sc_poller_should_run(p) || p->inst->io->broker.state != SC_BROKER_READY) {
        p->pace.good_ms = p->inst->io->now; /* nobody expects a poll */
        overdue_over(p);
        return;
    }
    sc_pace_fold(p);
    judge_overdue(p);
    sc_judge_pace(p, false);
    if (p->phase == SC_WALKING)
        sc_status_touch(p->inst, false);
}

void sc_judge_fire(struct sc_timer *timer, void *io_arg)
{
    struct sc_io *io = io_arg;
    for (struct sc_instance *i = io->instances; i; i = i->next) {
        for (unsigned k = 0; k < i->poller_count; k++)
            judge_now(i->pollers[k]);
    }
    sc_heap_set(&io->heap, timer, io->now + SC_JUDGE_STEP_MS);
}
