/* connectors list, connectors show: the catalogue, straight from the connectors' tables. */
#include "cli/commands.h"

#include "config/integration.h"

#include "base/clock.h"

static const char *const kinds[] = {"text", "url", "host", "true|false", "whole number", "choice"};
static const char *const scopes[] = {"source", "credential", "host"};

/* ---- list ------------------------------------------------------------------------------------------------------------ */

static void add_types(const struct sc_connector *connector, struct sc_buf *out)
{
    for (const struct sc_data_type *type = connector->data_types; type && type->name; type++)
        sc_buf_addf(out, "%s%s", out->len ? ", " : "", type->name);
}

static int list_json(const struct sc_plugins *plugins)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sc_plugins_count(plugins); i++) {
        const struct sc_plugin *plugin = sc_plugins_at(plugins, i);
        const struct sc_connector *c = plugin->connector;
        json_t *types = json_array();
        for (const struct sc_data_type *type = c->data_types; type && type->name; type++)
            json_array_append_new(types, json_string(type->name));
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:s}", "name", c->name, "title", c->title, "category", c->category,
                                              "data_types", types, "path", plugin->path));
    }
    return sc_print_json(list);
}

static int list_page(const struct sc_plugins *plugins)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_markdown_connectors(plugins, &out);
    return sc_print(&out);
}

int sc_command_connectors_list(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_table table SC_AUTO_TABLE = {.columns = 4};
    struct sc_buf out SC_AUTO_BUF = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    if (!sc_plugins_count(cli->plugins))
        return sc_say(SC_EXIT_BAD, "no connectors in %s: set connectors.path (SIGNAL_CLIENT_CONNECTORS)", cli->settings.connectors_path);
    if (sc_args_get(&args, "markdown"))
        return list_page(cli->plugins);
    if (cli->json)
        return list_json(cli->plugins);
    sc_table_add(&table, (const char *const[]){"NAME", "TITLE", "CATEGORY", "DATA TYPES"});
    for (size_t i = 0; i < sc_plugins_count(cli->plugins); i++) {
        const struct sc_connector *c = sc_plugins_at(cli->plugins, i)->connector;
        struct sc_buf types SC_AUTO_BUF = {0};
        add_types(c, &types);
        sc_table_add(&table, (const char *const[]){c->name, c->title, c->category, sc_buf_str(&types).ptr});
    }
    sc_table_write(&table, "", &out);
    return sc_print(&out);
}

/* ---- show as JSON ---------------------------------------------------------------------------------------------------- */

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text && *text)
        json_object_set_new(object, name, json_string(text));
}

static json_t *fields_json(const struct sc_field *fields)
{
    json_t *list = json_array();
    for (; fields && fields->name; fields++) {
        json_t *field = json_pack("{s:s, s:s, s:s, s:b, s:b}", "name", fields->name, "title", fields->title, "kind", kinds[fields->kind],
                                  "required", fields->required, "secret", fields->secret);
        set_text(field, "help", fields->help);
        set_text(field, "alias", fields->alias);
        set_text(field, "example", fields->example);
        set_text(field, "default", fields->def);
        if (fields->kind == SC_CHOICE) {
            json_t *choices = json_array();
            for (const char *const *choice = fields->choices; *choice; choice++)
                json_array_append_new(choices, json_string(*choice));
            json_object_set_new(field, "choices", choices);
        }
        if (fields->min || fields->max) {
            json_object_set_new(field, "min", json_integer(fields->min));
            json_object_set_new(field, "max", json_integer(fields->max));
        }
        json_array_append_new(list, field);
    }
    return list;
}

static json_t *types_json(const struct sc_data_type *types)
{
    json_t *list = json_array();
    for (; types && types->name; types++) {
        json_t *type = json_pack("{s:s, s:s, s:s, s:f, s:f, s:i, s:b}", "name", types->name, "title", types->title, "noun", types->noun,
                                 "interval_minutes", types->interval_s / 60.0, "lookback_hours", types->lookback_s / 3600.0, "lag_seconds",
                                 (int)types->lag_s, "enabled", !types->off_by_default);
        set_text(type, "help", types->help);
        set_text(type, "permission", types->permission);
        json_array_append_new(list, type);
    }
    return list;
}

static json_t *pools_json(const struct sc_pool *pools)
{
    json_t *list = json_array();
    for (; pools && pools->name; pools++) {
        json_t *pool =
            json_pack("{s:s, s:s, s:I, s:I, s:I}", "name", pools->name, "scope", scopes[pools->scope], "requests",
                      (json_int_t)pools->requests, "per_seconds", (json_int_t)pools->per_s, "concurrency", (json_int_t)pools->concurrency);
        set_text(pool, "limit_header", pools->limit_header);
        set_text(pool, "remaining_header", pools->remaining_header);
        set_text(pool, "reset_header", pools->reset_header);
        json_array_append_new(list, pool);
    }
    return list;
}

static int show_json(const struct sc_connector *c)
{
    json_t *aliases = json_array();
    for (const char *const *alias = c->aliases; alias && *alias; alias++)
        json_array_append_new(aliases, json_string(*alias));
    json_t *out = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", c->name, "title", c->title, "category", c->category,
                            "aliases", aliases, "settings", fields_json(c->settings), "credentials", fields_json(c->credentials),
                            "data_types", types_json(c->data_types), "budgets", pools_json(c->pools));
    set_text(out, "documentation", c->vendor_docs);
    set_text(out, "base_url", c->base_url);
    set_text(out, "credential_advice", c->auth_advice);
    struct sc_buf ways SC_AUTO_BUF = {0};
    if (c->auth.otherwise)
        sc_auth_describe(c, &ways);
    set_text(out, "sign_in", sc_buf_str(&ways).ptr);
    return sc_print_json(out);
}

