#include "cli/commands.h"

#include "operate/health.h"

int sc_command_health(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_buf line SC_AUTO_BUF = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    int bad = sc_health_read(cli->settings.run_dir, &line);
    int rc;
    if (cli->json) {
        rc = sc_print_json(json_pack("{s:b, s:s}", "healthy", !bad, "text", sc_buf_str(&line).ptr));
    } else {
        sc_buf_add_char(&line, '\n');
        rc = sc_print(&line);
    }
    return bad ? SC_EXIT_BAD : rc;
}
