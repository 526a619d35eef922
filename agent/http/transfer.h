/* Inside agent/http: one transfer and the loop it belongs to.
 *
 * A transfer is one curl easy handle and goes NEW -> CONNECTING -> SENT -> BODY -> ENDED; a
 * redirect goes back to CONNECTING. curl's callbacks only note what happened; the multi handle and
 * the list of transfers are changed between curl_multi_perform() calls, by the loop in http.c. That
 * is why everything is allowed inside the caller's callbacks. */
#pragma once

#include "http/http.h"

#include "base/clock.h"
#include "base/heap.h"
#include "http/client_cert.h"
#include "http/dns.h"
#include "http/head.h"
#include "http/proxy.h"
#include "http/trust.h"
#include "http/url.h"

#include <pthread.h>

#define SC_HTTP_PREFIX                                                                             \
    (64u * 1024) /* kept of a body that head() does not want; drained of a redirect */
#define SC_HTTP_RATIO      200u                /* decoded bytes for one on the wire ... */
#define SC_HTTP_RATIO_FROM (64u * 1024 * 1024) /* ... beyond that many decoded */

enum sc_transfer_state {
    SC_TRANSFER_NEW,        /* not given to curl yet */
    SC_TRANSFER_CONNECTING, /* name, TCP, proxy, TLS */
    SC_TRANSFER_SENT,       /* request on its way; the final head is not complete */
    SC_TRANSFER_BODY,
    SC_TRANSFER_ENDED /* no longer curl's; waits for done() */
};

/* What DNS may have to say about a failure, before it is told. */
enum sc_doubt {
    SC_DOUBT_NONE,
    SC_DOUBT_NAME,    /* it does not resolve */
    SC_DOUBT_ADDRESS, /* it resolves to where nobody can be */
    SC_DOUBT_PROXY    /* the proxy's name does not resolve */
};

#define SC_CONNECTIONS 256
struct sc_connection { /* since when the connection from this port of ours stands */
    uint16_t local_port;
    int64_t born_ms;
};

struct sc_http {
    CURLM *multi;
    struct sc_http_config config;
    char *user_agent, *ca_file;
    struct sc_trust_cache *trust;
    struct sc_heap timers;
    struct sc_transfer *first, **last;
    void (*done)(struct sc_transfer *transfer, const struct sc_http_result *result);
    uint64_t turn;  /* counts */
    int64_t now_ms; /* of this turn */
    bool in_turn;
    bool work; /* the next turn has something to do without waiting */
    pthread_t owner;
    struct sc_client_cert *certs;
    struct sc_connection connections[SC_CONNECTIONS];
    unsigned connections_next;
};

struct sc_transfer {
    struct sc_transfer *next, **link;
    struct sc_http *http;
    CURL *easy;
    struct sc_timer timer; /* first byte or stall; armed in SENT and BODY */
    enum sc_transfer_state state;

    /* the request, owned */
    char *method, *url, *body, *ca_file;
    size_t body_len;
    struct curl_slist *headers;
    struct sc_url_place place;
    struct sc_proxy proxy;
    struct sc_trust *trust; /* NULL: no TLS, or not verified */
    struct sc_client_cert *cert; /* NULL: none */
    char *cert_file;
    bool public_host;
    uint64_t max_body;
    uint32_t first_byte_timeout_s, max_redirects;
    bool verify;
    bool connect_only;
    void (*on_done)(struct sc_transfer *transfer, const struct sc_http_result *result);
    bool (*on_head)(void *arg, struct sc_transfer *transfer, int status);
    ptrdiff_t (*on_body)(void *arg, struct sc_transfer *transfer, const char *bytes, size_t len);

    /* this exchange; fresh after a redirect */
    struct sc_peer *peer;
    struct sc_head head;
    int connect_status; /* of the proxy's answer to CONNECT */
    char *redirect;     /* where it leads; the exchange is only drained */
    uint64_t drained;
    char address[48]; /* of the peer or the proxy, numeric */
    uint16_t address_port;
    bool blocked_address; /* a name led to 0.0.0.0, :: or this very host */
    bool private_address; /* ... to an address of nobody's on the Internet */
    bool drained_enough;
    bool final; /* head is the one the caller saw */
    int64_t born_ms; /* of its connection, monotonic; 0: there is none */
    int64_t sent_ms, progress_ms, uploaded;
    int64_t length;    /* Content-Length; -1: none */
    bool encoded;      /* Content-Encoding */
    int64_t wire_seen; /* body bytes from the network when the stall timer last looked */

