/* The table of settings, and how its places are laid over each other. Read once at start on the main thread. */
#include "config/settings_table.h"

#include "base/clock.h"
#include "base/redact.h"
#include "config/listen.h"
#include "config/text.h"
#include "config/url.h"

#include <stdlib.h>

#define AT(member) offsetof(struct sc_settings, member)
#define KIB        INT64_C(1024)
#define MIB        (1024 * KIB)
#define GIB        (1024 * MIB)

const struct sc_setting_row sc_setting_rows[] = {
    {"appliance_id", SC_SET_TOKEN, AT(appliance_id), "local", .env = {"APPLIANCE_ID"}, .node = {"appliance_id"}, .filled = true,
     .help = "Name of this appliance; first part of the subject"},
    {"org_id", SC_SET_TEXT, AT(org_id), "", .node = {"org_id"}, .help = "Organisation that the appliance belongs to"},
    {"offline_mode", SC_SET_BOOL, AT(offline_mode), "false", .node = {"offline_mode"}, .help = "true: no vendor is polled"},
    {"broker_client_port", SC_SET_INT, AT(broker_client_port), "4222", .min = 1, .max = 65535, .node = {"broker_client_port"},
     .help = "Port of the NATS server on this machine; used when nats.url is not set"},
    {"nats.url", SC_SET_NATS, AT(nats_url), "nats://127.0.0.1:{broker_client_port}", .env = {"NATS_URL"}, .filled = true, .made = true,
     .help = "NATS servers, comma-separated"},
    {"nats.creds", SC_SET_TEXT, AT(nats_creds), "", .env = {"NATS_CREDS"}, .help = "Credentials file (JWT and key)"},
    {"nats.user", SC_SET_TEXT, AT(nats_user), "", .env = {"NATS_USER"}, .help = "User name at NATS"},
    {"nats.password", SC_SET_TEXT, AT(nats_password), "", .env = {"NATS_PASSWORD"}, .secret = true, .help = "Password at NATS"},
    {"nats.domain", SC_SET_TOKEN, AT(nats_domain), "", .env = {"NATS_DOMAIN"}, .help = "JetStream domain"},
    {"nats.subject", SC_SET_SUBJECT, AT(nats_subject), "{appliance_id}.data.artifacts.raw", .filled = true,
     .help = "Subject that artifacts are published to"},
    {"nats.create", SC_SET_BOOL, AT(nats_create), "false", .env = {"NATS_CREATE"},
     .help = "true: stream DATA and bucket INTEGRATIONS are made when missing"},
    {"nats.window_messages", SC_SET_INT, AT(nats_window_messages), "1024", .min = 1, .max = 16384,
     .help = "Most messages that wait for their acknowledgement"},
    {"nats.window_bytes", SC_SET_INT, AT(nats_window_bytes), "8388608", .min = MIB, .max = GIB,
     .help = "Most bytes that wait for their acknowledgement"},
    {"nats.stall_s", SC_SET_INT, AT(nats_stall_s), "30", .min = 1, .max = 600,
     .help = "Seconds without any acknowledgement before the connection is made anew"},
    {"nats.look_s", SC_SET_INT, AT(nats_look_s), "60", .min = 1, .max = 3600,
     .help = "Seconds between looks at the stream: who reads it, how full it is"},
    {"tls.ca_file", SC_SET_TEXT, AT(tls_ca_file), "", .env = {"NATS_CA"}, .node = {"ca_path"},
     .help = "PEM file of CAs beside the system's, for vendors and for NATS"},
    {"tls.client_cert", SC_SET_TEXT, AT(tls_client_cert), "", .node = {"client_cert_path"},
     .help = "PEM file of the certificate shown to NATS"},
    {"tls.client_key", SC_SET_TEXT, AT(tls_client_key), "", .node = {"client_key_path"}, .help = "PEM file of its key"},
    {"seal.key_file", SC_SET_TEXT, AT(seal_key_file), "", .env = {"SIGNAL_CLIENT_SEAL_KEY_FILE"},
     .help = "File of the key that seals credentials and opens them; only its owner may read it"},
    {"seal.old_key_file", SC_SET_TEXT, AT(seal_old_key_file), "", .env = {"SIGNAL_CLIENT_SEAL_OLD_KEY_FILE"},
     .help = "File of the key before it, which opens what is not sealed anew yet"},
    {"http.https_proxy", SC_SET_PROXY, AT(https_proxy), "", .env = {"https_proxy", "HTTPS_PROXY"}, .node = {"https_proxy", "HTTPS_PROXY"},
     .help = "Proxy for https://, as http://user:password@host:port"},
    {"http.http_proxy", SC_SET_PROXY, AT(http_proxy), "", .env = {"http_proxy", "HTTP_PROXY"}, .node = {"http_proxy", "HTTP_PROXY"},
     .help = "Proxy for http://"},
    {"http.no_proxy", SC_SET_TEXT, AT(no_proxy), "", .env = {"no_proxy", "NO_PROXY"}, .node = {"no_proxy", "NO_PROXY"},
     .help = "Hosts that are reached without a proxy, comma-separated"},
    {"http.user_agent", SC_SET_TEXT, AT(user_agent), "signal-client/" SIGNAL_VERSION, .filled = true, .help = "User-Agent of all requests"},
    {"http.connect_timeout_s", SC_SET_INT, AT(http_connect_timeout_s), "20", .min = 1, .max = 600, .help = "Seconds for TCP and TLS"},
    {"http.first_byte_timeout_s", SC_SET_INT, AT(http_first_byte_timeout_s), "120", .min = 1, .max = 3600,
     .help = "Seconds from the request to the first byte of the reply"},
    {"http.stall_timeout_s", SC_SET_INT, AT(http_stall_timeout_s), "60", .min = 1, .max = 3600,
     .help = "Seconds without a byte in the middle of a reply"},
    {"http.max_body_bytes", SC_SET_INT, AT(http_max_body_bytes), "1073741824", .min = MIB, .max = 16 * GIB,
     .help = "Largest reply, decoded"},
    {"http.max_record_bytes", SC_SET_INT, AT(http_max_record_bytes), "8388608", .min = KIB, .max = 64 * MIB, .help = "Largest record"},
    {"poll.max_concurrent", SC_SET_INT, AT(poll_max_concurrent), "256", .min = 1, .max = 4096, .help = "Polls at once"},
    {"poll.max_pages", SC_SET_INT, AT(poll_max_pages), "100000", .min = 1, .max = INT64_C(1000000000), .help = "Pages in one poll"},
    {"poll.max_time_s", SC_SET_INT, AT(poll_max_time_s), "21600", .min = 1, .max = 7 * 86400, .help = "Seconds that one poll may take"},
    {"poll.max_identities", SC_SET_INT, AT(poll_max_identities), "1048576", .min = KIB, .max = 1048576,
     .help = "Identities remembered for each data type"},
    {"io.threads", SC_SET_INT, AT(io_threads), "1", .min = 1, .max = 64, .help = "Threads that poll vendors"},
    {"admin.listen", SC_SET_LISTEN, AT(admin_listen), "",
     .help = "Numeric address and port for /healthz, /readyz and /metrics, as 127.0.0.1:9850; a port alone listens on loopback; empty: off"},
    {"log.level", SC_SET_CHOICE, AT(log_level), "info", .choices = "debug info warn error", .env = {"LOG_LEVEL"}, .filled = true,
     .help = "Least level that is written: debug, info, warn, error"},
    {"log.format", SC_SET_CHOICE, AT(log_format), "text", .choices = "text json", .env = {"LOG_FORMAT"}, .filled = true,
     .help = "Form of the log: text, or json (one object a line)"},
    {"memory.limit_bytes", SC_SET_INT, AT(memory_limit_bytes), "0", .min = 0, .max = 1024 * GIB,
     .help = "Memory that the agent may take: near it polls wait for each other; 0: the limit of its control group (the container's)"},
    {"run.dir", SC_SET_TEXT, AT(run_dir), "/run/signal-client, else /data", .filled = true, .made = true,
     .help = "Directory of heartbeat and instance id"},
    {"dead_letter.dir", SC_SET_TEXT, AT(dead_letter_dir), "/data/dead-letters, else {run.dir}/dead-letters", .filled = true, .made = true,
     .help = "Directory of records that could not be published"},
    {"connectors.path", SC_SET_TEXT, AT(connectors_path), "lib/signal-client/connectors beside bin, or the build tree",
     .env = {"SIGNAL_CLIENT_CONNECTORS"}, .filled = true, .made = true, .help = "Directories of connector modules, colon-separated"},
    {"artifact.mode", SC_SET_CHOICE, AT(artifact_mode), "binary", .choices = "binary", .filled = true,
     .help = "How an artifact is laid out; binary: record in the body, attributes in headers"},
    {"lease.renew_ms", SC_SET_INT, AT(lease_renew_ms), "5000", .min = 50, .max = 60000, .help = "Time between renewals of the lease"},
    {"lease.take_after_ms", SC_SET_INT, AT(lease_take_after_ms), "15000", .min = 100, .max = 600000,
     .help = "Time without renewal after which another agent may take the lease"},
    {"lease.valid_ms", SC_SET_INT, AT(lease_valid_ms), "10000", .min = 100, .max = 600000,
     .help = "Time after a renewal in which the holder may publish"},
};
const size_t sc_setting_count = sizeof sc_setting_rows / sizeof *sc_setting_rows;

