/* Jobs at the vendor (job.h): made, looked at, read in parts, taken back. All state is text in the walk, so that a restart, or a day without the
 * agent, finds the job again, or finds it gone and makes it anew.
 *
 * The worst moments: a job that was made by a request whose reply never came is found by the vendor's refusal of the next one, and taken for ours only
 * where such a request was made and the job came after it (SC_WALK job_asked is in the bucket before anything is sent). A part counts once its page is acknowledged,
 * as any page does. A job that vanishes costs its parts being read again; the window stays as it was frozen. */
#include "rest/job.h"
#include "rest/parts.h"

#include <stdio.h>
#include <strings.h>

#define FIRST_PAUSE_S 2
#define LAST_PAUSE_S  30
#define MAX_TRIES     3    /* jobs made for one window in one walk */
#define MAX_BAD       3    /* a part that cannot be read is asked so many times more */
#define QUEUED_S      3600
#define STUCK_S       21600
#define UNWATCHED_MS  300000 /* so long after its time a look says nothing of how long the vendor has been idle */
#define CLOCK_MS      2000   /* how far our idea of the vendor's time may be off */
#define MAX_ID        200

static const struct sc_reply nothing = {.items = NULL};

static const struct rest_data_type *row_of(const struct sc_host *host)
{
    return host->type->engine;
}

static const struct rest_job *job_of(const struct sc_host *host)
{
    return row_of(host)->job;
}

static const char *walk(const struct sc_host *host, const char *name)
{
    return host->api->get(host, SC_WALK, name);
}

static bool keep(struct sc_host *host, const char *name, const char *value)
{
    return host->api->set(host, SC_WALK, name, value);
}

static int64_t number(const struct sc_host *host, const char *name, int64_t none)
{
    return rest_get_number(host, SC_WALK, name, none);
}

static bool keep_number(struct sc_host *host, const char *name, int64_t value)
{
    return rest_set_number(host, SC_WALK, name, value);
}

bool rest_is_job(const struct sc_host *host)
{
    const struct rest_job *job = job_of(host);
    return job && (!job->wanted || job->wanted(host));
}

