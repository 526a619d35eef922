/* Lines that were written within the last hour, and how often each has come again. A fixed table, oldest hour first; texts are kept of those
 * alone that have come again. Under the log's lock. */
#include "base/log_private.h"

#include "base/clock.h"
#include "base/hash.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_MS  (60 * 60 * 1000)
#define ROWS       4096
#define BUCKETS    4096
#define TEXT_MAX   400
#define SHOWN_MOST 6 /* in an hour, of what is over and comes again */

struct repeat {
    struct repeat *next, *newer, *older; /* in its bucket; by the beginning of its hour */
    struct sc_log_key key;
    int64_t since_ms, since_real, last_real; /* when its hour began: monotonic, real; when it came last */
    uint64_t count;                          /* not written since */
    uint64_t times;                          /* since the condition began */
    unsigned shown;
    bool beside;                             /* sc_log_cx.beside */
    bool over;                               /* the condition has ended, or was not told of when it came again */
    enum sc_level level;
    enum sc_reason reason;
    char *texts;                             /* of the last: component, integration, data type, message, one behind the other; NULL: none */
};

static struct repeat table[ROWS];
static struct repeat *buckets[BUCKETS];
static struct repeat *oldest, *newest;
static unsigned used;       /* rows that were ever taken */
static struct repeat *free_rows;

/* ---- what is the same ---------------------------------------------------------------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t seed, const char *bytes, size_t len)
{
    unsigned char key[16] = {0};
    memcpy(key, &seed, sizeof seed);
    return sc_siphash(key, bytes, len);
}

static uint64_t hash_text(uint64_t seed, const char *text)
{
    return text ? hash_bytes(seed, text, strlen(text)) : hash_bytes(seed, "\xFF", 1);
}

static uint64_t hash_source(const struct sc_log_cx *cx)
{
    return hash_text(hash_text(hash_text(0, cx->component), cx->integration), cx->data_type);
}

static size_t unit_after(const char *text)
{
    static const char *const units[] = {"ms", "s", "min", "h", "d", "MiB", "GiB", "KiB", "%"};
    size_t blank = *text == ' ';
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t len = strlen(units[i]);
        if (strncmp(text + blank, units[i], len) == 0 && !isalnum((unsigned char)text[blank + len]))
            return blank + len;
    }
    return 0;
}

static bool ends_with(const char *text, size_t len, const char *word)
{
    size_t n = strlen(word);
    return len >= n && memcmp(text + len - n, word, n) == 0;
}

/* "429" where a status stands: at the beginning, behind a word that announces one, before its phrase. */
static bool is_status(const char *text, size_t at, size_t len)
{
    static const char *const before[] = {": ", "(", "HTTP ", "status ", "code ", "answered ", "answers ", "says ", "said ", "with "};
    const char *behind = text + at + len;
    if (len != 3 || text[at] < '1' || text[at] > '5' || unit_after(behind))
        return false;
    bool announced = at == 0 || (*behind == ' ' && isupper((unsigned char)behind[1]));
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        announced = announced || ends_with(text, at, before[i]);
    return announced;
}

/* A number, a time, an address; how long. */
static size_t figure_at(const char *text)
{
    size_t len = strspn(text, "0123456789.,:-TZ");
    while (len > 1 && !isdigit((unsigned char)text[len - 1]) && text[len - 1] != 'Z')
        len--; /* the full stop behind it is the sentence's */
    return len;
}

/* The message with '#' for each figure that changes with time: "waits 41 s" and "waits 1 min 2 s" become the same, "429" and "500", "E0000011"
 * and "E0000012" do not. */
