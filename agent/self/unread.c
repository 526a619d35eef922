#include "self/unread.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define PATIENCE        5
#define FILLING_PERCENT 90
#define FAR_MS          (INT64_C(30) * 86400000) /* later than this is not told */

static void add(char *out, size_t cap, const char *fmt, ...) SC_PRINTF(3, 4);

static void add(char *out, size_t cap, const char *fmt, ...)
{
    size_t n = strlen(out);
    va_list args;
    va_start(args, fmt);
    vsnprintf(out + n, cap - n, fmt, args);
    va_end(args);
}

/* ---- rates ------------------------------------------------------------------------------------------------------- */

static void take_sample(struct sc_unread *u, const struct sc_look_report *r)
{
    if (strcmp(u->stream, r->stream.name) != 0 || strcmp(u->created, r->stream.created) != 0) {
        *u = (struct sc_unread){0};
        snprintf(u->stream, sizeof u->stream, "%s", r->stream.name);
        snprintf(u->created, sizeof u->created, "%s", r->stream.created);
    }
    uint32_t at = u->count % SC_UNREAD_SAMPLES;
    u->samples[at].mono_ms = r->mono_ms;
    u->samples[at].last_seq = r->stream.last_seq;
    u->samples[at].messages = r->stream.messages;
    u->samples[at].bytes = r->stream.bytes;
    u->count++;
}

/* Until `most` is reached, at the growth from `then` to `now` in so many ms. -1: not in sight. */
static int64_t until_full(uint64_t then, uint64_t now, int64_t most, int64_t ms)
{
    if (most <= 0 || now <= then || ms <= 0)
        return -1;
    if (now >= (uint64_t)most)
        return 0;
    double left = (double)((uint64_t)most - now) / (double)(now - then) * (double)ms;
    return left < (double)FAR_MS ? (int64_t)left : -1;
}

static void measure(const struct sc_unread *u, const struct sc_look_report *r, struct sc_unread_verdict *v)
{
    uint32_t oldest = u->count > SC_UNREAD_SAMPLES ? u->count % SC_UNREAD_SAMPLES : 0;
    int64_t ms = r->mono_ms - u->samples[oldest].mono_ms;
    const struct sc_stream_info *s = &r->stream;
    v->records_per_s = -1;
    v->full_in_ms = -1;
    if (ms <= 0)
        return;
    uint64_t then = u->samples[oldest].last_seq;
    v->records_per_s = s->last_seq > then ? (double)(s->last_seq - then) * 1000 / (double)ms : 0;
    int64_t bytes = until_full(u->samples[oldest].bytes, s->bytes, s->max_bytes, ms);
    int64_t messages = until_full(u->samples[oldest].messages, s->messages, s->max_msgs, ms);
    v->full_in_ms = bytes < 0 ? messages : messages < 0 || bytes < messages ? bytes : messages;
}

static void add_rate(const struct sc_look_report *r, struct sc_unread_verdict *v, char *out, size_t cap)
{
    char duration[SC_TIME_TEXT];
    if (v->records_per_s < 0)
        return;
    add(out, cap, "; %.1f records/s come in", v->records_per_s);
    if (v->full_in_ms > 0)
        add(out, cap, ", at this rate %s is full in about %s", r->stream.name, sc_duration_text(v->full_in_ms / 60000 * 60000 + 60000, duration));
}

/* ---- who reads ----------------------------------------------------------------------------------------------------- */

static struct sc_unread_consumer *known(struct sc_unread *u, const struct sc_consumer_info *c, const struct sc_look_report *r)
{
    struct sc_unread_consumer *place = NULL;
    for (uint32_t i = 0; i < u->consumer_count; i++) {
        if (strcmp(u->consumers[i].name, c->name) == 0)
            return &u->consumers[i];
        if (!place && u->consumers[i].seen + 1 < u->looks) /* is gone */
            place = &u->consumers[i];
    }
    if (!place && u->consumer_count < SC_CONSUMERS_MAX)
        place = &u->consumers[u->consumer_count++];
    if (!place)
        return NULL;
    *place = (struct sc_unread_consumer){.delivered = c->delivered_seq, .floor = c->ack_floor_seq, .moved_mono_ms = r->mono_ms, .moved_real_ms = r->real_ms};
    snprintf(place->name, sizeof place->name, "%s", c->name);
    if (c->active_ms != SC_TIME_NONE && c->active_ms < r->real_ms)
        place->moved_real_ms = c->active_ms;
    return place;
}

/* Who keeps a place in the stream: its messages wait for him. Others (tail, a read-back) look and go. */
static bool keeps_place(const struct sc_consumer_info *c)
{
    return c->durable || c->acks;
}

static bool takes_ours(const struct sc_consumer_info *c, const char *subject)
{
    return !c->filter[0] || strcmp(c->filter, subject) == 0 || strchr(c->filter, '*') || strchr(c->filter, '>');
}

