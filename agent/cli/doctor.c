/* The command doctor: checks kept and shown. What is checked stands in doctor_*.c. */
#include "cli/doctor.h"

#include "base/clock.h"
#include "base/redact.h"
#include "nats/session.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WIDTH       100
#define NAME_COLUMN 6
#define VALUE_COLUMN 22
#define VALUE_MAX   2000

/* ---- text -------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *json, *word, *colour;
} results[] = {{"ok", "ok", "\033[32m"}, {"notice", "note", "\033[33m"}, {"bad", "BAD", "\033[1;31m"}, {"skipped", "skip", "\033[2m"}};

static size_t characters(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

static void pad(struct sc_buf *out, size_t from, size_t to)
{
    for (; from < to; from++)
        sc_buf_add_char(out, ' ');
}

/* Words of `text` from column `at`, further lines from `indent`. */
static void add_wrapped(struct sc_buf *out, const char *text, size_t at, size_t indent, size_t width)
{
    bool first = true;
    while (*text) {
        size_t len = strcspn(text, " \n"), wide = characters(text, len);
        if (!first && at + 1 + wide > width) {
            sc_buf_add_char(out, '\n');
            pad(out, 0, indent);
            at = indent;
        } else if (!first) {
            sc_buf_add_char(out, ' ');
            at++;
        }
        sc_buf_add(out, text, len);
        at += wide;
        first = false;
        text += len;
        text += strspn(text, " \n");
    }
    sc_buf_add_char(out, '\n');
}

void sc_check_write(const struct sc_doctor *d, const char *check, enum sc_check_result result, const char *value, const char *cure, struct sc_buf *out)
{
    size_t at = NAME_COLUMN + characters(check, strlen(check));
    sc_buf_addf(out, "%s%s%s", d->colour ? results[result].colour : "", results[result].word, d->colour ? "\033[0m" : "");
    pad(out, strlen(results[result].word), NAME_COLUMN);
    sc_buf_add_str(out, check);
    pad(out, at, VALUE_COLUMN);
    if (at >= VALUE_COLUMN) {
        sc_buf_add_str(out, "  ");
        at += 2;
    } else {
        at = VALUE_COLUMN;
    }
    add_wrapped(out, value, at, VALUE_COLUMN, d->width);
    if (!cure || !*cure)
        return;
    pad(out, 0, VALUE_COLUMN);
    sc_buf_add_str(out, "-> ");
    add_wrapped(out, cure, VALUE_COLUMN + 3, VALUE_COLUMN + 3, d->width);
}

/* ---- checks ------------------------------------------------------------------------------------------------------------ */

/* A text member of the JSON form, where there is one. */
static void add_member(json_t *object, const char *name, const char *text)
{
    if (object && *text)
        json_object_set_new(object, name, json_string(text));
}

/* type, reason: "" where there is none. */
static void keep(struct sc_doctor *d, const char *check, const char *type, const char *reason, enum sc_check_result result, const char *value, const char *cure)
{
    struct sc_buf of SC_AUTO_BUF = {0}, code SC_AUTO_BUF = {0}, whole SC_AUTO_BUF = {0};
    struct sc_buf line SC_AUTO_BUF = {0}, name SC_AUTO_BUF = {0}, text SC_AUTO_BUF = {0}, advice SC_AUTO_BUF = {0};
    sc_add_clean(&name, check);
    sc_add_clean(&text, value);
    sc_add_clean(&advice, cure ? cure : "");
    sc_add_clean(&of, type);
    sc_add_clean(&code, reason);
    sc_redact_buf(&text);
    sc_redact_buf(&advice);
    d->bad |= result == SC_CHECK_BAD;
    json_t *object = json_pack("{s:s, s:s, s:s, s:s}", "check", sc_buf_str(&name).ptr, "result", results[result].json, "value", sc_buf_str(&text).ptr, "cure",
                               sc_buf_str(&advice).ptr);
    add_member(object, "data_type", sc_buf_str(&of).ptr);
    add_member(object, "reason", sc_buf_str(&code).ptr);
    if (!object || json_array_append_new(d->checks, object))
        d->failed = true;
    if (d->cli->json)
        return;
    sc_buf_addf(&whole, "%s%s%s", sc_buf_str(&of).ptr, of.len ? ": " : "", sc_buf_str(&text).ptr);
    sc_check_write(d, sc_buf_str(&name).ptr, result, sc_buf_str(&whole).ptr, sc_buf_str(&advice).ptr, &line);
    d->failed |= sc_print(&line) != SC_EXIT_GOOD;
}