const char *sc_setting_origin_name(enum sc_setting_origin origin)
{
    static const char *const names[] = {"default", "settings file", "node file", "environment", "command line"};
    return names[(unsigned)origin < sizeof names / sizeof *names ? origin : SC_FROM_DEFAULT];
}

const struct sc_setting_row *sc_setting_find(const char *key)
{
    for (size_t i = 0; i < sc_setting_count; i++)
        if (strcmp(sc_setting_rows[i].key, key) == 0)
            return &sc_setting_rows[i];
    return NULL;
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static bool has_word(const char *words, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = words; len && !strchr(text, ' ') && (at = strstr(at, text)); at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
            return true;
    return false;
}

/* Tokens of printable ASCII joined by '.'; no wildcard. */
static bool is_subject(const char *text, bool dots)
{
    char before = '.';
    for (const char *c = text; *c; before = *c++)
        if (*c <= 0x20 || *c >= 0x7F || *c == '*' || *c == '>' || (*c == '.' && (!dots || before == '.')))
            return false;
    return before != '.';
}

static bool is_nats_list(const char *text)
{
    SC_AUTO_FREE char *copy = sc_dup(text);
    char *rest = copy, *item;
    while ((item = strsep(&rest, ","))) {
        item += strspn(item, " ");
        const char *scheme = strstr(item, "://");
        if (!*item || strlen(item) > 1024 || (scheme && strncmp(item, "nats://", 7) != 0 && strncmp(item, "tls://", 6) != 0))
            return false;
    }
    return copy != NULL;
}

static int check_int(const struct sc_setting_row *row, const char *text, const char *source, struct sc_error *err)
{
    int64_t number;
    if (sc_parse_int(sc_str_of(text), &number) && number >= row->min && number <= row->max)
        return 0;
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: %s is \"%.40s\": give a whole number from %lld to %lld", source, row->key, text,
                   (long long)row->min, (long long)row->max);
}

