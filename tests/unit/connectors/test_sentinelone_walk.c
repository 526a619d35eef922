/* Walks over agents by chance: they change between any two requests, some in the same millisecond, the vendor's index is late, cursors
 * count places (and so skip when the list moves), or go over the list as it was, or hold the last one, short pages have a cursor or not,
 * walks are broken off and cursors lost. Afterwards the last version of every agent has been fetched, no walk went further back than
 * identities are kept, and the agent's own guard against repeated pages ended none without need. What the agent does is modelled here in
 * few lines; the module is the real one. */
#include "fake_host.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

#define AGENTS     120
#define OVERLAP_MS 120000
#define LATE_MS    119000

struct agent {
    int64_t updated; /* 0: not there yet */
    int64_t shown;   /* when the vendor's index has it */
    int64_t fetched; /* newest version that was published */
};

struct vendor {
    struct agent agents[AGENTS];
    int64_t now;
    uint64_t random;
    uint32_t busy; /* percent: something changes between two requests */
    bool late;
    bool by_place;  /* cursors are offsets over the list as it is: only where no more than one changes in a millisecond */
    bool frozen;    /* cursors are offsets over the list as the first page found it; records come as they are now */
    short order[AGENTS]; /* that list */
    long ordered;
    bool last_open; /* short pages have a cursor, too, which leads to an empty one */
    bool total, zero; /* zero: whatever there is, it says 0 */
    int capped; /* gives no more than this, whatever is asked; 0: no cap */
    bool forgetful; /* knows no cursor, now and then */
};

static uint32_t chance(struct vendor *v, uint32_t below)
{
    v->random = v->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(v->random >> 33) % below;
}

static void change(struct vendor *v)
{
    int from = (int)chance(v, AGENTS), count = v->by_place || chance(v, 4) ? 1 : 1 + (int)chance(v, 12);
    for (int i = from; i < from + count && i < AGENTS; i++) {
        v->agents[i].updated = v->now;
        v->agents[i].shown = v->now + (v->late ? chance(v, LATE_MS) : 0);
    }
}

static void pass(struct vendor *v, struct fake *f)
{
    v->now += 1 + chance(v, 2500);
    f->now = v->now;
    if (chance(v, 100) < v->busy)
        change(v);
}

static int by_time(const void *a, const void *b)
{
    const struct agent *x = *(const struct agent *const *)a, *y = *(const struct agent *const *)b;
    return x->updated != y->updated ? (x->updated > y->updated) - (x->updated < y->updated) : (x > y) - (x < y);
}

static long number_in(const char *url, const char *name, long none)
{
    const char *at = strstr(url, name);
    return at ? strtol(at + strlen(name), NULL, 10) : none;
}

static int64_t since_in(const char *url)
{
    char text[64] = "";
    size_t n = 0;
    for (const char *c = strstr(url, "updatedAt__gte=") + 15; *c && *c != '&' && n < 60; c++) {
        bool colon = strncmp(c, "%3A", 3) == 0;
        text[n++] = colon ? ':' : *c;
        c += colon ? 2 : 0;
    }
    return sc_time_parse_rfc3339(sc_str_of(text));
}

struct shown {
    unsigned records;
    bool any_new;
    int64_t newest; /* as the agent counts it */
    char text[4096]; /* what came, to tell one page from another */
};

/* Where a page begins: a cursor is the number of places, or agent and time of the last one. */
static long begin_at(const struct vendor *v, const char *url, const struct agent *const *sorted, long total)
{
    long place = number_in(url, "&cursor=p", -1), at = 0;
    if (place >= 0)
        return place;
    const char *key = strstr(url, "&cursor=k");
    if (!key)
        return 0;
    long id = strtol(key + 9, NULL, 10);
    int64_t time = strtoll(strchr(key + 9, '-') + 1, NULL, 10);
    while (at < total && (sorted[at]->updated < time || (sorted[at]->updated == time && sorted[at] - v->agents <= id)))
        at++;
    return at;
}

static struct shown answer(struct vendor *v, struct fake *f)
{
    const struct agent *sorted[AGENTS];
    struct shown out = {.newest = SC_TIME_NONE};
    long total = 0, limit = number_in(f->url, "&limit=", 0);
    int64_t since = since_in(f->url);
    size_t n = 0;
    for (int i = 0; i < AGENTS; i++) {
        if (v->agents[i].updated && v->agents[i].updated >= since && v->agents[i].shown <= v->now)
            sorted[total++] = &v->agents[i];
    }
    qsort(sorted, (size_t)total, sizeof *sorted, by_time);
    bool first = !strstr(f->url, "&cursor=");
    for (long i = 0; v->frozen && first && i < total; i++)
        v->order[i] = (short)(sorted[i] - v->agents);
    v->ordered = first ? total : v->ordered;
    for (long i = 0; v->frozen && i < v->ordered; i++)
        sorted[i] = &v->agents[v->order[i]];
    total = v->frozen ? v->ordered : total;
    if (v->capped && limit > v->capped)
        limit = v->capped;
    long from = begin_at(v, f->url, sorted, total), at = from;
    for (; at < total && at < from + limit; at++, out.records++) {
        struct agent *a = &v->agents[sorted[at] - v->agents];
        out.any_new = out.any_new || a->fetched != a->updated;
        a->fetched = a->updated;
        if (a->updated > out.newest && a->updated <= f->newest_until && a->updated <= v->now)
            out.newest = a->updated;
        n += (size_t)snprintf(out.text + n, sizeof out.text - n, "%d@%lld ", (int)(a - v->agents), (long long)a->updated);
    }
    char cursor[64] = "", count[24];
    bool open = at < total || (v->last_open && out.records);
    if (open && (v->by_place || v->frozen))
        snprintf(cursor, sizeof cursor, "p%ld", at);
    else if (open)
        snprintf(cursor, sizeof cursor, "k%d-%lld", (int)(sorted[at - 1] - v->agents), (long long)sorted[at - 1]->updated);
    fake_envelope(f, "errors", "[]");
    fake_envelope(f, "pagination.nextCursor", open ? cursor : NULL);
    snprintf(count, sizeof count, "%ld", v->zero ? 0 : total);
    fake_envelope(f, "pagination.totalItems", v->total ? count : NULL);
    return out;
}

