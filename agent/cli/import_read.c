/* What a file of integrations holds, in any of the forms that are taken; nothing is checked against a connector here. */
#include "cli/commands.h"

#include "base/redact.h"
#include "config/integration.h"
#include "nats/session.h"

#include <stdlib.h>

#define FORMS                                                                                                                              \
    "give {\"NAME\": {value}, ...}, [{\"key\": \"NAME\", ...value}, ...], or what `integrations show NAME --json` prints, one or an array"

/* ---- items ------------------------------------------------------------------------------------------------------------- */

/* NULL: out of memory. */
static struct sc_import_item *add_item(struct sc_import *import, const char *prefix, const char *key)
{
    if (import->count == import->cap) {
        size_t cap = 2 * import->cap + 16;
        struct sc_import_item *grown = realloc(import->at, cap * sizeof *grown);
        if (!grown)
            return NULL;
        import->at = grown;
        import->cap = cap;
    }
    struct sc_import_item *item = &import->at[import->count];
    *item = (struct sc_import_item){sc_dup(key), sc_printf("%s%s", prefix, key), NULL, SC_ERROR_INIT};
    if (!item->key || !item->name) {
        free(item->key);
        free(item->name);
        return NULL;
    }
    import->count++;
    return item;
}

static struct sc_import_item *find_item(const struct sc_import *import, const char *key)
{
    for (size_t i = 0; i < import->count; i++)
        if (strcmp(import->at[i].key, key) == 0)
            return &import->at[i];
    return NULL;
}

void sc_import_done(struct sc_import *import)
{
    for (size_t i = 0; i < import->count; i++) {
        free(import->at[i].key);
        free(import->at[i].name);
        json_decref(import->at[i].value);
    }
    free(import->at);
    *import = (struct sc_import){0};
}

static void check_name(const struct sc_import *import, struct sc_import_item *item)
{
    if (find_item(import, item->key) != item)
        sc_fail(&item->err, SC_REASON_CONFIG_INVALID, "it stands there twice");
    else if (!sc_key_legal(item->name))
        sc_fail(&item->err, SC_REASON_CONFIG_INVALID,
                "\"%.64s\" cannot be a name: use letters, digits and - _ / = . (no dot at the ends, none doubled)", item->name);
}

/* Takes value. */
static int keep(struct sc_import *import, const char *prefix, const char *key, json_t *value, struct sc_error *err)
{
    struct sc_import_item *item = value ? add_item(import, prefix, key) : NULL;
    if (!item) {
        json_decref(value);
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    }
    item->value = value;
    check_name(import, item);
    if (!json_is_object(value))
        sc_fail(&item->err, SC_REASON_CONFIG_INVALID, "its value must be an object {…}");
    return 0;
}

/* ---- forms ------------------------------------------------------------------------------------------------------------- */

/* What `integrations show --json` prints. */
static bool is_shown(const json_t *object)
{
    return json_is_string(json_object_get(object, "name")) && json_is_integer(json_object_get(object, "revision")) &&
           json_object_get(object, "valid") && json_object_get(object, "value");
}

static bool is_listed(const json_t *object)
{
    return json_object_get(object, "readable") && json_object_get(object, "revision") && json_object_get(object, "type");
}

static int keep_shown(struct sc_import *import, const char *prefix, const json_t *shown, struct sc_error *err)
{
    return keep(import, prefix, sc_json_text(shown, "name"), json_deep_copy(json_object_get(shown, "value")), err);
}

static int keep_element(struct sc_import *import, const char *prefix, const json_t *element, size_t index, struct sc_error *err)
{
    if (is_shown(element))
        return keep_shown(import, prefix, element, err);
    if (is_listed(element))
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "this is what `integrations list --json` prints, which holds no values: take `integrations show NAME --json` of each");
    if (!json_is_object(element) || !json_is_string(json_object_get(element, "key")))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "element %zu has no \"key\" that names it: " FORMS, index + 1);
    json_t *value = json_deep_copy(element);
    json_object_del(value, "key");
    return keep(import, prefix, sc_json_text(element, "key"), value, err);
}

