#include "poll/foreign.h"

#include "base/reach.h"
#include "operate/page.h"

#include <stdio.h>
#include <strings.h>

#define PAGE_BYTES 16384u /* enough for its title */

/* What stands before the vendor's API, for people: `from server "nginx", via "proxy1"` */
static void say_server(const struct sc_poller *p, char *out, size_t cap)
{
    struct sc_str server = sc_host_services.header(&p->host, "Server", 0), via = sc_host_services.header(&p->host, "Via", 0);
    size_t used = 0;
    *out = '\0';
    if (server.len)
        used = (size_t)snprintf(out, cap, " from server \"%.*s\"", (int)(server.len < 40 ? server.len : 40), server.ptr);
    if (via.len && used < cap)
        snprintf(out + used, cap - used, " via \"%.*s\"", (int)(via.len < 60 ? via.len : 60), via.ptr);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < 0x20)
            *c = ' ';
}

/* The same page at other vendors' hosts: nobody of them made it. 0: it is this one's alone. */
static unsigned shown_elsewhere(const struct sc_poller *p, const char *title, const char *server)
{
    char what[400];
    const char *host = strstr(p->inst->config->origin, "://");
    snprintf(what, sizeof what, "%s|%s", title, server);
    return sc_reach_mark(host ? host + 3 : p->inst->config->origin, SC_MARK_PAGE, what);
}

