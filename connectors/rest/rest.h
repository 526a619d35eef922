/* The table-driven REST engine: what most connectors name instead of writing it themselves.
 *
 * A data type's `engine` points to a struct rest_data_type; the connector's `ops` are rest_ops.
 * Where a vendor does not fit the table it names a hook, a C function of its own; the table does
 * not become a language.
 *
 * What the engine remembers (all text):
 *   SC_POSITION  time           newest record time that the position covers, in the vendor's own
 * text since          lower bound of the first walk, as long as no record time is known next the
 * next page: path and query below the base URL      (REST_CHECKPOINT_NEXT) etag, last_modified, url
 * validators, and the URL they belong to   (REST_CHECKPOINT_VALIDATORS) answered       URL of the
 * last document, where the row has several places SC_WALK      since          lower bound of this
 * walk, frozen by its first request() unasked_304    a 304 came that nobody had asked for */
#pragma once

#include <signal/connector.h>

#define REST_MAX_STATUSES 4

enum rest_next {
    REST_NEXT_NONE,       /* there is one page */
    REST_NEXT_LINK_HEADER /* header Link, relation "next" (RFC 8288) */
};

enum rest_stop {
    REST_STOP_FIRST_PAGE, /* the reply is the whole document */
    REST_STOP_EMPTY_PAGE  /* only a page without records ends the walk */
};

enum rest_checkpoint {
    REST_CHECKPOINT_TIME,      /* newest record time alone */
    REST_CHECKPOINT_NEXT,      /* the next page's address */
    REST_CHECKPOINT_VALIDATORS /* ETag and Last-Modified of the last document that was processed to
                                  its end */
};

/* What a status with a code in the error body means; the first row that fits counts. */
struct rest_error {
    int status;       /* 0 ends a table */
    const char *code; /* NULL: any */
    enum sc_reason reason;
    const char *advice; /* NULL: the reason's own */
};

/* Where to ask. {0}: `path` below the base URL. */
struct rest_place {
    const char
        *name; /* stands before the names of what is kept of it: "mirror" keeps "mirror_etag" */
    const char *url; /* absolute */
};

struct rest_data_type {
    enum sc_method method;
    /* Templates. {name} is since, page_size, or a name of the position, the walk or the settings
     * (looked up in this order); {name|form} writes it in a form (template.c lists them). Values are
     * percent-encoded. */
    const char *path, *query;
    const char *accept; /* NULL: application/json */
    const char *pools[SC_MAX_REQUEST_POOLS];
    uint32_t page_size; /* {page_size}: the default and the most */
    uint32_t reach_s;   /* {since} never lies further back than this; 0: no limit */
    enum rest_next next;
    enum rest_stop stop;
    enum rest_checkpoint checkpoint;
    /* Statuses that say of a stored `next` that the vendor no longer knows it: the walk goes on by
     * time, from the newest record time less the data type's overlap_s. 0 ends. */
    int cursor_lost[REST_MAX_STATUSES];
    /* Top-level members of a JSON error body; NULL: none */
    const char *error_code, *error_text;
    const struct rest_error *errors;

    /* ---- hooks, all optional */
    struct rest_place (*place)(const struct sc_host *);
    /* A reply that is no page, or none at all, after the tables have judged it: may change the
     * verdict. */
    void (*refused)(struct sc_host *, const struct sc_response *in, struct sc_verdict *out);
};

extern const struct sc_connector_ops rest_ops;