static void leave_out_figures(const char *text, char *out, size_t cap)
{
    size_t n = 0;
    bool word = false; /* the character before belongs to a word: what follows is part of its name */
    for (size_t i = 0; text[i] && n + 1 < cap;) {
        if (word || !isdigit((unsigned char)text[i])) {
            word = isalpha((unsigned char)text[i]) || text[i] == '_' || (word && isdigit((unsigned char)text[i]));
            out[n++] = text[i++];
            continue;
        }
        size_t len = figure_at(text + i);
        if (is_status(text, i, len)) {
            for (size_t k = 0; k < len && n + 1 < cap; k++)
                out[n++] = text[i + k];
        } else {
            if (!(n && out[n - 1] == '#') && !(n > 1 && out[n - 1] == ' ' && out[n - 2] == '#'))
                out[n++] = '#';
            else if (out[n - 1] == ' ')
                n--;
            len += unit_after(text + i + len);
        }
        i += len;
    }
    out[n] = '\0';
}

struct sc_log_key sc_log_key(enum sc_level level, const struct sc_log_cx *cx, const char *message)
{
    char shape[2048];
    const char *text = cx->same ? cx->same : message;
    struct sc_log_key key = {.source = hash_source(cx)};
    if (level >= SC_WARN && strlen(text) < sizeof shape) {
        leave_out_figures(text, shape, sizeof shape);
        text = shape;
    }
    key.message = hash_text((uint64_t)level + 1, text);
    return key;
}

/* ---- the table ----------------------------------------------------------------------------------------------------------------------- */

static struct repeat **bucket_of(struct sc_log_key key)
{
    return &buckets[(key.message ^ key.source) % BUCKETS];
}

static struct repeat *find(struct sc_log_key key)
{
    for (struct repeat *row = *bucket_of(key); row; row = row->next) {
        if (row->key.message == key.message && row->key.source == key.source)
            return row;
    }
    return NULL;
}

static void take_from_line(struct repeat *row)
{
    *(row->older ? &row->older->newer : &oldest) = row->newer;
    *(row->newer ? &row->newer->older : &newest) = row->older;
    row->newer = row->older = NULL;
}

static void put_last(struct repeat *row)
{
    row->older = newest;
    row->newer = NULL;
    *(newest ? &newest->newer : &oldest) = row;
    newest = row;
}

static void drop(struct repeat *row)
{
    struct repeat **link = bucket_of(row->key);
    while (*link != row)
        link = &(*link)->next;
    *link = row->next;
    take_from_line(row);
    free(row->texts);
    *row = (struct repeat){.next = free_rows};
    free_rows = row;
}

static void forget_count(struct repeat *row)
{
    free(row->texts);
    row->texts = NULL;
    row->count = 0;
}

/* Written with its count, which begins anew. */
static void report(struct repeat *row, int64_t real_ms)
{
    char text[TEXT_MAX + 120], since[SC_TIME_TEXT], last[SC_TIME_TEXT], fields[40];
    if (row->count && row->texts) {
        const char *at[4] = {row->texts};
        for (unsigned i = 1; i < 4; i++)
            at[i] = at[i - 1] + strlen(at[i - 1]) + 1;
        int len = snprintf(text, sizeof text, "%s (repeated %" PRIu64 " time%s since %s, last at %s)", at[3], row->count, row->count == 1 ? "" : "s",
                           sc_time_short(row->since_real, real_ms, since), sc_time_short(row->last_real, real_ms, last));
        int fields_len = snprintf(fields, sizeof fields, "repeated=%" PRIu64, row->count);
        sc_log_put(&(struct sc_log_entry){.level = row->level, .component = at[0], .integration = *at[1] ? at[1] : NULL,
                                          .data_type = *at[2] ? at[2] : NULL, .reason = row->reason,
                                          .text = {text, (size_t)len}, .fields = {fields, (size_t)fields_len}});
    }
    forget_count(row);
}

static struct repeat *make(struct sc_log_key key, int64_t real_ms)
{
    if (!free_rows && used == ROWS) {
        report(oldest, real_ms);
        drop(oldest);
    }
    struct repeat *row = free_rows ? free_rows : &table[used++], **bucket = bucket_of(key);
    if (row == free_rows)
        free_rows = row->next;
    *row = (struct repeat){.key = key, .next = *bucket};
    *bucket = row;
    put_last(row);
    return row;
}

