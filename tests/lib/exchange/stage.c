/* The agent on the stage: its settings, one io loop turned by hand, the registry that gives it integrations, and time. */
#include "play.h"

#include "base/reach.h"

#include "nats/session.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TURNS_MAX 100000u

/* ---- turning --------------------------------------------------------------------------------------------------------------- */

static bool mail_waits(const struct sc_io *io)
{
    return io->box.head != NULL;
}

int ex_calm(struct ex_play *play)
{
    struct sc_io *io = play->io;
    for (unsigned turns = 0; io && turns < TURNS_MAX; turns++) {
        bool did = ex_broker_turn(play->broker);
        bool due = io->heap.count && io->heap.nodes[0]->due_ms <= ex_clock_mono();
        if (!did && !due && !mail_waits(io) && !ex_vendor_busy(io->http))
            return 0;
        sc_io_turn(io);
    }
    return io ? ex_wrong(play, "the agent does not come to rest: %u turns without time passing", TURNS_MAX) : 0;
}

int ex_run_until(struct ex_play *play, int64_t until, bool (*enough)(struct ex_play *play))
{
    for (;;) {
        if (ex_calm(play))
            return -1;
        if (enough && enough(play))
            return 1;
        const struct sc_heap *heap = play->io ? &play->io->heap : NULL;
        if (!heap || !heap->count || heap->nodes[0]->due_ms > until)
            return 0;
        int64_t ahead = heap->nodes[0]->due_ms - ex_clock_mono();
        ex_clock_forward(ahead > 0 ? ahead : 0);
    }
}

int ex_settle(struct ex_play *play, bool (*enough)(struct ex_play *play))
{
    return ex_run_until(play, ex_clock_mono() + EX_SLACK_MS, enough);
}

/* ---- what operators write -------------------------------------------------------------------------------------------------- */

static struct ex_put *put_named(struct ex_play *play, const char *name)
{
    for (size_t i = 0; i < play->put_count; i++) {
        if (strcmp(play->puts[i].name, name) == 0)
            return &play->puts[i];
    }
    return NULL;
}

/* No credential may be found again anywhere: their values, whatever the connector calls them. */
static void note_secrets(struct ex_play *play, const char *json)
{
    json_t *root = json_loads(json, 0, NULL), *value;
    const char *name;
    json_object_foreach (json_object_get(root, "credentials"), name, value) {
        const char *text = json_string_value(value);
        if (text && strlen(text) >= 6 && play->secret_count < sizeof play->secrets / sizeof *play->secrets)
            play->secrets[play->secret_count++] = sc_dup(text);
    }
    json_decref(root);
}

int ex_put_value(struct ex_play *play, const char *name, const char *json, bool known)
{
    struct ex_put *put = put_named(play, name);
    if (known && !put)
        return ex_wrong(play, "there is no integration %s yet", name);
    if (!known && put)
        return ex_wrong(play, "integration %s stands there already: put writes it anew", name);
    if (!put && play->put_count == sizeof play->puts / sizeof *play->puts)
        return ex_wrong(play, "too many integrations");
    if (!put)
        put = &play->puts[play->put_count++];
    free(put->name);
    free(put->json);
    *put = (struct ex_put){sc_dup(name), sc_dup(json), ++play->put_rev};
    note_secrets(play, json);
    if (play->io)
        sc_registry_event(play->registry, SC_WATCH_PUT, name, sc_str_of(put->json), put->rev, sc_real_ms());
    return 0;
}

int ex_delete_value(struct ex_play *play, const char *name)
{
    struct ex_put *put = put_named(play, name);
    if (!put)
        return ex_wrong(play, "there is no integration %s", name);
    if (play->io)
        sc_registry_event(play->registry, SC_WATCH_DELETED, name, (struct sc_str){0}, ++play->put_rev, 0);
    free(put->name);
    free(put->json);
    *put = play->puts[--play->put_count];
    return 0;
}

/* ---- a checkpoint from before ------------------------------------------------------------------------------------------------ */

static const struct sc_connector *find_connector(void *arg, const char *type)
{
    return sc_plugins_find(arg, type);
}

/* Members that the script does not name: as an agent left them that had nothing open. */
static void fill_checkpoint(struct ex_play *play, json_t *cp, const struct sc_integration *integration, const struct sc_data_type *type)
{
    char saved[SC_TIME_TEXT];
    json_int_t last = (json_int_t)ex_broker_last_seq(play->broker);
    sc_time_rfc3339(ex_clock_real(), saved);
    json_t *full = json_pack("{s:i, s:s, s:s, s:i, s:b, s:{s:I, s:I}, s:{s:s}, s:{s:s, s:i, s:i}, s:s}", "v", 1, "connector",
                             integration->connector->name, "source", integration->source, "recipe", (int)type->recipe, "open", 0, "floor",
                             "page", last, "walk", last, "proof", "stream_created", ex_broker_created(play->broker), "writer", "agent",
                             "earlier", "epoch", 1, "n", 1, "saved", saved);
    json_object_update_missing(cp, full);
    json_decref(full);
}

