/* One message as a line, as JSON, as its bytes. What comes from headers was redacted by the caller; a body is the customer's data and
 * stays what it is. */
#include "cli/tail.h"

#define TIME_WIDTH  24  /* 2026-11-21T10:15:02.123Z */
#define MAX_WIDTH   24  /* of the columns of integration and data type */
#define MIN_ID      8
#define EXCERPT     100 /* where there is no terminal */
#define GAP_TYPE    "signal-client.gap"
#define SOURCE_MARK "signal-client/"

/* ---- headers ---------------------------------------------------------------------------------------------------------- */

static struct sc_str trimmed(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'))
        to--;
    return (struct sc_str){from, (size_t)(to - from)};
}

bool sc_header_next(struct sc_str *block, struct sc_str *ret_name, struct sc_str *ret_value)
{
    while (block->len) {
        const char *at = block->ptr, *end = at + block->len, *eol = memchr(at, '\n', block->len);
        const char *stop = eol ? eol : end, *colon = memchr(at, ':', (size_t)(stop - at));
        block->ptr = eol ? eol + 1 : end;
        block->len = (size_t)(end - block->ptr);
        if (!colon) /* "NATS/1.0", or the empty line at the end */
            continue;
        *ret_name = trimmed(at, colon);
        *ret_value = trimmed(colon + 1, stop);
        return true;
    }
    return false;
}

/* Up to the first dot; *rest behind it. */
static struct sc_str take_part(struct sc_str *rest)
{
    const char *dot = rest->len ? memchr(rest->ptr, '.', rest->len) : NULL;
    struct sc_str part = {rest->ptr, dot ? (size_t)(dot - rest->ptr) : rest->len};
    size_t used = part.len + (dot != NULL);
    *rest = (struct sc_str){rest->ptr + used, rest->len - used};
    return part;
}

/* {integration}.{data_type}.{id}; what ce-* said already stays. */
static void read_msg_id(struct sc_artifact *artifact, struct sc_str id)
{
    struct sc_str integration = take_part(&id), type = take_part(&id);
    if (!id.len)
        return;
    if (!artifact->integration.len)
        sc_add_unescaped(&artifact->integration, integration, '=');
    if (!artifact->data_type.len)
        sc_buf_add(&artifact->data_type, type.ptr, type.len);
    if (!artifact->id.len)
        sc_buf_add(&artifact->id, id.ptr, id.len);
}

/* signal-client/{connector}/{integration} */
static void read_source(struct sc_artifact *artifact, struct sc_str source)
{
    size_t mark = sizeof SOURCE_MARK - 1;
    if (source.len <= mark || memcmp(source.ptr, SOURCE_MARK, mark) != 0)
        return;
    const char *from = source.ptr + mark, *end = source.ptr + source.len, *slash = memchr(from, '/', (size_t)(end - from));
    if (slash)
        sc_add_unescaped(&artifact->integration, (struct sc_str){slash + 1, (size_t)(end - slash - 1)}, '%');
}

int sc_artifact_read(struct sc_artifact *artifact, struct sc_str headers)
{
    struct sc_str name, value, msg_id = {"", 0};
    sc_buf_clear(&artifact->integration);
    sc_buf_clear(&artifact->data_type);
    sc_buf_clear(&artifact->id);
    sc_buf_clear(&artifact->time);
    artifact->gap = false;
    while (sc_header_next(&headers, &name, &value)) {
        if (sc_str_is(name, "Nats-Msg-Id")) {
            msg_id = value;
        } else if (sc_str_is(name, "ce-source") && !artifact->integration.len) {
            read_source(artifact, value);
        } else if (sc_str_is(name, "ce-type") && sc_str_is(value, GAP_TYPE)) {
            artifact->gap = true;
        } else if (sc_str_is(name, "ce-type") && !artifact->data_type.len) {
            take_part(&value); /* the connector */
            sc_add_unescaped(&artifact->data_type, value, '%');
        } else if (sc_str_is(name, "ce-id") && !artifact->id.len) {
            sc_add_unescaped(&artifact->id, value, '%');
        } else if (sc_str_is(name, "ce-time") && !artifact->time.len) {
            sc_add_unescaped(&artifact->time, value, '%');
        }
    }
    read_msg_id(artifact, msg_id);
    return artifact->integration.failed || artifact->data_type.failed || artifact->id.failed || artifact->time.failed ? -1 : 0;
}

