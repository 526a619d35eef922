/* The state of an io thread, seen by the files that drive it (private to agent/poll):
 *   source > credential > tokens, budgets        instance = one integration at work        poller = one data type of it
 *
 * A poller's phases:
 *   OFF      not to run (disabled, broker down, standby)
 *   LOADING  checkpoint, segments and read-back are on their way (recover.h)
 *   IDLE     knows where it stands, waits for its time
 *   WALKING  a walk is open: request, cut, publish, next page; also while it waits to go on after an error or for the budget
 *   CLOSING  the last page is read; waits for acknowledgements and the last save
 * One function changes the phase (poller_phase). */
#pragma once

#include "auth/oauth2.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/redact.h"
#include "decode/cut.h"
#include "http/http.h"
#include "operate/reasons.h"
#include "poll/board.h"
#include "poll/around.h"
#include "poll/budget.h"
#include "poll/identity.h"
#include "poll/io.h"
#include "poll/notice.h"
#include "poll/pace.h"
#include "poll/recover.h"
#include "poll/twins.h"

#include <semaphore.h>

#define SC_OPEN_PAGES    8
#define SC_SAVE_STEP_MS  200   /* 5 saves a second */
#define SC_FLUSH_MS      20    /* a batch that waits for more records is handed over after this */
#define SC_ID_ROOM       1536u /* bytes kept free behind a body for message id, ids and times */
#define SC_BOUNDED_ACKS  1000u /* exactness.md 5: streams whose past cannot be read */
#define SC_MAX_AGAIN     8
#define SC_JUDGE_STEP_MS 60000
#define SC_PROCESSING_MS 5000 /* a poll that takes longer is "processing" */
#define SC_FUTURE_MS     300000 /* a record dated further ahead is worth a word */
#define SC_FUTURE_DATE_MS 86400000 /* where it bears a date alone: it may be tomorrow somewhere */
#define SC_ID_SUFFIX_MAX 60
#define SC_NEVER_MS      (100ll * 365 * 86400 * 1000) /* until somebody writes */
#define SC_TOKEN_REFUSALS 12u  /* in a minute: vendors count requests with a bad token, and some allow 15 */

enum sc_phase {
    SC_OFF,
    SC_LOADING,
    SC_IDLE,
    SC_WALKING,
    SC_CLOSING
};

struct sc_hold {            /* "not before", and why */
    int64_t until_ms;       /* monotonic; 0: none */
    int64_t until_real;
    enum sc_reason reason;
    bool named;             /* by the vendor: nothing shortens it */
};

/* What a token endpoint gave for one credential and scope; shared by all data types that need the same. */
struct sc_token {
    struct sc_token *next;
    struct sc_credential *credential;
    struct sc_io *io;
    char *scope;            /* "": none */
    char *value;            /* NULL: none, or no longer to be used */
    char *old;              /* the one before: an answer may still quote it */
    uint64_t serial;        /* counts what came */
    char grants[512];       /* scopes and roles by its own claims; "": it does not say */
    int64_t renew_ms, expires_ms; /* monotonic */
    struct sc_transfer *transfer; /* the call under way */
    const struct sc_oauth2 *table;
    struct sc_budget *budget;
    char *integration;      /* who asked, for the log */
    const char *connector;
    char host[80];          /* of the endpoint, and the end of the client's id: for people */
    struct sc_timer deadline; /* of the call */
    bool overdue;
    bool lasting, open;     /* of the call that failed: sc_http_result */
    bool for_dry;           /* the call was begun for a dry walk: what comes of it holds nobody else */
    int64_t refusals[SC_TOKEN_REFUSALS]; /* when tokens were renewed for a 401, oldest first from refusal_head */
    uint32_t refusal_head;
    uint32_t attempts, throttles;
    struct sc_hold hold;
    char detail[700], advice[320]; /* of the hold */
};

struct sc_listener; /* errand.h */
struct sc_edit;     /* edit.c */
struct sc_errand;
struct sc_asked;

struct sc_credential {
    struct sc_credential *next;
    struct sc_source *source;
    char key[33];
    bool worked;            /* a good reply since this start, or before with the same revision (worked.c) */
    int64_t since_real, until_real; /* the first and the newest good reply; 0: none */
    int64_t refused_real;   /* a login was refused, which may lock the account: not tried again before a put; 0: none */
    int64_t good_at;        /* the newest one, and whose */
    const void *good_by;
    struct sc_hold hold;    /* authentication */
    int64_t tried_ms;       /* the newest try by hand while it was in trouble, monotonic */
    struct sc_token *tokens;
};

/* Where the parts of an identity stand among the captured members of a record. */
struct sc_id_parts {
    unsigned count;
    uint8_t at[SC_MAX_ID_PARTS];
    bool optional[SC_MAX_ID_PARTS];
};

/* What the list of a page holds, while the page is read (struct sc_reply). */
struct sc_items {
    struct sc_buf text;     /* one behind the other, each ended by NUL, with its further members behind it */
    bool more;              /* two further members follow each */
    uint32_t *at;           /* where each begins */
    uint32_t count, cap;
    size_t begun;           /* where the one being read begins */
    uint64_t hash;
};

struct sc_source {
    struct sc_source *next;
    char *key;
    uint32_t refs;
    struct sc_budget *budgets[16];
    uint32_t budget_count;
    struct sc_credential *credentials;
    struct sc_hold hold;    /* transport failures: the host, for all of its pollers */
    uint32_t failures;
    int64_t good_ms;        /* newest reply that was read to its end, monotonic */
    bool offset_known;
    int64_t offset_ms;      /* vendor's Date minus sc_boot_ms() when it came */
    struct sc_source_counts counts;
    struct sc_samples first_bytes, lookups; /* of the newest requests; lookups: of those that looked up a name */
    const char *connector;  /* its slug, of the module */
};

