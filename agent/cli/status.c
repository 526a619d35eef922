/* status: what every data type is doing, and why; once, or again and again (--watch). */
#include "cli/status.h"

#include "base/clock.h"
#include "cli/status_watch.h"

#include <stdlib.h>
#include <unistd.h>

#define COLUMNS 100

static bool wants_color(void)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(none && *none) && !(term && strcmp(term, "dumb") == 0);
}

int sc_status_compose(struct sc_status_view *view, bool one, bool json, struct sc_buf *out)
{
    struct sc_status_rows rows;
    if (sc_status_rows(view, &rows))
        return sc_say(SC_EXIT_BAD, "out of memory");
    int rc = sc_status_exit(view, &rows);
    if (json) {
        json_t *document = sc_status_json(view, &rows, one);
        char *text = document ? json_dumps(document, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : NULL;
        sc_add_json_clean(out, text ? text : "");
        sc_buf_add_char(out, '\n');
        out->failed |= !text;
        json_decref(document);
        free(text);
    } else if (one) {
        sc_status_detail(view, &rows, out);
    } else {
        sc_status_table(view, &rows, out);
    }
    free(rows.at);
    return rc;
}

static int once(const struct sc_cli *cli, const char *name, struct sc_status_view *view)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_buf out SC_AUTO_BUF = {0};
    struct sc_session *session = sc_open_nats(cli, SC_TIMEOUT_MS, &err);
    int rc = session ? sc_status_gather(cli, session, name, view, &err) : -1;
    sc_session_close(session);
    if (rc)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    sc_buf_init(&out, SC_STATUS_MOST);
    rc = sc_status_compose(view, name != NULL, cli->json, &out);
    return sc_print(&out) == SC_EXIT_GOOD ? rc : SC_EXIT_BAD;
}

int sc_command_status(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_status_view view = {.columns = COLUMNS};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    const char *name = args.word_count ? args.words[0] : NULL;
    bool watch = sc_args_get(&args, "watch") != NULL;
    if (watch && cli->json)
        return sc_usage_error(cli, "--watch is for people: leave --json out, or watch the bucket INTEGRATION_STATUS");
    view.color = !cli->json && wants_color();
    int rc = watch ? sc_status_watch(cli, name, &view) : once(cli, name, &view);
    sc_status_view_done(&view);
    return rc;
}
