/* The table, and the text format: https://prometheus.io/docs/instrumenting/exposition_formats/ (0.0.4). Numbers are written without floating point, so
 * that a counter is never rounded; lines without printf, because there may be a hundred thousand of them. */
#include "operate/metrics.h"

#include "base/hash.h"
#include "base/redact.h"

#include <inttypes.h>
#include <stdio.h>

#define VALUE_MAX 128

const struct sc_metric_row *sc_metric_row(enum sc_metric metric)
{
    static const struct sc_metric_row rows[] = {
#define X(name, text, type, labels, help) {text, SC_METRIC_##type, labels, help},
        SC_METRICS(X)
#undef X
    };
    return &rows[metric];
}

const char *sc_metric_type_name(enum sc_metric_type type)
{
    static const char *const names[] = {"counter", "gauge", "histogram", "untyped"};
    return names[type];
}

/* ---- labels ------------------------------------------------------------------------------------------------------------------------------ */

/* Bytes of the UTF-8 character at `at`; 0: none begins there. */
static size_t character(const unsigned char *at)
{
    if (at[0] < 0x80)
        return 1;
    size_t len = at[0] >= 0xF0 && at[0] <= 0xF4 ? 4 : at[0] >= 0xE0 ? 3 : at[0] >= 0xC2 ? 2 : 0;
    if (len == 0 || at[0] > 0xF4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90);
    bool outside = (at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF4 && at[1] > 0x8F);
    return overlong || outside ? 0 : len;
}

static void add_escaped(struct sc_buf *out, const char *text, size_t max)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + max;
    while (*at && at < end) {
        size_t len = character(at);
        if (len && at + len > end)
            break;
        if (*at == '\n')
            sc_buf_add_str(out, "\\n");
        else if (*at == '"' || *at == '\\')
            sc_buf_add(out, (const char[]){'\\', (char)*at}, 2);
        else if (len)
            sc_buf_add(out, at, len);
        else
            sc_buf_add_str(out, "\xEF\xBF\xBD");
        at += len ? len : 1;
    }
}

void sc_label_add(struct sc_buf *labels, const char *name, const char *value)
{
    struct sc_buf clean SC_AUTO_BUF = {0};
    sc_buf_add_str(&clean, value);
    sc_redact_buf(&clean);
    struct sc_str text = sc_buf_str(&clean);
    if (labels->len)
        sc_buf_add_char(labels, ',');
    sc_buf_add_str(labels, name);
    sc_buf_add_str(labels, "=\"");
    if (text.len <= VALUE_MAX) {
        add_escaped(labels, text.ptr, text.len);
    } else {
        unsigned char hash[16];
        sc_content_hash(text.ptr, text.len, hash);
        add_escaped(labels, text.ptr, VALUE_MAX - 17);
        sc_buf_add_char(labels, '#');
        sc_buf_add_hex(labels, hash, 8);
    }
    sc_buf_add_char(labels, '"');
}

/* ---- lines ------------------------------------------------------------------------------------------------------------------------------- */

void sc_metric_begin(struct sc_buf *out, enum sc_metric metric)
{
    const struct sc_metric_row *row = sc_metric_row(metric);
    sc_buf_add_str(out, "# HELP ");
    sc_buf_add_str(out, row->name);
    sc_buf_add_char(out, ' ');
    for (const char *c = row->help; *c; c++)
        sc_buf_add(out, *c == '\\' ? "\\\\" : c, *c == '\\' ? 2 : 1);
    sc_buf_add_str(out, "\n# TYPE ");
    sc_buf_add_str(out, row->name);
    sc_buf_add_char(out, ' ');
    sc_buf_add_str(out, sc_metric_type_name(row->type));
    sc_buf_add_char(out, '\n');
}

static void begin_line(struct sc_buf *out, enum sc_metric metric, const char *suffix, struct sc_str labels, const char *more, const char *more_value)
{
    sc_buf_add_str(out, sc_metric_row(metric)->name);
    sc_buf_add_str(out, suffix);
    if (labels.len || more) {
        sc_buf_add_char(out, '{');
        sc_buf_add(out, labels.ptr, labels.len);
        if (more) {
            if (labels.len)
                sc_buf_add_char(out, ',');
            sc_buf_add_str(out, more);
            sc_buf_add_str(out, "=\"");
            sc_buf_add_str(out, more_value);
            sc_buf_add_char(out, '"');
        }
        sc_buf_add_char(out, '}');
    }
    sc_buf_add_char(out, ' ');
}

static void add_whole(struct sc_buf *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    sc_buf_add(out, digits + at, sizeof digits - at);
}

/* value / 10^places, without zeros at the end. */
static void add_decimal(struct sc_buf *out, uint64_t value, unsigned places)
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < places; i++)
        unit *= 10;
    add_whole(out, value / unit);
    value %= unit;
    if (value == 0)
        return;
    sc_buf_add_char(out, '.');
    for (; value; value %= unit) {
        unit /= 10;
        sc_buf_add_char(out, (char)('0' + value / unit));
    }
}

void sc_metric_count(struct sc_buf *out, enum sc_metric metric, struct sc_str labels, const char *more, const char *more_value, uint64_t value)
{
    begin_line(out, metric, "", labels, more, more_value);
    add_whole(out, value);
    sc_buf_add_char(out, '\n');
}

void sc_metric_milli(struct sc_buf *out, enum sc_metric metric, struct sc_str labels, const char *more, const char *more_value, int64_t thousandths)
{
    begin_line(out, metric, "", labels, more, more_value);
    if (thousandths < 0)
        sc_buf_add_char(out, '-');
    add_decimal(out, thousandths < 0 ? 0 - (uint64_t)thousandths : (uint64_t)thousandths, 3);
    sc_buf_add_char(out, '\n');
}

void sc_metric_histogram(struct sc_buf *out, enum sc_metric metric, struct sc_str labels, const uint32_t *bounds_ms, const uint64_t *counts, unsigned n,
                         uint64_t sum_us)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i <= n; i++) {
        struct sc_buf bound SC_AUTO_BUF = {0};
        if (i < n)
            add_decimal(&bound, bounds_ms[i], 3);
        else
            sc_buf_add_str(&bound, "+Inf");
        sum += counts[i];
        begin_line(out, metric, "_bucket", labels, "le", sc_buf_str(&bound).ptr);
        add_whole(out, sum);
        sc_buf_add_char(out, '\n');
    }
    begin_line(out, metric, "_sum", labels, NULL, NULL);
    add_decimal(out, sum_us, 6);
    sc_buf_add_char(out, '\n');
    begin_line(out, metric, "_count", labels, NULL, NULL);
    add_whole(out, sum);
    sc_buf_add_char(out, '\n');
}
