/* See claims.h. */
#include "auth/claims.h"

#include "base/hash.h"

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#define TOKEN_MAX 16384u

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
    char *json = part.len ? malloc(part.len) : NULL;
    json_t *root = json && sc_from_base64(part, false, (unsigned char *)json, &len) ? json_loadb(json, len, 0, NULL) : NULL, *item;
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
