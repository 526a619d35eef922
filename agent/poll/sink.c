#include "poll/sink.h"

#include "base/redact.h"
#include <pthread.h>
#include <stdlib.h>

#define LINE_MAX_BYTES (64u * 1024) /* what NATS takes by default is 1 MiB; nobody reads a line of that length */

struct line {
    struct line *next;
    char *text;
};

struct sc_sink {
    pthread_mutex_t lock;
    uint32_t refs;
    struct line *head, **tail;
    uint32_t count, left_out;
    size_t bytes;
    bool ended, closed;
    char *end;
    void (*notify)(void *arg);
    void *arg;
};

struct sc_sink *sc_sink_new(void (*notify)(void *arg), void *arg)
{
    struct sc_sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return NULL;
    pthread_mutex_init(&sink->lock, NULL);
    sink->refs = 1;
    sink->tail = &sink->head;
    sink->notify = notify;
    sink->arg = arg;
    return sink;
}

struct sc_sink *sc_sink_ref(struct sc_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sink->refs++;
    pthread_mutex_unlock(&sink->lock);
    return sink;
}

/* Under the lock, or by the last owner. */
static char *take_line(struct sc_sink *sink)
{
    struct line *line = sink->head;
    if (!line)
        return NULL;
    char *text = line->text;
    sink->head = line->next;
    if (!sink->head)
        sink->tail = &sink->head;
    sink->count--;
    sink->bytes -= strlen(text);
    free(line);
    return text;
}

struct sc_sink *sc_sink_unref(struct sc_sink *sink)
{
    if (!sink)
        return NULL;
    pthread_mutex_lock(&sink->lock);
    bool last = --sink->refs == 0;
    pthread_mutex_unlock(&sink->lock);
    if (!last)
        return NULL;
    for (char *text; (text = take_line(sink));)
        free(text);
    free(sink->end);
    pthread_mutex_destroy(&sink->lock);
    free(sink);
    return NULL;
}

/* ---- making a line ------------------------------------------------------------------------------------------------------------------------ */

json_t *sc_sink_text(struct sc_str text)
{
    json_t *value = json_stringn(text.ptr ? text.ptr : "", text.len);
    SC_AUTO_BUF struct sc_buf clean = {0};
    if (value)
        return value;
    sc_buf_add_json(&clean, text);
    return clean.failed ? NULL : json_loadb(clean.ptr, clean.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

static json_t *redacted_text(const char *text, size_t len)
{
    SC_AUTO_BUF struct sc_buf copy = {0};
    sc_buf_add(&copy, text, len);
    sc_redact_buf(&copy);
    json_t *value = copy.failed ? NULL : sc_sink_text(sc_buf_str(&copy));
    return value ? value : json_string("[not shown]");
}

/* Text by text, so that what is taken out cannot take a quote or a comma with it. */
static void redact_texts(json_t *value)
{
    const char *name;
    json_t *item;
    size_t i;
    void *next;
    json_object_foreach_safe (value, next, name, item) {
        if (json_is_string(item))
            json_object_set_new(value, name, redacted_text(json_string_value(item), json_string_length(item)));
        else
            redact_texts(item);
    }
    json_array_foreach (value, i, item) {
        if (json_is_string(item))
            json_array_set_new(value, i, redacted_text(json_string_value(item), json_string_length(item)));
        else
            redact_texts(item);
    }
}

/* A number may be a secret's digits, too. NULL: out of memory. */
static char *dump(const json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15));
    SC_AUTO_BUF struct sc_buf copy = {0};
    if (!text)
        return NULL;
    sc_buf_add_str(&copy, text);
    sc_redact_buf(&copy);
    if (!copy.failed && strcmp(sc_buf_str(&copy).ptr, text) == 0 && copy.len <= LINE_MAX_BYTES)
        return text;
    bool large = copy.failed || copy.len > LINE_MAX_BYTES;
    json_t *still = large ? NULL : json_loadb(copy.ptr, copy.len, 0, NULL);
    json_decref(still);
    free(text);
    if (still)
        return sc_buf_take(&copy);
    return sc_dup(large ? "{\"line\":{\"text\":\"a line that was too long was left out\"}}" : "{\"line\":{\"text\":\"[redacted]\"}}");
}

static char *line_of(const char *member, json_t *value)
{
    json_t *line = value ? json_object() : NULL;
    if (value)
        redact_texts(value);
    if (!line || json_object_set_new(line, member, value)) {
        if (!line)
            json_decref(value);
        json_decref(line);
        return NULL;
    }
    char *text = dump(line);
    json_decref(line);
    return text;
}

/* ---- putting and taking ------------------------------------------------------------------------------------------------------------------- */

static void tell(struct sc_sink *sink, bool was_empty)
{
    if (was_empty && sink->notify && !sink->closed)
        sink->notify(sink->arg);
}

void sc_sink_put(struct sc_sink *sink, const char *member, json_t *value)
{
    char *text = line_of(member, value);
    struct line *line = text ? calloc(1, sizeof *line) : NULL;
    pthread_mutex_lock(&sink->lock);
    bool drop = sink->closed || sink->ended, was_empty = !sink->head;
    size_t len = text ? strlen(text) : 0;
    bool fits = line && sink->count < SC_SINK_LINES && sink->bytes + len <= SC_SINK_BYTES;
    if (!drop && fits) {
        line->text = text;
        *sink->tail = line;
        sink->tail = &line->next;
        sink->count++;
        sink->bytes += len;
        tell(sink, was_empty);
    } else if (!drop) {
        sink->left_out++;
    }
    pthread_mutex_unlock(&sink->lock);
    if (drop || !fits) {
        free(line);
        free(text);
    }
}

void sc_sink_end(struct sc_sink *sink, bool ok, const char *text)
{
    char *line = line_of("end", json_pack("{s:b, s:s}", "ok", ok, "text", text));
    pthread_mutex_lock(&sink->lock);
    bool first = !sink->ended;
    if (first) {
        sink->ended = true;
        sink->end = line ? line : sc_dup("{\"end\":{\"ok\":false,\"text\":\"out of memory\"}}");
        tell(sink, true);
    }
    pthread_mutex_unlock(&sink->lock);
    if (!first)
        free(line);
}

bool sc_sink_is_closed(struct sc_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    bool closed = sink->closed;
    pthread_mutex_unlock(&sink->lock);
    return closed;
}

void sc_sink_close(struct sc_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sink->closed = true;
    for (char *text; (text = take_line(sink));)
        free(text);
    pthread_mutex_unlock(&sink->lock);
}

char *sc_sink_take(struct sc_sink *sink, bool *ret_last)
{
    *ret_last = false;
    pthread_mutex_lock(&sink->lock);
    char *text = take_line(sink);
    if (!text && sink->left_out && sink->ended) {
        text = sc_printf("{\"line\":{\"left_out\":%u,\"text\":\"%u lines were left out: more came than are kept for who reads them\"}}", sink->left_out,
                         sink->left_out);
        sink->left_out = 0;
    }
    if (!text && sink->end) {
        text = sink->end;
        sink->end = NULL;
        *ret_last = true;
    }
    pthread_mutex_unlock(&sink->lock);
    return text;
}
