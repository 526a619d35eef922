/* Forms of time: strict, by table; the calendar against one that counts days one by one. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define NONE       SC_TIME_NONE

struct time_row {
    const char *in;
    int64_t want;
    const char *why;
};

/* Each row as it is, and cut after every byte, before a page that may not be read. */
static void check_times(const struct time_row *rows, size_t count, int64_t (*parse)(struct sc_str))
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(rows[i].in);
        struct guard g = guard_copy(rows[i].in, len);
        CHECK_INT(rows[i].why, parse((struct sc_str){g.ptr, g.len}), rows[i].want);
        guard_done(&g);
        for (size_t cut = 0; cut < len; cut++) {
            g = guard_copy(rows[i].in, cut);
            (void)parse((struct sc_str){g.ptr, g.len});
            guard_done(&g);
        }
    }
    CHECK_INT("absent", parse((struct sc_str){0}), NONE);
    CHECK_INT("a NUL is no digit", parse((struct sc_str){"2026-11-21\0", 11}), NONE);
}

static void test_clock_rfc3339(void **state)
{
    (void)state;
    static const struct time_row rows[] = {
        {"1970-01-01T00:00:00Z",                      0,               "epoch"                             },
        {"2026-11-21T10:15:02.123Z",                  1795256102123,   "ms"                                },
        {"2026-11-21T10:15:02Z",                      1795256102000,   "no fraction"                       },
        {"2026-11-21t10:15:02z",                      1795256102000,   "lower case"                        },
        {"2026-11-21 10:15:02Z",                      1795256102000,   "blank for T"                       },
        {"2026-11-21T10:15:02",                       1795256102000,   "no zone is UTC"                    },
        {"2026-11-21T10:15:02.5",                     1795256102500,   "no zone, fraction"                 },
        {"2026-11-21",                                1795219200000,   "date alone"                        },
        {"2026-11-21T10:15:02.1Z",                    1795256102100,   "1 digit"                           },
        {"2026-11-21T10:15:02.12Z",                   1795256102120,   "2 digits"                          },
        {"2026-11-21T10:15:02.1239Z",                 1795256102123,   "floor, not round"                  },
        {"2026-11-21T10:15:02.999999999Z",            1795256102999,   "9 digits floor"                    },
        {"2026-11-21T10:15:02.00099999999999999999Z", 1795256102000,   "more than fit a number"            },
        {"2026-11-21T10:15:02+01:00",                 1795252502000,   "east is earlier"                   },
        {"2026-11-21T10:15:02-08:00",                 1795284902000,   "west is later"                     },
        {"2026-11-21T10:15:02.123+05:45",             1795235402123,   "quarter hours"                     },
        {"2026-11-21T10:15:02+0000",                  1795256102000,   "zone without colon"                },
        {"2026-11-21T10:15:02-0330",                  1795268702000,   "zone without colon, west"          },
        {"2026-11-21T10:15:02-00:00",                 1795256102000,   "unknown zone is UTC"               },
        {"2026-11-21T10:15:02+23:59",                 1795169762000,   "largest zone"                      },
        {"1969-12-31T23:59:59.999Z",                  -1,              "before the epoch"                  },
        {"1970-01-01T00:59:59.999+01:00",             -1,              "before the epoch by the zone"      },
        {"0000-01-01T00:00:00Z",                      -62167219200000, "first of four digits"              },
        {"9999-12-31T23:59:59.999Z",                  253402300799999, "last of four digits"               },
        {"2024-02-29T00:00:00Z",                      1709164800000,   "leap year"                         },
        {"2000-02-29T00:00:00Z",                      951782400000,    "leap century"                      },
        {"2016-12-31T23:59:60Z",                      1483228799999,   "leap second: last ms of the minute"},
        {"2016-12-31T23:59:60.5Z",                    1483228799999,   "leap second with fraction"         },
        {"2017-01-01T00:59:60+01:00",                 1483228799999,   "leap second elsewhere"             },
        {"2023-02-29T00:00:00Z",                      NONE,            "no leap year"                      },
        {"1900-02-29T00:00:00Z",                      NONE,            "no leap century"                   },
        {"2026-04-31T00:00:00Z",                      NONE,            "30 days"                           },
        {"2026-01-32T00:00:00Z",                      NONE,            "31 days"                           },
        {"2026-00-10T00:00:00Z",                      NONE,            "month 0"                           },
        {"2026-13-10T00:00:00Z",                      NONE,            "month 13"                          },
        {"2026-11-00T00:00:00Z",                      NONE,            "day 0"                             },
        {"2026-11-21T24:00:00Z",                      NONE,            "hour 24"                           },
        {"2026-11-21T10:60:00Z",                      NONE,            "minute 60"                         },
        {"2026-11-21T10:15:61Z",                      NONE,            "second 61"                         },
        {"2026-11-21T10:15:02+24:00",                 NONE,            "zone of a day"                     },
        {"2026-11-21T10:15:02+01:60",                 NONE,            "zone minute 60"                    },
        {"2026-11-21T10:15:02+01",                    NONE,            "zone without minutes"              },
        {"2026-11-21T10:15:02+1:00",                  NONE,            "zone hour of one digit"            },
        {"2026-11-21T10:15:02 Z",                     NONE,            "blank before the zone"             },
        {"2026-11-21T10:15:02Zx",                     NONE,            "something behind"                  },
        {"2026-11-21T10:15:02Z ",                     NONE,            "blank behind"                      },
        {" 2026-11-21T10:15:02Z",                     NONE,            "blank before"                      },
        {"2026-11-21T10:15:02.Z",                     NONE,            "point without digits"              },
        {"2026-11-21T10:15:02,1Z",                    NONE,            "comma"                             },
        {"2026-11-21T10:15Z",                         NONE,            "no seconds"                        },
        {"2026-11-21T",                               NONE,            "nothing after T"                   },
        {"2026-11-21T10:15:0",                        NONE,            "one digit"                         },
        {"2026-11-21X10:15:02Z",                      NONE,            "no T"                              },
        {"2026-1-21T10:15:02Z",                       NONE,            "month of one digit"                },
        {"20261121T101502Z",                          NONE,            "basic form"                        },
        {"26-11-21T10:15:02Z",                        NONE,            "year of two digits"                },
        {"+2026-11-21T10:15:02Z",                     NONE,            "signed year"                       },
        {"2026-11-2\xD9\xA1T10:15:02Z",               NONE,            "digits of another script"          },
        {"1795256102",                                NONE,            "a number"                          },
        {"",                                          NONE,            "empty"                             },
    };
    check_times(rows, ROWS(rows), sc_time_parse_rfc3339);
}

