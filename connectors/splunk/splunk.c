/* Splunk Enterprise and Splunk Cloud: the results of a search, by the management port's REST API.
 *
 * What is odd about it:
 * - An export answers 200 before the search has run and may say later, in a line of its own, that it failed. Such a line (ERROR, FATAL) fails the
 *   whole window, as does a broken connection; what was published until then is recognised when the window is read again. DEBUG, INFO and WARN
 *   are diagnostics. Lines that are previews are passed over. Some servers put a list, "results", where others have one "result".
 * - Events come newest first, so only whole windows count: [earliest_time, latest_time) in whole seconds, at most an hour each, the last one
 *   a minute (lag) before the server's present; shorter ones after a reply that was too large.
 * - An event is dated by its text and found by that time, however late it is indexed. Each poll therefore begins 15 minutes before the end of
 *   the last window. What is promised: an event that can be found within 15 minutes after its own time is read, once. Later ones are read
 *   with index_time alone: windows then go by the time of indexing, which passes nothing that has been indexed a minute ago; the bounds by
 *   event time are late_hours wider on both sides. (index_earliest, index_latest: unverified as parameters, so this is off. Equal events that
 *   have no place in the index and are indexed minutes apart count as one there.)
 * - An event is known by its place in the index (_cd, _bkt), else by _raw, _time, host and source (the last two may be missing), equal ones counted
 *   within their window. A search that computes or multiplies rows (stats, timechart, mvexpand, table; whatever begins with `|`; any command that
 *   is not known to leave events alone) has neither: its rows are published as they come, known by their bytes and their window, and its windows do
 *   not overlap, which would count the same events twice. Events that come later than the lag are missing in such rows.
 * - earliest= or latest= in the search itself override the request's bounds (spl.c finds these words). Then there are no windows: the search is run
 *   as it is with each poll. Its events are recognised for as long as its own earliest= can bring them again; if that cannot be told (no
 *   earliest=, a date), for as long as identities are kept at all. Its rows are another poll's rows each time.
 * - Two ways (settings.mode): an export is a stream, which ends when the search does; a job is made, waited for (QUEUED ... DONE), read by
 *   offset and deleted. A job keeps a long search safe from connections that time out. The v2 paths need Splunk 9.0.1; where the first 404
 *   comes before any answer the old ones are tried, and kept if they answer. A job's status is a large document; where the number of results is beyond what is kept of it, results
 *   are read until there are no more.
 * - Three ways to sign in: a token; user and password, exchanged for a session key (which dies after about an hour without use, unverified); or
 *   these two with each call. The token wins.
 * - There is no quota of requests. What runs out is the number of searches that a role may run at a time: 503, or a FATAL message (both
 *   unverified), are waited for as any throttle. Two searches at a time are run with one credential.
 * - Certificates of port 8089 are mostly made by Splunk itself: ca_file. In Splunk Cloud the port is closed until support opens it for an address;
 *   free trials have none.
 * - Values are text or, where a member has several, lists; a list in the place of an identity makes the bytes the identity. */
#include "rest/job.h"
#include "splunk/reply.h"
#include "splunk/spl.h"

#include <stdio.h>
#include <stdlib.h>

#define LATE_S   (15 * 60) /* how late after its own time an event may be found */
#define LAG_S    60
#define WINDOW_S 3600
#define CLOCK_S  2 /* what we hold for the server's time may be so far ahead of its Date */
#define SLACK_MS 3600000 /* of the time zone in which a search's own -1d@d is read, and of clocks */
#define NO_URL   "memory://none"

#define NEW_TOKEN                                                                                                             \
    "Make a token (Settings > Tokens, of a user whose role has the capability search and the indexes that are wanted) and save it as " \
    "auth_token; or save username and password."

/* ---- the search ------------------------------------------------------------------------------------------------------------- */

static const char *setting_of(const struct sc_host *host, const char *name)
{
    const char *value = host->api->setting(host, name);
    return value ? value : "";
}

