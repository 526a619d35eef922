#include "fake_host.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "check.h"

/* ---- maps ---------------------------------------------------------------------------------------------------------- */

static struct fake *fake_of(const struct sc_host *host)
{
    return (struct fake *)(uintptr_t)host;
}

static void clear(struct fake_value *map, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(map[i].name);
        free(map[i].value);
        map[i] = (struct fake_value){0};
    }
}

static struct fake_value *find(struct fake_value *map, const char *name)
{
    for (size_t i = 0; i < FAKE_VALUES; i++) {
        if (map[i].name && strcmp(map[i].name, name) == 0)
            return &map[i];
    }
    return NULL;
}

static bool put(struct fake_value *map, const char *name, const char *value)
{
    struct fake_value *at = find(map, name);
    if (value && strlen(value) > 8192)
        return false;
    char *copy = value ? strdup(value) : NULL;
    for (size_t i = 0; !at && value && i < FAKE_VALUES; i++) {
        if (!map[i].name) {
            at = &map[i];
            at->name = strdup(name);
        }
    }
    if (!at) {
        free(copy);
        return value == NULL;
    }
    free(at->value);
    at->value = copy;
    if (!value) {
        free(at->name);
        at->name = NULL;
    }
    return true;
}

void fake_set(struct fake *f, enum fake_map map, const char *name, const char *value)
{
    assert_true(put(f->maps[map], name, value));
}

const char *fake_get(const struct fake *f, enum fake_map map, const char *name)
{
    struct fake_value *at = find(fake_of(&f->host)->maps[map], name);
    return at ? at->value : NULL;
}

static int by_name(const void *a, const void *b)
{
    const char *x = ((const struct fake_value *)a)->name, *y = ((const struct fake_value *)b)->name;
    return x && y ? strcmp(x, y) : !x - !y;
}

const char *fake_show(const struct fake *f, enum fake_map map)
{
    static char text[4][16384];
    static unsigned turn;
    char *out = text[turn++ % 4];
    struct fake_value sorted[FAKE_VALUES];
    memcpy(sorted, f->maps[map], sizeof sorted);
    qsort(sorted, FAKE_VALUES, sizeof *sorted, by_name);
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < FAKE_VALUES && sorted[i].name && n < 16384; i++)
        n += (size_t)snprintf(out + n, 16384 - n, "%s%s=%s", n ? " " : "", sorted[i].name, sorted[i].value);
    return out;
}

void fake_new_walk(struct fake *f)
{
    clear(f->maps[FAKE_WALK], FAKE_VALUES);
}

/* Nobody may hold what get() gave. */
static void renew(struct fake *f)
{
    for (int m = 0; m <= FAKE_PAGE; m++) {
        for (size_t i = 0; i < FAKE_VALUES; i++) {
            char *copy = f->maps[m][i].value ? strdup(f->maps[m][i].value) : NULL;
            free(f->maps[m][i].value);
            f->maps[m][i].value = copy;
        }
    }
}

static void begin_call(struct fake *f)
{
    while (f->text_count)
        free(f->texts[--f->text_count]);
}

/* ---- services ------------------------------------------------------------------------------------------------------ */

static bool out_of_memory(struct fake *f)
{
    if (f->fail_at > 0 && --f->fail_at == 0)
        f->failed = true;
    else
        return false;
    return true;
}

static int64_t host_now(const struct sc_host *host)
{
    return fake_of(host)->now;
}

static const char *host_setting(const struct sc_host *host, const char *name)
{
    const struct fake *f = fake_of(host);
    const char *value = fake_get(f, FAKE_SETTING, name);
    for (const struct sc_field *row = f->connector->settings; !value && row && row->name; row++)
        value = strcmp(row->name, name) == 0 ? row->def : NULL;
    return value;
}

static uint32_t host_lookback_s(const struct sc_host *host)
{
    return fake_of(host)->lookback_s;
}

static uint32_t host_narrowed(const struct sc_host *host)
{
    return fake_of(host)->halvings;
}

static uint32_t host_page_size(const struct sc_host *host, uint32_t def)
{
    return def >> fake_of(host)->halvings;
}

