/* Characters, and which of them a terminal would obey; Unicode 15 table 3-7 for what is UTF-8. */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

static void test_utf8_take(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        uint32_t code;
        bool harmful;
    } rows[] = {
        {"a", 1, 'a', false},
        {" ", 1, ' ', false},
        {"\x1b", 1, 0x1B, true},
        {"\n", 1, '\n', true},
        {"\x7f", 1, 0x7F, true},
        {"\xc2\x9b", 2, 0x9B, true}, /* CSI */
        {"\xc2\xa0", 2, 0xA0, false},
        {"\xc3\xa9", 2, 0xE9, false},
        {"\xe2\x80\xa6", 3, 0x2026, false},
        {"\xe2\x80\xae", 3, 0x202E, true}, /* from right to left */
        {"\xe2\x81\xa6", 3, 0x2066, true},
        {"\xef\xbb\xbf", 3, 0xFEFF, true},
        {"\xf0\x9f\x98\x80", 4, 0x1F600, false},
        {"\xf3\xa0\x81\x81", 4, 0xE0041, true},
        {"\x9b", 0, 0, false},
        {"\xc0\x9b", 0, 0, false}, /* overlong */
        {"\xe0\x80\x9b", 0, 0, false},
        {"\xed\xa0\x80", 0, 0, false}, /* a surrogate */
        {"\xf4\x90\x80\x80", 0, 0, false},
        {"\xe2\x80", 0, 0, false}, /* cut short */
        {"\xff", 0, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t code = 0;
        size_t len = sc_utf8_take(sc_str_of(rows[i].text), &code);
        if (len != rows[i].len || code != rows[i].code || (len && sc_utf8_is_harmful(code) != rows[i].harmful))
            fail_msg("row %zu: %zu bytes, U+%04X", i, len, (unsigned)code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_utf8_take)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
