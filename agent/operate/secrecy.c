#include "operate/secrecy.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void wipe_and_free(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

void sc_secrecy_begin(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    json_set_alloc_funcs(malloc, wipe_and_free);
}

/* To memory that /proc/PID/environ does not show. */
static void move(const char *name, char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return;
    explicit_bzero(value, strlen(value));
    setenv(name, copy, 1);
    explicit_bzero(copy, strlen(copy));
    free(copy);
}

void sc_secrecy_clear_environment(void)
{
    static const char *const addresses[] = {"NATS_URL",  "HTTPS_PROXY", "https_proxy", "HTTP_PROXY",
                                            "http_proxy", "ALL_PROXY",   "all_proxy"}; /* with a password before the '@' */
    char *password = getenv("NATS_PASSWORD");
    if (password) { /* the settings have it */
        explicit_bzero(password, strlen(password));
        unsetenv("NATS_PASSWORD");
    }
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        char *value = getenv(addresses[i]);
        if (value && strchr(value, '@'))
            move(addresses[i], value);
    }
}
