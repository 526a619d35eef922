"""Defects that were there once and must not come back, first part: positions, proofs, buckets and snapshots after a
restart, a power loss or a change of the holder: lease_given_back, tail_refilled, buckets_go_back, first_walk_cut,
kev_crash_before_map, kev_cut_then_unchanged, kev_crash_then_older."""

import os
import shutil

from scenario import conclude, scenario
from signaltest import store
from signaltest.copier import copy_of_stream
from signaltest.tools import hold, wait_until
from world import EDITION, KEV, OKTA, STREAM, SUBJECT, Failed, World

FREELY = {"rate_limit": 1_000_000_000}
OFTEN = 0.01         # minutes between polls: the shortest there is
SOON = 20.0          # what is promised within seconds, on a loaded machine
BRIEF = {"duplicate_window_s": 0.5}  # the stream's memory of message ids must not hide a double
QUICK_LEASE = "lease = { renew_ms = 200; valid_ms = 1000; take_after_ms = 1500; };"


# -- helpers, also of relapses2 ---------------------------------------------------------------------------------------

def okta(size, **options):
    return {"events": size.events, "page_size": size.page, **FREELY, **options}


def agent_with(world, settings, name=None):
    """An agent with lines in its settings file."""
    agent = world.new_agent(name)
    with open(agent.config_path, "a", encoding="utf-8") as file:
        file.write(settings + "\n")
    return agent


def settle(world, deadline_s=SOON):
    """All walks closed, within a time: what goes round in circles makes progress too."""
    wait_until(lambda: all(world.closed(source) for source in world.sources), deadline_s,
               lambda: f"all walks closed\n{world.describe()}")


def polls(world, number=3, deadline_s=SOON):
    """So many more polls of every vendor, within a time."""
    before = {source[0]: world.simulator.state(source[0])["requests"] for source in world.sources}
    wait_until(lambda: all(world.simulator.state(v)["requests"] >= n + number for v, n in before.items()), deadline_s,
               lambda: f"{number} more polls than {before}\n{world.describe()}")


def whole(world, deadline_s=SOON):
    """Until the stream holds everything."""
    def judged():
        return world.ledger().judge(copy_of_stream(world.js, STREAM))
    wait_until(lambda: "missing" not in judged().wrong(), deadline_s,
               lambda: f"everything in the stream\n{judged()}\n{world.describe()}")


def end(world, deadline_s=SOON, **judging):
    """World.finish, within a time."""
    settle(world, deadline_s)
    polls(world, 2)
    settle(world, deadline_s)
    return world.finish(settle=False, **judging)


def forget(world):
    """Lets the duplicate window pass, so that the stream takes a message with a known id again."""
    hold(world.window_s + 0.5)


def each(name, options, variants, vendors, act):
    """act(world, variant) in a world of its own for each variant; findings of all are told."""
    findings, said = [], []
    for variant in variants:
        with World(f"{name}_{variant}", options, vendors(variant), stream=BRIEF) as world:
            try:
                said.append(f"{variant}: {act(world, variant)}")
            except AssertionError as error:
                world.expect(False, str(error))
            findings += [f"{variant}: {finding}" for finding in world.findings]
    if findings:
        raise Failed("\n".join(findings))
    return "; ".join(said)


# -- lease, proof, buckets --------------------------------------------------------------------------------------------

@scenario("lease_given_back", {"events": 300, "page": 30, "more": 90})
def lease_given_back(options, size):
    """The holder is frozen, a standby takes over and publishes, the holder goes on as the standby, and gets the lease
    back by a clean stop of the other. What it remembers of the buckets is old: it loads once and then polls on."""
    with World("lease_back", options, {"okta": okta(size)}, stream={"duplicate_window_s": 120}) as world:
        world.put(OKTA, poll_interval_minutes=OFTEN)
        first, second = (agent_with(world, QUICK_LEASE, name) for name in ("first", "second"))
        first.start()
        settle(world)
        second.start()
        wait_until(lambda: "lease" in second.log(), SOON, lambda: f"the standby looks\n{second.log_tail()}")
        first.freeze()
        wait_until(lambda: (world.bucket("INTEGRATION_LEASES").get_json("agent") or {}).get("epoch", 0) > 1, SOON,
                   "the takeover")
        world.simulator.set("okta", append=size.more)
        settle(world)
        first.thaw()
        hold(1)  # it must see that the lease is gone before it gets it again
        world.stop_agent(second, "term")
        world.simulator.set("okta", append=size.more)
        settle(world)
        polls(world, 2)
        loads = first.log().count("off -> loading")
        polls(world, 4)
        settle(world)
        again = first.log().count("off -> loading") - loads
        world.expect(again == 0, f"loaded {again} times more while nothing happened\n{first.log_tail(12)}")
        verdict = end(world)
        return conclude(world, f"{loads} loads; {verdict}")


