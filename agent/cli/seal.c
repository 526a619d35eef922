/* seal: a sealed value for one field, a new key file, and the change from one key to the next for all that the bucket holds. */
#include "cli/commands.h"

#include "base/redact.h"
#include "config/integration.h"
#include "nats/session.h"

#include <stdlib.h>

#define MAX_TRIES 5

/* ---- a key file ------------------------------------------------------------------------------------------------------ */

static int new_key(const struct sc_cli *cli, const char *path)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_buf out SC_AUTO_BUF = {0};
    struct sc_seal_key key;
    int rc = sc_seal_file_make(path, &key, &err);
    explicit_bzero(key.bytes, sizeof key.bytes);
    if (rc)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    if (cli->json)
        return sc_print_json(json_pack("{s:s, s:s}", "file", path, "key", key.id));
    sc_buf_addf(&out, "%s made, with key %s: name it as seal.key_file to every agent and to whoever puts integrations\n", path, key.id);
    if (*cli->settings.seal_key_file)
        sc_buf_addf(&out, "name %s as seal.old_key_file meanwhile; then `signal-client seal --rotate`\n", cli->settings.seal_key_file);
    return sc_print(&out);
}

static int need_key(const struct sc_cli *cli, struct sc_seal_key *ret)
{
    struct sc_error err = SC_ERROR_INIT;
    int rc = sc_seal_key_of(cli, ret, &err);
    if (rc == 1)
        return sc_say(SC_EXIT_BAD, "seal.key_file is not set: set it to a key file; `signal-client seal --new-key FILE` makes one");
    return rc ? sc_say(SC_EXIT_BAD, "%s", err.text) : SC_EXIT_GOOD;
}

/* ---- one value ------------------------------------------------------------------------------------------------------- */

/* A value that is bound to a misspelt field would open nowhere. */
static bool is_known_field(const struct sc_plugins *plugins, const char *name)
{
    bool credential;
    for (size_t i = 0; i < sc_plugins_count(plugins); i++) {
        const struct sc_field *row = sc_integration_field(sc_plugins_at(plugins, i)->connector, name, &credential);
        if (row && (credential || row->secret))
            return true;
    }
    return strcmp(name, "proxy") == 0;
}

/* From standard input the whole text, since keys have several lines, without the last line's end. */
static char *read_secret(const char *field, struct sc_error *err)
{
    struct sc_buf text = {0};
    if (sc_can_ask())
        return sc_read_secret(field, err);
    int rc = sc_read_input("-", SC_SEAL_MAX_BYTES + 2, &text, err);
    if (rc == 0 && text.len && text.ptr[text.len - 1] == '\n')
        text.len--;
    if (rc == 0 && text.len && text.ptr[text.len - 1] == '\r')
        text.len--;
    if (rc == 0 && !text.len)
        rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "standard input is empty: give the secret there, or call this on a terminal");
    if (rc == 0 && memchr(text.ptr, '\0', text.len))
        rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "the secret has a zero byte: that is not what is meant");
    char *secret = rc ? NULL : sc_dup_str(sc_buf_str(&text));
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    sc_buf_done(&text);
    if (rc == 0 && !secret)
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    return secret;
}

static int seal_one(const struct sc_cli *cli, const char *name, const char *field)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_buf out SC_AUTO_BUF = {0};
    struct sc_seal_key key;
    if (!sc_key_legal(name))
        return sc_usage_error(cli, "\"%.64s\" cannot be a name: use letters, digits and - _ / = . (no dot at the ends, none doubled)", name);
    if (!is_known_field(cli->plugins, field))
        return sc_usage_error(cli, "no connector has a secret \"%.64s\": `signal-client connectors show TYPE` lists them; proxy is one, too", field);
    if (need_key(cli, &key))
        return SC_EXIT_BAD;
    char *secret = read_secret(field, &err);
    int rc = secret ? sc_seal(&key, name, field, sc_str_of(secret), &out, &err) : -1;
    explicit_bzero(key.bytes, sizeof key.bytes);
    sc_secret_free(secret);
    if (rc)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    if (cli->json)
        return sc_print_json(json_pack("{s:s, s:s, s:s, s:s}", "name", name, "field", field, "key", key.id, "sealed", sc_buf_str(&out).ptr));
    sc_buf_add_char(&out, '\n');
    return sc_print(&out);
}

/* ---- all of them ----------------------------------------------------------------------------------------------------- */

