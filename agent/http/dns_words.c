/* What nameservers said, for people. */
#include "http/dns.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static const char *rcode_name(int rcode)
{
    static const char *const names[] = {"", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};
    return rcode > 0 && (size_t)rcode < sizeof names / sizeof *names ? names[rcode] : NULL;
}

enum { NOERROR = 0, NXDOMAIN = 3 };

static void say_server(const struct sc_dns_server *s, char *out, size_t cap)
{
    char took[SC_TIME_TEXT];
    sc_duration_text(s->ms, took);
    const char *name = rcode_name(s->rcode);
    if (s->said == SC_DNS_MUTE)
        snprintf(out, cap, "%s no reply in %s", s->address, took);
    else if (s->said == SC_DNS_CLOSED)
        snprintf(out, cap, "%s: %s", s->address, strerror(s->error));
    else if (s->said == SC_DNS_BROKEN)
        snprintf(out, cap, "%s answers no DNS", s->address);
    else if (s->rcode == NOERROR && s->addresses)
        snprintf(out, cap, "%s says %s in %s", s->address, s->first, took);
    else if (s->rcode == NOERROR)
        snprintf(out, cap, "%s no address in %s", s->address, took);
    else if (name)
        snprintf(out, cap, "%s %s in %s", s->address, name, took);
    else
        snprintf(out, cap, "%s RCODE %d in %s", s->address, s->rcode, took);
}

const char *sc_dns_words(const struct sc_dns_look *look, char *out, size_t cap)
{
    size_t len = 0;
    *out = '\0';
    for (unsigned i = 0; i < look->count; i++) {
        char one[160];
        say_server(&look->servers[i], one, sizeof one);
        int n = snprintf(out + len, cap - len, "%s%s", len ? ", " : "", one);
        if (n < 0 || (size_t)n >= cap - len)
            break;
        len += (size_t)n;
    }
    return out;
}

/* The domain that somebody would allow: the last two labels. */
static const char *domain_of(const char *host)
{
    const char *last = strrchr(host, '.'), *at = last;
    while (at && at > host && at[-1] != '.')
        at--;
    return at ? at : host;
}

/* The first server that says there is no such thing; NULL: none does. */
static const struct sc_dns_server *denier(const struct sc_dns_look *look)
{
    for (unsigned i = 0; i < look->count; i++) {
        const struct sc_dns_server *s = &look->servers[i];
        if (s->said == SC_DNS_ANSWER && (s->rcode == NXDOMAIN || (s->rcode == NOERROR && !s->addresses)))
            return s;
    }
    return NULL;
}

static bool has_address(const struct sc_dns_look *look)
{
    for (unsigned i = 0; i < look->count; i++)
        if (look->servers[i].said == SC_DNS_ANSWER && look->servers[i].addresses)
            return true;
    return false;
}

void sc_dns_explain(const struct sc_dns_look *look, const char *host, const char *cure, char *out, size_t cap)
{
    char words[150], own[140];
    const struct sc_dns_server *denies = denier(look);
    sc_dns_words(look, words, sizeof words);
    if (!look->count)
        snprintf(out, cap, "Cannot resolve %.100s: that is no name that DNS could know; correct the host in the settings", host);
    else if (has_address(look))
        snprintf(out, cap, "Cannot resolve %.80s, though now: %s; slow or lossy nameservers do this: check them in this container's resolv.conf", host, words);
    else if (denies) {
        if (denies->others)
            snprintf(own, sizeof own, "it is misspelt or filtered: correct it, or have %.60s allowed there", domain_of(host));
        else
            snprintf(own, sizeof own, "it is misspelt, or that nameserver does not know the outside: correct the one or the other");
        snprintf(out, cap, "Cannot resolve %.60s: %.50s says that the name %s%s; %s", host, denies->address,
                 denies->rcode == NXDOMAIN ? "does not exist (NXDOMAIN)" : "has no address", denies->others ? ", while it resolves others" : "",
                 *cure && !denies->others ? cure : own);
    } else
        snprintf(out, cap, "Cannot resolve %.80s: %s%s; %s the nameservers in this container's resolv.conf", host, words,
                 look->unnamed ? " (resolv.conf names no nameserver)" : "", look->unnamed ? "name" : "check");
}

void sc_dns_explain_address(const struct sc_dns_look *look, const char *host, const char *address, bool private, char *out, size_t cap)
{
    const char *who = "DNS";
    if (look->in_hosts_file)
        who = "/etc/hosts";
    for (unsigned i = 0; i < look->count && !look->in_hosts_file; i++)
        if (look->servers[i].said == SC_DNS_ANSWER && strcmp(look->servers[i].first, address) == 0)
            who = look->servers[i].address;
    if (private)
        snprintf(out, cap, "%.60s says that %.80s is %s, a private address, and nobody answers there: the name is filtered, or leads to a private endpoint "
                 "that does not let this host in; have %.60s allowed", who, host, address, domain_of(host));
    else
        snprintf(out, cap, "%.60s says that %.100s is %s, which is this host itself or nothing: the name is filtered or misspelt; have %.60s allowed", who, host,
                 address, domain_of(host));
}
