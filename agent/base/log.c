/* The log: levels, composing, writing. A line is composed without the lock, redacted before it is cut (half a secret would not be known
 * again), and written under the lock by one write(2). What is counted instead is log_repeat.c's, how a line looks log_form.c's. */
#include "base/log_private.h"

#include "base/clock.h"
#include "base/redact.h"
#include "base/utf8.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define COMPOSE_MAX (1024 * 1024)
#define ASKED_MAX   16

_Atomic int sc_log_level_now = SC_INFO;

const char *const sc_log_level_words[] = {[SC_DEBUG] = "DEBUG", [SC_INFO] = "INFO", [SC_WARN] = "WARN", [SC_ERROR] = "ERROR"};

/* Everything below is under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out_fd = STDERR_FILENO;
static enum sc_log_format format = SC_LOG_TEXT;
static enum sc_level base_level = SC_INFO;
static void (*out_sink)(const char *line, void *arg);
static void *out_sink_arg;

/* Levels that were asked for while it runs. */
static struct asked {
    char *integration; /* "": all */
    enum sc_level level;
    int64_t until_ms, until_real; /* 0: the end of the process */
} asked[ASKED_MAX];
static unsigned asked_count;

/* ---- levels --------------------------------------------------------------------------------------------------------------------------- */

static struct asked *find_asked(const char *integration)
{
    for (unsigned i = 0; i < asked_count; i++) {
        if (strcmp(asked[i].integration, integration) == 0)
            return &asked[i];
    }
    return NULL;
}

static enum sc_level level_of(const char *integration)
{
    const struct asked *own = integration ? find_asked(integration) : NULL;
    if (!own)
        own = find_asked("");
    return own ? own->level : base_level;
}

static void set_lowest(void)
{
    int lowest = (int)level_of(NULL);
    for (unsigned i = 0; i < asked_count; i++) /* where all are at WARN, one may be at DEBUG */
        lowest = (int)asked[i].level < lowest ? (int)asked[i].level : lowest;
    atomic_store_explicit(&sc_log_level_now, lowest, memory_order_relaxed);
}

static void drop_asked(struct asked *a)
{
    free(a->integration);
    *a = asked[--asked_count];
    asked[asked_count] = (struct asked){0};
    set_lowest();
}

void sc_log_init(enum sc_level level, int fd)
{
    pthread_mutex_lock(&lock);
    out_fd = fd;
    while (asked_count)
        drop_asked(asked);
    sc_log_repeat_flush(false);
    pthread_mutex_unlock(&lock);
    sc_log_set_level(level);
}

void sc_log_set_format(enum sc_log_format to)
{
    pthread_mutex_lock(&lock);
    format = to;
    pthread_mutex_unlock(&lock);
}

void sc_log_set_level(enum sc_level level)
{
    pthread_mutex_lock(&lock);
    base_level = level;
    set_lowest();
    pthread_mutex_unlock(&lock);
}

bool sc_log_parse_level(const char *text, enum sc_level *ret)
{
    for (size_t i = 0; i < sizeof sc_log_level_words / sizeof sc_log_level_words[0]; i++) {
        if (strcasecmp(text, sc_log_level_words[i]) == 0) {
            *ret = (enum sc_level)i;
            return true;
        }
    }
    if (strcasecmp(text, "warning") != 0)
        return false;
    *ret = SC_WARN;
    return true;
}

const char *sc_log_level_name(enum sc_level level)
{
    static const char *const names[] = {[SC_DEBUG] = "debug", [SC_INFO] = "info", [SC_WARN] = "warn", [SC_ERROR] = "error"};
    return names[level];
}

int sc_log_ask_level(enum sc_level level, const char *integration, int64_t for_ms, struct sc_error *err)
{
    char *name = sc_dup(integration ? integration : "");
    pthread_mutex_lock(&lock);
    struct asked *a = name ? find_asked(name) : NULL;
    if (!a && name && asked_count < ASKED_MAX) {
        a = &asked[asked_count++];
        *a = (struct asked){.integration = name};
        name = NULL;
    }
    if (a) {
        a->level = level;
        a->until_ms = for_ms ? sc_mono_ms() + for_ms : 0;
        a->until_real = for_ms ? sc_real_ms() + for_ms : 0;
        set_lowest();
    }
    pthread_mutex_unlock(&lock);
    free(name);
    return a ? 0 : sc_fail(err, SC_REASON_CONFIG_INVALID, "%d integrations have a log level of their own already: end one first (`signal-client log off`)", ASKED_MAX);
}