void sc_check(struct sc_doctor *d, const char *check, enum sc_check_result result, const char *cure, const char *fmt, ...)
{
    char value[VALUE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(value, sizeof value, fmt, args);
    va_end(args);
    keep(d, check, "", "", result, value, result == SC_CHECK_OK ? NULL : cure);
}

void sc_check_take(struct sc_doctor *d, const json_t *check)
{
    const char *word = sc_json_text(check, "result"), *name = sc_json_text(check, "check");
    enum sc_check_result result = SC_CHECK_SKIPPED;
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (strcmp(results[i].json, word) == 0)
            result = (enum sc_check_result)i;
    keep(d, *name ? name : "?", sc_json_text(check, "data_type"), sc_json_text(check, "reason"), result, sc_json_text(check, "value"), sc_json_text(check, "cure"));
}

json_t *sc_doctor_ask(struct sc_doctor *d, const char *api, const char *body, int *ret_code, struct sc_error *err)
{
    struct sc_buf reply SC_AUTO_BUF = {0};
    SC_AUTO_FREE char *subject = sc_printf("%s.%s", sc_session_api(d->session), api);
    if (!subject || sc_session_request(d->session, subject, body, &reply, ret_code, err))
        return NULL;
    json_t *json = json_loadb(sc_buf_str(&reply).ptr, reply.len, 0, NULL);
    if (!json)
        sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "%s: the answer is no JSON", api);
    return json;
}

const char *sc_ago_text(int64_t then_ms, int64_t now_ms, char out[48])
{
    char duration[SC_TIME_TEXT];
    out[0] = '\0';
    if (then_ms == SC_TIME_NONE)
        return out;
    int64_t ms = now_ms - then_ms;
    if (ms > -1000 && ms < 1000)
        snprintf(out, 48, "just now");
    else
        snprintf(out, 48, "%s%s", sc_duration_text((ms < 0 ? -ms : ms) / 1000 * 1000, duration), ms < 0 ? " ahead" : " ago");
    return out;
}

/* ---- the command ------------------------------------------------------------------------------------------------------- */

static int finish(struct sc_doctor *d)
{
    int rc = d->failed ? SC_EXIT_BAD : SC_EXIT_GOOD;
    sc_session_close(d->session);
    json_decref(d->stream_config);
    if (d->cli->json)
        rc = sc_print_json(json_pack("{s:b, s:O}", "ok", !d->bad, "checks", d->checks));
    json_decref(d->checks);
    return d->bad ? SC_EXIT_BAD : rc;
}

int sc_command_doctor(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    struct sc_doctor d = {.cli = cli, .checks = json_array(), .width = WIDTH};
    d.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    if (!d.checks)
        return sc_say(SC_EXIT_BAD, "out of memory");
    signal(SIGPIPE, SIG_IGN); /* a server that hangs up is a check that is bad */
    if (args.word_count) {
        sc_doctor_integration(&d, &args);
        return finish(&d);
    }
    sc_doctor_local(&d);
    sc_doctor_nats(&d);
    if (d.session) {
        sc_doctor_lease(&d);
        sc_doctor_agent(&d);
        sc_doctor_stream(&d);
        sc_doctor_permissions(&d);
        sc_doctor_buckets(&d);
    }
    return finish(&d);
}
