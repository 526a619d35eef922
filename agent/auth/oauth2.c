#include "auth/oauth2.h"

#include "base/clock.h"
#include "base/redact.h"
#include "base/template.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define LIFETIME_DEFAULT_S 3600
#define LIFETIME_MOST_S    (366ll * 24 * 3600)

/* ---- the request -------------------------------------------------------------------------------------------------------------------- */

const char *sc_oauth2_call(const struct sc_oauth2 *table)
{
    return table->token_member ? "login" : "token request";
}

static int no_memory(const struct sc_oauth2 *table, struct sc_error *err)
{
    return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for a %s", sc_oauth2_call(table));
}

static int expand(const char *text, struct sc_oauth2_values values, struct sc_buf *out, struct sc_error *err)
{
    char missing[64];
    if (sc_template_expand(text, values.lookup, values.arg, out, missing) == 0)
        return 0;
    if (missing[0])
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s is not set: give it in settings or credentials", missing);
    return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for signing in");
}

static size_t without_slashes(const char *text)
{
    size_t len = strlen(text);
    while (len && text[len - 1] == '/')
        len--;
    return len;
}

/* settings.auth_url takes the place of scheme, host and port; one that names the token endpoint itself is taken as it is. */
static int compose_url(const struct sc_oauth2 *table, struct sc_oauth2_values values, char **ret, struct sc_error *err)
{
    SC_AUTO_BUF struct sc_buf url = {0}, whole = {0};
    const char *instead = values.lookup(values.arg, "auth_url"), *base = values.lookup(values.arg, "base_url");
    if (expand(table->token_url, values, &url, err))
        return -1;
    const char *path = url.ptr ? url.ptr : "";
    if (instead && !*instead)
        instead = NULL;
    if (path[0] != '/' && instead) {
        const char *host = strstr(path, "://");
        path = host ? strchr(host + 3, '/') : NULL;
        path = path ? path : "/";
    }
    if (path[0] == '/') {
        const char *under = instead ? instead : base ? base : "";
        size_t len = without_slashes(under), path_len = strlen(path);
        sc_buf_add(&whole, under, len);
        if (len < path_len || strncmp(under + len - path_len, path, path_len) != 0)
            sc_buf_add(&whole, path, path_len);
    } else {
        sc_buf_add_str(&whole, path);
    }
    *ret = sc_buf_take(&whole);
    return *ret ? 0 : no_memory(table, err);
}

static void add_member(const struct sc_oauth2 *table, struct sc_buf *body, const char *name, const char *value)
{
    if (table->body == SC_OAUTH2_JSON) {
        sc_buf_add_char(body, body->len ? ',' : '{');
        sc_buf_add_json(body, sc_str_of(name));
        sc_buf_add_char(body, ':');
        sc_buf_add_json(body, sc_str_of(value));
        return;
    }
    if (body->len)
        sc_buf_add_char(body, '&');
    sc_buf_add_urlencoded(body, sc_str_of(name));
    sc_buf_add_char(body, '=');
    sc_buf_add_urlencoded(body, sc_str_of(value));
}

static int compose_body(const struct sc_oauth2 *table, struct sc_oauth2_values values, struct sc_buf *body, struct sc_error *err)
{
    bool client = table->client != SC_OAUTH2_CLIENT_NONE;
    const char *id = client ? values.lookup(values.arg, table->client_id) : NULL;
    const char *secret = client ? values.lookup(values.arg, table->client_secret) : NULL;
    if (client && (!id || !secret))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "%s is not set: give it in credentials", id ? table->client_secret : table->client_id);
    sc_buf_reserve(body, 4096); /* so that a secret is not left behind in memory that was outgrown */
    for (unsigned i = 0; i < SC_MAX_OAUTH2_PARAMS && table->params[i].name; i++) {
        SC_AUTO_BUF struct sc_buf value = {.secret = true};
        if (expand(table->params[i].value, values, &value, err))
            return -1;
        if (value.len)
            add_member(table, body, table->params[i].name, value.ptr);
    }
    if (table->client == SC_OAUTH2_CLIENT_IN_BODY) {
        add_member(table, body, "client_id", id);
        add_member(table, body, "client_secret", secret);
    }
    if (table->body == SC_OAUTH2_JSON)
        sc_buf_add_str(body, body->len ? "}" : "{}");
    return body->failed ? no_memory(table, err) : 0;
}

/* RFC 6749 2.3.1: each part in form encoding first. */
static char *basic_header(const struct sc_oauth2 *table, struct sc_oauth2_values values)
{
    struct sc_buf pair = {.secret = true}, line = {.secret = true};
    sc_buf_add_urlencoded(&pair, sc_str_of(values.lookup(values.arg, table->client_id)));
    sc_buf_add_char(&pair, ':');
    sc_buf_add_urlencoded(&pair, sc_str_of(values.lookup(values.arg, table->client_secret)));
    sc_buf_add_str(&line, "Authorization: Basic ");
    if (!pair.failed)
        sc_buf_add_base64(&line, pair.ptr, pair.len, false);
    bool failed = pair.failed;
    sc_buf_done(&pair);
    char *text = sc_buf_take(&line);
    if (failed) {
        sc_secret_free(text);
        return NULL;
    }
    return text;
}

