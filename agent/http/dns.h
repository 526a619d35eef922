/* Why a name does not resolve. getaddrinfo() says the same for a server that fails, refuses, is mute or closed: here each nameserver of resolv.conf is
 * asked once by itself, and what it says is kept. Nobody is asked on an io thread: a thread of this module does it, for one name after another, not
 * the same name more than once a minute. */
#pragma once

#include "base/error.h"

#define SC_DNS_SERVERS 3    /* as many as libc asks */
#define SC_DNS_MS      5000 /* how long an answer is waited for */

enum sc_dns_said {
    SC_DNS_ANSWER, /* rcode counts */
    SC_DNS_MUTE,   /* nothing within SC_DNS_MS */
    SC_DNS_CLOSED, /* it cannot be reached: error counts */
    SC_DNS_BROKEN  /* something that is no DNS answer */
};

struct sc_dns_server {
    char address[64];
    enum sc_dns_said said;
    int rcode, error;
    uint32_t ms;        /* until it said so */
    unsigned addresses; /* IPv4, in its answer */
    char first[48];     /* of them */
    bool others;        /* it knows the domain above: names resolve, this one does not */
};

struct sc_dns_look {
    char host[256];
    bool in_hosts_file; /* /etc/hosts names it: no server is asked for it then */
    bool unnamed;       /* resolv.conf names no server: libc asks 127.0.0.1 */
    unsigned count;
    struct sc_dns_server servers[SC_DNS_SERVERS];
};

/* Asks all of them at once, here and now: takes up to SC_DNS_MS. stop_fd: readable = leave at once; -1: none. Any thread but io threads. */
void sc_dns_look(const char *host, int stop_fd, struct sc_dns_look *ret);
/* "10.0.0.1 SERVFAIL in 3 ms, 10.0.0.2 no reply in 5 s" */
const char *sc_dns_words(const struct sc_dns_look *look, char *out, size_t cap);
/* The failed lookup of a name as a sentence with what to do: what the answers suggest; `cure`, unless it is empty, where they say that nobody here knows
 * the outside. */
void sc_dns_explain(const struct sc_dns_look *look, const char *host, const char *cure, char *out, size_t cap);
/* The same where it resolves to an address that nobody can be at. */
void sc_dns_explain_address(const struct sc_dns_look *look, const char *host, const char *address, bool private, char *out, size_t cap);

/* ---- asked by that thread -------------------------------------------------------------------------------------------------------- */

struct sc_dns_case;
/* wake(arg) is called once from the other thread when there is an answer; where one of the last minute is at hand, it counts and nothing is called.
 * NULL: too much is under way, or out of memory. Any thread. */
struct sc_dns_case *sc_dns_ask(const char *host, void (*wake)(void *arg), void *arg);
bool sc_dns_get(struct sc_dns_case *c, struct sc_dns_look *ret); /* false: not yet */
struct sc_dns_case *sc_dns_drop(struct sc_dns_case *c);          /* no wake() after it; NULL is fine; returns NULL */
void sc_dns_stop(void);                                          /* ends the thread; main thread, when no case is left */
