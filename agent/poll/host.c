/* The services that a connector may ask for (include/signal/connector.h). io thread of the poller; nothing here does I/O. */
#include "poll/errand.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define MAX_NAMES    32
#define MAX_VALUE    8192
#define MAX_TEXT     (8u * 1024 * 1024)

/* struct sc_host is the first member of struct sc_poller. */
static struct sc_poller *poller(const struct sc_host *host)
{
    return (struct sc_poller *)(uintptr_t)host;
}

static int64_t host_now(const struct sc_host *host)
{
    return sc_source_now(poller(host)->inst->source);
}

static const char *host_setting(const struct sc_host *host, const char *name)
{
    return sc_integration_value(poller(host)->inst->config, name);
}

static uint32_t reach_back(const struct sc_host *host, int64_t to_ms)
{
    int64_t since = host_now(host) - to_ms;
    return since <= 0 ? 1 : since / 1000 + 1 < UINT32_MAX ? (uint32_t)(since / 1000 + 1) : UINT32_MAX;
}

static uint32_t host_lookback_s(const struct sc_host *host)
{
    const struct sc_poller *p = poller(host);
    const struct sc_integration_type *type = &p->inst->config->types[p->index];
    if (p->errand && p->errand->from_ms != SC_TIME_NONE)
        return reach_back(host, p->errand->from_ms);
    if (!p->never || type->start_ms == SC_TIME_NONE)
        return type->lookback_s;
    return reach_back(host, type->start_ms);
}

uint32_t sc_host_lookback_anew(const struct sc_poller *p)
{
    const struct sc_integration_type *type = &p->inst->config->types[p->index];
    return type->start_ms == SC_TIME_NONE ? type->lookback_s : reach_back(&p->host, type->start_ms);
}

static uint32_t host_page_size(const struct sc_host *host, uint32_t def)
{
    const char *text = host_setting(host, "page_size");
    int64_t n;
    poller(host)->sized = true;
    if (!text || !sc_parse_int(sc_str_of(text), &n) || n < 1 || n > def)
        n = def;
    for (uint32_t i = 0; i < poller(host)->page_halvings && n > 1; i++)
        n /= 2;
    return (uint32_t)n;
}

static uint32_t host_narrowed(const struct sc_host *host)
{
    poller(host)->sized = true;
    return poller(host)->page_halvings;
}

static json_t **keep(struct sc_poller *p, enum sc_keep which)
{
    return which == SC_POSITION ? &p->position : which == SC_WALK ? &p->walk : &p->page_keep;
}

static const char *host_get(const struct sc_host *host, enum sc_keep which, const char *name)
{
    return json_string_value(json_object_get(*keep(poller(host), which), name));
}

static bool host_set(struct sc_host *host, enum sc_keep which, const char *name, const char *value)
{
    json_t **object = keep(poller(host), which);
    if (!*object && !(*object = json_object()))
        return false;
    if (!value) {
        json_object_del(*object, name);
        return true;
    }
    if (strlen(value) > MAX_VALUE || (json_object_size(*object) >= MAX_NAMES && !json_object_get(*object, name)))
        return false;
    return json_object_set_new(*object, name, json_string(value)) == 0;
}

/* In the lines of a head that was kept. */
static struct sc_str kept_header(struct sc_str lines, const char *name, unsigned nth)
{
    size_t len = strlen(name);
    while (lines.len) {
        const char *end = memchr(lines.ptr, '\n', lines.len);
        struct sc_str line = {lines.ptr, end ? (size_t)(end - lines.ptr) : lines.len};
        lines.ptr += line.len + (end ? 1 : 0);
        lines.len -= line.len + (end ? 1 : 0);
        if (line.len < len + 2 || line.ptr[len] != ':' || strncasecmp(line.ptr, name, len) != 0)
            continue;
        if (nth-- == 0)
            return (struct sc_str){line.ptr + len + 2, line.len - len - 2};
    }
    return (struct sc_str){0};
}

static struct sc_str host_header(const struct sc_host *host, const char *name, unsigned nth)
{
    const struct sc_poller *p = poller(host);
    return p->transfer ? sc_http_header(p->transfer, name, nth) : kept_header(sc_buf_str(&p->kept_head), name, nth);
}

static struct sc_str host_envelope(const struct sc_host *host, const char *path)
{
    const struct sc_poller *p = poller(host);
    for (unsigned i = 0; p->cut_now && i < SC_CUT_ENVELOPE && p->spec_now->envelope[i]; i++) {
        const struct sc_cut_value *v = sc_cut_envelope(p->cut_now, i);
        if (strcmp(p->spec_now->envelope[i], path) == 0 && v && v->kind != SC_CUT_ABSENT && v->kind != SC_CUT_NULL && (!v->cut || v->kind >= SC_CUT_OBJECT))
            return v->text;
    }
    return (struct sc_str){0};
}

static const char *host_base_url(const struct sc_host *host)
{
    return poller(host)->inst->config->base_url;
}

void sc_host_release(struct sc_poller *p)
{
    while (p->arena_count)
        sc_secret_free(p->arena[--p->arena_count]); /* signatures and logins are among them */
}

static const char *arena_keep(struct sc_poller *p, char *text)
{
    if (p->arena_count == sizeof p->arena / sizeof p->arena[0]) {
        free(text);
        return NULL;
    }
    p->arena[p->arena_count++] = text;
    return text;
}

static const char *host_text(struct sc_host *host, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0)
        return NULL;
    if ((unsigned)n > MAX_TEXT) {
        free(text);
        return NULL;
    }
    return arena_keep(poller(host), text);
}

