/* The table of status: one line a data type, most urgent first, and below it, once each, what is not good and what to do. Pure. */
#include "cli/status.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define COLUMNS       8
#define NAME_LEAST    12
#define SENTENCES     20
#define OF_ONE_REASON 5  /* more of them would hide the others */
#define NAMES_A_SENTENCE 4
#define CELL          128

enum column {
    INTEGRATION,
    DATA_TYPE,
    STATE,
    REASON,
    SINCE,
    LAG,
    RECORDS,
    NEXT
};

static const char *const headings[COLUMNS] = {"INTEGRATION", "DATA TYPE", "STATE", "REASON", "SINCE", "LAG", "RECORDS", "NEXT"};

/* ---- cells --------------------------------------------------------------------------------------------------------------- */

static const char *state_of(const struct sc_status_row *row)
{
    switch (row->kind) {
    case SC_ROW_STALE:
        return "stale";
    case SC_ROW_SILENT:
        return "no word yet";
    case SC_ROW_LEFT_OVER:
        return "left over";
    case SC_ROW_PAUSED:
        return "paused";
    case SC_ROW_ERROR:
    case SC_ROW_LIMITED:
    case SC_ROW_NOTICE:
    case SC_ROW_WAITING:
    case SC_ROW_PROCESSING:
    case SC_ROW_GOOD:
        break;
    }
    return row->facts ? sc_json_text(row->facts, "state") : "error";
}

static void span_cell(char *cell, int64_t from, int64_t to)
{
    char words[SC_WORDS];
    if (from != SC_TIME_NONE && to != SC_TIME_NONE)
        snprintf(cell, CELL, "%s", sc_span_words(to - from, words));
}

/* When it goes on: how far it is, the end of its wait, the next poll. */
static void next_cell(const struct sc_status_view *view, const struct sc_status_row *row, char *cell)
{
    const json_t *progress = json_object_get(row->facts, "progress");
    int64_t until = sc_json_time(row->facts, "until"), next = sc_json_time(row->facts, "next_poll");
    char words[SC_WORDS];
    if (row->kind == SC_ROW_STALE || row->kind == SC_ROW_LEFT_OVER)
        return;
    if (sc_json_number(progress, "percent")) {
        snprintf(cell, CELL, "%lld %%", (long long)sc_json_number(progress, "percent"));
        return;
    }
    if (until == SC_TIME_NONE)
        until = next;
    if (until == SC_TIME_NONE)
        return;
    snprintf(cell, CELL, until <= view->now_ms ? "%s" : "in %s", sc_span_words(until - view->now_ms, words));
}

static void fill(const struct sc_status_view *view, const struct sc_status_row *row, char cells[COLUMNS][CELL])
{
    char words[SC_WORDS];
    const char *reason = sc_json_text(row->facts, "reason");
    bool stale = row->kind == SC_ROW_STALE || row->kind == SC_ROW_LEFT_OVER;
    snprintf(cells[INTEGRATION], CELL, "%s", row->one->name);
    snprintf(cells[DATA_TYPE], CELL, "%s", *row->data_type ? row->data_type : "-");
    snprintf(cells[STATE], CELL, "%s", state_of(row));
    snprintf(cells[REASON], CELL, "%s%s", stale && *reason ? "was " : "", *reason ? reason : row->kind == SC_ROW_PAUSED ? "disabled" : "-");
    span_cell(cells[SINCE], stale ? sc_json_time(row->one->status, "updated") : sc_json_time(row->facts, "since"), view->now_ms);
    if (row->kind != SC_ROW_PAUSED)
        span_cell(cells[LAG], sc_json_time(row->facts, "last_record_time"), view->now_ms);
    if (json_object_get(row->facts, "records"))
        snprintf(cells[RECORDS], CELL, "%s", sc_amount_words((uint64_t)sc_json_number(row->facts, "records"), words));
    next_cell(view, row, cells[NEXT]);
}

/* ---- widths -------------------------------------------------------------------------------------------------------------- */

