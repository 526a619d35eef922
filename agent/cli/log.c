/* log: another level of the agent's log while it runs, of all or of one integration, for a while. */
#include "cli/ask.h"

#include "base/log.h"

#include <string.h>

static bool is_level(const char *text)
{
    enum sc_level level;
    return sc_log_parse_level(text, &level) || strcmp(text, "reset") == 0;
}

static int print(struct sc_cli *cli, const json_t *line)
{
    struct sc_buf text SC_AUTO_BUF = {0};
    if (cli->json)
        return sc_print_json(json_deep_copy(line));
    sc_add_clean(&text, sc_json_text(line, "log_level"));
    sc_buf_add_char(&text, '\n');
    return sc_print(&text);
}

int sc_command_log(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_error err = SC_ERROR_INIT;
    json_t *line;
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    const char *level = args.word_count ? args.words[0] : NULL, *span = sc_args_get(&args, "for"), *integration = sc_args_get(&args, "integration");
    int64_t for_ms = span ? sc_parse_span_ms(span) : 0;
    if (level && !is_level(level))
        return sc_usage_error(cli, "%.40s is no level: give debug, info, warn, error, or reset", level);
    if ((span || integration) && !level)
        return sc_usage_error(cli, "give a level: debug, info, warn, error, or reset");
    if (span && (for_ms < 1000 || strcmp(level, "reset") == 0))
        return sc_usage_error(cli, "--for %.40s: give a time of a second or more, such as 10m, 2h, and no reset", span);
    json_t *request = json_pack("{s:s, s:s*, s:s*}", "op", "log", "level", level, "integration", integration);
    if (for_ms)
        json_object_set_new(request, "seconds", json_integer(for_ms / 1000));
    if (sc_ask_running(cli, request, &line, &err))
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    int rc = print(cli, line);
    json_decref(line);
    return rc;
}
