/* Signing in: which of a connector's ways counts, and whether what it needs is there. */
#include "config/parse.h"

#include "base/redact.h"

#define MAX_WAYS  4
#define MAX_NEEDS 16

/* ---- which way ------------------------------------------------------------------------------------------------------------ */

static bool is_given(const struct sc_integration *integration, const char *name)
{
    const char *value = sc_integration_value(integration, name);
    const struct sc_field *row = value ? sc_integration_field(integration->connector, name, NULL) : NULL;
    return row && (row->kind != SC_BOOL || strcmp(value, "true") == 0);
}

const struct sc_auth *sc_auth_of(const struct sc_integration *integration)
{
    const struct sc_auth *auth = &integration->connector->auth;
    while (auth->otherwise && auth->when && !is_given(integration, auth->when))
        auth = auth->otherwise;
    return auth;
}

/* ---- what it needs -------------------------------------------------------------------------------------------------------- */

struct needs {
    const struct sc_connector *connector;
    const struct sc_field *rows[MAX_NEEDS];
    unsigned count;
};

static bool is_common(const struct sc_field *row)
{
    for (const struct sc_field *common = sc_integration_common_fields(); common->name; common++)
        if (common == row)
            return true;
    return false;
}

/* What is no field of the connector's ({token}, {scope}, {base_url}) comes from the agent; what has a default is never missing. */
static void need(struct needs *needs, struct sc_str name)
{
    char text[64];
    if (!name.len || name.len >= sizeof text)
        return;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    const struct sc_field *row = sc_integration_field(needs->connector, text, NULL);
    for (unsigned i = 0; row && i < needs->count; i++)
        if (needs->rows[i] == row)
            return;
    if (row && !row->def && !is_common(row) && needs->count < MAX_NEEDS)
        needs->rows[needs->count++] = row;
}

static void need_all_in(struct needs *needs, const char *template_text)
{
    for (const char *at = template_text; at && (at = strchr(at, '{')) != NULL; at++)
        need(needs, (struct sc_str){at + 1, strcspn(at + 1, "}")});
}

static struct needs needs_of(const struct sc_connector *connector, const struct sc_auth *auth)
{
    struct needs needs = {.connector = connector};
    const struct sc_oauth2 *oauth2 = auth->oauth2;
    need_all_in(&needs, auth->value);
    need(&needs, sc_str_of(auth->user));
    need(&needs, sc_str_of(auth->password));
    if (!oauth2)
        return needs;
    need(&needs, sc_str_of(oauth2->client_id));
    need(&needs, sc_str_of(oauth2->client_secret));
    for (unsigned i = 0; i < SC_MAX_OAUTH2_PARAMS && oauth2->params[i].name; i++)
        need_all_in(&needs, oauth2->params[i].value);
    return needs;
}

/* "username and password"; of those that are not set alone, where an integration is given. */
static void add_names(const struct needs *needs, const struct sc_integration *integration, struct sc_buf *out)
{
    const char *names[MAX_NEEDS];
    unsigned count = 0;
    for (unsigned i = 0; i < needs->count; i++)
        if (!integration || !sc_integration_value(integration, needs->rows[i]->name))
            names[count++] = needs->rows[i]->name;
    for (unsigned i = 0; i < count; i++)
        sc_buf_addf(out, "%s%s", i == 0 ? "" : i + 1 == count ? " and " : ", ", names[i]);
}

static bool contains(const struct sc_buf *ways, unsigned count, struct sc_str text)
{
    for (unsigned i = 0; i < count; i++)
        if (sc_str_eq(sc_buf_str(&ways[i]), text))
            return true;
    return false;
}

void sc_auth_describe(const struct sc_connector *connector, struct sc_buf *out)
{
    struct sc_buf ways[MAX_WAYS] = {0};
    unsigned count = 0;
    for (const struct sc_auth *auth = &connector->auth; auth && count < MAX_WAYS; auth = auth->otherwise) {
        struct needs needs = needs_of(connector, auth);
        add_names(&needs, NULL, &ways[count]);
        if (!ways[count].len || contains(ways, count, sc_buf_str(&ways[count])))
            sc_buf_clear(&ways[count]);
        else
            count++;
    }
    for (unsigned i = 0; i < MAX_WAYS; i++) {
        if (i < count)
            sc_buf_addf(out, "%s%s", i ? ", or " : "", sc_buf_str(&ways[i]).ptr);
        sc_buf_done(&ways[i]);
    }
}

static int check_complete(struct sc_parse *parse, const struct sc_auth *auth)
{
    const struct sc_integration *to = parse->integration;
    struct needs needs = needs_of(to->connector, auth);
    struct sc_buf missing SC_AUTO_BUF = {0}, ways SC_AUTO_BUF = {0};
    add_names(&needs, to, &missing);
    if (missing.failed)
        return sc_parse_no_memory(parse);
    if (!missing.len)
        return 0;
    if (to->connector->auth.otherwise)
        sc_auth_describe(to->connector, &ways);
    else
        add_names(&needs, NULL, &ways);
    return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "cannot sign in without %s: give %s", sc_buf_str(&missing).ptr,
                   sc_buf_str(&ways).ptr);
}

/* ---- Basic ------------------------------------------------------------------------------------------------------------------ */

/* The pair is told to the redactor as well: in base64 the password alone stands at another place of the three bytes than in the header. */
static int keep_basic(struct sc_parse *parse, const struct sc_auth *auth)
{
    struct sc_integration *to = parse->integration;
    const char *user = sc_integration_value(to, auth->user), *password = sc_integration_value(to, auth->password);
    if (strchr(user, ':'))
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "credentials.%s holds a ':', which HTTP Basic cannot carry in a user name: give another user",
                       auth->user);
    char *pair = sc_printf("%s:%s", user, password);
    if (!pair || sc_redact_add(pair, strlen(pair))) {
        sc_secret_free(pair);
        return sc_parse_no_memory(parse);
    }
    to->basic = pair;
    return 0;
}

int sc_parse_sign_in(struct sc_parse *parse)
{
    const struct sc_auth *auth = sc_auth_of(parse->integration);
    if (check_complete(parse, auth))
        return -1;
    return auth->kind == SC_AUTH_BASIC ? keep_basic(parse, auth) : 0;
}
