/* Sealed values of an integration: opened where they are read. The key files are read each time, so that a key that was put there later, or
 * changed, counts without a restart; no key stays in memory. */
#include "config/parse.h"

#include "base/redact.h"

#include <stdlib.h>

static struct sc_seal_files files; /* written at the start, before the threads that read it */

void sc_integration_seal_files(struct sc_seal_files to)
{
    files = to;
}

static bool is_set(const char *path)
{
    return path && *path;
}

/* What is known of one file: its key, or why it is none. */
struct found {
    const char *path;
    struct sc_error err;
    bool good;
};

static void look(const char *path, struct sc_seal_keys *keys, struct found *ret)
{
    *ret = (struct found){.path = path, .err = SC_ERROR_INIT};
    ret->good = is_set(path) && sc_seal_file_read(path, &keys->at[keys->count], &ret->err) == 0;
    keys->count += ret->good;
}

static int fail_no_key(const struct sc_parse *parse, const char *where, const char *sealed, const struct sc_seal_keys *keys,
                       const struct found *key, const struct found *old)
{
    char id[SC_SEAL_ID_CHARS + 1];
    sc_seal_key_id(sealed, id);
    if (!is_set(key->path))
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID,
                       "%s is sealed with key %s, and seal.key_file is not set: set it to the file of that key, or put the secret again", where, id);
    const struct found *bad = !key->good ? key : is_set(old->path) && !old->good ? old : NULL;
    if (bad)
        return sc_fail(parse->err, bad->err.reason, "%s is sealed with key %s, which is not at hand: %s; bring that file, or put the secret again", where, id,
                       bad->err.text);
    return sc_fail(parse->err, SC_REASON_CONFIG_INVALID,
                   "%s is sealed with key %s; seal.key_file holds %s%s%s: set seal.old_key_file to the file of key %s, or put the secret again", where, id,
                   keys->at[0].id, keys->count > 1 ? ", seal.old_key_file " : "", keys->count > 1 ? keys->at[1].id : "", id);
}

static int fail_open(const struct sc_parse *parse, enum sc_unseal result, const char *field, const char *where, const char *sealed)
{
    char id[SC_SEAL_ID_CHARS + 1];
    sc_seal_key_id(sealed, id);
    if (result == SC_UNSEAL_REFUSED)
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID,
                       "%s does not open with key %s: it was sealed for another place than %.100s/%s, or was changed since; put the secret again", where, id,
                       parse->integration->name, field);
    if (result == SC_UNSEAL_NO_MEMORY)
        return sc_fail(parse->err, SC_REASON_MEMORY_LIMIT, "out of memory while opening %s", where);
    if (strncmp(sealed, "sealed:v1:", 10) != 0)
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s is sealed in a form that this version does not know (%.12s): put the secret again",
                       where, sealed);
    return sc_fail(parse->err, SC_REASON_CONFIG_INVALID,
                   "%s is not a whole sealed value (sealed:v1:, key id, text): copy it again from its first to its last character, or put the secret again",
                   where);
}

int sc_parse_open(struct sc_parse *parse, const char *field, const char *alias, const char *where, char **text, bool *ret_opened)
{
    struct sc_seal_keys keys = {0};
    struct found key, old;
    char *plain = NULL;
    *ret_opened = false;
    if (!sc_is_sealed(*text))
        return 0;
    look(files.key, &keys, &key);
    look(files.old, &keys, &old);
    enum sc_unseal result = sc_unseal(&keys, parse->integration->name, field, *text, &plain);
    if (result == SC_UNSEAL_REFUSED && alias)
        result = sc_unseal(&keys, parse->integration->name, alias, *text, &plain);
    if (result == SC_UNSEAL_NO_KEY)
        fail_no_key(parse, where, *text, &keys, &key, &old);
    else if (result != SC_UNSEALED)
        fail_open(parse, result, field, where, *text);
    else if (sc_is_sealed(plain))
        sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s was sealed twice: seal the secret itself", where);
    else
        *ret_opened = true;
    sc_seal_keys_clear(&keys);
    if (!*ret_opened) {
        sc_secret_free(plain);
        return -1;
    }
    free(*text);
    *text = plain;
    return 0;
}

void sc_parse_note_plain(struct sc_parse *parse, const char *where)
{
    sc_buf_addf(&parse->plain, "%s%s", parse->plain.len ? ", " : "", where);
}

int sc_parse_tell_plain(struct sc_parse *parse)
{
    if (!parse->plain.len || !is_set(files.key))
        return 0;
    parse->integration->unsealed = sc_dup_str(sc_buf_str(&parse->plain));
    sc_parse_warn(parse, "not sealed, though there is a key: %.150s; who may read the bucket reads them (`signal-client seal --rotate --unsealed`)",
                      parse->plain.ptr);
    return parse->integration->unsealed ? 0 : sc_parse_no_memory(parse);
}
