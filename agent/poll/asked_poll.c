/* Op "poll": one poll of an integration's data types now, live or dry, told line by line. io thread. */
#include "poll/errand.h"

#include <stdio.h>
#include <stdlib.h>

#define CAREFUL_MS 10000 /* waits for a credential are cut no more often */

struct polled { /* one data type of a request */
    struct sc_listener listener; /* first */
    struct asked_poll *of;
    struct sc_poller *poller;    /* NULL: its last word is said */
    uint64_t pages_before, began_ms;
};

struct asked_poll {
    struct sc_asked asked; /* first */
    bool dry, over;
    bool careful; /* a try by hand was made just now, and the credential is in trouble */
    char *name;
    unsigned count, open, failed;
    struct polled types[];
};

/* ---- lines ---------------------------------------------------------------------------------------------------------------------------------- */

static json_t *line_of(const struct polled *t, const struct sc_poller *p, const char *result, const char *text)
{
    json_t *line = json_pack("{s:s, s:s, s:s, s:b, s:o*}", "integration", t->of->name, "data_type", p->type->name, "result", result, "dry", t->of->dry, "text",
                             sc_sink_text(sc_str_of(text)));
    return line;
}

static void add_time(json_t *line, const char *name, int64_t ms)
{
    char text[SC_TIME_TEXT];
    if (line && ms != SC_TIME_NONE && ms > 0)
        json_object_set_new(line, name, json_string(sc_time_rfc3339(ms, text)));
}

static void add_number(json_t *line, const char *name, uint64_t n)
{
    if (line)
        json_object_set_new(line, name, json_integer((json_int_t)n));
}

static void add_figures(json_t *line, const struct sc_poller *p)
{
    const struct sc_errand *e = p->errand;
    add_number(line, "read", p->walk_read);
    add_number(line, "pages", p->walk_pages);
    add_number(line, "duration_ms", (uint64_t)(p->inst->io->now > p->walk_began ? p->inst->io->now - p->walk_began : 0));
    if (e) {
        add_number(line, "would_publish", e->fresh);
        if (e->live->loaded)
            add_number(line, "known", e->known);
        add_number(line, "dead_letters", e->letters);
        add_number(line, "gaps", e->gaps);
        add_time(line, "first_record_time", e->oldest_ms);
        add_time(line, "last_record_time", e->newest_ms);
        return;
    }
    add_number(line, "fetched", p->walk_published);
    add_number(line, "dead_letters", p->walk_dead);
    add_number(line, "gaps", p->walk_gaps);
    add_time(line, "last_record_time", p->covered_ms);
}

static void add_losses(struct sc_buf *out, uint64_t letters, uint64_t gaps)
{
    if (letters)
        sc_buf_addf(out, ", %llu dead letter%s", (unsigned long long)letters, letters == 1 ? "" : "s");
    if (gaps)
        sc_buf_addf(out, ", %llu gap%s", (unsigned long long)gaps, gaps == 1 ? "" : "s");
}

static void add_dry_words(const struct sc_poller *p, struct sc_buf *out)
{
    const struct sc_errand *e = p->errand;
    char first[SC_TIME_TEXT], last[SC_TIME_TEXT];
    sc_buf_addf(out, "read %llu %s in %llu page%s", (unsigned long long)p->walk_read, p->type->noun, (unsigned long long)p->walk_pages,
                p->walk_pages == 1 ? "" : "s");
    if (e->oldest_ms != SC_TIME_NONE)
        sc_buf_addf(out, ", of %s to %s", sc_time_rfc3339(e->oldest_ms, first), sc_time_rfc3339(e->newest_ms, last));
    sc_buf_addf(out, "; would publish %llu", (unsigned long long)e->fresh);
    if (e->live->loaded && e->known)
        sc_buf_addf(out, ", %llu are known (published already, or twice in what was read)", (unsigned long long)e->known);
    else if (!e->live->loaded)
        sc_buf_add_str(out, "; what of it was published before is not known, as this data type is not being polled");
    add_losses(out, e->letters, e->gaps);
}

static void add_live_words(const struct sc_poller *p, struct sc_buf *out)
{
    char took[SC_TIME_TEXT];
    sc_buf_addf(out, "fetched %llu %s (%llu read, %llu page%s, %s)", (unsigned long long)p->walk_published, p->type->noun, (unsigned long long)p->walk_read,
                (unsigned long long)p->walk_pages, p->walk_pages == 1 ? "" : "s", sc_duration_text(p->inst->io->now - p->walk_began, took));
    add_losses(out, p->walk_dead, p->walk_gaps);
}

