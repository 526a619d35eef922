/* Going elsewhere: a position that somebody writes by hand, or that a backfill begins at. What has been read before is recognised there, or nobody goes.
 *
 * It is made of what stands (recover.h has loaded and proven it), on the reader's thread: the part of the stream in which records of that time may lie is
 * read back, and the identities found become part of what is kept. A record is published no earlier than it came into being; so what was stored before
 * the earliest time that the walk will look at, less a day for clocks, is none of them. Where the stream no longer holds all of that part, doubles cannot
 * be excluded, and it is refused in words.
 *
 * `forget` is the opposite, on purpose: nothing of what lies in the stream is recognised, and all of it comes again. */
#pragma once

#include "nats/session.h"
#include "poll/checkpoint.h"

struct sc_recover;

#define SC_RELOCATE_SLACK_MS 86400000

struct sc_relocate {
    bool wanted;
    bool fresh;            /* whatever stands there is only written over */
    /* in */
    json_t *position;      /* the new one; owned */
    int64_t at_ms;         /* everything up to here counts as covered by it; SC_TIME_NONE: it begins at the beginning */
    int64_t reach_ms;      /* the walk looks no further back; SC_TIME_NONE: anywhere */
    bool anew;             /* nothing of the old position counts: documents are compared with what is known of them all the same */
    bool forget, allow_doubles;
    char doubles[200];     /* the connector: what may come again under another identity; "": nothing */
    /* out */
    bool refused;          /* nothing is to be written; `said` says why */
    char said[700];        /* what was made, or why not; for people */
    uint64_t in_stream;    /* messages of this data type from `from_seq` on */
    uint64_t from_seq;     /* floor of what was read back */
    int64_t was_ms;        /* what the old position covered; SC_TIME_NONE: not known */
    int64_t not_before_ms; /* with `forget`: the server would drop what it remembers until then; 0: nothing */
};

/* First step, behind proof and segments, in front of the read-back: *ret_from is where that has to begin. -1 + err: NATS. */
int sc_relocate_plan(struct sc_recover *r, struct sc_session *session, const struct sc_stream_info *info, uint64_t *ret_from, struct sc_error *err);
/* Last step, with what the read-back has found: the checkpoint as it is to be written, or `refused`. */
int sc_relocate_finish(struct sc_recover *r, struct sc_session *session, const struct sc_stream_info *info, struct sc_error *err);
/* A checkpoint that cannot be read: a number behind those of all segments that lie in the bucket, so that none of them is taken for a new one. */
int sc_relocate_number(struct sc_recover *r, struct sc_session *session, struct sc_error *err);
