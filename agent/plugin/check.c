/* Checks one connector's tables before anything relies on them. Pure; a failure names table, row and what is wrong. */
#include "plugin/plugin.h"

#include "base/clock.h"

#include <ctype.h>
#include <strings.h>

#define MAX_ROWS       64
#define MAX_NAME       64
#define MAX_INTERVAL_S (7u * 24 * 3600)
#define MAX_THROTTLE_S (24u * 3600)
#define MAX_WAYS       4

static bool is_name(const char *text, const char *extra)
{
    if (!text || !*text || strlen(text) > MAX_NAME)
        return false;
    for (const char *c = text; *c; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && !strchr(extra, *c))
            return false;
    return true;
}

static bool is_blank(const char *text)
{
    return !text || !*text;
}

static bool is_header_name(const char *text)
{
    if (is_blank(text))
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return false;
    return true;
}

/* Member names joined by '.', a '\' takes the next byte as it is; [ ] * are kept for what the language may still learn.
 * elements: the path ends in "[]", and "[]" alone is the top-level array. */
static bool is_path(const char *path, bool elements)
{
    if (is_blank(path))
        return false;
    size_t len = strlen(path), name = 0;
    if (elements) {
        if (len < 2 || strcmp(path + len - 2, "[]") != 0)
            return false;
        len -= 2;
        if (len == 0)
            return true;
    }
    for (size_t i = 0; i < len; i++) {
        if (path[i] == '.') {
            if (name == 0)
                return false;
            name = 0;
            continue;
        }
        if (path[i] == '\\' ? ++i == len : strchr("[]*", path[i]) != NULL)
            return false;
        name++;
    }
    return name > 0;
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

static const struct sc_field *find_field(const struct sc_field *fields, struct sc_str name)
{
    for (; fields && fields->name; fields++)
        if (sc_str_is(name, fields->name))
            return fields;
    return NULL;
}

static bool is_bool(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

static bool is_choice(const struct sc_field *field, const char *text)
{
    for (const char *const *choice = field->choices; *choice; choice++)
        if (strcmp(*choice, text) == 0)
            return true;
    return false;
}

static bool has_range(const struct sc_field *field)
{
    return field->min != 0 || field->max != 0;
}

static int check_default(const struct sc_field *field, const char *table, struct sc_error *err)
{
    int64_t number;
    bool good = true;
    if (!field->def)
        return 0;
    switch (field->kind) {
    case SC_BOOL:
        good = is_bool(field->def);
        break;
    case SC_INTEGER:
        good = sc_parse_int(sc_str_of(field->def), &number) && (!has_range(field) || (number >= field->min && number <= field->max));
        break;
    case SC_CHOICE:
        good = is_choice(field, field->def);
        break;
    case SC_URL:
        good = strncmp(field->def, "https://", 8) == 0 || strncmp(field->def, "http://", 7) == 0;
        break;
    case SC_HOST:
        good = !strpbrk(field->def, "/@?# ");
        break;
    case SC_TEXT:
    default:
        break;
    }
    if (field->secret)
        good = false;
    return good ? 0 : sc_fail(err, SC_REASON_INTERNAL, "%s.%s has a default that its kind does not allow", table, field->name);
}

static int check_field(const struct sc_field *field, const char *table, struct sc_error *err)
{
    if (!is_name(field->name, "_"))
        return sc_fail(err, SC_REASON_INTERNAL, "%s has a field named \"%s\": use [a-z0-9_]", table, field->name);
    if (is_blank(field->title))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.%s has no title", table, field->name);
    if ((unsigned)field->kind > SC_CHOICE)
        return sc_fail(err, SC_REASON_INTERNAL, "%s.%s has unknown kind %d", table, field->name, (int)field->kind);
    if (field->kind == SC_CHOICE && (!field->choices || !field->choices[0]))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.%s is a choice without choices", table, field->name);
    if (field->kind == SC_INTEGER && field->min > field->max)
        return sc_fail(err, SC_REASON_INTERNAL, "%s.%s: min is above max", table, field->name);
    for (unsigned i = 0; i < SC_MAX_FORMS; i++) {
        const struct sc_form *form = &field->forms[i];
        if (form->most && (form->most < form->least || (form->begins && strlen(form->begins) > form->most)))
            return sc_fail(err, SC_REASON_INTERNAL, "%s.%s: form %u fits nothing", table, field->name, i + 1);
    }
    return check_default(field, table, err);
}

/* Fields that the agent takes for what stands under `tls`. */
static int check_tls_field(const struct sc_field *field, const char *table, struct sc_error *err)
{
    bool verify = strcmp(field->name, "verify_tls") == 0, ca_file = strcmp(field->name, "ca_file") == 0;
    if ((verify && field->kind != SC_BOOL) || (ca_file && (field->kind != SC_TEXT || field->secret)))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.%s must be %s, as under tls", table, field->name, verify ? "true or false" : "a text that is no secret");
    return 0;
}

static const struct sc_field *find_alias(const struct sc_field *fields, const char *alias)
{
    for (; fields && fields->name; fields++)
        if (fields->alias && strcmp(fields->alias, alias) == 0)
            return fields;
    return NULL;
}

static int check_alias(const struct sc_connector *connector, const struct sc_field *field, const char *table, struct sc_error *err)
{
    if (!field->alias)
        return 0;
    const struct sc_field *first = find_alias(connector->settings, field->alias);
    if (!first)
        first = find_alias(connector->credentials, field->alias);
    if (!is_name(field->alias, "_"))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.%s: alias \"%s\": use [a-z0-9_]", table, field->name, field->alias);
    if (first != field || find_field(connector->settings, sc_str_of(field->alias)) || find_field(connector->credentials, sc_str_of(field->alias)))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.%s: alias %s is the name of another field", table, field->name, field->alias);
    return 0;
}

static int check_fields(const struct sc_connector *connector, struct sc_error *err)
{
    const struct sc_field *tables[] = {connector->settings, connector->credentials};
    static const char *const names[] = {"settings", "credentials"};
    for (int t = 0; t < 2; t++) {
        size_t rows = 0;
        for (const struct sc_field *f = tables[t]; f && f->name; f++) {
            struct sc_str name = sc_str_of(f->name);
            if (++rows > MAX_ROWS)
                return sc_fail(err, SC_REASON_INTERNAL, "%s has more than %d rows: does it end?", names[t], MAX_ROWS);
            if (check_field(f, names[t], err) || check_tls_field(f, names[t], err) || check_alias(connector, f, names[t], err))
                return -1;
            if (find_field(tables[t], name) != f || (t == 1 && find_field(tables[0], name)))
                return sc_fail(err, SC_REASON_INTERNAL, "field %s stands there twice", f->name);
        }
    }
    return 0;
}

/* Every {name} is a field, or `own`, which the agent fills in; open = no secret and no credential may be named. */
static int check_template_with(const struct sc_connector *connector, const char *what, const char *text, bool open, const char *own,
                               struct sc_error *err)
{
    while (text && (text = strchr(text, '{'))) {
        const char *end = strchr(text, '}');
        if (!end)
            return sc_fail(err, SC_REASON_INTERNAL, "%s has a '{' without '}'", what);
        struct sc_str name = {text + 1, (size_t)(end - text - 1)};
        if (own && sc_str_is(name, own)) {
            text = end;
            continue;
        }
        const struct sc_field *setting = find_field(connector->settings, name);
        const struct sc_field *credential = find_field(connector->credentials, name);
        if (!setting && !credential)
            return sc_fail(err, SC_REASON_INTERNAL, "%s names {%.*s}, which is no field", what,
                           (int)(name.len < MAX_NAME ? name.len : MAX_NAME), name.ptr);
        if (open && (credential || setting->secret))
            return sc_fail(err, SC_REASON_INTERNAL, "%s names {%.*s}, which is a credential", what, (int)name.len, name.ptr);
        text = end;
    }
    return 0;
}

static int check_template(const struct sc_connector *connector, const char *what, const char *text, bool open, struct sc_error *err)
{
    return check_template_with(connector, what, text, open, NULL, err);
}

/* ---- pools ------------------------------------------------------------------------------------------------------- */

static int check_pool(const struct sc_pool *pool, struct sc_error *err)
{
    if (!is_name(pool->name, "_-"))
        return sc_fail(err, SC_REASON_INTERNAL, "a pool is named \"%s\": use [a-z0-9_-]", pool->name);
    if ((unsigned)pool->scope > SC_PER_HOST || (unsigned)pool->reset_unit > SC_RESET_MILLISECONDS)
        return sc_fail(err, SC_REASON_INTERNAL, "pool %s: unknown scope or reset unit", pool->name);
    if (pool->requests && !pool->per_s)
        return sc_fail(err, SC_REASON_INTERNAL, "pool %s: %u requests per 0 s", pool->name, pool->requests);
    if (pool->reset_header && pool->reset_unit == SC_RESET_NONE)
        return sc_fail(err, SC_REASON_INTERNAL, "pool %s: reset header without unit", pool->name);
    if (pool->throttle_s > MAX_THROTTLE_S)
        return sc_fail(err, SC_REASON_INTERNAL, "pool %s: a wait of %u s after a throttle is over a day", pool->name, pool->throttle_s);
    uint32_t first = pool->throttle_s ? pool->throttle_s : 30, last = pool->throttle_max_s ? pool->throttle_max_s : 900;
    if (pool->throttle_max_s > MAX_THROTTLE_S || last < first)
        return sc_fail(err, SC_REASON_INTERNAL, "pool %s: waits after throttles begin at %u s and end at %u s", pool->name, first, last);
    const char *headers[] = {pool->limit_header, pool->remaining_header, pool->reset_header};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (headers[i] && !is_header_name(headers[i]))
            return sc_fail(err, SC_REASON_INTERNAL, "pool %s: \"%s\" is no header name", pool->name, headers[i]);
    return 0;
}

static int check_pools(const struct sc_connector *connector, struct sc_error *err)
{
    size_t rows = 0;
    for (const struct sc_pool *p = connector->pools; p && p->name; p++) {
        if (++rows > MAX_ROWS)
            return sc_fail(err, SC_REASON_INTERNAL, "pools has more than %d rows: does it end?", MAX_ROWS);
        if (check_pool(p, err))
            return -1;
        for (const struct sc_pool *q = connector->pools; q < p; q++)
            if (strcmp(p->name, q->name) == 0)
                return sc_fail(err, SC_REASON_INTERNAL, "pool %s stands there twice", p->name);
    }
    return 0;
}

/* ---- data types -------------------------------------------------------------------------------------------------- */

/* Where the records are, as each format says it (decode/cut.h). */
static bool is_records_path(enum sc_format format, const char *path)
{
    size_t len = path ? strlen(path) : 0;
    bool elements = len >= 2 && strcmp(path + len - 2, "[]") == 0;
    switch (format) {
    case SC_JSON:
        return is_path(path, true);
    case SC_NDJSON:
        return path && (!*path || is_path(path, elements));
    case SC_XML:
    default:
        return is_path(path, false);
    }
}

static int check_format(const struct sc_data_type *type, struct sc_error *err)
{
    static const char *const forms[] = {"an array (\"[]\", \"data.items[]\")", "a line (\"\", \"result\", \"results[]\")",
                                        "elements (\"LIST.RESPONSE.HOST\")"};
    if ((unsigned)type->format > SC_XML)
        return sc_fail(err, SC_REASON_INTERNAL, "%s: unknown format %d", type->name, (int)type->format);
    if (!is_records_path(type->format, type->records))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.records: \"%s\" is no path of %s", type->name, type->records ? type->records : "",
                       forms[type->format]);
    if (type->records_else && (type->format != SC_NDJSON || !is_records_path(SC_NDJSON, type->records_else)))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.records_else: \"%s\" is no path of a line, or the format is not SC_NDJSON", type->name,
                       type->records_else);
    if (type->nested && (type->format != SC_XML || !is_path(type->nested, false)))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.nested: \"%s\" is no path of elements, or the format is not SC_XML", type->name, type->nested);
    if (type->shape == SC_SHAPE_SNAPSHOT && type->format != SC_JSON)
        return sc_fail(err, SC_REASON_INTERNAL, "%s: a snapshot is one JSON document", type->name);
    return 0;
}

