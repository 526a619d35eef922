/* The connection: options, what its end means, JetStream API requests. See session.h.
 *
 * nats.c calls back on a thread of its own, also after natsConnection_Destroy(). So the closure is
 * a number, looked up among the open sessions under a lock: whoever is not in the list any more is
 * not called, and close() returns only when no callback is running.
 *
 * Up to 3.6.0 its reading thread looks a subscription up and then locks it without holding it: who
 * frees one in between crashes the process. It does so itself with the one behind
 * natsConnection_Request(), at every close. So answers come over a subscription of ours, and ours
 * are freed when the reading thread is known to have passed by, or has ended. */
#include "nats/session.h"
#include "base/clock.h"
#include "nats/internal.h"
#include "nats/reach.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SYSTEM_ROOTS       "/etc/ssl/certs/ca-certificates.crt"
#define CERTIFICATE_MARK   "-----BEGIN CERTIFICATE-----"
#define PING_INTERVAL_MS   10000
#define PINGS_OUT          2
#define WRITE_DEADLINE_MS  5000
#define DEFAULT_TIMEOUT_MS 5000
#define DROP_FLUSH_MS      1000
#define CLOSE_WAIT_S       2
#define PEM_MAX            (8u * 1024 * 1024)
#define URLS_MAX           32
#define REACH_MS           1000 /* for looking why nothing could be reached */
#define ANSWER_SLICE_MS    50   /* a refusal for lack of permission is noticed within */

struct sc_session {
    natsConnection *conn;
    char api[256];
    char url[256]; /* for texts: no password */
    char domain[128];
    uint32_t timeout_ms;
    _Atomic bool is_lost;
    void (*lost)(void *arg);
    void *arg;
    natsSubscription *answers; /* to <inbox>.* */
    char inbox[96], reply[128];
    uint64_t asked;
    /* subscriptions that the reading thread may still touch */
    natsSubscription **dropped;
    size_t dropped_count;
    _Atomic uint32_t denials; /* grows with each that the server told */
    uint32_t denials_told;
    /* guarded by sessions_lock */
    char denied[256]; /* the last one, in its words */
    uintptr_t id;
    bool open;   /* connected: lost() may be told */
    bool closed; /* the library's threads of this connection have ended */
    struct sc_session *next;
};

static pthread_mutex_t sessions_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sessions_closed = PTHREAD_COND_INITIALIZER;
static struct sc_session *sessions;
static uintptr_t last_id;

/* ---- the library's callbacks -------------------------------------------------------------- */

static void tell_end(void *closure, bool closed)
{
    pthread_mutex_lock(&sessions_lock);
    for (struct sc_session *s = sessions; s; s = s->next) {
        if (s->id != (uintptr_t)closure)
            continue;
        bool first = !atomic_exchange(&s->is_lost, true);
        if (first && s->open && s->lost)
            s->lost(s->arg);
        s->closed |= closed;
        break;
    }
    pthread_cond_broadcast(&sessions_closed);
    pthread_mutex_unlock(&sessions_lock);
}

static void on_disconnected(natsConnection *conn, void *closure)
{
    (void)conn;
    tell_end(closure, false);
}

static void on_closed(natsConnection *conn, void *closure)
{
    (void)conn;
    tell_end(closure, true);
}

/* Without a handler the library prints to stderr. A permission that is missing is told in no other
 * way: the message is swallowed. */
static void on_error(natsConnection *conn, natsSubscription *sub, natsStatus status, void *closure)
{
    const char *text = NULL;
    (void)sub;
    if (status != NATS_NOT_PERMITTED)
        return;
    natsConnection_GetLastError(conn, &text);
    pthread_mutex_lock(&sessions_lock);
    for (struct sc_session *s = sessions; s; s = s->next) {
        if (s->id != (uintptr_t)closure)
            continue;
        snprintf(s->denied, sizeof s->denied, "%s", text ? text : "Permissions Violation");
        atomic_fetch_add(&s->denials, 1);
        break;
    }
    pthread_mutex_unlock(&sessions_lock);
}

static void enter(struct sc_session *session)
{
    pthread_mutex_lock(&sessions_lock);
    session->id = ++last_id;
    session->next = sessions;
    sessions = session;
    pthread_mutex_unlock(&sessions_lock);
}

