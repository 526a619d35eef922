/* Settings and credentials: found in either object, checked by their row, brought into one form. */
#include "config/parse.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/redact.h"
#include "config/text.h"
#include "config/url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* What every connector has. */
static const struct sc_field common[] = {
    {.name = "base_url", .title = "Address", .help = "Replaces the vendor's address; a host that it is made of need not be given then", .kind = SC_URL},
    {.name = "auth_url", .title = "Token address", .help = "Replaces the address of the token endpoint, where the connector has one", .kind = SC_URL},
    {.name = "source", .title = "Source", .help = "Replaces the source key, so that positions survive a change of address"},
    {.name = "page_size", .title = "Page size", .help = "Records asked for in one page, never more than the connector's own", .kind = SC_INTEGER, .min = 1, .max = 1000000},
    {.name = "allow_insecure_http", .title = "Allow plain http", .help = "Plain http to other machines is allowed", .kind = SC_BOOL},
    {0},
};

static const struct sc_field *find_row(const struct sc_field *table, const char *name)
{
    for (; table && table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

static const struct sc_field *find_called(const struct sc_field *table, const char *name)
{
    const struct sc_field *row = find_row(table, name);
    for (; !row && table && table->name; table++)
        if (table->alias && strcmp(table->alias, name) == 0)
            row = table;
    return row;
}

const struct sc_field *sc_integration_field(const struct sc_connector *connector, const char *name, bool *ret_credential)
{
    const struct sc_field *row = find_called(connector->credentials, name);
    if (ret_credential)
        *ret_credential = row != NULL;
    if (!row)
        row = find_called(connector->settings, name);
    return row ? row : find_row(common, name);
}

const struct sc_field *sc_integration_common_fields(void)
{
    return common;
}

/* ---- credentials as they are pasted -------------------------------------------------------------------------------- */

static bool is_variable_name(const char *text, size_t len, bool upper_only)
{
    if (len == 0 || isdigit((unsigned char)text[0]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!(isupper((unsigned char)text[i]) || text[i] == '_' || isdigit((unsigned char)text[i]) ||
              (!upper_only && islower((unsigned char)text[i]))))
            return false;
    return true;
}

/* ${X}, {$X}, %X%, and $X in capitals: a password may well begin with '$'. */
static bool is_variable(const char *text)
{
    size_t len = strlen(text);
    if (len > 3 && text[len - 1] == '}' && (strncmp(text, "${", 2) == 0 || strncmp(text, "{$", 2) == 0))
        return is_variable_name(text + 2, len - 3, false);
    if (len > 2 && text[0] == '%' && text[len - 1] == '%')
        return is_variable_name(text + 1, len - 2, false);
    return len > 2 && text[0] == '$' && is_variable_name(text + 1, len - 1, true);
}

static const char *odd_end(char c)
{
    if (c == '\n' || c == '\r')
        return "a line end";
    if (c == ' ' || c == '\t' || c == '\v' || c == '\f')
        return "white space";
    return c == '"' || c == '\'' || c == '`' ? "a quote" : NULL;
}

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

/* Keys and key files are text of several lines and end in one. */
static bool is_document(const char *text)
{
    return strncmp(text, "-----BEGIN ", 11) == 0 || text[0] == '{';
}

static int check_credential(const char *text, const char *where, struct sc_error *err)
{
    size_t len = strlen(text), characters = count_characters(text);
    const char *first = odd_end(text[0]), *last = odd_end(text[len - 1]);
    if (is_variable(text))
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "%s is the name of a variable, not a value: substitution did not happen where it was written", where);
    if (is_document(text))
        return 0;
    if (last)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s has %zu characters and ends in %s: copy it without", where, characters, last);
    if (first)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s has %zu characters and begins with %s: copy it without", where, characters,
                       first);
    if (sc_text_has_control(text))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s has a line end or control character in the middle: copy it again", where);
    return 0;
}

/* ---- one field ------------------------------------------------------------------------------------------------------ */

static int check_url(const struct sc_field *row, const char *text, const char *where, bool plain_http, struct sc_error *err)
{
    struct sc_url url;
    const char *why = sc_setting_url_parse(sc_str_of(text), &url);
    bool secure = !why && url.scheme.len == 5 && strncasecmp(url.scheme.ptr, "https", 5) == 0;
    bool plain = !why && url.scheme.len == 4 && strncasecmp(url.scheme.ptr, "http", 4) == 0;
    if (!why && !url.scheme.ptr)
        why = "has no scheme";
    else if (!why && !secure && !plain)
        why = "has a scheme other than http and https";
    else if (!why && url.userinfo.ptr)
        why = "holds a user name or password (they belong into credentials)";
    else if (!why && url.tail.ptr && (row != find_row(common, row->name) ? memchr(url.tail.ptr, '#', url.tail.len) != NULL : true))
        why = "has a query or fragment";
    if (why)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s %s: give https://host, where needed with :port and /path", where, why);
    if (plain && !plain_http && !sc_url_host_is_loopback(&url))
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "%s is plain http to another machine: use https://, or set \"allow_insecure_http\": true", where);
    return 0;
}

