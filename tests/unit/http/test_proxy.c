#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"
#include "http/proxy.h"

static void test_forms(void **state)
{
    static const struct {
        const char *text, *name; /* NULL: refused */
        bool user, tls, socks;
    } rows[] = {
        {"http://proxy:3128",           "proxy:3128",           .user = false},
        {"proxy:3128",                             "proxy:3128",                                        .user = false},
        {"httpsomething.corp:8080",                "httpsomething.corp:8080"},
        {"http://proxy","proxy:1080"            },
        {"https://proxy",                             "proxy:443",                                       .tls = true},
        {"http://u:s3cret-pw@proxy:1/","proxy:1",.user = true},
        {"socks5h://proxy:9050", "proxy:9050",                         .socks = true},
        {"ftp://proxy:21",                             NULL                             },
        {"http://",                NULL             },
        {"http://proxy:port",NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sc_proxy proxy;
        struct sc_error err = SC_ERROR_INIT;
        int rc = sc_proxy_choose(rows[i].text, true, &proxy, &err);
        CHECK_INT(rows[i].text, rc, rows[i].name ? 0 : -1);
        if (rows[i].name) {
            CHECK_TEXT(rows[i].text, proxy.name, rows[i].name);
            CHECK_INT(rows[i].text, proxy.has_user, rows[i].user);
            CHECK_INT(rows[i].text, proxy.tls, rows[i].tls);
            CHECK_INT(rows[i].text, proxy.socks, rows[i].socks);
            CHECK_TEXT(rows[i].text, proxy.url, rows[i].text);
        } else {
            CHECK_INT(rows[i].text, err.reason, SC_REASON_CONFIG_INVALID);
        }
        sc_proxy_done(&proxy);
    }
}

static void test_environment(void **state)
{
    struct sc_proxy proxy;
    (void)state;
    unsetenv("http_proxy"), unsetenv("https_proxy"), unsetenv("all_proxy"), unsetenv("ALL_PROXY");
    setenv("HTTPS_PROXY", "http://a:1", 1);
    setenv("HTTP_PROXY", "http://b:2", 1);
    assert_int_equal(sc_proxy_choose(NULL, true, &proxy, NULL), 0);
    assert_string_equal(proxy.name, "a:1");
    assert_null(proxy.url); /* curl finds it */
    assert_true(proxy.from_env);
    sc_proxy_done(&proxy);
    assert_int_equal(sc_proxy_choose(NULL, false, &proxy, NULL), 0);
    assert_string_equal(proxy.url, "http://b:2"); /* curl would not look */
    sc_proxy_done(&proxy);
    assert_int_equal(sc_proxy_choose("", true, &proxy, NULL), 0);
    assert_string_equal(proxy.url, ""); /* none, whatever the environment says */
    assert_string_equal(proxy.name, "");
    sc_proxy_done(&proxy);
    unsetenv("HTTPS_PROXY"), unsetenv("HTTP_PROXY");
    assert_int_equal(sc_proxy_choose(NULL, true, &proxy, NULL), 0);
    assert_null(proxy.url);
    assert_string_equal(proxy.name, "");
    sc_proxy_done(&proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
