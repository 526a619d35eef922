/* What other integrations read the same data type of the same source: told when one is put, before every record comes twice. */
#include "cli/commands.h"

#include "config/integration.h"
#include "nats/session.h"

struct search {
    const struct sc_cli *cli;
    const struct sc_integration *mine;
    struct sc_buf *names;
};

static const char *shared_type(const struct sc_integration *a, const struct sc_integration *b)
{
    if (!a->enabled || !b->enabled || a->connector != b->connector || strcmp(a->source, b->source) != 0)
        return NULL;
    for (size_t i = 0; i < a->type_count; i++) {
        if (a->types[i].enabled && b->types[i].enabled)
            return a->types[i].type->name;
    }
    return NULL;
}

/* One that cannot be read is none of ours to tell of. */
static int look(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    const struct search *s = arg;
    struct sc_error err = SC_ERROR_INIT;
    if (strcmp(key, s->mine->name) == 0)
        return 0;
    struct sc_integration *other = sc_integration_parse(key, value, rev, sc_find_connector, s->cli->plugins, &err);
    const char *type = other ? shared_type(s->mine, other) : NULL;
    if (type)
        sc_buf_addf(s->names, "%s%s", s->names->len ? ", " : "", key);
    sc_integration_unref(other);
    return 0;
}

void sc_find_doubles(const struct sc_cli *cli, struct sc_session *session, const char *name, struct sc_str value, struct sc_buf *ret)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_integration *mine = sc_integration_parse(name, value, 0, sc_find_connector, cli->plugins, &err);
    struct search search = {cli, mine, ret};
    if (mine && sc_kv_each(session, SC_INTEGRATIONS, look, &search, &err))
        sc_say(0, "warning: whether another integration reads the same cannot be told: %s", err.text);
    sc_integration_unref(mine);
}
