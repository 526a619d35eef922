/* A secret in each form in which it could stand in an output. By hand: what the agent's redactor does not know this must still find. */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>

static bool finds(const char *text, const char *form, size_t len)
{
    return len >= 6 && memmem(text, strlen(text), form, len) != NULL;
}

static bool has_hex(const char *text, const char *secret)
{
    char form[1025];
    size_t len = strlen(secret) < 512 ? strlen(secret) : 512;
    for (size_t i = 0; i < len; i++)
        snprintf(form + 2 * i, 3, "%02x", (unsigned char)secret[i]);
    return finds(text, form, 2 * len);
}

static bool has_percent(const char *text, const char *secret, const char *hex)
{
    char form[2048];
    size_t n = 0;
    for (const char *c = secret; *c && n + 4 < sizeof form; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("-._~", *c);
        unsigned char byte = (unsigned char)*c;
        n += (size_t)(plain ? snprintf(form + n, sizeof form - n, "%c", *c) : snprintf(form + n, sizeof form - n, "%%%c%c", hex[byte >> 4], hex[byte & 15]));
    }
    return finds(text, form, n);
}

static bool has_json(const char *text, const char *secret)
{
    char form[2048];
    size_t n = 0;
    for (const char *c = secret; *c && n + 3 < sizeof form; c++) {
        if (*c == '"' || *c == '\\' || *c == '/')
            form[n++] = '\\';
        form[n++] = *c;
    }
    return finds(text, form, n);
}

/* Whatever stands before and behind it: the characters that hold bits of it alone. */
static bool has_base64(const char *text, const char *secret, size_t shift, const char *last)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char form[1024];
    size_t len = strlen(secret), n = 0;
    for (size_t i = (shift * 8 + 5) / 6; i < (shift + len) * 8 / 6 && n < sizeof form; i++) {
        unsigned value = 0;
        for (size_t bit = i * 6; bit < i * 6 + 6; bit++) {
            size_t byte = bit / 8 - shift;
            value = value << 1 | ((unsigned char)secret[byte] >> (7 - bit % 8) & 1);
        }
        form[n++] = value < 62 ? digits[value] : last[value - 62];
    }
    return finds(text, form, n);
}

bool ex_finds(const char *text, const char *secret)
{
    bool found = strstr(text, secret) || has_hex(text, secret) || has_percent(text, secret, "0123456789ABCDEF") || has_percent(text, secret, "0123456789abcdef") ||
                 has_json(text, secret);
    for (size_t shift = 0; shift < 3; shift++)
        found = found || has_base64(text, secret, shift, "+/") || has_base64(text, secret, shift, "-_");
    return found;
}