int sc_oauth2_compose(const struct sc_oauth2 *table, struct sc_oauth2_values values, struct sc_oauth2_request *ret, struct sc_error *err)
{
    *ret = (struct sc_oauth2_request){.body.secret = true};
    unsigned n = 0;
    if (compose_url(table, values, &ret->url, err) || compose_body(table, values, &ret->body, err)) {
        sc_oauth2_request_done(ret);
        return -1;
    }
    bool good = (ret->headers[n++] = sc_dup(table->body == SC_OAUTH2_JSON ? "Content-Type: application/json" : "Content-Type: application/x-www-form-urlencoded")) &&
                (ret->headers[n++] = sc_dup("Accept: application/json"));
    if (good && table->client == SC_OAUTH2_CLIENT_BASIC)
        good = (ret->headers[n++] = basic_header(table, values)) != NULL;
    if (good)
        return 0;
    sc_oauth2_request_done(ret);
    return no_memory(table, err);
}

void sc_oauth2_request_done(struct sc_oauth2_request *request)
{
    for (unsigned i = 0; i < 4; i++)
        sc_secret_free(request->headers[i]);
    sc_buf_done(&request->body);
    free(request->url);
    *request = (struct sc_oauth2_request){0};
}

/* ---- the reply ---------------------------------------------------------------------------------------------------------------------- */

/* RFC 6749 5.2 and what is found in the field. */
static const struct {
    const char *code;
    enum sc_reason reason;
} codes[] = {
    {"invalid_client", SC_REASON_OAUTH_INVALID_CLIENT},
    {"invalid_grant", SC_REASON_OAUTH_INVALID_GRANT},
    {"unauthorized_client", SC_REASON_CONSENT_MISSING},
    {"invalid_scope", SC_REASON_CONSENT_MISSING},
    {"consent_required", SC_REASON_CONSENT_MISSING},
    {"access_denied", SC_REASON_PERMISSION_DENIED},
    {"invalid_request", SC_REASON_CONFIG_INVALID},
    {"unsupported_grant_type", SC_REASON_CONFIG_INVALID},
    {"invalid_target", SC_REASON_CONFIG_INVALID},
    {"slow_down", SC_REASON_RATE_LIMITED},
    {"temporarily_unavailable", SC_REASON_VENDOR_ERROR},
    {"server_error", SC_REASON_VENDOR_ERROR},
};

struct said {
    char code[64];         /* "error" */
    char description[160]; /* "error_description", or a message found elsewhere */
};

static void copy_printable(char *out, size_t cap, const char *text)
{
    size_t n = 0;
    for (; text && *text && n + 1 < cap; text++)
        out[n++] = *text > ' ' && *text <= '~' ? *text : ' ';
    out[n] = '\0';
}

static void read_said(const json_t *root, struct said *said)
{
    static const char *const messages[] = {"error_description", "message", "errorSummary", "detail"};
    *said = (struct said){0};
    const json_t *error = json_object_get(root, "error");
    if (json_is_object(error)) /* {"error":{"code":"...","message":"..."}} */
        copy_printable(said->code, sizeof said->code, json_string_value(json_object_get(error, "code")));
    else
        copy_printable(said->code, sizeof said->code, json_string_value(error));
    const json_t *first = json_array_get(json_object_get(root, "errors"), 0);
    if (!said->code[0]) /* {"messages":[{"type":"WARN","text":"Login failed"}]} */
        copy_printable(said->description, sizeof said->description,
                       json_string_value(json_object_get(json_array_get(json_object_get(root, "messages"), 0), "text")));
    const json_t *places[] = {root, error, first};
    for (unsigned p = 0; p < 3 && !said->description[0]; p++) {
        for (unsigned m = 0; m < sizeof messages / sizeof *messages && !said->description[0]; m++)
            copy_printable(said->description, sizeof said->description, json_string_value(json_object_get(places[p], messages[m])));
    }
}

static bool row_fits(const struct sc_oauth2_error *row, int status, const struct said *said)
{
    if (row->status != -1 && row->status != status)
        return false;
    if (!row->code)
        return true;
    size_t len = strlen(row->code);
    return strcmp(row->code, said->code) == 0 ||
           (strncmp(said->description, row->code, len) == 0 && !isalnum((unsigned char)said->description[len]));
}

static enum sc_reason reason_of(const struct sc_oauth2 *table, int status, const struct said *said)
{
    for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strcmp(codes[i].code, said->code) == 0)
            return codes[i].reason;
    }
    if (status == 429)
        return SC_REASON_RATE_LIMITED;
    if (status >= 500)
        return SC_REASON_VENDOR_ERROR;
    if (status == 404 || status == 405)
        return SC_REASON_NOT_FOUND;
    if (status == 423)
        return SC_REASON_ACCOUNT_SUSPENDED;
    if (status != 400 && status != 401 && status != 403)
        return SC_REASON_BAD_RESPONSE;
    return table->token_member ? SC_REASON_AUTH_INVALID : SC_REASON_OAUTH_INVALID_CLIENT;
}