static int check_choice(const struct sc_setting_row *row, const char *text, const char *source, struct sc_error *err)
{
    if (has_word(row->choices, text))
        return 0;
    if (strcmp(row->key, "artifact.mode") == 0 && strcmp(text, "structured") == 0)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: artifact.mode = structured is not supported yet: use binary", source);
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: %s is \"%.40s\": give one of: %s", source, row->key, text, row->choices);
}

int sc_setting_check(const struct sc_setting_row *row, const char *text, const char *source, struct sc_error *err)
{
    const char *wanted = NULL;
    struct sc_listen listen;
    bool yes;
    if (sc_text_has_control(text))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: %s contains a line end or another control character: remove it", source,
                       row->key);
    switch (row->type) {
    case SC_SET_INT:
        return check_int(row, text, source, err);
    case SC_SET_CHOICE:
        return check_choice(row, text, source, err);
    case SC_SET_BOOL:
        wanted = sc_text_to_bool(text, &yes) ? NULL : "true or false";
        break;
    case SC_SET_TOKEN:
        wanted = *text && !is_subject(text, false) ? "one token without '.', '*', '>' and blanks" : NULL;
        break;
    case SC_SET_SUBJECT:
        wanted = !is_subject(text, true) ? "a NATS subject without wildcards and blanks" : NULL;
        break;
    case SC_SET_NATS:
        wanted = !is_nats_list(text) ? "nats://host:port or tls://host:port, several comma-separated" : NULL;
        break;
    case SC_SET_PROXY:
        wanted = sc_proxy_check(text) ? "http://host:port, with user:password@ before the host where needed" : NULL;
        break;
    case SC_SET_LISTEN:
        wanted = *text && !sc_listen_parse(text, &listen)
                     ? "a numeric address and a port, as 127.0.0.1:9850 or [::1]:9850; 0.0.0.0:9850 listens everywhere, without a password"
                     : NULL;
        break;
    case SC_SET_TEXT:
    default:
        break;
    }
    return wanted ? sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: %s is not usable: give %s", source, row->key, wanted) : 0;
}

