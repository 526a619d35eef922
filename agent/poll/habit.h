/* How often something new usually comes: the longest pause of each of the newest days on which something came, and how much came. From this alone
 * follows how long a data type may be without records before that is worth a word. Kept in the checkpoint ("habit"), so that it survives restarts.
 * Pure: time is an argument (real ms).
 *
 * Days without anything are no entries, so the memory of a feed that brings something once a week goes back 15 weeks. A pause that somebody was warned
 * of counts as no more than the patience that there was: an outage teaches little, a new habit is learnt all the same. */
#pragma once

#include "base/buf.h"
#include <jansson.h>

#define SC_HABIT_DAYS 15u

struct sc_habit_day {
    int32_t day;        /* since 1970 */
    uint32_t longest_s; /* pause that ended on it */
    uint64_t records;
};

struct sc_habit { /* all zero: nothing has come yet */
    int64_t begun_ms, last_ms; /* the first and the newest arrival; 0: none */
    struct sc_habit_day days[SC_HABIT_DAYS]; /* oldest first */
    uint32_t count;
};

/* Something new came. watched: the source was asked, with good answers, all the time since something came last (else the pause teaches nothing). */
void sc_habit_came(struct sc_habit *habit, int64_t now_ms, uint64_t records, bool watched);
/* After how long without anything it is worth a word; 0: not known yet. Not before a day is known, and a first day teaches nothing of nights: 5 times
 * the longest pause, at least 6 hours; once a week and a day are known, 2 times, at least an hour. */
int64_t sc_habit_patience_ms(const struct sc_habit *habit);
uint32_t sc_habit_longest_s(const struct sc_habit *habit);
/* Records an hour, over the days that are kept, in thousandths; 0: not known. */
uint64_t sc_habit_rate_milli(const struct sc_habit *habit);
/* As a JSON object; not to be called before something has come. */
void sc_habit_write(const struct sc_habit *habit, struct sc_buf *out);
/* Whatever is not as it was written is left out: nothing of it is worth stopping a data type. */
void sc_habit_read(struct sc_habit *habit, const json_t *value);
