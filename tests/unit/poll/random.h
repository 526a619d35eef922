/* Numbers for random runs: the same ones every time, another series for each seed. */
#pragma once

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* 0 .. below - 1 */
static inline uint64_t random_below(uint64_t *state, uint64_t below)
{
    return random_next(state) % below;
}
