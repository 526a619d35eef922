/* Small words for people: spans, amounts, lines of a certain width. Pure. */
#include "cli/status.h"

#include "base/clock.h"
#include "operate/times.h"

#include <stdio.h>

#define NUMBER_MOST INT64_C(1000000000000000) /* whatever stands in the bucket: it can be multiplied with what is multiplied here */

const char *sc_span_words(int64_t ms, char room[SC_WORDS])
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    snprintf(room, SC_WORDS, "now");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        bool last = i + 1 == sizeof units / sizeof *units;
        if (ms >= 2 * units[i].ms || (last && ms >= units[i].ms)) { /* 119 s rather than 1 min */
            snprintf(room, SC_WORDS, "%lld %s", (long long)(ms / units[i].ms), units[i].name);
            break;
        }
    }
    return room;
}

const char *sc_ago_words(int64_t ms, char room[SC_WORDS])
{
    char span[SC_WORDS];
    if (ms < 1000)
        snprintf(room, SC_WORDS, "just now");
    else
        snprintf(room, SC_WORDS, "%s ago", sc_span_words(ms, span));
    return room;
}

int64_t sc_json_time(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? sc_time_parse_rfc3339(sc_str_of(text)) : SC_TIME_NONE;
}

int64_t sc_json_number(const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(object, name));
    return n < 0 ? 0 : n > NUMBER_MOST ? NUMBER_MOST : n;
}

static const char *scaled(uint64_t n, const char *unit, char room[SC_WORDS])
{
    static const char prefixes[] = {'k', 'M', 'G', 'T', 'P', 'E'};
    double value = (double)n / 1000;
    size_t i = 0;
    while (value >= 999.5 && i + 1 < sizeof prefixes) {
        value /= 1000;
        i++;
    }
    snprintf(room, SC_WORDS, value < 9.95 ? "%.1f %c%s" : "%.0f %c%s", value, prefixes[i], unit);
    return room;
}

const char *sc_amount_words(uint64_t n, char room[SC_WORDS])
{
    return n < 1000000 ? sc_count_text(n, room) : scaled(n, "", room);
}

const char *sc_bytes_words(uint64_t n, char room[SC_WORDS])
{
    if (n < 1000)
        snprintf(room, SC_WORDS, "%llu B", (unsigned long long)n);
    else
        scaled(n, "B", room);
    return room;
}

static size_t char_len(const char *at)
{
    size_t n = 1;
    while (((unsigned char)at[n] & 0xC0) == 0x80)
        n++;
    return n;
}

size_t sc_text_width(const char *text)
{
    size_t width = 0;
    for (; *text; text += char_len(text))
        width++;
    return width;
}

void sc_fit_add(struct sc_buf *out, const char *text, size_t width, bool pad)
{
    struct sc_buf clean SC_AUTO_BUF = {0};
    size_t used = 0;
    sc_add_clean(&clean, text);
    text = sc_buf_str(&clean).ptr;
    bool whole = sc_text_width(text) <= width;
    for (; *text && used + (whole ? 0 : 1) < width; text += char_len(text), used++)
        sc_buf_add(out, text, char_len(text));
    if (!whole) {
        sc_buf_add_str(out, "…");
        used++;
    }
    for (; pad && used < width; used++)
        sc_buf_add_char(out, ' ');
}

void sc_wrap_add(struct sc_buf *out, const char *first, const char *text, unsigned columns)
{
    struct sc_buf clean SC_AUTO_BUF = {0}, word SC_AUTO_BUF = {0};
    size_t indent = sc_text_width(first), used = indent;
    bool begun = false;
    sc_add_clean(&clean, text);
    sc_buf_add_str(out, first);
    for (const char *at = sc_buf_str(&clean).ptr; *at;) {
        size_t blanks = strspn(at, " "), len = strcspn(at + blanks, " ");
        sc_buf_clear(&word);
        sc_buf_add(&word, at + blanks, len);
        at += blanks + len;
        if (!len)
            break;
        size_t width = sc_text_width(sc_buf_str(&word).ptr);
        if (begun && used + 1 + width > columns) {
            sc_buf_addf(out, "\n%*s", (int)indent, "");
            used = indent;
        } else if (begun) {
            sc_buf_add_char(out, ' ');
            used++;
        }
        sc_buf_add(out, word.ptr, word.len);
        used += width;
        begun = true;
    }
    sc_buf_add_char(out, '\n');
}
