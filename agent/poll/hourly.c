/* The sign of life in the log: once an hour a line for each integration that had something to tell, and what the main thread makes one line for
 * the whole agent of, in which those that had nothing are counted. io thread; sc_io_hour_say() is the main thread's. */
#include "poll/poller.h"

#include <inttypes.h>
#include <stdio.h>

#define HOUR_MS     3600000
#define NAMES_SHOWN 280 /* bytes of names after which no further one is told */

/* What has come since the last line. */
struct hour {
    uint64_t polls, records, throttles, throttled_ms, retries, refusals, others;
    uint64_t dead_letters, gaps;
    int64_t good_since;            /* real: the latest of its data types; 0: none is good */
    const struct sc_poller *bad;   /* the first that is not */
};

/* "4,120" */
static const char *figure(uint64_t value, char out[32])
{
    char plain[24];
    size_t len = (size_t)snprintf(plain, sizeof plain, "%" PRIu64, value), n = 0;
    for (size_t i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            out[n++] = ',';
        out[n++] = plain[i];
    }
    out[n] = '\0';
    return out;
}

static bool is_bad(enum sc_reason reason)
{
    enum sc_class cls = sc_reason_class(reason);
    return cls != SC_CLASS_OK && cls != SC_CLASS_NOTICE && cls != SC_CLASS_DATA && reason != SC_REASON_STARTING && reason != SC_REASON_LEASE_HELD;
}

static void add_poller(struct hour *hour, struct sc_poller *p)
{
    const struct sc_poll_counts *now = &p->counts, *then = &p->hour_began;
    for (unsigned i = 0; i < SC_POLL_OUTCOMES; i++)
        hour->polls += now->polls[i] - then->polls[i];
    hour->records += now->published - then->published;
    hour->dead_letters += now->dead_letters - then->dead_letters;
    hour->gaps += now->gaps - then->gaps;
    hour->throttled_ms += now->throttled_ms - then->throttled_ms;
    for (unsigned i = 0; i <= SC_CLASS_LOCAL; i++) {
        uint64_t more = now->failures[i] - then->failures[i];
        *(i == SC_CLASS_THROTTLED                      ? &hour->throttles
          : i == SC_CLASS_RETRY                        ? &hour->retries
          : i == SC_CLASS_AUTH || i == SC_CLASS_CONFIG ? &hour->refusals
                                                       : &hour->others) += more;
    }
    if (!hour->bad && is_bad(p->facts.reason))
        hour->bad = p;
    if (p->facts.since_real > hour->good_since)
        hour->good_since = p->facts.since_real;
    p->hour_began = p->counts;
}

static void add_times(struct sc_buf *out, uint64_t times, const char *what)
{
    char text[32];
    if (times)
        sc_buf_addf(out, ", %s × %s", figure(times, text), what);
}

static uint64_t troubles(const struct hour *hour)
{
    return hour->throttles + hour->retries + hour->refusals + hour->others + hour->dead_letters + hour->gaps;
}

static void add_end(struct sc_buf *out, const struct hour *hour)
{
    char since[SC_TIME_TEXT];
    if (hour->bad)
        sc_buf_addf(out, "; %s: %s since %s", hour->bad->type->name, sc_reason_code(hour->bad->facts.reason),
                    sc_time_short(hour->bad->facts.since_real, sc_real_ms(), since));
    else if (troubles(hour))
        sc_buf_addf(out, "; all good since %s", sc_time_short(hour->good_since, sc_real_ms(), since));
    else
        sc_buf_add_str(out, "; all good");
}

static void say_hour(const struct sc_instance *inst, const struct hour *hour)
{
    const struct sc_log_cx cx = {.component = inst->config->connector->name, .integration = inst->config->name};
    char polls[32], records[32], waited[SC_TIME_TEXT], fields[200];
    SC_AUTO_BUF struct sc_buf out = {.max = 1000};
    sc_buf_addf(&out, "last hour: %s poll%s, %s record%s", figure(hour->polls, polls), hour->polls == 1 ? "" : "s", figure(hour->records, records),
                hour->records == 1 ? "" : "s");
    add_times(&out, hour->throttles, "throttled");
    if (hour->throttles)
        sc_buf_addf(&out, " (waited %s)", sc_duration_text((int64_t)hour->throttled_ms, waited));
    add_times(&out, hour->retries, "failed and tried again");
    add_times(&out, hour->refusals, "refused");
    add_times(&out, hour->others, "held up here");
    add_times(&out, hour->dead_letters, "dead letter");
    add_times(&out, hour->gaps, "gap");
    add_end(&out, hour);
    snprintf(fields, sizeof fields, "polls=%" PRIu64 " records=%" PRIu64 " throttled=%" PRIu64 " failures=%" PRIu64, hour->polls, hour->records,
             hour->throttles, hour->retries + hour->refusals + hour->others);
    if (out.ptr && !out.failed)
        SC_LOG_EACH(SC_INFO, &cx, fields, "%s", out.ptr);
}

