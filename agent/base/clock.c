/* Clocks and forms of time. Parsers work on a cursor that goes `bad` at the first surprise and
 * stays so; the end is checked once. No libc time zone, no locale. */
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

#define DAY_MS ((int64_t)86400 * 1000)

/* ---- clocks ---- */

static int64_t read_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t sc_mono_ms(void)
{
    return read_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t sc_boot_ms(void)
{
    return read_ns(CLOCK_BOOTTIME) / 1000000;
}

int64_t sc_real_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t sc_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

/* ---- calendar ---- */

struct moment {
    int year, month, day, hour, minute, second, ms;
    int zone_minutes; /* east of Greenwich */
};

/* Days since 1970-01-01 of the proleptic Gregorian calendar: years begin in March, so the leap day
 * is a year's last. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void date_of(int64_t days, struct moment *at)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    at->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    at->month = (int)(month < 10 ? month + 3 : month - 9);
    at->year = (int)(year_of_era + era * 400 + (at->month <= 2));
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool is_valid(const struct moment *at)
{
    return at->month >= 1 && at->month <= 12 && at->day >= 1 &&
           at->day <= days_in_month(at->year, at->month) && at->hour <= 23 && at->minute <= 59 &&
           at->second <= 60;
}

static int64_t ms_of(const struct moment *at)
{
    if (!is_valid(at))
        return SC_TIME_NONE;
    /* A leap second has no number of its own: it is the last millisecond before the next minute. */
    int second = at->second == 60 ? 59 : at->second;
    int ms = at->second == 60 ? 999 : at->ms;
    int64_t minutes = (days_of(at->year, at->month, at->day) * 24 + at->hour) * 60 + at->minute -
                      at->zone_minutes;
    return (minutes * 60 + second) * 1000 + ms;
}

/* False when the year needs more or less than four digits. */
static bool moment_of(int64_t ms, struct moment *at)
{
    int64_t days = ms / DAY_MS - (ms % DAY_MS < 0);
    if (days < days_of(0, 1, 1) || days > days_of(9999, 12, 31))
        return false;
    int of_day = (int)(ms - days * DAY_MS);
    date_of(days, at);
    at->hour = of_day / 3600000;
    at->minute = of_day / 60000 % 60;
    at->second = of_day / 1000 % 60;
    at->ms = of_day % 1000;
    return true;
}

/* ---- writing ---- */

const char *sc_time_rfc3339(int64_t ms, char buf[SC_TIME_TEXT])
{
    struct moment at = {0};
    buf[0] = '\0';
    if (moment_of(ms, &at)) /* the casts tell the compiler how long each part can be */
        snprintf(buf, SC_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                 (unsigned)at.year % 10000u, (unsigned)at.month % 100u, (unsigned)at.day % 100u,
                 (unsigned)at.hour % 100u, (unsigned)at.minute % 100u, (unsigned)at.second % 100u,
                 (unsigned)at.ms % 1000u);
    return buf;
}

const char *sc_time_short(int64_t ms, int64_t now_ms, char buf[SC_TIME_TEXT])
{
    struct moment at = {0};
    int64_t apart;
    if (__builtin_sub_overflow(ms, now_ms, &apart) || apart <= -DAY_MS || apart >= DAY_MS ||
        !moment_of(ms, &at))
        return sc_time_rfc3339(ms, buf);
    snprintf(buf, SC_TIME_TEXT, "%02d:%02d:%02dZ", at.hour, at.minute, at.second);
    return buf;
}

const char *sc_duration_text(int64_t ms, char buf[SC_TIME_TEXT])
{
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {
        {86400000, "d"  },
        {3600000,  "h"  },
        {60000,    "min"},
        {1000,     "s"  },
        {1,        "ms" }
    };
    enum { LAST = sizeof units / sizeof units[0] - 1 };
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    int i = 0;
    while (i < LAST && left < units[i].ms)
        i++;
    uint64_t first = left / units[i].ms;
    uint64_t second = i < LAST ? left % units[i].ms / units[i + 1].ms : 0;
    int len =
        snprintf(buf, SC_TIME_TEXT, "%s%" PRIu64 " %s", ms < 0 ? "-" : "", first, units[i].name);
    if (second)
        snprintf(buf + len, (size_t)(SC_TIME_TEXT - len), " %" PRIu64 " %s", second,
                 units[i + 1].name);
    return buf;
}

/* ---- the cursor ---- */

struct scan {
    const char *p, *end;
    bool bad;
};

static struct scan scan_of(struct sc_str text)
{
    return (struct scan){text.ptr, text.ptr ? text.ptr + text.len : NULL, false};
}

