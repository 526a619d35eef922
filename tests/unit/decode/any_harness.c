/* See any_harness.h. */
#include "any_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum call { NONE, BEGIN, DATA, END };

struct any {
    struct sc_buf *said, record;
    struct how how;
    const struct sc_cut_spec *spec;
    struct sc_cut *cut;
    struct sc_error *err;
    bool in_record;
    uint64_t records;
    enum call paused; /* the call that must come next */
    char *first;      /* bytes that data() was offered when it paused */
    size_t first_len;
};

static bool pauses(struct any *any, enum call call)
{
    HARNESS_CHECK(any->paused == NONE || any->paused == call);
    any->paused = NONE;
    if (harness_random(&any->how.seed, 100) >= any->how.pause_percent)
        return false;
    any->paused = call;
    return true;
}

static int any_begin(void *arg)
{
    struct any *any = arg;

    HARNESS_CHECK(!any->in_record);
    if (pauses(any, BEGIN))
        return SC_CUT_PAUSE;
    any->in_record = true;
    sc_buf_clear(&any->record);
    return 0;
}

/* Offered again, the bytes must be the same as far as both go. */
static int any_data(void *arg, const char *bytes, size_t len)
{
    struct any *any = arg;

    HARNESS_CHECK(any->in_record && len > 0);
    if (any->first) {
        HARNESS_CHECK(memcmp(any->first, bytes, len < any->first_len ? len : any->first_len) == 0);
        free(any->first);
        any->first = NULL;
    }
    if (pauses(any, DATA)) {
        any->first = malloc(len);
        any->first_len = len;
        memcpy(any->first, bytes, len);
        return SC_CUT_PAUSE;
    }
    HARNESS_CHECK(sc_buf_add(&any->record, bytes, len) == 0);
    return 0;
}

static void say_value(struct sc_buf *said, const struct sc_cut_value *value)
{
    static const char *const kinds[] = {"-", "", "n:", "t:", "f:", "0:", "o:", "a:"};

    sc_buf_add_str(said, kinds[value->kind]);
    HARNESS_CHECK(value->kind != SC_CUT_ABSENT || value->text.len == 0);
    sc_buf_add(said, value->text.ptr ? value->text.ptr : "", value->text.len);
    if (value->cut)
        sc_buf_add_str(said, "...");
}

static void say_values(struct sc_buf *said, const struct sc_cut_value *values, const char *const *paths, unsigned count)
{
    sc_buf_add_str(said, " [");
    for (unsigned i = 0; i < count && paths[i]; i++) {
        if (i)
            sc_buf_add_str(said, "|");
        say_value(said, &values[i]);
    }
    sc_buf_add_str(said, "]");
}

static void say_envelope(struct any *any)
{
    struct sc_cut_value values[SC_CUT_ENVELOPE];

    for (unsigned i = 0; i < SC_CUT_ENVELOPE; i++)
        values[i] = *sc_cut_envelope(any->cut, i);
    say_values(any->said, values, any->spec->envelope, SC_CUT_ENVELOPE);
    sc_buf_add_char(any->said, '\n');
}

static int any_end(void *arg, const struct sc_cut_record *record)
{
    struct any *any = arg;

    HARNESS_CHECK(any->in_record && sc_cut_in_record(any->cut));
    HARNESS_CHECK(record->bytes == any->record.len);
    HARNESS_CHECK(sc_cut_records(any->cut) == any->records);
    if (pauses(any, END))
        return SC_CUT_PAUSE;
    any->in_record = false;
    any->records++;
    sc_buf_add_str(any->said, "record ");
    sc_buf_add(any->said, any->record.ptr, any->record.len);
    if (any->spec->fields[0])
        say_values(any->said, record->fields, any->spec->fields, SC_CUT_FIELDS);
    if (record->bad_utf8)
        sc_buf_addf(any->said, " bad at %llu", (unsigned long long)record->bad_at);
    if (record->too_deep)
        sc_buf_add_str(any->said, " deep");
    sc_buf_add_char(any->said, '\n');
    return 0;
}