/* Nothing of the job itself is left; what the window is, and how many were made for it, stays. */
static void drop_job(struct sc_host *host)
{
    static const char *const names[] = {"job",      "job_asked", "job_state", "job_moved", "job_look",   "job_pause", "job_todo",
                                        "job_done", "part",      "job_end",   "job_total", "job_others", "job_lacks", "job_quit", "top"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        keep(host, names[i], NULL);
    host->api->set(host, SC_PAGE, "at", NULL);
    host->api->set(host, SC_PAGE, "bad", NULL);
}

/* ---- ranges --------------------------------------------------------------------------------------------------------------- */

static bool take_number(const char **at, int64_t *ret)
{
    const char *from = *at;
    while (**at >= '0' && **at <= '9')
        ++*at;
    return rest_number((struct sc_str){from, (size_t)(*at - from)}, ret);
}

bool rest_range_next(const char **at, struct rest_range *ret)
{
    *at += **at == ',';
    if (!take_number(at, &ret->from))
        return false;
    ret->to = ret->from;
    if (**at != '-')
        return true;
    ++*at;
    return take_number(at, &ret->to) && ret->to >= ret->from;
}

bool rest_ranges_have(const char *text, int64_t n)
{
    struct rest_range range;
    while (rest_range_next(&text, &range)) {
        if (n >= range.from && n <= range.to)
            return true;
    }
    return false;
}

static bool put_range(char *out, size_t *len, struct rest_range range)
{
    char text[48];
    int n = range.from == range.to ? snprintf(text, sizeof text, "%s%lld", *len ? "," : "", (long long)range.from)
                                   : snprintf(text, sizeof text, "%s%lld-%lld", *len ? "," : "", (long long)range.from, (long long)range.to);
    if (n < 0 || *len + (size_t)n > REST_RANGES_MAX)
        return false;
    memcpy(out + *len, text, (size_t)n + 1);
    *len += (size_t)n;
    return true;
}

/* `next` joins `last` where they touch; else `last` is written and `next` takes its place. */
static bool join(char *out, size_t *len, struct rest_range *last, struct rest_range next)
{
    if (last->from <= last->to && next.from <= last->to + 1) {
        last->to = next.to > last->to ? next.to : last->to;
        return true;
    }
    bool fits = last->from > last->to || put_range(out, len, *last);
    *last = next;
    return fits;
}

bool rest_ranges_add(const char *text, int64_t n, char *out)
{
    struct rest_range range, last = {1, 0};
    size_t len = 0;
    bool placed = false, fits = true;
    out[0] = '\0';
    while (fits && rest_range_next(&text, &range)) {
        if (!placed && n <= range.from) {
            fits = join(out, &len, &last, (struct rest_range){n, n});
            placed = true;
        }
        fits = fits && join(out, &len, &last, range);
    }
    if (fits && !placed)
        fits = join(out, &len, &last, (struct rest_range){n, n});
    return fits && put_range(out, &len, last);
}

bool rest_ranges_drop(const char *text, int64_t n, char *out)
{
    struct rest_range range;
    size_t len = 0;
    bool fits = true;
    out[0] = '\0';
    while (fits && rest_range_next(&text, &range)) {
        bool in = n >= range.from && n <= range.to;
        if (!in)
            fits = put_range(out, &len, range);
        else if (n > range.from)
            fits = put_range(out, &len, (struct rest_range){range.from, n - 1});
        if (fits && in && n < range.to)
            fits = put_range(out, &len, (struct rest_range){n + 1, range.to});
    }
    return fits;
}

/* ---- what is asked ---------------------------------------------------------------------------------------------------------- */

enum step {
    STEP_LEAVE,
    STEP_MAKE,
    STEP_LOOK,
    STEP_PART,
    STEP_RESULTS
};

static enum step step_of(const struct sc_host *host)
{
    if (walk(host, "job_quit"))
        return STEP_LEAVE;
    if (!walk(host, "job"))
        return STEP_MAKE;
    if (walk(host, "part"))
        return STEP_PART;
    return job_of(host)->by_offset && walk(host, "job_end") ? STEP_RESULTS : STEP_LOOK;
}

static const char *noun_of(const struct sc_host *host)
{
    return job_of(host)->noun;
}

static const char *url_of(struct sc_host *host, const char *path_text, const char *query_text)
{
    const char *path = rest_expand(host, path_text), *query = query_text ? rest_expand(host, query_text) : "";
    return path && query ? host->api->text(host, "%s%s%s", path, *query ? "?" : "", query) : NULL;
}

/* Since when a job of ours may exist that we do not know of: the first asking whose outcome is not known. "fresh": that is the present one. */
static bool note_asking(struct sc_host *host)
{
    int64_t now = host->api->now(host);
    if (!walk(host, "job_asked") && (!keep_number(host, "job_asked", now) || !host->api->set(host, SC_PAGE, "fresh", "1")))
        return false;
    return host->api->get(host, SC_PAGE, "asked") || rest_set_number(host, SC_PAGE, "asked", now);
}

/* A refusal by the vendor's word made nothing; of any other outcome nobody knows. */
static void note_refusal(struct sc_host *host, int status)
{
    bool certain = status >= 400 && status < 500 && status != 408;
    if (certain && host->api->get(host, SC_PAGE, "fresh"))
        keep(host, "job_asked", NULL);
    host->api->set(host, SC_PAGE, "fresh", NULL);
    host->api->set(host, SC_PAGE, "asked", NULL);
}

static void ask_make(struct sc_host *host, struct sc_request *out)
{
    const struct rest_job *job = job_of(host);
    if (!note_asking(host))
        return;
    const char *text = job->form ? job->form : job->body;
    const char *body = job->make_body ? job->make_body(host) : job->form ? rest_expand(host, text) : text ? rest_body(host, text, "") : "";
    out->method = SC_POST;
    out->reply = &job->made;
    out->after_save = true;
    out->body = sc_str_of(body);
    out->url = body ? url_of(host, job->path, job->query) : NULL;
}

/* How far it is, for people. */
static const char *progress(struct sc_host *host)
{
    const char *state = walk(host, "job_state"), *id = walk(host, "job"), *done = walk(host, "job_done"), *why = walk(host, "job_why");
    const char *when = walk(host, "top") ? host->api->rfc3339(host, number(host, "top", 0)) : NULL;
    const char *told = state ? host->api->text(host, ", %.40s", state) : "", *made = when ? host->api->text(host, ", made at %.19sZ", when) : "";
    const char *parts = done && *done ? host->api->text(host, ", parts %.40s read", done) : "";
    const char *before = why ? host->api->text(host, "; the one before: %.80s", why) : "";
    const char *whose = walk(host, "job_others") ? ", perhaps somebody else's" : "";
    if (!told || !made || !parts || !before)
        return noun_of(host);
    return host->api->text(host, "%s %.40s%s%s%s%s%s", noun_of(host), id, told, made, parts, whose, before);
}

static void ask_look(struct sc_host *host, struct sc_request *out)
{
    const struct rest_job *job = job_of(host);
    out->method = SC_GET;
    out->reply = &job->look;
    out->not_before = number(host, "job_look", 0);
    out->waits_for = progress(host);
    out->url = url_of(host, job->look_path, job->look_query);
}

static void ask_results(struct sc_host *host, struct sc_request *out)
{
    const struct rest_data_type *row = row_of(host);
    out->method = row->method;
    out->reply = row->job->results;
    out->remember_as = rest_window_end_of(host);
    const char *url = url_of(host, row->path, row->query);
    if (url && row->job->by_offset)
        url = host->api->text(host, "%s%c%s=%lld", url, strchr(url, '?') ? '&' : '?', row->cursor_param,
                              (long long)rest_get_number(host, SC_PAGE, "at", 0));
    out->url = url;
}

static void ask_leave(struct sc_host *host, struct sc_request *out)
{
    out->method = job_of(host)->leave_method;
    out->reply = &nothing;
    out->url = url_of(host, job_of(host)->leave_path, NULL);
}

/* It is taken back first; then made anew, or not, where that was done often enough. */
static bool give_up(struct sc_host *host, const char *why)
{
    bool often = number(host, "job_tries", 0) >= MAX_TRIES;
    host->api->trace(host, "%s %s is given up: %s", noun_of(host), walk(host, "job"), why);
    return keep(host, "job_why", why) && keep(host, "job_quit", often ? "over" : "again");
}

/* A reply that could not be read each time is no reason to ask for ever. */
static bool give_up_bad(struct sc_host *host, enum step *step)
{
    if (*step == STEP_LEAVE || *step == STEP_MAKE || rest_get_number(host, SC_PAGE, "bad", 0) <= MAX_BAD)
        return true;
    const char *part = walk(host, "part");
    const char *why = host->api->text(host, "%s%s could not be read in %d tries",
                                      *step == STEP_PART ? "its part " : *step == STEP_LOOK ? "what became of it" : "its results",
                                      *step == STEP_PART && part ? part : "", MAX_BAD + 1);
    *step = STEP_LEAVE;
    return why && give_up(host, why);
}

bool rest_job_request(struct sc_host *host, struct sc_request *out)
{
    enum step step = step_of(host);
    out->may_repeat = true; /* looks do, and parts of a job that is made anew may have the names of the one before */
    if (!give_up_bad(host, &step))
        return true;
    if (step == STEP_LEAVE) {
        ask_leave(host, out);
        return true;
    }
    enum rest_opened opened = rest_window_open(host);
    if (opened == REST_NO_WINDOW)
        return false;
    if (opened == REST_WINDOW_FAILED)
        return true;
    switch (step) {
    case STEP_MAKE:
        ask_make(host, out);
        break;
    case STEP_LOOK:
        ask_look(host, out);
        break;
    case STEP_PART:
    case STEP_RESULTS:
        ask_results(host, out);
        break;
    case STEP_LEAVE:
        break;
    }
    return true;
}

bool rest_job_leave(struct sc_host *host, struct sc_request *out)
{
    if (!walk(host, "job") || walk(host, "job_others"))
        return false;
    ask_leave(host, out);
    return out->url != NULL;
}

/* ---- how a walk or a job ends ----------------------------------------------------------------------------------------------------- */

static enum sc_more no_memory(struct sc_verdict *out)
{
    out->reason = SC_REASON_MEMORY_LIMIT;
    snprintf(out->detail, sizeof out->detail, "memory is short: asked again");
    return SC_BROKEN;
}

/* The walk ends as an error; the next poll begins with the same window. */
static enum sc_more fail_walk(struct sc_host *host, enum sc_reason reason, const char *what, struct sc_verdict *out)
{
    const char *name = walk(host, "job");
    out->reason = reason;
    snprintf(out->detail, sizeof out->detail, "the %.20s %.40s: %.110s; the position stays, the next poll begins with a new one", noun_of(host),
             name ? name : "", what ? what : "no reason is known");
    drop_job(host);
    return SC_LOOP;
}

/* Everything of it is read. */
static enum sc_more finish(struct sc_host *host, struct sc_verdict *out)
{
    const struct rest_job *job = job_of(host);
    const char *why = walk(host, "job_end") ? walk(host, "job_lacks") : NULL;
    if (why)
        return fail_walk(host, SC_REASON_VENDOR_ERROR, why, out);
    if (job->tidy && !keep(host, "job_quit", "done"))
        return no_memory(out);
    enum sc_more more = rest_window_done(host);
    if (more == SC_BROKEN)
        return no_memory(out);
    keep(host, "job_tries", NULL);
    keep(host, "job_why", NULL);
    if (job->tidy)
        return SC_MORE;
    drop_job(host);
    return more;
}

/* It is taken back, or could not be. */
static enum sc_more left(struct sc_host *host, struct sc_verdict *out)
{
    const char *quit = walk(host, "job_quit");
    if (quit && strcmp(quit, "over") == 0)
        return fail_walk(host, SC_REASON_VENDOR_ERROR, walk(host, "job_why"), out);
    bool done = quit && strcmp(quit, "done") == 0;
    drop_job(host);
    return done && !walk(host, "from") ? SC_WALKED : SC_MORE;
}

/* ---- page: it is made --------------------------------------------------------------------------------------------------------------- */

static bool is_name(struct sc_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~')
            return false;
    }
    return id.len > 0 && id.len <= MAX_ID && !sc_str_is(id, ".") && !sc_str_is(id, "..");
}

