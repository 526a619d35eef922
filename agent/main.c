/* signal-client: the program's map. Everything is started in order and ended in reverse.
 *
 *   publisher (own NATS connection)   reader (own)   status writer (own)
 *   lease (own): nothing is published or asked before it is held
 *   io threads: all sources, spread by their key
 *   watch of INTEGRATIONS (own): gives integrations to the io threads
 *   control (own): what the command line asks, while the lease is held
 *   admin (own), where admin.listen is set: health, readiness, metrics; looks, touches nothing
 *   main: signals, supervision, the heartbeat file */
#include "admin/admin.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/redact.h"
#include "cli/cli.h"
#include "control/control.h"
#include "http/http.h"
#include "nats/lease.h"
#include "nats/publisher.h"
#include "nats/reader.h"
#include "nats/watch.h"
#include "self/self.h"
#include "operate/secrecy.h"
#include "poll/io.h"
#include "poll/registry.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_IO_THREADS 64 /* the most that setting io.threads takes */

struct agent {
    const struct sc_settings *settings;
    struct sc_nats_config nats;
    struct sc_fence fence;
    struct sc_retiring retiring;
    pthread_mutex_t lease_lock; /* the lease outlives publisher and control: it is released last */
    struct sc_control *control;
    struct sc_publisher *publisher;
    struct sc_reader *reader;
    struct sc_status_writer *status;
    struct sc_lease *lease;
    struct sc_io *ios[MAX_IO_THREADS];
    unsigned io_count;
    struct sc_registry *registry;
    struct sc_watch *watch;
    struct sc_admin *admin;
    struct sc_board *board; /* NULL: nobody would look */
    struct sc_memory memory;
    struct sc_self *self;
    uint64_t hours_said;
    char create_subject[300];
    bool on_request; /* nothing is polled but what a command asks for */
};

static char *text_or_null(char *text)
{
    return text && text[0] ? text : NULL;
}

static void fill_nats(struct agent *a)
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
static void export_proxies(const struct sc_settings *s)
{
    const struct {
        const char *name, *value;
    } rows[] = {{"https_proxy", s->https_proxy}, {"http_proxy", s->http_proxy}, {"no_proxy", s->no_proxy}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value && rows[i].value[0])
            setenv(rows[i].name, rows[i].value, 1);
    }
}

static void on_lease(void *arg, enum sc_lease_state state, uint64_t epoch, enum sc_reason reason, const char *detail)
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

static void stop_publisher(struct agent *a)
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

static int start_control(struct agent *a, struct sc_error *err)
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

static void stop_control(struct agent *a)
{
    pthread_mutex_lock(&a->lease_lock);
    struct sc_control *control = a->control;
    a->control = NULL;
    pthread_mutex_unlock(&a->lease_lock);
    sc_control_stop(control);
}

static int start_io(struct agent *a, struct sc_error *err)
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
static int open_admin(struct agent *a, struct sc_error *err)
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

static int start_admin(struct agent *a, struct sc_error *err)
{
    struct sc_admin_view view = {.run_dir = a->settings->run_dir, .board = a->board, .publisher = a->publisher, .lease = a->lease, .fence = &a->fence,
                                 .ios = a->ios, .io_count = a->io_count, .started_real_ms = sc_real_ms()};
    return a->admin ? sc_admin_start(a->admin, &view, err) : 0;
}

static int start_self(struct agent *a, struct sc_error *err)
{
    struct sc_self_config config = {.settings = a->settings, .nats = &a->nats, .fence = &a->fence, .publisher = a->publisher, .ios = a->ios,
                                    .io_count = a->io_count, .memory = &a->memory, .registry = a->registry};
    return a->self ? sc_self_start(a->self, &config, err) : 0;
}