static const char *search_of(const struct sc_host *host)
{
    const char *search = setting_of(host, "custom_search");
    return search[strspn(search, " \t\r\n")] ? search : "index=main";
}

static struct spl spl_of(const struct sc_host *host)
{
    return spl_read(search_of(host));
}

static bool by_index_time(const struct sc_host *host)
{
    return strcmp(setting_of(host, "index_time"), "true") == 0;
}

static bool by_job(const struct sc_host *host)
{
    return strcmp(setting_of(host, "mode"), "job") == 0;
}

#define PIECE 4096 /* of a search; longer ones take a few */

/* form-urlencoded; NULL: memory is short. */
static const char *encoded(struct sc_host *host, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    const char *ret = "";
    do {
        char out[3 * PIECE + 1];
        size_t n = 0;
        for (size_t i = 0; i < PIECE && *text; i++, text++) {
            unsigned char c = (unsigned char)*text;
            bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c);
            if (plain) {
                out[n++] = *text;
            } else {
                out[n++] = '%';
                out[n++] = hex[c >> 4];
                out[n++] = hex[c & 15];
            }
        }
        out[n] = '\0';
        ret = host->api->text(host, "%s%s", ret, out);
    } while (ret && *text);
    return ret;
}

/* Of the window, in s; SC_TIME_NONE: there is none. */
static int64_t bound_s(const struct sc_host *host, const char *name)
{
    struct sc_str text = sc_str_of(host->api->get(host, SC_WALK, name));
    int64_t ms = text.ptr ? host->api->parse_time(host, text, SC_TIME_RFC3339) : SC_TIME_NONE;
    return ms == SC_TIME_NONE ? ms : ms / 1000;
}

static const char *bounds_form(struct sc_host *host)
{
    int64_t from = bound_s(host, "from"), to = bound_s(host, "to");
    if (spl_of(host).has_bounds)
        return "";
    if (from == SC_TIME_NONE || to == SC_TIME_NONE)
        return NULL;
    if (!by_index_time(host))
        return host->api->text(host, "&earliest_time=%lld&latest_time=%lld", (long long)from, (long long)to);
    int64_t late = (int64_t)strtoul(setting_of(host, "late_hours"), NULL, 10) * 3600;
    return host->api->text(host, "&earliest_time=%lld&latest_time=%lld&index_earliest=%lld&index_latest=%lld", (long long)(from > late ? from - late : 0),
                           (long long)(to + late), (long long)from, (long long)to);
}

static const char *search_form(struct sc_host *host, const char *rest)
{
    const char *search = encoded(host, search_of(host)), *bounds = bounds_form(host);
    return search && bounds ? host->api->text(host, "search=%s%s%s%s", spl_of(host).is_bare ? "search%20" : "", search, bounds, rest) : NULL;
}

static const char *job_form(struct sc_host *host)
{
    return search_form(host, "&output_mode=json&exec_mode=normal");
}

/* ---- requests ------------------------------------------------------------------------------------------------------------------ */

/* Paths come in two versions. SC_POSITION "api" is the one that has answered, SC_WALK "api" that of this walk, once a 404 came, "api_tried" that the
 * other one is not there; SC_PAGE "versioned" that the request has one. */
static bool is_old(const struct sc_host *host)
{
    const char *api = host->api->get(host, SC_WALK, "api");
    if (!api)
        api = host->api->get(host, SC_POSITION, "api");
    return api && strcmp(api, "v1") == 0;
}

static const char *versioned(struct sc_host *host, const char *url)
{
    static const char mark[] = "/search/v2/";
    const char *at = strstr(url, mark);
    if (!at || !host->api->set(host, SC_PAGE, "versioned", "1"))
        return at ? NO_URL : url;
    return is_old(host) ? host->api->text(host, "%.*s%s", (int)(at - url) + 8, url, at + sizeof mark - 1) : url;
}

