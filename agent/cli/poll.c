/* poll: one poll of an integration now, by the agent that holds the lease, told as it happens. */
#include "cli/ask.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

static json_t *request_of(const struct sc_args *args, int64_t limit)
{
    json_t *request = json_pack("{s:s, s:s, s:b, s:b}", "op", "poll", "integration", args->words[0], "dry", sc_args_get(args, "dry-run") != NULL, "trace",
                                sc_args_get(args, "trace") != NULL);
    json_t *types = json_array();
    for (int i = 0; i < args->option_count; i++) {
        if (strcmp(args->options[i].key, "data-type") == 0)
            json_array_append_new(types, json_string(args->options[i].value));
    }
    if (json_array_size(types))
        json_object_set(request, "data_type", types);
    json_decref(types);
    if (limit)
        json_object_set_new(request, "limit", json_integer(limit));
    if (sc_args_get(args, "from"))
        json_object_set_new(request, "from", json_string(sc_args_get(args, "from")));
    return request;
}

/* ---- what is printed ---------------------------------------------------------------------------------------------------------------------------- */

static int print_json(const char *kind, const json_t *value)
{
    struct sc_buf text SC_AUTO_BUF = {0};
    json_t *whole = json_object();
    json_object_set(whole, kind, (json_t *)(uintptr_t)value);
    char *dump = whole ? json_dumps(whole, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(whole);
    if (!dump)
        return sc_say(SC_EXIT_BAD, "out of memory");
    sc_add_json_clean(&text, dump);
    sc_buf_add_char(&text, '\n');
    free(dump);
    return sc_print(&text);
}

static void add_below(struct sc_buf *out, const char *mark, const char *text)
{
    sc_buf_addf(out, "                            %s ", mark);
    sc_add_clean(out, text);
    sc_buf_add_char(out, '\n');
}

/* "10:15:02.123Z request   okta-prod.system_log  GET https://…", headers and the beginning of the body below. */
static int print_trace(const json_t *value)
{
    struct sc_buf text SC_AUTO_BUF = {0};
    const char *at = sc_json_text(value, "at"), *kind = sc_json_text(value, "kind");
    const json_t *headers = json_object_get(value, "headers"), *header;
    size_t i;
    const char *mark = strcmp(kind, "request") == 0 ? ">" : "<";
    sc_add_clean(&text, strlen(at) > 11 ? at + 11 : at);
    SC_AUTO_BUF struct sc_buf head = {0};
    sc_buf_addf(&head, " %-9.20s %.64s  ", kind, sc_json_text(value, "data_type"));
    sc_add_clean(&text, sc_buf_str(&head).ptr);
    sc_add_clean(&text, sc_json_text(value, "text"));
    sc_buf_add_char(&text, '\n');
    json_array_foreach ((json_t *)(uintptr_t)headers, i, header)
        add_below(&text, mark, json_string_value(header) ? json_string_value(header) : "");
    if (*sc_json_text(value, "body"))
        add_below(&text, mark, sc_json_text(value, "body"));
    return sc_print(&text);
}

/* "system_log: fetched 42 events (…)"; what went wrong goes to stderr with what to do. */
static int print_line(const json_t *value)
{
    const char *result = sc_json_text(value, "result"), *type = sc_json_text(value, "data_type"), *text = sc_json_text(value, "text");
    const char *advice = sc_json_text(value, "advice"), *reason = sc_json_text(value, "reason");
    struct sc_buf line SC_AUTO_BUF = {0};
    if (strcmp(result, "ok") == 0 || !*result) {
        sc_add_clean(&line, type);
        sc_buf_add_str(&line, *type ? ": " : "");
        sc_add_clean(&line, text);
        sc_buf_add_char(&line, '\n');
        return sc_print(&line);
    }
    const char *word = strcmp(result, "waits") == 0 ? "waits" : strcmp(result, "gone") == 0 ? "not polled" : "failed";
    sc_say(0, "%s: %s: %s%s%s%s%s", type, word, *reason && strcmp(reason, "ok") != 0 ? reason : "", *reason && strcmp(reason, "ok") != 0 ? ": " : "", text,
           *advice ? "; " : "", advice);
    return SC_EXIT_GOOD;
}

static int print_one(const struct sc_cli *cli, const char *kind, const json_t *value)
{
    if (cli->json)
        return print_json(kind, value);
    return strcmp(kind, "trace") == 0 ? print_trace(value) : print_line(value);
}

/* ---- the command -------------------------------------------------------------------------------------------------------------------------------- */

static int say_end(const struct sc_cli *cli, const json_t *end)
{
    bool ok = json_is_true(json_object_get(end, "ok"));
    if (cli->json)
        print_json("end", end);
    else if (!ok)
        sc_say(0, "%s", sc_json_text(end, "text"));
    return ok ? SC_EXIT_GOOD : SC_EXIT_BAD;
}

int sc_asker_follow(const struct sc_cli *cli, struct sc_asker *asker, const char *stopped)
{
    struct sc_error err = SC_ERROR_INIT;
    for (;;) {
        const char *kind;
        json_t *value = NULL;
        int rc = SC_EXIT_GOOD;
        switch (sc_asker_next(asker, &kind, &value, &err)) {
        case SC_ANSWER_LINE:
            rc = print_one(cli, kind, value);
            json_decref(value);
            if (rc)
                return rc;
            break;
        case SC_ANSWER_END:
            rc = say_end(cli, value);
            json_decref(value);
            return rc;
        case SC_ANSWER_STOPPED:
            return sc_say(SC_EXIT_BAD, "%s", stopped);
        case SC_ANSWER_LOST:
            return sc_say(SC_EXIT_BAD, "%s", err.text);
        }
    }
}

int sc_command_poll(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_error err = SC_ERROR_INIT;
    int64_t limit = 0;
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    const char *count = sc_args_get(&args, "limit"), *from = sc_args_get(&args, "from");
    bool dry = sc_args_get(&args, "dry-run");
    if (count && (!sc_parse_int(sc_str_of(count), &limit) || limit < 1))
        return sc_usage_error(cli, "--limit %.40s: give a number from 1", count);
    if (from && !dry)
        return sc_usage_error(cli, "--from is for --dry-run: a live poll begins at its position");
    if (from && !sc_time_is_rfc3339(sc_str_of(from)))
        return sc_usage_error(cli, "--from %.40s: give a time such as 2026-11-22T10:15:00Z", from);
    struct sc_asker *asker = sc_asker_open(cli, request_of(&args, limit), &err);
    if (!asker)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    int rc = sc_asker_follow(cli, asker, dry || sc_asker_is_own(asker) ? "stopped" : "stopped looking; the agent goes on by itself");
    sc_asker_close(asker);
    return rc;
}
