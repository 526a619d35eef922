/* One integration as the operator wrote it (design 1.3), checked against its connector's tables. Immutable, counted, any thread. */
#pragma once

#include "base/buf.h"
#include "operate/expiry.h"
#include "operate/seal_file.h"
#include <signal/connector.h>

struct sc_value {
    char *name, *text; /* of a sealed one: what it holds */
    bool secret;       /* by the connector's table, or because it was sealed */
};

struct sc_integration_type { /* one per data type of the connector, same order */
    const struct sc_data_type *type;
    bool enabled;
    int64_t interval_ms;
    uint32_t lookback_s;
    int64_t start_ms; /* the first poll begins here instead of now - lookback; SC_TIME_NONE: not given */
};

struct sc_integration {
    _Atomic uint32_t refs;
    char *name;      /* KV key */
    uint64_t rev;    /* KV revision */
    const struct sc_connector *connector;
    char *title;     /* "name", else the key */
    bool enabled;
    struct sc_value *values; /* settings and credentials by name, defaults filled in */
    size_t value_count;
    struct sc_integration_type *types;
    size_t type_count;
    /* rate_limit; 0: not given */
    uint32_t rate_requests, rate_per_s;
    uint32_t reserve_percent; /* 10 */
    char *ca_file;   /* tls.ca_file, NULL */
    char *cert_file, *key_file; /* tls.cert_file and tls.key_file: a client certificate; NULL: none; key_file NULL: the key is in cert_file */
    bool tls_verify;
    char *proxy;     /* NULL: environment; "": none */
    bool allow_insecure_http;
    /* derived */
    char *base_url;  /* without trailing '/' */
    char *origin;    /* of base_url */
    char *source;    /* source key: connector + origin + tenant-like settings, or settings.source */
    char credential_key[33]; /* hash of credential fields + auth URL + TLS profile; 32 hex digits */
    char *basic;     /* "user:password", where the way of signing in is SC_AUTH_BASIC; else NULL */
    int64_t saved_ms; /* when its revision was written, by the server's clock; 0: not known */
    struct sc_expiry expiry; /* of the credential that ends first, by its own word; SC_TIME_NONE: none says */
    const char *expiry_field; /* its name, of values */
    char *unsealed;  /* "credentials.api_token, proxy": secrets that are not sealed though there is a key; NULL: none */
    char *warnings;  /* unknown members and such, one a line; NULL: none */
};

/* With which keys sealed values are opened from now on, in the whole process; the files are read whenever one is met. Before any thread that
 * parses; the paths are the caller's and must stay until the call with {NULL, NULL}. */
void sc_integration_seal_files(struct sc_seal_files files);
/* Parses and checks a value. Sealed ones are opened: what cannot be is config_invalid like any other, and the text says which key is missing. `find` gives the connector of a type. NULL + err (config_invalid; text names the field and why; no value
 * of a secret). */
struct sc_integration *sc_integration_parse(const char *name, struct sc_str json, uint64_t rev,
                                            const struct sc_connector *(*find)(void *arg, const char *type), void *arg,
                                            struct sc_error *err);
struct sc_integration *sc_integration_ref(struct sc_integration *integration);
void sc_integration_unref(struct sc_integration *integration); /* NULL is fine; forgets its secrets at the redactor with the last one */
/* Setting or credential, its default, or NULL. */
const char *sc_integration_value(const struct sc_integration *integration, const char *name);
/* The way of signing in that counts: the first of the connector's whose `when` is given (sc_auth.when), else the last. */
const struct sc_auth *sc_auth_of(const struct sc_integration *integration);
/* What the connector's ways of signing in need: "auth_token, or username and password". */
void sc_auth_describe(const struct sc_connector *connector, struct sc_buf *out);
/* A credential or setting has none of the forms that its field declares: which one, and what is expected, without the value. False: all have. */
bool sc_integration_odd_form(const struct sc_integration *integration, char *out, size_t cap);
/* "SSWS {api_token}" with {names} filled in. -1 + err: unknown name. */
int sc_integration_expand(const struct sc_integration *integration, const char *template_text, struct sc_buf *out, struct sc_error *err);

/* A member of the value beside the connector's fields; for docs. */
struct sc_member {
    const char *group; /* "", "data_types.T.", "rate_limit.", "tls." */
    const char *name;  /* NULL ends */
    const char *def;   /* what holds without it */
    const char *help;
};
const struct sc_member *sc_integration_members(void);
/* The fields that every connector has beside its own (base_url, auth_url, source, page_size, allow_insecure_http); name NULL ends. */
const struct sc_field *sc_integration_common_fields(void);
/* The row of a setting or credential, by its name or alias: the connector's, else a common one; NULL: there is none. ret_credential may be NULL. */
const struct sc_field *sc_integration_field(const struct sc_connector *connector, const char *name, bool *ret_credential);