/* Children that a page has read. */
struct sc_children {
    struct sc_child_seen { uint64_t fingerprint; int64_t time_ms; } *seen;
    uint32_t count, cap;
};

/* What a page has shown whole (whole.c). */
struct sc_readings {
    uint64_t *seen;         /* fingerprints */
    uint32_t count, cap;
    uint32_t part;          /* of its requests that are answered */
    int64_t asked_ms;       /* when the first of them was sent at the latest, by the vendor's clock */
};

/* The one that was asked for last. */
struct sc_child {
    char *name;
    int64_t time_ms;
    bool asked;             /* by the request under way */
    bool passing;           /* fails for good: on without it, when its dead letter and its gap stand */
    bool lettered;
    char *failing;          /* the one that failed last, which may be another by now */
    uint32_t failures;      /* of that one, its own, in a row */
    int64_t first_ms;       /* of them, monotonic */
    int64_t span_ms;        /* how long it is to be tried */
    int status;
    enum sc_reason reason;
    char detail[420];
};

struct sc_open_page {
    uint64_t number;        /* of the poller, never reused */
    uint64_t floor;         /* highest stream sequence known before its first publish */
    uint32_t outstanding;   /* batches at the publisher */
    bool complete;          /* the connector has seen its end */
    uint64_t part_records, part_bytes, part_hash; /* of its requests that are answered, where it takes several */
    json_t *position, *walk; /* after it; when complete */
    uint64_t walk_page;
    int64_t newest_ms;      /* newest record time in it */
    uint64_t records, published, bytes; /* counted into the checkpoint when it is covered */
    uint64_t gaps;          /* of `published`: no records */
    struct sc_children children;
    struct sc_readings readings;
};

struct sc_floor_mark { int64_t newest_ms; uint64_t floor; };
#define SC_FLOOR_MARKS 64

struct sc_dead_letter; /* deadletter.c */

struct sc_status_facts {
    enum sc_reason reason;
    char detail[900], advice[320];
    int64_t since_real, until_real;
    int64_t last_poll, last_success, last_record;
};

/* A closed window of the past; to_ms 0: none. */
struct sc_window {
    int64_t from_ms, to_ms;
};

/* Records that could not be published (odd.c). */
struct sc_odd {
    uint64_t count;  /* in the walk that began at walk_ms */
    int64_t walk_ms;
    int64_t at_ms;   /* of the newest, real; 0: none */
    char last[180];  /* which, and what is wrong with it */
};

struct sc_poller {
    struct sc_host host;    /* first: what the connector gets */
    struct sc_instance *inst;
    const struct sc_data_type *type;
    unsigned index;
    char *key;              /* checkpoint */
    char *prefix;           /* message id */
    size_t prefix_len;
    char *ce_source, *ce_type;
    struct sc_stamp stamp, gap_stamp, child_stamp; /* child_stamp: of gaps that belong to a page */
    struct sc_window past;  /* of a backfill */
    enum sc_phase phase;
    struct sc_timer timer, flush_timer, save_timer;
    bool retired;           /* winds up, then freed */
    uint32_t out;           /* batches, KV writes and jobs that will come back here */

    /* where it stands (acknowledged) */
    bool loaded;
    uint64_t generation;
    struct sc_checkpoint cp;
    uint64_t rev;
    bool disk_open;         /* "open" as it stands in the bucket */
    bool dirty;             /* cp differs from the bucket */
    struct sc_seen seen;
    struct sc_seen whole;   /* readings, where the data type has them */
    struct sc_map map;
    unsigned char fingerprint_key[16];
    bool bounded, floor_gone;
    uint32_t handed;        /* records that the publisher has, outcome unknown */
    uint32_t unsaved_acks;  /* in the stream, not yet in what is saved */
    int64_t covered_ms;     /* newest record time that the position covers */
    struct sc_floor_mark marks[SC_FLOOR_MARKS];
    uint32_t mark_count;
    struct sc_recover *job;
    bool reading_back;

    /* saving */
    bool save_wanted, anchor_wanted, anchored;
    uint32_t save_parts;    /* segment or map writes in flight before the checkpoint */
    struct sc_kv_write *save_cp; /* composed, waits for save_parts; or in flight */
    bool saving, save_failed, save_is_anchor, commit_map;
    bool save_open, save_walk; /* what the write in flight says */
    bool disk_walk, exists;    /* what the bucket says */
    bool never;                /* the bucket held no checkpoint when it was loaded: this data type begins */
    bool stopping_save;        /* the agent stops: do not wait for the next turn */
    uint32_t save_acks;
    uint64_t save_memory, disk_memory; /* hash of position and walk: in the write in flight, in the bucket; 0: not known */
    size_t save_gaps;          /* gaps in the checkpoint that is being written */
    int64_t saved_at, save_covered_ms;
    uint64_t save_covered_page;
    uint64_t *part_revs;       /* revisions of segments in bucket SEEN by slot */
    uint64_t *whole_revs;      /* the same of readings */
    uint32_t save_whole_first, whole_purged; /* segments below: no longer named by the checkpoint; no longer in the bucket */
    bool loose;                /* records beyond the position were published by a walk that was given up */
    uint64_t loose_floor;

