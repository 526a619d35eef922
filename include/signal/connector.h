/* The connector ABI: all that a connector and the agent know of each other.
 *
 * A connector is tables and pure functions. It does no I/O and has no thread, clock, file, random number or mutable
 * global: the agent sends, waits, retries, cuts, publishes and remembers. A connector says which request comes next,
 * what a reply means, and what to remember; everything it needs for that comes from struct sc_host.
 *
 * A loadable module exports one symbol, `sc_connector_entry` (see SC_CONNECTOR_EXPORT). The first two words of struct
 * sc_connector never move. Members are only appended, each marked "since N"; the agent reads no further than `size`.
 * Rows of tables (fields, pools, data types) grow only together with SC_CONNECTOR_ABI.
 *
 * Order of calls for one walk (one poll of one data type), all on the io thread that owns the source:
 *   request() -> SC_SEND                              the agent sends it, when the budget allows
 *     response()  head known, or transport failed      -> cut the body | refuse | ask again
 *       (the agent cuts the body and publishes each record)
 *     page()      whole body cut                       -> position to remember, more pages or done
 *   request() -> ... until page() or request() says SC_DONE
 * A position set in page() is stored only after every record before it is acknowledged.
 *
 * A page may take several requests: a list first (struct sc_reply: its items are kept, not published), then what the list
 * names. page() answers SC_PART until the last of them; the page is one piece for the checkpoint: after a restart it begins
 * again with its list. */
#pragma once

#include <signal/reason.h>
#include <signal/types.h>

#define SC_CONNECTOR_ABI 4

/* ---- tables: what an operator can set ---------------------------------------------------------------------------- */

enum sc_field_kind {
    SC_TEXT,
    SC_URL,  /* http or https; https unless loopback or allow_insecure_http */
    SC_HOST, /* a host name, optionally with port; no scheme, no path */
    SC_BOOL,
    SC_INTEGER,
    SC_CHOICE
};

/* What a credential of this kind looks like. Only what is sure: `integrations put` and `import` refuse what has none of a field's forms (--as-is
 * takes it), the agent never does, and names the form when the vendor refuses the credential. */
struct sc_form {
    const char *begins; /* NULL: with anything */
    uint32_t least, most; /* characters in all; 0: any number */
    bool hex;           /* all of them, 0-9 a-f A-F */
};

#define SC_MAX_FORMS 3

struct sc_field {
    const char *name;    /* key under settings or credentials; NULL ends a table */
    const char *title;   /* for people */
    const char *help;    /* one sentence, may be NULL */
    const char *example; /* may be NULL */
    const char *def;     /* default, NULL: none */
    enum sc_field_kind kind;
    bool required;
    bool secret;                /* never printed */
    const char *const *choices; /* SC_CHOICE: NULL-terminated */
    int64_t min, max;           /* SC_INTEGER */
    const char *alias;          /* another name that is taken for it; NULL: none */
    /* ---- since ABI 4 */
    struct sc_form forms[SC_MAX_FORMS]; /* the value has one of these; all zero ends: none is known */
};

/* ---- tables: the vendor's budget ---------------------------------------------------------------------------------- */

enum sc_pool_scope {
    SC_PER_SOURCE,
    SC_PER_CREDENTIAL,
    SC_PER_HOST
};

enum sc_reset_unit {
    SC_RESET_NONE,
    SC_RESET_EPOCH_S,
    SC_RESET_EPOCH_MS,
    SC_RESET_SECONDS,
    SC_RESET_MILLISECONDS
};

struct sc_pool {
    const char *name; /* NULL ends a table */
    enum sc_pool_scope scope;
    uint32_t requests; /* per per_s; 0: unlimited */
    uint32_t per_s;
    uint32_t concurrency; /* 0: unlimited */
    /* reply headers that correct it; NULL: none */
    const char *limit_header, *remaining_header, *reset_header;
    enum sc_reset_unit reset_unit;
    uint32_t throttle_s; /* wait after a throttle that names no time, doubling with each in a row; 0: 30 */
    uint32_t throttle_max_s; /* where doubling ends; 0: 900 */
};

/* ---- tables: data types -------------------------------------------------------------------------------------------- */

enum sc_identity {
    SC_IMMUTABLE, /* id */
    SC_VERSIONED, /* id + the fields that change when the record changes */
    /* The record has no id of its own: `id` where all of its members are there, else `id_else`, else the hash of its bytes. Of the last two,
     * equal ones on one page are counted: "#2" is the second. So all that may be equal (one second of a log) has to be read on one page. */
    SC_CONTENT
};

