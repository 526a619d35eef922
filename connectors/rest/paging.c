/* Pages by offset and by a cursor in the body, in one step or in two (a list, then the details of what it names).
 *
 * Offsets over a list that is sorted by the very time that changes. A record that is updated while the walk is open leaves its place
 * and goes to the end; all behind it move up by one, and the next offset skips one that was never read: lost. (Alerts 0 to 999 are
 * read, number 500 is edited, offset 1000 is now the alert that was number 1001.) So the filter follows the time: behind a full page
 * the walk goes on from the newest time seen, offset 0, and what comes again is recognised by its identity. Offsets are used only
 * while the time does not move, when more than a page lies in one millisecond; each such page begins one item early, with the last one
 * of the page before (SC_WALK "last"): another one there means that the list has moved, and the walk goes back to offset 0. Every
 * other page is asked one item shorter than what came before ("fewer"), so that a page that rightly comes again (all of it within one
 * millisecond) is no repetition to the agent.
 *
 * Details are younger than their list: a record edited between the two comes with a time that the list had not reached, and a position
 * there would pass everything between. So times after the list was made, less the data type's lag, do not count (newest_until). The same
 * holds without details: what comes late must not be passed by a walk that has read on meanwhile.
 *
 * A cursor may be an offset in disguise, and then skips in the same way: with follows_time the filter follows the time there too, and the
 * cursor is used while the time stands still, all other parameters unchanged, or where a short page says that there is more. A cursor may
 * also go over the order that its first page found, in which a record that has changed since is newer than what follows: so behind a
 * cursor times count as far as they did for that page (SC_WALK "opened").
 *
 * A cursor that is the checkpoint (REST_CHECKPOINT_NEXT) moves with each page and stays past the end of the walk. */
#include "rest/parts.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_SHIFTS 8 /* how often a walk goes back because the list moved */
#define MAX_NEXT_URL 8000
#define MAX_LOST   5 /* how often a cursor may be lost without getting further */

static const struct rest_data_type *row_of(const struct sc_host *host)
{
    return host->type->engine;
}

int64_t rest_get_number(const struct sc_host *host, enum sc_keep keep, const char *name, int64_t none)
{
    int64_t n;
    return rest_number(sc_str_of(host->api->get(host, keep, name)), &n) ? n : none;
}

bool rest_set_number(struct sc_host *host, enum sc_keep keep, const char *name, int64_t value)
{
    const char *text = host->api->text(host, "%lld", (long long)value);
    return text && host->api->set(host, keep, name, text);
}

static const char *cursor_name(const struct sc_host *host)
{
    return row_of(host)->next == REST_NEXT_URL ? "next" : "cursor";
}

const char *rest_cursor(const struct sc_host *host)
{
    return host->api->get(host, row_of(host)->checkpoint == REST_CHECKPOINT_NEXT ? SC_POSITION : SC_WALK, cursor_name(host));
}

/* Keeps the lower one: clocks may be corrected between two looks, and the earlier time is the safe one. */
static bool keep_lower(struct sc_host *host, enum sc_keep keep, const char *name, int64_t value)
{
    int64_t known = rest_get_number(host, keep, name, INT64_MAX);
    return known <= value || rest_set_number(host, keep, name, value);
}

static int64_t lag_ms(const struct sc_host *host)
{
    return (int64_t)host->type->lag_s * 1000;
}

static enum sc_more no_memory(struct sc_verdict *out)
{
    out->reason = SC_REASON_MEMORY_LIMIT;
    snprintf(out->detail, sizeof out->detail, "memory is short: the page is asked again");
    return SC_BROKEN;
}

/* ---- request ------------------------------------------------------------------------------------------------------------- */

bool rest_in_details(const struct sc_host *host)
{
    return row_of(host)->list && rest_get_number(host, SC_PAGE, "at", INT64_MAX) < host->api->items(host);
}

