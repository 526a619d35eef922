#include "cli/commands.h"

#include "base/fault.h"

#include <stdio.h>

#ifdef SIGNAL_FAULT_POINTS
static void print_point(const char *name)
{
    puts(name);
}

static int list_points(void)
{
    sc_fault_list(print_point);
    return fflush(stdout) ? SC_EXIT_BAD : SC_EXIT_GOOD;
}
#define FAULT_POINTS 1
#else
static int list_points(void)
{
    return sc_say(SC_EXIT_USAGE, "this build has no crash points: configure it with -DSIGNAL_FAULT_POINTS=ON");
}
#define FAULT_POINTS 0
#endif

int sc_command_version(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_buf out SC_AUTO_BUF = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    if (sc_args_get(&args, "crash-points"))
        return list_points();
    if (cli->json)
        return sc_print_json(
            json_pack("{s:s, s:i, s:b}", "version", SIGNAL_VERSION, "connector_abi", SC_CONNECTOR_ABI, "crash_points", FAULT_POINTS));
    sc_buf_addf(&out, "signal-client %s (connector ABI %d)\n", SIGNAL_VERSION, SC_CONNECTOR_ABI);
    return sc_print(&out);
}
