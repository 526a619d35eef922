/* The engine: the three calls of struct sc_connector_ops, driven by the data type's table. Keeps nothing of its own; whatever it must
 * know again is in the host's position and walk. A position changes only in page(), once the page is sure to count, and where a lost
 * cursor is forgotten. */
#include "rest/job.h"
#include "rest/parts.h"

#include <stdio.h>

/* The agent refuses it and says that memory is short: request() itself has no way to. */
#define NO_URL "memory://none"

static const struct rest_data_type *row_of(const struct sc_host *host)
{
    return host->type->engine;
}

static const char *stored_next(const struct sc_host *host)
{
    return row_of(host)->checkpoint == REST_CHECKPOINT_NEXT ? host->api->get(host, SC_POSITION, "next") : NULL;
}

static struct rest_place place_of(const struct sc_host *host)
{
    const struct rest_data_type *row = row_of(host);
    return row->place ? row->place(host) : (struct rest_place){0};
}

/* Path and query below the base URL. */
static const char *first_url(struct sc_host *host)
{
    const struct rest_data_type *row = row_of(host);
    const char *path = rest_expand(host, row->path), *query = row->query ? rest_expand(host, row->query) : "";
    return path && query ? host->api->text(host, "%s%s%s", path, *query ? "?" : "", query) : NULL;
}

static const char *url_of(struct sc_host *host, const struct rest_place *place)
{
    const char *url = place->url ? place->url : first_url(host);
    return url ? host->api->text(host, "%s%s", place->url ? "" : host->api->base_url(host), url) : NULL;
}

/* ---- validators: each belongs to one URL -------------------------------------------------------------------------------- */

struct name {
    char text[48];
};

static struct name name_at(const struct rest_place *place, const char *what)
{
    struct name name;
    snprintf(name.text, sizeof name.text, "%s%s%s", place->name ? place->name : "", place->name ? "_" : "", what);
    return name;
}

static const char *kept(const struct sc_host *host, const struct rest_place *place, const char *what)
{
    return host->api->get(host, SC_POSITION, name_at(place, what).text);
}

/* Stored, and of the very URL that is asked. */
static bool has_validators(struct sc_host *host, const struct rest_place *place)
{
    const char *of = kept(host, place, "url"), *url = url_of(host, place);
    return of && url && strcmp(of, url) == 0 && (kept(host, place, "etag") || kept(host, place, "last_modified"));
}

static void add_header(struct sc_host *host, struct sc_request *out, const char *name, const char *value)
{
    unsigned n = 0;
    while (n + 1 < SC_MAX_REQUEST_HEADERS && out->headers[n].name)
        n++;
    const char *copy = value ? host->api->text(host, "%s", value) : NULL;
    if (copy)
        out->headers[n] = (struct sc_header){name, copy};
}

static void add_conditions(struct sc_host *host, struct sc_request *out)
{
    struct rest_place place = place_of(host);
    if (has_validators(host, &place)) {
        add_header(host, out, "If-None-Match", kept(host, &place, "etag"));
        add_header(host, out, "If-Modified-Since", kept(host, &place, "last_modified"));
    } else if (host->api->get(host, SC_WALK, "unasked_304")) {
        add_header(host, out, "Cache-Control", "no-cache");
    }
}

static void keep(struct sc_host *host, const struct rest_place *place, const char *what, struct sc_str value)
{
    struct name name = name_at(place, what);
    const char *text = value.len ? host->api->text(host, "%.*s", (int)value.len, value.ptr) : NULL;
    if (!text || !host->api->set(host, SC_POSITION, name.text, text))
        host->api->set(host, SC_POSITION, name.text, NULL);
}

static void keep_validators(struct sc_host *host)
{
    struct rest_place place = place_of(host);
    struct sc_str url = sc_str_of(url_of(host, &place));
    keep(host, &place, "url", url);
    keep(host, &place, "etag", host->api->header(host, "ETag", 0));
    keep(host, &place, "last_modified", host->api->header(host, "Last-Modified", 0));
    if (row_of(host)->place)
        keep(host, &(struct rest_place){0}, "answered", url);
}

/* ---- request ------------------------------------------------------------------------------------------------------------ */

static bool is_paged(const struct sc_host *host)
{
    const struct rest_data_type *row = row_of(host);
    return row->next == REST_NEXT_OFFSET || row->next == REST_NEXT_BODY_CURSOR || row->next == REST_NEXT_URL || row->window || row->list;
}

