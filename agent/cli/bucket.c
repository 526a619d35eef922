/* The buckets INTEGRATIONS and INTEGRATION_STATUS as the commands see them. Every write is a compare-and-set. */
#include "cli/commands.h"

#include "config/url.h"
#include "nats/session.h"

#define HISTORY    5

static const char *or_null(const char *text)
{
    return text && *text ? text : NULL;
}

char *sc_nats_of(const struct sc_cli *cli, uint32_t timeout_ms, struct sc_nats_config *ret)
{
    const struct sc_settings *s = &cli->settings;
    char *name = sc_printf("signal-client %s command", s->appliance_id);
    *ret = (struct sc_nats_config){
        .url = s->nats_url,
        .creds_file = or_null(s->nats_creds),
        .user = or_null(s->nats_user),
        .password = or_null(s->nats_password),
        .ca_file = or_null(s->tls_ca_file),
        .client_cert = or_null(s->tls_client_cert),
        .client_key = or_null(s->tls_client_key),
        .domain = or_null(s->nats_domain),
        .name = name,
        .request_timeout_ms = timeout_ms,
    };
    return name;
}

struct sc_session *sc_open_nats(const struct sc_cli *cli, uint32_t timeout_ms, struct sc_error *err)
{
    struct sc_nats_config config;
    SC_AUTO_FREE char *name = sc_nats_of(cli, timeout_ms, &config);
    return sc_session_open(&config, "command", NULL, NULL, err);
}

static int need_bucket(const struct sc_cli *cli, struct sc_session *session, bool make, struct sc_error *err)
{
    struct sc_stream_info info;
    struct sc_buf url SC_AUTO_BUF = {0};
    int rc = sc_kv_info(session, SC_INTEGRATIONS, &info, err);
    if (rc == 1 && make && cli->settings.nats_create)
        rc = sc_kv_ensure(session, SC_INTEGRATIONS, HISTORY, NULL, err);
    if (rc != 1)
        return rc;
    sc_url_mask(cli->settings.nats_url, &url);
    return sc_fail(err, SC_REASON_NO_STREAM,
                   "there is no bucket " SC_INTEGRATIONS " at %s%s: make it (`nats kv add " SC_INTEGRATIONS
                   " --history=5`), or let the first `integrations put` make it with nats.create = true (NATS_CREATE=true)",
                   sc_buf_str(&url).ptr, *cli->settings.nats_domain ? " in this domain" : "");
}

struct sc_session *sc_open_bucket(const struct sc_cli *cli, bool make, struct sc_error *err)
{
    struct sc_session *session = sc_open_nats(cli, SC_TIMEOUT_MS, err);
    if (session && need_bucket(cli, session, make, err))
        session = sc_session_close(session);
    return session;
}

int sc_get_integration(struct sc_session *session, const char *name, struct sc_kv_entry *ret, struct sc_error *err)
{
    if (!sc_key_legal(name))
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "\"%.64s\" cannot be a name: use letters, digits and - _ / = . (no dot at the ends, none doubled)", name);
    int rc = sc_kv_get(session, SC_INTEGRATIONS, name, ret, err);
    if (rc < 0)
        return -1;
    if (rc == 0 && !ret->deleted)
        return 0;
    if (rc == 1)
        ret->rev = SC_KV_REV_ABSENT;
    sc_fail(err, SC_REASON_NOT_FOUND, "there is no integration %s: `signal-client integrations list` shows what there is", name);
    return 1;
}

/* Buckets keep earlier values as far as their history reaches; the revision is the sequence of its message. */
int sc_get_revision(struct sc_session *session, const char *name, uint64_t rev, struct sc_kv_entry *ret, struct sc_error *err)
{
    struct sc_stored_msg msg = {0};
    char subject[600], mark[32];
    snprintf(subject, sizeof subject, "$KV." SC_INTEGRATIONS ".%s", name);
    int rc = sc_stream_get(session, "KV_" SC_INTEGRATIONS, rev, NULL, &msg, err);
    if (rc == 0 && strcmp(sc_buf_str(&msg.subject).ptr, subject) == 0) {
        ret->rev = msg.seq;
        ret->deleted = sc_stored_header(sc_buf_str(&msg.headers), "KV-Operation", mark, sizeof mark);
        ret->value = msg.data;
        msg.data = (struct sc_buf){0};
        snprintf(ret->created, sizeof ret->created, "%s", msg.time);
        if (ret->deleted)
            rc = sc_fail(err, SC_REASON_NOT_FOUND, "revision %llu is where %s was removed", (unsigned long long)rev, name);
    } else if (rc >= 0) {
        rc = sc_fail(err, SC_REASON_NOT_FOUND, "revision %llu of %s is not kept any more, or never was: the bucket keeps as many as its history says", (unsigned long long)rev,
                     name);
    }
    sc_stored_msg_done(&msg);
    return rc;
}

int sc_put_integration(struct sc_session *session, const char *name, struct sc_str value, uint64_t expected_rev, uint64_t *ret_rev,
                       struct sc_error *err)
{
    struct sc_error why = SC_ERROR_INIT;
    int rc = sc_kv_put(session, SC_INTEGRATIONS, name, value.ptr, value.len, expected_rev, ret_rev, &why);
    if (rc >= 0)
        return rc;
    struct sc_kv_entry now = {0}; /* the write may have succeeded and its answer been lost */
    struct sc_error unread = SC_ERROR_INIT;
    bool mine = sc_kv_get(session, SC_INTEGRATIONS, name, &now, &unread) == 0 && !now.deleted && now.rev > expected_rev &&
                sc_str_eq(sc_buf_str(&now.value), value);
    *ret_rev = mine ? now.rev : *ret_rev;
    sc_kv_entry_done(&now);
    return mine ? 0 : sc_fail(err, why.reason, "%s", why.text);
}

json_t *sc_get_status(struct sc_session *session, const char *name)
{
    struct sc_kv_entry entry = {0};
    struct sc_error unread = SC_ERROR_INIT;
    json_t *status = NULL;
    if (sc_kv_get(session, SC_INTEGRATION_STATUS, name, &entry, &unread) == 0 && !entry.deleted)
        status = json_loadb(sc_buf_str(&entry.value).ptr, entry.value.len, 0, NULL);
    sc_kv_entry_done(&entry);
    return status;
}

static int keep_status(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    (void)rev;
    json_t *status = json_loadb(value.ptr ? value.ptr : "", value.len, 0, NULL);
    if (status)
        json_object_set_new(arg, key, status);
    return 0;
}

json_t *sc_get_statuses(struct sc_session *session)
{
    struct sc_stream_info info;
    struct sc_error unread = SC_ERROR_INIT;
    json_t *all = json_object();
    if (all && sc_kv_info(session, SC_INTEGRATION_STATUS, &info, &unread) == 0 &&
        sc_kv_each(session, SC_INTEGRATION_STATUS, keep_status, all, &unread))
        sc_say(0, "warning: what the integrations are doing cannot be read: %s", unread.text);
    return all;
}

const char *sc_json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

const struct sc_connector *sc_find_connector(void *arg, const char *type)
{
    return sc_plugins_find(arg, type);
}