static void leave(struct sc_session *session)
{
    pthread_mutex_lock(&sessions_lock);
    for (struct sc_session **at = &sessions; *at; at = &(*at)->next) {
        if (*at == session) {
            *at = session->next;
            break;
        }
    }
    pthread_mutex_unlock(&sessions_lock);
}

static bool contains(const char *text, const char *part)
{
    return text && strcasestr(text, part);
}

/* ---- options ------------------------------------------------------------------------------ */

static natsStatus set_servers(natsOptions *opts, const char *urls)
{
    SC_AUTO_FREE char *copy = sc_dup(urls);
    if (!copy)
        return NATS_NO_MEMORY;
    const char *list[URLS_MAX];
    int count = 0;
    char *save = NULL;
    for (char *url = strtok_r(copy, ", \t", &save); url && count < URLS_MAX;
         url = strtok_r(NULL, ", \t", &save))
        list[count++] = url;
    if (count == 0)
        return NATS_INVALID_ARG;
    return natsOptions_SetServers(opts, list, count);
}

static int add_file(struct sc_buf *out, const char *path, bool must, struct sc_error *err)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        if (!must && (errno == ENOENT || errno == EACCES))
            return 0;
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "NATS: cannot read %s: %s", path,
                       strerror(errno));
    }
    char chunk[16384];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) {
        if (sc_buf_add(out, chunk, got)) {
            fclose(file);
            return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "NATS: %s is too large for a CA file",
                           path);
        }
    }
    fclose(file);
    return sc_buf_add_char(out, '\n');
}

/* The library replaces its roots by what it is given, so the system's are handed over as well. */
static int set_roots(natsOptions *opts, const struct sc_nats_config *config, struct sc_error *err)
{
    SC_AUTO_BUF struct sc_buf pem = {0};
    sc_buf_init(&pem, PEM_MAX);
    if (add_file(&pem, SYSTEM_ROOTS, false, err))
        return -1;
    size_t own = pem.len;
    if (config->ca_file && add_file(&pem, config->ca_file, true, err))
        return -1;
    if (pem.len == 0)
        return 0;
    /* Behind the system's roots the library would not notice a file without certificates. */
    bool good = !config->ca_file ||
                memmem(pem.ptr + own, pem.len - own, CERTIFICATE_MARK, strlen(CERTIFICATE_MARK));
    if (!good || natsOptions_SetCATrustedCertificates(opts, pem.ptr) != NATS_OK)
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS: no certificate can be read from %s: it must be PEM text",
                       config->ca_file ? config->ca_file : SYSTEM_ROOTS);
    return 0;
}

static natsStatus set_common(natsOptions *opts, const struct sc_nats_config *config,
                             struct sc_session *session, const char *role)
{
    SC_AUTO_FREE char *name = role ? sc_printf("%s %s", config->name ? config->name : "", role)
                                   : sc_dup(config->name ? config->name : "signal-client");
    void *id = (void *)session->id;
    natsStatus s = name ? natsOptions_SetName(opts, name) : NATS_NO_MEMORY;
    if (s == NATS_OK)
        s = natsOptions_SetAllowReconnect(opts, false);
    if (s == NATS_OK)
        s = natsOptions_SetFailRequestsOnDisconnect(opts, true); /* should anybody use them */
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(opts, PING_INTERVAL_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxPingsOut(opts, PINGS_OUT);
    if (s == NATS_OK)
        s = natsOptions_SetWriteDeadline(opts, WRITE_DEADLINE_MS);
    if (s == NATS_OK)
        s = natsOptions_SetTimeout(opts, session->timeout_ms);
    if (s == NATS_OK)
        s = natsOptions_SetNoRandomize(opts, false);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(opts, on_error, id);
    if (s == NATS_OK)
        s = natsOptions_SetDisconnectedCB(opts, on_disconnected, id);
    if (s == NATS_OK)
        s = natsOptions_SetClosedCB(opts, on_closed, id);
    return s;
}

static int make_options(const struct sc_nats_config *config, struct sc_session *session,
                        const char *role, bool roots, natsOptions **ret, struct sc_error *err)
{
    natsOptions *opts = NULL;
    natsStatus s = natsOptions_Create(&opts);
    if (s == NATS_OK)
        s = set_common(opts, config, session, role);
    if (s == NATS_OK) {
        s = set_servers(opts, config->url);
        if (s != NATS_OK)
            sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "NATS URL \"%s\" is not one: %s",
                    session->url, natsStatus_GetText(s));
    }
    /* By itself the library takes a plain server behind a tls:// URL. */
    if (s == NATS_OK && contains(config->url, "tls://"))
        s = natsOptions_SetSecure(opts, true);
    if (s == NATS_OK && config->creds_file) {
        s = natsOptions_SetUserCredentialsFromFiles(opts, config->creds_file, NULL);
    } else if (s == NATS_OK && config->user) {
        s = natsOptions_SetUserInfo(opts, config->user, config->password ? config->password : "");
    }
    if (s == NATS_OK && config->client_cert) {
        s = natsOptions_LoadCertificatesChain(opts, config->client_cert,
                                              config->client_key ? config->client_key
                                                                 : config->client_cert);
        if (s != NATS_OK)
            sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                    "NATS: client certificate %s and its key cannot be used: missing, unreadable "
                    "or not a pair",
                    config->client_cert);
    }
    if (s == NATS_OK && roots && set_roots(opts, config, err))
        s = NATS_ERR;
    if (s != NATS_OK) {
        sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "NATS: %s", natsStatus_GetText(s));
        natsOptions_Destroy(opts);
        return -1;
    }
    *ret = opts;
    return 0;
}

