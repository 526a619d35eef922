/* The table of commands: what --help says is what stands here. */
#include "cli/commands.h"

const struct sc_command sc_commands[] = {
    {
        .name = "run",
        .usage = "run [--config FILE] [--node FILE] [--SETTING=VALUE]...",
        .summary = "The agent: polls all integrations and publishes their records until it is stopped",
        .examples = "  signal-client run\n"
                    "  NATS_URL=nats://nats:4222 signal-client run --log.level=debug\n"
                    "  signal-client run --config ./signal-client.conf --nats.create=true\n",
        .plugins = true,
    },
    {
        .name = "demo",
        .usage = "demo",
        .summary = "Everything on this machine with simulated vendors",
        .examples = "  signal-client demo\n",
        .bare = true,
        .run = sc_command_not_yet,
    },
    {
        .name = "integrations list",
        .usage = "integrations list [--json]",
        .summary = "All integrations with what they are doing",
        .examples = "  signal-client integrations list\n"
                    "  signal-client integrations list --json | jq '.[] | select(.state == \"error\")'\n",
        .run = sc_command_integrations_list,
    },
    {
        .name = "integrations show",
        .usage = "integrations show NAME [--json]",
        .summary = "One integration: its value (secrets hidden), whether it is valid, its status",
        .examples = "  signal-client integrations show okta-prod\n",
        .plugins = true,
        .run = sc_command_integrations_show,
    },
    {
        .name = "integrations put",
        .usage = "integrations put NAME --type TYPE [--set FIELD=VALUE]... [--secret FIELD]... [--name TITLE]\n"
                 "             [--interval-minutes N] [--data-type NAME[=off]]... [--disabled] [--json]\n"
                 "       signal-client integrations put NAME --file FILE|-",
        .summary = "Makes or changes an integration; a running agent uses it within a second",
        .examples = "  signal-client integrations put okta-prod --type okta --set fqdn=acme.okta.com --secret api_token\n"
                    "  signal-client integrations put okta-prod --secret api_token < new-token.txt\n"
                    "  signal-client integrations put kev --type cisa-kev --interval-minutes 30\n"
                    "  signal-client integrations put okta-prod --data-type system_log=off\n"
                    "  signal-client integrations put okta-prod --file okta.json\n"
                    "\n"
                    "With --type the integration is written anew; without it the stored one is changed.\n"
                    "--secret asks on a terminal, else reads one line for each from standard input, in the order given.\n"
                    "`signal-client connectors show TYPE` lists fields and data types.\n",
        .plugins = true,
        .run = sc_command_integrations_put,
    },
    {
        .name = "integrations enable",
        .usage = "integrations enable NAME [--json]",
        .summary = "Polls it again, from where it stopped",
        .examples = "  signal-client integrations enable okta-prod\n",
        .run = sc_command_integrations_enable,
    },
    {
        .name = "integrations disable",
        .usage = "integrations disable NAME [--json]",
        .summary = "Pauses it; its position is kept",
        .examples = "  signal-client integrations disable okta-prod\n",
        .run = sc_command_integrations_disable,
    },
    {
        .name = "integrations remove",
        .usage = "integrations remove NAME [--yes] [--json]",
        .summary = "Removes it; its checkpoints are kept",
        .examples = "  signal-client integrations remove okta-prod\n"
                    "  signal-client integrations remove okta-prod --yes\n",
        .run = sc_command_integrations_remove,
    },
    {
        .name = "integrations import",
        .usage = "integrations import FILE [--from-now]",
        .summary = "Takes over the integrations of another poller",
        .examples = "  signal-client integrations import worker.json --from-now\n",
        .bare = true,
        .run = sc_command_not_yet,
    },
    {
        .name = "connectors list",
        .usage = "connectors list [--json]",
        .summary = "The vendors that this agent knows",
        .examples = "  signal-client connectors list\n",
        .plugins = true,
        .run = sc_command_connectors_list,
    },
    {
        .name = "connectors show",
        .usage = "connectors show NAME [--json]",
        .summary = "One vendor: fields, data types, intervals, budgets, permissions to grant",
        .examples = "  signal-client connectors show okta\n",
        .plugins = true,
        .run = sc_command_connectors_show,
    },
    {.name = "tail",
     .usage = "tail [NAME]",
     .summary = "Artifacts as they arrive in the stream",
     .examples = "  signal-client tail okta-prod\n",
     .bare = true,
     .run = sc_command_not_yet},
    {.name = "status",
     .usage = "status [NAME] [--watch]",
     .summary = "What every data type is doing, and why",
     .examples = "  signal-client status --watch\n",
     .bare = true,
     .run = sc_command_not_yet},
    {.name = "doctor",
     .usage = "doctor [NAME]",
     .summary = "One check after another, each with result and cure",
     .examples = "  signal-client doctor okta-prod\n",
     .bare = true,
     .run = sc_command_not_yet},
    {.name = "poll",
     .usage = "poll NAME [--data-type TYPE] [--dry-run] [--trace]",
     .summary = "One poll now",
     .examples = "  signal-client poll okta-prod\n",
     .bare = true,
     .run = sc_command_not_yet},
    {.name = "checkpoint",
     .usage = "checkpoint show|set|reset NAME",
     .summary = "Positions by hand",
     .examples = "  signal-client checkpoint show okta-prod\n",
     .bare = true,
     .run = sc_command_not_yet},
    {.name = "backfill",
     .usage = "backfill NAME --from TIME --to TIME",
     .summary = "A second walk over older records",
     .examples = "  signal-client backfill okta-prod --from 2026-11-01 --to 2026-11-02\n",
     .bare = true,
     .run = sc_command_not_yet},
    {.name = "seal",
     .usage = "seal",
     .summary = "Encrypts a credential for an integration",
     .examples = "  signal-client seal\n",
     .bare = true,
     .run = sc_command_not_yet},
    {
        .name = "config",
        .usage = "config [--json]",
        .summary = "Every setting, its value and where it came from",
        .examples = "  signal-client config\n"
                    "  signal-client config --json | jq '.settings[] | {key, value, help}'\n",
        .run = sc_command_config,
    },
    {
        .name = "health",
        .usage = "health [--json]",
        .summary = "0 when the agent's loops have turned within 30 s",
        .examples = "  signal-client health\n",
        .run = sc_command_health,
    },
    {
        .name = "version",
        .usage = "version [--json]",
        .summary = "The version of this program",
        .examples = "  signal-client version\n",
        .bare = true,
        .run = sc_command_version,
    },
    {
        .name = "help",
        .usage = "help [COMMAND]",
        .summary = "This list, or how one command is used",
        .examples = "  signal-client help integrations put\n",
        .bare = true,
        .run = sc_command_help,
    },
    {0},
};

int sc_command_not_yet(struct sc_cli *cli)
{
    return sc_say(SC_EXIT_USAGE, "%s is not supported yet by version " SIGNAL_VERSION, cli->command->name);
}