/* ---- laying over ------------------------------------------------------------------------------------------------- */

static struct sc_setting_state *state_of(const struct sc_settings *settings, const struct sc_setting_row *row)
{
    return &settings->states[row - sc_setting_rows];
}

int sc_setting_set(struct sc_settings *settings, const struct sc_setting_row *row, const char *text, enum sc_setting_origin origin,
                   const char *source, struct sc_error *err)
{
    if (!*text && row->filled)
        return 0;
    if (sc_setting_check(row, text, source, err))
        return -1;
    struct sc_setting_state *state = state_of(settings, row);
    char *copy = sc_dup(text), *from = sc_dup(source);
    if (!copy || !from) {
        sc_secret_free(copy);
        free(from);
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading settings");
    }
    sc_secret_free(state->text);
    free(state->source);
    *state = (struct sc_setting_state){copy, from, origin};
    return 0;
}

static const char *find_option(const struct sc_option *options, size_t count, const char *key)
{
    const char *value = NULL;
    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].key, key) == 0)
            value = options[i].value;
    return value;
}

int sc_settings_check_option(const char *key, const char *value, struct sc_error *err)
{
    if (strcmp(key, "config") == 0 || strcmp(key, "node") == 0)
        return value && *value ? 0 : sc_fail(err, SC_REASON_CONFIG_INVALID, "--%s: give the path of a file", key);
    const struct sc_setting_row *row = sc_setting_find(key);
    if (!row)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "unknown option --%.60s: `signal-client config` lists every setting", key);
    SC_AUTO_FREE char *source = sc_printf("option --%s", key);
    return !*value && row->filled ? 0 : sc_setting_check(row, value, source ? source : key, err);
}

bool sc_settings_is_option(const char *key)
{
    return strcmp(key, "config") == 0 || strcmp(key, "node") == 0 || sc_setting_find(key) != NULL;
}

static int read_options(struct sc_settings *settings, const struct sc_option *options, size_t count, struct sc_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (sc_settings_check_option(options[i].key, options[i].value, err))
            return -1;
        const struct sc_setting_row *row = sc_setting_find(options[i].key);
        SC_AUTO_FREE char *source = sc_printf("option --%s", options[i].key);
        if (row && sc_setting_set(settings, row, options[i].value, SC_FROM_COMMAND_LINE, source ? source : "option", err))
            return -1;
    }
    return 0;
}

