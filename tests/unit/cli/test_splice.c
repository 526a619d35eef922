/* `enabled` changes and nothing else does; tables keep terminals unharmed. */
#include "cli/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static const struct {
    const char *in;
    bool enabled;
    const char *want, *why;
} rows[] = {
    {"{}", false, "{\"enabled\":false}", "empty"},
    {" { } ", true, " {\"enabled\":true } ", "empty with blanks"},
    {"{\"a\":1}", false, "{\"enabled\":false,\"a\":1}", "not there: before the others"},
    {"{\"enabled\":true}", false, "{\"enabled\":false}", "alone"},
    {"{ \"enabled\" :\ttrue ,\"a\":1.50}", false, "{ \"enabled\" :\tfalse ,\"a\":1.50}", "blanks and numbers stay"},
    {"{\"a\":12345678901234567890.000,\"enabled\":null}", true, "{\"a\":12345678901234567890.000,\"enabled\":true}",
     "last; a number that no double holds"},
    {"{\"a\":{\"enabled\":true},\"enabled\":true}", false, "{\"a\":{\"enabled\":true},\"enabled\":false}", "only at the top"},
    {"{\"a\":[{\"enabled\":1},[\"]\"]],\"enabled\":\"true\"\n}", false, "{\"a\":[{\"enabled\":1},[\"]\"]],\"enabled\":false\n}",
     "brackets in text"},
    {"{\"a\":\"\\\"enabled\\\":true\",\"enabled\":{\"x\":[1,2]},\"z\":0}", true,
     "{\"a\":\"\\\"enabled\\\":true\",\"enabled\":true,\"z\":0}", "quotes in text; an object is replaced whole"},
    {"{\"enabled2\":true,\"b\":\"\\\\\",\"enabled\":false}", true, "{\"enabled2\":true,\"b\":\"\\\\\",\"enabled\":true}",
     "names that begin alike"},
    {"{\"enabled\":\"a, } ]\",\"b\":2}", false, "{\"enabled\":false,\"b\":2}", "commas in its text"},
    {"{\"\xc3\xbc\":\"\xc3\xbc\",\"enabled\":1e5}", false, "{\"\xc3\xbc\":\"\xc3\xbc\",\"enabled\":false}", "UTF-8"},
};

static void test_splice_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_buf out = {0};
        size_t len = strlen(rows[i].in);
        struct guard g = guard_copy(rows[i].in, len);
        CHECK_INT(rows[i].why, sc_splice_enabled((struct sc_str){g.ptr, len}, rows[i].enabled, &out), 0);
        CHECK_TEXT(rows[i].why, sc_buf_str(&out).ptr, rows[i].want);
        guard_done(&g);
        for (size_t cut = 0; cut < len; cut++) { /* no JSON any more: must only stay inside its bytes */
            g = guard_copy(rows[i].in, cut);
            sc_buf_clear(&out);
            (void)sc_splice_enabled((struct sc_str){g.ptr, cut}, true, &out);
            guard_done(&g);
        }
        sc_buf_done(&out);
    }
}

static void test_splice_table(void **state)
{
    (void)state;
    struct sc_table table = {.columns = 3};
    struct sc_buf out = {0};
    sc_table_add(&table, (const char *const[]){"NAME", "STATE", "DETAIL"});
    sc_table_add(&table, (const char *const[]){"z\xc3\xbcrich", "", "two\nlines\x1b[2J"});
    sc_table_add(&table, (const char *const[]){"a", "active", NULL});
    sc_table_write(&table, "> ", &out);
    CHECK_TEXT("aligned by characters, no control gets through", out.ptr,
               "> NAME    STATE   DETAIL\n"
               "> z\xc3\xbcrich          two?lines?[2J\n"
               "> a       active\n");
    sc_table_done(&table);
    sc_buf_clear(&out);
    sc_add_clean(&out, "\xc2\x9b"
                       "31m \xc2\xa9 \x7f");
    CHECK_TEXT("nor a control of eight bits", out.ptr, "?31m \xc2\xa9 ?");
    sc_buf_clear(&out);
    sc_add_clean(&out, "a\xe2\x80\xae"
                       "b \x9b"
                       "c \xe2\x80");
    CHECK_TEXT("nor what turns the writing, nor broken UTF-8", out.ptr, "a?b ?c ??");
    sc_buf_clear(&out);
    sc_add_json_clean(&out, "{\n \"\xc2\x9b\": \"\x7f \xc3\xa9 \xe2\x80\xae \xf3\xa0\x81\x81\"}");
    struct sc_buf shown SC_AUTO_BUF = {0};
    sc_add_shown(&shown, sc_str_of("\033[1;31mBAD\033[0m\ta\n\033[2J\033]0;x\007\033[999999999999m\033[\033[3"));
    CHECK_TEXT("colours stay, nothing else that commands", shown.ptr, "\033[1;31mBAD\033[0m\ta\n?[2J?]0;x??[999999999999m?[?[3");
    CHECK_TEXT("JSON keeps its meaning", out.ptr, "{\n \"\\u009b\": \"\\u007f \xc3\xa9 \\u202e \\udb40\\udc41\"}");
    sc_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_splice_rows), cmocka_unit_test(test_splice_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
