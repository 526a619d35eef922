/* Walks over alerts by chance: alerts are added and edited between any two requests, many in one millisecond, walks are broken off in the
 * middle of a page, the vendor adds late. Afterwards the last version of every alert has been fetched, and no walk went further back than
 * identities are kept. Everything that the agent does for that is modelled here in few lines; the module is the real one. */
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

#define ALERTS     120
#define OVERLAP_MS 300000

struct alert {
    int64_t updated; /* 0: not there yet */
    int64_t shown;   /* when the vendor's index has it */
    int64_t fetched; /* newest version that was published */
};

struct vendor {
    struct alert alerts[ALERTS];
    int64_t now;
    uint64_t random;
    int busy;     /* percent: something is edited between two requests */
    int64_t late; /* how late the index is, at most */
    int capped;   /* gives no more than this, whatever is asked; 0: no cap */
};

static uint32_t chance(struct vendor *v, uint32_t below)
{
    v->random = v->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(v->random >> 33) % below;
}

/* One alert, or a run of them in the same millisecond. */
static void edit(struct vendor *v)
{
    int from = (int)chance(v, ALERTS), count = chance(v, 4) ? 1 : 1 + (int)chance(v, 12);
    for (int i = from; i < from + count && i < ALERTS; i++) {
        v->alerts[i].updated = v->now;
        v->alerts[i].shown = v->now + (v->late ? chance(v, (uint32_t)v->late) : 0);
    }
}

static void pass(struct vendor *v, struct fake *f)
{
    v->now += 1 + chance(v, 2500);
    f->now = v->now;
    if ((int)chance(v, 100) < v->busy)
        edit(v);
}

static int by_time(const void *a, const void *b)
{
    const struct alert *x = *(const struct alert *const *)a, *y = *(const struct alert *const *)b;
    return x->updated != y->updated ? (x->updated > y->updated) - (x->updated < y->updated) : (x > y) - (x < y);
}

