/* Where admin.listen may point, and that nothing is ever open to everybody by a slip. */
#include "config/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

static void test_listen_parse(void **state)
{
    static const struct {
        const char *text, *host; /* NULL: refused */
        int port, loopback, v6;
        const char *why;
    } rows[] = {
        {"9850", "127.0.0.1", 9850, 1, 0, "a port alone is loopback"},
        {"1", "127.0.0.1", 1, 1, 0, "the least port"},
        {"127.0.0.1", "127.0.0.1", SC_LISTEN_PORT, 1, 0, "an address alone"},
        {"127.0.0.1:65535", "127.0.0.1", 65535, 1, 0, "the highest port"},
        {"127.9.9.9:80", "127.9.9.9", 80, 1, 0, "all of 127/8"},
        {"0.0.0.0:9850", "0.0.0.0", 9850, 0, 0, "everywhere, when it is said"},
        {"192.0.2.7:9850", "192.0.2.7", 9850, 0, 0, "one address"},
        {"[::1]:9850", "::1", 9850, 1, 1, "loopback of IPv6"},
        {"[::1]", "::1", SC_LISTEN_PORT, 1, 1, "without a port"},
        {"[::]:9850", "::", 9850, 0, 1, "everywhere in IPv6"},
        {"[::ffff:127.0.0.1]:9850", "::ffff:127.0.0.1", 9850, 0, 1, "no loopback to this rule"},
        {":9850", NULL, 0, 0, 0, "elsewhere this means everywhere"},
        {"*:9850", NULL, 0, 0, 0, "so does this"},
        {"localhost:9850", NULL, 0, 0, 0, "a name"},
        {"true", NULL, 0, 0, 0, "a word"},
        {"0", NULL, 0, 0, 0, "no port"},
        {"65536", NULL, 0, 0, 0, "beyond the ports"},
        {"-1", NULL, 0, 0, 0, "below them"},
        {"+80", NULL, 0, 0, 0, "a sign"},
        {"127.0.0.1:", NULL, 0, 0, 0, "an empty port"},
        {"127.0.0.1:0", NULL, 0, 0, 0, "a port that nobody would find"},
        {"127.0.0.1:80x", NULL, 0, 0, 0, "something behind it"},
        {"127.0.0.1:80:90", NULL, 0, 0, 0, "two ports"},
        {"127.1:80", NULL, 0, 0, 0, "half an address"},
        {"::1", NULL, 0, 0, 0, "IPv6 without brackets"},
        {"[::1", NULL, 0, 0, 0, "half a bracket"},
        {"[]:80", NULL, 0, 0, 0, "nothing in it"},
        {"[127.0.0.1]:80", NULL, 0, 0, 0, "IPv4 in brackets"},
        {"[::1]80", NULL, 0, 0, 0, "no colon"},
        {"[::1%lo]:80", NULL, 0, 0, 0, "a zone"},
        {"http://127.0.0.1:80", NULL, 0, 0, 0, "a URL"},
        {" 127.0.0.1:80", NULL, 0, 0, 0, "a blank"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_listen listen;
        CHECK_INT(rows[i].why, sc_listen_parse(rows[i].text, &listen), rows[i].host != NULL);
        if (!rows[i].host)
            continue;
        CHECK_TEXT(rows[i].why, listen.host, rows[i].host);
        CHECK_INT(rows[i].why, listen.port, rows[i].port);
        CHECK_INT(rows[i].why, listen.loopback, rows[i].loopback);
        CHECK_INT(rows[i].why, listen.v6, rows[i].v6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_listen_parse)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
