#include "poll/poller.h"

#include "base/files.h"
#include "base/reach.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- clocks ---------------------------------------------------------------------------------------------------------------------------- */

#define SKEW_TELLS_MS 30000
#define SKEW_ENDS_MS  20000 /* so that it does not begin and end all the time */
#define SKEW_STEP_MS  5000  /* a figure that changes by less is the same */

static int64_t size_of(int64_t ms)
{
    return ms < 0 ? -ms : ms;
}

/* "NATS and 2 of 3 other vendors agree with it" */
static void say_witnesses(const struct sc_reach_clocks *c, bool own_is_wrong, char *out, size_t cap)
{
    unsigned agree = own_is_wrong ? c->with_it : c->with_us, all = c->with_it + c->with_us;
    bool nats = own_is_wrong ? c->nats_with_it : c->nats_with_us;
    char vendors[64] = "";
    if (agree)
        snprintf(vendors, sizeof vendors, "%u of %u other vendors", agree, all);
    if (!nats && !agree)
        snprintf(out, cap, "; nobody else has told the time lately");
    else
        snprintf(out, cap, "; %s%s%s %s with %s", nats ? "NATS" : "", nats && agree ? " and " : "", vendors, nats && !agree ? "agrees" : "agree",
                 own_is_wrong ? "it" : "this host");
}

/* Without scheme and port. */
static const char *host_name(const struct sc_integration *config, char *out, size_t cap)
{
    const char *host = strstr(config->origin, "://");
    snprintf(out, cap, "%s", host ? host + 3 : config->origin);
    char *end = out[0] == '[' ? strchr(out, ']') : NULL;
    out[end ? (size_t)(end - out) + 1 : strcspn(out, ":/")] = '\0';
    return out;
}

static void tell_skew(struct sc_poller *p, int64_t off)
{
    char name[256], differs[SC_TIME_TEXT], witnesses[120], detail[420];
    host_name(p->inst->config, name, sizeof name);
    struct sc_reach_clocks c = sc_reach_clocks(name, off);
    bool vendor_is_wrong = (c.nats_with_us || c.with_us > c.with_it) && !c.nats_with_it;
    say_witnesses(&c, !vendor_is_wrong, witnesses, sizeof witnesses);
    snprintf(detail, sizeof detail, "This host's clock is %s %s that of %.100s%s%s", sc_duration_text((size_of(off) + 500) / 1000 * 1000, differs), off < 0 ? "ahead of" : "behind",
             name, witnesses, sc_auth_is_signed(p) ? "; requests are signed with its time meanwhile" : "; it is asked by its own time meanwhile");
    sc_notice_set(&p->inst->notices, SC_REASON_CLOCK_SKEW, detail,
                  vendor_is_wrong ? "Nothing to repair here: it is the vendor's clock that is wrong, or that of something on the way that answers in its place." : NULL,
                  sc_real_ms());
}

/* Two answers that say the same: one alone may come from a cache that does not say so. */
static void learn_clock(struct sc_poller *p, int64_t off)
{
    struct sc_instance *inst = p->inst;
    if (off == SC_TIME_NONE)
        return;
    bool told = sc_notice_find(&inst->notices, SC_REASON_CLOCK_SKEW) != NULL;
    bool twice = inst->skew_seen && size_of(off - inst->skew_last) < SKEW_STEP_MS;
    inst->skew_seen = true;
    inst->skew_last = off;
    if (told && twice && size_of(off) < SKEW_ENDS_MS)
        sc_notice_clear(&inst->notices, SC_REASON_CLOCK_SKEW);
    else if (twice && (told || size_of(off) > SKEW_TELLS_MS) && (!told || size_of(off - inst->skew_told) >= SKEW_STEP_MS)) {
        inst->skew_told = off;
        tell_skew(p, off);
    }
}

/* ---- names ------------------------------------------------------------------------------------------------------------------------------ */

#define KEPT_MS    2 /* less is no lookup at all */
#define SLOW_LEAST 3 /* of the newest: one is an accident */

static void tell_slow(struct sc_io *io, const struct sc_dns_look *look)
{
    char took[SC_TIME_TEXT], words[200] = "", detail[420], advice[256] = "Check the nameservers in this container's resolv.conf.";
    const struct sc_dns_server *mute = NULL, *good = NULL;
    const struct sc_reach_lookups *newest = &io->lookups.newest;
    for (unsigned i = 0; look && i < look->count; i++) {
        const struct sc_dns_server *s = &look->servers[i];
        if (s->said == SC_DNS_ANSWER && s->rcode == 0)
            good = good ? good : s;
        else
            mute = mute ? mute : s;
    }
    if (look)
        sc_dns_words(look, words, sizeof words);
    if (mute && good)
        snprintf(advice, sizeof advice, "Take %s out of this container's resolv.conf, or repair it: %s answers.", mute->address, good->address);
    snprintf(detail, sizeof detail, "Looking names up takes %s (p95 of the newest %u)%s%s: polls wait for it", sc_duration_text(newest->p95_ms / 100 * 100, took), newest->count,
             words[0] ? ": " : "", words);
    for (struct sc_instance *i = io->instances; i; i = i->next)
        if (i->slow_name && !i->retired)
            sc_notice_set(&i->notices, SC_REASON_FALLING_BEHIND, detail, advice, sc_real_ms());
}

