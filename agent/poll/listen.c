/* Who listens to a data type at work (errand.h): what is worth a word, and who has had it already. io thread of the poller. */
#include "poll/errand.h"

#define SOON_MS 10000 /* a try that comes so soon is waited for by whoever listens */

void sc_listen(struct sc_poller *p, struct sc_listener *l)
{
    l->read_before = p->phase == SC_WALKING || p->phase == SC_CLOSING ? p->walk_read : 0;
    l->told = SC_REASON_OK;
    l->next = p->listeners;
    p->listeners = l;
    p->traced += l->trace != NULL;
}

static void take_out(struct sc_poller *p, struct sc_listener *l)
{
    struct sc_listener **at = &p->listeners;
    while (*at && *at != l)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = l->next;
    l->next = NULL;
    p->traced -= l->trace != NULL;
    if (!p->traced)
        sc_buf_done(&p->trace_body);
}

void sc_listen_stop(struct sc_poller *p, struct sc_listener *l)
{
    take_out(p, l);
}

void sc_listeners_last(struct sc_poller *p, const struct sc_news *news)
{
    while (p->listeners) {
        struct sc_listener *l = p->listeners;
        take_out(p, l);
        l->hear(l, p, news);
    }
}

static void tell_wait(struct sc_poller *p, const struct sc_news *news)
{
    struct sc_listener *next;
    for (struct sc_listener *l = p->listeners; l; l = next) {
        next = l->next;
        if (l->told == news->reason && l->told_until == news->until_real)
            continue;
        l->told = news->reason;
        l->told_until = news->until_real;
        l->hear(l, p, news);
    }
}

/* By the vendor, for this request or for the token. */
static bool is_named(const struct sc_poller *p, enum sc_reason reason)
{
    const struct sc_token *t = p->asked_token;
    return (p->hold.named && p->hold.reason == reason) || (t && t->hold.named && t->hold.reason == reason);
}

/* Of a live walk. The end of a walk is told by itself. */
static enum sc_heard weigh(const struct sc_poller *p, enum sc_reason reason, int64_t until_real)
{
    bool soon = until_real != SC_TIME_NONE && until_real - sc_real_ms() <= SOON_MS;
    switch (sc_reason_class(reason)) {
    case SC_CLASS_RETRY:
        return soon || is_named(p, reason) ? SC_HEARD_WAITS : SC_HEARD_FAILED;
    case SC_CLASS_AUTH:
    case SC_CLASS_CONFIG:
        return SC_HEARD_FAILED;
    case SC_CLASS_LOCAL:
        return reason == SC_REASON_STARTING || reason == SC_REASON_LEASE_HELD ? SC_HEARD_WAITS : SC_HEARD_FAILED;
    case SC_CLASS_NOTICE:
        return reason == SC_REASON_DISABLED || reason == SC_REASON_OFFLINE ? SC_HEARD_GONE : SC_HEARD_WAITS;
    case SC_CLASS_OK:
    case SC_CLASS_THROTTLED:
    case SC_CLASS_DATA:
    case SC_CLASS_BROKER:
        break;
    }
    return SC_HEARD_WAITS;
}

void sc_listeners_said(struct sc_poller *p, enum sc_reason reason, int64_t until_real, const char *detail)
{
    bool ending = p->finish && (p->phase == SC_WALKING || p->phase == SC_CLOSING); /* the end of the walk says it */
    if (reason == SC_REASON_OK || !detail || !detail[0] || ending)
        return;
    SC_TRACE(p, "wait", NULL, "%s: %s", sc_reason_code(reason), detail);
    struct sc_news news = {.what = p->errand ? SC_HEARD_WAITS : weigh(p, reason, until_real), .reason = reason, .until_real = until_real, .detail = detail,
                           .advice = p->facts.advice};
    if (news.what == SC_HEARD_WAITS)
        tell_wait(p, &news);
    else
        sc_listeners_last(p, &news);
}

bool sc_listeners_have_enough(const struct sc_poller *p)
{
    for (const struct sc_listener *l = p->listeners; l; l = l->next) {
        if (l->limit && p->walk_read - l->read_before >= l->limit)
            return true;
    }
    return p->errand && p->errand->page_limit && p->walk_pages >= p->errand->page_limit;
}

void sc_listeners_walked(struct sc_poller *p)
{
    bool failed = p->walk_failed && !p->limited;
    struct sc_news news = {.what = failed ? SC_HEARD_FAILED : SC_HEARD_ENDED, .reason = failed ? p->facts.reason : SC_REASON_OK, .until_real = SC_TIME_NONE,
                           .detail = failed ? p->facts.detail : "", .advice = failed ? p->facts.advice : "", .limited = p->limited};
    SC_TRACE(p, "decision", NULL, "the walk is over%s", p->limited ? ", at the limit that was asked for" : failed ? ", not to its end" : "");
    if (p->errand)
        sc_errand_end(p, &news);
    else
        sc_listeners_last(p, &news);
}
