#include "operate/times.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *words, *advice;
} kinds[SC_SPENT_KINDS + 1] = {
    [SC_SPENT_DNS] = {"dns", "looking up names",
                      "Look at the nameservers in this host's resolv.conf: one that does not answer costs seconds each time; take it out."},
    [SC_SPENT_CONNECT] = {"connect", "connecting", "Use a nearer proxy, or find out what on the way makes connections slow or closes them each time."},
    [SC_SPENT_TLS] = {"tls", "agreeing on TLS", "Use a nearer proxy, or find out what on the way opens TLS or closes connections each time."},
    [SC_SPENT_FIRST_BYTE] = {"first_byte", "waiting for the vendor's first byte",
                             "Ask for larger pages (settings.page_size), or use a nearer proxy: each request waits that long."},
    [SC_SPENT_TRANSFER] = {"transfer", "transferring", "It needs a wider or nearer way to the vendor (proxy, bandwidth); a longer interval does not help."},
    [SC_SPENT_BUDGET_WAIT] = {"budget_wait", "waiting for the vendor's limit",
                              "Lengthen poll_interval_minutes, ask for larger pages (settings.page_size), or ask the vendor for a higher limit."},
    [SC_SPENT_NATS_WAIT] = {"nats_wait", "waiting for NATS", "Look at the disk and the load of NATS: its acknowledgements take that long."},
    [SC_SPENT_BACK_OFF] = {"back_off", "waiting after failed requests", "Look at the log for the failures: they, and the waits after them, take the time."},
    [SC_SPENT_VENDOR_WAIT] = {"vendor_wait", "waiting for what the vendor makes",
                              "The vendor takes that long to make what is asked for: lengthen poll_interval_minutes."},
    [SC_SPENT_KINDS] = {"other", "reading and publishing", "Poll less at once (poll.max_concurrent), or give this host more processor time."},
};

const char *sc_spent_name(enum sc_spent kind)
{
    return kinds[kind].name;
}

const char *sc_spent_words(enum sc_spent kind)
{
    return kinds[kind].words;
}

const char *sc_spent_advice(enum sc_spent kind)
{
    return kinds[kind].advice;
}

enum sc_spent sc_times_most(const struct sc_poll_times *times, unsigned *ret_percent)
{
    enum sc_spent most = SC_SPENT_DNS;
    for (unsigned i = 1; i < SC_SPENT_KINDS; i++) {
        if (times->ms[i] > times->ms[most])
            most = i;
    }
    *ret_percent = times->total_ms ? (unsigned)(times->ms[most] * 100 / times->total_ms) : 0;
    if (*ret_percent > 100) /* what was measured by two clocks */
        *ret_percent = 100;
    return *ret_percent >= 10 ? most : SC_SPENT_KINDS;
}

const char *sc_clock_text(int64_t ms, char room[SC_CLOCK_TEXT])
{
    int64_t s = ms > 0 ? (ms + 500) / 1000 : 0;
    if (s >= 3600)
        snprintf(room, SC_CLOCK_TEXT, "%lld:%02d:%02d", (long long)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    else
        snprintf(room, SC_CLOCK_TEXT, "%d:%02d", (int)(s / 60), (int)(s % 60));
    return room;
}

const char *sc_count_text(uint64_t n, char room[SC_CLOCK_TEXT])
{
    char plain[24];
    size_t len = (size_t)snprintf(plain, sizeof plain, "%llu", (unsigned long long)n), at = 0;
    for (size_t i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            room[at++] = ',';
        room[at++] = plain[i];
    }
    room[at] = '\0';
    return room;
}
