/* The lease between agents, and against a server that dies, freezes or forgets. */
#include "fixture.h"
#include "nats/lease.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define RENEW_MS 100
#define TAKE_MS  900
#define VALID_MS 500

static struct natsd server;
static struct sc_nats_config nats;
static struct sc_error err;

struct agent {
    const char *name;
    struct fx_log log;
    struct sc_fence fence;
    struct sc_lease *lease;
    _Atomic int64_t held_since, lost_at;
};

static struct agent a, b;

static void on_change(void *arg, enum sc_lease_state state, uint64_t epoch, enum sc_reason reason, const char *detail)
{
    (void)reason;
    struct agent *agent = arg;
    if (state == SC_LEASE_HELD)
        atomic_store(&agent->held_since, sc_mono_ms());
    else
        atomic_store(&agent->lost_at, sc_mono_ms());
    fx_log_add(&agent->log, "%s %llu %s", state == SC_LEASE_HELD ? "held" : "seeking",
               (unsigned long long)epoch, detail);
}

static void start_times(struct agent *agent, const char *run, uint32_t renew, uint32_t take,
                        uint32_t valid)
{
    char dir[128];
    snprintf(dir, sizeof dir, "%s/%s", server.dir, run);
    struct sc_lease_config config = {.nats = &nats,
                                     .run_dir = dir,
                                     .agent = agent->name,
                                     .renew_ms = renew,
                                     .take_after_ms = take,
                                     .valid_ms = valid,
                                     .changed = on_change,
                                     .arg = agent};
    agent->lease = sc_lease_start(&config, &agent->fence, &err);
    if (!agent->lease)
        fail_msg("%s", err.text);
}

static void start(struct agent *agent, const char *run)
{
    start_times(agent, run, RENEW_MS, TAKE_MS, VALID_MS);
}

static void stop(struct agent *agent, bool release)
{
    int64_t began = sc_mono_ms();
    agent->lease = sc_lease_stop(agent->lease, release);
    assert_true(sc_mono_ms() - began < 2000);
    assert_false(sc_fence_open(&agent->fence, atomic_load(&agent->fence.epoch), sc_boot_ms()));
}

static bool open_now(struct agent *agent)
{
    return sc_fence_open(&agent->fence, atomic_load(&agent->fence.epoch), sc_boot_ms());
}

static int setup(void **state)
{
    (void)state;
    natsd_start(&server, NULL);
    nats = fx_config(&server);
    err = (struct sc_error)SC_ERROR_INIT;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    a.name = "edge-a";
    b.name = "edge-b";
    fx_log_init(&a.log);
    fx_log_init(&b.log);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sc_lease_stop(a.lease, false);
    sc_lease_stop(b.lease, false);
    natsd_stop(&server);
    return 0;
}

static void test_lease_value(void **state)
{
    (void)state;
    start(&a, "a");
    fx_log_wait(&a.log, "held 1 ", WITHIN_MS);
    assert_true(sc_fence_open(&a.fence, 1, sc_boot_ms()));
    assert_false(sc_fence_open(&a.fence, 2, sc_boot_ms()));
    struct sc_session *session = fx_open(&server);
    struct sc_kv_entry entry = {0};
    assert_int_equal(sc_kv_get(session, "INTEGRATION_LEASES", "agent", &entry, &err), 0);
    json_t *value = json_loadb(entry.value.ptr, entry.value.len, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(value, "v")), 1);
    assert_int_equal(json_integer_value(json_object_get(value, "epoch")), 1);
    assert_string_equal(json_string_value(json_object_get(value, "agent")), "edge-a");
    assert_int_equal(strlen(json_string_value(json_object_get(value, "holder"))), 32);
    assert_true(json_is_false(json_object_get(value, "released")));
    json_decref(value);
    stop(&a, true);
    assert_int_equal(sc_kv_get(session, "INTEGRATION_LEASES", "agent", &entry, &err), 0);
    assert_non_null(strstr(entry.value.ptr, "\"released\":true"));
    sc_kv_entry_done(&entry);
    sc_session_close(session);
}

