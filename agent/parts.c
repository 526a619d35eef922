#include "parts.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

static char *text_or_null(char *text)
{
    return text && text[0] ? text : NULL;
}

void sc_agent_fill_nats(struct agent *a)
{
    const struct sc_settings *s = a->settings;
    a->nats = (struct sc_nats_config){
        .url = s->nats_url,
        .creds_file = text_or_null(s->nats_creds),
        .user = text_or_null(s->nats_user),
        .password = text_or_null(s->nats_password),
        .ca_file = text_or_null(s->tls_ca_file),
        .client_cert = text_or_null(s->tls_client_cert),
        .client_key = text_or_null(s->tls_client_key),
        .domain = text_or_null(s->nats_domain),
        .name = s->appliance_id,
        .request_timeout_ms = 5000,
    };
    snprintf(a->create_subject, sizeof a->create_subject, "%s.data.>", s->appliance_id);
}

/* libcurl reads the proxies from the environment. */
void sc_agent_export_proxies(const struct sc_settings *s)
{
    const struct {
        const char *name, *value;
    } rows[] = {{"https_proxy", s->https_proxy}, {"http_proxy", s->http_proxy}, {"no_proxy", s->no_proxy}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value && rows[i].value[0])
            setenv(rows[i].name, rows[i].value, 1);
    }
}

void sc_agent_on_lease(void *arg, enum sc_lease_state state, uint64_t epoch, enum sc_reason reason, const char *detail)
{
    struct agent *a = arg;
    const struct sc_log_cx cx = {.component = "lease"};
    if (state == SC_LEASE_HELD) {
        SC_FAULT("lease.taken");
        SC_LOG_EACH(SC_INFO, &cx, NULL, "held (epoch %llu): this agent polls", (unsigned long long)epoch);
    } else if (reason == SC_REASON_LEASE_HELD) {
        SC_LOG_EACH(SC_INFO, &cx, NULL, "standby: %s", detail ? detail : "not held");
    } else {
        SC_SAY(SC_WARN, "lease", "%s: %s; nothing is polled, and nothing is lost", sc_reason_code(reason), detail ? detail : "not held");
    }
    pthread_mutex_lock(&a->lease_lock);
    if (a->publisher)
        sc_publisher_lease(a->publisher, state == SC_LEASE_HELD, epoch, reason, detail);
    sc_control_poke(a->control);
    pthread_mutex_unlock(&a->lease_lock);
}

void sc_agent_stop_publisher(struct agent *a)
{
    pthread_mutex_lock(&a->lease_lock);
    struct sc_publisher *publisher = a->publisher;
    a->publisher = NULL;
    pthread_mutex_unlock(&a->lease_lock);
    sc_publisher_stop(publisher, 500);
}

static void add_facts(void *arg, json_t *object)
{
    struct sc_buf text SC_AUTO_BUF = {0};
    if (sc_facts_json(sc_self_facts(arg), &text))
        return;
    json_t *facts = json_loads(sc_buf_str(&text).ptr, 0, NULL);
    json_object_update(object, facts);
    json_decref(facts);
}

int sc_agent_start_control(struct agent *a, struct sc_error *err)
{
    struct sc_control_config config = {.nats = &a->nats, .appliance_id = a->settings->appliance_id, .fence = &a->fence, .registry = a->registry,
                                       .publisher = a->publisher, .io_threads = a->io_count, .started_real_ms = sc_real_ms(), .on_request = a->on_request,
                                       .more_facts = a->self ? add_facts : NULL, .more_arg = a->self};
    struct sc_control *control = sc_control_start(&config, err);
    pthread_mutex_lock(&a->lease_lock);
    a->control = control;
    pthread_mutex_unlock(&a->lease_lock);
    return control ? 0 : -1;
}

void sc_agent_stop_control(struct agent *a)
{
    pthread_mutex_lock(&a->lease_lock);
    struct sc_control *control = a->control;
    a->control = NULL;
    pthread_mutex_unlock(&a->lease_lock);
    sc_control_stop(control);
}

int sc_agent_start_io(struct agent *a, struct sc_error *err)
{
    unsigned count = (unsigned)a->settings->io_threads;
    for (; a->io_count < count && a->io_count < MAX_IO_THREADS; a->io_count++) {
        struct sc_io_config config = {a->settings, a->publisher, a->reader, a->status, &a->retiring, a->settings->appliance_id, a->io_count, count,
                                      a->board, a->on_request, &a->memory};
        a->ios[a->io_count] = sc_io_start(&config, err);
        if (!a->ios[a->io_count])
            return -1;
    }
    return 0;
}

/* Before anything else is begun, so that an address that cannot be had ends the start. */
int sc_agent_open_admin(struct agent *a, struct sc_error *err)
{
    const char *listen = a->settings->admin_listen;
    if (!listen[0] || a->on_request)
        return 0;
    a->board = sc_board_new((unsigned)a->settings->io_threads);
    if (!a->board)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for admin.listen");
    a->admin = sc_admin_open(listen, err);
    return a->admin ? 0 : -1;
}

int sc_agent_start_admin(struct agent *a, struct sc_error *err)
{
    struct sc_admin_view view = {.run_dir = a->settings->run_dir, .board = a->board, .publisher = a->publisher, .lease = a->lease, .fence = &a->fence,
                                 .ios = a->ios, .io_count = a->io_count, .started_real_ms = sc_real_ms()};
    return a->admin ? sc_admin_start(a->admin, &view, err) : 0;
}

int sc_agent_start_self(struct agent *a, struct sc_error *err)
{
    struct sc_self_config config = {.settings = a->settings, .nats = &a->nats, .fence = &a->fence, .publisher = a->publisher, .ios = a->ios,
                                    .io_count = a->io_count, .memory = &a->memory, .registry = a->registry};
    return a->self ? sc_self_start(a->self, &config, err) : 0;
}
