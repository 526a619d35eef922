/* Connecting: what an operator reads when it fails, and when lost() is told. */
#include "base/clock.h"
#include "fixture.h"

#include <stdio.h>

static void on_lost(void *arg)
{
    fx_log_add(arg, "lost");
}

static void check_refused(const struct sc_nats_config *config, const char *part, const char *why)
{
    struct sc_error err = SC_ERROR_INIT;
    struct fx_log log;
    fx_log_init(&log);
    struct sc_session *session = sc_session_open(config, "test", on_lost, &log, &err);
    if (session)
        fail_msg("%s: connected", why);
    assert_int_equal(err.reason, strcmp(part, "timeout") ? SC_REASON_BROKER_UNAVAILABLE : SC_REASON_BROKER_STALLED);
    if (!strstr(err.text, part))
        fail_msg("%s: \"%s\" does not say \"%s\"", why, err.text, part);
    assert_null(strstr(err.text, "s3cret"));
    assert_int_equal(fx_log_count(&log, 0, "lost"), 0);
}

static void test_session_texts(void **state)
{
    (void)state;
    struct natsd server;
    char url[128];
    natsd_start(&server, "authorization { user: edge, password: s3cret }\n");
    struct sc_nats_config config = fx_config(&server);

    check_refused(&config, "authentication", "no credentials");
    config.user = "edge";
    config.password = "wrong";
    check_refused(&config, "authentication refused; check user and password", "wrong password");
    check_refused(&config, server.url, "names the address");
    config.password = "s3cret";
    struct sc_error err = SC_ERROR_INIT;
    struct sc_session *session = sc_session_open(&config, "test", NULL, NULL, &err);
    assert_non_null(session);
    assert_true(sc_session_alive(session));
    assert_int_equal(sc_session_max_payload(session), 1024 * 1024);
    sc_session_close(session);

    snprintf(url, sizeof url, "nats://edge:s3cret@127.0.0.1:%d", natsd_free_port());
    config = (struct sc_nats_config){.url = url, .request_timeout_ms = 2000};
    check_refused(&config, "refused", "nobody listens");

    snprintf(url, sizeof url, "tls://edge:s3cret@127.0.0.1:%d", server.port);
    check_refused(&config, "TLS", "TLS against a plain server");

    natsd_freeze(&server);
    snprintf(url, sizeof url, "nats://edge:s3cret@127.0.0.1:%d", server.port);
    config.request_timeout_ms = 300;
    check_refused(&config, "timeout", "frozen server");
    natsd_thaw(&server);
    natsd_stop(&server);
}

static void make_certificate(const struct natsd *server, const char *extra)
{
    char command[1024];
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "
             "/CN=test %s "
             "-keyout %s/key.pem -out %s/cert.pem 2>/dev/null",
             extra, server->dir, server->dir);
    assert_int_equal(system(command), 0);
}

/* libnats reads and writes one SSL object from two threads; what TSan sees of that lies in libssl, under frames that it cannot unwind. */
static void skip_tls_under_tsan(void)
{
#ifdef __SANITIZE_THREAD__
    print_message("skipped under TSan: libnats uses libssl from two threads\n");
    skip();
#endif
}

static void test_session_tls(void **state)
{
    skip_tls_under_tsan();
    (void)state;
    struct natsd plain, server;
    char ca[128], conf[512];
    natsd_start(&plain, NULL); /* its directory holds the certificate */
    make_certificate(&plain, "-addext subjectAltName=IP:127.0.0.1");
    snprintf(ca, sizeof ca, "%s/cert.pem", plain.dir);
    snprintf(conf, sizeof conf, "tls { cert_file: \"%s\", key_file: \"%s/key.pem\" }\n", ca,
             plain.dir);
    natsd_start(&server, conf);
    struct sc_nats_config config = fx_config(&server);
    struct sc_error err = SC_ERROR_INIT;

    check_refused(&config, "TLS failed", "unknown CA");
    config.ca_file = ca;
    struct sc_session *session = sc_session_open(&config, "test", NULL, NULL, &err);
    if (!session)
        fail_msg("%s", err.text);
    sc_session_close(session);

    config.ca_file = "/nonexistent/ca.pem";
    check_refused(&config, "cannot read /nonexistent/ca.pem", "no CA file");
    char text[128];
    snprintf(text, sizeof text, "%s/nats.conf", server.dir);
    config.ca_file = text;
    check_refused(&config, "must be PEM text", "CA file without certificates");
    config.ca_file = ca;
    config.creds_file = "/nonexistent/x.creds";
    check_refused(&config, "credentials file cannot be used: error opening", "no credentials file");
    config.creds_file = NULL;
    config.client_cert = "/nonexistent/cert.pem";
    check_refused(&config, "client certificate /nonexistent/cert.pem", "no client certificate");
    natsd_stop(&server);
    natsd_stop(&plain);
}

static void test_session_mutual_tls(void **state)
{
    skip_tls_under_tsan();
    (void)state;
    struct natsd plain, server;
    char ca[128], key[128], conf[512];
    natsd_start(&plain, NULL);
    make_certificate(&plain, "-addext subjectAltName=IP:127.0.0.1");
    snprintf(ca, sizeof ca, "%s/cert.pem", plain.dir);
    snprintf(key, sizeof key, "%s/key.pem", plain.dir);
    snprintf(conf, sizeof conf,
             "tls { cert_file: \"%s\", key_file: \"%s\", ca_file: \"%s\", verify: true }\n", ca,
             key, ca);
    natsd_start(&server, conf);
    struct sc_nats_config config = fx_config(&server);
    config.ca_file = ca;
    check_refused(&config, "wants a client certificate", "none given");
    config.client_cert = ca;
    config.client_key = key;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_session *session = sc_session_open(&config, "test", NULL, NULL, &err);
    if (!session)
        fail_msg("%s", err.text);
    sc_session_close(session);
    natsd_stop(&server);
    natsd_stop(&plain);
}

