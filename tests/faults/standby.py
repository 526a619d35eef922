"""Two agents on one lease: two_agents_freeze."""

import time

from scenario import conclude, scenario
from signaltest.tools import hold, wait_until
from world import IDLE_S, OKTA, World

FREELY = {"rate_limit": 1_000_000_000}


@scenario("two_agents_freeze", {"events": 3000, "pages": 150, "page_delay": 0.1, "freeze": 20},
          {"events": 20_000, "pages": 500, "freeze": 30})
def two_agents_freeze(options, size):
    """The lease holder is frozen in the middle of a page and continued after the standby took over (duplicate window
    2 min): no message of the old epoch is handed over after the takeover, none is missing, none comes twice."""
    vendors = {"okta": {"events": size.events, "page_size": size.events // size.pages, "page_delay": size.page_delay,
                        **FREELY}}
    with World("two_agents", options, vendors, stream={"duplicate_window_s": 120}) as world:
        world.put(OKTA)
        first, second = world.new_agent("first"), world.new_agent("second")
        first.start(trace=True)
        wait_until(lambda: world.look(lambda: world.bucket("INTEGRATION_LEASES").get("agent")), IDLE_S, "a lease")
        second.start(trace=True)
        world.run_on(world.rng.randint(1, size.events // 3), first)
        first.freeze()
        old = first.trace()[-1][1] if first.trace() else 0
        taken_ns = watch_takeover(world, old, second, size.freeze)
        first.thaw()
        verdict = world.finish()
        rows = sorted([(*row, "first") for row in first.trace()] + [(*row, "second") for row in second.trace()])
        late = [row for row in rows if row[1] <= old and row[0] > taken_ns]
        world.expect(bool(second.trace()), "the standby never handed a message over")
        world.expect(not late, f"{len(late)} messages of epoch {old} were handed over after the takeover: {late[:3]}")
        backwards = [b for a, b in zip(rows, rows[1:]) if b[1] < a[1]]
        world.expect(not backwards, f"epochs go backwards in the order of handing over: {backwards[:3]}")
        world.expect(first.alive and second.alive, "one of the agents ended by itself")
        return conclude(world, f"frozen {size.freeze} s, epoch {old} then {rows[-1][1]}; {verdict}")


def watch_takeover(world, old, second, freeze_s):
    """Lets the freeze pass; returns the moment, in ns of CLOCK_BOOTTIME, when another epoch was seen in the lease."""
    end = time.monotonic() + freeze_s

    def taken():
        lease = world.look(lambda: world.bucket("INTEGRATION_LEASES").get_json("agent")) or {}
        return lease.get("epoch", old) > old or any(row[1] > old for row in second.trace())

    wait_until(taken, freeze_s + 15, "the takeover")
    seen_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    hold(max(0.0, end - time.monotonic()))
    return seen_ns
