"""1Password Events (a cursor that never ends) and SentinelOne (lists by a time, records that change) over waves of everything:
kills of agent and server, late records, many records of one time, cursors that expire, replies cut, throttles, errors inside a
200. Judged as falcon.py does it: each last version is there once, nothing is there twice, and where nothing is killed every
version that was served whole is there.
"""

import hashlib
import time
from collections import Counter

from relapses import BRIEF, OFTEN
from scenario import conclude, scenario
from signaltest.ledger import Ledger, Offers
from signaltest.tools import Expired, wait_until
from world import IDLE_S, WIDE, Failed, World

FREELY = {"rate_limit": 1_000_000_000}
ODD = ["escapes", "utf8", "numbers", "empty", "nested", "long"]
# In runs without kills alone: an agent that dies before it has saved what it was told cannot know it.
THROTTLED = {"kind": "throttle", "header": "retry_after", "seconds": 1, "skip": 7}
UNNAMED = {"kind": "throttle", "header": "none", "skip": 7}    # half a minute's wait


class Vendor:
    """One integration with all of its data types."""

    idle_s = IDLE_S     # longer where the connector holds back what is young

    def __init__(self, world, vendor, name, types, paths, value):
        self.world, self.vendor, self.name, self.types, self.paths = world, vendor, name, types, paths
        self.value = {"integration_type": vendor, "name": name, "poll_interval_minutes": OFTEN, "rate_limit": WIDE, **value}
        self.value["settings"]["base_url"] = f"{world.simulator.url}/{vendor}"

    def put(self):
        self.world.put_raw(self.name, self.value)

    def state(self):
        return self.world.simulator.state(self.vendor)

    def lines(self):
        return self.world.simulator.ledger(self.vendor, everything=True)

    def set(self, **changes):
        self.world.simulator.set(self.vendor, **changes)

    def misbehave(self, *programs):
        self.world.simulator.misbehave(self.vendor, *programs)

    def served(self):
        """What an agent that is killed now may have had in hand."""
        return frozenset((line["type"], line["id"]) for line in self.lines() if line["offered"])

    def ledger(self, excused=frozenset()):
        hashed = {}
        offers = {kind: Offers(f"{self.name}.{kind}.", lambda recipe_id: hashed.get(recipe_id, recipe_id)) for kind in self.types}
        for line in self.lines():
            hashed["h:" + hashlib.sha256(line["id"].encode()).hexdigest()[:32]] = line["id"]
            required = line["last"] or (line["whole"] and (line["type"], line["id"]) not in excused)
            offers[line["type"]].add(line["id"], line["sha256"], required)
        return Ledger(*offers.values())

    def at_rest(self):
        """Nothing changes any more, every last version was served, and no data type has a walk or page open."""
        state = self.state()
        waiting = state.get("churn_left", 0) + state.get("waiting_records", 0) + state.get("waiting_events", 0)
        if waiting or any(not line["offered"] for line in self.lines() if line["last"]):
            return False
        points = [self.world.checkpoint((self.vendor, self.name, kind)) for kind in self.types]
        return all(point and not point.get("open") and not point.get("walk") for point in points)

    def progress(self):
        state = self.state()
        return self.world.copier.ours, state.get("churn_left"), sum(line["offered"] > 0 for line in self.lines())

    def settle(self):
        """At rest; fails when nothing new came for so long."""
        while True:
            before = self.progress()
            try:
                wait_until(lambda: self.at_rest() or self.progress() != before, self.idle_s, "anything new")
            except Expired as error:
                raise Failed(f"stuck: {error}\n{self.describe()}") from error
            if self.at_rest():
                return

    def begun(self, since):
        """Polls begun since request number `since`, by data type: a request without cursor that looks no less far back than the
        one before it. A cursor that stands in a body is not seen: there each request counts."""
        last, polls = {}, Counter()
        for line in self.world.simulator.requests(self.vendor, since):
            path, _, query = line["target"].partition("?")
            bound = next((part for part in query.split("&") if "__gte=" in part), "")
            if "&cursor=" not in query and bound <= last.get(path, bound):
                polls[path.rpartition("/")[2]] += 1
            last[path] = bound
        return polls

    def polls(self, number=2):
        """So many more whole polls of every data type."""
        since = max((line["n"] for line in self.world.simulator.requests(self.vendor)), default=0)
        wait_until(lambda: all(self.begun(since)[path] > number for path in self.paths), self.idle_s,
                   lambda: f"{number} more polls of each\n{self.describe()}")

    def describe(self):
        points = "\n".join(f"{kind}: {str(self.world.checkpoint((self.vendor, self.name, kind)))[:500]}" for kind in self.types)
        return f"{points}\n{self.state()}\n{self.world.describe()}"

    def grow(self, records, agent):
        """So many more messages of ours in the stream."""
        self.world.copier.wait_count(self.world.copier.ours + records, self.idle_s, self.describe, alive=lambda: agent.alive)

    def judge(self, excused=frozenset()):
        self.settle()
        self.polls()
        self.settle()
        verdict = self.world.finish(settle=False, ledger=self.ledger(excused))
        conclude(self.world, "")
        return verdict