/* Where the job's making is the window's end: not later than the vendor says, nor than we asked. */
static bool end_window(struct sc_host *host, int64_t made)
{
    int64_t unit = row_of(host)->window->unit_ms ? row_of(host)->window->unit_ms : 1, ms = made - (int64_t)host->type->lag_s * 1000;
    const char *text = job_of(host)->ends_when_made ? host->api->rfc3339(host, ms - ms % unit) : NULL;
    return !job_of(host)->ends_when_made || (text && keep(host, "to", text));
}

static bool open_job(struct sc_host *host, const char *id, int64_t now)
{
    return keep(host, "job", id) && keep_number(host, "job_moved", now) &&
           keep_number(host, "job_look", now + FIRST_PAUSE_S * 1000) && keep_number(host, "job_pause", 2 * FIRST_PAUSE_S);
}

static enum sc_more made(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    const struct rest_job *job = job_of(host);
    struct sc_str id = host->api->envelope(host, job->id);
    if (!is_name(id)) {
        note_refusal(host, 0);
        snprintf(out->detail, sizeof out->detail, "the vendor took the request for an %s, but its reply names none (\"%s\")", job->noun, job->id);
        return SC_BROKEN;
    }
    int64_t now = host->api->now(host), asked = rest_get_number(host, SC_PAGE, "asked", now);
    const char *name = host->api->text(host, "%.*s", (int)id.len, id.ptr);
    keep(host, "job_others", NULL);
    bool kept = name && open_job(host, name, now) && end_window(host, asked < in->answered ? asked : in->answered) &&
                rest_window_answered(host, in->answered) && keep_number(host, "job_tries", number(host, "job_tries", 0) + 1);
    return kept ? SC_MORE : no_memory(out);
}

