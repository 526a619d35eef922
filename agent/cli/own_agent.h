/* An agent for the time of a command: this very program as `run --on-request`, its log kept to be shown when something goes wrong. Main thread. */
#pragma once

#include "cli/commands.h"

struct sc_own_agent;
struct sc_own_agent *sc_own_agent_start(const struct sc_cli *cli, struct sc_error *err);
/* Does it still run? */
bool sc_own_agent_runs(struct sc_own_agent *agent);
/* The last lines of its log, each after two blanks. */
void sc_own_agent_log(const struct sc_own_agent *agent, struct sc_buf *out);
/* SIGTERM, so that it gives the lease back; SIGKILL after 10 s. NULL is fine. Returns NULL. */
struct sc_own_agent *sc_own_agent_stop(struct sc_own_agent *agent);
