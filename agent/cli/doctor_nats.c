/* doctor: the way to NATS, and what may be done there. Tried with requests that change nothing. */
#include "cli/doctor.h"

#include "base/clock.h"
#include "nats/reach.h"
#include "operate/expiry.h"
#include "nats/session.h"

#include <stdio.h>
#include <stdlib.h>

#define REACH_MS      3000
#define ASK_MS        3000
#define ROUND_TRIPS   10
#define SLOW_TRIP_US  100000
#define SKEW_MS       30000
#define PERCENT_NEAR  90
#define DENIED        "permission denied"

/* ---- the address ------------------------------------------------------------------------------------------------------- */

static const char *cure_of(enum sc_reach_result result)
{
    switch (result) {
    case SC_REACH_NO_NAME:
        return "Correct the name in nats.url (NATS_URL), or make it known to the name server.";
    case SC_REACH_NO_DNS:
        return "Check the nameservers in this container's resolv.conf.";
    case SC_REACH_REFUSED:
        return "Start nats-server there, or correct host and port in nats.url (NATS_URL).";
    case SC_REACH_UNREACHABLE:
    case SC_REACH_TIMEOUT:
        return "Check that the host is up, and that the network and its firewalls let this host through.";
    case SC_REACH_MUTE:
        return "The server hangs: look at its log, its disk and its load, and restart it.";
    case SC_REACH_NOT_NATS:
        return "Correct the port in nats.url (NATS_URL): it is the client port, not the one for monitoring or for clusters.";
    case SC_REACH_GOOD:
    case SC_REACH_ERROR:
        break;
    }
    return "Correct nats.url (NATS_URL).";
}

static void say_address(struct sc_doctor *d, const struct sc_reach *reach, const json_t *info)
{
    const char *version = sc_json_text(info, "version"), *name = sc_json_text(info, "server_name");
    char resolved[120] = "", size[SC_SIZE_TEXT];
    if (strcmp(reach->host, reach->address) != 0)
        snprintf(resolved, sizeof resolved, " is %s (name %lld ms)", reach->address, (long long)reach->resolve_ms);
    json_int_t payload = json_integer_value(json_object_get(info, "max_payload"));
    bool old = strncmp(version, "2.", 2) == 0 && strtol(version + 2, NULL, 10) < 9;
    bool no_headers = info && !json_is_true(json_object_get(info, "headers"));
    sc_check(d, "NATS address", old || no_headers ? SC_CHECK_BAD : SC_CHECK_OK, "Update the server: 2.9 is the least that is supported.",
             "%s:%s%s, TCP %lld ms; nats-server %s \"%.40s\", messages up to %s%s%s%s", reach->host, reach->port, resolved, (long long)reach->connect_ms, version,
             name, sc_size_text(payload > 0 ? (uint64_t)payload : 0, size), json_is_true(json_object_get(info, "tls_required")) ? ", TLS" : "",
             json_is_true(json_object_get(info, "auth_required")) ? ", wants credentials" : "",
             json_is_true(json_object_get(info, "jetstream")) ? ", JetStream" : ", JetStream is not on at this server");
}

static void say_certificate(struct sc_doctor *d, const struct sc_reach *reach)
{
    struct sc_expiry ends = {.at_ms = reach->tls.ends_ms, .what = "certificate of the server"};
    char text[SC_EXPIRY_TEXT] = "";
    int64_t now = sc_real_ms(), left = ends.at_ms == SC_TIME_NONE ? SC_EXPIRY_WARN_MS + 1 : ends.at_ms - now;
    if (!*reach->tls.version)
        return;
    if (ends.at_ms != SC_TIME_NONE)
        sc_expiry_text(&ends, now, text);
    sc_check(d, "NATS certificate", left <= 0 ? SC_CHECK_BAD : left < SC_EXPIRY_WARN_MS ? SC_CHECK_NOTICE : SC_CHECK_OK,
             "Have the server's certificate renewed.", "%s, %s, issued by %s%s%s", reach->tls.version, reach->tls.subject, reach->tls.issuer, *text ? "; " : "", text);
}

static void check_addresses(struct sc_doctor *d)
{
    const char *urls = d->cli->settings.nats_url;
    for (int i = 0; *urls && i < 8; i++) {
        struct sc_reach reach;
        struct sc_buf greeting SC_AUTO_BUF = {0};
        size_t blank = strspn(urls, ", \t"), len = strcspn(urls += blank, ", \t");
        if (!len)
            break;
        sc_reach_try(urls, len, REACH_MS, &greeting, &reach);
        urls += len;
        json_t *info = json_loadb(sc_buf_str(&greeting).ptr, greeting.len, JSON_DISABLE_EOF_CHECK, NULL);
        if (reach.result == SC_REACH_GOOD)
            say_address(d, &reach, info);
        else
            sc_check(d, "NATS address", SC_CHECK_BAD, cure_of(reach.result), "%s", reach.text);
        say_certificate(d, &reach);
        json_decref(info);
    }
}

