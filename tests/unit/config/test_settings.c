/* Values: which place wins, what each key takes, what is hidden. */
#include "fixture.h"

#include "base/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "check.h"

struct want {
    const char *key, *value, *origin, *source;
};

struct seen {
    const char *key;
    char *value, *origin, *source;
    int rows;
};

static void look(void *arg, const char *key, const char *value, enum sc_setting_origin origin, const char *source, const char *help,
                 const char *def)
{
    struct seen *seen = arg;
    seen->rows++;
    CHECK_TRUE(key, *help && def);
    if (strcmp(key, seen->key) != 0)
        return;
    seen->value = sc_dup(value);
    seen->origin = sc_dup(sc_setting_origin_name(origin));
    seen->source = sc_dup(source);
}

static void check_row(const struct sc_settings *settings, const struct want *want)
{
    struct seen seen = {.key = want->key};
    sc_settings_each(settings, look, &seen);
    CHECK_TEXT(want->key, seen.value, want->value);
    CHECK_TEXT(want->key, seen.origin, want->origin);
    CHECK_TRUE(want->source, seen.source && strstr(seen.source, want->source));
    free(seen.value);
    free(seen.origin);
    free(seen.source);
}

static void load(struct sc_settings *settings, const struct sc_option *options, size_t count)
{
    struct sc_error err = SC_ERROR_INIT;
    CHECK_INT(err.text, sc_settings_load(settings, "signal-client", options, count, &err), 0);
}

static void test_settings_defaults(void **state)
{
    (void)state;
    struct sc_settings s;
    fixture_clean_environment();
    load(&s, NULL, 0);
    CHECK_TEXT("appliance", s.appliance_id, "local");
    CHECK_TEXT("url", s.nats_url, "nats://127.0.0.1:4222");
    CHECK_TEXT("subject", s.nats_subject, "local.data.artifacts.raw");
    CHECK_TEXT("agent", s.user_agent, "signal-client/" SIGNAL_VERSION);
    CHECK_INT("body", s.http_max_body_bytes, INT64_C(1) << 30);
    CHECK_INT("record", s.http_max_record_bytes, 8 << 20);
    CHECK_INT("polls", s.poll_max_concurrent, 256);
    CHECK_INT("pages", s.poll_max_pages, 100000);
    CHECK_INT("time", s.poll_max_time_s, 21600);
    CHECK_INT("identities", s.poll_max_identities, 1048576);
    CHECK_INT("connect", s.http_connect_timeout_s, 20);
    CHECK_INT("first byte", s.http_first_byte_timeout_s, 120);
    CHECK_INT("stall", s.http_stall_timeout_s, 60);
    CHECK_INT("lease", s.lease_renew_ms + s.lease_valid_ms + s.lease_take_after_ms, 5000 + 10000 + 15000);
    CHECK_TRUE("not offline, makes nothing", !s.offline_mode && !s.nats_create);
    CHECK_TEXT("mode", s.artifact_mode, "binary");
    CHECK_TEXT("nobody listens", s.admin_listen, "");
    CHECK_TRUE("run.dir is one of two", strcmp(s.run_dir, "/run/signal-client") == 0 || strcmp(s.run_dir, "/data") == 0);
    SC_AUTO_FREE char *below = sc_printf("%s/dead-letters", s.run_dir);
    CHECK_TEXT("dead letters", s.dead_letter_dir, access("/data", W_OK | X_OK) == 0 ? "/data/dead-letters" : below);
    CHECK_TRUE("connectors beside bin", strstr(s.connectors_path, "connectors") != NULL);
    const struct want want = {"nats.url", "nats://127.0.0.1:4222", "default", ""};
    check_row(&s, &want);
    sc_settings_done(&s);
    sc_settings_done(&s); /* harmless */
    fixture_done();
}