static void ask_export(struct sc_host *host, struct sc_request *out)
{
    bool plain = host->api->get(host, SC_WALK, "no_preview") != NULL;
    const char *form = search_form(host, plain ? "&output_mode=json" : "&output_mode=json&preview=0");
    out->method = SC_POST;
    out->url = form ? "/services/search/v2/jobs/export" : NO_URL;
    out->body = sc_str_of(form);
    out->headers[1] = (struct sc_header){"Content-Type", "application/x-www-form-urlencoded"};
    out->first_byte_s = 900; /* rows are there when the search has ended */
}

/* A row of another window, or poll, is another row. False: memory is short. */
static bool name_rows(struct sc_host *host, const struct spl *spl, struct sc_request *out)
{
    int64_t from = bound_s(host, "from"), to = bound_s(host, "to");
    if (!spl->makes_rows || to == SC_TIME_NONE)
        return true;
    out->id_suffix = spl->has_bounds ? host->api->text(host, "~%lld", (long long)bound_s(host, "asked"))
                                     : host->api->text(host, "~%lld~%lld", (long long)from, (long long)to);
    out->after_save = out->after_save || out->body.len; /* the window is part of what will be published */
    return out->id_suffix;
}

static bool set_time(struct sc_host *host, const char *name, int64_t s)
{
    const char *text = host->api->rfc3339(host, s * 1000);
    return text && host->api->set(host, SC_WALK, name, text);
}

/* SC_WALK "asked": when a search with bounds of its own was first asked for. To the engine such a poll is one window, whose bounds nobody is told. */
static bool freeze_poll(struct sc_host *host)
{
    int64_t now = host->api->now(host) / 1000;
    if (host->api->get(host, SC_WALK, "asked"))
        return true;
    return set_time(host, "from", now - LAG_S - WINDOW_S) && set_time(host, "to", now - LAG_S) && set_time(host, "asked", now);
}

