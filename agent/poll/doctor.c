/* Op "doctor": which step comes next, and when nothing more can be learnt (doctor.h). io thread of the source. */
#include "poll/doctor.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS      15000 /* what comes so soon is waited for */
#define REQUESTS_MAX 5u    /* until the first record: a page of many files is not read to its end */

/* ---- its end --------------------------------------------------------------------------------------------------------------------------------- */

static void free_doctor(struct sc_doctor *d)
{
    for (unsigned i = 0; d && d->told && i < d->told_count; i++)
        free(d->told[i]);
    free(d ? d->told : NULL);
    free(d ? d->name : NULL);
    free(d);
}

static void finish(struct sc_doctor *d, bool ok, const char *text)
{
    sc_heap_remove(&d->asked.io->heap, &d->timer);
    sc_asked_end(&d->asked, ok, text);
    free_doctor(d);
}

static void cancel(struct sc_asked *asked, const char *why)
{
    struct sc_doctor *d = (struct sc_doctor *)asked;
    struct sc_news gone = {.what = SC_HEARD_GONE, .until_real = SC_TIME_NONE, .detail = why, .advice = ""};
    if (d->errand) {
        sc_listen_stop(d->errand, &d->listener);
        sc_errand_end(d->errand, &gone);
    }
    finish(d, false, why);
}

/* ---- errands ----------------------------------------------------------------------------------------------------------------------------------- */

static void next(struct sc_doctor *d)
{
    sc_heap_set(&d->asked.io->heap, &d->timer, d->asked.io->now);
}

/* Of the way to the host: no other data type gets further. */
static bool is_about_way(enum sc_reason reason)
{
    return (reason >= SC_REASON_DNS_FAILURE && reason <= SC_REASON_TLS_VERSION) || reason == SC_REASON_READ_TIMEOUT;
}

/* Of the credential as a whole: no other data type fares better, and each try counts against it. */
static bool is_about_credential(enum sc_reason reason)
{
    bool right = reason == SC_REASON_PERMISSION_DENIED || reason == SC_REASON_CONSENT_MISSING;
    return (sc_reason_class(reason) == SC_CLASS_AUTH && !right) || reason == SC_REASON_WRONG_HOST;
}

static void keep(struct sc_exam *exam, enum sc_exam_result result, const struct sc_news *news)
{
    exam->result = result;
    exam->reason = news->reason;
    snprintf(exam->detail, sizeof exam->detail, "%s", news->detail ? news->detail : "");
    snprintf(exam->advice, sizeof exam->advice, "%s", news->advice ? news->advice : "");
}

static enum sc_exam_result result_of(const struct sc_news *news)
{
    enum sc_class cls = sc_reason_class(news->reason);
    if (news->what == SC_HEARD_ENDED)
        return SC_EXAM_OK;
    return cls == SC_CLASS_THROTTLED || cls == SC_CLASS_DATA || cls == SC_CLASS_NOTICE ? SC_EXAM_NOTICE : SC_EXAM_BAD;
}

/* Everything that the rest goes by, before the data type's own line. */
static void take_page(struct sc_doctor *d, const struct sc_poller *p)
{
    const struct sc_errand *e = p->errand;
    d->exam.asked = e->requests > 0;
    if (e->clock_off_ms != SC_TIME_NONE)
        d->clock_off_ms = e->clock_off_ms;
    if (!d->auth_told) {
        sc_doctor_say_clock(d);
        sc_doctor_say_auth(d);
        d->auth_told = true;
    }
    if (d->exam.result != SC_EXAM_OK && is_about_credential(d->exam.reason)) {
        d->refused = true;
        snprintf(d->why_not, sizeof d->why_not, "not asked: the credential is refused (%s), see authentication", sc_reason_code(d->exam.reason));
        sc_doctor_line(d, "page", p, SC_EXAM_SKIPPED, d->exam.reason, "", "%s", d->why_not);
    } else {
        sc_doctor_say_page(d, p, p);
    }
    if (d->exam.result == SC_EXAM_BAD && is_about_way(d->exam.reason)) {
        d->refused = true;
        snprintf(d->why_not, sizeof d->why_not, "not asked: the vendor cannot be reached (%s)", sc_reason_code(d->exam.reason));
    }
}

static void take_way(struct sc_doctor *d, const struct sc_poller *p)
{
    d->way_is_good = d->exam.result == SC_EXAM_OK;
    sc_doctor_say_way(d, p->errand->way);
    if (d->way_is_good)
        return;
    d->refused = true;
    snprintf(d->why_not, sizeof d->why_not, "not asked: the vendor cannot be reached (%s)", sc_reason_code(d->exam.reason));
}

static bool is_long(const struct sc_news *news)
{
    return news->until_real == SC_TIME_NONE || news->until_real - sc_real_ms() > WAIT_MS;
}

static void hear(struct sc_listener *listener, struct sc_poller *p, const struct sc_news *news)
{
    struct sc_doctor *d = (struct sc_doctor *)((char *)listener - offsetof(struct sc_doctor, listener));
    if (news->what == SC_HEARD_WAITS) {
        if (is_long(news) && !d->waits_too_long) { /* ended with the next turn, not from inside of its own step */
            keep(&d->exam, SC_EXAM_SKIPPED, news);
            d->waits_too_long = true;
            next(d);
        }
        return;
    }
    d->errand = NULL;
    if (news->what == SC_HEARD_GONE && !d->waits_too_long) {
        finish(d, false, news->detail);
        return;
    }
    if (!d->waits_too_long)
        keep(&d->exam, result_of(news), news);
    d->waits_too_long = false;
    d->requests += p->errand->requests;
    d->token_calls += p->errand->token_calls;
    if (p->errand->way)
        take_way(d, p);
    else
        take_page(d, p);
    next(d);
}