static long number_in(const char *url, const char *name)
{
    const char *at = strstr(url, name);
    return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

static int64_t since_in(const char *url)
{
    char text[64] = "";
    size_t n = 0;
    for (const char *c = strstr(url, "%27") + 3; *c && strncmp(c, "%27", 3) != 0 && n < 60; c++) {
        bool colon = strncmp(c, "%3A", 3) == 0;
        text[n++] = colon ? ':' : *c;
        c += colon ? 2 : 0;
    }
    return sc_time_parse_rfc3339(sc_str_of(text));
}

/* The list that the vendor shows at this moment. */
static void answer_list(struct vendor *v, struct fake *f)
{
    const struct alert *sorted[ALERTS];
    long total = 0, offset = number_in(f->url, "&offset="), limit = number_in(f->url, "&limit=");
    int64_t since = since_in(f->url);
    char ids[2048] = "", text[24];
    size_t n = 0;
    for (int i = 0; i < ALERTS; i++) {
        if (v->alerts[i].updated && v->alerts[i].updated >= since && v->alerts[i].shown <= v->now)
            sorted[total++] = &v->alerts[i];
    }
    qsort(sorted, (size_t)total, sizeof *sorted, by_time);
    if (v->capped && limit > v->capped)
        limit = v->capped;
    for (long i = offset; i < total && i < offset + limit; i++)
        n += (size_t)snprintf(ids + n, sizeof ids - n, "%s%d", n ? " " : "", (int)(sorted[i] - v->alerts));
    fake_list(f, ids);
    snprintf(text, sizeof text, "%ld", total);
    fake_envelope(f, "meta.pagination.total", text);
}

/* Each as it is now, not as it was listed. Returns how many; the newest time as the agent counts it. */
static unsigned answer_details(struct vendor *v, const struct fake *f, int64_t *newest)
{
    unsigned count = 0;
    for (const char *c = f->body; (c = strpbrk(c, "[,")); count++) {
        struct alert *a = &v->alerts[strtol(c + 2, NULL, 10)];
        c++;
        a->fetched = a->updated;
        if (a->updated > *newest && a->updated <= f->newest_until)
            *newest = a->updated;
    }
    return count;
}

/* One walk. broken_off: at a request by chance; the checkpoint stands behind the last whole page. False: it was not read to its end. */
static bool walk(struct vendor *v, struct fake *f, bool resume, bool broken_off)
{
    char last_list[2048] = "";
    int64_t newest = SC_TIME_NONE;
    const char *time = fake_get(f, FAKE_POSITION, "time");
    int64_t covered = time ? sc_time_parse_rfc3339(sc_str_of(time)) : SC_TIME_NONE;
    enum sc_more more = SC_MORE;
    unsigned requests = 0, stop = broken_off ? 1 + chance(v, 12) : UINT32_MAX;
    if (!resume)
        fake_new_walk(f);
    int busy = v->busy;
    while (more != SC_WALKED && ++requests < stop) {
        v->busy = requests < 300 ? busy : 0; /* a vendor that edits faster than pages are read is never caught up with */
        pass(v, f);
        CHECK_INT("asks", fake_request(f), SC_SEND);
        CHECK_INT("cuts", fake_reply(f, 200, NULL), SC_CUT);
        unsigned records = 0;
        char text[SC_TIME_TEXT], list[2048] = "";
        if (f->reply_table) {
            newest = SC_TIME_NONE;
            answer_list(v, f);
            CHECK_TRUE("no further back than identities are kept", covered == SC_TIME_NONE || since_in(f->url) >= covered - OVERLAP_MS);
            for (uint32_t i = 0; i < f->item_count; i++)
                snprintf(list + strlen(list), sizeof list - strlen(list), "%s ", f->items[i]);
            CHECK_TRUE("the same list twice in a row is a loop to the agent", !list[0] || strcmp(list, last_list) != 0);
            memcpy(last_list, list, sizeof list);
        } else {
            records = answer_details(v, f, &newest);
        }
        more = fake_page(f, records, newest == SC_TIME_NONE ? NULL : sc_time_rfc3339(newest, text));
        CHECK_TRUE("goes on", more == SC_PART || more == SC_MORE || more == SC_WALKED);
        CHECK_TRUE("ends", requests < 5000);
    }
    v->busy = busy;
    if (more != SC_WALKED)
        fake_drop_page(f);
    return more == SC_WALKED;
}

static void check_all_fetched(const struct vendor *v, unsigned seed)
{
    for (int i = 0; i < ALERTS; i++) {
        if (v->alerts[i].fetched != v->alerts[i].updated)
            fail_msg("seed %u: the last version of alert %d was never fetched: lost", seed, i);
    }
}

static void run(unsigned seed)
{
    struct vendor v = {.now = FAKE_NOW - 6 * 3600000, .random = seed * 7919u + 1};
    struct fake f;
    fake_open(&f, MODULE, "detections");
    f.base_url = "https://api.crowdstrike.com";
    f.halvings = 6 + chance(&v, 4); /* pages of 15, 7, 3, 2 */
    char batch[8];
    snprintf(batch, sizeof batch, "%u", 1 + chance(&v, 8));
    fake_set(&f, FAKE_SETTING, "detail_batch", batch);
    v.busy = (int)chance(&v, 70);
    v.late = chance(&v, 2) ? 60000 : 0;
    v.capped = chance(&v, 4) ? 0 : 5;
    while (v.now < FAKE_NOW) { /* a backlog of hours */
        edit(&v);
        v.now += chance(&v, 1200000);
    }
    bool resume = false;
    for (int n = 0; n < 6; n++) {
        resume = !walk(&v, &f, resume, chance(&v, 2));
        v.now += chance(&v, 600000);
    }
    v.busy = 0;
    v.now += v.late;
    for (int n = 0; n < 3; n++) { /* nothing is edited any more */
        walk(&v, &f, n == 0 && resume, false);
        v.now += 600000;
    }
    check_all_fetched(&v, seed);
    fake_close(&f);
}

static void test_falcon_walks_by_chance(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 150; seed++)
        run(seed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_falcon_walks_by_chance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