/* An address as a browser shows it is taken for its host: https:// in front and one '/' behind are left out. */
static int check_host(char *text, const char *where, struct sc_error *err)
{
    struct sc_url url;
    struct sc_str view = sc_str_of(text);
    while (view.len && isspace((unsigned char)view.ptr[view.len - 1]))
        view.len--;
    while (view.len && isspace((unsigned char)view.ptr[0]))
        view.ptr++, view.len--;
    const char *why = sc_setting_url_parse(view, &url);
    if (why)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s %s: give a host name such as acme.example.com", where, why);
    if (url.userinfo.ptr)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s holds a user name or password: give the host alone", where);
    bool https = url.scheme.len == 5 && strncasecmp(url.scheme.ptr, "https", 5) == 0;
    bool path = url.path.len && !sc_str_is(url.path, "/");
    if ((url.scheme.ptr && !https) || path || url.tail.ptr || view.len != strlen(text)) {
        const char *open = url.bracketed ? "[" : "", *shut = url.bracketed ? "]" : "";
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s is \"%.100s\": give the host alone: %s%.*s%s%s%.*s", where, text, open,
                       (int)url.host.len, url.host.ptr, shut, url.port.ptr ? ":" : "", (int)url.port.len, url.port.ptr ? url.port.ptr : "");
    }
    size_t from = https ? strlen("https://") : 0, len = view.len - from - url.path.len;
    memmove(text, text + from, len);
    text[len] = '\0';
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
    return 0;
}

static int check_integer(const struct sc_field *row, const char *text, const char *where, struct sc_error *err)
{
    int64_t number;
    bool ranged = row->min || row->max;
    if (sc_parse_int(sc_str_of(text), &number) && (!ranged || (number >= row->min && number <= row->max)))
        return 0;
    if (!ranged)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s must be a whole number", where);
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s must be a whole number from %lld to %lld", where, (long long)row->min,
                   (long long)row->max);
}

/* *text becomes the choice as the table writes it. */
static int check_choice(const struct sc_field *row, char **text, const char *where, struct sc_error *err)
{
    struct sc_buf known SC_AUTO_BUF = {0};
    for (const char *const *choice = row->choices; *choice; choice++) {
        if (strcasecmp(*choice, *text) == 0) {
            memcpy(*text, *choice, strlen(*choice));
            return 0;
        }
        sc_buf_addf(&known, "%s%s", known.len ? ", " : "", *choice);
    }
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s must be one of: %s", where, sc_buf_str(&known).ptr);
}

static int check_bool(char **text, const char *where, struct sc_error *err)
{
    bool value;
    if (!sc_text_to_bool(*text, &value))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s must be true or false", where);
    char *plain = sc_dup(value ? "true" : "false");
    if (!plain)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    free(*text);
    *text = plain;
    return 0;
}

