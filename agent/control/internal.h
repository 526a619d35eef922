/* Shared by the files of this folder; nobody else includes it. */
#pragma once

#include "control/control.h"

/* What is known of the agent as a whole, as one object. NULL: out of memory. */
json_t *sc_control_facts(const struct sc_control_config *config);