static const char *host_get(const struct sc_host *host, enum sc_keep keep, const char *name)
{
    return fake_get(fake_of(host), (enum fake_map)keep, name);
}

static bool host_set(struct sc_host *host, enum sc_keep keep, const char *name, const char *value)
{
    struct fake *f = fake_of(host);
    return (!value || !out_of_memory(f)) && put(f->maps[keep], name, value);
}

static struct sc_str host_header(const struct sc_host *host, const char *name, unsigned nth)
{
    struct fake *f = fake_of(host);
    for (size_t i = 0; i < FAKE_HEADERS && f->reply[i].name; i++) {
        if (strcasecmp(f->reply[i].name, name) == 0 && nth-- == 0)
            return sc_str_of(f->reply[i].value);
    }
    return (struct sc_str){0};
}

static struct sc_str host_envelope(const struct sc_host *host, const char *path)
{
    return sc_str_of(fake_get(fake_of(host), FAKE_ENVELOPE, path));
}

static uint32_t host_items(const struct sc_host *host)
{
    return fake_of(host)->item_count;
}

static struct sc_str host_item(const struct sc_host *host, uint32_t n)
{
    return n < fake_of(host)->item_count ? sc_str_of(fake_of(host)->items[n]) : (struct sc_str){0};
}

static struct sc_str host_item_more(const struct sc_host *host, uint32_t n, unsigned which)
{
    return n < fake_of(host)->item_count && which < 2 ? sc_str_of(fake_of(host)->more[which][n]) : (struct sc_str){0};
}

static bool host_was_read(const struct sc_host *host, struct sc_str child)
{
    const struct fake_value *known = fake_of(host)->maps[FAKE_READ];
    for (size_t i = 0; i < FAKE_VALUES; i++) {
        if (known[i].name && sc_str_is(child, known[i].name))
            return true;
    }
    return false;
}

static const EVP_MD *digest_of(enum sc_digest kind)
{
    return kind == SC_SHA1 ? EVP_sha1() : kind == SC_SHA256 ? EVP_sha256() : EVP_sha512();
}

static size_t host_digest(enum sc_digest kind, struct sc_str data, unsigned char *out)
{
    unsigned len = 0;
    return EVP_Digest(data.ptr ? data.ptr : "", data.len, out, &len, digest_of(kind), NULL) ? len : 0;
}

static size_t host_hmac(enum sc_digest kind, struct sc_str key, struct sc_str data, unsigned char *out)
{
    unsigned len = 0;
    return HMAC(digest_of(kind), key.ptr, (int)key.len, (const unsigned char *)data.ptr, data.len, out, &len) ? len : 0;
}

static const char *host_base64(struct sc_host *host, struct sc_str bytes)
{
    unsigned char text[4096];
    assert_true(bytes.len < sizeof text / 4 * 3 - 4);
    EVP_EncodeBlock(text, (const unsigned char *)bytes.ptr, (int)bytes.len);
    return host->api->text(host, "%s", (const char *)text);
}

static const char *host_hex(struct sc_host *host, struct sc_str bytes)
{
    char text[1024];
    assert_true(bytes.len * 2 < sizeof text);
    text[0] = '\0';
    for (size_t i = 0; i < bytes.len; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned char)bytes.ptr[i]);
    return host->api->text(host, "%s", text);
}

static const char *host_items_json(struct sc_host *host, uint32_t from, uint32_t count)
{
    const struct fake *f = fake_of(host);
    const char *text = f->host.api->text(host, "[");
    for (uint32_t i = from; text && i < f->item_count && i - from < count; i++) {
        fake_of(host)->text_count--; /* one text for the whole */
        char *longer = NULL;
        assert_true(asprintf(&longer, "%s%s\"%s\"", text, i > from ? "," : "", f->items[i]) >= 0);
        free(f->texts[f->text_count]);
        text = fake_of(host)->texts[fake_of(host)->text_count++] = longer;
    }
    return text ? f->host.api->text(host, "%s]", text) : NULL;
}

static const char *host_base_url(const struct sc_host *host)
{
    return fake_of(host)->base_url;
}

