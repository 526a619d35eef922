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
    int argc;                      /* what is left for the command */
    char **argv;
};

struct sc_command {
    const char *name;
    const char *usage;    /* "integrations put NAME --type T [--set k=v] ..." */
    const char *summary;  /* one line */
    const char *examples; /* for --help */
    bool bare, plugins;
    int (*run)(struct sc_cli *cli);
};

/* Everything after main(): parses global options, finds the command, runs it. `run_agent` is the `run` command (main.c). */
int sc_cli_main(int argc, char **argv, int (*run_agent)(struct sc_cli *cli));
