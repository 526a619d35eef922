/* The agent's own settings: one table row a key. Later wins: default, settings file (libconfig), node file (JSON), environment,
 * command line (design 1.1). Read once at start; read-only afterwards. */
#pragma once

#include "base/buf.h"

struct sc_settings {
    /* identity */
    char *appliance_id;   /* "local" */
    char *org_id;         /* "" */
    bool offline_mode;
    /* nats.* */
    char *nats_url;       /* nats://127.0.0.1:{broker_client_port or 4222} */
    char *nats_creds, *nats_user, *nats_password, *nats_domain;
    char *nats_subject;   /* "{appliance_id}.data.artifacts.raw" filled in */
    bool nats_create;
    int64_t nats_window_messages, nats_window_bytes, nats_stall_s, nats_look_s;
    int64_t broker_client_port;
    /* tls.* */
    char *tls_ca_file, *tls_client_cert, *tls_client_key;
    /* seal.* */
    char *seal_key_file, *seal_old_key_file; /* "" = none */
    /* http.* */
    char *http_proxy, *https_proxy, *no_proxy; /* "" = none; exported to the environment of libcurl by main */
    char *user_agent;     /* "signal-client/0.1.0" */
    int64_t http_connect_timeout_s, http_first_byte_timeout_s, http_stall_timeout_s;
    int64_t http_max_body_bytes; /* 1 GiB, at most 16 GiB */
    int64_t http_max_record_bytes; /* 8 MiB */
    /* poll.* */
    int64_t poll_max_concurrent; /* 256 */
    int64_t poll_max_pages;      /* 100000 */
    int64_t poll_max_time_s;     /* 21600 */
    int64_t poll_max_identities; /* 1048576 */
    /* io.* */
    int64_t io_threads; /* 1 */
    /* admin.* */
    char *admin_listen; /* "" = off; else as sc_listen_parse() takes it */
    /* log.* */
    char *log_level, *log_format;
    /* memory.* */
    int64_t memory_limit_bytes; /* 0: what the control group says */
    /* places */
    char *run_dir;        /* run.dir: /run/signal-client, else /data */
    char *dead_letter_dir; /* dead_letter.dir: /data/dead-letters */
    char *connectors_path; /* connectors.path */
    char *artifact_mode;   /* artifact.mode: "binary" | "structured" */
    char *config_file, *node_file; /* that were read; "" = none */
    /* lease.* for tests and unusual set-ups */
    int64_t lease_renew_ms, lease_take_after_ms, lease_valid_ms;
    /* of settings.c: text and origin by row */
    struct sc_setting_state *states;
    bool secrets_known; /* to the redactor */
};

enum sc_setting_origin {
    SC_FROM_DEFAULT,
    SC_FROM_FILE,
    SC_FROM_NODE,
    SC_FROM_ENVIRONMENT,
    SC_FROM_COMMAND_LINE
};

struct sc_option { /* from the command line: --nats.url=… or --config … */
    const char *key, *value;
};

/* argv0 is needed for the default of connectors.path. -1 + err (config_invalid): path, user id, mode, line, key, range — and what to do. */
int sc_settings_load(struct sc_settings *settings, const char *argv0, const struct sc_option *options, size_t option_count,
                     struct sc_error *err) SC_WARN_UNUSED;
void sc_settings_done(struct sc_settings *settings);
/* Is there an option --<key>: a setting's key, "config" or "node" (the two files)? */
bool sc_settings_is_option(const char *key);
/* Checks one option without reading anything else: what fails here is wrong use. -1 + err. */
int sc_settings_check_option(const char *key, const char *value, struct sc_error *err) SC_WARN_UNUSED;
/* Each key in table order: value as text (secrets as "[set]"), where it came from, help. For `signal-client config` and docs. */
void sc_settings_each(const struct sc_settings *settings,
                      void (*row)(void *arg, const char *key, const char *value, enum sc_setting_origin origin, const char *source,
                                  const char *help, const char *def),
                      void *arg);
/* A row of the table, for docs: what may be set, and where. */
struct sc_setting_facts {
    const char *key, *def, *help;
    const char *env[4], *node[4]; /* NULL ends; the first that is set holds */
    const char *choices;          /* "debug info"; NULL: none */
    int64_t min, max;             /* both 0: no number */
};
void sc_settings_describe(void (*row)(void *arg, const struct sc_setting_facts *facts), void *arg);
const char *sc_setting_origin_name(enum sc_setting_origin origin);
