/* The table-driven REST engine: what most connectors name instead of writing it themselves.
 *
 * A data type's `engine` points to a struct rest_data_type; the connector's `ops` are rest_ops. Where a vendor does not fit the
 * table it names a hook, a C function of its own; the table does not become a language.
 *
 * What the engine remembers (all text):
 *   SC_POSITION  time           what the position covers, in record time: newest record's, in the vendor's own text; of a row
 *                               without order: the newest time that is sure to be covered
 *                since          lower bound of the first walk, as long as no record time is known
 *                quiet          up to when walks came to their end without a record, once that time is older than half of `reach_s`
 *                next           the next page: path and query below the base URL      (REST_CHECKPOINT_NEXT, links)
 *                cursor         the vendor's cursor behind what was read              (REST_CHECKPOINT_NEXT, REST_NEXT_BODY_CURSOR)
 *                etag, last_modified, url   validators, and the URL they belong to    (REST_CHECKPOINT_VALIDATORS)
 *                answered       URL of the last document, where the row has several places
 *   SC_WALK      from, to       the window that is being read; `top`: its end can be no later (ms), by the vendor's Date of its first reply
 *                next           the next page of REST_NEXT_URL
 *                since          lower bound of this walk, frozen by its first request(); moves with the pages of REST_NEXT_OFFSET and of
 *                               follows_time
 *                cursor         the next page: the vendor's cursor, or an offset; absent: the first page
 *                last, fewer, shifts   of REST_NEXT_OFFSET; `fewer` of follows_time too (paging.c)
 *                opened         when the page was asked for that the cursor goes on from, ms (follows_time)
 *                began, newest  when the walk began and the newest record time in it, ms  (rows without order)
 *                pages, reached, lost   how far a walk came before its cursor was lost, and how often that happened
 *                batch          how many items a details request may take, once the vendor has refused more
 *                unasked_304    a 304 came that nobody had asked for
 *   SC_PAGE      asked, listed  when the list or page was asked for, and when it was made at the latest, ms
 *                at, got        items whose details are read; records that came of them
 *                next           the cursor behind this page; absent: it is the last one
 *                by_time        what follows it is asked for by time (follows_time)
 */
#pragma once

#include <signal/connector.h>

#define REST_MAX_STATUSES 4

enum rest_next {
    REST_NEXT_NONE,        /* there is one page */
    REST_NEXT_LINK_HEADER, /* header Link, relation "next" (RFC 8288) */
    REST_NEXT_OFFSET,      /* by number, sorted by the record time: the filter follows the time as far as that moves (paging.c) */
    REST_NEXT_URL,         /* `link` finds the whole URL of the next page; kept for the walk. None: the last page */
    REST_NEXT_BODY_CURSOR  /* an envelope member is a parameter of the next request; ends when it is absent or empty, where
                            * REST_STOP_EMPTY_PAGE says so with an empty page too; with `more` by that alone */
};

enum rest_stop {
    REST_STOP_FIRST_PAGE, /* the reply is the whole document */
    REST_STOP_EMPTY_PAGE  /* only a page without records ends the walk */
};

enum rest_checkpoint {
    REST_CHECKPOINT_TIME,      /* newest record time alone */
    REST_CHECKPOINT_NEXT,      /* the next page's address or cursor, kept past the end of the walk */
    REST_CHECKPOINT_VALIDATORS /* ETag and Last-Modified of the last document that was processed to its end */
};

/* What a status with a code in the error body means; the first row that fits counts. */
struct rest_error {
    int status;       /* 0 ends a table */
    const char *code; /* NULL: any */
    enum sc_reason reason;
    const char *advice; /* NULL: the reason's own */
    bool narrower;      /* sc_verdict.narrower */
};

/* Where to ask. {0}: `path` below the base URL. */
struct rest_place {
    const char *name; /* stands before the names of what is kept of it: "mirror" keeps "mirror_etag" */
    const char *url;  /* absolute */
};

/* The first step of a page in two: its reply names the records, which the row's own request then fetches in batches, or one by one. */
struct rest_list {
    const char *path, *query; /* templates as the row's */
    struct sc_reply reply;
    const char *batch; /* name of the setting: how many items a details request takes; NULL: page_size of them */
    enum sc_method method;
    const char *body, *cursor_body; /* as the row's */
    /* Each item is a URL that is fetched by a request of its own, as a child (sc_request.child): its name is reply.more[0], its time reply.more[1]
     * (RFC 3339). What was read before is not asked again. The row's path, body and the batch mean nothing then. Whatever host such a URL
     * names, only the base URL's is asked (rest_url_below). */
    bool each;
};

struct rest_job; /* made at the vendor, waited for, its results read in parts: job.h */

/* A walk over windows of time, {from} to {to}, for vendors that want both bounds. They are frozen for a walk, and the position's time is the
 * end of the last window that was read to its end: never later than the vendor's Date of the first reply less the data type's lag_s. Order within
 * a window does not matter. Cursors and URLs of pages live no longer than their window. */
