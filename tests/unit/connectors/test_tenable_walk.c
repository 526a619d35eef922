/* Exports by chance: findings are indexed late, the agent is killed at any request, replies are lost (made or not), exports fail, expire, get stuck
 * and are in the way, some of them somebody else's with other filters; clocks differ. What the agent keeps over a kill is modelled here in few
 * lines; the module is the real one. Afterwards every finding has been read, nothing was ever read of somebody else's export nor was one cancelled,
 * and no two of ours ran at a time. */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

#define FINDINGS 400
#define JOBS     4000
#define CHUNKS   4
#define LATE_MS  3598000 /* under the hour that the data type allows for, less the second that bounds are floored to */

struct job {
    int64_t created, over; /* over: when it is finished */
    int64_t since;
    bool others, other_filters, fails, gone, stopped;
};

struct vendor {
    struct fake f;
    int64_t found[FINDINGS], shown[FINDINGS];
    bool fetched[FINDINGS];
    int count;
    struct job jobs[JOBS];
    int job_count;
    int64_t now, skew;
    uint64_t random;
    bool calm;
    struct fake_value saved[2][FAKE_VALUES]; /* position and walk, as the bucket has them */
    int made, adopted, waited, kills;
};

static uint32_t chance(struct vendor *v, uint32_t below)
{
    v->random = v->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(v->random >> 33) % below;
}

static bool rarely(struct vendor *v, uint32_t one_in)
{
    return !v->calm && chance(v, one_in) == 0;
}

static void copy_map(struct fake_value *to, const struct fake_value *from)
{
    for (int i = 0; i < FAKE_VALUES; i++) {
        free(to[i].name);
        free(to[i].value);
        to[i].name = from[i].name ? strdup(from[i].name) : NULL;
        to[i].value = from[i].value ? strdup(from[i].value) : NULL;
    }
}

static void save(struct vendor *v)
{
    copy_map(v->saved[0], v->f.maps[FAKE_POSITION]);
    copy_map(v->saved[1], v->f.maps[FAKE_WALK]);
}

static void kill_agent(struct vendor *v)
{
    copy_map(v->f.maps[FAKE_POSITION], v->saved[0]);
    copy_map(v->f.maps[FAKE_WALK], v->saved[1]);
    fake_drop_page(&v->f);
    v->kills++;
}

/* Time passes; findings are made, and indexed some time after they were found. */
static void pass(struct vendor *v, int64_t ms)
{
    v->now += ms;
    for (int n = v->calm ? 0 : (int)chance(v, 3); n > 0 && v->count < FINDINGS; n--, v->count++) {
        v->shown[v->count] = v->now;
        v->found[v->count] = v->now - chance(v, LATE_MS);
    }
    v->f.now = v->now + v->skew;
    v->f.answered = v->now - v->now % 1000;
}

static bool runs(const struct vendor *v, const struct job *j)
{
    return !j->gone && !j->stopped && v->now < j->over;
}

static struct job *new_job(struct vendor *v, int64_t since, bool others)
{
    assert_true(v->job_count < JOBS);
    struct job *j = &v->jobs[v->job_count++];
    *j = (struct job){.created = v->now, .since = since, .others = others, .over = v->now + chance(v, 60000)};
    if (rarely(v, 30))
        j->over = v->now + 9 * 3600000ll; /* stuck */
    j->fails = rarely(v, 12);
    return j;
}

static const struct job *in_the_way(struct vendor *v, int64_t since)
{
    int ours = 0;
    const struct job *found = NULL;
    for (int i = 0; i < v->job_count; i++) {
        ours += !v->jobs[i].others && runs(v, &v->jobs[i]);
        if (runs(v, &v->jobs[i]) && v->jobs[i].since == since)
            found = &v->jobs[i];
    }
    CHECK_TRUE("one of ours at a time", ours <= 1);
    return found;
}