static void say_ended(struct polled *t, const struct sc_poller *p, const struct sc_news *news)
{
    SC_AUTO_BUF struct sc_buf text = {0};
    if (p->errand)
        add_dry_words(p, &text);
    else
        add_live_words(p, &text);
    if (news->limited)
        sc_buf_addf(&text, "; ended at the limit, %s", p->errand ? "there may be more" : "the next poll goes on from here");
    if (news->detail[0])
        sc_buf_addf(&text, "; %s", news->detail);
    json_t *line = line_of(t, p, "ok", sc_buf_str(&text).ptr);
    add_figures(line, p);
    if (line && news->limited)
        json_object_set_new(line, "limited", json_true());
    sc_sink_put(t->of->asked.sink, "line", line);
}

static void say_trouble(struct polled *t, const struct sc_poller *p, const char *result, const struct sc_news *news)
{
    json_t *line = line_of(t, p, result, news->detail);
    if (line) {
        json_object_set_new(line, "reason", json_string(sc_reason_code(news->reason)));
        json_object_set_new(line, "advice", sc_sink_text(sc_str_of(news->advice)));
    }
    add_time(line, "until", news->until_real);
    if (news->what == SC_HEARD_FAILED)
        add_figures(line, p);
    sc_sink_put(t->of->asked.sink, "line", line);
}

/* ---- its end --------------------------------------------------------------------------------------------------------------------------------- */

static void free_asked(struct asked_poll *a)
{
    free(a->name);
    free(a);
}

static void end_if_done(struct asked_poll *a)
{
    char text[120];
    if (a->open || a->over)
        return;
    a->over = true;
    if (a->failed)
        snprintf(text, sizeof text, "%u of %u data types failed", a->failed, a->count);
    else
        snprintf(text, sizeof text, "%s%u data type%s", a->dry ? "dry run of " : "polled ", a->count, a->count == 1 ? "" : "s");
    sc_asked_end(&a->asked, a->failed == 0, text);
    free_asked(a);
}

static void hear(struct sc_listener *listener, struct sc_poller *p, const struct sc_news *news)
{
    struct polled *t = (struct polled *)listener;
    struct asked_poll *a = t->of;
    if (news->what == SC_HEARD_WAITS) {
        say_trouble(t, p, "waits", news);
        return;
    }
    if (news->what == SC_HEARD_ENDED) {
        say_ended(t, p, news);
    } else {
        say_trouble(t, p, news->what == SC_HEARD_GONE ? "gone" : "failed", news);
        a->failed++;
    }
    if (!p->errand && !p->inst->retired) /* whoever asked looks there next */
        sc_status_fire(&p->inst->status_timer, p->inst);
    t->poller = NULL;
    a->open--;
    end_if_done(a);
}

static void cancel(struct sc_asked *asked, const char *why)
{
    struct asked_poll *a = (struct asked_poll *)asked;
    struct sc_news gone = {.what = SC_HEARD_GONE, .until_real = SC_TIME_NONE, .detail = why, .advice = ""};
    a->over = true;
    for (unsigned i = 0; i < a->count; i++) {
        struct sc_poller *p = a->types[i].poller;
        if (!p)
            continue;
        sc_listen_stop(p, &a->types[i].listener);
        if (p->errand)
            sc_errand_end(p, &gone);
    }
    sc_asked_end(asked, false, why);
    free_asked(a);
}

/* ---- its begin --------------------------------------------------------------------------------------------------------------------------------- */

static void refuse(struct polled *t, const struct sc_poller *p, enum sc_reason reason, const char *detail)
{
    struct sc_news news = {.what = SC_HEARD_GONE, .reason = reason, .until_real = SC_TIME_NONE, .detail = detail, .advice = sc_reason_row(reason)->advice};
    say_trouble(t, p, "failed", &news);
    t->of->failed++;
}

static bool is_refused(const struct sc_hold *hold, int64_t now)
{
    return hold->until_ms > now && sc_reason_class(hold->reason) == SC_CLASS_AUTH;
}

static bool credential_is_refused(const struct sc_instance *inst)
{
    int64_t now = inst->io->now;
    bool refused = is_refused(&inst->credential->hold, now);
    for (const struct sc_token *t = inst->credential->tokens; t; t = t->next)
        refused = refused || is_refused(&t->hold, now);
    for (unsigned i = 0; i < inst->poller_count; i++)
        refused = refused || is_refused(&inst->pollers[i]->hold, now);
    return refused;
}

/* What a put does as well, once for the integration; but accounts are locked after a few refusals. False: it was done just now. */
static bool cut_waits(struct sc_instance *inst)
{
    struct sc_credential *c = inst->credential;
    if (credential_is_refused(inst)) {
        if (c->tried_ms && inst->io->now - c->tried_ms < CAREFUL_MS)
            return false;
        c->tried_ms = inst->io->now;
    }
    sc_token_put(inst);
    c->hold = (struct sc_hold){0};
    inst->source->hold = (struct sc_hold){0};
    return true;
}

