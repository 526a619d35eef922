#include "poll/registry.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/redact.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* One key of the bucket. */
struct item {
    struct item *next;
    char *name;
    struct sc_io *io; /* where it runs; NULL: it does not (no valid value yet) */
    char *sealed;     /* a refused value in which something is sealed: its key may still come; else NULL */
    uint64_t sealed_rev;
    int64_t sealed_saved_ms;
    char *refused;    /* why it does not run; NULL: it does */
};

struct sc_registry {
    char lost[400]; /* why the bucket is no longer what the items came from; "" = it is */
    pthread_mutex_t lock; /* of items: the watch thread writes, others look */
    const struct sc_settings *settings;
    const struct sc_plugins *plugins;
    struct sc_io **ios;
    unsigned io_count;
    struct sc_status_writer *status;
    const char *agent;
    struct item *items;
    uint32_t count;
};

/* Which keys there are, once; a file that is bad now may be good when it is needed. */
static void tell_keys(const struct sc_settings *settings)
{
    const struct {
        const char *what, *path;
    } rows[] = {{"seal.key_file", settings->seal_key_file}, {"seal.old_key_file", settings->seal_old_key_file}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_seal_key key;
        if (!rows[i].path || !*rows[i].path)
            continue;
        if (sc_seal_file_read(rows[i].path, &key, &err))
            SC_SAY(SC_ERROR, "config", "%s: %s; what is sealed with it cannot be used until it can be read, which needs no restart", rows[i].what, err.text);
        else
            SC_SAY(SC_INFO, "config", "%s %s holds key %s", rows[i].what, rows[i].path, key.id);
        explicit_bzero(key.bytes, sizeof key.bytes);
    }
}

struct sc_registry *sc_registry_new(const struct sc_settings *settings, const struct sc_plugins *plugins, struct sc_io **ios, unsigned io_count,
                                    struct sc_status_writer *status, const char *agent)
{
    struct sc_registry *r = calloc(1, sizeof *r);
    if (r)
        *r = (struct sc_registry){.settings = settings, .plugins = plugins, .ios = ios, .io_count = io_count, .status = status, .agent = agent};
    if (r)
        pthread_mutex_init(&r->lock, NULL);
    if (r)
        tell_keys(settings);
    return r;
}

static void item_free(struct item *item)
{
    sc_secret_free(item->sealed);
    free(item->refused);
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
    if (r)
        pthread_mutex_destroy(&r->lock);
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
    if (out.failed || !r->status)
        sc_buf_done(&out);
    else
        sc_status_post(r->status, name, sc_buf_take(&out));
}

static void use(struct sc_registry *r, struct item *item, struct sc_integration *integration)
{
    struct sc_io *io = io_of(r, integration);
    if (item->io && item->io != io)
        sc_io_remove(item->io, item->name, false);
    item->io = io;
    free(item->refused);
    item->refused = NULL;
    sc_io_apply(io, integration);
}

static void keep_sealed(struct item *item, struct sc_str value, uint64_t rev, int64_t saved_ms)
{
    static const char mark[] = "\"sealed:v";
    sc_secret_free(item->sealed);
    item->sealed = value.len && memmem(value.ptr, value.len, mark, strlen(mark)) ? sc_dup_str(value) : NULL;
    item->sealed_rev = rev;
    item->sealed_saved_ms = saved_ms;
}

static void refuse(struct sc_registry *r, struct item *item, uint64_t rev, const char *why)
{
    struct sc_log_cx cx = {"config", item->name, NULL};
    SC_LOG_EACH(SC_ERROR, &cx, NULL, "revision %llu is not in use: %s; %s%s", (unsigned long long)rev, why,
           item->io ? "the last good one stays in use" : "correct the value and save it", item->sealed ? "; key files are looked at again each minute" : "");
    free(item->refused);
    item->refused = item->io ? NULL : sc_printf("revision %llu is not in use: %s; correct the value and save it", (unsigned long long)rev, why);
    if (item->io)
        sc_io_refused(item->io, item->name, rev, why);
    else
        status_of_refused(r, item->name, rev, why);
}