static int check_value(struct sc_parse *parse, const struct sc_field *row, bool credential, char **text, const char *where)
{
    if (credential || row->secret) {
        if (check_credential(*text, where, parse->err))
            return -1;
    } else if (row->kind == SC_TEXT) {
        if (sc_text_has_control(*text) || (*text)[0] == ' ' || (*text)[strlen(*text) - 1] == ' ')
            return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s begins or ends with white space or holds a line end: copy it without",
                           where);
    }
    switch (row->kind) {
    case SC_URL:
        return check_url(row, *text, where, parse->integration->allow_insecure_http, parse->err);
    case SC_HOST:
        return check_host(*text, where, parse->err);
    case SC_BOOL:
        return check_bool(text, where, parse->err);
    case SC_INTEGER:
        return check_integer(row, *text, where, parse->err);
    case SC_CHOICE:
        return check_choice(row, text, where, parse->err);
    case SC_TEXT:
    default:
        return 0;
    }
}

/* ---- all fields ------------------------------------------------------------------------------------------------------ */

struct objects {
    const json_t *settings, *credentials;
};

/* Takes text. */
static int keep(struct sc_parse *parse, const struct sc_field *row, char *text, bool secret)
{
    struct sc_integration *to = parse->integration;
    char *name = sc_dup(row->name);
    if (!name || !text || (secret && sc_redact_add(text, strlen(text)))) {
        free(name);
        sc_secret_free(text);
        return sc_parse_no_memory(parse);
    }
    to->values[to->value_count++] = (struct sc_value){name, text, secret};
    return 0;
}

static int fail_missing(struct sc_parse *parse, const struct sc_field *row, bool credential, const char *how)
{
    return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s.%s is %s: give the %s%s%s", credential ? "credentials" : "settings", row->name,
                   how, row->title, row->example && !row->secret ? ", such as " : "", row->example && !row->secret ? row->example : "");
}

/* Where a field may stand: under its name or its alias, in either object. */
struct place {
    const json_t *value;
    const char *object, *name;
};

static unsigned find_given(const struct objects *in, const struct sc_field *row, struct place ret[4])
{
    const char *names[] = {row->name, row->alias};
    unsigned count = 0;
    for (int i = 0; i < 2 && names[i]; i++) {
        const json_t *setting = sc_parse_member(in->settings, names[i]), *credential = sc_parse_member(in->credentials, names[i]);
        if (setting)
            ret[count++] = (struct place){setting, "settings", names[i]};
        if (credential)
            ret[count++] = (struct place){credential, "credentials", names[i]};
    }
    return count;
}

static int check_same(struct sc_parse *parse, const struct place *places, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        if (!json_equal((json_t *)(uintptr_t)places[0].value, (json_t *)(uintptr_t)places[i].value))
            return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s.%s and %s.%s differ: remove one of them", places[0].object, places[0].name,
                           places[i].object, places[i].name);
    return 0;
}

/* A field that the vendor's address alone is made of ("https://{fqdn}") is not needed where settings.base_url takes the address's place. */
static bool is_needed(const struct sc_parse *parse, const struct objects *in, const struct sc_field *row)
{
    const char *address = parse->integration->connector->base_url, *at = address;
    struct place places[4];
    size_t len = strlen(row->name);
    while (at && (at = strstr(at, row->name)) && !(at > address && at[-1] == '{' && at[len] == '}'))
        at++;
    if (!row->required || !at)
        return row->required;
    return !find_given(in, find_row(common, "base_url"), places) || json_string_length(places[0].value) == 0;
}

/* The text that stands there, out of its seal. NULL + err. */
static char *open_field(struct sc_parse *parse, const struct sc_field *row, bool credential, const struct place *given, const char *where,
                        bool *ret_secret)
{
    char *text = sc_parse_text(parse, given->value, where);
    bool sealed = false;
    *ret_secret = row->secret;
    if (!text || !*text)
        return text;
    if (!credential && !row->secret && sc_is_sealed(text))
        sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s is sealed, and is no secret: give the value itself", where);
    else if (sc_parse_open(parse, row->name, given->name == row->alias ? row->alias : NULL, where, &text, &sealed) == 0) {
        *ret_secret |= sealed;
        if (row->secret && !sealed)
            sc_parse_note_plain(parse, where);
        return text;
    }
    free(text);
    return NULL;
}