/* ---- page: it is looked at ----------------------------------------------------------------------------------------------------------- */

static bool is_one_of(const char *const *values, const char *value)
{
    for (unsigned i = 0; i < REST_JOB_STATES && values[i]; i++) {
        if (strcasecmp(values[i], value) == 0)
            return true;
    }
    return false;
}

static bool read_look(struct sc_host *host, struct rest_job_look *ret)
{
    const struct rest_job *job = job_of(host);
    *ret = (struct rest_job_look){.total = -1};
    if (job->read_look)
        return job->read_look(host, ret) && ret->state;
    struct sc_str state = host->api->envelope(host, job->state);
    ret->state = state.len ? host->api->text(host, "%.*s", (int)(state.len < 100 ? state.len : 100), state.ptr) : NULL;
    return ret->state;
}

/* The parts that are named and not read yet. `out` has room for REST_RANGES_MAX + 1; *ret_all: every one of them has found room, else the rest comes with
 * a later look. */
static bool list_parts(struct sc_host *host, char *out, bool *ret_all, struct sc_verdict *verdict)
{
    char *next = (char[REST_RANGES_MAX + 1]){0};
    const char *done = walk(host, "job_done");
    *ret_all = true;
    out[0] = '\0';
    for (uint32_t i = 0; !job_of(host)->by_offset && *ret_all && i < host->api->items(host); i++) {
        int64_t n;
        struct sc_str item = host->api->item(host, i);
        if (!rest_number(item, &n)) {
            snprintf(verdict->detail, sizeof verdict->detail, "the %s names a part that is no number: \"%.*s\"", noun_of(host),
                     (int)(item.len < 40 ? item.len : 40), item.ptr);
            return false;
        }
        if (done && rest_ranges_have(done, n))
            continue;
        *ret_all = rest_ranges_add(out, n, next);
        if (*ret_all)
            memcpy(out, next, strlen(next) + 1);
    }
    return true;
}

