#include "control/request.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define NAME_MAX_BYTES 512
#define TYPES_MAX      64
#define COUNT_MAX      1000000000000

const struct sc_request_row sc_request_rows[] = {
    {"agent", SC_REQUEST_OF_CONTROL, "", ""},
    {"log", SC_REQUEST_OF_CONTROL, "", "level seconds integration"},
    {"keep", SC_REQUEST_OF_CONTROL, "id", ""},
    {"cancel", SC_REQUEST_OF_CONTROL, "id", ""},
    {"checkpoint", SC_REQUEST_OF_IO, "integration do", "data_type time position republish allow_doubles look"},
    {"backfill", SC_REQUEST_OF_IO, "integration do", "data_type from to allow_doubles"},
    {"poll", SC_REQUEST_OF_IO, "integration", "data_type dry trace limit from"},
    {"doctor", SC_REQUEST_OF_IO, "integration", "data_type revision"},
    {0},
};

/* ---- kinds of members -------------------------------------------------------------------------------------------------------------------- */

static bool is_word(const char *text, size_t len, size_t most, const char *also)
{
    if (!len || len > most)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool plain = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= '0' && text[i] <= '9');
        if (!plain && (!text[i] || !strchr(also, text[i])))
            return false;
    }
    return true;
}

static bool is_name(const json_t *value)
{
    return json_is_string(value) && is_word(json_string_value(value), json_string_length(value), NAME_MAX_BYTES, "-_/=.");
}

static bool is_type(const json_t *value)
{
    return json_is_string(value) && is_word(json_string_value(value), json_string_length(value), 64, "-_");
}

/* One, or several. */
static bool is_types(const json_t *value)
{
    size_t n = json_array_size(value);
    bool good = !json_is_array(value) ? is_type(value) : n > 0 && n <= TYPES_MAX;
    for (size_t i = 0; i < n && good; i++)
        good = is_type(json_array_get(value, i));
    return good;
}

static bool is_flag(const json_t *value)
{
    return json_is_boolean(value);
}

static bool is_count(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) > 0 && json_integer_value(value) <= COUNT_MAX;
}

static bool is_time(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && json_string_length(value) < 64 && sc_time_is_rfc3339(sc_str_of(text)) && sc_time_parse_rfc3339(sc_str_of(text)) > 0;
}

static bool is_id(const json_t *value)
{
    unsigned char id[8];
    return json_is_string(value) && json_string_length(value) == 16 && sc_unhex(sc_str_of(json_string_value(value)), id, sizeof id);
}

static bool is_action(const json_t *value)
{
    static const char *const actions[] = {"set", "reset", "start", "stop"};
    const char *text = json_string_value(value);
    for (size_t i = 0; text && i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(text, actions[i]) == 0)
            return true;
    }
    return false;
}

static bool is_object(const json_t *value)
{
    return json_is_object(value);
}

static bool is_level(const json_t *value)
{
    enum sc_level level;
    return json_is_string(value) && (sc_log_parse_level(json_string_value(value), &level) || strcmp(json_string_value(value), "reset") == 0);
}

static const struct member {
    const char *name;
    bool (*is_one)(const json_t *value);
    const char *what;
} members[] = {
    {"integration", is_name, "the name of an integration"},
    {"data_type", is_types, "the name of a data type, or an array of them"},
    {"dry", is_flag, "true or false"},
    {"trace", is_flag, "true or false"},
    {"do", is_action, "set or reset (of a checkpoint), start or stop (of a backfill)"},
    {"time", is_time, "a time such as 2026-11-22T10:15:00Z"},
    {"to", is_time, "a time such as 2026-11-22T10:15:00Z"},
    {"position", is_object, "an object of texts"},
    {"republish", is_flag, "true or false"},
    {"allow_doubles", is_flag, "true or false"},
    {"look", is_flag, "true or false"},
    {"limit", is_count, "a number from 1"},
    {"revision", is_count, "a number from 1"},
    {"from", is_time, "a time such as 2026-11-22T10:15:00Z"},
    {"id", is_id, "the id of an open request, 16 hex digits"},
    {"level", is_level, "debug, info, warn, error or reset"},
    {"seconds", is_count, "a number from 1"},
};

/* ---- reading ----------------------------------------------------------------------------------------------------------------------------- */

static bool names(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; *at; at += at[strcspn(at, " ")] ? strcspn(at, " ") + 1 : strcspn(at, " ")) {
        if (strcspn(at, " ") == len && strncmp(at, name, len) == 0)
            return true;
    }
    return false;
}

static int check_member(const struct sc_request_row *row, const char *name, const json_t *value, struct sc_error *err)
{
    if (strcmp(name, "v") == 0 || strcmp(name, "op") == 0)
        return 0;
    if (!names(row->needs, name) && !names(row->may, name))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "op \"%s\" takes no member \"%.40s\"", row->op, name);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (strcmp(members[i].name, name) == 0 && !members[i].is_one(value))
            return sc_fail(err, SC_REASON_CONFIG_INVALID, "\"%s\" must be %s", name, members[i].what);
    }
    return 0;
}

static int check_all(const struct sc_request_row *row, json_t *request, struct sc_error *err)
{
    const char *name;
    json_t *value;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (names(row->needs, members[i].name) && !json_object_get(request, members[i].name))
            return sc_fail(err, SC_REASON_CONFIG_INVALID, "op \"%s\" needs a member \"%s\": %s", row->op, members[i].name, members[i].what);
    }
    json_object_foreach (request, name, value) {
        if (check_member(row, name, value, err))
            return -1;
    }
    return 0;
}

static const struct sc_request_row *row_of(const char *op)
{
    for (const struct sc_request_row *row = sc_request_rows; row->op; row++) {
        if (strcmp(row->op, op) == 0)
            return row;
    }
    return NULL;
}

static int check(json_t *request, const struct sc_request_row **ret_row, struct sc_error *err)
{
    const json_t *v = json_object_get(request, "v");
    const char *op = json_string_value(json_object_get(request, "op"));
    if (!json_is_integer(v) || json_integer_value(v) != 1)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "this agent understands requests with \"v\": 1 (it is version " SIGNAL_VERSION ")");
    if (!op)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "\"op\" is missing");
    *ret_row = row_of(op);
    if (!*ret_row)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "this agent (version " SIGNAL_VERSION ") does not know the op \"%.40s\"", op);
    return check_all(*ret_row, request, err);
}

int sc_request_read(struct sc_str body, json_t **ret, const struct sc_request_row **ret_row, struct sc_error *err)
{
    json_error_t bad;
    if (!body.ptr || body.len > SC_REQUEST_MAX)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "a request has at most %u bytes", SC_REQUEST_MAX);
    json_t *request = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, &bad);
    if (!json_is_object(request)) {
        json_decref(request);
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "a request is one JSON object%s%.80s", request ? "" : ": ", request ? "" : bad.text);
    }
    if (check(request, ret_row, err)) {
        json_decref(request);
        return -1;
    }
    *ret = request;
    return 0;
}

uint64_t sc_request_id(const json_t *request)
{
    const char *text = json_string_value(json_object_get(request, "id"));
    unsigned char bytes[8];
    uint64_t id = 0;
    if (!text || strlen(text) != 16 || !sc_unhex(sc_str_of(text), bytes, sizeof bytes))
        return 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        id = id << 8 | bytes[i];
    return id;
}