_Static_assert(2 * SC_MAX_ID_PARTS + 2 <= 20, "id, id_else, time and whole fit into what the cutter captures of a record");

/* "?name" may be absent from a record; of parts that all may be, none tells records apart. */
static int check_id(const struct sc_data_type *type, const char *what, const char *const parts[SC_MAX_ID_PARTS], struct sc_error *err)
{
    size_t count = 0, sure = 0;
    for (; count < SC_MAX_ID_PARTS && parts[count]; count++) {
        bool optional = parts[count][0] == '?';
        if (!is_path(parts[count] + optional, false))
            return sc_fail(err, SC_REASON_INTERNAL, "%s.%s: \"%s\" is no path", type->name, what, parts[count]);
        sure += !optional;
    }
    if (count && !sure)
        return sc_fail(err, SC_REASON_INTERNAL, "%s.%s: each part may be absent", type->name, what);
    return 0;
}

static int check_identity(const struct sc_data_type *type, struct sc_error *err)
{
    if (check_id(type, "id", type->id, err) || check_id(type, "id_else", type->id_else, err))
        return -1;
    if (type->identity == SC_CONTENT && type->shape == SC_SHAPE_SNAPSHOT)
        return sc_fail(err, SC_REASON_INTERNAL, "%s: the entries of a snapshot need an id of their own, not SC_CONTENT", type->name);
    if (!type->id[0] && (type->identity != SC_CONTENT || type->id_else[0]))
        return sc_fail(err, SC_REASON_INTERNAL, "%s has no id", type->name);
    return 0;
}

