/* Time that passes when the script says so, and random bytes that are the same in every play. */
#include "clock.h"

#define BEGIN_MS 1000000

static int64_t mono_ms = BEGIN_MS, real_ms;
static uint64_t state = 1;

/* What the linker puts in the place of the agent's functions. */
int64_t __wrap_sc_mono_ms(void);
int64_t __wrap_sc_boot_ms(void);
int64_t __wrap_sc_real_ms(void);
int64_t __wrap_sc_mono_ns(void);
int __wrap_sc_random(void *out, size_t len);

void ex_clock_set(int64_t ms)
{
    mono_ms = BEGIN_MS;
    real_ms = ms;
    state = 1;
}

void ex_clock_forward(int64_t ms)
{
    mono_ms += ms;
    real_ms += ms;
}

void ex_clock_of_host(int64_t ms)
{
    real_ms = ms;
}

int64_t ex_clock_mono(void)
{
    return mono_ms;
}

int64_t ex_clock_real(void)
{
    return real_ms;
}

int64_t __wrap_sc_mono_ms(void)
{
    return mono_ms;
}

int64_t __wrap_sc_boot_ms(void)
{
    return mono_ms;
}

int64_t __wrap_sc_real_ms(void)
{
    return real_ms;
}

int64_t __wrap_sc_mono_ns(void)
{
    return mono_ms * 1000000;
}

int __wrap_sc_random(void *out, size_t len)
{
    unsigned char *to = out;
    for (size_t i = 0; i < len; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        to[i] = (unsigned char)(state >> 33);
    }
    return 0;
}
