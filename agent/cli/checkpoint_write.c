/* checkpoint set, checkpoint reset: positions by hand. The agent that holds the lease writes them; where none runs, one is started for this command. */
#include "cli/ask.h"

#include "base/clock.h"

#include <stdlib.h>

#define POSITION_MAX 65536u

const char *sc_cli_time(const char *text, struct sc_buf *room)
{
    sc_buf_clear(room);
    sc_buf_addf(room, strlen(text) == 10 ? "%sT00:00:00Z" : "%s", text);
    return room->ptr && sc_time_is_rfc3339(sc_buf_str(room)) && sc_time_parse_rfc3339(sc_buf_str(room)) > 0 ? room->ptr : NULL;
}

int sc_cli_ask(struct sc_cli *cli, json_t *request, const char *stopped)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_asker *asker = sc_asker_open(cli, request, &err);
    if (!asker)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    int rc = sc_asker_follow(cli, asker, stopped);
    sc_asker_close(asker);
    return rc;
}

static void add_flag(json_t *request, const struct sc_args *args, const char *option, const char *member)
{
    if (sc_args_get(args, option))
        json_object_set_new(request, member, json_true());
}

/* JSON, or a file with "@", or "-". */
static json_t *read_position(const char *text, struct sc_error *err)
{
    SC_AUTO_BUF struct sc_buf file = {0};
    json_error_t why;
    bool is_file = *text == '@' || strcmp(text, "-") == 0;
    if (is_file && sc_read_input(*text == '@' ? text + 1 : text, POSITION_MAX, &file, err))
        return NULL;
    json_t *position = json_loadb(is_file ? file.ptr : text, is_file ? file.len : strlen(text), JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(position))
        return position;
    sc_fail(err, SC_REASON_CONFIG_INVALID, "the position is no JSON object%s%s", position ? "" : ": ", position ? "" : why.text);
    json_decref(position);
    return NULL;
}

int sc_command_checkpoint_set(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_error err = SC_ERROR_INIT;
    SC_AUTO_BUF struct sc_buf room = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    const char *type = sc_args_get(&args, "data-type"), *time = sc_args_get(&args, "time"), *position = sc_args_get(&args, "position");
    if (!type)
        return sc_usage_error(cli, "--data-type is missing: positions of several are not the same");
    if (!time == !position)
        return sc_usage_error(cli, "give either --time or --position");
    const char *at = time ? sc_cli_time(time, &room) : NULL;
    if (time && !at)
        return sc_usage_error(cli, "--time %.40s: give a time such as 2026-11-22T10:15:00Z, or a day", time);
    json_t *object = position ? read_position(position, &err) : NULL;
    if (position && !object)
        return sc_usage_error(cli, "--position: %s", err.text);
    json_t *request = json_pack("{s:s, s:s, s:s, s:s}", "op", "checkpoint", "do", "set", "integration", args.words[0], "data_type", type);
    if (at)
        json_object_set_new(request, "time", json_string(at));
    else
        json_object_set_new(request, "position", object);
    add_flag(request, &args, "allow-doubles", "allow_doubles");
    return sc_cli_ask(cli, request, "stopped; look with `checkpoint show` whether it was written");
}

static json_t *reset_request(const struct sc_args *args, bool look)
{
    json_t *request = json_pack("{s:s, s:s, s:s}", "op", "checkpoint", "do", "reset", "integration", args->words[0]);
    if (sc_args_get(args, "data-type"))
        json_object_set_new(request, "data_type", json_string(sc_args_get(args, "data-type")));
    add_flag(request, args, "republish", "republish");
    add_flag(request, args, "allow-doubles", "allow_doubles");
    if (look)
        json_object_set_new(request, "look", json_true());
    return request;
}

int sc_command_checkpoint_reset(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    if (sc_args_get(&args, "republish") && !sc_args_get(&args, "yes")) {
        if (cli->json || !sc_can_ask())
            return sc_say(SC_EXIT_BAD, "--republish makes records come again that are in the stream: without a terminal to ask on it needs --yes. Nothing is changed");
        int rc = sc_cli_ask(cli, reset_request(&args, true), "stopped; nothing is changed");
        if (rc)
            return rc;
        if (!sc_ask_yes("Publish them again?"))
            return sc_say(SC_EXIT_BAD, "nothing is changed");
    }
    return sc_cli_ask(cli, reset_request(&args, false), "stopped; look with `checkpoint show` whether it was written");
}