static void test_clock_date(void **state)
{
    (void)state;
    static const struct time_row rows[] = {
        {"2026-11-21",           1795219200000, "date"            },
        {"1969-12-31",           -86400000,     "before the epoch"},
        {"2024-02-29",           1709164800000, "leap day"        },
        {"2023-02-29",           NONE,          "no leap day"     },
        {"2026-11-21T",          NONE,          "something behind"},
        {"2026-11-21T10:15:02Z", NONE,          "a time"          },
        {"2026/11/21",           NONE,          "slashes"         },
        {"2026-11",              NONE,          "no day"          },
    };
    check_times(rows, ROWS(rows), sc_time_parse_date);
}

static void test_clock_http(void **state)
{
    (void)state;
    static const struct time_row rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT",    784111777000,  "IMF-fixdate"                       },
        {"Sunday, 06-Nov-94 08:49:37 GMT",   784111777000,  "RFC 850"                           },
        {"Sun Nov  6 08:49:37 1994",         784111777000,  "asctime"                           },
        {"Wed Nov 16 08:49:37 1994",         784975777000,  "asctime, two digits of a day"      },
        {"Tue, 29 Feb 2028 23:59:59 GMT",    1835481599000, "leap day"                          },
        {"Sat, 31 Dec 2016 23:59:60 GMT",    1483228799999, "leap second"                       },
        {"Thursday, 01-Jan-70 00:00:00 GMT", 0,             "70 is 1970"                        },
        {"Sunday, 01-Jan-69 00:00:00 GMT",   3124224000000, "69 is 2069"                        },
        {"Mon, 06 Nov 1994 08:49:37 GMT",    784111777000,  "the day's name is not compared"    },
        {"Sun, 06 Nov 1994 08:49:37 UTC",    NONE,          "only GMT"                          },
        {"Sun, 06 Nov 1994 08:49:37",        NONE,          "no zone"                           },
        {"Sun, 06 Nov 1994 08:49:37 GMT ",   NONE,          "blank behind"                      },
        {"Sun, 6 Nov 1994 08:49:37 GMT",     NONE,          "day of one digit"                  },
        {"Sun, 06 Nov 94 08:49:37 GMT",      NONE,          "year of two digits in the new form"},
        {"Sun, 06-Nov-94 08:49:37 GMT",      NONE,          "short day name with the old form"  },
        {"Sunday, 06 Nov 1994 08:49:37 GMT", NONE,          "long day name with the new form"   },
        {"Sunday Nov  6 08:49:37 1994",      NONE,          "long day name with asctime"        },
        {"Xyz, 06 Nov 1994 08:49:37 GMT",    NONE,          "no day"                            },
        {"Sun, 06 nov 1994 08:49:37 GMT",    NONE,          "names mind case"                   },
        {"Sun, 31 Nov 1994 08:49:37 GMT",    NONE,          "30 days"                           },
        {"Sun, 00 Nov 1994 08:49:37 GMT",    NONE,          "day 0"                             },
        {"Sun Nov 6 08:49:37 1994",          NONE,          "asctime without the filling blank" },
        {"1994-11-06T08:49:37Z",             NONE,          "another form"                      },
        {"120",                              NONE,          "seconds"                           },
        {"",                                 NONE,          "empty"                             },
    };
    check_times(rows, ROWS(rows), sc_time_parse_http);
}