static const char *host_rfc3339(struct sc_host *host, int64_t ms)
{
    char text[SC_TIME_TEXT];
    sc_time_rfc3339(ms, text);
    char *copy = sc_dup(text);
    return copy ? arena_keep(poller(host), copy) : NULL;
}

static int64_t host_parse_time(const struct sc_host *host, struct sc_str text, enum sc_time_format format)
{
    int64_t n;
    (void)host;
    switch (format) {
    case SC_TIME_RFC3339:
        return sc_time_parse_rfc3339(text);
    case SC_TIME_DATE:
        return sc_time_parse_date((struct sc_str){text.ptr, text.len < 10 ? text.len : 10});
    case SC_TIME_EPOCH_S:
        n = sc_parse_seconds_ms(text);
        return n < 0 ? SC_TIME_NONE : n;
    case SC_TIME_EPOCH_MS:
        return sc_parse_int(text, &n) ? n : SC_TIME_NONE;
    }
    return SC_TIME_NONE;
}

static void host_trace(struct sc_host *host, const char *fmt, ...)
{
    char line[512];
    va_list args;
    struct sc_log_cx cx = sc_poller_cx(poller(host));
    if (sc_log_level_now > SC_DEBUG)
        return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    SC_LOG(SC_DEBUG, &cx, NULL, "%s", line);
}

static uint32_t host_items(const struct sc_host *host)
{
    return poller(host)->items.count;
}

static struct sc_str host_item(const struct sc_host *host, uint32_t n)
{
    const struct sc_items *items = &poller(host)->items;
    return n < items->count ? sc_str_of(items->text.ptr + items->at[n]) : (struct sc_str){0};
}

/* Its further members stand behind it. */
static struct sc_str host_item_more(const struct sc_host *host, uint32_t n, unsigned which)
{
    const struct sc_items *items = &poller(host)->items;
    struct sc_str text = host_item(host, n);
    if (!text.ptr || !items->more || which > 1)
        return (struct sc_str){0};
    for (unsigned i = 0; i <= which; i++)
        text = sc_str_of(text.ptr + text.len + 1);
    return text;
}

static bool host_was_read(const struct sc_host *host, struct sc_str child)
{
    return sc_child_was_read(poller(host), child);
}

static const char *host_items_json(struct sc_host *host, uint32_t from, uint32_t count)
{
    struct sc_buf text = {.max = MAX_TEXT};
    const struct sc_items *items = &poller(host)->items;
    sc_buf_add_char(&text, '[');
    for (uint32_t i = from; i < items->count && i - from < count; i++) {
        if (i > from)
            sc_buf_add_char(&text, ',');
        sc_buf_add_json(&text, host_item(host, i));
    }
    sc_buf_add_char(&text, ']');
    char *whole = sc_buf_take(&text);
    return whole ? arena_keep(poller(host), whole) : NULL;
}

static void host_passed(struct sc_host *host, int64_t from_ms, int64_t to_ms)
{
    struct sc_poller *p = poller(host);
    struct sc_log_cx cx = sc_poller_cx(p);
    char from[SC_TIME_TEXT], to[SC_TIME_TEXT];
    if (p->past.to_ms && to_ms > p->past.to_ms) /* what lies behind a closed window is not asked for by it */
        to_ms = p->past.to_ms;
    sc_time_rfc3339(from_ms, from);
    sc_time_rfc3339(to_ms, to);
    sc_poller_add_gap(p, from, to, sc_reason_code(SC_REASON_RETENTION_PASSED), true);
    SC_LOG_EACH(sc_is_dry(p) ? SC_DEBUG : SC_ERROR, &cx, NULL, "%s: %s to %s can no longer be asked from the vendor: recorded as a gap; %s", sc_reason_code(SC_REASON_RETENTION_PASSED), from, to,
           sc_reason_row(SC_REASON_RETENTION_PASSED)->advice);
}

static const char *host_base64(struct sc_host *host, struct sc_str bytes)
{
    struct sc_buf text = {.max = MAX_TEXT};
    sc_buf_add_base64(&text, bytes.ptr ? bytes.ptr : "", bytes.len, false);
    char *whole = sc_buf_take(&text);
    return whole ? arena_keep(poller(host), whole) : NULL;
}

static const char *host_hex(struct sc_host *host, struct sc_str bytes)
{
    struct sc_buf text = {.max = MAX_TEXT};
    sc_buf_add_hex(&text, bytes.ptr ? bytes.ptr : "", bytes.len);
    char *whole = sc_buf_take(&text);
    return whole ? arena_keep(poller(host), whole) : NULL;
}

static bool host_past(const struct sc_host *host, int64_t *ret_from, int64_t *ret_to)
{
    const struct sc_poller *p = poller(host);
    *ret_from = p->past.from_ms;
    *ret_to = p->past.to_ms;
    return p->past.to_ms != 0;
}

const struct sc_host_api sc_host_services = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_host_api),
    .now = host_now,
    .setting = host_setting,
    .lookback_s = host_lookback_s,
    .page_size = host_page_size,
    .get = host_get,
    .set = host_set,
    .header = host_header,
    .envelope = host_envelope,
    .base_url = host_base_url,
    .text = host_text,
    .rfc3339 = host_rfc3339,
    .parse_time = host_parse_time,
    .trace = host_trace,
    .items = host_items,
    .item = host_item,
    .items_json = host_items_json,
    .passed = host_passed,
    .item_more = host_item_more,
    .was_read = host_was_read,
    .digest = sc_digest_of,
    .hmac = sc_hmac_of,
    .base64 = host_base64,
    .hex = host_hex,
    .past = host_past,
    .narrowed = host_narrowed,
};
