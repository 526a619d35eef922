/* The forms of a file of integrations. */
#include "cli/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static const struct {
    const char *text, *prefix;
    const char *items; /* "key=name:value;" or "key=name!error;" */
    const char *err, *why;
} rows[] = {
    {"{\"a\":{\"x\":1},\"b\":{}}", "", "a=a:{\"x\": 1};b=b:{};", "", "an object"},
    {"[{\"key\":\"a\",\"x\":1}]", "p-", "a=p-a:{\"x\": 1};", "", "an array; the key is no part of the value"},
    {"{\"name\":\"a\",\"revision\":3,\"valid\":true,\"value\":{\"x\":1},\"status\":null}", "", "a=a:{\"x\": 1};", "", "what show prints"},
    {"[{\"name\":\"a\",\"revision\":3,\"valid\":false,\"value\":null}]", "", "a=a!its value must be an object {…};", "",
     "what show prints of no JSON"},
    {"{\"name\":{\"x\":1},\"revision\":{},\"value\":{},\"valid\":{}}", "",
     "name=name:{\"x\": 1};revision=revision:{};value=value:{};valid=valid:{};", "", "integrations that bear these names"},
    {"{\"a\":1}", "", "a=a!its value must be an object {…};", "", "no object"},
    {"{\"a b\":{}}", "", "a b=a b!\"a b\" cannot be a name", "", "no key"},
    {"{\"a\":{}}", "..", "a=..a!\"..a\" cannot be a name", "", "no key with that prefix"},
    {"[{\"key\":\"a\"},{\"key\":\"a\"}]", "", "a=a:{};a=a!it stands there twice;", "", "twice"},
    {"{\"a\":{},\"a\":{}}", "", "", "duplicate object key near '\"a\"'", "twice"},
    {"[1]", "", "", "element 1 has no \"key\" that names it", "no object"},
    {"[{\"key\":1}]", "", "", "element 1 has no \"key\" that names it", "no text"},
    {"[{\"name\":\"a\",\"type\":\"t\",\"revision\":1,\"readable\":true}]", "", "", "`integrations list --json` prints, which holds no values",
     "what list prints"},
    {"{\"integration_type\":\"t\"}", "", "", "one integration without its name", "a value alone"},
    {"[]", "", "", "there is no integration in it", "nothing"},
    {"{\"a\": {\"t\": \"s3cret-value", "", "", "it is no valid JSON: line 1, column ", "broken"},
};

static void describe(const struct sc_import *import, struct sc_buf *out)
{
    for (size_t i = 0; i < import->count; i++) {
        const struct sc_import_item *item = &import->at[i];
        char *value = json_dumps(item->value, JSON_ENCODE_ANY);
        bool bad = item->err.reason != SC_REASON_OK;
        sc_buf_addf(out, "%s=%s%s%s;", item->key, item->name, bad ? "!" : ":", bad ? item->err.text : value);
        free(value);
    }
}

static void test_import_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_import import = {0};
        struct sc_error err = SC_ERROR_INIT;
        struct sc_buf out = {0};
        int rc = sc_import_read(sc_str_of(rows[i].text), rows[i].prefix, &import, &err);
        CHECK_INT(rows[i].why, rc, *rows[i].err ? -1 : 0);
        if (!strstr(err.text, rows[i].err))
            CHECK_TEXT(rows[i].why, err.text, rows[i].err);
        CHECK_TRUE("no value in an error", !strstr(err.text, "s3cret"));
        describe(&import, &out);
        if (rc == 0 && !strstr(sc_buf_str(&out).ptr, rows[i].items))
            CHECK_TEXT(rows[i].why, sc_buf_str(&out).ptr, rows[i].items);
        sc_buf_done(&out);
        sc_import_done(&import);
    }
}

static void test_import_memory(void **state)
{
    (void)state;
    for (long n = 1, failed = 1; failed; n++) {
        struct sc_import import = {0};
        struct sc_error err = SC_ERROR_INIT;
        failalloc_arm(n);
        int rc = sc_import_read(sc_str_of("{\"a\":{},\"b\":{}}"), "p-", &import, &err);
        failed = failalloc_disarm();
        CHECK_TRUE("a failure is told, and nothing else is one", failed == (rc != 0) && failed == (*err.text != '\0'));
        CHECK_TRUE("nothing is left out silently", rc || import.count == 2);
        sc_import_done(&import);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_import_forms), cmocka_unit_test(test_import_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