struct rotation {
    struct sc_cli *cli;
    struct sc_session *session;
    struct sc_seal_keys keys; /* the first is the new one */
    bool unsealed;            /* seal what is plain, too */
    char **names;
    size_t name_count, name_cap;
    struct sc_buf out;
    json_t *done;
    size_t bad;
    /* of the integration at hand */
    const char *name;
    struct sc_error err;
    unsigned anew, plain;
};

static int keep_name(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    struct rotation *r = arg;
    (void)rev, (void)value;
    if (r->name_count == r->name_cap) {
        size_t cap = 2 * r->name_cap + 64;
        char **grown = realloc(r->names, cap * sizeof *grown);
        if (!grown)
            return -1;
        r->names = grown;
        r->name_cap = cap;
    }
    r->names[r->name_count] = sc_dup(key);
    return r->names[r->name_count++] ? 0 : -1;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int fail_open(struct rotation *r, const struct sc_secret_at *at, enum sc_unseal result)
{
    struct sc_buf where SC_AUTO_BUF = {0};
    char id[SC_SEAL_ID_CHARS + 1];
    sc_secret_where(at, &where);
    sc_seal_key_id(at->text, id);
    if (result == SC_UNSEAL_NO_KEY)
        return sc_fail(&r->err, SC_REASON_CONFIG_INVALID,
                       "%s is sealed with key %s, which is not at hand: set seal.old_key_file to its file, or put the secret again",
                       sc_buf_str(&where).ptr, id);
    if (result == SC_UNSEAL_NO_MEMORY)
        return sc_fail(&r->err, SC_REASON_MEMORY_LIMIT, "out of memory");
    return sc_fail(&r->err, SC_REASON_CONFIG_INVALID, "%s does not open: it was sealed for another place, or was changed since; put the secret again",
                   sc_buf_str(&where).ptr);
}

static int rotate_one(void *arg, const struct sc_secret_at *at, char **ret_text)
{
    struct rotation *r = arg;
    struct sc_buf out SC_AUTO_BUF = {0};
    char id[SC_SEAL_ID_CHARS + 1], *opened = NULL;
    bool sealed = sc_is_sealed(at->text);
    sc_seal_key_id(at->text, id);
    r->plain += !sealed && !r->unsealed;
    if ((!sealed && !r->unsealed) || strcmp(id, r->keys.at[0].id) == 0)
        return 0;
    enum sc_unseal result = sealed ? sc_secret_open(&r->keys, r->name, at, &opened) : SC_UNSEALED;
    if (result != SC_UNSEALED)
        return fail_open(r, at, result);
    int rc = sc_seal(&r->keys.at[0], r->name, at->field, sc_str_of(sealed ? opened : at->text), &out, &r->err);
    sc_secret_free(opened);
    *ret_text = rc ? NULL : sc_buf_take(&out);
    r->anew += *ret_text != NULL;
    return *ret_text ? 0 : sc_fail(&r->err, SC_REASON_MEMORY_LIMIT, "out of memory");
}

/* 0 done (*ret_rev 0: nothing to do); 1 changed meanwhile; -1 + r->err. */
static int try_rotate(struct rotation *r, uint64_t *ret_rev)
{
    struct sc_kv_entry entry = {0};
    int rc = sc_get_integration(r->session, r->name, &entry, &r->err) ? -1 : 0;
    json_t *root = rc ? NULL : json_loadb(sc_buf_str(&entry.value).ptr, entry.value.len, JSON_REJECT_DUPLICATES, NULL);
    r->anew = r->plain = 0;
    *ret_rev = 0;
    if (rc == 0 && !json_is_object(root))
        rc = sc_fail(&r->err, SC_REASON_CONFIG_INVALID, "the value is no JSON object: put it again");
    if (rc == 0 && sc_value_each_secret(root, sc_plugins_find(r->cli->plugins, sc_json_text(root, "integration_type")), rotate_one, r))
        rc = sc_fail(&r->err, SC_REASON_MEMORY_LIMIT, "out of memory");
    char *text = rc == 0 && r->anew ? sc_value_dump(root) : NULL;
    if (text)
        rc = sc_put_integration(r->session, r->name, sc_str_of(text), entry.rev, ret_rev, &r->err);
    else if (rc == 0 && r->anew)
        rc = sc_fail(&r->err, SC_REASON_MEMORY_LIMIT, "out of memory");
    sc_secret_free(text);
    json_decref(root);
    if (entry.value.ptr)
        explicit_bzero(entry.value.ptr, entry.value.len);
    sc_kv_entry_done(&entry);
    return rc;
}

static void note(struct rotation *r, const char *result, uint64_t rev)
{
    json_array_append_new(r->done, json_pack("{s:s, s:s, s:i, s:i, s:I}", "name", r->name, "result", result, "sealed_anew", (int)r->anew,
                                             "not_sealed", (int)r->plain, "revision", (json_int_t)rev));
    sc_buf_addf(&r->out, "%s: %s", r->name, result);
    if (rev)
        sc_buf_addf(&r->out, " (revision %llu)", (unsigned long long)rev);
    if (r->plain)
        sc_buf_addf(&r->out, "; %u not sealed at all: --unsealed seals them", r->plain);
    sc_buf_add_char(&r->out, '\n');
}

static void rotate_integration(struct rotation *r, const char *name)
{
    uint64_t rev = 0;
    int rc = 1;
    r->name = name;
    r->err = (struct sc_error)SC_ERROR_INIT;
    for (int tries = 0; rc == 1 && tries < MAX_TRIES; tries++)
        rc = try_rotate(r, &rev);
    if (rc == 1)
        sc_fail(&r->err, SC_REASON_CONFIG_INVALID, "somebody else keeps changing it and nothing was written: try again");
    if (rc) {
        r->bad++;
        r->anew = 0;
        note(r, r->err.text, 0);
        return;
    }
    SC_AUTO_FREE char *what = sc_printf("%u sealed with key %s", r->anew, r->keys.at[0].id);
    note(r, r->anew && what ? what : "as it was", rev);
}

static int rotate_all(struct rotation *r)
{
    struct sc_error err = SC_ERROR_INIT;
    r->session = sc_open_bucket(r->cli, false, &err);
    if (!r->session)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    int rc = sc_kv_each(r->session, SC_INTEGRATIONS, keep_name, r, &err);
    if (rc == 0 && r->name_count)
        qsort(r->names, r->name_count, sizeof *r->names, by_text);
    for (size_t i = 0; rc == 0 && i < r->name_count; i++)
        rotate_integration(r, r->names[i]);
    sc_session_close(r->session);
    if (rc)
        return sc_say(SC_EXIT_BAD, "%s", *err.text ? err.text : "out of memory");
    rc = r->cli->json ? sc_print_json(json_incref(r->done)) : sc_print(&r->out);
    if (r->bad)
        return sc_say(SC_EXIT_BAD, "%zu of %zu could not be sealed anew: keep the old key file until they are", r->bad, r->name_count);
    if (r->keys.count > 1)
        sc_say(0, "nothing in the bucket needs key %s any more: once each agent has the new one, seal.old_key_file can go", r->keys.at[1].id);
    return rc;
}

static int rotate(struct sc_cli *cli, bool unsealed)
{
    struct rotation r = {.cli = cli, .unsealed = unsealed, .err = SC_ERROR_INIT};
    struct sc_error err = SC_ERROR_INIT;
    int rc = need_key(cli, &r.keys.at[0]);
    if (rc != SC_EXIT_GOOD)
        return rc;
    r.keys.count = 1;
    if (*cli->settings.seal_old_key_file && sc_seal_file_read(cli->settings.seal_old_key_file, &r.keys.at[1], &err)) {
        sc_seal_keys_clear(&r.keys);
        return sc_say(SC_EXIT_BAD, "%s; nothing was written", err.text);
    }
    r.keys.count += *cli->settings.seal_old_key_file != '\0';
    r.done = json_array();
    rc = rotate_all(&r);
    sc_seal_keys_clear(&r.keys);
    for (size_t i = 0; i < r.name_count; i++)
        free(r.names[i]);
    free(r.names);
    sc_buf_done(&r.out);
    json_decref(r.done);
    return rc;
}

int sc_command_seal(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    const char *file = sc_args_get(&args, "new-key");
    bool all = sc_args_get(&args, "rotate"), unsealed = sc_args_get(&args, "unsealed");
    if ((file != NULL) + all + (args.word_count > 0) > 1)
        return sc_usage_error(cli, "give one of NAME FIELD, --new-key and --rotate");
    if (unsealed && !all)
        return sc_usage_error(cli, "--unsealed belongs to --rotate");
    if (file)
        return new_key(cli, file);
    if (all)
        return rotate(cli, unsealed);
    if (args.word_count != 2)
        return sc_usage_error(cli, "say what is sealed: NAME of the integration and FIELD, such as okta-prod api_token");
    return seal_one(cli, args.words[0], args.words[1]);
}