int ex_given_checkpoint(struct ex_play *play, const char *key, const char *json)
{
    json_error_t why;
    struct sc_error err = SC_ERROR_INIT;
    bool found = false;
    json_t *cp = json_loads(json, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(cp)) {
        json_decref(cp);
        return ex_wrong(play, "not a JSON object: line %d: %s", why.line, why.text);
    }
    for (size_t i = 0; i < play->put_count && !found; i++) {
        struct sc_integration *integration = sc_integration_parse(play->puts[i].name, sc_str_of(play->puts[i].json), 1, find_connector,
                                                                  (void *)(uintptr_t)play->options->plugins, &err);
        for (size_t k = 0; integration && k < integration->type_count && !found; k++) {
            SC_AUTO_BUF struct sc_buf own = {0};
            sc_checkpoint_key(integration->name, integration->types[k].type->name, NULL, &own);
            found = strncmp(own.ptr, key, own.len) == 0 && (!key[own.len] || strcmp(key + own.len, ".=backfill") == 0);
            if (found)
                fill_checkpoint(play, cp, integration, integration->types[k].type);
        }
        sc_integration_unref(integration);
    }
    SC_AUTO_FREE char *text = json_dumps(cp, JSON_COMPACT);
    json_decref(cp);
    if (!found)
        return ex_wrong(play, "no integration above has the checkpoint %s%s%s", key, err.text[0] ? ": " : "", err.text);
    ex_broker_write(play->broker, "CHECKPOINTS", key, text);
    return 0;
}

/* ---- the agent's life -------------------------------------------------------------------------------------------------------- */

/* The real table of settings with its defaults; files are empty ones, the environment was cleared by main. */
static int load_settings(struct ex_play *play)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_option options[24];
    size_t n = 0;
    SC_AUTO_FREE char *node = sc_printf("%s/node.json", play->options->scratch);
    SC_AUTO_FREE char *file = sc_printf("%s/settings.conf", play->options->scratch);
    SC_AUTO_FREE char *letters = sc_printf("%s/letters", play->options->scratch);
    options[n++] = (struct sc_option){"config", file};
    options[n++] = (struct sc_option){"node", node};
    options[n++] = (struct sc_option){"run.dir", play->options->scratch};
    options[n++] = (struct sc_option){"dead_letter.dir", letters};
    options[n++] = (struct sc_option){"appliance_id", "exchange"};
    for (size_t i = 0; i < play->override_count; i++)
        options[n++] = play->overrides[i];
    if (sc_settings_load(&play->settings, NULL, options, n, &err))
        return ex_wrong(play, "%s", err.text);
    return 0;
}

int ex_agent_start(struct ex_play *play)
{
    sc_reach_forget(); /* what the process knows of other hosts */
    struct sc_error err = SC_ERROR_INIT;
    if (!play->settings.states && load_settings(play))
        return -1;
    struct sc_io_config config = {.settings = &play->settings,
                                  .publisher = play->broker,
                                  .reader = ex_broker_reader(play->broker),
                                  .status = ex_broker_status(play->broker),
                                  .retiring = &play->retiring,
                                  .agent = play->settings.appliance_id,
                                  .threads = 1,
                                  .memory = &play->memory};
    play->io = sc_io_new(&config, &err);
    if (!play->io)
        return ex_wrong(play, "%s", err.text);
    play->io->random = 0; /* every jitter at its least: the same times in every play */
    ex_vendor_chunk(play->io->http, play->chunk);
    play->registry = sc_registry_new(&play->settings, play->options->plugins, &play->io, 1, ex_broker_status(play->broker),
                                     play->settings.appliance_id);
    sc_publisher_subscribe(play->broker, &play->io->box);
    for (size_t i = 0; i < play->put_count; i++)
        sc_registry_event(play->registry, SC_WATCH_PUT, play->puts[i].name, sc_str_of(play->puts[i].json), play->puts[i].rev, sc_real_ms());
    sc_registry_event(play->registry, SC_WATCH_SYNCED, NULL, (struct sc_str){0}, 0, 0);
    return 0;
}

/* Its memory goes; buckets and stream stay. */
static void leave(struct ex_play *play)
{
    ex_broker_forget_agent(play->broker);
    play->registry = sc_registry_free(play->registry);
    play->io = sc_io_free(play->io);
    for (uint32_t i = 0; i < play->retiring.count; i++)
        free(play->retiring.names[i]);
    free(play->retiring.names);
    play->retiring.names = NULL;
    play->retiring.count = play->retiring.cap = 0;
}

void ex_agent_crash(struct ex_play *play)
{
    if (play->io)
        leave(play);
}

int ex_agent_stop(struct ex_play *play)
{
    int64_t until = ex_clock_mono() + 2500; /* what main gives the io threads */
    bool runs = true;
    if (!play->io)
        return 0;
    sc_io_stop_begin(play->io);
    for (unsigned turns = 0; runs && turns < TURNS_MAX; turns++) {
        bool did = ex_broker_turn(play->broker);
        runs = sc_io_turn(play->io);
        did = ex_broker_turn(play->broker) || did; /* what this turn handed over is not waited for, it is answered */
        const struct sc_heap *heap = &play->io->heap;
        bool waits = runs && !did && !mail_waits(play->io) && !ex_vendor_busy(play->io->http);
        if (waits && (!heap->count || heap->nodes[0]->due_ms > until)) {
            runs = sc_io_turn(play->io); /* it sees that nothing is left at the beginning of a turn */
            break;
        }
        if (waits && heap->nodes[0]->due_ms > ex_clock_mono())
            ex_clock_forward(heap->nodes[0]->due_ms - ex_clock_mono());
    }
    if (runs) {
        ex_wrong(play, "the agent does not stop within 2.5 s of SIGTERM");
        ex_tell_state(play);
        return -1;
    }
    leave(play);
    unsigned out = ex_broker_batches_out(play->broker);
    return out ? ex_wrong(play, "the agent kept %u batches when it stopped", out) : 0;
}
