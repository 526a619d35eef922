/* The table of commands: what --help, shell completion and docs/commands.md say is what stands here. */
#include "cli/commands.h"

const struct sc_option_row sc_json_option = {"json", NULL, "JSON instead of text"};

const struct sc_option_row sc_common_options[] = {
    {"config", "FILE", "settings file", "SIGNAL_CLIENT_CONFIG, else /etc/signal-client/signal-client.conf", SC_COMPLETE_FILES},
    {"node", "FILE", "node file", "WF_NODE_CONFIG_FILE, else /configs/node.json", SC_COMPLETE_FILES},
    {"help", NULL, "this text"},
    {0},
};

/* ---- options --------------------------------------------------------------------------------------------------------- */

static const struct sc_option_row demo_options[] = {
    {"for", "TIME", "end by itself after 20s, 5m, 1h", "goes on until Ctrl-C"},
    {"keep", NULL, "leave the stream and all logs, to be looked into afterwards"},
    {0},
};

static const struct sc_option_row put_options[] = {
    {"type", "TYPE", "the connector; the integration is then written anew", "the stored one is changed", SC_COMPLETE_CONNECTORS},
    {"set", "FIELD=VALUE", "a setting, or a credential that is no secret", .repeats = true},
    {"secret", "FIELD", "a secret: asked for on a terminal, else a line of standard input each, in this order", .repeats = true},
    {"name", "TITLE", "title for people", "NAME"},
    {"interval-minutes", "N", "time between polls, fractions allowed", "the data type's"},
    {"data-type", "TYPE[=off]", "switches a data type on or off", .candidates = SC_COMPLETE_DATA_TYPES, .repeats = true},
    {"disabled", NULL, "written, but not polled"},
    {"from-now", NULL, "a first poll begins at this moment, with nothing older", "it looks back as far as the data type says"},
    {"plain", NULL, "secrets are written as they are", "they are sealed when seal.key_file is set"},
    {"as-is", NULL, "a credential is taken that does not look like one of the vendor's", "it is refused"},
    {"file", "FILE|-", "the whole value as JSON, in place of the options above; every byte is kept where nothing is sealed or added", NULL,
     SC_COMPLETE_FILES},
    {0},
};

static const struct sc_option_row remove_options[] = {
    {"yes", NULL, "do not ask", "asks on a terminal, else refuses"},
    {0},
};

static const struct sc_option_row import_options[] = {
    {"from-now", NULL, "a first poll begins at the moment of the import, with nothing older", "it looks back as far as the data type says"},
    {"dry-run", NULL, "check everything and say what would be written"},
    {"replace", NULL, "overwrite integrations that exist already", "they are left as they are"},
    {"plain", NULL, "secrets are written as they are", "they are sealed when seal.key_file is set"},
    {"as-is", NULL, "a credential is taken that does not look like one of the vendor's", "it is refused"},
    {"prefix", "TEXT", "put before each name"},
    {"secrets-file", "FILE|-", "secrets as {\"NAME\": {\"FIELD\": \"value\"}}, in a file that only its owner can read", NULL, SC_COMPLETE_FILES},
    {0},
};

static const struct sc_option_row tail_options[] = {
    {"data-type", "TYPE", "only this data type", "all", SC_COMPLETE_DATA_TYPES},
    {"last", "N", "first the newest N that match", "only what arrives from now on"},
    {"since", "TIME", "first what arrived since 2026-11-22T10:15:00Z, or within the last 10m", "only what arrives from now on"},
    {"for", "TIME", "end after 30s, 10m, 2h; 0: when everything that --last or --since asks for is shown", "goes on until Ctrl-C"},
    {"count", "N", "end after N artifacts"},
    {"headers", NULL, "all headers below each line"},
    {"raw", NULL, "the body and a line end, nothing else"},
    {0},
};

static const struct sc_option_row doctor_options[] = {
    {"data-type", "TYPE", "with NAME: examine this data type, be it enabled or not", "all that are enabled", SC_COMPLETE_DATA_TYPES, true},
    {0},
};

static const struct sc_option_row version_options[] = {
    {"crash-points", NULL, "the crash points of a build for fault tests"},
    {0},
};

static const struct sc_option_row completion_options[] = {
    {"list", "connectors|integrations|data-types|settings", "no script, but these names, one a line: what it asks for while you type", NULL,
     SC_COMPLETE_OWN_WORDS},
    {"of", "TYPE", "only the data types of this connector", "all", SC_COMPLETE_CONNECTORS},
    {"patient", NULL, "wait for NATS as long as other commands do", "300 ms, then no names of integrations"},
    {0},
};

