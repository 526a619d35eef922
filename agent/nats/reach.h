/* Can a server of NATS be reached at all? The library says "no server" to a wrong name, a closed
 * port and a missing route alike, so each address is tried once more by hand. Blocks, with a bound
 * (but for the resolver, which has its own); any thread. */
#pragma once

#include "base/buf.h"

enum sc_reach_result {
    SC_REACH_GOOD,
    SC_REACH_NO_NAME, /* the name server says that there is no such name */
    SC_REACH_NO_DNS,  /* no name server answers, or it failed */
    SC_REACH_REFUSED,
    SC_REACH_UNREACHABLE, /* no route */
    SC_REACH_TIMEOUT,     /* no answer to TCP */
    SC_REACH_MUTE,        /* TCP is up, no greeting came */
    SC_REACH_NOT_NATS,    /* something else greets */
    SC_REACH_ERROR
};

struct sc_reach {
    enum sc_reach_result result;
    char host[256], address[64]; /* address: that was tried last; empty: none */
    char port[8];
    int64_t resolve_ms, connect_ms; /* -1: did not come so far */
    char what[110];                 /* "the name does not resolve (no such name)" */
    struct {
        char version[16]; /* "TLSv1.3"; empty: no TLS was spoken */
        char subject[120], issuer[120];
        int64_t ends_ms; /* real: of the server's certificate */
    } tls;               /* nothing of it is verified here */
    char text[200];      /* "x:4222: the name does not resolve (no such name)" */
};

/* One URL of a list ("nats://user:password@host:port", "tls://host", "host"). greeting (may be
 * NULL): the server's INFO is waited for, and its JSON text put there; then MUTE and NOT_NATS are
 * told apart from GOOD, and where the server wants TLS its certificate is looked at (a
 * peer that goes away meanwhile raises SIGPIPE where that is not ignored). */
void sc_reach_try(const char *url, size_t len, uint32_t timeout_ms, struct sc_buf *greeting,
                  struct sc_reach *ret);
/* All of a comma-separated list, as one text: what is wrong with each, by name where there are
 * several. True: at least one takes connections. */
bool sc_reach_explain(const char *urls, uint32_t timeout_ms, char *out, size_t cap);