/* ---- opening and closing ------------------------------------------------------------------ */

static bool is_auth(natsStatus s, const char *detail)
{
    return s == NATS_CONNECTION_AUTH_FAILED || contains(detail, "authorization violation") ||
           contains(detail, "authentication") || contains(detail, "credentials");
}

static bool is_tls(natsStatus s, const char *detail)
{
    return s == NATS_SSL_ERROR || s == NATS_SECURE_CONNECTION_WANTED ||
           s == NATS_SECURE_CONNECTION_REQUIRED || contains(detail, "SSL") ||
           contains(detail, "certificate") || contains(detail, "TLS");
}

/* The library begins its texts with "(file:line): ", which tells an operator nothing. */
static const char *plain(const char *detail)
{
    if (!detail || !detail[0])
        return "no detail";
    const char *end = detail[0] == '(' ? strstr(detail, "): ") : NULL;
    return end ? end + 3 : detail;
}

/* The library says the same to a wrong name, a closed port and a missing route. */
static int fail_reach(const struct sc_session *session, const struct sc_nats_config *config,
                      natsStatus s, struct sc_error *err)
{
    char why[240];
    uint32_t most = session->timeout_ms < REACH_MS ? session->timeout_ms : REACH_MS;
    bool open = sc_reach_explain(config->url, most, why, sizeof why);
    if (open && s == NATS_TIMEOUT)
        return sc_fail(
            err, SC_REASON_BROKER_STALLED,
            "NATS %s: timeout, takes connections but says nothing within %u ms: it hangs "
            "or is stopped; look at the server",
            session->url, session->timeout_ms);
    if (open)
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS %s: closed the connection; look at the server's log", session->url);
    return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                   "NATS %s: %s; check that the server runs, and nats.url", session->url, why);
}

static int fail_connect(const struct sc_session *session, const struct sc_nats_config *config,
                        natsStatus s, const char *detail, struct sc_error *err)
{
    const char *url = session->url;
    if (config->creds_file && (contains(detail, config->creds_file) || contains(detail, "seed")))
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS %s: the credentials file cannot be used: %s", url, plain(detail));
    if (is_auth(s, detail))
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS %s: authentication refused; check %s", url,
                       config->creds_file ? "the credentials file"
                       : config->user     ? "user and password"
                                          : "that the server lets us in without credentials, or "
                                            "set user and password or a credentials file");
    if (is_tls(s, detail))
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS %s: TLS failed: %s; check the CA file, the name in the server's "
                       "certificate, the client certificate, and tls:// or nats:// in the URL",
                       url, plain(detail));
    if (contains(detail, "Expected 'PONG'"))
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS %s: the server closed the connection at once; it wants a client "
                       "certificate, or another one%s",
                       url, config->client_cert ? "" : " (none is set)");
    if (s == NATS_TIMEOUT || s == NATS_NO_SERVER || contains(detail, "refused"))
        return fail_reach(session, config, s, err);
    return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "NATS %s: cannot connect: %s: %s", url,
                   natsStatus_GetText(s), plain(detail));
}

static natsStatus connect_once(struct sc_session *session, const struct sc_nats_config *config,
                               const char *role, bool roots, struct sc_error *err)
{
    natsOptions *opts = NULL;
    if (make_options(config, session, role, roots, &opts, err))
        return NATS_INVALID_ARG;
    natsStatus s = natsConnection_Connect(&session->conn, opts);
    natsOptions_Destroy(opts);
    return s;
}

