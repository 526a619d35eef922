/* Names, addresses and connections that failed: what was seen of it here, what nameservers say, and whether other hosts fare better. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/reach.h"
#include "base/redact.h"
#include "http/transfer.h"

#define LOOK_MS (SC_DNS_MS + 1000)

struct sc_took sc_outcome_took(const struct sc_transfer *t)
{
    struct sc_took out;
    curl_off_t us = 0;
    curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &us);
    /* whole seconds once there are some: limits are */
    sc_duration_text(us < 950000 ? us / 1000 : (us + 500000) / 1000000 * 1000, out.text);
    return out;
}

static bool resolved(const struct sc_transfer *t)
{
    curl_off_t us = 0;
    curl_easy_getinfo(t->easy, CURLINFO_NAMELOOKUP_TIME_T, &us);
    return us > 0 || t->address[0];
}

bool sc_outcome_tcp_connected(const struct sc_transfer *t)
{
    curl_off_t us = 0;
    char *ip = NULL; /* known once TCP stands; the time is only noted when TLS stands, too */
    curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &us);
    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &ip);
    return us > 0 || (ip && *ip);
}

long sc_outcome_os_error(const struct sc_transfer *t)
{
    long code = 0;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &code);
    return code;
}

/* ---- this host among others -------------------------------------------------------------------------------------------------------- */

/* Nobody is reached, and nothing says that a proxy is to be asked. "": not so. */
static const char *nobody_is_reached(const struct sc_transfer *t, char *out, size_t cap)
{
    struct sc_reach_count others = sc_reach_others(t->place.host);
    *out = '\0';
    if (!t->proxy.name[0] && !sc_host_is_loopback(t->place.host) && !others.answered_direct && others.failed_direct)
        snprintf(out, cap, "none of %u vendor hosts can be reached directly and no proxy is set: set \"proxy\" in the integration or HTTPS_PROXY for the agent, "
                 "or let this host out", others.failed_direct + 1);
    return out;
}

/* ", 3 other vendors answer" */
static const char *others_answer(const struct sc_transfer *t, char *out, size_t cap)
{
    struct sc_reach_count others = sc_reach_others(t->place.host);
    *out = '\0';
    if (others.answered)
        snprintf(out, cap, ", %u other vendor%s", others.answered, others.answered == 1 ? " answers" : "s answer");
    return out;
}

/* ---- names ------------------------------------------------------------------------------------------------------------------------- */

void sc_outcome_no_name(struct sc_transfer *t, bool timed_out)
{
    t->doubt = SC_DOUBT_NAME;
    sc_transfer_fail(t, SC_REASON_DNS_FAILURE, "Cannot resolve %.120s: %s from the nameservers after %s; check the name, and the nameservers in this "
                     "container's resolv.conf", t->place.host, timed_out ? "no reply" : "no address", sc_outcome_took(t).text);
}

static void wrong_address(struct sc_transfer *t)
{
    t->doubt = SC_DOUBT_ADDRESS;
    sc_transfer_fail(t, SC_REASON_DNS_FAILURE, "DNS says that %.100s is %s, %s: the name is filtered or misspelt; have it allowed", t->place.host, t->address,
                     t->blocked_address ? "which is this host itself or nothing" : "a private address, and nobody answers there");
}

/* ---- connections ------------------------------------------------------------------------------------------------------------------- */

static void no_answer(struct sc_transfer *t)
{
    char where[SC_WHERE], others[64], nobody[220];
    if (t->blocked_address || t->private_address) {
        wrong_address(t);
        return;
    }
    sc_outcome_where(t, where);
    if (*nobody_is_reached(t, nobody, sizeof nobody))
        sc_transfer_fail(t, SC_REASON_CONNECT_TIMEOUT, "No answer from %.90s in %s; %s", where, sc_outcome_took(t).text, nobody);
    else
        sc_transfer_fail(t, SC_REASON_CONNECT_TIMEOUT, "No answer from %s in %s%s: let this host out to %.80s:%u, or set a proxy", where, sc_outcome_took(t).text,
                         others_answer(t, others, sizeof others), t->place.host, t->place.port);
}

static void no_way(struct sc_transfer *t, long error)
{
    char where[SC_WHERE], nobody[220], others[64];
    const char *why = error ? strerror((int)error) : "no address could be tried";
    sc_outcome_where(t, where);
    if (*nobody_is_reached(t, nobody, sizeof nobody))
        sc_transfer_fail(t, SC_REASON_NETWORK_UNREACHABLE, "No way from here to %.80s (%s); %s", where, why, nobody);
    else
        sc_transfer_fail(t, SC_REASON_NETWORK_UNREACHABLE, "No way from here to %.100s (%s)%s: check this host's network, let it out there, or set \"proxy\" in "
                         "the integration or HTTPS_PROXY for the agent", where, why, others_answer(t, others, sizeof others));
}

void sc_outcome_could_not_connect(struct sc_transfer *t)
{
    long error = sc_outcome_os_error(t);
    char where[SC_WHERE];
    if (t->blocked_address || t->private_address)
        wrong_address(t);
    else if (error == ECONNREFUSED)
        sc_transfer_fail(t, SC_REASON_CONNECTION_REFUSED, "%s refuses connections: the host is up, nothing listens there or a firewall rejects it; check "
                         "host and port", sc_outcome_where(t, where));
    else if (error == ETIMEDOUT)
        no_answer(t);
    else
        no_way(t, error);
}

