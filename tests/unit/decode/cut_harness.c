#include "cut_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum call { NONE, BEGIN, DATA, END };

struct watch {
    struct seen *seen;
    struct how how;
    struct sc_json_cut *cut;
    const struct sc_json_spec *spec;
    const char *text;  /* the whole body */
    const char *chunk; /* what is being fed */
    size_t chunk_at, chunk_len;
    bool in_record;
    size_t from, next; /* of the record: first byte, first byte not seen */
    size_t begin_at;   /* where begin() was paused; SIZE_MAX: it was not */
    bool has_data;
    enum call paused; /* the call that must come next */
    size_t paused_at;
};

void harness_broken(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, what);
    abort();
}

void harness_print(const char *text, size_t len)
{
    for (size_t i = 0; i < len && i < 4000; i++)
        if (text[i] >= 0x20 && text[i] < 0x7F && text[i] != '\\')
            fputc(text[i], stderr);
        else
            fprintf(stderr, "\\x%02x", (unsigned char)text[i]);
    fputc('\n', stderr);
}

unsigned harness_random(uint64_t *seed, unsigned n)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return n ? (unsigned)(*seed >> 33) % n : 0;
}

const char *harness_guard(const char *bytes, size_t len)
{
    static char *wall;
    static size_t room;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (!wall || len > room) {
        char *base;

        if (wall)
            munmap(wall - room, room + page);
        room = (len + page) / page * page;
        base = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        HARNESS_CHECK(base != MAP_FAILED);
        wall = base + room;
        HARNESS_CHECK(mprotect(wall, page, PROT_NONE) == 0);
    }
    if (len)
        memcpy(wall - len, bytes, len);
    return wall - len;
}

/* Is this the call that was paused, and is it paused (again)? */
static bool paused(struct watch *w, enum call call, size_t at)
{
    if (w->paused != NONE) {
        HARNESS_CHECK(w->paused == call && w->paused_at == at);
    }
    w->paused = NONE;
    if (harness_random(&w->how.seed, 100) >= w->how.pause_percent)
        return false;
    w->paused = call;
    w->paused_at = at;
    w->seen->pauses++;
    return true;
}

static int watch_begin(void *arg)
{
    struct watch *w = arg;
    bool again = w->paused == BEGIN;

    HARNESS_CHECK(!w->in_record);
    HARNESS_CHECK(!sc_json_cut_in_record(w->cut));
    /* where the record begins is known when data comes, or when feed returns */
    if (paused(w, BEGIN, w->paused_at))
        return SC_CUT_PAUSE;
    w->in_record = true;
    w->has_data = false;
    w->begin_at = again ? w->paused_at : SIZE_MAX;
    return 0;
}

static int watch_data(void *arg, const char *bytes, size_t len)
{
    struct watch *w = arg;
    size_t at = w->chunk_at + (size_t)(bytes - w->chunk);

    HARNESS_CHECK(w->in_record);
    HARNESS_CHECK(sc_json_cut_in_record(w->cut));
    HARNESS_CHECK(len > 0);
    HARNESS_CHECK(bytes >= w->chunk &&
                  bytes + len <= w->chunk + w->chunk_len); /* a slice of the input */
    HARNESS_CHECK(memcmp(bytes, w->text + at, len) == 0);
    if (w->has_data)
        HARNESS_CHECK(at == w->next);
    else if (w->begin_at != SIZE_MAX)
        HARNESS_CHECK(at == w->begin_at);
    if (paused(w, DATA, at))
        return SC_CUT_PAUSE;
    if (!w->has_data)
        w->from = at;
    w->has_data = true;
    w->next = at + len;
    w->seen->slices++;
    return 0;
}

static struct seen_value copy(const struct sc_cut_value *value)
{
    struct seen_value copy = {.kind = value->kind, .cut = value->cut, .len = value->text.len};

    copy.text = malloc(copy.len + 1);
    if (copy.len)
        memcpy(copy.text, value->text.ptr, copy.len);
    return copy;
}