static natsStatus subscribe_answers(struct sc_session *session)
{
    natsInbox *inbox = NULL;
    char subject[128];
    natsStatus s = natsInbox_Create(&inbox);
    if (s != NATS_OK)
        return s;
    snprintf(session->inbox, sizeof session->inbox, "%s", inbox);
    snprintf(subject, sizeof subject, "%s.*", inbox);
    natsInbox_Destroy(inbox);
    s = natsConnection_SubscribeSync(&session->answers, session->conn, subject);
    return s == NATS_OK ? natsSubscription_SetPendingLimits(session->answers, -1, -1) : s;
}

struct sc_session *sc_session_open(const struct sc_nats_config *config, const char *role,
                                   void (*lost)(void *arg), void *arg, struct sc_error *err)
{
    struct sc_session *session = calloc(1, sizeof *session);
    if (!session) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
        return NULL;
    }
    session->timeout_ms =
        config->request_timeout_ms ? config->request_timeout_ms : DEFAULT_TIMEOUT_MS;
    session->lost = lost;
    session->arg = arg;
    sc_url_public(config->url, session->url, sizeof session->url);
    snprintf(session->domain, sizeof session->domain, "%s", config->domain ? config->domain : "");
    if (session->domain[0])
        snprintf(session->api, sizeof session->api, "$JS.%s.API", session->domain);
    else
        snprintf(session->api, sizeof session->api, "$JS.API");
    enter(session);

    /* The system's roots cost 2 MB and 30 ms: loaded only when TLS is asked for, or was met. */
    bool roots = config->ca_file || contains(config->url, "tls://");
    natsStatus s = connect_once(session, config, role, roots, err);
    if (s == NATS_SSL_ERROR && !roots)
        s = connect_once(session, config, role, true, err);
    if (s == NATS_OK)
        s = subscribe_answers(session);
    if (s == NATS_OK) {
        pthread_mutex_lock(&sessions_lock);
        bool good = session->open = !atomic_load(&session->is_lost);
        pthread_mutex_unlock(&sessions_lock);
        if (good)
            return session;
        sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                "NATS %s: closed right after connecting; look at the server's log", session->url);
    } else {
        natsStatus last = NATS_OK;
        fail_connect(session, config, s, nats_GetLastError(&last), err);
    }
    sc_session_close(session);
    return NULL;
}

/* True when the library's threads of the connection have ended: it may be closing on one of them.
 */
static bool wait_closed(struct sc_session *session)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_WAIT_S;
    pthread_mutex_lock(&sessions_lock);
    int rc = 0;
    while (!session->closed && rc == 0)
        rc = pthread_cond_timedwait(&sessions_closed, &sessions_lock, &until);
    bool closed = session->closed;
    pthread_mutex_unlock(&sessions_lock);
    return closed;
}

static void bury(struct sc_session *session, natsSubscription *sub)
{
    size_t bytes = (session->dropped_count + 1) * sizeof(*session->dropped);
    natsSubscription **more = sub ? realloc(session->dropped, bytes) : NULL;
    if (!more)
        return;
    session->dropped = more;
    session->dropped[session->dropped_count++] = sub;
}

struct sc_session *sc_session_close(struct sc_session *session)
{
    if (!session)
        return NULL;
    pthread_mutex_lock(&sessions_lock);
    session->open = false;
    pthread_mutex_unlock(&sessions_lock);
    natsConnection_Close(session->conn);
    bury(session, session->answers);
    /* Not known to be out of use: better a leak than a crash. */
    if (session->dropped_count && wait_closed(session))
        for (size_t i = 0; i < session->dropped_count; i++)
            natsSubscription_Destroy(session->dropped[i]);
    leave(session);
    natsConnection_Destroy(session->conn);
    free(session->dropped);
    free(session);
    return NULL;
}

void sc_session_drop(struct sc_session *session, natsSubscription *sub)
{
    if (!sub)
        return;
    /* After this no message finds it any more; after the round trip the reading thread, which takes
     * everything in order, has finished with those that had. */
    natsSubscription_Unsubscribe(sub);
    if (natsConnection_FlushTimeout(session->conn, DROP_FLUSH_MS) == NATS_OK) {
        natsSubscription_Destroy(sub);
        return;
    }
    bury(session, sub);
}