static bool next_part(struct sc_host *host, const char *todo)
{
    struct rest_range first;
    const char *at = todo;
    if (!rest_range_next(&at, &first))
        return keep(host, "part", NULL) && keep(host, "job_todo", NULL);
    return keep_number(host, "part", first.from) && keep(host, "job_todo", todo);
}

/* Nothing moves for too long. While nobody looked nothing can be said of that. */
static const char *overdue(struct sc_host *host, const char *state, int64_t now)
{
    const struct rest_job *job = job_of(host);
    bool queued = is_one_of(job->queued, state);
    uint32_t patience = queued ? (job->queued_s ? job->queued_s : QUEUED_S) : (job->stuck_s ? job->stuck_s : STUCK_S);
    if (now - number(host, "job_look", now) > UNWATCHED_MS)
        keep_number(host, "job_moved", now);
    if (now - number(host, "job_moved", now) <= (int64_t)patience * 1000)
        return NULL;
    return host->api->text(host, "%.40s, and nothing moved in %u min", state, patience / 60);
}

/* When to look again; parts that are there already are fetched meanwhile. */
static enum sc_more wait_on(struct sc_host *host, int64_t now, struct sc_verdict *out)
{
    int64_t pause = number(host, "job_pause", FIRST_PAUSE_S), next = pause * 2;
    bool kept = keep_number(host, "job_look", now + pause * 1000) && keep_number(host, "job_pause", next < LAST_PAUSE_S ? next : LAST_PAUSE_S);
    return kept ? SC_MORE : no_memory(out);
}

/* Somebody else's has ended. The vendor that still refuses ours for its sake would have us look, make and look for ever. */
static bool drop_others(struct sc_host *host)
{
    const char *id = walk(host, "job"), *over = id ? host->api->text(host, "%s", id) : NULL;
    if (!over || !keep(host, "job_over", over))
        return false;
    drop_job(host);
    return true;
}

/* The job of somebody else's, whose filters are said to be ours: what it reads may be of another time. Until it has ended ours cannot be made. */
static enum sc_more others_looked(struct sc_host *host, const char *state, int64_t now, struct sc_verdict *out)
{
    const struct rest_job *job = job_of(host);
    if (is_one_of(job->done, state) || is_one_of(job->failed, state))
        return drop_others(host) ? SC_MORE : no_memory(out);
    if (!keep(host, "job_state", state))
        return no_memory(out);
    const char *why = overdue(host, state, now);
    if (why)
        return fail_walk(host, SC_REASON_VENDOR_BUSY, host->api->text(host, "of somebody else, with the same filters, is %.90s", why), out);
    return wait_on(host, now, out);
}

/* It was made after we first asked: then it is ours, and the moment of asking is the safe end of what it holds. */
static bool prove_ours(struct sc_host *host, const struct sc_page *in)
{
    const struct rest_job *job = job_of(host);
    int64_t bound = number(host, "job_asked", INT64_MAX - CLOCK_MS) - CLOCK_MS, created = job->created ? job->created(host) : SC_TIME_NONE;
    if (!walk(host, "job_others") || created == SC_TIME_NONE || created < bound || created > in->answered + CLOCK_MS)
        return true;
    return end_window(host, bound) && rest_window_answered(host, in->answered) && keep_number(host, "job_tries", number(host, "job_tries", 0) + 1) &&
           keep(host, "job_others", NULL);
}

static bool note_end(struct sc_host *host, const struct rest_job_look *look, bool all)
{
    const struct rest_job *job = job_of(host);
    const char *lacks = job->missing ? job->missing(host) : NULL;
    return keep(host, "job_lacks", lacks) && keep(host, "job_end", all ? "1" : NULL) &&
           (look->total < 0 || keep_number(host, "job_total", look->total));
}