/* How many items the next details request takes. */
static uint32_t batch_size(const struct sc_host *host)
{
    const char *batch = row_of(host)->list->batch, *text = batch ? host->api->setting(host, batch) : NULL;
    int64_t n, most = rest_get_number(host, SC_WALK, "batch", INT64_MAX);
    if (!rest_number(sc_str_of(text), &n) || n < 1)
        n = row_of(host)->page_size;
    int64_t left = host->api->items(host) - rest_get_number(host, SC_PAGE, "at", 0);
    n = n < most ? n : most;
    return (uint32_t)(n < left ? n : left);
}

/* A file that the list names, at the base URL. */
static void ask_each(struct sc_host *host, struct sc_request *out)
{
    uint32_t n = (uint32_t)rest_get_number(host, SC_PAGE, "at", 0);
    struct sc_str below = {0}, name = host->api->item_more(host, n, 0), time = host->api->item_more(host, n, 1);
    out->method = row_of(host)->method;
    out->child = host->api->text(host, "%.*s", (int)name.len, name.ptr ? name.ptr : "");
    out->child_time = host->api->parse_time(host, time, SC_TIME_RFC3339);
    if (!out->child || !rest_set_number(host, SC_PAGE, "count", 1) || rest_url_below(host->api->base_url(host), host->api->item(host, n), &below))
        return;
    out->url = host->api->text(host, "%.*s", (int)below.len, below.ptr);
    out->may_repeat = true;
}

static void ask_details(struct sc_host *host, struct sc_request *out)
{
    const struct rest_data_type *row = row_of(host);
    if (row->list->each) {
        ask_each(host, out);
        return;
    }
    const char *path = rest_expand(host, row->path), *query = row->query ? rest_expand(host, row->query) : "";
    uint32_t count = batch_size(host);
    const char *items = host->api->items_json(host, (uint32_t)rest_get_number(host, SC_PAGE, "at", 0), count);
    const char *body = items && rest_set_number(host, SC_PAGE, "count", count) ? rest_body(host, row->body, items) : NULL;
    out->method = row->method;
    out->body = sc_str_of(body);
    out->url = path && query && body ? host->api->text(host, "%s%s%s", path, *query ? "?" : "", query) : NULL;
    out->may_repeat = true; /* one that was listed again may stand alone in a batch */
    if (row->unordered || row->window)
        return;
    int64_t listed = rest_get_number(host, SC_PAGE, "listed", lag_ms(host) + 1), opened = rest_get_number(host, SC_WALK, "opened", listed);
    out->newest_until = (opened < listed ? opened : listed) - lag_ms(host);
}

static const char *page_url(struct sc_host *host, const char *path_text, const char *query_text)
{
    const struct rest_data_type *row = row_of(host);
    if (row->next == REST_NEXT_URL && rest_cursor(host))
        return host->api->text(host, "%s", rest_cursor(host));
    bool whole = rest_is_whole(host) || !row->filter;
    const char *path = rest_expand(host, path_text), *query = query_text ? rest_expand(host, query_text) : "",
               *filter = whole ? "" : rest_expand(host, row->filter), *cursor = row->cursor_param ? rest_cursor(host) : NULL,
               *at = cursor ? rest_encode(host, cursor) : "";
    if (!path || !query || !filter || !at)
        return NULL;
    return host->api->text(host, "%s%s%s%s%s%s%s%s%s", path, *query || *filter || cursor ? "?" : "", query, *query && *filter ? "&" : "",
                           filter, cursor && (*query || *filter) ? "&" : "", cursor ? row->cursor_param : "", cursor ? "=" : "", at);
}

/* False: memory is short. */
static bool add_body(struct sc_host *host, const char *first, const char *later, struct sc_request *out)
{
    const char *text = later && rest_cursor(host) ? later : first, *body = text ? rest_body(host, text, "") : NULL;
    out->body = sc_str_of(body);
    return !text || body;
}

/* A page in one step. */
static void ask_page(struct sc_host *host, struct sc_request *out)
{
    const struct rest_data_type *row = row_of(host);
    if (!add_body(host, row->body, row->cursor_body, out))
        return;
    out->url = page_url(host, row->path, row->query);
    if (row->unordered || row->window || !lag_ms(host))
        return;
    int64_t asked = rest_get_number(host, SC_PAGE, "asked", lag_ms(host) + 1), opened = rest_get_number(host, SC_WALK, "opened", asked);
    out->newest_until = (opened < asked ? opened : asked) - lag_ms(host);
}

