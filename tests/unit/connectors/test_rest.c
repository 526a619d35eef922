/* The engine's pure parts by table: Link headers, what of a link is followed, error bodies and what their codes stand for. */
#include "rest/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void check_target(const char *line, const char *want, const char *why)
{
    struct guard g = guard_copy(line, strlen(line));
    struct sc_str got = rest_link_target((struct sc_str){g.ptr, g.len}, "next");
    CHECK_INT(why, got.ptr != NULL, want != NULL);
    if (want)
        CHECK_BYTES(why, got.ptr, got.len, want, strlen(want));
    guard_done(&g);
    for (size_t cut = 0; cut < strlen(line); cut++) { /* before a page that may not be read */
        g = guard_copy(line, cut);
        got = rest_link_target((struct sc_str){g.ptr, g.len}, "next");
        CHECK_TRUE(why, !got.ptr || (got.ptr >= g.ptr && got.ptr + got.len <= g.ptr + g.len));
        guard_done(&g);
    }
}

static void test_rest_link_target(void **state)
{
    (void)state;
    static const struct {
        const char *line, *want, *why;
    } rows[] = {
        {"<https://h/a?b=1>; rel=\"next\"", "https://h/a?b=1", "as Okta sends it"},
        {"<https://h/a>;rel=next", "https://h/a", "a token, no blank"},
        {"<https://h/a> ; rel = \"next\" ", "https://h/a", "blanks everywhere"},
        {"<https://h/a>\t;\trel\t=\tnext", "https://h/a", "tabs"},
        {"<https://h/a>; REL=\"NEXT\"", "https://h/a", "case of name and relation"},
        {"<https://h/a>; rel=\"self\"", NULL, "another relation"},
        {"<https://h/a>; rel=\"nextish\"", NULL, "not a prefix"},
        {"<https://h/a>; rel=\"first next last\"", "https://h/a", "one of several"},
        {"<https://h/a>; rel=\" next \"", "https://h/a", "blanks within"},
        {"<https://h/a>; rel=\"\"", NULL, "empty relation"},
        {"<https://h/a>; rel", NULL, "relation without value"},
        {"<https://h/a>; rel=", NULL, "relation without value, with ="},
        {"<https://h/a>", NULL, "no parameter"},
        {"<https://h/s>; rel=\"self\", <https://h/n>; rel=\"next\"", "https://h/n", "comma-joined"},
        {"<https://h/s>; rel=self,<https://h/n>;rel=next", "https://h/n", "comma-joined, no blank"},
        {"<https://h/n>; rel=next, <https://h/s>; rel=self", "https://h/n", "comma-joined, first"},
        {", ,<https://h/n>; rel=next,", "https://h/n", "empty elements"},
        {"<https://h/a,b;c?d=\"e\">; rel=next", "https://h/a,b;c?d=\"e\"", "comma, semicolon, quote within <>"},
        {"<https://h/s>; title=\"x, <https://h/no>; rel=next\"; rel=self, <https://h/n>; rel=next", "https://h/n",
         "a link within quotes is text"},
        {"<https://h/n>; title=\"a \\\" ; rel=self\"; rel=next", "https://h/n", "an escaped quote"},
        {"<https://h/n>; type=\"a/b\"; rel=\"next\"; title=x", "https://h/n", "relation in the middle"},
        {"<https://h/n>; rel=next; rel=self", "https://h/n", "the first relation counts"},
        {"<https://h/n>; rel=self; rel=next", NULL, "the second does not"},
        {"<https://h/n>;; rel=next;", "https://h/n", "empty parameters"},
        {"<https://h/n>; rel*=UTF-8''next", NULL, "rel* is another name"},
        {"<https://h/o>; rel=next; anchor=\"#x\", <https://h/n>; rel=next", "https://h/n", "an anchored link is of something else"},
        {"<https://h/1>; rel=next, <https://h/2>; rel=next", "https://h/1", "the first of two"},
        {"<>; rel=next", "", "an empty target"},
        {"</api?x>; rel=next", "/api?x", "from the root"},
        {"https://h/n; rel=next", NULL, "no <>"},
        {"<https://h/n; rel=next", NULL, "no >"},
        {"<https://h/n>; rel=\"next", NULL, "no closing quote"},
        {"<https://h/n> rel=next", NULL, "no semicolon"},
        {"junk, <https://h/n>; rel=next", NULL, "nothing behind what is malformed is trusted"},
        {"", NULL, "empty"},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        check_target(rows[i].line, rows[i].want, rows[i].why);
    CHECK_TRUE("absent", !rest_link_target((struct sc_str){0}, "next").ptr);
    CHECK_INT("a NUL is a byte as others", rest_link_target((struct sc_str){"<a\0b>;rel=next", 14}, "next").len, 3);
}

static void test_rest_link_below(void **state)
{
    (void)state;
    static const struct {
        const char *base, *target, *want, *why; /* want NULL: not taken */
    } rows[] = {
        {"https://acme.okta.com", "https://acme.okta.com/api/v1/logs?after=1", "/api/v1/logs?after=1", "plain"},
        {"https://acme.okta.com", "https://ACME.okta.com:443/api?x", "/api?x", "host in capitals, default port"},
        {"https://acme.okta.com:443", "https://acme.okta.com/api", "/api", "default port on the other side"},
        {"HTTPS://acme.okta.com", "https://acme.okta.com/api", "/api", "scheme in capitals"},
        {"https://acme.okta.com", "/api?x", "/api?x", "from the root"},
        {"https://acme.okta.com", "https://acme.okta.com/api?a=b#c", "/api?a=b", "fragment is cut"},
        {"http://127.0.0.1:1234/okta", "http://127.0.0.1:1234/okta/api?x", "/api?x", "below the base's path"},
        {"http://127.0.0.1:1234/okta/", "http://127.0.0.1:1234/okta/api?x", "/api?x", "base with a last slash"},
        {"http://127.0.0.1:1234/okta", "/okta/api", "/api", "from the root, below the base's path"},
        {"http://[::1]:80/x", "http://[::1]/x/y", "/y", "IPv6"},
        {"https://h", "https://h/a?u=https://other/", "/a?u=https://other/", "another URL in the query"},
        {"https://h", "https://h/", "/", "the root"},
        {"https://acme.okta.com", "https://evil.example/api", NULL, "another host"},
        {"https://acme.okta.com", "https://acme.okta.com.evil.example/api", NULL, "longer host"},
        {"https://acme.okta.com", "https://acme.okta.com@evil.example/api", NULL, "user part"},
        {"https://acme.okta.com", "https://acme.okta.com:443@evil.example/api", NULL, "user part with password"},
        {"https://acme.okta.com", "https://evil.example\\@acme.okta.com/api", NULL, "backslash"},
        {"https://acme.okta.com", "http://acme.okta.com/api", NULL, "scheme down"},
        {"https://acme.okta.com", "https://acme.okta.com:8443/api", NULL, "another port"},
        {"http://127.0.0.1:1234", "https://127.0.0.1:1234/a", NULL, "scheme up is another origin"},
        {"https://acme.okta.com", "//evil.example/api", NULL, "scheme left out"},
        {"https://acme.okta.com", "api?x", NULL, "relative to nothing known"},
        {"https://acme.okta.com", "?after=1", NULL, "query alone"},
        {"https://acme.okta.com", "javascript:alert(1)", NULL, "another kind of URL"},
        {"https://acme.okta.com", "https://acme.okta.com?x", NULL, "no path"},
        {"https://acme.okta.com", "https://acme.okta.com", NULL, "no path, no query"},
        {"https://acme.okta.com", "https:///api", NULL, "no host"},
        {"https://acme.okta.com", "", NULL, "empty"},
        {"https://acme.okta.com", "https://acme.okta.com/a b", NULL, "blank"},
        {"https://acme.okta.com", "https://acme.okta.com/a\x01", NULL, "control character"},
        {"https://acme.okta.com", "https://acme.okta.com/\xc3\xa9", NULL, "not ASCII"},
        {"http://127.0.0.1:1234/okta", "http://127.0.0.1:1234/oktax/api", NULL, "a path that only begins alike"},
        {"http://127.0.0.1:1234/okta", "http://127.0.0.1:1234/api", NULL, "outside the base's path"},
        {"http://127.0.0.1:1234/okta", "/api", NULL, "from the root, outside"},
        {"https://gw.test/okta", "https://gw.test/okta/../other", NULL, "climbs out of the base"},
        {"https://gw.test/okta", "/okta/a/%2E./../..%2e/x", NULL, "climbs, encoded"},
        {"https://gw.test/okta", "/okta/..", NULL, "climbs at the end"},
        {"https://gw.test/okta", "/okta/...?a=/../b", "/...?a=/../b", "three dots, and dots in the query, are none"},
        {"http://127.0.0.1:1234/okta", "http://127.0.0.1:1234/okta?x", NULL, "the base itself"},
        {"http://[::1]x/y", "http://[::1]/y/z", NULL, "something behind the bracket"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct guard g = guard_copy(rows[i].target, strlen(rows[i].target));
        struct sc_str got = {0};
        const char *why = rest_link_below(rows[i].base, (struct sc_str){g.ptr, g.len}, &got);
        CHECK_INT(rows[i].why, why == NULL, rows[i].want != NULL);
        if (rows[i].want)
            CHECK_BYTES(rows[i].why, got.ptr, got.len, rows[i].want, strlen(rows[i].want));
        guard_done(&g);
        for (size_t cut = 0; cut < strlen(rows[i].target); cut++) {
            g = guard_copy(rows[i].target, cut);
            (void)rest_link_below(rows[i].base, (struct sc_str){g.ptr, g.len}, &got);
            guard_done(&g);
        }
    }
}

static void test_rest_error_member(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want, *why;
    } rows[] = {
        {"{\"errorCode\":\"E0000011\"}", "E0000011", "plain"},
        {" \r\n\t{ \"errorCode\" : \"E1\" }", "E1", "blanks"},
        {"{\"a\":{\"errorCode\":\"no\"},\"b\":[{\"errorCode\":\"no\"}],\"errorCode\":\"E1\"}", "E1", "not the inner ones"},
        {"{\"a\":\"errorCode\",\"errorCode\":\"E1\"}", "E1", "a value of that text is no key"},
        {"{\"a\":\"x\\\",\\\"errorCode\\\":\\\"no\",\"errorCode\":\"E1\"}", "E1", "quotes within a string"},
        {"{\"errorCode\":429,\"x\":1}", "429", "a number"},
        {"{\"errorCode\":null}", "", "null"},
        {"{\"errorCode\":{\"a\":\"b\"}}", "", "an object"},
        {"{\"errorCode\":\"a\\nb\\tc\\\\d\\/e\\u00e9f\xc3\xa9\x01g\"}", "a b c\\d/e?f?? g", "made fit for a line"},
        {"{\"errorCode\":\"\\u12", "?", "cut within an escape"},
        {"{\"errorCode\":\"E00", "E00", "cut within the value"},
        {"{\"errorCo", "", "cut within the name"},
        {"{\"errorCode\"", "", "cut behind the name"},
        {"{\"errorCode\":", "", "cut before the value"},
        {"{\"x\":1}{\"errorCode\":\"no\"}", "", "behind the first value"},
        {"<html>{\"errorCode\":\"no\"}</html>", "", "a web page"},
        {"\"errorCode\":\"no\"", "", "no object"},
        {"[\"errorCode\",\"no\"]", "", "an array"},
        {"", "", "empty"},
    };
    char out[64];
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct guard g = guard_copy(rows[i].body, strlen(rows[i].body));
        size_t n = rest_error_member((struct sc_str){g.ptr, g.len}, "errorCode", out, sizeof out);
        CHECK_TEXT(rows[i].why, out, rows[i].want);
        CHECK_INT(rows[i].why, n, strlen(rows[i].want));
        guard_done(&g);
        for (size_t cut = 0; cut < strlen(rows[i].body); cut++) {
            g = guard_copy(rows[i].body, cut);
            (void)rest_error_member((struct sc_str){g.ptr, g.len}, "errorCode", out, sizeof out);
            guard_done(&g);
        }
    }
    CHECK_INT("absent", rest_error_member((struct sc_str){0}, "errorCode", out, sizeof out), 0);
    rest_error_member(sc_str_of("{\"errorCode\":\"abcdef\"}"), "errorCode", out, 4);
    CHECK_TEXT("no longer than there is room", out, "abc");
}

