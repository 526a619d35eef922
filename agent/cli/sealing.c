/* The secrets of an integration's value, and their seals: what put, import, show, list and seal do with them. */
#include "cli/commands.h"

#include "base/redact.h"
#include "config/integration.h"
#include "config/url.h"

#include <stdlib.h>

int sc_seal_key_of(const struct sc_cli *cli, struct sc_seal_key *ret, struct sc_error *err)
{
    return *cli->settings.seal_key_file ? sc_seal_file_read(cli->settings.seal_key_file, ret, err) : 1;
}

/* ---- each secret ----------------------------------------------------------------------------------------------------- */

struct visit {
    const struct sc_connector *connector;
    int (*fn)(void *arg, const struct sc_secret_at *at, char **ret_text);
    void *arg;
};

/* A number may be a secret as well; it is text then. */
static int visit_one(const struct visit *visit, json_t *object, void *iter, struct sc_secret_at *at)
{
    const json_t *value = json_object_iter_value(iter);
    SC_AUTO_FREE char *number = json_is_integer(value) ? sc_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value)) : NULL;
    char *text = NULL;
    at->text = number ? number : json_string_value(value);
    if (!at->text || !*at->text)
        return 0;
    int rc = visit->fn(visit->arg, at, &text);
    if (text && json_object_iter_set_new(object, iter, json_string(text)))
        rc = -1;
    sc_secret_free(text);
    return rc;
}

static int visit_object(const struct visit *visit, json_t *root, const char *name)
{
    json_t *object = json_object_get(root, name);
    bool credentials = strcmp(name, "credentials") == 0;
    int rc = 0;
    for (void *iter = json_object_iter(object); iter && rc == 0; iter = json_object_iter_next(object, iter)) {
        struct sc_secret_at at = {.object = name, .member = json_object_iter_key(iter)};
        const struct sc_field *row = visit->connector ? sc_integration_field(visit->connector, at.member, NULL) : NULL;
        const char *text = json_string_value(json_object_iter_value(iter));
        at.field = row ? row->name : at.member;
        if ((row ? row->secret : credentials) || (text && sc_is_sealed(text)))
            rc = visit_one(visit, object, iter, &at);
    }
    return rc;
}

int sc_value_each_secret(json_t *root, const struct sc_connector *connector, int (*fn)(void *arg, const struct sc_secret_at *at, char **ret_text),
                         void *arg)
{
    const struct visit visit = {connector, fn, arg};
    const char *proxy = sc_json_text(root, "proxy");
    if (!json_is_object(root))
        return 0;
    if (visit_object(&visit, root, "credentials") || visit_object(&visit, root, "settings"))
        return -1;
    if (!sc_is_sealed(proxy) && !sc_url_has_secret(proxy))
        return 0;
    struct sc_secret_at at = {.object = "", .member = "proxy", .field = "proxy"};
    return visit_one(&visit, root, json_object_iter_at(root, "proxy"), &at);
}

void sc_secret_where(const struct sc_secret_at *at, struct sc_buf *out)
{
    sc_buf_addf(out, "%s%s%.64s", at->object, *at->object ? "." : "", at->member);
}

enum sc_unseal sc_secret_open(const struct sc_seal_keys *keys, const char *name, const struct sc_secret_at *at, char **ret_plain)
{
    enum sc_unseal result = sc_unseal(keys, name, at->field, at->text, ret_plain);
    if (result == SC_UNSEAL_REFUSED && strcmp(at->field, at->member) != 0)
        result = sc_unseal(keys, name, at->member, at->text, ret_plain);
    return result;
}

/* ---- sealing --------------------------------------------------------------------------------------------------------- */

struct sealing {
    const char *name;
    const struct sc_seal_key *key;
    struct sc_buf *what;
    struct sc_error *err;
};

static int seal_plain(void *arg, const struct sc_secret_at *at, char **ret_text)
{
    const struct sealing *sealing = arg;
    struct sc_buf out SC_AUTO_BUF = {0};
    if (sc_is_sealed(at->text))
        return 0;
    if (sc_seal(sealing->key, sealing->name, at->field, sc_str_of(at->text), &out, sealing->err))
        return -1;
    *ret_text = sc_buf_take(&out);
    if (!*ret_text)
        return sc_fail(sealing->err, SC_REASON_MEMORY_LIMIT, "out of memory");
    if (sealing->what->len)
        sc_buf_add_str(sealing->what, ", ");
    sc_secret_where(at, sealing->what);
    return 0;
}

int sc_value_seal(json_t *root, const struct sc_connector *connector, const char *name, const struct sc_seal_key *key, struct sc_buf *ret_what,
                  struct sc_error *err)
{
    struct sealing sealing = {name, key, ret_what, err};
    sc_buf_clear(ret_what);
    return sc_value_each_secret(root, connector, seal_plain, &sealing) ? sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory") : 0;
}

/* ---- opening, for comparing ------------------------------------------------------------------------------------------ */

struct opening {
    const char *name;
    const struct sc_seal_keys *keys;
};

static int open_sealed(void *arg, const struct sc_secret_at *at, char **ret_text)
{
    const struct opening *opening = arg;
    if (sc_is_sealed(at->text) && sc_secret_open(opening->keys, opening->name, at, ret_text) == SC_UNSEALED)
        sc_redact_add(*ret_text, strlen(*ret_text)); /* for the rest of this process */
    return 0;
}

void sc_value_open(json_t *root, const struct sc_connector *connector, const char *name, const struct sc_seal_keys *keys)
{
    struct opening opening = {name, keys};
    sc_value_each_secret(root, connector, open_sealed, &opening);
}

/* ---- telling --------------------------------------------------------------------------------------------------------- */

static int tell_one(void *arg, const struct sc_secret_at *at, char **ret_text)
{
    struct sc_sealed_facts *facts = arg;
    struct sc_buf *to = sc_is_sealed(at->text) ? &facts->sealed : &facts->plain;
    char id[SC_SEAL_ID_CHARS + 1];
    (void)ret_text;
    if (to->len)
        sc_buf_add_str(to, ", ");
    sc_secret_where(at, to);
    sc_seal_key_id(at->text, id);
    if (*id)
        sc_buf_addf(to, " (key %s)", id);
    return 0;
}

void sc_value_tell_sealed(json_t *root, const struct sc_connector *connector, struct sc_sealed_facts *ret)
{
    sc_value_each_secret(root, connector, tell_one, ret);
}

const char *sc_sealed_word(const struct sc_sealed_facts *facts)
{
    if (facts->sealed.len)
        return facts->plain.len ? "partly" : "yes";
    return facts->plain.len ? "no" : "";
}

void sc_sealed_facts_done(struct sc_sealed_facts *facts)
{
    sc_buf_done(&facts->sealed);
    sc_buf_done(&facts->plain);
}