/* Headers and budgets of any request. */
static void complete(const struct sc_host *host, struct sc_request *out)
{
    const struct rest_data_type *row = row_of(host);
    bool form = rest_is_job(host) && row->job->form;
    if (!out->url)
        out->url = NO_URL;
    out->headers[0] = (struct sc_header){"Accept", row->accept ? row->accept : "application/json"};
    if (out->body.len)
        out->headers[1] = (struct sc_header){"Content-Type", form ? "application/x-www-form-urlencoded" : "application/json"};
    for (unsigned i = 0; i < SC_MAX_REQUEST_POOLS; i++)
        out->pools[i] = row->pools[i];
}

static enum sc_next request(struct sc_host *host, struct sc_request *out)
{
    const struct rest_data_type *row = row_of(host);
    out->method = row->method;
    if (rest_is_job(host)) {
        if (!rest_job_request(host, out))
            return SC_DONE;
    } else if (is_paged(host)) {
        if (!rest_page_request(host, out))
            return SC_DONE;
    } else {
        const char *next = stored_next(host), *elsewhere = place_of(host).url;
        out->url = next || elsewhere ? host->api->text(host, "%s", next ? next : elsewhere) : first_url(host);
    }
    complete(host, out);
    if (row->checkpoint == REST_CHECKPOINT_VALIDATORS)
        add_conditions(host, out);
    return SC_SEND;
}

static bool leave(struct sc_host *host, struct sc_request *out)
{
    if (!rest_is_job(host) || !rest_job_leave(host, out))
        return false;
    complete(host, out);
    return true;
}

/* ---- response ----------------------------------------------------------------------------------------------------------- */

static void judge_not_modified(struct sc_host *host, struct sc_verdict *out)
{
    struct rest_place place = place_of(host);
    if (has_validators(host, &place)) {
        out->action = SC_FINISHED;
        return;
    }
    bool again = !host->api->get(host, SC_WALK, "unasked_304") && host->api->set(host, SC_WALK, "unasked_304", "1");
    out->action = again ? SC_AGAIN : SC_REFUSE;
    out->reason = SC_REASON_BAD_RESPONSE;
    snprintf(out->detail, sizeof out->detail, "\"not modified\" to a request without condition: %s",
             again ? "a proxy on the way must have answered, asked once more past it" : "a proxy on the way answers, and keeps to it");
    if (!again)
        snprintf(out->advice, sizeof out->advice, "Exempt this address from the proxy's cache.");
}

static bool is_listed(const int *statuses, int status)
{
    for (unsigned i = 0; i < REST_MAX_STATUSES && statuses[i]; i++) {
        if (statuses[i] == status)
            return true;
    }
    return false;
}

/* The vendor refuses the cursor that was used: forgotten, and on by time. A web page is not the vendor's word. */
static bool forget_lost_cursor(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    bool kept = is_paged(host) ? rest_cursor(host) && !rest_in_details(host) : stored_next(host) != NULL;
    if (!kept || !is_listed(row_of(host)->cursor_lost, in->status) || rest_is_web_page(in->body_prefix))
        return false;
    if (is_paged(host))
        return rest_forget_cursor(host, in, out);
    const char *known = host->api->get(host, SC_POSITION, "time"), *time = known ? host->api->text(host, "%s", known) : NULL;
    const char *since = rest_freeze_since(host);
    if (!since)
        return false;
    out->action = SC_AGAIN;
    out->reason = SC_REASON_CURSOR_EXPIRED;
    snprintf(out->detail, sizeof out->detail,
             "%d: the vendor no longer knows the position%s%s: going on by time from %s; what was read before is recognised", in->status,
             time ? " of " : "", time ? time : "", since);
    host->api->set(host, SC_POSITION, "next", NULL);
    return true;
}

static void add_more(const struct rest_data_type *row, struct sc_str object, struct rest_fault *fault)
{
    char more[100];
    size_t n = strlen(fault->text);
    if (row->error_also && rest_error_path(object, row->error_also, more, sizeof more))
        snprintf(fault->text + n, sizeof fault->text - n, "%s%s", n ? ": " : "", more);
}

static bool read_list(const struct rest_data_type *row, struct sc_str list, struct rest_fault *ret)
{
    bool any = rest_first_fault(list, row->error_code, row->error_text, ret);
    if (any)
        add_more(row, rest_first_element(list), ret);
    return any;
}

