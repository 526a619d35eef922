#include "poll/checkpoint.h"

#include "base/clock.h"
#include <stdlib.h>

void sc_checkpoint_init(struct sc_checkpoint *cp)
{
    *cp = (struct sc_checkpoint){.position = json_object(), .recipe = 1};
}

static void trail_entry_done(struct sc_trail_entry *e)
{
    json_decref(e->position);
    json_decref(e->walk);
    free(e->msg_id);
    *e = (struct sc_trail_entry){0};
}

void sc_checkpoint_done(struct sc_checkpoint *cp)
{
    free(cp->connector);
    free(cp->source);
    json_decref(cp->position);
    json_decref(cp->walk);
    free(cp->walk_from);
    free(cp->stream_created);
    free(cp->proof_msg_id);
    for (uint32_t i = 0; i < cp->trail_count; i++)
        trail_entry_done(&cp->trail[i]);
    json_decref(cp->gaps);
    json_decref(cp->waits);
    json_decref(cp->reached);
    json_decref(cp->backfill);
    free(cp->agent);
    *cp = (struct sc_checkpoint){0};
}

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

struct reading {
    struct sc_error *err;
    bool failed;
};

static void bad(struct reading *r, const char *member, const char *why)
{
    if (!r->failed)
        sc_fail(r->err, SC_REASON_CHECKPOINT_INVALID, "member \"%s\" %s", member, why);
    r->failed = true;
}

static void no_memory(struct reading *r)
{
    if (!r->failed)
        sc_fail(r->err, SC_REASON_MEMORY_LIMIT, "no memory for the checkpoint");
    r->failed = true;
}

static char *read_text(struct reading *r, const json_t *object, const char *name, bool required)
{
    const json_t *v = json_object_get(object, name);
    if (!v && !required)
        return NULL;
    if (!json_is_string(v)) {
        bad(r, name, v ? "is not a text" : "is missing");
        return NULL;
    }
    char *text = sc_dup(json_string_value(v));
    if (!text)
        no_memory(r);
    return text;
}

static uint64_t read_number(struct reading *r, const json_t *object, const char *name, bool required)
{
    const json_t *v = json_object_get(object, name);
    if (!v && !required)
        return 0;
    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        bad(r, name, v ? "is not a whole number" : "is missing");
        return 0;
    }
    return (uint64_t)json_integer_value(v);
}

static uint32_t read_small(struct reading *r, const json_t *object, const char *name, bool required, uint32_t max)
{
    uint64_t n = read_number(r, object, name, required);
    if (n > max)
        bad(r, name, "is too large");
    return n > max ? 0 : (uint32_t)n;
}

static bool read_flag(struct reading *r, const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    if (!json_is_boolean(v))
        bad(r, name, v ? "is neither true nor false" : "is missing");
    return json_is_true(v);
}

static int64_t read_time(struct reading *r, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    int64_t t = text ? sc_time_parse_rfc3339(sc_str_of(text)) : SC_TIME_NONE;
    if (t == SC_TIME_NONE)
        bad(r, name, "is not a time");
    return t;
}

/* An object whose members are texts. The value itself, not a copy: the document it comes from goes away unchanged. */
static json_t *read_texts(struct reading *r, const json_t *object, const char *name)
{
    json_t *v = json_object_get(object, name);
    const char *key;
    json_t *member;
    if (!json_is_object(v)) {
        bad(r, name, v ? "is not an object" : "is missing");
        return NULL;
    }
    json_object_foreach (v, key, member) {
        if (!json_is_string(member)) {
            bad(r, name, "holds something that is not a text");
            return NULL;
        }
    }
    return json_incref(v);
}

static struct sc_floor read_floor(struct reading *r, const json_t *object)
{
    const json_t *v = json_object_get(object, "floor");
    if (!json_is_object(v)) {
        bad(r, "floor", "is missing");
        return (struct sc_floor){0};
    }
    return (struct sc_floor){read_number(r, v, "page", true), read_number(r, v, "walk", true)};
}

