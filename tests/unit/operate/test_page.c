/* What is read off answers that are not the vendor's. Each text also ends at a page that may not be touched. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"
#include "operate/page.h"

static void test_pages(void **state)
{
    static const struct {
        const char *text;
        bool page;
        const char *title;
    } rows[] = {
        {"<html><head><title>Log in</title></head>", true, "Log in"},
        {"<!DOCTYPE html>\n<html lang=en>\n<TITLE id=x> Guest \n  Wi-Fi &amp; more </TITLE>", true, "Guest Wi-Fi & more"},
        {"\xef\xbb\xbf  <!-- a comment <title>not this</title> --><html><title>This</title>", true, "This"},
        {"<?xml version=\"1.0\"?><!DOCTYPE html><html><title>X \"quoted\"</title>", true, "X 'quoted'"},
        {"<html><body>no title", true, ""},
        {"<html><title>cut off", true, ""},
        {"<html><title", true, ""},
        {"<center><h1>502 Bad Gateway</h1>", true, ""},
        {"<?xml version=\"1.0\"?><ERROR><title>no page</title></ERROR>", false, ""},
        {"<SIMPLE_RETURN>", false, ""},
        {"{\"html\":\"<html>\"}", false, ""},
        {"<", false, ""},
        {"<!--", false, ""},
        {"", false, ""},
        {"plain text", false, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char title[SC_PAGE_TITLE];
        struct guard copy = guard_copy(rows[i].text, strlen(rows[i].text));
        CHECK_INT(rows[i].text, sc_page_read((struct sc_str){copy.ptr, copy.len}, title), rows[i].page);
        CHECK_TEXT(rows[i].text, title, rows[i].title);
        guard_done(&copy);
    }
}

static void test_long_title(void **state)
{
    char text[2000] = "<html><title>", title[SC_PAGE_TITLE];
    (void)state;
    for (int i = 0; i < 200; i++)
        strcat(text, "\xc3\xa4"); /* ends in the middle of one */
    strcat(text, "</title>");
    CHECK_TRUE("page", sc_page_read((struct sc_str){text, strlen(text)}, title));
    CHECK_TRUE("fits", strlen(title) < SC_PAGE_TITLE);
    CHECK_INT("whole characters", (unsigned char)title[strlen(title) - 1] & 0x80, 0x80);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        bool about;
        const char *quoted;
    } rows[] = {
        {"{\"message\":\"Your IP address 203.0.113.7 is not in the allowlist.\"}", true, "203.0.113.7"},
        {"Access denied: source IP 2001:db8::12 not permitted by network policy", true, "2001:db8::12"},
        {"blocked by network zone", true, ""},
        {"client IP:198.51.100.9.", true, "198.51.100.9"},
        {"ip_address=198.51.100.9&x=1", true, "198.51.100.9"},
        {"version 1.2.3.4.5 of the IP whitelist", true, ""},
        {"AADSTS53003: Access has been blocked by Conditional Access policies", true, ""},
        {"Invalid token provided", false, ""},
        {"access denied, authorization failed", false, ""},
        {"203.0.113.7", false, ""},
        {"", false, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char quoted[48];
        struct guard copy = guard_copy(rows[i].text, strlen(rows[i].text));
        CHECK_INT(rows[i].text, sc_page_refuses_address((struct sc_str){copy.ptr, copy.len}, quoted), rows[i].about);
        CHECK_TEXT(rows[i].text, quoted, rows[i].quoted);
        guard_done(&copy);
    }
}

static void test_private(void **state)
{
    static const struct {
        const char *address;
        bool want;
    } rows[] = {{"10.0.0.5", true},      {"172.16.0.1", true}, {"172.32.0.1", false}, {"192.168.1.1", true}, {"100.64.0.1", true}, {"100.128.0.1", false},
                {"169.254.1.1", true},   {"127.0.0.1", true},  {"8.8.8.8", false},    {"::1", true},         {"fd00::1", true},    {"fe80::1", true},
                {"2001:db8::1", false}, {"", false},          {"no address", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(rows[i].address, sc_address_is_private(rows[i].address), rows[i].want);
}

static void test_cert(void **state)
{
    static const char page[] = "<html><head><title>400 No required SSL certificate was sent</title></head>";
    (void)state;
    CHECK_TRUE("nginx", sc_page_wants_cert(400, sc_str_of(page)));
    CHECK_TRUE("its own statuses", sc_page_wants_cert(495, sc_str_of("")) && sc_page_wants_cert(496, sc_str_of("")));
    CHECK_TRUE("another 400", !sc_page_wants_cert(400, sc_str_of("<html><title>400 Bad Request</title>")));
    CHECK_TRUE("another status", !sc_page_wants_cert(403, sc_str_of(page)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),     cmocka_unit_test(test_long_title), cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_private), cmocka_unit_test(test_cert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