static enum sc_more looked_at_ours(struct sc_host *host, const struct rest_job_look *look, int64_t now, struct sc_verdict *out)
{
    const struct rest_job *job = job_of(host);
    char todo[REST_RANGES_MAX + 1];
    bool all, done = is_one_of(job->done, look->state);
    if (is_one_of(job->failed, look->state))
        return fail_walk(host, SC_REASON_VENDOR_ERROR,
                         host->api->text(host, "the vendor says %.40s%s%.100s", look->state, look->said ? ": " : "", look->said ? look->said : ""), out);
    if (!list_parts(host, todo, &all, out))
        return SC_BROKEN;
    const char *before = walk(host, "job_state");
    bool moved = *todo || !before || strcmp(before, look->state) != 0;
    if ((moved && !keep_number(host, "job_moved", now)) || !keep(host, "job_state", look->state) || !next_part(host, todo))
        return no_memory(out);
    if (done && !note_end(host, look, all))
        return no_memory(out);
    if (done)
        return *todo || (job->by_offset && look->total != 0) ? SC_MORE : finish(host, out);
    const char *why = *todo ? NULL : overdue(host, look->state, now);
    if (why)
        return give_up(host, why) ? SC_MORE : no_memory(out);
    return wait_on(host, now, out);
}

static enum sc_more not_read(struct sc_host *host, const char *what, struct sc_verdict *out)
{
    rest_set_number(host, SC_PAGE, "bad", rest_get_number(host, SC_PAGE, "bad", 0) + 1);
    out->reason = SC_REASON_BAD_RESPONSE;
    snprintf(out->detail, sizeof out->detail, "the %s %.60s: %.150s", noun_of(host), walk(host, "job"), what ? what : "?");
    return SC_BROKEN;
}

/* Without a list of parts: none are ready, if it still runs. */
static enum sc_more no_list(struct sc_host *host, const char *state, struct sc_verdict *out)
{
    const struct rest_job *job = job_of(host);
    const char *what = host->api->text(host, "%.40s, without a list of its parts", state);
    bool over = is_one_of(job->done, state) || is_one_of(job->failed, state);
    enum sc_more more = not_read(host, what, out);
    if (!over) {
        host->api->set(host, SC_PAGE, "bad", NULL);
        out->reason = SC_REASON_VENDOR_BUSY;
    }
    return more;
}

static enum sc_more looked(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    struct rest_job_look look;
    int64_t now = host->api->now(host);
    if (!read_look(host, &look))
        return not_read(host, "the vendor does not say what became of it", out);
    if (in->absent)
        return no_list(host, look.state, out);
    if (!prove_ours(host, in))
        return no_memory(out);
    return walk(host, "job_others") ? others_looked(host, look.state, now, out) : looked_at_ours(host, &look, now, out);
}

/* ---- page: its results ------------------------------------------------------------------------------------------------------------- */

static enum sc_more part_read(struct sc_host *host, struct sc_verdict *out)
{
    char *ranges = (char[REST_RANGES_MAX + 1]){0};
    const char *done = walk(host, "job_done"), *todo = walk(host, "job_todo");
    int64_t n = number(host, "part", 0);
    if (!rest_ranges_add(done ? done : "", n, ranges))
        return fail_walk(host, SC_REASON_CONFIG_INVALID, "it has more parts than can be remembered: ask for larger ones", out);
    if (!keep(host, "job_done", ranges) || !rest_ranges_drop(todo ? todo : "", n, ranges))
        return no_memory(out);
    if (!next_part(host, ranges) || !keep_number(host, "job_moved", host->api->now(host)))
        return no_memory(out);
    return !walk(host, "part") && walk(host, "job_end") ? finish(host, out) : SC_MORE;
}

static enum sc_more results_read(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    int64_t at = rest_get_number(host, SC_PAGE, "at", 0) + (int64_t)in->records, total = number(host, "job_total", -1);
    if (in->records == 0 && at < total)
        return not_read(host, host->api->text(host, "it has %lld results by the vendor's word, and gave %lld", (long long)total, (long long)at), out);
    if (in->records == 0 || (total >= 0 && at >= total)) /* a short page says nothing: the server may give fewer than it is asked for */
        return finish(host, out);
    return rest_set_number(host, SC_PAGE, "at", at) ? SC_PART : no_memory(out);
}

