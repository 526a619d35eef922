/* Client certificates: servers that want one, that get one, that do not like it; files that cannot be used, and files that change. */
#include "client.h"

#include <unistd.h>

#include "certs.h"

static char dir[] = "/tmp/http-cert-XXXXXX";
static struct cert ca, other_ca, leaf, me, stranger, old;

static const char *path_of(const char *name)
{
    static char ring[8][128];
    static unsigned at;
    char *out = ring[at++ % 8];
    snprintf(out, sizeof(ring[0]), "%s/%s", dir, name);
    return out;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* certificate and key in one */
static void write_both(const char *path, const struct cert *cert)
{
    char key[4096] = "";
    cert_write_key(path_of("tmp.key"), cert, NULL);
    FILE *f = fopen(path_of("tmp.key"), "r");
    assert_non_null(f);
    size_t n = fread(key, 1, sizeof key - 1, f);
    fclose(f);
    cert_write(path, cert, NULL);
    f = fopen(path, "a");
    assert_non_null(f);
    fwrite(key, 1, n, f);
    fclose(f);
    unlink(path_of("tmp.key"));
}

static const char *const files[] = {"ca.pem", "me.pem", "me.key", "both.pem", "stranger.pem", "old.pem", "locked.key", "text.pem", "changing.pem"};

static int start_all(void **state)
{
    if (setup_all(state) != 0 || !mkdtemp(dir))
        return -1;
    ca = cert_make(&(struct cert_want){.name = "Lab Root", .ca = true});
    other_ca = cert_make(&(struct cert_want){.name = "Other Root", .ca = true});
    leaf = cert_make(&(struct cert_want){.name = "s", .san = "IP:127.0.0.1", .issuer = &ca});
    me = cert_make(&(struct cert_want){.name = "agent-1", .issuer = &ca});
    stranger = cert_make(&(struct cert_want){.name = "stranger", .issuer = &other_ca});
    old = cert_make(&(struct cert_want){.name = "old one", .issuer = &ca, .from_s = -864000, .until_s = -86400});
    cert_write(path_of("ca.pem"), &ca, NULL);
    cert_write(path_of("me.pem"), &me, NULL);
    cert_write_key(path_of("me.key"), &me, NULL);
    cert_write_key(path_of("locked.key"), &me, "a password of s3cret");
    write_both(path_of("both.pem"), &me);
    write_both(path_of("stranger.pem"), &stranger);
    write_both(path_of("old.pem"), &old);
    write_text(path_of("text.pem"), "this is a text file\n");
    return 0;
}

static int stop_all(void **state)
{
    struct cert *const all[] = {&ca, &other_ca, &leaf, &me, &stranger, &old};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(path_of(files[i]));
    rmdir(dir);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cert_done(all[i]);
    return teardown_all(state);
}

static void hello(struct rawhttp_conn *c)
{
    while (rawhttp_request(c))
        rawhttp_reply(c, "", "hello", 5);
}

static void test_wanted(void **state)
{
    static const struct {
        const char *why, *cert, *key;
        int version;
        enum sc_reason want;
        const char *text;
    } rows[] = {
        {"1.3, none",             NULL,           NULL,     0,              SC_REASON_CONFIG_INVALID, "wants a client certificate of \"Lab Root\", and none is set"},
        {"1.2, none",             NULL,           NULL,     TLS1_2_VERSION, SC_REASON_CONFIG_INVALID, "wants a client certificate of \"Lab Root\", and none is set"},
        {"1.3, two files",        "me.pem",       "me.key", 0,              SC_REASON_OK,             NULL},
        {"1.2, one file",         "both.pem",     NULL,     TLS1_2_VERSION, SC_REASON_OK,             NULL},
        {"1.3, of another CA",    "stranger.pem", NULL,     0,              SC_REASON_CONFIG_INVALID, "does not accept the client certificate \"stranger\""},
        {"1.2, of another CA",    "stranger.pem", NULL,     TLS1_2_VERSION, SC_REASON_CONFIG_INVALID, "it wants one of \"Lab Root\": give it one"},
        {"1.3, expired",          "old.pem",      NULL,     0,              SC_REASON_CONFIG_INVALID, "does not accept the client certificate \"old one\""},
        {"not verified, 1.3",     "both.pem",     "",       0,              SC_REASON_OK,             NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SSL_CTX *tls = cert_server_wanting(&leaf, &ca, rows[i].version);
        struct rawhttp *server = rawhttp_start(hello, NULL, tls);
        struct sc_http *http = client_new(NULL);
        struct fetch f = {.url = url_of("https", "127.0.0.1", rawhttp_port(server), "/"),
                          .ca_file = path_of("ca.pem"),
                          .cert_file = rows[i].cert ? path_of(rows[i].cert) : NULL,
                          .key_file = rows[i].key && *rows[i].key ? path_of(rows[i].key) : NULL,
                          .no_verify = strstr(rows[i].why, "not verified") != NULL};
        fetch_run(http, &f);
        expect_reason(rows[i].why, &f, rows[i].want);
        if (rows[i].text)
            expect_text(rows[i].why, &f, rows[i].text);
        CHECK_TRUE("wanted", f.result.wire.cert_wanted);
        if (rows[i].want == SC_REASON_OK) {
            CHECK_TRUE("sent", f.result.wire.cert_sent);
            CHECK_TRUE("its end", f.result.wire.cert_until_ms > sc_real_ms());
        }
        fetch_done(&f);
        sc_http_free(http);
        rawhttp_stop(server);
        SSL_CTX_free(tls);
    }
}

static void test_files(void **state)
{
    static const struct {
        const char *cert, *key, *text;
    } rows[] = {
        {"missing.pem", "me.key",      "tls.cert_file"},
        {"missing.pem", "me.key",      "No such file or directory; in a container this is the container's path"},
        {"text.pem",    "me.key",      "no certificate in it"},
        {"me.pem",      "missing.key", "missing.key: No such file"},
        {"me.pem",      "text.pem",    "no private key in it"},
        {"me.pem",      NULL,          "no private key in it"},
        {"me.pem",      "locked.key",  "encrypted with a password"},
        {"me.pem",      "stranger.pem", "does not belong to the certificate"},
        {"me.pem",      "",            "is over 1 MiB, or no file"},
    };
    struct sc_http *http = client_new(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_error err = SC_ERROR_INIT;
        char key[128] = "";
        if (rows[i].key)
            snprintf(key, sizeof key, "%s", path_of(rows[i].key));
        struct sc_http_request r = {.url = "https://127.0.0.1:1/", .verify = true, .cert_file = path_of(rows[i].cert), .key_file = key};
        assert_null(sc_http_start(http, &r, &err));
        CHECK_INT(rows[i].text, err.reason, SC_REASON_CONFIG_INVALID);
        if (!strstr(err.text, rows[i].text))
            fail_msg("%s lacks %s", err.text, rows[i].text);
        print_message("      %s\n", err.text);
    }
    sc_http_free(http);
}

/* Another certificate is another connection: nobody speaks over one that stands with the old, or without. */
static void test_changes(void **state)
{
    SSL_CTX *tls = cert_server(&leaf, NULL, 0);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), ca.x509);
    struct rawhttp *server = rawhttp_start(hello, NULL, tls);
    struct sc_http *http = client_new(NULL);
    static const struct {
        const struct cert *install;
        bool with;
        unsigned connections;
    } steps[] = {
        {NULL, false, 1}, {&me, true, 2}, {NULL, true, 2}, {NULL, false, 2}, {&old, true, 3}, {&me, true, 4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].install) {
            write_both(path_of("new.pem"), steps[i].install);
            assert_int_equal(rename(path_of("new.pem"), path_of("changing.pem")), 0);
        }
        struct fetch f = {.url = url_of("https", "127.0.0.1", rawhttp_port(server), "/"), .ca_file = path_of("ca.pem"),
                          .cert_file = steps[i].with ? path_of("changing.pem") : NULL};
        fetch_run(http, &f);
        expect_reason("step", &f, steps[i].install == &old ? SC_REASON_CONFIG_INVALID : SC_REASON_OK);
        CHECK_INT("connections", rawhttp_connections(server), steps[i].connections);
        fetch_done(&f);
    }
    sc_http_free(http);
    rawhttp_stop(server);
    SSL_CTX_free(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_changes),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