    /* the walk */
    json_t *position, *walk; /* tip: after the last complete page */
    uint64_t walk_page;     /* complete pages of this walk */
    uint64_t next_page;     /* number for the next open page */
    struct sc_open_page pages[SC_OPEN_PAGES];
    uint32_t page_head, page_count;
    struct sc_open_page *page; /* being read; NULL between pages */
    int64_t walk_began;     /* monotonic; moves with the time that the walk waits after a failure, which is not its own */
    int64_t waits_until;    /* counted up to here */
    int64_t due_ms;         /* next poll, monotonic */
    bool no_room;           /* due, held back while memory is short */
    bool first_poll;        /* since start or put: its line is INFO even with 0 */
    bool walk_failed;       /* ends without success */
    bool walk_whole;        /* everything there was has been read: what an earlier walk left behind is passed */
    bool want_readback;     /* a read-back before a fall-back is due */
    uint32_t conflicts;     /* in a row */
    bool finish;            /* the connector said done */
    uint64_t walk_read, walk_published, walk_dead, walk_gaps, walk_pages;
    int64_t newest_ms;      /* of the page being read, in all of its replies */
    char newest_text[64];
    uint64_t *walk_urls, request_hash; /* what was read to its end in this walk; the request under way */
    uint32_t url_count, url_cap;
    uint64_t page_hash, last_page_hash, page_new;
    bool last_page_hashed;

    /* the request */
    struct sc_transfer *transfer;
    const char *request_pools[SC_MAX_REQUEST_POOLS + 1];
    struct sc_credential *asked_with;
    uint64_t asked_rev;     /* of the settings that the request under way was made with */
    struct sc_token *asked_token;
    uint64_t asked_serial;  /* of the token it was asked with */
    int64_t signed_ms, signed_mono; /* the time that the request under way was signed with, and when; signed_mono 0: not signed */
    bool sign_again, signed_again;  /* the next one, this one is the second try after a refusal by the vendor's clock */
    uint64_t denied_serial; /* of the token that lacked a right: a probe takes another one, as a token carries the rights of its day; 0: none */
    bool renewed;           /* the token was renewed for a 401, and no good reply came since */
    int64_t refused_at;     /* the first 401 since a good reply, monotonic; 0: none */
    char *asked_url;        /* of the request under way */
    bool sized;             /* how much it asks for is the agent's to say: page_size() or narrowed() was asked */
    bool too_slow, too_slow_said; /* the vendor gave up on its size, as it seems; as it says itself */
    uint32_t large_tries;   /* for less, since a page was read */
    bool disbelieved;       /* a wait that makes no sense was told; once until one does */
    bool scopes_told;       /* the token lacks a right by its claims: waited for once, then asked all the same */
    const struct sc_reply *reply; /* of the request under way; NULL: records */
    bool may_repeat;
    int64_t remember_as;    /* sc_request.remember_as */
    uint64_t view;          /* sc_request.view, hashed; 0: none */
    char id_suffix[SC_ID_SUFFIX_MAX + 1]; /* sc_request.id_suffix; empty: none */
    int64_t newest_until;   /* record times beyond it move no position; 0: no limit */
    uint32_t attempts, again;
    struct sc_credential *again_for; /* again > 0: of the reply that it was first asked otherwise for */
    int64_t failing_real;   /* the first failure in a row */
    bool failing_child;     /* while sc_poller_fail() tells of one */
    uint32_t throttles;
    struct sc_hold hold;
    bool cutting, paused, count_failed;
    struct sc_cut *cut, *reply_cut, *cut_now; /* the data type's, that of the last other reply, the one at work */
    struct sc_cut_spec cut_spec, reply_spec, *spec_now;
    const struct sc_reply *cut_reply; /* that reply_cut is made for */
    struct sc_id_parts id_parts, id_else_parts;
    uint8_t time_at, whole_at, more_at[2]; /* of the captured members; SC_CUT_FIELDS: none */
    bool is_web_page;       /* the body is one (foreign.h), web_page its beginning */
    struct sc_buf web_page;
    bool lasting, open;     /* of what has failed: sc_http_result */
    uint64_t files;         /* what the files that it waits for were like; 0: it waits for none */
    bool body_begun;        /* something else than blanks has come */
    bool finishing;         /* the body is over, the cutter has still to hand over its last line */
    bool line_broken;       /* the connector says of a line that the reply fails; line_verdict says why */
    struct sc_verdict line_verdict;
    struct sc_buf kept_head; /* of the reply that is finishing: its transfer is gone */
    int64_t answered_ms;    /* sc_page.answered */
    int64_t asked_at, asked_ms; /* when the request was sent: the source's time; monotonic */
    struct sc_items items;
    json_t *page_keep;      /* SC_PAGE */
    struct sc_child child;
    struct sc_transfer *leaving; /* leave.c */
    bool left, leave_stale; /* tried for this walk; the checkpoint is another by now */
    int status;             /* of the reply under way */
    struct sc_twins twins;  /* SC_CONTENT: equal records of the page */
    uint64_t list_hash;     /* of the page's list request; 0: none */
    uint64_t last_list;     /* hash of what the page before listed */
    uint32_t page_halvings, good_pages;
    struct sc_error cut_error;
    uint64_t page_records;  /* in this attempt */
    char *arena[32];        /* texts for the connector, until its next call */
    uint32_t arena_count;

    /* the record being cut */
    struct sc_batch *batch;
    uint32_t record_at;
    bool in_record;
    struct sc_buf spill;    /* its bytes while no batch is held */
    struct sc_dead_letter *dead;
    struct sc_sha256_stream *sha; /* snapshot: content hash */

