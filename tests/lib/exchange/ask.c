/* What somebody asks of the running agent: a poll by hand, live or dry, the lines that come back, and whether a dry one left everything as it was. */
#include "play.h"

#include "base/hash.h"
#include "poll/ask.h"
#include "poll/sink.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what must not change ------------------------------------------------------------------------------------------------------------------- */

/* Of every bucket but the status, of the stream and the dead letters. */
static uint64_t fingerprint(struct ex_play *play)
{
    static const unsigned char key[16] = "what is stored.";
    struct sc_buf all SC_AUTO_BUF = {0};
    sc_buf_addf(&all, "%zu %llu", ex_broker_records(play->broker), (unsigned long long)ex_broker_last_seq(play->broker));
    for (const struct ex_value *v = ex_broker_values(play->broker); v; v = v->next) {
        if (strcmp(v->bucket, "INTEGRATION_STATUS") != 0)
            sc_buf_addf(&all, " %s/%s@%llu", v->bucket, v->key, (unsigned long long)v->rev);
    }
    for (const struct sc_instance *i = play->io ? play->io->instances : NULL; i; i = i->next) {
        for (unsigned k = 0; k < i->poller_count; k++) { /* of the live walks, in memory */
            const struct sc_poller *p = i->pollers[k];
            SC_AUTO_FREE char *position = json_dumps(p->cp.position, JSON_COMPACT | JSON_SORT_KEYS);
            sc_buf_addf(&all, " %s %s %llu %u %lld %lld %u", p->key, position ? position : "", (unsigned long long)sc_seen_entries(&p->seen), p->map.used,
                        (long long)p->hold.until_ms, (long long)p->due_ms, p->attempts);
        }
        sc_buf_addf(&all, " %lld %lld", (long long)i->source->hold.until_ms, (long long)i->credential->hold.until_ms);
    }
    return sc_siphash(key, all.ptr, all.len);
}

