/* See claims.h. */
#include "auth/claims.h"

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#define TOKEN_MAX 16384u

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' || c == '+' ? 62 : c == '_' || c == '/' ? 63 : -1;
}

/* Base64url without padding. NULL: it is none. */
static char *decode(struct sc_str text, size_t *ret_len)
{
    char *out = malloc(text.len + 1);
    size_t n = 0;
    uint32_t bits = 0;
    for (size_t i = 0; out && i < text.len; i++) {
        int d = digit(text.ptr[i]);
        if (d < 0) {
            free(out);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)d;
        if (i % 4 != 0)
            out[n++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xFF);
    }
    *ret_len = n;
    return out;
}

/* The part between the two dots. */
static struct sc_str payload(struct sc_str token)
{
    const char *first = token.len ? memchr(token.ptr, '.', token.len) : NULL;
    size_t left = first ? token.len - (size_t)(first + 1 - token.ptr) : 0;
    const char *second = left ? memchr(first + 1, '.', left) : NULL;
    return second ? (struct sc_str){first + 1, (size_t)(second - first - 1)} : (struct sc_str){0};
}

static void add_name(const char *name, size_t len, char *out, size_t cap)
{
    size_t used = strlen(out);
    if (!len || used + len + 2 > cap)
        return;
    if (used)
        out[used++] = ' ';
    for (size_t i = 0; i < len; i++)
        out[used++] = name[i] > ' ' && name[i] <= '~' ? name[i] : '?';
    out[used] = '\0';
}

static void add_words(const char *text, char *out, size_t cap)
{
    while (*text) {
        size_t n = strcspn(text, " ");
        add_name(text, n, out, cap);
        text += n + (text[n] == ' ');
    }
}

int sc_claims_scopes(struct sc_str token, char *out, size_t cap)
{
    static const char *const names[] = {"scope", "scp", "roles", "permissions"};
    struct sc_str part = token.len <= TOKEN_MAX ? payload(token) : (struct sc_str){0};
    size_t len = 0, i;
    bool any = false;
    char *json = part.len ? decode(part, &len) : NULL;
    json_t *root = json ? json_loadb(json, len, 0, NULL) : NULL, *item;
    out[0] = '\0';
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        json_t *claim = json_object_get(root, names[n]);
        any = any || json_is_string(claim) || json_is_array(claim);
        if (json_is_string(claim))
            add_words(json_string_value(claim), out, cap);
        json_array_foreach (claim, i, item) {
            if (json_is_string(item))
                add_name(json_string_value(item), json_string_length(item), out, cap);
        }
    }
    json_decref(root);
    free(json);
    return any ? 0 : -1;
}

bool sc_claims_has(const char *scopes, const char *name)
{
    size_t len = strlen(name);
    while (*scopes) {
        size_t n = strcspn(scopes, " ");
        if (n == len && strncasecmp(scopes, name, len) == 0)
            return true;
        scopes += n + (scopes[n] == ' ');
    }
    return false;
}
