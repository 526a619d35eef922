/* TLS: what is trusted, what is not, and that each failure is told apart with its own sentence. */
#include "client.h"

#include <sys/stat.h>
#include <unistd.h>

#include "certs.h"

static char dir[] = "/tmp/http-tls-XXXXXX";
static struct cert ca, sub, other_ca, inspector;

static const char *path_of(const char *name)
{
    static char ring[4][128];
    static unsigned at;
    char *out = ring[at++ % 4];
    snprintf(out, sizeof(ring[0]), "%s/%s", dir, name);
    return out;
}

static int start_all(void **state)
{
    if (setup_all(state) != 0 || !mkdtemp(dir))
        return -1;
    ca = cert_make(&(struct cert_want){.name = "Lab Root", .ca = true});
    sub = cert_make(&(struct cert_want){.name = "Lab Intermediate", .ca = true, .issuer = &ca});
    other_ca = cert_make(&(struct cert_want){.name = "Other Root", .ca = true});
    inspector = cert_make(&(struct cert_want){.name = "Zscaler Root CA", .ca = true});
    cert_write(path_of("ca.pem"), &ca, NULL);
    cert_write(path_of("sub.pem"), &sub, NULL);
    cert_write(path_of("other.pem"), &other_ca, NULL);
    cert_write(path_of("both.pem"), &other_ca, &ca);
    return 0;
}

static int stop_all(void **state)
{
    static const char *const names[] = {"ca.pem",       "sub.pem",    "other.pem", "both.pem",
                                        "changing.pem", "self.pem",   "empty.pem", "text.pem",
                                        "old.pem",      "damaged.pem"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        unlink(path_of(names[i]));
    rmdir(dir);
    cert_done(&ca);
    cert_done(&sub);
    cert_done(&other_ca);
    cert_done(&inspector);
    return teardown_all(state);
}

static void hello(struct rawhttp_conn *c)
{
    while (rawhttp_request(c))
        rawhttp_reply(c, "", "hello", 5);
}

/* A server with one certificate, and one fetch from it. */
struct scene {
    struct cert leaf;
    SSL_CTX *tls;
    struct rawhttp *server;
};

#define LOCAL "IP:127.0.0.1,DNS:localhost"

static struct scene begin(const struct cert_want *want, const struct cert *chain, int version)
{
    struct scene s = {.leaf = cert_make(want)};
    s.tls = cert_server(&s.leaf, chain, version);
    s.server = rawhttp_start(hello, NULL, s.tls);
    return s;
}

static void end(struct scene *s)
{
    rawhttp_stop(s->server);
    SSL_CTX_free(s->tls);
    cert_done(&s->leaf);
}

static void fetch_from(struct sc_http *http, struct scene *s, struct fetch *f)
{
    f->url = url_of("https", "127.0.0.1", rawhttp_port(s->server), "/x");
    fetch_run(http, f);
}

struct row {
    const char *why;
    struct cert_want leaf;
    const struct cert *chain;
    const char *ca_file; /* under dir */
    int version;
    bool no_verify;
    enum sc_reason want;
    const char *text;
};

static void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *r = &rows[i];
        struct scene s = begin(&r->leaf, r->chain, r->version);
        struct sc_http *http = client_new(NULL);
        struct fetch f = {.ca_file = r->ca_file ? path_of(r->ca_file) : NULL,
                          .no_verify = r->no_verify};
        fetch_from(http, &s, &f);
        expect_reason(r->why, &f, r->want);
        if (r->text)
            expect_text(r->why, &f, r->text);
        if (r->want == SC_REASON_OK)
            CHECK_BYTES(r->why, f.body.ptr, f.body.len, "hello", 5);
        fetch_done(&f);
        sc_http_free(http);
        end(&s);
    }
}

static void test_trust(void **state)
{
    const struct cert_want of_ca = {.name = "s", .san = LOCAL, .issuer = &ca};
    const struct cert_want of_sub = {.name = "s", .san = LOCAL, .issuer = &sub};
    const struct cert_want self = {.name = "selfmade", .san = LOCAL};
    /* clang-format off */
    const struct row rows[] = {
        {"own CA", of_ca, .ca_file = "ca.pem"},
        {"own CA among others", of_ca, .ca_file = "both.pem"},
        {"own CA, chain", of_sub, .chain = &sub, .ca_file = "ca.pem"},
        {"intermediate as anchor", of_sub, .chain = &sub, .ca_file = "sub.pem"},
        {"unknown CA", of_ca, .want = SC_REASON_TLS_UNTRUSTED, .text = "signed by \"Lab Root\", not among"},
        {"another CA", of_ca, .ca_file = "other.pem", .want = SC_REASON_TLS_UNTRUSTED, .text = "other.pem"},
        {"unknown CA, chain", of_sub, .chain = &sub, .want = SC_REASON_TLS_UNTRUSTED, .text = "\"Lab Root\""},
        {"no intermediate", of_sub, .ca_file = "ca.pem", .want = SC_REASON_TLS_UNTRUSTED,
         .text = "forgot its intermediate (sent 1 certificate)"},
        {"self-signed", self, .want = SC_REASON_TLS_UNTRUSTED, .text = "self-signed certificate (\"selfmade\")"},
        {"not verified", self, .no_verify = true},
        {"not verified, missing file", self, .no_verify = true, .ca_file = "missing.pem"},
        {"inspection", {.name = "s", .san = LOCAL, .issuer = &inspector}, .want = SC_REASON_TLS_INTERCEPTED,
         .text = "\"Zscaler Root CA\""},
    };
    /* clang-format on */
    (void)state;
    run_rows(rows, sizeof(rows) / sizeof(*rows));
}