static int take_field(struct sc_parse *parse, const struct objects *in, const struct sc_field *row, bool credential)
{
    char where[SC_WHERE_MAX];
    struct place places[4];
    bool secret;
    unsigned count = find_given(in, row, places);
    if (!count) {
        if (row->def)
            return keep(parse, row, sc_dup(row->def), row->secret);
        return is_needed(parse, in, row) ? fail_missing(parse, row, credential, "missing") : 0;
    }
    const struct place *given = &places[count - 1];
    snprintf(where, sizeof where, "%s.%s", given->object, given->name);
    char *text = check_same(parse, places, count) ? NULL : open_field(parse, row, credential, given, where, &secret);
    if (!text)
        return -1;
    if (!*text) {
        free(text);
        if (is_needed(parse, in, row))
            return fail_missing(parse, row, credential, "empty");
        return row->def ? keep(parse, row, sc_dup(row->def), row->secret) : 0;
    }
    if (check_value(parse, row, credential, &text, where)) {
        sc_secret_free(text);
        return -1;
    }
    return keep(parse, row, text, secret);
}

static size_t count_rows(const struct sc_field *table)
{
    size_t count = 0;
    for (; table && table->name; table++)
        count++;
    return count;
}

static void warn_unknown(struct sc_parse *parse, const json_t *object, const char *where)
{
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)object, at))
        if (!sc_integration_field(parse->integration->connector, json_object_iter_key(at), NULL))
            sc_parse_warn(parse, "%s.%.64s is unknown and ignored", where, json_object_iter_key(at));
}

/* It decides how the URLs are read, so it comes first; it may stand at the top or among the settings. */
static int read_plain_http(struct sc_parse *parse, const struct objects *in)
{
    bool *ret = &parse->integration->allow_insecure_http;
    return sc_parse_bool(parse, in->settings, "settings.", "allow_insecure_http", ret) ||
                   sc_parse_bool(parse, parse->root, "", "allow_insecure_http", ret)
               ? -1
               : 0;
}

int sc_parse_fields(struct sc_parse *parse)
{
    struct sc_integration *to = parse->integration;
    const struct sc_connector *connector = to->connector;
    const struct sc_field *tables[] = {connector->settings, connector->credentials, common};
    struct objects in;
    if (sc_parse_object(parse, parse->root, "", "settings", &in.settings) ||
        sc_parse_object(parse, parse->root, "", "credentials", &in.credentials) || read_plain_http(parse, &in))
        return -1;
    to->values = calloc(count_rows(tables[0]) + count_rows(tables[1]) + count_rows(common), sizeof *to->values);
    if (!to->values)
        return sc_parse_no_memory(parse);
    for (int t = 0; t < 3; t++)
        for (const struct sc_field *row = tables[t]; row && row->name; row++) {
            if (t == 2 && (find_called(tables[0], row->name) || find_called(tables[1], row->name)))
                continue;
            if (take_field(parse, &in, row, t == 1))
                return -1;
        }
    warn_unknown(parse, in.settings, "settings");
    warn_unknown(parse, in.credentials, "credentials");
    return 0;
}

/* ---- what follows from them ------------------------------------------------------------------------------------------ */

static int derive_address(struct sc_parse *parse)
{
    struct sc_integration *to = parse->integration;
    struct sc_buf text SC_AUTO_BUF = {0}, origin SC_AUTO_BUF = {0};
    const char *given = sc_integration_value(to, "base_url");
    struct sc_url url;
    if (!given && !to->connector->base_url)
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "settings.base_url is missing: %s has no address of its own",
                       to->connector->title);
    if (given)
        sc_buf_add_str(&text, given);
    else if (sc_integration_expand(to, to->connector->base_url, &text, parse->err))
        return -1;
    while (text.len && text.ptr[text.len - 1] == '/')
        text.ptr[--text.len] = '\0';
    if (check_url(find_row(common, "base_url"), sc_buf_str(&text).ptr, given ? "settings.base_url" : "the address made of the settings",
                  to->allow_insecure_http, parse->err) ||
        sc_setting_url_parse(sc_buf_str(&text), &url))
        return -1;
    sc_url_add_origin(&url, &origin);
    to->base_url = sc_buf_take(&text);
    to->origin = sc_buf_take(&origin);
    return to->base_url && to->origin ? 0 : sc_parse_no_memory(parse);
}