static int check_paths(const struct sc_data_type *type, struct sc_error *err)
{
    if (check_format(type, err) || check_identity(type, err))
        return -1;
    if (type->time && !is_path(type->time, false))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.time: \"%s\" is no path", type->name, type->time);
    if (type->whole && (!is_path(type->whole, false) || !type->time || !type->lag_s))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.whole: \"%s\" is no path, or time or lag_s is missing", type->name, type->whole);
    for (size_t i = 0; i < SC_MAX_ENVELOPE && type->envelope[i]; i++)
        if (!is_path(type->envelope[i], false))
            return sc_fail(err, SC_REASON_INTERNAL, "%s.envelope: \"%s\" is no path", type->name, type->envelope[i]);
    const char *snapshot[] = {type->version[0], type->version[1], type->count};
    for (size_t i = 0; i < sizeof snapshot / sizeof *snapshot; i++)
        if (snapshot[i] && (type->shape != SC_SHAPE_SNAPSHOT || !is_path(snapshot[i], false)))
            return sc_fail(err, SC_REASON_INTERNAL, "%s: version and count are paths in the envelope of a snapshot", type->name);
    return 0;
}

static int check_history(const struct sc_data_type *type, struct sc_error *err)
{
    const struct sc_history *history = type->history;
    size_t rows = 0;
    bool time = false;
    for (const struct sc_place *p = history->places; p && p->name; p++) {
        if (++rows > MAX_ROWS)
            return sc_fail(err, SC_REASON_INTERNAL, "%s.history.places has more than %d rows: does it end?", type->name, MAX_ROWS);
        if (!is_name(p->name, "_") || (unsigned)p->kind > SC_PLACE_LINK)
            return sc_fail(err, SC_REASON_INTERNAL, "%s.history.places: \"%s\" is no place", type->name, p->name);
        time = time || (strcmp(p->name, "time") == 0 && p->kind == SC_PLACE_TIME);
    }
    if ((unsigned)history->past > SC_PAST_WINDOW)
        return sc_fail(err, SC_REASON_INTERNAL, "%s.history.past: unknown kind", type->name);
    if (history->by_time && !time)
        return sc_fail(err, SC_REASON_INTERNAL, "%s.history.by_time needs a place \"time\"", type->name);
    if ((!history->by_time || history->past == SC_PAST_NONE) && is_blank(history->why_not))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.history.why_not is missing", type->name);
    if (history->past == SC_PAST_TIME && is_blank(type->time))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.history: a window by the records' time needs `time`", type->name);
    if (history->past != SC_PAST_NONE && type->shape == SC_SHAPE_SNAPSHOT)
        return sc_fail(err, SC_REASON_INTERNAL, "%s.history: a document has no past", type->name);
    return 0;
}