static void test_certificate(void **state)
{
    /* clang-format off */
    const struct row rows[] = {
        {"expired", {.name = "s", .san = LOCAL, .issuer = &ca, .from_s = -864000, .until_s = -432000},
         .ca_file = "ca.pem", .want = SC_REASON_TLS_EXPIRED, .text = "(5 days ago)"},
        {"not yet", {.name = "s", .san = LOCAL, .issuer = &ca, .from_s = 90000, .until_s = 864000},
         .ca_file = "ca.pem", .want = SC_REASON_TLS_EXPIRED, .text = "(in 1 days)"},
        {"other name", {.name = "s", .san = "DNS:a.example,DNS:b.example", .issuer = &ca},
         .ca_file = "ca.pem", .want = SC_REASON_TLS_HOSTNAME, .text = "is for a.example, b.example"},
        {"no name", {.name = "the server", .issuer = &ca},
         .ca_file = "ca.pem", .want = SC_REASON_TLS_HOSTNAME, .text = "is for the server"},
        {"TLS 1.2", {.name = "s", .san = LOCAL, .issuer = &ca}, .ca_file = "ca.pem", .version = TLS1_2_VERSION},
        {"TLS 1.1", {.name = "s", .san = LOCAL, .issuer = &ca}, .ca_file = "ca.pem", .version = TLS1_1_VERSION,
         .want = SC_REASON_TLS_VERSION, .text = "TLS 1.1 at most"},
        {"TLS 1.1, not verified", {.name = "s", .san = LOCAL, .issuer = &ca}, .no_verify = true,
         .version = TLS1_1_VERSION, .want = SC_REASON_TLS_VERSION, .text = "1.2 is the least"},
    };
    /* clang-format on */
    (void)state;
    run_rows(rows, sizeof(rows) / sizeof(*rows));
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_bad_ca_files(void **state)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"missing.pem", "missing.pem: No such file"            },
        {"empty.pem",   "empty.pem: 0 certificates in it"      },
        {"text.pem",    "text.pem: 0 certificates in it"       },
        {"damaged.pem", "certificate 1 in it is damaged"       },
        {"old.pem",     "all its certificates (1) have expired"},
        {"",            "is not a file"                        },
    };
    struct cert old = cert_make(
        &(struct cert_want){.name = "Old", .ca = true, .from_s = -90000, .until_s = -80000});
    struct sc_http *http = client_new(NULL);
    (void)state;
    write_text(path_of("empty.pem"), "");
    write_text(path_of("text.pem"), "this is a text file\n");
    write_text(path_of("damaged.pem"),
               "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    cert_write(path_of("old.pem"), &old, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_http_request r = {
            .url = "https://127.0.0.1:1/", .ca_file = path_of(rows[i].name), .verify = true};
        assert_null(sc_http_start(http, &r, &err));
        CHECK_INT(rows[i].name, err.reason, SC_REASON_CONFIG_INVALID);
        if (!strstr(err.text, rows[i].text))
            fail_msg("%s lacks %s", err.text, rows[i].text);
        print_message("      %s\n", err.text);
    }
    sc_http_free(http);
    cert_done(&old);
}

static void install(const char *from, const char *to)
{
    char name[160];
    snprintf(name, sizeof(name), "%s.new", to);
    unlink(name);
    assert_int_equal(link(from, name), 0);
    assert_int_equal(rename(name, to), 0);
    unlink(name); /* rename does nothing between two links of one file */
}

/* The CA file is read again when it changes; kept connections are not handed on across that. */
static void test_ca_file_changes(void **state)
{
    struct scene s = begin(&(struct cert_want){.name = "s", .san = LOCAL, .issuer = &ca}, NULL, 0);
    char file[128];
    (void)state;
    snprintf(file, sizeof(file), "%s", path_of("changing.pem"));
    install(path_of("other.pem"), file);
    struct sc_http_config config = {.ca_file = file};
    struct sc_http *http = client_new(&config);
    static const struct {
        const char *install;
        enum sc_reason want;
        unsigned connections;
    } steps[] = {
        {NULL,        SC_REASON_TLS_UNTRUSTED, 1},
        {"both.pem",  SC_REASON_OK,            2},
        {NULL,        SC_REASON_OK,            2},
        {"other.pem", SC_REASON_TLS_UNTRUSTED, 3},
        {"ca.pem",    SC_REASON_OK,            4},
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        struct fetch f = {0};
        if (steps[i].install)
            install(path_of(steps[i].install), file);
        fetch_from(http, &s, &f);
        expect_reason(steps[i].install ? steps[i].install : "same", &f, steps[i].want);
        assert_int_equal(rawhttp_connections(s.server), steps[i].connections);
        fetch_done(&f);
    }
    unlink(file); /* gone for a moment: what was read before holds */
    struct fetch f = {0};
    fetch_from(http, &s, &f);
    expect_reason("gone", &f, SC_REASON_OK);
    fetch_done(&f);
    sc_http_free(http);
    end(&s);
}

