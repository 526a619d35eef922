/* Finds and loads connector modules. What a module may get wrong is an error of that module alone; the agent goes on
 * without it. Modules that were accepted are never unloaded: their tables are read until the process ends. */
#include "plugin/plugin.h"

#include "base/buf.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

struct sc_plugins {
    struct sc_plugin *items; /* in order of name; path owned */
    size_t count, cap;
    void (*bad)(void *arg, const char *path, const char *why);
    void *bad_arg;
};

static char fold(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static bool same_type(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (fold(*a) != fold(*b))
            return false;
    return *a == *b;
}

static bool answers_to(const struct sc_connector *connector, const char *type)
{
    if (same_type(connector->name, type))
        return true;
    for (const char *const *alias = connector->aliases; alias && *alias; alias++)
        if (same_type(*alias, type))
            return true;
    return false;
}

static const struct sc_plugin *find_plugin(const struct sc_plugins *plugins, const char *type)
{
    for (size_t i = 0; i < plugins->count; i++)
        if (answers_to(plugins->items[i].connector, type))
            return &plugins->items[i];
    return NULL;
}

/* A plugin that takes one of the connector's names already; *ret_name is that name. */
static const struct sc_plugin *find_rival(const struct sc_plugins *plugins, const struct sc_connector *connector, const char **ret_name)
{
    const struct sc_plugin *rival = find_plugin(plugins, *ret_name = connector->name);
    for (const char *const *alias = connector->aliases; !rival && alias && *alias; alias++)
        rival = find_plugin(plugins, *ret_name = *alias);
    return rival;
}

/* Only the first two words are read before this says 0. */
static int check_abi(const struct sc_connector *connector, uint32_t abi, const char *path, struct sc_error *err)
{
    if (abi != SC_CONNECTOR_ABI)
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "%s was built for connector ABI %u, this agent knows %u: install the module "
                       "that belongs to this version",
                       path, abi, SC_CONNECTOR_ABI);
    if (connector->size < sizeof(struct sc_connector))
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "%s says that its table has %u bytes, ABI %u needs %zu: build the module "
                       "again with this version's headers",
                       path, connector->size, SC_CONNECTOR_ABI, sizeof(struct sc_connector));
    return 0;
}

static const struct sc_connector *ask_entry(void *handle, const char *path, struct sc_error *err)
{
    void *symbol = dlsym(handle, "sc_connector_entry");
    sc_connector_entry_fn entry;
    memcpy(&entry, &symbol, sizeof entry);
    if (!entry) {
        sc_fail(err, SC_REASON_CONFIG_INVALID, "%s exports no sc_connector_entry: it is no connector, take it out of the directory", path);
        return NULL;
    }
    const struct sc_connector *connector = entry(SC_CONNECTOR_ABI);
    if (!connector) { /* needs a newer agent: ask which */
        connector = entry(UINT32_MAX);
        if (connector)
            check_abi(connector, connector->abi, path, err);
        sc_fail(err, SC_REASON_CONFIG_INVALID, "%s refuses connector ABI %u: install the module that belongs to this version", path,
                SC_CONNECTOR_ABI);
        return NULL;
    }
    return check_abi(connector, connector->abi, path, err) ? NULL : connector;
}

static int append(struct sc_plugins *plugins, const struct sc_connector *connector, const char *path, struct sc_error *err)
{
    if (plugins->count == plugins->cap) {
        size_t cap = plugins->cap ? 2 * plugins->cap : 64;
        struct sc_plugin *items = realloc(plugins->items, cap * sizeof *items);
        if (!items)
            return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while loading connectors");
        plugins->items = items;
        plugins->cap = cap;
    }
    char *copy = sc_dup(path);
    if (!copy)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while loading connectors");
    plugins->items[plugins->count++] = (struct sc_plugin){.connector = connector, .path = copy};
    return 0;
}

