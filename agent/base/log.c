/* The log. A line is composed without the lock, redacted before it is cut (half a secret would not
 * be known again), and written under the lock by one write(2).
 *
 * Repeats: a fixed table holds the lines of WARN and above that were written in the last ten
 * minutes. A line found there is counted and not written. Its count is written with the line when
 * it comes again after that, or as a line of its own as soon as anything is logged after that, or
 * another message of the same source is written, or its place is needed. */
#include "base/log.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/redact.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#define LINE_MAX_BYTES  4096 /* with the newline */
#define COMPOSE_MAX     (1024 * 1024)
#define REPEAT_MS       (10 * 60 * 1000)
#define REPEAT_ROWS     64
#define REPEAT_TEXT_MAX 400

_Atomic int sc_log_level_now = SC_INFO;

static const char *const level_names[] = {
    [SC_DEBUG] = "DEBUG", [SC_INFO] = "INFO", [SC_WARN] = "WARN", [SC_ERROR] = "ERROR"};

struct repeat {
    uint64_t source, message; /* hashes; message 0: the row is free */
    int64_t since_ms;         /* when the line was last written; monotonic */
    uint64_t count;           /* not written since */
    enum sc_level level;
    char text[REPEAT_TEXT_MAX]; /* the line without time and level, redacted */
};

/* Everything below is under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out_fd = STDERR_FILENO;
static void (*out_sink)(const char *line, void *arg);
static void *out_sink_arg;
static struct repeat repeats[REPEAT_ROWS];

/* ---- settings ---- */

void sc_log_init(enum sc_level level, int fd)
{
    pthread_mutex_lock(&lock);
    out_fd = fd;
    memset(repeats, 0, sizeof repeats);
    pthread_mutex_unlock(&lock);
    sc_log_set_level(level);
}

void sc_log_set_level(enum sc_level level)
{
    atomic_store_explicit(&sc_log_level_now, (int)level, memory_order_relaxed);
}

bool sc_log_parse_level(const char *text, enum sc_level *ret)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcasecmp(text, level_names[i]) == 0) {
            *ret = (enum sc_level)i;
            return true;
        }
    }
    if (strcasecmp(text, "warning") != 0)
        return false;
    *ret = SC_WARN;
    return true;
}

void sc_log_set_sink(void (*sink)(const char *line, void *arg), void *arg)
{
    pthread_mutex_lock(&lock);
    out_sink = sink;
    out_sink_arg = arg;
    pthread_mutex_unlock(&lock);
}

/* ---- one line ---- */

/* Control characters to blanks: C0, DEL, and C1 in UTF-8 (some terminals obey them). */
static void flatten(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7F)
            text[i] = ' ';
        else if (c == 0xC2 && i + 1 < len && ((unsigned char)text[i + 1] & 0xE0) == 0x80)
            text[i] = text[i + 1] = ' ';
    }
}