/* What the body of an error says. */
static struct rest_fault read_fault(const struct rest_data_type *row, struct sc_str body)
{
    struct rest_fault fault = {0};
    if (row->error_list) {
        read_list(row, rest_error_value(body, row->error_list), &fault);
        return fault;
    }
    if (row->error_code)
        rest_error_member(body, row->error_code, fault.code, sizeof fault.code);
    if (row->error_text)
        rest_error_member(body, row->error_text, fault.text, sizeof fault.text);
    add_more(row, body, &fault);
    return fault;
}

static void say_fault(const struct rest_fault *fault, const char *before, struct sc_verdict *out)
{
    snprintf(out->detail, sizeof out->detail, "%s%s%s%.130s", before, fault->code, fault->code[0] && fault->text[0] ? " " : "", fault->text);
}

static bool judge_by_table(const struct rest_data_type *row, int status, const char *code, struct sc_verdict *out)
{
    for (const struct rest_error *e = row->errors; e && e->status; e++) {
        if (e->status != status || (e->code && strcmp(e->code, code) != 0))
            continue;
        out->reason = e->reason;
        out->by_status = !e->code;
        out->narrower = e->narrower;
        snprintf(out->advice, sizeof out->advice, "%s", e->advice ? e->advice : "");
        return true;
    }
    return false;
}

static void read_error(const struct rest_data_type *row, const struct sc_response *in, struct sc_verdict *out)
{
    struct rest_fault fault = read_fault(row, in->body_prefix);
    say_fault(&fault, "", out);
    if (judge_by_table(row, in->status, fault.code, out))
        out->action = SC_REFUSE;
}

/* The head alone decides only what is a page; the rest waits for the body. */
static void response(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    const struct rest_data_type *row = row_of(host);
    out->action = SC_BY_STATUS;
    if (in->status && !in->body_complete) {
        if (rest_is_job(host) && rest_job_not_ready(host, in->status))
            out->action = SC_REFUSE;
        return;
    }
    bool judged = rest_is_job(host) && rest_job_refused(host, in, out);
    if (!judged && in->status == 304 && row->checkpoint == REST_CHECKPOINT_VALIDATORS) {
        judge_not_modified(host, out);
    } else if (!judged && !forget_lost_cursor(host, in, out) && in->status) {
        read_error(row, in, out);
        rest_halve_batch(host, in, out);
    }
    bool final = out->action == SC_AGAIN || out->action == SC_FINISHED;
    if (row->refused && !final)
        row->refused(host, in, out);
}

/* ---- page --------------------------------------------------------------------------------------------------------------- */

/* Never back; and as long as there is no time, the bound of the first walk. */
void rest_remember_time(struct sc_host *host, const struct sc_page *in)
{
    int64_t known = rest_position_time(host);
    enum sc_time_format form = host->type->time_format;
    if (in->newest_time != SC_TIME_NONE && (known == SC_TIME_NONE || in->newest_time > known)) {
        const char *text = form == SC_TIME_RFC3339 || form == SC_TIME_DATE
                               ? host->api->text(host, "%.*s", (int)in->newest_text.len, in->newest_text.ptr)
                               : host->api->rfc3339(host, in->newest_time);
        if (text && host->api->set(host, SC_POSITION, "time", text))
            host->api->set(host, SC_POSITION, "since", NULL);
        return;
    }
    const char *since = host->api->get(host, SC_WALK, "since");
    int64_t bound = since ? host->api->parse_time(host, sc_str_of(since), SC_TIME_RFC3339) : SC_TIME_NONE;
    if (known == SC_TIME_NONE && since && !host->api->get(host, SC_POSITION, "since"))
        host->api->set(host, SC_POSITION, "since", since);
    else if (known != SC_TIME_NONE && bound != SC_TIME_NONE && bound > known) /* the vendor's reach cut it, and a gap says so: once is enough */
        host->api->set(host, SC_POSITION, "time", since);
}

static struct sc_str find_link(const struct sc_host *host, const char *relation)
{
    struct sc_str line, target = {0};
    for (unsigned n = 0; !target.ptr && (line = host->api->header(host, "Link", n)).ptr; n++)
        target = rest_link_target(line, relation);
    return target;
}

/* For people: no query, which may hold anything. */
static int shown_len(struct sc_str url)
{
    size_t n = 0;
    while (n < url.len && n < 100 && url.ptr[n] != '?' && url.ptr[n] >= ' ' && url.ptr[n] <= '~')
        n++;
    return (int)n;
}

