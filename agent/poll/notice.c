#include "poll/notice.h"

#include "base/clock.h"
#include "operate/reasons.h"
#include <limits.h>
#include <stdlib.h>

/* What loses records, or soon will, comes before what is slow, and that before what is only to be known. What is not named here goes by the level of
 * its log line, behind those. */
static const enum sc_reason urgent_first[] = {
    SC_REASON_AUTH_EXPIRING, SC_REASON_STREAM_UNREAD, SC_REASON_CLOCK_SKEW,     SC_REASON_SILENT,
    SC_REASON_DUPLICATE_INTEGRATION, SC_REASON_QUOTA_EXHAUSTED, SC_REASON_FALLING_BEHIND, SC_REASON_RECORD_INVALID,
};
#define NAMED (sizeof urgent_first / sizeof *urgent_first)

unsigned sc_notice_rank(enum sc_reason reason)
{
    if (reason == SC_REASON_OK)
        return UINT_MAX;
    enum sc_level level = sc_reason_row(reason)->level;
    if (level == SC_ERROR)
        return 0;
    for (unsigned i = 0; i < NAMED; i++) {
        if (urgent_first[i] == reason)
            return i + 1;
    }
    return (unsigned)(NAMED + 1 + (SC_ERROR - level) * SC_REASON_COUNT) + (unsigned)reason;
}

static struct sc_notice **place_of(struct sc_notices *set, enum sc_reason reason)
{
    struct sc_notice **at = &set->first;
    while (*at && (*at)->reason != reason)
        at = &(*at)->next;
    return at;
}

static void tell(const struct sc_notices *set, const struct sc_notice *notice, enum sc_notice_event event)
{
    if (set->told)
        set->told(set->owner, notice, event);
}

static void notice_free(struct sc_notice *notice)
{
    if (!notice)
        return;
    free(notice->detail);
    free(notice->advice);
    free(notice);
}

static int set_texts(struct sc_notice *notice, const char *detail, const char *advice)
{
    char *own_detail = sc_dup(detail), *own_advice = sc_dup(advice);
    if (!own_detail || !own_advice) {
        free(own_detail);
        free(own_advice);
        return -1;
    }
    free(notice->detail);
    free(notice->advice);
    notice->detail = own_detail;
    notice->advice = own_advice;
    return 0;
}

static void change(struct sc_notices *set, struct sc_notice *notice, const char *detail, const char *advice)
{
    if (strcmp(notice->detail, detail) == 0 && strcmp(notice->advice, advice) == 0)
        return;
    if (set_texts(notice, detail, advice) == 0)
        tell(set, notice, SC_NOTICE_CHANGES);
}

void sc_notice_set(struct sc_notices *set, enum sc_reason reason, const char *detail, const char *advice, int64_t now_real_ms)
{
    struct sc_notice *known = *place_of(set, reason);
    if (!advice)
        advice = sc_reason_row(reason)->advice;
    if (known) {
        change(set, known, detail, advice);
        return;
    }
    struct sc_notice *notice = calloc(1, sizeof *notice), **at = &set->first;
    if (!notice || set_texts(notice, detail, advice)) {
        notice_free(notice);
        return;
    }
    notice->reason = reason;
    notice->since_ms = now_real_ms;
    while (*at && sc_notice_rank((*at)->reason) <= sc_notice_rank(reason))
        at = &(*at)->next;
    notice->next = *at;
    *at = notice;
    tell(set, notice, SC_NOTICE_BEGINS);
}

void sc_notice_clear(struct sc_notices *set, enum sc_reason reason)
{
    struct sc_notice **at = place_of(set, reason), *notice = *at;
    if (!notice)
        return;
    *at = notice->next;
    tell(set, notice, SC_NOTICE_ENDS);
    notice_free(notice);
}

const struct sc_notice *sc_notice_find(const struct sc_notices *set, enum sc_reason reason)
{
    const struct sc_notice *at = set->first;
    while (at && at->reason != reason)
        at = at->next;
    return at;
}

void sc_notices_json(const struct sc_notices *set, struct sc_buf *out)
{
    char time[SC_TIME_TEXT];
    sc_buf_add_char(out, '[');
    for (const struct sc_notice *n = set->first; n; n = n->next) {
        sc_buf_addf(out, "%s{\"reason\":\"%s\",\"detail\":", n == set->first ? "" : ",", sc_reason_code(n->reason));
        sc_buf_add_json(out, sc_str_of(n->detail));
        sc_buf_add_str(out, ",\"advice\":");
        sc_buf_add_json(out, sc_str_of(n->advice));
        sc_buf_addf(out, ",\"since\":\"%s\"}", sc_time_rfc3339(n->since_ms, time));
    }
    sc_buf_add_char(out, ']');
}

void sc_notices_done(struct sc_notices *set)
{
    while (set->first) {
        struct sc_notice *next = set->first->next;
        notice_free(set->first);
        set->first = next;
    }
}
