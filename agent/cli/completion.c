/* completion: a shell script made of the table of commands. Commands and options stand in it; what changes (connectors, integrations,
 * data types, settings) it asks of this program while the user types, so nobody may have to wait: silence is a good answer. */
#include "cli/commands.h"

#include "base/clock.h"
#include "nats/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMES_MS 300 /* for the names of integrations, all in all */

/* ---- the script: what bash and zsh share ------------------------------------------------------------------------------- */

static const char core[] =
    "# What may stand at $2, behind the words $3...; one a line, \":files\" for files. $1: the program.\n"
    "_signal_client_candidates() {\n"
    "    local program=\"$1\" current=\"$2\" command=\"\" option=\"\" type=\"\" word=\"\"\n"
    "    shift 2\n"
    "    for word in \"$@\"; do\n"
    "        if [ -n \"$option\" ]; then\n"
    "            [ \"$option\" != --type ] || type=\"$word\"\n"
    "            option=\"\"\n"
    "            continue\n"
    "        fi\n"
    "        case \"$word\" in\n"
    "        --type=*) type=\"${word#--type=}\" ;;\n"
    "        --*=*) ;;\n"
    "        --*) if _signal_client_takes_value \"$command\" \"$word\"; then option=\"$word\"; fi ;;\n"
    "        *)\n"
    "            if [ -z \"$command\" ]; then command=\"$word\"\n"
    "            elif _signal_client_is_family \"$command\"; then command=\"$command $word\"; fi ;;\n"
    "        esac\n"
    "    done\n"
    "    case \"$current\" in --*=*) option=\"${current%%=*}\" ;; esac\n"
    "    if [ -n \"$option\" ]; then _signal_client_values \"$program\" \"$command\" \"$option\" \"$type\"; return; fi\n"
    "    case \"$current\" in\n"
    "    --*.*) \"$program\" completion --list settings 2>/dev/null ;;\n"
    "    -*) _signal_client_options \"$program\" \"$command\" ;;\n"
    "    *) _signal_client_words \"$program\" \"$command\" ;;\n"
    "    esac\n"
    "}\n";

static const char bash_end[] =
    "\n"
    "_signal_client() {\n"
    "    local all=() glue=\"\" word=\"\" i candidate file current typed prefix=\"\"\n"
    "    for ((i = 1; i <= COMP_CWORD; i++)); do # bash cuts words at '='\n"
    "        word=\"${COMP_WORDS[i]}\"\n"
    "        if [ ${#all[@]} -gt 0 ] && { [ \"$word\" = \"=\" ] || [ -n \"$glue\" ]; }; then all[${#all[@]}-1]+=\"$word\"\n"
    "        else all+=(\"$word\"); fi\n"
    "        if [ \"$word\" = \"=\" ]; then glue=1; else glue=\"\"; fi\n"
    "    done\n"
    "    current=\"${all[${#all[@]}-1]}\"\n"
    "    unset \"all[${#all[@]}-1]\"\n"
    "    typed=\"$current\"\n"
    "    case \"$current\" in --*=*) typed=\"${current#*=}\" ;; esac\n"
    "    case \"${COMP_WORDS[COMP_CWORD]}\" in --*=*) prefix=\"${current%%=*}=\" ;; esac\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r candidate; do\n"
    "        if [ \"$candidate\" = :files ]; then\n"
    "            compopt -o filenames 2>/dev/null\n"
    "            while IFS= read -r file; do COMPREPLY+=(\"$prefix$file\"); done < <(compgen -f -- \"$typed\")\n"
    "        elif [[ \"$candidate\" == \"$typed\"* ]]; then\n"
    "            COMPREPLY+=(\"$prefix$candidate\")\n"
    "        fi\n"
    "    done < <(_signal_client_candidates \"${COMP_WORDS[0]}\" \"$current\" \"${all[@]}\")\n"
    "}\n"
    "complete -F _signal_client signal-client\n";

