/* The answer to op "agent". */
#include "control/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "poll/sink.h"

#include <unistd.h>

static const char *level_name(void)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    int level = sc_log_level_now;
    return level >= 0 && level < 4 ? names[level] : "?";
}

json_t *sc_control_facts(const struct sc_control_config *config)
{
    struct sc_broker_facts broker;
    char started[SC_TIME_TEXT], since[SC_TIME_TEXT];
    sc_publisher_facts(config->publisher, &broker);
    bool ready = broker.state == SC_BROKER_READY;
    json_t *facts = json_pack("{s:s, s:s, s:i, s:s, s:I, s:i, s:i, s:s, s:b}", "version", SIGNAL_VERSION, "agent", config->appliance_id, "pid", (int)getpid(),
                              "started", sc_time_rfc3339(config->started_real_ms, started), "epoch",
                              (json_int_t)atomic_load(&config->fence->epoch), "io_threads", (int)config->io_threads, "integrations",
                              (int)sc_registry_count(config->registry), "log_level", level_name(), "on_request", config->on_request);
    json_t *of_broker = json_pack("{s:b, s:s, s:o*, s:s, s:o*}", "ready", ready, "reason", ready ? "ok" : sc_reason_code(broker.reason), "text",
                                  sc_sink_text(sc_str_of(ready ? "" : broker.text)), "since", sc_time_rfc3339(broker.since_real_ms, since), "stream",
                                  sc_sink_text(sc_str_of(broker.stream)));
    if (facts && of_broker)
        json_object_set_new(facts, "broker", of_broker);
    else
        json_decref(of_broker);
    if (facts && config->more_facts)
        config->more_facts(config->more_arg, facts);
    return facts;
}
