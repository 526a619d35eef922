/* Values as JSON: secrets that are none, --from-now. */
#include "cli/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static const struct sc_data_type types[] = {{.name = "events"}, {.name = "assets", .shape = SC_SHAPE_SNAPSHOT}, {0}};
static const struct sc_connector connector = {.name = "acme", .data_types = types};

static const struct {
    const char *value, *where; /* "": nothing is hidden */
} hidden[] = {
    {"{\"credentials\":{\"api_token\":\"[set, 18 characters]\"}}", "credentials.api_token"},
    {"{\"a\":\"x\",\"credentials\":{\"n\":\"[set]\"}}", "credentials.n"},
    {"{\"proxy\":\"http://[set]@proxy:3128\"}", "proxy"},
    {"{\"name\":\"was [redacted] here\"}", "name"},
    {"{\"a\":[{},{\"b\":[\"\",\"[set, 1 characters]\"]}]}", "a[1].b[1]"},
    {"{\"a\":\"[set, x characters]\"}", ""},
    {"{\"a\":\"[set, 5 characters] more\"}", ""},
    {"{\"a\":\"set\",\"[set]\":1}", ""},
    {"{}", ""},
};

static void test_values_hidden(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(hidden); i++) {
        struct sc_buf where = {0};
        json_t *value = json_loads(hidden[i].value, 0, NULL);
        assert_non_null(value);
        CHECK_INT(hidden[i].value, sc_value_find_hidden(value, &where), *hidden[i].where != '\0');
        if (*hidden[i].where)
            CHECK_TEXT(hidden[i].value, sc_buf_str(&where).ptr, hidden[i].where);
        json_decref(value);
        sc_buf_done(&where);
    }
}

static const struct sc_field renamed = {.name = "client_id", .alias = "access_key"}, plain = {.name = "region"};

static const struct {
    const struct sc_field *row;
    bool credential;
    const char *before, *after;
} fields[] = {
    {&plain, false, "{}", "{\"settings\": {\"region\": \"v\"}}"},
    {&plain, false, "{\"credentials\": {\"region\": 1, \"x\": 2}}", "{\"credentials\": {\"x\": 2}, \"settings\": {\"region\": \"v\"}}"},
    {&renamed, true, "{\"settings\": {\"client_id\": 1}}", "{\"settings\": {}, \"credentials\": {\"client_id\": \"v\"}}"},
    {&renamed, true, "{\"settings\": {\"access_key\": 1}, \"credentials\": {\"access_key\": 2}}", "{\"settings\": {}, \"credentials\": {\"client_id\": \"v\"}}"},
    {&renamed, true, "{\"credentials\": {\"client_id\": 1}}", "{\"credentials\": {\"client_id\": \"v\"}}"},
};

static void test_values_set_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(fields); i++) {
        json_t *value = json_loads(fields[i].before, 0, NULL);
        sc_value_set_field(value, fields[i].row, fields[i].credential, json_string("v"));
        char *text = json_dumps(value, 0);
        CHECK_TEXT("one place, under its own name", text, fields[i].after);
        free(text);
        json_decref(value);
    }
}

#define START "\"start\": \"T\""

static const struct {
    const char *before, *after, *cleared, *why;
} starts[] = {
    {"{}", "{\"data_types\": {\"events\": {" START "}, \"assets\": {" START "}}}", "{}", "none there"},
    {"{\"data_types\": {\"events\": {\"start\": \"old\", \"enabled\": true}, \"assets\": false}}",
     "{\"data_types\": {\"events\": {" START ", \"enabled\": true}, \"assets\": {\"enabled\": false, " START "}}}",
     "{\"data_types\": {\"events\": {\"enabled\": true}, \"assets\": {\"enabled\": false}}}", "kept, and replaced"},
    {"{\"data_types\": {\"events\": null, \"assets\": 5}}", "{\"data_types\": {\"events\": {" START "}, \"assets\": 5}}",
     "{\"data_types\": {\"assets\": 5}}", "what is not valid stays, to be named"},
};

static void test_values_from_now(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(starts); i++) {
        json_t *value = json_loads(starts[i].before, 0, NULL), *after = json_loads(starts[i].after, 0, NULL);
        json_t *cleared = json_loads(starts[i].cleared, 0, NULL);
        assert_true(value && after && cleared);
        sc_from_now_set(value, &connector, "T");
        CHECK_TRUE(starts[i].why, json_equal(value, after));
        CHECK_TEXT(starts[i].why, sc_from_now_text(value), "T");
        sc_from_now_clear(value);
        CHECK_TRUE(starts[i].why, json_equal(value, cleared));
        CHECK_TEXT(starts[i].why, sc_from_now_text(value), "");
        json_decref(value);
        json_decref(after);
        json_decref(cleared);
    }
    json_t *two = json_loads("{\"data_types\":{\"a\":{\"start\":\"x\"},\"b\":{\"start\":\"y\"}}}", 0, NULL);
    CHECK_TEXT("more than one", sc_from_now_text(two), "several");
    json_decref(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values_hidden), cmocka_unit_test(test_values_set_field), cmocka_unit_test(test_values_from_now)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
