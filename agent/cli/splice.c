/* One member of a JSON object changed without touching another byte: numbers, spacing, order and members that this version does not
 * know stay as their author wrote them. The text was parsed before, so only its shape is followed here. */
#include "cli/commands.h"

struct scan {
    const char *p, *end;
};

static void skip_blanks(struct scan *s)
{
    while (s->p < s->end && strchr(" \t\r\n", *s->p))
        s->p++;
}

static void skip_string(struct scan *s)
{
    for (s->p++; s->p < s->end && *s->p != '"'; s->p++)
        if (*s->p == '\\')
            s->p++;
    s->p = s->p < s->end ? s->p + 1 : s->end;
}

static void skip_value(struct scan *s)
{
    unsigned depth = 0;
    do {
        if (s->p >= s->end)
            return;
        if (*s->p == '"') {
            skip_string(s);
            continue;
        }
        if (*s->p == '{' || *s->p == '[')
            depth++;
        else if (*s->p == '}' || *s->p == ']')
            depth--;
        s->p++;
    } while (depth || (s->p < s->end && !strchr(",}] \t\r\n", *s->p)));
}

static bool is_enabled(struct scan name)
{
    return sc_str_is((struct sc_str){name.p, (size_t)(name.end - name.p)}, "\"enabled\"");
}

/* The bytes of the member's value; p NULL when there is none. s stands behind the '{' and ends up before the last '}'. */
static struct scan find_enabled(struct scan *s)
{
    skip_blanks(s);
    while (s->p < s->end && *s->p == '"') {
        struct scan name = {s->p, NULL}, value;
        skip_string(s);
        name.end = s->p;
        skip_blanks(s);
        s->p += s->p < s->end; /* ':' */
        skip_blanks(s);
        value.p = s->p;
        skip_value(s);
        value.end = s->p;
        if (is_enabled(name))
            return value;
        skip_blanks(s);
        s->p += s->p < s->end && *s->p == ',';
        skip_blanks(s);
    }
    return (struct scan){NULL, NULL};
}

int sc_splice_enabled(struct sc_str json, bool enabled, struct sc_buf *out)
{
    const char *word = enabled ? "true" : "false", *end = json.ptr + json.len;
    struct scan s = {json.ptr, end};
    skip_blanks(&s);
    if (s.p >= end || *s.p != '{')
        return -1;
    const char *open = ++s.p;
    skip_blanks(&s);
    bool empty = s.p < end && *s.p == '}';
    struct scan value = find_enabled(&s);
    if (value.p) {
        sc_buf_add(out, json.ptr, (size_t)(value.p - json.ptr));
        sc_buf_add_str(out, word);
        sc_buf_add(out, value.end, (size_t)(end - value.end));
    } else {
        sc_buf_add(out, json.ptr, (size_t)(open - json.ptr));
        sc_buf_addf(out, "\"enabled\":%s%s", word, empty ? "" : ",");
        sc_buf_add(out, open, (size_t)(end - open));
    }
    return out->failed ? -1 : 0;
}