@scenario("tail_refilled", {"events": 60, "page": 20, "lost": 20, "others": 40})
def tail_refilled(options, size):
    """A power loss takes the stream's tail while the agent is frozen, and another publisher fills it beyond the old end
    before the agent looks. It has published nothing since its start, so that it knows no sequence of its own but those
    of its checkpoints. The loss must be noticed."""
    with World("tail_refilled", options, {"okta": okta(size)}, stream=BRIEF) as world:
        world.put(OKTA, poll_interval_minutes=10)
        agent = world.new_agent().start()
        whole(world)
        wait_until(lambda: world.closed(OKTA), SOON, "the first walk closed")
        world.stop_agent(agent, "term")
        asked = world.simulator.state("okta")["requests"]
        agent.start()
        wait_until(lambda: "loading -> idle" in agent.log().rpartition("--- start")[2], SOON, "the second start")
        agent.freeze()
        world.server.kill()
        cut = store.cut_tail(world.server.store_dir, STREAM, size.lost)
        world.server.start()
        world.connection.reconnect()
        world.js.publish_many([(SUBJECT, b"{}", {"Nats-Msg-Id": f"other-{n}"}) for n in range(size.others)])
        agent.thaw()
        world.put(OKTA, poll_interval_minutes=OFTEN)
        whole(world)
        world.expect(cut.lost == size.lost, f"only {cut.lost} messages were lost")
        verdict = end(world, gaps=True, stream=True)
        return conclude(world, f"{cut.lost} lost, {size.others} in their place, asked {asked} times before; {verdict}")


BUCKETS = ("KV_CHECKPOINTS", "KV_SEEN")


def bucket_files(world, to_copy):
    """Files of the buckets of a stopped server: kept beside (to_copy), or brought back from there."""
    for name in BUCKETS:
        live = os.path.join(world.server.store_dir, "jetstream", "$G", "streams", name)
        kept = os.path.join(world.workspace.path, f"kept-{name}")
        source, target = (live, kept) if to_copy else (kept, live)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)


@scenario("buckets_go_back", {"events": 60, "page": 20, "entries": 60, "more": 60})
def buckets_go_back(options, size):
    """A power loss that only the buckets feel: CHECKPOINTS and SEEN are those of before a poll with new records, the
    stream is whole. The agent dead, and alive, for okta and cisa-kev: what the stream holds is not published again."""
    def act(world, how):
        world.put(OKTA, poll_interval_minutes=OFTEN)
        world.put(KEV, poll_interval_minutes=OFTEN)
        agent = world.new_agent().start()
        settle(world)
        polls(world, 1)
        world.server.terminate()
        bucket_files(world, to_copy=True)
        world.server.start()
        world.connection.reconnect()
        world.simulator.set("okta", append=size.more)
        world.simulator.set("cisa-kev", **EDITION)
        whole(world)
        settle(world)
        if how == "dead":
            agent.kill()
        world.server.kill()
        bucket_files(world, to_copy=False)
        forget(world)
        world.server.start()
        world.connection.reconnect()
        if how == "dead":
            agent.start()
        polls(world, 3)
        world.simulator.set("okta", append=size.more)
        world.simulator.set("cisa-kev", **EDITION)
        whole(world)
        verdict = end(world, stream=True)
        world.expect(agent.alive, f"the agent ended with {agent.exit_status}")
        return str(verdict)
    return each("buckets_back", options, ("dead", "alive"),
                lambda _: {"okta": okta(size), "cisa-kev": {"entries": size.entries}}, act)