static int start(struct agent *a, struct sc_cli *cli, struct sc_error *err)
{
    const struct sc_settings *s = a->settings;
    struct sc_publisher_config publisher = {
        .nats = &a->nats,
        .subject = s->nats_subject,
        .create = s->nats_create,
        .create_subject = a->create_subject,
        .window_messages = (uint32_t)s->nats_window_messages,
        .window_bytes = (uint32_t)s->nats_window_bytes,
        .stall_ms = (uint32_t)(s->nats_stall_s * 1000),
        .fence = &a->fence,
    };
    struct sc_lease_config lease = {
        .nats = &a->nats,
        .run_dir = s->run_dir,
        .agent = s->appliance_id,
        .renew_ms = (uint32_t)s->lease_renew_ms,
        .take_after_ms = (uint32_t)s->lease_take_after_ms,
        .valid_ms = (uint32_t)s->lease_valid_ms,
        .changed = on_lease,
        .arg = a,
    };
    struct sc_watch_config watch = {
        .nats = &a->nats, .bucket = "INTEGRATIONS", .create = s->nats_create, .compare_ms = 60000, .event = sc_registry_event};
    pthread_mutex_init(&a->retiring.lock, NULL);
    pthread_mutex_init(&a->lease_lock, NULL);
    if (!a->on_request && !(a->self = sc_self_new(s, err))) /* one for a command alone says nothing of the agent that should run */
        return -1;
    if (open_admin(a, err) || sc_http_global_init(err) || !(a->publisher = sc_publisher_start(&publisher, err)) || !(a->reader = sc_reader_start(&a->nats, err)) ||
        !(a->status = sc_status_writer_start(&a->nats, &a->fence, err)) || start_io(a, err))
        return -1;
    a->registry = sc_registry_new(s, cli->plugins, a->ios, a->io_count, a->on_request ? NULL : a->status, s->appliance_id);
    watch.arg = a->registry;
    if (!a->registry || start_control(a, err) || !(a->lease = sc_lease_start(&lease, &a->fence, err)) || !(a->watch = sc_watch_start(&watch, err)) ||
        start_self(a, err) || start_admin(a, err))
        return -1;
    return 0;
}

/* In reverse; within 5 s in all. */
static void stop(struct agent *a)
{
    stop_control(a);
    a->admin = sc_admin_stop(a->admin);
    sc_self_stop(a->self);
    a->watch = sc_watch_stop(a->watch);
    for (unsigned i = 0; i < a->io_count; i++)
        sc_io_stop_begin(a->ios[i]);
    int64_t until = sc_mono_ms() + 2500; /* for all of them together */
    for (unsigned i = 0; i < a->io_count; i++) {
        int64_t left = until - sc_mono_ms();
        sc_io_stop_wait(a->ios[i], left > 0 ? left : 0);
    }
    stop_publisher(a);
    a->status = sc_status_writer_stop(a->status, 500);
    a->lease = sc_lease_stop(a->lease, true);
    a->reader = sc_reader_stop(a->reader);
    a->registry = sc_registry_free(a->registry);
    for (unsigned i = 0; i < a->io_count; i++)
        a->ios[i] = sc_io_free(a->ios[i]);
    a->board = sc_board_free(a->board);
    for (uint32_t i = 0; i < a->retiring.count; i++)
        free(a->retiring.names[i]);
    free(a->retiring.names);
    sc_http_global_done();
    a->self = sc_self_free(a->self);
}

static int supervise(struct agent *a, const sigset_t *signals)
{
    for (;;) {
        struct timespec step = {.tv_sec = 1};
        if (a->self)
            sc_self_turn(a->self);
        sc_log_turn();
        sc_io_hour_say(a->ios, a->io_count, &a->hours_said);
        int got = sigtimedwait(signals, NULL, &step);
        if (got == SIGTERM || got == SIGINT)
            return got;
    }
}

static int run_agent(struct sc_cli *cli)
{
    static struct agent agent; /* threads hold pointers into it until the end */
    struct sc_error err = SC_ERROR_INIT;
    enum sc_level level = SC_INFO;
    sigset_t signals;
    agent.settings = &cli->settings;
    agent.on_request = cli->on_request;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread */
    signal(SIGPIPE, SIG_IGN);
    sc_secrecy_begin();
    sc_secrecy_clear_environment();
    sc_log_parse_level(cli->settings.log_level, &level);
    sc_log_init(level, 2);
#ifdef SIGNAL_FAULT_POINTS
    sc_fault_init();
#endif
    if (cli->settings.nats_password)
        sc_redact_add(cli->settings.nats_password, strlen(cli->settings.nats_password));
    export_proxies(&cli->settings);
    fill_nats(&agent);
    SC_SAY(SC_INFO, "agent", "signal-client %s, appliance %s, NATS %s, artifacts to %s, %zu connectors", SIGNAL_VERSION, cli->settings.appliance_id,
           cli->settings.nats_url, cli->settings.nats_subject, sc_plugins_count(cli->plugins));
    int rc = start(&agent, cli, &err);
    if (rc) {
        SC_SAY(SC_ERROR, "agent", "cannot start: %s", err.text);
    } else {
        int got = supervise(&agent, &signals); /* not among the arguments: these are not evaluated where the level is above INFO */
        SC_SAY(SC_INFO, "agent", "stopping (signal %d)", got);
    }
    stop(&agent);
    sc_log_flush();
    if (rc == 0)
        SC_SAY(SC_INFO, "agent", "stopped");
    return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
    return sc_cli_main(argc, argv, run_agent);
}
