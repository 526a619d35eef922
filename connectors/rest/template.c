/* Templates of paths, queries and bodies, and the lower bound of a walk, which most of them name. Pure but for freezing it. */
#include "rest/parts.h"

#include <stdio.h>

#define MAX_URL 8192

/* ---- the lower bound -------------------------------------------------------------------------------------------------- */

int64_t rest_position_time(const struct sc_host *host)
{
    struct sc_str text = sc_str_of(host->api->get(host, SC_POSITION, "time"));
    bool date = host->type->time_format == SC_TIME_DATE;
    return text.ptr ? host->api->parse_time(host, text, date ? SC_TIME_DATE : SC_TIME_RFC3339)
                    : SC_TIME_NONE;
}

int64_t rest_lower_bound(const struct sc_host *host)
{
    const struct rest_data_type *row = host->type->engine;
    int64_t now = host->api->now(host), bound = rest_position_time(host);
    if (bound != SC_TIME_NONE) {
        int64_t from, to;
        bound -= (int64_t)host->type->overlap_s * 1000;
        if (host->api->past(host, &from, &to) && bound < from)
            bound = from;
    } else {
        struct sc_str first = sc_str_of(host->api->get(host, SC_POSITION, "since"));
        if (first.ptr)
            bound = host->api->parse_time(host, first, SC_TIME_RFC3339);
        if (bound == SC_TIME_NONE)
            bound = now - (int64_t)host->api->lookback_s(host) * 1000;
    }
    int64_t reach = now - (int64_t)row->reach_s * 1000, from, to;
    if (!row->reach_s || bound >= reach)
        return bound;
    return host->api->past(host, &from, &to) && reach > to ? to : reach; /* nothing of a closed window is left: never behind its end */
}

bool rest_past_reached(const struct sc_host *host, const struct sc_page *in)
{
    int64_t from, to;
    return host->api->past(host, &from, &to) && in->newest_time != SC_TIME_NONE && in->newest_time >= to + (int64_t)host->type->overlap_s * 1000;
}

bool rest_is_whole(const struct sc_host *host)
{
    const struct rest_data_type *row = host->type->engine;
    bool bounded = host->api->get(host, SC_WALK, "since") || host->api->get(host, SC_POSITION, "since") || host->api->lookback_s(host);
    return row->all_first && !bounded && rest_position_time(host) == SC_TIME_NONE;
}

const char *rest_since(struct sc_host *host)
{
    const char *frozen = host->api->get(host, SC_WALK, "since");
    if (frozen)
        return frozen;
    return rest_freeze_since(host);
}

static int64_t kept_time(const struct sc_host *host, const char *name)
{
    const char *text = host->api->get(host, SC_POSITION, name);
    return text ? host->api->parse_time(host, sc_str_of(text), SC_TIME_RFC3339) : SC_TIME_NONE;
}

int64_t rest_known_time(const struct sc_host *host)
{
    int64_t position = rest_position_time(host);
    return position != SC_TIME_NONE ? position : kept_time(host, "since");
}

/* How far walks have read, the last of them without finding anything newer than what is known. */
static int64_t covered_time(const struct sc_host *host)
{
    int64_t known = rest_known_time(host), quiet = kept_time(host, "quiet");
    return quiet != SC_TIME_NONE && quiet > known ? quiet : known;
}

const char *rest_freeze_since(struct sc_host *host)
{
    int64_t bound = rest_lower_bound(host), covered = covered_time(host);
    const char *since = host->api->rfc3339(host, bound);
    if (!since || !host->api->set(host, SC_WALK, "since", since))
        return NULL;
    if (covered != SC_TIME_NONE && covered < bound) /* the vendor's reach cut it */
        host->api->passed(host, covered, bound);
    return since;
}

/* ---- templates ---------------------------------------------------------------------------------------------------------- */

struct text {
    char bytes[MAX_URL];
    size_t len;
    bool failed;
};

