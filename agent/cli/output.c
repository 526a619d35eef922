/* What people and scripts see. Everything passes the redactor; what came from outside cannot move a terminal's cursor. */
#include "cli/commands.h"

#include "base/redact.h"

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

int sc_print(struct sc_buf *text)
{
    if (text->failed)
        return sc_say(SC_EXIT_BAD, "out of memory, or the output is too long");
    sc_redact_buf(text);
    if (fwrite(sc_buf_str(text).ptr, 1, text->len, stdout) != text->len || fflush(stdout))
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
    sc_buf_add_str(&text, dump);
    sc_buf_add_char(&text, '\n');
    free(dump);
    return sc_print(&text);
}

void sc_add_clean(struct sc_buf *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0) { /* C1 controls */
            sc_buf_add_char(out, '?');
            c++;
        } else {
            sc_buf_add_char(out, *c < 0x20 || *c == 0x7F ? '?' : (char)*c);
        }
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