static const char zsh_end[] =
    "\n"
    "_signal-client() {\n"
    "    local candidate current=\"${words[CURRENT]}\"\n"
    "    local -a list\n"
    "    list=()\n"
    "    for candidate in \"${(@f)$(_signal_client_candidates \"${words[1]}\" \"$current\" \"${(@)words[2,CURRENT-1]}\")}\"; do\n"
    "        case \"$candidate\" in :files) list=(:files) ;; ?*) list+=(\"$candidate\") ;; esac\n"
    "    done\n"
    "    case \"$current\" in --*=*) compset -P '*=' ;; esac\n"
    "    if [[ \"${list[1]}\" == :files ]]; then _files; elif (( ${#list} )); then compadd -a list; fi\n"
    "}\n"
    "if [[ \"${funcstack[1]}\" == _signal-client ]]; then _signal-client \"$@\"; else compdef _signal-client signal-client; fi\n";

/* ---- the script: what the table says ------------------------------------------------------------------------------------ */

static size_t first_word(const char *name)
{
    return strcspn(name, " ");
}

static bool same_first_word(const struct sc_command *a, const struct sc_command *b)
{
    return first_word(a->name) == first_word(b->name) && strncmp(a->name, b->name, first_word(a->name)) == 0;
}

/* Is it the first row that begins with its first word? */
static bool is_new_word(const struct sc_command *row)
{
    for (const struct sc_command *before = sc_commands; before < row; before++)
        if (same_first_word(before, row))
            return false;
    return true;
}

/* " first second": the first words of all, or the second ones of a family. */
static void add_names(struct sc_buf *out, const struct sc_command *family)
{
    for (const struct sc_command *row = sc_commands; row->name; row++) {
        size_t len = first_word(row->name);
        bool wanted = family ? same_first_word(family, row) : is_new_word(row);
        if (wanted && row->run != sc_command_not_yet)
            sc_buf_addf(out, " %.*s", family ? (int)strlen(row->name) : (int)len, family ? row->name + len + 1 : row->name);
    }
}

/* "a|b=[x]" as words of the shell: none of ours needs quotes but for safety all have them. */
static void add_own_words(struct sc_buf *out, const char *words)
{
    sc_buf_add_str(out, "printf '%s\\n'");
    for (const char *at = words; *at;) {
        size_t len = strcspn(at, "|[]");
        if (len)
            sc_buf_addf(out, " '%.*s'", (int)len, at);
        at += len + (at[len] != '\0');
    }
}

/* The command of the shell that prints the candidates; nothing for free text. */
static bool add_source(struct sc_buf *out, enum sc_candidates candidates, const char *own)
{
    switch (candidates) {
    case SC_COMPLETE_OWN_WORDS:
        add_own_words(out, own);
        return true;
    case SC_COMPLETE_FILES:
        sc_buf_add_str(out, "printf '%s\\n' :files");
        return true;
    case SC_COMPLETE_CONNECTORS:
        sc_buf_add_str(out, "\"$1\" completion --list connectors 2>/dev/null");
        return true;
    case SC_COMPLETE_INTEGRATIONS:
        sc_buf_add_str(out, "\"$1\" completion --list integrations 2>/dev/null");
        return true;
    case SC_COMPLETE_DATA_TYPES:
        sc_buf_add_str(out, "\"$1\" completion --list data-types ${4:+--of \"$4\"} 2>/dev/null");
        return true;
    case SC_COMPLETE_COMMANDS:
        sc_buf_add_str(out, "printf '%s\\n'");
        add_names(out, NULL);
        return true;
    case SC_COMPLETE_FREE_TEXT:
    default:
        return false;
    }
}

static void add_families(struct sc_buf *out)
{
    sc_buf_add_str(out, "_signal_client_is_family() {\n    case \"$1\" in\n");
    for (const struct sc_command *row = sc_commands; row->name; row++)
        if (row->name[first_word(row->name)] && is_new_word(row))
            sc_buf_addf(out, "    %.*s) return 0 ;;\n", (int)first_word(row->name), row->name);
    sc_buf_add_str(out, "    esac\n    return 1\n}\n\n");
}

static void add_takes_value(struct sc_buf *out)
{
    sc_buf_add_str(out, "# Does the option $2 of the command $1 take the next word? Settings (--nats.url) all do.\n"
                        "_signal_client_takes_value() {\n    case \"$1 $2\" in\n    *' --'*.* | *' --'*_*");
    for (const struct sc_option_row *option = sc_common_options; option->name; option++)
        if (option->value)
            sc_buf_addf(out, " | *' --%s'", option->name);
    sc_buf_add_str(out, ") return 0 ;;\n");
    for (const struct sc_command *row = sc_commands; row->name; row++)
        for (const struct sc_option_row *option = row->options; option && option->name; option++)
            if (option->value)
                sc_buf_addf(out, "    '%s --%s') return 0 ;;\n", row->name, option->name);
    sc_buf_add_str(out, "    esac\n    return 1\n}\n\n");
}