/* ---- from text to the struct ------------------------------------------------------------------------------------- */

static const char *text_of(const struct sc_settings *settings, const char *key)
{
    const struct sc_setting_row *row = sc_setting_find(key);
    const char *text = state_of(settings, row)->text;
    return text ? text : row->def;
}

static char *make_default(const struct sc_settings *settings, const struct sc_setting_row *row, const char *argv0)
{
    if (strcmp(row->key, "nats.url") == 0)
        return sc_printf("nats://127.0.0.1:%s", text_of(settings, "broker_client_port"));
    if (strcmp(row->key, "run.dir") == 0)
        return sc_default_run_dir();
    if (strcmp(row->key, "dead_letter.dir") == 0)
        return sc_default_dead_letter_dir(text_of(settings, "run.dir"));
    return sc_default_connectors_path(argv0);
}

/* In table order, so that a default may stand on a row before it. */
static int make_defaults(struct sc_settings *settings, const char *argv0, struct sc_error *err)
{
    for (const struct sc_setting_row *row = sc_setting_rows; row < sc_setting_rows + sc_setting_count; row++) {
        struct sc_setting_state *state = state_of(settings, row);
        if (state->text)
            continue;
        state->text = row->made ? make_default(settings, row, argv0) : sc_dup(row->def);
        if (!state->text)
            return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading settings");
    }
    return 0;
}

static char *fill_in(const char *text, const char *name, const char *value)
{
    struct sc_buf out SC_AUTO_BUF = {0};
    for (const char *at; (at = strstr(text, name)); text = at + strlen(name)) {
        sc_buf_add(&out, text, (size_t)(at - text));
        sc_buf_add_str(&out, value);
    }
    sc_buf_add_str(&out, text);
    return out.failed ? NULL : sc_buf_take(&out);
}

static int fill_members(struct sc_settings *settings, struct sc_error *err)
{
    const char *appliance = text_of(settings, "appliance_id");
    for (const struct sc_setting_row *row = sc_setting_rows; row < sc_setting_rows + sc_setting_count; row++) {
        const char *text = state_of(settings, row)->text;
        char *member = (char *)settings + row->offset;
        if (row->type == SC_SET_BOOL) {
            if (!sc_text_to_bool(text, (bool *)(void *)member))
                return sc_fail(err, SC_REASON_INTERNAL, "%s has no usable default", row->key);
        } else if (row->type == SC_SET_INT) {
            if (!sc_parse_int(sc_str_of(text), (int64_t *)(void *)member))
                return sc_fail(err, SC_REASON_INTERNAL, "%s has no usable default", row->key);
        } else {
            char *copy = row->type == SC_SET_SUBJECT ? fill_in(text, "{appliance_id}", appliance) : sc_dup(text);
            if (!copy)
                return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading settings");
            *(char **)(void *)member = copy;
        }
    }
    return 0;
}

static int check_together(const struct sc_settings *settings, struct sc_error *err)
{
    if (strpbrk(settings->nats_subject, "{}"))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "nats.subject is %s: {appliance_id} is the only name that may stand in braces",
                       settings->nats_subject);
    if (settings->lease_renew_ms >= settings->lease_valid_ms || settings->lease_valid_ms >= settings->lease_take_after_ms)
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "lease.renew_ms must be less than lease.valid_ms, and that less than lease.take_after_ms");
    if (!*settings->tls_client_cert != !*settings->tls_client_key)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "tls.client_cert and tls.client_key belong together: set both or none");
    if (*settings->seal_old_key_file && !*settings->seal_key_file)
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "seal.old_key_file is set and seal.key_file is not: name the key that is in use as seal.key_file");
    if (*settings->nats_password && !*settings->nats_user)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "nats.password is set and nats.user is not: set both or none");
    return 0;
}

/* ---- secrets ----------------------------------------------------------------------------------------------------- */

