/* --from-now: the moment of the command is written into the value, so that the first poll begins there however late it comes; an agent
 * that is down for an hour after the import misses nothing of that hour and fetches nothing from before it. */
#include "cli/commands.h"

#include "nats/session.h"

void sc_from_now_set(json_t *root, const struct sc_connector *connector, const char *start)
{
    json_t *types = sc_value_object(root, "data_types");
    for (const struct sc_data_type *type = connector->data_types; type && type->name; type++) {
        json_t *before = json_object_get(types, type->name);
        if (json_is_boolean(before)) /* short for an object with `enabled` */
            json_object_set_new(types, type->name, json_pack("{s:b}", "enabled", json_is_true(before)));
        else if (before && !json_is_object(before) && !json_is_null(before))
            continue; /* not valid, and to be named as such */
        json_object_set_new(sc_value_object(types, type->name), "start", json_string(start));
    }
}

void sc_from_now_clear(json_t *root)
{
    const char *name;
    json_t *type, *types = json_object_get(root, "data_types");
    void *next;
    json_object_foreach_safe(types, next, name, type)
    {
        json_object_del(type, "start");
        if (json_is_object(type) && json_object_size(type) == 0)
            json_object_del(types, name);
    }
    if (json_is_object(types) && json_object_size(types) == 0)
        json_object_del(root, "data_types");
}

static bool has_position(struct sc_session *session, const char *name, const char *type)
{
    struct sc_buf key SC_AUTO_BUF = {0};
    struct sc_kv_entry entry = {0};
    struct sc_error unread = SC_ERROR_INIT;
    sc_key_escape(sc_str_of(name), &key);
    sc_buf_add_char(&key, '.');
    sc_key_escape(sc_str_of(type), &key);
    bool found = !key.failed && sc_kv_get(session, SC_CHECKPOINTS, key.ptr, &entry, &unread) == 0 && !entry.deleted;
    sc_kv_entry_done(&entry);
    return found;
}

static void add_types(struct sc_buf *out, const json_t *types, const char *one, const char *more)
{
    size_t i, count = json_array_size(types);
    json_t *type;
    json_array_foreach(types, i, type) sc_buf_addf(out, "%s%s", i == 0 ? "; " : i + 1 == count ? " and " : ", ", json_string_value(type));
    if (count)
        sc_buf_addf(out, " %s", count == 1 ? one : more);
}

void sc_from_now_tell(struct sc_session *session, const struct sc_connector *connector, const char *name, const char *start,
                      struct sc_buf *out, json_t *done)
{
    json_t *whole = json_array(), *known = json_array();
    for (const struct sc_data_type *type = connector->data_types; type && type->name; type++) {
        if (has_position(session, name, type->name))
            json_array_append_new(known, json_string(type->name));
        else if (type->shape == SC_SHAPE_SNAPSHOT)
            json_array_append_new(whole, json_string(type->name));
    }
    sc_buf_addf(out, ", from %s on", start);
    add_types(out, whole, "is read whole once", "are read whole once");
    add_types(out, known, "has a position already and goes on from it", "have positions already and go on from them");
    json_object_set_new(done, "start", json_string(start));
    json_object_set_new(done, "read_whole", whole);
    json_object_set_new(done, "have_positions", known);
}

const char *sc_from_now_text(const json_t *root)
{
    const char *name, *found = "";
    json_t *type;
    json_object_foreach(json_object_get(root, "data_types"), name, type)
    {
        const char *start = sc_json_text(type, "start");
        if (*start && *found && strcmp(start, found) != 0)
            return "several";
        if (*start)
            found = start;
    }
    return found;
}
