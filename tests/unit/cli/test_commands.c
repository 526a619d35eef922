/* The command line without NATS: what is wrong use, what it is told, what the table promises. */
#include "cli/commands.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define MAX_WORDS  16
#define TEXT(x)    #x
#define TEXT_OF(x) TEXT(x)
#define ABI_TEXT   TEXT_OF(SC_CONNECTOR_ABI)

struct caught {
    int exit_code;
    char out[1 << 20], err[32768];
};

static int ran; /* how often the agent was started, and with what */
static bool ran_json, ran_plugins;
static char ran_url[128];

static int run_agent(struct sc_cli *cli)
{
    ran++;
    ran_json = cli->json;
    ran_plugins = cli->plugins != NULL;
    snprintf(ran_url, sizeof ran_url, "%s", cli->settings.nats_url);
    return 0;
}

static void take_back(int fd, FILE *stream, int saved, char *out, size_t cap)
{
    fflush(stream);
    dup2(saved, fileno(stream));
    close(saved);
    ssize_t got = pread(fd, out, cap - 1, 0);
    out[got > 0 ? got : 0] = '\0';
    close(fd);
}

/* Words separated by blanks. */
static void call(const char *words, struct caught *caught)
{
    char line[512], *argv[MAX_WORDS + 1] = {0}, *rest = line, *word;
    int argc = 0, out = memfd_create("out", 0), err = memfd_create("err", 0);
    snprintf(line, sizeof line, "signal-client %s", words);
    while (argc < MAX_WORDS && (word = strsep(&rest, " ")))
        if (*word)
            argv[argc++] = word;
    fflush(stdout);
    fflush(stderr);
    int saved_out = dup(1), saved_err = dup(2);
    dup2(out, 1);
    dup2(err, 2);
    caught->exit_code = sc_cli_main(argc, argv, run_agent);
    take_back(out, stdout, saved_out, caught->out, sizeof caught->out);
    take_back(err, stderr, saved_err, caught->err, sizeof caught->err);
}

