/* checkpoint show: where each data type of an integration stands, as the buckets have it. Reads only, works with the agent down. */
#include "cli/commands.h"

#include "base/clock.h"
#include "nats/session.h"
#include "poll/identity.h"
#include "poll/recover.h"

#include <stdlib.h>

#define SEEN      "SEEN"
#define SHOWN     160 /* of a text in a position */
#define HEAD      36  /* of a segment: seen.c */
#define BACKFILL  ".=backfill"

struct found {
    char *key;
    char *type;      /* as in the key; for people the same but for odd characters */
    bool backfill;
    uint64_t rev;
    struct sc_buf value;
    struct sc_checkpoint cp;
    struct sc_error err; /* why it cannot be read */
    uint64_t identities, readings;
    unsigned lacks;  /* segments that are not there */
};

struct all {
    const char *prefix; /* of keys: "okta-prod." */
    const char *type;   /* NULL: all */
    struct found *at;
    size_t count, cap;
    bool failed;
};

static int keep(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    struct all *all = arg;
    size_t len = strlen(all->prefix);
    if (strncmp(key, all->prefix, len) != 0)
        return 0;
    size_t name = strcspn(key + len, ".");
    if (all->type && (strlen(all->type) != name || strncmp(all->type, key + len, name) != 0))
        return 0;
    if (all->count == all->cap) {
        size_t cap = 2 * all->cap + 8;
        struct found *grown = realloc(all->at, cap * sizeof *grown);
        if (!grown)
            return all->failed = true, -1;
        all->at = grown;
        all->cap = cap;
    }
    struct found *f = &all->at[all->count++];
    *f = (struct found){.key = sc_dup(key), .type = sc_dup_str((struct sc_str){key + len, name}), .rev = rev, .backfill = strcmp(key + len + name, BACKFILL) == 0};
    all->failed |= !f->key || !f->type || sc_buf_add(&f->value, value.ptr ? value.ptr : "", value.len);
    return all->failed ? -1 : 0;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->key, ((const struct found *)b)->key);
}

static void done(struct all *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->at[i].key);
        free(all->at[i].type);
        sc_buf_done(&all->at[i].value);
        sc_checkpoint_done(&all->at[i].cp);
    }
    free(all->at);
}

/* ---- segments ------------------------------------------------------------------------------------------------------------------------- */

static uint32_t number_at(struct sc_str value, size_t at)
{
    const unsigned char *p = (const unsigned char *)value.ptr + at;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Entries of a range of segments; those that are not there, or are of another time, are counted. */
static int count_range(struct sc_session *session, struct found *f, uint32_t first, uint32_t end, int (*key_of)(const char *, uint32_t, struct sc_buf *),
                       uint64_t *ret, struct sc_error *err)
{
    for (uint32_t n = first; n != end; n++) {
        SC_AUTO_BUF struct sc_buf key = {0};
        struct sc_kv_entry entry = {0};
        key_of(f->key, n, &key);
        int rc = sc_kv_get(session, SEEN, key.ptr, &entry, err);
        bool good = rc == 0 && !entry.deleted && entry.value.len >= HEAD && number_at(sc_buf_str(&entry.value), 4) == n;
        if (good)
            *ret += number_at(sc_buf_str(&entry.value), 8);
        f->lacks += !good;
        sc_kv_entry_done(&entry);
        if (rc < 0 && err->reason != SC_REASON_NO_STREAM)
            return -1;
        sc_error_clear(err);
    }
    return 0;
}

static int read_one(struct sc_session *session, struct found *f, struct sc_error *err)
{
    if (sc_checkpoint_parse(&f->cp, sc_buf_str(&f->value), &f->err))
        return 0;
    if (count_range(session, f, f->cp.seen_first, f->cp.seen_end, sc_seen_key, &f->identities, err))
        return -1;
    return count_range(session, f, f->cp.whole_first, f->cp.whole_end, sc_whole_key, &f->readings, err);
}

/* ---- for people ------------------------------------------------------------------------------------------------------------------------ */

static void add_value(struct sc_buf *out, const char *name, const char *text)
{
    size_t len = strlen(text);
    SC_AUTO_FREE char *cut = sc_dup_str((struct sc_str){text, len > SHOWN ? SHOWN : len});
    sc_add_clean(out, name);
    sc_buf_add_str(out, " = ");
    sc_add_clean(out, cut ? cut : "");
    if (len > SHOWN)
        sc_buf_addf(out, "... (%zu characters)", len);
}

static void add_row(struct sc_buf *out, const char *what)
{
    sc_buf_addf(out, "  %-12s", what);
}

static void add_texts(struct sc_buf *out, const json_t *object, const char *but)
{
    const char *name, *between = "";
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
        if (but && strcmp(name, but) == 0)
            continue;
        sc_buf_add_str(out, between);
        add_value(out, name, json_string_value(value) ? json_string_value(value) : "");
        between = "; ";
    }
}