static int each_secret(const struct sc_settings *settings, int (*fn)(const char *value, size_t len))
{
    int rc = 0;
    for (const struct sc_setting_row *row = sc_setting_rows; row < sc_setting_rows + sc_setting_count; row++) {
        const char *text = state_of(settings, row)->text;
        if (!text)
            continue;
        if (row->secret)
            rc |= fn(text, strlen(text));
        if (row->type == SC_SET_NATS || row->type == SC_SET_PROXY)
            rc |= sc_url_each_secret(text, row->type == SC_SET_NATS, fn);
    }
    return rc;
}

static int forget(const char *value, size_t len)
{
    sc_redact_remove(value, len);
    return 0;
}

/* ---- the calls --------------------------------------------------------------------------------------------------- */

int sc_settings_load(struct sc_settings *settings, const char *argv0, const struct sc_option *options, size_t option_count,
                     struct sc_error *err)
{
    *settings = (struct sc_settings){0};
    settings->states = calloc(sc_setting_count, sizeof *settings->states);
    if (!settings->states)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading settings");
    if (sc_settings_read_file(settings, find_option(options, option_count, "config"), err) ||
        sc_settings_read_node(settings, find_option(options, option_count, "node"), err) || sc_settings_read_environment(settings, err) ||
        read_options(settings, options, option_count, err) || make_defaults(settings, argv0, err) || fill_members(settings, err) ||
        check_together(settings, err)) {
        sc_settings_done(settings);
        return -1;
    }
    settings->secrets_known = true;
    if (each_secret(settings, sc_redact_add)) {
        sc_settings_done(settings);
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading settings");
    }
    return 0;
}

void sc_settings_done(struct sc_settings *settings)
{
    if (settings->secrets_known)
        each_secret(settings, forget);
    for (size_t i = 0; i < sc_setting_count && settings->states; i++) {
        const struct sc_setting_row *row = &sc_setting_rows[i];
        sc_secret_free(settings->states[i].text);
        free(settings->states[i].source);
        if (row->type != SC_SET_BOOL && row->type != SC_SET_INT)
            sc_secret_free(*(char **)(void *)((char *)settings + row->offset));
    }
    free(settings->states);
    free(settings->config_file);
    free(settings->node_file);
    *settings = (struct sc_settings){0};
}

void sc_settings_each(const struct sc_settings *settings,
                      void (*row_fn)(void *arg, const char *key, const char *value, enum sc_setting_origin origin, const char *source,
                                     const char *help, const char *def),
                      void *arg)
{
    for (const struct sc_setting_row *row = sc_setting_rows; row < sc_setting_rows + sc_setting_count; row++) {
        const struct sc_setting_state *state = state_of(settings, row);
        struct sc_buf value SC_AUTO_BUF = {0};
        if (row->secret && *state->text)
            sc_buf_add_str(&value, "[set]");
        else if (row->type == SC_SET_NATS || row->type == SC_SET_PROXY)
            sc_url_mask(state->text, &value);
        else if (row->type == SC_SET_SUBJECT)
            sc_buf_add_str(&value, settings->nats_subject);
        else
            sc_buf_add_str(&value, state->text);
        row_fn(arg, row->key, sc_buf_str(&value).ptr, state->origin, state->source ? state->source : "", row->help, row->def);
    }
}

_Static_assert(SC_SETTING_NAMES < 4, "names of a row and their end fit into sc_setting_facts");

void sc_settings_describe(void (*row_fn)(void *arg, const struct sc_setting_facts *facts), void *arg)
{
    for (const struct sc_setting_row *row = sc_setting_rows; row < sc_setting_rows + sc_setting_count; row++) {
        struct sc_setting_facts facts = {.key = row->key, .def = row->def, .help = row->help, .min = row->min, .max = row->max};
        facts.choices = row->type == SC_SET_BOOL ? "true false" : row->choices;
        memcpy(facts.env, row->env, sizeof row->env);
        memcpy(facts.node, row->node, sizeof row->node);
        row_fn(arg, &facts);
    }
}
