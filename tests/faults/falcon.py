"""CrowdStrike Falcon: lists and details, records that change while they are read, tokens: falcon_walk, falcon_weather,
falcon_lost_scroll, falcon_seen_goes_back.

One integration polls all three data types. What the vendor served and then replaced by a newer version cannot be asked for
again: an agent that is killed between its arrival and its acknowledgement misses it, as anybody would who asks a moment
later. So each last version must be there, nothing twice, and in a run without kills every version that was served.
"""

import hashlib
import os
import shutil

from relapses import BRIEF, OFTEN
from scenario import conclude, scenario
from signaltest.ledger import Ledger, Offers
from signaltest.tools import Expired, hold, wait_until
from world import FALCON, IDLE_S, WIDE, Failed, World

VENDOR, NAME = "crowdstrike-falcon", "falcon"
TYPES = ("detections", "devices", "hosts")
FREELY = {"rate_limit": 1_000_000_000, "token_rate": 0}


def value(world, page, batch):
    """The integration as an operator would put it."""
    return {"integration_type": VENDOR, "name": NAME, "poll_interval_minutes": OFTEN,
            "settings": {"base_url": f"{world.simulator.url}/{VENDOR}", "page_size": page, "detail_batch": batch},
            "credentials": {"client_id": "sim-client", "client_secret": "sim-secret"}, "rate_limit": WIDE}


def lines(world):
    return world.simulator.ledger(VENDOR, everything=True)


def key(line):
    return line["type"], line["id"]


def ledger(world, excused=frozenset()):
    """A last version must be there; and one that was served whole and replaced since, but for those `excused`, which something
    was killed over."""
    hashed = {}
    offers = {kind: Offers(f"{NAME}.{kind}.", lambda recipe_id: hashed.get(recipe_id, recipe_id)) for kind in TYPES}
    for line in lines(world):
        hashed["h:" + hashlib.sha256(line["id"].encode()).hexdigest()[:32]] = line["id"]
        required = line["last"] or (line["whole"] and key(line) not in excused)
        offers[line["type"]].add(line["id"], line["sha256"], required)
    return Ledger(*offers.values())


def at_rest(world):
    """Nothing changes any more, every last version was served, and no data type has a walk or page open."""
    if world.simulator.state(VENDOR)["churn_left"] or any(not line["offered"] for line in lines(world) if line["last"]):
        return False
    points = [world.checkpoint((VENDOR, NAME, kind)) for kind in TYPES]
    return all(point and not point.get("open") and not point.get("walk") for point in points)


def progress(world):
    state = world.simulator.state(VENDOR)
    return world.copier.ours, state["churn_left"], state["versions"], sum(line["offered"] > 0 for line in lines(world))


def settle(world, idle_s=IDLE_S):
    """At rest; fails when nothing new came for so long."""
    while True:
        before = progress(world)
        try:
            wait_until(lambda: at_rest(world) or progress(world) != before, idle_s, "anything new")
        except Expired as error:
            raise Failed(f"stuck: {error}\n{describe(world)}") from error
        if at_rest(world):
            return


def polls(world, number=2):
    """So many more walks of every data type, from their first page on."""
    before = world.simulator.state(VENDOR)["walks"]
    wait_until(lambda: all(world.simulator.state(VENDOR)["walks"].get(kind, 0) >= before.get(kind, 0) + number for kind in TYPES),
               IDLE_S, lambda: f"{number} more walks than {before}\n{describe(world)}")


def describe(world):
    points = "\n".join(f"{kind}: {str(world.checkpoint((VENDOR, NAME, kind)))[:500]}" for kind in TYPES)
    return f"{points}\n{world.simulator.state(VENDOR)}\n{world.describe()}"


def end(world, excused=frozenset()):
    """Settled, two more walks, settled; then the judgement."""
    settle(world)
    polls(world)
    settle(world)
    return world.finish(settle=False, ledger=ledger(world, excused))


@scenario("falcon_walk", {"alerts": 600, "devices": 150, "page": 40, "batch": 15, "kills": 5, "server_kills": 2, "churn": 60},
          {"alerts": 20_000, "devices": 6_000, "page": 200, "batch": 60, "kills": 30, "server_kills": 8, "churn": 400})
def falcon_walk(options, size):
    """A long walk of all three data types with kills of agent and server; behind each page alerts and devices are added and
    edited, some of those just listed. Then without kills: every version that is served comes exactly once."""
    vendors = {VENDOR: {"alerts": size.alerts, "devices": size.devices, "page_delay": 0.01, **FREELY}}
    with World("falcon_walk", options, vendors, stream=BRIEF) as world:
        world.put_raw(NAME, value(world, size.page, size.batch))
        world.simulator.set(VENDOR, churn={"pages": size.churn, "alerts": 2, "updates": 2, "new_devices": 1, "modified": 1,
                                           "which": "page"})
        agent = world.new_agent().start()
        acts = ["agent"] * size.kills + ["server"] * size.server_kills
        world.rng.shuffle(acts)
        share = (size.alerts + 2 * size.devices) // (2 * len(acts))
        for act in acts:
            world.copier.wait_count(world.copier.ours + world.rng.randint(1, share), IDLE_S, lambda: describe(world),
                                    alive=lambda: agent.alive)
            if act == "server":
                world.server.kill()
                world.server.start()
            else:
                agent.kill()
                agent.start()
        settle(world)
        served = frozenset(key(line) for line in lines(world) if line["offered"])
        killed = end(world, served)
        conclude(world, "")
        for which in ("page", "any"):
            world.simulator.set(VENDOR, churn={"pages": 20, "alerts": 3, "updates": 3, "modified": 2, "new_devices": 1,
                                               "which": which})
            polls(world)
            settle(world)
        world.simulator.set(VENDOR, append=3 * size.page, update=2 * size.page, modify=size.page)
        verdict = end(world, served)
        return conclude(world, f"{len(acts)} kills, {killed.stored} stored; then {verdict}")