static void ask(struct sc_host *host, struct sc_request *out)
{
    const struct rest_data_type *row = row_of(host);
    int64_t now = host->api->now(host);
    if (rest_in_details(host)) {
        ask_details(host, out);
        return;
    }
    out->reply = row->list ? &row->list->reply : NULL;
    out->method = row->list ? row->list->method : row->method;
    out->may_repeat = row->may_repeat || row->next == REST_NEXT_OFFSET;
    if ((row->unordered && !keep_lower(host, SC_WALK, "began", now)) || !keep_lower(host, SC_PAGE, "asked", now))
        return;
    if (!row->list)
        ask_page(host, out);
    else if (add_body(host, row->list->body, row->list->cursor_body, out))
        out->url = page_url(host, row->list->path, row->list->query);
}

bool rest_page_request(struct sc_host *host, struct sc_request *out)
{
    if (row_of(host)->window) {
        enum rest_opened opened = rest_in_details(host) ? REST_WINDOW : rest_window_open(host); /* it stays what was listed */
        if (opened != REST_WINDOW)
            return opened == REST_WINDOW_FAILED; /* without URL: memory is short */
        out->remember_as = rest_window_end_of(host);
    }
    ask(host, out);
    return true;
}

/* ---- the end of a walk, and of a page ------------------------------------------------------------------------------------- */

/* Without order, at the end of each page: when the walk began, by the vendor's clock as soon as that is known, and the newest time of the
 * whole walk, over restarts. */
static bool note_walk(struct sc_host *host, const struct sc_page *in)
{
    int64_t known = rest_get_number(host, SC_WALK, "newest", INT64_MIN), now = host->api->now(host);
    if (!keep_lower(host, SC_WALK, "began", row_of(host)->list ? rest_get_number(host, SC_PAGE, "listed", now) : now))
        return false;
    return in->newest_time == SC_TIME_NONE || in->newest_time < 0 || in->newest_time <= known ||
           rest_set_number(host, SC_WALK, "newest", in->newest_time);
}

/* The whole of an unordered walk is read: it covers what was there when it began. What changed since then may have been read, or not:
 * a record at the beginning of the walk changes again behind the walk's back while one at its end comes with a later time. */
static bool remember_end(struct sc_host *host)
{
    int64_t known = rest_position_time(host), newest = rest_get_number(host, SC_WALK, "newest", SC_TIME_NONE);
    int64_t most = rest_get_number(host, SC_WALK, "began", 0) - lag_ms(host);
    int64_t time = newest < most ? newest : most;
    const char *since = host->api->get(host, SC_WALK, "since");
    if (newest == SC_TIME_NONE && known == SC_TIME_NONE && since)
        return host->api->set(host, SC_POSITION, "since", since);
    if (newest == SC_TIME_NONE || (known != SC_TIME_NONE && time <= known))
        return true;
    const char *text = host->api->rfc3339(host, time);
    return text && host->api->set(host, SC_POSITION, "time", text);
}

/* The position stays, and what was read counts. */
static enum sc_more clock_is_behind(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    const char *date = host->api->rfc3339(host, in->answered), *covered = host->api->get(host, SC_POSITION, "time");
    out->reason = SC_REASON_CLOCK_SKEW;
    snprintf(out->detail, sizeof out->detail,
             "the vendor's reply is dated %.19sZ, and by its earlier ones everything up to %.19sZ is covered: nothing behind that is asked for before the date of a reply "
             "has passed it",
             date ? date : "?", covered ? covered : "?");
    snprintf(out->advice, sizeof out->advice, "Compare the header Date of the vendor's replies with the true time; a proxy on the way may answer from its cache.");
    return SC_LOOP;
}

