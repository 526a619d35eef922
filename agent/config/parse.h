/* Private to agent/config: the parts of reading one integration. Everything works on one struct sc_parse on one thread; a function
 * that fails has set parse->err, which names the field and never holds a credential's value. */
#pragma once

#include "config/integration.h"

#include <jansson.h>

#define SC_WHERE_MAX 160 /* "data_types.system_log.poll_interval_minutes" */

struct sc_parse {
    struct sc_integration *integration;
    const json_t *root;
    struct sc_buf warnings;
    unsigned warning_count;
    struct sc_error *err;
    struct sc_buf plain; /* names of secrets that are not sealed */
};

/* ---- parse.c: scalars and warnings -------------------------------------------------------------------------------- */

int sc_parse_no_memory(struct sc_parse *parse);
void sc_parse_warn(struct sc_parse *parse, const char *fmt, ...) SC_PRINTF(2, 3);
/* A member that is there and not null, else NULL. */
const json_t *sc_parse_member(const json_t *object, const char *name);
/* The same, which must be an object. -1 + err; *ret NULL when absent. */
int sc_parse_object(struct sc_parse *parse, const json_t *object, const char *where, const char *name, const json_t **ret);
/* Text of a string, boolean or whole number in fresh memory; NULL + err otherwise. */
char *sc_parse_text(struct sc_parse *parse, const json_t *value, const char *where);
/* Each leaves *ret as it is when the member is absent. Booleans and numbers may be given as text. */
int sc_parse_bool(struct sc_parse *parse, const json_t *object, const char *where, const char *name, bool *ret);
int sc_parse_uint(struct sc_parse *parse, const json_t *object, const char *where, const char *name, uint32_t min, uint32_t max,
                  uint32_t *ret);
/* A number, fractions allowed, times `unit`, rounded; min and max in units of *ret, `limits` says them to people. */
int sc_parse_scaled(struct sc_parse *parse, const json_t *object, const char *where, const char *name, double unit, int64_t min,
                    int64_t max, const char *limits, int64_t *ret);

/* ---- members.c ------------------------------------------------------------------------------------------------------- */

/* Warns of members that no row of the group has; `where` is the group as the operator wrote it. */
void sc_parse_unknown(struct sc_parse *parse, const json_t *object, const char *where, const char *group);

/* ---- fields.c: settings and credentials by the connector's tables -------------------------------------------------- */

int sc_parse_fields(struct sc_parse *parse);
/* base_url, origin, source and credential_key, once all fields are there. */
/* The connector finds its settings good together (sc_connector.check). */
int sc_parse_check(struct sc_parse *parse);
int sc_parse_derived(struct sc_parse *parse);

/* ---- sealed.c --------------------------------------------------------------------------------------------------------- */

/* *text, found at `where` ("credentials.api_token"), becomes what is sealed in it, and *ret_opened true; any other text stays as it is. It was
 * sealed for the field's name, or for its alias when it stands under that (alias NULL: it has none). */
int sc_parse_open(struct sc_parse *parse, const char *field, const char *alias, const char *where, char **text, bool *ret_opened);
/* A secret that was not sealed stands at `where`. */
void sc_parse_note_plain(struct sc_parse *parse, const char *where);
/* Warns of them, and keeps their names, where there is a key to seal them with. -1 + err: out of memory. */
int sc_parse_tell_plain(struct sc_parse *parse);

/* ---- sign_in.c: once all fields are there, the way that counts is complete ------------------------------------------- */

int sc_parse_sign_in(struct sc_parse *parse);

/* ---- integration_parts.c ---------------------------------------------------------------------------------------------- */

int sc_parse_data_types(struct sc_parse *parse);
int sc_parse_rate_limit(struct sc_parse *parse);
int sc_parse_tls_and_proxy(struct sc_parse *parse);
