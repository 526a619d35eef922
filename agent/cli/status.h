/* The command status (private to agent/cli): what is gathered in a few requests, and its forms. The forms are pure: everything, the time too, is in the
 * view. */
#pragma once

#include "cli/commands.h"

struct sc_status_one { /* one integration: configured, or left over as a status */
    char *name;
    uint64_t rev;          /* 0: it is not configured any more */
    bool enabled, readable; /* readable: its value is a JSON object */
    char *type;            /* integration_type as written */
    char *saved;           /* when the revision was written; NULL: not asked for */
    char *unsealed;        /* "credentials.api_token": secrets that are not sealed although a key file is set; NULL: none */
    json_t *status;        /* NULL: none yet */
};

struct sc_status_view {
    struct sc_status_one *at; /* by name */
    size_t count, cap;
    bool failed;           /* out of memory */
    json_t *agent;         /* its answer to op "agent"; NULL: nobody answers */
    json_t *lease;         /* INTEGRATION_LEASES agent; NULL: never held, or not readable */
    char *away;            /* NATS is away (--watch): why, and since when; NULL: it is not */
    int64_t now_ms;
    bool color;
    unsigned columns;      /* 100 */
    unsigned lines;        /* as many at the most; 0: all */
};

/* ---- status_gather.c --------------------------------------------------------------------------------------------------- */

struct sc_session;
/* Two passes over buckets, the lease and one question to the agent, however many integrations there are. name NULL: all. -1 + err. */
int sc_status_gather(const struct sc_cli *cli, struct sc_session *session, const char *name, struct sc_status_view *view, struct sc_error *err);
void sc_status_view_done(struct sc_status_view *view); /* keeps how it is to be shown */

/* ---- status_rows.c: what counts, and how much ---------------------------------------------------------------------------- */

enum sc_row_kind { /* most urgent first */
    SC_ROW_ERROR,
    SC_ROW_STALE,      /* the agent that wrote it is not there any more */
    SC_ROW_SILENT,     /* configured, and no agent has said anything of it */
    SC_ROW_LIMITED,
    SC_ROW_NOTICE,     /* works, with something to be known */
    SC_ROW_WAITING,
    SC_ROW_PROCESSING,
    SC_ROW_GOOD,
    SC_ROW_PAUSED,
    SC_ROW_LEFT_OVER   /* a status whose integration is gone */
};

struct sc_status_row { /* one data type, or an integration that has none to show */
    const struct sc_status_one *one;
    const char *data_type; /* "" */
    const json_t *facts;   /* of the data type; else the status; NULL */
    enum sc_row_kind kind;
};

struct sc_status_rows {
    struct sc_status_row *at;
    size_t count;
};
/* Sorted. -1: out of memory. Free at. */
int sc_status_rows(const struct sc_status_view *view, struct sc_status_rows *ret);
/* Nobody keeps it fresh, as far as can be seen from here. */
bool sc_status_is_stale(const struct sc_status_view *view, const struct sc_status_one *one, const json_t *facts);
/* SC_EXIT_BAD when something is in error, stale or without an agent. */
int sc_status_exit(const struct sc_status_view *view, const struct sc_status_rows *rows);
/* Who holds the lease, as a sentence; *ret_bad: nobody that answers. */
void sc_status_agent_line(const struct sc_status_view *view, struct sc_buf *out, bool *ret_bad);

/* ---- status_table.c, status_detail.c --------------------------------------------------------------------------------------- */

void sc_status_table(const struct sc_status_view *view, const struct sc_status_rows *rows, struct sc_buf *out);
void sc_status_detail(const struct sc_status_view *view, const struct sc_status_rows *rows, struct sc_buf *out);
/* The document of --json. */
json_t *sc_status_json(const struct sc_status_view *view, const struct sc_status_rows *rows, bool one);

/* ---- status_words.c ------------------------------------------------------------------------------------------------------ */

#define SC_WORDS 40
/* "now", "41 s", "12 min", "3 h", "2 d". */
const char *sc_span_words(int64_t ms, char room[SC_WORDS]);
/* "just now", "3 h ago" */
const char *sc_ago_words(int64_t ms, char room[SC_WORDS]);
/* A member that is an RFC 3339 time; SC_TIME_NONE. */
int64_t sc_json_time(const json_t *object, const char *name);
int64_t sc_json_number(const json_t *object, const char *name); /* 0 where it is none, or less */
/* "120,034", above a million "1.2 M". */
const char *sc_amount_words(uint64_t n, char room[SC_WORDS]);
const char *sc_bytes_words(uint64_t n, char room[SC_WORDS]);
/* Words put into lines of at most `columns`, the first behind `first`, the others behind as many blanks. Controls become '?'. */
void sc_wrap_add(struct sc_buf *out, const char *first, const char *text, unsigned columns);
size_t sc_text_width(const char *text);
/* At most `width` columns; what does not fit ends in "…". */
void sc_fit_add(struct sc_buf *out, const char *text, size_t width, bool pad);