    /* the body stream: curl offers a chunk again from its start after a pause, and may join it with
     * more */
    uint64_t skip; /* bytes at the front of the next chunk that were used before */
    bool wanted;   /* head() said true */
    bool paused;   /* by body(), until sc_http_resume() */
    bool yielded;  /* by us, until the next turn */
    bool resume_asked, in_body;
    uint64_t turn_seen;
    uint32_t turn_used;
    struct sc_buf prefix;

    uint32_t redirects;
    uint64_t ready_turn; /* done() not before this turn */
    bool stopped;        /* no more callbacks: cancelled, failed or enough */
    bool cancelled, prefix_full, in_done;
    enum sc_doubt doubt;
    struct sc_dns_case *looking; /* ENDED; done() waits for what nameservers say */
    bool looked_enough;
    struct sc_http_result result;
    char error[CURL_ERROR_SIZE];
};

struct sc_transfer *sc_transfer_new(struct sc_http *http, const struct sc_http_request *request,
                                    struct sc_error *err);
struct sc_transfer *
sc_transfer_free(struct sc_transfer *t); /* must be out of the multi handle and the list */
/* Verdict of ours on a running exchange; the first one counts. No more callbacks follow. */
void sc_transfer_fail(struct sc_transfer *t, enum sc_reason reason, const char *fmt, ...)
    SC_PRINTF(3, 4);
/* Fires when the first byte or the next one is too late; ends the transfer through http.c. */
void sc_transfer_on_timer(struct sc_timer *timer, void *arg);
/* Makes the easy handle ready for t->redirect. -1: failed, verdict set. */
int sc_transfer_follow(struct sc_transfer *t);

/* http.c: takes it from curl and makes it ENDED, or sends it on to where a redirect leads. Not
 * inside curl's callbacks. */
void sc_http_end(struct sc_transfer *t, CURLcode code);

/* wire.c: what the exchange was like, noted on the way. */
void sc_wire_tried(struct sc_transfer *t); /* t->address is being connected to */
void sc_wire_connected(struct sc_transfer *t, const char *own_ip, uint16_t own_port);
void sc_wire_answered(struct sc_transfer *t); /* the final head is there */
void sc_wire_fill(struct sc_transfer *t);     /* at the end; timing, too */

/* outcome.c: result from curl's code, the verdict and what was seen on the way. */
void sc_outcome_fill(struct sc_transfer *t, CURLcode code);
#define SC_WHERE 256
/* "api.example.com (192.0.2.1) port 443", "... through proxy p:3128" */
const char *sc_outcome_where(struct sc_transfer *t, char out[SC_WHERE]);
bool sc_outcome_via_proxy(const struct sc_transfer *t);
void sc_outcome_proxy_auth(struct sc_transfer *t); /* the proxy's head with its 407 is in t->head */
void sc_outcome_too_large(struct sc_transfer *t);
/* outcome_net.c: names, addresses, connections; what is asked of DNS before it is told. */
void sc_outcome_no_name(struct sc_transfer *t, bool timed_out);
void sc_outcome_could_not_connect(struct sc_transfer *t);
void sc_outcome_timed_out(struct sc_transfer *t);
void sc_outcome_lost(struct sc_transfer *t, const char *how);
void sc_outcome_tidy(struct sc_transfer *t); /* one line, no secrets */
void sc_outcome_ask(struct sc_transfer *t);  /* it has ended: asks nameservers where they may know why */
bool sc_outcome_asked(struct sc_transfer *t); /* false: their answer is waited for */
bool sc_outcome_tcp_connected(const struct sc_transfer *t);
long sc_outcome_os_error(const struct sc_transfer *t);
struct sc_took { /* how long it took, for people */
    char text[SC_TIME_TEXT];
};
struct sc_took sc_outcome_took(const struct sc_transfer *t);
/* outcome_tls.c: handshake and certificate. false: not one of these. */
bool sc_outcome_tls(struct sc_transfer *t, CURLcode code);
/* The server ended it for want of a client certificate, or did not like ours. */
bool sc_outcome_cert(struct sc_transfer *t, CURLcode code);
const char *sc_outcome_openssl_text(const char *error, unsigned long *ret_reason);