static int read_forms(struct sc_import *import, const char *prefix, json_t *root, struct sc_error *err)
{
    const char *name;
    json_t *value;
    size_t i;
    int rc = 0;
    if (is_shown(root))
        return keep_shown(import, prefix, root, err);
    if (json_is_object(root) && json_is_string(json_object_get(root, "integration_type")))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "this is one integration without its name: `signal-client integrations put NAME --file FILE`");
    json_object_foreach(root, name, value) rc = rc ? rc : keep(import, prefix, name, json_deep_copy(value), err);
    json_array_foreach(root, i, value) rc = rc ? rc : keep_element(import, prefix, value, i, err);
    if (rc == 0 && !import->count)
        rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "there is no integration in it: " FORMS);
    return rc;
}

/* NULL + err. The parser's words may quote what stands there, which may be a secret. */
static json_t *load(struct sc_str text, struct sc_error *err)
{
    json_error_t why;
    json_t *root = json_loadb(text.ptr ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &why);
    char *near = root ? NULL : strstr(why.text, " near '");
    if (near && json_error_code(&why) != json_error_duplicate_key)
        *near = '\0';
    if (!root)
        sc_fail(err, SC_REASON_CONFIG_INVALID, "it is no valid JSON: line %d, column %d: %s", why.line, why.column, why.text);
    return root;
}

int sc_import_read(struct sc_str text, const char *prefix, struct sc_import *ret, struct sc_error *err)
{
    json_t *root = load(text, err);
    int rc = root ? read_forms(ret, prefix, root, err) : -1;
    json_decref(root);
    return rc;
}

/* ---- secrets ----------------------------------------------------------------------------------------------------------- */

static int set_secret(struct sc_import_item *item, const struct sc_plugins *plugins, const char *field, const json_t *secret,
                      struct sc_error *err)
{
    bool credential;
    const char *type = sc_json_text(item->value, "integration_type");
    const struct sc_connector *connector = sc_plugins_find(plugins, type);
    struct sc_error why = SC_ERROR_INIT;
    if (!connector)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: integration_type \"%.64s\" is unknown: `signal-client connectors list`", item->key,
                       type);
    const struct sc_field *row = sc_integration_field(connector, field, &credential);
    if (!row) {
        sc_value_fail_field(connector, sc_str_of(field), &why);
        return sc_fail(err, why.reason, "%s: %s", item->key, why.text);
    }
    if (!json_is_string(secret))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s.%s must be a text in quotes", item->key, field);
    sc_redact_add(json_string_value(secret), json_string_length(secret)); /* for the rest of this process */
    sc_value_set_field(item->value, row, credential, json_copy((json_t *)(uintptr_t)secret));
    return 0;
}

static int set_secrets(struct sc_import *import, const char *key, json_t *fields, const struct sc_plugins *plugins, struct sc_error *err)
{
    struct sc_import_item *item = find_item(import, key);
    const char *field;
    json_t *secret;
    int rc = 0;
    if (!item)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%.64s is not among the integrations: names here are those of the file, without --prefix",
                       key);
    if (!json_is_object(fields))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%.64s must be an object {\"FIELD\": \"value\"}", key);
    json_object_foreach(fields, field, secret) rc = rc || !json_is_object(item->value) ? rc : set_secret(item, plugins, field, secret, err);
    return rc;
}

int sc_import_secrets(struct sc_import *import, struct sc_str text, const struct sc_plugins *plugins, struct sc_error *err)
{
    const char *key;
    json_t *fields, *root = load(text, err);
    int rc = !root                  ? -1
             : json_is_object(root) ? 0
                                    : sc_fail(err, SC_REASON_CONFIG_INVALID, "it must be an object {\"NAME\": {\"FIELD\": \"value\"}}");
    json_object_foreach(root, key, fields) rc = rc ? rc : set_secrets(import, key, fields, plugins, err);
    json_decref(root);
    return rc;
}
