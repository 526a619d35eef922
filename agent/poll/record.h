/* Between record.c (bytes of a record into a batch), record_id.c (which record it is) and outcome.c (what became of it). */
#pragma once

#include "poll/poller.h"

/* What a record is named by. */
struct sc_record_name {
    enum {
        SC_NAME_NONE,
        SC_NAME_ID,
        SC_NAME_ELSE, /* sc_data_type.id_else */
        SC_NAME_BYTES /* the hash of its bytes */
    } by;
    struct sc_str parts[SC_MAX_ID_PARTS];
    unsigned count;
};

struct sc_record_id {
    char text[SC_RECIPE_ID_MAX + 16]; /* recipe's id, "#n" included */
    size_t len;
    uint64_t fingerprint;
    uint64_t twin;       /* fingerprint without "#n", of what is counted on a page; 0: it is not */
    bool waits;             /* the other walk of the data type has just handed it over: its outcome decides (backfill.h) */
    uint64_t known;      /* entry in the set, SC_SEEN_NONE: to be published */
    uint32_t hash;
    unsigned char content[16]; /* of a snapshot's record */
};

/* record_id.c */
struct sc_record_name sc_record_name(const struct sc_poller *p, const struct sc_cut_record *record);
/* Its recipe's id with "#n" for an equal one on the page; nothing is counted yet. `bytes` of the record: absent where they are gone. False: no name. */
bool sc_record_identify(const struct sc_poller *p, const struct sc_record_name *name, struct sc_str bytes, struct sc_record_id *id);
/* Whether the record, the newest in p->batch, is to be published; may be asked again. */
bool sc_record_is_new(struct sc_poller *p, const struct sc_record_name *name, struct sc_record_id *id);
int sc_record_take_in(struct sc_poller *p, struct sc_record_id *id); /* it will be; -1: p->cut_error */
void sc_record_version(struct sc_poller *p); /* the document's, before its first record is judged */

/* record.c */
bool sc_record_take_batch(struct sc_poller *p, uint32_t need);
void sc_record_put_gap(struct sc_poller *p, const char *body, size_t len, struct sc_str id); /* into p->batch, which has room */
uint32_t sc_record_put_text(struct sc_batch *batch, const char *text, size_t len);
/* Keeps a letter as `id` says; `what` is told of it in the log. */
struct sc_refusal {
    enum sc_reason reason;
    const char *what; /* "record", "child" */
    const char *why;
    uint64_t bytes;
};
int sc_record_keep_letter(struct sc_poller *p, struct sc_dead_letter *letter, struct sc_str id, struct sc_refusal refusal, struct sc_error *err);