void sc_artifact_done(struct sc_artifact *artifact)
{
    sc_buf_done(&artifact->integration);
    sc_buf_done(&artifact->data_type);
    sc_buf_done(&artifact->id);
    sc_buf_done(&artifact->time);
}

bool sc_artifact_matches(const struct sc_artifact *artifact, const char *integration, const char *data_type)
{
    return (!integration || sc_str_is(sc_buf_str(&artifact->integration), integration)) &&
           (!data_type || sc_str_is(sc_buf_str(&artifact->data_type), data_type));
}

/* ---- a line ----------------------------------------------------------------------------------------------------------- */

static size_t add_column(struct sc_buf *out, const struct sc_buf *text, size_t width, size_t most)
{
    struct sc_str shown = text->len ? sc_buf_str(text) : sc_str_of("-");
    size_t used = sc_add_visible(out, shown, most, true);
    for (; used < width; used++)
        sc_buf_add_char(out, ' ');
    sc_buf_add_str(out, "  ");
    return used + 2;
}

static void widen(size_t *width, size_t len)
{
    if (len > MAX_WIDTH)
        len = MAX_WIDTH;
    if (len > *width)
        *width = len;
}

/* A gap's body in words; false when it is not what a gap holds. */
static bool describe_gap(struct sc_str body, struct sc_buf *out)
{
    json_t *gap = json_loadb(body.ptr, body.len, 0, NULL);
    const char *reason = sc_json_text(gap, "reason");
    if (*reason)
        sc_buf_addf(out, "GAP from %s to %s: %s (%s)", sc_json_text(gap, "from"), sc_json_text(gap, "to"), reason,
                    json_is_true(json_object_get(gap, "certain")) ? "records are missing" : "records may be missing");
    bool good = *reason != '\0';
    json_decref(gap);
    return good;
}

/* The line tells it already: the time, the id, or a part of the id. */
static bool is_told(const void *arg, struct sc_str value)
{
    const struct sc_artifact *artifact = arg;
    struct sc_str id = sc_buf_str(&artifact->id);
    if (!value.len)
        return false;
    if (sc_str_eq(value, sc_buf_str(&artifact->time)))
        return true;
    for (;;) {
        const char *mark = id.len ? memchr(id.ptr, '~', id.len) : NULL;
        size_t len = mark ? (size_t)(mark - id.ptr) : id.len;
        if (sc_str_eq(value, (struct sc_str){id.ptr, len}))
            return true;
        if (!mark)
            return false;
        id = (struct sc_str){mark + 1, id.len - len - 1};
    }
}

/* Many records begin with what stands in the line already; room for it is better used. */
static void add_excerpt(const struct sc_artifact *artifact, struct sc_str body, size_t room, struct sc_buf *out)
{
    size_t skip = sc_skip_known(body, is_told, artifact);
    if (skip && room > 2) {
        sc_buf_add_str(out, "{\xe2\x80\xa6 ");
        room -= 3;
        body = (struct sc_str){body.ptr + skip, body.len - skip};
    }
    sc_add_visible(out, body, room, true);
}

static void add_line(struct sc_tail_style *style, const struct sc_artifact *artifact, struct sc_str body, struct sc_buf *out)
{
    struct sc_buf gap SC_AUTO_BUF = {0};
    widen(&style->name_width, artifact->integration.len);
    widen(&style->type_width, artifact->data_type.len);
    size_t used = add_column(out, &artifact->time, TIME_WIDTH, SIZE_MAX);
    used += add_column(out, &artifact->integration, style->name_width, SIZE_MAX);
    used += add_column(out, &artifact->data_type, style->type_width, SIZE_MAX);
    size_t left = style->columns > used + MIN_ID ? style->columns - used : MIN_ID;
    used += add_column(out, &artifact->id, 0, style->columns ? left / 2 + MIN_ID / 2 : SIZE_MAX);
    if (artifact->gap && describe_gap(body, &gap))
        body = sc_buf_str(&gap);
    else if (artifact->gap)
        sc_buf_add_str(out, "GAP "), used += 4;
    size_t room = style->columns ? (style->columns > used ? style->columns - used : 0) : gap.len ? SIZE_MAX : EXCERPT;
    add_excerpt(artifact, body, room, out);
    while (out->len && out->ptr[out->len - 1] == ' ')
        out->ptr[--out->len] = '\0';
    sc_buf_add_char(out, '\n');
}

