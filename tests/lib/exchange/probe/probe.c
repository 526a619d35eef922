/* A connector of no vendor: one data type for each thing that agent/poll does for connectors and that no real one shows alone. */
#include <signal/connector.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sc_field settings[] = {
    {.name = "host", .title = "Host", .kind = SC_HOST, .required = true, .example = "probe.example.com"},
    {.name = NULL},
};

static const struct sc_field credentials[] = {
    {.name = "key", .title = "Key", .kind = SC_TEXT, .required = true, .secret = true},
    {.name = NULL},
};

static const struct sc_pool pools[] = {
    {.name = "all", .scope = SC_PER_SOURCE, .throttle_s = 2, .throttle_max_s = 8},
    {.name = NULL},
};

static const char *text_of(struct sc_host *h, struct sc_str s)
{
    return s.ptr ? h->api->text(h, "%.*s", (int)s.len, s.ptr) : NULL;
}

static bool is(const struct sc_host *h, const char *type)
{
    return strcmp(h->type->name, type) == 0;
}

static bool now_as(struct sc_host *h, enum sc_keep keep, const char *name, int64_t ms)
{
    const char *text = h->api->rfc3339(h, ms);
    return text && h->api->set(h, keep, name, text);
}

/* ---- jobs: made, waited for, read; taken back when nobody wants them any more --------------------------------------------------------- */

static const struct sc_reply made = {.envelope = {"job"}}, state_of_job = {.envelope = {"state"}};

static enum sc_next ask_job(struct sc_host *h, struct sc_request *out)
{
    const char *job = h->api->get(h, SC_WALK, "job"), *next = h->api->get(h, SC_WALK, "next");
    if (!h->api->get(h, SC_WALK, "from") && !now_as(h, SC_WALK, "from", h->api->now(h)))
        return SC_SEND;
    out->may_repeat = true;
    if (!job) {
        out->method = SC_POST;
        out->url = "/jobs";
        out->reply = &made;
        out->after_save = true;
        out->first_byte_s = 300;
        return SC_SEND;
    }
    bool ready = h->api->get(h, SC_WALK, "ready");
    out->url = h->api->text(h, ready ? "/jobs/%s/results" : "/jobs/%s", job);
    out->reply = ready ? NULL : &state_of_job;
    if (!ready && next) {
        out->not_before = h->api->parse_time(h, (struct sc_str){next, strlen(next)}, SC_TIME_RFC3339);
        out->waits_for = "the export to be made";
    }
    return SC_SEND;
}

static enum sc_more read_job(struct sc_host *h, const struct sc_page *in, struct sc_verdict *out)
{
    struct sc_str job = h->api->envelope(h, "job"), state = h->api->envelope(h, "state");
    if (in->reply == &made && !job.ptr) {
        h->api->set(h, SC_WALK, "job", "none");
        snprintf(out->detail, sizeof out->detail, "the reply names no job");
        return SC_BROKEN;
    }
    if (in->reply == &made)
        return h->api->set(h, SC_WALK, "job", text_of(h, job)) && now_as(h, SC_WALK, "next", in->answered + 30000) ? SC_MORE : SC_BROKEN;
    if (!in->reply) {
        if (in->newest_time != SC_TIME_NONE)
            now_as(h, SC_POSITION, "time", in->newest_time);
        return SC_WALKED;
    }
    if (state.len == 5 && memcmp(state.ptr, "ready", 5) == 0)
        h->api->set(h, SC_WALK, "ready", "yes");
    now_as(h, SC_WALK, "next", in->answered + 30000);
    return SC_MORE;
}

static bool leave_job(struct sc_host *h, struct sc_request *out)
{
    const char *job = h->api->get(h, SC_WALK, "job");
    if (!is(h, "jobs") || !job)
        return false;
    out->method = SC_DELETE;
    out->url = h->api->text(h, "/jobs/%s", job);
    out->pools[0] = "all";
    return true;
}

/* ---- blobs: a list, and a request for each that was not read before --------------------------------------------------------------------- */

static const struct sc_reply list = {.items = "list[]", .item = "id", .more = {"time", "size"}, .envelope = {"again"}};

static uint32_t at_blob(struct sc_host *h)
{
    const char *at = h->api->get(h, SC_PAGE, "at");
    return at ? (uint32_t)strtoul(at, NULL, 10) : 0;
}

static bool goes_to(struct sc_host *h, uint32_t n)
{
    return h->api->set(h, SC_PAGE, "at", h->api->text(h, "%u", n));
}

static uint32_t next_blob(struct sc_host *h, uint32_t from)
{
    while (from < h->api->items(h) && h->api->was_read(h, h->api->item(h, from)))
        from++;
    return from;
}

static enum sc_next ask_blob(struct sc_host *h, struct sc_request *out)
{
    if (!h->api->get(h, SC_PAGE, "at")) {
        const char *time = h->api->get(h, SC_POSITION, "time");
        out->url = h->api->text(h, "/blobs?since=%s", time ? time : "");
        out->reply = &list;
        return SC_SEND;
    }
    uint32_t n = at_blob(h);
    struct sc_str time = h->api->item_more(h, n, 0);
    out->child = text_of(h, h->api->item(h, n));
    out->child_time = h->api->parse_time(h, time, SC_TIME_RFC3339);
    out->url = h->api->text(h, "/blobs/%s?size=%s", out->child, text_of(h, h->api->item_more(h, n, 1)));
    out->pools[0] = "all";
    return SC_SEND;
}

