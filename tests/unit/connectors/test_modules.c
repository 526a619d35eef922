/* Every module as the agent finds it: one symbol, the right ABI, sound tables. Arguments: the modules. */
#include "plugin/plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>

#include "check.h"
#include "fake_host.h"

static char **modules;

static void check_module(const char *path)
{
    void *handle;
    const struct sc_connector *c = fake_load(path, &handle);
    sc_connector_entry_fn entry;
    void *symbol = dlsym(handle, "sc_connector_entry");
    struct sc_error err = SC_ERROR_INIT;
    memcpy(&entry, &symbol, sizeof entry);
    CHECK_TRUE(path, c);
    CHECK_TRUE("an older agent is refused", entry(SC_CONNECTOR_ABI - 1) == NULL);
    CHECK_TRUE("a newer one is not", entry(SC_CONNECTOR_ABI + 1) == c);
    CHECK_INT(path, c->abi, SC_CONNECTOR_ABI);
    CHECK_INT(path, c->size, sizeof(struct sc_connector));
    CHECK_TEXT(path, sc_connector_check(c, &err) ? err.text : "", "");
    CHECK_TRUE("file and connector have the same name",
               strncmp(strrchr(path, '/') + 1, c->name, strlen(c->name)) == 0 && strcmp(path + strlen(path) - 3, ".so") == 0);
    CHECK_TRUE("operators learn where it is documented", c->vendor_docs && c->vendor_docs[0]);
    for (const struct sc_data_type *t = c->data_types; t->name; t++) {
        CHECK_TRUE(t->name, t->engine && t->help);
    }
    dlclose(handle);
}

static void test_modules_tables(void **state)
{
    (void)state;
    assert_non_null(modules[0]);
    for (char **m = modules; *m; m++)
        check_module(*m);
}

/* A module must not be reachable from another's names. */
static void test_modules_hidden(void **state)
{
    (void)state;
    for (char **m = modules; *m; m++) {
        void *handle;
        fake_load(*m, &handle);
        CHECK_TRUE("the engine is not exported", !dlsym(handle, "rest_ops") && !dlsym(handle, "rest_link_target"));
        dlclose(handle);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modules_tables),
        cmocka_unit_test(test_modules_hidden),
    };
    (void)argc;
    modules = argv + 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
