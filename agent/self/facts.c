#include "self/facts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/redact.h"
#include "operate/reasons.h"
#include "poll/notice.h"

#include <pthread.h>
#include <stdlib.h>

#define REMIND_MS 3600000

struct sc_facts {
    pthread_mutex_t lock;
    struct sc_buf values[SC_FACT_COUNT];
    struct sc_notices notices;
    int64_t told_ms[SC_REASON_COUNT]; /* monotonic: to the log */
};

static const char *const names[SC_FACT_COUNT] = {"loops", "nats", "stream", "account", "memory", "clock", "previous_run"};

/* Under the lock; the log takes one of its own and calls nobody. */
static void told(void *owner, const struct sc_notice *notice, enum sc_notice_event event)
{
    struct sc_facts *facts = owner;
    if (event == SC_NOTICE_CHANGES)
        return;
    facts->told_ms[notice->reason] = sc_mono_ms();
    if (event == SC_NOTICE_ENDS)
        SC_SAY(SC_INFO, "agent", "%s no longer: it was \"%s\"", sc_reason_code(notice->reason), notice->detail);
    else
        SC_SAY(sc_reason_row(notice->reason)->level, "agent", "%s: %s%s%s", sc_reason_code(notice->reason), notice->detail, notice->advice[0] ? "; " : "",
               notice->advice);
}

struct sc_facts *sc_facts_new(void)
{
    struct sc_facts *facts = calloc(1, sizeof *facts);
    if (!facts)
        return NULL;
    pthread_mutex_init(&facts->lock, NULL);
    facts->notices.owner = facts;
    facts->notices.told = told;
    return facts;
}

struct sc_facts *sc_facts_free(struct sc_facts *facts)
{
    if (!facts)
        return NULL;
    for (int i = 0; i < SC_FACT_COUNT; i++)
        sc_buf_done(&facts->values[i]);
    sc_notices_done(&facts->notices);
    pthread_mutex_destroy(&facts->lock);
    free(facts);
    return NULL;
}

void sc_facts_put(struct sc_facts *facts, enum sc_fact fact, struct sc_buf *json)
{
    pthread_mutex_lock(&facts->lock);
    if (!json->failed && json->len) {
        sc_buf_done(&facts->values[fact]);
        facts->values[fact] = *json;
        *json = (struct sc_buf){0};
    }
    pthread_mutex_unlock(&facts->lock);
    sc_buf_done(json);
}

void sc_facts_notice(struct sc_facts *facts, enum sc_reason reason, const char *detail, const char *advice)
{
    pthread_mutex_lock(&facts->lock);
    sc_notice_set(&facts->notices, reason, detail, advice, sc_real_ms());
    pthread_mutex_unlock(&facts->lock);
}

void sc_facts_clear(struct sc_facts *facts, enum sc_reason reason)
{
    pthread_mutex_lock(&facts->lock);
    sc_notice_clear(&facts->notices, reason);
    pthread_mutex_unlock(&facts->lock);
}

void sc_facts_remind(struct sc_facts *facts, int64_t now_mono_ms)
{
    char since[SC_TIME_TEXT];
    pthread_mutex_lock(&facts->lock);
    for (const struct sc_notice *n = facts->notices.first; n; n = n->next) {
        if (now_mono_ms - facts->told_ms[n->reason] < REMIND_MS)
            continue;
        facts->told_ms[n->reason] = now_mono_ms;
        SC_SAY(sc_reason_row(n->reason)->level, "agent", "%s since %s: %s%s%s", sc_reason_code(n->reason), sc_time_rfc3339(n->since_ms, since), n->detail,
               n->advice[0] ? "; " : "", n->advice);
    }
    pthread_mutex_unlock(&facts->lock);
}

int sc_facts_json(struct sc_facts *facts, struct sc_buf *out)
{
    pthread_mutex_lock(&facts->lock);
    sc_buf_add_char(out, '{');
    for (int i = 0; i < SC_FACT_COUNT; i++) {
        if (facts->values[i].len == 0)
            continue;
        sc_buf_addf(out, "\"%s\":", names[i]);
        sc_buf_add(out, facts->values[i].ptr, facts->values[i].len);
        sc_buf_add_char(out, ',');
    }
    sc_buf_add_str(out, "\"notices\":");
    sc_notices_json(&facts->notices, out);
    sc_buf_add_char(out, '}');
    pthread_mutex_unlock(&facts->lock);
    sc_redact_buf(out);
    return out->failed ? -1 : 0;
}

void sc_facts_oldest(struct sc_facts *facts, struct sc_buf *out)
{
    char since[SC_TIME_TEXT];
    const struct sc_notice *oldest = NULL;
    sc_buf_clear(out);
    pthread_mutex_lock(&facts->lock);
    for (const struct sc_notice *n = facts->notices.first; n; n = n->next) {
        if (!oldest || n->since_ms < oldest->since_ms)
            oldest = n;
    }
    if (oldest)
        sc_buf_addf(out, "since %s %s: %s%s%s", sc_time_short(oldest->since_ms, sc_real_ms(), since), sc_reason_code(oldest->reason), oldest->detail,
                    oldest->advice[0] ? "; " : "", oldest->advice);
    const char *before = "; also ";
    for (const struct sc_notice *n = facts->notices.first; n; n = n->next) {
        if (n == oldest)
            continue;
        sc_buf_addf(out, "%s%s", before, sc_reason_code(n->reason));
        before = ", ";
    }
    pthread_mutex_unlock(&facts->lock);
    sc_redact_buf(out);
}
