/* Records that could not be published, as the status tells them: they are in the dead letters, and each was named in the log. Told for a day: the next
 * poll may be clean, and nobody looked in between. io thread of the poller. */
#include "operate/times.h"
#include "poll/poller.h"

#include <stdio.h>

#define KEEP_MS 86400000

static struct sc_odd *odd_of(struct sc_poller *p, enum sc_reason reason)
{
    return reason == SC_REASON_RECORD_TOO_LARGE ? &p->too_large : &p->unreadable;
}

void sc_odd_refused(struct sc_poller *p, enum sc_reason reason, struct sc_str id, const char *why)
{
    struct sc_odd *odd = odd_of(p, reason);
    int64_t now = sc_real_ms();
    if (odd->walk_ms != p->walk_began) /* those of this walk are counted */
        odd->count = 0;
    odd->walk_ms = p->walk_began;
    odd->count++;
    odd->at_ms = now;
    snprintf(odd->last, sizeof odd->last, "%.*s %.100s", id.len < 60 ? (int)id.len : 60, id.ptr ? id.ptr : "", why);
}

bool sc_odd_words(struct sc_poller *p, enum sc_reason reason, char *out, size_t cap)
{
    struct sc_odd *odd = odd_of(p, reason);
    int64_t now = sc_real_ms();
    char at[SC_TIME_TEXT], count[SC_CLOCK_TEXT];
    if (!odd->at_ms || now - odd->at_ms >= KEEP_MS || now < odd->at_ms)
        return false;
    snprintf(out, cap, "%s %s of the poll at %s %s, the last one: %s; in %.200s", sc_count_text(odd->count, count), p->type->noun,
             sc_time_short(odd->at_ms, now, at), reason == SC_REASON_RECORD_TOO_LARGE ? "could not be published for their size" : "could not be read", odd->last,
             p->inst->io->config.settings->dead_letter_dir);
    return true;
}