static void add_position(struct sc_buf *out, const struct sc_checkpoint *cp)
{
    const char *time = json_string_value(json_object_get(cp->position, "time")), *version = json_string_value(json_object_get(cp->position, "version0"));
    bool begun;
    int64_t covers = sc_checkpoint_covers(cp, &begun);
    char text[SC_TIME_TEXT];
    add_row(out, "position");
    if (time)
        sc_buf_add_str(out, "everything up to "), sc_add_clean(out, time), sc_buf_add_str(out, " by record time");
    else if (version)
        sc_buf_add_str(out, "document of "), sc_add_clean(out, version);
    else if (covers != SC_TIME_NONE)
        sc_buf_addf(out, "no record yet; the first walk begins at %s", sc_time_rfc3339(covers, text));
    else
        sc_buf_add_str(out, json_object_size(cp->position) ? "by what the vendor gave" : "none: the next poll begins anew");
    if (json_object_size(cp->position) > (time ? 1u : 0u)) {
        sc_buf_add_str(out, "; ");
        add_texts(out, cp->position, time ? "time" : NULL);
    }
    sc_buf_add_char(out, '\n');
}

static void add_window(struct sc_buf *out, const json_t *facts)
{
    add_row(out, "backfill");
    sc_add_clean(out, sc_json_text(facts, "state"));
    sc_buf_add_str(out, ", of records from ");
    sc_add_clean(out, sc_json_text(facts, "from"));
    sc_buf_add_str(out, " to ");
    sc_add_clean(out, sc_json_text(facts, "to"));
    sc_buf_add_char(out, '\n');
}

static void add_walk(struct sc_buf *out, const struct sc_checkpoint *cp)
{
    add_row(out, "walk");
    if (!cp->walk) {
        sc_buf_add_str(out, "none is open\n");
        return;
    }
    sc_buf_addf(out, "open, %llu pages read", (unsigned long long)cp->walk_page);
    if (json_object_size(cp->walk)) {
        sc_buf_add_str(out, "; ");
        add_texts(out, cp->walk, NULL);
    }
    sc_buf_add_char(out, '\n');
}

static void add_stream(struct sc_buf *out, const struct sc_checkpoint *cp)
{
    add_row(out, "floors");
    sc_buf_addf(out, "page %llu, walk %llu%s\n", (unsigned long long)cp->floor.page, (unsigned long long)cp->floor.walk,
                cp->open ? "; records beyond the position may be in the stream: a start reads it back from the page's floor" : "");
    add_row(out, "proof");
    if (cp->proof_seq) {
        sc_buf_addf(out, "message %llu is ", (unsigned long long)cp->proof_seq);
        sc_add_clean(out, cp->proof_msg_id ? cp->proof_msg_id : "?");
    } else {
        sc_buf_add_str(out, "nothing is published yet");
    }
    if (cp->stream_created) {
        sc_buf_add_str(out, "; stream made ");
        sc_add_clean(out, cp->stream_created);
    }
    sc_buf_add_char(out, '\n');
}

