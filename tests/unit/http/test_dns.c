/* What nameservers said, as a sentence. That they are asked as told is proved with real ones (tests/symptoms). */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>

#include "check.h"
#include "http/dns.h"

#define HOST "api.vendor.example"

static const struct sc_dns_server fails = {"10.0.0.1", SC_DNS_ANSWER, 2, 0, 3, 0, "", false}, mute = {"10.0.0.2", SC_DNS_MUTE, 0, 0, 5000, 0, "", false},
                                  denies = {"10.0.0.3", SC_DNS_ANSWER, 3, 0, 2, 0, "", true}, lost = {"10.0.0.4", SC_DNS_ANSWER, 3, 0, 2, 0, "", false},
                                  empty = {"10.0.0.5", SC_DNS_ANSWER, 0, 0, 2, 0, "", true}, good = {"10.0.0.6", SC_DNS_ANSWER, 0, 0, 4, 2, "192.0.2.7", true},
                                  closed = {"10.0.0.7", SC_DNS_CLOSED, 0, ECONNREFUSED, 0, 0, "", false}, broken = {"10.0.0.8", SC_DNS_BROKEN, 0, 0, 1, 0, "", false},
                                  odd = {"10.0.0.9", SC_DNS_ANSWER, 23, 0, 1, 0, "", false}, blocks = {"10.0.0.10", SC_DNS_ANSWER, 0, 0, 1, 1, "0.0.0.0", true};

static void test_sentences(void **state)
{
    static const struct {
        const struct sc_dns_server *a, *b;
        bool unnamed;
        const char *cure, *want;
    } rows[] = {
        {&fails, &mute, false, "", "Cannot resolve " HOST ": 10.0.0.1 SERVFAIL in 3 ms, 10.0.0.2 no reply in 5 s; check the nameservers in this container's resolv.conf"},
        {&closed, NULL, true, "", "Cannot resolve " HOST ": 10.0.0.7: Connection refused (resolv.conf names no nameserver); name the nameservers in this container's resolv.conf"},
        {&broken, &odd, false, "", "Cannot resolve " HOST ": 10.0.0.8 answers no DNS, 10.0.0.9 RCODE 23 in 1 ms; check the nameservers in this container's resolv.conf"},
        {&denies, NULL, false, "", "Cannot resolve " HOST ": 10.0.0.3 says that the name does not exist (NXDOMAIN), while it resolves others; it is misspelt or filtered: "
                                   "correct it, or have vendor.example allowed there"},
        {&mute, &lost, false, "", "Cannot resolve " HOST ": 10.0.0.4 says that the name does not exist (NXDOMAIN); it is misspelt, or that nameserver does not know the "
                                  "outside: correct the one or the other"},
        {&empty, NULL, false, "", "Cannot resolve " HOST ": 10.0.0.5 says that the name has no address, while it resolves others; it is misspelt or filtered: correct it, or "
                                  "have vendor.example allowed there"},
        {&denies, NULL, false, "set a proxy", "Cannot resolve " HOST ": 10.0.0.3 says that the name does not exist (NXDOMAIN), while it resolves others; it is misspelt or filtered: "
                                              "correct it, or have vendor.example allowed there"},
        {&mute, NULL, false, "set a proxy", "Cannot resolve " HOST ": 10.0.0.2 no reply in 5 s; check the nameservers in this container's resolv.conf"},
        {&lost, NULL, false, "set a proxy", "Cannot resolve " HOST ": 10.0.0.4 says that the name does not exist (NXDOMAIN); set a proxy"},
        {&mute, &good, false, "", "Cannot resolve " HOST ", though now: 10.0.0.2 no reply in 5 s, 10.0.0.6 says 192.0.2.7 in 4 ms; slow or lossy nameservers do this: check them in "
                                  "this container's resolv.conf"},
        {NULL, NULL, false, "", "Cannot resolve " HOST ": that is no name that DNS could know; correct the host in the settings"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_dns_look look = {.host = HOST, .unnamed = rows[i].unnamed};
        char text[320];
        if (rows[i].a)
            look.servers[look.count++] = *rows[i].a;
        if (rows[i].b)
            look.servers[look.count++] = *rows[i].b;
        sc_dns_explain(&look, HOST, rows[i].cure, text, sizeof text);
        CHECK_TEXT("sentence", text, rows[i].want);
    }
}

static void test_addresses(void **state)
{
    struct sc_dns_look look = {.host = HOST, .count = 2, .servers = {mute, blocks}};
    char text[320];
    (void)state;
    sc_dns_explain_address(&look, HOST, "0.0.0.0", false, text, sizeof text);
    CHECK_TEXT("who said it", text, "10.0.0.10 says that " HOST " is 0.0.0.0, which is this host itself or nothing: the name is filtered or misspelt; have vendor.example allowed");
    sc_dns_explain_address(&look, HOST, "127.0.0.1", false, text, sizeof text);
    CHECK_TRUE("nobody said that", strncmp(text, "DNS says that ", 14) == 0);
    look.in_hosts_file = true;
    sc_dns_explain_address(&look, HOST, "0.0.0.0", false, text, sizeof text);
    CHECK_TRUE("the file comes first", strncmp(text, "/etc/hosts says that ", 21) == 0);
    sc_dns_explain_address(&look, HOST, "10.1.2.3", true, text, sizeof text);
    CHECK_TRUE("private", strstr(text, "10.1.2.3, a private address, and nobody answers there") != NULL);
}

static void test_caps(void **state)
{
    struct sc_dns_look look = {.count = 3, .servers = {fails, mute, broken}};
    (void)state;
    for (size_t cap = 1; cap < 200; cap++) {
        char *text = malloc(cap), host[256];
        assert_non_null(text);
        memset(host, 'a', 255);
        host[255] = '\0';
        sc_dns_words(&look, text, cap);
        CHECK_TRUE("ends", strlen(text) < cap);
        sc_dns_explain(&look, host, "", text, cap);
        CHECK_TRUE("ends", strlen(text) < cap);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sentences), cmocka_unit_test(test_addresses), cmocka_unit_test(test_caps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