static const struct sc_option_row seal_options[] = {
    {"new-key", "FILE", "makes a key file that only its owner can read; none is overwritten", NULL, SC_COMPLETE_FILES},
    {"rotate", NULL, "seals anew, with seal.key_file, all of the bucket that is sealed with seal.old_key_file"},
    {"unsealed", NULL, "with --rotate: seals what is not sealed at all, too"},
    {0},
};

static const struct sc_option_row config_options[] = {
    {"markdown", NULL, "the tables of docs/configuration.md: settings, and the members of an integration"},
    {"metrics", NULL, "the tables of docs/metrics.md: what /metrics shows, and the reasons"},
    {0},
};

static const struct sc_option_row connectors_list_options[] = {
    {"markdown", NULL, "all connectors as one page, docs/connectors.md"},
    {0},
};

static const struct sc_option_row connectors_show_options[] = {
    {"markdown", NULL, "its section of docs/connectors.md"},
    {0},
};

static const struct sc_option_row help_options[] = {
    {"markdown", NULL, "all commands as one page"},
    {0},
};

static const struct sc_option_row status_options[] = {
    {"watch", NULL, "drawn anew when something changes, until Ctrl-C; without a terminal a line for each change"},
    {0},
};
static const struct sc_option_row poll_options[] = {
    {"data-type", "TYPE", "only this data type", "all that are enabled", SC_COMPLETE_DATA_TYPES, .repeats = true},
    {"dry-run", NULL, "a walk beside the live one: nothing is published, saved or made at the vendor"},
    {"trace", NULL, "requests, replies and decisions as they come, without secrets"},
    {"limit", "N", "end behind the page in which N records have been read", "to the end of the walk"},
    {"from", "TIME", "with --dry-run: begin here, 2026-11-22T10:15:00Z", "where the live walk stands"},
    {0},
};

static const struct sc_option_row log_options[] = {
    {"for", "TIME", "then the level of the settings holds again: 10m, 2h", "1h for debug, else until the agent is started again"},
    {"integration", "NAME", "only its lines", "all", SC_COMPLETE_INTEGRATIONS},
    {0},
};

static const struct sc_option_row run_options[] = {
    {"on-request", NULL, "polls nothing by itself, only what commands ask for; they start it where no agent runs"},
    {0},
};
static const struct sc_option_row checkpoint_show_options[] = {
    {"data-type", "TYPE", "only this data type", "all", SC_COMPLETE_DATA_TYPES},
    {0},
};
static const struct sc_option_row checkpoint_set_options[] = {
    {"data-type", "TYPE", "the data type", NULL, SC_COMPLETE_DATA_TYPES},
    {"time", "TIME", "everything up to 2026-11-22T10:15:00Z, or the beginning of a day, counts as read"},
    {"position", "JSON|@FILE|-", "in the connector's own words, as `checkpoint show` prints them", NULL, SC_COMPLETE_FILES},
    {"allow-doubles", NULL, "also where records could come a second time", "refused, with the reason and a figure"},
    {0},
};
static const struct sc_option_row checkpoint_reset_options[] = {
    {"data-type", "TYPE", "only this data type", "all that are enabled", SC_COMPLETE_DATA_TYPES},
    {"republish", NULL, "what is in the stream comes again", "it is recognised, and does not"},
    {"yes", NULL, "do not ask behind --republish", "asks on a terminal, else refuses"},
    {"allow-doubles", NULL, "also where records could come a second time", "refused, with the reason and a figure"},
    {0},
};
static const struct sc_option_row backfill_options[] = {
    {"data-type", "TYPE", "the data type", NULL, SC_COMPLETE_DATA_TYPES},
    {"from", "TIME", "begin: 2026-11-22T10:15:00Z, or a day"},
    {"to", "TIME", "end, which is not part of it"},
    {"allow-doubles", NULL, "also where records could come a second time", "refused, with the reason and a figure"},
    {0},
};
static const struct sc_option_row backfill_stop_options[] = {
    {"data-type", "TYPE", "the data type", "the only one there is", SC_COMPLETE_DATA_TYPES},
    {0},
};

/* ---- commands -------------------------------------------------------------------------------------------------------- */

