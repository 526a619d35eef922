/* One look: a query for the name, and one for the domain above, to each nameserver, by UDP. ldns makes and reads the messages; what comes back is
 * anybody's, so it counts only when it comes from the server's address, bears our id and repeats our question. */
#include "http/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"

#define REPLY_MAX 4096

struct question {
    uint16_t id;
    uint8_t *wire;
    size_t len;
    ldns_rr_type type;
    ldns_rdf *name;
};

struct look {
    struct sc_dns_look *to;
    struct question host, above;
    int fds[SC_DNS_SERVERS];
    bool heard[SC_DNS_SERVERS], heard_above[SC_DNS_SERVERS];
    int64_t began;
};

/* ---- whom to ask ------------------------------------------------------------------------------------------------------------------- */

static void read_servers(struct sc_dns_look *to)
{
    char line[512];
    FILE *f = fopen("/etc/resolv.conf", "re");
    while (f && to->count < SC_DNS_SERVERS && fgets(line, sizeof line, f))
        if (sscanf(line, " nameserver %63s", to->servers[to->count].address) == 1)
            to->count++;
    if (f)
        fclose(f);
    to->unnamed = to->count == 0;
    if (to->unnamed) {
        snprintf(to->servers[0].address, sizeof to->servers[0].address, "127.0.0.1");
        to->count = 1;
    }
}

static bool in_hosts_file(const char *host)
{
    char line[1024], *rest = NULL;
    bool found = false;
    FILE *f = fopen("/etc/hosts", "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "#")] = '\0';
        char *word = strtok_r(line, " \t\r\n", &rest);
        while (word && !found && (word = strtok_r(NULL, " \t\r\n", &rest)))
            found = strcasecmp(word, host) == 0;
    }
    if (f)
        fclose(f);
    return found;
}

/* A socket that hears that server alone; -1: errno. */
static int connect_to(const char *address)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM}, *found = NULL;
    if (getaddrinfo(address, "53", &hints, &found) || !found) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen)) {
        int error = errno;
        close(fd);
        fd = -1;
        errno = error;
    }
    freeaddrinfo(found);
    return fd;
}

/* ---- messages ---------------------------------------------------------------------------------------------------------------------- */

static bool make_question(struct question *q, const char *name, ldns_rr_type type)
{
    ldns_pkt *packet = NULL;
    q->type = type;
    if (sc_random(&q->id, sizeof q->id) || ldns_str2rdf_dname(&q->name, name) != LDNS_STATUS_OK)
        return false;
    ldns_rdf *owned = ldns_rdf_clone(q->name); /* the packet's */
    packet = owned ? ldns_pkt_query_new(owned, type, LDNS_RR_CLASS_IN, LDNS_RD) : NULL;
    if (packet) {
        ldns_pkt_set_id(packet, q->id);
        if (ldns_pkt2wire(&q->wire, packet, &q->len) != LDNS_STATUS_OK)
            q->wire = NULL;
        ldns_pkt_free(packet);
    }
    return q->wire != NULL;
}

static void question_done(struct question *q)
{
    free(q->wire);
    ldns_rdf_deep_free(q->name);
    *q = (struct question){0};
}

static bool answers(const ldns_pkt *packet, const struct question *q)
{
    const ldns_rr_list *asked = ldns_pkt_question(packet);
    if (!q->wire || !ldns_pkt_qr(packet) || ldns_pkt_id(packet) != q->id || ldns_rr_list_rr_count(asked) != 1)
        return false;
    const ldns_rr *rr = ldns_rr_list_rr(asked, 0);
    return ldns_rr_get_type(rr) == q->type && ldns_dname_compare(ldns_rr_owner(rr), q->name) == 0;
}

static void take_addresses(struct sc_dns_server *server, const ldns_pkt *packet)
{
    const ldns_rr_list *list = ldns_pkt_answer(packet);
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(list, i);
        const ldns_rdf *rdf = ldns_rr_get_type(rr) == LDNS_RR_TYPE_A ? ldns_rr_rdf(rr, 0) : NULL;
        if (!rdf || ldns_rdf_size(rdf) != 4)
            continue;
        if (server->addresses++ == 0)
            inet_ntop(AF_INET, ldns_rdf_data(rdf), server->first, sizeof server->first);
    }
}

