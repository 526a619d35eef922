/* status --watch: a watch of the bucket wakes it, then everything is gathered as ever; at most twice a second, and every 5 s for the times alone. */
#include "cli/status_watch.h"

#include "base/clock.h"
#include "base/redact.h"
#include "nats/watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define STEP_MS    500
#define REFRESH_MS 5000
#define COMPARE_MS 60000

static const char enter[] = "\033[?1049h\033[?25l", leave[] = "\033[?25h\033[?1049l", home[] = "\033[H", clear_line[] = "\033[K", clear_below[] = "\033[J";

static volatile sig_atomic_t stopped;
static int wake_fd = -1;

static void wake(void)
{
    uint64_t one = 1;
    ssize_t done = write(wake_fd, &one, sizeof one); /* full: somebody has woken it already */
    (void)done;
}

static void stop(int number)
{
    int saved = errno;
    stopped = number != SIGWINCH ? 1 : stopped;
    wake();
    errno = saved;
}

/* The second signal of a kind ends the process at once, should something hang. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESETHAND}, size = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGWINCH, &size, NULL);
    signal(SIGPIPE, SIG_IGN); /* the terminal is put right before we go */
}

/* Any thread. What changed does not matter. */
static void changed(void *arg, enum sc_watch_event event, const char *key, struct sc_str value, uint64_t rev, int64_t saved_ms)
{
    (void)arg, (void)key, (void)value, (void)rev, (void)saved_ms;
    if (event != SC_WATCH_SYNCED)
        wake();
}

struct watching {
    const struct sc_cli *cli;
    const char *name;
    struct sc_status_view *view;
    struct sc_session *session;
    struct sc_watch *watches[2];
    char *away;        /* why NATS cannot be asked, and since when */
    bool terminal;
    json_t *before;    /* without a terminal: what was said of each data type */
};

/* ---- output ------------------------------------------------------------------------------------------------------------ */

/* -1: nobody reads any more. */
static int write_all(const char *at, size_t left)
{
    while (left) {
        ssize_t done = write(STDOUT_FILENO, at, left);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        at += done;
        left -= (size_t)done;
    }
    return 0;
}

/* As much as there are lines, each cleared to its end, so that nothing flickers. */
static void frame(const struct sc_buf *text, unsigned lines, struct sc_buf *out)
{
    const char *at = sc_buf_str(text).ptr;
    sc_buf_add_str(out, home);
    for (unsigned i = 0; *at && i + 1 < lines; i++) {
        size_t len = strcspn(at, "\n");
        bool cut = i + 2 == lines && at[len] && at[len + 1];
        sc_buf_add(out, cut ? "…" : at, cut ? strlen("…") : len);
        sc_buf_add_str(out, clear_line);
        sc_buf_add_str(out, "\r\n");
        at += len + (at[len] == '\n');
    }
    sc_buf_add_str(out, clear_below);
}

static int draw(const struct watching *w)
{
    struct winsize size = {0};
    struct sc_buf text SC_AUTO_BUF = {0}, shown SC_AUTO_BUF = {0}, out SC_AUTO_BUF = {0};
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row;
    w->view->lines = known ? size.ws_row : 24;
    w->view->columns = known && size.ws_col < 100 && size.ws_col >= 60 ? size.ws_col : 100;
    w->view->away = w->away;
    sc_buf_init(&text, SC_STATUS_MOST);
    sc_status_compose(w->view, w->name != NULL, false, &text);
    sc_redact_buf(&text);
    sc_buf_init(&shown, SC_STATUS_MOST);
    sc_add_shown(&shown, sc_buf_str(&text));
    frame(&shown, w->view->lines, &out);
    return text.failed || shown.failed || out.failed ? sc_say(-1, "out of memory") : write_all(out.ptr, out.len);
}

/* "2026-…Z okta-prod system_log: active, ok" */
static void say_change(const struct watching *w, struct sc_buf *out, const char *what, const char *now)
{
    char time[SC_TIME_TEXT];
    const char *was = json_string_value(json_object_get(w->before, what));
    if (was && strcmp(was, now) == 0)
        return;
    json_object_set_new(w->before, what, json_string(now));
    sc_buf_addf(out, "%.19sZ ", sc_time_rfc3339(w->view->now_ms, time));
    sc_add_clean(out, what);
    sc_buf_add_str(out, ": ");
    sc_add_clean(out, now);
    sc_buf_add_char(out, '\n');
}

static void say_row(const struct watching *w, const struct sc_status_row *row, struct sc_buf *out)
{
    static const char nothing[] = "no agent has said anything of it yet";
    struct sc_buf what SC_AUTO_BUF = {0}, now SC_AUTO_BUF = {0};
    const char *reason = sc_json_text(row->facts, "reason");
    sc_buf_addf(&what, "%s%s%s", row->one->name, *row->data_type ? " " : "", row->data_type);
    if (row->facts)
        sc_buf_addf(&now, "%s%s, %s", row->kind == SC_ROW_STALE ? "stale, was " : "", sc_json_text(row->facts, "state"), reason);
    else
        sc_buf_add_str(&now, row->kind == SC_ROW_PAUSED ? "paused" : nothing);
    const char *was = json_string_value(json_object_get(w->before, sc_buf_str(&what).ptr));
    size_t head = now.len;
    bool same = was && strncmp(was, sc_buf_str(&now).ptr, head) == 0 && (was[head] == '\0' || was[head] == ':');
    if (same) /* other figures of the same */
        return;
    if (strcmp(reason, "ok") != 0 && *sc_json_text(row->facts, "detail"))
        sc_buf_addf(&now, ": %s", sc_json_text(row->facts, "detail"));
    say_change(w, out, sc_buf_str(&what).ptr, sc_buf_str(&now).ptr);
}