@scenario("falcon_weather", {"alerts": 300, "devices": 120, "page": 25, "batch": 10, "rounds": 2},
          {"alerts": 3_000, "devices": 1_000, "page": 100, "batch": 40, "rounds": 12})
def falcon_weather(options, size):
    """No kills, but everything else: errors inside a 200, replies cut, tokens revoked, scrolls expired, batches refused, a
    throttle; records change meanwhile. Every version that was served whole is there once."""
    vendors = {VENDOR: {"alerts": size.alerts, "devices": size.devices, "detail_limit": 4, "scroll_token": "same",
                        "scroll_end": "page", "fraction": "mixed", "odd_every": 7, **FREELY,
                        "shapes": ["escapes", "utf8", "numbers", "empty", "nested", "long"]}}
    with World("falcon_weather", options, vendors, stream=BRIEF) as world:
        world.put_raw(NAME, value(world, size.page, size.batch))
        world.new_agent().start()
        for _ in range(size.rounds):
            world.simulator.set(VENDOR, churn={"pages": 12, "alerts": 2, "updates": 2, "modified": 1, "which": "page"})
            world.simulator.misbehave(VENDOR, {"kind": "partial", "count": 2, "skip": 3},
                                      {"kind": "cut", "count": 2, "skip": 5},
                                      {"kind": "throttle", "header": "reset", "seconds": 2, "skip": 8})
            hold(1)
            world.simulator.set(VENDOR, revoke_tokens=True)
            hold(0.5)
            world.simulator.set(VENDOR, expire_cursors=True)
            settle(world)
        verdict = end(world)
        return conclude(world, str(verdict))


@scenario("falcon_lost_scroll", {"devices": 20_000, "page": 1000, "losses": 3}, {"devices": 100_000, "page": 1000, "losses": 10})
def falcon_lost_scroll(options, size):
    """A first inventory of many devices whose scroll is lost again and again, far from its beginning and long after the stream
    has forgotten its message ids, every other time with a kill: it begins again, and nothing of it comes twice."""
    vendors = {VENDOR: {"alerts": 0, "devices": size.devices, "page_delay": 0.1, **FREELY}}
    with World("falcon_scroll", options, vendors, stream=BRIEF) as world:
        only = {kind: {"enabled": kind == "devices"} for kind in TYPES}
        world.put_raw(NAME, {**value(world, size.page, 1000), "data_types": only})
        agent = world.new_agent().start()
        for loss in range(1, size.losses + 1):
            world.copier.wait_count(size.devices * loss // (size.losses + 1), IDLE_S, lambda: describe(world),
                                    alive=lambda: agent.alive)
            world.simulator.set(VENDOR, expire_cursors=True)
            if loss % 2 == 0:
                agent.kill()
                agent.start()
        world.copier.wait_count(size.devices, IDLE_S, lambda: describe(world), alive=lambda: agent.alive)
        before = world.simulator.state(VENDOR)["walks"]["devices"]
        wait_until(lambda: world.simulator.state(VENDOR)["walks"]["devices"] >= before + 2, IDLE_S, lambda: describe(world))
        offers = Offers(f"{NAME}.devices.")
        for line in lines(world):
            if line["type"] == "devices":
                offers.add(line["id"], line["sha256"])
        verdict = world.finish(settle=False, ledger=Ledger(offers))
        lost = world.simulator.state(VENDOR)["expired_cursors"]
        world.expect(lost > 0, "no scroll was lost: expire them earlier")
        return conclude(world, f"{lost} lost; {verdict}")


@scenario("falcon_seen_goes_back", {"alerts": 60, "more": 40}, {"alerts": 2_000, "more": 500})
def falcon_seen_goes_back(options, size):
    """A power loss takes the tail of bucket SEEN alone, as each stream is synced by itself: what every poll reads again is
    found in the stream at the start, and nothing of it comes twice."""
    vendors = {VENDOR: {"alerts": size.alerts, "devices": 0, **FREELY}}
    with World("falcon_seen_back", options, vendors) as world:
        world.put(FALCON, poll_interval_minutes=OFTEN)
        agent = world.new_agent().start()
        world.wait_closed()
        world.let_polls_pass(1)
        store = os.path.join(world.server.store_dir, "jetstream", "$G", "streams", "KV_SEEN")
        kept = world.workspace.file("seen-before")
        world.server.terminate()
        shutil.copytree(store, kept)
        world.server.start()
        world.simulator.set(VENDOR, append=size.more)
        world.let_polls_pass(2)
        world.wait_closed()
        agent.kill()
        world.server.kill()
        shutil.rmtree(store)
        shutil.copytree(kept, store)
        world.server.start()
        hold(world.window_s + 0.5)  # the stream's memory of message ids must not hide a double
        agent.start()
        verdict = world.finish(stream=True)
        return conclude(world, str(verdict))