/* When did it move last, and how long may it rest? */
static bool stands(struct sc_unread *u, const struct sc_consumer_info *c, const struct sc_look_report *r, struct sc_unread_consumer *k, int64_t look_ms)
{
    bool moved = c->delivered_seq != k->delivered || c->ack_floor_seq != k->floor;
    k->seen = u->looks;
    if (moved || (c->pending == 0 && c->ack_pending == 0)) {
        int64_t rested = r->mono_ms - k->moved_mono_ms;
        if (moved && rested > k->longest_ms)
            k->longest_ms = rested;
        k->delivered = c->delivered_seq;
        k->floor = c->ack_floor_seq;
        k->moved_mono_ms = r->mono_ms;
        k->moved_real_ms = r->real_ms;
        return false;
    }
    int64_t patience = PATIENCE * look_ms;
    if (3 * k->longest_ms > patience)
        patience = 3 * k->longest_ms;
    return r->mono_ms - k->moved_mono_ms >= patience;
}

static int64_t look_ms(const struct sc_unread *u)
{
    uint32_t last = (u->count - 1) % SC_UNREAD_SAMPLES, before = (u->count - 2) % SC_UNREAD_SAMPLES;
    return u->count < 2 ? 60000 : u->samples[last].mono_ms - u->samples[before].mono_ms;
}

/* "1,204 artifacts unread, consumer exp idle since T" */
static void judge_one(struct sc_unread *u, const struct sc_look_report *r, const struct sc_consumer_info *c, struct sc_unread_verdict *v)
{
    char since[SC_TIME_TEXT];
    char *out = v->unread_text;
    const size_t cap = sizeof v->unread_text;
    struct sc_unread_consumer *k = known(u, c, r);
    bool idle = k && stands(u, c, r, k, look_ms(u));
    bool taken = c->ack_pending > 0 && c->pending == 0;
    uint64_t gone = c->pending + c->ack_pending > 0 && r->stream.first_seq > c->ack_floor_seq + 1 ? r->stream.first_seq - 1 - c->ack_floor_seq : 0;
    bool stuck = c->max_ack_pending > 0 && c->ack_pending >= (uint64_t)c->max_ack_pending;
    if (idle && (taken || stuck))
        add(out, cap, "%sconsumer %.64s has taken %" PRIu64 " artifacts and acknowledges none since %s, %" PRIu64 " wait behind them", v->unread ? "; " : "", c->name,
            c->ack_pending, sc_time_rfc3339(k->moved_real_ms, since), c->pending);
    else if (idle)
        add(out, cap, "%s%" PRIu64 " artifacts unread, consumer %.64s idle since %s%s", v->unread ? "; " : "", c->pending, c->name,
            sc_time_rfc3339(k->moved_real_ms, since), c->waiting || c->bound ? " although it is connected" : "");
    if (gone)
        add(out, cap, "%s%s deletes what consumer %.64s has not read: %" PRIu64 " artifacts are gone", v->unread || idle ? "; " : "", r->stream.name, c->name, gone);
    v->unread |= idle || gone;
}

static void judge_readers(struct sc_unread *u, const struct sc_look_report *r, const char *subject, struct sc_unread_verdict *v)
{
    bool none = r->consumers.total == 0 && !r->copies[0] && r->stream.messages > 0;
    u->none = none ? u->none + 1 : 0;
    for (uint32_t i = 0; i < r->consumers.count; i++) {
        const struct sc_consumer_info *c = &r->consumers.at[i];
        if (keeps_place(c) && takes_ours(c, subject))
            judge_one(u, r, c, v);
    }
    if (u->none >= PATIENCE) {
        v->unread = true;
        add(v->unread_text, sizeof v->unread_text, "nobody reads stream %s: it has no consumer and %" PRIu64 " messages", r->stream.name, r->stream.messages);
    }
    if (v->unread)
        add_rate(r, v, v->unread_text, sizeof v->unread_text);
}

/* ---- how full ------------------------------------------------------------------------------------------------------ */

static bool near(uint64_t used, int64_t most)
{
    return most > 0 && used / FILLING_PERCENT >= (uint64_t)most / 100;
}

static void judge_room(const struct sc_look_report *r, struct sc_unread_verdict *v)
{
    const struct sc_stream_info *s = &r->stream;
    const struct sc_account_info *a = &r->account;
    char *out = v->filling_text, size[SC_SIZE_TEXT];
    const size_t cap = sizeof v->filling_text;
    bool account = r->account_known && near(a->storage, a->max_storage);
    bool bytes = s->discard_new && near(s->bytes, s->max_bytes), messages = s->discard_new && near(s->messages, s->max_msgs);
    v->filling = account || bytes || messages;
    if (bytes)
        add(out, cap, "stream %s holds %s", s->name, sc_size_pair(s->bytes, (uint64_t)s->max_bytes, size));
    else if (messages)
        add(out, cap, "stream %s holds %" PRIu64 " of %" PRId64 " messages", s->name, s->messages, s->max_msgs);
    else if (account)
        add(out, cap, "the account at NATS holds %s", sc_size_pair(a->storage, (uint64_t)a->max_storage, size));
    if (v->filling) {
        add(out, cap, ": when it is full it refuses, and polling pauses");
        add_rate(r, v, out, cap);
    }
}

void sc_unread_look(struct sc_unread *u, const struct sc_look_report *report, const char *subject, struct sc_unread_verdict *ret)
{
    *ret = (struct sc_unread_verdict){.records_per_s = -1, .full_in_ms = -1};
    if (!report->found)
        return;
    take_sample(u, report);
    u->looks++;
    measure(u, report, ret);
    if (report->consumers_known)
        judge_readers(u, report, subject, ret);
    judge_room(report, ret);
}
