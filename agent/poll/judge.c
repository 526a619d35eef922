/* What follows from what is known, and goes into notices (notice.h): who reads the same, … io thread. */
#include "poll/poller.h"

#include <stdio.h>

/* ---- telling ------------------------------------------------------------------------------------------------------------------------ */

static void say(struct sc_log_cx *cx, const struct sc_notice *n, enum sc_notice_event event)
{
    char lasted[SC_TIME_TEXT];
    uint64_t times;
    cx->reason = n->reason;
    const char *code = sc_reason_code(n->reason);
    if (event == SC_NOTICE_BEGINS)
        SC_LOG(sc_reason_row(n->reason)->level, cx, NULL, "%s: %s%s%s", code, n->detail, n->advice[0] ? "; " : "", n->advice);
    else if (event == SC_NOTICE_ENDS && sc_log_over(cx, &times)) /* where its beginning was only counted, so is its end */
        SC_LOG_EACH(SC_INFO, cx, NULL, "%s is over, after %s", code, sc_duration_text(sc_real_ms() - n->since_ms, lasted));
}

void sc_judge_told(void *poller, const struct sc_notice *notice, enum sc_notice_event event)
{
    const struct sc_poller *p = poller;
    struct sc_log_cx cx = sc_poller_cx(p);
    say(&cx, notice, event);
    sc_status_touch(p->inst, event != SC_NOTICE_CHANGES);
}

void sc_judge_told_instance(void *instance, const struct sc_notice *notice, enum sc_notice_event event)
{
    struct sc_instance *inst = instance;
    struct sc_log_cx cx = {inst->config->connector->name, inst->config->name, NULL};
    say(&cx, notice, event);
    sc_status_touch(inst, event != SC_NOTICE_CHANGES);
}

/* ---- two integrations that read the same: each record is published twice --------------------------------------------------------------- */

static bool reads(const struct sc_instance *inst, const struct sc_instance *like, unsigned type)
{
    const struct sc_integration *c = inst->config;
    return inst->source == like->source && !inst->retired && c->connector == like->config->connector && c->enabled && c->types[type].enabled;
}

/* Its key without the connector's name, which everybody sees already. */
static const char *account_of(const struct sc_integration *config)
{
    const char *bar = strchr(config->source, '|');
    return bar && bar[1] ? bar + 1 : config->source;
}

static void tell_double(struct sc_poller *p, const char *other)
{
    char detail[400];
    if (!other) {
        sc_notice_clear(&p->notices, SC_REASON_DUPLICATE_INTEGRATION);
        return;
    }
    snprintf(detail, sizeof detail, "%s and %s both read %s of %s: each record is published twice", p->inst->config->name, other, p->type->name,
             account_of(p->inst->config));
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