static const char *host_text(struct sc_host *host, const char *fmt, ...)
{
    struct fake *f = fake_of(host);
    char *text = NULL;
    va_list args;
    if (f->text_count == 32 || out_of_memory(f))
        return NULL;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    assert_true(n >= 0);
    return f->texts[f->text_count++] = text;
}

static const char *host_rfc3339(struct sc_host *host, int64_t ms)
{
    char text[SC_TIME_TEXT];
    return host_text(host, "%s", sc_time_rfc3339(ms, text));
}

static int64_t host_parse_time(const struct sc_host *host, struct sc_str text, enum sc_time_format format)
{
    (void)host;
    int64_t n;
    if (format == SC_TIME_EPOCH_S || format == SC_TIME_EPOCH_MS)
        return sc_parse_int(text, &n) ? n * (format == SC_TIME_EPOCH_S ? 1000 : 1) : SC_TIME_NONE;
    return format == SC_TIME_DATE ? sc_time_parse_date(text) : sc_time_parse_rfc3339(text);
}

static void host_trace(struct sc_host *host, const char *fmt, ...)
{
    (void)host;
    (void)fmt;
}

static void host_passed(struct sc_host *host, int64_t from_ms, int64_t to_ms)
{
    struct fake *f = fake_of(host);
    CHECK_TRUE("a gap has a length", from_ms < to_ms);
    f->gaps++;
    f->gap_from = from_ms;
    f->gap_to = to_ms;
}

static bool host_past(const struct sc_host *host, int64_t *ret_from, int64_t *ret_to)
{
    const struct fake *f = fake_of(host);
    *ret_from = f->past_from;
    *ret_to = f->past_to;
    return f->past_to != 0;
}

static const struct sc_host_api services = {
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
    .digest = host_digest,
    .hmac = host_hmac,
    .base64 = host_base64,
    .hex = host_hex,
    .narrowed = host_narrowed,
    .past = host_past,
};

/* ---- life ------------------------------------------------------------------------------------------------------------ */

const struct sc_connector *fake_load(const char *path, void **ret_handle)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        fail_msg("%s", dlerror());
    sc_connector_entry_fn entry;
    void *symbol = dlsym(handle, "sc_connector_entry");
    assert_non_null(symbol);
    memcpy(&entry, &symbol, sizeof entry);
    *ret_handle = handle;
    return entry(SC_CONNECTOR_ABI);
}

void fake_open(struct fake *f, const char *module, const char *data_type)
{
    memset(f, 0, sizeof *f);
    f->connector = fake_load(module, &f->handle);
    assert_non_null(f->connector);
    const struct sc_data_type *type = f->connector->data_types;
    while (type->name && strcmp(type->name, data_type) != 0)
        type++;
    assert_non_null(type->name);
    f->host.api = &services;
    f->host.type = type;
    f->now = FAKE_NOW;
    f->lookback_s = type->lookback_s;
}

static void forget_request(struct fake *f)
{
    free(f->url);
    f->url = NULL;
    free(f->body);
    f->body = NULL;
    free(f->child);
    f->child = NULL;
    clear(f->headers, SC_MAX_REQUEST_HEADERS);
    f->pools[0] = '\0';
}

static void drop_items(struct fake *f)
{
    char **lists[] = {f->items, f->more[0], f->more[1]};
    for (size_t l = 0; l < 3; l++) {
        for (uint32_t i = 0; i < f->item_count; i++)
            free(lists[l][i]);
        free(lists[l]);
    }
    f->items = f->more[0] = f->more[1] = NULL;
    f->item_count = 0;
}

static char **longer(char **list, uint32_t count, const char *text)
{
    char **grown = realloc(list, (count + 1) * sizeof *grown);
    assert_non_null(grown);
    grown[count] = strdup(text ? text : "");
    return grown;
}

void fake_drop_page(struct fake *f)
{
    clear(f->maps[FAKE_PAGE], FAKE_VALUES);
    drop_items(f);
}

void fake_list(struct fake *f, const char *ids)
{
    char *copy = strdup(ids), *save = NULL, *member;
    drop_items(f);
    for (char *id = strtok_r(copy, " ", &save); id; id = strtok_r(NULL, " ", &save)) {
        char *inner = NULL;
        member = strtok_r(id, "|", &inner);
        f->items = longer(f->items, f->item_count, member);
        for (size_t m = 0; m < 2; m++)
            f->more[m] = longer(f->more[m], f->item_count, strtok_r(NULL, "|", &inner));
        f->item_count++;
    }
    free(copy);
}