static int print_changes(const struct watching *w)
{
    struct sc_status_rows rows;
    struct sc_buf out SC_AUTO_BUF = {0}, agent SC_AUTO_BUF = {0};
    bool bad;
    if (sc_status_rows(w->view, &rows))
        return sc_say(-1, "out of memory");
    sc_buf_init(&out, SC_STATUS_MOST);
    if (!w->away) {
        sc_status_agent_line(w->view, &agent, &bad);
        say_change(w, &out, "agent", bad ? sc_buf_str(&agent).ptr : "answers");
    }
    say_change(w, &out, "NATS", w->away ? w->away : "answers");
    for (size_t i = 0; i < rows.count && !w->away; i++)
        say_row(w, &rows.at[i], &out);
    free(rows.at);
    sc_redact_buf(&out);
    return out.failed ? sc_say(-1, "out of memory") : write_all(sc_buf_str(&out).ptr, out.len);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------------- */

static void gone(struct watching *w, const struct sc_error *err)
{
    char time[SC_TIME_TEXT];
    w->session = sc_session_close(w->session);
    if (!w->away)
        w->away = sc_printf("NATS is away since %.19sZ: %s; what stands here is from before", sc_time_rfc3339(sc_real_ms(), time), err->text);
}

/* What was gathered last stays when NATS is away. */
static int gather(struct watching *w)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_status_view fresh = {.columns = w->view->columns, .color = w->view->color};
    if (!w->session)
        w->session = sc_open_nats(w->cli, SC_TIMEOUT_MS, &err);
    if (w->session && sc_status_gather(w->cli, w->session, w->name, &fresh, &err) == 0) {
        free(w->away);
        w->away = NULL;
        sc_status_view_done(w->view);
        *w->view = fresh;
        return 0;
    }
    sc_status_view_done(&fresh);
    bool alive = w->session && sc_session_alive(w->session);
    if (alive && err.reason == SC_REASON_NOT_FOUND) /* the name that was asked for */
        return sc_say(-1, "%s", err.text);
    gone(w, &err);
    w->view->now_ms = sc_real_ms();
    return 0;
}

static int64_t wait_for_change(int64_t drawn_ms)
{
    struct pollfd fds[2] = {{.fd = wake_fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};
    uint64_t count;
    int64_t now = sc_mono_ms(), rest = drawn_ms + REFRESH_MS - now;
    if (rest > 0 && !stopped && poll(fds, 2, (int)rest) > 0 && (fds[1].revents & (POLLERR | POLLNVAL)))
        return -1; /* nobody reads any more */
    now = sc_mono_ms();
    if (!stopped && now < drawn_ms + STEP_MS)
        poll(&fds[1], 0, (int)(drawn_ms + STEP_MS - now)); /* others may change meanwhile */
    ssize_t done = read(wake_fd, &count, sizeof count);
    (void)done;
    return 0;
}

static int follow(struct watching *w)
{
    int rc = gather(w);
    while (rc == 0 && !stopped) {
        int64_t drawn = sc_mono_ms();
        if ((w->terminal ? draw(w) : print_changes(w)) || wait_for_change(drawn))
            return SC_EXIT_GOOD;
        if (!stopped)
            rc = gather(w);
    }
    return rc ? SC_EXIT_BAD : SC_EXIT_GOOD;
}

static int begin(struct watching *w, const struct sc_nats_config *nats)
{
    static const char *const buckets[2] = {SC_INTEGRATION_STATUS, SC_INTEGRATIONS};
    struct sc_error err = SC_ERROR_INIT;
    for (size_t i = 0; i < 2; i++) {
        const struct sc_watch_config config = {.nats = nats, .bucket = buckets[i], .compare_ms = COMPARE_MS, .event = changed};
        w->watches[i] = sc_watch_start(&config, &err);
        if (!w->watches[i])
            return sc_say(-1, "%s", err.text);
    }
    return 0;
}

int sc_status_watch(const struct sc_cli *cli, const char *name, struct sc_status_view *view)
{
    struct watching w = {.cli = cli, .name = name, .view = view, .terminal = isatty(STDOUT_FILENO), .before = json_object()};
    struct sc_nats_config nats;
    SC_AUTO_FREE char *client = sc_nats_of(cli, SC_TIMEOUT_MS, &nats);
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd < 0 || !w.before || !client)
        return sc_say(SC_EXIT_BAD, "out of memory, or out of descriptors");
    catch_signals();
    int rc = begin(&w, &nats) ? SC_EXIT_BAD : SC_EXIT_GOOD;
    if (rc == SC_EXIT_GOOD) {
        if (w.terminal)
            write_all(enter, sizeof enter - 1);
        rc = follow(&w);
        if (w.terminal)
            write_all(leave, sizeof leave - 1);
    }
    for (size_t i = 0; i < 2; i++)
        sc_watch_stop(w.watches[i]);
    sc_session_close(w.session);
    json_decref(w.before);
    view->away = NULL;
    free(w.away);
    close(wake_fd);
    return rc;
}