/* "odd": what the connector has to say of one that is passed over is that it cannot go on. */
static enum sc_more read_blob(struct sc_host *h, const struct sc_page *in)
{
    struct sc_str name = in->passed_over ? h->api->item(h, at_blob(h)) : (struct sc_str){0};
    if (name.len == 3 && memcmp(name.ptr, "odd", 3) == 0)
        return SC_BROKEN;
    uint32_t n = next_blob(h, in->reply == &list ? 0 : at_blob(h) + 1);
    if (in->reply == &list && !now_as(h, SC_PAGE, "listed", in->answered))
        return SC_BROKEN;
    if (n < h->api->items(h))
        return goes_to(h, n) ? SC_PART : SC_BROKEN;
    return h->api->set(h, SC_POSITION, "time", h->api->get(h, SC_PAGE, "listed")) ? SC_WALKED : SC_BROKEN;
}

/* ---- lines: one value a line ---------------------------------------------------------------------------------------------------------------- */

static enum sc_line on_line(struct sc_host *h, struct sc_verdict *out)
{
    struct sc_str error = h->api->envelope(h, "error");
    if (error.ptr) {
        snprintf(out->detail, sizeof out->detail, "the search ended: %.*s", (int)error.len, error.ptr);
        return SC_LINE_BROKEN;
    }
    return h->api->envelope(h, "preview").ptr ? SC_LINE_SKIP : SC_LINE_TAKE;
}

/* ---- the connector --------------------------------------------------------------------------------------------------------------------------- */

static const struct sc_reply elements = {.items = "LIST.HOST", .format = SC_XML, .publish = true, .envelope = {"LIST.NEXT"}};

static enum sc_next on_request(struct sc_host *h, struct sc_request *out)
{
    if (is(h, "jobs"))
        return ask_job(h, out);
    if (is(h, "blobs"))
        return ask_blob(h, out);
    const char *page = h->api->get(h, SC_WALK, "page");
    out->url = h->api->text(h, "/%s%s", h->type->name, page ? page : "");
    out->reply = is(h, "hosts") ? &elements : NULL;
    out->pools[0] = "all";
    if (is(h, "equals"))
        out->remember_as = h->api->now(h);
    return SC_SEND;
}

static void on_response(struct sc_host *h, const struct sc_response *in, struct sc_verdict *out)
{
    (void)h;
    if (in->status == 410)
        out->action = SC_PASS_OVER;
    else if (in->status == 418)
        *out = (struct sc_verdict){.action = SC_AGAIN, .reason = SC_REASON_VENDOR_BUSY, .wait_until = SC_TIME_NONE, .detail = "a teapot"};
}

static enum sc_more on_page(struct sc_host *h, const struct sc_page *in, struct sc_verdict *out)
{
    if (is(h, "jobs"))
        return read_job(h, in, out);
    if (is(h, "blobs"))
        return read_blob(h, in);
    struct sc_str next = h->api->envelope(h, is(h, "hosts") ? "LIST.NEXT" : "next"), error = h->api->envelope(h, "error");
    now_as(h, SC_POSITION, "time", in->answered); /* also when the reply is none: nothing of it may count then */
    if (in->absent && error.ptr)
        snprintf(out->detail, sizeof out->detail, "%.*s", (int)error.len, error.ptr);
    if (!next.ptr)
        return SC_WALKED;
    h->api->set(h, SC_WALK, "page", h->api->text(h, "?%.*s", (int)next.len, next.ptr));
    return SC_MORE;
}

static const struct sc_data_type data_types[] = {
    {.name = "jobs", .title = "Jobs", .noun = "results", .help = "Made at the vendor, waited for, read.", .interval_s = 600, .lookback_s = 3600,
     .overlap_s = 3600, .recipe = 1, .records = "results[]", .id = {"id", "?port"}, .time = "time", .off_by_default = true},
    {.name = "blobs", .title = "Blobs", .noun = "events", .help = "A list, and a request for each.", .interval_s = 600, .lookback_s = 3600,
     .overlap_s = 3600, .recipe = 1, .records = "[]", .id = {"id"}, .time = "time", .off_by_default = true},
    {.name = "lines", .title = "Lines", .noun = "events", .help = "One value a line.", .interval_s = 600, .lookback_s = 3600, .overlap_s = 3600,
     .recipe = 1, .identity = SC_CONTENT, .records = "result", .format = SC_NDJSON, .id = {"_cd", "_bkt"}, .id_else = {"_raw", "_time", "?host"},
     .time = "_time", .envelope = {"preview", "error", "next"}, .off_by_default = true},
    {.name = "equals", .title = "Equals", .noun = "events", .help = "Records without any identity.", .interval_s = 600, .lookback_s = 3600,
     .overlap_s = 3600, .recipe = 1, .identity = SC_CONTENT, .records = "entries[]", .time = "at", .time_format = SC_TIME_EPOCH_S,
     .envelope = {"next", "error"}, .off_by_default = true},
    {.name = "hosts", .title = "Hosts", .noun = "hosts", .help = "Elements of a document.", .interval_s = 600, .lookback_s = 3600,
     .overlap_s = 3600, .recipe = 1, .records = "hosts[]", .id = {"ID"}, .time = "SEEN", .off_by_default = true},
    {.name = NULL},
};

static const struct sc_connector_ops ops = {.request = on_request, .response = on_response, .page = on_page, .line = on_line, .leave = leave_job};

static const struct sc_connector probe = {
    .abi = SC_CONNECTOR_ABI, .size = sizeof probe, .name = "probe", .title = "Probe", .category = "test", .vendor_docs = "https://probe.example.com/",
    .base_url = "https://{host}", .source = "{host}", .auth = {.kind = SC_AUTH_HEADER, .header = "X-Key", .value = "{key}"}, .settings = settings,
    .credentials = credentials, .pools = pools, .data_types = data_types, .ops = &ops,
};

SC_CONNECTOR_EXPORT(probe)