/* ---- the connection ---------------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool check_connection(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    const struct sc_settings *s = &d->cli->settings;
    int64_t trips[ROUND_TRIPS];
    int count = 0;
    d->user = *s->nats_creds ? "the user of the credentials file" : *s->nats_user ? s->nats_user : "a user without credentials";
    d->session = sc_open_nats(d->cli, ASK_MS, &err);
    if (!d->session) {
        bool login = strstr(err.text, "authentication refused") != NULL;
        sc_check(d, "NATS connection", SC_CHECK_BAD,
                 login ? "Correct nats.user and nats.password (NATS_USER, NATS_PASSWORD), or nats.creds, for the agent and for this command; nothing else can be seen of NATS "
                         "until then. An agent that is running takes other ones with a restart; nothing is lost."
                       : "Mend this first: nothing else can be seen of NATS. Polling goes on by itself as soon as it works.",
                 "%s", err.text);
        return false;
    }
    while (count < ROUND_TRIPS && natsConnection_GetRTT(sc_session_conn(d->session), &trips[count]) == NATS_OK)
        count++;
    if (count == 0) {
        sc_check(d, "NATS connection", SC_CHECK_BAD, "The server hangs: look at its log, its disk and its load.", "connected as %s, no answer to a ping", d->user);
        return false;
    }
    qsort(trips, (size_t)count, sizeof *trips, by_size);
    int64_t us = trips[count / 2] / 1000;
    sc_check(d, "NATS connection", us > SLOW_TRIP_US ? SC_CHECK_NOTICE : SC_CHECK_OK,
             "Each record waits for its acknowledgement as long as this: a nearer server is faster.", "as %s%s; round trip %lld.%lld ms (middle of %d)", d->user,
             *s->tls_client_cert ? " with a client certificate" : "", (long long)(us / 1000), (long long)(us % 1000 / 100), count);
    return true;
}

/* ---- JetStream --------------------------------------------------------------------------------------------------------- */

static bool check_account(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_account_info a;
    char used[SC_SIZE_TEXT];
    if (sc_account_info(d->session, &a, &err)) {
        bool denied = strstr(err.text, DENIED);
        bool off = strstr(err.text, "JetStream") != NULL;
        sc_check(d, "JetStream", denied ? SC_CHECK_SKIPPED : SC_CHECK_BAD,
                 off ? "Turn JetStream on at the server (jetstream { store_dir: … }), and for this account." : "Look at the server's log, disk and load.", "%s%s",
                 denied ? "the account's limits cannot be seen: " : "", err.text);
        return denied;
    }
    bool limited = a.max_storage > 0, near = limited && a.storage / PERCENT_NEAR >= (uint64_t)a.max_storage / 100;
    if (limited)
        sc_size_pair(a.storage, (uint64_t)a.max_storage, used);
    else
        sc_size_text(a.storage, used);
    sc_check(d, "JetStream", near ? SC_CHECK_NOTICE : SC_CHECK_OK, "Raise the account's max_file (or max_storage), or free space in its streams: at the limit NATS refuses.",
             "the account's streams hold %s on disk%s, %llu streams", used, limited ? "" : " (no limit of the account)", (unsigned long long)a.streams);
    return true;
}

static void check_clock(struct sc_doctor *d)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_clock_info clock;
    char by[SC_TIME_TEXT];
    if (sc_nats_clock(d->session, SC_INTEGRATIONS, &clock, &err)) {
        sc_check(d, "clock", SC_CHECK_SKIPPED, NULL, "NATS' clock cannot be asked: %s", err.text);
        return;
    }
    int64_t off = clock.offset_ms < 0 ? -clock.offset_ms : clock.offset_ms;
    const char *side = clock.offset_ms > 0 ? "behind" : "ahead of";
    if (off <= clock.error_ms + 5)
        sc_check(d, "clock", SC_CHECK_OK, NULL, "agrees with NATS' within %lld ms", (long long)clock.error_ms + 5);
    else
        sc_check(d, "clock", off - clock.error_ms > SKEW_MS ? SC_CHECK_NOTICE : SC_CHECK_OK,
                 "Repair time synchronisation (chronyc sources -v) on whichever of the two hosts is wrong.", "%s %s NATS'", sc_duration_text(off, by), side);
}

void sc_doctor_nats(struct sc_doctor *d)
{
    check_addresses(d);
    if (!check_connection(d)) {
        d->session = sc_session_close(d->session);
        sc_check(d, "stream, buckets", SC_CHECK_SKIPPED, NULL, "not looked at: NATS cannot be asked");
        return;
    }
    if (!check_account(d)) {
        d->session = sc_session_close(d->session);
        sc_check(d, "stream, buckets", SC_CHECK_SKIPPED, NULL, "not looked at: JetStream cannot be asked");
        return;
    }
    check_clock(d);
}

/* ---- permissions ------------------------------------------------------------------------------------------------------- */