static void test_settings_precedence(void **state)
{
    (void)state;
    struct sc_settings s;
    fixture_clean_environment();
    setenv("SIGNAL_CLIENT_CONFIG",
           fixture_file("a.conf", "appliance_id = \"file\";\nnats = { url = \"nats://file:1\"; create = true;\n  stall_s = 40; };\n"
                                  "log : { level : \"warn\" }\nlease = { renew_ms = 100L; };"),
           1);
    setenv("WF_NODE_CONFIG_FILE",
           fixture_file("n.json",
                        "{ \"appliance_id\": \"node\", \"org_id\": 77,\n \"broker_client_port\": \"4333\",\n \"offline_mode\": true,"
                        " \"HTTPS_PROXY\": \"http://upper:1\", \"https_proxy\": \"http://lower:1\","
                        " \"ca_path\": \"/ca\", \"client_cert_path\": \"/cert\", \"client_key_path\": \"/key\","
                        " \"somebody\": {\"else\": [1]}, \"no_proxy\": null }"),
           1);
    setenv("LOG_LEVEL", "error", 1);
    setenv("NATS_CREATE", "0", 1);
    setenv("NATS_DOMAIN", "", 1);
    setenv("HTTP_PROXY", "http://upper:2", 1);
    setenv("http_proxy", "http://lower:2", 1);
    const struct sc_option options[] = {{"nats.stall_s", "50"}, {"log.level", "debug"}, {"nats.stall_s", "60"}};
    load(&s, options, ROWS(options));
    const struct want wants[] = {
        {"appliance_id", "node", "node file", "n.json:1 (appliance_id)"},
        {"org_id", "77", "node file", "n.json:1 (org_id)"},
        {"broker_client_port", "4333", "node file", "n.json:2 (broker_client_port)"},
        {"offline_mode", "true", "node file", "n.json:3 (offline_mode)"},
        {"nats.url", "nats://file:1", "settings file", "a.conf:2"},
        {"nats.create", "0", "environment", "environment NATS_CREATE"},
        {"nats.stall_s", "60", "command line", "option --nats.stall_s"},
        {"nats.domain", "", "default", ""},
        {"nats.subject", "node.data.artifacts.raw", "default", ""},
        {"log.level", "debug", "command line", "option --log.level"},
        {"lease.renew_ms", "100", "settings file", "a.conf:5"},
        {"http.https_proxy", "http://lower:1", "node file", "(https_proxy)"},
        {"http.http_proxy", "http://lower:2", "environment", "environment http_proxy"},
        {"tls.ca_file", "/ca", "node file", "(ca_path)"},
        {"tls.client_cert", "/cert", "node file", "(client_cert_path)"},
        {"tls.client_key", "/key", "node file", "(client_key_path)"},
    };
    for (size_t i = 0; i < ROWS(wants); i++)
        check_row(&s, &wants[i]);
    CHECK_TRUE("the struct says the same", s.offline_mode && !s.nats_create);
    CHECK_INT("the struct says the same", s.nats_stall_s, 60);
    CHECK_TRUE("files that were read", strstr(s.config_file, "a.conf") && strstr(s.node_file, "n.json"));
    sc_settings_done(&s);
    fixture_done();
}

static void test_settings_port_and_subject(void **state)
{
    (void)state;
    struct sc_settings s;
    fixture_clean_environment();
    setenv("WF_NODE_CONFIG_FILE", fixture_file("n.json", "{\"broker_client_port\": 4223}"), 1);
    setenv("APPLIANCE_ID", "edge-1", 1);
    const struct sc_option options[] = {{"nats.subject", "x.{appliance_id}.y"}, {"connectors.path", "/a:/b"}, {"run.dir", "/r"}};
    load(&s, options, ROWS(options));
    CHECK_TEXT("the port is part of the default", s.nats_url, "nats://127.0.0.1:4223");
    CHECK_TEXT("the appliance is filled in", s.nats_subject, "x.edge-1.y");
    CHECK_TEXT("as it is", s.connectors_path, "/a:/b");
    CHECK_TRUE("below run.dir", access("/data", W_OK) == 0 || strcmp(s.dead_letter_dir, "/r/dead-letters") == 0);
    sc_settings_done(&s);
    setenv("NATS_URL", "nats://far:1", 1);
    setenv("SIGNAL_CLIENT_CONNECTORS", "/c", 1);
    load(&s, NULL, 0);
    CHECK_TEXT("the port is for the default alone", s.nats_url, "nats://far:1");
    CHECK_TEXT("connectors from the environment", s.connectors_path, "/c");
    sc_settings_done(&s);
    fixture_done();
}