static bool at_end(const struct scan *s)
{
    return s->p == s->end;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool at_digit(const struct scan *s)
{
    return !at_end(s) && is_digit(*s->p);
}

/* One of these characters, or 0 and nothing is read. */
static char accept(struct scan *s, const char *any_of)
{
    if (s->bad || at_end(s) || *s->p == '\0' || !strchr(any_of, *s->p))
        return 0;
    return *s->p++;
}

static void expect(struct scan *s, const char *any_of)
{
    if (!accept(s, any_of))
        s->bad = true;
}

static void expect_text(struct scan *s, const char *text)
{
    size_t len = strlen(text);
    if (s->bad || (size_t)(s->end - s->p) < len || memcmp(s->p, text, len) != 0)
        s->bad = true;
    else
        s->p += len;
}

/* Exactly n digits. */
static int number(struct scan *s, int n)
{
    int value = 0;
    for (; n > 0; n--) {
        if (s->bad || !at_digit(s)) {
            s->bad = true;
            return 0;
        }
        value = value * 10 + (*s->p++ - '0');
    }
    return value;
}

/* The place of the name that stands here; the names are tried in order. */
static int name_of(struct scan *s, const char *const *names)
{
    for (int i = 0; names[i] && !s->bad; i++) {
        size_t len = strlen(names[i]);
        if ((size_t)(s->end - s->p) >= len && memcmp(s->p, names[i], len) == 0) {
            s->p += len;
            return i;
        }
    }
    s->bad = true;
    return 0;
}

static int64_t finish(const struct scan *s, const struct moment *at)
{
    return s->bad || !at_end(s) ? SC_TIME_NONE : ms_of(at);
}

/* ---- RFC 3339 ---- */

static void scan_date(struct scan *s, struct moment *at)
{
    at->year = number(s, 4);
    expect(s, "-");
    at->month = number(s, 2);
    expect(s, "-");
    at->day = number(s, 2);
}

static void scan_clock(struct scan *s, struct moment *at)
{
    at->hour = number(s, 2);
    expect(s, ":");
    at->minute = number(s, 2);
    expect(s, ":");
    at->second = number(s, 2);
}

/* Any number of digits after the point; below the millisecond they are dropped. */
static void scan_fraction(struct scan *s, struct moment *at)
{
    if (!accept(s, "."))
        return;
    if (!at_digit(s))
        s->bad = true;
    for (int unit = 100; !s->bad && at_digit(s); unit /= 10)
        at->ms += unit * (*s->p++ - '0');
}

/* Z, +hh:mm, or +hhmm, which is not RFC 3339 but what several vendors send. Nothing is UTC. */
static void scan_zone(struct scan *s, struct moment *at)
{
    if (at_end(s) || accept(s, "Zz"))
        return;
    char sign = accept(s, "+-");
    int hours = number(s, 2);
    accept(s, ":");
    int minutes = number(s, 2);
    if (!sign || hours > 23 || minutes > 59)
        s->bad = true;
    at->zone_minutes = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
}

int64_t sc_time_parse_rfc3339(struct sc_str text)
{
    struct scan s = scan_of(text);
    struct moment at = {0};
    scan_date(&s, &at);
    if (!at_end(&s)) {
        expect(&s, "Tt ");
        scan_clock(&s, &at);
        scan_fraction(&s, &at);
        scan_zone(&s, &at);
    }
    return finish(&s, &at);
}

bool sc_time_is_rfc3339(struct sc_str text)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";
    size_t i = 0, n = sizeof shape - 1;
    for (; i < n && i < text.len; i++) {
        bool digit = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        if (shape[i] == 'd' ? !digit : text.ptr[i] != shape[i])
            return false;
    }
    if (i == n && i + 1 < text.len && text.ptr[i] == '.')
        for (i++; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
            ;
    bool zulu = i >= n && i + 1 == text.len && text.ptr[i] == 'Z';
    bool offset = i >= n && i + 6 == text.len && strchr("+-", text.ptr[i]) && text.ptr[i + 3] == ':';
    for (size_t k = 1; offset && k < 6; k++)
        offset = k == 3 || (text.ptr[i + k] >= '0' && text.ptr[i + k] <= '9');
    return (zulu || offset) && text.ptr[i - 1] != '.' && sc_time_parse_rfc3339(text) != SC_TIME_NONE;
}

int64_t sc_time_parse_date(struct sc_str text)
{
    struct scan s = scan_of(text);
    struct moment at = {0};
    scan_date(&s, &at);
    return finish(&s, &at);
}

/* ---- HTTP dates ---- */

static int scan_month(struct scan *s)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
                                         "Aug", "Sep", "Oct", "Nov", "Dec", NULL};
    return name_of(s, months) + 1;
}