static int check_data_type(const struct sc_data_type *type, struct sc_error *err)
{
    if (!is_name(type->name, "_"))
        return sc_fail(err, SC_REASON_INTERNAL, "a data type is named \"%s\": use [a-z0-9_]", type->name);
    if (is_blank(type->title) || is_blank(type->noun))
        return sc_fail(err, SC_REASON_INTERNAL, "%s needs title and noun", type->name);
    if ((unsigned)type->shape > SC_SHAPE_SNAPSHOT || (unsigned)type->identity > SC_CONTENT ||
        (unsigned)type->time_format > SC_TIME_EPOCH_MS)
        return sc_fail(err, SC_REASON_INTERNAL, "%s: unknown shape, identity or time format", type->name);
    if (!type->interval_s || type->interval_s > MAX_INTERVAL_S)
        return sc_fail(err, SC_REASON_INTERNAL, "%s.interval_s: %u is not within 1 s and 7 days", type->name, type->interval_s);
    if (type->min_interval_s > type->interval_s)
        return sc_fail(err, SC_REASON_INTERNAL, "%s.min_interval_s is above interval_s", type->name);
    if (!type->recipe)
        return sc_fail(err, SC_REASON_INTERNAL, "%s.recipe: versions count from 1", type->name);
    if (type->scope && !*type->scope)
        return sc_fail(err, SC_REASON_INTERNAL, "%s.scope is empty", type->name);
    if (type->history && check_history(type, err))
        return -1;
    return check_paths(type, err);
}