@scenario("first_walk_cut", {"events": 400, "page": 20})
def first_walk_cut(options, size):
    """A first walk of less than the trail's step, the agent killed, the stream's last messages lost: the last five, and
    all but five. The start of the walk is known for certain, so nothing is missing, twice, or called a gap."""
    def act(world, lost):
        world.put(OKTA, poll_interval_minutes=OFTEN)
        agent = world.new_agent().start()
        settle(world)
        agent.kill()
        world.server.kill()
        cut = store.cut_tail(world.server.store_dir, STREAM, lost)
        forget(world)
        world.server.start()
        world.connection.reconnect()
        agent.start()
        whole(world)
        world.expect(cut.lost == lost, f"{cut.lost} messages were lost instead of {lost}")
        return str(end(world, stream=True))
    return each("first_walk", options, (5, size.events - 5), lambda _: {"okta": okta(size)}, act)


# -- snapshots --------------------------------------------------------------------------------------------------------

def kev_until_crash(world, point):
    """First edition taken; agent ends at `point` of the second."""
    world.put(KEV, poll_interval_minutes=OFTEN)
    agent = world.new_agent().start()
    settle(world)
    agent.kill()
    world.simulator.set("cisa-kev", **EDITION)
    agent.start(crash_at=point)
    agent.wait_exit(SOON)
    world.expect(agent.exit_status == agent.CRASHED, f"exit status {agent.exit_status} instead of a crash")
    forget(world)
    return agent


@scenario("kev_crash_before_map", {"entries": 60})
def kev_crash_before_map(options, size):
    """cisa-kev: ended before the map of a new edition is committed, then two starts; with validators honoured, ignored,
    and with one more edition before the second. The new records stay published once."""
    def act(world, variant):
        agent = kev_until_crash(world, "snapshot.map.before")
        agent.start()
        settle(world)
        polls(world, 2)
        agent.kill()
        forget(world)
        if variant == "edition":
            world.simulator.set("cisa-kev", edit={"index": 7}, bump="day")
        agent.start()
        whole(world)
        polls(world, 2)
        return str(end(world))
    return each("kev_map", options, ("honour", "ignore", "edition"), lambda variant: {
        "cisa-kev": {"entries": size.entries, "validators": "ignore" if variant == "ignore" else "honour"}}, act)


@scenario("kev_cut_then_unchanged", {"entries": 60, "cut": 4000})
def kev_cut_then_unchanged(options, size):
    """cisa-kev: the page with a new edition is cut behind its first record, then the site serves the older edition for
    a while: as 304, and as a whole document. Polling goes on, and the new edition is taken when it is there again."""
    def act(world, _):
        world.put(KEV, poll_interval_minutes=OFTEN)
        agent = world.new_agent().start()
        settle(world)
        world.simulator.misbehave("cisa-kev", {"kind": "cut", "at": size.cut})
        world.simulator.set("cisa-kev", **EDITION)
        wait_until(lambda: any("cut" in r["misbehaviours"] for r in world.simulator.requests("cisa-kev")), SOON,
                   "a cut")
        world.simulator.set("cisa-kev", serve=1)
        polls(world, 4)
        world.simulator.set("cisa-kev", serve=0)
        whole(world)
        world.stop_agent(agent, "term")
        forget(world)
        agent.start()
        return str(end(world))
    return each("kev_cut", options, ("honour", "ignore"),
                lambda variant: {"cisa-kev": {"entries": size.entries, "validators": variant}}, act)


@scenario("kev_crash_then_older", {"entries": 60})
def kev_crash_then_older(options, size):
    """cisa-kev: ended before the map of a new edition is committed, and the next start meets the older edition: as 304,
    and as a whole document. Killed again, the new edition is back: its records are there once."""
    def act(world, _):
        agent = kev_until_crash(world, "snapshot.map.before")
        world.simulator.set("cisa-kev", serve=1)
        agent.start()
        polls(world, 4)
        agent.kill()
        forget(world)
        world.simulator.set("cisa-kev", serve=0)
        agent.start()
        polls(world, 2)
        whole(world)
        return str(end(world))
    return each("kev_older", options, ("honour", "ignore"),
                lambda variant: {"cisa-kev": {"entries": size.entries, "validators": variant}}, act)