static void hear(struct look *l, unsigned i, const uint8_t *bytes, size_t len)
{
    struct sc_dns_server *server = &l->to->servers[i];
    ldns_pkt *packet = NULL;
    if (ldns_wire2pkt(&packet, bytes, len) != LDNS_STATUS_OK) {
        if (!l->heard[i])
            server->said = SC_DNS_BROKEN;
        return;
    }
    if (!l->heard[i] && answers(packet, &l->host)) {
        l->heard[i] = true;
        server->said = SC_DNS_ANSWER;
        server->rcode = (int)ldns_pkt_get_rcode(packet);
        server->ms = (uint32_t)(sc_mono_ms() - l->began);
        take_addresses(server, packet);
    } else if (!l->heard_above[i] && answers(packet, &l->above)) {
        l->heard_above[i] = true;
        server->others = ldns_pkt_get_rcode(packet) == LDNS_RCODE_NOERROR && ldns_pkt_ancount(packet) > 0;
    }
    ldns_pkt_free(packet);
}

/* ---- asking ------------------------------------------------------------------------------------------------------------------------ */

static void give_up(struct look *l, unsigned i, int error)
{
    struct sc_dns_server *server = &l->to->servers[i];
    if (!l->heard[i]) {
        server->said = SC_DNS_CLOSED;
        server->error = error;
        server->ms = (uint32_t)(sc_mono_ms() - l->began);
    }
    if (l->fds[i] >= 0)
        close(l->fds[i]);
    l->fds[i] = -1;
}

static void ask_all(struct look *l)
{
    for (unsigned i = 0; i < l->to->count; i++) {
        l->to->servers[i].said = SC_DNS_MUTE;
        l->to->servers[i].ms = SC_DNS_MS;
        l->heard_above[i] = !l->above.wire;
        l->fds[i] = connect_to(l->to->servers[i].address);
        if (l->fds[i] < 0 || send(l->fds[i], l->host.wire, l->host.len, MSG_NOSIGNAL) < 0 ||
            (l->above.wire && send(l->fds[i], l->above.wire, l->above.len, MSG_NOSIGNAL) < 0)) /* of the first one: nobody listens there */
            give_up(l, i, errno);
    }
}

static void read_some(struct look *l, unsigned i)
{
    uint8_t bytes[REPLY_MAX];
    ssize_t n = recv(l->fds[i], bytes, sizeof bytes, 0);
    if (n >= 0)
        hear(l, i, bytes, (size_t)n);
    else if (errno != EAGAIN && errno != EINTR)
        give_up(l, i, errno);
}

/* One round of waiting. false: nobody is waited for any more. The domain above is not waited for longer than a second behind the last name. */
static bool wait_some(struct look *l, int stop_fd)
{
    struct pollfd fds[SC_DNS_SERVERS + 1];
    unsigned of[SC_DNS_SERVERS], n = 0, names = 0;
    for (unsigned i = 0; i < l->to->count; i++) {
        if (l->fds[i] < 0 || (l->heard[i] && l->heard_above[i]))
            continue;
        names += !l->heard[i];
        of[n] = i;
        fds[n++] = (struct pollfd){.fd = l->fds[i], .events = POLLIN};
    }
    int64_t left = l->began + (names ? SC_DNS_MS : 1000) - sc_mono_ms();
    if (!n || left <= 0)
        return false;
    fds[n] = (struct pollfd){.fd = stop_fd, .events = POLLIN};
    if (poll(fds, n + 1, (int)left) < 0 && errno != EINTR)
        return false;
    if (fds[n].revents)
        return false;
    for (unsigned k = 0; k < n; k++)
        if (fds[k].revents)
            read_some(l, of[k]);
    return true;
}

void sc_dns_look(const char *host, int stop_fd, struct sc_dns_look *ret)
{
    struct look l = {.to = ret, .fds = {-1, -1, -1}, .began = sc_mono_ms()};
    const char *above = strrchr(host, '.');
    *ret = (struct sc_dns_look){0};
    snprintf(ret->host, sizeof ret->host, "%.255s", host);
    ret->in_hosts_file = in_hosts_file(host);
    read_servers(ret);
    if (!make_question(&l.host, host, LDNS_RR_TYPE_A)) {
        ret->count = 0;
    } else {
        if (above && above[1])
            make_question(&l.above, above + 1, LDNS_RR_TYPE_NS);
        ask_all(&l);
        while (wait_some(&l, stop_fd))
            ;
    }
    for (unsigned i = 0; i < SC_DNS_SERVERS; i++)
        if (l.fds[i] >= 0)
            close(l.fds[i]);
    question_done(&l.host);
    question_done(&l.above);
}
