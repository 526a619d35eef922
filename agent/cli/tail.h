/* Private to `tail`: one artifact on its way from the stream to the screen. Everything runs on the main thread. */
#pragma once

#include "cli/commands.h"
#include "nats/session.h"

/* ---- tail_text.c: bytes from outside, made harmless. Pure. ------------------------------------------------------------- */

/* Appends text with control characters, bytes that are no UTF-8 and marks that turn a terminal's writing direction as \xNN or \uNNNN,
 * cut to so many columns (then it ends in "…"). one_line: runs of white space become one blank. Returns the columns used. */
size_t sc_add_visible(struct sc_buf *out, struct sc_str text, size_t columns, bool one_line);
/* One JSON text of any kind (RFC 8259), in UTF-8? */
bool sc_is_json(struct sc_str text);
/* The JSON text on one line: line ends between its parts become blanks; for a terminal, what could move it is written \uNNNN. */
void sc_add_json_line(struct sc_buf *out, struct sc_str json, bool terminal);
/* Bytes of a JSON object up to the first member that holds other text than `known` says is known; 0: the first one already does, or all
 * are known, or it is no object. The value given to known() is without quotes, its escapes as they stand. */
size_t sc_skip_known(struct sc_str json, bool (*known)(const void *arg, struct sc_str value), const void *arg);
/* Bytes as they are; for a terminal, all but line ends and tabs made visible. */
void sc_add_raw(struct sc_buf *out, struct sc_str text, bool terminal);
/* Rewrites %XX (mark '%') or =XX (mark '=') as the byte. */
void sc_add_unescaped(struct sc_buf *out, struct sc_str text, char mark);

/* ---- tail_show.c: what one message is, and how it looks. Pure but for the redactor. -------------------------------------- */

struct sc_tail_message {
    uint64_t seq;
    struct sc_str subject, headers, body; /* headers: raw NATS/1.0 block */
};

struct sc_artifact {
    struct sc_buf integration, data_type, id, time; /* empty: unknown */
    bool gap;
};

struct sc_tail_style {
    bool json, raw, headers;
    bool terminal;
    size_t columns; /* of a terminal; 0: there is none */
    size_t name_width, type_width; /* widest so far */
};

/* The next line of a header block; false at the end. */
bool sc_header_next(struct sc_str *block, struct sc_str *ret_name, struct sc_str *ret_value);
/* -1: out of memory. */
int sc_artifact_read(struct sc_artifact *artifact, struct sc_str headers);
void sc_artifact_done(struct sc_artifact *artifact);
/* NULL: any. */
bool sc_artifact_matches(const struct sc_artifact *artifact, const char *integration, const char *data_type);
/* Appends what is to be written of it. The headers are those that the artifact was read from, redacted before. */
void sc_tail_show(struct sc_tail_style *style, const struct sc_artifact *artifact, const struct sc_tail_message *message,
                  struct sc_buf *out);

/* ---- tail_source.c: the stream, from a sequence on, over all restarts of the server -------------------------------------- */

struct sc_tail_source;

struct sc_tail_start {
    const char *integration, *data_type; /* what --last counts */
    uint64_t last;                       /* 0: not asked for */
    int64_t since_ms;                    /* SC_TIME_NONE: not asked for */
};

/* NULL: out of memory. cli must outlive it. */
struct sc_tail_source *sc_tail_source_new(const struct sc_cli *cli);
struct sc_tail_source *sc_tail_source_free(struct sc_tail_source *source);
/* Connects and finds the stream; the first time also where to begin. 0, or -1 + err: call it again later. */
int sc_tail_source_open(struct sc_tail_source *source, const struct sc_tail_start *start, struct sc_error *err);
/* 1: a message, valid until the next call; 0: none within timeout_ms; -1 + err: open it again. */
int sc_tail_source_next(struct sc_tail_source *source, int64_t timeout_ms, struct sc_tail_message *ret, struct sc_error *err);
/* Has everything been told that stood there when it was opened first? */
bool sc_tail_source_caught_up(const struct sc_tail_source *source);
/* NULL while it is not open. */
struct sc_session *sc_tail_source_session(struct sc_tail_source *source);
