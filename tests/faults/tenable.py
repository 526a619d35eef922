"""Tenable: exports that outlive polls, agents and themselves. Agent and server are killed while exports are being made and read, findings
are scanned, fixed and reopened between chunks; exports expire, fail, are cancelled, or are in the way, all places are taken by others; replies are cut, also the one
that names the export. Judged record by record as waves.py does it; second exports, looks too often and chunks that are not there are
violations of the vendor's rules.
"""

from relapses import BRIEF
from scenario import conclude, scenario
from signaltest.tools import wait_until
from waves import ODD, Vendor, deal, kill
from world import IDLE_S, World

TYPES = ("vulnerabilities", "assets")
SMALL = {"assets": 300, "findings": 900, "wave": 40, "churn": 12, "kills": 3, "server_kills": 1, "rounds": 2}
LARGE = {"assets": 4_000, "findings": 40_000, "wave": 600, "churn": 100, "kills": 20, "server_kills": 6, "rounds": 8}
# The reply that names an export gets lost; another one; a look that a gateway gives up; chunks cut, garbled, refused.
WEATHER = ({"kind": "cut", "match": "/vulns/export/", "count": 2, "skip": 3}, {"kind": "status", "status": 502, "match": "/status", "count": 2, "skip": 2},
           {"kind": "truncated_json", "match": "/chunks/", "skip": 1}, {"kind": "cut", "match": "/chunks/", "count": 2, "skip": 5},
           {"kind": "status", "status": 500, "match": "/chunks/", "skip": 7})


class Tenable(Vendor):
    def __init__(self, world):
        super().__init__(world, "tenable", "tio", TYPES, (), {
            "settings": {"num_assets": 50, "chunk_size": 100}, "credentials": {"access_key": "sim-access", "secret_key": "sim-secret"}})

    def polls(self, number=2):
        """So many more exports of each kind are made."""
        before = dict(self.state()["walks"])
        wait_until(lambda: all(self.state()["walks"].get(kind, 0) >= before.get(kind, 0) + number for kind in TYPES), 4 * IDLE_S,
                   lambda: f"{number} more exports of each\n{self.describe()}")

    def at_rest(self):
        """Nothing changes any more, and every last version was served. A walk is open most of the time."""
        return not self.state().get("churn_left", 0) and all(line["offered"] for line in self.lines() if line["last"])


def changes(vendor, size):
    vendor.set(append=size.wave)
    vendor.set(append={"count": 5, "late_by": 600})
    vendor.set(scan=size.wave // 2, fix=size.wave // 4, reopen=size.wave // 8, add_assets=5, update_assets=size.wave // 4)
    vendor.set(churn={"chunks": size.churn, "append": 1, "scan": 3, "fix": 1, "reopen": 1, "update_assets": 2})


def run_exports(options, size, name, **choices):
    vendors = {"tenable": {"assets": size.assets, "findings": size.findings, "chunk_order": "mixed", "chunk_numbers": "gaps", "empty_every": 4,
                           "shapes": ODD, "queue_seconds": 0.3, "chunk_seconds": 0.1, "rate_limit": 1_000_000, "slots_retry": 2, **choices}}
    with World(name, options, vendors, stream=BRIEF) as world:
        vendor = Tenable(world)
        vendor.put()
        agent = world.new_agent().start()
        acts = deal(world, size)
        for number, act in enumerate(acts):
            changes(vendor, size)
            if number % 2:
                vendor.misbehave(*WEATHER)
            vendor.grow(world.rng.randint(1, size.wave), agent)
            if number % 3 == 2:
                vendor.set(expire_exports=True)
            kill(world, agent, act)
        vendor.settle()
        served = vendor.served()
        killed = vendor.judge(served)
        for number in range(size.rounds):
            changes(vendor, size)
            vendor.misbehave(*WEATHER)
            vendor.set(conflict={"kind": "vulns", "filters": {"since": 1}, "gone": bool(number % 2)})
            vendor.set(conflict={"kind": "assets", "filters": {"updated_at": 1}})
            vendor.set(foreign_exports={"kind": "assets", "count": 10, "seconds": 1.5})
            vendor.grow(size.wave, agent)
            vendor.set(**{("fail_exports", "cancel_exports", "expire_exports", "expire_chunks")[number % 4]: True})
            vendor.polls(1)
            vendor.settle()
        verdict = vendor.judge(served)
        state = vendor.state()
        world.expect(state["expired"] > 0, "no export was lost: expire them earlier")
        world.expect(state["duplicates"] > 0, "no export was in the way")
        return conclude(world, f"{len(acts)} kills, {killed.stored} stored, {sum(state['walks'].values())} exports, {state['expired']} requests for "
                               f"expired ones, {state['duplicates']} in the way; then {verdict}")


@scenario("tenable_exports", SMALL, LARGE)
def tenable_exports(options, size):
    """Exports of findings and assets under kills of agent and server, lost replies, cut and garbled chunks, exports that expire, fail, are
    cancelled or are in the way, while records change between chunks; what a chunk holds is fixed when its export is made."""
    return run_exports(options, size, "tenable_exports")


@scenario("tenable_exports_late", {**SMALL, "kills": 2, "server_kills": 1, "rounds": 1}, LARGE)
def tenable_exports_late(options, size):
    """The same, where a chunk's contents are fixed only when it becomes available, status replies show filters, and empty exports have a
    chunk."""
    return run_exports(options, size, "tenable_exports_late", snapshot="available", status_filters="text", empty_export="chunk")
