/* signal-client: the program's map. Everything is started in order and ended in reverse.
 *
 *   publisher (own NATS connection)   reader (own)   status writer (own)
 *   lease (own): nothing is published or asked before it is held
 *   io threads: all sources, spread by their key
 *   watch of INTEGRATIONS (own): gives integrations to the io threads
 *   control (own): what the command line asks, while the lease is held
 *   admin (own), where admin.listen is set: health, readiness, metrics; looks, touches nothing
 *   main: signals, supervision, the heartbeat file */
#include "parts.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/redact.h"
#include "cli/cli.h"
#include "http/http.h"
#include "operate/secrecy.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

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
        .changed = sc_agent_on_lease,
        .arg = a,
    };
    struct sc_watch_config watch = {
        .nats = &a->nats, .bucket = "INTEGRATIONS", .create = s->nats_create, .compare_ms = 60000, .event = sc_registry_event};
    pthread_mutex_init(&a->retiring.lock, NULL);
    pthread_mutex_init(&a->lease_lock, NULL);
    if (!a->on_request && !(a->self = sc_self_new(s, err))) /* one for a command alone says nothing of the agent that should run */
        return -1;
    if (sc_agent_open_admin(a, err) || sc_http_global_init(err) || !(a->publisher = sc_publisher_start(&publisher, err)) || !(a->reader = sc_reader_start(&a->nats, err)) ||
        !(a->status = sc_status_writer_start(&a->nats, &a->fence, err)) || sc_agent_start_io(a, err))
        return -1;
    a->registry = sc_registry_new(s, cli->plugins, a->ios, a->io_count, a->on_request ? NULL : a->status, s->appliance_id);
    watch.arg = a->registry;
    if (!a->registry || sc_agent_start_control(a, err) || !(a->lease = sc_lease_start(&lease, &a->fence, err)) || !(a->watch = sc_watch_start(&watch, err)) ||
        sc_agent_start_self(a, err) || sc_agent_start_admin(a, err))
        return -1;
    return 0;
}

/* In reverse; within 5 s in all. */
static void stop(struct agent *a)
{
    sc_agent_stop_control(a);
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
    sc_agent_stop_publisher(a);
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
    sc_agent_export_proxies(&cli->settings);
    sc_agent_fill_nats(&agent);
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
