#include "http/head.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

static void forget_lines(struct sc_head *head)
{
    sc_buf_clear(&head->text);
    head->count = 0;
    head->status = 0;
    head->closed = false;
}

void sc_head_reset(struct sc_head *head)
{
    forget_lines(head);
    head->total = 0;
}

void sc_head_done(struct sc_head *head)
{
    sc_buf_done(&head->text);
    free(head->lines);
    *head = (struct sc_head){.max = head->max};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* "HTTP/1.1 200 OK" -> 200; 0 when it is none */
static int parse_status(const char *line, size_t len)
{
    size_t i = 5;
    while (i < len && !is_blank(line[i]))
        i++;
    while (i < len && is_blank(line[i]))
        i++;
    if (len - i < 3 || !isdigit((unsigned char)line[i]) || !isdigit((unsigned char)line[i + 1]) ||
        !isdigit((unsigned char)line[i + 2]))
        return 0;
    if (len - i > 3 && isdigit((unsigned char)line[i + 3]))
        return 0;
    return (line[i] - '0') * 100 + (line[i + 1] - '0') * 10 + (line[i + 2] - '0');
}

static struct sc_head_line *new_line(struct sc_head *head)
{
    if (head->count == head->cap) {
        uint32_t cap = head->cap ? head->cap * 2 : 32;
        struct sc_head_line *lines = realloc(head->lines, cap * sizeof(*lines));
        if (!lines)
            return NULL;
        head->lines = lines;
        head->cap = cap;
    }
    return &head->lines[head->count++];
}

/* An old folded line: its text belongs to the value before it, a blank in between. */
static enum sc_head_step add_folded(struct sc_head *head, const char *line, size_t len)
{
    if (head->count == 0)
        return SC_HEAD_MORE;
    struct sc_head_line *last = &head->lines[head->count - 1];
    while (len > 0 && is_blank(*line))
        line++, len--;
    if (len == 0)
        return SC_HEAD_MORE;
    if (sc_buf_add_char(&head->text, ' ') != 0 || sc_buf_add(&head->text, line, len) != 0)
        return SC_HEAD_NO_MEMORY;
    last->value_len = (uint32_t)(head->text.len - last->value);
    return SC_HEAD_MORE;
}

static enum sc_head_step add_field(struct sc_head *head, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon)
        return SC_HEAD_MORE; /* not a field: nobody can ask for it */
    size_t name_len = (size_t)(colon - line), skip = name_len + 1;
    while (name_len > 0 && is_blank(line[name_len - 1]))
        name_len--;
    while (skip < len && is_blank(line[skip]))
        skip++;
    struct sc_head_line *field = new_line(head);
    if (!field)
        return SC_HEAD_NO_MEMORY;
    field->name = (uint32_t)head->text.len;
    field->name_len = (uint32_t)name_len;
    field->value = (uint32_t)(head->text.len + name_len);
    field->value_len = (uint32_t)(len - skip);
    if (sc_buf_add(&head->text, line, name_len) != 0 ||
        sc_buf_add(&head->text, line + skip, len - skip) != 0) {
        head->count--;
        return SC_HEAD_NO_MEMORY;
    }
    return SC_HEAD_MORE;
}

enum sc_head_step sc_head_add(struct sc_head *head, const char *line, size_t len)
{
    if (len > head->max - head->total)
        return SC_HEAD_TOO_LARGE;
    head->total += (uint32_t)len;
    if (head->text.max == 0)
        sc_buf_init(&head->text, (size_t)head->max + 1);
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;

    bool starts = len >= 5 && strncasecmp(line, "HTTP/", 5) == 0;
    if (head->closed) {
        if (!starts)
            return SC_HEAD_MORE; /* a trailer: counted, not kept */
        forget_lines(head);
    }
    if (head->status == 0) {
        head->status = starts ? parse_status(line, len) : 0;
        return head->status ? SC_HEAD_MORE : SC_HEAD_BAD;
    }
    if (len == 0) {
        head->closed = true;
        return SC_HEAD_END;
    }
    while (len > 0 && is_blank(line[len - 1]))
        len--;
    return len > 0 && is_blank(*line) ? add_folded(head, line, len) : add_field(head, line, len);
}

struct sc_str sc_head_get(const struct sc_head *head, const char *name, unsigned nth)
{
    size_t len = strlen(name);
    for (uint32_t i = 0; i < head->count; i++) {
        const struct sc_head_line *line = &head->lines[i];
        if (line->name_len == len && strncasecmp(head->text.ptr + line->name, name, len) == 0 &&
            nth-- == 0)
            return (struct sc_str){head->text.ptr + line->value, line->value_len};
    }
    return (struct sc_str){NULL, 0};
}