static enum sc_more end_walk(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    if (row_of(host)->window) {
        bool behind = rest_window_is_behind(host, rest_get_number(host, SC_WALK, "top", in->answered));
        enum sc_more more = rest_window_done(host);
        return more == SC_BROKEN ? no_memory(out) : behind ? clock_is_behind(host, in, out) : more;
    }
    if (!row_of(host)->unordered)
        rest_remember_time(host, in);
    else if (!note_walk(host, in) || !remember_end(host))
        return no_memory(out);
    return SC_WALKED;
}

static enum sc_more too_deep(struct sc_host *host, struct sc_verdict *out)
{
    const struct rest_data_type *row = row_of(host);
    const char *since = host->api->get(host, SC_WALK, "since");
    host->api->set(host, SC_PAGE, "at", NULL); /* the list is asked anew: it has moved on meanwhile */
    out->reason = SC_REASON_BAD_RESPONSE;
    snprintf(out->detail, sizeof out->detail,
             "more than %u %s have one and the same time, %s, or changed in the last %u s: the vendor shows no more of them than that; nothing is "
             "skipped, the page is asked again",
             row->offset_limit, host->type->noun, since ? since : "?", host->type->lag_s);
    snprintf(out->advice, sizeof out->advice,
             "It passes by itself after a mass change. If it stays, report it: the times of that many records cannot be told apart.");
    return SC_BROKEN;
}

static bool alternate(struct sc_host *host, uint64_t count)
{
    bool fewer = host->api->get(host, SC_WALK, "fewer");
    return fewer || count < 2 ? host->api->set(host, SC_WALK, "fewer", NULL) : rest_set_number(host, SC_WALK, "fewer", (int64_t)count - 1);
}

static bool drop_offset(struct sc_host *host, uint64_t count)
{
    host->api->set(host, SC_WALK, "cursor", NULL);
    host->api->set(host, SC_WALK, "last", NULL);
    host->api->set(host, SC_WALK, "opened", NULL);
    return alternate(host, count);
}

/* The newest time of the page lies behind the walk's lower bound. */
static bool time_moves(const struct sc_host *host, const struct sc_page *in)
{
    struct sc_str since = sc_str_of(host->api->get(host, SC_WALK, "since"));
    int64_t from = since.ptr ? host->api->parse_time(host, since, SC_TIME_RFC3339) : SC_TIME_NONE;
    return in->newest_time != SC_TIME_NONE && in->newest_time > from;
}

/* What is removed cannot fail, and whatever is set after a failure is asked again from further back. */
static enum sc_more follow_time(struct sc_host *host, const struct sc_page *in, uint64_t count, struct sc_verdict *out)
{
    static const char *const done[] = {"shifts", "pages", "reached", "lost"};
    const char *time = host->api->rfc3339(host, in->newest_time);
    bool further = in->newest_time > rest_position_time(host); /* or still in what was read before a cursor was lost */
    rest_remember_time(host, in);
    for (size_t i = 0; i < (further ? sizeof done / sizeof *done : 1); i++)
        host->api->set(host, SC_WALK, done[i], NULL);
    return drop_offset(host, count) && time && host->api->set(host, SC_WALK, "since", time) ? SC_MORE : no_memory(out);
}

/* Behind a page that is not the last. */
static enum sc_more go_on_by_offset(struct sc_host *host, const struct sc_page *in, uint64_t count, struct sc_verdict *out)
{
    const struct rest_data_type *row = row_of(host);
    int64_t offset = rest_get_number(host, SC_WALK, "cursor", 0);
    if (time_moves(host, in))
        return follow_time(host, in, count, out);
    struct sc_str last = row->list ? host->api->item(host, host->api->items(host) - 1) : (struct sc_str){0};
    int64_t next = offset + (int64_t)count - (last.len ? 1 : 0);
    if (row->offset_limit && (next >= row->offset_limit || row->offset_limit - next < (int64_t)row->page_size))
        return too_deep(host, out);
    const char *text = last.len ? host->api->text(host, "%.*s", (int)last.len, last.ptr) : NULL;
    rest_remember_time(host, in);
    bool kept = (!last.len || (text && host->api->set(host, SC_WALK, "last", text))) && rest_set_number(host, SC_WALK, "cursor", next) &&
                alternate(host, count);
    return kept ? SC_MORE : no_memory(out);
}