static int any_line(void *arg)
{
    struct any *any = arg;
    struct sc_str text = sc_cut_envelope(any->cut, 0)->text;

    HARNESS_CHECK(!any->in_record && any->paused == NONE);
    sc_buf_add_str(any->said, "line");
    say_envelope(any);
    if (text.len == 4 && memcmp(text.ptr, "stop", 4) == 0)
        return sc_fail(any->err, SC_REASON_VENDOR_ERROR, "the vendor says stop");
    return text.len == 4 && memcmp(text.ptr, "true", 4) == 0 ? SC_CUT_LINE_SKIP : SC_CUT_LINE_TAKE;
}

static size_t next_size(struct any *any, size_t at, size_t len)
{
    struct how *how = &any->how;
    size_t n = how->random_chunks ? harness_random(&how->seed, 65) : how->chunk;

    if (how->split && at < how->split)
        return how->split - at < len - at ? how->split - at : len - at;
    if (n == 0 && !how->random_chunks)
        n = len - at;
    return n < len - at ? n : len - at;
}

static int feed_all(struct any *any, const char *body, size_t len)
{
    size_t at = 0;
    int r = 0;

    while (r >= 0 && (at < len || any->paused != NONE)) {
        size_t n = next_size(any, at, len), used = SIZE_MAX;
        const char *chunk = harness_guard(body + at, n);

        if (at == len) { /* a pause holds a byte back, so there is always one to offer */
            HARNESS_CHECK(any->paused == NONE);
        }
        r = sc_cut_feed(any->cut, chunk, n, &used, any->err);
        HARNESS_CHECK(used <= n && (r == 0 || r == -1 || r == SC_CUT_PAUSE));
        HARNESS_CHECK(r != 0 || used == n);
        HARNESS_CHECK(r != SC_CUT_PAUSE || (any->paused != NONE && (used < n || n == 0)));
        HARNESS_CHECK((r == -1) == (any->err->reason != SC_REASON_OK));
        HARNESS_CHECK(r == -1 || sc_cut_in_record(any->cut) == any->in_record);
        HARNESS_CHECK(sc_cut_records(any->cut) == any->records);
        at += used;
    }
    return r;
}

static void finish(struct any *any, int r)
{
    struct sc_error again = SC_ERROR_INIT;
    char first[sizeof(any->err->text)];
    size_t used;

    if (r == 0)
        do
            r = sc_cut_finish(any->cut, any->err);
        while (r == SC_CUT_PAUSE);
    HARNESS_CHECK((r == -1) == (any->err->reason != SC_REASON_OK));
    HARNESS_CHECK(any->paused == NONE || r == -1);
    snprintf(first, sizeof(first), "%s", any->err->text);
    if (r == 0) {
        HARNESS_CHECK(!sc_cut_absent(any->cut) && !any->in_record);
        sc_buf_add_str(any->said, "good");
    } else if (sc_cut_absent(any->cut)) {
        sc_buf_addf(any->said, "absent: %s", first);
        HARNESS_CHECK(any->err->reason == SC_REASON_BAD_RESPONSE);
    } else {
        sc_buf_addf(any->said, "%s: %s", any->err->reason == SC_REASON_BAD_RESPONSE ? "failed" : sc_reason_code(any->err->reason), first);
    }
    say_envelope(any);
    if (r < 0 && !sc_cut_absent(any->cut) && any->err->reason != SC_REASON_VENDOR_ERROR) {
        HARNESS_CHECK(sc_cut_finish(any->cut, &again) == -1 && strcmp(again.text, first) == 0);
        sc_error_clear(&again);
        HARNESS_CHECK(strncmp(first, "ended", 5) == 0 || strncmp(first, "the body is empty", 17) == 0 ||
                      (sc_cut_feed(any->cut, "x", 1, &used, &again) == -1 && strcmp(again.text, first) == 0));
    }
}

