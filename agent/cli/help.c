/* help: what the table of commands says to people, as usage line, as help on one command, as overview, as page. */
#include "cli/commands.h"

#include <stdio.h>

#define WIDTH        100 /* of usage lines */
#define LABEL_WIDTH  28  /* an option that is longer has its text on the next line */
#define BAD_AS_USUAL "the thing asked about is bad"

static const char *const group_titles[] = {"run it", "integrations", "look", "maintain"};

static bool is_missing(const struct sc_command *row)
{
    return row->run == sc_command_not_yet;
}

/* ---- finding --------------------------------------------------------------------------------------------------------- */

static const struct sc_command *find_row(const char *name)
{
    for (const struct sc_command *row = sc_commands; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

const struct sc_command *sc_command_find(char *const *words, int count, int *ret_used)
{
    const struct sc_command *row = NULL;
    *ret_used = 0;
    if (count >= 2) {
        SC_AUTO_FREE char *both = sc_printf("%s %s", words[0], words[1]);
        row = both ? find_row(both) : NULL;
        *ret_used = row ? 2 : 0;
    }
    if (!row && count >= 1) {
        row = find_row(words[0]);
        *ret_used = row ? 1 : 0;
    }
    return row;
}

/* Is it "word something"? */
static bool is_in_family(const struct sc_command *row, const char *word)
{
    size_t len = strlen(word);
    return strncmp(row->name, word, len) == 0 && row->name[len] == ' ';
}

/* ---- one command ----------------------------------------------------------------------------------------------------- */

static void add_word(struct sc_buf *out, size_t *column, const char *text)
{
    size_t len = strlen(text);
    if (*column + 1 + len > WIDTH) {
        sc_buf_add_str(out, "\n          ");
        *column = 10;
    }
    sc_buf_addf(out, " %s", text);
    *column += 1 + len;
}

static void add_option_use(struct sc_buf *out, size_t *column, const struct sc_option_row *option)
{
    SC_AUTO_FREE char *text = sc_printf("[--%s%s%s]%s", option->name, option->value ? " " : "", option->value ? option->value : "",
                                        option->repeats ? "..." : "");
    if (text)
        add_word(out, column, text);
}

void sc_usage_add(const struct sc_command *row, struct sc_buf *out)
{
    size_t before = out->len;
    sc_buf_addf(out, "usage: signal-client %s%s%s", row->name, row->words ? " " : "", row->words ? row->words : "");
    size_t column = out->len - before;
    for (const struct sc_option_row *option = row->options; option && option->name; option++)
        add_option_use(out, &column, option);
    if (row->json)
        add_option_use(out, &column, &sc_json_option);
    if (!row->run)
        add_word(out, &column, "[--SETTING=VALUE]...");
    sc_buf_add_char(out, '\n');
}

static void add_option(struct sc_buf *out, const char *label, const char *help, const char *def)
{
    int pad = LABEL_WIDTH - (int)strlen(label);
    sc_buf_addf(out, "  --%s", label);
    if (pad > 0)
        sc_buf_addf(out, "%*s", pad, "");
    else
        sc_buf_addf(out, "\n    %*s", LABEL_WIDTH, "");
    sc_buf_addf(out, "%s%s%s%s\n", help, def ? " (default: " : "", def ? def : "", def ? ")" : "");
}

static void add_option_row(struct sc_buf *out, const struct sc_option_row *option)
{
    SC_AUTO_FREE char *label = sc_printf("%s%s%s", option->name, option->value ? " " : "", option->value ? option->value : "");
    if (label)
        add_option(out, label, option->help, option->def);
}

static void add_options(const struct sc_command *row, struct sc_buf *out)
{
    sc_buf_add_str(out, "\noptions:\n");
    for (const struct sc_option_row *option = row->options; option && option->name; option++)
        add_option_row(out, option);
    if (row->json)
        add_option_row(out, &sc_json_option);
    for (const struct sc_option_row *option = sc_common_options; option->name; option++)
        if (!row->bare || strcmp(option->name, "help") == 0)
            add_option_row(out, option);
    if (!row->bare)
        add_option(out, "SETTING=VALUE", "any setting, such as --nats.url=nats://nats:4222; `signal-client config` lists them", NULL);
}

static void add_help(const struct sc_command *row, struct sc_buf *out)
{
    sc_buf_addf(out, "%s%s.\n\n", row->summary, is_missing(row) ? " (not supported yet)" : "");
    sc_usage_add(row, out);
    add_options(row, out);
    if (row->notes)
        sc_buf_addf(out, "\n%s", row->notes);
    sc_buf_addf(out, "\nexamples:\n%s\nexit codes: 0 good, 1 %s, 2 wrong use\n", row->examples, row->bad ? row->bad : BAD_AS_USUAL);
}

static int add_family(const char *word, struct sc_buf *out)
{
    int count = 0;
    for (const struct sc_command *row = sc_commands; row->name; row++) {
        if (!is_in_family(row, word))
            continue;
        sc_buf_addf(out, "  signal-client %s%s%s\n        %s\n", row->name, row->words ? " " : "", row->words ? row->words : "",
                    row->summary);
        count++;
    }
    return count;
}

/* ---- all of them ----------------------------------------------------------------------------------------------------- */

void sc_overview_add(struct sc_buf *out)
{
    sc_buf_add_str(out, "signal-client polls vendor APIs and publishes every record to NATS JetStream exactly once.\n\n"
                        "usage: signal-client COMMAND [ARGUMENTS] [--SETTING=VALUE]...\n");
    for (size_t group = 0; group < sizeof group_titles / sizeof *group_titles; group++) {
        sc_buf_addf(out, "\n%s\n", group_titles[group]);
        for (const struct sc_command *row = sc_commands; row->name; row++)
            if (row->group == (enum sc_command_group)group)
                sc_buf_addf(out, "  %-22s %s%s\n", row->name, row->summary, is_missing(row) ? " (not supported yet)" : "");
    }
    sc_buf_add_str(out, "\n`signal-client COMMAND --help` shows how one is used; `signal-client config` lists every SETTING.\n"
                        "Exit codes: 0 good, 1 " BAD_AS_USUAL ", 2 wrong use.\n");
}

static int print_page(void)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_buf_add_str(&out, "# Commands\nWhat `signal-client COMMAND --help` prints, made by `signal-client help --markdown`.\n\n```text\n");
    sc_overview_add(&out);
    sc_buf_add_str(&out, "```\n");
    for (const struct sc_command *row = sc_commands; row->name; row++) {
        if (is_missing(row))
            continue;
        sc_buf_addf(&out, "\n## %s\n```text\n", row->name);
        add_help(row, &out);
        sc_buf_add_str(&out, "```\n");
    }
    return sc_print(&out);
}

int sc_unknown_command(char *const *words, int count)
{
    struct sc_buf family SC_AUTO_BUF = {0};
    if (!add_family(words[0], &family))
        return sc_say(SC_EXIT_USAGE, "unknown command \"%s\": `signal-client help` lists them", words[0]);
    if (count > 1)
        sc_say(SC_EXIT_USAGE, "unknown command \"%s %s\"; there are:", words[0], words[1]);
    else
        sc_say(SC_EXIT_USAGE, "%s what? There are:", words[0]);
    fputs(sc_buf_str(&family).ptr, stderr);
    return SC_EXIT_USAGE;
}

int sc_help_on(char *const *words, int count)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    int used;
    const struct sc_command *row = sc_command_find(words, count, &used);
    if (row)
        add_help(row, &out);
    else if (count == 0)
        sc_overview_add(&out);
    else if (count > 1 || !add_family(words[0], &out))
        return sc_unknown_command(words, count);
    return sc_print(&out);
}

int sc_command_help(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    return sc_args_get(&args, "markdown") ? print_page() : sc_help_on(cli->argv, args.word_count);
}