static void add(struct text *out, char c)
{
    if (out->len + 1 < sizeof out->bytes)
        out->bytes[out->len++] = c;
    else
        out->failed = true;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

static void add_encoded(struct text *out, const char *value)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (is_unreserved(*value)) {
            add(out, *value);
        } else {
            add(out, '%');
            add(out, hex[c >> 4]);
            add(out, hex[c & 15]);
        }
    }
}

static const char *write_rfc3339ms(struct sc_host *host, const char *value)
{
    int64_t ms = host->api->parse_time(host, sc_str_of(value), SC_TIME_RFC3339);
    return ms == SC_TIME_NONE ? NULL : host->api->rfc3339(host, ms);
}

/* Floored: a bound that is rounded up would leave records out. */
static const char *write_rfc3339s(struct sc_host *host, const char *value)
{
    const char *ms = write_rfc3339ms(host, value), *dot = ms ? strchr(ms, '.') : NULL;
    return dot ? host->api->text(host, "%.*sZ", (int)(dot - ms), ms) : ms;
}

static const char *write_rfc3339us(struct sc_host *host, const char *value)
{
    const char *ms = write_rfc3339ms(host, value);
    size_t len = ms ? strlen(ms) : 0;
    return len && ms[len - 1] == 'Z' ? host->api->text(host, "%.*s000Z", (int)len - 1, ms) : NULL;
}

static const char *write_utc_s(struct sc_host *host, const char *value)
{
    const char *s = write_rfc3339s(host, value);
    size_t len = s ? strlen(s) : 0;
    return len ? host->api->text(host, "%.*s", (int)len - 1, s) : NULL;
}

static const char *write_epoch(struct sc_host *host, const char *value, int64_t unit)
{
    int64_t ms = host->api->parse_time(host, sc_str_of(value), SC_TIME_RFC3339), rest = ms % unit;
    return ms == SC_TIME_NONE ? NULL : host->api->text(host, "%lld", (long long)((ms - (rest < 0 ? rest + unit : rest)) / unit));
}

static const char *write_epoch_ms(struct sc_host *host, const char *value)
{
    return write_epoch(host, value, 1);
}

static const char *write_epoch_s(struct sc_host *host, const char *value)
{
    return write_epoch(host, value, 1000);
}

static const struct form {
    const char *name;
    const char *(*write)(struct sc_host *host, const char *value);
} forms[] = {
    {"rfc3339us", write_rfc3339us}, /* 2026-11-21T10:15:02.123000Z */
    {"rfc3339ms", write_rfc3339ms}, /* 2026-11-21T10:15:02.123Z */
    {"rfc3339s", write_rfc3339s},   /* 2026-11-21T10:15:02Z */
    {"utc_s", write_utc_s},         /* 2026-11-21T10:15:02 */
    {"epoch_ms", write_epoch_ms},   /* 1795256102123 */
    {"epoch_s", write_epoch_s},     /* 1795256102 */
};

uint32_t rest_limit(const struct sc_host *host)
{
    const struct rest_data_type *row = host->type->engine;
    uint32_t n = host->api->page_size(host, row->page_size);
    if (row->next != REST_NEXT_OFFSET && !row->follows_time)
        return n;
    n = n < 2 ? 2 : n; /* a page may begin with one that is known */
    int64_t fewer = rest_get_number(host, SC_WALK, "fewer", n);
    return fewer < n ? (uint32_t)fewer : n;
}

static const char *value_of(struct sc_host *host, const char *name)
{
    if (strcmp(name, "since") == 0)
        return rest_since(host);
    if (strcmp(name, "page_size") == 0)
        return host->api->text(host, "%u", rest_limit(host));
    if (strcmp(name, "past_end") == 0) {
        int64_t from, to;
        return host->api->past(host, &from, &to) ? host->api->rfc3339(host, to) : NULL;
    }
    const char *value = host->api->get(host, SC_POSITION, name);
    if (!value)
        value = host->api->get(host, SC_WALK, name);
    return value ? value : host->api->setting(host, name);
}