def kill(world, agent, act):
    if act == "server":
        world.server.kill()
        world.server.start()
    else:
        agent.kill()
        agent.start()


def deal(world, size):
    acts = ["agent"] * size.kills + ["server"] * size.server_kills
    world.rng.shuffle(acts)
    return acts


# -- 1Password ---------------------------------------------------------------------------------------------------------------

LOGS = ("sign_in_attempts", "item_usages", "audit_events")


def onepassword(world, size):
    return Vendor(world, "1password-events", "op", LOGS, ("signinattempts", "itemusages", "auditevents"),
                  {"settings": {"host": "events.1password.test", "page_size": size.page}, "credentials": {"api_token": "sim-token"}})


def new_events(vendor, size):
    """New ones, some of one and the same time, some that are indexed late."""
    for kind in LOGS:
        vendor.set(append={"type": kind, "count": size.wave})
        vendor.set(append={"type": kind, "count": size.page + 1, "at": time.time()})
        vendor.set(append={"type": kind, "count": 5, "late_by": 400})


@scenario("waves_onepassword", {"events": 900, "page": 40, "wave": 60, "kills": 4, "server_kills": 2, "rounds": 2},
          {"events": 30_000, "page": 200, "wave": 900, "kills": 30, "server_kills": 8, "rounds": 10})
