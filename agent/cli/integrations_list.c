/* integrations list: what is configured, beside what the agent last said about it. Of secrets, only whether they are sealed. */
#include "cli/commands.h"

#include "nats/session.h"

#include <stdlib.h>

struct item {
    char *name;
    uint64_t rev;
    json_t *value; /* NULL: no JSON object */
    const char *sealed; /* "yes", "no", "partly", "" */
};

struct items {
    const struct sc_plugins *plugins;
    struct item *at;
    size_t count, cap;
    bool failed;
};

static const char *sealed_word(const struct items *items, json_t *value)
{
    struct sc_sealed_facts facts SC_AUTO_FACTS = {0};
    sc_value_tell_sealed(value, sc_plugins_find(items->plugins, sc_json_text(value, "integration_type")), &facts);
    return sc_sealed_word(&facts);
}

static int keep_item(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    struct items *items = arg;
    if (items->count == items->cap) {
        size_t cap = 2 * items->cap + 64;
        struct item *grown = realloc(items->at, cap * sizeof *grown);
        if (!grown) {
            items->failed = true;
            return -1;
        }
        items->at = grown;
        items->cap = cap;
    }
    struct item *item = &items->at[items->count];
    *item = (struct item){sc_dup(key), rev, json_loadb(value.ptr ? value.ptr : "", value.len, 0, NULL), ""};
    item->sealed = sealed_word(items, item->value);
    items->failed |= !item->name;
    items->count += item->name != NULL;
    return items->failed ? -1 : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

static void done(struct items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        free(items->at[i].name);
        json_decref(items->at[i].value);
    }
    free(items->at);
}

/* "true", "false", or "" where the value says neither. */
static const char *enabled_text(const json_t *value)
{
    const json_t *enabled = json_object_get(value, "enabled");
    if (!json_is_object(value))
        return "";
    if (json_is_string(enabled))
        return json_string_value(enabled);
    return json_is_false(enabled) ? "false" : "true";
}

static int print_json(const struct items *items, const json_t *statuses)
{
    json_t *list = json_array();
    for (size_t i = 0; i < items->count; i++) {
        const struct item *item = &items->at[i];
        const json_t *status = json_object_get(statuses, item->name);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:I, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", item->name, "type",
                                              sc_json_text(item->value, "integration_type"), "title", sc_json_text(item->value, "name"),
                                              "enabled", enabled_text(item->value), "revision", (json_int_t)item->rev, "readable",
                                              json_is_object(item->value), "state", sc_json_text(status, "state"), "reason",
                                              sc_json_text(status, "reason"), "detail", sc_json_text(status, "detail"), "advice",
                                              sc_json_text(status, "advice"), "since", sc_json_text(status, "since"), "updated",
                                              sc_json_text(status, "updated"), "start", sc_from_now_text(item->value), "sealed", item->sealed));
    }
    return sc_print_json(list);
}

/* What the agent says; before it says anything, where the first poll will begin. */
static char *detail_of(const struct item *item, const json_t *status)
{
    const char *start = sc_from_now_text(item->value), *detail = sc_json_text(status, "detail");
    if (!json_is_object(item->value))
        return sc_dup("the value is no JSON object: put it again");
    return status || !*start ? sc_dup(detail) : sc_printf("begins at %s", start);
}

static int print_table(const struct items *items, const json_t *statuses)
{
    struct sc_table table SC_AUTO_TABLE = {.columns = 8};
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_table_add(&table, (const char *const[]){"NAME", "TYPE", "ENABLED", "SEALED", "REVISION", "STATE", "REASON", "DETAIL"});
    for (size_t i = 0; i < items->count; i++) {
        const struct item *item = &items->at[i];
        const json_t *status = json_object_get(statuses, item->name);
        SC_AUTO_FREE char *rev = sc_printf("%llu", (unsigned long long)item->rev), *detail = detail_of(item, status);
        sc_table_add(&table, (const char *const[]){item->name, sc_json_text(item->value, "integration_type"), enabled_text(item->value), item->sealed, rev,
                                                   sc_json_text(status, "state"), sc_json_text(status, "reason"), detail});
    }
    if (!items->count)
        sc_buf_add_str(&out, "no integrations yet: `signal-client integrations put --help` shows how to make one\n");
    else
        sc_table_write(&table, "", &out);
    return sc_print(&out);
}

int sc_command_integrations_list(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_error err = SC_ERROR_INIT;
    struct items items = {.plugins = cli->plugins};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    struct sc_session *session = sc_open_bucket(cli, false, &err);
    if (!session)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    int rc = sc_kv_each(session, SC_INTEGRATIONS, keep_item, &items, &err);
    json_t *statuses = rc ? NULL : sc_get_statuses(session);
    sc_session_close(session);
    if (rc || items.failed) {
        rc = sc_say(SC_EXIT_BAD, "%s", rc ? err.text : "out of memory");
    } else {
        if (items.count)
            qsort(items.at, items.count, sizeof *items.at, by_name);
        rc = cli->json ? print_json(&items, statuses) : print_table(&items, statuses);
    }
    json_decref(statuses);
    done(&items);
    return rc;
}