static void shrink(size_t widths[COLUMNS], size_t total, size_t columns)
{
    while (total > columns) {
        enum column widest = widths[INTEGRATION] >= widths[DATA_TYPE] ? INTEGRATION : DATA_TYPE;
        if (widths[widest] <= NAME_LEAST)
            widest = REASON; /* what is left to give: a reason ends in "…" then, and stands below in full */
        if (widths[widest] <= NAME_LEAST)
            return;
        widths[widest]--;
        total--;
    }
}

static void measure(const struct sc_status_view *view, const struct sc_status_rows *rows, size_t widths[COLUMNS])
{
    size_t total = 2 * (COLUMNS - 1);
    for (int c = 0; c < COLUMNS; c++)
        widths[c] = strlen(headings[c]);
    for (size_t i = 0; i < rows->count; i++) {
        char cells[COLUMNS][CELL] = {{0}};
        fill(view, &rows->at[i], cells);
        for (int c = 0; c < COLUMNS; c++) {
            size_t width = sc_text_width(cells[c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    for (int c = 0; c < COLUMNS; c++)
        total += widths[c];
    shrink(widths, total, view->columns);
}

/* ---- lines --------------------------------------------------------------------------------------------------------------- */

static const char *color_of(enum sc_row_kind kind)
{
    switch (kind) {
    case SC_ROW_ERROR:
    case SC_ROW_STALE:
        return "\033[31m";
    case SC_ROW_SILENT:
    case SC_ROW_LIMITED:
    case SC_ROW_NOTICE:
        return "\033[33m";
    case SC_ROW_GOOD:
    case SC_ROW_PROCESSING:
        return "\033[32m";
    case SC_ROW_WAITING:
    case SC_ROW_PAUSED:
    case SC_ROW_LEFT_OVER:
        break;
    }
    return "\033[2m";
}

static void add_line(struct sc_buf *out, char cells[COLUMNS][CELL], const size_t widths[COLUMNS], const char *color)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    int last = COLUMNS - 1;
    while (last > 0 && !cells[last][0])
        last--;
    for (int c = 0; c <= last; c++) {
        if (c)
            sc_buf_add_str(&line, "  ");
        if (color && c == STATE)
            sc_buf_add_str(&line, color);
        sc_fit_add(&line, cells[c], widths[c], c < last);
        if (color && c == REASON)
            sc_buf_add_str(&line, "\033[0m");
    }
    if (color && last < REASON)
        sc_buf_add_str(&line, "\033[0m");
    sc_buf_add(out, sc_buf_str(&line).ptr, line.len);
    sc_buf_add_char(out, '\n');
}

static void add_rows(const struct sc_status_view *view, const struct sc_status_rows *rows, size_t most, struct sc_buf *out)
{
    size_t widths[COLUMNS];
    char cells[COLUMNS][CELL];
    measure(view, rows, widths);
    for (int c = 0; c < COLUMNS; c++)
        snprintf(cells[c], CELL, "%s", headings[c]);
    add_line(out, cells, widths, NULL);
    for (size_t i = 0; i < rows->count && i < most; i++) {
        memset(cells, 0, sizeof cells);
        fill(view, &rows->at[i], cells);
        add_line(out, cells, widths, view->color ? color_of(rows->at[i].kind) : NULL);
    }
    if (rows->count > most)
        sc_buf_addf(out, "… and %zu more\n", rows->count - most);
}

/* ---- sentences ------------------------------------------------------------------------------------------------------------ */

struct sentence {
    struct sc_buf names, text;
    const char *reason, *advice;
    size_t of; /* how many say it */
};

struct sentences {
    struct sentence at[SENTENCES];
    size_t count, more;
};

/* The same words of several are said once, with their names. */
static void say(struct sentences *all, const struct sc_status_row *row, const char *reason, const char *text, const char *advice)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    struct sentence *s = NULL;
    size_t like = 0;
    sc_buf_addf(&line, "%s%s%s", reason, *reason && *text ? ": " : "", text);
    for (size_t i = 0; i < all->count && !s; i++) {
        s = strcmp(sc_buf_str(&all->at[i].text).ptr, sc_buf_str(&line).ptr) == 0 && strcmp(all->at[i].advice, advice) == 0 ? &all->at[i] : NULL;
        like += strcmp(all->at[i].reason, reason) == 0;
    }
    if (!s && (all->count == SENTENCES || like == OF_ONE_REASON)) {
        all->more++;
        return;
    }
    if (!s) {
        s = &all->at[all->count++];
        sc_buf_add(&s->text, line.ptr, line.len);
        s->reason = reason;
        s->advice = advice;
    }
    if (s->of++ < NAMES_A_SENTENCE) {
        const char *name = row ? row->one->name : "agent";
        sc_buf_addf(&s->names, "%s%.80s%s%.60s", s->of > 1 ? ", " : "", name, row && *row->data_type ? " " : "", row ? row->data_type : "");
    }
}

static void say_notices(struct sentences *all, const struct sc_status_row *row, const json_t *notices, const char *said)
{
    size_t i;
    const json_t *notice;
    json_array_foreach(notices, i, notice) {
        const char *text = sc_json_text(notice, "detail");
        if (strcmp(text, said) != 0)
            say(all, row, sc_json_text(notice, "reason"), text, sc_json_text(notice, "advice"));
    }
}

/* Where a data type has nothing of its own to tell, it shows what its integration has: that is said there. */
static bool is_of_integration(const struct sc_status_row *row, const char *detail)
{
    size_t i;
    const json_t *notice;
    json_array_foreach(json_object_get(row->one->status, "notices"), i, notice) {
        if (*row->data_type && strcmp(sc_json_text(notice, "detail"), detail) == 0)
            return true;
    }
    return false;
}

static void say_failing(struct sentences *all, const struct sc_status_row *row)
{
    const json_t *failures = json_object_get(row->facts, "failures");
    const char *detail = sc_json_text(row->facts, "detail");
    struct sc_buf text SC_AUTO_BUF = {0};
    if (is_of_integration(row, detail))
        return;
    sc_buf_add_str(&text, detail);
    if (sc_json_number(failures, "count") > 1)
        sc_buf_addf(&text, ", %lld times since %.19sZ", (long long)sc_json_number(failures, "count"), sc_json_text(failures, "since"));
    say(all, row, sc_json_text(row->facts, "reason"), sc_buf_str(&text).ptr, sc_json_text(row->facts, "advice"));
    say_notices(all, row, json_object_get(row->facts, "notices"), detail);
}

static void say_row(struct sentences *all, const struct sc_status_row *row)
{
    switch (row->kind) {
    case SC_ROW_ERROR:
        if (!row->facts)
            say(all, row, "config_invalid", "the value is no JSON object", "Put it again with `signal-client integrations put`.");
        else
            say_failing(all, row);
        break;
    case SC_ROW_LIMITED:
    case SC_ROW_NOTICE:
    case SC_ROW_WAITING:
        say_failing(all, row);
        break;
    case SC_ROW_STALE:
        say(all, row, "", "what stands here is what the agent said last; nobody keeps it fresh", "See the first line.");
        break;
    case SC_ROW_SILENT:
        say(all, row, "", "no agent has said anything of it yet", "It is taken up within a second of its put by a running agent: see the first line, then the agent's log.");
        break;
    case SC_ROW_LEFT_OVER:
        say(all, row, "", "a status whose integration is gone: it was removed while no agent ran",
            "Nothing polls it; `nats kv del INTEGRATION_STATUS NAME` takes it away.");
        break;
    case SC_ROW_PROCESSING:
    case SC_ROW_GOOD:
    case SC_ROW_PAUSED:
        say_notices(all, row, json_object_get(row->facts, "notices"), "");
        break;
    }
}

/* What concerns an integration as a whole is said once for it, not for each data type. */
static void say_integration(struct sentences *all, const struct sc_status_one *one)
{
    const struct sc_status_row row = {.one = one, .data_type = ""};
    struct sc_buf text SC_AUTO_BUF = {0};
    say_notices(all, &row, json_object_get(one->status, "notices"), "");
    if (one->unsealed) {
        sc_buf_addf(&text, "not sealed: %s", one->unsealed);
        say(all, &row, "", sc_buf_str(&text).ptr, "Seal them: `signal-client seal --rotate --unsealed`.");
    }
}

static void add_sentences(const struct sc_status_view *view, const struct sentences *all, struct sc_buf *out)
{
    const char *advised[SENTENCES];
    size_t known = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct sentence *s = &all->at[i];
        struct sc_buf line SC_AUTO_BUF = {0};
        sc_buf_addf(&line, "%s", sc_buf_str(&s->names).ptr);
        if (s->of > NAMES_A_SENTENCE)
            sc_buf_addf(&line, " and %zu more", s->of - NAMES_A_SENTENCE);
        sc_buf_addf(&line, ": %s", sc_buf_str(&s->text).ptr);
        sc_wrap_add(out, "", sc_buf_str(&line).ptr, view->columns);
        bool again = !*s->advice;
        for (size_t k = 0; k < known && !again; k++)
            again = strcmp(advised[k], s->advice) == 0;
        if (again)
            continue;
        advised[known++] = s->advice;
        sc_wrap_add(out, "  -> ", s->advice, view->columns);
    }
    if (all->more)
        sc_buf_addf(out, "… and %zu more: `signal-client status NAME` shows all of one.\n", all->more);
}

static const json_t *agent_notices(const json_t *agent)
{
    const json_t *of_self = json_object_get(json_object_get(agent, "self"), "notices");
    return of_self ? of_self : json_object_get(agent, "notices");
}

static void say_all(const struct sc_status_view *view, const struct sc_status_rows *rows, struct sentences *all)
{
    say_notices(all, NULL, agent_notices(view->agent), "");
    for (size_t i = 0; i < rows->count; i++)
        say_row(all, &rows->at[i]);
    for (size_t i = 0; i < view->count; i++)
        say_integration(all, &view->at[i]);
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------ */

static void add_summary(const struct sc_status_view *view, const struct sc_status_rows *rows, struct sc_buf *out)
{
    static const char *const words[] = {[SC_ROW_ERROR] = "in error",          [SC_ROW_STALE] = "stale",        [SC_ROW_SILENT] = "without a word",
                                        [SC_ROW_LIMITED] = "rate limited",    [SC_ROW_NOTICE] = "with a notice", [SC_ROW_WAITING] = "waiting",
                                        [SC_ROW_PROCESSING] = "processing",   [SC_ROW_GOOD] = "good",           [SC_ROW_PAUSED] = "paused",
                                        [SC_ROW_LEFT_OVER] = "left over"};
    size_t counts[SC_ROW_LEFT_OVER + 1] = {0}, left_over = 0;
    for (size_t i = 0; i < rows->count; i++)
        counts[rows->at[i].kind]++;
    for (size_t i = 0; i < view->count; i++)
        left_over += view->at[i].rev == 0;
    sc_buf_addf(out, "%zu integration%s:", view->count - left_over, view->count - left_over == 1 ? "" : "s");
    bool first = true;
    for (size_t k = 0; k <= SC_ROW_LEFT_OVER; k++) {
        if (counts[k])
            sc_buf_addf(out, "%s %zu %s", first ? "" : ",", counts[k], words[k]);
        first &= !counts[k];
    }
    sc_buf_add_char(out, '\n');
}

void sc_status_table(const struct sc_status_view *view, const struct sc_status_rows *rows, struct sc_buf *out)
{
    struct sentences *all = calloc(1, sizeof *all);
    struct sc_buf head SC_AUTO_BUF = {0}, below SC_AUTO_BUF = {0};
    bool bad;
    if (!all) {
        out->failed = true;
        return;
    }
    sc_status_agent_line(view, &head, &bad);
    sc_wrap_add(out, "", sc_buf_str(&head).ptr, view->columns);
    if (view->away)
        sc_wrap_add(out, "", view->away, view->columns);
    if (view->count) {
        add_summary(view, rows, out);
        sc_buf_add_char(out, '\n');
        add_rows(view, rows, view->lines ? view->lines / 2 : rows->count, out);
    } else {
        sc_buf_add_str(out, "no integrations yet: `signal-client integrations put --help` shows how to make one\n");
    }
    say_all(view, rows, all);
    add_sentences(view, all, &below);
    if (below.len) {
        sc_buf_add_char(out, '\n');
        sc_buf_add(out, below.ptr, below.len);
    }
    for (size_t i = 0; i < all->count; i++) {
        sc_buf_done(&all->at[i].names);
        sc_buf_done(&all->at[i].text);
    }
    free(all);
}
