/* The agent lease (exactness.md 6): key `agent` in INTEGRATION_LEASES, renewed every 5 s on its own thread and connection. */
#pragma once

#include "base/mailbox.h"
#include "nats/session.h"

/* What a publisher looks at before each message: cheap, lock-free. */
struct sc_fence {
    _Atomic int64_t valid_until_boot_ms; /* sending time of the last good renewal + 10 s; 0: not ours */
    _Atomic uint64_t epoch;              /* of the holding; grows with each taking */
};

static inline bool sc_fence_open(const struct sc_fence *fence, uint64_t epoch, int64_t boot_ms)
{
    return atomic_load_explicit(&fence->epoch, memory_order_acquire) == epoch &&
           boot_ms < atomic_load_explicit(&fence->valid_until_boot_ms, memory_order_acquire);
}

enum sc_lease_state {
    SC_LEASE_SEEKING, /* not connected, or another holds it: standby */
    SC_LEASE_HELD
};

struct sc_lease_config {
    const struct sc_nats_config *nats; /* outlives the lease */
    const char *run_dir;               /* instance id and its lock: run_dir/instance */
    const char *agent;                 /* appliance id, shown to others */
    uint32_t renew_ms, take_after_ms, valid_ms; /* 5000, 15000, 10000 */
    /* On the lease thread. reason: lease_held on standby, and `detail` names the holder; what NATS does (broker_unavailable, broker_stalled …)
     * where it cannot be had, and `detail` is the error; ok when it is held. */
    void (*changed)(void *arg, enum sc_lease_state state, uint64_t epoch, enum sc_reason reason, const char *detail);
    void *arg;
};

struct sc_lease;
/* Takes the instance lock and starts the thread. */
struct sc_lease *sc_lease_start(const struct sc_lease_config *config, struct sc_fence *fence, struct sc_error *err);
/* Releases the lease when held (release = false: leaves it to expire), ends the thread. Returns NULL. */
struct sc_lease *sc_lease_stop(struct sc_lease *lease, bool release);
/* Another agent holds it, as far as was seen last; false as well when the lease cannot be read. Any thread. */
bool sc_lease_stands_by(const struct sc_lease *lease);
/* The value's fields for `health` and `doctor`: {"v":1,"holder":"<instance id>","agent":"edge-1","epoch":7,"renewed":"…","released":false} */
