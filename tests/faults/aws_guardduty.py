"""Amazon GuardDuty: lists of ids and their details, over findings that happen again between and behind every page, with tokens that count places, that
expire, that are repeated; several detectors in one walk; throttles in both forms, replies cut; kills of agent and server. Judged as waves.py does
it: where nothing is killed, every version that was served whole is there. Signatures, criteria that change under a token and pauses that
are too short are violations of the vendor's rules.
"""

import time

from relapses import BRIEF
from scenario import conclude, scenario
from signaltest.tools import wait_until
from waves import ODD, Vendor, deal, kill
from world import IDLE_S, World

FINDINGS = ("findings",)
TWO = ["12abc34d567e8fa901bc2d34e56789f0", "aaaabbbbccccddddeeeeffff00001111"]
SMALL = {"findings": 600, "page": 20, "wave": 40, "churn": 15, "kills": 4, "server_kills": 2, "rounds": 2}
LARGE = {"findings": 12_000, "page": 50, "wave": 300, "churn": 100, "kills": 24, "server_kills": 8, "rounds": 8}
# Far enough apart: a fourth failure in a row of one request waits a quarter of a minute.
WEATHER = ({"kind": "cut", "match": "/get", "skip": 2}, {"kind": "status", "status": 500, "skip": 11})
STORM = ({"kind": "cut", "skip": 3}, {"kind": "aws_error", "count": 2, "skip": 8}, {"kind": "truncated_json", "match": "/get", "skip": 7},
         {"kind": "aws_error", "error": "TooManyRequestsException", "status": 429, "skip": 21}, {"kind": "repeated_cursor", "skip": 3})


class GuardDuty(Vendor):
    def __init__(self, world, page, **value):
        super().__init__(world, "aws-guardduty", "gd", FINDINGS, (), {
            "settings": {"region": "us-east-1", "page_size": page},
            "credentials": {"access_key_id": "AKIASIMSIMSIMSIMSIM1", "secret_access_key": "s" * 40}, **value})

    def lines(self):
        return [{"type": "findings", **line} for line in super().lines()]

    def polls(self, number=2):
        """So many more walks over each detector, with all that they lead to by time."""
        before = self.state()["detector_lists"]
        wait_until(lambda: self.state()["detector_lists"] > before + number, IDLE_S, lambda: f"{number} more polls\n{self.describe()}")


def changes(vendor, size):
    """New findings, late ones, more than a page of one moment, and all of them happen again at any time."""
    vendor.set(append=size.wave)
    vendor.set(append={"count": 5, "late_by": 200})
    vendor.set(append={"count": size.page + 7, "at": time.time()})
    vendor.set(update=size.wave // 2, archive=size.wave // 4)
    vendor.set(churn={"pages": size.churn, "append": 1, "update": 3, "archive": 1, "which": "page"})


def run_waves(options, size, name, **choices):
    vendors = {"aws-guardduty": {"findings": size.findings, "rate_limit": 1_000_000_000, "pace": 0.0, "page_delay": 0.01, "shapes": ODD, **choices}}
    with World(name, options, vendors, stream=BRIEF) as world:
        vendor = GuardDuty(world, size.page)
        vendor.put()
        agent = world.new_agent().start()
        acts = deal(world, size)
        for number, act in enumerate(acts):
            changes(vendor, size)
            if number % 2:
                vendor.misbehave(*WEATHER)
            vendor.grow(world.rng.randint(1, size.wave), agent)
            if number % 3 == 2:
                vendor.set(expire_cursors=True)
            kill(world, agent, act)
        vendor.settle()
        served = vendor.served()
        killed = vendor.judge(served)
        for _ in range(size.rounds):
            changes(vendor, size)
            vendor.misbehave(*STORM)
            vendor.grow(size.wave, agent)
            vendor.set(expire_cursors=True)
            vendor.polls()
            vendor.settle()
        verdict = vendor.judge(served)
        world.expect(vendor.state()["expired_cursors"] > 0, "no token expired while it was in use: the scenario shows nothing of that")
        return conclude(world, f"{len(acts)} kills, {killed.stored} stored, {vendor.state()['expired_cursors']} tokens lost; then {verdict}")


@scenario("guardduty_waves", SMALL, LARGE)
def guardduty_waves(options, size):
    """Findings of GuardDuty, nextToken as a number of places: waves with kills of agent and server while findings come and happen again behind every
    page; then without kills: replies cut and garbled, throttles, tokens repeated, refused and expired."""
    return run_waves(options, size, "gd_waves", paging="offset")


@scenario("guardduty_detectors", SMALL, LARGE)
def guardduty_detectors(options, size):
    """The same over two detectors in one walk, where a token goes on behind the last finding, a last page has one that leads to an empty page, a third of
    the ids is listed late, and some have no details."""
    return run_waves(options, size, "gd_two", detectors=TWO, trailing_page=True, list_lag=0.5, details_missing=31, last_token="absent",
                     error_type="url", error_body="message")


@scenario("guardduty_polite", {"findings": 300}, {"findings": 1_500})
def guardduty_polite(options, size):
    """The connector's own pace of two requests a second, which no 429 ends; a clock that differs by 20 minutes is found at the first refusal; then the
    session of temporary keys ends, and goes on with new ones."""
    first, second = "ASIASIMSIMSIMSIMSIM1:" + "s" * 40 + ":TOKENONE==", "ASIASIMSIMSIMSIMSIM2:" + "t" * 40 + ":TOKENTWO+/=="
    vendors = {"aws-guardduty": {"findings": size.findings, "keys": [first, second], "clock_skew": 1200.0, "auth_status": 400}}
    with World("gd_polite", options, vendors, stream=BRIEF) as world:
        vendor = GuardDuty(world, 50)
        del vendor.value["rate_limit"]
        for keys in (first, second):
            key, secret, token = keys.split(":")
            vendor.value["credentials"] = {"access_key_id": key, "secret_access_key": secret, "session_token": token}
            vendor.put()
            if keys is first:
                agent = world.new_agent().start()
            vendor.set(append=30)
            vendor.settle()
            if keys is first:
                vendor.set(expire_session=key.partition(":")[0])
                refused = vendor.state()["refused_credentials"]
                wait_until(lambda: vendor.state()["refused_credentials"] > refused, IDLE_S, vendor.describe)
        world.expect(agent.alive, "the agent ended")
        state = vendor.state()
        world.expect(state["bad_dates"] > 0 and not state["throttles"], f"{state['bad_dates']} dates refused, {state['throttles']} throttles")
        verdict = world.finish(settle=False, ledger=vendor.ledger())
        return conclude(world, f"{state['requests']} requests; {verdict}")
