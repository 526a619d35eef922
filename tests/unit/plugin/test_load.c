/* Modules that the build made beside this test: which are taken, which are left out, and what is said about those. */
#include "plugin/plugin.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

struct said {
    int count;
    struct sc_buf text; /* "<file>: <why>\n", without the directory */
};

static void hear(void *arg, const char *path, const char *why)
{
    struct said *said = arg;
    const char *name = strrchr(path, '/');
    said->count++;
    sc_buf_addf(&said->text, "%s: ", name ? name + 1 : path);
    for (const char *at = why; *at;) {
        if (strncmp(at, MODULES, strlen(MODULES)) == 0)
            at += strlen(MODULES);
        else
            sc_buf_add_char(&said->text, *at++);
    }
    sc_buf_add_char(&said->text, '\n');
}

static void test_load_good(void **state)
{
    (void)state;
    struct said said = {0};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_plugins *plugins = sc_plugins_load(MODULES "/good", hear, &said, &err);
    assert_non_null(plugins);
    CHECK_TEXT("nothing is wrong", sc_buf_str(&said.text).ptr, "");
    CHECK_INT("both are there", sc_plugins_count(plugins), 2);
    CHECK_TEXT("in order of name", sc_plugins_at(plugins, 0)->connector->name, "alpha");
    CHECK_TEXT("in order of name", sc_plugins_at(plugins, 1)->connector->name, "zulu");
    CHECK_TEXT("path", sc_plugins_at(plugins, 1)->path, MODULES "/good/zulu.so");
    CHECK_TRUE("beyond the end", sc_plugins_at(plugins, 2) == NULL);
    static const struct {
        const char *type;
        bool found;
    } rows[] = {
        {"zulu", true}, {"ZULU", true}, {"zulu_time", true}, {"Zulu-Time", true}, {"zul", false}, {"zulu-", false}, {"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(rows[i].type, sc_plugins_find(plugins, rows[i].type) != NULL, rows[i].found);
    CHECK_TRUE("no type", sc_plugins_find(plugins, NULL) == NULL);
    plugins = sc_plugins_free(plugins);
    sc_buf_done(&said.text);
}

static void test_load_bad(void **state)
{
    (void)state;
    static const char *const wants[] = {
        "newer.so: /bad/newer.so was built for connector ABI 5, this agent knows 4: install the module that belongs to this version\n",
        "older.so: /bad/older.so was built for connector ABI 3, this agent knows 4: install the module that belongs to this version\n",
        "silent.so: /bad/silent.so refuses connector ABI 4: install the module that belongs to this version\n",
        "short.so: /bad/short.so says that its table has 16 bytes, ABI 4 needs ",
        "stranger.so: /bad/stranger.so exports no sc_connector_entry: it is no connector, take it out of the directory\n",
        "tables.so: /bad/tables.so is not usable: system_log.recipe: versions count from 1\n",
        "text.so: cannot be loaded: ",
        "nowhere: cannot look for connectors there: No such file or directory; set connectors.path\n",
    };
    struct said said = {0};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_plugins *plugins = sc_plugins_load(MODULES "/bad::" MODULES "/nowhere:" MODULES "/good", hear, &said, &err);
    assert_non_null(plugins);
    CHECK_INT("the good ones of the last directory", sc_plugins_count(plugins), 2);
    CHECK_INT(sc_buf_str(&said.text).ptr, said.count, sizeof wants / sizeof *wants);
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
        CHECK_TRUE(wants[i], strstr(said.text.ptr, wants[i]) != NULL);
    sc_plugins_free(plugins);
    sc_buf_done(&said.text);
}

static void test_load_twice(void **state)
{
    (void)state;
    struct said said = {0};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_plugins *plugins = sc_plugins_load(MODULES "/good:" MODULES "/twice", hear, &said, &err);
    assert_non_null(plugins);
    CHECK_TEXT("the first wins, the others are told", sc_buf_str(&said.text).ptr,
               "taker.so: /twice/taker.so is left out: the name zulu_time is taken by /good/zulu.so; remove one of the two\n"
               "zulu.so: /twice/zulu.so is left out: the name zulu is taken by /good/zulu.so; remove one of the two\n");
    CHECK_INT("still two", sc_plugins_count(plugins), 2);
    CHECK_TEXT("the first", sc_plugins_at(plugins, 1)->path, MODULES "/good/zulu.so");
    sc_plugins_free(plugins);
    sc_buf_done(&said.text);
}

static void test_load_nothing(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_plugins *plugins = sc_plugins_load("", NULL, NULL, &err);
    assert_non_null(plugins);
    CHECK_INT("no directory, no connector", sc_plugins_count(plugins), 0);
    CHECK_TRUE("nothing found", sc_plugins_find(plugins, "okta") == NULL);
    sc_plugins_free(plugins);
    CHECK_INT("NULL is fine", sc_plugins_count(NULL), 0);
    sc_plugins_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_good),
        cmocka_unit_test(test_load_bad),
        cmocka_unit_test(test_load_twice),
        cmocka_unit_test(test_load_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