static void read_trail(struct reading *r, struct sc_checkpoint *cp, const json_t *trail)
{
    size_t i;
    json_t *e;
    if (!trail)
        return;
    if (!json_is_array(trail)) {
        bad(r, "trail", "is not an array");
        return;
    }
    json_array_foreach (trail, i, e) {
        if (i + SC_TRAIL_MAX < json_array_size(trail))
            continue; /* more than there is room for: the newest are kept */
        struct sc_trail_entry *t = &cp->trail[cp->trail_count++];
        t->at_ms = read_time(r, e, "at");
        t->position = read_texts(r, e, "position");
        if (json_object_get(e, "walk"))
            t->walk = read_texts(r, e, "walk");
        t->floor = read_floor(r, e);
        t->seq = read_number(r, e, "seq", true);
        t->msg_id = read_text(r, e, "msg_id", true);
        t->map = read_small(r, e, "map", false, UINT32_MAX);
    }
}

static void read_walk(struct reading *r, struct sc_checkpoint *cp, const json_t *walk)
{
    if (!walk || json_is_null(walk))
        return;
    if (!json_is_object(walk)) {
        bad(r, "walk", "is not an object");
        return;
    }
    cp->walk_page = read_number(r, walk, "page", false);
    cp->walk_from = read_text(r, walk, "from", false);
    cp->walk = read_texts(r, walk, "state");
}

static void read_proof(struct reading *r, struct sc_checkpoint *cp, const json_t *proof)
{
    if (!proof || json_is_null(proof))
        return;
    cp->stream_created = read_text(r, proof, "stream_created", true);
    cp->proof_seq = read_number(r, proof, "seq", false);
    cp->proof_msg_id = read_text(r, proof, "msg_id", cp->proof_seq != 0);
}

static void read_range(struct reading *r, const json_t *range, const char *name, uint32_t *ret_first, uint32_t *ret_end)
{
    *ret_first = read_small(r, range, "first", true, INT32_MAX);
    *ret_end = read_small(r, range, "end", true, INT32_MAX);
    if (*ret_end < *ret_first || *ret_end - *ret_first > SC_CHECKPOINT_SEGMENTS_MAX)
        bad(r, name, "names an impossible range of segments");
}

static void read_seen(struct reading *r, struct sc_checkpoint *cp, const json_t *seen)
{
    if (!seen)
        return;
    read_range(r, seen, "seen", &cp->seen_first, &cp->seen_end);
    const json_t *tail = json_object_get(seen, "tail");
    for (size_t i = 0; i < json_array_size(tail) && i < SC_SEEN_TAIL; i++) { /* absent in what an older version wrote */
        json_int_t n = json_integer_value(json_array_get(tail, i));
        cp->seen_tail[cp->seen_tail_count++] = n > 0 && n < INT32_MAX ? (uint32_t)n : 0;
    }
}

static void read_gaps(struct reading *r, struct sc_checkpoint *cp, json_t *gaps)
{
    size_t i;
    json_t *gap;
    if (!gaps)
        return;
    if (!json_is_array(gaps))
        bad(r, "gaps", "is not an array");
    json_array_foreach (gaps, i, gap) {
        if (!json_is_object(gap))
            bad(r, "gaps", "holds something that is not an object");
    }
    cp->gaps = json_incref(gaps);
}

/* Words for people hang on it and no position, so what makes no sense counts as never. */
static void read_worked(struct sc_checkpoint *cp, const json_t *worked)
{
    const struct {
        const char *name;
        int64_t *to;
    } times[] = {{"since", &cp->worked.since_ms}, {"until", &cp->worked.until_ms}, {"refused", &cp->worked.refused_ms}};
    json_int_t rev = json_integer_value(json_object_get(worked, "rev"));
    if (rev <= 0)
        return;
    cp->worked.rev = (uint64_t)rev;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t ms = sc_time_parse_rfc3339(sc_str_of(json_string_value(json_object_get(worked, times[i].name))));
        *times[i].to = ms == SC_TIME_NONE || ms < 0 ? 0 : ms;
    }
    if (!cp->worked.since_ms || cp->worked.until_ms < cp->worked.since_ms)
        cp->worked.since_ms = cp->worked.until_ms = 0;
}