static const struct {
    const char *words;
    int exit_code;
    const char *out, *err; /* what must stand in it; "" = it must be empty */
} uses[] = {
    {"", 2, "", "usage: signal-client COMMAND"},
    {"help", 0, "integrations put", ""},
    {"--help", 0, "Exit codes: 0 good, 1 the thing asked about is bad, 2 wrong use.", ""},
    {"-h run", 0, "usage: signal-client run", ""},
    {"integrations put --help", 0, "examples:\n  signal-client integrations put okta-prod --type okta", ""},
    {"tail --help", 0, "  --last N                      first the newest N that match (default: only what arrives from now on)\n", ""},
    {"tail --help", 0, "exit codes: 0 good, 1 there is no stream, or NATS cannot be reached at the start, 2 wrong use\n", ""},
    {"tail x --last 5 --help", 0, "Artifacts as they arrive in the stream, of all integrations or of one.\n\nusage: signal-client tail [NAME]", ""},
    {"status --help", 0, "What every data type is doing, since when, why, and what to do.", ""},
    {"help", 0, "\nlook\n  tail                   Artifacts", ""},
    {"help a b c", 2, "", "unexpected argument \"c\""},
    {"help integrations put", 0, "usage: signal-client integrations put NAME", ""},
    {"help integrations", 0, "signal-client integrations enable NAME\n        Polls it again", ""},
    {"help nothing", 2, "", "unknown command \"nothing\": `signal-client help` lists them"},
    {"help integrations nothing", 2, "", "unknown command \"integrations nothing\"; there are:"},
    {"version", 0, "signal-client " SIGNAL_VERSION " (connector ABI " ABI_TEXT ")\n", ""},
    {"--version", 0, "signal-client " SIGNAL_VERSION, ""},
    {"version --json", 0, "\"connector_abi\": " ABI_TEXT, ""},
    {"version 1", 2, "", "unexpected argument \"1\""},
#ifdef SIGNAL_FAULT_POINTS
    {"version --crash-points", 0, "anchor.before\nanchor.after\npublish.before\n", ""},
#else
    {"version --crash-points", 2, "", "this build has no crash points: configure it with -DSIGNAL_FAULT_POINTS=ON"},
#endif
    {"vresion", 2, "", "unknown command \"vresion\": `signal-client help` lists them"},
    {"integrations", 2, "", "integrations what? There are:"},
    {"integrations lst", 2, "", "unknown command \"integrations lst\"; there are:"},
    {"--frobnicate", 2, "", "unknown option --frobnicate: `signal-client help` lists the commands"},
    {"config --frobnicate", 2, "", "unknown option --frobnicate\nusage: signal-client config [--markdown] [--metrics] [--json]"},
    {"config -x", 2, "", "unknown option -x"},
    {"config extra", 2, "", "unexpected argument \"extra\""},
    {"config --io.threads=x", 2, "", "option --io.threads: io.threads is \"x\": give a whole number from 1 to 64"},
    {"config --io.threads", 2, "", "--io.threads needs a value: --io.threads=VALUE"},
    {"config --nats.port=1", 2, "", "unknown option --nats.port"},
    {"config --log.format=xml", 2, "", "log.format is \"xml\": give one of: text json"},
    {"config --config=/nowhere.conf", 1, "", "cannot read settings file /nowhere.conf: No such file or directory"},
    {"config --config /nowhere.conf", 1, "", "cannot read settings file /nowhere.conf"},
    {"config --io.threads=2", 0, "io.threads                 2 ", ""},
    {"config --io.threads 2", 0, "option --io.threads", ""},
    {"--io.threads=2 config --json", 0, "\"source\": \"option --io.threads\"", ""},
    {"health --run.dir=/nowhere", 1, "unhealthy: no heartbeat in /nowhere/health", ""},
    {"health --run.dir=/nowhere --json", 1, "\"healthy\": false", ""},
    {"connectors list --connectors.path=/nowhere", 1, "", "warning: /nowhere: cannot look for connectors there"},
    {"connectors list --connectors.path=/nowhere", 1, "", "no connectors in /nowhere: set connectors.path (SIGNAL_CLIENT_CONNECTORS)"},
    {"connectors show", 2, "", "a name is missing\nusage: signal-client connectors show NAME"},
    {"connectors show x --connectors.path=/nowhere", 1, "", "there is no connector x: `signal-client connectors list` shows what there is"},
    {"integrations put", 2, "", "a name is missing"},
    {"integrations put a..b --type x", 2, "", "\"a..b\" cannot be a name"},
    {"integrations put a", 2, "", "say what a shall be: --type with fields, the fields to change, or --file"},
    {"integrations put a --file x --type okta", 2, "", "--file holds everything: give no other option beside it but --from-now, --plain and --as-is"},
    {"integrations put a --type", 2, "", "--type needs a value: TYPE\n"},
    {"integrations put a --disabled=1", 2, "", "--disabled takes no value"},
    {"integrations put a --file /nowhere.json", 1, "", "cannot read /nowhere.json: No such file or directory"},
    {"integrations put a --type oktaa --connectors.path=/nowhere", 2, "", "unknown type \"oktaa\""},
    {"integrations remove a", 2, "", "nobody can be asked here: confirm with --yes"},
    {"integrations enable", 2, "", "a name is missing"},
    {"integrations list --nats.url=nats://127.0.0.1:1", 1, "", "NATS"},
    {"demo --for x", 2, "", "usage: signal-client demo [--for TIME] [--keep]"},
    {"status --watch --json", 2, "", "--watch is for people: leave --json out"},
    {"tail a b", 2, "", "unexpected argument \"b\""},
    {"tail --last 0", 2, "", "--last 0: give a number from 1 to 1000000"},
    {"tail --last 1000001", 2, "", "--last 1000001: give a number from 1 to 1000000"},
    {"tail --count -1", 2, "", "--count -1: give a number from 1"},
    {"tail --since later", 2, "", "--since later: give a time that has passed"},
    {"tail --since 2999-01-01", 2, "", "--since 2999-01-01: give a time that has passed"},
    {"tail --for 1y", 2, "", "--for 1y: give a time such as 30s, 10m, 2h, or 0"},
    {"tail --raw --headers", 2, "", "--raw prints the body alone: leave --headers out"},
    {"tail --raw --json", 2, "", "--raw prints the body alone: leave --json out"},
    {"tail --nats.url=nats://127.0.0.1:1", 1, "", "connection refused"},
    {"poll", 2, "", "a name is missing"},
    {"log loud", 2, "", "loud is no level: give debug, info, warn, error, or reset"},
    {"log --for 10m", 2, "", "give a level: debug, info, warn, error, or reset"},
    {"log debug --for soon", 2, "", "--for soon: give a time of a second or more"},
    {"log reset --for 10m", 2, "", "and no reset"},
    {"poll x --limit 0", 2, "", "--limit 0: give a number from 1"},
    {"poll x --from yesterday --dry-run", 2, "", "--from yesterday: give a time such as 2026-11-22T10:15:00Z"},
    {"poll x --from 2026-11-22T10:15:00Z", 2, "", "--from is for --dry-run: a live poll begins at its position"},
    {"checkpoint", 2, "", "checkpoint what? There are:"},
    {"checkpoint show", 2, "", "a name is missing"},
    {"checkpoint show x --nats.url=nats://127.0.0.1:1", 1, "", "connection refused"},
    {"checkpoint set x", 2, "", "--data-type is missing: positions of several are not the same"},
    {"checkpoint set x --data-type t", 2, "", "give either --time or --position"},
    {"checkpoint set x --data-type t --time 2026-11-01 --position {}", 2, "", "give either --time or --position"},
    {"checkpoint set x --data-type t --time yesterday", 2, "", "--time yesterday: give a time such as 2026-11-22T10:15:00Z, or a day"},
    {"checkpoint set x --data-type t --time 2026-13-01", 2, "", "--time 2026-13-01: give a time"},
    {"checkpoint set x --data-type t --position []", 2, "", "--position: the position is no JSON object"},
    {"checkpoint set x --data-type t --position @/nowhere", 2, "", "--position: cannot read /nowhere"},
    {"checkpoint reset x --republish", 1, "", "without a terminal to ask on it needs --yes. Nothing is changed"},
    {"backfill x --from a --to b", 2, "", "--data-type is missing"},
    {"backfill x --data-type t --from 2026-11-01", 2, "", "--to is missing"},
    {"backfill x --data-type t --from 2026-11-01 --to later", 2, "", "--to later: give a time such as 2026-11-22T10:15:00Z, or a day"},
    {"backfill list --nats.url=nats://127.0.0.1:1", 1, "", "connection refused"},
    {"backfill stop", 2, "", "a name is missing"},
    {"seal", 2, "", "say what is sealed: NAME of the integration and FIELD"},
    {"seal x", 2, "", "say what is sealed: NAME of the integration and FIELD"},
    {"seal x api_token --rotate", 2, "", "give one of NAME FIELD, --new-key and --rotate"},
    {"seal --rotate --new-key x", 2, "", "give one of NAME FIELD, --new-key and --rotate"},
    {"seal --new-key x --unsealed", 2, "", "--unsealed belongs to --rotate"},
    {"seal a..b api_token", 2, "", "\"a..b\" cannot be a name"},
    {"seal x nothing --connectors.path=" MODULES, 2, "", "no connector has a secret \"nothing\""},
    {"seal x api_token --connectors.path=" MODULES, 1, "", "seal.key_file is not set: set it to a key file; `signal-client seal --new-key FILE` makes one"},
    {"seal x proxy --seal.key_file=/nowhere --connectors.path=" MODULES, 1, "", "key file /nowhere cannot be read by user "},
    {"seal --rotate", 1, "", "seal.key_file is not set"},
    {"seal --new-key /nowhere/key", 1, "", "cannot make key file /nowhere/key: No such file or directory"},
    {"config --seal.old_key_file=/x", 1, "", "seal.old_key_file is set and seal.key_file is not"},
    {"integrations import", 2, "", "FILE|- is missing"},
    {"integrations import /nowhere.json", 1, "", "cannot read /nowhere.json: No such file or directory; nothing was written"},
    {"integrations import - --secrets-file -", 2, "", "integrations and secrets cannot both come from standard input"},
    {"integrations import a b", 2, "", "unexpected argument \"b\""},
    {"completion", 2, "", "say for which shell: bash or zsh"},
    {"completion bash", 0, "complete -F _signal_client signal-client\n", ""},
    {"completion zsh", 0, "#compdef signal-client\n", ""},
    {"completion --list x", 2, "", "--list x: give connectors, integrations, data-types or settings"},
    {"completion --list settings", 0, "--nats.url\n", ""},
    {"completion --list connectors", 0, "", ""},
    {"run extra", 2, "", "unexpected argument \"extra\""},
};