static void test_rest_first_fault(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool any;
        const char *code, *text, *why;
    } rows[] = {
        {"[{\"code\":403,\"message\":\"access denied\"}]", true, "403", "access denied", "as CrowdStrike sends it"},
        {" [ \r\n{ \"message\" : \"m\" , \"code\" : 500 } , {\"code\":1}]", true, "500", "m", "blanks; the first of two"},
        {"[{\"code\":\"E1\",\"sub\":{\"code\":2},\"message\":null}]", true, "E1", "", "a code as text, no message"},
        {"[{\"id\":7}]", true, "", "", "neither of them"},
        {"[null,null,{\"code\":5}]", true, "5", "", "nulls before it"},
        {"[\"plain\"]", true, "", "plain", "text"},
        {"[[1]]", true, "", "[1]]", "a list within the list"},
        {"[7]", true, "", "7]", "a number"},
        {"{\"code\":9,\"message\":\"m\"}", true, "9", "m", "one, without a list"},
        {"[{\"code\":403,\"message\":\"cut he", true, "403", "cut he", "cut short"},
        {"[{\"co", true, "", "", "cut in a name"},
        {"boom", true, "", "boom", "text that was unescaped before"},
        {"true", true, "", "true", "true"},
        {"[]", false, "", "", "empty"},
        {" [ \n ] ", false, "", "", "empty, with blanks"},
        {"[", false, "", "", "cut before anything"},
        {"[null]", false, "", "", "a null"},
        {"[{}]", false, "", "", "an empty one"},
        {"{ }", false, "", "", "an empty one, without a list"},
        {"null", false, "", "", "null"},
        {"false", false, "", "", "false"},
        {"\"\"", false, "", "", "empty text"},
        {"", false, "", "", "nothing"},
        {"  ", false, "", "", "blanks"},
    };
    struct rest_fault got;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct guard g = guard_copy(rows[i].list, strlen(rows[i].list));
        CHECK_INT(rows[i].why, rest_first_fault((struct sc_str){g.ptr, g.len}, "code", "message", &got), rows[i].any);
        CHECK_TEXT(rows[i].why, got.code, rows[i].code);
        CHECK_TEXT(rows[i].why, got.text, rows[i].text);
        guard_done(&g);
        for (size_t cut = 0; cut < strlen(rows[i].list); cut++) {
            g = guard_copy(rows[i].list, cut);
            (void)rest_first_fault((struct sc_str){g.ptr, g.len}, "code", "message", &got);
            guard_done(&g);
        }
    }
    CHECK_TRUE("absent", !rest_first_fault((struct sc_str){0}, "code", "message", &got));
}