const struct sc_command sc_commands[] = {
    {
        .name = "run",
        .group = SC_GROUP_RUN,
        .options = run_options,
        .summary = "The agent: polls all integrations and publishes their records until it is stopped",
        .notes = "It needs NATS with JetStream. SIGTERM and SIGINT end it within 5 s; the log goes to stderr.\n",
        .examples = "  signal-client run\n"
                    "  NATS_URL=nats://nats:4222 signal-client run --log.level=debug\n"
                    "  signal-client run --config ./signal-client.conf --nats.create=true\n",
        .bad = "it could not start; the log says why",
        .plugins = true,
    },
    {
        .name = "demo",
        .group = SC_GROUP_RUN,
        .options = demo_options,
        .summary = "Everything on this machine with no account anywhere: NATS, simulated vendors, the agent",
        .notes = "It ends with a count of every record. It needs the Debian packages python3 and nats-server, and listens on free\n"
                 "ports of 127.0.0.1 alone.\n",
        .examples = "  signal-client demo\n"
                    "  signal-client demo --for 20s\n"
                    "  signal-client demo --for 5m --keep\n",
        .bad = "a record is missing or came twice, or something it needs is not there",
        .bare = true,
        .run = sc_command_demo,
    },
    {
        .name = "integrations list",
        .group = SC_GROUP_INTEGRATIONS,
        .summary = "All integrations with what they are doing",
        .examples = "  signal-client integrations list\n"
                    "  signal-client integrations list --json | jq '.[] | select(.state == \"error\")'\n",
        .bad = "NATS or the bucket INTEGRATIONS cannot be read",
        .json = true,
        .plugins = true,
        .run = sc_command_integrations_list,
    },
    {
        .name = "integrations show",
        .group = SC_GROUP_INTEGRATIONS,
        .words = "NAME",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .summary = "One integration: its value (secrets hidden), whether it is valid, its status",
        .examples = "  signal-client integrations show okta-prod\n"
                    "  signal-client integrations show okta-prod --json | jq .status\n",
        .bad = "there is none of that name, or its value is not valid",
        .json = true,
        .plugins = true,
        .run = sc_command_integrations_show,
    },
    {
        .name = "integrations put",
        .group = SC_GROUP_INTEGRATIONS,
        .words = "NAME",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = put_options,
        .summary = "Makes or changes an integration; a running agent uses it within a second",
        .notes = "`signal-client connectors show TYPE` lists fields and data types.\n",
        .examples = "  signal-client integrations put okta-prod --type okta --set fqdn=acme.okta.com --secret api_token\n"
                    "  signal-client integrations put okta-prod --secret api_token < new-token.txt\n"
                    "  signal-client integrations put kev --type cisa-kev --interval-minutes 30\n"
                    "  signal-client integrations put okta-prod --file okta.json\n",
        .bad = "the value is not valid, or NATS cannot be reached; nothing was written",
        .json = true,
        .plugins = true,
        .run = sc_command_integrations_put,
    },
    {
        .name = "integrations import",
        .group = SC_GROUP_INTEGRATIONS,
        .words = "FILE|-",
        .candidates = SC_COMPLETE_FILES,
        .options = import_options,
        .summary = "Puts many integrations at once; all are checked before the first is written",
        .notes = "FILE holds {\"NAME\": {value}, ...}, or [{\"key\": \"NAME\", ...value}, ...], or what `integrations show NAME --json` prints\n"
                 "(one, or an array of them). That has no secrets in it: give them with --secrets-file. --from-now changes nothing for\n"
                 "a data type that has a position already, and one that is a single document is read whole once.\n",
        .examples = "  signal-client integrations import integrations.json --dry-run\n"
                    "  signal-client integrations import integrations.json --from-now\n"
                    "  signal-client integrations import integrations.json --secrets-file secrets.json --prefix eu-\n"
                    "  jq -s . okta.json kev.json | signal-client integrations import -\n",
        .bad = "nothing was written because something is bad, or an integration exists already with another value",
        .json = true,
        .plugins = true,
        .run = sc_command_integrations_import,
    },
    {
        .name = "integrations enable",
        .group = SC_GROUP_INTEGRATIONS,
        .words = "NAME",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .summary = "Polls it again, from where it stopped",
        .examples = "  signal-client integrations enable okta-prod\n"
                    "  signal-client integrations enable okta-prod --json\n",
        .bad = "there is none of that name, or NATS cannot be reached",
        .json = true,
        .run = sc_command_integrations_enable,
    },
    {
        .name = "integrations disable",
        .group = SC_GROUP_INTEGRATIONS,
        .words = "NAME",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .summary = "Pauses it; its position is kept",
        .examples = "  signal-client integrations disable okta-prod\n"
                    "  signal-client integrations disable okta-prod --json\n",
        .bad = "there is none of that name, or NATS cannot be reached",
        .json = true,
        .run = sc_command_integrations_disable,
    },
    {
        .name = "integrations remove",
        .group = SC_GROUP_INTEGRATIONS,
        .words = "NAME",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = remove_options,
        .summary = "Removes it; its checkpoints are kept",
        .examples = "  signal-client integrations remove okta-prod\n"
                    "  signal-client integrations remove okta-prod --yes\n",
        .bad = "nothing was removed",
        .json = true,
        .run = sc_command_integrations_remove,
    },
    {
        .name = "connectors list",
        .group = SC_GROUP_INTEGRATIONS,
        .options = connectors_list_options,
        .summary = "The vendors that this agent knows",
        .examples = "  signal-client connectors list\n"
                    "  signal-client connectors list --json | jq -r '.[].name'\n",
        .bad = "no connector was found",
        .json = true,
        .plugins = true,
        .run = sc_command_connectors_list,
    },
    {
        .name = "connectors show",
        .group = SC_GROUP_INTEGRATIONS,
        .words = "NAME",
        .candidates = SC_COMPLETE_CONNECTORS,
        .options = connectors_show_options,
        .summary = "One vendor: fields, data types, intervals, budgets, permissions to grant",
        .examples = "  signal-client connectors show okta\n"
                    "  signal-client connectors show cisa-kev --json | jq .data_types\n",
        .bad = "there is no such connector",
        .json = true,
        .plugins = true,
        .run = sc_command_connectors_show,
    },
    {
        .name = "tail",
        .group = SC_GROUP_LOOK,
        .words = "[NAME]",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = tail_options,
        .summary = "Artifacts as they arrive in the stream, of all integrations or of one",
        .notes = "A line is: the record's own time (- when unknown), integration, data type, id, and an excerpt of the body, up to the width\n"
                 "of the terminal (100 characters when there is none); members at its begin that the line tells already are \"…\". It\n"
                 "publishes and acknowledges nothing, works whether the agent runs or not, and goes on by itself after NATS was away.\n"
                 "Ctrl-C ends it with 0. On a terminal control characters are shown as \\xNN, with --raw too.\n",
        .examples = "  signal-client tail\n"
                    "  signal-client tail okta-prod --last 20\n"
                    "  signal-client tail --since 10m --for 0 --json | jq -r .data_type | sort | uniq -c\n"
                    "  signal-client tail kev --last 1 --count 1 --raw | jq .\n",
        .bad = "there is no stream, or NATS cannot be reached at the start",
        .json = true,
        .plugins = true,
        .run = sc_command_tail,
    },
    {
        .name = "status",
        .group = SC_GROUP_LOOK,
        .words = "[NAME]",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = status_options,
        .summary = "What every data type is doing, since when, why, and what to do",
        .notes = "A line is a data type, most urgent first; below it stands, once each, what is not good and what to do. With NAME\n"
                 "everything that is known of it. docs/status.md says how to read it. It works while the agent is down: the first line\n"
                 "says so then, and what nobody keeps fresh is called stale. NO_COLOR=1 takes the colours away.\n",
        .examples = "  signal-client status\n"
                    "  signal-client status okta-prod\n"
                    "  signal-client status --watch\n"
                    "  signal-client status --json | jq -r '.integrations[].status | select(.state == \"error\") | .integration'\n",
        .bad = "a data type is in error or stale, no agent answers, or NATS cannot be reached",
        .json = true,
        .plugins = true,
        .run = sc_command_status,
    },
    {
        .name = "doctor",
        .group = SC_GROUP_LOOK,
        .words = "[NAME]",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = doctor_options,
        .summary = "One check after another, each with result and cure",
        .notes = "With NAME: the integration's way to its vendor, its credential, and one page of each data type, asked by the agent that holds the lease.\n"
                 "Without NAME: everything that all integrations share, by this process, so that it works while the agent is down: settings and files,\n"
                 "NATS (address, connection, permissions, account, clock), the stream with its limits and readers, buckets, lease, positions, and the\n"
                 "agent's last word on each integration. It publishes nothing and moves nothing.\n",
        .examples = "  signal-client doctor\n"
                    "  signal-client doctor okta-prod\n"
                    "  signal-client doctor --json | jq -r '.checks[] | select(.result == \"bad\") | .check, .value, .cure'\n",
        .bad = "something is bad",
        .json = true,
        .plugins = true,
        .run = sc_command_doctor,
    },
    {
        .name = "health",
        .group = SC_GROUP_LOOK,
        .summary = "0 when the agent's loops have turned within 30 s",
        .notes = "NATS being down is no reason for 1: the line says it, and starting the agent again would not help.\n",
        .examples = "  signal-client health\n"
                    "  signal-client health --run.dir=/data --json\n",
        .bad = "the agent does not run, or hangs",
        .json = true,
        .run = sc_command_health,
    },
    {
        .name = "poll",
        .group = SC_GROUP_MAINTAIN,
        .words = "NAME",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = poll_options,
        .summary = "One poll now, told as it happens; with --dry-run without any effect",
        .notes = "The agent that holds the lease does it; where none runs, one is started for this command. Waits are ended, but for those that\n"
                 "the vendor or its budget set: these are told and waited for. Ctrl-C ends the looking, not the poll. --json prints one object\n"
                 "a line: {\"line\":…}, {\"trace\":…}, and {\"end\":…} last.\n",
        .examples = "  signal-client poll okta-prod\n"
                    "  signal-client poll okta-prod --data-type system_log --dry-run --limit 100\n"
                    "  signal-client poll okta-prod --dry-run --trace --json | jq -c 'select(.trace)'\n",
        .bad = "something failed: the line says what, why and what to do",
        .json = true,
        .run = sc_command_poll,
    },
    {
        .name = "log",
        .group = SC_GROUP_MAINTAIN,
        .words = "[debug|info|warn|error|reset]",
        .candidates = SC_COMPLETE_OWN_WORDS,
        .options = log_options,
        .summary = "More or less in the agent's log for a while; without a level: how much there is",
        .notes = "The agent that holds the lease is told; nothing is restarted and no setting is changed. `reset` ends what was asked for.\n",
        .examples = "  signal-client log debug --integration okta-prod --for 10m\n"
                    "  signal-client log reset\n",
        .bad = "no agent runs, or it refuses",
        .json = true,
        .run = sc_command_log,
    },
    {
        .name = "checkpoint show",
        .group = SC_GROUP_MAINTAIN,
        .words = "NAME",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = checkpoint_show_options,
        .summary = "Where each data type stands: position, walk, floors, proof, identities, what waits",
        .notes = "It reads the buckets, so it works with the agent down. One that cannot be read is named with the place that is wrong.\n",
        .examples = "  signal-client checkpoint show okta-prod\n"
                    "  signal-client checkpoint show okta-prod --data-type system_log --json | jq '.[].value.position'\n",
        .bad = "there is none, or it cannot be read",
        .json = true,
        .run = sc_command_checkpoint_show,
    },
    {
        .name = "checkpoint set",
        .group = SC_GROUP_MAINTAIN,
        .words = "NAME",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = checkpoint_set_options,
        .summary = "Puts the position of a data type elsewhere; nothing is lost, nothing comes twice",
        .notes = "Back: everything from there on is asked for again, and what is in the stream is recognised. Forward: what is skipped is recorded as\n"
                 "a gap artifact. docs/backfill.md tells the whole.\n",
        .examples = "  signal-client checkpoint set okta-prod --data-type system_log --time 2026-11-21T10:00:00Z\n"
                    "  signal-client checkpoint set okta-prod --data-type system_log --position @position.json\n",
        .bad = "it was refused, or could not be written; nothing is changed then",
        .json = true,
        .run = sc_command_checkpoint_set,
    },
    {
        .name = "checkpoint reset",
        .group = SC_GROUP_MAINTAIN,
        .words = "NAME",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = checkpoint_reset_options,
        .summary = "As if it began anew: by the lookback, or where the integration's start says",
        .notes = "With --republish all of that comes again, though it is in the stream; it waits until the server's duplicate window is over.\n",
        .examples = "  signal-client checkpoint reset okta-prod --data-type system_log\n"
                    "  signal-client checkpoint reset kev --republish --yes\n",
        .bad = "it was refused, or could not be written",
        .json = true,
        .run = sc_command_checkpoint_reset,
    },
    {
        .name = "backfill",
        .group = SC_GROUP_MAINTAIN,
        .words = "NAME",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = backfill_options,
        .summary = "A second walk over older records, beside the live one and behind it",
        .notes = "The running agent makes it, with what the live walks leave of the budget, and goes on with it after a restart. Refused where records\n"
                 "could come a second time. docs/backfill.md tells the whole.\n",
        .examples = "  signal-client backfill okta-prod --data-type system_log --from 2026-11-01 --to 2026-11-08\n"
                    "  signal-client backfill duo-prod --data-type auth_logs --from 2026-11-01T08:00:00Z --to 2026-11-01T09:30:00Z\n",
        .bad = "it was refused: the line says why",
        .json = true,
        .run = sc_command_backfill,
    },
    {
        .name = "backfill list",
        .group = SC_GROUP_MAINTAIN,
        .words = "[NAME]",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .summary = "Backfills that are open or have ended: how far, how long still",
        .examples = "  signal-client backfill list\n"
                    "  signal-client backfill list --json | jq '.[] | {integration, percent, left_seconds}'\n",
        .bad = "NATS cannot be reached",
        .json = true,
        .run = sc_command_backfill_list,
    },
    {
        .name = "backfill stop",
        .group = SC_GROUP_MAINTAIN,
        .words = "NAME",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = backfill_stop_options,
        .summary = "Ends a backfill; what it has published stays",
        .examples = "  signal-client backfill stop okta-prod\n"
                    "  signal-client backfill stop okta-prod --data-type system_log --json\n",
        .bad = "none was open",
        .json = true,
        .run = sc_command_backfill_stop,
    },
    {
        .name = "seal",
        .group = SC_GROUP_MAINTAIN,
        .words = "[NAME] [FIELD]",
        .candidates = SC_COMPLETE_INTEGRATIONS,
        .options = seal_options,
        .summary = "Encrypts a secret so that only this integration's FIELD can use it; key files; the change to a new key",
        .notes = "The secret is asked for on a terminal, else standard input is read to its end (without the last line end). What is printed is\n"
                 "no secret and is put in the secret's place; it opens for NAME and FIELD alone, with the key of seal.key_file.\n"
                 "`integrations put` and `import` seal by themselves; docs/secrets.md tells how a key is changed.\n",
        .examples = "  signal-client seal --new-key /etc/signal-client/seal.key\n"
                    "  signal-client seal okta-prod api_token --seal.key_file=/etc/signal-client/seal.key\n"
                    "  signal-client seal snow-prod private_key --json < key.pem | jq -r .sealed\n"
                    "  signal-client seal --rotate --unsealed\n",
        .bad = "there is no usable key, nothing was given to seal, or something could not be sealed anew",
        .json = true,
        .plugins = true,
        .run = sc_command_seal,
    },
    {
        .name = "config",
        .group = SC_GROUP_MAINTAIN,
        .options = config_options,
        .summary = "Every setting, its value and where it came from",
        .notes = "Each SETTING is also an option of every command: --nats.url=nats://nats:4222.\n",
        .examples = "  signal-client config\n"
                    "  signal-client config --nats.url=nats://nats:4222\n"
                    "  signal-client config --json | jq '.settings[] | {key, value, help}'\n",
        .bad = "a settings file, the node file or a variable is bad",
        .json = true,
        .run = sc_command_config,
    },
    {
        .name = "completion",
        .group = SC_GROUP_MAINTAIN,
        .words = "[bash|zsh]",
        .candidates = SC_COMPLETE_OWN_WORDS,
        .options = completion_options,
        .summary = "A script that makes the shell complete commands, options and names",
        .notes = "Names of integrations are asked of NATS and left out when it does not answer within 300 ms.\n",
        .examples = "  source <(signal-client completion bash)\n"
                    "  signal-client completion bash > ~/.local/share/bash-completion/completions/signal-client\n"
                    "  signal-client completion zsh > ~/.zfunc/_signal-client\n",
        .bare = true,
        .run = sc_command_completion,
    },
    {
        .name = "version",
        .group = SC_GROUP_MAINTAIN,
        .options = version_options,
        .summary = "The version of this program",
        .examples = "  signal-client version\n"
                    "  signal-client version --json | jq -r .version\n",
        .json = true,
        .bare = true,
        .run = sc_command_version,
    },
    {
        .name = "help",
        .group = SC_GROUP_MAINTAIN,
        .words = "[COMMAND] [SUBCOMMAND]",
        .candidates = SC_COMPLETE_COMMANDS,
        .options = help_options,
        .summary = "The list of commands, or how one of them is used",
        .examples = "  signal-client help\n"
                    "  signal-client help integrations put\n",
        .bare = true,
        .run = sc_command_help,
    },
    {0},
};

int sc_command_not_yet(struct sc_cli *cli)
{
    return sc_say(SC_EXIT_USAGE, "%s is not supported yet by version " SIGNAL_VERSION, cli->command->name);
}