static int check_data_types(const struct sc_connector *connector, struct sc_error *err)
{
    size_t rows = 0;
    for (const struct sc_data_type *t = connector->data_types; t && t->name; t++) {
        if (++rows > MAX_ROWS)
            return sc_fail(err, SC_REASON_INTERNAL, "data_types has more than %d rows: does it end?", MAX_ROWS);
        if (check_data_type(t, err))
            return -1;
        for (const struct sc_data_type *u = connector->data_types; u < t; u++)
            if (strcmp(t->name, u->name) == 0)
                return sc_fail(err, SC_REASON_INTERNAL, "data type %s stands there twice", t->name);
    }
    return rows ? 0 : sc_fail(err, SC_REASON_INTERNAL, "it has no data type");
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

static int check_names(const struct sc_connector *connector, struct sc_error *err)
{
    if (!is_name(connector->name, "-") || connector->name[0] == '-')
        return sc_fail(err, SC_REASON_INTERNAL, "its name is \"%s\": use [a-z0-9-]", connector->name ? connector->name : "");
    if (is_blank(connector->title) || is_blank(connector->category))
        return sc_fail(err, SC_REASON_INTERNAL, "%s needs title and category", connector->name);
    for (const char *const *alias = connector->aliases; alias && *alias; alias++)
        if (!is_name(*alias, "_-"))
            return sc_fail(err, SC_REASON_INTERNAL, "alias \"%s\": use [a-z0-9_-]", *alias);
    return 0;
}

/* ---- authentication ------------------------------------------------------------------------------------------------ */

static int check_token_url(const struct sc_connector *connector, const char *url, struct sc_error *err)
{
    if (is_blank(url) || (url[0] != '/' && strncmp(url, "https://", 8) != 0) || strncmp(url, "//", 2) == 0)
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2.token_url \"%s\" is no path and no https URL", url ? url : "");
    return check_template(connector, "auth.oauth2.token_url", url, true, err);
}

static int check_pair(const struct sc_connector *connector, const char *names[2], const char *what, struct sc_error *err)
{
    const struct sc_field *id = names[0] ? find_field(connector->credentials, sc_str_of(names[0])) : NULL;
    const struct sc_field *secret = names[1] ? find_field(connector->credentials, sc_str_of(names[1])) : NULL;
    if (!id || !secret)
        return sc_fail(err, SC_REASON_INTERNAL, "%s name credentials", what);
    if (!secret->secret)
        return sc_fail(err, SC_REASON_INTERNAL, "%s: credentials.%s is not secret", what, secret->name);
    return 0;
}

static int check_client(const struct sc_connector *connector, const struct sc_oauth2 *oauth2, struct sc_error *err)
{
    const char *names[2] = {oauth2->client_id, oauth2->client_secret};
    if (oauth2->client != SC_OAUTH2_CLIENT_NONE)
        return check_pair(connector, names, "auth.oauth2: client_id and client_secret", err);
    if (names[0] || names[1] || !oauth2->params[0].name)
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2: SC_OAUTH2_CLIENT_NONE has params, and neither client_id nor client_secret");
    return 0;
}

static bool has_scopes(const struct sc_connector *connector)
{
    for (const struct sc_data_type *t = connector->data_types; t->name; t++)
        if (t->scope)
            return true;
    return false;
}

