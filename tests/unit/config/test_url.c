/* URLs taken apart; secrets found and masked in what may be no URL at all. */
#include "config/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void add_part(struct sc_buf *out, struct sc_str part)
{
    sc_buf_add_char(out, '|');
    if (part.ptr)
        sc_buf_add(out, part.ptr, part.len);
    else
        sc_buf_add_char(out, '-');
}

static const struct {
    const char *in, *want; /* |scheme|userinfo|host|port|path|tail, or what is wrong */
    bool loopback;
} urls[] = {
    {"https://acme.test", "|https|-|acme.test|-|-|-", false},
    {"https://acme.test/", "|https|-|acme.test|-|/|-", false},
    {"https://u:p@acme.test:8443/a/b?c=d#e", "|https|u:p|acme.test|8443|/a/b|?c=d#e", false},
    {"https://u@x@acme.test", "|https|u@x|acme.test|-|-|-", false},
    {"acme.test:80", "|-|-|acme.test|80|-|-", false},
    {"acme.test/x://y", "|-|-|acme.test|-|/x://y|-", false},
    {"https://acme.test?x", "|https|-|acme.test|-|-|?x", false},
    {"http://[::1]:8080/x", "|http|-|::1|8080|/x|-", true},
    {"http://[::2]", "|http|-|::2|-|-|-", false},
    {"http://localhost", "|http|-|localhost|-|-|-", true},
    {"http://LOCALHOST:1", "|http|-|LOCALHOST|1|-|-", true},
    {"http://127.9.8.7", "|http|-|127.9.8.7|-|-|-", true},
    {"http://127.0.0.1.evil.test", "|http|-|127.0.0.1.evil.test|-|-|-", false},
    {"http://localhost.evil.test", "|http|-|localhost.evil.test|-|-|-", false},
    {"http://127.1", "|http|-|127.1|-|-|-", false},
    {"http://2130706433", "|http|-|2130706433|-|-|-", false},
    {"http://128.0.0.1", "|http|-|128.0.0.1|-|-|-", false},
    {"http://localhost@evil.test", "|http|localhost|evil.test|-|-|-", false},
    {"", "has no host", false},
    {"https://", "has no host", false},
    {"https:///x", "has no host", false},
    {"https://:443", "has no host", false},
    {"https://acme.test:", "has a port that is not from 1 to 65535", false},
    {"https://acme.test:0", "has a port that is not from 1 to 65535", false},
    {"https://acme.test:65536", "has a port that is not from 1 to 65535", false},
    {"https://acme.test:-1", "has a port that is not from 1 to 65535", false},
    {"https://acme.test:80:80", "has a port that is not from 1 to 65535", false},
    {"https://a b", "contains a blank or a control character", false},
    {"https://acme.test/\n", "contains a blank or a control character", false},
    {"https://acme\\.test", "contains a character that no URL may have", false},
    {"https://{fqdn}", "contains a character that no URL may have", false},
    {"https://m\xc3\xbcller.test", "contains a letter outside ASCII (write a host name in its xn-- form)", false},
    {"https://a..b", "has a host name with an empty part", false},
    {"https://.a", "has a host name with an empty part", false},
    {"https://a%20b", "has a host name with a character that none may have", false},
    {"https://[::1", "has a '[' without ']'", false},
    {"https://[acme]", "has no IPv6 address in its brackets", false},
    {"https://[::1]x", "has something between ']' and the port", false},
};

static void test_url_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(urls); i++) {
        struct sc_url url = {0};
        struct sc_buf got = {0};
        size_t len = strlen(urls[i].in);
        struct guard g = guard_copy(urls[i].in, len);
        const char *why = sc_setting_url_parse((struct sc_str){g.ptr, len}, &url);
        if (why)
            sc_buf_add_str(&got, why);
        const struct sc_str parts[] = {url.scheme, url.userinfo, url.host, url.port, url.path, url.tail};
        for (size_t p = 0; p < ROWS(parts) && !why; p++)
            add_part(&got, parts[p]);
        CHECK_TEXT(urls[i].in, sc_buf_str(&got).ptr, urls[i].want);
        CHECK_INT(urls[i].in, !why && sc_url_host_is_loopback(&url), urls[i].loopback);
        guard_done(&g);
        for (size_t cut = 0; cut < len; cut++) {
            g = guard_copy(urls[i].in, cut);
            (void)sc_setting_url_parse((struct sc_str){g.ptr, cut}, &url);
            guard_done(&g);
        }
        sc_buf_done(&got);
    }
}