/* How a reply is written. */
enum sc_format {
    SC_JSON,   /* one value */
    SC_NDJSON, /* one value a line */
    SC_XML     /* each record becomes one JSON object (docs/artifacts.md); paths: element names from the root on, joined by '.' */
};

enum sc_shape {
    SC_SHAPE_LOG,     /* records arrive; each is published once */
    SC_SHAPE_SNAPSHOT /* one document; changes are found by hash: identity = id + content hash + document version */
};

enum sc_time_format {
    SC_TIME_RFC3339,
    SC_TIME_DATE, /* YYYY-MM-DD */
    SC_TIME_EPOCH_S,
    SC_TIME_EPOCH_MS
};

#define SC_MAX_ID_PARTS 8
#define SC_MAX_ENVELOPE 8
#define SC_MAX_GRANTS   4

struct sc_host; /* one walk of one data type of one integration */

/* ---- since ABI 4: positions by hand, and closed windows of the past */

enum sc_place_kind {
    SC_PLACE_TEXT, /* whatever the vendor or the connector made it */
    SC_PLACE_TIME, /* RFC 3339 */
    SC_PLACE_LINK  /* path and query below the base URL */
};

/* A name that may stand in SC_POSITION. */
struct sc_place {
    const char *name; /* NULL ends a table */
    enum sc_place_kind kind;
    bool stays; /* it says nothing of how far the walk is: kept when somebody puts the position to a time */
};

enum sc_past {
    SC_PAST_NONE,   /* the vendor shows what is now */
    SC_PAST_TIME,   /* records whose own time lies in the window; others that the vendor sends beside them are left out */
    SC_PAST_WINDOW  /* the walk's windows go over another time (when a record was made available, when it was indexed): all that comes counts */
};

/* Going elsewhere than the walk would. A walk over a closed window has a position and a state of its own: it begins with SC_POSITION "since" and
 * nothing else, host->past() says where it ends, and SC_WALKED means that everything before that was shown. */
struct sc_history {
    const struct sc_place *places; /* all that may stand in SC_POSITION; NULL: nobody but the connector can write one */
    bool by_time;                  /* a position of "time" alone, and of what stays, goes on from there */
    enum sc_past past;
    const char *why_not; /* by_time false, past NONE: why, for people; begins with a small letter, no full stop */
    uint32_t reach_s;    /* how far back the vendor can be asked; 0: not known */
    /* As `past` and `why_not`, where the settings decide: NULL: a window can be asked for. */
    const char *(*unable)(const struct sc_host *);
    /* What has been read may come again under another identity when it is read again, from elsewhere: why, for people, as why_not. NULL: it does not. */
    const char *(*doubles)(const struct sc_host *);
};

