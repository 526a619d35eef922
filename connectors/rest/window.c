/* Walks over windows of time (struct rest_window).
 *
 * A window is frozen in SC_WALK when it is first asked for, and read to its end whatever happens meanwhile; only as long as nothing of it was
 * read its end may still move down, when the vendor's clock turns out to be behind the one that it was made by. How far the position goes is
 * the vendor's own word: the Date of the first reply (SC_WALK "top"), for a reply of 10:05 cannot hold what came at 10:10, however late the
 * window was meant to end. What was asked for beyond that is read again.
 *
 * A clock that is behind what the vendor's own Date has covered, be it that of this host or one wrong Date, must not end all asking, for only a
 * reply puts it right: then the last unit before the position is asked for once more. */
#include "rest/parts.h"

#include <stdio.h>

#define BEHIND_MS 60000 /* guesses of the vendor's clock differ by seconds */

static const struct rest_data_type *row_of(const struct sc_host *host)
{
    return host->type->engine;
}

static int64_t unit_of(const struct rest_window *window)
{
    return window->unit_ms ? window->unit_ms : 1;
}

static int64_t floored(const struct rest_window *window, int64_t ms)
{
    int64_t unit = unit_of(window), rest = ms % unit;
    return ms - (rest < 0 ? rest + unit : rest);
}

static int64_t time_of(const struct sc_host *host, enum sc_keep keep, const char *name)
{
    const char *text = host->api->get(host, keep, name);
    return text ? host->api->parse_time(host, sc_str_of(text), SC_TIME_RFC3339) : SC_TIME_NONE;
}

static bool set_time(struct sc_host *host, enum sc_keep keep, const char *name, int64_t ms)
{
    const char *text = host->api->rfc3339(host, ms);
    return text && host->api->set(host, keep, name, text);
}

/* The latest end that a window may have now. */
static int64_t present(const struct sc_host *host)
{
    int64_t from, to, now = host->api->now(host) - (int64_t)host->type->lag_s * 1000;
    if (host->api->past(host, &from, &to)) /* what lies behind a bound of less than a unit is left out by its time */
        to += unit_of(row_of(host)->window) - 1;
    else
        to = now;
    return floored(row_of(host)->window, to < now ? to : now);
}

/* Where a walk begins. What the vendor no longer keeps is a gap, but for what was covered before. */
static int64_t begin_of(struct sc_host *host)
{
    const struct rest_data_type *row = row_of(host);
    const struct rest_window *window = row->window;
    int64_t now = host->api->now(host), covered = rest_position_time(host), reach = now - (int64_t)row->reach_s * 1000;
    int64_t overlap_ms = (int64_t)(window->overlap ? window->overlap(host) : window->overlap_s) * 1000;
    int64_t owed = covered != SC_TIME_NONE ? covered : time_of(host, SC_POSITION, "since"); /* from here on nothing was read, or not all */
    if (covered == SC_TIME_NONE && owed > now) /* frozen by a clock that was ahead */
        owed = SC_TIME_NONE;
    int64_t from = covered != SC_TIME_NONE ? covered - overlap_ms : owed != SC_TIME_NONE ? owed : now - (int64_t)host->api->lookback_s(host) * 1000;
    int64_t begin, end;
    if (host->api->past(host, &begin, &end) && from < begin)
        from = begin;
    if (row->reach_s && from < reach) {
        from = reach;
        if (owed != SC_TIME_NONE && owed < reach)
            host->api->passed(host, owed, reach);
    }
    return floored(window, from);
}

bool rest_window_is_behind(const struct sc_host *host, int64_t now)
{
    int64_t covered = rest_position_time(host);
    return covered != SC_TIME_NONE && now - (int64_t)host->type->lag_s * 1000 < covered - BEHIND_MS;
}

#define LEAST_MS 60000

/* How long a window may be now: halved after the vendor gave up on longer ones. Of one that may be cut. */
static int64_t longest_ms(const struct sc_host *host)
{
    const struct rest_window *window = row_of(host)->window;
    int64_t ms = ((int64_t)window->longest_s * 1000) >> host->api->narrowed(host);
    return floored(window, ms > LEAST_MS ? ms : LEAST_MS);
}

static enum rest_opened freeze(struct sc_host *host, int64_t from)
{
    const struct rest_window *window = row_of(host)->window;
    int64_t to = present(host), most = window->longest_s ? from + longest_ms(host) : to;
    bool cut = to > most;
    if (cut)
        to = most;
    if (rest_window_is_behind(host, host->api->now(host))) { /* only a reply can tell what time it is */
        to = floored(window, rest_position_time(host));
        from = to - unit_of(window);
        cut = false;
    }
    if (to <= from)
        return REST_NO_WINDOW;
    bool kept = set_time(host, SC_WALK, "from", from) && set_time(host, SC_WALK, "to", to) && host->api->set(host, SC_WALK, "cut", cut ? "1" : NULL);
    return kept ? REST_WINDOW : REST_WINDOW_FAILED;
}

