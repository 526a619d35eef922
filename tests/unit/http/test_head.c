#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"
#include "http/head.h"

static enum sc_head_step feed(struct sc_head *head, const char *line)
{
    /* an exact copy, so that a read beyond it is seen by the sanitizer */
    size_t len = strlen(line);
    char *copy = malloc(len ? len : 1);
    memcpy(copy, line, len);
    enum sc_head_step step = sc_head_add(head, copy, len);
    free(copy);
    return step;
}

static void check_value(const struct sc_head *head, const char *name, unsigned nth,
                        const char *want)
{
    struct sc_str got = sc_head_get(head, name, nth);
    if (!want)
        assert_null(got.ptr);
    else
        CHECK_BYTES(name, got.ptr ? got.ptr : "", got.len, want, strlen(want));
}

static void test_lines(void **state)
{
    struct sc_head head = {.max = 1000};
    (void)state;
    assert_int_equal(feed(&head, "HTTP/1.1 200 OK\r\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "Link: <a>; rel=\"self\"\r\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "Empty:\r\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "no colon here\r\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "LINK:<b>;x=y  \r\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "Long: one\r\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "\t two\r\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "Odd : v:w\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "\r\n"), SC_HEAD_END);
    assert_int_equal(head.status, 200);
    check_value(&head, "link", 0, "<a>; rel=\"self\"");
    check_value(&head, "Link", 1, "<b>;x=y");
    check_value(&head, "Link", 2, NULL);
    check_value(&head, "empty", 0, "");
    check_value(&head, "long", 0, "one two");
    check_value(&head, "odd", 0, "v:w");
    check_value(&head, "Lin", 0, NULL);
    assert_int_equal(feed(&head, "Trailer: t\r\n"), SC_HEAD_MORE);
    check_value(&head, "Trailer", 0, NULL);
    sc_head_done(&head);
}

static void test_interim(void **state)
{
    struct sc_head head = {.max = 1000};
    (void)state;
    assert_int_equal(feed(&head, "HTTP/1.1 103 Early Hints\r\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "Link: <hint>\r\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "\r\n"), SC_HEAD_END);
    assert_int_equal(head.status, 103);
    assert_int_equal(feed(&head, "HTTP/2 404 \r\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "\r\n"), SC_HEAD_END);
    assert_int_equal(head.status, 404);
    check_value(&head, "Link", 0, NULL);
    sc_head_done(&head);
}

static void test_status(void **state)
{
    static const struct {
        const char *line;
        int want;
        const char *why;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n", 200, "usual"      },
        {"HTTP/1.0 304\r\n",    304, "no phrase"  },
        {"HTTP/2 204 \r\n",     204, "h2"         },
        {"HTTP/1.1  500 x\r\n", 500, "two blanks" },
        {"HTTP/1.1 2000 x\r\n", 0,   "four digits"},
        {"HTTP/1.1 20\r\n",     0,   "two digits" },
        {"HTTP/1.1\r\n",        0,   "none"       },
        {"HTTP/",               0,   "cut"        },
        {"ICY 200 OK\r\n",      0,   "not HTTP"   },
        {"\r\n",                0,   "blank"      },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sc_head head = {.max = 100};
        CHECK_INT(rows[i].why, feed(&head, rows[i].line),
                  rows[i].want ? SC_HEAD_MORE : SC_HEAD_BAD);
        CHECK_INT(rows[i].why, head.status, rows[i].want);
        sc_head_done(&head);
    }
}

static void test_cap(void **state)
{
    struct sc_head head = {.max = 40};
    (void)state;
    assert_int_equal(feed(&head, "HTTP/1.1 200 OK\r\n"), SC_HEAD_MORE);     /* 17 */
    assert_int_equal(feed(&head, "A: 0123456789012345\r\n"), SC_HEAD_MORE); /* 38 */
    assert_int_equal(feed(&head, "\r\n"), SC_HEAD_END);                     /* 40 */
    assert_int_equal(feed(&head, "B: x\r\n"), SC_HEAD_TOO_LARGE);           /* trailers count */
    sc_head_reset(&head);
    assert_int_equal(feed(&head, "HTTP/1.1 200 OK\r\n"), SC_HEAD_MORE);
    assert_int_equal(feed(&head, "A: 01234567890123456789\r\n"), SC_HEAD_TOO_LARGE);
    sc_head_done(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_interim),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