static bool count_page(struct sc_host *host)
{
    return rest_set_number(host, SC_WALK, "pages", rest_get_number(host, SC_WALK, "pages", 0) + 1);
}

static enum sc_more go_on_by_cursor(struct sc_host *host, const struct sc_page *in, const char *next, struct sc_verdict *out)
{
    const char *used = rest_cursor(host);
    if (used && strcmp(used, next) == 0 && row_of(host)->window) {
        snprintf(out->detail, sizeof out->detail, "the vendor names the page of %llu records that was just read as the next one",
                 (unsigned long long)in->records);
        return SC_LOOP;
    }
    if (row_of(host)->window)
        host->api->trace(host, "page %lld of the window is read", (long long)rest_get_number(host, SC_WALK, "pages", 0) + 1);
    else if (!row_of(host)->unordered)
        rest_remember_time(host, in);
    else if (!note_walk(host, in))
        return no_memory(out);
    if (row_of(host)->follows_time && !rest_cursor(host) &&
        !rest_set_number(host, SC_WALK, "opened", rest_get_number(host, SC_PAGE, "asked", host->api->now(host))))
        return no_memory(out);
    return count_page(host) && host->api->set(host, SC_WALK, cursor_name(host), next) ? SC_MORE : no_memory(out);
}

/* The cursor is the position. One that does not move moves nothing, or the identities of what it brings again and again would be forgotten. */
static enum sc_more move_cursor(struct sc_host *host, const struct sc_page *in, bool last, const char *next, struct sc_verdict *out)
{
    const char *used = rest_cursor(host);
    bool same = used && strcmp(used, next) == 0;
    if (same && !last) {
        snprintf(out->detail, sizeof out->detail,
                 "the vendor says that there is more behind a page of %llu records, and names the cursor that was just used",
                 (unsigned long long)in->records);
        return SC_LOOP;
    }
    if (*next && !same) {
        if (!count_page(host) || !host->api->set(host, SC_POSITION, "cursor", next))
            return no_memory(out);
        rest_remember_time(host, in);
    } else if (!used) { /* nothing came, not even a cursor */
        rest_remember_time(host, in);
    }
    return last ? SC_WALKED : SC_MORE;
}

/* ---- what a reply says of the next page -------------------------------------------------------------------------------------- */

struct step {
    bool last, by_time;
    const char *next; /* cursor; "": none, or by offset */
};

/* The reply to a request without cursor holds all there is: a cursor in it leads to nothing. */
static bool has_all(const struct sc_host *host, uint64_t count)
{
    const struct rest_data_type *row = row_of(host);
    int64_t total;
    return row->follows_time && row->total && !rest_cursor(host) && count < rest_limit(host) &&
           rest_number(host->api->envelope(host, row->total), &total) && (int64_t)count == total;
}

/* There is more behind the page by what it shows itself: it is full, or the total says so. A short one that has a cursor and no total is
 * left to the cursor: by time it might come again as it is. */
static bool has_more(const struct sc_host *host, uint64_t count)
{
    const struct rest_data_type *row = row_of(host);
    int64_t total;
    return count >= rest_limit(host) || (row->total && rest_number(host->api->envelope(host, row->total), &total) && total > (int64_t)count);
}

static bool read_cursor(struct sc_host *host, uint64_t count, struct step *ret, struct sc_verdict *out)
{
    const struct rest_data_type *row = row_of(host);
    bool keeps = row->checkpoint == REST_CHECKPOINT_NEXT, more = row->more && sc_str_is(host->api->envelope(host, row->more), "true");
    struct sc_str cursor = host->api->envelope(host, row->cursor);
    *ret = (struct step){.last = row->more ? !more : cursor.len == 0 || (count == 0 && row->stop == REST_STOP_EMPTY_PAGE) || has_all(host, count),
                         .by_time = row->follows_time && has_more(host, count),
                         .next = ""};
    if (cursor.len == 0 && (more || (keeps && count))) {
        snprintf(out->detail, sizeof out->detail, "a page of %llu records came without \"%s\": the position cannot move past them",
                 (unsigned long long)count, row->cursor);
        return false;
    }
    if (cursor.len == 0 || (ret->last && !keeps))
        return true;
    bool fits = cursor.len <= REST_MAX_CURSOR && !memchr(cursor.ptr, '\0', cursor.len);
    ret->next = !fits ? NULL : row->cursor_form ? row->cursor_form(host, cursor) : host->api->text(host, "%.*s", (int)cursor.len, cursor.ptr);
    if (!ret->next)
        snprintf(out->detail, sizeof out->detail, "the cursor of the next page cannot be kept: %zu bytes (at most %d), or memory is short",
                 cursor.len, REST_MAX_CURSOR);
    return ret->next;
}

