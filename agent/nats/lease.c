/* The agent lease. See lease.h and exactness.md 6.
 *
 * Held means: our value stands under the key with our epoch, and the last renewal that is known to
 * have succeeded was *sent* less than valid_ms ago on CLOCK_BOOTTIME. The fence says this to others
 * without our help, so a thread that hangs, or a process that was frozen, closes it by doing
 * nothing. Whatever is unknown (a renewal without an answer) is settled by reading before the next
 * write.
 *
 * Instance id: run_dir/instance holds it, and a lock on that file is held while the process lives.
 * Whoever gets the lock knows that the previous holder of this id is dead. Should two agents share
 * an id all the same (a copied volume), the one whose lease is taken by its own id takes a new id.
 */
#include "nats/lease.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/log.h"
#include "nats/internal.h"
#include "nats/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUCKET           "INTEGRATION_LEASES"
#define KEY              "agent"
#define ID_BYTES         16
#define READ_EVERY_MS    500
#define RELEASE_MS       1000
#define STOP_GRACE_MS    1200
#define STOP_LIMIT_MS    1800
#define TIMEOUT_LEAST_MS 100

struct value {
    char holder[2 * ID_BYTES + 1]; /* empty: not readable as ours */
    char agent[128];
    uint64_t epoch;
    bool released;
};

struct sc_lease {
    struct sc_worker worker;
    struct sc_lease_config config; /* strings are copies; nats is not kept */
    struct sc_fence *fence;        /* not touched once stopping */
    char *agent;
    char id[2 * ID_BYTES + 1];
    int lock_fd; /* the instance file; -1: none */
    uint32_t timeout_ms;
    bool release; /* at the end; under the worker's lock */

    /* the thread's */
    bool held, unsure; /* unsure: a write of ours may or may not stand there */
    uint64_t rev, epoch;
    int64_t valid_until, renew_at;
    /* standing by: a revision that did not change between two readings of ours */
    uint64_t other_rev;
    char other_created[64];
    int64_t same_since, last_read;
    /* what was told last */
    enum sc_lease_state told;
    uint64_t told_epoch;
    char told_detail[400];
    bool told_any;
    _Atomic bool stands_by;
};

/* ---- instance id -------------------------------------------------------------------------- */

static void fresh_id(struct sc_lease *lease)
{
    unsigned char bytes[ID_BYTES];
    sc_random(bytes, sizeof bytes);
    sc_hex(bytes, sizeof bytes, lease->id);
}

static bool read_id(int fd, char id[2 * ID_BYTES + 1])
{
    unsigned char bytes[ID_BYTES];
    if (pread(fd, id, 2 * ID_BYTES, 0) != 2 * ID_BYTES)
        return false;
    id[2 * ID_BYTES] = '\0';
    return sc_unhex((struct sc_str){id, 2 * ID_BYTES}, bytes, ID_BYTES);
}

static bool write_id(int fd, const char *id)
{
    char line[2 * ID_BYTES + 2];
    int len = snprintf(line, sizeof line, "%s\n", id);
    return ftruncate(fd, 0) == 0 && pwrite(fd, line, (size_t)len, 0) == len && fsync(fd) == 0;
}

static void take_instance(struct sc_lease *lease, const char *run_dir)
{
    fresh_id(lease);
    SC_AUTO_FREE char *path = sc_printf("%s/instance", run_dir);
    if (!path)
        return;
    mkdir(run_dir, 0755); /* where this fails, open() says why */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        SC_SAY(SC_WARN, "nats",
               "cannot open %s (%s): after a crash this agent waits until its own lease expires",
               path, strerror(errno));
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        SC_SAY(SC_INFO, "nats", "%s is locked: another agent runs with this run directory", path);
        close(fd);
        return;
    }
    char stored[2 * ID_BYTES + 1];
    if (read_id(fd, stored)) {
        memcpy(lease->id, stored, sizeof stored);
    } else if (!write_id(fd, lease->id)) {
        SC_SAY(SC_WARN, "nats",
               "cannot write %s (%s): after a crash this agent waits until its own lease expires",
               path, strerror(errno));
    }
    lease->lock_fd = fd;
}