    /* snapshot */
    bool scan_only, second_pass, version_known, older;
    char version[2][SC_MAP_VERSION_MAX + 1];
    uint32_t vanished;

    /* told */
    struct sc_status_facts facts;
    struct sc_odd unreadable, too_large;
    struct sc_notices notices;
    uint64_t collisions;
    struct sc_pace pace;
    int64_t pause_began;
    int64_t budget_counted; /* the wait for the budget is counted up to here, monotonic */

    /* asked for by hand (errand.h) */
    struct sc_listener *listeners;
    uint32_t traced;        /* of them: those that want each step */
    struct sc_buf trace_body; /* for them: the beginning of the body under way */
    uint64_t trace_bytes;   /* of the body so far */
    struct sc_errand *errand; /* NULL: this is the live walk */
    struct sc_poller *backfill; /* of a live one: the walk over the past beside it; NULL: none */
    json_t *backfill_past;  /* what is known of the last one that has ended */
    bool over_budget;       /* it would ask, and waits for the budget */
    struct sc_edit *edit;   /* its position is being written by hand (edit.c); NULL: it is not */
    char *label;            /* of an errand: in the log in the data type's place */
    bool limited;           /* the walk ends here, as a listener wanted */
    uint32_t attended;      /* of a live one: errands that go by it; its checkpoint is kept at hand for them */
    struct sc_poll_counts counts, hour_began; /* as they stood at the last hourly line */
    bool interrupted;       /* it was ended for an edit: the next one follows at once */
};

#define SC_REFUSED_ADVICE "correct the value and save it; until then the last good one stays in use"

struct sc_instance {
    struct sc_instance *next;
    struct sc_io *io;
    struct sc_integration *config;
    struct sc_source *source;
    struct sc_credential *credential;
    struct sc_expiry ends;    /* of the credential or client certificate that ends first, by its own word */
    const char *ends_field;   /* its name, for people */
    int64_t credential_saved; /* real: when the revision that brought it was written; 0: not known */
    struct sc_poller **pollers;
    unsigned poller_count;
    bool retired, forget_status;
    bool polled_by_hand;    /* somebody asked for a live poll: where nothing is polled otherwise, this one's status is true */
    struct sc_poller *errands; /* walks beside the live ones (errand.h) */
    char *refused;          /* why the newest put is not in use */
    int64_t used_since;     /* real: since when its revision is */
    struct sc_notices notices;
    int64_t skew_last, skew_told; /* by which the clock was off in the newest answer, and in its notice */
    bool skew_seen;
    bool slow_name;         /* the newest lookup of its name was a slow one */
    struct sc_timer status_timer;
    int64_t status_at;
    enum sc_reason status_reason;
    char *status_last;
};

struct sc_io {
    struct sc_io_config config;
    pthread_t thread;
    sem_t ended; /* the thread is about to */
    struct sc_mailbox box;
    struct sc_http *http;
    struct sc_heap heap;
    struct sc_timer files_timer;
    struct sc_lookups lookups;
    struct sc_source *sources;
    struct sc_instance *instances;
    struct sc_broker_facts broker;
    struct sc_credit credit;
    uint32_t walking, waiting; /* waiting: transfers paused for want of a batch */
    uint64_t random;
    _Atomic int64_t turned_at;
    _Atomic int stop;       /* 1: wind up; 2: at once */
    bool stopping;
    struct sc_asked *asked; /* what others wait for (errand.h) */
    int64_t now;            /* monotonic, once a turn */
    int64_t shown_at;       /* newest page on the board, monotonic */
    bool short_of_memory;   /* a transfer pauses for it */
    int64_t room_at;        /* when those were let on last, monotonic */
    struct sc_timer judge_timer;
    uint64_t dead_letters;
    struct sc_timer hour_timer;
    pthread_mutex_t hour_lock; /* of hour */
    struct sc_io_hour hour;
};

/* poller.c: phases and steps */
void sc_poller_step(struct sc_poller *p);
struct sc_poller *sc_poller_new(struct sc_instance *inst, unsigned index); /* io.c; NULL: out of memory */
void sc_poller_free(struct sc_poller *p);
void sc_poller_wake(struct sc_poller *p); /* a step in the next turn */
void sc_poller_unpause(struct sc_poller *p);
void sc_poller_reset(struct sc_poller *p);    /* forgets everything that is not in the buckets; loads again */
void sc_poller_abandon(struct sc_poller *p);  /* ends the request, keeps what is handed over */
void sc_poller_ask_anew(struct sc_poller *p); /* the settings change: no reply is judged by others than its request was made by, no page is read by two */
void sc_poller_fail(struct sc_poller *p, enum sc_reason reason, int64_t wait_until_real, const char *wait_header,
                    const char *detail, const char *advice);
void sc_poller_say(struct sc_poller *p, enum sc_reason reason, int64_t until_real, const char *detail, const char *advice);
void sc_poller_page_done(struct sc_poller *p); /* pops covered pages, goes on */
bool sc_poller_should_run(const struct sc_poller *p);
bool sc_poller_is_enabled(const struct sc_poller *p); /* somebody wants this data type polled, whether it can be now or not */
/* A put, or a poll by hand, ends waits caused by authentication, configuration and failures; never one that the vendor or the budget set. */
void sc_poller_end_waits(struct sc_poller *p, bool at_once, const char *said);
/* A letter that cannot be kept: everything is read again when the wait is over. */
void sc_poller_stop_for_letters(struct sc_poller *p, const struct sc_error *err);
bool sc_poller_capped(struct sc_poller *p); /* the walk has taken as long as one may: it ends */
bool sc_poller_cover_pages(struct sc_poller *p); /* pages whose records are all acknowledged; true: some were */
void sc_poller_give_up_page(struct sc_poller *p); /* the page being read will not be read to its end */