static void test_rest_error_value(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want, *why;
    } rows[] = {
        {"{\"meta\":{\"errors\":1},\"errors\": [2]}", "[2]}", "the top-level one, to the end"},
        {"{\"errors\":", NULL, "cut before the value"},
        {"{\"error\":1}", NULL, "another name"},
        {"<html>", NULL, "a web page"},
        {"", NULL, "nothing"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct guard g = guard_copy(rows[i].body, strlen(rows[i].body));
        struct sc_str got = rest_error_value((struct sc_str){g.ptr, g.len}, "errors");
        CHECK_INT(rows[i].why, got.ptr != NULL, rows[i].want != NULL);
        if (rows[i].want)
            CHECK_BYTES(rows[i].why, got.ptr, got.len, rows[i].want, strlen(rows[i].want));
        guard_done(&g);
    }
}

static void test_rest_error_path(void **state)
{
    (void)state;
    static const struct {
        const char *body, *path, *want, *why;
    } rows[] = {
        {"{\"Error\":{\"Message\":\"no\"}}", "Error.Message", "no", "nested"},
        {"{\"message\":\"m\",\"Error\":{\"Code\":1,\"Message\":7}}", "Error.Message", "7", "behind others"},
        {"{\"message\":\"m\"}", "message", "m", "one name"},
        {"{\"Error\":\"text\",\"Message\":\"other\"}", "Error.Message", "", "text on the way"},
        {"{\"Error\":[{\"Message\":\"m\"}]}", "Error.Message", "", "a list on the way"},
        {"{\"Error\":{},\"Message\":\"other\"}", "Error.Message", "", "empty on the way: what follows is outside"},
        {"{\"a\":{\"b\":{\"c\":\"d\"}}}", "a.b.c", "d", "three"},
        {"{\"Error\":{\"Message\":\"cut he", "Error.Message", "cut he", "cut short"},
        {"", "Error.Message", "", "nothing"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char out[32];
        for (size_t cut = 0; cut <= strlen(rows[i].body); cut++) {
            struct guard g = guard_copy(rows[i].body, cut);
            size_t n = rest_error_path((struct sc_str){g.ptr, g.len}, rows[i].path, out, sizeof out);
            CHECK_INT("its length", n, strlen(out));
            guard_done(&g);
        }
        CHECK_TEXT(rows[i].why, out, rows[i].want);
    }
}

static void test_rest_list_has(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool want;
        const char *why;
    } rows[] = {
        {"[\"a\",\"items\"]", true, "the last"},
        {" [ \n\"items\" , \"b\"]", true, "blanks"},
        {"[\"items", true, "cut behind it"},
        {"[null,7,\"items\"]", true, "others that are no text"},
        {"[\"itemsx\",\"xitems\"]", false, "no part of another"},
        {"[\"a\\\"items\"]", false, "an escaped quote"},
        {"[],\"items\"]", false, "behind the end"},
        {"[{\"items\":1}]", false, "a name in an object"},
        {"\"items\"", false, "no list"},
        {"{\"items\":[\"items\"]}", false, "an object"},
        {"[", false, "cut before anything"},
        {"", false, "nothing"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        bool got = false;
        for (size_t cut = 0; cut <= strlen(rows[i].list); cut++) {
            struct guard g = guard_copy(rows[i].list, cut);
            got = rest_list_has((struct sc_str){g.ptr, g.len}, "items");
            guard_done(&g);
        }
        CHECK_INT(rows[i].why, got, rows[i].want);
    }
}

static void test_rest_status_of(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        int want;
    } rows[] = {
        {"401", 401}, {"4010010", 401}, {"5000010", 500}, {"429", 429}, {"", 0},      {"4", 0},      {"40", 0},
        {"77", 0},    {"700123", 0},    {"099", 0},       {"40x", 0},   {"4010x", 0}, {"E4010", 0}, {"-401", 0}, {"401.0", 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_INT(rows[i].code, rest_status_of(rows[i].code), rows[i].want);
}

static void test_rest_number(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want; /* -1: none */
    } rows[] = {
        {"0", 0}, {"42", 42}, {"999999999999999999", 999999999999999999}, {"1000000000000000000", -1}, {"", -1}, {"-1", -1},
        {"+1", -1}, {"1.0", -1}, {" 1", -1}, {"1e3", -1}, {"0x1", -1},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t n = -1;
        CHECK_INT(rows[i].text, rest_number(sc_str_of(rows[i].text), &n), rows[i].want >= 0);
        CHECK_INT(rows[i].text, n, rows[i].want);
    }
    int64_t n;
    CHECK_TRUE("absent", !rest_number((struct sc_str){0}, &n));
}

static void test_rest_web_page(void **state)
{
    (void)state;
    CHECK_TRUE("HTML", rest_is_web_page(sc_str_of("\r\n <!DOCTYPE html>")));
    CHECK_TRUE("JSON", !rest_is_web_page(sc_str_of(" {\"a\":\"<\"}")));
    CHECK_TRUE("nothing", !rest_is_web_page((struct sc_str){0}));
    CHECK_TRUE("blanks", !rest_is_web_page(sc_str_of("  ")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_link_target),
        cmocka_unit_test(test_rest_link_below),
        cmocka_unit_test(test_rest_error_member),
        cmocka_unit_test(test_rest_first_fault),
        cmocka_unit_test(test_rest_error_value),
        cmocka_unit_test(test_rest_error_path),
        cmocka_unit_test(test_rest_list_has),
        cmocka_unit_test(test_rest_status_of),
        cmocka_unit_test(test_rest_number),
        cmocka_unit_test(test_rest_web_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
