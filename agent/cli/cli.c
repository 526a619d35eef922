/* From argv to a command: global options wherever they stand, the command's row, settings, connectors, run. */
#include "cli/commands.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

struct line { /* argv taken apart */
    struct sc_option *options;
    size_t option_count;
    char **kept; /* without global options */
    int kept_count;
    bool json, help, version;
};

/* ---- help ------------------------------------------------------------------------------------------------------------ */

static void write_overview(FILE *to)
{
    fputs("signal-client polls vendor APIs and publishes every record to NATS JetStream exactly once.\n\n"
          "usage: signal-client COMMAND [ARGUMENTS] [--config FILE] [--node FILE] [--SETTING=VALUE]... [--json]\n\n",
          to);
    for (const struct sc_command *row = sc_commands; row->name; row++)
        fprintf(to, "  %-22s %s%s\n", row->name, row->summary, row->run == sc_command_not_yet ? " (not supported yet)" : "");
    fputs("\n`signal-client COMMAND --help` shows how one is used; `signal-client config` lists every SETTING.\n"
          "Exit codes: 0 good, 1 the thing asked about is bad, 2 wrong use.\n",
          to);
}

static void write_help(FILE *to, const struct sc_command *row)
{
    fprintf(to, "usage: signal-client %s\n\n%s%s.\n\nexamples:\n%s", row->usage, row->summary,
            row->run == sc_command_not_yet ? " (not supported yet)" : "", row->examples);
}

/* Rows whose name begins with the word and a blank; how many. */
static int write_group(FILE *to, const char *word)
{
    int count = 0;
    size_t len = strlen(word);
    for (const struct sc_command *row = sc_commands; row->name; row++)
        if (strncmp(row->name, word, len) == 0 && row->name[len] == ' ' && to && ++count)
            fprintf(to, "  signal-client %s\n        %s\n", row->usage, row->summary);
        else if (strncmp(row->name, word, len) == 0 && row->name[len] == ' ')
            count++;
    return count;
}

/* ---- finding --------------------------------------------------------------------------------------------------------- */

static const struct sc_command *find_row(const char *name)
{
    for (const struct sc_command *row = sc_commands; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

/* Longest name first. *ret_words: how many words it took. */
static const struct sc_command *find_command(char *const *words, int count, int *ret_words)
{
    const struct sc_command *row = NULL;
    *ret_words = 0;
    if (count >= 2) {
        SC_AUTO_FREE char *both = sc_printf("%s %s", words[0], words[1]);
        row = both ? find_row(both) : NULL;
        *ret_words = row ? 2 : 0;
    }
    if (!row && count >= 1) {
        row = find_row(words[0]);
        *ret_words = row ? 1 : 0;
    }
    return row;
}

static int fail_unknown(char *const *words, int count)
{
    if (count == 0) {
        write_overview(stderr);
        return SC_EXIT_USAGE;
    }
    if (!write_group(NULL, words[0]))
        return sc_say(SC_EXIT_USAGE, "unknown command \"%s\": `signal-client help` lists them", words[0]);
    if (count > 1)
        sc_say(SC_EXIT_USAGE, "unknown command \"%s %s\"; there are:", words[0], words[1]);
    else
        sc_say(SC_EXIT_USAGE, "%s what? There are:", words[0]);
    write_group(stderr, words[0]);
    return SC_EXIT_USAGE;
}

static int help_on(char *const *words, int count)
{
    int used;
    const struct sc_command *row = find_command(words, count, &used);
    if (row)
        write_help(stdout, row);
    else if (count == 0)
        write_overview(stdout);
    else if (count > 1 || !write_group(stdout, words[0]))
        return fail_unknown(words, count);
    return fflush(stdout) ? SC_EXIT_BAD : SC_EXIT_GOOD;
}

int sc_command_help(struct sc_cli *cli)
{
    return help_on(cli->argv, cli->argc);
}

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
    sc_log_parse_level(cli->settings.log_level, &level);
    sc_log_init(level, 2);
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
    if (!cli->command->run && cli->argc)
        return sc_usage_error(cli, "unknown argument \"%s\"", cli->argv[0]);
    int rc = prepare(cli, line);
    if (rc == 0)
        rc = run(cli);
    sc_plugins_free(cli->plugins);
    sc_settings_done(&cli->settings);
    return rc;
}

static int dispatch(struct line *line, char *argv0, int (*run_agent)(struct sc_cli *cli))
{
    static char version[] = "version";
    int words;
    if (line->version && line->kept_count == 0)
        line->kept[line->kept_count++] = version;
    if (line->help)
        return help_on(line->kept, line->kept_count);
    struct sc_cli cli = {.argv0 = argv0, .json = line->json};
    cli.command = find_command(line->kept, line->kept_count, &words);
    if (!cli.command && line->kept_count && line->kept[0][0] == '-')
        return sc_say(SC_EXIT_USAGE, "unknown option %s: `signal-client help` lists the commands, `signal-client config` the settings",
                      line->kept[0]);
    if (!cli.command)
        return fail_unknown(line->kept, line->kept_count);
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