void fake_envelope(struct fake *f, const char *path, const char *value)
{
    fake_set(f, FAKE_ENVELOPE, path, value);
}

void fake_close(struct fake *f)
{
    begin_call(f);
    forget_request(f);
    free(f->why);
    fake_drop_page(f);
    for (int m = 0; m < FAKE_MAPS; m++)
        clear(f->maps[m], FAKE_VALUES);
    clear(f->reply, FAKE_HEADERS);
    dlclose(f->handle);
}

/* ---- calls ----------------------------------------------------------------------------------------------------------- */

static void note(struct fake *f, const struct sc_request *asked)
{
    struct sc_request out = *asked;
    forget_request(f);
    f->url = out.url ? strdup(out.url) : NULL;
    f->method = out.method;
    f->body = out.body.len ? strndup(out.body.ptr, out.body.len) : NULL;
    f->reply_table = out.reply;
    f->may_repeat = out.may_repeat;
    f->newest_until = out.newest_until;
    f->not_before = out.not_before;
    f->after_save = out.after_save;
    f->no_auth = out.no_auth;
    f->first_byte_s = out.first_byte_s;
    f->child = out.child ? strdup(out.child) : NULL;
    f->child_time = out.child_time;
    f->remember_as = out.remember_as;
    free(f->why);
    f->why = out.why ? strdup(out.why) : NULL;
    for (size_t i = 0; i < SC_MAX_REQUEST_HEADERS && out.headers[i].name; i++)
        f->headers[i] = (struct fake_value){strdup(out.headers[i].name), strdup(out.headers[i].value)};
    size_t n = 0;
    for (size_t i = 0; i < SC_MAX_REQUEST_POOLS && out.pools[i]; i++)
        n += (size_t)snprintf(f->pools + n, sizeof f->pools - n, "%s%s", n ? "," : "", out.pools[i]);
}

static void ask(struct fake *f)
{
    struct sc_request out = {0};
    begin_call(f);
    f->next = f->connector->ops->request(&f->host, &out);
    renew(f);
    note(f, &out);
}

bool fake_leave(struct fake *f)
{
    struct sc_request out = {0};
    begin_call(f);
    bool any = f->connector->ops->leave && f->connector->ops->leave(&f->host, &out);
    renew(f);
    note(f, &out);
    return any;
}

enum sc_line fake_line(struct fake *f)
{
    f->page = (struct sc_verdict){.wait_until = SC_TIME_NONE};
    begin_call(f);
    enum sc_line line = f->connector->ops->line ? f->connector->ops->line(&f->host, &f->page) : SC_LINE_TAKE;
    renew(f);
    if (line == SC_LINE_BROKEN)
        CHECK_TRUE("it says why", f->page.detail[0]);
    return line;
}

enum sc_next fake_request(struct fake *f)
{
    char first[16384], position[16384];
    snprintf(position, sizeof position, "%s", fake_show(f, FAKE_POSITION));
    ask(f);
    snprintf(first, sizeof first, "%d %s %s %s %s %lld", (int)f->next, f->url, f->body ? f->body : "", fake_show(f, FAKE_WALK),
             fake_show(f, FAKE_PAGE), (long long)f->newest_until);
    f->now += f->failed || f->fail_at ? 0 : 1234; /* after a wait */
    ask(f);
    f->now -= f->failed || f->fail_at ? 0 : 1234;
    if (!f->failed) {
        char second[16384];
        snprintf(second, sizeof second, "%d %s %s %s %s %lld", (int)f->next, f->url, f->body ? f->body : "", fake_show(f, FAKE_WALK),
                 fake_show(f, FAKE_PAGE), (long long)f->newest_until);
        CHECK_TEXT("asked again, it says the same", second, first);
    }
    CHECK_TEXT("a request moves no position", fake_show(f, FAKE_POSITION), position);
    return f->next;
}