/* 0: the handle is kept. 1: the module is refused, err says why. */
static int examine(const struct sc_plugins *plugins, void *handle, const char *path, const struct sc_connector **ret, struct sc_error *err)
{
    const struct sc_connector *connector = ask_entry(handle, path, err);
    if (!connector)
        return 1;
    struct sc_error why = SC_ERROR_INIT;
    if (sc_connector_check(connector, &why)) {
        sc_fail(err, SC_REASON_CONFIG_INVALID, "%s is not usable: %s", path, why.text);
        return 1;
    }
    const char *name;
    const struct sc_plugin *rival = find_rival(plugins, connector, &name);
    if (rival) {
        sc_fail(err, SC_REASON_CONFIG_INVALID, "%s is left out: the name %s is taken by %s; remove one of the two", path, name,
                rival->path);
        return 1;
    }
    *ret = connector;
    return 0;
}

/* -1 only when out of memory. */
static int load_file(struct sc_plugins *plugins, const char *path, struct sc_error *err)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        SC_AUTO_FREE char *why = sc_printf("cannot be loaded: %s; install it again", dlerror());
        plugins->bad(plugins->bad_arg, path, why ? why : "cannot be loaded");
        return 0;
    }
    struct sc_error why = SC_ERROR_INIT;
    const struct sc_connector *connector = NULL;
    if (examine(plugins, handle, path, &connector, &why)) {
        plugins->bad(plugins->bad_arg, path, why.text);
        dlclose(handle);
        return 0;
    }
    return append(plugins, connector, path, err);
}

static int is_module(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0;
}

static int by_file_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_dir(struct sc_plugins *plugins, const char *dir, struct sc_error *err)
{
    struct dirent **entries = NULL;
    int count = scandir(dir, &entries, is_module, by_file_name);
    if (count < 0) {
        int error = errno;
        if (error == ENOMEM)
            return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while loading connectors");
        SC_AUTO_FREE char *why = sc_printf("cannot look for connectors there: %s; set connectors.path", strerror(error));
        plugins->bad(plugins->bad_arg, dir, why ? why : "cannot be read");
        return 0;
    }
    int rc = 0;
    for (int i = 0; i < count; i++) {
        SC_AUTO_FREE char *path = sc_printf("%s/%s", dir, entries[i]->d_name);
        if (!path)
            rc = sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while loading connectors");
        else if (rc == 0)
            rc = load_file(plugins, path, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct sc_plugin *left = a, *right = b;
    return strcmp(left->connector->name, right->connector->name);
}

static void report_to_nobody(void *arg, const char *path, const char *why)
{
    (void)arg, (void)path, (void)why;
}

struct sc_plugins *sc_plugins_load(const char *dirs, void (*bad)(void *arg, const char *path, const char *why), void *arg,
                                   struct sc_error *err)
{
    struct sc_plugins *plugins = calloc(1, sizeof *plugins);
    SC_AUTO_FREE char *copy = sc_dup(dirs ? dirs : "");
    if (!plugins || !copy) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while loading connectors");
        return sc_plugins_free(plugins);
    }
    plugins->bad = bad ? bad : report_to_nobody;
    plugins->bad_arg = arg;
    char *rest = copy, *dir;
    while ((dir = strsep(&rest, ":")))
        if (*dir && load_dir(plugins, dir, err))
            return sc_plugins_free(plugins);
    if (plugins->count)
        qsort(plugins->items, plugins->count, sizeof *plugins->items, by_name);
    return plugins;
}

struct sc_plugins *sc_plugins_free(struct sc_plugins *plugins)
{
    if (!plugins)
        return NULL;
    for (size_t i = 0; i < plugins->count; i++) {
        char *path;
        memcpy(&path, &plugins->items[i].path, sizeof path);
        free(path);
    }
    free(plugins->items);
    free(plugins);
    return NULL;
}

const struct sc_connector *sc_plugins_find(const struct sc_plugins *plugins, const char *type)
{
    const struct sc_plugin *plugin = plugins && type ? find_plugin(plugins, type) : NULL;
    return plugin ? plugin->connector : NULL;
}

size_t sc_plugins_count(const struct sc_plugins *plugins)
{
    return plugins ? plugins->count : 0;
}

const struct sc_plugin *sc_plugins_at(const struct sc_plugins *plugins, size_t index)
{
    return plugins && index < plugins->count ? &plugins->items[index] : NULL;
}