static void test_settings_secrets(void **state)
{
    (void)state;
    struct sc_settings s;
    char text[256] = "hunter22 and s3cr3tpw and p@ssword and tok-tok-tok";
    fixture_clean_environment();
    setenv("NATS_USER", "u", 1);
    setenv("NATS_PASSWORD", "hunter22", 1);
    setenv("HTTPS_PROXY", "http://u:p%40ssword@proxy:1", 1);
    setenv("NATS_URL", "nats://tok-tok-tok@a:1,nats://u:s3cr3tpw@b:2", 1);
    load(&s, NULL, 0);
    const struct want wants[] = {
        {"nats.password", "[set]", "environment", "NATS_PASSWORD"},
        {"nats.url", "nats://[set]@a:1,nats://[set]@b:2", "environment", "NATS_URL"},
        {"http.https_proxy", "http://[set]@proxy:1", "environment", "HTTPS_PROXY"},
        {"http.http_proxy", "", "default", ""},
    };
    for (size_t i = 0; i < ROWS(wants); i++)
        check_row(&s, &wants[i]);
    CHECK_TEXT("the struct has the value", s.nats_password, "hunter22");
    sc_redact(text, strlen(text), sizeof text);
    CHECK_TEXT("the redactor knows them", text, "[redacted] and [redacted] and [redacted] and [redacted]");
    sc_settings_done(&s);
    char again[256] = "hunter22 s3cr3tpw";
    sc_redact(again, strlen(again), sizeof again);
    CHECK_TEXT("and forgets them", again, "hunter22 s3cr3tpw");
    fixture_done();
}

static void test_settings_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *want;
    } rows[] = {
        {"io.threads", "0", "option --io.threads: io.threads is \"0\": give a whole number from 1 to 64"},
        {"io.threads", "2.5", "option --io.threads: io.threads is \"2.5\": give a whole number from 1 to 64"},
        {"http.max_body_bytes", "17179869185",
         "option --http.max_body_bytes: http.max_body_bytes is \"17179869185\": give a whole number from "
         "1048576 to 17179869184"},
        {"nats.create", "maybe", "option --nats.create: nats.create is not usable: give true or false"},
        {"log.level", "loud", "option --log.level: log.level is \"loud\": give one of: debug info warn error"},
        {"log.level", "info warn", "option --log.level: log.level is \"info warn\": give one of: debug info warn error"},
        {"log.format", "xml", "option --log.format: log.format is \"xml\": give one of: text json"},
        {"artifact.mode", "batch", "option --artifact.mode: artifact.mode is \"batch\": give one of: binary"},
        {"appliance_id", "a.b", "option --appliance_id: appliance_id is not usable: give one token without '.', '*', '>' and blanks"},
        {"appliance_id", "a b", "option --appliance_id: appliance_id is not usable: give one token without '.', '*', '>' and blanks"},
        {"nats.subject", "a.*.b", "option --nats.subject: nats.subject is not usable: give a NATS subject without wildcards and blanks"},
        {"nats.subject", "a..b", "option --nats.subject: nats.subject is not usable: give a NATS subject without wildcards and blanks"},
        {"nats.subject", "a.b.", "option --nats.subject: nats.subject is not usable: give a NATS subject without wildcards and blanks"},
        {"nats.url", "http://x",
         "option --nats.url: nats.url is not usable: give nats://host:port or tls://host:port, several comma-separated"},
        {"nats.url", "nats://a,,nats://b",
         "option --nats.url: nats.url is not usable: give nats://host:port or tls://host:port, several "
         "comma-separated"},
        {"http.https_proxy", "ftp://user:topsecret@x",
         "option --http.https_proxy: http.https_proxy is not usable: give http://host:port, with "
         "user:password@ before the host where needed"},
        {"nats.password", "line\nend", "option --nats.password: nats.password contains a line end or another control character: remove it"},
        {"admin.listen", ":9850", "option --admin.listen: admin.listen is not usable: give a numeric address and a port, as 127.0.0.1:9850 or [::1]:9850; "
                                  "0.0.0.0:9850 listens everywhere, without a password"},
        {"admin.listen", "9850", NULL},
        {"admin.listen", "", NULL},
        {"nats.port", "1", "unknown option --nats.port: `signal-client config` lists every setting"},
        {"config", "", "--config: give the path of a file"},
        {"appliance_id", "x", NULL},
        {"appliance_id", "", NULL},
        {"nats.url", "host-alone:4222", NULL},
        {"nats.url", "tls://a:1, nats://b", NULL},
        {"offline_mode", "YES", NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        int rc = sc_settings_check_option(rows[i].key, rows[i].value, &err);
        CHECK_TEXT(rows[i].key, err.text, rows[i].want ? rows[i].want : "");
        CHECK_INT(rows[i].key, rc, rows[i].want ? -1 : 0);
    }
    CHECK_TRUE("options", sc_settings_is_option("nats.url") && sc_settings_is_option("config") && sc_settings_is_option("node"));
    CHECK_TRUE("no options", !sc_settings_is_option("nats") && !sc_settings_is_option("yes"));
}