void sc_poller_phase(struct sc_poller *p, enum sc_phase phase);
/* What to do, where the reply does not say better: the connector's word on new credentials, the permission that the data type needs, or NULL (the
 * reason's own). `room` holds 256 bytes. */
const char *sc_poller_advice(const struct sc_poller *p, enum sc_reason reason, char *room);
/* worked.c: since when and until when the vendor took the credential */
bool sc_worked_locks(const struct sc_instance *inst); /* refused logins may lock the account */
void sc_worked_loaded(struct sc_poller *p);           /* the checkpoint is read */
void sc_worked_good(struct sc_poller *p);             /* the vendor took what was asked with */
void sc_worked_refused(struct sc_poller *p, bool login); /* it did not: what is known is kept; login: and is not to be tried again */
void sc_worked_tell_refused(struct sc_poller *p);     /* waits for a put, since then */
void sc_worked_refused_words(const struct sc_poller *p, char *out, size_t cap);
void sc_worked_fill(struct sc_poller *p);             /* a checkpoint is composed */
void sc_worked_put(struct sc_poller *p, uint64_t old_rev, bool same_credential);
void sc_worked_words(const struct sc_poller *p, enum sc_reason reason, char *out, size_t cap); /* behind a sentence; "": nothing is known */
/* A wait that the vendor named outlives a restart. */
void sc_poller_keep_wait(struct sc_poller *p, const char *pool, int64_t until_real);
void sc_poller_hold_pools(struct sc_poller *p, int64_t until_real); /* those of the request that was answered: nobody asks before */
int64_t sc_poller_position_time(const struct sc_poller *p); /* "time" of the saved position; SC_TIME_NONE */
/* How long to wait after the nth failure (from 0): 1, 2, 4 s, then 15 s doubling to 15 min; after a throttle without a time: first_s (0: 30 s)
 * doubling to most_s (0: 15 min). Jittered, the latter upwards alone. */
int64_t sc_wait_retry(struct sc_io *io, uint32_t n);
/* How long to wait goes by the reason's class, unless more is known of this time (sc_http_result): some proxy's "no" is for good, and an expired
 * certificate is looked at again soon while nobody has told us the time. */
enum sc_class sc_wait_class(enum sc_class cls, bool lasting, bool open);
int64_t sc_wait_throttle(struct sc_io *io, uint32_t n, uint32_t first_s, uint32_t most_s);
/* The latest of all that says "not before", monotonic; *ret says which. 0: nothing. */
void sc_wait_known(const struct sc_poller *p, enum sc_reason reason, char *out, size_t cap); /* goes behind the sentence of a failure; may be "" */
bool sc_wait_would_lock(const struct sc_poller *p, enum sc_reason reason); /* a password was refused: asked again and again it locks the account */
void sc_poller_waits(struct sc_poller *p, int64_t until); /* the walk stands still until then; no part of the time that a walk may take */
void sc_poller_waited(struct sc_poller *p);               /* or until now */
int64_t sc_poller_not_before(const struct sc_poller *p, const struct sc_hold **ret);

/* room.c: while memory is short */
bool sc_room_to_begin(struct sc_poller *p); /* may this poll begin? If not, it is said, and asked again in a second */
bool sc_room_to_read(struct sc_poller *p);  /* may its transfer go on? If not, it pauses */
bool sc_room_turn(struct sc_io *io);        /* paused ones are to look again */

/* load.c: where it stands */
void sc_poller_load(struct sc_poller *p);
void sc_poller_loaded(struct sc_poller *p, struct sc_recover *job);
void sc_poller_read_back(struct sc_poller *p); /* before a fall-back by time */
/* As sc_poller_load(), but to another place (relocate.h). Takes relocate->position. -1: out of memory. */
int sc_poller_load_elsewhere(struct sc_poller *p, struct sc_relocate *relocate);
/* The body of a gap artifact; NULL: out of memory. */
json_t *sc_gap_new(const struct sc_poller *p, const char *from, const char *to, const char *reason, bool certain);
/* To be published before anything else; frozen from now on. */
void sc_poller_add_gap(struct sc_poller *p, const char *from, const char *to, const char *reason, bool certain);

/* request.c: one request */
void sc_request_send(struct sc_poller *p);
void sc_request_connects(const struct sc_integration *config, struct sc_http_request *hr); /* how it gets to the vendor's host */
void sc_request_remember(struct sc_poller *p); /* the page is read: the walk does not ask for it again */
void sc_request_forget_asked(struct sc_poller *p);
int64_t sc_request_when(struct sc_poller *p, const struct sc_request *rq); /* its budgets allow it; monotonic, INT64_MAX: when another one has ended */
void sc_request_take(struct sc_poller *p, const struct sc_request *rq);    /* it is sent */
void sc_request_release(struct sc_poller *p); /* gives back what it took of the budgets' concurrency */

/* authorize.c: its header lines ("Name: value", NULL ends): those of the connector, then what says who asks. -1 + err; whatever is in `lines` is the
 * caller's, to be wiped. */