/* The connector's tenant-like part with absent values left out; nothing where it only repeats the host. */
static void add_tenant(const struct sc_integration *integration, struct sc_buf *out)
{
    struct sc_buf tenant SC_AUTO_BUF = {0};
    const char *text = integration->connector->source ? integration->connector->source : "";
    while (*text) {
        size_t plain = strcspn(text, "{");
        sc_buf_add(&tenant, text, plain);
        text += plain;
        const char *end = *text ? strchr(text, '}') : NULL;
        if (!end)
            break;
        SC_AUTO_FREE char *name = sc_dup_str((struct sc_str){text + 1, (size_t)(end - text - 1)});
        const char *value = name ? sc_integration_value(integration, name) : NULL;
        sc_buf_add_str(&tenant, value ? value : "");
        text = end + 1;
    }
    const char *host = strstr(integration->origin, "://") + 3;
    if (tenant.len && !sc_str_is(sc_buf_str(&tenant), host))
        sc_buf_addf(out, "|%s", tenant.ptr);
}

static int derive_source(struct sc_parse *parse)
{
    struct sc_integration *to = parse->integration;
    struct sc_buf text SC_AUTO_BUF = {0};
    const char *given = sc_integration_value(to, "source");
    if (given && strlen(given) > 256)
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "settings.source has more than 256 bytes: shorten it");
    if (given) {
        sc_buf_add_str(&text, given);
    } else {
        sc_buf_addf(&text, "%s|%s", to->connector->name, to->origin);
        add_tenant(to, &text);
    }
    to->source = text.failed ? NULL : sc_buf_take(&text);
    return to->source ? 0 : sc_parse_no_memory(parse);
}

static void add_part(struct sc_buf *out, const char *name, const char *value)
{
    sc_buf_addf(out, "%zu:%s%zu:", strlen(name), name, strlen(value));
    sc_buf_add_str(out, value);
}

/* Another way of signing in is another credential: what one knows (a token, a refusal) says nothing of the other. */
static void add_way(const struct sc_integration *integration, struct sc_buf *out)
{
    unsigned way = 0;
    for (const struct sc_auth *auth = &integration->connector->auth; auth != sc_auth_of(integration); auth = auth->otherwise)
        way++;
    if (way)
        sc_buf_addf(out, "1:w%u", way);
}

static int derive_credential_key(struct sc_parse *parse)
{
    struct sc_integration *to = parse->integration;
    unsigned char digest[32];
    struct sc_buf text SC_AUTO_BUF = {0};
    const char *auth_url = sc_integration_value(to, "auth_url");
    for (size_t i = 0; i < to->value_count; i++)
        if (to->values[i].secret || find_row(to->connector->credentials, to->values[i].name))
            add_part(&text, to->values[i].name, to->values[i].text);
    add_part(&text, "auth_url", auth_url ? auth_url : to->base_url);
    add_part(&text, "tls", to->ca_file ? to->ca_file : "");
    if (to->cert_file)
        add_part(&text, "cert", to->cert_file);
    add_part(&text, "verify", to->tls_verify ? "1" : "0");
    add_way(to, &text);
    bool failed = text.failed;
    if (!failed) {
        sc_sha256(text.ptr, text.len, digest);
        sc_hex(digest, sizeof to->credential_key / 2, to->credential_key);
    }
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    return failed ? sc_parse_no_memory(parse) : 0;
}

int sc_parse_derived(struct sc_parse *parse)
{
    return derive_address(parse) || derive_source(parse) || derive_credential_key(parse) ? -1 : 0;
}
