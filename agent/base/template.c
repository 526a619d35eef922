#include "base/template.h"

#include <stdio.h>

int sc_template_expand(const char *text, const char *(*lookup)(void *arg, const char *name), void *arg, struct sc_buf *out, char ret_missing[64])
{
    ret_missing[0] = '\0';
    while (*text) {
        size_t plain = strcspn(text, "{");
        sc_buf_add(out, text, plain);
        text += plain;
        if (!*text)
            break;
        size_t len = strcspn(++text, "}");
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), text);
        const char *value = lookup(arg, name);
        if (!value) {
            snprintf(ret_missing, 64, "%s", name);
            return -1;
        }
        sc_buf_add_str(out, value);
        text += len + (text[len] == '}');
    }
    return out->failed ? -1 : 0;
}