struct sc_data_type {
    const char *name;  /* NULL ends a table */
    const char *title; /* for people */
    const char *noun;  /* "events": what `fetched 42 ...` says */
    const char *help;  /* what it is, one sentence */
    const char *permission; /* what to grant at the vendor, for people */
    uint32_t interval_s;    /* default poll interval */
    uint32_t min_interval_s; /* below: a warning; 0: none */
    uint32_t lookback_s;    /* first poll begins now - lookback; 0: does not apply */
    uint32_t overlap_s;     /* how far before the position (in record time) the walk may ever fall back; 0: never */
    uint32_t lag_s;         /* how late the vendor may still add records before a position; 0: none beyond the cursor's own */
    uint32_t recipe;        /* version of the identity recipe, from 1 */
    enum sc_shape shape;
    enum sc_identity identity;
    /* where things are in the reply; paths: member names joined by '.', "[]" = the elements of an array */
    const char *records;             /* "[]", "vulnerabilities[]", "data.items[]" */
    const char *id[SC_MAX_ID_PARTS]; /* inside a record; NULL ends. "?port": empty where the record has none */
    const char *id_else[SC_MAX_ID_PARTS]; /* of a record that lacks a member of `id`; NULL ends: none */
    const char *time;                /* inside a record, may be NULL */
    enum sc_time_format time_format;
    const char *envelope[SC_MAX_ENVELOPE]; /* beside the records, read with host->envelope(); NULL ends */
    /* SC_SHAPE_SNAPSHOT: members of the envelope */
    const char *version[2]; /* compared in this order, RFC 3339 as time, else as text; NULL ends */
    const char *count;      /* must equal the number of records; NULL: not checked */
    bool off_by_default;
    bool time_is_frozen; /* reserved, false */
    const void *engine;  /* the connector's own table for this data type (connectors/rest) */
    const char *scope;   /* {scope} in sc_oauth2.params: a token of its own for each different one; NULL: none */
    enum sc_format format;
    const char *records_else; /* SC_NDJSON: where to look in a line that has nothing at `records`; NULL: nowhere */
    const char *nested;       /* SC_XML: below the element at `records`: each one there is a record, with what stands around it; NULL: none */
    /* Member of a record that names what it belongs to (a host) and what each reply shows whole: with all of its records as they are now. A record
     * whose `time` is lag_s or more before the last reading of that is known: it stood in it. For vendors that show everything of what has
     * changed; walks reach back far enough (lag_s and an overlap) to read once more what has changed shortly before a reading. Kept for each such
     * thing, not for each record. Records with one identity on one page are then different ones, and counted as with SC_CONTENT ("#2"). NULL: none */
    const char *whole;
    bool may_lack_records; /* an empty page may come without the member at `records`; page() tells it from an error inside a success */
    const struct sc_history *history; /* since ABI 4, as what follows; NULL: the position can be shown and begun anew, nothing else */
    /* Scopes or roles that the access token has to carry, as the vendor names them in its claims (scope, scp, roles); NULL ends. Looked at where the
     * token is a JWT with such claims: what lacks is told before the vendor refuses it. */
    const char *grants[SC_MAX_GRANTS];
};

/* ---- authentication ------------------------------------------------------------------------------------------------- */

enum sc_auth_kind {
    SC_AUTH_NONE,
    SC_AUTH_HEADER,        /* a fixed header; value with {setting or credential} filled in */
    SC_AUTH_OAUTH2_CLIENT, /* client credentials (RFC 6749 4.4): a token is fetched, kept, renewed; value with {token} */
    SC_AUTH_BASIC,         /* RFC 7617, with the credentials `user` and `password` */
    SC_AUTH_LOGIN,         /* as SC_AUTH_OAUTH2_CLIENT, with a login of the vendor's own: sc_oauth2.token_member */
    SC_AUTH_SIGNED         /* `sign` adds headers to each request, last of all */
};

enum sc_oauth2_body {
    SC_OAUTH2_FORM,
    SC_OAUTH2_JSON
};

enum sc_oauth2_client {
    SC_OAUTH2_CLIENT_IN_BODY, /* client_id and client_secret among the parameters */
    SC_OAUTH2_CLIENT_BASIC,   /* RFC 6749 2.3.1 */
    SC_OAUTH2_CLIENT_NONE     /* whatever is needed stands in params */
};

#define SC_MAX_OAUTH2_PARAMS 6

struct sc_oauth2_param {
    const char *name, *value; /* value: {setting, credential or scope} filled in; one that comes out empty is not sent */
};

/* What an error reply of the token endpoint means; looked at before the general rules, the first row that fits counts. */
struct sc_oauth2_error {
    int status;       /* 0 ends a table; -1: any */
    const char *code; /* its "error", or a code at the beginning of "error_description" (AADSTS7000215); NULL: any */
    enum sc_reason reason;
    const char *advice; /* NULL: the reason's own */
};

struct sc_oauth2 {
    /* With {setting} filled in. From '/': below settings.auth_url, else below the base URL. Absolute: settings.auth_url takes
     * the place of its origin. */
    const char *token_url;
    enum sc_oauth2_body body;
    enum sc_oauth2_client client;
    const char *client_id, *client_secret; /* names of the credentials */
    struct sc_oauth2_param params[SC_MAX_OAUTH2_PARAMS]; /* grant_type, scope, audience, resource ...; name NULL ends */
    uint32_t lifetime_s; /* taken when the reply has no expires_in; 0: 3600 */
    const char *pool;    /* budget of the token endpoint; NULL: none */
    const struct sc_oauth2_error *errors;
    const char *token_member; /* of the reply; NULL: access_token */
};

#define SC_MAX_SIGN_HEADERS 4

struct sc_header {
    const char *name, *value;
};

