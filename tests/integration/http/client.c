#include <stdio.h>
#include "client.h"

int setup_all(void **state)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        unsetenv(names[i]);
    return sc_http_global_init(NULL);
}

int teardown_all(void **state)
{
    (void)state;
    sc_http_global_done();
    return 0;
}

const char *url_of(const char *scheme, const char *host, uint16_t port, const char *path)
{
    static char ring[16][512];
    static unsigned at;
    char *out = ring[at++ % 16];
    snprintf(out, sizeof(ring[0]), "%s://%s:%u%s", scheme, host, port, path);
    return out;
}

static bool on_head(void *arg, struct sc_transfer *t, int status)
{
    struct fetch *f = arg;
    f->heads++;
    f->status = status;
    if (f->watch) {
        struct sc_str line = sc_http_header(t, f->watch, 0);
        snprintf(f->header, sizeof(f->header), "%.*s", (int)line.len, line.ptr ? line.ptr : "");
        while (sc_http_header(t, f->watch, f->watched).ptr)
            f->watched++;
    }
    if (f->cancel_in_head)
        sc_http_cancel(t);
    return !f->refuse_body;
}

static ptrdiff_t on_body(void *arg, struct sc_transfer *t, const char *bytes, size_t len)
{
    struct fetch *f = arg;
    size_t used = f->most && f->most < len ? f->most : len;
    f->calls++;
    f->largest = len > f->largest ? len : f->largest;
    if (f->cancel_in_body)
        sc_http_cancel(t);
    if (f->abort_after >= 0 && f->bytes + used > (uint64_t)f->abort_after)
        return -1;
    f->bytes += used;
    if (!f->count_only && sc_buf_add(&f->body, bytes, used) != 0)
        return -1;
    f->paused = used < len;
    if (f->resume_in_body)
        sc_http_resume(t);
    return (ptrdiff_t)used;
}

static void on_done(struct sc_transfer *t, const struct sc_http_result *result)
{
    struct fetch *f = result->arg;
    f->dones++;
    f->result = *result;
    if (result->prefix.ptr)
        sc_buf_add(&f->prefix, result->prefix.ptr, result->prefix.len);
    f->result.prefix = (struct sc_str){NULL, 0};
    if (f->in_done)
        f->in_done(f, t);
    f->transfer = NULL;
}

struct sc_http *client_new(const struct sc_http_config *config)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_http_config defaults = {.user_agent = "signal-client/test", .max_redirects = 3};
    struct sc_http *http = sc_http_new(config ? config : &defaults, &err);
    if (!http)
        fail_msg("%s", err.text);
    sc_http_set_done(http, on_done);
    return http;
}

static struct sc_transfer *start(struct sc_http *http, struct fetch *f, struct sc_error *err)
{
    struct sc_http_request r = {
        .method = f->method ? f->method : "GET",
        .url = f->url,
        .headers = f->headers,
        .content = f->content,
        .proxy = f->proxy,
        .ca_file = f->ca_file,
        .cert_file = f->cert_file,
        .key_file = f->key_file,
        .verify = !f->no_verify,
        .allow_plain_http = f->plain,
        .max_body = f->max_body,
        .arg = f,
        .head = on_head,
        .body = on_body,
    };
    if (f->abort_after == 0)
        f->abort_after = -1;
    if (f->body.max == 0)
        sc_buf_init(&f->body, 64u << 20);
    return sc_http_start(http, &r, err);
}

void fetch_start(struct sc_http *http, struct fetch *f)
{
    struct sc_error err = SC_ERROR_INIT;
    f->transfer = start(http, f, &err);
    if (!f->transfer)
        fail_msg("%s: not started: %s", f->url, err.text);
}

void fetch_wait(struct sc_http *http, struct fetch *f, size_t count)
{
    int64_t end = sc_mono_ms() + 30000;
    for (;;) {
        size_t open = 0;
        for (size_t i = 0; i < count; i++) {
            open += f[i].dones == 0;
            if (f[i].dones == 0 && f[i].paused && !f[i].hold && !f[i].resume_in_body) {
                f[i].paused = false;
                sc_http_resume(f[i].transfer);
            }
        }
        if (open == 0)
            return;
        if (sc_mono_ms() > end)
            fail_msg("%zu of %zu fetches not done after 30 s (%s)", open, count, f->url);
        sc_http_turn(http, 1000);
    }
}

void fetch_run(struct sc_http *http, struct fetch *f)
{
    fetch_start(http, f);
    fetch_wait(http, f, 1);
}

void fetch_done(struct fetch *f)
{
    sc_buf_done(&f->body);
    sc_buf_done(&f->prefix);
}

void expect_reason(const char *why, const struct fetch *f, enum sc_reason want)
{
    if (f->result.reason != want)
        fail_msg("%s: reason is %s, want %s; text: %s", why, sc_reason_code(f->result.reason),
                 sc_reason_code(want), f->result.text);
    if ((want == SC_REASON_OK) != (f->result.text[0] == '\0'))
        fail_msg("%s: text does not fit the reason: \"%s\"", why, f->result.text);
}

void expect_text(const char *why, const struct fetch *f, const char *part)
{
    if (!strstr(f->result.text, part))
        fail_msg("%s: text lacks \"%s\":\n  %s", why, part, f->result.text);
    print_message("      %s\n", f->result.text);
}