static void test_lease_standby_takes_released(void **state)
{
    (void)state;
    start_times(&a, "a", 1000, 15000, 10000);
    fx_log_wait(&a.log, "held 1 ", WITHIN_MS);
    start_times(&b, "b", 1000, 15000, 10000);
    fx_log_wait(&b.log, "seeking 0 lease held by agent edge-a, instance ", WITHIN_MS);
    assert_false(open_now(&b));
    int64_t began = sc_mono_ms();
    stop(&a, true);
    fx_log_wait(&b.log, "held 2 ", WITHIN_MS);
    assert_true(sc_mono_ms() - began < 5000); /* long before the 15 s */
    assert_true(open_now(&b));
}

static void test_lease_standby_takes_abandoned(void **state)
{
    (void)state;
    start(&a, "a");
    fx_log_wait(&a.log, "held 1 ", WITHIN_MS);
    start(&b, "b");
    fx_log_wait(&b.log, "seeking 0 ", WITHIN_MS);
    int64_t began = sc_mono_ms();
    stop(&a, false);
    assert_int_equal(fx_log_count(&b.log, 0, "held"), 0);
    fx_log_wait(&b.log, "held 2 ", WITHIN_MS);
    assert_true(atomic_load(&b.held_since) - began >= TAKE_MS - RENEW_MS - 1);
    /* a renews no more, but it comes back: it stands by */
    start(&a, "a");
    fx_log_wait(&a.log, "seeking 0 lease held by agent edge-b", WITHIN_MS);
}

static void test_lease_renewed_is_not_taken(void **state)
{
    (void)state;
    start(&a, "a");
    fx_log_wait(&a.log, "held 1 ", WITHIN_MS);
    start(&b, "b");
    fx_log_wait(&b.log, "seeking 0 ", WITHIN_MS);
    /* observed for three times what an abandoned one would take */
    struct sc_session *session = fx_open(&server);
    uint64_t first = fx_last_seq(session, "KV_INTEGRATION_LEASES");
    for (int64_t until = sc_mono_ms() + WITHIN_MS;
         fx_last_seq(session, "KV_INTEGRATION_LEASES") < first + 27;)
        assert_true(open_now(&a) && sc_mono_ms() < until);
    assert_int_equal(fx_log_count(&b.log, 0, "held"), 0);
    assert_int_equal(fx_log_count(&a.log, 0, ""), 1);
    sc_session_close(session);
}

static void test_lease_successor_at_once(void **state)
{
    (void)state;
    start_times(&a, "a", 1000, 15000, 10000);
    fx_log_wait(&a.log, "held 1 ", WITHIN_MS);
    stop(&a, false);
    int64_t began = sc_mono_ms();
    start_times(&b, "a", 1000, 15000, 10000);
    fx_log_wait(&b.log, "held 2 ", WITHIN_MS);
    assert_true(sc_mono_ms() - began < 5000);
}

/* The same after a real kill -9: the lock goes with the process, the id stays. */
static void test_lease_successor_of_killed(void **state)
{
    (void)state;
    int out[2];
    assert_int_equal(pipe(out), 0);
    char dir[128], line[256] = "";
    snprintf(dir, sizeof dir, "%s/a", server.dir);
    pid_t pid = fork(); /* no thread of this test runs yet */
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], 1);
        execl("/proc/self/exe", "test_nats_lease", "--hold", server.url, dir, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    assert_true(read(out[0], line, sizeof line - 1) > 0);
    assert_non_null(strstr(line, "held 1"));
    start_times(&a, "a", 1000, 15000, 10000); /* the lock is held: a fresh id, which stands by */
    fx_log_wait(&a.log, "seeking 0 lease held by agent child", WITHIN_MS);
    stop(&a, false);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(out[0]);
    int64_t began = sc_mono_ms();
    start_times(&b, "a", 1000, 15000, 10000);
    fx_log_wait(&b.log, "held 2 ", WITHIN_MS);
    assert_true(sc_mono_ms() - began < 5000);
}

