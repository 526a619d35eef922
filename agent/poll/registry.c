#include "poll/registry.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>

/* One key of the bucket. */
struct item {
    struct item *next;
    char *name;
    struct sc_io *io; /* where it runs; NULL: it does not (no valid value yet) */
};

struct sc_registry {
    const struct sc_settings *settings;
    const struct sc_plugins *plugins;
    struct sc_io **ios;
    unsigned io_count;
    struct sc_status_writer *status;
    const char *agent;
    struct item *items;
    uint32_t count;
};

struct sc_registry *sc_registry_new(const struct sc_settings *settings, const struct sc_plugins *plugins, struct sc_io **ios, unsigned io_count,
                                    struct sc_status_writer *status, const char *agent)
{
    struct sc_registry *r = calloc(1, sizeof *r);
    if (r)
        *r = (struct sc_registry){settings, plugins, ios, io_count, status, agent, NULL, 0};
    return r;
}

static void item_free(struct item *item)
{
    free(item->name);
    free(item);
}

struct sc_registry *sc_registry_free(struct sc_registry *r)
{
    while (r && r->items) {
        struct item *next = r->items->next;
        item_free(r->items);
        r->items = next;
    }
    free(r);
    return NULL;
}

static struct item **find(struct sc_registry *r, const char *name)
{
    struct item **at = &r->items;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static const struct sc_connector *find_connector(void *arg, const char *type)
{
    return sc_plugins_find(((struct sc_registry *)arg)->plugins, type);
}

/* All integrations of one source on one thread. */
static struct sc_io *io_of(const struct sc_registry *r, const struct sc_integration *integration)
{
    static const unsigned char key[16] = "source to thread";
    return r->ios[sc_siphash(key, integration->source, strlen(integration->source)) % r->io_count];
}

/* A value that never was good has no io thread that could show it: the refusal is written here. */
static void status_of_refused(const struct sc_registry *r, const char *name, uint64_t rev, const char *why)
{
    struct sc_buf out = {0};
    char detail[400];
    snprintf(detail, sizeof detail, "revision %llu is not in use: %s", (unsigned long long)rev, why);
    sc_buf_add_str(&out, "{\"v\":1,\"integration\":");
    sc_buf_add_json(&out, sc_str_of(name));
    sc_buf_add_str(&out, ",\"connector\":\"\",\"agent\":");
    sc_buf_add_json(&out, sc_str_of(r->agent));
    char time[SC_TIME_TEXT];
    sc_buf_addf(&out, ",\"updated\":\"%s\"", sc_time_rfc3339(sc_real_ms(), time));
    sc_buf_add_str(&out, ",\"state\":\"error\",\"reason\":\"config_invalid\",\"detail\":");
    sc_buf_add_json(&out, sc_str_of(detail));
    sc_buf_add_str(&out, ",\"advice\":\"correct the value and save it\",\"data_types\":{}}");
    if (out.failed)
        sc_buf_done(&out);
    else
        sc_status_post(r->status, name, sc_buf_take(&out));
}

static void on_put(struct sc_registry *r, const char *name, struct sc_str value, uint64_t rev)
{
    struct sc_error err = SC_ERROR_INIT;
    struct item **at = find(r, name);
    struct sc_log_cx cx = {"config", name, NULL};
    if (!*at) {
        *at = calloc(1, sizeof **at);
        if (!*at || !((*at)->name = sc_dup(name))) {
            free(*at);
            *at = NULL;
            SC_LOG(SC_ERROR, &cx, NULL, "out of memory: this integration does not run");
            return;
        }
    }
    struct item *item = *at;
    struct sc_integration *integration = sc_integration_parse(name, value, rev, find_connector, r, &err);
    if (!integration) {
        SC_LOG(SC_ERROR, &cx, NULL, "revision %llu is not in use: %s; %s", (unsigned long long)rev, err.text,
               item->io ? "the last good one stays in use" : "correct the value and save it");
        if (item->io)
            sc_io_refused(item->io, name, rev, err.text);
        else
            status_of_refused(r, name, rev, err.text);
        return;
    }
    struct sc_io *io = io_of(r, integration);
    if (item->io && item->io != io)
        sc_io_remove(item->io, name, false);
    item->io = io;
    sc_io_apply(io, integration);
}

static void on_deleted(struct sc_registry *r, const char *name)
{
    struct item **at = find(r, name);
    struct item *item = *at;
    struct sc_log_cx cx = {"config", name, NULL};
    if (!item)
        return;
    SC_LOG(SC_INFO, &cx, NULL, "the integration was deleted: it stops, its checkpoints are kept");
    if (item->io)
        sc_io_remove(item->io, name, true);
    else
        sc_status_post(r->status, name, NULL);
    *at = item->next;
    item_free(item);
}

void sc_registry_event(void *arg, enum sc_watch_event event, const char *key, struct sc_str value, uint64_t rev)
{
    struct sc_registry *r = arg;
    switch (event) {
    case SC_WATCH_PUT:
        on_put(r, key, value, rev);
        break;
    case SC_WATCH_DELETED:
        on_deleted(r, key);
        break;
    case SC_WATCH_SYNCED: {
        uint32_t count = 0;
        for (const struct item *i = r->items; i; i = i->next)
            count++;
        if (count != r->count || count == 0)
            SC_SAY(SC_INFO, "config", "%u integrations in bucket INTEGRATIONS%s", count,
                   count ? "" : ": write one with `signal-client integrations put`");
        r->count = count;
        break;
    }
    case SC_WATCH_LOST:
        SC_SAY(SC_WARN, "config", "config_lost: %.*s; the last good values stay in use: restore the bucket, or delete what is no longer wanted key by key",
               (int)value.len, value.ptr);
        break;
    case SC_WATCH_DOWN:
        SC_SAY(SC_DEBUG, "config", "the watch of bucket INTEGRATIONS is down: %.*s", (int)value.len, value.ptr);
        break;
    case SC_WATCH_MISSING:
        SC_SAY(SC_WARN, "config", "there is no bucket INTEGRATIONS: it is waited for; make it, or set nats.create = true");
        break;
    }
}
