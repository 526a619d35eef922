/* tail: artifacts as they arrive in the stream. It only looks: nothing is published, nothing acknowledged, nothing left behind. */
#include "cli/tail.h"

#include "base/clock.h"
#include "base/redact.h"
#include "config/integration.h"
#include "config/url.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TICK_MS    100 /* how soon Ctrl-C, the end of --for and a closed pipe are noticed */
#define RETRY_MS   500
#define MAX_LAST   1000000
#define MAX_OUTPUT (1024u * 1024 * 1024)

struct tail {
    const struct sc_cli *cli;
    struct sc_tail_source *source;
    struct sc_tail_start start;
    struct sc_tail_style style;
    struct sc_artifact artifact;
    struct sc_buf headers, out;
    uint64_t count, shown; /* count 0: no end */
    int64_t end_ms;        /* monotonic; INT64_MAX: none */
    bool reader_gone, name_known;
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

/* The second signal of a kind ends the process at once, should something hang. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* the consumer is deleted before we go */
}

/* ---- what must not be shown ------------------------------------------------------------------------------------------- */

static void learn_strings(const json_t *value)
{
    const json_t *item;
    const char *name;
    size_t i;
    if (json_is_string(value))
        sc_redact_add(json_string_value(value), json_string_length(value));
    json_object_foreach((json_t *)(uintptr_t)value, name, item) learn_strings(item);
    json_array_foreach(value, i, item) learn_strings(item);
}

/* Until the process ends. A value that is not valid may hold secrets all the same. */
static int learn_integration(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    struct tail *tail = arg;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_integration *integration = sc_integration_parse(key, value, rev, sc_find_connector, tail->cli->plugins, &err);
    if (!integration && value.len && memmem(value.ptr, value.len, "\"sealed:v", 9))
        sc_say(0, "warning: %s: %s; a credential of it in a header would not be recognised", key, err.text);
    tail->name_known |= tail->start.integration && strcmp(key, tail->start.integration) == 0;
    if (integration && integration->proxy)
        sc_url_each_secret(integration->proxy, false, sc_redact_add);
    for (size_t i = 0; integration && i < integration->value_count; i++)
        if (integration->values[i].secret)
            sc_redact_add(integration->values[i].text, strlen(integration->values[i].text));
    json_t *raw = integration ? NULL : json_loadb(value.ptr ? value.ptr : "", value.len, 0, NULL);
    learn_strings(json_object_get(raw, "credentials"));
    json_decref(raw);
    sc_integration_unref(integration);
    return 0;
}

/* A header is made from what a vendor sent, and a vendor may send back what it was sent. */
static void learn_secrets(struct tail *tail)
{
    struct sc_session *session = sc_tail_source_session(tail->source);
    struct sc_stream_info info;
    struct sc_error err = SC_ERROR_INIT;
    int rc = sc_kv_info(session, SC_INTEGRATIONS, &info, &err);
    if (rc == 0)
        rc = sc_kv_each(session, SC_INTEGRATIONS, learn_integration, tail, &err);
    if (rc == 0 && tail->start.integration && !tail->name_known)
        sc_say(0, "no integration %s is configured: only what the stream may hold of that name is shown", tail->start.integration);
    if (rc < 0)
        sc_say(0, "warning: integrations cannot be read, so a credential in a header would not be recognised: %s", err.text);
}

/* ---- output ------------------------------------------------------------------------------------------------------------ */

/* 0; -1: nobody reads any more, or told to stop; SC_EXIT_BAD: said. */
static int write_out(struct tail *tail)
{
    const char *at = sc_buf_str(&tail->out).ptr;
    size_t left = tail->out.len;
    if (tail->out.failed)
        return sc_say(SC_EXIT_BAD, "out of memory: an artifact is too large to be shown");
    while (left) {
        ssize_t done = write(STDOUT_FILENO, at, left);
        if (done < 0 && errno == EINTR && !stopped)
            continue;
        if (done < 0 && (errno == EPIPE || errno == EINTR)) {
            tail->reader_gone = true;
            return -1;
        }
        if (done < 0)
            return sc_say(SC_EXIT_BAD, "cannot write to standard output: %s", strerror(errno));
        at += done;
        left -= (size_t)done;
    }
    return 0;
}

static bool is_reader_gone(void)
{
    struct pollfd fd = {.fd = STDOUT_FILENO};
    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLERR | POLLNVAL));
}

static size_t terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 100;
}

