/* Redaction by value: known secrets of 6 bytes or more never leave, plain, percent-encoded or base64 (any alignment, both
 * alphabets, with and without padding), each also JSON-escaped. Process-wide, thread-safe. */
#pragma once

#include "base/buf.h"

/* Counted: the same value added twice must be removed twice. Blanks and line ends around it do not count; values under 6
 * bytes are ignored. 0, or -1 out of memory. */
int sc_redact_add(const char *value, size_t len);
void sc_redact_remove(const char *value, size_t len);
/* As remove(), but later: answers to requests that went out with it may still quote it. After ten minutes, at the earliest when the next
 * one is retired; at once when memory is short or 256 wait. */
void sc_redact_retire(const char *value, size_t len);
void sc_redact_let_go(void); /* all that were retired, now */
/* Replaces each known value by "[redacted]" in place; the text may become shorter or longer within cap. Without room the
 * mark is cut, never the text after it. Terminated by a NUL when cap > len and something was replaced. Returns the new length.
 * Cheap when no secret is known or none occurs. */
size_t sc_redact(char *text, size_t len, size_t cap);
void sc_redact_buf(struct sc_buf *buf);
/* URL without userinfo and query values: https://host/path?since=…&limit=… */
const char *sc_redact_url(const char *url, char *out, size_t cap);
/* Overwrites memory so that the compiler may not drop it, then frees. NULL is fine. */
void sc_secret_free(char *secret);