#define SC_HEADER_LINES (SC_MAX_REQUEST_HEADERS + SC_MAX_SIGN_HEADERS + 3)
int sc_authorize(struct sc_poller *p, const struct sc_request *rq, char *url, char *lines[SC_HEADER_LINES], struct sc_error *err);
const char *sc_method_name(enum sc_method method);
bool sc_auth_needs_token(const struct sc_poller *p);
bool sc_auth_is_signed(const struct sc_poller *p);
/* A reply refuses a signed request, and the time that was signed is not the vendor's: true: ask again at once, once. said: the connector's reason. */
bool sc_signature_refused(struct sc_poller *p, const struct sc_http_result *result, enum sc_reason said);

/* reply.c: its reply */
bool sc_reply_head(void *arg, struct sc_transfer *transfer, int status);
ptrdiff_t sc_reply_body(void *arg, struct sc_transfer *transfer, const char *bytes, size_t len);
void sc_reply_done(struct sc_transfer *transfer, const struct sc_http_result *result);
void sc_reply_finish(struct sc_poller *p); /* p->finishing, and there is room again */
/* Whatever is made of the refusal, the vendor has said "not before": nobody asks its pools before. */
void sc_reply_keep_named_wait(struct sc_poller *p, struct sc_transfer *transfer, const struct sc_http_result *result);
void sc_reply_forget_page(struct sc_poller *p); /* SC_PAGE and items: the page ended or begins again */

/* token.c: tokens of the OAuth2 kind; one call at a time for each, whoever needs it */
bool sc_token_ready(struct sc_poller *p);   /* false: the poller waits, has been told why and is woken */
bool sc_token_refused(struct sc_poller *p); /* a 401: true: there is, or will be, another token: ask again */
/* By its claims the token under way lacks what the data type needs: `out` says which. False: it does not say so, or nothing is known to be needed. */
bool sc_token_lacks(const struct sc_poller *p, char *out, size_t cap);
void sc_token_put(struct sc_instance *inst); /* the operator wrote: what was refused is asked anew */
void sc_tokens_free(struct sc_credential *credential);

/* leave.c */
bool sc_leave_due(const struct sc_poller *p);        /* the walk that is given up may have left something at the vendor */
bool sc_leave_stored_due(const struct sc_poller *p); /* so may the one in the checkpoint */
void sc_leave_send(struct sc_poller *p);             /* p->leaving until it is answered; NULL: nothing was sent */
void sc_leave_cancel(struct sc_poller *p);

/* Of a page of its own where none is open; the page is not done before its child is. */
void sc_reply_open_page(struct sc_poller *p);
void sc_reply_passed_over(struct sc_poller *p); /* the connector is told */

/* child.c */
enum sc_child_verdict {
    SC_CHILD_NONE,  /* the failure is none of a child's */
    SC_CHILD_AGAIN, /* it is asked again */
    SC_CHILD_GONE   /* it fails for good and is passed over: nothing is to be waited for */
};
int sc_child_ask(struct sc_poller *p, const struct sc_request *rq); /* the request goes out; -1: out of memory */
void sc_child_read(struct sc_poller *p);                            /* the child that was asked for is read to its end, or passed over */
void sc_child_done(struct sc_poller *p);
bool sc_child_was_read(const struct sc_poller *p, struct sc_str name);
bool sc_child_gone(struct sc_poller *p, int status, const char *detail); /* the connector says so; false: no child was asked for */
/* status 0: the vendor was not reached. */
enum sc_child_verdict sc_child_failed(struct sc_poller *p, int status, enum sc_reason reason, const char *detail);
int64_t sc_child_wait(const struct sc_poller *p, int64_t wait);
const char *sc_child_advice(void);
void sc_child_pass(struct sc_poller *p); /* a step on the way to pass it over */
void sc_children_keep(struct sc_poller *p, struct sc_open_page *page);
void sc_children_forget(struct sc_children *children);

/* whole.c */
/* What the record belongs to is noted as read with the page; whether the record was there to be seen when that was read last. May be asked again. */
bool sc_whole_knows(struct sc_poller *p, const struct sc_cut_record *record, int64_t time_ms);
void sc_whole_begin(struct sc_poller *p); /* a reply with records begins, also one that was broken off before */
void sc_whole_part(struct sc_poller *p);  /* it is read to its end, the page goes on */
void sc_whole_keep(struct sc_poller *p, struct sc_open_page *page); /* the page is covered */
void sc_whole_forget(struct sc_readings *readings);

/* cutter.c */
void sc_cutter_describe(struct sc_poller *p); /* once: what is cut out of the data type's own replies */
int sc_cutter_take(struct sc_poller *p);      /* p->cut_now, for the request under way, fresh; -1: p->cut_error */
void sc_cutter_free(struct sc_poller *p);

/* What the reply to the request under way holds: records to be published, the list of a page, or nothing but its envelope. */
static inline bool sc_reply_publishes(const struct sc_poller *p)
{
    return !p->reply || (p->reply->items && p->reply->publish);
}

static inline bool sc_reply_lists(const struct sc_poller *p)
{
    return p->reply && p->reply->items && !p->reply->publish;
}

/* items.c: the sink of the cutter for a list */
struct sc_cut_sink sc_items_sink(struct sc_poller *p);
void sc_items_clear(struct sc_items *items);
void sc_items_done(struct sc_items *items);

