/* Who listens to a data type at work, and walks beside the live one. io thread of the poller.
 *
 * A listener hears what becomes of one poller: waits as they begin, and exactly one last word. One that wants a trace gets every step of it.
 *
 * An errand is a second poller of an instance: same source, credential, tokens and budgets, a walk of its own, ended after that one walk. A dry one
 * publishes nothing, saves nothing, moves nothing and marks nothing seen; its position is a copy, its trouble holds nobody but itself. What the vendor
 * says to all ("not before") holds for it and through it for all. It makes nothing at the vendor: where the next request would, it ends. */
#pragma once

#include "poll/ask.h"
#include "poll/record.h"

/* ---- listening (listen.c) -------------------------------------------------------------------------------------------------------------- */

enum sc_heard {
    SC_HEARD_WAITS,  /* it goes on by itself: at until_real, or when something else has changed (SC_TIME_NONE) */
    SC_HEARD_FAILED, /* last word. Live: the next try is at until_real, and nobody has to wait for it. An errand: it is over */
    SC_HEARD_ENDED,  /* last word: the walk is over; of a live one everything is acknowledged and saved */
    SC_HEARD_GONE    /* last word: it was stopped, or there is nothing to listen to any more */
};

struct sc_news {
    enum sc_heard what;
    enum sc_reason reason;
    int64_t until_real; /* SC_TIME_NONE: not known */
    const char *detail, *advice;
    bool limited;       /* SC_HEARD_ENDED: at a listener's limit, there may be more */
};

struct sc_listener { /* part of the listener's own object */
    struct sc_listener *next;
    /* A last word comes after it has been taken out of the poller: the object may go. */
    void (*hear)(struct sc_listener *listener, struct sc_poller *p, const struct sc_news *news);
    struct sc_sink *trace;     /* NULL: no trace wanted */
    uint64_t limit;            /* records after which the walk ends behind the page; 0: none */
    uint64_t read_before;      /* of the walk, when it began to listen */
    enum sc_reason told;       /* the wait that it heard of last */
    int64_t told_until;
};

void sc_listen(struct sc_poller *p, struct sc_listener *listener);
void sc_listen_stop(struct sc_poller *p, struct sc_listener *listener); /* without a last word */
/* Everybody's last word. */
void sc_listeners_last(struct sc_poller *p, const struct sc_news *news);

/* ---- errands (errand.c) ------------------------------------------------------------------------------------------------------------------ */

enum sc_errand_kind {
    SC_ERRAND_DRY,
    SC_ERRAND_BACKFILL /* backfill.h */
};

struct sc_errand { /* of a poller that is one */
    enum sc_errand_kind kind;
    struct sc_poller *next; /* of the instance's errands */
    struct sc_poller *live; /* of the same data type */
    bool over;              /* the last word is said; reaped when nothing of it is out */
    /* SC_ERRAND_DRY */
    struct sc_batch *batch; /* its own, never posted */
    uint32_t batch_cap;
    bool batch_lent;
    int64_t from_ms;        /* begin here instead of at the position; SC_TIME_NONE: not said */
    bool placed;            /* it knows where it begins */
    uint32_t requests;      /* that went out for it, without those for tokens */
    uint32_t token_calls;
    bool may_try;           /* with a credential in trouble: this is the try that is made now */
    uint32_t request_limit; /* it ends before one more; 0: none */
    int64_t clock_off_ms;   /* of its newest reply, as sc_http_wire has it */
    struct sc_way *way;     /* it only looks at the way to the vendor and asks nothing; NULL: it walks */
    uint64_t fresh, known;  /* records that would have been published; that the live walk knows, or that came before in this one */
    uint64_t letters, gaps; /* that would have been written */
    int64_t oldest_ms, newest_ms; /* record times; SC_TIME_NONE: none */
    uint64_t page_limit;    /* 0: none */
    struct sc_backfill *backfill; /* SC_ERRAND_BACKFILL */
};

struct sc_way { /* what was seen on it */
    bool begun;
    struct sc_transfer *transfer;
    struct sc_http_timing timing;
    struct sc_http_wire wire;
};

/* The way to the vendor's host alone: the name is looked up, proxy, TCP and TLS are tried afresh, nothing is asked. Ends as a dry walk does: with
 * SC_HEARD_ENDED the way is good; whichever it is, p->errand->way has what was seen. */