static void forget_bounds(struct sc_host *host)
{
    static const char *const names[] = {"asked", "from", "to", "top", "cut"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        host->api->set(host, SC_WALK, names[i], NULL);
}

/* SC_WALK "search": which one the walk is about. After a put another one may be wanted: the window stays, but not the job of the old one, nor
 * bounds that were none. */
static bool note_search(struct sc_host *host, const struct spl *spl)
{
    unsigned char sum[64];
    if (!host->api->digest(SC_SHA256, sc_str_of(search_of(host)), sum))
        return false;
    const char *name = host->api->hex(host, (struct sc_str){(const char *)sum, 8}), *known = host->api->get(host, SC_WALK, "search");
    if (!name || (known && strcmp(known, name) == 0))
        return name;
    if (known && (host->api->get(host, SC_WALK, "asked") != NULL) != spl->has_bounds)
        forget_bounds(host);
    if (known && host->api->get(host, SC_WALK, "job") && !host->api->set(host, SC_WALK, "job_quit", "again"))
        return false;
    return host->api->set(host, SC_WALK, "search", name);
}

/* SC_WALK "span": so many seconds at most, once a longer window was too large for one reply. */
static bool narrow(struct sc_host *host)
{
    int64_t from = bound_s(host, "from"), to = bound_s(host, "to");
    const char *text = host->api->get(host, SC_WALK, "span");
    int64_t span = text ? (int64_t)strtoul(text, NULL, 10) : 0;
    if (from == SC_TIME_NONE || to == SC_TIME_NONE)
        return false;
    if (!span || to - from <= span)
        return true;
    return set_time(host, "to", from + span) && host->api->set(host, SC_WALK, "cut", "1");
}

enum settled {
    SETTLED,
    NO_WINDOW,
    NO_MEMORY
};

/* Windows of rows end early enough that the reply's Date, in whole seconds, cannot move their end: what is beyond it would be asked for, and counted,
 * once more. */
static enum settled settle_rows(struct sc_host *host)
{
    int64_t last = host->api->now(host) / 1000 - LAG_S - CLOCK_S, from = bound_s(host, "from"), to = bound_s(host, "to");
    bool begun = host->api->get(host, SC_WALK, "top") || host->api->get(host, SC_WALK, "job_quit"); /* a job is tidied up first */
    if (from == SC_TIME_NONE || to <= last || begun)
        return SETTLED;
    if (last > from)
        return set_time(host, "to", last) && host->api->set(host, SC_WALK, "cut", NULL) ? SETTLED : NO_MEMORY;
    forget_bounds(host);
    return NO_WINDOW;
}

static enum sc_next request(struct sc_host *host, struct sc_request *out)
{
    struct spl spl = spl_of(host);
    struct sc_request first = {0};
    enum settled settled = SETTLED;
    bool good = note_search(host, &spl) && (!spl.has_bounds || freeze_poll(host)), windows = spl.makes_rows && !spl.has_bounds;
    if (good && windows && (host->api->get(host, SC_WALK, "from") || rest_ops.request(host, &first) != SC_DONE)) /* this freezes it */
        settled = settle_rows(host);
    good = good && settled != NO_MEMORY;
    if (settled == NO_WINDOW || (good && rest_ops.request(host, out) == SC_DONE))
        return SC_DONE;
    if (!by_job(host)) {
        good = good && narrow(host);
        ask_export(host, out);
        out->remember_as = good ? bound_s(host, "to") * 1000 : 0;
    }
    good = good && out->url && name_rows(host, &spl, out);
    if (!spl.makes_rows && (spl.has_bounds || !by_index_time(host)))
        out->remember_as = 0; /* events, looked for by their own time */
    out->url = good ? versioned(host, out->url) : NULL;
    if (!out->url)
        out->url = NO_URL;
    return SC_SEND;
}

/* ---- refusals ---------------------------------------------------------------------------------------------------------------------- */

static bool v2_has_answered(const struct sc_host *host)
{
    const char *api = host->api->get(host, SC_POSITION, "api");
    return api && strcmp(api, "v2") == 0;
}

/* The server has no such path: once the other version's. One that speaks of a sid has the path, and not the job. */
static bool try_other_paths(struct sc_host *host, struct sc_str body, struct sc_verdict *out)
{
    struct splunk_message message;
    bool old = is_old(host), tried = host->api->get(host, SC_WALK, "api_tried") != NULL;
    if (v2_has_answered(host) || (splunk_first_message(rest_error_value(body, "messages"), &message) && strstr(message.text, "sid")))
        return false;
    if (!host->api->get(host, SC_PAGE, "versioned") || !host->api->set(host, SC_WALK, "api", old ? "v2" : "v1") ||
        !host->api->set(host, SC_WALK, "api_tried", tried ? NULL : "1") || tried)
        return false;
    out->action = SC_AGAIN;
    snprintf(out->detail, sizeof out->detail, "404: no %s paths on this server (v2 needs Splunk 9.0.1): trying %s", old ? "v1" : "v2", old ? "v2" : "v1");
    return true;
}

static void advise(struct sc_verdict *out, const char *advice)
{
    snprintf(out->advice, sizeof out->advice, "%s", advice);
}

static void advise_transport(const struct sc_host *host, enum sc_reason why, struct sc_verdict *out)
{
    bool cloud = strstr(host->api->base_url(host), ".splunkcloud.com");
    if (why == SC_REASON_TLS_UNTRUSTED)
        advise(out, "Certificates of the management port are mostly made by Splunk itself: set ca_file to that server's CA ($SPLUNK_HOME/etc/auth/cacert.pem). "
                    "verify_tls false only on a trusted network.");
    else if (why == SC_REASON_TLS_HOSTNAME)
        advise(out, "Set url to the name in the server's certificate, or give the server a certificate for the name in url.");
    else if (cloud && (why == SC_REASON_CONNECT_TIMEOUT || why == SC_REASON_CONNECTION_REFUSED || why == SC_REASON_DNS_FAILURE))
        advise(out, "In Splunk Cloud port 8089 is closed until Splunk support opens it for this host's address (a ticket); free trials have no REST access.");
    else if (why == SC_REASON_READ_TIMEOUT && !by_job(host))
        advise(out, "The search takes long: set mode to job, or make the search faster.");
}

/* What a message of that kind means: the reason, where it is not the status's own. */
static void judge_message(const struct splunk_message *message, struct sc_verdict *out)
{
    if (!splunk_is_busy(message))
        return;
    out->reason = SC_REASON_RATE_LIMITED;
    advise(out, "The role runs as many searches as it may, or its disk quota is used up: raise the quota of the role, or poll less often.");
}

/* The parameter's name is unverified, and previews are told by their lines as well. */
static void leave_out_preview(struct sc_host *host, struct sc_verdict *out)
{
    bool about = !by_job(host) && strstr(out->detail, "preview") && !host->api->get(host, SC_WALK, "no_preview");
    if (about && host->api->set(host, SC_WALK, "no_preview", "1")) {
        out->action = SC_AGAIN;
        out->reason = SC_REASON_OK;
    }
}

/* Too large for one reply: the rest of the walk goes by windows half as long. What was published of this one is recognised. Rows are what they are. */
static void halve_window(struct sc_host *host, struct sc_verdict *out)
{
    struct spl spl = spl_of(host);
    int64_t half = (bound_s(host, "to") - bound_s(host, "from")) / 2;
    const char *span = host->api->text(host, "%lld", (long long)half);
    if (by_job(host) || spl.makes_rows || spl.has_bounds || half < 1 || !span || !host->api->set(host, SC_WALK, "span", span))
        return;
    out->action = SC_AGAIN;
    out->reason = SC_REASON_OK;
    snprintf(out->detail, sizeof out->detail, "the events of %lld s are too large for one reply: asked for %lld s at a time", (long long)half * 2, (long long)half);
}

static bool is_web_page(struct sc_str body)
{
    size_t i = 0;
    while (i < body.len && body.ptr[i] && strchr(" \t\r\n", body.ptr[i]))
        i++;
    return i < body.len && body.ptr[i] == '<';
}

/* After the tables: the server's own words. */
static void refused(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    struct splunk_message message;
    struct sc_str list = rest_error_value(in->body_prefix, "messages");
    if (!in->status) {
        advise_transport(host, in->transport, out);
        return;
    }
    if (in->transport == SC_REASON_RESPONSE_TOO_LARGE)
        halve_window(host, out);
    if (in->status == 503 && is_web_page(in->body_prefix)) { /* something on the way, or maintenance */
        out->action = SC_BY_STATUS;
        out->advice[0] = '\0';
    }
    if (splunk_read_messages(list, &message) != SPLUNK_FAILS && !splunk_first_message(list, &message))
        return;
    snprintf(out->detail, sizeof out->detail, "%s%s%s", message.type, message.type[0] ? " " : "", message.text);
    if (in->status == 400 || in->status >= 500)
        judge_message(&message, out);
    if (out->reason == SC_REASON_RATE_LIMITED)
        out->action = SC_REFUSE;
    if (in->status == 400)
        leave_out_preview(host, out);
}

static void response(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    bool missing = in->status == 404 && in->body_complete;
    if (missing && try_other_paths(host, in->body_prefix, out))
        return;
    rest_ops.response(host, in, out);
    if (missing && out->action == SC_REFUSE && host->api->get(host, SC_PAGE, "versioned") && v2_has_answered(host)) {
        out->reason = SC_REASON_VENDOR_ERROR;
        advise(out, "");
    }
}

/* ---- replies -------------------------------------------------------------------------------------------------------------------------- */

static bool has_failed(struct sc_host *host, struct sc_verdict *out)
{
    struct splunk_message message;
    switch (splunk_read_messages(host->api->envelope(host, "messages"), &message)) {
    case SPLUNK_QUIET:
        return false;
    case SPLUNK_WARNS:
        host->api->trace(host, "Splunk warns: %s", message.text);
        return false;
    case SPLUNK_TOO_LONG:
        snprintf(out->detail, sizeof out->detail, "a reply of status 200 with more messages than can be looked through: it may have failed, nothing of it counts");
        out->reason = SC_REASON_VENDOR_ERROR;
        return true;
    case SPLUNK_FAILS:
        break;
    }
    snprintf(out->detail, sizeof out->detail, "an error inside a reply of status 200, the window does not count: %s %.150s", message.type, message.text);
    out->reason = SC_REASON_VENDOR_ERROR;
    judge_message(&message, out);
    return true;
}

static enum sc_line line(struct sc_host *host, struct sc_verdict *out)
{
    if (has_failed(host, out))
        return SC_LINE_BROKEN;
    return sc_str_is(host->api->envelope(host, "preview"), "true") ? SC_LINE_SKIP : SC_LINE_TAKE;
}

/* A search with bounds of its own: what it can never bring again is covered, nothing else. */
static bool cover_poll(struct sc_host *host, const char *known)
{
    struct spl spl = spl_of(host);
    int64_t asked = bound_s(host, "asked") * 1000, before = known ? host->api->parse_time(host, sc_str_of(known), SC_TIME_RFC3339) : SC_TIME_NONE;
    bool told = spl.makes_rows || spl.reach_s != SPL_UNKNOWN;
    int64_t covered = asked - (spl.makes_rows ? 0 : spl.reach_s * 1000) - SLACK_MS;
    if (!told || covered < before)
        covered = before;
    const char *time = covered == SC_TIME_NONE ? NULL : host->api->rfc3339(host, covered);
    return (time || covered == SC_TIME_NONE) && host->api->set(host, SC_POSITION, "time", time);
}

/* The paths that answered are the server's. */
static void keep_version(struct sc_host *host)
{
    if (!host->api->get(host, SC_PAGE, "versioned"))
        return;
    host->api->set(host, SC_POSITION, "api", is_old(host) ? "v1" : "v2");
    host->api->set(host, SC_WALK, "api", NULL);
    host->api->set(host, SC_WALK, "api_tried", NULL);
}

static const struct sc_reply results = {.items = "results[]", .envelope = {"messages"}, .publish = true};

static enum sc_more page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    const char *before = host->api->get(host, SC_POSITION, "time"), *known = before ? host->api->text(host, "%s", before) : NULL;
    bool has_results = !in->reply || in->reply == &results;
    if (has_results && has_failed(host, out))
        return SC_BROKEN;
    if (before && !known) {
        snprintf(out->detail, sizeof out->detail, "memory is short");
        return SC_BROKEN;
    }
    enum sc_more more = rest_ops.page(host, in, out);
    if (more != SC_MORE && more != SC_WALKED)
        return more;
    const char *after = host->api->get(host, SC_POSITION, "time");
    bool moved = after && (!known || strcmp(after, known) != 0);
    if (moved && spl_of(host).has_bounds && !cover_poll(host, known)) {
        snprintf(out->detail, sizeof out->detail, "memory is short");
        return SC_BROKEN;
    }
    keep_version(host);
    return more;
}