static void test_commands_use(void **state)
{
    (void)state;
    int null = open("/dev/null", O_RDONLY), input = dup(0);
    dup2(null, 0); /* no terminal, whoever runs this */
    struct caught *caught = calloc(1, sizeof *caught);
    for (size_t i = 0; i < ROWS(uses); i++) {
        call(uses[i].words, caught);
        if (*uses[i].out ? !strstr(caught->out, uses[i].out) : *caught->out)
            CHECK_TEXT(uses[i].words, caught->out, uses[i].out);
        if (*uses[i].err ? !strstr(caught->err, uses[i].err) : *caught->err)
            CHECK_TEXT(uses[i].words, caught->err, uses[i].err);
        CHECK_INT(uses[i].words, caught->exit_code, uses[i].exit_code);
    }
    CHECK_INT("the agent was never started", ran, 0);
    dup2(input, 0);
    close(input);
    close(null);
    free(caught);
}

static void test_commands_run(void **state)
{
    (void)state;
    struct caught *caught = calloc(1, sizeof *caught);
    call("run --nats.url=nats://there:1 --json --connectors.path=/", caught);
    CHECK_INT(caught->err, caught->exit_code, 0);
    CHECK_INT("once", ran, 1);
    CHECK_TEXT("with its settings", ran_url, "nats://there:1");
    CHECK_TRUE("and connectors", ran_plugins && ran_json);
    free(caught);
}

