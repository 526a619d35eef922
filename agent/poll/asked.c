/* What others ask of this io thread, from the mailbox to its end (errand.h). io thread. */
#include "poll/errand.h"

#include <stdio.h>
#include <stdlib.h>

struct sc_ask *sc_ask_new(uint64_t id, json_t *request, struct sc_sink *sink)
{
    struct sc_ask *ask = calloc(1, sizeof *ask);
    if (ask)
        *ask = (struct sc_ask){.id = id, .request = request, .sink = sc_sink_ref(sink)};
    return ask;
}

void sc_ask_free(struct sc_ask *ask)
{
    json_decref(ask->request);
    sc_sink_unref(ask->sink);
    free(ask);
}

void sc_asked_begin(struct sc_asked *asked, struct sc_io *io, const struct sc_ask *ask, void (*cancel)(struct sc_asked *asked, const char *why))
{
    *asked = (struct sc_asked){.next = io->asked, .io = io, .id = ask->id, .sink = sc_sink_ref(ask->sink), .cancel = cancel};
    io->asked = asked;
}

void sc_asked_end(struct sc_asked *asked, bool ok, const char *text)
{
    struct sc_asked **at = &asked->io->asked;
    while (*at && *at != asked)
        at = &(*at)->next;
    if (*at)
        *at = asked->next;
    sc_sink_end(asked->sink, ok, text);
    asked->sink = sc_sink_unref(asked->sink);
}

void sc_asked_cancel(struct sc_io *io, uint64_t id, const char *why)
{
    struct sc_asked *next;
    for (struct sc_asked *a = io->asked; a; a = next) {
        next = a->next;
        if (!id || a->id == id)
            a->cancel(a, why ? why : "cancelled");
    }
}

/* ---- which data types ----------------------------------------------------------------------------------------------------------------------- */

static int find_type(const struct sc_instance *inst, const char *name, unsigned *ret)
{
    for (unsigned i = 0; i < inst->poller_count; i++) {
        if (strcmp(inst->pollers[i]->type->name, name) == 0) {
            *ret = i;
            return 0;
        }
    }
    return -1;
}

static int no_such_type(const struct sc_instance *inst, const char *name, struct sc_error *err)
{
    char list[200] = "";
    size_t n = 0;
    for (unsigned i = 0; i < inst->poller_count && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", inst->pollers[i]->type->name);
    return sc_fail(err, SC_REASON_NOT_FOUND, "%s has no data type %.64s; there are: %s", inst->config->name, name, list);
}

int sc_asked_types(const struct sc_instance *inst, const json_t *request, bool all, unsigned *ret, unsigned *ret_count, struct sc_error *err)
{
    const json_t *named = json_object_get(request, "data_type");
    size_t count = json_is_array(named) ? json_array_size(named) : named ? 1 : 0;
    unsigned n = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_is_array(named) ? json_array_get(named, i) : named);
        unsigned at = 0, k = 0;
        if (find_type(inst, name ? name : "", &at))
            return no_such_type(inst, name ? name : "", err);
        while (k < n && ret[k] != at)
            k++;
        if (k == n) /* each once */
            ret[n++] = at;
    }
    for (unsigned i = 0; !count && i < inst->poller_count; i++) {
        if (all || inst->config->types[i].enabled)
            ret[n++] = i;
    }
    *ret_count = n;
    return n ? 0 : sc_fail(err, SC_REASON_DISABLED, "no data type of %s is enabled: name one with --data-type", inst->config->name);
}

/* ---- ops ------------------------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *op;
    void (*begin)(struct sc_io *io, struct sc_instance *inst, const struct sc_ask *ask); /* ends the sink, now or later */
} ops[] = {
    {"poll", sc_asked_poll},
    {"doctor", sc_asked_doctor},
    {"checkpoint", sc_asked_checkpoint},
    {"backfill", sc_asked_backfill},
};

static struct sc_instance *instance_of(struct sc_io *io, const char *name)
{
    for (struct sc_instance *i = io->instances; i && name; i = i->next) {
        if (!i->retired && strcmp(i->config->name, name) == 0)
            return i;
    }
    return NULL;
}

void sc_asked_take(struct sc_io *io, struct sc_ask *ask)
{
    const char *op = json_string_value(json_object_get(ask->request, "op"));
    struct sc_instance *inst = instance_of(io, json_string_value(json_object_get(ask->request, "integration")));
    bool found = false;
    if (io->stopping || !inst) {
        sc_sink_end(ask->sink, false, io->stopping ? "the agent stops" : "the integration was removed or moved at this very moment: ask again");
        found = true;
    }
    for (size_t i = 0; i < sizeof ops / sizeof *ops && !found; i++) {
        found = op && strcmp(ops[i].op, op) == 0;
        if (found)
            ops[i].begin(io, inst, ask);
    }
    if (!found)
        sc_sink_end(ask->sink, false, "this agent does not know what was asked");
    sc_ask_free(ask);
}