static void test_session_lost_once(void **state)
{
    (void)state;
    struct natsd server;
    struct fx_log log;
    struct sc_error err = SC_ERROR_INIT;
    natsd_start(&server, NULL);
    fx_log_init(&log);
    struct sc_nats_config config = fx_config(&server);
    struct sc_session *session = sc_session_open(&config, "test", on_lost, &log, &err);
    assert_non_null(session);
    natsd_kill(&server);
    fx_log_wait(&log, "lost", WITHIN_MS);
    assert_false(sc_session_alive(session));
    struct sc_stream_info info;
    assert_int_equal(sc_stream_info(session, "X", &info, &err), -1);
    assert_int_equal(err.reason, SC_REASON_BROKER_UNAVAILABLE);
    assert_null(sc_session_close(session));
    assert_int_equal(fx_log_count(&log, 0, "lost"), 1);

    natsd_restart(&server);
    sc_error_clear(&err);
    int mark = fx_log_mark(&log);
    for (int i = 0; i < 20; i++) {
        session = sc_session_open(&config, "test", on_lost, &log, &err);
        assert_non_null(session);
        sc_session_close(session); /* our own end is not a loss */
    }
    assert_int_equal(fx_log_count(&log, mark, "lost"), 0);
    natsd_stop(&server);
}

/* What was handed over before the end is never sent by a later connection. */
static void test_session_no_resend(void **state)
{
    (void)state;
    struct natsd server;
    struct sc_error err = SC_ERROR_INIT;
    natsd_start(&server, NULL);
    struct sc_session *session = fx_open(&server);
    assert_int_equal(sc_stream_create(session, "DATA", "d.>", 1000000000, &err), 0);
    natsd_kill(&server);
    for (int64_t until = sc_mono_ms() + WITHIN_MS; sc_session_alive(session);)
        assert_true(sc_mono_ms() < until);
    assert_int_equal(natsConnection_Status(sc_session_conn(session)), NATS_CONN_STATUS_CLOSED);
    for (int i = 0; i < 50; i++)
        assert_int_not_equal(natsConnection_PublishString(sc_session_conn(session), "d.x", "late"),
                             NATS_OK);
    natsd_restart(&server);
    struct sc_session *other = fx_open(&server);
    fx_publish(other, "d.x", "new", 0, 1);
    assert_int_equal(fx_last_seq(other, "DATA"), 1);
    sc_session_close(session);
    fx_publish(other, "d.x", "new", 1, 1);
    assert_int_equal(fx_last_seq(other, "DATA"), 2);
    sc_session_close(other);
    natsd_stop(&server);
}

static void test_session_no_jetstream(void **state)
{
    (void)state;
    struct natsd server;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_stream_info info;
    natsd_start(&server, "# jetstream is off\n");
    struct sc_session *session = fx_open(&server);
    assert_int_equal(sc_stream_find(session, "a.b", &info, &err), -1);
    assert_int_equal(err.reason, SC_REASON_BROKER_UNAVAILABLE);
    assert_non_null(strstr(err.text, "JetStream is not enabled"));
    sc_session_close(session);
    natsd_stop(&server);
}

static void test_session_domain(void **state)
{
    (void)state;
    struct natsd server;
    struct sc_error err = SC_ERROR_INIT;
    natsd_start(&server, "jetstream { store_dir: \"@DIR@/store\", domain: hub }\n");
    struct sc_nats_config config = fx_config(&server);
    config.domain = "hub";
    struct sc_session *session = sc_session_open(&config, "test", NULL, NULL, &err);
    assert_non_null(session);
    assert_string_equal(sc_session_api(session), "$JS.hub.API");
    assert_int_equal(sc_kv_ensure(session, "B", 1, NULL, &err), 0);
    uint64_t rev = 0;
    assert_int_equal(sc_kv_put(session, "B", "k", "v", 1, 0, &rev, &err), 0);
    assert_int_equal(rev, 1);
    assert_int_equal(sc_kv_put(session, "B", "k", "v", 1, 0, &rev, &err), 1);
    struct sc_kv_entry entry = {0};
    assert_int_equal(sc_kv_get(session, "B", "k", &entry, &err), 0);
    assert_int_equal(entry.rev, 1);
    sc_kv_entry_done(&entry);
    sc_session_close(session);
    natsd_stop(&server);
}

static void test_session_permission(void **state)
{
    (void)state;
    struct natsd server;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_stream_info info;
    natsd_start(&server, "authorization { users: [ { user: a, password: b, "
                         "permissions: { publish: { deny: \"$JS.API.>\" } } } ] }\n");
    struct sc_nats_config config = fx_config(&server);
    config.user = "a";
    config.password = "b";
    config.request_timeout_ms = 10000;
    struct sc_session *session = sc_session_open(&config, "test", NULL, NULL, &err);
    assert_non_null(session);
    int64_t began = sc_mono_ms();
    assert_int_equal(sc_stream_find(session, "a.b", &info, &err), -1);
    if (!strcasestr(err.text, "permission denied"))
        fail_msg("%s", err.text);
    assert_true(sc_mono_ms() - began < 2500); /* at once, not after the time for an answer */
    sc_session_close(session);
    natsd_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_texts),      cmocka_unit_test(test_session_tls),
        cmocka_unit_test(test_session_mutual_tls), cmocka_unit_test(test_session_lost_once),
        cmocka_unit_test(test_session_no_resend),  cmocka_unit_test(test_session_no_jetstream),
        cmocka_unit_test(test_session_domain),     cmocka_unit_test(test_session_permission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