static int show(struct tail *tail, const struct sc_tail_message *message)
{
    struct sc_tail_message shown = *message;
    if (sc_artifact_read(&tail->artifact, message->headers))
        return sc_say(SC_EXIT_BAD, "out of memory");
    if (!sc_artifact_matches(&tail->artifact, tail->start.integration, tail->start.data_type))
        return 0;
    sc_buf_clear(&tail->headers);
    sc_buf_add(&tail->headers, message->headers.ptr, message->headers.len);
    sc_redact_buf(&tail->headers);
    shown.headers = sc_buf_str(&tail->headers);
    if (tail->headers.failed || sc_artifact_read(&tail->artifact, shown.headers))
        return sc_say(SC_EXIT_BAD, "out of memory");
    if (tail->style.terminal)
        tail->style.columns = terminal_columns();
    sc_buf_clear(&tail->out);
    sc_tail_show(&tail->style, &tail->artifact, &shown, &tail->out);
    tail->shown++;
    return write_out(tail);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------------- */

static bool is_time_over(const struct tail *tail)
{
    return sc_mono_ms() >= tail->end_ms;
}

static bool is_at_end(const struct tail *tail)
{
    return stopped || tail->reader_gone || (tail->count && tail->shown >= tail->count) ||
           (is_time_over(tail) && sc_tail_source_caught_up(tail->source));
}

/* Until NATS is back. SC_EXIT_BAD: time is over. */
static int open_again(struct tail *tail, const struct sc_error *why)
{
    sc_say(0, "%s; trying until it is back", why->text);
    for (;;) {
        struct sc_error err = SC_ERROR_INIT;
        struct pollfd fd = {.fd = STDOUT_FILENO};
        if (poll(&fd, 1, RETRY_MS) > 0 || stopped)
            return -1;
        if (is_time_over(tail) && !sc_tail_source_caught_up(tail->source))
            return sc_say(SC_EXIT_BAD, "the time of --for is over and NATS is still away: not everything was shown");
        if (is_time_over(tail))
            return -1;
        if (sc_tail_source_open(tail->source, &tail->start, &err) == 0)
            break;
    }
    sc_say(0, "NATS is back: going on where it was");
    learn_secrets(tail);
    return 0;
}

static int follow(struct tail *tail)
{
    struct sc_error err = SC_ERROR_INIT;
    int rc = 0;
    if (sc_tail_source_open(tail->source, &tail->start, &err))
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    learn_secrets(tail);
    while (rc == 0 && !is_at_end(tail)) {
        struct sc_tail_message message;
        sc_error_clear(&err);
        int got = sc_tail_source_next(tail->source, TICK_MS, &message, &err);
        if (got > 0)
            rc = show(tail, &message);
        else if (got < 0)
            rc = open_again(tail, &err);
        else if (is_reader_gone())
            tail->reader_gone = true;
    }
    return rc > 0 ? rc : SC_EXIT_GOOD;
}

/* ---- options ----------------------------------------------------------------------------------------------------------- */

static bool read_count(const char *text, int64_t most, uint64_t *ret)
{
    int64_t number;
    if (!sc_parse_int(sc_str_of(text), &number) || number < 1 || number > most)
        return false;
    *ret = (uint64_t)number;
    return true;
}

/* "10m", or a time that has passed. */
static bool read_since(const char *text, int64_t now_ms, int64_t *ret)
{
    int64_t span = sc_parse_span_ms(text);
    *ret = span >= 0 ? now_ms - span : sc_time_parse_rfc3339(sc_str_of(text));
    return *ret != SC_TIME_NONE && *ret <= now_ms;
}

static int read_options(struct tail *tail, const struct sc_args *args)
{
    const struct sc_cli *cli = tail->cli;
    const char *last = sc_args_get(args, "last"), *since = sc_args_get(args, "since"), *span = sc_args_get(args, "for");
    const char *count = sc_args_get(args, "count");
    int64_t for_ms = span ? sc_parse_span_ms(span) : 0;
    tail->start = (struct sc_tail_start){args->word_count ? args->words[0] : NULL, sc_args_get(args, "data-type"), 0, SC_TIME_NONE};
    tail->style = (struct sc_tail_style){.json = cli->json, .raw = sc_args_get(args, "raw"), .headers = sc_args_get(args, "headers")};
    if (last && !read_count(last, MAX_LAST, &tail->start.last))
        return sc_usage_error(cli, "--last %.40s: give a number from 1 to %d", last, MAX_LAST);
    if (count && !read_count(count, INT64_MAX, &tail->count))
        return sc_usage_error(cli, "--count %.40s: give a number from 1", count);
    if (since && !read_since(since, sc_real_ms(), &tail->start.since_ms))
        return sc_usage_error(cli, "--since %.40s: give a time that has passed, such as 2026-11-22T10:15:00Z, or 10m, 2h, 1d", since);
    if (for_ms < 0)
        return sc_usage_error(cli, "--for %.40s: give a time such as 30s, 10m, 2h, or 0", span);
    if (tail->style.raw && (tail->style.json || tail->style.headers))
        return sc_usage_error(cli, "--raw prints the body alone: leave %s out", tail->style.json ? "--json" : "--headers");
    tail->end_ms = span ? sc_mono_ms() + for_ms : INT64_MAX;
    return SC_EXIT_GOOD;
}

int sc_command_tail(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct tail tail = {.cli = cli};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    int rc = read_options(&tail, &args);
    if (rc != SC_EXIT_GOOD)
        return rc;
    tail.style.terminal = isatty(STDOUT_FILENO);
    tail.source = sc_tail_source_new(cli);
    sc_buf_init(&tail.out, MAX_OUTPUT);
    catch_signals();
    rc = tail.source ? follow(&tail) : sc_say(SC_EXIT_BAD, "out of memory");
    sc_tail_source_free(tail.source);
    sc_artifact_done(&tail.artifact);
    sc_buf_done(&tail.headers);
    sc_buf_done(&tail.out);
    return rc;
}