static bool leave(struct sc_host *host, struct sc_request *out)
{
    return rest_ops.leave && rest_ops.leave(host, out);
}

static const struct sc_connector_ops ops = {.request = request, .response = response, .page = page, .line = line, .leave = leave};

/* ---- jobs -------------------------------------------------------------------------------------------------------------------------------- */

static bool read_look(struct sc_host *host, struct rest_job_look *ret)
{
    struct splunk_job job = splunk_read_entry(host->api->envelope(host, "entry"));
    ret->state = host->api->text(host, "%s", job.state);
    ret->total = job.results;
    ret->said = job.message.text[0] ? host->api->text(host, "%s %s", job.message.type, job.message.text) : NULL;
    return ret->state && job.state[0];
}

static const struct rest_job job = {
    .path = "/services/search/jobs",
    .form = "", /* make_body */
    .id = "sid",
    .made = {.envelope = {"sid"}},
    .look_path = "/services/search/jobs/{job}",
    .look_query = "output_mode=json",
    .look = {.envelope = {"entry", "messages"}},
    .queued = {"QUEUED", "PARSING"},
    .done = {"DONE"},
    .failed = {"FAILED"},
    .results = &results,
    .by_offset = true,
    .leave_method = SC_DELETE,
    .leave_path = "/services/search/jobs/{job}",
    .tidy = true,
    .noun = "search job",
    .wanted = by_job,
    .make_body = job_form,
    .read_look = read_look,
};