def waves_onepassword(options, size):
    """Three logs by a cursor that is kept. Waves with kills of agent and server; then without kills: replies cut and garbled,
    throttles, a cursor that does not move, cursors that expire, events indexed late."""
    sizes = {kind: size.events // 3 for kind in LOGS}
    vendors = {"1password-events": {**sizes, **FREELY, "hour_limit": 1_000_000_000, "page_delay": 0.01, "empty_every": 7, "ties": 5,
                                    "fraction": "mixed", "shapes": ODD, "idle_cursor": "new", "late_every": 11, "late_seconds": 2.0}}
    with World("waves_onepassword", options, vendors, stream=BRIEF) as world:
        vendor = onepassword(world, size)
        vendor.put()
        agent = world.new_agent().start()
        acts = deal(world, size)
        for number, act in enumerate(acts):
            new_events(vendor, size)
            if number % 2:
                vendor.misbehave({"kind": "cut", "skip": 2}, {"kind": "status", "status": 500, "skip": 4})
            vendor.grow(world.rng.randint(1, 3 * size.wave), agent)
            if number % 3 == 2:
                vendor.set(expire_cursors=True)
            kill(world, agent, act)
        killed = vendor.judge()
        for number in range(size.rounds):
            new_events(vendor, size)
            vendor.misbehave({"kind": "cut", "count": 2, "skip": 2}, {"kind": "truncated_json", "skip": 5},
                             {"kind": "status", "status": 500, "skip": 9}, {"kind": "repeated_cursor", "skip": 11},
                             {"kind": "no_cursor", "skip": 13}, THROTTLED if number else UNNAMED)
            vendor.grow(size.wave, agent)
            vendor.set(expire_cursors=True)
            vendor.polls()
            new_events(vendor, size)
            vendor.settle()
        verdict = vendor.judge()
        lost = vendor.state()["expired_cursors"]
        world.expect(lost > 0, "no cursor was lost: expire them earlier")
        return conclude(world, f"{len(acts)} kills, {killed.stored} stored, {lost} cursors lost; then {verdict}")


# -- SentinelOne ---------------------------------------------------------------------------------------------------------------

LISTS = ("threats", "activities", "agents")


def sentinelone(world, size):
    return Vendor(world, "sentinelone", "s1", LISTS, LISTS,
                  {"settings": {"host": "usea1-acme.sentinelone.test", "page_size": size.page}, "credentials": {"api_key": "sim-token"}})


def changes(vendor, size):
    """New records, more than a page of one and the same time, some that appear late, and changes behind each of the next pages."""
    vendor.set(append={"type": "activities", "count": size.wave})
    vendor.set(append={"type": "activities", "count": size.page + 5, "at": time.time() - 30})
    for kind in LISTS:
        vendor.set(append={"type": kind, "count": 5, "late_by": 100})
    vendor.set(update=size.wave // 2, modify=size.wave // 2)
    vendor.set(churn={"pages": size.churn, "threats": 1, "activities": 2, "agents": 1, "updates": 2, "modified": 2, "which": "page"})


def run_sentinelone(options, size, name, **choices):
    sizes = {kind: size.records // 3 for kind in LISTS}
    vendors = {"sentinelone": {**sizes, **FREELY, "page_delay": 0.01, "ties": 3, "shapes": ODD, "late_every": 11, "late_seconds": 2.0, **choices}}
    with World(name, options, vendors, stream=BRIEF) as world:
        vendor = sentinelone(world, size)
        vendor.put()
        agent = world.new_agent().start()
        acts = deal(world, size)
        for number, act in enumerate(acts):
            changes(vendor, size)
            if number % 2:
                vendor.misbehave({"kind": "cut", "skip": 2}, {"kind": "status", "status": 500, "skip": 4})
            vendor.grow(world.rng.randint(1, size.wave), agent)
            if number % 3 == 2:
                vendor.set(expire_cursors=True)
            kill(world, agent, act)
        vendor.settle()
        served = vendor.served()
        killed = vendor.judge(served)
        for _ in range(size.rounds):
            changes(vendor, size)
            vendor.misbehave({"kind": "cut", "count": 2, "skip": 2}, {"kind": "partial", "count": 2, "skip": 4}, THROTTLED,
                             {"kind": "status", "status": 500, "skip": 9}, {"kind": "repeated_cursor", "skip": 3},
                             {"kind": "expired_cursor", "count": 2, "skip": 2})
            vendor.grow(size.wave, agent)
            vendor.set(expire_cursors=True)
            vendor.polls()
            vendor.settle()
        verdict = vendor.judge(served)
        return conclude(world, f"{len(acts)} kills, {killed.stored} stored, {vendor.state()['expired_cursors']} cursors lost; then {verdict}")


SMALL = {"records": 900, "page": 40, "wave": 40, "churn": 15, "kills": 4, "server_kills": 2, "rounds": 2}
LARGE = {"records": 30_000, "page": 200, "wave": 400, "churn": 100, "kills": 30, "server_kills": 8, "rounds": 10}


@scenario("waves_sentinelone", SMALL, LARGE)
def waves_sentinelone(options, size):
    """Three lists by a time that changes. Waves with kills of agent and server, behind each page records are added and edited, some
    appear late, more than a page has one time; then without kills: replies cut, errors inside a 200, throttles, cursors repeated,
    refused and expired."""
    return run_sentinelone(options, size, "waves_sentinelone")


@scenario("waves_sentinelone_frozen", SMALL, LARGE)
def waves_sentinelone_frozen(options, size):
    """The same, where a cursor goes over the order that the first page found, every last page has a cursor, and totalItems says 0."""
    return run_sentinelone(options, size, "waves_s1_frozen", paging="frozen", trailing="always", total_items="zero", envelope="errors_first")
