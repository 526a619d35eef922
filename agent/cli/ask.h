/* Asking the agent that holds the lease (control/control.h) from a command. Where nobody holds it, an agent of the command's own is started for as long
 * as the command takes: it takes the lease, polls nothing by itself, and gives the lease back at the end. Main thread. */
#pragma once

#include "cli/commands.h"

struct sc_asker;

/* Sends the request ("v" is added; taken in any case) and waits until somebody answers. NULL + err: nobody does, and why. From here on Ctrl-C does not
 * end the process: sc_asker_next() tells of it. */
struct sc_asker *sc_asker_open(const struct sc_cli *cli, json_t *request, struct sc_error *err);
/* Ends what is still being worked at, and the agent that was started. NULL is fine. Returns NULL. */
struct sc_asker *sc_asker_close(struct sc_asker *asker);

enum sc_answer {
    SC_ANSWER_LOST = -1, /* + err: the connection, or an agent that says nothing any more */
    SC_ANSWER_END,       /* *ret: {"ok","text"} */
    SC_ANSWER_LINE,      /* *ret: the object of "line", "check" or "trace", *ret_kind: which */
    SC_ANSWER_STOPPED    /* Ctrl-C, or SIGTERM */
};
/* *ret is the caller's to json_decref. Waits as long as it takes. */
enum sc_answer sc_asker_next(struct sc_asker *asker, const char **ret_kind, json_t **ret, struct sc_error *err);
/* An agent of its own answers: what was asked ends with the command. */
bool sc_asker_is_own(const struct sc_asker *asker);

/* Prints what comes, to its end: the command's exit code. `stopped`: what is said behind Ctrl-C. */
int sc_asker_follow(const struct sc_cli *cli, struct sc_asker *asker, const char *stopped);
/* checkpoint_write.c: both in one, to the exit code. */
int sc_cli_ask(struct sc_cli *cli, json_t *request, const char *stopped);
/* "2026-11-22T10:15:00Z", or a day, as RFC 3339 in `room`. NULL: it is none. */
const char *sc_cli_time(const char *text, struct sc_buf *room);

/* One answer and no lines: for short requests. 0 and *ret_line (may be NULL when there was none), 1: refused, err says why; -1 + err. */
int sc_ask_once(const struct sc_cli *cli, json_t *request, json_t **ret_line, struct sc_error *err);
/* The same for what an agent of the command's own is no use for: none is started. */
int sc_ask_running(const struct sc_cli *cli, json_t *request, json_t **ret_line, struct sc_error *err);