/* The most of the text that fits without cutting a UTF-8 sequence. */
static size_t fitting(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    len = max;
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

static void write_all(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(out_fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody to tell */
        bytes += n;
        len -= (size_t)n;
    }
}

/* Under the lock. `text` is redacted and flat. */
static void put_line(enum sc_level level, struct sc_str text, const char *tail)
{
    char line[LINE_MAX_BYTES + 1], time[SC_TIME_TEXT];
    int head = snprintf(line, sizeof line, "%s [%s] ", sc_time_rfc3339(sc_real_ms(), time),
                        level_names[level]);
    size_t tail_len = strlen(tail);
    size_t len = fitting(text.ptr, text.len, LINE_MAX_BYTES - 1 - (size_t)head - tail_len);
    memcpy(line + head, text.ptr, len);
    len += (size_t)head;
    memcpy(line + len, tail, tail_len + 1);
    len += tail_len;
    if (out_sink) {
        out_sink(line, out_sink_arg);
        return;
    }
    line[len++] = '\n';
    write_all(line, len);
}

/* ---- repeats: all under the lock ---- */

static uint64_t hash_text(uint64_t seed, const char *text)
{
    unsigned char key[16] = {0};
    memcpy(key, &seed, sizeof seed);
    return text ? sc_siphash(key, text, strlen(text)) : sc_siphash(key, "\xFF", 1);
}

static uint64_t hash_source(const struct sc_log_cx *cx)
{
    return hash_text(hash_text(hash_text(0, cx->component), cx->integration), cx->data_type);
}

static void report(struct repeat *row)
{
    char tail[48];
    snprintf(tail, sizeof tail, " repeated=%" PRIu64, row->count);
    if (row->count)
        put_line(row->level, sc_str_of(row->text), tail);
    row->count = 0;
}

static bool is_old(const struct repeat *row, int64_t now_ms)
{
    return now_ms - row->since_ms >= REPEAT_MS;
}

/* Reports and frees what is over, except `keep`, which the caller is about to write. */
static void expire(int64_t now_ms, const struct repeat *keep)
{
    for (struct repeat *row = repeats; row < repeats + REPEAT_ROWS; row++) {
        if (!row->message || row == keep || !is_old(row, now_ms))
            continue;
        report(row);
        row->message = 0;
    }
}

static struct repeat *find_row(uint64_t source, uint64_t message)
{
    for (struct repeat *row = repeats; row < repeats + REPEAT_ROWS; row++)
        if (row->message == message && row->source == source)
            return row;
    return NULL;
}

/* A free row, or the oldest one, reported. */
static struct repeat *make_row(void)
{
    struct repeat *oldest = repeats;
    for (struct repeat *row = repeats; row < repeats + REPEAT_ROWS; row++) {
        if (!row->message)
            return row;
        if (row->since_ms < oldest->since_ms)
            oldest = row;
    }
    report(oldest);
    return oldest;
}

static void report_source(uint64_t source, const struct repeat *except)
{
    for (struct repeat *row = repeats; row < repeats + REPEAT_ROWS; row++)
        if (row->message && row->source == source && row != except)
            report(row);
}

/* The line as it will be written, and how much of it comes before the fields. */
struct line {
    struct sc_buf text;
    size_t head_len;
    uint64_t source, message;
};

static void put_counted(enum sc_level level, const struct line *line, struct repeat *row,
                        int64_t now_ms)
{
    char tail[48] = "";
    report_source(line->source, row);
    if (row && row->count)
        snprintf(tail, sizeof tail, " repeated=%" PRIu64, row->count);
    if (!row)
        row = make_row();
    *row = (struct repeat){
        .source = line->source, .message = line->message, .since_ms = now_ms, .level = level};
    memcpy(row->text, line->text.ptr,
           fitting(line->text.ptr, line->head_len, sizeof row->text - 1));
    put_line(level, sc_buf_str(&line->text), tail);
}

static void put(enum sc_level level, const struct line *line)
{
    int64_t now_ms = sc_mono_ms();
    struct repeat *row = level >= SC_WARN ? find_row(line->source, line->message) : NULL;
    expire(now_ms, row);
    if (row && !is_old(row, now_ms))
        row->count++;
    else if (level >= SC_WARN)
        put_counted(level, line, row, now_ms);
    else
        put_line(level, sc_buf_str(&line->text), "");
}

/* ---- composing, without the lock ---- */

static void add_head(struct line *line, const struct sc_log_cx *cx, const char *fmt, va_list args)
    SC_PRINTF(3, 0);

static void add_head(struct line *line, const struct sc_log_cx *cx, const char *fmt, va_list args)
{
    struct sc_buf *text = &line->text;
    sc_buf_addf(text, "%s: ", cx->component ? cx->component : "agent");
    size_t message_at = text->len;
    sc_buf_addv(text, fmt, args);
    line->source = hash_source(cx);
    line->message = hash_text(0, text->failed ? "" : text->ptr + message_at) | 1;
    if (cx->integration)
        sc_buf_addf(text, " integration=%s", cx->integration);
    if (cx->data_type)
        sc_buf_addf(text, " data_type=%s", cx->data_type);
    sc_redact_buf(text);
    line->head_len = text->len;
}

static void add_fields(struct line *line, const char *fields)
{
    SC_AUTO_BUF struct sc_buf text = {.max = COMPOSE_MAX};
    sc_buf_addf(&text, " %s", fields);
    sc_redact_buf(&text);
    sc_buf_add(&line->text, text.ptr, text.failed ? 0 : text.len);
    line->text.failed |= text.failed;
}

void sc_log_write(enum sc_level level, const struct sc_log_cx *cx, const char *fields,
                  const char *fmt, ...)
{
    static char lost[] =
        "agent: a log line was dropped: memory ran out, or it is longer than 1 MiB";
    int saved_errno = errno;
    struct line line = {.text.max = COMPOSE_MAX};
    va_list args;
    va_start(args, fmt);
    add_head(&line, cx, fmt, args);
    va_end(args);
    if (fields && *fields)
        add_fields(&line, fields);
    pthread_mutex_lock(&lock);
    if (line.text.failed) {
        put_line(level, sc_str_of(lost), "");
    } else {
        flatten(line.text.ptr, line.text.len);
        put(level, &line);
    }
    pthread_mutex_unlock(&lock);
    sc_buf_done(&line.text);
    errno = saved_errno;
}
