/* A host for connectors in tests: drives the real ops as the agent does, and is stricter than it:
 * - request() is called twice each time and must say the same (a page may be asked for again after any wait);
 * - response() sees the head first; it may change nothing then, the second answer counts;
 * - what get() returned is dead once a call has returned, what text() returned at the next call: a sanitizer sees use after that;
 * - a page that is not counted may leave no trace; a part of a page may move neither position nor walk;
 * - SC_PAGE and the list's items are gone when the page has ended.
 *
 *   struct fake f;
 *   fake_open(&f, OKTA_MODULE, "system_log");
 *   fake_set(&f, FAKE_SETTING, "fqdn", "acme.okta.com");
 *   fake_request(&f);                       f.url, f.headers
 *   fake_reply(&f, 200, NULL);              f.verdict; or 400 with a body
 *   fake_header(&f, "Link", "<...>; rel=next");
 *   fake_page(&f, 3, "2026-05-01T10:00:00.123Z");   what page() said; f.page.detail
 *   fake_close(&f);
 * A list: f.reply_table says that the request was one; fake_list(&f, "a b c") is what it holds, then fake_page(). "a|x|y": with the members
 * that sc_reply.more names. FAKE_READ: what was_read() knows. A reply that is published from elsewhere: fake_page() with its records. */
#pragma once

#include <signal/connector.h>

#define FAKE_NOW     1777629600000 /* 2026-05-01T10:00:00.000Z */
#define FAKE_VALUES  32
#define FAKE_HEADERS 16

enum fake_map {
    FAKE_POSITION = SC_POSITION,
    FAKE_WALK = SC_WALK,
    FAKE_PAGE = SC_PAGE,
    FAKE_SETTING,
    FAKE_ENVELOPE, /* of the reply: by path; forgotten with the next one */
    FAKE_READ,     /* children that were read before, by name */
    FAKE_MAPS
};

struct fake_value {
    char *name, *value;
};

struct fake {
    struct sc_host host; /* first */
    void *handle;
    const struct sc_connector *connector;
    int64_t now;
    uint32_t lookback_s, halvings;
    int64_t past_from, past_to; /* past_to 0: the walk is over no closed window */
    const char *base_url;
    struct fake_value maps[FAKE_MAPS][FAKE_VALUES];
    struct fake_value reply[FAKE_HEADERS]; /* headers */
    char *texts[32];
    unsigned text_count;
    long fail_at; /* the n-th allocation of the host from now on fails; 0: none */
    bool failed;
    char **items, **more[2]; /* of the page's list */
    uint32_t item_count;
    /* what the connector said */
    unsigned gaps; /* passed(): how often, and the last one */
    int64_t gap_from, gap_to;
    enum sc_next next;
    char *url;
    struct fake_value headers[SC_MAX_REQUEST_HEADERS + 1];
    char pools[64]; /* comma-joined */
    enum sc_method method;
    char *body; /* NULL: none */
    const struct sc_reply *reply_table;
    bool may_repeat;
    int64_t newest_until, not_before, child_time, remember_as;
    bool after_save, no_auth;
    char *child; /* NULL: none */
    char *why;   /* of SC_UNABLE */
    uint32_t first_byte_s;
    int64_t answered; /* Date of the replies to come; 0: now */
    bool absent, passed_over; /* of the next page */
    bool headers_first; /* what fake_header() has set belongs to the next reply */
    struct sc_verdict verdict;
    struct sc_verdict page; /* of page() */
};

/* The entry point of the module at `path`; *ret_handle for dlclose. Fails the test when there is none. */
const struct sc_connector *fake_load(const char *path, void **ret_handle);

void fake_open(struct fake *f, const char *module, const char *data_type);
void fake_close(struct fake *f);
/* value NULL removes. */
void fake_set(struct fake *f, enum fake_map map, const char *name, const char *value);
const char *fake_get(const struct fake *f, enum fake_map map, const char *name);
/* "name=value name=value" in order of name; until the next call. */
const char *fake_show(const struct fake *f, enum fake_map map);
/* A new walk: SC_WALK is empty. */
void fake_new_walk(struct fake *f);

enum sc_next fake_request(struct fake *f);
/* A header of the request, NULL: not there. */
const char *fake_asked(const struct fake *f, const char *name);
/* Forgets the headers of the reply before; further ones come by fake_header(), before fake_page(). body NULL: none. */
enum sc_action fake_reply(struct fake *f, int status, const char *body);
enum sc_action fake_no_reply(struct fake *f, enum sc_reason transport);
void fake_header(struct fake *f, const char *name, const char *value);
/* What the list that was asked for holds: items with a blank between them; "": none. */
void fake_list(struct fake *f, const char *ids);
void fake_envelope(struct fake *f, const char *path, const char *value);
/* What the agent keeps when it stops in the middle of a page: neither SC_PAGE nor items. */
void fake_drop_page(struct fake *f);
/* A line of NDJSON whose envelope is at hand. */
enum sc_line fake_line(struct fake *f);
/* What the connector would ask to take back what the walk has made: true, and f->url, method. */
bool fake_leave(struct fake *f);
/* newest: text of the newest record time of the page, NULL: none. */
enum sc_more fake_page(struct fake *f, uint64_t records, const char *newest);