static void add_bad(struct sc_io_hour *total, const struct sc_instance *inst, const struct hour *hour)
{
    size_t used = strlen(total->names);
    total->bad++;
    if (used < NAMES_SHOWN)
        snprintf(total->names + used, sizeof total->names - used, "%s%.64s (%s)", used ? ", " : "", inst->config->name,
                 sc_reason_code(hour->bad->facts.reason));
}

void sc_hour_fire(struct sc_timer *timer, void *arg)
{
    struct sc_io *io = arg;
    struct sc_io_hour total = {.number = io->hour.number + 1};
    for (struct sc_instance *inst = io->instances; inst; inst = inst->next) {
        struct hour hour = {0};
        if (inst->retired || !inst->config->enabled)
            continue;
        sc_judge_credential(inst);
        for (unsigned i = 0; i < inst->poller_count; i++)
            add_poller(&hour, inst->pollers[i]);
        total.integrations++;
        total.polls += hour.polls;
        total.records += hour.records;
        if (hour.bad)
            add_bad(&total, inst, &hour);
        if (hour.bad || hour.records || troubles(&hour))
            say_hour(inst, &hour);
        else
            total.idle++;
    }
    pthread_mutex_lock(&io->hour_lock);
    io->hour = total;
    pthread_mutex_unlock(&io->hour_lock);
    sc_heap_set(&io->heap, timer, io->now + HOUR_MS);
}

void sc_hour_begin(struct sc_io *io)
{
    pthread_mutex_init(&io->hour_lock, NULL);
    io->hour_timer = (struct sc_timer){.fire = sc_hour_fire, .arg = io};
    sc_heap_set(&io->heap, &io->hour_timer, io->now + HOUR_MS);
}

static struct sc_io_hour hour_of(struct sc_io *io)
{
    pthread_mutex_lock(&io->hour_lock);
    struct sc_io_hour hour = io->hour;
    pthread_mutex_unlock(&io->hour_lock);
    return hour;
}

bool sc_io_hour_say(struct sc_io *const *ios, unsigned count, uint64_t *said)
{
    struct sc_io_hour all = {0};
    char polls[32], records[32], integrations[32];
    SC_AUTO_BUF struct sc_buf names = {.max = 2 * sizeof all.names}, out = {.max = 2000};
    for (unsigned i = 0; i < count; i++) {
        struct sc_io_hour one = hour_of(ios[i]);
        if (one.number <= *said)
            return false;
        all.integrations += one.integrations;
        all.idle += one.idle;
        all.bad += one.bad;
        all.polls += one.polls;
        all.records += one.records;
        if (one.names[0] && names.len < NAMES_SHOWN)
            sc_buf_addf(&names, "%s%s", names.len ? ", " : "", one.names);
    }
    ++*said;
    sc_buf_addf(&out, "last hour: %s integration%s, %s poll%s, %s record%s", figure(all.integrations, integrations), all.integrations == 1 ? "" : "s",
                figure(all.polls, polls), all.polls == 1 ? "" : "s", figure(all.records, records), all.records == 1 ? "" : "s");
    if (all.idle)
        sc_buf_addf(&out, "; good and nothing new: %s", figure(all.idle, integrations));
    if (all.bad)
        sc_buf_addf(&out, "; in error: %s, %s%s", figure(all.bad, integrations), names.ptr ? names.ptr : "",
                    names.len >= NAMES_SHOWN ? ", …" : "");
    if (out.ptr && !out.failed)
        SC_LOG_EACH(SC_INFO, (&(const struct sc_log_cx){.component = "agent"}), NULL, "%s", out.ptr);
    return true;
}