static void add_values(struct sc_buf *out)
{
    sc_buf_add_str(out, "# Values of the option $3 of the command $2; $4: the connector that --type names.\n"
                        "_signal_client_values() {\n    case \"$2 $3\" in\n");
    for (const struct sc_command *row = sc_commands; row->name; row++)
        for (const struct sc_option_row *option = row->options; option && option->name; option++) {
            struct sc_buf source SC_AUTO_BUF = {0};
            if (option->value && add_source(&source, option->candidates, option->value))
                sc_buf_addf(out, "    '%s --%s') %s ;;\n", row->name, option->name, sc_buf_str(&source).ptr);
        }
    for (const struct sc_option_row *option = sc_common_options; option->name; option++)
        if (option->candidates == SC_COMPLETE_FILES)
            sc_buf_addf(out, "    *' --%s') printf '%%s\\n' :files ;;\n", option->name);
    sc_buf_add_str(out, "    esac\n}\n\n");
}

static void add_options(struct sc_buf *out)
{
    sc_buf_add_str(out, "# Options of the command $2.\n_signal_client_options() {\n    case \"$2\" in\n");
    for (const struct sc_command *row = sc_commands; row->name; row++) {
        if (!row->options && !row->json)
            continue;
        sc_buf_addf(out, "    '%s') printf '%%s\\n'", row->name);
        for (const struct sc_option_row *option = row->options; option && option->name; option++)
            sc_buf_addf(out, " --%s", option->name);
        sc_buf_addf(out, "%s ;;\n", row->json ? " --json" : "");
    }
    sc_buf_add_str(out, "    esac\n    printf '%s\\n'");
    for (const struct sc_option_row *option = sc_common_options; option->name; option++)
        sc_buf_addf(out, " --%s", option->name);
    sc_buf_add_str(out, "\n    case \"$2\" in run | config) \"$1\" completion --list settings 2>/dev/null ;; esac\n}\n\n");
}

static void add_words(struct sc_buf *out)
{
    sc_buf_add_str(out, "# Words behind the command $2.\n_signal_client_words() {\n    case \"$2\" in\n    '') printf '%s\\n'");
    add_names(out, NULL);
    sc_buf_add_str(out, " ;;\n");
    for (const struct sc_command *row = sc_commands; row->name; row++) {
        struct sc_buf source SC_AUTO_BUF = {0};
        if (row->name[first_word(row->name)] && is_new_word(row)) {
            sc_buf_addf(out, "    %.*s) printf '%%s\\n'", (int)first_word(row->name), row->name);
            add_names(out, row);
            sc_buf_add_str(out, " ;;\n");
        }
        if (row->words && add_source(&source, row->candidates, row->words))
            sc_buf_addf(out, "    '%s') %s ;;\n", row->name, sc_buf_str(&source).ptr);
    }
    sc_buf_add_str(out, "    esac\n}\n\n");
}

static int print_script(bool zsh)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_buf_addf(&out, "%s# Completion of signal-client for %s, made by `signal-client completion %s`.\n\n", zsh ? "#compdef signal-client\n" : "",
                zsh ? "zsh" : "bash", zsh ? "zsh" : "bash");
    add_families(&out);
    add_takes_value(&out);
    add_values(&out);
    add_options(&out);
    add_words(&out);
    sc_buf_add_str(&out, core);
    sc_buf_add_str(&out, zsh ? zsh_end : bash_end);
    return sc_print(&out);
}

/* ---- names -------------------------------------------------------------------------------------------------------------- */

static void say_nothing(void *arg, const char *path, const char *why)
{
    (void)arg, (void)path, (void)why;
}

static bool load(struct sc_cli *cli, bool plugins)
{
    struct sc_error err = SC_ERROR_INIT;
    if (sc_settings_load(&cli->settings, cli->argv0, NULL, 0, &err))
        return false;
    if (plugins)
        cli->plugins = sc_plugins_load(cli->settings.connectors_path, say_nothing, NULL, &err);
    return !plugins || cli->plugins;
}