static void send(struct sc_doctor *d, struct sc_poller *errand, const struct sc_error *err)
{
    if (!errand) {
        finish(d, false, err->text);
        return;
    }
    d->errand = errand;
    d->listener = (struct sc_listener){.hear = hear, .limit = 1}; /* to the end of the first page that holds records */
    sc_listen(errand, &d->listener);
}

/* ---- steps ------------------------------------------------------------------------------------------------------------------------------------- */

/* False: it is as good as asked. */
static bool is_passed_over(struct sc_doctor *d, unsigned index)
{
    const struct sc_poller *p = d->inst->pollers[index];
    if (d->refused) {
        if (!d->auth_told) {
            sc_doctor_say_auth(d);
            d->auth_told = true;
        }
        sc_doctor_line(d, "page", p, SC_EXAM_SKIPPED, SC_REASON_OK, "", "%s", d->why_not);
        return true;
    }
    if (d->named || d->inst->config->types[index].enabled)
        return false;
    sc_doctor_line(d, "page", p, SC_EXAM_SKIPPED, SC_REASON_DISABLED, "", "this data type is disabled; --data-type %s looks at it all the same", p->type->name);
    return true;
}

static void end(struct sc_doctor *d)
{
    char text[120];
    if (!d->auth_told)
        sc_doctor_say_auth(d);
    for (unsigned i = 0; i < d->count; i++)
        sc_doctor_say_live(d, d->inst->pollers[d->types[i]]);
    sc_doctor_say_spent(d);
    unsigned spent = d->requests + d->token_calls;
    snprintf(text, sizeof text, "%u request%s spent", spent, spent == 1 ? "" : "s");
    finish(d, true, text);
}

static void step(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    if (!d->way_done) {
        d->way_done = true;
        send(d, sc_errand_way(d->inst, d->types[0], &err), &err);
        return;
    }
    while (d->at < d->count && is_passed_over(d, d->types[d->at]))
        d->at++;
    if (d->at == d->count) {
        end(d);
        return;
    }
    struct sc_poller *p = sc_errand_dry(d->inst, d->types[d->at++], SC_TIME_NONE, &err);
    if (p)
        p->errand->request_limit = REQUESTS_MAX;
    send(d, p, &err);
}

/* Nothing of the instance is held between two errands: it may have gone, or be another one. */
static struct sc_instance *instance_of(const struct sc_doctor *d)
{
    for (struct sc_instance *i = d->asked.io->instances; i; i = i->next) {
        if (!i->retired && strcmp(i->config->name, d->name) == 0)
            return i->config->rev == d->rev ? i : NULL;
    }
    return NULL;
}

static void on_timer(struct sc_timer *timer, void *arg)
{
    struct sc_doctor *d = arg;
    struct sc_news enough = {.what = SC_HEARD_GONE, .until_real = SC_TIME_NONE, .detail = "", .advice = ""};
    (void)timer;
    if (d->errand) {
        sc_errand_end(d->errand, &enough);
        return;
    }
    d->inst = instance_of(d);
    if (d->inst)
        step(d);
    else
        finish(d, false, "the integration was saved, removed or moved meanwhile: ask again");
}

/* ---- its begin --------------------------------------------------------------------------------------------------------------------------------- */

static bool is_examined(const struct sc_io *io, const char *name)
{
    for (const struct sc_asked *a = io->asked; a; a = a->next) {
        if (a->cancel == cancel && strcmp(((const struct sc_doctor *)a)->name, name) == 0)
            return true;
    }
    return false;
}

/* Those that are examined come first, in their order. */
static void enabled_first(const struct sc_instance *inst, unsigned *types, unsigned count)
{
    for (unsigned i = 0, put = 0; i < count; i++) {
        unsigned type = types[i];
        if (!inst->config->types[type].enabled)
            continue;
        memmove(types + put + 1, types + put, (i - put) * sizeof *types);
        types[put++] = type;
    }
}

static struct sc_doctor *new_doctor(const struct sc_instance *inst)
{
    struct sc_doctor *d = calloc(1, sizeof *d + inst->poller_count * sizeof *d->types);
    if (d)
        *d = (struct sc_doctor){.name = sc_dup(inst->config->name), .told = calloc(inst->poller_count + 1, sizeof *d->told), .told_count = inst->poller_count + 1,
                                .rev = inst->config->rev, .clock_off_ms = SC_TIME_NONE, .timer = {.fire = on_timer, .arg = d}};
    if (d && d->name && d->told)
        return d;
    free_doctor(d);
    return NULL;
}

void sc_asked_doctor(struct sc_io *io, struct sc_instance *inst, const struct sc_ask *ask)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_doctor *d = new_doctor(inst);
    const char *refused = NULL;
    if (!d)
        refused = "out of memory";
    else if (is_examined(io, d->name))
        refused = "this integration is being examined already: wait until that has ended";
    else if (sc_asked_types(inst, ask->request, true, d->types, &d->count, &err))
        refused = err.text;
    if (refused) {
        sc_sink_end(ask->sink, false, refused);
        free_doctor(d);
        return;
    }
    d->named = json_object_get(ask->request, "data_type") != NULL;
    if (!d->named)
        enabled_first(inst, d->types, d->count);
    d->inst = inst;
    sc_asked_begin(&d->asked, io, ask, cancel);
    sc_doctor_say_config(d, (uint64_t)json_integer_value(json_object_get(ask->request, "revision")));
    sc_doctor_say_source(d);
    if (io->config.settings->offline_mode) {
        d->way_done = d->refused = d->auth_told = true;
        snprintf(d->why_not, sizeof d->why_not, "not asked: offline_mode is set");
    }
    next(d);
}
