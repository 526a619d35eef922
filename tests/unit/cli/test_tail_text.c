/* Bytes from outside, made harmless; what counts as JSON. */
#include "cli/tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define ALL        SIZE_MAX

static const struct {
    const char *in;
    size_t len; /* 0: strlen */
    size_t columns;
    bool one_line;
    const char *want;
    size_t used;
    const char *why;
} visible[] = {
    {"plain", 0, ALL, false, "plain", 5, "as it is"},
    {"", 0, ALL, true, "", 0, "nothing"},
    {"a\x1b[2J\x07", 0, ALL, false, "a\\x1b[2J\\x07", 12, "C0"},
    {"a\0b", 3, ALL, false, "a\\x00" "b", 6, "NUL"},
    {"\x7f", 0, ALL, false, "\\x7f", 4, "DEL"},
    {"\xc2\x9b" "31m\xc2\xa0", 0, ALL, false, "\\x9b31m\xc2\xa0", 8, "C1 as UTF-8; no-break space is harmless"},
    {"\x9b\xff\xc3", 0, ALL, false, "\\x9b\\xff\\xc3", 12, "no UTF-8, cut off at the end"},
    {"\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", 0, ALL, false, "\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80", 36,
     "overlong, surrogate, beyond Unicode"},
    {"\xe2\x80\xae" "x\xe2\x81\xa6\xef\xbb\xbf", 0, ALL, false, "\\u202ex\\u2066\\ufeff", 19, "writing direction, byte order mark"},
    {"a \t\r\n  b\n", 0, ALL, true, "a b ", 4, "white space on one line"},
    {"a\tb", 0, ALL, false, "a\\x09b", 6, "a tab is a control where lines are kept"},
    {"abcdef", 0, 6, true, "abcdef", 6, "fits exactly"},
    {"abcdefg", 0, 6, true, "abcde\xe2\x80\xa6", 6, "one too long"},
    {"abc", 0, 1, true, "\xe2\x80\xa6", 1, "room for the mark alone"},
    {"abc", 0, 0, true, "", 0, "no room"},
    {"\xc3\xbc\xc3\xbc\xc3\xbc", 0, 2, true, "\xc3\xbc\xe2\x80\xa6", 2, "cut between characters"},
    {"\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad", 0, 5, true, "\xe4\xb8\xad\xe4\xb8\xad\xe2\x80\xa6", 5, "wide ones take two columns"},
    {"ab\x1b", 0, 4, true, "ab\xe2\x80\xa6", 3, "an escape is shown whole or not at all"},
    {"e\xcc\x81x", 0, 2, true, "e\xcc\x81x", 2, "a combining mark takes none"},
};

static void test_text_visible(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(visible); i++) {
        size_t len = visible[i].len ? visible[i].len : strlen(visible[i].in);
        struct guard g = guard_copy(visible[i].in, len);
        struct sc_buf out = {0};
        CHECK_INT(visible[i].why, sc_add_visible(&out, (struct sc_str){g.ptr, len}, visible[i].columns, visible[i].one_line), visible[i].used);
        CHECK_TEXT(visible[i].why, sc_buf_str(&out).ptr, visible[i].want);
        sc_buf_done(&out);
        guard_done(&g);
    }
}

static const struct {
    const char *text;
    bool want;
} json[] = {
    {"{}", true}, {" [] ", true}, {"{\"a\":[1,-2.5e+10,\"x\",true,false,null,{}]}", true}, {"\"text\"", true}, {"0", true}, {"-0.0", true},
    {"12345678901234567890123456789", true}, {"1e999", true}, {"\"\\u00fc\\n\\/\"", true}, {"\"\xc3\xbc\"", true}, {"\n{\r\n\t}\n", true},
    {"", false}, {" ", false}, {"{", false}, {"[1,]", false}, {"{\"a\":1,}", false}, {"{a:1}", false}, {"[1 2]", false}, {"01", false},
    {"1.", false}, {".5", false}, {"+1", false}, {"-", false}, {"1e", false}, {"nul", false}, {"truex", false}, {"{} {}", false},
    {"\"a", false}, {"\"\\x\"", false}, {"\"\\u12g4\"", false}, {"\"a\nb\"", false}, {"\"\xff\"", false}, {"'a'", false}, {"[\"\x01\"]", false},
};

