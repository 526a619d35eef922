/* HTTP for one io thread: a libcurl multi handle, its transfers, their limits. All functions but sc_http_wakeup() belong to the
 * thread that made it. Callbacks run inside sc_http_turn() on that thread; a transfer is never freed inside its own callback. */
#pragma once

#include "base/buf.h"

struct sc_http;
struct sc_transfer;
struct sc_http_result;

struct sc_http_config {
    const char *user_agent;
    const char *ca_file; /* added to the system's roots; NULL: none. Read again when its mtime or size changes */
    uint32_t connect_timeout_s, first_byte_timeout_s, stall_timeout_s; /* 20, 120, 60 */
    uint64_t max_body;    /* decoded; 1 GiB */
    uint32_t max_headers; /* bytes in all, 256 KiB */
    uint32_t max_redirects; /* 3 */
    uint32_t turn_bytes;  /* most body bytes of one transfer in one turn, 256 KiB */
};

/* All strings are copied by sc_http_start. */
struct sc_http_request {
    const char *method; /* "GET" */
    const char *url;
    const char *const *headers; /* "Name: value" lines, NULL-terminated */
    struct sc_str content; /* request body */
    const char *proxy;    /* from the integration: wins over the environment; "" = none; NULL = environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) */
    const char *ca_file;  /* beside the config's; NULL: none */
    const char *cert_file, *key_file; /* client certificate with its chain, and its key; key_file NULL: both in the one; cert_file NULL: none */
    bool verify;          /* certificate and host name */
    bool allow_plain_http; /* else http:// only to loopback */
    uint64_t max_body;    /* 0: the config's */
    uint32_t first_byte_timeout_s; /* 0: the config's */
    bool no_redirects;    /* one that leads elsewhere is an error */
    bool public_host;     /* the host is on the Internet: a private address is none of its own */
    bool connect_only;    /* looks the name up, connects and greets afresh, then closes: nothing is asked. OK, status 0 and the wire: the way is good */
    void *arg;
    /* Instead of what sc_http_set_done() gave; NULL: that. */
    void (*done)(struct sc_transfer *transfer, const struct sc_http_result *result);
    /* The final head is known (redirects followed, 1xx and proxy heads left out). Return true: body bytes go to body(). False: up to
     * 64 KiB of the body are kept as result.prefix instead. */
    bool (*head)(void *arg, struct sc_transfer *transfer, int status);
    /* Body bytes, decoded. Returns how many were used; fewer than len pauses the transfer until sc_http_resume(), and the rest is
     * offered again; -1 ends the transfer (result.reason = SC_REASON_OK, result.aborted = true). */
    ptrdiff_t (*body)(void *arg, struct sc_transfer *transfer, const char *bytes, size_t len);
};

struct sc_http_timing { /* ms; 0 when it did not happen (reused connection) */
    uint32_t dns, connect, tls, first_byte, transfer;
};

/* What an exchange was like on the wire, for people and for checks. Filled for each, whichever way it ended; what did not happen, or is not known,
 * is empty, 0 or SC_TIME_NONE. After a redirect: the last exchange. */
struct sc_http_wire {
    char address[48];       /* connected to, or tried last: the host's, or the proxy's */
    uint16_t port;
    char tried[160];        /* all addresses that were tried, in their order: "192.0.2.1, 2001:db8::1" */
    char local[48];         /* our own end: behind NAT not what the vendor sees */
    char proxy[160];        /* host:port that it went through; empty: none */
    bool reused;            /* over a connection that stood already */
    int64_t connection_ms;  /* age of the connection when the exchange ended */
    char tls[16];           /* "TLSv1.3"; empty: no TLS, or its handshake failed */
    char subject[120];      /* of the server's certificate: the first names it is for */
    char issuer[96];
    unsigned chain;         /* certificates that were sent */
    int64_t not_before_ms, not_after_ms;
    bool verified;          /* against what we trust, and for that name */
    bool cert_wanted;       /* the server asked for a client certificate in this handshake */
    bool cert_sent;         /* and one was there */
    int64_t cert_until_ms;  /* the end of the one that is set, whether it was asked for or not */
    int64_t clock_off_ms;   /* the reply's Date less this host's clock: positive: we are behind. Date has whole seconds */
};

struct sc_http_result {
    void *arg;
    int status;             /* 0: no reply */
    enum sc_reason reason;  /* OK: the reply is complete; else why it is not (dns_failure, tls_untrusted, connection_lost, read_timeout,
                               response_too_large, bad_response for a redirect that is not allowed or headers over the cap …) */
    bool lasting;           /* somebody decided it: it does not get better by trying again soon */
    bool open;              /* what it is will be known better soon: to be tried again for that */
    int redirect;           /* status of one that was not followed (its Location can be read as any header); 0: none */
    bool aborted;           /* ended by body() == -1 or sc_http_cancel */
    char text[320];         /* sentence for the operator: host, address, port, times, what to do; no secrets */
    struct sc_str prefix;   /* see head(); valid during done() */
    uint64_t bytes_decoded, bytes_wire;
    struct sc_http_timing timing;
    struct sc_http_wire wire;
    int64_t date_ms;        /* the reply's Date; SC_TIME_NONE */
    int64_t date_mono_ms;   /* when it arrived, own monotonic clock */
};

struct sc_http *sc_http_new(const struct sc_http_config *config, struct sc_error *err);
struct sc_http *sc_http_free(struct sc_http *http); /* cancels all without callbacks; returns NULL */
/* Hands it to the calling thread, which owns it from now on; between two threads that never use it at the same time. */
void sc_http_adopt(struct sc_http *http);
void sc_http_set_done(struct sc_http *http, void (*done)(struct sc_transfer *transfer, const struct sc_http_result *result));

/* NULL + err: bad URL, plain http refused (config_invalid), out of memory. Else done() is called exactly once, from a later turn,
 * also after cancel; the transfer is gone when done() returns. */
struct sc_transfer *sc_http_start(struct sc_http *http, const struct sc_http_request *request, struct sc_error *err);
void sc_http_cancel(struct sc_transfer *transfer);
void sc_http_resume(struct sc_transfer *transfer);
/* nth header line (from 0) of the final head by name, case ignored; absent: {NULL,0}. Valid until done() returns. */
struct sc_str sc_http_header(const struct sc_transfer *transfer, const char *name, unsigned nth);
/* Appends all lines of the final head as "Name: value\n", for who needs them after done(). -1: out of memory. */
int sc_http_headers(const struct sc_transfer *transfer, struct sc_buf *out);
/* Sends, receives, calls back; waits up to timeout_ms for something to do. */
void sc_http_turn(struct sc_http *http, int64_t timeout_ms);
void sc_http_wakeup(struct sc_http *http); /* any thread: ends the wait of the current or next turn */

/* Process-wide, once each, main thread. */
int sc_http_global_init(struct sc_error *err);
void sc_http_global_done(void);

/* URL helpers (by libcurl's parser). origin = "https://host[:port]", default port left out, host lower-case. */
int sc_url_origin(const char *url, char *out, size_t cap);
bool sc_url_is_loopback(const char *url);
bool sc_url_is_plain_http(const char *url);
/* "/a?b" below base "https://h/x" -> "https://h/x/a?b"; absolute URLs stay. */
int sc_url_join(const char *base, const char *path, struct sc_buf *out);