void sc_outcome_timed_out(struct sc_transfer *t)
{
    char where[SC_WHERE];
    if (!resolved(t))
        sc_outcome_no_name(t, true);
    else if (!sc_outcome_tcp_connected(t))
        no_answer(t);
    else
        sc_transfer_fail(t, SC_REASON_READ_TIMEOUT, "%s: connected, but the TLS handshake was not done in %s; if it goes on, look for a firewall that opens "
                         "connections and then drops them", sc_outcome_where(t, where), sc_outcome_took(t).text);
}

/* Once is an accident; whoever cuts all connections at one age is on the way. */
static void again_and_again(const struct sc_transfer *t, int64_t age_ms, char *out, size_t cap)
{
    char age[SC_TIME_TEXT];
    struct sc_reach_cuts cuts = sc_reach_cut(t->place.host, age_ms);
    if (cuts.count <= 5)
        snprintf(out, cap, "if it goes on, something on the way cuts it");
    else if (cuts.median_age_ms >= 1000)
        snprintf(out, cap, "%s%u times in the last hour, after %s as a rule: something on the way closes connections at that age",
                 cuts.count >= SC_REACH_CUTS ? "at least " : "", cuts.count, sc_duration_text(cuts.median_age_ms / 1000 * 1000, age));
    else
        snprintf(out, cap, "%s%u times in the last hour: the network is unstable, or something on the way cuts connections",
                 cuts.count >= SC_REACH_CUTS ? "at least " : "", cuts.count);
}

void sc_outcome_lost(struct sc_transfer *t, const char *how)
{
    char where[SC_WHERE], body[64] = "before answering", more[160];
    curl_off_t wire = 0;
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
    if (t->final && t->length >= 0)
        snprintf(body, sizeof(body), "after %lld of %lld bytes", (long long)wire, (long long)t->length);
    else if (t->final)
        snprintf(body, sizeof(body), "after %lld bytes", (long long)wire);
    else if (t->head.total)
        snprintf(body, sizeof(body), "in the head of its answer");
    else if (t->state == SC_TRANSFER_CONNECTING)
        snprintf(body, sizeof(body), "during the TLS handshake");
    again_and_again(t, t->born_ms ? sc_mono_ms() - t->born_ms : 0, more, sizeof more);
    sc_transfer_fail(t, SC_REASON_CONNECTION_LOST, "%.120s: connection cut %s (%.50s, %s); %s", sc_outcome_where(t, where), body, how, sc_outcome_took(t).text, more);
}

/* ---- nameservers are asked before it is told --------------------------------------------------------------------------------------- */

static void wake(void *arg)
{
    sc_http_wakeup(arg);
}

static const char *doubtful_name(const struct sc_transfer *t, char *out, size_t cap)
{
    snprintf(out, cap, "%s", t->doubt == SC_DOUBT_PROXY ? t->proxy.name : t->place.host);
    char *port = t->doubt == SC_DOUBT_PROXY ? strrchr(out, ':') : NULL;
    if (port)
        *port = '\0';
    return out;
}

void sc_outcome_ask(struct sc_transfer *t)
{
    char host[256];
    if (t->doubt == SC_DOUBT_NONE || t->cancelled || t->looking)
        return;
    t->looking = sc_dns_ask(doubtful_name(t, host, sizeof host), wake, t->http);
    if (t->looking && sc_heap_set(&t->http->timers, &t->timer, sc_mono_ms() + LOOK_MS) != 0)
        t->looking = sc_dns_drop(t->looking);
}

/* What nameservers say in place of what was guessed. */
static void tell(struct sc_transfer *t, const struct sc_dns_look *look)
{
    char host[256], nobody[220];
    struct sc_http_result *r = &t->result;
    doubtful_name(t, host, sizeof host);
    switch (t->doubt) {
    case SC_DOUBT_NAME:
        sc_dns_explain(look, host, nobody_is_reached(t, nobody, sizeof nobody), r->text, sizeof r->text);
        break;
    case SC_DOUBT_ADDRESS:
        sc_dns_explain_address(look, host, t->address, t->private_address, r->text, sizeof r->text);
        break;
    case SC_DOUBT_PROXY:
        snprintf(r->text, sizeof r->text, "Proxy %.80s does not resolve (%.150s): correct the proxy setting, or the name there", t->proxy.name,
                 sc_dns_words(look, nobody, sizeof nobody));
        break;
    case SC_DOUBT_NONE:
        break;
    }
    sc_outcome_tidy(t);
}

bool sc_outcome_asked(struct sc_transfer *t)
{
    struct sc_dns_look look;
    if (!t->looking)
        return true;
    bool answered = sc_dns_get(t->looking, &look);
    if (!answered && !t->cancelled && !t->looked_enough)
        return false;
    if (answered && !t->cancelled)
        tell(t, &look);
    t->looking = sc_dns_drop(t->looking);
    sc_heap_remove(&t->http->timers, &t->timer);
    return true;
}
