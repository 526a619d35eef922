/* What a poll spends its time on, and which of it is most of it. Pure; the commands read its names, too. */
#pragma once

#include <signal/types.h>

enum sc_spent {
    SC_SPENT_DNS,
    SC_SPENT_CONNECT,
    SC_SPENT_TLS,
    SC_SPENT_FIRST_BYTE,
    SC_SPENT_TRANSFER,    /* without pauses of ours */
    SC_SPENT_BUDGET_WAIT, /* for the vendor's limit: our own pace, and what it named in a 429 */
    SC_SPENT_NATS_WAIT,   /* for room at the publisher, acknowledgements, saves */
    SC_SPENT_BACK_OFF,    /* after failures */
    SC_SPENT_VENDOR_WAIT, /* for something that the vendor makes (an export) */
    SC_SPENT_KINDS
};

/* Of one poll: ms by kind. What is left of the total is our own work. */
struct sc_poll_times {
    uint64_t ms[SC_SPENT_KINDS];
    uint64_t total_ms; /* 0: no poll has ended yet */
    uint32_t requests;
};

const char *sc_spent_name(enum sc_spent kind);  /* as in timing_ms of the status */
const char *sc_spent_words(enum sc_spent kind); /* "waiting for the vendor's first byte" */
const char *sc_spent_advice(enum sc_spent kind); /* when it is most of a poll that takes too long; SC_SPENT_KINDS: when nothing is */
/* The kind that took most; SC_SPENT_KINDS when nothing took a tenth. */
enum sc_spent sc_times_most(const struct sc_poll_times *times, unsigned *ret_percent);
/* "4:10" for minutes and seconds, "2:10:00" above an hour. */
#define SC_CLOCK_TEXT 32
const char *sc_clock_text(int64_t ms, char room[SC_CLOCK_TEXT]);
/* "81,200" */
const char *sc_count_text(uint64_t n, char room[SC_CLOCK_TEXT]);