/* ---- the value ---------------------------------------------------------------------------- */

static int compose(const struct sc_lease *lease, uint64_t epoch, bool released, struct sc_buf *out)
{
    char now[SC_TIME_TEXT];
    sc_buf_addf(out, "{\"v\":1,\"holder\":\"%s\",\"agent\":", lease->id);
    sc_buf_add_json(out, sc_str_of(lease->agent));
    sc_buf_addf(out, ",\"epoch\":%llu,\"renewed\":\"%s\",\"released\":%s}",
                (unsigned long long)epoch, sc_time_rfc3339(sc_real_ms(), now),
                released ? "true" : "false");
    return out->failed ? -1 : 0;
}

static void parse(struct sc_str text, struct value *ret)
{
    *ret = (struct value){0};
    json_t *json = json_loadb(text.ptr, text.len, 0, NULL);
    const char *holder = json_string_value(json_object_get(json, "holder"));
    const char *agent = json_string_value(json_object_get(json, "agent"));
    json_int_t epoch = json_integer_value(json_object_get(json, "epoch"));
    snprintf(ret->holder, sizeof ret->holder, "%s", holder ? holder : "");
    snprintf(ret->agent, sizeof ret->agent, "%s", agent ? agent : "?");
    ret->epoch = epoch > 0 ? (uint64_t)epoch : 0;
    ret->released = json_is_true(json_object_get(json, "released"));
    json_decref(json);
}

/* ---- telling ------------------------------------------------------------------------------ */

static void tell(struct sc_lease *lease, enum sc_lease_state state, enum sc_reason reason,
                 const char *detail)
{
    if (sc_worker_stopping(&lease->worker))
        return;
    if (lease->told_any && lease->told == state && lease->told_epoch == lease->epoch &&
        strcmp(lease->told_detail, detail) == 0)
        return;
    lease->told_any = true;
    lease->told = state;
    lease->told_epoch = lease->epoch;
    snprintf(lease->told_detail, sizeof lease->told_detail, "%s", detail);
    lease->config.changed(lease->config.arg, state, lease->epoch, reason, detail);
}

/* The fence is its owner's again once we are told to stop, so it is written under the lock. */
static void set_fence(struct sc_lease *lease, uint64_t epoch, int64_t valid_until)
{
    pthread_mutex_lock(&lease->worker.lock);
    if (!lease->worker.stopping) {
        atomic_store_explicit(&lease->fence->epoch, epoch, memory_order_release);
        atomic_store_explicit(&lease->fence->valid_until_boot_ms, valid_until,
                              memory_order_release);
    }
    pthread_mutex_unlock(&lease->worker.lock);
}

static void lose(struct sc_lease *lease, enum sc_reason reason, const char *detail)
{
    set_fence(lease, lease->epoch, 0);
    lease->held = lease->unsure = false;
    lease->valid_until = 0;
    lease->other_rev = 0;
    lease->same_since = 0;
    tell(lease, SC_LEASE_SEEKING, reason, detail);
}

static bool expired(const struct sc_lease *lease)
{
    return sc_boot_ms() >= lease->valid_until;
}

