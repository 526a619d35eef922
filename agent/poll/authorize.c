/* The header lines of a request: those of the connector, then what says who asks. What became of a signature that the vendor's clock refused.
 * io thread of the poller. */
#include "base/template.h"
#include "poll/poller.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define SKEW_MS    30000 /* vendors allow minutes; less than this is not why a signature is refused */
#define HOST_TEXT  300

static int add_line(char *lines[], unsigned *count, char *line)
{
    if (!line)
        return -1;
    lines[(*count)++] = line;
    lines[*count] = NULL;
    return 0;
}

const char *sc_method_name(enum sc_method method)
{
    switch (method) {
    case SC_POST:
        return "POST";
    case SC_DELETE:
        return "DELETE";
    case SC_GET:
        break;
    }
    return "GET";
}

bool sc_auth_needs_token(const struct sc_poller *p)
{
    enum sc_auth_kind kind = sc_auth_of(p->inst->config)->kind;
    return kind == SC_AUTH_OAUTH2_CLIENT || kind == SC_AUTH_LOGIN;
}

bool sc_auth_is_signed(const struct sc_poller *p)
{
    return sc_auth_of(p->inst->config)->kind == SC_AUTH_SIGNED;
}

/* ---- a header with a value -------------------------------------------------------------------------------------------------------- */

static const char *auth_value(void *arg, const char *name)
{
    const struct sc_poller *p = arg;
    if (strcmp(name, "token") == 0 && p->asked_token)
        return p->asked_token->value;
    return sc_integration_value(p->inst->config, name);
}

static int add_value(struct sc_poller *p, const struct sc_auth *auth, char *lines[], unsigned *count, struct sc_error *err)
{
    struct sc_buf line = {.secret = true};
    char missing[64];
    sc_buf_addf(&line, "%s: ", auth->header);
    if (sc_template_expand(auth->value, auth_value, p, &line, missing) == 0)
        return add_line(lines, count, sc_buf_take(&line));
    sc_buf_done(&line);
    return missing[0] ? sc_fail(err, SC_REASON_CONFIG_INVALID, "%s is not set: give it in settings or credentials", missing) : -1;
}

static int add_basic(struct sc_poller *p, const struct sc_auth *auth, char *lines[], unsigned *count, struct sc_error *err)
{
    const char *pair = p->inst->config->basic;
    struct sc_buf line = {.secret = true};
    if (!pair)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "user name and password are not set: give them in credentials");
    sc_buf_addf(&line, "%s: Basic ", auth->header ? auth->header : "Authorization");
    sc_buf_add_base64(&line, pair, strlen(pair), false);
    return add_line(lines, count, sc_buf_take(&line));
}

/* ---- signatures ------------------------------------------------------------------------------------------------------------------- */

/* "." and "..", also percent-encoded: libcurl takes such parts out of a path before it sends it. */
static bool has_dot_part(struct sc_str path)
{
    size_t i = 0;
    while (i < path.len) {
        size_t dots = 0, at = ++i; /* behind a '/' */
        while (i < path.len && path.ptr[i] != '/') {
            bool encoded = path.len - i >= 3 && strncasecmp(path.ptr + i, "%2e", 3) == 0;
            dots += encoded || path.ptr[i] == '.' ? 1 : 3;
            i += encoded ? 3 : 1;
        }
        if (i > at && dots <= 2)
            return true;
    }
    return false;
}

/* What is signed has to be what is sent. */
static int check_sendable(const char *url, struct sc_str path, struct sc_error *err)
{
    for (const char *c = url; *c; c++) {
        if (*c <= ' ' || *c > '~' || *c == '#')
            return sc_fail(err, SC_REASON_INTERNAL, "the address holds a byte that would not be sent as it is signed (blank, '#' or not ASCII): not sent");
    }
    if (has_dot_part(path))
        return sc_fail(err, SC_REASON_INTERNAL, "the path holds a part \".\" or \"..\", which would not be sent as it is signed: not sent");
    return 0;
}

/* Cuts `url` up, its host made lower case in place: that is how it is signed, so that is how it is sent. */
static int take_apart(char *url, struct sc_to_sign *in, char host[HOST_TEXT], struct sc_error *err)
{
    char *from = strstr(url, "://");
    if (!from)
        return sc_fail(err, SC_REASON_INTERNAL, "the address to be signed is no URL");
    const char *own = from - url == 5 ? ":443" : ":80"; /* https, http */
    from += 3;
    size_t len = strcspn(from, "/?#");
    for (size_t i = 0; i < len; i++)
        from[i] = (char)tolower((unsigned char)from[i]);
    const char *tail = from + len, *query = strchr(tail, '?');
    size_t host_len = len, own_len = strlen(own);
    if (len > own_len && memcmp(from + len - own_len, own, own_len) == 0)
        host_len -= own_len;
    if (host_len >= HOST_TEXT)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "the host's name is too long");
    memcpy(host, from, host_len);
    host[host_len] = '\0';
    in->host = host;
    in->path = (struct sc_str){tail, query ? (size_t)(query - tail) : strlen(tail)};
    if (!in->path.len)
        in->path = sc_str_of("/");
    in->query = query ? sc_str_of(query + 1) : sc_str_of("");
    return check_sendable(url, in->path, err);
}

