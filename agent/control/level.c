/* The log's level while the agent runs: op "log". */
#include "control/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

#define DEBUG_MS INT64_C(3600000) /* what nobody limited ends by itself: a log at DEBUG fills disks */

static void tell(char said[SC_LEVEL_SAID], const char *before)
{
    SC_AUTO_BUF struct sc_buf levels = {.max = SC_LEVEL_SAID};
    sc_log_tell_levels(&levels);
    snprintf(said, SC_LEVEL_SAID, "%s%s", before, levels.failed ? "more than can be told" : sc_buf_str(&levels).ptr);
}

static bool fall_back(const char *integration, char said[SC_LEVEL_SAID])
{
    bool found = sc_log_ask_no_more(integration);
    tell(said, found ? "the level of the settings holds again; now: " : "nothing was asked for that could end; now: ");
    return true;
}

bool sc_control_level(const json_t *request, char said[SC_LEVEL_SAID])
{
    const struct sc_log_cx cx = {.component = "control"};
    const char *text = json_string_value(json_object_get(request, "level")), *integration = json_string_value(json_object_get(request, "integration"));
    int64_t for_ms = json_integer_value(json_object_get(request, "seconds")) * 1000;
    struct sc_error err = SC_ERROR_INIT;
    enum sc_level level;
    char took[SC_TIME_TEXT];
    if (!text) {
        tell(said, "");
        return true;
    }
    if (!sc_log_parse_level(text, &level)) /* "reset" */
        return fall_back(integration, said);
    if (level == SC_DEBUG && !for_ms)
        for_ms = DEBUG_MS;
    if (sc_log_ask_level(level, integration, for_ms, &err)) {
        snprintf(said, SC_LEVEL_SAID, "%s", err.text);
        return false;
    }
    SC_LOG_EACH(SC_WARN, &cx, NULL, "the log level of %.200s is %s from now on%s%s, as `signal-client log` asked", integration ? integration : "all",
                sc_log_level_name(level), for_ms ? ", for " : ", until the agent is started again", for_ms ? sc_duration_text(for_ms, took) : "");
    tell(said, "");
    return true;
}