static void add_header_lines(struct sc_str headers, struct sc_buf *out)
{
    struct sc_str name, value;
    while (sc_header_next(&headers, &name, &value)) {
        sc_buf_add_str(out, "    ");
        sc_add_visible(out, name, SIZE_MAX, true);
        sc_buf_add_str(out, ": ");
        sc_add_visible(out, value, SIZE_MAX, true);
        sc_buf_add_char(out, '\n');
    }
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------- */

/* A string whose line and terminal are safe: the escapes that JSON itself demands do not cover DEL and C1. */
static void add_text(struct sc_buf *out, struct sc_str text, bool terminal)
{
    struct sc_buf quoted SC_AUTO_BUF = {0};
    sc_buf_init(&quoted, out->max);
    sc_buf_add_json(&quoted, text);
    out->failed |= quoted.failed;
    sc_add_json_line(out, sc_buf_str(&quoted), terminal);
}

static void add_member(struct sc_buf *out, const char *name, const struct sc_buf *value, bool terminal)
{
    sc_buf_addf(out, ",\"%s\":", name);
    if (value->len)
        add_text(out, sc_buf_str(value), terminal);
    else
        sc_buf_add_str(out, "null");
}

/* Is there a header of the same name before this one? */
static bool is_repeated(struct sc_str all, struct sc_str name)
{
    struct sc_str other, value;
    while (sc_header_next(&all, &other, &value) && other.ptr != name.ptr)
        if (sc_str_eq(other, name))
            return true;
    return false;
}

static unsigned count_of(struct sc_str all, struct sc_str name)
{
    struct sc_str other, value;
    unsigned count = 0;
    while (sc_header_next(&all, &other, &value))
        count += sc_str_eq(other, name);
    return count;
}

/* A name that stands there twice has an array. */
static void add_header_object(struct sc_buf *out, struct sc_str all, bool terminal)
{
    struct sc_str rest = all, name, value, other;
    const char *comma = "";
    sc_buf_add_char(out, '{');
    while (sc_header_next(&rest, &name, &value)) {
        if (is_repeated(all, name))
            continue;
        bool several = count_of(all, name) > 1;
        sc_buf_add_str(out, comma);
        comma = ",";
        add_text(out, name, terminal);
        sc_buf_add_str(out, several ? ":[" : ":");
        add_text(out, value, terminal);
        for (struct sc_str more = rest; several && sc_header_next(&more, &other, &value);) {
            if (!sc_str_eq(other, name))
                continue;
            sc_buf_add_char(out, ',');
            add_text(out, value, terminal);
        }
        sc_buf_add_str(out, several ? "]" : "");
    }
    sc_buf_add_char(out, '}');
}

static void add_object(const struct sc_tail_style *style, const struct sc_artifact *artifact, const struct sc_tail_message *message,
                       struct sc_buf *out)
{
    bool terminal = style->terminal;
    sc_buf_addf(out, "{\"seq\":%llu", (unsigned long long)message->seq);
    add_member(out, "time", &artifact->time, terminal);
    add_member(out, "integration", &artifact->integration, terminal);
    add_member(out, "data_type", &artifact->data_type, terminal);
    add_member(out, "id", &artifact->id, terminal);
    sc_buf_add_str(out, ",\"subject\":");
    add_text(out, message->subject, terminal);
    sc_buf_add_str(out, ",\"headers\":");
    add_header_object(out, message->headers, terminal);
    sc_buf_add_str(out, ",\"body\":");
    if (sc_is_json(message->body))
        sc_add_json_line(out, message->body, terminal);
    else
        add_text(out, message->body, terminal);
    sc_buf_add_str(out, "}\n");
}

void sc_tail_show(struct sc_tail_style *style, const struct sc_artifact *artifact, const struct sc_tail_message *message,
                  struct sc_buf *out)
{
    if (style->json) {
        add_object(style, artifact, message, out);
    } else if (style->raw) {
        sc_add_raw(out, message->body, style->terminal);
        sc_buf_add_char(out, '\n');
    } else {
        add_line(style, artifact, message->body, out);
        if (style->headers)
            add_header_lines(message->headers, out);
    }
}