static void begin_hour(struct repeat *row, int64_t now_ms, int64_t real_ms)
{
    row->since_ms = now_ms;
    row->since_real = real_ms;
    row->shown = 1;
    row->over = false;
    take_from_line(row);
    put_last(row);
}

/* Without memory the one before is told of. */
static void keep_texts(struct repeat *row, const struct sc_log_entry *e)
{
    const char *integration = e->integration ? e->integration : "", *type = e->data_type ? e->data_type : "";
    size_t a = strlen(e->component) + 1, b = strlen(integration) + 1, c = strlen(type) + 1;
    size_t text = sc_log_fitting(e->text.ptr, e->text.len, TEXT_MAX);
    char *texts = malloc(a + b + c + text + 1);
    if (!texts)
        return;
    memcpy(texts, e->component, a);
    memcpy(texts + a, integration, b);
    memcpy(texts + a + b, type, c);
    memcpy(texts + a + b + c, e->text.ptr, text);
    texts[a + b + c + text] = '\0';
    free(row->texts);
    row->texts = texts;
}

/* The state of the source is another one (lines with a reason tell states): what it was before is news when it comes again. */
static void others_are_over(const struct repeat *row)
{
    for (struct repeat *other = oldest; other && row->reason != SC_REASON_OK && !row->beside; other = other->newer) {
        if (other != row && !other->beside && other->reason != SC_REASON_OK && other->key.source == row->key.source)
            other->over = true;
    }
}

bool sc_log_repeat_hold(struct sc_log_key key, const struct sc_log_entry *e, bool each, int64_t now_ms, int64_t real_ms)
{
    struct repeat *row = find(key);
    if (row && each) {
        report(row, real_ms);
        begin_hour(row, now_ms, real_ms);
        return false;
    }
    if (!row) {
        row = make(key, real_ms);
        row->times = 1;
        row->level = e->level;
        row->reason = e->reason;
        row->beside = e->beside;
        begin_hour(row, now_ms, real_ms);
        others_are_over(row);
        return false;
    }
    if (row->over && row->shown < SHOWN_MOST) {
        row->over = false;
        row->times++;
        row->shown++;
        others_are_over(row);
        return false;
    }
    row->count++;
    row->times++;
    row->last_real = real_ms;
    keep_texts(row, e);
    return true;
}

void sc_log_repeat_expire(int64_t now_ms, int64_t real_ms)
{
    while (oldest && now_ms - oldest->since_ms >= WINDOW_MS) {
        struct repeat *row = oldest;
        bool again = row->count != 0;
        report(row, real_ms);
        if (again)
            begin_hour(row, now_ms, real_ms); /* it goes on: the next hour's count */
        else
            drop(row);
    }
}

bool sc_log_repeat_over(const struct sc_log_cx *cx, uint64_t *ret_count)
{
    uint64_t source = hash_source(cx);
    bool told = false, known = false;
    *ret_count = 0;
    for (struct repeat *row = oldest; row; row = row->newer) {
        bool meant = row->key.source == source && row->beside == cx->beside && (cx->reason == SC_REASON_OK || row->reason == cx->reason);
        known = known || meant;
        if (!meant || (row->level < SC_WARN && !row->beside) || (row->over && row->shown >= SHOWN_MOST))
            continue;
        told = told || !row->over;
        *ret_count += row->times;
        row->times = 0;
        forget_count(row);
        row->over = true;
    }
    return told || (cx->beside && !known); /* a notice that lasted for hours */
}

void sc_log_repeat_anew(const struct sc_log_cx *cx)
{
    uint64_t source = hash_source(cx);
    int64_t real_ms = sc_real_ms();
    for (struct repeat *row = oldest, *next; row; row = next) {
        next = row->newer;
        if (row->key.source != source)
            continue;
        report(row, real_ms);
        drop(row);
    }
}

void sc_log_repeat_flush(bool write)
{
    int64_t real_ms = sc_real_ms();
    while (oldest) {
        if (write)
            report(oldest, real_ms);
        drop(oldest);
    }
}
