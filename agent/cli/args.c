#include "cli/commands.h"

#include <stdlib.h>

/* 1: an option that takes a value, 0: one that takes none, -1: none of these. */
static int look_up(const char *spec, const char *name, size_t len)
{
    for (const char *at = spec; *at;) {
        size_t word = strcspn(at, " ");
        bool takes = word && at[word - 1] == '=';
        if (word - takes == len && strncmp(at, name, len) == 0)
            return takes;
        at += word + (at[word] == ' ');
    }
    return -1;
}

/* How many arguments it used; -1: said to the user. */
static int take_option(const struct sc_cli *cli, const char *spec, int at, struct sc_args *ret)
{
    char *text = cli->argv[at] + 2;
    size_t len = strcspn(text, "=");
    int takes = look_up(spec, text, len);
    bool attached = text[len] == '=';
    if (takes < 0)
        return sc_usage_error(cli, "unknown option --%.*s", (int)len, text), -1;
    if (!takes && attached)
        return sc_usage_error(cli, "--%.*s takes no value", (int)len, text), -1;
    if (takes && !attached && at + 1 >= cli->argc)
        return sc_usage_error(cli, "--%s needs a value", text), -1;
    const char *value = !takes ? "" : attached ? text + len + 1 : cli->argv[at + 1];
    text[len] = '\0'; /* argv lives as long as the process */
    ret->options[ret->option_count++] = (struct sc_option){text, value};
    return takes && !attached ? 2 : 1;
}

int sc_args_read(const struct sc_cli *cli, const char *spec, int min_words, int max_words, struct sc_args *ret)
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
            int used = take_option(cli, spec, i, ret);
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
    if (ret->word_count < min_words)
        return sc_usage_error(cli, "a name is missing"), -1;
    if (ret->word_count > max_words)
        return sc_usage_error(cli, "unexpected argument \"%s\"", ret->words[max_words]), -1;
    return 0;
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