static int watch_end(void *arg, const struct sc_cut_record *record)
{
    struct watch *w = arg;
    struct seen_record *seen;

    HARNESS_CHECK(w->in_record && w->has_data);
    HARNESS_CHECK(record->bytes == w->next - w->from);
    HARNESS_CHECK(sc_json_cut_records(w->cut) == w->seen->count);
    if (paused(w, END, w->next))
        return SC_CUT_PAUSE;
    w->in_record = false;
    w->seen->records = realloc(w->seen->records, (w->seen->count + 1) * sizeof(*seen));
    seen = &w->seen->records[w->seen->count++];
    *seen = (struct seen_record){.at = w->from,
                                 .len = record->bytes,
                                 .bad_utf8 = record->bad_utf8,
                                 .too_deep = record->too_deep,
                                 .bad_at = record->bad_at};
    for (unsigned i = 0; i < SC_CUT_FIELDS && w->spec->fields[i]; i++)
        seen->fields[i] = copy(&record->fields[i]);
    return 0;
}

static size_t next_size(struct watch *w, size_t at, size_t len)
{
    size_t n = w->how.random_chunks ? harness_random(&w->how.seed, 65) : w->how.chunk;

    if (w->how.split && at < w->how.split)
        return w->how.split - at < len - at ? w->how.split - at : len - at;
    if (n == 0 && !w->how.random_chunks)
        n = len - at;
    return n < len - at ? n : len - at;
}

/* Between two feeds: what is told of the envelope is complete, and is not in the caller's bytes. */
static void check_envelope(const struct watch *w)
{
    for (unsigned i = 0; i < SC_CUT_ENVELOPE; i++) {
        const struct sc_cut_value *v = sc_json_cut_envelope(w->cut, i);
        const char *text = v->text.ptr;
        size_t len = v->text.len;

        HARNESS_CHECK(v->kind != SC_CUT_ABSENT || (len == 0 && !v->cut));
        HARNESS_CHECK(len <= SC_CUT_VALUE_MAX);
        HARNESS_CHECK(len == 0 || text + len <= w->chunk || text >= w->chunk + w->chunk_len);
        if ((v->kind != SC_CUT_ARRAY && v->kind != SC_CUT_OBJECT) || !text)
            continue;
        HARNESS_CHECK(len >= 2 && text[0] == (v->kind == SC_CUT_ARRAY ? '[' : '{'));
        HARNESS_CHECK(v->cut ? len == SC_CUT_VALUE_MAX
                             : text[len - 1] == (v->kind == SC_CUT_ARRAY ? ']' : '}'));
    }
}

/* One feed at `at`; returns how far we are. */
static size_t feed(struct watch *w, size_t at, size_t n, int *r)
{
    size_t used = SIZE_MAX;

    w->chunk = harness_guard(w->text + at, n);
    w->chunk_at = at;
    w->chunk_len = n;
    w->seen->feeds++;
    *r = sc_json_cut_feed(w->cut, w->chunk, n, &used, &w->seen->err);
    HARNESS_CHECK(used <= n);
    HARNESS_CHECK(*r == 0 || *r == SC_CUT_PAUSE || *r == -1);
    HARNESS_CHECK((*r == -1) == (w->seen->err.reason != SC_REASON_OK));
    if (*r == 0)
        HARNESS_CHECK(used == n && (w->paused == NONE || n == 0));
    if (*r == SC_CUT_PAUSE && w->paused == BEGIN) {
        HARNESS_CHECK(used < n); /* the record's first byte is at hand and not taken */
        w->paused_at = at + used;
    }
    if (*r == SC_CUT_PAUSE)
        HARNESS_CHECK(w->paused != NONE && at + used == w->paused_at);
    HARNESS_CHECK(w->in_record == sc_json_cut_in_record(w->cut));
    HARNESS_CHECK(sc_json_cut_records(w->cut) == w->seen->count);
    check_envelope(w);
    return at + used;
}

static void judge(struct seen *seen, int fed, int finished, size_t at)
{
    const char *text = seen->err.text;

    seen->at = at;
    if (fed == 0 && finished == 0) {
        seen->verdict = REFERENCE_GOOD;
        HARNESS_CHECK(seen->err.reason == SC_REASON_OK);
        return;
    }
    HARNESS_CHECK(seen->err.reason == SC_REASON_BAD_RESPONSE && text[0]);
    if (fed < 0)
        seen->verdict =
            strncmp(text, "unexpected", 10) == 0 ? REFERENCE_BAD_BYTE : REFERENCE_BAD_TEXT;
    else
        seen->verdict =
            strncmp(text, "ended after", 11) == 0 || strncmp(text, "the body is empty", 17) == 0
                ? REFERENCE_TRUNCATED
                : REFERENCE_NO_ARRAY;
}