static void describe(const struct sc_poller *p, const char *title, char *out, size_t cap)
{
    char server[160];
    say_server(p, server, sizeof server);
    unsigned others = shown_elsewhere(p, title, server);
    int n = snprintf(out, cap, "%s sent a web page (%s%s%s)%.150s, not data", p->inst->config->origin, title[0] ? "\"" : "", title[0] ? title : "without title",
                     title[0] ? "\"" : "", server);
    if (others && n > 0 && (size_t)n < cap)
        snprintf(out + n, cap - (size_t)n, "; %u other vendor%s the same: it is the login page of this network (captive portal) or of a proxy", others,
                 others == 1 ? " shows" : "s show");
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------------------ */

static void say_address(const struct sc_poller *p, const struct sc_http_result *result, const char *quoted, struct sc_foreign *ret)
{
    const char *local = result->wire.local;
    char seen[80] = "", here[160] = "";
    if (quoted[0])
        snprintf(seen, sizeof seen, " (%s, as it says)", quoted);
    if (result->wire.proxy[0])
        snprintf(here, sizeof here, "; it goes through proxy %.80s, whose address is the one that counts", result->wire.proxy);
    else if (local[0] && strcmp(local, quoted) != 0)
        snprintf(here, sizeof here, "; here it is %s%s", local, sc_address_is_private(local) ? ", so the public address of the NAT must be on the list" : "");
    snprintf(ret->detail, sizeof ret->detail, "%d %s: %.80s refuses requests from this address%s%s", result->status, sc_status_phrase(result->status),
             p->inst->config->origin, seen, here);
    ret->reason = SC_REASON_IP_NOT_ALLOWED;
}

/* 403 with a web page: whoever stands before the API refuses, and it can judge by the address alone. */
static void say_front(const struct sc_poller *p, const struct sc_http_result *result, const char *page, struct sc_foreign *ret)
{
    const char *local = result->wire.local;
    snprintf(ret->detail, sizeof ret->detail, "%d %s: %.220s: something in front of its API refuses, as for an address that is not allowed (%s%s here)",
             result->status, sc_status_phrase(result->status), page, local[0] ? local : "unknown", sc_address_is_private(local) ? ", behind NAT another one" : "");
    ret->reason = SC_REASON_IP_NOT_ALLOWED;
    (void)p;
}

static bool may_be_sharpened(enum sc_reason said)
{
    return said == SC_REASON_OK || said == SC_REASON_PERMISSION_DENIED || said == SC_REASON_AUTH_INVALID || said == SC_REASON_AUTH_EXPIRED ||
           said == SC_REASON_VENDOR_ERROR || said == SC_REASON_NOT_FOUND || said == SC_REASON_BAD_RESPONSE || said == SC_REASON_WRONG_HOST;
}

static void say_cert(const struct sc_poller *p, const struct sc_http_result *result, struct sc_foreign *ret)
{
    const struct sc_integration *c = p->inst->config;
    ret->reason = SC_REASON_CONFIG_INVALID;
    if (!c->cert_file) {
        snprintf(ret->detail, sizeof ret->detail, "%d: %.100s wants a client certificate, and none is set", result->status, c->origin);
        snprintf(ret->advice, sizeof ret->advice, "Give tls.cert_file and tls.key_file in the integration (paths of PEM files that the agent can read).");
        return;
    }
    snprintf(ret->detail, sizeof ret->detail, "%d: %.100s does not accept the client certificate of %.150s", result->status, c->origin, c->cert_file);
    snprintf(ret->advice, sizeof ret->advice, "Give it one of a CA that it knows, and not yet expired; the file is read again without a restart.");
}

bool sc_foreign_refusal(struct sc_poller *p, const struct sc_http_result *result, enum sc_reason said, const char *words, struct sc_str body,
                        struct sc_foreign *ret)
{
    char title[SC_PAGE_TITLE], quoted[48], page_words[420];
    int status = result->status;
    *ret = (struct sc_foreign){0};
    if (sc_page_wants_cert(status, body)) {
        say_cert(p, result, ret);
        return true;
    }
    if (!may_be_sharpened(said))
        return false;
    if ((status == 401 || status == 403) && sc_page_refuses_address(body, quoted)) {
        say_address(p, result, quoted, ret);
        return true;
    }
    if (!sc_page_read(body, title) || (said && status != 403) || (words && words[0] && status != 403))
        return false;
    describe(p, title, page_words, sizeof page_words);
    if (status == 403) {
        say_front(p, result, page_words, ret);
        return true;
    }
    struct sc_status_reading reading = sc_read_status(status, false);
    bool no_such_path = status == 404 || status == 405 || status == 410; /* an API says so in its own form */
    ret->reason = no_such_path ? SC_REASON_WRONG_HOST : reading.reason;
    snprintf(ret->detail, sizeof ret->detail, "%d %s: %.360s", status, reading.phrase, page_words);
    return no_such_path || status >= 500;
}

/* ---- a page in place of data --------------------------------------------------------------------------------------------------------- */

bool sc_foreign_page_begins(struct sc_poller *p, const char *bytes, size_t len)
{
    if (!len || bytes[0] != '<')
        return false;
    if (p->spec_now->format == SC_CUT_XML) {
        char title[SC_PAGE_TITLE];
        return sc_page_read((struct sc_str){bytes, len}, title);
    }
    return true;
}

ptrdiff_t sc_foreign_page_take(struct sc_poller *p, const char *bytes, size_t len)
{
    size_t room = PAGE_BYTES - p->web_page.len;
    p->is_web_page = true;
    if (sc_buf_add(&p->web_page, bytes, len < room ? len : room) || len > room)
        return -1;
    return (ptrdiff_t)len;
}

void sc_foreign_page_tell(struct sc_poller *p)
{
    char title[SC_PAGE_TITLE], text[420];
    sc_redact_buf(&p->web_page);
    sc_page_read(sc_buf_str(&p->web_page), title);
    describe(p, title, text, sizeof text);
    sc_error_clear(&p->cut_error);
    sc_fail(&p->cut_error, SC_REASON_BAD_RESPONSE, "%d %s: %s", p->status, sc_status_phrase(p->status), text);
    sc_foreign_page_forget(p);
}

void sc_foreign_page_forget(struct sc_poller *p)
{
    sc_buf_done(&p->web_page);
    p->is_web_page = false;
}
