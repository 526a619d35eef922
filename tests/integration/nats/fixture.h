/* What the programs here share: sessions, publishing, raw operations of other clients, and a log of
 * events that a test waits on with a deadline. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "nats/internal.h"
#include "natsd.h"
#include <pthread.h>
#include <stdlib.h>

#define WITHIN_MS 20000 /* a deadline, not a wait */

struct sc_nats_config fx_config(const struct natsd *server);
struct sc_session *fx_open(const struct natsd *server);
/* `count` messages with ids "<id>.<n>" from n = first, in order; all stored when it returns. */
void fx_publish(struct sc_session *session, const char *subject, const char *id, int first,
                int count);
/* JSON API request that must succeed. */
void fx_api(struct sc_session *session, const char *api, const char *json);
uint64_t fx_put(struct sc_session *session, const char *bucket, const char *key, const char *value);
/* As other clients write: no compare-and-set. op: NULL, "DEL" or "PURGE". */
void fx_foreign_put(struct sc_session *session, const char *bucket, const char *key,
                    const char *value, const char *op);
uint64_t fx_last_seq(struct sc_session *session, const char *stream);

/* Lines of text, added by any thread, taken in order by the test. */
struct fx_log {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    char lines[512][400];
    int64_t at_ms[512];
    int count, taken;
};
void fx_log_init(struct fx_log *log);
void fx_log_add(struct fx_log *log, const char *fmt, ...) SC_PRINTF(2, 3);
/* The next line that begins with `start`; lines before it are passed over. Fails the test after ms.
 */
const char *fx_log_wait(struct fx_log *log, const char *start, int64_t ms);
int64_t fx_log_time(struct fx_log *log); /* of the line returned last */
/* Lines from `from` to now that begin with `start`. */
int fx_log_count(struct fx_log *log, int from, const char *start);
int fx_log_mark(struct fx_log *log);