struct sc_poller *sc_errand_way(struct sc_instance *inst, unsigned index, struct sc_error *err);
/* A dry walk of the data type, on its way with the next turn. from_ms SC_TIME_NONE: from where the live one stands. NULL + err. Listen at once. */
struct sc_poller *sc_errand_dry(struct sc_instance *inst, unsigned index, int64_t from_ms, struct sc_error *err);
/* The last word; it ends with the next turn. What of the walk is to be told must be taken from it in hear(). */
void sc_errand_end(struct sc_poller *p, const struct sc_news *news);
/* Before each step. True: it is over, or was ended just now. */
bool sc_errand_step(struct sc_poller *p);
/* Before its walk begins. True: the live one is about to learn where it stands. */
bool sc_errand_waits(struct sc_poller *p);
void sc_errand_free(struct sc_poller *p); /* what belongs to the errand */
/* Of an instance that goes or was put again; of an io thread that stops or has other news of the broker. */
void sc_errands_end(struct sc_instance *inst, const char *why);
void sc_errands_reap(struct sc_instance *inst);
bool sc_errands_done(const struct sc_instance *inst); /* there are none any more */

/* dry.c: where a dry walk does otherwise than a live one */
void sc_dry_failed(struct sc_poller *p, enum sc_reason reason, int64_t until_real, const char *wait_header, const char *detail, const char *advice);
/* Not before then, monotonic; it says so itself. 0: now. */
int64_t sc_dry_not_before(struct sc_poller *p);
/* True: the token's hold keeps a dry walk as well, or has ended it. False: it may try. */
bool sc_dry_kept_by_token(struct sc_poller *p, const struct sc_token *t, bool login_refused);
void sc_dry_token_failed(struct sc_token *t, enum sc_reason reason, int64_t until_real, const char *detail, const char *advice);
void sc_dry_would_make(struct sc_poller *p, const struct sc_request *rq);
bool sc_dry_take_batch(struct sc_poller *p, uint32_t need);
void sc_dry_give_batch(struct sc_poller *p); /* instead of posting */
bool sc_dry_is_new(struct sc_poller *p, const struct sc_record_name *name, struct sc_record_id *id);
void sc_dry_record(struct sc_poller *p, int64_t time_ms, bool fresh);
/* Where the set of identities is that tells what was published. */
const struct sc_seen *sc_dry_seen(const struct sc_poller *p, const struct sc_seen *own);
const struct sc_seen *sc_dry_whole(const struct sc_poller *p, const struct sc_seen *own);

/* ---- requests of others (asked.c) ---------------------------------------------------------------------------------------------------------- */

/* What was asked and is being worked at; the first member of each op's own object. It ends its sink, leaves the list and frees itself when it is done. */
struct sc_asked {
    struct sc_asked *next;
    struct sc_io *io;
    uint64_t id;
    struct sc_sink *sink;
    void (*cancel)(struct sc_asked *asked, const char *why); /* ends it before it returns */
};

/* Enters the list, takes a reference to the ask's sink. */
void sc_asked_begin(struct sc_asked *asked, struct sc_io *io, const struct sc_ask *ask, void (*cancel)(struct sc_asked *asked, const char *why));
/* Out of the list, the sink ended. The object is the caller's to free. */
void sc_asked_end(struct sc_asked *asked, bool ok, const char *text);
void sc_asked_take(struct sc_io *io, struct sc_ask *ask); /* of the mailbox */
void sc_asked_cancel(struct sc_io *io, uint64_t id, const char *why); /* id 0: all */
/* The data types that a request names, as indexes into the instance's pollers; with none named: those that are enabled, or `all`. -1 + err: one is
 * unknown, and which there are. `ret` holds inst->poller_count. */
int sc_asked_types(const struct sc_instance *inst, const json_t *request, bool all, unsigned *ret, unsigned *ret_count, struct sc_error *err);
/* asked_poll.c: op "poll" */
void sc_asked_poll(struct sc_io *io, struct sc_instance *inst, const struct sc_ask *ask);
/* doctor.c: op "doctor" */
void sc_asked_doctor(struct sc_io *io, struct sc_instance *inst, const struct sc_ask *ask);
/* edit.c: op "checkpoint" */
void sc_asked_checkpoint(struct sc_io *io, struct sc_instance *inst, const struct sc_ask *ask);
/* asked_backfill.c: op "backfill" */
void sc_asked_backfill(struct sc_io *io, struct sc_instance *inst, const struct sc_ask *ask);
