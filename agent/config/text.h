/* Private to agent/config: what settings and integrations both ask of a text. Pure. */
#pragma once

#include <stdbool.h>

/* true/false, yes/no, on/off, 1/0 in any case. False: none of these. */
bool sc_text_to_bool(const char *text, bool *ret);
/* Does a byte below 0x20, or 0x7F, stand in it? */
bool sc_text_has_control(const char *text);