const char *fake_asked(const struct fake *f, const char *name)
{
    for (size_t i = 0; i < SC_MAX_REQUEST_HEADERS && f->headers[i].name; i++) {
        if (strcasecmp(f->headers[i].name, name) == 0)
            return f->headers[i].value;
    }
    return NULL;
}

static void respond(struct fake *f, const struct sc_response *in)
{
    f->verdict = (struct sc_verdict){.wait_until = SC_TIME_NONE};
    begin_call(f);
    f->connector->ops->response(&f->host, in, &f->verdict);
    renew(f);
    CHECK_TRUE("detail ends", memchr(f->verdict.detail, '\0', sizeof f->verdict.detail));
    CHECK_TRUE("advice ends", memchr(f->verdict.advice, '\0', sizeof f->verdict.advice));
}

static bool is_cut(const struct fake *f, int status)
{
    return f->verdict.action == SC_CUT || (f->verdict.action == SC_BY_STATUS && status >= 200 && status < 300);
}

enum sc_action fake_reply(struct fake *f, int status, const char *body)
{
    char before[2][16384];
    struct sc_response in = {.status = status};
    if (!f->headers_first)
        clear(f->reply, FAKE_HEADERS);
    f->headers_first = false;
    clear(f->maps[FAKE_ENVELOPE], FAKE_VALUES);
    for (int m = 0; m < 2; m++)
        snprintf(before[m], sizeof before[m], "%s", fake_show(f, (enum fake_map)m));
    respond(f, &in);
    for (int m = 0; m < 2; m++)
        CHECK_TEXT("the head changes nothing", fake_show(f, (enum fake_map)m), before[m]);
    if (is_cut(f, status))
        return SC_CUT;
    in.body_complete = true;
    in.body_prefix = sc_str_of(body);
    respond(f, &in);
    return f->verdict.action;
}

enum sc_action fake_no_reply(struct fake *f, enum sc_reason transport)
{
    struct sc_response in = {.transport = transport, .body_complete = true};
    clear(f->reply, FAKE_HEADERS);
    respond(f, &in);
    return f->verdict.action;
}

void fake_header(struct fake *f, const char *name, const char *value)
{
    size_t i = 0;
    while (i < FAKE_HEADERS && f->reply[i].name)
        i++;
    assert_true(i < FAKE_HEADERS);
    f->reply[i] = (struct fake_value){strdup(name), strdup(value)};
}

enum sc_more fake_page(struct fake *f, uint64_t records, const char *newest)
{
    bool lists = f->reply_table && !f->reply_table->publish;
    struct sc_page in = {.records = lists ? f->item_count : records,
                         .number = 1,
                         .newest_time = SC_TIME_NONE,
                         .newest_text = sc_str_of(newest),
                         .reply = f->reply_table,
                         .items = lists ? f->item_count : 0,
                         .answered = f->answered ? f->answered : f->now,
                         .absent = f->absent,
                         .passed_over = f->passed_over};
    char position[16384], walk[16384];
    if (newest)
        in.newest_time = host_parse_time(&f->host, in.newest_text, f->host.type->time_format);
    snprintf(position, sizeof position, "%s", fake_show(f, FAKE_POSITION));
    snprintf(walk, sizeof walk, "%s", fake_show(f, FAKE_WALK));
    f->page = (struct sc_verdict){.wait_until = SC_TIME_NONE};
    bool absent = f->absent;
    f->absent = f->passed_over = false;
    begin_call(f);
    enum sc_more more = f->connector->ops->page(&f->host, &in, &f->page);
    renew(f);
    if ((more == SC_BROKEN && !f->failed) || more == SC_PART) {
        CHECK_TEXT("a page that does not count, or not yet, leaves no trace", fake_show(f, FAKE_POSITION), position);
        CHECK_TEXT("a page that does not count, or not yet, leaves no trace", fake_show(f, FAKE_WALK), walk);
    }
    if ((more == SC_BROKEN && !absent) || more == SC_LOOP)
        CHECK_TRUE("it says why", f->page.detail[0]);
    if (absent)
        CHECK_INT("what is absent is no page", more, SC_BROKEN);
    if (more != SC_BROKEN && more != SC_PART)
        fake_drop_page(f);
    return more;
}