bool sc_log_ask_no_more(const char *integration)
{
    pthread_mutex_lock(&lock);
    bool found = false;
    for (unsigned i = asked_count; i-- > 0;) {
        if (integration && strcmp(asked[i].integration, integration) != 0)
            continue;
        drop_asked(&asked[i]);
        found = true;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void sc_log_tell_levels(struct sc_buf *out)
{
    char until[SC_TIME_TEXT];
    pthread_mutex_lock(&lock);
    const struct asked *all = find_asked("");
    sc_buf_add_str(out, sc_log_level_name(all ? all->level : base_level));
    if (all && all->until_real)
        sc_buf_addf(out, " until %s, then %s", sc_time_short(all->until_real, sc_real_ms(), until), sc_log_level_name(base_level));
    for (unsigned i = 0; i < asked_count; i++) {
        if (!*asked[i].integration)
            continue;
        sc_buf_addf(out, "; %s: %s", asked[i].integration, sc_log_level_name(asked[i].level));
        if (asked[i].until_real)
            sc_buf_addf(out, " until %s", sc_time_short(asked[i].until_real, sc_real_ms(), until));
    }
    pthread_mutex_unlock(&lock);
}

/* ---- one line ------------------------------------------------------------------------------------------------------------------------- */

void sc_log_set_sink(void (*sink)(const char *line, void *arg), void *arg)
{
    pthread_mutex_lock(&lock);
    out_sink = sink;
    out_sink_arg = arg;
    pthread_mutex_unlock(&lock);
}

/* What a terminal would obey, to blanks. */
static void flatten(struct sc_buf *buf)
{
    uint32_t code;
    for (size_t i = 0, len; i < buf->len; i += len) {
        len = sc_utf8_take((struct sc_str){buf->ptr + i, buf->len - i}, &code);
        if (len && sc_utf8_is_harmful(code))
            memset(buf->ptr + i, ' ', len);
        len = len ? len : 1;
    }
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

void sc_log_put(const struct sc_log_entry *entry)
{
    char line[SC_LOG_JSON_MAX + 1];
    int64_t now = sc_real_ms();
    size_t len = format == SC_LOG_JSON ? sc_log_form_json(entry, now, line, SC_LOG_JSON_MAX) : sc_log_form_text(entry, now, line, SC_LOG_LINE_MAX);
    if (out_sink) {
        out_sink(line, out_sink_arg);
        return;
    }
    line[len++] = '\n';
    write_all(line, len);
}

/* ---- composing, without the lock ------------------------------------------------------------------------------------------------------ */

/* The parts of a line, each redacted and flat. */
struct parts {
    struct sc_buf component, integration, data_type, text, fields;
    bool lost;
};

static const char *part(struct parts *parts, struct sc_buf *buf, const char *text)
{
    if (!text)
        return NULL;
    buf->max = COMPOSE_MAX;
    buf->secret = true; /* until it is redacted */
    sc_buf_add_str(buf, text);
    sc_redact_buf(buf);
    flatten(buf);
    parts->lost = parts->lost || buf->failed;
    return buf->ptr ? buf->ptr : "";
}

static void parts_done(struct parts *parts)
{
    sc_buf_done(&parts->component);
    sc_buf_done(&parts->integration);
    sc_buf_done(&parts->data_type);
    sc_buf_done(&parts->text);
    sc_buf_done(&parts->fields);
}

static void write_or_count(const struct sc_log_entry *entry, const struct sc_log_cx *cx, struct sc_log_key key, bool each)
{
    int64_t now_ms = sc_mono_ms(), real_ms = sc_real_ms();
    struct sc_log_entry e = *entry;
    sc_log_repeat_expire(now_ms, real_ms);
    if (e.level < level_of(cx->integration))
        return;
    bool counted = e.level > SC_DEBUG && !(each && !cx->same);
    if (counted && sc_log_repeat_hold(key, entry, each, now_ms, real_ms)) {
        if (level_of(cx->integration) > SC_DEBUG)
            return;
        e.level = SC_DEBUG;
    }
    sc_log_put(&e);
}

static void compose(enum sc_level level, const struct sc_log_cx *cx, const char *fields, bool each, const char *fmt, va_list args) SC_PRINTF(5, 0);

static void compose(enum sc_level level, const struct sc_log_cx *cx, const char *fields, bool each, const char *fmt, va_list args)
{
    static const char lost[] = "a log line was dropped: memory ran out, or it is longer than 1 MiB";
    int saved_errno = errno;
    struct parts parts = {.text = {.max = COMPOSE_MAX, .secret = true}};
    sc_buf_addv(&parts.text, fmt, args);
    struct sc_log_key key = sc_log_key(level, cx, parts.text.failed || !parts.text.ptr ? "" : parts.text.ptr);
    sc_redact_buf(&parts.text);
    flatten(&parts.text);
    struct sc_log_entry entry = {
        .level = level,
        .component = part(&parts, &parts.component, cx->component ? cx->component : "agent"),
        .integration = part(&parts, &parts.integration, cx->integration),
        .data_type = part(&parts, &parts.data_type, cx->data_type),
        .reason = cx->reason,
        .beside = cx->beside,
        .text = sc_buf_str(&parts.text),
    };
    if (fields && *fields)
        part(&parts, &parts.fields, fields);
    entry.fields = sc_buf_str(&parts.fields);
    pthread_mutex_lock(&lock);
    if (parts.lost || parts.text.failed)
        sc_log_put(&(struct sc_log_entry){.level = level, .component = "agent", .text = sc_str_of(lost), .fields = sc_str_of("")});
    else
        write_or_count(&entry, cx, key, each);
    pthread_mutex_unlock(&lock);
    parts_done(&parts);
    errno = saved_errno;
}

void sc_log_write(enum sc_level level, const struct sc_log_cx *cx, const char *fields, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    compose(level, cx, fields, false, fmt, args);
    va_end(args);
}

void sc_log_write_each(enum sc_level level, const struct sc_log_cx *cx, const char *fields, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    compose(level, cx, fields, true, fmt, args);
    va_end(args);
}

/* ---- repeats --------------------------------------------------------------------------------------------------------------------------- */

bool sc_log_over(const struct sc_log_cx *cx, uint64_t *ret_count)
{
    pthread_mutex_lock(&lock);
    bool told = sc_log_repeat_over(cx, ret_count);
    pthread_mutex_unlock(&lock);
    return told;
}

void sc_log_anew(const struct sc_log_cx *cx)
{
    pthread_mutex_lock(&lock);
    sc_log_repeat_anew(cx);
    pthread_mutex_unlock(&lock);
}

void sc_log_flush(void)
{
    pthread_mutex_lock(&lock);
    sc_log_repeat_flush(true);
    pthread_mutex_unlock(&lock);
}

static void say_level_ends(const struct asked *a)
{
    char text[400];
    int len = snprintf(text, sizeof text, "the log level of %.100s has had its time: %s again", *a->integration ? a->integration : "all",
                       sc_log_level_name(*a->integration ? level_of(NULL) : base_level));
    sc_log_put(&(struct sc_log_entry){.level = SC_INFO, .component = "agent", .text = {text, (size_t)len}, .fields = sc_str_of("")});
}

void sc_log_turn(void)
{
    int64_t now_ms = sc_mono_ms();
    pthread_mutex_lock(&lock);
    sc_log_repeat_expire(now_ms, sc_real_ms());
    for (unsigned i = asked_count; i-- > 0;) {
        if (!asked[i].until_ms || now_ms < asked[i].until_ms)
            continue;
        say_level_ends(&asked[i]);
        drop_asked(&asked[i]);
    }
    pthread_mutex_unlock(&lock);
}