/* After "Sun, ": 06 Nov 1994 08:49:37 GMT */
static void scan_imf(struct scan *s, struct moment *at)
{
    at->day = number(s, 2);
    expect(s, " ");
    at->month = scan_month(s);
    expect(s, " ");
    at->year = number(s, 4);
    expect(s, " ");
    scan_clock(s, at);
    expect_text(s, " GMT");
}

/* After "Sunday, ": 06-Nov-94 08:49:37 GMT. Two digits of a year: 70..99 are 19xx, as in POSIX; a
 * rule that looks at today's date would make this function impure for a form nobody has sent since.
 */
static void scan_rfc850(struct scan *s, struct moment *at)
{
    at->day = number(s, 2);
    expect(s, "-");
    at->month = scan_month(s);
    expect(s, "-");
    int year = number(s, 2);
    at->year = year + (year < 70 ? 2000 : 1900);
    expect(s, " ");
    scan_clock(s, at);
    expect_text(s, " GMT");
}

/* After "Sun ": Nov  6 08:49:37 1994 */
static void scan_asctime(struct scan *s, struct moment *at)
{
    at->month = scan_month(s);
    expect(s, " ");
    at->day = accept(s, " ") ? number(s, 1) : number(s, 2);
    expect(s, " ");
    scan_clock(s, at);
    expect(s, " ");
    at->year = number(s, 4);
}

/* The day's name chooses the form; whether it fits the date is not looked at. */
int64_t sc_time_parse_http(struct sc_str text)
{
    static const char *const days[] = {"Sunday", "Monday",   "Tuesday", "Wednesday", "Thursday",
                                       "Friday", "Saturday", "Sun",     "Mon",       "Tue",
                                       "Wed",    "Thu",      "Fri",     "Sat",       NULL};
    enum { SHORT_NAMES = 7 };
    struct scan s = scan_of(text);
    struct moment at = {0};
    int day = name_of(&s, days);
    if (accept(&s, " ") && day >= SHORT_NAMES) {
        scan_asctime(&s, &at);
    } else {
        expect_text(&s, ", ");
        if (day >= SHORT_NAMES)
            scan_imf(&s, &at);
        else
            scan_rfc850(&s, &at);
    }
    return finish(&s, &at);
}

/* ---- numbers ---- */

/* All digits here; false when there is none or they do not fit. */
static bool scan_digits(struct scan *s, int64_t *ret)
{
    int64_t value = 0;
    if (!at_digit(s))
        return false;
    while (at_digit(s)) {
        int digit = *s->p++ - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value))
            return false;
    }
    *ret = value; /* negative, so that INT64_MIN fits */
    return true;
}

bool sc_parse_int(struct sc_str text, int64_t *ret)
{
    struct scan s = scan_of(text);
    int64_t value;
    bool minus = accept(&s, "-");
    if (!scan_digits(&s, &value) || !at_end(&s) || (!minus && value == INT64_MIN))
        return false;
    *ret = minus ? value : -value;
    return true;
}

static void skip_blanks(struct scan *s)
{
    while (accept(s, " \t"))
        ;
}

/* Fraction in ms, rounded up: these are waits, and to ask too early is the worse error. */
static int scan_fraction_up(struct scan *s)
{
    int ms = 0, unit = 100;
    bool more = false;
    for (; at_digit(s); unit /= 10) {
        int digit = *s->p++ - '0';
        ms += unit * digit;
        more |= unit == 0 && digit > 0;
    }
    return ms + more;
}

int64_t sc_parse_seconds_ms(struct sc_str text)
{
    struct scan s = scan_of(text);
    int64_t seconds, ms;
    int fraction = 0;
    skip_blanks(&s);
    if (!scan_digits(&s, &seconds))
        return -1;
    if (accept(&s, ".")) {
        if (!at_digit(&s))
            return -1;
        fraction = scan_fraction_up(&s);
    }
    skip_blanks(&s);
    if (!at_end(&s)) {
        static const char *const words[] = {"seconds", "s", NULL};
        name_of(&s, words);
        skip_blanks(&s);
    }
    if (s.bad || !at_end(&s))
        return -1;
    /* `seconds` is negative, see scan_digits() */
    if (__builtin_mul_overflow(seconds, -1000, &ms) || __builtin_add_overflow(ms, fraction, &ms))
        return -1;
    return ms;
}
