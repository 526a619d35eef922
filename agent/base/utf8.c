/* See utf8.h. */
#include "base/utf8.h"

size_t sc_utf8_take(struct sc_str text, uint32_t *ret)
{
    const unsigned char *c = (const unsigned char *)text.ptr;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = c[0] < 0x80 ? 1 : c[0] < 0xC2 ? 0 : c[0] < 0xE0 ? 2 : c[0] < 0xF0 ? 3 : c[0] < 0xF5 ? 4 : 0;
    if (len == 0 || len > text.len)
        return 0;
    uint32_t code = len == 1 ? c[0] : c[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((c[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (c[i] & 0x3Fu);
    }
    if (code < least[len] || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF)
        return 0;
    *ret = code;
    return len;
}

bool sc_utf8_is_harmful(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2060 && code <= 0x206F) || code == 0x61C || code == 0xFEFF || (code >= 0xE0000 && code < 0xE0080);
}

size_t sc_utf8_harmless(struct sc_str text)
{
    uint32_t code;
    size_t at = 0, len;
    while (at < text.len && (len = sc_utf8_take((struct sc_str){text.ptr + at, text.len - at}, &code)) && !sc_utf8_is_harmful(code))
        at += len;
    return at;
}
