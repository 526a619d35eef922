/* Clocks and forms of time. Pure code takes `now` as an argument; only loops read the clock. */
#pragma once

#include <signal/types.h>
#include <time.h>

int64_t sc_mono_ms(void);  /* CLOCK_MONOTONIC: waits, timers */
int64_t sc_boot_ms(void);  /* CLOCK_BOOTTIME: leases (counts while suspended) */
int64_t sc_real_ms(void);  /* CLOCK_REALTIME */
int64_t sc_mono_ns(void);

#define SC_TIME_TEXT 32
/* "2026-11-21T10:15:02.123Z". buf holds SC_TIME_TEXT bytes; returns buf. Out of range years give "". */
const char *sc_time_rfc3339(int64_t ms, char buf[SC_TIME_TEXT]);
/* "10:15:41Z" for log lines when within a day of now, else the full form. */
const char *sc_time_short(int64_t ms, int64_t now_ms, char buf[SC_TIME_TEXT]);
/* RFC 3339 with any zone and 0..9+ fraction digits (floored to ms), "YYYY-MM-DD", lower-case t/z and a blank for T allowed.
 * A time without zone is UTC; +hhmm is taken for +hh:mm; second 60 is .999 of second 59. SC_TIME_NONE when it is none. */
int64_t sc_time_parse_rfc3339(struct sc_str text);
/* Exactly RFC 3339, with T and a zone: what others may be given as it is. */
bool sc_time_is_rfc3339(struct sc_str text);
int64_t sc_time_parse_date(struct sc_str text);
/* The three forms of RFC 9110 5.6.7. */
int64_t sc_time_parse_http(struct sc_str text);
/* Non-negative decimal, optional fraction, optional blanks around, optional trailing word "s" or "seconds". -1: none.
 * Rounded up to ms: these are waits. */
int64_t sc_parse_seconds_ms(struct sc_str text);
/* Whole decimal number, '-' allowed, nothing else around it; false when it is none or does not fit. */
bool sc_parse_int(struct sc_str text, int64_t *ret);
/* 90061000 -> "1 d 1 h", 62000 -> "1 min 2 s", 850 -> "850 ms". */
const char *sc_duration_text(int64_t ms, char buf[SC_TIME_TEXT]);
