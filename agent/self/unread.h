/* From one look at the stream to the next: does anybody read it, is anything deleted before it was read, when is it full? Pure: the times are those
 * of the reports. One owner. */
#pragma once

#include "nats/look.h"

#define SC_UNREAD_SAMPLES 60 /* for rates: an hour of looks */

struct sc_unread_consumer {
    char name[128];
    uint64_t delivered, floor;          /* at the last look */
    int64_t moved_mono_ms, moved_real_ms; /* when it was first seen where it is */
    int64_t longest_ms;                 /* longest time between two moves so far: how often it usually comes */
    uint32_t seen;                      /* number of the look that saw it last */
};

struct sc_unread {
    struct {
        int64_t mono_ms;
        uint64_t last_seq, messages, bytes;
    } samples[SC_UNREAD_SAMPLES]; /* ring */
    uint32_t count;
    char stream[256], created[64];
    struct sc_unread_consumer consumers[SC_CONSUMERS_MAX];
    uint32_t consumer_count, looks, none; /* none: looks in a row without any reader */
};

struct sc_unread_verdict {
    bool unread, filling;
    char unread_text[400]; /* stream_unread */
    char filling_text[300]; /* a stream that refuses when full nears that */
    double records_per_s;  /* that come in; -1: not known yet */
    int64_t full_in_ms;    /* -1: not in sight */
};

/* Patience is counted in looks: five without a reader, five (or three times its usual pause) of a consumer that does not move. */
void sc_unread_look(struct sc_unread *u, const struct sc_look_report *report, const char *subject, struct sc_unread_verdict *ret);
