#include "qualys/simple_return.h"

#include <strings.h>

#define MAX_DEPTH 64u

/* ---- bytes --------------------------------------------------------------------------------------------------------------- */

struct reader {
    const char *at, *end;
};

static bool begins(const struct reader *r, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(r->end - r->at) >= len && memcmp(r->at, text, len) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blank(struct reader *r)
{
    while (r->at < r->end && is_blank(*r->at))
        r->at++;
}

/* To behind the next `text`, or to the end. */
static void skip_past(struct reader *r, const char *text)
{
    while (r->at < r->end && !begins(r, text))
        r->at++;
    if (r->at < r->end)
        r->at += strlen(text);
}

/* To behind the '>' that ends a tag or declaration; one inside quotes or brackets does not. */
static void skip_tag(struct reader *r)
{
    char quote = '\0';
    unsigned brackets = 0;
    for (; r->at < r->end; r->at++) {
        char c = *r->at;
        if (quote) {
            quote = c == quote ? '\0' : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '>' && brackets == 0) {
            r->at++;
            return;
        }
        if (!quote && c == '[')
            brackets++;
        else if (!quote && c == ']' && brackets)
            brackets--;
    }
}

/* ---- text ---------------------------------------------------------------------------------------------------------------- */

struct out {
    char *text;
    size_t len, cap;
};

static void put(struct out *out, char c)
{
    unsigned char u = (unsigned char)c;
    if (out->len + 1 < out->cap)
        out->text[out->len++] = u < ' ' ? ' ' : u > '~' ? '?' : c;
}

static void put_entity(struct reader *r, struct out *out)
{
    static const struct {
        const char *name, *means;
    } entities[] = {{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}, {"&quot;", "\""}, {"&apos;", "'"}};
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        if (begins(r, entities[i].name)) {
            r->at += strlen(entities[i].name);
            put(out, *entities[i].means);
            return;
        }
    }
    put(out, *r->at++);
}

/* Of an element without elements, from behind its tag to the next one. */
static void take_text(struct reader *r, char *text, size_t cap)
{
    static const char open[] = "<![CDATA[";
    struct out out = {text, 0, cap};
    skip_blank(r);
    for (bool raw = false; r->at < r->end;) {
        if (raw && begins(r, "]]>")) {
            raw = false;
            r->at += 3;
        } else if (!raw && begins(r, open)) {
            raw = true;
            r->at += sizeof open - 1;
        } else if (!raw && *r->at == '<') {
            break;
        } else if (!raw && *r->at == '&') {
            put_entity(r, &out);
        } else {
            put(&out, *r->at++);
        }
    }
    while (out.len && text[out.len - 1] == ' ')
        out.len--;
    text[out.len] = '\0';
}

/* ---- elements ------------------------------------------------------------------------------------------------------------- */

static struct sc_str take_name(struct reader *r)
{
    const char *from = r->at;
    while (r->at < r->end && !is_blank(*r->at) && *r->at != '>' && *r->at != '/')
        r->at++;
    return (struct sc_str){from, (size_t)(r->at - from)};
}

/* What stands between elements and is none: comments, declarations, character data. To behind the next '<', or the end. */
static bool find_tag(struct reader *r)
{
    while (r->at < r->end) {
        if (begins(r, "<!--"))
            skip_past(r, "-->");
        else if (begins(r, "<![CDATA["))
            skip_past(r, "]]>");
        else if (begins(r, "<?"))
            skip_past(r, "?>");
        else if (begins(r, "<!"))
            skip_tag(r);
        else if (*r->at++ == '<')
            return true;
    }
    return false;
}

/* The reader stands behind the root element's name; absent: there is none, or text before it. */
static struct sc_str take_root(struct reader *r)
{
    if (begins(r, "\xef\xbb\xbf"))
        r->at += 3;
    skip_blank(r);
    if (r->at == r->end || *r->at != '<' || !find_tag(r))
        return (struct sc_str){0};
    return take_name(r);
}

static const char *const path[] = {"SIMPLE_RETURN", "RESPONSE"};
#define PARENTS (sizeof path / sizeof *path)

/* Behind an opening tag at `depth` (the root's is 0), all of whose parents are on the path. */
static void take_element(struct reader *r, struct sc_str name, unsigned depth, struct qualys_fault *ret)
{
    if (depth != PARENTS)
        return;
    if (sc_str_is(name, "CODE") && !ret->code[0])
        take_text(r, ret->code, sizeof ret->code);
    else if (sc_str_is(name, "TEXT") && !ret->text[0])
        take_text(r, ret->text, sizeof ret->text);
}

/* `fits`: how many of the open elements, from the root on, are on the path. */
static void read_elements(struct reader *r, struct qualys_fault *ret)
{
    unsigned depth = 1, fits = 1;
    while (depth && depth < MAX_DEPTH && find_tag(r)) {
        bool closes = begins(r, "/");
        if (closes) {
            skip_tag(r);
            depth--;
            fits = fits < depth ? fits : depth;
            continue;
        }
        struct sc_str name = take_name(r);
        skip_tag(r);
        if (r->at == r->end || r->at[-2] == '/')
            continue;
        if (fits == depth)
            take_element(r, name, depth, ret);
        fits += fits == depth && depth < PARENTS && sc_str_is(name, path[depth]);
        depth++;
    }
}

bool qualys_simple_return(struct sc_str body, struct qualys_fault *ret)
{
    struct reader r = {body.ptr, body.ptr + body.len};
    *ret = (struct qualys_fault){0};
    if (!body.len || !sc_str_is(take_root(&r), path[0]))
        return false;
    skip_tag(&r);
    if (r.at[-1] == '>' && r.at[-2] != '/')
        read_elements(&r, ret);
    return true;
}

void qualys_fault_set(struct qualys_fault *fault, struct sc_str code, struct sc_str text)
{
    struct out outs[] = {{fault->code, 0, sizeof fault->code}, {fault->text, 0, sizeof fault->text}};
    const struct sc_str in[] = {code, text};
    for (size_t n = 0; n < 2; n++) {
        for (size_t i = 0; i < in[n].len; i++)
            put(&outs[n], in[n].ptr[i]);
        outs[n].text[outs[n].len] = '\0';
    }
}

bool qualys_is_web_page(struct sc_str body)
{
    struct reader r = {body.ptr, body.ptr + body.len};
    if (!body.len)
        return false;
    struct sc_str root = take_root(&r);
    return root.len == 4 && strncasecmp(root.ptr, "html", 4) == 0;
}
