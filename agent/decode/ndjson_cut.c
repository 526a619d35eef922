/* Lines, each read twice by the JSON machine: first by a probe, which says whether the line is well-formed, what is beside the
 * records and at which of the two places the records are; then, when the sink takes the line, by the cutter of that place. A line that
 * lies in one chunk is read where it is, others are held; one longer than may be held is read by both at once. */
#include "decode/ndjson_cut.h"
#include "decode/json_cut.h"
#include "decode/json_machine.h"
#include "decode/json_scan.h"

#include <stdlib.h>

#define DEFAULT_RECORD_MAX (8u << 20)
#define PLACES SC_JSON_WATCHED

enum state {
    BETWEEN, /* blanks, until a line begins */
    PROBE,   /* the line is read for the first time */
    HAND     /* its records are handed over, or what is left of it is passed over */
};

struct sc_ndjson_cut {
    int (*line)(void *arg);
    void *arg;
    const char *paths[PLACES];
    struct sc_json_cut *probe, *cutters[PLACES];
    struct sc_json_cut *now; /* reads the line for its records; NULL: they are not wanted, or there are none */
    enum state state;
    bool paused;  /* `now` is */
    bool refused; /* the sink does not want this line */
    bool open;    /* longer than may be held: its end has not come */
    bool ended;   /* the body has: open or not, no byte will come */
    char *hold;   /* the line's first bytes, where no chunk has all of it */
    size_t held, room, given; /* bytes in it, its size, bytes that `now` has taken */
    size_t max;
    size_t ahead; /* of the bytes to come, those that the probe has read of a line that is open */
    bool wrong;   /* and found something wrong with */
    struct sc_error why;
    size_t left;  /* bytes of the line that come (again), when none are held */
    const char *chunk;     /* the bytes at hand begin here */
    uint64_t at, chunk_at; /* place of the line, of these */
    uint64_t number, records;
    struct sc_error failure;
};

static struct sc_json_cut *cutter_for(const struct sc_cut_spec *spec, const char *records, struct sc_cut_sink sink, struct sc_error *err)
{
    struct sc_json_spec json = {.records = records, .max_depth = spec->max_depth, .field_max = spec->field_max, .whole = true};

    memcpy(json.fields, spec->fields, sizeof(json.fields));
    return sc_json_cut_new(&json, sink, err);
}

static int make_cutters(struct sc_ndjson_cut *nd, const struct sc_cut_spec *spec, struct sc_cut_sink sink, struct sc_error *err)
{
    struct sc_json_spec json = {.records = spec->records};

    if (spec->records && !*spec->records && spec->records_else)
        return sc_fail(err, SC_REASON_INTERNAL, "path \"%s\": a line that is the record has no records elsewhere", spec->records_else);
    memcpy(json.envelope, spec->envelope, sizeof(json.envelope));
    nd->probe = sc_json_probe_new(&json, spec->records_else, err);
    if (!nd->probe)
        return -1;
    nd->paths[0] = spec->records;
    nd->paths[1] = spec->records_else;
    for (unsigned i = 0; i < PLACES && nd->paths[i]; i++) {
        nd->cutters[i] = cutter_for(spec, nd->paths[i], sink, err);
        if (!nd->cutters[i])
            return -1;
    }
    return 0;
}

struct sc_ndjson_cut *sc_ndjson_cut_new(const struct sc_cut_spec *spec, struct sc_cut_sink sink, struct sc_error *err)
{
    struct sc_ndjson_cut *nd = calloc(1, sizeof(*nd));

    if (!nd) {
        (void)sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for a cutter of lines");
        return NULL;
    }
    nd->line = sink.line;
    nd->arg = sink.arg;
    nd->max = spec->record_max ? spec->record_max : DEFAULT_RECORD_MAX;
    if (make_cutters(nd, spec, sink, err) < 0) {
        sc_ndjson_cut_free(nd);
        return NULL;
    }
    sc_ndjson_cut_reset(nd);
    return nd;
}

void sc_ndjson_cut_free(struct sc_ndjson_cut *nd)
{
    if (!nd)
        return;
    sc_json_cut_free(nd->probe);
    for (unsigned i = 0; i < PLACES; i++)
        sc_json_cut_free(nd->cutters[i]);
    free(nd->hold);
    free(nd);
}