/* %s is the stream of the artifacts. What is sent with it is refused by whoever may ask, and changes nothing. */
static const struct {
    const char *api, *body, *what;
} asked[] = {
    {"STREAM.INFO.%s", "", "the stream's limits"},
    {"STREAM.MSG.GET.%s", "{\"seq\":1}", "the proof after an outage"},
    {"CONSUMER.CREATE.%s", "{}", "the read-back"},
    {"CONSUMER.MSG.NEXT.%s.signal-client-doctor", "{\"batch\":1,\"no_wait\":true}", "the read-back"},
    {"CONSUMER.DELETE.%s.signal-client-doctor", "", "the read-back"},
    {"CONSUMER.LIST.%s", "{}", "who reads the stream"},
    {"CONSUMER.CREATE.KV_INTEGRATIONS", "{}", "the watch of integrations"},
    {"CONSUMER.DELETE.KV_INTEGRATIONS.signal-client-doctor", "", "the watch of integrations"},
    {"STREAM.MSG.GET.KV_INTEGRATIONS", "{\"seq\":1}", "integrations"},
    {"STREAM.INFO.KV_CHECKPOINTS", "", "positions"},
    {"STREAM.MSG.GET.KV_CHECKPOINTS", "{\"seq\":1}", "positions"},
    {"STREAM.INFO.KV_SEEN", "", "identities"},
    {"STREAM.MSG.GET.KV_SEEN", "{\"seq\":1}", "identities"},
    {"STREAM.INFO.KV_INTEGRATION_STATUS", "", "status"},
    {"STREAM.MSG.GET.KV_INTEGRATION_STATUS", "{\"seq\":1}", "status"},
    {"STREAM.INFO.KV_INTEGRATION_LEASES", "", "the lease"},
    {"STREAM.MSG.GET.KV_INTEGRATION_LEASES", "{\"seq\":1}", "the lease"},
};

static const char *const written[] = {"$KV.CHECKPOINTS.x", "$KV.SEEN.x", "$KV.INTEGRATION_STATUS.x", "$KV.INTEGRATION_LEASES.agent"};

static void try_api(struct sc_doctor *d, struct sc_buf *denied)
{
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        char api[400];
        if (strstr(asked[i].api, "%s") && !d->stream_known)
            continue;
        const char *at = strstr(asked[i].api, "%s");
        if (at)
            snprintf(api, sizeof api, "%.*s%s%s", (int)(at - asked[i].api), asked[i].api, d->stream.name, at + 2);
        else
            snprintf(api, sizeof api, "%s", asked[i].api);
        SC_AUTO_FREE char *subject = sc_printf("%s.%s", sc_session_api(d->session), api);
        if (subject && sc_nats_may_ask(d->session, subject, asked[i].body) == 0)
            sc_buf_addf(denied, "%s%s (%s)", denied->len ? ", " : "", subject, asked[i].what);
    }
}

/* Whether records and positions may be written cannot be tried without writing; newer servers tell it. *ret_told: they did. */
static void ask_rights(struct sc_doctor *d, struct sc_buf *denied, bool *ret_told)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_buf info SC_AUTO_BUF = {0}, subject SC_AUTO_BUF = {0};
    *ret_told = sc_user_info(d->session, &info, &err) == 0 && sc_user_may(sc_buf_str(&info), d->cli->settings.nats_subject, true) >= 0;
    if (!*ret_told)
        return;
    if (sc_user_may(sc_buf_str(&info), d->cli->settings.nats_subject, true) == 0)
        sc_buf_addf(denied, "%s%s (artifacts)", denied->len ? ", " : "", d->cli->settings.nats_subject);
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        sc_buf_clear(&subject);
        if (*d->cli->settings.nats_domain)
            sc_buf_addf(&subject, "%s.", sc_session_api(d->session));
        sc_buf_add_str(&subject, written[i]);
        if (sc_user_may(sc_buf_str(&info), sc_buf_str(&subject).ptr, true) == 0)
            sc_buf_addf(denied, "%s%s", denied->len ? ", " : "", sc_buf_str(&subject).ptr);
    }
}

void sc_doctor_permissions(struct sc_doctor *d)
{
    struct sc_buf denied SC_AUTO_BUF = {0};
    bool told;
    try_api(d, &denied);
    ask_rights(d, &denied, &told);
    if (denied.len && d->agent_leads)
        sc_check(d, "permissions", SC_CHECK_SKIPPED, NULL, "as %s this command may not use %s; the agent, which does its work, has a user of its own or does not need them now",
                 d->user, sc_buf_str(&denied).ptr);
    else if (denied.len)
        sc_check(d, "permissions", SC_CHECK_BAD, "Grant them to the agent's user; docs/nats.md has the whole list as a configuration.", "%s may not use %s", d->user,
                 sc_buf_str(&denied).ptr);
    else
        sc_check(d, "permissions", SC_CHECK_OK, NULL, "%s may ask all that the agent asks%s", d->user,
                 told             ? ", and write all that it writes"
                 : d->agent_leads ? "; the agent writes"
                                  : "; whether it may write cannot be tried without writing: the agent says so with its first record");
}