/* ---- tables -------------------------------------------------------------------------------------------------------------------------------- */

static const struct sc_field settings[] = {
    {
        .name = "url",
        .title = "Address",
        .help = "Of the REST API, with its port: the management port, mostly 8089, not that of the web pages. Splunk Cloud: "
                "https://<stack>.splunkcloud.com:8089, opened by a support ticket; free trials have none",
        .example = "https://splunk.acme.example:8089",
        .kind = SC_URL,
        .required = true,
    },
    {
        .name = "custom_search",
        .title = "Search",
        .help = "In SPL. Without earliest= and latest= it is run over windows that follow one another, each event once; with them it is run as it is with each "
                "poll. With stats and the like its rows are published as they come, one set for each window",
        .example = "index=main sourcetype=syslog",
        .def = "index=main",
    },
    {
        .name = "mode",
        .title = "Way of searching",
        .help = "export: results as a stream, while the search runs; job: the search is started, waited for and read in pages, for searches that take minutes",
        .def = "export",
        .kind = SC_CHOICE,
        .choices = (const char *const[]){"export", "job", NULL},
    },
    {
        .name = "verify_tls",
        .title = "Check the certificate",
        .help = "false only on a network that is trusted; better: ca_file",
        .def = "true",
        .kind = SC_BOOL,
    },
    {
        .name = "ca_file",
        .title = "CA file",
        .help = "PEM file on this host with the CA of a certificate that Splunk or the company made itself",
        .example = "/etc/signal-client/splunk-ca.pem",
    },
    {
        .name = "basic_auth",
        .title = "Password with each call",
        .help = "Send username and password with each request (HTTP Basic) instead of a session key for them",
        .def = "false",
        .kind = SC_BOOL,
    },
    {
        .name = "index_time",
        .title = "Windows by time of indexing",
        .help = "For events that are indexed more than 15 minutes after their own time: read what was indexed since the last poll (index_earliest, "
                "index_latest: a server that took no notice of them would give everything again with each poll, so look once whether it does)",
        .def = "false",
        .kind = SC_BOOL,
    },
    {
        .name = "late_hours",
        .title = "Latest indexing",
        .help = "With index_time: how many hours an event's own time may lie before, or after, the time at which it was indexed",
        .def = "24",
        .kind = SC_INTEGER,
        .min = 1,
        .max = 8760,
    },
    {0},
};

