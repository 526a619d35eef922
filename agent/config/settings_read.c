/* The three places outside the command line: settings file (libconfig), node file (JSON), environment. */
#include "config/settings_table.h"

#include "config/url.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE_BYTES (1024 * 1024)

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int fail_open(const char *what, const char *path, int error, struct sc_error *err)
{
    struct stat info;
    if (stat(path, &info) == 0)
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "cannot read %s %s: %s (this process has user id %u; the file belongs to %u:%u and has mode %04o): let user id "
                       "%u read it",
                       what, path, strerror(error), geteuid(), info.st_uid, info.st_gid, info.st_mode & 07777, geteuid());
    return sc_fail(err, SC_REASON_CONFIG_INVALID,
                   "cannot read %s %s: %s (this process has user id %u): correct the path or the "
                   "rights of its directories",
                   what, path, strerror(error), geteuid());
}

/* The whole text. 0; 1: absent, and may be; -1 + err. */
static int slurp(const char *what, const char *path, bool may_be_absent, struct sc_buf *out, struct sc_error *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && may_be_absent && (errno == ENOENT || errno == ENOTDIR))
        return 1;
    if (fd < 0)
        return fail_open(what, path, errno, err);
    int rc = 0;
    sc_buf_init(out, MAX_FILE_BYTES);
    if (fstat(fd, &info) || !S_ISREG(info.st_mode))
        rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "%s %s is not a regular file: give the path of a file", what, path);
    while (rc == 0) {
        char piece[8192];
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = fail_open(what, path, errno, err);
        else if (got > 0 && sc_buf_add(out, piece, (size_t)got))
            rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "%s %s is larger than 1 MiB: this is not the file that is meant", what, path);
        else if (got == 0)
            break;
    }
    close(fd);
    if (rc == 0 && memchr(sc_buf_str(out).ptr, '\0', out->len))
        rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "%s %s contains a zero byte: it is not text", what, path);
    return rc;
}

/* A path that was named by an option or the environment must be there; the default one need not. */
static const char *choose_path(const char *option, const char *variable, const char *usual, bool *ret_named)
{
    const char *named = option && *option ? option : getenv(variable);
    *ret_named = named && *named;
    return *ret_named ? named : usual;
}

static int keep_path(char **member, const char *path, struct sc_error *err)
{
    *member = sc_dup(path);
    return *member ? 0 : sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading settings");
}

/* ---- settings file ----------------------------------------------------------------------------------------------- */

static const char *text_of_scalar(const config_setting_t *item, const struct sc_setting_row *row, char number[32])
{
    int type = config_setting_type(item);
    if (row->type == SC_SET_INT && type == CONFIG_TYPE_INT)
        snprintf(number, 32, "%d", config_setting_get_int(item));
    else if (row->type == SC_SET_INT && type == CONFIG_TYPE_INT64)
        snprintf(number, 32, "%lld", config_setting_get_int64(item));
    else if (row->type == SC_SET_BOOL && type == CONFIG_TYPE_BOOL)
        snprintf(number, 32, "%s", config_setting_get_bool(item) ? "true" : "false");
    else
        return row->type != SC_SET_INT && row->type != SC_SET_BOOL && type == CONFIG_TYPE_STRING ? config_setting_get_string(item) : NULL;
    return number;
}

static int take_item(struct sc_settings *settings, const config_setting_t *item, const char *key, const char *path, struct sc_error *err)
{
    char number[32];
    const char *file = config_setting_source_file(item);
    SC_AUTO_FREE char *source = sc_printf("%s:%u", file ? file : path, config_setting_source_line(item));
    if (!source)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading settings");
    const struct sc_setting_row *row = sc_setting_find(key);
    if (!row)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: unknown setting %.100s: `signal-client config` lists every setting", source,
                       key);
    const char *text = text_of_scalar(item, row, number);
    if (!text)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: %s must be %s", source, key,
                       row->type == SC_SET_INT    ? "a whole number, without quotes"
                       : row->type == SC_SET_BOOL ? "true or false, without quotes"
                                                  : "a text in quotes");
    return sc_setting_set(settings, row, text, SC_FROM_FILE, source, err);
}

static int take_group(struct sc_settings *settings, const config_setting_t *group, const char *prefix, const char *path,
                      struct sc_error *err)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *item = config_setting_get_elem(group, (unsigned)i);
        SC_AUTO_FREE char *key = sc_printf("%s%s%s", prefix, *prefix ? "." : "", config_setting_name(item));
        if (!key)
            return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading settings");
        if (config_setting_is_group(item) ? strlen(key) > 64 || take_group(settings, item, key, path, err)
                                          : take_item(settings, item, key, path, err))
            return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s:%u: groups are nested too deeply", path, config_setting_source_line(item));
    }
    return 0;
}

