/* The script's clock. The agent's own sc_mono_ms() and its sisters lead here in the player (--wrap), and so does sc_random(). */
#pragma once

#include <signal/types.h>

void ex_clock_set(int64_t real_ms);   /* of a new play; monotonic time begins anew */
void ex_clock_forward(int64_t ms);
void ex_clock_of_host(int64_t real_ms); /* somebody sets it: monotonic time goes on */
int64_t ex_clock_mono(void);
int64_t ex_clock_real(void);
