/* What others ask of the running agent (agent/control), as the io thread gets it, and the lines that come back. */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>

struct ex_ask {
    struct sc_sink *sink;
    char *lines[64];
    bool expected[64];
    unsigned count;
};

static void on_line(void *arg)
{
    (void)arg;
}

/* ask NAME + the request's other members. */
int ex_ask(struct ex_play *play)
{
    json_error_t why;
    struct ex_ask *a = NULL;
    json_t *request = json_loads(play->step->block, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(request)) {
        json_decref(request);
        return ex_wrong(play, "not a JSON object: line %d: %s", why.line, why.text);
    }
    json_object_set_new(request, "integration", json_string(play->step->args));
    if (play->ask_count == sizeof play->asks / sizeof *play->asks || !(a = calloc(1, sizeof *a))) {
        json_decref(request);
        return ex_wrong(play, "too many asks");
    }
    play->asks[play->ask_count++] = a;
    a->sink = sc_sink_new(on_line, NULL);
    sc_io_ask(play->io, sc_ask_new(play->ask_count, request, a->sink));
    return ex_calm(play);
}

static void take_lines(struct ex_play *play)
{
    for (unsigned i = 0; i < play->ask_count; i++) {
        struct ex_ask *a = play->asks[i];
        char *line;
        bool last;
        while (a->sink && a->count < 64 && (line = sc_sink_take(a->sink, &last))) {
            a->lines[a->count++] = line;
            if (last)
                a->sink = sc_sink_unref(a->sink);
        }
    }
}

/* The text of a line, and what kind it is: "end ok", "end failed", "ok", "failed", "waits". */
static char *told(const char *line)
{
    json_t *root = json_loads(line, 0, NULL), *end = json_object_get(root, "end"), *one = json_object_get(root, "line");
    const char *result = json_string_value(json_object_get(one, "result")), *text = json_string_value(json_object_get(end ? end : one, "text"));
    char *ret = sc_printf("%s %s", end ? json_is_true(json_object_get(end, "ok")) ? "end ok" : "end failed" : result ? result : "line", text ? text : line);
    json_decref(root);
    return ret;
}

static bool has_answer(struct ex_play *play)
{
    const char *want = play->step->args;
    size_t kind = strncmp(want, "end ", 4) == 0 ? 4 + strcspn(want + 4, " ") : strcspn(want, " ");
    take_lines(play);
    for (unsigned i = 0; i < play->ask_count; i++) {
        struct ex_ask *a = play->asks[i];
        for (unsigned k = 0; k < a->count; k++) {
            SC_AUTO_FREE char *text = a->expected[k] ? NULL : told(a->lines[k]);
            if (!text || strncmp(text, want, kind) != 0 || text[kind] != ' ' || !strstr(text + kind + 1, want[kind] ? want + kind + 1 : ""))
                continue;
            play->answered = a;
            play->answered_line = k;
            return true;
        }
    }
    return false;
}

static void add_unexpected(struct ex_play *play)
{
    for (unsigned i = 0; i < play->ask_count; i++) {
        for (unsigned k = 0; k < play->asks[i]->count; k++) {
            SC_AUTO_FREE char *text = told(play->asks[i]->lines[k]);
            if (!play->asks[i]->expected[k])
                sc_buf_addf(play->report, "  + %s\n", text);
        }
    }
}

int ex_expect_answer(struct ex_play *play)
{
    if (ex_settle(play, has_answer) < 0)
        return -1;
    if (has_answer(play)) {
        play->answered->expected[play->answered_line] = true;
        return 0;
    }
    if (play->options->show)
        return 0;
    ex_wrong(play, "expected an answer, it did not come\n  - %s\n    of those that came the script has not named", play->step->args);
    add_unexpected(play);
    ex_tell_state(play);
    return -1;
}

int ex_expect_no_more_answers(struct ex_play *play)
{
    bool left = false;
    take_lines(play);
    for (unsigned i = 0; i < play->ask_count; i++) {
        for (unsigned k = 0; k < play->asks[i]->count; k++) {
            SC_AUTO_FREE char *text = told(play->asks[i]->lines[k]);
            left = left || (!play->asks[i]->expected[k] && strncmp(text, "waits ", 6) != 0);
        }
    }
    if (!left)
        return 0;
    ex_wrong(play, "answers came that the script does not name");
    add_unexpected(play);
    return -1;
}

void ex_show_answers(struct ex_play *play)
{
    take_lines(play);
    for (unsigned i = 0; i < play->ask_count; i++) {
        for (unsigned k = 0; k < play->asks[i]->count; k++) {
            SC_AUTO_FREE char *text = told(play->asks[i]->lines[k]);
            if (!play->asks[i]->expected[k])
                printf("answer %s\n", text);
            play->asks[i]->expected[k] = true;
        }
    }
}

void ex_asks_done(struct ex_play *play)
{
    while (play->ask_count) {
        struct ex_ask *a = play->asks[--play->ask_count];
        sc_sink_unref(a->sink);
        while (a->count)
            free(a->lines[--a->count]);
        free(a);
    }
}
