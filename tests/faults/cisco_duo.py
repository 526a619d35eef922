"""Cisco Duo: windows over logs that are withheld for two minutes, and logs without ids or cursor, over waves of everything: kills of agent and
server, records that are late, more of one moment than a page holds, equal records, pages cut within a second, cursors that expire, a
success that says FAIL, replies cut, throttles. Judged as waves.py does it; signatures, order of parameters, windows that change
under a cursor and pauses that are too short are violations of the vendor's rules.
"""

import time

from relapses import BRIEF
from scenario import conclude, scenario
from signaltest.tools import wait_until
from waves import ODD, Vendor, deal, kill
from world import IDLE_S, World

LOGS = ("auth_logs", "admin_logs", "activity_logs", "telephony_logs", "offline_enrollment_logs")
BY_SECOND = ("admin_logs", "offline_enrollment_logs")
WITHHELD_S = 125    # so old, a new record is seen at once
SMALL = {"events": 900, "page": 30, "wave": 40, "kills": 4, "server_kills": 2, "rounds": 2}
LARGE = {"events": 20_000, "page": 200, "wave": 600, "kills": 24, "server_kills": 8, "rounds": 8}
WEATHER = ({"kind": "cut", "count": 2, "skip": 3}, {"kind": "status", "status": 500, "skip": 5}, {"kind": "stat_fail", "count": 2, "skip": 7},
           {"kind": "truncated_json", "skip": 9})


class Duo(Vendor):
    def __init__(self, world, page, **value):
        super().__init__(world, "cisco-duo", "duo", LOGS, (), {
            "settings": {"fqdn": "api-1a2b3c4d.duosecurity.com", "page_size": page},
            "credentials": {"integration_key": "DISIMSIMSIMSIMSIMSIM", "secret_key": "s" * 40},
            "data_types": {kind: {"enabled": True} for kind in LOGS}, **value})
        self.waves = 0

    def polls(self, number=2):
        """So many more windows of each log, or pages of those without."""
        before = dict(self.state()["walks"])
        wait_until(lambda: all(self.state()["walks"].get(kind, 0) > before.get(kind, 0) + number for kind in LOGS), IDLE_S,
                   lambda: f"{number} more polls of each\n{self.describe()}")

    def grow_all(self, size):
        """New ones, late ones, more than a page of one moment; of the logs without ids no second holds a page."""
        self.waves += 1
        late = WITHHELD_S + 7 * (self.waves % 10)   # of each wave in a second of its own
        for kind in LOGS:
            new, together = (15, 20) if kind in BY_SECOND else (size.wave, size.page + 1)
            self.set(append={"type": kind, "count": new, "late_by": late})
            self.set(append={"type": kind, "count": together, "at": time.time() - late})
            self.set(append={"type": kind, "count": 5, "late_by": late + 30})


def run_waves(options, size, name, **choices):
    sizes = {kind: size.events // len(LOGS) for kind in LOGS}
    vendors = {"cisco-duo": {**sizes, "rate_limit": 1_000_000_000, "page_delay": 0.01, "ties": 3, "shapes": ODD, "twin_every": 7, "v1_page": 100,
                             **choices}}
    with World(name, options, vendors, stream=BRIEF) as world:
        vendor = Duo(world, size.page)
        vendor.put()
        agent = world.new_agent().start()
        acts = deal(world, size)
        for number, act in enumerate(acts):
            vendor.grow_all(size)
            if number % 2:
                vendor.misbehave(*WEATHER)
            vendor.grow(world.rng.randint(1, 2 * size.wave), agent)
            if number % 3 == 2:
                vendor.set(expire_cursors=True)
            kill(world, agent, act)
        vendor.settle()
        served = vendor.served()
        killed = vendor.judge(served)
        for _ in range(size.rounds):
            vendor.grow_all(size)
            vendor.misbehave(*WEATHER, {"kind": "throttle", "header": "none", "count": 2, "skip": 6}, {"kind": "repeated_cursor", "skip": 3},
                             {"kind": "expired_cursor", "skip": 2})
            vendor.grow(size.wave, agent)
            vendor.set(expire_cursors=True)
            vendor.polls()
            vendor.settle()
        verdict = vendor.judge(served)
        state = vendor.state()
        world.expect(state["expired_cursors"] > 0, "no next_offset expired while it was in use: the scenario shows nothing of that")
        return conclude(world, f"{len(acts)} kills, {killed.stored} stored, {state['expired_cursors']} cursors lost; then {verdict}")


@scenario("duo_waves", SMALL, LARGE)
def duo_waves(options, size):
    """Five logs of Cisco Duo: waves with kills of agent and server while records come, late ones and equal ones among them; then without
    kills: replies cut and garbled, a success that says FAIL, throttles, a next_offset that is repeated, refused, expired."""
    return run_waves(options, size, "duo_waves")


@scenario("duo_waves_odd", SMALL, LARGE)
def duo_waves_odd(options, size):
    """The same, where a last page that is full names an empty one, next_offset of the last one is null, `stat` stands behind the records, and
    the pages of the logs without ids hold 300."""
    return run_waves(options, size, "duo_odd", trailing_page=True, last_offset="null", envelope="stat_last", v1_page=300)


@scenario("duo_polite", {"auth_logs": 330, "page": 60, "polls_of_a_minute": False}, {"auth_logs": 1_200, "page": 60, "polls_of_a_minute": True})
def duo_polite(options, size):
    """The connector's own pace: pages of one log no closer than two seconds, no 429, a clock that differs by 20 minutes found at the first
    refusal; with --full no more than one poll a minute, as Duo advises. Behind 100 records or more of version 1 there may be another page, which
    the simulator takes for a poll: so fewer."""
    choices = {"auth_logs": size.auth_logs, "admin_logs": 90, "rate_limit": 31, "polls": int(size.polls_of_a_minute), "clock_skew": 1200.0}
    with World("duo_polite", options, {"cisco-duo": choices}, stream=BRIEF) as world:
        vendor = Duo(world, size.page, poll_interval_minutes=1 if size.polls_of_a_minute else 0.25)
        del vendor.value["rate_limit"]
        vendor.put()
        world.new_agent().start()
        vendor.settle()
        if size.polls_of_a_minute:
            vendor.polls()
        times = {}
        for line in world.simulator.requests("cisco-duo"):
            times.setdefault(line["target"].partition("?")[0], []).append(line["monotonic"])
        least = min(later - earlier for row in times.values() for earlier, later in zip(row, row[1:]))
        world.expect(least > 1.9, f"two requests for one log {least:.2f} s apart")
        world.expect(vendor.state()["bad_dates"] > 0, "no date was refused: the clocks agree")
        verdict = world.finish(settle=False, ledger=vendor.ledger())
        return conclude(world, f"pages {least:.2f} s apart at least; {verdict}")