static const struct sc_field credentials[] = {
    {
        .name = "auth_token",
        .title = "Token",
        .help = "Splunk authentication token (Settings > Tokens); it ends at the date that was chosen with it. Used alone, if it is given",
        .secret = true,
    },
    {
        .name = "username",
        .title = "User name",
        .help = "Instead of a token",
        .example = "svc-signal",
    },
    {
        .name = "password",
        .title = "Password",
        .help = "Of that user",
        .secret = true,
    },
    {0},
};

static const struct sc_pool pools[] = {
    {.name = "searches", .scope = SC_PER_CREDENTIAL, .requests = 60, .per_s = 60, .concurrency = 2, .throttle_s = 60, .throttle_max_s = 900},
    {0},
};

static const struct rest_error errors[] = {
    {400, NULL, SC_REASON_CONFIG_INVALID, "Correct custom_search: try it in Splunk's own search page, over a short time."},
    {401, NULL, SC_REASON_AUTH_INVALID, "The token has expired or was revoked, or the password was changed. " NEW_TOKEN},
    {403, NULL, SC_REASON_PERMISSION_DENIED, "Give the user's role the capability search and the indexes that the search reads."},
    {404, NULL, SC_REASON_WRONG_HOST, "Set url to the management port (mostly 8089), as https://splunk.acme.example:8089, without a path."},
    {503, NULL, SC_REASON_RATE_LIMITED, "The server runs as many searches as it may: raise the limits of the role or the server, or poll less often."},
    {0},
};

