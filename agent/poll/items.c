/* A list whose items are fetched by further requests: kept while its page is read. io thread of the poller. */
#include "poll/poller.h"

#include <stdlib.h>

#define MAX_ITEMS 20000u
#define MAX_BYTES (4u * 1024 * 1024)

void sc_items_clear(struct sc_items *items)
{
    sc_buf_clear(&items->text);
    items->count = 0;
    items->begun = 0;
    items->hash = 0;
}

void sc_items_done(struct sc_items *items)
{
    sc_buf_done(&items->text);
    free(items->at);
    *items = (struct sc_items){0};
}

static int too_many(struct sc_poller *p)
{
    return sc_fail(&p->cut_error, SC_REASON_RESPONSE_TOO_LARGE, "the list holds more than %u items or 4 MiB", MAX_ITEMS);
}

static int on_begin(void *arg)
{
    struct sc_poller *p = arg;
    struct sc_items *items = &p->items;
    items->text.max = MAX_BYTES + 4 * 65536;
    items->more = p->reply->more[0] || p->reply->more[1];
    if (items->count == MAX_ITEMS || items->text.len > MAX_BYTES)
        return too_many(p);
    if (items->count == items->cap) {
        uint32_t cap = items->cap ? items->cap * 2 : 256;
        uint32_t *grown = realloc(items->at, cap * sizeof *grown);
        if (!grown)
            return sc_fail(&p->cut_error, SC_REASON_MEMORY_LIMIT, "out of memory for a list");
        items->at = grown;
        items->cap = cap;
    }
    items->begun = items->text.len;
    return 0;
}

/* Only what is no member of an object is kept as it comes. */
static int on_data(void *arg, const char *bytes, size_t len)
{
    struct sc_poller *p = arg;
    if (p->reply->item)
        return 0;
    return sc_buf_add(&p->items.text, bytes, len) ? too_many(p) : 0;
}

/* The text of the item instead of its JSON, from `begun` on. */
static int unescape(struct sc_poller *p)
{
    struct sc_buf *text = &p->items.text;
    const char *raw = text->ptr + p->items.begun;
    size_t len = text->len - p->items.begun;
    if (len && (*raw == '-' || (*raw >= '0' && *raw <= '9')))
        return 0;
    json_t *value = json_loadb(raw, len, JSON_DECODE_ANY, NULL);
    const char *plain = json_string_value(value);
    int rc = plain && strlen(plain) == json_string_length(value) ? 0 : -1;
    if (rc == 0) {
        text->len = p->items.begun;
        rc = sc_buf_add(text, plain, json_string_length(value));
    }
    json_decref(value);
    return rc;
}

/* A second or third member, empty where the item has none. */
static int add_more(struct sc_poller *p, const struct sc_cut_record *record, unsigned which)
{
    struct sc_buf *text = &p->items.text;
    const struct sc_cut_value *v = p->reply->item && p->reply->more[which] ? &record->fields[p->more_at[which]] : NULL;
    bool is_text = v && (v->kind == SC_CUT_STRING || v->kind == SC_CUT_NUMBER || v->kind == SC_CUT_TRUE || v->kind == SC_CUT_FALSE);
    if (is_text && (v->cut || memchr(v->text.ptr, '\0', v->text.len)))
        return sc_fail(&p->cut_error, SC_REASON_BAD_RESPONSE, "%s of item %u of the list is no text that can be used", p->reply->more[which],
                       p->items.count + 1);
    if (is_text && sc_buf_add(text, v->text.ptr, v->text.len))
        return too_many(p);
    return sc_buf_add_char(text, '\0') ? too_many(p) : 0;
}

static int on_end(void *arg, const struct sc_cut_record *record)
{
    static const unsigned char key[16] = "what a list has";
    struct sc_poller *p = arg;
    struct sc_items *items = &p->items;
    const struct sc_cut_value *field = &record->fields[0];
    bool good = !record->bad_utf8 && !record->too_deep;
    if (good && p->reply->item)
        good = (field->kind == SC_CUT_STRING || field->kind == SC_CUT_NUMBER) && !field->cut && !memchr(field->text.ptr, '\0', field->text.len) &&
               sc_buf_add(&items->text, field->text.ptr, field->text.len) == 0;
    else if (good)
        good = unescape(p) == 0;
    size_t len = items->text.len - items->begun;
    if (!good || len == 0)
        return sc_fail(&p->cut_error, SC_REASON_BAD_RESPONSE, "item %u of the list is no text and no number", items->count + 1);
    items->hash = items->hash * 31 + sc_siphash(key, items->text.ptr + items->begun, len);
    if (sc_buf_add_char(&items->text, '\0'))
        return too_many(p);
    for (unsigned i = 0; items->more && i < 2; i++) {
        if (add_more(p, record, i))
            return -1;
    }
    items->at[items->count++] = (uint32_t)items->begun;
    return 0;
}

struct sc_cut_sink sc_items_sink(struct sc_poller *p)
{
    return (struct sc_cut_sink){.arg = p, .begin = on_begin, .data = on_data, .end = on_end};
}