void sc_ndjson_cut_reset(struct sc_ndjson_cut *nd)
{
    sc_json_cut_reset(nd->probe);
    nd->now = NULL;
    nd->state = BETWEEN;
    nd->paused = nd->refused = nd->open = nd->ended = false;
    nd->held = nd->given = nd->left = nd->ahead = 0;
    nd->wrong = false;
    nd->why = (struct sc_error)SC_ERROR_INIT;
    nd->at = nd->chunk_at = 0;
    nd->number = 1;
    nd->records = 0;
    nd->failure = (struct sc_error)SC_ERROR_INIT;
}

static int report(const struct sc_ndjson_cut *nd, struct sc_error *err)
{
    return sc_fail(err, nd->failure.reason, "%s", nd->failure.text);
}

static int fail_line(struct sc_ndjson_cut *nd, const struct sc_error *why)
{
    return sc_fail(&nd->failure, why->reason, "line %llu: %s", (unsigned long long)nd->number, why->text);
}

/* ---- reading for the first time --------------------------------------------------------------- */

static int probe(struct sc_ndjson_cut *nd, const char *bytes, size_t len)
{
    struct sc_error why = SC_ERROR_INIT;
    size_t used;

    return sc_json_cut_feed(nd->probe, bytes, len, &used, &why) < 0 ? fail_line(nd, &why) : 0;
}

static int ended_early(struct sc_ndjson_cut *nd)
{
    return sc_fail(&nd->failure, SC_REASON_BAD_RESPONSE, "line %llu: ends at byte %llu in the middle of its value",
                   (unsigned long long)nd->number, (unsigned long long)nd->probe->base - 1);
}

static int hold(struct sc_ndjson_cut *nd, const char *bytes, size_t len)
{
    size_t need = nd->held + len, room = nd->room ? nd->room : 4096;
    char *grown;

    while (room < need)
        room *= 2;
    if (room != nd->room) {
        grown = realloc(nd->hold, room);
        if (!grown)
            return sc_fail(&nd->failure, SC_REASON_MEMORY_LIMIT, "line %llu: no memory for its %zu bytes", (unsigned long long)nd->number, need);
        nd->hold = grown;
        nd->room = room;
    }
    memcpy(nd->hold + nd->held, bytes, len);
    nd->held = need;
    return 0;
}

/* The place of the line's records, as far as it is read: 0, 1, PLACES: it has none, -1: failed. */
static int choose(struct sc_ndjson_cut *nd)
{
    for (unsigned i = 0; i < PLACES && nd->paths[i]; i++) {
        const char *path = nd->paths[i];
        size_t len = strlen(path);
        bool list = len >= 2 && strcmp(path + len - 2, "[]") == 0;
        enum sc_cut_kind kind = nd->probe->watched[i];

        if (len == 0 || kind == (list ? SC_CUT_ARRAY : SC_CUT_OBJECT))
            return (int)i;
        if (kind != SC_CUT_ABSENT && kind != SC_CUT_NULL)
            return sc_fail(&nd->failure, SC_REASON_BAD_RESPONSE, "line %llu: \"%.*s\" is %s, not an %s", (unsigned long long)nd->number,
                           (int)len - 2 * list, path, sc_json_kind_name(kind), list ? "array" : "object");
    }
    return PLACES;
}

static void close_line(struct sc_ndjson_cut *nd)
{
    if (nd->now)
        nd->records += sc_json_cut_records(nd->now);
    nd->now = NULL;
    nd->open = nd->refused = false;
    nd->held = nd->given = nd->left = nd->ahead = 0;
    nd->number++;
    nd->state = BETWEEN;
}

/* The line, or as much of it as may be held, is read: asks the sink. */
static int take_line(struct sc_ndjson_cut *nd)
{
    int place, answer;

    nd->state = HAND;
    if (!nd->open && !sc_json_cut_complete(nd->probe)) /* a byte order mark and nothing else is a blank line */
        return nd->probe->state == SC_JSON_VALUE && nd->probe->level == 0 ? 0 : ended_early(nd);
    place = choose(nd);
    if (place < 0)
        return -1;
    answer = nd->line ? nd->line(nd->arg) : SC_CUT_LINE_TAKE;
    if (answer != SC_CUT_LINE_TAKE && answer != SC_CUT_LINE_SKIP)
        return sc_fail(&nd->failure, SC_REASON_INTERNAL, "line %llu: refused by the receiver of the records", (unsigned long long)nd->number);
    nd->refused = answer == SC_CUT_LINE_SKIP;
    if (place == PLACES && nd->open)
        place = 0; /* they may still come */
    if (nd->refused || place == PLACES)
        return 0;
    nd->now = nd->cutters[place];
    sc_json_cut_begin(nd->now, nd->at);
    return 0;
}