/* A key file that came, or became readable, needs no put and no restart. */
static void try_sealed_again(struct sc_registry *r, struct item *item)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_log_cx cx = {"config", item->name, NULL};
    struct sc_integration *integration = sc_integration_parse(item->name, sc_str_of(item->sealed), item->sealed_rev, find_connector, r, &err);
    if (!integration)
        return;
    SC_LOG_EACH(SC_INFO, &cx, NULL, "revision %llu, refused before, can be opened now", (unsigned long long)item->sealed_rev);
    sc_secret_free(item->sealed);
    item->sealed = NULL;
    integration->saved_ms = item->sealed_saved_ms;
    use(r, item, integration);
}

static void on_put(struct sc_registry *r, const char *name, struct sc_str value, uint64_t rev, int64_t saved_ms)
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
        keep_sealed(item, value, rev, saved_ms);
        refuse(r, item, rev, err.text);
        return;
    }
    keep_sealed(item, (struct sc_str){NULL, 0}, 0, 0);
    integration->saved_ms = saved_ms;
    use(r, item, integration);
}

static void on_deleted(struct sc_registry *r, const char *name)
{
    struct item **at = find(r, name);
    struct item *item = *at;
    struct sc_log_cx cx = {"config", name, NULL};
    if (!item)
        return;
    SC_LOG_EACH(SC_INFO, &cx, NULL, "the integration was deleted: it stops, its checkpoints are kept");
    if (item->io)
        sc_io_remove(item->io, name, true);
    else if (r->status)
        sc_status_post(r->status, name, NULL);
    *at = item->next;
    item_free(item);
}

static void take_event(struct sc_registry *r, enum sc_watch_event event, const char *key, struct sc_str value, uint64_t rev, int64_t saved_ms)
{
    switch (event) {
    case SC_WATCH_PUT:
        on_put(r, key, value, rev, saved_ms);
        break;
    case SC_WATCH_DELETED:
        on_deleted(r, key);
        break;
    case SC_WATCH_SYNCED: {
        uint32_t count = 0;
        for (struct item *i = r->items; i; i = i->next, count++)
            if (i->sealed)
                try_sealed_again(r, i);
        if (count != r->count || count == 0)
            SC_SAY(SC_INFO, "config", "%u integrations in bucket INTEGRATIONS%s", count,
                   count ? "" : ": write one with `signal-client integrations put`");
        r->count = count;
        r->lost[0] = '\0';
        break;
    }
    case SC_WATCH_LOST:
        snprintf(r->lost, sizeof r->lost, "%.*s", (int)value.len, value.ptr);
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

void sc_registry_event(void *arg, enum sc_watch_event event, const char *key, struct sc_str value, uint64_t rev, int64_t saved_ms)
{
    struct sc_registry *r = arg;
    pthread_mutex_lock(&r->lock);
    take_event(r, event, key, value, rev, saved_ms);
    pthread_mutex_unlock(&r->lock);
}

/* ---- looked at by others ----------------------------------------------------------------------------------------------------------------- */

/* Which there are, as far as there is room. */
static int no_such(const struct sc_registry *r, const char *name, struct sc_error *err)
{
    char list[200] = "";
    size_t n = 0;
    const struct item *i = r->items;
    for (; i && n + strlen(i->name) + 8 < sizeof list; i = i->next)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", i->name);
    return sc_fail(err, SC_REASON_NOT_FOUND, "there is no integration %.64s; there %s%s%s", name, r->items ? "are: " : "is none yet", list, i ? ", …" : "");
}

struct sc_io *sc_registry_find(struct sc_registry *r, const char *name, struct sc_error *err)
{
    pthread_mutex_lock(&r->lock);
    const struct item *item = *find(r, name);
    struct sc_io *io = item ? item->io : NULL;
    if (!item)
        no_such(r, name, err);
    else if (!io)
        sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: %s", name, item->refused ? item->refused : "it does not run");
    pthread_mutex_unlock(&r->lock);
    return io;
}

bool sc_registry_lost(struct sc_registry *r, char *out, size_t cap)
{
    pthread_mutex_lock(&r->lock);
    snprintf(out, cap, "%s", r->lost);
    pthread_mutex_unlock(&r->lock);
    return out[0] != '\0';
}

uint32_t sc_registry_count(struct sc_registry *r)
{
    uint32_t count = 0;
    pthread_mutex_lock(&r->lock);
    for (const struct item *i = r->items; i; i = i->next)
        count++;
    pthread_mutex_unlock(&r->lock);
    return count;
}