static void reply_conflict(struct vendor *v, const struct job *j)
{
    char body[100];
    snprintf(body, sizeof body, "{\"active_job_id\":\"j%d\",\"failure_reason\":\"Duplicate\"}", (int)(j - v->jobs));
    CHECK_INT("a job in the way is looked at", fake_reply(&v->f, 409, body), SC_AGAIN);
}

static enum sc_more answer_make(struct vendor *v)
{
    struct fake *f = &v->f;
    char id[24];
    int64_t since = strtoll(strstr(f->body, "\"since\":") + 8, NULL, 10);
    CHECK_TRUE("in the bucket before", f->after_save);
    save(v);
    if (rarely(v, 15)) { /* of somebody else, made before ours was asked for, or with filters that its status shows */
        struct job *other = new_job(v, since, true);
        other->other_filters = chance(v, 2);
        other->created -= other->other_filters ? 0 : 60000 + chance(v, 3000000);
    }
    const struct job *found = in_the_way(v, since);
    if (found) {
        reply_conflict(v, found);
        return SC_MORE;
    }
    if (rarely(v, 10)) {
        fake_reply(f, 429, "<html></html>");
        return SC_MORE;
    }
    bool lost = rarely(v, 5), done = !lost || chance(v, 2);
    struct job *j = done ? new_job(v, since, false) : NULL;
    if (lost) {
        if (chance(v, 2))
            kill_agent(v);
        else
            fake_no_reply(f, SC_REASON_CONNECTION_LOST);
        return SC_MORE;
    }
    v->made++;
    fake_reply(f, 200, NULL);
    fake_list(f, "");
    snprintf(id, sizeof id, "j%d", (int)(j - v->jobs));
    fake_envelope(f, "export_uuid", id);
    return fake_page(f, 0, NULL);
}

static enum sc_more answer_look(struct vendor *v, struct job *j)
{
    struct fake *f = &v->f;
    char created[24], filters[40];
    bool running = runs(v, j);
    const char *state = running ? (v->now - j->created < 5000 ? "QUEUED" : "PROCESSING") : j->stopped ? "CANCELLED" : j->fails ? "ERROR" : "FINISHED";
    fake_reply(f, 200, NULL);
    fake_list(f, running ? (v->now - j->created < 5000 ? "" : "2") : j->stopped || j->fails ? "2 1" : "2 1 7 4");
    fake_envelope(f, "status", state);
    snprintf(created, sizeof created, "%lld", (long long)j->created);
    fake_envelope(f, "created", created);
    snprintf(filters, sizeof filters, "{\"since\":%lld}", (long long)(j->other_filters ? 1 : j->since));
    fake_envelope(f, "filters", filters);
    bool unproved = fake_get(f, FAKE_WALK, "job_others");
    enum sc_more more = fake_page(f, 0, NULL);
    v->adopted += unproved && fake_get(f, FAKE_WALK, "job") && !fake_get(f, FAKE_WALK, "job_others");
    v->waited += unproved && fake_get(f, FAKE_WALK, "job_others");
    return more;
}

/* What was there when the export was made, by number of the finding over chunks 1, 2, 4, 7. */
static enum sc_more answer_chunk(struct vendor *v, const struct job *j, int chunk)
{
    static const int slots[] = {0, 0, 1, 0, 2, 0, 0, 3};
    uint64_t records = 0;
    CHECK_TRUE("nothing of somebody else's", !j->others);
    if (rarely(v, 15))
        fake_no_reply(&v->f, SC_REASON_CONNECTION_LOST);
    fake_request(&v->f);
    fake_reply(&v->f, 200, NULL);
    enum sc_more more = fake_page(&v->f, records, NULL);
    for (int i = 0; i < v->count && more != SC_BROKEN; i++) {
        if (i % CHUNKS == slots[chunk] && v->shown[i] <= j->created && v->found[i] >= j->since * 1000)
            v->fetched[i] = true;
    }
    return more;
}