void sc_session_abort(struct sc_session *session)
{
    atomic_store(&session->is_lost, true);
    natsConnection_Close(session->conn);
}

bool sc_session_alive(const struct sc_session *session)
{
    return session && !atomic_load(&session->is_lost) && !natsConnection_IsClosed(session->conn);
}

natsConnection *sc_session_conn(struct sc_session *session)
{
    return session->conn;
}

const char *sc_session_api(const struct sc_session *session)
{
    return session->api;
}

uint32_t sc_session_timeout_ms(const struct sc_session *session)
{
    return session->timeout_ms;
}

void sc_session_set_timeout(struct sc_session *session, uint32_t ms)
{
    session->timeout_ms = ms;
}

int64_t sc_session_max_payload(const struct sc_session *session)
{
    return natsConnection_GetMaxPayload(session->conn);
}

int sc_session_kv_subject(const struct sc_session *session, const char *bucket, const char *key,
                          struct sc_buf *out)
{
    if (session->domain[0])
        return sc_buf_addf(out, "%s.$KV.%s.%s", session->api, bucket, key);
    return sc_buf_addf(out, "$KV.%s.%s", bucket, key);
}

/* ---- requests ----------------------------------------------------------------------------- */

bool sc_session_denied(struct sc_session *session, char *out, size_t cap)
{
    uint32_t count = atomic_load(&session->denials);
    if (count == session->denials_told)
        return false;
    session->denials_told = count;
    pthread_mutex_lock(&sessions_lock);
    snprintf(out, cap, "%s", session->denied);
    pthread_mutex_unlock(&sessions_lock);
    return true;
}

/* Was this very subject refused since then? */
static bool was_denied(struct sc_session *session, const char *subject, uint32_t before)
{
    if (atomic_load(&session->denials) == before)
        return false;
    pthread_mutex_lock(&sessions_lock);
    const char *at = strstr(session->denied, subject);
    bool ours = at && at > session->denied && at[-1] == '"' && at[strlen(subject)] == '"';
    pthread_mutex_unlock(&sessions_lock);
    return ours;
}

int sc_session_fail(struct sc_session *session, natsStatus status, const char *what,
                    struct sc_error *err)
{
    const char *url = session->url;
    if (status == NATS_NOT_PERMITTED)
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS %s: %s: permission denied to publish there; grant it to this user "
                       "(docs/nats.md lists what is needed)",
                       url, what);
    if (status == NATS_TIMEOUT)
        return sc_fail(err, SC_REASON_BROKER_STALLED,
                       "NATS %s: %s: no answer within %u ms; the server is overloaded, frozen, or "
                       "its disk is full",
                       url, what, session->timeout_ms);
    if (status == NATS_NO_RESPONDERS)
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS %s: %s: nobody answers; JetStream is not enabled on the server or "
                       "for this account%s",
                       url, what, session->domain[0] ? ", or the domain is wrong" : "");
    if (status == NATS_MAX_PAYLOAD)
        return sc_fail(err, SC_REASON_RECORD_TOO_LARGE,
                       "NATS %s: %s: larger than the server's max_payload of %lld bytes", url, what,
                       (long long)sc_session_max_payload(session));
    if (status == NATS_CONNECTION_CLOSED || status == NATS_CONNECTION_DISCONNECTED)
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "NATS %s: %s: connection lost", url,
                       what);
    return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "NATS %s: %s: %s", url, what,
                   natsStatus_GetText(status));
}

static enum sc_reason reason_of(int err_code)
{
    switch (err_code) {
    case SC_JS_NO_STREAM:
    case 10058: /* stream name in use with another configuration */
    case 10065: /* subjects overlap with another stream */
        return SC_REASON_NO_STREAM;
    case 10023: /* insufficient resources */
    case 10047: /* insufficient storage */
    case 10077: /* maximum messages or bytes */
        return SC_REASON_STREAM_FULL;
    case 10054: /* message size exceeds maximum allowed */
        return SC_REASON_RECORD_TOO_LARGE;
    default:
        return SC_REASON_BROKER_UNAVAILABLE;
    }
}

