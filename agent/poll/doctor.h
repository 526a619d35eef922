/* Op "doctor": one integration examined from the running agent (doctor.c goes through it, doctor_say.c has the words). Private to those two.
 *
 * In order: configuration, source, the way to the vendor (without asking anything), then one page of each data type by a dry walk, then what the live
 * walks say of themselves. Nothing is published, saved or moved; a handful of requests is spent. */
#pragma once

#include "poll/errand.h"

enum sc_exam_result {
    SC_EXAM_OK,
    SC_EXAM_NOTICE, /* works, and should be known */
    SC_EXAM_BAD,
    SC_EXAM_SKIPPED /* could not be looked at */
};

/* What came of one errand. */
struct sc_exam {
    enum sc_exam_result result;
    enum sc_reason reason;
    bool asked;       /* the vendor was */
    char detail[1200], advice[320];
};

struct sc_doctor {
    struct sc_asked asked; /* first */
    struct sc_instance *inst; /* while an errand of it is open, and inside of a step */
    char *name;
    uint64_t rev;          /* of the configuration that is examined */
    struct sc_timer timer; /* the next step */
    struct sc_listener listener;
    struct sc_poller *errand;
    bool waits_too_long;   /* the errand is to be ended: what it waits for stands in `exam` */
    bool named;            /* the data types were */
    bool way_done, way_is_good, auth_told, refused; /* refused: nothing more can be learnt from the vendor; `why_not` */
    char why_not[120];
    struct sc_exam exam;   /* of the newest errand */
    char **told;           /* sentences that need not be said again: of each poller by its index, behind them that of all */
    unsigned told_count;
    uint32_t requests, token_calls;
    int64_t clock_off_ms;
    unsigned at, count;
    unsigned types[];      /* indexes of pollers */
};

/* A line of what was found. type NULL: of the integration. cure "": none. */
void sc_doctor_line(struct sc_doctor *d, const char *check, const struct sc_poller *type, enum sc_exam_result result, enum sc_reason reason, const char *cure,
                    const char *fmt, ...) SC_PRINTF(7, 8);
/* The sentence stands in a line: of this data type, of all (NULL). */
void sc_doctor_note_told(struct sc_doctor *d, const struct sc_poller *type, const char *sentence);
void sc_doctor_say_config(struct sc_doctor *d, uint64_t stored_rev);
void sc_doctor_say_source(struct sc_doctor *d);
void sc_doctor_say_way(struct sc_doctor *d, const struct sc_way *way); /* and exam, where it is not good */
void sc_doctor_say_clock(struct sc_doctor *d);
void sc_doctor_say_auth(struct sc_doctor *d); /* from the first page's exam, or without one */
void sc_doctor_say_page(struct sc_doctor *d, const struct sc_poller *p, const struct sc_poller *errand); /* errand NULL: there was none */
void sc_doctor_say_live(struct sc_doctor *d, const struct sc_poller *p); /* position, state, notices */
void sc_doctor_say_spent(struct sc_doctor *d); /* budgets, notices of the integration, requests */