/* One integration's CA is not another's, even over a connection that is already there. */
static void test_trust_is_not_shared(void **state)
{
    struct scene s = begin(&(struct cert_want){.name = "s", .san = LOCAL, .issuer = &ca}, NULL, 0);
    struct sc_http *http = client_new(NULL);
    (void)state;
    static const struct {
        const char *ca_file;
        bool no_verify;
        enum sc_reason want;
        unsigned connections;
    } steps[] = {
        {"ca.pem",    false, SC_REASON_OK,            1},
        {NULL,        false, SC_REASON_TLS_UNTRUSTED, 2},
        {"other.pem", false, SC_REASON_TLS_UNTRUSTED, 3},
        {NULL,        true,  SC_REASON_OK,            4},
        {NULL,        false, SC_REASON_TLS_UNTRUSTED, 5},
        {"ca.pem",    false, SC_REASON_OK,            5},
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        struct fetch f = {.ca_file = steps[i].ca_file ? path_of(steps[i].ca_file) : NULL,
                          .no_verify = steps[i].no_verify};
        fetch_from(http, &s, &f);
        expect_reason("step", &f, steps[i].want);
        CHECK_INT("connections", rawhttp_connections(s.server), steps[i].connections);
        fetch_done(&f);
    }
    sc_http_free(http);
    end(&s);
}

static void plain_http(struct rawhttp_conn *c)
{
    if (rawhttp_read(c, c->request, 100) > 0)
        rawhttp_say(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

static void mute(struct rawhttp_conn *c)
{
    rawhttp_wait_close(c);
}

static void closes(struct rawhttp_conn *c)
{
    rawhttp_read(c, c->request, 100);
}

static void resets(struct rawhttp_conn *c)
{
    rawhttp_read(c, c->request, 100);
    rawhttp_reset(c);
}

static void test_no_tls(void **state)
{
    static const struct {
        rawhttp_script script;
        const char *why;
        enum sc_reason want;
        const char *text;
    } rows[] = {
        {plain_http, "plain",  SC_REASON_TLS_VERSION,     "does not speak TLS on port"       },
        {mute,       "mute",   SC_REASON_READ_TIMEOUT,    "TLS handshake was not done in 1 s"},
        {closes,     "closes", SC_REASON_CONNECTION_LOST, "during the TLS handshake"         },
        {resets,     "resets", SC_REASON_CONNECTION_LOST, "during the TLS handshake"         },
    };
    struct sc_http_config config = {.connect_timeout_s = 1};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rawhttp *server = rawhttp_start(rows[i].script, NULL, NULL);
        struct sc_http *http = client_new(&config);
        struct fetch f = {.url = url_of("https", "127.0.0.1", rawhttp_port(server), "/")};
        fetch_run(http, &f);
        expect_reason(rows[i].why, &f, rows[i].want);
        expect_text(rows[i].why, &f, rows[i].text);
        fetch_done(&f);
        sc_http_free(http);
        rawhttp_stop(server);
    }
}

/* A body without length ends with the connection, announced or not: only its content can prove that
 * it is whole. */
static void cut_tls(struct rawhttp_conn *c)
{
    if (rawhttp_request(c))
        rawhttp_say(c, "HTTP/1.1 200 OK\r\n\r\nhel");
    if (c->arg)
        SSL_set_quiet_shutdown(c->ssl, 1);
}

static void test_close_notify(void **state)
{
    struct cert leaf = cert_make(&(struct cert_want){.name = "s", .san = LOCAL, .issuer = &ca});
    SSL_CTX *tls = cert_server(&leaf, NULL, 0);
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct rawhttp *server = rawhttp_start(cut_tls, cut ? &leaf : NULL, tls);
        struct sc_http *http = client_new(NULL);
        struct fetch f = {.url = url_of("https", "127.0.0.1", rawhttp_port(server), "/"),
                          .ca_file = path_of("ca.pem")};
        fetch_run(http, &f);
        expect_reason(cut ? "cut" : "closed", &f, SC_REASON_OK);
        CHECK_BYTES("body", f.body.ptr, f.body.len, "hel", 3);
        fetch_done(&f);
        sc_http_free(http);
        rawhttp_stop(server);
    }
    SSL_CTX_free(tls);
    cert_done(&leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trust),
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_bad_ca_files),
        cmocka_unit_test(test_ca_file_changes),
        cmocka_unit_test(test_trust_is_not_shared),
        cmocka_unit_test(test_no_tls),
        cmocka_unit_test(test_close_notify),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
