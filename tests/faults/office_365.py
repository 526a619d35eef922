"""Office 365 (lists of blobs by the time at which they became available, each blob by a request of its own): office_walk, office_weather,
office_power_loss, office_seen_ahead.

The simulator puts some events into two blobs, lists blobs late and out of order, names the real API's host in its links, and counts a
violation for each request without PublisherIdentifier and each start of a subscription within 15 minutes of another.
"""

import json
import os
import shutil

from losses import lose_power
from relapses import BRIEF
from scenario import conclude, scenario
from signaltest import store
from signaltest.copier import copy_of_stream
from signaltest.ledger import GAP_TYPE, Ledger, Offers
from signaltest.tools import hold, wait_until
from waves import ODD, Vendor, deal, kill
from world import IDLE_S, STREAM, World

VENDOR, NAME = "office-365", "office"
TENANT = "41463f53-8812-40f4-890f-865bf6e35190"
TYPES = ("azure_ad", "exchange", "sharepoint", "general", "dlp")
FREELY = {"rate_limit": 1_000_000_000, "token_rate": 0, "resource": "any", "uri_origin": "vendor"}


class Office(Vendor):
    def __init__(self, world, types=TYPES):
        super().__init__(world, VENDOR, NAME, types, types,
                         {"data_types": {kind: {"enabled": kind in types} for kind in TYPES},
                          "settings": {"tenant_id": TENANT, "auth_url": f"{world.simulator.url}/office-365-login"},
                          "credentials": {"client_id": "sim-client", "client_secret": "sim-secret"}})

    def ledger(self):
        """Of an event that came with other bytes the second is published as Id#2."""
        offers = {kind: Offers(f"{NAME}.{kind}.", lambda recipe_id: recipe_id.partition("#")[0]) for kind in TYPES}
        for line in self.lines():
            offers[line["type"]].add(line["id"], line["sha256"], line["last"] or line["whole"])
        return Ledger(*offers.values())

    def polls(self, number=2):
        """So many more walks of every data type, from the first page of a list on."""
        before = self.state()["walks"]
        wait_until(lambda: all(self.state()["walks"].get(kind, 0) >= before.get(kind, 0) + number for kind in self.types), IDLE_S,
                   lambda: f"{number} more walks than {before}\n{self.describe()}")

    def arrive(self, size):
        """New blobs, some of them dated before what was covered, and more behind each of the next pages."""
        for kind in TYPES:
            self.set(append={"type": kind, "count": size.wave})
            self.set(append={"type": kind, "count": size.wave // 4, "late_by": 1800})
        self.set(churn={"pages": size.churn, "append": 3, "late_by": 60})

    def wait_whole(self):
        """Until the stream holds every event again."""
        def judged():
            return self.ledger().judge(copy_of_stream(self.world.js, STREAM))
        wait_until(lambda: "missing" not in judged().wrong(), IDLE_S, lambda: f"everything back in the stream\n{judged()}\n{self.describe()}")

    def judge_all(self, **judging):
        self.settle()
        self.polls()
        self.settle()
        verdict = self.world.finish(settle=False, ledger=self.ledger(), **judging)
        conclude(self.world, "")
        return verdict

    def gaps_for(self, reason):
        """Gap artifacts in the stream that say this."""
        bodies = [self.world.look(lambda: self.world.js.message(STREAM, seq=copy.seq).body) for copy in self.world.copier.copies if copy.ce_type == GAP_TYPE]
        return sum(json.loads(body)["reason"] == reason for body in bodies)


def sizes(size):
    return {kind: size.events // 5 for kind in TYPES}


@scenario("office_walk", {"events": 1000, "wave": 40, "churn": 6, "page": 20, "blob": 4, "kills": 4, "server_kills": 2},
          {"events": 30_000, "wave": 300, "churn": 40, "page": 100, "blob": 20, "kills": 30, "server_kills": 8})
def office_walk(options, size):
    """Five content types with kills of agent and server while blobs are fetched; blobs come late and behind pages that were read, tokens and
    next pages are lost. One subscription has to be started: once, whatever dies afterwards. Then, without kills, no blob is fetched twice."""
    vendors = {VENDOR: {**sizes(size), **FREELY, "page_size": size.page, "events_per_blob": size.blob, "list_lag": 1.5, "uri_api": "v1", "trailing_page": True,
                        "next_header": "nextpageuri", "start_lag": 0.3, "shapes": ODD}}
    with World("office_walk", options, vendors, stream=BRIEF) as world:
        office = Office(world)
        office.put()
        agent = world.new_agent().start()
        # An agent that dies when it has written down that it starts, and before it does, waits a quarter of an hour: not here.
        wait_until(lambda: office.state()["starts"], IDLE_S, office.describe)
        for number, act in enumerate(deal(world, size)):
            office.arrive(size)
            if number % 2:
                office.misbehave({"kind": "cut", "count": 2, "skip": 2}, {"kind": "status", "status": 500, "skip": 4})
            office.grow(world.rng.randint(1, size.wave), agent)
            if number % 3 == 2:
                office.set(expire_cursors=True, revoke_tokens=True)
            kill(world, agent, act)
        killed = office.judge_all()
        before = office.state()["refetched"]
        office.arrive(size)
        office.judge_all()
        again, starts = office.state()["refetched"] - before, office.state()["starts"]
        world.expect(again == 0, f"{again} blobs were fetched again though nothing was wrong")
        world.expect(starts == 1, f"{starts} starts of a subscription instead of one")
        return conclude(world, f"{killed.stored} stored over {size.kills + size.server_kills} kills, {starts} start; then none fetched twice")


@scenario("office_weather", {"events": 500, "wave": 25, "churn": 4, "page": 15, "blob": 3, "rounds": 2},
          {"events": 10_000, "wave": 200, "churn": 20, "page": 50, "blob": 10, "rounds": 12})
def office_weather(options, size):
    """No kills, but everything else: replies cut, errors, tokens revoked, next pages refused, blobs that expire or are gone while they are
    listed, a throttle without a time, and a subscription that somebody stops. Every event that can be had is there once, events of
    repeated blobs with other bytes beside the first, and what cannot be had is told by gaps alone."""
    vendors = {VENDOR: {**sizes(size), **FREELY, "page_size": size.page, "events_per_blob": size.blob, "list_lag": 1.0, "throttle_form": "mixed",
                        "next_header": "NextPageUrl", "next_publisher": True, "shapes": ODD}}
    with World("office_weather", options, vendors, stream=BRIEF) as world:
        office = Office(world)
        office.put()
        world.new_agent().start()
        for number in range(size.rounds):
            office.arrive(size)
            office.misbehave({"kind": "cut", "count": 3, "skip": 3}, {"kind": "af_error", "code": "AF50000", "count": 2, "skip": 5},
                             {"kind": "af_error", "code": "AF20031", "match": "nextPage=", "skip": 1},
                             {"kind": "status", "status": 503, "body": "html", "skip": 9})
            office.set(expire_blobs={"type": "sharepoint", "count": 2}, remove_blobs={"type": "general", "count": 1})
            if number == 0:
                office.misbehave({"kind": "af_error", "code": "AF429", "match": "/audit/", "skip": 4})
            office.set(revoke_tokens=True)
            office.settle()
            if number == 0:
                office.set(drop_subscription="Audit.Exchange")
                office.polls()
        office.set(duplicate_form="changed")
        office.arrive(size)
        verdict = office.judge_all(gaps=True)
        state = office.state()
        lost, passed = office.gaps_for("retention_passed"), office.gaps_for("passed_over")
        world.expect(lost == 1, f"a subscription was stopped once, and {lost} gaps say so")
        world.expect(passed > 0, "no gap names a blob that expired")
        world.expect(state["starts"] == 2, f"{state['starts']} starts of a subscription: one each of general and exchange were needed")
        return conclude(world, f"{verdict}; {state['expired_blobs']} blobs expired, {state['gone_blobs']} gone, {state['expired_cursors']} pages lost")


def forget_read_blobs(world, agent, office, size):
    """SEEN alone goes back to what it was before the newest blobs were read: each stream is synced by itself."""
    files = os.path.join(world.server.store_dir, "jetstream", "$G", "streams", "KV_SEEN")
    kept = world.workspace.file("seen-before")
    world.server.terminate()
    shutil.copytree(files, kept)
    world.server.start()
    office.arrive(size)
    office.settle()
    agent.kill()
    world.server.kill()
    shutil.rmtree(files)
    shutil.copytree(kept, files)
    world.server.start()
    world.connection.reconnect()
    hold(world.window_s + 0.5)  # the stream's memory of message ids must not hide a double
    agent.start()


@scenario("office_power_loss", {"events": 1000, "wave": 40, "churn": 6, "page": 20, "blob": 4, "rounds": 4, "most": 300},
          {"events": 20_000, "wave": 300, "churn": 30, "page": 100, "blob": 10, "rounds": 12, "most": 3000})
def office_power_loss(options, size):
    """The stream loses its newest messages, events of blobs that were read to their end among them, with walks open and with all closed, the
    agent alive and dead: these blobs are fetched once more, and nothing comes twice. Then SEEN alone goes back: which blobs were read is
    forgotten, and their events are found in the stream. A subscription that was started is not started again, whatever is lost."""
    vendors = {VENDOR: {**sizes(size), **FREELY, "page_size": size.page, "events_per_blob": size.blob, "list_lag": 1.0, "shapes": ODD}}
    with World("office_power_loss", options, vendors, stream=BRIEF) as world:
        office = Office(world)
        office.put()
        agent = world.new_agent().start()
        wait_until(lambda: office.state()["starts"], IDLE_S, office.describe)
        lost = 0
        for number in range(size.rounds):
            office.arrive(size)
            office.grow(world.rng.randint(size.wave, 5 * size.wave), agent)
            lost += lose_power(world, agent, size.most, agent_dies=number % 2 == 0)
        open_walks = lost
        for agent_dies in (True, False):
            office.settle()
            lost += lose_power(world, agent, size.most, agent_dies)
            office.wait_whole()
        again = office.state()["refetched"]
        office.settle()
        forget_read_blobs(world, agent, office, size)
        verdict = office.judge_all(stream=True, gaps=True)
        state = office.state()
        world.expect(open_walks > 0 and lost > open_walks, "nothing was lost in an open walk, or behind a closed one: nothing was tested")
        world.expect(again > 0, "no blob was fetched again, though events of read ones were lost")
        world.expect(state["refetched"] > again, "no blob was fetched again, though nothing said that it had been read")
        world.expect(state["starts"] == 1, f"{state['starts']} starts of a subscription instead of one")
        return conclude(world, f"{lost} messages lost in {size.rounds + 2} cuts, {state['refetched']} blobs fetched again; {verdict}")


def die_ahead(world, size, number):
    """True when the agent died between SEEN and the checkpoint, and the stream then lost something."""
    office = Office(world, ("exchange",))
    office.put()
    agent = world.new_agent().start()
    office.settle()
    agent.kill()
    before = world.js.stream_state(STREAM)["last_seq"]
    office.set(append={"type": "exchange", "count": size.wave, "late_by": 600})
    agent.start(crash_at=f"checkpoint.before:{number}")
    wait_until(lambda: not agent.alive or office.at_rest(), IDLE_S, lambda: f"the agent's end\n{office.describe()}")
    died, now = not agent.alive, world.js.stream_state(STREAM)["last_seq"]
    agent.kill()
    world.server.kill()
    cut = store.cut_tail(world.server.store_dir, STREAM, now - before)
    world.server.start()
    world.connection.reconnect()
    agent.start()
    office.wait_whole()
    office.judge_all(stream=True, gaps=True)
    return died and cut.lost > 0


@scenario("office_seen_ahead", {"events": 100, "wave": 120, "page": 10, "blob": 4, "passes": 4},
          {"events": 1000, "wave": 1200, "page": 20, "blob": 4, "passes": 20})
def office_seen_ahead(options, size):
    """The agent dies when SEEN stands and the checkpoint that relies on it does not, and the stream loses all that came since: the checkpoint's
    own proof is old and good, so nothing goes back, and yet no event and no blob of these may count as read."""
    vendors = {VENDOR: {**{kind: 0 for kind in TYPES}, "exchange": size.events, **FREELY, "page_size": size.page, "events_per_blob": size.blob}}
    ahead = number = 0
    while number < size.passes or (not ahead and number < 4 * size.passes):     # the moment is short: until it was hit
        number += 1
        with World(f"office_seen_ahead_{number}", options, vendors, stream=BRIEF) as world:
            ahead += die_ahead(world, size, number)
    return f"{ahead} of {number} deaths ahead of the checkpoint, with their messages lost"
