/* Files that are absent, unreadable or wrong: what is said names path, place and cure. */
#include "fixture.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"

/* libconfig 1.5 forgets the text that it was reading when it met a syntax error. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:strbuf_append";
}

/* The error of a load, with the fixture's directory written as DIR; "" when it is good. */
static char *load(void)
{
    struct sc_settings s;
    struct sc_error err = SC_ERROR_INIT;
    struct sc_buf out = {0};
    if (sc_settings_load(&s, NULL, NULL, 0, &err) == 0)
        sc_settings_done(&s);
    for (const char *at = err.text; *at;) {
        size_t len = strlen(fixture_dir());
        if (strncmp(at, fixture_dir(), len) == 0) {
            sc_buf_add_str(&out, "DIR");
            at += len;
        } else {
            sc_buf_add_char(&out, *at++);
        }
    }
    return sc_buf_take(&out);
}

static void test_files_settings(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* begins with */
    } rows[] = {
        {"", ""},
        {"# a comment\n// another\n", ""},
        {"appliance_id = \"a\";\nnats = {\n  creat = true;\n};",
         "DIR/t.conf:3: unknown setting nats.creat: `signal-client config` lists every setting"},
        {"appliance = \"a\";", "DIR/t.conf:1: unknown setting appliance: `signal-client config` lists every setting"},
        {"\nappliance_id \"a\";", "settings file DIR/t.conf, line 2: syntax error (user id "},
        {"appliance_id = \"a\";\nappliance_id = \"b\";", "settings file DIR/t.conf, line 2: duplicate setting name (user id "},
        {"appliance_id = 5;", "DIR/t.conf:1: appliance_id must be a text in quotes"},
        {"io = { threads = \"2\"; };", "DIR/t.conf:1: io.threads must be a whole number, without quotes"},
        {"io = { threads = 2.0; };", "DIR/t.conf:1: io.threads must be a whole number, without quotes"},
        {"io = { threads = 65; };", "DIR/t.conf:1: io.threads is \"65\": give a whole number from 1 to 64"},
        {"nats = { create = \"yes\"; };", "DIR/t.conf:1: nats.create must be true or false, without quotes"},
        {"nats = ( \"a\", \"b\" );", "DIR/t.conf:1: unknown setting nats: "},
        {"nats = { url = [ \"a\" ]; };", "DIR/t.conf:1: nats.url must be a text in quotes"},
        {"nats = 5;", "DIR/t.conf:1: unknown setting nats: "},
        {"log = { format = \"xml\"; };", "DIR/t.conf:1: log.format is \"xml\": give one of: text json"},
        {"artifact = { mode = \"structured\"; };", "DIR/t.conf:1: artifact.mode = structured is not supported yet: use binary"},
        {"http = { max_body_bytes = 17179869184L; };", ""},
        {"run = { dir = \"/x\"; };\ndead_letter = { dir = \"/y\"; };\nconnectors = { path = \"/z\"; };\nartifact = { mode = "
         "\"binary\"; };",
         ""},
    };
    fixture_clean_environment();
    for (size_t i = 0; i < ROWS(rows); i++) {
        setenv("SIGNAL_CLIENT_CONFIG", fixture_file("t.conf", rows[i].text), 1);
        char *got = load();
        if (strncmp(got, rows[i].want, strlen(rows[i].want)) != 0 || !*rows[i].want)
            CHECK_TEXT(rows[i].text, got, rows[i].want);
        free(got);
    }
    fixture_done();
}

static void test_files_node(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"{}", ""},
        {"{\"unknown\": {\"deep\": [1, 2]}, \"appliance_id\": null}", ""},
        {"{\"offline_mode\": \"true\", \"broker_client_port\": \"4222\"}", ""},
        {"", "node file DIR/t.json, line 1, column 0: '[' or '{' expected near end of file (user id "},
        {"{\n \"org_id\": \"secret-looking\n}", "node file DIR/t.json, line 2, column 26: unexpected newline (user id "},
        {"[]", "node file DIR/t.json, line 1: it must hold one JSON object"},
        {"{\n\n\"broker_client_port\": 99999}",
         "DIR/t.json:3 (broker_client_port): broker_client_port is \"99999\": give a whole number from 1 to 65535"},
        {"{\"offline_mode\": \"perhaps\"}", "DIR/t.json:1 (offline_mode): offline_mode is not usable: give true or false"},
        {"{\"appliance_id\": {\"a\": 1}}", "DIR/t.json:1 (appliance_id): must be a text, a whole number, true or false"},
        {"{\"appliance_id\": \"a.b\"}",
         "DIR/t.json:1 (appliance_id): appliance_id is not usable: give one token without '.', '*', '>' and blanks"},
        {"{\"http_proxy\": \"gopher://x\"}", "DIR/t.json:1 (http_proxy): http.http_proxy is not usable: give http://host:port, with "
                                             "user:password@ before the host where needed"},
    };
    fixture_clean_environment();
    for (size_t i = 0; i < ROWS(rows); i++) {
        setenv("WF_NODE_CONFIG_FILE", fixture_file("t.json", rows[i].text), 1);
        char *got = load();
        if (strncmp(got, rows[i].want, strlen(rows[i].want)) != 0 || !*rows[i].want)
            CHECK_TEXT(rows[i].text, got, rows[i].want);
        free(got);
    }
    fixture_done();
}