static void nobody(void *arg)
{
    (void)arg; /* the timer looks */
}

static void on_answer(struct sc_timer *timer, void *arg)
{
    struct sc_io *io = arg;
    struct sc_lookups *l = &io->lookups;
    struct sc_dns_look look;
    (void)timer;
    bool answered = l->look && sc_dns_get(l->look, &look);
    l->look = sc_dns_drop(l->look);
    if (l->slow)
        tell_slow(io, answered ? &look : NULL);
}

/* Once for a while: whoever is slow meanwhile is told with the others. */
static void ask_why(struct sc_io *io, const char *host)
{
    struct sc_lookups *l = &io->lookups;
    if (sc_timer_armed(&l->timer))
        return;
    l->timer = (struct sc_timer){.fire = on_answer, .arg = io};
    l->look = sc_dns_drop(l->look);
    l->look = sc_dns_ask(host, nobody, NULL);
    sc_heap_set(&io->heap, &l->timer, io->now + SC_DNS_MS + 1000);
}

static void not_slow(struct sc_instance *inst)
{
    inst->slow_name = false;
    sc_notice_clear(&inst->notices, SC_REASON_FALLING_BEHIND);
}

/* Addresses are kept for a minute: what came from there took no time and says nothing. */
static void learn_lookup(struct sc_poller *p, const struct sc_http_result *result)
{
    struct sc_io *io = p->inst->io;
    struct sc_lookups *l = &io->lookups;
    uint32_t ms = result->timing.dns;
    char name[256];
    if (result->wire.reused || result->wire.proxy[0] || !result->wire.address[0] || ms == 0)
        return;
    if (ms < KEPT_MS && p->inst->slow_name)
        return;
    l->newest = sc_reach_lookup(ms);
    p->inst->slow_name = ms >= SC_REACH_SLOW_MS;
    l->slow = l->slow ? l->newest.newest_slow > 0 : l->newest.slow >= SLOW_LEAST;
    if (l->slow && ms >= SC_REACH_SLOW_MS)
        ask_why(io, host_name(p->inst->config, name, sizeof name));
    if (!l->slow)
        for (struct sc_instance *i = io->instances; i; i = i->next)
            not_slow(i);
    else if (!p->inst->slow_name)
        not_slow(p->inst);
}

void sc_lookups_done(struct sc_io *io)
{
    io->lookups.look = sc_dns_drop(io->lookups.look);
}

void sc_around_learn(struct sc_poller *p, const struct sc_http_result *result)
{
    learn_clock(p, result->wire.clock_off_ms);
    learn_lookup(p, result);
}

/* ---- files ------------------------------------------------------------------------------------------------------------------------------ */

#define LOOK_EVERY_MS 2000

static bool waits_for_a_file(enum sc_reason reason)
{
    return reason == SC_REASON_TLS_UNTRUSTED || reason == SC_REASON_TLS_INTERCEPTED || reason == SC_REASON_TLS_EXPIRED || reason == SC_REASON_CONFIG_INVALID;
}

/* 0: it names none. */
static uint64_t stamp_of(const struct sc_poller *p)
{
    const struct sc_integration *c = p->inst->config;
    const char *const paths[] = {p->inst->io->config.settings->tls_ca_file, c->ca_file, c->cert_file, c->key_file};
    return sc_files_stamp(paths, sizeof paths / sizeof *paths);
}

void sc_around_watch(struct sc_poller *p)
{
    struct sc_io *io = p->inst->io;
    p->files = waits_for_a_file(p->facts.reason) ? stamp_of(p) : 0;
    if (p->files && !sc_timer_armed(&io->files_timer)) {
        io->files_timer = (struct sc_timer){.fire = sc_around_files, .arg = io};
        sc_heap_set(&io->heap, &io->files_timer, io->now + LOOK_EVERY_MS);
    }
}

static void ask_again(struct sc_poller *p)
{
    struct sc_log_cx cx = sc_poller_cx(p);
    SC_LOG(SC_INFO, &cx, NULL, "a CA or certificate file of the settings has changed: asked again");
    if (!p->hold.named)
        p->hold = (struct sc_hold){0};
    p->attempts = 0;
    for (struct sc_token *t = p->inst->credential->tokens; t; t = t->next)
        if (!t->hold.named && waits_for_a_file(t->hold.reason))
            t->hold = (struct sc_hold){0};
    sc_poller_wake(p);
}

void sc_around_files(struct sc_timer *timer, void *arg)
{
    struct sc_io *io = arg;
    bool any = false;
    for (struct sc_instance *i = io->instances; i; i = i->next) {
        for (unsigned k = 0; k < i->poller_count; k++) {
            struct sc_poller *p = i->pollers[k];
            uint64_t now = p->files ? stamp_of(p) : 0;
            if (p->files && now != p->files)
                ask_again(p);
            p->files = now;
            any |= now != 0;
        }
    }
    if (any)
        sc_heap_set(&io->heap, timer, io->now + LOOK_EVERY_MS);
}