/* True when it was ours and its time has passed. */
static bool lose_expired(struct sc_lease *lease, enum sc_reason reason, const char *why)
{
    if (!lease->held || !expired(lease))
        return false;
    char detail[400], valid[SC_TIME_TEXT];
    snprintf(detail, sizeof detail, "lease not renewed for %s: %s",
             sc_duration_text(lease->config.valid_ms, valid), why);
    lose(lease, reason, detail);
    return true;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* No wait of ours outlasts the lease: its end is told in time. */
static void bound_requests(struct sc_lease *lease)
{
    int64_t ms = lease->timeout_ms;
    if (lease->held && lease->valid_until - sc_boot_ms() < ms)
        ms = lease->valid_until - sc_boot_ms();
    sc_session_set_timeout(lease->worker.session,
                           (uint32_t)(ms > TIMEOUT_LEAST_MS ? ms : TIMEOUT_LEAST_MS));
}

/* 0 written, 1 conflict, -1 + err. */
static int put(struct sc_lease *lease, uint64_t epoch, bool released, uint64_t rev,
               uint64_t *ret_rev, struct sc_error *err)
{
    SC_AUTO_BUF struct sc_buf value = {0};
    if (compose(lease, epoch, released, &value))
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
    return sc_kv_put(lease->worker.session, BUCKET, KEY, value.ptr, value.len, rev, ret_rev, err);
}

static void hold(struct sc_lease *lease, uint64_t epoch, uint64_t rev, int64_t sent_boot,
                 int64_t sent_mono)
{
    lease->held = true;
    lease->unsure = false;
    lease->rev = rev;
    lease->epoch = epoch;
    lease->valid_until = sent_boot + lease->config.valid_ms;
    lease->renew_at = sent_mono + lease->config.renew_ms;
    set_fence(lease, epoch, lease->valid_until);
}

/* 0 taken, or another was faster; -1 + err. */
static int take(struct sc_lease *lease, uint64_t old_epoch, uint64_t rev, struct sc_error *err)
{
    uint64_t epoch = (old_epoch > lease->epoch ? old_epoch : lease->epoch) + 1, new_rev = 0;
    int64_t boot = sc_boot_ms(), mono = sc_mono_ms();
    int rc = put(lease, epoch, false, rev, &new_rev, err);
    if (rc < 0)
        return -1;
    lease->other_rev = 0;
    if (rc == 1 || sc_boot_ms() >= boot + lease->config.valid_ms)
        return 0;
    hold(lease, epoch, new_rev, boot, mono);
    SC_FAULT("lease.taken");
    char detail[64];
    snprintf(detail, sizeof detail, "lease held, epoch %llu", (unsigned long long)epoch);
    lease->stands_by = false;
    tell(lease, SC_LEASE_HELD, SC_REASON_OK, detail);
    return 0;
}

/* ---- seeking ------------------------------------------------------------------------------ */

static int64_t read_every(const struct sc_lease *lease)
{
    int64_t ms = lease->config.take_after_ms / 6;
    return ms > READ_EVERY_MS ? READ_EVERY_MS : ms < 20 ? 20 : ms;
}

/* Another's value stands there: has it stood unchanged long enough, under our eyes? */
static bool stands_still(struct sc_lease *lease, const struct sc_kv_entry *entry, int64_t asked)
{
    int64_t now = sc_mono_ms();
    bool same = lease->other_rev == entry->rev && lease->same_since &&
                strcmp(lease->other_created, entry->created) == 0;
    /* Not reading for a while (no connection, a frozen process) is not watching it stand. */
    bool gap = asked - lease->last_read > read_every(lease) + lease->timeout_ms;
    lease->last_read = now;
    if (!same || gap) {
        lease->other_rev = entry->rev;
        memcpy(lease->other_created, entry->created, sizeof lease->other_created);
        lease->same_since = now;
        return false;
    }
    return asked - lease->same_since >= lease->config.take_after_ms;
}

/* 0, -1 + err. */
static int seek_entry(struct sc_lease *lease, const struct sc_kv_entry *entry, int64_t asked,
                      struct sc_error *err)
{
    struct value value;
    parse(sc_buf_str(&entry->value), &value);
    bool free = entry->deleted || value.released;
    if (free || strcmp(value.holder, lease->id) == 0 || stands_still(lease, entry, asked))
        return take(lease, value.epoch, entry->rev, err);
    char detail[400];
    lease->stands_by = true;
    snprintf(detail, sizeof detail, "lease held by agent %s, instance %s, epoch %llu", value.agent,
             value.holder, (unsigned long long)value.epoch);
    tell(lease, SC_LEASE_SEEKING, SC_REASON_LEASE_HELD, detail);
    return 0;
}

static int seek(struct sc_lease *lease, struct sc_error *err)
{
    struct sc_kv_entry entry = {0};
    int64_t asked = sc_mono_ms();
    int rc = sc_kv_get(lease->worker.session, BUCKET, KEY, &entry, err);
    if (rc < 0 && err->reason == SC_REASON_NO_STREAM) {
        sc_error_clear(err);
        rc = sc_kv_ensure(lease->worker.session, BUCKET, 1, NULL, err);
    } else if (rc == 1) {
        rc = take(lease, 0, SC_KV_REV_ABSENT, err);
    } else if (rc == 0) {
        rc = seek_entry(lease, &entry, asked, err);
        if (rc == 0 && !lease->held)
            sc_worker_wait(&lease->worker, asked + read_every(lease));
    }
    sc_kv_entry_done(&entry);
    return rc;
}

/* ---- holding ------------------------------------------------------------------------------ */

static void lose_to(struct sc_lease *lease, const struct sc_kv_entry *entry)
{
    struct value value;
    char detail[400];
    parse(sc_buf_str(&entry->value), &value);
    if (strcmp(value.holder, lease->id) == 0) {
        fresh_id(lease);
        lose(lease, SC_REASON_LEASE_HELD,
             "lease lost to an agent with the same instance id: the run directory was "
             "copied; a new id is used until the next start");
        return;
    }
    lease->stands_by = true;
    snprintf(detail, sizeof detail, "lease lost: taken by agent %s, instance %s, epoch %llu",
             value.agent, value.holder, (unsigned long long)value.epoch);
    lose(lease, SC_REASON_LEASE_HELD, detail);
}

/* What stands there, after a write of which the end is unknown, or after a conflict. 0: ours still
 * (its revision noted), or lost and told; -1 + err. */
static int look(struct sc_lease *lease, bool conflict, struct sc_error *err)
{
    struct sc_kv_entry entry = {0};
    struct value value;
    int rc = sc_kv_get(lease->worker.session, BUCKET, KEY, &entry, err);
    if (rc == 1 || (rc < 0 && err->reason == SC_REASON_NO_STREAM) || (rc == 0 && entry.deleted)) {
        sc_error_clear(err);
        lose(lease, SC_REASON_STARTING, "lease lost: its key was deleted");
        rc = 0;
    } else if (rc == 0) {
        parse(sc_buf_str(&entry.value), &value);
        if (!conflict && strcmp(value.holder, lease->id) == 0 && value.epoch == lease->epoch &&
            !value.released) {
            lease->rev = entry.rev;
            lease->unsure = false;
        } else {
            lose_to(lease, &entry);
        }
    } else if (conflict) {
        lose(lease, SC_REASON_LEASE_HELD, "lease lost to another agent");
    }
    sc_kv_entry_done(&entry);
    return rc;
}

static int renew(struct sc_lease *lease, struct sc_error *err)
{
    uint64_t rev = 0;
    bound_requests(lease);
    if (lease->unsure && (look(lease, false, err) || !lease->held))
        return lease->held ? -1 : 0;
    bound_requests(lease);
    int64_t boot = sc_boot_ms(), mono = sc_mono_ms();
    if (boot >= lease->valid_until)
        return 0;
    lease->unsure = true;
    int rc = put(lease, lease->epoch, false, lease->rev, &rev, err);
    if (rc == 0) {
        hold(lease, lease->epoch, rev, boot, mono);
        return 0;
    }
    if (rc < 0)
        return -1; /* "nobody answers" included: a cluster says so while it elects a leader */
    set_fence(lease, lease->epoch, 0); /* at once, before asking who */
    return look(lease, true, err) && lease->held ? -1 : 0;
}

static void release_lease(struct sc_lease *lease)
{
    struct sc_error err = SC_ERROR_INIT;
    pthread_mutex_lock(&lease->worker.lock);
    bool release = lease->release;
    pthread_mutex_unlock(&lease->worker.lock);
    if (!release || !lease->held || !sc_worker_connected(&lease->worker))
        return;
    sc_session_set_timeout(lease->worker.session, lease->unsure ? RELEASE_MS / 2 : RELEASE_MS);
    if (lease->unsure && (look(lease, false, &err) || !lease->held))
        return;
    /* Not released in time: it expires. */
    (void)!put(lease, lease->epoch, true, lease->rev, NULL, &err);
}

/* ---- the thread --------------------------------------------------------------------------- */

/* One turn with a connection. 0, or -1 + err: the connection is no good. */
static int turn(struct sc_lease *lease, struct sc_error *err)
{
    if (lose_expired(lease, SC_REASON_BROKER_STALLED, "the process or its connection stood still"))
        return 0;
    if (!lease->held) {
        bound_requests(lease);
        return seek(lease, err);
    }
    if (lease->unsure || sc_mono_ms() >= lease->renew_at)
        return renew(lease, err);
    sc_worker_wait(&lease->worker, lease->renew_at);
    return 0;
}

static int connect(struct sc_lease *lease, struct sc_error *err)
{
    int64_t ms = lease->timeout_ms;
    if (lease->held && lease->valid_until - sc_boot_ms() < ms)
        ms = lease->valid_until - sc_boot_ms();
    if (ms < TIMEOUT_LEAST_MS)
        ms = TIMEOUT_LEAST_MS;
    lease->unsure = lease->held;
    lease->same_since = 0;
    return sc_worker_connect(&lease->worker, "lease", (uint32_t)ms, err);
}

static void failed(struct sc_lease *lease, const struct sc_error *err)
{
    struct sc_worker *worker = &lease->worker;
    if (sc_worker_stopping(worker))
        return;
    sc_worker_disconnect(worker);
    lease->same_since = 0;
    lease->stands_by = false;
    if (!lose_expired(lease, err->reason, err->text) && !lease->held)
        tell(lease, SC_LEASE_SEEKING, err->reason, err->text);
    sc_worker_back_off(worker, lease->held ? lease->valid_until - sc_boot_ms() : INT64_MAX);
    lose_expired(lease, err->reason, err->text);
}

static void run(void *arg)
{
    struct sc_lease *lease = arg;
    struct sc_worker *worker = &lease->worker;
    while (!sc_worker_stopping(worker)) {
        struct sc_error err = SC_ERROR_INIT;
        int rc = 0;
        if (!sc_worker_connected(worker))
            rc = connect(lease, &err);
        if (rc == 0)
            rc = turn(lease, &err);
        if (rc)
            failed(lease, &err);
        else
            sc_worker_went_well(worker);
    }
    release_lease(lease);
}

static void free_lease(void *arg)
{
    struct sc_lease *lease = arg;
    sc_worker_done(&lease->worker);
    if (lease->lock_fd >= 0)
        close(lease->lock_fd);
    free(lease->agent);
    free(lease);
}

static uint32_t timeout_of(const struct sc_lease_config *config)
{
    uint32_t ms = config->nats->request_timeout_ms ? config->nats->request_timeout_ms : 5000;
    uint32_t most = config->valid_ms / 4; /* two tries fit between a renewal and the end */
    return ms < most ? ms : most > TIMEOUT_LEAST_MS ? most : TIMEOUT_LEAST_MS;
}

struct sc_lease *sc_lease_start(const struct sc_lease_config *config, struct sc_fence *fence,
                                struct sc_error *err)
{
    struct sc_lease *lease = calloc(1, sizeof *lease);
    if (lease)
        lease->agent = sc_dup(config->agent ? config->agent : "");
    if (!lease || !lease->agent) {
        free(lease);
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "NATS: out of memory");
        return NULL;
    }
    lease->lock_fd = -1;
    lease->config = *config;
    lease->timeout_ms = timeout_of(config);
    lease->fence = fence;
    take_instance(lease, config->run_dir);
    if (sc_worker_start(&lease->worker, config->nats, run, free_lease, lease, err)) {
        free_lease(lease);
        return NULL;
    }
    return lease;
}

struct sc_lease *sc_lease_stop(struct sc_lease *lease, bool release)
{
    if (!lease)
        return NULL;
    pthread_mutex_lock(&lease->worker.lock);
    lease->release = release;
    lease->worker.stopping = true;
    atomic_store_explicit(&lease->fence->valid_until_boot_ms, 0, memory_order_release);
    pthread_mutex_unlock(&lease->worker.lock);
    sc_worker_end(&lease->worker, STOP_GRACE_MS, STOP_LIMIT_MS);
    sc_worker_leave(&lease->worker);
    return NULL;
}

bool sc_lease_stands_by(const struct sc_lease *lease)
{
    return lease->stands_by;
}