static void test_clock_write(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = {
        {0,               "1970-01-01T00:00:00.000Z"},
        {-1,              "1969-12-31T23:59:59.999Z"},
        {1795256102123,   "2026-11-21T10:15:02.123Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, ""                        },
        {-62167219200000, "0000-01-01T00:00:00.000Z"},
        {-62167219200001, ""                        },
        {INT64_MAX,       ""                        },
        {SC_TIME_NONE,    ""                        },
    };
    char buf[SC_TIME_TEXT];
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_TEXT(rows[i].want, sc_time_rfc3339(rows[i].ms, buf), rows[i].want);
}

static void test_clock_short(void **state)
{
    (void)state;
    const int64_t now = 1795256102123, day = 86400000;
    static const struct {
        int64_t offset;
        const char *want, *why;
    } rows[] = {
        {0,         "10:15:02Z",                "now"                },
        {39000,     "10:15:41Z",                "soon"               },
        {-86399999, "10:15:02Z",                "less than a day ago"},
        {-86400000, "2026-11-20T10:15:02.123Z", "a day ago"          },
        {86400000,  "2026-11-22T10:15:02.123Z", "in a day"           },
    };
    char buf[SC_TIME_TEXT];
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_TEXT(rows[i].why, sc_time_short(now + rows[i].offset, now, buf), rows[i].want);
    CHECK_TEXT("none", sc_time_short(SC_TIME_NONE, now, buf), "");
    CHECK_TEXT("no such year", sc_time_short(INT64_MAX, INT64_MAX - day / 2, buf), "");
}

/* Day by day through ten thousand years, by nothing but the lengths of months. */
static void test_clock_calendar(void **state)
{
    (void)state;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t ms = -62167219200000;
    for (int year = 0; year <= 9999; year++) {
        bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
        for (int month = 1; month <= 12; month++) {
            int days = lengths[month - 1] + (month == 2 && leap);
            for (int day = 1; day <= days; day++, ms += 86400000) {
                if (day > 1 && day < days && (day + year) % 11)
                    continue;
                char want[64], got[SC_TIME_TEXT];
                snprintf(want, sizeof want, "%04d-%02d-%02dT12:34:56.789Z", year, month, day);
                CHECK_TEXT("written", sc_time_rfc3339(ms + 45296789, got), want);
                CHECK_INT(want, sc_time_parse_rfc3339(sc_str_of(want)), ms + 45296789);
            }
        }
    }
}

static void test_clock_seconds(void **state)
{
    (void)state;
    static const struct time_row rows[] = {
        {"0",                             0,                   "zero"                    },
        {"120",                           120000,              "whole"                   },
        {"1.5",                           1500,                "fraction"                },
        {"1.25 s",                        1250,                "s"                       },
        {"30s",                           30000,               "s without blank"         },
        {" \t30  seconds ",               30000,               "blanks around"           },
        {"0.0001",                        1,                   "a wait is rounded up"    },
        {"0.1230000",                     123,                 "zeros do not round"      },
        {"007",                           7000,                "leading zeros"           },
        {"9223372036854775",              9223372036854775000, "largest"                 },
        {"9223372036854775.807",          INT64_MAX,           "largest with fraction"   },
        {"9223372036854775.808",          -1,                  "does not fit"            },
        {"9223372036854776",              -1,                  "does not fit"            },
        {"99999999999999999999999",       -1,                  "does not fit a number"   },
        {"-1",                            -1,                  "negative"                },
        {"+1",                            -1,                  "sign"                    },
        {".5",                            -1,                  "no whole part"           },
        {"5.",                            -1,                  "no digit after the point"},
        {"5 sec",                         -1,                  "another word"            },
        {"5 m",                           -1,                  "another unit"            },
        {"1e3",                           -1,                  "exponent"                },
        {"5 5",                           -1,                  "two numbers"             },
        {"s",                             -1,                  "a word alone"            },
        {"Sun, 06 Nov 1994 08:49:37 GMT", -1,                  "a date"                  },
        {"",                              -1,                  "empty"                   },
        {"  ",                            -1,                  "blanks"                  },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct guard g = guard_copy(rows[i].in, strlen(rows[i].in));
        CHECK_INT(rows[i].why, sc_parse_seconds_ms((struct sc_str){g.ptr, g.len}), rows[i].want);
        guard_done(&g);
    }
    CHECK_INT("absent", sc_parse_seconds_ms((struct sc_str){0}), -1);
}

static void test_clock_int(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool good;
        int64_t want;
    } rows[] = {
        {"0",                    true,  0        },
        {"-0",                   true,  0        },
        {"0042",                 true,  42       },
        {"-42",                  true,  -42      },
        {"9223372036854775807",  true,  INT64_MAX},
        {"9223372036854775808",  false, 0        },
        {"-9223372036854775808", true,  INT64_MIN},
        {"-9223372036854775809", false, 0        },
        {"18446744073709551616", false, 0        },
        {"",                     false, 0        },
        {"-",                    false, 0        },
        {"+1",                   false, 0        },
        {" 1",                   false, 0        },
        {"1 ",                   false, 0        },
        {"1.0",                  false, 0        },
        {"0x10",                 false, 0        },
        {"12a",                  false, 0        },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t got = 77;
        struct guard g = guard_copy(rows[i].in, strlen(rows[i].in));
        CHECK_INT(rows[i].in, sc_parse_int((struct sc_str){g.ptr, g.len}, &got), rows[i].good);
        CHECK_INT(rows[i].in, got, rows[i].good ? rows[i].want : 77);
        guard_done(&g);
    }
}