static void test_settings_together(void **state)
{
    (void)state;
    static const struct {
        struct sc_option options[2];
        const char *want;
    } rows[] = {
        {{{"tls.client_cert", "/c"}}, "tls.client_cert and tls.client_key belong together: set both or none"},
        {{{"nats.password", "p"}}, "nats.password is set and nats.user is not: set both or none"},
        {{{"seal.old_key_file", "/old"}}, "seal.old_key_file is set and seal.key_file is not: name the key that is in use as seal.key_file"},
        {{{"nats.subject", "a.{org}.b"}}, "nats.subject is a.{org}.b: {appliance_id} is the only name that may stand in braces"},
        {{{"lease.renew_ms", "10000"}, {"lease.valid_ms", "10000"}},
         "lease.renew_ms must be less than lease.valid_ms, and that less than lease.take_after_ms"},
        {{{"lease.valid_ms", "15000"}}, "lease.renew_ms must be less than lease.valid_ms, and that less than lease.take_after_ms"},
    };
    fixture_clean_environment();
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_settings s;
        struct sc_error err = SC_ERROR_INIT;
        CHECK_INT(rows[i].want, sc_settings_load(&s, NULL, rows[i].options, rows[i].options[1].key ? 2 : 1, &err), -1);
        CHECK_TEXT("text", err.text, rows[i].want);
        CHECK_INT("reason", err.reason, SC_REASON_CONFIG_INVALID);
        sc_settings_done(&s);
    }
    fixture_done();
}

static bool takes(const char *key, const char *value)
{
    struct sc_error err = SC_ERROR_INIT;
    return sc_settings_check_option(key, value, &err) == 0;
}

/* A value that the row's check takes. */
static const char *value_for(const struct sc_setting_facts *facts)
{
    if (facts->choices)
        return facts->def;
    if (strcmp(facts->key, "nats.url") == 0)
        return "nats://h:1";
    return strstr(facts->key, "_proxy") ? "http://h:1" : "x";
}

static void check_names(const struct sc_setting_facts *facts)
{
    for (int i = 0; i < 4 && facts->env[i]; i++) {
        struct sc_settings s;
        struct seen seen = {.key = facts->key};
        SC_AUTO_FREE char *source = sc_printf("environment %s", facts->env[i]);
        fixture_clean_environment();
        setenv("NATS_USER", "u", 1); /* a password needs one */
        setenv("SIGNAL_CLIENT_SEAL_KEY_FILE", "/k", 1); /* and the old key a new one */
        setenv(facts->env[i], value_for(facts), 1);
        load(&s, NULL, 0);
        sc_settings_each(&s, look, &seen);
        CHECK_TEXT("found by that name", seen.source, source);
        free(seen.value);
        free(seen.origin);
        free(seen.source);
        sc_settings_done(&s);
    }
}

static void check_number(const char *key, int64_t number, bool wanted)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)number);
    CHECK_INT(key, takes(key, text), wanted);
}

/* What is told of a row is what its check takes, and where it is looked for. */
static void look_at_facts(void *arg, const struct sc_setting_facts *facts)
{
    int *rows = arg;
    ++*rows;
    CHECK_TRUE(facts->key, *facts->help && facts->def);
    if (facts->min || facts->max) {
        check_number(facts->key, facts->min, true);
        check_number(facts->key, facts->max, true);
        check_number(facts->key, facts->min - 1, false);
        check_number(facts->key, facts->max + 1, false);
    }
    SC_AUTO_FREE char *choices = sc_dup(facts->choices ? facts->choices : "");
    char *rest = choices, *choice;
    while (facts->choices && (choice = strsep(&rest, " ")))
        CHECK_TRUE(choice, takes(facts->key, choice));
    CHECK_TRUE("no other", !facts->choices || !takes(facts->key, "neither"));
    check_names(facts);
}

static void test_settings_facts(void **state)
{
    int rows = 0;
    (void)state;
    sc_settings_describe(look_at_facts, &rows);
    CHECK_TRUE("all of them", rows > 30);
    fixture_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_defaults),         cmocka_unit_test(test_settings_precedence),
        cmocka_unit_test(test_settings_port_and_subject), cmocka_unit_test(test_settings_secrets),
        cmocka_unit_test(test_settings_refused),          cmocka_unit_test(test_settings_together),
        cmocka_unit_test(test_settings_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