/* Of REST_NEXT_URL. */
static bool read_url(struct sc_host *host, struct step *ret, struct sc_verdict *out)
{
    struct sc_str url = row_of(host)->link(host), below = {0};
    *ret = (struct step){.last = url.len == 0, .next = ""};
    if (url.len == 0)
        return true;
    const char *why = rest_url_below(host->api->base_url(host), url, &below);
    if (why)
        snprintf(out->detail, sizeof out->detail, "the address of the next page %s: nothing is skipped, the page is asked again", why);
    else if (!(ret->next = below.len <= MAX_NEXT_URL ? host->api->text(host, "%.*s", (int)below.len, below.ptr) : NULL))
        snprintf(out->detail, sizeof out->detail, "the address of the next page cannot be kept: %zu bytes (at most %d), or memory is short", below.len,
                 MAX_NEXT_URL);
    return !why && ret->next;
}

/* A vendor that gives less than was asked for says by its total that there is more. */
static bool is_last(const struct sc_host *host, uint64_t count)
{
    const struct rest_data_type *row = row_of(host);
    int64_t total, offset = rest_get_number(host, SC_WALK, "cursor", 0);
    if (count == 0)
        return true;
    if (row->total && rest_number(host->api->envelope(host, row->total), &total))
        return offset + (int64_t)count >= total;
    return count < rest_limit(host);
}

static bool read_step(struct sc_host *host, uint64_t count, struct step *ret, struct sc_verdict *out)
{
    if (row_of(host)->next == REST_NEXT_BODY_CURSOR)
        return read_cursor(host, count, ret, out);
    if (row_of(host)->next == REST_NEXT_URL)
        return read_url(host, ret, out);
    if (row_of(host)->next == REST_NEXT_NONE) {
        *ret = (struct step){.last = true, .next = ""};
        return true;
    }
    *ret = (struct step){.last = is_last(host, count), .next = ""};
    return true;
}

/* The page by offset does not begin with the one that the page before ended with. */
static bool has_moved(const struct sc_host *host, const struct sc_page *in)
{
    const char *last = host->api->get(host, SC_WALK, "last");
    return last && (in->items == 0 || !sc_str_is(host->api->item(host, 0), last));
}

/* Back to offset 0; when the list never stands still the walk ends here, and the next one begins an overlap before. */
static enum sc_more begin_again(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    int64_t shifts = rest_get_number(host, SC_WALK, "shifts", 0) + 1;
    const char *since = host->api->get(host, SC_WALK, "since");
    host->api->trace(host, "the list has moved while it was read (%lld times): %s %s", (long long)shifts,
                     shifts > MAX_SHIFTS ? "the next poll begins before" : "again from", since ? since : "?");
    int64_t from, to;
    if (shifts > MAX_SHIFTS && host->api->past(host, &from, &to)) { /* nothing reads it after that */
        snprintf(out->detail, sizeof out->detail, "the list moved %d times while it was read", MAX_SHIFTS);
        return SC_LOOP;
    }
    if (shifts > MAX_SHIFTS)
        return SC_WALKED;
    return drop_offset(host, in->items) && rest_set_number(host, SC_WALK, "shifts", shifts) ? SC_MORE : no_memory(out);
}

