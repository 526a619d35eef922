/* One play of one script: the real io loop of agent/poll between a vendor and a broker that are made of the script. */
#pragma once

#include "broker.h"
#include "clock.h"
#include "poll/ask.h"
#include "poll/poller.h"
#include "poll/registry.h"
#include "script.h"
#include "vendor.h"

#define EX_SLACK_MS 400 /* the agent's own small timers (flush 20 ms, save 200 ms) run by themselves within this */

struct ex_options {
    const char *scratch; /* directory for dead letters and the node file */
    const struct sc_plugins *plugins;
    bool show;           /* print what comes, compare requests alone */
    size_t chunk;        /* body bytes at a time; 0: all */
};

struct ex_put { /* what stands in INTEGRATIONS */
    char *name, *json;
    uint64_t rev;
};

struct ex_log_line {
    char *text;
    enum sc_level level;
    bool expected;
};

struct ex_said { /* a line that came back to who asked */
    json_t *line;
    bool named;
};

struct ex_play {
    const struct ex_options *options;
    const struct ex_script *script;
    const struct ex_step *step;
    struct sc_buf *report; /* what went wrong */
    struct sc_settings settings;
    struct sc_option overrides[16];
    size_t override_count;
    struct sc_publisher *broker;
    struct sc_retiring retiring;
    struct sc_memory memory;
    struct sc_io *io;      /* NULL: the agent does not run */
    struct sc_registry *registry;
    struct ex_put puts[16];
    size_t put_count;
    uint64_t put_rev;
    struct ex_log_line *lines;
    size_t line_count, line_cap, shown_lines;
    size_t records_told;   /* of the broker's records, how many the script has named */
    size_t records_shown, bodies;
    char *secrets[32];
    size_t secret_count;
    size_t chunk;
    int64_t since_ms;      /* monotonic: the last step that did something; waits count from it */
    uint64_t exchanges;
    bool setting_up, letters_used;
    struct sc_sink *sink;  /* of what was asked last; NULL: nothing yet */
    uint64_t ask_id, stored; /* stored: what a dry run must leave as it is */
    struct ex_said said[512];
    size_t said_count;
    bool ask_ended;
};

/* Plays it whole. 0, or -1 with the reason in `report`. */
int ex_play(const struct ex_script *script, const struct ex_options *options, struct sc_buf *report, uint64_t *exchanges);

/* Always -1: "file:line: text" to the report, of the step's line, or another one. */
int ex_wrong(struct ex_play *play, const char *fmt, ...) SC_PRINTF(2, 3);
int ex_wrong_at(struct ex_play *play, unsigned line, const char *fmt, ...) SC_PRINTF(3, 4);

/* stage.c: the agent's life */
int ex_agent_start(struct ex_play *play);
int ex_agent_stop(struct ex_play *play);   /* as SIGTERM does: what is handed over is waited for, positions are saved */
void ex_agent_crash(struct ex_play *play); /* as SIGKILL does */
int ex_calm(struct ex_play *play);         /* turns until nothing happens without time passing */
/* Runs timers up to that monotonic time or until `enough`. 1: enough; 0: nothing more before that time; -1: wrong. */
int ex_run_until(struct ex_play *play, int64_t mono_ms, bool (*enough)(struct ex_play *play));
int ex_settle(struct ex_play *play, bool (*enough)(struct ex_play *play)); /* the same for EX_SLACK_MS */
int ex_put_value(struct ex_play *play, const char *name, const char *json, bool known);
int ex_delete_value(struct ex_play *play, const char *name);
int ex_given_checkpoint(struct ex_play *play, const char *key, const char *json);

/* steps.c: one step. 0 or -1. */
int ex_step(struct ex_play *play);
bool ex_has_request(struct ex_play *play);

/* ask.c: polls by hand */
int ex_step_ask(struct ex_play *play, bool dry);
int ex_step_ask_for(struct ex_play *play);
int ex_step_give_up(struct ex_play *play);
int ex_expect_said(struct ex_play *play);
int ex_expect_ended(struct ex_play *play);
int ex_expect_untouched(struct ex_play *play);
int ex_expect_nothing_asked(struct ex_play *play);
void ex_ask_done(struct ex_play *play);

/* expect.c: what must have come, and how it differs */
int ex_expect_request(struct ex_play *play);
int ex_expect_record(struct ex_play *play, bool duplicate);
int ex_expect_no_more_records(struct ex_play *play, const char *before);
int ex_expect_checkpoint(struct ex_play *play);
int ex_expect_status(struct ex_play *play);
int ex_expect_log(struct ex_play *play);
int ex_expect_letter(struct ex_play *play);
/* Does the secret stand there, plain, percent-encoded, escaped for JSON, as hex or base64? */
bool ex_finds(const char *text, const char *secret);
int ex_expect_end(struct ex_play *play);
void ex_tell_state(struct ex_play *play); /* for a report: where each data type stands */

/* show.c: what came, in the script's own form */
void ex_show_block(const char *text, size_t len);
void ex_show_request(const struct ex_play *play, const struct sc_transfer *transfer);
void ex_show_step(const struct ex_play *play);
void ex_show_outcome(struct ex_play *play); /* records and log lines since the last time */
void ex_show_end(struct ex_play *play);
