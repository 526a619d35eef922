/* Sources of an io thread, their credentials and the pools of their budgets: found by key, made where there is none. io thread. */
#include "poll/poller.h"

#include <stdio.h>
#include <stdlib.h>

struct sc_source *sc_source_of(struct sc_io *io, const char *key)
{
    for (struct sc_source *s = io->sources; s; s = s->next) {
        if (strcmp(s->key, key) == 0)
            return s;
    }
    struct sc_source *s = calloc(1, sizeof *s);
    if (!s || !(s->key = sc_dup(key))) {
        free(s);
        return NULL;
    }
    s->next = io->sources;
    io->sources = s;
    return s;
}

struct sc_credential *sc_credential_of(struct sc_source *source, const char *key)
{
    for (struct sc_credential *c = source->credentials; c; c = c->next) {
        if (strcmp(c->key, key) == 0)
            return c;
    }
    struct sc_credential *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    snprintf(c->key, sizeof c->key, "%s", key);
    c->source = source;
    c->next = source->credentials;
    source->credentials = c;
    return c;
}

int64_t sc_source_now(const struct sc_source *source)
{
    return source->offset_known ? sc_boot_ms() + source->offset_ms : sc_real_ms();
}

static const struct sc_pool *pool_named(const struct sc_connector *c, const char *name)
{
    for (const struct sc_pool *pool = c->pools; pool && pool->name; pool++) {
        if (strcmp(pool->name, name) == 0)
            return pool;
    }
    return NULL;
}

/* Pools of a source live as long as the source is known, so that removing and adding an integration does not refill them. */
struct sc_budget *sc_budget_of(struct sc_poller *p, const char *name)
{
    struct sc_source *source = p->inst->source;
    const struct sc_integration *config = p->inst->config;
    const struct sc_pool *pool = pool_named(config->connector, name);
    char key[160];
    if (!pool)
        return NULL;
    snprintf(key, sizeof key, "%s%s%s", name, pool->scope == SC_PER_CREDENTIAL ? "/" : "", pool->scope == SC_PER_CREDENTIAL ? config->credential_key : "");
    for (uint32_t i = 0; i < source->budget_count; i++) {
        if (strcmp(source->budgets[i]->key, key) == 0)
            return source->budgets[i];
    }
    struct sc_budget *b = source->budget_count < 16 ? calloc(1, sizeof *b) : NULL;
    if (!b || sc_budget_init(b, key, pool, p->inst->io->now)) {
        free(b);
        return NULL;
    }
    sc_budget_override(b, config->rate_requests, config->rate_per_s, config->reserve_percent, p->inst->io->now);
    source->budgets[source->budget_count++] = b;
    return b;
}

void sc_source_override_budgets(struct sc_instance *inst)
{
    const struct sc_integration *c = inst->config;
    for (unsigned i = 0; i < inst->poller_count && c->connector->pools; i++) {
        for (const struct sc_pool *pool = c->connector->pools; pool->name; pool++) {
            struct sc_budget *b = sc_budget_of(inst->pollers[i], pool->name);
            if (b)
                sc_budget_override(b, c->rate_requests, c->rate_per_s, c->reserve_percent, inst->io->now);
        }
    }
}