/* What is signed: exactly what will be sent. */
struct sc_to_sign {
    const char *method;               /* "GET" */
    const char *host;                 /* as in the header Host: lower case, with a port that is not the scheme's own */
    struct sc_str path, query;        /* as sent; path at least "/"; query without '?', empty: none */
    struct sc_str body;
    const struct sc_header *headers;  /* those of the request so far, name NULL ends */
    int64_t now;                      /* the source's time, ms */
};

struct sc_auth {
    enum sc_auth_kind kind;
    const char *header; /* "Authorization" */
    const char *value;  /* "SSWS {api_token}", "Bearer {token}" */
    const struct sc_oauth2 *oauth2;
    const char *user, *password; /* SC_AUTH_BASIC: names of credentials */
    /* SC_AUTH_SIGNED: fills `out` (name NULL ends; values from host->text()). Called afresh for each sending. NULL, or what is wrong, for
     * people, without secrets. A reply that leads elsewhere is not followed. */
    const char *(*sign)(struct sc_host *host, const struct sc_to_sign *in, struct sc_header out[SC_MAX_SIGN_HEADERS]);
    /* This way counts where that setting or credential is given (a bool: is true), else `otherwise`. NULL: always. */
    const char *when;
    const struct sc_auth *otherwise;
    bool password_is_key; /* SC_AUTH_BASIC: an API key stands in the password's place: no account is locked by refusals (since ABI 4) */
};

/* ---- one call ------------------------------------------------------------------------------------------------------- */

enum sc_method {
    SC_GET,
    SC_POST,
    SC_DELETE
};

/* A reply that is not read by the data type's table. Static.
 * Not `publish`: it is read and not published: the list of a page whose records are fetched by further requests. What it lists is kept
 * until the page is over: at most 20,000 items, 4 MiB.
 * `publish`: it holds the data type's records, in another place or format; `item` means nothing then. */
struct sc_reply {
    const char *items; /* path as sc_data_type.records; each a text or number, or an object with a member `item`. NULL: there are none,
                        * the reply is one value of which only the envelope counts, or empty */
    const char *item;  /* NULL: the item itself */
    const char *envelope[SC_MAX_ENVELOPE]; /* instead of the data type's */
    enum sc_format format;
    const char *items_else, *nested; /* as sc_data_type.records_else and nested */
    bool publish;
    /* A second and third member of each item, read with host->item_more(); kept as text, empty where it has none. NULL: none */
    const char *more[2];
};

#define SC_MAX_REQUEST_HEADERS 16
#define SC_MAX_REQUEST_POOLS 4

/* Filled by request(); strings are static or from host->text() (they live until the next call). */
struct sc_request {
    enum sc_method method;
    const char *url;  /* NULL: out of memory; absolute, or beginning with '/': then below the base URL */
    struct sc_header headers[SC_MAX_REQUEST_HEADERS]; /* name NULL ends; User-Agent, Accept-Encoding, auth are added */
    struct sc_str body;
    const char *pools[SC_MAX_REQUEST_POOLS]; /* names of pools; NULL ends */
    bool no_auth;
    const struct sc_reply *reply; /* NULL: the data type's records, to be published */
    /* The very same request may follow itself within a walk (a scroll whose cursor stays the same): then only the same list
     * or page twice in a row is a loop. */
    bool may_repeat;
    /* Records dated later do not count for sc_page.newest_time; 0: the source's now. Details that are read after their list may be
     * younger than what the list is sorted by: they must not move a position past what the list did not show. */
    int64_t newest_until;
    /* ---- since ABI 3 */
    /* Not to be sent before this time (the source's, ms; 0: now): request() is asked again then. The walk stays open meanwhile, over a
     * restart too. `waits_for`: what for, for people ("the export to be made"). */
    int64_t not_before;
    const char *waits_for;
    /* What the walk remembers is in the bucket before this is sent: for a request that makes something at the vendor. */
    bool after_save;
    uint32_t first_byte_s; /* how long the reply may take to begin; 0: as configured */
    /* One of a list of things that are fetched each by a request of its own (a file, a blob): its name, the vendor's for it, and its time
     * (SC_TIME_NONE: none). One that fails for good (SC_PASS_OVER, or refused or unreadable 5 times over at least 10 minutes while nothing else
     * is wrong) goes to the dead letters, is recorded as a gap, and page() is called as if its reply had been without records. Once its
     * page is acknowledged and saved, host->was_read() knows it for as long as its time is not older than the position's less overlap_s. */
    const char *child;
    int64_t child_time;
    /* Identities of its records are kept as if the records had this time (ms; 0: their own): where walks do not go by the record's time, but
     * by windows of another (when it was made available, when it was indexed), this is the end of the window. */
    int64_t remember_as;
    /* What is shown of each thing that comes whole (sc_data_type.whole) depends on this text, a filter that an operator chose: with another one the
     * readings from before say nothing. NULL: it does not. */
    const char *view;
    /* Identities of its records are the hash of their bytes with this behind it, whatever the data type's `id` says; equal ones on the page are
     * counted as with SC_CONTENT ("h:<32 hex><id_suffix>#2"). For rows that a search computes: the same row of another window is another one.
     * Printable ASCII without blanks, at most 60 bytes, the same for all requests of a page. NULL: as the table says. SC_CONTENT only. */
    const char *id_suffix;
    const char *why; /* SC_UNABLE: which setting is wrong, and what to write there, for people */
};

