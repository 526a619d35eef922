/* Shared by the files of this folder; nobody else includes it. */
#pragma once

#include "control/control.h"

/* What is known of the agent as a whole, as one object. NULL: out of memory. */
json_t *sc_control_facts(const struct sc_control_config *config);
/* Op "log". False: refused. said: the levels that hold now, or why not. */
#define SC_LEVEL_SAID 1200
bool sc_control_level(const json_t *request, char said[SC_LEVEL_SAID]);