static void test_clock_duration(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = {
        {0,                "0 ms"               },
        {850,              "850 ms"             },
        {1000,             "1 s"                },
        {1500,             "1 s 500 ms"         },
        {62000,            "1 min 2 s"          },
        {60999,            "1 min"              },
        {3600000,          "1 h"                },
        {90061000,         "1 d 1 h"            },
        {86400000 + 60000, "1 d"                },
        {-62000,           "-1 min 2 s"         },
        {INT64_MAX,        "106751991167 d 7 h" },
        {INT64_MIN,        "-106751991167 d 7 h"},
    };
    char buf[SC_TIME_TEXT];
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_TEXT(rows[i].want, sc_duration_text(rows[i].ms, buf), rows[i].want);
}

static void test_clock_reads(void **state)
{
    (void)state;
    int64_t mono = sc_mono_ms(), mono_ns = sc_mono_ns(), boot = sc_boot_ms();
    CHECK_TRUE("goes forward",
               sc_mono_ms() >= mono && sc_mono_ns() >= mono_ns && sc_boot_ms() >= boot);
    CHECK_TRUE("ns and ms agree", mono_ns / 1000000 >= mono);
    CHECK_TRUE("boot counts sleep too", boot >= mono);
    CHECK_TRUE("this century", sc_real_ms() > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_rfc3339),  cmocka_unit_test(test_clock_date),
        cmocka_unit_test(test_clock_http),     cmocka_unit_test(test_clock_write),
        cmocka_unit_test(test_clock_short),    cmocka_unit_test(test_clock_calendar),
        cmocka_unit_test(test_clock_seconds),  cmocka_unit_test(test_clock_int),
        cmocka_unit_test(test_clock_duration), cmocka_unit_test(test_clock_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