static int check_params(const struct sc_connector *connector, const struct sc_oauth2 *oauth2, struct sc_error *err)
{
    bool scoped = false;
    for (size_t i = 0; i < SC_MAX_OAUTH2_PARAMS && oauth2->params[i].name; i++) {
        const struct sc_oauth2_param *p = &oauth2->params[i];
        if (is_blank(p->name) || is_blank(p->value) || strpbrk(p->name, "&=? {}"))
            return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2.params: \"%s\" needs a plain name and a value", p->name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(oauth2->params[k].name, p->name) == 0)
                return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2.params: %s stands there twice", p->name);
        if (check_template_with(connector, "auth.oauth2.params", p->value, false, "scope", err))
            return -1;
        scoped = scoped || strstr(p->value, "{scope}");
    }
    if (scoped != has_scopes(connector))
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2.params and the data types do not agree: %s",
                       scoped ? "{scope} is named and none has one" : "a scope is given and no parameter takes {scope}");
    return 0;
}

static int check_token_errors(const struct sc_oauth2_error *errors, struct sc_error *err)
{
    size_t rows = 0;
    for (const struct sc_oauth2_error *e = errors; e && e->status; e++) {
        if (++rows > MAX_ROWS)
            return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2.errors has more than %d rows: does it end?", MAX_ROWS);
        if (e->status != -1 && (e->status < 100 || e->status > 599))
            return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2.errors: %d is no status", e->status);
        if (e->reason == SC_REASON_OK || (unsigned)e->reason >= SC_REASON_COUNT)
            return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2.errors: status %d has no reason", e->status);
    }
    return 0;
}

static bool is_pool(const struct sc_connector *connector, const char *name)
{
    for (const struct sc_pool *p = connector->pools; p && p->name; p++)
        if (strcmp(p->name, name) == 0)
            return true;
    return false;
}

static int check_token_member(const struct sc_auth *auth, struct sc_error *err)
{
    bool login = auth->kind == SC_AUTH_LOGIN;
    if (login != (auth->oauth2->token_member != NULL) || (login && is_blank(auth->oauth2->token_member)))
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2.token_member names what the reply to a login holds, and belongs to SC_AUTH_LOGIN");
    return 0;
}

static int check_oauth2(const struct sc_connector *connector, const struct sc_auth *auth, struct sc_error *err)
{
    const struct sc_oauth2 *oauth2 = auth->oauth2;
    if (!oauth2)
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2 is missing");
    if ((unsigned)oauth2->body > SC_OAUTH2_JSON || (unsigned)oauth2->client > SC_OAUTH2_CLIENT_NONE)
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2: unknown body or client");
    if (oauth2->pool && !is_pool(connector, oauth2->pool))
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2.pool: there is no pool %s", oauth2->pool);
    if (!strstr(auth->value, "{token}"))
        return sc_fail(err, SC_REASON_INTERNAL, "auth.value \"%s\" does not name {token}", auth->value);
    if (check_template_with(connector, "auth.value", auth->value, false, "token", err) ||
        check_token_url(connector, oauth2->token_url, err) || check_client(connector, oauth2, err) || check_params(connector, oauth2, err) ||
        check_token_member(auth, err))
        return -1;
    return check_token_errors(oauth2->errors, err);
}

static bool has_token(const struct sc_auth *auth)
{
    return auth->kind == SC_AUTH_OAUTH2_CLIENT || auth->kind == SC_AUTH_LOGIN;
}

/* Members of another kind would be taken for granted and do nothing. */
static int check_spare(const struct sc_auth *auth, struct sc_error *err)
{
    const char *spare = NULL;
    if (auth->oauth2 && !has_token(auth))
        spare = "oauth2";
    else if ((auth->user || auth->password) && auth->kind != SC_AUTH_BASIC)
        spare = "user and password";
    else if (auth->sign && auth->kind != SC_AUTH_SIGNED)
        spare = "sign";
    else if (auth->value && auth->kind != SC_AUTH_HEADER && !has_token(auth))
        spare = "value";
    return spare ? sc_fail(err, SC_REASON_INTERNAL, "auth.%s belongs to another kind", spare) : 0;
}