/* "name" or "name|form"; NULL: no value. */
static const char *find_value(struct sc_host *host, const char *placeholder, size_t len)
{
    char name[64] = "";
    if (len < sizeof name)
        memcpy(name, placeholder, len);
    char *form = strchr(name, '|');
    if (form)
        *form++ = '\0';
    const char *value = value_of(host, name);
    if (value && form) {
        size_t i = 0, count = sizeof forms / sizeof *forms;
        while (i < count && strcmp(form, forms[i].name) != 0)
            i++;
        value = i < count ? forms[i].write(host, value) : NULL;
    }
    return value;
}

/* "&param=name": the whole parameter, or nothing. */
static void add_parameter(struct sc_host *host, struct text *out, const char *placeholder, size_t len)
{
    const char *equals = memchr(placeholder, '=', len);
    size_t head = equals ? (size_t)(equals - placeholder) + 1 : len;
    const char *value = find_value(host, placeholder + head, len - head);
    if (!value || !*value)
        return;
    for (size_t i = 0; i < head; i++)
        add(out, placeholder[i]);
    add_encoded(out, value);
}

static void add_value(struct sc_host *host, struct text *out, const char *placeholder, size_t len)
{
    if (len && *placeholder == '&') {
        add_parameter(host, out, placeholder, len);
        return;
    }
    const char *value = find_value(host, placeholder, len);
    if (value)
        add_encoded(out, value);
    else
        out->failed = true;
}

const char *rest_expand(struct sc_host *host, const char *template_text)
{
    struct text out = {.len = 0};
    for (const char *c = template_text; *c && !out.failed; c++) {
        const char *end = *c == '{' ? strchr(c, '}') : NULL;
        if (end)
            add_value(host, &out, c + 1, (size_t)(end - c - 1));
        else
            add(&out, *c);
        c = end ? end : c;
    }
    return out.failed ? NULL : host->api->text(host, "%.*s", (int)out.len, out.bytes);
}

const char *rest_encode(struct sc_host *host, const char *value)
{
    struct text out = {.len = 0};
    add_encoded(&out, value);
    return out.failed ? NULL : host->api->text(host, "%.*s", (int)out.len, out.bytes);
}

/* As the text of a JSON string. */
static void add_json(struct text *out, const char *value)
{
    char code[8];
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') {
            add(out, '\\');
            add(out, *value);
        } else if ((unsigned char)*value < ' ') {
            snprintf(code, sizeof code, "\\u%04x", (unsigned)*value);
            for (const char *c = code; *c; c++)
                add(out, *c);
        } else {
            add(out, *value);
        }
    }
}

/* A part of a body. JSON's own braces are followed by a quote, a blank or a brace, a placeholder's by a letter. */
static const char *expand_json(struct sc_host *host, const char *text, size_t len)
{
    struct text out = {.len = 0};
    const char *stop = text + len;
    for (const char *c = text; c < stop && !out.failed; c++) {
        bool opens = *c == '{' && stop - c > 1 && c[1] >= 'a' && c[1] <= 'z';
        const char *end = opens ? memchr(c, '}', (size_t)(stop - c)) : NULL, *value = NULL;
        if (end && !(value = find_value(host, c + 1, (size_t)(end - c - 1))))
            return NULL;
        if (value)
            add_json(&out, value);
        else
            add(&out, *c);
        c = end ? end : c;
    }
    return out.failed ? NULL : host->api->text(host, "%.*s", (int)out.len, out.bytes);
}

const char *rest_body(struct sc_host *host, const char *text, const char *items)
{
    static const char name[] = "{items}";
    const char *at = strstr(text, name);
    if (!at)
        return expand_json(host, text, strlen(text));
    const char *before = expand_json(host, text, (size_t)(at - text)), *tail = at + sizeof name - 1;
    const char *after = before ? expand_json(host, tail, strlen(tail)) : NULL;
    return after ? host->api->text(host, "%s%s%s", before, items, after) : NULL;
}
