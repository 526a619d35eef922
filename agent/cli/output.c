/* What people and scripts see. Everything passes the redactor; what came from outside cannot move a terminal's cursor. */
#include "cli/commands.h"

#include "base/redact.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void say_v(const char *prefix, const char *fmt, va_list args)
{
    char text[2048];
    struct sc_buf line SC_AUTO_BUF = {0};
    vsnprintf(text, sizeof text, fmt, args);
    sc_buf_add_str(&line, prefix);
    sc_add_clean(&line, text);
    sc_buf_add_char(&line, '\n');
    sc_redact_buf(&line);
    fwrite(sc_buf_str(&line).ptr, 1, line.len, stderr);
}

int sc_say(int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say_v("signal-client: ", fmt, args);
    va_end(args);
    return code;
}

int sc_usage_error(const struct sc_cli *cli, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say_v("signal-client: ", fmt, args);
    va_end(args);
    struct sc_buf usage SC_AUTO_BUF = {0};
    sc_usage_add(cli->command, &usage);
    fprintf(stderr, "%s`signal-client %s --help` shows examples.\n", sc_buf_str(&usage).ptr, cli->command->name);
    return SC_EXIT_USAGE;
}

/* What can be shown as it is. False: nothing is left. */
static bool add_harmless(struct sc_buf *out, struct sc_str *text)
{
    size_t len = sc_utf8_harmless(*text);
    sc_buf_add(out, text->ptr, len);
    text->ptr += len;
    text->len -= len;
    return text->len > 0;
}

/* Of a colour, as we write them: its length; 0: it is none. */
static size_t colour_len(struct sc_str text)
{
    size_t len = 2;
    if (text.len < 3 || memcmp(text.ptr, "\033[", 2) != 0)
        return 0;
    while (len < text.len && len < 12 && (text.ptr[len] == ';' || (text.ptr[len] >= '0' && text.ptr[len] <= '9')))
        len++;
    return len < text.len && text.ptr[len] == 'm' ? len + 1 : 0;
}

void sc_add_shown(struct sc_buf *out, struct sc_str text)
{
    uint32_t code;
    for (size_t len; add_harmless(out, &text); text.ptr += len, text.len -= len) {
        bool colour = (len = colour_len(text)) > 0;
        len = colour ? len : sc_utf8_take(text, &code);
        if (colour || (len && (code == '\n' || code == '\t')))
            sc_buf_add(out, text.ptr, len);
        else
            sc_buf_add_char(out, '?');
        len = len ? len : 1;
    }
}

int sc_print(struct sc_buf *text)
{
    if (text->failed)
        return sc_say(SC_EXIT_BAD, "out of memory, or the output is too long");
    sc_redact_buf(text);
    struct sc_buf shown SC_AUTO_BUF = {.max = text->len + 1}; /* it can only become shorter */
    sc_add_shown(&shown, sc_buf_str(text));
    if (shown.failed)
        return sc_say(SC_EXIT_BAD, "out of memory");
    if (fwrite(sc_buf_str(&shown).ptr, 1, shown.len, stdout) != shown.len || fflush(stdout))
        return sc_say(SC_EXIT_BAD, "cannot write to standard output");
    return SC_EXIT_GOOD;
}

int sc_print_json(json_t *value)
{
    struct sc_buf text SC_AUTO_BUF = {0};
    char *dump = value ? json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(value);
    if (!dump)
        return sc_say(SC_EXIT_BAD, "out of memory");
    sc_add_json_clean(&text, dump);
    sc_buf_add_char(&text, '\n');
    free(dump);
    return sc_print(&text);
}

void sc_add_clean(struct sc_buf *out, const char *text)
{
    uint32_t code;
    struct sc_str left = sc_str_of(text);
    for (size_t len; add_harmless(out, &left); left.ptr += len, left.len -= len) {
        len = sc_utf8_take(left, &code);
        len = len ? len : 1;
        sc_buf_add_char(out, '?');
    }
}

void sc_add_json_clean(struct sc_buf *out, const char *json)
{
    uint32_t code;
    struct sc_str left = sc_str_of(json);
    for (size_t len; add_harmless(out, &left); left.ptr += len, left.len -= len) {
        len = sc_utf8_take(left, &code);
        if (len && code > 0xFFFF)
            sc_buf_addf(out, "\\u%04x\\u%04x", 0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF));
        else if (len && code != '\n')
            sc_buf_addf(out, "\\u%04x", code);
        else
            sc_buf_add(out, left.ptr, len ? len : 1);
        len = len ? len : 1;
    }
}

/* ---- tables ---------------------------------------------------------------------------------------------------------- */

void sc_table_add(struct sc_table *table, const char *const cells[])
{
    if (table->count + table->columns > table->cap) {
        size_t cap = 2 * table->cap + 16 * table->columns;
        char **grown = realloc(table->cells, cap * sizeof *grown);
        if (!grown) {
            table->failed = true;
            return;
        }
        table->cells = grown;
        table->cap = cap;
    }
    for (size_t i = 0; i < table->columns; i++) {
        struct sc_buf clean SC_AUTO_BUF = {0};
        sc_add_clean(&clean, cells[i] ? cells[i] : "");
        char *cell = sc_buf_take(&clean);
        table->failed |= !cell;
        table->cells[table->count++] = cell;
    }
}

static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

void sc_table_write(const struct sc_table *table, const char *indent, struct sc_buf *out)
{
    size_t widths[SC_MAX_COLUMNS] = {0}, columns = table->columns;
    if (table->failed) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t width = width_of(table->cells[i]);
        if (width > widths[i % columns])
            widths[i % columns] = width;
    }
    for (size_t i = 0; i < table->count; i += columns) {
        size_t last = columns;
        while (last > 1 && !*table->cells[i + last - 1])
            last--;
        sc_buf_add_str(out, indent);
        for (size_t c = 0; c < last; c++) {
            sc_buf_add_str(out, table->cells[i + c]);
            for (size_t pad = width_of(table->cells[i + c]); c + 1 < last && pad < widths[c] + 2; pad++)
                sc_buf_add_char(out, ' ');
        }
        sc_buf_add_char(out, '\n');
    }
}

void sc_table_done(struct sc_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct sc_table){0};
}
