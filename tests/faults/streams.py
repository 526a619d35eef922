"""Streams that weaken the promise, judged from a witness that copied every message: work_queue, interest_stream,
discard_old."""

from scenario import conclude, scenario
from signaltest.tools import wait_until
from world import IDLE_S, OKTA, STREAM, Failed, World

FREELY = {"rate_limit": 1_000_000_000}
WINDOW = 4096  # the most that may be in flight; what a kill may double comes on top of the 1,000 acks between two saves


def okta(size):
    return {"okta": {"events": size.events, "page_size": size.events // size.pages, "page_delay": size.page_delay,
                     **FREELY}}


def consumed(options, size, retention):
    """Kills on a stream that forgets what is consumed."""
    with World(retention, options, okta(size), stream={"retention": retention}, acknowledge=True) as world:
        world.put(OKTA)
        wait_until(lambda: world.js.consumer_names(STREAM), IDLE_S, "the witness's consumer")
        agent = world.new_agent().start()
        share, kills = int(0.6 * size.events / size.kills), 0
        while kills < size.kills and world.run_on(world.rng.randint(1, 2 * share), agent):
            agent.kill()
            kills += 1
            agent.start()
        verdict = world.finish(allow=("doubled_by_id", "doubled_by_body"))
        doubles = sum(len(copies) - 1 for copies in verdict.doubles.values())
        world.expect(doubles <= kills * (1000 + WINDOW), f"{doubles} doubles after {kills} kills\n{verdict}")
        promise = world.promise()
        world.expect(promise == "bounded", f"status says {promise!r} of a {retention} stream, not 'bounded'")
        return conclude(world, f"{kills} kills, {doubles} doubles, promise {promise}; {verdict}")


CONSUMED = {"events": 2000, "pages": 40, "page_delay": 0.03, "kills": 3}
CONSUMED_FULL = {"events": 30_000, "pages": 300, "kills": 15}


@scenario("work_queue", CONSUMED, CONSUMED_FULL)
def work_queue(options, size):
    """Work-queue stream with a consumer that takes everything: none missing, at most 1,000 + window twice per kill,
    status says `bounded`. (Only the agent is killed: nats-server 2.9.10 itself begins such a stream again at sequence
    1 when killed while acknowledgements come in.)"""
    return consumed(options, size, "workqueue")


@scenario("interest_stream", CONSUMED, CONSUMED_FULL)
def interest_stream(options, size):
    """Interest stream with a consumer that takes everything: as work_queue."""
    return consumed(options, size, "interest")


@scenario("discard_old", {"events": 2000, "pages": 40, "page_delay": 0.03, "kills": 4, "max_msgs": 60},
          {"events": 30_000, "pages": 300, "kills": 15, "max_msgs": 120})
def discard_old(options, size):
    """Stream that holds little more than a page and forgets the oldest: none missing, doubles only of what was gone
    from the stream when the agent started again, status says so."""
    for _ in range(3):  # the witness reads what the stream forgets at once: on a busy machine it may come too late
        said = discard_old_once(options, size)
        if said:
            return said
    raise Failed("three times the stream forgot something before the witness had read it: no judgement")


def discard_old_once(options, size):
    """None when the witness missed a message, so that nothing can be said."""
    with World("discard_old", options, okta(size), stream={"max_msgs": size.max_msgs, "discard": "old"},
               others_per_s=50) as world:
        world.put(OKTA)
        agent = world.new_agent().start()
        share, restarts = int(0.6 * size.events / size.kills), []
        while len(restarts) < size.kills and world.run_on(world.rng.randint(1, 2 * share), agent):
            agent.kill()
            world.copier.catch_up()
            floor = ((world.checkpoint() or {}).get("floor") or {}).get("page", 0)
            state = world.js.stream_state(STREAM)
            restarts.append((state["last_seq"], state["first_seq"], floor))
            agent.start()
        world.wait_closed()
        if world.copier.holes:
            return None
        verdict = world.finish(allow=("doubled_by_id", "doubled_by_body"))
        if world.copier.holes:
            world.findings.clear()
            return None
        unexcused = [f"{msg_id} at {[c.seq for c in copies]}" for msg_id, copies in verdict.doubles.items()
                     if not excused([c.seq for c in copies], restarts)]
        world.expect(not unexcused, f"{len(unexcused)} doubles whose first copy could still be read: {unexcused[:3]}\n"
                                    f"restarts (last, first, floor): {restarts}")
        promise = world.promise()
        world.expect(promise in ("bounded", "at_least_once"), f"status says {promise!r} though the floor was overtaken")
        return conclude(world, f"{len(restarts)} kills, {len(verdict.doubles)} doubled, promise {promise}; {verdict}")


def excused(seqs, restarts):
    """Each later copy came after a restart at which the page's floor, and the copy before, were gone."""
    for earlier, later in zip(seqs, seqs[1:]):
        if not any(earlier <= last < later and floor + 1 < first and earlier < first for last, first, floor in restarts):
            return False
    return True