static void test_lease_locked_run_dir(void **state)
{
    (void)state;
    start(&a, "same");
    fx_log_wait(&a.log, "held 1 ", WITHIN_MS);
    start(&b, "same");
    fx_log_wait(&b.log, "seeking 0 lease held by agent edge-a", WITHIN_MS);
    struct sc_session *session = fx_open(&server);
    uint64_t first = fx_last_seq(session, "KV_INTEGRATION_LEASES");
    for (int64_t until = sc_mono_ms() + WITHIN_MS;
         fx_last_seq(session, "KV_INTEGRATION_LEASES") < first + 15;)
        assert_true(sc_mono_ms() < until);
    assert_int_equal(fx_log_count(&b.log, 0, "held"), 0);
    stop(&b, true); /* which releases nothing that it does not hold */
    assert_true(open_now(&a));
    sc_session_close(session);
}

static void test_lease_copied_run_dir(void **state)
{
    (void)state;
    char command[512];
    start(&a, "a");
    fx_log_wait(&a.log, "held 1 ", WITHIN_MS);
    snprintf(command, sizeof command, "cp -r %s/a %s/b", server.dir, server.dir);
    assert_int_equal(system(command), 0);
    start(&b, "b"); /* believes that its predecessor is dead */
    fx_log_wait(&b.log, "held 2 ", WITHIN_MS);
    fx_log_wait(&a.log, "seeking 1 lease lost to an agent with the same instance id", WITHIN_MS);
    assert_false(open_now(&a));
    fx_log_wait(&a.log, "seeking 1 lease held by agent edge-b", WITHIN_MS);
    assert_int_equal(fx_log_count(&b.log, 0, "seeking"), 0); /* no ping-pong */
}

static void test_lease_taken_away(void **state)
{
    (void)state;
    start(&a, "a");
    fx_log_wait(&a.log, "held 1 ", WITHIN_MS);
    struct sc_session *session = fx_open(&server);
    fx_foreign_put(
        session, "INTEGRATION_LEASES", "agent",
        "{\"v\":1,\"holder\":\"x\",\"agent\":\"edge-x\",\"epoch\":40,\"released\":false}", NULL);
    fx_log_wait(&a.log, "seeking 1 lease lost: taken by agent edge-x", WITHIN_MS);
    assert_false(open_now(&a));
    fx_log_wait(&a.log, "held 41 ", WITHIN_MS); /* x never renews */
    fx_foreign_put(session, "INTEGRATION_LEASES", "agent", "no JSON at all", NULL);
    fx_log_wait(&a.log, "seeking 41 ", WITHIN_MS);
    fx_log_wait(&a.log, "held 42 ", WITHIN_MS);
    fx_api(session, "STREAM.DELETE.KV_INTEGRATION_LEASES", NULL);
    fx_log_wait(&a.log, "seeking 42 ", WITHIN_MS);
    fx_log_wait(&a.log, "held 43 ", WITHIN_MS); /* epochs grow all the same */
    sc_session_close(session);
}

static void test_lease_server_restart(void **state)
{
    (void)state;
    start_times(&a, "a", 300, 15000, 10000);
    fx_log_wait(&a.log, "held 1 ", WITHIN_MS);
    natsd_kill(&server);
    natsd_restart(&server);
    struct sc_session *session = fx_open(&server);
    uint64_t first = fx_last_seq(session, "KV_INTEGRATION_LEASES");
    for (int64_t until = sc_mono_ms() + WITHIN_MS;
         fx_last_seq(session, "KV_INTEGRATION_LEASES") < first + 3;)
        assert_true(sc_mono_ms() < until);
    assert_int_equal(fx_log_count(&a.log, 0, ""), 1); /* held all the time, under one epoch */
    assert_true(open_now(&a));
    sc_session_close(session);
}

