/* JSON cutter: life cycle, feed, finish. */
#include "decode/json_cut.h"
#include "decode/json_machine.h"

#include <stdlib.h>

#define DEFAULT_MAX_DEPTH 128

static int compile(struct sc_json_cut *cut, const struct sc_json_spec *spec, const char *records_else, struct sc_error *err)
{
    struct sc_json_paths *paths = &cut->paths;
    enum sc_json_path_use use = cut->probe ? SC_JSON_PATH_WATCH : spec->whole ? SC_JSON_PATH_WHOLE : SC_JSON_PATH_RECORDS;

    sc_json_paths_init(paths);
    if (!spec->records)
        return sc_fail(err, SC_REASON_INTERNAL, "no path of the records");
    if (sc_json_paths_add(paths, use, spec->records, 0, err) < 0)
        return -1;
    if (records_else && sc_json_paths_add(paths, use, records_else, 1, err) < 0)
        return -1;
    for (unsigned i = 0; i < SC_CUT_FIELDS && spec->fields[i]; i++)
        if (sc_json_paths_add_field(paths, spec->fields[i], i, err) < 0)
            return -1;
    for (unsigned i = 0; i < SC_CUT_ENVELOPE && spec->envelope[i]; i++)
        if (sc_json_paths_add(paths, SC_JSON_PATH_VALUE, spec->envelope[i], i, err) < 0)
            return -1;
    cut->single = cut->paths.nodes[SC_JSON_BODY].record;
    for (unsigned i = 0; i < cut->paths.count; i++)
        cut->single |= cut->paths.nodes[i].record;
    return 0;
}

/* Fields have room for what is usual from the beginning, so that a longer one alone allocates. */
static int make_rooms(struct sc_json_cut *cut, const struct sc_json_spec *spec, struct sc_error *err)
{
    uint32_t max = spec->field_max ? spec->field_max : SC_CUT_VALUE_MAX;
    size_t cap = max < SC_CUT_VALUE_MAX ? max : SC_CUT_VALUE_MAX;

    cut->name_room = (struct sc_json_room){cut->name_text, sizeof(cut->name_text), sizeof(cut->name_text)};
    for (unsigned i = 0; i < SC_CUT_ENVELOPE; i++)
        cut->envelope_rooms[i] = (struct sc_json_room){cut->envelope_text[i], SC_CUT_VALUE_MAX, SC_CUT_VALUE_MAX};
    for (unsigned i = 0; i < SC_CUT_FIELDS && spec->fields[i]; i++) {
        cut->field_rooms[i] = (struct sc_json_room){malloc(cap), cap, max};
        if (!cut->field_rooms[i].ptr)
            return sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for a JSON cutter");
    }
    return 0;
}

static struct sc_json_cut *make(const struct sc_json_spec *spec, const char *records_else, bool probe, struct sc_error *err)
{
    struct sc_json_cut *cut;

    if (spec->max_depth > SC_JSON_LEVELS) {
        (void)sc_fail(err, SC_REASON_INTERNAL, "max_depth %u: at most %d", spec->max_depth, SC_JSON_LEVELS);
        return NULL;
    }
    if (spec->field_max > SC_CUT_FIELD_LIMIT) {
        (void)sc_fail(err, SC_REASON_INTERNAL, "field_max %u: at most %u", spec->field_max, SC_CUT_FIELD_LIMIT);
        return NULL;
    }
    cut = calloc(1, sizeof(*cut));
    if (!cut) {
        (void)sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for a JSON cutter");
        return NULL;
    }
    cut->probe = probe;
    cut->records_path = spec->records;
    cut->max_depth = probe ? SC_JSON_LEVELS : spec->max_depth ? spec->max_depth : DEFAULT_MAX_DEPTH;
    if (compile(cut, spec, records_else, err) < 0 || make_rooms(cut, spec, err) < 0) {
        sc_json_cut_free(cut);
        return NULL;
    }
    sc_json_cut_reset(cut);
    return cut;
}

struct sc_json_cut *sc_json_cut_new(const struct sc_json_spec *spec, struct sc_cut_sink sink, struct sc_error *err)
{
    struct sc_json_cut *cut = make(spec, NULL, false, err);

    if (cut)
        cut->sink = sink;
    return cut;
}

struct sc_json_cut *sc_json_probe_new(const struct sc_json_spec *spec, const char *records_else, struct sc_error *err)
{
    return make(spec, records_else, true, err);
}

void sc_json_cut_free(struct sc_json_cut *cut)
{
    if (!cut)
        return;
    for (unsigned i = 0; i < SC_CUT_FIELDS; i++)
        free(cut->field_rooms[i].ptr);
    free(cut);
}

void sc_json_cut_reset(struct sc_json_cut *cut)
{
    bool whole = cut->paths.nodes[SC_JSON_BODY].record;

    cut->state = SC_JSON_START;
    cut->level = 0;
    cut->level_limit = cut->max_depth;
    cut->tracked = cut->outer_tracked = 0;
    cut->array_level = whole ? 0 : SC_JSON_NO_LEVEL;
    cut->in_object = cut->name = cut->in_record = false;
    cut->array_seen = whole;
    cut->marks = 0;
    cut->top_kind = cut->array_kind = SC_CUT_ABSENT;
    cut->hit = &cut->paths.nodes[SC_JSON_BODY];
    cut->want = NULL;
    cut->capture_count = 0;
    cut->capture_level = SC_JSON_NO_LEVEL;
    cut->base = 0;
    cut->pending = 0;
    cut->records = 0;
    cut->failure = (struct sc_error)SC_ERROR_INIT;
    memset(cut->fields, 0, sizeof(cut->fields));
    memset(cut->envelope, 0, sizeof(cut->envelope));
    memset(cut->watched, 0, sizeof(cut->watched));
}

