/* Which cutter reads a reply: the data type's own, or one for the reply that the request named; and where the parts of an identity are found
 * in what it captures. io thread of the poller. */
#include "poll/foreign.h"

#define LONG_FIELD (1u << 20) /* where a part of an identity may be a whole log line */
#define LIST_FIELD (64u << 10)

/* A body without records is cut as if they were at a place where nothing is: the cutter then says that they are absent, which is right. */
#define NOWHERE "signal-client: none[]"

/* ---- the recipe: which captured member is which part ---------------------------------------------------------------------------- */

/* Each name is captured once, however often it is used. */
static unsigned capture(struct sc_cut_spec *spec, const char *name)
{
    unsigned n = 0;
    while (n < SC_CUT_FIELDS && spec->fields[n] && strcmp(spec->fields[n], name) != 0)
        n++;
    if (n < SC_CUT_FIELDS)
        spec->fields[n] = name;
    return n;
}

static void capture_parts(struct sc_cut_spec *spec, const char *const names[SC_MAX_ID_PARTS], struct sc_id_parts *parts)
{
    _Static_assert(SC_CUT_FIELDS > 2 * SC_MAX_ID_PARTS, "room for id, id_else and time");
    for (parts->count = 0; parts->count < SC_MAX_ID_PARTS && names[parts->count]; parts->count++) {
        const char *name = names[parts->count];
        parts->optional[parts->count] = name[0] == '?';
        parts->at[parts->count] = (uint8_t)capture(spec, name + (name[0] == '?'));
    }
}

static enum sc_cut_format cut_format(enum sc_format format)
{
    switch (format) {
    case SC_NDJSON:
        return SC_CUT_NDJSON;
    case SC_XML:
        return SC_CUT_XML;
    case SC_JSON:
        break;
    }
    return SC_CUT_JSON;
}

static void limits(const struct sc_poller *p, struct sc_cut_spec *spec)
{
    const struct sc_settings *s = p->inst->io->config.settings;
    spec->record_max = s->http_max_record_bytes > 0 && s->http_max_record_bytes < UINT32_MAX ? (uint32_t)s->http_max_record_bytes : 0;
    spec->body_max = s->http_max_body_bytes > 0 ? (uint64_t)s->http_max_body_bytes : 0;
}

void sc_cutter_describe(struct sc_poller *p)
{
    const struct sc_data_type *t = p->type;
    struct sc_cut_spec *spec = &p->cut_spec;
    unsigned n = 0;
    *spec = (struct sc_cut_spec){
        .format = cut_format(t->format), .records = t->records, .records_else = t->records_else, .nested = t->nested,
        .field_max = t->identity == SC_CONTENT || t->id_else[0] ? LONG_FIELD : 0,
    };
    limits(p, spec);
    capture_parts(spec, t->id, &p->id_parts);
    capture_parts(spec, t->id_else, &p->id_else_parts);
    p->time_at = t->time ? (uint8_t)capture(spec, t->time) : SC_CUT_FIELDS;
    p->whole_at = t->whole ? (uint8_t)capture(spec, t->whole) : SC_CUT_FIELDS;
    for (unsigned i = 0; i < 2 && t->version[i]; i++)
        spec->envelope[n++] = t->version[i];
    if (t->count)
        spec->envelope[n++] = t->count;
    for (unsigned i = 0; i < SC_MAX_ENVELOPE && t->envelope[i] && n < SC_CUT_ENVELOPE; i++)
        spec->envelope[n++] = t->envelope[i];
}

/* ---- taking one ----------------------------------------------------------------------------------------------------------------- */

/* sc_connector_ops.line. */
static int on_line(void *arg)
{
    struct sc_poller *p = arg;
    p->line_verdict = (struct sc_verdict){.wait_until = SC_TIME_NONE};
    switch (p->inst->config->connector->ops->line(&p->host, &p->line_verdict)) {
    case SC_LINE_TAKE:
        return SC_CUT_LINE_TAKE;
    case SC_LINE_SKIP:
        return SC_CUT_LINE_SKIP;
    case SC_LINE_BROKEN:
        break;
    }
    p->line_broken = true;
    return sc_fail(&p->cut_error, SC_REASON_BAD_RESPONSE, "a line of the reply says that it fails");
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int no_data(void *arg, const char *bytes, size_t len)
{
    (void)arg, (void)bytes, (void)len;
    return 0;
}

static int no_end(void *arg, const struct sc_cut_record *record)
{
    (void)arg, (void)record;
    return 0;
}

static struct sc_cut_sink sink_of(struct sc_poller *p, enum sc_cut_format format)
{
    struct sc_cut_sink sink = sc_reply_publishes(p) ? sc_record_sink(p)
                              : sc_reply_lists(p)   ? sc_items_sink(p)
                                                    : (struct sc_cut_sink){.arg = p, .begin = nothing, .data = no_data, .end = no_end};
    if (format == SC_CUT_NDJSON && p->inst->config->connector->ops->line)
        sink.line = on_line;
    return sink;
}

static void describe_reply(struct sc_poller *p, const struct sc_reply *reply)
{
    struct sc_cut_spec *spec = &p->reply_spec;
    *spec = (struct sc_cut_spec){.format = cut_format(reply->format), .records = reply->items, .records_else = reply->items_else, .nested = reply->nested};
    limits(p, spec);
    if (sc_reply_publishes(p)) {
        memcpy(spec->fields, p->cut_spec.fields, sizeof spec->fields);
        spec->field_max = p->cut_spec.field_max;
    } else if (sc_reply_lists(p) && reply->item) {
        spec->fields[0] = reply->item;
        for (unsigned i = 0; i < 2; i++)
            p->more_at[i] = reply->more[i] ? (uint8_t)capture(spec, reply->more[i]) : SC_CUT_FIELDS;
        spec->field_max = LIST_FIELD;
    } else if (!reply->items) {
        spec->records = NOWHERE;
        spec->records_else = spec->nested = NULL;
    }
    for (unsigned i = 0; i < SC_MAX_ENVELOPE && i < SC_CUT_ENVELOPE && reply->envelope[i]; i++)
        spec->envelope[i] = reply->envelope[i];
}

int sc_cutter_take(struct sc_poller *p)
{
    const struct sc_reply *reply = p->reply;
    if (reply && p->cut_reply != reply) {
        sc_cut_free(p->reply_cut);
        describe_reply(p, reply);
        p->reply_cut = sc_cut_new(&p->reply_spec, sink_of(p, p->reply_spec.format), &p->cut_error);
        p->cut_reply = p->reply_cut ? reply : NULL;
    }
    if (!reply && !p->cut)
        p->cut = sc_cut_new(&p->cut_spec, sink_of(p, p->cut_spec.format), &p->cut_error);
    p->cut_now = reply ? p->reply_cut : p->cut;
    p->spec_now = reply ? &p->reply_spec : &p->cut_spec;
    if (!p->cut_now)
        return -1;
    sc_cut_reset(p->cut_now);
    p->line_broken = p->body_begun = false;
    sc_foreign_page_forget(p);
    return 0;
}

void sc_cutter_free(struct sc_poller *p)
{
    sc_cut_free(p->cut);
    sc_cut_free(p->reply_cut);
    p->cut = p->reply_cut = p->cut_now = NULL;
    p->cut_reply = NULL;
}