enum sc_more rest_job_read(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    switch (step_of(host)) {
    case STEP_LEAVE:
        return left(host, out);
    case STEP_MAKE:
        return made(host, in, out);
    case STEP_LOOK:
        return looked(host, in, out);
    case STEP_PART:
        return in->absent ? not_read(host, "this part of it holds no records", out) : part_read(host, out);
    case STEP_RESULTS:
        break;
    }
    return in->absent ? not_read(host, "these results hold no records", out) : results_read(host, in, out);
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------------------ */

bool rest_job_not_ready(const struct sc_host *host, int status)
{
    return status == 204 && step_of(host) == STEP_RESULTS;
}

/* It could not be taken back. There is no page to say what follows: the verdict does. */
static void leave_refused(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    char id[48];
    const char *name = walk(host, "job");
    snprintf(id, sizeof id, "%.40s", name ? name : "");
    out->action = left(host, out) == SC_MORE ? SC_AGAIN : SC_FINISHED;
    if (out->action == SC_AGAIN)
        snprintf(out->detail, sizeof out->detail, "the %.20s %s could not be taken back (%d): on without that", noun_of(host), id, in->status);
}

static void find_active(struct sc_host *host, const char *id, const struct sc_response *in, struct sc_verdict *out)
{
    const char *over = walk(host, "job_over");
    if (over && strcmp(over, id) == 0) {
        out->action = SC_REFUSE;
        out->reason = SC_REASON_VENDOR_BUSY;
        snprintf(out->detail, sizeof out->detail, "no new %s because of %.60s, which by the vendor's own word has ended", noun_of(host), id);
        return;
    }
    if (!is_name(sc_str_of(id)) || !keep(host, "job_others", "1") || !open_job(host, id, host->api->now(host)))
        return; /* asked again */
    out->action = SC_AGAIN;
    out->reason = SC_REASON_VENDOR_BUSY;
    snprintf(out->detail, sizeof out->detail, "%d: an %s with the same filters runs already (%.60s): looking whether it is ours", in->status,
             noun_of(host), id);
}

static void find_gone(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    bool others = walk(host, "job_others"), often = !others && number(host, "job_tries", 0) >= MAX_TRIES;
    char text[60];
    snprintf(text, sizeof text, "%d, the vendor no longer knows it", in->status);
    if (often) {
        fail_walk(host, SC_REASON_VENDOR_ERROR, text, out);
        out->action = SC_FINISHED;
        return;
    }
    const char *from = walk(host, "from"), *id = walk(host, "job");
    out->action = SC_AGAIN;
    out->reason = others ? SC_REASON_OK : SC_REASON_CURSOR_EXPIRED;
    snprintf(out->detail, sizeof out->detail, "the %.20s %.40s: %.80s; %s from %.30s%s", noun_of(host), id, text,
             others ? "ours is made" : "made anew", from ? from : "?", others ? "" : ", what was read before is recognised");
    if (others && drop_others(host))
        return;
    drop_job(host);
    if (!others)
        keep(host, "job_why", text);
}

bool rest_job_refused(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    const struct rest_job *job = job_of(host);
    enum step step = step_of(host);
    bool page = rest_is_web_page(in->body_prefix), good = in->status >= 200 && in->status < 300;
    if (step == STEP_LEAVE) { /* whatever the reason, it is done with */
        leave_refused(host, in, out);
    } else if (step == STEP_RESULTS && in->status == 204) {
        out->action = SC_REFUSE;
        out->reason = SC_REASON_VENDOR_BUSY;
        snprintf(out->detail, sizeof out->detail, "the results of the %s are not ready yet", noun_of(host));
    } else if (good && (step == STEP_PART || step == STEP_RESULTS)) { /* cut, and could not be read */
        rest_set_number(host, SC_PAGE, "bad", rest_get_number(host, SC_PAGE, "bad", 0) + 1);
    } else if (step == STEP_MAKE) {
        const char *id = in->status && job->active && !page ? job->active(host, in) : NULL;
        note_refusal(host, in->status);
        if (!id)
            return false;
        find_active(host, id, in, out);
    } else if (step != STEP_MAKE && (in->status == 404 || in->status == 410) && !page) {
        find_gone(host, in, out);
    } else {
        return false;
    }
    return true;
}