static void forget_window(struct sc_host *host)
{
    static const char *const names[] = {"from", "to", "top", "cut", "cursor", "next", "pages", "reached", "lost"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        host->api->set(host, SC_WALK, names[i], NULL);
}

enum rest_opened rest_window_open(struct sc_host *host)
{
    int64_t from = time_of(host, SC_WALK, "from"), to = time_of(host, SC_WALK, "to"), now = present(host);
    if (from == SC_TIME_NONE || to == SC_TIME_NONE)
        return freeze(host, begin_of(host));
    if (host->api->get(host, SC_WALK, "top"))
        return REST_WINDOW;
    bool begun = host->api->get(host, SC_WALK, "cursor") || host->api->get(host, SC_WALK, "next");
    if (to <= now && !begun && row_of(host)->window->longest_s && to - from > longest_ms(host)) /* nothing of it was read: its end may still move down */
        return set_time(host, SC_WALK, "to", from + longest_ms(host)) && host->api->set(host, SC_WALK, "cut", "1") ? REST_WINDOW : REST_WINDOW_FAILED;
    if (to <= now)
        return REST_WINDOW;
    if (now <= from) { /* nothing of it lies in the vendor's past */
        forget_window(host);
        return freeze(host, begin_of(host));
    }
    host->api->set(host, SC_WALK, "cut", NULL);
    return set_time(host, SC_WALK, "to", now) ? REST_WINDOW : REST_WINDOW_FAILED;
}

int64_t rest_window_end_of(const struct sc_host *host)
{
    return time_of(host, SC_WALK, "to");
}

/* The vendor's reach cut the walk's begin, and a gap says so: once is enough. */
static int64_t cut_by_reach(const struct sc_host *host)
{
    int64_t from = time_of(host, SC_WALK, "from"), covered = rest_position_time(host);
    if (!row_of(host)->reach_s || from == SC_TIME_NONE || covered == SC_TIME_NONE)
        return SC_TIME_NONE;
    return from > covered ? from : SC_TIME_NONE;
}

bool rest_window_answered(struct sc_host *host, int64_t answered)
{
    if (!host->api->get(host, SC_WALK, "top") && !rest_set_number(host, SC_WALK, "top", answered))
        return false;
    int64_t kept_from = cut_by_reach(host);
    if (kept_from != SC_TIME_NONE)
        return set_time(host, SC_POSITION, "time", kept_from);
    const char *from = host->api->get(host, SC_WALK, "from");
    bool first = rest_position_time(host) == SC_TIME_NONE && time_of(host, SC_POSITION, "since") < time_of(host, SC_WALK, "from");
    return !first || !from || host->api->set(host, SC_POSITION, "since", from);
}

static enum sc_more go_on_from(struct sc_host *host, int64_t from)
{
    switch (freeze(host, from)) {
    case REST_WINDOW:
        return SC_MORE;
    case REST_NO_WINDOW:
    case REST_WINDOW_FAILED: /* memory is short: the next poll begins there */
        break;
    }
    return SC_WALKED;
}

enum sc_more rest_window_done(struct sc_host *host)
{
    const struct rest_window *window = row_of(host)->window;
    int64_t to = rest_window_end_of(host), known = rest_position_time(host), from = time_of(host, SC_WALK, "from");
    int64_t top = floored(window, rest_get_number(host, SC_WALK, "top", to) - (int64_t)host->type->lag_s * 1000);
    int64_t end = to < top ? to : top;
    bool goes_on = host->api->get(host, SC_WALK, "cut") && end == to;
    if (known == SC_TIME_NONE && end < from) { /* the very first, by a clock that is far ahead: the lookback counts from the vendor's present */
        forget_window(host);
        host->api->set(host, SC_POSITION, "since", NULL);
        return go_on_from(host, begin_of(host));
    }
    if (known == SC_TIME_NONE || end > known) {
        if (!set_time(host, SC_POSITION, "time", end))
            return SC_BROKEN;
        host->api->set(host, SC_POSITION, "since", NULL);
    }
    forget_window(host);
    if (goes_on)
        return go_on_from(host, end);
    bool asked_the_time = known != SC_TIME_NONE && to <= known && to - from <= unit_of(window) && present(host) > known;
    return asked_the_time ? go_on_from(host, begin_of(host)) : SC_WALKED;
}