/* What it waits for is told at once, not only when it changes. */
static void tell_present(struct polled *t, struct sc_poller *p)
{
    const struct sc_status_facts *f = &p->facts;
    enum sc_class cls = sc_reason_class(f->reason);
    bool waits = cls == SC_CLASS_THROTTLED || cls == SC_CLASS_BROKER || f->reason == SC_REASON_LEASE_HELD || f->reason == SC_REASON_WAITS_FOR_VENDOR ||
                 p->hold.named;
    if (!waits || !f->detail[0])
        return;
    struct sc_news news = {.what = SC_HEARD_WAITS, .reason = f->reason, .until_real = f->until_real, .detail = f->detail, .advice = f->advice};
    t->listener.told = f->reason;
    t->listener.told_until = f->until_real;
    say_trouble(t, p, "waits", &news);
}

static void begin_live(struct polled *t, struct sc_instance *inst, unsigned index)
{
    struct sc_poller *p = inst->pollers[index];
    if (inst->io->config.settings->offline_mode) {
        refuse(t, p, SC_REASON_OFFLINE, "offline_mode: no vendor is polled");
    } else if (!sc_poller_is_enabled(p)) {
        refuse(t, p, SC_REASON_DISABLED, inst->config->enabled ? "this data type is disabled; --dry-run looks at it all the same"
                                                               : "the integration is disabled; --dry-run looks at it all the same");
    } else if (t->of->careful) {
        refuse(t, p, SC_REASON_AUTH_INVALID, "the vendor refused this credential less than 10 s ago: not tried again so soon, as accounts are locked after a few tries");
    } else {
        t->poller = p;
        t->of->open++;
        sc_listen(p, &t->listener);
        tell_present(t, p);
        sc_poller_end_waits(p, true, "asks again, as it was asked to by hand");
    }
}

static void begin_dry(struct polled *t, struct sc_instance *inst, unsigned index, int64_t from_ms)
{
    struct sc_error err = SC_ERROR_INIT;
    if (inst->io->config.settings->offline_mode) {
        refuse(t, inst->pollers[index], SC_REASON_OFFLINE, "offline_mode: no vendor is polled");
        return;
    }
    struct sc_poller *p = sc_errand_dry(inst, index, from_ms, &err);
    if (!p) {
        refuse(t, inst->pollers[index], err.reason, err.text);
        return;
    }
    t->poller = p;
    t->of->open++;
    sc_listen(p, &t->listener);
}

static struct asked_poll *new_asked(const struct sc_instance *inst, const struct sc_ask *ask, unsigned count)
{
    struct asked_poll *a = calloc(1, sizeof *a + count * sizeof *a->types);
    if (a && !(a->name = sc_dup(inst->config->name))) {
        free(a);
        return NULL;
    }
    bool trace = a && json_is_true(json_object_get(ask->request, "trace"));
    for (unsigned i = 0; a && i < count; i++) {
        struct polled *t = &a->types[i];
        t->of = a;
        t->listener = (struct sc_listener){.hear = hear, .trace = trace ? ask->sink : NULL,
                                           .limit = (uint64_t)json_integer_value(json_object_get(ask->request, "limit"))};
    }
    if (a) {
        a->count = count;
        a->dry = json_is_true(json_object_get(ask->request, "dry"));
    }
    return a;
}

void sc_asked_poll(struct sc_io *io, struct sc_instance *inst, const struct sc_ask *ask)
{
    struct sc_error err = SC_ERROR_INIT;
    const char *from = json_string_value(json_object_get(ask->request, "from"));
    unsigned count = 0, *indexes = calloc(inst->poller_count ? inst->poller_count : 1, sizeof *indexes);
    struct asked_poll *a = NULL;
    if (!indexes || sc_asked_types(inst, ask->request, false, indexes, &count, &err) || !(a = new_asked(inst, ask, count))) {
        sc_sink_end(ask->sink, false, err.text[0] ? err.text : "out of memory");
        free(indexes);
        return;
    }
    sc_asked_begin(&a->asked, io, ask, cancel);
    a->open = 1; /* until all have begun */
    if (!a->dry) {
        inst->polled_by_hand = true;
        a->careful = !cut_waits(inst);
    }
    for (unsigned i = 0; i < count; i++) {
        if (a->dry)
            begin_dry(&a->types[i], inst, indexes[i], from ? sc_time_parse_rfc3339(sc_str_of(from)) : SC_TIME_NONE);
        else
            begin_live(&a->types[i], inst, indexes[i]);
    }
    free(indexes);
    a->open--;
    end_if_done(a);
}
