/* What stands behind the command, read by its row. */
#include "cli/commands.h"

#include <stdlib.h>

static const struct sc_option_row *look_up(const struct sc_command *command, const char *name, size_t len)
{
    for (const struct sc_option_row *row = command->options; row && row->name; row++)
        if (strlen(row->name) == len && strncmp(row->name, name, len) == 0)
            return row;
    return NULL;
}

/* How many arguments it used; -1: said to the user. */
static int take_option(const struct sc_cli *cli, int at, struct sc_args *ret)
{
    char *text = cli->argv[at] + 2;
    size_t len = strcspn(text, "=");
    const struct sc_option_row *row = look_up(cli->command, text, len);
    bool takes = row && row->value, attached = text[len] == '=';
    if (!row)
        return sc_usage_error(cli, "unknown option --%.*s", (int)len, text), -1;
    if (!takes && attached)
        return sc_usage_error(cli, "--%.*s takes no value", (int)len, text), -1;
    if (takes && !attached && at + 1 >= cli->argc)
        return sc_usage_error(cli, "--%s needs a value: %s", text, row->value), -1;
    const char *value = !takes ? "" : attached ? text + len + 1 : cli->argv[at + 1];
    text[len] = '\0'; /* argv lives as long as the process */
    ret->options[ret->option_count++] = (struct sc_option){text, value};
    return takes && !attached ? 2 : 1;
}

/* The first word that has to be there and is not; *ret_max: how many there may be. */
static const char *missing_word(const struct sc_command *command, int given, int *ret_max)
{
    const char *missing = NULL;
    *ret_max = 0;
    for (const char *at = command->words ? command->words : ""; *at;) {
        size_t len = strcspn(at, " ");
        if (*at != '[' && *ret_max >= given && !missing)
            missing = at;
        ++*ret_max;
        at += len + (at[len] == ' ');
    }
    return missing;
}

static int check_words(const struct sc_cli *cli, const struct sc_args *args)
{
    int max;
    const char *missing = missing_word(cli->command, args->word_count, &max);
    size_t len = missing ? strcspn(missing, " ") : 0;
    if (missing && strncmp(missing, "NAME", len) == 0)
        return sc_usage_error(cli, "a name is missing"), -1;
    if (missing)
        return sc_usage_error(cli, "%.*s is missing", (int)len, missing), -1;
    if (args->word_count > max)
        return sc_usage_error(cli, "unexpected argument \"%s\"", args->words[max]), -1;
    return 0;
}

int sc_args_read(const struct sc_cli *cli, struct sc_args *ret)
{
    bool only_words = false;
    ret->words = calloc((size_t)cli->argc + 1, sizeof *ret->words);
    ret->options = calloc((size_t)cli->argc + 1, sizeof *ret->options);
    if (!ret->words || !ret->options)
        return sc_say(SC_EXIT_BAD, "out of memory"), -1;
    for (int i = 0; i < cli->argc;) {
        const char *arg = cli->argv[i];
        if (!only_words && strcmp(arg, "--") == 0) {
            only_words = true;
            i++;
            continue;
        }
        if (!only_words && arg[0] == '-' && arg[1] == '-') {
            int used = take_option(cli, i, ret);
            if (used < 0)
                return -1;
            i += used;
            continue;
        }
        if (!only_words && arg[0] == '-' && arg[1])
            return sc_usage_error(cli, "unknown option %s", arg), -1;
        ret->words[ret->word_count++] = arg;
        i++;
    }
    return check_words(cli, ret);
}

void sc_args_done(struct sc_args *args)
{
    free(args->words);
    free(args->options);
    *args = (struct sc_args){0};
}

const char *sc_args_get(const struct sc_args *args, const char *name)
{
    const char *value = NULL;
    for (int i = 0; i < args->option_count; i++)
        if (strcmp(args->options[i].key, name) == 0)
            value = args->options[i].value;
    return value;
}

int64_t sc_parse_span_ms(const char *text)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60e3}, {"min", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
    size_t digits = strspn(text, "0123456789."), dots = 0;
    for (size_t i = 0; i < digits; i++)
        dots += text[i] == '.';
    if (!digits || digits > 15 || dots > 1 || text[0] == '.' || text[digits - 1] == '.')
        return -1;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        double ms = strtod(text, NULL) * units[i].ms;
        if (strcmp(text + digits, units[i].unit) == 0)
            return ms <= 3650 * 86400e3 ? (int64_t)ms : -1;
    }
    return -1;
}