/* Each row can be found by its name, and tells how it is used. */
static void test_commands_table(void **state)
{
    (void)state;
    struct caught *caught = calloc(1, sizeof *caught);
    for (const struct sc_command *row = sc_commands; row->name; row++) {
        SC_AUTO_FREE char *words = sc_printf("%s --help", row->name);
        struct sc_buf usage = {0};
        size_t examples = 0;
        sc_usage_add(row, &usage);
        for (const char *at = row->examples; (at = strstr(at, "signal-client ")); at++)
            examples++;
        CHECK_TRUE("a line without a full stop", *row->summary && row->summary[strlen(row->summary) - 1] != '.');
        CHECK_TRUE("two to four examples", (examples >= 2 && examples <= 4) || row->run == sc_command_not_yet);
        CHECK_TRUE("only the agent has no function of its own", row->run || strcmp(row->name, "run") == 0);
        call(words, caught);
        CHECK_INT(row->name, caught->exit_code, 0);
        CHECK_TRUE(row->name, strstr(caught->out, usage.ptr) && strstr(caught->out, row->examples) && strstr(caught->out, "exit codes: 0 good"));
        for (const struct sc_option_row *option = row->options; option && option->name; option++)
            CHECK_TRUE(option->name, strstr(caught->out, option->help) && (!option->def || strstr(caught->out, option->def)));
        sc_buf_done(&usage);
    }
    free(caught);
}

/* The words of one example; shell syntax ends them. Variables in front are left out. */
static int split_example(char *line, char *argv[MAX_WORDS])
{
    char *word, *rest = line;
    int argc = 0;
    while (argc < MAX_WORDS && (word = strsep(&rest, " "))) {
        if (strchr("|<>", *word) && *word)
            break;
        if (*word && (argc || !strchr(word, '=')))
            argv[argc++] = word;
    }
    return argc;
}

/* What an example shows is taken by its command. */
static void check_example(const struct sc_command *row, const char *example)
{
    char line[512], *argv[MAX_WORDS + 1] = {0};
    const char *from = strstr(example, "signal-client ");
    size_t len = strcspn(from, "\n)");
    struct sc_args args = {0};
    int used;
    snprintf(line, sizeof line, "%.*s", (int)len, from);
    int argc = split_example(line, argv), kept = 1;
    CHECK_TRUE(example, sc_command_find(argv + 1, argc - 1, &used) == row);
    for (int i = 1 + used; i < argc; i++) /* what cli.c takes out */
        if (strcmp(argv[i], "--json") != 0 && !(strncmp(argv[i], "--", 2) == 0 && strchr(argv[i], '.')) && !(strcmp(argv[i], "--config") == 0 && ++i))
            argv[kept++] = argv[i];
    struct sc_cli cli = {.command = row, .argc = kept - 1, .argv = argv + 1};
    CHECK_INT(example, sc_args_read(&cli, &args), 0);
    sc_args_done(&args);
}

static void test_commands_examples(void **state)
{
    (void)state;
    for (const struct sc_command *row = sc_commands; row->name; row++)
        for (const char *at = row->examples; at && *at && row->run != sc_command_not_yet; at = strchr(at, '\n') + 1)
            check_example(row, at);
}

/* ---- pages of docs/ made of tables --------------------------------------------------------------------------------------- */

#define STALE "a page of docs/ is older than the tables: docs/refresh.py PATH-OF-SIGNAL-CLIENT"