static void read_own(struct reading *r, struct sc_checkpoint *cp, const json_t *root)
{
    read_seen(r, cp, json_object_get(root, "seen"));
    if (json_object_get(root, "whole"))
        read_range(r, json_object_get(root, "whole"), "whole", &cp->whole_first, &cp->whole_end);
    cp->map = read_small(r, root, "map", false, UINT32_MAX);
    read_gaps(r, cp, json_object_get(root, "gaps"));
    if (json_object_get(root, "reached"))
        cp->reached = read_texts(r, root, "reached");
    if (json_object_get(root, "waits"))
        cp->waits = read_texts(r, root, "waits");
    sc_habit_read(&cp->habit, json_object_get(root, "habit"));
    read_worked(cp, json_object_get(root, "credential"));
    if (json_object_get(root, "not_before"))
        cp->not_before_ms = read_time(r, root, "not_before");
    cp->backfill = json_incref(json_object_get(root, "backfill"));
    if (cp->backfill && !json_is_object(cp->backfill))
        bad(r, "backfill", "is not an object");
    const json_t *count = json_object_get(root, "count");
    if (count) {
        if (!json_is_object(count))
            bad(r, "count", "is not an object");
        cp->records = read_number(r, count, "records", false);
        cp->pages = read_number(r, count, "pages", false);
        cp->bytes = read_number(r, count, "bytes", false);
    }
    const json_t *writer = json_object_get(root, "writer");
    if (!json_is_object(writer))
        bad(r, "writer", "is missing");
    cp->agent = read_text(r, writer, "agent", true);
    cp->epoch = read_number(r, writer, "epoch", true);
    cp->n = read_number(r, writer, "n", true);
}

/* Loads twice: without memory for a longer text jansson leaves out a character of it and says nothing, and a cursor would be another one. */
static json_t *load(struct reading *r, struct sc_str text)
{
    json_error_t where;
    json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &where);
    json_t *again = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    bool same = root ? json_equal(root, again) : !again && where.text[0];
    json_decref(again);
    if (same && json_is_object(root))
        return root;
    if (!same)
        no_memory(r);
    else
        sc_fail(r->err, SC_REASON_CHECKPOINT_INVALID, "not a JSON object (byte %d: %s)", root ? 0 : where.position,
                root ? "another value" : where.text);
    json_decref(root);
    return NULL;
}

int sc_checkpoint_parse(struct sc_checkpoint *cp, struct sc_str text, struct sc_error *err)
{
    struct reading r = {.err = err};
    sc_checkpoint_init(cp);
    json_t *root = load(&r, text);
    if (!root)
        return -1;
    const json_t *v = json_object_get(root, "v");
    if (!json_is_integer(v) || json_integer_value(v) != 1) {
        long long seen = json_is_integer(v) ? (long long)json_integer_value(v) : -1;
        json_decref(root);
        return sc_fail(err, SC_REASON_CHECKPOINT_INVALID,
                       "version %lld is unknown to this program: run the newer signal-client that wrote it", seen);
    }
    cp->connector = read_text(&r, root, "connector", true);
    cp->source = read_text(&r, root, "source", true);
    cp->recipe = read_small(&r, root, "recipe", true, UINT32_MAX);
    json_decref(cp->position);
    cp->position = read_texts(&r, root, "position");
    read_walk(&r, cp, json_object_get(root, "walk"));
    cp->open = read_flag(&r, root, "open");
    cp->floor = read_floor(&r, root);
    read_proof(&r, cp, json_object_get(root, "proof"));
    read_trail(&r, cp, json_object_get(root, "trail"));
    read_own(&r, cp, root);
    cp->saved_ms = read_time(&r, root, "saved");
    json_decref(root);
    return r.failed ? -1 : 0;
}

/* ---- what it covers ------------------------------------------------------------------------------------------------------ */

static int64_t time_in(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? sc_time_parse_rfc3339(sc_str_of(text)) : SC_TIME_NONE;
}

