/* Checks one connector's tables before anything relies on them. Pure; a failure names table, row and what is wrong. */
#include "plugin/plugin.h"

#include "base/clock.h"

#include <ctype.h>
#include <strings.h>

#define MAX_ROWS       64
#define MAX_NAME       64
#define MAX_INTERVAL_S (7u * 24 * 3600)
#define MAX_THROTTLE_S (24u * 3600)

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
    return check_default(field, table, err);
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
            if (check_field(f, names[t], err))
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

static int check_paths(const struct sc_data_type *type, struct sc_error *err)
{
    size_t ids = 0;
    if (!is_path(type->records, true))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.records: \"%s\" is no path of an array (\"[]\", \"data.items[]\")", type->name,
                       type->records ? type->records : "");
    for (; ids < SC_MAX_ID_PARTS && type->id[ids]; ids++)
        if (!is_path(type->id[ids], false))
            return sc_fail(err, SC_REASON_INTERNAL, "%s.id: \"%s\" is no path", type->name, type->id[ids]);
    if (type->identity == SC_CONTENT)
        return sc_fail(err, SC_REASON_INTERNAL, "%s: identity SC_CONTENT is not supported by this agent yet", type->name);
    if (!ids)
        return sc_fail(err, SC_REASON_INTERNAL, "%s has no id", type->name);
    if (type->time && !is_path(type->time, false))
        return sc_fail(err, SC_REASON_INTERNAL, "%s.time: \"%s\" is no path", type->name, type->time);
    for (size_t i = 0; i < SC_MAX_ENVELOPE && type->envelope[i]; i++)
        if (!is_path(type->envelope[i], false))
            return sc_fail(err, SC_REASON_INTERNAL, "%s.envelope: \"%s\" is no path", type->name, type->envelope[i]);
    const char *snapshot[] = {type->version[0], type->version[1], type->count};
    for (size_t i = 0; i < sizeof snapshot / sizeof *snapshot; i++)
        if (snapshot[i] && (type->shape != SC_SHAPE_SNAPSHOT || !is_path(snapshot[i], false)))
            return sc_fail(err, SC_REASON_INTERNAL, "%s: version and count are paths in the envelope of a snapshot", type->name);
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

static int check_client(const struct sc_connector *connector, const struct sc_oauth2 *oauth2, struct sc_error *err)
{
    const struct sc_field *id = oauth2->client_id ? find_field(connector->credentials, sc_str_of(oauth2->client_id)) : NULL;
    const struct sc_field *secret = oauth2->client_secret ? find_field(connector->credentials, sc_str_of(oauth2->client_secret)) : NULL;
    if (!id || !secret)
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2: client_id and client_secret name credentials");
    if (!secret->secret)
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2: credentials.%s is not secret", secret->name);
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

static int check_oauth2(const struct sc_connector *connector, struct sc_error *err)
{
    const struct sc_oauth2 *oauth2 = connector->auth.oauth2;
    if (!oauth2)
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2 is missing");
    if ((unsigned)oauth2->body > SC_OAUTH2_JSON || (unsigned)oauth2->client > SC_OAUTH2_CLIENT_BASIC)
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2: unknown body or client");
    if (oauth2->pool && !is_pool(connector, oauth2->pool))
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2.pool: there is no pool %s", oauth2->pool);
    if (!strstr(connector->auth.value, "{token}"))
        return sc_fail(err, SC_REASON_INTERNAL, "auth.value \"%s\" does not name {token}", connector->auth.value);
    if (check_template_with(connector, "auth.value", connector->auth.value, false, "token", err) ||
        check_token_url(connector, oauth2->token_url, err) || check_client(connector, oauth2, err) || check_params(connector, oauth2, err))
        return -1;
    return check_token_errors(oauth2->errors, err);
}

static int check_auth(const struct sc_connector *connector, struct sc_error *err)
{
    const struct sc_auth *auth = &connector->auth;
    if ((unsigned)auth->kind > SC_AUTH_OAUTH2_CLIENT)
        return sc_fail(err, SC_REASON_INTERNAL, "auth has unknown kind %d", (int)auth->kind);
    if (auth->kind != SC_AUTH_OAUTH2_CLIENT && (auth->oauth2 || has_scopes(connector)))
        return sc_fail(err, SC_REASON_INTERNAL, "auth.oauth2 and the scopes of data types belong to another kind");
    if (auth->kind == SC_AUTH_NONE)
        return 0;
    if (!is_header_name(auth->header) || is_blank(auth->value))
        return sc_fail(err, SC_REASON_INTERNAL, "auth needs a header's name and value");
    if (auth->kind == SC_AUTH_OAUTH2_CLIENT)
        return check_oauth2(connector, err);
    return check_template(connector, "auth.value", auth->value, false, err);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

int sc_connector_check(const struct sc_connector *connector, struct sc_error *err)
{
    if (check_names(connector, err) || check_fields(connector, err) || check_pools(connector, err) || check_data_types(connector, err) ||
        check_auth(connector, err))
        return -1;
    const char *url = connector->base_url;
    if (url && strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        return sc_fail(err, SC_REASON_INTERNAL, "base_url \"%s\" is no http(s) URL", url);
    if (check_template(connector, "base_url", url, true, err) || check_template(connector, "source", connector->source, true, err))
        return -1;
    const struct sc_connector_ops *ops = connector->ops;
    if (!ops || !ops->request || !ops->response || !ops->page)
        return sc_fail(err, SC_REASON_INTERNAL, "ops needs request, response and page");
    return 0;
}