/* ---- show as text ---------------------------------------------------------------------------------------------------- */

void sc_describe_field(const struct sc_field *field, struct sc_buf *out)
{
    sc_buf_add_str(out, field->required ? "required" : "optional");
    sc_buf_addf(out, "%s", field->secret ? ", secret" : "");
    if (field->kind == SC_CHOICE) {
        sc_buf_add_str(out, ", one of:");
        for (const char *const *choice = field->choices; *choice; choice++)
            sc_buf_addf(out, " %s", *choice);
    } else if (field->kind != SC_TEXT) {
        sc_buf_addf(out, ", %s", kinds[field->kind]);
    }
    if (field->min || field->max)
        sc_buf_addf(out, " from %lld to %lld", (long long)field->min, (long long)field->max);
    if (field->def)
        sc_buf_addf(out, ", default %s", field->def);
    if (field->example)
        sc_buf_addf(out, ", such as %s", field->example);
    if (field->alias)
        sc_buf_addf(out, ", also called %s", field->alias);
    if (field->help)
        sc_buf_addf(out, ". %s", field->help);
}

static void add_fields(const char *heading, const struct sc_field *fields, struct sc_buf *out)
{
    struct sc_table table SC_AUTO_TABLE = {.columns = 3};
    if (!fields || !fields->name)
        return;
    for (; fields->name; fields++) {
        struct sc_buf text SC_AUTO_BUF = {0};
        sc_describe_field(fields, &text);
        sc_table_add(&table, (const char *const[]){fields->name, fields->title, sc_buf_str(&text).ptr});
    }
    sc_buf_addf(out, "\n%s\n", heading);
    sc_table_write(&table, "  ", out);
}

static void add_data_types(const struct sc_data_type *type, struct sc_buf *out)
{
    char every[SC_TIME_TEXT], back[SC_TIME_TEXT];
    sc_buf_add_str(out, "\ndata types\n");
    for (; type && type->name; type++) {
        sc_buf_addf(out, "  %s: %s, every %s", type->name, type->title, sc_duration_text((int64_t)type->interval_s * 1000, every));
        if (type->lookback_s)
            sc_buf_addf(out, ", the first poll looks back %s", sc_duration_text((int64_t)type->lookback_s * 1000, back));
        sc_buf_addf(out, "%s\n", type->off_by_default ? ", off unless enabled" : "");
        if (type->help)
            sc_buf_addf(out, "      %s\n", type->help);
        if (type->permission)
            sc_buf_addf(out, "      permission to grant: %s\n", type->permission);
    }
}

void sc_describe_pool(const struct sc_pool *pool, struct sc_buf *out)
{
    if (pool->requests)
        sc_buf_addf(out, "%u requests in %u s", pool->requests, pool->per_s);
    else
        sc_buf_add_str(out, "no fixed limit");
    sc_buf_addf(out, " for each %s", scopes[pool->scope]);
    if (pool->concurrency)
        sc_buf_addf(out, ", %u at once", pool->concurrency);
    if (pool->remaining_header || pool->limit_header)
        sc_buf_addf(out, ", corrected by %s", pool->remaining_header ? pool->remaining_header : pool->limit_header);
}

static void add_pools(const struct sc_pool *pool, struct sc_buf *out)
{
    if (!pool || !pool->name)
        return;
    sc_buf_add_str(out, "\nbudgets\n");
    for (; pool->name; pool++) {
        sc_buf_addf(out, "  %s: ", pool->name);
        sc_describe_pool(pool, out);
        sc_buf_add_char(out, '\n');
    }
}

/* Where there are several, none of their fields is required by itself. */
static void add_ways(const struct sc_connector *c, struct sc_buf *out)
{
    if (!c->auth.otherwise)
        return;
    sc_buf_add_str(out, "  to sign in, give ");
    sc_auth_describe(c, out);
    sc_buf_add_str(out, "\n");
}

static int show_text(const struct sc_connector *c)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_buf_addf(&out, "%s: %s (%s)\n", c->name, c->title, c->category);
    if (c->vendor_docs)
        sc_buf_addf(&out, "documentation: %s\n", c->vendor_docs);
    for (const char *const *alias = c->aliases; alias && *alias; alias++)
        sc_buf_addf(&out, "also called: %s\n", *alias);
    add_fields("settings", c->settings, &out);
    add_fields("credentials", c->credentials, &out);
    add_ways(c, &out);
    if (c->auth_advice)
        sc_buf_addf(&out, "  %s\n", c->auth_advice);
    add_fields("settings of every connector", sc_integration_common_fields(), &out);
    add_data_types(c->data_types, &out);
    add_pools(c->pools, &out);
    return sc_print(&out);
}

static int show_section(const struct sc_connector *c)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_markdown_connector(c, &out);
    return sc_print(&out);
}

int sc_command_connectors_show(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    const struct sc_connector *connector = sc_plugins_find(cli->plugins, args.words[0]);
    if (!connector)
        return sc_say(SC_EXIT_BAD, "there is no connector %s: `signal-client connectors list` shows what there is", args.words[0]);
    if (sc_args_get(&args, "markdown"))
        return show_section(connector);
    return cli->json ? show_json(connector) : show_text(connector);
}