int ex_expect_untouched(struct ex_play *play)
{
    if (ex_calm(play))
        return -1;
    return fingerprint(play) == play->stored ? 0 : ex_wrong(play, "something was published, saved, written, held or moved since the step before `untouched`'s `dry`");
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------------------------- */

/* "NAME.TYPE limit 3 from TIME trace" */
static json_t *request_of(struct ex_play *play, bool dry)
{
    char name[128], word[64];
    const char *rest = play->step->args;
    ex_take_word(&rest, name, sizeof name);
    char *dot = strrchr(name, '.');
    if (dot)
        *dot = '\0';
    json_t *request = json_pack("{s:i, s:s, s:s, s:b}", "v", 1, "op", "poll", "integration", name, "dry", dry);
    if (dot)
        json_object_set_new(request, "data_type", json_string(dot + 1));
    while (*rest) {
        char value[64] = "";
        int64_t n = 0;
        ex_take_word(&rest, word, sizeof word);
        if (strcmp(word, "trace") == 0)
            json_object_set_new(request, "trace", json_true());
        else
            ex_take_word(&rest, value, sizeof value);
        if (strcmp(word, "limit") == 0 && sc_parse_int(sc_str_of(value), &n) && n > 0)
            json_object_set_new(request, "limit", json_integer(n));
        else if (strcmp(word, "from") == 0 && sc_time_is_rfc3339(sc_str_of(value)))
            json_object_set_new(request, "from", json_string(value));
        else if (strcmp(word, "trace") != 0) {
            json_decref(request);
            return NULL;
        }
    }
    return request;
}

static void forget_said(struct ex_play *play)
{
    for (size_t i = 0; i < play->said_count; i++)
        json_decref(play->said[i].line);
    play->said_count = 0;
    play->ask_ended = false;
}

static int ask(struct ex_play *play, json_t *request)
{
    if (ex_calm(play)) {
        json_decref(request);
        return -1;
    }
    forget_said(play);
    sc_sink_unref(play->sink);
    play->sink = sc_sink_new(NULL, NULL);
    play->stored = fingerprint(play);
    play->ask_id++;
    struct sc_ask *ask = play->sink ? sc_ask_new(play->ask_id, request, play->sink) : NULL;
    if (!ask)
        abort();
    sc_io_ask(play->io, ask);
    return ex_calm(play);
}

int ex_step_ask(struct ex_play *play, bool dry)
{
    if (play->sink && !play->ask_ended)
        return ex_wrong(play, "what was asked before has not ended: `ended` says how");
    json_t *request = request_of(play, dry);
    if (!request)
        return ex_wrong(play, "poll and dry take NAME or NAME.TYPE, then limit N, from TIME, trace");
    return ask(play, request);
}

/* ask NAME + the other members of the request. */
int ex_step_ask_for(struct ex_play *play)
{
    json_error_t why;
    if (play->sink && !play->ask_ended)
        return ex_wrong(play, "what was asked before has not ended: `ended` says how");
    json_t *request = json_loads(play->step->block, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(request)) {
        json_decref(request);
        return ex_wrong(play, "not a JSON object: line %d: %s", why.line, why.text);
    }
    json_object_set_new(request, "integration", json_string(play->step->args));
    return ask(play, request);
}

int ex_step_give_up(struct ex_play *play)
{
    sc_io_cancel(play->io, play->ask_id, "cancelled by the script");
    return ex_calm(play);
}

void ex_ask_done(struct ex_play *play)
{
    forget_said(play);
    play->sink = sc_sink_unref(play->sink);
}

/* ---- what came back ----------------------------------------------------------------------------------------------------------------------------- */

static int take_said(struct ex_play *play)
{
    bool last = false;
    for (char *text; play->sink && !last && (text = sc_sink_take(play->sink, &last));) {
        for (size_t i = 0; i < play->secret_count; i++) {
            if (strstr(text, play->secrets[i]))
                return ex_wrong(play, "a credential stands in what was answered\n  + %s", text);
        }
        if (play->said_count == sizeof play->said / sizeof *play->said)
            return ex_wrong(play, "too many lines came back");
        play->said[play->said_count++] = (struct ex_said){.line = json_loads(text, 0, NULL)};
        play->ask_ended = play->ask_ended || last;
        free(text);
    }
    return 0;
}

/* "ok system_log fetched 3 …", "trace request GET …". */
static const char *member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* "bad page system_log permission_denied: 403 …; Grant …" */
static void words_of_check(const json_t *check, struct sc_buf *out)
{
    const char *type = member(check, "data_type"), *reason = member(check, "reason"), *cure = member(check, "cure");
    sc_buf_addf(out, "%s %s %s%s%s%s%s%s%s", member(check, "result"), member(check, "check"), type, *type ? " " : "", reason, *reason ? ": " : "", member(check, "value"),
                *cure ? "; " : "", cure);
}

static void words_of(const json_t *line, struct sc_buf *out)
{
    if (json_object_get(line, "check")) {
        words_of_check(json_object_get(line, "check"), out);
        return;
    }
    const json_t *said = json_object_get(line, "line"), *trace = json_object_get(line, "trace"), *end = json_object_get(line, "end");
    const json_t *what = said ? said : trace ? trace : end;
    const char *kind = json_string_value(json_object_get(what, said ? "result" : "kind"));
    const char *reason = json_string_value(json_object_get(what, "reason")), *text = json_string_value(json_object_get(what, "text"));
    const char *advice = json_string_value(json_object_get(what, "advice"));
    if (end)
        kind = json_is_true(json_object_get(end, "ok")) ? "ok" : "failed";
    sc_buf_addf(out, "%s%s ", trace ? "trace " : end ? "end " : "", kind ? kind : "");
    if (said)
        sc_buf_addf(out, "%s ", json_string_value(json_object_get(said, "data_type")) ? json_string_value(json_object_get(said, "data_type")) : "");
    if (said && reason && strcmp(reason, "ok") != 0)
        sc_buf_addf(out, "%s: ", reason);
    sc_buf_addf(out, "%s%s%s", text ? text : "", advice && *advice ? "; " : "", advice ? advice : "");
}

static int tell_said(struct ex_play *play, const char *what, const char *step)
{
    ex_wrong(play, "%s\n  - %s %s", what, step, play->step->args);
    for (size_t i = 0; i < play->said_count; i++) {
        struct sc_buf words SC_AUTO_BUF = {0};
        words_of(play->said[i].line, &words);
        if (!play->said[i].named && !json_object_get(play->said[i].line, "trace"))
            sc_buf_addf(play->report, "  + said %s\n", sc_buf_str(&words).ptr);
    }
    return -1;
}

/* Steps of a trace, and checks that found nothing amiss: a script names those that it is about. */
static bool may_pass(const struct ex_said *said)
{
    const char *result = member(json_object_get(said->line, "check"), "result");
    return json_object_get(said->line, "trace") || strcmp(result, "ok") == 0 || strcmp(result, "skipped") == 0;
}

static bool ends(const struct ex_said *said)
{
    return json_object_get(said->line, "end") != NULL;
}

/* Lines come in order; what may_pass() between them need not be named. */
int ex_expect_said(struct ex_play *play)
{
    if (ex_settle(play, NULL) < 0 || take_said(play))
        return -1;
    for (size_t i = 0; i < play->said_count; i++) {
        struct sc_buf words SC_AUTO_BUF = {0};
        struct ex_said *s = &play->said[i];
        bool passes = may_pass(s);
        if (s->named || ends(s))
            continue;
        words_of(s->line, &words);
        bool found = strstr(sc_buf_str(&words).ptr, play->step->args) != NULL;
        if (!found && passes)
            continue;
        if (!found && !play->options->show)
            return tell_said(play, "the next line that came back is another one", "said");
        if (play->options->show)
            printf("said %s\n", sc_buf_str(&words).ptr);
        s->named = true;
        return 0;
    }
    return play->options->show ? 0 : tell_said(play, "expected a line, none came back", "said");
}

int ex_expect_ended(struct ex_play *play)
{
    char how[16];
    const char *rest = play->step->args;
    ex_take_word(&rest, how, sizeof how);
    bool ok = strcmp(how, "ok") == 0;
    if (!ok && strcmp(how, "failed") != 0)
        return ex_wrong(play, "ended takes ok or failed, and a part of the last word");
    if (ex_settle(play, NULL) < 0 || take_said(play))
        return -1;
    if (!play->ask_ended)
        return tell_said(play, "what was asked has not ended", "ended");
    for (size_t i = 0; i < play->said_count; i++) {
        struct sc_buf words SC_AUTO_BUF = {0};
        const struct ex_said *s = &play->said[i];
        words_of(s->line, &words);
        if (play->options->show && !s->named)
            printf("%s%s\n", ends(s) ? "# " : "said ", sc_buf_str(&words).ptr);
        if (play->options->show || s->named || may_pass(s))
            continue;
        if (!ends(s))
            return tell_said(play, "a line came back that the script does not name, before", "ended");
        if (json_is_true(json_object_get(json_object_get(s->line, "end"), "ok")) != ok || !strstr(sc_buf_str(&words).ptr, rest))
            return ex_wrong(play, "it ended otherwise\n  - ended %s\n  + %s", play->step->args, sc_buf_str(&words).ptr);
    }
    return 0;
}

int ex_expect_nothing_asked(struct ex_play *play)
{
    if (!play->sink || play->options->show || take_said(play))
        return play->sink && !play->options->show ? -1 : 0;
    return play->ask_ended ? 0 : ex_wrong(play, "what was asked has not ended: `ended` says how");
}
