/* Jobs: what is wanted is made at the vendor first (an export, a search), waited for, read in parts, and taken back where it is not read to its
 * end. A data type's row names a struct rest_job as `job`; beside it the row needs a `window` and `path` (and `query`): the request for a part of
 * the results. `list`, `next`, `checkpoint`, `filter` and `cursor_lost` mean nothing then.
 *
 *   make     what the walk knows is in the bucket before it is sent (sc_request.after_save), so that a job made for nobody is found again
 *   look     2 s later, then after 4, 8 ... 30 s. Parts that it names are fetched meanwhile
 *   parts    numbered ones (`by_offset` false): each is a page, in ascending order; those that are read stand in SC_WALK as ranges, so a
 *            restart reads no part twice. The row's path has {part}
 *            or pages by offset within ONE page of the walk (`by_offset`): once the job is done; what is read stands in SC_PAGE alone. The
 *            offset goes into the row's `cursor_param`, the page size is {page_size}. They end at the total of the look, else with an empty page
 *   done     the window counts as read: the position moves to its end (window.c), or with `ends_when_made` to when the job was made
 *
 * What becomes of a job that ends in another way:
 *   gone (404)                  made anew with the same window. The stream is read back before, as for a lost cursor
 *   failed, cancelled           the walk ends as an error, the next poll makes it anew; the position stays
 *   not begun in queued_s,      taken back, made anew
 *   nothing moves in stuck_s
 *   a part that cannot be read  asked three times more, then the job is taken back, made anew
 * "Made anew" happens twice a walk; then the walk ends as an error. Records that were published before are recognised.
 *
 * What the engine remembers, all in SC_WALK but for the last line:
 *   job            the vendor's name of it; {job} in templates
 *   job_asked      since when one of ours may be at the vendor: the first asking whose outcome is not known, ms
 *   job_state      what the vendor last said of it; job_moved when that changed or a part was read, ms
 *   job_look       not to be looked at before (ms); job_pause the wait behind that (s)
 *   job_todo, job_done   numbered parts: "3,5-9"; part: the one that is read now
 *   job_end        the vendor is done with it: no look is needed any more; job_total how many records it has, where the look says so;
 *                  job_lacks what is missing in it all the same
 *   job_others     "1": it is somebody else's, waited for; job_over the last one of these that has ended
 *   job_tries      how many were made in this walk for this window
 *   job_quit       it is to be taken back; then "done": the walk goes on or ends; "again": made anew; "over": the walk ends as an error
 *   job_why        why the job, or the one before it, was given up or does not count
 *   SC_PAGE at     offset of the next page of results; asked: when making it was asked for, ms; fresh: job_asked is that; bad: how often a
 *                  reply could not be read */
#pragma once

#include "rest/rest.h"

#define REST_JOB_STATES 4

/* What a look says, where the table cannot read it. */
struct rest_job_look {
    const char *state; /* from host->text(), or static; compared with the table's values */
    int64_t total;     /* records of the results; -1: not said */
    const char *said;  /* for people, why it failed; NULL: nothing */
};

struct rest_job {
    /* ---- make: a POST. Its reply names the job */
    const char *path, *query; /* templates, as the row's */
    const char *body, *form;  /* JSON or form-urlencoded template, as the row's */
    struct sc_reply made;     /* no items */
    const char *id;           /* the job's name, in the envelope of `made` */
    /* ---- look: a GET */
    const char *look_path, *look_query; /* {job} */
    struct sc_reply look;               /* `items` are the numbers of the parts that can be fetched; NULL by offset. Not `publish` */
    const char *state;                  /* in the look's envelope */
    const char *queued[REST_JOB_STATES], *done[REST_JOB_STATES], *failed[REST_JOB_STATES]; /* its values, any other: it runs */
    uint32_t queued_s, stuck_s;         /* patience; 0: 3600, 21600 */
    /* ---- results */
    const struct sc_reply *results; /* NULL: as the data type's table says; `publish` */
    bool by_offset;
    /* ---- take back */
    enum sc_method leave_method;
    const char *leave_path; /* {job} */
    bool tidy;              /* also once it is read */
    /* The vendor reads what is there when the job is made, there is no {to}: that moment is the window's end. The window must not be cut. */
    bool ends_when_made;
    const char *noun; /* "export": for people */

    /* ---- hooks, all optional */
    bool (*wanted)(const struct sc_host *);             /* false: the row works as if it had no job */
    const char *(*make_body)(struct sc_host *);         /* instead of `body` or `form`, encoded as whichever of them is not NULL; NULL: no memory */
    bool (*read_look)(struct sc_host *, struct rest_job_look *ret); /* instead of `state`; false: it says nothing that is understood */
    /* The reply to make was refused since a job of the same kind runs already: its name, or NULL. It is taken for ours when we have
     * asked before without learning what became of it, and it was made after that (`created`); else it is waited for, and ours is made then. */
    const char *(*active)(struct sc_host *, const struct sc_response *in);
    int64_t (*created)(const struct sc_host *);         /* when it was made, as the look says, ms; SC_TIME_NONE: not said, or surely not ours */
    /* The job is done, all of its parts are read: NULL, or what is missing in it all the same, for people. Asked with the last look. */
    const char *(*missing)(struct sc_host *);
};

/* ---- for rest.c -------------------------------------------------------------------------------------------------------------- */

/* The data type works by a job now. */
bool rest_is_job(const struct sc_host *host);
/* False: there is nothing to ask. */
bool rest_job_request(struct sc_host *host, struct sc_request *out);
/* A reply that is no page: the job is gone, another one is in the way. False: the general rules judge it. */
bool rest_job_refused(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out);
/* The head is not to be cut, whatever its status says. */
bool rest_job_not_ready(const struct sc_host *host, int status);
enum sc_more rest_job_read(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out);
/* The request that takes the job back; false: there is none, or it is not ours. */
bool rest_job_leave(struct sc_host *host, struct sc_request *out);

/* Ranges of numbers as text, ascending: "3,5-9". Pure. Text that is none is taken for empty. */
#define REST_RANGES_MAX 8000
struct rest_range {
    int64_t from, to;
};
/* Moves to the next one; false at the end. Begin with *at = text. */
bool rest_range_next(const char **at, struct rest_range *ret);
bool rest_ranges_have(const char *text, int64_t n);
/* With n, or without it; false: longer than REST_RANGES_MAX. `out` has room for REST_RANGES_MAX + 1. */
bool rest_ranges_add(const char *text, int64_t n, char *out);
bool rest_ranges_drop(const char *text, int64_t n, char *out);
