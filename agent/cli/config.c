/* config: every setting with its value and where that came from. Secrets show as "[set]". */
#include "cli/commands.h"

static void add_json(void *arg, const char *key, const char *value, enum sc_setting_origin origin, const char *source, const char *help,
                     const char *def)
{
    json_array_append_new(arg, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "key", key, "value", value, "origin",
                                         sc_setting_origin_name(origin), "source", source, "default", def, "help", help));
}

static void add_row(void *arg, const char *key, const char *value, enum sc_setting_origin origin, const char *source, const char *help,
                    const char *def)
{
    (void)help, (void)def;
    sc_table_add(arg, (const char *const[]){key, value, origin == SC_FROM_DEFAULT ? "default" : source});
}

static int print_table(const struct sc_settings *settings)
{
    struct sc_table table SC_AUTO_TABLE = {.columns = 3};
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_buf_addf(&out, "settings file: %s\nnode file:     %s\n\n", *settings->config_file ? settings->config_file : "none",
                *settings->node_file ? settings->node_file : "none");
    sc_table_add(&table, (const char *const[]){"SETTING", "VALUE", "FROM"});
    sc_settings_each(settings, add_row, &table);
    sc_table_write(&table, "", &out);
    return sc_print(&out);
}

static int print_page(void)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_markdown_configuration(&out);
    return sc_print(&out);
}

static int print_metrics(void)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_markdown_metrics(&out);
    return sc_print(&out);
}

int sc_command_config(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    const struct sc_settings *settings = &cli->settings;
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    if (sc_args_get(&args, "markdown"))
        return print_page();
    if (sc_args_get(&args, "metrics"))
        return print_metrics();
    if (!cli->json)
        return print_table(settings);
    json_t *rows = json_array();
    sc_settings_each(settings, add_json, rows);
    return sc_print_json(
        json_pack("{s:s, s:s, s:o}", "config_file", settings->config_file, "node_file", settings->node_file, "settings", rows));
}