enum sc_next {
    SC_SEND, /* the request is filled in */
    SC_DONE, /* the walk is complete */
    SC_UNABLE /* the settings allow no request: `why`. Asked again after the next put, or in an hour */
};

struct sc_response {
    int status;                /* 0: no reply, see transport */
    enum sc_reason transport;  /* why there was none */
    struct sc_str body_prefix; /* of a reply that is not cut: at most 64 KiB; else absent */
    bool body_complete;        /* false while only the head is known */
};

enum sc_action {
    SC_BY_STATUS, /* the agent decides by the general rules: 2xx is cut, the rest refused by status */
    SC_CUT,       /* cut the body by the data type's table */
    SC_REFUSE,    /* an error: reason says which; the walk stops, its page is not done */
    SC_AGAIN,     /* the connector has changed its state: ask request() again now (counted; at most 8 in a row) */
    SC_FINISHED,  /* the walk is complete, nothing new (304); with a reason: it ends as this error, the next poll begins anew */
    SC_PASS_OVER  /* what the request's `child` names is gone for good: on without it */
};

struct sc_verdict {
    enum sc_action action;
    enum sc_reason reason; /* of SC_REFUSE; of SC_AGAIN: what to log and count */
    int64_t wait_until;    /* SC_REFUSE: vendor's own time, ms; SC_TIME_NONE: none given */
    char detail[256];      /* SC_REFUSE, SC_AGAIN: what happened, for people; no secrets */
    char advice[256];      /* what to do; empty: the reason's own */
    /* ---- since ABI 4 */
    bool by_status;        /* the reason is what the status stands for alone: common words in the body may tell more */
    bool narrower;         /* the vendor gave up on the size of what was asked: asked again for less (page_size(), narrowed()) */
};

struct sc_page {
    uint64_t records;         /* in this reply, everything counted */
    uint64_t number;          /* of the page in this walk, from 1 */
    int64_t newest_time;      /* over the records of this page, in all of its replies so far; SC_TIME_NONE: none */
    struct sc_str newest_text; /* the vendor's own text of it */
    bool ended_early;         /* reserved, false */
    const struct sc_reply *reply; /* of the request: NULL when it was read by the data type's table */
    uint32_t items;           /* kept from this reply */
    int64_t answered;         /* the vendor's Date of this reply, ms; without one the source's time when its head came */
    /* The reply is well-formed, but what should hold the records is not in it (an error inside a success?): records is 0, and only
     * SC_BROKEN may follow, but for a data type that says may_lack_records; without a detail the agent says what is missing. */
    bool absent;
    bool passed_over;         /* there was none: the request's child has failed for good */
};

enum sc_more {
    SC_MORE,   /* ask request() for the next page */
    SC_WALKED, /* this was the last page */
    SC_LOOP,   /* the vendor repeats itself, or (reason of the verdict set) what the walk has made there has failed: ends the walk as an error */
    SC_BROKEN, /* the reply is not usable (no link, wrong count, an error inside a success): the page is not counted and asked
                * again; reason (OK: bad_response), wait_until, detail and advice of the verdict say why */
    SC_PART    /* ask request() for the rest of this page */
};

/* Of a line of SC_NDJSON. */
enum sc_line {
    SC_LINE_TAKE,
    SC_LINE_SKIP,  /* what is in it is no record (a preview) */
    SC_LINE_BROKEN /* it says that the reply fails: as SC_BROKEN of page() */
};

/* ---- services of the host -------------------------------------------------------------------------------------------- */