void harness_cut(struct seen *ret, const struct sc_json_spec *spec, const char *text, size_t len,
                 struct how how)
{
    struct watch w = {.seen = ret, .how = how, .spec = spec, .text = text};
    struct sc_error again = SC_ERROR_INIT;
    size_t at = 0, used;
    int r = 0, finished = 0;

    *ret = (struct seen){.err = SC_ERROR_INIT};
    w.cut = sc_json_cut_new(spec, (struct sc_cut_sink){&w, watch_begin, watch_data, watch_end},
                            &ret->err);
    HARNESS_CHECK(w.cut);
    do
        at = feed(&w, at, next_size(&w, at, len), &r);
    while (r >= 0 && (at < len || w.paused != NONE));
    if (r == 0)
        finished = sc_json_cut_finish(w.cut, &ret->err);
    judge(ret, r, finished, at);
    if (r < 0) { /* failed once: for good, with the same words */
        HARNESS_CHECK(sc_json_cut_feed(w.cut, "x", 1, &used, &again) == -1 && used == 0);
        HARNESS_CHECK(strcmp(again.text, ret->err.text) == 0);
        HARNESS_CHECK(sc_json_cut_finish(w.cut, NULL) == -1);
    }
    for (unsigned i = 0; i < SC_CUT_ENVELOPE; i++)
        ret->envelope[i] = copy(sc_json_cut_envelope(w.cut, i));
    sc_json_cut_free(w.cut);
}

void harness_done(struct seen *seen)
{
    for (size_t i = 0; i < seen->count; i++)
        for (unsigned j = 0; j < SC_CUT_FIELDS; j++)
            free(seen->records[i].fields[j].text);
    for (unsigned j = 0; j < SC_CUT_ENVELOPE; j++)
        free(seen->envelope[j].text);
    free(seen->records);
    *seen = (struct seen){0};
}

static bool same_value(const struct seen_value *a, const struct reference_value *b, bool bad_utf8)
{
    if (a->kind != b->kind || a->cut != b->cut)
        return false;
    if (a->cut && bad_utf8)
        return true; /* where a text ends that is none is not promised */
    return a->len == b->len && (a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
}

static bool same_record(const struct seen_record *a, const struct reference_record *b)
{
    for (unsigned i = 0; i < SC_CUT_FIELDS; i++)
        if (!same_value(&a->fields[i], &b->fields[i], b->bad_utf8))
            return false;
    return a->at == b->at && a->len == b->len && a->bad_utf8 == b->bad_utf8 &&
           a->too_deep == b->too_deep && (!a->bad_utf8 || a->bad_at == b->bad_at);
}

static void differ(const char *what, size_t i, const struct seen *seen,
                   const struct reference *reference, const struct sc_json_spec *spec,
                   const char *text, size_t len, struct how how)
{
    fprintf(stderr,
            "%s %zu differs: verdict %d at %zu, wanted %d at %zu; %zu records, wanted %zu; error "
            "\"%s\"\n",
            what, i, (int)seen->verdict, seen->at, (int)reference->verdict, reference->at,
            seen->count, reference->count, seen->err.text);
    fprintf(stderr,
            "path %s, chunk %zu, split %zu, random %d, pauses %u%%, %zu bytes: ", spec->records,
            how.chunk, how.split, how.random_chunks, how.pause_percent, len);
    harness_print(text, len);
    abort();
}

void harness_compare(const struct seen *seen, const struct reference *reference,
                     const struct sc_json_spec *spec, const char *text, size_t len, struct how how)
{
    if (seen->verdict != reference->verdict ||
        (seen->verdict == REFERENCE_BAD_BYTE && seen->at != reference->at))
        differ("verdict", 0, seen, reference, spec, text, len, how);
    if (seen->count != reference->count)
        differ("count", 0, seen, reference, spec, text, len, how);
    for (size_t i = 0; i < seen->count; i++)
        if (!same_record(&seen->records[i], &reference->records[i]))
            differ("record", i, seen, reference, spec, text, len, how);
    for (unsigned i = 0; i < SC_CUT_ENVELOPE; i++)
        if (!same_value(&seen->envelope[i], &reference->envelope[i], false))
            differ("envelope", i, seen, reference, spec, text, len, how);
}

void harness_check(const struct sc_json_spec *spec, const char *text, size_t len, struct how how)
{
    struct reference reference;
    struct seen seen;

    reference_read(&reference, spec, text, len);
    harness_cut(&seen, spec, text, len, how);
    harness_compare(&seen, &reference, spec, text, len, how);
    harness_done(&seen);
    reference_done(&reference);
}