/* Bytes of a line up to and with its end, as far as they are at hand and may be held. */
static int read_line(struct sc_ndjson_cut *nd, const char **p, const char *end)
{
    size_t room = nd->max - nd->held, n = (size_t)(end - *p) < room ? (size_t)(end - *p) : room;
    const char *eol = memchr(*p, '\n', n);

    if (eol)
        n = (size_t)(eol - *p) + 1;
    if (probe(nd, *p, n) < 0)
        return -1;
    if (eol && !nd->held) {
        nd->left = n;
        return take_line(nd);
    }
    if (hold(nd, *p, n) < 0)
        return -1;
    *p += n;
    nd->open = !eol && nd->held == nd->max;
    return eol || nd->open ? take_line(nd) : 0;
}

/* ---- handing over ----------------------------------------------------------------------------- */

/* *ret_used: all of them when nobody wants them. */
static int give(struct sc_ndjson_cut *nd, const char *bytes, size_t len, size_t *ret_used)
{
    struct sc_error why = SC_ERROR_INIT;
    int r = 0;

    *ret_used = len;
    if (nd->now)
        r = sc_json_cut_feed(nd->now, bytes, len, ret_used, &why);
    nd->paused = r == SC_CUT_PAUSE;
    return r < 0 ? fail_line(nd, &why) : r;
}

/* The probe reads on, no further than the bytes at hand; where it finds something wrong is kept: what comes before is handed over. */
static void look_ahead(struct sc_ndjson_cut *nd, const char *from, size_t len)
{
    size_t used;

    if (nd->wrong || nd->ahead >= len)
        return;
    nd->wrong = sc_json_cut_feed(nd->probe, from + nd->ahead, len - nd->ahead, &used, &nd->why) < 0;
    nd->ahead = len;
}

/* The rest of a line that is too long to be held. */
static int hand_open(struct sc_ndjson_cut *nd, const char **p, const char *end)
{
    uint64_t at = nd->chunk_at + (uint64_t)(*p - nd->chunk), wrong;
    const char *from = *p, *eol = memchr(from, '\n', (size_t)(end - from));
    size_t n = eol ? (size_t)(eol - from) + 1 : (size_t)(end - from), used;
    bool last = eol != NULL;
    int r;

    if (n == 0 && nd->ended) { /* it ends as if there were an end of line */
        from = "\n";
        n = 1;
        last = true;
    }
    look_ahead(nd, from, n);
    wrong = nd->wrong ? nd->probe->failed_at : UINT64_MAX;
    if (n > (wrong > at ? wrong - at : 0))
        n = (size_t)(wrong > at ? wrong - at : 0);
    r = give(nd, from, n, &used);
    nd->ahead -= used < nd->ahead ? used : nd->ahead;
    if (*p != end)
        *p += used;
    if (r < 0)
        sc_json_cut_reset(nd->probe); /* how far it came depends on the chunks: nothing is told of this line */
    if (r == 0 && at + used >= wrong)
        return fail_line(nd, &nd->why);
    nd->open = r != 0 || !last || nd->wrong;
    return r;
}

/* Its end came: is all that has records handed over? */
static int check_long(struct sc_ndjson_cut *nd)
{
    int place;

    if (!sc_json_cut_complete(nd->probe))
        return ended_early(nd);
    place = choose(nd);
    if (place < 0)
        return -1;
    if (!nd->refused && place != PLACES && nd->cutters[place] != nd->now)
        return sc_fail(&nd->failure, SC_REASON_RECORD_TOO_LARGE,
                       "line %llu: longer than %zu bytes, the most that is held, and its records are at \"%s\" behind them",
                       (unsigned long long)nd->number, nd->max, nd->paths[place]);
    return 0;
}