static void read_error(const struct sc_oauth2 *table, int status, const json_t *root, struct sc_oauth2_reply *ret)
{
    struct said said;
    read_said(root, &said);
    ret->reason = reason_of(table, status, &said);
    for (const struct sc_oauth2_error *row = table->errors; row && row->status; row++) {
        if (!row_fits(row, status, &said))
            continue;
        ret->reason = row->reason;
        snprintf(ret->advice, sizeof ret->advice, "%s", row->advice ? row->advice : "");
        break;
    }
    snprintf(ret->detail, sizeof ret->detail, "%s%s%s", said.code, said.code[0] && said.description[0] ? ": " : "", said.description);
}

/* It goes into a header. */
static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return len > 0 && len <= SC_OAUTH2_TOKEN_MAX;
}

/* Number, or number in a string; what makes no sense counts as not said. */
static bool read_lifetime(const json_t *value, int64_t *ret_s)
{
    int64_t s = 0;
    if (json_is_integer(value))
        s = json_integer_value(value);
    else if (json_is_real(value) && json_real_value(value) >= 1 && json_real_value(value) < (double)LIFETIME_MOST_S)
        s = (int64_t)json_real_value(value);
    else if (!json_is_string(value) || !sc_parse_int(sc_str_of(json_string_value(value)), &s))
        return false;
    if (s <= 0)
        return false;
    *ret_s = s < LIFETIME_MOST_S ? s : LIFETIME_MOST_S;
    return true;
}

static const char *member_of(const struct sc_oauth2 *table)
{
    return table->token_member ? table->token_member : "access_token";
}

static void read_token(const struct sc_oauth2 *table, const json_t *root, struct sc_oauth2_reply *ret)
{
    const json_t *token = json_object_get(root, member_of(table));
    const char *text = json_string_value(token);
    const char *type = table->token_member ? NULL : json_string_value(json_object_get(root, "token_type"));
    int64_t s = table->lifetime_s ? table->lifetime_s : LIFETIME_DEFAULT_S;
    ret->reason = SC_REASON_BAD_RESPONSE;
    if (!text || !is_token(text, json_string_length(token))) {
        snprintf(ret->detail, sizeof ret->detail, "the reply holds no usable %s (%s)", member_of(table),
                 !token ? "it is missing" : !text ? "it is no text" : !*text ? "it is empty" : "it is over 16 KiB, or holds blanks or unprintable bytes");
        return;
    }
    if (type && strcasecmp(type, "bearer") != 0) {
        snprintf(ret->detail, sizeof ret->detail, "the token is of type \"");
        copy_printable(ret->detail + strlen(ret->detail), 40, type);
        snprintf(ret->detail + strlen(ret->detail), 40, "\", not a bearer token");
        return;
    }
    ret->lifetime_said = read_lifetime(json_object_get(root, "expires_in"), &s);
    ret->lifetime_ms = s * 1000;
    ret->token = sc_dup(text);
    ret->reason = ret->token ? SC_REASON_OK : SC_REASON_MEMORY_LIMIT;
}

static bool looks_like_a_page(struct sc_str body)
{
    size_t i = 0;
    if (body.len >= 3 && memcmp(body.ptr, "\xEF\xBB\xBF", 3) == 0)
        i = 3;
    while (i < body.len && isspace((unsigned char)body.ptr[i]))
        i++;
    return i < body.len && body.ptr[i] == '<';
}

void sc_oauth2_read(const struct sc_oauth2 *table, int status, struct sc_str body, bool cut, struct sc_oauth2_reply *ret)
{
    bool success = status >= 200 && status < 300;
    *ret = (struct sc_oauth2_reply){.reason = SC_REASON_BAD_RESPONSE};
    if (looks_like_a_page(body) && status != 429 && status < 500) { /* somebody else answers in its place */
        snprintf(ret->detail, sizeof ret->detail, "a web page came instead of a %s", table->token_member ? "session" : "token");
        return;
    }
    json_t *root = cut || !body.len ? NULL : json_loadb(body.ptr, body.len, 0, NULL);
    bool refusal_in_success = success && json_object_get(root, "error") && !json_object_get(root, member_of(table));
    if (!success || refusal_in_success)
        read_error(table, status, root, ret);
    else if (cut)
        snprintf(ret->detail, sizeof ret->detail, "the reply is over %u KiB: none to a %s is", SC_OAUTH2_BODY_MAX / 1024, sc_oauth2_call(table));
    else if (!json_is_object(root))
        snprintf(ret->detail, sizeof ret->detail, "the reply is not a JSON object");
    else
        read_token(table, root, ret);
    json_decref(root);
}