void sc_json_cut_begin(struct sc_json_cut *cut, uint64_t at)
{
    sc_json_cut_reset(cut);
    cut->base = at;
    if (at)
        cut->state = SC_JSON_VALUE;
}

bool sc_json_cut_complete(const struct sc_json_cut *cut)
{
    return cut->state == SC_JSON_DONE ||
           (cut->level == 0 && cut->state == SC_JSON_IN_NUMBER && sc_json_number_complete(cut->number));
}

static int report(const struct sc_json_cut *cut, struct sc_error *err)
{
    return sc_fail(err, cut->failure.reason, "%s", cut->failure.text);
}

/* Bytes that a pause left behind: the machine has read them, data() has not taken them. */
static int feed_pending(struct sc_json_cut *cut, const char **p, const char *end)
{
    size_t len = (size_t)(end - *p) < cut->pending ? (size_t)(end - *p) : cut->pending;
    int r = len ? cut->sink.data(cut->sink.arg, *p, len) : 0;

    if (r == SC_CUT_PAUSE)
        return r;
    if (r != 0)
        return sc_fail(&cut->failure, SC_REASON_INTERNAL,
                       "the receiver of the records gave up at byte %llu",
                       (unsigned long long)cut->base);
    *p += len;
    cut->pending -= len;
    return 0;
}

int sc_json_cut_feed(struct sc_json_cut *cut, const char *bytes, size_t len, size_t *ret_used,
                     struct sc_error *err)
{
    const char *p = len ? bytes : "";
    const char *const chunk = p, *const end = p + len;
    int r = 0;

    *ret_used = 0;
    if (cut->failure.reason != SC_REASON_OK)
        return report(cut, err);
    cut->chunk = chunk;
    if (cut->pending)
        r = feed_pending(cut, &p, end);
    if (r == 0 && !cut->pending)
        r = sc_json_machine_run(cut, &p, end);
    *ret_used = (size_t)(p - chunk);
    cut->base += *ret_used;
    cut->chunk = NULL;
    return r < 0 ? report(cut, err) : r;
}

const char *sc_json_kind_name(enum sc_cut_kind kind)
{
    static const char *const names[] = {
        [SC_CUT_ABSENT] = "absent",    [SC_CUT_STRING] = "a string", [SC_CUT_NUMBER] = "a number",
        [SC_CUT_TRUE] = "true",        [SC_CUT_FALSE] = "false",     [SC_CUT_NULL] = "null",
        [SC_CUT_OBJECT] = "an object", [SC_CUT_ARRAY] = "an array",
    };

    return names[kind];
}

/* null is how some vendors write a list without elements. */
static bool is_list(enum sc_cut_kind kind)
{
    return kind == SC_CUT_ARRAY || kind == SC_CUT_NULL;
}

static int ended_early(const struct sc_json_cut *cut, struct sc_error *err)
{
    unsigned long long bytes = cut->base, records = cut->records;

    if (bytes == cut->marks)
        return sc_fail(err, SC_REASON_BAD_RESPONSE, "the body is empty");
    if (cut->level == 0 && cut->state == SC_JSON_VALUE)
        return sc_fail(err, SC_REASON_BAD_RESPONSE, "the body is empty: %llu bytes, all blank",
                       bytes);
    if (cut->in_record || cut->state == SC_JSON_AT_RECORD)
        return sc_fail(err, SC_REASON_BAD_RESPONSE,
                       "ended after %llu bytes in the middle of record %llu", bytes, records + 1);
    if (cut->array_level != SC_JSON_NO_LEVEL)
        return sc_fail(err, SC_REASON_BAD_RESPONSE,
                       "ended after %llu bytes between the records, after %llu of them", bytes,
                       records);
    return sc_fail(err, SC_REASON_BAD_RESPONSE, "ended after %llu bytes, %s", bytes,
                   is_list(cut->array_kind) ? "after the records" : "before the records");
}

int sc_json_cut_finish(struct sc_json_cut *cut, struct sc_error *err)
{
    int names = (int)strlen(cut->records_path) - 2; /* the path without its [] */

    if (cut->failure.reason != SC_REASON_OK)
        return report(cut, err);
    if (!sc_json_cut_complete(cut))
        return ended_early(cut, err);
    if (is_list(cut->array_kind))
        return 0;
    if (names == 0)
        return sc_fail(err, SC_REASON_BAD_RESPONSE, "the body is %s, not an array",
                       sc_json_kind_name(cut->array_kind));
    if (cut->array_seen)
        return sc_fail(err, SC_REASON_BAD_RESPONSE, "\"%.*s\" is %s, not an array", names,
                       cut->records_path, sc_json_kind_name(cut->array_kind));
    if (cut->top_kind != SC_CUT_OBJECT)
        return sc_fail(err, SC_REASON_BAD_RESPONSE, "no member \"%.*s\": the body is %s", names,
                       cut->records_path, sc_json_kind_name(cut->top_kind));
    return sc_fail(err, SC_REASON_BAD_RESPONSE, "no member \"%.*s\"", names, cut->records_path);
}

bool sc_json_cut_absent(const struct sc_json_cut *cut)
{
    return cut->failure.reason == SC_REASON_OK && sc_json_cut_complete(cut) && !is_list(cut->array_kind);
}

uint64_t sc_json_cut_records(const struct sc_json_cut *cut)
{
    return cut->records;
}

bool sc_json_cut_in_record(const struct sc_json_cut *cut)
{
    return cut->in_record;
}

const struct sc_cut_value *sc_json_cut_envelope(const struct sc_json_cut *cut, unsigned index)
{
    static const struct sc_cut_value absent;

    return index < SC_CUT_ENVELOPE ? &cut->envelope[index] : &absent;
}