static void test_text_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(json); i++) {
        size_t len = strlen(json[i].text);
        struct guard g = guard_copy(json[i].text, len);
        CHECK_INT(json[i].text, sc_is_json((struct sc_str){g.ptr, len}), json[i].want);
        guard_done(&g);
        for (size_t cut = 0; cut < len; cut++) { /* must only stay inside its bytes */
            g = guard_copy(json[i].text, cut);
            (void)sc_is_json((struct sc_str){g.ptr, cut});
            guard_done(&g);
        }
    }
    char deep[2000];
    memset(deep, '[', 1000);
    memset(deep + 1000, ']', 1000);
    CHECK_TRUE("deeper than any record may be", !sc_is_json((struct sc_str){deep, sizeof deep}));
    CHECK_TRUE("as deep as a record may be", sc_is_json((struct sc_str){deep + 1000 - 128, 256}));
}

static void test_text_json_line(void **state)
{
    static const char nasty[] = "{\r\n\t\"a\": \"\x7f\xc2\x9b\xe2\x80\xae\xf3\xa0\x80\x81\"\n}";
    (void)state;
    struct sc_buf out = {0};
    sc_add_json_line(&out, sc_str_of(nasty), false);
    CHECK_TEXT("bytes stay but for line ends", out.ptr, "{  \t\"a\": \"\x7f\xc2\x9b\xe2\x80\xae\xf3\xa0\x80\x81\" }");
    sc_buf_clear(&out);
    sc_add_json_line(&out, sc_str_of(nasty), true);
    CHECK_TEXT("for a terminal the same text in escapes", out.ptr, "{  \t\"a\": \"\\u007f\\u009b\\u202e\\udb40\\udc01\" }");
    sc_buf_done(&out);
}

static void test_text_raw(void **state)
{
    static const char bytes[] = "a\n\tb\x1b\0c\n";
    (void)state;
    struct sc_buf out = {0};
    struct guard g = guard_copy(bytes, sizeof bytes - 1);
    sc_add_raw(&out, (struct sc_str){g.ptr, g.len}, false);
    CHECK_BYTES("exactly", out.ptr, out.len, bytes, sizeof bytes - 1);
    sc_buf_clear(&out);
    sc_add_raw(&out, (struct sc_str){g.ptr, g.len}, true);
    CHECK_TEXT("harmless", out.ptr, "a\n\tb\\x1b\\x00c\n");
    sc_buf_done(&out);
    guard_done(&g);
}

static void test_text_unescaped(void **state)
{
    static const struct {
        const char *in;
        char mark;
        const char *want;
    } rows[] = {{"a%20b%2Fc", '%', "a b/c"}, {"a=2Eb", '=', "a.b"}, {"%c3%BC", '%', "\xc3\xbc"}, {"%", '%', "%"}, {"%2", '%', "%2"},
                {"%zz%20", '%', "%zz "}, {"%%20", '%', "% "}, {"=2E", '%', "=2E"}, {"", '%', ""}};
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_buf out = {0};
        struct guard g = guard_copy(rows[i].in, strlen(rows[i].in));
        sc_add_unescaped(&out, (struct sc_str){g.ptr, g.len}, rows[i].mark);
        CHECK_TEXT(rows[i].in, sc_buf_str(&out).ptr, rows[i].want);
        sc_buf_done(&out);
        guard_done(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_visible), cmocka_unit_test(test_text_json),      cmocka_unit_test(test_text_json_line),
        cmocka_unit_test(test_text_raw),     cmocka_unit_test(test_text_unescaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
