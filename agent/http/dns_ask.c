/* The thread that looks names up for others: one name after another, in the order of asking. What it found holds for a minute. */
#include "http/dns.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"

#define ENTRIES    32
#define HOLDS_MS   60000
#define MOST_CASES 512

enum entry_state {
    FREE,
    QUEUED,
    LOOKING,
    DONE
};

struct entry {
    char host[256];
    enum entry_state state;
    uint64_t number;  /* order of asking */
    int64_t done_ms;
    uint64_t files;   /* what resolv.conf and hosts were like when it was asked */
    unsigned cases;   /* that look at it */
    struct sc_dns_look look;
};

struct sc_dns_case {
    struct sc_dns_case *next;
    struct entry *entry;
    void (*wake)(void *arg);
    void *arg;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_t thread;
    bool running, stop;
    int stop_fd;
    uint64_t number;
    unsigned case_count;
    struct sc_dns_case *cases;
    struct entry entries[ENTRIES];
} dns = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

static struct entry *oldest_queued(void)
{
    struct entry *first = NULL;
    for (unsigned i = 0; i < ENTRIES; i++)
        if (dns.entries[i].state == QUEUED && (!first || dns.entries[i].number < first->number))
            first = &dns.entries[i];
    return first;
}

static void tell(const struct entry *entry)
{
    for (struct sc_dns_case *c = dns.cases; c; c = c->next)
        if (c->entry == entry)
            c->wake(c->arg);
}

static void *work(void *arg)
{
    (void)arg;
    pthread_setname_np(pthread_self(), "sc-dns");
    pthread_mutex_lock(&dns.lock);
    while (!dns.stop) {
        struct entry *entry = oldest_queued();
        if (!entry) {
            pthread_cond_wait(&dns.work, &dns.lock);
            continue;
        }
        char host[256];
        struct sc_dns_look look;
        memcpy(host, entry->host, sizeof host);
        entry->state = LOOKING; /* its place is not given away */
        pthread_mutex_unlock(&dns.lock);
        sc_dns_look(host, dns.stop_fd, &look);
        pthread_mutex_lock(&dns.lock);
        entry->look = look;
        entry->state = DONE;
        entry->done_ms = sc_mono_ms();
        tell(entry);
    }
    pthread_mutex_unlock(&dns.lock);
    return NULL;
}

/* Where nobody answers for one name, nobody answers for another, and asking for each would take 5 s. */
static bool all_mute(const struct sc_dns_look *look)
{
    for (unsigned i = 0; i < look->count; i++)
        if (look->servers[i].said != SC_DNS_MUTE)
            return false;
    return look->count > 0;
}

/* With another resolv.conf everything may be different. */
static bool holds(const struct entry *e, const char *host, uint64_t files, int64_t now)
{
    if (e->state == QUEUED || e->state == LOOKING)
        return strcasecmp(e->host, host) == 0 && e->files == files;
    return e->state == DONE && e->files == files && now - e->done_ms < HOLDS_MS && (strcasecmp(e->host, host) == 0 || all_mute(&e->look));
}

/* The entry that has, or will have, the answer; a fresh one where there is none; NULL: no room. */
static struct entry *entry_for(const char *host)
{
    static const char *const paths[] = {"/etc/resolv.conf", "/etc/hosts"};
    struct entry *room = NULL;
    int64_t now = sc_mono_ms();
    uint64_t files = sc_files_stamp(paths, sizeof paths / sizeof *paths);
    for (unsigned i = 0; i < ENTRIES; i++) {
        struct entry *e = &dns.entries[i];
        if (holds(e, host, files, now))
            return e;
        bool done = e->state == DONE && !e->cases;
        if (e->state == FREE || (done && (!room || (room->state == DONE && e->done_ms < room->done_ms))))
            room = e;
    }
    if (!room || strlen(host) >= sizeof room->host)
        return NULL;
    *room = (struct entry){.state = QUEUED, .number = ++dns.number, .files = files};
    snprintf(room->host, sizeof room->host, "%s", host);
    pthread_cond_signal(&dns.work);
    return room;
}

static bool run(void)
{
    if (dns.running)
        return true;
    dns.stop = false;
    dns.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dns.running = dns.stop_fd >= 0 && pthread_create(&dns.thread, NULL, work, NULL) == 0;
    if (!dns.running && dns.stop_fd >= 0)
        close(dns.stop_fd);
    return dns.running;
}

struct sc_dns_case *sc_dns_ask(const char *host, void (*wake)(void *arg), void *arg)
{
    struct sc_dns_case *c = NULL;
    pthread_mutex_lock(&dns.lock);
    struct entry *entry = dns.case_count < MOST_CASES && run() ? entry_for(host) : NULL;
    if (entry)
        c = calloc(1, sizeof *c);
    if (c) {
        *c = (struct sc_dns_case){dns.cases, entry, wake, arg};
        dns.cases = c;
        dns.case_count++;
        entry->cases++;
    }
    pthread_mutex_unlock(&dns.lock);
    return c;
}

bool sc_dns_get(struct sc_dns_case *c, struct sc_dns_look *ret)
{
    pthread_mutex_lock(&dns.lock);
    bool done = c->entry->state == DONE;
    if (done)
        *ret = c->entry->look;
    pthread_mutex_unlock(&dns.lock);
    return done;
}

struct sc_dns_case *sc_dns_drop(struct sc_dns_case *c)
{
    if (!c)
        return NULL;
    pthread_mutex_lock(&dns.lock);
    for (struct sc_dns_case **at = &dns.cases; *at; at = &(*at)->next) {
        if (*at != c)
            continue;
        *at = c->next;
        dns.case_count--;
        c->entry->cases--;
        break;
    }
    pthread_mutex_unlock(&dns.lock);
    free(c);
    return NULL;
}

void sc_dns_stop(void)
{
    pthread_mutex_lock(&dns.lock);
    bool running = dns.running;
    dns.stop = true;
    if (running && eventfd_write(dns.stop_fd, 1)) {
        /* full: it is readable already */
    }
    pthread_cond_signal(&dns.work);
    pthread_mutex_unlock(&dns.lock);
    if (!running)
        return;
    pthread_join(dns.thread, NULL);
    close(dns.stop_fd);
    dns.running = false;
    memset(dns.entries, 0, sizeof dns.entries);
}