/* What the words print, and the page as it lies there. */
static char *page_of(const char *words, const char *path, struct caught *caught)
{
    char *page = calloc(1, sizeof caught->out);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    page[fread(page, 1, sizeof caught->out - 1, file)] = '\0';
    fclose(file);
    call(words, caught);
    CHECK_TEXT(words, caught->err, "");
    CHECK_INT(words, caught->exit_code, 0);
    CHECK_TRUE("the whole page fits", strlen(caught->out) < sizeof caught->out - 1);
    return page;
}

/* Tells the first line that differs, not two whole pages. */
static void check_same(const char *page, const char *printed)
{
    char is[200], want[200];
    int line = 1;
    size_t begin = 0, i = 0;
    for (; page[i] && page[i] == printed[i]; i++)
        if (page[i] == '\n') {
            begin = i + 1;
            line++;
        }
    if (page[i] == printed[i])
        return;
    snprintf(is, sizeof is, "line %d: %.*s", line, (int)strcspn(page + begin, "\n"), page + begin);
    snprintf(want, sizeof want, "line %d: %.*s", line, (int)strcspn(printed + begin, "\n"), printed + begin);
    fail_msg("%s\n  page:  %s\n  table: %s", STALE, is, want);
}

static void test_commands_page(void **state)
{
    static const char *const whole[][2] = {
        {"help --markdown", SOURCE_DIR "/docs/commands.md"},
        {"connectors list --markdown --connectors.path=" MODULES, SOURCE_DIR "/docs/connectors.md"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(whole); i++) {
        struct caught *caught = calloc(1, sizeof *caught);
        char *page = page_of(whole[i][0], whole[i][1], caught);
        check_same(page, caught->out);
        free(page);
        free(caught);
    }
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

/* Pages with prose between their tables: each block that the command prints stands in the page as it is, and no other. */
static void check_blocks(const char *command, const char *path)
{
    struct caught *caught = calloc(1, sizeof *caught);
    char *page = page_of(command, path, caught);
    CHECK_INT("two tables", count_of(caught->out, "<!-- begin "), 2);
    CHECK_INT("and no other in the page", count_of(page, "<!-- begin "), 2);
    for (char *at = caught->out; (at = strstr(at, "<!-- begin "));) {
        char *end = strstr(at, "<!-- end ");
        assert_non_null(end);
        *end = '\0';
        CHECK_TRUE(STALE, strstr(page, at) != NULL);
        at = end + 1;
    }
    free(page);
    free(caught);
}

static void test_commands_blocks(void **state)
{
    (void)state;
    check_blocks("config --markdown", SOURCE_DIR "/docs/configuration.md");
    check_blocks("config --metrics", SOURCE_DIR "/docs/metrics.md");
}

/* A section alone is the one of the page. */
static void test_commands_section(void **state)
{
    (void)state;
    struct caught *caught = calloc(1, sizeof *caught);
    char *page = page_of("connectors show okta --markdown --connectors.path=" MODULES, SOURCE_DIR "/docs/connectors.md", caught);
    CHECK_TRUE(STALE, *caught->out && strstr(page, caught->out));
    CHECK_TRUE("it is that vendor's", strncmp(caught->out, "## okta\n", 8) == 0);
    CHECK_TRUE("its fields", strstr(caught->out, "| `credentials.api_token` | API token | required, secret."));
    CHECK_TRUE("a line that can be pasted", strstr(caught->out, "put my-okta --type okta --set fqdn=acme.okta.com --secret api_token\n"));
    free(page);
    free(caught);
}

static void test_commands_span(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {{"10m", 600000}, {"10min", 600000}, {"90s", 90000}, {"90", 90000}, {"0", 0}, {"1.5h", 5400000}, {"2d", 172800000},
                {"250ms", 250}, {"", -1}, {"m", -1}, {"1.", -1}, {".5s", -1}, {"1.2.3s", -1}, {"-5s", -1}, {"5 s", -1}, {"5y", -1},
                {"1e3s", -1}, {"3651d", -1}, {"9999999999999999s", -1}};
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_INT(rows[i].text, sc_parse_span_ms(rows[i].text), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_use),
        cmocka_unit_test(test_commands_run),
        cmocka_unit_test(test_commands_table),
        cmocka_unit_test(test_commands_examples),
        cmocka_unit_test(test_commands_page),
        cmocka_unit_test(test_commands_blocks),
        cmocka_unit_test(test_commands_section),
        cmocka_unit_test(test_commands_span),
    };
    clearenv();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