static enum sc_more follow_link(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    int64_t from, to;
    bool past = host->api->past(host, &from, &to); /* a closed window has an end */
    bool last = (row_of(host)->stop == REST_STOP_EMPTY_PAGE && in->records == 0) || rest_past_reached(host, in);
    struct sc_str target = find_link(host, "next"), below;
    if (!target.ptr && (last || past))
        return SC_WALKED; /* the link that was used stays */
    if (!target.ptr) {
        snprintf(out->detail, sizeof out->detail,
                 "a page of %llu records came without a Link header of relation \"next\": the position cannot move past them",
                 (unsigned long long)in->records);
        return SC_BROKEN;
    }
    const char *base = host->api->base_url(host), *why = rest_link_below(base, target, &below);
    if (why) {
        snprintf(out->detail, sizeof out->detail, "the next page (%.*s) %s: only what is below %.60s is followed",
                 shown_len(target), target.ptr, why, base);
        return SC_BROKEN;
    }
    const char *used = stored_next(host), *next = host->api->text(host, "%.*s", (int)below.len, below.ptr);
    if (used && next && strcmp(used, next) == 0 && !last) {
        snprintf(out->detail, sizeof out->detail, "the vendor names the page of %llu records that was just read as the next one",
                 (unsigned long long)in->records);
        return SC_LOOP;
    }
    if (!next || !host->api->set(host, SC_POSITION, "next", next)) {
        snprintf(out->detail, sizeof out->detail, "the next page's address cannot be kept: %zu bytes, or memory is short", below.len);
        return SC_BROKEN;
    }
    return last ? SC_WALKED : SC_MORE;
}

/* An error inside a success: the reason by its code, as if that were the status. */
static bool is_faulty(struct sc_host *host, struct sc_verdict *out)
{
    const struct rest_data_type *row = row_of(host);
    struct rest_fault fault;
    if (!row->error_list || !read_list(row, host->api->envelope(host, row->error_list), &fault))
        return false;
    int status = rest_status_of(fault.code);
    say_fault(&fault, "an error inside a reply of status 200, nothing of it counts: ", out);
    if (!judge_by_table(row, status, fault.code, out))
        out->reason = status == 401   ? SC_REASON_AUTH_INVALID
                      : status == 403 ? SC_REASON_PERMISSION_DENIED
                      : status == 429 ? SC_REASON_RATE_LIMITED
                                      : SC_REASON_VENDOR_ERROR;
    return true;
}

/* Behind a walk that was read to its end. Where the newest record is so old that the vendor's reach will soon pass it, it is noted up to when nothing
 * newer was there: that is no gap. */
static void note_quiet(struct sc_host *host, const struct sc_page *in)
{
    const struct rest_data_type *row = row_of(host);
    int64_t known = rest_known_time(host), until = in->answered - (int64_t)host->type->lag_s * 1000;
    int64_t from, to;
    bool moved = rest_get_number(host, SC_WALK, "shifts", 0) > 0; /* the end of such a walk may be that it was given up */
    bool old = !moved && !host->api->past(host, &from, &to) && row->reach_s && !row->window && known != SC_TIME_NONE && until - known > (int64_t)row->reach_s * 500;
    const char *text = old ? host->api->rfc3339(host, until) : NULL;
    if (text || host->api->get(host, SC_POSITION, "quiet"))
        host->api->set(host, SC_POSITION, "quiet", text);
}

static enum sc_more read_page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    const struct rest_data_type *row = row_of(host);
    if (is_faulty(host, out))
        return SC_BROKEN;
    if (rest_is_job(host))
        return rest_job_read(host, in, out);
    if (in->absent && !(row->cursor && host->type->may_lack_records && host->api->envelope(host, row->cursor).len))
        return SC_BROKEN;
    if (is_paged(host))
        return rest_page_read(host, in, out);
    enum sc_more more = row->next == REST_NEXT_LINK_HEADER ? follow_link(host, in, out) : SC_WALKED;
    if (more == SC_BROKEN)
        return more;
    if (row->checkpoint == REST_CHECKPOINT_VALIDATORS)
        keep_validators(host);
    rest_remember_time(host, in);
    return more;
}

static enum sc_more page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    enum sc_more more = read_page(host, in, out);
    if (more == SC_WALKED)
        note_quiet(host, in);
    return more;
}

const struct sc_connector_ops rest_ops = {.request = request, .response = response, .page = page, .leave = leave};
