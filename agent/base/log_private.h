/* What the files of the log know of each other; nobody else includes it. Everything here is called under the log's lock. */
#pragma once

#include "base/log.h"

#define SC_LOG_LINE_MAX 4096 /* of a line of text, with the newline */
#define SC_LOG_JSON_MAX 16384

struct sc_log_entry {
    enum sc_level level;
    const char *component, *integration, *data_type; /* the latter two may be NULL */
    enum sc_reason reason;
    bool beside;
    struct sc_str text, fields; /* redacted, without control characters */
};

extern const char *const sc_log_level_words[]; /* "DEBUG" */

/* log_form.c: the line without its end; the length. cap: as above. */
size_t sc_log_form_text(const struct sc_log_entry *entry, int64_t at_ms, char *line, size_t cap);
size_t sc_log_form_json(const struct sc_log_entry *entry, int64_t at_ms, char *line, size_t cap);
size_t sc_log_fitting(const char *text, size_t len, size_t max); /* the most that fits without cutting a UTF-8 sequence */

/* log.c: writes it. */
void sc_log_put(const struct sc_log_entry *entry);

/* log_repeat.c */
struct sc_log_key {
    uint64_t source, message;
};
struct sc_log_key sc_log_key(enum sc_level level, const struct sc_log_cx *cx, const char *message);
/* true: the line is counted and not to be written. */
bool sc_log_repeat_hold(struct sc_log_key key, const struct sc_log_entry *entry, bool each, int64_t now_ms, int64_t real_ms);
void sc_log_repeat_expire(int64_t now_ms, int64_t real_ms); /* counts of what is an hour old are written */
bool sc_log_repeat_over(const struct sc_log_cx *cx, uint64_t *ret_count);
void sc_log_repeat_anew(const struct sc_log_cx *cx);
void sc_log_repeat_flush(bool write);                       /* all counts, written or not; then the table is empty */
