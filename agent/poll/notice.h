/* Notices: what is not well while work goes on (silent, falling_behind, duplicate_integration, auth_expiring …). Each integration has a set, and each
 * of its data types. They change no state: a data type with notices stays `active`; the most urgent one's reason, detail and advice stand where the
 * reason would say "ok", and all of them in the member `notices` of the status. One owner; no clock, no log of its own: the owner is told. */
#pragma once

#include "base/buf.h"

struct sc_notice {
    struct sc_notice *next; /* less urgent */
    enum sc_reason reason;  /* one notice a reason */
    int64_t since_ms;       /* real: since when */
    char *detail;           /* the sentence, with its figures */
    char *advice;
};

enum sc_notice_event {
    SC_NOTICE_BEGINS,
    SC_NOTICE_CHANGES, /* other figures */
    SC_NOTICE_ENDS
};

struct sc_notices { /* all zero: empty, and nobody is told */
    struct sc_notice *first; /* the most urgent one */
    void *owner;
    void (*told)(void *owner, const struct sc_notice *notice, enum sc_notice_event event); /* may be NULL; must not change the set */
};

/* It holds from now on, or goes on to hold with these figures. advice NULL: that of the reason. now_real_ms: real time, of the beginning when it
 * begins. Without memory nothing changes: whoever judged it judges it again. */
void sc_notice_set(struct sc_notices *set, enum sc_reason reason, const char *detail, const char *advice, int64_t now_real_ms);
/* It holds no longer; nothing happens where it did not. */
void sc_notice_clear(struct sc_notices *set, enum sc_reason reason);
/* NULL: it does not hold. */
const struct sc_notice *sc_notice_find(const struct sc_notices *set, enum sc_reason reason);
/* [{"reason","detail","advice","since"}], most urgent first; "[]" when there is none. */
void sc_notices_json(const struct sc_notices *set, struct sc_buf *out);
/* Of two, the one with the lower rank is shown first; that of "ok" is the highest. */
unsigned sc_notice_rank(enum sc_reason reason);
/* Forgets all; nobody is told. */
void sc_notices_done(struct sc_notices *set);
