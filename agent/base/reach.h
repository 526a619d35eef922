/* What this process has met lately at the hosts that it asks: who answered, who did not, and what strange certificates, pages and clocks they
 * showed. So that a fault of one host can be told from a fault of everything. Process-wide, thread-safe, memory of fixed size: of 256 hosts the one
 * met longest ago makes room. Names are compared as they are; none is remembered longer than told below. */
#pragma once

#include <signal/reason.h>
#include <signal/types.h>

#define SC_REACH_MS 900000 /* "lately" */

/* It answered, whatever it said. Ends what was marked of its certificates. direct: without a proxy. */
void sc_reach_answered(const char *host, bool direct);
/* It could not be reached. */
void sc_reach_failed(const char *host, enum sc_reason reason, bool direct);

struct sc_reach_count {
    unsigned answered, failed; /* lately, each counted by its newest end */
    unsigned answered_direct, failed_direct; /* of them */
};
struct sc_reach_count sc_reach_others(const char *host); /* all but that one */

/* The same strange thing at several hosts. */
enum sc_reach_mark {
    SC_MARK_ISSUER,   /* a CA that nobody trusts has signed its certificate */
    SC_MARK_DATES,    /* its certificate is not valid now */
    SC_MARK_PAGE,     /* a web page in place of data */
    SC_MARK_REDIRECT, /* it sends elsewhere */
    SC_MARKS
};
/* Notes it and returns how many other hosts have shown the same lately. */
unsigned sc_reach_mark(const char *host, enum sc_reach_mark mark, const char *what);
void sc_reach_unmark(const char *host, enum sc_reach_mark mark);

#define SC_REACH_CUTS 16 /* so many are remembered */
/* A connection was cut at that age (0: not known). */
struct sc_reach_cuts {
    unsigned count;        /* in the last hour, this one included */
    int64_t median_age_ms; /* of those whose age is known; 0: none is */
};
struct sc_reach_cuts sc_reach_cut(const char *host, int64_t age_ms);

/* A host's clock less ours, and that of the NATS server. */
void sc_reach_clock(const char *host, int64_t off_ms);
void sc_reach_nats_clock(int64_t off_ms);
/* With whom the others agree, about a host whose clock is off by that much: with us, or with it. Hosts that are off by something else, or have not
 * said lately, count for nobody. */
struct sc_reach_clocks {
    unsigned with_us, with_it; /* hosts */
    bool nats_with_us, nats_with_it;
};
struct sc_reach_clocks sc_reach_clocks(const char *host, int64_t off_ms);
/* By how much this host's clock is off, by the word of NATS, or of three hosts that agree; SC_TIME_NONE: nobody can say. */
int64_t sc_reach_own_error(void);

/* How long names take: every lookup that was one is told; nameservers are everybody's. */
#define SC_REACH_LOOKUPS 16
#define SC_REACH_SLOW_MS 1000
struct sc_reach_lookups {
    unsigned count;       /* newest ones that are remembered, this one included */
    unsigned slow;        /* of them, SC_REACH_SLOW_MS and more */
    unsigned newest_slow; /* of the newest half */
    uint32_t p95_ms;
};
struct sc_reach_lookups sc_reach_lookup(uint32_t ms);

void sc_reach_forget(void); /* everything: for tests */