/* The vendor may not know the cursor any more. */
static bool loses_cursor(struct vendor *v, struct fake *f)
{
    if (!v->forgetful || !strstr(f->url, "&cursor=") || chance(v, 8))
        return false;
    CHECK_INT("asks again", fake_reply(f, 400, "{\"errors\":[{\"code\":4000010,\"title\":\"Invalid cursor\"}],\"data\":null}"), SC_AGAIN);
    CHECK_TRUE("without it", !fake_get(f, FAKE_WALK, "cursor"));
    fake_drop_page(f);
    return true;
}

/* One walk. broken_off: at a request by chance; the checkpoint stands behind the last whole page. False: it was not read to its end. */
static bool walk(struct vendor *v, struct fake *f, bool resume, bool broken_off)
{
    struct shown before = {.records = 0};
    const char *time;
    enum sc_more more = SC_MORE;
    unsigned requests = 0, stop = broken_off ? 1 + chance(v, 12) : UINT32_MAX;
    uint32_t busy = v->busy;
    char newest[SC_TIME_TEXT];
    if (!resume)
        fake_new_walk(f);
    while (more == SC_MORE && ++requests < stop) {
        v->busy = requests < 300 ? busy : 0; /* a vendor that changes faster than pages are read is never caught up with */
        pass(v, f);
        CHECK_INT("asks", fake_request(f), SC_SEND);
        time = fake_get(f, FAKE_POSITION, "time");
        int64_t covered = time ? sc_time_parse_rfc3339(sc_str_of(time)) : SC_TIME_NONE;
        CHECK_TRUE("no further back than identities are kept",
                   covered == SC_TIME_NONE || strstr(f->url, "&cursor=") || since_in(f->url) >= covered - OVERLAP_MS);
        CHECK_TRUE("what is younger than the lag moves nothing", f->newest_until <= f->now - OVERLAP_MS);
        if (loses_cursor(v, f)) {
            before.records = 0; /* the agent lets pages come again then */
            continue;
        }
        CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
        struct shown page = answer(v, f);
        more = fake_page(f, page.records, page.newest == SC_TIME_NONE ? NULL : sc_time_rfc3339(page.newest, newest));
        CHECK_TRUE("goes on", more == SC_MORE || more == SC_WALKED || (more == SC_LOOP && v->forgetful));
        if (more == SC_MORE && page.records && !page.any_new && before.records && strcmp(page.text, before.text) == 0) {
            /* A full page of one millisecond, nothing behind it, and a vendor that says neither by cursor nor by total that it is the last. */
            CHECK_TRUE("a loop to the agent only where nobody can know", v->last_open && (!v->total || v->zero));
            more = SC_LOOP;
        }
        before = page;
        CHECK_TRUE("ends", requests < 5000);
    }
    v->busy = busy;
    if (more == SC_MORE)
        fake_drop_page(f);
    return more != SC_MORE;
}

static void check_all_fetched(const struct vendor *v, unsigned seed)
{
    for (int i = 0; i < AGENTS; i++) {
        if (v->agents[i].fetched != v->agents[i].updated)
            fail_msg("seed %u: the last version of agent %d was never fetched: lost", seed, i);
    }
}

static void run(unsigned seed)
{
    struct vendor v = {.now = FAKE_NOW - 6 * 3600000, .random = seed * 7919u + 1};
    struct fake f;
    fake_open(&f, MODULE, "agents");
    f.base_url = "https://usea1-acme.sentinelone.net";
    v.by_place = chance(&v, 2);
    v.frozen = !v.by_place && chance(&v, 2);
    f.halvings = 5 + chance(&v, v.by_place ? 3 : 5); /* pages of 31, 15, 7, 3, 2 */
    v.busy = chance(&v, 70);
    v.late = chance(&v, 2);
    v.last_open = chance(&v, 2);
    v.total = chance(&v, 2);
    v.capped = v.total && !v.by_place && !chance(&v, 4) ? 5 : 0;
    v.forgetful = !chance(&v, 3);
    v.zero = v.total && !v.by_place && chance(&v, 2);
    while (v.now < FAKE_NOW) { /* a backlog of hours */
        change(&v);
        v.now += chance(&v, 1200000);
    }
    bool resume = false;
    for (int n = 0; n < 6; n++) {
        resume = !walk(&v, &f, resume, chance(&v, 2));
        for (int pause = 0; pause < 8; pause++) { /* before a walk that was broken off goes on, too */
            v.now += chance(&v, 75000);
            if (chance(&v, 100) < v.busy)
                change(&v);
        }
    }
    v.busy = 0;
    v.now += LATE_MS;
    for (int n = 0; n < 3; n++) { /* nothing changes any more */
        walk(&v, &f, n == 0 && resume, false);
        v.now += 600000;
    }
    check_all_fetched(&v, seed);
    fake_close(&f);
}

static void test_sentinelone_walks_by_chance(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++)
        run(seed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_sentinelone_walks_by_chance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
