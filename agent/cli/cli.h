/* The command line: one file a command, one table row each. Exit codes: 0 good, 1 the thing asked about is bad, 2 wrong use. */
#pragma once

#include "config/settings.h"
#include "plugin/plugin.h"

struct sc_cli {
    const char *argv0;
    struct sc_settings settings;   /* loaded before the command runs, unless row.bare */
    struct sc_plugins *plugins;    /* loaded when row.plugins */
    const struct sc_command *command; /* that runs */
    bool json;                     /* --json */
    bool on_request;               /* `run --on-request` */
    const struct sc_option *options; /* settings that the command line gave, for a process of its own (ask.c) */
    size_t option_count;
    int argc;                      /* what is left for the command */
    char **argv;
};

/* What may stand at a place of the command line: for shell completion. */
enum sc_candidates {
    SC_COMPLETE_FREE_TEXT,
    SC_COMPLETE_OWN_WORDS, /* those of sc_option_row.value, divided by '|' */
    SC_COMPLETE_FILES,
    SC_COMPLETE_CONNECTORS,
    SC_COMPLETE_INTEGRATIONS,
    SC_COMPLETE_DATA_TYPES,
    SC_COMPLETE_COMMANDS
};

struct sc_option_row {
    const char *name;  /* without dashes; NULL ends a table */
    const char *value; /* "FILE": what follows; NULL: it takes nothing */
    const char *help;  /* one line */
    const char *def;   /* what holds without it, NULL: nothing to say */
    enum sc_candidates candidates;
    bool repeats;
};

enum sc_command_group {
    SC_GROUP_RUN,
    SC_GROUP_INTEGRATIONS,
    SC_GROUP_LOOK,
    SC_GROUP_MAINTAIN
};

/* One row says all of a command: what it takes, what --help prints, what a shell completes. */
struct sc_command {
    const char *name;
    const char *words;    /* behind the name: "NAME", "[NAME]", "bash|zsh"; NULL: none */
    const struct sc_option_row *options; /* its own; NULL: none */
    const char *summary;  /* one line, without a full stop */
    const char *notes;    /* lines between options and examples; NULL: none */
    const char *examples; /* lines that can be pasted */
    const char *bad;      /* when it ends with exit code 1; NULL: when the thing asked about is bad */
    enum sc_command_group group;
    enum sc_candidates candidates; /* of words */
    bool json;            /* takes --json */
    bool bare, plugins;
    int (*run)(struct sc_cli *cli);
};

/* Everything after main(): parses global options, finds the command, runs it. `run_agent` is the `run` command (main.c). */
int sc_cli_main(int argc, char **argv, int (*run_agent)(struct sc_cli *cli));