int sc_settings_read_file(struct sc_settings *settings, const char *explicit_path, struct sc_error *err)
{
    bool named;
    struct sc_buf text SC_AUTO_BUF = {0};
    const char *path = choose_path(explicit_path, "SIGNAL_CLIENT_CONFIG", "/etc/signal-client/signal-client.conf", &named);
    int rc = slurp("settings file", path, !named, &text, err);
    if (rc)
        return rc > 0 ? keep_path(&settings->config_file, "", err) : -1;
    config_t config;
    config_init(&config);
    if (config_read_string(&config, sc_buf_str(&text).ptr)) {
        rc = take_group(settings, config_root_setting(&config), "", path, err);
    } else {
        const char *file = config_error_file(&config), *why = config_error_text(&config);
        rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "settings file %s, line %d: %s (user id %u): correct that line, or the one before",
                     file ? file : path, config_error_line(&config), why ? why : "syntax error", geteuid());
    }
    config_destroy(&config);
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    return rc ? rc : keep_path(&settings->config_file, path, err);
}

/* ---- node file --------------------------------------------------------------------------------------------------- */

/* Others use the file too, so its numbers may be written as text and the other way round. NULL: no scalar. */
static const char *text_of_json(const json_t *value, char number[32])
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        snprintf(number, 32, "%s", json_is_true(value) ? "true" : "false");
    else if (json_is_integer(value))
        snprintf(number, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else
        return NULL;
    return number;
}

/* The line of a member of the top level: where its name stands first. */
static unsigned line_of(const char *text, const char *name)
{
    SC_AUTO_FREE char *quoted = sc_printf("\"%s\"", name);
    const char *at = quoted ? strstr(text, quoted) : NULL;
    unsigned line = 1;
    for (; at && text < at; text++)
        line += *text == '\n';
    return line;
}

static int take_member(struct sc_settings *settings, const struct sc_setting_row *row, const json_t *root, const char *name,
                       const char *path, const char *whole, struct sc_error *err)
{
    char number[32];
    const json_t *value = json_object_get(root, name);
    if (!value || json_is_null(value))
        return 0;
    SC_AUTO_FREE char *source = sc_printf("%s:%u (%s)", path, line_of(whole, name), name);
    if (!source)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading settings");
    const char *text = text_of_json(value, number);
    if (!text)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: must be a text, a whole number, true or false", source);
    return sc_setting_set(settings, row, text, SC_FROM_NODE, source, err);
}

static int take_node(struct sc_settings *settings, const json_t *root, const char *path, const char *whole, struct sc_error *err)
{
    if (!json_is_object(root))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "node file %s, line 1: it must hold one JSON object", path);
    for (const struct sc_setting_row *row = sc_setting_rows; row < sc_setting_rows + sc_setting_count; row++)
        for (int i = SC_SETTING_NAMES - 1; i >= 0; i--) /* the first name is laid over the others */
            if (row->node[i] && take_member(settings, row, root, row->node[i], path, whole, err))
                return -1;
    return 0;
}

int sc_settings_read_node(struct sc_settings *settings, const char *explicit_path, struct sc_error *err)
{
    bool named;
    struct sc_buf text SC_AUTO_BUF = {0};
    json_error_t why;
    const char *path = choose_path(explicit_path, "WF_NODE_CONFIG_FILE", "/configs/node.json", &named);
    int rc = slurp("node file", path, !named, &text, err);
    if (rc)
        return rc > 0 ? keep_path(&settings->node_file, "", err) : -1;
    const char *whole = sc_buf_str(&text).ptr;
    json_t *root = json_loadb(whole, text.len, 0, &why);
    if (root) {
        rc = take_node(settings, root, path, whole, err);
    } else {
        char *near = strstr(why.text, " near '"); /* what stands there may be a secret */
        if (near)
            *near = '\0';
        rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "node file %s, line %d, column %d: %s (user id %u): correct that line", path, why.line,
                     why.column, why.text, geteuid());
    }
    json_decref(root);
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    return rc ? rc : keep_path(&settings->node_file, path, err);
}

/* ---- environment ------------------------------------------------------------------------------------------------- */

int sc_settings_read_environment(struct sc_settings *settings, struct sc_error *err)
{
    for (const struct sc_setting_row *row = sc_setting_rows; row < sc_setting_rows + sc_setting_count; row++)
        for (int i = 0; i < SC_SETTING_NAMES && row->env[i]; i++) {
            const char *text = getenv(row->env[i]);
            if (!text || !*text) /* compose files pass what is not set as empty */
                continue;
            SC_AUTO_FREE char *source = sc_printf("environment %s", row->env[i]);
            if (!source)
                return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading settings");
            if (sc_setting_set(settings, row, text, SC_FROM_ENVIRONMENT, source, err))
                return -1;
            break;
        }
    return 0;
}