enum sc_digest {
    SC_SHA1,   /* 20 bytes */
    SC_SHA256, /* 32 */
    SC_SHA512  /* 64 */
};

/* Which map a name lives in. Values are text. */
enum sc_keep {
    SC_POSITION, /* the checkpoint's position: survives; stored after the page's records are acknowledged. "time" in it, RFC 3339, is the
                  * record time that it covers: identities older than that less overlap_s are forgotten */
    SC_WALK,     /* of this walk; stored with it, gone when the walk ends */
    SC_PAGE      /* of the page being read: never stored, gone when the page ends or is begun again */
};

struct sc_host_api {
    uint32_t abi, size;
    /* The source's time in ms (own clock corrected by the vendor's Date). Frozen for one call. */
    int64_t (*now)(const struct sc_host *);
    /* A setting or credential, its default, or NULL. */
    const char *(*setting)(const struct sc_host *, const char *name);
    /* How far back the first poll reaches: as configured, or to the moment from which on records are wanted. */
    uint32_t (*lookback_s)(const struct sc_host *);
    uint32_t (*page_size)(const struct sc_host *, uint32_t def); /* settings.page_size or the default, halved after trouble */
    /* NULL when absent. The pointer lives until the value is set again or the call returns. */
    const char *(*get)(const struct sc_host *, enum sc_keep, const char *name);
    /* value NULL removes. At most 32 names, 8 KiB a value; false beyond. */
    bool (*set)(struct sc_host *, enum sc_keep, const char *name, const char *value);
    /* nth header line (from 0) of that name in the reply; absent when there is none. Names ignore case. */
    struct sc_str (*header)(const struct sc_host *, const char *name, unsigned nth);
    /* Envelope member by its path as in the table: strings unescaped, arrays and objects as their JSON (the first 4 KiB of a longer
     * one: it must not look as if it were missing), other values as their text; absent when missing or null. */
    struct sc_str (*envelope)(const struct sc_host *, const char *path);
    const char *(*base_url)(const struct sc_host *);
    /* printf into memory that lives until the next call of this walk's functions; NULL when out of memory or over 8 MiB. */
    const char *(*text)(struct sc_host *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
    /* RFC 3339 UTC with ms ("2026-11-21T10:15:02.123Z") of a time; and back (SC_TIME_NONE when it is none). */
    const char *(*rfc3339)(struct sc_host *, int64_t ms);
    int64_t (*parse_time)(const struct sc_host *, struct sc_str text, enum sc_time_format);
    /* A line for DEBUG. */
    void (*trace)(struct sc_host *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
    /* since 1 ends here */
    /* What the page's list holds (struct sc_reply). The text lives as long as the page. */
    uint32_t (*items)(const struct sc_host *);
    struct sc_str (*item)(const struct sc_host *, uint32_t n);
    /* `count` items from `from` on as a JSON array of strings, like text(). */
    const char *(*items_json)(struct sc_host *, uint32_t from, uint32_t count);
    /* Records between these times can no longer be asked for: a gap artifact says so before the walk goes on, and the log. Call
     * it once, when the walk's lower bound is frozen. */
    void (*passed)(struct sc_host *, int64_t from_ms, int64_t to_ms);
    /* since 2 ends here */
    /* Member more[which] of item n (struct sc_reply). */
    struct sc_str (*item_more)(const struct sc_host *, uint32_t n, unsigned which);
    /* A child of that name (sc_request.child) was read to its end, by this walk or an earlier one. */
    bool (*was_read)(const struct sc_host *, struct sc_str child);
    /* Digest, and HMAC (RFC 2104), of bytes: `out` has room for 64. Their length; 0: failed. */
    size_t (*digest)(enum sc_digest, struct sc_str data, unsigned char *out);
    size_t (*hmac)(enum sc_digest, struct sc_str key, struct sc_str data, unsigned char *out);
    /* Base64 (RFC 4648, with padding) and lower-case hex, like text(). */
    const char *(*base64)(struct sc_host *, struct sc_str bytes);
    const char *(*hex)(struct sc_host *, struct sc_str bytes);
    /* since 3 ends here */
    /* The walk is over a closed window of the past: its bounds, ms; records from `from` on and before `to` are wanted. False: it is not. */
    bool (*past)(const struct sc_host *, int64_t *ret_from, int64_t *ret_to);
    /* How many times what is asked for in one request is to be halved: the vendor gave up on more. page_size() is halved already; this is for windows
     * of time. 0: ask for all. */
    uint32_t (*narrowed)(const struct sc_host *);
    /* since 4 ends here */
};

/* Every struct sc_host begins with this. */
struct sc_host {
    const struct sc_host_api *api;
    const struct sc_data_type *type;
};

/* ---- the connector ---------------------------------------------------------------------------------------------------- */

/* Hosts of which one is the customer's: regions, clouds, platforms. */
struct sc_region {
    const char *name, *host; /* as the vendor calls it; the host to set. name NULL ends a table */
};

struct sc_regions {
    const char *setting; /* that names the host */
    const char *header;  /* of a refusal (of the token endpoint's too), that names the right region; NULL: none */
    const struct sc_region *rows;
};

/* The settings as they were saved, for sc_connector.check. value() gives NULL for what is not set; never call it for a credential. */
struct sc_settings_view {
    const char *(*value)(const struct sc_settings_view *, const char *name);
};

#define SC_CHECK_TEXT 256

struct sc_connector_ops {
    enum sc_next (*request)(struct sc_host *, struct sc_request *out);
    /* Called when the head is known (body absent). After SC_REFUSE or SC_BY_STATUS with an error status it is called once
     * more with the body's prefix, so that codes in the body can be read: the second answer counts. It is also called once more when a body
     * that was to be cut cannot be read: with `transport` the reason and no body; only SC_AGAIN and SC_FINISHED count then. */
    void (*response)(struct sc_host *, const struct sc_response *in, struct sc_verdict *out);
    /* `out`: detail, reason and advice for SC_LOOP; reason, wait_until, detail and advice for SC_BROKEN. action means nothing here. */
    enum sc_more (*page)(struct sc_host *, const struct sc_page *in, struct sc_verdict *out);
    /* ---- since ABI 3, both may be NULL */
    /* SC_NDJSON: a line is read, envelope() is that line's; before its records count. `out` as for SC_BROKEN. NULL: each is taken. */
    enum sc_line (*line)(struct sc_host *, struct sc_verdict *out);
    /* The data type was switched off, or its integration deleted, while a walk is open: fills in one request that takes back what the walk
     * has made at the vendor (a job). False: nothing is to be done. It is sent once, its reply does not matter. */
    bool (*leave)(struct sc_host *, struct sc_request *out);
};

struct sc_connector {
    uint32_t abi;  /* SC_CONNECTOR_ABI */
    uint32_t size; /* sizeof(struct sc_connector) as compiled */
    const char *name; /* slug: [a-z0-9-] */
    const char *title;
    const char *category;
    const char *vendor_docs;       /* where the vendor documents it */
    const char *const *aliases;    /* NULL-terminated, may be NULL; '_' and '-' mean the same */
    const char *base_url;          /* "https://{fqdn}" */
    const char *source;            /* tenant-like part of the source key beside the origin: "{fqdn}"; NULL: none */
    struct sc_auth auth;
    const struct sc_field *settings;
    const struct sc_field *credentials;
    const struct sc_pool *pools;
    const struct sc_data_type *data_types;
    const struct sc_connector_ops *ops;
    const char *auth_advice; /* where to make a new credential, for people */
    /* since 2 ends here */
    /* since 3: nothing new; rows of tables, requests and services grew */
    const struct sc_regions *regions; /* NULL: there is one host for all, or the operator's own */
    /* Pure: false: the settings cannot be used together; `why` (SC_CHECK_TEXT bytes) names the setting and what to write there. Asked by `integrations
     * put` and `import` before anything is stored, and by the agent before anything is used. NULL: the tables say it all. */
    bool (*check)(const struct sc_settings_view *settings, char *why);
    /* since 4 ends here */
};

/* The one exported symbol. host_abi is the newest ABI that the agent knows; NULL when the module needs a newer one. */
typedef const struct sc_connector *(*sc_connector_entry_fn)(uint32_t host_abi);

#define SC_CONNECTOR_EXPORT(connector)                                                                                 \
    __attribute__((visibility("default"))) const struct sc_connector *sc_connector_entry(uint32_t host_abi);           \
    const struct sc_connector *sc_connector_entry(uint32_t host_abi)                                                   \
    {                                                                                                                  \
        return host_abi >= SC_CONNECTOR_ABI ? &(connector) : NULL;                                                     \
    }