/* record.c: the sink of the cutter, batches */
struct sc_cut_sink sc_record_sink(struct sc_poller *p);
void sc_record_drop_partial(struct sc_poller *p);
void sc_record_post(struct sc_poller *p);  /* hands the batch over */
void sc_record_flush(struct sc_timer *timer, void *arg);
/* record_id.c */
void sc_snapshot_judge(struct sc_poller *p); /* p->version is known: older than what was read before? */
/* outcome.c */
void sc_record_outcomes(struct sc_poller *p, struct sc_batch *batch);
int sc_record_publish_gap(struct sc_poller *p); /* first of cp.gaps; 0 posted, 1 no batch now, -1 none */

/* save.c: checkpoints, segments, maps */
void sc_save_want(struct sc_poller *p);
void sc_save_anchor(struct sc_poller *p);
bool sc_save_holds_walk(const struct sc_poller *p); /* position and walk as they are now are in the bucket */
void sc_save_walk(struct sc_poller *p);             /* puts them there, when the pages before are covered; wakes it */
void sc_save_step(struct sc_poller *p);
void sc_save_written(struct sc_poller *p, struct sc_kv_write *write);
bool sc_save_settled(const struct sc_poller *p); /* the bucket holds what cp says */
void sc_save_forget(struct sc_poller *p);
void sc_save_drop(struct sc_kv_write *write); /* its poller is gone */
void sc_save_purge_segments(struct sc_poller *p, uint32_t first, uint32_t end); /* that no checkpoint names any more */
uint64_t sc_part_rev(const uint64_t *revs, uint32_t segment);
void sc_part_rev_set(uint64_t **revs, uint32_t segment, uint64_t rev);

/* edit.c: its position is written by hand */
bool sc_edit_step(struct sc_poller *p); /* of one that is OFF; true: it is not to be loaded yet */
bool sc_edit_loaded(struct sc_poller *p, struct sc_recover *job);
void sc_edit_saved(struct sc_poller *p); /* a checkpoint of it stands */
void sc_edit_gone(struct sc_poller *p, const char *why);

/* host.c: services for connectors */
extern const struct sc_host_api sc_host_services;
uint32_t sc_host_lookback_anew(const struct sc_poller *p); /* how far back a first poll reaches, in s */
void sc_host_release(struct sc_poller *p); /* frees the arena */

/* errand.c, dry.c, listen.c: what the rest of the walk asks of them (errand.h has the whole) */
bool sc_is_dry(const struct sc_poller *p);
/* backfill.c: walks over the past (backfill.h) */
bool sc_is_backfill(const struct sc_poller *p);
bool sc_backfill_is_open(const struct sc_poller *live); /* there is one of this live poller's data type, or it still counts */
void sc_backfill_found(struct sc_poller *live, const struct sc_recover *job); /* the live one is loaded: what stands in the bucket of one */
bool sc_backfill_may_run(const struct sc_poller *p);
bool sc_backfill_step(struct sc_poller *p);  /* before each step; true: that was all */
bool sc_backfill_loaded(struct sc_poller *p, struct sc_recover *job); /* false: it is not to be taken in */
bool sc_backfill_resumed(struct sc_poller *p, struct sc_recover *job); /* from the bucket; likewise */
void sc_backfill_walked(struct sc_poller *p);
void sc_backfill_saved(struct sc_poller *p);
void sc_backfill_note(struct sc_poller *p);  /* a checkpoint of it is being composed */
bool sc_backfill_leaves_out(struct sc_poller *p, int64_t time_ms); /* the record is none of the window */
void sc_backfill_live_walked(struct sc_poller *live, int64_t began_ms); /* to its end */
bool sc_backfill_waits_loaded(const struct sc_poller *p); /* its wait is for the vendor: it is loaded meanwhile, as the live walk waits for that */
bool sc_backfill_keeps_live(const struct sc_poller *live); /* its identities are not loaded yet: the live walk does not begin */
/* In the set of the other walk of the data type: SC_SEEN_NONE, or its number there, in *ret_set. */
uint64_t sc_beside_find(const struct sc_poller *p, uint64_t fingerprint, const struct sc_seen **ret_set);
void sc_beside_stored(struct sc_poller *p, const struct sc_record *record); /* the other walk is told, where it may meet the record */
void sc_beside_late(struct sc_poller *p, const struct sc_batch *batch); /* p was reset while it was out: what of it is stored */
void sc_beside_proof(struct sc_poller *p); /* so far the other one knows what was stored */
uint64_t sc_backfill_floor(const struct sc_poller *p, uint64_t floor); /* below it everything that matters is in its segments */
struct sc_poller *sc_beside(const struct sc_poller *p); /* NULL: there is none, or nothing of it is loaded */
int64_t sc_backfill_when(struct sc_poller *p, const struct sc_request *rq); /* as sc_request_when(), behind the live walks */
void sc_backfill_status(const struct sc_poller *live, struct sc_buf *out); /* ,"backfill":{…} */
void sc_listeners_said(struct sc_poller *p, enum sc_reason reason, int64_t until_real, const char *detail);
bool sc_listeners_have_enough(const struct sc_poller *p); /* the walk ends behind this page */
void sc_listeners_walked(struct sc_poller *p);            /* it is over */

/* trace.c: each step, for listeners that want it; nothing is composed where there is none. `more` (taken) holds members beside the text. */
void sc_trace(struct sc_poller *p, const char *kind, json_t *more, const char *fmt, ...) SC_PRINTF(4, 5);
#define SC_TRACE(p, kind, more, ...)                                                                                                                \
    do {                                                                                                                                            \
        if ((p)->traced)                                                                                                                            \
            sc_trace((p), (kind), (more), __VA_ARGS__);                                                                                             \
    } while (0)
