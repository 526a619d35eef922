/* An integration's value as JSON: fields into the right object, secrets that are none, text. */
#include "cli/commands.h"

#include "base/redact.h"
#include "config/integration.h"

#include <ctype.h>
#include <stdlib.h>

#define MAX_DEPTH 64

json_t *sc_value_object(json_t *root, const char *name)
{
    json_t *object = json_object_get(root, name);
    if (!json_is_object(object)) {
        json_object_set_new(root, name, json_object());
        object = json_object_get(root, name);
    }
    return object;
}

void sc_value_set_field(json_t *root, const struct sc_field *row, bool credential, json_t *value)
{
    static const char *const objects[] = {"settings", "credentials"};
    for (size_t i = 0; i < 2; i++) {
        json_t *object = json_object_get(root, objects[i]);
        if (row->alias)
            json_object_del(object, row->alias);
        if (credential != (i == 1))
            json_object_del(object, row->name);
    }
    json_object_set_new(sc_value_object(root, objects[credential]), row->name, value);
}

int sc_value_fail_field(const struct sc_connector *connector, struct sc_str name, struct sc_error *err)
{
    struct sc_buf known SC_AUTO_BUF = {0};
    const struct sc_field *tables[] = {connector->settings, connector->credentials, sc_integration_common_fields()};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct sc_field *row = tables[t]; row && row->name; row++)
            sc_buf_addf(&known, "%s%s", known.len ? ", " : "", row->name);
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s has no field \"%.*s\"; it has: %s", connector->name,
                   (int)(name.len < 64 ? name.len : 64), name.ptr, sc_buf_str(&known).ptr);
}

/* ---- hidden secrets ---------------------------------------------------------------------------------------------------- */

/* "[set]", "[set, 18 characters]"; in a URL "://[set]@"; anywhere "[redacted]". */
static bool is_hidden(const char *text)
{
    if (strstr(text, "[redacted]") || strstr(text, "[set]"))
        return true;
    if (strncmp(text, "[set, ", 6) != 0)
        return false;
    for (text += 6; isdigit((unsigned char)*text); text++)
        continue;
    return strcmp(text, " characters]") == 0;
}

static bool find_hidden(const json_t *value, struct sc_buf *where, unsigned depth)
{
    const char *name;
    json_t *item;
    size_t i, before = where->len;
    if (json_is_string(value))
        return is_hidden(json_string_value(value));
    if (depth > MAX_DEPTH)
        return false;
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
    {
        sc_buf_addf(where, "%s%.64s", before ? "." : "", name);
        if (find_hidden(item, where, depth + 1))
            return true;
        where->len = before;
    }
    json_array_foreach(value, i, item)
    {
        sc_buf_addf(where, "[%zu]", i);
        if (find_hidden(item, where, depth + 1))
            return true;
        where->len = before;
    }
    return false;
}

bool sc_value_find_hidden(const json_t *value, struct sc_buf *ret_where)
{
    sc_buf_clear(ret_where);
    return find_hidden(value, ret_where, 0);
}

int sc_value_fail_hidden(const char *where, const char *cure, struct sc_error *err)
{
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "%.100s holds what `integrations show` prints in a secret's place, not the secret: %s",
                   where, cure);
}

/* ---- text -------------------------------------------------------------------------------------------------------------- */

/* 15 digits are what people write; 17 where a number needs them. */
char *sc_value_dump(const json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_t *again = text ? json_loads(text, 0, NULL) : NULL;
    if (again && !json_equal((json_t *)(uintptr_t)value, again)) {
        sc_secret_free(text);
        text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    }
    json_decref(again);
    return text;
}
