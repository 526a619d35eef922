/* Private to agent/cli: the table of commands and what they share. Everything runs on the main thread. */
#pragma once

#include "cli/cli.h"
#include "operate/seal_file.h"

#include <jansson.h>

enum {
    SC_EXIT_GOOD,
    SC_EXIT_BAD,  /* the thing asked about is bad */
    SC_EXIT_USAGE /* wrong use */
};

/* ---- commands.c: the table ------------------------------------------------------------------------------------------- */

extern const struct sc_command sc_commands[]; /* name NULL ends */
/* Options that every command takes beside its own. */
extern const struct sc_option_row sc_common_options[];
extern const struct sc_option_row sc_json_option; /* of rows that have `json` */

int sc_command_not_yet(struct sc_cli *cli);
int sc_command_demo(struct sc_cli *cli);
int sc_command_integrations_list(struct sc_cli *cli);
int sc_command_integrations_show(struct sc_cli *cli);
int sc_command_integrations_put(struct sc_cli *cli);
int sc_command_integrations_enable(struct sc_cli *cli);
int sc_command_integrations_disable(struct sc_cli *cli);
int sc_command_integrations_remove(struct sc_cli *cli);
int sc_command_integrations_import(struct sc_cli *cli);
int sc_command_connectors_list(struct sc_cli *cli);
int sc_command_connectors_show(struct sc_cli *cli);
int sc_command_checkpoint_show(struct sc_cli *cli);
int sc_command_checkpoint_set(struct sc_cli *cli);
int sc_command_checkpoint_reset(struct sc_cli *cli);
int sc_command_backfill(struct sc_cli *cli);
int sc_command_backfill_list(struct sc_cli *cli);
int sc_command_backfill_stop(struct sc_cli *cli);
int sc_command_tail(struct sc_cli *cli);
int sc_command_status(struct sc_cli *cli);
int sc_command_poll(struct sc_cli *cli);
int sc_command_log(struct sc_cli *cli);
int sc_command_seal(struct sc_cli *cli);
int sc_command_config(struct sc_cli *cli);
int sc_command_health(struct sc_cli *cli);
int sc_command_doctor(struct sc_cli *cli);
int sc_command_version(struct sc_cli *cli);
int sc_command_completion(struct sc_cli *cli);
int sc_command_help(struct sc_cli *cli);

/* ---- help.c: what the table says to people ------------------------------------------------------------------------------ */

/* By one or two words, longest name first; *ret_used: how many. NULL: there is none. */
const struct sc_command *sc_command_find(char *const *words, int count, int *ret_used);
/* "usage: signal-client tail [NAME] …" with a line end. */
void sc_usage_add(const struct sc_command *row, struct sc_buf *out);
void sc_overview_add(struct sc_buf *out);
/* Help on the command, or on all that begin with the word; the overview without words. */
int sc_help_on(char *const *words, int count);
/* Says what is wrong with these words as a command. */
int sc_unknown_command(char *const *words, int count);

/* ---- markdown.c: pages of docs/ ---------------------------------------------------------------------------------------- */

/* The two tables of docs/configuration.md, each between the marks that stand around it there. */
void sc_markdown_configuration(struct sc_buf *out);
/* The tables of docs/metrics.md, likewise. */
void sc_markdown_metrics(struct sc_buf *out);
/* One section of docs/connectors.md, and the whole page. */
void sc_markdown_connector(const struct sc_connector *connector, struct sc_buf *out);
void sc_markdown_connectors(const struct sc_plugins *plugins, struct sc_buf *out);

/* ---- connectors.c: rows of a connector's tables in words ----------------------------------------------------------------- */

void sc_describe_field(const struct sc_field *field, struct sc_buf *out);
void sc_describe_pool(const struct sc_pool *pool, struct sc_buf *out);

/* ---- args.c: what stands behind the command -------------------------------------------------------------------------- */

struct sc_args {
    const char **words;
    int word_count;
    struct sc_option *options; /* in order; value "" for one that takes none */
    int option_count;
};

/* By the words and options of the command's row. -1: said to the user, exit SC_EXIT_USAGE. */
int sc_args_read(const struct sc_cli *cli, struct sc_args *ret);
void sc_args_done(struct sc_args *args);
/* Value of the last one of that name; NULL: not given. */
const char *sc_args_get(const struct sc_args *args, const char *name);
/* "10m", "90s", "1.5h", "2d", "500ms"; a bare number is seconds. -1: none. */
int64_t sc_parse_span_ms(const char *text);

#define SC_AUTO_ARGS __attribute__((cleanup(sc_args_done)))

/* ---- output.c -------------------------------------------------------------------------------------------------------- */

