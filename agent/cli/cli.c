/* From argv to a command: global options wherever they stand, the command's row, settings, connectors, run. */
#include "cli/commands.h"

#include "base/log.h"
#include "config/integration.h"

#include <stdio.h>
#include <stdlib.h>

struct line { /* argv taken apart */
    struct sc_option *options;
    size_t option_count;
    char **kept; /* without global options */
    int kept_count;
    bool json, help, version;
};

/* ---- argv ------------------------------------------------------------------------------------------------------------ */

/* --key=value or --key value of a setting: 1 or 2 arguments used, 0: it is none, -1: said to the user. */
static int take_setting(struct line *line, char **argv, int left)
{
    SC_AUTO_FREE char *key = sc_dup(argv[0] + 2);
    struct sc_error err = SC_ERROR_INIT;
    if (!key)
        return -sc_say(1, "out of memory");
    char *equals = strchr(key, '=');
    if (equals)
        *equals = '\0';
    if (!sc_settings_is_option(key))
        return 0;
    const char *value = equals ? strchr(argv[0], '=') + 1 : left > 1 ? argv[1] : NULL;
    if (!value)
        return -sc_say(1, "--%s needs a value: --%s=VALUE", key, key);
    if (sc_settings_check_option(key, value, &err))
        return -sc_say(1, "%s", err.text);
    char *name = argv[0] + 2; /* argv lives as long as the process: the key is cut out of it */
    name[strlen(key)] = '\0';
    line->options[line->option_count++] = (struct sc_option){name, value};
    return equals ? 1 : 2;
}

static int read_line(struct line *line, int argc, char **argv)
{
    line->options = calloc((size_t)argc + 1, sizeof *line->options);
    line->kept = calloc((size_t)argc + 1, sizeof *line->kept);
    if (!line->options || !line->kept)
        return -sc_say(1, "out of memory");
    for (int i = 1; i < argc;) {
        int used = 0;
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                line->kept[line->kept_count++] = argv[i++];
            break;
        }
        if (strcmp(argv[i], "--json") == 0)
            used = line->json = true;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            used = line->help = true;
        else if (strcmp(argv[i], "--version") == 0)
            used = line->version = true;
        else if (strncmp(argv[i], "--", 2) == 0)
            used = take_setting(line, argv + i, argc - i);
        if (used < 0)
            return -1;
        if (used == 0)
            line->kept[line->kept_count++] = argv[i++];
        i += used;
    }
    return 0;
}

/* ---- running --------------------------------------------------------------------------------------------------------- */

static void tell_bad(void *arg, const char *path, const char *why)
{
    const struct sc_cli *cli = arg;
    bool names_path = strncmp(why, path, strlen(path)) == 0;
    if (cli->command->run)
        sc_say(SC_EXIT_BAD, "warning: %s%s%s", names_path ? "" : path, names_path ? "" : ": ", why);
    else
        SC_SAY(SC_ERROR, "plugin", "%s%s%s", names_path ? "" : path, names_path ? "" : ": ", why);
}

static int prepare(struct sc_cli *cli, const struct line *line)
{
    struct sc_error err = SC_ERROR_INIT;
    enum sc_level level = SC_INFO;
    if (cli->command->bare)
        return 0;
    if (sc_settings_load(&cli->settings, cli->argv0, line->options, line->option_count, &err))
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    sc_integration_seal_files((struct sc_seal_files){cli->settings.seal_key_file, cli->settings.seal_old_key_file});
    sc_log_parse_level(cli->settings.log_level, &level);
    sc_log_init(level, 2);
    if (strcmp(cli->command->name, "run") == 0 && strcmp(cli->settings.log_format, "json") == 0)
        sc_log_set_format(SC_LOG_JSON);
    if (!cli->command->plugins)
        return 0;
    cli->plugins = sc_plugins_load(cli->settings.connectors_path, tell_bad, cli, &err);
    return cli->plugins ? 0 : sc_say(SC_EXIT_BAD, "%s", err.text);
}

static int run_command(struct sc_cli *cli, const struct line *line, int (*run_agent)(struct sc_cli *cli))
{
    int (*run)(struct sc_cli *) = cli->command->run ? cli->command->run : run_agent;
    if (!run)
        return sc_say(SC_EXIT_USAGE, "%s is not part of this program", cli->command->name);
    struct sc_args args SC_AUTO_ARGS = {0};
    if (!cli->command->run && sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    cli->on_request = sc_args_get(&args, "on-request") != NULL;
    int rc = prepare(cli, line);
    if (rc == 0)
        rc = run(cli);
    sc_plugins_free(cli->plugins);
    sc_integration_seal_files((struct sc_seal_files){NULL, NULL});
    sc_settings_done(&cli->settings);
    return rc;
}

static int say_overview(void)
{
    struct sc_buf text SC_AUTO_BUF = {0};
    sc_overview_add(&text);
    fputs(sc_buf_str(&text).ptr, stderr);
    return SC_EXIT_USAGE;
}

static int dispatch(struct line *line, char *argv0, int (*run_agent)(struct sc_cli *cli))
{
    static char version[] = "version";
    int words;
    if (line->version && line->kept_count == 0)
        line->kept[line->kept_count++] = version;
    if (line->help)
        return sc_help_on(line->kept, line->kept_count);
    struct sc_cli cli = {.argv0 = argv0, .json = line->json, .options = line->options, .option_count = line->option_count};
    cli.command = sc_command_find(line->kept, line->kept_count, &words);
    if (!cli.command && line->kept_count && line->kept[0][0] == '-')
        return sc_say(SC_EXIT_USAGE, "unknown option %s: `signal-client help` lists the commands, `signal-client config` the settings",
                      line->kept[0]);
    if (!cli.command)
        return line->kept_count ? sc_unknown_command(line->kept, line->kept_count) : say_overview();
    cli.argc = line->kept_count - words;
    cli.argv = line->kept + words;
    return run_command(&cli, line, run_agent);
}

int sc_cli_main(int argc, char **argv, int (*run_agent)(struct sc_cli *cli))
{
    struct line line = {0};
    int rc = read_line(&line, argc, argv) ? SC_EXIT_USAGE : dispatch(&line, argc ? argv[0] : NULL, run_agent);
    free(line.options);
    free(line.kept);
    return rc;
}