static enum sc_more go_on(struct sc_host *host, const struct sc_page *in, uint64_t count, const struct step *step, struct sc_verdict *out)
{
    const struct rest_data_type *row = row_of(host);
    if (row->window && !rest_window_answered(host, rest_get_number(host, SC_PAGE, "answered", in->answered)))
        return no_memory(out);
    bool reached = !row->window && rest_past_reached(host, in);
    if (row->checkpoint == REST_CHECKPOINT_NEXT)
        return move_cursor(host, in, step->last || reached, step->next, out);
    if (step->last || reached)
        return end_walk(host, in, out);
    if (row->next == REST_NEXT_OFFSET)
        return go_on_by_offset(host, in, count, out);
    return step->by_time && time_moves(host, in) ? follow_time(host, in, count, out) : go_on_by_cursor(host, in, step->next, out);
}

/* The first item from `at` on that was not read before: of files that are fetched one by one. */
static uint32_t first_unread(struct sc_host *host, uint32_t at)
{
    uint32_t items = host->api->items(host), from = at;
    while (row_of(host)->list->each && at < items && host->api->was_read(host, host->api->item_more(host, at, 0)))
        at++;
    if (at > from)
        host->api->trace(host, "%u listed files from number %u on were read before: not fetched again", at - from, from + 1);
    return at;
}

/* Before anything of them is fetched. */
static bool can_fetch_each(struct sc_host *host, struct sc_verdict *out)
{
    const char *base = host->api->base_url(host);
    for (uint32_t n = 0; row_of(host)->list->each && n < host->api->items(host); n++) {
        struct sc_str below;
        const char *why = rest_url_below(base, host->api->item(host, n), &below);
        if (!why && host->api->item_more(host, n, 0).len == 0)
            why = "has no name";
        if (!why)
            continue;
        snprintf(out->detail, sizeof out->detail, "number %u of the listed files %s: nothing is skipped, the list is asked again", n + 1, why);
        return false;
    }
    return true;
}

static enum sc_more list_read(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    struct step step;
    int64_t now = host->api->now(host), asked = rest_get_number(host, SC_PAGE, "asked", now);
    if (!read_step(host, in->items, &step, out) || !can_fetch_each(host, out))
        return SC_BROKEN;
    if (has_moved(host, in))
        return begin_again(host, in, out);
    uint32_t at = first_unread(host, 0);
    if (in->items == 0 && row_of(host)->next != REST_NEXT_URL) /* an empty list is the end, but where pages have addresses */
        step.last = true;
    if (at == in->items)
        return go_on(host, in, in->items, &step, out);
    bool kept = rest_set_number(host, SC_PAGE, "listed", asked < now ? asked : now) &&
                host->api->set(host, SC_PAGE, "next", step.last ? NULL : step.next) &&
                host->api->set(host, SC_PAGE, "by_time", step.by_time ? "1" : NULL) && host->api->set(host, SC_PAGE, "got", "0") &&
                rest_set_number(host, SC_PAGE, "at", at);
    return kept ? SC_PART : no_memory(out);
}

static enum sc_more details_read(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    uint32_t items = host->api->items(host);
    int64_t at = rest_get_number(host, SC_PAGE, "at", 0) + rest_get_number(host, SC_PAGE, "count", 0);
    int64_t got = rest_get_number(host, SC_PAGE, "got", 0) + (int64_t)in->records;
    at = first_unread(host, (uint32_t)at);
    if (at < items)
        return rest_set_number(host, SC_PAGE, "got", got) && rest_set_number(host, SC_PAGE, "at", at) ? SC_PART : no_memory(out);
    if (got < items && !row_of(host)->list->each)
        host->api->trace(host, "%lld of %u listed %s have no details: passed over", (long long)(items - got), items, host->type->noun);
    const char *kept = host->api->get(host, SC_PAGE, "next"), *next = kept ? host->api->text(host, "%s", kept) : "";
    if (!next)
        return no_memory(out);
    return go_on(host, in, items, &(struct step){.last = !kept, .by_time = host->api->get(host, SC_PAGE, "by_time"), .next = next}, out);
}