static void add_identities(struct sc_buf *out, const struct found *f)
{
    const struct sc_checkpoint *cp = &f->cp;
    if (cp->seen_end || cp->whole_end) {
        add_row(out, "identities");
        sc_buf_addf(out, "%llu in %u segments of bucket SEEN", (unsigned long long)f->identities, cp->seen_end - cp->seen_first);
        if (cp->seen_end != cp->seen_first)
            sc_buf_addf(out, " (%u to %u)", cp->seen_first, cp->seen_end - 1);
        if (cp->whole_end != cp->whole_first)
            sc_buf_addf(out, "; %llu readings in %u", (unsigned long long)f->readings, cp->whole_end - cp->whole_first);
        if (f->lacks)
            sc_buf_addf(out, "; %u segments are not there: they are made again from the stream", f->lacks);
        sc_buf_add_char(out, '\n');
    }
    if (cp->map) {
        add_row(out, "map");
        sc_buf_addf(out, "number %u\n", cp->map);
    }
}

static void add_trail(struct sc_buf *out, const struct sc_checkpoint *cp)
{
    char from[SC_TIME_TEXT], to[SC_TIME_TEXT];
    add_row(out, "trail");
    if (cp->trail_count)
        sc_buf_addf(out, "%u earlier positions, of %s to %s, for a stream that loses its newest messages\n", cp->trail_count,
                    sc_time_rfc3339(cp->trail[0].at_ms, from), sc_time_rfc3339(cp->trail[cp->trail_count - 1].at_ms, to));
    else
        sc_buf_add_str(out, "none yet\n");
}

static void add_waiting(struct sc_buf *out, const struct sc_checkpoint *cp)
{
    char text[SC_TIME_TEXT];
    for (size_t i = 0; i < json_array_size(cp->gaps); i++) {
        const json_t *gap = json_array_get(cp->gaps, i);
        add_row(out, "gap");
        sc_buf_add_str(out, "waits to be published: from ");
        sc_add_clean(out, sc_json_text(gap, "from"));
        sc_buf_add_str(out, " to ");
        sc_add_clean(out, sc_json_text(gap, "to"));
        sc_buf_add_str(out, ", ");
        sc_add_clean(out, sc_json_text(gap, "reason"));
        sc_buf_add_char(out, '\n');
    }
    if (cp->waits && json_object_size(cp->waits)) {
        add_row(out, "waits");
        sc_buf_add_str(out, "as the vendor named them: ");
        add_texts(out, cp->waits, NULL);
        sc_buf_add_char(out, '\n');
    }
    if (cp->not_before_ms) {
        add_row(out, "not before");
        sc_buf_addf(out, "%s: until then the server would drop what is to come again\n", sc_time_rfc3339(cp->not_before_ms, text));
    }
}

static void add_saved(struct sc_buf *out, const struct found *f)
{
    char text[SC_TIME_TEXT];
    add_row(out, "saved");
    sc_buf_addf(out, "%s by agent ", sc_time_rfc3339(f->cp.saved_ms, text));
    sc_add_clean(out, f->cp.agent ? f->cp.agent : "?");
    sc_buf_addf(out, ", epoch %llu, its write %llu; revision %llu of key %s\n", (unsigned long long)f->cp.epoch, (unsigned long long)f->cp.n,
                (unsigned long long)f->rev, f->key);
    add_row(out, "source");
    sc_add_clean(out, f->cp.connector);
    sc_buf_add_str(out, " at ");
    sc_add_clean(out, f->cp.source);
    sc_buf_addf(out, ", identities of recipe %u\n", f->cp.recipe);
    add_row(out, "counted");
    sc_buf_addf(out, "%llu records, %llu pages, %llu bytes since it began\n", (unsigned long long)f->cp.records, (unsigned long long)f->cp.pages,
                (unsigned long long)f->cp.bytes);
}