int64_t sc_checkpoint_covers(const struct sc_checkpoint *cp, bool *ret_begun)
{
    static const char *const bounds[] = {"since", "from"};
    int64_t ms = time_in(cp->position, "time");
    *ret_begun = ms != SC_TIME_NONE;
    if (ms == SC_TIME_NONE)
        ms = time_in(cp->position, "since");
    for (size_t i = 0; ms == SC_TIME_NONE && i < 2; i++)
        ms = time_in(cp->walk, bounds[i]);
    return ms;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

static void add_value(struct sc_buf *out, json_t *value);

static void add_members(struct sc_buf *out, json_t *object)
{
    const char *key, *separator = "";
    json_t *member;
    json_object_foreach (object, key, member) {
        sc_buf_add_str(out, separator);
        sc_buf_add_json(out, sc_str_of(key));
        sc_buf_add_char(out, ':');
        add_value(out, member);
        separator = ",";
    }
}

/* Not json_dumps(): without memory that leaves out parts of the text and says nothing. */
static void add_value(struct sc_buf *out, json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        sc_buf_add_char(out, '{');
        add_members(out, value);
        sc_buf_add_char(out, '}');
        break;
    case JSON_ARRAY:
        sc_buf_add_char(out, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            sc_buf_add_str(out, i ? "," : "");
            add_value(out, json_array_get(value, i));
        }
        sc_buf_add_char(out, ']');
        break;
    case JSON_STRING:
        sc_buf_add_json(out, (struct sc_str){json_string_value(value), json_string_length(value)});
        break;
    case JSON_INTEGER:
        sc_buf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        sc_buf_addf(out, "%.17e", json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        sc_buf_add_str(out, json_is_true(value) ? "true" : "false");
        break;
    case JSON_NULL:
        sc_buf_add_str(out, "null");
        break;
    }
}

static void add_json(struct sc_buf *out, const char *name, json_t *value)
{
    sc_buf_addf(out, "\"%s\":", name);
    if (value)
        add_value(out, value);
    else
        out->failed = true; /* there was no memory for it: an empty one would be a lie */
}

static void add_text(struct sc_buf *out, const char *name, const char *value)
{
    sc_buf_addf(out, "\"%s\":", name);
    sc_buf_add_json(out, sc_str_of(value ? value : ""));
}

static void add_floor(struct sc_buf *out, struct sc_floor floor)
{
    sc_buf_addf(out, "\"floor\":{\"page\":%llu,\"walk\":%llu}", (unsigned long long)floor.page, (unsigned long long)floor.walk);
}

static void add_trail(struct sc_buf *out, const struct sc_checkpoint *cp)
{
    char time[SC_TIME_TEXT];
    sc_buf_add_str(out, "\"trail\":[");
    for (uint32_t i = 0; i < cp->trail_count; i++) {
        const struct sc_trail_entry *t = &cp->trail[i];
        sc_buf_addf(out, "%s{\"at\":\"%s\",", i ? "," : "", sc_time_rfc3339(t->at_ms, time));
        add_json(out, "position", t->position);
        sc_buf_add_char(out, ',');
        if (t->walk) {
            add_json(out, "walk", t->walk);
            sc_buf_add_char(out, ',');
        }
        add_floor(out, t->floor);
        sc_buf_addf(out, ",\"seq\":%llu,", (unsigned long long)t->seq);
        add_text(out, "msg_id", t->msg_id);
        if (t->map)
            sc_buf_addf(out, ",\"map\":%u", t->map);
        sc_buf_add_char(out, '}');
    }
    sc_buf_add_str(out, "],");
}

static void add_walk(struct sc_buf *out, const struct sc_checkpoint *cp)
{
    if (!cp->walk)
        return;
    sc_buf_add_str(out, "\"walk\":{");
    if (cp->walk_from) {
        add_text(out, "from", cp->walk_from);
        sc_buf_add_char(out, ',');
    }
    sc_buf_addf(out, "\"page\":%llu,", (unsigned long long)cp->walk_page);
    add_json(out, "state", cp->walk);
    sc_buf_add_str(out, "},");
}

static void add_worked(struct sc_buf *out, const struct sc_worked *worked)
{
    char time[SC_TIME_TEXT];
    if (!worked->rev || (!worked->since_ms && !worked->refused_ms))
        return;
    sc_buf_addf(out, "\"credential\":{\"rev\":%llu", (unsigned long long)worked->rev);
    if (worked->since_ms) {
        sc_buf_addf(out, ",\"since\":\"%s\"", sc_time_rfc3339(worked->since_ms, time));
        sc_buf_addf(out, ",\"until\":\"%s\"", sc_time_rfc3339(worked->until_ms, time));
    }
    if (worked->refused_ms)
        sc_buf_addf(out, ",\"refused\":\"%s\"", sc_time_rfc3339(worked->refused_ms, time));
    sc_buf_add_str(out, "},");
}

static void add_own(struct sc_buf *out, const struct sc_checkpoint *cp)
{
    char time[SC_TIME_TEXT];
    if (cp->seen_end) /* none as well: numbers go on, so that an old segment is never taken for a new one */
        sc_buf_addf(out, "\"seen\":{\"first\":%u,\"end\":%u", cp->seen_first, cp->seen_end);
    for (uint32_t i = 0; cp->seen_end && i < cp->seen_tail_count; i++)
        sc_buf_addf(out, "%s%u%s", i ? "," : ",\"tail\":[", cp->seen_tail[i], i + 1 == cp->seen_tail_count ? "]" : "");
    if (cp->seen_end)
        sc_buf_add_str(out, "},");
    if (cp->whole_end)
        sc_buf_addf(out, "\"whole\":{\"first\":%u,\"end\":%u},", cp->whole_first, cp->whole_end);
    if (cp->map)
        sc_buf_addf(out, "\"map\":%u,", cp->map);
    if (cp->reached && json_object_size(cp->reached)) {
        add_json(out, "reached", cp->reached);
        sc_buf_add_char(out, ',');
    }
    if (cp->gaps && json_array_size(cp->gaps)) {
        add_json(out, "gaps", cp->gaps);
        sc_buf_add_char(out, ',');
    }
    if (cp->waits && json_object_size(cp->waits)) {
        add_json(out, "waits", cp->waits);
        sc_buf_add_char(out, ',');
    }
    if (cp->habit.begun_ms) {
        sc_buf_add_str(out, "\"habit\":");
        sc_habit_write(&cp->habit, out);
        sc_buf_add_char(out, ',');
    }
    add_worked(out, &cp->worked);
    if (cp->not_before_ms)
        sc_buf_addf(out, "\"not_before\":\"%s\",", sc_time_rfc3339(cp->not_before_ms, time));
    if (cp->backfill) {
        add_json(out, "backfill", cp->backfill);
        sc_buf_add_char(out, ',');
    }
    sc_buf_addf(out, "\"count\":{\"records\":%llu,\"pages\":%llu,\"bytes\":%llu},", (unsigned long long)cp->records,
                (unsigned long long)cp->pages, (unsigned long long)cp->bytes);
}

int sc_checkpoint_write(const struct sc_checkpoint *cp, struct sc_buf *out)
{
    char time[SC_TIME_TEXT];
    sc_buf_add_str(out, "{\"v\":1,");
    add_text(out, "connector", cp->connector);
    sc_buf_add_char(out, ',');
    add_text(out, "source", cp->source);
    sc_buf_addf(out, ",\"recipe\":%u,", cp->recipe);
    add_json(out, "position", cp->position);
    sc_buf_add_char(out, ',');
    add_walk(out, cp);
    sc_buf_addf(out, "\"open\":%s,", cp->open ? "true" : "false");
    add_floor(out, cp->floor);
    if (cp->stream_created) {
        sc_buf_add_str(out, ",\"proof\":{");
        add_text(out, "stream_created", cp->stream_created);
        sc_buf_addf(out, ",\"seq\":%llu", (unsigned long long)cp->proof_seq);
        if (cp->proof_seq) {
            sc_buf_add_char(out, ',');
            add_text(out, "msg_id", cp->proof_msg_id);
        }
        sc_buf_add_char(out, '}');
    }
    sc_buf_add_char(out, ',');
    add_trail(out, cp);
    add_own(out, cp);
    sc_buf_add_str(out, "\"writer\":{");
    add_text(out, "agent", cp->agent);
    sc_buf_addf(out, ",\"epoch\":%llu,\"n\":%llu},", (unsigned long long)cp->epoch, (unsigned long long)cp->n);
    sc_buf_addf(out, "\"saved\":\"%s\"}", sc_time_rfc3339(cp->saved_ms, time));
    return out->failed ? -1 : 0;
}

/* ---- trail ---------------------------------------------------------------------------------------------------------------- */

static void drop_oldest(struct sc_checkpoint *cp)
{
    trail_entry_done(&cp->trail[0]);
    memmove(cp->trail, cp->trail + 1, (cp->trail_count - 1) * sizeof cp->trail[0]);
    cp->trail_count--;
    cp->trail[cp->trail_count] = (struct sc_trail_entry){0};
}

void sc_checkpoint_forget_trail(struct sc_checkpoint *cp)
{
    while (cp->trail_count)
        trail_entry_done(&cp->trail[--cp->trail_count]);
}

void sc_checkpoint_trail(struct sc_checkpoint *cp, int64_t now_ms, uint32_t max_entries)
{
    if (max_entries > SC_TRAIL_MAX || max_entries == 0)
        max_entries = max_entries ? SC_TRAIL_MAX : 1;
    if (cp->trail_count && now_ms < cp->trail[cp->trail_count - 1].at_ms)
        cp->trail[cp->trail_count - 1].at_ms = now_ms; /* the clock was set back */
    while (cp->trail_count > 1 && cp->trail[1].at_ms < now_ms - SC_TRAIL_KEEP_MS)
        drop_oldest(cp);
    bool due = cp->trail_count == 0 || now_ms - cp->trail[cp->trail_count - 1].at_ms >= SC_TRAIL_STEP_MS;
    if (!due || (cp->proof_seq == 0 && (cp->trail_count || !cp->walk)))
        return;
    struct sc_trail_entry e = {
        .at_ms = now_ms,
        .position = json_deep_copy(cp->position),
        .floor = cp->floor,
        .seq = cp->proof_seq,
        .walk = cp->proof_seq == 0 ? json_deep_copy(cp->walk) : NULL,
        .msg_id = sc_dup(cp->proof_seq ? cp->proof_msg_id : ""),
        .map = cp->map,
    };
    if (!e.position || !e.msg_id || (cp->proof_seq == 0 && !e.walk)) { /* no memory: next time */
        trail_entry_done(&e);
        return;
    }
    while (cp->trail_count >= max_entries)
        drop_oldest(cp);
    cp->trail[cp->trail_count++] = e;
}

void sc_checkpoint_rewind(struct sc_checkpoint *cp, uint32_t i)
{
    while (cp->trail_count > i + 1)
        trail_entry_done(&cp->trail[--cp->trail_count]);
    struct sc_trail_entry *t = &cp->trail[i];
    struct sc_trail_entry copy = {.position = json_deep_copy(t->position), .msg_id = sc_dup(t->msg_id)};
    json_t *walk = t->walk ? json_deep_copy(t->walk) : NULL;
    json_decref(cp->position);
    free(cp->proof_msg_id);
    cp->floor = t->floor;
    cp->proof_seq = t->seq;
    cp->map = t->map;
    cp->position = t->position;
    cp->proof_msg_id = t->msg_id;
    t->position = copy.position;
    t->msg_id = copy.msg_id;
    if (!t->position || !t->msg_id) /* no memory for a second one: the proof itself keeps the place */
        trail_entry_done(&cp->trail[--cp->trail_count]);
    json_decref(cp->walk);
    cp->walk = walk;
    cp->walk_page = 0;
    free(cp->walk_from);
    cp->walk_from = NULL;
    cp->open = true;
}
