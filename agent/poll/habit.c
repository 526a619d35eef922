#include "poll/habit.h"

#include "base/clock.h"
#include <string.h>

#define DAY_MS    INT64_C(86400000)
#define HOUR_MS   INT64_C(3600000)
#define LONGEST_S 31536000u /* a year */

static int32_t day_of(int64_t ms)
{
    return (int32_t)(ms / DAY_MS);
}

static struct sc_habit_day *today(struct sc_habit *h, int64_t now_ms)
{
    int32_t day = day_of(now_ms);
    if (h->count && h->days[h->count - 1].day >= day)
        return &h->days[h->count - 1];
    if (h->count == SC_HABIT_DAYS) {
        memmove(h->days, h->days + 1, (SC_HABIT_DAYS - 1) * sizeof *h->days);
        h->count--;
    }
    h->days[h->count] = (struct sc_habit_day){.day = day};
    return &h->days[h->count++];
}

void sc_habit_came(struct sc_habit *habit, int64_t now_ms, uint64_t records, bool watched)
{
    int64_t pause = habit->last_ms ? now_ms - habit->last_ms : 0, patience = sc_habit_patience_ms(habit);
    if (!habit->begun_ms || now_ms < habit->begun_ms)
        habit->begun_ms = now_ms;
    if (patience && pause > patience)
        pause = patience;
    habit->last_ms = now_ms;
    struct sc_habit_day *day = today(habit, now_ms);
    day->records += records;
    if (watched && pause > 0 && pause / 1000 > day->longest_s)
        day->longest_s = pause / 1000 < LONGEST_S ? (uint32_t)(pause / 1000) : LONGEST_S;
}

uint32_t sc_habit_longest_s(const struct sc_habit *habit)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < habit->count; i++)
        longest = habit->days[i].longest_s > longest ? habit->days[i].longest_s : longest;
    return longest;
}

int64_t sc_habit_patience_ms(const struct sc_habit *habit)
{
    int64_t known = habit->last_ms - habit->begun_ms, longest = (int64_t)sc_habit_longest_s(habit) * 1000;
    bool week = known >= 8 * DAY_MS;
    if (known < DAY_MS || !longest)
        return 0;
    int64_t patience = week ? 2 * longest : 5 * longest, least = week ? HOUR_MS : 6 * HOUR_MS;
    return patience > least ? patience : least;
}

uint64_t sc_habit_rate_milli(const struct sc_habit *habit)
{
    uint64_t records = 0;
    if (habit->count == 0)
        return 0;
    int64_t begin = habit->days[0].day * DAY_MS;
    if (begin < habit->begun_ms)
        begin = habit->begun_ms;
    int64_t span = habit->last_ms - begin;
    if (span < HOUR_MS)
        return 0;
    for (uint32_t i = 0; i < habit->count; i++)
        records += habit->days[i].records;
    return records < UINT64_MAX / (1000 * HOUR_MS) ? records * 1000 * HOUR_MS / (uint64_t)span : 0;
}

/* ---- in the checkpoint ------------------------------------------------------------------------------------------------------------------ */

void sc_habit_write(const struct sc_habit *habit, struct sc_buf *out)
{
    char begun[SC_TIME_TEXT], last[SC_TIME_TEXT];
    sc_buf_addf(out, "{\"begun\":\"%s\",\"last\":\"%s\",\"days\":[", sc_time_rfc3339(habit->begun_ms, begun), sc_time_rfc3339(habit->last_ms, last));
    for (uint32_t i = 0; i < habit->count; i++)
        sc_buf_addf(out, "%s[%d,%u,%llu]", i ? "," : "", habit->days[i].day, habit->days[i].longest_s, (unsigned long long)habit->days[i].records);
    sc_buf_add_str(out, "]}");
}

static int64_t read_time(const json_t *value, const char *name)
{
    const char *text = json_string_value(json_object_get(value, name));
    int64_t ms = text ? sc_time_parse_rfc3339(sc_str_of(text)) : SC_TIME_NONE;
    return ms > 0 ? ms : 0;
}

static bool read_day(const json_t *row, struct sc_habit_day *ret)
{
    json_int_t n[3];
    for (size_t i = 0; i < 3; i++) {
        n[i] = json_integer_value(json_array_get(row, i));
        if (n[i] < 0 || n[i] > INT64_C(1) << 50)
            return false;
    }
    if (json_array_size(row) != 3 || n[0] > INT32_MAX || n[1] > LONGEST_S)
        return false;
    *ret = (struct sc_habit_day){(int32_t)n[0], (uint32_t)n[1], (uint64_t)n[2]};
    return true;
}

void sc_habit_read(struct sc_habit *habit, const json_t *value)
{
    const json_t *days = json_object_get(value, "days");
    *habit = (struct sc_habit){.begun_ms = read_time(value, "begun"), .last_ms = read_time(value, "last")};
    if (!habit->begun_ms || habit->last_ms < habit->begun_ms) {
        *habit = (struct sc_habit){0};
        return;
    }
    for (size_t i = 0; i < json_array_size(days) && habit->count < SC_HABIT_DAYS; i++) {
        struct sc_habit_day day;
        if (!read_day(json_array_get(days, i), &day) || (habit->count && day.day <= habit->days[habit->count - 1].day))
            continue;
        habit->days[habit->count++] = day;
    }
}