static int check_way(const struct sc_connector *connector, const struct sc_auth *auth, struct sc_error *err)
{
    const char *pair[2] = {auth->user, auth->password};
    if ((unsigned)auth->kind > SC_AUTH_SIGNED)
        return sc_fail(err, SC_REASON_INTERNAL, "auth has unknown kind %d", (int)auth->kind);
    if (check_spare(auth, err))
        return -1;
    switch (auth->kind) {
    case SC_AUTH_NONE:
        return 0;
    case SC_AUTH_SIGNED:
        return auth->sign ? 0 : sc_fail(err, SC_REASON_INTERNAL, "auth.sign is missing");
    case SC_AUTH_BASIC:
        if (auth->header && !is_header_name(auth->header))
            return sc_fail(err, SC_REASON_INTERNAL, "auth.header: \"%s\" is no header name", auth->header);
        return check_pair(connector, pair, "auth.user and auth.password", err);
    case SC_AUTH_HEADER:
    case SC_AUTH_OAUTH2_CLIENT:
    case SC_AUTH_LOGIN:
        break;
    }
    if (!is_header_name(auth->header) || is_blank(auth->value))
        return sc_fail(err, SC_REASON_INTERNAL, "auth needs a header's name and value");
    return has_token(auth) ? check_oauth2(connector, auth, err) : check_template(connector, "auth.value", auth->value, false, err);
}

static int check_auth(const struct sc_connector *connector, struct sc_error *err)
{
    bool token = false;
    unsigned ways = 0;
    for (const struct sc_auth *auth = &connector->auth; auth; auth = auth->otherwise) {
        if (++ways > MAX_WAYS)
            return sc_fail(err, SC_REASON_INTERNAL, "auth has more than %d ways: does `otherwise` end?", MAX_WAYS);
        if (check_way(connector, auth, err))
            return -1;
        if (!auth->when != !auth->otherwise)
            return sc_fail(err, SC_REASON_INTERNAL, "auth: `when` and `otherwise` belong together; the last way has neither");
        if (auth->when && !find_field(connector->settings, sc_str_of(auth->when)) && !find_field(connector->credentials, sc_str_of(auth->when)))
            return sc_fail(err, SC_REASON_INTERNAL, "auth.when: %s is no field", auth->when);
        token = token || has_token(auth);
    }
    if (!token && has_scopes(connector))
        return sc_fail(err, SC_REASON_INTERNAL, "the scopes of data types belong to another kind of auth");
    return 0;
}

/* A scheme and a host, or a field that holds both. */
static int check_base_url(const struct sc_connector *connector, struct sc_error *err)
{
    const char *url = connector->base_url;
    const struct sc_field *field = url && *url == '{' ? find_field(connector->settings, (struct sc_str){url + 1, strcspn(url + 1, "}")}) : NULL;
    if (url && strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0 && !(field && field->kind == SC_URL))
        return sc_fail(err, SC_REASON_INTERNAL, "base_url \"%s\" is no http(s) URL", url);
    return check_template(connector, "base_url", url, true, err);
}

/* ---- regions ------------------------------------------------------------------------------------------------------ */

static int check_regions(const struct sc_connector *connector, struct sc_error *err)
{
    const struct sc_regions *regions = connector->regions;
    const struct sc_field *field = regions ? find_field(connector->settings, sc_str_of(regions->setting)) : NULL;
    if (!regions)
        return 0;
    if (!field || field->kind != SC_HOST || field->secret)
        return sc_fail(err, SC_REASON_INTERNAL, "regions.setting \"%s\" is no host of the settings", regions->setting ? regions->setting : "");
    if (regions->header && !is_header_name(regions->header))
        return sc_fail(err, SC_REASON_INTERNAL, "regions: \"%s\" is no header name", regions->header);
    if (!regions->rows || !regions->rows[0].name)
        return sc_fail(err, SC_REASON_INTERNAL, "regions has no rows");
    for (const struct sc_region *r = regions->rows; r->name; r++)
        if (is_blank(r->name) || is_blank(r->host) || strpbrk(r->host, "/@?# "))
            return sc_fail(err, SC_REASON_INTERNAL, "regions: %s needs a name and a host", r->name);
    return 0;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

int sc_connector_check(const struct sc_connector *connector, struct sc_error *err)
{
    if (check_names(connector, err) || check_fields(connector, err) || check_pools(connector, err) || check_data_types(connector, err) ||
        check_auth(connector, err) || check_regions(connector, err))
        return -1;
    if (check_base_url(connector, err) || check_template(connector, "source", connector->source, true, err))
        return -1;
    const struct sc_connector_ops *ops = connector->ops;
    if (!ops || !ops->request || !ops->response || !ops->page)
        return sc_fail(err, SC_REASON_INTERNAL, "ops needs request, response and page");
    return 0;
}