static enum sc_more answer(struct vendor *v)
{
    struct fake *f = &v->f;
    const char *at = strstr(f->url, "/export/j");
    if (!at)
        return answer_make(v);
    struct job *j = &v->jobs[atoi(at + 9)];
    const char *chunk = strstr(f->url, "/chunks/");
    if (strstr(f->url, "/cancel")) {
        CHECK_TRUE("somebody else's is not cancelled", !j->others);
        j->stopped = j->stopped || chance(v, 4);
        return fake_reply(f, j->gone ? 404 : 200, "{}") == SC_CUT ? fake_page(f, 0, NULL) : SC_MORE;
    }
    j->gone = j->gone || rarely(v, 40) || v->now - j->created > 86400000;
    if (j->gone) {
        enum sc_action action = fake_reply(f, 404, "{\"statusCode\":404}");
        CHECK_TRUE("gone: anew, or the walk ends", action == SC_AGAIN || action == SC_FINISHED);
        return action == SC_AGAIN ? SC_MORE : SC_LOOP;
    }
    return chunk ? answer_chunk(v, j, atoi(chunk + 8)) : answer_look(v, j);
}

/* One walk, or what is left of one. */
static enum sc_more walk(struct vendor *v)
{
    struct fake *f = &v->f;
    enum sc_more more = SC_MORE;
    for (int requests = 0; more == SC_MORE || more == SC_BROKEN; requests++) {
        assert_true(requests < 5000);
        pass(v, 100 + chance(v, 3000));
        if (fake_request(f) == SC_DONE)
            return SC_WALKED;
        if (f->not_before > f->now) {
            pass(v, f->not_before - f->now);
            if (rarely(v, 60))
                pass(v, 90000000); /* the agent is away for a day */
            if (fake_request(f) == SC_DONE)
                return SC_WALKED;
        }
        if (rarely(v, 25)) {
            kill_agent(v);
            continue;
        }
        more = answer(v);
        if ((more == SC_MORE && chance(v, 2)) || more == SC_WALKED || more == SC_LOOP)
            save(v);
    }
    fake_new_walk(f);
    copy_map(v->saved[1], f->maps[FAKE_WALK]);
    return more;
}

static void run(uint64_t seed, int64_t skew, struct vendor *v)
{
    memset(v, 0, sizeof *v);
    fake_open(&v->f, MODULE, "vulnerabilities");
    v->f.base_url = "https://cloud.tenable.com";
    fake_set(&v->f, FAKE_SETTING, "num_assets", "500");
    fake_set(&v->f, FAKE_SETTING, "include_unlicensed", "false");
    fake_set(&v->f, FAKE_SETTING, "finding_filter", "since");
    v->random = seed * 7919;
    v->now = FAKE_NOW;
    v->skew = skew;
    pass(v, 1000);
    for (int i = 0; i < 40; i++) {
        walk(v);
        pass(v, 60000 + chance(v, 1800000));
    }
    v->calm = true;
    for (int i = 0, good = 0; good < 2; i++) {
        assert_true(i < 20);
        good += walk(v) == SC_WALKED;
        pass(v, 1800000);
    }
    for (int i = 0; i < v->count; i++)
        CHECK_TRUE("every finding is read", v->fetched[i]);
    for (int m = 0; m < 2; m++)
        copy_map(v->saved[m], (struct fake_value[FAKE_VALUES]){0});
    fake_close(&v->f);
}

static void test_tenable_by_chance(void **state)
{
    (void)state;
    static struct vendor v;
    static const int64_t skews[] = {0, 900, -900, 600000, -600000};
    int made = 0, adopted = 0, waited = 0, kills = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        run(seed, skews[seed % 5], &v);
        made += v.made;
        adopted += v.adopted;
        waited += v.waited;
        kills += v.kills;
    }
    print_message("%d exports, %d taken for ours again, %d waits for others', %d kills\n", made, adopted, waited, kills);
    CHECK_TRUE("all of it was met", made > 1000 && adopted > 20 && waited > 20 && kills > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tenable_by_chance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
