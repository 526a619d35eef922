/* The two forms of a line. Both end with what they were given, whatever bytes it has: a line of text is at most 4 KiB, one of JSON is valid
 * UTF-8 and at most 16 KiB. */
#include "base/log_private.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define JSON_TEXT_MAX   3000 /* each byte may become three */
#define JSON_FIELDS_MAX 800
#define JSON_NAME_MAX   200

size_t sc_log_fitting(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    len = max;
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

/* ---- text ---------------------------------------------------------------------------------------------------------------------------- */

static size_t add(char *line, size_t at, size_t cap, const char *before, const char *text, size_t len)
{
    size_t head = strlen(before);
    if (at + head >= cap)
        return at;
    memcpy(line + at, before, head);
    at += head;
    len = sc_log_fitting(text, len, cap - 1 - at);
    memcpy(line + at, text, len);
    return at + len;
}

/* What comes behind the message; it is shorter than a line. */
static size_t form_tail(const struct sc_log_entry *e, char *tail, size_t cap)
{
    size_t len = 0;
    if (e->integration)
        len = add(tail, len, cap, " integration=", e->integration, strlen(e->integration));
    if (e->data_type)
        len = add(tail, len, cap, " data_type=", e->data_type, strlen(e->data_type));
    if (e->reason != SC_REASON_OK)
        len = add(tail, len, cap, " reason=", sc_reason_code(e->reason), strlen(sc_reason_code(e->reason)));
    if (e->fields.len)
        len = add(tail, len, cap, " ", e->fields.ptr, e->fields.len);
    return len;
}

size_t sc_log_form_text(const struct sc_log_entry *e, int64_t at_ms, char *line, size_t cap)
{
    char time[SC_TIME_TEXT], tail[SC_LOG_LINE_MAX / 2];
    int head = snprintf(line, cap, "%s [%s] %.64s: ", sc_time_rfc3339(at_ms, time), sc_log_level_words[e->level], e->component);
    size_t len = head < 0 ? 0 : (size_t)head, tail_len = form_tail(e, tail, sizeof tail);
    len = add(line, len, cap - tail_len, "", e->text.ptr, e->text.len); /* the message is what is cut */
    memcpy(line + len, tail, tail_len);
    line[len + tail_len] = '\0';
    return len + tail_len;
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------------------------- */

static void add_member(struct sc_buf *out, const char *name, struct sc_str text, size_t max)
{
    sc_buf_addf(out, ",\"%s\":", name);
    sc_buf_add_json(out, (struct sc_str){text.ptr, sc_log_fitting(text.ptr, text.len, max)});
}

static bool all_digits(struct sc_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return text.len > 0;
}

/* As JSON writes numbers, and short enough for every reader. */
static bool is_number(struct sc_str text)
{
    if (text.len && *text.ptr == '-')
        text = (struct sc_str){text.ptr + 1, text.len - 1};
    const char *point = text.len ? memchr(text.ptr, '.', text.len) : NULL;
    struct sc_str whole = {text.ptr, point ? (size_t)(point - text.ptr) : text.len};
    if (point && !all_digits((struct sc_str){point + 1, text.len - whole.len - 1}))
        return false;
    return text.len <= 16 && all_digits(whole) && (whole.len == 1 || *whole.ptr != '0');
}

/* Members have names of ours alone: anything else could name one twice. */
static bool is_name(struct sc_str name)
{
    static const char *const taken[] = {"time", "level", "component", "integration", "data_type", "reason", "text"};
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && c != '_' && !(i && c >= '0' && c <= '9'))
            return false;
    }
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (strlen(taken[i]) == name.len && memcmp(taken[i], name.ptr, name.len) == 0)
            return false;
    }
    return name.len > 0 && name.len <= 40;
}

static void add_fields(struct sc_buf *out, struct sc_str fields)
{
    const char *at = fields.ptr, *end = at + sc_log_fitting(at, fields.len, JSON_FIELDS_MAX);
    while (at < end) {
        const char *blank = memchr(at, ' ', (size_t)(end - at)), *stop = blank ? blank : end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        struct sc_str name = {at, equals ? (size_t)(equals - at) : 0};
        struct sc_str value = {equals ? equals + 1 : stop, equals ? (size_t)(stop - equals - 1) : 0};
        at = stop + (blank != NULL);
        if (!is_name(name))
            continue;
        sc_buf_addf(out, ",\"%.*s\":", (int)name.len, name.ptr);
        if (is_number(value))
            sc_buf_add(out, value.ptr, value.len);
        else
            sc_buf_add_json(out, value);
    }
}

size_t sc_log_form_json(const struct sc_log_entry *e, int64_t at_ms, char *line, size_t cap)
{
    char time[SC_TIME_TEXT];
    SC_AUTO_BUF struct sc_buf out = {.max = cap};
    sc_buf_addf(&out, "{\"time\":\"%s\",\"level\":\"%s\"", sc_time_rfc3339(at_ms, time), sc_log_level_words[e->level]);
    add_member(&out, "component", sc_str_of(e->component), JSON_NAME_MAX);
    if (e->integration)
        add_member(&out, "integration", sc_str_of(e->integration), JSON_NAME_MAX);
    if (e->data_type)
        add_member(&out, "data_type", sc_str_of(e->data_type), JSON_NAME_MAX);
    if (e->reason != SC_REASON_OK)
        add_member(&out, "reason", sc_str_of(sc_reason_code(e->reason)), JSON_NAME_MAX);
    add_member(&out, "text", e->text, JSON_TEXT_MAX);
    add_fields(&out, e->fields);
    sc_buf_add_char(&out, '}');
    struct sc_str text = out.failed ? sc_str_of("{\"level\":\"ERROR\",\"component\":\"agent\",\"text\":\"a log line was dropped: memory ran out\"}")
                                    : sc_buf_str(&out);
    memcpy(line, text.ptr, text.len);
    line[text.len] = '\0';
    return text.len;
}
