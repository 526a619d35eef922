/* Growing byte buffer with a hard cap named at init. All zero = valid, empty, cap SC_BUF_DEFAULT_MAX.
 * Always terminated by a NUL that len does not count. Not thread-safe. */
#pragma once

#include "base/error.h"

#include <stdarg.h>

#define SC_BUF_DEFAULT_MAX (16u * 1024 * 1024)

struct sc_buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max; /* 0: SC_BUF_DEFAULT_MAX */
    bool secret; /* set by the caller: memory that it outgrows or gives back is overwritten; a text that is taken is the taker's to overwrite */
    bool failed; /* an append did not fit or memory ran out; later appends do nothing; cleared by sc_buf_clear */
};

void sc_buf_init(struct sc_buf *buf, size_t max);
void sc_buf_done(struct sc_buf *buf);
void sc_buf_clear(struct sc_buf *buf);
/* Each returns 0, or -1 when over the cap or out of memory (then nothing is appended and `failed` is set). */
int sc_buf_add(struct sc_buf *buf, const void *bytes, size_t len);
int sc_buf_add_str(struct sc_buf *buf, const char *text);
int sc_buf_add_char(struct sc_buf *buf, char c);
int sc_buf_addf(struct sc_buf *buf, const char *fmt, ...) SC_PRINTF(2, 3);
int sc_buf_addv(struct sc_buf *buf, const char *fmt, va_list args) SC_PRINTF(2, 0);
int sc_buf_reserve(struct sc_buf *buf, size_t more);
/* JSON string with quotes; bad UTF-8 becomes U+FFFD. */
int sc_buf_add_json(struct sc_buf *buf, struct sc_str text);
/* Percent-encoding of everything outside RFC 3986 unreserved. */
int sc_buf_add_urlencoded(struct sc_buf *buf, struct sc_str text);
/* Standard alphabet with padding, or the url alphabet without (RFC 7515). */
int sc_buf_add_base64(struct sc_buf *buf, const void *bytes, size_t len, bool url);
int sc_buf_add_hex(struct sc_buf *buf, const void *bytes, size_t len);
static inline struct sc_str sc_buf_str(const struct sc_buf *buf)
{
    return (struct sc_str){buf->ptr ? buf->ptr : "", buf->len};
}
/* Moves the terminated text out; the caller frees it; the buffer is empty after. NULL when out of memory or `failed`: half a
 * text is no text. */
char *sc_buf_take(struct sc_buf *buf);

/* strdup / printf into fresh memory; NULL when out of memory, or for NULL. */
char *sc_dup(const char *text);
char *sc_dup_str(struct sc_str text);
char *sc_printf(const char *fmt, ...) SC_PRINTF(1, 2);

/* Sizes for people: "512 bytes", "490 MiB", "2.0 GiB". Returns out. */
#define SC_SIZE_TEXT 40
const char *sc_size_text(uint64_t bytes, char out[SC_SIZE_TEXT]);
/* Both in the unit of the second: "490 of 512 MiB", "2.0 of 2.0 GiB". */
const char *sc_size_pair(uint64_t used, uint64_t most, char out[SC_SIZE_TEXT]);

/* Scope-bound cleanup: SC_AUTO_BUF struct sc_buf b = {0}; */
#define SC_AUTO_BUF __attribute__((cleanup(sc_buf_done)))
void sc_free_ptr(void *ptr_to_ptr);
#define SC_AUTO_FREE __attribute__((cleanup(sc_free_ptr)))