enum sc_more rest_page_read(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    struct step step;
    if (rest_get_number(host, SC_WALK, "lost", 0) > MAX_LOST) {
        snprintf(out->detail, sizeof out->detail,
                 "the vendor forgot the walk's cursor %d times behind page %lld or before: cursors expire faster than pages are read; look at "
                 "what slows down NATS or the network, or set a smaller page_size; the next poll begins again",
                 MAX_LOST + 1, (long long)rest_get_number(host, SC_WALK, "reached", 0));
        return SC_LOOP;
    }
    if (row_of(host)->window && !keep_lower(host, SC_PAGE, "answered", in->answered))
        return no_memory(out);
    if (row_of(host)->list && in->reply == &row_of(host)->list->reply)
        return list_read(host, in, out);
    if (row_of(host)->list)
        return details_read(host, in, out);
    return read_step(host, in->records, &step, out) ? go_on(host, in, in->records, &step, out) : SC_BROKEN;
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------------ */

/* Kept for the walk. The agent lets a request be changed 8 times in a row: 1000, 500, 250, 125, 62, 12, 2, 1. */
bool rest_halve_batch(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    if (in->status != 400 || !rest_in_details(host) || rest_is_web_page(in->body_prefix))
        return false;
    int64_t asked = rest_get_number(host, SC_PAGE, "count", 0), less = asked > 100 ? asked / 2 : asked >= 5 ? asked / 5 : 1;
    if (asked < 2 || !rest_set_number(host, SC_WALK, "batch", less))
        return false;
    char said[100];
    snprintf(said, sizeof said, "%.99s", out->detail);
    out->action = SC_AGAIN;
    out->reason = SC_REASON_BAD_RESPONSE;
    snprintf(out->detail, sizeof out->detail,
             "400 to a request for %lld details (%s): asked for %lld at a time; if this comes with each poll, lower %s", (long long)asked,
             said, (long long)less, row_of(host)->list->batch);
    return true;
}

/* The walk's own lower bound, which has followed the time, lies behind what the position gives. Before that identities are forgotten. */
static bool bound_holds(const struct sc_host *host)
{
    struct sc_str since = sc_str_of(host->api->get(host, SC_WALK, "since"));
    return row_of(host)->follows_time && since.ptr && host->api->parse_time(host, since, SC_TIME_RFC3339) >= rest_lower_bound(host);
}

/* Once too often: the page that follows ends the walk (rest_page_read). */
bool rest_forget_cursor(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    const struct rest_data_type *row = row_of(host);
    int64_t pages = rest_get_number(host, SC_WALK, "pages", 0), reached = rest_get_number(host, SC_WALK, "reached", 0);
    int64_t lost = pages > reached ? 1 : rest_get_number(host, SC_WALK, "lost", 0) + 1;
    const char *since = row->window                             ? host->api->get(host, SC_WALK, "from")
                        : row->unordered || bound_holds(host) ? host->api->get(host, SC_WALK, "since")
                                                              : rest_freeze_since(host);
    if (!row->unordered && !since)
        return false;
    if (!rest_set_number(host, SC_WALK, "reached", pages > reached ? pages : reached) || !rest_set_number(host, SC_WALK, "lost", lost) ||
        !rest_set_number(host, SC_WALK, "pages", 0))
        return false;
    out->action = SC_AGAIN;
    out->reason = SC_REASON_CURSOR_EXPIRED;
    const char *from = rest_is_whole(host) ? "the beginning" : since ? since : "its lower bound";
    if (row->checkpoint == REST_CHECKPOINT_NEXT) {
        const char *time = host->api->get(host, SC_POSITION, "time");
        snprintf(out->detail, sizeof out->detail,
                 "%d: the vendor no longer knows the position%s%.40s: going on by time from %.40s; what was read before is recognised", in->status,
                 time ? " of " : "", time ? time : "", from);
        host->api->set(host, SC_POSITION, "cursor", NULL);
        return true;
    }
    snprintf(out->detail, sizeof out->detail,
             "%d: the vendor no longer knows the cursor behind page %lld: the walk is read again from %.40s; what was read before is recognised",
             in->status, (long long)pages, from);
    host->api->set(host, SC_WALK, cursor_name(host), NULL);
    host->api->set(host, SC_WALK, "opened", NULL);
    return true;
}
