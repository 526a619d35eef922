/* Answers that are not the vendor's, and those that are about where we come from. io thread of the poller. */
#pragma once

#include "poll/poller.h"

struct sc_foreign {
    enum sc_reason reason;
    char detail[420], advice[256]; /* advice "": the reason's own */
};

/* A refusal (status 400 or more) of that kind: true, and what it is. `said`: the connector's reason, OK where it has none; `words`: its sentence. body:
 * its beginning, redacted. */
bool sc_foreign_refusal(struct sc_poller *p, const struct sc_http_result *result, enum sc_reason said, const char *words, struct sc_str body,
                        struct sc_foreign *ret);

/* A success whose body is a web page. begins(): these are its first bytes that are no blanks: true: it is one, and take() gets them and the rest; -1:
 * there is enough of it. tell(): it is over: p->cut_error says so. */
bool sc_foreign_page_begins(struct sc_poller *p, const char *bytes, size_t len);
ptrdiff_t sc_foreign_page_take(struct sc_poller *p, const char *bytes, size_t len);
void sc_foreign_page_tell(struct sc_poller *p);
void sc_foreign_page_forget(struct sc_poller *p);