/* 0 also when the line goes on behind the bytes at hand. */
static int hand(struct sc_ndjson_cut *nd, const char **p, const char *end)
{
    size_t used;
    int r = nd->paused ? give(nd, "", 0, &used) : 0;

    while (r == 0 && nd->given < nd->held) {
        r = give(nd, nd->hold + nd->given, nd->held - nd->given, &used);
        nd->given += used;
    }
    while (r == 0 && nd->left && *p != end) {
        r = give(nd, *p, nd->left < (size_t)(end - *p) ? nd->left : (size_t)(end - *p), &used);
        *p += used;
        nd->left -= used;
    }
    while (r == 0 && nd->open && (*p != end || nd->ended)) {
        r = hand_open(nd, p, end);
        if (r == 0 && !nd->open)
            r = check_long(nd);
    }
    if (r != 0)
        return r;
    if (nd->given == nd->held && !nd->left && !nd->open)
        close_line(nd);
    return 0;
}

/* ---- the body --------------------------------------------------------------------------------- */

/* Blanks and empty lines are nobody's; a byte order mark is the first line's. */
static void begin_line(struct sc_ndjson_cut *nd, const char **p, const char *end)
{
    for (; *p != end && sc_json_is_blank(**p); ++*p)
        nd->number += **p == '\n';
    if (*p == end)
        return;
    nd->at = nd->chunk_at + (uint64_t)(*p - nd->chunk);
    sc_json_cut_begin(nd->probe, nd->at);
    nd->state = PROBE;
}

static int run(struct sc_ndjson_cut *nd, const char **p, const char *end)
{
    int r = 0;

    nd->chunk = *p;
    for (;;) {
        switch (nd->state) {
        case BETWEEN:
            begin_line(nd, p, end);
            break;
        case PROBE:
            r = read_line(nd, p, end);
            break;
        case HAND:
            r = hand(nd, p, end);
            break;
        }
        if (r != 0 || (*p == end && (nd->state == BETWEEN || nd->state == PROBE)))
            return r;
        if (*p == end && nd->state == HAND && (nd->left || nd->open) && nd->given == nd->held)
            return 0;
    }
}

int sc_ndjson_cut_feed(struct sc_ndjson_cut *nd, const char *bytes, size_t len, size_t *ret_used, struct sc_error *err)
{
    const char *p = len ? bytes : "", *const chunk = p;
    int r;

    *ret_used = 0;
    if (nd->failure.reason != SC_REASON_OK)
        return report(nd, err);
    r = run(nd, &p, chunk + len);
    *ret_used = (size_t)(p - chunk);
    nd->chunk_at += *ret_used;
    return r < 0 ? report(nd, err) : r;
}

/* The last line has no end of its own: gets one. */
static int end_line(struct sc_ndjson_cut *nd)
{
    nd->ended = true;
    if (nd->state != PROBE)
        return 0;
    if (probe(nd, "\n", 1) < 0 || hold(nd, "\n", 1) < 0)
        return -1;
    return take_line(nd);
}

int sc_ndjson_cut_finish(struct sc_ndjson_cut *nd, struct sc_error *err)
{
    const char *none = "";
    int r;

    if (nd->failure.reason != SC_REASON_OK)
        return report(nd, err);
    r = nd->ended ? 0 : end_line(nd);
    nd->chunk = none;
    if (r == 0 && nd->state == HAND)
        r = hand(nd, &none, none);
    if (r == 0 && nd->state == HAND)
        r = sc_fail(&nd->failure, SC_REASON_BAD_RESPONSE, "line %llu: ended after %llu bytes in the middle of record %llu",
                    (unsigned long long)nd->number, (unsigned long long)nd->chunk_at, (unsigned long long)sc_ndjson_cut_records(nd) + 1);
    return r < 0 ? report(nd, err) : r;
}

uint64_t sc_ndjson_cut_records(const struct sc_ndjson_cut *nd)
{
    return nd->records + (nd->now ? sc_json_cut_records(nd->now) : 0);
}

bool sc_ndjson_cut_in_record(const struct sc_ndjson_cut *nd)
{
    return nd->now && sc_json_cut_in_record(nd->now);
}

const struct sc_cut_value *sc_ndjson_cut_envelope(const struct sc_ndjson_cut *nd, unsigned index)
{
    return sc_json_cut_envelope(nd->probe, index);
}