static void add_found(struct sc_buf *out, const struct found *f, const char *name)
{
    sc_add_clean(out, f->type);
    sc_buf_add_str(out, f->backfill ? ", backfill\n" : "\n");
    if (f->err.reason) {
        add_row(out, "UNREADABLE");
        sc_add_clean(out, f->err.text);
        sc_buf_addf(out, "\n  %-12skey %s of bucket CHECKPOINTS, revision %llu, %zu bytes. Nothing is asked for this data type until it is put right:\n", "", f->key,
                    (unsigned long long)f->rev, f->value.len);
        sc_buf_addf(out, "  %-12ssignal-client checkpoint set %s --data-type %s --time TIME   goes on from there\n", "", name, f->type);
        sc_buf_addf(out, "  %-12ssignal-client checkpoint reset %s --data-type %s             begins anew\n", "", name, f->type);
        return;
    }
    if (f->cp.backfill)
        add_window(out, f->cp.backfill);
    add_position(out, &f->cp);
    add_walk(out, &f->cp);
    add_saved(out, f);
    add_stream(out, &f->cp);
    add_identities(out, f);
    add_trail(out, &f->cp);
    add_waiting(out, &f->cp);
}

/* ---- for programs ------------------------------------------------------------------------------------------------------------------------ */

static json_t *as_json(const struct found *f)
{
    json_error_t why;
    json_t *value = json_loadb(f->value.ptr ? f->value.ptr : "", f->value.len, JSON_REJECT_DUPLICATES, &why);
    bool readable = f->err.reason == SC_REASON_OK;
    json_t *one = json_pack("{s:s, s:b, s:s, s:I, s:b, s:s}", "data_type", f->type, "backfill", f->backfill, "key", f->key, "revision", (json_int_t)f->rev,
                            "readable", readable, "error", readable ? "" : f->err.text);
    if (readable) {
        json_object_set_new(one, "identities", json_integer((json_int_t)f->identities));
        json_object_set_new(one, "readings", json_integer((json_int_t)f->readings));
        json_object_set_new(one, "missing_segments", json_integer(f->lacks));
    }
    json_object_set_new(one, "value", value ? value : json_null());
    return one;
}

static int print(const struct all *all, const char *name, bool json)
{
    bool bad = false;
    SC_AUTO_BUF struct sc_buf out = {0};
    json_t *list = json ? json_array() : NULL;
    for (size_t i = 0; i < all->count; i++) {
        bad |= all->at[i].err.reason != SC_REASON_OK;
        if (json)
            json_array_append_new(list, as_json(&all->at[i]));
        else
            add_found(&out, &all->at[i], name);
    }
    int rc = json ? sc_print_json(list) : sc_print(&out);
    return rc != SC_EXIT_GOOD ? rc : bad ? SC_EXIT_BAD : SC_EXIT_GOOD;
}

static int none_there(const struct all *all, const char *name)
{
    return all->type ? sc_say(SC_EXIT_BAD, "%s has no checkpoint of a data type %s: it was never polled, or is called otherwise", name, all->type)
                     : sc_say(SC_EXIT_BAD, "%s has no checkpoint: nothing of it was ever polled, or it is called otherwise (`signal-client integrations list`)", name);
}

int sc_command_checkpoint_show(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_error err = SC_ERROR_INIT;
    SC_AUTO_BUF struct sc_buf prefix = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    struct all all = {.type = sc_args_get(&args, "data-type")};
    if (sc_key_escape(sc_str_of(args.words[0]), &prefix) || sc_buf_add_char(&prefix, '.'))
        return sc_say(SC_EXIT_BAD, "out of memory");
    all.prefix = prefix.ptr;
    struct sc_session *session = sc_open_nats(cli, SC_TIMEOUT_MS, &err);
    if (!session)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    int rc = sc_kv_each(session, SC_CHECKPOINTS, keep, &all, &err);
    for (size_t i = 0; rc == 0 && i < all.count; i++)
        rc = read_one(session, &all.at[i], &err);
    sc_session_close(session);
    if (rc && err.reason == SC_REASON_NO_STREAM && !all.failed)
        rc = none_there(&all, args.words[0]);
    else if (rc || all.failed)
        rc = sc_say(SC_EXIT_BAD, "%s", all.failed ? "out of memory" : err.text);
    else if (!all.count)
        rc = none_there(&all, args.words[0]);
    else {
        qsort(all.at, all.count, sizeof *all.at, by_key);
        rc = print(&all, args.words[0], cli->json);
    }
    done(&all);
    return rc;
}