/* A line on stderr; returns `code`. */
int sc_say(int code, const char *fmt, ...) SC_PRINTF(2, 3);
int sc_usage_error(const struct sc_cli *cli, const char *fmt, ...) SC_PRINTF(2, 3);
/* To stdout, redacted. SC_EXIT_GOOD, or SC_EXIT_BAD when it cannot be written. */
int sc_print(struct sc_buf *text);
/* Takes the value; ends with a line end. */
int sc_print_json(json_t *value);
/* Text from outside for a terminal: what one would obey, and bytes that are no UTF-8, become '?'. */
void sc_add_clean(struct sc_buf *out, const char *text);
/* A last look at what is printed: colours and line ends stay, anything else that a terminal would obey becomes '?'. Whoever made the text should have
 * cleaned what comes from outside already. */
void sc_add_shown(struct sc_buf *out, struct sc_str text);
/* JSON as jansson writes it, for a terminal and with the same meaning: what JSON itself need not escape is escaped as well. */
void sc_add_json_clean(struct sc_buf *out, const char *json);

#define SC_MAX_COLUMNS 8

struct sc_table {
    char **cells;
    size_t columns, count, cap;
    bool failed;
};
/* A row of `columns` texts; NULL is an empty cell. The first row is the heading. */
void sc_table_add(struct sc_table *table, const char *const cells[]);
/* Aligned columns, two blanks between, each line after `indent`. */
void sc_table_write(const struct sc_table *table, const char *indent, struct sc_buf *out);
void sc_table_done(struct sc_table *table);

#define SC_AUTO_TABLE __attribute__((cleanup(sc_table_done)))

/* ---- input.c --------------------------------------------------------------------------------------------------------- */

/* One line: asked for on a terminal without echo, else read from standard input. Line end cut off; free with sc_secret_free(). */
char *sc_read_secret(const char *what, struct sc_error *err);
bool sc_can_ask(void);
bool sc_ask_yes(const char *question);
/* A file, or standard input for "-"; at most max bytes. */
int sc_read_input(const char *path, size_t max, struct sc_buf *out, struct sc_error *err);

/* ---- splice.c -------------------------------------------------------------------------------------------------------- */

/* The text of a JSON object (known to be valid) with its member `enabled` set, every other byte as it was. */
int sc_splice_enabled(struct sc_str json, bool enabled, struct sc_buf *out);

/* ---- values.c: an integration's value as JSON --------------------------------------------------------------------------- */

/* The object of that name, made when missing or when something else stands there. */
json_t *sc_value_object(json_t *root, const char *name);
/* Takes value. A field stands in one object only, `credentials` or `settings`, and under its own name, not its alias. */
void sc_value_set_field(json_t *root, const struct sc_field *row, bool credential, json_t *value);
/* err says which fields the connector has. Always -1. */
int sc_value_fail_field(const struct sc_connector *connector, struct sc_str name, struct sc_error *err);
/* Is there a text that `integrations show` or the redactor put in a secret's place? *ret_where: "credentials.api_token". */
bool sc_value_find_hidden(const json_t *value, struct sc_buf *ret_where);
int sc_value_fail_hidden(const char *where, const char *cure, struct sc_error *err);
/* Indented, numbers as people write them. NULL: out of memory. Free with sc_secret_free(). */
char *sc_value_dump(const json_t *value);

/* ---- sealing.c: the secrets of a value, and their seals ------------------------------------------------------------------- */

/* The key that seals. 0; 1: seal.key_file is not set; -1 + err. */
int sc_seal_key_of(const struct sc_cli *cli, struct sc_seal_key *ret, struct sc_error *err);

struct sc_secret_at {
    const char *object; /* "credentials", "settings"; "" for the proxy */
    const char *member; /* as it was written */
    const char *field;  /* what the connector calls it, which it is sealed for */
    const char *text;
};
/* Each secret of a value, sealed or not: what the connector calls one, what it does not know among credentials, a proxy with a password. fn may
 * give another text, which is taken and wiped. -1 when fn did, or when memory ran out. connector NULL: it is not known. */
int sc_value_each_secret(json_t *root, const struct sc_connector *connector, int (*fn)(void *arg, const struct sc_secret_at *at, char **ret_text),
                         void *arg);
void sc_secret_where(const struct sc_secret_at *at, struct sc_buf *out);
/* By its field's name, else by the name it stands under. */
enum sc_unseal sc_secret_open(const struct sc_seal_keys *keys, const char *name, const struct sc_secret_at *at, char **ret_plain);
/* Seals all that are plain. ret_what: "credentials.api_token, proxy"; "" when there was none. */
int sc_value_seal(json_t *root, const struct sc_connector *connector, const char *name, const struct sc_seal_key *key, struct sc_buf *ret_what,
                  struct sc_error *err);
