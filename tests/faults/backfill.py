"""Walks over the past and positions by hand, under kills: backfill_okta, backfill_late, checkpoint_set."""

import json
import time
from datetime import datetime, timezone

from scenario import conclude, scenario
from signaltest.tools import Expired, hold, wait_until
from world import IDLE_S, OKTA, Failed, World

FREELY = {"rate_limit": 1_000_000_000}
DAY = 86400


def at(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def facts_of(world, source=OKTA):
    """What stands in the bucket of the walk over the past."""
    checkpoint = world.look(lambda: world.bucket("CHECKPOINTS").get_json(f"{source[1]}.{source[2]}.=backfill")) or {}
    return {**checkpoint.get("backfill", {}), "records": checkpoint.get("count", {}).get("records")}


def ask(world, agent, *words):
    """The command, again while server or agent are just coming up; its answers."""
    said = None

    def done():
        nonlocal said
        said = agent.command(*words, "--json")
        return said.returncode == 0 or "failed" in said.stdout
    wait_until(done, IDLE_S, lambda: f"an answer to {' '.join(words)}: {said.stdout if said else ''} {said.stderr if said else ''}\n{world.describe()}")
    return said


def begin(world, agent, source, since, until, *more):
    said = ask(world, agent, "backfill", source[1], "--data-type", source[2], "--from", at(since), "--to", at(until), *more)
    if said.returncode != 0:
        raise Failed(f"the backfill was not begun: {said.stdout}\n{said.stderr}\n{world.describe()}")
    return said


def wait_live(world, source=OKTA):
    """The live walk has read what it looks back to."""
    wait_until(lambda: (world.checkpoint(source) or {}).get("position", {}).get("time") and not (world.checkpoint(source) or {}).get("walk"), IDLE_S,
               lambda: f"the first live walk\n{world.describe()}")


def wait_done(world, source=OKTA):
    last = [None, time.monotonic()]

    def done():
        now = facts_of(world, source), world.progress()
        if now != last[0]:
            last[:] = now, time.monotonic()
        elif time.monotonic() - last[1] > IDLE_S:
            raise Failed(f"stuck: {now[0]}\n{world.describe()}")
        return now[0].get("state") == "done"
    wait_until(done, 3600, "the end of the backfill")


def kill_in_waves(world, agent, size, step):
    """Agents and servers die at random moments; `step` is called between."""
    kills = 0
    for number in range(size.kills):
        target = world.copier.ours + world.rng.randint(1, size.share)
        try:
            wait_until(lambda: world.copier.ours >= target or not agent.alive, 6, "records")
        except Expired:  # nothing comes any more, which is a moment as well
            pass
        both = number % 3 == 2
        if both:
            world.server.kill()
        world.stop_agent(agent, "term" if number % 4 == 1 else "kill")
        kills += 1
        if both:
            hold(world.rng.uniform(0, 2.5))
            world.server.start()
        agent.start()
        step(number)
    return kills


BACKFILL = {"events": 3000, "page_size": 40, "page_delay": 0.03, "kills": 6, "share": 350}
BACKFILL_FULL = {"events": 60_000, "page_size": 200, "page_delay": 0.02, "kills": 40, "share": 1500}


@scenario("backfill_okta", BACKFILL, BACKFILL_FULL)
def backfill_okta(options, size):
    """Three days of events, a first poll that looks back one: a backfill fetches the rest, and a half day that is in the stream already, while the live walk
    goes on and new events come; agent and server die. Every event of the three days once."""
    vendors = {"okta": {"events": size.events, "span": 3 * DAY, "page_size": size.page_size, "page_delay": size.page_delay, **FREELY}}
    with World("backfill_okta", options, vendors, others_per_s=50) as world:
        now = time.time()
        world.put(OKTA, data_types={OKTA[2]: {"enabled": True, "lookback_hours": 24}})
        agent = world.new_agent().start()
        wait_live(world)
        begin(world, agent, OKTA, now - 4 * DAY, now - DAY / 2)

        def grow(number):
            world.simulator.set("okta", append=world.rng.randint(1, 20))
        kills = kill_in_waves(world, agent, size, grow)
        wait_done(world)
        facts = facts_of(world)
        world.expect(facts["records"] >= size.events // 4, f"only {facts['records']} were published by it")
        world.let_polls_pass()
        begin(world, agent, OKTA, now - 4 * DAY, now - 1.5 * DAY)
        world.stop_agent(agent, "kill")
        agent.start()
        wait_done(world)
        again = facts_of(world)
        world.expect(again["records"] == 0 and again["known"] >= size.events // 3, f"the same once more published {again['records']}, knew {again['known']}")
        verdict = world.finish()
        return conclude(world, f"{kills} kills; {json.dumps(facts)}; {verdict}")


@scenario("backfill_late", {"events": 1500, "page_size": 12, "page_delay": 0.05, "kills": 2}, {"events": 20_000, "page_size": 40, "page_delay": 0.03, "kills": 12})
def backfill_late(options, size):
    """The live walk goes by a cursor over what is stored late: events of the window's time come to it while the backfill goes over that time. Neither publishes
    what the other one has, long behind the duplicate window."""
    vendors = {"okta": {"events": size.events, "span": 3 * DAY, "page_size": size.page_size, "page_delay": size.page_delay, **FREELY}}
    with World("backfill_late", options, vendors) as world:
        now, late, kills = time.time(), 0, 0
        world.put(OKTA, data_types={OKTA[2]: {"enabled": True, "lookback_hours": 24}})
        agent = world.new_agent().start()
        wait_live(world)
        begin(world, agent, OKTA, now - 4 * DAY, now - DAY / 2)
        moments = sorted(world.rng.uniform(0, 0.9) for _ in range(size.kills))

        def done():
            nonlocal late, kills
            facts, position = facts_of(world), (world.look(lambda: world.bucket("CHECKPOINTS").get_json("okta-prod.system_log.=backfill")) or {}).get("position", {})
            world.simulator.set("okta", append={"count": 2, "late_by": world.rng.uniform(1.1, 3) * DAY})
            late += 2
            if moments and (facts.get("records") or 0) > moments[0] * size.events * 2 / 3 and position:
                moments.pop(0)
                world.stop_agent(agent, "kill")
                agent.start()
                kills += 1
            return facts.get("state") == "done"
        wait_until(done, 3600, "the end of the backfill")
        verdict = world.finish()
        return conclude(world, f"{kills} kills, {late} events in between; {json.dumps(facts_of(world))}; {verdict}")


@scenario("checkpoint_set", {"events": 1500, "page_size": 40, "page_delay": 0.02, "kills": 6, "share": 200},
          {"events": 20_000, "page_size": 100, "kills": 40, "share": 900})
def checkpoint_set(options, size):
    """Positions are put back by hours, or begun anew, again and again, in the middle of walks; agent and server die while they are written and behind that. Nothing
    comes twice, nothing is lost."""
    vendors = {"okta": {"events": size.events, "span": 1.5 * DAY, "page_size": size.page_size, "page_delay": size.page_delay, **FREELY}}
    points = ("seen.before", "seen.after", "checkpoint.before", "checkpoint.sent", "checkpoint.after", "recover.loaded", "recover.done")
    with World("checkpoint_set", options, vendors, others_per_s=50) as world:
        now = time.time()
        world.put(OKTA, data_types={OKTA[2]: {"enabled": True, "lookback_hours": 48}})
        agent = world.new_agent().start()
        written = crashed = 0

        def set_back(number):
            nonlocal written, crashed
            world.simulator.set("okta", append=world.rng.randint(1, 20))
            if number % 2: # it dies in the middle of it
                agent.kill()
                agent.start(crash_at=f"{world.rng.choice(points)}:{world.rng.randint(2, 6)}")
            words = ["checkpoint", "reset", OKTA[1]] if number % 3 == 2 else \
                ["checkpoint", "set", OKTA[1], "--data-type", OKTA[2], "--time", at(now - world.rng.uniform(0.1, 1.4) * DAY)]
            said = agent.command(*words, "--json")
            written += said.returncode == 0
            if number % 2:
                try:
                    wait_until(lambda: not agent.alive, 2, "its death")
                    crashed += 1
                except Expired:
                    agent.kill()
                agent.start()
        kills = kill_in_waves(world, agent, size, set_back)
        said = ask(world, agent, "checkpoint", "set", OKTA[1], "--data-type", OKTA[2], "--time", at(now - 1.4 * DAY))
        world.expect(said.returncode == 0, f"the last one was refused: {said.stdout}")
        verdict = world.finish(gaps=True)
        return conclude(world, f"{kills} kills, {crashed} in the middle, {written} written; {verdict}")