void any_cut(struct sc_buf *ret, const struct sc_cut_spec *spec, const char *body, size_t len, struct how how)
{
    struct sc_error err = SC_ERROR_INIT;
    struct any any = {.said = ret, .how = how, .spec = spec, .err = &err};
    struct sc_cut_sink sink = {&any, any_begin, any_data, any_end, spec->format == SC_CUT_NDJSON ? any_line : NULL};

    ret->max = SIZE_MAX / 2;
    any.record.max = SIZE_MAX / 2;
    sc_buf_clear(ret);
    any.cut = sc_cut_new(spec, sink, &err);
    if (!any.cut) {
        HARNESS_CHECK(err.reason != SC_REASON_OK);
        sc_buf_addf(ret, "no cutter: %s\n", err.text);
        return;
    }
    finish(&any, feed_all(&any, body, len));
    if (how.split % 2) { /* whatever it was left in */
        sc_cut_reset(any.cut);
        HARNESS_CHECK(sc_cut_records(any.cut) == 0 && !sc_cut_in_record(any.cut) && !sc_cut_absent(any.cut));
    }
    sc_cut_free(any.cut);
    sc_buf_done(&any.record);
    free(any.first);
    HARNESS_CHECK(!ret->failed);
}

/* Only that it failed is left of how it ended. */
static void forget_error(struct sc_buf *said)
{
    char *last = said->ptr + said->len - 1;

    while (last > said->ptr && last[-1] != '\n')
        last--;
    if (strncmp(last, "failed:", 7) != 0 && strncmp(last, "record_too_large:", 17) != 0)
        return;
    said->len = (size_t)(last - said->ptr);
    HARNESS_CHECK(sc_buf_add_str(said, "failed\n") == 0);
}

static void compare(const struct sc_buf *want, const struct sc_cut_spec *spec, const char *body, size_t len, struct how how, bool roughly)
{
    struct sc_buf got = {0};

    any_cut(&got, spec, body, len, how);
    if (roughly)
        forget_error(&got);
    if (got.len != want->len || memcmp(got.ptr, want->ptr, got.len) != 0) {
        fprintf(stderr, "records \"%s\", split %zu, chunk %zu, random %d, pauses %u%%:\n%.4000s\nwhole:\n%.4000s\nbody: ", spec->records, how.split,
                how.chunk, how.random_chunks, how.pause_percent, got.ptr, want->ptr);
        harness_print(body, len);
        abort();
    }
    sc_buf_done(&got);
}

static void check(const struct sc_cut_spec *spec, const char *body, size_t len, size_t splits, bool roughly)
{
    struct sc_buf want = {0};

    any_cut(&want, spec, body, len, (struct how){0});
    if (roughly)
        forget_error(&want);
    for (size_t at = 1; at < len && len <= splits; at++) {
        compare(&want, spec, body, len, (struct how){.split = at}, roughly);
        compare(&want, spec, body, len, (struct how){.split = at, .pause_percent = 60, .seed = at}, roughly);
    }
    compare(&want, spec, body, len, (struct how){.pause_percent = 50, .seed = len}, roughly);
    compare(&want, spec, body, len, (struct how){.chunk = 1}, roughly);
    compare(&want, spec, body, len, (struct how){.chunk = 1, .pause_percent = 40, .seed = len}, roughly);
    compare(&want, spec, body, len, (struct how){.random_chunks = true, .pause_percent = 30, .seed = len}, roughly);
    sc_buf_done(&want);
}

void any_check(const struct sc_cut_spec *spec, const char *body, size_t len, size_t splits)
{
    check(spec, body, len, splits, false);
}

void any_check_roughly(const struct sc_cut_spec *spec, const char *body, size_t len)
{
    check(spec, body, len, 0, true);
}

void any_gzip(struct sc_buf *ret, const char *bytes, size_t len)
{
    z_stream z = {0};
    char out[4096];
    int r;

    HARNESS_CHECK(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (z_const Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)len;
    do {
        z.next_out = (Bytef *)out;
        z.avail_out = sizeof(out);
        r = deflate(&z, Z_FINISH);
        HARNESS_CHECK(r == Z_OK || r == Z_STREAM_END);
        HARNESS_CHECK(sc_buf_add(ret, out, sizeof(out) - z.avail_out) == 0);
    } while (r != Z_STREAM_END);
    deflateEnd(&z);
}
