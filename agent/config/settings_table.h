/* Private to agent/config: the table behind sc_settings and the places that fill it. Every value is text until the last moment, so
 * that each place is checked by the same rule and can be shown as it was written. */
#pragma once

#include "config/settings.h"

enum sc_setting_type {
    SC_SET_TEXT,
    SC_SET_TOKEN,   /* one token of a NATS subject, or empty */
    SC_SET_SUBJECT, /* a NATS subject without wildcards; {appliance_id} allowed */
    SC_SET_NATS,    /* comma-separated NATS URLs */
    SC_SET_PROXY,   /* proxy URL or empty */
    SC_SET_LISTEN,  /* sc_listen_parse(), or empty */
    SC_SET_BOOL,
    SC_SET_INT,
    SC_SET_CHOICE
};

#define SC_SETTING_NAMES 3

struct sc_setting_row {
    const char *key;
    enum sc_setting_type type;
    size_t offset;                      /* in struct sc_settings */
    const char *def;                    /* as text; where it is made at start (made), what to show for it */
    const char *choices;                /* SC_SET_CHOICE: "debug info warn error" */
    int64_t min, max;                   /* SC_SET_INT */
    const char *env[SC_SETTING_NAMES];  /* the first that is set and not empty holds; NULL ends */
    const char *node[SC_SETTING_NAMES]; /* likewise in the node file */
    const char *help;
    bool secret;
    bool filled; /* no value is taken over when empty: the default holds */
    bool made;   /* the default is made at start */
};

extern const struct sc_setting_row sc_setting_rows[];
extern const size_t sc_setting_count;

/* By row: what holds at the moment and where it came from. */
struct sc_setting_state {
    char *text;   /* NULL: not set by any place */
    char *source; /* "/etc/…conf:12", "environment NATS_URL"; NULL: the table */
    enum sc_setting_origin origin;
};

/* Checks the text and takes it over. -1 + err naming `source`. */
int sc_setting_set(struct sc_settings *settings, const struct sc_setting_row *row, const char *text, enum sc_setting_origin origin,
                   const char *source, struct sc_error *err) SC_WARN_UNUSED;
const struct sc_setting_row *sc_setting_find(const char *key);
/* Checks a text by its row alone. */
int sc_setting_check(const struct sc_setting_row *row, const char *text, const char *source, struct sc_error *err) SC_WARN_UNUSED;

/* settings_read.c. explicit_path: NULL = the default path, which may be absent. *ret_path: what was read, "" = none; owned. */
int sc_settings_read_file(struct sc_settings *settings, const char *explicit_path, struct sc_error *err) SC_WARN_UNUSED;
int sc_settings_read_node(struct sc_settings *settings, const char *explicit_path, struct sc_error *err) SC_WARN_UNUSED;
int sc_settings_read_environment(struct sc_settings *settings, struct sc_error *err) SC_WARN_UNUSED;

/* settings_default.c: the defaults that are made at start; NULL: out of memory. */
char *sc_default_run_dir(void);
char *sc_default_dead_letter_dir(const char *run_dir);
char *sc_default_connectors_path(const char *argv0);
