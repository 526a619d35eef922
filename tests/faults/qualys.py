"""Qualys: hosts that come whole whenever one of their detections changed, in pages of XML whose end names the next: qualys_waves,
qualys_untouched, qualys_power_loss.

Judged record by record as waves.py does it. Where a scan left a detection as it was, its record comes again with other fields of its host:
of these bodies one must be there, once. Calls without the mandatory header, full extracts, coming back too soon after a blocked call and
repeated bad logins are violations of the vendor's rules.
"""

import time

from losses import lose_power
from relapses import BRIEF, agent_with
from scenario import conclude, scenario
from signaltest.copier import copy_of_stream
from signaltest.tools import wait_until
from waves import Vendor, deal, kill
from world import IDLE_S, STREAM, World

TYPE = "host_detections"
FREELY = {"rate_limit": 1_000_000, "shapes": ["all"], "untouched_every": 2}
WEATHER = ({"kind": "cut", "count": 2, "skip": 2}, {"kind": "truncated_json", "skip": 4}, {"kind": "status", "status": 500, "skip": 6},
           {"kind": "simple_return", "skip": 8}, {"kind": "html_login", "skip": 10}, {"kind": "throttle", "seconds": 1, "skip": 12})


class Fleet(Vendor):
    def __init__(self, world, page):
        super().__init__(world, "qualys", "vmdr", (TYPE,), (), {"settings": {"host": "qualysapi.qualys.test", "truncation_limit": page},
                                                                "credentials": {"username": "sim-user", "password": "sim-password"}})
        self.purged = set()

    def purge(self, number):
        """Hosts leave the subscription with all they have: what was not read of them by then is gone."""
        ids = sorted({int(line["id"].partition("~")[0]) for line in self.lines()} - self.purged)
        gone = self.world.rng.sample(ids, number)
        self.purged.update(gone)
        self.set(remove_hosts=gone)

    def polls(self, number=2):
        """So many more walks."""
        before = self.walks()
        wait_until(lambda: self.walks() >= before + number, 2 * IDLE_S, lambda: f"{number} more walks\n{self.describe()}")

    def at_rest(self):
        """Nothing changes any more, and every last version was served. A walk is open most of the time."""
        return not self.state().get("churn_left", 0) and all(line["offered"] for line in self.lines() if line["last"])

    def walks(self):
        return self.state()["walks"].get(TYPE, 0)

    def settle(self):
        """At rest; fails when whole walks do not bring it."""
        enough = self.walks() + 10
        wait_until(lambda: self.at_rest() or self.walks() > enough, 10 * IDLE_S, self.describe)
        self.world.expect(self.at_rest(), f"ten walks, and not at rest\n{self.describe()}")
        conclude(self.world, "")

    def check_untouched(self, copies):
        """Every detection as it is now is in the stream, whichever of its host's fields came with it."""
        newest = {}
        for line in self.lines():
            if line["offered"]:
                place, updated, status = line["id"].rsplit("~", 2)
                if int(place.partition("~")[0]) not in self.purged:
                    newest.setdefault(place, set()).add((updated, status))
        there = {copy.msg_id for copy in copies}
        lost = [f"{place}~{updated}~{status}" for place, versions in newest.items() for updated, status in versions
                if updated == max(updated for updated, _ in versions) and len(versions) == 1
                and f"{self.name}.{TYPE}.{place}~{updated}~{status}" not in there]
        self.world.expect(not lost, f"{len(lost)} detections as they are now are not in the stream: {lost[:3]}")

    def judge(self, excused=frozenset(), **judging):
        self.settle()
        self.polls()
        self.settle()
        verdict = self.world.finish(settle=False, ledger=self.ledger(excused), **judging)
        self.check_untouched(copy_of_stream(self.world.js, STREAM))
        conclude(self.world, "")
        return verdict

    def change(self, size):
        self.set(append=size.wave)
        self.set(append={"count": 5, "late_by": 600})
        self.set(scan=size.wave // 2, fix=size.wave // 4, reopen=size.wave // 8)
        self.set(scan={"count": 2, "which": "first", "same_stamp": True}, add_hosts={"count": 2, "detections": 4})


def options_of(size, **choices):
    """Hosts that were processed two hours to one hour ago."""
    return {"qualys": {"hosts": size.hosts, "detections": size.detections, "start": time.time() - 7200, "span": 3600.0, **FREELY, **choices}}


@scenario("qualys_waves", {"hosts": 60, "detections": 1500, "page": 7, "wave": 16, "churn": 8, "kills": 4, "server_kills": 2, "rounds": 2},
          {"hosts": 800, "detections": 20_000, "page": 60, "wave": 80, "churn": 20, "kills": 14, "server_kills": 4, "rounds": 5})
def qualys_waves(options, size):
    """Scans, fixes, new and purged hosts between and behind pages; agent and server killed; then without kills: replies cut and garbled,
    throttles, errors inside a 200."""
    with World("qualys_waves", options, options_of(size, next_url="vendor", doctype="system", host_order="mixed"), stream=BRIEF) as world:
        fleet = Fleet(world, size.page)
        fleet.put()
        agent = world.new_agent().start()
        acts = deal(world, size)
        for number, act in enumerate(acts):
            fleet.change(size)
            fleet.set(churn={"pages": size.churn, "append": 1, "scan": 2, "fix": 1, "reopen": 1, "add_hosts": 1})
            fleet.purge(1)
            if number % 2:
                fleet.misbehave(*WEATHER[:4])
            fleet.grow(world.rng.randint(1, size.wave), agent)
            kill(world, agent, act)
        fleet.settle()
        served = fleet.served()
        killed = fleet.judge(served)
        for number in range(size.rounds):
            fleet.change(size)
            fleet.set(churn={"pages": size.churn, "append": 1, "scan": 2, "fix": 1})
            fleet.misbehave(*WEATHER, {"kind": "repeated_url", "skip": 14}, {"kind": "entity_bomb", "skip": 16})
            fleet.grow(size.wave, agent)
            fleet.polls()
            fleet.settle()
        verdict = fleet.judge(served)
        return conclude(world, f"{len(acts)} kills, {killed.stored} stored, {fleet.state()['walks']}; then {verdict}")


@scenario("qualys_untouched", {"hosts": 200, "detections": 12_000, "page": 50, "wave": 6, "kills": 3, "server_kills": 1, "identities": 1024},
          {"hosts": 1000, "detections": 60_000, "page": 200, "wave": 15, "kills": 9, "server_kills": 3, "identities": 16_384})
def qualys_untouched(options, size):
    """Hosts are scanned again and again, each scan leaves half of their detections as they were. The agent may keep few identities (in segments of
    4,096), enough for what changes, so that those of the first walk are long forgotten: nothing is published twice, through kills and restarts."""
    with World("qualys_untouched", options, options_of(size), stream=BRIEF) as world:
        fleet = Fleet(world, size.page)
        fleet.put()
        agent = agent_with(world, f"poll = {{ max_identities = {size.identities}; }};").start()
        fleet.settle()
        acts = deal(world, size)
        for act in acts:
            fleet.set(scan=size.wave, fix=size.wave // 4)
            fleet.grow(size.wave, agent)
            kill(world, agent, act)
            fleet.set(scan=size.wave)
            fleet.settle()
        served = fleet.served()
        verdict = fleet.judge(served)
        untouched = sum("variants" in line for line in fleet.lines())
        world.expect(untouched > size.wave, f"only {untouched} bodies of detections that were left as they were: nothing was tested")
        return conclude(world, f"{len(acts)} kills, {untouched} times an untouched detection; {verdict}")


@scenario("qualys_power_loss", {"hosts": 100, "detections": 6_000, "page": 5, "wave": 8, "early": 2, "rounds": 2, "most": 1500},
          {"hosts": 800, "detections": 40_000, "page": 20, "wave": 40, "early": 6, "rounds": 4, "most": 6000})
def qualys_power_loss(options, size):
    """The stream loses its newest messages, in the first walk, whose records are old enough to be known by the reading of their host alone, and
    later; the agent alive and dead. What was lost is published again though its host had been read, and nothing else is."""
    with World("qualys_power_loss", options, options_of(size, page_delay=0.05), stream=BRIEF) as world:
        fleet = Fleet(world, size.page)
        fleet.put()
        agent = world.new_agent().start()
        lost = 0
        for number in range(size.early):
            fleet.grow(world.rng.randint(size.detections // size.early // 4, size.detections // size.early // 2), agent)
            lost += lose_power(world, agent, size.most, agent_dies=number % 2 == 0)
        fleet.settle()
        early = lost
        for number in range(size.rounds):
            fleet.set(scan=size.wave, fix=size.wave // 4, append=size.wave // 4)
            fleet.grow(world.rng.randint(1, size.wave), agent)
            lost += lose_power(world, agent, size.most, agent_dies=number % 2 == 0)
            fleet.settle()
        wait_until(lambda: "missing" not in fleet.ledger(fleet.served()).judge(copy_of_stream(world.js, STREAM)).wrong(), IDLE_S,
                   lambda: f"everything back in the stream\n{fleet.describe()}")
        verdict = fleet.judge(fleet.served(), stream=True, gaps=True)
        world.expect(early > 0, "nothing was lost in the first walk: nothing was tested")
        return conclude(world, f"{lost} messages lost in {size.early + size.rounds} cuts, {early} of them in the first walk; {verdict}")