static int list_connectors(struct sc_cli *cli)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    for (size_t i = 0; load(cli, true) && i < sc_plugins_count(cli->plugins); i++)
        sc_buf_addf(&out, "%s\n", sc_plugins_at(cli->plugins, i)->connector->name);
    return sc_print(&out);
}

static int list_data_types(struct sc_cli *cli, const char *of)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    if (!load(cli, true))
        return SC_EXIT_GOOD;
    const struct sc_connector *only = of ? sc_plugins_find(cli->plugins, of) : NULL;
    for (size_t i = 0; i < sc_plugins_count(cli->plugins); i++) {
        const struct sc_connector *connector = sc_plugins_at(cli->plugins, i)->connector;
        for (const struct sc_data_type *type = connector->data_types; type && type->name && (!of || connector == only); type++)
            sc_buf_addf(&out, "%s\n", type->name);
    }
    return sc_print(&out);
}

static void add_setting(void *arg, const char *key, const char *value, enum sc_setting_origin origin, const char *source, const char *help,
                        const char *def)
{
    (void)value, (void)origin, (void)source, (void)help, (void)def;
    sc_buf_addf(arg, "--%s\n", key);
}

static int list_settings(struct sc_cli *cli)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    if (load(cli, false))
        sc_settings_each(&cli->settings, add_setting, &out);
    return sc_print(&out);
}

static int add_key(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    (void)rev, (void)value;
    return sc_buf_addf(arg, "%s\n", key);
}

static int print_integrations(struct sc_cli *cli)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_session *session = load(cli, false) ? sc_open_nats(cli, SC_TIMEOUT_MS, &err) : NULL;
    int rc = session && sc_kv_each(session, SC_INTEGRATIONS, add_key, &out, &err) == 0 ? sc_print(&out) : SC_EXIT_BAD;
    close(STDOUT_FILENO); /* the end of the list: nobody need wait for the connection to close */
    sc_session_close(session);
    return rc;
}

/* Everything that the child writes, if its end comes in time, else nothing. */
static int relay(int fd, pid_t child)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    int64_t end = sc_mono_ms() + NAMES_MS;
    bool complete = false;
    for (int64_t left = NAMES_MS; left > 0 && !complete; left = end - sc_mono_ms()) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        char piece[4096];
        ssize_t got = poll(&ready, 1, (int)left) > 0 ? read(fd, piece, sizeof piece) : -1;
        complete = got == 0;
        if (got > 0)
            sc_buf_add(&out, piece, (size_t)got);
    }
    int status = 0;
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return complete ? sc_print(&out) : SC_EXIT_GOOD;
}

/* A name that does not resolve, a server that does not answer: only another process can be left alone in time. It is this program
 * again, without the limit, with a pipe as its output. */
static int list_integrations(struct sc_cli *cli)
{
    char *argv[] = {(char *)(uintptr_t)cli->argv0, (char *)(uintptr_t)"completion", (char *)(uintptr_t)"--list",
                    (char *)(uintptr_t)"integrations", (char *)(uintptr_t)"--patient", NULL};
    posix_spawn_file_actions_t actions;
    int ends[2], rc = SC_EXIT_GOOD;
    pid_t child;
    if (pipe2(ends, O_CLOEXEC))
        return SC_EXIT_GOOD;
    posix_spawn_file_actions_init(&actions);
    bool good = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) == 0 &&
                posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
                posix_spawn(&child, "/proc/self/exe", &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (good)
        rc = relay(ends[0], child);
    close(ends[0]);
    return rc;
}

int sc_command_completion(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    const char *list = sc_args_get(&args, "list"), *shell = args.word_count ? args.words[0] : "";
    if (!list && strcmp(shell, "bash") != 0 && strcmp(shell, "zsh") != 0)
        return sc_usage_error(cli, "say for which shell: bash or zsh");
    if (!list)
        return print_script(strcmp(shell, "zsh") == 0);
    if (strcmp(list, "connectors") == 0)
        return list_connectors(cli);
    if (strcmp(list, "integrations") == 0)
        return sc_args_get(&args, "patient") ? print_integrations(cli) : list_integrations(cli);
    if (strcmp(list, "data-types") == 0)
        return list_data_types(cli, sc_args_get(&args, "of"));
    if (strcmp(list, "settings") == 0)
        return list_settings(cli);
    return sc_usage_error(cli, "--list %.40s: give connectors, integrations, data-types or settings", list);
}