/* Opens all that open, for comparing. */
void sc_value_open(json_t *root, const struct sc_connector *connector, const char *name, const struct sc_seal_keys *keys);
struct sc_sealed_facts {
    struct sc_buf sealed, plain; /* where, comma-separated */
};
void sc_value_tell_sealed(json_t *root, const struct sc_connector *connector, struct sc_sealed_facts *ret);
/* "yes", "no", "partly"; "" when there is no secret. */
const char *sc_sealed_word(const struct sc_sealed_facts *facts);
void sc_sealed_facts_done(struct sc_sealed_facts *facts);

#define SC_AUTO_FACTS __attribute__((cleanup(sc_sealed_facts_done)))

/* ---- from_now.c: data_types.T.start --------------------------------------------------------------------------------------- */

struct sc_session;

/* Sets start of every data type of the connector. */
void sc_from_now_set(json_t *root, const struct sc_connector *connector, const char *start);
/* Takes it away again, for comparing. */
void sc_from_now_clear(json_t *root);
/* What it means for each data type, behind what is said already: ", from … on; vulnerabilities is read whole once". */
void sc_from_now_tell(struct sc_session *session, const struct sc_connector *connector, const char *name, const char *start,
                      struct sc_buf *out, json_t *done);
/* The start of the data types of a value: one time, "several", or "" when none has one. */
const char *sc_from_now_text(const json_t *root);

/* ---- import_read.c: what a file of integrations holds --------------------------------------------------------------------- */

struct sc_import_item {
    char *key;     /* as in the file */
    char *name;    /* with the prefix */
    json_t *value; /* the integration's; NULL: err says why */
    struct sc_error err;
};

struct sc_import {
    struct sc_import_item *at;
    size_t count, cap;
};

/* -1 + err: the file as a whole is none of the forms. What is wrong with one item stands there. */
int sc_import_read(struct sc_str text, const char *prefix, struct sc_import *ret, struct sc_error *err);
/* {"KEY": {"FIELD": "value"}}: each into its item. -1 + err: names the file's place, never a value. */
int sc_import_secrets(struct sc_import *import, struct sc_str text, const struct sc_plugins *plugins, struct sc_error *err);
void sc_import_done(struct sc_import *import);

/* ---- bucket.c: INTEGRATIONS and INTEGRATION_STATUS -------------------------------------------------------------------- */

#define SC_INTEGRATIONS       "INTEGRATIONS"
#define SC_INTEGRATION_STATUS "INTEGRATION_STATUS"
#define SC_CHECKPOINTS        "CHECKPOINTS"

struct sc_kv_entry;

#define SC_TIMEOUT_MS 5000 /* for each request */

struct sc_nats_config;

/* How NATS is reached, by the settings; the name in it is returned, to be freed by the caller when it is no longer needed. */
char *sc_nats_of(const struct sc_cli *cli, uint32_t timeout_ms, struct sc_nats_config *ret);
/* NULL + err says what to do. */
struct sc_session *sc_open_nats(const struct sc_cli *cli, uint32_t timeout_ms, struct sc_error *err);
/* A connection and the bucket; make: it is made when missing and nats.create is set. NULL + err says what to do. */
struct sc_session *sc_open_bucket(const struct sc_cli *cli, bool make, struct sc_error *err);
/* 0; 1: not there (err says how to see what is); -1 + err. */
int sc_get_integration(struct sc_session *session, const char *name, struct sc_kv_entry *ret, struct sc_error *err);
/* An earlier value, as far as the bucket's history reaches. -1 + err. */
int sc_get_revision(struct sc_session *session, const char *name, uint64_t rev, struct sc_kv_entry *ret, struct sc_error *err);
/* 0 and *ret_rev; 1: another revision stands there; -1 + err. An answer that was lost is looked up. */
int sc_put_integration(struct sc_session *session, const char *name, struct sc_str value, uint64_t expected_rev, uint64_t *ret_rev,
                       struct sc_error *err);
/* doubles.c: the names of other integrations that read a data type of the same source, comma-separated. */
void sc_find_doubles(const struct sc_cli *cli, struct sc_session *session, const char *name, struct sc_str value, struct sc_buf *ret);
/* The status value, or NULL. */
json_t *sc_get_status(struct sc_session *session, const char *name);
/* Object: key -> status value; empty when the bucket is not there. NULL: out of memory. */
json_t *sc_get_statuses(struct sc_session *session);
/* "" when the member is no text. */
const char *sc_json_text(const json_t *object, const char *name);
/* For sc_integration_parse: arg is the plugins. */
const struct sc_connector *sc_find_connector(void *arg, const char *type);