static void test_url_origin(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"HTTPS://Acme.Test/x", "https://acme.test"},    {"https://acme.test:443", "https://acme.test"},
        {"https://acme.test:0443", "https://acme.test"}, {"https://acme.test:80", "https://acme.test:80"},
        {"http://acme.test:80/", "http://acme.test"},    {"http://acme.test:443", "http://acme.test:443"},
        {"http://[::1]:8080", "http://[::1]:8080"},      {"http://[2001:DB8::1]", "http://[2001:db8::1]"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_url url;
        struct sc_buf out = {0};
        CHECK_TEXT(rows[i][0], sc_setting_url_parse(sc_str_of(rows[i][0]), &url), NULL);
        CHECK_INT(rows[i][0], sc_url_add_origin(&url, &out), 0);
        CHECK_TEXT(rows[i][0], sc_buf_str(&out).ptr, rows[i][1]);
        sc_buf_done(&out);
    }
}

static struct sc_buf heard;

static int hear(const char *value, size_t len)
{
    sc_buf_add(&heard, value, len);
    return sc_buf_add_char(&heard, ' ');
}

static void test_url_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool lone;
        const char *want, *masked;
    } rows[] = {
        {"", true, "", ""},
        {"nats://a:4222", true, "", "nats://a:4222"},
        {"nats://u:pass@a:4222", true, "pass ", "nats://[set]@a:4222"},
        {"nats://tok@a,nats://u:two@b", true, "tok two ", "nats://[set]@a,nats://[set]@b"},
        {"http://user@proxy:1", false, "", "http://[set]@proxy:1"},
        {"user:pw@proxy:1", false, "pw ", "[set]@proxy:1"},
        {"http://u:p%40ss@proxy", false, "p%40ss p@ss ", "http://[set]@proxy"},
        {"http://u:p:q@proxy", false, "p:q ", "http://[set]@proxy"},
        {"http://u:x%4", false, "", "http://u:x%4"},
        {"http://u:x%4@p", false, "x%4 ", "http://[set]@p"},
        {"not a url u:pw@x", true, "pw ", "[set]@x"},
        {"https://u:p/w=@acme.test/x", true, "p/w= ", "https://[set]@acme.test/x"},
        {"https://acme.test:8443/a@b", true, "", "https://acme.test:8443/a@b"},
        {"https://acme.test/a:b@c", true, "", "https://acme.test/a:b@c"},
        {"https://[::1]:80/a@b", true, "", "https://[::1]:80/a@b"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_buf masked = {0};
        sc_buf_clear(&heard);
        CHECK_INT(rows[i].list, sc_url_each_secret(rows[i].list, rows[i].lone, hear), 0);
        CHECK_TEXT(rows[i].list, sc_buf_str(&heard).ptr, rows[i].want);
        sc_url_mask(rows[i].list, &masked);
        CHECK_TEXT(rows[i].list, sc_buf_str(&masked).ptr, rows[i].masked);
        sc_buf_done(&masked);
    }
    sc_buf_done(&heard);
}

static void test_url_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        int want;
    } rows[] = {
        {"", 0},
        {"http://proxy:3128", 0},
        {"https://u:p@proxy:3128/", 0},
        {"socks5h://proxy", 0},
        {"proxy:3128", 0},
        {"ftp://proxy", -1},
        {"http://proxy:port", -1},
        {"http://proxy/path", -1},
        {"http://proxy?x", -1},
        {"http://", -1},
        {" http://proxy", -1},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_INT(rows[i].in, sc_proxy_check(rows[i].in), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_parse),
        cmocka_unit_test(test_url_origin),
        cmocka_unit_test(test_url_secrets),
        cmocka_unit_test(test_url_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
