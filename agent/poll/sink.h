/* What goes back to somebody who asked something of the running agent: lines of JSON from whichever thread has something to say, taken by the thread
 * that sends them. Bounded: what does not fit is counted, and the count is said before the end. Counted references; everything but taking may be
 * called by any thread.
 *
 * A line is an object with one member: {"line":{…}}, {"check":{…}}, {"trace":{…}}; the last one is {"end":{"ok":…,"text":…}}. Known secrets are
 * taken out of each before it is kept. */
#pragma once

#include "base/buf.h"

#include <jansson.h>

#define SC_SINK_LINES 4096u
#define SC_SINK_BYTES (4u * 1024 * 1024)

struct sc_sink;

/* notify(): there is something to take where there was nothing; called under the sink's lock, not after sc_sink_close(). NULL: out of memory. */
struct sc_sink *sc_sink_new(void (*notify)(void *arg), void *arg);
struct sc_sink *sc_sink_ref(struct sc_sink *sink);
struct sc_sink *sc_sink_unref(struct sc_sink *sink); /* returns NULL; NULL is fine */
/* Takes `value` (NULL: out of memory, then the line is counted as left out). `member` is "line", "check" or "trace". */
void sc_sink_put(struct sc_sink *sink, const char *member, json_t *value);
/* A text from outside as a JSON string: what is not UTF-8 becomes U+FFFD. NULL: out of memory. */
json_t *sc_sink_text(struct sc_str text);
/* The last word; the first one counts. */
void sc_sink_end(struct sc_sink *sink, bool ok, const char *text);
/* Nobody listens any more: what is put from now on is dropped, and work for it may be left. */
bool sc_sink_is_closed(struct sc_sink *sink);
void sc_sink_close(struct sc_sink *sink);
/* The oldest line, the caller's to free; NULL: there is none now. *ret_last: it is the end. */
char *sc_sink_take(struct sc_sink *sink, bool *ret_last);