static uint32_t overlap_s(const struct sc_host *host)
{
    struct spl spl = spl_of(host);
    return spl.makes_rows || spl.has_bounds || by_index_time(host) ? 0 : LATE_S;
}

static const struct rest_window window = {.longest_s = WINDOW_S, .unit_ms = 1000, .overlap = overlap_s};

static const char *unable(const struct sc_host *host)
{
    return spl_of(host).has_bounds ? "the search names its own times (earliest=, latest=): it is run as it is with each poll" : NULL;
}

/* Of events without an index address equal ones are counted in their window. */
static const char *doubles(const struct sc_host *host)
{
    return spl_of(host).makes_rows ? "the search computes rows, and the same row of another window is another one"
           : by_index_time(host) ? "windows go by the time of indexing, and equal events are counted by window"
                                 : NULL;
}

static const struct sc_place places[] = {REST_PLACES, {"api", SC_PLACE_TEXT, true}, {0}};
static const struct sc_history history = {
    .places = places, .by_time = true, .past = SC_PAST_WINDOW, .unable = unable, .doubles = doubles};

static const struct sc_data_type data_types[] = {
    {
        .name = "search",
        .title = "Search results",
        .noun = "events",
        .help = "What the search finds: events, or the rows that it computes",
        .permission = "capability search, and the indexes that the search reads",
        .interval_s = 15 * 60,
        .lookback_s = 24 * 3600,
        .overlap_s = LATE_S,
        .lag_s = LAG_S,
        .recipe = 1,
        .shape = SC_SHAPE_LOG,
        .identity = SC_CONTENT,
        .format = SC_NDJSON,
        .records = "result",
        .records_else = "results[]",
        .id = {"_cd", "_bkt"},
        .id_else = {"_raw", "_time", "?host", "?source"},
        .time = "_time",
        .time_format = SC_TIME_RFC3339,
        .envelope = {"preview", "messages"},
        .history = &history,
        /* The path is that of a job's results; an export has its own. */
        .engine =
            &(const struct rest_data_type){
                .method = SC_GET,
                .path = "/services/search/v2/jobs/{job}/results",
                .query = "output_mode=json&count={page_size}",
                .cursor_param = "offset",
                .pools = {"searches"},
                .page_size = 10000,
                .checkpoint = REST_CHECKPOINT_TIME,
                .job = &job,
                .window = &window,
                .errors = errors,
                .refused = refused,
            },
    },
    {0},
};

static const struct sc_oauth2_error login_errors[] = {
    {400, NULL, SC_REASON_CONFIG_INVALID, "Give username and password, both."},
    {401, NULL, SC_REASON_AUTH_INVALID, "Save the right username and password; too many tries lock the user in Splunk."},
    {0},
};

static const struct sc_oauth2 login = {
    .token_url = "/services/auth/login",
    .body = SC_OAUTH2_FORM,
    .client = SC_OAUTH2_CLIENT_NONE,
    .params = {{"username", "{username}"}, {"password", "{password}"}, {"output_mode", "json"}},
    .lifetime_s = 3600,
    .errors = login_errors,
    .token_member = "sessionKey",
};

static const struct sc_auth by_login = {.kind = SC_AUTH_LOGIN, .header = "Authorization", .value = "Splunk {token}", .oauth2 = &login};

static const struct sc_auth by_password = {
    .kind = SC_AUTH_BASIC,
    .user = "username",
    .password = "password",
    .when = "basic_auth",
    .otherwise = &by_login,
};

static const struct sc_connector splunk = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "splunk",
    .title = "Splunk Enterprise and Splunk Cloud",
    .category = "SIEM",
    .vendor_docs = "https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch",
    .base_url = "{url}",
    .auth = {.kind = SC_AUTH_HEADER, .header = "Authorization", .value = "Bearer {auth_token}", .when = "auth_token", .otherwise = &by_password},
    .auth_advice = NEW_TOKEN,
    .settings = settings,
    .credentials = credentials,
    .pools = pools,
    .data_types = data_types,
    .ops = &ops,
};

SC_CONNECTOR_EXPORT(splunk)