struct rest_window {
    uint32_t overlap_s; /* a walk begins so far before the position; at most the data type's overlap_s, for which identities are kept */
    uint32_t longest_s; /* longer ones are cut, a walk reads one behind the other up to the present; 0: never cut */
    uint32_t unit_ms;   /* bounds are whole multiples, floored: 1000 where the vendor takes seconds; 0: 1 */
    uint32_t (*overlap)(const struct sc_host *); /* hook: instead of overlap_s, in seconds */
};

struct rest_data_type {
    enum sc_method method;
    /* Templates. {name} is since, page_size, past_end (of a closed window alone), or a name of the position, the walk or the settings (looked up in
     * this order);
     * {name|form} writes it in a form (template.c lists them); {&param=name} is "&param=value", nothing where that is not set. Values
     * are percent-encoded. */
    const char *path, *query;
    /* Of a POST, JSON: the same placeholders, as text for between quotes; {items} is the array of what the page's list named. NULL: none. */
    const char *body;
    const char *cursor_body; /* instead, once there is a cursor: "{\"cursor\":\"{cursor}\"}"; NULL: the same */
    const char *accept; /* NULL: application/json */
    const char *pools[SC_MAX_REQUEST_POOLS];
    uint32_t page_size; /* {page_size}: the default and the most */
    uint32_t reach_s;   /* {since} never lies further back than this; 0: no limit */
    enum rest_next next;
    enum rest_stop stop;
    enum rest_checkpoint checkpoint;
    const struct rest_list *list; /* NULL: one step. What follows on pages is then true of the list */
    const struct rest_job *job;       /* NULL: a reply is there at once */
    const struct rest_window *window; /* NULL: {since} alone bounds the walk, and the position follows the records */
    const char *filter;           /* put behind the query, but for a walk that reads everything */
    bool all_first;               /* the first walk reads everything, without `filter`; but for one that is to begin at a given time */
    /* Records come in no order that can be relied on: the position's time moves with the end of a walk alone, and never past what
     * was there when the walk began. */
    bool unordered;
    bool may_repeat;          /* sc_request.may_repeat of the request for a page */
    const char *cursor;       /* REST_NEXT_BODY_CURSOR: where it stands in the envelope */
    const char *cursor_param; /* query parameter that takes the cursor or the offset; left out on the first page; NULL: cursor_body */
    const char *more;         /* REST_NEXT_BODY_CURSOR: true in the envelope while there are more pages; NULL: the cursor says it */
    /* REST_NEXT_BODY_CURSOR over a list that is sorted by the record time: the filter follows the time as far as that moves, the cursor is
     * used only while it stands still (paging.c). */
    bool follows_time;
    /* REST_NEXT_OFFSET, follows_time: how many there are, in the envelope; NULL: a page that is not full is the last (by offset). */
    const char *total;
    uint32_t offset_limit;    /* REST_NEXT_OFFSET: offset and page size are never beyond this together; 0: no limit */
    /* Statuses that say of a cursor (a stored `next` or `cursor`) that the vendor no longer knows it: the walk goes on by
     * time, from the newest record time less the data type's overlap_s; without order, and with follows_time, from the walk's own lower
     * bound. 0 ends. */
    int cursor_lost[REST_MAX_STATUSES];
    /* Members of a JSON error body; NULL: none. Top-level, or with error_list in the first element of that array, which makes a
     * 200 an error too: then it stands in the envelopes as well. A code of digits that begins with a status (4010010) is read as that
     * status there. */
    const char *error_list;
    const char *error_code, *error_text;
    const char *error_also; /* said behind error_text; a path: "Error.Message" */
    const struct rest_error *errors;

    /* ---- hooks, all optional */
    struct rest_place (*place)(const struct sc_host *);
    /* A reply that is no page, or none at all, after the tables have judged it: may change the verdict. */
    void (*refused)(struct sc_host *, const struct sc_response *in, struct sc_verdict *out);
    /* REST_NEXT_URL: from headers or envelope; absent: there is none. Asked at the base URL, whatever host it names. */
    struct sc_str (*link)(struct sc_host *);
    /* REST_NEXT_BODY_CURSOR: the cursor as it is sent, of the one that came ("[\"1\",\"a\"]" -> "1,a"). NULL: memory is short. */
    const char *(*cursor_form)(struct sc_host *, struct sc_str came);
};

extern const struct sc_connector_ops rest_ops;

/* For struct sc_history: what the engine keeps in SC_POSITION of a row whose checkpoint is a time. */
#define REST_PLACES {"time", SC_PLACE_TIME, false}, {"since", SC_PLACE_TIME, false}, {"quiet", SC_PLACE_TIME, false}

/* For hooks: a top-level member of a JSON object that may be cut short, as printable ASCII (the rest becomes ' ' or '?'). Length, 0 when
 * it is absent or neither text nor number. `out` is always terminated. */
size_t rest_error_member(struct sc_str body, const char *name, char *out, size_t cap);
/* For hooks: from the value of a top-level member on to the end of what is here; absent when there is none. */
struct sc_str rest_error_value(struct sc_str body, const char *name);
/* For hooks: a JSON array of texts, which may be cut short, holds this one (unescaped text only). */
bool rest_list_has(struct sc_str list, const char *text);