static void test_lease_frozen_server(void **state)
{
    (void)state;
    start(&a, "a");
    fx_log_wait(&a.log, "held 1 ", WITHIN_MS);
    natsd_freeze(&server);
    int64_t frozen = sc_mono_ms();
    while (open_now(&a))
        assert_true(sc_mono_ms() - frozen <= VALID_MS + 50);
    fx_log_wait(&a.log, "seeking 1 lease not renewed for ", WITHIN_MS);
    print_message("    told %lld ms after the freeze (valid for %d)\n",
                  (long long)(fx_log_time(&a.log) - frozen), VALID_MS);
    assert_true(fx_log_time(&a.log) - frozen < VALID_MS + 500);
    natsd_thaw(&server);
    fx_log_wait(&a.log, "held 2 ", WITHIN_MS);
    assert_true(sc_fence_open(&a.fence, 2, sc_boot_ms()));
    natsd_freeze(&server);
    stop(&a, true); /* in time, though nobody answers */
    start(&a, "a");
    stop(&a, true); /* while it connects */
    natsd_thaw(&server);
}

/* A holder that is stopped with SIGSTOP for longer than its lease does not hold when it wakes. */
static void test_lease_frozen_holder(void **state)
{
    (void)state;
    int out[2];
    assert_int_equal(pipe(out), 0);
    char dir[128], line[512] = "";
    snprintf(dir, sizeof dir, "%s/child", server.dir);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], 1);
        execl("/proc/self/exe", "test_nats_lease", "--hold-short", server.url, dir, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    assert_true(read(out[0], line, sizeof line - 1) > 0);
    assert_non_null(strstr(line, "held 1"));
    kill(pid, SIGSTOP);
    start(&a, "a");
    fx_log_wait(&a.log, "held 2 ", WITHIN_MS);
    kill(pid, SIGCONT);
    /* the child's own check of its fence, and then what it was told */
    FILE *said = fdopen(out[0], "r");
    bool closed = false, seeking = false;
    while (!(closed && seeking) && fgets(line, sizeof line, said)) {
        closed |= strncmp(line, "fence closed after a jump", 25) == 0;
        seeking |= strncmp(line, "seeking 1", 9) == 0;
        assert_null(strstr(line, "fence open after a jump"));
        assert_null(strstr(line, "held 2"));
    }
    assert_true(closed && seeking);
    fclose(said);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(open_now(&a));
}

static void print_change(void *arg, enum sc_lease_state state, uint64_t epoch, enum sc_reason reason, const char *detail)
{
    (void)reason;
    (void)arg;
    printf("%s %llu %s\n", state == SC_LEASE_HELD ? "held" : "seeking", (unsigned long long)epoch,
           detail);
    fflush(stdout);
}

/* Another process of this program: holds the lease until it is killed, and looks at its fence all
 * the time. */
static int hold(const char *url, const char *dir, bool brief)
{
    struct sc_fence fence = {0};
    struct sc_nats_config config = {.url = url, .request_timeout_ms = 5000};
    struct sc_lease_config lease = {.nats = &config,
                                    .run_dir = dir,
                                    .agent = "child",
                                    .renew_ms = brief ? RENEW_MS : 1000,
                                    .take_after_ms = brief ? TAKE_MS : 15000,
                                    .valid_ms = brief ? VALID_MS : 10000,
                                    .changed = print_change};
    if (!sc_lease_start(&lease, &fence, NULL))
        return 1;
    int64_t last = sc_boot_ms();
    for (;;) {
        int64_t now = sc_boot_ms();
        if (now - last > VALID_MS && brief) {
            printf("fence %s after a jump\n", sc_fence_open(&fence, 1, now) ? "open" : "closed");
            fflush(stdout);
        }
        last = now;
        poll(NULL, 0, 5);
    }
}

int main(int argc, char **argv)
{
    if (argc == 4 && strncmp(argv[1], "--hold", 6) == 0)
        return hold(argv[2], argv[3], strcmp(argv[1], "--hold-short") == 0);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_lease_value),
        TEST(test_lease_standby_takes_released),
        TEST(test_lease_standby_takes_abandoned),
        TEST(test_lease_renewed_is_not_taken),
        TEST(test_lease_successor_at_once),
        TEST(test_lease_successor_of_killed),
        TEST(test_lease_locked_run_dir),
        TEST(test_lease_copied_run_dir),
        TEST(test_lease_taken_away),
        TEST(test_lease_server_restart),
        TEST(test_lease_frozen_server),
        TEST(test_lease_frozen_holder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