void sc_trace_request(struct sc_poller *p, const struct sc_request *rq, const char *url, char *const lines[]);
void sc_trace_body(struct sc_poller *p, const char *bytes, size_t len); /* a part of the body has come */
void sc_trace_response(struct sc_poller *p, struct sc_transfer *transfer, const struct sc_http_result *result);
void sc_trace_page(struct sc_poller *p, const struct sc_open_page *page);
void sc_trace_begin(struct sc_poller *p); /* of a walk */
void sc_trace_saved(struct sc_poller *p);
/* To all that share it. */
void sc_trace_token(const struct sc_token *t, const char *fmt, ...) SC_PRINTF(2, 3);

/* show.c: what is counted, and the page on the board */
void sc_show_request(struct sc_source *source, const struct sc_http_result *result);
void sc_show_budget_wait(struct sc_poller *p, int64_t until_ms);
void sc_show_dead_letter(struct sc_poller *p);
void sc_show_turn(struct sc_io *io); /* puts a page up when it is time */

/* pace.c: what a poll spends its time on */
void sc_pace_begin(struct sc_poller *p);  /* a walk begins */
void sc_pace_end(struct sc_poller *p);    /* it has ended well */
void sc_pace_wait(struct sc_poller *p, enum sc_spent what); /* from now on until the next step */
void sc_pace_fold(struct sc_poller *p);   /* what it has waited until now is counted; it goes on to wait */
void sc_pace_step(struct sc_poller *p);   /* a step: what it waited for until now is counted */
void sc_pace_paused(struct sc_poller *p); /* a pause of ours is over; no pause: nothing */
void sc_pace_request(struct sc_poller *p, const struct sc_http_result *result); /* a reply has ended */
void sc_pace_failed(struct sc_poller *p, enum sc_reason reason);
void sc_pace_good(struct sc_poller *p);   /* no longer failing */
/* Of a walk, as far as what it reads goes by time: hundredths, 0: not known; *ret_left_ms: about how long it will take, 0: not known. */
unsigned sc_pace_percent(const struct sc_poller *p, int64_t *ret_left_ms);

/* odd.c */
void sc_odd_refused(struct sc_poller *p, enum sc_reason reason, struct sc_str id, const char *why); /* it went to the dead letters */
bool sc_odd_words(struct sc_poller *p, enum sc_reason reason, char *out, size_t cap); /* there were such within a day */
/* judge.c: notices: what follows from what is known */
void sc_judge_walk(struct sc_poller *p);      /* a poll has ended well */
void sc_judge_came(struct sc_poller *p, uint64_t records); /* new ones are covered */
/* judge_pace.c */
void sc_judge_pace(struct sc_poller *p, bool walk_ended);
void sc_judge_fire(struct sc_timer *timer, void *io); /* each minute: what time alone makes true */
void sc_judge_told(void *poller, const struct sc_notice *notice, enum sc_notice_event event);
void sc_judge_told_instance(void *instance, const struct sc_notice *notice, enum sc_notice_event event);
/* Who else reads the same as this one, which came, changed or goes: all of its source are told. */
void sc_judge_doubles(const struct sc_instance *inst);

/* hourly.c */
void sc_hour_begin(struct sc_io *io);
void sc_hour_fire(struct sc_timer *timer, void *io);

/* credential.c */
void sc_credential_begin(struct sc_instance *inst, bool changed); /* a revision is in use; changed: with another credential */
void sc_judge_credential(struct sc_instance *inst);
void sc_status_credential(struct sc_buf *out, const struct sc_instance *inst);

/* status.c */
enum sc_poll_state sc_poller_state(const struct sc_poller *p);
struct sc_shown { /* one word for log, status and metrics */
    enum sc_reason reason;
    const char *detail, *advice;
    int64_t since_real;
};
void sc_poller_position_words(const struct sc_poller *p, char *out, size_t cap);
struct sc_shown sc_poller_shown(const struct sc_poller *p); /* where nothing holds it up: its most urgent notice, then its integration's */
enum sc_promise sc_poller_promise(const struct sc_poller *p);
void sc_status_touch(struct sc_instance *inst, bool urgent);
void sc_status_fire(struct sc_timer *timer, void *arg);

/* deadletter.c */
struct sc_dead_letter *sc_dead_letter_open(const char *dir, struct sc_error *err); /* NULL: nowhere; it takes bytes, and may only be dropped */
int sc_dead_letter_add(struct sc_dead_letter *letter, const char *bytes, size_t len, struct sc_error *err);
/* Durable under the name and a hash of the bytes, or already there (then *ret_known). ret_file (300 bytes) is the name. The letter is gone either
 * way. */
int sc_dead_letter_keep(struct sc_dead_letter *letter, const char *name, char *ret_file, bool *ret_known, struct sc_error *err);
struct sc_dead_letter *sc_dead_letter_drop(struct sc_dead_letter *letter);

/* source.c, io.c */
struct sc_source *sc_source_of(struct sc_io *io, const char *key);
struct sc_credential *sc_credential_of(struct sc_source *source, const char *key);
void sc_source_override_budgets(struct sc_instance *inst);
struct sc_budget *sc_budget_of(struct sc_poller *p, const char *pool);
int64_t sc_source_now(const struct sc_source *source); /* vendor's clock */
uint64_t sc_io_random(struct sc_io *io);
struct sc_log_cx sc_poller_cx(const struct sc_poller *p);
void sc_instance_free_if_done(struct sc_instance *inst);