static void drop_line(char *lines[], unsigned *count, const char *name)
{
    size_t len = strlen(name);
    for (unsigned i = 0; i < *count; i++) {
        if (strncasecmp(lines[i], name, len) != 0 || lines[i][len] != ':')
            continue;
        sc_secret_free(lines[i]);
        memmove(lines + i, lines + i + 1, (*count - i) * sizeof *lines);
        --*count;
        --i;
    }
}

static int add_signature(struct sc_poller *p, const struct sc_request *rq, const struct sc_auth *auth, char *url, char *lines[], unsigned *count,
                         struct sc_error *err)
{
    struct sc_header given[SC_MAX_REQUEST_HEADERS + 1] = {0}, out[SC_MAX_SIGN_HEADERS] = {0};
    char host[HOST_TEXT];
    struct sc_to_sign in = {.method = sc_method_name(rq->method), .body = rq->body, .headers = given, .now = sc_source_now(p->inst->source)};
    for (unsigned i = 0; i < SC_MAX_REQUEST_HEADERS && rq->headers[i].name; i++)
        given[i] = rq->headers[i];
    if (take_apart(url, &in, host, err))
        return -1;
    const char *why = auth->sign(&p->host, &in, out);
    if (why)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "the request cannot be signed: %s", why);
    for (unsigned i = 0; i < SC_MAX_SIGN_HEADERS && out[i].name; i++) {
        drop_line(lines, count, out[i].name);
        if (!out[i].value || add_line(lines, count, sc_printf("%s: %s", out[i].name, out[i].value)))
            return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for a signature");
    }
    p->signed_ms = in.now;
    p->signed_mono = sc_mono_ms();
    p->signed_again = p->sign_again;
    p->sign_again = false;
    return 0;
}

bool sc_signature_refused(struct sc_poller *p, const struct sc_http_result *result, enum sc_reason said)
{
    bool refused = result->status == 401 || result->status == 403 || said == SC_REASON_CLOCK_SKEW;
    if (!refused || !p->signed_mono || p->signed_again || result->date_ms == SC_TIME_NONE)
        return false;
    int64_t off = result->date_ms + 500 - (p->signed_ms + result->date_mono_ms - p->signed_mono); /* Date has whole seconds */
    if (off <= SKEW_MS && off >= -SKEW_MS)
        return false;
    struct sc_log_cx cx = sc_poller_cx(p);
    char differs[SC_TIME_TEXT];
    int64_t clock = result->date_ms + 500 - sc_real_ms();
    p->sign_again = true;
    SC_LOG(SC_WARN, &cx, NULL, "%s: %d for a request that was signed with a time %s %s that of %s: it is signed again with the vendor's time, once%s; %s",
           sc_reason_code(SC_REASON_CLOCK_SKEW), result->status, sc_duration_text(off < 0 ? -off : off, differs), off < 0 ? "ahead of" : "behind",
           p->inst->config->origin, clock > SKEW_MS || clock < -SKEW_MS ? "" : " (this host's clock agrees with it by now)",
           sc_reason_row(SC_REASON_CLOCK_SKEW)->advice);
    return true;
}

/* ---- the lines --------------------------------------------------------------------------------------------------------------------- */

int sc_authorize(struct sc_poller *p, const struct sc_request *rq, char *url, char *lines[SC_HEADER_LINES], struct sc_error *err)
{
    const struct sc_auth *auth = sc_auth_of(p->inst->config);
    unsigned count = 0;
    p->signed_mono = 0;
    for (unsigned i = 0; i < SC_MAX_REQUEST_HEADERS && rq->headers[i].name; i++) {
        if (add_line(lines, &count, sc_printf("%s: %s", rq->headers[i].name, rq->headers[i].value)))
            return -1;
    }
    if (rq->no_auth)
        return 0;
    switch (auth->kind) {
    case SC_AUTH_BASIC:
        return add_basic(p, auth, lines, &count, err);
    case SC_AUTH_SIGNED:
        return add_signature(p, rq, auth, url, lines, &count, err);
    case SC_AUTH_HEADER:
    case SC_AUTH_OAUTH2_CLIENT:
    case SC_AUTH_LOGIN:
        return add_value(p, auth, lines, &count, err);
    case SC_AUTH_NONE:
        break;
    }
    return 0;
}