static void check_begins(const char *got, const char *want)
{
    if (strncmp(got, want, strlen(want)) != 0)
        CHECK_TEXT("begins with", got, want);
}

static void test_files_absent(void **state)
{
    (void)state;
    struct sc_settings s;
    struct sc_error err = SC_ERROR_INIT;
    fixture_clean_environment();
    setenv("SIGNAL_CLIENT_CONFIG", "/nowhere/at/all.conf", 1);
    char *got = load();
    check_begins(got, "cannot read settings file /nowhere/at/all.conf: No such file or directory (this process has user id ");
    free(got);
    setenv("SIGNAL_CLIENT_CONFIG", fixture_dir(), 1);
    got = load();
    CHECK_TEXT("a directory", got, "settings file DIR is not a regular file: give the path of a file");
    free(got);
    fixture_clean_environment();
    setenv("WF_NODE_CONFIG_FILE", "/nowhere/node.json", 1);
    got = load();
    check_begins(got, "cannot read node file /nowhere/node.json: No such file or directory (this process has user id ");
    free(got);
    fixture_clean_environment();
    const struct sc_option option = {"config", "/nowhere/option.conf"};
    CHECK_INT("an option that names nothing", sc_settings_load(&s, NULL, &option, 1, &err), -1);
    check_begins(err.text, "cannot read settings file /nowhere/option.conf: No such file or directory");
    if (access("/etc/signal-client/signal-client.conf", F_OK) && access("/configs/node.json", F_OK)) {
        unsetenv("SIGNAL_CLIENT_CONFIG");
        unsetenv("WF_NODE_CONFIG_FILE");
        got = load();
        CHECK_TEXT("the default paths may be absent", got, "");
        free(got);
    }
    setenv("SIGNAL_CLIENT_CONFIG", "", 1);
    setenv("WF_NODE_CONFIG_FILE", fixture_file("ok.json", "{}"), 1);
    if (access("/etc/signal-client/signal-client.conf", F_OK)) {
        got = load();
        CHECK_TEXT("empty is not named", got, "");
        free(got);
    }
    fixture_done();
}

/* As an ordinary user where this runs as root: root may read everything. */
static void test_files_unreadable(void **state)
{
    (void)state;
    fixture_clean_environment();
    const char *path = fixture_file("closed.json", "{}");
    setenv("WF_NODE_CONFIG_FILE", path, 1);
    assert_int_equal(chmod(fixture_dir(), 0755), 0);
    assert_int_equal(chmod(getenv("SIGNAL_CLIENT_CONFIG"), 0644), 0);
    assert_int_equal(chmod(path, 0000), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
            _exit(2);
        char want[160];
        snprintf(want, sizeof want,
                 "cannot read node file DIR/closed.json: Permission denied (this process has user id %u; the file belongs to ", geteuid());
        char *got = load();
        bool good = strncmp(got, want, strlen(want)) == 0 && strstr(got, " and has mode 0000): let user id ");
        if (!good)
            fprintf(stderr, "got  %s\nwant %s\n", got, want);
        free(got);
        _exit(good ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    CHECK_INT("the child saw path, user id and mode", WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    fixture_done();
}

static void test_files_no_memory(void **state)
{
    (void)state;
    fixture_clean_environment();
    setenv("SIGNAL_CLIENT_CONFIG", fixture_file("m.conf", "nats = { user = \"u\"; password = \"hunter22\"; };"), 1);
    setenv("WF_NODE_CONFIG_FILE", fixture_file("m.json", "{\"https_proxy\": \"http://u:longpassword@p:1\"}"), 1);
    bool failed = true;
    for (long n = 1; failed; n++) {
        struct sc_settings s;
        struct sc_error err = SC_ERROR_INIT;
        failalloc_arm(n);
        int rc = sc_settings_load(&s, NULL, NULL, 0, &err);
        failed = failalloc_disarm();
        if (rc == 0)
            CHECK_TEXT("a good load is complete", s.nats_password, "hunter22");
        else
            CHECK_TRUE("a failed one says so", failed && *err.text);
        if (rc == 0)
            sc_settings_done(&s);
    }
    fixture_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_settings),   cmocka_unit_test(test_files_node),      cmocka_unit_test(test_files_absent),
        cmocka_unit_test(test_files_unreadable), cmocka_unit_test(test_files_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