int sc_api_error(const json_t *reply, const char *what, int *ret_code, struct sc_error *err)
{
    const json_t *error = json_object_get(reply, "error");
    if (!json_is_object(error))
        return 0;
    int code = (int)json_integer_value(json_object_get(error, "err_code"));
    const char *text = json_string_value(json_object_get(error, "description"));
    if (ret_code)
        *ret_code = code;
    return sc_fail(err, reason_of(code), "NATS: %s: %s (%d)%s", what, text ? text : "refused", code,
                   code == 10039 || code == 10076
                       ? "; enable JetStream on the server and for this account"
                       : "");
}

/* The reply's text as JSON; the message is consumed. */
static int parse_reply(natsMsg *msg, const char *what, json_t **ret, int *ret_code,
                       struct sc_error *err)
{
    json_error_t bad;
    json_t *reply =
        json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), JSON_ALLOW_NUL, &bad);
    if (!json_is_object(reply)) {
        json_decref(reply);
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE,
                       "NATS: %s: the answer is not JetStream's: %.80s", what, bad.text);
    }
    if (sc_api_error(reply, what, ret_code, err)) {
        json_decref(reply);
        return -1;
    }
    *ret = reply;
    return 0;
}

const char *sc_session_reply(struct sc_session *session)
{
    snprintf(session->reply, sizeof session->reply, "%s.%llu", session->inbox,
             (unsigned long long)++session->asked);
    return session->reply;
}

natsStatus sc_session_exchange(struct sc_session *session, natsMsg *request, natsMsg **ret)
{
    int64_t until = sc_mono_ms() + session->timeout_ms, left = session->timeout_ms;
    uint32_t denials = atomic_load(&session->denials);
    natsStatus s = natsConnection_PublishMsg(session->conn, request);
    /* Sends at once; by itself the library waits a millisecond for more. */
    if (s == NATS_OK)
        s = natsConnection_FlushTimeout(session->conn, left);
    while (s == NATS_OK && left > 0) {
        natsMsg *msg = NULL;
        s = natsSubscription_NextMsg(&msg, session->answers,
                                     left < ANSWER_SLICE_MS ? left : ANSWER_SLICE_MS);
        left = until - sc_mono_ms();
        if (s == NATS_TIMEOUT && left > 0) {
            s = NATS_OK;
            if (was_denied(session, natsMsg_GetSubject(request), denials))
                return NATS_NOT_PERMITTED;
            continue;
        }
        if (s != NATS_OK)
            return s;
        /* Answers that came too late for those who asked are passed over. */
        bool ours = strcmp(natsMsg_GetSubject(msg), session->reply) == 0;
        if (ours && !natsMsg_IsNoResponders(msg)) {
            *ret = msg;
            return NATS_OK;
        }
        natsMsg_Destroy(msg);
        if (ours)
            return NATS_NO_RESPONDERS;
    }
    return s == NATS_OK ? NATS_TIMEOUT : s;
}

static int request(struct sc_session *session, const char *subject, const char *json, natsMsg **ret,
                   struct sc_error *err)
{
    natsMsg *msg = NULL;
    natsStatus s = natsMsg_Create(&msg, subject, sc_session_reply(session), json,
                                  json ? (int)strlen(json) : 0);
    if (s == NATS_OK)
        s = sc_session_exchange(session, msg, ret);
    natsMsg_Destroy(msg);
    if (s != NATS_OK)
        return sc_session_fail(session, s, subject, err);
    return 0;
}

int sc_session_call(struct sc_session *session, const char *api, const char *json, json_t **ret,
                    int *ret_code, struct sc_error *err)
{
    if (ret_code)
        *ret_code = 0;
    SC_AUTO_FREE char *subject = sc_printf("%s.%s", session->api, api);
    if (!subject)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
    natsMsg *msg = NULL;
    if (request(session, subject, json, &msg, err))
        return -1;
    int rc = parse_reply(msg, api, ret, ret_code, err);
    natsMsg_Destroy(msg);
    return rc;
}

int sc_session_request(struct sc_session *session, const char *api_subject, const char *json,
                       struct sc_buf *ret, int *ret_code, struct sc_error *err)
{
    if (ret_code)
        *ret_code = 0;
    sc_buf_clear(ret);
    natsMsg *msg = NULL;
    if (request(session, api_subject, json, &msg, err))
        return -1;
    json_t *reply = NULL;
    int rc = parse_reply(msg, api_subject, &reply, ret_code, err);
    if (rc == 0 && sc_buf_add(ret, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)))
        rc = sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: %s: answer too large", api_subject);
    json_decref(reply);
    natsMsg_Destroy(msg);
    return rc;
}
