#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"
#include "http/http.h"
#include "http/url.h"

static void test_origin(void **state)
{
    static const struct {
        const char *url, *want; /* NULL: none */
    } rows[] = {
        {"https://Acme.Okta.com/api?x=1", "https://acme.okta.com"     },
        {"https://acme.okta.com:443/",    "https://acme.okta.com"     },
        {"HTTPS://h:8443",                "https://h:8443"            },
        {"http://h:80/x",                 "http://h"                  },
        {"http://h:443/x",                "http://h:443"              },
        {"https://[2001:DB8::1]:8443/",   "https://[2001:db8::1]:8443"},
        {"https://user:pw@h/",            "https://h"                 },
        {"ftp://h/",                      NULL                        },
        {"h/x",                           NULL                        },
        {"https://",                      NULL                        },
        {"https://a b/",                  NULL                        },
        {"https://h:99999/",              NULL                        },
        {"",                              NULL                        },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char out[64] = "";
        int rc = sc_url_origin(rows[i].url, out, sizeof(out));
        CHECK_INT(rows[i].url, rc, rows[i].want ? 0 : -1);
        if (rows[i].want)
            CHECK_TEXT(rows[i].url, out, rows[i].want);
    }
    char tight[10];
    assert_int_equal(sc_url_origin("https://h.example", tight, sizeof(tight)), -1);
}

static void test_loopback(void **state)
{
    static const struct {
        const char *url;
        bool want;
    } rows[] = {
        {"http://localhost/",        true },
        {"http://LOCALHOST:1/",      true },
        {"http://localhost./",       true },
        {"http://a.localhost/",      true },
        {"http://127.0.0.1:8080/x",  true },
        {"http://127.9.9.9/",        true },
        {"http://127.1/",            true },
        {"http://[::1]:80/",         true },
        {"http://notlocalhost/",     false},
        {"http://localhost.evil.x/", false},
        {"http://127.0.0.1.nip.io/", false},
        {"http://128.0.0.1/",        false},
        {"http://[::2]/",            false},
        {"http://user@127.0.0.1/",   true },
        {"http://127.0.0.1@evil.x/", false},
        {"nonsense",                 false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        CHECK_INT(rows[i].url, sc_url_is_loopback(rows[i].url), rows[i].want);
    assert_true(sc_url_is_plain_http("HTTP://h/"));
    assert_false(sc_url_is_plain_http("https://h/"));
    assert_false(sc_url_is_plain_http("h"));
}

static void test_join(void **state)
{
    static const struct {
        const char *base, *path, *want;
    } rows[] = {
        {"https://h/x",          "/a?b",              "https://h/x/a?b"    },
        {"https://h/x/",         "/a",                "https://h/x/a"      },
        {"https://h",            "/a",                "https://h/a"        },
        {"https://h/",           "a/b",               "https://h/a/b"      },
        {"https://h:8443/x?q=1", "/a",                "https://h:8443/x/a" },
        {"https://h/x",          "?q=1",              "https://h/x?q=1"    },
        {"https://h/x",          "https://other/p?q", "https://other/p?q"  },
        {"https://h/x",          "//evil/p",          "https://h/x//evil/p"},
        {"https://h/x",          "ftp://other/p",     NULL                 },
        {"nonsense",             "/a",                NULL                 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SC_AUTO_BUF struct sc_buf out = {0};
        int rc = sc_url_join(rows[i].base, rows[i].path, &out);
        CHECK_INT(rows[i].path, rc, rows[i].want ? 0 : -1);
        if (rows[i].want)
            CHECK_TEXT(rows[i].base, out.ptr, rows[i].want);
    }
}

static void test_follow(void **state)
{
    static const struct {
        const char *current, *location, *want;
    } rows[] = {
        {"https://h/a/b?x=1", "/c",               "https://h/c"           },
        {"https://h/a/b",     "c?y=2",            "https://h/a/c?y=2"     },
        {"https://h/a/b",     "//o/c",            "https://o/c"           },
        {"https://h/a",       "https://o/c#frag", "https://o/c"           },
        {"https://h/a",       "https://u:p@h/c",  "https://h/c"           },
        {"https://h/a",       "/with blank",      "https://h/with%20blank"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SC_AUTO_FREE char *got = sc_url_follow(rows[i].current, sc_str_of(rows[i].location));
        CHECK_TEXT(rows[i].location, got, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origin),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
